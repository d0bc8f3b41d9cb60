"""What reading a label has in common in all kinds."""

import colorsys
import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from PIL import ImageDraw, ImageFont

from roundtruth.draw import uniforms
from roundtruth.errors import UserError

ANSWER = ["item", "worker", "source"]  # what a people's CSV may hold beside the label; source is what was asked about


def attribute_of(record: dict, attribute: str, kind: str, place: str) -> tuple[object, dict]:
    """A record's label and its metadata; `kind` is the `type` that the metadata must have."""
    if record.get(attribute) is None:
        raise UserError(f"{place}: field {attribute}: missing; a labeled line has {attribute} and {attribute}-metadata")
    field = f"{attribute}-metadata"
    metadata = record.get(field)
    if not isinstance(metadata, dict):
        raise UserError(f"{place}: field {field}: missing; Ground Truth writes it beside every label")
    if metadata.get("type") != kind:
        raise UserError(f"{place}: field {field}: type is {metadata.get('type')!r}, a label of this job has {kind!r}")
    return record[attribute], metadata


def number(value) -> float:
    """A JSON number as a float; NaN for whatever else there is."""
    return float(value) if type(value) in (int, float) and abs(value) < 1e300 else math.nan


def class_ids(names: pd.Series, classes: list[str]) -> np.ndarray:
    """Where each name stands in `classes`; -1 where it does not."""
    return names.map({name: number for number, name in enumerate(classes)}).fillna(-1).to_numpy(np.int64)


def unknown_class(name, classes: list[str]) -> str:
    few = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
    return f"{name!r} is not one of the job's classes ({few}); correct it, or add it to classes in the job file"


def check_columns(frame: pd.DataFrame, wanted: list[str], where: Callable[[int], str]) -> None:
    """A people's CSV has the columns that its kind of label needs, and no others that would be silently ignored."""
    place = where(frame.index[0] if len(frame) else 0)
    expected = f"the columns are {', '.join(['item', 'worker', *wanted])}"
    for column in ["item", "worker", *wanted]:
        if column not in frame:
            raise UserError(f"{place}: field {column}: the column is missing; {expected}")
    for column in frame.columns:
        if column not in wanted and column not in ANSWER:
            raise UserError(f"{place}: field {column}: an unknown column; {expected}")


def normals(seed: int, what: str, *columns) -> np.ndarray:
    """Standard normal numbers by name, see `roundtruth.draw.uniforms`."""
    from scipy.special import ndtri

    return ndtri(np.clip(uniforms(seed, what, *columns), 1e-12, 1 - 1e-12))


def name(column: pd.Series) -> np.ndarray:
    """Strings as integers that `uniforms` takes quickly, again and again."""
    return pd.util.hash_array(column.to_numpy(object))


def human(source: str) -> str:
    return "no" if source == "auto" else "yes"


def plate(text: str, size: int) -> tuple[int, int]:
    """Width and height in pixels that a caption of this letter size takes."""
    left, top, right, bottom = ImageFont.load_default(size).getbbox(text)
    return round(right - left) + size // 2, round(bottom - top) + size // 2


def caption(pen: ImageDraw.ImageDraw, place, text: str, colour: tuple, size: int, limit: tuple[int, int]) -> None:
    """Write `text` on a plate of `colour`, its lower left corner at `place`, moved inside a picture of size `limit`."""
    font = ImageFont.load_default(size)
    left, top, _, _ = font.getbbox(text)
    width, height = plate(text, size)
    x = max(0, min(place[0], limit[0] - width))
    y = max(0, min(place[1] - height, limit[1] - height))
    pen.rectangle([x, y, x + width, y + height], fill=colour)
    # luma, ITU-R BT.601: black letters on light plates, white ones on dark plates
    light = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    pen.text((x + size // 4 - left, y + size // 4 - top), text, font=font, fill="black" if light else "white")


def colour(number: int) -> tuple[int, int, int]:
    """A colour a class: hues a golden angle apart, so that any first few of them differ well."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + 0.618034 * number) % 1, 0.9, 1 - 0.25 * (number % 3) / 2)
    return round(255 * red), round(255 * green), round(255 * blue)
