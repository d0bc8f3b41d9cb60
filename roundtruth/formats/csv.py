"""CSV: a row a picture, or a row a box, with a header.

source,label                            source,class,left,top,width,height
a.jpg,cat                               a.jpg,cat,10,20,30,40
b.jpg,                                  a.jpg,dog,50,60,20,20
                                        b.jpg,,,,,
"""

import csv
import io
from collections.abc import Iterator

import numpy as np
import pandas as pd

from roundtruth import kinds
from roundtruth.errors import UserError
from roundtruth.formats.records import SOURCES, picture_sizes, records
from roundtruth.storage import read_url, write_url

ABOUT = ["item", "confidence", "label_source"]  # what an export tells beside; item is the row's place in the dataset


def read(path: str, kind: str, classes: list[str], attribute: str) -> Iterator[dict]:
    """Manifest records of a CSV with the column source and, for the labels it came with, the kind's columns.

    The rows of one source are its boxes. A row without a label is an item to be labeled, unless its label_source says
    that somebody saw it: then there is nothing to draw. Raises UserError naming line and field.
    """
    frame = _table(path, kind)

    def where(line) -> str:
        return f"{path}: line {line}"

    codes, sources = pd.factorize(frame["source"])
    frame["item"] = codes + 1
    if "confidence" not in frame:
        frame["confidence"] = ""
    if "label_source" not in frame:
        frame["label_source"] = ""
    columns, one = kinds.get(kind).CSV, kinds.get(kind).ONE_PER_ITEM
    if columns[0] not in frame:
        frame[columns] = ""
    name = frame[columns[0]]
    seen = (frame[columns] != "").any(axis=1) | ((frame["label_source"] != "") & (not one))
    _refuse_twice(frame, (name != "") & (not one), where)

    mine = frame[seen]
    parsed = kinds.get(kind).read_answers(mine[columns], classes, where)
    confidence = pd.to_numeric(mine["confidence"].replace("", "1"), errors="coerce")
    unknown = ~mine["label_source"].isin([*SOURCES, ""])
    for bad, field, what in (
        (~confidence.between(0, 1), "confidence", "is no number from 0 to 1"),
        (unknown, "label_source", f"is none of {', '.join(SOURCES)}"),
    ):
        if bad.any():
            raise UserError(f"{where(bad.idxmax())}: field {field}: {mine[field][bad.idxmax()]!r} {what}")
    labels = pd.concat([mine["item"], parsed], axis=1).assign(
        confidence=confidence.astype(float), source=mine["label_source"].replace("", "input")
    )
    labeled = np.unique(labels["item"])
    if not one:
        sizes = picture_sizes(
            labeled.tolist(),
            list(sources[labeled - 1]),
            path.rpartition("/")[0],
            lambda item: f"{where((frame['item'] == item).idxmax())}: field source",
        )
        kinds.get(kind).check(labels, sizes, where)
    else:
        sizes = pd.DataFrame({"item": labeled, "width": 0})
    return records(list(sources), sizes, labels, kind, classes, attribute)


def write(path: str, items: pd.DataFrame, labels: pd.DataFrame, kind: str, classes: list[str]) -> None:
    """Writes item, source, the label (label, or class, left, top, width, height), confidence, label_source.

    Items without a label are left out. Where there is nothing to draw, class and sides are empty.
    """
    table = labels.sort_values("item", kind="stable")
    about = table["item"].map(items.set_index("item")["source"])
    label = kinds.get(kind).write_answers(table, classes)
    frame = pd.DataFrame(
        {
            "item": table["item"].to_numpy(),
            "source": about.to_numpy(),
            **{column: label[column].to_numpy() for column in label},
            "confidence": table["confidence"].to_numpy(),
            "label_source": table["source"].to_numpy(),
        }
    )
    with write_url(path) as file:
        file.write(frame.to_csv(index=False, lineterminator="\n").encode())


def _table(path: str, kind: str) -> pd.DataFrame:
    """The file's cells as text; the index is the line a row ends on."""
    try:
        data = read_url(path)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}: line {line}: not UTF-8 ({error.reason})") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header, kind)
        rows, lines = [], []
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise UserError(f"{path}: line {reader.line_num}: {len(row)} cells, the header has {len(header)}")
            rows.append([cell.strip() for cell in row])
            lines.append(reader.line_num)
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num}: not CSV ({error})") from None
    if not rows:
        raise UserError(f"{path}: empty; below the header there is a row an item")
    frame = pd.DataFrame(rows, columns=header, index=lines, dtype="str")
    nameless = frame["source"] == ""
    if nameless.any():
        raise UserError(f"{path}: line {nameless.idxmax()}: field source: empty")
    return frame


def _check_header(path: str, header: list[str], kind: str) -> None:
    label = kinds.get(kind).CSV
    expected = f"the columns are source and, for items with labels, {', '.join(label)}"
    if "source" not in header:
        raise UserError(f"{path}: line 1: field source: the column is missing; {expected}")
    for place, name in enumerate(header):
        if name not in ("source", *label, *ABOUT):
            raise UserError(f"{path}: line 1: field {name}: an unknown column in a job of {kind}; {expected}")
        if name in header[:place]:
            raise UserError(f"{path}: line 1: field {name}: the column is there twice")
    missing = [name for name in label if name not in header]
    if missing and len(missing) < len(label):
        raise UserError(f"{path}: line 1: field {missing[0]}: the column is missing; {expected}")


def _refuse_twice(frame: pd.DataFrame, box, where) -> None:
    """Only boxes may share a source."""
    order = frame.groupby("item").cumcount()
    alone = (~pd.Series(box, index=frame.index)).groupby(frame["item"]).cummax()
    bad = (order > 0) & alone
    if bad.any():
        line = bad.idxmax()
        source = frame["source"][line]
        first = (frame["source"] == source).idxmax()
        raise UserError(f"{where(line)}: field source: {source} is on line {first} already; take one out")
