"""Teams on the labeling page while its server is killed again and again: nothing is lost, nothing is there twice."""

import random
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from roundtruth import loop
from roundtruth.job import Job
from roundtruth.serve import links
from roundtruth.spec import JobSpec
from tests.jobs import digits, write_job
from tests.serve.jobs import waiting

pytestmark = pytest.mark.slow

PEOPLE = ("ann", "bob", "cem")
ITEMS, WANTED, KILLS = 200, 2, 20
PATIENCE = 600.0


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
    while not loop.rounds(spec.output):
        time.sleep(0.1)
    done.set()


@contextmanager
def team(folder: str, specs: list[JobSpec], servers: int):
    """Three people at two jobs, one of whom leaves halfway; (servers, workers, events: a job is done)."""
    jobs = [waiting(spec) for spec in specs]
    running = [Server(folder) for _ in range(servers)]
    workers = [
        Worker(job, name, running, leaves_after=ITEMS // 4 if name == "cem" else None)
        for job in jobs
        for name in PEOPLE
    ]
    done = [threading.Event() for _ in specs]
    threads = [threading.Thread(target=go_on, args=pair, daemon=True) for pair in zip(specs, done)]
    try:
        for thread in [*threads, *workers]:
            thread.start()
        yield running, workers, done
    finally:
        for server in running:
            server.kill()


def until(true) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def check(specs: list[JobSpec], workers: list[Worker]) -> None:
    """Exactly two answers an item, never two by one person, and all that the server took."""
    assert [worker.fault for worker in workers if worker.fault] == []
    for spec in specs:
        job = Job(spec.output)
        said = [job.answers(round) for round in job.rounds_with("posted.json")]
        asked = [item for round in job.rounds_with("posted.json") for item in job.asks(round)["item"]]
        pairs = Counter((row.item, row.worker) for answers in said for row in answers.itertuples())
        assert set(pairs.values()) == {1}
        assert Counter(item for item, _ in pairs) == dict.fromkeys(asked, WANTED)
        taken = {
            (item, worker.name.split()[0])
            for worker in workers
            for item in worker.said
            if worker.name.endswith(spec.name)
        }
        assert taken <= set(pairs)
        labels = job.human_labels()
        assert (labels["class_id"] == labels["item"] % 10).all()


def run_team(folder: str, specs: list[JobSpec], servers: int, kills: int) -> None:
    chance = random.Random(3)
    with team(folder, specs, servers) as (running, workers, done):
        for _ in range(kills):
            server = chance.choice(running)
            until(server.answers)
            time.sleep(chance.uniform(0, 1))  # a random moment is what is tested
            server.kill()
            server.start()
        for event in done:
            assert event.wait(PATIENCE)
        for worker in workers:
            worker.join(PATIENCE)
            assert not worker.is_alive()
    check(specs, workers)


def specs_in(folder: Path, address: str) -> list[JobSpec]:
    digits(folder, ITEMS)
    people = {"backend": "page", "answers_per_item": WANTED, "lease_minutes": 0.1}
    made = []
    for name in ("one", "two"):
        path = write_job(folder, name=name, output=f"{address}/{name}", workforce=people)
        made.append(JobSpec.from_file(path.rename(folder / f"{name}.yaml")))
    return made


@pytest.mark.parametrize("servers", [1, 2])
def test_a_server_that_is_killed_loses_nothing(tmp_path, monkeypatch, servers):
    monkeypatch.setenv("ROUNDTRUTH_LINK_KEY", "k" * 40)
    folder = str(tmp_path / "jobs")
    run_team(folder, specs_in(tmp_path, folder), servers, KILLS)
