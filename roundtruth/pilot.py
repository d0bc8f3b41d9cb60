"""What the first labels of a job tell about its model: each is predicted from all others, on features that are not
trained (leave-one-out). It takes seconds, and is done while people answer the first batch: once ten items have their
answers, and again each time that there are twice as many.

Only the forecast goes by it. What people are asked and what is promised do not depend on it.
"""

from typing import TYPE_CHECKING

import numpy as np

from roundtruth import answers, learning
from roundtruth.curves import Pilot
from roundtruth.job import Job
from roundtruth.select import random

if TYPE_CHECKING:
    from roundtruth.learners.linear import Linear

LEAST, MOST = 10, 200  # labels: the features of a picture take a twentieth of a second


def due(job: Job, round: int) -> np.ndarray:
    """The items whose labels are to be predicted now; none if it is too early, was done, or there are no features."""
    nothing = np.zeros(0, np.int64)
    if round != 1 or not learning.frozen(job) or list(job.kind.COLUMNS) != ["class_id"]:
        return nothing
    want, before = answers.wanted(job, round), job.pilot()
    there = answers.per_item(job, round).reindex(want.index, fill_value=0)
    items = want.index[(there >= want) & (there > 0)].to_numpy()
    enough = min(2 * before.labels, MOST) if before else LEAST
    if len(items) < enough or (before and before.labels >= MOST):
        return nothing
    return random(items, MOST, job.spec.seed)


def of(job: Job, items: np.ndarray, learner: "Linear") -> Pilot:
    """How well the labels of some items of the first batch are predicted, each from the others."""
    from roundtruth.learners.linear import roots

    said = job.answers(1)
    said = said[said["reason"].isna() & said["item"].isin(items)].reset_index(drop=True)
    labels = job.kind.consolidate(said, job.spec.classes)[0].set_index("item")["class_id"]
    pictures = learning.pictures(job, labels.index.to_numpy())
    found = judged(roots(learner.features(pictures)), labels.loc[pictures.items].to_numpy())
    return found._replace(labels=len(items))


def judged(inputs: np.ndarray, target: np.ndarray) -> Pilot:
    """How well classes are predicted, each from the others. inputs: (n, d) of n items. target: (n,)."""
    from roundtruth.learners.linear import left_out

    numbers, counts = np.unique(target, return_inverse=True, return_counts=True)[1:]
    shared = counts[numbers] > 1
    wrong = (left_out(inputs, target) != target) & shared
    return Pilot(len(target), int(shared.sum()), int(wrong.sum()), int((counts > 1).sum()))
