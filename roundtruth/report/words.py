"""Numbers and facts of a job as a person reads them."""

import math

SPACE = "\N{NO-BREAK SPACE}"


def money(amount: float) -> str:
    return f"{'−' if amount <= -0.005 else ''}${abs(amount):,.2f}"


def price(amount: float) -> str:
    """A price of one thing: as many decimals as it has, two at least ($0.08, $0.036)."""
    text = f"{amount:,.6f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"${whole}.{decimals:0<2}"


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}{SPACE}%"


def share(part: float) -> str:
    """A part of the whole in whole percent; one that would read as nothing with a decimal."""
    return percent(part, 1 if 0 < part < 0.01 else 0)


def count(number: float) -> str:
    return f"{int(number):,}"


def many(number: int, thing: str) -> str:
    """`1 item`, `2 items`, `2 boxes`."""
    return f"{count(number)} {thing if number == 1 else plural(thing)}"


def plural(thing: str) -> str:
    return thing + ("es" if thing.endswith(("s", "x")) else "s")


def score(value: float | None) -> str:
    """A quality, a threshold or a skill; a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"


def duration(seconds: float) -> str:
    if seconds < 0.05:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f}{SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{SPACE}h{SPACE}{minutes}{SPACE}min"
    return f"{minutes}{SPACE}min{SPACE}{rest}{SPACE}s" if minutes else f"{rest}{SPACE}s"


def cut(text: str, length: int = 80) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


STATES = {
    "complete": "Complete",
    "waiting": "Waiting for people",
    "stopped": "Stopped",
    "running": "Under way",
}


def headline(summary: dict) -> str:
    """The job in one sentence."""
    labeled = summary["human"] + summary["auto"] + summary["input"]
    total = money(summary["cost"]["total"])
    if summary["state"] == "complete":
        return f"{many(labeled, 'item')} labeled for {total}."
    if not labeled:
        return f"{many(summary['items'], 'item')} to label; nothing is labeled yet."
    so_far = "" if summary["state"] == "stopped" else " so far"
    return f"{count(labeled)} of {many(summary['items'], 'item')} labeled{so_far}, for {total}."


def explanation(summary: dict) -> str:
    """Who did it, what it would have cost without the model, and what comes next."""
    cost, alone = summary["cost"], money(summary["cost"]["all_human"])
    said = []
    if summary["human"] + summary["auto"]:
        who = f"People labeled {count(summary['human'])}"
        who += f", the model {count(summary['auto'])}" if summary["auto"] else ""
        said.append(who + (f", and {count(summary['input'])} came with a label." if summary["input"] else "."))
    if summary["auto"]:
        saved = f"{percent(cost['saving'])} saved" if cost["saving"] >= 0 else f"{percent(-cost['saving'])} lost"
        said.append(f"People alone would have cost {alone}: {saved}.")
    left = summary["items"] - summary["human"] - summary["auto"] - summary["input"] - summary["failed"]
    if summary["state"] == "complete":
        said += [f"{many(summary['failed'], 'item')} failed."] if summary["failed"] else []
    elif summary["state"] == "stopped" and not summary.get("to_finish"):
        said.append(f"{many(left + summary['failed'], 'item')} without a label; nobody is asked any more.")
    elif summary["state"] != "stopped":
        waits = summary["state"] == "waiting"
        following = "the job goes on when people have answered" if waits else "the job is under way"
        rest = f"{many(left, 'item')} left; {following}." if said else f"{following}."
        said.append(rest[0].upper() + rest[1:])
    said += [summary["why"]] if summary.get("why") else []
    return " ".join(said)


def promise(summary: dict, quality_name: str, confidence: float) -> tuple[str, str]:
    """What is promised of the auto labels, and what is not: a few words, and one plain sentence."""
    target = summary["target"]
    goal = f"{'an' if quality_name[0] in 'aeiou' else 'a'} {quality_name} of at least {target['quality']:g}"
    sure = f"{100 * confidence:g}{SPACE}% confidence ({target['certificate']} certificate)"
    if not summary["auto"]:
        if summary["state"] in ("complete", "stopped"):
            return "Nothing to promise", "The model labeled no item: every label is a person's or came with the data."
        promised = "without a promise" if target["certificate"] == "none" else f"with {sure}"
        return "Nothing to promise yet", f"The model has labeled no item so far. It will aim at {goal}, {promised}."
    if target["certificate"] == "none":
        return (
            "Nothing is promised",
            f"The threshold was read off the validation items, aiming at {goal}; "
            "such a threshold can miss its target, and no certificate says that this one did not.",
        )
    given = "Random are the items drawn for checking; fixed are the dataset, the model and what people say of an item."
    if target["holds"]:
        return "Promised", f"Auto labels match people's labels with {goal}, on average, with {sure}. {given}"
    if target["holds"] is None:
        return "Not promised yet", f"The aim is {goal}, on average, with {sure}; the check is still to come."
    return "Not promised", f"The check did not confirm {goal} with {sure}: take these auto labels as unproven."


def evidence(look: dict) -> str:
    """What the last look of the certified plan rests on, in a sentence that can be checked; `look` is its
    threshold.json."""
    t, k = look["stage"]
    rests = (
        f"It was look ({t}, {k}), which may fail with probability {look['delta']:.4g}: "
        f"{many(look['checked'], 'item')} had been drawn, each with probability {look['drawn']:.4g}"
    )
    if look["threshold"] is not None:
        estimate = "" if look["quality"] is None else f", with a mean quality of {look['quality']:.4g} (an estimate)"
        rule = "walk" if look["rule"] == "walk" else f"coin, log e-value {look['log_e']:.3g}"
        return (
            f"{rests}, {count(look['above'])} of them at or above the threshold {look['threshold']:.4g}{estimate}. "
            f"The rule is \u201c{rule}\u201d; docs/certificates.md proves it, and docs/recompute_certificate.py "
            "recomputes it from the job folder."
        )
    more = look.get("needed")
    what = (
        f"about {many(more, 'more checked item')} would have been needed to promise anything"
        if more
        else "no number of checked items would have been enough to promise anything of this model"
    )
    return f"{rests}, and {what}."
