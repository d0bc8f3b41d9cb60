import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from roundtruth.errors import UserError
from roundtruth.kinds import image_classification as ic
from roundtruth.kinds.common import RowMistakes

CLASSES = ["cat", "dog"]


def record(label=0, **changed) -> dict:
    metadata = {
        "confidence": 0.95,
        "job-name": "labeling-job/x",
        "class-name": "dog",
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00.000000",
        "type": "groundtruth/image-classification",
    }
    return {
        "source-ref": "a.jpg",
        "label": label,
        "label-metadata": metadata | {k.replace("_", "-"): v for k, v in changed.items()},
    }


def decode(*records) -> pd.DataFrame:
    items = np.arange(1, len(records) + 1)
    return ic.decode(records, items, "label", CLASSES, lambda item: f"truth.manifest: line {item}")


def parsed(written: pd.Series) -> list[dict]:
    return [json.loads("{" + text + "}") for text in written]


def test_quality_is_right_or_wrong_of_the_items_in_both():
    labels = pd.DataFrame({"item": [3, 1, 2], "class_id": [0, 1, 1], "confidence": 1.0})
    reference = pd.DataFrame({"item": [1, 3, 4], "class_id": [1, 1, 0]})
    assert ic.quality(labels, reference).to_dict() == {1: 1.0, 3: 0.0}


def test_confidence_is_the_score_and_an_item_is_one_object():
    predictions = pd.DataFrame({"item": [2, 1], "class_id": [0, 1], "score": [0.5, 0.75]})
    assert ic.confidence(predictions).to_dict() == {1: 0.75, 2: 0.5}
    assert ic.objects(predictions).to_dict() == {1: 1, 2: 1}


def test_answers_become_class_ids():
    answers = pd.DataFrame({"item": [1, 1, 1, 2], "worker": list("abca"), "class_id": [1, 1, 0, 0]})
    labels, workers = ic.consolidate(answers, ["cat", "dog", "owl"])
    assert labels["class_id"].tolist() == [1, 0]
    assert labels["class_id"].dtype == np.int64
    assert list(labels.columns) == ["item", "class_id", "confidence"]
    assert workers["answers"].tolist() == [2, 1, 1]


def test_the_name_says_the_class_whatever_its_number():
    labels = decode(record(9), record("0", class_name="cat", confidence=0))
    assert labels.values.tolist() == [[1, 1, 0.95, False], [2, 0, 0, True]]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (record("x"), "field label: 'x' is not the number of a class"),
        (record(1.5), "field label: 1.5 is not the number of a class"),
        (record(True), "field label: True is not the number of a class"),
        (
            record(class_name="cow"),
            "field label-metadata: class-name: 'cow' is not one of the job's classes (cat, dog)",
        ),
        (record(class_name=None), "field label-metadata: class-name: "),
        (record(confidence=2), "field label-metadata: confidence: not a number from 0 to 1"),
        (record(confidence="high"), "field label-metadata: confidence: not a number from 0 to 1"),
        (record(type="groundtruth/object-detection"), "field label-metadata: type is 'groundtruth/object-detection'"),
        ({"source-ref": "a.jpg"}, "field label: missing"),
        ({"source-ref": "a.jpg", "label": 0, "label-metadata": []}, "field label-metadata: missing"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_field(line, what):
    with pytest.raises(UserError) as error:
        decode(record(), line)
    assert str(error.value).startswith(f"truth.manifest: line 2: {what}")


def test_real_manifests_come_back_as_they_were(data):
    folder = data / "ground-truth-manifests" / "birds-image-classification"
    attribute = "birds-open-images-clone"
    records = [json.loads(line) for line in (folder / "output.manifest").read_text().splitlines()]
    names = {line[attribute]: line[f"{attribute}-metadata"]["class-name"] for line in records}
    classes = [names.get(k, f"class {k}") for k in range(max(names) + 1)]
    labels = ic.decode(records, np.arange(len(records)), attribute, classes, str).assign(source="human")
    items = pd.DataFrame({"item": range(len(records))})
    written = ic.encode(labels, items, attribute, classes, "labeling-job/birds-open-images-clone", "now")
    assert written.index.tolist() == items["item"].tolist()
    for line, mine in zip(records, parsed(written), strict=True):
        line[f"{attribute}-metadata"]["creation-date"] = "now"
        assert mine == {key: line[key] for key in mine}


def test_labels_are_written_in_the_order_of_the_items():
    labels = pd.DataFrame(
        {"item": [1, 3], "class_id": [0, 1], "confidence": [0.5, 1.0], "source": ["auto", "verified"]}
    )
    written = ic.encode(labels, pd.DataFrame({"item": [3, 2, 1], "source": "x"}), "label", CLASSES, "job", "now")
    assert written.index.tolist() == [3, 1]
    assert [line["label"] for line in parsed(written)] == [1, 0]
    assert [line["label-metadata"]["human-annotated"] for line in parsed(written)] == ["yes", "no"]


def test_people_answer_with_the_names_of_classes():
    frame = pd.DataFrame({"label": ["dog", "cat"]}, dtype="str", index=[4, 7])
    mistakes = RowMistakes()
    labels = ic.read_answers(frame, CLASSES, mistakes)
    assert labels["class_id"].to_dict() == {4: 1, 7: 0}
    assert len(mistakes) == 0
    ic.read_answers(frame.assign(label=["dog", "Cat"]), CLASSES, mistakes)
    with pytest.raises(UserError, match=r"a\.csv: line 7: field label: 'Cat' is not one of the job's classes"):
        mistakes.refuse(lambda index: f"a.csv: line {index}")
    pd.testing.assert_frame_equal(ic.write_answers(labels, CLASSES), frame)


def test_the_class_stands_below_the_picture():
    drawn = ic.draw(Image.new("L", (32, 32)), pd.DataFrame({"class_id": [1]}), ["cat", "a class with a long name"])
    assert drawn.height > 32
    assert drawn.width > 32
    colours = {colour for _, colour in drawn.crop((0, 32, *drawn.size)).getcolors(10**6)}
    assert len(colours) > 1  # letters on their plate
