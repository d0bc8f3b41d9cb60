"""Pictures to try the product on without data, account or network: made from scikit-learn's handwritten digits."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from roundtruth.boxes import SIDES, area, corners, intersection

SIDE = 128  # pixels of a scene
CREATED = "2026-01-01T00:00:00.000000"  # part of the manifest, so the same for everyone


def scenes(folder: str | Path, n: int = 1000, seed: int = 0) -> None:
    """Object detection: `n` scenes with one to six coloured digits on a blurred background, in `folder`.

    Writes images/*.png, input.manifest and truth.manifest (attribute `truth`, one class, `digit`).
    """
    glyphs = _glyphs()[0]
    truth = [f"images/{i + 1:05d}.png" for i in range(n)]
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)

    def make(i: int) -> dict:
        picture, boxes = _scene(glyphs, np.random.default_rng([seed, i]))
        Image.fromarray(picture).save(folder / truth[i], compress_level=1)
        size = [{"width": SIDE, "height": SIDE, "depth": 3}]
        label = {"image_size": size, "annotations": [{"class_id": 0, **box} for box in boxes]}
        metadata = {"objects": [{"confidence": 1.0}] * len(boxes), "class-map": {"0": "digit"}}
        return {"source-ref": truth[i], "truth": label, "truth-metadata": metadata | _metadata("object-detection")}

    with ThreadPoolExecutor() as pool:
        _manifests(folder, list(pool.map(make, range(n))))


def digits(folder: str | Path, seed: int = 0) -> None:
    """Image classification: scikit-learn's 1797 digits, 32 px, in an order that follows from the seed.

    Writes images/*.png, input.manifest and truth.manifest (attribute `truth`, classes "0" to "9").
    """
    glyphs, names = _glyphs()
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    records = []
    for i, k in enumerate(np.random.default_rng(seed).permutation(len(glyphs)), 1):
        source = f"images/{i:04d}.png"
        picture = Image.fromarray(glyphs[k]).resize((32, 32), Image.Resampling.BICUBIC)
        picture.save(folder / source, compress_level=1)
        metadata = {"class-name": str(names[k]), "confidence": 1.0} | _metadata("image-classification")
        records.append({"source-ref": source, "truth": int(names[k]), "truth-metadata": metadata})
    _manifests(folder, records)


def _glyphs() -> tuple[np.ndarray, np.ndarray]:
    """The digits, white on black, (1797, 8, 8) uint8, and which they are."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.rint(found.images * (255 / 16)).astype("uint8"), found.target


def _scene(glyphs: np.ndarray, chance: np.random.Generator) -> tuple[np.ndarray, list[dict]]:
    """A picture, (SIDE, SIDE, 3) uint8, and the boxes of the digits on it."""
    noise = chance.integers(0, 256, (8, 8, 3), dtype="uint8")
    coarse = Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    fine = chance.normal(0, chance.uniform(2, 10), (SIDE, SIDE, 1))
    scene = 128 + (np.asarray(coarse, float) - 128) * chance.uniform(0.15, 0.55) + fine
    boxes = []
    for _ in range(chance.choice([1, 2, 3, 4, 5, 6], p=[0.25, 0.25, 0.2, 0.12, 0.1, 0.08])):
        for _ in range(20):  # a place that hides little of what is there; else there is one digit less
            size = int(np.exp(chance.uniform(np.log(20), np.log(76))))
            left, top = chance.integers(0, SIDE - size + 1, 2)
            ink = Image.fromarray(glyphs[chance.integers(len(glyphs))]).resize((size, size), Image.Resampling.BICUBIC)
            ink = np.asarray(ink, float) / 255
            rows, columns = (np.flatnonzero((ink > 0.25).any(axis)) for axis in (1, 0))
            box = [left + columns[0], top + rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
            if all(_overlap(box, other) < 0.15 for other in boxes):
                break
        else:
            continue
        there = scene[top : top + size, left : left + size]
        colour = chance.uniform(0, 255, 3)
        contrast = chance.uniform(70, 220)  # how far the colour is from the background's mean; the least is hard to see
        away = colour - there.mean((0, 1))
        colour = there.mean((0, 1)) + away / (np.linalg.norm(away) + 1e-9) * contrast
        there += (colour - there) * ink[:, :, None] * 0.9
        boxes.append(box)
    return np.clip(scene, 0, 255).astype("uint8"), [dict(zip(SIDES, map(int, box))) for box in boxes]


def _overlap(a, b) -> float:
    """The share of the smaller box that the other covers; boxes are given by their SIDES."""
    a, b = corners(np.array(a)), corners(np.array(b))
    return intersection(a, b) / min(area(a), area(b))


def _metadata(kind: str) -> dict:
    made = {"human-annotated": "yes", "creation-date": CREATED, "job-name": "made-from-digits"}
    return {"type": f"groundtruth/{kind}", **made}


def _manifests(folder: Path, records: list[dict]) -> None:
    def write(name: str, lines: list[dict]) -> None:
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        (folder / name).write_bytes(text.encode())

    write("input.manifest", [{"source-ref": record["source-ref"]} for record in records])
    write("truth.manifest", records)


AMAZONS = "object-detection"  # the kind of the job in Amazon's article, whose figures stand beside this one's

JOBS = {
    "object-detection": """\
name: digits in scenes
kind: object-detection
data: input.manifest
classes: [digit]
output: job
plan: certified  # or ground-truth
target: {quality: 0.7}
workforce: {backend: simulated, truth: truth.manifest, noise: 1.0}
answers: {least: 2, most: 5, sure: 0.98}  # two people answer, and more where the merged label is not sure
prices: {per_item: 0.08, per_answer: 0.036, per_auto_label: 0.08}
weights: none
""",
    "image-classification": """\
name: handwritten digits
kind: image-classification
data: input.manifest
classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
output: job
plan: certified  # or ground-truth
target: {quality: 0.8}  # of what people say; they are right 93 times in 100 themselves
workforce: {backend: simulated, truth: truth.manifest, noise: 1.0}
answers: {least: 2, most: 5, sure: 0.98}  # two people answer, and more where the merged label is not sure
prices: {per_item: 0.08, per_answer: 0.036, per_auto_label: 0.08}
weights: none
""",
}


def write(folder: Path, kind: str) -> Path:
    """The demo's pictures and job file in `folder`, where they are not there yet; the path of the job file."""
    job_file = folder / "job.yaml"
    if not job_file.exists():
        scenes(folder) if kind == "object-detection" else digits(folder)
        job_file.write_text(JOBS[kind])
    return job_file


def others(job_file: Path) -> list[Path]:
    """Job files beside `job_file`, made anew from it, each with a folder of its own: the promise over the whole
    dataset, and Amazon's procedure, in which five people answer every item."""
    given = yaml.safe_load(job_file.read_text())
    target, people = given.get("target", {}), given["workforce"] | {"answers_per_item": 5}
    amazons = {"plan": "ground-truth", "workforce": people, "target": without(target, "of", "certificate")}
    return [
        _beside(job_file, "whole-dataset", given | {"plan": "certified", "target": target | {"of": "dataset"}}),
        _beside(job_file, "ground-truth", without(given, "answers") | amazons),
    ]


def without(given: dict, *keys: str) -> dict:
    return {key: value for key, value in given.items() if key not in keys}


def _beside(job_file: Path, name: str, given: dict) -> Path:
    given |= {"name": f"{given['name']}, {name.replace('-', ' ')}", "output": name}
    path = job_file.with_name(f"{name}.yaml")
    path.write_text(
        f"# made from {job_file.name} by `roundtruth demo --compare`\n"
        + yaml.safe_dump(given, sort_keys=False, default_flow_style=None, width=200)
    )
    return path
