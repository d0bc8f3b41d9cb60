"""Numbers and facts of a job as a person reads them."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from roundtruth.consolidation.asking import Asking
from roundtruth.look import Look
from roundtruth.plural import counted

if TYPE_CHECKING:
    from roundtruth.spec import Target

SPACE = "\N{NO-BREAK SPACE}"


def money(amount: float) -> str:
    return f"{'−' if amount <= -0.005 else ''}${abs(amount):,.2f}"


def price(amount: float) -> str:
    """A price of one thing: as many decimals as it has, two at least ($0.08, $0.036)."""
    text = f"{amount:,.6f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"${whole}.{decimals:0<2}"


def answers_an_item(asking: Asking) -> str:
    """How many answers an item gets: "2 to 5 answers an item"."""
    some = f"{asking.least} to " if asking.least < asking.most else ""
    return f"{some}{counted(asking.most, 'answer[|s]')} an item"


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}{SPACE}%"


def share(part: float) -> str:
    """A part of the whole in whole percent; one that would read as nothing with a decimal."""
    return percent(part, 1 if 0 < part < 0.01 else 0)


def count(number: float) -> str:
    return f"{int(number):,}"


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
    """A long text without its middle: long names often differ at their end."""
    end = length // 2
    return text if len(text) <= length else f"{text[: length - end - 1]}…{text[-end:]}"


def every(number: int, thing: str) -> str:
    """`the item`, `all 2 items`."""
    return f"the {thing}" if number == 1 else f"all {counted(number, f'{thing}[|s]')}"


def labeled_already(number: int, learns: bool) -> str:
    """learns: whether a model is trained."""
    if not number:
        return "None: no item came with a label."
    model = ", and the model learns from [it|them]" if learns else ""
    return counted(number, f"item[|s] came with a label. Nobody is asked about [it|them]{model}.")


def given(predictions: str) -> str:
    """What is used where predictions are given. predictions: the file."""
    return f"those of {predictions}. Nothing is trained: people check some, and label what is not good enough."


def broken(number: int) -> str:
    """Pictures that cannot be read."""
    return counted(number, "picture[|s]. Nobody is asked about [it|them], and [it costs|they cost] nothing.")


def foreseen(forecast: dict, budget: float | None, of: str | None) -> str:
    """A forecast of the final cost, from a row of `roundtruth.forecast.history`. of: which labels the job makes a
    promise about; None: it makes none."""
    said = f"About {money(forecast['cost'])} in all{reach(forecast)}. "
    people = counted(int(forecast["human"]), "item[|s]")
    if forecast["auto"]:
        said += f"People label about {people}, the model about {count(forecast['auto'])}."
    else:
        said += f"People label {people} and the model none: there are too few items, or the target is too high."
    if budget is not None and budget < forecast["cost"]:
        said += f" The budget of {money(budget)} does not reach that far."
    promise = f", for {PROMISE[of]}" if of else ""
    return f"{said} This forecast was made {foreseen_when(forecast)}{promise}."


def reach(forecast: dict) -> str:
    """The range of a forecast, after its cost; empty if nothing is open."""
    low, high = money(forecast["low"]), money(forecast["high"])
    return f"; in 8 of 10 such jobs between {low} and {high}" if low != high else ""


def promised_of(target: "Target") -> str | None:
    """Which labels a job makes a promise about, `auto-labels` or `dataset`; None: it makes none."""
    return None if target.certificate == "none" else target.of


PROMISE = {
    "auto-labels": "the promise about the auto labels alone",
    "dataset": "the promise about all labels together",
}


def foreseen_when(forecast: dict) -> str:
    """When a forecast was made."""
    if forecast["labels"]:
        return f"when {count(forecast['labels'])} items had labels"
    return f"after round {forecast['round']:.0f}" if forecast["round"] else "before anybody was asked"


def hard_target(of_dataset: dict, quality: float, begun: bool) -> str:
    """That nothing is certified, or is likely to be, and what a promise over the whole dataset would save instead.

    of_dataset: as in `roundtruth.forecast.of`. begun: whether the job has begun.
    """
    items, auto = counted(of_dataset["items"], "item[|s]"), count(of_dataset["auto"])
    left = f"the {items} without a label" if begun else items
    aim = f"at the target of {quality:g}"
    if of_dataset["certain"]:
        said = f"No auto label can be promised {aim}, so people label everything."
    else:
        said = f"It is likely that no auto label can be promised {aim}, and that people label everything."
    said = (
        f"{said} With `target: {{of: dataset}}`, which promises the quality of all labels together, the model would "
        f"label about {auto} of {left}. That would save about {money(of_dataset['saved'])}."
    )
    return f"{said} {ANOTHER_JOB if begun else ANOTHER_TARGET}"


ANOTHER_TARGET = "Choose now: once the job has begun, its target is fixed."
ANOTHER_JOB = (
    "The target of this job is fixed, so that needs a new job. People's labels so far can be used in it: "
    "docs/correcting-labels.md says how."
)


def backbone(origin: str, pretrained: bool | None) -> str:
    """What a model starts from, and what that means. pretrained: None where it is not known."""
    if pretrained is None:
        return f"{origin}."
    if pretrained:
        return f"{origin}. It was trained on other pictures, so the model usually needs fewer labels from people."
    said = origin.replace("from scratch", "nothing", 1)
    said = f"{said[0].upper()}{said[1:]}"
    return f"{said}. The model learns from this job's labels alone, so it usually needs more of them."


def models(compared: dict[str, dict], quality_name: str) -> list[str]:
    """How several given models did on the same checked items, a line each; compared: a summary's `models`."""
    return [
        f"Model {name}{', which was chosen' if found['chosen'] else ''}: {quality_name} {found['quality']:.3f} on the "
        f"checked items; {counted(found['passing'], 'prediction[|s]')} may be kept."
        for name, found in compared.items()
    ]


def about_answers(summary: dict) -> list[str]:
    """What a person should know about people's answers, a line each."""
    return [*rejected(summary), *(f"{line}." for line in summary["about_answers"])]


def rejected(summary: dict) -> list[str]:
    """What people must mend in their answers, a line each: how many rows, and the first of them."""
    number, first = summary["rejected"], summary["first_rejected"]
    if not number:
        return []
    told = (
        "row[|s] of people's answers [is|are] rejected. people/rejected.csv in the job folder lists [it|them]. "
        "Correct [it|them] in your file, and put the file there again."
    )
    these = f" The first {len(first)}:" if number > len(first) else ""
    return [f"{counted(number, told)}{these}", *first]


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
        return f"{counted(labeled, 'item[|s]')} labeled for {total}."
    if not labeled:
        return f"{counted(summary['items'] - summary['failed'], 'item[|s]')} to label; nothing is labeled yet."
    if labeled == summary["input"]:
        came = f"{count(labeled)} of {counted(summary['items'], 'item[|s]')} came with a label"
        return f"{came}; nothing else is labeled yet."
    so_far = "" if summary["state"] == "stopped" else " so far"
    return f"{count(labeled)} of {counted(summary['items'], 'item[|s]')} labeled{so_far}, for {total}."


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
        said += [with_all_answers(cost)] if with_all_answers(cost) else []
    left = summary["items"] - summary["human"] - summary["auto"] - summary["input"] - summary["failed"]
    if summary["state"] == "complete":
        said += [f"{counted(summary['failed'], 'item[|s]')} failed."] if summary["failed"] else []
    elif summary["state"] == "stopped" and not summary.get("to_finish"):
        said.append(f"{counted(left + summary['failed'], 'item[|s]')} without a label; nobody is asked any more.")
    elif summary["state"] != "stopped":
        waits = summary["state"] == "waiting"
        following = "the job goes on when people have answered" if waits else "the job is under way"
        rest = f"{counted(left, 'item[|s]')} left; {following}." if said else f"{following}."
        said.append(rest[0].upper() + rest[1:])
    said += [summary["why"]] if summary.get("why") else []
    return " ".join(said)


def with_all_answers(cost: dict, written: Callable[[float], str] = money) -> str:
    """What people alone would cost if they gave every item the most answers; empty where they do. written: how an
    amount is written."""
    most = cost.get("all_human_most", 0)  # summaries of earlier versions do not have it
    if most < cost["all_human"] + 0.01:
        return ""
    return f"With {cost['most_answers']} answers for every item, people alone would cost {written(most)}."


def goal(quality: float, quality_name: str) -> str:
    return f"{'an' if quality_name[0] in 'aeiou' else 'a'} {quality_name} of at least {quality:g}"


def of_dataset(target: dict) -> bool:
    """Whether the target is about all labels together, and not about the auto labels alone."""
    return target.get("of") == "dataset"  # summaries of earlier versions do not have it


def promised(summary: dict, quality_name: str) -> str:
    """What is promised, in the cell of a table."""
    target = summary["target"]
    if not target["holds"]:
        return "nothing" if summary["state"] in ("complete", "stopped") else "nothing yet"
    labels = "all labels together" if of_dataset(target) else "the model's labels"
    sure = f"{100 * target['confidence']:.4g}{SPACE}% confidence"
    return f"{goal(target['quality'], quality_name)} of {labels}, with {sure}"


def promise(summary: dict, quality_name: str, confidence: float, look: Look | None = None) -> tuple[str, str]:
    """What is promised, and what is not: a few words, and a plain sentence.

    look: the final look of a job that promises something, once it is made.
    """
    target = summary["target"]
    aim = goal(target["quality"], quality_name)
    risk = f"{100 * (1 - confidence):.4g}{SPACE}%"
    ended = summary["state"] in ("complete", "stopped")
    if of_dataset(target) and summary["auto"]:
        return promise_of_all(summary, aim, risk, ended)
    if target["holds"]:
        labels = counted(summary["auto"], "label[|s] by the model [matches|match]")
        wrong = f"the chance that this is wrong is at most {risk}"
        return "Promised", f"{labels} people's labels with {aim}; {wrong}."
    if look and look.threshold is None:
        return "Nothing can be promised", nothing(look, aim)
    if not summary["auto"]:
        if ended:
            return "Nothing to promise", "The model labeled no item: every label is a person's or came with the data."
        promised = "nothing will be promised of it"
        if target["certificate"] != "none":
            promised = f"label only where the chance that it misses is at most {risk}"
        aim += " of all labels together" if of_dataset(target) else ""
        return "Nothing to promise yet", f"The model has labeled no item so far. It will aim at {aim}, and {promised}."
    return (
        "Nothing is promised",
        f"The threshold was read off the validation items, aiming at {aim}; "
        "such a threshold promises nothing, and breaks its target in up to half of all jobs.",
    )


def promise_of_all(summary: dict, aim: str, risk: str, ended: bool) -> tuple[str, str]:
    """As `promise`, for a target of the whole dataset where the model labeled something."""
    said = (
        f"people's labels and the model's together match people's labels with {aim}, where people's own count as right"
    )
    alone = f"It does not mean that the {counted(summary['auto'], 'label[|s]')} by the model alone are this good."
    if summary["target"]["holds"]:
        return "Promised", f"{said[0].upper()}{said[1:]}; the chance that this is wrong is at most {risk}. {alone}"
    if ended:
        return (
            "Nothing is promised",
            f"The promise is that {said}. It needs people's answers about all other items, and some were not answered.",
        )
    return (
        "Promised once people have labeled the rest",
        f"Then {said}; the chance that this is wrong is at most {risk}. {alone}",
    )


def meaning(summary: dict, quality_name: str, binary: bool) -> list[tuple[str, str]]:
    """The promise for somebody who has to repeat it: (question, answer). Empty where nothing is promised.

    binary: whether a label is right or wrong and nothing in between.
    """
    target = summary["target"]
    if not target["holds"]:
        return []
    quality, sure = target["quality"], f"{100 * target['confidence']:.4g}{SPACE}%"
    if of_dataset(target):
        what = f"On average, all labels together agree with people's labels with {goal(quality, quality_name)}"
    else:
        what = f"On average, the model's labels agree with people's labels with {goal(quality, quality_name)}"
    if binary:
        what += f": at least {100 * quality:.4g} in 100 are the label that people would have given."
    else:
        what += ", where 1 means that the two labels are the same and 0 that they have nothing in common."
    return [
        ("What is promised?", what),
        ("For which labels?", which_of_all(summary) if of_dataset(target) else which_of_model(summary)),
        (
            "How sure is it?",
            f"{sure} sure. The model was checked on items that were drawn at random. A draw can mislead; "
            f"the chance that it did is at most {100 * (1 - target['confidence']):.4g}{SPACE}%.",
        ),
        (
            "What does it not mean?",
            f"{NOT_THE_MODEL if of_dataset(target) else ''}"
            "It does not mean that each single label is right, or that each class is as good as the average. "
            "It does not mean that people are right. It says nothing about other pictures, such as later ones.",
        ),
    ]


NOT_THE_MODEL = (
    "It does not mean that the model's labels are this good: they alone may be worse, and people's labels, which count "
    "as right, make up for it. "
)


def which_of_all(summary: dict) -> str:
    """Which labels a promise over the whole dataset is about."""
    human, auto = counted(summary["human"], "label[|s]"), count(summary["auto"])
    which = f"{human} of people and {auto} of the model, taken together. People's own labels count as right"
    return which + ("; labels that came with the data are not part of the promise." if summary["input"] else ".")


def which_of_model(summary: dict) -> str:
    """Which labels a promise about the auto labels is about."""
    one = summary["auto"] == 1
    which = "The one label" if one else f"The {counted(summary['auto'], 'label[|s]')}"
    which += f" that the model made{'' if one else ', taken together'}. "
    which += "People's own labels are what these are compared with, so they are not part of the promise"
    return which + ("; labels that came with the data are not, either." if summary["input"] else ".")


def nothing(look: Look, aim: str) -> str:
    """Why nothing can be promised, and what would have been needed."""
    if not look.checked:
        return "No item was checked, as the budget did not reach that far; so the model labeled none."
    said = (
        f"After {counted(look.checked, 'checked item[|s]')} {aim} could not be shown of any part of the model's "
        "labels, so it labeled nothing."
    )
    if look.needed is None:
        return said
    if math.isinf(look.needed):
        return f"{said} No number of checked items would have been enough: the model is not good enough for it."
    more = counted(look.needed, "more checked item[|s]")
    return f"{said} About {more} would have been enough, by what the others showed."


def certificate(look: Look, quality_name: str, delta: float, labeled: bool, models: int = 1) -> str:
    """What a certificate rests on, in a sentence that a statistician can check.

    look: the final look. delta: of the whole job. labeled: whether the model labeled what passed. models: how many
    were compared at each look.
    """
    t, k = look.stage
    said = (
        f"Rule \u201c{look.rule}\u201d, look ({t}, {k}) with δ{SPACE}={SPACE}{look.delta:.4g} "
        f"{f'for each of {models} models, ' if models > 1 else ''}"
        f"of the {delta:.4g} that all looks together may spend: each item that the model did not learn from was drawn "
        f"by a coin of its own with probability {look.drawn:.4g}; {counted(look.checked, 'item[|s]')} were drawn "
        "and labeled by people blind to the model"
    )
    if look.items is not None and look.max_loss is not None:
        said += (
            f"; the promise is about {counted(look.items, 'item[|s]')} together, whose losses may add up to "
            f"{look.max_loss * look.items:.6g}"
        )
    evidence = ""
    if look.log_e is not None:
        needs = f"log{SPACE}1/δ{SPACE}={SPACE}{-math.log(look.delta):.3f}"
        evidence = f"; the largest log e-value of any cut is {look.log_e:.3f}, and {needs} passes"
    if look.threshold is None:
        return f"{said}{evidence}; no cut passed."
    estimate = ""
    if look.quality is not None:
        estimate = f" with {'an' if quality_name[0] in 'aeiou' else 'a'} {quality_name} of {look.quality:.4f}"
        if look.binary:
            wrong = round((1 - look.quality) * look.above)
            estimate += f", {count(wrong)} of them wrong"
        estimate += " (an estimate; only the target is promised)"
    took = ", and the model labeled these" if labeled else ""
    return (
        f"{said}, {count(look.above)} of them at or above the threshold {look.threshold:.6g}{estimate}{evidence}"
        f"; of the items not drawn {count(look.auto)}, {percent(look.coverage)}, are at or above it{took}."
    )


SCOPE_OF_ALL = (
    "The promise is about people's consolidated label of an item, not about a truth beyond it; about the mean over all "
    "labels of this job, with people's own counted as right, and not about the auto labels alone, each label or each "
    "class; and about this finite pool of items, not others like them. Only the coins are random; the dataset, the "
    "model and what people say about an item are fixed."
)
SCOPE = (
    "The promise is about people's consolidated label of an item, not about a truth beyond it; about the mean over the "
    "auto labels, not each of them or each class; and about this finite pool of items, not others like them. Only "
    "the coins are random; the dataset, the model and what people say about an item are fixed."
)
RECOMPUTE = (
    ("docs/recompute_certificate.py", "recomputes it from the job folder's files alone"),
    ("docs/certificates.md", "proves the rule"),
    ("docs/several-looks.md", "proves that more than one look breaks nothing"),
)
WAYS = {
    "job": "This job",
    "naive": "Its last model, with the naive threshold",
    "ground-truth": "The ground-truth plan, at best",
    "people": "People alone",
}
EXTRA = (
    "Answers that give a reason in place of a label, that come late, or that were not asked for are paid, too, and can "
    "add to this."
)
WEIGHTS_OPEN = (
    "torchvision's ShuffleNetV2 x0.5, which was trained on ImageNet, if the machine that trains has it or can download "
    "it; or else nothing. With it the model usually needs fewer labels from people."
)
BROKEN = "nothing: such a threshold breaks its target in up to half of all jobs"
