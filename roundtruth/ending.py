"""Why a job ended as it did, in words, and what would finish it."""

from roundtruth import ledger, plans


def to_finish(job, state: str) -> dict | None:
    """What is left where the budget stopped the job: {"items", "most", "about"}; None where it did not.

    items: without a label, and nobody was asked about them. most: the money if people label them all. about: the money
    if the model labels as many of them as its last look lets expect; None where no model was looked at.
    """
    if state != "stopped" or job.stopped:
        return None
    items, prices = len(job.pool()), job.spec.prices
    price = ledger.human_price(prices, job.spec.workforce.answers_per_item)
    found = last_look(job)
    about = None
    if found and found.without_budget is not None:
        auto = min(max(found.without_budget - len(job.auto_labels()["item"].unique()), 0), items)
        about = round(items * price - auto * (price - prices.per_auto_label), 2)
    return {"items": items, "most": round(items * price, 2), "about": about}


def why(job, state: str) -> str:
    """A sentence or two; nothing where the job goes on, or the model labeled what it could."""
    left = to_finish(job, state)
    if left:
        said = f"The budget of {job.spec.budget:.2f} does not reach further: {left['items']} items have no label. "
        said += f"Labeling them costs {left['most']:.2f} more at most"
        if left["about"] is not None and left["about"] < left["most"]:
            said += f", about {left['about']:.2f} by what the model has shown"
        return f"{said}; raise the budget and run the job again, and it goes on."
    if state == "stopped":
        return "It was stopped by hand."
    if state != "complete" or len(job.auto_labels()):
        return ""
    items = job.items()
    if items.failure.notna().all():
        return "No picture could be read, so there was nothing to label."
    if (items.failure.notna() | items.labeled).all():
        return "Every item came with a label, so there was nothing to ask."
    if job.human_labels().empty:
        return "Nobody answered, so there was nothing to learn from."
    looked = job.rounds_with("threshold.json")
    return no_auto_label(job) if looked else "There were too few items for a model: people labeled all of them."


def no_auto_label(job) -> str:
    return plans.of(job).no_auto_label(job)


def last_look(job) -> dict | None:
    """The newest threshold.json of the certified plan for which something was checked."""
    looks = [job.look(round) for round in job.rounds_with("threshold.json")]
    return next((found for found in reversed(looks) if found.stage and found.stage[1]), None)
