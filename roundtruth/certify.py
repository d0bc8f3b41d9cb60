"""Thresholds, on arrays alone."""

import numpy as np


def naive(scores: np.ndarray, quality: np.ndarray, target: float) -> float | None:
    """The lowest threshold whose items at or above it have a mean quality of at least `target`; None if none has.

    scores, quality: (n,) of the validation items. This is how SageMaker Ground Truth reads its threshold off the
    validation items (Amazon's "Annotate data for less ..."). It promises nothing: it breaks its target in about half of
    all jobs.
    """
    order = np.argsort(-scores, kind="stable")
    scores, quality = scores[order], quality[order]
    mean = np.cumsum(quality) / np.arange(1, len(quality) + 1)
    last_of_equals = np.append(scores[1:] != scores[:-1], True)[: len(scores)]  # equal scores pass or fail together
    fit = np.flatnonzero((mean >= target) & last_of_equals)
    return float(scores[fit[-1]]) if len(fit) else None
