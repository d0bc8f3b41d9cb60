"""Go on with every job below a folder that got new answers, or whose run was cut off."""

from itertools import takewhile

from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments import run_deployment

from roundtruth import answers, plans
from roundtruth.job import Job
from roundtruth.storage import list_url, one_name

FLOW = "labeling-job"
FAULTS = 3  # runs in a row that failed; then a person must look


@flow(name="advance")
def advance(jobs: str) -> list[str]:
    """Start the deployed labeling-job for each job folder below `jobs` in which there is something to do; returns them.

    It reports a folder that cannot be read, and leaves it out. It also leaves out a job that another run holds, one
    whose run has not begun yet, one whose last run a person cancelled, and one whose last runs all failed: it would
    fail again, and pay for training again.
    """
    logger, going, before = get_run_logger(), [], runs()
    try:
        found = [one_name(url.removesuffix("/job.json")) for url in list_url(jobs) if url.endswith("/job.json")]
    except FileNotFoundError:
        found = []
    for address in found:
        mine = [run for run in before if output(run) == address and run.state_name != "HeldElsewhere"]
        try:
            job = Job(address)
            if not to_do(job) or any(run.state_type in ("SCHEDULED", "PENDING") for run in mine):
                continue
            if holder := job.store.holder():
                logger.info("%s", holder)
                continue
            if mine and mine[0].state_type in ("CANCELLING", "CANCELLED"):
                logger.info("%s: a person cancelled its last run; run it by hand to go on", address)
                continue
            failed = list(takewhile(lambda run: run.state_type == "FAILED", mine))
            if len(failed) >= FAULTS and plans.state(job) != "waiting":
                why = failed[0].state.message if failed[0].state else None
                logger.warning("%s: failed %d times in a row, so run it by hand: %s", address, len(failed), why)
                continue
            run_deployment(
                f"{FLOW}/{FLOW}", parameters={"job": job.spec.model_dump(mode="json")}, timeout=0, as_subflow=False
            )
        except Exception as broken:  # whatever is wrong with one folder, the others go on
            logger.warning("%s: left out of this sweep: %s", address, broken)
            continue
        going.append(address)
    logger.info("%d jobs found below %s; started: %s", len(found), jobs, ", ".join(going) or "none")
    return going


def to_do(job: Job) -> bool:
    state = plans.state(job)
    if state == "waiting":
        return answers.came(job)
    return state == "running" or not job.there("output/output.manifest")


def runs() -> list[FlowRun]:
    """The newest runs of labeling jobs, the newest first."""
    with get_client(sync_client=True) as server:
        return server.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])), sort=FlowRunSort.START_TIME_DESC, limit=200
        )


def output(run: FlowRun) -> str | None:
    job = run.parameters.get("job")
    return one_name(job["output"]) if isinstance(job, dict) and isinstance(job.get("output"), str) else None
