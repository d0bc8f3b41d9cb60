"""The labeling page in a browser, in front of the real server."""

import pytest
from playwright.sync_api import expect

from roundtruth.serve import links
from roundtruth.serve.desk import Desk
from roundtruth.serve.running import running
from roundtruth.serve.site import Site
from tests.serve.conftest import until

pytestmark = pytest.mark.slow


class Served:
    def __init__(self, desk: Desk, port: int):
        token = links.token(desk.id, links.of(desk.store, "ann"))
        desk.look(anew=True)
        self.address = f"http://127.0.0.1:{port}/w/{token}/"


@pytest.mark.parametrize(("kind", "key"), [("image-classification", "1"), ("object-detection", "e")])
def test_answers_are_taken_kept_and_changed(open_job, opened, kind, key):
    desk = Desk(open_job(kind, 40).store.address)
    with running(Site({desk.id: desk}.get).app(), "127.0.0.1", 0) as port:
        page = opened(Served(desk, port))
        items = [answer(page, key) for _ in range(4)]
        until(page, lambda: [given["item"] for given in desk.mine("ann")] == items[::-1])
        assert all(given["nothing"] == (key == "e") for given in desk.mine("ann"))
        page.reload()
        answer(page, key)
        page.keyboard.press("Alt+ArrowLeft")
        page.keyboard.press("Alt+ArrowLeft")
        expect(page.locator("#editor")).to_have_attribute("data-item", str(items[-1]))
        page.keyboard.press("Alt+t")
        page.keyboard.press("1")
        until(page, lambda: desk.mine("ann")[0]["reason"] == "The picture is too dark, too blurred or too small")
        assert desk.mine("ann")[0]["item"] == items[-1]
        expect(page.locator("#mine-text")).to_have_text("5 answers")
        page.close()  # before the server, which it would miss


def answer(page, key: str) -> int:
    """The item that was on the screen, and that has its answer now."""
    expect(page.locator("body")).to_have_attribute("data-screen", "picture")
    item = page.locator("#editor").get_attribute("data-item")
    page.keyboard.press(key)
    expect(page.locator("#editor")).not_to_have_attribute("data-item", item)
    return int(item)
