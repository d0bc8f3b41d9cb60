"""COCO's JSON: images, categories, and annotations with bbox [left, top, width, height].

https://cocodataset.org/#format-data
"""

import json
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from roundtruth.boxes import SIDES
from roundtruth.errors import Mistakes, UserError
from roundtruth.formats import Shard, listing
from roundtruth.formats.records import SOURCES, giver, no_sizes, refuse_no_boxes, shards
from roundtruth.kinds import Kind, common, has_boxes
from roundtruth.manifest import is_text, size_of, unique
from roundtruth.storage import read_needed, write_url

NAME = "coco"
HELP = "a COCO file"
ENDINGS = (".json",)
SOURCE = "file_name"


def read(path: str, kind: Kind, classes: list[str], attribute: str) -> Iterator[Shard]:
    """The images in their order; file_name is relative to the file.

    An image without annotations is one to be labeled (unless its label_source says that somebody saw it: then there is
    nothing to draw). Of a segmentation without a bbox the outline's bounds are taken. A crowd (iscrowd) is no box of
    one thing, and is passed over. Where a label is one class an item, an image's annotations must agree on it.
    Raises UserError naming the entry and its field.
    """
    boxes = has_boxes(kind)
    value, mistakes = _load(path), Mistakes(path)
    images = _list(path, value, "images", mistakes)
    sources, places = _images(path, images, mistakes)
    labels, crowds = _annotations(path, value, places, classes, boxes, mistakes)
    mistakes.refuse()

    def item_at(item: int) -> str:
        return f"{path}: images[{item - 1}]"

    def label_at(item: int, annotation: int) -> str:
        return item_at(item) if annotation < 0 else f"{path}: annotations[{annotation}]: field bbox"

    if not boxes:
        labels = _one_class(labels, classes, path, kind)
    told = "annotation[|s] of [a crowd|crowds] (iscrowd: 1), which [is|are] no box of one thing"
    passed = listing.nonzero((crowds, told))
    return shards(sources, _sizes(images, labels), labels, kind, item_at, label_at, passed)


def write(path: str, items: pd.DataFrame, labels: pd.DataFrame, kind: Kind, classes: list[str]) -> None:
    """Write the labeled items as images (id: the item), their boxes as annotations and the classes as categories.

    An annotation's score is its confidence, its source who gave it. An image's label_source tells a picture on which
    there is nothing from one that nobody saw. Raises UserError for labels that are not boxes.
    """
    refuse_no_boxes(NAME, kind)
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


class Results(NamedTuple):
    """What a model found."""

    rows: pd.DataFrame  # (file_name, category, left, top, width, height, score), as text; one row a box or class
    place: Callable[[int], str]  # where in the file a row stands
    unknown: pd.Series  # whether the row's category_id is the id of no category; `category` says the id then


def results(path: str, data: str) -> Results:
    """COCO's list of results, about the images and categories of the COCO file `data`; or a COCO file whose annotations
    have a score. An id that stands for nothing is given as it is. Raises UserError where nothing can be read.
    """
    value = _parsed(path, "there are no predictions")
    if isinstance(value, list):
        value, named, whole = {"results": value}, "results", data
        about = _parsed(data, "there is nothing to label") if data.endswith(ENDINGS) else None
    else:
        named, whole, about = "annotations", path, value
    if not isinstance(about, dict) or "images" not in about:
        raise UserError(
            f"{path}: its results name images and categories by the ids of a COCO file, and {whole} is none; put lists "
            "of `images` and `categories` into the file, beside `annotations` with a score each"
        )
    mistakes = Mistakes(whole)
    files, places = _images(whole, _list(whole, about, "images", mistakes), mistakes)
    categories = _categories(whole, about, mistakes)
    mistakes.refuse()
    mistakes = Mistakes(path)
    entries = _list(path, value, named, mistakes)
    mistakes.refuse()
    images = {number: files[place - 1] for number, place in places.items()}
    rows = pd.DataFrame(
        [
            (
                _text(images, entry, "image_id"),
                _text(categories, entry, "category_id"),
                *_sides(entry),
                "" if entry.get("score") is None else str(entry["score"]),
            )
            for entry in entries
        ],
        columns=["file_name", "category", *SIDES, "score"],
        dtype="str",
    )
    unknown = pd.Series([not _is_in(categories, entry, "category_id") for entry in entries], dtype=bool)
    return Results(rows, lambda row: f"{named}[{row}]", unknown)


def _text(names: dict, entry: dict, field: str) -> str:
    number = common.whole(entry.get(field))
    return names[number] if _is_in(names, entry, field) else f"{field} {repr(number)[:60]}"


def _is_in(names: dict, entry: dict, field: str) -> bool:
    number = common.whole(entry.get(field))
    return type(number) in (int, str) and number in names


def _sides(entry: dict) -> list[str]:
    """left, top, width, height; empty where there is no box."""
    box = entry.get("bbox")
    return list(map(str, box)) if isinstance(box, list) and len(box) == 4 else [""] * 4


def _load(path: str) -> dict:
    value = _parsed(path, "there is nothing to label")
    if not isinstance(value, dict) or "images" not in value:
        raise UserError(f"{path}: neither a COCO file, which has images, nor a manifest, whose lines have a source-ref")
    return value


def _parsed(path: str, empty: str):
    data = read_needed(path)
    if not data.strip():
        raise UserError(f"{path}: empty; {empty}")
    try:
        value = json.loads(data, object_pairs_hook=unique)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}: line {line}: not UTF-8 ({error.reason}); save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: line {error.lineno}: not JSON ({error.msg} at column {error.colno})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error})") from None
    return value


def _list(path: str, value: dict, name: str, mistakes: Mistakes, default: list | None = None) -> list[dict]:
    """The entries of a list; an empty object in place of one that is no object, which is a mistake."""
    found = value.get(name)
    found = default if found is None else found  # some tools write null where a list would be empty
    if not isinstance(found, list):
        raise UserError(f"{path}: field {name}: {'not a list' if name in value else 'missing'}")
    for n, entry in enumerate(found):
        if not isinstance(entry, dict):
            mistakes.add(f"{name}[{n}]", "not an object")
    return [entry if isinstance(entry, dict) else NOTHING for entry in found]


NOTHING: dict = {}  # stands for an entry that is no object


def _field(path: str, where: str, entry: dict, name: str, types: tuple):
    found = common.whole(entry.get(name))
    if type(found) not in types or found == "":
        what = "missing" if found is None else f"cannot be {repr(found)[:60]}"
        raise UserError(f"{path}: {where}: field {name}: {what}")
    return found


def _images(path: str, images: list[dict], mistakes: Mistakes) -> tuple[list[str], dict]:
    """Their file names, and each id's place, from 1."""
    places: dict = {}
    files: dict[str, int] = {}
    for n, image in enumerate(images):
        if image is NOTHING:
            continue
        with mistakes.collecting():
            number = _field(path, f"images[{n}]", image, "id", (int, str))
            name = _field(path, f"images[{n}]", image, "file_name", (str,))
            if not is_text(name):
                raise UserError(f"{path}: images[{n}]: field file_name: no text: it has half of a character")
            for field, value, known in (("id", number, places), ("file_name", name, files)):
                if value in known:
                    first = known[value] - 1
                    place = f"{path}: images[{n}]: field {field}"
                    raise UserError(f"{place}: {repr(value)[:60]} is images[{first}] already; take one out")
                known[value] = n + 1
    if not images:
        raise UserError(f"{path}: field images: empty; there is nothing to label")
    return list(files), places


def _categories(path: str, value: dict, mistakes: Mistakes) -> dict:
    """The names of the categories by their ids."""
    names: dict = {}
    for n, category in enumerate(_list(path, value, "categories", mistakes, None if value.get("annotations") else [])):
        if category is NOTHING:
            continue
        with mistakes.collecting():
            number = _field(path, f"categories[{n}]", category, "id", (int, str))
            name = _field(path, f"categories[{n}]", category, "name", (str,))
            if names.setdefault(number, name) != name:
                raise UserError(f"{path}: categories[{n}]: field id: {number!r} is {names[number]!r} already")
    return names


def _annotations(
    path: str, value: dict, places: dict, classes: list[str], boxes: bool, mistakes: Mistakes
) -> tuple[pd.DataFrame, int]:
    """Labels, sorted by item, and the number of crowds. The index of the labels is an annotation's place in the file,
    -1 for images that are seen and empty."""
    names = _categories(path, value, mistakes)
    numbers = dict(zip(names, common.class_ids(names.values(), classes).tolist()))
    known = mistakes.count == 0  # otherwise an annotation may seem to name an image or a category that is not there
    rows, crowds = {}, 0
    for n, annotation in enumerate(_list(path, value, "annotations", mistakes, [])):
        if annotation is NOTHING or not known:
            continue
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
    columns = ["item", "class_id", *SIDES, "area", "confidence", "source"]
    labels = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    empty = [
        (places[image["id"]], -1, 0.0, 0.0, 0.0, 0.0, np.nan, 1.0, image["label_source"])
        for image in value["images"]
        if boxes and known and image.get("label_source") in SOURCES
    ]
    seen = pd.DataFrame(empty, columns=columns, index=[-1] * len(empty))
    labels = pd.concat([labels, seen[~seen["item"].isin(labels["item"])]])
    labels = labels.astype({"item": "int64", "class_id": "int64", "area": "float64"})
    return labels.sort_values("item", kind="stable"), crowds


def _annotation(path: str, where: str, annotation: dict, places: dict, names: dict, boxes: bool) -> tuple | None:
    """(item, category, left, top, width, height, area, confidence, source); None for a crowd."""
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
        raise UserError(f"{path}: {where}: field iscrowd: cannot be {repr(crowd)[:60]}, only 0 or 1")
    score = 1.0 if annotation.get("score") is None else annotation["score"]  # null: nobody knows
    if not _is_number(score) or not 0 <= score <= 1:
        raise UserError(f"{path}: {where}: field score: {repr(score)[:60]} is no number from 0 to 1")
    box = _box(path, where, annotation) if boxes else [0.0] * 4
    area = common.number(annotation.get("area"))
    return places[image], category, *box, area, float(score), giver(annotation.get("source"))


def _is_number(value) -> bool:
    return not math.isnan(common.number(value))


def _box(path: str, where: str, annotation: dict) -> list[float]:
    refuse_turned(path, where, annotation)
    box = annotation.get("bbox") or _bounds(annotation.get("segmentation"))
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(side) for side in box):
        raise UserError(f"{path}: {where}: field bbox: not [left, top, width, height], and no outline to take it from")
    if not (box[2] > 0 and box[3] > 0):
        raise UserError(f"{path}: {where}: field bbox: the box has no area")
    return [float(side) for side in box]


def refuse_turned(path: str, where: str, annotation: dict) -> None:
    """CVAT writes the angle of a turned box among the attributes; its bbox is the box before it was turned."""
    attributes = annotation.get("attributes")
    angle = attributes.get("rotation") if isinstance(attributes, dict) else None
    if _is_number(angle) and angle != 0:
        raise UserError(
            f"{path}: {where}: field attributes.rotation: the box is turned by {angle:g} degrees; only upright boxes "
            "are read: draw it upright, or take it out"
        )


def _bounds(outlines) -> list[float] | None:
    """The box around polygons [[x, y, x, y, ...], ...]; a run-length mask is no polygon."""
    if not isinstance(outlines, list) or not all(isinstance(outline, list) for outline in outlines):
        return None
    across = [x for outline in outlines for x in outline[0::2]]
    down = [y for outline in outlines for y in outline[1::2]]
    if not down or not all(_is_number(value) for value in across + down):
        return None
    return [min(across), min(down), max(across) - min(across), max(down) - min(down)]


def _sizes(images: list[dict], labels: pd.DataFrame) -> pd.DataFrame:
    """The sizes of labeled images as the file has them; 0 where it has none."""
    sizes = no_sizes(sorted(set(labels["item"])))
    told = [size_of(images[item - 1].get("width"), images[item - 1].get("height")) for item in sizes["item"]]
    sizes[["width", "height"]] = np.array(told, np.int64).reshape(-1, 2)
    return sizes


def _one_class(labels: pd.DataFrame, classes: list[str], path: str, kind: Kind) -> pd.DataFrame:
    first = labels.drop_duplicates("item").set_index("item").class_id

    def say(row: int) -> str:
        number, class_id = labels.index[row], labels.class_id.iloc[row]
        one, other = classes[first[labels["item"].iloc[row]]], classes[class_id]
        return (
            f"{path}: annotations[{number}]: field category_id: {other!r}, where an earlier annotation of the image "
            f"has {one!r}; a job of {kind.NAME} has one class an image"
        )

    common.refuse(labels.class_id != labels["item"].map(first), say)
    return labels.drop_duplicates("item")
