from prefect import task

from roundtruth import steps
from roundtruth.job import Job
from tasks import VERB


@task(**VERB)
def calibrate(job: str, round: int) -> None:
    """The threshold, and what can be said of it."""
    steps.calibrate(Job(job), round)
