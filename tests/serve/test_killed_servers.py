"""Teams on the labeling page while its server is killed again and again: nothing is lost, nothing is there twice."""

import random
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from roundtruth.spec import JobSpec
from tests.jobs import digits, write_job
from tests.serve.jobs import waiting
from tests.serve.teams import PATIENCE, Server, Worker, check, go_on, until

pytestmark = pytest.mark.slow
pytest_plugins = ["tests.s3"]

PEOPLE = ("ann", "bob", "cem")
ITEMS, WANTED, KILLS = 80, 2, 8


@contextmanager
def team(folder: str, specs: list[JobSpec], servers: int):
    """Three people at two jobs, one of whom leaves halfway; (servers, workers, events: a job is done)."""
    jobs = [waiting(spec) for spec in specs]
    running = [Server(folder) for _ in range(servers)]
    workers = [
        Worker(job, name, running, leaves_after=ITEMS // 10 if name == "cem" else None)
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


def run_team(folder: str, specs: list[JobSpec], servers: int, kills: int) -> None:
    chance = random.Random(3)
    with team(folder, specs, servers) as (running, workers, done):
        for _ in range(kills):
            server = chance.choice(running)
            until(server.answers)
            time.sleep(chance.uniform(0, 1))  # a random moment is what is tested
            server.kill()
            server.start()
        until(lambda: all(event.is_set() for event in done) or any(worker.fault for worker in workers))
        assert [worker.fault for worker in workers if worker.fault] == []
        for worker in workers:
            worker.join(PATIENCE)
            assert not worker.is_alive()
    check(specs, [(worker.name, worker.said) for worker in workers], WANTED, lambda item: item % 10)


def specs_in(folder: Path, address: str, items: int) -> list[JobSpec]:
    digits(folder, items)
    people = {"backend": "page", "answers_per_item": WANTED, "lease_minutes": 0.1}
    made = []
    for name in ("one", "two"):
        path = write_job(folder, name=name, output=f"{address}/{name}", workforce=people)
        made.append(JobSpec.from_file(path.rename(folder / f"{name}.yaml")))
    return made


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("ROUNDTRUTH_LINK_KEY", "k" * 40)


def test_servers_that_are_killed_lose_nothing(tmp_path):
    folder = str(tmp_path / "jobs")
    run_team(folder, specs_in(tmp_path, folder, ITEMS), 2, KILLS)


def test_servers_that_are_killed_lose_nothing_on_s3(tmp_path, s3):
    folder = f"{s3.url}/jobs"
    run_team(folder, specs_in(tmp_path, folder, ITEMS // 2), 2, KILLS // 2)
