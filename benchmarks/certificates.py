"""How much certify lets pass, and how often its promise breaks: one JSON line a setting.

    python benchmarks/certificates.py FOLDER [--draws 1000] [--data imdb]
        [--part predictions|adversarial|boxes|large|dataset]

FOLDER holds NAME/predictions.npz: probs (items, classes), labels (items,). Items are drawn by coin. `coverage` is the
mean share of the undrawn items that pass, `nothing` the share of draws in which nothing could be promised, `broken` how
many draws broke the promise, with the exact (Clopper-Pearson) 99 % interval of their share; `naive` the same for the
lowest threshold that looks good on the drawn items; `oracle` the coverage if all losses were known. A setting keeps its
promise where the interval's lower end is at most delta.

The part `dataset` is about promises over the whole dataset. For it FOLDER holds NAME.csv: confidence, right (1 or 0).
There `saved` is the mean share of all items that nobody is asked about, and `oracle` is that share if all losses were
known.
"""

import argparse
import resource
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
from printed import one_line
from scipy.stats import beta

from roundtruth.certify import OF, certify, naive

DELTA = 0.05
SIZES = ((1000, 100), (1000, 500), (5000, 500))  # pools that are made to break a promise, and how many are drawn
LOOKS = (0.4, 0.3, 0.3)  # the shares of delta that three looks have


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--part", choices=["predictions", "adversarial", "boxes", "large", "dataset"])
    parser.add_argument("--data", help="only this folder's predictions")
    arguments = parser.parse_args()
    parts = {
        "predictions": lambda: predictions(arguments.folder, arguments.data, arguments.draws),
        "adversarial": lambda: adversarial(arguments.draws),
        "boxes": lambda: boxes(arguments.draws),
        "large": large,
        "dataset": lambda: dataset(arguments.folder, arguments.data, arguments.draws),
    }
    for name in [arguments.part] if arguments.part else parts:
        for line in parts[name]():
            print(one_line(line), flush=True)


def predictions(folder: Path, only: str | None, draws: int) -> Iterator[dict]:
    for path in sorted(folder.glob(f"{only or '*'}/predictions.npz")):
        with np.load(path) as found:
            probabilities, labels = found["probs"].astype(float), found["labels"]
        scores, losses = probabilities.max(axis=1), (probabilities.argmax(axis=1) != labels).astype(float)
        for total in (len(scores), 3000, 1000):
            some = np.sort(np.random.default_rng(0).permutation(len(scores))[:total])
            for max_loss in (0.05, 0.01):
                for n in (200, 500, 1000, 2000):
                    if 2 * n <= total:
                        name = {"data": path.parent.name, "pool": total, "n": n, "max_loss": max_loss}
                        yield name | counted(scores[some], losses[some], n / total, max_loss, True, draws)


def adversarial(draws: int) -> Iterator[dict]:
    for total, n in SIZES:
        for max_loss in (0.05, 0.1):
            for name, scores, losses in breaking(total, max_loss):
                for binary in (True, False):
                    setting = {"pool_of": name, "pool": total, "n": n, "max_loss": max_loss, "binary": binary}
                    yield setting | counted(scores, losses, n / total, max_loss, binary, draws)


def breaking(total: int, max_loss: float) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Pools that are made to break a promise: (name, scores, losses)."""
    rank = (np.arange(total) + 0.5) / total
    flat = np.full(total, max_loss) + 1 / total
    rates = {
        "confidently wrong on a fifth": np.where(rank < 0.2, 0.9, 0.01),
        "just over the target everywhere": flat,
        "clean, then bad": np.where(rank < 0.5, 0, 3 * max_loss),
        "scores reversed": 2.2 * max_loss * (1 - rank),
        "all scores equal": flat,
        "one class only, never right": np.ones(total),
        "one class only, always right": np.zeros(total),
    }
    for name, rate in rates.items():
        losses = np.diff(np.ceil(np.cumsum(rate) - 1e-9), prepend=0)
        yield name, np.ones(total) if name == "all scores equal" else 1 - rank, losses


def boxes(draws: int) -> Iterator[dict]:
    rng = np.random.default_rng(0)
    for total, n, max_loss in (
        (800, 30, 0.4),
        (800, 100, 0.3),
        (2000, 100, 0.3),
        (20_000, 200, 0.2),
        (20_000, 1000, 0.2),
    ):
        scores, losses = pool_of_boxes(total, rng)
        setting = {"pool_of": "boxes", "pool": total, "n": n, "max_loss": max_loss, "binary": False}
        yield setting | counted(scores, losses, n / total, max_loss, False, draws)


def pool_of_boxes(total: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Losses as 1 - IoU has them: around a mean that falls with the score, some boxes missed wholly."""
    scores = rng.random(total)
    quality = rng.beta(12 * (0.6 + 0.3 * scores), 12 * (0.4 - 0.3 * scores))
    return scores, 1 - quality * (rng.random(total) > 0.15 * (1 - scores) ** 1.5)


def counted(scores, losses, p: float, max_loss: float, binary: bool, draws: int) -> dict:
    rng = np.random.default_rng(1)
    order = np.argsort(-scores)
    scores, losses = scores[order], losses[order]
    coverage = {"certified": np.zeros(draws), "naive": np.zeros(draws)}
    broken = {"certified": 0, "naive": 0}
    rule = ""
    for i in range(draws):
        coins = rng.random(len(scores)) < p
        pool_scores, pool_losses = scores[~coins], losses[~coins]
        found = certify(
            scores[coins], losses[coins], pool_scores, max_loss=max_loss, delta=DELTA, drawn=p, binary=binary
        )
        rule = found.rule
        plain = naive(scores[coins], 1 - losses[coins], 1 - max_loss)
        for name, threshold in (("certified", found.threshold), ("naive", plain)):
            if threshold is not None:
                passed = np.count_nonzero(pool_scores >= threshold)  # the first, as they fall
                coverage[name][i] = passed / len(pool_scores)
                broken[name] += pool_losses[:passed].sum() > max_loss * passed + 1e-9
    last = np.append(scores[1:] != scores[:-1], True)
    within = np.flatnonzero(last & (np.cumsum(losses) <= max_loss * np.arange(1, len(losses) + 1)))
    return {
        "rule": rule,
        "draws": draws,
        "coverage": coverage["certified"].mean(),
        "oracle": (within[-1] + 1) / len(scores) if len(within) else 0.0,
        "nothing": np.mean(coverage["certified"] == 0),
        "broken": int(broken["certified"]),
        "broken_share": interval(broken["certified"], draws),
        "naive": {"coverage": coverage["naive"].mean(), "broken": int(broken["naive"])},
    }


def interval(k: int, n: int, level: float = 0.99) -> list[float]:
    tail = (1 - level) / 2
    return [beta.ppf(tail, k, n - k + 1) if k else 0.0, beta.ppf(1 - tail, k + 1, n - k) if k < n else 1.0]


def dataset(folder: Path, only: str | None, draws: int) -> Iterator[dict]:
    """Promises over the whole dataset."""
    for path in sorted(folder.glob(f"{only or '*'}.csv")):
        scores, right = np.loadtxt(path, delimiter=",", skiprows=1, unpack=True)
        for n in (500, 1000):
            for ties in ("pass together", "in random order"):
                name = {"data": path.stem, "pool": len(scores), "n": n, "max_loss": 0.05, "equal scores": ties}
                fixed, shuffled = [n / len(scores)], ties == "in random order"
                yield name | over_dataset(scores, 1 - right, fixed, 0.05, True, draws, shuffled, fixed_size=True)
    if only:
        return
    rng = np.random.default_rng(0)
    for total, n, max_loss in ((400, 80, 0.2), (800, 160, 0.2), (800, 160, 0.1), (2000, 200, 0.2), (20_000, 1000, 0.1)):
        name = {"pool_of": "boxes", "pool": total, "n": n, "max_loss": max_loss, "binary": False}
        yield name | over_dataset(*pool_of_boxes(total, rng), [n / total], max_loss, False, draws)
    for total, n in SIZES:
        for max_loss in (0.05, 0.1):
            for name, scores, losses in breaking(total, 2 * max_loss):
                for binary in (True, False):
                    for looks in (1, 3):
                        setting = {"pool_of": name, "pool": total, "n": n, "max_loss": max_loss, "binary": binary}
                        p = [n / total * (k + 1) / looks for k in range(looks)]
                        yield setting | {"looks": looks} | over_dataset(scores, losses, p, max_loss, binary, draws)


def over_dataset(
    scores, losses, p: list[float], max_loss: float, binary: bool, draws: int, shuffled=False, fixed_size=False
) -> dict:
    """p: the probability that an item is drawn, at each of the looks. shuffled: equal scores are put in random order
    before each draw. A draw is broken if any of its looks breaks the promise."""
    rng, total = np.random.default_rng(1), len(scores)
    shares = [DELTA] if len(p) == 1 else [DELTA * share for share in LOOKS]
    saved, oracle, broken, rule = np.zeros(draws), np.zeros(draws), 0, ""
    for i in range(draws):
        ranked = np.argsort(np.lexsort((rng.random(total), scores))).astype(float) if shuffled else scores
        coins = rng.permutation(total) / total if fixed_size else rng.random(total)
        broke = False
        for chance, delta in zip(p, shares):
            drawn = coins < chance
            pool, lost = ranked[~drawn], losses[~drawn]
            found = certify(
                ranked[drawn], losses[drawn], pool,
                max_loss=max_loss, delta=delta, drawn=chance, binary=binary, of="dataset",
            )  # fmt: skip
            passes = pool >= (np.inf if found.threshold is None else found.threshold)
            broke |= bool(lost[passes].sum() > max_loss * total + 1e-9)
            rule, saved[i] = found.rule, passes.sum() / total  # those of the last look
            oracle[i] = passing_in_hindsight(pool, lost, max_loss * total) / total
        broken += broke
    return {
        "rule": rule,
        "draws": draws,
        "saved": saved.mean(),
        "oracle": oracle.mean(),
        "nothing": np.mean(saved == 0),
        "broken": int(broken),
        "broken_share": interval(broken, draws),
    }


def passing_in_hindsight(scores: np.ndarray, losses: np.ndarray, most: float) -> int:
    """How many items pass if their losses are known and may add up to `most`; equal scores pass together."""
    falling = np.argsort(-scores, kind="stable")
    scores, lost = scores[falling], np.cumsum(losses[falling])
    within = np.flatnonzero(np.append(scores[1:] != scores[:-1], True) & (lost <= most + 1e-9))
    return int(within[-1]) + 1 if len(within) else 0


def large() -> Iterator[dict]:
    """A pool of ten million scores: seconds and the most memory this process has had."""
    rng = np.random.default_rng(0)
    total = 10_000_000
    scores = rng.random(total)
    losses = (rng.random(total) < 0.25 * (1 - scores) ** 3).astype(float)
    for n in (2000, 20_000):
        coins = rng.random(total) < n / total
        checked, its_losses, pool = scores[coins], losses[coins], scores[~coins]
        for binary, of in product((True, False), OF):
            start, kind = time.perf_counter(), {"binary": binary, "of": of}
            found = certify(checked, its_losses, pool, max_loss=0.05, delta=DELTA, drawn=n / total, **kind)
            yield {
                "pool": total, "n": n, "of": of, "rule": found.rule, "coverage": found.coverage,
                "seconds": time.perf_counter() - start,
                "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
            }  # fmt: skip


if __name__ == "__main__":
    main()
