"""Labels that a dataset came with, as manifest records."""

import json
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from roundtruth import kinds, pictures
from roundtruth.errors import UserError
from roundtruth.storage import resolve

SOURCES = ("human", "auto", "verified", "input")  # who gave a label, as in the table of labels
CREATED = "1970-01-01T00:00:00.000000"  # nobody knows when; and a dataset that is read again must read the same
JOB_NAME = "input"


def records(
    sources: Sequence[str], sizes: pd.DataFrame, labels: pd.DataFrame, kind: str, classes: list[str], attribute: str
) -> Iterator[dict]:
    """One record a source, with its label where there is one.

    `sizes` (item, width, height, depth; 0 where unknown) has the labeled items, `labels` (item, the kind's columns,
    confidence, source) their labels; item is the place in `sources`, from 1.
    """
    encoded = kinds.get(kind).encode(labels, sizes, attribute, classes, JOB_NAME, CREATED)
    fields = {item: json.loads("{" + text + "}") for item, text in encoded.items()}
    for item, source in enumerate(sources, start=1):
        yield {"source-ref": source, **fields.get(item, {})}


def picture_sizes(items: Sequence[int], sources: Sequence[str], base: str, where: Callable[[int], str]) -> pd.DataFrame:
    """(item, width, height, depth) of the pictures; 0 where one is missing or broken. `where(item)` is its place."""
    urls = []
    for item, source in zip(items, sources):
        try:
            urls.append(resolve(source, base))
        except UserError as mistake:
            raise UserError(f"{where(item)}: {mistake}") from None
    return pictures.check(pd.DataFrame({"url": urls}))[["width", "height", "depth"]].assign(item=list(items))
