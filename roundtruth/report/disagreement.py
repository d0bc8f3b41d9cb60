"""Where people disagreed: what each of them said, against the merged label."""

import pandas as pd

from roundtruth.kinds import Kind

MOST = 20_000  # labels that are looked through, those with the lowest confidence; a larger job has enough among them


def answers(job) -> pd.DataFrame:
    """The answers that were merged into labels: (item, worker, the kind's columns, reason)."""
    columns = ["item", "worker", *job.kind.COLUMNS, "reason"]
    parts = [job.answers(number, counted=True)[columns] for number in job.rounds_with("labels.parquet")]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def agreement(kind: Kind, said: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """(item, worker, quality): how well each person's answer agrees with the merged label of its item.

    Answers to items without a label, and those that give a reason in place of a label, are left out.
    """
    given = said.loc[said["reason"].isna() & said["item"].isin(labels["item"])]
    pair = given.groupby(["item", "worker"]).ngroup()  # each answer is compared as if it were about an item of its own
    pairs = given[["item", "worker"]].assign(pair=pair).drop_duplicates("pair")
    merged = pairs[["item", "pair"]].merge(labels, on="item").drop(columns="item").rename(columns={"pair": "item"})
    quality = kind.quality(given.assign(item=pair), merged)
    return pairs.assign(quality=pairs["pair"].map(quality)).drop(columns="pair").reset_index(drop=True)


def pairwise(kind: Kind, said: pd.DataFrame) -> pd.DataFrame:
    """(item, worker, quality): how well each person's answer agrees with the others' answers to its item, in the mean.

    Answers that give a reason in place of a label, and items with one answer, are left out.
    """
    given = said[said["reason"].isna()]
    given = given.assign(answer=given.groupby(["item", "worker"]).ngroup())
    each = given[["item", "worker", "answer"]].drop_duplicates("answer")
    pairs = each.merge(each[["item", "answer"]], on="item", suffixes=("", "_other"))
    pairs = pairs[pairs["answer"] != pairs["answer_other"]].reset_index(drop=True)
    pairs["pair"] = pairs.index  # each pair is compared as if it were about an item of its own

    def side(column: str) -> pd.DataFrame:
        chosen = pairs[["pair", column]].rename(columns={"pair": "item", column: "answer"})
        return chosen.merge(given.drop(columns="item"), on="answer")

    pairs["quality"] = pairs["pair"].map(kind.quality(side("answer"), side("answer_other")))
    return pairs.groupby(["item", "worker"], as_index=False)["quality"].mean()


def worst(agreed: pd.DataFrame, number: int) -> pd.Series:
    """The items on which people disagreed most, with the mean agreement of their answers, the lowest first.

    Items with one answer, and those on which all agreed, are left out.
    """
    means = agreed.groupby("item")["quality"].agg(["mean", "size"])
    means = means[(means["size"] > 1) & (means["mean"] < 1)]
    return means["mean"].sort_values(kind="stable").head(number)


def least_sure(kind: Kind, labels: pd.DataFrame, number: int) -> pd.DataFrame:
    """The labels of the items with the lowest confidence."""
    sure = kind.confidence(labels.rename(columns={"confidence": "score"}))
    if len(sure) <= number:
        return labels
    return labels[labels["item"].isin(sure.nsmallest(number).index)]
