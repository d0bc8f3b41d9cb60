"""What goes in and what comes out beside manifests: folders of pictures, COCO files, CSV files.

Every input becomes manifest records, so that nothing behind this door knows what a dataset came as.
"""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from roundtruth import manifest
from roundtruth.errors import UserError
from roundtruth.formats import coco, csv
from roundtruth.storage import list_url, open_url

MANIFESTS = (".manifest", ".jsonl")
FILES = (*MANIFESTS, ".json", ".csv")
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
EXPORTS = {"coco": coco.write, "csv": csv.write}


def read(data: str, kind: str, classes: list[str], attribute: str) -> Iterator[dict]:
    """The dataset at a local path or s3:// url as manifest records, in its own order.

    `data` is a manifest (.manifest, .jsonl, .json), a COCO file (.json), a CSV file (.csv) or a folder of pictures. A
    record has `source-ref` and, where the item came with a label, `attribute` and its metadata as `kind` encodes them.
    Raises UserError naming file, line and field.
    """
    data = str(data)
    if _is_folder(data):
        return _pictures(data)
    suffix = PurePosixPath(data).suffix.lower()
    if suffix == ".csv":
        return csv.read(data, kind, classes, attribute)
    if suffix in MANIFESTS or _starts_as_manifest(data):
        return manifest.read(data)
    return coco.read(data, kind, classes, attribute)


def base(data: str) -> str:
    """The folder that the relative sources of `data` are below: a folder itself, or the one that a file is in."""
    data = str(data)
    return data.rstrip("/") if _is_folder(data) else data.rpartition("/")[0]


def export(job, to: str, path: str) -> None:
    """Writes the labels that a job has so far in the format `to` at `path`, a local path or s3:// url."""
    if to not in EXPORTS:
        raise UserError(f"--to {to}: no such format; there are {', '.join(EXPORTS)}")
    EXPORTS[to](path, job.items(), job.outcome(), job.spec.kind, job.spec.classes)


def _is_folder(data: str) -> bool:
    known = PurePosixPath(data).suffix.lower() in FILES
    if data.startswith("s3://"):
        return not known  # S3 has no folders to ask for
    if Path(data).is_dir():
        return True
    if not Path(data).exists():
        raise UserError(f"{data}: no such file or folder")
    if not known:
        raise UserError(f"{data}: neither a folder of pictures nor a file that ends in {', '.join(FILES)}")
    return False


def _pictures(folder: str) -> Iterator[dict]:
    start = folder.rstrip("/") + "/"
    try:
        names = [url.removeprefix(start) for url in list_url(folder)]
    except FileNotFoundError:
        names = []  # on S3, where a folder is what is in it
    # "/." is in what is hidden, or in a hidden folder
    sources = [name for name in names if name.lower().endswith(PICTURES) and "/." not in f"/{name}"]
    if not sources:
        raise UserError(f"{folder}: no pictures in this folder; known are {', '.join(PICTURES)}")
    for source in sources:
        if not manifest.is_text(source):
            raise UserError(f"{folder}: {source.encode(errors='replace').decode()}: not UTF-8; rename the file")
        yield {"source-ref": source}


def _starts_as_manifest(data: str) -> bool:
    """Whether the first line of a .json file is a manifest's; a COCO file is one object, on one line or on many."""
    try:
        with open_url(data) as file:
            record = json.loads(file.readline(1 << 20))  # a COCO file of half a gigabyte is read once only
    except FileNotFoundError:
        raise UserError(f"{data}: no such file") from None
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and ("source-ref" in record or "source" in record)
