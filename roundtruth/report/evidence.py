"""What the checked items say of the last model: tables for the report's charts, and other ways beside the one taken."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from roundtruth import certify, ledger, plans
from roundtruth.plans import certified, ground_truth

ROWS = 500  # of a curve; more would not change the plot
BINS = 10


@dataclass(frozen=True)
class Look:
    """The last time a threshold was read off checked items."""

    found: dict  # its threshold.json
    checked: pd.DataFrame  # (item, score, quality) of the checked items, by the model that was looked at
    rest: np.ndarray  # (m,) that model's scores of the items that were neither checked nor learned from
    naive: float | None  # the lowest threshold above which the checked items reach the target

    def passing(self, threshold: float | None) -> int:
        """How many of the rest a threshold would leave to the model."""
        return 0 if threshold is None else int((self.rest >= threshold).sum())

    def share(self, threshold: float | None) -> float:
        return self.passing(threshold) / max(len(self.rest), 1)


def last_look(job) -> Look | None:
    """None where nothing was checked yet."""
    looks = ((round, certified._found(job, round)) for round in reversed(job.rounds_with("threshold.json")))
    round, found = next(((round, found) for round, found in looks if found and found["checked"]), (0, None))
    if found is None:
        return None
    predictions = job.predictions(job.model_round(round))
    score = job.kind.confidence(predictions)
    roles = job.roles(round)
    drawn = score.index.isin(roles["item"][roles["role"].isin(plans.CHECKED)])
    chosen = predictions[predictions["item"].isin(score.index[drawn])]
    quality = job.kind.quality(chosen, job.human_labels(until=round)).reindex(score.index[drawn])
    checked = pd.DataFrame({"score": score[drawn], "quality": quality}).rename_axis("item").reset_index()
    # as each plan has it: where something is promised, an item that nobody answered counts as lost
    checked = checked.fillna({"quality": 0.0}) if (job.spec.plan == 'certified') else checked.dropna()
    lowest = certify.naive(checked["score"].to_numpy(), checked["quality"].to_numpy(), job.spec.target.quality)
    return Look(found, checked, score[~drawn].to_numpy(), lowest)


def coverage_curve(look: Look) -> pd.DataFrame:
    """(threshold, coverage, quality, items): for the score of each checked item, the surest first, the share of the
    rest at or above it, and the mean quality and number of the checked items there. At most ROWS rows."""
    groups = look.checked.groupby("score")["quality"].agg(["sum", "count"])[::-1].cumsum()
    threshold = groups.index.to_numpy(float)
    passing = len(look.rest) - np.searchsorted(np.sort(look.rest), threshold)
    curve = pd.DataFrame(
        {
            "threshold": threshold,
            "coverage": passing / max(len(look.rest), 1),
            "quality": (groups["sum"] / groups["count"]).to_numpy(),
            "items": groups["count"].to_numpy(),
        }
    )
    return curve.iloc[np.unique(np.linspace(0, len(curve) - 1, ROWS).astype(int))] if len(curve) > ROWS else curve


def calibration(checked: pd.DataFrame) -> pd.DataFrame:
    """(bin, confidence, quality, items): the checked items in tenths of confidence, from `bin` up, empty ones left out.

    A reliability diagram's table (Murphy and Winkler 1977): mean confidence beside mean quality.
    """
    tenth = np.clip((checked["score"] * BINS + 1e-9).astype(int), 0, BINS - 1)
    means = checked.groupby(tenth)[["score", "quality"]].agg(["mean", "size"])
    return pd.DataFrame(
        {
            "bin": means.index / BINS,
            "confidence": means["score", "mean"].to_numpy(),
            "quality": means["quality", "mean"].to_numpy(),
            "items": means["score", "size"].to_numpy(),
        }
    )


def spending(rounds: pd.DataFrame, auto_price: float) -> pd.DataFrame:
    """(round, human, auto, human_cost, auto_cost): items and money of each row of a summary's rounds."""
    auto_cost = rounds["auto"] * auto_price
    return rounds[["round", "human", "auto"]].assign(
        human_cost=(rounds["cost"] - auto_cost).clip(lower=0), auto_cost=auto_cost
    )


def ways(job, summary: dict, look: Look) -> pd.DataFrame:
    """(way, human, auto, cost, saving): this job, what else it could have done, and the other plan at its best.

    naive: the same answers and model, but the lowest threshold that reaches the target. ground-truth: the plan of that
    name, were its first model good enough for all that is left; it asks people for a fifth of the items to check and
    a fifth to train on before it labels anything.
    """
    total = len(certified.askable(job))
    fifth = max(1, math.floor(ground_truth.SHARE * total + 0.5))
    rows = [
        ("job", summary["human"], summary["auto"]),
        ("naive", total - look.passing(look.naive), look.passing(look.naive)),
        ("ground-truth", min(2 * fifth, total), total - min(2 * fifth, total)),
        ("people", total, 0),
    ]
    table = pd.DataFrame(rows, columns=["way", "human", "auto"])
    prices = job.spec.prices
    price = ledger.human_price(prices, job.spec.workforce.answers_per_item)
    table["cost"] = (table["human"] * price + table["auto"] * prices.per_auto_label).round(2)
    table.loc[0, "cost"] = summary["cost"]["total"]  # as paid: not every item has as many answers as were asked for
    alone = table["cost"].iloc[-1]
    return table.assign(saving=1 - table["cost"] / alone if alone else 0.0)
