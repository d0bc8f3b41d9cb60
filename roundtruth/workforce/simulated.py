"""Simulated people: they answer with the truth and err as a real crowd does, or repeat answers that were recorded.

Everything about an answer follows from the job's seed, the worker's name and the item's source. Run again, in another
order or in other batches, each worker errs the same way on the same item.
"""

from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from roundtruth import csv_table, kinds, manifest
from roundtruth.chance import uniforms
from roundtruth.errors import Mistakes, UserError, refuse_all
from roundtruth.kinds.common import adjusted, attributes
from roundtruth.plural import counted
from roundtruth.settings import Address, Boxes, Number, Strict
from roundtruth.storage import read_given
from roundtruth.tables import as_answers, no_answers
from roundtruth.workforce import PER_ITEM, Collected, PerItem, crowds, sheets

DESCRIPTION = "simulated people"
PATHS = ("truth", "answers")
ABOUT = ["item", "source", "failure", "labeled", "width", "height"]  # the columns of items that are needed
POOL = 40  # workers; the crowds this was fitted on had 43, 39 and 52


class Settings(Strict):
    """People who are simulated from a truth that is known, or whose answers were recorded."""

    backend: Literal["simulated"] = Field("simulated", description="People who are simulated.")
    truth: Address | None = Field(None, description="A manifest with the true label of every item.")
    answers: Address | None = Field(
        None, description="Recorded answers to replay, a CSV with the columns item, worker and those of the label."
    )
    attribute: str | None = Field(
        None, description="The truth's label attribute; without it the job's, or the only one there is."
    )
    answers_per_item: PerItem = PER_ITEM
    noise: Annotated[Number, Field(ge=0, le=3)] = Field(
        1.0, description="0 answers with the truth, 1 errs as a real crowd does."
    )
    delay: Annotated[Number, Field(ge=0)] = Field(0.0, description="Seconds until a batch is answered in full.")

    @model_validator(mode="after")
    def one_source(self):
        if (self.truth is None) == (self.answers is None):
            raise ValueError("give either truth (a manifest) or answers (a CSV)")
        return self


def check(spec, items: pd.DataFrame) -> None:
    """Refuse a truth or a recording that cannot be used, before the job begins. `spec` is the job's."""
    if spec.workforce.truth is not None:
        truth(spec, items)
    else:
        recorded(spec, items)


class Backend:
    """With `delay`, answers come in one by one over so many seconds; without, all are there at once."""

    def __init__(self, job):
        self.job, self.kind = job, job.kind
        self.spec, self.seed = job.spec.workforce, job.spec.seed

    def ask(self, round: int, items: pd.DataFrame, labels: pd.DataFrame | None = None) -> dict:
        """Take the batch. Raises UserError where the truth or the recording cannot be used."""
        if len(items):
            self._answers(items["item"], items["answers"].to_numpy(), self._given(round))
        return {"posted_at": datetime.now(UTC).isoformat(), "items": items["item"].tolist()}

    def collect(self, posted: dict[int, dict]) -> Collected:
        """The answers that there are by now to the batches that are still open: simulated people are never late."""
        opened = {round: asked for round, asked in posted.items() if not self.job.has(round, "closed.json")}
        parts = [self._said(round, asked) for round, asked in opened.items()]
        answers = pd.concat(parts, ignore_index=True) if parts else no_answers(self.kind)
        there = answers["submitted_at"] <= pd.Timestamp(datetime.now(UTC))
        notes: list[str] | None = []
        if self.spec.answers is not None:  # which is not read again once all batches are closed
            notes = self._recording[1] if opened else None
        return Collected(answers[there], bool(there.all()), notes=notes)

    def truth(self) -> pd.DataFrame | None:
        """The true labels (item, label columns, confidence), where people are simulated from them."""
        return self._truth if self.spec.truth is not None else None

    def _said(self, round: int, asked: dict) -> pd.DataFrame:
        """The answers to a batch that the job does not have yet, also those that are still to come."""
        items = pd.Series(asked["items"], dtype=np.int64)
        answers = self._answers(items, np.array(asked["answers"]), self._given(round))
        names = answers["worker"], self._source(answers["item"])
        start = pd.Timestamp(asked["posted_at"]).as_unit("us")
        after = pd.to_timedelta(self.spec.delay * uniforms(self.seed, "when", *names), unit="s").as_unit("us")
        seconds = 10.0 * np.exp(crowds.normals(self.seed, "seconds", *names))
        return as_answers(answers.assign(submitted_at=start + after, seconds=seconds), self.kind)

    def _given(self, round: int) -> pd.DataFrame:
        """Who gave a label to which item of a batch (item, worker), maybe by files before the job file named this
        backend."""
        said = self.job.answers(round, columns=["item", "worker", "reason"])
        return said.loc[said["reason"].isna(), ["item", "worker"]].drop_duplicates()

    def _source(self, items: pd.Series) -> pd.Series:
        sources = self.job.items(["item", "source"])
        return items.map(sources.set_index("item")["source"])

    def _answers(self, items: pd.Series, count: np.ndarray, given: pd.DataFrame) -> pd.DataFrame:
        """As many answers as each of some items needs to have `count`, or as many as were recorded: item, worker and
        the label columns. given: (item, worker) of the answers that there are, by whomever."""
        wanted = pd.Series(count, index=items).sub(given["item"].value_counts(), fill_value=0).clip(lower=0)
        if self.spec.answers is not None:
            return self._replayed(wanted, given)
        known = self._truth[self._truth["item"].isin(items)]
        about = self.job.items(["item", "source", "width", "height"])
        about = about.rename(columns={"width": "picture_width", "height": "picture_height"})  # a box has such names too
        asked = about[about["item"].isin(items)].reset_index(drop=True)
        people = max(POOL, self.job.spec.asking.most)
        taken = given.assign(place=given["item"].map(pd.Series(asked.index, index=asked["item"]))).dropna()
        assigned = assign(asked["source"], asked["item"].map(wanted).to_numpy(), self.seed, people, taken)
        assigned = asked.take(assigned["place"]).assign(worker=assigned["worker"].to_numpy())
        assigned = assigned.merge(known[["item", *self.kind.COLUMNS]], on="item")
        return self._simulated(assigned)

    def _replayed(self, wanted: pd.Series, given: pd.DataFrame) -> pd.DataFrame:
        """`wanted` recorded answers to each item (its index), from people who gave it none yet."""
        pairs = self._turns.merge(given, on=["item", "worker"], how="left", indicator="there")
        pairs = pairs[pairs["there"] == "left_only"]
        chosen = pairs[pairs.groupby("item").cumcount() < pairs["item"].map(wanted).fillna(0)]
        return self._recording[0].merge(chosen[["item", "worker"]], on=["item", "worker"])

    def _simulated(self, assigned: pd.DataFrame) -> pd.DataFrame:
        """What the workers say of the items that each was given."""
        if self.spec.noise == 0:
            return assigned[["item", "worker", *self.kind.COLUMNS]].reset_index(drop=True)
        crowd = crowds.get(self.kind)
        if crowd is None:
            raise UserError(
                f"workforce: nobody knows how people err in jobs of {self.job.spec.kind}; set noise: 0, and they do not"
            )
        return crowd.simulate_answers(assigned, self.job.spec.classes, self.seed, self.spec.noise)

    @cached_property
    def _truth(self) -> pd.DataFrame:
        return truth(self.job.spec, self.job.items(ABOUT))

    @cached_property
    def _recording(self) -> tuple[pd.DataFrame, list[str]]:
        return recorded(self.job.spec, self.job.items(ABOUT))

    @cached_property
    def _turns(self) -> pd.DataFrame:
        """(item, worker) of all recorded answers, in the order in which people answer an item, by chance."""
        alone = self._recording[0][["item", "worker"]].drop_duplicates()
        chance = uniforms(self.seed, "recorded", alone["worker"], self._source(alone["item"]))
        return alone.assign(turn=chance).sort_values(["item", "turn"])[["item", "worker"]]


def assign(
    sources: pd.Series, count: np.ndarray | int, seed: int, people: int = POOL, taken: pd.DataFrame | None = None
) -> pd.DataFrame:
    """`count` different workers for each source, by chance: columns place (in `sources`), worker. A higher count of a
    source adds workers to those that it had. people: how many workers there are. taken: workers who are passed over,
    columns place, worker."""
    pool = np.array([f"worker-{number:02d}" for number in range(1, people + 1)], dtype=object)
    turn = uniforms(seed, "who", np.repeat(sources.to_numpy(object), len(pool)), np.tile(pool, len(sources)))
    turn = turn.reshape(len(sources), len(pool))
    if taken is not None:
        of_pool = pd.Index(pool).get_indexer(taken["worker"])
        turn[taken["place"].to_numpy(int)[of_pool >= 0], of_pool[of_pool >= 0]] = np.inf
    chosen = turn.argsort(axis=1).argsort(axis=1) < np.broadcast_to(count, len(sources))[:, None]
    place, worker = np.nonzero(chosen)
    return pd.DataFrame({"place": place, "worker": pool[worker]})


def truth(spec, items: pd.DataFrame) -> pd.DataFrame:
    """The true labels (item, label columns, confidence) of a job's items (ABOUT), from the manifest `workforce.truth`.

    Lines are matched to items by source, else by file name where that is unique on both sides. Raises UserError where
    an item that people may be asked about has no line.
    """
    kind, url = kinds.get(spec.kind), spec.workforce.truth
    records = list(manifest.read(url))
    line = match(items["source"], pd.Series([record.get("source-ref", record.get("source")) for record in records]))
    asked = (items["failure"].isna() & ~items["labeled"]).to_numpy()
    lost, mistakes = items[asked & (line < 0)], Mistakes(url)
    attribute = label_attribute(records, kind.TYPE, url, spec)
    with mistakes.collecting():
        refuse_all(
            range(len(lost)),
            lambda row: (
                f"{url}: line 1: source-ref: no line is about {lost['source'].iloc[row]}, line "
                f"{lost['item'].iloc[row]} of the data"
            ),
        )
    # An item that came labeled need not have a truth
    have = [
        item
        for item, at, needed in zip(items["item"].tolist(), line.tolist(), asked.tolist())
        if at >= 0 and (needed or records[at].get(attribute) is not None)
    ]
    lines = [int(line[item - 1]) for item in have]

    def where(item: int, box: int = 0) -> str:
        field = f": field {attribute}: box {box}" if box else ""
        return f"{url}: line {line[item - 1] + 1}{field}"

    with mistakes.collecting():
        labels = kind.decode([records[at] for at in lines], np.array(have, np.int64), attribute, spec.classes, where)
    mistakes.refuse()
    sizes = [manifest.stated_size(records[at][attribute]) for at in lines]
    known = pd.DataFrame(sizes, columns=["stated_width", "stated_height"], index=have)
    known = known.join(items.set_index("item")[["width", "height"]]).assign(orientation=1)
    fitted = kind.fit(labels, known, spec.boxes or Boxes(), where).labels
    return fitted[["item", *kind.COLUMNS, "confidence"]].reset_index(drop=True)


def match(sources: pd.Series, known: pd.Series) -> np.ndarray:
    """Where each of `sources` stands in `known`, the last where it stands twice; -1 where it does not."""
    place = pd.Series(known.index, index=known)
    place = place[~place.index.duplicated(keep="last")]
    names, known_names = (column.str.extract("([^/]*)/*$", expand=False) for column in (sources, known))
    by_name = pd.Series(known_names.index, index=known_names)[~known_names.duplicated(keep=False).to_numpy()]
    by_name = names.map(by_name).where(~names.duplicated(keep=False))
    return sources.map(place).fillna(by_name).fillna(-1).to_numpy(np.int64)


def label_attribute(records: list[dict], kind: str, url: str, spec) -> str:
    """The attribute of a manifest whose metadata has the type `kind`. Of several, the one that the job file names, else
    the one that an adjustment job wrote."""
    found = {name for record in records for name in attributes(record, kind)}
    named = spec.workforce.attribute
    if named or spec.attribute in found:
        counts = found & {named or spec.attribute}
    else:
        counts = {name for name in found if any(adjusted(record, name) for record in records)} or found
    if len(counts) != 1:
        names = ", ".join(sorted(found)) or "none"
        which = "; name the one that counts: `workforce: {attribute: NAME}` in the job file" if found else ""
        raise UserError(f"{url}: line 1: there must be one label attribute of type {kind}, there is: {names}{which}")
    return counts.pop()


def recorded(spec, items: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The recorded answers (item, worker, label columns) in the CSV `workforce.answers`, for a job's items
    (ABOUT); and what was put right or passed over, a line each.

    Answers to what is no item of the job are left out. Of a worker's several answers to one item the last counts.
    Raises UserError, which counts all mistakes.
    """
    kind, url = kinds.get(spec.kind), spec.workforce.answers
    sheet = recorded_sheet(url, kind)
    frame = sheet.whole()
    number = frame["item"].map(pd.Series(items["item"].to_numpy(), index=items["source"]))
    number = number.fillna(pd.to_numeric(frame["item"], errors="coerce").where(lambda value: value.isin(items["item"])))
    if not number.notna().any() and not len(sheet.mistakes):
        raise UserError(f"{url}: line 2: field item: no row is about an item of the data; give its source or its line")
    mine = frame.assign(item=number)[number.notna()]
    found = sheets.read(mine, kind, spec.classes, items, sheet.mistakes)
    sheet.mistakes.refuse(lambda line: f"{url}: line {line}")
    answers = found.table.drop(columns="reason").astype(kind.COLUMNS)
    if kind.ONE_PER_ITEM:
        answers = answers.drop_duplicates(["item", "worker"], keep="last")
    notes, other = sheets.told([url], [sheet], [found]), int(number.isna().sum())
    notes += [f"{counted(other, 'recorded row[|s]')} about no item of the data, left out"] if other else []
    return answers.sort_values(["item", "worker"], kind="stable").reset_index(drop=True), notes


def recorded_sheet(url: str, kind: kinds.Kind) -> csv_table.Sheet:
    try:
        data = read_given(url)
    except FileNotFoundError:
        raise UserError(f"{url}: there is no such file; correct workforce in the job file") from None
    return csv_table.read(data, url, sheets.columns_of(kind, ["item", "worker"], ["source"]))
