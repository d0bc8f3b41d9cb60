"""The certified plan: what it asks, that its promise is not broken by how it goes on, and how it ends at the edges."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from roundtruth import ledger, loop, plans, steps
from roundtruth.begin import begin
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.plans import looks
from roundtruth.summary import summarize
from tests.jobs import facts, files, go, killed_at_every_write, output, run_job, same_picture, scripted, to_the_end
from tests.test_recompute_certificate import script

EASY = {"plan": "certified", "target": {"quality": 0.8}}
EASIER = {"plan": "certified", "target": {"quality": 0.6}}  # the first model may be the last


def test_what_the_coins_and_the_batches_come_to(make):
    job = run_job(make(300, **EASY))
    fixed, coins = (
        job.store.read_json("certificate.json"),
        job.store.read_table("coins.parquet").set_index("item")["coin"],
    )
    asked = job.asked()
    assert fixed["delta"] == 0.05
    assert fixed["max_loss"] == 0.2
    first = asked[(asked["round"] == 1) & (asked.role == "train")]["item"]
    assert len(first) == fixed["train"][0]
    last = max(job.rounds_with("threshold.json"))
    look = job.look(last)
    roles = job.roles(last).set_index("item")["role"]
    below = set(coins.index[coins < look.drawn])
    assert set(roles.index[roles == "validation"]) == below - set(roles.index[roles == "train"])
    assert look.checked == (roles == "validation").sum()
    assert [job.look(r).final for r in job.rounds_with("threshold.json")][-1]
    stages = [job.look(r).stage for r in job.rounds_with("threshold.json")]
    assert len(set(stages)) == len(stages)
    summary = summarize(job)
    assert summary["state"] == "complete"
    assert summary["target"]["holds"] is (True if summary["auto"] else None)
    assert summary["human"] + summary["auto"] == 300
    assert summary["auto"] > 0


def forced(monkeypatch, *pairs):
    """Make the plan go from look to look as given, then finish."""
    following = dict(pairwise(pairs))
    monkeypatch.setattr(looks, "going_on", lambda schedule, settings, sample, at, ahead, count: following.get(at))


def test_items_that_move_from_checking_to_training_are_asked_and_paid_once(make, monkeypatch):
    forced(monkeypatch, (1, 1), (2, 1), (2, 2), (3, 2))
    spec = make(
        400, workforce={"backend": "simulated", "truth": "truth.manifest", "noise": 1, "answers_per_item": 5}, **EASY
    )
    job = run_job(spec)
    asked = job.asked()
    moved = asked[asked["item"].duplicated()]
    assert len(moved) > 0
    assert set(moved.role) == {"train"}
    assert not moved["item"].duplicated().any()
    assert sum(len(job.asks(r)) for r in range(1, job.last_round() + 1)) == asked["item"].nunique()
    for r in range(1, job.last_round() + 1):
        assert sorted(job.store.read_json(job.path(r, "posted.json"))["items"]) == job.asks(r)["item"].tolist()
    summary = summarize(job)
    assert summary["human"] == asked["item"].nunique()
    assert summary["answers"] == 5 * summary["human"]
    assert ledger.spent(job) == pytest.approx(0.26 * summary["human"] + 0.08 * summary["auto"])
    labels = job.human_labels()
    assert not labels["item"].duplicated().any()
    assert set(labels[labels["item"].isin(moved["item"])].role) == {"train"}
    # a round that only checks more trains nothing
    assert [r for r in (1, 2, 3, 4) if job.has(r, "model/model.pt")] == [1, 2, 4]
    assert job.look(3).model == 2
    assert len(output(Path(job.address).parent / "job")) == 400
    # what is checked counts by what was learned from training answers alone
    taught = job.roles(4).query("role == 'train'")["item"]
    answers = pd.concat([job.answers(r) for r in (1, 2, 3, 4)])
    both = job.kind.consolidate(answers, spec.classes, answers["item"].isin(taught).to_numpy())[0].set_index("item")
    checked = labels[labels.role == "validation"].set_index("item")
    assert len(checked) > 0
    assert both.loc[checked.index, "class_id"].equals(checked["class_id"])
    assert both.loc[checked.index, "confidence"].equals(checked["confidence"])


def asked_until(job, r):
    return job.asked().query("role == 'train' and round <= @r")


def taught_until(job, r):
    return job.human_labels(until=r).query("role == 'train'").reset_index(drop=True)


@pytest.mark.slow
def test_models_and_training_sets_do_not_depend_on_what_is_checked(make, tmp_path, monkeypatch):
    """The same job twice; in the second, people give other answers to all that is only checked."""
    forced(monkeypatch, (1, 1), (1, 2), (2, 2), (3, 2))
    one = run_job(make(400, **EASIER))
    fixed = one.store.read_json("certificate.json")
    taught = one.asked().query("role == 'train'")["item"]
    truth = one.truth().set_index("item")["class_id"]
    said = truth.where(truth.index.isin(taught), (truth + 1) % 10)
    rows = [f"{item},{worker},{label}" for item, label in said.items() for worker in ("ann", "bob")]
    (tmp_path / "answers.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
    rows = [f"{item},{worker},{label}" for item, label in truth.items() for worker in ("ann", "bob")]
    (tmp_path / "true.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
    jobs = [
        run_job(
            make(
                400,
                output=name,
                workforce={"backend": "simulated", "answers": name + ".csv", "answers_per_item": 5},
                **EASIER,
            )
        )
        for name in ("true", "answers")
    ]
    assert [job.store.read_json("certificate.json") for job in jobs] == [fixed, fixed]
    for r in jobs[0].rounds_with("model/model.pt"):
        for what in (asked_until, taught_until, Job.predictions):
            pd.testing.assert_frame_equal(*(what(job, r) for job in jobs))
    assert jobs[0].look(1).above > 0
    assert jobs[1].look(1).threshold is None


def test_every_step_run_twice_changes_nothing(make, tmp_path, monkeypatch):
    forced(monkeypatch, (1, 1), (1, 2), (2, 2))
    spec = make(200, **EASY)
    job = run_job(spec)
    before = files(tmp_path / "job")
    for round in range(1, job.last_round() + 1):
        steps.wait(Job(spec.output), round)
        steps.dispatch(Job(spec.output), round)
        steps.consolidate(Job(spec.output), round)
        if plans.predicts(Job(spec.output), round):
            steps.train(Job(spec.output), round)
            steps.infer(Job(spec.output), round)
        if plans.calibrates(Job(spec.output), round):
            steps.calibrate(Job(spec.output), round)
            steps.autolabel(Job(spec.output), round)
        steps.select(Job(spec.output), round)
    assert go(spec.output)
    after = files(tmp_path / "job")
    before.pop("output/output.manifest")
    assert {path: data for path, data in after.items() if path in before} == before
    assert after.keys() - before.keys() == {"output/output.manifest"}


@pytest.mark.slow
def test_killed_after_each_single_write_the_job_comes_to_the_same(make, monkeypatch):
    """Coins, looks and what they spent too: as if by kill -9, at every write."""
    forced(monkeypatch, (1, 1), (1, 2), (2, 2))
    undisturbed = run_job(make(150, **EASY, output="undisturbed"))
    spec = make(150, **EASY)
    killed_at_every_write(spec, monkeypatch, to_the_end)
    job = Job(spec.output)
    assert facts(job) == facts(undisturbed)
    for path in ("certificate.json", "coins.parquet"):
        assert job.store.read(path) == undisturbed.store.read(path)


def test_while_people_are_waited_for_nothing_is_drawn_or_spent(make, tmp_path):
    spec = make(200, workforce={"backend": "files", "answers_per_item": 1}, **EASY)
    for _ in range(3):
        job = run_job(spec)
        now = {path: data for path, data in files(tmp_path / "job").items() if "output" not in path}
        assert plans.state(job) == "waiting"
        before = now if _ == 0 else before  # noqa: F821
        assert now == before
    asked = pd.read_csv(tmp_path / "job/people/batch-001.csv")
    assert list(asked.columns) == ["item", "source"]  # blind
    assert asked["item"].is_monotonic_increasing


def test_what_would_make_the_promise_depend_on_the_answers_cannot_be_changed(make):
    run_job(make(60, **EASY))
    with pytest.raises(UserError, match=r"^target: .*put it back"):
        begin(make(60, plan="certified", target={"quality": 0.7}))
    with pytest.raises(UserError, match=r"^learner: .*put it back"):
        begin(make(60, **EASY, learner="default"))
    begin(make(60, **EASY, budget=100.0))


# -- edges


def sure(monkeypatch, right: bool, classes: int = 10):
    """A learner that knows the truth, or never does."""
    from sklearn.datasets import load_digits

    truth = load_digits().target

    def predict(trained, items):
        return (truth[items - 1] + (not right)) % classes, np.linspace(0.3, 0.9, len(items))

    return scripted(monkeypatch, predict)


def test_what_only_a_larger_training_set_teaches_is_waited_for(make, monkeypatch):
    """Nothing is given up before the training set that is likely to be enough was learned from, as people are asked
    anyway."""
    from sklearn.datasets import load_digits

    truth = load_digits().target

    def predict(trained, items):
        return (truth[items - 1] + (trained < 100)) % 10, np.linspace(0.3, 0.9, len(items))

    spec = {"plan": "certified", "target": {"quality": 0.9}}
    job = run_job(make(400, learner=scripted(monkeypatch, predict), **spec))
    assert job.store.read_json("certificate.json")["train"][2] >= 100
    summary = summarize(job)
    assert summary["auto"] > 150
    assert summary["measured"]["auto"] == 1.0


def test_one_class(make, tmp_path):
    same_picture(tmp_path, 300)
    summary = summarize(run_job(make(300, classes=["1"], **EASY)))
    assert summary["auto"] > 150
    assert summary["measured"]["auto"] == 1.0


@pytest.mark.parametrize("budget", [0.2, 0.26, 5.0, 13.0, 22.0, 26.0, 30.0, 45.0])
def test_a_budget_is_a_hard_cap(budget, make, monkeypatch):
    job = run_job(make(300, budget=budget, learner=sure(monkeypatch, True), **EASY))
    summary = summarize(job)
    assert summary["cost"]["total"] <= budget + 1e-9
    assert summary["state"] in ("stopped", "complete")
    assert summary["human"] + summary["auto"] + summary["failed"] == 300
    paid = 0.0
    for r in range(1, job.last_round() + 1):
        paid += 0.26 * len(job.asks(r))
        assert paid <= budget + 1e-9
        paid += 0.08 * (job.auto(r)["item"].nunique() if job.has(r, "auto.parquet") else 0)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 2, "end"])
def test_pictures_that_return_go_to_people_and_change_no_look(after, make, tmp_path, capsys):
    """The same job twice: once 30 of its pictures never return, once they do after round `after`."""
    make(400)
    images, away = tmp_path / "images", tmp_path / "away"
    away.mkdir()
    names = [f"{number:04d}.png" for number in range(101, 131)]
    for name in names:
        (images / name).rename(away / name)
    never = run_job(make(400, output="never", **EASY))
    spec = make(400, output="job", **EASY)
    job = begin(spec)
    steps.select(job, 0)
    while after != "end" and job.last_round() <= after:
        loop.one_round(job.address, job.last_round())
        job = Job(job.address)
    if after == "end":
        assert go(job.address)
    for name in names:
        (away / name).rename(images / name)
    job = run_job(spec)
    assert len(never.auto_labels()) > 0
    assert job.auto_labels().equals(never.auto_labels())
    for number in never.rounds_with("threshold.json"):
        assert job.look(number) == never.look(number)
    for number in never.rounds_with("predictions/done.json"):
        assert job.predictions(number).equals(never.predictions(number))
    people = job.human_labels().set_index("item").loc[range(101, 131)]
    assert set(people["role"]) == {"rest"}
    summary = summarize(job)
    assert (summary["state"], summary["failed"]) == ("complete", 0)
    assert summary["human"] == summarize(never)["human"] + 30
    script.main(Path(job.address))
    assert "WRONG" not in capsys.readouterr().out
