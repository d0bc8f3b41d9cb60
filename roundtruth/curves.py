"""What learning curves usually look like: what a model loses on the items it did not learn from, the surest first.

The loss of an item grows with its rank u, a share of the items, as A (1 + g) u^g, and A falls with the number T of training
items as T^-b. Datasets differ in A, b and g; a kind of label says how widely.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

DRAWS = 200  # curves
RANKS = 200  # items of a curve, about as many as are checked


class Curve(Protocol):
    """How the learning curves of a kind's datasets differ."""

    exponent: float  # b of a job of which nothing is known

    def draw(self, classes: int, items: int, max_loss: float) -> tuple[np.ndarray, np.ndarray]:
        """Curves after items^(2/3) training items: losses (DRAWS, RANKS), the surest first, and exponents (DRAWS,)."""
        ...


@dataclass(frozen=True)
class Errors:
    """Losses that are right or wrong.

    The error after `known` training items, relative to that of guessing, is log-normal, and falls as T^-(slow (1 - it)) with
    random ones more, as on the 175 datasets of LCDB (Mohr et al. 2022) that have 512 items and are neither handwritten
    digits nor CIFAR. How fast it falls with the hardest items, and how it grows with the rank, is from 21 datasets of KEEL
    (Alcala-Fdez et al. 2011).
    """

    exponent: float = 0.5
    known: int = 256
    share: tuple[float, float] = (0.25, 0.85)  # of the error of guessing: the median, the deviation of the logarithm
    slow: float = 0.3
    fast: float = 1.3  # b is at most this times (1 - the share)^2
    sure: tuple[float, float] = (0.15, 0.7)  # of the way from the mean to 1: how far the loss of the least sure item is
    reached: float = 1 / 3  # half the curves keep the target on so many items at once: people ask for what is in reach

    def draw(self, classes: int, items: int, max_loss: float) -> tuple[np.ndarray, np.ndarray]:
        from scipy.stats import norm

        first, second, third = _even()
        fewer = self.known / max(1, items) ** (2 / 3)
        share = np.exp(np.log(self.share[0]) + self.share[1] * norm.ppf(first * norm.cdf(-np.log(self.share[0]) / self.share[1])))
        mean = np.minimum(share * fewer ** (self.slow * (1 - share)), 1) * (1 - 1 / classes)
        mean, falls = np.maximum(mean, 1e-6), self.fast * second * (1 - share) ** 2
        grows = (self.sure[0] + third * np.ptp(self.sure)) * (1 / mean - 1)
        passing = _passing(mean, grows, max_loss)
        order = np.argsort(passing)
        within = order[passing[order] >= self.reached]
        parts = [order, within] if len(within) else [order]
        taken = np.concatenate([_evenly(part, DRAWS // len(parts)) for part in parts])
        rising = _rising(mean[taken], grows[taken])
        return (np.random.default_rng(0).random(rising.shape) < rising).astype(float), falls[taken]


@dataclass(frozen=True)
class Losses:
    """Losses that may be anything from 0 to 1: a guess from what a few detectors have shown."""

    exponent: float = 0.25
    known: int = 100  # training items after which
    loss: tuple[float, float] = (0.15, 0.6)  # the mean loss lies in here, even in its logarithm
    falls: tuple[float, float] = (0.0, 0.3)  # b
    grows: tuple[float, float] = (0.5, 1.5)  # g
    scatter: float = 3.0  # losses have a beta distribution about their mean: the sum of its parameters

    def draw(self, classes: int, items: int, max_loss: float) -> tuple[np.ndarray, np.ndarray]:
        first, second, third = _even()
        fewer = self.known / max(1, items) ** (2 / 3)
        falls = self.falls[0] + second * np.ptp(self.falls)
        grows = self.grows[0] + third * np.ptp(self.grows)
        low, high = self.loss
        mean = np.minimum(low * (high / low) ** first * fewer**falls, 0.9)
        grows = np.minimum(grows, 1 / mean - 1)  # so that the loss of the last item is at most 1
        taken = _evenly(np.argsort(_passing(mean, grows, max_loss)), DRAWS)
        rising = _rising(mean[taken], grows[taken])
        return np.random.default_rng(0).beta(self.scatter * rising, self.scatter * (1 - rising)), falls[taken]


def _even() -> np.ndarray:
    """(3, 20 DRAWS) numbers in [0, 1), even along each axis, so that fewer will do (Latin hypercube sampling)."""
    from scipy.stats import qmc

    return qmc.LatinHypercube(3, rng=0).random(20 * DRAWS).T


def _passing(mean: np.ndarray, grows: np.ndarray, max_loss: float) -> np.ndarray:
    """The share of the items that keeps the target, where it is below 1."""
    return (max_loss / mean) ** (1 / grows)


def _evenly(rows: np.ndarray, count: int) -> np.ndarray:
    return rows[((np.arange(count) + 0.5) / count * len(rows)).astype(int)]


def _rising(mean: np.ndarray, grows: np.ndarray) -> np.ndarray:
    """(curves, RANKS): the expected loss at each rank."""
    rank = (np.arange(RANKS) + 0.5) / RANKS
    return np.clip(mean[:, None] * (1 + grows[:, None]) * rank ** grows[:, None], 1e-6, 1 - 1e-6)
