"""A folder of pictures: every picture in it and in the folders below it, sorted by name."""

from collections.abc import Iterator

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


def read(path: str, kind: Kind, classes: list[str], attribute: str) -> Iterator[Shard]:
    start = path.rstrip("/") + "/"
    try:
        names = [url.removeprefix(start) for url in list_url(path)]
    except FileNotFoundError:
        names = []  # on S3, where a folder is what is in it
    known = set(names)
    jobs = [name.removesuffix("job.json") for name in names if name.endswith("/job.json")]
    jobs = tuple(job for job in jobs if f"{job}items/0001.parquet" in known)  # the pictures of their pages are no items
    # "/." is in what is hidden, or in a hidden folder
    pictures = (name for name in names if name.lower().endswith(PICTURES) and "/." not in f"/{name}")
    sources = [name for name in pictures if not name.startswith(jobs)]
    if not sources:
        raise UserError(f"{path}: no pictures in this folder; known are {', '.join(PICTURES)}")
    for source in sources:
        if not is_text(source):
            raise UserError(f"{path}: {source.encode(errors='replace').decode()}: not UTF-8; rename the file")
    return unlabeled(sources, kind)
