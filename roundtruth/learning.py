"""What a job gives its learner: a backbone, pictures, and the features of pictures, which do not depend on what people
say and are computed once a job."""

import io
from typing import TYPE_CHECKING

import numpy as np

from roundtruth.job import Job, Progress

if TYPE_CHECKING:
    from roundtruth.pictures import Pictures

# The learners that start from the weights that come with roundtruth
STARTING = ("roundtruth.learners.classifier:Classifier", "roundtruth.learners.detector:Detector")
ORIGIN, BACKBONE = "weights/origin.json", "weights/backbone.pth"
BUNDLED = {"origin": "EfficientNet-Lite0 from ImageNet, which comes with roundtruth", "pretrained": True}
SIGNS = {
    "origin": "from scratch: the pictures are small and grey, and photographs teach little about such pictures",
    "pretrained": False,
}
SMALL = 64  # pixels of the longer side: grey pictures up to this size are taken for signs, such as digits
SHARD = 5_000  # items whose features are in one file; a killed job computes those of one file again


def choose(job: Job) -> None:
    """Write down what the model starts from, if that is known before anybody is asked."""
    if job.there(ORIGIN) or job.spec.weights is not None or job.spec.learner != "default" or job.spec.predictions:
        return
    if job.kind.LEARNER in STARTING:
        job.write_json(ORIGIN, SIGNS if are_signs(job) else BUNDLED)


def frozen(job: Job) -> bool:
    """Whether the model learns from features that stay as they are, which is known before anybody is asked."""
    return job.there(ORIGIN) and job.read_json(ORIGIN) == BUNDLED


def are_signs(job: Job) -> bool:
    """Whether most pictures are small, and those of a hundred items are all grey."""
    table = job.items(["item", "width", "height", "failure"])
    table = table[table["failure"].isna()]
    if not len(table) or table[["width", "height"]].max(axis=1).median() > SMALL:
        return False
    some = pictures(job, table["item"].to_numpy()[:: max(1, len(table) // 100)][:100])
    return all(grey(some.read(i)) for i in range(len(some)))


def grey(picture: np.ndarray) -> bool:
    return bool((picture == picture[:, :, :1]).all())


def backbone(job: Job) -> dict | None:
    """The pretrained weights, chosen once a job and kept in its folder."""
    import torch

    from roundtruth.learners import weights

    choose(job)
    if not job.there(ORIGIN):
        state, origin = weights.resolve(job.spec.weights)
        if state is not None:
            job.write_once(BACKBONE, dump(state))
        job.write_json(ORIGIN, {"origin": origin, "pretrained": state is not None})
    if not job.read_json(ORIGIN)["pretrained"]:
        return None
    if not job.there(BACKBONE):
        job.write_once(BACKBONE, dump(weights.bundled()))
    return torch.load(io.BytesIO(job.store.read(BACKBONE)), weights_only=True, map_location="cpu")


def dump(state: dict) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def pictures(job: Job, items: np.ndarray) -> "Pictures":
    """The pictures of some items, in input order, without those that cannot be read."""
    from roundtruth.pictures import Pictures

    items = np.unique(items)
    first, last = (int(items[0]), int(items[-1])) if len(items) else (1, 0)
    table = job.items(["item", "source", "width", "height", "failure"]).iloc[first - 1 : last]
    table = table.iloc[items - first]  # of the slice: pyarrow copies a whole column before it takes rows
    table = table[table["failure"].isna()].reset_index(drop=True)
    return Pictures(table.assign(url=job.urls(table)), job.ranges)


def seen(job: Job, learner, items: np.ndarray, progress: Progress | None) -> "Pictures":
    """The pictures of some items, with their features if the learner makes any."""
    found = pictures(job, items)
    if getattr(learner, "features", None) and len(found):
        shards, rows = np.divmod(found.items - 1, SHARD)
        parts = [kept(job, learner, int(shard), progress)[rows[shards == shard]] for shard in np.unique(shards)]
        found.features = np.concatenate(parts)
        lost = np.isnan(found.features).any(1)  # pictures that could not be read when their shard was computed
        if lost.any():
            found.features[lost] = learner.features(found.take(lost), progress)
    return found


def kept(job: Job, learner, shard: int, progress: Progress | None) -> np.ndarray:
    """The features of a shard of items, a row an item; NaN for pictures that cannot be read."""
    path = f"features/{shard + 1:04d}.npy"
    if not job.there(path):
        items = np.arange(shard * SHARD, min((shard + 1) * SHARD, job.begun["items"])) + 1
        readable = pictures(job, items)
        found = learner.features(readable, progress)
        table = np.full((len(items), found.shape[1]), np.nan, found.dtype)
        table[readable.items - items[0]] = found
        file = io.BytesIO()
        np.save(file, table)
        job.write_once(path, file.getvalue())
    return np.load(io.BytesIO(job.store.read(path)))
