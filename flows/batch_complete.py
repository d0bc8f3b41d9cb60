"""The event with which `roundtruth serve` tells Prefect's server that a batch has all its answers."""

import hashlib

from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL

EVENT = "roundtruth.batch-complete"


def announce(job: str, name: str, round: int) -> bool:
    """Tell the server that the environment or the profile names; False where there is none. The deployment
    `batch-complete` then goes on with the job in the folder `job`."""
    if not PREFECT_API_URL.value():
        return False
    digest = hashlib.sha256(job.encode()).hexdigest()[:16]
    resource = {"prefect.resource.id": f"roundtruth.job.{digest}", "prefect.resource.name": name}
    return emit_event(EVENT, resource, payload={"job": job, "round": round}) is not None
