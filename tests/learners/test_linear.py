"""Logistic regression on the features of the network that comes with roundtruth."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from roundtruth.learners import linear, weights
from roundtruth.learners.classifier import Classifier
from roundtruth.learners.linear import Linear, fit
from tests.learners.made import check, stripes

NAMES = ["lying", "standing", "none"]


@pytest.fixture(scope="module")
def bundled():
    return weights.bundled()


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(linear.SETTINGS, "side", 64)


@pytest.fixture
def coloured(tmp_path, bundled):
    """Pictures with their features, and labels."""
    pictures, labels = stripes(tmp_path, 120, side=48, colour=True)
    pictures.features = Linear(NAMES, 0, bundled).features(pictures)
    return pictures, labels


def right(predictions, labels) -> pd.Series:
    return predictions.merge(labels, on="item").eval("class_id_x == class_id_y")


def test_what_it_learned_it_knows_in_other_pictures_and_after_a_file(coloured, bundled):
    pictures, labels = coloured
    learner, rest = Classifier(NAMES, 0, bundled), pictures.take(pictures.items > 60)
    learner.train(pictures.take(pictures.items <= 60), labels)
    predictions = learner.predict(rest)
    check(predictions, rest)
    assert right(predictions, labels).mean() > 0.9
    file = io.BytesIO()
    torch.save(learner.state(), file)
    assert len(file.getvalue()) < 100_000  # without the network
    file.seek(0)
    other = Classifier(NAMES, 5, bundled)
    other.load(torch.load(file, weights_only=True))
    pd.testing.assert_frame_equal(other.predict(rest), predictions)


def test_features_that_were_kept_give_what_those_computed_now_give(coloured, bundled):
    pictures, labels = coloured
    found = []
    for kept in (True, False):
        some = pictures.take(slice(0, 40))
        some.features = some.features if kept else None
        learner = Classifier(NAMES, 0, bundled)
        learner.train(some, labels)
        found.append(learner.predict(some))
    pd.testing.assert_frame_equal(*found)


def test_a_mirror_image_has_the_same_features(coloured, bundled, monkeypatch):
    pictures, _ = coloured
    some = pictures.take(slice(0, 9))
    before = some.read
    monkeypatch.setattr(some, "read", lambda i: before(i)[:, ::-1])
    monkeypatch.setattr(some, "take", lambda which: some)
    monkeypatch.setattr(linear.SETTINGS, "batch", 9)
    mirrored = Linear(NAMES, 0, bundled).features(some)
    np.testing.assert_allclose(mirrored.astype(float), some.features.astype(float), atol=0.02)


def test_order_seed_and_what_was_loaded_do_not_matter(coloured, bundled):
    pictures, labels = coloured
    found = []
    for seed, order, loaded in ((0, 1, False), (1, 2, True)):
        learner = Classifier(NAMES, seed, bundled)
        if loaded:
            before = Classifier(NAMES, 0, bundled)
            before.train(pictures.take(slice(0, 20)), labels)
            learner.load(before.state())
        learner.train(pictures, labels.sample(frac=1, random_state=order))
        found.append(learner.predict(pictures))
    pd.testing.assert_frame_equal(*found)


@pytest.mark.parametrize("kept", [[], [1], [0, 2]])
def test_poor_training_sets(coloured, bundled, kept):
    """Nothing, one class, one class missing."""
    pictures, labels = coloured
    learner = Classifier(NAMES, 0, bundled)
    learner.train(pictures, labels[labels["class_id"].isin(kept)])
    predictions = learner.predict(pictures)
    check(predictions, pictures)
    assert predictions["class_id"].isin(kept or [0]).all()
    other = Classifier(NAMES, 0, bundled)
    other.load(learner.state())
    pd.testing.assert_frame_equal(other.predict(pictures), predictions)
    check(learner.predict(pictures.take(slice(0, 0))), pictures.take(slice(0, 0)))


def test_labels_of_other_items_and_of_no_class_are_passed_over(coloured, bundled):
    pictures, labels = coloured
    strange = pd.DataFrame({"item": [900, 1], "class_id": [1, 7]})
    learner = Classifier(NAMES, 0, bundled)
    learner.train(pictures, pd.concat([strange[:1], labels[1:], strange[1:]]))
    check(learner.predict(pictures), pictures)


def test_a_label_that_people_were_unsure_of_counts_less(coloured, bundled):
    pictures, labels = coloured
    wrong = labels["item"] % 5 < 2
    doubtful = labels.assign(class_id=np.where(wrong, (labels["class_id"] + 1) % 3, labels["class_id"]))
    found = []
    for confidence in (1.0, 0.01):
        learner = Linear(NAMES, 0, bundled)
        learner.train(pictures, doubtful.assign(confidence=np.where(wrong, confidence, 1.0)))
        found.append(right(learner.predict(pictures), labels).mean())
    assert found[0] < found[1]


def test_of_two_classes_the_score_is_the_probability(coloured, bundled):
    pictures, labels = coloured
    learner = Linear(["no", "yes"], 0, bundled)
    learner.train(pictures, labels.assign(class_id=(labels["class_id"] == 2).astype(int)))
    found = learner.predict(pictures)
    odds = np.sqrt(pictures.features.astype(float)) @ (learner.weight[1] - learner.weight[0])
    odds += learner.bias[1] - learner.bias[0]
    np.testing.assert_allclose(found["score"], 1 / (1 + np.exp(-np.abs(odds))), atol=1e-9)
    assert (found["class_id"] == (odds > 0)).all()


def test_of_more_classes_the_score_grows_with_the_margin_of_the_two_likeliest(coloured, bundled):
    pictures, labels = coloured
    learner = Linear(NAMES, 0, bundled)
    learner.train(pictures, labels)
    found = learner.predict(pictures)
    chance = softmax(np.sqrt(pictures.features.astype(float)) @ learner.weight.T + learner.bias, axis=1)
    first, second = np.sort(chance, axis=1)[:, :-3:-1].T
    np.testing.assert_allclose(found["score"], 0.5 + (first - second) / 2, atol=1e-9)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_odds_are_those_of_scikit_learn_on_standardized_inputs(classes):
    chance = np.random.default_rng(0)
    inputs = chance.normal(3, 2, (80, 5))
    target = chance.integers(0, classes, 80)
    weight, bias = fit(inputs, target, np.ones(80))
    spread = inputs.std(0) + linear.SETTINGS.least_spread * inputs.std()
    z = (inputs - inputs.mean(0)) / spread
    wanted = LogisticRegression(C=linear.SETTINGS.strength / 80**0.5, max_iter=1000).fit(z, target).predict_proba(z)
    np.testing.assert_allclose(softmax(inputs @ weight.T + bias, axis=1), wanted, atol=1e-6)
