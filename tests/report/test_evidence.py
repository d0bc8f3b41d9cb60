from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve

from roundtruth import plans
from roundtruth.consolidation.asking import Asking
from roundtruth.look import Look
from roundtruth.report import evidence
from tests.jobs import digits, run_job


def seen_at(score, quality, rest, naive=None) -> evidence.Evidence:
    checked = pd.DataFrame({"item": range(1, len(score) + 1), "score": score, "quality": quality})
    return evidence.Evidence(Look(None, "naive", len(score), 0, None), checked, np.array(rest), naive)


def test_coverage_curve_by_hand():
    seen = seen_at([0.9, 0.5, 0.9, 0.2], [1.0, 0.5, 0.8, 0.1], [0.95, 0.1, 0.9, 0.6, 0.3])
    curve = evidence.coverage_curve(seen)
    assert curve["threshold"].tolist() == [0.9, 0.5, 0.2]
    assert curve["coverage"].tolist() == [0.4, 0.6, 0.8]
    assert curve["items"].tolist() == [2, 3, 4]
    np.testing.assert_allclose(curve["quality"], [0.9, 2.3 / 3, 0.6])
    assert [seen.passing(t) for t in (None, 0.9, 0.0)] == [0, 2, 5]
    assert [seen.share(t) for t in (None, 0.9, 0.0)] == [0.0, 0.4, 1.0]


def test_coverage_curve_of_many_items_keeps_its_ends():
    score = np.random.default_rng(0).random(20_000)
    curve = evidence.coverage_curve(seen_at(score, score, [0.5]))
    assert len(curve) == evidence.ROWS
    assert curve["threshold"].iloc[[0, -1]].tolist() == [score.max(), score.min()]
    assert curve["items"].iloc[[0, -1]].tolist() == [1, 20_000]


def test_coverage_curve_where_nothing_is_left():
    assert evidence.coverage_curve(seen_at([0.5], [1.0], []))["coverage"].tolist() == [0.0]


def test_calibration_by_hand():
    checked = pd.DataFrame({"score": [0.05, 0.1, 0.18, 1.0, 0.3], "quality": [0.0, 0.5, 0.7, 1.0, 0.2]})
    bins = evidence.calibration(checked)
    np.testing.assert_allclose(bins["bin"], [0.0, 0.1, 0.3, 0.9])
    np.testing.assert_allclose(bins["confidence"], [0.05, 0.14, 0.3, 1.0])
    np.testing.assert_allclose(bins["quality"], [0.0, 0.6, 0.2, 1.0])
    assert bins["items"].tolist() == [1, 2, 1, 1]


def test_calibration_is_that_of_scikit_learn():
    chance = np.random.default_rng(1)
    score = chance.random(500)
    right = (chance.random(500) < score).astype(float)
    bins = evidence.calibration(pd.DataFrame({"score": score, "quality": right}))
    quality, confidence = calibration_curve(right, score, n_bins=10)
    np.testing.assert_allclose(bins["quality"], quality)
    np.testing.assert_allclose(bins["confidence"], confidence)
    assert bins["items"].sum() == 500


def test_spending_by_hand():
    rounds = pd.DataFrame({"round": [1, 2], "human": [100, 10], "auto": [0, 300], "cost": [26.0, 26.6]})
    spent = evidence.spending(rounds, 0.08)
    np.testing.assert_allclose(spent["human_cost"], [26.0, 2.6])
    np.testing.assert_allclose(spent["auto_cost"], [0.0, 24.0])


@pytest.mark.parametrize("plan", ["certified", "ground-truth"])
def test_the_evidence_is_what_the_plan_saw(plan, make):
    job = run_job(make(300, plan=plan, target={"quality": 0.8}))
    seen = evidence.gather(job)
    assert seen is not None
    look = seen.look
    assert look == plans.last_look(job)
    assert look.threshold is not None
    assert look.checked == len(seen.checked)
    above = seen.checked[seen.checked["score"] >= look.threshold]
    assert look.above == len(above)
    assert look.quality == pytest.approx(above["quality"].mean())
    assert seen.passing(look.threshold) == job.auto(max(job.rounds_with("auto.parquet")))["item"].nunique()
    asked = job.asked()
    assert len(seen.rest) + len(seen.checked) + (asked["role"] == "train").sum() == 300 or plan == "ground-truth"
    if plan == "ground-truth":
        assert seen.naive == look.threshold


@pytest.mark.parametrize("plan", ["certified", "ground-truth"])
def test_what_nobody_answered_is_lost_where_something_is_promised(plan, begun, tmp_path):
    truth = digits(tmp_path, 120)
    rows = [f"{row.item},{who},{row.class_id}" for row in truth.itertuples() if row.item % 3 for who in "abcde"]
    (tmp_path / "answers.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
    recorded = {"backend": "simulated", "answers": "answers.csv", "answers_per_item": 5}
    job = run_job(begun("image-classification", 120, plan=plan, workforce=recorded).spec)
    seen = evidence.gather(job)
    assert seen is not None
    roles = job.roles(max(job.rounds_with("threshold.json")))
    drawn = set(roles["item"][roles["role"].isin(["probe", "validation"])])
    unanswered = {item for item in drawn if item % 3 == 0}
    assert unanswered
    lost = seen.checked["item"] % 3 == 0
    if plan == "certified":
        assert set(seen.checked["item"]) == drawn
        assert set(seen.checked["quality"][lost]) == {0.0}
    else:
        assert set(seen.checked["item"]) == drawn - unanswered


def test_before_anything_is_checked_there_is_no_look(begun):
    assert evidence.gather(begun("object-detection", 5)) is None


def ways_of(n: int, human: int, auto: int, cost: float, seen: evidence.Evidence) -> pd.DataFrame:
    prices = SimpleNamespace(per_item=0.08, per_answer=0.036, per_auto_label=0.08)
    spec = SimpleNamespace(prices=prices, predictions=None, asking=Asking(5, 5))
    job = SimpleNamespace(spec=spec, askable=lambda: np.arange(1, n + 1))
    return evidence.ways(job, {"human": human, "auto": auto, "cost": {"total": cost}}, seen).set_index("way")


def test_other_ways_by_hand():
    seen = seen_at([0.5], [1.0], [0.9] * 700 + [0.1] * 100, naive=0.5)
    table = ways_of(1000, 350, 650, 143.0, seen)
    assert table.loc["job", ["human", "auto", "cost"]].tolist() == [350, 650, 143.0]
    assert table.loc["naive", ["human", "auto", "cost"]].tolist() == [300, 700, 134.0]
    # a fifth to check and a fifth to train on: 400 at $0.26, 600 at $0.08
    assert table.loc["ground-truth", ["human", "auto", "cost"]].tolist() == [400, 600, 152.0]
    assert table.loc["people", ["human", "auto", "cost"]].tolist() == [1000, 0, 260.0]
    np.testing.assert_allclose(table["saving"], [0.45, 126 / 260, 108 / 260, 0.0])


def test_other_ways_of_few_items():
    table = ways_of(1, 1, 0, 0.26, seen_at([0.5], [0.0], []))
    assert table["human"].tolist() == [1, 1, 1, 1]
    assert table["auto"].tolist() == [0, 0, 0, 0]
