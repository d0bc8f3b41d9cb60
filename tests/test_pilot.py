"""The forecast once ten items have labels: when it is made, what it goes by, and that nothing else depends on it."""

import logging

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from roundtruth import forecast, learning, pilot, steps
from roundtruth.begin import begin
from roundtruth.curves import Pilot
from roundtruth.job import Job
from roundtruth.learners import linear
from roundtruth.report import outlook
from tests.jobs import facts, killed_at_every_write, run_job, to_the_end
from tests.test_learning import coloured

FILES = {"backend": "files", "answers_per_item": 1}
CLASSES = {"learner": "default", "weights": None, "target": {"quality": 0.8}, "plan": "certified"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(linear.SETTINGS, "side", 32)


def test_each_class_is_predicted_from_the_others_as_by_fitting_without_it():
    chance = np.random.default_rng(0)
    target = np.array([4, 4, 4, 7, 7, 7, 7, 9, 9, 2])
    features = chance.gamma(1.0, size=(10, 30)) + (target[:, None] == np.arange(30) % 10)
    mean, spread = linear.spreads(features)
    inputs = (features - mean) / spread
    kernel = 1 + inputs @ inputs.T / 30
    wanted = (target[:, None] == np.unique(target)).astype(float)
    expected = []
    for left in range(10):
        others = np.delete(np.arange(10), left)
        ridge = KernelRidge(alpha=1.0, kernel="precomputed").fit(kernel[np.ix_(others, others)], wanted[others])
        expected.append(np.unique(target)[ridge.predict(kernel[[left]][:, others]).argmax()])
    assert linear.left_out(features, target).tolist() == expected


def test_a_class_that_one_item_has_counts_for_nothing():
    """Two classes that the features tell apart, and one item of a third."""
    target = np.array([0] * 5 + [1] * 5 + [2])
    features = np.eye(3)[target] + 0.01 * np.arange(11)[:, None] / 11
    assert pilot.judged(features, target) == Pilot(labels=11, tried=10, wrong=0, classes=2)


@pytest.fixture
def people(make, tmp_path):
    """A job about coloured digits that waits for people; say(n) answers the first n items of its batch."""
    truth = coloured(tmp_path, 120)
    job = run_job(make(120, workforce=FILES, **CLASSES))
    asked = job.batch(1)["item"].tolist()

    def say(number: int) -> Job:
        rows = [f"{item},ann,{truth[item]}" for item in asked[:number]]
        (tmp_path / "job/people/answers/a.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
        return run_job(job.spec)

    return say, len(asked)


def test_it_is_made_at_ten_labels_and_at_twice_as_many(people, caplog):
    caplog.set_level(logging.INFO, logger="roundtruth")
    say, asked = people
    assert asked > 25
    labels = [len(say(number).pilots()) for number in (9, 10, 10, 19, 20, 21)]
    assert labels == [0, 1, 1, 1, 2, 2]
    job = say(21)
    history = forecast.history(job)
    assert history["labels"].tolist() == [0, 10, 20]
    assert history["round"].tolist() == [0, 0, 0]
    assert (history["cost"].between(history["low"], history["high"])).all()
    said = dict(outlook.costs(job))["Forecast"]
    assert "This forecast was made when 20 items had labels, for the promise about the auto labels alone." in said
    assert sum("when 20 items had labels" in line for line in caplog.messages) == 1
    newest = forecast.newest(job)
    assert {key: newest[key] for key in ("cost", "low", "high")} == {
        key: value for key, value in forecast.of(job.spec).items() if key in ("cost", "low", "high")
    }


@pytest.mark.slow
def test_later_forecasts_follow_it(people):
    say, asked = people
    say(12)
    history = forecast.history(say(asked))
    assert history["round"].tolist() == [0, 0, 0, 1]
    assert history["labels"].tolist() == [0, 12, asked, 0]


@pytest.mark.slow
def test_what_people_are_asked_and_what_is_certified_do_not_depend_on_it(make, tmp_path, monkeypatch):
    coloured(tmp_path, 120)
    with_it = run_job(make(120, output="with", **CLASSES))
    monkeypatch.setattr(pilot, "due", lambda job, round: np.zeros(0, np.int64))
    without = run_job(make(120, output="without", **CLASSES))
    assert with_it.pilots()
    assert not without.pilots()
    assert facts(with_it) == facts(without)


@pytest.mark.slow
def test_killed_after_each_single_write_the_job_comes_to_the_same(make, tmp_path, monkeypatch):
    coloured(tmp_path, 60)
    undisturbed = run_job(make(60, output="undisturbed", **CLASSES))
    spec = make(60, **CLASSES)
    assert "pilots/0001.json" in killed_at_every_write(spec, monkeypatch, to_the_end)
    assert facts(Job(spec.output)) == facts(undisturbed)
    assert forecast.written(Job(spec.output)) == forecast.written(undisturbed)


def test_no_more_labels_are_predicted_than_takes_seconds(people, monkeypatch):
    monkeypatch.setattr(pilot, "MOST", 12)
    say, _ = people
    job = say(25)
    assert (len(job.pilots()), job.pilot().labels) == (1, 12)
    assert len(say(26).pilots()) == 1


@pytest.mark.parametrize(
    "changed", [{"weights": "none"}, {"learner": "fast_learner:Logistic"}, {}], ids=["none", "own", "signs"]
)
def test_without_features_the_forecast_stays(changed, make, tmp_path):
    if changed:
        coloured(tmp_path, 60)
    spec = make(60, workforce=FILES, **CLASSES | changed)
    job = begin(spec)
    steps.select(job, 0)
    assert pilot.due(Job(job.address), 1).tolist() == []
    assert learning.frozen(job) is False


def test_a_poor_pilot_makes_a_job_dearer_and_a_good_one_cheaper(make):
    spec = make(10, **CLASSES)
    costs = [
        forecast.outcome(spec, 3000, pilot=found)["cost"]
        for found in (Pilot(100, 100, 10, 10), None, Pilot(100, 100, 60, 10))
    ]
    assert costs == sorted(costs)
    assert costs[0] < costs[2]
