"""What people said: asked for once, collected once a sweep, each answer kept once."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from roundtruth import workforce
from roundtruth.tables import as_answers


def ask(job, round: int) -> None:
    """Ask people about the round's batch; ask again once the job file names other people, or wants more answers."""
    people, before = job.spec.workforce, posted(job, round)
    if before and before["answers"] >= people.answers_per_item:
        return
    items = job.asks(round)[["item"]].assign(answers=people.answers_per_item)
    handle = workforce.get(job).ask(round, items)
    again = len(job.listed(job.path(round, "posted")))
    name = f"posted-{again + 1:04d}.json" if again else "posted.json"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    asked = {"posted_at": now, **handle, "backend": people.backend, "answers": people.answers_per_item}
    job.write_json(job.path(round, name), asked)


def posted(job, round: int) -> dict | None:
    """What the job's backend returned when it was last asked about a round's batch; None where it was not asked."""
    paths = job.listed(job.path(round, "posted-")) or [job.path(round, "posted.json")]
    handle = job.read_json(paths[-1]) if job.there(paths[-1]) else None
    return handle if handle and handle["backend"] == job.spec.workforce.backend else None


def collect(job) -> bool:
    """Add the answers that are new, to any round; whether no more will ever come."""
    new, exhausted = news(job)
    for round, answers in new.groupby("batch"):
        number = len(job.listed(job.path(round, "answers/"))) + 1
        count = len(pair(answers).drop_duplicates().difference(pair(job.answers(round))))
        name = f"answers/{number:04d}-{count}.parquet"
        job.write_table(job.path(round, name), answers.reset_index(drop=True))
    return exhausted


def came(job) -> bool:
    """Whether it pays to go on with a job that waits for people. Only looks, so it may be asked at any time."""
    new, exhausted = news(job)
    last = job.last_round()
    return exhausted or len(new) > 0 or answered(job, last) == len(job.asks(last))


def answered(job, round: int) -> int:
    """The items of a round's batch that have as many answers as the job asks for; a reason is not an answer."""
    answers = job.answers(round)
    per_item = answers[answers["reason"].isna()].groupby("item")["worker"].nunique()
    return int((per_item >= job.spec.workforce.answers_per_item).sum())


def missing(job, round: int) -> int:
    """The answers that a round's batch still needs; a reason is not an answer."""
    answers, wanted = job.answers(round), job.spec.workforce.answers_per_item
    per_item = answers[answers["reason"].isna()].groupby("item")["worker"].nunique()
    return int((wanted - per_item.reindex(job.asks(round)["item"], fill_value=0)).clip(lower=0).sum())


def close(job, round: int, how: str) -> None:
    """End the round's batch; `how` is "complete" or "expired". The answers there are now count, later ones do not."""
    files = len(job.listed(job.path(round, "answers/")))
    closed = {"how": how, "files": files, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    job.write_json(job.path(round, "closed.json"), closed)


def news(job) -> tuple[pd.DataFrame, bool]:
    """The answers that the job folder does not have yet, each with its round as `batch`; whether no more will come."""
    handles = {round: posted(job, round) for round in job.rounds_with("posted.json")}
    handles = {round: handle for round, handle in handles.items() if handle}
    brought, exhausted = workforce.get(job).collect(handles)
    brought = newest(as_answers(brought, job.kind))
    brought["batch"] = job.first_asked()[brought["item"].to_numpy()]  # an item is asked about in one round only
    parts = [new_answers(job, round, brought[brought["batch"] == round]) for round in handles]
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else brought[:0], exhausted


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
