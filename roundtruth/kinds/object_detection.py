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


def read_answers(frame: pd.DataFrame, classes: list[str], where: common.Where) -> pd.DataFrame:
    """An empty class, nothing to draw, is class_id -1."""

    def refuse(bad: pd.Series, field: str, what: Callable[[pd.Series], str]) -> None:
        if bad.any():
            row = bad.idxmax()
            raise UserError(f"{where(row)}: field {field}: {what(frame.loc[row])}")

    empty = frame["class"] == ""
    class_id = pd.Series(common.class_ids(frame["class"], classes), index=frame.index)
    refuse((class_id < 0) & ~empty, "class", lambda row: common.unknown_class(row["class"], classes))
    sides = frame[SIDES].apply(pd.to_numeric, errors="coerce").replace([np.inf, -np.inf], np.nan)
    for side in SIDES:
        refuse(empty & (frame[side] != ""), "class", lambda row: "empty, though the row has a box; name its class")
        refuse(~empty & sides[side].isna(), side, lambda row, side=side: f"{row[side]!r} is not a number")
    for side in ("width", "height"):
        refuse(~empty & ~(sides[side] > 0), side, lambda row: "the box has no area")
    return pd.concat([class_id.rename("class_id"), sides.astype(float).fillna(0.0)], axis=1)


def write_answers(labels: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """Where there is nothing to draw, class and sides are empty."""
    drawn = labels["class_id"].to_numpy() >= 0
    text = {"class": common.class_names(labels["class_id"], classes)}
    for side in SIDES:
        text[side] = np.where(drawn, common.json_numbers(labels[side]).to_numpy(zero_copy_only=False), "")
    return pd.DataFrame(text, index=labels.index, dtype="str")


def check(labels: pd.DataFrame, items: pd.DataFrame, where: common.Where) -> None:
    """Refuses a box that stands out of its picture by more than a pixel of rounding or has nothing of it, nothing
    together with more, and boxes that are not in pixels."""
    drawn, size = labels["class_id"] >= 0, items.set_index("item")
    common.refuse(drawn & ~has_area(labels), lambda at: f"{where(labels.index[at])}: field width: the box has no area")
    refuse_other_units(labels[drawn], size, where)
    for start, length in (("left", "width"), ("top", "height")):
        limit = labels["item"].map(size[length])
        end = labels[start] + labels[length]
        beside = (labels[start] < -1) | (end > limit + 1) | (end <= 0) | (labels[start] >= limit)

        def say(at: int, start=start, length=length, end=end, limit=limit) -> str:
            return (
                f"{where(labels.index[at])}: field {start}: the box reaches from {labels[start].iloc[at]:g} to "
                f"{end.iloc[at]:g}, outside the picture, whose {length} is {limit.iloc[at]:g}"
            )

        common.refuse(drawn & (limit > 0) & beside, say)
    who = [column for column in ("item", "worker") if column in labels]
    again = labels.groupby(who)["class_id"].transform("size") > 1
    nothing = labels.groupby(who)["class_id"].transform("min") == -1
    if (again & nothing).any():
        row = labels.index[(again & nothing).to_numpy()][-1]
        said = f"{labels['worker'][row]} says" if "worker" in labels else "an empty class says"
        raise UserError(
            f"{where(row)}: class: {said} that there is nothing to draw, and more about the same item; take one out"
        )


def within(predictions: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Boxes that stand out of their picture are cut there. One that has nothing in it is taken out; where it was the
    only one of its picture, the picture has nothing."""
    limits = sizes.set_index("item").reindex(predictions["item"])[["width", "height"]].to_numpy(float)
    corners = boxes.corners(predictions[SIDES].to_numpy(float))
    out = ~((corners[:, :2] >= 0) & (corners[:, 2:] <= limits)).all(axis=1)  # also where a side is no number
    cut = np.clip(corners[out], 0, np.tile(limits[out], 2))
    predictions = predictions.copy()
    predictions.loc[out, SIDES] = np.concatenate([cut[:, :2], cut[:, 2:] - cut[:, :2]], axis=1)
    gone = (predictions["class_id"] >= 0) & ~has_area(predictions)
    left = predictions["item"].isin(predictions["item"][~gone])
    predictions.loc[gone, ["class_id", *SIDES]] = [-1, 0.0, 0.0, 0.0, 0.0]
    again = gone & (left | predictions["item"].where(gone).duplicated())
    return predictions[~again].reset_index(drop=True)


def refuse_other_units(drawn: pd.DataFrame, size: pd.DataFrame, where: common.Where) -> None:
    """Refuses boxes that all end within the first pixel of their pictures: they are shares of width and height."""
    if drawn.empty:
        return
    far = (drawn[["left", "top"]].to_numpy() + drawn[["width", "height"]].to_numpy()).max()
    pictures = drawn["item"].map(size[["width", "height"]].max(axis=1)).to_numpy()
    if far <= 1 and (pictures > 2).any():
        these = "the box lies" if len(drawn) == 1 else f"all {len(drawn)} boxes lie"
        raise UserError(
            f"{where(drawn.index[0])}: field width: {these} between 0 and 1, so the numbers seem to be shares of the "
            "picture's width and height; multiply them: a box is given in pixels"
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
