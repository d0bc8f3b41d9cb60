"""How close the forecasts of finished jobs came: one JSON line.

    python benchmarks/forecast.py JOB_FOLDER ...

For each job folder (of any job that has ended complete; `real_jobs.py --keep DIR` leaves some) the forecast before the
start and the one after the second human batch are laid beside what was spent in the end. `error` is relative to that;
`held` counts the ranges that hold it.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from printed import one_line

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from roundtruth import forecast, ledger
from roundtruth.job import Job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    rows = pd.DataFrame([row for folder in parser.parse_args().folders for row in compared(Job(str(folder.resolve())))])
    found: dict = {"jobs": rows["job"].nunique()}
    for when, some in rows.groupby("when"):
        found[str(when)] = {
            "median_error": some["error"].median(), "held": int(some["held"].sum()), "of": len(some),
            "errors": dict(zip(some["job"], some["error"])),
        }  # fmt: skip
    print(one_line(found, 3))


def compared(job: Job) -> list[dict]:
    history, spent = forecast.history(job), ledger.spent(job)
    after = history[history["round"] >= min(2, job.last_round())].iloc[:1]  # a job of one batch is known after it
    rows = [("before", history.iloc[0]), *(("after_second_batch", row) for _, row in after.iterrows())]
    return [
        {
            "job": "/".join(Path(job.address).parts[-2:]),
            "when": when,
            "error": abs(row["cost"] - spent) / spent,
            "held": row["low"] - 0.005 <= spent <= row["high"] + 0.005,
        }
        for when, row in rows
    ]


if __name__ == "__main__":
    main()
