"""The plan of Amazon's "Annotate data for less with SageMaker Ground Truth and automated data labeling".

10 random items try the set-up; more random ones are checked until they are a fifth of the dataset; another random fifth
is for training. Then, round after round, a model that was trained on all of it labels what it is sure of, and people get
the fifth that it is least sure of, until nothing is left.
"""

import math

import numpy as np
import pandas as pd

from roundtruth import certify, ledger, select
from roundtruth.look import Look

DESCRIPTION = "`ground-truth` is Amazon's procedure, and promises nothing"
CERTIFICATE = "none"
FIXED = ()
PROBE = 10  # items that try the set-up
SHARE = 0.2  # of the dataset, a batch


def check_target(target) -> None:
    """Any target will do: none is promised."""


def prepare(job) -> None:
    """Nothing has to be fixed beforehand."""


def trains(job, round: int) -> bool:
    """Not while the first answers are gathered, nor without any answer to learn from, nor when nothing is left.

    What is left is judged by people's batches alone, so that the answer stays the same once auto labels are there.
    """
    if job.batch(round)["role"].iloc[0] != "train" or job.labels(round).empty:
        return False
    taken = job.mask(job.roles(round)["item"])
    for earlier in job.rounds_with("auto.parquet"):
        if earlier < round:
            taken |= job.mask(job.auto(earlier)["item"])
    return not taken[job.askable()].all()


def calibrates(job, round: int) -> bool:
    return trains(job, round)


def model_number(job, round: int) -> int:
    return round


def to_consolidate(job, round: int) -> tuple[pd.DataFrame, np.ndarray | None]:
    return job.batch(round), None


def look(job, round: int) -> Look:
    """The lowest threshold above which the validation items have the target's quality."""
    checked = job.validation(round)
    score, quality = checked["score"].to_numpy(), checked["quality"].to_numpy()
    theta = certify.naive(score, quality, job.spec.target.quality)
    above = quality[score >= theta] if theta is not None else quality[:0]
    return Look(theta, "naive", len(quality), len(above), float(above.mean()) if len(above) else None)


def promised(job) -> bool:
    return False


def no_auto_label(job) -> str:
    return "The model labeled nothing: no threshold reached the target."


def next_batch(job, round: int) -> pd.DataFrame:
    from roundtruth.plans import CHECKED

    pool, seed = job.pool(), job.spec.seed
    most = batch_size(len(job.askable()))
    probe = min(PROBE, most)
    checked = int(job.asked()["role"].isin(CHECKED).sum())
    if checked < probe:
        role, size = "probe", probe - checked
    elif checked < most:
        role, size = "validation", most - checked
    else:
        role, size = ("rest" if len(pool) <= most else "train"), most
    afford = ledger.affordable(job.spec, ledger.spent(job), human=True)
    size = size if afford is None else min(size, afford)
    if job.has(max(round, 1), "predictions/done.json"):
        scores = job.kind.confidence(job.predictions(round))
        batch = select.least_confident(scores[job.mask(pool)[scores.index.to_numpy()]], size)
    else:
        batch = select.random(pool, size, seed)
    return pd.DataFrame({"item": batch, "role": role})


def batch_size(items: int) -> int:
    """A fifth of the items, and at least one."""
    return max(1, math.floor(SHARE * items + 0.5))


# -- the forecast


def simulate(spec, kind, items: int, job, round: int) -> tuple[np.ndarray, np.ndarray]:
    from roundtruth.forecast import bootstrap_curves

    fifth = batch_size(items)
    done = job.last_round() if job else 0
    models = [r for r in job.rounds_with("auto.parquet") if r <= round] if job else []
    auto = sum(job.auto(r)["item"].nunique() for r in models)
    asked = len(job.roles(round)) if job and round else 0
    max_loss = 1 - spec.target.quality
    left = items - max(asked, 2 * fifth) - auto
    if models:
        learned = asked - fifth
        falling = job.validation(models[-1]).sort_values("score", ascending=False, kind="stable")["quality"]
        curves = bootstrap_curves(1 - falling.to_numpy(), kind.CURVE.exponent)
    else:
        learned = fifth
        losses, exponents = kind.CURVE.draw(len(spec.classes), items, max_loss)
        curves = losses * ((items ** (2 / 3) / learned) ** exponents)[:, None], exponents
    ends = [rounds_to_come(*curve, left, auto, learned, fifth, max_loss, max(done, 3)) for curve in zip(*curves)]
    return tuple(np.array(ends).T)


def rounds_to_come(
    losses: np.ndarray, exponent: float, left: int, auto: int, learned: int, fifth: int, max_loss: float, rounds: int
) -> tuple[int, int]:
    """Auto labels and people's rounds at the end of one curve.

    losses: of the items that are `left`, the surest first, after `learned` training items. auto, rounds: so far.
    """
    while left > 0:
        good = np.flatnonzero(np.cumsum(losses) <= max_loss * np.arange(1, len(losses) + 1))
        passes = (good[-1] + 1) / len(losses) if len(good) else 0.0
        auto, left = auto + int(passes * left), left - int(passes * left)
        asked = min(fifth, left)
        losses = losses[int(passes * len(losses)) :]
        losses = losses[: int(np.ceil(len(losses) * (1 - asked / max(left, 1))))]
        left, rounds = left - asked, rounds + (asked > 0)
        if not len(losses):
            break
        losses = losses * (learned / (learned + asked)) ** exponent
        learned += asked
    return auto, rounds
