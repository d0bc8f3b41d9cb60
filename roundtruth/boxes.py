"""Boxes: their geometry, and the rule by which the boxes on a picture are compared with a reference.

Tables hold a box as its SIDES, in pixels. Here a box is a row of an array, its corners: left, top, right, bottom.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

AXES = (("left", "right", "width"), ("top", "bottom", "height"))  # where a box starts, where it ends, its length
SIDES = ["left", "top", "width", "height"]

PAIRS = 4_000_000  # pairs of boxes compared at once: about 500 MB


def corners(sides: np.ndarray) -> np.ndarray:
    """The corners (..., 4) of boxes that are given by their SIDES (..., 4)."""
    return np.concatenate([sides[..., :2], sides[..., :2] + sides[..., 2:]], axis=-1)


def area(box: np.ndarray) -> np.ndarray:
    return (box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1])


def intersection(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The area that two boxes share; `a` and `b` are corners (..., 4) and broadcast."""
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    return np.maximum(width, 0) * np.maximum(height, 0)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union; exactly 1 for equal boxes. `a` and `b` are corners (..., 4) and broadcast."""
    both = intersection(a, b)
    return both / (area(a) + area(b) - both)


class Boxes(NamedTuple):
    """The boxes on several pictures, sorted by picture and then by falling score."""

    picture: np.ndarray  # (n,) the number of the picture
    class_id: np.ndarray  # (n,)
    corners: np.ndarray  # (n, 4)
    score: np.ndarray  # (n,)


def ordered(picture: np.ndarray, class_id: np.ndarray, corners: np.ndarray, score: np.ndarray | None = None) -> Boxes:
    """Boxes in the order that `match` needs. Without a score, the boxes of a picture keep the order they have."""
    score = np.zeros(len(picture)) if score is None else score
    turn = np.lexsort([-score, picture])
    return Boxes(picture[turn], class_id[turn], corners[turn], score[turn])


def match(drawn: Boxes, wanted: Boxes) -> np.ndarray:
    """The IoU (n,) of each drawn box with its partner among the wanted ones of its picture; 0 where it has none.

    In falling score each drawn box takes the free wanted box of its class with the highest IoU above 0. A box never
    changes what the boxes before it took, so one matching holds for every cut of the scores.
    """
    pictures = 1 + max(drawn.picture.max(initial=-1), wanted.picture.max(initial=-1))
    found, expected = (np.bincount(side.picture, minlength=pictures) for side in (drawn, wanted))
    # pictures are taken together, in blocks that bound the number of pairs
    block = np.cumsum(found * expected) // PAIRS
    overlap = np.zeros(len(drawn.picture))
    for number in np.unique(block):
        first, last = np.searchsorted(block, [number, number + 1])
        mine, theirs = (slice(*np.searchsorted(side.picture, [first, last])) for side in (drawn, wanted))
        overlap[mine] = _match(Boxes(*(part[mine] for part in drawn)), Boxes(*(part[theirs] for part in wanted)))
    return overlap


def _match(drawn: Boxes, wanted: Boxes) -> np.ndarray:
    """`match` for all pictures at once: their first boxes choose together, then their second ones, and so on."""
    starts, ends = (np.searchsorted(wanted.picture, drawn.picture, side) for side in ("left", "right"))
    one = np.repeat(np.arange(len(starts)), ends - starts)
    other = np.arange(len(one)) - np.repeat(np.cumsum(ends - starts) - ends, ends - starts)
    same = drawn.class_id[one] == wanted.class_id[other]
    one, other = one[same], other[same]
    value = iou(drawn.corners[one], wanted.corners[other])
    one, other, value = one[value > 0], other[value > 0], value[value > 0]

    rank = np.arange(len(drawn.picture)) - np.searchsorted(drawn.picture, drawn.picture)  # a box's turn in its picture
    turn = np.lexsort([other, -value, one, rank[one]])
    one, other, value = one[turn], other[turn], value[turn]
    free = np.ones(len(wanted.picture), bool)
    overlap = np.zeros(len(drawn.picture))
    edges = np.flatnonzero(np.diff(rank[one], prepend=-1, append=-1)) if len(one) else np.zeros(1, int)
    for start, end in pairwise(edges):
        left = start + np.flatnonzero(free[other[start:end]])
        best = left[np.diff(one[left], prepend=-1) != 0]  # each box's best free partner comes first
        free[other[best]] = False
        overlap[one[best]] = value[best]
    return overlap


def quality(overlap: np.ndarray, drawn: np.ndarray, wanted: np.ndarray, pictures: int) -> np.ndarray:
    """The quality (pictures,) of each picture, in [0, 1]: the mean IoU over its matches and its unmatched boxes.

    `overlap` is what `match` gives, `drawn` the picture of each of these boxes, `wanted` that of each reference box.
    What stays unmatched on either side counts 0. Two empty pictures agree, which is 1.
    """
    union = np.bincount(drawn, minlength=pictures) + np.bincount(wanted, minlength=pictures)
    union -= np.bincount(drawn[overlap > 0], minlength=pictures)
    total = np.bincount(drawn, overlap, minlength=pictures)
    return np.divide(total, union, out=np.ones(pictures), where=union > 0)
