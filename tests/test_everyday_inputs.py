"""Inputs of the kinds that users of labeling tools report in public, each with its right ending: refused with words
that help, or read as it is meant, with what was put right and passed over.

A row is (how the input is made, how it ends). The letters are the kinds of faults:

    B boxes in another frame        C pictures that are not found      D what was there and not read
    E class names                   F numbers of classes               G other forms of manifests
    H sheets                        I what a picture looks like        K the same thing twice
    L several mistakes at once
"""

import json
from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from roundtruth.begin import begin
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.pictures import Pictures
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import boxed, classified, write_job, write_lines

SIDES = ["left", "top", "width", "height"]
BOX = [10, 12, 20, 16]  # left, top, width, height
SIZE = (64, 48)
CATS = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]

Make = Callable[[Path], dict]  # writes the input, and says what the job file says beyond the usual


# -- what the inputs are made of


def picture(path: Path, size: tuple[int, int] = SIZE, orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size, (90, 120, 60)).save(path, exif=exif)


def coco(
    *boxes,
    size=SIZE,
    stated=None,
    orientation=1,
    annotation=None,
    image=None,
    categories=CATS,
    names=("1.png",),
    **job,
) -> Make:
    """A COCO file of one picture with these boxes. `annotation` and `image` change the entries' fields; each name is
    one more entry for the picture."""

    def make(folder: Path) -> dict:
        picture(folder / "1.png", size, orientation)
        told = dict(zip(("width", "height"), stated)) if stated else {}
        images = [{"id": at, "file_name": name} | told | (image or {}) for at, name in enumerate(names, 1)]
        annotations = [
            {"id": at, "image_id": 1, "category_id": 1, "bbox": box, "iscrowd": 0} | (annotation or {})
            for at, box in enumerate(boxes, 1)
        ]
        value = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "data.json").write_text(json.dumps(value))
        return {"kind": "object-detection", "data": "data.json", "learner": "default", "classes": ["cat", "dog"]} | job

    return make


def manifest(*records: dict | str, at: str = "images/{}.png", data: str = "data.manifest", **job) -> Make:
    """A manifest with these lines, to which the first of each is given a picture unless it names one."""

    def make(folder: Path) -> dict:
        lines = []
        for number, record in enumerate(records, 1):
            picture(folder / f"images/{number}.png")
            source = {"source-ref": at.format(number)}
            lines.append(record if isinstance(record, str) else json.dumps(source | record))
        (folder / data).write_bytes("\n".join(lines).encode())
        return {"data": data, "classes": ["cat", "dog"]} | job

    return make


def listed(named: str, real: str, beside: tuple[str, ...] = (), **job) -> Make:
    """A list that names a picture, which is there under a name of its own; and others."""

    def make(folder: Path) -> dict:
        for name in (real, *beside):
            picture(folder / name)
        write_lines(folder / "data.manifest", [{"source-ref": name} for name in (named, *beside)])
        return {"data": "data.manifest", "classes": ["cat", "dog"]} | job

    return make


def folder_of(*names: str, texts: dict[str, str | bytes] | None = None, **job) -> Make:
    def make(folder: Path) -> dict:
        for name in names:
            picture(folder / "data" / name)
        for name, text in (texts or {}).items():
            (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "data" / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return {"data": "data", "classes": ["cat", "dog"]} | job

    return make


def sheet(text: str | bytes, **job) -> Make:
    def make(folder: Path) -> dict:
        for number in (1, 2):
            picture(folder / f"{number}.png")
        (folder / "data.csv").write_bytes(text.encode() if isinstance(text, str) else text)
        return {"data": "data.csv", "classes": ["cat", "dog"]} | job

    return make


def image(save: Callable[[Path], object], name: str = "1.png") -> Make:
    """One picture as it is saved, and a good one."""

    def make(folder: Path) -> dict:
        picture(folder / "data/good.png")
        save(folder / "data" / name)
        return {"data": "data", "classes": ["cat", "dog"]}

    return make


def yaml_classes(text: str) -> Make:
    """The classes as they are written in the job file."""

    def make(folder: Path) -> dict:
        picture(folder / "data/1.png")
        return {"data": "data", "classes": RAW, "raw": text}

    return make


RAW = "CLASSES"


def label(name: str, number: int = 0, **metadata) -> dict:
    record = classified("label", number, ["cat", "dog"])
    record["label-metadata"] |= {"class-name": name} | metadata
    return record


def drawn(*sides: float, **box) -> dict:
    return boxed("label", [dict(zip(SIDES, sides)) | {"class_id": 0} | box], (48, 64, 3), ["cat", "dog"])


def adjusted(record: dict) -> dict:
    metadata = record["label-metadata"] | {"adjustment-status": "adjusted"}
    return {"label-adjusted": record["label"], "label-adjusted-metadata": metadata}


SEGMENTED = {"type": "groundtruth/semantic-segmentation"}
DETECTION = {"kind": "object-detection", "learner": "default"}


# -- how they end


def refused(*words: str):
    def ends(found: Job | str) -> None:
        assert isinstance(found, str), "it was not refused"
        assert len(found) <= 1000
        assert "\n" not in found
        for some in words:
            assert some in found

    return ends


def read(
    items: int = 1,
    labeled: int = 0,
    failed: int = 0,
    told: tuple[str, ...] = (),
    boxes: list | None = None,
    classes: list[str] | None = None,
    labels: list[str] | None = None,
    seen: tuple | None = None,
):
    """told: parts of the lines about what was put right and passed over, a line each. seen: the colour of the first
    picture's first pixel."""

    def ends(found: Job | str) -> None:
        assert isinstance(found, Job), found
        summary = summarize(found)
        assert (summary["items"], summary["input"], summary["failed"]) == (items, labeled, failed)
        lines = [*summary["passed"], *(line for line in summary["notes"] if "missing or broken" not in line)]
        assert len(lines) == len(told), lines
        for line, part in zip(sorted(lines), sorted(told)):
            assert part in line
        if boxes is not None:
            np.testing.assert_allclose(found.input_labels()[SIDES].to_numpy(), boxes)
        if labels is not None:
            assert [found.spec.classes[number] for number in found.input_labels()["class_id"]] == labels
        if classes is not None:
            assert found.spec.classes == classes
        if seen is not None:
            some = found.items()
            pictures = Pictures(some.assign(url=found.urls(some)), found.ranges)
            assert tuple(pictures.read(0)[0, 0].tolist()) == seen

    return ends


NOT_FOUND = "1 of 1 picture is not there, the first: "
ROWS: dict[str, tuple[Make, Callable]] = {
    "B an exporter swaps width and height": (
        coco(BOX, stated=(48, 64)),
        refused("images[0]: the file says 48 x 64 pixels, the picture seen upright has 64 x 48"),
    ),
    "B a phone's picture turned to the left, boxes of the sensor": (
        coco([10, 12, 20, 16], size=(64, 48), stated=(64, 48), orientation=8, boxes={"size": "as-stated"}),
        read(labeled=1, boxes=[[12, 34, 16, 20]]),  # the sensor's right side is on top: 64 - 10 - 20
    ),
    "B pictures that were halved after they were labeled": (
        coco(BOX, stated=(128, 96)),
        refused("the file says 128 x 96 pixels", "0.5 times as large", "`boxes: {size: as-stated}`"),
    ),
    "B pictures that were halved, and sizes as a table's fractions": (
        coco(BOX, stated=(128.0, 96.0)),
        refused("the file says 128 x 96 pixels", "0.5 times as large"),
    ),
    "B pictures that were halved, and sizes as text": (
        manifest(boxed("label", [drawn(*BOX)["label"]["annotations"][0]], ("96", " 128.0", "3"), ["cat"]), **DETECTION),
        refused("the file says 128 x 96 pixels", "0.5 times as large"),
    ),
    "B pictures that were halved, and the key that says so": (
        coco([20, 24, 40, 32], stated=(128, 96), boxes={"size": "as-stated"}),
        read(labeled=1, boxes=[BOX]),
    ),
    "B per cent in place of pixels": (
        coco([10, 20, 30, 40], [50, 50, 45, 45], [1, 2, 3, 90], size=(1600, 1200)),
        refused("per cent of the picture's width and height", "`boxes: {unit: percent}`"),
    ),
    "B per cent, and the key that says so": (
        coco([10, 25, 50, 50], boxes={"unit": "percent"}),
        read(labeled=1, boxes=[[6.4, 12, 32, 24]]),
    ),
    "B corners in place of width and height": (
        coco([10, 12, 60, 40], [30, 30, 62, 46]),
        refused("seem to be left, top, right and bottom", "`boxes: {form: corners}`"),
    ),
    "B corners, and the key that says so": (
        coco([10, 12, 30, 28], boxes={"form": "corners"}),
        read(labeled=1, boxes=[BOX]),
    ),
    "B shares of a manifest's pictures": (
        manifest(drawn(0.1, 0.2, 0.5, 0.25), **DETECTION),
        refused("between 0 and 1", "`boxes: {unit: relative}`"),
    ),
    "B shares, and the key that says so": (
        manifest(drawn(0.125, 0.25, 0.5, 0.25), boxes={"unit": "relative"}, **DETECTION),
        read(labeled=1, boxes=[[8, 12, 32, 12]]),
    ),
    "B one box of shares among boxes in pixels": (
        coco(BOX, [0.2, 0.25, 0.5, 0.25], [1, 1, 1, 1]),
        refused("annotations[1]: field bbox: the box lies between 0 and 1", "`boxes: {unit: pixel}`"),
    ),
    "B a tiny box in pixels, and the key that says so": (
        coco(BOX, [0.2, 0.25, 0.5, 0.25], boxes={"unit": "pixel"}),
        read(labeled=1, boxes=[BOX, [0.2, 0.25, 0.5, 0.25]]),
    ),
    "B a box drawn a pixel over the edge": (
        coco([-1, 10, 20, 39]),
        read(labeled=1, boxes=[[0, 10, 19, 38]], told=("1 box that stuck out of its picture",)),
    ),
    "B a box of another picture": (
        coco([26, 51, 613, 308], size=(500, 332)),
        refused("annotations[0]", "left: the box reaches from 26 to 639, outside the picture, whose width is 500"),
    ),
    "B boxes that go from right to left": (
        coco([40, 20, -27, -17]),
        refused("annotations[0]: field bbox: the box has no area"),
    ),
    "B boxes that CVAT turned": (
        coco(BOX, BOX, annotation={"attributes": {"occluded": False, "rotation": 30.0}}),
        refused("annotations[0], annotations[1]: field attributes.rotation: the box is turned by 30 degrees"),
    ),
    "B boxes that CVAT did not turn": (
        coco(BOX, annotation={"attributes": {"occluded": False, "rotation": 0.0}}),
        read(labeled=1, boxes=[BOX]),
    ),
    "B numbers as text": (coco(["10", "12", "20", "16"]), refused("annotations[0]: field bbox: not [left, top, width")),
    "B an empty box without an outline": (
        coco([], [], BOX),
        refused("2 mistakes: annotations[0], annotations[1]: field bbox: not [left, top, width, height]"),
    ),
    "B an outline in place of a box": (
        coco(None, annotation={"segmentation": [[10, 12, 30, 12, 30, 28, 10, 28]]}),
        read(labeled=1, boxes=[BOX]),
    ),
    "B whole numbers with a fraction": (coco([10.0, 12.0, 20.0, 16.0]), read(labeled=1, boxes=[BOX])),
    "C the project's number in the path": (
        coco(names=["images\\1/90fbb0c7-a.png"]),
        refused(NOT_FOUND + "images\\1/90fbb0c7-a.png", "(looked for in ", "`pictures: FOLDER`"),
    ),
    "C a name that ends in a dot": (
        coco(names=["called."]),
        refused(NOT_FOUND + "called. (looked for in ", "); put the pictures there, or name their folder"),
    ),
    "C one name of many leads out of the folder of another machine": (
        coco(names=["1.png", "..\\label\\12.png"]),
        read(items=2, failed=1),
    ),
    "C a blank behind the name": (
        listed("images/0.png ", "images/0.png"),
        read(told=("1 picture was found under another name, without blanks around it",)),
    ),
    "C names as in a URL": (
        listed("images/Capture_d%27%C3%A9cran%201.png", "images/Capture_d'écran 1.png"),
        read(told=("1 picture was found under another name, without URL encoding",)),
    ),
    "C accents as a Mac writes them": (
        listed(normalize("NFC", "images/Möwe.png"), normalize("NFD", "images/Möwe.png")),
        read(told=("1 picture was found under another name, with decomposed accents",)),
    ),
    "C backslashes and accents at once": (
        listed(normalize("NFD", "images\\Möwe.png"), normalize("NFC", "images/Möwe.png")),
        read(told=("1 picture was found under another name, with / instead of \\ and composed accents",)),
    ),
    "C paths of a labeling server": (
        listed("/data/local-files/?d=images/0.png", "images/0.png"),
        refused(NOT_FOUND + "/data/local-files/?d=images/0.png"),
    ),
    "C pictures of the web": (
        listed("https://example.org/0.png", "0.png"),
        refused("line 1: source-ref: https://example.org/0.png: only local paths and s3:// are read"),
    ),
    "C an ending in capitals": (listed("images/0.JPG", "images/0.jpg"), refused(NOT_FOUND + "images/0.JPG")),
    "C pictures beside the folder of the annotations": (
        lambda folder: coco()(folder)
        | {"data": str((folder / "data.json").rename(made(folder / "annotations") / "instances_default.json"))},
        read(),
    ),
    "C a data.yaml of another machine": (
        folder_of(
            "images/train/1.png",
            texts={
                "labels/train/1.txt": "0 .5 .5 .25 .5\n",
                "data.yaml": "path: /set\ntrain: /set/images/train\nval: /set/images/val\nnames: [cat]\n",
            },
            **DETECTION,
        ),
        read(labeled=1, boxes=[[24, 12, 16, 24]], told=("1 part of the dataset without pictures (val)",)),
    ),
    "C a third of the pictures was not copied": (
        listed("images/9.png", "elsewhere.png", ("images/1.png", "images/2.png")),
        read(items=3, failed=1),
    ),
    "D what a Mac puts into an archive": (
        folder_of("a.png", texts={"__MACOSX/._a.png": b"\0\5\x16\7", "._a.png": b"\0\5\x16\7", ".DS_Store": "x"}),
        read(),
    ),
    "D documents among the pictures": (
        folder_of("a.png", texts={"read me.docx": "x", "list.xlsx": "x", "Thumbs.db": "x"}),
        read(told=("2 files",)),
    ),
    "D endings in capitals": (folder_of("a.PNG", "b.JPG", "c.Jpeg"), read(items=3)),
    "D a file of VOC as Windows writes text": (
        folder_of("1.png", texts={"1.xml": "<annotation>Möwe</annotation>".encode("cp1252")}, **DETECTION),
        refused("1.xml: line 1: not XML: ", "save the file as UTF-8"),
    ),
    "D label files in capitals": (
        folder_of("A.JPG", texts={"A.TXT": "1 .5 .5 .25 .5\n", "classes.txt": "cat\ndog\n"}, **DETECTION),
        read(labeled=1, labels=["dog"], boxes=[[24, 12, 16, 24]]),
    ),
    "D crowds as run lengths": (
        coco(BOX, annotation={"iscrowd": 1, "segmentation": {"counts": [1, 2], "size": [48, 64]}}),
        read(told=("1 annotation of a crowd",)),
    ),
    "D labels of YOLO without names": (
        folder_of("a.png", texts={"a.txt": "0 0.5 0.5 0.2 0.2\n"}, **DETECTION),
        read(told=("1 label file of boxes (YOLO) without the names of the classes",)),
    ),
    "D boxes in a job about classes": (
        folder_of("a.png", texts={"a.txt": "0 0.5 0.5 0.2 0.2\n", "classes.txt": "cat\n"}),
        read(told=("1 label file of boxes (YOLO), which a job of image", "1 file that is no picture (.txt)")),
    ),
    "D pictures in a folder for each class": (
        folder_of("cat/1.png", "dog/2.png", "more/3.png"),
        read(items=3, told=("2 pictures in folders with the names of classes; `labels: folders`",)),
    ),
    "D a folder for each class, and the key that says so": (
        folder_of("cat/1.png", "dog/2.png", "more/3.png", labels="folders"),
        read(items=3, labeled=2, labels=["cat", "dog"], told=("1 folder that no class is named after (more)",)),
    ),
    "D folders with the names of classes in capitals": (
        folder_of("Cat/1.png", "DOG/2.png", labels="folders"),
        refused("2 mistakes: Cat: a folder that is named like the class cat", "DOG: a folder that is named like the"),
    ),
    "D a label of another kind": (
        manifest(label("cat", type="groundtruth/text-classification")),
        refused("line 1: field label-metadata: type is 'groundtruth/text-classification'"),
    ),
    "D labels of other kinds": (
        manifest(classified("tag", 0, ["cat"]) | {"seg-ref": "1.png", "seg-ref-metadata": SEGMENTED}, **DETECTION),
        read(
            told=(
                "1 label of another kind (groundtruth/image-classification) in the field tag",
                "1 label of another kind (groundtruth/semantic-segmentation) in the field seg-ref",
            )
        ),
    ),
    "D a label that an adjustment job wrote": (
        manifest(drawn(*BOX) | adjusted(drawn(1, 2, 9, 9)), **DETECTION),
        read(labeled=1, boxes=[BOX], told=("1 label that an adjustment job wrote in the field label-adjusted;",)),
    ),
    "E what YAML takes for something else": (
        yaml_classes("[NO, off, 1e3, 0x1F, 1_000, ~, 2020-01-01, .inf, 0o7, +1]"),
        read(classes=["NO", "off", "1e3", "0x1F", "1_000", "~", "2020-01-01", ".inf", "0o7", "+1"]),
    ),
    "E what YAML cannot make anything of": (
        yaml_classes("[2020-13-45, <<, =, !!int x, 99:99:99]"),
        read(classes=["2020-13-45", "<<", "=", "x", "99:99:99"]),
    ),
    "E no class at all": (yaml_classes(""), refused("line 4: classes: ")),
    "E a class that is a list": (yaml_classes("[cat, [dog, wolf]]"), refused("line 4: classes.1: ")),
    "E two classes that differ by a blank": (yaml_classes('[cat, "cat "]'), refused("class cat is there twice")),
    "E a blank that does not break": (
        coco(BOX, categories=[{"id": 1, "name": "cat\u00a0"}]),
        read(labeled=1, labels=["cat"]),
    ),
    "E other capitals": (
        coco(BOX, categories=[{"id": 1, "name": "Cat"}]),
        refused("annotations[0]: field category_id: 'Cat' is not one of the job's classes (cat, dog)"),
    ),
    "E accents of another program": (
        coco(BOX, categories=[{"id": 1, "name": normalize("NFD", "étoile")}], classes=["étoile"]),
        read(labeled=1, labels=["étoile"]),
    ),
    "F numbers of a database": (
        coco(BOX, categories=[{"id": 9007199254740993, "name": "dog"}], annotation={"category_id": 9007199254740993}),
        read(labeled=1, labels=["dog"]),
    ),
    "F a background that nobody uses": (
        coco(BOX, categories=[{"id": 0, "name": "background"}, *CATS]),
        read(labeled=1, labels=["cat"]),
    ),
    "F two numbers of one name": (
        coco(BOX, categories=[*CATS, {"id": 3, "name": "cat"}], annotation={"category_id": 3}),
        read(labeled=1, labels=["cat"]),
    ),
    "F numbers that a table turned into fractions": (
        coco(BOX, annotation={"image_id": 1.0, "category_id": 2.0, "iscrowd": 0.0}),
        read(labeled=1, labels=["dog"]),
    ),
    "F a number that is half of one": (
        coco(BOX, annotation={"category_id": 1.5}),
        refused("annotations[0]: field category_id: cannot be 1.5"),
    ),
    "F a picture's number as text": (
        coco(BOX, BOX, annotation={"image_id": "1"}),
        refused("2 mistakes: annotations[0], annotations[1]: field image_id: '1' is the id of no image"),
    ),
    "F classes numbered by somebody else": (
        manifest(label("dog", 0), label("cat", 1)),
        read(items=2, labeled=2, labels=["dog", "cat"], told=("2 labels had other class numbers than the job",)),
    ),
    "F a class that a table turned into a fraction": (
        manifest(label("dog") | {"label": 1.0}),
        read(labeled=1, labels=["dog"], told=("1 label had other class numbers than the job",)),
    ),
    "F a box's class as a fraction": (
        manifest(drawn(*BOX, class_id=1.0), **DETECTION),
        read(labeled=1, boxes=[BOX], labels=["dog"], told=("1 label had other class numbers than the job",)),
    ),
    "G lines that failed": (
        manifest({}, {"label-metadata": {"failure-reason": "ClientError: expired", "type": "x"}}, label("cat")),
        read(items=3, labeled=1, told=("1 line that an earlier job failed to label",)),
    ),
    "G null for a label": (
        manifest({"label": None, "label-metadata": None}, label("cat")),
        read(items=2, labeled=1, told=("1 line that an earlier job failed to label",)),
    ),
    "G null for a confidence": (manifest(label("cat", confidence=None)), read(labeled=1, labels=["cat"])),
    "G null for a score": (coco(BOX, annotation={"score": None}), read(labeled=1, boxes=[BOX])),
    "G a COCO file as Windows writes text": (
        lambda folder: coco(BOX, categories=[{"id": 1, "name": "Möwe"}])(folder)
        | {"data": in_windows_1252(folder / "data.json")},
        refused("data.json: line 1: not UTF-8 (", "save the file as UTF-8"),
    ),
    "G numbers of classes as text": (
        manifest(drawn(*BOX, class_id="0"), **DETECTION),
        read(labeled=1, boxes=[BOX], labels=["cat"]),
    ),
    "G a truth that lacks a line, and has a class that nobody knows": (
        lambda folder: manifest({}, {}, {})(folder)
        | {"workforce": {"backend": "simulated", "truth": truth_of(folder, {1: label("wolf"), 3: label("cat")})}},
        refused("2 mistakes: line 1: source-ref: no line is about images/2.png", "'wolf' is not one of the job's"),
    ),
    "G a truth with null for a label": (
        lambda folder: manifest({}, {})(folder)
        | {"workforce": {"backend": "simulated", "truth": truth_of(folder, {1: label("cat"), 2: {"label": None}})}},
        refused("truth.manifest: line 2: field label: missing"),
    ),
    "G recorded answers of a class that nobody knows": (
        lambda folder: manifest({}, {})(folder)
        | {"workforce": {"backend": "simulated", "answers": recorded(folder, "1,ann,wolf\n2,ann,cat\n2,bob,\n")}},
        refused("2 mistakes: line 2: field label: 'wolf' is not one of", "line 4: field label: empty; name one of"),
    ),
    "G a BOM and lines that end as Windows ends them": (
        manifest('\ufeff{"source-ref": "images/1.png"}\r', '{"source-ref": "images/2.png"}\r', "\r", ""),
        read(items=2),
    ),
    "G a list in place of lines": (
        manifest('[{"source-ref": "images/1.png"},', ' {"source-ref": "images/2.png"}]', data="data.json"),
        refused("neither a COCO file, which has images, nor a manifest, whose lines have a source-ref"),
    ),
    "G a comma too many": (
        manifest('{"source-ref": "images/1.png",}', '{"source-ref": "images/2.png"},'),
        refused("2 mistakes: line 1: not JSON", "line 2: not JSON"),
    ),
    "G single quotation marks": (manifest("{'source-ref': 'images/1.png'}"), refused("line 1: not JSON (")),
    "G a number that is none": (
        manifest(json.dumps({"source-ref": "images/1.png"} | label("cat", confidence=float("nan")))),
        refused("line 1: NaN is no number in JSON"),
    ),
    "G two items on a line": (
        manifest('{"source-ref": "images/1.png"}{"source-ref": "images/2.png"}'),
        refused("line 1: not JSON (Extra data at column 31)"),
    ),
    "H semicolons, a BOM and names in capitals": (
        sheet("\ufeffSource;Label\r\n1.png;cat\r\n2.png;\r\n;\r\n"),
        read(items=2, labeled=1, labels=["cat"]),
    ),
    "H decimal commas": (
        sheet("sep=;\nsource;class;left;top;width;height\n1.png;cat;10,5;12;20;16,25\n", **DETECTION),
        read(labeled=1, boxes=[[10.5, 12, 20, 16.25]]),
    ),
    "H Unicode text of a spreadsheet": (
        sheet("source\tlabel\n1.png\tdog\n".encode("utf-16")),
        read(labeled=1, labels=["dog"]),
    ),
    "H Windows' own letters": (
        sheet("source,label\n1.png,Ä\n".encode("cp1252"), classes=["Ä", "b"]),
        read(labeled=1, labels=["Ä"]),
    ),
    "H a column more, and one misspelt": (sheet("source,lable,note\n1.png,cat,x\n"), refused("do you mean label?")),
    "I a print's four colours": (image(lambda path: Image.new("CMYK", SIZE).save(path), "1.jpg"), read(items=2)),
    "I a clear colour of a palette": (
        image(lambda path: clear_palette().save(path, transparency=0)),
        read(items=2, seen=(255, 255, 255)),
    ),
    "I one bit a pixel": (image(lambda path: Image.new("1", SIZE, 1).save(path)), read(items=2, seen=(255,) * 3)),
    "I a page of the web in place of a picture": (
        image(lambda path: path.write_text("<!DOCTYPE html><title>404 Not Found</title>"), "1.jpg"),
        read(items=2, failed=1),
    ),
    "I a pointer in place of a picture": (
        image(lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n")),
        read(items=2, failed=1),
    ),
    "I a history of five megabytes in a picture": (image(lambda path: with_text(path, 5_000_000)), read(items=2)),
    "I a download of no bytes": (image(lambda path: path.write_bytes(b"")), read(items=2, failed=1)),
    "K one picture under two numbers": (
        coco(names=["1.png", "1.png"]),
        refused("images[1]: field file_name: '1.png' is images[0] already"),
    ),
    "K two slashes": (
        manifest({"source-ref": "images/1.png"}, {"source-ref": "images//1.png"}),
        refused("line 2: source-ref: images//1.png is on line 1 already as images/1.png; take one out"),
    ),
    "K a box that was saved three times": (
        coco(BOX, BOX, BOX),
        read(labeled=1, boxes=[BOX], told=("2 boxes that were there twice were taken once",)),
    ),
    "L twelve annotations without a category": (
        coco(*[BOX] * 12, annotation={"category_id": None}),
        refused("12 mistakes: annotations[0], annotations[1]", "and 2 more"),
    ),
    "L two classes that nobody knows": (
        manifest(label("wolf"), label("cat"), label("fox")),
        refused("2 mistakes: line 1", "line 3", "'wolf' is not one of the job's classes", "'fox' is not one of"),
    ),
}  # fmt: skip


def truth_of(folder: Path, labels: dict[int, dict]) -> str:
    lines = [{"source-ref": f"images/{number}.png"} | record for number, record in labels.items()]
    write_lines(folder / "truth.manifest", lines)
    return "truth.manifest"


def recorded(folder: Path, rows: str) -> str:
    (folder / "answers.csv").write_text("item,worker,label\n" + rows)
    return "answers.csv"


def in_windows_1252(path: Path) -> str:
    path.write_text(json.dumps(json.loads(path.read_text()), ensure_ascii=False), "cp1252")
    return path.name


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def with_text(path: Path, size: int) -> None:
    text = PngInfo()
    text.add_text("history", "x" * size, zip=True)
    Image.new("RGB", SIZE).save(path, pnginfo=text)


def clear_palette() -> Image.Image:
    """A black thing on black that is clear."""
    picture = Image.new("P", SIZE, 0)
    picture.putpalette([0, 0, 0, 0, 0, 0])
    picture.paste(1, (20, 20, 40, 40))
    return picture


@pytest.mark.parametrize("row", ROWS)
def test_it_ends_as_it_should(row, tmp_path):
    make, ends = ROWS[row]
    given = {"workforce": {"backend": "files", "answers_per_item": 1}} | make(tmp_path)
    raw = given.pop("raw", None)
    path = write_job(tmp_path, **given)
    if raw is not None:
        path.write_text(path.read_text().replace(RAW, raw))
    try:
        found = begin(JobSpec.from_file(path))
    except UserError as mistake:
        found = str(mistake)
        assert not (tmp_path / "job/job.json").exists()
    ends(found)
