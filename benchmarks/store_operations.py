"""How often a step reads, lists or writes in the job folder, on jobs of about 3, 10 and 30 rounds.

    python benchmarks/store_operations.py

On S3 each such operation is a request. One JSON line: for each plan, with and without a budget, the number of rounds
and the largest number of operations of each step. The model is sure of what it is wrong about, so that people are asked
until the rounds are used up.
"""

import argparse
import dataclasses
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "tests")]

from printed import one_line  # noqa: E402

from roundtruth import plans, steps  # noqa: E402
from roundtruth.begin import begin  # noqa: E402
from roundtruth.job import Job  # noqa: E402
from roundtruth.plans import ground_truth, looks  # noqa: E402
from roundtruth.spec import JobSpec  # noqa: E402
from roundtruth.summary import summarize  # noqa: E402
from tests.fast_learner import Logistic  # noqa: E402
from tests.jobs import Counted, digits, write_job  # noqa: E402

ITEMS = 300


class Misled(Logistic):
    """Surest of what it is wrong about."""

    def predict(self, pictures, progress=None):
        found = super().predict(pictures, progress)
        wrong = found["score"] > found["score"].quantile(0.5)
        return found.assign(class_id=(found["class_id"] + wrong) % len(self.bias))


def measure(spec: JobSpec) -> dict:
    """The rounds of a job, and the most operations of each of its steps."""
    most: Counter[str] = Counter()

    def step(what: str, call, *arguments):
        with Counted() as counted:
            result = call(Job(spec.output), *arguments)
        most[what] = max(most[what], counted.found.total())
        return result

    begin(spec)
    step("select", steps.select, 0)
    while number := step("next_round", plans.next_round):
        for verb in ("dispatch", "wait", "consolidate"):
            step(verb, getattr(steps, verb), number)
        if step("trains", plans.trains, number):
            step("train", steps.train, number)
            step("infer", steps.infer, number)
        if step("calibrates", plans.calibrates, number):
            step("calibrate", steps.calibrate, number)
            step("autolabel", steps.autolabel, number)
        step("select", steps.select, number)
        step("report", steps.write_report)
    step("collect_late", steps.collect_late)
    step("deliver", steps.deliver)
    step("report", steps.write_report)
    step("status", summarize)
    return {"rounds": Job(spec.output).last_round(), "most": max(most.values()), **dict(most)}


def jobs(folder: Path):
    """(name, spec): a plan, and what makes its job about so many rounds long."""
    digits(folder, ITEMS)
    usual, share = looks.SETTINGS[True], ground_truth.SHARE
    for rounds in (3, 10, 30):
        for budget in (None, 70.0):
            name = f"{rounds}, {'a budget' if budget else 'no budget'}"
            spec = {"output": name, "budget": budget, "learner": f"{__name__}:Misled", "workforce": WORKFORCE}
            ground_truth.SHARE = {3: 0.5, 10: 0.11, 30: 0.035}[rounds]
            yield f"ground-truth, {name}", spec | {"plan": "ground-truth", "target": {"quality": 1.0}}
            ground_truth.SHARE = share
            grow = {3: 3.0, 10: 1.25, 30: 1.04}[rounds]
            looks.SETTINGS[True] = dataclasses.replace(usual, more_train=grow)
            yield f"certified, {name}", spec | {"plan": "certified", "target": {"quality": 0.985}}
            looks.SETTINGS[True] = usual


WORKFORCE = {"backend": "simulated", "truth": "truth.manifest", "noise": 0, "answers_per_item": 3}

if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as made:
        for name, spec in jobs(Path(made)):
            spec["output"] = f"{name}/job"
            found[name] = measure(JobSpec.from_file(write_job(Path(made), **spec)))
    print(one_line(found))
