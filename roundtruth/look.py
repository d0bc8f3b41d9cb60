"""What an interim look found: the threshold of a round's model, and what it rests on. It is the round's threshold.json."""

import math
from dataclasses import asdict, dataclass, fields

OPTIONAL = ("later", "without_budget", "needed")  # left out of the file where there is nothing to say


@dataclass(frozen=True)
class Look:
    """A look at what the checked items say of a model. The first five fields are there by every plan."""

    threshold: float | None  # None: the model may label nothing
    rule: str  # how the threshold was found
    checked: int  # items that were checked
    above: int  # of those, the ones at or above the threshold
    quality: float | None  # their mean quality: an estimate
    final: bool = True  # whether the threshold counts
    provisional: bool = False  # whether the auto labels stand only until people are asked for another look
    stage: tuple[int, int] | None = None  # (t, k): the t-th training set, the k-th probability, both from 1
    model: int = 0  # the round of the model that was looked at
    max_loss: float = 0.0
    binary: bool = False  # whether a loss is 0 or 1
    drawn: float = 0.0  # the probability with which an item was drawn for checking
    delta: float = 0.0  # the chance of failing that this look may spend
    coverage: float = 0.0  # share of the items that were not drawn at or above the threshold
    log_e: float | None = None  # the largest log e-value of any cut; None with a rule that has none
    auto: int = 0  # items that the model may label
    expected: dict[str, int] | None = None  # auto labels expected at each look ahead, by "t,k"
    next: tuple[int, int] | None = None  # the stage to go on to
    later: tuple[int, int] | None = None  # the stage that only the budget keeps the job from
    without_budget: int | None = None  # auto labels expected where the budget were no limit
    needed: float | None = None  # about how many more checked items would have done; inf: no number would
    budget: float | None = None  # the job's, when this was found

    def to_json(self) -> dict:
        found = asdict(self)
        if self.stage is None:  # a plan without stages
            return {field.name: found[field.name] for field in fields(self)[:5]}
        for name in OPTIONAL:
            if found[name] is None:
                del found[name]
        if self.needed is not None and math.isinf(self.needed):
            found["needed"] = None
        return found

    @classmethod
    def from_json(cls, found: dict) -> "Look":
        found = dict(found)
        for name in ("stage", "next", "later"):
            if found.get(name) is not None:
                found[name] = tuple(found[name])
        if "needed" in found and found["needed"] is None:
            found["needed"] = math.inf
        return cls(**found)
