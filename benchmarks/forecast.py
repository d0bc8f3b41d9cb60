"""How close the forecasts of finished jobs came: one JSON line.

    python benchmarks/forecast.py JOB_FOLDER ... [--labels 10 20 40 100 200]

For each job folder (of any job that has ended complete; `real_jobs.py --keep DIR` leaves some) the forecast before the
start and the one after the second human batch are laid beside what was spent in the end. So are those that a job makes
once some items of its first batch have labels: for classes of photographs by how well these labels are predicted from
each other, by the weights that come with roundtruth; for boxes, and for learners that make no features, they are the
forecasts before the start. `error` is relative to what was spent; `held` counts the ranges that hold it.
`hard_targets` counts the jobs in which the model labeled nothing, and in how many of these, and of the others, a
forecast named the promise over the whole dataset instead.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from printed import one_line

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from roundtruth import answers, forecast, ledger, pilot
from roundtruth.job import Job
from roundtruth.learners import weights
from roundtruth.learners.linear import Linear
from roundtruth.select import random


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--labels", nargs="*", type=int, default=[10, 20, 40, 100, 200])
    args = parser.parse_args()
    jobs = [Job(str(folder.resolve())) for folder in args.folders]
    rows = pd.DataFrame([row for job in jobs for row in compared(job, args.labels)])
    found: dict = {"jobs": rows["job"].nunique()}
    for when, some in rows.groupby("when", sort=False):
        found[str(when)] = {
            "median_error": some["error"].median(), "held": int(some["held"].sum()), "of": len(some),
            "errors": dict(zip(some["job"], some["error"])),
        }  # fmt: skip
    print(one_line(found | {"hard_targets": hard(jobs)}, 3))


def hard(jobs: list[Job]) -> dict:
    """How often it was said that nothing is likely to be certified, where nothing was, and where something was."""
    histories = [forecast.history(job) for job in jobs]
    table = pd.DataFrame(
        {
            "nothing": [job.auto_labels().empty for job in jobs],
            "before": [one["of_dataset"].iloc[0] is not None for one in histories],
            "first_look": [one["of_dataset"].iloc[1:2].notna().any() for one in histories],
            "ever": [one["of_dataset"].notna().any() for one in histories],
        }
    )
    names = {True: "nothing_labeled", False: "something_labeled"}
    return {
        name: {"jobs": int((table["nothing"] == key).sum())}
        | table[table["nothing"] == key].drop(columns="nothing").sum().astype(int).to_dict()
        for key, name in names.items()
    }


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
    if list(job.kind.COLUMNS) == ["class_id"] and job.spec.learner in ("default", "real_jobs:Shared"):
        found = pilot.of(job, random(items, number, job.spec.seed), Linear(job.spec.classes, 0, weights.bundled()))
    return forecast.outcome(job.spec, len(job.askable()), pilot=found)


if __name__ == "__main__":
    main()
