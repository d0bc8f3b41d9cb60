"""A step that the worker of a work pool runs, as a run of the deployment of `model-work` in that pool."""

import time
from itertools import count
from typing import Any

from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterIdempotencyKey,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.terminal import bar

TRIES = 3
POLL = 2.0  # seconds
REMIND = 600.0  # seconds


def run_on_pool(step: str, job: Job, round: int, result: str) -> None:
    """Have `step` run on the job's pool, and wait until the round has the file `result`.

    A run is known by its key, which carries the attempt: a parent that was killed meets its run again; one that ended
    without a result is followed by another. UserError for a user's mistake, and when TRIES runs have failed.
    """
    pool, what, path = job.spec.pool, f"{step} of round {round}", job.path(round, result)
    with get_client(sync_client=True) as server, bar(f"round {round}: {step}, pool {pool}") as drawn:
        deployment, failed = find(server, pool), 0
        for attempt in count(1):
            if job.store.exists(path):  # another process writes it
                return
            key = f"{job.address} {round} {step} {attempt}"
            run = known(server, key)
            if run and run.state and run.state.is_final():
                continue  # of an earlier start of this job
            if run is None:
                run = run_deployment(
                    deployment,
                    parameters={"job": job.address, "round": round, "step": step},
                    flow_run_name=f"{job.spec.name} round {round} {step}",
                    idempotency_key=key,
                    timeout=0,
                )
                if run.parent_task_run_id:  # what shows the run in its parent's graph; its name is a random one
                    server.set_task_run_name(run.parent_task_run_id, f"{step} on pool {pool}")
            end = ended(server, run, pool, drawn)
            if end.name == "Mistake":
                raise UserError(end.message)
            if end.is_cancelled():
                raise UserError(f"{what} was cancelled on pool {pool}; run the job again to go on with it")
            if end.is_completed() and not job.store.exists(path):
                raise UserError(
                    f"output: {job.address}: {what} ended on pool {pool}, but its result is not here: "
                    "the pool's workers must see the same folder; put the job on S3 or on a disk they share"
                )
            failed += not end.is_completed()
            if failed == TRIES:
                log = f"its last run in Prefect's page has the log: {run.name}"
                raise UserError(f"{what} failed {TRIES} times on pool {pool}: {end.message}; {log}")


def find(server: SyncPrefectClient, pool: str) -> Any:
    """The id of the deployment of model-work that runs in `pool`."""
    found = server.read_deployments(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["model-work"])),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
    )
    if not found:
        raise UserError(
            f"pool: the Prefect server at {server.api_url} has no deployment of model-work in a work pool {pool!r}; "
            "name the server that has one by PREFECT_API_URL, or take `pool` out to train in this process"
        )
    return found[0].id


def known(server: SyncPrefectClient, key: str) -> FlowRun | None:
    runs = server.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["model-work"])),
        flow_run_filter=FlowRunFilter(idempotency_key=FlowRunFilterIdempotencyKey(any_=[key])),
    )
    return runs[0] if runs else None


def ended(server: SyncPrefectClient, run: FlowRun, pool: str, drawn) -> State:
    """The state in which the run ends; meanwhile it is said where nobody is there to begin it."""
    logger, said = get_run_logger(), -REMIND
    while True:
        state = server.read_flow_run(run.id).state
        if state is not None and state.is_final():
            return state
        begun = state is not None and not state.is_scheduled()
        lonely = not begun and not polled(server, pool)
        drawn(0, None, f"no worker polls pool {pool}" if lonely else "runs" if begun else "waits for its turn")
        if lonely and time.monotonic() - said > REMIND:
            said = time.monotonic()
            logger.warning("no worker polls pool %s: %s waits until one is started", pool, run.name)
        time.sleep(POLL)


def polled(server: SyncPrefectClient, pool: str) -> bool:
    """Whether a worker of the pool is alive; the server takes one for dead that was silent for a minute and a half."""
    try:
        return any(worker.status == "ONLINE" for worker in server.read_workers_for_work_pool(pool))
    except ObjectNotFound:
        return False
