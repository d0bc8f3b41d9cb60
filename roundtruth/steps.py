"""The steps of a round, one function a verb: each reads what earlier steps wrote to the job folder and adds its own.

A step that has been done does nothing, and a step that is run again after a kill gives the same result: the loop in
`flows` and the one in `benchmarks` are these functions in the order of a round.
"""

import io
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps

import numpy as np
import pandas as pd

from roundtruth import answers, delivery, forecast, learners, learning, ledger, manifest, pilot, plans, report
from roundtruth.chance import uniforms
from roundtruth.job import Job, Progress
from roundtruth.look import Look
from roundtruth.plural import counted
from roundtruth.summary import summarize
from roundtruth.tables import no_labels

PREDICT = 5_000  # items a shard of predictions
LOG = logging.getLogger("roundtruth")  # a line a step


def once(result: str):
    """The step is done when the round has the file `result`. The wall seconds it took are kept beside it."""

    def decorate(step: Callable) -> Callable:
        @wraps(step)
        def run(job: Job, round: int, progress: Progress | None = None) -> None:
            if job.has(round, result):
                return
            start = time.monotonic()
            step(job, round, progress)
            note_seconds(job, round, step.__name__, start)

        return run

    return decorate


def note_seconds(job: Job, round: int, step: str, start: float) -> None:
    """Keep what a step took in the name of an empty file: the listing that opens a job then brings all of them."""
    took = time.monotonic() - start
    job.write_once(job.path(round, f"seconds/{step}-{took:.3f}"), b"")
    if round:  # before the first nobody was asked, and a mistake may still come
        LOG.info("round %d: %s, %.1f s", round, step, took)


@once("posted.json")
def dispatch(job: Job, round: int, progress: Progress | None) -> None:
    """Ask people about the round's batch."""
    answers.ask(job, round)


def wait(job: Job, round: int) -> dict[str, int | bool]:
    """Collect what people answered, to any batch; ask on where they disagree, and close this batch where all of it is
    answered.

    {"asked", "answered", "done"}: items asked about, items with all their answers, whether the batch is closed.
    """
    closed = job.has(round, "closed.json")
    if not closed:
        answers.ask(job, round)  # does nothing unless the job file changed
    exhausted = answers.collect(job)
    asked = len(job.asks(round))
    if closed:
        return {"asked": asked, "answered": asked, "done": True}
    while (exhausted or answers.answered(job, round) == asked) and (more := answers.ask_on(job, round)):
        LOG.info("round %d: wait, one more person is asked about %s%s", round, counted(more, "item[|s]"), why_on(job))
        exhausted = answers.collect(job)
    answered = answers.answered(job, round)
    predict_first(job, round)
    done = exhausted or answered == asked
    if done:
        answers.close(job, round, "complete")
    LOG.info("round %d: wait, %d of %d items answered", round, answered, asked)
    return {"asked": asked, "answered": answered, "done": done}


def why_on(job: Job) -> str:
    return f", because people agree too little (up to {job.spec.asking.most} are asked)" if answers.poor(job) else ""


def predict_first(job: Job, round: int) -> None:
    """Predict the first labels from each other, if enough are new, and write down what the job will cost by that."""
    items = pilot.due(job, round)
    if len(items):
        found = pilot.of(job, items, learner(job, round))
        row = forecast.row(job, 0, found)
        path = f"pilots/{len(job.pilots()) + 1:04d}.json"
        job.write_json(path, {"pilot": found._asdict(), "forecasts": [*forecast.written(job), row]})
        LOG.info("forecast: %s", told(job, row))


def collect_late(job: Job) -> None:
    """Collect what came after the last batch was closed. It is kept and paid."""
    answers.collect(job)


@once("labels.parquet")
def consolidate(job: Job, round: int, progress: Progress | None) -> None:
    """Merge several answers into one label with a confidence. Workers' skills come from all answers so far that may
    teach."""
    said = pd.concat([job.answers(r, counted=True) for r in range(1, round + 1)], ignore_index=True)
    said = said[said["reason"].isna()].reset_index(drop=True)
    about, teachers = plans.of(job).to_consolidate(job, round)
    learn = None if teachers is None else said["item"].isin(teachers).to_numpy()
    labels, workers = job.kind.consolidate(said, job.spec.classes, learn)
    labels = labels.merge(about[["item", "role"]], on="item").assign(source="human", round=round)
    job.write_table(job.path(round, "workers.parquet"), workers)
    job.write_table(job.path(round, "labels.parquet"), labels[no_labels(job.kind).columns])


def learner(job: Job, round: int):
    """A fresh learner for the round, with the job's backbone weights."""
    make = learners.load(job.spec.learner, job.kind)
    seed = int(uniforms(job.spec.seed, "train", [plans.of(job).model_number(job, round)])[0] * 2**31)
    return make(job.spec.classes, seed, learning.backbone(job))


def trained(job: Job, round: int) -> dict:
    import torch

    state = io.BytesIO(job.store.read(job.path(round, "model/model.pt")))
    return torch.load(state, weights_only=True, map_location="cpu")


@once("model/model.pt")
def train(job: Job, round: int, progress: Progress | None) -> None:
    """Go on from the last model with the labels of training items, and those that items came with."""
    people = job.human_labels()
    labels = job.rows([job.input_labels(), people[people["role"] == "train"]])
    model = learner(job, round)
    before = [r for r in job.rounds_with("model/model.pt") if r < round]
    if before:
        model.load(trained(job, before[-1]))
    model.train(learning.seen(job, model, labels["item"].to_numpy(), progress), labels, progress)
    job.write_once(job.path(round, "model/model.pt"), learning.dump(model.state()))


@once("predictions/done.json")
def infer(job: Job, round: int, progress: Progress | None) -> None:
    """Predict the whole pool, and what people were asked about but not to learn from."""
    roles = job.roles(round)
    items = np.sort(np.concatenate([plans.of(job).for_model(job, round), roles["item"][roles["role"] != "train"]]))
    about = take_given(job, round, items) if job.spec.predictions else predict(job, round, items, progress)
    job.write_json(job.path(round, "predictions/done.json"), about)


def take_given(job: Job, round: int, items: np.ndarray) -> dict:
    """Write what was given of some items, in one shard. Of several models' predictions those are taken that leave most
    to the model. Returns what is to be written down about it."""
    names, chosen, about = job.given_models(), 0, {}
    if len(names) > 1:
        found = plans.of(job).compare(job, round)
        chosen = max(range(len(found)), key=lambda at: tuple(found[at].values()))
        about = {"model": names[chosen], "models": dict(zip(names, found))}
    table = job.given_predictions(chosen + 1)
    table = table[job.mask(items)[table["item"].to_numpy()]].reset_index(drop=True)
    job.write_table(job.path(round, "predictions/0001.parquet"), table)
    return {"items": len(items), "shards": 1, **about}


def predict(job: Job, round: int, items: np.ndarray, progress: Progress | None) -> dict:
    """Write the round's model's predictions of some items. Returns what is to be written down about it."""
    model = learner(job, round)
    model.load(trained(job, round))
    shards = np.array_split(items, -(-len(items) // PREDICT))
    done = 0
    for number, shard in enumerate(shards, 1):
        path = job.path(round, f"predictions/{number:04d}.parquet")
        if not job.there(path):

            def shifted(at: int, of: int, note: str = "", before: int = done) -> None:
                if progress:
                    progress(before + at, len(items), note)

            some = learning.seen(job, model, shard, progress)
            sizes = pd.DataFrame({"item": some.items, "width": some.sizes[:, 0], "height": some.sizes[:, 1]})
            predictions = job.kind.within(model.predict(some, shifted), sizes)
            job.write_table(path, predictions[["item", *job.kind.COLUMNS, "score"]])
        done += len(shard)
    return {"items": len(items), "shards": len(shards)}


@once("threshold.json")
def calibrate(job: Job, round: int, progress: Progress | None) -> None:
    """Find the threshold, and decide whether it is the one that counts."""
    job.write_json(job.path(round, "threshold.json"), plans.of(job).look(job, round).to_json())


@once("auto.parquet")
def autolabel(job: Job, round: int, progress: Progress | None) -> None:
    """Label the pool's items at or above the threshold; the most confident ones, where the money ends first."""
    look, labels = job.look(round), no_labels(job.kind)
    if look and look.final and look.threshold is not None:
        predictions = job.predictions(job.model_round(round))
        sure = job.mask(above(job, job.kind.confidence(predictions), look))
        found = predictions[sure[predictions["item"].to_numpy()]].rename(columns={"score": "confidence"})
        labels = found.assign(source="auto", role="auto", round=round)[labels.columns]
    job.write_table(job.path(round, "auto.parquet"), labels.reset_index(drop=True))


def above(job: Job, score: pd.Series, look: Look) -> np.ndarray:
    """The pool's items at or above a look's threshold that the budget pays for, the most confident first."""
    score = score.loc[(score.to_numpy() >= look.threshold) & job.mask(job.pool())[score.index.to_numpy()]]
    most = ledger.affordable(job.spec, ledger.spent(job), human=False)
    if most is None or most >= len(score):
        return score.index.to_numpy()
    if look.provisional:
        return score.index.to_numpy()[:0]  # prices rose since the look: what holds for all need not hold for a part
    return score.sort_values(ascending=False, kind="stable").index.to_numpy()[:most]


def select(job: Job, round: int) -> int:
    """Write the batch of the round after `round`; how many items it asks about, 0 where nothing is left to ask."""
    if round and not plans.finished(job, round):  # people may still be answering its batch
        return 0
    if job.last_round() == round and not job.stopped:
        start, plan = time.monotonic(), plans.of(job)
        if round == 0:
            name, sentence = report.outlook.model(job)
            LOG.info("%s: %s", name[0].lower() + name[1:], sentence)
        plan.prepare(job)
        foresee(job, round)
        batch = plan.next_batch(job, round)
        if len(batch) == 0:
            return 0
        asked = pd.concat([job.asked(), batch.assign(round=round + 1)], ignore_index=True)
        job.write_table(job.path(round + 1, "asked.parquet"), asked)
        note_seconds(job, round, "select", start)
    return len(job.batch(round + 1)) if job.last_round() > round else 0


def foresee(job: Job, round: int) -> None:
    """Write down what the job will cost by what is known after a round, below the earlier forecasts."""
    path = job.path(round, "forecast.json") if round else "forecast.json"
    if not job.there(path):
        row = forecast.row(job, round)
        job.write_json(path, {"forecasts": [*forecast.written(job), row]})
        LOG.info("forecast: %s", told(job, row))


def told(job: Job, row: dict) -> str:
    """A forecast in words, for the log."""
    return " ".join(text for _, text in report.outlook.foreseen(job, row)).replace(report.words.SPACE, " ")


def deliver(job: Job) -> str:
    """Write the augmented manifest, one line an item, in input order; its path in the job folder."""
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    manifest.write_lines(f"{job.address}/output/output.manifest", delivery.lines(job, created))
    LOG.info("deliver")
    return "output/output.manifest"


def stop(job: Job) -> None:
    """Ask nobody any more: the open batch is closed with the answers there are. A mistake in the answers comes first,
    so that it leaves the job as it was. A job that is complete stays as it is."""
    if plans.state(job) == "complete":
        return
    last = job.last_round()
    asking = last and job.has(last, "posted.json") and not job.has(last, "closed.json")
    if asking:
        answers.collect(job)
    if not job.stopped:
        job.amend({"stop": True})
        job.stopped = True
    if asking:
        answers.close(job, last, "expired")
    if last and job.has(last, "closed.json"):
        consolidate(job, last)


def write_report(job: Job) -> tuple[dict, dict[str, bytes]]:
    """Write the report of the job as it stands: the page, its pictures and report/summary.json. Returns the summary and
    the pictures (name -> PNG)."""
    summary = summarize(job)
    pictures = report.write(job, summary)
    job.store.replace("report/summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    LOG.info("report")
    return summary, pictures
