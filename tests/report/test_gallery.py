import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from roundtruth import kinds
from roundtruth.pixels import Decoded
from roundtruth.report import gallery

KIND = kinds.get("object-detection")
BOX = pd.DataFrame({"item": [1], "class_id": 0, "left": 10.0, "top": 10.0, "width": 50.0, "height": 40.0})


def noise(width: int, height: int) -> Image.Image:
    """What JPEG compresses worst."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype="uint8"))


def opened(picture: Image.Image) -> Decoded:
    return Decoded(picture, *picture.size, depth=3, cut=False, bits=None, low=0, high=255)


@pytest.mark.parametrize("side", [gallery.SIDE, gallery.ANSWER])
@pytest.mark.parametrize("size", [(2000, 1500), (60, 50), (4000, 1), (1, 3000)])
def test_no_picture_is_larger_than_its_limit(side, size):
    data = gallery.draw(opened(noise(*size)), BOX, KIND, ["cat"], side)
    assert len(data) <= gallery.BYTES[side]
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()


def test_an_ordinary_picture_keeps_its_size():
    smooth = Image.linear_gradient("L").resize((1600, 1200)).convert("RGB")
    with Image.open(io.BytesIO(gallery.draw(opened(smooth), BOX, KIND, ["cat"]))) as picture:
        assert picture.size == (512, 384)


def test_a_long_class_name_does_not_widen_the_picture_without_end(tmp_path):
    noise(100, 100).save(tmp_path / "a.png")
    kind, name = kinds.get("image-classification"), "a name that goes on, " * 50
    items = pd.DataFrame({"item": [1], "source": "a.png", "url": str(tmp_path / "a.png")})
    labels = pd.DataFrame({"item": [1], "class_id": 0})
    (tile,) = gallery.tiles(pd.Series({1: 0.5}), labels, items, kind, [name], {})
    with Image.open(io.BytesIO(tile.jpeg)) as picture:
        assert picture.width < 1000
    assert len(tile.found) == 40


def test_each_answer_is_shown_up_to_a_number(tmp_path):
    noise(100, 100).save(tmp_path / "a.png")
    items = pd.DataFrame({"item": [1], "source": "a.png", "url": str(tmp_path / "a.png")})
    said = pd.concat([BOX.assign(worker=f"w{i}", reason=None, agreement=i / 10) for i in range(9)])
    none = BOX.assign(worker="first", reason="too dark", agreement=np.nan, class_id=-1)
    (tile,) = gallery.tiles(pd.Series({1: 0.5}), BOX, items, KIND, ["cat"], {}, pd.concat([none, said]))
    assert [answer.worker for answer in tile.answers] == ["first", "w0", "w1", "w2", "w3", "w4"]
    assert tile.more == 4
    assert (tile.answers[0].found, tile.answers[0].jpeg) == ("no label: too dark", None)
    assert (tile.answers[2].found, tile.answers[2].agreement) == ("cat", 0.1)
    assert tile.answers[2].jpeg is not None
