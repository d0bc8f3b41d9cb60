"""Which items the certified plan should ask people about next: whole jobs by strategy. One JSON line.

    python benchmarks/selection.py [--jobs 20] [--quality 0.95] [--strategies random least_confident diverse mix]

scikit-learn's 1797 digits and logistic regression, by the steps of the flow (`whole_jobs.py`); only what training sets
grow by differs. `diverse` takes what is farthest, in pixels, from all it has (the k-centre greedy of Sener and Savarese
2018); `mix` does so among the least confident, three times as many as it needs.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import whole_jobs  # noqa: E402
from printed import one_line  # noqa: E402

from roundtruth import select  # noqa: E402
from roundtruth.plans import certified  # noqa: E402


def farthest(pool: np.ndarray, have: np.ndarray, n: int) -> np.ndarray:
    """The n of the pool, each the farthest from `have` and from those before it."""
    pixels, chosen = whole_jobs.Digits.pixels, []
    away = np.min([((pixels[pool - 1] - pixels[item - 1]) ** 2).sum(axis=1) for item in have], axis=0)
    for _ in range(min(n, len(pool))):
        best = int(away.argmax())
        chosen.append(pool[best])
        away = np.minimum(away, ((pixels[pool - 1] - pixels[pool[best] - 1]) ** 2).sum(axis=1))
    return np.sort(chosen)


def trained(job, score) -> np.ndarray:
    return np.setdiff1d(job.askable(), score.index)


STRATEGIES = {
    "random": lambda job, score, n: select.random(score.index.to_numpy(), n, job.spec.seed + 1),
    "least_confident": lambda job, score, n: select.least_confident(score, n),
    "diverse": lambda job, score, n: farthest(score.index.to_numpy(), trained(job, score), n),
    "mix": lambda job, score, n: farthest(select.least_confident(score, 3 * n), trained(job, score), n),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--quality", type=float, default=0.95)
    parser.add_argument("--strategies", nargs="+", choices=list(STRATEGIES), default=list(STRATEGIES))
    args = parser.parse_args()
    line: dict = {"items": 1797, "quality": args.quality}
    for name in args.strategies:
        choose = STRATEGIES[name]
        certified.hardest = lambda job, model, n, choose=choose: choose(
            job, job.kind.confidence(job.predictions(model)), n
        )
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder), "image-classification", 1797, args.quality, 0.0
            found = whole_jobs.jobs(*data, ["certified"], range(args.jobs), per_item=5)
        line[name] = whole_jobs.figures(found["certified"], args.quality)
    print(one_line(line))


if __name__ == "__main__":
    main()
