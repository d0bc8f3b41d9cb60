"""A workforce is added by its name alone: a labeling service, such as one that is asked over HTTP, in memory."""

from typing import Literal

import pandas as pd
import pytest

from roundtruth import terminal, workforce
from roundtruth.errors import UserError
from roundtruth.settings import Address, Strict, Whole
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from roundtruth.workforce import Collected
from tests.jobs import facts, run_job

DESCRIPTION, PATHS = "people at a service", ("project",)
START, SERVICE = pd.Timestamp("2026-01-01", tz="UTC"), {}


class Settings(Strict):
    """People at a labeling service."""

    backend: Literal["service"] = "service"
    answers_per_item: Whole = 2
    project: Address
    history: bool = False  # whether the service sends all that was ever said, each time


class Backend:
    def __init__(self, job):
        self.job, self.settings = job, job.spec.workforce

    def ask(self, round, items, labels=None):
        for item, answers in zip(items["item"], items["answers"]):
            SERVICE["wanted"][item] = max(answers, SERVICE["wanted"].get(item, 0))
        return {"items": items["item"].tolist()}

    def collect(self, posted):
        said = pd.DataFrame(SERVICE["said"], columns=["item", "worker", "class_id", "reason", "seconds"])
        said["submitted_at"] = START + pd.to_timedelta(said.index, unit="s")
        if self.settings.history:
            return Collected(said.iloc[::-1], False)
        return Collected(pd.concat([said[:0], *(self.unknown(said, *asked) for asked in posted.items())]), False)

    def unknown(self, said, round, asked):
        known = self.job.answers(round)["submitted_at"].max()
        return said[said["item"].isin(asked["items"]) & ~(said["submitted_at"] <= known)]

    def where(self, posted):
        return f"{len(posted['items'])} tasks are in {self.settings.project}"


def work(truth: dict) -> None:
    """What people do between two sweeps: ann and bob answer, cy where ann cannot tell; dee is late, ann corrects."""

    def say(item, worker, class_id, reason=None):
        SERVICE["said"].append((item, worker, class_id, reason, 1.5))

    for item in SERVICE["wanted"]:
        before = [worker for about, worker, *_ in SERVICE["said"] if about == item]
        if not before:
            say(item, "ann", *((None, "too dark") if item % 7 == 0 else ((truth[item] + (item % 5 == 0)) % 10,)))
        elif before == ["ann"]:
            say(item, "bob", truth[item])
            say(item, *(("cy", truth[item]) if item % 7 == 0 else ("ann", truth[item])))
        elif item % 10 == 0 and "dee" not in before:
            say(item, "dee", 9)  # by now the batch is closed
            say(item, "ann", 9)


@pytest.fixture
def service(monkeypatch, make):
    """service(output, ...): a certified job of 200 digits whose people are at the service, waiting for the first."""
    monkeypatch.setitem(workforce.BACKENDS, "service", __name__)

    def started(output, **settings):
        SERVICE.update(wanted={}, said=[])
        people = {"backend": "service", "project": "project", **settings}
        spec = make(200, workforce=people, plan="certified", target={"quality": 0.8}, output=output)
        return spec, run_job(spec)

    return started


def test_a_workforce_of_ones_own(service, tmp_path):
    found = []
    for history in (False, True):
        spec, job = service(f"job-{history}", history=history)
        truth = dict(enumerate(pd.read_json(tmp_path / "truth.manifest", lines=True)["truth"], start=1))
        assert terminal.waiting(job).endswith(f" {len(job.batch(1))} tasks are in {tmp_path}/project")
        while summarize(job)["state"] == "waiting":
            work(truth)
            job = run_job(spec)
        work(truth)  # some answers come after the end
        job = run_job(spec)
        answers = pd.concat([job.answers(r) for r in job.rounds_with("closed.json")])
        items, summary = set(SERVICE["wanted"]), summarize(job)
        assert (summary["state"], summary["target"]["holds"]) == ("complete", True)
        assert items == set(job.asked()["item"])
        assert job.human_labels().set_index("item")["class_id"].to_dict() == {item: truth[item] for item in items}
        assert set(answers["item"][answers["reason"] == "too dark"]) == {item for item in items if item % 7 == 0}
        assert set(answers["item"][answers["worker"] == "dee"]) == {item for item in items if item % 10 == 0}
        assert summary["answers"] == len(answers) == len({said[:2] for said in SERVICE["said"]})
        order = answers.sort_values(["item", "worker"]).to_csv(index=False)
        came_to = facts(job) | {"answers": order}
        del came_to["summary"]["about_answers"]  # who gives all answers each time tells each time what came too late
        found.append((came_to, JobSpec.model_validate(spec.model_dump(mode="json")) == spec))
    assert found[0] == found[1]
    assert "Service" in [one["title"] for one in JobSpec.model_json_schema()["properties"]["workforce"]["anyOf"]]


def test_asking_again_is_nothing_new_and_asking_for_more_adds(service):
    spec, job = service("job", answers_per_item=1)
    items = job.batch(1)["item"]
    run_job(spec)
    assert SERVICE["wanted"] == dict.fromkeys(items, 1)
    more = spec.workforce.model_copy(update={"answers_per_item": 3})
    assert run_job(spec.model_copy(update={"workforce": more})).last_round() == 1
    assert SERVICE["wanted"] == dict.fromkeys(items, 3)
    with pytest.raises(
        UserError, match="workforce: name a backend that is there: simulated or files or page or service"
    ):
        service("job", backend="servise")
