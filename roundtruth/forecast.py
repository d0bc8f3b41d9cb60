"""What a job will cost: before anything is spent from its size, prices and target alone, later from what it has shown.

A learning curve says what a model would lose on the items it did not learn from, the surest first: their loss grows
with their rank, and falls with the number of items learned from. Before the start curves are drawn as widely as jobs of
the kind differ; once items were checked they are drawn from those. Each is followed through the job's plan to its end.
The forecast is the median end, its range holds the middle 80 %.
"""

import numpy as np
import pandas as pd

from roundtruth import ledger, plans
from roundtruth.plans import certified
from roundtruth.begin import survey
from roundtruth.job import Job
from roundtruth.kinds import get
from roundtruth.spec import JobSpec
from roundtruth.storage import open_store

DRAWS = 200  # curves
RANKS = 200  # items of a curve, about as many as are checked
RANGE = (0.1, 0.9)  # quantiles
# How datasets differ, classes (losses that are right or wrong) and others. Of classes: the error after KNOWN items
# relative to that of guessing is log-normal, and falls as T^-(SLOW (1 - it)) with random ones more, as on the 175
# datasets of LCDB (Mohr et al. 2022) that have 512 items and are neither handwritten digits nor CIFAR; how fast it
# falls with the hardest, and how it grows with the rank, is from 21 datasets of KEEL (Alcala-Fdez et al. 2011).
KNOWN = {True: 256, False: 100}  # items learned from
SHARE = 0.25, 0.85  # of the error of guessing: the median, and the standard deviation of the logarithm
SLOW = 0.3
FAST = 1.3  # the exponent is at most this times (1 - the share)^2
SURE = 0.15, 0.7  # of the way from the mean to 1: how far the loss of the least sure item is
REACHED = 1 / 3  # of the items: half the curves keep the target on so many at once, as people ask what is in reach
LOSS = 0.15, 0.6  # of boxes: the mean, even in its logarithm,
FALLS = 0.0, 0.3  # its exponent,
GROWS = 0.5, 1.5  # and the power of the rank it grows with
SCATTER = 3.0  # losses of boxes have a beta distribution about their mean: the sum of its parameters
UNSURE = 0.15  # standard deviation of the exponent once a job shows one


def of(spec: JobSpec) -> dict:
    """The forecast of a job as it stands, begun or not; reads its input or its folder, and writes nothing.

    {"items", "human", "auto", "cost", "low", "high", "rounds", "all_human", "spent"}: items to label, those that people
    and the model will label, money in all with its range, people's rounds, and what people alone would cost.
    """
    if open_store(spec.output).exists("job.json"):
        job = Job(spec.output)
        return at(job, max(job.rounds_with("closed.json"), default=0))
    found = survey(spec)
    return ends(spec, found.items - found.labeled, 0.0)


def at(job: Job, round: int) -> dict:
    """The forecast by what a round brought, 0 for none; as `of`."""
    return ends(job.spec, len(certified.askable(job)), ledger.spent(job), job, round)


def told(job: Job) -> pd.DataFrame:
    """(round, human, auto, cost, low, high) of every forecast the job has written, in order."""
    paths = [(0, "forecast.json"), *((r, job.path(r, "forecast.json")) for r in job.rounds_with("forecast.json"))]
    rows = [{"round": r, **job.read_json(path)} for r, path in paths if r or job.there(path)]
    columns = ["round", "human", "auto", "cost", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def ends(spec: JobSpec, items: int, spent: float, job: Job | None = None, round: int = 0) -> dict:
    binary = get(spec.kind).BINARY
    auto, rounds = plans.get(spec.plan).simulate(spec, get(spec.kind), items, job, round)
    price = ledger.human_price(spec.prices, spec.workforce.answers_per_item)
    cost = auto * spec.prices.per_auto_label + (items - auto) * price
    middle = int(np.median(auto))
    low, high = np.quantile(cost, RANGE)
    return {
        "items": items,
        "human": items - middle,
        "auto": middle,
        "cost": round_to(middle * spec.prices.per_auto_label + (items - middle) * price),
        "low": round_to(max(low, spent)),
        "high": round_to(max(high, spent)),
        "rounds": int(np.median(rounds)),
        "all_human": round_to(items * price),
        "spent": round_to(spent),
    }


def round_to(money: float) -> float:
    return round(float(money), 2)


def usual(binary: bool, classes: int, items: int, max_loss: float) -> list[tuple[np.ndarray, float]]:
    """Curves as datasets have them, after items^(2/3) were learned from: (losses (RANKS,), the surest first, and the
    exponent they fall with)."""
    from scipy.stats import norm, qmc

    chance, rank = np.random.default_rng(0), (np.arange(RANKS) + 0.5) / RANKS
    first, second, third = qmc.LatinHypercube(3, rng=0).random(20 * DRAWS).T  # even along each, so that fewer will do
    fewer = KNOWN[binary] / max(1, items) ** (2 / 3)
    if binary:
        share = np.exp(np.log(SHARE[0]) + SHARE[1] * norm.ppf(first * norm.cdf(-np.log(SHARE[0]) / SHARE[1])))
        mean = np.minimum(share * fewer ** (SLOW * (1 - share)), 1) * (1 - 1 / classes)
        mean, falls = np.maximum(mean, 1e-6), FAST * second * (1 - share) ** 2
        grows = (SURE[0] + third * np.ptp(SURE)) * (1 / mean - 1)
    else:
        falls, grows = FALLS[0] + second * np.ptp(FALLS), GROWS[0] + third * np.ptp(GROWS)
        mean = np.minimum(LOSS[0] * (LOSS[1] / LOSS[0]) ** first * fewer**falls, 0.9)
        grows = np.minimum(grows, 1 / mean - 1)  # so that the loss of the last is at most 1
    passing = (max_loss / mean) ** (1 / grows)  # the share of the items that keeps the target, if that is below 1
    order = np.argsort(passing)
    within = order[passing[order] >= REACHED]
    parts = [order, within] if binary and len(within) else [order]
    taken = np.concatenate([evenly(part, DRAWS // len(parts)) for part in parts])
    mean, falls, grows = mean[taken], falls[taken], grows[taken]
    rising = np.clip(mean[:, None] * (1 + grows[:, None]) * rank ** grows[:, None], 1e-6, 1 - 1e-6)
    losses = chance.random(rising.shape) < rising if binary else chance.beta(SCATTER * rising, SCATTER * (1 - rising))
    return list(zip(losses.astype(float), falls))


def evenly(rows: np.ndarray, count: int) -> np.ndarray:
    return rows[((np.arange(count) + 0.5) / count * len(rows)).astype(int)]


def shown(losses: np.ndarray, falls: float) -> list[tuple[np.ndarray, float]]:
    """Curves as the checked items show them. losses: (n,), the surest first.

    They are drawn with replacement, and what is drawn once more: as these are a sample, the next will be another one.
    """
    chance, n = np.random.default_rng(0), len(losses)
    once, again = chance.integers(0, n, (2, DRAWS, n))
    drawn = np.sort(np.take_along_axis(once, again, axis=1), axis=1)
    exponents = np.clip(chance.normal(falls, UNSURE, DRAWS), 0, 1)
    return [(losses[rows], f) for rows, f in zip(drawn, exponents)]


def through_looks(spec: JobSpec, items: int, binary: bool, job: Job | None, round: int) -> list[tuple[int, int]]:
    """(auto labels, people's rounds) at the end of each curve, by the certified plan."""
    looked = [r for r in job.rounds_with("threshold.json") if r <= round] if job else []
    if not ledger.auto_pays(spec):
        return [(0, 2)]
    if job is None or not looked:
        plan = certified.planned(spec.target, items, binary)
        total = items - plan["train"][0]
        curves = usual(binary, len(spec.classes), items, plan["max_loss"])
        below = flipped(np.array(plan["levels"]), items)
        return [best(plan | {"levels": p}, losses, total, (1, 1), f, binary) for (losses, f), p in zip(curves, below)]
    found = certified._found(job, looked[-1])
    assert found
    if found["final"]:
        rest = items - len(job.roles(looked[-1])) - found["auto"]
        return [(found["auto"], looked[-1] + (rest > 0))]
    losses, total, falls = certified.seen(job, looked[-1])
    plan, stage = certified.fixed(job), tuple(found["stage"])
    coins = job.read_table("coins.parquet")["coin"].to_numpy()
    plan["levels"] = [float(np.mean(coins < level)) for level in plan["levels"]]
    return [best(plan, some, total, stage, f, binary) for some, f in shown(losses, falls)]


def flipped(levels: np.ndarray, items: int) -> np.ndarray:
    """Shares of the items that have a coin below each level: (DRAWS, levels)."""
    luck = np.random.default_rng(1).standard_normal((DRAWS, 1))
    return np.clip(levels + luck * np.sqrt(levels * (1 - levels) / max(1, items)), 0, 1)


def best(plan: dict, losses: np.ndarray, total: int, stage: tuple[int, int], falls: float, binary: bool):
    """The auto labels and rounds at the look that leaves most to the model."""
    options = certified.options(plan, losses, total, stage, falls, binary, luck=0)
    look = max(options, key=lambda pair: options[pair], default=stage)
    auto = int(options.get(look, 0))
    return auto, sum(look) - 1 + (auto < total)


def bootstrap_curves(losses, exponent):
    curves = shown(losses, exponent)
    return np.array([c for c, _ in curves]), np.array([e for _, e in curves])
