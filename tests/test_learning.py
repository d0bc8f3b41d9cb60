"""What a job gives its learner: weights that are chosen before anybody is asked, and features computed once."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roundtruth import learning, steps
from roundtruth.begin import begin
from roundtruth.job import Job
from roundtruth.learners import linear, weights
from tests.jobs import digits, facts, killed_at_every_write, run_job, to_the_end

DEFAULT = {"learner": "default", "weights": None, "target": {"quality": 0.8}}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(linear.SETTINGS, "side", 32)


def coloured(folder: Path, n: int) -> dict[int, int]:
    """Digits whose colour gives them away; the digit of each item."""
    truth = digits(folder, n)
    for item, number in zip(truth["item"], truth["class_id"]):
        path = folder / f"images/{item:04d}.png"
        grey = np.asarray(Image.open(path))
        colour = np.array([25 * number, 250 - 25 * number, 100], "uint8")
        Image.fromarray((grey[:, :, None] // 16 + colour).astype("uint8")).save(path)
    return dict(zip(truth["item"].tolist(), truth["class_id"].tolist()))


def counted(monkeypatch) -> list[int]:
    """How many pictures each call of `features` is given."""
    found, real = [], linear.Linear.features

    def features(self, pictures, progress=None):
        found.append(len(pictures))
        return real(self, pictures, progress)

    monkeypatch.setattr(linear.Linear, "features", features)
    return found


def test_the_features_of_each_picture_are_computed_once_a_job(make, tmp_path, monkeypatch):
    coloured(tmp_path, 60)
    monkeypatch.setattr(learning, "SHARD", 25)
    computed = counted(monkeypatch)
    job = run_job(make(60, **DEFAULT))
    assert len(job.rounds_with("model/model.pt")) > 1
    assert computed == [10, 25, 25, 10]  # the first ten are those of the forecast by the first labels
    assert sorted(job.store.list("features/")) == [f"features/000{number}.npy" for number in (1, 2, 3)]
    assert job.read_json("weights/origin.json") == learning.BUNDLED


@pytest.mark.slow
def test_shards_do_not_change_what_the_model_says(make, tmp_path, monkeypatch):
    coloured(tmp_path, 60)
    found = []
    for size in (5000, 7):
        monkeypatch.setattr(learning, "SHARD", size)
        found.append(facts(run_job(make(60, **DEFAULT, output=f"job-{size}"))))
    assert found[0] == found[1]


@pytest.mark.slow
def test_killed_after_each_single_write_the_job_comes_to_the_same(make, tmp_path, monkeypatch):
    coloured(tmp_path, 30)
    monkeypatch.setattr(learning, "SHARD", 20)
    undisturbed = facts(run_job(make(30, **DEFAULT, output="undisturbed")))
    spec = make(30, **DEFAULT)
    written = killed_at_every_write(spec, monkeypatch, to_the_end)
    assert {"weights/origin.json", "weights/backbone.pth", "features/0001.npy", "features/0002.npy"} <= set(written)
    assert facts(Job(spec.output)) == undisturbed


def test_what_the_model_starts_from_is_known_before_anybody_is_asked(make, tmp_path, caplog):
    coloured(tmp_path, 20)
    job = begin(make(20, **DEFAULT, workforce={"backend": "files"}))
    assert json.loads((tmp_path / "job/weights/origin.json").read_text()) == learning.BUNDLED
    assert not job.last_round()
    with caplog.at_level("INFO", "roundtruth"):
        run_job(job.spec)
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == (
        "the model starts from: EfficientNet-Lite0 from ImageNet, which comes with roundtruth. It was trained on other "
        "pictures, so the model usually needs fewer labels from people."
    )
    assert said[1].startswith("forecast: About $")
    assert said[2].startswith("round 1: dispatch")


@pytest.mark.parametrize("kind", ["image-classification", "object-detection"])
@pytest.mark.parametrize(
    ("side", "grey", "found"), [(32, True, "SIGNS"), (80, True, "BUNDLED"), (32, False, "BUNDLED")]
)
def test_only_small_grey_pictures_are_learned_from_nothing(make, tmp_path, side, grey, found, kind):
    truth = digits(tmp_path, 20)
    for item in truth["item"]:
        path = tmp_path / f"images/{item:04d}.png"
        picture = Image.open(path).convert("RGB").resize((side, side // 2))
        if not grey and item == 7:
            picture.putpixel((0, 0), (200, 0, 0))
        picture.save(path)
    job = begin(make(20, **DEFAULT, kind=kind, workforce={"backend": "files"}))
    origin = getattr(learning, found)
    assert job.read_json("weights/origin.json") == origin
    assert (learning.backbone(job) is not None) == origin["pretrained"]


def test_a_job_that_asks_for_no_weights_has_none(make):
    job = begin(make(20, learner="default", weights="none"))
    assert not job.there("weights/origin.json")
    assert learning.backbone(job) is None


def test_another_learner_does_not_get_the_weights_that_come_with_roundtruth(make, monkeypatch):
    monkeypatch.setattr(weights, "_torchvision", lambda: (None, "from scratch: no network"))
    job = begin(make(20, weights=None))
    assert not job.there("weights/origin.json")
    assert learning.backbone(job) is None
    assert job.read_json("weights/origin.json")["origin"] == "from scratch: no network"


@pytest.mark.slow
def test_a_picture_that_returns_later_gets_its_features_then(make, tmp_path, monkeypatch):
    coloured(tmp_path, 60)
    path = tmp_path / "images/0002.png"
    path.rename(tmp_path / "away.png")
    spec = make(60, **DEFAULT, budget=4.0)
    job = run_job(spec)
    assert np.isnan(np.load(tmp_path / "job/features/0001.npy").astype(float)).any(1).nonzero()[0].tolist() == [1]
    (tmp_path / "away.png").rename(path)
    begin(spec)
    job = Job(spec.output)
    assert job.returned()["item"].tolist() == [2]
    learner = steps.learner(job, 1)
    found = learning.seen(job, learner, np.array([1, 2, 3]), None)
    wanted = learner.features(learning.pictures(job, np.array([1, 2, 3])))
    np.testing.assert_array_equal(found.features, wanted)
