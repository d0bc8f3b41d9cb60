"""Whole jobs for tests: their files, a run of them without Prefect, and what they come to."""

import json
import sys
from pathlib import Path
from types import ModuleType

import yaml
from PIL import Image

CREATED = "2026-01-01T00:00:00.000000"


def digits(folder: Path, n: int) -> None:
    """Pictures of handwritten digits, input.manifest and truth.manifest."""
    from sklearn.datasets import load_digits

    found = load_digits()
    (folder / "images").mkdir(parents=True, exist_ok=True)
    lines, truth = [], []
    for i in range(n):
        source = f"images/{i + 1:04d}.png"
        Image.fromarray((found.images[i] * 15).astype("uint8")).save(folder / source)
        lines.append({"source-ref": source})
        truth.append(lines[-1] | classified("truth", int(found.target[i])))
    write_lines(folder / "input.manifest", lines)
    write_lines(folder / "truth.manifest", truth)


def classified(attribute: str, number: int) -> dict:
    """What Ground Truth adds to the line of a picture that shows the digit `number`."""
    metadata = {
        "class-name": str(number), "confidence": 1.0, "type": "groundtruth/image-classification",
        "human-annotated": "yes", "creation-date": CREATED, "job-name": "truth",
    }  # fmt: skip
    return {attribute: number, f"{attribute}-metadata": metadata}


def write_lines(path: Path, records: list[dict]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def write_job(folder: Path, **changed) -> Path:
    """job.yaml in `folder`: digits, people who never err, the fast learner, the plan with the fewest rules; a key that
    is None is left out."""
    job = {
        "name": "digits",
        "kind": "image-classification",
        "data": "input.manifest",
        "classes": [str(number) for number in range(10)],
        "output": "job",
        "workforce": {"backend": "simulated", "truth": "truth.manifest", "noise": 0},
        "learner": "fast_learner:Logistic",
        "weights": "none",
        "plan": "ground-truth",
    } | changed
    path = folder / "job.yaml"
    job = {key: value for key, value in job.items() if value is not None}
    path.write_text(yaml.safe_dump(job, sort_keys=False, default_flow_style=None))
    return path


def go(address: str) -> bool:
    """The rounds without Prefect; False where the job waits for people."""
    from roundtruth import loop

    return loop.rounds(address)


def run_job(spec):
    """Begin the job, or go on with it, as far as it comes; without its report, which takes longer than all the rest."""
    from roundtruth.job import Job, begin

    begin(spec)
    go(spec.output)
    return Job(spec.output)


def output(folder: Path) -> list[dict]:
    """The records of the output manifest, without what differs from run to run."""
    records = [json.loads(line) for line in (folder / "output/output.manifest").read_text().splitlines()]
    for record in records:
        for value in record.values():
            if isinstance(value, dict):
                value.pop("creation-date", None)
    return records


def cost_of(summary: dict) -> dict:
    """A summary without how long things took."""
    return summary | {"rounds": [{k: v for k, v in row.items() if k != "seconds"} for row in summary["rounds"]]}


def scripted(monkeypatch, predict) -> str:
    """A learner for the job file, whose predictions are predict(items trained on, items) -> (class_ids, scores)."""
    import pandas as pd

    class Scripted:
        def __init__(self, classes, seed, weights):
            self.trained = 0

        def train(self, pictures, labels, progress=None):
            self.trained = len(pictures)

        def predict(self, pictures, progress=None):
            class_id, score = predict(self.trained, pictures.items)
            return pd.DataFrame({"item": pictures.items, "class_id": class_id, "score": score})

        def state(self):
            return {"trained": self.trained}

        def load(self, state):
            self.trained = state["trained"]

    module = ModuleType("scripted")
    module.Scripted = Scripted
    monkeypatch.setitem(sys.modules, "scripted", module)
    return "scripted:Scripted"
