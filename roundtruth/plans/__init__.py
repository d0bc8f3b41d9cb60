"""What happens next in a job, and what the next batch holds: one module a plan, found by its name in the job file."""

from importlib import import_module
from typing import Any, Protocol

import numpy as np
import pandas as pd

from roundtruth import ledger
from roundtruth.look import Look

PLANS = {
    "certified": "roundtruth.plans.certified",
    "ground-truth": "roundtruth.plans.ground_truth",
}
CHECKED = ("probe", "validation")  # the roles of items that no model learns from


class Plan(Protocol):
    """What every plan's module has. Each function is a function of what the job folder holds."""

    DESCRIPTION: str  # a phrase for the job file's reference
    CERTIFICATE: str  # how what it promises is proved: "holdout", or "none" where it promises nothing
    FIXED: tuple[str, ...]  # keys of the job file that may not change once the job has begun

    def check_target(self, target) -> None:
        """Raise ValueError where the plan cannot keep such a target."""
        ...

    def prepare(self, job) -> None:
        """Write down what must be fixed before anybody is asked."""
        ...

    def next_batch(self, job, round: int) -> pd.DataFrame:
        """The batch of the round after `round`: (item, role); empty where nothing is left or the money is spent."""
        ...

    def trains(self, job, round: int) -> bool:
        """Whether a model is trained in this round, and predicts."""
        ...

    def calibrates(self, job, round: int) -> bool:
        """Whether a threshold is looked for in this round."""
        ...

    def model_number(self, job, round: int) -> int:
        """What the random numbers of a round's model follow from, besides the job's seed."""
        ...

    def to_consolidate(self, job, round: int) -> tuple[pd.DataFrame, np.ndarray | None]:
        """The items (item, role) that get a label in this round, and those whose answers teach workers' skills; None
        stands for all."""
        ...

    def look(self, job, round: int) -> Look:
        """The threshold of the round's model."""
        ...

    def promised(self, job) -> bool:
        """Whether there are auto labels for which something is promised."""
        ...

    def no_auto_label(self, job) -> str:
        """Why a model that was looked at labeled nothing, in a sentence."""
        ...

    def simulate(self, spec, kind, items: int, job, round: int) -> tuple[np.ndarray, np.ndarray]:
        """How the job may end, for the forecast: auto labels and people's rounds, one each for every learning curve.

        items: how many are to be labeled. job: None before the start; else what it has shown up to `round` counts.
        """
        ...


def get(name: str) -> Any:
    return import_module(PLANS[name])


def of(job) -> Any:
    return get(job.spec.plan)


def next_round(job) -> int | None:
    """The round that is under way, or None where there is nothing left to do in rounds."""
    last = job.last_round()
    return None if job.stopped or last == 0 or finished(job, last) else last


def finished(job, round: int) -> bool:
    """Whether the round has come to its end, but for the selection of the next batch."""
    done = "auto.parquet" if job.has(round, "labels.parquet") and calibrates(job, round) else "labels.parquet"
    return job.has(round, done)


def trains(job, round: int) -> bool:
    return of(job).trains(job, round)


def calibrates(job, round: int) -> bool:
    return of(job).calibrates(job, round)


def promised(job) -> bool:
    return of(job).promised(job)


def state(job) -> str:
    """complete, waiting, stopped or running."""
    last = job.last_round()
    if last and not job.stopped and job.has(last, "posted.json") and not job.has(last, "closed.json"):
        return "waiting"
    if job.stopped:
        return "stopped"
    if last and not finished(job, last):
        return "running"
    if len(job.pool()) == 0:
        return "complete"
    return "stopped" if ledger.affordable(job.spec, ledger.spent(job), human=True) == 0 else "running"
