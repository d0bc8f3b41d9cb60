"""What a label is: one module for each kind of label, found by its name in KINDS. `Kind` says what a module offers."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol, cast

import numpy as np
import pandas as pd

from roundtruth.boxes import SIDES
from roundtruth.consolidation.asking import Asking
from roundtruth.curves import Curve
from roundtruth.kinds.common import Fitted, RowMistakes, Where
from roundtruth.settings import Boxes

if TYPE_CHECKING:
    from PIL import Image

KINDS = {
    "image-classification": "roundtruth.kinds.image_classification",
    "object-detection": "roundtruth.kinds.object_detection",
}


class Kind(Protocol):
    """A kind of label: the names that its module has. Nothing else in the library knows what its labels are.

    To add a kind, write a module with these names, write its learner (`roundtruth.learners.Learner`), and add the
    module to KINDS. `roundtruth.kinds.common` has what most kinds need; `image_classification` is a short example.

    All tables have a column `item`, the item's number in the dataset, beside the columns described here. `classes` are
    the job's; a kind that has no classes ignores them. A label stands in two fields of a manifest line, as in Ground
    Truth's: `attribute` has the label itself, and `attribute`-metadata has the rest. A mistake in a manifest is a
    UserError of one line, which begins with its place: `where(item)` names it. Mistakes in the rows of a table are
    collected in `mistakes`.
    """

    NAME: str
    TYPE: str  # the `type` of Ground Truth's metadata
    ITEM: Literal["picture", "text"]  # what an item is, so what learners and people see
    COLUMNS: dict[str, str]  # a label's own columns and their pandas dtypes
    CSV: list[str]  # its columns, as text, in every table that people read or write
    THING: str  # what one label is called in reports: "box"
    ONE_PER_ITEM: bool  # an item has one row; or else any number of rows, and one row says that there is nothing
    BINARY: bool  # a label is right or wrong and nothing in between: its quality is 0 or 1
    QUALITY: float  # the target of a job that names none
    QUALITY_NAME: str  # what the mean quality is called: "accuracy"
    FURTHER: float  # of the answers beyond the least, the share that an item usually needs until its label is sure
    CURVE: Curve  # what its learning curves usually look like, for forecasts
    LEARNER: str  # the default learner, package.module:Name

    def consolidate(
        self, answers: pd.DataFrame, classes: list[str], learn: np.ndarray | None = None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """(labels, workers): several people's answers become one label with a confidence in [0, 1].

        `answers` has item, worker and COLUMNS. `learn` has a bool for each row, the same for all rows of an item: only
        those items teach how good each worker is, and no other item's label may depend on another such item. Without
        it all items teach. Gives labels(item, COLUMNS, confidence), sorted by item, and workers(worker, answers, skill)
        with a skill in [0, 1], sorted by worker.
        """
        ...

    def unsure(
        self, answers: pd.DataFrame, classes: list[str], asking: Asking, learn: np.ndarray | None = None
    ) -> np.ndarray:
        """The items of `answers` that need one more answer, sorted; arguments as of `consolidate`.

        It depends on an item's own answers and on those that teach, and on nothing else.
        """
        ...

    def poor(self, answers: pd.DataFrame) -> bool:
        """Whether the people who gave the answers agree so little that every item needs the most answers."""
        ...

    def quality(self, labels: pd.DataFrame, reference: pd.DataFrame) -> pd.Series:
        """How well each item's label agrees with the reference, in [0, 1]; for the items in both; index: item, sorted.

        This is what a job promises, so it must be a fact of the two labels alone. `labels` may have a column
        `confidence` or `score`.
        """
        ...

    def confidence(self, predictions: pd.DataFrame) -> pd.Series:
        """How sure a model is of each item, in [0, 1]; index: item, sorted. `predictions` has COLUMNS and score."""
        ...

    def objects(self, labels: pd.DataFrame) -> pd.Series:
        """The number of labels of each item; index: item, sorted."""
        ...

    def decode(
        self, records: Sequence[dict], items: np.ndarray, attribute: str, classes: list[str], where: Where
    ) -> pd.DataFrame:
        """Labels (item, COLUMNS, confidence) from manifest records, parsed lines; `items` are their items.

        `where(item)` is the place an error names. A label without a confidence has 1. A column as_is says whether the
        record has exactly this label, with the class numbers of the job.
        """
        ...

    def fit(
        self, labels: pd.DataFrame, pictures: pd.DataFrame, given: Boxes, where: Callable[[int, int], str]
    ) -> Fitted:
        """A dataset's labels on the pictures as they are seen. `given` says how the dataset's boxes are written.

        `pictures` has stated_width and stated_height, as the dataset has them, width and height in pixels as seen (0:
        unknown), and orientation (EXIF), by item. `where(item, index)` is the place of a row of `labels`.
        """
        ...

    def encode(
        self, labels: pd.DataFrame, items: pd.DataFrame, attribute: str, classes: list[str], job_name: str, created: str
    ) -> pd.Series:
        """The inverse of `decode`: the JSON text of the label and of its metadata, without outer braces; index: item.

        `labels` has COLUMNS, confidence and source, `items` has width, height and depth in pixels (0 where unknown).
        The result is in the order of `items`; items without a label are left out. Works on columns
        (`common.json_fields`), as there may be a million of them.
        """
        ...

    def read_answers(self, frame: pd.DataFrame, classes: list[str], mistakes: RowMistakes) -> pd.DataFrame:
        """COLUMNS from the CSV columns of `frame`, text without space around it; same index.

        What cannot be read is added to `mistakes`, all of it; what such a row becomes does not matter.
        """
        ...

    def write_answers(self, labels: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
        """The inverse of `read_answers`: the CSV columns, as text; same index."""
        ...

    def suspect(self, labels: pd.DataFrame, items: pd.DataFrame, mistakes: RowMistakes) -> None:
        """Add the labels that seem to be written in another unit to `mistakes`. It is asked only about labels that
        people wrote down themselves. `labels` and `items` are as in `check`."""
        ...

    def check(self, labels: pd.DataFrame, items: pd.DataFrame, mistakes: RowMistakes) -> pd.DataFrame:
        """The labels, put right where no guess is needed, such as a box that sticks out of the picture a little.

        A label that is not possible on its item, such as a box outside the picture, is added to `mistakes`. `labels`
        has COLUMNS and, where they are people's answers, worker; `items` has width and height in pixels (0 where
        unknown).
        """
        ...

    def within(self, predictions: pd.DataFrame, sizes: pd.DataFrame) -> pd.DataFrame:
        """A model's predictions (COLUMNS, score) without what is not possible on their items: cut, so that an output
        manifest is always good input. `sizes` has the items' width and height in pixels."""
        ...

    def scaled(self, labels: pd.DataFrame, factor: float) -> pd.DataFrame:
        """The labels on a picture that is `factor` times as large."""
        ...

    def words(self, label: pd.DataFrame, classes: list[str]) -> str:
        """The label of one item (its rows) in words: "cat × 3, dog"."""
        ...

    def draw(self, picture: "Image.Image", labels: pd.DataFrame, classes: list[str]) -> "Image.Image":
        """A copy of the picture with the label of one item (its rows) drawn on it."""
        ...


def has_boxes(kind: Kind) -> bool:
    """Whether its labels are boxes, which other tools' formats have."""
    return set(SIDES) <= set(kind.COLUMNS)


def is_class(kind: Kind) -> bool:
    """Whether its label is a class, and nothing else."""
    return list(kind.COLUMNS) == ["class_id"]


def get(name: str) -> Kind:
    """The module of the kind with this name."""
    return cast(Kind, import_module(KINDS[name]))
