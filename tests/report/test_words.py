import math
from dataclasses import replace

import pytest

from roundtruth.look import Look
from roundtruth.report import words

NBSP = "\N{NO-BREAK SPACE}"


def test_numbers_are_written_for_people():
    assert words.money(1234567.891) == "$1,234,567.89"
    assert words.money(-3) == "−$3.00"
    assert words.money(-0.001) == "$0.00"
    assert [words.price(p) for p in (0.08, 0.036, 1, 0)] == ["$0.08", "$0.036", "$1.00", "$0.00"]
    assert words.percent(0.2714) == f"27.1{NBSP}%"
    assert [words.share(p) for p in (0.5, 0.003, 0)] == [f"50{NBSP}%", f"0.3{NBSP}%", f"0{NBSP}%"]
    assert [words.every(n, "item") for n in (1, 1000)] == ["the item", "all 1,000 items"]
    assert [words.score(s) for s in (0.6, 0.8125, 1.0, None, float("nan"))] == ["0.600", "0.812", "1.000", "–", "–"]
    assert [words.duration(s) for s in (0, 1.23, 61.5, 7322)] == [
        "–",
        f"1.2{NBSP}s",
        f"1{NBSP}min{NBSP}2{NBSP}s",
        f"2{NBSP}h{NBSP}2{NBSP}min",
    ]


@pytest.mark.parametrize(
    ("certificate", "holds", "auto", "state", "title"),
    [
        ("none", None, 5, "complete", "Nothing is promised"),
        ("none", None, 0, "complete", "Nothing to promise"),
        ("none", None, 0, "running", "Nothing to promise yet"),
        ("holdout", None, 0, "complete", "Nothing to promise"),
        ("holdout", None, 0, "running", "Nothing to promise yet"),
        ("holdout", True, 5, "complete", "Promised"),
    ],
)
def test_what_is_promised_is_said_plainly(certificate, holds, auto, state, title):
    summary = {"target": {"quality": 0.6, "certificate": certificate, "holds": holds}, "auto": auto, "state": state}
    said, sentence = words.promise(summary, "mean IoU", 0.95)
    assert said == title
    assert (f"5{NBSP}%" in sentence) == (bool(holds) or (certificate != "none" and state == "running"))
    if auto:
        assert "a mean IoU of at least 0.6" in sentence


def test_the_promise_in_a_sentence_for_who_pays():
    summary = {"target": {"quality": 0.6, "certificate": "holdout", "holds": True}, "auto": 771, "state": "complete"}
    assert words.promise(summary, "mean IoU", 0.95)[1] == (
        "771 labels by the model match people's labels with a mean IoU of at least 0.6; "
        f"the chance that this is wrong is at most 5{NBSP}%."
    )
    assert words.promise(summary | {"auto": 1}, "accuracy", 0.999)[1] == (
        "1 label by the model matches people's labels with an accuracy of at least 0.6; "
        f"the chance that this is wrong is at most 0.1{NBSP}%."
    )


BOXES = Look(
    threshold=0.7123456789, rule="coin", checked=172, above=131, quality=0.78125, provisional=True, stage=(2, 1),
    binary=False, drawn=0.18254, delta=0.03, coverage=0.93, log_e=4.25, auto=771,
)  # fmt: skip
NOTHING = replace(BOXES, threshold=None, above=0, quality=None, coverage=0.0, auto=0, log_e=2.5)


def test_the_certificate_in_a_sentence_for_a_statistician():
    said = words.certificate(BOXES, "mean IoU", 0.05, True).replace(NBSP, " ")
    assert said == (
        "Rule \u201ccoin\u201d, look (2, 1) with δ = 0.03 of the 0.05 that all looks together may spend: each "
        "item that the model did not learn from was drawn by a coin of its own with probability 0.1825; 172 "
        "items were drawn and labeled by people blind to the model, 131 of them at or above the threshold "
        "0.712346 with a mean IoU of 0.7812 (an estimate; only the target is promised); the largest log "
        "e-value of any cut is 4.250, and log 1/δ = 3.507 passes; of the items not drawn 771, 93.0 %, are at "
        "or above it, and the model labeled these."
    )
    walk = replace(BOXES, rule="walk", binary=True, log_e=None, above=100, quality=0.97)
    said = words.certificate(walk, "accuracy", 0.05, True)
    assert "an accuracy of 0.9700, 3 of them wrong" in said
    assert "e-value" not in said
    assert "the model labeled" not in words.certificate(BOXES, "mean IoU", 0.05, False)
    said = words.certificate(NOTHING, "mean IoU", 0.05, False)
    assert "at or above" not in said
    assert "2.500" in said
    assert said.endswith("; no cut passed.")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"needed": 210}, "About 210 more checked items would have been enough"),
        ({"needed": 1}, "About 1 more checked item would have been enough"),
        ({"needed": math.inf}, "No number of checked items would have been enough"),
        ({}, "so it labeled nothing."),
        ({"checked": 0}, "No item was checked, as the budget did not reach that far"),
    ],
)
def test_where_nothing_can_be_promised_it_is_said_what_would_have_done(found, said):
    summary = {"target": {"quality": 0.6, "certificate": "holdout", "holds": None}, "auto": 0, "state": "complete"}
    title, sentence = words.promise(summary, "mean IoU", 0.95, replace(NOTHING, **found))
    assert title == "Nothing can be promised"
    assert said in sentence
    assert ("checked item" in sentence) == (found.get("checked", 1) > 0)


def test_more_spent_than_people_alone_is_no_saving():
    summary = {"state": "complete", "items": 10, "human": 5, "auto": 5, "input": 0, "failed": 0}
    summary["cost"] = {"total": 12.0, "all_human": 10.0, "saving": -0.2}
    assert words.explanation(summary).endswith(f"People alone would have cost $10.00: 20.0{NBSP}% lost.")


def held(**changed) -> dict:
    target = {"quality": 0.95, "confidence": 0.9, "certificate": "holdout", "holds": True}
    return {"auto": 771, "input": 0, "target": target} | changed


def test_the_promise_for_somebody_who_has_to_repeat_it():
    said = dict(words.meaning(held(), "accuracy", True))
    assert said["What is promised?"] == (
        "On average, the model's labels agree with people's labels with an accuracy of at least 0.95: "
        "at least 95 in 100 are the label that people would have given."
    )
    assert said["For which labels?"].startswith("The 771 labels that the model made, taken together. ")
    assert f"90{NBSP}% sure" in said["How sure is it?"]
    assert f"at most 10{NBSP}%." in said["How sure is it?"]
    not_meant = said["What does it not mean?"]
    assert all(what in not_meant for what in ("each single label", "each class", "people are right", "later"))


def test_the_promise_about_boxes_and_about_few_labels():
    said = dict(words.meaning(held(auto=1, input=3), "mean IoU", False))
    assert said["What is promised?"].endswith(
        "1 means that the two labels are the same and 0 that they have nothing in common."
    )
    assert said["For which labels?"].startswith("The one label that the model made. ")
    assert "labels that came with the data are not, either" in said["For which labels?"]


def test_where_nothing_is_promised_nothing_is_explained():
    target = {"quality": 0.95, "confidence": 0.9, "certificate": "none", "holds": None}
    assert words.meaning(held(target=target), "accuracy", True) == []


def test_a_long_name_keeps_both_ends():
    assert words.cut("abcdefghij", 10) == "abcdefghij"
    assert words.cut("abcdefghijk", 10) == "abcd…ghijk"
    assert len(words.cut("x" * 1000)) == 80


def test_only_labels_that_came_with_the_data():
    summary = {"state": "waiting", "items": 200, "human": 0, "auto": 0, "input": 20, "failed": 0}
    summary["cost"] = {"total": 4.43, "all_human": 0.0, "saving": 0.0}
    assert words.headline(summary) == "20 of 200 items came with a label; nothing else is labeled yet."
    assert words.headline(summary | {"input": 0, "failed": 1}) == "199 items to label; nothing is labeled yet."


@pytest.mark.parametrize(("number", "said"), [(0, "None"), (1, "1 item came"), (2, "2 items came")])
def test_labeled_already(number, said):
    assert words.labeled_already(number, True).startswith(said)


def test_what_people_must_mend_comes_first():
    summary = {"rejected": 0, "first_rejected": [], "about_answers": ["1 column not read: note"]}
    assert words.about_answers(summary) == ["1 column not read: note."]
    one, *rest = words.about_answers(summary | {"rejected": 1, "first_rejected": ["a.csv: line 2: worker: empty"]})
    assert one.startswith("1 row of people's answers is rejected. people/rejected.csv in the job folder lists it.")
    assert rest == ["a.csv: line 2: worker: empty", "1 column not read: note."]
    many = words.about_answers(summary | {"rejected": 1200, "first_rejected": ["a.csv: line 2: worker: empty"] * 10})
    assert many[0].startswith("1,200 rows of people's answers are rejected.")
    assert many[0].endswith("The first 10:")
