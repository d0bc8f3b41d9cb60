"""What learns from people's labels. A learner is a class that does what `Learner` lists; users can bring their own."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from roundtruth.errors import UserError

if TYPE_CHECKING:  # Pillow takes time to import, and whoever only checks a learner needs none
    from roundtruth.pictures import Pictures

Progress = Callable[..., Any]  # progress(done, total, note="")


class Learner(Protocol):
    """Trains on labelled pictures and predicts the labels of others.

    `classes` are the job's; `seed` is all the chance there is: the same seed, pictures and labels give the same
    predictions on the same kind of machine. `weights` is a pretrained backbone as `learners.weights.resolve` gives it,
    or None. Tables have the columns of the kind of label (`roundtruth.kinds`): class_id, which indexes `classes`, and
    for boxes left, top, width and height in pixels of the picture.
    """

    def __init__(self, classes: list[str], seed: int, weights: dict | None): ...

    def train(self, pictures: "Pictures", labels: pd.DataFrame, progress: Progress | None = None) -> None:
        """Learn from `labels` (column item and the kind's); labels of other items are ignored.

        A learner that was loaded is the job's last model; it may go on from what that knows, or begin anew.
        A picture on which there is nothing has one row with class_id -1.
        """
        ...

    def predict(self, pictures: "Pictures", progress: Progress | None = None) -> pd.DataFrame:
        """Columns item, the kind's and score, in [0, 1]; a picture with nothing on it has one row, class_id -1."""
        ...

    def state(self) -> dict:
        """All that `predict` needs: tensors and plain values, such that torch.load(weights_only=True) reads it."""
        ...

    def load(self, state: dict) -> None:
        """Become the learner that `state` was taken from."""
        ...


def load(name: str, kind) -> type[Learner]:
    """The class that `name` (the job file's `learner`) means: "default", or package.module:Name."""
    path = kind.LEARNER if name == "default" else name
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise UserError(f"learner: {name!r} is neither `default` nor of the form package.module:Name")
    try:
        found = getattr(import_module(module), attribute)
    except ImportError as error:
        raise UserError(f"learner: {path} cannot be imported ({error}); is it installed where the job runs?") from error
    except AttributeError as error:
        raise UserError(f"learner: module {module} has no {attribute}") from error
    missing = [verb for verb in ("train", "predict", "state", "load") if not callable(getattr(found, verb, None))]
    if missing:
        raise UserError(f"learner: {path} lacks {', '.join(missing)}; see roundtruth.learners.Learner")
    return found
