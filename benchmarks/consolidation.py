"""How well people's answers are merged, on real crowds: one JSON line of figures.

    python benchmarks/consolidation.py DATA [DRAWS]

DATA holds crowd-labels/, cifar10/, crowd-boxes/ and ground-truth-manifests/birds-image-classification/
(docs/consolidation.md says where they are from); DRAWS is how many draws of fewer workers are averaged,
40 unless given. Every folder in crowd-labels/ is a set of answers with the truth, and is measured with few answers.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from roundtruth.boxes import SIDES, iou
from roundtruth.consolidation import boxes, votes
from roundtruth.consolidation.boxes import _clustered

BOXES = ["item", "worker", "class_id", *SIDES]


def label_set(data: Path, name: str) -> tuple[pd.DataFrame, pd.Series]:
    """Answers (item, worker, label) and the truth by item."""
    if name == "cifar10":
        truth = pd.read_csv(data / "cifar10" / "labels.csv", dtype=str)
        truth = pd.Series(truth["true"].to_numpy(), index="images/" + truth["file"])
        return pd.read_csv(data / "cifar10" / "answers.csv", dtype=str), truth
    folder = data / "crowd-labels" / name
    truth = pd.read_csv(folder / "truth.csv", dtype=str).set_index("item")["label"]
    answers = pd.read_csv(folder / "answers.csv", dtype=str)
    return answers, truth


def birds(data: Path) -> tuple[pd.DataFrame, pd.Series]:
    """302 pictures of birds, 5 answers each, from Ground Truth itself."""
    folder = data / "ground-truth-manifests" / "birds-image-classification"
    lines = [json.loads(line)["source-ref"] for line in (folder / "output.manifest").read_text().splitlines()]
    truth = {row["ImageId"]: row["Label"] for row in json.loads((folder / "true_labels.json").read_text())}
    rows = []
    for path in sorted((folder / "worker-response").glob("*/*/*.json")):
        for answer in json.loads(path.read_text())["answers"]:
            label = answer["answerContent"]["crowd-image-classifier"]["label"]
            rows.append((int(path.parent.name), answer["workerId"], label))
    answers = pd.DataFrame(rows, columns=["item", "worker", "label"])
    return answers, pd.Series([truth[Path(line).stem] for line in lines])


def box_set(data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All workers' boxes, and the experts' (item, class_id, left, top, width, height)."""
    found = json.loads((data / "crowd-boxes" / "crowd_boxes.json").read_text())
    nothing = [[0.0, 0.0, 0.0, 0.0]]
    drawn = [
        (int(one["image"]), one["worker"], 0 if one["boxes"] else -1, *box)
        for one in found["answers"]
        for box in one["boxes"] or nothing
    ]
    expert = [
        (int(image), 0 if known else -1, *box) for image, known in found["expert"].items() for box in known or nothing
    ]
    return pd.DataFrame(drawn, columns=BOXES), pd.DataFrame(expert, columns=["item", *BOXES[2:]])


def majority(answers: pd.DataFrame) -> pd.Series:
    """The class with the most votes by item; of equals, the first in the alphabet."""
    return pd.crosstab(answers["item"], answers["label"]).idxmax(axis=1)


def calibration(confidence: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error, ten bins."""
    at = np.minimum((confidence * 10).astype(int), 9)
    return float(sum(abs(confidence[at == i].sum() - right[at == i].sum()) for i in range(10)) / len(at))


def some(answers: pd.DataFrame, count: int, draw: int) -> pd.DataFrame:
    """The answers of `count` workers an item."""
    pairs = answers[["item", "worker"]].drop_duplicates()
    pairs = pairs.assign(turn=np.random.default_rng(draw).random(len(pairs))).sort_values("turn")
    return answers.merge(pairs.groupby("item").head(count)[["item", "worker"]], on=["item", "worker"])


def judge_votes(answers: pd.DataFrame, truth: pd.Series) -> dict:
    labels = votes(answers).labels.set_index("item")
    labels = labels[labels.index.isin(truth.index)]
    true = truth[labels.index]
    right = (labels["label"] == true).to_numpy()
    plain = majority(answers)[labels.index]
    share = pd.crosstab(answers["item"], answers["label"], normalize="index").max(axis=1)[labels.index].to_numpy()
    return {
        "accuracy": round(float(right.mean()), 4),
        "majority": round(float((plain == true).mean()), 4),
        "ece": round(calibration(labels["confidence"].to_numpy(), right), 3),
        "majority_ece": round(calibration(share, (plain == true).to_numpy()), 3),
    }


def judge_few(answers: pd.DataFrame, truth: pd.Series, draws: int) -> dict:
    """With 3 and 5 of each item's answers: the accuracy, the majority's, and the standard error of the difference."""
    result = {}
    for count in (3, 5):
        if answers.groupby("item").size().max() <= count:
            continue  # nothing to draw
        found = [judge_votes(some(answers, count, draw), truth) for draw in range(draws)]
        gain = [one["accuracy"] - one["majority"] for one in found]
        result[str(count)] = {
            "accuracy": round(float(np.mean([one["accuracy"] for one in found])), 4),
            "majority": round(float(np.mean([one["majority"] for one in found])), 4),
            "error": round(float(np.std(gain, ddof=1) / draws**0.5), 4),
        }
    return result


def matches(labels: pd.DataFrame, expert: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Per box of `labels` whether it is right, the IoUs of what is right, and the numbers of boxes of both: one to
    one, at IoU .5, as many as can be (Hungarian method), in pictures that both have."""
    from scipy.optimize import linear_sum_assignment

    known = {item: rows[SIDES].to_numpy() for item, rows in expert[expert["class_id"] >= 0].groupby("item")}
    both = np.intersect1d(labels["item"].unique(), expert["item"].unique())
    table = labels[labels["item"].isin(both) & (labels["class_id"] >= 0)].reset_index(drop=True)
    right, overlaps = np.zeros(len(table), bool), []
    for item, rows in table.groupby("item"):
        a, b = (np.column_stack([x[:, :2], x[:, :2] + x[:, 2:]]) for x in (
            rows[SIDES].to_numpy(), known.get(item, np.zeros((0, 4)))))  # fmt: skip
        overlap = iou(a[:, None], b[None])
        overlap[overlap < 0.5] = 0
        one, other = linear_sum_assignment(-overlap)
        hit = overlap[one, other] > 0
        right[rows.index[one[hit]]] = True
        overlaps.append(overlap[one, other][hit])
    return right, np.concatenate(overlaps), len(table), int(sum(len(known.get(item, [])) for item in both))


def f1(labels: pd.DataFrame, expert: pd.DataFrame) -> tuple[float, float]:
    """F1 at IoU .5, and the mean IoU of the matches."""
    right, overlaps, drawn, true = matches(labels, expert)
    return 2 * right.sum() / (drawn + true), float(overlaps.mean())


def medians(answers: pd.DataFrame) -> pd.DataFrame:
    """The simple way: clusters that half of the workers drew, their median sides."""
    table = answers[answers["class_id"] >= 0].sort_values(["item", "worker", *SIDES]).reset_index(drop=True)
    box = np.column_stack([table[["left", "top"]], table["left"] + table["width"], table["top"] + table["height"]])
    once, cluster = _clustered(
        table["item"].to_numpy(), pd.factorize(table["worker"])[0], table["class_id"].to_numpy(), box
    )
    crowd = answers.groupby("item")["worker"].nunique()
    groups = table.loc[once].groupby(cluster)
    result = groups[SIDES].median().assign(item=groups["item"].first(), class_id=0)
    kept = result[2 * groups.size() >= result["item"].map(crowd)]
    return pd.concat([kept, pd.DataFrame({"item": crowd.index.difference(kept["item"]), "class_id": -1})])


def spoiled(answers: pd.DataFrame, share: float, draw: int) -> pd.DataFrame:
    """Workers with about this share of the answers draw one random box each time."""
    chance = np.random.default_rng(draw)
    pairs = answers[["item", "worker"]].drop_duplicates()
    load = pairs["worker"].value_counts(normalize=True).sort_index()
    load = load.iloc[chance.permutation(len(load))]
    spammers = load.index[(load.cumsum() - load / 2).to_numpy() < share]
    bad = pairs[pairs["worker"].isin(spammers)]
    size = chance.uniform([20, 40], [250, 400], (len(bad), 2))
    place = chance.random((len(bad), 2)) * ([1280, 720] - size)
    random = bad.assign(class_id=0, **dict(zip(SIDES, np.column_stack([place, size]).T)))
    return pd.concat([answers[~answers["worker"].isin(spammers)], random], ignore_index=True)


def judge_boxes(answers: pd.DataFrame, expert: pd.DataFrame, draws: int) -> dict:
    result = {}
    for count in (3, 5, 7):
        ours, simple, sure = [], [], []
        for draw in range(draws if count < 7 else 1):
            chosen = some(answers, count, draw)
            labels = boxes(chosen).labels
            ours.append(f1(labels, expert))
            simple.append(f1(medians(chosen), expert))
            drawn = labels[labels["item"].isin(expert["item"]) & (labels["class_id"] >= 0)]
            sure.append(calibration(drawn["confidence"].to_numpy(), matches(labels, expert)[0]))
        result[str(count)] = {
            "f1": round(float(np.mean([one[0] for one in ours])), 4),
            "iou": round(float(np.mean([one[1] for one in ours])), 4),
            "medians_f1": round(float(np.mean([one[0] for one in simple])), 4),
            "medians_iou": round(float(np.mean([one[1] for one in simple])), 4),
            "ece": round(float(np.mean(sure)), 3),
        }
    bad = [spoiled(some(answers, 5, draw), 0.2, draw) for draw in range(max(1, draws // 4))]
    result["5, a fifth random"] = {
        "f1": round(float(np.mean([f1(boxes(one).labels, expert)[0] for one in bad])), 4),
        "medians_f1": round(float(np.mean([f1(medians(one), expert)[0] for one in bad])), 4),
    }
    labels = boxes(answers).labels
    empty = labels[(labels["class_id"] < 0) & labels["item"].isin(expert["item"])]
    truly = expert.groupby("item")["class_id"].max() < 0
    result["7, empty"] = {
        "pictures": len(empty),
        "right": round(float(truly[empty["item"]].mean()), 3),
        "confidence": round(float(empty["confidence"].mean()), 3),
    }
    return result


def speed(answers: pd.DataFrame) -> dict:
    chance = np.random.default_rng(0)
    truth = chance.integers(0, 10, 200_000)
    item = np.repeat(np.arange(200_000), 5)
    label = np.where(chance.random(1_000_000) < 0.8, truth[item], chance.integers(0, 10, 1_000_000))
    many = pd.DataFrame({"item": item, "worker": chance.integers(0, 2000, 1_000_000), "label": label})
    tiled = pd.concat([answers.assign(item=answers["item"] + 10**6 * i) for i in range(13)], ignore_index=True)
    seconds = []
    for merge, table in ((votes, many), (boxes, tiled)):
        start = time.process_time()
        merge(table)
        seconds.append(round(time.process_time() - start, 2))
    return {"million_votes": seconds[0], "boxes": int((tiled["class_id"] >= 0).sum()), "boxes_seconds": seconds[1]}


def main(data: Path, draws: int) -> dict:
    result: dict = {
        name: judge_votes(*label_set(data, name)) for name in ("bluebirds", "d_product", "dogs", "sp_amt", "cifar10")
    }
    answers, truth = birds(data)
    result["birds_error"] = {}
    for count in (2, 3, 5):
        chosen = [some(answers, count, draw) for draw in range(draws if count < 5 else 1)]
        figures = [judge_votes(one, truth) for one in chosen]
        result["birds_error"][str(count)] = {
            key: round(1 - float(np.mean([one[key] for one in figures])), 4) for key in ("accuracy", "majority")
        }
    sets = sorted(path.name for path in (data / "crowd-labels").iterdir() if path.is_dir())
    result["few"] = {name: judge_few(*label_set(data, name), draws) for name in sets}
    answers, expert = box_set(data)
    result["boxes"] = judge_boxes(answers, expert, draws)
    result["seconds"] = speed(answers)
    return result


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 40)))
