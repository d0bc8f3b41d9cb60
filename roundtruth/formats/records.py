"""Items that came as something else than a manifest, with the lines that a manifest would have for them."""

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from roundtruth import pictures
from roundtruth.boxes import SIDES
from roundtruth.errors import UserError, refuse_all
from roundtruth.formats import Shard
from roundtruth.kinds import Kind
from roundtruth.manifest import SHARD
from roundtruth.storage import resolve_all
from roundtruth.tables import no_labels

SOURCES = ("human", "auto", "verified", "input")  # who gave a label, as in the table of labels
CREATED = "1970-01-01T00:00:00.000000"  # nobody knows when; and a dataset that is read again must read the same
JOB_NAME = "input"


def unlabeled(sources: Sequence[str], kind: Kind, passed: tuple[tuple[int, str], ...] = ()) -> Iterator[Shard]:
    return shards(sources, no_sizes([]), no_labels(kind), kind, [], "", passed)


def giver(text) -> str:
    """Who gave a label, from what a file says about it."""
    return text if text in SOURCES else "input"


def number(text: str) -> float:
    """A number that is written as text; NaN for anything else."""
    text = text.strip()
    return float(text) if NUMBER.fullmatch(text) and abs(float(text)) < 1e300 else math.nan


NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,4})?")


def has_boxes(kind: Kind) -> bool:
    return set(SIDES) <= set(kind.COLUMNS)


def refuse_no_boxes(name: str, kind: Kind) -> None:
    """Raise UserError where the labels of a kind are no boxes, which are all that a format can hold."""
    if not has_boxes(kind):
        raise UserError(f"--to {name}: its files hold boxes, and this job's labels have none; --to csv fits")


def refuse_same(names: pd.Series, sources: pd.Series) -> None:
    """Raise UserError where the label files of two sources would have one name."""
    twice = np.flatnonzero(names.duplicated())

    def say(at: int) -> str:
        first = sources.iloc[(names == names.iloc[at]).to_numpy().argmax()]
        return f"export: {sources.iloc[at]} and {first} would have one file of labels; --to coco fits"

    refuse_all(twice, say)


def shards(
    sources: Sequence[str],
    sizes: pd.DataFrame,
    labels: pd.DataFrame,
    kind: Kind,
    classes: list[str],
    attribute: str,
    passed: tuple[tuple[int, str], ...] = (),
    note: str = "",
) -> Iterator[Shard]:
    """One item a source, with its label where there is one; the first shard says what was passed over and has the note.

    `sizes` (item, width, height, depth; 0 where unknown) has the labeled items, `labels` (item, the kind's columns,
    confidence, source) their labels. item is the place in `sources`, from 1.
    """
    for start in range(0, len(sources), SHARD):
        some = pd.Series(sources[start : start + SHARD], dtype="str")
        items = np.arange(start + 1, start + len(some) + 1)
        mine, sized = labels[labels["item"].isin(items)], sizes[sizes["item"].isin(items)]
        record = pd.Series([f'{{"source-ref":{json.dumps(source)}' for source in some], index=items, dtype="str")
        if len(mine):
            fields = kind.encode(mine, sized, attribute, classes, JOB_NAME, CREATED)
            record.loc[fields.index] += "," + fields
        record = (record + "}").reset_index(drop=True)
        table = mine[["item", *kind.COLUMNS, "confidence"]]
        stated = sized[["item", "width", "height"]].astype("int64")
        yield Shard(
            pd.DataFrame({"source": some, "record": record}), table, stated, *(((), "") if start else (passed, note))
        )


def no_sizes(items: Sequence[int]) -> pd.DataFrame:
    """`sizes` of items whose pictures' sizes nobody asked for."""
    return pd.DataFrame({"item": items, "width": 0, "height": 0, "depth": 0}, dtype="int64")


def picture_sizes(items: Sequence[int], sources: Sequence[str], base: str, where: Callable[[int], str]) -> pd.DataFrame:
    """(item, width, height, depth) of the pictures; 0 where one is missing or broken. `where(item)` is its place."""
    urls = resolve_all(pd.Series(sources, dtype="str"), base, lambda index: f"{where(items[index])}: ")
    return pictures.check(pd.DataFrame({"url": urls}))[["width", "height", "depth"]].assign(item=list(items))
