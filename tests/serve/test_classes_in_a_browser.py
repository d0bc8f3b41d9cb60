"""The editor for one class a picture, by mouse, wheel, keyboard and touch."""

import pytest
from playwright.sync_api import expect

from tests.serve.conftest import until
from tests.serve.test_page_in_a_browser import labels, shows

pytestmark = pytest.mark.slow

MANY = ["Apfel", "Äpfel, grün", "Birne", "Quitte", "Kirsche", "Pflaume", "Traube", "Feige", "Melone", "Mango", "שזיף"]


def scale(page) -> float:
    """Screen pixels for a pixel of the picture."""
    return page.locator(".classes-picture").bounding_box()["width"] / 640


def under(page, x: float, y: float) -> tuple[float, float]:
    """The place of the picture below a place of the window."""
    box = page.locator(".classes-picture").bounding_box()
    return (x - box["x"]) / scale(page), (y - box["y"]) / scale(page)


@pytest.mark.parametrize("number", range(1, 11))
def test_a_number_key_is_the_whole_answer(served, opened, number):
    classes = [f"class {n}" for n in range(1, 11)]
    server = served(2, classes=classes)
    page = opened(server)
    shows(page, 1)
    page.keyboard.press(str(number % 10))
    shows(page, 2)
    until(page, lambda: labels(server) == {1: [f"class {number}"]})


def test_classes_that_are_digits_have_their_own_keys(served, opened):
    server = served(3, classes=[*"0123456789"])
    page = opened(server)
    shows(page, 1)
    page.keyboard.press("7")
    shows(page, 2)
    page.keyboard.press("0")
    shows(page, 3)
    expect(page.get_by_role("option")).to_have_text([digit * 2 for digit in "0123456789"])  # the key, the name
    until(page, lambda: labels(server) == {1: ["7"], 2: ["0"]})


def test_a_number_without_a_class_does_nothing(served, opened):
    server = served(2)
    page = opened(server)
    shows(page, 1)
    page.keyboard.press("4")
    page.keyboard.press("0")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is chosen yet.")).to_be_visible()
    shows(page, 1)
    assert server.attempts == []


def test_a_key_that_is_held_down_answers_one_picture(served, opened):
    server = served(3)
    page = opened(server)
    shows(page, 1)
    page.keyboard.down("2")
    shows(page, 2)
    page.keyboard.down("2")  # as a keyboard repeats it
    page.keyboard.down("2")
    page.keyboard.up("2")
    page.keyboard.press("3")
    shows(page, 3)
    until(page, lambda: labels(server) == {1: ["dog"], 2: ["bird"]})


def test_a_double_click_answers_one_picture(served, opened):
    server = served(3)
    page = opened(server)
    shows(page, 1)
    page.get_by_role("option", name="dog").dblclick()
    shows(page, 2)
    page.get_by_role("option", name="bird").click()
    shows(page, 3)
    until(page, lambda: labels(server) == {1: ["dog"], 2: ["bird"]})


def test_arrows_choose_and_enter_submits(served, opened):
    server = served(3)
    page = opened(server)
    shows(page, 1)
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    shows(page, 2)
    page.keyboard.press("ArrowUp")
    page.get_by_role("button", name="Submit").click()
    shows(page, 3)
    until(page, lambda: labels(server) == {1: ["dog"], 2: ["bird"]})


def test_typing_filters_more_than_nine_classes(served, opened):
    server = served(6, classes=MANY)
    page = opened(server)
    shows(page, 1)
    page.keyboard.type("apf")
    expect(page.get_by_label("Find a class")).to_have_value("apf")
    expect(page.get_by_role("option")).to_have_text(["1Apfel", "2Äpfel, grün"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    shows(page, 2)
    expect(page.get_by_role("option")).to_have_count(11)  # the filter is empty again
    page.keyboard.type("kir")
    page.keyboard.press("Enter")
    shows(page, 3)
    page.keyboard.type("m")
    page.keyboard.press("3")  # the third of those that are shown
    shows(page, 4)
    page.keyboard.type("t")  # a letter, not the page's key
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Find a class")).to_have_value("")
    page.keyboard.press("Alt+t")
    page.keyboard.press("1")
    shows(page, 5)
    page.keyboard.type("zzz")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is chosen yet.")).to_be_visible()
    page.get_by_label("Find a class").fill("שז")
    page.get_by_role("option").click()
    shows(page, 6)
    until(page, lambda: len(server.answers) == 5)
    assert labels(server) == {1: ["Äpfel, grün"], 2: ["Kirsche"], 3: ["Mango"], 4: None, 5: ["שזיף"]}


def test_nine_classes_need_no_filter(served, opened):
    page = opened(served(2, classes=MANY[:9]))
    shows(page, 1)
    assert page.get_by_label("Find a class").count() == 0


def test_a_label_that_comes_with_the_item_is_marked(served, opened):
    server = served(2)
    server.seeds = {1: [{"label": "dog"}]}
    page = opened(server)
    shows(page, 1)
    expect(page.get_by_role("option", name="dog")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    shows(page, 2)
    until(page, lambda: labels(server) == {1: ["dog"]})


# ---- zoom and pan


@pytest.mark.parametrize("size", [(640, 480), (4000, 300), (30, 900), (1, 1)])
def test_a_picture_fits_the_space(served, opened, size):
    server = served(2)
    server.sizes = {1: size}
    page = opened(server)
    shows(page, 1)
    picture = page.locator(".classes-picture").bounding_box()
    stage = page.locator(".classes-stage").bounding_box()
    for at, length in (("x", "width"), ("y", "height")):
        assert picture[at] >= stage[at]
        assert picture[at] + picture[length] <= stage[at] + stage[length]
        assert picture[at] + picture[length] / 2 == pytest.approx(stage[at] + stage[length] / 2, abs=1)
    assert picture["width"] / picture["height"] == pytest.approx(size[0] / size[1], rel=0.02)


def test_the_wheel_zooms_where_the_pointer_is(served, opened):
    page = opened(served(2))
    shows(page, 1)
    fitting = scale(page)
    page.mouse.move(300, 250)
    place = under(page, 300, 250)
    page.mouse.wheel(0, -600)
    until(page, lambda: scale(page) > 2 * fitting)
    assert under(page, 300, 250) == pytest.approx(place, abs=0.5)
    page.mouse.wheel(0, 300)
    page.keyboard.press("Home")
    until(page, lambda: scale(page) == pytest.approx(fitting))


def test_dragging_and_keys_pan(served, opened):
    page = opened(served(2))
    shows(page, 1)
    fitting = scale(page)
    page.keyboard.press("+")
    page.keyboard.press("+")
    until(page, lambda: scale(page) == pytest.approx(fitting * 1.25**2))
    place = under(page, 400, 300)
    page.mouse.move(400, 300)
    page.mouse.down()
    page.mouse.move(440, 330, steps=4)
    page.mouse.up()
    assert under(page, 440, 330) == pytest.approx(place, abs=0.5)
    page.keyboard.press("Shift+ArrowRight")
    assert under(page, 380, 330) == pytest.approx(place, abs=0.5)
    page.get_by_role("button", name="Zoom out").click()
    until(page, lambda: scale(page) == pytest.approx(fitting * 1.25))
    page.get_by_role("button", name="Show the whole picture").click()
    until(page, lambda: scale(page) == pytest.approx(fitting))


def test_the_next_picture_is_shown_whole(served, opened):
    page = opened(served(2))
    shows(page, 1)
    fitting = scale(page)
    page.keyboard.press("+")
    page.keyboard.press("1")
    shows(page, 2)
    assert scale(page) == pytest.approx(fitting)


def test_the_picture_fits_a_window_that_changes(served, opened):
    page = opened(served(2))
    shows(page, 1)
    fitting = scale(page)
    page.set_viewport_size({"width": 700, "height": 500})
    until(page, lambda: scale(page) < 0.8 * fitting)


# ---- a phone


@pytest.fixture
def phone(served, opened):
    server = served(4)
    page = opened(server, 360, 740, has_touch=True, is_mobile=True, device_scale_factor=3)
    shows(page, 1)
    return server, page


def test_a_tap_answers(phone):
    server, page = phone
    for item, name in enumerate(("dog", "bird"), 1):
        shows(page, item)
        option = page.get_by_role("option", name=name)
        assert option.bounding_box()["height"] >= 44  # pixels a finger can hit
        option.tap()
    shows(page, 3)
    until(page, lambda: labels(server) == {1: ["dog"], 2: ["bird"]})


def test_every_button_can_be_hit_by_a_finger(phone):
    _, page = phone
    small = page.evaluate(
        """[...document.querySelectorAll('button')].filter(one => one.checkVisibility()).filter(one => {
            const {width, height} = one.getBoundingClientRect();
            return width < 44 || height < 44;
        }).map(one => one.outerHTML)"""
    )
    assert small == []


def test_two_fingers_zoom_and_one_pans(phone):
    _, page = phone
    session = page.context.new_cdp_session(page)

    def fingers(kind: str, *points) -> None:
        touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    fitting = scale(page)
    place = under(page, 180, 250)
    fingers("touchStart", (140, 250), (220, 250))
    for step in (10, 20, 30, 40):
        fingers("touchMove", (140 - step, 250), (220 + step, 250))
    fingers("touchEnd")
    assert scale(page) == pytest.approx(2 * fitting, rel=0.02)
    assert under(page, 180, 250) == pytest.approx(place, abs=1)
    fingers("touchStart", (180, 250))
    for step in (10, 20, 30):
        fingers("touchMove", (180 - step, 250))
    fingers("touchEnd")
    assert under(page, 150, 250) == pytest.approx(place, abs=1)
    assert page.evaluate("visualViewport.scale") == 1  # the page itself is not zoomed
    shows(page, 1)
