"""The editor of boxes as a person uses it: by mouse, wheel, keys and fingers, on a desk and on a phone."""

import io
import itertools
import math

import numpy as np
import pytest
from PIL import Image

from tests.browser import chromium
from tests.serve.host import serving

pytestmark = pytest.mark.slow

DESK = {"viewport": {"width": 1200, "height": 800}}
SHARP_DESK = {**DESK, "device_scale_factor": 3}
PHONE = {"viewport": {"width": 390, "height": 760}, "device_scale_factor": 3, "has_touch": True, "is_mobile": True}
SIZES = [(640, 480), (4000, 3000), (300, 900)]
TWENTY = [f"class {number}" for number in range(1, 21)]
everywhere = pytest.mark.parametrize("device", [DESK, SHARP_DESK, PHONE], ids=["desk", "sharp", "phone"])


@pytest.fixture(scope="module")
def address():
    with serving() as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


class Desk:
    """An editor in a window, and the person in front of it. Places are in pixels of the picture."""

    def __init__(self, page):
        self.page = page
        self.touches = page.context.new_cdp_session(page)

    def load(self, width=640, height=480, *, shown=None, label=None, previous=None):
        """shown: the size of the image file, where it is smaller than the picture it stands for."""
        source = "pictures/{}x{}".format(*(shown or (width, height)))
        item = {"source": source, "width": width, "height": height, "label": label, "previous": previous}
        self.page.evaluate("item => load(item)", item)
        self.size = (width, height)

    def at(self, x, y) -> tuple[float, float]:
        """Where the place is in the window."""
        return tuple(
            self.page.evaluate(
                """([x, y]) => {
                    const { left, top } = document.querySelector(".boxes-canvas").getBoundingClientRect();
                    const at = editor.view.toStage({ x, y });
                    return [left + at.x, top + at.y];
                }""",
                [x, y],
            )
        )

    def move(self, x, y, **more):
        self.page.mouse.move(*self.at(x, y), **more)

    def drag(self, start, end, button="left"):
        self.move(*start)
        self.page.mouse.down(button=button)
        self.move(*end, steps=3)
        self.page.mouse.up(button=button)

    def click(self, x, y):
        self.page.mouse.click(*self.at(x, y))

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def finger(self, what, *places):
        """what: Start, Move, End, Cancel; the places of the window where fingers are."""
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        self.touches.send("Input.dispatchTouchEvent", {"type": f"touch{what}", "touchPoints": points})

    def swipe(self, start, end):
        (x, y), (to_x, to_y) = self.at(*start), self.at(*end)
        self.finger("Start", (x, y))
        for part in (0.4, 0.8, 1):
            self.finger("Move", (x + (to_x - x) * part, y + (to_y - y) * part))
        self.finger("End")

    def tap(self, x, y):
        self.finger("Start", self.at(x, y))
        self.finger("End")

    def rows(self) -> list[tuple]:
        rows = self.page.evaluate("editor.label()")
        for row in rows:
            assert min(row["left"], row["top"]) >= 0
            assert row["left"] + row["width"] <= self.size[0]
            assert row["top"] + row["height"] <= self.size[1]
        return [(row["class"], row["left"], row["top"], row["width"], row["height"]) for row in rows]

    def has(self, *expected):
        """The label has these boxes, (class, left, top, width, height), to half a pixel."""
        rows = self.rows()
        assert [row[0] for row in rows] == [row[0] for row in expected]
        for row, wanted in zip(rows, expected):
            assert np.abs(np.subtract(row[1:], wanted[1:])).max() <= 0.5, (row, wanted)

    def until(self, condition: str):
        """The policy forbids wait_for_function, which makes a function of a text."""
        self.page.evaluate(
            """() => new Promise((done, failed) => {
                const end = Date.now() + 60_000;
                const look = () => {
                    if (CONDITION) done();
                    else if (Date.now() > end) failed(new Error("still not"));
                    else requestAnimationFrame(look);
                };
                look();
            })""".replace("CONDITION", condition)
        )

    def selected(self) -> int:
        return self.page.evaluate("editor.selected")

    def scale(self) -> float:
        return self.page.evaluate("editor.view.scale")

    def calls(self, name):
        return self.page.evaluate("name => calls[name]", name)

    def words(self) -> str:
        return self.page.locator(".boxes-stage [role=status]").inner_text()

    def painted(self):
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def screen(self) -> np.ndarray:
        """What the stage shows, in pixels of the screen."""
        self.painted()
        shot = self.page.locator(".boxes-stage").screenshot()
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


@pytest.fixture
def opened(browser, address):
    """opened(device, classes): a Desk with an editor; the test fails if the page says that something failed."""
    contexts, faults = [], []

    def made(device=DESK, classes=("raccoon", "cat", "dog"), **context):
        contexts.append(browser.new_context(**{**device, **context}))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        page.goto(address + "editor.html")
        desk = Desk(page)
        desk.until("window.begin")
        page.evaluate("classes => begin(classes)", list(classes))
        return desk

    yield made
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def desk(opened):
    desk = opened()
    desk.load()
    return desk


A = {"class": "raccoon", "left": 100, "top": 100, "width": 200, "height": 150}
B = {"class": "cat", "left": 150, "top": 130, "width": 60, "height": 40}
C = {"class": "dog", "left": 50, "top": 60, "width": 400, "height": 300}


def row(box, **changes):
    return tuple({**box, **changes}.values())


# ---- drawing


@everywhere
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_boxes_are_drawn_one_straight_after_the_other(opened, device, size):
    desk = opened(device)
    desk.load(*size)
    draw = desk.swipe if device is PHONE else desk.drag
    width, height = size
    first = (width * 0.1, height * 0.2, width * 0.4, height * 0.45)
    second = (width * 0.95, height * 0.9, width * 0.6, height * 0.65)  # from the lower right
    draw(first[:2], first[2:])
    draw(second[:2], second[2:])
    desk.has(
        ("raccoon", width * 0.1, height * 0.2, width * 0.3, height * 0.25),
        ("raccoon", width * 0.6, height * 0.65, width * 0.35, height * 0.25),
    )
    assert desk.selected() == 1
    assert desk.calls("changed") >= 2


@pytest.mark.parametrize("device", [DESK, SHARP_DESK], ids=["desk", "sharp"])
def test_a_tiny_object_in_a_large_picture_is_drawn_by_sight(opened, device):
    """The object is found on the screen, not by the editor's own coordinates."""
    desk = opened(device)
    desk.load(4000, 3000)
    stage = desk.page.locator(".boxes-stage").bounding_box()
    desk.move(2002, 1502)
    while desk.scale() < 64:
        desk.page.mouse.wheel(0, -600)
    desk.press("-", "-")
    desk.page.mouse.move(5, 5)  # the crosshair goes
    white = (desk.screen() == 255).all(axis=2)
    ratio = device.get("device_scale_factor", 1)
    rows, columns = np.flatnonzero(white.mean(axis=1) > 0.2), np.flatnonzero(white.mean(axis=0) > 0.2)
    left, right = columns[0] / ratio + stage["x"], (columns[-1] + 1) / ratio + stage["x"]
    top, bottom = rows[0] / ratio + stage["y"], (rows[-1] + 1) / ratio + stage["y"]
    desk.page.mouse.move(left, top)
    desk.page.mouse.down()
    desk.page.mouse.move(right, bottom, steps=4)
    desk.page.mouse.up()
    desk.has(("raccoon", 2000, 1500, 8, 6))


def test_an_image_smaller_than_its_picture_gives_the_pictures_pixels(opened):
    desk = opened()
    desk.load(4000, 3000, shown=(640, 480))
    desk.drag((400, 600), (3000, 2500))
    desk.has(("raccoon", 400, 600, 2600, 1900))


def test_a_drag_that_leaves_the_picture_and_the_window_ends_at_the_pictures_edge(desk):
    desk.move(500, 400)
    desk.page.mouse.down()
    desk.page.mouse.move(1500, 1200, steps=3)
    desk.page.mouse.up()
    desk.move(50, 60)
    desk.page.mouse.down()
    desk.page.mouse.move(-300, -200, steps=3)
    desk.page.mouse.up()
    desk.has(("raccoon", 500, 400, 140, 80), ("raccoon", 0, 0, 50, 60))


def test_less_than_a_pixel_is_a_click(opened):
    desk = opened()
    desk.load(20, 15)
    desk.drag((3, 3), (3.8, 9))
    desk.drag((3, 3), (9, 3.8))
    assert desk.rows() == []
    desk.drag((3, 3), (4.2, 4.2))
    desk.has(("raccoon", 3, 3, 1.2, 1.2))


def test_a_box_is_drawn_inside_the_selected_one_with_shift(desk):
    desk.drag((100, 100), (400, 400))
    desk.page.keyboard.down("Shift")
    desk.drag((200, 200), (300, 250))
    desk.page.keyboard.up("Shift")
    desk.has(("raccoon", 100, 100, 300, 300), ("raccoon", 200, 200, 100, 50))


def test_escape_drops_the_box_that_is_being_drawn(desk):
    desk.move(100, 100)
    desk.page.mouse.down()
    desk.move(300, 300, steps=3)
    desk.press("Escape")
    desk.move(350, 350)
    desk.page.mouse.up()
    assert desk.rows() == []


# ---- four extreme points


@everywhere
def test_four_extreme_points_in_any_order(opened, device):
    desk = opened(device)
    desk.load(4000, 3000)
    desk.press("x")
    click = desk.tap if device is PHONE else desk.click
    ends = [(1000, 500), (600, 900), (1200, 1600), (1900, 1100)]  # top, left, bottom, right
    for order in itertools.islice(itertools.permutations(ends), 0, 24, 7):
        for end in order:
            click(*end)
    desk.has(*[("raccoon", 600, 500, 1300, 1100)] * 4)
    desk.press("x")
    (desk.swipe if device is PHONE else desk.drag)((2200, 300), (3000, 900))  # and boxes are drawn by dragging again
    assert len(desk.rows()) == 5


def test_escape_drops_the_points_and_undo_takes_the_last_one_back(desk):
    desk.press("x")
    for place in [(100, 100), (50, 200), (150, 300)]:
        desk.click(*place)
    desk.press("Escape")
    assert desk.rows() == []
    for place in [(100, 100), (600, 450)]:
        desk.click(*place)
    desk.press("Control+z")
    for place in [(50, 200), (150, 300), (250, 150)]:
        desk.click(*place)
    desk.has(("raccoon", 50, 100, 200, 200))


def test_the_selected_box_is_still_moved_and_resized_between_points(desk):
    desk.load(label=[A])
    desk.press("x", "n")
    desk.drag((200, 170), (220, 180))
    desk.drag((320, 260), (340, 290))
    desk.has(row(A, left=120, top=110, width=220, height=180))


# ---- zoom and pan


def zoomed_in(desk):
    desk.move(400, 300)
    desk.page.mouse.wheel(0, -600)


def test_the_wheel_zooms_round_the_pointer(desk):
    before = desk.at(400, 300)
    scale = desk.scale()
    zoomed_in(desk)
    desk.until(f"editor.view.scale > {2 * scale}")
    assert math.dist(desk.at(400, 300), before) < 1  # the browser tells the wheel's place in whole pixels
    desk.drag((380, 280), (420, 330))
    desk.has(("raccoon", 380, 280, 40, 50))


def test_keys_zoom_and_fit(desk):
    scale = desk.scale()
    desk.press("+", "+")
    assert desk.scale() == pytest.approx(scale * 1.25**2)
    desk.press("-")
    assert desk.scale() == pytest.approx(scale * 1.25)
    desk.press("f")
    assert desk.scale() == pytest.approx(scale)


@pytest.mark.parametrize("by", ["space", "middle", "arrows"])
def test_pan(desk, by):
    desk.press("+", "+", "+")
    x, y = desk.at(320, 240)
    if by == "arrows":
        desk.press("ArrowRight", "ArrowDown")
        assert desk.at(320, 240) == pytest.approx((x - 50, y - 50))
    else:
        if by == "space":
            desk.page.keyboard.down("Space")
        desk.drag((320, 240), (360, 270), button="left" if by == "space" else "middle")
        if by == "space":
            desk.page.keyboard.up("Space")
        scale = desk.scale()
        assert desk.at(320, 240) == pytest.approx((x + 40 * scale, y + 30 * scale), abs=1)
    assert desk.rows() == []
    desk.drag((300, 200), (350, 260))
    desk.has(("raccoon", 300, 200, 50, 60))


def test_the_wheel_in_the_middle_of_a_drag_goes_on_with_the_box(desk):
    desk.move(200, 200)
    desk.page.mouse.down()
    desk.move(300, 300, steps=3)
    desk.page.mouse.wheel(0, -300)
    desk.until("!editor.view.fitted")
    desk.move(320, 310, steps=3)
    desk.page.mouse.up()
    desk.has(("raccoon", 200, 200, 120, 110))


def test_the_picture_is_never_lost(desk):
    desk.press("+")
    for _ in range(60):
        desk.press("ArrowRight")
    left, top = desk.at(640, 480)
    assert left >= 0
    desk.press(*["-"] * 40)
    assert desk.scale() > 0.2
    desk.press("f")
    left, top = desk.at(0, 0)
    assert left > 0
    assert top > 0


def test_the_host_may_change_its_size_at_any_time(desk):
    desk.drag((100, 100), (200, 200))
    desk.page.set_viewport_size({"width": 500, "height": 900})
    desk.until("editor.view.stage.width === 500")
    desk.drag((300, 300), (400, 350))
    zoomed_in(desk)
    desk.page.set_viewport_size({"width": 1100, "height": 500})
    desk.until("editor.view.stage.width > 800")
    desk.drag((390, 290), (410, 300))
    desk.has(("raccoon", 100, 100, 100, 100), ("raccoon", 300, 300, 100, 50), ("raccoon", 390, 290, 20, 10))


def test_pixels_are_squares_at_high_zoom(opened):
    desk = opened()
    desk.load(20, 16)  # a gradient of 20 columns, which smoothing would turn into hundreds of colours
    row = desk.screen()[300]
    inside = row[60:-60]
    assert len({tuple(pixel) for pixel in inside}) <= 22


# ---- selecting, moving, resizing


def test_a_click_selects_the_smallest_box_and_a_second_one_the_box_below(desk):
    desk.load(label=[C, A, B])
    desk.click(180, 150)
    assert desk.selected() == 2
    desk.click(180, 150)
    assert desk.selected() == 1
    desk.click(180, 150)
    assert desk.selected() == 0
    desk.click(180, 150)
    assert desk.selected() == 2
    desk.click(600, 450)
    assert desk.selected() == -1
    desk.press("n")
    assert desk.selected() == 0
    desk.click(180, 150)  # another way of selecting in between: the smallest again
    assert desk.selected() == 2
    desk.has(row(C), row(A), row(B))


def test_keys_select_the_next_and_the_previous_box(desk):
    desk.load(label=[A, B, C])
    seen = []
    for key in ["n", "n", "]", "n", "p", "["]:
        desk.press(key)
        seen.append(desk.selected())
    assert seen == [0, 1, 2, 0, 2, 1]
    desk.press("Escape")
    assert desk.selected() == -1
    desk.press("p")
    assert desk.selected() == 2
    desk.press("Tab")  # Tab is the page's
    assert desk.selected() == 2
    assert desk.page.evaluate("document.activeElement !== document.body")


def test_tab_leaves_the_editor(desk):
    desk.page.locator(".boxes-canvas").focus()
    desk.press("Shift+Tab")
    assert desk.page.evaluate("document.activeElement.id") == "text"


def test_a_box_is_moved_and_stays_in_the_picture(desk):
    desk.load(label=[A])
    desk.click(200, 170)
    desk.drag((200, 170), (260, 200))
    desk.has(row(A, left=160, top=130))
    desk.drag((260, 200), (900, 900))
    desk.has(row(A, left=440, top=330))
    desk.drag((540, 400), (-900, -900))
    desk.has(row(A, left=0, top=0))


SIDES = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y]


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "finger"])
def test_each_of_the_eight_handles_resizes(opened, touch):
    desk = opened(PHONE if touch else DESK)
    pull = desk.swipe if touch else desk.drag
    desk.load(label=[A])
    (desk.tap if touch else desk.click)(200, 170)
    for x, y in SIDES:
        miss = 14 / desk.scale() if touch else 5 / desk.scale()  # nobody hits it exactly
        start = (200 + x * (100 + miss), 175 + y * (75 + miss))
        pull(start, (start[0] + 20, start[1] + 12))
        changes = {
            "left": 100 + 20 * (x < 0), "width": 200 + 20 * x, "top": 100 + 12 * (y < 0), "height": 150 + 12 * y,
        }  # fmt: skip
        desk.has(row(A, **changes))
        desk.press("Control+z")
        desk.has(row(A))


def test_an_edge_goes_past_the_one_that_stays_and_no_further_than_the_picture(desk):
    desk.load(label=[A])
    desk.press("n")
    desk.drag((300, 250), (40, 50))
    desk.has(row(A, left=40, top=50, width=60, height=50))
    desk.drag((100, 100), (2000, 2000))
    desk.has(row(A, left=40, top=50, width=600, height=430))


def test_a_resized_box_keeps_a_pixel(opened):
    desk = opened()
    desk.load(20, 15, label=[{"class": "cat", "left": 4, "top": 4, "width": 8, "height": 6}])
    desk.press("n")
    desk.drag((12, 7), (4.2, 7))
    (_, left, _, width, _) = desk.rows()[0]
    assert left == 4
    assert 1 <= width <= 8


def test_arrows_nudge_and_resize(desk):
    desk.load(label=[A])
    desk.press("n", "ArrowRight", "ArrowDown", "Shift+ArrowLeft", "Shift+ArrowUp")
    desk.has(row(A, left=91, top=91))
    desk.press("Control+ArrowRight", "Meta+ArrowDown", "Control+Shift+ArrowLeft", "Meta+Shift+ArrowDown")
    desk.has(row(A, left=91, top=91, width=191, height=161))
    desk.press(*["Shift+ArrowLeft"] * 12)
    desk.press(*["Control+Shift+ArrowUp"] * 20)
    desk.has(row(A, left=0, top=91, width=191, height=1))


def test_arrows_with_alt_are_the_pages(desk):
    desk.load(label=[A])
    desk.press("n", "Alt+ArrowUp", "Alt+ArrowDown", "Alt+Shift+ArrowUp")
    desk.has(row(A))


def test_a_held_arrow_is_one_change(desk):
    desk.load(label=[A])
    desk.press("n")
    for _ in range(5):
        desk.page.keyboard.down("ArrowRight")  # repeated without going up: the key is held
    desk.page.keyboard.up("ArrowRight")
    desk.has(row(A, left=105))
    desk.press("Control+z")
    desk.has(row(A))


def test_duplicate_and_delete(desk):
    desk.load(label=[A])
    desk.press("n", "d")
    copies = desk.rows()
    assert len(copies) == 2
    assert copies[1][1] > copies[0][1]
    assert copies[1][3:] == copies[0][3:]
    desk.press("Control+d", "Delete")
    assert len(desk.rows()) == 2
    desk.press("n", "Backspace", "n", "Delete")
    assert desk.page.evaluate("editor.empty()")


# ---- undo and redo

CHANGES = {
    "draw": lambda desk: desk.drag((400, 300), (600, 450)),
    "four points": lambda desk: (desk.press("x"), [desk.click(x, x) for x in (400, 420, 440, 460)]),
    "move": lambda desk: desk.drag((250, 200), (280, 230)),
    "resize": lambda desk: desk.drag((300, 250), (330, 280)),
    "nudge": lambda desk: desk.press("ArrowRight"),
    "resize by keys": lambda desk: desk.press("Control+ArrowRight"),
    "duplicate": lambda desk: desk.press("d"),
    "delete": lambda desk: desk.press("Delete"),
    "class": lambda desk: desk.press("3"),
    "repeat": lambda desk: desk.press("r"),
    "keyboard": lambda desk: desk.press("b", "Enter", "Shift+ArrowRight", "Shift+ArrowDown", "Enter"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_undone_and_redone(desk, change):
    desk.load(label=[B, A], previous=[C])
    desk.press("p")
    before = desk.rows()
    CHANGES[change](desk)
    after = desk.rows()
    assert after != before
    desk.press("Control+z")
    assert desk.rows() == before
    assert desk.selected() == 1
    desk.press("Control+Shift+z")
    assert desk.rows() == after
    desk.press("Control+z", "Control+y")
    assert desk.rows() == after
    desk.press("Control+z", "ArrowUp")  # after another change there is nothing to redo
    desk.press("Control+y")
    assert desk.rows()[1] == row(A, top=99)


def test_what_changes_nothing_is_no_change(desk):
    desk.load(label=[{**A, "left": 0}])
    desk.press("n", "ArrowLeft", "ArrowLeft", "1")
    assert not desk.page.evaluate("editor.actions().find(({ id }) => id === 'undo').enabled")


def test_undo_ends_at_the_label_that_was_loaded(desk):
    desk.load(label=[A])
    desk.press("Control+z", "Control+z", "Control+y")
    desk.has(row(A))


# ---- classes


def test_number_keys_choose_the_class_of_the_next_and_of_the_selected_box(opened):
    desk = opened(classes=TWENTY)
    desk.load()
    desk.press("2")
    desk.drag((100, 100), (200, 200))
    assert desk.calls("messages") == []
    desk.press("0")
    desk.has(("class 10", 100, 100, 100, 100))
    assert desk.calls("messages") == ["This box is now class 10"]
    desk.press("0", "Escape", "9")
    desk.drag((300, 100), (400, 200))
    assert desk.calls("messages") == ["This box is now class 10"]
    desk.has(("class 10", 100, 100, 100, 100), ("class 9", 300, 100, 100, 100))


@everywhere
def test_buttons_choose_the_class(opened, device):
    desk = opened(device, classes=TWENTY)
    desk.load()
    button = desk.page.get_by_role("button", name="class 4", exact=True)
    if device is PHONE:
        assert button.bounding_box()["height"] >= 44  # a finger can hit it
        button.tap()
        desk.swipe((100, 100), (200, 200))
        for _ in range(20):  # Chromium may take a tap, a swipe and a tap for a double tap; a person taps again
            desk.page.get_by_role("button", name="class 20").tap()
            if desk.page.evaluate("editor.label()[0].class === 'class 20'"):
                break
            desk.page.wait_for_timeout(500)
    else:
        button.click()
        desk.drag((100, 100), (200, 200))
        desk.page.get_by_role("button", name="class 20").click()
    desk.until("editor.label()[0].class === 'class 20'")
    desk.has(("class 20", 100, 100, 100, 100))
    assert desk.page.locator(".boxes-class[aria-pressed=true]").inner_text().startswith("class 20")
    desk.press("Enter")  # the button has not kept the focus
    assert desk.calls("submit") == 1


def test_the_filter_finds_a_class(opened):
    desk = opened(classes=[*TWENTY, "Mäusebussard"])
    desk.load()
    desk.press("/")
    desk.page.keyboard.type("mause")
    assert desk.page.locator(".boxes-class:visible").count() == 1
    desk.press("Enter")
    assert desk.calls("submit") == 0
    assert desk.page.locator(".boxes-class:visible").count() == 21
    desk.drag((100, 100), (200, 200))
    desk.has(("Mäusebussard", 100, 100, 100, 100))
    desk.press("/")
    desk.page.keyboard.type("no such")
    assert desk.page.locator(".boxes-none").is_visible()
    desk.press("Escape", "3")
    desk.has(("class 3", 100, 100, 100, 100))


def test_up_to_nine_classes_have_no_filter(opened):
    desk = opened(classes=TWENTY[:9])
    assert desk.page.locator(".boxes-filter").count() == 0


def test_class_names_are_text(opened):
    name = "<img src=x onerror=alert(1)>"
    desk = opened(classes=[name, "حيوان الراكون", "浣熊"])
    desk.load(label=[{**A, "class": name}, {**B, "class": "浣熊"}])
    desk.press("n")
    assert desk.page.locator("#host img").count() == 0
    assert desk.page.locator(".boxes-class-name").all_inner_texts() == [name, "حيوان الراكون", "浣熊"]
    assert name in desk.words()


# ---- keys


def test_keys_are_ignored_in_a_text_field(desk):
    desk.load(label=[A])
    desk.press("n")
    desk.page.locator("#text").click()
    desk.press("1", "d", "Delete", "ArrowLeft", "r", "Enter", "b")
    desk.has(row(A))
    assert desk.calls("submit") == 0
    assert desk.page.locator("#text").input_value() == "1rbd"  # the arrow has moved the text cursor


@pytest.mark.parametrize(
    ("key", "code", "class_name"), [("é", "Digit2", "cat"), ("٣", "Digit3", "dog"), ("2", "Numpad2", "cat")]
)
def test_keyboards_of_other_languages(desk, key, code, class_name):
    desk.load(label=[A])
    typed = "([key, code]) => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, code, bubbles: true}))"
    desk.page.evaluate(typed, ["т", "KeyN"])  # n is on this key on other keyboards
    assert desk.selected() == 0
    desk.page.evaluate(typed, [key, code])
    assert desk.rows()[0][0] == class_name


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_box_is_drawn_with_the_keyboard_alone(opened, size):
    desk = opened()
    desk.load(*size)
    x, y = size[0] / 2, size[1] / 2
    desk.press(
        "b", "ArrowLeft", "Shift+ArrowUp", "Enter", "Control+ArrowRight", "Shift+ArrowDown", "ArrowDown", "Enter"
    )
    desk.has(("raccoon", x - 1, y - 10, 100, 11))
    desk.press("ArrowRight", "2")
    desk.has(("cat", x, y - 10, 100, 11))
    desk.press("Enter")
    assert desk.calls("submit") == 1


def test_escape_ends_drawing_with_the_keyboard(desk):
    desk.press("b", "Enter", "Shift+ArrowRight", "Shift+ArrowDown", "Escape", "Enter")
    assert desk.rows() == []
    assert desk.calls("submit") == 1


def test_four_points_with_the_keyboard(desk):
    desk.press("x", "b")
    for key in ["Shift+ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown", "Shift+ArrowLeft"]:
        desk.press(key, "Enter")
    desk.has(("raccoon", 320, 230, 10, 10))


def test_enter_sends_once_while_it_is_held(desk):
    for _ in range(4):
        desk.page.keyboard.down("Enter")
    desk.page.keyboard.up("Enter")
    assert desk.calls("submit") == 1


# ---- repeat, hide, light, magnifier


def test_the_last_pictures_boxes_are_repeated(desk):
    desk.load(400, 300, label=[A], previous=[A, B, C, {**B, "left": 500}])
    desk.press("r")
    desk.has(row(A), row(B), row(C, width=350, height=240))  # what is in this picture, and nothing twice
    assert desk.calls("messages")[-1] == "2 boxes repeated"
    desk.press("r")
    assert len(desk.rows()) == 3


def test_the_boxes_are_hidden_and_shown(desk):
    desk.load(label=[A])
    shown = desk.screen()
    desk.press("h")
    assert (desk.screen() != shown).any()
    assert "hidden" in desk.words()
    desk.click(200, 170)
    assert desk.selected() == -1
    desk.page.mouse.move(5, 5)  # the crosshair goes
    desk.press("h")
    assert (desk.screen() == shown).all()
    desk.press("h")
    desk.drag((400, 300), (500, 400))  # a new box shows them again
    assert "hidden" not in desk.words()


def test_brightness_and_contrast(desk):
    plain = desk.screen()
    desk.press("i", "i")
    assert desk.screen().mean() > plain.mean()
    desk.press("u", "u", "k", "k")
    assert desk.screen().std() > plain.std()
    desk.press("j", "j", "l")
    desk.page.get_by_label("Brightness", exact=True).fill("200")
    assert desk.screen().mean() > plain.mean() + 10
    desk.page.get_by_label("Contrast", exact=True).focus()
    desk.press("ArrowRight", "ArrowRight")
    assert desk.page.evaluate("editor.light.contrast") == 120
    desk.page.get_by_role("button", name="Reset").click()
    desk.press("Escape")
    assert (desk.screen() == plain).all()


@pytest.mark.parametrize("size", [(640, 480), (4000, 3000)], ids=str)
def test_the_magnifier_is_there_where_the_picture_is_shown_smaller(opened, size):
    desk = opened()
    desk.load(*size)
    width, height = size
    desk.move(width * 0.3, height * 0.3)
    desk.page.mouse.down()
    desk.move(width / 2, height / 2, steps=4)
    desk.painted()
    solid = desk.page.evaluate(
        """() => {
            const canvas = document.querySelector(".boxes-canvas");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return data.filter((value, at) => at % 4 === 3 && value === 255).length;
        }"""
    )
    assert (solid > 15_000) == (width == 4000)  # a disc of 144 pixels across covers the boxes' layer
    desk.page.mouse.up()
    assert len(desk.rows()) == 1


# ---- fingers


def test_two_fingers_zoom_and_pan(opened):
    desk = opened(PHONE)
    desk.load(4000, 3000)
    scale = desk.scale()
    (x, y) = desk.at(2000, 1500)
    desk.finger("Start", (x - 40, y))
    desk.finger("Start", (x - 40, y), (x + 40, y))
    for step in range(1, 6):
        desk.finger("Move", (x - 40 - 10 * step, y + 10 * step), (x + 40 + 10 * step, y + 10 * step))
    desk.finger("End")
    assert desk.scale() == pytest.approx(scale * 180 / 80, rel=0.02)
    assert desk.at(2000, 1500) == pytest.approx((x, y + 50), abs=1)
    assert desk.rows() == []
    desk.swipe((1800, 1400), (2200, 1600))
    desk.has(("raccoon", 1800, 1400, 400, 200))


def test_a_second_finger_drops_the_box_that_the_first_began(opened):
    desk = opened(PHONE)
    desk.load()
    x, y = desk.at(200, 200)
    desk.finger("Start", (x, y))
    desk.finger("Move", (x + 50, y + 50))
    desk.finger("Start", (x + 50, y + 50), (x + 90, y))
    desk.finger("End", (x + 50, y + 50))
    desk.finger("Move", (x + 80, y + 80))
    desk.finger("End")
    assert desk.rows() == []


def test_the_magnifier_keeps_clear_of_the_finger(opened):
    desk = opened(PHONE)
    desk.load(4000, 3000)
    x, y = desk.at(1000, 1000)
    desk.finger("Start", (x, y))
    desk.finger("Move", (x + 30, y + 30))
    screen = desk.screen()
    desk.finger("End")
    desk.press("h")  # the box that was drawn
    changed = (screen != desk.screen()).any(axis=2)
    assert changed[: 160 * 3, 240 * 3 :].mean() > 0.5  # it is in the other upper corner


def test_a_finger_selects_moves_and_ends_the_selection(opened):
    desk = opened(PHONE)
    desk.load(label=[A, C])
    desk.tap(200, 170)
    assert desk.selected() == 0
    desk.swipe((200, 175), (240, 195))
    desk.has(row(A, left=140, top=120), row(C))
    desk.tap(600, 30)
    assert desk.selected() == -1


# ---- words, the page's side, many boxes


def test_the_boxes_in_words(desk):
    desk.load(label=[A, {**B, "left": 150.4}])
    items = desk.page.get_by_role("list", name="Boxes").get_by_role("listitem")
    assert items.count() == 2
    assert desk.words() == "2 boxes"
    desk.press("n", "n")
    assert items.nth(1).inner_text() == "cat: 150 from the left, 130 from the top, 60 wide, 40 high, selected"
    assert desk.words() == "2 boxes; box 2, cat, is selected"
    desk.press("Delete")
    assert desk.words() == "1 box"
    assert "640 by 480" in desk.page.get_by_role("application").get_attribute("aria-label")


def test_actions_are_what_the_keys_do(desk):
    desk.load(label=[A], previous=[B])
    actions = {action["id"]: action for action in desk.page.evaluate("editor.actions()")}
    assert not actions["delete"]["enabled"]
    assert not actions["undo"]["enabled"]
    desk.page.evaluate("editor.actions().find(({ id }) => id === 'next').run()")
    desk.page.evaluate("editor.actions().find(({ id }) => id === 'duplicate').run()")
    assert len(desk.rows()) == 2
    assert desk.page.evaluate("editor.actions().find(({ id }) => id === 'undo').enabled")
    keys = [key for action in actions.values() for key in action["keys"]]
    assert len(keys) == len(set(keys))


def test_a_label_that_is_loaded_comes_back_as_it_was(desk):
    odd = {**A, "left": 1 / 3, "width": 100 / 7}
    desk.load(label=[odd, {**B, "left": 600}])
    assert desk.rows()[0] == row(odd)
    desk.has(row(odd), row(B, left=600, width=40))  # and what is outside of the picture goes


def test_an_editor_leaves_nothing_behind(desk):
    desk.page.evaluate("editor.destroy()")
    assert desk.page.evaluate("document.getElementById('host').childElementCount") == 0
    desk.page.set_viewport_size({"width": 900, "height": 700})
    desk.page.mouse.move(300, 300)
    desk.painted()


def many(count):
    grid = [(x, y) for y in range(20) for x in range(25)]
    sizes = {"width": 110, "height": 90}
    return [
        {"class": TWENTY[number % 20], "left": 20 + x * 158, "top": 20 + y * 147, **sizes}
        for number, (x, y) in enumerate(grid[:count])
    ]


def test_five_hundred_boxes_are_painted_once_a_frame_and_only_when_something_changed(opened):
    desk = opened(classes=TWENTY)
    desk.load(4000, 3000, label=many(500))
    desk.painted()
    desk.page.evaluate(
        """() => {
            window.paints = 0;
            const paint = editor.paint.bind(editor);
            editor.paint = () => { window.paints++; paint(); };
        }"""
    )
    desk.painted()
    desk.painted()
    assert desk.page.evaluate("paints") == 0
    desk.page.evaluate("() => { for (let step = 0; step < 20; step++) editor.fit(); }")
    desk.painted()
    assert desk.page.evaluate("paints") == 1
    desk.click(75, 65)
    desk.drag((75, 65), (100, 80))
    assert desk.selected() == 0
    assert desk.rows()[0][1] == pytest.approx(45, abs=0.5)
    assert len(desk.rows()) == 500
