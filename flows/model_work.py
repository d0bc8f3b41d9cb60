"""What the GPU pool runs: one step of a round, on whatever the job folder holds."""

from typing import Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows.mistakes import told_in_a_line
from roundtruth import steps
from roundtruth.errors import UserError
from roundtruth.job import Job
from tasks import progress

told_in_a_line()


@flow(name="model-work")
def model_work(job: str, round: int, step: Literal["train", "infer"]) -> State | None:
    """Train or infer for round `round` of the job in the folder `job`."""
    try:
        opened = Job(job)
        with progress(opened, f"round {round}: {step}") as told:
            getattr(steps, step)(opened, round, told)
    except UserError as mistake:
        return Failed(name="Mistake", message=str(mistake))  # its job ends with the same; trying again would not help
    return None
