"""Job: the job folder. What is done is derived from what is there.

    job.json                  the folder's format, the spec as first given, the dataset's fingerprint and size, and how
                              pictures with more than 8 bits per value are shown
    amendments/0001.json      what a person changed later
    weights/backbone.pth      the backbone weights the job uses; origin.json says where they are from
    pilots/0001.json          how well the first labels are predicted from each other, and the forecast by that
    features/0001.npy         what the default learner of classes makes of each picture, in shards of 5000 items
    checked/DIGEST/0001.parquet  what was found out about the pictures before the job began
    items/0001.parquet        the items, in shards
    paths.parquet             where pictures are that were found under another name than the dataset's
    input/0001.parquet        the labels that items came with, in the same shards
    predictions/0001.parquet  the predictions that were given, one file a model; about.json, which is written last
    returned/0001.parquet     pictures that could not be read when the job began and could later, and after which round
    certificate.json          what the certified plan fixed before anybody was asked; coins.parquet
    people/                   where the backend `files` asks; found.json: what the last sweep has to tell of the answers
          /rejected.csv       the rows of answers that people must mend
    rounds/001/asked.parquet  the items that people are asked about, and what for; those of earlier rounds, too
              /posted.json    the backend's handle, and how many answers are wanted; posted-0002.json where people were
                              asked again; its `after` says after how many files of answers that was decided
              /answers/0001-570.parquet  what one collection brought: 570 answers that are not in earlier ones
              /closed.json    the batch's end: which answers count
              /labels.parquet, workers.parquet
              /model/model.pt
              /predictions/0001.parquet, done.json
              /threshold.json
              /auto.parquet
              /seconds/train-12.3     an empty file: the step and the seconds it took
    output/output.manifest, report/

Every file is written once, by `roundtruth.steps` and `roundtruth.begin`, except output/, report/, found.json,
rejected.csv and the lease. Opening a job lists the folder once; each file is read once, and only the columns that are
asked for. Files with other names, which an editor, a file manager or a copy program left, are passed over.
"""

import json
import posixpath
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from roundtruth import kinds, workforce
from roundtruth.curves import Pilot
from roundtruth.errors import UserError
from roundtruth.look import Look
from roundtruth.spec import JobSpec, paths_in
from roundtruth.storage import one_name, open_store, resolve_all
from roundtruth.tables import CHECKED, no_answers, no_labels

FORMAT = 1  # of the folder; it grows when an older version could not read what a newer one writes
# The columns of items, without `record` and `url`
ITEM = ["item", "source", "labeled", "width", "height", "depth", "failure"]

# The names of the files of which there may be many
NAME = re.compile(r"[0-9]{4,}(-[0-9]+)?\.(json|parquet)|posted(-[0-9]{4,})?\.json|[a-z]+-[0-9]+\.[0-9]+")

Progress = Callable[[int, int, str], None]


class Job:
    """A begun job at an address. What was read once is kept, so open the job anew to see what others wrote since."""

    def __init__(self, address: str):
        self.store = open_store(address)
        self.address = self.store.address
        self._files = set(self.store.list())
        self._tables: dict[tuple[str, ...], tuple[pd.DataFrame, bool]] = {}  # and whether all columns were read
        self._json: dict[str, dict] = {}
        self._made: dict[tuple, pd.DataFrame] = {}
        if "job.json" not in self._files:
            raise UserError(f"{address}: there is no job in this folder yet; begin it with `roundtruth run`")
        self.begun = self.read_json("job.json")
        check_format(self.begun, self.address)
        self.stopped = False
        self.strays: list[str] = []  # what seems to be an amendment and is none, a line each
        self.spec = self._amended(dict(self.begun["spec"]))
        self.kind = kinds.get(self.spec.kind)

    def _amended(self, given: dict) -> JobSpec:
        """The spec as first given, with all amendments."""
        spec = read_spec(given, self.address)
        for path in self._amendments():
            try:
                change = amendment(self.store.read(path))
                stop = change.pop("stop", False)
                spec = JobSpec.model_validate(anchored(given | change, self.address))
            except CutOff:
                raise damaged(self.address, path) from None
            except ValueError:
                self.strays.append(f"{path}: it is no amendment; take it away")
                continue
            given |= change
            self.stopped |= stop is True
        return spec

    def _amendments(self) -> list[str]:
        return sorted(self.listed("amendments/"), key=number)

    def amend(self, change: dict) -> None:
        """Write down what a person changed."""
        last = max(map(number, self._amendments()), default=0)
        self.write_json(f"amendments/{last + 1:04d}.json", change)

    # -- files

    def path(self, round: int, name: str) -> str:
        return f"rounds/{round:03d}/{name}"

    def has(self, round: int, name: str) -> bool:
        return self.path(round, name) in self._files

    def there(self, path: str) -> bool:
        return path in self._files

    def listed(self, prefix: str) -> list[str]:
        """The job's files whose path begins with `prefix`, but not those in folders below, sorted."""
        found = (path for path in self._files if path.startswith(prefix) and "/" not in path[len(prefix) :])
        return sorted(path for path in found if NAME.fullmatch(path.rpartition("/")[2]))

    def read_json(self, path: str) -> dict:
        if path not in self._json:
            try:
                value = self.store.read_json(path)
            except ValueError:
                value = None
            if not isinstance(value, dict):
                raise damaged(self.address, path)
            self._json[path] = value
        return self._json[path]

    def read_table(self, path: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        return self.read_tables([path], columns)

    def read_tables(self, paths: Sequence[str], columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The rows of some files, in their order. Each column is read once, when it is first wanted."""
        key = tuple(paths)
        known, whole = self._tables.get(key, (pd.DataFrame(), False))
        if columns is None:
            known = known if whole else self._read(paths, None)
        elif missing := [name for name in columns if name not in known]:
            known = pd.concat([known, self._read(paths, missing)], axis=1)
        self._tables[key] = known, whole or columns is None
        return known.copy(deep=False) if columns is None else known[list(columns)]

    def _read(self, paths: Sequence[str], columns: Sequence[str] | None) -> pd.DataFrame:
        if len(paths) == 1:
            return self.store.read_table(paths[0], columns)
        with ThreadPoolExecutor(8) as threads:
            return pd.concat(threads.map(lambda path: self.store.read_table(path, columns), paths), ignore_index=True)

    def write_json(self, path: str, value) -> None:
        self.store.write_json(path, value)
        self._files.add(path)

    def write_table(self, path: str, table: pd.DataFrame) -> None:
        self.store.write_table(path, table)
        self._files.add(path)

    def write_once(self, path: str, data: bytes) -> None:
        self.store.write_once(path, data)
        self._files.add(path)

    def replace(self, path: str, data: bytes) -> None:
        self.store.replace(path, data)
        self._files.add(path)

    def replace_json(self, path: str, value: dict) -> None:
        self.replace(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())
        self._json[path] = value

    # -- what was asked for

    def items(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """One row an item, in input order: (item, source, labeled, width, height, depth, failure, url).

        columns: only these, of the first seven and `record`, the item's line of the manifest. Use it for large jobs.
        """
        paths = self.listed("items/")
        if len(paths) < self.begun["shards"]:
            raise UserError(
                f"{self.address}: the job has not begun in full: its pictures are being checked, or were until a run "
                "was ended; `roundtruth run` goes on with it"
            )
        table = self.with_returned(self.read_tables(paths, columns or ITEM))
        return table if columns else table.assign(url=self.urls(table))

    def returned(self) -> pd.DataFrame:
        """The pictures that could not be read when the job began and could later: (item, width, height, depth, failure,
        round). Round is the last one that had a batch then: the item counts from the round after it."""
        paths = self.listed("returned/")
        return self.read_tables(paths) if paths else NOTHING_RETURNED

    def with_returned(self, items: pd.DataFrame, first: int = 1) -> pd.DataFrame:
        """Consecutive items, from `first` on, with what was found out later about pictures that could not be read."""
        later = self.returned()
        later = later[later["item"].between(first, first + len(items) - 1)]
        for column in items.columns.intersection(["width", "height", "depth", "failure"]) if len(later) else ():
            items.iloc[later["item"] - first, items.columns.get_loc(column)] = later[column]
        return items

    @property
    def ranges(self) -> dict:
        """How pictures with more than 8 bits per value are shown; see `pictures.ranges_of`."""
        return self.begun.get("ranges", {})  # jobs of earlier versions have none

    def urls(self, items: pd.DataFrame) -> list[str]:
        """Where the pictures of some rows of `items` (item, source) are."""
        sources = items["source"]
        if len(self._paths):
            sources = items["item"].map(self._paths).fillna(sources)
        return resolve_all(sources, self.pictures_folder)

    @cached_property
    def _paths(self) -> pd.Series:
        """Where pictures are that were found under another name than the dataset's; index: item."""
        if not self.there("paths.parquet"):
            return pd.Series(dtype="str")
        return self.read_table("paths.parquet").set_index("item")["path"]

    @cached_property
    def pictures_folder(self) -> str:
        """The folder that relative sources are below."""
        from roundtruth import formats

        place = self.spec.pictures or f"{formats.base(self.spec.data)}/{self.begun.get('pictures', '.')}"
        scheme, path = _parts(place)
        return scheme + posixpath.normpath(path)

    def input_labels(self) -> pd.DataFrame:
        """The labels that items came with: (item, ..., confidence, source, role, round)."""
        paths = self.listed("input/")
        if not paths:
            return no_labels(self.kind)
        return self.read_tables(paths).assign(source="input", role="input", round=0)

    def given_predictions(self, model: int) -> pd.DataFrame:
        """(item, the kind's columns, score), sorted by item: what was given of a model. Models count from 1."""
        return self.read_table(f"predictions/{model:04d}.parquet")

    def given_models(self) -> list[str]:
        """The names of the models whose predictions were given, [""] for one without a name; [] where a model is
        trained."""
        return self.read_json("predictions/about.json")["models"] if self.spec.predictions else []

    def truth(self) -> pd.DataFrame | None:
        """The true labels of the items (item, ...), where the workforce knows them."""
        return self._truth

    @cached_property
    def _truth(self) -> pd.DataFrame | None:
        known = getattr(workforce.get(self), "truth", None)
        return known() if known else None

    # -- what each round wrote

    def rounds_with(self, name: str) -> list[int]:
        return [round for round in range(1, self.last_round() + 1) if self.has(round, name)]

    def last_round(self) -> int:
        """The newest round that has a batch; 0 before the first."""
        round = 0
        while self.has(round + 1, "asked.parquet"):
            round += 1
        return round

    def batch(self, round: int) -> pd.DataFrame:
        """The items that a round asks about: (item, role)."""
        asked = self.asked()
        return asked.loc[asked["round"] == round, ["item", "role"]].reset_index(drop=True)

    def answers(
        self, round: int, counted: bool = False, columns: Sequence[str] | None = None, files: int | None = None
    ) -> pd.DataFrame:
        """The answers to a round's batch. Where a worker changed an answer before the close, the newest one.

        `counted`: only those that came before the batch was closed. `files`: only those of the first so many files.
        `columns` must hold item and worker.
        """
        if counted:
            files = self.read_json(self.path(round, "closed.json"))["files"]
        paths = self.listed(self.path(round, "answers/"))[:files]
        if len(paths) < 2:
            return self.read_table(paths[0], columns) if paths else no_answers(self.kind)
        with ThreadPoolExecutor(8) as threads:  # a file a sweep, so there may be many
            parts = threads.map(lambda path: self.read_table(path, columns), paths)
            parts = [part.assign(file=number) for number, part in enumerate(parts)]
        answers = pd.concat(parts, ignore_index=True)
        newest = answers.groupby(["item", "worker"])["file"].transform("max")
        return answers[answers["file"] == newest].drop(columns="file").reset_index(drop=True)

    def answered(self, round: int) -> int:
        """How many answers people gave to a round's batch; one may have several rows. File names hold the counts."""
        files = self.listed(self.path(round, "answers/"))
        return sum(int(PurePosixPath(path).stem.rpartition("-")[2]) for path in files)

    def labels(self, round: int) -> pd.DataFrame:
        return self.read_table(self.path(round, "labels.parquet"))

    def predictions(self, round: int) -> pd.DataFrame:
        shards = [path for path in self.listed(self.path(round, "predictions/")) if path.endswith(".parquet")]
        return self.read_tables(shards)

    def look(self, round: int) -> Look | None:
        """What the round's model was found to be good for; None where nobody looked."""
        path = self.path(round, "threshold.json")
        return Look.from_json(self.read_json(path)) if self.there(path) else None

    def auto(self, round: int) -> pd.DataFrame:
        return self.read_table(self.path(round, "auto.parquet"))

    def seconds(self, round: int) -> dict[str, float]:
        """The wall seconds of the steps of a round that did something."""
        names = (PurePosixPath(path).name for path in self.listed(self.path(round, "seconds/")))
        return {step: float(seconds) for step, _, seconds in (name.rpartition("-") for name in names)}

    def pilots(self) -> list[str]:
        """The files of the pilots, in order."""
        return sorted(self.listed("pilots/"), key=number)

    def pilot(self) -> Pilot | None:
        """The newest pilot: how well the first labels were predicted from each other."""
        paths = self.pilots()
        return Pilot(**self.read_json(paths[-1])["pilot"]) if paths else None

    # -- what the rounds add up to

    def asked(self) -> pd.DataFrame:
        """Every item that was put in a batch: (item, role, round), in the order of the rounds."""
        last = self.last_round()
        return self.read_table(self.path(last, "asked.parquet")) if last else NOBODY_ASKED

    def roles(self, until: int) -> pd.DataFrame:
        """The newest row of each item of `asked` up to a round."""
        asked = self.asked()
        return asked[asked["round"] <= until].drop_duplicates("item", keep="last")

    def asks(self, round: int) -> pd.DataFrame:
        """The part of a round's batch that people are asked about: what no earlier batch held."""
        asked, batch = self.asked(), self.batch(round)
        return batch[~batch["item"].isin(asked["item"][asked["round"] < round])].reset_index(drop=True)

    def human_labels(self, until: int | None = None) -> pd.DataFrame:
        """People's labels, the newest on each item (up to a round). `round` is the one that asked about the item."""
        rounds = [r for r in self.rounds_with("labels.parquet") if until is None or r <= until]
        return self._once(("human", *rounds), lambda: self._newest(rounds))

    def _newest(self, rounds: list[int]) -> pd.DataFrame:
        labels = self.rows([self.labels(r) for r in rounds])
        newest = self.per_item(0)
        np.maximum.at(newest, labels["item"].to_numpy(), labels["round"].to_numpy())
        labels = labels[labels["round"].to_numpy() == newest[labels["item"].to_numpy()]]
        return labels.assign(round=self.first_asked()[labels["item"].to_numpy()]).reset_index(drop=True)

    def first_asked(self) -> np.ndarray:
        """(number of items + 1,): the round that asked about an item, 0 where none did."""
        first, asked = self.per_item(0), self.asked()
        first[asked["item"].to_numpy()[::-1]] = asked["round"].to_numpy()[::-1]
        return first

    def auto_labels(self) -> pd.DataFrame:
        """The model's labels. Those of a provisional look stand until people are asked for another look."""
        rounds = [r for r in self.rounds_with("auto.parquet") if self._stands(r)]
        return self._once(("auto", *rounds), lambda: self.rows([self.auto(r) for r in rounds]))

    def _once(self, key: tuple, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A table that is made once for each key, which holds all that it depends on."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key].copy(deep=False)

    def _stands(self, round: int) -> bool:
        look, asked = self.look(round), self.asked()
        if look is None or look.threshold is None or not look.final:
            return False  # the round's file is empty
        return not (look.provisional and (asked["round"].gt(round) & asked["role"].ne("rest")).any())

    def outcome(self) -> pd.DataFrame:
        """The labels so far, the newest word on each item: (item, ..., confidence, source, role, round)."""
        people, machine = self.human_labels(), self.auto_labels()
        if len(people) and len(machine):
            machine = machine[~self.mask(people["item"])[machine["item"].to_numpy()]]
        return self.rows([self.input_labels(), people, machine])

    def rows(self, tables: list[pd.DataFrame]) -> pd.DataFrame:
        tables = [table for table in tables if len(table)]
        return pd.concat(tables, ignore_index=True) if tables else no_labels(self.kind)

    def askable(self, round: int | None = None) -> np.ndarray:
        """The items that are to be labeled: neither came they with a label, nor is their picture broken.

        round: as they were in that round, without the pictures that returned in it or later; 0: when the job began.
        """
        items = self.items(["labeled", "failure"])
        free = ~(items["labeled"] | items["failure"].notna()).to_numpy(bool)
        if round is not None:
            later = self.returned()
            free[later["item"][later["round"] >= round] - 1] = False
        return np.flatnonzero(free) + 1

    def pool(self, round: int | None = None) -> np.ndarray:
        """The items that nobody has labeled and nobody was asked about, in input order. round: as in `askable`."""
        taken, items = self.mask(self.asked()["item"]) | self.mask(self.auto_labels()["item"]), self.askable(round)
        return items[~taken[items]]

    def unlabeled(self) -> np.ndarray:
        """The items without a label so far, in input order."""
        have = self.mask(self.human_labels()["item"]) | self.mask(self.auto_labels()["item"])
        return np.flatnonzero(~(have[1:] | self.items(["labeled"])["labeled"].to_numpy(bool))) + 1

    def doubted(self) -> pd.Series:
        """The items of which somebody said why they could not tell."""
        rounds = range(1, self.last_round() + 1)
        said = [self.answers(round, columns=["item", "worker", "reason"]) for round in rounds]
        doubts = pd.concat(said or [no_answers(self.kind)])
        return doubts.loc[doubts["reason"].notna(), "item"]

    def failures(self) -> pd.Series:
        """Why an item has no label, by item: only those without one."""
        left = self.unlabeled()
        why = "the job was stopped before this item was labeled"
        stopped = why if self.stopped else f"{why}; it goes on with a higher budget: {self.spec.name}"
        reason = pd.Series(stopped, index=left, dtype="str")
        reason[self.mask(self.asked()["item"])[left]] = "nobody answered"
        reason[self.mask(self.doubted())[left]] = "people could not tell"
        failure = self.items(["failure"])["failure"].iloc[left - 1].set_axis(left)
        return failure.fillna(reason).astype("str")

    def mask(self, items) -> np.ndarray:
        """(number of items + 1,): whether an item, which counts from 1, is one of `items`."""
        found = self.per_item(False)
        found[np.asarray(items, dtype="int64")] = True
        return found

    def per_item(self, value) -> np.ndarray:
        """(number of items + 1,): room for one value an item, at the item's number, which counts from 1."""
        return np.full(self.begun["items"] + 1, value)

    def workers(self) -> pd.DataFrame | None:
        """(worker, answers, skill) as the newest consolidation saw them."""
        rounds = self.rounds_with("workers.parquet")
        return self.read_table(self.path(rounds[-1], "workers.parquet")) if rounds else None

    def model_round(self, round: int) -> int:
        """The round of the newest model there was in a round: the one that its threshold is for."""
        return max(r for r in self.rounds_with("predictions/done.json") if r <= round)

    def validation(self, round: int) -> pd.DataFrame | None:
        """(item, score, quality) of the validation items against the model that a round's threshold is for."""
        models = [r for r in self.rounds_with("predictions/done.json") if r <= round]
        if not models or not (self.has(round, "threshold.json") or models[-1] == round):
            return None
        people = self.human_labels(until=round)
        people = people[people["role"].isin(CHECKED)]
        predictions = self.predictions(models[-1])
        predictions = predictions[predictions["item"].isin(people["item"])]
        quality = self.kind.quality(predictions, people)
        score = self.kind.confidence(predictions)
        return pd.DataFrame({"score": score, "quality": quality}).rename_axis("item").dropna().reset_index()

    def weights_origin(self) -> str | None:
        """Where the pretrained weights are from, or why there are none; None before a model was trained."""
        path = "weights/origin.json"
        return self.read_json(path)["origin"] if self.there(path) else None


NOBODY_ASKED = pd.DataFrame(
    {"item": np.array([], "int64"), "role": pd.array([], "str"), "round": np.array([], "int64")}
)


NOTHING_RETURNED = pd.DataFrame({name: np.array([], "int64") for name in ("item", "round")})


class CutOff(Exception):
    """A file holds the first part of a JSON object, or nothing."""


def amendment(data: bytes) -> dict:
    """What a file of amendments/ changes. Raises CutOff, and ValueError for a file that never was one."""
    try:
        change = json.loads(data)
    except ValueError:
        if data[:1] in (b"", b"{"):
            raise CutOff from None
        raise
    if not isinstance(change, dict):
        raise ValueError
    return change


def number(path: str) -> int:
    """4 for `amendments/0004.json`."""
    return int(PurePosixPath(path).stem)


def damaged(address: str, path: str) -> UserError:
    return UserError(f"{address}: {path} is damaged: not a JSON object; restore it from a copy")


def check_format(begun: dict, address: str) -> None:
    """Refuse a folder that another version of roundtruth laid out."""
    found = begun.get("format")
    if found == FORMAT:
        if not {"spec", "fingerprint", "items", "shards", "passed"} <= set(begun):
            raise UserError(f"{address}: job.json is damaged: a part of it is missing; restore it from a copy")
        return
    if found is None or (isinstance(found, int) and found < FORMAT):
        raise UserError(
            f"{address}: an older roundtruth made this job folder, and this version cannot read it; "
            "go on with the version that began the job, or give a new job a folder of its own (`output`)"
        )
    raise UserError(
        f"{address}: job.json has the format {found!r}, and this version of roundtruth knows {FORMAT}; "
        "install a newer one"
    )


def read_spec(given: dict, address: str) -> JobSpec:
    """The spec of a job folder at `address`."""
    from pydantic import ValidationError

    try:
        return JobSpec.model_validate(anchored(given, address))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "spec"
        raise UserError(
            f"{address}: job.json: {key}: {first['msg']}; this version of roundtruth cannot read the job: "
            "go on with the version that began it"
        ) from None


def portable(given: dict, address: str) -> dict:
    """A spec as it is kept in the folder: paths beside the job folder are relative to it, so that a project (job file,
    data and job folder side by side) can be copied or moved."""
    return with_paths(given, lambda path: _relative(path, address)) | {"output": "."}


def anchored(given: dict, address: str) -> dict:
    """The inverse of `portable`."""

    def absolute(path: str) -> str:
        return path if "://" in path or path.startswith("/") else _joined(address, path)

    return with_paths(given, absolute) | {"output": address}


def with_paths(given: dict, change: Callable[[str], str]) -> dict:
    """A copy of a spec's plain values in which `change` was made to every path but `output`."""
    changed = {key: dict(value) if isinstance(value, dict) else value for key, value in given.items()}
    for *above, key in (dotted.split(".") for dotted in paths_in(given) if dotted != "output"):
        part = changed
        for name in above:
            part = part.get(name) or {}
        if isinstance(part.get(key), str) and (key, part[key]) != ("weights", "none"):
            part[key] = change(part[key])
    return changed


def _relative(path: str, address: str) -> str:
    """`path` from the job folder, where it lies below the folder two levels above it, which holds the project."""
    if "://" not in path:
        folder, name = posixpath.split(path.rstrip("/") or "/")
        path = posixpath.join(one_name(folder), name)  # what it links to may be no neighbour of the pictures
    (scheme, place), (own_scheme, folder) = _parts(path), _parts(address)
    project = posixpath.dirname(posixpath.dirname(folder))
    inside = scheme == own_scheme and project.strip("/") and place.startswith(project.rstrip("/") + "/")
    return posixpath.relpath(place, folder) if inside else path


def _joined(address: str, path: str) -> str:
    scheme, folder = _parts(address)
    return scheme + posixpath.normpath(posixpath.join(folder, path))


def _parts(address: str) -> tuple[str, str]:
    """("s3:/", "/bucket/key") or ("", "/path")."""
    return ("s3:/", address.removeprefix("s3:/")) if address.startswith("s3://") else ("", address)
