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
POST = {"human": [10, 190, 200, 200, 8], "auto": [0, 0, 0, 27, 365]}


def print_post() -> None:
    """The post's rounds, to lay beside one's own."""
    human, auto = pd.Series(POST["human"]), pd.Series(POST["auto"])
    prices = Prices()
    costs = ledger.bill(human, 5 * human, auto, prices)
    totals = ledger.totals(costs, int(human.sum() + auto.sum()), ledger.human_price(prices, 5))
    table = Table(title="Ground Truth, 1000 birds", title_justify="left")
    for column in ("round", "people", "auto", "cost"):
        table.add_column(column, justify="right")
    for number, (people, model, cost) in enumerate(zip(human, auto, costs.sum(axis=1)), 1):
        table.add_row(str(number), str(people), str(model), f"{cost:.2f}")
    table.add_section()
    table.add_row("all", str(human.sum()), str(auto.sum()), f"{totals['total']:.2f}")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{totals['total']:.2f} instead of {totals['all_human']:.2f}: {100 * totals['saving']:.1f} % saved.")


def print_summary(job, summary: dict) -> None:
    """The rounds, what was paid, and where the manifest and the page are."""
    console = Console(
        width=None if sys.stdout.isatty() else 100, highlight=False, markup=False, emoji=False
    )  # a name may hold [brackets]
    table = Table(title=f"{summary['name']}: {summary['state']}", title_justify="left")
    for column in ("round", "people", "auto", "objects", "threshold", "cost", "train s", "infer s"):
        table.add_column(column, justify="right")
    for row in summary["rounds"]:
        threshold = row["threshold"]
        table.add_row(
            str(row["round"]),
            str(row["human"]),
            str(row["auto"]),
            str(row["objects"]),
            "" if threshold is None else f"{threshold:.3f}",
            f"{row['cost']:.2f}",
            f"{row['seconds']['train']:.0f}",
            f"{row['seconds']['infer']:.0f}",
        )
    cost, measured = summary["cost"], summary["measured"]
    human = sum(row["human"] for row in summary["rounds"])
    table.add_section()
    table.add_row("all", str(human), str(summary["auto"]), "", "", f"{cost['total']:.2f}", "", "")
    console.print(table)
    console.print(
        f"{summary['items']} items: {summary['human']} labeled by people, {summary['auto']} by the model, "
        f"{summary['input']} came labeled, {summary['failed']} failed. "
        f"Cost {cost['total']:.2f} instead of {cost['all_human']:.2f}: {100 * cost['saving']:.1f} % saved."
    )
    if measured["auto"] is not None:
        name = job.kind.QUALITY_NAME
        console.print(
            f"Against the truth: {name} of auto labels {measured['auto']:.3f}, of people's {measured['human']:.3f}."
        )
    if summary["why"]:
        console.print(summary["why"])
    if summary["state"] == "waiting":
        console.print(waiting(job), soft_wrap=True)
    else:
        console.print(f"Manifest: {job.address}/output/output.manifest", soft_wrap=True)
    console.print(f"Page:     {job.address}/report/index.html", soft_wrap=True)


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
