"""How simulated people err: one module for each kind of label that they can err on, found by the kind's name in CROWDS.

A module has one function, `simulate_answers`, see `Crowd`.
"""

from importlib import import_module
from typing import Protocol, cast

import numpy as np
import pandas as pd

from roundtruth.draw import uniforms

CROWDS = {
    "image-classification": "roundtruth.workforce.crowds.image_classification",
    "object-detection": "roundtruth.workforce.crowds.object_detection",
}


class Crowd(Protocol):
    def simulate_answers(self, assigned: pd.DataFrame, classes: list[str], seed: int, noise: float) -> pd.DataFrame:
        """What people answer: item, worker and the kind's COLUMNS.

        `assigned` has the true label of each item (item, source, COLUMNS) once for each of its workers (worker), and
        the size of its picture (picture_width, picture_height, in pixels). With a `noise` of 0 all answer with the
        truth; with 1 they err as a real crowd does. All that is random follows from the seed, the worker and the
        source, see `roundtruth.draw`.
        """
        ...


def get(kind: str) -> Crowd | None:
    """The crowd for a kind of label; None where nobody has said how people err on it."""
    return cast(Crowd, import_module(CROWDS[kind])) if kind in CROWDS else None


def normals(seed: int, what: str, *columns) -> np.ndarray:
    """Standard normal numbers by name, see `roundtruth.draw.uniforms`."""
    from scipy.special import ndtri

    return ndtri(np.clip(uniforms(seed, what, *columns), 1e-12, 1 - 1e-12))


def hashed(column: pd.Series) -> np.ndarray:
    """Strings as integers, which `uniforms` takes quickly, again and again."""
    return pd.util.hash_array(column.to_numpy(object))
