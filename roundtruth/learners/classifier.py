"""Predicts the class of a picture: a small residual network (He et al. 2015), a pretrained backbone, fine-tuned, or
logistic regression on the features of one.

classifier = Classifier(["cat", "dog"], seed=0, weights=None)
classifier.train(pictures, labels)
predictions = classifier.predict(others)
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from roundtruth.chance import uniforms
from roundtruth.learners.backbone import Average, Backbone, device, rate, resized, same_twice, shell
from roundtruth.learners.linear import Linear
from roundtruth.pictures import Pictures


@dataclass
class Settings:
    scratch_side: int = 64  # pixels the network sees at most; from a hundred pictures it cannot learn finer detail
    tuned_side: int = 160  # with a pretrained backbone, which halves the side five times
    tuned_least: int = 96
    gpu_side: int = 224
    width: int = 24  # channels of the first map; they double each time the map is halved
    grey_width: int = 16  # for pictures without colour, which are mostly signs such as digits: a third of the work
    passes: float = 2000  # photographs seen in training, times the root of their number: each of 1000 is seen 63 times
    grey_passes: float = 450  # signs, which need fewer
    batch: int = 16
    lr: float = 3e-3  # AdamW
    tuned_lr: float = 1e-3  # of a pretrained backbone; its head learns at `lr`
    decay: float = 0.2
    warmup: int = 20
    average: float = 0.98  # of the weights: about the last fifty steps
    held_back: float = 0.1  # share of the training pictures on which the confidence is calibrated
    shift: float = 0.1  # training pictures are moved by up to this share of their side,
    turn: float = 0.15  # turned by up to this (radians: 9 degrees),
    scale: float = 0.15  # and scaled by up to this


SETTINGS = Settings()
MOST_CHANNELS = 256  # of a map
NEVER = -1e9  # the bias of a class that no training picture had


class Network(nn.Module):
    """Pictures (batch, 3, side, side), RGB in [0, 1] -> logits (batch, classes)."""

    def __init__(self, weights: dict | None, side: int, classes: int, width: int):
        super().__init__()
        if weights is None:
            layers = [_conv(3, width, 1)]
            for _ in range(max(2, math.ceil(math.log2(side / 5)))):  # until the map is 3 to 5 cells wide
                wider = min(2 * width, MOST_CHANNELS)
                layers += [_conv(width, wider, 2), Residual(wider)]
                width = wider
            self.body, self.backbone = nn.Sequential(*layers), None
        else:
            self.body = self.backbone = Backbone(weights)
            width = self.backbone.channels[-1]
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(width, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.body((x - 0.5) / 0.25) if self.backbone is None else self.backbone(x)[-1]
        return self.head(maps.mean((2, 3)))


class Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.change = _conv(width, width, 1)

    def forward(self, x):
        return x + self.change(x)


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


class Classifier:
    """A learner (`roundtruth.learners.Learner`) of the class of a whole picture. EfficientNet-Lite0 stays as it is: its
    features with logistic regression are better than the other networks when those are tuned, and learned at once."""

    def __init__(self, classes: list[str], seed: int, weights: dict | None):
        frozen = weights is not None and weights["architecture"] == "efficientnet_lite0"
        self.inner = Linear(classes, seed, weights) if frozen else Tuned(classes, seed, weights)
        self.features = self.inner.features if frozen else None

    def train(self, pictures: Pictures, labels: pd.DataFrame, progress=None) -> None:
        self.inner.train(pictures, labels, progress)

    def predict(self, pictures: Pictures, progress=None) -> pd.DataFrame:
        return self.inner.predict(pictures, progress)

    def state(self) -> dict:
        return self.inner.state()

    def load(self, state: dict) -> None:
        self.inner.load(state)


class Tuned:
    """A learner that trains a whole network."""

    def __init__(self, classes: list[str], seed: int, weights: dict | None):
        self.classes, self.seed, self.weights = classes, seed, weights
        self.side = self.width = 0  # the sizes that the network was built for; 0 until there was something to learn
        self.temperature = 1.0
        self.network: Any = None

    def train(self, pictures: Pictures, labels: pd.DataFrame, progress=None) -> None:
        s, where = SETTINGS, device()
        known = labels.drop_duplicates("item", keep="last").set_index("item")["class_id"]
        known = known[known.isin(range(len(self.classes)))]
        pictures = pictures.take(np.isin(pictures.items, known.index))
        if not len(pictures):
            self.side, self.network = 0, None
            return
        with torch.random.fork_rng(), same_twice(where):
            torch.manual_seed(self.seed)
            chance = np.random.default_rng(self.seed)
            before, built = self.network, (self.side, self.width)
            self.side = _side(pictures, self.weights is not None, where)
            images, target = self._load(pictures), torch.tensor(known.loc[pictures.items].to_numpy("int64"))
            colour = bool((images.amax(1) != images.amin(1)).any())  # photographs may be mirrored, signs may not
            apart = uniforms(0, "held back", pictures.items) < s.held_back  # the same pictures in every model of a job
            apart &= len(images) > 10
            held, kept = np.flatnonzero(apart), np.flatnonzero(~apart)
            self.width = s.width if colour else s.grey_width
            network = self._build().to(where)
            if before is not None and built == (self.side, self.width):
                network.load_state_dict(before.state_dict())
                bias = network.head[1].bias.data
                bias[bias < NEVER / 2] = 0  # it may now learn classes that the model before was never shown
            average = Average(network, s.average)
            tuned = network.backbone.parameters() if network.backbone else []
            fresh = network.head.parameters() if network.backbone else network.parameters()
            groups = [{"params": list(p), "top": lr} for p, lr in ((tuned, s.tuned_lr), (fresh, s.lr))]
            optimiser = torch.optim.AdamW([g for g in groups if g["params"]], s.lr, weight_decay=s.decay)
            batch = min(s.batch, len(kept))
            passes = s.passes if colour else s.grey_passes
            steps = math.ceil(passes * math.sqrt(len(kept)) / s.batch)
            order = np.concatenate([chance.permutation(kept) for _ in range(steps * batch // len(kept) + 1)])

            network.train()
            for step in range(steps):
                chosen = order[step * batch : (step + 1) * batch]
                x = _vary(images[chosen].to(where).float() / 255, colour, chance)
                for group in optimiser.param_groups:
                    group["lr"] = group["top"] * rate(step, steps, s.warmup)
                with torch.autocast(where.type, torch.bfloat16, enabled=where.type == "cuda"):
                    loss = F.cross_entropy(network(x), target[chosen].to(where), label_smoothing=0.05)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                average.update(network)
                if progress and (step % 20 == 0 or step + 1 == steps):
                    progress(step + 1, steps, f"loss {loss.item():.2f}")

            self.network = average.network
            unseen = sorted(set(range(len(self.classes))) - set(target.tolist()))
            self.network.head[1].bias.data[unseen] = NEVER  # it never predicts a class that it was never shown
            self.temperature = _temperature(self._logits(images[held]), target[held]) if len(held) >= 10 else 1.0

    def predict(self, pictures: Pictures, progress=None) -> pd.DataFrame:
        if self.network is None:
            return pd.DataFrame({"item": pictures.items, "class_id": 0, "score": 1 / max(len(self.classes), 1)})
        scores, chosen = [], []
        with same_twice(device()):
            for start in range(0, len(pictures), 256):
                some = pictures.take(slice(start, start + 256))
                best = (self._logits(self._load(some)) / self.temperature).double().softmax(1).max(1)
                scores.append(best.values.numpy())
                chosen.append(best.indices.numpy())
                if progress:
                    progress(start + len(some), len(pictures))
        none = [np.zeros(0)]
        found = {"class_id": np.concatenate(chosen or none), "score": np.concatenate(scores or none)}
        return pd.DataFrame({"item": pictures.items, **found}).astype({"class_id": "int64", "score": "float64"})

    def state(self) -> dict:
        tensors = {} if self.network is None else self.network.state_dict()
        return {
            "side": self.side, "width": self.width, "temperature": self.temperature, "classes": list(self.classes),
            "weights": shell(self.weights), "tensors": {k: v.cpu() for k, v in tensors.items()},
        }  # fmt: skip

    def load(self, state: dict) -> None:
        self.side, self.width, self.temperature = state["side"], state["width"], state["temperature"]
        self.classes, self.weights = state["classes"], state["weights"]
        self.network = None
        if self.side:
            self.network = self._build()
            self.network.load_state_dict(state["tensors"])
            self.network.to(device()).eval()

    def _build(self) -> Network:
        return Network(self.weights, self.side, len(self.classes), self.width)

    def _load(self, pictures: Pictures) -> torch.Tensor:
        """(n, 3, side, side) uint8: the whole of each picture, whatever its shape was."""
        return torch.stack(list(resized(pictures, np.full((len(pictures), 2), self.side))))

    @torch.no_grad()
    def _logits(self, images: torch.Tensor) -> torch.Tensor:
        where = device()
        parts = [self.network(some.to(where).float() / 255).float().cpu() for some in images.split(64)]
        return torch.cat(parts)


def _side(pictures: Pictures, tuned: bool, where: torch.device) -> int:
    s = SETTINGS
    most = s.gpu_side if where.type == "cuda" else s.tuned_side if tuned else s.scratch_side
    typical = int(np.median(pictures.sizes.max(1)))
    return int(np.clip(typical, s.tuned_least if tuned else 8, most))


def _vary(x: torch.Tensor, mirror: bool, chance: np.random.Generator) -> torch.Tensor:
    """Augmented training pictures: moved, turned, scaled, brighter or darker, mirrored."""
    s, n = SETTINGS, len(x)
    turn, scale = chance.uniform(-s.turn, s.turn, n), np.exp(chance.uniform(-s.scale, s.scale, n))
    shift, flip = chance.uniform(-2 * s.shift, 2 * s.shift, (n, 2)), np.where(mirror & (chance.random(n) < 0.5), -1, 1)
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    theta = np.stack((cos * flip, -sin, shift[:, 0], sin * flip, cos, shift[:, 1]), 1).reshape(n, 2, 3)
    grid = F.affine_grid(torch.tensor(theta, dtype=x.dtype, device=x.device), list(x.shape), align_corners=False)
    gain = torch.tensor(chance.uniform(0.8, 1.2, (n, 1, 1, 1)), dtype=x.dtype, device=x.device)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False) * gain


def _temperature(logits: torch.Tensor, target: torch.Tensor) -> float:
    """The divisor of the logits that makes the held-back labels most likely (temperature scaling, Guo et al. 2017)."""
    tried = torch.logspace(-1, 2, 91, base=2)  # 0.5 to 4: smaller divisors would only turn scores near 1 into ties
    losses = torch.stack([F.cross_entropy(logits / t, target) for t in tried])
    return float(tried[losses.argmin()])
