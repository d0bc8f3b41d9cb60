"""What the rows of a sheet of answers say: people's own files, and recorded answers."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from roundtruth.csv_table import Columns, Sheet, numbers_of
from roundtruth.kinds import Kind
from roundtruth.kinds.common import RowMistakes, changed
from roundtruth.plural import counted

REASON = "reason"  # the column that says why there is no label
SHOWN = 5  # names in a line


class Answers(NamedTuple):
    """The answers of a sheet. The index is the line of a row."""

    table: pd.DataFrame  # (item, worker, the kind's columns, reason) of the rows without a mistake
    cut: int  # labels that the kind put right, see `Kind.check`
    twice: int  # rows that are there already, and are left out


def columns_of(kind: Kind, needed: list[str], optional: list[str]) -> Columns:
    return Columns([*needed, *kind.CSV], (), optional, ["item", *numbers_of(kind)])


def read(frame: pd.DataFrame, kind: Kind, classes: list[str], sizes: pd.DataFrame, mistakes: RowMistakes) -> Answers:
    """The answers in some rows. What is wrong with rows is added to `mistakes`.

    frame: (item, worker, the kind's CSV columns, reason); item is NaN where it is not known, and such a row is a
    mistake already. sizes: (item, width, height) of the items.
    """
    reason = frame[REASON] if REASON in frame else pd.Series("", index=frame.index, dtype="str")
    given = reason == ""
    mistakes.add(frame["worker"] == "", "worker", "empty; say who answered")
    mistakes.add(~given & (frame[kind.CSV] != "").any(axis=1), REASON, "there is a label, too; give one of them")
    labels = kind.read_answers(frame.loc[given, ["item", "worker", *kind.CSV]], classes, mistakes)
    table = frame[["item", "worker"]].join(labels[list(kind.COLUMNS)]).assign(reason=reason)
    table = without(table, mistakes).astype({"item": "int64"})
    again = table.duplicated(["item", "worker", *kind.COLUMNS, "reason"]) & (not kind.ONE_PER_ITEM)
    table = table[~again]
    said = table[table["reason"] == ""].astype(kind.COLUMNS)
    kind.suspect(said, sizes, mistakes)
    right = kind.check(said, sizes, mistakes)
    if not kind.ONE_PER_ITEM:
        several = (table["reason"] != "") & (table.groupby(["item", "worker"])["item"].transform("size") > 1)
        mistakes.add(several, REASON, "the worker has more rows about this item; take some out")
    table = pd.concat([right, table[table["reason"] != ""]]).sort_index()
    good = without(right, mistakes)
    return Answers(without(table, mistakes), changed(kind, said.loc[good.index], good), int(again.sum()))


def without(table: pd.DataFrame, mistakes: RowMistakes) -> pd.DataFrame:
    return table[~table.index.isin(mistakes.rows())]


def whole_answers(rows: pd.DataFrame, kind: Kind, mistakes: RowMistakes) -> np.ndarray:
    """Adds to `mistakes` the rows of answers that are not right as a whole. Returns the lines that need not be told.

    rows: (item, worker) of all rows, item NaN or worker empty where nobody knows. Several rows of a worker about an
    item are one answer. Where each row is a thing on it, all of them must be right: a part of an answer would be a
    wrong label. Else the last row counts, so earlier mistakes do not matter.
    """
    if not mistakes.found:
        return np.array([], int)
    people = rows["worker"][rows["worker"] != ""].unique()
    worker = rows["worker"].replace("", people[0]) if len(people) == 1 else rows["worker"]
    known = rows.assign(worker=worker, line=rows.index, bad=rows.index.isin(mistakes.rows()))
    known = known[known["item"].notna() & (known["worker"] != "")]
    groups = known.groupby(["item", "worker"])
    if not kind.ONE_PER_ITEM:
        wrong = known["line"].where(known["bad"]).groupby([known["item"], known["worker"]]).transform("min")
        innocent = ~known["bad"] & wrong.notna()
        mistakes.add(innocent, "", lambda line: f"another row of this answer is wrong: line {wrong[line]:.0f}")
        return np.array([], int)
    last, last_bad = groups["line"].transform("max"), groups["bad"].transform("last")
    mistakes.add(~known["bad"] & last_bad, "", lambda line: f"a later row of this answer is wrong: line {last[line]}")
    return known.index[known["bad"] & ~last_bad].to_numpy()


# -- what is told


def told(files: list[str], found: list[Sheet], answers: list[Answers]) -> list[str]:
    """What was put right or passed over in some files, a line each."""
    cut, twice = sum(each.cut for each in answers), sum(each.twice for each in answers)
    ignored = list(dict.fromkeys(name for sheet in found for name in sheet.ignored))
    windows = [file for file, sheet in zip(files, found) if sheet.windows]
    said = [
        (cut, f"{counted(cut, 'box[|es]')} out of the picture by at most 2 pixels, cut at its edge"),
        (twice, f"{counted(twice, 'row[|s]')} twice in a file, counted once"),
        (len(ignored), f"{counted(len(ignored), 'column[|s]')} not read: {listed(ignored)}"),
        (len(windows), f"{counted(len(windows), 'file[|s]')} read as Windows-1252, as not UTF-8: {listed(windows)}"),
    ]
    return [line for count, line in said if count]


def listed(names: Iterable[str]) -> str:
    names = [name[:100] for name in names]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
