"""Who was given which item by the labeling page, and what they said: one log an item, in the job folder.

An entry is one file, people/page/ITEM-NUMBER.json, and the numbers of an item count from 1 without a gap. Who wants to
add an entry writes the next number, and only one writer of a number succeeds (`Store.write_once`). The loser reads what
was written and decides anew. So any number of servers on one folder agree on each item without a lock, and a server
that is killed leaves nothing to clear up.

An entry is {"what", "worker", "at", "nonce", ...}:
    given     the worker has the item until "until"
    answer    "label", rows of the kind's CSV columns as text; or "reason", why the worker could not tell; and "seconds"
    back      the worker has the item no more
    late      an answer that came too late to count, kept as it was sent
    again     the worker's answer is sent back with a "comment": it does not count any more, and the worker has the item
              until "until", to answer it anew
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from threading import Lock
from typing import Any, NamedTuple

from roundtruth.errors import UserError
from roundtruth.storage import Store

FOLDER = "people/page/"
NAME = re.compile(rf"{FOLDER}([1-9][0-9]*)-([1-9][0-9]*)\.json")
THREADS = 8  # that read entries: nearly all of their time is waiting

Entry = dict[str, Any]


class Item:
    """What is known of one item: the entries of its log, in their order."""

    def __init__(self):
        self.entries = 0
        # By worker: when the item was taken back, or will be; seconds since 1970. Who has had it longest comes first.
        self.until: dict[str, float] = {}
        self.given: dict[str, str] = {}  # by worker: when they first got it
        self.answers: dict[str, Entry] = {}  # by worker: the newest
        # By worker: an answer that was sent back and waits to be given anew, with the entry that did it as "again"
        self.sent_back: dict[str, Entry] = {}
        self.nonces: dict[str, str] = {}  # of answers and late ones: what they were taken as

    def add(self, entry: Entry) -> None:
        self.entries += 1
        worker, what = entry["worker"], entry["what"]
        if what == "given":
            self._hold(entry)
            self.given.setdefault(worker, entry["at"])
        elif what == "answer":
            self.answers[worker] = entry
            self.sent_back.pop(worker, None)
        elif what == "again" and worker in self.answers:
            self.sent_back[worker] = {**self.answers.pop(worker), "again": entry}
            self._hold(entry)
        elif what == "back":
            self.until.pop(worker, None)
        if what in ("answer", "late"):
            self.nonces[entry["nonce"]] = what

    def _hold(self, entry: Entry) -> None:
        worker, at, until = entry["worker"], seconds(entry["at"]), seconds(entry["until"])
        if self.until.get(worker, 0) <= at:  # not had until then
            self.until.pop(worker, None)
        self.until[worker] = until

    def words(self) -> dict[str, Entry]:
        """Everybody's newest word, by worker. An answer that was sent back is a reason why there is none."""
        back = {worker: taken_back(entry) for worker, entry in self.sent_back.items()}
        return self.answers | back

    def labels(self) -> int:
        """How many people gave it a label."""
        return sum(entry["label"] is not None for entry in self.answers.values())

    def settled(self, wanted: float) -> bool:
        """Whether nobody else is asked: it has the labels that were wanted, or as many people could not tell."""
        labels = self.labels()
        return labels >= wanted or len(self.answers) - labels >= wanted

    def holders(self, now: float, away: Container[str] = ()) -> list[str]:
        """Who has it now and has not answered yet. away: people who get no items, and keep none."""
        held = [worker for worker, until in self.until.items() if until > now and worker not in self.answers]
        return [worker for worker in held if worker not in away]

    def ahead(self, worker: str, now: float, away: Container[str] = ()) -> int:
        """How many others have it, and came before the worker."""
        holders = self.holders(now, away)
        return holders.index(worker) if worker in holders else len(holders)

    def free(self, wanted: float, now: float, worker: str, away: Container[str] = ()) -> bool:
        """Whether the worker may have it: somebody is wanted beside those who answered or came before."""
        if self.settled(wanted) or worker in self.answers:
            return False
        return self.labels() + self.ahead(worker, now, away) < wanted


def seconds(at: str) -> float:
    """A time as entries have it, in seconds since 1970."""
    return datetime.fromisoformat(at).timestamp()


def taken_back(entry: Entry) -> Entry:
    """The word of a worker whose answer was sent back: no label any more. "before" is the label that they gave."""
    again = entry["again"]
    word = {"label": None, "reason": f"sent back: {again['comment']}", "at": again["at"], "before": entry["label"]}
    return {**entry, **word}


class Found(NamedTuple):
    item: int
    number: int
    path: str


def entries_in(paths: Iterable[str]) -> list[Found]:
    """The entries among the files of a job folder, in the order of their numbers."""
    found = [(NAME.fullmatch(path), path) for path in paths]
    return sorted(Found(int(name[1]), int(name[2]), path) for name, path in found if name)


class Log:
    """The logs of a job's items, as far as they were read. Several threads may use it: who looks at items holds `lock`,
    who calls a method does not."""

    def __init__(self, store: Store):
        self.store, self.lock = store, Lock()
        self.items: defaultdict[int, Item] = defaultdict(Item)
        self.entries, self.sent_back = 0, 0  # entries of all items; those that sent an answer back
        self.said: Counter[str] = Counter()  # items that a worker answered
        self.had: defaultdict[str, list[int]] = defaultdict(list)  # items that a worker was given, in this order

    def read(self, paths: Iterable[str]) -> None:
        """Read the entries among the files of the job folder that are not known yet."""
        with self.lock:
            new = [entry for entry in entries_in(paths) if entry.number > self.items[entry.item].entries]
        with ThreadPoolExecutor(THREADS) as threads:
            for entry, value in zip(new, threads.map(lambda entry: self._entry(entry.path), new)):
                self._add(entry.item, entry.number, value)

    def append(self, item: int, number: int, entry: Entry) -> bool:
        """Add the entry with this number to an item's log; it is on the disk when this returns. False where another
        writer was faster; the log was read again then."""
        if self.store.write_once(path_of(item, number), dumped(entry)):
            self._add(item, number, entry)
            return True
        self.catch_up(item)
        return False

    def catch_up(self, item: int) -> None:
        """Read what others added to an item's log."""
        with suppress(FileNotFoundError):
            while True:
                with self.lock:
                    number = self.items[item].entries + 1
                self._add(item, number, self._entry(path_of(item, number)))

    def _add(self, item: int, number: int, entry: Entry) -> None:
        with self.lock:
            known = self.items[item]
            if number == known.entries + 1:  # or another thread added it
                worker = entry["worker"]
                self.said[worker] += entry["what"] == "answer" and worker not in known.answers
                if entry["what"] == "again" and worker in known.answers:
                    self.said[worker] -= 1
                    self.sent_back += 1
                self.entries += 1
                if entry["what"] == "given" and worker not in known.given:
                    self.had[worker].append(item)
                known.add(entry)

    def _entry(self, path: str) -> Entry:
        return read_entry(self.store, path)


def read_entry(store: Store, path: str) -> Entry:
    """Raises FileNotFoundError where it is not there, and UserError where it is damaged."""
    try:
        return store.read_json(path)
    except ValueError:
        raise UserError(f"{store.address}: {path} is damaged: not JSON; restore it from a copy") from None


def path_of(item: int, number: int) -> str:
    return f"{FOLDER}{item}-{number}.json"


def dumped(entry: Entry) -> bytes:
    return json.dumps(entry, ensure_ascii=False, allow_nan=False).encode()
