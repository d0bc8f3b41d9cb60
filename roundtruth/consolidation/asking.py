"""Asking on: which items need one more person's answer.

Whether an item is one of them depends on people's answers to it, and on what the items that teach say about the people.
It never depends on a model.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from roundtruth.consolidation.boxes import agreement, open_questions
from roundtruth.consolidation.votes import above_chance, by_chance, with_posteriors

# A crowd that agrees less above chance is asked the full number. The answers that were asked for so far are compared:
# they agree less if more answers to disputed items settle little.
POOR = 0.37
PAIRS = 10  # pairs of answers, as often alike as by chance, that are added to the measured ones
# A crowd that disagrees this seldom is good enough, even if nearly all items have one label, so that it would agree as
# often by chance. If two people are asked, and a third where they disagree, they are wrong more often than the majority
# of five by at most .145 of the share of pairs that disagree: here by at most .005.
SELDOM = 0.035
ALIKE = 0.75  # a box is placed well enough if two people's boxes have this IoU with the merged one
NOTHING = 3  # so many people have to see nothing in a picture, because two often miss the same small object


class Asking(NamedTuple):
    """How many people are asked about an item: `least` at first, then one more while the merged label is not `sure`
    enough, and `most` at the most."""

    least: int = 2
    most: int = 5
    sure: float = 0.98


def classes(answers: pd.DataFrame, names: Sequence, asking: Asking, learn: np.ndarray | None = None) -> np.ndarray:
    """The items of `answers` (item, worker, label) that need one more answer, sorted. `names` are all classes.
    `learn` has a bool for each row: skills are learned from those rows; without it, from all.

    An item is settled if its label's posterior is at least `sure`. In a poor crowd no item is settled: two people agree
    there by chance too often.
    """
    learn = np.ones(len(answers), bool) if learn is None else learn
    labels = with_posteriors(answers, names, learn).labels
    unsettled = poor_at_classes(answers[learn]) | (labels["posterior"].to_numpy() < asking.sure)
    return _open(answers, labels["item"].to_numpy(), unsettled, asking)


def objects(answers: pd.DataFrame, asking: Asking, learn: np.ndarray | None = None) -> np.ndarray:
    """The items of `answers` (as of `consolidation.boxes`) that need one more answer, sorted. `learn` is as in
    `classes`.

    An item is settled if, for each box that somebody drew, the people who may still be asked will hardly (at most
    1 - `sure`) turn the vote on whether it is there and on its class, and if two people drew each box of the label
    alike. If nobody drew anything, three people settle it. In a poor crowd no item is settled.
    """
    learn = np.ones(len(answers), bool) if learn is None else learn
    found = open_questions(answers, learn, asking.most)
    each = answers.groupby("item", sort=True)
    unseen = ((each["class_id"].max() < 0) & (each["worker"].nunique() < NOTHING)).to_numpy()
    doubtful = ((found["change"] > 1 - asking.sure) | (found["fit"] < ALIKE)).to_numpy()
    unsettled = poor_at_objects(answers[learn]) | unseen | doubtful
    return _open(answers, found["item"].to_numpy(), unsettled, asking)


def poor_at_classes(answers: pd.DataFrame) -> bool:
    """Whether people who gave these answers (item, worker, label) agree too little above chance, and not nearly always.
    The fewer answers there are, the less they show."""
    each = answers.drop_duplicates(["item", "worker", "label"])
    said = each.groupby(["item", "label"]).size().to_numpy()
    r = each.groupby("item").size().to_numpy()
    label = pd.factorize(each["label"])[0]
    pairs, same = (r * (r - 1)).sum() / 2, (said * (said - 1)).sum() / 2
    above = above_chance(said, r, label) * pairs / (pairs + PAIRS)
    alike = (same + PAIRS * by_chance(label)) / (pairs + PAIRS)
    return bool(above < POOR and alike < 1 - SELDOM)


def poor_at_objects(answers: pd.DataFrame) -> bool:
    """Whether people who gave these answers (as of `consolidation.boxes`) too seldom draw each other's boxes. Not if
    nobody drew any: nothing shows that they would disagree."""
    return bool((answers["class_id"] >= 0).any()) and agreement(answers, PAIRS) < POOR


def _open(answers: pd.DataFrame, items: np.ndarray, unsettled: np.ndarray, asking: Asking) -> np.ndarray:
    """Of the items (sorted), those with too few answers, and the unsettled ones that may have more."""
    count = answers.groupby("item", sort=True)["worker"].nunique().to_numpy()
    return items[(count < asking.least) | (unsettled & (count < asking.most))]
