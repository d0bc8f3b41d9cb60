import math
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from roundtruth.consolidation import boxes

COLUMNS = ["item", "worker", "class_id", "left", "top", "width", "height"]
SIDES = COLUMNS[3:]
NOTHING = (-1, 0.0, 0.0, 0.0, 0.0)
BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "consolidation.py"


def table(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


side = st.integers(0, 60)
length = st.integers(5, 60)
rows_strategy = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from("abcd"), st.integers(-1, 1), side, side, length, length),
    max_size=25,
).map(lambda rows: table(*rows))


def test_three_who_agree():
    labels, workers = boxes(table(*((1, worker, 2, 10.5, 20.25, 30.1, 40.0) for worker in "abc")))
    assert labels[["item", "class_id", *SIDES]].values.tolist() == [[1, 2, 10.5, 20.25, 30.1, 40.0]]
    # all weights are 1: 3 drew it, nobody did not
    assert labels["confidence"].item() == pytest.approx(beta.sf(0.5, 3.25, 0.25))
    assert workers["answers"].tolist() == [1, 1, 1]
    assert workers["skill"].nunique() == 1


def test_most_drew_nothing():
    labels, _ = boxes(table((1, "a", 0, 10, 10, 20, 20), *((1, worker, *NOTHING) for worker in "bcd")))
    assert labels[["class_id", *SIDES]].values.tolist() == [[*NOTHING]]
    sure = labels["confidence"].item()
    assert sure < boxes(table(*((1, worker, *NOTHING) for worker in "abcd"))).labels["confidence"].item()


def test_all_drew_nothing():
    labels, workers = boxes(table(*((1, worker, *NOTHING) for worker in "abc")))
    assert labels["class_id"].tolist() == [-1]
    # what one more worker would have had to draw alone: 1 for, 3 against
    assert labels["confidence"].item() == pytest.approx(beta.cdf(0.5, 1.25, 3.25))
    assert workers["skill"].tolist() == [0.9] * 3


def test_one_worker_is_taken_at_their_word():
    given_boxes = table((1, "a", 0, 10, 10, 20, 20), (1, "a", 1, 50, 50, 20, 20), (2, "a", *NOTHING))
    labels, _ = boxes(given_boxes)
    assert sorted(labels[["item", "class_id", *SIDES]].values.tolist()) == sorted(
        given_boxes.drop(columns="worker").values.tolist()
    )


def test_who_drew_nothing_and_a_box_drew_a_box():
    one = table((1, "a", 0, 10, 10, 20, 20), (1, "b", 0, 10, 10, 20, 20))
    pd.testing.assert_frame_equal(boxes(one).labels, boxes(pd.concat([one, table((1, "a", *NOTHING))])).labels)


def test_a_box_drawn_twice_is_one_box():
    labels, _ = boxes(table((1, "a", 0, 10, 10, 20, 20), (1, "a", 0, 10, 10, 20, 21), (1, "b", 0, 10, 10, 20, 20)))
    assert len(labels) == 1


def test_one_worker_is_never_twice_in_a_box():
    # two things beside each other, IoU 1/3: a worker who drew both keeps them apart
    near = [(0, 10, 10, 20, 20), (0, 20, 10, 20, 20)]
    labels, _ = boxes(table(*((1, worker, *one) for worker in "abc" for one in near)))
    assert sorted(labels["left"].tolist()) == [10, 20]


def test_boxes_on_different_pictures_never_meet():
    labels, _ = boxes(table((1, "a", 0, 10, 10, 20, 20), (2, "b", 0, 10, 10, 20, 20)))
    assert labels["item"].tolist() == [1, 2]


def test_the_class_with_the_most_votes_and_its_share():
    labels, _ = boxes(table(*((1, w, c, 10, 10, 20, 20) for w, c in zip("abc", (1, 1, 0)))))
    assert labels["class_id"].tolist() == [1]
    assert labels["confidence"].item() == pytest.approx(beta.sf(0.5, 3.25, 0.25) * 2 / 3)


def test_workers_habits_are_taken_off():
    # each picture has three of six workers, some of whom leave margins: a mean moves with who happened to draw
    chance = np.random.default_rng(0)
    habit = {"a": 0, "b": 0, "c": 0, "d": 0, "e": 12, "f": -12}
    rows, truth = [], {}
    for item in range(300):
        left, top = chance.integers(20, 200, 2).tolist()
        truth[item] = left
        for worker in chance.choice(list(habit), 3, replace=False).tolist():
            slip = chance.normal(0, 1, 4)
            rows.append((item, worker, 0, left + habit[worker] + slip[0], top + slip[1], 90 + slip[2], 60 + slip[3]))
    answers = table(*rows)
    fused = boxes(answers).labels.set_index("item")["left"] - pd.Series(truth)
    mean = answers.groupby("item")["left"].mean() - pd.Series(truth)
    assert fused.std() < 0.35 * mean.std()


def test_who_draws_at_random_is_found_out():
    chance = np.random.default_rng(1)
    rows = []
    for item in range(60):
        left, top = chance.uniform(0, 300, 2)
        rows += [(item, worker, 0, *(np.array([left, top, 60, 60]) + chance.normal(0, 2, 4))) for worker in "abc"]
        rows += [(item, worker, 0, *chance.uniform(0, 300, 2), 60, 60) for worker in "de"]
    labels, workers = boxes(table(*rows))
    assert labels.groupby("item").size().eq(1).all()
    skill = workers.set_index("worker")["skill"]
    assert skill[list("abc")].min() > 0.9
    assert skill[list("de")].max() < 0.4


def test_an_empty_table_gives_empty_tables():
    labels, workers = boxes(table())
    assert list(labels.columns) == ["item", "class_id", *SIDES, "confidence"]
    assert list(workers.columns) == ["worker", "answers", "skill"]
    assert len(labels) == len(workers) == 0


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ((1, "b", 0, math.nan, 0, 10, 10), "finite"),
        ((1, "b", 0, 0, math.inf, 10, 10), "finite"),
        ((1, "b", 0, 0, 0, -10, 10), "area"),
        ((1, "b", 0, 0, 0, 10, 0), "area"),
        ((1, "b", -2, 0, 0, 10, 10), "class_id"),
        ((1, "b", 0.5, 0, 0, 10, 10), "class_id"),
        ((1, "b", math.nan, 0, 0, 10, 10), "class_id"),
        ((1, "b", 0, "x", 0, 10, 10), "finite"),
        ((1, None, 0, 0, 0, 10, 10), "worker"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(row, what):
    with pytest.raises(ValueError, match=rf"row 1: .*{what}"):
        boxes(table((1, "a", 0, 0, 0, 10, 10), row))


def test_sides_of_an_answer_that_nothing_is_there_do_not_matter():
    labels, _ = boxes(table((1, "a", -1, math.nan, math.nan, math.nan, math.nan)))
    assert labels[SIDES].values.tolist() == [[0, 0, 0, 0]]


@given(rows_strategy, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_byte(rows, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    one, other = boxes(rows), boxes(rows.iloc[order])
    for a, b in zip(one, other):
        pd.testing.assert_frame_equal(a, b, check_exact=True)
        assert a.select_dtypes("float").to_numpy().tobytes() == b.select_dtypes("float").to_numpy().tobytes()


@given(rows_strategy)
def test_what_comes_out_is_a_table_of_labels(rows):
    labels, workers = boxes(rows)
    assert set(labels["item"]) == set(rows["item"])
    assert set(workers["worker"]) == set(rows["worker"])
    assert labels["confidence"].between(0, 1).all()
    assert workers["skill"].between(0, 1).all()
    empty = labels["class_id"] == -1
    assert (labels.loc[empty, SIDES] == 0).all(axis=None)
    assert (labels.loc[~empty, ["width", "height"]] > 0).all(axis=None)
    assert labels.groupby("item")["class_id"].agg(lambda ids: len(ids) == 1 or (ids >= 0).all()).all()


@given(rows_strategy)
def test_a_unanimous_crowd_is_followed(rows):
    rows = rows[rows["class_id"] >= 0].drop_duplicates("item").drop(columns="worker")
    said = pd.concat([rows.assign(worker=worker) for worker in "abc"])
    labels = boxes(said).labels
    expected = rows.sort_values("item").astype(dict.fromkeys(SIDES, float)).reset_index(drop=True)
    pd.testing.assert_frame_equal(labels.drop(columns="confidence"), expected, check_dtype=False)


@given(st.integers(2, 6))
def test_each_worker_more_who_draws_it_makes_a_box_surer(count):
    def sure(drew):
        rows = [(1, f"w{k}", *((0, 10, 10, 20, 20) if k < drew else NOTHING)) for k in range(7)]
        return boxes(table(*rows)).labels.query("class_id == 0")["confidence"].sum()

    assert sure(count) <= sure(count + 1)


def test_real_workers_on_pedestrians(data):
    benchmark = runpy.run_path(str(BENCHMARK))
    answers, expert = benchmark["box_set"](data)
    score, overlap = benchmark["f1"](boxes(answers).labels, expert)
    assert score >= 0.9325
    assert overlap >= 0.856
    draws = [benchmark["f1"](boxes(benchmark["some"](answers, 3, draw)).labels, expert) for draw in range(2)]
    assert np.mean([one[0] for one in draws]) >= 0.92
    assert np.mean([one[1] for one in draws]) >= 0.83
