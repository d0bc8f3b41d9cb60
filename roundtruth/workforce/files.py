"""People who answer by files: a batch is a CSV in the job folder, answers are CSVs dropped into people/answers/.

Answers may come at any time and in any number of files. A worker who changes an answer gives it again: of several files
the one that was written last counts, in one file the last row. Who cannot tell leaves the label empty and says why in
the column `reason`.

Good rows are taken. Bad ones are told in people/rejected.csv until they are mended: until the file was written anew,
a newer file has the answer, or a newer file has most of the other rows of the older one.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field

from roundtruth import csv_table
from roundtruth.csv_table import Sheet
from roundtruth.errors import LONGEST, UserError
from roundtruth.kinds.common import RowMistakes
from roundtruth.plural import counted
from roundtruth.settings import Strict
from roundtruth.tables import as_answers, no_answers
from roundtruth.workforce import PER_ITEM, Collected, PerItem, names, sheets

DESCRIPTION = "people, by CSV files"
PATHS = ()
FOLDER = "people/answers/"
ENDINGS = (".csv", ".tsv", ".txt")
ANSWERED_BY = "answered_by"  # the column of people/batch-NNN-2.csv that says who need not be asked again
LITTER = ("thumbs.db", "desktop.ini")  # what Windows leaves in folders
SHOWN = 10  # items in a line
CELLS = 20  # that a row of people/rejected.csv has beyond the columns of its file, at most


class Settings(Strict):
    """People who answer by CSV files in the job folder."""

    backend: Literal["files"] = Field("files", description="People who answer by CSV.")
    answers_per_item: PerItem = PER_ITEM


class File(NamedTuple):
    """One file of answers, as it was read. The index of tables is the line."""

    name: str  # below people/answers/
    sheet: Sheet
    answers: sheets.Answers
    bad: pd.DataFrame  # (item, worker, reason) of the rejected rows; item 0 and an empty worker: nobody knows


class Backend:
    def __init__(self, job):
        self.job = job

    def ask(self, round: int, items: pd.DataFrame, labels: pd.DataFrame | None = None) -> dict:
        """Write people/batch-NNN.csv: item, source, and the labels to be reviewed, where there are some. The folder for
        the answers is made, too. Where more answers are wanted later, batch-NNN-2.csv has the items that need them, and
        who answered them already."""
        job = self.job
        answered = self.answered(round)
        there = answered.nunique().reindex(items["item"], fill_value=0).to_numpy()
        asked = job.items(["item", "source"])
        table = asked[asked["item"].isin(items["item"][items["answers"].to_numpy() > there])]
        if labels is not None:
            shown = job.kind.write_answers(labels, job.spec.classes)
            table = table.join(shown.set_axis(labels["item"]), on="item")
        path, again = f"people/batch-{round:03d}.csv", len(job.listed(job.path(round, "posted")))
        if again:
            path = f"people/batch-{round:03d}-{again + 1}.csv"
            table = table.join(answered.agg(", ".join).rename(ANSWERED_BY), on="item")
        job.replace(path, table.to_csv(index=False, lineterminator="\n").encode())
        job.store.make_folder(FOLDER)  # `cp ann.csv people/answers` would write a file of this name without it
        return {"file": path, "items": items["item"].tolist(), "in_file": table["item"].tolist()}

    def answered(self, round: int):
        """The workers who gave a label to the items of a round's batch, grouped by item."""
        answers = self.job.answers(round, columns=["item", "worker", "reason"])
        return answers[answers["reason"].isna()].drop_duplicates().groupby("item")["worker"]

    def where(self, posted: dict) -> str:
        job = self.job
        said = f"The questions are in {job.address}/{posted['file']}; answers go to {job.address}/{FOLDER}"
        if len(job.listed(job.path(job.last_round(), "posted"))) > 1:
            said += (
                f"; only somebody who is not in its column {ANSWERED_BY}, and has not answered since, can give an item "
                "one more answer"
            )
        again = self.taken_back(posted)
        if not again:
            return said
        shown = ", ".join(map(str, again[:SHOWN])) + (", ..." if len(again) > SHOWN else "")
        told = "item[|s] [needs|need] another answer, because somebody took one back"
        return f"{said}; also, {counted(len(again), told)} ({shown})"

    def taken_back(self, posted: dict) -> list[int]:
        """The items that are not in the newest file of questions, and have fewer answers by now than are wanted:
        somebody gave a reason in place of a label."""
        want = pd.Series(posted["answers"], index=posted["items"]).clip(upper=self.job.spec.asking.most)
        there = self.answered(self.job.last_round()).nunique().reindex(want.index, fill_value=0)
        missing = want.index[there < want]
        return missing[~missing.isin(posted.get("in_file", posted["items"]))].tolist()

    def collect(self, posted: dict[int, dict]) -> Collected:
        """The good rows of people/answers/, the bad ones, and what a person should know."""
        written = self.job.store.times(FOLDER)  # anew: people drop their files while the job is open
        paths = sorted(filter(is_visible, written), key=lambda path: (written[path], in_order(path)))
        tables, others = split_by(lambda path: path.lower().endswith(ENDINGS), paths)
        found = [self.sheet(path) for path in tables]
        known = {name for round in posted for name in self.job.answers(round)["worker"].unique()}
        people, same = names.one_each((spelled(sheet) for sheet in found), known)
        files = [self.read(path, sheet, people) for path, sheet in zip(tables, found)]
        told = sheets.told([file.name for file in files], found, [file.answers for file in files])
        notes = [*same, *told, *not_read(others, tables)]
        return Collected(self.newest(files, [written[path] for path in tables]), False, rejected(files), notes)

    def sheet(self, path: str) -> Sheet:
        try:
            data = self.job.store.read(path)
        except FileNotFoundError:
            gone = "cannot be read: it was removed just now, or is a link to nothing; put it there again"
            return csv_table.refused(1, gone)
        except UserError as mistake:
            return csv_table.refused(1, f"cannot be read: {str(mistake).rpartition(': ')[2]}")
        columns = sheets.columns_of(self.job.kind, ["item|source", "worker"], [sheets.REASON, ANSWERED_BY])
        return csv_table.parse(data, columns, growing=True)

    def read(self, path: str, sheet: Sheet, people: dict[str, str]) -> File:
        """One file. people: the one name of each person, by how a file writes it."""
        job, mistakes = self.job, sheet.mistakes
        name = shown(path.removeprefix(FOLDER))
        if sheet.refused or sheet.cells.empty:
            nothing = sheets.Answers(no_answers(job.kind), 0, 0)
            line, reason = sheet.refused or (0, "")
            bad = pd.DataFrame({"item": 0, "worker": "", "reason": reason}, index=[line] if line else [])
            return File(name, sheet, nothing, bad)
        malformed = mistakes.rows()
        frame = sheet.cells.assign(worker=sheet.cells["worker"].map(lambda name: people.get(name, name)))
        frame["item"], other = self.items_of(frame, malformed, mistakes)
        whole = frame[~frame.index.isin(malformed)]
        answers = sheets.read(whole, job.kind, job.spec.classes, job.items(["item", "width", "height"]), mistakes)
        rows = frame[["item", "worker"]]
        sure = rows.assign(item=rows["item"].mask(other))  # an item whose picture is another may be the wrong one
        mended = sheets.whole_answers(sure if job.kind.ONE_PER_ITEM else rows, job.kind, mistakes)
        bad = pd.DataFrame({"reason": mistakes.reasons()}).join(sure.fillna({"item": 0}))
        return File(name, sheet, answers._replace(table=sheets.without(answers.table, mistakes)), bad.drop(mended))

    def items_of(
        self, frame: pd.DataFrame, malformed: np.ndarray, mistakes: RowMistakes
    ) -> tuple[pd.Series, pd.Series]:
        """The item of each row, NaN where it is not known; and whether the row names two pictures."""
        text = frame["item"] if "item" in frame else pd.Series("", index=frame.index, dtype="str")
        source = frame["source"] if "source" in frame else pd.Series("", index=frame.index, dtype="str")
        text, job, whole = text.mask(text == "", source), self.job, ~frame.index.isin(malformed)
        items = pd.to_numeric(text, errors="coerce")
        items = items.where(items.between(1, job.begun["items"]) & (items % 1 == 0)).astype(float)
        named = items.isna() & (text != "")
        if named.any() or (source != "").any():
            pictures = names.Pictures(job.items(["item", "source"]), job.asked()["item"])
            items = items.fillna(pictures.items(text[named]))
            other = (source != "") & items.notna() & ~pictures.are(items, source)
            mistakes.add(other & whole, "source", lambda line: pictures.other(items[line], source[line]))
            mistakes.add(items.isna() & whole, "item", lambda line: pictures.unknown(text[line]))
            return items, other
        mistakes.add(items.isna() & whole, "item", "empty; give the item's number, or the name of its picture")
        return items, pd.Series(False, index=frame.index)

    def newest(self, files: list[File], written: list[float]) -> pd.DataFrame:
        """The newest answer of each worker to each item. Files are in the order in which they were written."""
        parts = [
            file.answers.table.assign(file=number, submitted_at=pd.Timestamp(datetime.fromtimestamp(time, UTC)))
            for number, (file, time) in enumerate(zip(files, written))
            if len(file.answers.table)
        ]
        if not parts:
            return no_answers(self.job.kind)
        answers = pd.concat(parts, ignore_index=True)
        pair = ["item", "worker"]
        answers = answers[answers["file"] == answers.groupby(pair)["file"].transform("max")]
        if self.job.kind.ONE_PER_ITEM:
            answers = answers.drop_duplicates(pair, keep="last")
        return as_answers(answers, self.job.kind)


# -- the files


def is_visible(path: str) -> bool:
    """Whether a file is people's: no hidden file, as macOS puts a ._ann.csv beside ann.csv, and no lock of an office
    program, .~lock.ann.csv# or ~$ann.csv."""
    name = path.rpartition("/")[2]
    return "/." not in path and not name.startswith("~$") and name.lower() not in LITTER


def in_order(path: str) -> tuple:
    """`ann.csv`, `ann (1).csv`, `ann-2.csv`, `ann-10.csv` in this order, as people count."""
    name = re.split(r"([0-9]+)", str(PurePosixPath(path).with_suffix("")))
    return [(int(part) if part.isdecimal() else -1, part) for part in name], path


def split_by(test, values: Iterable) -> tuple[list, list]:
    values = list(values)
    return [value for value in values if test(value)], [value for value in values if not test(value)]


def shown(path: str) -> str:
    """A path that can be written as UTF-8."""
    return path.encode("utf-8", "replace").decode()


def spelled(sheet: Sheet) -> set[str]:
    """The workers' names just as a file has them."""
    if sheet.refused or "worker" not in sheet.header:
        return set()
    place = sheet.header.index("worker")
    return {row[place] for row in sheet.written.values() if len(row) > place}


# -- what is told


def rejected(files: list[File]) -> pd.DataFrame:
    """(file, line, reason, the row's own cells) of the rows that are not mended yet."""
    told: list[dict] = []
    answered: set[tuple] = set()  # item and worker, in the files that are newer
    newer: list[set[tuple]] = []  # the rows of these
    for file in reversed(files):
        bad = file.bad
        if len(bad) and not any(is_mended(file, rows) for rows in newer):
            mended = [pair in answered for pair in zip(bad["item"], bad["worker"])]
            told = rows_told(file, bad[~np.array(mended, bool)]) + told
        answered |= set(zip(file.answers.table["item"], file.answers.table["worker"]))
        newer.append(set(map(tuple, file.sheet.written.values())))
    return pd.DataFrame.from_records(told) if told else pd.DataFrame(columns=["file", "line", "reason"])


def is_mended(file: File, newer: set[tuple]) -> bool:
    """Whether a newer file with these rows is the file as somebody mended it: it has most of its rows but the bad."""
    bad = set(file.bad.index)
    rows = {tuple(row) for line, row in file.sheet.written.items() if line not in bad}
    return 2 * len(rows & newer) > len(rows)


def rows_told(file: File, bad: pd.DataFrame) -> list[dict]:
    columns = ["file", "line", "reason"]
    if not file.sheet.refused:
        columns += [f"their {name}" if name in columns else name for name in file.sheet.header]
    names = [name if name and name not in columns[:at] else f"cell {at - 2}" for at, name in enumerate(columns)]
    told = []
    for line, reason in bad["reason"].items():
        row = file.sheet.header if file.sheet.refused else file.sheet.written[line]
        cells = [cell[:LONGEST] for cell in row[: len(names) - 3 + CELLS]]
        more = [f"cell {at + 1}" for at in range(len(names) - 3, len(cells))]
        told.append(dict(zip([*names, *more], [file.name, line, reason, *cells])))
    return told


def not_read(others: list[str], tables: list[str]) -> list[str]:
    """What is in the folder and is no table; but a workbook beside the CSV that was saved from it is not missed."""
    saved = {PurePosixPath(path).with_suffix("").as_posix().lower() for path in tables}
    left = [path for path in others if PurePosixPath(path).with_suffix("").as_posix().lower() not in saved]
    files = sheets.listed([shown(path.removeprefix(FOLDER)) for path in left])
    return [f"{counted(len(left), 'file[|s]')} not read, as not CSV: {files}; save as CSV"] if left else []
