import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from roundtruth import select

pools = st.lists(st.integers(1, 10_000), unique=True, max_size=60)


@given(st.dictionaries(st.integers(1, 1000), st.integers(0, 5), max_size=40), st.integers(0, 50))
def test_the_least_confident_are_those_with_no_surer_one_left_out(scores, n):
    table = pd.Series(scores, dtype="float64", index=pd.Index(list(scores), dtype="int64"))
    chosen = select.least_confident(table, n).tolist()
    expected = sorted(scores, key=lambda item: (scores[item], item))[:n]
    assert chosen == sorted(expected)


@given(pools, st.integers(0, 80), st.integers(0, 3), st.randoms())
def test_a_random_batch_does_not_depend_on_the_order_of_the_pool(pool, n, seed, chance):
    other = pool.copy()
    chance.shuffle(other)
    chosen = select.random(np.array(pool, dtype="int64"), n, seed).tolist()
    assert chosen == select.random(np.array(other, dtype="int64"), n, seed).tolist() == sorted(chosen)
    assert len(set(chosen)) == len(chosen) == min(n, len(pool))
    assert set(chosen) <= set(pool)


def test_every_item_is_as_likely_as_any_other():
    pool = np.arange(1, 51)
    count = np.zeros(51)
    for seed in range(2000):
        count[select.random(pool, 10, seed)] += 1
    # a binomial with mean 400, deviation 17.9; of 50 the extremes lie within 4 of these
    assert np.abs(count[1:] - 400).max() < 4 * np.sqrt(2000 * 0.2 * 0.8)


def test_what_is_drawn_next_follows_on_what_was_drawn_before():
    """Two batches of five are one batch of ten: how a batch is cut does not change who is asked."""
    pool = np.arange(1, 101)
    first = select.random(pool, 5, 3)
    second = select.random(np.setdiff1d(pool, first), 5, 3)
    assert sorted([*first, *second]) == select.random(pool, 10, 3).tolist()
