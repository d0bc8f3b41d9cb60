"""The classifier learns, and what it says is valid whatever it was given."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from roundtruth.learners import classifier
from roundtruth.learners.classifier import Classifier
from roundtruth.learners.weights import recognise
from roundtruth.pictures import Pictures
from tests.learners.made import check, original, stripes

NAMES = ["lying", "standing", "none"]


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(classifier.SETTINGS, "passes", 20)
    monkeypatch.setattr(classifier.SETTINGS, "grey_passes", 20)
    monkeypatch.setattr(classifier.SETTINGS, "batch", 8)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    pictures, labels = stripes(tmp_path_factory.mktemp("stripes"), 260)
    before = classifier.SETTINGS.grey_passes
    classifier.SETTINGS.grey_passes = 120
    learner = Classifier(NAMES, 0, None)
    learner.train(pictures, labels[labels["item"] <= 160])
    classifier.SETTINGS.grey_passes = before
    return learner, pictures.take(pictures.items > 160), labels


def test_an_easy_task_is_learned(learned):
    learner, rest, labels = learned
    predictions = learner.predict(rest)
    check(predictions, rest)
    right = predictions.merge(labels, on="item").eval("class_id_x == class_id_y")
    assert right.mean() > 0.9
    assert abs(predictions["score"].mean() - right.mean()) < 0.15  # it knows how sure it may be


def test_the_state_survives_a_file(learned):
    learner, rest, _ = learned
    file = io.BytesIO()
    torch.save(learner.state(), file)
    file.seek(0)
    other = Classifier(NAMES, 5, None)
    other.load(torch.load(file, weights_only=True))
    pd.testing.assert_frame_equal(other.predict(rest), learner.predict(rest))


def test_a_loaded_one_goes_on_from_what_it_knew(learned, short, monkeypatch):
    learner, rest, labels = learned
    monkeypatch.setattr(classifier.SETTINGS, "lr", 1e-5)
    right = []
    for state in (learner.state(), None):
        other = Classifier(NAMES, 5, None)
        if state:
            other.load(state)
        other.train(rest, labels)
        right.append(other.predict(rest).merge(labels, on="item").eval("class_id_x == class_id_y").mean())
    assert right[0] > 0.9 > 0.6 > right[1]


def test_a_class_that_was_new_to_a_loaded_one_can_be_learned(tmp_path, monkeypatch):
    pictures, labels = stripes(tmp_path, 120)
    monkeypatch.setattr(classifier.SETTINGS, "grey_passes", 120)
    learner = Classifier(NAMES, 0, None)
    learner.train(pictures, labels[labels["class_id"] != 2])
    assert not learner.predict(pictures)["class_id"].eq(2).any()
    other = Classifier(NAMES, 1, None)
    other.load(learner.state())
    other.train(pictures, labels)
    both = other.predict(pictures).merge(labels, on="item")
    assert both.eval("class_id_x == class_id_y")[both["class_id_y"] == 2].mean() > 0.8


def test_seeds(tmp_path, short):
    pictures, labels = stripes(tmp_path, 40, colour=True)
    found = []
    for seed, order in ((0, 1), (0, 2), (1, 1)):
        learner = Classifier(NAMES, seed, None)
        learner.train(pictures, labels.sample(frac=1, random_state=order))
        found.append(learner.predict(pictures))
    pd.testing.assert_frame_equal(found[0], found[1])
    assert not found[0].equals(found[2])


@pytest.mark.parametrize("kept", [[], [1], [0, 2]])
def test_poor_training_sets(tmp_path, short, kept):
    """Nothing, one class, one class missing."""
    pictures, labels = stripes(tmp_path, 12)
    learner = Classifier(NAMES, 0, None)
    learner.train(pictures, labels[labels["class_id"].isin(kept)])
    predictions = learner.predict(pictures)
    check(predictions, pictures)
    if kept == [1]:
        assert (predictions["class_id"] == 1).all()
    other = Classifier(NAMES, 0, None)
    other.load(learner.state())
    pd.testing.assert_frame_equal(other.predict(pictures), predictions)
    check(learner.predict(pictures.take(slice(0, 0))), pictures.take(slice(0, 0)))


def test_a_single_picture_and_labels_of_others(tmp_path, short):
    pictures, labels = stripes(tmp_path, 5)
    learner = Classifier(NAMES, 0, None)
    learner.train(pictures, pd.concat([labels[:1], labels[1:].assign(item=[900, 901, 902, 903])]))
    check(learner.predict(pictures), pictures)


def test_a_pretrained_backbone(tmp_path, short):
    pictures, labels = stripes(tmp_path, 12, colour=True)
    learner = Classifier(NAMES, 0, recognise(original(), "made"))
    learner.train(pictures, labels)
    check(learner.predict(pictures), pictures)
    other = Classifier(NAMES, 0, None)
    other.load(learner.state())
    pd.testing.assert_frame_equal(other.predict(pictures), learner.predict(pictures))


def test_only_photographs_are_mirrored():
    picture = torch.rand(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    chance = classifier.np.random.default_rng(0)
    same = dict.fromkeys(("turn", "scale", "shift"), 0.0)
    before = {name: getattr(classifier.SETTINGS, name) for name in same}
    vars(classifier.SETTINGS).update(same)
    try:
        for mirror, share in ((False, 0.0), (True, 0.5)):
            varied = classifier._vary(picture, mirror, chance)
            varied = varied / varied.mean((1, 2, 3), keepdim=True) * picture.mean((1, 2, 3), keepdim=True)
            flipped = (varied - picture.flip(3)).abs().amax((1, 2, 3)) < 1e-3
            kept = (varied - picture).abs().amax((1, 2, 3)) < 1e-3
            assert (flipped | kept).all()
            assert abs(flipped.float().mean() - share) < 0.2
    finally:
        vars(classifier.SETTINGS).update(before)


def test_temperature():
    """Logits of the right odds need none; the same times three need three."""
    chance = torch.Generator().manual_seed(0)
    logits = torch.randn(4000, 3, generator=chance)
    target = torch.multinomial(logits.softmax(1), 1, generator=chance)[:, 0]
    assert abs(classifier._temperature(logits, target) - 1) < 0.15
    assert abs(classifier._temperature(3 * logits, target) - 3) < 0.4


SIDES = (8, 41, 64, 512, *(pytest.param(side, marks=pytest.mark.slow) for side in (9, 40, 65, 160)))


@pytest.mark.parametrize("pretrained", [False, True], ids=["from scratch", "pretrained"])
@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
@pytest.mark.parametrize("side", SIDES)
def test_pictures_of_every_size_are_learned_from(side, colour, pretrained, tmp_path, monkeypatch):
    """One step of training, with a few classes and with many; long and narrow pictures are among them."""
    monkeypatch.setattr(classifier.SETTINGS, "passes", 1)
    monkeypatch.setattr(classifier.SETTINGS, "grey_passes", 1)
    monkeypatch.setattr(classifier.SETTINGS, "batch", 4)
    weights = recognise(original(), "made") if pretrained else None
    shapes = [(side, side), (side, max(1, side // 16)), (max(1, side // 16), side), (side, side)]
    chance, rows = np.random.default_rng(side), []
    for item, (width, height) in enumerate(shapes, 1):
        noise = chance.integers(0, 256, (height, width, 3 if colour else 1), dtype="uint8")
        Image.fromarray(noise if colour else np.repeat(noise, 3, 2)).save(tmp_path / f"{item}.png")
        rows.append((item, str(tmp_path / f"{item}.png"), width, height))
    pictures = Pictures(pd.DataFrame(rows, columns=["item", "url", "width", "height"]))
    for classes in (1, 200):
        labels = pd.DataFrame({"item": pictures.items, "class_id": np.arange(4) % classes})
        learner = Classifier([str(number) for number in range(classes)], 0, weights)
        learner.train(pictures, labels)
        check(learner.predict(pictures), pictures, classes)
