import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from roundtruth import formats, manifest
from roundtruth.errors import UserError
from roundtruth.formats import coco
from roundtruth.kinds import image_classification, object_detection
from tests.jobs import box_labels, read_records

CLASSES = ["cat", "dog"]


def coco_file(tmp_path, **changes) -> str:
    value = {
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 100, "height": 80},
            {"id": 3, "file_name": "sub/b.jpg", "width": 100, "height": 80},
        ],
        "annotations": [
            {"id": 1, "image_id": 3, "category_id": 18, "bbox": [1, 2, 30, 40.5], "area": 1215, "iscrowd": 0},
            {"id": 2, "image_id": 3, "category_id": 17, "bbox": [50, 2, 50, 78], "area": 3900, "iscrowd": 0},
        ],
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}, {"id": 19, "name": "horse"}],
    } | changes
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(value))
    return str(path)


def read(path: str, kind: str = "object-detection") -> list[dict]:
    return read_records(path, kind, CLASSES)


def boxes(record: dict) -> list[list]:
    names = record["label-metadata"]["class-map"]
    return [
        [names[str(box["class_id"])], box["left"], box["top"], box["width"], box["height"]]
        for box in record["label"]["annotations"]
    ]


def test_images_become_items_in_their_order_and_boxes_their_labels(tmp_path):
    path = coco_file(tmp_path)
    records = read(path)
    assert records[0] == {"source-ref": "a.jpg"}, "without annotations, it is to be labeled"
    assert records[1]["source-ref"] == "sub/b.jpg"
    assert records[1]["label"]["image_size"] == [{"width": 100, "height": 80, "depth": 3}]
    assert boxes(records[1]) == [["dog", 1, 2, 30, 40.5], ["cat", 50, 2, 50, 78]]
    metadata = records[1]["label-metadata"]
    assert metadata["type"] == "groundtruth/object-detection"
    assert metadata["human-annotated"] == "yes"
    assert metadata["objects"] == [{"confidence": 1.0}] * 2
    assert read(path) == records, "what was read once reads the same again"
    assert formats.base(path) == str(tmp_path)


def test_a_list_that_is_there_twice_is_refused(tmp_path):
    """JSON's readers keep the last one: what is in the first would be lost without a word."""
    path = tmp_path / "instances.json"
    path.write_text('{"images": [{"id": 1, "file_name": "a.jpg"}], "images": [{"id": 2, "file_name": "b.jpg"}]}')
    with pytest.raises(UserError, match="the key images occurs twice"):
        read(str(path))


def test_images_alone_are_enough(tmp_path):
    path = tmp_path / "images.json"
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}]}, indent=1))
    assert read(str(path)) == [{"source-ref": "a.jpg"}]


def test_real_boxes_are_those_of_the_truth(data):
    records = read_records(str(data / "birds/annotations.json"), "object-detection", ["Bird"])
    truth = list(manifest.read(str(data / "birds/truth.manifest")))
    assert len(records) == len(truth) == 1000
    for record, true in zip(records, truth):
        assert "images/" + record["source-ref"] == true["source-ref"]
        assert record["label"]["image_size"] == true["truth"]["image_size"]
        sides = [{k: float(v) for k, v in box.items()} for box in record["label"]["annotations"]]
        assert sides == [{k: float(v) for k, v in box.items()} for box in true["truth"]["annotations"]]


def test_crowds_are_passed_over_and_outlines_give_boxes(tmp_path):
    path = coco_file(
        tmp_path,
        annotations=[
            {"image_id": 7, "category_id": 17, "iscrowd": 1, "segmentation": {"counts": [1], "size": [80, 100]}},
            {"image_id": 3, "category_id": 17, "segmentation": [[10, 20, 30, 20, 20, 50], [25, 5, 35, 5, 35, 9]]},
        ],
    )
    records = read(path)
    assert records[0] == {"source-ref": "a.jpg"}
    assert boxes(records[1]) == [["cat", 10, 5, 25, 45]]


def test_sizes_that_the_file_lacks_are_the_pictures(tmp_path):
    Image.new("L", (64, 48)).save(tmp_path / "a.png")
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "missing.png"}]
    annotations = [{"image_id": i, "category_id": 17, "bbox": [1, 2, 3, 4]} for i in (1, 2)]
    records = read(coco_file(tmp_path, images=images, annotations=annotations))
    assert records[0]["label"]["image_size"] == [{"width": 64, "height": 48, "depth": 1}]
    assert "image_size" not in records[1]["label"]
    assert object_detection.decode(records, np.array([1, 2]), "label", CLASSES, str)["width"].tolist() == [3, 3]


def test_pictures_of_one_category_are_classified(tmp_path):
    path = coco_file(tmp_path, annotations=[{"image_id": 3, "category_id": 18}, {"image_id": 3, "category_id": 18}])
    records = read(path, "image-classification")
    assert records[0] == {"source-ref": "a.jpg"}
    assert (records[1]["label"], records[1]["label-metadata"]["class-name"]) == (1, "dog")
    with pytest.raises(UserError, match=r"annotations\[1\]: field category_id: 'cat'.*one class an image"):
        read(coco_file(tmp_path), "image-classification")


annotation = {"id": 1, "image_id": 3, "category_id": 17, "bbox": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": []}, "field images: empty"),
        ({"images": {}}, "field images: not a list"),
        ({"images": [7]}, r"images\[0\]: not an object"),
        ({"images": [{"file_name": "a"}]}, r"images\[0\]: field id: missing"),
        ({"images": [{"id": 1}]}, r"images\[0\]: field file_name: missing"),
        ({"images": [{"id": 1, "file_name": 7}]}, r"images\[0\]: field file_name: cannot be 7"),
        (
            {"images": [{"id": i, "file_name": "a"} for i in (1, 2)]},
            r"images\[1\]: field file_name: 'a' is images\[0\]",
        ),
        ({"images": [{"id": 1, "file_name": "\ud800"}]}, r"images\[0\]: field file_name: no text"),
        ({"images": [{"id": 3, "file_name": "../a"}]}, r"images\[0\]: file_name: \.\./a: leads out of"),
        ({"images": [{"id": 1, "file_name": n} for n in "ab"]}, r"images\[1\]: field id: 1 is images\[0\] already"),
        ({"categories": []}, r"annotations\[0\]: field category_id: 18"),
        ({"categories": [{"id": 18}]}, r"categories\[0\]: field name: missing"),
        ({"categories": None}, "field categories: not a list"),
        (
            {"categories": [{"id": 17, "name": "cat"}, {"id": 17, "name": "dog"}]},
            r"categories\[1\]: field id: 17 is 'cat' already",
        ),
        ({"annotations": [annotation | {"image_id": 4}]}, r"annotations\[0\]: field image_id: 4"),
        (
            {"annotations": [annotation | {"category_id": 19}]},
            r"annotations\[0\]: field category_id: 'horse'.*cat, dog",
        ),
        ({"annotations": [annotation | {"bbox": [1, 2, 0, 4]}]}, r"annotations\[0\]: field bbox: the box has no area"),
        ({"annotations": [annotation | {"bbox": [1, 2, 3]}]}, r"annotations\[0\]: field bbox: not \[left"),
        ({"annotations": [annotation | {"bbox": [1, 2, 3, "4"]}]}, r"annotations\[0\]: field bbox: not \[left"),
        ({"annotations": [annotation | {"bbox": [1, 2, 3, math.nan]}]}, r"annotations\[0\]: field bbox: not \[left"),
        (
            {"annotations": [annotation | {"bbox": [90, 2, 30, 4]}]},
            r"annotations\[0\]: field bbox: left: .* outside the picture",
        ),
        (
            {"annotations": [annotation | {"bbox": [1, -9, 3, 4]}]},
            r"annotations\[0\]: field bbox: top: .* outside the picture",
        ),
        ({"annotations": [annotation | {"bbox": [1, 2, 10**400, 4]}]}, r"annotations\[0\]: field bbox: not \[left"),
        ({"annotations": [annotation | {"iscrowd": "no"}]}, r"annotations\[0\]: field iscrowd: cannot be 'no'"),
        ({"annotations": [annotation | {"score": 10**400}]}, r"annotations\[0\]: field score: 1000"),
        ({"annotations": [annotation | {"score": 2}]}, r"annotations\[0\]: field score: 2"),
        ({"annotations": [annotation, {"id": 2}]}, r"annotations\[1\]: field image_id: missing"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, changes, message):
    path = coco_file(tmp_path, **changes)
    with pytest.raises(UserError, match=message) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ")


@pytest.mark.parametrize("text", ["{", "[1,\n2", "[]", '{"annotations": []}', "", "[" * 100_000])
def test_what_is_no_coco_file_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=str(tmp_path / "a.json")):
        read(str(tmp_path / "a.json"))


# --- Export ---

ITEMS = pd.DataFrame(
    {
        "item": [1, 2, 3, 4],
        "source": ["a.jpg", "s3://bucket/ö.jpg", "c.jpg", "broken.jpg"],
        "width": [100, 200, 300, 0],
        "height": [80, 90, 100, 0],
    }
)


LABELS = box_labels(
    [
        (3, -1, 0, 0, 0, 0, 0.75, "human"),
        (1, 1, 1.5, 2, 30, 40.25, 0.9, "auto"),
        (2, 0, 5, 6, 7, 8, 1.0, "human"),
        (1, 0, 10, 20, 30, 40, 0.8, "auto"),
    ]
)


def test_the_export_is_read_by_pycocotools(tmp_path):
    from pycocotools.coco import COCO

    path = str(tmp_path / "out" / "coco.json")
    coco.write(path, ITEMS, LABELS, object_detection, CLASSES)
    read = COCO(path)
    assert read.getImgIds() == [1, 2, 3], "an item without a label is left out"
    assert [(image["file_name"], image["width"], image["height"]) for image in read.loadImgs([1, 2, 3])] == [
        ("a.jpg", 100, 80),
        ("s3://bucket/ö.jpg", 200, 90),
        ("c.jpg", 300, 100),
    ]
    assert [(category["id"], category["name"]) for category in read.loadCats(read.getCatIds())] == [
        (1, "cat"),
        (2, "dog"),
    ]
    first = read.loadAnns(read.getAnnIds(imgIds=[1]))
    assert [(a["category_id"], a["bbox"], a["area"], a["score"], a["source"]) for a in first] == [
        (2, [1.5, 2.0, 30.0, 40.25], 1207.5, 0.9, "auto"),
        (1, [10.0, 20.0, 30.0, 40.0], 1200.0, 0.8, "auto"),
    ]
    assert read.getAnnIds(imgIds=[3]) == []
    assert len(set(read.getAnnIds())) == 3
    drawn = read.loadAnns(read.getAnnIds())
    results = read.loadRes([{k: box[k] for k in ("image_id", "category_id", "bbox", "score")} for box in drawn])
    assert sorted(a["area"] for a in results.loadAnns(results.getAnnIds())) == [56, 1200, 1207.5]


def test_pycocotools_scores_the_export_against_itself_as_perfect(tmp_path):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    path = str(tmp_path / "coco.json")
    coco.write(path, ITEMS, LABELS, object_detection, CLASSES)
    truth = COCO(path)
    score = COCOeval(truth, truth.loadRes(truth.loadAnns(truth.getAnnIds())), "bbox")
    score.evaluate()
    score.accumulate()
    score.summarize()
    assert score.stats[0] == pytest.approx(1)


starts, lengths = (st.floats(least, 40).map(lambda value: round(value, 3)) for least in (0.25, 1))
picture = st.none() | st.lists(
    st.tuples(st.integers(0, 1), starts, starts, lengths, lengths, st.sampled_from([0.25, 1])),
    max_size=4,
    unique_by=lambda box: box[:5],
)


@given(st.lists(picture, min_size=1, max_size=5), st.sampled_from(["human", "auto"]))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_box_and_every_empty_picture_comes_back(tmp_path, pictures, source):
    count = len(pictures)
    items = pd.DataFrame({"item": range(1, count + 1), "source": [f"{i}.jpg" for i in range(count)]})
    items = items.assign(width=100, height=100, depth=3)
    rows = []
    for item, drawn in enumerate(pictures, start=1):
        rows += [(item, *box, source) for box in drawn or []] or (
            [] if drawn is None else [(item, -1, 0, 0, 0, 0, 1, source)]
        )
    labels = box_labels(rows)
    path = str(tmp_path / "round.json")
    seen = items[items["item"].isin(labels["item"])]
    if not len(seen):
        return
    coco.write(path, items, labels, object_detection, CLASSES)
    records = read(path)
    back = object_detection.decode(records, np.arange(1, len(records) + 1), "label", CLASSES, str)
    assert [record["source-ref"] for record in records] == seen["source"].tolist()
    assert {record["label-metadata"]["human-annotated"] for record in records} == {"no" if source == "auto" else "yes"}
    back["item"] = seen["item"].to_numpy()[back["item"] - 1]
    columns = ["item", *object_detection.COLUMNS, "confidence"]
    pd.testing.assert_frame_equal(back[columns].reset_index(drop=True), labels[columns])
    again = str(tmp_path / "again.json")
    coco.write(again, items, back.assign(source=source), object_detection, CLASSES)
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads((tmp_path / "round.json").read_text())


def test_classes_are_no_boxes(tmp_path):
    labels = pd.DataFrame({"item": [1], "class_id": [0], "confidence": [1.0], "source": ["human"]})
    with pytest.raises(UserError, match="--to csv"):
        coco.write(str(tmp_path / "a.json"), ITEMS, labels, image_classification, CLASSES)


def test_all_mistakes_are_counted(tmp_path):
    flat = {"image_id": 3, "category_id": 17, "bbox": [1, 2, 0, 4]}
    lost = {"image_id": 99, "category_id": 17, "bbox": [1, 2, 3, 4]}
    with pytest.raises(UserError) as error:
        read(coco_file(tmp_path, annotations=[flat] * 12 + [lost]))
    assert str(error.value) == (
        f"{tmp_path}/instances.json: 13 mistakes: "
        + ", ".join(f"annotations[{n}]" for n in range(10))
        + ": field bbox: the box has no area; and 3 more"
    )


def test_boxes_between_0_and_1_are_no_pixels(tmp_path):
    shares = [{"image_id": 3, "category_id": 17, "bbox": [0.1 * n, 0.2, 0.3, 0.4]} for n in range(4)]
    with pytest.raises(
        UserError, match=r"all 4 boxes lie between 0 and 1, .*say `boxes: {unit: relative}` in the job file"
    ):
        read(coco_file(tmp_path, annotations=shares))


def test_null_lists_are_empty_and_iscrowd_may_be_text(tmp_path):
    assert read(coco_file(tmp_path, annotations=None, categories=None)) == [
        {"source-ref": "a.jpg"},
        {"source-ref": "sub/b.jpg"},
    ]
    said = {"image_id": 3, "category_id": 17, "bbox": [1, 2, 3, 4]}
    records = read(coco_file(tmp_path, annotations=[said | {"iscrowd": "0"}, said | {"iscrowd": "1"}]))
    assert boxes(records[1]) == [["cat", 1, 2, 3, 4]]


def test_category_names_need_not_be_tidy(tmp_path):
    said = {"image_id": 3, "category_id": 17, "bbox": [1, 2, 3, 4]}
    records = read(coco_file(tmp_path, annotations=[said], categories=[{"id": 17, "name": " cat "}]))
    assert boxes(records[1]) == [["cat", 1, 2, 3, 4]]
