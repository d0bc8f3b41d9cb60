"""YOLO: a text file for each picture, with a line for each box: class, centre x, centre y, width, height.

https://docs.ultralytics.com/datasets/detect/

The sides are shares of the picture's width and height, and the class is a number, whose name stands elsewhere: in a
data.yaml (Ultralytics), in the names file of an obj.data (Darknet, CVAT), or in a classes.txt (LabelImg). The labels of
x/images/1.jpg are in x/labels/1.txt or else beside it.
"""

import math
import posixpath
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import yaml

from roundtruth.boxes import SIDES
from roundtruth.errors import UserError
from roundtruth.formats import Shard, listing, records
from roundtruth.formats.label_files import LabelFiles, no_use, number, refuse_same
from roundtruth.formats.yolo_dataset import (
    NAMES,
    OBJ_DATA,
    SHEETS,
    Dataset,
    descriptions,
    from_folder,
    from_sheet,
    label_paths,
    labels_of,
    text_of,
)
from roundtruth.kinds import Kind, common, has_boxes
from roundtruth.settings import Boxes
from roundtruth.storage import read_all, read_given, write_all

NAME = "yolo"
HELP = "a YOLO dataset: its data.yaml or, in a job about boxes, its folder"
TITLE = "YOLO"
ENDINGS = SHEETS
LABELS = (".txt", ".yaml", ".yml", ".data", ".names")  # what its label files, and those that describe them, end in
PEEK = 10  # files that are looked into to recognise a format
SHARES = Boxes(unit="relative", form="size")  # of which the sides are read
OUTSIDE = 0.01  # how far a share may lie outside 0 to 1; what that is in pixels is judged later


def label_files(path: str, names: Sequence[str]) -> list[str]:
    """The YOLO label files in a folder: the text files that belong to pictures. Without a file that describes the
    dataset, the first few must look like labels."""
    pictures = listing.ending_in(names, listing.PICTURES)
    found = [name for name in labels_of(pictures, names) if name]
    if not found or descriptions(path, names):
        return found
    first = list(read_all([f"{path.rstrip('/')}/{name}" for name in found[:PEEK]]))
    return found if any(first) and all(looks_like_labels(data) for data in first) else []


def looks_like_labels(data: bytes) -> bool:
    lines = [line.split() for line in data.decode(errors="replace").splitlines() if line.strip()]
    return all(len(line) >= 5 and not any(math.isnan(number(text)) for text in line) for line in lines)


def read(path: str, kind: Kind, classes: list[str], attribute: str) -> Iterator[Shard]:
    """The pictures of the parts that a data.yaml names: train, val, test, each in the order of its list or by name."""
    folder, _, name = path.rpartition("/")
    return shards(folder, from_sheet(folder, name, None), kind, classes)


def content(path: str, kind: Kind, labels: str | None = None, own: str = "") -> bytes:
    """What tells a dataset from another: its data.yaml, the names of its pictures, and the checksums of its labels."""
    folder, _, name = path.rpartition("/")
    dataset = from_sheet(folder, name, None)
    return read_given(path) + listing.content(dataset.root, dataset.names, LABELS)


def read_folder(
    path: str, names: Sequence[str], kind: Kind, classes: list[str], passed: listing.Passed = ()
) -> Iterator[Shard]:
    """The dataset that a data.yaml or an obj.data in the folder describes, else all of its pictures, by name."""
    path = path.rstrip("/")
    return shards(path, from_folder(path, names), kind, classes, passed)


def write(path: str, items: pd.DataFrame, labels: pd.DataFrame, kind: Kind, classes: list[str]) -> None:
    """Write a folder: data.yaml, train.txt, and labels/ with a file for each labeled item, named like its picture.

    Pictures are not copied: they belong where train.txt says, in the folder images. Raises UserError where two would
    have one file of labels, and where a picture's size, of which boxes are shares, is not known.
    """
    records.refuse_no_boxes(NAME, kind)
    table = labels.sort_values("item", kind="stable")
    images = items[items["item"].isin(table["item"])].set_index("item", drop=False)
    drawn = table[table["class_id"] >= 0]
    refuse_unwritable(images, drawn)
    paths = picture_paths(images["source"])
    files = label_paths(paths)
    refuse_same(files, images["source"])
    sizes = images.loc[drawn["item"], ["width", "height"]].to_numpy(float)
    lines = pd.Series(label_lines(drawn, sizes), index=drawn["item"].to_numpy(), dtype=object)
    texts = lines.groupby(level=0).agg("".join).reindex(images["item"], fill_value="")
    plainly = all(map(str.isprintable, classes))  # else YAML would change line breaks such as U+0085, if not escaped
    about = yaml.safe_dump({"names": dict(enumerate(classes))}, allow_unicode=plainly, sort_keys=False)
    head = "# One list of all pictures with labels: name lists of your own to divide them\n"
    sheet = f"{head}train: train.txt\nval: train.txt\n{about}"
    named = [(file, text.encode()) for file, text in zip(files, texts)]
    list_of_all = "".join(f"./{picture}\n" for picture in paths)
    write_all(path, [*named, ("train.txt", list_of_all.encode()), ("data.yaml", sheet.encode())])


# -- reading labels


def shards(base: str, dataset: Dataset, kind: Kind, classes: list[str], passed: listing.Passed = ()) -> Iterator[Shard]:
    """The items of a dataset, with sources below `base` or, where its root lies elsewhere, absolute ones."""
    files = labels_of(dataset.pictures, dataset.names)
    start = dataset.root.removeprefix(base).lstrip("/") if f"{dataset.root}/".startswith(f"{base}/") else dataset.root
    sources = [f"{start}/{picture}" if start else picture for picture in dataset.pictures]
    passed = (*passed, *dataset.passed, *unused(dataset, files))
    count = sum(file != "" for file in files)
    if not has_boxes(kind):
        return records.unlabeled(base, sources, kind, (*passed, *listing.nonzero((count, no_use(TITLE, kind)))))
    found = Lines(dataset, files)
    labels = found.boxes.labels(classes)
    sizes = records.no_sizes(labels["item"].unique().tolist())
    note = f"YOLO: {count} of {len(files)} pictures have a label file"
    item_at, passed = records.in_folder(base, sources), (*passed, *found.passed())
    return records.shards(sources, sizes, labels, kind, item_at, found.boxes.label_at, passed, note, SHARES)


def unused(dataset: Dataset, files: Sequence[str]) -> listing.Passed:
    """What is to be said about the files of a dataset that are neither items nor say anything about them."""
    rest = sorted(set(dataset.names) - set(dataset.pictures) - set(files) - dataset.used)
    folders = {posixpath.dirname(file) for file in files if file}
    texts = [name for name in rest if name.endswith(".txt") and name.rpartition("/")[2] not in NAMES]
    lost = {name for name in texts if posixpath.dirname(name) in folders or "/labels/" in f"/{name}"}
    pictures = listing.ending_in(rest, listing.PICTURES)
    named = [name for name in rest if name.rpartition("/")[2] in (*NAMES, OBJ_DATA)]
    told = listing.nonzero(
        (len(lost), "label file[|s] without a picture"),
        (len(pictures), "picture[|s] that [is|are] in no part of the dataset"),
    )
    return (*told, *listing.others(name for name in rest if name not in lost and name not in named))


class Lines:
    """The lines of all label files, read once. The sides of their boxes are shares of the picture's."""

    def __init__(self, dataset: Dataset, files: Sequence[str]):
        self.classes, self.key_points = dataset.classes, dataset.key_points
        self.boxes = LabelFiles(dataset.root, [file for file in files if file], "class")
        self.items = [item for item, file in enumerate(files, start=1) if file]
        self.outlines = self.with_points = 0
        for file, data in self.boxes.read():
            with self.boxes.collecting(file):
                self.read(file, text_of(data).splitlines())

    def read(self, file: int, lines: list[str]) -> None:
        found = [(line, words) for line, words in enumerate(map(str.split, lines), start=1) if words]
        for line, words in found:
            with self.boxes.collecting(file, line):
                self.boxes.add(file, line, self.items[file], *self.box(words), "input")
        if not found:
            self.boxes.add_nothing(file, 1, self.items[file], "input")

    def box(self, words: list[str]) -> tuple[str, tuple[float, float, float, float], float]:
        """A line's class, (left, top, width, height), and confidence."""
        values = [number(word) for word in words]
        bad = [word for word, value in zip(words, values) if math.isnan(value)]
        if bad:
            raise UserError(f"{bad[0][:40]!r} is no number")
        if not values[0].is_integer() or int(values[0]) not in self.classes:
            raise UserError(f"class {words[0][:40]}: not one of the {len(self.classes)} classes that are named")
        name = self.classes[int(values[0])]
        if not name.strip():
            raise UserError(f"class {words[0]} has no name")
        (x, y, width, height), confidence = self.sides(values[1:])
        odd = [side for side in (x, y, width, height) if not -OUTSIDE <= side <= 1 + OUTSIDE]
        if odd:
            raise UserError(f"{odd[0]:g} is not between 0 and 1; YOLO's numbers are shares of the picture's sides")
        if not (width > 0 and height > 0):
            raise UserError("the box has no area")
        if not 0 <= confidence <= 1:
            raise UserError(f"{confidence:g}, the confidence, is not between 0 and 1")
        return name, (x - width / 2, y - height / 2, width, height), confidence

    def sides(self, values: list[float]) -> tuple[list[float], float]:
        """Centre, width and height of the box, or of the bounds of an outline (x, y, x, y, ...), and the confidence."""
        if len(values) in (4, 5):
            return values[:4], values[4] if len(values) == 5 else 1.0
        if self.key_points and len(values) == 4 + self.key_points:
            self.with_points += 1
            return values[:4], 1.0
        if len(values) < 6 or len(values) % 2 or self.key_points:
            raise UserError(f"{len(values) + 1} columns; a line has a class, centre x, centre y, width and height")
        self.outlines += 1
        left, right, top, bottom = min(values[0::2]), max(values[0::2]), min(values[1::2]), max(values[1::2])
        if left < -OUTSIDE or right > 1 + OUTSIDE or top < -OUTSIDE or bottom > 1 + OUTSIDE:
            raise UserError("the outline is not between 0 and 1; YOLO's numbers are shares of the picture's sides")
        return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], 1.0

    def passed(self) -> listing.Passed:
        return listing.nonzero(
            (self.outlines, "outline[|s] of [a thing|things], whose bounds are the [box|boxes]"),
            (self.with_points, "set[|s] of key points"),
        )


# -- writing


def picture_paths(sources: pd.Series) -> pd.Series:
    """Where exported pictures belong: below images, unless a folder of their own path has that name."""
    paths = sources.str.replace(r"^(?:s3:/)?/+", "", regex=True).map(posixpath.normpath)
    return paths.where(paths.str.contains("(?:^|/)images/", regex=True), "images/" + paths)


def label_lines(drawn: pd.DataFrame, sizes: np.ndarray) -> list[str]:
    """The line of each box. sizes: (n, 2), width and height of its picture."""
    sides = drawn[SIDES].to_numpy(float)
    shares = np.hstack([(sides[:, :2] + sides[:, 2:] / 2) / sizes, sides[:, 2:] / sizes])
    # 12 digits: in a picture of 100,000 pixels, boxes are read back to a ten millionth of a pixel
    numbers = np.char.mod("%.12f", shares)
    return [f"{number} {' '.join(row)}\n" for number, row in zip(drawn["class_id"], numbers.tolist())]


def refuse_unwritable(images: pd.DataFrame, drawn: pd.DataFrame) -> None:
    size = images[["width", "height"]].min(axis=1)
    unknown = images["item"].isin(drawn["item"]) & (size <= 0)
    sources = images["source"].tolist()
    common.refuse(unknown, lambda at: f"export: {sources[at]}: the size of the picture is not known; --to coco fits")
    common.refuse(
        images["source"].str.contains(r"[\r\n]", regex=True),
        lambda at: f"export: {sources[at]!r}: a name with a line break cannot be in a list; --to coco fits",
    )
