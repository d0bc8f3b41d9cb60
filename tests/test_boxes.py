"""The geometry of boxes against hand-worked values. The rule of quality is tested with the kind of label."""

import numpy as np
import pytest

from roundtruth import boxes
from roundtruth.boxes import Boxes


def test_geometry_by_hand():
    a, b = boxes.corners(np.array([[0, 0, 20, 20], [5.0, 6, 2, 4]]))
    assert a.tolist() == [0, 0, 20, 20]
    assert b.tolist() == [5, 6, 7, 10]
    assert boxes.area(np.array([a, b])).tolist() == [400, 8]
    assert boxes.intersection(a, b) == 8
    assert boxes.iou(a, b) == pytest.approx(8 / 400)
    assert boxes.iou(a, a + 20) == 0  # they share a corner
    assert boxes.iou(np.array([a, b])[:, None], np.array([a, b])[None]).shape == (2, 2)


def test_boxes_are_ordered_by_picture_and_falling_score():
    found = boxes.ordered(np.array([1, 0, 1]), np.array([5, 6, 7]), np.zeros((3, 4)), np.array([0.1, 0.2, 0.3]))
    assert found.class_id.tolist() == [6, 7, 5]
    assert found.score.tolist() == [0.2, 0.3, 0.1]


def some(chance: np.random.Generator, n: int) -> Boxes:
    sides = np.concatenate([chance.uniform(0, 60, (n, 2)), chance.uniform(5, 40, (n, 2))], axis=1)
    pictures, classes = chance.integers(0, 6, n), chance.integers(0, 2, n)
    return boxes.ordered(pictures, classes, boxes.corners(sides), chance.random(n))


@pytest.mark.parametrize("seed", range(10))
def test_one_matching_holds_for_every_cut(seed):
    chance = np.random.default_rng(seed)
    drawn, wanted = some(chance, 30), some(chance, 25)
    overlap = boxes.match(drawn, wanted)
    for cut in (0, 0.2, 0.5, 0.9, 1):
        kept = drawn.score >= cut
        again = boxes.match(Boxes(*(part[kept] for part in drawn)), wanted)
        assert again.tolist() == overlap[kept].tolist()


def test_a_picture_without_boxes():
    nothing, one = some(np.random.default_rng(0), 0), some(np.random.default_rng(0), 1)
    assert boxes.match(nothing, one).tolist() == []
    assert boxes.match(one, nothing).tolist() == [0]
    empty = np.zeros(0, int)
    assert boxes.quality(np.zeros(0), empty, empty, 2).tolist() == [1, 1]
    assert boxes.quality(np.zeros(1), np.array([1]), empty, 2).tolist() == [1, 0]
    assert boxes.quality(np.array([0.5, 0]), np.array([0, 0]), np.array([0, 0]), 1).tolist() == [0.5 / 3]
