"""What learning curves usually look like, for each sort of loss. Forecasts draw their curves from this.

A learning curve gives the losses of a model on the items that it did not learn from, sorted by score, the highest
first. At the share u of these items the expected loss is A (1 + g) u^g. The mean A falls with the number T of training
items as T^-b. docs/forecast.md says where the numbers below are from.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

DRAWS = 200  # curves
RANKS = 200  # losses of a curve that is drawn before any item was checked; about as many as will be checked
UNSURE = 0.15  # standard deviation of the exponent b around the value that a job has shown


class Curves(NamedTuple):
    """Some learning curves."""

    losses: np.ndarray  # (curves, n), the loss at the highest score first
    exponents: np.ndarray  # (curves,), b


class Curve(Protocol):
    """What the learning curves of a kind usually look like."""

    exponent: float  # the usual b, for a job that has shown none

    def prior_curves(self, classes: int, items: int, max_loss: float, draws: int = DRAWS) -> Curves:
        """Curves as wide as datasets differ, after items^(2/3) training items.

        classes: number of classes. items: number of items to label. max_loss: 1 - the target's quality.
        """
        ...


@dataclass(frozen=True)
class Errors:
    """Curves of losses that are 0 or 1. The mean loss is an error rate; the share of an error rate is its ratio to the
    error rate of guessing.

    As on 175 datasets of LCDB (Mohr et al. 2022) that have 512 items and are neither handwritten digits nor CIFAR. How
    the loss falls with the hardest items, and how it grows along the ranks, is from 21 datasets of KEEL (Alcala-Fdez et
    al. 2011).
    """

    exponent: float = 0.5
    known: int = 256  # number of training items for which `share` holds
    share: tuple[float, float] = (0.25, 0.85)  # log-normal: its median, and the standard deviation of its logarithm
    slow: float = 0.3  # with random training items the error rate falls as T^-(slow (1 - share))
    fast: float = 1.3  # with the hardest training items the exponent is at most fast (1 - share)^2
    sure: tuple[float, float] = (0.15, 0.7)  # how far the last loss is on the way from the mean to 1: the range
    # Share of the items. Half of the curves reach the target on so many items at once, because people ask for a target
    # that they consider possible.
    reached: float = 1 / 3

    def prior_curves(self, classes: int, items: int, max_loss: float, draws: int = DRAWS) -> Curves:
        """As `Curve` says."""
        from scipy.special import ndtr, ndtri

        first, second, third = latin_hypercube(20 * draws, 3).T
        median, spread = self.share
        share = np.exp(np.log(median) + spread * ndtri(first * ndtr(-np.log(median) / spread)))  # cut at 1
        fewer = self.known / max(1, items) ** (2 / 3)
        mean = np.minimum(share * fewer ** (self.slow * (1 - share)), 1) * (1 - 1 / classes)
        mean, exponents = np.maximum(mean, 1e-6), self.fast * second * (1 - share) ** 2
        grows = (self.sure[0] + third * np.ptp(self.sure)) * (1 / mean - 1)
        order, share = by_share_within(max_loss, mean, grows)
        within = order[share >= self.reached]
        parts = [order, within] if len(within) else [order]
        some = np.concatenate([evenly(part, draws // len(parts)) for part in parts])
        chance, expected = np.random.default_rng(0), expected_losses(mean[some], grows[some])
        return Curves((chance.random(expected.shape) < expected).astype(float), exponents[some])


@dataclass(frozen=True)
class Losses:
    """Curves of losses that are any number from 0 to 1. The numbers are a guess from a few detectors of boxes."""

    exponent: float = 0.25
    known: int = 100  # number of training items for which `loss` holds
    loss: tuple[float, float] = (0.15, 0.6)  # the mean loss: the range, uniform in its logarithm
    falls: tuple[float, float] = (0.0, 0.3)  # the exponent b: the range
    grows: tuple[float, float] = (0.5, 1.5)  # the power g of the rank: the range
    scatter: float = 3.0  # losses have a beta distribution around the curve; the sum of its two parameters

    def prior_curves(self, classes: int, items: int, max_loss: float, draws: int = DRAWS) -> Curves:
        """As `Curve` says."""
        first, second, third = latin_hypercube(20 * draws, 3).T
        fewer = self.known / max(1, items) ** (2 / 3)
        exponents, grows = self.falls[0] + second * np.ptp(self.falls), self.grows[0] + third * np.ptp(self.grows)
        low, high = self.loss
        mean = np.minimum(low * (high / low) ** first * fewer**exponents, 0.9)
        grows = np.minimum(grows, 1 / mean - 1)  # so that no loss is above 1
        some = evenly(by_share_within(max_loss, mean, grows)[0], draws)
        chance, expected = np.random.default_rng(0), expected_losses(mean[some], grows[some])
        return Curves(chance.beta(self.scatter * expected, self.scatter * (1 - expected)), exponents[some])


def bootstrap_curves(losses: np.ndarray, exponent: float) -> Curves:
    """Curves as the checked items show them. losses: (n,), the loss at the highest score first.

    The losses are drawn with replacement, and each such sample is drawn with replacement once more: these losses are
    one sample, and the next look checks another one.
    """
    chance, n = np.random.default_rng(0), len(losses)
    once, again = chance.integers(0, n, (2, DRAWS, n))
    rows = np.take_along_axis(once, again, axis=1)
    rows.sort(axis=1)
    return Curves(losses[rows], np.clip(chance.normal(exponent, UNSURE, DRAWS), 0, 1))


def latin_hypercube(count: int, dimensions: int) -> np.ndarray:
    """(count, dimensions) numbers in (0, 1), uniform and evenly spread along each dimension, so that fewer draws do.

    The numbers are those of scipy.stats.qmc.LatinHypercube with the seed 0. SciPy's module takes a second to import.
    """
    chance = np.random.default_rng(0).spawn(1)[0]
    within = chance.uniform(size=(count, dimensions))
    cells = np.tile(np.arange(1, count + 1), (dimensions, 1))
    for row in cells:
        chance.shuffle(row)
    return (cells.T - within) / count


def by_share_within(max_loss: float, mean: np.ndarray, grows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order of curves by the share of the items, the highest scores first, that has the mean loss `max_loss`; and
    these shares in that order. mean, grows: (curves,), A and g. A share above 1 means that all items do."""
    share = (max_loss / mean) ** (1 / grows)
    order = np.argsort(share)
    return order, share[order]


def evenly(rows: np.ndarray, count: int) -> np.ndarray:
    """`count` of the rows, evenly spaced."""
    return rows[((np.arange(count) + 0.5) / count * len(rows)).astype(int)]


def expected_losses(mean: np.ndarray, grows: np.ndarray) -> np.ndarray:
    """(curves, RANKS): A (1 + g) u^g, kept inside (0, 1). mean, grows: (curves,), A and g."""
    rank = (np.arange(RANKS) + 0.5) / RANKS
    return np.clip(mean[:, None] * (1 + grows[:, None]) * rank ** grows[:, None], 1e-6, 1 - 1e-6)
