"""The two tables that carry everything between steps: answers and labels. Their columns are typed, even without rows.

answers: item, worker, the kind's columns, submitted_at, seconds, reason, batch; one row for each thing that a worker
    drew or named. seconds are active seconds (NaN: unknown). reason says why there is no label: then there is none.
labels: item, the kind's columns, confidence, source (human, auto, verified or input), role, round.
"""

import pandas as pd

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
    return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in columns.items()})


def as_answers(table: pd.DataFrame, kind) -> pd.DataFrame:
    """A table of answers with all of its columns in their order and types; what a backend does not know is missing.

    Where there is a reason, the kind's columns may be missing; they then hold its types' empty values.
    """
    none = no_answers(kind)
    table = table.reset_index(drop=True).reindex(columns=none.columns)
    empty_value = {"int64": -1, "float64": 0.0, "str": ""}
    missing = {"batch": 0} | {name: empty_value.get(dtype, -1) for name, dtype in kind.COLUMNS.items()}
    return table.fillna(missing).astype(none.dtypes.to_dict())
