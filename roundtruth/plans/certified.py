"""The certified plan: auto labels that are promised to be good enough, for the least money.

A model is trained on a growing set of items, at random at first, then those it finds hardest. Beside it some items are
drawn for checking, each by its own coin: people label them blind, no model learns from them while they are checked, and
what they say is the only evidence of the promise. A *look* at (t, k) asks which part of the rest the t-th model may
label, given the items whose coin is below the k-th probability. After each look the plan either finishes with it, or
trains more, or checks more, whatever is expected to leave most to the model; only the last look labels anything.

Why the promise holds, whatever is decided when, is in docs/several-looks.md. What it needs of this code:
the training sets, the models and the merged labels depend on training answers only, never on a coin or on the answer
to a checked item; what a look may spend of delta is fixed before anybody is asked; every item below a look's
probability counts in it.
"""

from itertools import product

import numpy as np
import pandas as pd

from roundtruth import certify, ledger, select
from roundtruth.draw import uniforms
from roundtruth.look import Look

# How large training sets and checks are. All of it is chosen without looking at the data; chosen otherwise, the plan
# would save less and promise the same.
TRAIN = 1.0  # items to train on for an easy target, as a multiple of (items)^(2/3)
HARDER = {True: 0.37, False: 2.0}  # right-or-wrong losses, others: it grows by (EASY / max_loss)^HARDER
EASY = 0.4
CHECK = {True: 0.8, False: 0.6}  # items to check at the first look for an easy target, as a multiple of (items)^(2/3)
LEAST = {True: 0, False: 60}  # but no fewer: what losses of boxes prove does not depend on how many items there are
CLOSER = {True: 0.2, False: 2.2}  # as HARDER, for the checked ones
FEWEST = 2.5  # and at least this multiple of the number without which nothing can be promised, but no more than
FIRST = 0.4  # this share of all items
MORE_TRAIN = 1.5  # the next training set as a multiple of the last
MORE_CHECK = {True: 2.0, False: 1.5}  # and the next check
MOST_TRAIN, MOST_CHECK = 0.5, 0.5  # shares of all items
LEVELS = {True: 3, False: 4}  # numbers of items to check
SPENT = 0.5, 0.2  # of delta: by the look that is meant to be the last, and where it fails by more checks of that model
LEARNING = {True: 0.5, False: 0.25}  # a model's loss falls as T^-LEARNING with T items to learn from; later models say
BAD_LUCK = {True: 0.5, False: 0.2}  # wholly lost items added to the checked ones where it is expected what will pass
HOPE = 0.9, 0.3  # where nothing is expected: losses may turn out to be lower by this factor, and to fall faster by this
WORTH = 0.02  # of the items: what another round must at least be expected to leave to the model


def prepare(job) -> None:
    """Flip the coins and fix what each look may spend, before anybody is asked."""
    if job.there("certificate.json"):
        return
    items = askable(job)
    coins = uniforms(job.spec.seed, "coin", items["source"])
    job.write_table("coins.parquet", pd.DataFrame({"item": items["item"].to_numpy(), "coin": coins}))
    job.write_json("certificate.json", planned(job.spec.target, len(items), job.kind.BINARY))


def planned(target, items: int, binary: bool) -> dict:
    """The ladder for a job's target."""
    return ladder(items, round(1 - target.quality, 12), round(1 - target.confidence, 12), binary)


def askable(job) -> pd.DataFrame:
    items = job.items()
    return items[items.failure.isna() & ~items.labeled]


def ladder(items: int, max_loss: float, delta: float, binary: bool) -> dict:
    """The sizes of the training sets, the probabilities of the checks, and the delta of a look at each pair of them.

    first: the training set that is likely to be enough. looks[t][k]: the delta of set t + 1 and probability k + 1; they
    sum to `delta`.
    """
    scale, harder = items ** (2 / 3), max(1.0, EASY / max_loss)
    most = max(1, MOST_TRAIN * items)
    train = (TRAIN * scale * MORE_TRAIN ** np.arange(20)).clip(1, most).round().astype(int)
    train = np.unique(train).tolist()
    first = 1 + int(np.searchsorted(train, min(0.9 * TRAIN * scale * harder ** HARDER[binary], train[-1])))
    fewest = np.log(SPENT[0] * delta) / np.log1p(-max_loss)  # checked items that prove something where none is wrong
    check = max(CHECK[binary] * scale, LEAST[binary]) * harder ** CLOSER[binary]
    check = min(max(check, FEWEST * fewest) / max(1, items), FIRST)
    levels = np.unique((check * MORE_CHECK[binary] ** np.arange(LEVELS[binary])).clip(0, MOST_CHECK)).tolist()
    looks = np.zeros((len(train), len(levels)))
    looks[first - 1, : len(SPENT)] = SPENT[: len(levels)]
    others = looks == 0
    looks[others] = (1 - sum(SPENT)) / max(1, others.sum())
    looks *= delta / looks.sum()
    return {
        "max_loss": max_loss,
        "delta": delta,
        "train": train,
        "levels": levels,
        "first": first,
        "looks": looks.tolist(),
    }


# -- where the job stands


def fixed(job) -> dict:
    return job.read_json("certificate.json")


def stage(job, round: int) -> tuple[int, int] | None:
    """(t, k) that the batches after the last threshold before this round are for, from 1. None where the last look was
    final, and no higher budget took the job on from there."""
    looked = [r for r in job.rounds_with("threshold.json") if r < round]
    if not looked:
        return 1, 1
    found = _found(job, looked[-1]) or {}
    following = found["next"]
    if found.get("later") and (job.roles(round).query("round > @looked[-1]")["role"] != "rest").any():
        following = found["later"]
    return tuple(following) if following else None


def later(job, round: int) -> tuple[int, int] | None:
    """The stage that the budget kept the last look from going on to, where it now pays for all that this stage asks
    and for as many auto labels as there are."""
    looked = [r for r in job.rounds_with("threshold.json") if r <= round]
    found = (_found(job, looked[-1]) or {}) if looked else {}
    budget = job.spec.budget
    if not found.get("later") or (budget is not None and budget <= found["budget"]):
        return None
    at = tuple(found["later"])
    afford = ledger.affordable(job.spec, ledger.spent(job), human=True)
    return at if afford is None or asks(job, round, at) <= afford else None


def asks(job, round: int, at: tuple[int, int]) -> int:
    """How many items the stage `at` asks about that nobody was asked about up to a round."""
    return int(np.isin(np.concatenate(missing(job, round, at)), untouched(job, round)).sum())


def ready(job, round: int) -> bool:
    """Whether the model of the stage can be made and looked at: all it learns from was asked with this round's batch,
    and all that checks it; somebody answered, and something is left."""
    at = stage(job, round)
    if at is None or any(part.size for part in missing(job, round, at)):
        return False
    learned = job.human_labels(until=round).role.eq("train").any() or job.items().labeled.any()
    return bool(learned and len(untouched(job, round)))


def untouched(job, round: int) -> np.ndarray:
    """The items that no batch up to a round asked about."""
    items = askable(job)["item"]
    return items[~items.isin(job.roles(round)["item"])].to_numpy()


def trains(job, round: int) -> bool:
    before = [r for r in job.rounds_with("threshold.json") if r < round]
    at = stage(job, round)
    return ready(job, round) and not (at and before and (_found(job, before[-1]) or {})["stage"][0] == at[0])


def calibrates(job, round: int) -> bool:
    return ready(job, round)


def to_consolidate(job, round: int) -> tuple[pd.DataFrame, np.ndarray | None]:
    """The batch and whatever is checked get labels; only training items teach, so that no checked item's label depends
    on another's. Once the last look is made nothing depends on it, and all teach."""
    batch = job.batch(round)
    if batch["role"].eq("rest").any():
        return batch, None
    roles = job.roles(round)
    about = roles["item"].isin(batch["item"]) | roles["role"].eq("validation")
    return roles[about], roles["item"][roles["role"] == "train"].to_numpy()


# -- what is asked


def next_batch(job, round: int) -> pd.DataFrame:
    """What the stage still needs; once the last look is made, or none can be, all that is left, the hardest first where
    the budget does not reach for all of it."""
    pool, at = job.pool(), stage(job, round + 1) or later(job, round)
    afford = ledger.affordable(job.spec, ledger.spent(job), human=True)
    train, check = missing(job, round, at) if at else (pool[:0], pool[:0])
    if len(train) + len(check):
        batch = pd.DataFrame(
            {"item": np.append(train, check), "role": ["train"] * len(train) + ["validation"] * len(check)}
        )
    else:
        models = job.rounds_with("predictions/done.json")
        if models and afford is not None and afford < len(pool):
            score = job.kind.confidence(job.predictions(models[-1]))
            pool = select.least_confident(score[score.index.isin(pool)], afford)
        batch = pd.DataFrame({"item": pool, "role": "rest"})
    new = batch["item"].isin(untouched(job, round))
    if afford is not None:
        batch = batch[~new | (new.cumsum() <= afford)] if afford or not new.any() else batch[:0]
    return batch.sort_values("item", ignore_index=True)


def missing(job, round: int, at: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(train, check): the items that the stage `at` still needs, after the batches up to `round`."""
    t, k = at
    plan, roles, items = fixed(job), job.roles(round), askable(job)["item"].to_numpy()
    have = roles["item"][roles["role"] == "train"].to_numpy()
    want, before = min(plan["train"][t - 1], len(items)), plan["train"][t - 2] if t > 1 else 0
    train = items[:0]
    if len(have) < want:
        if t == 1:
            train = select.random(items, want, job.spec.seed)
        else:
            train = hardest(job, job.model_round(round), want - before)
        train = train[~np.isin(train, have)]
    coins = job.read_table("coins.parquet")
    below = coins["item"][coins["coin"] < plan["levels"][k - 1]].to_numpy()
    known = roles["item"][roles["role"] != "rest"]  # what was asked without need for a look counts in it as any other
    return train, below[~np.isin(below, np.concatenate([train, known]))]


def hardest(job, model: int, size: int) -> np.ndarray:
    """Of all that the model was not trained on, whatever their coin, those it is least sure of."""
    return select.least_confident(job.kind.confidence(job.predictions(model)), size)


# -- looking and deciding


def _look(job, round: int) -> dict:
    """threshold.json: what the model of the stage may label by what was checked, and what comes next.

    `next` is the stage to go on to; `final` where that is none and this threshold is the one that counts.
    """
    at = stage(job, round)
    assert at is not None
    (t, k), plan = at, fixed(job)
    model = job.model_round(round)
    score, drawn, losses = checked(job, round, model)
    binary, p, delta = job.kind.BINARY, plan["levels"][k - 1], plan["looks"][t - 1][k - 1]
    rest, afford, worth = score[~drawn], ledger.affordable(job.spec, ledger.spent(job), human=False), ledger.auto_pays(job.spec)
    # of what passes only the lower end may be left out; so it ends above all that people were asked about since
    asked = rest[rest.index.isin(job.roles(round)["item"])].max()
    most = len(rest) if np.isnan(asked) else int((rest > asked).sum())
    falling, falls = in_order(score[drawn], losses), learning(job, round, at)

    def passing(most: int) -> tuple[certify.Certificate, int]:
        certificate = certify.certify(
            score[drawn].to_numpy(),
            losses,
            rest.to_numpy(),
            max_loss=plan["max_loss"],
            delta=delta,
            drawn=p,
            binary=binary,
            most=most if worth else 0,
        )
        return certificate, int((rest >= certificate.threshold).sum()) if certificate.threshold is not None else 0

    def going_on(ahead: dict[tuple[int, int], float], count: int) -> list[int] | None:
        best = max(ahead, key=lambda pair: ahead[pair], default=None)
        go_on = best is not None and ahead[best] > count + WORTH * len(score)
        if not go_on and count == 0 and ahead:
            # what people are asked now they would be asked anyway; so go on up to the training set that is likely to be
            # enough, and then as long as a little luck may do
            hope = options(plan, HOPE[0] * falling, len(score), at, falls + HOPE[1], binary, luck=0)
            best = max(ahead, key=lambda pair: hope[pair])
            go_on = t < plan["first"] or hope[best] > WORTH * len(score)
        if count == 0 and at == (plan["first"], 1) and (t, k + 1) in ahead:
            # the first check of what is likely to be enough: a bad draw is likelier than a bad model
            best, go_on = (t, k + 1), True
        if not go_on or best is None:
            return None
        # more is checked only once the training set is as large as it is likely to have to be
        return [t + 1, k] if best[0] > t or (t < plan["first"] and (t + 1, k) in ahead) else [t, k + 1]

    certificate, count = passing(most if afford is None else min(most, afford))
    ahead = options(plan, falling, len(score), at, falls, binary) if worth else {}
    ahead.pop(at, None)
    paid = payable(job, plan, ahead, len(score), at)
    following = going_on(paid, count)
    found = {"stage": [t, k], "model": model}
    if job.spec.budget is not None and worth:
        asking, all_that_passes = ledger.affordable(job.spec, ledger.spent(job), human=True), passing(most)[1]
        if count < all_that_passes:
            following = None  # not evidence is lacking but money
        elif count and following and asking is not None and asks(job, round, (following[0], following[1])) > asking:
            following = None  # what passed would be given up for a look that cannot be paid
        if following is None:
            wanted = going_on(ahead, all_that_passes)
            if wanted is None and count < all_that_passes:
                wanted = next(([one, two] for one, two in ((t, k + 1), (t + 1, k)) if (one, two) in ahead), None)
            found["without_budget"] = int(max([all_that_passes, *ahead.values()]))
            following, found["later"] = (None, wanted) if all_that_passes else (wanted, None)
    found |= {
        "threshold": certificate.threshold,
        "rule": certificate.rule,
        "checked": certificate.checked,
        "above": certificate.above,
        "quality": None if certificate.estimate is None else 1 - certificate.estimate,
        "max_loss": plan["max_loss"],
        "binary": binary,
        "drawn": p,
        "delta": delta,
        "coverage": certificate.coverage,
        "log_e": certificate.log_e,
        "auto": count,
        "expected": {f"{one},{two}": int(value) for (one, two), value in paid.items()},
        "next": following,
        "final": following is None,
        "budget": job.spec.budget,
    }
    if found["final"] and not found.get("later") and certificate.threshold is None and 0 < len(losses) < len(score):
        found["needed"] = certify.needed(
            score[drawn].to_numpy(), losses, score[~drawn].to_numpy(), max_loss=plan["max_loss"], delta=delta
        )
    return found


def checked(job, round: int, model: int) -> tuple[pd.Series, np.ndarray, np.ndarray]:
    """(score of each item the model did not learn from, which of them are checked, the losses of those)."""
    score = job.kind.confidence(job.predictions(model))
    roles = job.roles(round)
    drawn = score.index.isin(roles["item"][roles["role"] == "validation"])
    quality = job.kind.quality(job.predictions(model), job.human_labels(until=round)).reindex(score.index[drawn])
    return score, drawn, (1 - quality).fillna(1.0).to_numpy()  # what nobody answered counts as lost


def in_order(score: pd.Series, losses: np.ndarray) -> np.ndarray:
    """The losses, the surest item's first."""
    return losses[np.argsort(-score.to_numpy(), kind="stable")]


def seen(job, round: int) -> tuple[np.ndarray, int, float]:
    """(losses of the checked items, the surest first, number of items they stand for, the exponent they fall with) at
    a round's look."""
    found = _found(job, round)
    assert found
    score, drawn, losses = checked(job, round, found["model"])
    return in_order(score[drawn], losses), len(score), learning(job, round, tuple(found["stage"]))


def payable(job, plan: dict, ahead: dict, total: int, at: tuple[int, int]) -> dict[tuple[int, int], float]:
    """What of `options` the budget pays for: as many auto labels as are left money for after people were asked."""
    if job.spec.budget is None:
        return ahead
    most = {pair: ledger.affordable(job.spec, ledger.spent(job), human=False, asked=to_ask(plan, total, at, pair)) for pair in ahead}
    most = {pair: np.inf if some is None else some for pair, some in most.items()}
    return {pair: min(most[pair], auto) for pair, auto in ahead.items() if most[pair]}


def to_ask(plan: dict, total: int, at: tuple[int, int], pair: tuple[int, int]) -> float:
    """About how many more items people are asked about on the way from one look to another."""
    more, p = plan["train"][pair[0] - 1] - plan["train"][at[0] - 1], plan["levels"][at[1] - 1]
    return more * (1 - p) + (plan["levels"][pair[1] - 1] - p) * (total - more)


def learning(job, round: int, at: tuple[int, int]) -> float:
    """The exponent with which the loss falls: half what the kind's is, half what this job's first and latest model show
    on the items checked of both."""
    (t, _), train = at, fixed(job)["train"]
    usual = LEARNING[job.kind.BINARY]
    if t == 1:
        return usual
    roles, people = job.roles(round), job.human_labels(until=round)
    people = people[people["item"].isin(roles["item"][roles["role"] == "validation"])]
    models = [r for r in job.rounds_with("predictions/done.json") if r <= round]
    first, last = (job.kind.quality(job.predictions(r), people) for r in (models[0], models[-1]))
    both = first.index.intersection(last.index)
    before, now = (1 - some.reindex(both).mean() for some in (first, last))
    if not len(both) or not before or not now:
        return usual
    return float(np.clip((usual + np.log(before / now) / np.log(train[t - 1] / train[0])) / 2, 0, 1))


def options(
    plan: dict,
    losses: np.ndarray,
    total: int,
    at: tuple[int, int],
    falls: float,
    binary: bool,
    luck: float | None = None,
) -> dict[tuple[int, int], float]:
    """How many items the model would be left with, by the look that is aimed at, the one at hand and all further on.

    losses: (n,) of the checked items, the surest first; they are taken for typical of all `total` the model did not
    learn from. More training takes the hardest of these away, and lowers the losses of the others as T^-falls.
    """
    (t, k), train, levels, looks = at, plan["train"], plan["levels"], plan["looks"]
    luck, found = BAD_LUCK[binary] if luck is None else luck, {}
    for one, two in product(range(t, len(train) + 1), range(k, len(levels) + 1)):
        more, p, delta = train[one - 1] - train[t - 1], levels[two - 1], looks[one - 1][two - 1]
        if more < total:
            fallen = losses * (train[t - 1] / train[one - 1]) ** falls
            passing = reach(fallen, 1 - more / total, p, total, plan["max_loss"], delta, binary, luck)
            found[one, two] = (1 - p) * total * passing
    return found


def reach(
    losses: np.ndarray, left: float, p: float, total: float, max_loss: float, delta: float, binary: bool, luck: float
) -> float:
    """The share of the items that would pass if they were checked with probability p and had losses like these.

    losses: (n,) of `total` items, the surest first, of which only the first share `left` will be there; `luck` wholly
    lost ones are added above each cut. Right-or-wrong losses pass where as few wrong ones among the checked items have
    a chance of at most delta if the undrawn items broke the promise, as the walk rule asks of a single cut; others
    where the evidence of the coin rule's bet is enough.
    """
    from scipy.special import betainc

    n = len(losses)
    if n == 0 or not 0 < p < 1:
        return 0.0
    place = np.arange(1, n + 1)
    if binary:
        above = place / n * total
        wrong = (np.cumsum(losses) + luck) / (place + luck) * p * above
        proves = betainc((1 - p) * above * max_loss + 1, wrong + 1, 1 - p) <= delta
    else:
        expected = np.full(max(1, int(certify.REACH * left * total)), p)
        gain = certify.evidence(np.append(losses, 1.0), p, certify.bet_on(expected, max_loss, delta, binary), max_loss)
        rate = (np.cumsum(gain[:-1]) + luck * gain[-1]) / (place + luck)
        proves = rate * place / n * p * total >= np.log(1 / delta)
    passes = proves & (place <= np.ceil(left * n))
    return float(min(place[passes].max(initial=0) / n, left))


DESCRIPTION = "`certified` promises the auto labels' quality"
CERTIFICATE = "holdout"
FIXED = ("target", "learner")


def check_target(target) -> None:
    if target.quality == 1:
        raise ValueError(
            "no check of a part can prove a quality of 1; lower target.quality a little, or say plan: ground-truth"
        )


def _found(job, round):
    path = job.path(round, "threshold.json")
    return job.read_json(path) if job.there(path) else None


def look(job, round):
    found = _look(job, round)
    found["provisional"] = True
    return Look.from_json(found)


def model_number(job, round):
    return (stage(job, round) or (0, 0))[0]


def promised(job):
    last = (_found(job, r) for r in job.rounds_with("auto.parquet"))
    return any(found and found["final"] and found["threshold"] is not None for found in last) and bool(
        len(job.auto_labels())
    )


def no_auto_label(job):
    return "The model labeled nothing."


def simulate(spec, kind, items, job, round):
    from roundtruth.forecast import through_looks

    return tuple(np.array(through_looks(spec, items, kind.BINARY, job, round)).T)
