"""A step on a pool: which run is met again, which one is made, and how its end becomes the step's."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.states import Cancelled, Completed, Crashed, Failed, Pending, Running, Scheduled

from roundtruth.begin import begin
from roundtruth.errors import UserError
from tasks import pool

RESULT = "model/model.pt"


class Server:
    """What a Prefect server would say: runs by key, each with the states that are read one after the other."""

    api_url = "http://server/api"

    def __init__(self):
        self.states, self.keys, self.workers, self.deployments = {}, {}, ["ONLINE"], [SimpleNamespace(id=uuid4())]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read_deployments(self, **_):
        return self.deployments

    def read_flow_runs(self, flow_filter, flow_run_filter):
        (key,) = flow_run_filter.idempotency_key.any_
        return [self.read_flow_run(self.keys[key])] if key in self.keys else []

    def read_flow_run(self, id):
        states = self.states[id]
        return SimpleNamespace(id=id, name="a run", state=states.pop(0) if len(states) > 1 else states[0])

    def read_workers_for_work_pool(self, name):
        return [SimpleNamespace(status=status) for status in self.workers]

    def had(self, key: str, *states) -> None:
        self.keys[key] = uuid4()
        self.states[self.keys[key]] = list(states)


@pytest.fixture
def step(make, monkeypatch):
    """step.run(*runs): train round 1; a run is the states it goes through, and whether it brings the result."""
    job = begin(make(20, pool="gpu"))
    server, log = Server(), []
    monkeypatch.setattr(pool, "get_client", lambda **_: server)
    monkeypatch.setattr(pool, "POLL", 0)
    monkeypatch.setattr(
        pool, "get_run_logger", lambda: SimpleNamespace(warning=lambda text, *words: log.append(text % words))
    )

    def stepped(*runs) -> list[str]:
        made, coming = [], iter(runs)

        def run_deployment(deployment, idempotency_key, **_):
            *states, brings = next(coming)
            made.append(idempotency_key)
            server.had(idempotency_key, *states)
            if brings:
                job.store.write_once(job.path(1, RESULT), b"a model")
            return SimpleNamespace(
                id=server.keys[idempotency_key], name="digits round 1 train", parent_task_run_id=None
            )

        monkeypatch.setattr(pool, "run_deployment", run_deployment)
        pool.run_on_pool("train", job, 1, RESULT)
        return made

    return SimpleNamespace(run=stepped, server=server, log=log, job=job, key=f"{job.address} 1 train")


def test_one_run_is_enough(step):
    assert step.run((Scheduled(), Pending(), Running(), Completed(), True)) == [f"{step.key} 1"]
    assert step.run() == [], "what is done is not done again"


def test_a_run_that_is_under_way_is_met_again(step):
    step.server.had(f"{step.key} 1", Running(), Running(), Completed())
    with pytest.raises(UserError, match="its result is not here"):
        step.run()  # it made no run of its own; and this one brought nothing


def test_a_run_that_crashed_is_followed_by_another(step):
    made = step.run((Running(), Crashed(), False), (Failed(), False), (Completed(), True))
    assert made == [f"{step.key} {attempt}" for attempt in (1, 2, 3)]


def test_three_failures_end_the_job_and_the_next_start_tries_anew(step):
    said = "train of round 1 failed 3 times on pool gpu: no memory; its last run in Prefect's page has the log"
    with pytest.raises(UserError, match=said):
        step.run(*[(Failed(message="no memory"), False)] * 3)
    assert step.run((Completed(), True)) == [f"{step.key} 4"]


def test_a_mistake_and_a_cancellation_are_not_tried_again(step):
    with pytest.raises(UserError, match="learner: cannot be imported"):
        step.run((Failed(name="Mistake", message="learner: cannot be imported"), False))
    with pytest.raises(UserError, match="cancelled on pool gpu; run the job again to go on with it"):
        step.run((Cancelled(), False))


def test_it_is_said_once_that_no_worker_is_there(step):
    step.server.workers = ["OFFLINE"]
    step.run((Scheduled(), Scheduled(), Scheduled(), Completed(), True))
    assert step.log == ["no worker polls pool gpu: digits round 1 train waits until one is started"]


def test_a_pool_without_a_deployment(step):
    step.server.deployments = []
    with pytest.raises(
        UserError, match=r"^pool: .*http://server/api has no deployment of model-work in a work pool 'gpu'"
    ):
        step.run()
