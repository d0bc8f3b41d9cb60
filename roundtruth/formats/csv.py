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
from roundtruth.formats import Shard, listing
from roundtruth.formats.records import SOURCES, no_sizes, shards
from roundtruth.kinds import Kind
from roundtruth.kinds.common import RowMistakes
from roundtruth.storage import read_needed, write_url

NAME = "csv"
HELP = "a CSV file with the column source and, for items with labels, those of the label"
ENDINGS = (".csv",)
SOURCE = "source"
ABOUT = ["item", "confidence", "label_source"]  # what an export adds; item is the row's place in the dataset


def read(path: str, kind: Kind, classes: list[str], attribute: str) -> Iterator[Shard]:
    """The rows of one source are its things. A row without a label is an item to be labeled, unless its label_source
    says that somebody saw it: then there is nothing on it. Raises UserError naming lines and fields.
    """
    sheet = table(path, kind)
    mistakes, frame = sheet.mistakes, with_columns(sheet.cells, [*kind.CSV, *ABOUT[1:]])
    mistakes.add(frame["source"] == "", "source", "empty; every row names a picture")
    codes, sources = pd.factorize(frame["source"])
    frame["item"] = codes + 1
    mine = frame[~frame.index.isin(mistakes.rows())]
    labels = labels_of(mine, kind, classes, mistakes)

    def where(line) -> str:
        return f"{path}: line {line}"

    mistakes.refuse(where)
    sizes = no_sizes(sorted(set(labels["item"])))
    lines = frame.index[~frame.duplicated("item").to_numpy()]
    passed = listing.nonzero((len(sheet.ignored), f"column[|s] ({', '.join(sheet.ignored)})"))
    return shards(
        list(sources), sizes, labels, kind, lambda item: where(lines[item - 1]), lambda item, line: where(line), passed
    )


def write(path: str, items: pd.DataFrame, labels: pd.DataFrame, kind: Kind, classes: list[str]) -> None:
    """Write item, source, the label's columns, confidence, label_source. Items without a label are left out."""
    labels = labels.sort_values("item", kind="stable", ignore_index=True)
    about = labels[["item"]].assign(source=labels["item"].map(items.set_index("item")["source"]))
    given = labels[["confidence", "source"]].set_axis(ABOUT[1:], axis=1)
    frame = pd.concat([about, kind.write_answers(labels, classes), given], axis=1)
    with write_url(path) as file:
        file.write(frame.to_csv(index=False, lineterminator="\n").encode())


def labels_of(frame: pd.DataFrame, kind: Kind, classes: list[str], mistakes: RowMistakes) -> pd.DataFrame:
    """(item, the kind's columns, confidence, source) of the rows with a label; the index is their lines."""
    said = (frame[kind.CSV] != "").any(axis=1)
    seen = said if kind.ONE_PER_ITEM else said | (frame["label_source"] != "")
    add_twice(frame, (frame[kind.CSV[0]] != "") & (not kind.ONE_PER_ITEM), mistakes)
    mine = frame[seen]
    parsed = kind.read_answers(mine[["item", *kind.CSV]].assign(worker=""), classes, mistakes)
    confidence = pd.to_numeric(mine["confidence"].replace("", "1"), errors="coerce")
    for bad, field, what in (
        (~confidence.between(0, 1), "confidence", "is no number from 0 to 1"),
        (~mine["label_source"].isin([*SOURCES, ""]), "label_source", f"is none of {', '.join(SOURCES)}"),
    ):
        mistakes.add(bad, field, lambda line, field=field, what=what: f"{mine[field][line][:60]!r} {what}")
    source = mine["label_source"].replace("", "input")
    return pd.concat([mine["item"], parsed], axis=1).assign(confidence=confidence.astype(float), source=source)


def table(path: str, kind: Kind) -> csv_table.Sheet:
    data = read_needed(path)
    numbers = [*csv_table.numbers_of(kind), "confidence"]
    sheet = csv_table.read(data, path, csv_table.Columns(["source"], kind.CSV, ABOUT, numbers))
    if sheet.cells.empty:
        raise UserError(f"{path}: empty; write a row for each item below the header")
    return sheet


def with_columns(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The cells, with empty ones in the columns that are not there."""
    return frame.assign(**{name: "" for name in names if name not in frame})


def add_twice(frame: pd.DataFrame, thing: pd.Series, mistakes: RowMistakes) -> None:
    """Only rows that are a thing each may share a source."""
    order = frame.groupby("item").cumcount()
    alone = (~thing).groupby(frame["item"]).cummax()
    first = frame.drop_duplicates("item").reset_index(names="line").set_index("item")["line"]
    mistakes.add(
        (order > 0) & alone,
        "source",
        lambda line: f"{frame['source'][line][:200]} is on line {first[frame['item'][line]]} already; take one out",
    )
