"""Ground Truth's augmented manifest: one line an item. `roundtruth.manifest` reads and writes its lines."""

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd

from roundtruth import manifest
from roundtruth.errors import UserError
from roundtruth.formats import Shard
from roundtruth.kinds import Kind
from roundtruth.storage import open_url

NAME = "manifest"
HELP = "an augmented manifest: JSON lines, one item a line"
ENDINGS = (".manifest", ".jsonl", ".json")
UNIT = "line"


def holds(path: str) -> bool:
    """Whether a .json file is a manifest: its first line is an item. A COCO file is one object, on one line or many."""
    if not path.lower().endswith(".json"):
        return True
    try:
        with open_url(path) as file:
            record = json.loads(file.readline(1 << 20))  # a COCO file of half a gigabyte is read once only
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
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
        yield Shard(pd.DataFrame({"source": sources, "record": lines}, dtype="str"), labels)
        first += len(lines)
