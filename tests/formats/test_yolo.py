import io
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from roundtruth import formats, kinds
from roundtruth.errors import UserError
from roundtruth.formats import yolo
from roundtruth.kinds import image_classification, object_detection
from roundtruth.storage import list_url, read_url, write_url
from tests.jobs import box_labels, lines_of, read_dataset, read_records

pytest_plugins = ["tests.s3"]

CLASSES = ["cat", "dog"]
SIDES = ["left", "top", "width", "height"]


def picture(width: int = 200, height: int = 100) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "PNG")
    return file.getvalue()


def put(folder, files: dict[str, bytes | str]) -> str:
    for name, content in files.items():
        with write_url(f"{folder}/{name}") as file:
            file.write(content.encode() if isinstance(content, str) else content)
    return str(folder)


def read(data, classes=CLASSES) -> formats.Shard:
    return read_dataset(str(data), "object-detection", classes).shards[0]


def rows(shard: formats.Shard) -> list[tuple]:
    """(source, class, left, top, width, height) of each label, to a millionth of a pixel."""
    sources, found = shard.items["source"].tolist(), shard.labels
    names = [[*CLASSES, None][number] for number in found["class_id"]]
    sides = (found[side].round(6) for side in SIDES)
    return list(zip([sources[item - 1] for item in found["item"]], names, *sides))


@pytest.fixture(params=["local", "s3"])
def place(request, tmp_path) -> str:
    return str(tmp_path / "data") if request.param == "local" else request.getfixturevalue("s3").url + "/data"


# In a picture of 200 x 100: centre 60, 25 and 40 wide, 30 high; and the whole picture. dog is 0 here, and 1 in the job
LINES = "0 0.3 0.25 0.2 0.3\n\n1 0.5 0.5 1 1\n"
BOXES = [("dog", 40, 10, 40, 30), ("cat", 0, 0, 200, 100)]
NAMES = "dog\ncat\n"
SHEET = "names:\n  0: dog\n  1: cat\n"


@pytest.mark.parametrize(
    ("files", "label", "image"),
    [
        # Ultralytics
        ({"data.yaml": f"train: images/train\nval: images/val\n{SHEET}"}, "labels/train/1.txt", "images/train/1.png"),
        ({"data.yaml": f"path: .\ntrain: images\nval:\nnc: 2\n{SHEET}"}, "labels/1.txt", "images/1.png"),
        ({"coco8.yaml": f"path: ../datasets/coco8\ntrain: images\n{SHEET}"}, "labels/1.txt", "images/1.png"),
        ({"data.yaml": f"path: /content\ntrain: [images/a, images/b]\n{SHEET}"}, "labels/b/1.txt", "images/b/1.png"),
        ({"data.yaml": f"path: ds\ntrain: images\n{SHEET}"}, "ds/labels/1.txt", "ds/images/1.png"),
        # Roboflow
        ({"data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['dog', 'cat']\n"},
         "train/labels/1.txt", "train/images/1.png"),
        # CVAT and Ultralytics' autosplit: lists
        ({"data.yaml": f"path: ./\ntrain: train.txt\n{SHEET}", "train.txt": "data/images/train/1.png\n"},
         "labels/train/1.txt", "images/train/1.png"),
        ({"data.yaml": f"train: train.txt\n{SHEET}", "train.txt": "\n./images/1.png\r\n"},
         "labels/1.txt", "images/1.png"),
        ({"data.yaml": f"train: a/train.txt\n{SHEET}", "a/train.txt": "./images/1.png"},
         "a/labels/1.txt", "a/images/1.png"),
        ({"data.yaml": f"train: train.txt\n{SHEET}", "train.txt": "images\\train\\1.png"},
         "labels/train/1.txt", "images/train/1.png"),
        # Darknet and CVAT's YOLO 1.1
        ({"obj.data": "classes = 2\nnames = data/obj.names\ntrain = data/train.txt\nbackup = backup/\n",
          "obj.names": NAMES, "train.txt": "data/obj_train_data/1.png\n"},
         "obj_train_data/1.txt", "obj_train_data/1.png"),
        ({"obj.data": "train=train.txt\nvalid=gone.txt\nnames=obj.names\n", "obj.names": NAMES,
          "train.txt": "/home/me/darknet/data/JPEGImages/1.png\n"}, "labels/1.txt", "JPEGImages/1.png"),
        # LabelImg, Label Studio
        ({"classes.txt": NAMES}, "1.txt", "1.png"),
        ({"labels/classes.txt": NAMES}, "labels/1.txt", "images/1.png"),
        ({"classes.txt": "\ufeffdog\r\ncat", "notes.json": "{}"}, "labels/1.txt", "images/1.png"),
    ],
)  # fmt: skip
def test_the_usual_layouts(place, files, label, image):
    put(place, files | {label: LINES, image: picture()})
    shard = read(place)
    assert shard.items["source"].tolist() == [image]
    assert rows(shard) == [(image, *box) for box in BOXES]
    assert shard.note == "YOLO: 1 of 1 pictures have a label file"
    sheet = next((name for name in files if name.endswith(".yaml")), None)
    if sheet:
        assert rows(read(f"{place}/{sheet}")) == rows(shard)
        assert formats.base(f"{place}/{sheet}") == place


def test_a_dataset_elsewhere_has_absolute_sources(tmp_path):
    put(tmp_path, {"ds/images/1.png": picture(), "ds/labels/1.txt": LINES})
    put(tmp_path, {"sheets/a.yaml": f"path: ../ds\ntrain: images\n{SHEET}"})
    assert rows(read(tmp_path / "sheets/a.yaml")) == [(f"{tmp_path}/ds/images/1.png", *box) for box in BOXES]


def test_the_parts_in_their_order_each_picture_once(tmp_path):
    names = ["val/2.png", "val/1.png", "train/3.png", "other/4.png"]
    put(tmp_path, {f"images/{name}": picture() for name in names} | {"labels/lost.txt": LINES, "labels/x/5.txt": LINES})
    put(tmp_path, {"list.txt": "images/val/2.png\nimages/train/3.png\n", "README.md": "x", "labels/val/1.txt": ""})
    put(tmp_path, {"data.yaml": f"test: images/test\nval: [list.txt, images/val]\ntrain: images/train\n{SHEET}"})
    shard = read(tmp_path)
    assert shard.items["source"].tolist() == ["images/train/3.png", "images/val/2.png", "images/val/1.png"]
    assert rows(shard) == [("images/val/1.png", None, 0, 0, 0, 0)], "an empty file: there is nothing"
    assert lines_of(shard.passed) == [
        "1 part of the dataset without pictures (test)",
        "2 label files without a picture",
        "1 picture that is in no part of the dataset",
        "1 file that is no picture (.md)",
    ]


def test_the_records_are_those_of_the_labels(tmp_path):
    put(tmp_path, {"classes.txt": NAMES, "1.txt": LINES, "1.png": picture(), "2.png": picture()})
    records = read_records(str(tmp_path), "object-detection", CLASSES)
    assert records[0]["label"]["image_size"] == [{"width": 200, "height": 100, "depth": 3}]
    assert records[1] == {"source-ref": "2.png"}


def test_confidences_outlines_and_key_points(tmp_path):
    put(tmp_path, {"classes.txt": NAMES, "1.png": picture()})
    put(tmp_path, {"1.txt": "1.0 .5 .5 .1 .1 0.25\n0 0.1 0.2 0.3 0.2 0.2 0.6\n"})
    shard = read(tmp_path)
    assert rows(shard) == [("1.png", "cat", 90, 45, 20, 10), ("1.png", "dog", 20, 20, 40, 40)]
    assert shard.labels["confidence"].tolist() == [0.25, 1]
    assert lines_of(shard.passed) == ["1 outline of a thing, whose bounds are the box"]
    put(tmp_path, {"data.yaml": f"train: .\nkpt_shape: [1, 2]\n{SHEET}", "1.txt": "0 .3 .25 .2 .3 0.1 0.1\n"})
    shard = read(tmp_path)
    assert rows(shard) == [("1.png", *BOXES[0])]
    assert lines_of(shard.passed) == ["1 set of key points"]


def test_boxes_are_no_shares_of_a_picture_that_cannot_be_read(tmp_path):
    put(tmp_path, {"classes.txt": NAMES, "1.txt": LINES, "1.png": "broken", "2.txt": LINES, "2.png": picture()})
    unknown = "the size of the picture is not known, and the box is a share of it; correct it, or take the label out"
    with pytest.raises(UserError, match=rf"^{tmp_path}/1\.txt: 2 mistakes: line 1, line 3: {unknown}$"):
        read(tmp_path)
    put(tmp_path, {"1.txt": ""})
    assert rows(read(tmp_path))[0] == ("1.png", None, 0, 0, 0, 0), "nothing has no size"


def test_a_turned_picture_is_read_upright(tmp_path):
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # turned by a quarter: 100 x 200 upright
    Image.new("RGB", (200, 100)).save(file, "JPEG", exif=exif)
    put(tmp_path, {"classes.txt": NAMES, "1.txt": "0 0.5 0.5 0.5 0.5", "1.jpg": file.getvalue()})
    assert rows(read(tmp_path)) == [("1.jpg", "dog", 25, 50, 50, 100)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("0 .5 .5 .1\n", "line 1: 4 columns; a line has"),
        ("\n0 .5 .5 .1 .1 .2 .2 .2\n", "line 2: 8 columns; a line has"),
        ("0 .5 .5 .1 x\n", "line 1: 'x' is no number"),
        ("0,.5,.5,.1,.1\n", "line 1: '0,.5,.5,.1,.1' is no number"),
        ("0 .5 .5 .1 nan\n", "line 1: 'nan' is no number"),
        ("dog .5 .5 .1 .1\n", "line 1: 'dog' is no number"),
        ("2 .5 .5 .1 .1\n", "line 1: field class: 'horse' is not one of the job's classes"),
        ("3 .5 .5 .1 .1\n", "line 1: class 3: not one of the 3 classes"),
        ("3.0 .5 .5 .1 .1\n", "line 1: class 3.0: not one of the 3 classes"),
        ("-1 .5 .5 .1 .1\n", "line 1: class -1: not one of the 3 classes"),
        ("0.5 .5 .5 .1 .1\n", "line 1: class 0.5: not one of the 3 classes"),
        ("0 100 50 20 20\n", "line 1: 100 is not between 0 and 1; YOLO's numbers are shares"),
        ("0 .5 .5 .1 0\n", "line 1: the box has no area"),
        ("0 .5 .5 .1 .1 7\n", "line 1: 7, the confidence, is not between 0 and 1"),
        ("0 .5 .5 1 1\n0 .9 .5 .5 .1\n", "line 2: left: the box reaches from 130 to 230, outside the picture"),
        (b"0 .5 .5 .1 .1\n\xff\xfe", "line 2: not UTF-8 text"),
        ("0 1 1 2 2 3 3\n", "line 1: the outline is not between 0 and 1"),
        (
            "\n0 .5 .5 .1\n2 .5 .5 .1 .1\n\n0 1 1 1\n",
            "3 mistakes: line 2, line 5: 4 columns; a line has .*; line 3: field class: 'horse' is",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path, lines, message):
    put(tmp_path, {"classes.txt": NAMES + "horse\n", "1.txt": lines, "1.png": picture()})
    with pytest.raises(UserError, match=rf"^{tmp_path}/1\.txt: {message}"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ("train: images\n", "line 1: field names: missing"),
        ("train: images\nnames: dog\n", "line 2: field names: neither a list of names nor names by number"),
        ("train: images\nnames: {dog: 0}\n", "line 2: field names: neither a list"),
        ("train: images\nnames: [[dog]]\n", "line 2: field names: neither a list"),
        ("names: [dog]\n", "line 1: field train: missing"),
        ("train:\nnames: [dog]\n", "line 1: field train: missing"),
        ("names: [dog]\ntrain: {a: b}\n", "line 2: field train: neither a path nor a list of paths"),
        ("names: [dog]\ntrain: nowhere\n", "line 2: field train: no pictures are there; looked for in .*"),
        ("names: [dog]\ntrain: /nowhere/images\n", "line 2: field train: /nowhere/images lies outside of"),
        ("names: [dog]\ntrain: images\nnc: 2\n", "line 3: field nc: 2, where names has 1"),
        ("names: [dog]\ntrain: images\nkpt_shape: 3\n", "line 3: field kpt_shape: not a list of two numbers"),
        ("names: {0: dog, 1: cat, 0: cow}\ntrain: images\n", "line 1: field 0: there twice"),
        ("names: [dog]\ntrain: images\nnames: [cat]\n", "line 3: field names: there twice"),
        ("names: [dog\ntrain: images\n", "line 2: not YAML: "),
        ("- a\n", "line 1: no YOLO dataset"),
        ("", "line 1: no YOLO dataset"),
        ("[" * 5000, "line 1: not YAML: "),
        (f"names:\n  ? {'9' * 5000}\n  : dog\ntrain: images\n", "line 1: field names: neither a list"),
        ("names: &a [*a]\ntrain: images\n", "line 1: field names: neither a list"),
        (b"\xff\xfe\x00", "line 1: not YAML: "),
    ],
)
def test_what_is_wrong_with_a_sheet_is_named(tmp_path, sheet, message):
    put(tmp_path, {"a.yaml": sheet, "images/1.png": picture(), "labels/1.txt": LINES})
    with pytest.raises(UserError, match=rf"^{tmp_path}/a\.yaml: {message}"):
        read(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"data.yaml": "names: [dog"}, r"data\.yaml: line \d+: not YAML"),
        ({"a.yaml": f"train: .\n{SHEET}", "b.yaml": f"train: .\n{SHEET}"}, r"a\.yaml and b\.yaml both describe"),
        ({"classes.txt": NAMES, "b/classes.txt": "cat\ndog\n"}, r"b/classes\.txt and classes\.txt name other classes"),
        ({"obj.data": "train = train.txt\n", "train.txt": "1.png\n"}, r"obj\.data: line 1: field names: missing"),
        ({"obj.data": "names = obj.names\n", "obj.names": NAMES}, r"obj\.data: line 1: field train: missing"),
        (
            {"data.yaml": f"train: train.txt\n{SHEET}", "train.txt": "1.png\n../2.png\n"},
            r"train\.txt: line 2: \.\./2\.png lies outside of",
        ),
        (
            {"data.yaml": f"train: train.txt\n{SHEET}", "train.txt": "/elsewhere/7.png\n/elsewhere/8.png\n"},
            r"train\.txt: 2 mistakes: line 1: /elsewhere/7\.png lies outside of",
        ),
    ],
)
def test_what_is_wrong_with_a_folder_is_named(tmp_path, files, message):
    put(tmp_path, files | {"1.png": picture(), "1.txt": LINES})
    with pytest.raises(UserError, match=message):
        read(tmp_path)


def test_a_class_without_a_name_has_no_boxes(tmp_path):
    put(tmp_path, {"classes.txt": "dog\n\ncat\n", "1.txt": "0 .5 .5 1 1\n1 .5 .5 1 1", "1.png": picture()})
    with pytest.raises(UserError, match=rf"^{tmp_path}/1\.txt: line 2: class 1 has no name$"):
        read(tmp_path)
    put(tmp_path, {"1.txt": "2 .5 .5 1 1"})
    assert rows(read(tmp_path)) == [("1.png", "cat", 0, 0, 200, 100)]


def test_mistakes_in_several_files_are_one_message(tmp_path):
    put(tmp_path, {"classes.txt": NAMES} | {f"images/{n}.png": picture() for n in (1, 2, 3)})
    put(tmp_path, {"labels/1.txt": "7 .5 .5 1 1", "labels/2.txt": "0 .5 .5 1", "labels/3.txt": b"\xff"})
    with pytest.raises(UserError) as error:
        read(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}/labels: 3 mistakes: 1.txt: line 1: class 7: not one of the 2 cla")
    assert "2.txt: line 1: 4 columns; a line" in str(error.value)
    assert "3.txt: line 1: not UTF-8 text" in str(error.value)


def test_boxes_at_the_edge_do_not_stick_out(tmp_path):
    """With six digits, as most tools write them, a third of a picture ends some thousandths of a pixel beyond it."""
    put(tmp_path, {"classes.txt": NAMES, "1.txt": "0 0.833334 0.5 0.333333 1", "1.png": picture(3000, 30)})
    dataset = read_dataset(str(tmp_path), "object-detection", CLASSES)
    left, width = dataset.shards[0].labels[["left", "width"]].to_numpy()[0]
    assert (left + width, dataset.mended) == (3000, ())
    put(tmp_path, {"1.txt": "0 0.834 0.5 0.333 1"})
    dataset = read_dataset(str(tmp_path), "object-detection", CLASSES)
    assert lines_of(dataset.mended) == ["1 box that stuck out of its picture by at most 2 pixels was cut"]


def test_class_names_are_text_as_written(tmp_path):
    put(tmp_path, {"data.yaml": "train: .\nnames: [yes, 010, 1.10]\n", "1.txt": "1 .5 .5 1 1", "1.png": picture()})
    shard = read(tmp_path, ["1.10", "010", "yes"])
    assert shard.labels["class_id"].tolist() == [1]


# --- Export ---

ITEMS = pd.DataFrame(
    {
        "item": [1, 2, 3, 4],
        "source": ["a/1.png", "s3://bucket/b/1.png", "b/1.png", "unlabeled.png"],
        "width": [100, 200, 300, 100],
        "height": [80, 90, 100, 100],
        "depth": [3, 3, 1, 3],
    }
)


LABELS = box_labels(
    [
        (3, -1, 0, 0, 0, 0, 0.75, "human"),
        (1, 1, 10, 20, 30, 40, 0.9, "auto"),
        (2, 0, 5, 6, 7, 8, 1.0, "human"),
        (1, 0, 0, 0, 100, 80, 0.8, "auto"),
    ]
)


def test_what_is_written_by_hand(tmp_path):
    yolo.write(str(tmp_path / "out"), ITEMS, LABELS, object_detection, CLASSES)
    files = {str(path.relative_to(tmp_path / "out")): path.read_text() for path in (tmp_path / "out").rglob("*.*")}
    assert yaml.safe_load(files.pop("data.yaml")) == {
        "train": "train.txt", "val": "train.txt", "names": {0: "cat", 1: "dog"},
    }  # fmt: skip
    assert files == {
        "train.txt": "./images/a/1.png\n./images/bucket/b/1.png\n./images/b/1.png\n",
        "labels/a/1.txt": "1 0.250000000000 0.500000000000 0.300000000000 0.500000000000\n"
        "0 0.500000000000 0.500000000000 1.000000000000 1.000000000000\n",
        "labels/bucket/b/1.txt": "0 0.042500000000 0.111111111111 0.035000000000 0.088888888889\n",
        "labels/b/1.txt": "",
    }


def read_as_documented(folder: Path, part: str) -> dict[str, list[tuple[str, list[float]]]]:
    """A reader by https://docs.ultralytics.com/datasets/detect/: of each picture, class names and corners in pixels."""
    sheet, found = yaml.safe_load((folder / "data.yaml").read_text()), {}
    root = folder / sheet.get("path", "")
    for line in (root / sheet[part]).read_text().splitlines():
        path = str(root / line.removeprefix("./"))
        before, _, after = path.rpartition("/images/")
        with Image.open(path) as image:
            width, height = image.size
        found[line] = []
        for row in Path(f"{before}/labels/{after}").with_suffix(".txt").read_text().splitlines():
            number, *shares = row.split(" ")
            assert len(shares) == 4
            x, y, w, h = map(float, shares)
            corners = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
            found[line].append((sheet["names"][int(number)], corners))
    return found


def thousandths(least: float, most: float) -> st.SearchStrategy[float]:
    """Numbers whose differences survive the twelve decimals of a file."""
    return st.integers(round(1000 * least), round(1000 * most)).map(lambda number: number / 1000)


@st.composite
def pictures(draw):
    """A picture's size, and boxes in it: class, left, top, width, height."""
    width, height = draw(st.integers(3, 3000)), draw(st.integers(3, 40))
    drawn = []
    for _ in range(draw(st.integers(0, 3))):
        left, top = draw(thousandths(0, width - 2.5)), draw(thousandths(0, height - 2.5))
        size = draw(thousandths(2, width - left)), draw(thousandths(2, height - top))
        drawn.append((draw(st.integers(0, 1)), left, top, *size))
    return width, height, list(dict.fromkeys(drawn))  # a box that is there twice is read once


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=8)


@pytest.mark.slow
@given(some=st.lists(pictures(), min_size=1, max_size=3), classes=st.lists(names, min_size=2, max_size=2))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_export_and_back_by_two_readers(tmp_path_factory, some, classes):
    classes = [kinds.common.tidy(f"a{name}{mark}") for name, mark in zip(classes, "xy")]
    folder, sources = tmp_path_factory.mktemp("yolo"), [f"{'ab'[n % 2]}/{n // 2}.png" for n in range(len(some))]
    items = pd.DataFrame({"item": range(1, len(some) + 1), "source": sources})
    items[["width", "height"]] = [size[:2] for size in some]
    empty = [(-1, 0.0, 0.0, 0.0, 0.0)]
    labels = box_labels([(n, *box, 0.5, "human") for n, (_, _, drawn) in enumerate(some, 1) for box in drawn or empty])
    yolo.write(str(folder), items, labels, object_detection, classes)
    put(folder, {f"images/{name}": picture(*size[:2]) for name, size in zip(sources, some)})

    found = read_as_documented(folder, "train")
    assert list(found) == [f"./images/{source}" for source in sources]
    for (_, _, drawn), things in zip(some, found.values()):
        assert [name for name, _ in things] == [classes[box[0]] for box in drawn]
        for (_, corners), (_, left, top, width, height) in zip(things, drawn):
            np.testing.assert_allclose(corners, [left, top, left + width, top + height], rtol=0, atol=1e-6)

    back = read(folder, classes)
    assert back.items["source"].tolist() == [f"images/{source}" for source in sources]
    assert back.labels[["item", "class_id"]].to_numpy().tolist() == labels[["item", "class_id"]].to_numpy().tolist()
    np.testing.assert_allclose(back.labels[SIDES], labels[SIDES], rtol=0, atol=1e-6)


def test_a_folder_named_images_stays_where_it_is(tmp_path):
    """Readers look for labels where the last folder images is."""
    sources = ["train/images/1.png", "images/a/2.png", "JPEGImages/3.png", "4.png"]
    labels = box_labels([(item, 0, 1, 1, 5, 5, 1.0, "human") for item in (1, 2, 3, 4)])
    yolo.write(str(tmp_path), ITEMS.assign(source=sources), labels, object_detection, CLASSES)
    written = {url.removeprefix(f"{tmp_path}/") for url in list_url(str(tmp_path))} - {"data.yaml", "train.txt"}
    assert written == {"labels/4.txt", "labels/JPEGImages/3.txt", "labels/a/2.txt", "train/labels/1.txt"}
    listed = (tmp_path / "train.txt").read_text().split()
    put(tmp_path, {name: picture() for name in listed})
    assert [len(things) for things in read_as_documented(tmp_path, "val").values()] == [1] * 4
    assert len(rows(read(tmp_path))) == 4


def test_what_is_written_anywhere_is_read_back(place):
    yolo.write(place, ITEMS, LABELS, object_detection, CLASSES)
    for source, width, height in zip(ITEMS["source"], ITEMS["width"], ITEMS["height"]):
        put(place, {f"images/{source.removeprefix('s3://')}": picture(width, height)})
    assert rows(read(place)) == [
        ("images/a/1.png", "dog", 10, 20, 30, 40),
        ("images/a/1.png", "cat", 0, 0, 100, 80),
        ("images/bucket/b/1.png", "cat", 5, 6, 7, 8),
        ("images/b/1.png", None, 0, 0, 0, 0),
    ]


def test_pictures_may_be_a_link(tmp_path):
    put(tmp_path / "pictures", {"a/1.png": picture(100, 80)})
    one = LABELS[LABELS["item"] == 1]
    yolo.write(str(tmp_path / "out"), ITEMS, one, object_detection, CLASSES)
    (tmp_path / "out/images").symlink_to(tmp_path / "pictures")
    assert len(rows(read(tmp_path / "out/data.yaml"))) == 2


def test_a_folder_with_files_is_not_overwritten(place):
    put(place, {"data.yaml": "mine"})
    with pytest.raises(UserError, match=f"^{place}: has files already; name a new folder"):
        yolo.write(place, ITEMS, LABELS, object_detection, CLASSES)
    assert [read_url(url) for url in list_url(place)] == [b"mine"]


def test_what_cannot_be_written_is_refused(tmp_path):
    place = str(tmp_path / "out")
    classes = pd.DataFrame({"item": [1], "class_id": [0], "confidence": [1.0], "source": ["human"]})
    with pytest.raises(UserError, match="--to csv"):
        yolo.write(place, ITEMS, classes, image_classification, CLASSES)
    for sources in (["a.jpg", "a.png", "c.jpg", "d.jpg"], ["images/1.png", "1.png", "c.jpg", "d.jpg"]):
        with pytest.raises(UserError, match=rf"{sources[1]} and {sources[0]} would have one file of labels"):
            yolo.write(place, ITEMS.assign(source=sources), LABELS, object_detection, CLASSES)
    with pytest.raises(UserError, match=r"a/1\.png: the size of the picture is not known; --to coco fits"):
        yolo.write(place, ITEMS.assign(width=[0, 1, 0, 0]), LABELS, object_detection, CLASSES)
    with pytest.raises(UserError, match="a name with a line break cannot be in a list"):
        yolo.write(
            place, ITEMS.assign(source=["a\nb.png", "1.png", "c.jpg", "d.jpg"]), LABELS, object_detection, CLASSES
        )
    assert not (tmp_path / "out").exists()


# --- Hostile files ---


def damaged(chance: random.Random, text: str) -> bytes:
    data = bytearray(text.encode())
    for _ in range(chance.randint(1, 4)):
        at, end = sorted(chance.choices(range(len(data)), k=2))
        some = chance.choice(
            [b"-", b"e9", b"\x00", b"\n", b" ", b"\xff", b": *a", b"1_0", b"/../", b"[" * 50, data[at:end]]
        )
        data[at : chance.choice([at, end])] = some
    return bytes(data) or b"x"


@pytest.mark.slow
@pytest.mark.parametrize("file", ["labels/1.txt", "data.yaml", "train.txt"])
def test_damaged_files_are_read_or_refused_in_a_line(tmp_path, file):
    chance, refused = random.Random(14), 0
    files = {
        "labels/1.txt": LINES * 2,
        "data.yaml": f"train: train.txt\nnc: 2\n{SHEET}",
        "train.txt": "./images/1.png\n",
    }
    put(tmp_path, files | {"images/1.png": picture()})
    for _ in range(150):
        (tmp_path / file).write_bytes(damaged(chance, files[file]))
        try:
            said = "".join(read(tmp_path / "data.yaml").items["source"])
        except UserError as mistake:
            refused += 1
            said = str(mistake)
            assert said.startswith(f"{tmp_path}")
        assert len(said) <= 1000
    assert 20 < refused < 150
