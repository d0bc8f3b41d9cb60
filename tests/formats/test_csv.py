import csv as stdlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from roundtruth.errors import UserError
from roundtruth.formats import csv
from roundtruth.kinds import image_classification, object_detection
from tests.jobs import read_records

CLASSES = ["cat", "dog"]
BOXES, NAMES = "object-detection", "image-classification"


@pytest.fixture
def table(tmp_path):
    def write(text: str) -> str:
        (tmp_path / "in.csv").write_text(text, encoding="utf-8", newline="")
        return str(tmp_path / "in.csv")

    return write


def read(path: str, kind: str) -> list[dict]:
    return read_records(path, kind, CLASSES)


def test_a_column_of_sources_is_enough(table):
    path = table("source\nb.jpg\ns3://bucket/a.jpg\n")
    for kind in (BOXES, NAMES):
        assert read(path, kind) == [{"source-ref": "b.jpg"}, {"source-ref": "s3://bucket/a.jpg"}]


def test_classes(table):
    records = read(table("source,label\na.jpg,dog\nb.jpg,\nc.jpg,cat\n"), NAMES)
    assert records[1] == {"source-ref": "b.jpg"}
    assert [records[i]["label"] for i in (0, 2)] == [1, 0]
    assert records[0]["label-metadata"]["class-name"] == "dog"
    assert records[0]["label-metadata"]["type"] == "groundtruth/image-classification"


def test_the_rows_of_one_source_are_its_boxes(table, tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg")
    text = "source,class,left,top,width,height\na.jpg,dog,1,2,3,4.5\nb.jpg,,,,,\na.jpg,cat,5,6,7,8\nc.jpg,cat,1,1,1,1\n"
    a, b, c = read(table(text), BOXES)
    assert b == {"source-ref": "b.jpg"}
    assert a["label"] == {
        "image_size": [{"width": 64, "height": 48, "depth": 3}],
        "annotations": [
            {"class_id": 1, "top": 2, "left": 1, "height": 4.5, "width": 3},
            {"class_id": 0, "top": 6, "left": 5, "height": 8, "width": 7},
        ],
    }
    assert "image_size" not in c["label"], "the picture is not there to ask"
    labels = object_detection.decode([a, c], np.array([1, 3]), "label", CLASSES, str)
    assert labels["class_id"].tolist() == [1, 0, 0]


def test_cells_may_be_quoted_padded_and_from_a_spreadsheet(table):
    path = table('\ufeffsource , label\r\n"a,\n1.jpg",cat\r\n b.jpg , dog \r\n\r\n')
    assert [record["source-ref"] for record in read(path, NAMES)] == ["a,\n1.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (NAMES, "", "line 1: empty"),
        (NAMES, "source,label\n", "empty"),
        (NAMES, "file,label\na,cat\n", "line 1: field source: the column is missing; the columns are source; for"),
        (NAMES, "source,lable\na,cat\n", "line 1: field lable: do you mean label"),
        (NAMES, "source,class\na,cat\n", "line 1: field class: do you mean label"),
        (NAMES, "source,label,label\na,cat,cat\n", "line 1: field label: the column is there twice"),
        (NAMES, "source,label\na,cat\nb\n", "line 3: 1 cells"),
        (NAMES, "source,label\na,cat\n,dog\n", "line 3: field source: empty"),
        (NAMES, 'source,label\n"a\n1",cat\nb,cow\n', "line 4: field label: 'cow'"),
        (NAMES, "source,label\na,cat\nb,cat\na,cat\n", "line 4: field source: a is on line 2 already"),
        (NAMES, 'source,label\n"a,cat\n', "line 2: not CSV"),
        (NAMES, "source,label,confidence\na,cat,2\n", "line 2: field confidence: '2'"),
        (NAMES, "source,label,label_source\na,cat,me\n", "line 2: field label_source: 'me'"),
        (BOXES, "source,class,left,top,width\na,cat,1,1,1\n", "line 1: field height: the column is missing"),
        (BOXES, "source,class,left,top,width,height\na,cat,1,1,1,x\n", "line 2: field height: 'x'"),
        (BOXES, "source,class,left,top,width,height\na,cat,1,1,1,0\n", "line 2: field height: the box has no area"),
        (BOXES, "source,class,left,top,width,height\na,,1,1,1,1\n", "line 2: field class: empty"),
        (BOXES, "source,class,left,top,width,height\na,,,,,\na,cat,1,1,1,1\n", "line 3: .* is on line 2 already"),
        (BOXES, "source,class,left,top,width,height\na,cat,1,1,1,1\na,,,,,\n", "line 3: .* is on line 2 already"),
        (BOXES, "source\na\na\n", "line 3: .* is on line 2 already"),
    ],
)
def test_what_is_wrong_is_named(table, kind, text, message):
    path = table(text)
    with pytest.raises(UserError, match=message) as error:
        read(path, kind)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_box_outside_its_picture(table, tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg")
    path = table("source,class,left,top,width,height\na.jpg,cat,0,0,64,49\na.jpg,cat,60,0,10,10\n")
    with pytest.raises(UserError, match=r"line 3: left: .* from 60 to 70, outside the picture, whose width is 64"):
        read(path, BOXES)


def test_a_labeled_picture_out_of_reach(table):
    path = table("source,class,left,top,width,height\na.jpg,,,,,\n../a.jpg,cat,60,0,10,10\n")
    with pytest.raises(UserError, match=r"line 3: source: \.\./a\.jpg: leads out of"):
        read(path, BOXES)


def test_what_is_no_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"source\n\xc3\xa9\n\xff\n")
    with pytest.raises(UserError, match="line 3: not UTF-8"):
        read(str(tmp_path / "a.csv"), NAMES)
    (tmp_path / "a.csv").write_bytes(b"source\na\n\0\n")
    with pytest.raises(UserError, match="line 3: no text"):
        read(str(tmp_path / "a.csv"), NAMES)


def test_a_spreadsheets_csv(tmp_path):
    text = "sep=;\r\nSource;Class;Left;Top;Width;Height;\r\ncaf\xe9.jpg;cat;1,5;2;3,25;4;\r\n;;;;;;\r\n"
    (tmp_path / "a.csv").write_bytes(text.encode("cp1252"))
    (record,) = read(str(tmp_path / "a.csv"), BOXES)
    assert record["source-ref"] == "caf\xe9.jpg"
    assert record["label"]["annotations"] == [{"class_id": 0, "left": 1.5, "top": 2, "width": 3.25, "height": 4}]


def test_mistakes_of_all_sorts_are_counted_in_one_message(table):
    rows = [
        "a.jpg,cow,1,1,5,5",
        "a.jpg,cat,1,1,x,0",
        ",cat,1,1,1,1",
        "a.jpg,cat",
    ]
    path = table("source,class,left,top,width,height\n" + "".join(f"{row}\n" for row in rows))
    with pytest.raises(UserError) as error:
        read(path, BOXES)
    said = str(error.value)
    assert said.startswith(f"{path}: 5 mistakes: line 2: field class: 'cow'")
    for line, what in ((3, "width: 'x'"), (3, "height: the box"), (4, "source: empty")):
        assert f"line {line}: field {what}" in said
    assert "line 5: 2 cells, where the header has 6" in said


def test_columns_that_are_not_read_are_said(table):
    path = table("source,when,class,left,top,width,height\na.jpg,today,cat,1,2,3,4\n")
    (shard,) = csv.read(path, object_detection, CLASSES, "label")
    assert shard.passed == ((1, "column[|s] (when)"),)


# --- Export ---


def labels_of(kind, rows) -> pd.DataFrame:
    types = {"item": "int64", **kind.COLUMNS, "confidence": float}
    return pd.DataFrame(rows, columns=["item", *kind.COLUMNS, "confidence", "source"]).astype(types)


ITEMS = pd.DataFrame({"item": [1, 2, 3], "source": ["a.jpg", "b, c.jpg", "broken.jpg"], "width": [9, 9, 0]})


def test_boxes_are_written(tmp_path):
    rows = [(2, -1, 0, 0, 0, 0, 0.5, "human"), (1, 1, 1, 2.25, 3, 4, 0.9, "auto"), (1, 0, 5, 6, 7, 8, 0.8, "auto")]
    csv.write(str(tmp_path / "out.csv"), ITEMS, labels_of(object_detection, rows), object_detection, CLASSES)
    assert (tmp_path / "out.csv").read_text() == (
        "item,source,class,left,top,width,height,confidence,label_source\n"
        "1,a.jpg,dog,1,2.25,3,4,0.9,auto\n"
        "1,a.jpg,cat,5,6,7,8,0.8,auto\n"
        '2,"b, c.jpg",,,,,,0.5,human\n'
    )


def test_classes_are_written(tmp_path):
    rows = [(2, 0, 1.0, "human"), (1, 1, 0.25, "auto")]
    csv.write(str(tmp_path / "out.csv"), ITEMS, labels_of(image_classification, rows), image_classification, CLASSES)
    assert (tmp_path / "out.csv").read_text() == (
        'item,source,label,confidence,label_source\n1,a.jpg,dog,0.25,auto\n2,"b, c.jpg",cat,1.0,human\n'
    )


sides = st.floats(0.25, 40)
sure = st.integers(0, 10_000).map(lambda n: n / 10_000)  # a manifest keeps four places
picture = st.lists(
    st.tuples(st.integers(0, 1), sides, sides, sides, sides, sure), max_size=3, unique_by=lambda box: box[:5]
)
name = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=5)


@given(st.dictionaries(name, picture, min_size=1, max_size=4), st.sampled_from(["human", "auto"]))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_exported_boxes_are_read_back(tmp_path, pictures, source):
    rows = []
    for item, drawn in enumerate(pictures.values(), start=1):
        rows += [(item, *box, source) for box in drawn] or [(item, -1, 0, 0, 0, 0, 1, source)]
    labels = labels_of(object_detection, rows)
    items = pd.DataFrame({"item": range(1, len(pictures) + 1), "source": [f"p/{name}" for name in pictures]})
    path = str(tmp_path / "boxes.csv")
    csv.write(path, items, labels, object_detection, CLASSES)
    with (tmp_path / "boxes.csv").open(newline="") as file:
        assert [row["source"] for row in stdlib.DictReader(file)] == items["source"].iloc[labels["item"] - 1].tolist()
    records = read(path, BOXES)
    assert [record["source-ref"] for record in records] == items["source"].tolist()
    back = object_detection.decode(records, np.arange(1, len(records) + 1), "label", CLASSES, str)
    back = back.drop(columns="as_is").reset_index(drop=True)
    pd.testing.assert_frame_equal(back, labels[back.columns])


@given(st.dictionaries(name, st.tuples(st.integers(0, 1), sure), min_size=1, max_size=6))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_exported_classes_are_read_back(tmp_path, pictures):
    labels = labels_of(
        image_classification, [(i, *label, "human") for i, label in enumerate(pictures.values(), start=1)]
    )
    items = pd.DataFrame({"item": range(1, len(pictures) + 1), "source": list(pictures)})
    path = str(tmp_path / "classes.csv")
    csv.write(path, items, labels, image_classification, CLASSES)
    records = read(path, NAMES)
    back = image_classification.decode(records, np.arange(1, len(records) + 1), "label", CLASSES, str)
    assert [record["source-ref"] for record in records] == list(pictures)
    back = back.drop(columns="as_is").reset_index(drop=True)
    pd.testing.assert_frame_equal(back, labels[back.columns])
