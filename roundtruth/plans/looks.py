"""The statistics of the certified plan, on arrays alone: which looks a job may make, and which look comes next.

A look is a pair (t, k), both counted from 1: the t-th model, and the items that are checked with the k-th probability.
The schedule divides delta among all pairs before anybody is asked (alpha spending). After a look the plan estimates how
many items each further pair would leave to the model, and goes on to another look if that pays. docs/several-looks.md
proves that the promise holds whatever is decided here. It also says where the settings are from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np

from roundtruth import certify
from roundtruth.certify import Certificate
from roundtruth.curves import Curves

Pair = tuple[int, int]  # (t, k), from 1

BLOCKS = 16  # number of blocks in which the cuts of a curve are tried


@dataclass(frozen=True)
class Settings:
    """These numbers decide how large training sets and checks are and when a job goes on.

    All of them were chosen without the data of the job. Other values would save less money; the promise does not depend
    on them. N is the number of items to label, e the largest mean loss that the target allows.
    """

    binary: bool  # whether a loss is 0 or 1 and nothing between

    # These differ between losses of 0 or 1 and other losses.
    harder_train: float  # exponent: a harder target needs (easy / e)^harder_train times as many training items
    check: float  # checked items at the first look if the target is easy, as a multiple of N^(2/3)
    least_check: int  # the smallest such number: the evidence of losses between 0 and 1 does not depend on N
    harder_check: float  # exponent: a harder target needs (easy / e)^harder_check times as many checked items
    more_check: float  # factor from each number of checked items to the next
    levels: int  # how many numbers of checked items there are
    bad_luck: float  # completely lost items that estimates add to the checked ones, so as not to be too optimistic

    # These are the same for all losses.
    train: float = 1.0  # training items that are enough if the target is easy, as a multiple of N^(2/3)
    more_train: float = 1.5  # factor from each training set to the next
    enough: float = 0.9  # with this share of the training items that a target needs, the first look is worth its delta
    easy: float = 0.4  # loss: a target is easy where e is at least this large
    fewest: float = 2.5  # the fewest checked items, as a multiple of the number that proves something if none is wrong
    most_first: float = 0.4  # share of all items: no more are checked at the first look
    most_check: float = 0.5  # share of all items: no more are ever checked
    most_train: float = 0.5  # share of all items: no training set is larger
    # Shares of delta: one for the look that is meant to be the last, and one for the next check of the same model, in
    # case the first sample was unlucky. All other pairs share the rest.
    spent: tuple[float, ...] = (0.5, 0.2)
    spent_on_all: tuple[float, ...] = (0.85, 0.05)  # the same for a promise over the whole dataset
    # If nothing is expected to pass, a job still assumes that losses may be lower by this factor and may fall faster by
    # this much (added to the exponent).
    hope: tuple[float, float] = (0.9, 0.3)
    # For a promise over the whole dataset: the share of the items that the model is expected to label. The auto labels
    # alone may be worse than the target by this factor, so fewer items are trained on and checked.
    model_part: float = 0.6
    worth: float = 0.02  # a further look must add at least this share of all items to be worth people's time


# By `kind.BINARY`. docs/several-looks.md says on which data the values were set.
SETTINGS = {
    True: Settings(
        binary=True,
        harder_train=0.37,
        check=0.8,
        least_check=0,
        harder_check=0.2,
        more_check=2.0,
        levels=3,
        bad_luck=0.5,
    ),
    False: Settings(
        binary=False,
        harder_train=2.0,
        check=0.6,
        least_check=60,
        harder_check=2.2,
        more_check=1.5,
        levels=4,
        bad_luck=0.2,
    ),
}


@dataclass(frozen=True)
class Schedule:
    """All looks that a job may make. certificate.json holds these fields."""

    max_loss: float  # the largest mean loss that keeps the target
    delta: float  # the largest probability that the promise is broken
    train: list[int]  # sizes of the training sets; [0] where predictions are given
    levels: list[float]  # probabilities that an item is checked
    first: int  # t of the training set that is likely to be large enough
    # looks[t - 1][k - 1] is the share of delta of the pair (t, k) for each model; times the models they add up to delta
    looks: list[list[float]]
    # How many items a promise over the whole dataset is about; None: the promise is about the auto labels alone
    items: int | None = None
    # How many models' predictions are compared at each look. Each of them spends the share of the look's pair.
    models: int = 1

    def trained(self, at: Pair) -> int:
        """The number of training items at a look."""
        return self.train[at[0] - 1]

    def probability(self, at: Pair) -> float:
        """The probability that an item is checked at a look."""
        return self.levels[at[1] - 1]

    def delta_of(self, at: Pair) -> float:
        """The share of delta that a look may spend."""
        return self.looks[at[0] - 1][at[1] - 1]

    @property
    def promise(self) -> dict:
        """What is promised, as arguments of `certify`."""
        of = {} if self.items is None else {"of": "dataset", "items": self.items}
        return {"max_loss": self.max_loss, **of}


def schedule(
    items: int, max_loss: float, delta: float, settings: Settings, of_items: int | None = None, given: int = 0
) -> Schedule:
    """The schedule for a number of items to label. of_items: `Schedule.items`. given: how many models' predictions are
    given; 0: a model is trained."""
    promised, spent = max_loss, settings.spent
    if of_items is not None:
        max_loss, spent = min(max_loss / settings.model_part, 1 - 1e-6), settings.spent_on_all
    scale, harder = items ** (2 / 3), max(1.0, settings.easy / max_loss)
    most = max(1, settings.most_train * items)
    train = (settings.train * scale * settings.more_train ** np.arange(20)).clip(1, most).round().astype(int)
    train = np.unique(train).tolist() if not given else [0]
    likely = settings.enough * settings.train * scale * harder**settings.harder_train
    first = 1 + int(np.searchsorted(train, min(likely, train[-1])))
    none_wrong = np.log(spent[0] * delta) / np.log1p(-max_loss)  # so many, all right, would prove something
    check = max(settings.check * scale, settings.least_check) * harder**settings.harder_check
    check = min(max(check, settings.fewest * none_wrong) / max(1, items), settings.most_first)
    levels = (check * settings.more_check ** np.arange(settings.levels)).clip(0, settings.most_check)
    levels = np.unique(levels).tolist()
    looks = np.zeros((len(train), len(levels)))
    looks[first - 1, : len(spent)] = spent[: len(levels)]
    others = looks == 0
    looks[others] = (1 - sum(spent)) / max(1, others.sum())
    looks *= delta / looks.sum() / max(1, given)
    return Schedule(promised, delta, train, levels, first, looks.tolist(), of_items, max(1, given))


# -- one look


@dataclass(frozen=True)
class Sample:
    """How a model does on the items that it did not learn from."""

    scores: np.ndarray  # (n,) of the checked items
    losses: np.ndarray  # (n,) of the checked items, from 0 to 1
    rest: np.ndarray  # (m,) scores of the other items
    most: int  # how many of the rest may pass
    exponent: float  # b: the model's losses fall as T^-b with T training items

    @property
    def total(self) -> int:
        return len(self.scores) + len(self.rest)

    @cached_property
    def falling(self) -> np.ndarray:
        """(n,) the losses, the loss at the highest score first."""
        return self.losses[np.argsort(-self.scores, kind="stable")]


def passing(schedule: Schedule, settings: Settings, sample: Sample, at: Pair, most: int) -> tuple[Certificate, int]:
    """What may be promised at a look if at most `most` of the rest may pass, and how many of the rest then pass."""
    found = certify.certify(
        sample.scores,
        sample.losses,
        sample.rest,
        delta=schedule.delta_of(at),
        drawn=schedule.probability(at),
        binary=settings.binary,
        most=most,
        **schedule.promise,
    )
    return found, 0 if found.threshold is None else int((sample.rest >= found.threshold).sum())


def needed(schedule: Schedule, sample: Sample, at: Pair) -> float:
    """About how many more items would have to be checked for a promise about the auto labels to be possible at a look;
    infinity if no number is enough."""
    more = certify.needed(
        sample.scores, sample.losses, sample.rest, max_loss=schedule.max_loss, delta=schedule.delta_of(at)
    )
    return np.inf if more is None else more


# -- what comes next


class Decision(NamedTuple):
    """What follows a look."""

    next: Pair | None  # the pair of the next look; None: this look is final
    later: Pair | None = None  # if the budget made the look final: the pair that would have been next
    without_budget: int | None = None  # if the budget decided: the number of auto labels expected without a budget


def going_on(
    schedule: Schedule, settings: Settings, sample: Sample, at: Pair, ahead: dict[Pair, float], count: int
) -> Pair | None:
    """The look that follows the one at `at`, or None if the job finishes with this one.

    ahead: how many items each further pair is expected to leave to the model. count: how many it may label now.
    """
    t, k = at
    if not ahead:
        return None
    if count == 0 and at == (schedule.first, 1) and (t, k + 1) in ahead:
        return t, k + 1  # an unlucky sample is more likely than a bad model
    best = max(ahead, key=lambda pair: ahead[pair])
    worth = settings.worth * sample.total
    if ahead[best] <= count + worth:
        if count:
            return None
        # People would be asked about the next items in any case. So the job goes on up to the training set that is
        # likely to be large enough, and after that as long as something may pass with a little luck.
        hope = hoped(schedule, settings, sample, at)
        best = max(ahead, key=lambda pair: hope[pair])
        if t >= schedule.first and hope[best] <= worth:
            return None
    # More items are checked only once the training set is as large as it is likely to need.
    trains = best[0] > t or (t < schedule.first and (t + 1, k) in ahead)
    return (t + 1, k) if trains else (t, k + 1)


def without_money(
    schedule: Schedule,
    settings: Settings,
    sample: Sample,
    at: Pair,
    ahead: dict[Pair, float],
    count: int,
    passing: int,
) -> Decision:
    """What follows if the budget does not let the job go on as it otherwise would.

    ahead: as for `going_on`, without a budget. passing: how many items the model may label without a budget. count:
    how many of these it may label within the budget.
    """
    t, k = at
    wanted = going_on(schedule, settings, sample, at, ahead, passing)
    if wanted is None and count < passing:
        wanted = next((pair for pair in ((t, k + 1), (t + 1, k)) if pair in ahead), None)
    best = int(max([passing, *ahead.values()]))
    # If nothing passes yet, people are asked about as much of the next batch as the money pays for.
    return Decision(None, wanted, best) if passing else Decision(wanted, None, best)


def expected(schedule: Schedule, settings: Settings, sample: Sample, at: Pair) -> dict[Pair, float]:
    """How many items each further pair is expected to leave to the model."""
    curve = Curves(sample.falling[None], np.array([sample.exponent]))
    found = expected_auto(schedule, settings, curve, sample.total, at, settings.bad_luck)
    return {pair: float(auto[0]) for pair, auto in found.items() if pair != at}


def hoped(schedule: Schedule, settings: Settings, sample: Sample, at: Pair) -> dict[Pair, float]:
    """As `expected`, if everything turns out a little better."""
    lower, faster = settings.hope
    curve = Curves(lower * sample.falling[None], np.array([sample.exponent + faster]))
    return {pair: float(auto[0]) for pair, auto in expected_auto(schedule, settings, curve, sample.total, at).items()}


def within_budget(
    schedule: Schedule, ahead: dict[Pair, float], total: int, at: Pair, affordable: Callable[[float], int | None]
) -> dict[Pair, float]:
    """The part of `ahead` that the budget pays for.

    affordable(asked): how many auto labels the budget still pays for after people are asked about `asked` more items;
    None is any number.
    """
    most = {pair: affordable(to_ask(schedule, total, at, pair)) for pair in ahead}
    most = {pair: np.inf if some is None else some for pair, some in most.items()}
    return {pair: min(most[pair], auto) for pair, auto in ahead.items() if most[pair]}


def to_ask(schedule: Schedule, total: int, at: Pair, pair: Pair) -> float:
    """About how many more items people are asked about on the way from the look `at` to the look `pair`.

    total: the number of items that the model at `at` did not learn from.
    """
    more, p = schedule.trained(pair) - schedule.trained(at), schedule.probability(at)
    return more * (1 - p) + (schedule.probability(pair) - p) * (total - more)


def ends(
    schedule: Schedule, settings: Settings, curves: Curves, total: int, at: Pair, levels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(auto labels, people's rounds) if a job stops at the pair that leaves most to the model: (curves,) twice.

    Arguments as for `expected_auto`.
    """
    found = expected_auto(schedule, settings, curves, total, at, levels=levels) or {at: np.zeros(len(curves.losses))}
    auto, rounds = np.stack(list(found.values())), np.array([t + k - 1 for t, k in found])
    most = auto.max(axis=0).astype(int)
    return most, rounds[auto.argmax(axis=0)] + (most < total)


def shares_below(schedule: Schedule, items: int, draws: int) -> np.ndarray:
    """(draws, levels): random draws of the shares of items that are checked at each level."""
    levels, luck = np.array(schedule.levels), np.random.default_rng(1).standard_normal((draws, 1))
    return np.clip(levels + luck * np.sqrt(levels * (1 - levels) / max(1, items)), 0, 1)


def expected_auto(
    schedule: Schedule,
    settings: Settings,
    curves: Curves,
    total: int,
    at: Pair,
    luck: float = 0.0,
    levels: np.ndarray | None = None,
) -> dict[Pair, np.ndarray]:
    """How many items the model would label after the look at `at` and after each further pair: (curves,) for each.

    curves: the model's losses now. They are taken as typical of all `total` items that it did not learn from.
    Further training takes the hardest items away, and lowers the losses of the others as T^-b.
    luck: completely lost items that are added to the checked ones.
    levels: (curves, number of levels), the shares of the items that are checked; the default is the schedule's
    probabilities.
    """
    (t, k), found = at, {}
    if levels is None:
        levels = np.broadcast_to(schedule.levels, (len(curves.losses), len(schedule.levels)))
    for pair in product(range(t, len(schedule.train) + 1), range(k, len(schedule.levels) + 1)):
        more, p = schedule.trained(pair) - schedule.trained(at), levels[:, pair[1] - 1]
        if more < total:
            fallen = (schedule.trained(at) / schedule.trained(pair) if more else 1.0) ** curves.exponents
            losses, left, delta = curves.losses * fallen[:, None], 1 - more / total, schedule.delta_of(pair)
            limit = schedule.max_loss, schedule.items
            share = passing_share(losses, left, p, total, *limit, delta, settings.binary, luck)
            found[pair] = (1 - p) * total * share
    return found


def passing_share(
    losses: np.ndarray,
    left: float,
    p: np.ndarray,
    total: int,
    max_loss: float,
    items: int | None,
    delta: float,
    binary: bool,
    luck: float,
) -> np.ndarray:
    """The share of the items that would pass, for each of some curves: (curves,).

    losses: (curves, n), the loss at the highest score first. They represent `total` items, of which only the share
    `left` with the highest scores will remain. p: (curves,), the probability that an item is checked; nothing passes if
    it is 0 or 1. items: as in `Schedule`. delta: below 1/2. luck: completely lost items that are added above each cut.

    There is a cut below each loss. Only the lowest cut that passes matters. So the cuts are tried in blocks from the
    lowest up, until each curve has one that passes.
    """
    n, possible = losses.shape[1], (p > 0) & (p < 1)
    share, tried, p = np.zeros(len(losses)), np.flatnonzero(possible), np.where(possible, p, 0.5)[:, None]
    place = np.arange(1, int(np.ceil(left * n)) + 1)
    above, losses = place / n * total, losses[:, : len(place)]
    allowed = (1 - p) * above * max_loss if items is None else np.full((len(p), 1), max_loss * items)
    start = 0.0
    if binary:
        rate = mean_above(losses, 1.0, luck)
        if luck == 0:  # if a cut passes and the next item is right, the next cut passes, too: so only that one is tried
            rate[:, :-1][losses[:, 1:] == 0] = np.inf
    elif items is None:
        passing = max(1, int(certify.REACH * left * total))
        bet = certify.best_bet(p, passing * (1 / p - 1), max_loss, delta, binary=False)
        rate = coin_rate(losses, p, bet, max_loss, luck)
    else:
        passing = max(1, int(certify.REACH_OF_ALL * left * total))
        center = certify.center_of(max_loss, items, passing * (1 - p))
        bet = certify.best_bet(p, passing * (1 / p - 1), center, delta, binary=False)
        rate, start = coin_rate(losses, p, bet, center, luck), bet * (max_loss * items - center * (1 - p) * above)
    allowed, start = (np.broadcast_to(part, rate.shape) for part in (allowed, start))
    for block in np.array_split(place - 1, BLOCKS)[::-1]:
        cuts = np.ix_(tried, block)
        if binary:
            passes = walk_proves(rate[cuts], above[block], p[tried], allowed[cuts], delta)
        else:
            passes = coin_proves(rate[cuts], above[block], p[tried], start[cuts], delta)
        found = passes.any(axis=1)
        lowest = passes[found, ::-1].argmax(axis=1) if len(block) else 0
        share[tried[found]] = np.minimum((place[block[-1:]] - lowest) / n, left)
        tried = tried[~found]
    if items is not None and n:  # so many items keep the promise whatever they are
        harmless = np.minimum(max_loss * items / ((1 - p[:, 0]) * total), left)
        share = np.where(possible, np.maximum(share, harmless), 0.0)
    return share


def mean_above(values: np.ndarray, unlucky: np.ndarray | float, luck: float) -> np.ndarray:
    """(curves, cuts): the mean of the values above each cut, with `luck` times the value `unlucky` added to them."""
    place = np.arange(1, values.shape[1] + 1)
    return (np.cumsum(values, axis=1) + luck * unlucky) / (place + luck)


def walk_proves(rate, above, p, allowed, delta: float) -> np.ndarray:
    """Whether the walk rule, for losses of 0 or 1, is expected to let each cut pass: (curves, cuts).

    rate: (curves, cuts), the mean loss above each cut. above: (cuts,), the number of items there. p: (curves, 1), the
    probability that an item is checked. allowed: (curves, cuts), the number of wrong undrawn items above each cut that
    just keep the promise.

    Take the expected number of wrong items among the checked ones. A cut is expected to pass if so few wrong items have
    a probability of at most delta in a pool whose undrawn items just break the promise. This is a negative binomial
    tail.
    """
    from scipy.special import betainc

    wrong = rate * p * above
    # With so many wrong items, 1 - p is at least the mode and the mean of the beta distribution below, and so at least
    # its median. Then the tail is at least 1/2, which is above delta.
    hopeless = wrong >= p / (1 - p) * allowed + np.maximum(0, p / (1 - p) - 1)
    curve, cut = np.nonzero(~hopeless)
    passes, q = np.zeros(wrong.shape, dtype=bool), 1 - p[curve, 0]
    passes[curve, cut] = betainc(allowed[curve, cut] + 1, wrong[curve, cut] + 1, q) <= delta
    return passes


def coin_rate(losses, p, bet, limit, luck: float) -> np.ndarray:
    """(curves, cuts): the mean evidence of a checked item above each cut, by the coin rule.

    losses: (curves, cuts). p: (curves, 1), the probability that an item is checked. bet: (curves, 1). limit: the loss
    whose evidence is 0, for all curves or (curves, 1).
    """
    lost = certify.evidence(np.ones(1), p, bet, limit)
    return mean_above(certify.evidence(losses, p, bet, limit), lost, luck)


def coin_proves(rate, above, p, start, delta: float) -> np.ndarray:
    """Whether the coin rule is expected to let each cut pass: (curves, cuts). Its evidence is taken as proportional to
    the number of checked items. rate: (curves, cuts), the mean evidence; start: (curves, cuts), the evidence without
    any checked item; the other arguments as for `walk_proves`."""
    return start + rate * p * above >= np.log(1 / delta)
