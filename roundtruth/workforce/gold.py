"""Known answers: pictures whose labels are known, which people label among the others without being told which.

The first five that a person gets come at the beginning, and the page shows what is right (training). Later ones come at
random and silently. A person whose answers to them are not good enough gets no more items: the first few tell how good
a person will be (Hata et al. 2017, "A glimpse far into the future"). Training with feedback makes people better and
faster (Gadiraju et al. 2015, "Training workers for improving performance in crowdsourcing microtasks").

In the job folder they are people/gold/NNNN.json, written last, and the tables items-NNNN.parquet and
labels-NNNN.parquet beside it. Their items count on from the dataset's.
"""

from typing import NamedTuple

import pandas as pd

from roundtruth.chance import uniforms
from roundtruth.storage import Store

FOLDER = "people/gold/"
TRAINING = 5  # known answers with feedback, and those before which nobody is judged
NOBODY = pd.DataFrame({"worker": [], "golds": [], "quality": []})  # what `quality` gives for no answers


class Gold(NamedTuple):
    """The pictures of a job with known labels."""

    items: pd.DataFrame  # (item, url, width, height); index: item, in the job folder
    labels: pd.DataFrame  # (item, the kind's columns)


def path(number: int) -> str:
    """The file that says that the tables with this number are there."""
    return f"{FOLDER}{number:04d}.json"


def newest(store: Store, paths: list[str]) -> int:
    """The number of the newest known answers among the files of a job folder; 0: there are none."""
    found = [name.removeprefix(FOLDER).removesuffix(".json") for name in paths if name.startswith(FOLDER)]
    return max((int(name) for name in found if name.isdecimal()), default=0)


def read(store: Store, number: int) -> Gold:
    items = store.read_table(f"{FOLDER}items-{number:04d}.parquet")
    return Gold(items.set_index("item", drop=False), store.read_table(f"{FOLDER}labels-{number:04d}.parquet"))


def of(store: Store, people) -> Gold | None:
    """The known answers that the settings of a workforce name; None where they name none."""
    number = newest(store, store.list(FOLDER)) if people.gold else 0
    return read(store, number) if number else None


def write(store: Store, number: int, gold: Gold, given: str) -> None:
    """given: the path in the job file, to see whether it changed."""
    store.write_table(f"{FOLDER}items-{number:04d}.parquet", gold.items.reset_index(drop=True))
    store.write_table(f"{FOLDER}labels-{number:04d}.parquet", gold.labels.reset_index(drop=True))
    store.write_json(path(number), {"gold": given, "items": len(gold.items), "last": int(gold.items["item"].max())})


def due(seed: int, worker: str, given: int, golds: int, share: float) -> bool:
    """Whether the next item that a worker gets is one with a known label. given: the items that they got before,
    golds: those of them with known labels."""
    return golds < TRAINING or bool(uniforms(seed, "gold", [worker], [given])[0] < share)


def quality(answers: pd.DataFrame, gold: Gold, kind) -> pd.DataFrame:
    """How good workers are: (worker, golds, quality), the mean of `kind.quality` of their answers to known items.

    answers: (item, worker, the kind's columns, reason). Who cannot tell is not judged by it.
    """
    said = answers[answers["item"].isin(gold.items.index) & answers["reason"].isna()]
    rows = []
    for worker, mine in said.groupby("worker"):
        found = kind.quality(mine, gold.labels)
        rows.append({"worker": worker, "golds": len(found), "quality": float(found.mean())})
    return pd.DataFrame(rows, columns=list(NOBODY))


def not_good_enough(workers: pd.DataFrame, least: float) -> list[str]:
    """Who gets no more items. workers: as `quality` returns it."""
    judged = workers[workers["golds"] >= TRAINING]
    return judged.loc[judged["quality"] < least, "worker"].tolist()
