import io

import pytest
from PIL import Image

from roundtruth import formats, kinds
from roundtruth.begin import begin
from roundtruth.errors import UserError
from roundtruth.formats import folder
from roundtruth.report import outlook
from roundtruth.spec import JobSpec
from roundtruth.storage import write_url
from roundtruth.summary import summarize
from roundtruth.terminal import print_summary
from tests.jobs import lines_of, read_dataset, read_records

pytest_plugins = ["tests.s3"]

CLASSES = ["cat", "dog", "caf\u00e9"]
XML = "<annotation><object><name>{}</name><bndbox><xmin>2</xmin><ymin>2</ymin><xmax>{}</xmax><ymax>9</ymax></bndbox></object></annotation>"  # noqa: E501 (one line, as a line of the file)


def picture(shade: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("L", (20, 10), shade).save(file, "PNG")
    return file.getvalue()


def put(place, files) -> str:
    """Files by name; a picture where there are only names."""
    contents = files if isinstance(files, dict) else {name: picture(shade) for shade, name in enumerate(files)}
    for name, content in contents.items():
        with write_url(f"{place}/{name}") as file:
            file.write(content.encode() if isinstance(content, str) else content)
    return str(place)


def read(place, kind: str = "image-classification", labels: str | None = None) -> formats.Shard:
    return next(formats.read(str(place), kinds.get(kind), CLASSES, "label", labels))


def classes_of(shard: formats.Shard) -> dict[str, str]:
    sources = shard.items["source"]
    return {sources[item - 1]: CLASSES[number] for item, number in zip(shard.labels["item"], shard.labels["class_id"])}


@pytest.fixture(params=["local", "s3"])
def place(request, tmp_path) -> str:
    return str(tmp_path / "data") if request.param == "local" else request.getfixturevalue("s3").url + "/data"


def spec(place, tmp_path, kind: str = "image-classification", **changed) -> JobSpec:
    job = {"name": "a", "kind": kind, "data": str(place), "classes": CLASSES, "output": f"{tmp_path}/job"}
    return JobSpec.model_validate(job | {"workforce": {"backend": "files"}} | changed)


# --- Class folders ---


def test_folders_are_labels_only_if_the_job_says_so(place):
    put(place, ["cat/1.png", "cat/old/2.png", "train/dog/1.png", "cafe\u0301/1.png", "new/1.png", "1.png"])
    told = "4 pictures in folders with the names of classes; `labels: folders` in the job file uses these as labels"
    assert len(read(place).labels) == 0
    assert lines_of(read(place).passed) == [told]
    shard = read(place, labels="folders")
    assert classes_of(shard) == {
        "cat/1.png": "cat", "cat/old/2.png": "cat", "train/dog/1.png": "dog", "cafe\u0301/1.png": "caf\u00e9",
    }  # fmt: skip
    assert lines_of(shard.passed) == ["1 folder that no class is named after (new): its pictures have no label"]
    assert shard.note == "class folders: 4 of 6 pictures are in one"
    assert len(read(place, labels="none").labels) == 0


def test_folders_are_named_as_classes_are_written(tmp_path):
    put(tmp_path, ["010/1.png", "1.10/1.png", "null/1.png", "10/1.png"])
    shard = read_dataset(str(tmp_path), "image-classification", ["010", "1.10", "null"], labels="folders").shards[0]
    sources = shard.items["source"]
    assert {sources[item - 1]: number for item, number in zip(shard.labels["item"], shard.labels["class_id"])} == {
        "010/1.png": 0, "1.10/1.png": 1, "null/1.png": 2,
    }  # fmt: skip
    assert lines_of(shard.passed) == ["1 folder that no class is named after (10): its pictures have no label"]


def test_the_records_are_those_of_the_labels(tmp_path):
    put(tmp_path, ["cat/1.png", "new/1.png"])
    records = read_records(str(tmp_path), "image-classification", CLASSES, labels="folders")
    assert records[0]["label-metadata"]["class-name"] == "cat"
    assert records[1] == {"source-ref": "new/1.png"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cat/dog/1.png"], "cat/dog: a folder of two classes; move its pictures"),
        (["cat/1.png", "Dog/1.png"], "Dog: a folder that is named like the class dog but for capitals"),
        (["kitten/1.png", "2.png"], "no folder in it has the name of a class; folders of pictures are: kitten"),
        (["1.png"], "no folder in it has the name of a class; folders of pictures are: none"),
    ],
)
def test_folders_that_need_a_guess_are_refused(tmp_path, names, message):
    put(tmp_path, names)
    with pytest.raises(UserError, match=f"^{tmp_path}: {message}"):
        read(tmp_path, labels="folders")


def test_folders_are_no_labels_of_boxes(place, tmp_path):
    put(place, ["cat/1.png"])
    assert read(place, "object-detection").passed == ()


# --- Masks ---


@pytest.mark.parametrize(
    ("pictures", "masks"),
    [
        (["images/1.jpg", "images/a/2.jpg"], ["masks/1.png", "masks/a/2.png"]),
        (["1.jpg", "2.jpg"], ["mask/1.png", "SegmentationClass/1.png", "SegmentationObject/2.png"]),
        (["train/images/1.png"], ["train/labels/1.png", "train/Annotations/1.bmp"]),
        (["1.jpg"], ["1_mask.png"]),
        (["masks/1.png", "masks/2.png"], []),  # masks alone are what is to be labeled
        (["images/1.png", "masks/2.png"], []),
        (["images/1.jpg", "labels/1.jpg"], []),  # no mask is stored as a JPEG
        (["1_mask.png", "2.png"], []),
    ],
)
def test_masks_of_pictures_are_no_pictures(tmp_path, pictures, masks):
    put(tmp_path, pictures + masks)
    shard = read(tmp_path)
    assert sorted(shard.items["source"]) == sorted(pictures)
    told = "masks, which stand beside pictures of the same names and which no kind of label uses"
    if len(masks) == 1:
        told = "mask, which stands beside a picture of the same name and which no kind of label uses"
    assert lines_of(shard.passed) == ([f"{len(masks)} {told}"] if masks else [])


# --- Label files beside pictures ---


def test_boxes_count_in_a_job_about_boxes_only(place):
    put(place, {"1.png": picture(), "2.png": picture(1), "1.xml": XML.format("cat", 8), "notes.md": "x"})
    shard = read(place, "object-detection")
    assert classes_of(shard) == {"1.png": "cat"}
    assert lines_of(shard.passed) == ["1 file that is no picture (.md)"]
    told = "1 label file of boxes (VOC), which a job of image-classification does not use"
    assert lines_of(read(place).passed) == [told, "1 file that is no picture (.md)"]
    told = "1 label file of boxes (VOC); `labels: voc` in the job file uses it"
    unlabeled = read(place, "object-detection", "none")
    assert len(unlabeled.labels) == 0
    assert lines_of(unlabeled.passed) == [told, "1 file that is no picture (.md)"]


def test_yolo_needs_the_names_of_its_classes(tmp_path):
    put(tmp_path, {"1.png": picture(), "1.txt": "0 .5 .5 .5 .5\n"})
    told = "1 label file of boxes (YOLO) without the names of the classes; a classes.txt with a name on each line"
    assert lines_of(read(tmp_path, "object-detection").passed) == [f"{told} makes it usable"]
    with pytest.raises(UserError, match=r"no names of the classes for YOLO's numbers; add a classes\.txt"):
        read(tmp_path, "object-detection", "yolo")
    put(tmp_path, {"classes.txt": "dog\n"})
    assert classes_of(read(tmp_path, "object-detection")) == {"1.png": "dog"}
    assert lines_of(read(tmp_path).passed)[0] == (
        "1 label file of boxes (YOLO), which a job of image-classification does not use"
    )


def test_texts_about_pictures_are_no_labels(tmp_path):
    put(tmp_path, {"1.png": picture(), "1.txt": "a cat on a mat\n", "2.png": picture(1), "2.txt": ""})
    assert lines_of(read(tmp_path, "object-detection").passed) == ["2 files that are no pictures (.txt)"]


def test_other_xml_files_are_no_labels(tmp_path):
    put(
        tmp_path,
        {"images/1.png": picture(), "annotations.xml": "<annotations/>", "a.xml": "<", "1.png.aux.xml": "<P/>"},
    )
    assert lines_of(read(tmp_path, "object-detection").passed) == ["3 files that are no pictures (.xml)"]
    with pytest.raises(UserError, match=f"^{tmp_path}: holds no labels of VOC, as labels: voc says it does"):
        read(tmp_path, "object-detection", "voc")


def test_files_that_may_have_labels_are_named(place):
    put(
        place, {"1.png": picture(), "_annotations.coco.json": "{}", "a.csv": "", "a.md": "", "b.md": "", "job.yaml": ""}
    )
    told = (
        "2 files that may have labels (_annotations.coco.json, a.csv); `data: FILE` in the job file reads one of them, "
        "if it is COCO's, a manifest or a CSV"
    )
    assert lines_of(read(place).passed) == [told, "2 files that are no pictures (.md)"]


def test_labels_of_two_formats_need_the_key(tmp_path):
    put(tmp_path, {"1.png": picture(), "1.xml": XML.format("cat", 8), "1.txt": "0 .5 .5 .5 .5", "classes.txt": "dog"})
    both = r"holds labels of VOC \(1\.xml\) and of YOLO \(1\.txt\); write labels: voc or labels: yolo into the job file"
    with pytest.raises(UserError, match=both):
        read(tmp_path, "object-detection")
    assert classes_of(read(tmp_path, "object-detection", "voc")) == {"1.png": "cat"}
    shard = read(tmp_path, "object-detection", "yolo")
    assert classes_of(shard) == {"1.png": "dog"}
    assert lines_of(shard.passed) == ["1 label file of boxes (VOC); `labels: voc` in the job file uses it"]


# --- Jobs ---


def test_a_job_says_as_what_a_folder_was_read(tmp_path, capsys):
    put(tmp_path / "data", {"1.png": picture(), "2.png": picture(1), "1.xml": XML.format("cat", 8)})
    job = begin(spec(tmp_path / "data", tmp_path, "object-detection"))
    summary = summarize(job)
    assert (summary["input"], summary["note"]) == (1, "Pascal VOC: 1 of 2 pictures have an XML file")
    assert ("Read as", summary["note"]) in list(outlook.read(job, summary))
    print_summary(job, summary)
    assert "Read as Pascal VOC: 1 of 2 pictures have an XML file." in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("form", ["voc", "yolo", "data.yaml"])
def test_a_changed_label_file_is_a_dataset_that_changed(place, tmp_path, form):
    files = {"1.png": picture(), "2.png": picture(1)}
    file, one, other = "1.xml", XML.format("cat", 8), XML.format("cat", 9)
    if form != "voc":
        file, one, other = "1.txt", "0 .5 .5 .5 .5", "0 .5 .5 .5 .6"
        files["data.yaml"] = "train: .\nnames: [cat]\n"
    put(place, files | {file: one})
    job = spec(place if form != "data.yaml" else f"{place}/data.yaml", tmp_path, "object-detection")
    begin(job)
    begin(job)
    put(place, {file: other})
    with pytest.raises(UserError, match=r"^data: .* changed since the job began"):
        begin(job)
    put(place, {file: one})
    begin(job)
    put(place, {"3.png": picture(2)})
    with pytest.raises(UserError, match=r"^data: .* changed since the job began"):
        begin(job)


def test_a_moved_dataset_is_the_same(tmp_path, s3):
    """Even from a disk to S3, which knows the checksums of its objects."""
    files = {"1.png": picture(), "1.xml": XML.format("cat", 8)}
    kind = kinds.get("object-detection")
    there = [folder.content(put(place, files), kind, None) for place in (f"{tmp_path}/a", f"{s3.url}/b/c")]
    assert there[0] == there[1]


def test_the_key_labels(place, tmp_path):
    put(place, ["cat/1.png", "cat/2.png"])
    job = begin(spec(place, tmp_path, labels="folders"))
    assert summarize(job)["input"] == 2
    with pytest.raises(UserError, match=r"^labels: the job in .* has 'folders', the job file says None"):
        begin(spec(place, tmp_path))


@pytest.mark.parametrize(
    ("kind", "labels", "message"),
    [
        ("image-classification", "voc", "voc gives boxes, no labels of image-classification; take it out"),
        ("image-classification", "yolo", "yolo gives boxes"),
        ("object-detection", "folders", "folders gives a class for each picture, no labels of object-detection"),
        ("object-detection", "xml", "Input should be 'voc', 'yolo', 'folders' or 'none'"),
    ],
)
def test_labels_that_the_kind_does_not_have(tmp_path, kind, labels, message):
    with pytest.raises(ValueError, match=message):
        spec(tmp_path, tmp_path, kind, labels=labels)


def test_a_file_has_no_other_labels(tmp_path):
    put(tmp_path, {"a.csv": "source\n1.png\n"})
    with pytest.raises(UserError, match=r"a\.csv: no folder; the key labels says which labels of a folder count"):
        read(tmp_path / "a.csv", labels="none")
