import runpy
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roundtruth.consolidation import votes
from roundtruth.consolidation.votes import above_chance

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "consolidation.py"


def table(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["item", "worker", "label"])


def label_of(result) -> dict:
    return dict(zip(result.labels["item"], result.labels["label"]))


def crowd(seed: int, items: int, workers: int, each: int, classes: int, skill) -> tuple[pd.DataFrame, np.ndarray]:
    """Answers of workers whose accuracies are `skill`, wrong ones even over the other classes, and the truth."""
    chance = np.random.default_rng(seed)
    truth = chance.integers(0, classes, items)
    item = np.repeat(np.arange(items), each)
    worker = np.argsort(chance.random((items, workers)), axis=1)[:, :each].ravel()
    right = chance.random(len(item)) < np.asarray(skill)[worker]
    wrong = (truth[item] + chance.integers(1, classes, len(item))) % classes
    return pd.DataFrame({"item": item, "worker": worker, "label": np.where(right, truth[item], wrong)}), truth


answers_strategy = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from("abcde"), st.sampled_from(["cat", "dog", "owl"])),
    min_size=1,
    max_size=40,
).map(lambda rows: table(*rows).drop_duplicates(["item", "worker"]))


def test_the_most_votes_win():
    result = votes(table((1, "a", "cat"), (1, "b", "cat"), (1, "c", "dog"), (2, "a", "dog"), (2, "b", "dog")))
    assert label_of(result) == {1: "cat", 2: "dog"}
    assert list(result.labels.columns) == ["item", "label", "confidence"]
    assert list(result.workers.columns) == ["worker", "answers", "skill"]
    assert result.workers["answers"].tolist() == [2, 2, 1]
    sure = result.labels.set_index("item")["confidence"]
    assert 0.5 < sure[1] < sure[2] <= 1


def test_one_answer_worked_by_hand():
    # nothing can be compared: a = .7, T = M(.7) for both, p = (1 + 30 * 2/3) / 31 for the class with the vote and
    # (30 / 3) / 31 for the other, so softmax(log p + log T) = 21 * .7 / (21 * .7 + 10 * .3)
    result = votes(table((1, "a", "yes")), classes=["no", "yes"])
    assert result.labels["confidence"].item() == pytest.approx(0.95 * 14.7 / 17.7 + 0.025)
    assert result.workers["skill"].item() == pytest.approx(0.7)


def test_one_class_is_certain():
    result = votes(table((1, "a", "x"), (2, "b", "x")))
    assert result.labels["confidence"].tolist() == [1.0, 1.0]


def test_ties_go_to_the_first_class():
    rows = table((1, "a", "dog"), (1, "b", "cat"))
    assert label_of(votes(rows)) == {1: "cat"}
    assert label_of(votes(rows, classes=["dog", "cat"])) == {1: "dog"}


def test_what_a_worker_repeats_counts_once():
    once = table((1, "a", "cat"), (1, "b", "dog"), (1, "c", "dog"))
    again = pd.concat([once, once.iloc[[0, 0, 0]]])
    pd.testing.assert_frame_equal(votes(once).labels, votes(again).labels)


def test_classes_nobody_voted_for_lower_the_confidence():
    rows = table((1, "a", "cat"), (1, "b", "cat"), (2, "a", "dog"), (2, "b", "cat"))
    few, many = votes(rows), votes(rows, classes=["cat", "dog", "owl", "elk"])
    assert label_of(few) == label_of(many)
    assert few.labels["confidence"][0] != many.labels["confidence"][0]


@pytest.mark.parametrize("values", [[3, 7], ["cat", "dog"], [True, False], [0.5, 1.5]])
def test_labels_keep_the_type_of_the_answers(values):
    rows = table((1, "a", values[0]), (1, "b", values[0]), (2, "a", values[1]))
    for result in (votes(rows), votes(rows, classes=values)):
        assert result.labels["label"].dtype == rows["label"].dtype
        assert result.labels["label"].tolist() == values


def test_an_empty_table_gives_empty_tables():
    result = votes(table())
    assert len(result.labels) == len(result.workers) == 0
    assert list(result.labels.columns) == ["item", "label", "confidence"]
    assert len(votes(table(), classes=["cat"]).labels) == 0


def test_a_row_that_cannot_be_used_is_named():
    with pytest.raises(ValueError, match="row 1: label 'cow'"):
        votes(table((1, "a", "cat"), (1, "b", "cow")), classes=["cat"])
    with pytest.raises(ValueError, match="row 1: worker"):
        votes(table((1, "a", "cat"), (1, None, "cat")))


@given(answers_strategy, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_byte(rows, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    one, other = votes(rows), votes(rows.iloc[order])
    for a, b in zip(one, other):
        pd.testing.assert_frame_equal(a, b, check_exact=True)
    assert one.labels["confidence"].to_numpy().tobytes() == other.labels["confidence"].to_numpy().tobytes()


@given(answers_strategy)
def test_the_names_of_workers_and_items_mean_nothing(rows):
    renamed = rows.assign(worker=rows["worker"].map(dict(zip("abcde", "zqxky"))), item=100 - rows["item"])
    one, other = votes(rows), votes(renamed)
    other = other.labels.assign(item=100 - other.labels["item"]).sort_values("item", ignore_index=True)
    np.testing.assert_allclose(one.labels["confidence"], other["confidence"], rtol=1e-6)
    clear = one.labels["confidence"] > 0.6
    assert one.labels["label"][clear].tolist() == other["label"][clear].tolist()


@given(answers_strategy)
def test_a_unanimous_crowd_is_followed(rows):
    rows = rows.assign(label=rows["item"].map({1: "cat", 2: "dog", 3: "owl", 4: "cat", 5: "dog", 6: "owl"}))
    result = votes(rows, classes=["cat", "dog", "owl"])
    assert label_of(result) == dict(zip(rows["item"], rows["label"]))
    assert result.labels["confidence"].between(0, 1).all()
    assert result.workers["skill"].between(0, 1).all()


@given(answers_strategy)
def test_in_a_small_job_a_class_with_fewer_votes_never_wins(rows):
    count = pd.crosstab(rows["item"], rows["label"])
    for item, label in label_of(votes(rows)).items():
        assert count.at[item, label] == count.loc[item].max()


def overruled(rows: pd.DataFrame) -> int:
    """How many items have a label that fewer people chose than another."""
    count = pd.crosstab(rows["item"], rows["label"])
    return sum(count.at[item, label] < count.loc[item].max() for item, label in label_of(votes(rows)).items())


def test_a_majority_is_overruled_only_where_the_crowd_agrees_enough():
    skill = np.r_[np.full(20, 0.65), np.full(20, 0.55)]  # kappa is .04: of 300 answers a class, 12 count
    poor, _ = crowd(6, items=120, workers=40, each=5, classes=2, skill=skill)
    assert overruled(poor) == 0
    skill = np.r_[np.full(20, 0.95), np.full(20, 0.6)]  # kappa is about .5, with as many answers
    good, truth = crowd(6, items=120, workers=40, each=5, classes=2, skill=skill)
    assert overruled(good) > 0
    majority = pd.crosstab(good["item"], good["label"]).idxmax(axis=1)
    assert (votes(good).labels["label"] == truth).sum() > (majority == truth).sum()


def test_agreement_above_chance_worked_by_hand():
    # items aab, ab, b: of 8 ordered pairs 2 are the same; a and b are half of the answers each
    assert above_chance(np.array([2, 1, 1, 1, 1]), np.array([3, 2, 1]), np.array([0, 0, 1, 0, 1, 1])) == -0.5
    assert above_chance(np.array([2, 2]), np.array([2, 2]), np.array([0, 0, 1, 1])) == 1
    assert above_chance(np.array([1]), np.array([1]), np.array([0])) == 0
    assert above_chance(np.array([2]), np.array([2]), np.array([0, 0])) == 1


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_one_more_worker_who_agrees_makes_an_item_surer(seed):
    rows, _ = crowd(seed, items=60, workers=8, each=4, classes=3, skill=[0.8] * 8)
    before = votes(rows).labels.set_index("item")
    item, label = before.index[0], before["label"].iloc[0]
    after = votes(pd.concat([rows, table((item, 99, label))])).labels.set_index("item")
    assert after.at[item, "label"] == label
    # answers are taken to be correlated: a fourth agreeing one may add nothing to what is as good as certain
    assert after.at[item, "confidence"] > before.at[item, "confidence"] - 0.01


def test_a_worker_who_guesses_is_found_and_outweighed():
    rows, truth = crowd(1, items=400, workers=6, each=5, classes=4, skill=[0.9, 0.9, 0.85, 0.25, 0.25, 0.25])
    labels, workers = votes(rows)
    plain = pd.crosstab(rows["item"], rows["label"]).idxmax(axis=1)
    assert (labels["label"] == truth).mean() > (plain == truth).mean() + 0.03
    assert workers["skill"].tolist() == pytest.approx([0.9, 0.9, 0.85, 0.25, 0.25, 0.25], abs=0.08)


def test_agrees_with_crowd_kit_where_answers_are_many():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecated things in its own code
        from crowdkit.aggregation import DawidSkene

        rows, truth = crowd(2, items=500, workers=20, each=7, classes=3, skill=np.linspace(0.4, 0.95, 20))
        theirs = DawidSkene(n_iter=50).fit_predict(rows.rename(columns={"item": "task"})).sort_index()
    ours = votes(rows).labels["label"]
    assert (ours.to_numpy() == theirs.to_numpy()).mean() > 0.97
    assert (ours == truth).mean() >= (theirs == truth).mean() - 0.005


def test_many_classes_take_no_table_of_all_pairs():
    rows, truth = crowd(3, items=2000, workers=300, each=3, classes=1000, skill=[0.8] * 300)
    assert (
        votes(rows, classes=range(1000)).labels["label"] == truth
    ).mean() > 0.85  # 300 x 1000 x 1000 would be 2.4 GB


@pytest.mark.parametrize(
    ("name", "accuracy", "ece"),
    [
        ("bluebirds", 0.889, 0.04),
        ("d_product", 0.938, 0.02),
        ("dogs", 0.837, 0.08),
        ("sp_amt", 0.944, 0.03),
        ("cifar10", 0.909, 0.04),
    ],
)
def test_real_crowds(data, name, accuracy, ece):
    benchmark = runpy.run_path(str(BENCHMARK))
    found = benchmark["judge_votes"](*benchmark["label_set"](data, name))
    assert found["accuracy"] >= accuracy - 0.0005
    assert found["ece"] <= ece
    assert found["accuracy"] >= found["majority"]


@pytest.mark.parametrize(
    ("name", "count", "above"), [("bluebirds", 3, -0.005), ("bluebirds", 5, -0.005), ("dogs", 3, 0)]
)
def test_real_crowds_with_few_answers(data, name, count, above):
    benchmark = runpy.run_path(str(BENCHMARK))
    answers, truth = benchmark["label_set"](data, name)
    found = [benchmark["judge_votes"](benchmark["some"](answers, count, draw), truth) for draw in range(10)]
    assert np.mean([one["accuracy"] - one["majority"] for one in found]) >= above


@pytest.mark.parametrize(("count", "error"), [(3, 0.093), (5, 0.09)])
def test_ground_truths_birds_with_few_answers(data, count, error):
    benchmark = runpy.run_path(str(BENCHMARK))
    answers, truth = benchmark["birds"](data)
    draws = range(20 if count == 3 else 1)
    found = [benchmark["judge_votes"](benchmark["some"](answers, count, draw), truth)["accuracy"] for draw in draws]
    assert 1 - np.mean(found) <= error
