"""Votes: what several people said of an item becomes one class."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

ALL = 30.0  # pseudo-answers behind what is said of the whole job
WORKER = 8.0  # pseudo-answers behind what is said of one worker
BEFORE = 0.7  # the accuracy assumed before any answer
STILL, TURNS = 1e-3, 20  # when to stop
TOGETHER = 0.2  # how much answers of one item are correlated
FLOOR = 0.05  # the part of a confidence that no number of answers overcomes


class Consolidated(NamedTuple):
    labels: pd.DataFrame
    workers: pd.DataFrame


def votes(answers: pd.DataFrame, classes: Sequence | None = None) -> Consolidated:
    """One label an item, by Dawid and Skene's model with two strengths of pooling.

    `answers` has the columns item, worker, label, one row an answer; `classes` names all classes, also those that
    nobody voted for (without it, the labels that occur). Gives labels (item, label, confidence), label in the answers'
    own type, and workers (worker, answers, skill), skill the accuracy estimated for the worker; both sorted by their
    first column, and the same bytes for any order of the rows.

    A worker's confusion matrix (Dawid and Skene, 1979, "Maximum likelihood estimation of observer error-rates using
    the EM algorithm") is pulled towards one that all workers share and one that knows the worker's accuracy alone,
    which is what lets it work on few answers.

    Raises ValueError for a missing value, and for a label that is not in `classes`, naming the row.
    """
    item, items = _codes(answers, "item")
    worker, workers = _codes(answers, "worker")
    if classes is None:
        label, names = _codes(answers, "label")
    else:
        names = pd.Index(list(classes))
        label = names.get_indexer(answers["label"])
        if (label < 0).any():
            row = int((label < 0).argmax())
            raise ValueError(f"row {row}: label {answers['label'].iloc[row]!r} is not one of the classes")
    # one order whatever the table's, so that sums come out the same; a worker's repeated answer counts once
    key = np.unique((item * max(1, len(workers)) + worker) * max(1, len(names)) + label)
    rest, label = np.divmod(key, max(1, len(names)))
    item, worker = np.divmod(rest, max(1, len(workers)))
    best, confidence, skill = _estimate(item, worker, label, len(items), len(workers), len(names))
    return Consolidated(
        pd.DataFrame({"item": items, "label": names.take(best), "confidence": confidence}),
        pd.DataFrame({"worker": workers, "answers": np.bincount(worker, minlength=len(workers)), "skill": skill}),
    )


def _codes(answers: pd.DataFrame, column: str) -> tuple[np.ndarray, pd.Index]:
    codes, values = pd.factorize(answers[column], sort=True)
    if (codes < 0).any():
        raise ValueError(f"row {int((codes < 0).argmax())}: {column} is missing")
    return codes.astype(np.int64), pd.Index(values)


def _estimate(item, worker, label, items: int, workers: int, classes: int):
    """Classes, confidences and skills; the arrays are codes, one row an answer, sorted."""
    share = np.zeros((items, classes))
    np.add.at(share, (item, label), 1.0)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1)
    best = share.argmax(axis=1) if classes else np.zeros(items, int)
    return best, share[np.arange(items), best] if classes else np.zeros(items), np.full(workers, BEFORE)
