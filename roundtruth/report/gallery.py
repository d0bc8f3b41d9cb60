"""Galleries: a job's labels, drawn on their pictures."""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from roundtruth.kinds import Kind
from roundtruth.pixels import Decoded, Ranges, decode
from roundtruth.report.words import SPACE, cut, percent
from roundtruth.storage import read_url

SIDE = 240  # pixels of a tile's longer side; labels are drawn at this size, so that their lines are as thick on all


@dataclass(frozen=True)
class Tile:
    """One item's label: `found` says it in words, `jpeg` is the picture it is drawn on."""

    item: int
    source: str
    confidence: float
    found: str
    jpeg: bytes


def tiles(
    chosen: pd.Series, labels: pd.DataFrame, items: pd.DataFrame, kind: Kind, classes: list[str], ranges: Ranges
) -> list[Tile]:
    """The tiles of the items in the index of `chosen`, whose values are their confidences.

    ranges: as in `pictures.Pictures`. Order is kept; items whose picture cannot be read are left out.
    """
    rows = dict(list(labels[labels["item"].isin(chosen.index)].groupby("item")))
    place = items[items["item"].isin(chosen.index)].set_index("item")

    def tile(item: int) -> Tile | None:
        picture = open_picture(place.at[item, "url"], ranges)
        if picture is None:
            return None
        drawn = draw(picture, rows[item], kind, classes)
        found = kind.words(rows[item], [cut(name, 40) for name in classes])
        return Tile(item, place.at[item, "source"], chosen[item], found, drawn)

    with ThreadPoolExecutor(8) as pool:
        return [made for made in pool.map(tile, chosen.index.tolist()) if made]


def open_picture(url: str, ranges: Ranges) -> Decoded | None:
    try:
        return decode(read_url(url), ranges)
    except Exception:  # whatever a store or a decoder says of a picture, a gallery does without it
        return None


def draw(found: Decoded, label: pd.DataFrame, kind: Kind, classes: list[str]) -> bytes:
    scale = SIDE / max(found.width, found.height)
    size = [max(1, round(side * scale)) for side in (found.width, found.height)]
    small = found.picture.resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    kind.draw(small, kind.scaled(label, scale), classes).save(out, "JPEG", quality=85)
    return out.getvalue()


def sheet(shown: list[Tile], columns: int = 6, side: int = 160) -> bytes:
    """The tiles as one PNG, item number and confidence below each."""
    line, gap = 22, 8
    rows = -(-len(shown) // columns)
    paper = Image.new("RGB", (columns * (side + gap) + gap, rows * (side + line + gap) + gap), "white")
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(13)
    for place, tile in enumerate(shown):
        row, column = divmod(place, columns)
        left, top = gap + column * (side + gap), gap + row * (side + line + gap)
        pen.rectangle((left, top, left + side - 1, top + side - 1), fill="#f0f1f2")
        with Image.open(io.BytesIO(tile.jpeg)) as picture:
            picture.thumbnail((side, side))
            paper.paste(picture, (left + (side - picture.width) // 2, top + (side - picture.height) // 2))
        pen.text((left, top + side + 3), f"{tile.item}", fill="#5a6472", font=font)
        share = percent(tile.confidence).replace(SPACE, " ")  # the font has no other
        pen.text((left + side - pen.textlength(share, font), top + side + 3), share, fill="#1c2026", font=font)
    out = io.BytesIO()
    paper.quantize(256).save(out, "PNG", optimize=True)  # a third of the size; it travels in artifacts
    return out.getvalue()
