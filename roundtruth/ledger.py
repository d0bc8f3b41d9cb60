"""What was paid, for what, and what it saved."""

import math

import pandas as pd

from roundtruth.spec import JobSpec, Prices


def bill(human, answers, auto, prices: Prices) -> pd.DataFrame:
    """The cost of each round: (human, auto), money.

    human, answers, auto: items people labeled, the answers they gave and items the model labeled, one a round.
    """
    human, answers, auto = (pd.Series(column, dtype="int64") for column in (human, answers, auto))
    return pd.DataFrame(
        {
            "human": (human * prices.per_item + answers * prices.per_answer).round(6),
            "auto": (auto * prices.per_auto_label).round(6),
        }
    )


def human_price(prices: Prices, answers_per_item: int) -> float:
    """What one item costs that people label."""
    return round(prices.per_item + answers_per_item * prices.per_answer, 6)


def auto_pays(spec: JobSpec) -> bool:
    """Whether an auto label costs no more than people's label of an item."""
    return spec.prices.per_auto_label <= human_price(spec.prices, spec.workforce.answers_per_item)


def totals(costs: pd.DataFrame, labeled: int, price: float) -> dict:
    """The sums of `bill`, beside what people alone would have cost at `price` for each of the `labeled` items."""
    human, auto, alone = costs["human"].sum(), costs["auto"].sum(), labeled * price
    return {
        "human": round(human, 2),
        "auto": round(auto, 2),
        "total": round(human + auto, 2),
        "all_human": round(alone, 2),
        "saving": round(1 - (human + auto) / alone, 4) if alone else 0.0,
    }


def rounds(job) -> pd.DataFrame:
    """(round, human, answers, auto, objects, threshold, seconds), as `summary` lists them.

    A row holds people's batch of that round and the auto labels of the model that was trained on the batches before it.
    """
    people, machine = job.human_labels(), job.auto_labels()
    rows = []
    for r in range(1, job.last_round() + 2):
        human = people[people["round"] == r]
        auto = machine[machine["round"] == r - 1]
        answers = job.answers(r) if r <= job.last_round() else None
        before, now = job.seconds(r - 1), job.seconds(r)
        threshold = job.threshold(r - 1)
        rows.append(
            {
                "round": r,
                "human": human["item"].nunique(),
                "answers": 0 if answers is None else len(answers[["item", "worker"]].drop_duplicates()),
                "auto": auto["item"].nunique(),
                "objects": int(job.kind.objects(human).sum() + job.kind.objects(auto).sum()),
                "threshold": threshold["threshold"] if threshold else None,
                "seconds": {
                    "train": round(before.get("train", 0.0), 2),
                    "infer": round(before.get("infer", 0.0), 2),
                    "other": round(
                        sum(before.get(step, 0.0) for step in ("calibrate", "autolabel", "select"))
                        + sum(now.get(step, 0.0) for step in ("dispatch", "wait", "consolidate")),
                        2,
                    ),
                },
            }
        )
    table = pd.DataFrame(rows)
    return table if table.iloc[-1]["auto"] else table.iloc[:-1]


def spent(job) -> float:
    """Money spent so far."""
    table = rounds(job)
    return float(bill(table["human"], table["answers"], table["auto"], job.spec.prices).to_numpy().sum())


def affordable(job, human: bool, asked: float = 0) -> int | None:
    """How many more items people (or the model) may label within the budget; None is any number.

    asked: about so many items people are asked before.
    """
    spec = job.spec
    if spec.budget is None:
        return None
    people = human_price(spec.prices, spec.workforce.answers_per_item)
    price, left = people if human else spec.prices.per_auto_label, spec.budget - spent(job) - asked * people
    if left < -1e-9 * people:
        return 0
    return max(0, math.floor(left / price + 1e-9)) if price else None


def summary(job) -> dict:
    """report/summary.json."""
    from roundtruth import ending, plan

    spec, table, items = job.spec, rounds(job), job.items()
    costs = bill(table["human"], table["answers"], table["auto"], spec.prices)
    human, auto = int(table["human"].sum()), int(table["auto"].sum())
    state = plan.state(job)
    target = spec.target
    return {
        "name": spec.name,
        "kind": spec.kind,
        "state": state,
        "items": len(items),
        "human": human,
        "auto": auto,
        "input": int(items.labeled.sum()),
        "failed": failed(job, state),
        "answers": int(table["answers"].sum()),
        "cost": totals(costs, human + auto, human_price(spec.prices, spec.workforce.answers_per_item)),
        "target": {
            "quality": target.quality,
            "confidence": target.confidence,
            "certificate": target.certificate,
            "holds": True if plan.promised(job) else None,
        },
        "why": ending.why(job, state),
        "to_finish": ending.to_finish(job, state),
        "measured": measured(job),
        "weights": job.weights_origin(),
        "rounds": [
            {
                "round": int(row["round"]),
                "human": int(row["human"]),
                "auto": int(row["auto"]),
                "objects": int(row["objects"]),
                "cost": round(float(cost), 2),
                "threshold": None if pd.isna(row["threshold"]) else float(row["threshold"]),
                "seconds": row["seconds"],
            }
            for row, cost in zip(table.to_dict("records"), costs.sum(axis=1))
        ],
    }


def failed(job, state: str) -> int:
    """Items without a label that will get none; until the job has ended those that nobody can label."""
    if state in ("complete", "stopped"):
        return len(job.failures())
    items = job.items()
    return int((items.failure.notna() & ~items.labeled).sum())


def measured(job) -> dict:
    """Mean quality of people's labels and of auto labels against the truth, where there is one."""
    truth = job.truth()
    if truth is None:
        return {"human": None, "auto": None}

    def mean(labels: pd.DataFrame) -> float | None:
        return round(float(job.kind.quality(labels, truth).mean()), 4) if len(labels) else None

    return {"human": mean(job.human_labels()), "auto": mean(job.auto_labels())}
