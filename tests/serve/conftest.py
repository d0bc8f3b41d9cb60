"""Tests of the labeling page: a browser, a small server that does what a test tells it to, and jobs to label."""

import time

import pytest
from playwright.sync_api import expect

from tests.browser import chromium
from tests.jobs import boxes, digits, write_job
from tests.serve.fake_server import FakeServer
from tests.serve.jobs import waiting

PATIENCE = 60_000  # milliseconds
expect.set_options(timeout=PATIENCE)


def until(page, condition) -> None:
    """Waits for something that the page does not show."""
    end = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < end
        page.wait_for_timeout(20)


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def served():
    """served(items, **job): a server that runs."""
    servers = []

    def made(*args, **kwargs) -> FakeServer:
        servers.append(FakeServer(*args, **kwargs))
        return servers[-1].start()

    yield made
    for server in servers:
        server.stop()


@pytest.fixture
def opened(browser):
    """opened(server, **context): the page in a new window. The test fails if the page says that something failed.

    A browser reports a request that fails by itself; `trouble=True` says that the test makes some fail.
    """
    contexts, faults = [], []

    def made(server, width: int = 1200, height: int = 800, trouble: bool = False, prepare: str = "", **context):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **context))
        contexts[-1].set_default_timeout(PATIENCE)
        page = contexts[-1].new_page()
        watch(page, faults, trouble)
        if prepare:
            page.add_init_script(prepare)
        page.goto(server.address)
        return page

    yield made
    for context in contexts:
        context.close()
    assert faults == []


def watch(page, faults: list, trouble: bool) -> None:
    def told(message):
        if not (trouble and message.text.startswith("Failed to load resource")):
            faults.append(message.text)

    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", told)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("ROUNDTRUTH_LINK_KEY", "k" * 40)
    monkeypatch.setattr("roundtruth.serve.site.BURST", 1e9)  # scripts ask faster than people


@pytest.fixture
def open_job(tmp_path):
    """open_job(kind, n, **workforce): a job whose first batch waits for people."""
    from roundtruth.spec import JobSpec

    def made(kind: str = "image-classification", n: int = 60, folder=tmp_path, **workforce):
        is_boxes = kind == "object-detection"
        folder.mkdir(parents=True, exist_ok=True)
        (boxes if is_boxes else digits)(folder, n)
        changed = {"classes": ["red", "green", "blue"], "learner": "default"} if is_boxes else {}
        people = {"backend": "page", "answers_per_item": 1, **workforce}
        return waiting(JobSpec.from_file(write_job(folder, kind=kind, workforce=people, **changed)))

    return made
