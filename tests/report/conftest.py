"""A job as the report sees one: tables made up by hand, pictures that are really there."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from roundtruth import kinds
from roundtruth.job import Job


@dataclass
class Store:
    files: dict[str, bytes] = field(default_factory=dict)

    def replace(self, path: str, data: bytes) -> None:
        self.files[path] = data

    def exists(self, path: str) -> bool:
        return path in self.files


@dataclass
class FakeJob:
    spec: SimpleNamespace
    tables: dict
    facts: dict
    store: Store = field(default_factory=Store)

    def summary(self):
        return self.facts

    def items(self):
        return self.tables["items"]

    def outcome(self):
        return self.tables["outcome"]

    def truth(self):
        return self.tables["truth"]

    def workers(self):
        return self.tables["workers"]

    @property
    def kind(self):
        return kinds.get(self.spec.kind)

    def rounds_with(self, name):
        return [] if name == "forecast.json" else sorted(self.tables["threshold"])

    model_round = Job.model_round

    def predictions(self, round):
        return self.tables["predictions"]

    def roles(self, until):
        labels = self.human_labels(until)
        return labels[["item", "role", "round"]].drop_duplicates("item")

    def human_labels(self, until):
        labels = self.outcome()
        return labels[(labels["source"] == "human") & (labels["round"] <= until)]

    def threshold(self, round):
        return self.tables["threshold"].get(round)

    def failures(self):
        items = self.items().set_index("item")
        return items["failure"].dropna()


def make(
    folder: Path,
    kind: str = "object-detection",
    human: tuple[int, ...] = (4, 16, 20, 20),
    auto: tuple[int, ...] = (0, 0, 0, 10),
    n: int = 80,
    state: str = "running",
    classes: tuple[str, ...] = ("cat", "dog", "owl"),
    broken: int = 0,
    side: int = 64,
    workers: int = 5,
    seed: int = 0,
) -> FakeJob:
    """A job with the given items a round: first people's items, then the model's, and the last `broken` ones failed."""
    chance = np.random.default_rng(seed)
    item = np.arange(1, n + 1)
    wide, high = side + item % 5 * 4, side + item % 3 * 8
    urls = [str(folder / f"picture-{i:04d}.png") for i in item]
    for i, url in enumerate(urls[: n - broken]):
        base = chance.integers(60, 200, (2, 2, 3)).astype("uint8")
        Image.fromarray(base).resize((int(wide[i]), int(high[i])), Image.Resampling.NEAREST).save(url)
    failure = np.where(item > n - broken, "no file", None)
    items = pd.DataFrame({"item": item, "source": [Path(url).name for url in urls], "url": urls, "failure": failure})
    items["labeled"] = False

    boxes = chance.integers(0, 4, n) if kind == "object-detection" else np.ones(n, int)
    truth = pd.DataFrame({"item": np.repeat(item, np.maximum(boxes, 1))})
    truth["class_id"] = np.where(np.repeat(boxes, np.maximum(boxes, 1)) > 0, truth.index % len(classes), -1)
    if kind == "object-detection":
        for start, length in (("left", "width"), ("top", "height")):
            sides = chance.uniform([[0], [15]], [[20], [40]], (2, len(truth)))
            truth[start], truth[length] = (truth["class_id"] >= 0).to_numpy() * sides

    labels = truth.copy()
    number = np.concatenate([np.repeat(np.arange(1, len(human) + 1), human), np.repeat(np.arange(len(auto)), auto)])
    by_people = np.arange(len(number)) < sum(human)
    place = labels["item"] - 1
    labels = labels[place < len(number)]
    place = place[place < len(number)].to_numpy()
    labels["source"] = np.where(by_people[place], "human", "auto")
    labels["round"] = number[place]
    labels["role"] = np.where(by_people[place] & (number[place] <= 2), "validation", "train")
    sure = np.where(by_people, chance.beta(9, 1, len(number)), chance.beta(6, 2, len(number)))
    labels["confidence"] = sure[place]
    if kind == "object-detection":
        move = np.where(by_people[place], 0.04, 0.14)[:, None] * chance.normal(size=(len(labels), 4))
        drawn = labels[["left", "top", "width", "height"]]
        labels[drawn.columns] = (drawn * (1 + move)).clip(lower=0)
    else:
        wrong = chance.random(len(labels)) < np.where(by_people[place], 0.02, 0.04)
        labels["class_id"] = (labels["class_id"] + wrong) % len(classes)

    of_kind = kinds.get(kind)
    measured = {
        source: of_kind.quality(labels[labels["source"] == source], truth).mean() if any(counts) else None
        for source, counts in (("human", human), ("auto", auto))
    }
    taught = labels["item"][(labels["source"] == "human") & (labels["role"] == "train")]
    predictions = truth[~truth["item"].isin(taught)].reset_index(drop=True)
    confidence = pd.Series(chance.beta(5, 2, n), index=item)
    predictions["score"] = predictions["item"].map(confidence)
    if kind == "object-detection":
        move = chance.normal(size=(len(predictions), 4)) * (1.1 - predictions[["score"]].to_numpy()) * 0.2
        drawn = predictions[["left", "top", "width", "height"]]
        predictions[drawn.columns] = (drawn * (1 + move)).clip(lower=0)
    else:
        wrong = chance.random(len(predictions)) > predictions["score"] ** 0.2
        predictions["class_id"] = (predictions["class_id"] + wrong) % len(classes)
    models = [r for r in range(len(auto)) if auto[r]]
    checked = int((by_people & (number <= 2)).sum())
    thresholds = {r: {"threshold": 0.9 - 0.1 * i, "rule": "naive", "checked": checked} for i, r in enumerate(models)}
    objects = of_kind.objects(labels)
    at = labels.drop_duplicates("item").set_index("item")
    rounds = []
    for r, (by_human, by_model) in enumerate(zip(human, auto), 1):
        mine = ((at["source"] == "human") & (at["round"] == r)) | ((at["source"] == "auto") & (at["round"] == r - 1))
        rounds.append(
            {
                "round": r,
                "human": by_human,
                "auto": by_model,
                "objects": int(objects[mine[mine].index].sum()),
                "cost": round(by_human * 0.26 + by_model * 0.08, 2),
                "threshold": thresholds.get(r - 1, {}).get("threshold"),
                "seconds": {"train": 41.3 * (r > 2), "infer": 7.84 * (r > 2), "other": 1.2},
            }
        )
    alone = 0.26 * (sum(human) + sum(auto))
    cost = {"human": round(0.26 * sum(human), 2), "auto": round(0.08 * sum(auto), 2), "all_human": round(alone, 2)}
    cost["total"] = round(cost["human"] + cost["auto"], 2)
    cost["saving"] = round(1 - cost["total"] / alone, 4) if alone else 0.0
    quality = of_kind.QUALITY
    facts = {
        "name": "zoo",
        "kind": kind,
        "state": state,
        "items": n,
        "human": sum(human),
        "auto": sum(auto),
        "input": 0,
        "failed": broken,
        "answers": 5 * sum(human),
        "cost": cost,
        "target": {"quality": quality, "confidence": 0.95, "certificate": "none", "holds": None},
        "measured": measured,
        "rounds": rounds,
        "weights": "torchvision's ShuffleNetV2 x0.5, ImageNet",
    }
    spec = SimpleNamespace(
        name="zoo",
        kind=kind,
        data="/data/zoo/input.manifest",
        classes=list(classes),
        plan="ground-truth",
        target=SimpleNamespace(quality=quality, confidence=0.95, certificate="none"),
        prices=SimpleNamespace(per_item=0.08, per_answer=0.036, per_auto_label=0.08),
        workforce=SimpleNamespace(backend="simulated", answers_per_item=5),
        budget=None,
        learner="default",
        pool=None,
        seed=0,
    )
    skill = chance.beta(8, 2, workers)
    people = pd.DataFrame({"worker": [f"worker-{i}" for i in range(1, workers + 1)], "skill": skill})
    people["answers"] = sum(human) if sum(human) else 0
    tables = {
        "items": items,
        "outcome": labels,
        "truth": truth,
        "workers": people if workers and sum(human) else None,
        "predictions": predictions,
        "threshold": thresholds,
    }
    return FakeJob(spec, tables, facts)


@pytest.fixture
def make_job(tmp_path):
    return lambda **how: make(tmp_path, **how)
