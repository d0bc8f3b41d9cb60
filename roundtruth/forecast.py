"""What a job will cost: before the start by its size, prices and target alone, later by what it has shown.

Many jobs are simulated, each with a learning curve of its own (`roundtruth.curves`), through the job's plan to the end.
Before the start the curves are as wide as datasets differ; once items were checked they are drawn from the losses of
these. The forecast is the median of the simulated jobs, and its range holds the middle 80 % of them.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from roundtruth import ledger, plans
from roundtruth.storage import open_store

if TYPE_CHECKING:
    from roundtruth.job import Job
    from roundtruth.spec import JobSpec

RANGE = (0.1, 0.9)  # quantiles


def of(spec: "JobSpec") -> dict:
    """The forecast of a job as it stands, begun or not. It reads the job's input or folder, and writes nothing.

    {"items", "human", "auto", "cost", "low", "high", "rounds", "all_human", "spent"}: items to label, those that people
    and those that the model will label, the final cost and its range, people's rounds, what people alone would cost,
    and what is spent already.
    """
    from roundtruth.begin import survey
    from roundtruth.job import Job

    if open_store(spec.output).exists("job.json"):
        job = Job(spec.output)
        return at(job, max(job.rounds_with("closed.json"), default=0))
    found = survey(spec)
    return outcome(spec, found.items - found.labeled)


def at(job: "Job", number: int) -> dict:
    """The forecast by what is known after a round, 0 for none; as `of`."""
    return outcome(job.spec, len(job.askable()), ledger.spent(job), job, number)


def newest(job: "Job") -> dict:
    """The newest forecast: the last that was written, unless the job file has changed since; `round` is its round."""
    written = history(job)
    number = int(written["round"].iloc[-1]) if len(written) else 0
    if len(written) and written["by"].iloc[-1] in (None, basis(job.spec)):  # forecasts of earlier versions have none
        return written.iloc[-1].to_dict()
    return {"round": number, **at(job, number)}


def basis(spec: "JobSpec") -> str:
    """What a forecast is made for, and may change in a job that has begun: money, answers, target."""
    part = spec.model_dump_json(include={"prices", "target", "budget"})
    return f"{part} {'-'.join(map(str, spec.asking))}"


def history(job: "Job") -> pd.DataFrame:
    """(round, human, auto, cost, low, high, by) of every forecast that the job has written, in order; by: what it was
    made for, see `basis`."""
    rounds = job.rounds_with("forecast.json")
    newest = job.path(rounds[-1], "forecast.json") if rounds else "forecast.json"
    rows = job.read_json(newest)["forecasts"] if job.there(newest) else []
    numbers = dict.fromkeys(["round", "human", "auto"], "int64") | dict.fromkeys(["cost", "low", "high"], "float64")
    table = pd.DataFrame([{"by": None} | row for row in rows], columns=[*numbers, "by"], dtype=object)
    return table.astype(numbers)


def outcome(spec: "JobSpec", items: int, spent: float = 0.0, job: "Job | None" = None, number: int = 0) -> dict:
    """The forecast for a number of items to label. spent: money so far. job: as it stood after round `number`."""
    auto, rounds = plans.get(spec.plan).simulate(spec, items, job, number)
    price = ledger.expected_price(spec, job)
    done, paid = ledger.by_people(job) if job else (0, 0.0)

    def cost(machine):
        return paid + np.maximum(items - machine - done, 0) * price + machine * spec.prices.per_auto_label

    middle = int(np.median(auto))
    total = max(float(cost(middle)), spent)
    low, high = np.quantile(cost(auto), RANGE)
    return {
        "items": items,
        "human": items - middle,
        "auto": middle,
        "cost": cents(total),
        "low": cents(min(max(low, spent), total)),
        "high": cents(max(high, total)),
        "rounds": int(np.median(rounds)),
        "all_human": cents(paid + max(items - done, 0) * price),
        "spent": cents(spent),
    }


def cents(money: float) -> float:
    return round(float(money), 2)
