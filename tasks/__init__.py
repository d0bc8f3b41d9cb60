"""The verbs of a round as Prefect tasks, one a file. A task adds retries, artifacts and progress to one call of the library."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.deployments import run_deployment

from roundtruth import steps
from roundtruth.job import Job, Progress
from roundtruth.terminal import bar


def outside(task, run, state) -> bool:
    """Retry what the world outside may do better next time (storage, the network), not our faults or the user's."""
    return isinstance(state.result(raise_on_failure=False), OSError)


# the job folder is the state of a job: Prefect's cache would be a second one
VERB = {"cache_policy": NO_CACHE, "retries": 3, "retry_delay_seconds": [2, 10, 30], "retry_condition_fn": outside}


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


def model_step(step: str, address: str, round: int) -> None:
    """Run `train` or `infer` here, or on the worker of the pool that the job names."""
    job = Job(address)
    if job.spec.pool is None:
        with progress(job, f"round {round}: {step}") as told:
            getattr(steps, step)(job, round, told)
        return
    done = {"train": "model/model.pt", "infer": "predictions/done.json"}[step]
    for attempt in range(1, 4):
        if job.has(round, done):
            return
        # the key carries the attempt: a parent that was killed meets its run again, a failed run is tried anew
        run = run_deployment(
            f"model-work/{job.spec.pool}",
            parameters={"job": address, "round": round, "step": step},
            flow_run_name=f"{job.spec.name} round {round} {step}",
            idempotency_key=f"{address} {round} {step} {attempt}",
        )
        if run.state and run.state.is_failed() and attempt == 3:
            raise RuntimeError(f"{step} of round {round} failed on pool {job.spec.pool}: {run.state.message}")
