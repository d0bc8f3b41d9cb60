"""Whole jobs from Python, and when a run has nothing to do."""

import json

import pytest

from roundtruth import loop, steps
from roundtruth.begin import hold
from roundtruth.errors import Held, UserError
from roundtruth.job import Job
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import output

FILES = {"backend": "files", "answers_per_item": 1}


def idle(spec: JobSpec) -> bool:
    job = Job(spec.output)
    return loop.nothing_to_do(job, summarize(job))


def answer(folder, items, name: str = "1") -> None:
    people = folder / "job/people/answers"
    people.mkdir(exist_ok=True)
    (people / f"{name}.csv").write_text("item,worker,label\n" + "".join(f"{item},ann,1\n" for item in items))


def test_a_whole_job_in_one_call(make, tmp_path):
    """Its manifest and report are there, progress was reported, and another run has nothing to do."""
    spec, seen = make(30), []
    job = loop.run(spec, lambda done, total, note="": seen.append((done, total)))
    assert summarize(job)["state"] == "complete"
    assert len(output(tmp_path / "job")) == 30
    assert json.loads((tmp_path / "job/report/summary.json").read_text()) == summarize(job)
    assert (30, 30) in seen
    assert idle(spec)
    assert summarize(loop.run(spec)) == summarize(job)


def test_a_job_that_waits_has_something_to_do_once_somebody_answered(make, tmp_path):
    spec = make(20, workforce=FILES)
    job = loop.run(spec)
    assert (summarize(job)["state"], idle(spec)) == ("waiting", True)
    answer(tmp_path, job.batch(1)["item"][:1])
    assert not idle(spec)
    assert summarize(loop.run(spec))["answers"] == 1
    assert idle(spec)
    answer(tmp_path, range(1, 21), "2")
    assert not idle(spec)
    assert summarize(loop.run(spec))["state"] == "complete"


def test_a_late_answer_is_something_to_do(make, tmp_path):
    """It is kept and paid, so the money of a job that has ended changes."""
    spec = make(4, workforce=FILES)
    while summarize(loop.run(spec))["state"] == "waiting":
        answer(tmp_path, range(1, 5))
    assert idle(spec)
    before = summarize(Job(spec.output))["answers"]
    item = Job(spec.output).batch(1)["item"][0]
    (tmp_path / "job/people/answers/late.csv").write_text(f"item,worker,label\n{item},bob,1\n")
    assert not idle(spec)
    assert summarize(loop.run(spec))["answers"] == before + 1
    assert idle(spec)


@pytest.mark.parametrize(
    "lost", ["output/output.manifest", pytest.param("report/summary.json", marks=pytest.mark.slow)]
)
def test_a_file_that_is_missing_is_something_to_do(make, tmp_path, lost):
    spec = make(5)
    loop.run(spec)
    (tmp_path / "job" / lost).unlink()
    assert not idle(spec)
    loop.run(spec)
    assert (tmp_path / "job" / lost).exists()


def test_a_report_that_is_older_than_the_job_is_something_to_do(make):
    """As after a kill between an amendment and the report."""
    spec = make(20, workforce=FILES)
    loop.run(spec)
    steps.stop(Job(spec.output))
    assert not idle(spec)
    assert summarize(loop.run(spec))["state"] == "stopped"
    assert idle(spec)


def test_a_higher_budget_is_something_to_do(make):
    assert summarize(loop.run(make(6, budget=0.3)))["state"] == "stopped"
    assert idle(make(6, budget=0.3))
    spec = make(6, budget=100)
    with hold(spec, "a test"):
        from roundtruth.begin import begin

        begin(spec)  # which writes the amendment
    assert not idle(spec)
    assert summarize(loop.run(spec))["state"] == "complete"


def test_another_run_and_a_mistake_are_raised(make, tmp_path):
    spec = make(5)
    with hold(spec, "another run"), pytest.raises(Held, match="another run"):
        loop.run(spec)
    (tmp_path / "input.manifest").write_text("{}\n")
    with pytest.raises(UserError, match="line 1"):
        loop.run(spec)
