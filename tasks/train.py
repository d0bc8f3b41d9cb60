from prefect import task

from tasks import VERB, model_step


@task(**VERB)
def train(job: str, round: int) -> None:
    """A model is trained on every label there is but the checked ones."""
    model_step("train", job, round, "model/model.pt")
