"""Boxes around the things on a picture, each with a class. Its quality is a picture's mean IoU."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from roundtruth import boxes, consolidation
from roundtruth.boxes import SIDES
from roundtruth.consolidation import asking as asking_on
from roundtruth.consolidation.asking import Asking
from roundtruth.curves import Losses
from roundtruth.errors import UserError
from roundtruth.kinds import common
from roundtruth.plural import counted
from roundtruth.settings import Boxes

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
FURTHER = 0.4
CURVE = Losses()
LEARNER = "roundtruth.learners.detector:Detector"

ROUNDING = 2  # pixels by which a box may stick out of its picture; it is cut there


def consolidate(
    answers: pd.DataFrame, classes: list[str], learn: np.ndarray | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Several people's boxes become labels and workers; see `roundtruth.consolidation.boxes`."""
    return consolidation.boxes(answers, learn=learn)


def unsure(answers: pd.DataFrame, classes: list[str], asking: Asking, learn: np.ndarray | None = None) -> np.ndarray:
    """The items that need one more answer; see `roundtruth.consolidation.asking`."""
    return asking_on.objects(answers, asking, learn)


def poor(answers: pd.DataFrame) -> bool:
    """Whether people agree too little to stop before the most answers; see `roundtruth.consolidation.asking`."""
    return asking_on.poor_at_objects(answers)


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
    """A class is known by its name in the record's class-map: the numbers of two lines need not agree. The index is a
    box's place in its record, from 1; 0: there is nothing on the picture."""
    labels, metadata, mistakes = common.fields(records, items, attribute, TYPE, where)
    missing, rows = dict(mistakes.reasons()), []
    for at, item in enumerate(items.tolist()):
        fault = missing.get(at)
        rows += [_fault(item, fault)] if fault else _read(item, labels[at], metadata[at], attribute, where)
    columns = ["item", "box", "number", "name", *SIDES, "confidence", "fault"]
    table = pd.DataFrame(rows, columns=columns)
    table = table.astype(dict.fromkeys([*SIDES, "confidence"], float) | {"name": object, "fault": object})
    found, drawn = common.RowMistakes(), table["box"] > 0

    def add(bad: pd.Series, what: Callable[[pd.Series], str]) -> None:
        def say(position: int) -> str:
            row = table.iloc[position]
            return f"{where(int(row['item']))}: field {attribute}: box {row['box']} {what(row)}"

        found.add(drawn & bad, "", say)

    found.add(table["fault"].notna(), "", lambda position: table["fault"].iloc[position])
    for side in SIDES:
        add(table[side].isna(), lambda row, side=side: f"has no number for {side}")
    add(table["name"].isna(), lambda row: f"has class_id {row['number'][:60]}, which its class-map lacks; add it there")
    table["class_id"] = common.class_ids(table["name"], classes)
    add(table["class_id"] < 0, lambda row: "has class " + common.unknown_class(row["name"], classes))
    add(~table["confidence"].between(0, 1), lambda row: "has a confidence that is no number from 0 to 1")
    add(~has_area(table), lambda row: "has no area")
    found.refuse()
    numbers = table["number"].astype(str).str.strip("'\"")
    columns = ["item", *COLUMNS, "confidence", "as_is"]
    table["as_is"] = ~drawn | (numbers == table["class_id"].astype(str))
    return table.set_index("box").rename_axis(None)[columns].astype({"item": np.int64})


def has_area(table: pd.DataFrame) -> pd.Series:
    """`_area` of the rows of a table."""
    return pd.Series(_area(table[SIDES].to_numpy(float)), index=table.index)


def _fault(item: int, text: str) -> tuple:
    return (item, 0, None, None, 0.0, 0.0, 0.0, 0.0, 1.0, text)


def _read(item: int, label, metadata: dict, attribute: str, where: common.Where) -> list[tuple]:
    """One record's boxes as rows; a picture without boxes is one row, box 0."""
    annotations = label.get("annotations") if isinstance(label, dict) else None
    if not isinstance(annotations, list) or not all(isinstance(box, dict) for box in annotations):
        return [_fault(item, f"{where(item)}: field {attribute}: annotations is not a list of boxes")]
    names = metadata.get("class-map", {})
    place = f"{where(item)}: field {attribute}-metadata"
    if not isinstance(names, dict):
        return [_fault(item, f"{place}: class-map is not an object of names by number")]
    things = metadata.get("objects", [{}] * len(annotations))
    if not (
        isinstance(things, list)
        and len(things) == len(annotations)
        and all(isinstance(thing, dict) for thing in things)
    ):
        return [_fault(item, f"{place}: objects does not list one object a box")]
    sizes = label.get("image_size", [{}])
    if not (isinstance(sizes, list) and len(sizes) == 1 and isinstance(sizes[0], dict)):
        return [_fault(item, f"{where(item)}: field {attribute}: image_size is not a list of one object")]
    if not annotations:
        return [(item, 0, None, None, 0.0, 0.0, 0.0, 0.0, 1.0, None)]
    return [
        (
            item,
            number,
            repr(box.get("class_id")),
            names.get(str(common.whole(box.get("class_id")))),
            *(common.number(box.get(side)) for side in SIDES),
            common.confidence_of(thing),
            None,
        )
        for number, (box, thing) in enumerate(zip(annotations, things), 1)
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
    sides = frame[SIDES].apply(pd.to_numeric, errors="coerce").astype(float)
    sides = sides.where(sides.abs() < common.LARGEST)
    for side in SIDES:
        mistakes.add(
            ~empty & (boxed | (class_id >= 0)) & sides[side].isna(),
            side,
            lambda row, side=side: f"{frame[side][row][:60]!r} is not a number",
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


def suspect(labels: pd.DataFrame, items: pd.DataFrame, mistakes: common.RowMistakes) -> None:
    """Boxes that are shares or per cent of the picture by all their numbers."""
    drawn = (labels["class_id"] >= 0) & has_area(labels)
    sides, limits = sides_and_limits(labels, items)
    unit = other_unit(sides[drawn.to_numpy()], limits[drawn.to_numpy()])
    if unit:
        why = why_other_unit(int(drawn.sum()), unit)
        mistakes.add(drawn, "width", f"{why}; multiply them: a box is given in pixels")
    share = f"{why_other_unit(1, 'relative')}; multiply them: a box is given in pixels"
    mistakes.add(drawn & is_share(sides, limits), "width", share)


def check(labels: pd.DataFrame, items: pd.DataFrame, mistakes: common.RowMistakes) -> pd.DataFrame:
    """A box may stick out of its picture by ROUNDING and is cut there. A box that sticks out further or has nothing of
    the picture is a mistake, and so is nothing together with more."""
    drawn = labels["class_id"] >= 0
    mistakes.add(drawn & ~has_area(labels), "width", "the box has no area")
    sides, limits = sides_and_limits(labels, items)
    known = (limits > 0).all(axis=1)
    for side, bad, say in outside(sides, limits):
        mistakes.add(drawn & known & bad, side, lambda row, say=say: say(labels.index.get_loc(row)))
    again = labels.groupby(["item", "worker"])["class_id"].transform("size") > 1

    def more(row) -> str:
        return f"{labels['worker'][row]} says that there is nothing to draw, and more about the same item; take one out"

    mistakes.add(again & ~drawn, "class", more)
    return labels.assign(**dict(zip(SIDES, np.where(known[:, None], clipped(sides, limits), sides).T)))


def sides_and_limits(labels: pd.DataFrame, items: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The sides of each box (n, 4), and width and height of its picture (n, 2)."""
    limits = items.set_index("item").reindex(labels["item"])[["width", "height"]]
    return labels[SIDES].to_numpy(float), limits.to_numpy(float)


def within(predictions: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """Boxes that stand out of their picture are cut there. One that has nothing in it is taken out; where it was the
    only one of its picture, the picture has nothing."""
    limits = sizes.set_index("item").reindex(predictions["item"])[["width", "height"]].to_numpy(float)
    sides = clipped(predictions[SIDES].to_numpy(float), limits)
    predictions = predictions.assign(**dict(zip(SIDES, sides.T)))
    gone = (predictions["class_id"] >= 0) & ~has_area(predictions)
    left = predictions["item"].isin(predictions["item"][~gone])
    predictions.loc[gone, ["class_id", *SIDES]] = [-1, 0.0, 0.0, 0.0, 0.0]
    again = gone & (left | predictions["item"].where(gone).duplicated())
    return predictions[~again].reset_index(drop=True)


# -- the boxes of a dataset, on the pictures as they are seen

NOISE = 0.01  # pixels by which a box sticks out where shares of a picture were written with six digits
STUCK_OUT = f"box[|es] that stuck out of [its picture|their pictures] by at most {ROUNDING} pixels [was|were] cut"
CHANCE = 1e-4  # that boxes in pixels all lie within the first 100 of them, below which they are taken for per cent


def fit(labels: pd.DataFrame, pictures: pd.DataFrame, given: Boxes, where: Callable[[int, int], str]) -> common.Fitted:
    """In pixels of the picture seen upright, cut at its sides, and each box once. A column `area` of `labels` is the
    area that the dataset states.

    Raises UserError for boxes without area, for those that reach out of their picture by more than 2 pixels, for
    nothing together with a box, and for boxes that all seem to be written in another way than `given` says.
    """
    drawn = labels[labels["class_id"] >= 0]
    if drawn.empty:
        return common.Fitted(labels, (), np.array([], np.int64))
    rows, mistakes = pictures.reindex(drawn["item"]), common.RowMistakes()
    stated, seen = (rows[names].to_numpy(float) for names in (["stated_width", "stated_height"], ["width", "height"]))
    stated, seen = np.where(stated > 0, stated, seen), np.where(seen > 0, seen, stated)

    def place(row: int) -> str:
        return where(int(drawn["item"].iloc[row]), int(drawn.index[row]))

    written = drawn[SIDES].to_numpy(float)
    area = drawn["area"].to_numpy(float) if "area" in drawn else np.full(len(drawn), np.nan)
    sides = in_pixels(written, stated, area, given, mistakes, place)
    if given.size == "as-stated":
        sides, stated = turned(sides, stated, seen, rows["orientation"].to_numpy())
        sides = scaled_to(seen, sides, stated, mistakes)
    mistakes.add(~_area(sides), "", "the box has no area")
    for side, bad, say in outside(sides, seen):
        mistakes.add(bad, "", lambda row, side=side, say=say: f"{side}: {say(row)}")
    mistakes.add(_with_nothing(labels, drawn), "", "a box, and the file says there is nothing")
    mistakes.refuse(place)
    return _tidied(labels, drawn, written, sides, seen)


def in_pixels(
    sides: np.ndarray, size: np.ndarray, area: np.ndarray, given: Boxes, mistakes: common.RowMistakes, place
) -> np.ndarray:
    """(n, 4) left, top, width, height in pixels, from boxes as they are written on pictures of `size` (n, 2). area: as
    the dataset states it (NaN: it does not)."""
    result = sides.copy()
    if given.form == "corners":
        result[:, 2:] -= result[:, :2]
        mistakes.add((result[:, 2:] <= 0).any(axis=1), "", "right or bottom is not beyond left or top")
    if given.unit in ("relative", "percent"):
        unknown = (
            "the size of the picture is not known, and the box is a share of it; correct it, or take the label out"
        )
        mistakes.add((size <= 0).any(axis=1), "", unknown)
        return result * np.tile(size, 2) / (100 if given.unit == "percent" else 1)
    unit = None if given.unit else other_unit(result, size)
    if unit:
        raise UserError(
            f"{place(0)}: {why_other_unit(len(sides), unit)}; say `boxes: {{unit: {unit}}}` in the job file, or "
            "{unit: pixel}"
        )
    if not given.unit:
        what = f"{why_other_unit(1, 'relative')}; correct it, or say `boxes: {{unit: pixel}}` in the job file"
        mistakes.add(is_share(result, size), "", what)
    why = None if given.form else why_corners(result, size, area)
    if why:
        raise UserError(
            f"{place(0)}: the {counted(len(sides), 'box[|es] [seems|seem]')} to be left, top, right and bottom, not "
            f"left, top, width and height: {why}; say `boxes: {{form: corners}}` in the job file, or {{form: size}}"
        )
    return result


UNITS = {
    "relative": "between 0 and 1, so the numbers seem to be shares of the picture's width and height",
    "percent": "within the first 100 pixels of larger pictures, so the numbers seem to be per cent of the picture's "
    "width and height",
}


def other_unit(sides: np.ndarray, size: np.ndarray) -> str | None:
    """The unit of boxes (n, 4) on pictures of `size` (n, 2; 0 or NaN: unknown) that are not in pixels by all their
    numbers."""
    if len(sides) == 0:
        return None
    most, size = sides.max(), np.nan_to_num(size)
    ends, fractions = (sides[:, :2] + sides[:, 2:]).max(), (sides[:, 2:] % 1 > 0).any()
    if most <= 1 and (ends <= 1 or fractions) and size.max() > 2:  # ends of corners may add up to 2
        return "relative"
    by_chance = np.log10(np.minimum(1, 100 / np.maximum(size, 1))).sum()
    return "percent" if most <= 100 and ends > 50 and by_chance < np.log10(CHANCE) else None


def is_share(sides: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Which boxes (n, 4) on pictures of `size` (n, 2) are shares of their picture, among others that are in pixels."""
    parts = sides % 1 > 0
    inside = ((sides[:, :2] + sides[:, 2:]) <= 1).all(axis=1) | parts[:, 2:].any(axis=1)  # ends of corners reach 2
    return (sides.max(axis=1) <= 1) & parts.any(axis=1) & inside & (np.nan_to_num(size).max(axis=1) > 2)


def why_other_unit(number: int, unit: str) -> str:
    return f"{'the box lies' if number == 1 else f'all {number:,} boxes lie'} {UNITS[unit]}"


def why_corners(sides: np.ndarray, size: np.ndarray, area: np.ndarray) -> str | None:
    """Why boxes (n, 4) seem to be left, top, right, bottom rather than left, top, width, height."""
    limit, between = np.where(size > 0, size, np.inf), sides[:, 2:] - sides[:, :2]
    if len(sides) == 0 or (between <= 0).any() or (sides[:, 2:] > limit + ROUNDING).any():
        return None
    if (sides[:, :2] + sides[:, 2:] > limit + ROUNDING).any():
        return "read so, none reaches out of its picture"
    told = area > 0
    as_size, as_corners = (
        told.any() and np.allclose(lengths[told].prod(axis=1), area[told], rtol=0.01)
        for lengths in (sides[:, 2:], between)
    )
    return "read so, they have the area that the file states" if as_corners and not as_size else None


def turned(
    sides: np.ndarray, stated: np.ndarray, seen: np.ndarray, orientation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(boxes, sizes) upright, from boxes on pictures of the size `stated`: they are turned by the picture's EXIF
    orientation where the stated size is that of the unturned picture."""
    left, top, width, height = sides.T
    wide, high = stated.T
    steep = (orientation >= 5) & (wide != high) & ((wide > high) != (seen[:, 0] > seen[:, 1]))
    across = np.where(np.isin(orientation, (6, 7)), high - top - height, top)  # 6: a quarter turn to the right
    down = np.where(np.isin(orientation, (7, 8)), wide - left - width, left)  # 8: to the left; 5 and 7: mirrored, too
    upright = np.stack([across, down, height, width], axis=1)
    return np.where(steep[:, None], upright, sides), np.where(steep[:, None], stated[:, ::-1], stated)


def scaled_to(seen: np.ndarray, sides: np.ndarray, stated: np.ndarray, mistakes: common.RowMistakes) -> np.ndarray:
    """Boxes on pictures of the size `stated`, on pictures of the size `seen`. A picture of another shape is a
    mistake: it was cropped, or turned without a word about it in its EXIF, and nobody can say where its boxes are."""
    scale = np.where(stated > 0, seen / np.maximum(stated, 1), 1.0)
    off = np.abs(stated[:, 1] * scale[:, 0] - seen[:, 1])
    rounding = np.maximum(np.maximum(1, scale[:, 0]), 0.02 * seen[:, 1])  # a pixel, on either picture; or 2 per cent

    def say(row: int) -> str:
        (wide, high), (width, height) = stated[row], seen[row]
        return (
            f"the file says {wide:g} x {high:g} pixels, the picture has {width:g} x {height:g}: it has "
            "another shape, so it was cropped, or turned without EXIF; put the picture back, or correct the label"
        )

    mistakes.add(off > rounding, "", say)
    return sides * np.tile(scale, 2)


def outside(sides: np.ndarray, size: np.ndarray) -> Iterator[tuple[str, np.ndarray, Callable[[int], str]]]:
    """`left`, then `top`: which boxes (n, 4) reach out of pictures of `size` (n, 2; 0: unknown) there by more than
    ROUNDING, or have nothing of them; and what to say about one of these, by its position."""
    for axis, (start, length) in enumerate((("left", "width"), ("top", "height"))):
        begin, end = sides[:, axis], sides[:, axis] + sides[:, axis + 2]
        limit = np.where(size[:, axis] > 0, size[:, axis], np.inf)
        bad = (begin < -ROUNDING) | (end > limit + ROUNDING) | (end <= 0) | (begin >= limit)

        def say(row: int, length=length, begin=begin, end=end, limit=limit) -> str:
            return (
                f"the box reaches from {begin[row]:g} to {end[row]:g}, "
                f"outside the picture, whose {length} is {limit[row]:g}"
            )

        yield start, bad, say


def clipped(sides: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Boxes (n, 4) cut at the edges of pictures of `size` (n, 2; 0: unknown)."""
    limit = np.where(size > 0, size, np.inf)
    start, end = sides[:, :2], sides[:, :2] + sides[:, 2:]
    inside = (start >= 0) & (end <= limit)  # not so where a side is no number
    cut = np.clip(start, 0, limit)
    lengths = np.where(inside, sides[:, 2:], np.clip(end, 0, limit) - cut)
    return np.hstack([np.where(inside, start, cut), lengths])


def _area(sides: np.ndarray) -> np.ndarray:
    """Whether each box has an area that a number can tell from 0."""
    return (sides[:, 2:] > 0).all(axis=1) & (boxes.area(boxes.corners(sides)) > 0)


def _with_nothing(labels: pd.DataFrame, drawn: pd.DataFrame) -> np.ndarray:
    return drawn["item"].isin(labels.loc[labels["class_id"] < 0, "item"]).to_numpy()


def _tidied(
    labels: pd.DataFrame, drawn: pd.DataFrame, written: np.ndarray, sides: np.ndarray, size: np.ndarray
) -> common.Fitted:
    """The boxes cut at the sides of their pictures, each once."""
    limit = np.where(size > 0, size, np.inf)
    out = np.maximum(-sides[:, :2], sides[:, :2] + sides[:, 2:] - limit).max(axis=1)
    sides = clipped(sides, size)
    fitted = drawn.assign(**dict(zip(SIDES, sides.T)))
    again = fitted.duplicated(["item", *COLUMNS]).to_numpy()
    changed = (sides != written).any(axis=1) | again
    notes = (
        (int((out > NOISE).sum()), STUCK_OUT),
        (int(again.sum()), "box[|es] that [was|were] there twice [was|were] taken once"),
    )
    empty = labels[labels["class_id"] < 0]
    kept = pd.concat([fitted[~again], empty]).sort_values("item", kind="stable") if len(empty) else fitted[~again]
    return common.Fitted(kept, tuple(note for note in notes if note[0]), drawn["item"].to_numpy()[changed])


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
