from prefect import task
from prefect.artifacts import create_link_artifact

from roundtruth import steps
from roundtruth.job import Job
from tasks import VERB, key


@task(**VERB)
def deliver(job: str) -> None:
    """The augmented manifest is written, one line an item, in input order."""
    opened = Job(job)
    path = steps.deliver(opened)
    create_link_artifact(f"{opened.address}/{path}", key=key(opened, "manifest"), description="The augmented manifest")
