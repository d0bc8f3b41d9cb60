"""Recompute a job's certificate from the files in its folder: `python docs/recompute_certificate.py JOB_FOLDER`.

It imports nothing of roundtruth, so that it can be checked by itself; it needs numpy, pandas and pyarrow. The rules
and their proofs are in docs/certificates.md. Prints what it found and ends with 0 where it agrees with the job, else 1.

What it goes through: the coins and what each look may spend were fixed before anybody was asked; every item below the
look's probability that no model learned from was checked; the losses are those of the labels in the folder; and of
the rest those at or above the threshold, and no others, were auto-labeled.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd

BETS = (1.0, 1.5, 2.25, 3.375)  # the coin rule's bets, and the share of items that was expected to pass
REACH = 0.6


def main(folder: Path) -> int:
    fixed = json.loads((folder / "certificate.json").read_text())
    coins = pd.read_parquet(folder / "coins.parquet").set_index("item")["coin"]
    rounds = [path.parent for path in sorted((folder / "rounds").glob("*/batch.parquet"))]
    found = {
        int(r.name): json.loads((r / "threshold.json").read_text()) for r in rounds if (r / "threshold.json").exists()
    }
    looks = [tuple(look["stage"]) for look in found.values() if look["stage"][1]]
    spent = sum(fixed["looks"][t - 1][k - 1] for t, k in looks)
    most = sum(map(sum, fixed["looks"]))
    check(len(set(looks)) == len(looks), "no look was made twice")
    check(most <= fixed["delta"] * (1 + 1e-9), f"all looks together may spend {most:.4f} of {fixed['delta']:.4f}")
    print(f"{len(looks)} looks spent {spent:.4f}")
    number, look = max(found.items(), default=(0, {"final": False}))  # only the last look counts
    later = [pd.read_parquet(r / "batch.parquet")["role"] for r in rounds if int(r.name) > number]
    if not look["final"] or look["threshold"] is None or any((role != "rest").any() for role in later):
        print("nothing is promised")
        return 0

    t, k = look["stage"]
    p, delta = fixed["levels"][k - 1], fixed["looks"][t - 1][k - 1]
    batches = pd.concat(pd.read_parquet(r / "batch.parquet") for r in rounds if int(r.name) <= number)
    role = batches.drop_duplicates("item", keep="last").set_index("item")["role"]
    learned = role.index[role == "train"]
    predictions = pd.concat(
        pd.read_parquet(path) for path in sorted((folder / f"rounds/{look['model']:03d}/predictions").glob("*.parquet"))
    )
    score = predictions.groupby("item")["score"].mean()
    check(not score.index.isin(learned).any(), "the model learned from none of the items it is judged by")
    below = coins.reindex(score.index) < p
    check(set(score.index[below]) == set(role.index[role == "validation"]), "those below the probability were checked")
    labels = pd.concat(pd.read_parquet(r / "labels.parquet") for r in rounds if int(r.name) <= number)
    labels = labels[labels["round"] == labels.groupby("item")["round"].transform("max")]
    loss = losses(predictions, labels, score.index[below])

    theta = lowest(
        score[below].to_numpy(), loss.to_numpy(), score[~below].to_numpy(), p, fixed["max_loss"], delta, look
    )
    # with a budget, or items that its last money went to, a higher one of those that pass is taken
    paid = json.loads((folder / "job.json").read_text())["spec"]["budget"] is not None
    theta = theta[np.isclose(theta, look["threshold"])] if paid else theta
    theta = theta[0] if len(theta) else np.nan
    passed = score.index[~below & (score >= look["threshold"])]
    auto = pd.read_parquet(folder / f"rounds/{number:03d}/auto.parquet")["item"].unique()
    check(set(auto) == set(passed), "what was auto-labeled is what passed")
    above = loss[score[below] >= look["threshold"]]
    print(
        f"{len(auto)} auto labels: mean quality at least {1 - fixed['max_loss']:g}, confidence {1 - fixed['delta']:g}; "
        f"of the {len(loss)} checked items {len(above)} are above the threshold, mean quality {1 - above.mean():.4f}"
    )
    return 0 if np.isclose(theta, look["threshold"]) else fail(f"the threshold is {theta}, not {look['threshold']}")


def losses(predictions: pd.DataFrame, labels: pd.DataFrame, items: pd.Index) -> pd.Series:
    """1 - quality of each item; 1 where nobody answered."""
    said = dict(tuple(labels.groupby("item")))
    seen = dict(tuple(predictions.groupby("item")))
    quality = class_quality if "left" not in labels else box_quality
    return pd.Series([1 - quality(seen[item], said[item]) if item in said else 1.0 for item in items], index=items)


def class_quality(mine: pd.DataFrame, theirs: pd.DataFrame) -> float:
    return float(mine["class_id"].iloc[0] == theirs["class_id"].iloc[0])


def box_quality(mine: pd.DataFrame, theirs: pd.DataFrame) -> float:
    """In falling score each box takes the free box of its class with the highest IoU above 0; all others count 0."""
    mine, theirs = (
        mine[mine["class_id"] >= 0].sort_values("score", ascending=False, kind="stable"),
        theirs[theirs["class_id"] >= 0],
    )
    free, matched = list(theirs.itertuples()), []
    for box in mine.itertuples():
        ious = [iou(box, other) if other.class_id == box.class_id else 0.0 for other in free]
        if ious and max(ious) > 0:
            matched.append(max(ious))
            free.pop(int(np.argmax(ious)))
    things = len(mine) + len(theirs) - len(matched)
    return sum(matched) / things if things else 1.0


def iou(a, b) -> float:
    wide = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    high = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    both = max(0.0, wide) * max(0.0, high)
    return both / (a.width * a.height + b.width * b.height - both)


def lowest(scores, loss, pool, p, max_loss, delta, look) -> np.ndarray:
    """The thresholds that pass by the coin rule, the lowest first. With the walk rule, whose sums take a page of their
    own, only what is needed of any rule: that the threshold's own cut would be unlikely if too many of the rest were
    wrong."""
    if look["rule"] == "walk":
        above = scores >= look["threshold"]
        likely = chance(int(loss[above].sum()), int((pool >= look["threshold"]).sum()), p, max_loss)
        check(likely <= delta * (1 + 1e-6), "so few errors are unlikely by chance")
        return np.array([look["threshold"]])
    every = np.concatenate([scores, pool])
    reach = -np.sort(-every)[int(np.ceil(REACH * len(every))) - 1]
    likely = (every >= reach).sum() * (1 / p - 1)
    best = np.sqrt(2 * np.log(1 / delta) / (max_loss * (1 - max_loss) * likely))
    bets = np.unique(
        np.minimum(best * np.array(BETS[:1] if look["binary"] else BETS), 0.999 * -np.log1p(-p) / (1 - max_loss))
    )
    passes = []
    for theta in np.unique(every):
        there = loss[scores >= theta]
        logs = [np.log1p(-(1 / p - 1) * np.expm1(bet * (there - max_loss))).sum() for bet in bets]
        if np.logaddexp.reduce(logs) - np.log(len(logs)) >= np.log(1 / delta) - 1e-9 and (pool >= theta).any():
            passes.append(theta)
    return np.array(passes)


def chance(errors: int, rest: int, p: float, rate: float) -> float:
    """P(at most `errors` wrong items are drawn), had the rest just more of them than `rate` allows."""
    wrong = int(rate * rest + 1e-9) + 1 + errors
    return sum(math.comb(wrong, i) * p**i * (1 - p) ** (wrong - i) for i in range(errors + 1))


def check(right: bool, what: str) -> None:
    if not right:
        sys.exit(fail(what))
    print(f"right: {what}")


def fail(what: str) -> int:
    print(f"WRONG: {what}")
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
