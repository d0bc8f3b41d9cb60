"""What people said: asked for once, collected once a sweep, each answer kept once."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from roundtruth import workforce
from roundtruth.tables import as_answers


def ask(job, round: int) -> None:
    """Ask people about the round's batch."""
    items = job.asks(round)[["item"]].assign(answers=job.spec.workforce.answers_per_item)
    job.write_json(job.path(round, "posted.json"), workforce.get(job).ask(round, items))


def collect(job) -> bool:
    """Add the answers that are new, to any round; whether no more will ever come."""
    new, exhausted = news(job)
    for round, answers in new.groupby("batch"):
        number = len(job.listed(job.path(round, "answers/"))) + 1
        job.write_table(job.path(round, f"answers/{number:04d}.parquet"), answers.reset_index(drop=True))
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


def close(job, round: int, how: str) -> None:
    """End the round's batch: the answers there are now count, later ones do not. how: "complete" or "expired"."""
    files = len(job.listed(job.path(round, "answers/")))
    closed = {"how": how, "files": files, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    job.write_json(job.path(round, "closed.json"), closed)


def news(job) -> tuple[pd.DataFrame, bool]:
    """The answers that the job folder does not have yet, with their round as `batch`; whether no more will come."""
    posted = {round: job.read_json(job.path(round, "posted.json")) for round in job.rounds_with("posted.json")}
    brought, exhausted = workforce.get(job).collect(posted)
    brought = as_answers(brought, job.kind)
    brought["batch"] = job.first_asked()[brought["item"].to_numpy()]
    parts = [new_answers(job, round, brought[brought["batch"] == round]) for round in posted]
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else brought[:0], exhausted


def new_answers(job, round: int, brought: pd.DataFrame) -> pd.DataFrame:
    """Those of the answers to a round's batch that are not known yet, or differ from what is known."""
    if brought.empty:
        return brought
    known = job.answers(round)
    new = changed(brought, known, [*job.kind.COLUMNS, "reason"]) if len(known) else brought
    if job.has(round, "closed.json"):  # a correction after the close would count an answer twice
        new = new[~pair(new).isin(pair(known))]
    return new


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
