"""People who answer by files: a batch is a CSV in the job folder, answers are CSVs dropped into people/answers/.

Answers may come at any time and in any number of files. A worker who changes an answer gives it again: of several files
the last by name counts, in one file the last row. Who cannot tell leaves the label empty and says why in the column
`reason`.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from roundtruth import csv_table
from roundtruth.errors import UserError
from roundtruth.settings import Strict, Whole
from roundtruth.tables import as_answers, no_answers
from roundtruth.workforce import Collected

DESCRIPTION = "people, by CSV files"
PATHS = ()
FOLDER = "people/answers/"


class Settings(Strict):
    """People who answer by CSV files in the job folder."""

    backend: Literal["files"] = Field("files", description="People who answer by CSV.")
    answers_per_item: Annotated[Whole, Field(ge=1, le=1000)] = Field(3, description="How many people answer each item.")


class Backend:
    def __init__(self, job):
        self.job = job

    def ask(self, round: int, items: pd.DataFrame, labels: pd.DataFrame | None = None) -> dict:
        """Write people/batch-NNN.csv: item, source, and the labels to be reviewed, where there are some."""
        job = self.job
        asked = job.items(["item", "source"])
        table = asked[asked["item"].isin(items["item"])]
        if labels is not None:
            shown = job.kind.write_answers(labels, job.spec.classes)
            table = table.join(shown.set_axis(labels["item"]), on="item")
        path = f"people/batch-{round:03d}.csv"
        job.write_once(path, table.to_csv(index=False, lineterminator="\n").encode())
        return {"file": path, "items": items["item"].tolist()}

    def collect(self, posted: dict[int, dict]) -> Collected:
        """The rows of people/answers/*.csv. Hidden files are not people's: macOS puts a ._ann.csv beside ann.csv."""
        store = self.job.store  # listed anew: people drop their files while the job is open
        names = (path for path in store.list(FOLDER) if path.lower().endswith(".csv") and "/." not in path)
        paths = sorted(names, key=in_order)
        parts = [self.read(path).assign(file=number) for number, path in enumerate(paths)]
        if not parts:
            return Collected(no_answers(self.job.kind), False)
        answers = pd.concat(parts, ignore_index=True)
        newest = answers.groupby(["item", "worker"])["file"].transform("max")
        return Collected(answers[answers["file"] == newest].drop(columns="file"), False)

    def where(self, posted: dict) -> str:
        job = self.job
        return f"The questions are in {job.address}/{posted['file']}; answers go to {job.address}/{FOLDER}"

    def read(self, path: str) -> pd.DataFrame:
        """One file of answers as a table of answers; the index is the line of the file."""
        job, name = self.job, f"{self.job.address}/{path}"
        kind, classes = job.kind, job.spec.classes
        try:
            data = job.store.read(path)
        except FileNotFoundError:
            raise UserError(f"{name}: cannot be read: it was removed just now, or is a link to nothing") from None
        frame = csv_table.read(data, name, ["item", "worker", *kind.CSV], ["source", "reason"])
        if frame.empty:
            return no_answers(kind)

        def where(line: int) -> str:
            return f"{name}: line {line}"

        items = pd.to_numeric(frame["item"], errors="coerce")
        unknown = ~(items.between(1, job.begun["items"]) & (items % 1 == 0))
        csv_table.refuse(
            unknown, where, lambda line: f"item: there is no item {frame['item'][line]!r}; it is a line of the input"
        )
        csv_table.refuse(frame["worker"] == "", where, lambda line: "worker: is empty; say who answered")
        frame["item"] = items.astype("int64")
        if "source" in frame:
            refuse_other_source(frame, job.items(["item", "source"]), where)
        if "reason" not in frame:
            frame["reason"] = ""
        given = frame["reason"] == ""
        csv_table.refuse(
            ~given & (frame[kind.CSV] != "").any(axis=1),
            where,
            lambda line: "reason: there is a label, too; give one of them",
        )
        labels = kind.read_answers(frame.loc[given, ["item", "worker", *kind.CSV]], classes, where)
        answers = frame[["item", "worker", "reason"]].join(labels[list(kind.COLUMNS)])
        kind.check(answers[given], job.items(["item", "width", "height"]), where)
        answers = one_answer_each(answers, kind, where)
        now = pd.Timestamp(datetime.now(UTC)).as_unit("us")
        return as_answers(answers.assign(submitted_at=now), kind)


def refuse_other_source(frame: pd.DataFrame, items: pd.DataFrame, where) -> None:
    """Refuse rows whose `source` is the picture of another item: somebody sorted one column of the sheet."""
    right = frame["item"].map(items.set_index("item")["source"])
    other = (frame["source"] != "") & (frame["source"] != right)

    def what(line: int) -> str:
        return f"source: item {frame['item'][line]} is {right[line]}, not {frame['source'][line]}; correct one of them"

    csv_table.refuse(other, where, what)


def one_answer_each(answers: pd.DataFrame, kind, where) -> pd.DataFrame:
    """The last answer of each worker to each item, where one row is an answer; else a reason must stand alone."""
    pair = ["item", "worker"]
    if kind.ONE_PER_ITEM:
        return answers.drop_duplicates(pair, keep="last")
    several = (answers["reason"] != "") & (answers.groupby(pair)["item"].transform("size") > 1)
    csv_table.refuse(several, where, lambda line: "reason: the worker has more rows about this item; take some out")
    return answers


def in_order(path: str) -> tuple:
    """`ann.csv`, `ann (1).csv`, `ann-2.csv`, `ann-10.csv` in this order, as people count."""
    name = re.split(r"([0-9]+)", path[: -len(".csv")])
    return [(int(part) if part.isdecimal() else -1, part) for part in name], path
