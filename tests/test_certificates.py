"""certify: hand-worked cases, every outcome of small draws, counted violations on pools made to break it."""

import itertools
from fractions import Fraction
from math import comb, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from roundtruth.certify import SHARES, _walk_plan, certify, needed


def broken(certificate, pool_scores, pool_losses, max_loss) -> bool:
    if certificate.threshold is None:
        return False
    passed = pool_losses[pool_scores >= certificate.threshold]
    return passed.sum() > max_loss * len(passed) + 1e-9


def draw(scores, losses, coins, **kwargs):
    return certify(scores[coins], losses[coins], scores[~coins], **kwargs)


# Small cases, by hand


def test_without_errors_the_walk_needs_what_the_binomial_needs():
    # Whole pool in one piece (all scores equal), nothing wrong among n of 10,000: P(no drawn among the 5 % + 1 wrong).
    for n, passes in ((58, False), (63, True)):
        c = certify(np.ones(n), np.zeros(n), np.ones(10_000 - n), max_loss=0.05, delta=0.05, binary=True)
        assert (c.threshold is not None) == passes
    assert (c.threshold, c.coverage, c.rule, c.checked, c.above, c.estimate) == (1.0, 1.0, "walk", 63, 63, 0.0)


def test_one_cut_passes_when_the_hypergeometric_says_so():
    # One cut: E errors pass when P(at most E of the E + w wrong items are drawn) is small, w = the fewest that break.
    total, n, max_loss, delta = 60, 20, 0.2, 0.1
    share = 1 - max(0.05, 1.6 * (n / total) ** 2)
    w = 40 * 0.2 + 1
    for errors in range(8):
        wrong = int(errors + w)
        p = sum(comb(wrong, e) * comb(total - wrong, n - e) for e in range(errors + 1)) / comb(total, n)
        losses = np.arange(n) < errors
        c = certify(np.ones(n), losses, np.ones(total - n), max_loss=max_loss, delta=delta, binary=True)
        if p <= share * delta * 0.5:  # far below what either bound asks for
            assert c.threshold == 1.0
        if p > delta:
            assert c.threshold is None


def test_the_coin_rules_evidence_is_the_product_of_its_factors():
    scores, losses = np.array([0.9, 0.7, 0.3]), np.array([0.0, 0.2, 1.0])
    pool = np.array([0.8, 0.6, 0.5, 0.2])
    p, max_loss, delta = 0.4, 0.3, 0.2
    best = np.sqrt(2 * log(1 / delta) / (0.21 * np.ceil(0.6 * 7) * (1 / p - 1)))
    bet = min(-np.log(1 - p) / 0.7 * 0.95, best * 2.25)
    e = [np.prod([(1 - (1 - p) * np.exp(bet * (x - 0.3))) / p for x in losses[:k]]) for k in range(4)]
    c = certify(scores, losses, pool, max_loss=max_loss, delta=delta, drawn=p)
    assert c.rule == "coin"
    assert c.log_e == pytest.approx(log(max(e)))
    assert (c.threshold is None) == (max(e) < 1 / delta)


def test_items_between_two_checked_ones_pass_with_the_upper_one():
    n = 60
    scores = np.append(np.linspace(1, 0.5, n), 0.1)
    losses = np.append(np.zeros(n), 1.0)
    pool = np.append(np.linspace(1, 0.2, 500), 0.05)
    c = certify(scores, losses, pool, max_loss=0.1, delta=0.05, drawn=0.1)
    assert c.threshold == pytest.approx(0.2)
    assert (c.coverage, c.above, c.estimate) == (500 / 501, n, 0.0)


@pytest.mark.parametrize("binary", [True, False])
def test_a_perfect_model_passes_whole(binary):
    rng = np.random.default_rng(0)
    scores, coins = rng.random(2000), rng.random(2000) < 0.1
    c = draw(scores, np.zeros(2000), coins, max_loss=0.05, delta=0.05, drawn=0.1, binary=binary)
    assert (c.coverage, c.estimate) == (1.0, 0.0)


def test_thirty_pictures_pass_a_pool_of_boxes():
    rng = np.random.default_rng(1)  # mean IoU .72, deviation .2, target .6
    promised = 0
    for _ in range(50):
        losses = np.clip(rng.normal(0.28, 0.2, 800), 0, 1)
        coins = rng.random(800) < 60 / 800
        promised += draw(rng.random(800), losses, coins, max_loss=0.4, delta=0.05, drawn=60 / 800).coverage > 0.9
    assert promised >= 40


def test_needed_is_about_what_it_takes():
    rng = np.random.default_rng(2)
    scores = rng.random(20_000)
    losses = (rng.random(20_000) < 0.02).astype(float)
    order = rng.permutation(20_000)
    n = 120
    coins = np.isin(np.arange(20_000), order[:n])
    more = needed(scores[coins], losses[coins], scores[~coins], max_loss=0.05, delta=0.05)
    assert more is not None
    assert 100 <= more <= 1000
    coins = np.isin(np.arange(20_000), order[: n + more])
    assert draw(scores, losses, coins, max_loss=0.05, delta=0.05, binary=True).threshold is not None
    assert needed(np.ones(30), np.ones(30), np.ones(100), max_loss=0.05, delta=0.05) is None
    assert needed([], [], np.ones(100), max_loss=0.05, delta=0.05) is None


# Edges


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(
    ("n", "m", "loss"),
    [(0, 0, 0), (0, 5, 0), (5, 0, 0), (1, 1, 0), (1, 1, 1), (50, 10, 0), (50, 10, 1), (10, 500, 1), (3, 10_000, 0)],
)
def test_sizes_at_the_edge(n, m, loss, binary):
    c = certify(np.ones(n), np.full(n, loss), np.ones(m), max_loss=0.1, delta=0.05, binary=binary)
    assert c.checked == n
    assert c.threshold in (None, 1.0)
    if loss or not n or not m:
        assert (c.threshold, c.coverage, c.above, c.estimate) == (None, 0.0, 0, None)


def test_more_checked_than_left():
    c = certify(np.ones(300), np.zeros(300), np.ones(20), max_loss=0.1, delta=0.05, binary=True)
    assert c.coverage == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": [0.5, np.nan, 0.1]}, r"scores\[1\]"),
        ({"losses": [0.5, 0.1, np.nan]}, r"losses\[2\]"),
        ({"losses": [0.5, -0.1, 0]}, r"losses\[1\]"),
        ({"losses": [1.5, 0.1, 0]}, r"losses\[0\]"),
        ({"losses": [0, 0.1, 0], "binary": True}, r"losses\[1\]"),
        ({"losses": [0, 0]}, "3 scores and 2 losses"),
        ({"scores": [[1], [2], [3]]}, "dimensions"),
        ({"pool_scores": [0, np.nan]}, r"pool_scores\[1\]"),
        ({"max_loss": 0}, "max_loss"),
        ({"max_loss": 1.0}, "max_loss"),
        ({"max_loss": np.nan}, "max_loss"),
        ({"delta": 0}, "delta"),
        ({"delta": 1}, "delta"),
        ({"drawn": 0}, r"drawn\[0\]"),
        ({"drawn": 1.0}, r"drawn\[3\]"),
        ({"drawn": [0.5, 0.5]}, "shape"),
        ({"drawn": [0.5, 0.5, 0, 0.5, 0.5]}, r"drawn\[2\]"),
        ({"drawn": [0.5, 0.5, 1, 0.5, 1.5]}, r"drawn\[4\]"),
        ({"drawn": [0.5, 0.5, 1, np.nan, 0.5]}, r"drawn\[3\]"),
    ],
)
def test_what_cannot_be_is_named(change, message):
    arguments = {
        "scores": [0.3, 0.2, 0.1],
        "losses": [0, 1, 0],
        "pool_scores": [0.3, 0.1],
        "max_loss": 0.1,
        "delta": 0.1,
    }
    with pytest.raises(ValueError, match=message):
        certify(**(arguments | change))


def test_an_item_that_is_never_drawn_ends_what_can_pass():
    rng = np.random.default_rng(3)
    scores = np.sort(rng.random(1000))[::-1]
    p = np.where(np.arange(1000) < 700, 0.2, 0.0)
    p[:50] = 1.0  # always drawn: they tell nothing about the rest and do no harm
    coins = rng.random(1000) < p
    c = draw(scores, np.zeros(1000), coins, max_loss=0.1, delta=0.05, drawn=np.append(p[coins], p[~coins]))
    assert c.rule == "coin"
    assert c.threshold == pytest.approx(scores[:700][~coins[:700]].min())


# Every outcome of a draw


def every_draw(total):
    return (np.array(c, dtype=bool) for c in itertools.product((False, True), repeat=total))


@pytest.mark.slow
@pytest.mark.parametrize(("max_loss", "delta"), [(0.3, 0.5), (0.6, 0.4), (0.45, 0.6)])
def test_the_walk_keeps_its_level_for_every_size_and_every_pool_of_seven(max_loss, delta):
    total = 7
    scores = np.array([7, 6, 5, 5, 3, 2, 1.0])
    promised = 0
    for pool in itertools.product((0.0, 1.0), repeat=total):
        losses, broke = np.array(pool), np.zeros(total + 1)
        for coins in every_draw(total):
            c = draw(scores, losses, coins, max_loss=max_loss, delta=delta, binary=True)
            promised += c.threshold is not None
            broke[coins.sum()] += broken(c, scores[~coins], losses[~coins], max_loss)
        for n in range(total + 1):  # for a fixed number drawn, hence for coins of any one probability
            assert broke[n] <= delta * comb(total, n), (pool, n)
    assert promised > 500


@pytest.mark.parametrize(
    "which",
    ["several", *(pytest.param(which, marks=pytest.mark.slow) for which in ("one probability", "right or wrong"))],
)
def test_the_coin_keeps_its_level_for_every_outcome_of_eight_coins(which):
    total, max_loss, delta = 8, 0.5, 0.4
    rng = np.random.default_rng(4)
    scores = np.array([8, 7, 6, 6, 4, 3, 2, 1.0])
    promised = 0
    for k in range(24):
        p = np.full(total, 0.7) if which == "one probability" else rng.uniform(0.4, 0.9, total)
        losses = rng.choice([0, 0.25, 0.5, 1], total, p=[0.4, 0.2, 0.2, 0.2])
        if which == "right or wrong" or k % 3 == 0:
            losses = (rng.permutation(total) < rng.integers(1, 6)).astype(float)
        chance = 0.0
        for coins in every_draw(total):
            drawn = np.append(p[coins], p[~coins])
            c = draw(
                scores, losses, coins, max_loss=max_loss, delta=delta, drawn=drawn, binary=which == "right or wrong"
            )
            assert c.rule == "coin"
            promised += c.threshold is not None
            if broken(c, scores[~coins], losses[~coins], max_loss):
                chance += np.prod(np.where(coins, p, 1 - p))
        assert chance <= delta, (losses, p)
    assert promised > 100


@pytest.mark.parametrize(
    ("n", "total", "max_loss", "delta"), [(15, 40, 0.2, 0.1), (30, 60, 0.1, 0.2), (12, 200, 0.3, 0.05)]
)
def test_the_walks_bounds_have_the_level_they_claim(n, total, max_loss, delta):
    """Recounted in fractions, wrong item by wrong item: each is drawn with (n - drawn) / (total - passed)."""
    plan = _walk_plan(n, total, max_loss, delta, tuple(range(1, total + 1)))
    assert plan.step == 1
    claimed = []
    for allowed, first, level in zip(plan.allowed, plan.first, plan.level):
        if first >= len(plan.far):
            continue
        bound = np.where(np.arange(len(plan.far)) > first, plan.bounds[level], plan.far)
        bound[first] = max(bound[first], allowed)
        states, crossed = {(0, 0): Fraction(1)}, Fraction(0)  # (drawn, not drawn)
        for passed in range(total):
            after: dict[tuple[int, int], Fraction] = {}
            for (s, w), chance in states.items():
                draw_one = Fraction(n - s, total - passed)
                if draw_one:
                    after[s + 1, w] = after.get((s + 1, w), 0) + chance * draw_one
                if draw_one < 1 and w + 1 < len(bound):
                    if s <= bound[w + 1]:
                        crossed += chance * (1 - draw_one)
                    else:
                        after[s, w + 1] = after.get((s, w + 1), 0) + chance * (1 - draw_one)
            states = {key: chance for key, chance in after.items() if key[0] <= plan.bounds.max()}
        claimed.append(float(crossed))
    assert max(claimed) <= delta
    assert max(claimed) > 0.4 * delta  # and most of what may be spent is, as far as whole items let it


# Properties


pools = st.tuples(st.integers(0, 2**32 - 1), st.integers(20, 400), st.floats(0.1, 0.7), st.booleans())


def a_pool(seed, total, p, binary):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random(total), rng.integers(1, 4))
    losses = rng.random(total) * 0.3 * (1 - scores)
    if binary:
        losses = (rng.random(total) < losses).astype(float)
    return rng, scores, losses, rng.random(total) < p


@settings(max_examples=60)
@given(pools)
def test_order_does_not_matter_and_equal_scores_pass_together(pool):
    rng, scores, losses, coins = a_pool(*pool)
    kwargs = {"max_loss": 0.15, "delta": 0.1, "drawn": pool[2], "binary": pool[3]}
    c = draw(scores, losses, coins, **kwargs)
    order = rng.permutation(len(scores))
    other = draw(scores[order], losses[order], coins[order], **kwargs)
    assert (other.threshold, other.coverage, other.above) == (c.threshold, c.coverage, c.above)
    stretched = draw(np.exp(3 * scores), losses, coins, **kwargs)
    assert stretched.coverage == c.coverage
    if c.threshold is not None:
        assert c.threshold in scores
        assert c.coverage == np.mean(scores[~coins] >= c.threshold)
        assert c.above == np.sum(scores[coins] >= c.threshold)


@settings(max_examples=60)
@given(pools)
def test_fewer_losses_never_lower_the_coverage(pool):
    rng, scores, losses, coins = a_pool(*pool)
    kwargs = {"max_loss": 0.15, "delta": 0.1, "drawn": pool[2], "binary": pool[3]}
    less = losses * (rng.random(len(losses)) < 0.7)
    assert draw(scores, less, coins, **kwargs).coverage >= draw(scores, losses, coins, **kwargs).coverage


@settings(max_examples=30)
@given(pools)
def test_a_looser_promise_of_the_coin_never_covers_less(pool):
    _, scores, losses, coins = a_pool(*pool[:3], False)
    strict = draw(scores, losses, coins, max_loss=0.1, delta=0.05, drawn=pool[2])
    loose = draw(scores, losses, coins, max_loss=0.25, delta=0.05, drawn=pool[2])
    assert loose.coverage >= strict.coverage


# Counted violations


def breaking_pool(name, total, max_loss, rng):
    """(scores, right-or-wrong losses) of a pool that is meant to break the promise."""
    scores = rng.random(total)
    rank = np.argsort(np.argsort(-scores)) / total
    if name == "confidently wrong":
        rate = np.where(rank < 0.2, 0.9, 0.01)
    elif name == "flat":
        rate = np.full(total, max_loss * 1.02)
    elif name == "clean, then bad":
        rate = np.where(rank < 0.4, 0, 3 * max_loss)
    elif name == "reversed":
        rate = 2 * max_loss * (1 - rank)
    elif name == "all equal":
        scores, rate = np.ones(total), np.full(total, max_loss * 1.02)
    else:  # one class: everything is wrong
        rate = np.ones(total)
    return scores, (np.arange(total) < round(rate.sum())).astype(float) if name == "all equal" else exact(rate, rank)


def exact(rate, rank):
    """Losses whose running sum over the falling order is that of the rates, rounded up."""
    order = np.argsort(rank)
    losses = np.empty(len(rate))
    losses[order] = np.diff(np.ceil(np.cumsum(rate[order]) - 1e-9), prepend=0)
    return losses


def lower(broke, draws, level=0.99):
    """The lower end of the exact (Clopper-Pearson) interval."""
    return beta.ppf((1 - level) / 2, broke, draws - broke + 1) if broke else 0.0


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", ["confidently wrong", "flat", "clean, then bad", "reversed", "all equal", "one class"])
def test_no_pool_breaks_the_promise_more_often_than_said(name, binary):
    rng = np.random.default_rng(5)
    max_loss, delta, draws, total, p = 0.1, 0.1, 400, 300, 0.25
    scores, losses = breaking_pool(name, total, max_loss, rng)
    broke = 0
    for _ in range(draws):
        coins = rng.random(total) < p
        c = draw(scores, losses, coins, max_loss=max_loss, delta=delta, drawn=p, binary=binary)
        broke += broken(c, scores[~coins], losses[~coins], max_loss)
    assert lower(broke, draws) <= delta


@pytest.mark.slow
@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("p", [0.05, 0.25, 0.5])
@pytest.mark.parametrize("name", ["flat", "clean, then bad", "all equal"])
def test_thousands_of_draws_from_pools_that_break_most(name, p, fixed):
    rng = np.random.default_rng(6)
    max_loss, delta, draws, total = 0.1, 0.1, 4000, 1000
    scores, losses = breaking_pool(name, total, max_loss, rng)
    broke = 0
    for _ in range(draws):
        coins = rng.permutation(total) < p * total if fixed else rng.random(total) < p
        c = draw(scores, losses, coins, max_loss=max_loss, delta=delta, binary=True)
        broke += broken(c, scores[~coins], losses[~coins], max_loss)
    assert lower(broke, draws) <= delta


@pytest.mark.slow
def test_losses_between_0_and_1_break_no_promise():
    rng = np.random.default_rng(7)
    for max_loss, total, p in ((0.4, 800, 0.1), (0.2, 600, 0.3)):
        scores = rng.random(total)
        losses = rng.beta(2, 2 * (1 - max_loss) / max_loss, total)
        losses *= max_loss * 1.01 / losses.mean()
        losses = np.minimum(losses, 1)
        p_each = rng.uniform(0.5 * p, 1.5 * p, total)
        broke, draws = 0, 4000
        for _ in range(draws):
            coins = rng.random(total) < p_each
            drawn = np.append(p_each[coins], p_each[~coins])
            c = draw(scores, losses, coins, max_loss=max_loss, delta=0.1, drawn=drawn)
            broke += broken(c, scores[~coins], losses[~coins], max_loss)
        assert lower(broke, draws) <= 0.1


def test_the_cuts_looked_at_do_not_depend_on_the_draw(monkeypatch):
    import roundtruth.certify as module

    seen = set()
    plan = module._walk_plan
    monkeypatch.setattr(
        module, "_walk_plan", lambda n, total, e, d, sizes: seen.add(sizes) or plan(n, total, e, d, sizes)
    )
    rng = np.random.default_rng(8)
    scores = np.round(rng.random(500) ** 0.2, 2)
    for _ in range(20):
        coins = rng.permutation(500) < 100
        draw(scores, np.zeros(500), coins, max_loss=0.1, delta=0.1, binary=True)
    assert len(seen) == 1
    assert len(next(iter(seen))) <= SHARES
