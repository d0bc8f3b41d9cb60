from prefect import task

from roundtruth import steps
from roundtruth.job import Job
from tasks import VERB


@task(**VERB)
def dispatch(job: str, round: int) -> None:
    """Post the round's batch to people; posting twice is posting once."""
    steps.dispatch(Job(job), round)
