"""One class for each picture. Its quality is right or wrong; over many pictures that is the accuracy."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from roundtruth.consolidation import asking as asking_on
from roundtruth.consolidation import votes
from roundtruth.consolidation.asking import Asking
from roundtruth.curves import Errors
from roundtruth.kinds import common

if TYPE_CHECKING:
    from PIL import Image

NAME = "image-classification"
TYPE = "groundtruth/image-classification"
ITEM = "picture"
COLUMNS = {"class_id": "int64"}
CSV = ["label"]
THING = "label"
ONE_PER_ITEM = True
BINARY = True
QUALITY = 0.95
QUALITY_NAME = "accuracy"
FURTHER = 0.25
CURVE = Errors()
LEARNER = "roundtruth.learners.classifier:Classifier"

confidence = common.score
objects = common.one_each
check = common.possible
suspect = common.unsuspected
fit = common.unplaced
within = common.anywhere
scaled = common.unscaled


def consolidate(
    answers: pd.DataFrame, classes: list[str], learn: np.ndarray | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Several people's answers become labels and workers; see `roundtruth.consolidation.votes`."""
    labels, workers = votes(answers.rename(columns={"class_id": "label"}), classes=range(len(classes)), learn=learn)
    return labels.rename(columns={"label": "class_id"}).astype(COLUMNS), workers


def unsure(answers: pd.DataFrame, classes: list[str], asking: Asking, learn: np.ndarray | None = None) -> np.ndarray:
    """The items that need one more answer; see `roundtruth.consolidation.asking`."""
    return asking_on.classes(answers.rename(columns={"class_id": "label"}), range(len(classes)), asking, learn)


def poor(answers: pd.DataFrame) -> bool:
    """Whether people agree too little to stop before the most answers; see `roundtruth.consolidation.asking`."""
    return asking_on.poor_at_classes(answers.rename(columns={"class_id": "label"}))


def quality(labels: pd.DataFrame, reference: pd.DataFrame) -> pd.Series:
    """1 where the class is the reference's, else 0."""
    mine, theirs = common.in_both(labels, reference, "class_id")
    return (mine == theirs).astype(float).rename("quality")


def decode(
    records: Sequence[dict], items: np.ndarray, attribute: str, classes: list[str], where: common.Where
) -> pd.DataFrame:
    """The class is known by its name in the metadata: the numbers of two manifests need not agree."""
    labels, metadata, mistakes = common.fields(records, items, attribute, TYPE, where)
    names = [about.get("class-name") for about in metadata]
    class_id = common.class_ids(names, classes)

    def place(row: int) -> str:
        return f"{where(int(items[row]))}: field {attribute}"

    mistakes.add(
        [not (type(common.whole(label)) is int or (isinstance(label, str) and label.isdecimal())) for label in labels],
        "",
        lambda row: f"{place(row)}: {repr(labels[row])[:60]} is not the number of a class",
    )
    mistakes.add(
        class_id < 0, "", lambda row: f"{place(row)}-metadata: class-name: {common.unknown_class(names[row], classes)}"
    )
    sure = common.confidences(metadata, items, attribute, where, mistakes)
    mistakes.refuse()
    as_is = np.array([str(label) == str(number) for label, number in zip(labels, class_id.tolist())], bool)
    return pd.DataFrame({"item": np.asarray(items, np.int64), "class_id": class_id, "confidence": sure, "as_is": as_is})


def encode(
    labels: pd.DataFrame, items: pd.DataFrame, attribute: str, classes: list[str], job_name: str, created: str
) -> pd.Series:
    labels, _ = common.in_order(labels, items)
    numbers, names = (common.json_each(values, labels["class_id"]) for values in (range(len(classes)), classes))
    return common.json_labels(labels, numbers, {"class-name": names}, attribute, TYPE, job_name, created)


def read_answers(frame: pd.DataFrame, classes: list[str], mistakes: common.RowMistakes) -> pd.DataFrame:
    class_id = pd.Series(common.class_ids(frame["label"], classes), index=frame.index)
    mistakes.add(frame["label"] == "", "label", "empty; name one of the job's classes")
    mistakes.add(class_id < 0, "label", lambda row: common.unknown_class(frame["label"][row], classes))
    return class_id.to_frame("class_id")


def write_answers(labels: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"label": common.class_names(labels["class_id"], classes)}, index=labels.index, dtype="str")


def words(label: pd.DataFrame, classes: list[str]) -> str:
    return classes[label["class_id"].iloc[0]]


def draw(picture: "Image.Image", labels: pd.DataFrame, classes: list[str]) -> "Image.Image":
    """A copy of the picture with its class on a strip below it."""
    return common.below(picture, words(labels, classes), common.colour(int(labels["class_id"].iloc[0])))
