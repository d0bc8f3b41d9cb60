"""JSON on columns is what json.dumps writes, byte for byte."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from roundtruth.kinds import common, image_classification, object_detection

SIDES = ["left", "top", "width", "height"]
text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
classes_of = st.lists(text, min_size=1, max_size=4, unique=True)
share = st.floats(0, 1) | st.integers(0, 20_000).map(lambda n: n / 20_000)  # every other one is a half to be rounded
side = st.floats(-1, 1e5) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-1, 5000).map(float)
source = st.sampled_from(["human", "auto", "input", "verified"])


def dumps(value) -> str:
    return json.dumps(value, separators=(",", ":"))


def whole(value: float) -> int | float:
    return int(value) if value == int(value) else value


@given(st.lists(side))
def test_numbers(values):
    assert common.json_numbers(np.array(values)).to_pylist() == [dumps(whole(value)) for value in values]


@given(st.lists(share))
def test_confidences(values):
    assert common.json_confidence(np.array(values)).to_pylist() == [dumps(round(value, 4)) for value in values]


def test_nested_values():
    rows = pa.array(["1", "2"], pa.string())
    found = common.json_fields({'a"': [{"b": rows}, 3], "c": {}, "d": rows}, pd.Series([7, 5]))
    assert found.to_dict() == {7: '"a\\"":[{"b":1},3],"c":{},"d":1', 5: '"a\\"":[{"b":2},3],"c":{},"d":2'}
    assert common.json_fields({"a": None}, pd.Series([7, 5])).tolist() == ['"a":null'] * 2


@given(st.data(), classes_of, text, text)
def test_classes_are_written_as_json_dumps_does(data, classes, attribute, name):
    label = st.tuples(st.integers(0, len(classes) - 1), share, source)
    rows = data.draw(st.lists(label, max_size=5))
    items = np.arange(len(rows))[::-1]
    labels = (
        pd.DataFrame(rows, columns=["class_id", "confidence", "source"]).assign(item=items).astype({"class_id": int})
    )
    written = image_classification.encode(labels, pd.DataFrame({"item": range(9)}), attribute, classes, name, "now")
    expected = [
        {
            attribute: number,
            f"{attribute}-metadata": {
                "confidence": round(sure, 4),
                "job-name": name,
                "class-name": classes[number],
                "human-annotated": "no" if by == "auto" else "yes",
                "creation-date": "now",
                "type": "groundtruth/image-classification",
            },
        }
        for number, sure, by in reversed(rows)
    ]
    assert written.to_dict() == {item: dumps(line)[1:-1] for item, line in enumerate(expected)}


@given(st.data(), classes_of, text, text)
def test_boxes_are_written_as_json_dumps_does(data, classes, attribute, name):
    box = st.tuples(st.integers(0, len(classes) - 1), side, side, side, side, share)
    pictures = data.draw(st.lists(st.tuples(source, st.lists(box, max_size=4)), max_size=4))
    rows = [
        (item, *one, by)
        for item, (by, drawn) in enumerate(pictures, 1)
        for one in drawn or [(-1, 0.0, 0.0, 0.0, 0.0, 1.0)]
    ]
    labels = pd.DataFrame(rows, columns=["item", "class_id", *SIDES, "confidence", "source"])
    labels = labels.astype({"item": int, "class_id": int, **dict.fromkeys([*SIDES, "confidence"], float)})
    items = pd.DataFrame({"item": range(9, 0, -1), "width": 64, "height": range(9), "depth": 3})
    written = object_detection.encode(labels, items, attribute, classes, name, "now")
    expected = {}
    for item, (by, drawn) in reversed(list(enumerate(pictures, 1))):
        size = [{"width": 64, "height": 9 - item, "depth": 3}]
        annotations = [
            {"class_id": number} | {k: whole(v) for k, v in zip(("top", "left", "height", "width"), (t, a, h, w))}
            for number, a, t, w, h, _ in drawn
        ]
        expected[item] = {
            attribute: {"image_size": size, "annotations": annotations},
            f"{attribute}-metadata": {
                "objects": [{"confidence": round(one[-1], 4)} for one in drawn],
                "class-map": {str(one[0]): classes[one[0]] for one in drawn},
                "type": "groundtruth/object-detection",
                "human-annotated": "no" if by == "auto" else "yes",
                "creation-date": "now",
                "job-name": name,
            },
        }
    assert list(written.items()) == [(item, dumps(line)[1:-1]) for item, line in expected.items()]


def test_classes_that_differ_only_by_case_or_accents_are_alike():
    names = ["Cat", "Résumé", "dog", "CAT", "resume", "STRASSE", "straße", "cat ", "Й", "и"]
    found = [["Cat", "CAT"], ["Résumé", "resume"], ["STRASSE", "straße"], ["Й", "и"]]
    assert common.alike(names) == found
    # in other scripts a mark makes another letter: Japanese ka and ga, Hindi ki and ku, two Thai vowels
    assert common.alike(["か", "が", "कि", "कु", "กิ", "กี", "a", "b"]) == []
