"""The output manifest: the input's lines, in their order, each with the label that its item got or why it has none."""

import json
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from roundtruth import manifest


def lines(job, created: str) -> Iterator[list[str]]:
    """The lines of the output manifest, in the shards of the job's items. created: when, as Ground Truth writes it."""
    labels = pd.concat([job.human_labels(), job.auto_labels()], ignore_index=True)
    labels = labels.sort_values("item", kind="stable", ignore_index=True)
    failures = job.failures()
    for path in job.listed("items/"):
        items = job.store.read_table(path)  # read once and not kept: the records of all items may fill the memory
        first, last = items["item"].iloc[[0, -1]]
        items = job.with_returned(items, first)
        mine = labels[slice(*np.searchsorted(labels["item"], [first, last + 1]))]
        fields = pd.concat([encoded(job, mine, items, created), failed(job, failures.loc[first:last], created)])
        yield with_fields(items["record"], items["item"].map(fields), job.spec.attribute).to_pylist()


def encoded(job, labels: pd.DataFrame, items: pd.DataFrame, created: str) -> pd.Series:
    """The label's two fields as JSON text, without the braces around them; index: item."""
    labeled = items[items["item"].isin(labels["item"])]
    spec = job.spec
    return job.kind.encode(labels, labeled, spec.attribute, spec.classes, spec.name, created)


def failed(job, failures: pd.Series, created: str) -> pd.Series:
    """The metadata of items without a label, as `encoded`."""
    spec = job.spec
    metadata = {
        "type": job.kind.TYPE,
        "human-annotated": "no",
        "creation-date": created,
        "job-name": spec.name,
    }
    field, rest = json.dumps(f"{spec.attribute}-metadata"), json.dumps(metadata, separators=(",", ":"))[1:]
    text = {why: f'{field}:{{"failure-reason":{json.dumps(why)},{rest}' for why in failures.unique()}
    return failures.map(text).astype("str")


def with_fields(records: pd.Series, fields: pd.Series, attribute: str, kept: tuple[str, ...] = ()) -> pa.Array:
    """The records, JSON text of an object each, with their fields, JSON text without braces; null: no fields.

    Where a record has one of these keys already, the new value takes its place, but for the keys of the metadata that
    are to be `kept`.
    """
    record = pa.array(records, pa.large_string())
    if fields.isna().all():
        return record
    field = pa.array(fields, pa.large_string())
    open_end = pc.utf8_rtrim_whitespace(pc.utf8_slice_codeunits(record, 0, -1))
    text = pa.scalar("", pa.large_string()), pa.scalar(",", pa.large_string()), pa.scalar("}", pa.large_string())
    nothing, comma, brace = text
    joined = pc.binary_join_element_wise(pc.binary_join_element_wise(open_end, field, comma), brace, nothing)
    known = pc.match_substring_regex(record, rf'"{re.escape(attribute)}(-metadata)?"\s*:')
    again = pc.and_(pc.is_valid(field), known)
    pairs = zip(record.filter(again).to_pylist(), field.filter(again).to_pylist())
    merged = [merge(json.loads(old), json.loads(f"{{{new}}}"), f"{attribute}-metadata", kept) for old, new in pairs]
    joined = pc.if_else(pc.is_valid(field), joined, record)
    return pc.replace_with_mask(joined, again, pa.array(merged, pa.large_string()))


def merge(old: dict, new: dict, metadata: str, kept: tuple[str, ...]) -> str:
    """The line of a record with new fields, and what is `kept` of the old metadata."""
    about = old.get(metadata)
    if isinstance(about, dict) and kept:
        new[metadata] |= {key: about[key] for key in kept if key in about}
    return manifest.line(old | new)
