"""Items that came as something else than a manifest, with the lines that a manifest would have for them."""

import json
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from roundtruth import pictures
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


def shards(
    sources: Sequence[str],
    sizes: pd.DataFrame,
    labels: pd.DataFrame,
    kind: Kind,
    classes: list[str],
    attribute: str,
    passed: tuple[tuple[int, str], ...] = (),
) -> Iterator[Shard]:
    """One item a source, with its label where there is one; the first shard says what was passed over.

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
        yield Shard(pd.DataFrame({"source": some, "record": record}), table, stated, () if start else passed)


def no_sizes(items: Sequence[int]) -> pd.DataFrame:
    """`sizes` of items whose pictures' sizes nobody asked for."""
    return pd.DataFrame({"item": items, "width": 0, "height": 0, "depth": 0}, dtype="int64")


def picture_sizes(items: Sequence[int], sources: Sequence[str], base: str, where: Callable[[int], str]) -> pd.DataFrame:
    """(item, width, height, depth) of the pictures; 0 where one is missing or broken. `where(item)` is its place."""
    urls = resolve_all(pd.Series(sources, dtype="str"), base, lambda index: f"{where(items[index])}: ")
    return pictures.check(pd.DataFrame({"url": urls}))[["width", "height", "depth"]].assign(item=list(items))
