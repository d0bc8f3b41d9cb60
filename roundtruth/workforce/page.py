"""People who label on the page that `roundtruth serve` shows them. Their answers are files in the job folder."""

from collections import Counter
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from roundtruth.kinds.common import RowMistakes
from roundtruth.plural import counted
from roundtruth.settings import Address, Number, Strict, Whole
from roundtruth.tables import as_answers, no_answers
from roundtruth.workforce import PER_ITEM, Collected, PerItem, gold, page_log

SHOWN = 10  # names in a line
DESCRIPTION = "people, on a labeling page"
PATHS = ("gold",)


class Crowd(Strict):
    """Strangers who come from Prolific, a submission each for a bundle of items."""

    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{4,64}$")] = Field(
        description="The study's completion code, which takes people back to Prolific."
    )
    study: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,64}$")] | None = Field(
        None, description="The id of the study. Without it, the only job that is served with a crowd takes everybody."
    )
    bundle: Annotated[Whole, Field(ge=1, le=1000)] = Field(20, description="How many items a submission has.")
    minutes: Annotated[Number, Field(gt=0, le=10_000)] = Field(
        60.0, description="The study's maximum time. Then the items of a submission that are left go to others."
    )


class Settings(Strict):
    """People who label on a page, see `roundtruth serve`."""

    backend: Literal["page"] = Field("page", description="People who label on a page.")
    answers_per_item: PerItem = PER_ITEM
    lease_minutes: Annotated[Number, Field(gt=0, le=10_000)] = Field(
        30.0, description="How long an item waits for one person. Then somebody else gets it."
    )
    gold: Address | None = Field(
        None,
        description="Pictures whose labels are known, in any format that `data` may have. People label them among the "
        "others: the first five show each person what is right, later ones check silently.",
    )
    gold_share: Annotated[Number, Field(ge=0, le=0.5)] = Field(
        0.05, description="The share of pictures with known labels, after the first five."
    )
    gold_least: Annotated[Number, Field(ge=0, le=1)] = Field(
        0.5,
        description="The least mean quality of a person's answers to pictures with known labels. Who is below it after "
        "five of them gets no more items; what was done is paid, and flagged.",
    )
    crowd: Crowd | None = Field(None, description="People who come from Prolific, beside those with a link.")


class Backend:
    NEXT = (
        "when no answer is missing, `roundtruth label` goes on by itself. Beside `roundtruth serve`, run the job again "
        "then, unless Prefect does."
    )

    def __init__(self, job):
        self.job = job

    def ask(self, round: int, items: pd.DataFrame, labels: pd.DataFrame | None = None) -> dict:
        """The page shows what the job folder says that was asked; nothing else is to be done."""
        return {"items": items["item"].tolist()}

    def where(self, posted: dict) -> str:
        return "People label on the page that `roundtruth serve` or `roundtruth label` shows."

    def collect(self, posted: dict[int, dict]) -> Collected:
        """Everybody's newest word on each item; nothing more comes once every item of an open batch has enough.

        Nobody is given an item of a closed batch, so only the newest of these is read, for what came while it was
        closed.
        """
        job, people = self.job, self.job.spec.workforce
        closed = [round for round in sorted(posted) if job.has(round, "closed.json")]
        handles = [handle for round, handle in posted.items() if round not in closed]
        asked = {item: count for handle in handles for item, count in zip(handle["items"], handle["answers"])}
        log = page_log.Log(job.store)
        paths = job.store.list(page_log.FOLDER)
        about = set(asked).union(*(posted[round]["items"] for round in closed[-1:]))
        log.read(path for item, _, path in page_log.entries_in(paths) if item in about or item > job.begun["items"])
        known = gold.of(job.store, people)
        said = {item: known.words() for item, known in log.items.items()}
        answers = table(said, job.kind, job.spec.classes, sizes(job, known))
        notes = flagged(answers, known, job.kind, people.gold_least) if known else []
        for round in set(posted).difference(closed):
            asked |= still_wanted(job, round, {item: asked[item] for item in posted[round]["items"]}, log)
        exhausted = all(log.items[item].settled(count) for item, count in asked.items())
        return Collected(answers[answers["item"] <= job.begun["items"]], exhausted, notes=notes)


def still_wanted(job, round: int, asked: dict[int, int], log: page_log.Log) -> dict[int, int]:
    """How many answers to each item of a round's batch the page is to bring, where `asked` are wanted in all: others
    may have come by files before the job file named the page."""
    if all(job.read_json(path)["backend"] == "page" for path in job.listed(job.path(round, "posted"))):
        return asked
    said = job.answers(round)
    said = said.loc[said["reason"].isna() & said["item"].isin(asked), ["item", "worker"]].drop_duplicates()
    with log.lock:
        others = Counter(item for item, worker in said.itertuples(index=False) if worker not in log.items[item].words())
    return {item: count - others[item] for item, count in asked.items()}


def sizes(job, known: gold.Gold | None) -> pd.DataFrame:
    """(item, width, height) of the job's items, and of those with known labels."""
    items = job.items(["item", "width", "height"])
    return pd.concat([items, known.items[items.columns]], ignore_index=True) if known else items


def flagged(answers: pd.DataFrame, known: gold.Gold, kind, least: float) -> list[str]:
    """A line about who gets no more items, where there is anybody."""
    names = gold.not_good_enough(gold.quality(answers, known, kind), least)
    if not names:
        return []
    shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    told = "person[|s] [gets|get] no more items: [their|their] answers to pictures with known labels are below"
    return [f"{counted(len(names), told)} {least:g} ({shown})"]


def table(said: dict[int, dict[str, page_log.Entry]], kind, classes: list[str], sizes: pd.DataFrame) -> pd.DataFrame:
    """The answers by item and worker, as `roundtruth.tables` has them."""
    rows = [
        {"item": item, "worker": worker, **row, "reason": entry["reason"], "submitted_at": entry["at"]}
        | {"seconds": entry["seconds"]}
        for item, entries in said.items()
        for worker, entry in entries.items()
        for row in entry["label"] or [dict.fromkeys(kind.CSV, "")]
    ]
    if not rows:
        return no_answers(kind)
    frame = pd.DataFrame(rows)
    labels = read(frame, kind, classes, sizes, RowMistakes())
    times = pd.to_datetime(frame["submitted_at"], utc=True).dt.as_unit("us")
    return as_answers(labels.join(frame[["seconds"]]).assign(submitted_at=times), kind)


def read(frame: pd.DataFrame, kind, classes: list[str], sizes: pd.DataFrame, mistakes: RowMistakes) -> pd.DataFrame:
    """(item, worker, the kind's columns, reason) from rows of answers as text; what is wrong is added to `mistakes`."""
    given = (frame["reason"] == "").to_numpy()
    labels = kind.read_answers(frame.loc[given, kind.CSV], classes, mistakes)
    said = frame.loc[given, ["item", "worker"]].join(labels[list(kind.COLUMNS)]).astype(kind.COLUMNS)
    right = kind.check(said, sizes, mistakes)
    return pd.concat([right, frame.loc[~given, ["item", "worker"]]]).sort_index().join(frame["reason"])
