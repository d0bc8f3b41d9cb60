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

SIDE = 512  # pixels of a picture's longer side; labels are drawn at this size, so that lines are as thick on all
ANSWER = 256  # the same for the picture of one person's answer
# The page holds all of its pictures, so each has a limit in bytes
BYTES = {SIDE: 40_000, ANSWER: 12_000}
ATTEMPTS = [(1, 85), (1, 60), (1, 35), (2, 60), (4, 60)]  # how many times smaller, and JPEG quality
NAME = 24  # letters of a class name that are drawn on a picture
ANSWERS = 6  # of one item that are shown


@dataclass(frozen=True)
class Answer:
    """What one person said of an item."""

    worker: str
    found: str  # in words; the reason where there is no label
    agreement: float | None  # with the merged label; None where there is no label
    jpeg: bytes | None  # for kinds whose answers are something drawn


@dataclass(frozen=True)
class Tile:
    """One item's label: `found` says it in words, `jpeg` is the picture it is drawn on."""

    item: int
    source: str
    confidence: float
    found: str
    jpeg: bytes
    answers: tuple[Answer, ...] = ()
    more: int = 0  # answers that are not shown


def tiles(
    chosen: pd.Series,
    labels: pd.DataFrame,
    items: pd.DataFrame,
    kind: Kind,
    classes: list[str],
    ranges: Ranges,
    said: pd.DataFrame | None = None,
) -> list[Tile]:
    """The tiles of the items in the index of `chosen`, whose values are their confidences.

    ranges: as in `pictures.Pictures`. said: answers to these items (item, worker, the kind's columns, reason,
    agreement), to be shown beside the labels. Order is kept; items whose picture cannot be read are left out.
    """
    rows = dict(list(labels[labels["item"].isin(chosen.index)].groupby("item")))
    place = items[items["item"].isin(chosen.index)].set_index("item")
    written, drawn = ([cut(name, length) for name in classes] for length in (40, NAME))
    about = {} if said is None else dict(list(said.groupby("item")))

    def tile(item: int) -> Tile | None:
        opened = open_picture(place.at[item, "url"], ranges)
        if opened is None:
            return None
        each = [part for _, part in about[item].groupby("worker", sort=False)] if item in about else []
        return Tile(
            item,
            place.at[item, "source"],
            chosen[item],
            kind.words(rows[item], written),
            draw(opened, rows[item], kind, drawn),
            tuple(answer(opened, part, kind, written, drawn) for part in each[:ANSWERS]),
            max(0, len(each) - ANSWERS),
        )

    with ThreadPoolExecutor(8) as pool:
        return [made for made in pool.map(tile, chosen.index.tolist()) if made]


def answer(found: Decoded, said: pd.DataFrame, kind: Kind, written: list[str], drawn: list[str]) -> Answer:
    """One person's answer to an item, from its rows. written, drawn: the classes as they are in words, and drawn."""
    first = said.iloc[0]
    if pd.notna(first["reason"]):
        return Answer(first["worker"], f"no label: {first['reason']}", None, None)
    shown = None if kind.ONE_PER_ITEM else draw(found, said, kind, drawn, ANSWER)
    return Answer(first["worker"], kind.words(said, written), first["agreement"], shown)


def open_picture(url: str, ranges: Ranges) -> Decoded | None:
    try:
        return decode(read_url(url), ranges)
    except Exception:  # whatever a store or a decoder says of a picture, a gallery does without it
        return None


def draw(found: Decoded, label: pd.DataFrame, kind: Kind, classes: list[str], side: int = SIDE) -> bytes:
    """The picture with a label on it, as a JPEG of at most BYTES[side] bytes."""
    scale = side / max(found.width, found.height)
    size = [max(1, round(length * scale)) for length in (found.width, found.height)]
    small = found.picture.resize(size, Image.Resampling.BICUBIC)
    return jpeg(kind.draw(small, kind.scaled(label, scale), classes), BYTES[side])


def jpeg(picture: Image.Image, most: int) -> bytes:
    """The picture as a JPEG of at most `most` bytes: coarser, then smaller, until it fits."""
    data = b""
    for smaller, quality in ATTEMPTS:
        out = io.BytesIO()
        (picture.reduce(smaller) if smaller > 1 else picture).save(out, "JPEG", quality=quality)
        data = out.getvalue()
        if len(data) <= most:
            break
    return data


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
