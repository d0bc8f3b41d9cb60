"""One job on the labeling page: hands out its items, and takes what people say of them."""

import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Event, Lock
from typing import Any

import pandas as pd

from roundtruth import answers, plans
from roundtruth.csv_table import numbers_of
from roundtruth.job import Job
from roundtruth.kinds.common import RowMistakes
from roundtruth.manifest import is_text
from roundtruth.plural import counted
from roundtruth.serve import crowd, links, people
from roundtruth.serve.crowd import Submission
from roundtruth.storage import open_store
from roundtruth.workforce import gold, page, page_log
from roundtruth.workforce.page import Crowd
from roundtruth.workforce.page_log import FOLDER, Entry, Item

AT_ONCE = 2  # items that one page has: the one on the screen, and the next one
LOOK = {"disk": 1.0, "s3": 5.0}  # seconds between two looks at what others wrote in the job folder
MOST_ROWS = 5_000  # of one answer
LONGEST_TEXT = 1_000  # characters of a reason, or of one value of a row
MINE = 20  # answers that a person may go back to

PAUSED = "The owner of the job has paused your work."
OTHERS = re.compile(
    rf"{FOLDER}|{links.FOLDER}|{crowd.FOLDER}|{people.FOLDER}|(?:report|output)/"
)  # what does not say how the job stands


class Refused(Exception):
    """An answer that is not taken: an HTTP status, and why."""

    def __init__(self, status: int, why: str):
        super().__init__(why)
        self.status = status


class Desk:
    """Several threads may use it. What it knows is what the job folder says, at most a few seconds old."""

    def __init__(self, address: str, complete: Callable[["Desk", int], None] = lambda desk, round: None):
        """complete(desk, round) is called once when the last answer that a round's batch needs is in; once more if it
        was complete, and more answers were asked for or one was sent back."""
        self.store = open_store(address)
        self.log, self.people = page_log.Log(self.store), people.People(self.store)
        self.told = Event()  # set once a page was told that the job has ended
        self._complete, self._looking, self._looked = complete, Lock(), 0.0
        self._every = LOOK["s3" if address.startswith("s3://") else "disk"]
        # (round, answers that were asked for, answers sent back) at the calls of complete
        self._completed: set[tuple[int, int, int]] = set()
        self.files: frozenset[str] = frozenset()  # those that say how the job stands
        self.links: dict[str, links.Link] = {}
        self._visits: dict[str, crowd.Submission] = {}  # by session
        self._judged: dict[str, tuple[tuple, pd.DataFrame]] = {}  # by worker: see judged
        self.look(anew=True)
        self.id = links.job_id(self.store) if self.spec.workforce.backend == "page" else ""

    # -- how the job stands

    def look(self, anew: bool = False) -> None:
        """Learn what others wrote, other servers and the job's own steps, unless somebody looks now or did just now."""
        if not anew and time.monotonic() - self._looked < self._every:
            return
        if not self._looking.acquire(blocking=anew):
            return
        try:
            paths = self.store.list()
            self.log.read(paths)
            self.people.read(paths)
            self.links = {link.id: link for link in links.links(self.store, self.links)}
            self._visits = crowd.submissions(self.store, self._visits)
            self.has_report = "report/index.html" in paths
            files = frozenset(path for path in paths if not OTHERS.match(path))
            if files != self.files:
                self._read(Job(self.store.address))
                self.files = files
            self._sort(list(self.asked))
            self._looked = time.monotonic()
        finally:
            self._looking.release()

    def _read(self, job: Job) -> None:
        opened = [round for round in job.rounds_with("posted.json") if not job.has(round, "closed.json")]
        self.job, self.spec = job, job.spec
        self.round = opened[-1] if opened else 0
        # How many answers the page is to bring of each item of the open batch
        want: dict[int, int] = answers.wanted(job, self.round).to_dict() if opened else {}
        self.asked = page.still_wanted(job, self.round, want, self.log)
        self.left, self.free = dict.fromkeys(self.asked), dict.fromkeys(self.asked)
        self.gold = gold.of(job.store, job.spec.workforce) if job.spec.workforce.backend == "page" else None
        self.state = plans.state(job)

    def _sort(self, items: list[int]) -> None:
        """See anew which items of the batch want answers (`left`), and which of them somebody may get now (`free`)."""
        now = time.time()
        with self.log.lock:
            for item in items:
                known = self.log.items[item]
                if item not in self.asked or known.settled(self.asked[item]):
                    self.left.pop(item, None)
                    self.free.pop(item, None)
                    continue
                self.left[item] = None
                if known.labels() + len(known.holders(now, self.people.away())) < self.asked[item]:
                    self.free[item] = None
                else:
                    self.free.pop(item, None)

    @cached_property
    def items(self) -> pd.DataFrame:
        """(item, source, width, height) of all items."""
        return self.job.items(["item", "source", "width", "height"])

    def worker(self, text: str, link: str) -> str | None:
        """Whose the token is; None where it opens nothing."""
        found = self.links.get(link) or links.one(self.store, link)  # it may have been made just now
        good = found is not None and links.opens(text, self.id, found) and self.people.state(found.worker) != "removed"
        return found.worker if found and good else None

    def standing(self, worker: str, nothing: bool = False) -> dict[str, Any]:
        """What a page shows besides the items. nothing: the worker has no item, and got none."""
        mine, left = self.log.said[worker], len(self.left)
        over = self.state in ("complete", "stopped")
        if over:
            self.told.set()
        visit = self._visit(worker)
        if visit and (nothing or self._is_over(visit)):
            over = True
        over = over or self.is_out(worker)
        paused = self.people.state(worker) == "paused"
        state = "done" if over else "paused" if paused else "open" if left and not nothing else "waiting"
        return {
            "state": state,
            "exit": self._exit(worker) if visit and over else "",
            "round": self.round or self.job.last_round(),
            "mine": mine,
            "answered": self._answered(visit) if visit else len(self.asked) - left,
            "asked": self._size() if visit else len(self.asked),
            "note": PAUSED if state == "paused" else self._note(left) if state == "waiting" else "",
        }

    def _visit(self, worker: str) -> crowd.Submission | None:
        """The newest submission of a worker from the crowd; None for the others."""
        if not worker.startswith(crowd.PREFIX):
            return None
        mine = [visit for visit in self._visits.values() if visit.worker == worker]
        return max(mine, key=lambda visit: visit.began, default=None)

    def enter(self, participant: str, study: str, session: str) -> str | None:
        """The token of a submission; None where there is nothing to label, or the submission is another's."""
        visit = self._visits.get(session) or crowd.one(self.store, session)
        if visit is None and not (self.crowd and self.round and self.left):
            return None
        if self.people.state(f"{crowd.PREFIX}{participant}") == "removed":
            return None
        if visit is None:
            visit = crowd.enter(self.store, self.crowd, participant, study, session)
        if (visit.participant, visit.study) != (participant, study):
            return None
        self._visits[session] = visit
        link = links.one(self.store, visit.link)
        return links.token(self.id, link) if link else None

    def _is_over(self, visit: crowd.Submission) -> bool:
        """Whether a submission has its whole bundle, or no more time."""
        return visit.end <= time.time() or self._answered(visit) >= self._size()

    def _answered(self, visit: crowd.Submission) -> int:
        """How many items of a submission are answered."""
        with self.log.lock:
            items = crowd.bundle(self.log, visit)
            return sum(visit.worker in self.log.items[item].answers for item in items)

    @property
    def crowd(self) -> Crowd | None:
        """What the job file says of people from Prolific."""
        return getattr(self.spec.workforce, "crowd", None)

    def _size(self) -> int:
        return self.crowd.bundle if self.crowd else 0

    def _exit(self, worker: str) -> str:
        """Where a person who is done goes back to Prolific; nowhere without an answer."""
        return crowd.EXIT.format(code=self.crowd.code) if self.crowd and self.log.said[worker] else ""

    def _may_have_more(self, worker: str) -> bool:
        """Whether a person may get an item that they did not have before."""
        visit = self._visit(worker)
        if visit is None:
            return True
        with self.log.lock:
            return visit.end > time.time() and len(crowd.bundle(self.log, visit)) < self._size()

    def _note(self, left: int) -> str:
        """Why there is nothing to do now. left: pictures of the open batch that still want answers."""
        last = self.job.last_round()
        if last == 0:
            return "The job is being prepared."
        if left:
            return counted(left, "picture[|s] of this batch [waits|wait] for other people.")
        if self.round:
            return f"Round {last} has all its answers. The job goes on soon."
        return f"The model is learning from round {last}."

    def is_complete(self) -> bool:
        """Whether the open batch has all its answers."""
        return self.round > 0 and not self.left

    def submissions(self) -> list[Submission]:
        """The submissions of the crowd, in the order in which they began."""
        return sorted(self._visits.values(), key=lambda visit: visit.began)

    # -- items to people

    def give(self, worker: str, have: list[int]) -> list[int]:
        """The items that a worker is to do next, with which the page has AT_ONCE: the ones that it lost first, as when
        it was opened anew, then others. The same ones are given again until they are answered."""
        if self.is_out(worker) or self.people.state(worker) != "active":
            return []
        have = [item for item in have if self._lend(worker, item)]
        given: list[int] = []
        for item in self._held(worker):
            if len(have) + len(given) < AT_ONCE and item not in have and self._lend(worker, item):
                given.append(item)
        while len(have) + len(given) < AT_ONCE and self._may_have_more(worker):
            item = self._new(worker, [*have, *given])
            if item is None:
                break
            given.append(item)
        return given

    def _held(self, worker: str) -> list[int]:
        """What the worker was given and did not answer."""
        with self.log.lock:
            return [item for item in self.log.had[worker] if worker not in self.log.items[item].answers]

    def _new(self, worker: str, but: list[int]) -> int | None:
        """Give a worker an item that they did not have before; None where there is none."""
        with self.log.lock:
            had = set(self.log.had[worker])
        if self.left and self.gold:
            golds = len(had.intersection(self.gold.items.index))
            if gold.due(self.spec.seed, worker, len(had), golds, self.spec.workforce.gold_share):
                for item in self.gold.items.index:
                    if item not in had and self._lend(worker, item):
                        return item
        while True:
            with self.log.lock:
                item = next((item for item in self.free if item not in had and item not in but), None)
            if item is None or self._lend(worker, item):
                return item
            had.add(item)

    def _lend(self, worker: str, item: int) -> bool:
        """Give a worker an item of the open batch, or more time for it; False where nobody else is wanted."""
        while self._is_open(item):
            now = datetime.now(UTC)
            lease = self._lease(worker, now)
            if lease <= timedelta():
                return False
            with self.log.lock:
                known = self.log.items[item]
                if not known.free(self._wanted(item), now.timestamp(), worker, self.people.away()):
                    return False
                if known.until.get(worker, 0) > (now + lease / 2).timestamp():
                    return True
                number = known.entries + 1
            entry = {"what": "given", "worker": worker, "at": stamp(now), "until": stamp(now + lease)}
            lent = self.log.append(item, number, entry)
            self._sort([item])
            if lent:
                return True
        return False

    def _lease(self, worker: str, now: datetime) -> timedelta:
        """How long an item waits for a worker: for one from the crowd until the submission ends."""
        visit = self._visit(worker)
        if visit:
            return datetime.fromtimestamp(visit.end, UTC) - now
        return timedelta(minutes=getattr(self.spec.workforce, "lease_minutes", page.Settings().lease_minutes))

    def _is_open(self, item: int) -> bool:
        return item in self.asked or (self.round > 0 and self._is_gold(item))

    def _is_gold(self, item: int) -> bool:
        return self.gold is not None and item in self.gold.items.index

    def _wanted(self, item: int) -> float:
        """How many people are to label an item: everybody may label one whose label is known."""
        return math.inf if self._is_gold(item) else self.asked.get(item, 0)

    # -- known answers

    def is_out(self, worker: str) -> bool:
        """Whether a worker gets no more items, for their answers to items whose labels are known."""
        if self.gold is None:
            return False
        return worker in gold.not_good_enough(self.judged(worker), self.spec.workforce.gold_least)

    def judged(self, worker: str) -> pd.DataFrame:
        """How good a worker's answers to items with known labels are, as `gold.quality` says it."""
        with self.log.lock:
            answers = [self.log.items[item].answers.get(worker) for item in self.log.had[worker] if self._is_gold(item)]
        said = tuple(entry["nonce"] for entry in answers if entry)
        if self.gold is None or not said:
            return gold.NOBODY
        if worker not in self._judged or self._judged[worker][0] != said:
            self._judged[worker] = said, gold.quality(self._golds_of(worker), self.gold, self.job.kind)
        return self._judged[worker][1]

    def _golds_of(self, worker: str) -> pd.DataFrame:
        """A worker's answers to items whose labels are known."""
        with self.log.lock:
            mine = [item for item in self.log.had[worker] if self._is_gold(item)]
            said = {item: {worker: self.log.items[item].answers.get(worker)} for item in mine}
        said = {item: entries for item, entries in said.items() if entries[worker]}
        sizes = self.gold.items if self.gold else self.items
        return page.table(said, self.job.kind, self.spec.classes, sizes)

    def is_training(self, worker: str) -> bool:
        """Whether a worker learns of the next answers whether they are right."""
        if self.gold is None:
            return False
        return int(self.judged(worker)["golds"].sum()) < min(gold.TRAINING, len(self.gold.items))

    def feedback(self, worker: str, item: int) -> dict | None:
        """What a worker learns of their answer to one of the first items whose labels are known."""
        if self.gold is None or item not in self.gold.items.index:
            return None
        with self.log.lock:
            golds = [one for one in self.log.had[worker] if self._is_gold(one)]
        if item not in golds[: gold.TRAINING]:
            return None
        mine = self._golds_of(worker)
        mine, right = mine[(mine["item"] == item) & mine["reason"].isna()], self.gold.labels
        right = right[right["item"] == item]
        least = self.spec.workforce.gold_least
        good = len(mine) > 0 and self.job.kind.quality(mine, right)[item] >= least
        shown = self.job.kind.write_answers(right, self.spec.classes).to_dict("records")
        rows = [row for row in shown if any(row.values())]
        label = self.numbers([row for row in rows if row.get("class") != ""])
        return {"right": bool(good), "text": self.job.kind.words(right, self.spec.classes), "label": label}

    def may_see(self, worker: str, item: int) -> bool:
        """Whether a worker was ever given an item, by any server."""
        if not self._was_given(worker, item) and self.has(item):
            self.log.catch_up(item)
        return self._was_given(worker, item)

    def _was_given(self, worker: str, item: int) -> bool:
        with self.log.lock:
            return item in self.log.items and worker in self.log.items[item].given

    # -- answers from people

    def take(self, worker: str, given: Any) -> None:
        """Take an answer as the page sends it; it is on the disk when this returns. Raises Refused."""
        nonce, item, answer = checked(given)
        if not self.may_see(worker, item):
            raise Refused(404, "This picture was not given to you.")
        if not self._is_open(item):
            self.look(anew=True)  # another server may know of a newer batch
        answer = self._read_answer(worker, item, answer)
        while True:
            now = datetime.now(UTC)
            with self.log.lock:
                known = self.log.items[item]
                if nonce in known.nonces:
                    entry, number = None, 0
                else:
                    entry, number = self._entry(known, worker, item, answer, now), known.entries + 1
            if entry is None:
                break
            if self.log.append(item, number, {**entry, "nonce": nonce}):
                break
        self._taken(item, nonce)

    def _entry(self, known: Item, worker: str, item: int, answer: Entry, now: datetime) -> Entry:
        since = now - datetime.fromisoformat(known.given[worker])
        entry = {"worker": worker, "at": stamp(now), **answer}
        entry["seconds"] = min(answer["seconds"], max(0.0, since.total_seconds()))
        return {"what": "late" if self._late(known, worker, item, answer, now) else "answer", **entry}

    def _late(self, known: Item, worker: str, item: int, answer: Entry, now: datetime) -> bool:
        if not self._is_open(item):
            return True
        before = known.answers.get(worker)
        if before is not None and (before["label"] is not None or answer["label"] is None):
            return False
        ahead = known.ahead(worker, now.timestamp(), self.people.away())
        return answer["label"] is not None and known.labels() + ahead >= self._wanted(item)

    def _taken(self, item: int, nonce: str) -> None:
        self._sort([item])
        with self.log.lock:
            late = self.log.items[item].nonces[nonce] == "late"
        if late and not self._is_open(item):
            raise Refused(409, "The batch was closed before this answer came. It is kept, but it does not count.")
        if late:
            raise Refused(409, "This picture waited too long and went to somebody else. Your answer is kept.")
        self.tell()

    def tell(self) -> None:
        """Say that the open batch is complete, if it is and nobody said so."""
        with self.log.lock:
            now = self.round, sum(self.asked.values()), self.log.sent_back
            if not self.is_complete() or now in self._completed:
                return
            self._completed.add(now)
        self._complete(self, self.round)

    # -- what the owner does

    def invite(self, name: str) -> str:
        """Make sure that a person has a good link; their name, as links spell it. Who was removed is back then."""
        link = links.of(self.store, name)
        if self.people.state(link.worker) == "removed":
            self.people.change(link.worker, "resume")
        self.look(anew=True)
        return link.worker

    def change(self, worker: str, what: str) -> None:
        """Pause, resume or remove a worker. What they have and did not answer is free at once. Links of a worker who is
        removed are revoked."""
        self.look(anew=True)
        self.people.change(worker, what)
        if what == "remove":
            links.revoke(self.store, worker)
        if what != "resume":
            for item in self._held(worker):
                self._take_from(worker, item)
        self.look(anew=True)

    def _take_from(self, worker: str, item: int) -> None:
        """Give an item to others that a worker has."""
        while True:
            now = datetime.now(UTC)
            with self.log.lock:
                known = self.log.items[item]
                has, number = worker in known.holders(now.timestamp()), known.entries + 1
            if not has or self.log.append(item, number, {"what": "back", "worker": worker, "at": stamp(now)}):
                return

    def send_back(self, worker: str, item: int, comment: str) -> None:
        """Have a worker answer an item of the open batch anew. Their answer does not count any more, and they get the
        item before others, for as long as a lease. Raises Refused."""
        self.look(anew=True)
        while True:
            now = datetime.now(UTC)
            with self.log.lock:
                known = self.log.items[item]
                answered, number = worker in known.answers, known.entries + 1
            if item not in self.asked:
                raise Refused(
                    409, "The batch of this picture is closed. Its answers are merged, so none can be changed."
                )
            if not answered:
                raise Refused(409, "This answer was sent back already, or there is none.")
            lease = self._lease(worker, now) if self.people.state(worker) == "active" else timedelta()
            until = stamp(now + max(lease, timedelta()))
            entry = {"what": "again", "worker": worker, "at": stamp(now), "until": until, "comment": comment}
            if self.log.append(item, number, entry):
                self._sort([item])
                return

    def _read_answer(self, worker: str, item: int, answer: Entry) -> Entry:
        """The answer, validated as strictly as a row of a CSV, with its values as text. Raises Refused."""
        kind, rows = self.job.kind, answer["label"]
        if rows is None:
            return answer
        if kind.ONE_PER_ITEM and len(rows) != 1:
            raise Refused(422, f"Give one {kind.THING}.")
        texts = [{name: text(row[name]) for name in kind.CSV} for row in rows if set(row) == set(kind.CSV)]
        if len(texts) != len(rows):
            raise Refused(422, f"Every {kind.THING} has exactly these values: {', '.join(kind.CSV)}.")
        frame = pd.DataFrame(texts or [dict.fromkeys(kind.CSV, "")], columns=kind.CSV, dtype="str")
        mistakes = RowMistakes()
        sizes = self.row(item)
        page.read(frame.assign(item=item, worker=worker, reason=""), kind, self.spec.classes, sizes, mistakes)
        if len(mistakes):
            row, why = next(iter(mistakes.reasons().items()))
            raise Refused(422, f"{kind.THING.capitalize()} {row + 1}: {why}")
        return {**answer, "label": texts}

    def mine(self, worker: str) -> list[dict]:
        """A worker's answers to the open batch, the newest first."""
        with self.log.lock:
            had = [item for item in self.log.had[worker] if item in self.asked]
            said = [(item, self.log.items[item].answers.get(worker)) for item in had]
        said = [(item, entry) for item, entry in said if entry]
        said.sort(key=lambda one: one[1]["at"], reverse=True)
        return [
            self.shown(item)
            | {"label": self.numbers(entry["label"]), "nothing": entry["label"] == [], "reason": entry["reason"]}
            for item, entry in said[:MINE]
        ]

    def numbers(self, rows: list[dict] | None) -> list[dict] | None:
        """The rows of an answer as the page drew them: what is a number is no text."""
        numbers = numbers_of(self.job.kind)
        return rows and [{name: float(row[name]) if name in numbers else row[name] for name in row} for row in rows]

    def given(self, worker: str, item: int) -> dict:
        """An item as the page of a worker gets it, with their own label and the comment where it was sent back."""
        with self.log.lock:
            back = self.log.items[item].sent_back.get(worker)
        label, comment = (self.numbers(back["label"]), back["again"]["comment"]) if back else (None, "")
        return self.shown(item) | {"label": label, "comment": comment}

    def has(self, item: int) -> bool:
        """Whether the job has an item with this number."""
        return 0 < item <= self.job.begun["items"] or self._is_gold(item)

    def shown(self, item: int) -> dict:
        """An item as a page gets it."""
        row = self.row(item).iloc[0]
        return {"item": item, "picture": f"pictures/{item}", "width": int(row["width"]), "height": int(row["height"])}

    def url(self, item: int) -> str:
        """Where the picture of an item is."""
        return self.row(item)["url"].iloc[0] if self._is_gold(item) else self.job.urls(self.row(item))[0]

    def row(self, item: int) -> pd.DataFrame:
        """(item, width, height, ...) of one item."""
        return self.gold.items.loc[[item]] if self.gold and self._is_gold(item) else self.items.iloc[[item - 1]]


def checked(given: Any) -> tuple[str, int, Entry]:
    """The nonce, the item, and what is kept of an answer as a page sends it. Raises Refused."""
    if not isinstance(given, dict):
        raise Refused(422, "An answer is a JSON object.")
    nonce, item, label = given.get("nonce"), given.get("item"), given.get("label")
    reason, seconds = given.get("reason", ""), given.get("seconds")
    if not isinstance(nonce, str) or not re.fullmatch("[0-9a-f]{32}", nonce):
        raise Refused(422, "nonce: 32 hexadecimal digits.")
    if type(item) is not int or not 0 < item < 2**53:
        raise Refused(422, "item: a number from 1.")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not math.isfinite(seconds) or seconds < 0:
        raise Refused(422, "seconds: a number from 0.")
    if not isinstance(reason, str) or len(reason) > LONGEST_TEXT or not is_text(reason):
        raise Refused(422, f"reason: a text of at most {LONGEST_TEXT} characters.")
    if (label is None) == (reason.strip() == ""):
        raise Refused(422, "Give either a label, or the reason why there is none.")
    if label is not None:
        check_rows(label)
        if (label == []) != (given.get("nothing") is True):
            raise Refused(422, "Say `nothing` where there is nothing to draw, and only there.")
    return nonce, item, {"label": label, "reason": reason.strip(), "seconds": float(seconds)}


def check_rows(label: Any) -> None:
    if not isinstance(label, list) or not all(isinstance(row, dict) for row in label):
        raise Refused(422, "label: a list of objects.")
    if len(label) > MOST_ROWS:
        raise Refused(422, f"label: at most {MOST_ROWS} rows.")


def text(value: Any) -> str:
    """A value of a row as a CSV has it."""
    if isinstance(value, str) and len(value) <= LONGEST_TEXT and is_text(value):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    raise Refused(422, f"A value is a number, or a text of at most {LONGEST_TEXT} characters.")


def stamp(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
