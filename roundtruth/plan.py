"""What happens next in a job, and what the next batch holds: a function of what the job folder holds.

The `ground-truth` plan is that of Amazon's "Annotate data for less with SageMaker Ground Truth and automated data
labeling": 10 items at random to try the set-up, more at random for validation until they are a fifth of the dataset, a
fifth at random for training; then, round after round, a model trained on all of it labels what it is sure of and people
get the fifth it is least sure of, until nothing is left.
"""

import math

import numpy as np
import pandas as pd

from roundtruth import ledger, select
from roundtruth.job import Job

PROBE = 10  # items that try the set-up
SHARE = 0.2  # of the dataset, a batch
CHECKED = ("probe", "validation")  # the roles of items no model is trained on


def next_round(job: Job) -> int | None:
    """The round that is under way, or None where there is nothing left to do in rounds."""
    last = job.last_round()
    return None if job.stopped or last == 0 or finished(job, last) else last


def finished(job: Job, round: int) -> bool:
    """Whether the round has come to its end, but for the selection of the next batch."""
    done = "auto.parquet" if job.has(round, "labels.parquet") and has_machine_half(job, round) else "labels.parquet"
    return job.has(round, done)


def has_machine_half(job: Job, round: int) -> bool:
    """Whether a model is trained in this round: not while the first answers are gathered, nor without any answer to
    learn from, nor when nothing is left.

    What is left is judged by people's batches alone, so that the answer stays the same once auto labels are there.
    """
    if job.batch(round)["role"].iloc[0] != "train" or job.labels(round).empty:
        return False
    machine_before = [r for r in job.rounds_with("auto.parquet") if r < round]
    auto = pd.concat([job.auto(r)["item"] for r in machine_before]) if machine_before else pd.Series([], dtype="int64")
    items, asked = job.items(), job.asked()
    taken = np.concatenate([asked["item"][asked["round"] <= round], auto, items["item"][items.labeled]])
    return bool((items.failure.isna() & ~items["item"].isin(taken)).any())


def next_batch(job: Job, round: int) -> pd.DataFrame:
    """The batch of the round after `round`: (item, role); empty where nothing is left or the money is spent."""
    pool, items, seed = job.pool(), job.items(), job.spec.seed
    fifth = max(1, math.floor(SHARE * (items.failure.isna() & ~items.labeled).sum() + 0.5))
    probe = min(PROBE, fifth)
    checked = int(job.asked()["role"].isin(CHECKED).sum())
    if checked < probe:
        role, size = "probe", probe - checked
    elif checked < fifth:
        role, size = "validation", fifth - checked
    else:
        role, size = ("rest" if len(pool) <= fifth else "train"), fifth
    afford = affordable(job, human=True)
    size = size if afford is None else min(size, afford)
    if job.has(max(round, 1), "predictions/done.json"):
        scores = job.kind.confidence(job.predictions(round))
        batch = select.least_confident(scores[scores.index.isin(pool)], size)
    else:
        batch = select.random(pool, size, seed)
    return pd.DataFrame({"item": batch, "role": role})


def affordable(job: Job, human: bool) -> int | None:
    """How many more items people (or the model) may label within the budget; None is any number."""
    spec = job.spec
    if spec.budget is None:
        return None
    price = ledger.human_price(spec.prices, spec.workforce.answers_per_item) if human else spec.prices.per_auto_label
    left = spec.budget - ledger.spent(job)
    return max(0, math.floor(left / price + 1e-9)) if price else None


def state(job: Job) -> str:
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
    return "stopped" if affordable(job, human=True) == 0 else "running"
