"""One picture, from a file's bytes to what is seen. The files are written here, byte by byte where it matters."""

import io
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from roundtruth import pixels
from roundtruth.pixels import decode, pages


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(values: np.ndarray, colour: int, clear: bytes = b"") -> bytes:
    """A PNG of 16 bits per value; `colour` is its colour type, `clear` the value that is transparent."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + (chunk(b"tRNS", clear) if clear else b"").join((parts[0], b"".join(parts[1:])))


def tiff(values: np.ndarray, order: str, packed: bool, orientation: int = 1) -> bytes:
    """A TIFF of one strip, in the type of `values` and the byte order `order` (< or >)."""
    high, wide = values.shape[:2]
    channels = values.shape[2] if values.ndim == 3 else 1
    kind = values.dtype.newbyteorder(order)
    data = values.astype(kind).tobytes()
    data, bits = zlib.compress(data) if packed else data, kind.itemsize * 8
    behind = 8 + 2 + 11 * 12 + 4  # where the bits of each channel stand; the data follows
    fields = {256: wide, 257: high, 258: bits if channels == 1 else behind, 259: 8 if packed else 1}
    fields |= {262: 1 if channels == 1 else 2, 273: behind + 6, 274: orientation, 277: channels, 278: high}
    fields |= {279: len(data), 339: "uif".index(kind.kind) + 1}
    longs = (256, 257, 273, 278, 279)
    result = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(fields))
    for tag, value in fields.items():
        count = channels if tag == 258 else 1
        short = tag not in longs and not (tag == 258 and channels > 1)
        result += struct.pack(f"{order}HHI", tag, 3 if tag not in longs else 4, count)
        result += struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value)
    return result + b"\0\0\0\0" + struct.pack(f"{order}3H", bits, bits, bits) + data


def seen(data: bytes, ranges: dict | None = None) -> np.ndarray:
    return np.asarray(decode(data, ranges).picture)


def jpeg(picture: Image.Image, **how) -> bytes:
    return saved(picture, "JPEG", **how)


def saved(picture: Image.Image, form: str, **how) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **how)
    return file.getvalue()


SIXTEEN = "16 bits per value"


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 1), (6, 3)])
def test_12_bits_in_a_png_of_16(colour, channels):
    """PNG's colour types: gray, RGB, gray with opacity, RGBA. 4095 is white, 2048 is half of it."""
    values = np.zeros((2, 3, channels), "uint16")
    values[0, 0], values[1, 2], values[1, 1] = 4095, 2048, 100
    whole = values if colour < 4 else np.concatenate([values, np.full((2, 3, 1), 65535, "uint16")], axis=2)
    found = decode(png(whole, colour))
    assert (found.bits, found.low, found.high) == (SIXTEEN, 0, 4095)
    picture = np.asarray(found.picture)
    assert picture[0, 0].tolist() == [255] * 3
    assert picture[1, 2].tolist() == [128] * 3  # 2048 / 4095 * 255 is 127.5
    assert picture[1, 1].tolist() == [6] * 3
    assert picture[0, 1].tolist() == [0] * 3


def test_the_range_is_that_of_the_dataset_and_not_of_the_picture():
    dark = png(np.array([[0, 1000]]), 0)
    assert seen(dark)[0, 1].tolist() == [255] * 3
    assert seen(dark, {SIXTEEN: (0, 4000)})[0, 1].tolist() == [64] * 3
    assert seen(dark, {SIXTEEN: (500, 750)})[0].tolist() == [[0] * 3, [255] * 3]  # what is beyond it is cut


@pytest.mark.parametrize(("colour", "clear"), [(0, (7,)), (2, (7, 8, 9))])
def test_one_value_of_16_bits_may_mean_transparent(colour, clear):
    values = np.full((4, 4, len(clear)), 10, "uint16")
    values[1, 1], values[2, 2] = clear, 1000
    assert seen(png(values, colour, struct.pack(f">{len(clear)}H", *clear)))[1, 1].tolist() == [255] * 3
    assert seen(png(values, colour))[1, 1].tolist() < [10] * 3


def test_what_is_transparent_in_16_bits_is_white():
    values = np.zeros((1, 2, 2), "uint16")
    values[0, 1] = 300, 65535
    assert seen(png(values, 4), {SIXTEEN: (0, 600)})[0].tolist() == [[255] * 3, [128] * 3]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "i4", "f4", "rgb"])
def test_tiff(kind, order, packed):
    """Lying on its side: the first row is the right column of the upright picture."""
    if (kind, order) == ("u4", ">"):
        return  # Pillow does not read these: `test_what_is_no_picture_to_pillow`
    low = -1000 if kind[0] in "if" else 0
    values = np.linspace(low, 3095, 35).reshape(5, 7).round().astype("u2" if kind == "rgb" else kind)
    if kind == "u4":
        values[0, 0], low = 4_000_000_000, 120
    if kind == "rgb":
        values = np.stack([values, values.T.reshape(5, 7), values[::-1]], axis=2)
    found = decode(tiff(values, order, packed, orientation=6))
    assert (found.low, found.high) == (values.min(), values.max())
    assert (found.width, found.height) == found.picture.size == (5, 7)
    expected = 255 * (values.astype(float) - values.min()) / (float(values.max()) - values.min())
    gray = expected[..., None] if expected.ndim == 2 else expected
    assert np.abs(np.asarray(found.picture) - np.rot90(gray, -1)).max() <= 0.5


def test_values_that_are_no_numbers():
    values = np.array([[0, 0.5, 1, np.nan, np.inf, -np.inf]], "f4")
    found = decode(tiff(values, "<", False))
    assert (found.bits, found.low, found.high) == ("floating-point values", 0, 1)
    assert np.asarray(found.picture)[0, :, 0].tolist() == [0, 128, 255, 0, 255, 0]
    assert not np.asarray(decode(tiff(values[:, 3:4], "<", False)).picture).any()  # none of them is one
    assert not seen(tiff(np.full((2, 2), 7, "u2"), "<", False)).any()  # all of them are the same


def test_16_bits_in_a_portable_graymap():
    data = b"P5 2 1 4095\n" + np.array([4095, 1024], ">u2").tobytes()
    assert decode(data).bits == SIXTEEN
    assert seen(data, {SIXTEEN: (0, 65535)})[0, :, 0].tolist() == [255, 64]


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        *(("1", form) for form in ("PNG", "TIFF", "GIF")),
        *(("L", form) for form in ("JPEG", "PNG", "WEBP")),
        *(("P", form) for form in ("PNG", "GIF", "BMP", "TIFF")),
        *(("LA", form) for form in ("PNG", "WEBP")),
        *(("CMYK", form) for form in ("JPEG", "TIFF")),
        *(("LAB", "TIFF"), ("YCbCr", "TIFF"), ("YCbCr", "JPEG"), ("RGBA", "TIFF"), ("RGBA", "WEBP")),
    ],
)
def test_every_mode_shows_dark_and_light(mode, form):
    """Left half black, right half white; each file is written by Pillow."""
    values = np.zeros((16, 32, 3), "uint8")
    values[:, 16:] = 255
    picture = Image.fromarray(values)
    if mode == "LAB":
        lab = np.zeros((16, 32, 3), "uint8")
        lab[:, 16:, 0] = 255
        picture = Image.frombytes("LAB", (32, 16), lab.tobytes())  # a and b are 0, which is no colour
    else:
        picture = picture.convert(mode)
    found = decode(saved(picture, form))
    assert found.bits is None
    assert np.asarray(found.picture)[8, 4].max() < 12
    assert np.asarray(found.picture)[8, 28].min() > 243


def test_the_first_of_several_pages_counts():
    red, blue = Image.new("RGB", (20, 10), "red"), Image.new("RGB", (20, 10), "blue")
    for form in ("TIFF", "GIF", "PNG", "WEBP"):
        several = saved(red, form, save_all=True, append_images=[blue])
        found = np.asarray(decode(several).picture)[5, 5].astype(int)
        assert np.abs(found - [255, 0, 0]).max() < 6
        assert pages(several)
        assert not pages(saved(red, form))
    assert not pages(saved(red, "MPO", save_all=True, append_images=[blue]))  # a camera's preview


def test_a_picture_of_another_kind_is_no_picture():
    with pytest.raises(Image.UnidentifiedImageError):
        decode(tiff(np.zeros((2, 2), "u4"), ">", False))


# -- files that are cut off


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    """Nothing in it is the gray with which libjpeg fills what is missing."""
    noise = np.random.default_rng(0).integers(0, 100, (160, 120, 3))
    return Image.fromarray((noise + np.where(np.arange(160) % 2, 0, 150)[:, None, None]).astype("uint8"))


@pytest.mark.parametrize("how", [{}, {"subsampling": 2}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_short_of_its_last_bytes_is_read(photo, mode, how):
    data = jpeg(photo.convert(mode), quality=90, **how)
    whole = decode(data)
    assert not whole.cut
    for missing in range(1, 30):
        found = decode(data[:-missing])
        assert found.cut
        assert (found.width, found.height, found.depth) == (120, 160, len(mode))
        same = (np.asarray(found.picture) == np.asarray(whole.picture)).all(axis=2)
        assert same.mean() > 0.95 or "progressive" in how  # whose last bytes refine the whole picture
        if missing < 3:
            assert same.all()


def test_a_jpeg_whose_larger_part_is_missing_is_not_read(photo):
    data, states = jpeg(photo, quality=90), []
    for share in np.linspace(0.1, 1, 30):
        try:
            states.append(decode(data[: int(share * len(data))]).cut)
        except OSError as error:
            states.append(str(error))
    read = [state for state in states if not isinstance(state, str)]
    assert states[-len(read) :] == read  # from some length on
    assert read == [True] * (len(read) - 1) + [False]
    assert 13 <= len(read) <= 20  # half of 30, as the bytes are spread evenly
    assert [state for state in states if isinstance(state, str)][-1].startswith("the file is cut off: 5")


def test_no_switch_of_pillow_is_touched(photo):
    """It would be the switch of all threads: a PNG that is cut off would become a black picture meanwhile."""
    cut, png, wrong = jpeg(photo)[:-50], saved(photo, "PNG")[:-200], []

    def read() -> None:
        for _ in range(30):
            decode(cut)
            try:
                decode(png)
            except OSError:
                continue
            wrong.append("a PNG that is cut off was read")

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


# -- large pictures


@pytest.mark.parametrize(
    ("form", "mode"),
    [("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGB"), ("PNG", "1"), ("GIF", "P"), ("TIFF", "RGB"), ("TIFF", "I;16")],
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_picture_is_scaled_and_keeps_its_size(form, mode, orientation, monkeypatch):
    monkeypatch.setattr(pixels, "LARGE", 5_000)
    values = np.zeros((203, 401), "uint8")
    values[:, 200:] = 255
    picture = Image.fromarray(values if mode != "I;16" else values * np.uint16(16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    how = {} if form == "GIF" else {"exif": exif}
    found = decode(saved(picture if mode == "I;16" else picture.convert(mode), form, **how))
    turned = orientation == 6 and form != "GIF"
    assert found.scaled
    assert (found.width, found.height) == ((203, 401) if turned else (401, 203))
    assert 5_000 / 4 < found.picture.width * found.picture.height <= 5_000
    assert found.picture.width / found.picture.height == pytest.approx(found.width / found.height, rel=0.05)
    gray = np.asarray(found.picture)[..., 0]
    first, last = (gray[3], gray[-3]) if turned else (gray[:, 3], gray[:, -3])
    assert first.max() < 10
    assert last.min() > 245


def test_a_picture_at_the_limit_is_not_scaled(monkeypatch):
    monkeypatch.setattr(pixels, "LARGE", 5_000)
    found = decode(saved(Image.new("RGB", (100, 50)), "PNG"))
    assert not found.scaled
    assert found.picture.size == (100, 50)


def test_a_large_transparent_picture_keeps_its_background(monkeypatch):
    monkeypatch.setattr(pixels, "LARGE", 1_000)
    values = np.zeros((80, 80, 4), "uint8")
    values[20:60, 20:60, 3] = 255
    found = seen(saved(Image.fromarray(values), "PNG"))
    assert found.shape == (27, 27, 3)
    assert found[1, 1].tolist() == [255] * 3
    assert found[13, 13].tolist() == [0] * 3
