"""How simulated people err: one module for each kind of label, with the name of the kind's own module.

A module has one function, `simulate_answers`, see `Crowd`.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, cast

import numpy as np
import pandas as pd

from roundtruth.chance import uniforms


class Crowd(Protocol):
    def simulate_answers(self, assigned: pd.DataFrame, classes: list[str], seed: int, noise: float) -> pd.DataFrame:
        """What people answer: item, worker and the kind's COLUMNS.

        `assigned` has the true label of each item (item, source, COLUMNS) once for each of its workers (worker), and
        the size of its picture (picture_width, picture_height, in pixels). With a `noise` of 0 all answer with the
        truth; with 1 they err as a real crowd does. All that is random follows from the seed, the worker and the
        source, see `roundtruth.chance`.
        """
        ...


def get(kind) -> Crowd | None:
    """The crowd for a kind's module: the one of the same name in here. None where nobody knows how people err on it."""
    name = f"{__name__}.{kind.__name__.rpartition('.')[2]}"
    return cast(Crowd, import_module(name)) if find_spec(name) else None


def normals(seed: int, what: str, *columns) -> np.ndarray:
    """Standard normal numbers by name, see `roundtruth.chance.uniforms`."""
    from scipy.special import ndtri

    return ndtri(np.clip(uniforms(seed, what, *columns), 1e-12, 1 - 1e-12))


def hashed(column: pd.Series) -> np.ndarray:
    """Strings as integers, which `uniforms` takes quickly, again and again."""
    return pd.util.hash_array(column.to_numpy(object))
