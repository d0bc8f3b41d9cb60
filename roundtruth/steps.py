"""The steps of a round, one function a verb: each reads what earlier steps wrote to the job folder and adds its own.

A step that has been done does nothing, and a step that is run again after a kill gives the same result: the loop in
`flows` and the one in `benchmarks` are these functions in the order of a round.
"""

import io
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps

import numpy as np
import pandas as pd

from roundtruth import forecast, learners, ledger, manifest, plan, report, workforce
from roundtruth.draw import uniforms
from roundtruth.job import Job, Progress, no_answers, no_labels

PREDICT = 5_000  # items a shard of predictions


def once(result: str):
    """The step is done when the round has the file `result`; the wall seconds it took are kept beside it."""

    def decorate(step: Callable) -> Callable:
        @wraps(step)
        def run(job: Job, round: int, progress: Progress | None = None) -> None:
            if job.has(round, result):
                return
            start = time.monotonic()
            step(job, round, progress)
            took = {"seconds": round_to(time.monotonic() - start)}
            job.store.write_json(job.path(round, f"seconds/{step.__name__}.json"), took)

        return run

    return decorate


def round_to(seconds: float) -> float:
    return round(seconds, 3)


@once("posted.json")
def dispatch(job: Job, round: int, progress: Progress | None) -> None:
    """Post the round's batch to people."""
    posted = workforce.get(job).post(round, job.asks(round))
    job.store.write_json(job.path(round, "posted.json"), posted)


def wait(job: Job, round: int) -> dict[str, int | bool]:
    """Collect what has been answered; {"asked", "answered", "done"}: items asked about, answered in full, all answered.

    Answers to earlier batches that come late are kept and paid, too.
    """
    backend = workforce.get(job)
    late(job, backend)
    batch = job.asks(round)
    if job.has(round, "closed.json"):
        return {"asked": len(batch), "answered": len(batch), "done": True}
    exhausted = collect(job, round, backend)
    enough = answered(job, round)
    done = exhausted or enough == len(batch)
    if done:
        close(job, round, "complete")
    return {"asked": len(batch), "answered": enough, "done": done}


def late(job: Job, backend: workforce.Workforce | None = None) -> None:
    """Collect what came after a batch was closed."""
    backend = backend or workforce.get(job)
    for round in job.rounds_with("closed.json") if backend.LATE else ():
        collect(job, round, backend)


def answered(job: Job, round: int) -> int:
    """The items of a round's batch that as many people answered as the job asks for."""
    per_item = job.answers(round).groupby("item")["worker"].nunique()
    return int((per_item >= job.spec.workforce.answers_per_item).sum())


def collect(job: Job, round: int, backend) -> bool:
    """Add the answers that are new to the round's; whether no more will ever come."""
    new, exhausted = news(job, round, backend)
    if len(new):
        table = new.assign(batch=round)[no_answers(job.kind).columns]
        number = len(job.store.list(job.path(round, "answers/"))) + 1
        job.store.write_table(job.path(round, f"answers/{number:04d}.parquet"), table.reset_index(drop=True))
    return exhausted


def news(job: Job, round: int, backend) -> tuple[pd.DataFrame, bool]:
    """The answers to a round's batch that the job folder has not yet, and whether no more will ever come."""
    posted = job.store.read_json(job.path(round, "posted.json"))
    answers, exhausted = backend.collect(round, job.asks(round), posted)
    answers = pd.concat([no_answers(job.kind), answers])  # of nobody's answers a backend need not know the columns
    known = job.answers(round)
    new = changed(answers, known, job.kind.COLUMNS) if len(known) else answers
    if job.has(round, "closed.json"):  # a correction after the close would count an answer twice
        new = new[~pair(new).isin(pair(known))]
    return new, exhausted


def answers_came(job: Job) -> bool:
    """Whether it pays to go on with a job that waits for people. Only looks, so that it may be asked at any time."""
    backend, last = workforce.get(job), job.last_round()
    if late_came(job):
        return True
    new, exhausted = news(job, last, backend)
    return exhausted or len(new) > 0 or answered(job, last) == len(job.asks(last))


def late_came(job: Job) -> bool:
    """Whether answers came after their batch was closed that the job folder has not yet. Only looks."""
    backend = workforce.get(job)
    closed = job.rounds_with("closed.json") if backend.LATE else ()
    return any(len(news(job, round, backend)[0]) for round in closed)


def pair(answers: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(answers[["item", "worker"]])


def changed(answers: pd.DataFrame, known: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The answers (all rows of an item and worker) that are not in `known` just so."""

    def content(table: pd.DataFrame) -> pd.Series:
        rows = pd.util.hash_pandas_object(table[columns], index=False)
        return rows.groupby(pair(table)).sum()  # wraps around: a sum of hashes does not depend on the rows' order

    now, before = content(answers), content(known)
    same = now.index[before.reindex(now.index, fill_value=np.uint64(0)).to_numpy() == now.to_numpy()]
    return answers[~pair(answers).isin(same)]


def close(job: Job, round: int, how: str) -> None:
    """End the round's batch: the answers there are now count, later ones do not."""
    files = len(job.store.list(job.path(round, "answers/")))
    closed = {"how": how, "files": files, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    job.store.write_json(job.path(round, "closed.json"), closed)


@once("labels.parquet")
def consolidate(job: Job, round: int, progress: Progress | None) -> None:
    """Several answers to one label with a confidence; workers' skills come from all answers so far that may teach."""
    answers = pd.concat([job.answers(r, counted=True) for r in range(1, round + 1)], ignore_index=True)
    about, teachers = plan.merging(job, round)
    learn = None if teachers is None else answers["item"].isin(teachers).to_numpy()
    labels, workers = job.kind.consolidate(answers, job.spec.classes, learn)
    labels = labels.merge(about[["item", "role"]], on="item").assign(source="human", round=round)
    job.store.write_table(job.path(round, "workers.parquet"), workers)
    job.store.write_table(job.path(round, "labels.parquet"), labels[no_labels(job.kind).columns])


def learner(job: Job, round: int):
    """A fresh learner for the round, with the job's backbone weights."""
    make = learners.load(job.spec.learner, job.kind)
    seed = int(uniforms(job.spec.seed, "train", [plan.model_number(job, round)])[0] * 2**31)
    return make(job.spec.classes, seed, backbone(job))


def backbone(job: Job) -> dict | None:
    """The pretrained weights, chosen once a job and kept in its folder."""
    import torch

    from roundtruth.learners import weights

    if not job.store.exists("weights/origin.json"):
        state, origin = weights.resolve(job.spec.weights)
        if state is not None:
            job.store.write_once("weights/backbone.pth", dump(state))
        job.store.write_json("weights/origin.json", {"origin": origin, "pretrained": state is not None})
    if not job.store.read_json("weights/origin.json")["pretrained"]:
        return None
    return torch.load(io.BytesIO(job.store.read("weights/backbone.pth")), weights_only=True, map_location="cpu")


def dump(state: dict) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def pictures(job: Job, items):
    """The pictures of some items, without those that cannot be read."""
    from roundtruth.pictures import Pictures

    table = job.items()
    return Pictures(table[table["item"].isin(items) & table.failure.isna()].reset_index(drop=True))


def trained(job: Job, round: int) -> dict:
    import torch

    state = io.BytesIO(job.store.read(job.path(round, "model/model.pt")))
    return torch.load(state, weights_only=True, map_location="cpu")


@once("model/model.pt")
def train(job: Job, round: int, progress: Progress | None) -> None:
    """Go on from the last model with the labels of training items, and those that items came with."""
    labels = job.outcome()
    labels = labels[labels.role.isin(("train", "input"))]
    model = learner(job, round)
    before = [r for r in job.rounds_with("model/model.pt") if r < round]
    if before:
        model.load(trained(job, before[-1]))
    model.train(pictures(job, labels["item"]), labels.reset_index(drop=True), progress)
    job.store.write_once(job.path(round, "model/model.pt"), dump(model.state()))


@once("predictions/done.json")
def infer(job: Job, round: int, progress: Progress | None) -> None:
    """Predict the whole pool, and what people were asked about but not to learn from, in shards."""
    model = learner(job, round)
    model.load(trained(job, round))
    roles = job.roles(round)
    items = np.sort(np.concatenate([job.pool(), roles["item"][roles["role"] != "train"]]))
    shards = np.array_split(items, -(-len(items) // PREDICT))
    done = 0
    for number, shard in enumerate(shards, 1):
        path = job.path(round, f"predictions/{number:04d}.parquet")
        if not job.store.exists(path):

            def shifted(at: int, of: int, note: str = "", before: int = done) -> None:
                if progress:
                    progress(before + at, len(items), note)

            predictions = model.predict(pictures(job, shard), shifted)
            job.store.write_table(path, predictions[["item", *job.kind.COLUMNS, "score"]])
        done += len(shard)
    job.store.write_json(job.path(round, "predictions/done.json"), {"items": len(items), "shards": len(shards)})


@once("threshold.json")
def calibrate(job: Job, round: int, progress: Progress | None) -> None:
    """Read the threshold off the checked items, and decide whether it is the one that counts."""
    job.store.write_json(job.path(round, "threshold.json"), plan.threshold(job, round))


@once("auto.parquet")
def autolabel(job: Job, round: int, progress: Progress | None) -> None:
    """Label the pool's items at or above the threshold; the most confident ones, where the money ends first."""
    found = job.threshold(round) or {}
    theta = found["threshold"] if found.get("final", True) else None
    labels = no_labels(job.kind)
    if theta is not None:
        predictions = job.predictions(job.model_round(round))
        score = job.kind.confidence(predictions)
        score = score[(score >= theta) & score.index.isin(job.pool())].sort_values(ascending=False, kind="stable")
        sure = score.index[: ledger.affordable(job, human=False)]
        if len(sure) < len(score) and "final" in found:
            sure = sure[:0]  # prices rose in between: what is promised of all is not promised of a part
        found = predictions[predictions["item"].isin(sure)].rename(columns={"score": "confidence"})
        labels = found.assign(source="auto", role="auto", round=round)[labels.columns]
    job.store.write_table(job.path(round, "auto.parquet"), labels.reset_index(drop=True))


def select(job: Job, round: int) -> int:
    """Write the batch of the round after `round`; how many items it asks about, 0 where nothing is left to ask."""
    if round and not plan.finished(job, round):  # people may still be answering its batch
        return 0
    if not job.has(round + 1, "batch.parquet") and not job.stopped:
        start = time.monotonic()
        plan.prepare(job)
        foresee(job, round)
        batch = plan.next_batch(job, round)
        if len(batch) == 0:
            return 0
        job.store.write_table(job.path(round + 1, "batch.parquet"), batch)
        took = {"seconds": round_to(time.monotonic() - start)}
        job.store.write_json(job.path(round, "seconds/select.json"), took)
    return len(job.batch(round + 1)) if job.has(round + 1, "batch.parquet") else 0


def foresee(job: Job, round: int) -> None:
    """Write down what the job will cost by what is known after a round."""
    path = job.path(round, "forecast.json") if round else "forecast.json"
    if not job.store.exists(path):
        job.store.write_json(path, forecast.at(job, round))


def deliver(job: Job) -> str:
    """Write the augmented manifest: a line an item, in input order; its path in the job folder."""
    from roundtruth.job import deliverable

    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    manifest.write(f"{job.address}/output/output.manifest", deliverable(job, created))
    return "output/output.manifest"


def stop(job: Job) -> None:
    """Ask nobody any more: the open batch is closed with the answers there are."""
    if not job.stopped:
        number = len(job.store.list("amendments/")) + 1
        job.store.write_json(f"amendments/{number:04d}.json", {"stop": True})
        job.stopped = True
    last = job.last_round()
    if last and job.has(last, "posted.json") and not job.has(last, "closed.json"):
        collect(job, last, workforce.get(job))
        close(job, last, "expired")
    if last and job.has(last, "closed.json"):
        consolidate(job, last)


def tell(job: Job) -> tuple[dict, dict[str, bytes]]:
    """Write the report of the job as it stands: the page, its pictures and report/summary.json; the summary and the
    pictures (name -> PNG)."""
    summary = job.summary()
    pictures = report.write(job, summary)
    job.store.replace("report/summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    return summary, pictures
