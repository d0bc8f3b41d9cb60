"""Learners for tests, that need no time. Put this folder on the path."""

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression

from roundtruth.chance import uniforms
from roundtruth.workforce.crowds import normals

SIDES = ["left", "top", "width", "height"]


class Logistic:
    """Logistic regression on 8 x 8 gray pixels."""

    def __init__(self, classes, seed, weights):
        self.weight = torch.zeros(len(classes), 64, dtype=torch.float64)
        self.bias = torch.full((len(classes),), -1e9, dtype=torch.float64)  # a class that was never seen

    def train(self, pictures, labels, progress=None):
        labels = labels.drop_duplicates("item").set_index("item")["class_id"]
        if labels.nunique() == 1:  # scikit-learn wants two
            self.bias[labels.iloc[0]] = 0.0
            return
        model = LogisticRegression(max_iter=300)
        model.fit(pixels(pictures), labels.reindex(pictures.items).to_numpy())
        # of two classes scikit-learn keeps one row, the odds of the second
        seen, weight, bias = model.classes_, model.coef_, model.intercept_
        self.weight[seen[-len(weight) :]] = torch.tensor(weight)
        self.bias[seen] = 0.0
        self.bias[seen[-len(bias) :]] = torch.tensor(bias)

    def predict(self, pictures, progress=None):
        score = torch.softmax(torch.tensor(pixels(pictures)) @ self.weight.T + self.bias, 1)
        best, class_id = score.max(1)
        return pd.DataFrame({"item": pictures.items, "class_id": class_id.numpy(), "score": best.numpy()})

    def state(self):
        return {"weight": self.weight, "bias": self.bias}

    def load(self, state):
        self.weight, self.bias = state["weight"], state["bias"]


def pixels(pictures) -> np.ndarray:
    return np.stack([small(pictures.read(i)) for i in range(len(pictures))])


def small(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).convert("L").resize((8, 8)), float).ravel() / 255


class Boxes:
    """The bright box of each colour, as `tests.jobs.boxes` draws them, moved: less where the picture is easy, less the
    more was learned."""

    def __init__(self, classes, seed, weights):
        self.seed, self.learned = seed, 0

    def train(self, pictures, labels, progress=None):
        self.learned = len(pictures)

    def predict(self, pictures, progress=None):
        hard = uniforms(0, "hard", pictures.items)
        wide = (0.03 + 0.5 * hard**2) * (max(1, self.learned) / 100) ** -0.35
        score = np.clip(1 - 2 * wide + 0.1 * normals(self.seed, "score", pictures.items), 0.01, 0.99)
        rows = []
        for i, item in enumerate(pictures.items.tolist()):
            for colour, box in bright(pictures.read(i)) or [(-1, (0.0, 0.0, 0.0, 0.0))]:
                rows.append((item, colour, *box, wide[i], score[i]))
        found = pd.DataFrame(rows, columns=["item", "class_id", *SIDES, "wide", "score"])
        for side, length in ((0, 2), (1, 3)):
            moved, size = (normals(self.seed, SIDES[k], found["item"], found["class_id"]) for k in (side, length))
            found[SIDES[side]] += found["wide"] * moved * found[SIDES[length]]
            found[SIDES[length]] *= np.exp(found["wide"] * size)
        return found.drop(columns="wide")

    def state(self):
        return {"seed": self.seed, "learned": self.learned}

    def load(self, state):
        self.seed, self.learned = state["seed"], state["learned"]


def bright(picture: np.ndarray) -> list[tuple[int, tuple[float, ...]]]:
    """(colour, (left, top, width, height)) of each colour that is bright somewhere."""
    found = []
    for colour in range(3):
        rows, columns = ((picture[:, :, colour] > 128).any(axis).nonzero()[0] for axis in (1, 0))
        if len(rows):
            box = columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1
            found.append((colour, tuple(map(float, box))))
    return found
