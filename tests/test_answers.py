"""What people said is kept once, each answer in its round, the newest word of each worker on each item."""

import pandas as pd
import pytest

from roundtruth import answers, steps, terminal, workforce
from roundtruth.begin import begin
from roundtruth.job import Job
from roundtruth.summary import summarize
from roundtruth.workforce import Collected
from tests.jobs import run_job

COLUMNS = ["item", "worker", "class_id", "minute", "reason"]


@pytest.fixture
def sweep(make, monkeypatch):
    """sweep(*rows): the answers that a waiting job has once these came, too; people were asked about `sweep.items`."""
    spec = make(30, workforce={"backend": "files", "answers_per_item": 2})
    begin(spec)
    steps.select(Job(spec.output), 0)
    steps.dispatch(Job(spec.output), 1)

    def swept(*rows) -> list[list]:
        said = pd.DataFrame([(*row, None)[:5] for row in rows], columns=COLUMNS)
        said["submitted_at"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(said.pop("minute"), unit="min")
        monkeypatch.setattr(Brings, "said", Collected(said, False), raising=False)
        monkeypatch.setattr(workforce, "get", Brings)
        came = answers.came(Job(spec.output))
        before = kept(Job(spec.output))
        answers.collect(Job(spec.output))
        job = Job(spec.output)
        assert (kept(job) != before) == came
        assert not answers.came(job)
        table = job.answers(1)
        assert set(table["batch"]) <= {1}
        return table.sort_values(["item", "worker"])[["item", "worker", "class_id"]].to_numpy().tolist()

    swept.job, swept.items = spec.output, Job(spec.output).asks(1)["item"].tolist()
    return swept


def kept(job) -> tuple:
    return job.listed("rounds/001/answers/"), answers.found(job)


class Brings:
    said: Collected

    def __init__(self, job):
        pass

    def collect(self, posted):
        assert list(posted) == [1]
        assert (posted[1]["backend"], posted[1]["answers"]) == ("files", [2] * 6)
        return self.said


def test_of_two_words_in_one_sweep_the_newer_counts(sweep):
    a, b = sweep.items[:2]
    assert sweep((a, "ann", 4, 9), (b, "ann", 5, 3), (a, "ann", 3, 1)) == [[a, "ann", 4], [b, "ann", 5]]


def test_an_older_word_that_comes_later_does_not_count(sweep):
    a = sweep.items[0]
    assert sweep((a, "ann", 4, 9)) == [[a, "ann", 4]]
    assert sweep((a, "ann", 3, 8)) == [[a, "ann", 4]]
    assert sweep((a, "ann", 2, 10)) == [[a, "ann", 2]]


def test_only_what_is_new_or_everything_again_comes_to_the_same(sweep):
    a, b = sweep.items[:2]
    first, second, third = (a, "ann", 4, 1), (a, "bob", 5, 2), (b, "ann", 6, 3)
    assert sweep(first) == [[a, "ann", 4]]
    assert sweep(second) == [[a, "ann", 4], [a, "bob", 5]]
    everything = [[a, "ann", 4], [a, "bob", 5], [b, "ann", 6]]
    assert sweep(third, second, first) == everything
    assert sweep() == everything
    assert len(Job(sweep.job).listed("rounds/001/answers/")) == 3


def test_answers_about_items_that_nobody_was_asked_about_are_left_out(sweep):
    other = next(item for item in range(1, 31) if item not in sweep.items)
    assert sweep((other, "ann", 4, 1)) == []
    summary = summarize(Job(sweep.job))
    assert (summary["answers"], summary["cost"]["total"]) == (0, 0)
    assert summary["about_answers"] == ["1 answer is about an item that was not asked about, and not paid"]


def test_after_the_close_a_new_workers_answer_is_kept_and_a_correction_is_not(sweep):
    a = sweep.items[0]
    sweep((a, "ann", 4, 1))
    answers.close(Job(sweep.job), 1, "complete")
    assert sweep((a, "ann", 3, 2), (a, "bob", 5, 2)) == [[a, "ann", 4], [a, "bob", 5]]
    counted = Job(sweep.job).answers(1, counted=True)
    assert counted["worker"].tolist() == ["ann"]


def test_a_reason_takes_an_answer_back_and_a_label_takes_a_reason_back(sweep):
    a, b = sweep.items[:2]
    sweep((a, "ann", 4, 1), (b, "ann", None, 1, "too dark"), (a, "bob", 4, 1, ""), (b, "bob", 4, 1))
    assert answers.answered(Job(sweep.job), 1) == 1  # an empty reason is none
    sweep((a, "ann", None, 2, "two digits"), (b, "ann", 5, 2))
    kept = Job(sweep.job).answers(1).set_index(["item", "worker"])
    assert kept["reason"].dropna().to_dict() == {(a, "ann"): "two digits"}
    assert kept["class_id"].to_dict() == {(a, "ann"): -1, (a, "bob"): 4, (b, "ann"): 5, (b, "bob"): 4}
    assert answers.answered(Job(sweep.job), 1) == 1


def test_an_answer_of_several_rows_stays_whole():
    said = pd.DataFrame({"item": [1, 1, 1, 2], "worker": "ann", "left": [1.0, 2.0, 3.0, 4.0]})
    at = pd.Timestamp("2026-01-01", tz="UTC")
    said["submitted_at"] = [at, at + pd.Timedelta("1s"), at + pd.Timedelta("1s"), at]
    assert answers.newest(said)["left"].tolist() == [2.0, 3.0, 4.0]


def test_more_answers_are_asked_for_once(make):
    begin(make(30, workforce={"backend": "files", "answers_per_item": 1}))
    job = Job(make(30, workforce={"backend": "files", "answers_per_item": 1}).output)
    steps.select(job, 0)
    steps.dispatch(job, 1)
    steps.wait(job, 1)
    assert set(answers.posted(job, 1)["answers"]) == {1}
    begin(make(30, workforce={"backend": "files", "answers_per_item": 12}))
    for _ in range(2):
        steps.wait(Job(job.address), 1)
    job = Job(job.address)
    assert set(answers.posted(job, 1)["answers"]) == {12}
    assert job.listed("rounds/001/posted") == ["rounds/001/posted-0002.json", "rounds/001/posted.json"]


def test_a_job_whose_people_do_not_answer_is_given_to_others(make):
    spec = make(30, workforce={"backend": "files"})
    job = run_job(spec)
    assert summarize(job)["state"] == "waiting"
    others = make(30)  # simulated
    begin(others)
    assert terminal.waiting(Job(spec.output)).endswith("of round 1 answered.")
    job = run_job(others)
    assert summarize(job)["state"] == "complete"
    assert set(job.answers(1)["item"]) == set(job.batch(1)["item"])


def test_a_waiting_job_says_once_what_it_waits_for(make):
    job = run_job(make(30, workforce={"backend": "files"}))
    said = terminal.following(job, summarize(job))
    assert [line.partition(":")[0] for line in said[-3:]] == ["Forecast", "At most", "The model starts from"]
    assert sum("items of round 1 answered" in line for line in said) == 1
    assert not any(line.startswith("Waits for") for line in said)
