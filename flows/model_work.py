"""What the GPU pool runs: one step of a round, on whatever the job folder holds."""

from typing import Literal

from prefect import flow

from roundtruth import steps
from roundtruth.job import Job
from tasks import progress


@flow(name="model-work", flow_run_name="round {round} {step}")
def model_work(job: str, round: int, step: Literal["train", "infer"]) -> None:
    """Train or infer for round `round` of the job in the folder `job`."""
    opened = Job(job)
    with progress(opened, f"round {round}: {step}") as told:
        getattr(steps, step)(opened, round, told)
