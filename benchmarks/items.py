"""How a job of many items does beside plain JSON, without pictures and without a model.

    python benchmarks/items.py --items 1000000     a whole job: half of the items come with a class
    python benchmarks/items.py --items 10000000    the same with ten times as many

The people and the model are arithmetic on item numbers; no picture is read. All figures are seconds of one process, so
compare them with `json`: what `json.loads` and `json.dumps` of the same lines take in the same run.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from printed import one_line

from roundtruth import pictures, plans, steps, workforce
from roundtruth.begin import begin
from roundtruth.chance import uniforms
from roundtruth.job import Job
from roundtruth.settings import Strict
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from roundtruth.workforce import Collected

CLASSES = [f"class {number}" for number in range(10)]


class Settings(Strict):
    """People who know the class of every item by its number."""

    backend: Literal["numbers"] = "numbers"
    answers_per_item: int = 3


PATHS = ()
DESCRIPTION = "people who go by the item's number"


class Backend:
    def __init__(self, job):
        self.job = job

    def ask(self, round: int, items: pd.DataFrame, labels=None) -> dict:
        return {"items": items["item"].tolist()}

    def collect(self, posted: dict[int, dict]) -> Collected:
        items = np.concatenate([np.array(asked["items"], "int64") for asked in posted.values()])
        count = self.job.spec.workforce.answers_per_item
        answers = pd.DataFrame({"item": np.repeat(items, count), "worker": np.tile(["ann", "bob", "eve"], len(items))})
        answers["class_id"] = answers["item"] % len(CLASSES)
        answers["submitted_at"] = pd.Timestamp("2026-01-01", tz="UTC").as_unit("us")
        answers["seconds"] = 5.0
        answers["reason"] = pd.array([None] * len(answers), dtype="str")
        return Collected(answers, True)


class Learner:
    """Right about nine items in ten, and sure of its right answers."""

    def __init__(self, classes, seed, weights):
        pass

    def train(self, pictures, labels, progress=None):
        pass

    def predict(self, pictures, progress=None):
        luck = uniforms(0, "luck", pictures.items)
        wrong = luck > 0.9
        score = np.where(wrong, 0.5 * uniforms(0, "unsure", pictures.items), 1 - luck / 2)
        return pd.DataFrame(
            {"item": pictures.items, "class_id": (pictures.items + wrong) % len(CLASSES), "score": score}
        )

    def state(self):
        return {}

    def load(self, state):
        pass


def write_lines(path: Path, items: int) -> None:
    """Every second item comes with its class."""
    with path.open("w") as file:
        for item in range(1, items + 1):
            record: dict = {"source-ref": f"s3://bucket/images/picture-{item:09d}.jpg"}
            if item % 2 == 0:
                metadata = {
                    "confidence": 0.87,
                    "job-name": "labeling-job/earlier",
                    "class-name": CLASSES[item % len(CLASSES)],
                    "human-annotated": "yes",
                    "creation-date": "2026-01-01T00:00:00.000000",
                    "type": "groundtruth/image-classification",
                }
                record |= {"label": item % len(CLASSES), "label-metadata": metadata}
            file.write(json.dumps(record, separators=(",", ":")) + "\n")


def plain_json(path: Path) -> float:
    """Seconds of json.loads and json.dumps of every line."""
    start = time.perf_counter()
    with path.open("rb") as file:
        for line in file:
            json.dumps(json.loads(line), separators=(",", ":"))
    return time.perf_counter() - start


def checked(items: pd.DataFrame, progress=None) -> pd.DataFrame:
    """In place of `pictures.check`: every picture is there."""
    size = np.full(len(items), 32, "int32")
    nothing = np.full(len(items), None, object)
    facts = {"width": size, "height": size, "depth": 3, "failure": nothing, "bits": nothing, "low": np.nan}
    return pd.DataFrame(
        {**facts, "high": np.nan, "cut": False, "scaled": False, "pages": False, "disk": 0, "file": 0},
        index=items.index,
    )


def peak() -> float:
    """The most memory of this process, in GB, since it was last asked to count anew."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024**2 if found else 0.0


def measure(folder: Path, items: int) -> dict:
    workforce.BACKENDS["numbers"] = __name__
    sys.modules.setdefault(__name__, sys.modules["__main__"])
    pictures.check = checked
    write_lines(folder / "input.manifest", items)
    spec = JobSpec.model_validate(
        {
            "name": "many items",
            "kind": "image-classification",
            "data": str(folder / "input.manifest"),
            "classes": CLASSES,
            "output": str(folder / "job"),
            "target": {"quality": 0.97},
            "workforce": {"backend": "numbers"},
            "learner": f"{__name__}:Learner",
            "weights": "none",
        }
    )
    seconds: dict[str, list[float]] = defaultdict(list)

    peaks: dict[str, float] = defaultdict(float)

    @contextmanager
    def timed(what: str) -> Iterator[None]:
        Path("/proc/self/clear_refs").write_text("5")  # the peak of memory counts from here; Linux only
        start = time.perf_counter()
        yield
        seconds[what].append(time.perf_counter() - start)
        peaks[what] = max(peaks[what], peak())

    def step(what: str, *arguments):
        with timed(what):
            return getattr(steps, what)(Job(spec.output), *arguments)

    with timed("json"):
        plain_json(folder / "input.manifest")
    with timed("begin"):
        begin(spec)
    step("select", 0)
    while number := plans.next_round(Job(spec.output)):
        for verb in ("dispatch", "wait", "consolidate"):
            step(verb, number)
        if plans.predicts(Job(spec.output), number):
            step("train", number)
            step("infer", number)
        if plans.calibrates(Job(spec.output), number):
            step("calibrate", number)
            step("autolabel", number)
        step("select", number)
    step("deliver")
    with timed("status"):
        found = summarize(Job(spec.output))
    most = {what: round(max(taken), 2) for what, taken in seconds.items()}
    return {
        "items": items,
        "human": found["human"],
        "auto": found["auto"],
        "input": found["input"],
        "seconds": most,
        "begin_by_json": most["begin"] / most["json"],
        "deliver_by_json": most["deliver"] / most["json"],
        "gb": {what: round(most, 2) for what, most in peaks.items()},
    }


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--items", type=int, default=1_000_000)
    with tempfile.TemporaryDirectory() as made:
        print(one_line(measure(Path(made), options.parse_args().items)))
