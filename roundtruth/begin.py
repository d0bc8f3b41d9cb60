"""Begin a job: a dataset becomes a job folder. And go on with one, with what a person changed in its job file."""

import hashlib
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd

from roundtruth import (
    answers,
    delivery,
    finding,
    formats,
    kinds,
    learners,
    learning,
    plans,
    plural,
    predicted,
    workforce,
)
from roundtruth.errors import Mistakes, UserError, naming, refuse_all
from roundtruth.formats.listing import PICTURES
from roundtruth.instructions import Instructions
from roundtruth.job import FORMAT, Job, Progress, portable
from roundtruth.settings import Boxes
from roundtruth.spec import JobSpec
from roundtruth.storage import LEASE, Lease, Store, names_in, one_name, open_store, resolve_all
from roundtruth.workforce import gold

CHECKED = "checked"  # the folder of what was found out about the pictures; it is there before there is a job
AMENDABLE = ("budget", "target", "prices", "workforce", "answers", "learner", "instructions")
ITEMS = ["item", "source", "labeled", "width", "height", "failure"]
DIGEST = re.compile(r"[0-9a-f]{16}")  # names what is kept about a dataset's pictures


class Dataset(NamedTuple):
    """A dataset that was read and checked, with its pictures."""

    shards: list[formats.Shard]  # with labels as they are on the pictures
    facts: pd.DataFrame  # FACTS of the pictures, one row an item
    paths: pd.Series  # of the pictures that were found under another name: where they are; index: the item's row
    folder: str  # that the pictures are below
    digest: str
    mended: tuple[tuple[int, str], ...]  # what was put right: how often, and what it is, in words


class Survey(NamedTuple):
    """How large a dataset is."""

    items: int
    labeled: int  # items that came with a label


@contextmanager
def hold(spec: JobSpec, what: str) -> Iterator[Lease]:
    """The lease of the job folder. Raises Held where another run has it; its `check()` does once the lease is lost."""
    refuse_other_folder(spec.output)
    with ExitStack() as stack:
        with naming("output"):
            lease = stack.enter_context(open_store(spec.output).hold(what))
        yield lease


def refuse_other_folder(output: str) -> None:
    """Refuse a folder that holds something and no job. Hidden files do not count, and what an earlier try left."""
    with naming("output"):
        names = seen(output)
        if CHECKED in names and all(map(DIGEST.fullmatch, seen(f"{output}/{CHECKED}"))):
            names.remove(CHECKED)
    if names and "job.json" not in names:
        raise UserError(
            f"output: {output} holds other files ({min(names)}) and no job; give the job a folder of its own"
        )


def seen(folder: str) -> set[str]:
    return {name for name in names_in(folder) if not name.startswith(".")} - {LEASE, "Thumbs.db"}


def begin(spec: JobSpec, progress: Progress | None = None) -> Job:
    """Begin a job, or go on with the one in the folder; what a person changed in its job file becomes an amendment.

    The caller holds the job's lease. There is no job before the whole dataset has been read, and every picture decoded,
    without a mistake; until then the folder has only what was found out about the pictures.
    """
    store, dataset, given = open_store(spec.output), None, None
    if begun := store.exists("job.json"):
        job = amend(spec)
    else:
        dataset = read_dataset(spec, store, progress)
        check_workforce(spec, items_of(dataset))
        check_instructions(spec)
        check_gold(spec, store)
        given = predicted.read(spec, items_of(dataset)) if spec.predictions else None
        start(spec, store, dataset, given)
        job = Job(spec.output)
    if len(job.listed("items/")) < job.begun["shards"]:
        dataset = dataset or read_dataset(job.spec, store, progress, job)
        ingest(job, dataset)
    write_gold(job)
    if job.spec.predictions and not job.there(predicted.ABOUT):
        predicted.write(job, given or predicted.read(job.spec, job.items(ITEMS)))
    learning.choose(job)
    if begun and not job.stopped:
        look_again(job, progress)
    return job


def survey(spec: JobSpec) -> Survey:
    """Read and check the dataset and given predictions, but no pictures, and write nothing. Raises UserError as `begin`
    does."""
    shards = read_checked(spec)
    if spec.predictions:
        sources = all_sources(shards)
        predicted.survey(spec, pd.DataFrame({"item": np.arange(1, len(sources) + 1), "source": sources}))
    return Survey(sum(len(shard.items) for shard in shards), sum(shard.labels["item"].nunique() for shard in shards))


def start(spec: JobSpec, store: Store, dataset: Dataset, given: predicted.Given | None = None) -> None:
    from roundtruth import pictures

    begun = {
        "format": FORMAT,
        "spec": portable(dump(spec), spec.output),
        "fingerprint": dataset.digest,
        "items": len(dataset.facts),
        "shards": len(dataset.shards),
        "note": next((shard.note for shard in dataset.shards if shard.note), ""),
        "passed": counted(shard.passed for shard in dataset.shards),
        "notes": [*pictures.notes_on(dataset.facts), *counted([dataset.mended])],
        "ranges": pictures.ranges_of(dataset.facts),
        "pictures": posixpath.relpath(dataset.folder, formats.base(spec.data)),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if given:
        begun["predictions"] = given.digest
    with naming("output"):
        store.write_json("job.json", begun)


def counted(notes: Iterable[Iterable[tuple[int, str]]]) -> list[str]:
    """A line for each thing that was found in a dataset: how often, and what it is (as `plural.counted` takes it)."""
    counts: dict[str, int] = {}
    for count, what in chain.from_iterable(notes):
        counts[what] = counts.get(what, 0) + count
    return [plural.counted(count, what) for what, count in counts.items()]


def amend(spec: JobSpec) -> Job:
    """The job in the folder of `spec`, with what differs in `spec` written down as an amendment.

    Raises UserError where that may not change, or where the dataset did.
    """
    job = Job(spec.output)
    before, now = (portable(dump(one), spec.output) for one in (job.spec, spec))
    changed = [key for key in now if now[key] != before[key]]
    if fingerprint(spec) == job.begun["fingerprint"]:
        may = {"data", "pictures", *AMENDABLE}  # the same data in another place is a project that was moved
    elif "data" in changed:
        may = set(AMENDABLE)
    else:
        raise UserError(
            f"data: {spec.data} changed since the job began; "
            "put it back, or give the new dataset a job folder of its own"
        )
    if spec.predictions and job.spec.predictions:
        refuse_other_predictions(spec, job)
        may |= {"predictions"}
    fixed = [key for key in changed if key not in may or key in plans.get(spec.plan).FIXED]
    if fixed:
        key = fixed[0]
        raise UserError(
            f"{key}: the job in {spec.output} has {dump(job.spec)[key]!r}, the job file says {dump(spec)[key]!r}; "
            "put it back, or give the new job a folder of its own"
        )
    refuse_beyond_budget(spec, job, changed)
    if "learner" in changed:
        check_model(spec)
    if "workforce" in changed:
        check_workforce(spec, job.items())
        check_gold(spec, job.store)
    if "instructions" in changed:
        check_instructions(spec)
    if not changed:
        return job
    job.amend({key: now[key] for key in changed})
    return Job(spec.output)


def refuse_other_predictions(spec: JobSpec, job: Job) -> None:
    if predicted.digest(spec.predictions) != job.begun["predictions"]:
        raise UserError(
            f"predictions: {spec.predictions} is not what the job began with, and a promise fixes it; put it back, or "
            "give the new job a folder of its own and another seed"
        )


def refuse_beyond_budget(spec: JobSpec, job: Job, changed: list[str]) -> None:
    """Refuse a change by which the people who are asked now may cost more than the budget. It was kept for them."""
    last = job.last_round()
    keys = [key for key in ("budget", "workforce", "answers", "prices") if key in changed]
    if spec.budget is None or not keys or not last or job.stopped or job.has(last, "closed.json"):
        return
    most = answers.at_most(job, spec)
    before = np.inf if job.spec.budget is None else job.spec.budget - answers.at_most(job, job.spec)
    if spec.budget - most < min(0, before) - 1e-6:  # what people gave unasked may have used it up before
        least = np.ceil(100 * most - 1e-6) / 100
        raise UserError(
            f"{keys[0]}: people are being asked, and with this change the job may cost {least:.2f} by the time they "
            f"have answered, more than the budget of {spec.budget:.2f}; put it back, give a budget of {least:.2f}, or "
            "stop the job (roundtruth stop)"
        )


def dump(spec: JobSpec) -> dict:
    return spec.model_dump(mode="json")


# -- the dataset


def read_dataset(spec: JobSpec, store: Store, progress: Progress | None, begun: Job | None = None) -> Dataset:
    """The dataset and what is known of its pictures. Raises UserError for whatever keeps a job from beginning.

    begun: the job, where it was begun without all its items: what it wrote down is not found out again.
    """
    shards = read_checked(spec)
    check_model(spec)
    sources = all_sources(shards)
    digest = begun.begun["fingerprint"] if begun else fingerprint(spec)
    folder = begun.pictures_folder if begun else spec.pictures or finding.folder(spec.data, sources)
    facts = look_at_pictures(store, digest, shards, folder, progress)
    facts, paths, mended = find_renamed(spec, shards, facts, folder)
    refuse_missing(spec, shards, facts, folder)
    sources = replaced(sources, paths)
    refuse_same_files(spec, shards, facts, sources, folder)
    shards, put_right = fitted(spec, shards, facts, sources, folder)
    return Dataset(shards, facts, paths, folder, digest, (*mended, *put_right))


def all_sources(shards: list[formats.Shard]) -> pd.Series:
    return pd.concat([shard.items["source"] for shard in shards], ignore_index=True)


def replaced(sources: pd.Series, paths: pd.Series) -> pd.Series:
    """The sources, with the paths of those that were found under another name."""
    result = sources.copy()
    result[paths.index] = paths
    return result


def read_checked(spec: JobSpec) -> list[formats.Shard]:
    """The dataset in shards. Raises UserError where an item is there twice, cannot be reached, or has an impossible
    label."""
    shards = read_shards(spec)
    sources = all_sources(shards)
    if sources.empty:
        raise UserError(f"data: {spec.data}: empty; there is nothing to label")
    base = spec.pictures or formats.base(spec.data)
    refuse_twice(spec, shards, resolve_all(sources, base, lambda row: f"{source_at(spec, shards, row)}: "))
    return shards


def source_at(spec: JobSpec, shards: list[formats.Shard], row: int) -> str:
    """Where the name of an item's picture stands in the dataset."""
    return f"{shards[0].item_at(row + 1)}: {getattr(formats.of(spec.data), 'SOURCE', 'name')}"


def refuse_twice(spec: JobSpec, shards: list[formats.Shard], urls: list[str]) -> None:
    """Refuse a picture that is several items: a.jpg and ./a.jpg are one file."""
    sources, places = all_sources(shards), pd.Series(urls, dtype="str")
    again = places.duplicated().to_numpy()
    if not again.any():
        return
    first = pd.Series(places.index, index=places).groupby(level=0).first()

    def say(later: int) -> str:
        earlier = int(first[places[later]])
        there = shards[0].item_at(earlier + 1).removeprefix(f"{spec.data}: ").replace("line", "on line")
        other = f" as {sources[earlier]}" if sources[earlier] != sources[later] else ""
        return f"{source_at(spec, shards, later)}: {sources[later]} is {there} already{other}; take one out"

    refuse_all(np.flatnonzero(again), say)


def read_shards(spec: JobSpec) -> list[formats.Shard]:
    kind, own = kinds.get(spec.kind), own_names(spec)
    with naming("data"):
        return list(formats.read(spec.data, kind, spec.classes, spec.attribute, spec.labels, own))


def own_names(spec: JobSpec) -> str:
    """How the names of the job's own files begin, if its folder lies in the folder with the data; else empty."""
    data, output = one_name(spec.data) + "/", spec.output + "/"
    if output == data:
        raise UserError(f"output: {spec.output} holds the data itself; give the job a folder of its own")
    return output.removeprefix(data) if output.startswith(data) else ""


def fingerprint(spec: JobSpec) -> str:
    """The SHA-256 of a file's bytes; of a folder's, the names of its pictures and the checksums of label files."""
    own = own_names(spec)
    with naming("data"):
        content = formats.content(spec.data, kinds.get(spec.kind), spec.labels, own)
    return hashlib.sha256(content).hexdigest()


def check_workforce(spec: JobSpec, items: pd.DataFrame) -> None:
    """Refuse people whose files cannot be used before anybody is asked, and paid."""
    check = getattr(workforce.module(spec.workforce.backend), "check", None)
    if check:
        check(spec, items)


def check_gold(spec: JobSpec, store: Store) -> None:
    if given := getattr(spec.workforce, "gold", None):
        read_gold(spec, given, store)


def read_gold(spec: JobSpec, given: str, store: Store) -> gold.Gold:
    """The pictures with known labels that the labeling page is to show among the others; their items count from 1."""
    try:
        found = read_dataset(spec.model_copy(update={"data": given, "pictures": None, "labels": None}), store, None)
        urls = resolve_all(replaced(all_sources(found.shards), found.paths), found.folder)
    except UserError as mistake:
        said = str(mistake).removeprefix("data: ")
        raise UserError(f"workforce: gold: {said}", mistake.mistakes) from None
    labels = pd.concat([shard.labels for shard in found.shards])
    items = found.facts.reset_index(drop=True).assign(item=np.arange(1, len(urls) + 1), url=urls)
    items = items[items["item"].isin(labels["item"]) & items["failure"].isna()]
    if items.empty:
        raise UserError(
            f"workforce: gold: {given}: no picture with a label that can be read; give their labels, in a "
            f"manifest as {spec.attribute!r}"
        )
    known = labels.loc[labels["item"].isin(items["item"]), ["item", *kinds.get(spec.kind).COLUMNS]]
    return gold.Gold(items[["item", "url", "width", "height"]], known)


def write_gold(job: Job) -> None:
    """Keep the known labels in the job folder, unless they are there. Their items count on from the dataset's."""
    given = getattr(job.spec.workforce, "gold", None)
    if given is None:
        return
    before, last = gold.newest(job.store, job.store.list(gold.FOLDER)), job.begun["items"]
    if before:
        written = job.store.read_json(gold.path(before))
        if written["gold"] == given:
            return
        last = written["last"]
    found = read_gold(job.spec, given, job.store)
    items, labels = (table.assign(item=table["item"] + last) for table in found)
    gold.write(job.store, before + 1, gold.Gold(items, labels), given)


def check_instructions(spec: JobSpec) -> None:
    with naming("instructions"):
        Instructions(spec.instructions)


def items_of(dataset: Dataset) -> pd.DataFrame:
    """The items of a dataset, as the job will have them: ITEMS."""
    sources = all_sources(dataset.shards)
    labeled = pd.concat([shard.labels["item"] for shard in dataset.shards])
    items = pd.DataFrame({"item": np.arange(1, len(sources) + 1), "source": sources})
    items["labeled"] = items["item"].isin(labeled)
    return items.join(dataset.facts[["width", "height", "failure"]].reset_index(drop=True))


def check_model(spec: JobSpec) -> None:
    """Refuse a learner or weights that cannot be used before people are asked, and paid."""
    if spec.pool is not None:
        return  # they need only be where the pool's workers run
    if spec.learner != "default":
        learners.load(spec.learner, kinds.get(spec.kind))
    if spec.weights not in (None, "none"):
        from roundtruth.learners import weights

        weights.read(spec.weights)


# -- writing the items

CREATED = "1970-01-01T00:00:00.000000"  # nobody knows when; and a dataset that is read again must read the same
JOB_NAME = "input"
KEPT = ("job-name", "creation-date", "human-annotated")  # of the metadata of a label that is written anew


def ingest(job: Job, dataset: Dataset) -> None:
    """Write the shards of items, and of the labels they came with, that are missing."""
    if len(dataset.paths):
        paths = pd.DataFrame({"item": dataset.paths.index + 1, "path": dataset.paths.to_numpy()})
        job.write_table("paths.parquet", paths)
    done = 0
    for number, shard in enumerate(dataset.shards, 1):
        if not job.there(f"items/{number:04d}.parquet"):
            items = shard.items.reset_index(drop=True)
            facts = dataset.facts.iloc[done : done + len(items)].reset_index(drop=True)
            items.insert(0, "item", np.arange(done + 1, done + len(items) + 1))
            items["labeled"] = items["item"].isin(shard.labels["item"])
            items = pd.concat([items, with_stated(facts, shard.sizes, done)], axis=1)
            items["record"] = with_labels(job.spec, items, shard.labels)
            job.write_table(f"input/{number:04d}.parquet", shard.labels[["item", *job.kind.COLUMNS, "confidence"]])
            job.write_table(f"items/{number:04d}.parquet", items)
        done += len(shard.items)


def with_stated(facts: pd.DataFrame, sizes: pd.DataFrame, before: int) -> pd.DataFrame:
    """The facts of a shard's pictures. A labeled picture that cannot be read has the size that the data file states.

    before: the number of items in earlier shards.
    """
    stated = sizes.set_index(sizes["item"] - before - 1)[["width", "height"]].reindex(facts.index, fill_value=0)
    size, unread = facts[["width", "height"]], facts["width"] == 0
    depth = facts["depth"].mask(unread & (stated["width"] > 0), 3)  # most pictures are in colour
    return facts[["width", "height", "depth", "failure"]].assign(
        **size.where(~unread, stated).astype("int32"), depth=depth.astype("int32")
    )


def with_labels(spec: JobSpec, items: pd.DataFrame, labels: pd.DataFrame) -> pd.Series:
    """The records of items, with their labels where they do not have them yet, or have others."""
    known = "as_is" in labels
    new = labels[labels["item"].isin(labels.loc[~labels["as_is"], "item"])] if known else labels
    if new.empty:
        return items["record"]
    new = new.assign(source="input") if known else new
    mine = items[items["item"].isin(new["item"])]
    fields = kinds.get(spec.kind).encode(new, mine, spec.attribute, spec.classes, JOB_NAME, CREATED)
    records = delivery.with_fields(items["record"], items["item"].map(fields), spec.attribute, KEPT).to_pylist()
    return pd.Series(records, index=items.index, dtype="str")


# -- pictures

NOT_HERE = r"^(?:[A-Za-z]:[\\/]|\\\\|~[^/]*/)"  # C:\x, \\server\x, ~ann/x
ELSEWHERE = "a path that only Windows or a shell knows; write it relative to the data file, or from / on"


def look_at_pictures(
    store: Store, digest: str, shards: list[formats.Shard], folder: str, progress: Progress | None
) -> pd.DataFrame:
    """What `pictures.check` finds out about all pictures, one row per item, in order. It is kept in the folder, so that
    a run that was killed continues from there. Pictures for which a job may be refused are read again: somebody may
    have mended them."""
    from roundtruth import pictures

    total, done, parts = sum(len(shard.items) for shard in shards), 0, []
    for number, shard in enumerate(shards, 1):
        path = f"{CHECKED}/{digest[:16]}/{number:04d}.parquet"
        source = shard.items["source"].reset_index(drop=True)
        urls = pd.DataFrame({"url": resolve_all(source, folder)})

        def shifted(at: int, of: int, note: str = "", before: int = done) -> None:
            if progress:
                progress(before + at, total, note)

        try:
            with naming("output"):
                facts = store.read_table(path)
            again = facts["failure"].notna().to_numpy(bool).copy()
            known = sizes_of(shard._replace(sizes=shard.sizes.assign(item=shard.sizes["item"] - done)), facts)
            again[known.index[other_sizes(known)] - 1] = True
            if again.any():
                anew = pictures.check(urls[again], shifted)
                facts = pd.concat([facts.loc[~again], anew]).sort_index()
        except FileNotFoundError:
            facts = pictures.check(urls, shifted)
            with naming("output"):
                store.write_table(path, facts)
        parts.append(facts)
        done += len(source)
    return pd.concat(parts, ignore_index=True)


def find_renamed(
    spec: JobSpec, shards: list[formats.Shard], facts: pd.DataFrame, folder: str
) -> tuple[pd.DataFrame, pd.Series, list[tuple[int, str]]]:
    """(facts, paths, notes): pictures that are not there under their own names may be there under another."""
    from roundtruth import pictures

    sources = all_sources(shards)
    gone = sources[(facts["failure"] == pictures.GONE).to_numpy(bool)]
    paths, notes = finding.renamed(gone, folder)
    if paths.empty:
        return facts, paths, notes
    urls = pd.DataFrame({"url": resolve_all(paths, folder)}, index=paths.index)
    facts = pd.concat([facts.loc[~facts.index.isin(paths.index)], pictures.check(urls)]).sort_index()
    refuse_twice(spec, shards, resolve_all(replaced(sources, paths), folder))
    return facts, paths, notes


def look_again(job: Job, progress: Progress | None) -> None:
    """Look again for the pictures that could not be read. Those that can be now are items from the next round on."""
    items = job.items(["labeled", "failure"])
    away = np.flatnonzero((items["failure"].notna() & ~items["labeled"]).to_numpy(bool))
    if not len(away):
        return
    from roundtruth import pictures

    some = job.items(["item", "source"]).iloc[away]
    facts = pictures.check(some.assign(url=job.urls(some)), progress)[[*pictures.FACTS]]
    found = facts.assign(item=some["item"], round=job.last_round())[facts["failure"].isna()]
    if len(found):
        job.write_table(f"returned/{len(job.listed('returned/')) + 1:04d}.parquet", found.reset_index(drop=True))


def refuse_missing(spec: JobSpec, shards: list[formats.Shard], found: pd.DataFrame, folder: str) -> None:
    """Refuse a dataset most of whose pictures are not there, unless nobody has to see them: all items came labeled."""
    from roundtruth.pictures import DENIED, GONE

    sources = all_sources(shards)
    labeled = sum(shard.labels["item"].nunique() for shard in shards)
    gone = np.flatnonzero(found["failure"].isin([GONE, DENIED]).to_numpy(bool))
    if labeled == len(sources):
        return

    def say(row: int) -> str:
        return f"{source_at(spec, shards, row)}: {sources[row]}: {ELSEWHERE}"

    refuse_all(gone[sources.iloc[gone].str.contains(NOT_HERE).to_numpy(bool)], say)
    if len(gone) * 2 <= len(sources):
        return
    first = sources.iloc[gone[:3]].tolist()
    names = ", ".join(source[:80] for source in first)
    around = "" if spec.pictures or formats.is_folder(spec.data) else " and in the usual folders around it"
    given = f"pictures: {spec.pictures}" if spec.pictures else f"data: {spec.data}"
    those = f"{given}: {len(gone):,} of {plural.counted(len(sources), 'picture[|s]')}"
    looked = f"the first: {names} (looked for in {folder}{around})"
    if (found["failure"].iloc[gone] == DENIED).all():
        raise UserError(
            f"{those} may not be read, {looked}; give the right to read them (on S3: the permission s3:GetObject)"
        )
    missing = f"{those} {plural.chosen(len(gone), '[is|are] not there')}, {looked}"
    if all(" " in source and not source.lower().endswith(PICTURES) for source in first):
        raise UserError(f"{missing}; these seem to be texts, and a job of this kind labels pictures")
    if spec.pictures:
        raise UserError(f"{missing}; put the pictures there, or correct the key")
    raise UserError(f"{missing}; put the pictures there, or name their folder in the job file: `pictures: FOLDER`")


def refuse_same_files(
    spec: JobSpec, shards: list[formats.Shard], found: pd.DataFrame, sources: pd.Series, folder: str
) -> None:
    """Refuse two items that are one file, such as a picture and a symbolic link to it: both would be asked about.

    Hard links are files of their own: programs that save space on the disk make them of equal files.
    """
    known = found.loc[found["file"] > 0, ["disk", "file"]]
    several = known.index[known.duplicated(keep=False)]
    if several.empty:
        return
    sources = sources.loc[several]
    real = pd.Series([os.path.realpath(url) for url in resolve_all(sources, folder)], several)
    later, first = several[real.duplicated()], real.drop_duplicates().reset_index().set_index(0)["index"]

    def say(at: int) -> str:
        item, other = later[at], first[real[later[at]]]
        return f"{source_at(spec, shards, item)}: {sources[item]} is the same file as {sources[other]}; take one out"

    refuse_all(range(len(later)), say)


# -- labels on pictures


def fitted(
    spec: JobSpec, shards: list[formats.Shard], facts: pd.DataFrame, sources: pd.Series, folder: str
) -> tuple[list[formats.Shard], list[tuple[int, str]]]:
    """(shards, notes): the labels as they are on the pictures that were found, and what was put right.

    Raises UserError for labels that cannot be on their pictures, and for pictures of another size than stated.
    """
    from roundtruth import pictures

    kind = kinds.get(spec.kind)
    mistakes, notes, result = Mistakes(spec.data), [], []
    for shard in shards:
        known, labels, given = sizes_of(shard, facts), shard.labels, written(spec, shard)
        other = known.index[other_sizes(known)] if not kind.ONE_PER_ITEM else known.index[:0]
        if given.size is None:
            with mistakes.collecting():
                refuse_other_sizes(shard, known.loc[other])
            labels = labels[~labels["item"].isin(other)]
        elif len(other):
            known.loc[other, "orientation"] = pictures.orientation(resolve_all(sources.iloc[other - 1], folder))
        with mistakes.collecting():
            labels, put_right, changed = kind.fit(labels, known, given, shard.label_at)
            notes += put_right
            if "as_is" in labels:
                notes += renumbered(labels)
                labels = labels.assign(as_is=labels["as_is"] & ~labels["item"].isin(changed))
        result.append(shard._replace(labels=labels))
    mistakes.refuse()
    return result, notes


def written(spec: JobSpec, shard: formats.Shard) -> Boxes:
    """How the boxes of a shard are written: what its format says, and for the rest the job file."""
    of_format = shard.boxes.model_dump(exclude_none=True) if shard.boxes else {}
    return (spec.boxes or Boxes()).model_copy(update=of_format)


def renumbered(labels: pd.DataFrame) -> list[tuple[int, str]]:
    count = int((~labels["as_is"]).sum())
    return [(count, "label[|s] had other class numbers than the job; the output has the job's")] if count else []


def sizes_of(shard: formats.Shard, facts: pd.DataFrame) -> pd.DataFrame:
    """What is known of the labeled pictures: (stated_width, stated_height, width, height, orientation), 0 for a size
    that nobody knows; index: item."""
    sizes = shard.sizes.set_index("item")[["width", "height"]].add_prefix("stated_")
    seen = facts[["width", "height"]].iloc[sizes.index - 1].set_axis(sizes.index)
    return pd.concat([sizes, seen], axis=1).assign(orientation=1)


def other_sizes(known: pd.DataFrame) -> np.ndarray:
    """Whether each picture has another size than its file states."""
    stated, seen = (known[names].to_numpy() for names in (["stated_width", "stated_height"], ["width", "height"]))
    return (stated > 0).all(axis=1) & (seen > 0).all(axis=1) & (stated != seen).any(axis=1)


def refuse_other_sizes(shard: formats.Shard, other: pd.DataFrame) -> None:
    """Refuse labels of pictures that now have another size: their boxes would not be where the things are."""

    def say(row: int) -> str:
        wide, high, width, height = other.iloc[row, :4].tolist()
        how = f"{width / wide:.3g} times as large; `boxes: {{size: as-stated}}` in the job file scales the labels"
        if (wide, high) == (height, width):
            how = "it is turned by its EXIF orientation; `boxes: {size: as-stated}` in the job file turns the labels"
        elif abs(width / wide - height / high) > 0.02:
            how = "it is another picture, or was cropped; put the right one there"
        return (
            f"{shard.item_at(other.index[row])}: the file says {wide} x {high} pixels, the picture seen upright has "
            f"{width} x {height}: {how}"
        )

    refuse_all(range(len(other)), say)
