"""The rounds of a job in this process, without Prefect: what `flows` runs, for Python, tests and benchmarks."""

from roundtruth import answers, plans, steps
from roundtruth.begin import begin, hold
from roundtruth.job import Job, Progress
from roundtruth.spec import JobSpec


def run(spec: JobSpec, progress: Progress | None = None) -> Job:
    """Begin a job, or go on with the one in its folder, until it is done or waits for people; then write its report.

    progress(done, total, note) is called while pictures are checked and while a model trains and predicts.
    Raises UserError for a mistake in the job or its data, Held where another run has the job.
    """
    with hold(spec, f"the job {spec.name}") as lease:
        rounds(begin(spec, progress).address, progress, lease.check)
        job = Job(spec.output)
        steps.write_report(job)
    return job


def rounds(address: str, progress: Progress | None = None, check=lambda: None) -> bool:
    """Run the rounds of the job in a folder, and write its manifest at the end; False where it waits for people.

    `check` is called before each round. It may raise Held, where the lease was lost to another run.
    """
    if Job(address).stopped:
        steps.stop(Job(address))  # an earlier run may have been killed half way
    steps.select(Job(address), Job(address).last_round())  # the first batch, or the one that a higher budget allows
    while round := plans.next_round(Job(address)):
        check()
        if not one_round(address, round, progress):
            return False
    steps.collect_late(Job(address))
    steps.deliver(Job(address))
    return True


def one_round(address: str, round: int, progress: Progress | None = None) -> bool:
    """Run a round until its end; False where it waits for people. Every step opens the job anew, as a task does."""
    steps.dispatch(Job(address), round)
    if not steps.wait(Job(address), round)["done"]:
        return False
    steps.consolidate(Job(address), round)
    job = Job(address)
    if plans.predicts(job, round):
        if job.spec.predictions is None:
            steps.train(Job(address), round, progress)
        steps.infer(Job(address), round, progress)
    if plans.calibrates(Job(address), round):
        steps.calibrate(Job(address), round)
        steps.autolabel(Job(address), round)
    steps.select(Job(address), round)
    return True


def nothing_to_do(job: Job, summary: dict) -> bool:
    """Whether a run would change nothing: the job has ended or waits for people, nobody said anything new, and its
    manifest and report are those of `summary`, the job's summary as it stands.
    """
    if summary["state"] == "running" or not reported(job, summary):
        return False
    if summary["state"] == "waiting":
        return not answers.came(job)
    return job.there("output/output.manifest") and not answers.is_new(job, answers.news(job))


def reported(job: Job, summary: dict) -> bool:
    """Whether the report in the job folder was written with this summary."""
    try:
        return job.store.read_json("report/summary.json") == summary
    except (FileNotFoundError, ValueError):  # ValueError: it is damaged, and written again
        return False
