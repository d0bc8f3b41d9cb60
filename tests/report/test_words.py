import pytest

from roundtruth.report import words

NBSP = "\N{NO-BREAK SPACE}"


def test_numbers_are_written_for_people():
    assert words.money(1234567.891) == "$1,234,567.89"
    assert words.money(-3) == "−$3.00"
    assert words.money(-0.001) == "$0.00"
    assert [words.price(p) for p in (0.08, 0.036, 1, 0)] == ["$0.08", "$0.036", "$1.00", "$0.00"]
    assert words.percent(0.2714) == f"27.1{NBSP}%"
    assert [words.share(p) for p in (0.5, 0.003, 0)] == [f"50{NBSP}%", f"0.3{NBSP}%", f"0{NBSP}%"]
    assert [words.many(n, "box") for n in (0, 1, 1000)] == ["0 boxes", "1 box", "1,000 boxes"]
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
        ("audit", None, 0, "running", "Nothing to promise yet"),
        ("audit", None, 5, "running", "Not promised yet"),
        ("audit", True, 5, "complete", "Promised"),
        ("holdout", False, 5, "complete", "Not promised"),
    ],
)
def test_what_is_promised_is_said_plainly(certificate, holds, auto, state, title):
    summary = {"target": {"quality": 0.6, "certificate": certificate, "holds": holds}, "auto": auto, "state": state}
    said, sentence = words.promise(summary, "mean IoU", 0.95)
    assert said == title
    assert ("95" in sentence) == (certificate != "none")
    if auto:
        assert "a mean IoU of at least 0.6" in sentence


def test_more_spent_than_people_alone_is_no_saving():
    summary = {"state": "complete", "items": 10, "human": 5, "auto": 5, "input": 0, "failed": 0}
    summary["cost"] = {"total": 12.0, "all_human": 10.0, "saving": -0.2}
    assert words.explanation(summary).endswith(f"People alone would have cost $10.00: 20.0{NBSP}% lost.")
