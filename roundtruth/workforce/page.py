"""People who label on the page that `roundtruth serve` shows them. Their answers are files in the job folder."""

from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from roundtruth.kinds.common import RowMistakes
from roundtruth.settings import Number, Strict, Whole
from roundtruth.tables import as_answers, no_answers
from roundtruth.workforce import Collected, page_log

DESCRIPTION = "people, on a labeling page"
PATHS = ()


class Settings(Strict):
    """People who label on a page, see `roundtruth serve`."""

    backend: Literal["page"] = Field("page", description="People who label on a page.")
    answers_per_item: Annotated[Whole, Field(ge=1, le=1000)] = Field(3, description="How many people answer each item.")
    lease_minutes: Annotated[Number, Field(gt=0, le=10_000)] = Field(
        30.0, description="How long an item waits for one person. Then somebody else gets it."
    )


class Backend:
    def __init__(self, job):
        self.job = job

    def ask(self, round: int, items: pd.DataFrame, labels: pd.DataFrame | None = None) -> dict:
        """The page shows what the job folder says that was asked; nothing else is to be done."""
        return {"items": items["item"].tolist()}

    def where(self, posted: dict) -> str:
        return "People label on the page that `roundtruth serve` or `roundtruth label` shows."

    def collect(self, posted: dict[int, dict]) -> Collected:
        """Everybody's newest word on each item; nothing more comes once every item has enough."""
        log = page_log.Log(self.job.store)
        log.read(self.job.store.list(page_log.FOLDER))
        asked = {item for handle in posted.values() for item in handle["items"]}
        wanted = self.job.spec.workforce.answers_per_item
        answers = table(log, self.job.kind, self.job.spec.classes, self.job.items(["item", "width", "height"]))
        return Collected(answers, all(log.items[item].settled(wanted) for item in asked))


def table(log: page_log.Log, kind, classes: list[str], sizes: pd.DataFrame) -> pd.DataFrame:
    """The answers in a log, as `roundtruth.tables` has them."""
    rows = [
        {"item": item, "worker": worker, **row, "reason": entry["reason"], "submitted_at": entry["at"]}
        | {"seconds": entry["seconds"]}
        for item, known in log.items.items()
        for worker, entry in known.answers.items()
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
