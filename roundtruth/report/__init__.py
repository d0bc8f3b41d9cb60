"""The report of a job: a page a person reads, report/index.html, and its pictures, report/*.png."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from roundtruth import forecast, kinds, ledger, plans
from roundtruth.chance import uniforms
from roundtruth.look import Look
from roundtruth.plural import counted
from roundtruth.report import disagreement, evidence, outlook, words
from roundtruth.report.evidence import Evidence

GALLERY = 12  # pictures in one
DISAGREED = 8  # items that are shown with all answers
LEAST = 24  # pictures of the model's least sure labels, which a person should look at
SAMPLE = 20_000  # labels of one source whose quality is plotted; more would not change the plot
SHOWN = 10  # workers at either end
REASONS = 20  # reasons of failed items that are listed
NAMED = 5  # failed items that are named, of one reason


@dataclass(frozen=True)
class Chart:
    """A plot: its name, what it shows in words (for those who cannot see it), and a sentence below it."""

    name: str
    group: str  # "rounds", "money" or "quality"
    alt: str
    caption: str
    png: bytes


@dataclass(frozen=True)
class Gallery:
    """Labels drawn on their pictures, and what to look for in them."""

    name: str
    title: str
    source: str
    caption: str
    tiles: list
    measure: str = "confidence"  # what the share at each picture is


def write(job, summary: dict) -> dict[str, bytes]:
    """Writes report/index.html, one file that needs nothing else, and report/*.png; the pictures, name -> PNG.

    `job` is a `roundtruth.job.Job` at any point of its life, `summary` its summary; what is not there yet is left out
    of the page. The names are lower case words joined by dashes.
    """
    labels, seen = job.outcome(), evidence.gather(job)
    charts, galleries = charts_of(job, summary, labels, seen), galleries_of(job, labels)
    pictures = named(charts, galleries)
    for name, png in pictures.items():
        job.store.replace(f"report/{name}.png", png)
    html = page(job, summary, charts, galleries, seen)
    job.store.replace("report/index.html", html.encode("utf-8", "replace"))  # a file name may hold what UTF-8 cannot
    return pictures


def uri(picture: bytes) -> str:
    """A PNG or JPEG as the address of an image."""
    form = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{form};base64,{base64.b64encode(picture).decode()}"


def named(charts: list[Chart], galleries: list[Gallery]) -> dict[str, bytes]:
    from roundtruth.report.gallery import sheet

    sheets = {gallery.name: sheet(gallery.tiles) for gallery in galleries if gallery.tiles}
    return {chart.name: chart.png for chart in charts} | sheets


@cache  # a flow writes a page each round
def template():
    """The page's template, a jinja2.Template."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("roundtruth", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("money", "percent", "share", "count", "score", "duration", "cut"):
        environment.filters[name] = getattr(words, name)
    environment.filters["counted"] = counted
    environment.filters["uri"] = uri
    return environment.get_template("page.html.j2")


def page(job, summary: dict, charts: list[Chart], galleries: list[Gallery], seen: Evidence | None = None) -> str:
    """The page as HTML: styles and pictures are in it, and whatever users wrote is escaped."""
    kind, script = kinds.get(job.spec.kind), files("roundtruth.report").joinpath("viewer.js").read_text("utf-8")
    ended = summary["state"] in ("complete", "stopped")
    return template().render(
        spec=job.spec,
        summary=summary,
        things=None if kind.ONE_PER_ITEM else words.plural(kind.THING),
        quality_name=kind.QUALITY_NAME,
        state=words.STATES[summary["state"]],
        headline=words.headline(summary),
        explanation=words.explanation(summary),
        promise=words.promise(summary, kind.QUALITY_NAME, job.spec.target.confidence, final(job)),
        meaning=words.meaning(summary, kind.QUALITY_NAME, kind.BINARY),
        certificate=certificate(job, summary, kind.QUALITY_NAME),
        ways=compared(job, summary, seen),
        strip=strip(summary),
        asked=sum(bool(row["human"] or not row["auto"]) for row in summary["rounds"]),
        measured={source: value for source, value in (summary["measured"] or {}).items() if value is not None},
        rejected=words.rejected(summary),
        read=list(outlook.read(job, summary)),
        ahead=[] if ended else list(outlook.ahead(job, summary)),
        charts=charts,
        galleries=galleries,
        absent=list(absent(job, summary, charts, galleries)),
        workers=extremes(job.workers()),
        failed=by_reason(failed(job, summary["state"])),
        facts=list(facts(job.spec, summary)),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def promises(job) -> bool:
    """Whether the job's plan promises something about the labels."""
    return job.spec.target.certificate != "none"


def final(job) -> Look | None:
    """The final look of a job that promises something, once it is made."""
    look = plans.last_look(job)
    return look if look and look.final and promises(job) else None


def certificate(job, summary: dict, quality_name: str) -> dict | None:
    """What the certificate rests on; None where there was no final look, or nothing was checked."""
    look = final(job)
    if look is None or not look.checked:
        return None
    holds, delta = bool(summary["target"]["holds"]), 1 - job.spec.target.confidence
    scope = None
    if holds:
        scope = words.SCOPE_OF_ALL if words.of_dataset(summary["target"]) else words.SCOPE
    return {
        "sentence": words.certificate(look, quality_name, delta, holds, max(1, len(job.given_models()))),
        "scope": scope,
        "recompute": words.RECOMPUTE,
    }


def compared(job, summary: dict, seen: Evidence | None) -> list[dict]:
    """What else could have been done, beside a job that promises something: rows of the page's table."""
    if seen is None or not promises(job):
        return []
    given = {"naive": words.BROKEN, "ground-truth": words.BROKEN, "people": "–"}
    given["job"] = words.promised(summary, kinds.get(job.spec.kind).QUALITY_NAME)
    table = evidence.ways(job, summary, seen)
    so_far = "" if summary["state"] == "complete" else " so far"
    names = words.WAYS | {"job": words.WAYS["job"] + so_far}
    rows = []
    for _, same in table.groupby(["human", "auto", "cost"], sort=False):  # ways that come to the same are one row
        first = same.iloc[0].to_dict()
        others = [names[way] for way in same["way"].iloc[1:]]
        no_saving = first["way"] == "people" or (so_far and first["way"] == "job")
        rows.append(
            first
            | {
                "name": names[first["way"]],
                "promise": given[first["way"]],
                "same": f"the same: {'; '.join(others)}" if others else "",
                "saving": None if no_saving else first["saving"],
            }
        )
    return rows


def strip(summary: dict) -> list[tuple[str, str, int]]:
    """Every item is in one part: (style, name, items), in the order they are shown, parts of nothing left out."""
    failed = 0 if summary["state"] == "stopped" else summary["failed"]  # then most of these were just not reached
    parts = [
        ("human", "people", summary["human"]),
        ("auto", "model", summary["auto"]),
        ("input", "came with a label", summary["input"]),
        ("failed", "failed", failed),
    ]
    left = summary["items"] - sum(part[2] for part in parts)
    return [part for part in [*parts, ("open", "without a label", left)] if part[2]]


def charts_of(job, summary: dict, labels: pd.DataFrame, seen: Evidence | None) -> list[Chart]:
    others = [money_chart(job, summary), quality_chart(job, summary, labels)]
    if seen is not None:
        others += [coverage_chart(job, summary, seen), calibration_chart(job, seen)]
    return [*charts_of_rounds(job, summary, labels), *(chart for chart in others if chart)]


def charts_of_rounds(job, summary: dict, labels: pd.DataFrame) -> Iterator[Chart]:
    from roundtruth.report import plots

    if not summary["rounds"]:
        return
    rows = pd.DataFrame(summary["rounds"])
    rounds = rows["round"].to_list()
    if summary["human"] + summary["auto"]:
        yield Chart(
            "items-per-round",
            "rounds",
            in_rounds(rows, rows["human"], rows["auto"], words.count),
            "Items that got their label in each round: people answer a batch, and the model labels what it is sure of.",
            plots.bars_per_round(rounds, rows["human"], rows["auto"], "Items labeled"),
        )
    kind = kinds.get(job.spec.kind)
    if not kind.ONE_PER_ITEM and rows["objects"].any():  # with one label per item this would be the plot above
        things = words.plural(kind.THING)
        human, auto = split_objects(job.spec.kind, rows, labels)
        yield Chart(
            f"{things}-per-round",
            "rounds",
            in_rounds(rows, human, auto, words.count),
            f"The {things} in these labels.",
            plots.bars_per_round(rounds, human, auto, f"{things.capitalize()} drawn"),
        )
    spent = evidence.spending(rows, job.spec.prices.per_auto_label)
    human, auto = spent["human_cost"], spent["auto_cost"]
    if summary["cost"]["total"] > 0:
        yield Chart(
            "cost-per-round",
            "rounds",
            in_rounds(rows, human, auto, words.money),
            "What each round cost: people's answers, and the price of an auto label.",
            plots.bars_per_round(rounds, human, auto, "Cost", unit="$"),
        )


def in_rounds(rows: pd.DataFrame, human: pd.Series, auto: pd.Series, text) -> str:
    """The bars in words; of a long job the last rounds."""
    lines = [f"round {r}: people {text(h)}, model {text(a)}" for r, h, a in zip(rows["round"], human, auto)]
    skipped = [f"bars for {len(lines)} rounds, of which the last:"] if len(lines) > 12 else []
    return "; ".join([*skipped, *lines[-12:]]).capitalize() + "."


def split_objects(kind: str, rows: pd.DataFrame, labels: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The objects of each row of the rounds table: those in people's labels, and the rest."""
    people = labels[labels["source"].isin(["human", "verified"])]
    human = pd.Series(0, index=rows["round"])
    if len(people):
        objects = kinds.get(kind).objects(people)
        round_of = people.drop_duplicates("item").set_index("item")["round"]
        human = objects.groupby(round_of.reindex(objects.index)).sum().reindex(rows["round"], fill_value=0)
    human = pd.Series(np.minimum(human.to_numpy(), rows["objects"]), index=rows.index)
    human = human.mask(rows["auto"] == 0, rows["objects"])
    return human, rows["objects"] - human


def by_source(labels: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The labels of people ("human") and of the model ("auto"), where there are any."""
    parts = {"human": labels["source"].isin(["human", "verified"]), "auto": labels["source"] == "auto"}
    return {source: labels[rows] for source, rows in parts.items() if rows.any()}


def quality_chart(job, summary: dict, labels: pd.DataFrame) -> Chart | None:
    """The quality of each item's label against the truth; None where the truth is not known or nothing is labeled."""
    from roundtruth.report import plots

    truth = job.truth()
    if truth is None:
        return None
    kind = kinds.get(job.spec.kind)
    quality, part = {}, ""
    for source, rows in by_source(labels).items():
        sampled = sample(rows, job.spec.seed)
        values = kind.quality(sampled, truth[truth["item"].isin(sampled["item"])])
        if len(values):
            quality[source] = values
            part = " A sample is shown." if len(sampled) < len(rows) else part
    if not quality:
        return None
    target, of_all = summary["target"]["quality"], words.of_dataset(summary["target"])
    whose = "all labels together, with people's counted as right" if of_all else "the auto labels"
    parts = [
        f"{'people' if source == 'human' else 'model'}: {kind.QUALITY_NAME} {words.score(values.mean())}, "
        f"{words.percent((values >= target).mean())} of {counted(len(values), 'item[|s]')} at {target:g} or better"
        for source, values in quality.items()
    ]
    if kind.BINARY:
        parts = [
            f"{'people' if source == 'human' else 'model'}: {words.percent(values.mean())} "
            f"of {counted(len(values), 'label[|s]')} right"
            for source, values in quality.items()
        ]
        png = plots.share_right(quality, target)
        caption = "Labels of people and of the model against the truth, which this job's simulated people know."
        caption += f" The target is for {whose}." if of_all else ""
    else:
        png = plots.quality_histogram(quality, target, kind.QUALITY_NAME.removeprefix("mean "))
        caption = (
            "Each item's label against the truth, which this job's simulated people know; "
            f"the dashed line is the target for the mean of {whose}."
        )
    return Chart("quality", "quality", "; ".join(parts).capitalize() + ".", caption + part, png)


def sample(labels: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The labels of at most SAMPLE items, chosen at random by the seed."""
    items = labels["item"].unique()
    if len(items) <= SAMPLE:
        return labels
    kept = items[np.argsort(uniforms(seed, "report", items), kind="stable")[:SAMPLE]]
    return labels[labels["item"].isin(kept)]


def money_chart(job, summary: dict) -> Chart | None:
    """What was spent, beside people alone and what was forecast; None where nothing was spent."""
    from roundtruth.report import plots

    if not summary["rounds"] or summary["cost"]["total"] <= 0:
        return None
    history, prices = forecast.history(job), job.spec.prices
    spent = evidence.spending(pd.DataFrame(summary["rounds"]), prices.per_auto_label)
    labeled = summary["human"] + summary["auto"]
    items = labeled if summary["state"] == "complete" else len(job.askable())
    alone = items * ledger.expected_price(job.spec, job)
    total = words.money(summary["cost"]["total"])
    alt = f"Money spent against items labeled: {total} for {counted(labeled, 'item[|s]')}; "
    alt += f"people alone would cost {words.money(alone)} for {words.count(items)}."
    caption = "Money spent, item by item: steep where people label, flat where the model does."
    if len(history):
        last = history.iloc[-1]
        made = words.foreseen_when(last)
        found = f"{words.money(last['cost'])} in all{words.reach(last)}"
        caption += f" The last forecast, made {made}, was {found}."
        alt += f" Forecasts of the total are squares with their range; the last was {found}."
    return Chart("money", "money", alt, caption, plots.money_curve(spent, history, max(items, 1), alone))


def coverage_chart(job, summary: dict, seen: Evidence) -> Chart | None:
    """How much of the rest the last model could label, and how well by the checked items; None for less than two."""
    from roundtruth.report import plots

    curve = evidence.coverage_curve(seen)
    if len(curve) < 2:
        return None
    target, name = summary["target"]["quality"], kinds.get(job.spec.kind).QUALITY_NAME
    name += "" if seen.items is None else " of all labels together"
    promised = {"certified": seen.look.threshold} if promises(job) else {}
    cuts, said = {}, []
    for cut, threshold in (promised | {"naive": seen.naive}).items():
        above = seen.checked["quality"][seen.checked["score"] >= (np.inf if threshold is None else threshold)]
        if len(above):
            coverage = seen.share(threshold)
            cuts[cut] = coverage, float(seen.promised_quality(above.mean(), coverage))
            said.append(
                f"the {cut} cut, θ{words.SPACE}={words.SPACE}{threshold:.3g}, lets {words.percent(cuts[cut][0])} "
                f"of the rest through, with {name} {words.score(cuts[cut][1])}"
            )
        elif threshold is None:
            why = "nothing can be promised yet" if cut == "certified" else "no threshold reaches the target"
            said.append(f"there is no {cut} cut: {why}")
    caption = f"The last model on {counted(len(seen.checked), 'checked item[|s]')}, an estimate: {'; '.join(said)}. "
    if "certified" in cuts:
        caption += "Right of the certified cut the mean may look good enough and not be. "
    caption += "The naive cut promises nothing." if "naive" in cuts else ""
    return Chart(
        "coverage",
        "quality",
        f"A curve of {name} of the checked items above a threshold, against the share of the rest above it, with the "
        f"target {target:g}. {caption}",
        caption,
        plots.quality_by_coverage(curve, target, cuts, name),
    )


def calibration_chart(job, seen: Evidence) -> Chart | None:
    """Whether a confidence is as good as it says; None for less than two checked items."""
    from roundtruth.report import plots

    bins, name = evidence.calibration(seen.checked), kinds.get(job.spec.kind).QUALITY_NAME
    if len(seen.checked) < 2:
        return None
    lines = [
        f"{words.percent(row.confidence, 0)} confident, {name} {row.quality:.2f} ({counted(row.items, 'item[|s]')})"
        for row in bins.itertuples()
    ]
    caption = (
        "The checked items by the last model's confidence: a dot above the dashed line is better than it says, one "
        f"below is worse; hollow ones stand for fewer than {plots.FEW} items. The promise does not rest on this."
    )
    return Chart("calibration", "quality", "; ".join(lines) + ".", caption, plots.reliability(bins, name))


def galleries_of(job, labels: pd.DataFrame) -> list[Gallery]:
    """Where people disagreed most, the model's least sure labels, and the surest labels of both."""
    parts = by_source(labels)
    wanted = [
        ("least-confident-auto", "The model's least sure labels", "auto", LEAST, "The auto labels to look at first."),
        ("most-confident-human", "People's surest labels", "human", GALLERY, "Where people agreed most."),
        ("most-confident-auto", "The model's surest labels", "auto", GALLERY, "Where the model was most confident."),
    ]
    disagreed = most_disagreed(job, parts["human"]) if "human" in parts else None
    galleries = [disagreed] if disagreed else []
    shown = {tile.item for gallery in galleries for tile in gallery.tiles}
    for name, title, source, number, caption in wanted:
        if source not in parts:
            continue
        confidence = job.kind.confidence(parts[source].rename(columns={"confidence": "score"})).dropna()
        confidence = confidence[~confidence.index.isin(list(shown))]  # no item is in two galleries
        chosen = confidence.sort_values(ascending=name.startswith("least"), kind="stable").head(number)
        shown |= set(chosen.index)
        if len(chosen):
            galleries.append(Gallery(name, title, source, caption, drawn(job, chosen, parts[source])))
    return galleries


def most_disagreed(job, labels: pd.DataFrame) -> Gallery | None:
    """The items on which people disagreed most; None where nobody disagreed. labels: those of people."""
    labels = disagreement.least_sure(job.kind, labels, disagreement.MOST)
    said = disagreement.answers(job)
    said = said[said["item"].isin(labels["item"])]
    agreed = disagreement.agreement(job.kind, said, labels)
    chosen = disagreement.worst(agreed, DISAGREED)
    if chosen.empty:
        return None
    said = said[said["item"].isin(chosen.index)]
    said = said.merge(agreed.rename(columns={"quality": "agreement"}), on=["item", "worker"], how="left")
    return Gallery(
        "most-disagreed",
        "Where people disagreed most",
        "human",
        "The merged label, and beside it what each person said. Look for pictures that are hard to tell, and for "
        "instructions that people understand in different ways.",
        drawn(job, chosen, labels, said),
        "agreement",
    )


def drawn(job, chosen: pd.Series, labels: pd.DataFrame, said: pd.DataFrame | None = None) -> list:
    """The pictures of the items in the index of `chosen`; see `gallery.tiles`."""
    from roundtruth.report.gallery import tiles

    items = job.items(["item", "source"]).iloc[chosen.index - 1]
    items = items.assign(url=job.urls(items))
    return tiles(chosen, labels, items, job.kind, job.spec.classes, job.ranges, said)


def absent(job, summary: dict, charts: list[Chart], galleries: list[Gallery]) -> Iterator[tuple[str, str]]:
    """The parts of the page that have nothing to show, and when they will: (name, sentence)."""
    ended = summary["state"] in ("complete", "stopped")
    there = {chart.name for chart in charts} | {gallery.name for gallery in galleries}
    rounds, two = bool(summary["rounds"]), job.spec.asking.most > 1
    parts = [
        ("items-per-round", "Labels, round by round", "once people have answered a batch", "nobody answered a batch"),
        ("cost-per-round", "Costs", "once something was paid", "nothing was paid"),
        (
            "coverage",
            "How good the model is",
            "once a model was checked on items that people labeled",
            "no model was checked on enough items",
        ),
        ("least-confident-auto", "The model's labels", "once the model labels items", "the model labeled no item"),
        (
            "most-disagreed",
            "Where people disagreed",
            "once two people disagree about an item" if two else "only where several people answer an item",
            "no two people disagreed about an item" if two else "this job asked one person about each item",
        ),
    ]
    for name, title, later, never in parts:
        if name not in there and (name != "cost-per-round" or rounds):
            yield title, f"Not here: {never}." if ended else f"Appears {later}."
    if job.truth() is None:
        yield "Labels against the truth", "Appears only where simulated people answer from a known truth."


def extremes(workers: pd.DataFrame | None) -> dict | None:
    """The workers of the highest and of the lowest skill, all of them where they are few."""
    if workers is None or not len(workers):
        return None
    ranked = workers.sort_values(["skill", "answers"], ascending=False, kind="stable")
    few, alike = len(ranked) <= 2 * SHOWN, bool(ranked["skill"].round(3).nunique() == 1)
    top, bottom = (ranked, ranked[:0]) if few else (ranked.head(SHOWN), ranked.tail(0 if alike else SHOWN))
    return {
        "number": len(ranked),
        "alike": alike and not few,
        "top": top.to_dict("records"),
        "bottom": bottom.to_dict("records"),
    }


def failed(job, state: str) -> pd.DataFrame:
    """(item, source, reason) of the items that cannot be labeled; once a job has ended, of all that have no label."""
    items = job.items()
    if state in ("complete", "stopped"):
        reasons = job.failures().rename("reason").rename_axis("item").reset_index()
        return reasons.merge(items[["item", "source"]], on="item")
    broken = items[items["failure"].notna()]
    return broken.rename(columns={"failure": "reason"})[["item", "source", "reason"]]


def by_reason(reasons: pd.DataFrame) -> dict | None:
    """The items without a label, by reason, the most frequent first; None where there are none.

    {"number": items, "left_out": reasons that are not listed, "rows": [{"reason", "number", "named": items}]}
    """
    if reasons.empty:
        return None
    counts = reasons["reason"].value_counts()
    rows = []
    for reason, number in counts.head(REASONS).items():
        first = reasons[reasons["reason"] == reason].head(NAMED)
        rows.append({"reason": reason, "number": number, "named": first[["item", "source"]].to_dict("records")})
    return {"number": len(reasons), "left_out": max(0, len(counts) - REASONS), "rows": rows}


def facts(spec, summary: dict) -> Iterator[tuple[str, str]]:
    """How the job was made: (name, value) pairs."""
    target, name = spec.target, kinds.get(spec.kind).QUALITY_NAME
    more = len(spec.classes) - 20
    people = {"simulated": "simulated people", "files": "people, by CSV files"}.get(
        spec.workforce.backend, spec.workforce.backend
    )
    yield "Dataset", spec.data
    yield "Classes", ", ".join(words.cut(c, 40) for c in spec.classes[:20]) + (f" and {more} more" if more > 0 else "")
    yield "Plan", spec.plan
    sure = "" if target.certificate == "none" else f", confidence {100 * target.confidence:g}{words.SPACE}%"
    whose = "all labels together" if target.of == "dataset" else "the auto labels"
    yield "Target", f"{name} of {whose} of at least {target.quality:g}, certificate {target.certificate}{sure}"
    yield "Workforce", f"{people}, {words.answers_an_item(spec.asking)}"
    yield (
        "Prices",
        f"{words.price(spec.prices.per_item)} an item and {words.price(spec.prices.per_answer)} an answer of people, "
        f"{words.price(spec.prices.per_auto_label)} an auto label",
    )
    yield "Budget", "none" if spec.budget is None else words.money(spec.budget)
    if spec.predictions is not None:
        yield "Predictions", f"{spec.predictions}; nothing is trained"
    else:
        yield "Learner", spec.learner + ("" if spec.pool is None else f", in the work pool {spec.pool}")
        yield "Backbone weights", summary["weights"] or "none yet"
    yield "Seed", str(spec.seed)
