"""People who come from Prolific: a submission is a visit of one person, for one bundle of items.

A submission is the file people/crowd/SESSION.json in the job folder; Prolific's SESSION_ID is the id of the submission.
Without signed entry a participant's id can be forged, so match submissions before paying.
"""

import math
import re
import time
from datetime import UTC, datetime
from typing import NamedTuple

import pandas as pd

from roundtruth.serve import links
from roundtruth.storage import Store
from roundtruth.workforce.page import Crowd
from roundtruth.workforce.page_log import Log

FOLDER = "people/crowd/"
ENTRY = (  # what Prolific's study URL has behind the address of the server; Prolific fills in the ids
    "/join/prolific?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
)
EXIT = "https://app.prolific.com/submissions/complete?cc={code}"
ID = re.compile(r"[A-Za-z0-9]{1,64}")  # of a participant, a study or a submission; Prolific's have 24 hex digits
PREFIX = "prolific-"  # of the names of these people


class Submission(NamedTuple):
    """One visit. Times are in seconds since 1970."""

    session: str
    participant: str
    study: str
    worker: str
    link: str  # the id of its link
    began: float
    end: float


def visit(participant: str, study: str, session: str) -> tuple[str, str, str] | None:
    """The three ids with which Prolific sends a person; None where they are none."""
    ids = participant, study, session
    return ids if all(ID.fullmatch(one) for one in ids) else None


def enter(store: Store, crowd: Crowd, participant: str, study: str, session: str) -> Submission:
    """The submission of a visit; the same again where the person comes back."""
    if there := one(store, session):
        return there
    worker, now = f"{PREFIX}{participant}", time.time()
    link = links.make(store, worker)
    value = Submission(session, participant, study, worker, link.id, now, now + 60 * crowd.minutes)
    store.write_json(path_of(session), value._asdict())  # unless another server was faster
    return one(store, session) or value


def one(store: Store, session: str) -> Submission | None:
    try:
        return Submission(**store.read_json(path_of(session)))
    except FileNotFoundError:
        return None


def path_of(session: str) -> str:
    return f"{FOLDER}{session}.json"


def submissions(store: Store, known: dict[str, Submission]) -> dict[str, Submission]:
    """All submissions by session. known: those that were read before."""
    names = [path[len(FOLDER) : -len(".json")] for path in store.list(FOLDER) if path.endswith(".json")]
    return {name: known.get(name) or Submission(**store.read_json(path_of(name))) for name in names}


def bundle(log: Log, submission: Submission, until: float = math.inf) -> list[int]:
    """The items that were given in a submission, before the next one of the same person began. The caller holds the
    log's lock."""
    worker = submission.worker
    times = {item: datetime.fromisoformat(log.items[item].given[worker]).timestamp() for item in log.had[worker]}
    return [item for item, at in times.items() if submission.began <= at < until]


def table(log: Log, found: list[Submission]) -> pd.DataFrame:
    """A row a submission, for paying: (platform, study, submission, participant, began, last_answer, items, answers,
    active_seconds, median_seconds). Times are texts in UTC; seconds are those in which the person was active."""
    rows = []
    with log.lock:
        for visited in found:
            later = [other.began for other in found if other.worker == visited.worker and other.began > visited.began]
            items = bundle(log, visited, min(later, default=math.inf))
            said = [
                log.items[item].answers[visited.worker] for item in items if visited.worker in log.items[item].answers
            ]
            seconds = pd.Series([entry["seconds"] for entry in said], dtype=float)
            rows.append(
                {
                    "platform": "prolific",
                    "study": visited.study,
                    "submission": visited.session,
                    "participant": visited.participant,
                    "began": datetime.fromtimestamp(visited.began, UTC).isoformat(timespec="seconds"),
                    "last_answer": max((entry["at"] for entry in said), default=""),
                    "items": len(items),
                    "answers": len(said),
                    "active_seconds": round(seconds.sum(), 1),
                    "median_seconds": round(seconds.median(), 1) if said else None,
                }
            )
    columns = ["platform", "study", "submission", "participant", "began", "last_answer", "items", "answers"]
    return pd.DataFrame(rows, columns=[*columns, "active_seconds", "median_seconds"])
