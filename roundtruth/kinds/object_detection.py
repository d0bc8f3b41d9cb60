"""Boxes around the things on a picture, each with a class. Its quality is a picture's mean IoU."""

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from roundtruth import consolidation
from roundtruth.draw import uniforms
from roundtruth.errors import UserError
from roundtruth.kinds import common

NAME = "object-detection"
TYPE = "groundtruth/object-detection"
SIDES = ["left", "top", "width", "height"]
COLUMNS = ["class_id", *SIDES]
BINARY = False
QUALITY = 0.6
QUALITY_NAME = "mean IoU"
LEARNER = "roundtruth.learners.detector:Detector"

# simulated people, see err. Distances are in units that a box of an eighth of the picture's size (the root of its area)
# has as UNIT of the picture's size
UNIT, GROWTH = 0.0083, 0.3
MARGIN, HABIT = 0.3, 0.4  # outward: the crowd's, and how workers differ in it
SHARED, SWELL, OWN = 0.4, 0.3, 0.47
LOOSE, SLOPPY = 0.4, 0.08  # how workers differ in looseness; the share of very loose ones
SLIPS, UNCLEAR = 0.15, 0.06  # boxes, and objects, whose errors are 3.5 times as large
MISS = (-4.1, -3.43, 1.5, 0.5)  # log odds by log size: slope, where they are even, spread of objects and of workers
OVERLOOKED = 0.01  # the odds of missing what nobody would
IMAGINED, DECOYS = 0.014, (0.03, 0.35)
MISTAKEN = 0.03  # boxes of a wrong class: a guess

PAIRS = 4_000_000  # pairs of boxes compared at once: about 500 MB


def consolidate(
    answers: pd.DataFrame, classes: list[str], learn: np.ndarray | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Several people's boxes become labels (item, COLUMNS, confidence) and workers (worker, answers, skill); see
    `roundtruth.consolidation.boxes`."""
    return consolidation.boxes(answers, learn=learn)


def quality(labels: pd.DataFrame, reference: pd.DataFrame) -> pd.Series:
    """Each picture's mean IoU in [0, 1], for the items in both tables; index: item, sorted.

    In falling confidence (or score; without either, in the order of the table) each box of `labels` takes the free
    reference box of its class with the highest IoU above 0. What stays unmatched on either side counts 0. The mean over
    matches and unmatched is the picture's quality; two empty pictures agree, which is 1.
    """
    items = np.intersect1d(labels["item"].to_numpy(np.int64), reference["item"].to_numpy(np.int64))
    order = next((column for column in ("confidence", "score") if column in labels), None)
    drawn, wanted = _boxes(labels, items, order), _boxes(reference, items, None)
    found, expected = (np.bincount(side["place"], minlength=len(items)) for side in (drawn, wanted))
    total, matched = np.zeros(len(items)), np.zeros(len(items))
    # pictures are taken together, in blocks that bound the number of pairs
    block = np.cumsum(found * expected) // PAIRS
    for number in np.unique(block):
        first, last = np.searchsorted(block, [number, number + 1])
        place, overlap = _match(
            {k: v[slice(*np.searchsorted(drawn["place"], [first, last]))] for k, v in drawn.items()},
            {k: v[slice(*np.searchsorted(wanted["place"], [first, last]))] for k, v in wanted.items()},
        )
        total += np.bincount(place, overlap, minlength=len(items))
        matched += np.bincount(place, minlength=len(items))
    union = found + expected - matched
    mean = np.divide(total, union, out=np.ones(len(items)), where=union > 0)
    return pd.Series(mean, index=pd.Index(items, name="item"), name="quality")


def _boxes(labels: pd.DataFrame, items: np.ndarray, order: str | None) -> dict[str, np.ndarray]:
    """The boxes on `items`, sorted by picture and then falling `order`; place is the picture's position in `items`."""
    table = labels[labels["class_id"].ge(0) & labels["item"].isin(items)]
    place = np.searchsorted(items, table["item"].to_numpy(np.int64))
    fall = -table[order].to_numpy(float) if order else np.zeros(len(table))
    turn = np.lexsort([fall, place])
    left, top, width, height = table[SIDES].to_numpy(float)[turn].T
    return {
        "place": place[turn],
        "class_id": table["class_id"].to_numpy(np.int64)[turn],
        "left": left,
        "top": top,
        "right": left + width,
        "bottom": top + height,
    }


def _match(drawn: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Greedy matching in all pictures at once: their first boxes choose together, then their second ones, and so on.
    Gives the matches' pictures and IoUs."""
    starts, ends = (np.searchsorted(wanted["place"], drawn["place"], side) for side in ("left", "right"))
    one = np.repeat(np.arange(len(starts)), ends - starts)
    other = np.arange(len(one)) - np.repeat(np.cumsum(ends - starts) - ends, ends - starts)
    same = drawn["class_id"][one] == wanted["class_id"][other]
    one, other = one[same], other[same]
    value = iou(*({k: v[rows] for k, v in side.items()} for side, rows in ((drawn, one), (wanted, other))))
    one, other, value = one[value > 0], other[value > 0], value[value > 0]

    place = drawn["place"]
    rank = np.arange(len(place)) - np.searchsorted(place, place)  # a box's turn within its picture
    turn = np.lexsort([other, -value, one, rank[one]])
    one, other, value = one[turn], other[turn], value[turn]
    free = np.ones(len(wanted["place"]), bool)
    chosen = []
    edges = np.flatnonzero(np.diff(rank[one], prepend=-1, append=-1)) if len(one) else np.zeros(1, int)
    for start, end in pairwise(edges):
        left = start + np.flatnonzero(free[other[start:end]])
        best = left[np.diff(one[left], prepend=-1) != 0]  # each box's best free partner comes first
        free[other[best]] = False
        chosen.append(best)
    pairs = np.concatenate(chosen) if chosen else np.zeros(0, int)
    return place[one[pairs]], value[pairs]


def iou(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> np.ndarray:
    """Intersection over union, box by box; exactly 1 for equal boxes. Columns left, top, right, bottom."""
    width = np.minimum(a["right"], b["right"]) - np.maximum(a["left"], b["left"])
    height = np.minimum(a["bottom"], b["bottom"]) - np.maximum(a["top"], b["top"])
    both = np.maximum(width, 0) * np.maximum(height, 0)
    area_a, area_b = ((box["right"] - box["left"]) * (box["bottom"] - box["top"]) for box in (a, b))
    return both / (area_a + area_b - both)


def confidence(predictions: pd.DataFrame) -> pd.Series:
    """A picture's confidence is the mean score of its boxes; index: item, sorted."""
    return predictions.groupby("item")["score"].mean().rename("confidence")


def objects(labels: pd.DataFrame) -> pd.Series:
    """The number of boxes of each picture; index: item, sorted."""
    return labels["class_id"].ge(0).groupby(labels["item"]).sum().rename("objects")


def decode(
    records: Iterable[tuple[int, dict]],
    attribute: str,
    classes: list[str],
    where: Callable[[int], str],
) -> pd.DataFrame:
    """Labels (item, COLUMNS, confidence) of (item, manifest record) pairs.

    A class is known by its name in the record's class-map: the numbers of two lines need not agree. `where(item)` is
    the place an error names. A box may stand out of the picture by a pixel of rounding and is cut there; one without a
    confidence has 1.
    """
    rows = []
    for item, record in records:
        rows += _read(item, record, attribute, where)
    columns = ["item", "box", "number", "name", *SIDES, "confidence", "picture_width", "picture_height"]
    table = pd.DataFrame(rows, columns=columns)
    table = table.astype(dict.fromkeys([*SIDES, "confidence", "picture_width", "picture_height"], float))

    def refuse(bad: pd.Series, what: Callable[[pd.Series], str]) -> None:
        if bad.any():
            row = table.loc[bad.idxmax()]
            raise UserError(f"{where(int(row['item']))}: field {attribute}: box {row['box']} {what(row)}")

    drawn = table["box"] > 0
    for side in SIDES:
        refuse(drawn & table[side].isna(), lambda row, side=side: f"has no number for {side}")
    refuse(drawn & table["name"].isna(), lambda row: f"has class_id {row['number']}, which its class-map lacks")
    table["class_id"] = common.class_ids(table["name"], classes)
    refuse(drawn & (table["class_id"] < 0), lambda row: "has class " + common.unknown_class(row["name"], classes))
    refuse(drawn & ~table["confidence"].between(0, 1), lambda row: "has a confidence that is no number from 0 to 1")
    refuse(drawn & ~(table[["width", "height"]] > 0).all(axis=1), lambda row: "has no area")
    for start, length in (("left", "width"), ("top", "height")):
        limit = table[f"picture_{length}"].fillna(np.inf)  # a line need not tell its picture's size
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
    refuse(drawn & ~(table[["width", "height"]] > 0).all(axis=1), lambda row: "lies outside the picture")
    return table[["item", *COLUMNS, "confidence"]].astype({"item": np.int64})


def _read(item: int, record: dict, attribute: str, where: Callable[[int], str]) -> list[tuple]:
    """One record's boxes as rows; a picture without boxes is one row, box 0."""
    label, metadata = common.attribute_of(record, attribute, TYPE, where(item))
    boxes = label.get("annotations") if isinstance(label, dict) else None
    if not isinstance(boxes, list) or not all(isinstance(box, dict) for box in boxes):
        raise UserError(f"{where(item)}: field {attribute}: annotations is not a list of boxes")
    names = metadata.get("class-map", {})
    if not isinstance(names, dict):
        raise UserError(f"{where(item)}: field {attribute}-metadata: class-map is not an object of names by number")
    objects = metadata.get("objects", [{}] * len(boxes))
    if not isinstance(objects, list) or len(objects) != len(boxes) or not all(isinstance(o, dict) for o in objects):
        raise UserError(f"{where(item)}: field {attribute}-metadata: objects does not list one object a box")
    sizes = label.get("image_size", [{}])
    if not (isinstance(sizes, list) and len(sizes) == 1 and isinstance(sizes[0], dict)):
        raise UserError(f"{where(item)}: field {attribute}: image_size is not a list of one object")
    size = (common.number(sizes[0].get("width")), common.number(sizes[0].get("height")))
    if not boxes:
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
        for place, (box, thing) in enumerate(zip(boxes, objects), 1)
    ]


def encode(
    labels: pd.DataFrame,
    items: pd.DataFrame,
    attribute: str,
    classes: list[str],
    job_name: str,
    created: str,
) -> list[dict]:
    """The two fields that Ground Truth adds to a line, one dict an item, in the order of `items`; items without a
    label are left out. Whole numbers are written without a fraction, as Ground Truth does."""
    table = items[["item", "width", "height", "depth"]].merge(labels, on="item", suffixes=("_picture", ""))
    result, last = [], None
    boxes, things, names = [], [], {}
    for item, wide, high, depth, number, left, top, width, height, sure, source in zip(
        *(table[c].tolist() for c in ["item", "width_picture", "height_picture", "depth", *COLUMNS]),
        table["confidence"].tolist(),
        table["source"].tolist(),
    ):
        if item != last:
            last = item
            boxes, things, names = [], [], {}
            result.append(
                {
                    attribute: {
                        "image_size": [{"width": wide, "height": high, "depth": depth}],
                        "annotations": boxes,
                    },
                    f"{attribute}-metadata": {
                        "objects": things,
                        "class-map": names,
                        "type": TYPE,
                        "human-annotated": common.human(source),
                        "creation-date": created,
                        "job-name": job_name,
                    },
                }
            )
        if number >= 0:
            sides = {"top": top, "left": left, "height": height, "width": width}
            boxes.append({"class_id": number, **{k: int(v) if v == int(v) else v for k, v in sides.items()}})
            things.append({"confidence": round(sure, 4)})
            names[str(number)] = classes[number]
    return result


def read_answers(frame: pd.DataFrame, classes: list[str], where: Callable[[int], str]) -> pd.DataFrame:
    """The columns class, left, top, width, height of a people's CSV as COLUMNS; an empty class, nothing to draw, is
    class_id -1. `frame` holds strings as they stand in the file; `where(index)` names the place of the row with that
    index."""
    common.check_columns(frame, ["class", *SIDES], where)
    text = frame[["class", *SIDES]].apply(lambda column: column.str.strip())

    def refuse(bad: pd.Series, field: str, what: Callable[[pd.Series], str]) -> None:
        if bad.any():
            row = bad.idxmax()
            raise UserError(f"{where(row)}: field {field}: {what(text.loc[row])}")

    empty = text["class"] == ""
    numbers = pd.Series(common.class_ids(text["class"], classes), index=frame.index)
    refuse((numbers < 0) & ~empty, "class", lambda row: common.unknown_class(row["class"], classes))
    sides = text[SIDES].apply(pd.to_numeric, errors="coerce").replace([np.inf, -np.inf], np.nan)
    for side in SIDES:
        refuse(empty & (text[side] != ""), "class", lambda row: "empty, though the row has a box; name its class")
        refuse(~empty & sides[side].isna(), side, lambda row, side=side: f"{row[side]!r} is not a number")
    for side in ("width", "height"):
        refuse(~empty & ~(sides[side] > 0), side, lambda row: "the box has no area")
    return pd.concat([numbers.rename("class_id"), sides.astype(float).fillna(0.0)], axis=1)


def err(assigned: pd.DataFrame, classes: list[str], seed: int, noise: float) -> pd.DataFrame:
    """What simulated people answer: `assigned` has the true boxes a row for each (item, source, worker), and
    picture_width and picture_height; a picture without boxes is one row with class_id -1.

    Each side is off by the worker's habit, by what all get wrong about the object, and by the worker's own slip, now
    and then a large one; small things are missed, by most or by few; something that is not there is drawn, by one
    worker or by several. `noise` multiplies distances, and the odds of the rest. The numbers are fitted on Mechanical
    Turk's boxes, but for the classes, which those do not have: docs/simulated-workforce.md.
    """
    table = assigned.reset_index(drop=True)
    if noise == 0:
        return table[["item", "worker", *COLUMNS]]
    drawn = _misdrawn(table[table["class_id"] >= 0], classes, seed, noise)
    alone = table[["item", "source", "worker", "picture_width", "picture_height"]].drop_duplicates(["item", "worker"])
    answers = pd.concat([drawn, _imagined(alone, len(classes), seed, noise)], ignore_index=True)
    empty = alone.loc[
        ~pd.MultiIndex.from_frame(alone[["item", "worker"]]).isin(
            pd.MultiIndex.from_frame(answers[["item", "worker"]])
        ),
        ["item", "worker"],
    ].assign(class_id=-1, left=0.0, top=0.0, width=0.0, height=0.0)
    answers = pd.concat([answers, empty], ignore_index=True)
    return answers.sort_values(["item", "worker"], kind="stable", ignore_index=True)


def _misdrawn(table: pd.DataFrame, classes: list[str], seed: int, noise: float) -> pd.DataFrame:
    """The true boxes as the workers draw them, without those they miss."""
    who, what = common.name(table["worker"]), common.name(table["source"])
    number = table.groupby(["item", "worker"]).cumcount().to_numpy()
    picture = np.sqrt(table["picture_width"] * table["picture_height"]).to_numpy(float)
    size = np.sqrt(table["width"] * table["height"]).to_numpy(float)
    part = size / picture

    def bell(what_for: str, *names) -> np.ndarray:
        return common.normals(seed, what_for, *names)

    loose = np.exp(LOOSE * bell("loose", who)) * np.where(uniforms(seed, "sloppy", who) < SLOPPY, 3.0, 1.0)
    slip = np.where(uniforms(seed, "slip", who, what, number) < SLIPS, 3.5, 1.0)
    unclear = np.where(uniforms(seed, "unclear", what, number) < UNCLEAR, 3.5, 1.0)
    unit = noise * UNIT * picture * (part / 0.125) ** GROWTH
    swell = SWELL * unclear * bell("swell", what, number)  # how much larger all take the object to be
    outward = {}
    for side in ("left", "top", "right", "bottom"):
        habit = MARGIN + HABIT * bell(f"habit {side}", who)
        shared = swell + SHARED * unclear * bell(f"shared {side}", what, number)
        outward[side] = unit * (habit + shared + OWN * loose * slip * bell(f"own {side}", who, what, number))
    box = {}
    for start, end, length in (("left", "right", "width"), ("top", "bottom", "height")):
        true, extent, limit = (table[c].to_numpy(float) for c in (start, length, f"picture_{length}"))
        # a side may come in by 40 % of the box, so that something is left of it, and out to the picture's edge
        low = np.maximum(true - np.maximum(outward[start], -0.4 * extent), 0)
        high = np.minimum(true + extent + np.maximum(outward[end], -0.4 * extent), np.maximum(limit, true + extent))
        box[start], box[length] = low, high - low

    odds = np.exp(
        MISS[0] * (np.log(part) - MISS[1]) + MISS[2] * bell("hard", what, number) + MISS[3] * bell("eye", who)
    )
    odds = noise * (odds + OVERLOOKED)
    seen = uniforms(seed, "seen", who, what, number) >= odds / (1 + odds)
    result = table[["item", "worker"]].assign(class_id=table["class_id"].to_numpy(np.int64), **box)
    if len(classes) > 1:
        mistaken = uniforms(seed, "mistaken", who, what, number) < min(1.0, noise * MISTAKEN)
        own, common_one = uniforms(seed, "as own", who, what, number), uniforms(seed, "as all", what, number)
        shift = np.where(uniforms(seed, "as", who, what, number) < 0.7, common_one, own) * (len(classes) - 1)
        wrong = (result["class_id"] + 1 + np.floor(shift).astype(np.int64)) % len(classes)
        result["class_id"] = np.where(mistaken, wrong, result["class_id"])
    return result.loc[seen, ["item", "worker", *COLUMNS]]


def _imagined(alone: pd.DataFrame, classes: int, seed: int, noise: float) -> pd.DataFrame:
    """Boxes around nothing: one that several workers of a picture may draw, and one of each worker's own."""
    who, what = common.name(alone["worker"]), common.name(alone["source"])
    fancy = IMAGINED * noise * np.exp(common.normals(seed, "fancy", who) - 0.5)
    found = []
    for kind, names, there in (
        (
            "decoy",
            (what,),
            (uniforms(seed, "decoy", what) < DECOYS[0])
            & (uniforms(seed, "fooled", who, what) < min(1.0, DECOYS[1] * noise)),
        ),
        ("own", (who, what), uniforms(seed, "imagined", who, what) < fancy),
    ):
        rows = alone[there]
        names = tuple(column[there] for column in names)
        wide, high = (rows[f"picture_{side}"].to_numpy(float) for side in ("width", "height"))
        size = np.sqrt(wide * high) * 0.045 * np.exp(0.7 * common.normals(seed, f"{kind} size", *names))
        shape = np.exp(0.3 * common.normals(seed, f"{kind} shape", *names))
        width, height = np.minimum(size * shape, wide), np.minimum(size / shape, high)
        found.append(
            rows[["item", "worker"]].assign(
                class_id=np.floor(uniforms(seed, f"{kind} class", *names) * classes).astype(np.int64),
                left=(wide - width) * uniforms(seed, f"{kind} left", *names),
                top=(high - height) * uniforms(seed, f"{kind} top", *names),
                width=width,
                height=height,
            )
        )
    return pd.concat(found, ignore_index=True)


def draw(picture: Image.Image, labels: pd.DataFrame, classes: list[str]) -> Image.Image:
    """A copy of the picture with its boxes, a colour a class, and each box's class above it."""
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
