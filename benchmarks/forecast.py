"""How close the forecasts of finished jobs came: one JSON line.

    python benchmarks/forecast.py JOB_FOLDER ... [--labels 10 20 40 100]

For each job folder (of any job that has ended complete; `real_jobs.py --keep DIR` leaves some) the forecast before the
start and the one after the second human batch are laid beside what was spent in the end. So are those that a job makes
once some items of its first batch have labels: for classes of photographs by how well these labels are predicted from
each other, by the weights that come with roundtruth; for other jobs they are the forecasts before the start. `error` is
relative to what was spent; `held` counts the ranges that hold it.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from printed import one_line

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from roundtruth import answers, forecast, learning, ledger, pilot
from roundtruth.job import Job
from roundtruth.learners import weights
from roundtruth.learners.linear import Linear
from roundtruth.select import random


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--labels", nargs="*", type=int, default=[10, 20, 40, 100])
    args = parser.parse_args()
    jobs = (Job(str(folder.resolve())) for folder in args.folders)
    rows = pd.DataFrame([row for job in jobs for row in compared(job, args.labels)])
    found: dict = {"jobs": rows["job"].nunique()}
    for when, some in rows.groupby("when", sort=False):
        found[str(when)] = {
            "median_error": some["error"].median(), "held": int(some["held"].sum()), "of": len(some),
            "errors": dict(zip(some["job"], some["error"])),
        }  # fmt: skip
    print(one_line(found, 3))


def compared(job: Job, labels: list[int]) -> list[dict]:
    history, spent = forecast.history(job), ledger.spent(job)
    after = history[history["round"] >= min(2, job.last_round())].iloc[:1]  # a job of one batch is known after it
    rows = [("before", history.iloc[0]), *((f"{number}_labels", early(job, number)) for number in labels)]
    rows += [("after_second_batch", row) for _, row in after.iterrows()]
    return [
        {
            "job": "/".join(Path(job.address).parts[-2:]),
            "when": when,
            "error": abs(row["cost"] - spent) / spent,
            "held": row["low"] - 0.005 <= spent <= row["high"] + 0.005,
        }
        for when, row in rows
    ]


def early(job: Job, number: int) -> dict:
    """The forecast when so many items of the first batch have labels."""
    found, items = None, answers.per_item(job, 1).index.to_numpy()
    if list(job.kind.COLUMNS) == ["class_id"] and not learning.are_signs(job):
        found = pilot.of(job, random(items, number, job.spec.seed), Linear(job.spec.classes, 0, weights.bundled()))
    return forecast.outcome(job.spec, len(job.askable()), pilot=found)


if __name__ == "__main__":
    main()
