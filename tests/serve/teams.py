"""A team at the labeling page: its server as a process, and people who label without a browser."""

import random
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import httpx

from roundtruth import loop
from roundtruth.job import Job
from roundtruth.serve import links
from roundtruth.serve.desk import Desk
from roundtruth.spec import JobSpec
from roundtruth.workforce import page_log

PATIENCE = 600.0


def until(true) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


class Server:
    """`roundtruth serve`, which can be killed and started again at the same port."""

    def __init__(self, folder: str):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = ["-m", "roundtruth.cli", "serve", folder, "--port", str(self.port)]
        self.command = [sys.executable, *command]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Worker(threading.Thread):
    """A person's page: it labels whatever it is given, and sends each answer until the server took it."""

    def __init__(self, job: Job, name: str, servers: list[Server], leaves_after: int | None = None):
        super().__init__(name=f"{name} {job.spec.name}", daemon=True)
        self.at = f"/w/{links.token(links.job_id(job.store), links.of(job.store, name))}"
        self.servers, self.leaves_after = servers, leaves_after
        self.said: dict[int, str] = {}
        self.fault = ""

    def run(self) -> None:
        try:
            self.label()
        except AssertionError as fault:
            self.fault = str(fault)

    def label(self) -> None:
        have: list[dict] = []
        while self.leaves_after is None or len(self.said) < self.leaves_after:
            found = self.ask("next", {"have": [item["item"] for item in have]})
            have += found["items"]
            if found["state"] == "done":
                return
            if not have:
                time.sleep(0.05)
                continue
            item = have.pop(0)["item"]
            label = str(item % 10)
            answer = {"nonce": secrets.token_hex(16), "item": item, "label": [{"label": label}], "nothing": False}
            if "error" not in self.ask("answers", answer | {"reason": "", "seconds": 0.0}):
                self.said[item] = label

    def ask(self, what: str, body: dict) -> dict:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            port = random.choice(self.servers).port
            with suppress(httpx.TransportError):
                found = httpx.post(f"http://127.0.0.1:{port}{self.at}/api/{what}", json=body, timeout=20)
                if found.status_code in (200, 409):
                    return found.json()
                if found.status_code not in (429, 503):
                    raise AssertionError(f"{found.status_code}: {found.text}")
            time.sleep(0.02)
        raise AssertionError("the server never answered")


def go_on(spec: JobSpec, done: threading.Event) -> None:
    """The job, in this process: it goes on whenever a batch is complete."""
    desk = Desk(spec.output)
    while True:
        until(desk_is_complete(desk))
        if loop.rounds(spec.output):
            break
    done.set()


def desk_is_complete(desk: Desk) -> Callable[[], bool]:
    desk.look(anew=True)

    def complete() -> bool:
        desk.look()
        return desk.is_complete()

    return complete


def check(specs: list[JobSpec], people: list[tuple[str, dict]], wanted: int, class_of: Callable[[int], int]) -> None:
    """Exactly as many answers an item as were wanted, never two by one person, and all that anybody said; what came
    when the picture had gone to somebody else is kept.

    people: "NAME JOB", and what each said by item.
    """
    for spec in specs:
        job = Job(spec.output)
        said = [job.answers(round) for round in job.rounds_with("posted.json")]
        asked = [item for round in job.rounds_with("posted.json") for item in job.asks(round)["item"]]
        pairs = Counter((row.item, row.worker) for answers in said for row in answers.itertuples())
        assert set(pairs.values()) == {1}
        assert Counter(item for item, _ in pairs) == dict.fromkeys(asked, wanted)
        mine = [(name.split()[0], items) for name, items in people if name.endswith(spec.name)]
        entries = [job.store.read_json(path) | {"path": path} for path in job.store.list(page_log.FOLDER)]
        late = {(item_of(entry["path"]), entry["worker"]) for entry in entries if entry["what"] == "late"}
        assert {(item, name) for name, items in mine for item in items} <= set(pairs) | late
        labels = job.human_labels()
        assert labels["class_id"].tolist() == [class_of(item) for item in labels["item"]]


def item_of(path: str) -> int:
    return int(path.removeprefix(page_log.FOLDER).partition("-")[0])
