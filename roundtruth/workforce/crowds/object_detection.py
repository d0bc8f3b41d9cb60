"""Simulated people who draw boxes."""

import numpy as np
import pandas as pd

from roundtruth.boxes import AXES, SIDES
from roundtruth.chance import uniforms
from roundtruth.workforce.crowds import hashed, normals

# Distances are in a unit that grows with the box: for a box of an eighth of the picture's size it is UNIT of that size
# (sizes are roots of areas), and it grows with the box's size to the power GROWTH.
UNIT, GROWTH = 0.0083, 0.3
MARGIN, HABIT = 0.3, 0.4  # outward: the crowd's, and how workers differ in it
SHARED, SWELL, OWN = 0.4, 0.3, 0.47
LOOSE, SLOPPY = 0.4, 0.08  # how workers differ in looseness; the share of very loose ones
SLIPS, UNCLEAR = 0.15, 0.06  # boxes, and objects, whose errors are 3.5 times as large
MISS = (-4.1, -3.43, 1.5, 0.5)  # log odds by log size: slope, where they are even, spread of objects and of workers
OVERLOOKED = 0.01  # the odds of missing what nobody would
IMAGINED, DECOYS = 0.014, (0.03, 0.35)
MISTAKEN = 0.03  # boxes of a wrong class: a guess


def simulate_answers(assigned: pd.DataFrame, classes: list[str], seed: int, noise: float) -> pd.DataFrame:
    """What simulated people answer; see `roundtruth.workforce.crowds`. A picture without boxes has one row with
    class_id -1.

    Each side is off by the worker's habit, by what all workers get wrong about the object, and by the worker's own
    slip, which is now and then a large one. Workers miss small things, most of them or a few. One worker or several
    draw a box around nothing. `noise` multiplies distances, and the odds of the other errors. The numbers are fitted to
    Mechanical Turk's boxes, except for the classes, which those do not have: docs/simulated-workforce.md.
    """
    table = assigned.reset_index(drop=True)
    if noise == 0:
        return table[["item", "worker", "class_id", *SIDES]]
    drawn = _misdrawn(table[table.class_id >= 0], classes, seed, noise)
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
    who, what = hashed(table["worker"]), hashed(table["source"])
    number = table.groupby(["item", "worker"]).cumcount().to_numpy()
    picture = np.sqrt(table["picture_width"] * table["picture_height"]).to_numpy(float)
    size = np.sqrt(table["width"] * table["height"]).to_numpy(float)
    part = size / picture

    def bell(what_for: str, *names) -> np.ndarray:
        return normals(seed, what_for, *names)

    loose = np.exp(LOOSE * bell("loose", who)) * np.where(uniforms(seed, "sloppy", who) < SLOPPY, 3.0, 1.0)
    slip = np.where(uniforms(seed, "slip", who, what, number) < SLIPS, 3.5, 1.0)
    unclear = np.where(uniforms(seed, "unclear", what, number) < UNCLEAR, 3.5, 1.0)
    unit = noise * UNIT * picture * (part / 0.125) ** GROWTH
    swell = SWELL * unclear * bell("swell", what, number)  # how much larger all take the object to be
    outward = {}
    for side in (side for start, end, _ in AXES for side in (start, end)):
        habit = MARGIN + HABIT * bell(f"habit {side}", who)
        shared = swell + SHARED * unclear * bell(f"shared {side}", what, number)
        outward[side] = unit * (habit + shared + OWN * loose * slip * bell(f"own {side}", who, what, number))
    box = {}
    for start, end, length in AXES:
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
    result = table[["item", "worker"]].assign(class_id=table.class_id.to_numpy(np.int64), **box)
    if len(classes) > 1:
        mistaken = uniforms(seed, "mistaken", who, what, number) < min(1.0, noise * MISTAKEN)
        own, common_one = uniforms(seed, "as own", who, what, number), uniforms(seed, "as all", what, number)
        shift = np.where(uniforms(seed, "as", who, what, number) < 0.7, common_one, own) * (len(classes) - 1)
        wrong = (result.class_id + 1 + np.floor(shift).astype(np.int64)) % len(classes)
        result = result.assign(class_id=np.where(mistaken, wrong, result.class_id))
    return result.loc[seen, ["item", "worker", "class_id", *SIDES]]


def _imagined(alone: pd.DataFrame, classes: int, seed: int, noise: float) -> pd.DataFrame:
    """Boxes around nothing: one that several workers of a picture may draw, and one of each worker's own."""
    who, what = hashed(alone["worker"]), hashed(alone["source"])
    fancy = IMAGINED * noise * np.exp(normals(seed, "fancy", who) - 0.5)
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
        size = np.sqrt(wide * high) * 0.045 * np.exp(0.7 * normals(seed, f"{kind} size", *names))
        shape = np.exp(0.3 * normals(seed, f"{kind} shape", *names))
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
