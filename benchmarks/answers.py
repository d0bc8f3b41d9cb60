"""How many answers an item needs if people are asked on only where the merged label is not sure: one JSON line.

    python benchmarks/answers.py DATA [SEEDS]

DATA is as for benchmarks/consolidation.py; every folder in crowd-labels/ is measured. A seed (there are 10 unless
given) puts each item's answers in order and draws half of the items as training items, from which alone skills are
learned. "full" is what five answers to every item would give, or all where there are fewer. Figures are means over the
seeds, and `error` is the standard error of `lost`. All teach: every item is a training item, as in a job without a
check.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from consolidation import birds, box_set, f1, label_set
from crowd import simulated_boxes
from printed import one_line

from roundtruth.consolidation import asking, boxes, votes
from roundtruth.consolidation.asking import Asking
from roundtruth.kinds import object_detection

ASKING = Asking()


class Task(NamedTuple):
    """What is asked, and how it is judged."""

    unsure: Callable  # answers, learn -> items
    merge: Callable  # answers, learn -> labels
    judge: Callable  # labels -> figures, by name
    first: str  # the figure that counts


def classes(answers: pd.DataFrame, truth: pd.Series) -> Task:
    names = sorted(answers["label"].unique())

    def judge(labels: pd.DataFrame) -> dict:
        return {"accuracy": float((labels["label"].to_numpy() == truth[labels["item"]].to_numpy()).mean())}

    return Task(
        lambda said, learn: asking.classes(said, names, ASKING, learn),
        lambda said, learn: votes(said, names, learn=learn).labels,
        judge,
        "accuracy",
    )


def drawing(expert: pd.DataFrame) -> Task:
    def judge(labels: pd.DataFrame) -> dict:
        found, overlap = f1(labels, expert)
        return {"f1": found, "iou": overlap, "quality": float(object_detection.quality(labels, expert).mean())}

    return Task(
        lambda said, learn: asking.objects(said, ASKING, learn),
        lambda said, learn: boxes(said, learn=learn).labels,
        judge,
        "f1",
    )


def in_order(answers: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The answers of the first `most` people of each item, with the person's turn."""
    pairs = answers[["item", "worker"]].drop_duplicates()
    pairs = pairs.assign(luck=np.random.default_rng(seed).random(len(pairs))).sort_values(["item", "luck"])
    pairs["turn"] = pairs.groupby("item").cumcount()
    return answers.merge(pairs[pairs["turn"] < ASKING.most].drop(columns="luck"), on=["item", "worker"])


def asked_on(answers: pd.DataFrame, task: Task, teachers: np.ndarray) -> pd.DataFrame:
    """The answers that are asked for, one more an item at a time."""
    there = answers.groupby("item")["turn"].max() + 1
    wanted = there.clip(upper=ASKING.least)
    while True:
        said = answers[answers["turn"] < wanted[answers["item"]].to_numpy()]
        more = there.index.isin(task.unsure(said, said["item"].isin(teachers).to_numpy())) & (wanted < there)
        if not more.any():
            return said
        wanted += more


def once(answers: pd.DataFrame, task: Task, seed: int, share: float) -> dict:
    table = in_order(answers, seed)
    items = np.sort(table["item"].unique())
    teachers = items[np.random.default_rng([seed, 1]).random(len(items)) < share]
    said = asked_on(table, task, teachers)
    mine, full = (
        task.judge(task.merge(answered, answered["item"].isin(teachers).to_numpy())) for answered in (said, table)
    )
    count = [answered.groupby("item")["worker"].nunique().mean() for answered in (said, table)]
    return {
        "answers": count[0],
        **mine,
        "full_answers": count[1],
        **{f"full_{name}": value for name, value in full.items()},
        "lost": full[task.first] - mine[task.first],
    }


def measured(crowd: Callable[[int], pd.DataFrame], task: Task, seeds: int) -> dict:
    result = {}
    for name, share in (("half teach", 0.5), ("all teach", 1.0)):
        table = pd.DataFrame([once(crowd(seed), task, seed, share) for seed in range(seeds)])
        result[name] = {**table.mean(), "error": table["lost"].sem()}
    return result


def main(data: Path, seeds: int) -> dict:
    sets = sorted(path.name for path in (data / "crowd-labels").iterdir() if path.is_dir())
    result = {}
    for name, (answers, truth) in {"birds": birds(data), **{name: label_set(data, name) for name in sets}}.items():
        known = answers[answers["item"].isin(truth.index)]
        result[name] = measured(lambda seed, known=known: known, classes(known, truth), seeds)
    answers, expert = box_set(data)
    real = answers[answers["item"].isin(expert["item"])]
    result["boxes"] = measured(lambda seed: real, drawing(expert), seeds)
    simulated = measured(lambda seed: simulated_boxes(expert, ASKING.most, seed), drawing(expert), seeds)
    return result | {"simulated boxes": simulated}


if __name__ == "__main__":
    print(one_line(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10)))
