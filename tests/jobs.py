"""Whole jobs for tests: their files, a run of them without Prefect, and what they come to."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from roundtruth.kinds import object_detection
from roundtruth.plural import counted
from roundtruth.summary import summarize

BOXES = ["class_id", "left", "top", "width", "height"]
COLOURS = ["red", "green", "blue"]  # the classes of `boxes`
CREATED = "2026-01-01T00:00:00.000000"


def digits(folder: Path, n: int, name: str = "{:04d}.png", classes: Sequence[str] = "0123456789") -> pd.DataFrame:
    """Pictures of handwritten digits, input.manifest and truth.manifest; the truth, (item, class_id)."""
    from sklearn.datasets import load_digits

    found = load_digits()
    lines, truth = [], []
    for i in range(n):
        source = f"images/{name.format(i + 1)}"
        (folder / source).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((found.images[i] * 15).astype("uint8")).save(folder / source)
        lines.append({"source-ref": source})
        truth.append(lines[-1] | classified("truth", int(found.target[i]), classes))
    write_lines(folder / "input.manifest", lines)
    write_lines(folder / "truth.manifest", truth)
    return pd.DataFrame({"item": np.arange(1, n + 1), "class_id": found.target[:n]})


def same_picture(folder: Path, n: int) -> None:
    """A dataset of n items that all show a one."""
    digits(folder, 2)
    lines = [{"source-ref": f"images/{i:04d}.png"} for i in range(1, n + 1)]
    for line in lines[2:]:
        (folder / line["source-ref"]).hardlink_to(folder / "images/0002.png")
    write_lines(folder / "input.manifest", lines)
    write_lines(folder / "truth.manifest", [line | classified("truth", 1) for line in lines])


def boxes(folder: Path, n: int, name: str = "{:04d}.png", classes: Sequence[str] = COLOURS) -> pd.DataFrame:
    """Dark pictures, each with at most one bright box a colour, input.manifest and truth.manifest.

    Returns the true boxes: (item, class_id, left, top, width, height).
    """
    chance = np.random.default_rng(0)
    rows, lines, truth = [], [], []
    for item in range(1, n + 1):
        picture = np.full((48 + 4 * (item % 3), 48 + 4 * (item % 5), 3), 20, "uint8")
        drawn = []
        for colour in np.flatnonzero(chance.random(3) < 0.5):
            (left, top), (width, height) = chance.integers(0, 24, 2).tolist(), chance.integers(8, 24, 2).tolist()
            picture[top : top + height, left : left + width, colour] = 250
            drawn.append(dict(zip(BOXES, (int(colour), left, top, width, height))))
        rows += [{"item": item, **box} for box in drawn or [dict(zip(BOXES, (-1, 0, 0, 0, 0)))]]
        source = f"images/{name.format(item)}"
        (folder / source).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / source)
        lines.append({"source-ref": source})
        truth.append(lines[-1] | boxed("truth", drawn, picture.shape, classes))
    write_lines(folder / "input.manifest", lines)
    write_lines(folder / "truth.manifest", truth)
    return pd.DataFrame(rows).astype(dict.fromkeys(BOXES[1:], "float64"))


def boxed(attribute: str, drawn: list[dict], shape: tuple, classes: Sequence[str]) -> dict:
    """What Ground Truth adds to the line of a picture of that shape with those boxes."""
    size = [{"width": shape[1], "height": shape[0], "depth": shape[2]}]
    metadata = {
        "objects": [{"confidence": 1.0}] * len(drawn), "class-map": dict(zip("012", classes)),
        "type": "groundtruth/object-detection", "human-annotated": "yes", "creation-date": CREATED,
        "job-name": "truth",
    }  # fmt: skip
    return {attribute: {"image_size": size, "annotations": drawn}, f"{attribute}-metadata": metadata}


def classified(attribute: str, number: int, classes: Sequence[str] = "0123456789") -> dict:
    """What Ground Truth adds to the line of a picture that shows the digit `number`."""
    metadata = {
        "class-name": [*classes, *map(str, range(len(classes), 20))][number],  # those behind the classes are unknown
        "confidence": 1.0, "type": "groundtruth/image-classification",
        "human-annotated": "yes", "creation-date": CREATED, "job-name": "truth",
    }  # fmt: skip
    return {attribute: number, f"{attribute}-metadata": metadata}


def write_lines(path: Path, records: list[dict]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def write_job(folder: Path, **changed) -> Path:
    """job.yaml in `folder`: digits, people who never err, the fast learner, the plan with the fewest rules; a key that
    is None is left out."""
    job = {
        "name": "digits",
        "kind": "image-classification",
        "data": "input.manifest",
        "classes": [str(number) for number in range(10)],
        "output": "job",
        "workforce": {"backend": "simulated", "truth": "truth.manifest", "noise": 0, "answers_per_item": 5},
        "learner": "fast_learner:Logistic",
        "weights": "none",
        "plan": "ground-truth",
    } | changed
    path = folder / "job.yaml"
    job = {key: value for key, value in job.items() if value is not None}
    path.write_text(yaml.safe_dump(job, sort_keys=False, default_flow_style=None))
    return path


def go(address: str) -> bool:
    """The rounds without Prefect; False where the job waits for people."""
    from roundtruth import loop

    return loop.rounds(address)


def run_job(spec):
    """Begin the job, or go on with it, as far as it comes; without its report, which takes longer than all the rest."""
    from roundtruth.begin import begin
    from roundtruth.job import Job

    begin(spec)
    go(spec.output)
    return Job(spec.output)


def output(folder: Path) -> list[dict]:
    """The records of the output manifest, without what differs from run to run."""
    records = [json.loads(line) for line in (folder / "output/output.manifest").read_text().splitlines()]
    for record in records:
        for value in record.values():
            if isinstance(value, dict):
                value.pop("creation-date", None)
    return records


def cost_of(summary: dict) -> dict:
    """A summary without how long things took."""
    return summary | {"rounds": [{k: v for k, v in row.items() if k != "seconds"} for row in summary["rounds"]]}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def facts(job) -> dict:
    """What a job came to: everything but times."""
    tables = {
        name: [getattr(job, name)(r) for r in job.rounds_with(file)]
        for name, file in (
            ("batch", "asked.parquet"),
            ("answers", "closed.json"),
            ("labels", "labels.parquet"),
            ("predictions", "predictions/done.json"),
            ("auto", "auto.parquet"),
        )
    }
    tables["answers"] = [answers.drop(columns="submitted_at") for answers in tables["answers"]]
    texts = {name: [table.to_csv() for table in some] for name, some in tables.items()}
    return texts | {
        "threshold": [job.look(r) for r in job.rounds_with("threshold.json")],
        "output": output(Path(job.address)),
        "summary": cost_of(summarize(job)),
    }


class Killed(BaseException):
    pass


def to_the_end(spec) -> None:
    """Begin the job, or go on with it, to its end."""
    from roundtruth.begin import begin

    begin(spec)
    assert go(spec.output)


def killed_at_every_write(spec, monkeypatch, run) -> list[str]:
    """`run(spec)`, a whole job, killed after it wrote each of its files once and run again: the files."""
    from roundtruth.storage import LocalStore

    write_once, written = LocalStore.write_once, []

    def write_and_die(store, path, data):
        new = not store.exists(path)
        wrote = write_once(store, path, data)
        if new:
            written.append(path)
            raise Killed
        return wrote

    with monkeypatch.context() as killing:
        killing.setattr(LocalStore, "write_once", write_and_die)
        while True:
            try:
                run(spec)
                return written
            except Killed:
                assert len(written) < 500


def scripted(monkeypatch, predict, name: str = "Scripted") -> str:
    """A learner for the job file, whose predictions are predict(items trained on, items): (class_ids, scores), or a
    whole table."""

    class Scripted:
        def __init__(self, classes, seed, weights):
            self.trained = 0

        def train(self, pictures, labels, progress=None):
            self.trained = len(pictures)

        def predict(self, pictures, progress=None):
            found = predict(self.trained, pictures.items)
            if isinstance(found, pd.DataFrame):
                return found
            return pd.DataFrame({"item": pictures.items, "class_id": found[0], "score": found[1]})

        def state(self):
            return {"trained": self.trained}

        def load(self, state):
            self.trained = state["trained"]

    module = ModuleType("scripted")
    setattr(module, name, Scripted)
    monkeypatch.setitem(sys.modules, "scripted", module)
    return f"scripted:{name}"


def spec_of(data: str, kind: str, classes: list[str], **changed):
    """A job that nobody will run."""
    from roundtruth.spec import JobSpec

    given = {"name": "a", "kind": kind, "data": data, "classes": classes, "output": "/no/where"}
    return JobSpec.model_validate(given | {"workforce": {"backend": "files"}} | changed)


@contextmanager
def without_key() -> Iterator[None]:
    """Mistakes in the data, without the key of the job file in front."""
    from roundtruth.errors import UserError

    try:
        yield
    except UserError as mistake:
        raise UserError(str(mistake).removeprefix("data: ")) from None


def read_dataset(data: str, kind: str, classes: list[str], **changed):
    """A dataset as a job begins with it."""
    from roundtruth import begin
    from roundtruth.storage import open_store

    spec = spec_of(data, kind, classes, **changed)
    with TemporaryDirectory() as folder, without_key():
        return begin.read_dataset(spec, open_store(folder), None)


def read_records(data: str, kind: str, classes: list[str], attribute: str = "label", **changed) -> list[dict]:
    """The records of a dataset as a job keeps them, and a check that its labels are those that the records say."""
    import numpy as np
    import pandas as pd

    from roundtruth import begin, formats, kinds, pictures
    from roundtruth.storage import resolve_all

    spec = spec_of(data, kind, classes, attribute=attribute, **changed)
    with without_key():
        shards = begin.read_checked(spec)
    sources = begin.all_sources(shards)
    urls = resolve_all(sources, formats.base(data))
    here = [url if url.startswith("/") else "/no/where" for url in urls]
    facts = pictures.check(pd.DataFrame({"url": here}))
    shards, _ = begin.fitted(spec, shards, facts, sources, formats.base(data))
    records, done = [], 0
    for shard in shards:
        items = shard.items.reset_index(drop=True).assign(item=np.arange(len(shard.items)) + done + 1)
        items = items.join(begin.with_stated(facts.iloc[done : done + len(items)], shard.sizes, done))
        records += map(json.loads, begin.with_labels(spec, items, shard.labels))
        done += len(items)
    assert begin.all_sources(shards).tolist() == [record.get("source-ref", record.get("source")) for record in records]
    labeled = [place for place, record in enumerate(records) if record.get(attribute) is not None]
    items = np.array(labeled, dtype="int64") + 1
    said = kinds.get(kind).decode([records[place] for place in labeled], items, attribute, classes, str)
    assert said["as_is"].all()
    said = said.drop(columns="as_is").reset_index(drop=True)
    given = pd.concat([shard.labels for shard in shards], ignore_index=True)[list(said.columns)]
    pd.testing.assert_frame_equal(given.round({"confidence": 4}), said, check_dtype=False)
    return records


class Counted:
    """Counts the operations of stores on local disk while it is open, by verb: `found`."""

    def __enter__(self):
        from roundtruth.storage import LocalStore

        self.store, self.found = LocalStore, Counter()
        self.real = {verb: getattr(LocalStore, verb) for verb in ("read", "list", "exists", "write_once", "replace")}
        for verb, real in self.real.items():
            setattr(LocalStore, verb, self.counting(verb, real))
        return self

    def counting(self, verb: str, real):
        def counted(store, path="", *more):
            self.found[verb] += 1
            return real(store, path, *more)

        return counted

    def __exit__(self, *_):
        for verb, real in self.real.items():
            setattr(self.store, verb, real)


def lines_of(notes) -> list[str]:
    """What a user reads of a shard's `passed`, or of notes."""
    return [counted(count, what) for count, what in notes]


def box_labels(rows) -> pd.DataFrame:
    """A table of labels: item, class_id, left, top, width, height, confidence, source."""
    columns = ["item", *object_detection.COLUMNS, "confidence", "source"]
    types = object_detection.COLUMNS | {"item": "int64", "confidence": "float64"}
    return pd.DataFrame(rows, columns=columns).astype(types)
