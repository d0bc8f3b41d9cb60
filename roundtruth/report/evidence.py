"""What the checked items show about the newest model, as tables for the report's charts, and what else the job could
have done."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from roundtruth import certify, ledger
from roundtruth.look import Look
from roundtruth.plans import ground_truth
from roundtruth.tables import CHECKED

ROWS = 500  # of a curve; more would not change the plot
BINS = 10


@dataclass(frozen=True)
class Evidence:
    """What the newest look saw."""

    look: Look
    checked: pd.DataFrame  # (item, score, quality) of the checked items, by the model that was looked at
    rest: np.ndarray  # (m,) that model's scores of the items that were neither checked nor learned from
    naive: float | None  # the lowest threshold with which the checked items reach the target
    items: int | None = None  # of a promise over the whole dataset: how many items it is about

    def passing(self, threshold: float | None) -> int:
        """How many of the rest a threshold would leave to the model."""
        return 0 if threshold is None else int((self.rest >= threshold).sum())

    def promised_quality(self, quality, coverage):
        """What the target is compared with, if the model labels the share `coverage` of the rest with this mean
        quality."""
        return quality if self.items is None else 1 - (1 - quality) * coverage * len(self.rest) / self.items

    def share(self, threshold: float | None) -> float:
        return self.passing(threshold) / max(len(self.rest), 1)


def gather(job) -> Evidence | None:
    """What the newest look saw at which something was checked; None where there is none."""
    looks = ((number, job.look(number)) for number in reversed(job.rounds_with("threshold.json")))
    number, look = next(((number, look) for number, look in looks if look.checked), (0, None))
    if look is None:
        return None
    predictions, roles = job.predictions(job.model_round(number)), job.roles(number)
    score, drawn = job.kind.confidence(predictions), job.mask(roles["item"][roles["role"].isin(CHECKED)])
    quality = job.kind.quality(predictions[drawn[predictions["item"]]], job.human_labels(until=number))
    of_drawn = score[drawn[score.index]]
    checked = pd.DataFrame({"score": of_drawn, "quality": quality.reindex(of_drawn.index)})
    checked = checked.rename_axis("item").reset_index()
    # As each plan has it: where something is promised, an item that nobody answered counts as completely lost.
    promises = job.spec.target.certificate != "none"
    checked = checked.fillna({"quality": 0.0}) if promises else checked.dropna()
    lowest = certify.naive(checked["score"].to_numpy(), checked["quality"].to_numpy(), job.spec.target.quality)
    seen = Evidence(look, checked, score[~drawn[score.index]].to_numpy(), lowest, look.items)
    if look.items is None:
        return seen
    curve = whole_curve(seen)
    reaches = curve["threshold"][curve["quality"] >= job.spec.target.quality]
    return replace(seen, naive=float(reaches.iloc[-1]) if len(reaches) else None)


def coverage_curve(seen: Evidence) -> pd.DataFrame:
    """`whole_curve`, with at most ROWS rows."""
    curve = whole_curve(seen)
    return curve.iloc[np.unique(np.linspace(0, len(curve) - 1, ROWS).astype(int))] if len(curve) > ROWS else curve


def whole_curve(seen: Evidence) -> pd.DataFrame:
    """(threshold, coverage, quality, items): for the score of each checked item, the highest first, the share of the
    rest at or above it, the mean quality of the checked items there (or what it makes of the whole dataset's, if the
    promise is about that), and their number."""
    groups = seen.checked.groupby("score")["quality"].agg(["sum", "count"])[::-1].cumsum()
    threshold = groups.index.to_numpy(float)
    passing = len(seen.rest) - np.searchsorted(np.sort(seen.rest), threshold)
    coverage = passing / max(len(seen.rest), 1)
    quality = (groups["sum"] / groups["count"]).to_numpy()
    return pd.DataFrame(
        {
            "threshold": threshold,
            "coverage": coverage,
            "quality": seen.promised_quality(quality, coverage),
            "items": groups["count"].to_numpy(),
        }
    )


def calibration(checked: pd.DataFrame) -> pd.DataFrame:
    """(bin, confidence, quality, items): the checked items in tenths of confidence, each from `bin` up, without empty
    ones.

    The table of a reliability diagram (Murphy and Winkler 1977): mean confidence beside mean quality.
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


def ways(job, summary: dict, seen: Evidence) -> pd.DataFrame:
    """(way, human, auto, cost, saving): this job, what else it could have done, and the other plan at its best.

    naive: the same answers and model, but the lowest threshold that reaches the target. ground-truth: the plan of that
    name if its first model is good enough for all items that are left. It asks people about a fifth of the items to
    check and a fifth to train on before it labels anything. It has no row where predictions are given.
    """
    total = len(job.askable())
    asked = min(2 * ground_truth.batch_size(total), total)
    rows = [
        ("job", summary["human"], summary["auto"]),
        ("naive", total - seen.passing(seen.naive), seen.passing(seen.naive)),
        ("ground-truth", asked, total - asked),
        ("people", total, 0),
    ]
    if job.spec.predictions is not None:
        del rows[2]
    table = pd.DataFrame(rows, columns=["way", "human", "auto"])
    prices = job.spec.prices
    price = ledger.expected_price(job.spec, job)
    table["cost"] = (table["human"] * price + table["auto"] * prices.per_auto_label).round(2)
    table.loc[0, "cost"] = summary["cost"]["total"]  # as paid: not every item has as many answers as were asked for
    alone = table["cost"].iloc[-1]
    return table.assign(saving=1 - table["cost"] / alone if alone else 0.0)
