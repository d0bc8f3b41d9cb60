"""The plan of Amazon's "Annotate data for less with SageMaker Ground Truth and automated data labeling". It promises
nothing.

People first label 10 random items to try the set-up. Then they label more random items for validation, until these are
a fifth of the dataset, and then a random fifth for training. From then on a model is trained in every round on all
training items. It labels what it is sure of, and people label the fifth that it is least confident about. This
continues until nothing is left.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from roundtruth import certify, kinds, ledger, select
from roundtruth.curves import Curves, bootstrap_curves
from roundtruth.look import Look
from roundtruth.tables import CHECKED

if TYPE_CHECKING:
    from roundtruth.curves import Pilot
    from roundtruth.job import Job
    from roundtruth.spec import JobSpec, Target

DESCRIPTION = "follows Amazon's procedure and promises nothing"
CERTIFICATE = "none"
FIXED = ()

PROBE = 10  # items with which people try the set-up
SHARE = 0.2  # share of the dataset in a batch


def check_target(target: "Target") -> None:
    if target.of != "auto-labels":
        raise ValueError(
            "this plan promises nothing, and aims at the quality of the auto labels; take target.of out, or say "
            "plan: certified"
        )


def prepare(job: "Job") -> None:
    """Nothing needs to be fixed."""


def batch_size(items: int) -> int:
    """The number of items in a whole batch."""
    return max(1, math.floor(SHARE * items + 0.5))


def next_batch(job: "Job", number: int) -> pd.DataFrame:
    """The batch of the round after round `number`: (item, role). Empty if nothing is left or the money is spent."""
    pool, most = job.pool(), batch_size(len(job.askable(0)))
    probe, checked = min(PROBE, most), int(job.asked()["role"].isin(CHECKED).sum())
    if checked < probe:
        role, size = "probe", probe - checked
    elif checked < most:
        role, size = "validation", most - checked
    else:
        role, size = ("rest" if len(pool) <= most else "train"), most
    afford = ledger.affordable(job.spec, ledger.spent(job), human=True)
    size = size if afford is None else min(size, afford)
    if job.has(max(number, 1), "predictions/done.json"):
        scores = job.kind.confidence(job.predictions(number))
        batch = select.least_confident(scores.reindex(pool, fill_value=0.0), size)  # 0: no model has seen it yet
    else:
        batch = select.random(pool, size, job.spec.seed)
    return pd.DataFrame({"item": batch, "role": role})


def for_model(job: "Job", number: int) -> np.ndarray:
    """The whole pool."""
    return job.pool(number)


def to_consolidate(job: "Job", number: int) -> tuple[pd.DataFrame, None]:
    """The round's batch gets labels, and workers' skills are learned from all answers."""
    return job.batch(number), None


def predicts(job: "Job", number: int) -> bool:
    """There is a new model if the batch is a training batch, somebody answered it, and items are left.

    Which items are left follows from the batches and the auto labels of earlier rounds alone. So the result does not
    change when the round's own auto labels are written.
    """
    if job.batch(number)["role"].iloc[0] != "train" or job.labels(number).empty:
        return False
    asked, items = job.asked(), job.askable(number)
    taken = job.mask(asked["item"][asked["round"] <= number])
    for earlier in job.rounds_with("auto.parquet"):
        if earlier < number:
            taken |= job.mask(job.auto(earlier)["item"])
    return not taken[items].all()


calibrates = predicts  # there is a look at every model


def model_number(job: "Job", number: int) -> int:
    return number


def look(job: "Job", number: int) -> Look:
    """The lowest threshold above which the validation items reach the target."""
    checked = job.validation(number)
    assert checked is not None  # the predictions are there
    score, quality = checked["score"].to_numpy(), checked["quality"].to_numpy()
    threshold = certify.naive(score, quality, job.spec.target.quality)
    above = quality[score >= threshold] if threshold is not None else quality[:0]
    return Look(threshold, "naive", len(quality), len(above), float(above.mean()) if len(above) else None)


def promised(job: "Job") -> bool:
    return False


def no_auto_label(job: "Job", look: Look) -> str:
    return "The model labeled nothing: no threshold reached the target."


def over_dataset(
    spec: "JobSpec", items: int, job: "Job | None" = None, number: int = 0, pilot: "Pilot | None" = None
) -> None:
    """This plan promises nothing."""


def simulate(
    spec: "JobSpec", items: int, job: "Job | None" = None, number: int = 0, pilot: "Pilot | None" = None
) -> tuple[np.ndarray, np.ndarray]:
    """(auto labels, people's rounds) at the end of each simulated job; each job follows one learning curve."""
    curve, batch = kinds.get(spec.kind).CURVE, batch_size(items)
    models = [r for r in job.rounds_with("auto.parquet") if r <= number] if job else []
    asked = len(job.roles(number)) if job and number else 0
    auto = sum(job.auto(r)["item"].nunique() for r in models) if job else 0
    if job and models:
        checked = job.validation(models[-1])
        assert checked is not None
        falling = checked.sort_values("score", ascending=False, kind="stable")["quality"]
        curves, learned = bootstrap_curves(1 - falling.to_numpy(), curve.exponent), asked - batch
    else:
        prior, learned = curve.prior_curves(len(spec.classes), items, 1 - spec.target.quality, pilot=pilot), batch
        fallen = (items ** (2 / 3) / learned) ** prior.exponents  # prior curves hold after items^(2/3) training items
        curves = Curves(prior.losses * fallen[:, None], prior.exponents)
    left, rounds = items - max(asked, 2 * batch) - auto, max(job.last_round() if job else 0, 3)
    max_loss = 1 - spec.target.quality
    ends = [simulate_one(losses, exponent, left, learned, batch, max_loss) for losses, exponent in zip(*curves)]
    more_auto, more_rounds = np.array(ends).T
    return auto + more_auto, rounds + more_rounds


def simulate_one(
    losses: np.ndarray, exponent: float, left: int, learned: int, batch: int, max_loss: float
) -> tuple[int, int]:
    """How many of the `left` items the model labels in the end, and how many rounds people are still asked in.

    losses: (n,), the model's losses on the items that are left, the loss at the highest score first. The model has
    learned from `learned` items. Its losses fall with the exponent.
    """
    auto, rounds = 0, 0
    while left > 0:
        good = np.flatnonzero(np.cumsum(losses) <= max_loss * np.arange(1, len(losses) + 1))
        passes = (good[-1] + 1) / len(losses) if len(good) else 0.0
        auto, left = auto + int(passes * left), left - int(passes * left)
        asked = min(batch, left)
        losses = losses[int(passes * len(losses)) :]
        losses = losses[: int(np.ceil(len(losses) * (1 - asked / max(left, 1))))]
        left, rounds = left - asked, rounds + (asked > 0)
        if not len(losses):
            break
        losses = losses * (learned / (learned + asked)) ** exponent
        learned += asked
    return auto, rounds
