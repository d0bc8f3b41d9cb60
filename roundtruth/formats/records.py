"""Items that came as something else than a manifest, with the lines that a manifest would have for them."""

import json
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from roundtruth.formats import Shard
from roundtruth.kinds import Kind
from roundtruth.manifest import SHARD
from roundtruth.tables import no_labels

SOURCES = ("human", "auto", "verified", "input")  # who gave a label, as in the table of labels


def unlabeled(
    path: str, sources: Sequence[str], kind: Kind, passed: tuple[tuple[int, str], ...] = ()
) -> Iterator[Shard]:
    """The items of a folder without labels."""

    def item_at(item: int, index: int = 0) -> str:
        return f"{path}: {sources[item - 1]}"

    return shards(sources, no_sizes([]), no_labels(kind), kind, item_at, item_at, passed)


def shards(
    sources: Sequence[str],
    sizes: pd.DataFrame,
    labels: pd.DataFrame,
    kind: Kind,
    item_at: Callable[[int], str],
    label_at: Callable[[int, int], str],
    passed: tuple[tuple[int, str], ...] = (),
) -> Iterator[Shard]:
    """One item a source, with its label where there is one; the first shard says what was passed over.

    `sizes` (item, width, height; 0 where unknown) has the labeled items, `labels` (item, the kind's columns,
    confidence, source) their labels. item is the place in `sources`, from 1.
    """
    for start in range(0, len(sources), SHARD):
        some = pd.Series(sources[start : start + SHARD], dtype="str")
        first, last = start + 1, start + len(some)
        mine, sized = labels[labels["item"].between(first, last)], sizes[sizes["item"].between(first, last)]
        record = pd.Series([f'{{"source-ref":{json.dumps(source)}}}' for source in some], dtype="str")
        columns = [name for name in ["item", *kind.COLUMNS, "confidence", "source", "area"] if name in mine]
        items = pd.DataFrame({"source": some, "record": record})
        yield Shard(items, mine[columns], sized, item_at, label_at, () if start else passed)


def no_sizes(items: Sequence[int]) -> pd.DataFrame:
    """`sizes` of items whose pictures' sizes the file does not state."""
    return pd.DataFrame({"item": items, "width": 0, "height": 0}, dtype="int64")
