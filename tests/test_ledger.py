"""The post's figures: Amazon's "Annotate data for less with SageMaker Ground Truth and automated data labeling"."""

import numpy as np
import pytest

from roundtruth import ledger
from roundtruth.job import Job
from roundtruth.spec import Prices
from roundtruth.summary import summarize
from tests.jobs import run_job

HUMAN, AUTO = [10, 190, 200, 200, 8], [0, 0, 0, 27, 365]


def test_the_counts_of_the_post_cost_what_the_post_says():
    costs = ledger.bill(HUMAN, np.multiply(5, HUMAN), AUTO, Prices())
    price = ledger.human_price(Prices(), 5)
    totals = ledger.totals(costs, sum(AUTO), price)
    assert price == 0.26
    assert totals == {"human": 158.08, "auto": 31.36, "total": 189.44, "all_human": 260.00, "saving": 0.2714}
    # 10 x .26, 190 x .26, 200 x .26, 200 x .26 + 27 x .08, 8 x .26 + 365 x .08
    assert costs.sum(axis=1).round(2).tolist() == [2.60, 49.40, 52.00, 54.16, 31.28]


def test_answers_are_paid_one_by_one():
    costs = ledger.bill([1, 0], [2, 3], [0, 1], Prices(per_item=1, per_answer=0.1, per_auto_label=0.5))
    assert costs.to_numpy().tolist() == [[1.2, 0], [0.3, 0.5]]


def test_nothing_labeled_saves_nothing():
    nothing = ledger.totals(ledger.bill([], [], [], Prices()), 0, 0.26)
    assert nothing == {"human": 0, "auto": 0, "total": 0, "all_human": 0, "saving": 0}


def test_people_alone_save_nothing_also_where_more_answers_are_wanted_later():
    """3 items with 3 answers each cost 0.564; that the job now wants 5 answers does not make this a saving."""
    costs = ledger.bill([3], [9], [0], Prices())
    assert ledger.totals(costs, 0, ledger.human_price(Prices(), 5)) == {
        "human": 0.56, "auto": 0, "total": 0.56, "all_human": 0.56, "saving": 0,
    }  # fmt: skip


def test_no_price_saves_nothing():
    free = Prices(per_item=0, per_answer=0, per_auto_label=0)
    assert ledger.totals(ledger.bill([3], [9], [2], free), 2, 0)["saving"] == 0


def test_the_rounds_of_a_job_add_up(make):
    job = run_job(make(100, target={"quality": 0.8}))
    summary = summarize(job)
    rounds, cost = summary["rounds"], summary["cost"]
    assert sum(row["human"] for row in rounds) == summary["human"]
    assert sum(row["auto"] for row in rounds) == summary["auto"] > 0
    assert summary["human"] + summary["auto"] == 100
    assert summary["answers"] == 5 * summary["human"]
    assert cost["total"] == pytest.approx(0.26 * summary["human"] + 0.08 * summary["auto"])
    assert sum(row["cost"] for row in rounds) == pytest.approx(cost["total"])
    assert cost["all_human"] == 26.00
    assert [row["objects"] for row in rounds] == [row["human"] + row["auto"] for row in rounds]
    # an auto label stands in the round after the model's, with the threshold it passed
    for row in rounds:
        made = job.auto(row["round"] - 1) if job.has(row["round"] - 1, "auto.parquet") else []
        assert row["auto"] == len(made)
        if row["auto"]:
            assert row["threshold"] == job.look(row["round"] - 1).threshold <= made["confidence"].min()
    assert summary["measured"]["human"] == 1.0


def test_what_late_answers_cost_is_counted_once(make, tmp_path):
    make(3)
    spec = make(3, workforce={"backend": "files", "answers_per_item": 1}, prices={"per_answer": 1.0, "per_item": 10.0})
    run_job(spec)
    asked = Job(spec.output).batch(1)["item"].iloc[0]
    people = tmp_path / "job/people/answers"
    (people / "a.csv").write_text(f"item,worker,label\n{asked},ann,1\n")
    job = run_job(spec)
    assert (ledger.spent(job), len(job.rounds_with("closed.json"))) == (11.0, 1)
    (people / "b.csv").write_text(f"item,worker,label\n{asked},bob,2\n{asked},ann,3\n")
    for _ in range(2):
        assert ledger.spent(run_job(spec)) == 12.0
    job = Job(spec.output)
    assert summarize(job)["answers"] == 2
    assert job.labels(1)["class_id"].tolist() == [1]
