"""What the learners' tests are made of: pictures that are learned in seconds, and a backbone's weights."""

import numpy as np
import pandas as pd
import torch
import torchvision
from PIL import Image

from roundtruth.pictures import Pictures


def squares(folder, n: int, seed: int = 0, side: int = 64, classes: int = 1, most: int = 2):
    """Dark noise with up to `most` bright rectangles (red, or red and blue ones) -> (Pictures, labels)."""
    folder.mkdir(parents=True, exist_ok=True)
    chance, rows, items = np.random.default_rng(seed), [], []
    for i in range(1, n + 1):
        picture = chance.integers(0, 90, (side, side, 3), dtype="uint8")
        for cell in chance.permutation(4)[: chance.integers(0, most + 1)]:  # one in each quarter at most
            width, height = chance.integers(side // 5, side // 2 - 2, 2)
            left = cell % 2 * side // 2 + chance.integers(0, side // 2 - width)
            top = cell // 2 * side // 2 + chance.integers(0, side // 2 - height)
            kind = int(chance.integers(classes))
            picture[top : top + height, left : left + width] = [[255, 60, 40], [40, 60, 255]][kind]
            rows.append((i, kind, left, top, width, height))
        if not rows or rows[-1][0] != i:
            rows.append((i, -1, 0, 0, 0, 0))
        Image.fromarray(picture).save(folder / f"{i}.png")
        items.append((i, str(folder / f"{i}.png"), side, side))
    labels = pd.DataFrame(rows, columns=["item", "class_id", "left", "top", "width", "height"])
    sides = ["left", "top", "width", "height"]
    labels[sides] = labels[sides].astype(float)
    return Pictures(pd.DataFrame(items, columns=["item", "url", "width", "height"])), labels


def stripes(folder, n: int, seed: int = 0, side: int = 16, colour: bool = False):
    """Noise over stripes that lie (class 0), stand (1) or are not there, grey or coloured -> (Pictures, labels)."""
    folder.mkdir(parents=True, exist_ok=True)
    chance, rows, items = np.random.default_rng(seed), [], []
    wave = np.sin(np.arange(side) * 1.6) * 80
    for i in range(1, n + 1):
        kind = int(chance.integers(3))
        lines = [wave[:, None], wave[None], 0][kind]
        picture = 128 + lines + chance.normal(0, 25, (side, side))
        picture = np.repeat(np.clip(picture, 0, 255)[:, :, None], 3, 2)
        if colour:
            picture *= chance.uniform(0.5, 1, 3)
        Image.fromarray(picture.astype("uint8")).save(folder / f"{i}.png")
        items.append((i, str(folder / f"{i}.png"), side, side))
        rows.append((i, kind))
    labels = pd.DataFrame(rows, columns=["item", "class_id"])
    return Pictures(pd.DataFrame(items, columns=["item", "url", "width", "height"])), labels


def original(seed=0) -> dict:
    """A random state dict in the names of the original ShuffleNetV2's release, without a classifier."""
    torch.manual_seed(seed)
    state = torchvision.models.shufflenet_v2_x0_5(weights=None).state_dict()
    for name, tensor in state.items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    names = {"conv1.": "first_conv.", ".branch2.": ".branch_main.", ".branch1.": ".branch_proj."}
    for ours, theirs in names.items():
        state = {name.replace(ours, theirs): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in state.items() if not name.startswith(("conv5.", "fc."))}


def check(predictions, pictures, classes=3):
    """Predictions of classes are what a learner is to give."""
    assert list(predictions.columns) == ["item", "class_id", "score"]
    assert predictions["item"].tolist() == pictures.items.tolist()
    assert predictions["score"].between(0, 1).all()
    assert predictions["class_id"].between(0, classes - 1).all()
    assert predictions["class_id"].dtype == "int64"
