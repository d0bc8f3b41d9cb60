"""A YOLO dataset: where its pictures and its label files are, and the names of its classes.

All of this stands in a data.yaml (Ultralytics), in an obj.data (Darknet, CVAT), or in a classes.txt (LabelImg), beside
which all pictures count. Names of files are relative to the dataset's root.
"""

import posixpath
import unicodedata
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import pandas as pd
import yaml

from roundtruth.errors import UserError, refuse_all
from roundtruth.formats import listing
from roundtruth.settings import LARGEST_YAML, yaml_mistakes
from roundtruth.storage import read_given, read_needed

SHEETS = (".yaml", ".yml")
NAMES = ("classes.txt", "obj.names")  # files with a class on each line
OBJ_DATA = "obj.data"
PARTS = ("train", "val", "valid", "validation", "test")  # the keys of a dataset's parts
DEEP = 10  # folders at the beginning of a listed path that may be those of another machine


class Dataset(NamedTuple):
    root: str  # the folder that all names are below
    names: Sequence[str]  # of the files in it
    pictures: list[str]  # the items
    classes: dict[int, str]
    used: set[str]  # the files that describe it
    key_points: int = 0  # numbers that follow the sides of each box
    passed: listing.Passed = ()


def descriptions(path: str, names: Sequence[str]) -> list[str]:
    """The files of a folder that say what the numbers of classes mean: any data.yaml, then an obj.data, then lists."""
    top = [name for name in names if "/" not in name and name.lower().endswith(SHEETS)]
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


def from_folder(path: str, names: Sequence[str]) -> Dataset:
    """The dataset that a data.yaml or an obj.data in the folder describes, else all of its pictures, by name."""
    found = descriptions(path, names)
    sheets = listing.ending_in(found, SHEETS)
    if len(sheets) > 1:
        raise UserError(f"{path}: {' and '.join(sheets[:2])} both describe a YOLO dataset; give one of them as data")
    if sheets:
        return from_sheet(path, sheets[0], names)
    return from_obj_data(path, names) if OBJ_DATA in found else from_names(path, names)


def from_sheet(folder: str, name: str, names: Sequence[str] | None) -> Dataset:
    """The dataset that a data.yaml describes. `names` are the files in its folder, where they are known.

    Its root is `path`, below the folder unless it is absolute, or else the folder itself: many files name a path of the
    machine on which they were written.
    """
    url = f"{folder}/{name}"
    found = sheet(url, read_needed(url))
    classes = class_names(url, found)
    parts = {key: entries for key in PARTS if key in found and (entries := texts(url, key, *found[key]))}
    if not parts:
        raise UserError(f"{url}: line 1: field train: missing; it says where the pictures are, as val and test do")
    points = key_points(url, found)
    roots = [*(joined(folder, path) for path in texts(url, "path", *found.get("path", (1, "")))[:1]), folder]
    stated = f"{roots[0]}/"  # entries below it may stand with it, also where the folder was moved since
    parts = {key: [entry.removeprefix(stated) for entry in entries] for key, entries in parts.items()}
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
    passed = listing.nonzero((len(empty), f"part[|s] of the dataset without pictures ({', '.join(empty)})"))
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
            mine = [name for name in listing.ending_in(names, listing.PICTURES) if name.startswith(start)]
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
    refuse_all(
        range(len(bad)),
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


# -- where labels are


def labels_of(pictures: Sequence[str], names: Sequence[str]) -> list[str]:
    """The label file of each picture, empty where there is none: in a folder labels, or beside the picture."""
    there = {unicodedata.normalize("NFC", name[:-4]) + ".txt": name for name in names if name.lower().endswith(".txt")}
    table = pd.Series(list(pictures), dtype="str")
    places = [label_paths(table), label_paths(table, "JPEGImages"), listing.stems(table) + ".txt"]
    found = [place.str.normalize("NFC").map(there).astype("str") for place in places]
    return found[0].fillna(found[1]).fillna(found[2]).fillna("").tolist()


def label_paths(pictures: pd.Series, folder: str = "images") -> pd.Series:
    """Where the labels of pictures belong: in a folder labels in place of the last one that is named images, or beside
    the pictures."""
    return listing.without_ending(pictures).str.replace(rf"^(.*/)?{folder}/", r"\1labels/", regex=True) + ".txt"


# -- the files that describe a dataset


def sheet(url: str, data: bytes) -> dict[str, tuple[int, object]]:
    """The keys of a YAML file: line and value, which is text, a list of texts or a dict of texts; None: something else.

    Names are taken as they are written: YAML would make numbers of 010 and true of yes.
    """
    if len(data) > LARGEST_YAML:
        raise UserError(f"{url}: over {LARGEST_YAML // 10**6} MB, so this is no data.yaml; pictures belong in a list")
    with yaml_mistakes(url):
        node = yaml.compose(data, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{url}: line 1: no YOLO dataset: it has keys such as names and train")
    for part in (node, *(value for _, value in node.value if isinstance(value, yaml.MappingNode))):
        refuse_key_twice(url, part)
    return {key.value: (key.start_mark.line + 1, plain(value)) for key, value in node.value if is_scalar(key)}


def refuse_key_twice(url: str, node: yaml.MappingNode) -> None:
    """Two classes may not have one number. YAML would take the last one."""
    known = set()
    for key in (key for key, _ in node.value if is_scalar(key)):
        if key.value in known:
            raise UserError(f"{url}: line {key.start_mark.line + 1}: field {key.value[:40]}: there twice; take one out")
        known.add(key.value)


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
    data = read_needed(url)
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
