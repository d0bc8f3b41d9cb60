"""Simulated people: they answer with the truth and err as a real crowd does, or repeat answers that were recorded.

Everything about an answer follows from the job's seed, the worker's name and the item's source: run again, in another
order or in other batches, each worker errs the same way on the same item.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from io import BytesIO
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from roundtruth import kinds, manifest
from roundtruth.draw import uniforms
from roundtruth.errors import UserError
from roundtruth.storage import read_url
from roundtruth.workforce import crowds

POOL = 40  # workers; the crowds this was fitted on had 43, 39 and 52


class Simulated:
    """A workforce backend. With `delay`, answers come in one by one over so many seconds; without, all are there at
    once."""

    LATE = False

    def __init__(self, job):
        self.job = job
        self.spec = job.spec.workforce
        self.seed = job.spec.seed
        self.kind = kinds.get(job.spec.kind)

    def post(self, round: int, batch: pd.DataFrame) -> dict:
        """Take the batch (item, role); a truth or a recording that cannot be used is a UserError here."""
        self._answers(batch["item"])
        return {"posted_at": datetime.now(UTC).isoformat(), "items": batch["item"].tolist()}

    def collect(self, round: int, batch: pd.DataFrame, posted: dict) -> tuple[pd.DataFrame, bool]:
        """(answers, done): the answers there are by now, and whether they are all that will ever come."""
        answers = self._answers(pd.Series(posted["items"], dtype=np.int64))
        start = pd.Timestamp(posted["posted_at"]).as_unit("us")
        names = answers["worker"], self._source(answers["item"])
        after = pd.to_timedelta(self.spec.delay * uniforms(self.seed, "when", *names), unit="s").as_unit("us")
        answers["submitted_at"] = start + after
        answers["seconds"] = 10.0 * np.exp(crowds.normals(self.seed, "seconds", *names))
        answers["batch"] = round
        now = pd.Timestamp(datetime.now(UTC))
        there = answers["submitted_at"] <= now
        return answers[there].reset_index(drop=True), bool(there.all())

    def _source(self, items: pd.Series) -> pd.Series:
        return items.map(self.job.items().set_index("item")["source"])

    def _answers(self, items: pd.Series) -> pd.DataFrame:
        """All answers to some items: item, worker and the label columns."""
        if self.spec.answers is not None:
            recorded = self._recorded
            return recorded[recorded["item"].isin(items)].reset_index(drop=True)
        known = self._truth[self._truth["item"].isin(items)]
        about = self.job.items()[["item", "source", "width", "height"]]
        about = about.rename(columns={"width": "picture_width", "height": "picture_height"})  # a box has such names too
        asked = about[about["item"].isin(items)].reset_index(drop=True)
        assigned = assign(asked["source"], self.spec.answers_per_item, self.seed)
        assigned = asked.take(assigned["place"]).assign(worker=assigned["worker"].to_numpy())
        assigned = assigned.merge(known[["item", *self.kind.COLUMNS]], on="item")
        if self.spec.noise == 0:
            return assigned[["item", "worker", *self.kind.COLUMNS]]
        crowd = crowds.get(self.job.spec.kind)
        if crowd is None:
            raise UserError(f"workforce: nobody knows how people err on {self.job.spec.kind}; set noise to 0")
        return crowd.simulate_answers(assigned, self.job.spec.classes, self.seed, self.spec.noise)

    @cached_property
    def _truth(self) -> pd.DataFrame:
        return truth(self.job)

    @cached_property
    def _recorded(self) -> pd.DataFrame:
        answers = recorded(self.job)
        alone = answers[["item", "worker"]].drop_duplicates()
        alone["turn"] = uniforms(self.seed, "recorded", alone["worker"], self._source(alone["item"]))
        alone = alone.sort_values(["item", "turn"]).groupby("item").head(self.spec.answers_per_item)
        return answers.merge(alone[["item", "worker"]], on=["item", "worker"])


def assign(sources: pd.Series, count: int, seed: int) -> pd.DataFrame:
    """`count` different workers for each source, by chance: columns place (in `sources`), worker."""
    pool = np.array([f"worker-{number:02d}" for number in range(1, max(POOL, count) + 1)], dtype=object)
    turn = uniforms(seed, "who", np.repeat(sources.to_numpy(object), len(pool)), np.tile(pool, len(sources)))
    turn = turn.reshape(len(sources), len(pool))
    chosen = np.sort(np.argsort(turn, axis=1)[:, :count], axis=1)
    return pd.DataFrame({"place": np.repeat(np.arange(len(sources)), count), "worker": pool[chosen.ravel()]})


def truth(job) -> pd.DataFrame:
    """The true labels (item, label columns, confidence) of the job's items, from the manifest `workforce.truth`.

    Lines are matched to items by source, else by file name where that is unique on both sides. UserError where an item
    that people may be asked about has no line.
    """
    kind, url = kinds.get(job.spec.kind), job.spec.workforce.truth
    records = list(_readable(lambda: list(manifest.read(url)), url))
    items = job.items()
    line = match(items["source"], pd.Series([record.get("source-ref", record.get("source")) for record in records]))
    asked = items["failure"].isna()
    if "labeled" in items:
        asked &= ~items["labeled"]
    if (asked & (line < 0)).any():
        lost = items.loc[(asked & (line < 0)).idxmax()]
        raise UserError(
            f"{url}: line 1: source-ref: no line is about {lost['source']}, line {lost['item']} of the data"
        )
    have = line >= 0
    place = dict(zip(items["item"][have].tolist(), line[have].tolist()))
    attribute = label_attribute(records, kind.TYPE, url)
    return kind.decode(
        [records[at] for at in place.values()],
        np.array(list(place), np.int64),
        attribute,
        job.spec.classes,
        lambda item: f"{url}: line {place[item] + 1}",
    )


def match(sources: pd.Series, known: pd.Series) -> np.ndarray:
    """Where each of `sources` stands in `known`, the last where it stands twice; -1 where it does not."""
    place = pd.Series(known.index, index=known)
    place = place[~place.index.duplicated(keep="last")]
    names, known_names = (column.map(_name) for column in (sources, known))
    by_name = pd.Series(known_names.index, index=known_names)[~known_names.duplicated(keep=False).to_numpy()]
    by_name = names.map(by_name).where(~names.duplicated(keep=False))
    return sources.map(place).fillna(by_name).fillna(-1).to_numpy(np.int64)


def _name(source) -> str:
    return PurePosixPath(str(source)).name


def label_attribute(records: list[dict], kind: str, url: str) -> str:
    """The one attribute of a manifest whose metadata has the type `kind`."""
    found = {
        key.removesuffix("-metadata")
        for record in records
        for key, value in record.items()
        if key.endswith("-metadata") and isinstance(value, dict) and value.get("type") == kind
    }
    if len(found) != 1:
        names = ", ".join(sorted(found)) or "none"
        raise UserError(f"{url}: line 1: there must be one label attribute of type {kind}; there is: {names}")
    return found.pop()


def recorded(job) -> pd.DataFrame:
    """The recorded answers (item, worker, label columns) in the CSV `workforce.answers`, for the job's items.

    Answers to what is no item of the job are left out. Of a worker's several answers to one item the last counts.
    """
    kind, url = kinds.get(job.spec.kind), job.spec.workforce.answers
    content = _readable(lambda: read_url(url), url)
    frame = _readable(
        lambda: pd.read_csv(BytesIO(content), dtype=str, keep_default_na=False, encoding="utf-8-sig"), url
    )
    for column in ("item", "worker"):
        if column not in frame:
            raise UserError(f"{url}: line 1: field {column}: the column is missing")
    items = job.items()
    lines = pd.Series(items["item"].to_numpy(), index=items["item"].astype(str))
    number = frame["item"].map(pd.Series(items["item"].to_numpy(), index=items["source"]))
    number = number.fillna(frame["item"].str.strip().map(lines))
    if not number.notna().any():
        raise UserError(f"{url}: line 2: field item: no row is about an item of the data; give its source or its line")
    frame = frame.assign(item=number)[number.notna()].astype({"item": np.int64})

    def where(index: int) -> str:
        return f"{url}: line {index + 2}"

    if (frame["worker"] == "").any():
        raise UserError(f"{where((frame['worker'] == '').idxmax())}: field worker: empty; name who answered")
    for column in kind.CSV:
        if column not in frame:
            raise UserError(f"{url}: line 1: field {column}: the column is missing")
    labels = kind.read_answers(frame[kind.CSV].apply(lambda text: text.str.strip()), job.spec.classes, where)
    answers = pd.concat([frame[["item", "worker"]], labels], axis=1)
    if kind.ONE_PER_ITEM:
        answers = answers.drop_duplicates(["item", "worker"], keep="last")
    return answers.sort_values(["item", "worker"], kind="stable").reset_index(drop=True)


def _readable(read: Callable, url: str):
    try:
        return read()
    except FileNotFoundError:
        raise UserError(f"{url}: there is no such file; correct workforce in the job file") from None
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UserError(f"{url}: line 1: not a CSV file in UTF-8: {str(error).splitlines()[0]}") from None
