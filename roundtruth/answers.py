"""What people said: asked for, asked on where they disagree, collected once a sweep, each answer kept once."""

import hashlib
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pandas as pd

from roundtruth import ledger, workforce
from roundtruth.errors import UserError
from roundtruth.plural import counted
from roundtruth.tables import as_answers

FOUND, REJECTED = "people/found.json", "people/rejected.csv"


# What a sweep has to tell beside answers: how many rows people must mend, the first of them, a digest of all; and what
# was put right or passed over
NOTHING = {"rejected": 0, "first": [], "digest": "", "notes": []}
SHOWN = 10  # rejected rows that are told in full
LONGEST = 300  # characters of one


class News(NamedTuple):
    """What a sweep found."""

    answers: pd.DataFrame  # those that the job folder does not have yet, each with its round as `batch`
    exhausted: bool  # nothing more will ever come for what was asked so far
    found: dict  # what people/found.json is to hold, see NOTHING
    rejected: bytes  # what people/rejected.csv is to hold


def ask(job, round: int) -> None:
    """Ask people about the round's batch; ask again once the job file names other people, or wants more answers."""
    want, before = wanted(job, round), posted(job, round)
    if before is None or (want > before["answers"]).any():
        post(job, round, want)


def ask_on(job, round: int) -> int:
    """Ask one more person about each item of the batch that has its answers and no sure label; how many there are.

    This is done once all items of the batch have their answers, or will get no more. So it depends on what people said,
    and not on when they said it.
    """
    want = wanted(job, round)
    more = unsure(job, round, want)
    if len(more):
        there = per_item(job, round).reindex(more)
        want.loc[more] = there + 1  # more people than were asked may have answered
        post(job, round, want, after=len(job.listed(job.path(round, "answers/"))))
    return len(more)


def unsure(job, round: int, want: pd.Series) -> np.ndarray:
    """The items of a round's batch that have the answers that were wanted, and need one more.

    Where quality is promised, the people are known by `first_words`, so that it does not matter for an item when it was
    drawn; else by all answers so far.
    """
    there = per_item(job, round).reindex(want.index, fill_value=0)
    ready = want.index[(there >= want) & (want < job.spec.asking.most)].to_numpy()
    if len(ready) == 0:
        return ready
    return needing_more(job, job.answers(round), ready, teaching(job, round))


def teaching(job, round: int) -> pd.DataFrame:
    """The answers that show how good the people are."""
    if job.spec.target.certificate != "none":
        return first_words(job)
    before = [job.answers(number, counted=True) for number in range(1, round)]
    return pd.concat([*before, job.answers(round)], ignore_index=True)


def poor(job) -> bool:
    """Whether people were found to agree so little that every item needs the most answers."""
    if job.spec.asking.least == job.spec.asking.most or first_files(job) is None:
        return False
    said = teaching(job, job.last_round())
    return job.kind.poor(said[said["reason"].isna()])


def needing_more(job, answers: pd.DataFrame, items: np.ndarray, teach: pd.DataFrame) -> np.ndarray:
    """Those of some items that need one more answer. answers: those to the items. teach: those that show how good the
    people are, to the same or other items."""
    teach = teach.assign(item=-teach["item"])  # apart from the items, which may have more answers by now
    said = pd.concat([teach, answers[answers["item"].isin(items)]], ignore_index=True)
    said = said[said["reason"].isna()].reset_index(drop=True)
    found = job.kind.unsure(said, job.spec.classes, job.spec.asking, (said["item"] < 0).to_numpy())
    return np.intersect1d(items, found)


def first_words(job) -> pd.DataFrame:
    """The answers to the training items of the first batch, as they were when it was first decided who needs more."""
    batch, answers = job.batch(1), job.answers(1, files=first_files(job))
    return answers[answers["item"].isin(batch["item"][batch["role"] == "train"])]


def first_files(job) -> int | None:
    """How many files of answers the first batch had at its first decision; None: as many as it has."""
    for path in job.listed(job.path(1, "posted-")):
        if (after := job.read_json(path).get("after")) is not None:
            return after
    return job.read_json(job.path(1, "closed.json"))["files"] if job.has(1, "closed.json") else None


def post(job, round: int, want: pd.Series, after: int | None = None) -> None:
    """Ask for so many answers to each item of a round's batch, by item. after: how many files of answers it has, where
    they decided about it."""
    handle = workforce.get(job).ask(round, want.rename("answers").reset_index())
    again = len(job.listed(job.path(round, "posted")))
    name = f"posted-{again + 1:04d}.json" if again else "posted.json"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    asked = {"posted_at": now, **handle, "backend": job.spec.workforce.backend, "answers": want.tolist()}
    if after is not None:
        asked["after"] = after
    job.write_json(job.path(round, name), asked)


def wanted(job, round: int) -> pd.Series:
    """How many answers are wanted of each item of a round's batch, by item: as many as were asked for, within what the
    job file says now."""
    last, asking = last_posted(job, round), job.spec.asking
    items = pd.Index(job.asks(round)["item"], name="item")
    return pd.Series(last["answers"] if last else 0, index=items, dtype="int64").clip(asking.least, asking.most)


def posted(job, round: int) -> dict | None:
    """What the job's backend returned when it was last asked about a round's batch; None where it was not asked."""
    last = last_posted(job, round)
    return last if last and last["backend"] == job.spec.workforce.backend else None


def last_posted(job, round: int) -> dict | None:
    """What any backend returned when it was last asked about a round's batch."""
    paths = job.listed(job.path(round, "posted-")) or [job.path(round, "posted.json")]
    return job.read_json(paths[-1]) if job.there(paths[-1]) else None


def collect(job) -> bool:
    """Add the answers that are new, to any round, and tell what is wrong; whether no more will ever come."""
    came = news(job)
    for round, answers in came.answers.groupby("batch"):
        number = len(job.listed(job.path(round, "answers/"))) + 1
        count = len(pair(answers).drop_duplicates().difference(pair(job.answers(round))))
        name = f"answers/{number:04d}-{count}.parquet"
        job.write_table(job.path(round, name), answers.reset_index(drop=True))
    if came.found != found(job):
        job.replace(REJECTED, came.rejected)
        job.replace_json(FOUND, came.found)
    return came.exhausted


def came(job) -> bool:
    """Whether it pays to go on with a job that waits for people. Only looks, so it may be asked at any time."""
    come, last = news(job), job.last_round()
    return come.exhausted or is_new(job, come) or answered(job, last) == len(job.asks(last))


def is_new(job, come: News) -> bool:
    """Whether the job folder does not have yet what a sweep found."""
    return len(come.answers) > 0 or come.found != found(job)


def found(job) -> dict:
    """What the last sweep had to tell, see NOTHING."""
    try:
        if job.there(FOUND):
            return NOTHING | job.read_json(FOUND)
    except UserError:
        pass  # it is damaged, and the next sweep writes it again
    return NOTHING


def answered(job, round: int) -> int:
    """The items of a round's batch that have as many answers as were asked for."""
    want = wanted(job, round)
    return int((per_item(job, round).reindex(want.index, fill_value=0) >= want).sum())


def missing(job, round: int) -> int:
    """The answers that a round's batch still needs."""
    want = wanted(job, round)
    return int((want - per_item(job, round).reindex(want.index, fill_value=0)).clip(lower=0).sum())


def per_item(job, round: int) -> pd.Series:
    """How many people answered each item of a round's batch; a reason is not an answer. Index: item."""
    answers = job.answers(round)
    return answers[answers["reason"].isna()].groupby("item")["worker"].nunique()


def at_most(job, spec) -> float:
    """What the job will have cost at the most, by what a job file says, once its open batch has been answered: each of
    the batch's items by as many people as may be asked."""
    return ledger.spent(job, spec.prices) + open_batch(job, spec)[1]


def open_batch(job, spec) -> tuple[int, float]:
    """The items of the batch whose answers are not merged yet, and what they will cost at the most beyond the answers
    that came, by what a job file says."""
    last = job.last_round()
    if last == 0 or job.has(last, "labels.parquet"):
        return 0, 0.0
    asked, more = job.asks(last)["item"], 0
    if not job.has(last, "closed.json"):
        there = per_item(job, last).reindex(asked, fill_value=0)
        more = int((spec.asking.most - there).clip(lower=0).sum())
    return len(asked), len(asked) * spec.prices.per_item + more * spec.prices.per_answer


def close(job, round: int, how: str) -> None:
    """End the round's batch; `how` is "complete" or "expired". The answers there are now count, later ones do not."""
    files = len(job.listed(job.path(round, "answers/")))
    closed = {"how": how, "files": files, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    job.write_json(job.path(round, "closed.json"), closed)


def news(job) -> News:
    """What people said that the job folder does not have yet. Only looks."""
    handles = {round: posted(job, round) for round in job.rounds_with("posted.json")}
    handles = {round: handle | {"answers": wanted(job, round).tolist()} for round, handle in handles.items() if handle}
    brought = workforce.get(job).collect(handles)
    answers = newest(as_answers(brought.answers, job.kind))
    answers["batch"] = job.first_asked()[answers["item"].to_numpy()]  # an item is asked about in one round only
    parts = [new_answers(job, round, answers[answers["batch"] == round]) for round in handles]
    parts = [part for part in parts if len(part)]
    not_asked = len(pair(answers[answers["batch"] == 0]).drop_duplicates())
    late = sum(late_corrections(job, round, answers[answers["batch"] == round]) for round in handles)
    told, table = finding(brought, not_asked, late)
    if brought.notes is None:
        told, table = found(job), b""
    return News(pd.concat(parts, ignore_index=True) if parts else answers[:0], brought.exhausted, told, table)


def finding(brought: workforce.Collected, not_asked: int, late: int) -> tuple[dict, bytes]:
    """What is told of a sweep, and the rows that people must mend as a CSV. not_asked: answers that nobody wanted.
    late: answers that were changed too late."""
    notes = list(brought.notes or [])
    if not_asked:
        told = "answer[|s] [is about an item that was|are about items that were] not asked about, and not paid"
        notes.append(counted(not_asked, told))
    if late:
        told = "answer[|s] [was|were] changed after [its|their] batch was closed; the earlier [one counts|ones count]"
        notes.append(counted(late, told))
    rejected = brought.rejected
    if rejected is None or rejected.empty:
        return NOTHING | {"notes": notes}, b"file,line,reason\n"
    table = rejected.to_csv(index=False, lineterminator="\n").encode("utf-8", "replace")
    first = [f"{row.file}: line {row.line}: {row.reason}"[:LONGEST] for row in rejected.head(SHOWN).itertuples()]
    digest = hashlib.sha256(table).hexdigest()[:16]
    return {"rejected": len(rejected), "first": first, "digest": digest, "notes": notes}, table


def newest(answers: pd.DataFrame) -> pd.DataFrame:
    """The newest answer of each worker to each item. All rows of one answer have the same time."""
    last = answers.groupby(["item", "worker"])["submitted_at"].transform("max")
    return answers[(answers["submitted_at"] == last) | last.isna()].reset_index(drop=True)


def new_answers(job, round: int, brought: pd.DataFrame) -> pd.DataFrame:
    """Those of the answers to a round's batch that are not known yet, or that are a newer word than what is known."""
    known = job.answers(round)
    if brought.empty or known.empty:
        return brought
    if job.has(round, "closed.json"):  # a correction after the close would count an answer twice
        return brought[~pair(brought).isin(pair(known))]
    new = changed(brought, known, [*job.kind.COLUMNS, "reason"])
    before = known.groupby(["item", "worker"])["submitted_at"].max().reindex(pair(new))
    return new[~(before.array > new["submitted_at"].array)]


def late_corrections(job, round: int, brought: pd.DataFrame) -> int:
    """How many of the answers to a closed batch say something else than those that the job has."""
    known = job.answers(round)
    if brought.empty or known.empty or not job.has(round, "closed.json"):
        return 0
    again = brought[pair(brought).isin(pair(known))]
    return len(pair(changed(again, known, [*job.kind.COLUMNS, "reason"])).drop_duplicates())


def pair(answers: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(answers[["item", "worker"]])


def changed(answers: pd.DataFrame, known: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The answers (all rows of an item and worker) that `known` does not have just so."""

    def content(table: pd.DataFrame) -> pd.Series:
        rows = pd.util.hash_pandas_object(table[columns], index=False)
        return rows.groupby(pair(table)).sum()  # wraps around: a sum of hashes does not depend on the rows' order

    now, before = content(answers), content(known)
    same = now.index[before.reindex(now.index, fill_value=np.uint64(0)).to_numpy() == now.to_numpy()]
    return answers[~pair(answers).isin(same)]
