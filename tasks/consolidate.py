from prefect import task

from roundtruth import steps
from roundtruth.job import Job
from tasks import VERB


@task(**VERB)
def consolidate(job: str, round: int) -> None:
    """Several answers become one label, with a confidence."""
    steps.consolidate(Job(job), round)
