"""Why a job ended as it did, in words, and what would finish it."""

from roundtruth import ledger, plans
from roundtruth.plural import counted


def to_finish(job, state: str) -> dict | None:
    """What is left where the budget stopped the job: {"items", "most", "about"}. None where it did not.

    items: items without a label that nobody was asked about. most: what they cost if people label them all. about: what
    they cost if the model labels as many of them as its newest look suggests; None where there was no look.
    """
    if state != "stopped" or job.stopped:
        return None
    items, prices = len(job.pool()), job.spec.prices
    price = ledger.expected_price(job.spec, job)
    look, about = plans.last_look(job), None
    if look and look.without_budget is not None:
        auto = min(max(look.without_budget - job.auto_labels()["item"].nunique(), 0), items)
        about = round(items * price - auto * (price - prices.per_auto_label), 2)
    return {"items": items, "most": round(items * ledger.highest_price(job.spec), 2), "about": about}


def why(job, state: str) -> str:
    """A sentence or two. Empty where the job goes on, or the model labeled what it could."""
    left = to_finish(job, state)
    if left:
        about = ""
        if left["about"] is not None and left["about"] < left["most"]:
            about = f", about {left['about']:.2f} by what the model has shown"
        return (
            f"The budget of {job.spec.budget:.2f} does not reach further: "
            f"{counted(left['items'], 'item[|s] [has|have] no label')}. Labeling them costs {left['most']:.2f} more at "
            f"most{about}; raise the budget and run the job again, and it goes on."
        )
    if state == "stopped":
        return "It was stopped by hand."
    if state != "complete" or len(job.auto_labels()):
        return ""
    items = job.items(["labeled", "failure"])
    if items["failure"].notna().all():
        return "No picture could be read, so there was nothing to label."
    if (items["failure"].notna() | items["labeled"]).all():
        return "Every item came with a label, so there was nothing to ask."
    if job.human_labels().empty:
        if job.spec.predictions is not None:
            return "Nobody answered, so the predictions were not checked."
        return "Nobody answered, so there was nothing to learn from."
    look = plans.last_look(job)
    if look is None:
        if job.spec.predictions is not None:
            return "There were too few items to check predictions: people were asked about all of them."
        if not_taught(job):
            return "Nobody gave a label to any item for training, so there was no model."
        return "There were too few items for a model: people were asked about all of them."
    return plans.of(job).no_auto_label(job, look)


def not_taught(job) -> bool:
    """Whether people were asked about training items, and the model had no label to learn from."""
    asked, labels = job.asked(), job.human_labels()
    taught = (labels["role"] == "train").any() or not job.input_labels().empty
    return bool((asked["role"] == "train").any() and not taught)
