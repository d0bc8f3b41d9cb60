"""What a job read, and what lies ahead of it: rows (name, sentence) for the page."""

from collections.abc import Iterator

from roundtruth import answers, forecast, ledger, plans, workforce
from roundtruth.plural import counted
from roundtruth.report import words


def read(job, summary: dict) -> Iterator[tuple[str, str]]:
    """What was read, and what of it is not used."""
    broken = int(job.items(["failure"])["failure"].notna().sum())
    yield "Items", f"{counted(summary['items'], 'item[|s]')} in {job.spec.data}"
    yield "Labeled already", words.labeled_already(summary["input"], job.spec.predictions is None)
    if broken:
        yield "Pictures that cannot be read", words.broken(broken)
    if summary["note"]:
        yield "Read as", summary["note"]
    for line in summary["passed"]:
        yield "Passed over", line
    for line in summary["notes"]:
        yield "Note", line
    if summary["rejected"]:
        yield (
            "Rejected answers",
            counted(summary["rejected"], "row[|s]; people/rejected.csv in the job folder says why."),
        )
    for line in summary["about_answers"]:
        yield "Answers", line
    for line in words.models(summary["models"], job.kind.QUALITY_NAME):
        yield "Predictions", line


def ahead(job, summary: dict) -> Iterator[tuple[str, str]]:
    """What a job that has not ended waits for, what it will cost, and what its model starts from."""
    if summary["state"] == "waiting":
        yield "Waits for", waits_for(job, summary["waiting"])
    yield from costs(job)


def costs(job) -> Iterator[tuple[str, str]]:
    """What a job that has not ended will cost, and what its model starts from."""
    yield from foreseen(job, forecast.newest(job))
    yield "At most", most(job)
    yield model(job)


def foreseen(job, found: dict) -> Iterator[tuple[str, str]]:
    """A forecast, from a row of `forecast.history`, and whether the target is likely to be too hard."""
    target = job.spec.target
    yield "Forecast", words.foreseen(found, job.spec.budget, words.promised_of(target))
    if found["of_dataset"]:
        yield "Hard target", words.hard_target(found["of_dataset"], target.quality, begun=True)


def waits_for(job, waiting: dict) -> str:
    posted, where = answers.posted(job, waiting["round"]), getattr(workforce.get(job), "where", None)
    place = f" {where(posted)}." if where and posted else ""
    items = counted(waiting["asked"], "item[|s]")
    return f"People's answers to round {waiting['round']}: {waiting['answered']} of {items} answered.{place}"


def most(job) -> str:
    """The most that the job can cost."""
    spec, auto = job.spec, settled_auto(job)
    items = len(job.askable()) - auto
    people, machine = ledger.highest_price(spec), spec.prices.per_auto_label
    every = f"the other {counted(items, 'item[|s]')}" if auto else words.every(items, "item")
    alone = f"if people label {every}" if people >= machine else f"if the model labels {every}"
    (done, _), (asked, open_cost) = ledger.by_people(job), answers.open_batch(job, spec)
    soon = ledger.paid_to_people(job) + open_cost + auto * machine
    whole = soon + max(items - done - asked, 0) * max(people, machine)
    if spec.budget is not None and spec.budget < soon - 0.005:
        return (
            f"{words.money(soon)}: people gave more answers than the budget of {words.money(spec.budget)} was to pay "
            f"for. {words.EXTRA}"
        )
    if spec.budget is not None and spec.budget < whole:
        return f"{words.money(spec.budget)}, the budget: then the job stops, and keeps the labels it has. {words.EXTRA}"
    return f"{words.money(whole)}, {alone}. {words.EXTRA}"


def settled_auto(job) -> int:
    """How many items have a label of the model that will not be taken back."""
    look = plans.last_look(job)
    return job.auto_labels()["item"].nunique() if look is not None and look.for_good else 0


def model(job) -> tuple[str, str]:
    """What the model starts from, or whose predictions are used."""
    if job.spec.predictions is not None:
        return "The predictions are", words.given(job.spec.predictions)
    return "The model starts from", backbone(job)


def backbone(job) -> str:
    """The weights that the model starts from, and what that means."""
    path = "weights/origin.json"
    if job.there(path):
        found = job.read_json(path)
        return words.backbone(found["origin"], found.get("pretrained"))
    given = job.spec.weights
    if given is None:
        return words.WEIGHTS_OPEN
    return words.backbone("nothing" if given == "none" else given, given != "none")
