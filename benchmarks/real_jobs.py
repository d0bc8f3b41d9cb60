"""What the certified plan saves on real pictures, by target: whole jobs by the steps of the flow. One JSON line.

    python benchmarks/real_jobs.py FOLDER [--targets 0.6 0.7 0.8] [--of dataset] [--seeds 5] [--noise 0]
        [--weights backbone.pth|bundled] [--answers answers.csv] [--per-item 5] [--plan certified] [--memo DIR]
        [--half SEED]

FOLDER has an input.manifest and a truth.manifest (attribute `truth`) in Ground Truth's schema. A model follows from
its training set, its seed and the model before, so that jobs which come to the same training sets share it; with
--memo also with those of the next call. `hindsight` is what the last model would have saved if the lowest threshold
that keeps the target had been known without checking anything. `saving` compares with people alone who are asked in the
same way, `against_most` with people alone who give every item the most answers. `--half` takes a random half of the
pictures.
"""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from learner import _classes  # noqa: E402
from printed import one_line  # noqa: E402
from whole_jobs import outcome, run  # noqa: E402

from roundtruth import learners, ledger, plans  # noqa: E402
from roundtruth.begin import begin  # noqa: E402
from roundtruth.job import Job  # noqa: E402
from roundtruth.look import Look  # noqa: E402
from roundtruth.spec import JobSpec  # noqa: E402


class Shared:
    """The kind's own learner, which learns one training set once."""

    kind, pictures, memo, bundled = None, None, Path(), None

    def __init__(self, classes, seed, weights):
        self.classes, self.seed, self.weights, self.key = classes, seed, self.bundled or weights, ""

    def train(self, pictures, labels, progress=None):
        inner = learners.load("default", self.kind)(self.classes, self.seed, self.weights)
        labels = labels[["item", *self.kind.COLUMNS, "confidence"]].sort_values(
            ["item", *self.kind.COLUMNS], ignore_index=True
        )
        about = [self.classes, self.seed, sorted(pictures.items.tolist()), labels.to_csv(), self.memo.name, self.key]
        before, self.key = self.key, hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]
        path = self.memo / f"{self.key}.parquet"
        if not path.exists():
            if before:
                inner.load(torch.load(self.memo / f"{before}.pt", weights_only=True))
            pictures = self.pictures.take(np.isin(self.pictures.items, pictures.items))  # with their features
            inner.train(pictures, labels, progress)
            torch.save(inner.state(), path.with_suffix(".pt"))
            others = self.pictures.take(~np.isin(self.pictures.items, pictures.items))
            inner.predict(others).to_parquet(path)

    def predict(self, pictures, progress=None):
        found = pd.read_parquet(self.memo / f"{self.key}.parquet")
        return found[found["item"].isin(pictures.items)].reset_index(drop=True)

    def state(self):
        return {"key": self.key}

    def load(self, state):
        self.key = state["key"]


def with_features(pictures, kind, weights: dict, memo: Path):
    """The pictures with what the backbone makes of them, computed once for all jobs, if the learner uses such."""
    features = getattr(learners.load("default", kind)([], 0, weights), "features", None)
    path = memo / "features.npy"
    if features and not path.exists():
        np.save(path, features(pictures))
    pictures.features = np.load(path) if features else None
    return pictures


def hindsight(job: Job) -> float | None:
    """The saving with the last model and the lowest threshold that keeps the target on all it did not learn from."""
    look = plans.last_look(job)
    truth = job.truth()  # None where recorded answers are replayed
    if truth is None or look is None or look.model is None:
        return None
    predictions = job.predictions(look.model)
    score = job.kind.confidence(predictions)
    quality = job.kind.quality(predictions, truth).reindex(score.index)
    means = quality[score.sort_values(ascending=False, kind="stable").index].expanding().mean().to_numpy()
    auto = np.flatnonzero(means >= job.spec.target.quality).max(initial=-1) + 1
    human = ledger.expected_price(job.spec, job)
    return auto * (human - job.spec.prices.per_auto_label) / human / len(job.items())


def half(data: Path, seed: int, folder: Path) -> Path:
    """A manifest of a random half of the pictures."""
    lines = [json.loads(line) for line in (data / "input.manifest").read_text().splitlines()]
    kept = np.sort(np.random.default_rng(seed).permutation(len(lines))[: len(lines) // 2])
    lines = [lines[at] | {"source-ref": str(data / lines[at]["source-ref"])} for at in kept]
    path = folder / "half.manifest"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=lambda path: Path(path).resolve())
    parser.add_argument("--targets", type=float, nargs="+", default=[0.6, 0.7, 0.8])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--answers", type=lambda path: Path(path).resolve(), help="recorded answers to replay instead")
    parser.add_argument("--per-item", type=int, help="exactly so many answers an item")
    parser.add_argument("--of", choices=["auto-labels", "dataset"], default="auto-labels")
    parser.add_argument("--half", type=int, metavar="SEED", help="a random half of the pictures")
    parser.add_argument("--plan", default="certified")
    parser.add_argument("--weights", default="none", help="a file, none, or bundled (roundtruth's own)")
    parser.add_argument("--memo", type=Path, help="a folder that keeps what models predict")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the job folders")
    args = parser.parse_args()
    sys.modules["real_jobs"] = sys.modules[__name__]  # where the job finds its learner
    with tempfile.TemporaryDirectory() as folder:
        print(one_line(measure(args, Path(folder))))


def measure(args, folder: Path) -> dict:
    from roundtruth.pictures import Pictures

    records = [json.loads(line) for line in (args.folder / "truth.manifest").read_text().splitlines()]
    people = (
        {"answers": args.answers} if args.answers else {"truth": args.folder / "truth.manifest", "noise": args.noise}
    )
    people |= {"backend": "simulated"} | ({"answers_per_item": args.per_item} if args.per_item else {})
    weights = "none" if args.weights in ("none", "bundled") else Path(args.weights).resolve()
    Shared.memo = args.memo or folder / "memo"
    Shared.memo.mkdir(parents=True, exist_ok=True)
    data = args.folder / "input.manifest" if args.half is None else half(args.folder, args.half, folder)
    checked, rows, start = None, [], time.process_time()
    for seed in range(args.first, args.first + args.seeds):
        for quality in args.targets:
            spec = {
                "name": f"{args.folder.name} {quality} {seed}",
                "kind": records[0]["truth-metadata"]["type"].rpartition("/")[2],
                "data": data,
                "classes": _classes(records),
                "output": (args.keep or folder).resolve() / f"{args.folder.name}-{args.noise}-{quality}-{seed}",
                "plan": args.plan,
                "target": {"quality": quality} | ({"of": args.of} if args.plan == "certified" else {}),
                "workforce": people,
                "learner": "real_jobs:Shared",
                "weights": weights,
                "seed": seed,
            }
            spec = JobSpec.model_validate(json.loads(json.dumps(spec, default=str)))
            shutil.rmtree(spec.output, ignore_errors=True)
            if checked is None:
                checked = folder / "items"
                begin(spec)
                job = Job(spec.output)
                items = job.items()
                Shared.kind, Shared.pictures = job.kind, Pictures(items[items.failure.isna()].reset_index(drop=True))
                if args.weights == "bundled":
                    from roundtruth.learners.weights import bundled

                    Shared.bundled = bundled()
                    Shared.pictures = with_features(Shared.pictures, Shared.kind, Shared.bundled, Shared.memo)
                shutil.copytree(Path(spec.output) / "items", checked)
                shutil.rmtree(spec.output)
            job = run(spec, checked)
            row = {"target": quality, "seed": seed} | outcome(job) | {"hindsight": hindsight(job)}
            rows.append(row | {"looks": [figures_of(job.look(r)) for r in job.rounds_with("threshold.json")]})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    return {
        "data": args.folder.name, "plan": args.plan, "of": args.of, "noise": args.noise, "seeds": args.seeds,
        "targets": {str(quality): figures(some, quality, args.of) for quality, some in table.groupby("target")},
        "cpu_seconds": time.process_time() - start,
    }  # fmt: skip


def figures_of(look: Look) -> list:
    return [look.stage, look.checked, look.auto, look.quality, look.expected]


def figures(rows: pd.DataFrame, quality: float, of: str) -> dict:
    """What the jobs of one target came to; `interval` is Student's 95 % one of the mean saving over seeds."""
    from scipy.stats import t

    n, saving = len(rows), rows["saving"]
    spread = t.ppf(0.975, n - 1) * saving.std() / np.sqrt(n) if n > 1 else None
    truth = rows["of_all" if of == "dataset" else "quality"]
    return {
        "jobs": n, "saving": saving.mean(), "interval": spread and [saving.mean() - spread, saving.mean() + spread],
        "savings": saving.tolist(), "hindsight": rows["hindsight"].astype(float).mean(), "auto": rows["auto"].mean(),
        "answers": rows["answers"].mean(), "against_most": rows["against_most"].mean(),
        "each_against_most": rows["against_most"].tolist(), "asked": rows["asked"].mean(),
        "rounds": rows["rounds"].mean(), "nothing_labeled": int((rows["auto"] == 0).sum()),
        "quality": truth.mean(), "broken": int((truth < quality).sum()),
    }  # fmt: skip


if __name__ == "__main__":
    main()
