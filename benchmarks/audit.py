"""What an audit would save instead of a holdout: one JSON line.

    python benchmarks/audit.py [--kind image-classification] [--jobs 20] [--quality 0.95]

An audit draws the items to check only once a model is there to be judged, from all that nobody was asked about yet, and
has all of delta for it. Training sets are those of the certified plan, on the fast learners of `whole_jobs.py`. For
each training set and share checked it gives the mean saving at the post's prices, if that were the one audit of every
job. `holdout` is what the plan saves, which knows neither before it begins.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import whole_jobs  # noqa: E402
from printed import one_line  # noqa: E402

from roundtruth import certify, kinds, select  # noqa: E402
from roundtruth.chance import uniforms  # noqa: E402
from roundtruth.plans import looks  # noqa: E402

DELTA = 0.05
HUMAN, AUTO = 0.26, 0.08
SHARES = (0.05, 0.08, 0.12, 0.18, 0.27)


class Items:
    """Of pictures, what these learners need."""

    def __init__(self, items):
        self.items = np.asarray(items)

    def __len__(self):
        return len(self.items)


def audited(kind: str, quality: float, seed: int, truth: pd.DataFrame, learner) -> dict[tuple[int, float], float]:
    """The auto labels by (training items, share checked)."""
    of, items = kinds.get(kind), np.sort(truth["item"].unique())
    binary, found = of.BINARY, {}
    plan = looks.schedule(len(items), round(1 - quality, 12), DELTA, looks.SETTINGS[binary])
    learned, score = select.random(items, plan.train[0], seed), pd.Series(dtype=float)
    for size in plan.train:
        learned = np.append(learned, select.least_confident(score, size - len(learned)))
        model = learner([str(i) for i in range(10)], seed, None)
        model.train(Items(learned), truth[truth["item"].isin(learned)])
        predictions = model.predict(Items(items[~np.isin(items, learned)]))
        score = of.confidence(predictions)
        losses = 1 - of.quality(predictions.drop(columns="score"), truth).reindex(score.index).to_numpy()
        coins = uniforms(seed, f"audit {size}", score.index.to_numpy())
        for p in SHARES:
            drawn, values = coins < p, score.to_numpy()
            certificate = certify.certify(
                values[drawn], losses[drawn], values[~drawn], max_loss=plan.max_loss, delta=DELTA, drawn=p,
                binary=binary,
            )  # fmt: skip
            passed = 0 if certificate.threshold is None else (values[~drawn] >= certificate.threshold).sum()
            found[size, p] = passed / len(items)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=list(whole_jobs.LEARNERS), default="image-classification")
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--quality", type=float)
    args = parser.parse_args()
    quality = args.quality or kinds.get(args.kind).QUALITY
    with tempfile.TemporaryDirectory() as folder:
        seeds = range(args.jobs)
        data = Path(folder), args.kind, None, quality, 0.0
        holdout = whole_jobs.jobs(*data, ["certified"], seeds, per_item=5)["certified"]
    learner = whole_jobs.LEARNERS[args.kind]
    truth = learner.truth
    audits = pd.DataFrame([audited(args.kind, quality, seed, truth, learner) for seed in seeds])
    saving = (audits.mean() * (HUMAN - AUTO) / HUMAN).sort_values(ascending=False)
    line = {
        "kind": args.kind, "quality": quality, "jobs": args.jobs,
        "holdout": float(np.mean([one["saving"] for one in holdout])), "best_audit": saving.iloc[0],
        "audits": [{"learned": int(size), "checked": p, "saving": value} for (size, p), value in saving.items()],
    }  # fmt: skip
    print(one_line(line))


if __name__ == "__main__":
    main()
