"""The two tables that steps pass on: answers and labels, with typed columns even where they are empty.

answers: item, worker, the kind's columns, submitted_at, seconds, reason, batch. One row for each thing that a worker
    drew or named. seconds are active seconds (NaN: unknown). reason says why there is no label (missing: there is one);
    the kind's columns of such a row hold their types' empty values. batch is the round that asked.
labels: item, the kind's columns, confidence, source (human, auto, verified or input), role, round.
"""

from functools import cache

import pandas as pd

CHECKED = ("probe", "validation")  # the roles of items that no model learns from
ANSWER = {
    "submitted_at": "datetime64[us, UTC]",
    "seconds": "float64",
    "reason": "str",
    "batch": "int64",
}
LABEL = {"confidence": "float64", "source": "str", "role": "str", "round": "int64"}


def no_answers(kind) -> pd.DataFrame:
    """A table of answers without rows."""
    return empty({"item": "int64", "worker": "str", **kind.COLUMNS, **ANSWER})


def no_labels(kind) -> pd.DataFrame:
    """A table of labels without rows."""
    return empty({"item": "int64", **kind.COLUMNS, **LABEL})


def empty(columns: dict[str, str]) -> pd.DataFrame:
    return _empty(tuple(columns.items())).copy(deep=False)


@cache  # it takes milliseconds to make one, and a round needs dozens
def _empty(columns: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in columns})


def as_answers(table: pd.DataFrame, kind) -> pd.DataFrame:
    """The same answers with all columns, in their order and types. What a backend does not know may be missing."""
    none = no_answers(kind)
    table = table.reset_index(drop=True).reindex(columns=none.columns)
    empty_value = {"int64": -1, "float64": 0.0, "str": ""}
    missing = {"batch": 0} | {name: empty_value.get(dtype, -1) for name, dtype in kind.COLUMNS.items()}
    table = table.fillna(missing).astype(none.dtypes.to_dict())
    return table.assign(reason=table["reason"].mask(table["reason"] == ""))
