"""People who answer by files: a batch is a CSV in the job folder, answers are CSVs dropped into people/answers/.

Answers may come at any time and in any number of files. A file that is still being copied does no harm: what a worker
says of an item is taken again when it has changed, until the batch is closed.
"""

import csv
import io
from datetime import UTC, datetime

import pandas as pd

from roundtruth.errors import UserError


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
        paths = [path for path in self.job.store.list("people/answers/") if path.endswith(".csv")]
        parts = [self.read(path) for path in paths]
        answers = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"item": [], "worker": []})
        answers = answers[answers["item"].isin(batch["item"])]
        # a worker who answers an item again, in a later file, corrects what was said before
        newest = answers.groupby(["item", "worker"])["file"].transform("max") if len(answers) else None
        answers = answers[answers["file"] == newest] if newest is not None else answers
        return answers.drop(columns="file", errors="ignore"), False

    def read(self, path: str) -> pd.DataFrame:
        """One file of answers as (item, worker, ..., submitted_at, seconds, file)."""
        job, name = self.job, f"{self.job.address}/{path}"
        kind, spec = job.kind, job.spec
        wanted = ["item", "worker", *(["label"] if kind.COLUMNS == ["class_id"] else ["class", *kind.COLUMNS[1:]])]
        try:
            text = job.store.read(path).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UserError(f"{name}: line 1: not UTF-8 text; save it as UTF-8 CSV") from None
        rows = list(csv.reader(io.StringIO(text)))
        header = [column.strip() for column in rows[0]] if rows else []
        if sorted(header) != sorted(wanted):
            odd = [c for c in header if c not in wanted] or [c for c in wanted if c not in header] or header
            raise UserError(f"{name}: line 1: column {odd[0] if odd else '?'}: the columns are {', '.join(wanted)}")
        lines = [number for number, row in enumerate(rows[1:], 2) if row]
        rows = [row for row in rows[1:] if row]
        for line, row in zip(lines, rows):
            if len(row) != len(header):
                raise UserError(f"{name}: line {line}: {len(row)} fields where the header has {len(header)}")
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
        return frame[["item", "worker"]].assign(
            **{column: labels[column].to_numpy() for column in kind.COLUMNS},
            submitted_at=pd.Timestamp(datetime.now(UTC)).as_unit("us"),
            seconds=float("nan"),
            file=path,
        )
