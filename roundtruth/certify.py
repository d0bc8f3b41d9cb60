"""Thresholds and certificates, on arrays alone. docs/certificates.md has the theorems and their proofs."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

# All of these are fixed before a checked item's answer is read. Any values keep the promise; these give most coverage.
SHARES = 200  # cuts the walk rule looks at
STEPS = 1000  # steps in which its bounds rise, at most
LEVELS = 32  # levels tried for a bound
ERRORS = 1000  # from so many allowed errors among the checked items on, the walk rule is not worth its time
BET = 2.25  # the bet on losses between 0 and 1, as a multiple of the bet that fits losses of 0 or 1
ALL_IN = 0.95  # share of the largest possible bet; with all of it, one completely lost item would rule out passing
REACH = 0.6  # share of all items that is expected to pass
REACH_OF_ALL = 0.8  # as REACH, for a promise over the whole dataset
LARGEST_CENTER = 0.9  # a center of 1 would leave the bet without a limit
TIE = 1e-9  # a probability so close to delta, as a share of it, is not below it: rounding must not decide

OF = ("auto-labels", "dataset")  # whose mean loss is promised


@dataclass(frozen=True)
class Certificate:
    """What can be promised if the model labels the pool's items with score >= threshold.

    of is "auto-labels": the mean loss of these items is at most `max_loss`. of is "dataset": the mean loss of all items
    of the dataset is at most `max_loss`, if all other items get people's label, which counts as right.
    """

    threshold: float | None  # None: nothing can be promised
    coverage: float  # share of the pool's items at or above the threshold
    rule: str  # "walk" or "coin", as docs/certificates.md names them
    max_loss: float
    delta: float  # the largest probability that the promise is broken
    checked: int  # items drawn for checking
    above: int  # of those, the ones at or above the threshold
    estimate: float | None  # their mean loss, which estimates the pool's mean loss there; only max_loss is promised
    log_e: float | None  # the largest log e-value of any cut; log(1 / delta) passes; None with the rule "walk"
    of: str = "auto-labels"  # or "dataset"


def naive(scores: np.ndarray, quality: np.ndarray, target: float) -> float | None:
    """The lowest threshold whose items at or above it have a mean quality of at least `target`; None if none has.

    scores, quality: (n,) of the validation items. This is how SageMaker Ground Truth chooses its threshold on the
    validation items (Amazon's "Annotate data for less ..."). It promises nothing: it breaks its target in about half of
    all jobs.
    """
    order = np.argsort(-scores, kind="stable")
    scores, quality = scores[order], quality[order]
    mean = np.cumsum(quality) / np.arange(1, len(quality) + 1)
    last_of_equals = np.append(scores[1:] != scores[:-1], True)[: len(scores)]  # equal scores pass or fail together
    fit = np.flatnonzero((mean >= target) & last_of_equals)
    return float(scores[fit[-1]]) if len(fit) else None


def certify(
    scores,
    losses,
    pool_scores,
    *,
    max_loss,
    delta,
    drawn=None,
    binary=False,
    most=None,
    of="auto-labels",
    items=None,
) -> Certificate:
    """The lowest threshold with which the mean loss is promised to be at most `max_loss`.

    scores, losses: (n,) of the items drawn for checking, losses in [0, 1] (1 - quality).
    pool_scores: (m,) of the items that were not drawn.
    drawn: the probability with which an item was drawn by its coin. One number, or (n + m,) with the drawn items first.
    The default is n / (n + m).
    binary: losses are 0 or 1.
    most: how many of the pool's items may pass; by default any number. Every cut that passes keeps the promise.
    of: "auto-labels" promises the mean loss of the pool's items with score >= threshold; "dataset" that of the whole
    dataset. Then the model's labels alone may be worse than `max_loss`.
    items: the number of items in the dataset, for "dataset". The default is n + m. It is larger if people labeled items
    that are neither drawn nor in the pool, and smaller if some of the pool may end without any label.

    The mean loss is <= max_loss with probability >= 1 - delta, whatever the scores and losses are. The probability is
    over the draw alone. Equal scores pass or fail together. With `binary` and one probability for all, the rule is
    "walk", unless it allows more than ERRORS errors (for "dataset" it may allow any number). It holds for coins and for
    a fixed number of drawn items, and needs only n. Otherwise the rule is "coin", which holds for coins with the given
    probabilities. docs/certificates.md describes both. Raises ValueError, which names the index, for a value that is
    out of range or not a number.
    """
    scores, losses, pool_scores = _checked(scores, losses, pool_scores, max_loss, delta, binary)
    n, total = len(scores), len(scores) + len(pool_scores)
    p = _probabilities(drawn, n, total)
    _check_of(of, items)
    if of == "dataset":
        items = total if items is None else items
        return _over_dataset(scores, losses, pool_scores, p, items, max_loss, delta, binary, most)
    rule = "walk" if binary and p.ndim == 0 and p * total * max_loss <= ERRORS else "coin"
    nothing = Certificate(None, 0.0, rule, max_loss, delta, n, 0, None, None)
    if n == 0 or n == total:
        return nothing

    every = np.concatenate((scores, pool_scores))
    rising = np.sort(every)
    falling = np.argsort(-scores, kind="stable")
    lost = np.append(0, np.cumsum(losses[falling]))
    thresholds, even = _cuts(rising, scores[falling])
    above = n - np.searchsorted(scores[falling[::-1]], thresholds)
    rest = total - np.searchsorted(rising, thresholds) - above
    log_e = None
    if rule == "walk":
        passes = _walk(rest + above, rest, lost[above].astype(int), np.flatnonzero(even), n, total, max_loss, delta)
    else:
        path = _coin(thresholds, above, losses[falling], p, falling, every, max_loss, delta, binary)
        passes, log_e = path >= np.log(1 / delta), float(path.max())
    found = np.flatnonzero(passes & (rest > 0) & (rest <= (np.inf if most is None else most)))
    if not len(found):
        return replace(nothing, log_e=log_e)
    x = found[-1]
    return replace(
        nothing,
        threshold=float(thresholds[x]),
        coverage=float(rest[x] / len(pool_scores)),
        above=int(above[x]),
        estimate=float(lost[above[x]] / above[x]) if above[x] else None,
        log_e=log_e,
    )


def needed(scores, losses, pool_scores, *, max_loss, delta) -> int | None:
    """About how many more items would have to be checked for a promise to be possible; None if no number is enough.

    Arguments as for `certify`. This is an estimate. It takes the checked items as typical and adds half a completely
    lost item above each cut. It then finds the number at which the coin rule's evidence at the best cut reaches
    1 / delta.
    """
    scores, losses, pool_scores = _checked(scores, losses, pool_scores, max_loss, delta, False)
    n, total = len(scores), len(scores) + len(pool_scores)
    if n == 0:
        return None
    order = np.argsort(-scores)
    share = (np.arange(1, n + 1)) / n  # share of all items above each drawn one
    most = 1 / (1 - max_loss)
    best = np.inf
    for bet in most * np.append(np.geomspace(0.01, 1, 30, endpoint=False), 0.999):
        gain = np.cumsum(np.log1p(-bet * (losses[order] - max_loss))) + 0.5 * np.log1p(-bet * (1 - max_loss))
        gain = gain / (np.arange(1, n + 1) + 0.5)
        found = gain > 0
        best = min(best, np.min(np.log(1 / delta) / gain[found] / share[found], initial=np.inf))
    return max(1, int(np.ceil(best)) - n) if best < total else None


def _checked(scores, losses, pool_scores, max_loss, delta, binary) -> list[np.ndarray]:
    """The first three arguments as arrays of floats. Raises ValueError if something is out of range."""
    if not 0 < max_loss < 1:
        raise ValueError(f"max_loss is {max_loss}; it must be above 0 and below 1")
    if not 0 < delta < 1:
        raise ValueError(f"delta is {delta}; it must be above 0 and below 1")
    arrays = [np.asarray(a, dtype=float) for a in (scores, losses, pool_scores)]
    for name, a in zip(("scores", "losses", "pool_scores"), arrays):
        if a.ndim != 1:
            raise ValueError(f"{name} has {a.ndim} dimensions; it must have one")
        _all(name, a, ~np.isnan(a), "it must be a number")
    if len(arrays[0]) != len(arrays[1]):
        raise ValueError(f"{len(arrays[0])} scores and {len(arrays[1])} losses; every checked item has one of each")
    losses = arrays[1]
    if binary:
        _all("losses", losses, (losses == 0) | (losses == 1), "with binary it must be 0 or 1")
    _all("losses", losses, (losses >= 0) & (losses <= 1), "it must be between 0 and 1")
    return arrays


def _probabilities(drawn, n: int, total: int) -> np.ndarray:
    """The probabilities of the coins: shape () if all are equal, else (total,)."""
    p = np.asarray(n / max(total, 1) if drawn is None else drawn, dtype=float)
    if p.ndim and p.shape != (total,):
        raise ValueError(f"drawn has the shape {p.shape}; it must be a number or have {total} entries, one an item")
    each = np.broadcast_to(p, total)
    _all("drawn", each, (each >= 0) & (each <= 1), "it must be between 0 and 1")
    _all("drawn", each, np.append(each[:n] > 0, each[n:] < 1), "with 0 no item is drawn, with 1 every one is")
    return np.asarray(each[0]) if total and (each == each[0]).all() else p


def _all(name: str, values: np.ndarray, right: np.ndarray, rule: str) -> None:
    if not right.all():
        i = int(np.argmin(right))
        raise ValueError(f"{name}[{i}] is {values[i]}; {rule}")


def _cuts(rising, falling) -> tuple[np.ndarray, np.ndarray]:
    """The thresholds worth trying, descending, and which of them stand at even shares of all items: (c,) twice.

    rising: (n + m,) all scores, ascending; falling: (n,) the scores of the drawn items, descending. The other
    thresholds are the lowest ones above each drawn score. Between two drawn scores the lowest threshold is the best,
    because the evidence is the same and more items pass.
    """
    total = len(rising)
    share = total - np.unique(np.ceil(np.linspace(0, total, SHARES + 1)[1:]).astype(int))
    whole = np.searchsorted(rising, rising[share]) == share
    share = np.where(whole, share, np.searchsorted(rising, rising[share], side="right"))
    share = np.minimum(share, np.searchsorted(rising, rising[-1]))  # no cut is above the highest scores
    lowest = np.append(np.searchsorted(rising, falling, side="right"), 0)
    at = np.unique(np.concatenate((lowest[lowest < total], share)))[::-1]
    return rising[at], np.isin(at, share)


def _coin(thresholds, above, losses, p, falling, every, max_loss, delta, binary) -> np.ndarray:
    """log E at each threshold: (c,).

    losses: (n,) of the drawn items, the highest score first. above: (c,), how many drawn items are above each
    threshold. p and every: probabilities and scores of all items, the drawn ones first. falling: the order of the drawn
    items. The martingale has one factor for each item above the threshold. With l = loss - max_loss the factor is
    1 - (1 / p - 1) (exp(bet l) - 1) if the item was drawn, and exp(bet l) if not. Betting on means: Waudby-Smith and
    Ramdas (2024); here it is on the rest of a finite pool.
    """
    p = np.broadcast_to(p, len(every))
    expected = _top(every, _possible(every, p), REACH)
    if not expected.any():
        return np.zeros(len(thresholds))
    bet = bet_on(p[expected], max_loss, delta, binary)
    log_e = np.append(0, np.cumsum(evidence(losses, p[falling], bet, max_loss)))[above]
    return np.where(thresholds > _end(every, p, bet, max_loss), log_e, -np.inf)


def _possible(every, p) -> np.ndarray:
    """(n,) bool: the items that may pass. They are not certain to be drawn, and lie above all that are never drawn."""
    return (p < 1) & (every > np.max(every, where=p == 0, initial=-np.inf))


def _top(every, possible, share: float) -> np.ndarray:
    """(n,) bool: the items that are expected to pass, which are the top share of the possible ones."""
    number = int(np.ceil(share * np.count_nonzero(possible)))
    return possible & (every >= np.sort(every[possible])[-number]) if number else possible


def bet_on(p: np.ndarray, max_loss: float, delta: float, binary: bool) -> float:
    """The coin rule's bet. p: the probabilities of the items that are expected to pass."""
    return best_bet(p.min(), np.sum(1 / p - 1), max_loss, delta, binary)


def best_bet(least, odds, max_loss: float, delta: float, binary: bool):
    """As `bet_on`, elementwise. least: the smallest of the probabilities p; odds: the sum of 1 / p - 1."""
    # best where the losses are 0 or 1 with mean max_loss; for losses that vary less, a larger bet is better
    best = np.sqrt(2 * np.log(1 / delta) / (max_loss * (1 - max_loss) * odds))
    return np.minimum(best * (1 if binary else BET), ALL_IN * _limit(least, max_loss))


def evidence(losses: np.ndarray, p: np.ndarray | float, bet: float, max_loss: float) -> np.ndarray:
    """What each drawn item adds to log E."""
    with np.errstate(divide="ignore"):
        return np.log1p(np.maximum(-(1 / p - 1) * np.expm1(bet * (losses - max_loss)), -1))


def _limit(p: np.ndarray, max_loss: float) -> np.ndarray:
    """The largest bet with which no factor of an item can become negative."""
    with np.errstate(divide="ignore"):
        return -np.log1p(-p) / (1 - max_loss)


def _end(every, p, bet: float, max_loss: float) -> float:
    """The highest score of the items with which a factor could become negative: no cut may reach it."""
    return np.max(every, where=_limit(p, max_loss) < bet, initial=-np.inf)


def _check_of(of: str, items: int | None) -> None:
    if of not in OF:
        raise ValueError(f"of is {of!r}; it must be {' or '.join(map(repr, OF))}")
    if items is not None and of != "dataset":
        raise ValueError("items is only for of='dataset'")
    if items is not None and not 1 <= items < np.inf:
        raise ValueError(f"items is {items}; give the number of items in the dataset")


def _over_dataset(scores, losses, pool_scores, p, items, max_loss, delta, binary, most) -> Certificate:
    """`certify` for of="dataset"."""
    rule = "walk" if binary and p.ndim == 0 else "coin"
    nothing = Certificate(None, 0.0, rule, max_loss, delta, len(scores), 0, None, None, "dataset")
    if len(scores) == 0 or len(pool_scores) == 0:
        return nothing
    if rule == "walk":
        passing, log_e = _walk_over_dataset(scores, losses, pool_scores, items, max_loss, delta), None
    else:
        passing, log_e = _coin_over_dataset(scores, losses, pool_scores, p, items, max_loss, delta, binary)
    rising = np.sort(pool_scores)
    harmless = _breaks(items, max_loss) - 1  # so many items keep the promise even if all of them are lost
    passing = min(max(passing, harmless), len(rising), len(rising) if most is None else most)
    lowest = len(rising) - passing
    if 0 < lowest < len(rising) and rising[lowest] == rising[lowest - 1]:
        lowest = np.searchsorted(rising, rising[lowest], side="right")
    if lowest == len(rising):
        return replace(nothing, log_e=log_e)
    above = losses[scores >= rising[lowest]]
    return replace(
        nothing,
        threshold=float(rising[lowest]),
        coverage=float(1 - lowest / len(rising)),
        above=len(above),
        estimate=float(above.mean()) if len(above) else None,
        log_e=log_e,
    )


def _walk_over_dataset(scores, losses, pool_scores, items, max_loss, delta) -> int:
    """For of="dataset": how many of the pool's items pass by the walk rule.

    The number of errors that are still allowed never rises along the order. So all items above the first error beyond
    the limit pass.
    """
    falling, total = np.argsort(-scores, kind="stable"), len(scores) + len(pool_scores)
    allowed = allowed_wrong(len(scores), total, items, max_loss, delta)
    if allowed < 0:
        return 0
    too_much = np.cumsum(losses[falling]) > allowed
    return int(np.sum(pool_scores > scores[falling[np.argmax(too_much)]])) if too_much.any() else len(pool_scores)


def _coin_over_dataset(scores, losses, pool_scores, p, items, max_loss, delta, binary) -> tuple[int, float]:
    """For of="dataset": how many of the pool's items pass by the coin rule, and the largest log E of any cut.

    The martingale is that of `_coin`, but a center is subtracted from each loss instead of `max_loss`. At a bad cut the
    losses of the undrawn items add up to more than max_loss * items. So their factors multiply to more than
    exp(bet (max_loss * items - center * the number of undrawn items)).
    """
    every = np.concatenate((scores, pool_scores))
    p, falling = np.broadcast_to(p, len(every)), np.argsort(-every, kind="stable")
    possible = _possible(every, p)
    expected = _top(every, possible, REACH_OF_ALL)
    if not expected.any():
        return 0, 0.0
    center = center_of(max_loss, items, np.sum(1 - p[expected]))
    bet = best_bet(p[possible].min(), np.sum(1 / p[expected] - 1), center, delta, binary)
    drawn = falling < len(scores)
    gain = np.full(len(every), -bet * center)
    gain[drawn] = evidence(losses[falling[drawn]], p[falling[drawn]], bet, center)
    ordered = every[falling]
    cut = np.append(ordered[1:] != ordered[:-1], True)  # equal scores pass or fail together
    cut &= ordered > _end(every, p, bet, center)
    log_e = np.where(cut, bet * max_loss * items + np.cumsum(gain), -np.inf)
    passes = np.flatnonzero(log_e >= np.log(1 / delta))
    return int(np.count_nonzero(~drawn[: passes[-1] + 1])) if len(passes) else 0, float(log_e.max())


def center_of(max_loss: float, items: int, undrawn):
    """What is subtracted from losses: the mean loss of the undrawn items that are expected to pass, if together they
    just keep the promise. undrawn: their expected number, elementwise."""
    return np.minimum(max_loss * items / undrawn, LARGEST_CENTER)


def allowed_wrong(n: int, total: int, items: int, max_loss: float, delta: float) -> int:
    """How many wrong checked items may lie above a cut, for a promise over a dataset; -1 if not even none.

    n of `total` items are drawn, and the dataset has `items`. A cut is bad if at least w undrawn wrong items lie above
    it, w being the smallest number that breaks the promise. S drawn wrong items come before the w-th undrawn one. The
    result is the largest b with P(S <= b) <= delta.
    """
    w = int(_breaks(items, max_loss))
    if w > total - n:
        return n  # the undrawn items are too few to break the promise
    e = np.arange(min(n, int(n * w / (total - n + 1)) + 1) + 1)  # never more than the mean of S
    log = _log_choose(e + w - 1, e) + _log_choose(total - e - w, n - e) - _log_choose(total, n)
    return int(np.count_nonzero(np.cumsum(np.exp(log)) <= delta * (1 - TIE))) - 1


def _walk(size, rest, errors, in_order, n, total, max_loss, delta) -> np.ndarray:
    """Which cuts pass: (c,). size, rest, errors: (c,) items, undrawn items and wrong drawn items above each cut.

    in_order: the cuts that are tested one after the other, chosen without the draw.
    """
    plan = _walk_plan(n, total, max_loss, delta, tuple(size[in_order].tolist()))
    in_order = in_order[plan.start :]
    w = _breaks(rest, max_loss) // plan.step
    passes = errors <= plan.far[w]  # any cut may pass by this bound
    failed = np.zeros(0, dtype=int)
    for g, cut in enumerate(in_order):
        if errors[cut] > plan.allowed[g]:
            failed = np.append(failed, g)
        if rest[cut] >= plan.least_rest[g]:
            later = (w[cut] > plan.first[failed]) & (errors[cut] <= plan.bounds[plan.level[failed], w[cut]])
            passes[cut] |= later.all()
    return passes


def _breaks(rest, max_loss):
    """The smallest number of wrong items among `rest` items that breaks the promise."""
    return np.floor(rest * max_loss).astype(int) + 1


@dataclass(frozen=True)
class _Plan:
    step: int  # the bounds are for 0, step, 2 step, ... undrawn wrong items
    far: np.ndarray  # (t,) any cut with at most so many errors passes
    bounds: np.ndarray  # (levels, t) a later cut with at most so many errors passes, by the level of the failed cut
    start: int  # the first size that is tested in order; the next arrays have one entry for each size from there on
    allowed: np.ndarray  # a cut with more errors fails
    least_rest: np.ndarray  # with fewer undrawn items a cut does not pass in order
    first: np.ndarray  # the steps after which a failed cut lets later cuts pass
    level: np.ndarray  # the row of `bounds` that these later cuts must then meet


@lru_cache(maxsize=256)
def _walk_plan(n: int, total: int, max_loss: float, delta: float, sizes: tuple[int, ...]) -> _Plan:
    """The walk rule's bounds if n of `total` items are drawn, for cuts after `sizes` items. They do not depend on which
    items are drawn.

    The walk goes over the wrong items in descending order of score. S(w) is the number of drawn wrong items before the
    w-th undrawn wrong item. docs/certificates.md has the theorem that uses these numbers.
    """
    q, size = n / total, np.array(sizes)
    last = int(_breaks(np.array(total - n), max_loss))
    step = -(-last // STEPS)
    w = np.arange(last // step + 1) * step
    e = np.arange(min(n, int(n * max_loss) + 2) + 1)  # bounds never allow more than their mean
    at, of = w[:, None], e[None, :]
    log_path = _log_choose(total - of - at, n - of) - _log_choose(total, n)  # log probability of one path to S(w) = e
    cdf = np.cumsum(np.exp(log_path + _log_choose(of + at - 1, of)), axis=1)  # P(S(w) <= e)
    cdf[0] = 1
    weight = np.exp(log_path - of * np.log(q) - at * np.log1p(-q))  # a path's probability / that with independent coins
    kernel = np.exp(_log_choose(e + step - 1, e) + e * np.log(q) + step * np.log1p(-q))  # P(a step adds e) for coins
    kernel = kernel[: np.flatnonzero(kernel > 1e-18)[-1] + 1]

    aside = delta * max(0.05, min(0.4, 1.6 * q * q))  # the share of `far`: it grows with the share of items drawn

    def at_levels(levels) -> np.ndarray:
        """(levels, t): the bounds. A level falls as 1 / w ** 2, so they allow more errors soon after a failure."""
        level = levels[:, None, None] * (last / np.maximum(at, 1)) ** 2
        within = np.count_nonzero(cdf <= np.minimum(level, delta - aside), axis=2) - 1
        return np.maximum.accumulate(within, axis=1)

    def crossing(bounds, wanted) -> dict[int, np.ndarray]:
        """For t in wanted: the probability, times weight, that S meets a bound after t if S = e at t: (levels, e)."""
        value, kept = np.zeros((len(bounds), len(e) + len(kernel))), {}
        for t in range(len(w) - 1, -1, -1):
            later = sum(k * value[:, d : d + len(e)] for d, k in enumerate(kernel))
            if t in wanted:
                kept[t] = later
            value[:, : len(e)] = np.where(e <= bounds[:, t, None], weight[t], later)
        return kept

    levels = np.geomspace(1e-5 * delta, delta - aside, LEVELS)
    trial = at_levels(levels)
    fit = np.flatnonzero(crossing(trial, {0})[0][:, 0] <= aside)
    far, lowest = (trial[fit[-1]], levels[fit[-1]]) if len(fit) else (np.full(len(w), -1), levels[0])
    others = at_levels(np.geomspace(lowest, delta - aside, LEVELS)[1:])
    bounds = np.concatenate((far[None], np.maximum(far, others))).astype(np.int32)

    mean = size * (1 - q)
    least_rest = np.maximum(0, np.floor(mean - 2 * np.sqrt(mean * q * (1 - size / total)))).astype(int)
    breaks = _breaks(least_rest, max_loss)
    alpha = breaks + far[breaks // step] + 1
    t = (alpha[:, None] - of) // step
    allowed = np.cumprod((t > 0) & (cdf[np.clip(t, 0, len(w) - 1), of] <= delta - aside), axis=1).sum(axis=1) - 1
    first = (alpha - allowed) // step

    # Start where about four errors are allowed. Earlier cuts fail by bad luck, and later ones promise less.
    starts = [size[np.argmax(allowed >= j)] for j in range(5) if allowed.max() >= j]
    starts = [1.1 * x for x in starts if 1.1 * x <= 0.4 * total][-1:] or starts[:1]
    start = min(np.searchsorted(size, starts[0]), len(size) - 1) if starts else len(size)
    least_rest, allowed, first = least_rest[start:], allowed[start:], first[start:]

    later = crossing(bounds, set(first.tolist()))
    level = np.zeros(len(first), dtype=int)
    state, crossed = (e == 0).astype(float), 0.0
    for t in range(len(w)):
        if t:
            state = np.convolve(state, kernel)[: len(e)]
        for g in np.flatnonzero(first == t):
            within = e <= max(allowed[g], far[t])
            chance = crossed + (state * weight[t])[within].sum() + later[t][:, ~within] @ state[~within]
            level[g] = np.flatnonzero(chance <= delta * (1 - 1e-6)).max(initial=0)  # level 0 meets this by construction
        crossed += (state * weight[t])[e <= far[t]].sum()
        state[e <= far[t]] = 0
    return _Plan(step, far, bounds, int(start), allowed, least_rest, first, level)


def _log_choose(a, b) -> np.ndarray:
    from scipy.special import gammaln

    with np.errstate(invalid="ignore"):
        log = gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1)
    return np.where((b < 0) | (b > a), -np.inf, log)
