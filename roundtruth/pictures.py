"""Pictures as the learners see them: upright, in colour, one at a time."""

import io
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from roundtruth.errors import UserError
from roundtruth.storage import read_url

# A small file can claim to be a picture of many gigabytes. Above so many pixels Pillow only warns; here it is an error.
Image.MAX_IMAGE_PIXELS = LARGEST = 89_000_000
warnings.simplefilter("error", Image.DecompressionBombWarning)

THREADS = 8  # reading waits for the disk or S3, decoding releases Python's lock; each holds a picture of up to 270 MB
WHITE, GRAY = (255, 255, 255), (128, 128, 128)
LIGHT = 200  # if the mean value (of 255) of the opaque pixels is higher, a white background would hide them
GONE = "no file"  # the failure of a picture that is not there
CHUNK = 1024  # pictures handed to the threads at a time, so that a million pictures do not need a million futures


class Pictures:
    """The pictures of some items, read when asked for.

    `items` is a table with columns item, url, width and height (pixels, upright), as `check` finds them.
    """

    def __init__(self, items: pd.DataFrame):
        self.items = items["item"].to_numpy("int64")
        self.sizes = items[["width", "height"]].to_numpy("int64")  # (n, 2)
        self._urls = items["url"].to_numpy(object)

    def __len__(self) -> int:
        return len(self.items)

    def read(self, i: int) -> np.ndarray:
        """The i-th picture: uint8, height x width x 3, red first. Raises UserError if it is missing or broken now."""
        url = self._urls[i]
        try:
            data = read_url(url)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
            raise UserError(
                f"{url}: the picture was there when the job began, and cannot be read; put it back"
            ) from error
        try:
            return np.asarray(decode(data)[0])
        except Exception as error:  # Pillow raises half a dozen kinds for broken files
            raise UserError(f"{url}: the picture was whole when the job began, and is broken; put it back") from error

    def take(self, which) -> "Pictures":
        """The pictures that `which` selects: a mask, a slice or an array of positions."""
        some = object.__new__(Pictures)
        some.items, some.sizes, some._urls = self.items[which], self.sizes[which], self._urls[which]
        return some


def decode(data: bytes) -> tuple[Image.Image, int]:
    """A picture in RGB, turned upright by its EXIF orientation, and the number of channels in its file. Transparent
    pixels become white, or gray if the opaque pixels are light."""
    picture = Image.open(io.BytesIO(data))
    depth = 3 if picture.mode == "P" else len(picture.getbands())
    if picture.mode.startswith("I;16"):  # Pillow would clip 16-bit values at 255
        picture = Image.fromarray((np.asarray(picture) >> 8).astype("uint8"))
    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        return on_background(upright.convert("RGBA")), depth
    return upright.convert("RGB"), depth


def on_background(picture: Image.Image) -> Image.Image:
    """An RGBA picture on a background of one colour, against which its opaque pixels can be seen."""
    values = np.asarray(picture)
    solid = values[..., 3] > 127
    light = values[..., :3][solid].mean() if solid.any() else 0
    result = Image.new("RGB", picture.size, GRAY if light > LIGHT else WHITE)
    result.paste(picture, mask=picture.getchannel("A"))
    return result


def check(items: pd.DataFrame, progress: Callable | None = None) -> pd.DataFrame:
    """Decode every picture once: columns width, height, depth (int32, 0 if it failed) and failure (reason or None).

    The table has one row per item and the index of `items`, whose column url is used. A file that is missing, may not
    be read or is not a picture is a failure. A network fault is raised instead, because a retry may succeed.
    """
    urls, found = items["url"].tolist(), []
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(urls), CHUNK):
            found += pool.map(_check, urls[start : start + CHUNK])
            if progress:
                progress(len(found), len(urls), "checking pictures")
    frame = pd.DataFrame(found, columns=["width", "height", "depth", "failure"], index=items.index)
    return frame.astype({"width": "int32", "height": "int32", "depth": "int32", "failure": object})


def _check(url: str) -> tuple[int, int, int, str | None]:
    try:
        data = read_url(url)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return 0, 0, 0, GONE
    except PermissionError:
        return 0, 0, 0, "may not be read"
    try:
        picture, depth = decode(data)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return 0, 0, 0, f"is too large: more than {LARGEST // 10**6} million pixels; scale it down"
    except Image.UnidentifiedImageError:
        return 0, 0, 0, "cannot be decoded: not a picture"
    except Exception as error:  # Pillow raises half a dozen kinds for broken files
        return 0, 0, 0, f"cannot be decoded: {' '.join(str(error).split()) or type(error).__name__}"
    return *picture.size, depth, None


def orientation(urls: Sequence[str]) -> np.ndarray:
    """The EXIF orientation (1 to 8) of each picture; 1 where it has none or cannot be read."""

    def of(url: str) -> int:
        try:
            return Image.open(io.BytesIO(read_url(url))).getexif().get(0x0112, 1)
        except Exception:  # `check` says what is wrong with it
            return 1

    with ThreadPoolExecutor(THREADS) as pool:
        return np.array(list(pool.map(of, urls)), np.int64)
