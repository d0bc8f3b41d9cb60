import json

import numpy as np
import pandas as pd
import pytest

from roundtruth import loop, plans, steps
from roundtruth.begin import begin
from roundtruth.job import Job
from roundtruth.plans import ground_truth
from roundtruth.summary import summarize
from roundtruth.tables import CHECKED
from tests.jobs import output, run_job, same_picture, scripted, write_lines


def batches(job: Job) -> list[tuple[int, str]]:
    """(size, role) of each batch."""
    asked = job.asked()
    return [(len(batch), batch.role.unique().item()) for _, batch in asked.groupby("round")]


def test_a_thousand_items_go_as_in_the_post(tmp_path, make, monkeypatch):
    """10 / 190 / 200 / 200 / 8 people, 0 / 0 / 0 / 27 / 365 auto, with a learner that is as sure as the post's was."""
    same_picture(tmp_path, 1000)
    address = str(tmp_path / "job")

    def predict(trained: int, items: np.ndarray):
        job = Job(address)
        asked = job.asked()
        checked = asked["item"][asked.role.isin(["probe", "validation"])].to_numpy()
        pool = job.pool()
        sure = {200: 27, 400: 365}[trained]
        score = pd.Series(0.1 + items / 10_000, index=items)  # the lowest are the first items
        score[pool[-sure:]] = 0.9
        score[checked[0]] = 0.8
        return np.where(score > 0.5, 1, 0), score.to_numpy()

    job = run_job(make(1000, learner=scripted(monkeypatch, predict)))

    assert batches(job) == [(10, "probe"), (190, "validation"), (200, "train"), (200, "train"), (8, "rest")]
    assert not job.asked()["item"].duplicated().any()
    summary = summarize(job)
    assert [row["human"] for row in summary["rounds"]] == [10, 190, 200, 200, 8]
    assert [row["auto"] for row in summary["rounds"]] == [0, 0, 0, 27, 365]
    assert [row["threshold"] for row in summary["rounds"]] == [None, None, None, 0.8, 0.8]
    assert summary["cost"] == {
        "human": 158.08, "auto": 31.36, "total": 189.44, "all_human": 260.00, "saving": 0.2714,
        "all_human_most": 260.00, "most_answers": 5,
    }  # fmt: skip
    assert summary["state"] == "complete"
    # people got the least sure: here those of the lowest number that were still to be had
    first = set(job.asked()["item"][job.asked()["round"] <= 3])
    left = [item for item in range(1, 1001) if item not in first]
    assert job.batch(4)["item"].tolist() == left[:200]
    assert job.auto(3)["item"].tolist() == left[-27:]
    assert job.batch(5)["item"].tolist() == left[200:208]


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (1, [(1, "probe")]),
        (7, [(1, "probe"), *[(1, "train")] * 5, (1, "rest")]),
        (20, [(4, "probe"), (4, "train"), (4, "train"), (4, "train"), (4, "rest")]),
        pytest.param(
            73, [(10, "probe"), (5, "validation"), (15, "train"), (15, "train"), (15, "train"), (13, "rest")],
            marks=pytest.mark.slow,
        ),
    ],
)  # fmt: skip
def test_a_model_that_is_sure_of_nothing_leaves_all_to_people(n, expected, make, monkeypatch):
    never_right = scripted(monkeypatch, lambda trained, items: (np.full(len(items), 10), np.full(len(items), 0.5)))
    job = run_job(make(n, learner=never_right, classes=[*"0123456789", "none"]))
    assert batches(job) == expected
    assert summarize(job)["state"] == "complete"
    assert summarize(job)["cost"]["total"] == pytest.approx(0.26 * n)


def test_batches_of_the_digits(tmp_path, make, monkeypatch):
    """A fifth of 1797 is 359; the first ten are the probe's."""
    same_picture(tmp_path, 1797)
    all_right = scripted(monkeypatch, lambda trained, items: (np.full(len(items), 1), np.full(len(items), 0.5)))
    job = run_job(make(1797, learner=all_right))
    assert batches(job) == [(10, "probe"), (349, "validation"), (359, "train")]
    assert summarize(job)["rounds"][-1]["auto"] == 1797 - 2 * 359
    assert summarize(job)["rounds"][-1]["human"] == 0


def test_the_first_items_are_drawn_at_random_and_by_the_seed(make, tmp_path):
    make(100)
    drawn = []
    for seed in (0, 1):
        spec = make(100, seed=seed, output=f"job{seed}", workforce={"backend": "files"})
        begin(spec)
        steps.select(Job(spec.output), 0)
        drawn.append(Job(spec.output).batch(1)["item"].tolist())
    assert drawn[0] != drawn[1]
    assert all(sorted(set(items)) == items and len(items) == 10 for items in drawn)
    assert max(np.diff(drawn[0])) > 1  # not the first ten


def test_when_every_picture_fails_nobody_is_asked(make, tmp_path):
    make(3)
    for picture in (tmp_path / "images").iterdir():
        picture.write_bytes(b"")
    summary = summarize(run_job(make(3)))
    assert (summary["state"], summary["failed"], summary["rounds"]) == ("complete", 3, [])
    assert set(summary["cost"].values()) == {0, 5}
    assert {record["label-metadata"]["failure-reason"] for record in output(tmp_path / "job")} == {
        "cannot be decoded: not a picture that Pillow can read"
    }


def test_items_that_come_labeled_are_kept_and_learned_from(make, tmp_path, monkeypatch):
    seen = []

    def predict(trained, items):
        seen.append((trained, len(items)))
        return np.zeros(len(items)), np.zeros(len(items))

    make(40)
    lines = [json.loads(line) for line in (tmp_path / "truth.manifest").read_text().splitlines()]
    mine = [{"source-ref": line["source-ref"], "note": i} for i, line in enumerate(lines)]
    for line, truth in zip(mine[:15], lines):
        line |= {"label": 7, "label-metadata": truth["truth-metadata"] | {"class-name": "7"}}  # wrong, but the user's
    write_lines(tmp_path / "input.manifest", mine)
    job = run_job(make(40, learner=scripted(monkeypatch, predict), target={"quality": 1.0}))
    assert set(job.asked()["item"]) == set(range(16, 41))
    assert batches(job)[:3] == [(5, "probe"), (5, "train"), (5, "train")]  # a fifth of the 25 that are to be labeled
    assert seen[0] == (15 + 5, 5 + 15)
    summary = summarize(job)
    assert (summary["input"], summary["human"] + summary["auto"], summary["items"]) == (15, 25, 40)
    written = output(tmp_path / "job")
    assert [record["label"] for record in written[:15]] == [7] * 15
    assert [record["note"] for record in written] == list(range(40))


def test_when_all_come_labeled_there_is_nothing_to_do(make, tmp_path):
    make(5)
    text = (tmp_path / "truth.manifest").read_text()
    (tmp_path / "input.manifest").write_text(text)
    summary = summarize(run_job(make(5, attribute="truth")))
    assert (summary["state"], summary["input"], summary["human"], summary["rounds"]) == ("complete", 5, 0, [])
    assert (tmp_path / "job/output/output.manifest").read_text() == text


@pytest.mark.parametrize("budget", [0.2, 0.26, 0.77, 2.6, 3.0, 6.3, 9.1, 12.0])
def test_no_batch_is_posted_that_could_break_the_budget(budget, make, monkeypatch):
    right = scripted(monkeypatch, lambda trained, items: (np.full(len(items), 1), items / 1000))
    spec = make(60, learner=right, budget=budget, target={"quality": 0.01})
    begin(spec)
    steps.select(Job(spec.output), 0)
    job = run_job(spec)
    summary = summarize(job)
    assert summary["cost"]["total"] <= budget + 1e-9
    cheapest = 0.08 if len(job.rounds_with("auto.parquet")) else 0.26
    assert summary["state"] == "complete" or summary["cost"]["total"] > budget - max(cheapest, 0.26)
    assert summary["human"] + summary["auto"] + summary["failed"] == 60
    paid = 0.0
    for round, batch in job.asked().groupby("round"):
        paid += 0.08 * (len(job.auto(round - 1)) if job.has(round - 1, "auto.parquet") else 0)
        paid += 0.26 * len(batch)
        assert paid <= budget + 1e-9


def test_a_higher_budget_goes_on_where_the_lower_one_stopped(make, tmp_path):
    """Cut short anywhere, the job ends as it would have without a budget: as many items are checked as planned."""
    for budget in (0.5, 1.6, 3.2, 5.7, None):
        job = run_job(make(50, budget=budget, target={"quality": 0.9}))
        assert plans.state(job) == ("stopped" if budget else "complete")
    asked = job.asked()
    assert asked.role.isin(CHECKED).sum() == 10
    assert not asked["item"].duplicated().any()
    assert summarize(job)["human"] + summarize(job)["auto"] == 50
    assert len(job.store.list("amendments/")) == 4
    assert not any("failure-reason" in record["label-metadata"] for record in output(tmp_path / "job"))


def test_a_lower_budget_stops_at_once(make):
    run_job(make(50, budget=3.0))
    job = run_job(make(50, budget=1.0))
    assert (job.spec.budget, plans.state(job), job.last_round()) == (1.0, "stopped", 2)


def test_the_surest_are_labeled_where_the_money_ends(make, monkeypatch):
    learner = scripted(monkeypatch, lambda trained, items: (np.full(len(items), 1), items / 1000))
    job = run_job(make(50, learner=learner, budget=20 * 0.26 + 5 * 0.08, target={"quality": 0.01}))
    pool = sorted(set(range(1, 51)) - set(job.asked()["item"]))
    assert job.auto(2)["item"].tolist() == pool[-5:]
    reason = job.failures()
    assert len(reason) == 25
    assert reason.str.contains("budget").all()


def test_without_any_answer_nothing_is_learned_and_every_item_fails(make, tmp_path):
    make(12)
    (tmp_path / "answers.csv").write_text("item,worker,label\n1,ann,0\n")
    job = run_job(make(12, workforce={"backend": "simulated", "answers": "answers.csv", "answers_per_item": 5}))
    summary = summarize(job)
    assert (summary["state"], summary["human"], summary["failed"], summary["answers"]) == ("complete", 1, 11, 1)
    assert summary["cost"]["total"] == 0.12  # .08 for the item and one answer
    reasons = {record["label-metadata"].get("failure-reason") for record in output(tmp_path / "job")}
    assert reasons == {None, "nobody answered"}


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        (np.zeros(100), (600, 0)),  # all that is left passes at once
        (np.ones(100), (0, 3)),  # nothing ever does: three more batches for people
        # 62 of 100 pass with a mean loss of .194, so 372 do; of the 228 left all are wrong: 200 are asked, then 28
        (np.repeat([0.0, 1.0], 50), (372, 2)),
    ],
)
def test_rounds_to_come_by_hand(losses, expected):
    assert ground_truth.simulate_one(losses, 0.0, 600, 200, 200, 0.2) == expected


@pytest.mark.parametrize("after", [0, "end", *(pytest.param(after, marks=pytest.mark.slow) for after in (1, 2, 4))])
def test_pictures_that_return_are_labeled_like_the_others_from_the_next_round_on(after, make, tmp_path):
    """100 items, of which 20 are away until round `after` has been answered; batches stay those of 80 items."""
    make(100)
    (tmp_path / "away").mkdir()
    names = [f"{number:04d}.png" for number in range(11, 31)]
    for name in names:
        (tmp_path / "images" / name).rename(tmp_path / "away" / name)
    spec = make(100, target={"quality": 0.8})
    job = begin(spec)
    steps.select(job, 0)
    while not (job.pool().size == 0 if after == "end" else job.last_round() > after):
        loop.one_round(job.address, job.last_round())
        job = Job(job.address)
    asked = job.asked()
    for name in names:
        (tmp_path / "away" / name).rename(tmp_path / "images" / name)
    job = run_job(spec)
    assert job.asked().iloc[: len(asked)].equals(asked)  # nothing that was written changes
    back = job.mask(range(11, 31))
    assert not back[asked["item"]].any()
    assert not job.asked()["item"].duplicated().any()
    assert [size for size, role in batches(job) if role in ("probe", "validation")] == [10, 6]
    summary = summarize(job)
    assert (summary["state"], summary["human"] + summary["auto"], summary["failed"]) == ("complete", 100, 0)
    for number in job.rounds_with("predictions/done.json"):
        predicted = job.predictions(number)["item"]
        assert not predicted.duplicated().any()
        assert back[predicted].any() == (number > job.returned()["round"].max())


def test_pictures_that_return_after_the_model_labeled_all_others_are_asked_about(make, tmp_path):
    make(60)
    for number in (3, 4, 5):
        (tmp_path / f"images/{number:04d}.png").rename(tmp_path / f"{number:04d}.png")
    spec = make(60, target={"quality": 0.01})
    job = run_job(spec)
    assert job.has(job.last_round(), "predictions/done.json")
    assert len(job.auto(job.last_round())) > 0
    for number in (3, 4, 5):
        (tmp_path / f"{number:04d}.png").rename(tmp_path / f"images/{number:04d}.png")
    assert summarize(begin(spec))["state"] == "running"
    job = run_job(spec)
    assert job.batch(job.last_round())["item"].tolist() == [3, 4, 5]
    assert summarize(job)["state"] == "complete"
