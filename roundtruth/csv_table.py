"""The one reader of CSV: datasets, people's answers and recorded answers."""

import csv
import io
from collections.abc import Callable, Sequence

import pandas as pd

from roundtruth.errors import UserError, refuse_all


def read(data: bytes, name: str, needed: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """The cells of a CSV with a header as text without white space around them; the index is the line a row ends on.

    data: UTF-8, with or without a BOM. `needed` columns must be there, `optional` ones may be. A column of another name
    is a mistake, so that a misspelt one is not ignored. Rows without text are ignored. Raises UserError, which names
    the line and the column.
    """
    rows, lines = [], []
    reader = csv.reader(io.StringIO(_text(data, name), newline=""), strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        check_header(header, name, needed, optional)
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue  # a spreadsheet may write rows of nothing but commas
            if len(row) != len(header):
                raise UserError(f"{name}: line {reader.line_num}: {len(row)} cells, where the header has {len(header)}")
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise UserError(f"{name}: line {reader.line_num}: not CSV ({error})") from None
    frame = pd.DataFrame(rows, columns=header, index=lines, dtype="str")
    return frame.apply(lambda column: column.str.strip()) if rows else frame


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{name}: line {line}: not UTF-8 text ({error.reason}); save the file as UTF-8 CSV") from None


def check_header(header: list[str], name: str, needed: Sequence[str], optional: Sequence[str]) -> None:
    expected = f"the columns are {', '.join(needed)}" + (f", and optionally {', '.join(optional)}" if optional else "")
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        expected += "; separate them with commas"
    for place, column in enumerate(header):
        if not column:
            raise UserError(f"{name}: line 1: column {place + 1} has no name; take it out; {expected}")
        if column not in (*needed, *optional):
            raise UserError(f"{name}: line 1: field {column}: an unknown column; {expected}")
        if column in header[:place]:
            raise UserError(f"{name}: line 1: field {column}: the column is there twice; keep one")
    for column in needed:
        if column not in header:
            raise UserError(f"{name}: line 1: field {column}: the column is missing; {expected}")


def refuse(bad: pd.Series, where: Callable[[int], str], what: Callable[[int], str]) -> None:
    """Raise UserError where `bad` is true in any row."""
    rows = bad.index[bad.to_numpy(bool)]
    refuse_all(range(len(rows)), lambda at: f"{where(rows[at])}: {what(rows[at])}")
