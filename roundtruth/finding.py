"""Find the pictures of a dataset: the folder that they are in, and the names that other programs gave them."""

import posixpath
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath
from unicodedata import normalize
from urllib.parse import unquote

import numpy as np
import pandas as pd

from roundtruth import formats
from roundtruth.errors import UserError
from roundtruth.storage import is_file_url, resolve

SAMPLE = 20  # names that are tried in a folder before it is taken for the one that the pictures are in
THREADS = 16
# Where COCO, CVAT, FiftyOne, VOC and YOLO put pictures: in one of these folders, beside the file or one level above it
FOLDERS = ("images", "data", "JPEGImages", "img", "imgs", "pictures")


def slashes(name: str) -> str:
    return name.replace("\\", "/")


def stripped(name: str) -> str:
    return name.strip()


def composed(name: str) -> str:
    return normalize("NFC", name)


def decomposed(name: str) -> str:
    return normalize("NFD", name)


# What may have happened to a name on its way here, alone or twice, in words
CHANGES: dict[str, tuple[Callable[[str], str], ...]] = {
    "with / instead of \\": (slashes,),
    "without URL encoding": (unquote,),
    "without blanks around it": (stripped,),
    "with composed accents": (composed,),
    "with decomposed accents": (decomposed,),
    "with / instead of \\, without URL encoding": (slashes, unquote),
    "with / instead of \\ and composed accents": (slashes, composed),
    "with / instead of \\ and decomposed accents": (slashes, decomposed),
    "without URL encoding, with composed accents": (unquote, composed),
    "without URL encoding, with decomposed accents": (unquote, decomposed),
}


def changed(names: pd.Series, how: str) -> pd.Series:
    for change in CHANGES[how]:
        names = names.map(change)
    return names


def folder(data: str, sources: pd.Series) -> str:
    """The folder that relative sources are below: the one of the data file or, where none of a sample is there, the one
    folder of the usual layouts that has the most of them. Raises UserError where two have as many."""
    base = formats.base(data)
    relative = sources[~sources.str.startswith(("/", "s3://"))]
    if relative.empty or formats.is_folder(data):
        return base
    names = relative.iloc[np.unique(np.linspace(0, len(relative) - 1, SAMPLE).astype(int))]
    if there(names, base):
        return base
    counts = {place: there(names, place) for place in candidates(data)}
    most = max(counts.values())
    best = [place for place, count in counts.items() if count == most]
    if most == 0:
        return base
    if len(best) > 1:
        raise UserError(
            f"data: {data}: pictures of these names are in {best[0]} and in {best[1]}; "
            "say in the job file which they are: `pictures: FOLDER`"
        )
    return best[0]


def candidates(data: str) -> list[str]:
    """The folders that the pictures of a data file may be in; `instances_train2017.json` is about train2017."""
    beside = formats.base(data)
    above = posixpath.dirname(beside)
    stem = PurePosixPath(data).stem
    parts = list(dict.fromkeys([stem, stem.rpartition("_")[2], "default"]))
    names = [*FOLDERS, *parts, *(f"images/{part}" for part in parts)]
    places = [f"{place}/{name}" for place in (beside, above) for name in names]
    return [above, *dict.fromkeys(places)] if "/" in above.removeprefix("s3://") else places


def there(names: pd.Series, place: str) -> int:
    """How many of a few pictures are below a folder, under their own names or changed ones."""
    found = np.zeros(len(names), bool)
    for tried in (names, *(changed(names, how) for how in CHANGES)):
        left = ~found & ((tried != names) | (tried is names)).to_numpy()
        found[left] = exist(tried[left], place)
    return int(found.sum())


def exist(names: pd.Series, place: str) -> list[bool]:
    """Whether each name is that of a file below a folder."""

    def is_there(name: str) -> bool:
        try:
            return is_file_url(resolve(name, place))
        except UserError:  # a name that leads out of the folder, or that no file can have
            return False

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(is_there, names))


def renamed(sources: pd.Series, place: str) -> tuple[pd.Series, list[tuple[int, str]]]:
    """(paths, notes): of pictures that are not there under their own names, those that are there under another. `paths`
    has the index of `sources`. Where a sample of many finds nothing, the others are not tried."""
    paths = pd.Series(dtype="str")
    notes = []
    for how in CHANGES:
        left = sources.drop(paths.index)
        names = changed(left, how)
        names = names[names != left]
        sample = names.iloc[np.unique(np.linspace(0, len(names) - 1, 100).astype(int))] if len(names) > 100 else names
        if len(names) == 0 or (len(names) > len(sample) and not any(exist(sample, place))):
            continue
        found = names[exist(names, place)]
        if len(found):
            notes.append((len(found), f"picture[|s] [was|were] found under another name, {how}"))
            paths = pd.concat([paths, found])
    return paths, notes
