"""What a person sees in a terminal: a bar while a command works, a table at the end. A pipe gets a line a step."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING

from roundtruth.plural import counted

if TYPE_CHECKING:
    from roundtruth.spec import Target


def put(text: str) -> bool:
    """Print to standard output. False once its reader has left, as `head` does: what is printed then goes nowhere."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains when it ends
        return False
    return True


class Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        put(record.getMessage())


@contextmanager
def lines() -> Iterator[None]:
    """Where standard output is no terminal, a line is printed for each step of a job that is done meanwhile."""
    log, handler = logging.getLogger("roundtruth"), Lines()
    if sys.stdout.isatty():
        yield
        return
    before = log.level, log.propagate
    log.setLevel(logging.INFO)
    log.propagate = False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


@contextmanager
def bar(what: str) -> Iterator[Callable]:
    """Gives progress(done, total, note=""), which moves the bar; without a terminal there is no bar to move."""
    if not sys.stderr.isatty():
        yield lambda done, total, note="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    shown = Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
    )
    with shown:
        line = shown.add_task(what, total=None, note="")
        yield lambda done, total, note="": shown.update(line, completed=done, total=total, note=note)


NEXT = "run the job again when there are new answers. It goes on when none is missing."


# The figures of Amazon's "Annotate data for less with SageMaker Ground Truth and automated data labeling"
AMAZON = {"Amazon's\npeople": [10, 190, 200, 200, 8], "Amazon's\nauto": [0, 0, 0, 27, 365]}


@contextmanager
def console() -> Iterator:
    """A console, without markup: a name may hold [brackets]. What it was given is printed at the end."""
    from rich.console import Console

    made = Console(width=None if sys.stdout.isatty() else 100, highlight=False, markup=False, emoji=False)
    with made.capture() as printed:
        yield made
    put(printed.get().removesuffix("\n"))


def print_summary(job, summary: dict, amazon: bool = False, alone: bool = False) -> None:
    """The rounds, the money, the promise, and where the manifest and the page are; `amazon`: with its figures; `alone`:
    on a screen that was cleared."""
    with console() as out:
        if alone:
            out.clear()
        write_summary(out, job, summary, amazon)


def write_summary(out, job, summary: dict, amazon: bool) -> None:
    from roundtruth.report import words

    measured, name = summary["measured"], job.kind.QUALITY_NAME
    out.print(f"{summary['name']}: {summary['state']}", style="italic")
    if summary["rounds"]:
        out.print(rounds(summary, amazon))
    out.print(counts(summary))
    if summary["note"]:
        out.print(f"Read as {summary['note']}.")
    for line in summary["passed"]:
        out.print(f"Passed over: {line}.")
    for line in summary["notes"]:
        out.print(f"{line}.")
    for line in words.about_answers(summary):
        out.print(line)
    if amazon:
        paid = amazon_costs()[1]
        out.print(
            f"Amazon's figures are from its article about Ground Truth, on 1000 pictures of birds: {paid['total']:.2f} "
            f"instead of {paid['all_human']:.2f}, {100 * paid['saving']:.1f} % saved, nothing promised."
        )
    if measured["auto"] is not None:
        auto, human = measured["auto"], measured["human"]
        out.print(f"Against the truth: {name} of auto labels {auto:.3f}, of people's {human:.3f}.")
    if summary["why"]:
        out.print(summary["why"])
    if summary["predictions"] and summary["state"] in ("complete", "stopped"):
        out.print(f"The predictions are those of {summary['predictions']}. Nothing was trained.", soft_wrap=True)
    for line in words.models(summary["models"], name):
        out.print(line)
    if summary["state"] in ("complete", "stopped"):
        said, sentence = words.promise(summary, name, summary["target"]["confidence"])
        out.print(f"{said}: {sentence}".replace(words.SPACE, " "))
    for line in following(job, summary):
        out.print(line, soft_wrap=True)
    files = {"Manifest": "output/output.manifest"} if summary["state"] in ("complete", "stopped") else {}
    for what, path in (files | {"Page": "report/index.html"}).items():
        if job.store.exists(path):
            out.print(f"{what + ':':9} {job.address}/{path}", soft_wrap=True)


def counts(summary: dict) -> str:
    """How many items are labeled, by whom, and what it cost."""
    from roundtruth.report import words

    cost, left = summary["cost"], "without a label" if summary["state"] == "stopped" else "failed"
    said = f"{counted(summary['items'], 'item[|s]')}: {summary['human']:,} labeled by people, "
    said += f"{summary['auto']:,} by the model, {summary['input']:,} came labeled, {summary['failed']:,} {left}. "
    if summary["state"] not in ("complete", "stopped"):
        return f"{said}Cost so far: {cost['total']:.2f}."
    said += f"Cost {cost['total']:.2f}"
    if summary["human"] + summary["auto"]:
        said += f" instead of {cost['all_human']:.2f}: {100 * cost['saving']:.1f} % saved"
    return f"{said}. {words.with_all_answers(cost, '{:.2f}'.format)}".strip()


def following(job, summary: dict) -> list[str]:
    """What an unfinished job waits for, what comes next, and what it will cost, a line each."""
    from roundtruth import workforce

    if summary["state"] == "waiting":
        lines = [waiting(job), missing(summary["waiting"])]
        lines.append(f"Next: {getattr(workforce.get(job), 'NEXT', NEXT)}")
    elif summary["state"] == "running":
        lines = [job.store.holder() or "No run is at work on the job. Run it again, and it goes on."]
    else:
        return []
    return lines + costs(job)


def missing(waits: dict) -> str:
    """How many answers of the open batch are in, and how many are not."""
    since = waits["since"]
    asked = f"Asked {since[:10]} {since[11:16]} UTC: " if since else ""
    return f"{asked}{counted(waits['answers'], 'answer[|s]')} in, {waits['missing']} missing."


def costs(job) -> list[str]:
    """The forecast, the most that the job can cost, and what its model starts from, in the words of the page."""
    from roundtruth.report import outlook, words

    return [f"{name}: {text}".replace(words.SPACE, " ") for name, text in outlook.costs(job)]


def in_a_line(summary: dict) -> str:
    """How a job stands, in a line."""
    said = f"{summary['name']}: {summary['state']}, round {max(1, len(summary['rounds']))}"
    if waits := summary["waiting"]:
        said += f", {waits['answered']} of {waits['asked']} items answered"
        said += f", {counted(waits['missing'], 'answer[|s]')} missing"
    who = f"{summary['human']} labeled by people, {summary['auto']} by the model"
    return f"{said}, {who}, of {summary['items']}, cost {summary['cost']['total']:.2f}"


def rounds(summary: dict, amazon: bool):
    """The table of the rounds, as text."""
    from rich.table import Table

    rows, cost = summary["rounds"], summary["cost"]["total"]
    shown = {
        "people": [str(row["human"]) for row in rows],
        "auto": [str(row["auto"]) for row in rows],
        "objects": [str(row["objects"]) for row in rows],
        "threshold": ["" if row["threshold"] is None else f"{row['threshold']:.3f}" for row in rows],
        "cost": [f"{row['cost']:.2f}" for row in rows],
        "train s": [f"{row['seconds']['train']:.0f}" for row in rows],
        "infer s": [f"{row['seconds']['infer']:.0f}" for row in rows],
    }
    total = {"people": str(sum(row["human"] for row in rows)), "auto": str(summary["auto"]), "cost": f"{cost:.2f}"}
    if amazon:
        theirs, their_total = amazon_columns()
        shown = {name: shown[name] for name in ("people", "auto", "threshold", "cost")} | theirs
        total |= their_total
    table = Table()
    for name in ("round", *shown):
        table.add_column(name, justify="right")
    for number, row in enumerate(zip_longest(*shown.values(), fillvalue=""), 1):
        table.add_row(str(number), *row)
    table.add_section()
    table.add_row("all", *(total.get(name, "") for name in shown))
    return table


def amazon_columns() -> tuple[dict[str, list[str]], dict[str, str]]:
    """Amazon's columns, and their last row."""
    costs, paid = amazon_costs()
    columns = {name: [str(number) for number in numbers] for name, numbers in AMAZON.items()}
    columns["Amazon's\ncost"] = [f"{cost:.2f}" for cost in costs]
    total = {name: str(sum(numbers)) for name, numbers in AMAZON.items()} | {"Amazon's\ncost": f"{paid['total']:.2f}"}
    return columns, total


def amazon_costs() -> tuple[list[float], dict]:
    """What Amazon paid in each round, and in all."""
    from roundtruth import ledger
    from roundtruth.spec import Prices

    human, auto = AMAZON.values()
    costs = ledger.bill(human, [5 * people for people in human], auto, Prices())
    return costs.sum(axis=1).tolist(), ledger.totals(costs, sum(auto), ledger.human_price(Prices(), 5))


def forecast_words(found: dict, target: "Target", begun: bool) -> str:
    """A forecast in a few sentences. begun: whether the job has begun, so that its target is fixed."""
    from roundtruth.report import words

    if found["items"] == 0:
        return "There is nothing to label."
    saved = 1 - found["cost"] / found["all_human"] if found["all_human"] else 0
    spent = f"{found['spent']:.2f} is spent. " if found["spent"] else "Nothing is spent yet. "
    low, high = f"{found['low']:.2f}", f"{found['high']:.2f}"
    between = f", in 8 of 10 such jobs between {low} and {high}" if low != high else ""
    of = words.promised_of(target)
    promise = f" This is for {words.PROMISE[of]}." if of else ""
    hard = words.hard_target(found["of_dataset"], target.quality, begun) if found["of_dataset"] else ""
    return (
        f"{spent}About {found['cost']:.2f} in all{between}: {found['human']} of {found['items']} items labeled by "
        f"people in {counted(found['rounds'], 'round[|s]')}, {found['auto']} by the model. "
        f"People alone would cost {found['all_human']:.2f}; {100 * saved:.0f} % saved.{promise}"
        f"{' ' if hard else ''}{hard}"
    )


def print_comparison(jobs: list) -> None:
    """Jobs about the same items, one a row, and what people alone would cost; the first job's people and answers."""
    from rich.table import Table

    from roundtruth import ledger
    from roundtruth.summary import summarize

    first, name = jobs[0], jobs[0].kind.QUALITY_NAME
    table = Table()
    table.add_column("", no_wrap=True)
    for column in ("answers", "people's labels", "auto labels", f"{name} of auto labels", "cost", "saved", "promised"):
        table.add_column(column, justify="right")
    items, most = len(first.askable()), first.spec.asking.most
    full = items * ledger.highest_price(first.spec)

    def add(way: str, answers: float, people: int, auto: int, measured: float | None, cost: float, promised: str):
        saved = f"{100 * (1 - cost / full):.1f} %" if full else "-"
        table.add_row(way, f"{answers:.2f}", str(people), str(auto), quality(measured), f"{cost:.2f}", saved, promised)

    for job, found in zip(jobs, map(summarize, jobs)):
        cost, target, auto = found["cost"]["total"], job.spec.target, found["measured"]["auto"]
        labels = "all labels" if target.of == "dataset" else "auto labels"
        promised = f"{labels}: {target.quality:g}" if found["target"]["holds"] else "nothing"
        people, machine = found["human"], found["auto"]
        add(job.spec.plan, found["answers"] / max(people, 1), people, machine, auto, cost, promised)
    usual = ledger.answers_an_item(first.spec, first)
    for answers in dict.fromkeys([usual, float(most)]):
        add("people alone", answers, items, 0, None, items * ledger.human_price(first.spec.prices, answers), "")
    with console() as out:
        out.print("The same pictures", style="italic")
        out.print(table)
        out.print(f"saved: compared with people alone, {counted(most, 'answer[|s]')} for each item", style="italic")
        sure = f"{100 * first.spec.target.confidence:.4g} % sure"
        out.print(f"promised: the least {name} of these labels, {sure}", style="italic")


def quality(measured: float | None) -> str:
    return "-" if measured is None else f"{measured:.3f}"


def waiting(job) -> str:
    from roundtruth import answers, workforce

    last = job.last_round()
    said = f"Waiting for people: {answers.answered(job, last)} of {len(job.asks(last))} items of round {last} answered."
    where, posted = getattr(workforce.get(job), "where", None), answers.posted(job, last)
    return f"{said} {where(posted)}" if where and posted else said
