"""What a person sees in a terminal: a bar while it works, a table at the end. Nothing but the table in a pipe."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from roundtruth import ledger
from roundtruth.spec import Prices


@contextmanager
def bar(what: str) -> Iterator:
    """Yields progress(done, total, note)."""
    shown = Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with shown:
        line = shown.add_task(what, total=None, note="")
        yield lambda done, total, note="": shown.update(line, completed=done, total=total, note=note)


# Amazon's "Annotate data for less with SageMaker Ground Truth and automated data labeling": 1000 pictures of birds
POST = {"post's\npeople": [10, 190, 200, 200, 8], "post's\nauto": [0, 0, 0, 27, 365]}


def console() -> Console:
    """Without markup: a name may hold [brackets]."""
    return Console(width=None if sys.stdout.isatty() else 100, highlight=False, markup=False, emoji=False)


def print_summary(job, summary: dict, post: bool = False) -> None:
    """The rounds, beside the post's if asked, what was paid and promised, and where the manifest and the page are."""
    out, cost, measured, name = console(), summary["cost"], summary["measured"], job.kind.QUALITY_NAME
    out.print(rounds(summary, post))
    out.print(
        f"{summary['items']} items: {summary['human']} labeled by people, {summary['auto']} by the model, "
        f"{summary['input']} came labeled, {summary['failed']} failed. "
        f"Cost {cost['total']:.2f} instead of {cost['all_human']:.2f}: {100 * cost['saving']:.1f} % saved."
    )
    if post:
        paid = post_costs()[1]
        out.print(
            f"The post is Amazon's about Ground Truth, 1000 pictures of birds: {paid['total']:.2f} instead of "
            f"{paid['all_human']:.2f}, {100 * paid['saving']:.1f} % saved, nothing promised."
        )
    if measured["auto"] is not None:
        auto, human = measured["auto"], measured["human"]
        out.print(f"Against the truth: {name} of auto labels {auto:.3f}, of people's {human:.3f}.")
    if summary["why"]:
        out.print(summary["why"])
    if summary["state"] in ("complete", "stopped"):
        out.print(f"Promised: {promise(summary, name)}")
    if summary["state"] == "waiting":
        out.print(waiting(job), soft_wrap=True)
    else:
        out.print(f"Manifest: {job.address}/output/output.manifest", soft_wrap=True)
    out.print(f"Page:     {job.address}/report/index.html", soft_wrap=True)


def rounds(summary: dict, post: bool) -> Table:
    rows, seconds = summary["rounds"], [row["seconds"] for row in summary["rounds"]]
    shown = pd.DataFrame(
        {
            "people": [str(row["human"]) for row in rows],
            "auto": [str(row["auto"]) for row in rows],
            "objects": [str(row["objects"]) for row in rows],
            "threshold": ["" if row["threshold"] is None else f"{row['threshold']:.3f}" for row in rows],
            "cost": [f"{row['cost']:.2f}" for row in rows],
            "train s": [f"{taken['train']:.0f}" for taken in seconds],
            "infer s": [f"{taken['infer']:.0f}" for taken in seconds],
        }
    )
    human, cost = sum(row["human"] for row in rows), summary["cost"]["total"]
    total = {"people": str(human), "auto": str(summary["auto"]), "cost": f"{cost:.2f}"}
    if post:
        costs, paid = post_costs()
        theirs = {name: [str(number) for number in numbers] for name, numbers in POST.items()}
        theirs["post's\ncost"] = [f"{cost:.2f}" for cost in costs]
        shown = shown[["people", "auto", "threshold", "cost"]].join(pd.DataFrame(theirs), how="outer").fillna("")
        total |= {name: str(sum(numbers)) for name, numbers in POST.items()}
        total["post's\ncost"] = f"{paid['total']:.2f}"
    table = Table(title=f"{summary['name']}: {summary['state']}", title_justify="left")
    for name in ("round", *shown.columns):
        table.add_column(name, justify="right")
    for number, row in enumerate(shown.to_numpy(), 1):
        table.add_row(str(number), *row)
    table.add_section()
    table.add_row("all", *(total.get(name, "") for name in shown.columns))
    return table


def post_costs() -> tuple[list[float], dict]:
    """What the post paid in each round, and in all."""
    human, auto = (pd.Series(numbers) for numbers in POST.values())
    costs = ledger.bill(human, 5 * human, auto, Prices())
    totals = ledger.totals(costs, int(human.sum() + auto.sum()), ledger.human_price(Prices(), 5))
    return costs.sum(axis=1).tolist(), totals


def promise(summary: dict, quality_name: str) -> str:
    """What an ended job promises of its auto labels, in a sentence."""
    target = summary["target"]
    if target["holds"]:
        of = f"{'an' if quality_name[0] in 'aeiou' else 'a'} {quality_name}"
        return (
            f"auto labels match people's labels with {of} of at least {target['quality']:g} on average, "
            f"{100 * target['confidence']:g} % sure."
        )
    if not summary["auto"] and target["certificate"] != "none" and summary["state"] == "complete":
        return "nothing, since no part of the model's labels was proved good enough; people labeled all."
    if not summary["auto"]:
        return "nothing, since the model labeled nothing."
    return "nothing; a threshold that is read off the checked items misses its target in about half of all jobs."


def forecast_words(found: dict) -> str:
    """A forecast in a sentence or two."""
    if found["items"] == 0:
        return "There is nothing to label."
    saved = 1 - found["cost"] / found["all_human"] if found["all_human"] else 0
    spent = f"{found['spent']:.2f} is spent. " if found["spent"] else "Nothing is spent yet. "
    return (
        f"{spent}About {found['cost']:.2f} in all, in 8 of 10 such jobs between {found['low']:.2f} and "
        f"{found['high']:.2f}: {found['human']} of {found['items']} items labeled by people in {found['rounds']} "
        f"rounds, {found['auto']} by the model. "
        f"People alone would cost {found['all_human']:.2f}; {100 * saved:.0f} % saved."
    )


def print_comparison(jobs: list) -> None:
    """Jobs about the same items side by side, one a column."""
    summaries = [job.summary() for job in jobs]
    table = Table(title="The same pictures", title_justify="left")
    table.add_column("plan")
    for job in jobs:
        table.add_column(job.spec.plan, justify="right")
    rows = {
        "people's labels": lambda found: str(found["human"]),
        "auto labels": lambda found: str(found["auto"]),
        "coverage": lambda found: f"{100 * found['auto'] / max(1, found['human'] + found['auto']):.1f} %",
        f"{jobs[0].kind.QUALITY_NAME} of auto labels": lambda found: quality(found["measured"]["auto"]),
        "cost": lambda found: f"{found['cost']['total']:.2f}",
        "saving": lambda found: f"{100 * found['cost']['saving']:.1f} %",
        "promised": promised,
    }
    for name, value in rows.items():
        table.add_row(name, *(value(found) for found in summaries))
    console().print(table)


def quality(measured: float | None) -> str:
    return "-" if measured is None else f"{measured:.3f}"


def promised(summary: dict) -> str:
    target = summary["target"]
    if not target["holds"]:
        return "nothing"
    return f"at least {target['quality']:g}, {100 * target['confidence']:g} % sure"


def waiting(job) -> str:
    from roundtruth.steps import answered

    last = job.last_round()
    posted = job.store.read_json(job.path(last, "posted.json"))
    where = (
        f" Asked in {job.address}/{posted['file']}; answers go to {job.address}/people/answers/"
        if "file" in posted
        else ""
    )
    return f"Waiting for people: {answered(job, last)} of {len(job.asks(last))} items of round {last} answered.{where}"
