"""The one reader of CSV, as spreadsheets write it: datasets, people's answers and recorded answers."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from roundtruth.errors import UserError
from roundtruth.kinds import Kind
from roundtruth.kinds.common import RowMistakes

SEPARATORS = (",", ";", "\t")
ALIKE = {"class": "label", "label": "class"}  # what other kinds of jobs call a column
csv.field_size_limit(10_000_000)  # characters of a cell; the default of 131,072 is too few for texts

# Numbers as spreadsheets write them
DECIMAL_COMMA = r"[+-]?(?:[0-9]+,[0-9]*|,[0-9]+)(?:[eE][+-]?[0-9]+)?"
DECIMAL_POINT = r"[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?"
THOUSANDS_COMMA = r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+"
THOUSANDS_POINT = r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+"


class Columns(NamedTuple):
    """The columns that a CSV may have, by name."""

    needed: Sequence[str]  # must be there; `a|b` is a or b
    together: Sequence[str] = ()  # all or none of these
    optional: Sequence[str] = ()
    numbers: Sequence[str] = ()  # those whose cells may be numbers

    def known(self) -> list[str]:
        return [name for needed in self.needed for name in needed.split("|")] + [*self.together, *self.optional]

    def expected(self) -> str:
        said = f"the columns are {', '.join(name.replace('|', ' or ') for name in self.needed)}"
        said += f"; for items with labels {', '.join(self.together)}" if self.together else ""
        return said + (f"; and optionally {', '.join(self.optional)}" if self.optional else "")


class Sheet(NamedTuple):
    """What a CSV holds. A row is known by its line: the one that it ends on, from 1."""

    cells: pd.DataFrame  # the known columns, as text without white space around it; numbers have decimal points
    mistakes: RowMistakes  # rows that have not the cells of the header are mistakes already
    header: list[str]  # the columns' names, those that are known as we write them
    written: dict[int, list[str]]  # every row as it is in the file
    ignored: list[str]  # the columns that nobody knows
    windows: bool  # the text is Windows-1252
    refused: tuple[int, str] | None  # the line, and why nothing can be read

    def whole(self) -> pd.DataFrame:
        """The cells of the rows that have those of the header."""
        return self.cells[~self.cells.index.isin(self.mistakes.rows())]


def numbers_of(kind: Kind) -> list[str]:
    """The columns of a kind's CSV that hold numbers."""
    return [name for name in kind.CSV if kind.COLUMNS.get(name, "str") != "str"]


def read(data: bytes, name: str, columns: Columns) -> Sheet:
    """`parse` of a file that must have the right columns. Raises UserError, which names the line and the column."""
    sheet = parse(data, columns)
    if sheet.refused:
        line, what = sheet.refused
        raise UserError(f"{name}: line {line}: {what}")
    return sheet


def parse(data: bytes, columns: Columns, growing: bool = False) -> Sheet:
    """A CSV with a header. growing: it may still be copied, and end in the middle of a letter; then its last line is
    not read.

    The separator is a comma, a semicolon or a tab; a first line `sep=;` is known. The text is UTF-8, with or without a
    BOM, UTF-16 with one, or Windows-1252. Names of columns may have any case and blanks around them. Rows and columns
    without text are ignored.
    """
    try:
        text, windows = decoded(data, growing)
    except Unreadable as why:
        return refused(why.line, why.what)
    lines = list(io.StringIO(text, newline=""))  # the csv module ends lines in the same places
    start, separator = 0, ""
    declared = re.match(r'\s*"?sep=(.)"?[\s,;]*$', lines[0], re.IGNORECASE) if lines else None
    if declared:
        start, separator = 1, declared[1]
    while start < len(lines) and not lines[start].strip(' \t\r\n,;"'):
        start += 1
    separator = best_separator(lines[start:], separator, columns.known())
    rows, broken = split(lines, start, separator)
    if not rows:
        return refused(1, "empty; there is not even a header", windows)
    line, names = next(iter(rows.items()))
    first = rows.pop(line)
    header, problems = header_of(names, columns)
    if problems:
        return refused(line, "; ".join([*problems, columns.expected()]), windows, first, rows)
    return table(header, rows, broken, columns, separator, windows)


def refused(
    line: int, why: str, windows: bool = False, header: Sequence[str] = (), rows: dict[int, list[str]] | None = None
) -> Sheet:
    """The sheet of a file of which nothing can be read, with what of it is known."""
    return Sheet(pd.DataFrame(), RowMistakes(), list(header), rows or {}, [], windows, (line, why))


# -- text


class Unreadable(Exception):
    def __init__(self, line: int, what: str):
        self.line, self.what = line, what


def decoded(data: bytes, growing: bool) -> tuple[str, bool]:
    """The text, and whether it is Windows-1252. Raises Unreadable."""
    windows, wide = False, data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        if wide:
            text = (data[: len(data) // 2 * 2] if growing else data).decode("utf-16")
        else:
            text, windows = from_bytes(data, growing)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        what = f"not {'UTF-16' if wide else 'UTF-8'} text ({error.reason}); save the file as UTF-8 CSV"
        raise Unreadable(line, what) from None
    if "\0" in text:
        raise Unreadable(text[: text.index("\0")].count("\n") + 1, "no text, but another kind of file; save it as CSV")
    return text.lstrip("\ufeff"), windows  # some programs write a BOM twice


def from_bytes(data: bytes, growing: bool) -> tuple[str, bool]:
    """UTF-8, or Windows-1252 where no part of the text is UTF-8."""
    try:
        return data.decode("utf-8-sig"), False
    except UnicodeDecodeError as error:
        if growing and error.end == len(data) and error.reason == "unexpected end of data":
            return data[: data.rfind(b"\n") + 1].decode("utf-8-sig"), False
        some = data.decode("utf-8", "ignore")
        if not some.isascii():  # a mixture: as Windows-1252, its UTF-8 would become other letters
            raise
        try:
            return data.decode("cp1252"), True
        except UnicodeDecodeError:
            raise error from None


# -- rows


def rows_of(lines: Iterable[str], separator: str, skip: bool = True):
    """skip: a blank before a quotation mark is passed over."""
    return csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=skip)


def best_separator(lines: Sequence[str], declared: str, known: Sequence[str]) -> str:
    """The separator with which the first row has most of the known names, else most cells."""

    def found(separator: str) -> tuple[int, int]:
        try:
            names = next(rows_of(lines, separator), [])
        except csv.Error:
            return 0, 0
        return len({tidy(name) for name in names} & set(known)), len(names)

    candidates = [declared, *SEPARATORS] if declared not in ("", "\r", "\n", '"', " ") else [*SEPARATORS]
    return max(candidates, key=found)


def split(lines: list[str], start: int, separator: str) -> tuple[dict[int, list[str]], dict[int, str]]:
    """The rows with text by their lines; and why a line is no row.

    A quotation mark that is not closed takes the lines below it for its cell. So after a line that is no row, reading
    goes on with the next line.
    """
    rows: dict[int, list[str]] = {}
    broken: dict[int, str] = {}
    width, skip = 0, any(f'{separator} "' in line for line in lines)
    while start < len(lines):
        reader, ended, why = rows_of(from_line(lines, start), separator, skip), 0, ""
        try:
            for row in reader:
                width = width or len(row)
                if reader.line_num > ended + 1 and len(row) != width:
                    why = f"{len(row)} cells on {reader.line_num - ended} lines"
                    break
                ended = reader.line_num
                if any(map(str.strip, row)):
                    rows[start + ended] = row
        except csv.Error as error:
            why = str(error)
        if not why:
            break
        start += ended + 1
        rows[start] = [lines[start - 1].rstrip("\r\n")]
        broken[start] = f"not CSV ({why}); look for a quotation mark that is not closed"
    return rows, broken


def from_line(lines: list[str], start: int) -> Iterator[str]:
    return (lines[place] for place in range(start, len(lines)))


def table(
    header: list[str],
    rows: dict[int, list[str]],
    broken: dict[int, str],
    columns: Columns,
    separator: str,
    windows: bool,
) -> Sheet:
    """The sheet of some rows below an understood header."""
    known, width = columns.known(), len(header)
    essential = {next(name for name in needed.split("|") if name in header) for needed in columns.needed}
    essential |= set(columns.together)
    least = max((place + 1 for place, name in enumerate(header) if name in essential), default=0)
    mistakes, odd = RowMistakes(), {}
    for line, row in rows.items():
        if line in broken:
            odd[line] = broken[line]
        elif len(row) < least or any(map(str.strip, row[width:])):
            odd[line] = f"{len(row)} cells, where the header has {width}"
    mistakes.add(pd.Series(True, index=list(odd)), "", odd.__getitem__)
    padded = [(row + [""] * width)[:width] if line not in broken else [""] * width for line, row in rows.items()]
    frame = pd.DataFrame(padded, columns=range(width), index=list(rows), dtype="str")
    frame = frame.apply(lambda column: column.str.strip()) if len(frame) else frame
    ignored = [
        name or f"column {place + 1}, which has no name"
        for place, name in enumerate(header)
        if name not in known and (name or frame[place].ne("").any())
    ]
    cells = frame[[place for place, name in enumerate(header) if name in known]]
    cells = cells.set_axis([name for name in header if name in known], axis=1)
    numbers = [name for name in columns.numbers if name in cells]
    if numbers and len(cells):
        cells = cells.assign(**with_points(cells[numbers], separator, mistakes))
    return Sheet(cells, mistakes, header, rows, ignored, windows, None)


# -- the header


def tidy(name: str) -> str:
    return name.strip().casefold()


def header_of(names: list[str], columns: Columns) -> tuple[list[str], list[str]]:
    """The names of the columns, and what is wrong with them."""
    known = columns.known()
    header = [tidy(name) if tidy(name) in known else name.strip() for name in names]
    problems = [f"field {name}: the column is there twice; keep one" for name in known if header.count(name) > 1]
    meant: dict[str, str] = {}
    for name in header:
        for absent in known:
            if name not in known and absent not in header and near(tidy(name), absent):
                meant.setdefault(absent, name)
    problems += [f"field {name}: do you mean {absent}?" for absent, name in meant.items()]
    missing = [needed for needed in columns.needed if not set(needed.split("|")) & {*header, *meant}]
    if set(columns.together) & {*header, *meant}:
        missing += [name for name in columns.together if name not in header and name not in meant]
    if missing:
        first, *more = [name.split("|")[0] for name in missing]
        so = f", and {'so is' if len(more) == 1 else 'so are'} {', '.join(more)}" if more else ""
        problems.append(f"field {first}: the column is missing{so}")
    return header, problems


def near(name: str, known: str) -> bool:
    """Whether a name is a known one but for a letter too many, too few, wrong, or two that are swapped."""
    name = re.sub(r"[\W_]", "", name)
    length = min(len(name), len(known))
    same = next((at for at in range(length) if name[at] != known[at]), length)
    one, other = name[same:], known[same:]
    swapped = one[1:2] + one[:1] + one[2:]
    return other in (one, one[1:], swapped) or one == other[1:] or one[1:] == other[1:] or ALIKE.get(name) == known


# -- numbers


def with_points(cells: pd.DataFrame, separator: str, mistakes: RowMistakes) -> pd.DataFrame:
    """The cells with decimal points in place of decimal commas.

    `1,234` and, among decimal commas, `1.234` may be numbers over a thousand. Where nothing in the file tells, such a
    cell is a mistake.
    """

    def like(pattern: str) -> pd.DataFrame:
        return cells.apply(lambda column: column.str.fullmatch(pattern))

    if not any(cells[name].str.contains(",", regex=False).any() for name in cells):
        return cells
    comma, unsure = like(DECIMAL_COMMA), like(THOUSANDS_COMMA)
    sure = (comma & ~unsure).any(axis=None)
    decimal = sure or (separator == ";" and not like(DECIMAL_POINT).any(axis=None))
    doubtful = like(THOUSANDS_POINT) if decimal else unsure
    for name in cells:
        mistakes.add(
            doubtful[name],
            name,
            lambda line, name=name: (
                f"{cells[name][line]!r} may be a number over a thousand, or a decimal; write it "
                "without marks for thousands"
            ),
        )
    return cells.mask(comma, cells.apply(lambda column: column.str.replace(",", "."))) if decimal else cells
