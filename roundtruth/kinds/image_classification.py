"""One class a picture. Its quality is right or wrong; over many pictures that is the accuracy."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from roundtruth.consolidation import votes
from roundtruth.draw import uniforms
from roundtruth.errors import UserError
from roundtruth.kinds import common

NAME = "image-classification"
TYPE = "groundtruth/image-classification"
COLUMNS = ["class_id"]
BINARY = True
QUALITY = 0.95
QUALITY_NAME = "accuracy"
LEARNER = "roundtruth.learners.classifier:Classifier"

# simulated people, see err: log odds of a right answer, and how errors fall
SKILL, SKILL_SPREAD, EASE_SPREAD = 2.1, 0.5, 1.3
GUESSERS = 0.03  # the share of workers who do not look
MISLED = 0.6  # the most errors on a picture that misleads
ALIKE, TEMPTED = 0.5, 0.55


def consolidate(
    answers: pd.DataFrame, classes: list[str], learn: np.ndarray | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Several people's answers (item, worker, class_id) become labels (item, class_id, confidence) and
    workers (worker, answers, skill); see `roundtruth.consolidation.votes`."""
    labels, workers = votes(answers.rename(columns={"class_id": "label"}), classes=range(len(classes)), learn=learn)
    labels = labels.rename(columns={"label": "class_id"})
    return labels.astype({"class_id": np.int64}), workers


def quality(labels: pd.DataFrame, reference: pd.DataFrame) -> pd.Series:
    """1 where the class is the reference's, else 0, for the items in both tables; index: item, sorted."""
    both = labels[["item", "class_id"]].merge(reference[["item", "class_id"]], on="item", suffixes=("", "_reference"))
    right = (both["class_id"] == both["class_id_reference"]).to_numpy(float)
    return pd.Series(right, index=pd.Index(both["item"], name="item"), name="quality").sort_index()


def confidence(predictions: pd.DataFrame) -> pd.Series:
    """An item's confidence is the score of its class; index: item, sorted."""
    return predictions.set_index("item")["score"].sort_index().rename("confidence")


def objects(labels: pd.DataFrame) -> pd.Series:
    """One object an item."""
    items = np.sort(labels["item"].unique())
    return pd.Series(1, index=pd.Index(items, name="item"), name="objects")


def decode(
    records: Iterable[tuple[int, dict]],
    attribute: str,
    classes: list[str],
    where: Callable[[int], str],
) -> pd.DataFrame:
    """Labels (item, class_id, confidence) of (item, manifest record) pairs.

    The class is known by its name in the metadata: the numbers of two manifests need not agree. `where(item)` is the
    place an error names. A label without a confidence has 1.
    """
    rows = []
    for item, record in records:
        label, metadata = common.attribute_of(record, attribute, TYPE, where(item))
        whole = type(label) is int or (isinstance(label, str) and label.isdecimal())
        sure = common.number(metadata.get("confidence", 1.0))
        rows.append((item, None if whole else repr(label), metadata.get("class-name"), sure))
    table = pd.DataFrame(rows, columns=["item", "odd", "name", "confidence"]).astype({"confidence": float})

    def refuse(bad: np.ndarray, field: str, what: Callable[[pd.Series], str]) -> None:
        if bad.any():
            row = table.iloc[int(bad.argmax())]
            raise UserError(f"{where(int(row['item']))}: field {field}: {what(row)}")

    refuse(table["odd"].notna().to_numpy(), attribute, lambda row: f"{row['odd']} is not the number of a class")
    table["class_id"] = common.class_ids(table["name"], classes)
    refuse(
        (table["class_id"] < 0).to_numpy(),
        f"{attribute}-metadata: class-name",
        lambda row: common.unknown_class(row["name"], classes),
    )
    refuse(
        ~table["confidence"].between(0, 1).to_numpy(),
        f"{attribute}-metadata: confidence",
        lambda row: "not a number from 0 to 1",
    )
    return table[["item", "class_id", "confidence"]].astype({"item": np.int64})


def encode(
    labels: pd.DataFrame,
    items: pd.DataFrame,
    attribute: str,
    classes: list[str],
    job_name: str,
    created: str,
) -> list[dict]:
    """The two fields that Ground Truth adds to a line, one dict an item, in the order of `items`; items without a
    label are left out."""
    table = items[["item"]].merge(labels, on="item")
    return [
        {
            attribute: number,
            f"{attribute}-metadata": {
                "confidence": round(sure, 4),
                "job-name": job_name,
                "class-name": classes[number],
                "human-annotated": common.human(source),
                "creation-date": created,
                "type": TYPE,
            },
        }
        for number, sure, source in zip(
            table["class_id"].tolist(), table["confidence"].tolist(), table["source"].tolist()
        )
    ]


def read_answers(frame: pd.DataFrame, classes: list[str], where: Callable[[int], str]) -> pd.DataFrame:
    """The label column of a people's CSV as class_id. `frame` holds strings as they stand in the file; `where(index)`
    names the place of the row with that index."""
    common.check_columns(frame, ["label"], where)
    names = frame["label"].str.strip()
    numbers = common.class_ids(names, classes)
    if (numbers < 0).any():
        row = int((numbers < 0).argmax())
        raise UserError(f"{where(frame.index[row])}: field label: {common.unknown_class(names.iloc[row], classes)}")
    return pd.DataFrame({"class_id": numbers}, index=frame.index)


def err(assigned: pd.DataFrame, classes: list[str], seed: int, noise: float) -> pd.DataFrame:
    """What simulated people answer: `assigned` has the true class_id a row for each (item, source, worker).

    The log odds of an answer being right are the worker's skill and the item's ease (Whitehill and others, 2009,
    "Whose vote should count more"); `noise` multiplies the odds of an error. Every class has one that it is often
    taken for, and every item one wrong class that tempts most. The numbers are fitted on CIFAR-10N's answers, and the
    spread of skill on Mechanical Turk's: docs/simulated-workforce.md.
    """
    answers = assigned[["item", "worker", "class_id"]].reset_index(drop=True)
    if noise == 0 or len(classes) == 1:
        return answers
    truth = answers["class_id"].to_numpy(np.int64)
    who, what = common.name(assigned["worker"]), common.name(assigned["source"])
    skill = SKILL + SKILL_SPREAD * common.normals(seed, "skill", who)
    skill = np.where(uniforms(seed, "guesser", who) < GUESSERS, -2.0, skill)
    ease = EASE_SPREAD * common.normals(seed, "ease", what)
    odds = noise * np.exp(-skill - ease)
    guess = 1 - 1 / len(classes)  # nobody is wrong more often than by guessing, unless a picture misleads
    wrong = uniforms(seed, "wrong", who, what) < np.minimum(odds / (1 + odds), np.maximum(guess, noise * MISLED))

    def another(chance: np.ndarray) -> np.ndarray:
        return (truth + 1 + np.floor(chance * (len(classes) - 1)).astype(np.int64)) % len(classes)

    alike = another(uniforms(seed, "alike", truth))
    tempting = np.where(uniforms(seed, "own", what) < ALIKE, alike, another(uniforms(seed, "tempting", what)))
    any_other = another(uniforms(seed, "any", who, what))
    error = np.where(uniforms(seed, "tempted", who, what) < TEMPTED, tempting, any_other)
    answers["class_id"] = np.where(wrong, error, truth)
    return answers


def draw(picture: Image.Image, labels: pd.DataFrame, classes: list[str]) -> Image.Image:
    """A copy of the picture with its class on a strip below it."""
    width, height = picture.size
    size = max(10, min(width, height) // 14)
    names = [classes[number] for number in labels["class_id"].tolist()]
    wide = max([width, *(common.plate(name, size)[0] for name in names)])
    result = Image.new("RGB", (wide, height + size * 2), "white")
    result.paste(picture.convert("RGB"), ((wide - width) // 2, 0))
    pen = ImageDraw.Draw(result)
    for number, name in zip(labels["class_id"].tolist(), names):
        pen.rectangle([0, height, wide, height + 2 * size], fill=common.colour(number))
        common.caption(pen, (0, height + 2 * size - size // 4), name, common.colour(number), size, result.size)
    return result
