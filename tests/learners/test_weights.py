"""Which files of weights are taken, and that they are understood."""

import time

import pytest
import torch
import torchvision
from torch.nn import functional as F

from roundtruth.errors import UserError
from roundtruth.learners import weights
from roundtruth.learners.backbone import Backbone
from tests.learners.made import original


def save(tmp_path, state) -> str:
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    return str(path)


def by_hand(state: dict, rgb: torch.Tensor) -> list[torch.Tensor]:
    """The original network, layer by layer, as its paper and its release describe it."""

    def layer(x, name, number, stride=1, groups=1, relu=True):
        kernel = state[f"{name}.{number}.weight"]
        x = F.conv2d(x, kernel, None, stride, kernel.shape[2] // 2, groups=groups)
        norm = f"{name}.{number + 1}."
        x = F.batch_norm(x, *(state[norm + part] for part in ("running_mean", "running_var", "weight", "bias")))
        return x.relu() if relu else x

    def main(x, name, stride):
        x = layer(x, name, 0)
        x = layer(x, name, 3, stride, len(x[0]), relu=False)
        return layer(x, name, 5)

    x = F.max_pool2d(layer(rgb[:, [2, 1, 0]], "first_conv", 0, 2), 3, 2, 1)
    maps = []
    for stage, blocks in ((2, 4), (3, 8), (4, 4)):
        side = layer(x, f"stage{stage}.0.branch_proj", 0, 2, len(x[0]), relu=False)
        x = torch.cat((layer(side, f"stage{stage}.0.branch_proj", 2), main(x, f"stage{stage}.0.branch_main", 2)), 1)
        for block in range(1, blocks):
            pairs = x.unflatten(1, (-1, 2))  # neighbouring channels part
            x = torch.cat((pairs[:, :, 0], main(pairs[:, :, 1], f"stage{stage}.{block}.branch_main", 1)), 1)
        maps.append(x)
    return maps


def test_the_original_release_is_computed_as_it_was_trained(tmp_path):
    state = original()
    found, origin = weights.resolve(save(tmp_path, state))
    assert origin.startswith("shufflenet_v2_x0_5 from ")
    rgb = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours = Backbone(found).eval()(rgb)
        for a, b in zip(ours, by_hand(state, rgb)):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "resnet18", "resnet50"])
@pytest.mark.parametrize("classifier", [True, False])
def test_torchvisions_networks_keep_their_features(tmp_path, name, classifier):
    network = torchvision.models.get_model(name, weights=None).eval()
    state = network.state_dict()
    if not classifier:
        state = {k: v for k, v in state.items() if not k.startswith("fc.")}
    found, origin = weights.resolve(save(tmp_path, state))
    assert origin.startswith(name)
    assert found["architecture"] == name
    body = Backbone(found).eval()
    rgb = torch.rand(1, 3, 64, 64)
    x = (rgb - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.no_grad():
        if name.startswith("resnet"):
            x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
            x = network.layer4(network.layer3(network.layer2(network.layer1(x))))
        else:
            x = network.stage4(network.stage3(network.stage2(network.maxpool(network.conv1(x)))))
        torch.testing.assert_close(body(rgb)[-1], x)
    assert [len(f[0]) for f in body(rgb)] == body.channels
    assert [64 // f.shape[2] for f in body(rgb)] == body.strides


def test_what_a_job_keeps_is_taken_again(tmp_path):
    found, _ = weights.resolve(save(tmp_path, original()))
    again, _ = weights.resolve(save(tmp_path, found))
    assert again.keys() == found.keys()
    assert all(torch.equal(again["tensors"][k], v) for k, v in found["tensors"].items())


def wrong_shape(state):
    return state | {"stage3.0.branch_main.5.weight": torch.zeros(7, 48, 1, 1)}


def one_missing(state):
    del state["stage4.3.branch_main.6.bias"]
    return state


def one_more(state):
    return state | {"neck.weight": torch.zeros(3)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (wrong_shape, "stage3.0.branch2.5.weight is "),
        (one_missing, "is missing"),
        (one_more, "neck.weight does not belong to it"),
    ],
)
def test_what_does_not_fit_exactly_is_refused(tmp_path, change, said):
    with pytest.raises(UserError, match="fits none of") as error:
        weights.resolve(save(tmp_path, change(original())))
    assert said in str(error.value)
    assert "nearest is shufflenet_v2_x0_5" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("state", [[1, 2], {}, {"epoch": 3}, {"model": {"w": torch.zeros(1)}}])
def test_what_is_no_state_dict_is_refused(tmp_path, state):
    with pytest.raises(UserError, match="not a state dict"):
        weights.resolve(save(tmp_path, state))


class Code:
    pass


def test_code_in_a_file_is_never_run(tmp_path):
    with pytest.raises(UserError, match="weights_only=True") as error:
        weights.resolve(save(tmp_path, {"w": Code()}))
    assert "\n" not in str(error.value)


def test_a_whole_network_in_place_of_its_tensors_is_refused_in_plain_words(tmp_path):
    with pytest.raises(UserError) as error:
        weights.resolve(save(tmp_path, torchvision.models.resnet18()))
    assert str(error.value) == (
        f"weights: {tmp_path}/weights.pth is not a file of tensors that torch.load(weights_only=True) reads; "
        "save model.state_dict() with torch.save"
    )


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="there is no file"):
        weights.resolve(str(tmp_path / "nowhere.pth"))


def test_none_is_from_scratch():
    assert weights.resolve("none") == (None, "from scratch: the job asks for no pretrained weights")


def test_without_network_a_job_starts_from_scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def refused(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refused)
    found, origin = weights.resolve(None)
    assert found is None
    assert origin.startswith("from scratch")


def test_a_network_that_hangs_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(weights, "PATIENCE", 0.05)
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: time.sleep(1))
    start = time.monotonic()
    assert weights.resolve(None)[0] is None
    assert time.monotonic() - start < 0.9


def test_torchs_own_cache_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    url = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1.url
    (tmp_path / "checkpoints").mkdir()
    state = torchvision.models.shufflenet_v2_x0_5(weights=None).state_dict()
    torch.save(state, tmp_path / "checkpoints" / url.rpartition("/")[2])
    found, origin = weights.resolve(None)
    assert origin == "shufflenet_v2_x0_5 from torchvision (ImageNet)"
    assert torch.equal(found["tensors"]["conv1.0.weight"], state["conv1.0.weight"])


def test_the_development_weights(data):
    found, origin = weights.resolve(str(data / "weights" / "shufflenetv2_backbone_pretrained.pth"))
    assert "shufflenet_v2_x0_5" in origin
    assert found["bgr"]
    assert found["parity"]
