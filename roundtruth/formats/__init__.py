"""What goes in and what comes out: one module a format, found by its name.

A module has
    NAME, HELP   the format's name, and what it is in a few words
    ENDINGS      of its files; a folder has none
    SOURCE       the field that names an item's picture, for messages
    read(path, kind, classes, attribute) -> Iterator[Shard]     where it can be read
    write(path, items, labels, kind, classes)                   where it can be written
    read_folder(path, names, kind, classes, passed) -> Iterator[Shard]     where a folder may hold it
    content(path, kind, labels, own) -> bytes     what tells a dataset from another, where it is more than one file
    holds(path) -> bool      whether a file is in this format, where another format has files of the same ending
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pandas as pd

from roundtruth import kinds
from roundtruth.errors import UserError
from roundtruth.settings import Boxes, check_address
from roundtruth.storage import read_given

FORMATS = {
    "manifest": "roundtruth.formats.manifest",
    "folder": "roundtruth.formats.folder",
    "coco": "roundtruth.formats.coco",
    "csv": "roundtruth.formats.csv",
    "voc": "roundtruth.formats.voc",
    "yolo": "roundtruth.formats.yolo",
}


class Shard(NamedTuple):
    """At most 100,000 items of a dataset."""

    items: pd.DataFrame  # (source, record): where the picture is, and the item's manifest line as text
    # (item, the kind's columns, confidence) of those that came with labels, as they are written; items count from 1.
    # With as_is, whether the record has the label already, or with source, who gave it
    labels: pd.DataFrame
    sizes: pd.DataFrame  # (item, width, height): how large the file says that pictures with labels are; 0: it does not
    item_at: Callable[[int], str]  # where an item stands, for a message
    label_at: Callable[[int, int], str]  # where a label stands: by its item and its index in `labels`
    passed: tuple[tuple[int, str], ...] = ()  # what is there and is not used: how often, and what it is, in words
    note: str = ""  # as what the dataset was read, where its name does not say so
    boxes: Boxes | None = None  # how its boxes are written, where the format says so


def module(name: str) -> Any:
    return import_module(FORMATS[name])


def modules() -> list[Any]:
    return [module(name) for name in FORMATS]


def read(
    data: str, kind: kinds.Kind, classes: list[str], attribute: str, labels: str | None = None, own: str = ""
) -> Iterator[Shard]:
    """The dataset at a local path or s3:// url, in its own order.

    Labels are those of the file: where they are in the picture, `kind.fit` finds out when the picture was seen.
    `labels` says which labels of a folder count; names that begin with `own` are no part of it. Raises UserError, which
    names file, line and field.
    """
    if is_folder(data):
        return module("folder").read(data, kind, classes, attribute, labels, own)
    if labels is not None:
        raise UserError(f"{data}: no folder; the key labels says which labels of a folder count: take it out")
    return of(data).read(data, kind, classes, attribute)


def content(data: str, kind: kinds.Kind, labels: str | None = None, own: str = "") -> bytes:
    """What tells a dataset from another: the bytes of a file, or what its format says."""
    form = of(data)
    return form.content(data, kind, labels, own) if hasattr(form, "content") else read_given(data)


def of(data: str) -> Any:
    """The format of a dataset: by its ending and, where several formats have that ending, by how the file begins."""
    if is_folder(data):
        return module("folder")
    ending = PurePosixPath(data).suffix.lower()
    fitting = [one for one in modules() if ending in one.ENDINGS and hasattr(one, "read")]
    fitting.sort(key=lambda one: not hasattr(one, "holds"))  # a format that takes any file is asked last
    return next(one for one in fitting if not hasattr(one, "holds") or one.holds(data))


def base(data: str) -> str:
    """The folder that the relative sources of `data` are below: a folder itself, or the one that a file is in."""
    return data.rstrip("/") if is_folder(data) else data.rpartition("/")[0]


def is_folder(data: str) -> bool:
    known = PurePosixPath(data).suffix.lower() in endings()
    if data.startswith("s3://"):
        return not known  # S3 has no folders to ask for
    if Path(data).is_dir():
        return True
    if not Path(data).exists():
        raise UserError(f"{data}: no such file or folder; correct the path")
    if not known:
        raise UserError(f"{data}: neither a folder of pictures nor a file that ends in {', '.join(endings())}")
    return False


def endings() -> list[str]:
    """Those of all formats that are read, each once."""
    return list(dict.fromkeys(ending for one in modules() if hasattr(one, "read") for ending in one.ENDINGS))


def exports() -> list[str]:
    """The names of the formats that are written by `roundtruth export`."""
    return [name for name in FORMATS if hasattr(module(name), "write")]


def export(job, to: str, path: str) -> None:
    """Write the labels that a job has so far in the format `to` at `path`, a local path or s3:// url."""
    if to not in exports():
        raise UserError(f"--to {to}: no such format; there are {', '.join(exports())}")
    try:
        place = check_address(path if "://" in path else str(Path(path).absolute()))
    except ValueError as mistake:
        raise UserError(f"export: {mistake}") from None
    if not path or place == job.spec.data:
        raise UserError(f"export: {path!r} is {'the data of the job' if path else 'no file'}; name another file")
    one_file = PurePosixPath(job.spec.data).suffix.lower() in endings()
    if not one_file and place.startswith(f"{job.spec.data.rstrip('/')}/"):
        raise UserError(f"export: {path!r} lies in the data of the job, which would change; name a place elsewhere")
    module(to).write(path, job.items(), job.outcome(), job.kind, job.spec.classes)
