"""Predicts the class of a picture by logistic regression on the features of a network that is not trained any more.

classifier = Linear(["cat", "dog"], seed=0, weights=weights.bundled())
classifier.train(pictures, labels)
predictions = classifier.predict(others)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from roundtruth.learners.backbone import device, pretrained, resized, same_twice
from roundtruth.pictures import Pictures


@dataclass
class Settings:
    side: int = 224  # pixels, as the network was trained; smaller pictures are enlarged
    batch: int = 8  # more are slower: their maps do not fit into the cache of a core
    strength: float = 0.2  # of each label against the wish for small weights, over the root of their number
    least_sure: float = 0.1  # no label counts less: some programs give all of theirs a confidence of 0
    least_spread: float = 0.05  # of a feature, as a share of the spread of all
    ridge: float = 1.0  # how much small weights count in ridge regression, where inputs have a mean square of 1


SETTINGS = Settings()


class Linear:
    """A learner (`roundtruth.learners.Learner`). Nothing is random, so the seed does not matter.

    `features` gives what the network makes of each picture. That never changes, so a job computes it once and hands it
    over as `pictures.features`. The network is not part of the state: `weights` must be given.
    """

    def __init__(self, classes: list[str], seed: int, weights: dict):
        self.classes, self.weights = classes, weights
        self.network: Any = None  # built when it is first used
        self.known = np.zeros(0, np.int64)  # the classes that were learned
        self.weight, self.bias = np.zeros((0, 0)), np.zeros(0)

    def features(self, pictures: Pictures, progress=None) -> np.ndarray:
        """(n, d) float16: the means of each picture's features and its mirror image's."""
        s, where, found = SETTINGS, device(), []
        if self.network is None:
            self.network = pretrained(self.weights).to(where, memory_format=torch.channels_last).eval()
        mean, std = (torch.tensor(self.weights[name])[:, None, None] for name in ("mean", "std"))
        with torch.no_grad(), same_twice(where):
            for start in range(0, len(pictures), s.batch):
                some = pictures.take(slice(start, start + s.batch))
                images = torch.stack(list(resized(some, np.full((len(some), 2), s.side))))
                x = ((images.float() / 255 - mean) / std).to(where, memory_format=torch.channels_last)
                found.append((self.network(x) + self.network(x.flip(3))).cpu().numpy() / 2)
                if progress:
                    progress(start + len(some), len(pictures), "features")
        return np.concatenate(found).astype("float16")

    def train(self, pictures: Pictures, labels: pd.DataFrame, progress=None) -> None:
        """A label counts as much as its confidence says, if `labels` has that column."""
        known = labels[labels["class_id"].isin(range(len(self.classes)))]
        known = known.drop_duplicates("item", keep="last").set_index("item")
        pictures = pictures.take(np.isin(pictures.items, known.index))
        known = known.reindex(pictures.items)
        target, sure = known["class_id"].to_numpy("int64"), known.get("confidence", 1.0)
        self.known = np.unique(target)
        if len(self.known) > 1:  # else there is nothing to tell apart
            self.weight, self.bias = fit(
                self._inputs(pictures, progress), target, np.broadcast_to(sure, len(target)).clip(SETTINGS.least_sure)
            )

    def predict(self, pictures: Pictures, progress=None) -> pd.DataFrame:
        """The score is halfway between 1 and the margin, by which the class is likelier than the next one. Of two
        classes it is the probability. Of more it ranks better, and is nearer to the share that is right."""
        if len(self.known) < 2 or not len(pictures):
            only = self.known[0] if len(self.known) else 0
            return pd.DataFrame({"item": pictures.items, "class_id": only, "score": 1 / max(len(self.classes), 1)})
        chance = softmax(self._inputs(pictures, progress) @ self.weight.T + self.bias, axis=1)
        second, first = np.partition(chance, -2, axis=1)[:, -2:].T
        return pd.DataFrame(
            {"item": pictures.items, "class_id": self.known[chance.argmax(1)], "score": (1 + first - second) / 2}
        )

    def state(self) -> dict:
        found = {"known": self.known, "weight": self.weight, "bias": self.bias}
        return {name: torch.tensor(values) for name, values in found.items()}

    def load(self, state: dict) -> None:
        self.known, self.weight, self.bias = (state[name].numpy() for name in ("known", "weight", "bias"))

    def _inputs(self, pictures: Pictures, progress) -> np.ndarray:
        return roots(self.features(pictures, progress) if pictures.features is None else pictures.features)


def roots(features: np.ndarray) -> np.ndarray:
    """The roots of features: a few are very large, and the rest would count for little beside them."""
    return np.sqrt(features.astype("float64"))


def fit(inputs: np.ndarray, target: np.ndarray, sure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (classes, d) and biases (classes,) of the classes in `target`, in ascending order. sure: (n,), how much
    each label counts."""
    mean, spread = spreads(inputs)
    with threadpool_limits(1):  # so that sums are added in one order
        model = LogisticRegression(C=SETTINGS.strength / len(target) ** 0.5, max_iter=1000)
        model.fit((inputs - mean) / spread, target, sure)
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:  # of two classes scikit-learn keeps one row, the odds of the second
        weight, bias = np.concatenate((0 * weight, weight)), np.concatenate((0 * bias, bias))
    weight = weight / spread
    return weight, bias - weight @ mean


def left_out(inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(n,) the class of each picture as ridge regression predicts it from all others, by the formula of Allen's PRESS.

    inputs: (n, d), the `roots` of features. target: (n,), of two pictures or more.
    """
    names, target = np.unique(target, return_inverse=True)
    mean, spread = spreads(inputs)
    inputs = (inputs - mean) / spread
    kernel = 1 + inputs @ inputs.T / inputs.shape[1]  # 1: for the constant
    hat = kernel @ np.linalg.inv(kernel + SETTINGS.ridge * np.eye(len(target)))
    own, wanted = np.diag(hat)[:, None], np.eye(len(names))[target]
    return names[((hat @ wanted - own * wanted) / (1 - own)).argmax(1)]


def spreads(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(d,) twice: the mean of each input, and how much it varies, but never next to nothing."""
    return inputs.mean(0), inputs.std(0) + SETTINGS.least_spread * inputs.std() + 1e-9
