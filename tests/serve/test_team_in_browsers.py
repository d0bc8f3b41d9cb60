"""Three people at two jobs, each in a browser of their own, while the server is killed again and again."""

import random
import threading
import time

import pytest

from roundtruth.job import Job
from roundtruth.serve import links
from roundtruth.spec import JobSpec
from tests.jobs import digits, write_job
from tests.serve.conftest import PATIENCE, watch
from tests.serve.jobs import waiting
from tests.serve.teams import Server, check, go_on

pytestmark = pytest.mark.slow

PEOPLE, CLASSES = ("ann", "bob", "cem"), "abc"
ITEMS, WANTED, KILLS = 80, 2, 8
LONGEST = 1800.0  # seconds


class Person:
    """Presses the right key for whatever the page shows."""

    def __init__(self, browser, job: Job, name: str, server: Server, faults: list):
        token = links.token(links.job_id(job.store), links.of(job.store, name))
        self.context = browser.new_context(viewport={"width": 800, "height": 600})
        self.context.set_default_timeout(PATIENCE)
        self.page, self.name, self.said = self.context.new_page(), f"{name} {job.spec.name}", {}
        watch(self.page, faults, trouble=True)
        self.page.goto(links.url(f"http://127.0.0.1:{server.port}", token))

    def label(self) -> bool:
        """Label the picture on the screen; False once the page says that the job is done."""
        screen, item = self.page.evaluate(
            "[document.body.dataset.screen, document.getElementById('editor').dataset.item]"
        )
        if screen == "picture" and int(item) not in self.said:
            self.said[int(item)] = CLASSES[int(item) % 3]
            self.page.keyboard.press(str(int(item) % 3 + 1))
        return screen != "done"


def test_three_browsers_at_two_jobs_lose_nothing(browser, tmp_path):
    digits(tmp_path, ITEMS)
    people = {"backend": "page", "answers_per_item": WANTED, "lease_minutes": 0.5}
    specs = []
    for name in ("one", "two"):
        path = write_job(tmp_path, name=name, output=f"jobs/{name}", classes=list(CLASSES), workforce=people)
        specs.append(JobSpec.from_file(path.rename(tmp_path / f"{name}.yaml")))
    jobs = [waiting(spec) for spec in specs]
    server, faults = Server(str(tmp_path / "jobs")), []
    done = [threading.Event() for _ in specs]
    for pair in zip(specs, done):
        threading.Thread(target=go_on, args=pair, daemon=True).start()
    try:
        while not server.answers():
            time.sleep(0.05)
        everybody = [Person(browser, job, name, server, faults) for job in jobs for name in PEOPLE]
        work_and_kill(everybody, server)
    finally:
        server.kill()
    assert faults == []
    assert all(event.is_set() for event in done)
    check(specs, [(person.name, person.said) for person in everybody], WANTED, lambda item: item % 3)


def work_and_kill(everybody: list[Person], server: Server) -> None:
    """Everybody labels until the jobs are done; one leaves halfway; the server is killed at random moments."""
    chance, kills, end = random.Random(5), 0, time.monotonic() + LONGEST
    leaver = next(person for person in everybody if person.name == "cem one")
    busy, next_kill = list(everybody), time.monotonic() + 1
    while busy:
        assert time.monotonic() < end
        busy = [person for person in busy if person.label()]
        if leaver in busy and len(leaver.said) >= ITEMS // 10:
            leaver.context.close()
            busy.remove(leaver)
            leaver.said.clear()  # the last answers may not have been sent
        if kills < KILLS and time.monotonic() > next_kill and server.answers():
            server.kill()
            server.start()
            kills, next_kill = kills + 1, time.monotonic() + chance.uniform(0.5, 3)
    assert kills == KILLS
