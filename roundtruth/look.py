"""What a look found: threshold.json of a round.

A look is an attempt to find a threshold with one model and the items that are checked by then. Every plan gives the
first five fields. The others are those of a plan that makes a promise, whose looks are pairs of a schedule
(`roundtruth.plans.looks`).
"""

import math
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Look:
    """One look. The model labels what is left at or above the threshold, if the look is final."""

    threshold: float | None  # the lowest score that passes; None: nothing passes
    rule: str  # "naive", or a rule of docs/certificates.md: "walk" or "coin"
    checked: int  # number of checked items
    above: int  # of those, the ones at or above the threshold
    quality: float | None  # their mean quality; None where there are none

    final: bool = True  # whether the auto labels of this look count
    provisional: bool = False  # whether they count only until people are asked for a further look
    stage: tuple[int, int] | None = None  # the pair (t, k) of the schedule
    next: tuple[int, int] | None = None  # the pair that the job goes on to; None: the look is final
    model: int | None = None  # the round whose model was looked at
    max_loss: float | None = None  # the largest mean loss that keeps the target
    binary: bool | None = None  # whether losses are 0 or 1
    drawn: float | None = None  # the probability with which an item was checked
    delta: float | None = None  # the share of delta that the look spent
    items: int | None = None  # how many items a promise over the whole dataset is about; None: the auto labels alone
    coverage: float | None = None  # share of the items that are not checked at or above the threshold
    log_e: float | None = None  # the largest evidence of any cut; None with the rule "walk"
    auto: int = 0  # number of items that the model may label
    expected: dict[str, int] | None = None  # how many it is expected to label at further pairs, by "t,k"
    budget: float | None = None  # the budget of the job at the look
    # Where a budget made the look final: how many items the model is expected to label without it, and the pair that
    # the job goes on to once the budget pays for it.
    without_budget: int | None = None
    later: tuple[int, int] | None = None
    # Where nothing passed for good: about how many more items would have to be checked. Infinity: no number would do.
    needed: float | None = None

    @property
    def for_good(self) -> bool:
        """Whether its auto labels count, and no further look will take them back."""
        return self.final and self.later is None

    def to_json(self) -> dict:
        """The contents of threshold.json. Keys that do not apply are left out."""
        found = asdict(self)
        if self.stage is None:
            return {name: found[name] for name in ("threshold", "rule", "checked", "above", "quality")}
        if self.items is None:
            del found["items"]
        if self.without_budget is None:
            del found["without_budget"], found["later"]
        if self.needed is None:
            del found["needed"]
        elif math.isinf(self.needed):
            found["needed"] = None
        return found

    @classmethod
    def from_json(cls, found: dict) -> "Look":
        """The inverse of `to_json`."""
        found = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
        if "needed" in found and found["needed"] is None:
            found["needed"] = math.inf
        return cls(**found)
