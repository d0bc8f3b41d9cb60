"""Items that teach nothing: labeled by what the others taught, each by itself."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundtruth.consolidation import boxes, votes

side, length = st.integers(0, 60), st.integers(5, 60)
drawn = st.tuples(st.integers(1, 8), st.sampled_from("abcd"), st.integers(-1, 1), side, side, length, length)
said = st.tuples(st.integers(1, 8), st.sampled_from("abcd"), st.integers(0, 3))
COLUMNS = ["item", "worker", "class_id", "left", "top", "width", "height"]


def of_votes(rows, learn=None):
    return votes(pd.DataFrame(rows, columns=["item", "worker", "label"]), classes=range(4), learn=learn)


def of_boxes(rows, learn=None):
    return boxes(pd.DataFrame(rows, columns=COLUMNS), learn=learn)


def both(test):
    @pytest.mark.parametrize(
        ("merge", "rows"), [(of_votes, st.lists(said, max_size=40)), (of_boxes, st.lists(drawn, max_size=40))]
    )
    @settings(max_examples=40)
    @given(data=st.data())
    def run(merge, rows, data):
        test(merge, data.draw(rows), data.draw(st.sets(st.integers(1, 8))))

    return run


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Byte for byte."""
    assert one.reset_index(drop=True).to_dict("list") == other.reset_index(drop=True).to_dict("list")


@both
def test_what_teaches_does_not_see_the_rest(merge, rows, teachers):
    teaching = [row for row in rows if row[0] in teachers]
    got, alone = merge(rows, [row[0] in teachers for row in rows]), merge(teaching)
    same(got.labels[got.labels["item"].isin(teachers)], alone.labels)
    workers = got.workers.set_index("worker")["skill"]
    assert workers.loc[alone.workers["worker"]].tolist() == alone.workers["skill"].tolist()
    assert got.labels["item"].drop_duplicates().tolist() == sorted({row[0] for row in rows})


@both
def test_the_rest_do_not_see_each_other(merge, rows, teachers):
    got = merge(rows, [row[0] in teachers for row in rows]).labels
    for item in {row[0] for row in rows} - teachers:
        few = [row for row in rows if row[0] in teachers or row[0] == item]
        alone = merge(few, [row[0] in teachers for row in few]).labels
        same(got[got["item"] == item], alone[alone["item"] == item])


@both
def test_when_all_teach_it_is_as_without(merge, rows, teachers):
    got, without = merge(rows, [True] * len(rows)), merge(rows)
    same(got.labels, without.labels)
    same(got.workers, without.workers)


def test_a_skill_that_was_learned_decides():
    """Two guessers against one who is right: known by forty items that teach, and by nothing else."""
    chance = np.random.default_rng(0)
    rows = []
    for item in range(200):
        truth = item % 4
        rows += [(item, who, truth) for who in "abc"] + [(item, who, int(chance.integers(4))) for who in "de"]
    rows += [(500, "a", 1), (500, "b", 1), (500, "d", 2), (500, "e", 2), (500, "f", 2)]
    got = of_votes(rows, [row[0] < 500 for row in rows]).labels.set_index("item")
    assert got.loc[500, "label"] == 1
    assert of_votes([row for row in rows if row[0] == 500]).labels["label"].item() == 2


def test_a_habit_that_was_learned_is_taken_off():
    chance = np.random.default_rng(1)
    habit = {"a": 0, "b": 0, "c": 0, "d": 20}
    rows = []
    for item in range(100):
        left = int(chance.integers(20, 200))
        rows += [(item, who, 0, left + off + chance.normal(), 10, 90, 60) for who, off in habit.items()]
    rows += [(500, "a", 0, 50, 10, 90, 60), (500, "d", 0, 70, 10, 90, 60)]
    got = of_boxes(rows, [row[0] < 500 for row in rows]).labels.set_index("item")
    assert abs(got.loc[500, "left"] - 50) < 6
    assert of_boxes(rows[-2:]).labels["left"].item() == 60


def test_what_cannot_be():
    rows = [(1, "a", 0), (1, "b", 0), (2, "a", 1)]
    with pytest.raises(ValueError, match="row 1: item 1 has another value of learn in another row"):
        of_votes(rows, [True, False, True])
    with pytest.raises(ValueError, match="learn has the shape"):
        of_votes(rows, [True])
    with pytest.raises(ValueError, match="classes must be given with learn"):
        votes(pd.DataFrame(rows, columns=["item", "worker", "label"]), learn=[True] * 3)
    with pytest.raises(ValueError, match=r"row 2: label .*9.* is not a known class"):
        of_votes([*rows[:2], (2, "a", 9)], [True, True, False])
