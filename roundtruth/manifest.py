"""Ground Truth's augmented manifests: JSON lines, one an item.

A record is the line's JSON object as it stands, so that every field of it, known or not, comes back when it is written.
"""

import json
from collections.abc import Iterable, Iterator

from roundtruth.errors import UserError
from roundtruth.storage import open_url, write_url


def read(path: str) -> Iterator[dict]:
    """The records of the manifest at a local path or s3:// url, one a line, in a stream.

    Raises UserError, naming file and line, for a line that is no JSON object (UTF-8, every key once, only numbers that
    JSON has), names no item (`source-ref` or `source`), or is blank before the end; for a file without records; and
    for one that cannot be read.
    """
    blank = 0  # the number of the first of the blank lines read last
    number = 0
    try:
        with open_url(str(path)) as file:
            for number, text in enumerate(file, start=1):
                if not text.strip():
                    blank = blank or number
                    continue
                if blank:
                    raise UserError(f"{path}: line {blank}: blank; every line but the last is an item")
                yield _record(text, f"{path}: line {number}")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (IsADirectoryError, PermissionError) as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    if number == 0 or blank == 1:
        raise UserError(f"{path}: empty; a manifest has a line an item")


def write(path: str, records: Iterable[dict]) -> None:
    """Writes the records, one a line, to a local path or s3:// url: wholly or, after an error, not at all.

    Raises UserError where the path cannot be written, ValueError for a number that JSON does not have (NaN, Infinity).
    """
    with write_url(str(path)) as file:
        for record in records:
            file.write(line(record).encode() + b"\n")


def line(record: dict) -> str:
    """A record as its line, in Ground Truth's own form: without spaces."""
    return json.dumps(record, separators=(",", ":"), allow_nan=False)


def _record(text: bytes, where: str) -> dict:
    try:
        record = json.loads(
            text.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite
        )
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not UTF-8 ({error.reason} at byte {error.start + 1})") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: not JSON ({error.msg} at column {error.colno})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: {error}") from None
    if not isinstance(record, dict):
        raise UserError(f"{where}: not a JSON object")
    source = record.get("source-ref", record.get("source"))
    if not isinstance(source, str) or not source:
        raise UserError(f"{where}: no source-ref (or source) that names the item")
    if not is_text(source):
        raise UserError(f"{where}: source-ref (or source): no text: it has half of a character (a lone surrogate)")
    return record


def is_text(name: str) -> bool:
    """Whether UTF-8 can hold it: a string from JSON, or the name of a file, need not be text."""
    return name.isascii() or name.encode(errors="ignore").decode() == name


def _unique(pairs: list[tuple[str, object]]) -> dict:
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
