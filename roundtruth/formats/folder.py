"""A folder of pictures: every picture in it and in the folders below it, sorted by name."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from roundtruth.errors import UserError
from roundtruth.formats import Shard
from roundtruth.formats.records import unlabeled
from roundtruth.kinds import Kind
from roundtruth.manifest import is_text
from roundtruth.storage import list_url

NAME = "folder"
HELP = "a folder of pictures"
ENDINGS = ()
PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".webp", ".avif", ".tif", ".tiff"),
    *(".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico", ".pcx", ".sgi", ".qoi", ".dds"),
)  # what Pillow reads
# Files that nobody misses: job files, and what Windows adds
KNOWN = (*PICTURES, ".yaml", ".yml", "thumbs.db", "desktop.ini")


def read(path: str, kind: Kind, classes: list[str], attribute: str) -> Iterator[Shard]:
    start = path.rstrip("/") + "/"
    try:
        names = [url.removeprefix(start) for url in list_url(path)]
    except FileNotFoundError:
        names = []  # on S3, where a folder is what is in it
    names = without_jobs([name for name in names if "/." not in f"/{name}"])  # hidden, or in a hidden folder
    sources = [name for name in names if name.lower().endswith(PICTURES)]
    if not sources:
        raise UserError(f"{path}: no pictures in this folder; known are {', '.join(PICTURES)}")
    for source in sources:
        if not is_text(source):
            raise UserError(f"{path}: {source.encode(errors='replace').decode()}: not UTF-8; rename the file")
    other = [PurePosixPath(name).suffix.lower() or name for name in names if not name.lower().endswith(KNOWN)]
    endings = list(dict.fromkeys(other))
    few = ", ".join(ending[:20] for ending in endings[:5]) + (", ..." if len(endings) > 5 else "")
    return unlabeled(path, sources, kind, ((len(other), f"files that are no pictures ({few})"),) if other else ())


def without_jobs(names: list[str]) -> list[str]:
    """The files that are in no job folder: the pictures of a job's page are no items."""
    known = set(names)
    parts = [name.rpartition("/") for name in names]
    folders = {f"{folder}/" for folder, _, file in parts if folder and file in ("job.json", "lease.json")}
    jobs = tuple(job for job in folders if f"{job}lease.json" in known or f"{job}items/0001.parquet" in known)
    return [name for name in names if not name.startswith(jobs)]
