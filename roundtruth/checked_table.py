"""What can be promised about a table of predictions of which people checked some: `roundtruth certify`."""

import numpy as np
import pandas as pd

from roundtruth.certify import certify
from roundtruth.csv_table import Columns
from roundtruth.csv_table import read as read_csv
from roundtruth.errors import UserError
from roundtruth.kinds.common import RowMistakes, alike, groups_of
from roundtruth.plural import counted
from roundtruth.storage import read_needed

ONE_IN_A_MILLION = 1e-6  # so rarely is a random draw taken for another one


def certified(predictions: str, labels: str, quality: float, confidence: float, of: str) -> tuple[dict, list[str]]:
    """What `roundtruth certify --json` prints, and what a person should know about the labels, a line each.

    predictions: a CSV with item, label, score. labels: a CSV with item, label of the items that people checked.
    """
    max_loss, delta = round(1 - quality, 12), round(1 - confidence, 12)
    for name, value, rest in (("quality", quality, max_loss), ("confidence", confidence, delta)):
        if not 0 < rest < 1:
            raise UserError(f"--{name}: {value:g} is not between 0 and 1; say 0.95 for 95 %")
    predicted, sheet_mistakes = table(predictions, ["item", "label", "score"])
    sheet_mistakes.refuse(lambda line: f"{predictions}: line {line}")
    checked, sheet_mistakes = table(labels, ["item", "label"])
    absent = ~checked["item"].isin(predicted["item"])
    sheet_mistakes.add(
        absent, "item", lambda line: f"{checked['item'][line][:200]!r} is not in {predictions}; correct the name"
    )
    sheet_mistakes.refuse(lambda line: f"{labels}: line {line}")

    right = checked.set_index("item")["label"].reindex(predicted["item"]).to_numpy(object)
    drawn = pd.notna(right)
    score = predicted["score"].to_numpy(float)
    losses = (right[drawn] != predicted["label"].to_numpy(object)[drawn]).astype(float)
    found = certify(score[drawn], losses, score[~drawn], max_loss=max_loss, delta=delta, binary=True, of=of)
    auto = 0 if found.threshold is None else int(np.sum(score[~drawn] >= found.threshold))
    result = {
        "items": len(predicted),
        "checked": len(checked),
        "auto": auto,
        "people": len(predicted) - len(checked) - auto,
        "threshold": found.threshold,
        "promised": None if found.threshold is None else quality,
        "of": of,
    }
    return result, [*no_random_draw(score, drawn), *notes(predicted["label"], checked["label"])]


def no_random_draw(score: np.ndarray, drawn: np.ndarray) -> list[str]:
    """A line where the scores of the drawn items are not those of a random draw (the test of Mann and Whitney)."""
    from scipy.stats import mannwhitneyu

    if not drawn.any() or drawn.all():
        return []
    result = mannwhitneyu(score[drawn], score[~drawn], method="asymptotic")
    if not result.pvalue < ONE_IN_A_MILLION:
        return []
    which = "higher" if result.statistic > drawn.sum() * (~drawn).sum() / 2 else "lower"
    return [
        f"The checked items are no random draw: their scores are {which} than those of the others, as in fewer than "
        "one of a million draws. So nothing is promised, whatever the result says. Draw the items to check at random "
        "from all items, and run the command again."
    ]


def notes(models: pd.Series, peoples: pd.Series) -> list[str]:
    """What a person should know about the labels of a model and of people, a line each."""
    same, lines = alike(sorted({*models.unique(), *peoples.unique()})), []
    if same:
        lines.append(
            f"Labels that differ only by case or accents count as different: {groups_of(same)}. Where they mean the "
            "same, write them alike, and run the command again."
        )
    if not peoples.isin(models).any():
        lines.append(
            f"The model never gave a label that people gave, such as {peoples.iloc[0][:30]!r}: its labels are such as "
            f"{models.iloc[0][:30]!r}."
        )
    elif len(never := peoples[~peoples.isin(models)]):
        lines.append(
            f"People gave {counted(len(never), 'item[|s]')} a label that the model never gave, such as "
            f"{never.iloc[0][:30]!r}. The model's labels of these items count as wrong."
        )
    return lines


def table(path: str, columns: list[str]) -> tuple[pd.DataFrame, RowMistakes]:
    """The rows of a CSV by their lines, and what is wrong with them."""
    sheet = read_csv(read_needed(path), path, Columns(columns, numbers=[name for name in columns if name == "score"]))
    rows, mistakes = sheet.whole(), sheet.mistakes
    if sheet.cells.empty:
        raise UserError(f"{path}: empty; write a row for each item below the header")
    for name in columns:
        mistakes.add(rows[name] == "", name, EMPTY[name])
    for name in ("item", "label"):
        rows[name] = rows[name].str.normalize("NFC")
    first = rows.drop_duplicates("item").reset_index(names="line").set_index("item")["line"]
    mistakes.add(
        rows.duplicated("item") & (rows["item"] != ""),
        "item",
        lambda line: f"{rows['item'][line][:200]!r} is on line {first[rows['item'][line]]} already; keep one",
    )
    if "score" in columns:
        score = pd.to_numeric(rows["score"], errors="coerce")
        bad = ~np.isfinite(score) & (rows["score"] != "")
        mistakes.add(bad, "score", lambda line, said=rows["score"]: f"{said[line][:60]!r} is no number; write one")
        rows = rows.assign(score=score)
    return rows, mistakes


EMPTY = {
    "item": "empty; every row names an item",
    "label": "empty; if people could not give a label, write a word such as unclear, which counts as wrong",
    "score": "empty; every prediction needs a score, higher if the model is more confident",
}


def in_words(found: dict, confidence: float) -> str:
    """What was found, for a person."""
    said = f"{counted(found['items'], 'item[|s]')}, {found['checked']:,} of them checked by people.\n"
    if found["checked"] == found["items"]:
        return f"{said}They all keep people's label: nothing is left to the model, and there is nothing to promise."
    if found["threshold"] is None:
        more = "" if found["of"] == "dataset" else ", or promise less: --of dataset"
        return f"{said}Nothing can be promised. Check more items, lower --quality{more}."
    kept = f"{counted(found['auto'], 'unchecked item[|s]')} with a score of at least {found['threshold']!r}"
    goal, sure = f"{100 * found['promised']:.12g} %", f"with {100 * confidence:.12g} % confidence"
    rest = f"Left to people: {counted(found['people'], 'other item[|s]')}."
    if found["of"] == "dataset":
        return (
            f"{said}Promised {sure}: at least {goal} of all {counted(found['items'], 'label[|s]')} are right, if the "
            f"model labels the {kept}, and people all others. {rest}\n"
            f"It does not mean that {goal} of the model's labels are right: people's labels count as right, and make "
            "up for wrong ones of the model."
        )
    return (
        f"{said}Promised {sure}: at least {goal} of the model's labels of the {kept} are right. {rest}\n"
        "It does not mean that each class is as good as the average, or that people's labels are right."
    )
