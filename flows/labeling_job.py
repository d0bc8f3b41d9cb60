"""A labeling job: round after round, until every item has a label, the money is spent, or people have yet to answer."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from flows.cancelling import cancellable
from flows.labeling_round import labeling_round
from flows.mistakes import told_in_a_line
from roundtruth import ending, plans, steps
from roundtruth.begin import begin, hold
from roundtruth.errors import Held, UserError
from roundtruth.job import Job
from roundtruth.spec import JobSpec
from roundtruth.storage import Lease
from tasks.deliver import deliver
from tasks.report import report
from tasks.select import select

told_in_a_line()


def run_name() -> str:
    """The job's name. The form's values are checked later, so it may be missing or wrong."""
    job = flow_run.parameters.get("job")
    name = job.get("name") if isinstance(job, dict) else getattr(job, "name", None)
    return str(name or "a job without a name")[:200]


@flow(name="labeling-job", flow_run_name=run_name, validate_parameters=False)  # Prefect would show a traceback
@cancellable
def labeling_job(job: JobSpec) -> State:
    """Begin the job, or go on with it, until it is done or waits for people."""
    try:
        job = JobSpec.from_values(job)
        with hold(job, f"the job {job.name}") as lease:
            return labeled(begin(job).address, lease)
    except UserError as mistake:
        return Failed(name="Mistake", message=str(mistake))
    except Held as elsewhere:
        return Cancelled(name="HeldElsewhere", message=str(elsewhere))


def labeled(job: str, lease: Lease) -> State:
    if Job(job).stopped:
        steps.stop(Job(job))  # an earlier run may have been killed half way
    select(job, Job(job).last_round())  # the first batch, or the one that a higher budget allows
    while round := plans.next_round(Job(job)):
        lease.check()  # after a long outage of S3 another run may have taken over
        ended = labeling_round(job, round, return_state=True)
        if ended.name == "WaitingForPeople":
            return Completed(name=ended.name, message=ended.message)
        ended.result()  # raises what failed the round
    steps.collect_late(Job(job))
    deliver(job)
    report(job)
    state = plans.state(Job(job))
    return Completed(name=state.capitalize(), message=ending.why(Job(job), state) or None)
