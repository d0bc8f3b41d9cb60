"""Ground Truth's augmented manifest: one line an item. `roundtruth.manifest` reads and writes its lines."""

import json
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from roundtruth import manifest
from roundtruth.errors import UserError
from roundtruth.formats import Shard
from roundtruth.kinds import Kind
from roundtruth.kinds.common import attributes
from roundtruth.storage import open_url

NAME = "manifest"
HELP = "an augmented manifest: JSON lines, one item a line"
ENDINGS = (".manifest", ".jsonl", ".json")
UNIT = "line {}"


def holds(path: str) -> bool:
    """Whether a .json file is a manifest: its first line is an item. A COCO file is one object, on one line or many."""
    if not path.lower().endswith(".json"):
        return True
    try:
        with open_url(path) as file:
            record = json.loads(file.readline(1 << 20))  # a COCO file of half a gigabyte is read once only
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and ("source-ref" in record or "source" in record)


def read(path: str, kind: Kind, classes: list[str], attribute: str) -> Iterator[Shard]:
    first = 1
    for lines, records in manifest.read_shards(path):
        labeled = [place for place, record in enumerate(records) if attribute in record]
        sources = [record["source-ref"] if "source-ref" in record else record["source"] for record in records]
        labels = kind.decode(
            [records[place] for place in labeled],
            np.array(labeled, dtype="int64") + first,
            attribute,
            classes,
            lambda item: f"{path}: line {item}",
        )
        sizes = [stated(record[attribute]) for record in (records[place] for place in labeled)]
        sizes = pd.DataFrame(sizes, columns=["width", "height"], dtype="int64")
        sizes.insert(0, "item", np.array(labeled, dtype="int64") + first)
        items = pd.DataFrame({"source": sources, "record": lines}, dtype="str")
        yield Shard(items, labels, sizes, others(records, kind, attribute))
        first += len(lines)


def stated(label) -> tuple[int, int]:
    """How large a label says that its picture is: (width, height), 0 where it does not."""
    size = label.get("image_size") if isinstance(label, dict) else None
    size = size[0] if isinstance(size, list) and size and isinstance(size[0], dict) else {}
    width, height = size.get("width"), size.get("height")
    whole = all(type(side) is int and 0 < side < 2**31 for side in (width, height))
    return (width, height) if whole else (0, 0)


def others(records: list[dict], kind: Kind, attribute: str) -> tuple[tuple[int, str], ...]:
    """The labels of this kind that stand under another attribute, on lines without the job's own."""
    found: Counter[str] = Counter()
    for record in records:
        if attribute not in record:
            found.update(attributes(record, kind.TYPE))
    return tuple(
        (count, f"labels in the field {name[:60]}; `attribute: {name[:60]}` in the job file uses them")
        for name, count in found.items()
    )
