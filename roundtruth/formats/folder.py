"""A folder: its pictures, by name, and the labels in it, if it is a dataset of VOC or YOLO or has a folder for each
class."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from roundtruth.errors import Mistakes, UserError
from roundtruth.formats import Shard, listing, records, voc, yolo
from roundtruth.formats.label_files import no_use
from roundtruth.kinds import Kind, common, has_boxes, is_class

NAME = "folder"
HELP = "pictures, with or without labels"
ENDINGS = ()
FORMATS = {"voc": voc, "yolo": yolo}  # which a folder may hold
CLASS_FOLDERS, NONE = "folders", "none"  # the other values of the key `labels`


class Contents(NamedTuple):
    path: str
    names: list[str]
    files: dict[str, list[str]]  # the label files of each format
    named: bool  # whether something says what YOLO's numbers of classes mean


def read(
    path: str, kind: Kind, classes: list[str], attribute: str, labels: str | None = None, own: str = ""
) -> Iterator[Shard]:
    """Every picture in the folder and in the folders below it, sorted by name, with the labels that `labels` names.

    Without `labels`, the labels of VOC or YOLO count in a job about boxes. Files whose names begin with `own` are the
    job's. Raises UserError where there are labels of both.
    """
    found = look(path, own)
    use = chosen(found, kind, labels)
    other = ((len(files), not_used(name, found, kind)) for name, files in found.files.items() if name != use)
    passed = listing.nonzero(*other)
    told = {file for name, files in found.files.items() if name != use for file in files}
    names = [name for name in found.names if name not in told]
    if use in FORMATS:
        return FORMATS[use].read_folder(path, names, kind, classes, passed)
    pictures, masks = listing.pictures(path, names)
    passed = (*passed, *masks, *listing.others(names))
    if use == CLASS_FOLDERS:
        return of_class_folders(path, pictures, kind, classes, passed)
    return records.unlabeled(path, pictures, kind, (*passed, *hint(pictures, kind, classes)))


def content(path: str, kind: Kind, labels: str | None = None, own: str = "") -> bytes:
    """What tells a dataset from another: the names of its pictures, and the checksums of the files with its labels."""
    found = look(path, own)
    use = chosen(found, kind, labels)
    return listing.content(path, found.names, FORMATS[use].LABELS if use in FORMATS else ())


def look(path: str, own: str) -> Contents:
    names = [name for name in listing.files(path) if not (own and name.startswith(own))]
    files = {name: one.label_files(path, names) for name, one in FORMATS.items()}
    return Contents(path, names, files, bool(files["yolo"] and yolo.descriptions(path, names)))


def chosen(found: Contents, kind: Kind, labels: str | None) -> str:
    """Which labels count: voc, yolo, folders or none."""
    if labels is not None:
        if labels in FORMATS and not found.files[labels]:
            raise UserError(
                f"{found.path}: holds no labels of {FORMATS[labels].TITLE}, as labels: {labels} says it does"
            )
        return labels
    usable = [name for name, files in found.files.items() if files and (name != "yolo" or found.named)]
    if not usable or not has_boxes(kind):
        return NONE
    if len(usable) > 1:
        first, second = (f"{FORMATS[name].TITLE} ({found.files[name][0]})" for name in usable)
        keys = " or ".join(f"labels: {name}" for name in usable)
        raise UserError(f"{found.path}: holds labels of {first} and of {second}; write {keys} into the job file")
    return usable[0]


def not_used(name: str, found: Contents, kind: Kind) -> str:
    """What is to be said about label files that do not count."""
    if not has_boxes(kind):
        return no_use(FORMATS[name].TITLE, kind)
    files = f"label file[|s] of boxes ({FORMATS[name].TITLE})"
    if name == "yolo" and not found.named:
        return (
            f"{files} without the names of the classes; a classes.txt with a name on each line makes [it|them] usable"
        )
    return f"{files}; `labels: {name}` in the job file uses [it|them]"


# -- a folder for each class


def of_class_folders(
    path: str, pictures: Sequence[str], kind: Kind, classes: list[str], passed: listing.Passed
) -> Iterator[Shard]:
    """A picture below a folder that is named like a class has that label. Raises UserError for a folder of two classes,
    and for one that is named like a class but for capitals."""
    code, folders = pd.factorize(folders_of(pictures))
    mistakes, numbers = Mistakes(path), np.full(len(folders), -1)
    for at, folder in enumerate(folders):
        with mistakes.collecting():
            numbers[at] = class_of(path, folder, classes)
    mistakes.refuse()
    class_id = numbers[code]
    labeled = np.flatnonzero(class_id >= 0)
    if len(labeled) == 0:
        few = listing.some([folder for folder in folders if folder]) or "none"
        raise UserError(f"{path}: no folder in it has the name of a class; folders of pictures are: {few}")
    labels = pd.DataFrame({"item": labeled + 1, "class_id": class_id[labeled]}).assign(confidence=1.0, source="input")
    sizes = records.no_sizes(labels["item"].tolist())
    other = [folder for folder, number in zip(folders, numbers) if number < 0 and folder]
    told = f"folder[|s] that no class is named after ({listing.some(other)}): [its|their] pictures have no label"
    note = f"class folders: {len(labels)} of {len(pictures)} pictures are in one"
    where = records.in_folder(path, pictures)
    passed = (*passed, *listing.nonzero((len(other), told)))
    return records.shards(pictures, sizes, labels, kind, where, where, passed, note)


def folders_of(pictures: Sequence[str]) -> pd.Series:
    return pd.Series(list(pictures), dtype="str").str.replace(r"/?[^/]*$", "", regex=True)


def class_of(path: str, folder: str, classes: list[str]) -> int:
    """The class that one of a path's folders is named after; -1 where none is."""
    parts = folder.split("/")
    found = set(common.class_ids(parts, classes).tolist()) - {-1}
    if len(found) > 1:
        raise UserError(f"{path}: {folder}: a folder of two classes; move its pictures")
    near = {name.casefold(): name for name in classes}
    for part in map(common.tidy, parts):
        if part not in classes and part.casefold() in near:
            raise UserError(
                f"{path}: {folder}: a folder that is named like the class {near[part.casefold()]} but for capitals; "
                "correct one of them"
            )
    return found.pop() if found else -1


def hint(pictures: Sequence[str], kind: Kind, classes: list[str]) -> listing.Passed:
    """What is to be said where the folders seem to be labels."""
    if not is_class(kind):
        return ()
    code, folders = pd.factorize(folders_of(pictures))
    named = np.array([(common.class_ids(folder.split("/"), classes) >= 0).any() for folder in folders])
    count = int(named[code].sum())
    told = "picture[|s] in folders with the names of classes; `labels: folders` in the job file uses these as labels"
    return listing.nonzero((count, told))
