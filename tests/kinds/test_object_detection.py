import json
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from roundtruth import boxes
from roundtruth.errors import UserError
from roundtruth.kinds import common
from roundtruth.kinds import object_detection as od
from roundtruth.kinds.common import RowMistakes
from roundtruth.manifest import stated_size
from roundtruth.plural import counted
from roundtruth.settings import Boxes

SIDES = ["left", "top", "width", "height"]
NOTHING = (-1, 0.0, 0.0, 0.0, 0.0)


def table(*rows, extra=()) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["item", *od.COLUMNS, *extra])


def quality(labels, reference) -> float:
    return od.quality(labels, reference).item()


def record(**changed) -> dict:
    """A line as Ground Truth writes it: two boxes on a picture of 200 x 100."""
    label = {
        "image_size": [{"width": 200, "height": 100, "depth": 3}],
        "annotations": [
            {"class_id": 0, "top": 10, "left": 20.5, "height": 30, "width": 40.25},
            {"class_id": 7, "top": 0, "left": 0, "height": 100, "width": 200},
        ],
    }
    metadata = {
        "objects": [{"confidence": 0.93}, {"confidence": 0.5}],
        "class-map": {"0": "bird", "7": "cat"},
        "type": "groundtruth/object-detection",
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00.000000",
        "job-name": "labeling-job/x",
    }
    for key, value in changed.items():
        (label if key in label else metadata)[key.replace("_map", "-map")] = value
    return {"source-ref": "a.jpg", "label": label, "label-metadata": metadata}


def decode(*records, classes=("cat", "bird")) -> pd.DataFrame:
    items = np.arange(1, len(records) + 1)
    return fitted(
        records, od.decode(records, items, "label", list(classes), lambda item: f"truth.manifest: line {item}")
    )


def fitted(records, labels: pd.DataFrame, **given) -> pd.DataFrame:
    """The labels of some records on pictures of the size that the records state."""
    sizes = [stated_size(line["label"]) for line in records]
    known = pd.DataFrame(sizes, columns=["width", "height"], index=range(1, len(records) + 1))
    known = known.join(known.add_prefix("stated_")).assign(orientation=1)
    place = "truth.manifest: line {}: field label: box {}"
    return od.fit(labels, known, Boxes(**given), place.format).labels.drop(columns="as_is")


# -- quality: the rule of the promise


def test_two_empty_pictures_agree():
    assert quality(table((1, *NOTHING)), table((1, *NOTHING))) == 1


@pytest.mark.parametrize("swap", [False, True])
def test_what_stays_unmatched_counts_zero(swap):
    one, other = table((1, *NOTHING)), table((1, 0, 10, 10, 20, 20))
    assert quality(*((other, one) if swap else (one, other))) == 0


def test_the_mean_over_matches_and_unmatched():
    # IoU by hand: 10 x 20 of 20 x 20 + 20 x 20 - 200 is 1/3; the second boxes have no partner
    labels = table((1, 0, 0, 0, 20, 20), (1, 0, 100, 0, 20, 20))
    reference = table((1, 0, 10, 0, 20, 20), (1, 0, 200, 0, 20, 20))
    assert quality(labels, reference) == pytest.approx((1 / 3) / 3)


def test_equal_boxes_are_exactly_one():
    rows = table((1, 0, 26.3, 40.8, 184.6, 142.9), (1, 0, 0.1, 0.2, 0.7, 0.3), (2, 1, 1 / 3, 2 / 3, 1.1, 7.7))
    assert od.quality(rows, rows).tolist() == [1.0, 1.0]


def test_the_class_must_agree():
    assert quality(table((1, 0, 0, 0, 20, 20)), table((1, 1, 0, 0, 20, 20))) == 0


@pytest.mark.parametrize("order", ["score", "confidence"])
def test_the_surer_box_chooses_first(order):
    # both would take the one reference box; the surer has IoU 1/3, the other 1
    rows = [(1, 0, 10, 0, 20, 20, 0.4), (1, 0, 0, 0, 20, 20, 0.9)]
    reference = table((1, 0, 10, 0, 20, 20))
    assert quality(table(*rows, extra=[order]), reference) == pytest.approx((1 / 3) / 2)
    assert quality(table(*rows, extra=[order]).drop(columns=order), reference) == pytest.approx(1 / 2)


def test_a_box_takes_the_free_one_with_the_highest_iou():
    labels = table((1, 0, 0, 0, 20, 20, 0.9), (1, 0, 0, 0, 20, 20, 0.8), extra=["score"])
    reference = table((1, 0, 10, 0, 20, 20), (1, 0, 0, 0, 20, 20))
    assert quality(labels, reference) == pytest.approx((1 + 1 / 3) / 2)


def test_only_items_of_both_tables_in_order():
    labels = table((9, 0, 0, 0, 20, 20), (3, *NOTHING), (5, 0, 0, 0, 20, 20))
    reference = table((5, 0, 0, 0, 20, 20), (7, *NOTHING), (3, *NOTHING))
    found = od.quality(labels, reference)
    assert found.index.tolist() == [3, 5]
    assert found.tolist() == [1, 1]


def test_boxes_of_different_pictures_never_match():
    assert od.quality(table((1, *NOTHING), (2, 0, 0, 0, 9, 9)), table((1, 0, 0, 0, 9, 9), (2, *NOTHING))).tolist() == [
        0,
        0,
    ]


def test_random_boxes_fail():
    chance = np.random.default_rng(0)
    item = np.repeat(np.arange(500), 3)
    drawn = [table(*zip(item, np.zeros(1500, int), *chance.uniform([0, 0, 20, 20], [200, 200, 90, 90], (1500, 4)).T))
             for _ in range(2)]  # fmt: skip
    assert od.quality(*drawn).mean() < 0.2


def by_hand(labels, reference) -> float:
    """The rule, one box after the other, with pycocotools' IoU."""
    from pycocotools.mask import iou

    free, total, matched = list(range(len(reference))), 0.0, 0
    for *_, number, left, top, width, height in sorted(
        ((-row[-1], at, *row[1:6]) for at, row in enumerate(labels)), key=lambda row: row[:2]
    ):
        mine = [k for k in free if reference[k][1] == number]
        values = (
            iou([[left, top, width, height]], [list(reference[k][2:6]) for k in mine], [0] * len(mine))[0]
            if mine
            else []
        )
        if len(values) and max(values) > 0:
            total, matched = total + max(values), matched + 1
            free.remove(mine[int(np.argmax(values))])
    union = len(labels) + len(reference) - matched
    return total / union if union else 1.0


box = st.tuples(st.integers(0, 1), *[st.integers(0, 30)] * 2, *[st.integers(1, 30)] * 2)


@given(
    st.lists(
        st.tuples(st.lists(st.tuples(box, st.floats(0, 1)), max_size=6), st.lists(box, max_size=6)),
        min_size=1,
        max_size=4,
    )
)
def test_quality_is_the_rule_box_by_box(pictures):
    labels = [[(item, *one, score) for one, score in drawn] for item, (drawn, _) in enumerate(pictures)]
    reference = [[(item, *one) for one in wanted] for item, (_, wanted) in enumerate(pictures)]
    expected = [by_hand(a, b) for a, b in zip(labels, reference)]
    labels = table(
        *chain.from_iterable(rows or [(item, *NOTHING, 1.0)] for item, rows in enumerate(labels)), extra=["score"]
    )
    reference = table(*chain.from_iterable(rows or [(item, *NOTHING)] for item, rows in enumerate(reference)))
    np.testing.assert_allclose(od.quality(labels, reference), expected, atol=1e-12)


def test_many_pictures_are_taken_in_blocks(monkeypatch):
    chance = np.random.default_rng(1)
    tables = [
        table(*zip(chance.integers(0, 30, 200), np.zeros(200, int), *chance.uniform(1, 50, (4, 200)))) for _ in "ab"
    ]
    whole = od.quality(*tables)
    monkeypatch.setattr(boxes, "PAIRS", 50)
    pd.testing.assert_series_equal(od.quality(*tables), whole)


# -- confidence, objects


def test_confidence_is_the_mean_score_and_objects_are_counted():
    rows = table((2, 0, 0, 0, 9, 9, 0.5), (1, *NOTHING, 0.9), (2, 1, 0, 0, 9, 9, 0.7), extra=["score"])
    assert od.confidence(rows).to_dict() == {1: 0.9, 2: pytest.approx(0.6)}
    assert od.objects(rows).to_dict() == {1: 0, 2: 2}


# -- manifests


def test_a_line_of_ground_truth_is_read():
    labels = decode(record(), record(annotations=[], objects=[], class_map={}))
    assert labels.values.tolist() == [
        [1, 1, 20.5, 10, 40.25, 30, 0.93],
        [1, 0, 0, 0, 200, 100, 0.5],
        [2, -1, 0, 0, 0, 0, 1],
    ]
    assert labels["item"].dtype == labels["class_id"].dtype == np.int64


def test_class_ids_may_be_strings():
    boxes = [{"class_id": "7", "top": 0, "left": 0, "height": 10, "width": 10}]
    assert decode(record(annotations=boxes, objects=[{}]))["class_id"].tolist() == [0]


def test_a_pixel_of_rounding_is_cut_off():
    boxes = [{"class_id": 0, "top": -1, "left": 180, "height": 50, "width": 21}]
    labels = decode(record(annotations=boxes, objects=[{"confidence": 1}]))
    assert labels[SIDES].values.tolist() == [[180, 0, 20, 49]]


def broken(**changed) -> dict:
    return record(annotations=[{"class_id": 0, "top": 5, "left": 5, "height": 10, "width": 10} | changed], objects=[{}])


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (broken(width=0), "box 1 has no area"),
        (broken(height=-4), "box 1 has no area"),
        (broken(left=0, top=0, width=1e-300, height=1e-300), "box 1 has no area"),
        (broken(left=195), "outside the picture, whose width is 200"),
        (broken(top=-3), "outside the picture"),
        (broken(left=None), "no number for left"),
        (broken(left="5"), "no number for left"),
        (broken(top=float("nan")), "no number for top"),
        (broken(top=True), "no number for top"),
        (broken(class_id=3), "class_id 3, which its class-map lacks"),
        (record(class_map={"0": "bird", "7": "dog"}), "'dog' is not one of the job's classes (cat, bird)"),
        (record(class_map={"0": 5, "7": "dog"}), "class 5 is not one of the job's classes (cat, bird)"),
        (record(annotations=None), "annotations is not a list of boxes"),
        (record(annotations=[3]), "annotations is not a list of boxes"),
        (record(objects=[{"confidence": 1}]), "objects does not list one object a box"),
        (record(objects=[{"confidence": 1}, {"confidence": 1.5}]), "no number from 0 to 1"),
        (record(class_map=[]), "class-map is not an object"),
        (record(image_size=[]), "image_size"),
        (record(type="groundtruth/image-classification"), "'groundtruth/image-classification'"),
        ({"source-ref": "a.jpg"}, "field label: missing"),
        ({"source-ref": "a.jpg", "label": {}}, "field label-metadata: missing"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_field(line, what):
    with pytest.raises(UserError) as error:
        decode(record(), line)
    assert (
        str(error.value)
        .removeprefix("truth.manifest: 2 mistakes: ")
        .removeprefix("truth.manifest: ")
        .startswith("line 2: field label")
    )
    assert what in str(error.value)
    assert "\n" not in str(error.value)


def encode(labels, items, classes=("cat", "bird")) -> list[dict]:
    written = od.encode(labels, items, "label", list(classes), "labeling-job/x", "2026-01-01T00:00:00.000000")
    return [json.loads("{" + text + "}") for text in written]


def test_a_label_is_written_as_ground_truth_does():
    labels = decode(record()).assign(source="human")
    items = pd.DataFrame({"item": [2, 1], "width": 200, "height": 100, "depth": 3, "source": "a.jpg"})
    (written,) = encode(labels, items)
    expected = record()
    del expected["source-ref"]
    for box in expected["label"]["annotations"]:
        box["class_id"] = 1 - box["class_id"] // 7
    expected["label-metadata"]["class-map"] = {"1": "bird", "0": "cat"}
    assert written == expected
    assert [type(v) for v in written["label"]["annotations"][0].values()] == [int, int, float, int, float]


def test_a_picture_of_unknown_size_has_no_image_size():
    items = pd.DataFrame({"item": [1, 2], "width": [0, 9], "height": [0, 8], "depth": [0, 3]})
    labels = table((1, 0, 1, 2, 3, 4), (2, *NOTHING)).assign(confidence=1.0, source="input")
    one, other = (line["label"] for line in encode(labels, items))
    assert one == {"annotations": [{"class_id": 0, "top": 2, "left": 1, "height": 4, "width": 3}]}
    assert other == {"image_size": [{"width": 9, "height": 8, "depth": 3}], "annotations": []}


def test_machines_labels_are_not_human_annotated():
    items = pd.DataFrame({"item": [1, 2, 3], "width": 9, "height": 9, "depth": 3})
    labels = table((1, *NOTHING), (2, *NOTHING), (3, *NOTHING)).assign(
        confidence=1.0, source=["auto", "human", "input"]
    )
    written = encode(labels, items)
    assert [line["label-metadata"]["human-annotated"] for line in written] == ["no", "yes", "yes"]
    assert written[0]["label"]["annotations"] == written[0]["label-metadata"]["objects"] == []


@pytest.mark.parametrize(
    ("file", "attribute"),
    [
        ("birds/truth.manifest", "truth"),
        ("bccd/truth.manifest", "truth"),
        ("raccoon/truth.manifest", "truth"),
        ("ground-truth-manifests/birds-object-detection/output.manifest", "category"),
        ("ground-truth-manifests/cats-object-detection/output.manifest", "cat-ground-truth"),
    ],
)
def test_real_manifests_come_back_as_they_were(data, file, attribute):
    records = [json.loads(line) for line in (data / file).read_text().splitlines()]
    names = {k: v for line in records for k, v in line[f"{attribute}-metadata"]["class-map"].items()}
    classes = [names[k] for k in sorted(names)]
    labels = od.decode(records, np.arange(len(records)), attribute, classes, str).assign(source="human")
    sizes = [line[attribute]["image_size"][0] for line in records]
    items = pd.DataFrame(sizes).assign(item=range(len(records)))
    first = records[0][f"{attribute}-metadata"]
    written = od.encode(labels, items, attribute, classes, first["job-name"], first["creation-date"])
    for line, text in zip(records, written, strict=True):
        line[f"{attribute}-metadata"]["creation-date"] = first["creation-date"]
        mine = json.loads("{" + text + "}")
        assert mine == {key: line[key] for key in mine}


# -- boxes that are written in another way


def on_pictures(*pictures) -> pd.DataFrame:
    """Pictures of (stated width, stated height, width, height, EXIF orientation), items 1, 2, ..."""
    columns = ["stated_width", "stated_height", "width", "height", "orientation"]
    return pd.DataFrame(pictures, columns=columns, index=range(1, len(pictures) + 1))


def fit(rows, pictures, **given):
    return od.fit(table(*rows), on_pictures(*pictures), Boxes(**given), "a.csv: item {}: box {}".format)


LARGE = (640, 480, 640, 480, 1)


@pytest.mark.parametrize(
    ("box", "given", "pixels"),
    [
        ((0.5, 0.25, 0.1, 0.5), {"unit": "relative"}, (320, 120, 64, 240)),
        ((50, 25, 10, 50), {"unit": "percent"}, (320, 120, 64, 240)),
        ((320, 120, 384, 360), {"form": "corners"}, (320, 120, 64, 240)),
        ((0.5, 0.25, 0.6, 0.75), {"unit": "relative", "form": "corners"}, (320, 120, 64, 240)),
        ((0.25, 0.25, 0.5, 0.5), {"unit": "pixel"}, (0.25, 0.25, 0.5, 0.5)),
    ],
)
def test_a_key_says_how_boxes_are_written(box, given, pixels):
    found = fit([(1, 0, *box)], [LARGE], **given)
    assert found.labels[SIDES].to_numpy()[0] == pytest.approx(pixels)
    assert found.items.tolist() == ([] if box == pixels else [1])


@pytest.mark.parametrize(
    ("boxes", "key"),
    [
        ([(0.5, 0.25, 0.1, 0.5)], "`boxes: {unit: relative}`"),
        ([(0.5, 0.25, 0.9, 0.75)], "`boxes: {unit: relative}`"),
        ([(50, 25, 10, 50), (10, 10, 80, 30), (20, 70, 30, 20)], "`boxes: {unit: percent}`"),
        ([(320, 120, 384, 360), (10, 10, 630, 470)], "`boxes: {form: corners}`"),
    ],
)
def test_what_seems_to_be_written_in_another_way_is_refused_with_the_key(boxes, key):
    with pytest.raises(UserError) as error:
        fit([(1, 0, *box) for box in boxes], [LARGE])
    assert f"say {key} in the job file" in str(error.value)
    assert str(error.value).startswith("a.csv: item 1: box 0: ")


def test_a_few_small_boxes_in_a_corner_are_pixels():
    boxes = [(1, 0, 10, 10, 50, 50), (1, 0, 20, 20, 60, 30)]
    assert len(fit(boxes, [LARGE]).labels) == 2
    near = [(1, 0, 5, 5, 60, 60)] * 3
    assert len(fit(near, [(101, 101, 101, 101, 1)]).labels) == 1


def test_an_area_that_disagrees_tells_corners():
    rows = table((1, 0, 10, 20, 110, 70)).assign(area=100 * 50.0)
    with pytest.raises(UserError, match=r"they have the area that the file states; say `boxes: {form: corners}`"):
        od.fit(rows, on_pictures(LARGE), Boxes(), "{}{}".format)
    assert len(od.fit(rows.assign(area=110 * 70.0), on_pictures(LARGE), Boxes(), "{}{}".format).labels) == 1


def test_boxes_of_the_picture_before_it_was_scaled():
    found = fit([(1, 0, 100, 40, 200, 80)], [(1280, 960, 640, 480, 1)], size="as-stated")
    assert found.labels[SIDES].to_numpy().tolist() == [[50, 20, 100, 40]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_of_the_sensor_are_turned_as_pillow_turns_the_picture(orientation):
    """A white box is drawn on the stored picture, and found again on the picture that Pillow turned upright."""
    from PIL import ImageOps

    stored = Image.new("L", (60, 40))
    stored.paste(255, (6, 8, 6 + 10, 8 + 20))
    stored.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(stored)
    left, top, right, bottom = upright.getbbox()
    pictures = [(60, 40, *upright.size, orientation)]
    found = fit([(1, 0, 6, 8, 10, 20)], pictures, size="as-stated")
    expected = [left, top, right - left, bottom - top] if orientation > 4 else [6, 8, 10, 20]
    assert found.labels[SIDES].to_numpy().tolist() == [expected]


@pytest.mark.parametrize("picture", [(60, 40, 40, 60, 1), (60, 40, 60, 30, 1), (640, 480, 400, 240, 6)])
def test_boxes_are_not_scaled_to_a_picture_of_another_shape(picture):
    with pytest.raises(UserError, match="it has another shape, so it was cropped, or turned without EXIF"):
        fit([(1, 0, 1, 1, 5, 5)], [picture], size="as-stated")


def test_sizes_are_rounded_when_pictures_are_scaled():
    for picture in ((1000, 667, 100, 67, 1), (100, 67, 1000, 667, 1), (10, 7, 100, 67, 1)):
        assert len(fit([(1, 0, 1, 1, 5, 5)], [picture], size="as-stated").labels) == 1


def test_a_box_that_sticks_out_a_little_is_cut_and_one_that_is_there_twice_is_taken_once():
    rows = [(1, 0, -2, 0, 10, 10), (1, 0, 20, 20, 5, 5), (1, 0, 20, 20, 5, 5), (1, 1, 20, 20, 5, 5), (2, *NOTHING)]
    found = fit(rows, [(64, 48, 64, 48, 1)] * 2)
    assert found.labels[["item", "class_id", *SIDES]].to_numpy().tolist() == [
        [1, 0, 0, 0, 8, 10],
        [1, 0, 20, 20, 5, 5],
        [1, 1, 20, 20, 5, 5],
        [2, *NOTHING],
    ]
    assert found.items.tolist() == [1, 1]
    assert [counted(*note) for note in found.notes] == [
        "1 box that stuck out of its picture by at most 2 pixels was cut",
        "1 box that was there twice was taken once",
    ]


def test_boxes_outside_without_area_or_beside_nothing_are_counted_together():
    rows = [(1, 0, 60, 0, 10, 10), (1, 0, 5, 5, 0, 3), (2, 0, 1, 1, 5, 5), (2, *NOTHING)]
    with pytest.raises(UserError) as error:
        fit(rows, [(64, 48, 64, 48, 1)] * 2)
    assert "3 mistakes" in str(error.value)


# -- people's CSVs


def csv(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=od.CSV, dtype="str")


def read(frame, classes=("cat", "bird")) -> pd.DataFrame:
    """Raises UserError where there are mistakes."""
    mistakes = RowMistakes()
    labels = od.read_answers(frame, list(classes), mistakes)
    mistakes.refuse(lambda index: f"a.csv: line {index + 2}")
    return labels


def test_answers_are_read():
    labels = read(csv(("bird", "1.5", "2", "3", "4"), ("", "", "", "", "")))
    assert labels.values.tolist() == [[1, 1.5, 2, 3, 4], [-1, 0, 0, 0, 0]]
    assert labels.dtypes.astype(str).to_dict() == od.COLUMNS


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (("brid", "1", "2", "3", "4"), "field class: 'brid' is not one of the job's classes (cat, bird)"),
        (("", "1", "2", "3", "4"), "field class: empty"),
        (("cat", "x", "2", "3", "4"), "field left: 'x' is not a number"),
        (("cat", "1", "inf", "3", "4"), "field top: 'inf' is not a number"),
        (("cat", "1", "2", "", "4"), "field width: '' is not a number"),
        (("cat", "1", "2", "3", "0"), "field height: the box has no area"),
    ],
)
def test_a_bad_answer_is_named_by_line_and_field(row, what):
    with pytest.raises(UserError) as error:
        read(csv(("cat", "1", "2", "3", "4"), row))
    assert str(error.value).startswith(f"a.csv: line 3: {what}")


def test_labels_are_written_as_answers():
    labels = table((1, 1, 1.5, 2, 3, 1e-5), (2, *NOTHING), (3, 0, 0.1 + 0.2, 0, 1e22, 7)).drop(columns="item")
    written = od.write_answers(labels, ["cat", "bird"])
    assert written.values.tolist() == [
        ["bird", "1.5", "2", "3", "1e-05"],
        ["", "", "", "", ""],
        ["cat", "0.30000000000000004", "0", "10000000000000000000000", "7"],
    ]
    pd.testing.assert_frame_equal(read(written), labels)


# -- what is possible


def check(*rows, worker="ann") -> list[list]:
    labels, mistakes = table(*rows).assign(worker=worker), RowMistakes()
    items = pd.DataFrame({"item": [1, 2], "width": [64, 0], "height": [48, 0]})
    right = od.check(labels, items, mistakes)
    mistakes.refuse(lambda index: f"a.csv: line {index + 2}")
    assert common.changed(od, labels, right) == (right[SIDES] != labels[SIDES]).any(axis=1).sum()
    return right[list(od.COLUMNS)].to_numpy().tolist()


def test_a_box_lies_in_its_picture():
    """It may stick out by two pixels and is cut; a picture's size may be unknown."""
    assert check((1, 0, -2, 0, 68, 49), (2, 0, -9, 0, 900, 900), (1, 0, 0.1, 0, 1, 1)) == [
        [0, 0, 0, 64, 48],
        [0, -9, 0, 900, 900],
        [0, 0.1, 0, 1, 1],
    ]
    with pytest.raises(UserError, match=r"line 3: field left: the box reaches from 60 to 70, outside .* width is 64"):
        check((1, 0, 0, 0, 9, 9), (1, 0, 60, 0, 10, 10))
    with pytest.raises(UserError, match=r"line 2: field top: the box reaches from -3 to 7, outside .* height is 48"):
        check((1, 0, 0, -3, 9, 10))


@pytest.mark.parametrize(("unit", "box"), [("shares", (0.1, 0.2, 0.5, 0.25)), ("per cent", (10, 20, 50, 25))])
def test_people_draw_in_pixels(unit, box):
    labels, mistakes = table((1, 0, *box)).assign(worker="ann"), RowMistakes()
    od.suspect(labels, pd.DataFrame({"item": [1], "width": [6400], "height": [48000]}), mistakes)
    assert f"the numbers seem to be {unit} of the picture's width and height" in mistakes.reasons()[0]


def test_who_says_that_there_is_nothing_says_nothing_more():
    rows = (1, 0, 0, 0, 9, 9), (1, *NOTHING)
    check(*rows, worker=["ann", "bob"])
    with pytest.raises(UserError, match="line 3: field class: ann says that there is nothing to draw, and more about"):
        check(*rows)


# -- in words and drawn


def test_words():
    rows = table((1, 1, 0, 0, 9, 9), (1, 0, 0, 0, 9, 9), (1, 1, 5, 5, 9, 9))
    assert od.words(rows, ["cat", "bird"]) == "cat, bird × 2"
    assert od.words(table((1, *NOTHING)), ["cat", "bird"]) == "nothing"


def test_boxes_are_scaled():
    assert od.scaled(table((1, 1, 2, 4, 6, 8)), 0.5).values.tolist() == [[1, 1, 1, 2, 3, 4]]


def test_boxes_are_drawn_in_a_colour_a_class():
    picture = Image.new("L", (300, 200))
    labels = table((1, 0, 20, 40, 100, 80), (1, 1, 150, 60, 120, 100))
    drawn = od.draw(picture, labels, ["cat", "bird"])
    assert drawn.size == picture.size
    assert drawn.mode == "RGB"
    assert drawn.getpixel((20, 100)) != drawn.getpixel((150, 100))
    assert drawn.getpixel((60, 100)) == (0, 0, 0)
    assert picture.getpixel((20, 100)) == 0
    empty = od.draw(picture, table((1, *NOTHING)), ["cat", "bird"])
    assert empty.getcolors() == [(300 * 200, (0, 0, 0))]


def test_predictions_are_cut_at_the_edge_of_the_picture():
    nan = float("nan")
    rows = [
        (1, 0, 2.1, 3.3, 10.7, 20.2, 0.9),  # inside: not a bit of it changes
        (1, 1, -5, -6, 15, 16, 0.8),
        (1, 1, 35, 10, 100, 100, 0.7),
        (1, 0, 50, 10, 5, 5, 0.6),  # beside the picture
        (2, 0, -9, 0, 9, 5, 0.5),  # beside it, and the only ones
        (2, 0, nan, 0, 9, 5, 0.4),
        (3, -1, 0, 0, 0, 0, 0.3),
        (4, 0, 0, 0, float("inf"), 30, 0.2),
    ]
    predictions = pd.DataFrame(rows, columns=["item", "class_id", *SIDES, "score"])
    sizes = pd.DataFrame({"item": [1, 2, 3, 4], "width": [40, 40, 40, 25], "height": 30})
    found = od.within(predictions, sizes)
    assert found.to_numpy().tolist() == [
        [1, 0, 2.1, 3.3, 10.7, 20.2, 0.9],
        [1, 1, 0, 0, 10, 10, 0.8],
        [1, 1, 35, 10, 5, 20, 0.7],
        [2, -1, 0, 0, 0, 0, 0.5],
        [3, -1, 0, 0, 0, 0, 0.3],
        [4, 0, 0, 0, 25, 30, 0.2],
    ]
    assert found.dtypes.equals(predictions.dtypes)
    assert od.within(predictions[:0], sizes).empty


@given(st.lists(st.tuples(st.integers(1, 3), *[st.floats(-200, 200, width=32)] * 4), min_size=1, max_size=12))
def test_whatever_is_predicted_is_possible_and_each_picture_keeps_a_row(rows):
    predictions = pd.DataFrame(rows, columns=["item", *SIDES]).assign(class_id=0, score=0.5).astype({"item": "int64"})
    sizes = pd.DataFrame({"item": [1, 2, 3], "width": [40, 30, 1], "height": [30, 40, 50]})
    found = od.within(predictions, sizes)
    assert set(found["item"]) == set(predictions["item"])
    drawn = found[found["class_id"] >= 0]
    limits = sizes.set_index("item").loc[drawn["item"]].to_numpy()
    assert (drawn[["left", "top"]].to_numpy() >= 0).all()
    assert (drawn[["left", "top"]].to_numpy() + drawn[["width", "height"]].to_numpy() <= limits * (1 + 1e-9)).all()
    assert not (set(drawn["item"]) & set(found["item"][found["class_id"] < 0]))
    assert od.has_area(drawn).all()
