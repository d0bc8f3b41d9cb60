"""Boxes around the things on a picture, each with a class. Its quality is a picture's mean IoU."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from roundtruth import boxes, consolidation
from roundtruth.boxes import SIDES
from roundtruth.curves import Losses
from roundtruth.errors import UserError
from roundtruth.kinds import common

if TYPE_CHECKING:
    from PIL import Image

NAME = "object-detection"
TYPE = "groundtruth/object-detection"
ITEM = "picture"
COLUMNS = {"class_id": "int64", **dict.fromkeys(SIDES, "float64")}  # class_id is -1 where there is nothing to draw
CSV = ["class", *SIDES]
THING = "box"
ONE_PER_ITEM = False
BINARY = False
QUALITY = 0.6
QUALITY_NAME = "mean IoU"
CURVE = Losses()
LEARNER = "roundtruth.learners.detector:Detector"

SLACK = 2.0  # pixels by which a box in a table may stick out of its picture


def consolidate(
    answers: pd.DataFrame, classes: list[str], learn: np.ndarray | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Several people's boxes become labels and workers; see `roundtruth.consolidation.boxes`."""
    return consolidation.boxes(answers, learn=learn)


def quality(labels: pd.DataFrame, reference: pd.DataFrame) -> pd.Series:
    """Each picture's mean IoU, for the items in both tables; index: item, sorted.

    In falling confidence (or score; without either, in the order of the table) each box of `labels` takes the free
    reference box of its class with the highest IoU above 0. What stays unmatched on either side counts 0. The mean over
    matches and unmatched boxes is the picture's quality; two empty pictures agree, which is 1.
    """
    items = np.intersect1d(labels["item"].to_numpy(np.int64), reference["item"].to_numpy(np.int64))
    score = next((column for column in ("confidence", "score") if column in labels), None)
    drawn, wanted = on_pictures(labels, items, score), on_pictures(reference, items)
    values = boxes.quality(boxes.match(drawn, wanted), drawn.picture, wanted.picture, len(items))
    return pd.Series(values, index=pd.Index(items, name="item"), name="quality")


def on_pictures(labels: pd.DataFrame, items: np.ndarray, score: str | None = None) -> boxes.Boxes:
    """The boxes on `items` (sorted), in falling `score`; a picture's number is its item's position in `items`."""
    table = labels[labels["class_id"].ge(0) & labels["item"].isin(items)]
    return boxes.ordered(
        np.searchsorted(items, table["item"].to_numpy(np.int64)),
        table["class_id"].to_numpy(np.int64),
        boxes.corners(table[SIDES].to_numpy(float)),
        table[score].to_numpy(float) if score else None,
    )


def confidence(predictions: pd.DataFrame) -> pd.Series:
    """A picture's confidence is the mean score of its boxes; index: item, sorted."""
    return predictions.groupby("item")["score"].mean().rename("confidence")


def objects(labels: pd.DataFrame) -> pd.Series:
    """The number of boxes of each picture; index: item, sorted."""
    return labels["class_id"].ge(0).groupby(labels["item"]).sum().rename("objects")


def decode(
    records: Sequence[dict], items: np.ndarray, attribute: str, classes: list[str], where: common.Where
) -> pd.DataFrame:
    """A class is known by its name in the record's class-map: the numbers of two lines need not agree. A box may stand
    out of the picture by a pixel of rounding and is cut there."""
    rows = []
    for item, label, metadata in zip(items, *common.fields(records, items, attribute, TYPE, where)):
        rows += _read(int(item), label, metadata, attribute, where)
    columns = ["item", "box", "number", "name", *SIDES, "confidence", "picture_width", "picture_height"]
    table = pd.DataFrame(rows, columns=columns)
    numbers = dict.fromkeys([*SIDES, "confidence", "picture_width", "picture_height"], float)
    table = table.astype(numbers | {"name": object})

    def refuse(bad: pd.Series, what: Callable[[pd.Series], str]) -> None:
        def say(position: int) -> str:
            row = table.iloc[position]
            return f"{where(int(row['item']))}: field {attribute}: box {row['box']} {what(row)}"

        common.refuse(bad, say)

    drawn = table["box"] > 0
    for side in SIDES:
        refuse(drawn & table[side].isna(), lambda row, side=side: f"has no number for {side}")
    refuse(drawn & table["name"].isna(), lambda row: f"has class_id {row['number']}, which its class-map lacks")
    table["class_id"] = common.class_ids(table["name"], classes)
    refuse(drawn & (table["class_id"] < 0), lambda row: "has class " + common.unknown_class(row["name"], classes))
    refuse(drawn & ~table["confidence"].between(0, 1), lambda row: "has a confidence that is no number from 0 to 1")
    refuse(drawn & ~has_area(table), lambda row: "has no area")
    limits = table[["picture_width", "picture_height"]].set_axis(["width", "height"], axis=1).set_axis(table["item"])
    sizes = limits[~limits.index.duplicated()]
    refuse_other_units(table[drawn], sizes, lambda row: where(int(table["item"][row])))
    for start, length in (("left", "width"), ("top", "height")):
        limit = table[f"picture_{length}"].fillna(np.inf)  # a line need not say how large its picture is
        end = table[start] + table[length]
        refuse(
            drawn & ((table[start] < -1) | (end > limit + 1)),
            lambda row, start=start, length=length: (
                f"reaches from {row[start]:g} to {row[start] + row[length]:g} in {start}, "
                f"outside the picture, whose {length} is {row[f'picture_{length}']:g}"
            ),
        )
        over = drawn & ((table[start] < 0) | (end > limit))
        table.loc[over, start] = table.loc[over, start].clip(lower=0)
        table.loc[over, length] = np.minimum(end, limit)[over] - table.loc[over, start]
    refuse(drawn & ~has_area(table), lambda row: "lies outside the picture")
    return table[["item", *COLUMNS, "confidence"]].astype({"item": np.int64})


def has_area(table: pd.DataFrame) -> pd.Series:
    """Whether each box has an area that a number can tell from 0."""
    sides = table[SIDES].to_numpy(float)
    found = (sides[:, 2:] > 0).all(axis=1) & (boxes.area(boxes.corners(sides)) > 0)
    return pd.Series(found, index=table.index)


def _read(item: int, label, metadata: dict, attribute: str, where: common.Where) -> list[tuple]:
    """One record's boxes as rows; a picture without boxes is one row, box 0."""
    annotations = label.get("annotations") if isinstance(label, dict) else None
    if not isinstance(annotations, list) or not all(isinstance(box, dict) for box in annotations):
        raise UserError(f"{where(item)}: field {attribute}: annotations is not a list of boxes")
    names = metadata.get("class-map", {})
    if not isinstance(names, dict):
        raise UserError(f"{where(item)}: field {attribute}-metadata: class-map is not an object of names by number")
    things = metadata.get("objects", [{}] * len(annotations))
    if not (
        isinstance(things, list)
        and len(things) == len(annotations)
        and all(isinstance(thing, dict) for thing in things)
    ):
        raise UserError(f"{where(item)}: field {attribute}-metadata: objects does not list one object a box")
    sizes = label.get("image_size", [{}])
    if not (isinstance(sizes, list) and len(sizes) == 1 and isinstance(sizes[0], dict)):
        raise UserError(f"{where(item)}: field {attribute}: image_size is not a list of one object")
    size = (common.number(sizes[0].get("width")), common.number(sizes[0].get("height")))
    if not annotations:
        return [(item, 0, None, None, 0.0, 0.0, 0.0, 0.0, 1.0, *size)]
    return [
        (
            item,
            place,
            repr(box.get("class_id")),
            names.get(str(box.get("class_id"))),
            *(common.number(box.get(side)) for side in SIDES),
            common.number(thing.get("confidence", 1.0)),
            *size,
        )
        for place, (box, thing) in enumerate(zip(annotations, things), 1)
    ]


def encode(
    labels: pd.DataFrame, items: pd.DataFrame, attribute: str, classes: list[str], job_name: str, created: str
) -> pd.Series:
    """Whole numbers are written without a fraction, as Ground Truth does. A picture of unknown size has no
    image_size."""
    labels, items = common.in_order(labels, items)
    drawn = labels[labels["class_id"] >= 0]
    first = drawn.drop_duplicates(["item", "class_id"])
    class_id, n = drawn["class_id"].to_numpy(), len(items)

    def lists(table: pd.DataFrame, members: pa.Array, ends: str = "[]") -> pa.Array:
        place = pd.Index(items["item"]).get_indexer(table["item"])
        return common.json_lists(members, np.bincount(place, minlength=n), ends)

    sides = {side: common.json_numbers(drawn[side]) for side in ("top", "left", "height", "width")}
    annotations = common.json_texts({"class_id": common.json_each(range(len(classes)), class_id), **sides}, len(drawn))
    things = common.json_texts({"confidence": common.json_confidence(drawn["confidence"])}, len(drawn))
    named = [f"{common.dumps(str(number))}:{common.dumps(name)}" for number, name in enumerate(classes)]
    names = pa.array(named, pa.large_string()).take(pa.array(first["class_id"].to_numpy()))

    label = {"annotations": lists(drawn, annotations)}
    size = {"image_size": [{side: common.json_numbers(items[side]) for side in ("width", "height", "depth")}]}
    known = pa.array((items["width"] > 0).to_numpy())
    return common.json_fields(
        {
            attribute: pc.if_else(known, common.json_texts(size | label, n), common.json_texts(label, n)),
            f"{attribute}-metadata": {
                "objects": lists(drawn, things),
                "class-map": lists(first, names, "{}"),
                "type": TYPE,
                "human-annotated": common.json_human(labels.drop_duplicates("item")["source"]),
                "creation-date": created,
                "job-name": job_name,
            },
        },
        items["item"],
    )


def read_answers(frame: pd.DataFrame, classes: list[str], mistakes: common.RowMistakes) -> pd.DataFrame:
    """An empty class, nothing to draw, is class_id -1."""
    empty, boxed = frame["class"] == "", (frame[SIDES] != "").any(axis=1)
    class_id = pd.Series(common.class_ids(frame["class"], classes), index=frame.index)
    mistakes.add((class_id < 0) & ~empty, "class", lambda row: common.unknown_class(frame["class"][row], classes))
    mistakes.add(empty & boxed, "class", "empty, though the row has a box; name its class")
    sides = frame[SIDES].apply(pd.to_numeric, errors="coerce").replace([np.inf, -np.inf], np.nan).astype(float)
    for side in SIDES:
        mistakes.add(
            ~empty & sides[side].isna(), side, lambda row, side=side: f"{frame[side][row][:60]!r} is not a number"
        )
    for side in ("width", "height"):
        mistakes.add(~empty & (sides[side] <= 0), side, "the box has no area")
    return pd.concat([class_id.rename("class_id"), sides.fillna(0.0)], axis=1)


def write_answers(labels: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """Where there is nothing to draw, class and sides are empty."""
    drawn = labels["class_id"].to_numpy() >= 0
    text = {"class": common.class_names(labels["class_id"], classes)}
    for side in SIDES:
        text[side] = np.where(drawn, common.json_numbers(labels[side]).to_numpy(zero_copy_only=False), "")
    return pd.DataFrame(text, index=labels.index, dtype="str")


def check(labels: pd.DataFrame, items: pd.DataFrame, mistakes: common.RowMistakes) -> pd.DataFrame:
    """A box may stick out of its picture by SLACK and is cut there. A box that sticks out further or has nothing of the
    picture is a mistake, and so are nothing together with more, and boxes that are not in pixels."""
    drawn, size = labels["class_id"] >= 0, items.set_index("item")
    mistakes.add(drawn & ~has_area(labels), "width", "the box has no area")
    units = other_units(labels[drawn], size)
    mistakes.add(drawn & bool(units), "width", units)
    for start, length in (("left", "width"), ("top", "height")):
        limit = labels["item"].map(size[length])
        end = labels[start] + labels[length]
        beside = (labels[start] < -SLACK) | (end > limit + SLACK) | (end <= 0) | (labels[start] >= limit)

        def say(row, start=start, length=length, end=end, limit=limit) -> str:
            return (
                f"the box reaches from {labels[start][row]:g} to {end[row]:g}, outside the picture, "
                f"whose {length} is {limit[row]:g}"
            )

        mistakes.add(drawn & (limit > 0) & beside, start, say)
    who = [column for column in ("item", "worker") if column in labels]
    again = labels.groupby(who)["class_id"].transform("size") > 1

    def more(row) -> str:
        said = f"{labels['worker'][row]} says" if "worker" in labels else "an empty class says"
        return f"{said} that there is nothing to draw, and more about the same item; take one out"

    mistakes.add(again & ~drawn, "class", more)
    return cut(labels, size)


def cut(labels: pd.DataFrame, size: pd.DataFrame) -> pd.DataFrame:
    """The labels without what lies outside their pictures. size: (width, height), 0 where unknown; index: item."""
    labels = labels.copy()
    for start, length in (("left", "width"), ("top", "height")):
        limit, end = labels["item"].map(size[length]), labels[start] + labels[length]
        out = (labels["class_id"] >= 0) & (limit > 0) & ((labels[start] < 0) | (end > limit))
        if not out.any():
            continue
        labels.loc[out, start] = labels.loc[out, start].clip(lower=0)
        labels.loc[out, length] = np.minimum(end, limit)[out] - labels.loc[out, start]
    return labels


def refuse_other_units(drawn: pd.DataFrame, size: pd.DataFrame, where: common.Where) -> None:
    """Refuses boxes that are not in pixels."""
    if why := other_units(drawn, size):
        raise UserError(f"{where(drawn.index[0])}: field width: {why}")


def other_units(drawn: pd.DataFrame, size: pd.DataFrame) -> str:
    """Why the boxes seem not to be in pixels; empty where they may be.

    Boxes that all end within the first pixel of their pictures are shares of width and height.
    """
    if drawn.empty:
        return ""
    far = (drawn[["left", "top"]].to_numpy() + drawn[["width", "height"]].to_numpy()).max()
    pictures = drawn["item"].map(size[["width", "height"]].max(axis=1)).to_numpy()
    if far > 1 or not (pictures > 2).any():
        return ""
    these = "the box lies" if len(drawn) == 1 else f"all {len(drawn)} boxes lie"
    return (
        f"{these} between 0 and 1, so the numbers seem to be shares of the picture's width and height; "
        "multiply them: a box is given in pixels"
    )


def scaled(labels: pd.DataFrame, factor: float) -> pd.DataFrame:
    return labels.assign(**{side: labels[side] * factor for side in SIDES})


def words(label: pd.DataFrame, classes: list[str]) -> str:
    """`cat × 3, dog`, or `nothing`."""
    counts = label.loc[label["class_id"] >= 0, "class_id"].value_counts(sort=False).sort_index()
    names = [classes[number] + (f" × {n}" if n > 1 else "") for number, n in counts.items()]
    return ", ".join(names) or "nothing"


def draw(picture: "Image.Image", labels: pd.DataFrame, classes: list[str]) -> "Image.Image":
    """A copy of the picture with its boxes, a colour for each class, and each box's class above it."""
    from PIL import ImageDraw

    result = picture.convert("RGB")
    pen = ImageDraw.Draw(result)
    smallest = min(result.size)
    line, size = max(2, smallest // 150), max(10, smallest // 28)
    table = labels[labels["class_id"] >= 0]
    rows = list(zip(table["class_id"].tolist(), *(table[side].tolist() for side in SIDES)))
    for number, left, top, width, height in rows:
        pen.rectangle([left, top, left + width, top + height], outline=common.colour(number), width=line)
    for number, left, top, _, _ in rows:  # names last, so that no line runs through them
        common.caption(pen, (left, top), classes[number], common.colour(number), size, result.size)
    return result
