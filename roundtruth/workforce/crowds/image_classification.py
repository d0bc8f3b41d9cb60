"""Simulated people who say which class a picture has."""

import numpy as np
import pandas as pd

from roundtruth.chance import uniforms
from roundtruth.kinds.image_classification import COLUMNS
from roundtruth.workforce.crowds import hashed, normals

# log odds of a right answer, and how errors fall
SKILL, SKILL_SPREAD, EASE_SPREAD = 2.1, 0.5, 1.3
GUESSERS = 0.03  # the share of workers who do not look
MISLED = 0.6  # the most errors on a picture that misleads
ALIKE, TEMPTED = 0.5, 0.55


def simulate_answers(assigned: pd.DataFrame, classes: list[str], seed: int, noise: float) -> pd.DataFrame:
    """What simulated people answer; see `roundtruth.workforce.crowds`.

    The log odds of an answer being right are the worker's skill and the item's ease (Whitehill and others, 2009,
    "Whose vote should count more"); `noise` multiplies the odds of an error. Every class has one that it is often
    mistaken for, and every item has one wrong class that tempts most people. The numbers are fitted to CIFAR-10N's
    answers, and the spread of skill to Mechanical Turk's: docs/simulated-workforce.md.
    """
    answers = assigned[["item", "worker", *COLUMNS]].reset_index(drop=True)
    if noise == 0 or len(classes) == 1:
        return answers
    truth = answers.class_id.to_numpy(np.int64)
    who, what = hashed(assigned["worker"]), hashed(assigned["source"])
    skill = SKILL + SKILL_SPREAD * normals(seed, "skill", who)
    skill = np.where(uniforms(seed, "guesser", who) < GUESSERS, -2.0, skill)
    ease = EASE_SPREAD * normals(seed, "ease", what)
    odds = noise * np.exp(-skill - ease)
    guess = 1 - 1 / len(classes)  # nobody is wrong more often than by guessing, unless a picture misleads
    wrong = uniforms(seed, "wrong", who, what) < np.minimum(odds / (1 + odds), np.maximum(guess, noise * MISLED))

    def another(chance: np.ndarray) -> np.ndarray:
        return (truth + 1 + np.floor(chance * (len(classes) - 1)).astype(np.int64)) % len(classes)

    alike = another(uniforms(seed, "alike", truth))
    tempting = np.where(uniforms(seed, "own", what) < ALIKE, alike, another(uniforms(seed, "tempting", what)))
    any_other = another(uniforms(seed, "any", who, what))
    error = np.where(uniforms(seed, "tempted", who, what) < TEMPTED, tempting, any_other)
    return answers.assign(class_id=np.where(wrong, error, truth))
