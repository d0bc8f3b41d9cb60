import io
import random
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.datasets import VOCDetection

from roundtruth import formats, kinds, manifest
from roundtruth.errors import UserError
from roundtruth.formats import voc
from roundtruth.kinds import image_classification, object_detection
from roundtruth.storage import list_url, read_url, write_url
from tests.jobs import box_labels, lines_of, read_dataset, read_records

pytest_plugins = ["tests.s3"]

CLASSES = ["cat", "dog"]
SIDES = ["left", "top", "width", "height"]

# As LabelImg writes it, with what VOC's own files have besides
XML = """<annotation verified="yes">
    <folder>pictures</folder>
    <filename>1.jpg</filename>
    <path>C:\\pictures\\1.jpg</path>
    <source><database>Unknown</database></source>
    <size><width>100</width><height>80</height><depth>3</depth></size>
    <segmented>0</segmented>
    <object>
        <name>dog</name><pose>Left</pose><truncated>1</truncated><difficult>1</difficult>
        <bndbox><xmin>10</xmin><ymin>20.5</ymin><xmax>40</xmax><ymax>60</ymax></bndbox>
        <part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>
    </object>
    <object>
        <name> cat </name>
        <bndbox><ymin>0</ymin><xmin>50</xmin><ymax>80</ymax><xmax>1e2</xmax></bndbox>
    </object>
</annotation>
"""
TURNED = "<attributes><attribute><name>rotation</name><value>30.0</value></attribute></attributes>"  # by CVAT


def picture(width: int = 100, height: int = 80, form: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, form)
    return file.getvalue()


def put(folder, files: dict[str, bytes | str]) -> str:
    for name, content in files.items():
        with write_url(f"{folder}/{name}") as file:
            file.write(content.encode() if isinstance(content, str) else content)
    return str(folder)


def read(folder, kind: str = "object-detection", labels: str | None = None) -> formats.Shard:
    return next(iter(formats.read(str(folder), kinds.get(kind), CLASSES, "label", labels)))


def fitted(folder) -> formats.Shard:
    """With the boxes as they are on the pictures."""
    return read_dataset(str(folder), "object-detection", CLASSES).shards[0]


def rows(shard: formats.Shard) -> list[tuple]:
    """(source, class, left, top, width, height) of each label."""
    sources, found = shard.items["source"].tolist(), shard.labels
    names = [[*CLASSES, None][number] for number in found["class_id"]]
    return list(zip([sources[item - 1] for item in found["item"]], names, *(found[side] for side in SIDES)))


BOXES = [("dog", 10, 20.5, 30, 39.5), ("cat", 50, 0, 50, 80)]  # of XML, by hand


@pytest.fixture(params=["local", "s3"])
def place(request, tmp_path) -> str:
    return str(tmp_path / "data") if request.param == "local" else request.getfixturevalue("s3").url + "/data"


@pytest.mark.parametrize(
    ("xml", "jpg"),
    [
        ("Annotations/1.xml", "JPEGImages/1.jpg"),
        ("VOC2012/Annotations/1.xml", "VOC2012/JPEGImages/1.jpg"),
        ("annotations/1.xml", "images/1.jpg"),
        ("annotations/xmls/1.xml", "annotations/images/1.jpg"),
        ("train/1.xml", "train/1.jpg"),
        ("1.xml", "1.jpg"),
        ("Annotations/a/b/1.xml", "JPEGImages/a/b/1.jpg"),
        ("Annotations/some.xml", "JPEGImages/1.jpg"),  # found by its `filename`
        ("u\u0308ber.xml", "\u00fcber.jpg"),  # the same letters, composed otherwise
    ],
)
def test_the_usual_layouts(place, xml, jpg):
    put(place, {xml: XML, jpg: picture(), "unlabeled.jpg": picture()})
    shard = fitted(place)
    assert rows(shard) == [(jpg, *box) for box in BOXES]
    assert sorted(shard.items["source"]) == sorted([jpg, "unlabeled.jpg"])
    assert shard.sizes[["width", "height"]].to_numpy().tolist() == [[100, 80]]
    assert shard.note == "Pascal VOC: 1 of 2 pictures have an XML file"
    assert lines_of(shard.passed) == ["1 part of objects (<part>)"]


def test_the_records_are_those_of_the_labels(tmp_path):
    record = read_records(put(tmp_path, {"1.xml": XML, "1.jpg": picture()}), "object-detection", CLASSES)[0]
    assert record["label"]["image_size"] == [{"width": 100, "height": 80, "depth": 3}]


def test_a_file_without_objects_says_that_there_is_nothing(tmp_path):
    empty = "<annotation><filename>1.jpg</filename></annotation>"
    shard = read(put(tmp_path, {"1.xml": empty, "1.jpg": picture(64, 48), "2.jpg": picture()}))
    assert rows(shard) == [("1.jpg", None, 0, 0, 0, 0)]
    assert shard.sizes.to_numpy().tolist() == [[1, 0, 0]], "the file does not say"


def test_what_is_passed_over_is_counted(tmp_path):
    shard = read(
        put(
            tmp_path,
            {
                "Annotations/1.xml": XML,
                "Annotations/gone.xml": XML.replace("1.jpg", "gone.jpg"),
                "other.xml": "<svg/>",
                "JPEGImages/1.jpg": picture(),
                "SegmentationClass/1.png": picture(),
                "SegmentationObject/1.png": picture(),
                "ImageSets/Main/train.txt": "1\n",
                "labelmap.txt": "cat\n",
                ".DS_Store": b"x",
            },
        )
    )
    assert shard.items["source"].tolist() == ["JPEGImages/1.jpg"]
    assert lines_of(shard.passed) == [
        "1 XML file of VOC without a picture",
        "1 XML file that is not VOC's",
        "1 part of objects (<part>)",
        "2 masks, which stand beside pictures of the same names and which no kind of label uses",
        "1 list of parts of the dataset (ImageSets): all pictures are read",
        "1 file that is no picture (.txt)",
    ]


def test_names_that_contradict_each_other_are_refused(tmp_path):
    put(tmp_path, {"1.xml": XML.replace("1.jpg", "2.jpg"), "1.jpg": picture(), "2.jpg": picture()})
    with pytest.raises(UserError, match=r"/1\.xml: line 1: field filename: 2\.jpg, but by its own name .* to 1\.jpg"):
        read(tmp_path)
    (tmp_path / "2.jpg").unlink()
    assert len(rows(read(tmp_path))) == 2, "a name that was left behind when the picture was renamed"


def test_two_files_of_one_picture_are_refused(tmp_path):
    put(tmp_path, {"1.xml": XML, "Annotations/1.xml": XML, "1.jpg": picture()})
    with pytest.raises(UserError, match=r"line 1: 1\.jpg has its labels in 1\.xml already"):
        read(tmp_path)


def test_one_file_that_two_pictures_may_have(tmp_path):
    put(tmp_path, {"1.xml": XML.replace("1.jpg", "1"), "1.jpg": picture(), "1.png": picture()})
    with pytest.raises(UserError, match=r"line 1: field filename: the file may belong to 1\.jpg and 1\.png"):
        read(tmp_path)
    put(tmp_path, {"1.xml": XML.replace("1.jpg", "1.png")})
    assert rows(read(tmp_path)) == [("1.png", *box) for box in BOXES]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (XML, "", "line 1: not XML: no element found"),
        (XML[-20:], "", "line 16: not XML: unclosed token"),
        (XML, "\x00\x01", "line 1: not XML: "),
        (XML, '<?xml version="1.0" encoding="nonsense"?><annotation/>', "line 1: not XML that can be read: unknown"),
        (XML, '<?xml version="1.0" encoding="gbk"?><annotation/>', "line 1: not XML that can be read: multi-byte"),
        (XML, '<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY b "c">]>\n<annotation/>', "line 2: has a DTD"),
        (XML, '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "line 1: has a DTD"),
        (">dog<", ">&cow;<", "line 9: not XML: undefined entity"),
        ("<name>dog</name>", "", "line 8: field name: missing in object"),
        (">dog<", ">horse<", r"line 8: field name: 'horse' is not one of .* \(cat, dog\)"),
        (">dog</name>", ">dog</name><name>cat</name>", "line 9: field name: there twice"),
        ("<xmin>10</xmin>", "", "line 10: field xmin: missing in bndbox"),
        ("<xmin>10<", "<xmin>ten<", "line 10: field xmin: 'ten' is no number"),
        ("<xmin>10<", "<xmin>1,5<", "line 10: field xmin: '1,5' is no number"),
        ("<xmin>10<", "<xmin>nan<", "line 10: field xmin: 'nan' is no number"),
        ("<xmin>10<", "<xmin>1e999<", "line 10: field xmin: '1e999' is no number"),
        ("<xmin>10<", "<xmin>40<", "line 10: field xmax: the box has no area"),
        ("<ymax>60<", "<ymax>6<", "line 10: field ymax: the box has no area"),
        ("<ymax>60<", "<ymax>600<", "line 8: top: .* outside the picture, whose height is 80"),
        ("<bndbox><xmin>10<", "<bndbox/><box><xmin>10<", "line 10: not XML: mismatched tag"),
        ("bndbox", "robndbox", "line 8: field bndbox: missing in object|2 mistakes: line 8, line 13: field bndbox"),
        ("<width>100<", "<width>wide<", "line 6: field width: 'wide' is no number"),
        ("<width>100<", "<width>-100<", "line 6: field size: -100 x 80 is no size"),
        ("</difficult>", f"</difficult>{TURNED}", "line 9: field rotation: the box is turned"),
        ("</difficult>", "</difficult><confidence>2</confidence>", "line 8: field confidence: 2 is no number"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, message):
    assert old in XML
    put(tmp_path, {"1.xml": XML.replace(old, new), "1.jpg": picture()})
    with pytest.raises(UserError, match=rf"^{tmp_path}/1\.xml: ({message})"):
        fitted(tmp_path)


def test_all_mistakes_are_counted(tmp_path):
    for n in range(12):
        put(tmp_path, {f"{n:02d}.xml": XML.replace("1.jpg", "a.jpg").replace("60<", "2<"), f"{n:02d}.jpg": picture()})
    with pytest.raises(UserError) as error:
        read(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: 12 mistakes: "
        + ", ".join(f"{n:02d}.xml: line 10" for n in range(10))
        + ": field ymax: the box has no area: ymax is not above ymin; and 2 more"
    )


def test_the_files_of_the_voc_challenges_count_pixels_from_1(tmp_path):
    """The whole picture is 1 to 100, and one pixel 7 to 7: Detectron2 reads them as 0 to 100 and 6 to 7, too."""
    source = "<source><database>The VOC2007 Database</database><annotation>PASCAL VOC2007</annotation></source>"
    boxes = "<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>"
    corners = [boxes.format(1, 1, 100, 80), boxes.format(7, 8, 7, 8)]
    things = "".join(f"<object><name>cat</name><bndbox>{box}</bndbox></object>" for box in corners)
    put(tmp_path, {"1.xml": f"<annotation>{source}{things}</annotation>", "1.jpg": picture()})
    assert rows(fitted(tmp_path)) == [("1.jpg", "cat", 0, 0, 100, 80), ("1.jpg", "cat", 6, 7, 1, 1)]


@pytest.mark.parametrize("width", ["<width>0</width>", "<width/>", "<width>None</width>", ""])
def test_a_size_may_be_unknown(tmp_path, width):
    put(tmp_path, {"1.xml": XML.replace("<width>100</width>", width), "1.jpg": picture(120, 90)})
    assert rows(fitted(tmp_path)) == [("1.jpg", *box) for box in BOXES]


def test_another_size_than_the_pictures_is_refused_and_scaled_by_the_key(tmp_path):
    put(tmp_path, {"1.xml": XML, "1.jpg": picture(50, 40)})
    with pytest.raises(UserError, match=rf"^{tmp_path}/1\.xml: line 1: the file says 100 x 80 .*`boxes: {{size: as-st"):
        fitted(tmp_path)
    found = read_dataset(str(tmp_path), "object-detection", CLASSES, boxes={"size": "as-stated"}).shards[0]
    assert rows(found) == [("1.jpg", "dog", 5, 10.25, 15, 19.75), ("1.jpg", "cat", 25, 0, 25, 40)]


def test_corners_are_what_the_format_says(tmp_path):
    """Whatever the job file says about a truth with corners; and nothing needs the key."""
    box = (
        "<object><name>cat</name><bndbox><xmin>10</xmin><ymin>5</ymin><xmax>100</xmax><ymax>80</ymax></bndbox></object>"
    )
    put(tmp_path, {"1.xml": f"<annotation>{box}</annotation>", "1.jpg": picture()})
    for key in ({}, {"boxes": {"form": "corners"}}):
        found = read_dataset(str(tmp_path), "object-detection", CLASSES, **key).shards[0]
        assert rows(found) == [("1.jpg", "cat", 10, 5, 90, 75)]


def test_boxes_between_0_and_1_are_no_pixels(tmp_path):
    box = "<xmin>.1</xmin><ymin>.2</ymin><xmax>.3</xmax><ymax>.4</ymax>"
    xml = f"<annotation><object><name>cat</name><bndbox>{box}</bndbox></object></annotation>"
    with pytest.raises(UserError, match=r"1\.xml: line 1: the box lies between 0 and 1"):
        fitted(put(tmp_path, {"1.xml": xml, "1.jpg": picture()}))


def test_mistakes_of_several_sorts_in_several_files_are_one_message(tmp_path):
    files = {"a/1.xml": XML.replace(">dog<", ">horse<"), "a/2.xml": XML[:-20], "3.xml": XML.replace("60<", "2<")}
    put(tmp_path, files | {name.replace("xml", "jpg"): picture() for name in files})
    with pytest.raises(UserError) as error:
        read(tmp_path)
    mistakes = [
        "3.xml: line 10: field ymax: the box has no area",
        "a/2.xml: line 16: not XML",
        "a/1.xml: line 8: field",
    ]
    assert str(error.value).startswith(f"{tmp_path}: 3 mistakes: ")
    assert all(mistake in str(error.value) for mistake in mistakes)


def test_boxes_that_are_out_of_several_pictures_are_one_message(tmp_path):
    files = {f"{n}.xml": XML.replace("1.jpg", f"{n}.jpg").replace("1e2", "150") for n in (1, 2)}
    put(tmp_path, files | {f"{n}.jpg": picture() for n in (1, 2)})
    out = "left: the box reaches from 50 to 150, outside the picture, whose width is 100"
    with pytest.raises(UserError, match=rf"^{tmp_path}: 2 mistakes: 1\.xml: line 13, 2\.xml: line 13: {out}$"):
        fitted(tmp_path)


def test_xml_files_without_pictures_need_the_folder_that_has_both(tmp_path):
    with pytest.raises(UserError, match=r"the folder that holds both is the data$"):
        read(put(tmp_path, {"Annotations/1.xml": XML}))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings(tmp_path, encoding):
    head = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>\n'
    xml = (head + XML.replace("1.jpg", "\u00fc.jpg")).encode(encoding)
    assert len(rows(read(put(tmp_path, {"1.xml": xml, "\u00fc.jpg": picture()})))) == 2


@pytest.mark.parametrize("name", ["raccoon", "bccd"])
def test_real_boxes_are_those_of_the_truth(data, name):
    classes = {"raccoon": ["raccoon"], "bccd": ["RBC", "WBC", "Platelets"]}[name]
    if name == "bccd":
        with pytest.raises(
            UserError, match=r"2 mistakes: BloodImage_00338\.xml: line \d+, BloodImage_00343\.xml: line"
        ):
            next(formats.read(str(data / name), object_detection, classes, "truth"))
        return
    records = read_records(str(data / name), "object-detection", classes, "truth")
    truth = {record["source-ref"]: record["truth"] for record in manifest.read(str(data / name / "truth.manifest"))}
    assert {record["source-ref"]: record["truth"] for record in records} == truth


# --- Export ---

ITEMS = pd.DataFrame(
    {
        "item": [1, 2, 3, 4],
        "source": ["a/1.jpg", "s3://bucket/b/1.jpg", "b/1.jpg", "unlabeled.jpg"],
        "width": [100, 200, 300, 100],
        "height": [80, 90, 100, 100],
        "depth": [3, 3, 1, 3],
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


def with_pictures(folder, sources) -> None:
    put(folder, {f"JPEGImages/{source.removeprefix('s3://')}": picture(4, 3) for source in sources})


def test_what_is_written_is_read_by_torchvision(tmp_path):
    folder = tmp_path / "VOCdevkit/VOC2012"
    voc.write(str(folder), ITEMS, LABELS, object_detection, CLASSES)
    with_pictures(folder, ITEMS["source"])
    read = VOCDetection(tmp_path, "2012", "trainval")
    assert len(read) == 3
    found = [read[n][1]["annotation"] for n in range(3)]
    assert [one["folder"] for one in found] == ["a", "s3://bucket/b", "b"]
    assert [one["filename"] for one in found] == ["1.jpg"] * 3
    assert [one["size"] for one in found][2] == {"width": "300", "height": "100", "depth": "1"}
    assert [(thing["name"], thing["confidence"], thing["bndbox"]) for thing in found[0]["object"]] == [
        ("dog", "0.9", {"xmin": "1.5", "ymin": "2", "xmax": "31.5", "ymax": "42.25"}),
        ("cat", "0.8", {"xmin": "10", "ymin": "20", "xmax": "40", "ymax": "60"}),
    ]
    assert found[2]["object"] == []


def test_what_is_written_anywhere_is_read_back(place):
    voc.write(place, ITEMS, LABELS, object_detection, CLASSES)
    with_pictures(place, ITEMS["source"])
    shard = read(place)
    assert rows(shard) == [
        ("JPEGImages/a/1.jpg", "dog", 1.5, 2, 30, 40.25),
        ("JPEGImages/a/1.jpg", "cat", 10, 20, 30, 40),
        ("JPEGImages/b/1.jpg", None, 0, 0, 0, 0),
        ("JPEGImages/bucket/b/1.jpg", "cat", 5, 6, 7, 8),
    ]
    assert shard.labels["confidence"].tolist() == [0.9, 0.8, 1.0, 1.0]


side = st.floats(0, 5e3, allow_subnormal=False)
length = st.floats(2, 5e3)
boxes = st.lists(st.tuples(st.integers(0, 1), side, side, length, length), max_size=3)
names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=8)


@given(drawn=st.lists(boxes, min_size=1, max_size=3), classes=st.lists(names.filter(str.strip), min_size=2, max_size=2))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_export_and_back_by_two_readers(tmp_path_factory, drawn, classes):
    classes = [kinds.common.tidy(name) + mark for name, mark in zip(classes, "ab")]
    folder = tmp_path_factory.mktemp("voc")
    sources = [f"{'ab'[n % 2]}/{n // 2}.jpg" for n in range(len(drawn))]
    items = pd.DataFrame({"item": range(1, len(drawn) + 1), "source": sources}).assign(
        width=10**4, height=10**4, depth=3
    )
    labels = box_labels(
        [(item, *box, 0.5, "human") for item, some in enumerate(drawn, 1) for box in some or [(-1, 0.0, 0.0, 0.0, 0.0)]]
    )
    voc.write(str(folder / "VOCdevkit/VOC2012"), items, labels, object_detection, classes)
    with_pictures(folder / "VOCdevkit/VOC2012", sources)
    independent = VOCDetection(folder, "2012", "trainval")
    for some, path in zip(drawn, independent.annotations, strict=True):
        things = VOCDetection.parse_voc_xml(ET.parse(path).getroot())["annotation"]["object"]
        assert [thing["name"] for thing in things] == [classes[box[0]] for box in some]
        for thing, (_, left, top, width, height) in zip(things, some):
            corners = [float(thing["bndbox"][corner]) for corner in ("xmin", "ymin", "xmax", "ymax")]
            assert corners == [left, top, left + width, top + height]
    back = next(iter(formats.read(str(folder), object_detection, classes, "label")))
    order = [back.items["source"].tolist().index(f"VOCdevkit/VOC2012/JPEGImages/{source}") + 1 for source in sources]
    for item, of_item in labels.groupby("item"):
        mine = back.labels[back.labels["item"] == order[item - 1]]
        assert mine["class_id"].tolist() == of_item["class_id"].tolist()
        np.testing.assert_allclose(mine[SIDES], of_item[SIDES], rtol=0, atol=1e-6)


def test_pictures_in_jpegimages_keep_their_place(tmp_path):
    sources = ["JPEGImages/1.jpg", "JPEGImages/a/1.jpg", "2.jpg", "3.jpg"]
    voc.write(str(tmp_path), ITEMS.assign(source=sources), LABELS, object_detection, CLASSES)
    put(tmp_path, {name: picture(4, 3) for name in ("JPEGImages/1.jpg", "JPEGImages/a/1.jpg", "JPEGImages/2.jpg")})
    assert (tmp_path / "ImageSets/Main/trainval.txt").read_text() == "1\na/1\n2\n"
    assert {row[0] for row in rows(read(tmp_path))} == {"JPEGImages/1.jpg", "JPEGImages/a/1.jpg", "JPEGImages/2.jpg"}


def test_a_folder_with_files_is_not_overwritten(place):
    put(place, {"Annotations/x.xml": "mine"})
    with pytest.raises(UserError, match=f"^{place}: has files already; name a new folder"):
        voc.write(place, ITEMS, LABELS, object_detection, CLASSES)
    assert [read_url(url) for url in list_url(place)] == [b"mine"]


def test_what_cannot_be_written_is_refused(tmp_path):
    classes = pd.DataFrame({"item": [1], "class_id": [0], "confidence": [1.0], "source": ["human"]})
    with pytest.raises(UserError, match="--to csv"):
        voc.write(str(tmp_path / "a"), ITEMS, classes, image_classification, CLASSES)
    same = ITEMS.assign(source=["a.jpg", "a.png", "c.jpg", "d.jpg"])
    with pytest.raises(UserError, match=r"a\.png and a\.jpg would have one file of labels"):
        voc.write(str(tmp_path / "a"), same, LABELS, object_detection, CLASSES)
    with pytest.raises(UserError, match="has a character that XML cannot hold"):
        voc.write(str(tmp_path / "a"), ITEMS, LABELS, object_detection, ["c\x07at", "dog"])
    assert not (tmp_path / "a").exists()


# --- Hostile files ---


def damaged(chance: random.Random) -> bytes:
    """The file with a few changes at random places."""
    data = bytearray(XML.encode())
    for _ in range(chance.randint(1, 6)):
        at, end = sorted(chance.choices(range(len(data)), k=2))
        change = chance.randrange(5)
        if change == 0:
            data[at : at + chance.randint(1, 8)] = chance.randbytes(chance.randint(0, 8))
        elif change == 1:
            data[at:end] = b""
        elif change == 2:
            data[at:at] = data[at:end] * chance.randint(1, 3)
        elif change == 3:
            data[at:at] = chance.choice([b"&lol;", b"<!DOCTYPE a>", b"<object>", b"-1e308", b"<", b"]]>", b"\xff\xfe"])
        else:
            data[at] ^= 1 << chance.randrange(8)
    return bytes(data) or b"x"


@pytest.mark.slow
def test_damaged_files_are_read_or_refused_in_a_line(tmp_path):
    chance, refused = random.Random(14), 0
    put(tmp_path, {"1.jpg": picture()})
    for _ in range(500):
        (tmp_path / "1.xml").write_bytes(damaged(chance))
        try:
            found = read(tmp_path).items["source"].tolist()
        except UserError as mistake:
            refused += 1
            found = str(mistake)
        assert found == ["1.jpg"] or (found.startswith(f"{tmp_path}/1.xml: ") and len(found) <= 1000)
    assert 100 < refused < 500


@pytest.mark.slow
def test_bombs_and_depths_are_refused(tmp_path):
    bomb = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    for xml in (
        f'<!DOCTYPE lolz [<!ENTITY l0 "lol">{bomb}]><annotation>&l9;</annotation>',
        "<annotation>" + "<object>" * 100_000 + "</object>" * 100_000 + "</annotation>",
        "<object>" * 100_000,
    ):
        with pytest.raises(UserError, match=r"1\.xml: line 1: "):
            read(put(tmp_path, {"1.xml": xml, "1.jpg": picture()}))
