"""Items that came as something else than a manifest, with the lines that a manifest would have for them."""

import json
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from roundtruth.errors import UserError
from roundtruth.formats import Shard
from roundtruth.kinds import Kind, has_boxes
from roundtruth.manifest import SHARD
from roundtruth.settings import Boxes
from roundtruth.tables import no_labels

SOURCES = ("human", "auto", "verified", "input")  # who gave a label, as in the table of labels


def unlabeled(
    path: str, sources: Sequence[str], kind: Kind, passed: tuple[tuple[int, str], ...] = ()
) -> Iterator[Shard]:
    """The items of a folder without labels."""
    where = in_folder(path, sources)
    return shards(sources, no_sizes([]), no_labels(kind), kind, where, where, passed)


def in_folder(path: str, sources: Sequence[str]) -> Callable[..., str]:
    """`item_at` and `label_at` of items that are pictures in a folder."""

    def where(item: int, index: int = 0) -> str:
        return f"{path}: {sources[item - 1]}"

    return where


def giver(text) -> str:
    """Who gave a label, from what a file says about it."""
    return text if text in SOURCES else "input"


def shards(
    sources: Sequence[str],
    sizes: pd.DataFrame,
    labels: pd.DataFrame,
    kind: Kind,
    item_at: Callable[[int], str],
    label_at: Callable[[int, int], str],
    passed: tuple[tuple[int, str], ...] = (),
    note: str = "",
    boxes: Boxes | None = None,
) -> Iterator[Shard]:
    """One item a source, with its label where there is one; the first shard says what was passed over and has the note.

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
        about = ((), "") if start else (passed, note)
        yield Shard(items, mine[columns], sized, item_at, label_at, *about, boxes)


def refuse_no_boxes(name: str, kind: Kind) -> None:
    """Raise UserError where the labels of a kind are no boxes, which are all that a format can hold."""
    if not has_boxes(kind):
        raise UserError(f"--to {name}: its files hold boxes, and this job's labels have none; --to csv fits")


def no_sizes(items: Sequence[int]) -> pd.DataFrame:
    """`sizes` of items whose pictures' sizes the file does not state."""
    return pd.DataFrame({"item": items, "width": 0, "height": 0}, dtype="int64")
