"""Which items next: plain functions from a pool to the items to ask about."""

import numpy as np
import pandas as pd

from roundtruth.chance import uniforms


def random(pool: np.ndarray, n: int, seed: int) -> np.ndarray:
    """n items of the pool, each as likely as any other."""
    return highest(-uniforms(seed, "batch", pool), pool, n)


def least_confident(scores: pd.Series, n: int) -> np.ndarray:
    """The n items (the index of `scores`) of lowest score."""
    return highest(-scores.to_numpy(), scores.index.to_numpy(), n)


def highest(value: np.ndarray, pool: np.ndarray, n: int) -> np.ndarray:
    """The n of the pool with the highest value, ties by item, in input order."""
    return np.sort(pool[np.lexsort((pool, -value))[:n]])
