from prefect import task

from tasks import VERB, model_step


@task(**VERB)
def infer(job: str, round: int) -> None:
    """The checked items and the whole pool are predicted, in shards."""
    model_step("infer", job, round, "predictions/done.json")
