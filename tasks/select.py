from prefect import task

from roundtruth import steps
from roundtruth.job import Job
from tasks import VERB


@task(**VERB)
def select(job: str, round: int) -> int:
    """The batch of the next round is chosen; how many items it asks about."""
    return steps.select(Job(job), round)
