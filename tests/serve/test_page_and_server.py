"""The labeling page in a browser, in front of the real server."""

import pytest
from playwright.sync_api import expect

from roundtruth.serve import links
from roundtruth.serve.desk import Desk
from roundtruth.serve.owner import Owner
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


class Overview:
    def __init__(self, root: str, port: int):
        self.address = f"http://127.0.0.1:{port}/o/{links.owner(root)}/"


def test_an_owner_makes_a_link_and_sends_an_answer_back(open_job, opened):
    """The whole way: the owner adds two people, they disagree about a picture, and one of them looks again."""
    desk = Desk(open_job("object-detection", 40, answers_per_item=2).store.address)
    owner = Owner(desk.store.address, lambda: [desk])
    with running(Site({desk.id: desk}.get, owner=owner.routes()).app(), "127.0.0.1", 0) as port:
        overview = opened(
            Overview(desk.store.address, port), trouble=True
        )  # a page of its own cannot write a clipboard
        people = {name: added(overview, opened, name) for name in ("Ann", "Bob")}
        item = drawn(people["Ann"], 0.3)
        assert drawn(people["Bob"], 0.6) == item
        until(overview, lambda: desk.log.items[item].labels() == 2)
        overview.get_by_role("link", name="Disagreements").click()
        overview.get_by_role("button", name="Send back").first.click()
        overview.get_by_role("textbox").fill("Look at the corner.")
        overview.get_by_role("dialog").get_by_role("button", name="Send back").click()
        expect(overview.get_by_text("Look at the corner.")).to_be_visible()
        name = next(iter(desk.log.items[item].sent_back))
        page = people[name]
        while page.locator("#editor").get_attribute("data-item") != str(item):
            answer(page, "e")
        expect(page.locator("#comment")).to_contain_text("Look at the corner.")
        page.keyboard.press("Enter")  # as it was
        until(page, lambda: desk.log.items[item].labels() == 2)
        for one in (*people.values(), overview):
            one.close()


def added(overview, opened, name: str):
    """A page of a person whom the owner adds."""
    overview.get_by_label("Add a person").fill(name)
    overview.get_by_label("Add a person").press("Enter")
    dialog = overview.get_by_role("dialog")

    class Link:
        address = dialog.get_by_role("textbox", name="Link").input_value()

    overview.keyboard.press("Escape")
    return opened(Link)


def drawn(page, where: float) -> int:
    """Draw a box of the first class on the first picture, and send it; the item."""
    expect(page.locator("body")).to_have_attribute("data-screen", "picture")
    item = page.locator("#editor").get_attribute("data-item")
    box = page.locator("#editor canvas").first.bounding_box()
    x, y = box["x"] + where * box["width"], box["y"] + where * box["height"]
    page.keyboard.press("1")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y + 30)
    page.mouse.up()
    page.keyboard.press("Enter")
    expect(page.locator("#editor")).not_to_have_attribute("data-item", item)
    return int(item)
