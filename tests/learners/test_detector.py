"""The box learner learns, and what it says is valid whatever it was given."""

import io
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from roundtruth.kinds import object_detection
from roundtruth.learners import detector
from roundtruth.learners.backbone import Backbone
from roundtruth.learners.detector import Detector
from roundtruth.learners.weights import bundled, recognise
from tests.learners.made import original, squares

COLUMNS = ["item", "class_id", "left", "top", "width", "height", "score"]


@pytest.fixture
def short(monkeypatch):
    """A few steps are enough where nothing must be learned."""
    monkeypatch.setattr(detector.SETTINGS, "passes", 4)
    monkeypatch.setattr(detector.SETTINGS, "tuned_passes", 4)
    monkeypatch.setattr(detector.SETTINGS, "warmup", 2)
    monkeypatch.setattr(detector.SETTINGS, "least", 64)


def check(predictions, pictures, classes=1):
    assert list(predictions.columns) == COLUMNS
    assert predictions["item"].drop_duplicates().tolist() == pictures.items.tolist()  # all, in order, each in one place
    assert (predictions["item"].diff().fillna(0) != 0).sum() == len(pictures) - 1
    assert predictions["score"].between(0, 1).all()
    assert predictions["class_id"].between(-1, classes - 1).all()
    assert predictions["class_id"].dtype == "int64"
    nothing = predictions["class_id"] == -1
    assert not predictions[nothing]["item"].isin(predictions[~nothing]["item"]).any()
    assert not predictions[nothing]["item"].duplicated().any()
    assert (predictions.loc[nothing, COLUMNS[2:6]] == 0).all(axis=None)
    boxes = predictions[~nothing]
    size = pd.DataFrame(pictures.sizes, index=pictures.items).loc[boxes["item"]].to_numpy()
    assert (boxes[["left", "top"]].to_numpy() >= 0).all()
    assert (boxes[["left", "top"]].to_numpy() + boxes[["width", "height"]].to_numpy() <= size + 1e-3).all()
    assert (boxes[["width", "height"]] > 0).all(axis=None)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    pictures, labels = squares(tmp_path_factory.mktemp("squares"), 70, classes=2)
    before = replace(detector.SETTINGS)
    detector.SETTINGS.passes, detector.SETTINGS.least = 60, 64
    learner = Detector(["red", "blue"], 0, None)
    seen = []
    learner.train(pictures, labels[labels["item"] <= 50], lambda *at: seen.append(at))
    vars(detector.SETTINGS).update(vars(before))
    return learner, pictures.take(pictures.items > 50), labels, seen


@pytest.mark.slow
def test_an_easy_task_is_learned(learned):
    learner, rest, labels, seen = learned
    predictions = learner.predict(rest)
    check(predictions, rest, classes=2)
    quality = object_detection.quality(predictions, labels)
    assert len(quality) == 20
    assert quality.mean() > 0.6
    turned = predictions.assign(class_id=predictions["class_id"].map({-1: -1, 0: 1, 1: 0}))
    assert object_detection.quality(turned, labels).mean() < quality.mean() / 2  # it tells the classes apart
    assert seen[-1][0] == seen[-1][1]
    assert all(a[0] < b[0] for a, b in pairwise(seen))


@pytest.mark.slow
def test_a_picture_is_judged_alone(learned):
    learner, rest, *_ = learned
    together, alone = learner.predict(rest), learner.predict(rest.take(slice(3, 4)))
    pd.testing.assert_frame_equal(
        together[together["item"] == rest.items[3]].reset_index(drop=True), alone, atol=1e-3, rtol=1e-3
    )
    assert len(learner.predict(rest.take(slice(0, 0)))) == 0


@pytest.mark.slow
def test_the_state_survives_a_file(learned):
    learner, rest, *_ = learned
    file = io.BytesIO()
    torch.save(learner.state(), file)
    file.seek(0)
    other = Detector(["red", "blue"], 5, None)
    other.load(torch.load(file, weights_only=True))
    pd.testing.assert_frame_equal(other.predict(rest), learner.predict(rest))


@pytest.mark.slow
def test_a_loaded_one_goes_on_from_what_it_knew(learned, short, monkeypatch):
    learner, rest, labels, _ = learned
    monkeypatch.setattr(detector.SETTINGS, "lr", 1e-5)
    quality = []
    for state in (learner.state(), None):
        other = Detector(["red", "blue"], 5, None)
        if state:
            other.load(state)
        other.train(rest, labels)
        quality.append(object_detection.quality(other.predict(rest), labels).mean())
    assert quality[0] > 0.6 > 0.5 > quality[1]  # two fifths of the pictures are empty


PROGRAM = """
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from roundtruth.learners import detector
from tests.learners.made import squares
detector.SETTINGS.passes, detector.SETTINGS.least = 6, 64
pictures, labels = squares(Path(sys.argv[2]), 8)
learner = detector.Detector(["red"], 3, None)
learner.train(pictures, labels.sample(frac=1, random_state=int(sys.argv[3])))
learner.cut = 0.0
print(learner.predict(pictures).to_csv())
"""


@pytest.mark.slow
def test_the_same_seed_gives_the_same_predictions_in_any_process(tmp_path):
    root = str(Path(__file__).parents[2])

    def run(order: int) -> str:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, root, str(tmp_path / "made"), str(order)],
            capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": str(order), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        return done.stdout

    first = run(1)
    assert first.count("\n") > 8
    assert run(2) == first


def test_another_seed_is_another_model(tmp_path, short):
    pictures, labels = squares(tmp_path, 6)
    scores = []
    state = torch.get_rng_state()
    for seed in (0, 1):
        learner = Detector(["red"], seed, None)
        learner.train(pictures, labels)
        scores.append(learner.predict(pictures)["score"].iloc[0])
    assert scores[0] != scores[1]
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's chance is touched
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("kept", [[], [-1], [0]])
def test_poor_training_sets(tmp_path, short, kept):
    """Nothing at all, only pictures with nothing on them, a single one with something."""
    pictures, labels = squares(tmp_path, 8)
    some = labels[labels["class_id"].isin(kept)]
    some = some[some["item"] == some["item"].max()] if kept == [0] else some
    learner = Detector(["red", "never seen"], 0, None)
    learner.train(pictures, some)
    check(learner.predict(pictures), pictures, classes=2)
    other = Detector(["red", "never seen"], 0, None)
    other.load(learner.state())
    pd.testing.assert_frame_equal(other.predict(pictures), learner.predict(pictures))


def test_labels_of_other_items_and_boxes_at_the_edge(tmp_path, short):
    pictures, labels = squares(tmp_path, 6)
    strange = pd.DataFrame(
        {"item": [999, 2, 3], "class_id": 0, "left": [0, 63.5, 9], "top": 0.0, "width": [9, 3.0, 0], "height": 64.0}
    )
    learner = Detector(["red"], 0, None)
    learner.train(pictures, pd.concat([labels, strange]))
    check(learner.predict(pictures), pictures)


@pytest.mark.parametrize("backbone", ["shufflenet", "bundled"])
def test_a_pretrained_backbone_and_many_shapes(tmp_path, short, backbone):
    folder, parts = tmp_path / "pictures", []
    for k, side in enumerate((40, 64, 200)):
        pictures, labels = squares(folder / str(k), 3, k, side)
        parts.append((pictures, labels.assign(item=labels["item"] + 10 * k)))
    items = pd.DataFrame({
        "item": np.concatenate([p.items + 10 * k for k, (p, _) in enumerate(parts)]),
        "url": [str(folder / str(k) / f"{i}.png") for k in range(3) for i in (1, 2, 3)],
        "width": np.repeat([40, 64, 200], 3), "height": np.repeat([40, 64, 200], 3),
    })  # fmt: skip
    pictures = parts[0][0].__class__(items)
    learner = Detector(["red"], 0, bundled() if backbone == "bundled" else recognise(original(), "made"))
    learner.train(pictures, pd.concat([labels for _, labels in parts]))
    check(learner.predict(pictures), pictures)
    assert "tensors" not in learner.state()["weights"]  # the network's own are all it needs
    other = Detector(["red"], 0, None)
    other.load(learner.state())
    pd.testing.assert_frame_equal(other.predict(pictures), learner.predict(pictures))


def test_of_the_weights_that_come_with_roundtruth_only_the_last_layers_learn(tmp_path, short):
    pictures, labels = squares(tmp_path, 6)
    before, found = bundled(), []
    for order in (1, 2):
        learner = Detector(["red"], 0, before)
        learner.train(pictures, labels.sample(frac=1, random_state=order))
        other = Detector(["red"], 0, before)
        other.load(learner.state())
        other.train(pictures, labels)
        found.append(other.predict(pictures))
    pd.testing.assert_frame_equal(*found)
    given, learned = Backbone(before).state_dict(), other.network.body.state_dict()
    moved = {name for name, tensor in given.items() if not torch.equal(tensor, learned[name])}
    parameters = {name for name, _ in Backbone(before).named_parameters()}
    assert moved == {name for name in parameters if name.startswith("stages.2.")}


def test_what_layers_that_do_not_learn_make_of_a_picture_is_computed_once(tmp_path, monkeypatch):
    """A drawn picture gives the maps of one of its variants, with zeros where another picture is larger."""
    body, seen, vary = Backbone(bundled()).eval(), [], detector._vary
    monkeypatch.setattr(detector, "_vary", lambda *given: seen.append(vary(*given)) or seen[-1])
    chance = np.random.default_rng(0)
    images = [torch.from_numpy(chance.integers(0, 256, (3, *size), dtype="uint8")) for size in ((64, 96), (128, 64))]
    targets = [(np.array([[8, 8, 40, 50]], "float32"), np.array([k])) for k in range(2)]
    draw = detector._drawn(body, images, targets, 128, 3, chance, None)
    assert len(seen) == 6
    for _ in range(4):
        maps, sizes, truth = draw([1, 0, 1])
        assert [int(one["labels"][0]) for one in truth] == [2, 1, 2]
        for number, size, *found in zip((1, 0, 1), sizes, *maps):
            variants = [x for x, *_ in seen[3 * number : 3 * number + 3] if tuple(x.shape[1:]) == size]
            wanted = [body.fixed(detector._batch([(x, None, None)])[0]) for x in variants]
            assert any(all(map(padded, found, maps)) for maps in wanted)
    assert len(seen) == 6


@pytest.mark.parametrize("views", [0, 1, 3])
def test_as_many_variants_are_kept_as_memory_is_for(monkeypatch, views):
    """Of a picture of 64 x 64: 40 maps of 8 x 8 and 112 of 4 x 4, two bytes a number."""
    body, seen, vary = Backbone(bundled()).eval(), [], detector._vary
    monkeypatch.setattr(detector, "_vary", lambda *given: seen.append(vary(*given)) or seen[-1])
    monkeypatch.setattr(detector.SETTINGS, "kept", 2 * (40 * 64 + 112 * 16) * 5 * views + 1)
    targets = [(np.zeros((0, 4), "float32"), np.zeros(0, int))] * 5
    draw = detector._drawn(body, [torch.zeros(3, 64, 64)] * 5, targets, 64, 4, np.random.default_rng(0), None)
    assert len(seen) == 5 * views
    maps, sizes, _ = draw([0, 4])
    assert len(sizes) == 2
    assert [m.shape[1] for m in maps] == [40, 112]


def padded(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Whether a map is the wanted one, but for half precision, with zeros at the right and at the bottom."""
    height, width = wanted.shape[2:]
    same = torch.allclose(found[:, :height, :width], wanted[0], atol=0.02, rtol=2e-3)
    return same and not found[:, height:].any() and not found[:, :, width:].any()


def test_the_cut_has_the_best_quality(monkeypatch):
    """Against `kinds.object_detection.quality` at each cut."""
    chance = np.random.default_rng(0)

    def some(n):
        corner, size = chance.uniform(0, 60, (n, 2)), chance.uniform(5, 40, (n, 2))
        return np.concatenate([corner, corner + size], 1), chance.integers(0, 2, n)

    def table(pictures):
        rows = [
            [item, number, *box[:2], *(box[2:] - box[:2]), score]
            for item, (boxes, classes, scores) in enumerate(pictures)
            for box, number, score in zip(boxes, classes, scores)
        ]
        rows += [[item, -1, 0, 0, 0, 0, 0] for item, (boxes, *_) in enumerate(pictures) if not len(boxes)]
        return pd.DataFrame(rows, columns=COLUMNS).astype({"item": "int64", "class_id": "int64"})

    monkeypatch.setattr(detector.SETTINGS, "cuts", (0.0, 1.0))
    cuts = np.linspace(0, 1, 31)
    for _ in range(10):
        found = [(*some(n), np.sort(chance.random(n))[::-1]) for n in chance.integers(0, 7, 12)]
        truth = [some(n) for n in chance.integers(0, 5, 12)]
        wanted = table([(*one, np.zeros(len(one[0]))) for one in truth])
        means = []
        for cut in cuts:
            kept = [tuple(part[scores >= cut] for part in (boxes, classes, scores)) for boxes, classes, scores in found]
            means.append(object_detection.quality(table(kept), wanted).mean())
        best = detector._best_cut([dict(zip(("boxes", "classes", "scores"), one)) for one in found], truth, np.ones(12))
        assert means[int(np.argmin(np.abs(cuts - best)))] == pytest.approx(max(means))


def test_the_cut_is_the_best_one():
    """Two good boxes at .8, a false one at .4: the cut lies between."""
    boxes = {
        "boxes": np.array([[0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]], float),
        "classes": np.zeros(3, int), "scores": np.array([0.8, 0.8, 0.4]),
    }  # fmt: skip
    truth = (np.array([[0, 0, 10, 10], [20, 20, 30, 30]], "float32"), np.zeros(2, int))
    assert 0.4 < detector._best_cut([boxes], [truth], np.ones(1)) <= 0.8


def test_a_picture_is_called_empty_by_bayes_rule():
    """A third of the pictures are empty; a score of .8 has density .4 on those and 1.6 on the others."""
    assert detector._bare(np.array([0.8]), 1 / 3) == pytest.approx((1 / 3 * 0.4) / (1 / 3 * 0.4 + 2 / 3 * 1.6))
    assert detector._bare(np.array([0.0, 1.0]), 0.0).tolist() == [0.0, 0.0]  # none was ever empty
    assert detector._bare(np.array([0.0, 1.0]), 1.0).tolist() == [1.0, 1.0]


def test_the_surest_box_stays_and_what_was_nearly_kept_makes_it_less_sure(tmp_path, short, monkeypatch):
    pictures, labels = squares(tmp_path, 3)
    learner = Detector(["red"], 0, None)
    learner.train(pictures, labels)
    learner.cut, learner.empty = 0.5, 0.1
    box = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50]], "float32")
    scores = [[0.9, 0.3, 0.1], [0.4, 0.1, 0.1], [0.06, 0.05, 0.05]]
    found = [{"boxes": box, "scores": np.array(some), "classes": np.zeros(3)} for some in scores]
    monkeypatch.setattr(learner, "_detect", lambda pictures, progress=None: found)
    kept = learner.predict(pictures)
    assert kept["item"].tolist() == [1, 2, 3]
    assert kept["class_id"].tolist() == [0, 0, -1]  # .4 is likelier a thing than nothing, .06 is not
    # the first: one box kept of 1.3 that may be there, as .1 is too little to doubt for
    assert kept["score"].tolist()[:2] == pytest.approx([0.9 / 1.3, 0.4])
    assert kept["score"].tolist()[2] == pytest.approx(0.1 * 0.94 / (0.1 * 0.94 + 0.9 * 0.06))
