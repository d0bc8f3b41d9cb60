"""A person cancels a run in Prefect's page. tests/flows/test_servers.py has it with a worker."""

import threading
from contextvars import copy_context

import numpy as np
import pytest

from flows import cancelling
from roundtruth.begin import hold
from roundtruth.cli import main
from roundtruth.job import Job
from roundtruth.summary import summarize
from tests.jobs import cost_of, output, run_job, scripted


@pytest.fixture
def cancelled(prefect_server, make, monkeypatch):
    """cancelled(name): the spec of a job whose first prediction a person cancels; it would go on for ever."""
    from prefect.client.orchestration import get_client
    from prefect.states import Cancelling

    monkeypatch.setattr(cancelling, "POLL", 0.05)
    people = []

    def made(name: str):
        def cancel() -> None:
            with get_client(sync_client=True) as server:
                (run,) = [run for run in server.read_flow_runs(limit=200) if run.name == name]
                server.set_flow_run_state(run.id, Cancelling())

        def predict(trained, items):
            if not people:
                people.append(threading.Thread(target=copy_context().run, args=(cancel,)))
                people[0].start()
                threading.Event().wait(120)
                raise AssertionError("it was not cancelled")
            return np.ones(len(items), "int64"), np.full(len(items), 0.5)

        return make(40, name=name, learner=scripted(monkeypatch, predict), target={"quality": 0.8})

    yield made
    for person in people:
        person.join()


def ends(name: str) -> dict[str, str]:
    """How the job's run and its rounds ended, by name."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as server:
        found = server.read_flow_runs(limit=200)
        tasks = {task.id: task.flow_run_id for task in server.read_task_runs(limit=200)}
    (job,) = [run for run in found if run.name == name]
    rounds = [run for run in found if tasks.get(run.parent_task_run_id) == job.id]
    return {run.name: run.state.name for run in [job, *rounds]}


@pytest.mark.slow
def test_a_run_that_is_cancelled_ends_so_and_leaves_a_job_that_goes_on(cancelled, make, tmp_path, caplog):
    from flows.labeling_job import labeling_job

    spec = cancelled("cancelled by a person")
    state = labeling_job(spec, return_state=True)
    assert (state.name, state.type.value) == ("Cancelled", "CANCELLED")
    assert state.message == "cancelled in Prefect's page; run the job again to go on with it"
    name = spec.name
    assert ends(name) == {name: "Cancelled", f"{name} round 1": "Completed", f"{name} round 2": "Cancelled"}
    assert "Traceback" not in caplog.text
    with hold(spec, "nobody holds it"):
        pass
    assert labeling_job(spec, return_state=True).name == "Complete"
    undisturbed = run_job(spec.model_copy(update={"output": f"{tmp_path}/undisturbed"}))
    assert output(tmp_path / "job") == output(tmp_path / "undisturbed")
    assert cost_of(summarize(Job(spec.output))) == cost_of(summarize(undisturbed))


@pytest.mark.slow
def test_the_command_that_ran_it_says_how_to_go_on(cancelled, tmp_path, capfd):
    cancelled("cancelled command")
    assert main(["run", f"{tmp_path}/job.yaml", "--json"]) == 130
    said = f"cancelled in Prefect's page; `roundtruth run {tmp_path}/job.yaml --json` goes on with it\n"
    assert capfd.readouterr() == ("", said)
