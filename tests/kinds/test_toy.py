"""A kind of label is added by its name alone: `rating`, a number from 0 to 1 for a picture, and what learns it."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from roundtruth import formats, kinds, steps
from roundtruth.curves import Losses
from roundtruth.errors import UserError
from roundtruth.kinds import common
from roundtruth.spec import JobSpec
from tests.jobs import run_job, write_job, write_lines

NAME, TYPE, ITEM, THING = "rating", "groundtruth/rating", "picture", "rating"
COLUMNS, CSV, ONE_PER_ITEM, BINARY, CURVE = {"rating": "float64"}, ["rating"], True, False, Losses()
FURTHER = 1.0
QUALITY, QUALITY_NAME, LEARNER = 0.9, "closeness", f"{__name__}:Brightness"

confidence, objects, check = common.score, common.one_each, common.possible
fit, within, scaled, unsure = common.unplaced, common.anywhere, common.unscaled, common.the_full_number


def consolidate(answers, classes, learn=None):
    labels = answers.groupby("item", as_index=False)["rating"].mean().assign(confidence=1.0)
    workers = answers.groupby("worker").size().rename("answers").reset_index().assign(skill=1.0)
    return labels, workers


def quality(labels, reference):
    mine, theirs = common.in_both(labels, reference, "rating")
    return (1 - (mine - theirs).abs()).rename("quality")


def decode(records, items, attribute, classes, where):
    values, metadata, mistakes = common.fields(records, items, attribute, TYPE, where)
    rating = np.array([common.number(value) for value in values])
    mistakes.add(~((rating >= 0) & (rating <= 1)), "", lambda row: f"{where(items[row])}: field {attribute}: {BAD}")
    sure = common.confidences(metadata, items, attribute, where, mistakes)
    mistakes.refuse()
    return pd.DataFrame({"item": items, "rating": rating, "confidence": sure})


def encode(labels, items, attribute, classes, job_name, created):
    labels, _ = common.in_order(labels, items)
    values = common.json_numbers(labels["rating"])
    return common.json_labels(labels, values, {}, attribute, TYPE, job_name, created)


def read_answers(frame, classes, mistakes):
    rating = pd.to_numeric(frame["rating"], errors="coerce").astype(float)
    mistakes.add(~rating.between(0, 1), "rating", BAD)
    return rating.to_frame()


def write_answers(labels, classes):
    return pd.DataFrame({"rating": common.json_numbers(labels["rating"])}, index=labels.index, dtype="str")


def words(label, classes):
    return f"{label['rating'].iloc[0]:.2f}"


def draw(picture, labels, classes):
    return common.below(picture, words(labels, classes), common.colour(0))


BAD = "not a number from 0 to 1"


class Brightness:
    """Rates a picture by its brightness, along a line that it learns."""

    def __init__(self, classes, seed, weights):
        self.line = [0.0, 0.0]

    def train(self, pictures, labels, progress=None):
        known = labels.set_index("item")["rating"].reindex(pictures.items)
        self.line = np.polyfit(brightness(pictures), known, 1).tolist()

    def predict(self, pictures, progress=None):
        rating = np.polyval(self.line, brightness(pictures)).clip(0, 1)
        return pd.DataFrame({"item": pictures.items, "rating": rating, "score": 1 - rating / 2})

    def state(self):
        return {"line": self.line}

    def load(self, state):
        self.line = state["line"]


def brightness(pictures):
    return np.array([pictures.read(i).mean() for i in range(len(pictures))])


def test_a_kind_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setitem(kinds.KINDS, NAME, __name__)
    lines = [{"source-ref": f"{number:03d}.png"} for number in range(200)]
    for number, line in enumerate(lines):
        Image.new("L", (16, 16), number).save(tmp_path / line["source-ref"])
    write_lines(tmp_path / "input.manifest", lines)
    truth = [line | {"t": n / 200, "t-metadata": {"type": TYPE}} for n, line in enumerate(lines)]
    write_lines(tmp_path / "truth.manifest", truth)
    asked = {"kind": NAME, "classes": ["any"], "plan": "certified", "target": {"quality": 0.8}, "learner": "default"}
    job = run_job(JobSpec.from_file(write_job(tmp_path, **asked)))
    summary, pictures = steps.write_report(job)
    assert summary["state"] == "complete"
    assert summary["target"]["holds"]
    assert summary["auto"] > 0
    assert summary["measured"]["auto"] > 0.99
    written = [json.loads(line) for line in (tmp_path / "job/output/output.manifest").read_text().splitlines()]
    np.testing.assert_allclose([line["label"] for line in written], [line["t"] for line in truth], atol=0.01)
    assert {line["label-metadata"]["human-annotated"] for line in written} == {"yes", "no"}
    assert "closeness of at least 0.8" in (tmp_path / "job/report/index.html").read_text()
    assert {"quality", "coverage", "most-confident-auto"} <= set(pictures)
    formats.export(job, "csv", str(tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == f"1,000.png,{written[0]['label']},1.0,human"
    people = {"backend": "simulated", "truth": "truth.manifest", "noise": 1}
    with pytest.raises(UserError, match="nobody knows how people err in jobs of rating; set noise: 0"):
        run_job(JobSpec.from_file(write_job(tmp_path, output="erring", workforce=people, **asked)))
