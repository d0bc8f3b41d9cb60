"""What votes and boxes have in common: the tables they take and give."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd


class Consolidated(NamedTuple):
    """labels: one row per item (or box), with a confidence; workers: worker, answers, skill."""

    labels: pd.DataFrame
    workers: pd.DataFrame


def codes(answers: pd.DataFrame, column: str, values: Sequence | None = None) -> tuple[np.ndarray, pd.Index]:
    """The position of each of a column's values in `values`, and these values. Without `values`, they are the column's
    own values, sorted.

    Raises ValueError, which names the row, for a missing value and for one that is not in `values`.
    """
    if values is None:
        numbers, found = pd.factorize(answers[column], sort=True)
        index = pd.Index(found, name=column)
    else:
        index = pd.Index(dict.fromkeys(values), name=column)
        numbers = index.get_indexer(answers[column])
        if index.dtype.kind == answers[column].dtype.kind:
            index = index.astype(answers[column].dtype)
    if (numbers < 0).any():
        row = int((numbers < 0).argmax())
        value = answers[column].iloc[row]
        raise ValueError(f"row {row}: {column} {value!r} is " + ("missing" if pd.isna(value) else "not a known class"))
    return numbers.astype(np.int64), index


def distinct(keys: np.ndarray) -> np.ndarray:
    """As np.unique, but several times faster on millions of integers, because numpy hashes them first."""
    keys = np.sort(keys)
    return keys[np.diff(keys, prepend=keys[:1] - 1) > 0]


def teaching(answers: pd.DataFrame, learn: Sequence | None) -> np.ndarray:
    """The rows to learn from; all rows without `learn`. Raises ValueError if `learn` differs among the rows of an
    item."""
    if learn is None:
        return np.ones(len(answers), bool)
    taught = np.asarray(learn, dtype=bool)
    if taught.shape != (len(answers),):
        raise ValueError(f"learn has the shape {taught.shape}; it has a value for each of the {len(answers)} rows")
    item = answers["item"].to_numpy()
    both = np.isin(item, item[taught]) & ~taught
    if both.any():
        raise ValueError(f"row {int(both.argmax())}: item {item[both][0]} has another value of learn in another row")
    return taught


def together(taught: Consolidated, judged: Consolidated) -> Consolidated:
    """The labels of both, by item, and all workers with what was learned about them and the number of all their
    answers."""
    labels = pd.concat([taught.labels, judged.labels], ignore_index=True)
    workers = pd.concat([taught.workers, judged.workers], ignore_index=True)
    sums = workers.groupby("worker", sort=True)
    workers = pd.DataFrame({"answers": sums["answers"].sum(), "skill": sums["skill"].first()}).reset_index()
    return Consolidated(labels.sort_values("item", kind="stable", ignore_index=True), workers)
