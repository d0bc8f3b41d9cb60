"""The labeling page's tools and keys for boxes: a row of buttons, a menu for those without room, and the help."""

import pytest
from playwright.sync_api import expect

from tests.serve.conftest import until

pytestmark = pytest.mark.slow
PHONE = {"has_touch": True, "is_mobile": True}
A = {"class": "cat", "left": 100, "top": 100, "width": 200, "height": 150}


@pytest.fixture
def drawing(served, opened):
    """drawing(classes, **window): the page with boxes to draw, and its server."""

    def made(classes=("cat", "dog"), **window):
        server = served(3, kind="object-detection", classes=classes)
        server.seeds = {1: [A]}
        page = opened(server, **window)
        expect(page.locator("body")).to_have_attribute("data-screen", "picture")
        return page, server

    return made


def tool(page, name: str):
    return page.locator("#tools").get_by_role("button", name=name)


def names(page, selector: str) -> list[str]:
    return [button.inner_text().split("\n")[0] for button in page.locator(selector).all() if button.is_visible()]


@pytest.mark.parametrize(
    ("width", "height", "more"),
    [(360, 640, PHONE), (740, 360, PHONE), (800, 700, {}), (1200, 800, {}), (1600, 900, {})],
)
def test_each_tool_is_in_sight_or_in_the_menu(drawing, width, height, more):
    page, _ = drawing(width=width, height=height, **more)
    assert page.locator("#tools").bounding_box()["height"] <= 48  # one row
    row = names(page, "#tools > button")
    assert [*row[:3], row[-1]] == ["Undo", "Redo", "Delete", "More"]
    tool(page, "More").click()
    menu = names(page, "#more-tools > button")
    assert len(row) - 1 + len(menu) == page.locator("#tools [data-action]").count()
    for place in page.locator("#tools button, #more-tools").all():
        place.scroll_into_view_if_needed()
        box = place.bounding_box()
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_wide_window_needs_no_menu(drawing):
    page, _ = drawing(width=2560, height=1300)
    expect(tool(page, "Draw with the keyboard")).to_be_visible()
    expect(tool(page, "More")).to_be_hidden()
    page.set_viewport_size({"width": 800, "height": 700})
    expect(tool(page, "More")).to_be_visible()
    expect(tool(page, "Draw with the keyboard")).to_be_hidden()
    page.set_viewport_size({"width": 2560, "height": 1300})
    expect(tool(page, "Draw with the keyboard")).to_be_visible()
    expect(tool(page, "More")).to_be_hidden()


def test_the_menu_by_mouse(drawing):
    page, _ = drawing()
    tool(page, "More").click()
    tool(page, "Brightness and contrast").click()
    expect(page.get_by_label("Brightness", exact=True)).to_be_visible()
    expect(page.locator("#more-tools")).to_be_hidden()
    tool(page, "More").click()
    expect(tool(page, "Brightness and contrast")).to_have_attribute("aria-pressed", "true")
    page.mouse.click(300, 600)  # beside it
    expect(page.locator("#more-tools")).to_be_hidden()


def test_the_menu_by_finger(drawing):
    page, _ = drawing(width=360, height=640, **PHONE)
    tool(page, "More").tap()
    assert tool(page, "Draw by four points").bounding_box()["height"] >= 44
    tool(page, "Draw by four points").tap()
    expect(page.locator("#message")).to_contain_text("Click the object's top, left, bottom and right end")
    expect(page.locator("#more-tools")).to_be_hidden()


def test_the_menu_by_keyboard(drawing):
    page, server = drawing()
    focused = page.locator(":focus")
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused.get_attribute("id") == "more":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#more-tools")).to_be_visible()
    page.keyboard.press("Tab")
    expect(focused).to_have_attribute("data-action", "zoom-in")
    page.keyboard.press("Escape")
    expect(page.locator("#more-tools")).to_be_hidden()
    expect(focused).to_have_attribute("id", "more")
    page.keyboard.press("Space")
    while focused.get_attribute("data-action") != "cursor":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("Arrow keys move the crosshair")
    expect(page.locator("#more-tools")).to_be_hidden()
    assert focused.get_attribute("role") == "application"  # where the crosshair is
    assert server.attempts == []


def test_a_key_closes_the_menu_and_works(drawing):
    page, server = drawing()
    tool(page, "More").click()
    page.keyboard.press("n")
    expect(page.locator("#more-tools")).to_be_hidden()
    tool(page, "Delete").click()
    page.keyboard.press("e")
    until(page, lambda: 1 in server.answers)
    assert server.answers[1]["nothing"]


def test_enter_sends_the_answer_after_a_click_at_a_tool(drawing):
    page, server = drawing()
    page.keyboard.press("n")
    tool(page, "Duplicate").click()
    page.keyboard.press("Enter")
    until(page, lambda: 1 in server.answers)
    assert len(server.answers[1]["label"]) == 2


def test_a_page_without_tools_has_no_row_for_them(served, opened):
    page = opened(served(2))
    expect(page.locator("body")).to_have_attribute("data-screen", "picture")
    expect(page.locator("#tools")).to_be_hidden()


def test_the_keys_of_the_help_resize_a_box_and_go_back(drawing):
    page, server = drawing()
    page.keyboard.press("?")
    resizing = page.get_by_role("row", name="Resize it")
    expect(resizing.locator("kbd")).to_have_text(["Ctrl + Arrows", "Ctrl + Shift + Arrows"])
    expect(page.locator("#keys kbd", has_text="Alt + ←")).to_have_count(1)
    page.keyboard.press("Escape")
    for key in ["n", "Control+ArrowLeft", "Control+Shift+ArrowDown", "Enter"]:
        page.keyboard.press(key)
    expect(page.locator("#editor")).to_have_attribute("data-item", "2")
    page.keyboard.press("Alt+ArrowLeft")
    expect(page.locator("#editor")).to_have_attribute("data-item", "1")
    page.keyboard.press("Alt+ArrowRight")
    expect(page.locator("#editor")).to_have_attribute("data-item", "2")
    until(page, lambda: 1 in server.answers)
    assert server.answers[1]["label"] == [{**A, "width": 199, "height": 160}]


@pytest.mark.parametrize("name", ["dog", "x" * 10_000, "\u202egnp.exe"], ids=["short", "long", "turned"])
@pytest.mark.parametrize("width", [360, 1200])
def test_the_page_says_that_a_box_has_another_class(drawing, name, width):
    page, server = drawing(width=width, classes=["cat", name])
    page.keyboard.press("n")
    page.keyboard.press("2")
    expect(page.locator("#message")).to_have_text(f"This box is now {name}")
    expect(page.locator("#message")).to_be_visible()
    assert page.locator("#status").bounding_box()["height"] <= 96  # a few lines of a phone at most
    page.keyboard.press("Enter")
    until(page, lambda: 1 in server.answers)
    assert server.answers[1]["label"] == [{**A, "class": name}]
