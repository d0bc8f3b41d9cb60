"""Which items need one more answer."""

import sys
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundtruth.consolidation import asking
from roundtruth.consolidation.asking import Asking
from roundtruth.consolidation.boxes import agreement, open_questions

BOXES = ["item", "worker", "class_id", "left", "top", "width", "height"]
USUAL = Asking()
side, length = st.integers(0, 60), st.integers(5, 60)
drawn = st.tuples(st.integers(1, 8), st.sampled_from("abcdefg"), st.integers(-1, 1), side, side, length, length)
said = st.tuples(st.integers(1, 8), st.sampled_from("abcdefg"), st.integers(0, 2))


def spoken(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["item", "worker", "label"])


def boxes(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=BOXES)


def teaching(answers: pd.DataFrame, teachers) -> np.ndarray | None:
    return None if teachers is None else answers["item"].isin(list(teachers)).to_numpy()


def of_classes(rows, asked=USUAL, teachers=None) -> list:
    said = spoken(*rows)
    return asking.classes(said, range(3), asked, teaching(said, teachers)).tolist()


def of_boxes(rows, asked=USUAL, teachers=None) -> list:
    drawn = boxes(*rows)
    return asking.objects(drawn, asked, teaching(drawn, teachers)).tolist()


def good_crowd(count: int = 60) -> list:
    """Three people agree on the class of 19 of 20 items, from number 100 on; else one of them differs."""
    return [
        (100 + i, worker, (i + (i % 20 == 0 and worker == "c")) % 3) for i in range(count) for worker in ("a", "b", "c")
    ]


def good_drawers(count: int = 30) -> list:
    """Three people draw one box alike, on items from number 100 on."""
    return [(100 + i, worker, 0, 10 * (i % 5), 10, 40, 30) for i in range(count) for worker in ("a", "b", "c")]


def nearly_all_alike(pairs: int, slips: int) -> list:
    """Two people give nearly all items, from number 100 on, one class."""
    return [(100 + i, worker, int(i < slips and worker == "b")) for i in range(pairs) for worker in ("a", "b")]


@pytest.mark.parametrize(("pairs", "slips", "poor"), [(100, 0, False), (100, 2, False), (24, 1, True), (100, 8, True)])
def test_a_crowd_that_hardly_ever_disagrees_is_not_poor_where_nearly_all_items_have_one_label(pairs, slips, poor):
    rows = [*nearly_all_alike(pairs, slips), (1, "a", 0), (1, "b", 0)]
    asked_on = of_classes(rows, teachers=range(100, 100 + pairs))
    assert (1 in asked_on) == poor


def test_how_much_worse_two_or_three_people_can_be_than_five():
    """p: the share of people who are wrong about an item."""
    p = np.linspace(0.0001, 0.9999, 10_000)
    disagree = 2 * p * (1 - p)
    three = p**2 + disagree * p
    five = sum(comb(5, wrong) * p**wrong * (1 - p) ** (5 - wrong) for wrong in (3, 4, 5))
    assert ((three - five) / disagree).max() * asking.SELDOM < 0.0051


def test_people_who_see_nothing_anywhere_are_no_poor_crowd():
    rows = [(item, worker, -1, 0, 0, 0, 0) for item in range(1, 25) for worker in "abc"]
    assert of_boxes(rows) == []
    assert of_boxes([row for row in rows if row[1] != "c"]) == list(range(1, 25))  # three have to see nothing


def test_two_of_a_good_crowd_who_agree_are_enough():
    rows = [*good_crowd(), (1, "a", 0), (1, "b", 0), (2, "a", 0), (2, "b", 1), (3, "a", 2)]
    teachers = range(100, 160)
    assert [item for item in of_classes(rows, teachers=teachers) if item < 100] == [2, 3]
    assert [item for item in of_classes([*rows, (2, "c", 1)], teachers=teachers) if item < 100] == [2, 3]
    assert of_classes([*rows, (2, "c", 1)], Asking(least=1, most=3, sure=0.5), teachers) == []
    assert 1 in of_classes(rows, Asking(least=3), teachers)


def test_a_poor_crowd_is_asked_the_full_number():
    chance = np.random.default_rng(0)
    rows = [(100 + i, worker, int(chance.integers(3))) for i in range(60) for worker in ("a", "b", "c")]
    alike = [(1, worker, 0) for worker in "abcd"]
    assert 1 in of_classes([*rows, *alike])
    assert 1 not in of_classes([*rows, *alike, (1, "e", 0)])
    assert 1 in of_classes(alike, teachers=[])  # nothing is known about the crowd
    assert 1 not in of_classes([*good_crowd(), *alike])


def test_the_chance_that_more_people_turn_a_vote_worked_by_hand():
    # nobody stands out, so all votes weigh 1. Two of two drew: three more must all say no. With Beta(2.25, .25) that is
    # (.25 / 2.5) (1.25 / 3.5) (2.25 / 4.5).
    rows = [(1, "a", 0, 0, 0, 10, 10), (1, "b", 0, 0, 0, 10, 10)]
    found = open_questions(boxes(*rows), np.ones(2, bool), 5)
    assert found["change"].item() == pytest.approx(0.25 / 2.5 * 1.25 / 3.5 * 2.25 / 4.5)
    assert found["fit"].item() == pytest.approx(1)
    assert open_questions(boxes(*rows), np.ones(2, bool), 2)["change"].item() == 0  # nobody more is asked


def test_boxes_are_settled_where_people_agree():
    same = [(1, "a", 0, 0, 0, 40, 40), (1, "b", 0, 2, 0, 40, 40)]
    missed = [(2, "a", 0, 0, 0, 40, 40), (2, "b", -1, 0, 0, 0, 0)]
    askew = [(3, "a", 0, 0, 0, 40, 40), (3, "b", 0, 18, 0, 40, 40)]
    another = [(4, "a", 0, 0, 0, 40, 40), (4, "b", 1, 0, 0, 40, 40)]
    empty = [(5, "a", -1, 0, 0, 0, 0), (5, "b", -1, 0, 0, 0, 0)]
    one_more = [(6, "a", 0, 0, 0, 40, 40), (6, "b", 0, 0, 0, 40, 40), (6, "b", 0, 90, 90, 20, 20)]
    rows = [*good_drawers(), *same, *missed, *askew, *another, *empty, *one_more]
    assert of_boxes(rows, teachers=range(100, 130)) == [2, 3, 4, 5, 6]
    third = (5, "c", -1, 0, 0, 0, 0)  # two people often miss the same small object
    assert of_boxes([*rows, third], teachers=range(100, 130)) == [2, 3, 4, 6]


def test_people_who_draw_at_random_are_asked_the_full_number():
    chance = np.random.default_rng(0)
    rows = [(100 + i, w, 0, *chance.integers(0, 500, 2), 30, 30) for i in range(30) for w in ("a", "b", "c")]
    same = [(1, worker, 0, 0, 0, 40, 40) for worker in "abcd"]
    assert 1 in of_boxes([*rows, *same])
    assert 1 not in of_boxes([*good_drawers(), *same])
    assert agreement(boxes(*good_drawers()), 10) == 180 / 190


def test_no_answers_need_nothing():
    assert of_classes([]) == []
    assert of_boxes([]) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "most"), [("sp_amt", 2.5), ("bluebirds", 5)])
def test_real_crowds_are_asked_less_and_lose_little(data, monkeypatch, name, most):
    monkeypatch.setattr(sys, "path", [str(Path(__file__).resolve().parents[2] / "benchmarks"), *sys.path])
    from answers import classes, measured
    from consolidation import label_set

    answers, truth = label_set(data, name)
    found = measured(lambda seed: answers, classes(answers, truth), 3)["half teach"]
    assert found["answers"] <= most
    assert found["lost"] <= 0.01
    assert name != "bluebirds" or found["lost"] == 0  # too poor a crowd: all are asked


def both(test):
    @pytest.mark.parametrize(("ask", "rows"), [(of_classes, said), (of_boxes, drawn)])
    @settings(max_examples=40, deadline=None)
    @given(data=st.data())
    def run(ask, rows, data):
        least = data.draw(st.integers(1, 3))
        asked = Asking(least, data.draw(st.integers(least, 6)), data.draw(st.sampled_from([0.5, 0.9, 0.98, 1.0])))
        test(ask, data.draw(st.lists(rows, max_size=40)), asked, data.draw(st.sets(st.integers(1, 8))))

    return run


@both
def test_never_fewer_than_the_least_and_never_more_than_the_most(ask, rows, asked, teachers):
    needed = ask(rows, asked, teachers)
    count = {item: len({row[1] for row in rows if row[0] == item}) for item in {row[0] for row in rows}}
    assert needed == sorted(needed)
    assert {item for item, people in count.items() if people < asked.least} <= set(needed)
    assert all(count[item] < asked.most for item in needed)


@both
def test_an_item_is_judged_by_its_own_answers_and_by_what_teaches(ask, rows, asked, teachers):
    needed = ask(rows, asked, teachers)
    for item in {row[0] for row in rows} - teachers:
        few = [row for row in rows if row[0] in teachers or row[0] == item]
        assert (item in ask(few, asked, teachers)) == (item in needed)


@both
def test_the_order_of_rows_means_nothing(ask, rows, asked, teachers):
    assert ask(rows[::-1], asked, teachers) == ask(rows, asked, teachers)
