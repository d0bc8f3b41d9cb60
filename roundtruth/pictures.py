"""The pictures of a dataset: checked once, and read when the learners ask for them."""

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from roundtruth.errors import UserError
from roundtruth.pixels import LARGE, LARGEST, ORIENTATION, Ranges, decode, pages
from roundtruth.plural import counted
from roundtruth.storage import read_url

THREADS = 8  # reading waits for the disk or S3, decoding releases Python's lock; each holds a picture of up to 400 MB
GONE = "no file"  # the failure of a picture that is not there
DENIED = "may not be read"
CHUNK = 1024  # pictures handed to the threads at a time, so that a million pictures do not need a million futures

FACTS = {"width": "int32", "height": "int32", "depth": "int32", "failure": object}
# The rest of what `check` finds out: as in `pixels.Decoded`, and whether there are more pages than the first
NOTED = {"bits": object, "low": "float64", "high": "float64", "cut": bool, "scaled": bool, "pages": bool}
FILE = {"disk": "uint64", "file": "uint64"}  # the numbers that the system gives to a disk and a file on it; 0 on S3


class Pictures:
    """The pictures of some items, read when asked for.

    `items` is a table with columns item, url, width and height (pixels, upright), as `check` finds them. `ranges` are
    the dataset's (`ranges_of`); without them, a picture with more than 8 bits per value is shown by its own range.
    `features` (n, d) is what a learner found out about the pictures once and for all, where somebody kept it.
    """

    features: np.ndarray | None = None

    def __init__(self, items: pd.DataFrame, ranges: Ranges | None = None):
        self.items = items["item"].to_numpy("int64")
        self.sizes = items[["width", "height"]].to_numpy("int64")  # (n, 2)
        self._urls, self._ranges = items["url"].to_numpy(object), ranges

    def __len__(self) -> int:
        return len(self.items)

    def read(self, i: int) -> np.ndarray:
        """The i-th picture: uint8, height x width x 3, red first. A picture of more than LARGE pixels is scaled down,
        so that it is smaller than `sizes` says. Raises UserError if the picture is missing or broken now."""
        url = self._urls[i]
        try:
            data = read_url(url)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
            raise UserError(
                f"{url}: the picture was there when the job began, and cannot be read; put it back, or name the folder "
                "that the pictures are in now: `pictures: FOLDER` in the job file"
            ) from error
        try:
            return np.asarray(decode(data, self._ranges).picture)
        except Exception as error:  # Pillow raises half a dozen kinds for broken files
            raise UserError(f"{url}: the picture was whole when the job began, and is broken; put it back") from error

    def take(self, which) -> "Pictures":
        """The pictures that `which` selects: a mask, a slice or an array of positions."""
        some = object.__new__(Pictures)
        some.items, some.sizes, some._urls = self.items[which], self.sizes[which], self._urls[which]
        some._ranges = self._ranges
        some.features = None if self.features is None else self.features[which]
        return some


def check(items: pd.DataFrame, progress: Callable | None = None) -> pd.DataFrame:
    """Decode every picture once: columns as in FACTS (0 if it failed; failure is a reason or None), NOTED and FILE.

    The table has one row per item and the index of `items`, whose column url is used. A file that is missing, may not
    be read or is not a picture is a failure. A network fault is raised instead, because a retry may succeed.
    """
    urls, found = items["url"].tolist(), []
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(urls), CHUNK):
            found += pool.map(_check, urls[start : start + CHUNK])
            if progress:
                progress(len(found), len(urls), "checking pictures")
    return pd.DataFrame(found, columns=[*FACTS, *NOTED, *FILE], index=items.index).astype(FACTS | NOTED | FILE)


def _check(url: str) -> tuple:
    try:
        data = read_url(url)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return failed(GONE)
    except PermissionError:
        return failed(DENIED)
    try:
        found = decode(data)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        most = f"{LARGEST // 10**6} million pixels"
        return failed(f"is too large: more than {most}; scale it down or cut it into parts")
    except Image.UnidentifiedImageError:
        return failed("cannot be decoded: not a picture that Pillow can read")
    except Exception as error:  # Pillow raises half a dozen kinds for broken files
        return failed(f"cannot be decoded: {' '.join(str(error).split()) or type(error).__name__}")
    facts = found.width, found.height, found.depth, None
    noted = found.bits, found.low, found.high, found.cut, found.scaled, pages(data)
    return *facts, *noted, *file_of(url)


def file_of(url: str) -> tuple[int, int]:
    """Two names of one file, such as a link to it, have the same."""
    if url.startswith("s3://"):
        return 0, 0
    with suppress(OSError):
        status = Path(url).stat()
        return status.st_dev, status.st_ino
    return 0, 0


def failed(why: str) -> tuple:
    """The row of a picture that cannot be read."""
    return 0, 0, 0, why, None, np.nan, np.nan, False, False, False, 0, 0


def ranges_of(found: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """For each way in which pictures have more than 8 bits per value: the smallest and the largest value of all. These
    are shown as 0 and 255, so that all pictures of a dataset are equally bright. found: as `check` returns it."""
    known = found.dropna(subset=["bits", "low"]).groupby("bits")
    return dict(zip(known.groups, zip(known["low"].min().tolist(), known["high"].max().tolist())))


HAVE = "picture[|s] [has|have]"


def notes_on(found: pd.DataFrame) -> list[str]:
    """What a person should know about how pictures are read, a line each with a count. found: as `check` returns it."""
    lines = []
    for bits, (low, high) in ranges_of(found).items():
        count = int((found["bits"] == bits).sum())
        lines.append(
            f"{counted(count, f'{HAVE} {bits}; [its|their] values')} {low:.10g} to {high:.10g} are shown as 0 to 255"
        )
    for column, what in (
        ("cut", "a file that is cut off at its end; what is missing is gray"),
        ("scaled", f"more than {LARGE // 10**6} million pixels; the model and the page see a smaller copy"),
        ("pages", "several pages or frames; only the first counts"),
    ):
        if count := int(found[column].sum()):
            lines.append(f"{counted(count, HAVE)} {what}")
    return lines


def orientation(urls: Sequence[str]) -> np.ndarray:
    """The EXIF orientation (1 to 8) of each picture; 1 where it has none or cannot be read."""

    def of(url: str) -> int:
        try:
            return Image.open(io.BytesIO(read_url(url))).getexif().get(ORIENTATION, 1)
        except Exception:  # `check` says what is wrong with it
            return 1

    with ThreadPoolExecutor(THREADS) as pool:
        return np.array(list(pool.map(of, urls)), np.int64)
