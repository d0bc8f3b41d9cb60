"""What a job is expected to cost, against its arithmetic and finished jobs."""

import json

import numpy as np
import pytest
from scipy.stats import kstest

from roundtruth import cli, forecast, plans, steps
from roundtruth.job import Job
from roundtruth.report import outlook
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import classified, digits, run_job, write_lines

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


def test_a_hard_target_is_named_before_the_start_with_what_the_other_promise_would_save(make, folder_of, capsys):
    spec = make(400, plan="certified", target={"quality": 0.9})
    found = forecast.of(spec)
    other = forecast.of(make(400, plan="certified", target={"quality": 0.9, "of": "dataset"}))
    assert (found["auto"], other["of_dataset"]) == (0, None)
    saved = pytest.approx(0.18 * other["auto"])
    assert found["of_dataset"] == {"items": 400, "auto": other["auto"], "saved": saved, "certain": False}
    assert cli.main(["forecast", str(folder_of(spec))]) == 0
    said = capsys.readouterr().out
    assert "It is likely that no auto label can be promised at the target of 0.9" in said
    assert f"the model would label about {other['auto']} of 400 items. That would save about" in said
    assert "Choose now: once the job has begun, its target is fixed." in said


@pytest.mark.parametrize(
    "changed",
    [
        {"target": {"quality": 0.9, "of": "dataset"}},
        {"target": {"quality": 0.9}, "plan": "ground-truth"},
        {"target": {"quality": 0.9}, "prices": {"per_auto_label": 9.0}},
        {"target": {"quality": 0.6}},
    ],
    ids=["of-dataset", "no-promise", "dear-model", "easy-target"],
)
def test_no_other_promise_is_named_where_it_would_not_help(changed, make):
    assert forecast.of(make(400, **{"plan": "certified"} | changed))["of_dataset"] is None


@pytest.fixture
def unlearnable(make, tmp_path):
    """A job about 400 digits, at .6, with a class by lot: after its first look nothing was certified."""
    from roundtruth.begin import begin
    from roundtruth.loop import one_round
    from roundtruth.steps import select

    digits(tmp_path, 400)
    lines = [json.loads(line) for line in (tmp_path / "truth.manifest").read_text().splitlines()]
    lots = np.random.default_rng(0).integers(10, size=400).tolist()
    write_lines(tmp_path / "truth.manifest", [line | classified("truth", lot) for line, lot in zip(lines, lots)])
    job = begin(make(400, plan="certified", target={"quality": 0.6}))
    select(job, 0)
    assert one_round(job.address, 1)
    return Job(job.address)


def test_once_nothing_is_likely_to_be_certified_the_log_and_the_page_say_so(unlearnable, caplog):
    caplog.set_level("INFO", logger="roundtruth")
    history = forecast.history(unlearnable)
    assert history["of_dataset"].iloc[0] is None
    found, left = history["of_dataset"].iloc[1], 400 - len(unlearnable.batch(1))
    assert found["items"] == left
    # at .6 so many labels may be wrong, whatever they are
    assert found["auto"] == pytest.approx(0.4 * left, abs=5)
    said = dict(outlook.costs(unlearnable))["Hard target"]
    assert said.startswith(
        "It is likely that no auto label can be promised at the target of 0.6, and that people label everything. "
    )
    assert f"about {found['auto']} of the {left} items without a label" in said
    assert "that needs a new job" in said
    steps.foresee(unlearnable, 2)
    assert [line for line in caplog.messages if "Hard target" in line or "It is likely" in line]


def test_once_it_is_decided_that_the_model_labels_nothing_it_is_no_longer_only_likely(unlearnable):
    from roundtruth.loop import one_round

    rounds = 2
    while not plans.last_look(Job(unlearnable.address)).final:
        assert one_round(unlearnable.address, rounds)
        rounds += 1
    job = Job(unlearnable.address)
    assert forecast.newest(job)["of_dataset"]["certain"]
    said = dict(outlook.costs(job))["Hard target"]
    assert said.startswith("No auto label can be promised at the target of 0.6, so people label everything. ")


def test_a_new_job_goes_on_with_the_labels_and_saves_what_was_said(unlearnable, make, tmp_path):
    """As docs/correcting-labels.md says: stop, and give the manifest to a new job with another target. The first job
    checked all items whose coin was low; those of the new job are drawn anew."""
    found = forecast.newest(unlearnable)["of_dataset"]
    steps.stop(unlearnable)
    steps.deliver(unlearnable)
    again = {"data": "job/output/output.manifest", "pictures": ".", "target": {"quality": 0.6, "of": "dataset"}}
    job = run_job(make(400, plan="certified", output="again", **again))
    assert len(job.askable()) == found["items"]
    assert len(job.auto_labels()) == pytest.approx(found["auto"], rel=0.1)
    before, now = (some.read_table("coins.parquet").set_index("item")["coin"] for some in (unlearnable, job))
    assert len(set(now).intersection(before)) == 0
    assert kstest(now, "uniform").pvalue > 0.01
