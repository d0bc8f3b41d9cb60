"""What the sweep starts, and what it leaves alone. tests/flows/test_servers.py has it on real servers."""

from types import SimpleNamespace

import pandas as pd
import pytest

from flows import advance as module
from roundtruth import answers, steps
from roundtruth.begin import begin
from roundtruth.job import Job
from tests.jobs import go

FILES = {"backend": "files", "answers_per_item": 1}


@pytest.fixture
def sweep(prefect_server, monkeypatch, tmp_path, caplog):
    """sweep(*runs): the names of the jobs that a sweep starts, where there were those runs of labeling jobs before."""
    started = []
    monkeypatch.setattr(module, "run_deployment", lambda name, parameters, **_: started.append((name, parameters)))

    def swept(*runs) -> list[str]:
        monkeypatch.setattr(module, "runs", lambda: list(runs))
        started.clear()
        caplog.clear()
        addresses = module.advance(str(tmp_path))
        assert [name for name, _ in started] == ["labeling-job/labeling-job"] * len(addresses)
        assert [parameters["job"]["output"] for _, parameters in started] == addresses
        return [parameters["job"]["name"] for _, parameters in started]

    return swept


def run(job: Job, state: str, name: str | None = None):
    message = SimpleNamespace(message="out of memory")
    parameters = {"job": {"output": job.address}}
    return SimpleNamespace(parameters=parameters, state_type=state, state_name=name or state, state=message)


@pytest.fixture
def waiting(make) -> Job:
    spec = make(20, name="by csv", workforce=FILES)
    begin(spec)
    assert not go(spec.output)
    return Job(spec.output)


def answer(job: Job, *items: int) -> None:
    rows = pd.DataFrame({"item": items, "worker": "ada", "label": 3})
    job.store.replace(f"people/answers/{len(items)}.csv", rows.to_csv(index=False).encode())


def test_a_waiting_job_is_started_for_each_answer_that_came_and_only_once(sweep, waiting):
    assert sweep() == []
    asked = waiting.batch(1)["item"].tolist()
    answer(waiting, asked[0])
    assert sweep() == ["by csv"]
    steps.wait(Job(waiting.address), 1)  # what the run does
    assert sweep() == []
    answer(waiting, *asked)
    assert sweep() == ["by csv"]


def test_answers_that_were_taken_by_a_run_that_died_before_the_batch_was_closed(sweep, waiting):
    answer(waiting, *waiting.batch(1)["item"])
    answers.collect(waiting)
    assert sweep() == ["by csv"]


def test_asking_whether_answers_came_changes_nothing(waiting):
    answer(waiting, *waiting.batch(1)["item"])
    before = waiting.store.list()
    assert answers.came(waiting)
    assert waiting.store.list() == before


def test_a_job_that_was_cut_off_is_started_and_one_that_is_done_is_not(sweep, make):
    spec = make(20, name="cut off", target={"quality": 0.3})
    begin(spec)
    assert sweep() == ["cut off"]
    assert go(spec.output)
    assert sweep() == []
    (job := Job(spec.output)).store._path("output/output.manifest").unlink()
    assert job.store.holder() == ""
    assert sweep() == ["cut off"], "killed before it was delivered"


def test_a_job_that_is_under_way_is_left_alone(sweep, make):
    job = begin(make(20, name="held"))
    with job.store.hold("another run"):
        assert sweep() == []
    for begun in ("SCHEDULED", "PENDING"):
        assert sweep(run(job, begun)) == []
    assert sweep(run(job, "RUNNING")) == ["held"], "nobody holds it: its run is dead"


def test_a_job_that_failed_three_times_is_left_to_a_person(sweep, make, caplog):
    job = begin(make(20, name="failing"))
    failed, cancelled = run(job, "FAILED"), run(job, "CANCELLED")
    assert sweep(failed, failed) == ["failing"]
    assert sweep(failed, failed, cancelled, failed) == ["failing"]
    assert sweep(failed, failed, failed) == []
    assert "failed 3 times in a row, so run it by hand: out of memory" in caplog.text


def test_a_job_that_a_person_cancelled_is_left_to_a_person(sweep, make, caplog):
    job = begin(make(20, name="cancelled"))
    cancelled, elsewhere = run(job, "CANCELLED"), run(job, "CANCELLED", "HeldElsewhere")
    assert sweep(cancelled) == sweep(elsewhere, cancelled) == sweep(run(job, "CANCELLING")) == []
    assert f"{job.address}: a person cancelled its last run; run it by hand to go on" in caplog.text
    assert sweep(elsewhere) == ["cancelled"]
    assert sweep(run(job, "CRASHED"), cancelled) == ["cancelled"], "somebody has gone on with it since"


def test_a_broken_folder_stops_no_other(sweep, waiting, tmp_path, caplog):
    for name, text in {"a": "{nonsense", "b": "{}", "z": '{"spec": {}}'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "job.json").write_text(text)
    answer(waiting, *waiting.batch(1)["item"])
    assert sweep() == ["by csv"]
    for name in "abz":
        assert f"{tmp_path / name}: left out of this sweep: " in caplog.text


def test_a_folder_of_jobs_that_is_not_there_yet(sweep, prefect_server, tmp_path):
    assert module.advance(str(tmp_path / "jobs")) == []
