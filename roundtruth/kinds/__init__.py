"""What a label is, one module a kind. A module has the names that `Kind` lists."""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Protocol, cast

import numpy as np
import pandas as pd
from PIL import Image

KINDS = {
    "image-classification": "roundtruth.kinds.image_classification",
    "object-detection": "roundtruth.kinds.object_detection",
}


class Kind(Protocol):
    """The seam between the loop and a kind of label: what every module in this folder offers."""

    NAME: str
    TYPE: str  # the `type` of Ground Truth's metadata
    COLUMNS: list[str]  # a label's own columns
    BINARY: bool  # whether a label is right or wrong, and nothing between
    QUALITY: float  # the target where the user names none
    QUALITY_NAME: str
    LEARNER: str  # package.module:Name of the default learner

    def consolidate(
        self, answers: pd.DataFrame, classes: list[str], learn: np.ndarray | None = None
    ) -> tuple[pd.DataFrame, pd.DataFrame]: ...

    def quality(self, labels: pd.DataFrame, reference: pd.DataFrame) -> pd.Series: ...

    def confidence(self, predictions: pd.DataFrame) -> pd.Series: ...

    def objects(self, labels: pd.DataFrame) -> pd.Series: ...

    def decode(
        self,
        records: Iterable[tuple[int, dict]],
        attribute: str,
        classes: list[str],
        where: Callable[[int], str],
    ) -> pd.DataFrame: ...

    def encode(
        self,
        labels: pd.DataFrame,
        items: pd.DataFrame,
        attribute: str,
        classes: list[str],
        job_name: str,
        created: str,
    ) -> list[dict]: ...

    def read_answers(self, frame: pd.DataFrame, classes: list[str], where: Callable[[int], str]) -> pd.DataFrame: ...

    def err(self, truth: pd.DataFrame, classes: list[str], seed: int, noise: float) -> pd.DataFrame: ...

    def draw(self, picture: Image.Image, labels: pd.DataFrame, classes: list[str]) -> Image.Image: ...


def get(name: str) -> Kind:
    return cast(Kind, import_module(KINDS[name]))
