"""One round: people answer a batch, a model learns from it and labels what it is sure of."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows.cancelling import cancellable
from roundtruth import plans
from roundtruth.job import Job
from tasks.autolabel import autolabel
from tasks.calibrate import calibrate
from tasks.consolidate import consolidate
from tasks.dispatch import dispatch
from tasks.infer import infer
from tasks.report import report
from tasks.select import select
from tasks.train import train
from tasks.wait import wait


def run_name() -> str:
    """The job's name and the round."""
    given = flow_run.parameters
    return f"{Job(given['job']).spec.name} round {given['round']}"


@flow(name="labeling-round", flow_run_name=run_name)
@cancellable
def labeling_round(job: str, round: int) -> State | None:
    """Round `round` of the job in the folder `job`; it ends as WaitingForPeople where not all have answered."""
    dispatch(job, round)
    answers = wait(job, round)
    if not answers["done"]:
        report(job)
        return Completed(name="WaitingForPeople", message=f"{answers['answered']} of {answers['asked']} answered")
    consolidate(job, round)
    opened = Job(job)
    if plans.predicts(opened, round):
        if opened.spec.predictions is None:
            train(job, round)
        infer(job, round)
    if plans.calibrates(Job(job), round):
        calibrate(job, round)
        autolabel(job, round)
    select(job, round)
    report(job)
    return None
