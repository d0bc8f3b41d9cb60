"""The verbs of a round as Prefect tasks, one a file: retries, artifacts and progress around one call of the library."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from roundtruth import steps
from roundtruth.job import Job, Progress
from roundtruth.terminal import bar
from tasks.pool import run_on_pool


def outside(task, run, state) -> bool:
    """Retry what the world outside may do better next time (storage, the network), not our faults or the user's."""
    return isinstance(state.result(raise_on_failure=False), OSError)


VERB = {
    "task_run_name": lambda: task_run.task_name,  # without Prefect's random letters
    "cache_policy": NO_CACHE,  # the job folder is the state of a job: a cache would be a second one
    "retries": 3,
    "retry_delay_seconds": [2, 10, 30],
    "retry_condition_fn": outside,
}


def key(job: Job, what: str) -> str:
    """An artifact's key: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{job.spec.name.lower()} {what}").strip("-")


@contextmanager
def progress(job: Job, what: str) -> Iterator[Progress]:
    """Progress as an artifact in the UI and, where people look at a terminal, as a bar."""
    artifact = create_progress_artifact(0.0, key=key(job, what), description=what)
    shown = time.monotonic()
    with bar(what) as drawn:

        def told(done: int, total: int, note: str = "") -> None:
            nonlocal shown
            drawn(done, total, note)
            if time.monotonic() - shown > 2:  # seconds; every update is a call of the server
                shown = time.monotonic()
                update_progress_artifact(artifact, progress=100.0 * done / max(total, 1))

        yield told
    update_progress_artifact(artifact, progress=100.0)


def model_step(step: str, address: str, round: int, result: str) -> None:
    """Run `train` or `infer` here, or on the worker of the pool that the job names, until the round has `result`."""
    job = Job(address)
    if job.spec.pool is not None:
        run_on_pool(step, job, round, result)
        return
    with progress(job, f"round {round}: {step}") as told:
        getattr(steps, step)(job, round, told)
