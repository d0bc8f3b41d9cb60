"""certify over a whole dataset: hand-worked cases, every outcome of small draws, counted violations."""

import itertools
from math import comb, exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom, nhypergeom

from roundtruth.certify import allowed_wrong, certify
from tests.test_certificates import a_pool, breaking_pool, every_draw, lower, pools


def draw(scores, losses, coins, **kwargs):
    return certify(scores[coins], losses[coins], scores[~coins], of="dataset", **kwargs)


def broken(certificate, pool_scores, pool_losses, max_loss, items) -> bool:
    if certificate.threshold is None:
        return False
    return pool_losses[pool_scores >= certificate.threshold].sum() > max_loss * items + 1e-9


# Small cases, by hand


def test_the_number_of_wrong_items_that_pass_by_hand():
    """2 of 5 items are drawn, and more than 1 wrong one of the 5 breaks the promise: w = 2.

    Of all C(5, 2) = 10 draws, 3 draw none of the first two wrong items: S = 0. 4 draw one of the first two, and not the
    third: S = 1. So P(S <= 0) = .3 and P(S <= 1) = .7.
    """
    assert [allowed_wrong(2, 5, 5, 0.2, delta) for delta in (0.29, 0.31, 0.69, 0.71)] == [-1, 0, 0, 1]


def test_a_case_by_hand():
    # One wrong item may be drawn: the items above the second wrong one pass, and only these.
    scores, losses = np.array([9, 7, 5, 3.0]), np.array([0, 1, 0, 1.0])
    pool = np.array([10, 8, 6, 4, 3, 2, 1.0])
    n, total, max_loss = 4, 11, 0.3
    delta = hypergeom.cdf(1, total, n, 1 + 4) + 1e-9  # at most 1 of the first 1 + w wrong items is drawn, w = 4
    c = certify(scores, losses, pool, max_loss=max_loss, delta=delta, binary=True, of="dataset")
    assert (c.threshold, c.above, c.checked, c.rule, c.of) == (4.0, 3, 4, "walk", "dataset")
    assert c.coverage == pytest.approx(4 / 7)
    assert c.estimate == pytest.approx(1 / 3)
    # A little less delta allows none, and then the items above the first wrong one pass. With so few items, three
    # wrong ones keep the promise in any case.
    c = certify(scores, losses, pool, max_loss=max_loss, delta=delta - 2e-9, binary=True, of="dataset")
    assert (c.threshold, c.above) == (6.0, 2)


def test_the_coin_rules_evidence_is_the_product_of_its_factors():
    rng = np.random.default_rng(0)
    scores, losses, pool = np.arange(30, 0, -1.0), rng.random(30) * 0.4, np.arange(60, 0, -1) / 2
    p, max_loss, delta = 0.3, 0.15, 0.1
    # 72 of the 90 items are expected to pass: four fifths. So 72 x .7 undrawn ones are.
    center = max_loss * 90 / (72 * (1 - p))
    bet = 2.25 * np.sqrt(2 * log(1 / delta) / (center * (1 - center) * 72 * (1 / p - 1)))
    bet = min(bet, 0.95 * -log(1 - p) / (1 - center))
    c = certify(scores, losses, pool, max_loss=max_loss, delta=delta, drawn=p, of="dataset")
    assert c.rule == "coin"
    e = {}
    for cut in np.unique(np.append(scores, pool)):
        of_drawn = [(1 - (1 - p) * exp(bet * (loss - center))) / p for loss in losses[scores >= cut]]
        e[cut] = exp(bet * (max_loss * 90 - center * sum(pool >= cut))) * np.prod(of_drawn)
    assert c.log_e == pytest.approx(log(max(e.values())))
    assert c.threshold == min(cut for cut in e if e[cut] >= 1 / delta and cut in pool)
    assert 0.3 < c.coverage < 1
    assert c.above == sum(scores >= c.threshold)


def test_what_people_labeled_elsewhere_counts_as_right():
    _, scores, losses, coins = a_pool(5, 400, 0.3, True)
    small = draw(scores, losses, coins, max_loss=0.03, delta=0.05, binary=True)
    large = draw(scores, losses, coins, max_loss=0.03, delta=0.05, binary=True, items=800)
    assert large.coverage > small.coverage
    same = draw(scores, losses, coins, max_loss=0.06, delta=0.05, binary=True)
    assert large.coverage == same.coverage


@pytest.mark.parametrize("binary", [True, False])
def test_so_few_items_that_nothing_can_break_the_promise_pass(binary):
    """10 of 100 lost items are within 10 %, whatever the checked ones say."""
    c = certify(np.ones(90), np.ones(90), np.ones(10), max_loss=0.1, delta=0.05, binary=binary, of="dataset")
    assert c.coverage == 1
    c = certify(np.ones(89), np.ones(89), np.ones(11), max_loss=0.1, delta=0.05, binary=binary, of="dataset")
    assert c.threshold is None  # they are equal, so they cannot pass in part
    c = certify(np.arange(89), np.ones(89), np.arange(11), max_loss=0.1, delta=0.05, binary=binary, of="dataset")
    assert c.coverage == pytest.approx(10 / 11)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 5), (5, 0)])
def test_nothing_checked_or_nothing_left(n, m, binary):
    c = certify(np.ones(n), np.zeros(n), np.ones(m), max_loss=0.3, delta=0.05, binary=binary, of="dataset")
    assert (c.threshold, c.coverage, c.checked, c.of) == (None, 0.0, n, "dataset")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"of": "data set"}, "of is 'data set'; it must be 'auto-labels' or 'dataset'"),
        ({"items": 0}, "items is 0; give the number of items in the dataset"),
        ({"items": np.inf}, "items is inf; give the number of items in the dataset"),
        ({"items": 9, "of": "auto-labels"}, "items is only for of='dataset'"),
        ({"losses": [0, 2, 0]}, r"losses\[1\]"),
    ],
)
def test_what_cannot_be_is_named(change, message):
    arguments = {"scores": [0.3, 0.2, 0.1], "losses": [0, 1, 0], "pool_scores": [0.3, 0.1]}
    with pytest.raises(ValueError, match=message):
        certify(**({**arguments, "max_loss": 0.1, "delta": 0.1, "of": "dataset"} | change))


def test_no_more_pass_than_may():
    scores, pool = np.arange(100.0), np.repeat(np.arange(60), 3)
    for most, passed in ((None, 180), (180, 180), (179, 177), (4, 3), (3, 3), (2, 0), (0, 0)):
        c = certify(scores, np.zeros(100), pool, max_loss=0.1, delta=0.05, binary=True, most=most, of="dataset")
        assert round(c.coverage * 180) == passed
        assert (c.threshold is None) == (passed == 0)


def test_an_item_that_is_never_drawn_ends_what_can_pass():
    rng = np.random.default_rng(3)
    scores = np.arange(1000, 0, -1.0)
    p = np.where(np.arange(1000) < 700, 0.4, 0.0)
    coins = rng.random(1000) < p
    c = draw(scores, np.zeros(1000), coins, max_loss=0.1, delta=0.05, drawn=np.append(p[coins], p[~coins]))
    assert c.threshold == scores[:700][~coins[:700]].min()


def test_items_that_are_always_drawn_take_no_part():
    rng = np.random.default_rng(3)
    p = np.where(np.arange(300) < 250, 0.4, 1.0)  # the 50 lowest are drawn in any case
    scores, losses, coins = np.arange(300, 0, -1.0), 0.3 * rng.random(300), rng.random(300) < p
    arguments = {"max_loss": 0.2, "delta": 0.05, "items": 300}
    c = draw(scores, losses, coins, drawn=np.append(p[coins], p[~coins]), **arguments)
    without = draw(scores[:250], losses[:250], coins[:250], drawn=0.4, **arguments)
    assert (c.threshold, c.log_e) == (without.threshold, pytest.approx(without.log_e))
    assert c.coverage > 0
    for losses in ([0, 0, 0], [1, 0, 0]):
        c = certify([9, 8, 7], losses, [1], max_loss=0.1, delta=0.1, drawn=[1, 1, 1, 0.5], of="dataset")
        assert np.isfinite(c.log_e)


def test_items_that_are_drawn_less_often_can_pass():
    rng = np.random.default_rng(3)
    p = np.where(np.arange(1000) < 760, 0.5, 0.3)
    scores, coins = np.arange(1000, 0, -1.0), rng.random(1000) < p
    c = draw(scores, np.zeros(1000), coins, max_loss=0.02, delta=0.05, drawn=np.append(p[coins], p[~coins]))
    assert c.coverage == 1


# Independent sources


@given(
    st.integers(1, 400).flatmap(lambda total: st.tuples(st.just(total), st.integers(0, total))),
    st.integers(0, 300),
    st.sampled_from([0.01, 0.05, 0.1, 0.3]),
    st.sampled_from([0.001, 0.05, 0.3]),
)
def test_the_number_of_wrong_items_that_pass_is_a_negative_hypergeometric_quantile(sizes, more, max_loss, delta):
    total, n = sizes
    w = int(max_loss * (total + more)) + 1
    b = allowed_wrong(n, total, total + more, max_loss, delta)
    if w > total - n:
        assert b == n
        return
    # S is the number of drawn items before the w-th undrawn one; scipy's variable of that name counts the same
    assert b == -1 or nhypergeom.cdf(b, total, n, w) <= delta * (1 + 1e-9)
    assert nhypergeom.cdf(b + 1, total, n, w) > delta * (1 - 1e-9)


@pytest.mark.parametrize(
    ("max_loss", "delta"),
    [(0.3, 0.4), *(pytest.param(*both, marks=pytest.mark.slow) for both in ((0.2, 0.5), (0.15, 0.3)))],
)
def test_the_walk_keeps_its_level_for_every_size_and_every_pool_of_seven(max_loss, delta):
    total = 7
    scores = np.array([7, 6, 5, 5, 3, 2, 1.0])
    worst = 0.0
    for pool in itertools.product((0.0, 1.0), repeat=total):
        losses, broke = np.array(pool), np.zeros(total + 1)
        for coins in every_draw(total):
            c = draw(scores, losses, coins, max_loss=max_loss, delta=delta, binary=True)
            broke[coins.sum()] += broken(c, scores[~coins], losses[~coins], max_loss, total)
        share = broke / [comb(total, n) for n in range(total + 1)]
        assert share.max() <= delta, (pool, share)  # for a fixed number drawn, hence for coins of any one probability
        worst = max(worst, share.max())
    assert worst > 0.5 * delta  # the bound is nearly reached


@pytest.mark.parametrize("which", ["one probability", "several", "right or wrong"])
def test_the_coin_keeps_its_level_for_every_outcome_of_eight_coins(which):
    total, max_loss, delta = 8, 0.3, 0.4
    rng = np.random.default_rng(4)
    scores = np.array([8, 7, 6, 6, 4, 3, 2, 1.0])
    promised = 0
    for _ in range(12):
        p = np.full(total, 0.7) if which == "one probability" else rng.uniform(0.4, 0.9, total)
        losses = rng.choice([0, 0.25, 0.5, 1], total, p=[0.3, 0.2, 0.2, 0.3])
        if which == "right or wrong":
            losses = (rng.permutation(total) < rng.integers(3, 8)).astype(float)
        chance = 0.0
        for coins in every_draw(total):
            drawn = np.append(p[coins], p[~coins])
            c = draw(
                scores, losses, coins, max_loss=max_loss, delta=delta, drawn=drawn, binary=which == "right or wrong"
            )
            assert coins.sum() in (0, total) or c.rule == "coin"
            promised += c.coverage > 0.4
            if broken(c, scores[~coins], losses[~coins], max_loss, total):
                chance += np.prod(np.where(coins, p, 1 - p))
        assert chance <= delta, (losses, p)
    assert promised > 100


# Properties


@settings(max_examples=60)
@given(pools, st.integers(0, 200))
def test_order_does_not_matter_and_equal_scores_pass_together(pool, more):
    rng, scores, losses, coins = a_pool(*pool)
    kwargs = {"max_loss": 0.05, "delta": 0.1, "drawn": pool[2], "binary": pool[3], "items": len(scores) + more}
    c = draw(scores, losses, coins, **kwargs)
    order = rng.permutation(len(scores))
    other = draw(scores[order], losses[order], coins[order], **kwargs)
    assert (other.threshold, other.coverage, other.above) == (c.threshold, c.coverage, c.above)
    assert draw(np.exp(3 * scores), losses, coins, **kwargs).coverage == c.coverage
    if c.threshold is not None:
        assert c.threshold in scores
        assert c.coverage == pytest.approx(np.mean(scores[~coins] >= c.threshold))
        assert c.above == np.sum(scores[coins] >= c.threshold)


@settings(max_examples=60)
@given(pools)
def test_fewer_losses_a_looser_limit_and_more_of_delta_never_lower_the_coverage(pool):
    rng, scores, losses, coins = a_pool(*pool)
    kwargs = {"max_loss": 0.05, "delta": 0.1, "drawn": pool[2], "binary": pool[3]}
    covered = draw(scores, losses, coins, **kwargs).coverage
    assert draw(scores, losses * (rng.random(len(losses)) < 0.7), coins, **kwargs).coverage >= covered
    assert draw(scores, losses, coins, **(kwargs | {"max_loss": 0.1})).coverage >= covered
    if pool[3]:
        assert draw(scores, losses, coins, **(kwargs | {"delta": 0.2})).coverage >= covered


@settings(max_examples=60)
@given(pools)
def test_what_passes_looks_within_the_limit_on_the_checked_items(pool):
    """The checked items' own estimate of what is lost in the rest is never above the limit: the rule is not optimistic.

    An exception are the first few items, which keep the promise whatever they are.
    """
    _, scores, losses, coins = a_pool(*pool)
    n, total, max_loss = coins.sum(), len(coins), 0.05
    c = draw(scores, losses, coins, max_loss=max_loss, delta=0.1, drawn=pool[2], binary=pool[3])
    if c.threshold is not None and np.sum(scores[~coins] >= c.threshold) > max_loss * total:
        factor = (total - n) / n if pool[3] else 1 / pool[2] - 1
        assert losses[coins][scores[coins] >= c.threshold].sum() * factor < max_loss * total + 1


def test_a_promise_over_the_dataset_leaves_more_to_the_model():
    rng = np.random.default_rng(1)
    scores = rng.random(2000)
    losses = (rng.random(2000) < 0.5 * (1 - scores) ** 2).astype(float)
    coins = rng.random(2000) < 0.2
    auto = certify(scores[coins], losses[coins], scores[~coins], max_loss=0.05, delta=0.05, binary=True)
    assert draw(scores, losses, coins, max_loss=0.05, delta=0.05, binary=True).coverage > auto.coverage + 0.1


# Counted violations


NAMES = ["confidently wrong", "flat", "clean, then bad", "reversed", "one class"]


@pytest.mark.slow
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_pools_that_are_made_to_break_it(name, binary):
    rng, total, max_loss, delta, draws = np.random.default_rng(6), 300, 0.1, 0.1, 300
    scores, losses = breaking_pool(name, total, 2 * max_loss, rng)
    losses = losses if binary else losses * 0.9
    broke = 0
    for _ in range(draws):
        coins = rng.random(total) < 0.2
        c = draw(scores, losses, coins, max_loss=max_loss, delta=delta, drawn=0.2, binary=binary)
        broke += broken(c, scores[~coins], losses[~coins], max_loss, total)
    assert lower(broke, draws) <= delta


@pytest.mark.parametrize("binary", [True, False])
def test_several_looks_share_delta(binary):
    """Coins with growing probability, one model after the other: the promise of no look may break, so that any may be
    chosen afterwards."""
    rng, total, max_loss, draws = np.random.default_rng(7), 250, 0.1, 300
    shares = {0.1: 0.05, 0.2: 0.1, 0.4: 0.05}
    scores = rng.random(total)
    losses = [(rng.random(total) < rate).astype(float) for rate in (0.3, 0.2, 0.15)]
    broke = 0
    for _ in range(draws):
        coin = rng.random(total)
        found = [
            broken(
                draw(scores, lost, coin < p, max_loss=max_loss, delta=delta, drawn=p, binary=binary),
                scores[coin >= p], lost[coin >= p], max_loss, total,
            )
            for (p, delta), lost in zip(shares.items(), losses)
        ]  # fmt: skip
        broke += any(found)
    assert lower(broke, draws) <= sum(shares.values())
