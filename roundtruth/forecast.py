"""What a job will cost: before the start by its size, prices and target alone, later by what it has shown.

Many jobs are simulated, each with a learning curve of its own (`roundtruth.curves`), through the job's plan to the end.
Before the start the curves are as wide as datasets differ. A pilot (`roundtruth.pilot`) says which of them are likely.
Once items were checked they are drawn from the losses of these. The forecast is the median of the simulated jobs, and
its range holds the middle 80 % of them.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from roundtruth import ledger, plans
from roundtruth.storage import open_store

if TYPE_CHECKING:
    from roundtruth.curves import Pilot
    from roundtruth.job import Job
    from roundtruth.spec import JobSpec

RANGE = (0.1, 0.9)  # quantiles


def of(spec: "JobSpec") -> dict:
    """The forecast of a job as it stands, begun or not. It reads the job's input or folder, and writes nothing.

    {"items", "human", "auto", "cost", "low", "high", "rounds", "all_human", "spent", "of_dataset"}: items to label,
    those that people and those that the model will label, the final cost and its range, people's rounds, what people
    alone would cost, and what is spent already. of_dataset: what a promise over the whole dataset would save instead,
    where the model is likely to label nothing: {"items", "auto", "saved", "certain"}, see `instead`; else None.
    """
    from roundtruth.begin import survey
    from roundtruth.job import Job

    if open_store(spec.output).exists("job.json"):
        job = Job(spec.output)
        return at(job, max(job.rounds_with("closed.json"), default=0))
    found = survey(spec)
    return outcome(spec, found.items - found.labeled)


def at(job: "Job", number: int, pilot: "Pilot | None" = None) -> dict:
    """The forecast by what is known after a round, 0 for none; as `of`. pilot: the newest, if the job has not kept
    it yet."""
    return outcome(job.spec, len(job.askable()), ledger.spent(job), job, number, pilot or job.pilot())


def row(job: "Job", number: int, pilot: "Pilot | None" = None) -> dict:
    """What a job writes down of the forecast `at` a round: `labels` is the number of labels of a new pilot."""
    labels = pilot.labels if pilot else 0
    return {"round": number, "labels": labels, **at(job, number, pilot), "by": basis(job.spec)}


def newest(job: "Job") -> dict:
    """The newest forecast: the last that was written, unless the job file has changed since; `round` is its round."""
    rows = history(job).to_dict("records")
    newest = rows[-1] if rows else {"round": 0, "labels": 0}
    if newest.get("by", "") in (None, basis(job.spec)):  # forecasts of earlier versions have none
        return newest
    return newest | at(job, newest["round"])


def basis(spec: "JobSpec") -> str:
    """What a forecast is made for, and may change in a job that has begun: money, answers, target."""
    part = spec.model_dump_json(include={"prices", "target", "budget"})
    return f"{part} {'-'.join(map(str, spec.asking))}"


def history(job: "Job") -> pd.DataFrame:
    """(round, labels, human, auto, cost, low, high, by, of_dataset) of every forecast that the job has written, in
    order; labels: of the pilot that it goes by, 0 for none; by: what it was made for, see `basis`."""
    counts, money = ["round", "labels", "human", "auto"], ["cost", "low", "high"]
    numbers = dict.fromkeys(counts, "int64") | dict.fromkeys(money, "float64")
    rows = [{"labels": 0, "by": None, "of_dataset": None} | row for row in written(job)]
    return pd.DataFrame(rows, columns=[*numbers, "by", "of_dataset"], dtype=object).astype(numbers)


def written(job: "Job") -> list[dict]:
    """The forecasts that the job has written, in order, as they are in its folder."""
    rounds = [job.path(round, "forecast.json") for round in job.rounds_with("forecast.json")]
    newest = (rounds or job.pilots() or ["forecast.json"])[-1]
    return job.read_json(newest)["forecasts"] if job.there(newest) else []


def outcome(
    spec: "JobSpec",
    items: int,
    spent: float = 0.0,
    job: "Job | None" = None,
    number: int = 0,
    pilot: "Pilot | None" = None,
) -> dict:
    """The forecast for a number of items to label. spent: money so far. job: as it stood after round `number`.
    pilot: counts as long as no item was checked."""
    auto, rounds = plans.get(spec.plan).simulate(spec, items, job, number, pilot)
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
        "of_dataset": None if middle else instead(spec, items, job, number, pilot),
    }


def instead(spec: "JobSpec", items: int, job: "Job | None", number: int, pilot: "Pilot | None") -> dict | None:
    """What a job over the whole dataset would save where this one saves nothing, by the same simulation: {"items":
    those that have no label yet, "auto": those that the model would label, "saved": money, "certain": whether it is
    decided that the model labels nothing}. None if that is nothing.
    """
    found = plans.get(spec.plan).over_dataset(spec, items, job, number, pilot)
    if found is None:
        return None
    left, auto = found[0], int(np.median(found[1]))
    price = ledger.expected_price(spec, job) - spec.prices.per_auto_label
    if not auto or price <= 0:
        return None
    look = plans.last_look(job) if job else None
    certain = look is not None and look.for_good
    return {"items": left, "auto": auto, "saved": cents(auto * price), "certain": certain}


def cents(money: float) -> float:
    return round(float(money), 2)
