"""What votes and boxes have in common: the tables they take and give."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd


class Consolidated(NamedTuple):
    """labels: one row an item (or box), with a confidence; workers: worker, answers, skill."""

    labels: pd.DataFrame
    workers: pd.DataFrame


def codes(answers: pd.DataFrame, column: str, values: Sequence | None = None) -> tuple[np.ndarray, pd.Index]:
    """Where each of a column's values stands among `values` (without them, among its own, sorted), and those values.

    Raises ValueError naming the row where there is nothing, or what is not in `values`.
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
    """np.unique, several times faster on millions of integers: numpy's own hashes them first."""
    keys = np.sort(keys)
    return keys[np.diff(keys, prepend=keys[:1] - 1) > 0]


def teaching(answers: pd.DataFrame, learn: Sequence | None) -> np.ndarray:
    """Which rows teach (all without `learn`); ValueError where an item has both kinds."""
    if learn is None:
        return np.ones(len(answers), bool)
    taught = np.asarray(learn, dtype=bool)
    if taught.shape != (len(answers),):
        raise ValueError(f"learn has the shape {taught.shape}; it has a value for each of the {len(answers)} rows")
    item = answers["item"].to_numpy()
    both = np.isin(item, item[taught]) & ~taught
    if both.any():
        raise ValueError(f"row {int(both.argmax())}: item {item[both][0]} teaches in another row")
    return taught


def together(taught: Consolidated, judged: Consolidated) -> Consolidated:
    """The labels of both, by item, and all workers: what was learned of them, and all the answers they gave."""
    labels = pd.concat([taught.labels, judged.labels], ignore_index=True)
    workers = pd.concat([taught.workers, judged.workers], ignore_index=True)
    sums = workers.groupby("worker", sort=True)
    workers = pd.DataFrame({"answers": sums["answers"].sum(), "skill": sums["skill"].first()}).reset_index()
    return Consolidated(labels.sort_values("item", kind="stable", ignore_index=True), workers)
