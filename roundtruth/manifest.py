"""Ground Truth's augmented manifests: JSON lines, one item a line.

A record is the line's JSON object as it stands. Every field, known or not, is written back unchanged.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from roundtruth.errors import Mistakes, UserError
from roundtruth.storage import open_given, write_url

SHARD = 100_000  # lines read at a time


def read(path: str) -> Iterator[dict]:
    """The records of the manifest at a local path or s3:// url, one a line, as a stream.

    Raises UserError for a file without records, and for one that cannot be read; and after the last line, with their
    count, for lines that are not a JSON object (UTF-8, no key twice, only numbers that JSON has), that name no item
    (`source-ref` or `source`), or that are blank before the end.
    """
    mistakes = Mistakes(str(path))
    for _, record in _each(path, mistakes):
        if not mistakes.count:
            yield record
    mistakes.refuse()


def read_shards(path: str, mistakes: Mistakes) -> Iterator[tuple[list[str], list[dict]]]:
    """The same as (lines, records), at most SHARD at a time. A line is its text without the white space around it.

    A line that cannot be used is added to `mistakes`. Its record is {"source": ""}, so that the others keep their
    places.
    """
    lines = _each(path, mistakes)
    while some := list(islice(lines, SHARD)):
        yield [text for text, _ in some], [record for _, record in some]


def _each(path: str, mistakes: Mistakes) -> Iterator[tuple[str, dict]]:
    """Each line's text and record."""
    blank: list[int] = []  # the numbers of the blank lines read last
    number = 0
    try:
        with open_given(str(path)) as file:
            for number, data in enumerate(file, start=1):
                if not data.strip():
                    blank.append(number)
                    continue
                for line in blank:
                    mistakes.add(f"line {line}", "blank; only the last lines may be")
                    yield "", {"source": ""}
                blank = []
                try:
                    yield _parsed(data, path, number)
                except UserError as mistake:
                    mistakes.add(f"line {number}", str(mistake).removeprefix(f"{path}: line {number}: "))
                    yield "", {"source": ""}
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; correct the path") from None
    if number == len(blank):
        raise UserError(f"{path}: empty; a manifest has one line for each item")


def write(path: str, records: Iterable[dict]) -> None:
    """Write the records, one a line, to a local path or s3:// url: all of them or, after an error, none.

    Raises UserError where the path cannot be written, ValueError for a number that JSON does not have (NaN, Infinity).
    """
    write_lines(path, ([line(record)] for record in records))


def write_lines(path: str, shards: Iterable[Iterable[str]]) -> None:
    """Write lines that come in shards, as `write` does."""
    with write_url(str(path)) as file:
        for lines in shards:
            file.write("".join([f"{text}\n" for text in lines]).encode())


def line(record: dict) -> str:
    """A record as its line, in Ground Truth's own form: without spaces."""
    return json.dumps(record, separators=(",", ":"), allow_nan=False)


def stated_size(label) -> tuple[int, int]:
    """How large a label says that its picture is: (width, height), 0 where it does not."""
    size = label.get("image_size") if isinstance(label, dict) else None
    size = size[0] if isinstance(size, list) and size and isinstance(size[0], dict) else {}
    return size_of(size.get("width"), size.get("height"))


def size_of(width, height) -> tuple[int, int]:
    """Two JSON values as a picture's size in pixels; 0, 0 where they are none. Some programs write 640.0 or "640"."""
    size = side_of(width), side_of(height)
    return size if all(0 < side < 2**31 for side in size) else (0, 0)


def side_of(value) -> int:
    if type(value) is str and re.fullmatch(r"[0-9]{1,10}(\.0*)?", value.strip()):
        value = float(value)
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int else 0


def is_text(name: str) -> bool:
    """Whether UTF-8 can hold it: a string from JSON, or the name of a file, need not be text."""
    return name.isascii() or name.encode(errors="ignore").decode() == name


def _parsed(data: bytes, path: str, number: int) -> tuple[str, dict]:
    try:
        text = data.decode().strip().removeprefix("\ufeff")
        record, end = _DECODER.raw_decode(text)
        if end < len(text):
            raise json.JSONDecodeError("Extra data", text, end)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: line {number}: not UTF-8 ({error.reason} at byte {error.start + 1}); save the file as UTF-8"
        ) from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: line {number}: not JSON ({error.msg} at column {error.colno})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: line {number}: {error}") from None
    if not isinstance(record, dict):
        raise UserError(f"{path}: line {number}: not a JSON object")
    source = record.get("source-ref", record.get("source"))
    if not isinstance(source, str) or not source:
        raise UserError(f"{path}: line {number}: no source-ref (or source) that names the item")
    if not is_text(source):
        raise UserError(
            f"{path}: line {number}: source-ref (or source): no text: it has half of a character (a lone surrogate)"
        )
    return text, record


def unique(pairs: list[tuple[str, object]]) -> dict:
    """A JSON object, of which Python would keep the last of two keys with one name. Raises ValueError."""
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for index, key in enumerate(keys) if key in keys[:index])
        raise ValueError(f"the key {twice} occurs twice")
    return record


def _no_number(text: str):
    raise ValueError(f"{text} is no number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large a number")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=unique, parse_constant=_no_number, parse_float=_finite)
