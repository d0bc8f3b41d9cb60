"""Learning curves: those drawn before anything is known, and those drawn from checked items."""

import numpy as np
import pytest
from scipy.stats import binom, qmc

from roundtruth import curves
from roundtruth.curves import Errors, Losses


def test_curves_of_errors_are_what_datasets_were_found_to_have():
    """After 256 items and with no target in view: the quartiles of the error relative to that of guessing are 0.13,
    0.25 and 0.41 on LCDB; a normal distribution's logarithm, cut at 1, gives these. Losses are averages of draws."""
    found = Errors(reached=0.0).prior_curves(2, round(256**1.5), 0.1, draws=4000)
    assert len(found.losses) == len(found.exponents) == 4000
    assert set(np.unique(found.losses)) == {0.0, 1.0}
    mean = found.losses.mean(axis=1) / 0.5
    assert np.quantile(mean, [0.25, 0.5, 0.75]) == pytest.approx([0.13, 0.25, 0.41], abs=0.03)


def test_half_of_the_curves_of_errors_reach_the_target_on_a_third_of_the_items():
    """Apart from the luck of some seventy losses of 0 or 1. Of curves drawn without regard to the target 0.54 and 0.68
    do."""

    def within(max_loss):
        losses = Errors().prior_curves(10, 2000, max_loss).losses
        return np.mean(losses[:, : losses.shape[1] // 3].mean(axis=1) <= max_loss + 0.05)

    assert within(0.02) > 0.7
    assert within(0.1) > 0.76
    assert within(0.5) > 0.9


@pytest.mark.parametrize("wrong", [15, 30])
def test_a_pilot_says_which_curves_are_likely(wrong):
    """With as many labels as the curves are made for, and if a pilot's model is the job's, the share of the error rate
    of guessing among equally good datasets is that of the pilot, give or take its luck: .02 and .025 here, and the
    shrinkage towards what is usual."""
    exact = Errors(reached=0.0, scatter=(0.0, 0.0))
    pilot = curves.Pilot(labels=257, tried=400, wrong=4 * wrong, classes=2)
    found = exact.prior_curves(2, round(256**1.5), 0.1, draws=2000, pilot=pilot)
    assert len(found.losses) == 2000
    assert found.losses.mean() == pytest.approx(wrong / 100, abs=0.02)
    wider = Errors(reached=0.0).prior_curves(2, round(256**1.5), 0.1, draws=2000, pilot=pilot)
    assert wider.losses.mean(axis=1).std() > found.losses.mean(axis=1).std()


def test_a_pilot_that_could_predict_nothing_changes_nothing():
    pilot = curves.Pilot(labels=10, tried=0, wrong=0, classes=0)
    for kind in (Errors(), Losses()):
        before, after = kind.prior_curves(10, 2000, 0.2), kind.prior_curves(10, 2000, 0.2, pilot=pilot)
        np.testing.assert_array_equal(before.losses, after.losses)


def test_the_likelihood_of_a_pilot_is_binomial_where_nothing_scatters():
    share = np.array([0.1, 0.4, 0.8])
    found = Errors(scatter=(0.0, 0.0)).likelihood(share, curves.Pilot(labels=257, tried=30, wrong=9, classes=4))
    expected = binom.pmf(9, 30, 0.75 * share)
    np.testing.assert_allclose(found, expected / expected.max())


def test_curves_of_losses_lie_in_their_ranges():
    found = Losses().prior_curves(2, 1000, 0.4)  # 1000^(2/3) items are the `known` ones
    assert found.losses.shape == (curves.DRAWS, curves.RANKS)
    assert ((found.losses >= 0) & (found.losses <= 1)).all()
    assert 0.0 <= found.exponents.min() < found.exponents.max() <= 0.3
    mean = found.losses.mean(axis=1)
    assert np.quantile(mean, [0.05, 0.5, 0.95]) == pytest.approx(0.15 * 4 ** np.array([0.05, 0.5, 0.95]), rel=0.15)
    thirds = found.losses.reshape(curves.DRAWS, 4, -1).mean(axis=(0, 2))
    assert (np.diff(thirds) > 0).all()  # the loss grows as the score falls


def test_the_latin_hypercube_is_that_of_scipy():
    expected = qmc.LatinHypercube(3, rng=0).random(400)
    np.testing.assert_array_equal(curves.latin_hypercube(400, 3), expected)


def test_bootstrap_curves_are_samples_of_the_losses_in_their_order():
    losses = np.arange(50.0)
    found = curves.bootstrap_curves(losses, 0.3)
    assert found.losses.shape == (curves.DRAWS, 50)
    assert (np.diff(found.losses, axis=1) >= 0).all()
    assert np.isin(found.losses, losses).all()
    # two samples, one of the other, vary nearly twice as much as one: 2 - 1 / n times the variance
    once = losses.var() / 50
    assert found.losses.mean(axis=1).var() == pytest.approx(1.98 * once, rel=0.3)
    assert found.losses.mean() == pytest.approx(losses.mean(), abs=4 * np.sqrt(2 * once / curves.DRAWS))
    assert found.exponents.mean() == pytest.approx(0.3, abs=0.04)
    assert found.exponents.min() >= 0
