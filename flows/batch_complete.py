"""Go on at once with a job whose batch has all its answers; and the event that says so."""

import hashlib

from prefect import flow
from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL

from flows.advance import advance

EVENT = "roundtruth.batch-complete"


@flow(name="batch-complete")
def batch_complete(job: str) -> list[str]:
    """Start the deployed labeling-job for the job in the folder `job`, as a sweep does."""
    return advance.fn(job)


def announce(job: str, name: str, round: int) -> bool:
    """Tell the server that the environment or the profile names that a batch of the job in the folder `job` has all its
    answers; False where there is no server. The event starts the deployment `batch-complete`."""
    if not PREFECT_API_URL.value():
        return False
    digest = hashlib.sha256(job.encode()).hexdigest()[:16]
    resource = {"prefect.resource.id": f"roundtruth.job.{digest}", "prefect.resource.name": name}
    return emit_event(EVENT, resource, payload={"job": job, "round": round}) is not None
