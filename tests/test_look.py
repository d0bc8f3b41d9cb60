import math
from dataclasses import replace

import pytest

from roundtruth.look import Look

NAIVE = Look(0.5, "naive", 20, 10, 0.9)
CERTIFIED = Look(
    threshold=0.7, rule="coin", checked=172, above=131, quality=0.78, final=False, provisional=True, stage=(2, 1),
    next=(2, 2), model=3, max_loss=0.4, binary=False, drawn=0.18, delta=0.03, coverage=0.93, log_e=4.25, auto=771,
    expected={"2,2": 800}, budget=None,
)  # fmt: skip


@pytest.mark.parametrize(
    "look",
    [
        NAIVE,
        replace(NAIVE, threshold=None, above=0, quality=None),
        CERTIFIED,
        replace(CERTIFIED, items=1000),
        replace(CERTIFIED, final=True, next=None, budget=9.0, without_budget=800, later=(3, 1)),
        replace(CERTIFIED, final=True, next=None, threshold=None, needed=210),
        replace(CERTIFIED, final=True, next=None, threshold=None, needed=math.inf),
    ],
)
def test_what_is_written_is_read(look):
    assert Look.from_json(look.to_json()) == look


def test_a_plan_that_promises_nothing_writes_five_keys():
    assert NAIVE.to_json() == {"threshold": 0.5, "rule": "naive", "checked": 20, "above": 10, "quality": 0.9}


def test_keys_that_do_not_apply_are_left_out():
    assert not {"later", "without_budget", "needed", "items"} & CERTIFIED.to_json().keys()
    stopped = replace(CERTIFIED, without_budget=800).to_json()
    assert (stopped["later"], stopped["without_budget"]) == (None, 800)
    assert replace(CERTIFIED, needed=math.inf).to_json()["needed"] is None
    assert replace(CERTIFIED, needed=7).to_json()["needed"] == 7
