from prefect import task

from roundtruth import steps
from roundtruth.job import Job
from tasks import VERB


@task(**VERB)
def wait(job: str, round: int) -> dict:
    """Collect what people answered; {"asked", "answered", "done"}."""
    return steps.wait(Job(job), round)
