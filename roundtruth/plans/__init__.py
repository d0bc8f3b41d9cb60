"""How the rounds of a job are planned, and where a job stands. There is one module per plan; it has the names that
`Plan` lists.

What happens next follows from what the job folder holds. So a job that was killed continues as if nothing had happened.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from roundtruth import ledger

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from roundtruth.curves import Pilot
    from roundtruth.job import Job
    from roundtruth.look import Look
    from roundtruth.spec import JobSpec, Target

PLANS = {
    "certified": "roundtruth.plans.certified",
    "ground-truth": "roundtruth.plans.ground_truth",
}


class Plan(Protocol):
    """What every plan offers. All functions read the job folder; only `prepare` writes to it."""

    DESCRIPTION: str  # what it does, in a few words
    CERTIFICATE: str  # how the quality of auto labels is proved: "holdout" or "none"
    FIXED: tuple[str, ...]  # keys of the job file that cannot be changed once the job has begun

    def check_target(self, target: "Target") -> None:
        """Raise ValueError for a target that no job with this plan can reach."""
        ...

    def prepare(self, job: "Job") -> None:
        """Write what must be fixed before anybody is asked."""
        ...

    def next_batch(self, job: "Job", number: int) -> "pd.DataFrame":
        """The batch of the round after round `number`: (item, role). It is empty if nothing is left or the money is
        spent."""
        ...

    def for_model(self, job: "Job", number: int) -> "np.ndarray":
        """The items of the pool that a round's model may label."""
        ...

    def to_consolidate(self, job: "Job", number: int) -> "tuple[pd.DataFrame, np.ndarray | None]":
        """The items (item, role) that get a label in a round, and the items from whose answers workers' skills are
        learned; None means all."""
        ...

    def predicts(self, job: "Job", number: int) -> bool:
        """Whether a round has a new model: it is trained, unless its predictions are given, and predicts."""
        ...

    def model_number(self, job: "Job", number: int) -> int:
        """The number from which, together with the seed, the random numbers of a round's model follow."""
        ...

    def compare(self, job: "Job", number: int) -> list[dict[str, float]]:
        """How each of several given models does at a round's look: {"passing", "expected", "quality"}. Only a plan that
        takes predictions has this function."""
        ...

    def calibrates(self, job: "Job", number: int) -> bool:
        """Whether there is a look in a round."""
        ...

    def look(self, job: "Job", number: int) -> "Look":
        """What a round's look finds."""
        ...

    def promised(self, job: "Job") -> bool:
        """Whether there are auto labels whose quality is promised."""
        ...

    def no_auto_label(self, job: "Job", look: "Look") -> str:
        """Why the model labeled nothing, in a sentence. look: the newest one."""
        ...

    def simulate(
        self, spec: "JobSpec", items: int, job: "Job | None" = None, number: int = 0, pilot: "Pilot | None" = None
    ) -> "tuple[np.ndarray, np.ndarray]":
        """How the job may end, for the forecast: (auto labels, people's rounds), with one entry per simulated job.

        items: number of items to label. job: the job as it stood after round `number`, if it has begun. pilot: what
        the first labels say about the model, if they were predicted from each other.
        """
        ...

    def over_dataset(
        self, spec: "JobSpec", items: int, job: "Job | None" = None, number: int = 0, pilot: "Pilot | None" = None
    ) -> "tuple[int, np.ndarray] | None":
        """How a new job about the items without a label may end, if its promise is over the whole dataset: their
        number, and the auto labels of each simulated job. None if this job makes that promise, or none. Arguments as
        for `simulate`."""
        ...


def get(name: str) -> Plan:
    return cast(Plan, import_module(PLANS[name]))


def of(job: "Job") -> Plan:
    return get(job.spec.plan)


def predicts(job: "Job", number: int) -> bool:
    return of(job).predicts(job, number)


def calibrates(job: "Job", number: int) -> bool:
    return of(job).calibrates(job, number)


def promised(job: "Job") -> bool:
    return of(job).promised(job)


def next_round(job: "Job") -> int | None:
    """The round that is under way; None if no round is."""
    last = job.last_round()
    return None if job.stopped or last == 0 or finished(job, last) else last


def finished(job: "Job", number: int) -> bool:
    """Whether a round has come to its end, except for the selection of the next batch."""
    done = "auto.parquet" if job.has(number, "labels.parquet") and calibrates(job, number) else "labels.parquet"
    return job.has(number, done)


def state(job: "Job") -> str:
    """complete, waiting, stopped or running."""
    last = job.last_round()
    if job.stopped:
        return "stopped"
    if last and job.has(last, "posted.json") and not job.has(last, "closed.json"):
        return "waiting"
    if last and not finished(job, last):
        return "running"
    if len(job.pool()) == 0:
        return "complete"
    return "stopped" if ledger.affordable(job.spec, ledger.spent(job), human=True) == 0 else "running"


def last_look(job: "Job") -> "Look | None":
    """The newest look; None before the first."""
    looked = job.rounds_with("threshold.json")
    return job.look(looked[-1]) if looked else None
