"""What a job is expected to cost, against its arithmetic and finished jobs."""

import json

import pytest

from roundtruth import cli, forecast
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import run_job

PLANS = ["certified", "ground-truth"]


def whole(found: dict) -> None:
    """What holds of every forecast at 0.26 and 0.08."""
    assert found["human"] + found["auto"] == found["items"]
    assert found["cost"] == pytest.approx(0.26 * found["human"] + 0.08 * found["auto"])
    assert found["low"] <= found["cost"] <= found["high"] <= found["all_human"] + 1e-9
    assert found["all_human"] == pytest.approx(0.26 * found["items"])


@pytest.mark.parametrize("plan", PLANS)
def test_before_the_start_nothing_is_written_and_nothing_is_spent(plan, make, tmp_path):
    found = forecast.of(make(200, plan=plan))
    whole(found)
    assert found["items"] == 200
    assert found["spent"] == 0
    assert found["rounds"] >= 2
    assert not (tmp_path / "job").exists()


@pytest.mark.parametrize("plan", PLANS)
def test_a_harder_target_costs_more(plan, make):
    costs = [forecast.of(make(400, plan=plan, target={"quality": q}))["cost"] for q in (0.5, 0.8, 0.99)]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1]


def test_more_classes_cost_more(make):
    few, many = (
        forecast.outcome(make(400, classes=[str(i) for i in range(k)], target={"quality": 0.8}, plan="certified"), 3000)
        for k in (2, 40)
    )
    assert few["cost"] < many["cost"]


@pytest.mark.parametrize("plan", PLANS)
def test_at_the_end_it_is_what_was_paid(plan, make):
    job = run_job(make(300, plan=plan, target={"quality": 0.6}))
    summary = summarize(job)
    found = forecast.of(job.spec)
    whole(found)
    assert found["spent"] == pytest.approx(summary["cost"]["total"])
    if plan == "certified":
        assert (found["human"], found["auto"]) == (summary["human"], summary["auto"])
        assert found["low"] == found["high"] == pytest.approx(summary["cost"]["total"])


def test_more_money_than_was_thought_is_spent_already(make):
    """Late answers are paid, too. What is spent is the least that the job costs."""
    found = forecast.outcome(make(400), 400, spent=500.0)
    assert found["low"] == found["cost"] == found["high"] == found["spent"] == 500.0


def test_where_the_model_costs_more_than_people_they_label_everything(make):
    spec = make(300, plan="certified", target={"quality": 0.6}, prices={"per_auto_label": 9.0})
    found = forecast.of(spec)
    whole_cost = 300 * 0.26
    assert (found["auto"], found["low"], found["cost"], found["high"]) == (0, *[pytest.approx(whole_cost)] * 3)
    job = run_job(spec)
    assert (job.last_round(), summarize(job)["cost"]["total"]) == (found["rounds"], pytest.approx(whole_cost))


def test_each_round_leaves_its_forecast_and_the_history_has_them_in_order(make):
    job = run_job(make(300, plan="certified", target={"quality": 0.8}))
    history = forecast.history(job)
    assert history["round"].tolist() == sorted({0, *history["round"]})
    assert len(history) >= 2
    new = make(300, plan="certified", target={"quality": 0.8}, output="new")
    assert history.iloc[0]["cost"] == forecast.of(new)["cost"]
    assert history["cost"].between(history["low"], history["high"]).all()


def test_the_command(make, folder_of, capsys):
    path = folder_of(make(60, plan="certified"))
    assert cli.main(["forecast", str(path)]) == 0
    said = capsys.readouterr().out
    assert "Nothing is spent yet." in said
    assert "People alone would cost 15.60" in said
    assert cli.main(["forecast", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    whole(found)
    assert found["items"] == 60


@pytest.fixture
def folder_of(tmp_path):
    def write(spec: JobSpec):
        path = tmp_path / "forecast.yaml"
        path.write_text(json.dumps(spec.model_dump(mode="json")))
        return path

    return write


@pytest.mark.parametrize("plan", PLANS)
def test_what_the_job_file_changes_counts_for_what_is_still_to_do(plan, make):
    """After the first batches, five answers an item in place of three: what was paid stays as it was."""
    from roundtruth.begin import begin
    from roundtruth.job import Job
    from roundtruth.loop import one_round
    from roundtruth.steps import select

    people = {"backend": "simulated", "truth": "truth.manifest", "noise": 0, "answers_per_item": 5}
    before = begin(make(300, plan=plan, workforce=people | {"answers_per_item": 3}))
    select(before, 0)
    assert one_round(before.address, 1)
    done = summarize(Job(before.address))
    job = begin(make(300, plan=plan, workforce=people | {"answers_per_item": 5}))
    paid, found = done["cost"]["human"], forecast.newest(job)
    assert paid == pytest.approx(done["human"] * (0.08 + 3 * 0.036), abs=0.01)
    left = found["human"] - done["human"]
    assert found["cost"] == pytest.approx(paid + left * 0.26 + found["auto"] * 0.08, abs=0.01)
    assert found["all_human"] == pytest.approx(paid + (300 - done["human"]) * 0.26, abs=0.01)
    assert summarize(job)["cost"]["saving"] == 0
