"""Who of a job's people is paused or removed.

Each change is a file, people/workers/N.json, numbered from 1 without a gap: {"worker", "what", "at"}. `what` is
"pause", "resume" or "remove". Who wants to add one writes the next number, once, as in `roundtruth.workforce.page_log`.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from threading import Lock

from roundtruth.storage import Store
from roundtruth.workforce.page_log import read_entry

FOLDER = "people/workers/"
NAME = re.compile(rf"{FOLDER}([1-9][0-9]*)\.json")
STATES = {"pause": "paused", "resume": "active", "remove": "removed"}


class People:
    """What the job folder says of its people, as far as it was read. Several threads may use it."""

    def __init__(self, store: Store):
        self.store, self.lock, self.read_to = store, Lock(), 0
        self.states: dict[str, str] = {}  # by worker: see STATES; who is not there is active

    def read(self, paths: Iterable[str]) -> None:
        """Read the changes among the files of the job folder that are not known yet."""
        numbers = sorted(int(found[1]) for path in paths if (found := NAME.fullmatch(path)))
        with self.lock:
            for number in numbers:
                if number > self.read_to:
                    self._add(number, read_entry(self.store, path_of(number)))

    def change(self, worker: str, what: str) -> None:
        """Pause, resume or remove a worker; it is on the disk when this returns."""
        entry = {"worker": worker, "what": what, "at": datetime.now(UTC).isoformat(timespec="microseconds")}
        with self.lock:
            while not self.store.write_json(path_of(self.read_to + 1), entry):
                number = self.read_to + 1  # another server was faster
                self._add(number, read_entry(self.store, path_of(number)))
            self._add(self.read_to + 1, entry)

    def state(self, worker: str) -> str:
        return self.states.get(worker, "active")

    def away(self) -> set[str]:
        """Who gets no items."""
        return {worker for worker, state in self.states.items() if state != "active"}

    def _add(self, number: int, entry: dict) -> None:
        self.states = self.states | {entry["worker"]: STATES[entry["what"]]}  # other threads read it
        self.read_to = number


def path_of(number: int) -> str:
    return f"{FOLDER}{number}.json"
