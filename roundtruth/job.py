"""Job: the job folder. What is done is derived from what is there.

    job.json                  the spec as first given, the dataset's fingerprint and size
    amendments/0001.json      what a person changed on the way
    weights/backbone.pth      the backbone weights the job uses; origin.json says where they are from
    items/0001.parquet        the items, in shards
    certificate.json          what the plan certified fixed before anybody was asked; coins.parquet
    rounds/001/batch.parquet  who is asked what, and what for
              /posted.json    the backend's handle
              /answers/0001.parquet   what one collection brought
              /closed.json    the batch's end: which answers count
              /labels.parquet, workers.parquet
              /model/model.pt
              /predictions/0001.parquet, done.json
              /threshold.json
              /auto.parquet
    output/output.manifest, report/

Every file is written once, by `roundtruth.steps`, but for output/, report/ and the lease.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import pandas as pd

from roundtruth import formats, kinds, learners
from roundtruth.errors import UserError
from roundtruth.spec import JobSpec
from roundtruth.storage import Lease, open_store, read_url, resolve

SHARD = 100_000  # items a file
AMENDABLE = ("budget", "target", "prices", "workforce", "learner")

Progress = Callable[[int, int, str], None]


class Job:
    """A begun job at an address. Opening reads job.json and the amendments only; what was read once is kept."""

    def __init__(self, address: str):
        self.store = open_store(address)
        self.address = self.store.address
        # what is written once stays: on S3 every look is a request, and a job looks at its batches again and again
        self._there: set[str] = set()
        self._tables: dict[str, pd.DataFrame] = {}
        try:
            self.begun = self.store.read_json("job.json")
        except FileNotFoundError:
            raise UserError(f"{address}: there is no job in this folder yet; begin it with `roundtruth run`") from None
        given = dict(self.begun["spec"])
        self.stopped = False
        for path in self.store.list("amendments/"):
            change = self.store.read_json(path)
            self.stopped |= change.pop("stop", False)
            given.update(change)
        self.spec = JobSpec.model_validate(given)
        self.kind = kinds.get(self.spec.kind)

    # -- what was asked for

    @cached_property
    def _items(self) -> pd.DataFrame:
        return self.store.read_tables("items/")

    def items(self) -> pd.DataFrame:
        """(item, source, url, record, width, height, depth, failure), one row an item, in input order."""
        return self._items

    def input_labels(self) -> pd.DataFrame:
        """The labels that items came with: (item, ..., confidence, source, role, round)."""
        items = self.items()
        mine = items[items.labeled]
        labels = came_with_labels([json.loads(record) for record in mine["record"]], mine["item"], self.spec)
        return labels.assign(source="input", role="input", round=0)

    @cached_property
    def _truth(self) -> pd.DataFrame:
        from roundtruth.workforce.simulated import truth

        return truth(self)

    def truth(self) -> pd.DataFrame | None:
        """The truth of the items (item, ...), where the workforce is simulated from one."""
        return None if getattr(self.spec.workforce, "truth", None) is None else self._truth

    # -- what each round wrote

    def path(self, round: int, name: str) -> str:
        return f"rounds/{round:03d}/{name}"

    def has(self, round: int, name: str) -> bool:
        path = self.path(round, name)
        if path not in self._there and self.store.exists(path):
            self._there.add(path)
        return path in self._there

    def _table(self, path: str) -> pd.DataFrame:
        if path not in self._tables:
            self._tables[path] = self.store.read_table(path)
        return self._tables[path].copy(deep=False)

    def last_round(self) -> int:
        """The newest round that has a batch; 0 before the first."""
        round = 0
        while self.has(round + 1, "batch.parquet"):
            round += 1
        return round

    def batch(self, round: int) -> pd.DataFrame:
        return self._table(self.path(round, "batch.parquet"))

    def answers(self, round: int, counted: bool = False) -> pd.DataFrame:
        """The answers to a round's batch; where a worker corrected one before the close, the newest.

        `counted`: only those that came before the batch was closed.
        """
        prefix = self.path(round, "answers/")
        files = self.store.list(prefix)
        if counted:
            files = files[: self.store.read_json(self.path(round, "closed.json"))["files"]]
        parts = [self._table(file).assign(file=i) for i, file in enumerate(files)]
        if not parts:
            return no_answers(self.kind)
        answers = pd.concat(parts, ignore_index=True)
        newest = answers.groupby(["item", "worker"])["file"].transform("max")
        return answers[answers["file"] == newest].drop(columns="file").reset_index(drop=True)

    def labels(self, round: int) -> pd.DataFrame:
        return self._table(self.path(round, "labels.parquet"))

    def predictions(self, round: int) -> pd.DataFrame:
        return self.store.read_tables(self.path(round, "predictions/"))

    def threshold(self, round: int) -> dict | None:
        path = self.path(round, "threshold.json")
        return self.store.read_json(path) if self.store.exists(path) else None

    def auto(self, round: int) -> pd.DataFrame:
        return self._table(self.path(round, "auto.parquet"))

    def seconds(self, round: int) -> dict[str, float]:
        """Wall seconds of the steps of a round that did something."""
        prefix = self.path(round, "seconds/")
        return {
            path[len(prefix) : -len(".json")]: self.store.read_json(path)["seconds"] for path in self.store.list(prefix)
        }

    # -- what the rounds add up to

    def rounds_with(self, name: str) -> list[int]:
        return [r for r in range(1, self.last_round() + 1) if self.has(r, name)]

    def asked(self) -> pd.DataFrame:
        """Every item that was put in a batch: (item, role, round)."""
        parts = [self.batch(r).assign(round=r) for r in range(1, self.last_round() + 1)]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"item": [], "role": [], "round": []})

    def roles(self, until: int) -> pd.DataFrame:
        """The newest row of each item of `asked` up to a round."""
        asked = self.asked()
        return asked[asked["round"] <= until].drop_duplicates("item", keep="last")

    def asks(self, round: int) -> pd.DataFrame:
        """The part of a round's batch that people are asked about: what was not answered in an earlier one."""
        asked, batch = self.asked(), self.batch(round)
        return batch[~batch["item"].isin(asked["item"][asked["round"] < round])].reset_index(drop=True)

    def human_labels(self, until: int | None = None) -> pd.DataFrame:
        """People's labels, the newest word on each item (up to a round); `round` is the one that asked about it."""
        rounds = [r for r in self.rounds_with("labels.parquet") if until is None or r <= until]
        labels = self._rows([self.labels(r) for r in rounds])
        labels = labels[labels["round"] == labels.groupby("item")["round"].transform("max")]
        first = self.asked().drop_duplicates("item").set_index("item")["round"]
        return labels.assign(round=labels["item"].map(first).astype("int64")).reset_index(drop=True)

    def auto_labels(self) -> pd.DataFrame:
        """The model's labels. By the plan certified those of the last look, until people are asked for another one."""
        rounds = self.rounds_with("auto.parquet")
        if self.spec.plan == "certified":
            asked = self.asked()
            last = asked["round"][asked["role"] != "rest"].max()
            rounds = [r for r in rounds[-1:] if not last > r]
        return self._rows([self.auto(r) for r in rounds])

    def outcome(self) -> pd.DataFrame:
        """The labels so far: (item, ..., confidence, source, role, round)."""
        return self._rows([self.input_labels(), self.human_labels(), self.auto_labels()])

    def _rows(self, tables: list[pd.DataFrame]) -> pd.DataFrame:
        tables = [table for table in tables if len(table)]
        return pd.concat(tables, ignore_index=True) if tables else no_labels(self.kind)

    def pool(self) -> np.ndarray:
        """The items nobody has labeled and nobody was asked about, in input order."""
        items = self.items()
        taken = np.concatenate([self.asked()["item"], self.auto_labels()["item"], items["item"][items.labeled]])
        return items["item"][items.failure.isna() & ~items["item"].isin(taken)].to_numpy()

    def failures(self) -> pd.Series:
        """Why an item has no label, by item: only those without one."""
        items = self.items().set_index("item")
        reason = pd.Series(
            f"the job was stopped before this item was labeled; it goes on with a higher budget: {self.spec.name}"
            if not self.stopped
            else "the job was stopped before this item was labeled",
            index=items.index,
        )
        reason[reason.index.isin(self.asked()["item"])] = "nobody answered"
        reason[items.failure.notna()] = items.failure.dropna()
        return reason[~reason.index.isin(self.outcome()["item"])]

    def workers(self) -> pd.DataFrame | None:
        """(worker, answers, skill) as the newest consolidation saw them."""
        rounds = self.rounds_with("workers.parquet")
        return self.store.read_table(self.path(rounds[-1], "workers.parquet")) if rounds else None

    def model_round(self, round: int) -> int:
        """The round of the newest model there was in a round: the one that its threshold is for."""
        return max(r for r in self.rounds_with("predictions/done.json") if r <= round)

    def validation(self, round: int) -> pd.DataFrame | None:
        """(item, score, quality) of the validation items against the model that a round's threshold is for."""
        models = [r for r in self.rounds_with("predictions/done.json") if r <= round]
        if not models or not (self.has(round, "threshold.json") or models[-1] == round):
            return None
        people = self.human_labels(until=round)
        people = people[people.role.isin(("probe", "validation"))]
        predictions = self.predictions(models[-1])
        predictions = predictions[predictions["item"].isin(people["item"])]
        quality = self.kind.quality(predictions, people)
        score = self.kind.confidence(predictions)
        return pd.DataFrame({"score": score, "quality": quality}).rename_axis("item").dropna().reset_index()

    def weights_origin(self) -> str | None:
        """Where the pretrained weights are from, or why there are none; None before a model was trained."""
        path = "weights/origin.json"
        return self.store.read_json(path)["origin"] if self.store.exists(path) else None

    def summary(self) -> dict:
        from roundtruth import ledger

        return ledger.summary(self)


def no_answers(kind) -> pd.DataFrame:
    columns = {name: pd.array([], dtype=dtype) for name, dtype in kind.COLUMNS.items()}
    return pd.DataFrame(
        {
            "item": np.array([], dtype="int64"),
            "worker": pd.array([], dtype="str"),
            **columns,
            "submitted_at": pd.DatetimeIndex([], dtype="datetime64[us, UTC]"),
            "seconds": np.array([], dtype="float64"),
            "batch": np.array([], dtype="int64"),
        }
    )


def no_labels(kind) -> pd.DataFrame:
    table = no_answers(kind)[["item", *kind.COLUMNS]]
    return table.assign(
        confidence=np.array([], dtype="float64"),
        source=pd.array([], dtype="str"),
        role=pd.array([], dtype="str"),
        round=np.array([], dtype="int64"),
    )


@contextmanager
def blame(key: str) -> Iterator[None]:
    """A mistake that names no line of a file is one in this key of the job file."""
    try:
        yield
    except UserError as mistake:
        raise mistake if ": line " in str(mistake) else UserError(f"{key}: {mistake}") from None


@contextmanager
def hold(spec: JobSpec, what: str) -> Iterator[Lease]:
    """The lease of the folder; Held where another run has it, and by its `check()` once it was lost to another."""
    with ExitStack() as stack:
        with blame("output"):
            lease = stack.enter_context(open_store(spec.output).hold(what))
        yield lease


def begin(spec: JobSpec, progress: Progress | None = None) -> Job:
    """Begin a job, or go on with the one in the folder; what a person changed in its job file is amended.

    The caller holds the job's lease. Nothing is written before all of the dataset has been read without a mistake.
    """
    store = open_store(spec.output)
    records = None
    if store.exists("job.json"):
        amend(spec, store)
    else:
        records = read_records(spec)
        check(records, spec)
        check_model(spec)
        begun = {
            "spec": spec.model_dump(mode="json"),
            "fingerprint": fingerprint(spec),
            "items": len(records),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with blame("output"):
            store.write_json("job.json", begun)
    job = Job(spec.output)
    shards = -(-job.begun["items"] // SHARD)
    missing = [i for i in range(1, shards + 1) if not store.exists(f"items/{i:04d}.parquet")]
    if missing:
        records = records or read_records(spec)
        for i in missing:
            table = ingest(records[(i - 1) * SHARD : i * SHARD], (i - 1) * SHARD + 1, job, progress)
            store.write_table(f"items/{i:04d}.parquet", table)
    return job


def amend(spec: JobSpec, store) -> None:
    job = Job(spec.output)
    before, now = job.spec.model_dump(mode="json"), spec.model_dump(mode="json")
    changed = [key for key in now if now[key] != before[key]]
    certified = spec.plan == "certified"  # what was answered so far must not decide what is promised, or by which model
    fixed = [key for key in changed if key not in AMENDABLE or (certified and key in ("target", "learner"))]
    if fixed:
        key = fixed[0]
        raise UserError(
            f"{key}: the job in {spec.output} has {before[key]!r}, the job file says {now[key]!r}; "
            "put it back, or give the new job a folder of its own"
        )
    if fingerprint(spec) != job.begun["fingerprint"]:
        raise UserError(
            f"data: {spec.data} changed since the job began; "
            "put it back, or give the new dataset a job folder of its own"
        )
    if "learner" in changed:
        check_model(spec)
    if changed:
        number = len(store.list("amendments/")) + 1
        store.write_json(f"amendments/{number:04d}.json", {key: now[key] for key in changed})


def read_records(spec: JobSpec) -> list[dict]:
    with blame("data"):
        records = list(formats.read(spec.data, spec.kind, spec.classes, spec.attribute))
    if spec.output.startswith(spec.data.rstrip("/") + "/"):  # the job folder lies in a folder of pictures
        inside = spec.output.removeprefix(spec.data.rstrip("/") + "/").rstrip("/") + "/"
        records = [record for record in records if not source(record).startswith(inside)]
    return records


def source(record: dict) -> str:
    return record["source-ref"] if "source-ref" in record else record["source"]


def where(spec: JobSpec, item: int) -> str:
    """The place of an item in the dataset, for a message."""
    unit = "line" if spec.data.lower().endswith((*formats.MANIFESTS, ".json")) else "item"
    return f"{spec.data}: {unit} {item}"


def check(records: list[dict], spec: JobSpec) -> None:
    """UserError where an item is there twice, lies out of reach, or came with a label that cannot be."""
    sources = pd.Series([source(record) for record in records], dtype="str")
    again = sources.duplicated()
    if again.any():
        later = int(np.argmax(again))
        first = int(np.argmax(sources == sources[later]))
        raise UserError(
            f"{where(spec, later + 1)}: source-ref: {sources[later]} is on line {first + 1} already; take one out"
        )
    reach(sources, 1, spec)
    mine = [i for i, record in enumerate(records) if spec.attribute in record]
    came_with_labels([records[i] for i in mine], np.array(mine, np.int64) + 1, spec)


def check_model(spec: JobSpec) -> None:
    """A learner or weights that cannot be used are told before people are asked, and paid."""
    if spec.pool is not None:
        return  # they need only be there
    if spec.learner != "default":
        learners.load(spec.learner, kinds.get(spec.kind))
    if spec.weights not in (None, "none"):
        from roundtruth.learners import weights

        weights.read(spec.weights)


def reach(sources: Iterable[str], first: int, spec: JobSpec) -> list[str]:
    """Where the sources are."""
    base, urls = formats.base(spec.data), []
    for item, one in enumerate(sources, first):
        try:
            urls.append(resolve(one, base))
        except UserError as mistake:
            raise UserError(f"{where(spec, item)}: source-ref: {mistake}") from None
    return urls


def came_with_labels(records: list[dict], items, spec: JobSpec) -> pd.DataFrame:
    kind = kinds.get(spec.kind)
    return kind.decode(records, np.asarray(items), spec.attribute, spec.classes, lambda item: where(spec, item))


def fingerprint(spec: JobSpec) -> str:
    """Of the bytes of a file, or of the names of a folder's pictures."""
    with blame("data"):
        if formats.base(spec.data) == spec.data.rstrip("/"):
            content = "\n".join(source(record) for record in read_records(spec)).encode("utf-8", "surrogateescape")
        else:
            content = read_url(spec.data)
    return hashlib.sha256(content).hexdigest()


def ingest(records: list[dict], first: int, job: Job, progress: Progress | None) -> pd.DataFrame:
    from roundtruth import pictures

    spec = job.spec
    items = pd.DataFrame(
        {
            "item": np.arange(first, first + len(records)),
            "source": [source(record) for record in records],
            "record": [json.dumps(record, separators=(",", ":")) for record in records],
            "labeled": [spec.attribute in record for record in records],
        }
    )
    items["url"] = reach(items["source"], first, spec)
    facts = pictures.check(items, progress)
    return items.assign(**{name: facts[name].to_numpy() for name in ("width", "height", "depth", "failure")})


def deliverable(job: Job, created: str):
    """The records of the output manifest, in input order: the input's fields and the label, or why there is none."""
    spec, items, failures = job.spec, job.items(), job.failures()
    labels = pd.concat([job.human_labels(), job.auto_labels()], ignore_index=True)
    for start in range(0, len(items), SHARD):
        shard = items.iloc[start : start + SHARD]
        mine = labels[labels["item"].isin(shard["item"])]
        labeled = shard[shard["item"].isin(mine["item"])]
        encoded = job.kind.encode(mine, labeled, spec.attribute, spec.classes, spec.name, created)
        of_item = encoded.to_dict()
        for item, record in zip(shard["item"], shard["record"]):
            record = json.loads(record)
            if item in of_item:
                record.update(json.loads("{" + of_item[item] + "}"))
            elif item in failures.index:
                record[f"{spec.attribute}-metadata"] = {
                    "failure-reason": failures[item],
                    "type": job.kind.TYPE,
                    "human-annotated": "no",
                    "creation-date": created,
                    "job-name": spec.name,
                }
            yield record
