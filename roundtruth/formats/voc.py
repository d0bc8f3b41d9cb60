"""Pascal VOC: an XML file for each picture, with its size and a box (xmin, ymin, xmax, ymax) around each object.

http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html

Corners are read and written as most tools do today (LabelImg, CVAT, torchvision): they are points in the picture, from
0, and a box is xmax - xmin wide. In the files of the VOC challenges corners are pixels, counted from 1, and belong to
the box; these files say so in source/annotation (PASCAL VOC2007).
"""

import math
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from xml.parsers import expat
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd

from roundtruth.boxes import SIDES
from roundtruth.errors import UserError
from roundtruth.formats import Shard, listing, records
from roundtruth.formats.label_files import LabelFiles, number, refuse_same
from roundtruth.kinds import Kind, common
from roundtruth.settings import Boxes
from roundtruth.storage import read_all, write_all

NAME = "voc"
HELP = "pictures with Pascal VOC's XML files, in a job about boxes"
TITLE = "VOC"
ENDINGS = ()
LABELS = (".xml",)  # what its label files end in
CORNERS = ("xmin", "ymin", "xmax", "ymax")
ORIGINAL = "PASCAL VOC"  # how source/annotation begins in the files of the VOC challenges
PEEK = 10  # files that are looked into to recognise a format
UNKNOWN = ("0", "", "none", "unknown")  # what tools write where they do not know the size of a picture


def label_files(path: str, names: Sequence[str]) -> list[str]:
    """The XML files of a folder, where they are VOC's: one of the first few is, or none of them is whole although they
    belong to pictures or are in a folder Annotations."""
    xmls = listing.ending_in(names, LABELS)
    if not xmls:
        return []
    pictures = listing.ending_in(names, listing.PICTURES)
    known, own = (listing.keys(pd.Series(some, dtype="str")) for some in (pictures, xmls))
    likely = own.isin(known) | pd.Series(xmls, dtype="str").str.contains(r"(?i)(?:^|/)annotations/", regex=True)
    first = likely.sort_values(ascending=False, kind="stable").index[:PEEK]
    roots = {root(data) for data in read_all([f"{path.rstrip('/')}/{xmls[at]}" for at in first])}
    return xmls if "annotation" in roots or (roots == {""} and likely.any()) else []


def read_folder(
    path: str, names: Sequence[str], kind: Kind, classes: list[str], passed: listing.Passed = ()
) -> Iterator[Shard]:
    """All pictures in the folder, sorted by name. Those with an XML file are labeled: without objects, there is nothing
    on them. Raises UserError naming file, line and field."""
    path = path.rstrip("/")
    pictures, masks = listing.pictures(path, names)
    found = Annotations(path, pictures, listing.ending_in(names, LABELS))
    labels = found.boxes.labels(classes)
    lists = [name for name in names if "/ImageSets/" in f"/{name}"]
    of_parts = listing.nonzero((len(lists), "list[|s] of parts of the dataset (ImageSets): all pictures are read"))
    rest = set(names) - set(found.boxes.files) - set(lists)
    passed = (*passed, *found.passed(), *masks, *of_parts, *listing.others(sorted(rest)))
    note = f"Pascal VOC: {len(found.stated)} of {len(pictures)} pictures have an XML file"
    return records.shards(
        pictures, found.sizes(), labels, kind, found.item_at, found.boxes.label_at, passed, note, Boxes(form="size")
    )


def write(path: str, items: pd.DataFrame, labels: pd.DataFrame, kind: Kind, classes: list[str]) -> None:
    """Write a folder: Annotations/ with an XML file for each labeled item, named like its picture, and the list of all,
    ImageSets/Main/trainval.txt. Pictures are not copied. Raises UserError where two would have one file."""
    records.refuse_no_boxes(NAME, kind)
    table = labels.sort_values("item", kind="stable")
    givers = table.groupby("item")["source"].first()
    images = items[items["item"].isin(givers.index)]
    stems = own_names(images["source"])
    refuse_unwritable([*images["source"], *(classes[number] for number in set(table["class_id"]) if number >= 0)])
    drawn = objects(table[table["class_id"] >= 0], classes)
    of_item = drawn.groupby(level=0).agg("".join).reindex(images["item"], fill_value="")
    texts = [
        document(*row)
        for row in zip(
            images["source"], images["width"], images["height"], images["depth"], givers[images["item"]], of_item
        )
    ]
    files = [(f"Annotations/{stem}.xml", text.encode()) for stem, text in zip(stems, texts)]
    list_of_all = "".join(f"{stem}\n" for stem in stems).encode()
    write_all(path, [*files, ("ImageSets/Main/trainval.txt", list_of_all)])


# -- reading


class Element:
    """An element of an XML file."""

    __slots__ = ("children", "line", "parts", "tag")

    def __init__(self, tag: str, line: int):
        self.tag, self.line, self.parts, self.children = tag, line, [], []

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()

    def all(self, tag: str) -> list["Element"]:
        return [child for child in self.children if child.tag == tag]

    def one(self, tag: str) -> "Element | None":
        found = self.all(tag)
        if len(found) > 1:
            raise UserError(f"line {found[1].line}: field {tag}: there twice; take one out")
        return found[0] if found else None

    def word(self, tag: str) -> str:
        """The text of a child; empty if it is not there."""
        found = self.one(tag)
        return found.text if found else ""

    def number(self, tag: str) -> float:
        found = self.one(tag)
        if found is None:
            raise UserError(f"line {self.line}: field {tag}: missing in {self.tag}")
        value = number(found.text)
        if math.isnan(value):
            raise UserError(f"line {found.line}: field {tag}: {found.text[:40]!r} is no number")
        return value


def parse(data: bytes) -> Element:
    """The root of an XML file. Raises UserError, which begins with the line, for a file that is damaged or has a DTD:
    its entities could make a small file fill the memory."""
    reader, path = expat.ParserCreate(), [Element("", 1)]
    reader.buffer_text = True

    def start(tag: str, attributes: dict) -> None:
        path.append(Element(tag, reader.CurrentLineNumber))
        path[-2].children.append(path[-1])

    def doctype(*_) -> None:
        raise UserError(f"line {reader.CurrentLineNumber}: has a DTD (<!DOCTYPE>), which is not read; take it out")

    reader.StartElementHandler = start
    reader.CharacterDataHandler = lambda text: path[-1].parts.append(text)
    reader.EndElementHandler = lambda tag: path.pop()
    reader.StartDoctypeDeclHandler = doctype
    try:
        reader.Parse(data, True)
    except expat.ExpatError as error:
        hint = "" if declares(data) or is_utf8(data) else "; the text is not UTF-8: save the file as UTF-8"
        raise UserError(f"line {error.lineno}: not XML: {expat.ErrorString(error.code)}{hint}") from None
    except (ValueError, LookupError) as error:  # an encoding that Python does not have, or not for XML
        raise UserError(f"line 1: not XML that can be read: {error}; save the file as UTF-8") from None
    return path[0].children[0]


def declares(data: bytes) -> bool:
    """Whether an XML file says in which encoding it is."""
    return b"encoding" in data[:200].partition(b"?>")[0]


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def root(data: bytes) -> str:
    """The tag of an XML file's root; empty for a file that is damaged."""
    try:
        return parse(data).tag
    except UserError:
        return ""


class Annotations:
    """All XML files of a folder, read once."""

    def __init__(self, path: str, pictures: Sequence[str], xmls: Sequence[str]):
        self.path, self.pictures = path, pictures
        self.boxes = LabelFiles(path, xmls, "name")
        self.places = Places(pictures, xmls)
        self.stated: dict[int, tuple[int, int]] = {}  # item: width and height, 0 where the file does not say
        self.file_of: dict[int, int] = {}  # item: its file
        self.other = self.without_picture = self.parts = 0
        for file, data in self.boxes.read():
            with self.boxes.collecting(file):
                self.read(file, data)

    def item_at(self, item: int) -> str:
        if item in self.file_of:
            return f"{self.boxes.url(self.file_of[item])}: line 1"
        return f"{self.path}: {self.pictures[item - 1]}"

    def read(self, file: int, data: bytes) -> None:
        annotation = parse(data)
        if annotation.tag != "annotation":
            self.other += 1
            return
        item = self.places.find(file, annotation)
        if item == 0:
            self.without_picture += 1
            return
        before = self.file_of.setdefault(item, file)
        if before != file:
            raise UserError(f"line 1: {self.pictures[item - 1]} has its labels in {self.boxes.files[before]} already")
        self.stated[item] = size(annotation)
        about, objects = annotation.one("source"), annotation.all("object")
        given = about.word("annotation") if about else ""
        first, source = int(given.startswith(ORIGINAL)), records.giver(given)
        for thing in objects:
            self.parts += len(thing.all("part"))
            with self.boxes.collecting(file):
                self.boxes.add(file, thing.line, item, *labeled(thing, first), source)
        if not objects:
            self.boxes.add_nothing(file, annotation.line, item, source)

    def sizes(self) -> pd.DataFrame:
        """(item, width, height) as the files state them, sorted by item."""
        table = pd.DataFrame.from_dict(self.stated, orient="index", columns=["width", "height"], dtype="int64")
        return table.rename_axis("item").sort_index().reset_index()

    def passed(self) -> listing.Passed:
        return listing.nonzero(
            (self.without_picture, "XML file[|s] of VOC without a picture"),
            (self.other, "XML file[|s] that [is|are] not VOC's"),
            (self.parts, "part[|s] of objects (<part>)"),
        )


class Places:
    """Finds the picture of each XML file: by its name, beside it or in the folder of pictures, else by `filename`."""

    def __init__(self, pictures: Sequence[str], xmls: Sequence[str]):
        names, files = pd.Series(pictures, dtype="str"), pd.Series(xmls, dtype="str")
        self.pictures = pictures
        self.keys, self.file_keys = listing.keys(names).tolist(), listing.keys(files).tolist()
        self.file_stems = listing.stems(files).tolist()
        self.by_stem, self.by_key = grouped(listing.stems(names)), grouped(self.keys)
        self.by_name = grouped(names.str.rpartition("/")[2].str.normalize("NFC"))

    def find(self, number: int, annotation: Element) -> int:
        """The picture's item, counted from 1, of the file with this number; 0 where there is none."""
        own = self.by_stem.get(self.file_stems[number]) or self.by_key.get(self.file_keys[number]) or []
        told = re.split(r"[/\\]", annotation.word("filename"))[-1]
        named = self.by_name.get(common.tidy(told), [])
        folder = self.file_keys[number].rpartition("/")[0]
        near = [item for item in named if self.keys[item - 1].rpartition("/")[0] == folder]
        if not own:
            return self.only(near or named, annotation)
        both = [item for item in own if item in near]
        if near and not both:
            line = annotation.line
            raise UserError(
                f"line {line}: field filename: {told}, but by its own name the file belongs to "
                f"{self.pictures[own[0] - 1]}; correct one of them"
            )
        return self.only(both or own, annotation)

    def only(self, items: list[int], annotation: Element) -> int:
        if len(items) < 2:
            return items[0] if items else 0
        some = " and ".join(self.pictures[item - 1] for item in items[:2])
        raise UserError(f"line {annotation.line}: field filename: the file may belong to {some}; name one of them")


def grouped(names: Iterable[str]) -> dict[str, list[int]]:
    """The items, counted from 1, that have each name."""
    found = defaultdict(list)
    for item, name in enumerate(names, start=1):
        found[name].append(item)
    return found


def size(annotation: Element) -> tuple[int, int]:
    """Width and height as stated; 0, 0 where the file does not know them."""
    stated = annotation.one("size")
    if stated is None or {stated.word(side).lower() for side in ("width", "height")} & set(UNKNOWN):
        return 0, 0
    width, height = (stated.number(side) for side in ("width", "height"))
    if not (width > 0 and height > 0 and width.is_integer() and height.is_integer() and max(width, height) < 2**31):
        raise UserError(f"line {stated.line}: field size: {width:g} x {height:g} is no size of a picture")
    return int(width), int(height)


def labeled(thing: Element, first: int) -> tuple[str, tuple[float, float, float, float], float]:
    """An object's class, (left, top, width, height), and confidence. first: 1 where corners are pixels that are counted
    from 1 and belong to the box, else 0."""
    name, box = thing.word("name"), thing.one("bndbox")
    if not name:
        raise UserError(f"line {thing.line}: field name: missing in object; it is the class")
    if box is None:
        raise UserError(f"line {thing.line}: field bndbox: missing in object; it has xmin, ymin, xmax and ymax")
    left, top, right, bottom = (box.number(corner) for corner in CORNERS)
    left, top = left - first, top - first
    for small, large, low, high in ((left, right, "xmin", "xmax"), (top, bottom, "ymin", "ymax")):
        if not large > small:
            raise UserError(f"line {box.line}: field {high}: the box has no area: {high} is not above {low}")
    refuse_turned(thing)
    confidence = thing.number("confidence") if thing.one("confidence") else 1.0
    if not 0 <= confidence <= 1:
        raise UserError(f"line {thing.line}: field confidence: {confidence:g} is no number from 0 to 1")
    return name, (left, top, right - left, bottom - top), confidence


def refuse_turned(thing: Element) -> None:
    """CVAT writes the angle of a turned box as an attribute; its corners are those before it was turned."""
    for group in thing.all("attributes"):
        for one in group.all("attribute"):
            if one.word("name") == "rotation" and number(one.word("value") or "0") != 0:
                raise UserError(f"line {one.line}: field rotation: the box is turned; draw it upright, or take it out")


# -- writing


def own_names(sources: pd.Series) -> list[str]:
    """A name, without an ending, for the XML file of each picture: its path, below JPEGImages if it is there. Raises
    UserError where two have one."""
    paths = sources.str.replace(r"^(?:s3:/)?/+", "", regex=True).map(posixpath.normpath).astype("str")
    names = listing.without_ending(paths).str.removeprefix("JPEGImages/")
    refuse_same(names, sources)
    return names.tolist()


def objects(drawn: pd.DataFrame, classes: list[str]) -> pd.Series:
    """The XML text of each box; index: item."""
    sides = drawn[SIDES].to_numpy(float)
    corners = np.hstack([sides[:, :2], sides[:, :2] + sides[:, 2:]])
    columns = [common.json_numbers(corner).to_pylist() for corner in corners.T]
    names = [escape(name) for name in common.class_names(drawn["class_id"], classes)]
    sure = common.json_numbers(drawn["confidence"]).to_pylist()
    texts = [
        f"  <object>\n    <name>{name}</name>\n    <pose>Unspecified</pose>\n    <truncated>0</truncated>\n"
        f"    <difficult>0</difficult>\n    <confidence>{confidence}</confidence>\n"
        f"    <bndbox><xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox>\n"
        "  </object>\n"
        for name, confidence, left, top, right, bottom in zip(names, sure, *columns)
    ]
    return pd.Series(texts, index=drawn["item"].to_numpy(), dtype=object)


def document(source: str, width: int, height: int, depth: int, giver: str, objects: str) -> str:
    """The XML file of a picture. `objects` is the XML text of its boxes, `giver` who gave the labels."""
    folder, _, name = source.rpartition("/")
    return (
        f"<annotation>\n  <folder>{escape(folder)}</folder>\n  <filename>{escape(name)}</filename>\n"
        f"  <source><database>roundtruth</database><annotation>{giver}</annotation></source>\n"
        f"  <size><width>{width}</width><height>{height}</height><depth>{depth}</depth></size>\n"
        f"  <segmented>0</segmented>\n{objects}</annotation>\n"
    )


UNWRITABLE = re.compile("[\x00-\x1f\ufffe\uffff]")  # what XML does not have, or changes


def refuse_unwritable(texts: Iterable[str]) -> None:
    for text in texts:
        if UNWRITABLE.search(text):
            raise UserError(f"--to voc: {text!r} has a character that XML cannot hold; --to coco fits")
