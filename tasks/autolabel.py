from prefect import task

from roundtruth import steps
from roundtruth.job import Job
from tasks import VERB


@task(**VERB)
def autolabel(job: str, round: int) -> None:
    """The pool's items above the threshold are labeled."""
    steps.autolabel(Job(job), round)
