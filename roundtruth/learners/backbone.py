"""What both learners share: the backbone network, the running mean of its weights, and the scaling of pictures."""

import copy
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import nn
from torchvision.models.shufflenetv2 import InvertedResidual, ShuffleNetV2

from roundtruth.learners.efficientnet import EfficientNetLite0
from roundtruth.pictures import Pictures

SHUFFLENETS = {"shufflenet_v2_x0_5": [24, 48, 96, 192, 1024], "shufflenet_v2_x1_0": [24, 116, 232, 464, 1024]}


class ParityBlock(InvertedResidual):
    """A block of the original ShuffleNetV2: it splits channels into even and odd, and shuffles nothing afterwards.

    Torchvision's block splits channels into halves and shuffles them at the end. It trains as well, but it is a
    different function.
    """

    def forward(self, x):
        if self.stride == 1:
            return torch.cat((x[:, 0::2], self.branch2(x[:, 1::2])), 1)
        return torch.cat((self.branch1(x), self.branch2(x)), 1)


class Backbone(nn.Module):
    """Pictures (batch, 3, height, width), RGB in [0, 1] -> three maps of features, each half as fine as the one before.

    `weights` are as `learners.weights.resolve` returns them, or None for a small network that is trained from scratch.
    `strides` are the pixels per cell of the maps, `channels` are the depths of the maps. `still`: the layers up to the
    second map are not trained further, nor is any normalization.
    """

    def __init__(self, weights: dict | None, widths=(16, 32, 48, 64, 96)):
        super().__init__()
        if weights is None:
            a, b, c, d, e = widths
            # Seven 3 x 3 convolutions: in a picture of 128 px, most objects are smaller than 100 px.
            self.stem = nn.Sequential(_conv(3, a, 2))
            self.stages = nn.ModuleList(
                [
                    nn.Sequential(_conv(a, b, 2), _conv(b, b, 1)),
                    nn.Sequential(_conv(b, c, 2), _conv(c, d, 1)),
                    nn.Sequential(_conv(d, e, 2), _conv(e, e, 1)),
                ]
            )
            self.strides, self.channels = [4, 8, 16], [b, d, e]
            self.bgr, mean, std = False, [0.5] * 3, [0.25] * 3
        else:
            network = pretrained(weights)
            if isinstance(network, EfficientNetLite0):
                self.stem = nn.Sequential(network.stem, network.blocks[:3])
                self.stages = nn.ModuleList([network.blocks[3:5], network.blocks[5:11], network.blocks[11:]])
                self.channels = [40, 112, 320]
            elif weights["architecture"].startswith("shufflenet"):
                self.stem = nn.Sequential(network.conv1, network.maxpool)
                self.stages = nn.ModuleList([network.stage2, network.stage3, network.stage4])
                self.channels = SHUFFLENETS[weights["architecture"]][1:4]
            else:
                self.stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool, network.layer1)
                self.stages = nn.ModuleList([network.layer2, network.layer3, network.layer4])
                self.channels = [network.fc.in_features // 4, network.fc.in_features // 2, network.fc.in_features]
            self.strides = [8, 16, 32]
            self.bgr, mean, std = weights["bgr"], weights["mean"], weights["std"]
        self.still = weights is not None and weights["architecture"] == "efficientnet_lite0"
        if self.still:
            for part in (self.stem, *self.stages[:2]):
                part.requires_grad_(False)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return self.rest(self.fixed(x))

    def fixed(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What training does not change: the first two maps if their layers are `still`, or else the normalized
        pictures."""
        x = ((x.flip(1) if self.bgr else x) - self.mean) / self.std
        if not self.still:
            return [x]
        first = self.stages[0](self.stem(x))
        return [first, self.stages[1](first)]

    def rest(self, fixed: list[torch.Tensor]) -> list[torch.Tensor]:
        """The three maps, from what `fixed` gives."""
        maps = list(fixed) if self.still else [self.stages[0](self.stem(fixed[0]))]
        for stage in self.stages[len(maps) :]:
            maps.append(stage(maps[-1]))
        return maps

    def train(self, mode: bool = True) -> "Backbone":
        """Batches of four pictures say less about the spread of values than the network's own training did: mean IoU
        .692 on birds, not .645, with the normalization of EfficientNet-Lite0 as it was."""
        return super().train(mode and not self.still)


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def pretrained(weights: dict) -> nn.Module:
    """The network of a backbone, with its tensors where they are there."""
    name = weights["architecture"]
    if name == "efficientnet_lite0":
        network = EfficientNetLite0()
    elif name in SHUFFLENETS:
        block = ParityBlock if weights["parity"] else InvertedResidual
        network = ShuffleNetV2([4, 8, 4], SHUFFLENETS[name], num_classes=1, inverted_residual=block)
    else:
        network = torchvision.models.get_model(name, weights=None)
    if "tensors" in weights:  # else the tensors come with the state of the whole learner
        left = network.load_state_dict(weights["tensors"], strict=False)
        assert not left.unexpected_keys
        assert all(key.startswith(("conv5.", "fc.")) for key in left.missing_keys)
    return network


def shell(weights: dict | None) -> dict | None:
    """`weights` without its tensors. A learner's state keeps this to build the same network again."""
    return None if weights is None else {k: v for k, v in weights.items() if k != "tensors"}


class Average:
    """The running mean of a network's weights, which predicts better than the last weights (Polyak averaging)."""

    def __init__(self, network: nn.Module, decay: float):
        self.network, self.decay, self.steps = copy.deepcopy(network).eval().requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 9))  # the first steps' weights are soon forgotten
        for mean, now in zip(self.network.state_dict().values(), network.state_dict().values()):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - decay)
            else:
                mean.copy_(now)


def rate(step: int, steps: int, warmup: int) -> float:
    """The share of the learning rate at a step: a short linear warm-up, then half a cosine down to 0."""
    return min((step + 1) / warmup, 0.5 + 0.5 * math.cos(math.pi * step / steps))


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def resized(pictures: Pictures, sizes: np.ndarray) -> Iterator[torch.Tensor]:
    """The pictures scaled to `sizes` (n, 2: width, height), in order: uint8 tensors, 3 x height x width."""

    def one(i: int) -> torch.Tensor:
        picture = Image.fromarray(pictures.read(i))
        picture = picture.resize(tuple(sizes[i].tolist()), Image.Resampling.BILINEAR, reducing_gap=3.0)
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1)

    with ThreadPoolExecutor(8) as pool:
        for start in range(0, len(pictures), 256):
            yield from pool.map(one, range(start, min(start + 256, len(pictures))))


class same_twice:
    """On a CPU, one thread adds sums in one order, so that a seed gives one result on every machine.

    If nothing else is running, a second thread makes networks as small as these a tenth faster. If something else is
    running, the threads wait for each other, which makes both many times slower.
    """

    def __init__(self, where: torch.device):
        self.on = where.type == "cpu"

    def __enter__(self):
        self.before = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
        self.threads = torch.get_num_threads()
        if self.on:
            torch.set_num_threads(1)
            torch.use_deterministic_algorithms(True, warn_only=True)
            torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads what it did not write

    def __exit__(self, *_):
        torch.set_num_threads(self.threads)
        torch.use_deterministic_algorithms(self.before[0])
        torch.utils.deterministic.fill_uninitialized_memory = self.before[1]
