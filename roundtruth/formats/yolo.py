"""YOLO: a text file for each picture, with a line for each box: class, centre x, centre y, width, height.

https://docs.ultralytics.com/datasets/detect/

The sides are shares of the picture's width and height, and the class is a number, whose name stands elsewhere: in a
data.yaml (Ultralytics), in the names file of an obj.data (Darknet, CVAT), or in a classes.txt (LabelImg). The labels of
x/images/1.jpg are in x/labels/1.txt or else beside it.
"""

import math
import posixpath
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
import yaml

from roundtruth.boxes import SIDES
from roundtruth.errors import UserError
from roundtruth.formats import Shard, listing, records
from roundtruth.formats.label_files import LabelFiles, number, refuse_same
from roundtruth.kinds import Kind, common, has_boxes
from roundtruth.settings import Boxes
from roundtruth.storage import read_all, read_given, write_all

NAME = "yolo"
HELP = "a YOLO dataset: its data.yaml or, in a job about boxes, its folder"
TITLE = "YOLO"
ENDINGS = (".yaml", ".yml")
LABELS = (".txt", ".yaml", ".yml", ".data", ".names")  # what its label files, and those that describe them, end in
NAMES = ("classes.txt", "obj.names")  # files with a class on each line
OBJ_DATA = "obj.data"
PARTS = ("train", "val", "valid", "validation", "test")  # the keys of a dataset's parts
PEEK = 10  # files that are looked into to recognise a format
DEEP = 10  # folders at the beginning of a listed path that may be those of another machine
SHARES = Boxes(unit="relative", form="size")  # of which the sides are read
OUTSIDE = 0.01  # how far a share may lie outside 0 to 1; what that is in pixels is judged later


def label_files(path: str, names: Sequence[str]) -> list[str]:
    """The YOLO label files in a folder: the text files that belong to pictures. Without a file that describes the
    dataset, the first few must look like labels."""
    pictures = [name for name in names if name.lower().endswith(listing.PICTURES)]
    found = [name for name in labels_of(pictures, names) if name]
    if not found or descriptions(path, names):
        return found
    first = list(read_all([f"{path.rstrip('/')}/{name}" for name in found[:PEEK]]))
    return found if any(first) and all(looks_like_labels(data) for data in first) else []


def looks_like_labels(data: bytes) -> bool:
    lines = [line.split() for line in data.decode(errors="replace").splitlines() if line.strip()]
    return all(len(line) >= 5 and not any(math.isnan(number(text)) for text in line) for line in lines)


def descriptions(path: str, names: Sequence[str]) -> list[str]:
    """The files of a folder that say what the numbers of classes mean: any data.yaml, then an obj.data, then lists."""
    top = [name for name in names if "/" not in name and name.lower().endswith(ENDINGS)]
    sheets = [name for name in top if describes(path.rstrip("/"), name)]
    lists = [name for name in names if name.rpartition("/")[2] in NAMES]
    return [*sheets, *(name for name in names if name == OBJ_DATA), *lists]


def describes(path: str, name: str) -> bool:
    """Whether a YAML file describes a dataset. One that is damaged is taken to do so if it is named data.yaml."""
    try:
        found = sheet(f"{path}/{name}", read_given(f"{path}/{name}"))
    except (UserError, FileNotFoundError):
        return name.lower().startswith("data.")
    return "names" in found and any(part in found for part in PARTS)


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
    found = descriptions(path, names)
    sheets = [name for name in found if name.lower().endswith(ENDINGS)]
    if len(sheets) > 1:
        raise UserError(f"{path}: {' and '.join(sheets[:2])} both describe a YOLO dataset; give one of them as data")
    if sheets:
        dataset = from_sheet(path, sheets[0], names)
    elif OBJ_DATA in found:
        dataset = from_obj_data(path, names)
    else:
        dataset = from_names(path, names)
    return shards(path, dataset, kind, classes, passed)


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


# -- where pictures and labels are


class Dataset(NamedTuple):
    root: str  # the folder that all names are below
    names: Sequence[str]  # of the files in it
    pictures: list[str]  # the items
    classes: dict[int, str]
    used: set[str]  # the files that describe it
    points: int = 0  # numbers of key points behind each box
    passed: listing.Passed = ()


def labels_of(pictures: Sequence[str], names: Sequence[str]) -> list[str]:
    """The label file of each picture, empty where there is none: in a folder labels, or beside the picture."""
    there = {unicodedata.normalize("NFC", name): name for name in names if name.endswith(".txt")}
    table = pd.Series(list(pictures), dtype="str")
    places = [label_paths(table), label_paths(table, "JPEGImages"), listing.stems(table) + ".txt"]
    found = [place.str.normalize("NFC").map(there).astype("str") for place in places]
    return found[0].fillna(found[1]).fillna(found[2]).fillna("").tolist()


def label_paths(pictures: pd.Series, folder: str = "images") -> pd.Series:
    """Where the labels of pictures belong: in a folder labels in place of the last one that is named images, or beside
    the pictures."""
    return without_ending(pictures).str.replace(rf"^(.*/)?{folder}/", r"\1labels/", regex=True) + ".txt"


def without_ending(names: pd.Series) -> pd.Series:
    return names.str.replace(r"\.[^./]*$", "", regex=True)


def from_sheet(folder: str, name: str, names: Sequence[str] | None) -> Dataset:
    """The dataset that a data.yaml describes. `names` are the files in its folder, where they are known.

    Its root is `path`, below the folder unless it is absolute, or else the folder itself: many files name a path of the
    machine on which they were written.
    """
    url = f"{folder}/{name}"
    try:
        found = sheet(url, read_given(url))
    except FileNotFoundError:
        raise UserError(f"{url}: no such file") from None
    classes = class_names(url, found)
    parts = {key: entries for key in PARTS if key in found and (entries := texts(url, key, *found[key]))}
    if not parts:
        raise UserError(f"{url}: line 1: field train: missing; it says where the pictures are, as val and test do")
    points = key_points(url, found)
    roots = [*(joined(folder, path) for path in texts(url, "path", *found.get("path", (1, "")))[:1]), folder]
    for root in dict.fromkeys(roots):
        inside = names if root == folder and names is not None else listing.files(root)
        mine = {key: in_part(url, found[key][0], key, root, inside, entries) for key, entries in parts.items()}
        if any(pictures for pictures, _ in mine.values()):
            return of_parts(Dataset(root, inside, [], classes, {name}, points), mine)
    key = next(iter(parts))
    looked = " and ".join(dict.fromkeys(roots))
    raise UserError(f"{url}: line {found[key][0]}: field {key}: no pictures are there; looked for in {looked}")


def of_parts(dataset: Dataset, parts: dict[str, tuple[list[str], list[str]]]) -> Dataset:
    """The dataset with the pictures of its parts, each once, and their lists; `parts` has both for each key."""
    pictures = list(dict.fromkeys(picture for some, _ in parts.values() for picture in some))
    empty = [key for key, (some, _) in parts.items() if not some]
    passed = ((len(empty), f"parts of the dataset without pictures ({', '.join(empty)})"),) if empty else ()
    used = dataset.used | {file for _, lists in parts.values() for file in lists}
    return dataset._replace(pictures=pictures, used=used, passed=passed)


def from_obj_data(path: str, names: Sequence[str]) -> Dataset:
    """The dataset that Darknet's obj.data describes: `names = FILE`, `train = LIST`, `valid = LIST`."""
    url = f"{path}/{OBJ_DATA}"
    found = {}
    for line in lines_of(url):
        key, _, value = line.partition("=")
        found[key.strip()] = value.strip()
    where = {key: at_end(found[key], names) for key in ("names", *PARTS) if found.get(key)}
    if not where.get("names"):
        raise UserError(
            f"{url}: line 1: field names: missing, or not there; it is the file with the names of the classes"
        )
    classes = numbered(f"{path}/{where.pop('names')}")
    parts = {key: (listed(path, names, file), [file]) if file else ([], []) for key, file in where.items()}
    if not any(pictures for pictures, _ in parts.values()):
        raise UserError(f"{url}: line 1: field train: missing, or not there, or empty; it is the list of pictures")
    used = {OBJ_DATA, at_end(found["names"], names)}
    return of_parts(Dataset(path, names, [], classes, used), parts)


def from_names(path: str, names: Sequence[str]) -> Dataset:
    """All pictures of a folder in which some classes.txt or obj.names has the names of the classes."""
    files = [name for name in names if name.rpartition("/")[2] in NAMES]
    if not files:
        raise UserError(
            f"{path}: no names of the classes for YOLO's numbers; add a classes.txt with a name on each line"
        )
    known = [numbered(f"{path}/{file}") for file in files]
    other = [file for file, some in zip(files, known) if some != known[0]]
    if other:
        raise UserError(f"{path}: {files[0]} and {other[0]} name other classes; take one out")
    pictures, passed = listing.pictures(path, names)
    return Dataset(path, names, pictures, known[0], set(files), passed=passed)


def in_part(
    url: str, line: int, key: str, root: str, names: Sequence[str], entries: list[str]
) -> tuple[list[str], list[str]]:
    """The pictures of a part of the dataset, and the lists that name them. An entry is a folder or a list."""
    pictures, lists, known = [], [], set(names)
    for entry in entries:
        place = below(root, entry)
        if place is None:
            raise UserError(
                f"{url}: line {line}: field {key}: {entry} lies outside of {root}; name that folder as path"
            )
        if place in known:
            lists.append(place)
            pictures += listed(root, names, place)
        else:
            start = "" if place == "." else f"{place}/"
            mine = [name for name in names if name.startswith(start) and name.lower().endswith(listing.PICTURES)]
            pictures += listing.without_masks(mine)[0]
    return pictures, lists


def below(root: str, entry: str) -> str | None:
    """An entry relative to the root; None where it leads out of it. `../` at its beginning does not count, as in
    Ultralytics: exports have it where data.yaml was moved up."""
    entry = entry.replace("\\", "/")
    if entry.startswith(("/", "s3://")):
        return posixpath.normpath(entry.removeprefix(f"{root}/")) if f"{entry}/".startswith(f"{root}/") else None
    place = posixpath.normpath(entry)
    while place.startswith("../"):
        place = place.removeprefix("../")
    return "." if place == ".." else place


def joined(folder: str, path: str) -> str:
    """A path, relative to a folder unless it is absolute."""
    path = path.replace("\\", "/")
    if path.startswith(("/", "s3://")):
        return path.rstrip("/")
    scheme, mark, rest = folder.rpartition("://")
    return f"{scheme}{mark}{posixpath.normpath(f'{rest}/{path}')}"


def listed(root: str, names: Sequence[str], file: str) -> list[str]:
    """The pictures that a list names, relative to the root.

    A path is relative to the list or to the root. Its first folders may be those of another machine: of all ways to
    read the whole list, the one that finds the most pictures counts. Raises UserError for a picture outside the root.
    """
    url = f"{root}/{file}"
    lines = pd.Series([line.strip().replace("\\", "/") for line in lines_of(url)], dtype="str")
    lines = lines[lines != ""]
    rest = lines.str.replace(r"^(?:\./|s3://|/)+", "", regex=True)
    known, here = set(names), posixpath.dirname(file)
    best, most = rest, -1
    for deep, start in product(range(DEEP), dict.fromkeys((here, ""))):
        shorter = rest.str.replace(rf"^(?:[^/]+/){{{deep}}}", "", regex=True)
        paths = normal((f"{start}/" if start else "") + shorter)
        found = int(paths.isin(known).sum())
        if found > most:
            best, most = paths, found
        if most == len(lines):
            break
    outside = best.str.startswith("../") | (lines.str.startswith(("/", "s3://")) & (most == 0))
    bad = lines[outside]
    common.refuse(
        np.ones(len(bad), bool),
        lambda at: f"{url}: line {bad.index[at] + 1}: {bad.iloc[at]} lies outside of {root}; move the picture there",
    )
    return best.tolist()


def normal(paths: pd.Series) -> pd.Series:
    """The paths without `.` and `..` and empty parts."""
    odd = paths.str.contains(r"//|(?:^|/)\.\.?/", regex=True)
    return paths.mask(odd, paths[odd].map(posixpath.normpath)).astype("str") if odd.any() else paths


def at_end(value: str, names: Sequence[str]) -> str:
    """The file of the folder that a path ends in, as its first folders may be those of another machine; empty where
    there is none."""
    parts = [part for part in value.replace("\\", "/").split("/") if part not in ("", ".")]
    known = set(names)
    return next((end for first in range(len(parts)) if (end := "/".join(parts[first:])) in known), "")


# -- what describes a dataset


def sheet(url: str, data: bytes) -> dict[str, tuple[int, object]]:
    """The keys of a YAML file: line and value, which is text, a list of texts or a dict of texts; None: something else.

    Names are taken as they are written: YAML would make numbers of 010 and true of yes.
    """
    try:
        node = yaml.compose(data, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{url}: line {line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{url}: line 1: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{url}: line 1: no YOLO dataset: it has keys such as names and train")
    return {key.value: (key.start_mark.line + 1, plain(value)) for key, value in node.value if is_scalar(key)}


def is_scalar(node) -> bool:
    return isinstance(node, yaml.ScalarNode)


def plain(node):
    if is_scalar(node):
        return "" if node.tag.endswith(":null") else node.value
    if isinstance(node, yaml.SequenceNode) and all(map(is_scalar, node.value)):
        return [part.value for part in node.value]
    if isinstance(node, yaml.MappingNode) and all(is_scalar(part) for pair in node.value for part in pair):
        return {key.value: value.value for key, value in node.value}
    return None


def texts(url: str, key: str, line: int, value) -> list[str]:
    """One text or a list of texts, as a list without empty ones."""
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list):
        raise UserError(f"{url}: line {line}: field {key}: neither a path nor a list of paths")
    return [text for text in value if text]


def class_names(url: str, found: dict) -> dict[int, str]:
    line, value = found.get("names", (1, ""))
    if isinstance(value, list):
        value = dict(zip(map(str, range(len(value))), value))
    if not isinstance(value, dict) or not value or not all(map(is_whole, value)):
        what = "missing" if value == "" else "neither a list of names nor names by number"
        raise UserError(f"{url}: line {line}: field names: {what}")
    names = {int(key): name for key, name in value.items()}
    line, count = found.get("nc", (1, ""))
    if count and count != str(len(names)):
        raise UserError(f"{url}: line {line}: field nc: {count}, where names has {len(names)}; correct one of them")
    return names


def is_whole(text: str) -> bool:
    return text.isdecimal() and len(text) < 10


def key_points(url: str, found: dict) -> int:
    """How many numbers of key points follow each box: Ultralytics' kpt_shape, points by values."""
    if "kpt_shape" not in found:
        return 0
    line, value = found["kpt_shape"]
    if not (isinstance(value, list) and len(value) == 2 and all(map(is_whole, value))):
        raise UserError(f"{url}: line {line}: field kpt_shape: not a list of two numbers")
    return int(value[0]) * int(value[1])


def numbered(url: str) -> dict[int, str]:
    """The names in a file with one on each line."""
    return dict(enumerate(line.strip() for line in "\n".join(lines_of(url)).rstrip().split("\n")))


def lines_of(url: str) -> list[str]:
    try:
        data = read_given(url)
    except FileNotFoundError:
        raise UserError(f"{url}: no such file") from None
    try:
        return text_of(data).splitlines()
    except UserError as mistake:
        raise UserError(f"{url}: {mistake}") from None


def text_of(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"line {line}: not UTF-8 text ({error.reason}); save the file as UTF-8") from None


# -- reading labels


def shards(base: str, dataset: Dataset, kind: Kind, classes: list[str], passed: listing.Passed = ()) -> Iterator[Shard]:
    """The items of a dataset, with sources below `base` or, where its root lies elsewhere, absolute ones."""
    files = labels_of(dataset.pictures, dataset.names)
    start = dataset.root.removeprefix(base).lstrip("/") if f"{dataset.root}/".startswith(f"{base}/") else dataset.root
    sources = [f"{start}/{picture}" if start else picture for picture in dataset.pictures]
    passed = (*passed, *dataset.passed, *unused(dataset, files))
    count = sum(file != "" for file in files)
    if not has_boxes(kind):
        told = ((count, f"label files of boxes (YOLO), which a job of {kind.NAME} does not use"),) if count else ()
        return records.unlabeled(base, sources, kind, (*passed, *told))
    found = Lines(dataset, files)
    labels = found.boxes.labels(classes)
    sizes = records.no_sizes(labels["item"].unique().tolist())
    note = f"YOLO: {count} of {len(files)} pictures have a label file"
    item_at, passed = records.in_folder(base, sources), (*passed, *found.passed())
    return records.shards(sources, sizes, labels, kind, item_at, found.label_at, passed, note, SHARES)


def unused(dataset: Dataset, files: Sequence[str]) -> listing.Passed:
    """What is to be said about the files of a dataset that are neither items nor say anything about them."""
    rest = sorted(set(dataset.names) - set(dataset.pictures) - set(files) - dataset.used)
    folders = {posixpath.dirname(file) for file in files if file}
    texts = [name for name in rest if name.endswith(".txt") and name.rpartition("/")[2] not in NAMES]
    lost = {name for name in texts if posixpath.dirname(name) in folders or "/labels/" in f"/{name}"}
    pictures = [name for name in rest if name.lower().endswith(listing.PICTURES)]
    named = [name for name in rest if name.rpartition("/")[2] in (*NAMES, OBJ_DATA)]
    found = (
        (len(lost), "label files without a picture"),
        (len(pictures), "pictures that are in no part of the dataset"),
    )
    told = tuple((count, what) for count, what in found if count)
    return (*told, *listing.others(name for name in rest if name not in lost and name not in named))


class Lines:
    """The lines of all label files, read once. The sides of their boxes are shares of the picture's."""

    def __init__(self, dataset: Dataset, files: Sequence[str]):
        self.classes, self.key_points = dataset.classes, dataset.points
        self.boxes = LabelFiles(dataset.root, [file for file in files if file], "class")
        self.items = [item for item, file in enumerate(files, start=1) if file]
        self.outlines = self.points = 0
        for file, data in self.boxes.read():
            with self.boxes.collecting(file):
                self.read(file, text_of(data).splitlines())

    def label_at(self, item: int, row: int) -> str:
        return self.boxes.where(row)

    def read(self, file: int, lines: list[str]) -> None:
        found = [(line, words) for line, words in enumerate(map(str.split, lines), start=1) if words]
        for line, words in found:
            with self.boxes.collecting(file):
                try:
                    self.boxes.add(file, line, self.items[file], *self.box(words), "input")
                except UserError as mistake:
                    raise UserError(f"line {line}: {mistake}") from None
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
        (x, y, width, height), confidence = self.sides(values[1:])
        odd = [side for side in (x, y, width, height) if not -OUTSIDE <= side <= 1 + OUTSIDE]
        if odd:
            raise UserError(f"{odd[0]:g} is not between 0 and 1; YOLO's numbers are shares of the picture's sides")
        if not (width > 0 and height > 0):
            raise UserError("the box has no area")
        if not 0 <= confidence <= 1:
            raise UserError(f"{confidence:g}, the confidence, is not between 0 and 1")
        return self.classes[int(values[0])], (x - width / 2, y - height / 2, width, height), confidence

    def sides(self, values: list[float]) -> tuple[list[float], float]:
        """Centre, width and height of the box, or of the bounds of an outline (x, y, x, y, ...), and the confidence."""
        if len(values) in (4, 5):
            return values[:4], values[4] if len(values) == 5 else 1.0
        if self.key_points and len(values) == 4 + self.key_points:
            self.points += 1
            return values[:4], 1.0
        if len(values) < 6 or len(values) % 2 or self.key_points:
            raise UserError(f"{len(values) + 1} columns; a line has a class, centre x, centre y, width and height")
        self.outlines += 1
        left, right, top, bottom = min(values[0::2]), max(values[0::2]), min(values[1::2]), max(values[1::2])
        if left < -OUTSIDE or right > 1 + OUTSIDE or top < -OUTSIDE or bottom > 1 + OUTSIDE:
            raise UserError("the outline is not between 0 and 1; YOLO's numbers are shares of the picture's sides")
        return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], 1.0

    def passed(self) -> listing.Passed:
        found = (
            (self.outlines, "outlines of things, whose bounds are the boxes"),
            (self.points, "sets of key points"),
        )
        return tuple((count, what) for count, what in found if count)


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
