"""What kinds of label share, so that a new kind is short: reading and writing Ground Truth's fields, and drawing."""

import colorsys
import json
import math
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from roundtruth.consolidation.asking import Asking
from roundtruth.errors import LONGEST, refuse_all
from roundtruth.settings import Boxes

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

TEXT = pa.large_string()
Where = Callable[[Any], str]  # the place of an item, or of a row of a table, as an error names it


def refuse(bad: Sequence | np.ndarray | pd.Series, say: Callable[[int], str]) -> None:
    """Raises UserError where any row is bad; `say(position)` is the message about one such row."""
    refuse_all(np.flatnonzero(np.asarray(bad, bool)), say)


class RowMistakes:
    """What is wrong with the rows of a table, collected so that all of it is told at once. A row is known by its label
    in the table's index, or else by its position. A field of a row has one mistake, the one that was found first."""

    def __init__(self):
        self.found: list[tuple[pd.Index | np.ndarray, str, Callable[[Any], str]]] = []

    def add(self, bad: Sequence | np.ndarray | pd.Series, field: str, what: str | Callable[[Any], str]) -> None:
        """`bad` has a bool for each row; `what`, or `what(row)`, says what is wrong with the field of such a row."""
        rows = bad.index[bad.to_numpy(bool)] if isinstance(bad, pd.Series) else np.flatnonzero(bad)
        if len(rows):
            self.found.append((rows, field, what if callable(what) else lambda row: what))

    def rows(self) -> np.ndarray:
        """The rows with a mistake, sorted."""
        return np.unique(np.concatenate([rows for rows, _, _ in self.found])) if self.found else np.array([], int)

    def __len__(self) -> int:
        return len(self._all())

    def reasons(self) -> pd.Series:
        """What is wrong with each such row, in words; index: row, sorted."""
        reasons: dict = {}
        for row, field, what in zip(*(self._all()[name].tolist() for name in ("row", "field", "what"))):
            said = f"{self._named(field, '')}{what(row)}"[:LONGEST]
            reasons[row] = f"{reasons[row]}; {said}" if row in reasons else said
        return pd.Series(reasons, dtype="str")

    def refuse(self, where: Where | None = None) -> None:
        """Raises UserError where there are any mistakes; `where(row)` is the place of a row, if its message does not
        begin with it."""
        table = self._all()

        def say(at: int) -> str:
            row, field, what = table.iloc[at]
            place = f"{where(row)}: " if where else ""
            return f"{place}{self._named(field, 'field ')}{what(row)}"

        refuse_all(range(len(table)), say)

    def _named(self, field: str, before: str) -> str:
        return f"{before}{field}: " if field else ""

    def _all(self) -> pd.DataFrame:
        """(row, field, what), sorted by row."""
        parts = [pd.DataFrame({"row": rows, "field": field, "what": what}) for rows, field, what in self.found]
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["row", "field", "what"])
        return table.drop_duplicates(["row", "field"]).sort_values("row", kind="stable")


def changed(kind, labels: pd.DataFrame, right: pd.DataFrame) -> int:
    """How many labels `Kind.check` changed."""
    columns = list(kind.COLUMNS)
    return int((labels[columns] != right[columns]).any(axis=1).sum())


# -- reading Ground Truth's two fields of a manifest line


def fields(
    records: Sequence[dict], items: Sequence | np.ndarray, attribute: str, kind: str, where: Where
) -> tuple[list, list[dict], RowMistakes]:
    """(labels, metadata, mistakes): the two fields of each record, and the records in which one of them is missing or
    whose metadata has another `type` than `kind`. The metadata of such a record is empty."""
    name = f"{attribute}-metadata"
    labels = [record.get(attribute) for record in records]
    metadata: list = [record.get(name) for record in records]
    bad = [
        label is None or not isinstance(about, dict) or about.get("type") != kind
        for label, about in zip(labels, metadata)
    ]

    def say(row: int) -> str:
        place, label, about = where(int(items[row])), labels[row], metadata[row]
        if label is None:
            return f"{place}: field {attribute}: missing; a labeled line has {attribute} and {name}"
        if not isinstance(about, dict):
            return f"{place}: field {name}: missing; Ground Truth writes it beside every label"
        return f"{place}: field {name}: type is {about.get('type')!r}, of this job {kind!r}; correct it, or `attribute`"

    mistakes = RowMistakes()
    mistakes.add(bad, "", say)
    return labels, [{} if wrong else about for about, wrong in zip(metadata, bad)], mistakes


def attributes(record: dict, kind: str) -> list[str]:
    """The attributes of a record whose metadata has the type `kind`."""
    return [name for name, type_ in types(record) if type_ == kind]


def types(record: dict) -> list[tuple[str, str]]:
    """The attributes of a record, each with the type that Ground Truth gives it."""
    return [
        (key.removesuffix("-metadata"), about["type"])
        for key, about in record.items()
        if key.endswith("-metadata") and isinstance(about, dict) and isinstance(about.get("type"), str)
    ]


def adjusted(record: dict, attribute: str) -> bool:
    """Whether an adjustment job of Ground Truth wrote a label."""
    about = record.get(f"{attribute}-metadata")
    return isinstance(about, dict) and "adjustment-status" in about


LARGEST = 1e100  # no length in a picture is larger, and the product of two such numbers does not overflow


def number(value) -> float:
    """A JSON number as a float; NaN for anything else."""
    return float(value) if type(value) in (int, float) and abs(value) < LARGEST else math.nan


def whole(value):
    """1 for 1.0, which programs write that keep numbers in tables; anything else as it is."""
    return int(value) if type(value) is float and value.is_integer() else value


def confidences(
    metadata: list[dict], items: Sequence | np.ndarray, attribute: str, where: Where, mistakes: RowMistakes
) -> np.ndarray:
    """The field `confidence` of each metadata, 1 where there is none. What is not in [0, 1] is a mistake."""
    values = np.array([confidence_of(about) for about in metadata], float)
    mistakes.add(
        ~((values >= 0) & (values <= 1)),
        "",
        lambda row: f"{where(int(items[row]))}: field {attribute}-metadata: confidence: not a number from 0 to 1",
    )
    return values


def confidence_of(about: dict) -> float:
    """The field `confidence`, 1 where there is none or null; NaN for what is no number."""
    value = about.get("confidence")
    return 1.0 if value is None else number(value)


# -- classes


def class_ids(names: Iterable, classes: list[str]) -> np.ndarray:
    """Where each name stands in `classes`; -1 where it does not. White space around a name does not count, nor how its
    accents are encoded."""
    known = {name: number for number, name in enumerate(classes)}
    names = [name if isinstance(name, str) else "" for name in names]
    found = {name: known.get(tidy(name), -1) for name in set(names)}
    return np.array([found[name] for name in names], np.int64)


def tidy(name: str) -> str:
    """A class name without white space around it, its accents composed (Unicode's NFC)."""
    return unicodedata.normalize("NFC", name.strip())


def alike(classes: list[str]) -> list[list[str]]:
    """The groups of class names that differ only by case or accents, in the order of the classes."""

    def plain(name: str) -> str:
        letters = unicodedata.normalize("NFD", name)  # marks above and below a letter have a class of 200 or more
        return "".join(one for one in letters if unicodedata.combining(one) < 200).casefold()

    groups: dict[str, list[str]] = {}
    for name in classes:
        groups.setdefault(plain(name), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def groups_of(names: list[list[str]]) -> str:
    """`Cat/cat, été/ete`: the first of them, and not all of a long name."""
    shown = ["/".join(name[:30] for name in group[:3]) for group in names[:5]]
    return ", ".join(shown) + (", ..." if len(names) > 5 else "")


def class_names(class_id: pd.Series, classes: list[str]) -> np.ndarray:
    """The name of each class_id; the empty text for -1."""
    return np.array([*classes, ""], object)[class_id]


def unknown_class(name, classes: list[str]) -> str:
    few = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
    return (
        f"{name!r} is not one of the job's classes ({few}); correct it, or add it to classes in the job file "
        "if the job has not begun; a job that has begun keeps its classes"
    )


# -- one label an item


def the_full_number(
    answers: pd.DataFrame, classes: list[str], asking: Asking, learn: np.ndarray | None = None
) -> np.ndarray:
    """`unsure` of a kind that cannot say when a label is sure: every item gets the most answers."""
    count = answers.groupby("item")["worker"].nunique()
    return count.index[count < asking.most].to_numpy()


def one_each(labels: pd.DataFrame) -> pd.Series:
    """`Kind.objects` where each item has one label: 1 for each item."""
    items = np.sort(labels["item"].unique())
    return pd.Series(1, index=pd.Index(items, name="item"), name="objects")


def score(predictions: pd.DataFrame) -> pd.Series:
    """`Kind.confidence` where each item has one label: its score."""
    return predictions.set_index("item")["score"].sort_index().rename("confidence")


def in_both(labels: pd.DataFrame, reference: pd.DataFrame, column: str) -> tuple[pd.Series, pd.Series]:
    """A column of two tables with one row an item, for the items in both; both series have the index item, sorted."""
    one, other = (table.set_index("item")[column] for table in (labels, reference))
    items = one.index.intersection(other.index).sort_values().rename("item")
    return one.reindex(items), other.reindex(items)


def unsuspected(labels: pd.DataFrame, items: pd.DataFrame, mistakes: RowMistakes) -> None:
    """`Kind.suspect` where labels have no unit."""


def possible(labels: pd.DataFrame, items: pd.DataFrame, mistakes: RowMistakes) -> pd.DataFrame:
    """`Kind.check` where every label that can be read is possible on every item."""
    return labels


class Fitted(NamedTuple):
    """The labels of a dataset, on the pictures as they are seen."""

    labels: pd.DataFrame
    notes: tuple[tuple[int, str], ...]  # what was put right: how often, and what it is, in words
    items: np.ndarray  # whose labels were changed


def unplaced(labels: pd.DataFrame, pictures: pd.DataFrame, boxes: Boxes, where: Callable) -> Fitted:
    """`Kind.fit` where a label has no place in the picture."""
    return Fitted(labels, (), np.array([], np.int64))


def anywhere(predictions: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
    """`Kind.within` where every label is possible on every item."""
    return predictions


def unscaled(labels: pd.DataFrame, factor: float) -> pd.DataFrame:
    """`Kind.scaled` where a label has no place in the picture."""
    return labels


# -- writing Ground Truth's two fields


def in_order(labels: pd.DataFrame, items: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(labels of `items`, items that have labels): the labels are sorted by the place of their item in `items`."""
    place = pd.Index(items["item"]).get_indexer(labels["item"])
    turn = np.argsort(place, kind="stable")
    turn = turn[place[turn] >= 0]
    return labels.iloc[turn], items.iloc[np.unique(place[turn])]


def json_labels(
    labels: pd.DataFrame, values: pa.Array, own: dict, attribute: str, kind: str, job_name: str, created: str
) -> pd.Series:
    """What `Kind.encode` gives where each item has one label: `values` are the labels as JSON, `own` are the kind's own
    fields of the metadata, `kind` is its `type`."""
    metadata = {
        "confidence": json_confidence(labels["confidence"]),
        "job-name": job_name,
        **own,
        "human-annotated": json_human(labels["source"]),
        "creation-date": created,
        "type": kind,
    }
    return json_fields({attribute: values, f"{attribute}-metadata": metadata}, labels["item"])


def dumps(value) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def json_fields(fields: dict[str, Any], items: pd.Series) -> pd.Series:
    """The JSON text of `fields`, without outer braces, once for each of `items`; index: item.

    A value is plain and the same in all rows, or a pyarrow array with the JSON text of each row; dicts and lists may
    hold such arrays, too. The text of a row is what json.dumps gives for its values, without spaces.
    """
    text = _joined(_inside(fields), len(items))
    return pd.Series(pd.array(text, dtype="str"), index=pd.Index(items, name="item"))


def json_texts(value: Any, rows: int) -> pa.Array:
    """The JSON text of a value such as `json_fields` takes, for each of `rows` rows."""
    return _joined(_pieces(value), rows)


def _pieces(value: Any) -> list:
    """The parts of a value's JSON text in turn: strings, and arrays with a string for each row."""
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return [value]
    if isinstance(value, dict):
        return ["{", *_inside(value), "}"]
    if isinstance(value, list):
        parts = [part for one in value for part in (",", *_pieces(one))]
        return ["[", *parts[1:], "]"]
    return [dumps(value)]


def _inside(fields: dict[str, Any]) -> list:
    parts = [part for name, value in fields.items() for part in (",", dumps(name), ":", *_pieces(value))]
    return parts[1:]


def _joined(pieces: list, rows: int) -> pa.Array:
    """Neighbouring strings are joined first, so that each costs nothing for each row."""
    parts: list = []
    for piece in pieces:
        if isinstance(piece, str) and parts and isinstance(parts[-1], str):
            parts[-1] += piece
        else:
            parts.append(piece)
    parts = [pa.scalar(part, TEXT) if isinstance(part, str) else part.cast(TEXT) for part in parts]
    if not any(isinstance(part, pa.Array | pa.ChunkedArray) for part in parts):
        return pa.array(["".join(part.as_py() for part in parts)] * rows, TEXT)
    joined = pc.binary_join_element_wise(*parts, pa.scalar("", TEXT))
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def json_lists(texts: pa.Array, counts: np.ndarray, ends: str = "[]") -> pa.Array:
    """JSON lists of the lengths `counts` out of the texts of their members, in turn; with ends="{}", objects."""
    offsets = pa.array(np.append(0, np.cumsum(counts)), pa.int64())
    inside = pc.binary_join(pa.LargeListArray.from_arrays(offsets, texts.cast(TEXT)), pa.scalar(",", TEXT))
    return _joined([ends[0], inside, ends[1]], len(counts))


def json_each(values: Sequence, place: np.ndarray | pd.Series) -> pa.Array:
    """The JSON text of `values[place]` for each row: a few values, many rows."""
    texts = pa.array([dumps(value) for value in values], TEXT)
    return texts.take(pa.array(np.asarray(place, np.int64)))


def json_numbers(values: np.ndarray | pd.Series) -> pa.Array:
    """Numbers as Python writes them, but whole ones without a fraction, as Ground Truth does."""
    numbers = np.asarray(values, float) + 0.0  # 0, not -0
    texts = pa.array(numbers).cast(TEXT)
    size = np.abs(numbers)
    odd = np.flatnonzero(~((size >= 1e-4) & (size < 1e9)) & (size != 0))  # here pyarrow writes exponents of its own
    if len(odd) == 0:
        return texts
    written = [dumps(int(value) if value.is_integer() else value) for value in numbers[odd].tolist()]
    mask = np.zeros(len(numbers), bool)
    mask[odd] = True
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(written, TEXT))


def json_confidence(values: np.ndarray | pd.Series) -> pa.Array:
    """Confidences with at most four decimals, rounded as Python does."""
    values = np.asarray(values, float)
    rounded = np.round(values, 4)
    half = np.flatnonzero(np.abs(values * 1e4 % 1 - 0.5) < 1e-6)  # where numpy may round the other way
    rounded[half] = [round(value, 4) for value in values[half].tolist()]
    few, place = np.unique(rounded, return_inverse=True)
    return json_each(few.tolist(), place)


def json_human(source: pd.Series) -> pa.Array:
    """Ground Truth's `human-annotated`: "no" for a model's label, else "yes"."""
    return json_each(["yes", "no"], (source == "auto").to_numpy())


# -- drawing


def below(picture: "Image.Image", text: str, colour: tuple[int, int, int]) -> "Image.Image":
    """A copy of the picture with `text` on a strip of `colour` below it."""
    from PIL import Image, ImageDraw

    width, height = picture.size
    size = max(10, min(width, height) // 14)
    wide = max(width, plate(text, size)[0])
    result = Image.new("RGB", (wide, height + size * 2), "white")
    result.paste(picture.convert("RGB"), ((wide - width) // 2, 0))
    pen = ImageDraw.Draw(result)
    pen.rectangle([0, height, wide, height + 2 * size], fill=colour)
    caption(pen, (0, height + 2 * size - size // 4), text, colour, size, result.size)
    return result


def plate(text: str, size: int) -> tuple[int, int]:
    """Width and height in pixels that a caption of this letter size takes."""
    from PIL import ImageFont

    left, top, right, bottom = ImageFont.load_default(size).getbbox(text)
    return round(right - left) + size // 2, round(bottom - top) + size // 2


def caption(pen: "ImageDraw.ImageDraw", place, text: str, colour: tuple, size: int, limit: tuple[int, int]) -> None:
    """Write `text` on a plate of `colour`, its lower left corner at `place`, moved inside a picture of size `limit`."""
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    left, top, _, _ = font.getbbox(text)
    width, height = plate(text, size)
    x = max(0, min(place[0], limit[0] - width))
    y = max(0, min(place[1] - height, limit[1] - height))
    pen.rectangle([x, y, x + width, y + height], fill=colour)
    # luma, ITU-R BT.601: black letters on light plates, white ones on dark plates
    light = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    pen.text((x + size // 4 - left, y + size // 4 - top), text, font=font, fill="black" if light else "white")


def colour(number: int) -> tuple[int, int, int]:
    """A colour for each class: hues a golden angle apart, so that any first few of them differ well."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + 0.618034 * number) % 1, 0.9, 1 - 0.25 * (number % 3) / 2)
    return round(255 * red), round(255 * green), round(255 * blue)
