"""What was paid, for what, and what it saved."""

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from roundtruth import kinds
from roundtruth.tables import CHECKED

if TYPE_CHECKING:
    from roundtruth.spec import JobSpec, Prices


def bill(human, answers, auto, prices: "Prices") -> pd.DataFrame:
    """The cost of each round: (human, auto), money.

    human, answers, auto: the items that people labeled, the answers they gave and the items that the model labeled; one
    number a round each.
    """
    human, answers, auto = (pd.Series(column, dtype="int64") for column in (human, answers, auto))
    return pd.DataFrame(
        {
            "human": (human * prices.per_item + answers * prices.per_answer).round(6),
            "auto": (auto * prices.per_auto_label).round(6),
        }
    )


USUAL = 10  # items whose answers are as many as usual, in `answers_an_item`


def human_price(prices: "Prices", answers: float) -> float:
    """What one item costs that people label with so many answers."""
    return round(prices.per_item + answers * prices.per_answer, 6)


def expected_price(spec: "JobSpec", job=None) -> float:
    """What people's label of one item is expected to cost, see `answers_an_item`."""
    return human_price(spec.prices, answers_an_item(spec, job))


def highest_price(spec: "JobSpec") -> float:
    """What people's label of one item costs at the most."""
    return human_price(spec.prices, spec.asking.most)


def answers_an_item(spec: "JobSpec", job=None) -> float:
    """How many answers an item is expected to get: as many as is usual, and more and more as many as the job's checked
    items got. These were drawn at random; other items are asked about because they are hard."""
    asking = spec.asking
    if asking.least == asking.most:
        return asking.most
    usual = asking.least + kinds.get(spec.kind).FURTHER * (asking.most - asking.least)
    if job is None:
        return usual
    asked = job.asked()
    checked = asked.loc[asked["role"].isin(CHECKED), ["item", "round"]]
    rounds = [r for r in job.rounds_with("closed.json") if r in set(checked["round"])]
    said = [job.answers(r, counted=True, columns=["item", "worker"]).drop_duplicates() for r in rounds]
    answers = sum(int(some["item"].isin(checked["item"]).sum()) for some in said)
    items = int(checked["round"].isin(rounds).sum())
    return (answers + USUAL * usual) / (items + USUAL)


def auto_pays(spec: "JobSpec") -> bool:
    """Whether an auto label is expected to cost no more than people's label of an item."""
    return spec.prices.per_auto_label <= expected_price(spec)


def totals(costs: pd.DataFrame, auto: int, price: float) -> dict:
    """The sums of `bill`, and what it would have cost if people had labeled the `auto` items, too, at `price` each."""
    human, machine = costs["human"].sum(), costs["auto"].sum()
    alone = human + auto * price
    return {
        "human": round(human, 2),
        "auto": round(machine, 2),
        "total": round(human + machine, 2),
        "all_human": round(alone, 2),
        "saving": round(1 - (human + machine) / alone, 4) if alone else 0.0,
    }


def by_people(job) -> tuple[int, float]:
    """The items that people labeled so far, and what their rounds cost."""
    table = rounds(job)
    table = table[table["human"] > 0]
    costs = bill(table["human"], table["answers"], 0 * table["auto"], job.spec.prices)
    return int(table["human"].sum()), float(costs["human"].sum())


def paid_to_people(job) -> float:
    """What people have cost so far, with the answers to a batch that is still open."""
    table = rounds(job)
    return float(bill(table["human"], table["answers"], table["auto"], job.spec.prices)["human"].sum())


def rounds(job) -> pd.DataFrame:
    """(round, human, answers, auto), one row a round.

    A row holds people's batch of that round, and the auto labels of the model that was trained on the batches before
    it. So a last round may hold auto labels alone.
    """
    last = job.last_round()
    human, auto = job.human_labels(), job.auto_labels()
    table = pd.DataFrame(
        {
            "round": np.arange(1, last + 2),
            "human": per_round(human, last + 1),
            "answers": [job.answered(r) for r in range(1, last + 1)] + [0],
            "auto": np.append(0, per_round(auto, last)),
        }
    )
    return table if table["auto"].iloc[-1] else table.iloc[:-1]


def per_round(labels: pd.DataFrame, last: int) -> np.ndarray:
    """How many items of each round, from 1 to `last`, have labels."""
    return np.bincount(labels[["item", "round"]].drop_duplicates()["round"], minlength=last + 1)[1 : last + 1]


def spent(job, prices: "Prices | None" = None) -> float:
    """Money spent so far; prices: where they are others than the job's."""
    table = rounds(job)
    return float(bill(table["human"], table["answers"], table["auto"], prices or job.spec.prices).to_numpy().sum())


def affordable(spec: "JobSpec", spent: float, human: bool, asked: float = 0) -> int | None:
    """How many more items people (or the model) may label within the budget; None is any number.

    spent: money spent so far. asked: about how many items people will be asked before. People's labels count at their
    highest price, so that a job never costs more than its budget. What is left of it then pays for further items.
    """
    if spec.budget is None:
        return None
    people = highest_price(spec)
    price, left = people if human else spec.prices.per_auto_label, spec.budget - spent - asked * people
    if left < -1e-9 * people:
        return 0
    return max(0, math.floor(left / price + 1e-9)) if price else None
