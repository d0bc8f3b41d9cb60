"""Ground Truth's augmented manifest: one line an item. `roundtruth.manifest` reads and writes its lines."""

import json
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from roundtruth import manifest
from roundtruth.errors import Mistakes, UserError
from roundtruth.formats import Shard
from roundtruth.kinds import Kind
from roundtruth.kinds.common import adjusted, types
from roundtruth.storage import open_given
from roundtruth.tables import no_labels

NAME = "manifest"
HELP = "an augmented manifest: JSON lines, one item a line"
ENDINGS = (".manifest", ".jsonl", ".json")
SOURCE = "source-ref"
FAILED = "line[|s] that an earlier job failed to label (a failure-reason, or null); [it is|they are] labeled now"


def holds(path: str) -> bool:
    """Whether a .json file is a manifest: its first line is an item. A COCO file is one object, on one line or many."""
    if not path.lower().endswith(".json"):
        return True
    try:
        with open_given(path) as file:
            record = json.loads(file.readline(1 << 20))  # a COCO file of half a gigabyte is read once only
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; correct the path") from None
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and ("source-ref" in record or "source" in record)


def read(path: str, kind: Kind, classes: list[str], attribute: str) -> Iterator[Shard]:
    mistakes, first = Mistakes(path), 1

    def item_at(item: int) -> str:
        return f"{path}: line {item}"

    def label_at(item: int, box: int) -> str:
        return f"{item_at(item)}: field {attribute}: " + (f"box {box}" if box else "the label")

    for lines, records in manifest.read_shards(path, mistakes):
        labeled = [place for place, record in enumerate(records) if has_label(record, attribute)]
        numbers = np.array(labeled, dtype="int64") + first
        sources = [record["source-ref"] if "source-ref" in record else record["source"] for record in records]
        labels = no_labels(kind)
        with mistakes.collecting():
            labels = kind.decode([records[place] for place in labeled], numbers, attribute, classes, item_at)
        sizes = [manifest.stated_size(record[attribute]) for record in (records[place] for place in labeled)]
        sizes = pd.DataFrame(sizes, columns=["width", "height"], dtype="int64")
        sizes.insert(0, "item", numbers)
        items = pd.DataFrame({"source": sources, "record": lines}, dtype="str")
        labels = labels if "as_is" in labels else labels.assign(as_is=True)
        yield Shard(items, labels, sizes, item_at, label_at, others(records, kind, attribute))
        first += len(lines)
    mistakes.refuse()


def has_label(record: dict, attribute: str) -> bool:
    """Whether a record has a label; null stands for none, as in lines that a job failed to label."""
    return record.get(attribute) is not None


def others(records: list[dict], kind: Kind, attribute: str) -> tuple[tuple[int, str], ...]:
    """What the lines have besides the job's own labels: those of this kind under another attribute, on lines without an
    own label or where somebody adjusted it; labels of other kinds; and labels that failed."""
    found: Counter[str] = Counter()
    for record in records:
        mine = has_label(record, attribute)
        about = record.get(f"{attribute}-metadata")
        if not mine and (attribute in record or (isinstance(about, dict) and "failure-reason" in about)):
            found[FAILED] += 1
        for name, type_ in types(record):
            if name == attribute or record.get(name) is None:
                continue
            use = f"`attribute: {name[:60]}` in the job file uses [it|them]"
            again = adjusted(record, name)
            if type_ == kind.TYPE and (again or not mine):
                what = "that an adjustment job wrote in" if again else "in"
                found[f"label[|s] {what} the field {name[:60]}; {use}"] += 1
            elif type_ != kind.TYPE:
                found[f"label[|s] of another kind ({type_[:60]}) in the field {name[:60]}"] += 1
    return tuple((count, what) for what, count in found.items())
