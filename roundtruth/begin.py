"""Begin a job: a dataset becomes a job folder. And go on with one, with what a person changed in its job file."""

import hashlib
import posixpath
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pandas as pd

from roundtruth import formats, kinds, learners, plans
from roundtruth.errors import UserError, naming
from roundtruth.job import FORMAT, Job, Progress, portable
from roundtruth.spec import JobSpec
from roundtruth.storage import Lease, Store, open_store, read_given, resolve_all

AMENDABLE = ("budget", "target", "prices", "workforce", "learner")


class Survey(NamedTuple):
    """How large a dataset is."""

    items: int
    labeled: int  # items that came with a label


@contextmanager
def hold(spec: JobSpec, what: str) -> Iterator[Lease]:
    """The lease of the job folder. Raises Held where another run has it; its `check()` does once the lease is lost."""
    with ExitStack() as stack:
        with naming("output"):
            lease = stack.enter_context(open_store(spec.output).hold(what))
        yield lease


def begin(spec: JobSpec, progress: Progress | None = None) -> Job:
    """Begin a job, or go on with the one in the folder; what a person changed in its job file becomes an amendment.

    The caller holds the job's lease. Nothing is written before the whole dataset has been read without a mistake.
    """
    store, shards = open_store(spec.output), None
    if store.exists("job.json"):
        job = amend(spec)
    else:
        shards = read_checked(spec)
        check_model(spec)
        start(spec, store, shards)
        job = Job(spec.output)
    ingest(job, shards, progress)
    return job


def survey(spec: JobSpec) -> Survey:
    """Read and check the dataset, and write nothing. Raises UserError as `begin` does."""
    shards = read_checked(spec)
    return Survey(sum(len(shard.items) for shard in shards), sum(shard.labels["item"].nunique() for shard in shards))


def start(spec: JobSpec, store: Store, shards: list[formats.Shard]) -> None:
    begun = {
        "format": FORMAT,
        "spec": portable(dump(spec), spec.output),
        "fingerprint": fingerprint(spec),
        "items": sum(len(shard.items) for shard in shards),
        "shards": len(shards),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with naming("output"):
        store.write_json("job.json", begun)


def amend(spec: JobSpec) -> Job:
    """The job in the folder of `spec`, with what differs in `spec` written down as an amendment.

    Raises UserError where that may not change, or where the dataset did.
    """
    job = Job(spec.output)
    before, now = (portable(dump(one), spec.output) for one in (job.spec, spec))
    changed = [key for key in now if now[key] != before[key]]
    if fingerprint(spec) == job.begun["fingerprint"]:
        may = {"data", *AMENDABLE}  # the same data in another place is a project that was moved
    elif "data" in changed:
        may = set(AMENDABLE)
    else:
        raise UserError(
            f"data: {spec.data} changed since the job began; "
            "put it back, or give the new dataset a job folder of its own"
        )
    fixed = [key for key in changed if key not in may or key in plans.get(spec.plan).FIXED]
    if fixed:
        key = fixed[0]
        raise UserError(
            f"{key}: the job in {spec.output} has {dump(job.spec)[key]!r}, the job file says {dump(spec)[key]!r}; "
            "put it back, or give the new job a folder of its own"
        )
    if "learner" in changed:
        check_model(spec)
    if not changed:
        return job
    job.write_json(f"amendments/{len(job.listed('amendments/')) + 1:04d}.json", {key: now[key] for key in changed})
    return Job(spec.output)


def dump(spec: JobSpec) -> dict:
    return spec.model_dump(mode="json")


# -- the dataset


def read_checked(spec: JobSpec) -> list[formats.Shard]:
    """The dataset in shards. Raises UserError where an item is there twice, cannot be reached, or has an impossible
    label."""
    shards = read_shards(spec)
    sources = pd.concat([shard.items["source"] for shard in shards], ignore_index=True)
    if sources.empty:
        raise UserError(f"data: {spec.data}: empty; there is nothing to label")
    base = formats.base(spec.data)
    urls = resolve_all(sources, base, lambda index: f"{formats.place(spec.data, index + 1)}: source-ref: ")
    places = pd.Series(urls, dtype="str")  # one file may have several sources: a.jpg and ./a.jpg
    again = places.duplicated()
    if again.any():
        later = int(again.to_numpy().argmax())
        first = int((places == places[later]).to_numpy().argmax())
        there = formats.place(spec.data, first + 1).removeprefix(f"{spec.data}: ").replace("line", "on line")
        other = f" as {sources[first]}" if sources[first] != sources[later] else ""
        here = formats.place(spec.data, later + 1)
        raise UserError(f"{here}: source-ref: {sources[later]} is {there} already{other}; take one out")
    return shards


def read_shards(spec: JobSpec) -> list[formats.Shard]:
    with naming("data"):
        shards = list(formats.read(spec.data, kinds.get(spec.kind), spec.classes, spec.attribute))
    data, output = (place if "://" in place else posixpath.normpath(place) for place in (spec.data, spec.output))
    data, output = data.rstrip("/") + "/", output.rstrip("/") + "/"
    if output == data:
        raise UserError(f"output: {spec.output} holds the data itself; give the job a folder of its own")
    if output.startswith(data):  # the job folder lies in a folder of pictures; its own pictures are no items
        own = output.removeprefix(data)
        shards = [shard._replace(items=shard.items[~shard.items["source"].str.startswith(own)]) for shard in shards]
    return shards


def fingerprint(spec: JobSpec) -> str:
    """The SHA-256 of a file's bytes, or of the names of a folder's pictures."""
    with naming("data"):
        if formats.base(spec.data) == spec.data.rstrip("/"):
            names = (source for shard in read_shards(spec) for source in shard.items["source"])
            content = "\n".join(names).encode("utf-8", "surrogateescape")
        else:
            content = read_given(spec.data)
    return hashlib.sha256(content).hexdigest()


def check_model(spec: JobSpec) -> None:
    """Refuse a learner or weights that cannot be used before people are asked, and paid."""
    if spec.pool is not None:
        return  # they need only be where the pool's workers run
    if spec.learner != "default":
        learners.load(spec.learner, kinds.get(spec.kind))
    if spec.weights not in (None, "none"):
        from roundtruth.learners import weights

        weights.read(spec.weights)


def ingest(job: Job, shards: list[formats.Shard] | None, progress: Progress | None) -> None:
    """Write the shards of items, and of the labels they came with, that are missing."""
    if len(job.listed("items/")) == job.begun["shards"]:
        return
    total, done = job.begun["items"], 0
    for number, shard in enumerate(shards or read_shards(job.spec), 1):
        if not job.there(f"items/{number:04d}.parquet"):

            def shifted(at: int, of: int, note: str = "", before: int = done) -> None:
                if progress:
                    progress(before + at, total, note)

            items = shard.items.reset_index(drop=True)
            items.insert(0, "item", np.arange(done + 1, done + len(items) + 1))
            items["labeled"] = items["item"].isin(shard.labels["item"])
            job.write_table(f"input/{number:04d}.parquet", shard.labels)
            job.write_table(f"items/{number:04d}.parquet", with_pictures(job, items, shifted))
        done += len(shard.items)


def with_pictures(job: Job, items: pd.DataFrame, progress: Progress) -> pd.DataFrame:
    """The items with width, height, depth and failure: what was found when each picture was decoded once."""
    from roundtruth import pictures

    facts = pictures.check(items[["source"]].assign(url=job.urls(items)), progress)
    return items.assign(**{name: facts[name].to_numpy() for name in ("width", "height", "depth", "failure")})
