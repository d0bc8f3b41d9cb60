"""The predictions that a job is given in place of a learner: read from a file, checked against the items, and kept in
the job folder. docs/predictions.md describes the files.

In the job folder they are predictions/NNNN.parquet, one table a model, as a learner's predictions are: item, the
kind's columns, score. predictions/about.json is written last.
"""

import hashlib
import io
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import NamedTuple

import pandas as pd

from roundtruth import csv_table, kinds
from roundtruth.errors import Mistakes, UserError, naming, refuse_all
from roundtruth.formats import coco
from roundtruth.job import Job
from roundtruth.kinds import Kind
from roundtruth.kinds.common import RowMistakes, changed
from roundtruth.plural import counted
from roundtruth.spec import JobSpec
from roundtruth.storage import read_needed
from roundtruth.workforce import names, sheets, simulated

ABOUT = "predictions/about.json"
SCORE = "write (score - lowest) / (highest - lowest) in place of each score, which keeps their order"
HEAD = 1_000_000  # bytes of a CSV in which its header ends
MOST_CUT = 0.5  # if a larger share of boxes reaches out of the pictures, they are written in another way
OTHER = "row[|s] of the predictions [is|are] about no item of the data, and left out"
WITHOUT = "item[|s] [has|have] no prediction: [it is|they are] taken to have nothing on [it|them], with score 0"
CUT = "box[|es] reached out of [its picture|their pictures], and [was|were] cut at [its|their] edge"
OUTSIDE = (
    "reach out of their pictures; give left, top, width and height, in pixels of the picture in the data as it is seen"
)


class Given(NamedTuple):
    """Predictions of the items."""

    # (item, the kind's columns, score), sorted by item, for each model; "" is the name of a model that is alone
    tables: dict[str, pd.DataFrame]
    notes: list[str]  # what a person should know about them, a line each
    digest: str  # of the file


class Rows(NamedTuple):
    """The rows of a file of predictions."""

    models: list[str]  # their names; [""]: there is one
    frame: pd.DataFrame  # `columns_of` the models, as text
    mistakes: RowMistakes
    place: Callable[[int], str]  # where in the file a row of `frame` stands
    notes: list[str]


def digest(path: str) -> str:
    """The SHA-256 of a file of predictions."""
    with naming("predictions"):
        return hashlib.sha256(read_needed(path)).hexdigest()


def write(job: Job, given: Given) -> None:
    """Keep the predictions in the job folder."""
    for number, table in enumerate(given.tables.values(), 1):
        if not job.there(f"predictions/{number:04d}.parquet"):
            job.write_table(f"predictions/{number:04d}.parquet", table)
    job.write_json(ABOUT, {"models": list(given.tables), "notes": given.notes})


def read(spec: JobSpec, items: pd.DataFrame) -> Given:
    """The predictions in the job's file. items: (item, source, labeled, width, height, failure), one row an item.

    Raises UserError, which counts all mistakes.
    """
    with naming("predictions"):
        return _read(spec, items)


def _read(spec: JobSpec, items: pd.DataFrame) -> Given:
    path, kind = spec.predictions, kinds.get(spec.kind)
    assert path is not None
    data = read_needed(path)
    rows, other = about_items(path, rows_of(path, data, kind, spec.data), items)
    found = {model: labels_of(rows, model, items, kind, spec.classes) for model in rows.models}
    wanted = items["failure"].isna() & ~items["labeled"]
    without = items[wanted & ~items["item"].isin(rows.frame["item"])]
    refuse(path, rows, without if kind.ONE_PER_ITEM else without[:0])
    nothing = nothing_on(without["item"], kind)
    notes = [*rows.notes, *(note for _, told in found.values() for note in told)]
    tables = {
        model: pd.concat([table, nothing]).sort_values("item", kind="stable", ignore_index=True)
        for model, (table, _) in found.items()
    }
    notes += [counted(number, what) for number, what in ((other, OTHER), (len(without), WITHOUT)) if number]
    return Given(tables, notes, hashlib.sha256(data).hexdigest())


def survey(spec: JobSpec, items: pd.DataFrame) -> None:
    """Raise UserError for the mistakes in the job's file that show without a look at the pictures. items: (item,
    source)."""
    with naming("predictions"):
        path, kind = spec.predictions, kinds.get(spec.kind)
        assert path is not None
        rows, _ = about_items(path, rows_of(path, read_needed(path), kind, spec.data), items)
        for model in rows.models:
            mistakes = RowMistakes()
            said_by(rows, model, kind, spec.classes, mistakes)
            add(rows, model, kind, mistakes)
        refuse(path, rows, items[:0])


def about_items(path: str, rows: Rows, items: pd.DataFrame) -> tuple[Rows, int]:
    """The rows that are about items, with their numbers; and how many others there are that are no mistakes."""
    number = items_of(rows, items)
    if not number.notna().any() and not len(rows.mistakes):
        raise UserError(
            f"{path}: {rows.place(rows.frame.index[0])}: field item: no row is about an item of the data; give its "
            "source, or its number"
        )
    other = int((number.isna() & ~number.index.isin(rows.mistakes.rows())).sum())
    frame = rows.frame.assign(item=number)[number.notna()].astype({"item": "int64"})
    return rows._replace(frame=frame), other


def refuse(path: str, rows: Rows, without: pd.DataFrame) -> None:
    """Raise UserError where there are mistakes, and for items (item, source) that have no prediction."""
    mistakes = Mistakes(path)
    with mistakes.collecting():
        rows.mistakes.refuse(lambda row: f"{path}: {rows.place(row)}")

    def say(row: int) -> str:
        item, source = without["item"].iloc[row], without["source"].iloc[row]
        return f"{path}: item {item}: there is no prediction of {source}; every item to label needs one"

    with mistakes.collecting():
        refuse_all(range(len(without)), say)
    mistakes.refuse()


# -- the file


def rows_of(path: str, data: bytes, kind: Kind, dataset: str) -> Rows:
    """The rows of a CSV, Parquet or COCO file. dataset: the job's `data`."""
    ending = PurePosixPath(path).suffix.lower()
    if ending == ".csv":
        rows = of_csv(path, data, kind)
    elif ending == ".parquet":
        rows = of_parquet(path, data, kind)
    elif ending == ".json":
        rows = of_coco(path, dataset, kind)
    else:
        raise UserError(f"{path}: its name ends in none of .csv, .parquet, .json (COCO); give it the right ending")
    if rows.frame.empty and not len(rows.mistakes):
        raise UserError(f"{path}: empty; there are no predictions in it")
    return rows


def models_in(header: list[str], kind: Kind) -> list[str]:
    """The names of several models, whose columns are `a.label` and `a.score`; [""] where the columns have no names."""
    label, score = f".{kind.CSV[0]}", ".score"
    columns = [csv_table.tidy(name) for name in header]
    named = {name: end for name in columns for end in (label, score) if name.endswith(end) and name != end}
    if not kind.ONE_PER_ITEM or label not in named.values():
        return [""]
    return list(dict.fromkeys(name.removesuffix(end) for name, end in named.items()))


def columns_of(models: list[str], kind: Kind) -> list[str]:
    return ["item", *(named(column, model) for model in models for column in [*kind.CSV, "score"])]


def named(column: str, model: str) -> str:
    return f"{model}.{column}" if model else column


def of_csv(path: str, data: bytes, kind: Kind) -> Rows:
    models = models_in(csv_table.parse(data[:HEAD], csv_table.Columns(["item"]), growing=True).header, kind)
    numbers = ["item", *(named(column, model) for model in models for column in ["score", *csv_table.numbers_of(kind)])]
    sheet = csv_table.read(data, path, csv_table.Columns(columns_of(models, kind), numbers=numbers))
    return Rows(models, sheet.whole(), sheet.mistakes, lambda line: f"line {line}", sheets.told([path], [sheet], []))


def of_parquet(path: str, data: bytes, kind: Kind) -> Rows:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(data))
        header = file.schema_arrow.names
        models = models_in(header, kind)
        columns = csv_table.Columns(columns_of(models, kind))
        tidy, problems = csv_table.header_of(header, columns)
        if problems:
            raise UserError(f"{path}: {'; '.join([*problems, columns.expected()])}")
        place = {name: header[tidy.index(name)] for name in columns.needed}
        table = file.read(list(place.values()))
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: not Parquet ({str(error).splitlines()[0]}); write the file anew") from None
    text = {}
    for name, column in place.items():
        try:
            text[name] = pc.fill_null(pc.cast(table[column], pa.large_string()), "").to_pandas()
        except pa.ArrowException:
            what = f"the column holds {table[column].type}, which is not text; write text or numbers"
            raise UserError(f"{path}: field {name}: {what}") from None
    frame = pd.DataFrame(text, dtype="str").apply(lambda column: column.str.strip())
    frame.index += 1
    other = [name for name in tidy if name not in columns.needed]
    notes = [f"{counted(len(other), 'column[|s]')} not read: {sheets.listed(other)}"] if other else []
    return Rows(models, frame, RowMistakes(), lambda row: f"row {row}", notes)


def of_coco(path: str, dataset: str, kind: Kind) -> Rows:
    found = coco.results(path, dataset)
    names_of = {"file_name": "item", "category": kind.CSV[0]}
    frame = found.rows.rename(columns=names_of)[["item", *kind.CSV, "score"]]
    mistakes, label = RowMistakes(), kind.CSV[0]
    mistakes.add(found.unknown, label, lambda row: f"{frame[label][row]} is the id of no category; correct it")
    return Rows([""], frame, mistakes, found.place, [])


# -- what the rows say


def items_of(rows: Rows, items: pd.DataFrame) -> pd.Series:
    """The item of each row, by its source, its file name or its number; NaN where it is about no item."""
    named, sources = rows.frame["item"], names.tidy(items["source"])
    tidy = names.tidy(named)
    by_source = pd.Series(items["item"].to_numpy(), index=sources)
    found = tidy.map(by_source[~by_source.index.duplicated()]).astype(float)
    if found.notna().all():
        return found
    known = pd.Series(tidy.unique(), dtype="str")
    place = simulated.match(sources, known)
    by_name = pd.Series(items["item"].to_numpy()[place >= 0], index=known[place[place >= 0]])
    number = pd.to_numeric(named, errors="coerce")
    number = number.where(number.isin(items["item"]) & found.isna() & tidy.map(by_name).isna())
    refuse_stems(rows, number, items)
    found = found.fillna(tidy.map(by_name)).fillna(number)
    pictures = names.Pictures(items, items["item"])
    unsure = found.isna() & names.last(tidy).isin(pictures.several)
    rows.mistakes.add((named == "") | unsure, "item", lambda row: pictures.unknown(names.last(tidy[[row]])[row]))
    return found


def refuse_stems(rows: Rows, number: pd.Series, items: pd.DataFrame) -> None:
    """Refuse a number that is another picture's name without its ending: 2 where 2.png is item 12. number: the item
    of a row by its number, NaN where that does not count."""
    last = names.last(names.tidy(items["source"])).set_axis(items["item"])
    stems = last.str.replace(r"\.[^.]*$", "", regex=True)
    stems = pd.Series(stems.index, index=stems)[lambda item: ~item.index.duplicated()]
    other = rows.frame["item"].map(stems)
    unsure = number.notna() & other.notna() & (other != number)
    rows.mistakes.add(
        unsure,
        "item",
        lambda row: (
            f"{rows.frame['item'][row]!r} may be item {number[row]:.0f}, {last[number[row]]}, or {last[other[row]]}; "
            "write the name of the picture, with its ending"
        ),
    )


def labels_of(
    rows: Rows, model: str, items: pd.DataFrame, kind: Kind, classes: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """(labels, notes): (item, the kind's columns, score) of a model's rows without a mistake; the others are added to
    the mistakes. `item` of the rows' frame is known."""
    mistakes, sizes = RowMistakes(), items[["item", "width", "height"]]
    said = said_by(rows, model, kind, classes, mistakes)
    kind.suspect(said, sizes, mistakes)
    right = kind.within(said.assign(row=said.index), sizes).set_index("row").rename_axis(None)
    cut = changed(kind, said.loc[right.index], right) + len(said) - len(right)
    if cut > MOST_CUT * len(said):
        mistakes.add(pd.Series(True, said.index[:1]), "", f"{counted(cut, 'box[|es]')} of {len(said):,} {OUTSIDE}")
    kind.check(right.assign(worker="the file"), sizes, mistakes)
    add(rows, model, kind, mistakes)
    return right.reset_index(drop=True), [counted(cut, CUT)] if cut else []


def said_by(rows: Rows, model: str, kind: Kind, classes: list[str], mistakes: RowMistakes) -> pd.DataFrame:
    """(item, the kind's columns, score) of a model's rows, without those that have a mistake by themselves."""
    own = [*kind.CSV, "score"]
    frame = rows.frame[["item", *(named(column, model) for column in own)]].set_axis(["item", *own], axis=1)
    labels = kind.read_answers(frame[["item", *kind.CSV]].assign(worker=""), classes, mistakes)
    said = pd.concat([frame["item"], labels[list(kind.COLUMNS)], scores_of(frame["score"], mistakes)], axis=1)
    if kind.ONE_PER_ITEM:
        first = pd.Series(frame.index, index=frame["item"])
        first = first[~first.index.duplicated()]
        again = frame.duplicated("item")
        same = frame["item"].map(first)
        mistakes.add(again, "item", lambda row: f"{rows.place(same[row])} is about this item already; keep one")
    return sheets.without(said, mistakes).astype(kind.COLUMNS)


def add(rows: Rows, model: str, kind: Kind, mistakes: RowMistakes) -> None:
    """Add a model's mistakes to those of the rows, under the names of its columns."""
    for bad, field, what in mistakes.found:
        rows.mistakes.found.append((bad, named(field, model) if field in (*kind.CSV, "score") else field, what))


def scores_of(text: pd.Series, mistakes: RowMistakes) -> pd.Series:
    score = pd.to_numeric(text, errors="coerce").astype(float)
    mistakes.add(
        text == "", "score", "empty; every prediction needs a score from 0 to 1, higher if the model is more confident"
    )
    mistakes.add(score.isna(), "score", lambda row: f"{text[row][:60]!r} is no number; write one from 0 to 1")
    mistakes.add(~score.between(0, 1), "score", lambda row: f"{text[row][:60]} is no number from 0 to 1; {SCORE}")
    return score.rename("score")


def nothing_on(items: pd.Series, kind: Kind) -> pd.DataFrame:
    """Predictions that there is nothing on some items, which nobody is sure of."""
    none = {"int64": -1, "float64": 0.0, "str": ""}
    values = {name: none.get(dtype, -1) for name, dtype in kind.COLUMNS.items()}
    return pd.DataFrame({"item": items.to_numpy(), **values, "score": 0.0}).astype({"item": "int64", **kind.COLUMNS})
