"""Decodes one picture: upright, in colour, 8 bits per value. The model, the page and its galleries all see this."""

import io
import logging
import sys
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from math import ceil, sqrt
from threading import Lock

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

# A small file can claim to be a picture of many gigabytes. Above so many pixels Pillow only warns; here it is an error.
Image.MAX_IMAGE_PIXELS = LARGEST = 400_000_000  # pixels; they take about 3 GB while they are decoded
warnings.simplefilter("error", Image.DecompressionBombWarning)
# A PNG may hold as much text as whole Photoshop histories and prompts take; from a megabyte on Pillow would not read it
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 64 * 2**20  # bytes
# What Pillow says about corrupt fields of a picture that it reads all the same is nothing for a terminal
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
logging.getLogger("PIL").addHandler(logging.NullHandler())

LARGE = 50_000_000  # pixels; larger pictures are decoded one at a time, and scaled down to at most so many
WHITE, GRAY = (255, 255, 255), (128, 128, 128)
LIGHT = 200  # if the mean value (of 255) of the opaque pixels is higher, a white background would hide them

Ranges = Mapping[str, tuple[float, float]]  # by `Decoded.bits`: the values that are shown as 0 and as 255

_one_at_a_time = Lock()


@dataclass(frozen=True)
class Decoded:
    """A picture, and what was found out about it."""

    picture: Image.Image  # RGB, upright, at most LARGE pixels
    width: int  # of the whole picture, upright
    height: int
    depth: int  # channels in the file
    cut: bool  # whether the end of the file is missing
    bits: str | None  # how the file gives the picture's values; None: with 8 bits or fewer
    low: float  # the smallest and largest value; nan where they have 8 bits or fewer
    high: float

    @property
    def scaled(self) -> bool:
        return self.width * self.height > LARGE


def decode(data: bytes, ranges: Ranges | None = None) -> Decoded:
    """The first page or frame of a picture, turned upright by its EXIF orientation.

    Transparent pixels become white, or gray if the opaque pixels are light. Values of more than 8 bits are shown by the
    range for their `bits`; without one, by the picture's own. Raises whatever Pillow raises for a file that it cannot
    read, and OSError where more than half of a JPEG is missing.
    """
    picture = Image.open(io.BytesIO(data))
    large = picture.width * picture.height > LARGE
    with _one_at_a_time if large else nullcontext():
        return _decode(data, picture, ranges or {})


def pages(data: bytes) -> bool:
    """Whether a picture has more pages or frames than the first. (In JPEG files these are previews.)"""
    picture = Image.open(io.BytesIO(data))
    return picture.format != "MPO" and getattr(picture, "is_animated", False)


ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # EXIF's field, and its values for pictures that lie on a side


def _decode(data: bytes, picture: Image.Image, ranges: Ranges) -> Decoded:
    (width, height), depth = picture.size, 3 if picture.mode == "P" else len(picture.getbands())
    step = max(1, ceil(sqrt(width * height / LARGE)))
    picture, layout, cut = _loaded(data, step)
    if picture.getexif().get(ORIENTATION) in SIDEWAYS:
        width, height = height, width
    bits, low, high = _bits(picture, layout), np.nan, np.nan
    if bits:
        values, alpha = _values(data, picture, layout)
        values, alpha = values[::step, ::step], alpha if alpha is None else alpha[::step, ::step]
        low, high = _extremes(values)
        picture = Image.fromarray(_as_bytes(values, *ranges.get(bits, (low, high))))
        if alpha is not None:
            picture.putalpha(Image.fromarray(alpha))
    else:
        picture = ImageOps.exif_transpose(picture)
    return Decoded(_in_colour(picture), width, height, depth, cut, bits, low, high)


def _in_colour(picture: Image.Image) -> Image.Image:
    """Any 8-bit picture as RGB, at most LARGE pixels, without transparency."""
    picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    step = ceil(sqrt(picture.width * picture.height / LARGE))
    if step > 1:
        picture = picture.reduce(step)
    return on_background(picture) if picture.mode == "RGBA" else picture


def on_background(picture: Image.Image) -> Image.Image:
    """An RGBA picture on a background of one colour, against which its opaque pixels can be seen."""
    values = np.asarray(picture)
    solid = values[..., 3] > 127
    light = values[..., :3][solid].mean() if solid.any() else 0
    result = Image.new("RGB", picture.size, GRAY if light > LIGHT else WHITE)
    result.paste(picture, mask=picture.getchannel("A"))
    return result


# -- files that are cut off

JPEG, END = b"\xff\xd8", b"\xff\xd9"  # how a JPEG begins and ends


def _loaded(data: bytes, step: int) -> tuple[Image.Image, str, bool]:
    """A picture as its file has it, the layout of the file's values in Pillow's words, and whether the file's end is
    missing. A JPEG is scaled down by up to `step`."""
    try:
        return *_load(data, step), False
    except OSError:
        if not data.startswith(JPEG):
            raise
    # With an end behind it, libjpeg fills what is missing with gray. Pillow's own switch is one for all threads.
    picture, layout = _load(_whole_segments(data) + END, step)
    missing = _gray_rows(np.asarray(picture)) / picture.height
    if missing > 0.5:
        raise OSError(f"the file is cut off: {100 * missing:.0f} % of the picture is missing")
    return picture, layout, True


def _whole_segments(data: bytes) -> bytes:
    """A JPEG that is cut off, without the table or the head of a scan in which it was cut, if it was."""
    start = max(data.rfind(b"\xff\xc4"), data.rfind(b"\xff\xda"))
    length = int.from_bytes(data[start + 2 : start + 4])
    return data[:start] if start + 2 + length > len(data) or start + 4 > len(data) else data


def _load(data: bytes, step: int = 1, layout: str | None = None) -> tuple[Image.Image, str]:
    """layout: another one than the file's, to read its bytes in another order."""
    picture = Image.open(io.BytesIO(data))
    if step > 1:
        picture.draft(None, (picture.width // step, picture.height // step))
    if not picture.tile:
        picture.load()
        return picture, ""
    args = [tile.args if isinstance(tile.args, tuple) else (tile.args,) for tile in picture.tile]
    told = str(args[0][0]) if args[0] else ""
    if picture.tile[0].codec_name == "libtiff":
        layout = layout or SWAPPED_BY_LIBTIFF.get(told)
    if layout:
        picture.tile = [tile._replace(args=(layout, *some[1:])) for tile, some in zip(picture.tile, args)]
    picture.load()
    return picture, told


def _gray_rows(values: np.ndarray) -> int:
    """How many rows at the bottom have nothing but the gray with which libjpeg fills what is missing."""
    gray = (np.abs(values.astype("int16") - 128) <= 2).reshape(len(values), -1).all(axis=1)
    return len(gray) if gray.all() else int(np.argmin(gray[::-1]))


# -- values of more than 8 bits

SIXTEEN, THIRTY_TWO, FLOAT = "16 bits per value", "32 bits per value", "floating-point values"

# Pillow reads only the first byte of colours with 16 bits. In the opposite byte order it reads the second one.
NATIVE, OTHER = ("L", "B") if sys.byteorder == "little" else ("B", "L")
ORDERS = {"B": "L", "L": "B", "N": OTHER}
SECOND_BYTE = {f"{c};16{order}": f"{c};16{ORDERS[order]}" for c in ("RGB", "RGBX", "RGBA") for order in ORDERS}
# libtiff returns values in the machine's byte order, and Pillow expects these in the file's
SWAPPED_BY_LIBTIFF = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}


def _bits(picture: Image.Image, layout: str) -> str | None:
    if picture.mode.startswith("I;16") or layout == "LA;16B" or layout in SECOND_BYTE:
        return SIXTEEN
    if picture.mode == "I":
        return SIXTEEN if "16" in layout or picture.format == "PPM" else THIRTY_TWO
    return FLOAT if picture.mode == "F" else None


def _values(data: bytes, picture: Image.Image, layout: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The upright picture's values in full, (h, w) or (h, w, 3), and its opacity (h, w: uint8) where it has one."""

    def upright(picture: Image.Image) -> np.ndarray:
        return np.asarray(ImageOps.exif_transpose(picture))

    if layout == "LA;16B":
        first, second, alpha, _ = np.moveaxis(upright(_load(data, layout="RGBA")[0]), 2, 0)  # its bytes, as they stand
        return first.astype("uint16") << 8 | second, alpha
    values, alpha = upright(picture), None
    if layout == "I;32N":  # Pillow has no unsigned values
        values = values.view("uint32")
    if layout in SECOND_BYTE:
        alpha = values[..., 3] if values.shape[2] == 4 else None
        second = upright(_load(data, layout=SECOND_BYTE[layout])[0])
        values = (values.astype("uint16") << 8 | second)[..., :3]
    if "transparency" in picture.info:  # one value, or one colour
        clear = values == picture.info["transparency"]
        alpha = np.where(clear if clear.ndim == 2 else clear.all(axis=2), 0, 255).astype("uint8")
    return values, alpha


def _extremes(values: np.ndarray) -> tuple[float, float]:
    """The smallest and largest finite value; nan where there is none."""
    finite = values if values.dtype.kind != "f" else values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (np.nan, np.nan)


def _as_bytes(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """From `low`, which becomes 0, to `high`, which becomes 255. What is no number becomes 0."""
    share = (values.astype("float64") - low) / (high - low or 1)
    return np.rint(255 * np.nan_to_num(share, nan=0, posinf=1, neginf=0).clip(0, 1)).astype("uint8")
