"""Learners learn from people's labels. A learner is a class with the methods of `Learner`. Users can write their
own."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from roundtruth.errors import UserError

if TYPE_CHECKING:  # Pillow takes time to import, and code that only checks a learner does not need it
    from roundtruth.pictures import Pictures

Progress = Callable[..., Any]  # progress(done, total, note="")


class Learner(Protocol):
    """Trains on labeled items and predicts the labels of others.

    For kinds of label whose ITEM is "picture", items come as `roundtruth.pictures.Pictures`. Tables have the column
    item and the COLUMNS of the kind of label (`roundtruth.kinds`). A class_id is a position in `classes`, the classes
    of the job. Sides of boxes are in pixels of the picture. `weights` is a pretrained backbone as
    `learners.weights.resolve` returns it, or None. All random numbers follow from `seed`: the same seed, pictures and
    labels give the same predictions on the same kind of machine.

    A learner may have one method more, `features(pictures, progress)` -> (n, d) float16, for what it makes of a picture
    whatever was learned, or None in its place. A job computes it once, and `train` and `predict` find it in
    `pictures.features`.
    """

    def __init__(self, classes: list[str], seed: int, weights: dict | None): ...

    def train(self, pictures: "Pictures", labels: pd.DataFrame, progress: Progress | None = None) -> None:
        """Learn from `labels`. Labels of items that are not in `pictures` are ignored.

        If `load` was called before, this learner is the job's last model. It may continue from that model or start
        anew.
        """
        ...

    def predict(self, pictures: "Pictures", progress: Progress | None = None) -> pd.DataFrame:
        """Columns item, the kind's COLUMNS and score, in [0, 1]; every item has at least one row."""
        ...

    def state(self) -> dict:
        """Everything that `predict` needs, as tensors and plain values that torch.load(weights_only=True) reads."""
        ...

    def load(self, state: dict) -> None:
        """Take over the `state()` of another learner."""
        ...


def load(name: str, kind) -> type[Learner]:
    """The class that the job file's `learner` names: "default", or package.module:Name."""
    path = kind.LEARNER if name == "default" else name
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise UserError(f"learner: {name!r} is neither `default` nor of the form package.module:Name")
    try:
        found = getattr(import_module(module), attribute)
    except ImportError as error:
        hint = "install it where the job runs, or put the folder that holds it on PYTHONPATH"
        raise UserError(f"learner: {path} cannot be imported ({error}); {hint}") from error
    except AttributeError as error:
        raise UserError(f"learner: module {module} has no {attribute}; correct the name") from error
    missing = [verb for verb in ("train", "predict", "state", "load") if not callable(getattr(found, verb, None))]
    if missing:
        raise UserError(f"learner: {path} lacks {', '.join(missing)}; see roundtruth.learners.Learner")
    return found
