"""The statistics of the certified plan, on arrays alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc
from scipy.stats import nbinom

from roundtruth import certify
from roundtruth.curves import Curves
from roundtruth.plans import looks
from roundtruth.plans.looks import SETTINGS, Decision, Sample, Schedule

# 1000 items; three training sets, two numbers of checked items
SCHEDULE = Schedule(0.2, 0.05, [100, 150, 225], [0.1, 0.2], 2, [[0.005, 0.005], [0.025, 0.005], [0.005, 0.005]])
CLASSES = SETTINGS[True]
GOOD = Sample(np.linspace(0, 1, 90), np.zeros(90), np.linspace(0, 1, 810), 810, 0.5)
BAD = Sample(np.linspace(0, 1, 90), np.ones(90), np.linspace(0, 1, 810), 810, 0.5)


# -- the schedule


@given(st.integers(1, 10**7), st.floats(0.001, 0.99), st.floats(0.001, 0.4), st.booleans())
def test_all_looks_together_spend_no_more_than_delta(items, max_loss, delta, binary):
    made = looks.schedule(items, max_loss, delta, SETTINGS[binary])
    shares = np.array(made.looks)
    assert shares.sum() <= delta * (1 + 1e-9)
    assert shares.shape == (len(made.train), len(made.levels))
    assert made.delta_of((made.first, 1)) > 0
    assert made.train == sorted(set(made.train))
    assert made.levels == sorted(set(made.levels))
    assert made.train[0] >= 1
    assert made.train[-1] <= items
    assert made.levels[0] > 0
    assert made.levels[-1] <= 0.5


def test_a_schedule_by_hand():
    """1000 items and a target of .8: a hundred items to learn from, eighty times 2^.2 to check at the first look."""
    made = looks.schedule(1000, 0.2, 0.05, CLASSES)
    assert made.train == [100, 150, 225, 337, 500]
    assert made.first == 2  # .9 x 100 x 2^.37 = 116
    assert made.levels == pytest.approx([0.0919, 0.1838, 0.3676], abs=1e-4)
    assert [made.delta_of((2, k)) for k in (1, 2)] == pytest.approx([0.025, 0.01])
    assert made.delta_of((1, 1)) == pytest.approx(0.3 * 0.05 / 13)


def test_what_losses_prove_does_not_depend_on_how_many_items_there_are():
    small, large = (looks.schedule(n, 0.4, 0.05, SETTINGS[False]).levels[0] * n for n in (200, 1000))
    assert small == pytest.approx(60)
    assert large == pytest.approx(60, abs=0.01)


# -- what passes


def passing_share(losses, left, p, total, max_loss, items, delta, binary, luck):
    """The share of one curve, cut by cut, with all cuts computed."""
    n = len(losses)
    place = np.arange(1, n + 1)
    above = place / n * total
    if binary:
        allowed = (1 - p) * above * max_loss if items is None else max_loss * items
        wrong = (np.cumsum(losses) + luck) / (place + luck) * p * above
        passes = betainc(allowed + 1, wrong + 1, 1 - p) <= delta
    else:
        passing = max(1, int((0.6 if items is None else 0.8) * left * total))
        center = max_loss if items is None else min(0.9, max_loss * items / (passing * (1 - p)))
        bet = certify.bet_on(np.full(passing, p), center, delta, binary)
        gain = certify.evidence(np.append(losses, 1.0), p, bet, center)
        rate = (np.cumsum(gain[:-1]) + luck * gain[-1]) / (place + luck)
        start = 0.0 if items is None else bet * (max_loss * items - center * (1 - p) * above)
        passes = start + rate * p * above >= np.log(1 / delta)
    share = place[passes & (place <= np.ceil(left * n))].max(initial=0) / n
    return min(max(share, 0.0 if items is None else max_loss * items / ((1 - p) * total)), left)


@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 120),
    left=st.floats(0.05, 1),
    total=st.integers(10, 5000),
    max_loss=st.floats(0.01, 0.6),
    trained=st.none() | st.integers(0, 2000),
    delta=st.floats(0.0005, 0.4),
    binary=st.booleans(),
    luck=st.sampled_from([0.0, 0.2, 0.5]),
)
def test_curves_pass_together_as_each_does_by_itself(seed, n, left, total, max_loss, trained, delta, binary, luck):
    chance = np.random.default_rng(seed)
    rising = np.sort(chance.random((5, n)), axis=1) * chance.uniform(0, 2 * max_loss, (5, 1))
    losses = (chance.random((5, n)) < rising).astype(float) if binary else rising
    losses *= chance.uniform(0.5, 1, (5, 1))  # as after more training
    p = chance.uniform(0.001, 0.6, 5)
    items = None if trained is None else total + trained  # None: a promise about the auto labels alone
    found = looks.passing_share(losses, left, p, total, max_loss, items, delta, binary, luck)
    for i in range(5):
        expected = passing_share(losses[i], left, p[i], total, max_loss, items, delta, binary, luck)
        assert found[i] == pytest.approx(expected, abs=1e-12)


def test_the_share_that_passes_by_hand():
    """100 items, half of them checked, of which a tenth may be wrong. The promise breaks where 5 + 1 of the undrawn
    items are wrong; then w or fewer wrong ones among the checked have a negative binomial probability."""
    assert nbinom.cdf(0, 6, 0.5) == pytest.approx(0.5**6)
    losses = np.zeros((3, 100))
    losses[1, 90:92], losses[2] = 1, 1

    def shares(delta):
        return looks.passing_share(losses, 1.0, np.full(3, 0.5), 100, 0.1, None, delta, True, 0.0).tolist()

    # 0.5^6 = .0156; of 90 right items 0.5^5.5 = .0221; with one wrong one at all 100 nbinom.cdf(1, 6, 0.5) = .0625
    assert shares(0.015) == [0.0, 0.0, 0.0]
    assert shares(0.02) == [1.0, 0.0, 0.0]
    assert shares(0.0222) == [1.0, 0.9, 0.0]
    assert shares(0.0626) == [1.0, 1.0, 0.0]


def test_nothing_passes_where_none_or_all_items_are_checked():
    for binary in (True, False):
        share = looks.passing_share(
            np.zeros((3, 50)), 1.0, np.array([0.0, 1.0, 0.3]), 1000, 0.2, None, 0.05, binary, 0.0
        )
        assert share.tolist() == [0.0, 0.0, 1.0]
        assert looks.passing_share(
            np.zeros((1, 0)), 1.0, np.array([0.3]), 10, 0.2, None, 0.05, binary, 0.0
        ).tolist() == [0.0]


def test_what_is_expected_at_each_pair():
    """A model that is always right labels all that is neither learned from nor checked."""
    curve = Curves(np.zeros((1, 90)), np.array([0.5]))
    found = looks.expected_auto(SCHEDULE, CLASSES, curve, 900, (1, 1))
    assert list(found) == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]
    assert found[1, 1] == pytest.approx(0.9 * 900)
    assert found[2, 2] == pytest.approx(0.8 * 850)
    assert looks.expected_auto(SCHEDULE, CLASSES, curve, 125, (1, 2)).keys() == {
        (1, 2),
        (2, 2),
    }  # too few


def test_a_simulated_job_stops_where_most_is_left_to_the_model():
    curves = Curves(np.stack([np.zeros(90), np.ones(90)]), np.zeros(2))
    levels = np.broadcast_to(SCHEDULE.levels, (2, 2))
    auto, rounds = looks.ends(SCHEDULE, CLASSES, curves, 900, (1, 1), levels)
    assert auto.tolist() == [810, 0]
    assert rounds.tolist() == [2, 2]  # the first batch, and the rest
    auto, rounds = looks.ends(SCHEDULE, CLASSES, curves, 0, (1, 1), levels)
    assert (auto.tolist(), rounds.tolist()) == ([0, 0], [1, 1])


# -- what comes next


@pytest.mark.parametrize(
    ("at", "ahead", "count", "expected"),
    [
        ((2, 2), {}, 0, None),  # nothing further on
        ((1, 1), {(1, 2): 500, (2, 1): 518}, 500, None),  # 2 % of 900 more are not worth another round
        ((1, 1), {(1, 2): 500, (2, 1): 519}, 500, (2, 1)),
        ((1, 1), {(1, 2): 500, (3, 1): 700}, 500, (2, 1)),  # train towards the third set
        ((1, 1), {(1, 2): 700, (2, 1): 500}, 500, (2, 1)),  # more is checked only from the second set on
        ((2, 1), {(2, 2): 700, (3, 1): 500}, 500, (2, 2)),
        ((2, 1), {(2, 2): 0, (3, 1): 500}, 0, (2, 2)),  # the first check of what is likely to be enough failed
    ],
)
def test_the_look_that_follows(at, ahead, count, expected):
    assert looks.going_on(SCHEDULE, CLASSES, GOOD, at, ahead, count) == expected


def test_where_nothing_passes_hope_decides():
    ahead = dict.fromkeys([(1, 2), (2, 1), (2, 2), (3, 1), (3, 2)], 0.0)
    assert looks.going_on(SCHEDULE, CLASSES, BAD, (1, 1), ahead, 0) == (2, 1)  # up to the set that is likely to do
    late = {(3, 2): 0.0}
    assert looks.going_on(SCHEDULE, CLASSES, BAD, (2, 2), late, 0) is None
    assert looks.going_on(SCHEDULE, CLASSES, GOOD, (2, 2), late, 0) == (3, 2)


def test_what_people_are_asked_on_the_way():
    """From (1, 1) to (2, 2) with 900 items not learned from: of 50 new training items a tenth was checked already, and
    of the 850 others a tenth more is checked."""
    assert looks.to_ask(SCHEDULE, 900, (1, 1), (2, 2)) == pytest.approx(45 + 85)


def test_the_part_that_the_budget_pays_for():
    ahead = {(1, 2): 700.0, (2, 1): 700.0, (2, 2): 20.0, (3, 1): 5.0}
    affordable = {90: 300, 45: None, 130: 30, 112.5: 0}  # by the number of items that people are asked on the way
    found = looks.within_budget(SCHEDULE, ahead, 900, (1, 1), lambda asked: affordable[round(asked, 6)])
    assert found == {(1, 2): 300, (2, 1): 700.0, (2, 2): 20.0}


def test_where_the_budget_ends_the_job():
    ahead = {(2, 2): 850.0, (3, 1): 500.0}
    some = looks.without_money(SCHEDULE, CLASSES, GOOD, (2, 1), ahead, 300, 600)
    assert some == Decision(None, (2, 2), 850)
    enough = looks.without_money(SCHEDULE, CLASSES, GOOD, (2, 1), ahead, 300, 849)
    assert enough == Decision(None, (2, 2), 850)  # not all that passes is paid: the nearest pair further on
    assert looks.without_money(SCHEDULE, CLASSES, GOOD, (2, 1), ahead, 849, 849) == Decision(None, None, 850)
    # nothing passes yet: the next batch is asked as far as the money reaches
    assert looks.without_money(SCHEDULE, CLASSES, GOOD, (2, 1), ahead, 0, 0) == Decision((2, 2), None, 850)
