"""The labeling page as a person uses it, in front of a server that fails when a test says so."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser import hard_to_read
from tests.serve.conftest import until

pytestmark = pytest.mark.slow

HOSTILE = [
    '<img src=x onerror="document.title=1">', "</script><script>document.title = 1</script>", "\u202egnp.exe\u202c",
    "x" * 10_000, "Größe ß 😀 שלום مرحبا", "{{7*7}} ${7*7} &amp; &lt;b&gt;",
]  # fmt: skip


def shows(page, item: int) -> None:
    """The page shows the item, and it can be answered."""
    expect(page.locator("body")).to_have_attribute("data-screen", "picture")
    expect(page.locator(".classes-picture")).to_have_attribute("src", f"pictures/{item}")


def labels(server) -> dict:
    return {item: body["label"] and [row["label"] for row in body["label"]] for item, body in server.answers.items()}


def kept(page) -> list:
    """What the browser keeps of this page."""
    return page.evaluate("Object.entries(localStorage).filter(([key]) => key.startsWith('roundtruth:'))")


def test_from_the_first_item_to_the_last(served, opened):
    server = served(3)
    page = opened(server)
    shows(page, 1)
    expect(page.locator("#line")).to_have_text("Which animal is in the picture?")
    for item, key in enumerate("123", 1):
        shows(page, item)
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    expect(page.get_by_text("You gave 3 answers.")).to_be_visible()
    assert labels(server) == {1: ["cat"], 2: ["dog"], 3: ["bird"]}
    assert len(server.stored) == 3
    until(page, lambda: kept(page) == [])


def test_the_next_picture_is_there_before_it_is_shown(served, opened):
    server = served(4)
    page = opened(server)
    shows(page, 1)
    until(page, lambda: server.asked_pictures == [1, 2])
    page.keyboard.press("1")
    shows(page, 2)
    until(page, lambda: server.asked_pictures == [1, 2, 3])


def test_progress(served, opened):
    server = served(4, mine=12, answered=30, asked=90)
    page = opened(server)
    shows(page, 1)
    expect(page.locator("#mine-text")).to_have_text("12 answers")
    expect(page.locator("#batch-text")).to_have_text("30 of 90")
    page.keyboard.press("1")
    expect(page.locator("#mine-text")).to_have_text("13 answers")
    expect(page.locator("#batch-text")).to_have_text("31 of 90")
    assert page.locator("#batch").evaluate("bar => bar.value / bar.max") == pytest.approx(31 / 90)


def test_instructions_and_keys(served, opened):
    page = opened(served(2))
    shows(page, 1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Instructions")).to_be_visible()
    assert page.locator("#help-text b").inner_text() == "whole"
    expect(page.get_by_role("row", name="I cannot tell")).to_contain_text("T")
    expect(page.get_by_role("row", name="Zoom", exact=False)).to_contain_text("Wheel")
    page.keyboard.press("1")  # is not an answer now
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    shows(page, 1)


def test_i_cannot_tell(served, opened):
    server = served(3)
    page = opened(server)
    shows(page, 1)
    page.keyboard.press("t")
    page.keyboard.press("2")
    shows(page, 2)
    page.get_by_role("button", name="I cannot tell").click()
    page.get_by_label("Another reason").fill("Zu dunkel für mich")
    page.keyboard.press("Enter")
    shows(page, 3)
    page.keyboard.press("t")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("1")
    until(page, lambda: len(server.answers) == 3)
    assert [body["reason"] for body in server.stored.values()] == [
        "What is asked for is hidden or cut off", "Zu dunkel für mich", "",
    ]  # fmt: skip
    assert labels(server) == {1: None, 2: None, 3: ["cat"]}


# ---- back


def test_back_changes_an_answer_and_returns(served, opened):
    server = served(4)
    page = opened(server)
    for item in (1, 2):
        shows(page, item)
        page.keyboard.press("1")
    shows(page, 3)
    page.keyboard.press("ArrowDown")  # an unfinished answer
    page.keyboard.press("Alt+ArrowLeft")
    shows(page, 2)
    page.keyboard.press("Alt+ArrowLeft")
    shows(page, 1)
    expect(page.get_by_role("option", name="cat")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("3")
    shows(page, 3)
    expect(page.get_by_role("option", name="cat")).to_have_attribute("aria-selected", "true")
    until(page, lambda: labels(server) == {1: ["bird"], 2: ["cat"]})
    assert len(server.stored) == 3  # a changed answer is a new one
    page.keyboard.press("Alt+ArrowLeft")
    shows(page, 1)  # it is the newest now
    page.keyboard.press("Alt+ArrowRight")
    shows(page, 3)
    page.get_by_role("button", name="Back").click()
    shows(page, 1)
    page.keyboard.press("Escape")
    shows(page, 3)


def test_undo_goes_back(served, opened):
    server = served(2)
    page = opened(server)
    shows(page, 1)
    page.keyboard.press("1")
    shows(page, 2)
    page.keyboard.press("Control+z")
    shows(page, 1)
    page.keyboard.press("2")
    shows(page, 2)
    until(page, lambda: labels(server) == {1: ["dog"]})


def test_back_after_a_reload_and_when_all_is_done(served, opened):
    server = served(2)
    server.end = "waiting"
    page = opened(server)
    shows(page, 1)
    page.keyboard.press("t")
    page.keyboard.press("1")
    shows(page, 2)
    until(page, lambda: len(server.answers) == 1)
    page.reload()
    shows(page, 2)
    page.keyboard.press("2")
    expect(page.get_by_role("heading", name="Nothing to do right now")).to_be_visible()
    page.keyboard.press("Alt+ArrowLeft")
    shows(page, 2)
    page.keyboard.press("Alt+ArrowLeft")
    shows(page, 1)
    expect(page.get_by_text("Your answer was: I cannot tell. The picture is too dark")).to_be_visible()
    page.keyboard.press("3")
    expect(page.get_by_role("heading", name="Nothing to do right now")).to_be_visible()
    until(page, lambda: labels(server) == {1: ["bird"], 2: ["dog"]})


# ---- nothing is lost, nothing is stored twice


@pytest.mark.parametrize("fault", ["break off before storing", "break off after storing", 500, 503, 429])
def test_a_failed_submit_is_tried_again_with_the_same_nonce(served, opened, fault):
    server = served(3)
    server.faults = [fault, fault]
    page = opened(server, trouble=True)
    shows(page, 1)
    page.keyboard.press("2")
    shows(page, 2)  # the person goes on meanwhile
    expect(page.locator("#unsent")).to_have_text("1 answer not sent yet, trying again")
    expect(page.locator("#unsent")).to_have_text("")
    assert labels(server) == {1: ["dog"]}
    assert len(server.attempts) == 3
    assert len(set(server.attempts)) == len(server.stored) == 1


def test_a_server_that_dies_in_the_middle_of_a_submit(served, opened):
    server = served(5)
    page = opened(server, trouble=True)
    shows(page, 1)
    until(page, lambda: server.asked_pictures == [1, 2])
    server.faults = ["break off after storing"]
    page.keyboard.press("1")
    until(page, lambda: len(server.stored) == 1)
    server.stop()
    shows(page, 2)
    page.keyboard.press("2")
    expect(page.locator("#unsent")).to_have_text("2 answers not sent yet, trying again")
    server.start()
    shows(page, 3)
    until(page, lambda: labels(server) == {1: ["cat"], 2: ["dog"]})
    expect(page.locator("#unsent")).to_have_text("")
    assert len(server.stored) == 2
    until(page, lambda: kept(page) == [])


def test_a_reload_while_the_server_is_down(served, opened):
    """The page cannot even load then; what was answered is sent when it can."""
    server = served(4)
    page = opened(server, trouble=True)
    shows(page, 1)
    server.faults = [500] * 100
    page.keyboard.press("1")
    shows(page, 2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.reload()
    shows(page, 2)  # not the first again, which waits to be sent
    expect(page.get_by_role("option", name="dog")).to_have_attribute("aria-selected", "true")
    server.faults = []
    until(page, lambda: labels(server) == {1: ["cat"]})
    page.keyboard.press("Enter")
    until(page, lambda: labels(server) == {1: ["cat"], 2: ["dog"]})
    assert len(server.stored) == 2


def test_offline_and_back(served, opened):
    server = served(5)
    page = opened(server, trouble=True)
    shows(page, 1)
    until(page, lambda: server.asked_pictures == [1, 2])
    page.context.set_offline(True)
    page.keyboard.press("1")
    shows(page, 2)
    page.keyboard.press("2")
    expect(page.locator("#unsent")).to_have_text("2 answers not sent yet, trying again")
    assert server.attempts == []
    page.context.set_offline(False)
    shows(page, 3)
    until(page, lambda: labels(server) == {1: ["cat"], 2: ["dog"]})


FORBIDDEN = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }"


@pytest.mark.parametrize("prepare", [FORBIDDEN, FULL], ids=["forbidden", "full"])
def test_a_browser_that_stores_nothing(served, opened, prepare):
    server = served(3)
    server.faults = [500]
    page = opened(server, trouble=True, prepare=prepare)
    shows(page, 1)
    page.keyboard.press("1")
    expect(page.get_by_text("This browser cannot store anything")).to_be_visible()
    shows(page, 2)
    until(page, lambda: labels(server) == {1: ["cat"]})
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("This browser cannot store anything")).to_be_hidden()
    page.keyboard.press("2")
    shows(page, 3)
    until(page, lambda: labels(server) == {1: ["cat"], 2: ["dog"]})


def test_the_browser_warns_before_it_closes_with_unsent_answers(served, opened):
    server = served(3)
    server.faults = [500] * 100
    page = opened(server, trouble=True)
    shows(page, 1)
    page.keyboard.press("1")
    expect(page.locator("#unsent")).to_contain_text("not sent yet")
    warnings = []
    page.on("dialog", lambda dialog: (warnings.append(dialog.type), dialog.dismiss()))
    page.close(run_before_unload=True)
    until(page, lambda: warnings)
    assert warnings == ["beforeunload"]
    server.faults = []
    expect(page.locator("#unsent")).to_have_text("")


NO_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', {value: undefined})"  # as without HTTPS


@pytest.mark.parametrize("prepare", ["", NO_LOCKS], ids=["locks", "no locks"])
def test_two_tabs(served, opened, prepare):
    """What one tab could not send, another one sends, once."""
    server = served(6)
    first = opened(server, trouble=True, prepare=prepare)
    shows(first, 1)
    second = first.context.new_page()
    second.add_init_script(prepare)
    second.goto(server.address)
    shows(second, 1)
    server.faults = [500] * 10_000
    first.keyboard.press("1")
    shows(first, 2)
    expect(first.locator("#unsent")).to_contain_text("1 answer not sent")
    second.keyboard.press("2")
    shows(second, 2)
    second.keyboard.press("3")
    expect(first.locator("#unsent")).to_contain_text("3 answers not sent")
    first.close()
    server.faults = []
    until(second, lambda: len(server.stored) == 3)
    expect(second.locator("#unsent")).to_have_text("")
    assert labels(server) == {1: ["dog"], 2: ["bird"]}
    until(second, lambda: kept(second) == [])


# ---- what the server refuses


def test_an_answer_that_cannot_be_taken_comes_back(served, opened):
    server = served(3)
    page = opened(server, trouble=True)
    shows(page, 1)
    server.faults = [422, 200, 422]
    for item in (1, 2, 3):
        shows(page, item)
        page.keyboard.press("1")
    for item in (1, 3):  # when there is nothing else to do
        shows(page, item)
        expect(page.get_by_text("This answer was not taken. This class is not in the job.")).to_be_visible()
        page.keyboard.press("2")
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    assert labels(server) == {1: ["dog"], 2: ["cat"], 3: ["dog"]}
    until(page, lambda: kept(page) == [])


def test_an_answer_that_cannot_be_taken_waits_while_another_is_drawn(served, opened):
    server = served(4)
    page = opened(server, trouble=True)
    shows(page, 1)
    server.faults = [500, 422]
    page.keyboard.press("1")
    shows(page, 2)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_text("An answer was not taken. This class is not in the job.")).to_be_visible()
    shows(page, 2)
    page.reload()
    shows(page, 2)
    expect(page.get_by_role("option", name="cat")).to_have_attribute("aria-selected", "true")
    page.get_by_role("button", name="Change it").click()
    shows(page, 1)
    page.keyboard.press("3")
    shows(page, 2)
    page.keyboard.press("Enter")
    until(page, lambda: labels(server) == {1: ["bird"], 2: ["cat"]})


def test_an_answer_to_a_closed_batch_is_dropped(served, opened):
    server = served(3)
    server.faults = [409]
    page = opened(server, trouble=True)
    shows(page, 1)
    server.open_items.discard(1)
    page.keyboard.press("1")
    expect(page.get_by_text("An answer was not kept. The batch is closed.")).to_be_visible()
    shows(page, 2)
    assert [key for key, _ in kept(page) if ":answer:" in key] == []
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("An answer was not kept.")).to_be_hidden()
    page.keyboard.press("2")
    shows(page, 3)
    until(page, lambda: labels(server) == {2: ["dog"]})


def test_a_link_that_is_not_valid(served, opened):
    server = served(3)
    server.link_valid = False
    page = opened(server, trouble=True)
    expect(page.get_by_role("heading", name="This link is not valid")).to_be_visible()


def test_a_link_that_ends_keeps_what_was_not_sent(served, opened):
    server = served(3)
    page = opened(server, trouble=True)
    shows(page, 1)
    until(page, lambda: server.asked_pictures == [1, 2])
    server.link_valid = False
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="This link is not valid")).to_be_visible()
    expect(page.get_by_text("1 answer is kept in this browser.")).to_be_visible()
    assert len(kept(page)) == 1
    server.link_valid = True
    page.reload()
    shows(page, 2)
    until(page, lambda: labels(server) == {1: ["cat"]})


def test_a_picture_that_does_not_load_at_once(served, opened):
    server = served(3)
    server.picture_faults[1] = 1
    page = opened(server, trouble=True)
    expect(page.get_by_text("The picture cannot be loaded yet")).to_be_visible()
    shows(page, 1)


def test_a_picture_that_never_loads_can_be_passed(served, opened):
    server = served(3)
    server.picture_faults[1] = 10_000
    page = opened(server, trouble=True)
    expect(page.get_by_text("The picture cannot be loaded yet")).to_be_visible()
    page.keyboard.press("t")
    page.keyboard.press("1")
    shows(page, 2)
    until(page, lambda: labels(server) == {1: None})


# ---- states


def test_an_answer_that_was_sent_back_shows_the_comment_and_what_was_said(served, opened):
    server = served(2)
    server.seeds[1], server.comments[1] = [{"label": "dog"}], "<b>It barks.</b>"
    page = opened(server)
    shows(page, 1)
    expect(page.locator("#comment")).to_have_text("Please look at this one again. <b>It barks.</b>")
    expect(page.get_by_role("option", name="dog")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("1")
    shows(page, 2)
    expect(page.locator("#comment")).to_be_hidden()
    page.keyboard.press("Alt+ArrowLeft")
    expect(page.locator("#comment")).to_be_hidden()


def test_who_labels_alone_sees_how_the_job_stands(served, opened):
    server = served(2, alone=True, overview="../../o/123-abc/", figures="3 of 9 labeled by you.")
    page = opened(server)
    shows(page, 1)
    expect(page.get_by_role("complementary")).to_contain_text("3 of 9 labeled by you.")
    link = page.get_by_role("link", name="Overview")
    assert link.evaluate("link => link.href").endswith("/deep/path/o/123-abc/")
    server.job["figures"] = "4 of 9 labeled by you."
    page.keyboard.press("1")
    expect(page.get_by_role("complementary")).to_contain_text("4 of 9 labeled by you.")


@pytest.mark.parametrize(
    ("alone", "told"), [(True, "The picture gets no label."), (False, "Somebody else will look at this picture too.")]
)
def test_who_cannot_tell_learns_what_becomes_of_the_picture(served, opened, alone, told):
    page = opened(served(1, alone=alone))
    shows(page, 1)
    page.keyboard.press("t")
    expect(page.get_by_role("dialog").get_by_text(told)).to_be_visible()


def test_waiting_goes_on_by_itself(served, opened):
    server = served(2, note="The model is learning from round 1.", alone=True)
    server.open_items = {1}
    server.end = "waiting"
    page = opened(server)
    shows(page, 1)
    expect(page.get_by_role("complementary")).to_contain_text("Round 1")
    page.keyboard.press("1")
    expect(page.locator("#screen-text")).to_contain_text("The model is learning from round 1.")
    server.job["round"] = 2
    server.open_items = {2}
    shows(page, 2)
    expect(page.get_by_role("complementary")).to_contain_text("Round 2")


def test_what_the_server_said_before_an_answer_does_not_undo_it(served, opened):
    server = served(1)
    server.late_next = {2}
    page = opened(server)
    shows(page, 1)
    page.evaluate(
        "window.screens = []; new MutationObserver(() => screens.push(document.body.dataset.screen))"
        ".observe(document.body, {attributes: true})"
    )
    until(page, lambda: server.asked_next == 2)
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    server.late_next = set()  # the server still takes the job for open in this answer
    until(page, lambda: server.answered_next == 3)
    expect(page.locator("#mine-text")).to_have_text("1 answer")
    screens = page.evaluate("screens")
    assert "loading" not in screens[screens.index("done") :]


@pytest.mark.parametrize("state", ["waiting", "paused", "done"])
def test_a_page_that_waits_asks_seldom(served, opened, state):
    server = served(4)
    page = opened(server)
    shows(page, 1)
    asked = server.asked_next
    server.job["state"] = state
    server.open_items = {1}
    page.keyboard.press("1")
    page.keyboard.press("1")
    expect(page.locator("body")).to_have_attribute("data-screen", state)
    page.wait_for_timeout(4000)  # nothing may happen in this time, so there is nothing to wait for
    assert server.asked_next - asked <= {"waiting": 6, "paused": 6, "done": 3}[state]


def test_paused_and_resumed(served, opened):
    server = served(4)
    page = opened(server)
    shows(page, 1)
    server.job["state"] = "paused"
    page.keyboard.press("1")
    expect(page.get_by_role("heading", name="Paused")).to_be_visible()
    until(page, lambda: len(server.answers) == 1)
    server.job["state"] = "open"
    shows(page, 2)


def test_a_reason_is_never_sent_for_another_picture(served, opened):
    """The first answer in training: what the server says of it comes while the person doubts the next picture."""
    server = served(3)
    server.feedback = {1: {"right": True, "text": "", "label": [{"label": "cat"}]}}
    page = opened(server, trouble=True)
    shows(page, 1)
    server.faults = [500]
    page.keyboard.press("1")
    shows(page, 2)
    page.keyboard.press("t")
    expect(page.get_by_text("Right.")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    shows(page, 2)
    assert labels(server) == {1: ["cat"]}


def test_in_training_the_next_picture_waits_for_the_feedback(served, opened):
    server = served(4, training=True)
    server.feedback = {item: {"right": True, "text": "", "label": [{"label": "cat"}]} for item in (1, 2)}
    page = opened(server, trouble=True)
    watch = """() => {
        window.seen = [];
        const see = () => window.seen.push(document.querySelector('.classes-picture').getAttribute('src'));
        new MutationObserver(see).observe(document.querySelector('.classes-stage'), {childList: true});
    }"""
    shows(page, 1)
    page.evaluate(watch)
    page.keyboard.press("1")
    page.get_by_role("button", name="Go on").click()
    shows(page, 2)
    page.keyboard.press("1")
    page.get_by_role("button", name="Go on").click()
    shows(page, 3)
    assert page.evaluate("window.seen") == [f"pictures/{item}" for item in (1, 2, 2, 3)]  # and no next one before it
    server.faults = [500] * 100
    page.keyboard.press("1")
    shows(page, 4)  # nobody waits for a server that is in trouble
    server.faults = []
    until(page, lambda: len(server.answers) == 3)


def test_feedback(served, opened):
    server = served(3)
    server.feedback = {
        1: {"right": False, "text": "Look at the ears.", "label": [{"label": "dog"}]},
        2: {"right": True, "text": "", "label": [{"label": "cat"}]},
    }
    page = opened(server)
    shows(page, 1)
    page.keyboard.press("1")
    expect(page.get_by_text("Not quite.")).to_be_visible()
    expect(page.get_by_text("Look at the ears.")).to_be_visible()
    shows(page, 1)
    expect(page.get_by_role("option", name="dog", include_hidden=True)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("3")  # is no answer
    page.keyboard.press("Enter")
    shows(page, 2)
    page.keyboard.press("1")
    expect(page.get_by_text("Right.")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    shows(page, 3)
    assert labels(server) == {1: ["cat"], 2: ["cat"]}


# ---- seconds


def test_pauses_do_not_count(served, opened, browser):
    server = served(3)
    context = browser.new_context()
    page = context.new_page()
    page.clock.install()
    page.goto(server.address)
    shows(page, 1)
    page.keyboard.press("ArrowDown")
    page.clock.run_for(10_000)
    page.keyboard.press("ArrowDown")
    page.clock.run_for(3_600_000)
    page.keyboard.press("ArrowDown")
    page.clock.run_for(5_000)
    page.keyboard.press("Enter")
    until(page, lambda: server.answers)
    context.close()
    assert server.answers[1]["seconds"] == pytest.approx(35, abs=3)  # 10, 20 of the hour, 5


# ---- everyone


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_shown_as_text(served, opened, text):
    instructions = {"line": text, "html": ""}
    server = served(
        3, job=text, worker=text, classes=[text, "other"], instructions=instructions, note=text, alone=True
    )  # fmt: skip
    server.feedback = {1: {"right": True, "text": text, "label": [{"label": text}]}}
    server.errors[409] = text
    page = opened(server, width=360, trouble=True)
    shows(page, 1)
    for place in ("#name", "#line", "#note", "[role=option] bdi"):
        assert page.locator(place).first.text_content() == text
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    assert page.locator("#explanation").text_content() == text
    page.keyboard.press("Enter")
    shows(page, 2)
    server.faults = [409]
    page.keyboard.press("1")
    expect(page.locator("#notices span")).to_have_text(re.compile("^An answer was not kept."))
    assert text in page.locator("#notices span").text_content()
    assert page.title().endswith("· roundtruth")  # no script has changed it
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    until(page, lambda: labels(server) == {1: [text]})


@pytest.mark.parametrize(("width", "height"), [(360, 640), (740, 360), (1280, 720), (3840, 2160)])
def test_no_scrolling_to_the_side(served, opened, width, height):
    classes = ["Straßenbahnhaltestellenüberdachung", "סוס", "x" * 60, *[f"class {n}" for n in range(20)]]
    page = opened(served(3, classes=classes, note="A note.", alone=True), width, height)
    shows(page, 1)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("document.documentElement.scrollHeight") == height
    stage = page.locator(".classes-stage").bounding_box()
    assert stage["height"] > 0.25 * height
    for name in ("Submit", "I cannot tell", "Instructions"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height


def test_keyboard_alone(served, opened):
    """Each control can be reached with Tab, and shows that it has the focus."""
    page = opened(served(3))
    shows(page, 1)
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        seen = page.locator(":focus").evaluate_all(
            "([one]) => one ? [one.id || one.ariaLabel, getComputedStyle(one).outlineStyle] : ['', 'auto']"
        )
        if seen[0] in [name for name, _ in reached]:
            break
        reached.append(seen)
    names = [name for name, _ in reached]
    assert [name for name in names if name] == [
        "help-button", "Zoom in", "Zoom out", "Show the whole picture", "Classes", "back", "unsure", "submit",
    ]  # fmt: skip
    assert all(outline != "none" for name, outline in reached if name)


def test_each_control_has_a_name(served, opened):
    page = opened(served(3, classes=[f"class {n}" for n in range(12)]))
    shows(page, 1)
    nameless = page.evaluate(
        """[...document.querySelectorAll('button, input, textarea, progress, dialog, [role=listbox], img')].filter(
            one => !(one.getAttribute('aria-label') || one.labels?.length || one.alt || one.textContent.trim()
              || document.getElementById(one.getAttribute('aria-labelledby')))).map(one => one.outerHTML)"""
    )
    assert nameless == []


def test_nothing_moves_when_a_picture_follows_another(served, opened):
    server = served(4)
    server.sizes = {2: (200, 900)}
    page = opened(server)
    shows(page, 1)
    places = """['header', '.classes-stage', '.classes-list', 'footer', '#submit'].map(
        name => JSON.stringify(document.querySelector(name).getBoundingClientRect()))"""
    before = page.evaluate(places)
    page.keyboard.press("1")
    shows(page, 2)
    assert page.evaluate(places) == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(served, opened, scheme):
    page = opened(served(3), color_scheme=scheme)
    shows(page, 1)
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(json.loads(colour.replace("rgb(", "[").replace(")", "]"))) < 384) == (scheme == "dark")
    page.keyboard.press("ArrowDown")
    assert hard_to_read(page, "body *") == []
    page.keyboard.press("?")
    assert hard_to_read(page, "#help *") == []


def test_a_person_from_a_crowd_goes_back_when_all_is_done(served, opened):
    exit = "https://app.prolific.com/submissions/complete?cc=C1A2B3"
    page = opened(served(1, exit=exit))
    shows(page, 1)
    expect(page.locator("#exit")).to_be_hidden()
    page.keyboard.press("1")
    expect(page.locator("#exit")).to_be_visible()
    expect(page.locator("#exit")).to_have_attribute("href", exit)
    assert page.locator("#exit").bounding_box()["height"] >= 40
