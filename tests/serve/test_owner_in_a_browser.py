"""The owner's page as a person uses it, in front of a server that fails when a test says so."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser import hard_to_read
from tests.serve.conftest import until
from tests.serve.fake_owner import ID, OTHER, FakeOwner, ago, answer, box, disputed, job, person
from tests.serve.test_page_in_a_browser import HOSTILE

pytestmark = pytest.mark.slow

COLOURS = {"bird": [255, 182, 39], "nest": [76, 201, 240]}


@pytest.fixture
def owner():
    """owner(*jobs): a server that is started by `at`."""
    servers = []

    def made(*jobs) -> FakeOwner:
        servers.append(FakeOwner(*jobs))
        return servers[-1].start()

    yield made
    for server in servers:
        server.stop()


@pytest.fixture
def at(opened):
    """at(server, place, **context): the page at #place, once it shows something."""

    def made(server, place: str = "", **context):
        page = opened(server, prepare=f"location.hash ||= {json.dumps(place)}" if place else "", **context)
        shown(page)
        return page

    return made


def shown(page) -> None:
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")


def gallery(page) -> None:
    """To the gallery, by mouse."""
    page.get_by_role("link", name="Disagreements").click()
    expect(page.get_by_role("heading", name="Disagreements")).to_be_visible()
    shown(page)


def row(page, name: str):
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def cells(page, name: str) -> dict:
    found = row(page, name).locator("td")
    texts = found.evaluate_all("cells => cells.map(cell => [cell.dataset.name, cell.innerText])")
    return {name: " ".join(text.split()) for name, text in texts}


def focus(page) -> str:
    return page.evaluate("(({ ariaLabel, id, textContent }) => ariaLabel || id || textContent)(document.activeElement)")


def disputes(number: int) -> list[dict]:
    """Anna and Ben do not agree on any of these."""
    labels = {"Anna": [box(64, 48, 320, 240)], "Ben": [box(64, 48, 160, 120, "nest")]}
    return [
        disputed(item, [answer(worker, label) for worker, label in labels.items()]) for item in range(1, number + 1)
    ]


# ---- jobs


def root(page) -> str:
    """Where the server's addresses begin, as the browser sees them."""
    return page.url.partition("o/token/")[0]


def test_one_job_opens_at_once(owner, at):
    page = at(owner())
    expect(page).to_have_url(re.compile(f"#job/{ID}$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Birds")
    expect(page.locator("header .state")).to_have_text("Waiting for people, round 3")
    figures = page.locator("#job-figures").inner_text()
    for text in ("$97.20", "$189.40", "$170.00 to $210.00", "12.3\u00a0%"):
        assert text in figures
    expect(page.get_by_text("The job will cost about $189.")).to_be_visible()
    expect(page.get_by_text("Open batch: 31 of 200 items, 2 to 3 answers each")).to_be_visible()
    expect(page.get_by_text("Labels: 410 by people, 120 by the model, of 1,000 items")).to_be_visible()
    assert page.get_by_role("progressbar").evaluate("bar => bar.value / bar.max") == pytest.approx(31 / 200)
    expect(page.get_by_role("link", name="All jobs")).to_be_hidden()
    assert page.title() == "Birds · roundtruth"


def test_several_jobs_are_cards(owner, at):
    complete = job(OTHER, name="Nests", state="complete", asked=0, forecast=None, saved_percent=None, currency="EUR")
    server = owner(job(), complete)
    server.left_out = [{"address": "/jobs/old", "why": "The folder has another format."}]
    page = at(server)
    first, second = page.locator("#cards > li").all()
    expect(first).to_contain_text("31 of 200")
    expect(second).to_contain_text("No batch is open")
    expect(second).to_contain_text("EUR\u00a097.20")
    expect(second).to_contain_text("Complete, round 3")
    expect(page.get_by_text("The folder has another format.")).to_be_visible()
    second.click(position={"x": 30, "y": 60})  # anywhere on it
    expect(page.get_by_role("heading", level=1)).to_have_text("Nests")
    assert focus(page) == "title"
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")
    expect(first).to_be_visible()
    page.get_by_role("link", name="Birds").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Birds")
    page.get_by_role("link", name="All jobs").click()
    expect(first).to_be_visible()


def test_no_job_yet(owner, at):
    server = owner()
    server.jobs = []
    page = at(server)
    expect(page.get_by_text("No job is here yet.")).to_be_visible()
    server.jobs = [job()]
    expect(page.get_by_role("heading", level=1)).to_have_text("Birds")  # by itself


def test_rounds(owner, at):
    server = owner()
    page = at(server)
    texts = [" ".join(text.split()) for text in page.locator("#rounds tr").all_inner_texts()]
    assert texts == [
        "Round By people By the model Objects Cost Threshold", "1 10 0 12 $2.60 –", "2 400 120 655 $94.60 0.830",
    ]  # fmt: skip
    server.rounds.append(server.rounds[-1] | {"round": 3})
    expect(page.locator("#rounds tr")).to_have_count(4)


def test_the_report_and_the_submissions(owner, at):
    server = owner()
    page = at(server)
    expect(page.get_by_role("link", name="Submissions")).to_be_hidden()  # nobody is from a crowd
    server.people.append(person("prolific-1", crowd=True, url=None))
    with page.expect_download() as download:
        page.get_by_role("link", name="Submissions").click()
    assert download.value.suggested_filename == "submissions.csv"
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Report").click()
    expect(opened.value).to_have_title("The report")
    expect(opened.value).to_have_url(f"{server.address}jobs/{ID}/report/")
    server.jobs[0]["report"] = False
    expect(page.get_by_role("link", name="Report")).to_be_hidden()


# ---- people


def test_too_few_people_are_told(owner, at):
    server = owner()
    page = at(server)
    expect(page.locator("#few")).to_be_hidden()
    server.few = "A picture may need answers from 5 people, and 2 people have a link."
    expect(page.locator("#few")).to_have_text(server.few)


def test_what_people_did(owner, at):
    server = owner()
    server.people.append(person("Cem", state="below", seconds=75, last=ago(days=3), flag="Below 0.5 on known answers."))
    page = at(server)
    assert cells(page, "Anna") == {
        "Answers": "40", "Could not tell": "2", "Seconds an answer": "7.2 s", "Last answer": "5 minutes ago",
        "Has now": "2", "Agreement": "91 % of 35", "Known answers": "80 % of 7",
    }  # fmt: skip
    assert cells(page, "Ben")["Agreement"] == cells(page, "Ben")["Last answer"] == "–"
    assert cells(page, "Cem")["Seconds an answer"] == "1 min 15 s"
    assert cells(page, "Cem")["Last answer"] == "3 days ago"
    expect(row(page, "Cem")).to_contain_text("Gets no more items")
    expect(row(page, "Cem")).to_contain_text("Below 0.5 on known answers.")
    expect(row(page, "Cem").get_by_role("button", name="Pause")).to_be_hidden()


def test_pause_and_resume(owner, at):
    server = owner()
    page = at(server)
    page.get_by_role("button", name="Pause Anna").click()
    expect(page.get_by_text("Anna is paused.")).to_be_visible()
    expect(page.get_by_role("button", name="Resume Anna")).to_be_focused()
    expect(row(page, "Anna")).to_contain_text("Paused")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Pause Anna")).to_be_focused()
    page.get_by_role("button", name="Resume Ben").click()
    expect(row(page, "Ben")).to_contain_text("Active")
    assert server.posts == [
        ("people", {"worker": "Anna", "what": "pause"}), ("people", {"worker": "Anna", "what": "resume"}),
        ("people", {"worker": "Ben", "what": "resume"}),
    ]  # fmt: skip


def test_remove_asks_first(owner, at):
    server = owner()
    page = at(server)
    remove = page.get_by_role("button", name="Remove Anna")
    for leave in ("Cancel", "Escape"):
        remove.click()
        dialog = page.get_by_role("dialog", name="Remove Anna?")
        expect(dialog).to_contain_text("links stop working")
        expect(dialog).to_contain_text("What they did stays and is paid.")
        dialog.get_by_role("button", name="Cancel").click() if leave == "Cancel" else page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(remove).to_be_focused()
    assert server.posts == []
    remove.click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(row(page, "Anna")).to_contain_text("Removed")
    expect(remove).to_be_hidden()
    expect(row(page, "Anna").get_by_text("Anna", exact=True)).to_be_focused()
    expect(row(page, "Anna").get_by_role("button", name="link")).to_have_count(0)
    assert server.posts == [("people", {"worker": "Anna", "what": "remove"})]


def test_copy_a_link(owner, at):
    page = at(owner(), permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the link of Anna").click()
    expect(page.get_by_text("The link of Anna is copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{root(page)}w/4/"
    expect(page.get_by_role("button", name="Copy the link of Ben")).to_be_hidden()  # who has none
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("is copied.")).to_be_hidden()


def test_copy_a_link_without_https(owner, opened):
    """Then the browser has no clipboard for scripts."""
    prepare = """Object.defineProperty(navigator, "clipboard", { value: undefined });
        document.addEventListener("copy", ({ target }) => (window.copied = target.value));"""
    page = opened(owner(), prepare=prepare)
    page.get_by_role("button", name="Copy the link of Anna").click()
    dialog = page.get_by_role("dialog", name="The link of Anna")
    expect(dialog.get_by_role("textbox", name="Link")).to_have_value(f"{root(page)}w/4/")
    dialog.get_by_role("button", name="Copy").click()
    expect(dialog).to_contain_text("Copied.")
    assert page.evaluate("window.copied") == f"{root(page)}w/4/"


def test_a_new_link_and_no_link(owner, at):
    server = owner()
    page = at(server)
    page.get_by_role("button", name="Make a link for Ben").click()
    expect(page.get_by_role("dialog", name="The link of Ben").get_by_role("textbox")).to_have_value(re.compile("new-1"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Make a link for Ben")).to_be_hidden()
    page.get_by_role("button", name="Revoke the link of Ben").click()
    page.get_by_role("dialog", name="Revoke the link of Ben?").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The link of Ben does not work any more.")).to_be_visible()
    expect(page.get_by_role("button", name="Revoke the link of Ben")).to_be_hidden()
    expect(page.get_by_role("button", name="Make a link for Ben")).to_be_visible()
    assert server.posts == [
        ("links", {"worker": "Ben", "what": "make"}), ("links", {"worker": "Ben", "what": "revoke"}),
    ]  # fmt: skip


def test_add_a_person(owner, at):
    server = owner()
    page = at(server, trouble=True)
    page.get_by_label("Add a person").click()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text(["Write the person's name."])
    page.keyboard.type("Cem Öz")
    server.refusals = [(422, "'Cem Öz' cannot be a person's name.")]
    page.get_by_role("button", name="Make a link", exact=True).click()
    expect(page.locator("#add-error")).to_have_text("'Cem Öz' cannot be a person's name.")
    page.get_by_label("Add a person").press("Enter")
    dialog = page.get_by_role("dialog", name="The link of Cem Öz")
    expect(dialog.get_by_role("textbox", name="Link")).to_have_value(f"{root(page)}w/new-2/")
    expect(dialog).to_contain_text("Whoever has this link labels under this name")
    dialog.get_by_role("button", name="Close").click()
    expect(row(page, "Cem Öz")).to_be_visible()
    expect(page.get_by_label("Add a person")).to_have_value("")
    expect(page.locator("#add-error")).to_be_hidden()


def test_a_refused_change_is_said_until_it_is_closed(owner, at):
    server = owner()
    server.refusals = [(409, "The job is complete."), (503, "The disk is full.")]
    page = at(server, trouble=True)
    for sentence in ("The job is complete.", "The disk is full."):
        page.get_by_role("button", name="Pause Anna").click()
        expect(page.get_by_text(sentence)).to_be_visible()
        expect(page.get_by_role("button", name="Pause Anna")).not_to_have_attribute("aria-disabled", "true")
        page.locator("#said-close").click()
        expect(page.get_by_text(sentence)).to_be_hidden()


# ---- what is unclear


def test_unclear_items(owner, at):
    server = owner()
    reasons = [{"worker": "Anna", "reason": "Too dark", "at": ago(hours=3)}]
    server.unclear = [
        {"item": n, "source": f"p/{n}.jpg", "picture": f"jobs/{ID}/pictures/{n}", "reasons": reasons}
        for n in range(1, 15)
    ]
    page = at(server)
    items = page.locator("#unclear-list > li")
    expect(items).to_have_count(12)
    expect(items.first).to_contain_text(re.compile(r"p/1.jpg.*Anna.*3 hours ago.*Too dark", re.DOTALL))
    page.get_by_role("button", name="Show all 14").click()
    expect(items).to_have_count(14)
    page.get_by_role("button", name="Enlarge item 13").click()
    dialog = page.get_by_role("dialog", name="Item 13")
    until(page, lambda: dialog.locator("img").evaluate("image => image.naturalWidth") == 640)
    size = dialog.locator("img").bounding_box()
    assert size["width"] / size["height"] == pytest.approx(640 / 480, abs=0.02)
    dialog.get_by_role("button", name="Close").click()
    server.unclear = []
    expect(page.get_by_role("heading", name="Unclear items")).to_be_hidden()


# ---- the gallery


def drawn(canvas) -> dict:
    """Where the boxes' lines are, of each colour: [left, top, right, bottom] as shares of the canvas."""
    return canvas.evaluate(
        """(canvas, colours) => {
        const { width, height } = canvas;
        const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(canvas, 0, 0);
        const { data } = copy.getImageData(0, 0, width, height);
        const found = {};
        for (const [name, [r, g, b]] of Object.entries(colours)) {
            const rows = new Map(), columns = new Map();
            for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
                const at = 4 * (y * width + x);
                if (data[at] !== r || data[at + 1] !== g || data[at + 2] !== b || data[at + 3] !== 255) continue;
                rows.set(y, (rows.get(y) ?? 0) + 1);
                columns.set(x, (columns.get(x) ?? 0) + 1);
            }
            const long = counts => {  // the lines, and not the name
                const most = Math.max(...counts.values());
                const places = [...counts].filter(([, count]) => count > 0.6 * most).map(([place]) => place);
                return [Math.min(...places), Math.max(...places) + 1];
            };
            if (!rows.size) continue;
            const [[left, right], [top, bottom]] = [long(columns), long(rows)];
            found[name] = [left / width, top / height, right / width, bottom / height];
        }
        return found;
    }""",
        COLOURS,
    )


@pytest.mark.parametrize("scale", [1, 3])
def test_boxes_are_drawn_where_they_are(owner, at, scale):
    server = owner()
    server.gallery = disputes(1)
    page = at(server, device_scale_factor=scale)
    gallery(page)
    wanted = {"bird": [0.1, 0.1, 0.6, 0.6]}, {"nest": [0.1, 0.1, 0.35, 0.35]}
    for canvas, boxes in zip(page.locator("#items canvas").all(), wanted):
        width = canvas.bounding_box()["width"]
        assert canvas.evaluate("canvas => canvas.width") == pytest.approx(width * scale, abs=scale)
        assert {name: pytest.approx(at, abs=3 / width) for name, at in boxes.items()} == drawn(canvas)
    page.get_by_role("button", name="Enlarge Item 1, Ben").click()
    dialog = page.get_by_role("dialog", name="Item 1, Ben")
    large = dialog.locator("canvas")
    assert large.bounding_box()["width"] > width
    until(page, lambda: drawn(large) == {"nest": pytest.approx([0.1, 0.1, 0.35, 0.35], abs=0.01)})
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Enlarge Item 1, Ben")).to_be_focused()


def test_boxes_follow_the_window(owner, at):
    server = owner()
    server.gallery = disputes(1)
    page = at(server, f"#job/{ID}/gallery/1")
    canvas = page.locator("#items canvas").first
    for width in (360, 1900):
        page.set_viewport_size({"width": width, "height": 800})
        until(page, lambda: canvas.evaluate("canvas => canvas.width === Math.round(canvas.clientWidth)"))
        assert drawn(canvas)["bird"] == pytest.approx([0.1, 0.1, 0.6, 0.6], abs=0.02)


def test_what_an_answer_says(owner, at):
    server = owner()
    nothing = answer("Cem", [], "nothing")
    unsure = answer("Dora", None, "", reason="Too dark", seconds=None)
    server.gallery = [disputed(1, [answer("Anna", [box(0, 0, 9, 9)], "1 bird"), nothing, unsure])]
    page = at(server, f"#job/{ID}/gallery/1")
    texts = [" ".join(text.split()) for text in page.locator(".said").all_inner_texts()]
    assert texts == [
        "Anna 8.4 s, 2 hours ago 1 bird Send back", "Cem 8.4 s, 2 hours ago nothing Send back",
        "Dora 2 hours ago Could not tell: Too dark Send back",
    ]  # fmt: skip
    expect(page.locator(".item .head")).to_have_text(re.compile("Item 1.*Agreement 42\u00a0%.*pictures/1.jpg"))


def test_classes_are_texts_beside_one_picture(owner, at):
    server = owner(job(kind="image-classification"))
    server.gallery = [disputed(1, [answer("Anna", [{"label": "bird"}]), answer("Ben", [{"label": "nest"}])])]
    page = at(server, f"#job/{ID}/gallery/1")
    assert page.locator(".words").all_inner_texts() == ["bird", "nest"]
    colours = page.locator(".words .swatch").evaluate_all("all => all.map(one => one.style.backgroundColor)")
    assert colours == ["rgb({}, {}, {})".format(*COLOURS[name]) for name in ("bird", "nest")]
    expect(page.locator("#items img")).to_have_count(1)
    page.get_by_role("button", name="Enlarge item 1").click()
    expect(page.get_by_role("dialog", name="Item 1")).to_be_visible()


def test_send_back(owner, at):
    server = owner()
    server.gallery = disputes(2)
    server.gallery[1]["open"] = False
    page = at(server, f"#job/{ID}/gallery/1", trouble=True)
    expect(page.get_by_role("button", name="Send back: Item 2")).to_have_count(0)  # its batch is closed
    page.get_by_role("button", name="Send back: Item 1, Ben").click()
    dialog = page.get_by_role("dialog", name="Send item 1 back to Ben?")
    expect(dialog.get_by_label("Comment")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("Write what is to be done differently.")
    page.keyboard.type("There is a bird,")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("too.")
    server.refusals = [(409, "Ben was removed.")]
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("Ben was removed.")
    dialog.get_by_role("button", name="Send back").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("Item 1 is sent back to Ben.")).to_be_visible()
    expect(page.get_by_text("Sent back: There is a bird, too.")).to_be_visible()
    expect(page.get_by_role("button", name="Send back: Item 1, Ben")).to_be_hidden()
    expect(page.get_by_role("button", name="Send back: Item 1, Anna")).to_be_visible()
    assert page.evaluate("document.activeElement.textContent") == "Ben"  # near where the button was
    sent = ("again", {"item": 1, "worker": "Ben", "comment": "There is a bird,\ntoo."})
    assert server.posts == [sent, sent]


def test_pages(owner, at):
    server = owner()
    server.gallery = disputes(50)
    page = at(server)
    gallery(page)
    expect(page.locator("#items > li")).to_have_count(24)
    expect(page.get_by_text("50 items with more than one answer")).to_be_visible()
    above, below = page.get_by_role("navigation", name=re.compile("^Pages")).all()
    expect(above).to_contain_text("Page 1 of 3")
    expect(above.get_by_text("Previous")).to_have_attribute("aria-disabled", "true")
    below.get_by_role("link", name="Next").click()
    expect(page.locator("#items h3").first).to_have_text("Item 25")
    assert page.evaluate("scrollY") == 0
    page.go_back()
    expect(page.locator("#items h3").first).to_have_text("Item 1")
    until(page, lambda: page.evaluate("scrollY") > 1000)  # where the person was
    page.go_forward()
    expect(page.locator("#items h3").first).to_have_text("Item 25")
    above.get_by_role("link", name="Next").press("Enter")
    expect(page.locator("#items > li")).to_have_count(2)
    expect(above.get_by_text("Next")).to_have_attribute("aria-disabled", "true")
    above.get_by_role("link", name="Previous").click()
    expect(page.locator("#items h3").first).to_have_text("Item 25")
    page.reload()
    expect(page.locator("#items h3").first).to_have_text("Item 25")
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="People")).to_be_visible()


def test_no_disagreements_yet(owner, at):
    page = at(owner(), f"#job/{ID}/gallery/1")
    expect(page.get_by_text("No item has more than one answer yet.")).to_be_visible()
    expect(page.locator(".paging").first).to_be_hidden()


# ---- it refreshes by itself


def test_a_refresh_keeps_focus_scrolling_and_order(owner, at):
    server = owner()
    server.gallery = disputes(20)
    page = at(server, f"#job/{ID}/gallery/1")
    button = page.get_by_role("button", name="Send back: Item 9, Ben")
    button.focus()
    before = button.bounding_box()
    server.gallery.reverse()
    server.gallery[-1]["answers"].append(answer("Cem", []))
    expect(page.locator("#items > li").first).to_contain_text("Cem")
    expect(button).to_be_focused()
    assert button.bounding_box()["y"] == pytest.approx(before["y"], abs=2)
    assert page.locator("#items h3").all_inner_texts() == [f"Item {n}" for n in range(1, 21)]


def test_a_refresh_keeps_an_open_dialog_and_what_is_typed(owner, at):
    server = owner()
    server.gallery = disputes(2)
    page = at(server, f"#job/{ID}/gallery/1", trouble=True)
    page.get_by_role("button", name="Send back: Item 1, Anna").click()
    page.keyboard.type("Look")
    server.gallery = server.gallery[1:]
    expect(page.locator("#items > li")).to_have_count(1)
    page.keyboard.type(" again")
    expect(page.get_by_label("Comment")).to_have_value("Look again")
    server.refusals = [(409, "The batch is closed.")]
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text("The batch is closed.")


def test_a_refresh_keeps_a_name_that_is_being_typed(owner, at):
    server = owner()
    page = at(server)
    page.get_by_label("Add a person").click()
    page.keyboard.type("Ce")
    server.people.insert(0, person("Zoe"))
    expect(row(page, "Zoe")).to_be_visible()
    page.keyboard.type("m")
    expect(page.get_by_label("Add a person")).to_have_value("Cem")


def test_how_often_it_refreshes(owner, opened):
    server = owner()
    page = opened(server, prepare="window.away = false; Object.defineProperty(document, 'hidden', { get: () => away })")
    shown(page)
    page.clock.install()
    page.reload()
    shown(page)

    def after(seconds: float) -> int:
        """How often the page asks within so many seconds."""
        reads = server.reads
        for _ in range(round(seconds)):
            page.clock.run_for(1_000)
            page.wait_for_timeout(100)  # for the server
        return server.reads - reads

    assert 3 <= after(20) <= 5
    page.evaluate("away = true")
    after(6)
    assert after(50) == 0
    reads = server.reads
    page.evaluate("away = false; document.dispatchEvent(new Event('visibilitychange'))")
    until(page, lambda: server.reads == reads + 1)  # at once


# ---- what goes wrong


def test_a_server_in_trouble(owner, at):
    server = owner()
    page = at(server, trouble=True)
    server.fault = 503, "The folder cannot be read now."
    expect(page.get_by_text("The folder cannot be read now.")).to_be_visible()
    expect(row(page, "Anna")).to_be_visible()  # what is known stays
    page.get_by_role("button", name="Pause Anna").click()
    expect(row(page, "Anna")).to_contain_text("Paused")
    server.fault = None
    server.people[0]["answers"] = 41
    expect(page.get_by_text("The folder cannot be read now.")).to_be_hidden()
    assert cells(page, "Anna")["Answers"] == "41"


def test_a_server_that_is_gone_for_a_while(owner, at):
    server = owner()
    page = at(server, trouble=True)
    server.stop()
    expect(page.get_by_text("The server cannot be reached. The page tries again.")).to_be_visible()
    page.get_by_role("button", name="Pause Anna").click()
    expect(page.get_by_text("The server cannot be reached. Try again.")).to_be_visible()
    server.start()
    expect(page.get_by_text("The page tries again.")).to_be_hidden()
    page.get_by_role("button", name="Pause Anna").click()
    expect(row(page, "Anna")).to_contain_text("Paused")


def test_a_link_that_is_not_valid(owner, opened):
    server = owner()
    server.link_valid = False
    page = opened(server, trouble=True)
    expect(page.get_by_role("heading", name="This link is not valid")).to_be_visible()
    expect(page.locator("header")).to_be_hidden()
    expect(page.get_by_text("It was mistyped, has expired, or was revoked.")).to_be_visible()


def test_a_link_that_ends(owner, at):
    server = owner()
    page = at(server, trouble=True)
    page.get_by_role("button", name="Remove Anna").click()
    server.link_valid = False
    expect(page.get_by_role("heading", name="This link is not valid")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#job")).to_be_hidden()


def test_a_job_that_is_not_there(owner, at):
    server = owner(job(), job(OTHER, name="Nests"))
    page = at(server, "#job/00ff00ff00ff", trouble=True)
    expect(page.get_by_role("heading", name="This job cannot be shown")).to_be_visible()
    expect(page.get_by_text("There is no such job.")).to_be_visible()
    page.get_by_role("link", name="All jobs").click()
    expect(page.locator("#cards > li")).to_have_count(2)


# ---- everyone


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_shown_as_text(owner, at, text):
    server = owner(job(name=text, currency=text[:3], forecast={"total": 1, "low": 1, "high": 1, "text": text}))
    server.left_out = [{"address": text, "why": text}]
    server.people = [person(text, url=text, flag=text, state=text)]
    reasons = [{"worker": text, "reason": text, "at": ago(hours=1)}]
    server.unclear = [{"item": 1, "source": text, "picture": f"jobs/{ID}/pictures/1", "reasons": reasons}]
    server.classes = [text]
    answers = [
        answer(text, [box(9, 9, 99, 99, text)], text), answer("Ben", None, "", reason=text),
        answer("Cem", [{"label": text}], text, sent_back=text),
    ]  # fmt: skip
    server.gallery = [disputed(1, answers, source=text)]
    page = at(server, width=360, trouble=True)

    def is_text(*places) -> None:
        for place in places:
            assert text in page.locator(place).first.text_content()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360

    is_text("#cards a", "#left-out-list bdi", "#left-out-list span")
    page.locator("#cards a").click()
    expect(page.locator("#people .name")).to_be_visible()
    is_text("h1", "#people .name", ".flag", "#forecast-text", ".source", ".reasons .name", ".reasons span")
    page.locator("#people .verbs button", has_text="Remove").click()
    is_text("#question-title")
    server.refusals = [(409, text)]
    page.locator("#question-verb").click()
    expect(page.locator("#question-error")).not_to_be_empty()
    is_text("#question-error")
    page.keyboard.press("Escape")
    gallery(page)
    is_text(".item .source", ".said .name", ".said .words", ".sent-back:not([hidden])", ".class bdi")
    assert page.title().endswith("· roundtruth")  # no script has changed it


@pytest.mark.parametrize(("width", "height"), [(360, 640), (740, 360), (1280, 720), (3840, 2160)])
def test_no_scrolling_to_the_side(owner, at, width, height):
    long = "Straßenbahnhaltestellenüberdachung" * 3
    server = owner(job(name=long), job(OTHER, name="سلام عليكم"))
    server.people += [person(long[:100], flag=long, answers=123_456), person("שלום עולם")]
    server.gallery = disputes(3)
    server.gallery[1] |= {"width": 3000, "height": 200}
    server.gallery[2] |= {"width": 200, "height": 3000}
    page = at(server, width=width, height=height)
    for view, place in {"jobs": "#all", "job": f"#job/{ID}", "gallery": f"#job/{ID}/gallery/1"}.items():
        page.evaluate("hash => (location.hash = hash)", place)
        expect(page.locator("body")).to_have_attribute("data-view", view)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    for drawing in page.locator("#items .drawing").all():
        assert drawing.bounding_box()["height"] < 1.1 * height


def test_by_touch_on_a_phone(owner, at):
    server = owner()
    server.gallery = disputes(2)
    page = at(server, width=360, height=740, has_touch=True, is_mobile=True, device_scale_factor=3)
    page.get_by_role("button", name="Pause Anna").tap()
    expect(row(page, "Anna")).to_contain_text("Paused")
    assert min(page.locator("button:visible").evaluate_all("all => all.map(one => one.clientHeight)")) >= 38
    page.get_by_role("link", name="Disagreements").tap()
    page.get_by_role("button", name="Enlarge Item 1, Anna").tap()
    page.get_by_role("dialog").get_by_role("button", name="Close").tap()
    page.get_by_role("button", name="Send back: Item 1, Anna").tap()
    page.get_by_label("Comment").tap()
    page.keyboard.type("Again")
    page.get_by_role("dialog").get_by_role("button", name="Send back").tap()
    expect(page.get_by_text("Sent back: Again")).to_be_visible()


def test_keyboard_alone(owner, at):
    """Each control can be reached with Tab, and shows that it has the focus."""
    page = at(owner(job(), job(OTHER)), f"#job/{ID}")
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            """(one => [one === document.body ? "" : one.ariaLabel || one.id || one.textContent,
                getComputedStyle(one).outlineStyle])(document.activeElement)"""
        )
        if not name:
            break
        reached.append(name)
        assert outline != "none" or not name
    assert reached == [
        "all-jobs", "tab-job", "tab-gallery", "tab-report",
        "Copy the link of Anna", "Revoke the link of Anna", "Pause Anna", "Remove Anna",
        "Make a link for Ben", "Resume Ben", "Remove Ben", "add-name", "Make a link", "rounds-wide",
    ]  # fmt: skip


def test_each_control_has_a_name(owner, at):
    server = owner()
    server.gallery = disputes(2)
    page = at(server)
    nameless = """[...document.querySelectorAll('button, input, textarea, progress, dialog, table, nav, img')].filter(
        one => !(one.getAttribute('aria-label') || one.labels?.length || one.alt || one.textContent.trim()
            || document.getElementById(one.getAttribute('aria-labelledby')))
            && !one.closest('dialog:not([open])')).map(one => one.outerHTML)"""
    assert page.evaluate(nameless) == []
    gallery(page)
    assert page.evaluate(nameless) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(owner, at, scheme):
    server = owner(job(), job(OTHER, state="complete"))
    server.people[0]["flag"] = "Far faster than the others."
    server.gallery = disputes(2)
    server.gallery[0]["answers"][0]["sent_back"] = "Again"
    page = at(server, color_scheme=scheme)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(json.loads(colour.replace("rgb(", "[").replace(")", "]"))) < 384) == (scheme == "dark")
    assert hard_to_read(page, "body *") == []
    page.get_by_role("link", name="Birds").first.click()
    expect(row(page, "Anna")).to_be_visible()
    assert hard_to_read(page, "body *") == []
    page.get_by_role("button", name="Remove Anna").click()
    assert hard_to_read(page, "#question *") == []
    page.keyboard.press("Escape")
    gallery(page)
    assert hard_to_read(page, "body *") == []
