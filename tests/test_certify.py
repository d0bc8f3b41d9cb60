import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roundtruth.certify import naive


def brute(scores, quality, target):
    """Every threshold is tried."""
    fit = [
        theta
        for theta in scores
        if sum(q for s, q in zip(scores, quality) if s >= theta) >= target * sum(s >= theta for s in scores)
    ]
    return min(fit, default=None)


# scores are few, so that many are equal; qualities are eighths, whose sums are exact
checked = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), max_size=30)


@given(checked, st.integers(1, 8))
def test_naive_is_the_lowest_threshold_that_fits(items, target):
    scores = np.array([score / 6 for score, _ in items], float)
    quality = np.array([q / 8 for _, q in items], float)
    assert naive(scores, quality, target / 8) == brute(scores.tolist(), quality.tolist(), target / 8)


def test_equal_scores_pass_or_fail_together():
    assert naive(np.array([0.9, 0.5, 0.5]), np.array([1.0, 1.0, 0.0]), 0.9) == 0.9
    assert naive(np.array([0.9, 0.5, 0.5]), np.array([1.0, 1.0, 0.0]), 0.6) == 0.5


def test_a_dip_above_the_threshold_does_no_harm():
    """The lowest of all that fit, as Ground Truth takes it, though higher ones do not."""
    assert naive(np.array([0.9, 0.8, 0.7, 0.6]), np.array([0.0, 1.0, 1.0, 1.0]), 0.75) == 0.6


@pytest.mark.parametrize("quality", [[], [0.0, 0.2]])
def test_none_fits(quality):
    assert naive(np.linspace(0, 1, len(quality)), np.array(quality), 0.5) is None
