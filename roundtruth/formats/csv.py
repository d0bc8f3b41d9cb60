"""CSV: one row an item, or one row a thing on it, with a header.

source,label                            source,class,left,top,width,height
a.jpg,cat                               a.jpg,cat,10,20,30,40
b.jpg,                                  a.jpg,dog,50,60,20,20
                                        b.jpg,,,,,
"""

from collections.abc import Iterator

import pandas as pd

from roundtruth import csv_table
from roundtruth.errors import UserError
from roundtruth.formats import Shard
from roundtruth.formats.records import SOURCES, no_sizes, shards
from roundtruth.kinds import Kind
from roundtruth.storage import read_given, write_url

NAME = "csv"
HELP = "a CSV file with the column source and, for items with labels, those of the label"
ENDINGS = (".csv",)
SOURCE = "source"
ABOUT = ["item", "confidence", "label_source"]  # what an export adds; item is the row's place in the dataset


def read(path: str, kind: Kind, classes: list[str], attribute: str) -> Iterator[Shard]:
    """The rows of one source are its things. A row without a label is an item to be labeled, unless its label_source
    says that somebody saw it: then there is nothing on it. Raises UserError naming line and field.
    """
    frame = table(path, kind)
    codes, sources = pd.factorize(frame["source"])
    frame["item"] = codes + 1

    def where(line) -> str:
        return f"{path}: line {line}"

    labels = labels_of(frame, kind, classes, where)
    sizes = no_sizes(sorted(set(labels["item"])))
    lines = frame.index[~frame.duplicated("item").to_numpy()]
    return shards(
        list(sources), sizes, labels, kind, lambda item: where(lines[item - 1]), lambda item, line: where(line)
    )


def write(path: str, items: pd.DataFrame, labels: pd.DataFrame, kind: Kind, classes: list[str]) -> None:
    """Write item, source, the label's columns, confidence, label_source. Items without a label are left out."""
    labels = labels.sort_values("item", kind="stable", ignore_index=True)
    about = labels[["item"]].assign(source=labels["item"].map(items.set_index("item")["source"]))
    given = labels[["confidence", "source"]].set_axis(ABOUT[1:], axis=1)
    frame = pd.concat([about, kind.write_answers(labels, classes), given], axis=1)
    with write_url(path) as file:
        file.write(frame.to_csv(index=False, lineterminator="\n").encode())


def labels_of(frame: pd.DataFrame, kind: Kind, classes: list[str], where) -> pd.DataFrame:
    """(item, the kind's columns, confidence, source) of the rows with a label; the index is their lines."""
    said = (frame[kind.CSV] != "").any(axis=1)
    seen = said if kind.ONE_PER_ITEM else said | (frame["label_source"] != "")
    refuse_twice(frame, (frame[kind.CSV[0]] != "") & (not kind.ONE_PER_ITEM), where)
    mine = frame[seen]
    parsed = kind.read_answers(mine[["item", *kind.CSV]].assign(worker=""), classes, where)
    confidence = pd.to_numeric(mine["confidence"].replace("", "1"), errors="coerce")
    for bad, field, what in (
        (~confidence.between(0, 1), "confidence", "is no number from 0 to 1"),
        (~mine["label_source"].isin([*SOURCES, ""]), "label_source", f"is none of {', '.join(SOURCES)}"),
    ):
        csv_table.refuse(
            bad, where, lambda line, field=field, what=what: f"field {field}: {mine[field][line]!r} {what}"
        )
    source = mine["label_source"].replace("", "input")
    return pd.concat([mine["item"], parsed], axis=1).assign(confidence=confidence.astype(float), source=source)


def table(path: str, kind: Kind) -> pd.DataFrame:
    """The file's cells, with empty ones for the columns that it does not have; the index is the line a row ends on."""
    try:
        data = read_given(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    frame = csv_table.read(data, path, ["source"], [*kind.CSV, *ABOUT])
    missing = [name for name in kind.CSV if name not in frame]
    if missing and len(missing) < len(kind.CSV):
        raise UserError(
            f"{path}: line 1: field {missing[0]}: the column is missing; "
            f"the columns are source and, for items with labels, {', '.join(kind.CSV)}"
        )
    if frame.empty:
        raise UserError(f"{path}: empty; below the header there is a row an item")
    frame = frame.assign(**{name: "" for name in [*missing, *ABOUT[1:]] if name not in frame})
    csv_table.refuse(frame["source"] == "", lambda line: f"{path}: line {line}", lambda line: "field source: empty")
    return frame


def refuse_twice(frame: pd.DataFrame, thing: pd.Series, where) -> None:
    """Only rows that are a thing each may share a source."""
    order = frame.groupby("item").cumcount()
    alone = (~thing).groupby(frame["item"]).cummax()

    def what(line: int) -> str:
        source = frame["source"][line]
        return f"field source: {source} is on line {(frame['source'] == source).idxmax()} already; take one out"

    csv_table.refuse((order > 0) & alone, where, what)
