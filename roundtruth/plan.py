"""What happens next in a job, and what the next batch holds: a function of what the job folder holds.

The `certified` plan is in `roundtruth/certified.py`. The `ground-truth` plan is that of Amazon's "Annotate data for
less with SageMaker Ground Truth and automated data labeling": 10 items at random to try the set-up, more at random for
validation until they are a fifth of the dataset, a fifth at random for training; then, round after round, a model
trained on all of it labels what it is sure of and people get the fifth it is least sure of, until nothing is left.
"""

import math

import numpy as np
import pandas as pd

from roundtruth import certified, certify, ledger, select
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
    done = "auto.parquet" if job.has(round, "labels.parquet") and calibrates(job, round) else "labels.parquet"
    return job.has(round, done)


def is_certified(job: Job) -> bool:
    return job.spec.plan == "certified"


def trains(job: Job, round: int) -> bool:
    """Whether a model is trained in this round, and predicts."""
    return certified.trains(job, round) if is_certified(job) else has_machine_half(job, round)


def calibrates(job: Job, round: int) -> bool:
    """Whether a threshold is looked for in this round."""
    return certified.calibrates(job, round) if is_certified(job) else has_machine_half(job, round)


def model_number(job: Job, round: int) -> int:
    """What a model's chance follows from, beside the seed."""
    return (certified.stage(job, round) or (0, 0))[0] if is_certified(job) else round


def merging(job: Job, round: int) -> tuple[pd.DataFrame, np.ndarray | None]:
    """The items (item, role) that get a label in this round, and those whose answers teach workers' skills; None is
    all."""
    return certified.merging(job, round) if is_certified(job) else (job.batch(round), None)


def prepare(job: Job) -> None:
    """Write down what must be fixed before anybody is asked."""
    if is_certified(job):
        certified.prepare(job)


def threshold(job: Job, round: int) -> dict:
    """threshold.json of a round."""
    return certified.look(job, round) if is_certified(job) else naive(job, round)


def promised(job: Job) -> bool:
    """Whether there are auto labels of which something was promised."""
    last = (job.threshold(r) for r in job.rounds_with("auto.parquet")) if is_certified(job) else ()
    return any(found and found["final"] and found["threshold"] is not None for found in last) and bool(
        len(job.auto_labels())
    )


def next_batch(job: Job, round: int) -> pd.DataFrame:
    """The batch of the round after `round`: (item, role); empty where nothing is left or the money is spent."""
    return certified.next_batch(job, round) if is_certified(job) else fifth(job, round)


def naive(job: Job, round: int) -> dict:
    """The lowest threshold above which the validation items have the target's quality."""
    checked = job.validation(round)
    assert checked is not None  # the predictions are there
    score, quality = checked["score"].to_numpy(), checked["quality"].to_numpy()
    theta = certify.naive(score, quality, job.spec.target.quality)
    above = quality[score >= theta] if theta is not None else quality[:0]
    return {
        "threshold": theta,
        "rule": "naive",
        "checked": len(quality),
        "above": len(above),
        "quality": float(above.mean()) if len(above) else None,
    }


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


def fifth(job: Job, round: int) -> pd.DataFrame:
    """The batch of the round after `round`: (item, role); empty where nothing is left or the money is spent."""
    pool, items, seed = job.pool(), job.items(), job.spec.seed
    most = max(1, math.floor(SHARE * (items.failure.isna() & ~items.labeled).sum() + 0.5))
    probe = min(PROBE, most)
    checked = int(job.asked()["role"].isin(CHECKED).sum())
    if checked < probe:
        role, size = "probe", probe - checked
    elif checked < most:
        role, size = "validation", most - checked
    else:
        role, size = ("rest" if len(pool) <= most else "train"), most
    afford = ledger.affordable(job, human=True)
    size = size if afford is None else min(size, afford)
    if job.has(max(round, 1), "predictions/done.json"):
        scores = job.kind.confidence(job.predictions(round))
        batch = select.least_confident(scores[scores.index.isin(pool)], size)
    else:
        batch = select.random(pool, size, seed)
    return pd.DataFrame({"item": batch, "role": role})


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
    return "stopped" if ledger.affordable(job, human=True) == 0 else "running"
