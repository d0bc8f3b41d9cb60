"""Boxes in many small files, one about each picture, as VOC and YOLO have them."""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd

from roundtruth.boxes import SIDES
from roundtruth.errors import Mistakes, UserError, refuse_all
from roundtruth.kinds import Kind, common
from roundtruth.storage import read_all

NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,4})?")


def number(text: str) -> float:
    """A number that is written as text; NaN for anything else."""
    text = text.strip()
    return float(text) if NUMBER.fullmatch(text) and abs(float(text)) < common.LARGEST else math.nan


def no_use(title: str, kind: Kind) -> str:
    """What is to be said about label files of a format, named `title`, where labels are no boxes."""
    return f"label file[|s] of boxes ({title}), which a job of {kind.NAME} does not use"


class LabelFiles:
    """The label files below the folder `root`, with the boxes and the mistakes in them. A file's number is its place in
    `files`. field: what holds the class of a box, for messages."""

    def __init__(self, root: str, files: Sequence[str], field: str):
        self.root, self.files, self.field = root, files, field
        self.mistakes = Mistakes(root)
        self.boxes: list[tuple] = []  # item, class name, sides, confidence, source, file, line

    def read(self) -> Iterator[tuple[int, bytes]]:
        """Number and content of each file, in turn."""
        return enumerate(read_all([self.url(file) for file in range(len(self.files))]))

    def url(self, file: int) -> str:
        return f"{self.root}/{self.files[file]}"

    @contextmanager
    def collecting(self, file: int, line: int | None = None) -> Iterator[None]:
        """A UserError is kept until all files are read. Without `line`, it begins with the line of the file."""
        try:
            yield
        except UserError as mistake:
            text = str(mistake) if line is None else f"line {line}: {mistake}"
            place, _, what = text.partition(": ")
            self.mistakes.add(place, what, self.url(file))

    def add(
        self, file: int, line: int, item: int, name: str, sides: Sequence[float], confidence: float, source: str
    ) -> None:
        self.boxes.append((item, name, *sides, confidence, source, file, line))

    def add_nothing(self, file: int, line: int, item: int, source: str) -> None:
        """The file says that there is nothing on its picture."""
        self.add(file, line, item, "", (0.0, 0.0, 0.0, 0.0), 1.0, source)

    def where(self, row: int) -> str:
        """The place of a row of `boxes`, for a message."""
        file, line = self.boxes[row][-2:]
        return f"{self.url(file)}: line {line}"

    def label_at(self, item: int, row: int) -> str:
        """As `Shard.label_at`; row: the index of a label."""
        return self.where(row)

    def labels(self, classes: list[str]) -> pd.DataFrame:
        """(item, class_id, left, top, width, height, confidence, source) of the boxes, sorted by item; the index is the
        row of `boxes`. Raises UserError for all mistakes in the files, and for classes that are not the job's."""
        columns = ["item", "name", *SIDES, "confidence", "source", "file", "line"]
        table = pd.DataFrame(self.boxes, columns=columns).astype(dict.fromkeys([*SIDES, "confidence"], "float64"))
        names = table.pop("name")
        table.insert(1, "class_id", common.class_ids(names, classes))

        def say(row: int) -> str:
            return f"{self.where(row)}: field {self.field}: {common.unknown_class(names[row], classes)}"

        with self.mistakes.collecting():
            common.refuse((table["class_id"] < 0) & (names != ""), say)
        self.mistakes.refuse()
        return table.drop(columns=["file", "line"]).astype({"item": "int64"}).sort_values("item", kind="stable")


# -- writing


def refuse_same(names: pd.Series, sources: pd.Series) -> None:
    """Raises UserError where the label files of two pictures would have one name."""
    twice = np.flatnonzero(names.duplicated())

    def say(at: int) -> str:
        first = sources.iloc[(names == names.iloc[at]).to_numpy().argmax()]
        return f"export: {sources.iloc[at]} and {first} would have one file of labels; --to coco fits"

    refuse_all(twice, say)
