"""The page as a person uses it: by mouse, keyboard and touch, narrow and wide, light and dark."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roundtruth import report
from roundtruth.summary import summarize
from tests.browser import chromium, hard_to_read
from tests.jobs import run_job
from tests.report.conftest import KINDS, finished_job

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser):
    """opened(job, **context): the job's page in a new window; the test fails if the page says that something failed."""
    contexts, faults = [], []

    def made(job, width: int = 1200, height: int = 900, **context):
        report.write(job, summarize(job))
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **context))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console", lambda message: faults.append(message.text)
        )  # where the browser says what the policy forbids
        page.goto(Path(job.address, "report/index.html").as_uri())
        return page

    yield made
    for context in contexts:
        context.close()
    assert faults == []


def is_open(page) -> bool:
    return page.evaluate("document.getElementById('viewer').open")


def enlarged(page) -> str:
    """The address of the picture that the viewer shows; it must be seen in full."""
    page.wait_for_function("(image => image.complete && image.naturalWidth > 0)(document.querySelector('#viewer img'))")
    image = page.locator("#viewer img")
    box, window = image.bounding_box(), page.viewport_size
    assert min(box["x"], box["y"]) >= 0
    assert box["x"] + box["width"] <= window["width"]
    assert box["y"] + box["height"] <= window["height"]
    return image.get_attribute("src")


def addresses(page) -> list[str]:
    return page.eval_on_selector_all("main img", "images => images.map(image => image.src)")


@pytest.mark.parametrize("kind", KINDS)
def test_a_click_enlarges_and_keys_go_on(copied, opened, kind):
    page = opened(copied(kind))
    pictures = addresses(page)
    assert len(pictures) > 50
    page.locator("button.enlarge").nth(9).click()
    assert enlarged(page) == pictures[9]
    page.keyboard.press("ArrowRight")
    assert enlarged(page) == pictures[10]
    assert page.locator("#viewer figcaption").inner_text() == page.locator("main img").nth(10).get_attribute("alt")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert enlarged(page) == pictures[8]
    assert page.locator("#viewer output").inner_text() == f"9 of {len(pictures)}"
    page.keyboard.press("Escape")
    assert not is_open(page)


def test_keyboard_alone(copied, opened):
    """Tab to the first picture, Enter, around the ends, Esc; the focus is then on the picture that was seen last."""
    page = opened(copied("image-classification"))
    pictures = addresses(page)
    while not page.evaluate("document.activeElement.matches('button.enlarge')"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert enlarged(page) == pictures[0]
    page.keyboard.press("ArrowLeft")
    assert enlarged(page) == pictures[-1]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert enlarged(page) == pictures[1]
    for _ in range(6):  # the focus stays inside
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('#viewer')")
    page.keyboard.press("Escape")
    assert not is_open(page)
    page.wait_for_function("src => document.activeElement.querySelector('img')?.src === src", arg=pictures[1])


def test_touch(copied, opened):
    page = opened(copied("object-detection"), 360, 740, has_touch=True, is_mobile=True)
    pictures = addresses(page)
    page.locator("button.enlarge").nth(7).tap()
    assert enlarged(page) == pictures[7]
    for name, place in (("The next picture", 8), ("The picture before", 7)):
        button = page.get_by_role("button", name=name)
        assert min(button.bounding_box()[side] for side in ("width", "height")) >= 44  # pixels a finger can hit
        button.tap()
        assert enlarged(page) == pictures[place]
    page.get_by_role("button", name="Close").tap()
    assert not is_open(page)
    page.locator("button.enlarge").nth(3).tap()
    page.locator("#viewer img").tap()
    assert not is_open(page)


WIDTHS = [360, 768, 1920, 3840]


def check_nothing_sticks_out(page, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = """() => [...document.querySelectorAll('main *, footer')].filter(one => !one.closest('.scroll')
        && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 200))"""
    assert page.evaluate(outside) == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_scrolling_to_the_side(copied, opened, kind, width):
    check_nothing_sticks_out(opened(copied(kind), width), width)


def test_long_names_do_not_widen_the_page(opened, tmp_path, monkeypatch):
    """Names without a blank in them."""
    long = "x" * 190
    job = finished_job(
        tmp_path, monkeypatch, "image-classification", 30, 6, name=long, classes=[long, *"123456789"],
        picture=long + "{:04d}.png",
    )  # fmt: skip
    check_nothing_sticks_out(opened(job, 360), 360)


@pytest.mark.parametrize("made", ["begun", "waiting"])
def test_a_page_without_labels_fits_a_phone(begun, opened, made):
    job = begun("image-classification", 20, name="a name of a job " * 12, workforce={"backend": "files"})
    if made == "waiting":
        job = run_job(job.spec)
    check_nothing_sticks_out(opened(job, 360), 360)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_have_the_colours_of_the_page(copied, opened, scheme):
    page = opened(copied("image-classification"), color_scheme=scheme)
    assert (bright(page.locator("img.chart").first) < 0.2) == (scheme == "dark")
    page.locator("button.enlarge").first.click()
    assert (bright(page.locator("#viewer img")) < 0.2) == (scheme == "dark")


def bright(image) -> float:
    """The share of white in a picture as it is shown, in which there is something to see."""
    with Image.open(io.BytesIO(image.screenshot())) as picture:
        values = np.asarray(picture.convert("L"))
    assert values.max() - values.min() > 150
    return (values > 230).mean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(copied, opened, scheme):
    """Contrast of at least 4.5 (WCAG 2.2, 1.4.3) for every text against the nearest background that is not clear."""
    page = opened(copied("object-detection"), color_scheme=scheme)
    assert hard_to_read(page, "main *, footer") == []
