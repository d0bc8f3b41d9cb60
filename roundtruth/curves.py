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


class Pilot(NamedTuple):
    """How well the first labels of a job were predicted, each from the others."""

    labels: int  # number of labels
    tried: int  # those of a class that another label has, too: no other can be predicted
    wrong: int  # those of them that were predicted wrong
    classes: int  # number of classes that more than one label has


class Curve(Protocol):
    """What the learning curves of a kind usually look like."""

    exponent: float  # the usual b, for a job that has shown none

    def prior_curves(
        self, classes: int, items: int, max_loss: float, draws: int = DRAWS, pilot: Pilot | None = None
    ) -> Curves:
        """Curves as wide as datasets differ, after items^(2/3) training items.

        classes: number of classes. items: number of items to label. max_loss: 1 - the target's quality.
        pilot: if it is known, the curves that fit it are drawn more often.
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
    # Standard deviation of the logarithm of a pilot's error rate around what a curve says: one for each e-fold between
    # the numbers of labels, and one because the pilot's model is not the job's
    scatter: tuple[float, float] = (0.15, 0.3)

    def prior_curves(
        self, classes: int, items: int, max_loss: float, draws: int = DRAWS, pilot: Pilot | None = None
    ) -> Curves:
        """As `Curve` says."""
        from scipy.special import ndtr, ndtri

        first, second, third = latin_hypercube(20 * draws, 3).T
        median, spread = self.share
        share = np.exp(np.log(median) + spread * ndtri(first * ndtr(-np.log(median) / spread)))  # cut at 1
        fewer = self.known / max(1, items) ** (2 / 3)
        mean = np.minimum(share * fewer ** (self.slow * (1 - share)), 1) * (1 - 1 / classes)
        mean, exponents = np.maximum(mean, 1e-6), self.fast * second * (1 - share) ** 2
        grows = (self.sure[0] + third * np.ptp(self.sure)) * (1 / mean - 1)
        fits = np.ones(len(share)) if pilot is None else self.likelihood(share, pilot)
        order, reaches = by_share_within(max_loss, mean, grows)
        within = order[reaches >= self.reached]
        parts = [part for part in (order, within) if len(part)]
        likely = np.array([fits[part].mean() for part in parts])
        counts = np.diff(np.round(draws * np.append(0, np.cumsum(likely / likely.sum())))).astype(int)
        some = np.concatenate([evenly(part, count, fits[part]) for part, count in zip(parts, counts)])
        chance, expected = np.random.default_rng(0), expected_losses(mean[some], grows[some])
        return Curves((chance.random(expected.shape) < expected).astype(float), exponents[some])

    def likelihood(self, share: np.ndarray, pilot: Pilot) -> np.ndarray:
        """(curves,) how likely the result of a pilot is, relative to the most likely one. share: (curves,), the share
        of the error rate of guessing after `known` training items."""
        from scipy.special import ndtri, xlog1py, xlogy

        far = np.log(self.known / max(1, pilot.labels - 1))
        luck = np.hypot(self.scatter[0] * far, self.scatter[1]) * ndtri((np.arange(20) + 0.5) / 20)
        early = share[:, None] * np.exp(self.slow * (1 - share[:, None]) * far + luck)
        error = np.clip(np.minimum(early, 1) * (1 - 1 / max(pilot.classes, 1)), 1e-6, 1 - 1e-6)
        log = xlogy(pilot.wrong, error) + xlog1py(pilot.tried - pilot.wrong, -error)
        return np.exp(log - log.max()).mean(axis=1)


@dataclass(frozen=True)
class Losses:
    """Curves of losses that are any number from 0 to 1. The numbers are a guess from a few detectors of boxes."""

    exponent: float = 0.25
    known: int = 100  # number of training items for which `loss` holds
    loss: tuple[float, float] = (0.15, 0.6)  # the mean loss: the range, uniform in its logarithm
    falls: tuple[float, float] = (0.0, 0.3)  # the exponent b: the range
    grows: tuple[float, float] = (0.5, 1.5)  # the power g of the rank: the range
    scatter: float = 3.0  # losses have a beta distribution around the curve; the sum of its two parameters

    def prior_curves(
        self, classes: int, items: int, max_loss: float, draws: int = DRAWS, pilot: Pilot | None = None
    ) -> Curves:
        """As `Curve` says, but a pilot tells nothing of these losses."""
        first, second, third = latin_hypercube(20 * draws, 3).T
        fewer = self.known / max(1, items) ** (2 / 3)
        exponents, grows = self.falls[0] + second * np.ptp(self.falls), self.grows[0] + third * np.ptp(self.grows)
        low, high = self.loss
        mean = np.minimum(low * (high / low) ** first * fewer**exponents, 0.9)
        grows = np.minimum(grows, 1 / mean - 1)  # so that no loss is above 1
        order = by_share_within(max_loss, mean, grows)[0]
        some = evenly(order, draws, np.ones(len(order)))
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


def evenly(rows: np.ndarray, count: int, weight: np.ndarray) -> np.ndarray:
    """`count` of the rows, evenly spaced, and more often where their weight is larger. weight: (rows,), at least 0."""
    until = np.cumsum(weight)
    return rows[np.searchsorted(until, (np.arange(count) + 0.5) / count * until[-1], side="right")]


def expected_losses(mean: np.ndarray, grows: np.ndarray) -> np.ndarray:
    """(curves, RANKS): A (1 + g) u^g, kept inside (0, 1). mean, grows: (curves,), A and g."""
    rank = (np.arange(RANKS) + 0.5) / RANKS
    return np.clip(mean[:, None] * (1 + grows[:, None]) * rank ** grows[:, None], 1e-6, 1 - 1e-6)
