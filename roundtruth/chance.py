"""Random numbers by name: what is drawn for a thing follows from the seed and the thing's name, never from the order of
calls. So a step that runs again draws the same numbers, a shard draws what the whole would, and a dataset that grows
keeps the numbers of the items that it had.
"""

import numpy as np
import pandas as pd


def uniforms(seed: int, what: str, *columns) -> np.ndarray:
    """Numbers in [0, 1), one a row of `columns` (equally long sequences of strings or integers).

    `what` names the use ("batch", "coin", ...), so that two uses of the same items are independent.
    """
    state = np.uint64(pd.util.hash_array(np.array([f"{seed}/{what}"], dtype=object))[0])
    for column in columns:
        values = np.asarray(column)
        if values.dtype.kind not in "iu":
            values = values.astype(object)
        state = _mix(pd.util.hash_array(values, categorize=False) ^ state)
    return (_mix(state) >> np.uint64(11)) * 2.0**-53


def _mix(x):
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit of x reaches every bit of the result."""
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
