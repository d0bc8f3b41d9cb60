"""People who answer by files: a batch is a CSV in the job folder, answers are CSVs dropped into people/answers/.

Answers may come at any time and in any number of files. What a worker says of an item is taken again when it has
changed, until the batch is closed; of several files the last by name counts, in one file the last row.
"""

import csv
import io
import re
from datetime import UTC, datetime

import pandas as pd

from roundtruth.errors import UserError
from roundtruth.job import no_answers


class Files:
    LATE = True

    def __init__(self, job):
        self.job = job

    def post(self, round: int, batch: pd.DataFrame) -> dict:
        """Write people/batch-NNN.csv: item, source."""
        items = self.job.items()
        table = items.loc[items["item"].isin(batch["item"]), ["item", "source"]]
        path = f"people/batch-{round:03d}.csv"
        self.job.store.write_once(path, table.to_csv(index=False, lineterminator="\n").encode())
        return {"file": path, "items": table["item"].tolist()}

    def collect(self, round: int, batch: pd.DataFrame, posted: dict) -> tuple[pd.DataFrame, bool]:
        """The rows of people/answers/*.csv that are about the batch's items."""
        paths = [path for path in self.job.store.list("people/answers/") if path.lower().endswith(".csv")]
        paths = sorted(paths, key=in_order)
        parts = [self.read(path).assign(file=number) for number, path in enumerate(paths)]
        if not parts:
            return no_answers(self.job.kind), False
        answers = pd.concat(parts, ignore_index=True)
        answers = answers[answers["item"].isin(batch["item"])]
        newest = answers.groupby(["item", "worker"])["file"].transform("max")
        return answers[answers["file"] == newest].drop(columns="file"), False

    def read(self, path: str) -> pd.DataFrame:
        """One file of answers as (item, worker, ..., submitted_at, seconds)."""
        job, name = self.job, f"{self.job.address}/{path}"
        kind, spec = job.kind, job.spec
        wanted = ["item", "worker", *kind.CSV]
        try:
            text = job.store.read(path).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise UserError(f"{name}: line {line}: not UTF-8 text; save it as UTF-8 CSV") from None
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows, lines = [], []
        try:
            header = [column.strip() for column in next(reader, [])]
            for row in reader:
                if row:
                    rows.append(row)
                    lines.append(reader.line_num)
        except csv.Error as error:
            raise UserError(f"{name}: line {reader.line_num}: not CSV ({error})") from None
        if sorted(set(header) - {"source"}) != sorted(wanted) or len(set(header)) < len(header):
            odd = [c for c in header if c not in [*wanted, "source"]] or [c for c in wanted if c not in header]
            odd = odd or [c for c in header if header.count(c) > 1]
            raise UserError(f"{name}: line 1: column {odd[0]}: the columns are {', '.join(wanted)}, each once")
        for line, row in zip(lines, rows):
            if len(row) != len(header):
                raise UserError(f"{name}: line {line}: {len(row)} fields where the header has {len(header)}")
        if not rows:
            return no_answers(kind)
        frame = pd.DataFrame(rows, columns=header, dtype="str").apply(lambda column: column.str.strip())

        def where(row: int) -> str:
            return f"{name}: line {lines[row]}"

        items = pd.to_numeric(frame["item"], errors="coerce")
        unknown = ~items.isin(job.items()["item"])
        if unknown.any():
            row = int(unknown.to_numpy().argmax())
            raise UserError(f"{where(row)}: item: there is no item {frame['item'][row]!r}; it is a line of the input")
        nobody = frame["worker"] == ""
        if nobody.any():
            raise UserError(f"{where(int(nobody.to_numpy().argmax()))}: worker: is empty; say who answered")
        frame["item"] = items.astype("int64")
        labels = kind.read_answers(frame, spec.classes, where)
        answers = pd.concat([frame[["item", "worker"]], labels], axis=1)
        kind.check(answers, job.items(), where)
        if kind.ONE_PER_ITEM:
            answers = answers.drop_duplicates(["item", "worker"], keep="last")
        now = pd.Timestamp(datetime.now(UTC)).as_unit("us")
        return answers.assign(submitted_at=now, seconds=float("nan"))


def in_order(path: str) -> tuple:
    """`ann.csv`, `ann (1).csv`, `ann-2.csv`, `ann-10.csv` in this order, as people count."""
    name = re.split(r"([0-9]+)", path[: -len(".csv")])
    return [(int(part) if part.isdecimal() else -1, part) for part in name], path
