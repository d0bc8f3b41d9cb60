import json
import os
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from roundtruth import plans, steps
from roundtruth.job import Job
from roundtruth.summary import summarize
from tests.jobs import facts, files, go, killed_at_every_write, run_job, to_the_end

VERBS = (steps.dispatch, steps.consolidate, steps.train, steps.infer, steps.calibrate, steps.autolabel)


def test_every_step_run_twice_changes_nothing(make, tmp_path):
    spec = make(60, target={"quality": 0.8})
    job = run_job(spec)
    before = files(tmp_path / "job")
    for round in range(1, job.last_round() + 1):
        steps.wait(Job(spec.output), round)
        for step in VERBS[: 2 if not job.has(round, "auto.parquet") else None]:
            step(Job(spec.output), round)
        steps.select(Job(spec.output), round)
    assert go(spec.output)
    after = files(tmp_path / "job")
    assert before.pop("output/output.manifest") != b""
    assert {path: data for path, data in after.items() if path in before} == before
    assert after.keys() - before.keys() == {"output/output.manifest"}


@pytest.mark.slow
def test_killed_after_each_single_write_the_job_comes_to_the_same(make, tmp_path, monkeypatch):
    """As if by kill -9: the process that wrote a file never does anything after it."""
    shape = {"target": {"quality": 0.8}, "budget": 9.0}
    undisturbed = facts(run_job(make(40, **shape, output="undisturbed")))
    spec = make(40, **shape)
    written = killed_at_every_write(spec, monkeypatch, to_the_end)
    assert len(written) == len(set(written)) > 30
    job = Job(spec.output)
    assert set(job.store.list("rounds/")) == {path for path in written if path.startswith("rounds/")}
    assert facts(job) == undisturbed


@pytest.mark.parametrize(
    "last",
    [
        "closed.json", "predictions/0003.parquet",
        *(pytest.param(last, marks=pytest.mark.slow) for last in (
            "posted.json", "answers", "workers.parquet", "labels.parquet", "model/model.pt",
            "predictions/0001.parquet", "predictions/done.json", "threshold.json",
        )),
    ],
)  # fmt: skip
def test_a_round_that_lost_its_later_files_is_made_again_as_it_was(last, make, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "PREDICT", 10)
    spec = make(40, target={"quality": 0.8})
    job = run_job(spec)
    before = facts(job)
    round = max(job.rounds_with("auto.parquet"))
    order = [
        "posted.json", "answers", "closed.json", "workers.parquet", "labels.parquet", "model/model.pt",
        *(f"predictions/{i:04d}.parquet" for i in (1, 2, 3, 4)), "predictions/done.json", "threshold.json",
        "auto.parquet",
    ]  # fmt: skip
    lost = tuple(job.path(round, name) for name in order[order.index(last) + 1 :])
    for path in job.store.list("rounds/"):
        if path.startswith(lost):
            (tmp_path / "job" / path).unlink()
    for later in range(round + 1, job.last_round() + 1):
        for path in job.store.list(f"rounds/{later:03d}/"):
            (tmp_path / "job" / path).unlink()
    assert plans.next_round(Job(spec.output)) == round
    assert go(spec.output)
    assert facts(Job(spec.output)) == before


@pytest.mark.slow
def test_shards_do_not_change_predictions(make, monkeypatch):
    job = run_job(make(40, target={"quality": 0.8}))
    monkeypatch.setattr(steps, "PREDICT", 7)
    other = run_job(make(40, target={"quality": 0.8}, output="other"))
    round = max(job.rounds_with("auto.parquet"))
    assert len(other.store.list(f"rounds/{round:03d}/predictions/")) > len(
        job.store.list(f"rounds/{round:03d}/predictions/")
    )
    assert facts(job) == facts(other)


def test_progress_counts_all_shards(make, monkeypatch):
    monkeypatch.setattr(steps, "PREDICT", 10)
    spec = make(40, target={"quality": 0.8})
    job = run_job(spec)
    round = min(job.rounds_with("auto.parquet"))
    told = []

    class Talking:
        def predict(self, pictures, progress):
            progress(len(pictures), len(pictures))
            return pd.DataFrame({"item": pictures.items, "class_id": 0, "score": 0.5})

        def load(self, state):
            pass

    monkeypatch.setattr(steps, "learner", lambda job, round: Talking())
    for path in job.store.list(f"rounds/{round:03d}/predictions/"):
        Path(job.address, path).unlink()
    steps.infer(Job(spec.output), round, lambda done, total, note: told.append((done, total)))
    total = told[0][1]
    assert [done for done, _ in told] == np.cumsum(
        [len(s) for s in np.array_split(range(total), -(-total // 10))]
    ).tolist()


# -- answers that come over days


@pytest.fixture
def people(make, tmp_path):
    """A job whose people answer by files; say(file, *rows) puts a file there."""
    spec = make(30, workforce={"backend": "files", "answers_per_item": 2}, prices={"per_answer": 1.0, "per_item": 10.0})
    run_job(spec)
    folder = tmp_path / "job/people/answers"

    written = count(1_700_000_000)  # a file system's clock is coarse

    def say(name: str, *rows) -> None:
        lines = ["item,worker,label", *(",".join(map(str, row)) for row in rows)]
        (folder / name).write_text("\n".join(lines) + "\n")
        os.utime(folder / name, (next(written),) * 2)

    return spec, Job(spec.output).batch(1)["item"].tolist(), say


def everybody(items, label=1):
    return [(item, worker, label) for item in items for worker in ("ann", "bob")]


def test_answers_are_appended_and_each_is_taken_once(people, tmp_path):
    spec, items, say = people
    say("a.csv", *everybody(items[:2]))
    assert steps.wait(Job(spec.output), 1) == {"asked": len(items), "answered": 2, "done": False}
    first = (tmp_path / "job/rounds/001/answers/0001-4.parquet").read_bytes()
    assert steps.wait(Job(spec.output), 1)["answered"] == 2
    assert Job(spec.output).store.list("rounds/001/answers/") == ["rounds/001/answers/0001-4.parquet"]
    say("b.csv", (items[2], "ann", 3))
    assert steps.wait(Job(spec.output), 1)["answered"] == 2  # of two answers one is there
    assert (tmp_path / "job/rounds/001/answers/0001-4.parquet").read_bytes() == first
    assert len(Job(spec.output).store.read_table("rounds/001/answers/0002-1.parquet")) == 1
    assert len(Job(spec.output).answers(1)) == 5


def test_a_correction_before_the_close_replaces(people):
    spec, items, say = people
    say("a.csv", *everybody(items[:1], 1))
    steps.wait(Job(spec.output), 1)
    say("b.csv", (items[0], "ann", 2), (items[0], "bob", 2))
    steps.wait(Job(spec.output), 1)
    answers = Job(spec.output).answers(1)
    assert answers["class_id"].tolist() == [2, 2]
    say("a.csv", *everybody(items[:1], 5))  # the first file is written anew: now it has the newest word
    steps.wait(Job(spec.output), 1)
    assert Job(spec.output).answers(1)["class_id"].tolist() == [5, 5]
    say("c.csv", *everybody(items[1:]))
    job = run_job(spec)
    assert job.labels(1).set_index("item")["class_id"].to_dict() == {items[0]: 5} | dict.fromkeys(items[1:], 1)
    assert summarize(job)["answers"] == 2 * len(items)


def test_a_correction_back_to_the_first_word_counts(people):
    spec, items, say = people
    for label in (1, 2, 1):
        say("a.csv", (items[0], "ann", label))
        steps.wait(Job(spec.output), 1)
    assert Job(spec.output).answers(1)["class_id"].tolist() == [1]


def test_what_comes_after_the_close_is_kept_and_paid_and_changes_no_label(people):
    spec, items, say = people
    say("a.csv", *everybody(items))
    job = run_job(spec)
    assert job.has(1, "closed.json")
    assert job.last_round() == 2
    labels, price = job.labels(1), summarize(job)["cost"]["human"]
    assert price == 12.0 * len(items)
    say("b.csv", (items[0], "cy", 7), (items[1], "dee", 7), (items[0], "ann", 7))  # the last is a correction: too late
    job = run_job(spec)
    assert job.labels(1).equals(labels)
    answers = job.answers(1)
    assert sorted(answers["worker"][answers["item"] == items[0]]) == ["ann", "bob", "cy"]
    assert set(answers["class_id"][answers["worker"] == "ann"]) == {1}
    assert summarize(job)["cost"]["human"] == price + 2.0
    assert summarize(job)["answers"] == 2 * len(items) + 2
    told = "1 answer was changed after its batch was closed; the earlier one counts"
    assert summarize(job)["about_answers"] == [told]
    for _ in range(2):
        assert summarize(run_job(spec))["cost"]["human"] == price + 2.0


def test_what_comes_after_the_job_is_complete_is_paid_too(make, tmp_path):
    spec = make(1, workforce={"backend": "files", "answers_per_item": 1}, prices={"per_answer": 1.0, "per_item": 10.0})
    run_job(spec)
    for worker, cost in (("ann", 11.0), ("bob", 12.0)):
        (tmp_path / f"job/people/answers/{worker}.csv").write_text(f"item,worker,label\n1,{worker},{len(worker)}\n")
        summary = summarize(run_job(spec))
        assert (summary["state"], summary["cost"]["total"]) == ("complete", cost)


def test_a_late_answer_counts_for_its_worker(people):
    """Skills are learned from all answers that came in time; a later round's do not lose the earlier ones."""
    spec, items, say = people
    say("a.csv", *everybody(items))
    job = run_job(spec)
    say("b.csv", *everybody(job.batch(2)["item"]))
    job = run_job(spec)
    workers = job.workers().set_index("worker")["answers"]
    assert workers.to_dict() == {"ann": len(items) + len(job.batch(2)), "bob": len(items) + len(job.batch(2))}


def test_files_that_were_taken_away_again_do_no_harm(people, tmp_path):
    spec, items, say = people
    say("a.csv", *everybody(items[:2]))
    steps.wait(Job(spec.output), 1)
    (tmp_path / "job/people/answers/a.csv").unlink()
    assert steps.wait(Job(spec.output), 1)["answered"] == 2
    assert len(Job(spec.output).answers(1)) == 4


def test_while_people_are_waited_for_nobody_else_is_asked(people):
    spec, items, say = people
    for _ in range(3):
        job = run_job(spec)
    assert (job.last_round(), plans.state(job)) == (1, "waiting")
    say("a.csv", *everybody(items[:1]))
    assert run_job(spec).last_round() == 1


def test_a_stop_closes_the_batch_with_the_answers_there_are(people, tmp_path):
    spec, items, say = people
    say("a.csv", (items[0], "ann", 3))
    steps.stop(Job(spec.output))
    job = Job(spec.output)
    assert job.stopped
    assert job.store.read_json("rounds/001/closed.json")["how"] == "expired"
    assert job.labels(1)[["item", "class_id"]].to_numpy().tolist() == [[items[0], 3]]
    before = files(tmp_path / "job")
    steps.stop(Job(spec.output))
    assert files(tmp_path / "job") == before
    say("b.csv", *everybody(items))
    job = run_job(spec)  # run again it stays stopped
    assert (job.last_round(), plans.state(job), len(job.labels(1))) == (1, "stopped", 1)


def test_a_stop_of_a_complete_job_leaves_it_complete(make, tmp_path):
    spec = make(4)
    run_job(spec)
    before = files(tmp_path / "job")
    steps.stop(Job(spec.output))
    assert files(tmp_path / "job") == before
    assert plans.state(Job(spec.output)) == "complete"


def test_a_stop_without_any_answer(people):
    spec, _, _ = people
    steps.stop(Job(spec.output))
    job = Job(spec.output)
    steps.deliver(job)
    summary = summarize(job)
    assert (summary["state"], summary["human"], summary["failed"]) == ("stopped", 0, 30)
    assert summary["cost"]["total"] == 0


@pytest.mark.parametrize("lost", ["rounds/001/closed.json", "rounds/001/labels.parquet"])
def test_a_stop_that_was_killed_is_finished_by_the_next_run(lost, people, tmp_path):
    spec, items, say = people
    say("a.csv", (items[0], "ann", 3))
    steps.stop(Job(spec.output))
    (tmp_path / "job" / lost).unlink()
    (tmp_path / "job/rounds/001/labels.parquet").unlink(missing_ok=True)
    job = run_job(spec)
    assert job.labels(1)["item"].tolist() == [items[0]]
    assert json.loads((tmp_path / "job/output/output.manifest").read_text().splitlines()[items[0] - 1])["label"] == 3


def test_a_model_file_that_would_run_code_is_refused(make, tmp_path):
    import pickle

    import torch

    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    spec = make(40, target={"quality": 0.8})
    job = run_job(spec)
    round = max(job.rounds_with("auto.parquet"))
    for path in job.store.list(f"rounds/{round:03d}/predictions/"):
        Path(job.address, path).unlink()
    torch.save({"weight": Evil()}, Path(job.address, job.path(round, "model/model.pt")))
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        steps.infer(Job(spec.output), round)
    assert not (tmp_path / "ran").exists()
