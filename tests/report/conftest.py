"""Small jobs that were really run, as the report sees them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from roundtruth.begin import begin
from roundtruth.job import Job
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import COLOURS, boxes, digits, run_job, scripted, write_job

FIFTH = {30: 6, 120: 24}  # items of a batch by the plan `ground-truth`


CLASSES = {"object-detection": COLOURS, "image-classification": [*"0123456789"]}
DATASET = {"object-detection": boxes, "image-classification": digits}
KINDS = [*DATASET]


def job_spec(folder: Path, kind: str, **changed) -> JobSpec:
    workforce = {"backend": "simulated", "truth": "truth.manifest", "noise": 1, "answers_per_item": 5}
    given = {"name": "zoo", "kind": kind, "classes": CLASSES[kind], "workforce": workforce, "seed": 1}
    return JobSpec.from_file(write_job(folder, **given | changed))


def finished_job(
    folder: Path,
    patch: pytest.MonkeyPatch,
    kind: str,
    n: int,
    auto: int,
    learner: str = "Scripted",
    picture: str = "{:04d}.png",
    **changed,
) -> Job:
    """A complete job whose first model is sure, and right, of `auto` items and a quarter of those checked."""
    truth = DATASET[kind](folder, n, picture, changed.get("classes", CLASSES[kind]))
    address = str(folder / "job")

    def predict(trained: int, items: np.ndarray) -> pd.DataFrame:
        pool = Job(address).pool()
        score = pd.Series(0.05, index=items)
        checked = score.index.difference(pool)
        score[checked] = np.linspace(0.1, 0.4, len(checked))
        score[checked[: len(checked) // 4]] = np.linspace(0.7, 0.75, len(checked) // 4)
        if trained == FIFTH[n]:
            score[pool[-auto:]] = np.linspace(0.76, 0.99, auto)
        found = truth[truth["item"].isin(items)].reset_index(drop=True)
        wrong = found["item"].map(score) < 0.5
        if kind == "object-detection":
            found.loc[wrong, ["class_id", "left", "top", "width", "height"]] = [0, 0.0, 0.0, 1.0, 1.0]
        else:
            found.loc[wrong, "class_id"] = (found["class_id"] + 1) % 10
        return found.assign(score=found["item"].map(score))

    job = run_job(job_spec(folder, kind, learner=scripted(patch, predict, learner), **changed))
    assert summarize(job)["state"] == "complete"
    return job


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> dict[str, Job]:
    """By kind: a complete job about 120 items, of which people labeled 80 and the model 40. Not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        return {kind: finished_job(tmp_path_factory.mktemp("finished"), patch, kind, 120, 40) for kind in KINDS}


@pytest.fixture
def copied(finished, tmp_path) -> Callable[[str], Job]:
    """copied(kind): the complete job of that kind, in a copy of its project, to change."""
    return lambda kind: Job(str(shutil.copytree(Path(finished[kind].address).parent, tmp_path / "project") / "job"))


@pytest.fixture
def begun(tmp_path) -> Callable[..., Job]:
    """begun(kind, n, **changed): a job of which nobody was asked anything yet."""

    def made(kind: str, n: int, **changed) -> Job:
        if not (tmp_path / "input.manifest").exists():
            DATASET[kind](tmp_path, n)
        return begin(job_spec(tmp_path, kind, **changed))

    return made
