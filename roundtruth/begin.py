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
from roundtruth.errors import UserError, naming, refuse_all
from roundtruth.job import FORMAT, Job, Progress, portable
from roundtruth.spec import JobSpec
from roundtruth.storage import Lease, Store, open_store, resolve_all

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

    The caller holds the job's lease. There is no job before the whole dataset has been read, and every picture decoded,
    without a mistake; until then the folder has only what was found out about the pictures.
    """
    store, shards, found = open_store(spec.output), None, None
    if store.exists("job.json"):
        job = amend(spec)
    else:
        shards = read_checked(spec)
        check_model(spec)
        digest = fingerprint(spec)
        found = look_at_pictures(spec, store, digest, shards, progress)
        refuse_missing(spec, shards, found)
        refuse_other_sizes(spec, shards, found)
        start(spec, store, shards, digest)
        job = Job(spec.output)
    ingest(job, shards, found, progress)
    return job


def survey(spec: JobSpec) -> Survey:
    """Read and check the dataset, and write nothing. Raises UserError as `begin` does."""
    shards = read_checked(spec)
    return Survey(sum(len(shard.items) for shard in shards), sum(shard.labels["item"].nunique() for shard in shards))


def start(spec: JobSpec, store: Store, shards: list[formats.Shard], digest: str) -> None:
    begun = {
        "format": FORMAT,
        "spec": portable(dump(spec), spec.output),
        "fingerprint": digest,
        "items": sum(len(shard.items) for shard in shards),
        "shards": len(shards),
        "passed": passed_over(shards),
        "note": next((shard.note for shard in shards if shard.note), ""),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with naming("output"):
        store.write_json("job.json", begun)


def passed_over(shards: list[formats.Shard]) -> list[str]:
    """What is in the dataset and is not used, a line each: how often, and what it is."""
    counts: dict[str, int] = {}
    for shard in shards:
        for count, what in shard.passed:
            counts[what] = counts.get(what, 0) + count
    return [f"{count} {what}" for what, count in counts.items()]


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
    kind, own = kinds.get(spec.kind), own_names(spec)
    with naming("data"):
        return list(formats.read(spec.data, kind, spec.classes, spec.attribute, spec.labels, own))


def own_names(spec: JobSpec) -> str:
    """How the names of the job's own files begin, if its folder lies in the folder with the data; else empty."""
    data, output = (place if "://" in place else posixpath.normpath(place) for place in (spec.data, spec.output))
    data, output = data.rstrip("/") + "/", output.rstrip("/") + "/"
    if output == data:
        raise UserError(f"output: {spec.output} holds the data itself; give the job a folder of its own")
    return output.removeprefix(data) if output.startswith(data) else ""


def fingerprint(spec: JobSpec) -> str:
    """The SHA-256 of a file's bytes; of a folder's, the names of its pictures and the checksums of label files."""
    own = own_names(spec)
    with naming("data"):
        content = formats.content(spec.data, kinds.get(spec.kind), spec.labels, own)
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


def ingest(job: Job, shards: list[formats.Shard] | None, found: pd.DataFrame | None, progress: Progress | None) -> None:
    """Write the shards of items, and of the labels they came with, that are missing."""
    if len(job.listed("items/")) == job.begun["shards"]:
        return
    shards = shards or read_shards(job.spec)
    if found is None:
        found = look_at_pictures(job.spec, job.store, job.begun["fingerprint"], shards, progress)
    done = 0
    for number, shard in enumerate(shards, 1):
        if not job.there(f"items/{number:04d}.parquet"):
            items = shard.items.reset_index(drop=True)
            facts = found.iloc[done : done + len(items)].reset_index(drop=True)
            items.insert(0, "item", np.arange(done + 1, done + len(items) + 1))
            items["labeled"] = items["item"].isin(shard.labels["item"])
            items = pd.concat([items, with_stated(facts, shard.sizes, done)], axis=1)
            job.write_table(f"input/{number:04d}.parquet", shard.labels)
            job.write_table(f"items/{number:04d}.parquet", items)
        done += len(shard.items)


def with_stated(facts: pd.DataFrame, sizes: pd.DataFrame, before: int) -> pd.DataFrame:
    """The facts of a shard's pictures. A labeled picture that cannot be read has the size that the data file states.

    before: the number of items in earlier shards.
    """
    stated = sizes.set_index(sizes["item"] - before - 1)[["width", "height"]].reindex(facts.index, fill_value=0)
    size = facts[["width", "height"]]
    return facts.assign(**size.where(size > 0, stated).astype("int32"))


# -- pictures

FACTS = ["width", "height", "depth", "failure"]


def look_at_pictures(
    spec: JobSpec, store: Store, digest: str, shards: list[formats.Shard], progress: Progress | None
) -> pd.DataFrame:
    """FACTS of all pictures, one row per item, in order. They are kept in the folder, so that a run that was killed
    continues from there. Pictures for which a job may be refused are read again: somebody may have mended them."""
    from roundtruth import pictures

    total, done, parts = sum(len(shard.items) for shard in shards), 0, []
    base = formats.base(spec.data)
    for number, shard in enumerate(shards, 1):
        path = f"checked/{digest[:16]}/{number:04d}.parquet"
        source = shard.items["source"].reset_index(drop=True)
        urls = pd.DataFrame({"url": resolve_all(source, base)})

        def shifted(at: int, of: int, note: str = "", before: int = done) -> None:
            if progress:
                progress(before + at, total, note)

        try:
            with naming("output"):
                facts = store.read_table(path)
            again = facts["failure"].notna().to_numpy(bool).copy()
            again[shard.sizes["item"].to_numpy()[other_sizes(shard.sizes, facts, done)] - done - 1] = True
            if again.any():
                anew = pictures.check(urls[again], shifted)[FACTS]
                facts = pd.concat([facts[~again], anew]).sort_index()
        except FileNotFoundError:
            facts = pictures.check(urls, shifted)[FACTS]
            with naming("output"):
                store.write_table(path, facts)
        parts.append(facts)
        done += len(source)
    return pd.concat(parts, ignore_index=True)


def refuse_missing(spec: JobSpec, shards: list[formats.Shard], found: pd.DataFrame) -> None:
    """Refuse a dataset most of whose pictures are not there, unless nobody has to see them: all items came labeled."""
    from roundtruth.pictures import GONE

    sources = pd.concat([shard.items["source"] for shard in shards], ignore_index=True)
    labeled = sum(shard.labels["item"].nunique() for shard in shards)
    gone = np.flatnonzero((found["failure"] == GONE).to_numpy(bool))
    if len(gone) * 2 <= len(sources) or labeled == len(sources):
        return
    first = sources.iloc[gone[:3]].tolist()
    hint = "put the pictures there, or correct the names"
    if all("\\" in source for source in first):
        hint = "these are Windows paths; write / instead of \\"
    elif all(" " in source and not source.lower().endswith(formats.module("folder").PICTURES) for source in first):
        hint = "these seem to be texts, and a job of this kind labels pictures"
    names = ", ".join(source[:80] for source in first)
    raise UserError(
        f"data: {spec.data}: {len(gone)} of {len(sources)} pictures are not there, the first: {names}. "
        f"They were looked for in {formats.base(spec.data)}; {hint}"
    )


def refuse_other_sizes(spec: JobSpec, shards: list[formats.Shard], found: pd.DataFrame) -> None:
    """Refuse labels of pictures that now have another size: their boxes would not be where the things are."""
    if kinds.get(spec.kind).ONE_PER_ITEM:
        return  # such a label has no place in the picture
    sizes = pd.concat([shard.sizes for shard in shards], ignore_index=True)

    def say(at: int) -> str:
        item, wide, high = sizes.loc[at, ["item", "width", "height"]].tolist()
        width, height = found.loc[item - 1, ["width", "height"]].tolist()
        place = formats.place(spec.data, item)
        how = f"{width / wide:.3g} times as large; scale the labels with it"
        if (wide, high) == (height, width):
            how = "it is turned by its EXIF orientation; turn the labels with it"
        elif abs(width / wide - height / high) > 0.02:
            how = "it is another picture, or was cropped"
        return f"{place}: the file says {wide} x {high} pixels, the picture seen upright has {width} x {height}: {how}"

    refuse_all(other_sizes(sizes, found), say)


def other_sizes(sizes: pd.DataFrame, found: pd.DataFrame, before: int = 0) -> np.ndarray:
    """The positions in `sizes` of the pictures that have another size than their file states.

    before: the number of items before the first row of `found`.
    """
    stated = sizes[["width", "height"]].to_numpy()
    real = found[["width", "height"]].to_numpy()[sizes["item"].to_numpy() - before - 1]
    return np.flatnonzero((stated > 0).all(axis=1) & (real > 0).all(axis=1) & (stated != real).any(axis=1))
