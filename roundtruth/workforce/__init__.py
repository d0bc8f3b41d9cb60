"""Who answers: one module a backend, found by its name in the job file (`workforce: {backend: NAME, ...}`).

A module has
    Settings     what the job file says of this backend: a `roundtruth.settings.Strict` that has at least
                 `backend: Literal[NAME]`; with `answers_per_item` it asks for exactly so many answers
    PATHS        which of these are paths: relative ones are relative to the job file
    DESCRIPTION  who answers, in a few words
    Backend      a class that does what `Workforce` lists
    check(spec, items)  optional: refuses a job whose files of this backend cannot be used, before it begins; `items`
                 has (item, source, labeled, width, height, failure)
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, NamedTuple, Protocol

import pandas as pd
from pydantic import Field

from roundtruth.settings import Whole

BACKENDS = {
    "simulated": "roundtruth.workforce.simulated",
    "files": "roundtruth.workforce.files",
    "page": "roundtruth.workforce.page",
}

PerItem = Annotated[Whole, Field(ge=1, le=1000)] | None
PER_ITEM = Field(
    None, description="How many people answer each item, exactly. Without it the job's `answers` say how many."
)


class Collected(NamedTuple):
    """What one sweep brought."""

    answers: pd.DataFrame  # (item, worker, the kind's columns, submitted_at, seconds, reason), see `roundtruth.tables`
    exhausted: bool  # nothing more will ever come for what was asked so far
    rejected: pd.DataFrame | None = None  # (file, line, reason, the row's cells): what people must mend
    notes: Sequence[str] | None = ()  # what was put right or passed over, a line each; None: the same as before


class Workforce(Protocol):
    """A job's people. `Backend(job)` is made anew for each step, so it keeps nothing itself.

    Two more verbs are optional: `truth()` gives the true labels (item, ...) where they are known, and `where(posted)` a
    sentence for `status`: where the questions are, and where answers go.
    """

    def __init__(self, job): ...

    def ask(self, round: int, items: pd.DataFrame, labels: pd.DataFrame | None = None) -> dict:
        """Ask people about a round's items: (item, answers), `answers` being how many are wanted of each in all.

        Asking again for the same is nothing new; asking for more adds: the job asks on where people disagree. `labels`
        are labels that people are to review. What is returned is kept as JSON in the job folder and given to
        `collect`; the job adds the name of the `backend`, and `answers`, a list of how many are wanted of each item.
        """
        ...

    def collect(self, posted: dict[int, dict]) -> Collected:
        """Whatever anybody said by now, about any round; `posted` has what `ask` last returned, by round.

        It may bring everything each time, or only what `job.answers(round)` does not have yet. The job finds the round
        by the item. An answer says who gave it and when, and how many active seconds it took (NaN: unknown). It has a
        reason in place of a label where a person could not tell. If a worker answers an item again, the newest answer
        counts; all rows of one answer have the same time.

        What people gave and cannot be used is no error: it is `rejected`, and counted until they mend it.
        """
        ...


def module(name: str) -> Any:
    return import_module(BACKENDS[name])


def get(job) -> Workforce:
    return module(job.spec.workforce.backend).Backend(job)
