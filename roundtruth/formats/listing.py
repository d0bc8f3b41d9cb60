"""What is in a folder: pictures, masks of pictures, the files that hold labels, and which of them belong together.

Names are relative to the folder. Everything here works on the names alone.
"""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from roundtruth.errors import UserError
from roundtruth.manifest import is_text
from roundtruth.storage import checksums, list_url

PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".webp", ".avif", ".tif", ".tiff"),
    *(".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico", ".pcx", ".sgi", ".qoi", ".dds"),
)  # what Pillow reads
# Files that nobody misses: job files, and what Windows adds
KNOWN = (*PICTURES, ".yaml", ".yml", "thumbs.db", "desktop.ini")

MASKS = "masks?|segmentationclass|segmentationobject|labels|annotations"  # folders of masks, beside one of pictures
EXACT = (".png", ".bmp", ".tif", ".tiff", ".gif")  # what a mask may end in: other endings change its values
# Folders that hold one part of a dataset, beside a folder with the files of the same names
ROOMS = rf"(?i)^(.*/)?(?:jpegimages|images?|imgs?|annotations?|xmls?|labels?|{MASKS})/"

# Files that may have the labels of a dataset, but count only if the job file names one of them
DATA = (".json", ".jsonl", ".manifest", ".csv")

Passed = tuple[tuple[int, str], ...]  # as in `Shard.passed`


def nonzero(*found: tuple[int, str]) -> Passed:
    """What is there: how often, and what it is, in words."""
    return tuple((count, what) for count, what in found if count)


def some(names: Sequence[str]) -> str:
    """A few names, each once, for a message."""
    each = list(dict.fromkeys(names))
    return ", ".join(name[:40] for name in each[:5]) + (", ..." if len(each) > 5 else "")


def ending_in(names: Iterable[str], endings: tuple[str, ...]) -> list[str]:
    """The names that end so, in any case."""
    return [name for name in names if name.lower().endswith(endings)]


def files(path: str) -> list[str]:
    """All files below a folder, sorted, without hidden ones and those in job folders; none where there is no folder.

    Raises UserError for a picture whose name is no text.
    """
    start = path.rstrip("/") + "/"
    try:
        names = [url.removeprefix(start) for url in list_url(path)]
    except FileNotFoundError:
        return []
    names = without_jobs([name for name in names if "/." not in f"/{name}"])  # hidden, or in a hidden folder
    return [name if is_text(name) else as_text(path, name) for name in names]


def as_text(path: str, name: str) -> str:
    """A name that is no text, made one. Raises UserError for a picture's, as no manifest could hold it."""
    text = name.encode(errors="replace").decode()
    if text.lower().endswith(PICTURES):
        raise UserError(f"{path}: {text}: not UTF-8; rename the file")
    return text


def without_jobs(names: list[str]) -> list[str]:
    """The files that are in no job folder: the pictures of a job's page are no items."""
    known = set(names)
    parts = [name.rpartition("/") for name in names]
    folders = {f"{folder}/" for folder, _, file in parts if folder and file in ("job.json", "lease.json")}
    jobs = tuple(job for job in folders if f"{job}lease.json" in known or f"{job}items/0001.parquet" in known)
    return [name for name in names if not name.startswith(jobs)]


def pictures(path: str, names: Sequence[str]) -> tuple[list[str], Passed]:
    """`without_masks` of the pictures among the files of a folder.

    Raises UserError where there are no pictures.
    """
    found = ending_in(names, PICTURES)
    if not found:
        labels = "; if they are in another folder than their labels, the folder that holds both is the data"
        hint = labels if ending_in(names, (".xml", ".txt")) else ""
        raise UserError(f"{path}: no pictures in this folder; known are {', '.join(PICTURES)}{hint}")
    return without_masks(found)


def without_masks(found: list[str]) -> tuple[list[str], Passed]:
    """The pictures that are no masks, and what is to be said about those that are."""
    mask = masks(pd.Series(found, dtype="str"))
    told = (
        "mask[|s], which [stands beside a picture of the same name|stand beside pictures of the same names] "
        "and which no kind of label uses"
    )
    return [name for name, no in zip(found, mask) if not no], nonzero((int(mask.sum()), told))


def masks(names: pd.Series) -> np.ndarray:
    """Which pictures are masks of others: in a folder of masks, or named x_mask.png, and there is a picture x."""
    lower = names.str.lower()
    marked = lower.str.contains(r"_mask\.[^./]*$", regex=True)
    likely = (marked | lower.str.contains(rf"(?:^|/)(?:{MASKS})/", regex=True)) & lower.str.endswith(EXACT)
    if not likely.any():
        return np.zeros(len(names), bool)
    own = keys(names)
    of = own.where(~marked, own.str.replace(r"(?i)_mask$", "", regex=True))
    return (likely & of.isin(own[~likely])).to_numpy(bool)


def without_ending(names: pd.Series) -> pd.Series:
    return names.str.replace(r"\.[^./]*$", "", regex=True)


def stems(names: pd.Series) -> pd.Series:
    """The names without their endings, accents composed."""
    return without_ending(names).str.normalize("NFC")


def keys(names: pd.Series) -> pd.Series:
    """What the files of one picture share: `a/images/x/1.jpg`, `a/labels/x/1.txt` and `a/x/1.xml` are all `a/x/1`."""
    return stems(names).str.replace(ROOMS, r"\1", regex=True)


def others(names: Iterable[str]) -> Passed:
    """What is to be said about files that are of no use."""
    other = [name for name in names if not name.lower().endswith(KNOWN)]
    data = ending_in(other, DATA)
    endings = [PurePosixPath(name).suffix.lower() or name for name in other if not name.lower().endswith(DATA)]
    return nonzero(
        (
            len(data),
            f"file[|s] that may have labels ({some(data)}); `data: FILE` in the job file reads [it|one of them], if "
            "it is COCO's, a manifest or a CSV",
        ),
        (len(endings), f"file[|s] that [is no picture|are no pictures] ({some(endings)})"),
    )


def content(path: str, names: Sequence[str], endings: tuple[str, ...]) -> bytes:
    """The names of the pictures in a folder, and the checksums of the files with some endings, a line each."""
    known = ending_in(names, PICTURES)
    files = ending_in(names, endings) if endings else []
    known += [f"{name} {checksum}" for name, checksum in zip(files, checksums(path, files))]
    return "\n".join(known).encode("utf-8", "surrogateescape")
