"""COCO's JSON: images, categories, and annotations with bbox [left, top, width, height].

https://cocodataset.org/#format-data
"""

import json
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from roundtruth.boxes import SIDES
from roundtruth.errors import Mistakes, UserError
from roundtruth.formats import Shard
from roundtruth.formats.records import SOURCES, giver, no_sizes, picture_sizes, shards
from roundtruth.kinds import Kind, common
from roundtruth.manifest import is_text
from roundtruth.storage import read_given, write_url

NAME = "coco"
HELP = "a COCO file"
ENDINGS = (".json",)
UNIT = "images[{1}]"


def read(path: str, kind: Kind, classes: list[str], attribute: str) -> Iterator[Shard]:
    """The images in their order; file_name is relative to the file.

    An image without annotations is one to be labeled (unless its label_source says that somebody saw it: then there is
    nothing to draw). Of a segmentation without a bbox the outline's bounds are taken. A crowd (iscrowd) is no box of
    one thing, and is passed over. Where a label is one class an item, an image's annotations must agree on it.
    Raises UserError naming the entry and its field.
    """
    boxes = set(SIDES) <= set(kind.COLUMNS)
    value = _load(path)
    images = _list(path, value, "images")
    sources, places = _images(path, images)
    labels, crowds = _annotations(path, value, places, classes, boxes)

    def where(annotation: int) -> str:
        return f"{path}: annotations[{annotation}]"

    if boxes:
        sizes = _sizes(path, images, labels, sources)
        kind.check(labels, sizes, where)
    else:
        labels = _one_class(labels, classes, where, kind)
        sizes = no_sizes(labels["item"].tolist())
    passed = ((crowds, "annotations of crowds (iscrowd: 1), which are no box of one thing"),) if crowds else ()
    return shards(sources, sizes, labels, kind, classes, attribute, passed)


def write(path: str, items: pd.DataFrame, labels: pd.DataFrame, kind: Kind, classes: list[str]) -> None:
    """Write the labeled items as images (id: the item), their boxes as annotations and the classes as categories.

    An annotation's score is its confidence, its source who gave it. An image's label_source tells a picture on which
    there is nothing from one that nobody saw. Raises UserError for labels that are not boxes.
    """
    if not set(SIDES) <= set(kind.COLUMNS):
        raise UserError("--to coco: COCO files hold boxes, and this job's labels have none; --to csv fits")
    table = labels.sort_values("item", kind="stable")
    givers = table.groupby("item")["source"].first()
    images = items[items["item"].isin(givers.index)]
    drawn = table[table.class_id >= 0].reset_index(drop=True)
    bbox = drawn[SIDES].to_numpy(float)
    value = {
        "images": images[["item", "source", "width", "height"]]
        .set_axis(["id", "file_name", "width", "height"], axis=1)
        .assign(label_source=givers.reindex(images["item"]).to_numpy())
        .to_dict("records"),
        "annotations": pd.DataFrame(
            {
                "id": np.arange(1, len(drawn) + 1),
                "image_id": drawn["item"],
                "category_id": drawn.class_id + 1,
                "bbox": bbox.tolist(),
                "area": bbox[:, 2] * bbox[:, 3],
                "iscrowd": 0,
                "score": drawn["confidence"],
                "source": drawn["source"],
            }
        ).to_dict("records"),
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, start=1)],
    }
    with write_url(path) as file:
        file.write(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())


def _load(path: str) -> dict:
    try:
        value = json.loads(read_given(path))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: line {error.lineno}: not JSON ({error.msg} at column {error.colno})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error})") from None
    if not isinstance(value, dict) or "images" not in value:
        raise UserError(f"{path}: neither a COCO file, which has images, nor a manifest, whose lines have a source-ref")
    return value


def _list(path: str, value: dict, name: str, default: list | None = None) -> list[dict]:
    found = value.get(name)
    found = default if found is None else found  # some tools write null where a list would be empty
    if not isinstance(found, list):
        raise UserError(f"{path}: field {name}: {'not a list' if name in value else 'missing'}")
    for n, entry in enumerate(found):
        if not isinstance(entry, dict):
            raise UserError(f"{path}: {name}[{n}]: not an object")
    return found


def _field(path: str, where: str, entry: dict, name: str, types: tuple):
    found = entry.get(name)
    if type(found) not in types or found == "":
        raise UserError(f"{path}: {where}: field {name}: {'missing' if found is None else f'cannot be {found!r}'}")
    return found


def _images(path: str, images: list[dict]) -> tuple[list[str], dict]:
    """Their file names, and each id's place, from 1."""
    places: dict = {}
    files: dict[str, int] = {}
    for n, image in enumerate(images):
        number = _field(path, f"images[{n}]", image, "id", (int, str))
        name = _field(path, f"images[{n}]", image, "file_name", (str,))
        if not is_text(name):
            raise UserError(f"{path}: images[{n}]: field file_name: no text: it has half of a character")
        for field, value, known in (("id", number, places), ("file_name", name, files)):
            if value in known:
                raise UserError(f"{path}: images[{n}]: field {field}: {value!r} is images[{known[value] - 1}] already")
            known[value] = n + 1
    if not images:
        raise UserError(f"{path}: field images: empty; there is nothing to label")
    return list(files), places


def _annotations(path: str, value: dict, places: dict, classes: list[str], boxes: bool) -> tuple[pd.DataFrame, int]:
    """Labels, sorted by item, and the number of crowds. The index of the labels is an annotation's place in the file,
    -1 for images that are seen and empty."""
    categories = _list(path, value, "categories", None if value.get("annotations") else [])
    names, mistakes = {}, Mistakes(path)
    for n, category in enumerate(categories):
        number = _field(path, f"categories[{n}]", category, "id", (int, str))
        name = _field(path, f"categories[{n}]", category, "name", (str,))
        if names.setdefault(number, name) != name:
            raise UserError(f"{path}: categories[{n}]: field id: {number!r} is {names[number]!r} already")
    numbers = dict(zip(names, common.class_ids(names.values(), classes).tolist()))
    rows, crowds = {}, 0
    for n, annotation in enumerate(_list(path, value, "annotations", [])):
        with mistakes.collecting():
            row = _annotation(path, f"annotations[{n}]", annotation, places, names, boxes)
            if row is None:
                crowds += 1
                continue
            item, category, *rest = row
            if numbers[category] < 0:
                unknown = common.unknown_class(names[category], classes)
                raise UserError(f"{path}: annotations[{n}]: field category_id: {unknown}")
            rows[n] = (item, numbers[category], *rest)
    mistakes.refuse()
    columns = ["item", "class_id", *SIDES, "confidence", "source"]
    labels = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    empty = [
        (places[image["id"]], -1, 0.0, 0.0, 0.0, 0.0, 1.0, image["label_source"])
        for image in value["images"]
        if boxes and image.get("label_source") in SOURCES
    ]
    seen = pd.DataFrame(empty, columns=columns, index=[-1] * len(empty))
    labels = pd.concat([labels, seen[~seen["item"].isin(labels["item"])]])
    return labels.astype({"item": "int64", "class_id": "int64"}).sort_values("item", kind="stable"), crowds


def _annotation(path: str, where: str, annotation: dict, places: dict, names: dict, boxes: bool) -> tuple | None:
    """(item, category, left, top, width, height, confidence, source); None for a crowd."""
    image = _field(path, where, annotation, "image_id", (int, str))
    category = _field(path, where, annotation, "category_id", (int, str))
    if image not in places:
        raise UserError(f"{path}: {where}: field image_id: {image!r} is the id of no image in the file")
    if category not in names:
        raise UserError(f"{path}: {where}: field category_id: {category!r} is the id of no category in the file")
    crowd = annotation.get("iscrowd")
    if crowd in (1, "1"):
        return None
    if crowd not in (None, 0, "0"):  # some tools write the number as text
        raise UserError(f"{path}: {where}: field iscrowd: cannot be {crowd!r}, only 0 or 1")
    score = annotation.get("score", 1.0)
    if not _is_number(score) or not 0 <= score <= 1:
        raise UserError(f"{path}: {where}: field score: {score!r} is no number from 0 to 1")
    box = _box(path, where, annotation) if boxes else [0.0] * 4
    return places[image], category, *box, float(score), giver(annotation.get("source"))


def _is_number(value) -> bool:
    return not math.isnan(common.number(value))


def _box(path: str, where: str, annotation: dict) -> list[float]:
    box = annotation.get("bbox") or _bounds(annotation.get("segmentation"))
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(side) for side in box):
        raise UserError(f"{path}: {where}: field bbox: not [left, top, width, height], and no outline to take it from")
    if not (box[2] > 0 and box[3] > 0):
        raise UserError(f"{path}: {where}: field bbox: the box has no area")
    return [float(side) for side in box]


def _bounds(outlines) -> list[float] | None:
    """The box around polygons [[x, y, x, y, ...], ...]; a run-length mask is no polygon."""
    if not isinstance(outlines, list) or not all(isinstance(outline, list) for outline in outlines):
        return None
    across = [x for outline in outlines for x in outline[0::2]]
    down = [y for outline in outlines for y in outline[1::2]]
    if not down or not all(_is_number(value) for value in across + down):
        return None
    return [min(across), min(down), max(across) - min(across), max(down) - min(down)]


def _sizes(path: str, images: list[dict], labels: pd.DataFrame, sources: list[str]) -> pd.DataFrame:
    """As the file has them, else from the pictures; COCO's pictures are RGB, it has no word for their depth."""
    told, untold = [], []
    for item in sorted(set(labels["item"])):
        width, height = images[item - 1].get("width"), images[item - 1].get("height")
        if type(width) is int and type(height) is int and width > 0 and height > 0:
            told.append((item, width, height, 3))
        else:
            untold.append(item)
    files = [sources[item - 1] for item in untold]
    base = path.rpartition("/")[0]
    read = picture_sizes(untold, files, base, lambda item: f"{path}: images[{item - 1}]: field file_name")
    sizes = pd.DataFrame(told, columns=["item", "width", "height", "depth"], dtype="int64")
    return pd.concat([sizes, read], ignore_index=True).sort_values("item", ignore_index=True)


def _one_class(labels: pd.DataFrame, classes: list[str], where, kind: Kind) -> pd.DataFrame:
    first = labels.drop_duplicates("item").set_index("item").class_id
    bad = labels.class_id != labels["item"].map(first)
    if bad.any():
        row = bad.idxmax()
        one, other = classes[first[labels.item[row]]], classes[labels.class_id[row]]
        raise UserError(
            f"{where(row)}: field category_id: {other!r}, where an earlier annotation of the image has {one!r}; "
            f"a job of {kind.NAME} has one class an image"
        )
    return labels.drop_duplicates("item")
