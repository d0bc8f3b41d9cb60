"""Finds boxes: a Faster R-CNN (Ren et al. 2015) with a small feature pyramid, made for hundreds of pictures on a CPU.

detector = Detector(["bird"], seed=0, weights=None)
detector.train(pictures, labels)
predictions = detector.predict(others)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from roundtruth import boxes as geometry
from roundtruth.boxes import SIDES
from roundtruth.learners.backbone import Average, Backbone, device, rate, resized, same_twice, shell
from roundtruth.pictures import Pictures


@dataclass
class Settings:
    side: int = 256  # longest side the network sees: more would take a CPU too long
    crowded_side: int = 320  # if small boxes need more than `side`
    gpu_side: int = 512
    least: int = 128  # smaller pictures are enlarged to this; else their objects would be smaller than the maps' cells
    small: int = 16  # pixels the smallest boxes should have for the network: two cells of its finest map
    # Pictures seen in training, as a multiple of the root of their number: the time grows, but slower than the number.
    passes: float = 180  # from scratch: 13 times each of 200, 9 times each of 400
    tuned_passes: float = 400  # with a pretrained backbone, or a GPU: 28 times each of 200
    views: int = 4  # of each picture, varied; what layers that are not trained make of a view is computed once
    kept: float = 2e9  # bytes of what they made; of more pictures there are fewer views
    batch: int = 4  # twice the steps of 8 for the same pictures: mean IoU .69, not .65, on 200 scenes
    lr: float = 2e-3  # AdamW; the new layers have at most a thousand steps to learn
    tuned_lr: float = 5e-4  # of a pretrained backbone, which is nearly right
    decay: float = 0.05
    warmup: int = 50
    average: float = 0.99  # of the weights: about the last hundred steps
    jitter: float = 0.15  # pictures are scaled by 1 / (1 + jitter) to 1 + jitter; .3 takes longer to learn from
    channels: int = 48  # of the pyramid; 64 cost a fifth more and found nothing more
    hidden: int = 128  # of the box head
    samples: int = 128  # boxes a picture that teach each of the two stages; 64: mean IoU .71 on 100 scenes, not .73
    floor: float = 0.05  # boxes with a lower score are dropped at once
    doubt: float = 0.2  # boxes with a lower score do not make a picture doubtful
    cuts: tuple = (0.4, 0.7)  # the range of `cut`; the scores on training pictures say too little to go further


SETTINGS = Settings()


class Network(nn.Module):
    """Backbone, pyramid, proposals, box head. The anchors have `sizes` per map, and `ratios` height / width for all."""

    def __init__(self, body: Backbone, sizes: list, ratios: list, classes: int, most: int):
        super().__init__()
        s = SETTINGS
        self.body = body
        self.pyramid = FeaturePyramidNetwork(body.channels, s.channels)
        anchors = AnchorGenerator(tuple(map(tuple, sizes)), (tuple(ratios),) * 3)
        self.rpn = RegionProposalNetwork(
            anchors, RPNHead(s.channels, anchors.num_anchors_per_location()[0]),
            fg_iou_thresh=0.7, bg_iou_thresh=0.3, batch_size_per_image=s.samples, positive_fraction=0.5,
            pre_nms_top_n={"training": 200, "testing": max(200, 15 * most)},
            post_nms_top_n={"training": 100, "testing": max(40, 3 * most)}, nms_thresh=0.7,
        )  # fmt: skip
        self.heads = RoIHeads(
            # a box is judged in the map in which it is 6 to 11 cells wide: 90 to 180 px at stride 16
            MultiScaleRoIAlign(["0", "1", "2"], 7, 1, canonical_scale=90),
            TwoMLPHead(s.channels * 49, s.hidden), FastRCNNPredictor(s.hidden, classes + 1),
            fg_iou_thresh=0.5, bg_iou_thresh=0.5, batch_size_per_image=s.samples, positive_fraction=0.25,
            bbox_reg_weights=None, score_thresh=s.floor, nms_thresh=0.5, detections_per_img=max(50, 2 * most),
        )  # fmt: skip

    def features(self, fixed: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        """The maps of the pyramid, from what the body's `fixed` gives."""
        x = fixed[0]
        with torch.autocast(x.device.type, torch.bfloat16, enabled=x.is_cuda):  # the boxes need full precision
            maps = self.pyramid({str(i): f for i, f in enumerate(self.body.rest(fixed))})
        return {name: f.float() for name, f in maps.items()}

    def losses(self, fixed: list[torch.Tensor], sizes: list, targets: list[dict]) -> dict[str, torch.Tensor]:
        features = self.features(fixed)
        height, width = (side * self.body.strides[0] for side in features["0"].shape[2:])
        canvas = features["0"].new_empty((0, 3, height, width))  # of the pictures only the size counts
        proposals, first = self.rpn(ImageList(canvas, sizes), features, targets)
        _, second = self.heads(features, proposals, sizes, targets)
        return {**first, **second}

    @torch.no_grad()
    def boxes(self, x: torch.Tensor, sizes: list) -> list[dict[str, torch.Tensor]]:
        """Judges each proposal in the picture and in its mirror image, and averages the two results."""
        width = x.shape[3]
        features = self.features(self.body.fixed(x))
        proposals, _ = self.rpn(ImageList(x, sizes), features)
        mirrored = [torch.stack((width - p[:, 2], p[:, 1], width - p[:, 0], p[:, 3]), 1) for p in proposals]
        scores, shifts = self._judge(features, proposals, sizes)
        scores_m, shifts_m = self._judge(self.features(self.body.fixed(x.flip(3))), mirrored, sizes)
        shifts_m = shifts_m * shifts_m.new_tensor([-1, 1, 1, 1]).repeat(shifts_m.shape[1] // 4)
        logits = ((scores.softmax(1) + scores_m.softmax(1)) / 2).log()
        found = self.heads.postprocess_detections(logits, (shifts + shifts_m) / 2, proposals, sizes)
        return [{"boxes": b, "scores": s, "classes": c - 1} for b, s, c in zip(*found)]

    def _judge(self, features, boxes, sizes):
        return self.heads.box_predictor(self.heads.box_head(self.heads.box_roi_pool(features, boxes, sizes)))


class Detector:
    """A learner (`roundtruth.learners.Learner`) of boxes."""

    def __init__(self, classes: list[str], seed: int, weights: dict | None):
        self.classes, self.seed, self.weights = classes, seed, weights
        self.plan: dict = {}  # the sizes that the network was built for; empty until there was something to learn
        self.cut = 0.5
        self.empty = 0.0  # share of the training pictures without boxes
        self.network: Any = None

    def train(self, pictures: Pictures, labels: pd.DataFrame, progress=None) -> None:
        s, where = SETTINGS, device()
        labels = labels[labels["item"].isin(pictures.items)].sort_values(["item", "class_id", *SIDES])
        pictures = pictures.take(np.isin(pictures.items, labels["item"].unique()))
        if not len(pictures):
            self.plan, self.network = {}, None
            return
        with torch.random.fork_rng(), same_twice(where):
            torch.manual_seed(self.seed)
            chance = np.random.default_rng(self.seed)
            self.plan = _plan(pictures, labels, len(self.classes), where)
            network, before = self._build(self.weights).to(where), self.network
            if before is not None:  # better than a new start: mean IoU .756, not .747, on birds
                network.load_state_dict(before.state_dict())
            average = Average(network, s.average)
            images, targets = self._training_set(pictures, labels)
            self.empty = float(np.mean([not len(classes) for _, classes in targets]))
            passes = s.passes if self.weights is None and where.type == "cpu" else s.tuned_passes
            steps = math.ceil(passes * math.sqrt(len(images)) / s.batch)
            body = {id(p) for p in network.body.parameters()} if self.weights else set()
            groups = [
                {"params": [p for p in network.parameters() if (id(p) in body) == tuned], "top": top}
                for tuned, top in ((True, s.tuned_lr), (False, s.lr))
            ]
            optimiser = torch.optim.AdamW([g for g in groups if g["params"]], s.lr, weight_decay=s.decay)
            network.train()
            views = min(s.views, math.ceil(steps * s.batch / len(images)))
            draw = _drawn(network.body, images, targets, self.plan["side"], views, chance, progress)
            order = np.concatenate([chance.permutation(len(images)) for _ in range(steps * s.batch // len(images) + 1)])
            for step in range(steps):
                fixed, sizes, truth = draw(order[step * s.batch : (step + 1) * s.batch])
                for group in optimiser.param_groups:
                    group["lr"] = group["top"] * rate(step, steps, s.warmup)
                loss = sum(network.losses(fixed, sizes, truth).values())
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 5.0)  # a huge gradient at the start could ruin the model
                optimiser.step()
                average.update(network)
                if progress and (step % 20 == 0 or step + 1 == steps):
                    progress(step + 1, steps, f"loss {loss.item():.2f}")

            self.network = average.network
            self.cut = _best_cut(self._detect(pictures), targets, self._scales(pictures))

    def predict(self, pictures: Pictures, progress=None) -> pd.DataFrame:
        columns = ["item", "class_id", *SIDES, "score"]
        if self.network is None:
            found = pd.DataFrame({"item": pictures.items, "class_id": -1, **dict.fromkeys(SIDES, 0.0), "score": 0.0})
            return found.astype({"class_id": "int64"})[columns]
        with same_twice(device()):
            boxes = self._detect(pictures, progress)
        n = np.array([len(b["scores"]) for b in boxes], int)
        table = pd.DataFrame(np.concatenate([b["boxes"] for b in boxes] or [np.zeros((0, 4))]), columns=SIDES)
        table["width"], table["height"] = table["width"] - table["left"], table["height"] - table["top"]
        table.insert(0, "item", np.repeat(pictures.items, n))
        table.insert(1, "class_id", np.concatenate([b["classes"] for b in boxes] or [[]]).astype("int64"))
        table["score"] = np.concatenate([b["scores"] for b in boxes] or [[]]).astype("float64")
        table = table[(table["width"] > 0) & (table["height"] > 0)]
        best = table.groupby("item")["score"].max().reindex(pictures.items, fill_value=0.0)
        bare = _bare(best.to_numpy(), self.empty)
        # whatever is surest is kept, be it unsure, unless it is likelier that there is nothing
        least = pd.Series(np.where(bare < best, np.minimum(self.cut, best), self.cut), index=pictures.items)
        kept = table[table["score"] >= table["item"].map(least)]
        empty = ~best.index.isin(kept["item"])
        nothing = pd.DataFrame(
            {"item": pictures.items[empty], "class_id": -1, **dict.fromkeys(SIDES, 0.0), "score": bare[empty]}
        )
        # what was nearly kept may be something too: the more of it, the less sure is what was kept
        doubtful = table[(table["score"] >= SETTINGS.doubt) & ~table.index.isin(kept.index)]
        missed = kept["item"].map(doubtful.groupby("item")["score"].sum()).fillna(0.0)
        number = kept.groupby("item")["score"].transform("size")
        kept = kept.assign(score=kept["score"] * number / (number + missed))
        both = pd.concat([kept, nothing.astype(table.dtypes)], ignore_index=True) if len(nothing) else kept
        place = pd.Series(np.arange(len(pictures)), index=pictures.items)
        both = both.assign(place=both["item"].map(place)).sort_values(
            ["place", "score"], ascending=[True, False], kind="stable"
        )
        return both[columns].reset_index(drop=True)

    def state(self) -> dict:
        tensors = {} if self.network is None else self.network.state_dict()
        return {
            "plan": self.plan, "cut": self.cut, "empty": self.empty, "classes": list(self.classes),
            "weights": shell(self.weights), "tensors": {k: v.cpu() for k, v in tensors.items()},
        }  # fmt: skip

    def load(self, state: dict) -> None:
        self.plan, self.cut, self.empty = state["plan"], state["cut"], state["empty"]
        self.classes, self.weights, self.network = state["classes"], state["weights"], None
        if self.plan:
            self.network = self._build(self.weights)
            self.network.load_state_dict(state["tensors"])
            self.network.to(device()).eval()

    def _build(self, weights: dict | None) -> Network:
        plan = self.plan
        network = Network(Backbone(weights), plan["anchors"], plan["ratios"], len(self.classes), plan["most"])
        return network.to(memory_format=torch.channels_last)  # which a CPU computes in two thirds of the time

    def _scales(self, pictures: Pictures) -> np.ndarray:
        """The factor by which each picture is scaled for the network."""
        return self.plan["side"] / pictures.sizes.max(1)

    def _sizes(self, pictures: Pictures) -> np.ndarray:
        """(n, 2) width and height of the pictures as the network sees them."""
        return np.maximum(1, np.rint(pictures.sizes * self._scales(pictures)[:, None])).astype(int)

    def _training_set(self, pictures: Pictures, labels: pd.DataFrame):
        """The pictures as the network sees them, and (boxes (n, 4: left, top, right, bottom), classes (n,)) of each."""
        rows = labels.groupby("item").indices
        values, classes = labels[SIDES].to_numpy("float64"), labels["class_id"].to_numpy("int64")
        targets = []
        for item, scale in zip(pictures.items, self._scales(pictures)):
            at = rows[item][classes[rows[item]] >= 0]
            left, top, width, height = (values[at] * scale).T
            targets.append((np.stack((left, top, left + width, top + height), 1).astype("float32"), classes[at]))
        return list(resized(pictures, self._sizes(pictures))), targets

    def _detect(self, pictures: Pictures, progress=None) -> list[dict[str, np.ndarray]]:
        """All boxes with a score above the floor: one dict per picture, in pixels of the picture, in descending score.

        Pictures that need a canvas of the same size form a batch, so that the boxes of one do not depend on the others.
        """
        where, sizes, scales, found = device(), self._sizes(pictures), self._scales(pictures), [{}] * len(pictures)
        _, shape = np.unique(-(-sizes // 32), axis=0, return_inverse=True)
        shape = shape.ravel()
        order = np.argsort(shape, kind="stable")
        alike = np.split(order, np.flatnonzero(np.diff(shape[order])) + 1)
        images, done = resized(pictures.take(order), sizes[order]), 0
        for chosen in (some[i : i + 16] for some in alike for i in range(0, len(some), 16)):
            x, seen, _ = _batch([(next(images).float() / 255, None, None) for _ in chosen])
            for k, boxes in zip(chosen, self.network.boxes(x.to(where), seen)):
                boxes = {name: tensor.float().cpu().numpy() for name, tensor in boxes.items()}
                boxes["boxes"] = np.clip(boxes["boxes"] / scales[k], 0, np.tile(pictures.sizes[k], 2))
                found[k] = boxes
            done += len(chosen)
            if progress:
                progress(done, len(pictures))
        return found


def _plan(pictures: Pictures, labels: pd.DataFrame, classes: int, where: torch.device) -> dict:
    """The sizes that the network is built for: the longest side of its input, anchors that fit the boxes, and the most
    boxes on a picture."""
    s = SETTINGS
    typical = float(np.median(pictures.sizes.max(1)))
    boxes = labels[(labels["class_id"] >= 0) & (labels["width"] > 0) & (labels["height"] > 0)]
    longest = pd.Series(pictures.sizes.max(1), index=pictures.items).reindex(boxes["item"]).to_numpy()
    sizes = np.sqrt(boxes["width"] * boxes["height"]).to_numpy() / longest  # as a share of the longest side
    shapes = (boxes["height"] / boxes["width"]).to_numpy()
    most = int(boxes.groupby("item").size().max()) if len(boxes) else 1
    if not len(boxes):
        sizes, shapes = np.array([0.1, 0.8]), np.array([0.5, 2.0])
    if where.type == "cuda":
        wanted = s.gpu_side
    else:
        wanted = min(max(s.side, s.small / max(float(np.quantile(sizes, 0.05)), 1e-3)), s.crowded_side)
    side = min(wanted, max(typical, s.least))
    low, high = np.log(np.clip(np.quantile(sizes, [0.03, 0.97]) * side, 8, side))
    anchors = np.exp(np.linspace(low, max(high, low + 0.7), 6)).reshape(3, 2)
    ratios = np.exp(np.quantile(np.log(shapes), [0.15, 0.5, 0.85]))
    return {
        "side": int(side), "most": most,
        "anchors": [[float(v) for v in row] for row in anchors], "ratios": [float(v) for v in ratios],
    }  # fmt: skip


def _vary(image: torch.Tensor, boxes: np.ndarray, classes: np.ndarray, side: int, chance: np.random.Generator):
    """An augmented training picture: mirrored, larger or smaller, brighter or darker."""
    scale = math.exp(chance.uniform(-1, 1) * math.log1p(SETTINGS.jitter))
    flip, gain, bias = chance.random() < 0.5, chance.uniform(0.8, 1.2), chance.uniform(-0.1, 0.1)
    spot = chance.random(2)
    x = image[None].float() / 255
    x = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)[0]
    scaled = boxes * scale
    height, width = x.shape[1:]
    left, top = (np.maximum(0, [width - side, height - side]) * spot).astype(
        int
    )  # what is larger than it may be is cut
    x = x[:, top : top + side, left : left + side] * gain + bias
    height, width = x.shape[1:]
    inside = np.clip(scaled - [left, top, left, top], 0, [width, height, width, height]).astype("float32")
    area = (scaled[:, 2] - scaled[:, 0]) * (scaled[:, 3] - scaled[:, 1])
    left_over = (inside[:, 2] - inside[:, 0]) * (inside[:, 3] - inside[:, 1])
    seen = left_over > 0.3 * np.maximum(area, 1e-6)
    if flip:
        x, inside[:, [0, 2]] = x.flip(2), width - inside[:, [2, 0]]
    return x, inside[seen], classes[seen]


def _batch(examples: list):
    """Pictures on grey canvases of one size: the tensor, the sizes (height, width), and targets in torchvision's
    form."""
    height, width = (-(-max(x.shape[k] for x, _, _ in examples) // 32) * 32 for k in (1, 2))
    canvas = torch.full((len(examples), 3, height, width), 0.5)
    for spot, (x, _, _) in zip(canvas, examples):
        spot[:, : x.shape[1], : x.shape[2]] = x
    targets = [
        {"boxes": torch.from_numpy(boxes), "labels": torch.from_numpy(classes) + 1}
        for _, boxes, classes in examples
        if boxes is not None
    ]
    return canvas, [tuple(x.shape[1:]) for x, _, _ in examples], targets


def _drawn(body: Backbone, images, targets: list[tuple], side: int, views: int, chance: np.random.Generator, progress):
    """draw(numbers of pictures): what the body's `fixed` gives of them, varied; their sizes; their targets.

    Where `fixed` holds layers, `views` variants of each picture are computed beforehand, or as many as memory is for,
    and one of them is drawn.
    """
    where = body.mean.device

    def varied(chosen) -> tuple:
        x, sizes, truth = _batch([_vary(images[i], *targets[i], side, chance) for i in chosen])
        return body.fixed(x.to(where)), sizes, [{name: t.to(where) for name, t in one.items()} for one in truth]

    if body.still:
        cells = sum(channels / stride**2 for channels, stride in zip(body.channels[:2], body.strides))
        one_view = 2 * cells * sum(image.shape[1] * image.shape[2] for image in images)  # two bytes a number
        views = min(views, int(SETTINGS.kept / one_view))
    if not body.still or not views:
        return varied
    kept = []
    for i in range(len(images)):
        for maps, sizes, truth in (varied([i]) for _ in range(views)):
            kept.append(([m[0].half().cpu() for m in maps], *sizes, *truth))
        if progress and i % 20 == 0:
            progress(i, len(images), "features")

    def viewed(chosen) -> tuple:
        maps, sizes, truth = zip(*(kept[i * views + chance.integers(views)] for i in chosen))
        return [_stacked(level).to(where) for level in zip(*maps)], list(sizes), list(truth)

    return viewed


def _stacked(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Maps of several sizes in one tensor, with zeros at the right and at the bottom."""
    stack = torch.zeros(len(maps), len(maps[0]), *(max(m.shape[k] for m in maps) for k in (1, 2)))
    for spot, m in zip(stack, maps):
        spot[:, : m.shape[1], : m.shape[2]] = m
    return stack.to(memory_format=torch.channels_last)


def _bare(best: np.ndarray, empty: float) -> np.ndarray:
    """The probability that there is nothing on a picture whose highest-scored box has the score `best`.

    A score says how likely a box is right. It does not say whether there is anything. With 1 - score alone, a picture
    with an object that is hard to see would count as empty. So the probability is computed by Bayes' rule. `empty` is
    the share of the training pictures without boxes. The scores are assumed to have the density 2 (1 - s) on such
    pictures and 2 s on the others.
    """
    best = np.clip(best, SETTINGS.floor, 1 - SETTINGS.floor)
    return empty * (1 - best) / (empty * (1 - best) + (1 - empty) * best)


def _best_cut(found: list[dict], targets: list[tuple], scales: np.ndarray) -> float:
    """The score below which a box is dropped. It is the one with the highest mean quality of the pictures, by the rule
    of `roundtruth.boxes`. One matching gives the quality at every such score."""
    drawn = geometry.ordered(
        np.repeat(np.arange(len(found)), [len(boxes["scores"]) for boxes in found]),
        np.concatenate([boxes["classes"] for boxes in found]).astype(int),
        np.concatenate([boxes["boxes"] for boxes in found]).astype(float),
        np.concatenate([boxes["scores"] for boxes in found]).astype(float),
    )
    wanted = geometry.ordered(
        np.repeat(np.arange(len(targets)), [len(classes) for _, classes in targets]),
        np.concatenate([classes for _, classes in targets]),
        np.concatenate([truth / scale for (truth, _), scale in zip(targets, scales)]).astype(float),
    )
    overlap = geometry.match(drawn, wanted)
    cuts = np.linspace(*SETTINGS.cuts, 31)

    def total(cut: float) -> float:
        kept = drawn.score >= cut
        return geometry.quality(overlap[kept], drawn.picture[kept], wanted.picture, len(found)).sum()

    totals = np.array([total(cut) for cut in cuts])
    good = cuts[totals >= totals.max() - 1e-9]
    return float(good[len(good) // 2])
