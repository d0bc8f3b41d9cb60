"""How well simulated people resemble real ones: one JSON line of figures.

    python benchmarks/crowd.py DATA [SEEDS]

DATA holds crowd-labels/, cifar10/ and crowd-boxes/. Simulated people with `noise: 1` label the pictures whose truth is
known, once a seed (5 unless given), and both crowds are measured alike.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from consolidation import box_set, f1, label_set, some

from roundtruth.boxes import match
from roundtruth.consolidation import boxes, votes
from roundtruth.kinds import object_detection
from roundtruth.workforce.crowds import image_classification as class_crowd
from roundtruth.workforce.crowds import object_detection as box_crowd
from roundtruth.workforce.simulated import assign

PICTURE = {"picture_width": 1280, "picture_height": 720}  # of all of data/crowd-boxes


def simulated_boxes(expert: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    items = np.sort(expert["item"].unique())
    chosen = assign(pd.Series(items.astype(str)), count, seed)
    assigned = pd.DataFrame({"item": items[chosen["place"]], "worker": chosen["worker"]}).assign(**PICTURE)
    assigned["source"] = assigned["item"].astype(str)
    return box_crowd.simulate_answers(assigned.merge(expert, on="item"), ["pedestrian"], seed, 1.0)


def one_worker(answers: pd.DataFrame, expert: pd.DataFrame) -> dict:
    """Each answer against the expert: all answers together, and how workers with 30 or more answers differ."""
    answers = answers.loc[answers["item"].isin(expert["item"])]
    pair = pd.factorize(answers["item"].astype(str) + "/" + answers["worker"])[0]
    about = answers.assign(pair=pair)[["pair", "item", "worker"]].drop_duplicates("pair")
    wanted = about.merge(expert, on="item").drop(columns=["item", "worker"]).rename(columns={"pair": "item"})
    worker = about.set_index("pair")["worker"].sort_index().to_numpy()
    mine, true = (
        object_detection.on_pictures(table, np.arange(len(about))) for table in (answers.assign(item=pair), wanted)
    )
    overlap = match(mine, true)
    place, overlap = mine.picture[overlap > 0], overlap[overlap > 0]
    table = pd.DataFrame({"worker": worker, "answers": 1})
    for name, rows in (("drawn", mine.picture), ("true", true.picture), ("near", place[overlap >= 0.2])):
        table[name] = np.bincount(rows, minlength=len(table))
    table["right"] = np.bincount(place[overlap >= 0.5], minlength=len(table))
    table["iou"] = np.bincount(place[overlap >= 0.5], overlap[overlap >= 0.5], minlength=len(table))

    def figures(total) -> dict:
        return {
            "f1": 2 * total["right"] / (total["drawn"] + total["true"]),
            "iou": total["iou"] / total["right"],
            "missed": 1 - total["near"] / total["true"],
            "false_an_answer": (total["drawn"] - total["near"]) / total["answers"],
        }

    each = table.groupby("worker").sum()
    spread = {name: values.quantile([0.1, 0.5, 0.9]) for name, values in figures(each[each["answers"] >= 30]).items()}
    whole = figures(table.drop(columns="worker").sum())
    tails = np.quantile(overlap[overlap >= 0.2], [0.05, 0.25, 0.5, 0.75, 0.95])
    return {name: [whole[name], *spread[name]] for name in whole} | {"iou_quantiles": tails}


def merged(answers: pd.DataFrame, expert: pd.DataFrame) -> list[float]:
    """F1 and mean IoU of the matches, and the job's own measure: the mean IoU a picture."""
    labels = boxes(answers).labels
    return [*f1(labels, expert), object_detection.quality(labels, expert).mean()]


def class_figures(answers: pd.DataFrame, truth: pd.Series) -> dict:
    """Of (item, worker, label) and the truth by item."""
    right = answers["label"].to_numpy() == truth[answers["item"]].to_numpy()
    labels = votes(answers).labels
    most = pd.crosstab(answers["item"], answers["label"]).idxmax(axis=1)
    # how much two people's errors on an item go together, and how often two wrong answers are the same
    count = pd.Series(right).groupby(answers["item"].to_numpy()).agg(["sum", "size"])
    count = count[count["size"] > 1]
    mean = right.mean()
    both = (count["sum"] * (count["sum"] - 1) / (count["size"] * (count["size"] - 1))).mean()
    wrong = answers[~right].groupby(["item", "label"]).size()
    all_wrong = wrong.groupby("item").sum()
    same = (wrong * (wrong - 1)).groupby("item").sum().sum() / (all_wrong * (all_wrong - 1)).sum()
    each = pd.Series(right).groupby(answers["worker"].to_numpy()).agg(["mean", "size"]).query("size >= 20")["mean"]
    return {
        "one": mean,
        "majority": (most == truth[most.index]).mean(),
        "merged": (labels["label"].to_numpy() == truth[labels["item"]].to_numpy()).mean(),
        "correlation": (both - mean**2) / (mean * (1 - mean)),
        "same_error": same,
        "workers": each.quantile([0.1, 0.5, 0.9]).to_numpy(),
    }


def simulated_labels(truth: pd.Series, classes: list[str], count: int, seed: int) -> pd.DataFrame:
    chosen = assign(pd.Series(truth.index), count, seed)
    number = truth.map({name: k for k, name in enumerate(classes)}).to_numpy()
    source = truth.index.to_numpy()[chosen["place"]]
    assigned = pd.DataFrame(
        {"item": source, "source": source, "worker": chosen["worker"], "class_id": number[chosen["place"]]}
    )
    answers = class_crowd.simulate_answers(assigned, classes, seed, 1.0)
    return answers.assign(label=np.array(classes, object)[answers["class_id"]])


def plain(value):
    """Rounded, and as JSON has it."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return np.round(value, 3).tolist()


def mean(figures: list[dict]) -> dict:
    """Over the seeds, figure by figure."""
    return {key: np.mean([one[key] for one in figures], axis=0) for key in figures[0]}


def main(data: Path, seeds: int) -> dict:
    answers, expert = box_set(data)
    answers = answers[answers["item"].isin(expert["item"])]
    result: dict = {
        "boxes": {
            "real": one_worker(answers, expert),
            "simulated": mean([one_worker(simulated_boxes(expert, 7, seed), expert) for seed in range(seeds)]),
        }
    }
    for count in (3, 5):
        result["boxes"][f"real {count}"] = np.mean(
            [merged(some(answers, count, s), expert) for s in range(seeds)], axis=0
        )
        result["boxes"][f"simulated {count}"] = np.mean(
            [merged(simulated_boxes(expert, count, seed), expert) for seed in range(seeds)], axis=0
        )
    for name, counts in (("cifar10", (3,)), ("dogs", (3, 5)), ("sp_amt", (3, 5))):
        answers, truth = label_set(data, name)
        answers = answers[answers["item"].isin(truth.index)]
        for count in counts:
            real = [class_figures(some(answers, count, seed), truth) for seed in range(seeds)]
            result.setdefault(name, {})[f"real {count}"] = mean(real)
    truth = label_set(data, "cifar10")[1]
    classes = sorted(truth.unique())
    for count in (3, 5):
        drawn = [class_figures(simulated_labels(truth, classes, count, seed), truth) for seed in range(seeds)]
        result["cifar10"][f"simulated {count}"] = mean(drawn)
    return plain(result)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5)))
