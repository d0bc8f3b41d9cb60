"""Pictures come upright and in colour; what is broken is said to be."""

import io
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from roundtruth import pixels
from roundtruth.errors import UserError
from roundtruth.pictures import Pictures, check, notes_on, ranges_of


@pytest.fixture
def folder(tmp_path):
    half = np.zeros((20, 30, 3), "uint8")
    half[:, :15] = [255, 0, 0]  # left half red
    Image.fromarray(half).save(tmp_path / "plain.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # to be seen upright, turn it by 90 degrees clockwise
    Image.fromarray(half).save(tmp_path / "turned.jpg", exif=turned, quality=95)
    Image.fromarray(half[:, :, 0]).save(tmp_path / "gray.png")
    Image.fromarray(np.linspace(0, 65535, 600).reshape(20, 30).astype("uint16")).save(tmp_path / "deep.png")
    Image.fromarray(half).convert("P").save(tmp_path / "palette.gif")
    Image.fromarray(half).convert("CMYK").save(tmp_path / "print.jpg")
    Image.fromarray(half).convert("RGBA").save(tmp_path / "alpha.png")
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), "uint8")).save(data, "jpeg")
    (tmp_path / "cut.jpg").write_bytes(data.getvalue()[:900])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "bomb.png").write_bytes(bomb(50_000, 50_000))
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is 2.5 gigapixels."""

    def part(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(b"\0")) + part(b"IEND", b"")


def table(folder, *names) -> pd.DataFrame:
    items = pd.DataFrame({"item": range(1, len(names) + 1), "url": [str(folder / name) for name in names]})
    return items.join(check(items))


def test_sizes_are_upright(folder):
    items = table(folder, "plain.png", "turned.jpg", "gray.png", "deep.png", "palette.gif", "print.jpg", "alpha.png")
    assert items["failure"].isna().all()
    assert items["width"].tolist() == [30, 20, 30, 30, 30, 30, 30]
    assert items["height"].tolist() == [20, 30, 20, 20, 20, 20, 20]
    assert items["depth"].tolist() == [3, 3, 1, 1, 3, 4, 4]
    assert items["width"].dtype == "int32"


def test_reading(folder):
    names = ["plain.png", "turned.jpg", "gray.png", "deep.png", "palette.gif", "print.jpg", "alpha.png"]
    pictures = Pictures(table(folder, *names))
    assert len(pictures) == 7
    assert pictures.sizes.tolist() == [[30, 20], [20, 30], *[[30, 20]] * 5]
    for i in range(7):
        assert pictures.read(i).dtype == np.uint8
        assert pictures.read(i).shape == (pictures.sizes[i, 1], pictures.sizes[i, 0], 3)
    assert pictures.read(0)[5, 5].tolist() == [255, 0, 0]
    turned = pictures.read(1).astype(int)  # what was left is at the top
    assert turned[5, 5, 0] > 200
    assert turned[25, 5, 0] < 50
    assert pictures.read(3)[19, 29].tolist() == [255] * 3
    assert 100 < pictures.read(3)[10, 0, 0] < 150


def test_taking_some(folder):
    pictures = Pictures(table(folder, "plain.png", "turned.jpg", "gray.png"))
    for some in (
        pictures.take(np.array([False, True, True])),
        pictures.take(np.array([1, 2])),
        pictures.take(slice(1, 3)),
    ):
        assert some.items.tolist() == [2, 3]
        assert some.sizes.tolist() == [[20, 30], [30, 20]]
        assert some.read(0).shape == (30, 20, 3)
    assert len(pictures.take(np.zeros(3, bool))) == 0


def test_broken_pictures_are_failures(folder):
    seen = []
    items = pd.DataFrame({"url": [str(folder / n) for n in BROKEN]}, index=[7 * i for i in range(len(BROKEN))])
    found = check(items, lambda *at: seen.append(at))
    assert found.index.equals(items.index)
    assert (found[["width", "height", "depth"]] == 0).all(axis=None)
    for why, expected in zip(found["failure"], BROKEN.values()):
        assert why.startswith(expected)
        assert "\n" not in why
    assert seen[-1][:2] == (len(BROKEN), len(BROKEN))


BROKEN = {
    "nowhere.png": "no file",
    "folder.png": "no file",
    "cut.jpg": "cannot be decoded: ",
    "text.jpg": "cannot be decoded: not a picture",
    "empty.png": "cannot be decoded: not a picture",
    "bomb.png": "is too large: more than 400 million pixels; scale it down or cut it into parts",
}


def test_no_items():
    found = check(pd.DataFrame({"url": []}))
    assert list(found.columns)[:4] == ["width", "height", "depth", "failure"]
    assert len(found) == 0
    assert (ranges_of(found), notes_on(found)) == ({}, [])


@pytest.mark.parametrize(
    ("change", "said"), [(lambda path: path.unlink(), "put it back"), (lambda path: path.write_text("x"), "broken")]
)
def test_a_picture_that_is_gone_or_broken_by_now_is_named_in_one_line(change, said, folder):
    path = folder / "plain.png"
    pictures = Pictures(pd.DataFrame({"item": [1], "url": [str(path)], "width": [30], "height": [20]}))
    change(path)
    with pytest.raises(UserError, match=f"^{path}: the picture was .*{said}"):
        pictures.read(0)


@pytest.mark.parametrize(("ink", "ground"), [((0, 0, 0), (255, 255, 255)), ((255, 255, 255), (128, 128, 128))])
def test_what_is_transparent_shows_the_thing(ink, ground, tmp_path):
    values = np.zeros((20, 30, 4), "uint8")
    values[5:15, 5:15] = [*ink, 255]
    picture = Image.fromarray(values)
    picture.save(tmp_path / "a.png")
    picture.quantize(4).save(tmp_path / "b.png")  # a palette with transparency
    for name in ("a.png", "b.png"):
        read = Pictures(table(tmp_path, name)).read(0)
        assert read[0, 0].tolist() == list(ground)
        assert read[10, 10].tolist() == list(ink)


def test_one_range_for_the_whole_dataset(tmp_path):
    """12 bits in 16: the dark picture is as dark beside the bright one as it is in truth."""
    for name, low, high in (("dark.png", 0, 1000), ("bright.tif", 3000, 4095)):
        values = np.full((4, 4), low, "uint16")
        values[2:] = high
        Image.fromarray(values).save(tmp_path / name)
    for name, high in (("a.tif", 0.5), ("b.tif", 2.0)):
        Image.fromarray(np.array([[0, high]], "float32")).save(tmp_path / name)
    items = table(tmp_path, "dark.png", "bright.tif", "a.tif", "b.tif")
    ranges = ranges_of(items)
    assert ranges == {"16 bits per value": (0, 4095), "floating-point values": (0, 2)}
    assert notes_on(items) == [
        "2 pictures have 16 bits per value; their values 0 to 4095 are shown as 0 to 255",
        "2 pictures have floating-point values; their values 0 to 2 are shown as 0 to 255",
    ]
    pictures = Pictures(items, ranges).take(slice(0, 4))
    assert [pictures.read(i)[:, -1, 0].tolist() for i in range(4)] == [
        [0, 0, 62, 62],  # 1000 / 4095 * 255 is 62.3
        [187, 187, 255, 255],  # 3000 / 4095 * 255 is 186.8
        [64],
        [255],
    ]


def test_what_is_read_in_another_way_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "LARGE", 30_000)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 100, (64, 64, 3), "uint8"))
    noise.save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:-9])
    noise.save(tmp_path / "pages.tif", save_all=True, append_images=[noise])
    noise.resize((200, 200)).save(tmp_path / "large.png")
    noise.resize((200, 201)).save(tmp_path / "large.jpg")
    noise.save(tmp_path / "plain.png")
    items = table(tmp_path, "cut.jpg", "pages.tif", "large.png", "large.jpg", "plain.png", "nowhere.png")
    assert notes_on(items) == [
        "1 picture has a file that is cut off at its end; what is missing is gray",
        "2 pictures have more than 50 million pixels; the model and the page see a smaller copy",
        "1 picture has several pages or frames; only the first counts",
    ]
    assert items["width"].tolist() == [64, 64, 200, 200, 64, 0]
    pictures = Pictures(items.iloc[2:4])
    assert pictures.sizes.tolist() == [[200, 200], [200, 201]]
    assert pictures.read(0).shape == (100, 100, 3)
