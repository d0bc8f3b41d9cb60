"""The generated demo data: valid, and the same for everyone."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from roundtruth import demo
from roundtruth.kinds import object_detection


def contents(folder) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def pixels(path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    demo.scenes(folder, 60)
    return folder


def test_scenes_are_a_valid_pair_of_manifests(scenes):
    truth = lines(scenes / "truth.manifest")
    assert lines(scenes / "input.manifest") == [{"source-ref": record["source-ref"]} for record in truth]
    assert len(truth) == 60
    for record in truth:
        picture = pixels(scenes / record["source-ref"])
        assert picture.shape == (128, 128, 3)
        assert record["truth"]["image_size"] == [{"width": 128, "height": 128, "depth": 3}]
        boxes, metadata = record["truth"]["annotations"], record["truth-metadata"]
        assert 1 <= len(boxes) <= 6
        assert len(metadata["objects"]) == len(boxes)
        assert metadata["class-map"] == {"0": "digit"}
        assert metadata["type"] == "groundtruth/object-detection"
        for box in boxes:
            assert box["class_id"] == 0
            assert min(box["width"], box["height"]) >= 3
            assert box["left"] >= 0 <= box["top"]
            assert max(box["left"] + box["width"], box["top"] + box["height"]) <= 128
    assert len({len(record["truth"]["annotations"]) for record in truth}) > 3


def test_boxes_fit_what_was_drawn():
    """With digits that are full squares, a box is of one colour almost, and three pixels more on each side are not."""
    full = np.full((5, 8, 8), 255, "uint8")
    inside, around = [], []
    for i in range(30):
        picture, boxes = demo._scene(full, np.random.default_rng(i))
        left, top, width, height = (
            boxes[-1][k] for k in ("left", "top", "width", "height")
        )  # nothing lies on the last
        for found, more in ((inside, 0), (around, 3)):
            part = picture[max(0, top - more) : top + height + more, max(0, left - more) : left + width + more]
            found.append(part.std((0, 1)).mean())
    assert max(inside) < 12
    assert np.mean(np.array(around) > 1.5 * np.array(inside)) > 0.95


def test_the_same_seed_gives_the_same_bytes(scenes, tmp_path):
    demo.scenes(tmp_path / "again", 60)
    assert contents(tmp_path / "again") == contents(scenes)
    demo.scenes(tmp_path / "fewer", 10)
    assert contents(tmp_path / "fewer")["images/00007.png"] == contents(scenes)["images/00007.png"]
    demo.scenes(tmp_path / "other", 10, seed=1)
    assert contents(tmp_path / "other")["images/00007.png"] != contents(scenes)["images/00007.png"]


def test_digits(tmp_path):
    demo.digits(tmp_path / "a")
    demo.digits(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    truth = lines(tmp_path / "a" / "truth.manifest")
    assert len(truth) == 1797
    assert lines(tmp_path / "a" / "input.manifest") == [{"source-ref": record["source-ref"]} for record in truth]
    assert {record["truth"] for record in truth} == set(range(10))
    assert all(record["truth-metadata"]["class-name"] == str(record["truth"]) for record in truth)
    assert {record["truth"] for record in truth[:60]} == set(range(10))  # in no order
    with Image.open(tmp_path / "a" / truth[0]["source-ref"]) as picture:
        assert picture.size == (32, 32)


def test_the_manifests_are_read_as_any_other(scenes):
    records = lines(scenes / "truth.manifest")
    labels = object_detection.decode(
        records, np.arange(1, len(records) + 1), "truth", ["digit"], lambda i: f"truth.manifest: line {i}"
    )
    assert labels["item"].nunique() == 60
    assert len(labels) == sum(len(record["truth"]["annotations"]) for record in records)
