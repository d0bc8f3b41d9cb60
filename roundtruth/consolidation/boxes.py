"""Boxes: what several people drew on a picture becomes one set of boxes."""

from typing import NamedTuple

import numpy as np
import pandas as pd

SIDES = ["left", "top", "width", "height"]


class Consolidated(NamedTuple):
    labels: pd.DataFrame
    workers: pd.DataFrame


def boxes(answers: pd.DataFrame) -> Consolidated:
    rows = []
    for item, group in answers.groupby("item", sort=True):
        voters = group["worker"].nunique()
        drawn = group[group["class_id"] >= 0].sort_values(["worker", "class_id", *SIDES])
        clusters: list[list] = []
        for row in drawn.itertuples():
            for cluster in clusters:
                if row.worker not in {r.worker for r in cluster} and _iou(cluster[0], row) >= 0.4:
                    cluster.append(row)
                    break
            else:
                clusters.append([row])
        kept = [c for c in clusters if len(c) * 2 >= voters]
        for cluster in kept:
            middle = [float(np.median([getattr(r, side) for r in cluster])) for side in SIDES]
            rows.append((item, cluster[0].class_id, *middle, (len(cluster) + 0.5) / (voters + 1)))
        if not kept:
            rows.append((item, -1, 0.0, 0.0, 0.0, 0.0, 0.5))
    labels = pd.DataFrame(rows, columns=["item", "class_id", *SIDES, "confidence"])
    workers = answers.groupby("worker")["item"].nunique().rename("answers").reset_index()
    return Consolidated(labels, workers.assign(skill=0.9))


def _iou(a, b) -> float:
    width = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    height = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    both = max(width, 0) * max(height, 0)
    return both / (a.width * a.height + b.width * b.height - both)
