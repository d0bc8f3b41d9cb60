"""How well, and how quickly, the default learner learns from n random pictures: one JSON line for each n and seed.

    python benchmarks/learner.py FOLDER/truth.manifest --n 200 [--weights backbone.pth|bundled] [--seed 0] [--seeds 1]

The manifest (Ground Truth schema, attribute `truth`) is the truth; all pictures that are not trained on are predicted.
Seconds are those of a CPU.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from printed import one_line

TARGETS = (0.6, 0.7, 0.8, 0.9, 0.95)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--n", type=int, nargs="+", default=[200], help="pictures to train on")
    parser.add_argument("--rest", type=int, default=600, help="pictures to predict, at most")
    parser.add_argument("--weights", default="none", help="a file, none, or bundled (roundtruth's own)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", help="a learner's setting, to try")
    arguments = parser.parse_args()
    kind, classes, labels, pictures = read(arguments)
    make = learner(kind, arguments)
    features = getattr(make(classes, 0), "features", None)
    start = time.process_time()
    pictures.features = features and features(pictures)
    seconds = (time.process_time() - start) / len(pictures)
    for n in arguments.n:
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            found = measure(kind, make(classes, seed), labels, pictures, n, arguments.rest, seed)
            about = {"data": arguments.truth.parent.name, "n": n, "seed": seed, "set": arguments.set}
            print(one_line(about | found | {"feature_seconds_a_picture": seconds}, 3), flush=True)


def read(arguments) -> tuple:
    """The kind of label, the classes, the true labels and the pictures."""
    from roundtruth.kinds import get
    from roundtruth.pictures import Pictures, check

    records = [json.loads(line) for line in arguments.truth.read_text().splitlines()]
    kind = get(records[0]["truth-metadata"]["type"].rpartition("/")[2])
    classes = _classes(records)
    items = pd.DataFrame({"item": range(1, len(records) + 1)})
    items["url"] = [str(arguments.truth.parent.resolve() / record["source-ref"]) for record in records]
    labels = kind.decode(records, items["item"].to_numpy(), "truth", classes, lambda i: f"{arguments.truth}: line {i}")
    items = items.join(check(items))
    items = items[items["failure"].isna()]
    return kind, classes, labels, Pictures(items.reset_index(drop=True))


def learner(kind, arguments) -> Callable:
    """learner(classes, seed): the kind's own, with the settings and the weights that the arguments name."""
    from importlib import import_module

    from roundtruth.learners import load
    from roundtruth.learners.weights import bundled, resolve

    cls = load("default", kind)
    settings = import_module(cls.__module__).SETTINGS
    for name, _, value in (pair.partition("=") for pair in arguments.set):
        setattr(settings, name, type(getattr(settings, name))(float(value)))
    weights = bundled() if arguments.weights == "bundled" else resolve(arguments.weights)[0]
    return lambda classes, seed: cls(classes, seed, weights)


def measure(kind, learner, labels: pd.DataFrame, pictures, n: int, most: int, seed: int) -> dict:
    order = np.random.default_rng(seed).permutation(pictures.items)
    train, rest = order[:n], order[n : n + most]
    start = time.process_time()
    learner.train(pictures.take(np.isin(pictures.items, train)), labels[labels["item"].isin(train)])
    trained = time.process_time()
    predictions = learner.predict(pictures.take(np.isin(pictures.items, rest)))
    predicted = time.process_time()

    quality = kind.quality(predictions.drop(columns="score"), labels)
    confidence = kind.confidence(predictions).reindex(quality.index)
    falling = quality.to_numpy()[np.argsort(-confidence.to_numpy(), kind="stable")]
    means = falling.cumsum() / np.arange(1, len(falling) + 1)
    return {
        "mean": means[-1], "first_quarter": means[len(means) // 4 - 1],
        "coverage": {str(t): (np.flatnonzero(means >= t).max(initial=-1) + 1) / len(means) for t in TARGETS},
        "train_seconds": trained - start, "predict_seconds": predicted - trained, "predicted": len(means),
    }  # fmt: skip


def _classes(records: list[dict]) -> list[str]:
    """The names in the class maps of boxes, or the class names of whole pictures, by their number."""
    names = {}
    for record in records:
        metadata = record["truth-metadata"]
        names |= {int(k): v for k, v in metadata.get("class-map", {}).items()}
        if "class-name" in metadata:
            names[record["truth"]] = metadata["class-name"]
    return [names.get(k, str(k)) for k in range(max(names) + 1)]


if __name__ == "__main__":
    main()
