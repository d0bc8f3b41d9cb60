"""report/summary.json: how a job stands, in figures."""

import pandas as pd

from roundtruth import answers, ending, ledger, plans
from roundtruth.kinds.common import alike, groups_of
from roundtruth.plural import counted


def summarize(job) -> dict:
    """The figures of report/summary.json and of `status --json`."""
    spec, table, state = job.spec, ledger.rounds(job), plans.state(job)
    costs = ledger.bill(table["human"], table["answers"], table["auto"], spec.prices)
    human, auto = int(table["human"].sum()), int(table["auto"].sum())
    items, found = job.items(["labeled", "failure"]), answers.found(job)
    return {
        "name": spec.name,
        "kind": spec.kind,
        "state": state,
        "items": len(items),
        "human": human,
        "auto": auto,
        "input": int(items["labeled"].sum()),
        "failed": failed(job, state),
        "note": job.begun.get("note", ""),
        "passed": [*job.begun["passed"], *job.strays],
        "notes": notes(job, items),
        "answers": int(table["answers"].sum()),
        "rejected": found["rejected"],
        "first_rejected": found["first"],
        "about_answers": [*found["notes"], *about_people(job)],
        "cost": ledger.totals(costs, auto, ledger.expected_price(spec, job))
        | {"all_human_most": round((human + auto) * ledger.highest_price(spec), 2), "most_answers": spec.asking.most},
        "target": {
            "quality": spec.target.quality,
            "confidence": spec.target.confidence,
            "certificate": spec.target.certificate,
            "of": spec.target.of,
            "holds": True if plans.promised(job) else None,
        },
        "waiting": waiting(job) if state == "waiting" else None,
        "why": ending.why(job, state),
        "to_finish": ending.to_finish(job, state),
        "measured": measured(job),
        "weights": job.weights_origin(),
        "predictions": spec.predictions,
        "models": compared(job),
        "rounds": rounds(job, table, costs),
    }


def notes(job, items: pd.DataFrame) -> list[str]:
    """What a person should know about the pictures, a line each. items: (labeled, failure)."""
    lines = list(job.begun.get("notes", []))  # jobs of earlier versions have none
    if job.spec.predictions and job.there("predictions/about.json"):
        lines += [f"Predictions: {line}" for line in job.read_json("predictions/about.json")["notes"]]
    if similar := alike(job.spec.classes):
        lines.append(
            f"{sum(map(len, similar))} classes differ from another one only by case or accents ({groups_of(similar)}); "
            "where they mean the same, begin the job anew with one of them"
        )
    if returned := len(job.returned()):
        lines.append(counted(returned, "picture[|s] could not be read when the job began, and can be now"))
    missing = int((items["failure"].notna() & ~items["labeled"]).sum())
    if missing and not job.stopped:
        lines.append(counted(missing, "picture[|s] [is|are] missing or broken; each run looks for [it|them] again"))
    return lines


def about_people(job) -> list[str]:
    if not answers.poor(job):
        return []
    return [
        f"People's first answers agree too little, so {job.spec.asking.most} people are asked about every item; "
        "clearer instructions may help the next job"
    ]


def rounds(job, table: pd.DataFrame, costs: pd.DataFrame) -> list[dict]:
    """One dict a row of `ledger.rounds`; costs: what `ledger.bill` makes of it."""
    last = len(table) + 1
    objects = objects_per_round(job, job.human_labels(), last) + objects_per_round(
        job, job.auto_labels().assign(round=lambda labels: labels["round"] + 1), last
    )
    rows = []
    for row, cost in zip(table.itertuples(), costs.sum(axis=1)):
        look = job.look(row.round - 1)
        rows.append(
            {
                "round": int(row.round),
                "human": int(row.human),
                "auto": int(row.auto),
                "objects": int(objects.get(row.round, 0)),
                "cost": round(float(cost), 2),
                "threshold": look.threshold if look else None,
                "seconds": seconds(job.seconds(row.round - 1), job.seconds(row.round)),
            }
        )
    return rows


def objects_per_round(job, labels: pd.DataFrame, last: int) -> pd.Series:
    """How many objects the labels of each round hold; index: round, from 0 to `last`."""
    found = job.kind.objects(labels)
    of_item = labels.drop_duplicates("item").set_index("item")["round"]
    return found.groupby(of_item.reindex(found.index)).sum().reindex(range(last + 1), fill_value=0)


def seconds(before: dict[str, float], now: dict[str, float]) -> dict[str, float]:
    """What a row of rounds took: the model of the round before, and the people of this one."""
    other = sum(before.get(step, 0.0) for step in ("calibrate", "autolabel", "select"))
    other += sum(now.get(step, 0.0) for step in ("dispatch", "wait", "consolidate"))
    return {
        "train": round(before.get("train", 0.0), 2),
        "infer": round(before.get("infer", 0.0), 2),
        "other": round(other, 2),
    }


def waiting(job) -> dict:
    """Who is waited for: the round, its items and those with all their answers, the answers that are in and those that
    are missing, and since when (None in jobs of earlier versions)."""
    last = job.last_round()
    return {
        "round": last,
        "asked": len(job.asks(last)),
        "answered": answers.answered(job, last),
        "answers": job.answered(last),
        "missing": answers.missing(job, last),
        "since": (answers.posted(job, last) or {}).get("posted_at"),
    }


def compared(job) -> dict[str, dict]:
    """Of several given models, by name: how the newest look found them ("passing", "expected", "quality"), and whether
    it chose this one ("chosen"). Empty where there are not several, or there was no look."""
    looked = job.rounds_with("threshold.json")
    if not looked or len(job.given_models()) < 2:
        return {}
    found = job.read_json(job.path(looked[-1], "predictions/done.json"))
    return {name: about | {"chosen": name == found["model"]} for name, about in found["models"].items()}


def failed(job, state: str) -> int:
    """Items that will get no label. Until the job has ended, those that nobody can label."""
    if state in ("complete", "stopped"):
        return len(job.unlabeled())
    items = job.items(["labeled", "failure"])
    return int((items["failure"].notna() & ~items["labeled"]).sum())


def measured(job) -> dict:
    """The mean quality of people's labels and of auto labels against the truth, where there is one."""
    truth = job.truth()
    if truth is None:
        return {"human": None, "auto": None}

    def mean(labels: pd.DataFrame) -> float | None:
        return round(float(job.kind.quality(labels, truth).mean()), 4) if len(labels) else None

    return {"human": mean(job.human_labels()), "auto": mean(job.auto_labels())}
