"""The certified plan: it promises the quality of the auto labels, or of all labels together, for the least money.

A model is trained on a growing set of items: first random items, then those that it is least confident about. Other
items are chosen for checking by Poisson sampling: each item has a random number of its own, its coin, and is checked if
the coin is below a probability. People label checked items without seeing the model's labels, and no model learns from
an item as long as it counts as checked. The answers to checked items are the only evidence for the promise.

A look at the pair (t, k) finds the part of the rest that the t-th model may label. Its evidence is the items whose coin
is below the k-th probability. After each look the plan finishes, trains more or checks more. It does what is expected
to leave the most items to the model. Only the labels of the final look count. `roundtruth.plans.looks` has the
statistics.

docs/several-looks.md proves that the promise holds whatever is decided at any time. The proof needs three properties of
the code:

- Training sets, models and the merged labels of training items depend on training answers only, never on a coin or on
  the answer to a checked item.
- The share of delta that a look may spend is fixed before anybody is asked.
- Every item whose coin is below a look's probability counts in that look.
"""

from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from roundtruth import kinds, ledger, select
from roundtruth.chance import uniforms
from roundtruth.curves import Curves, bootstrap_curves
from roundtruth.look import Look
from roundtruth.plans import looks
from roundtruth.plans.looks import Decision, Pair, Sample, Schedule, Settings
from roundtruth.plural import counted

if TYPE_CHECKING:
    from roundtruth.curves import Pilot
    from roundtruth.job import Job
    from roundtruth.spec import JobSpec, Target

DESCRIPTION = "promises the quality of the auto labels, or of the whole dataset"
CERTIFICATE = "holdout"
LEAST = 1e-6  # the smallest distance of a target's quality from 0 and from 1
FIXED = ("target", "learner")  # a person who changes them has seen what the looks found


def check_target(target: "Target") -> None:
    assert target.quality is not None  # the spec fills in the default of the kind
    if target.quality > 1 - LEAST:
        raise ValueError(
            "no check of a part can prove a quality of 1; lower target.quality a little, or say plan: ground-truth"
        )
    if target.quality < LEAST:
        raise ValueError(f"{target.quality} promises nothing; raise target.quality, or say plan: ground-truth")


def prepare(job: "Job") -> None:
    """Draw the coins, and fix the share of delta that each look may spend."""
    if job.there("certificate.json"):
        return
    items = job.items(["item", "source"]).iloc[job.askable(0) - 1]
    coins = uniforms(job.spec.seed, coin_name(job), items["source"])
    job.write_table("coins.parquet", pd.DataFrame({"item": items["item"].to_numpy(), "coin": coins}))
    job.write_json("certificate.json", asdict(schedule_for(job.spec, len(items), len(job.given_models()))))


def coin_name(job: "Job") -> str:
    """What the coins of a job are called. A job that goes on with the labels of an earlier one leaves out the items
    that the earlier one checked. By the same coins, none of the others would be checked. So the name says which items
    came with a label."""
    came = np.flatnonzero(job.items(["labeled"])["labeled"])
    return f"coin/{sha256(came.tobytes()).hexdigest()}" if len(came) else "coin"


def schedule_for(spec: "JobSpec", items: int, models: int = 1) -> Schedule:
    """The schedule of a job with this number of items to label. models: how many models' predictions are given."""
    delta, given = round(1 - spec.target.confidence, 12), models if spec.predictions else 0
    return looks.schedule(items, max_loss_of(spec), delta, settings_for(spec), promised_items(spec, items), given)


def max_loss_of(spec: "JobSpec") -> float:
    """The largest mean loss that keeps the target."""
    assert spec.target.quality is not None
    return round(1 - spec.target.quality, 12)


def promised_items(spec: "JobSpec", items: int) -> int | None:
    """How many items a promise over the whole dataset is about: those that certainly get a label. None if the promise
    is about the auto labels alone.

    The number must not depend on the coins. With a budget it is the number of items that people alone could label; more
    get a label if the model labels some, because an auto label costs less.
    """
    if spec.target.of == "auto-labels":
        return None
    afford = ledger.affordable(spec, 0.0, human=True)
    return max(1, items if afford is None else min(items, afford))


def settings_for(spec: "JobSpec") -> Settings:
    return looks.SETTINGS[kinds.get(spec.kind).BINARY]


# -- where the job stands


def schedule_of(job: "Job") -> Schedule:
    """The schedule that was fixed when the job began."""
    return Schedule(**job.read_json("certificate.json"))


def last_look(job: "Job", until: int) -> tuple[int, Look | None]:
    """The round of the newest look up to round `until`, and what the look found; (0, None) before the first look."""
    looked = [number for number in job.rounds_with("threshold.json") if number <= until]
    return (looked[-1], job.look(looked[-1])) if looked else (0, None)


def stage(job: "Job", number: int) -> Pair | None:
    """The pair that a round's batch is for: the one that follows the newest look before the round. None if that look
    was final and the job was not continued from it with a higher budget."""
    looked, found = last_look(job, number - 1)
    if found is None:
        return 1, 1
    roles = job.roles(number)
    if found.later and (roles["role"].ne("rest") & roles["round"].gt(looked)).any():
        return found.later
    return found.next


def later(job: "Job", number: int, afford: int | None) -> Pair | None:
    """The pair that the budget ruled out at the last look, if the budget now pays for all items that the pair needs and
    for as many auto labels as there are. afford: how many more items people may label; None is any number."""
    found = last_look(job, number)[1]
    budget = job.spec.budget
    if found is None or not found.later or (budget is not None and budget <= found.budget):
        return None
    return found.later if afford is None or asks(job, number, found.later) <= afford else None


def asks(job: "Job", number: int, at: Pair) -> int:
    """The number of items that a pair needs and that no batch up to a round asked about."""
    return int(untouched(job, number)[np.concatenate(missing(job, number, at))].sum())


def untouched(job: "Job", number: int) -> np.ndarray:
    """(number of items + 1,): whether an item has a coin, and no batch up to a round asked about it."""
    return job.mask(job.askable(0)) & ~job.mask(job.roles(number)["item"])


def predicts(job: "Job", number: int) -> bool:
    """There is a new model if the round has a look, and not at the model of the previous look. Of several given models
    each look chooses one."""
    before = last_look(job, number - 1)[1]
    same = before and before.stage and before.stage[0] == model_number(job, number)
    return calibrates(job, number) and (len(job.given_models()) > 1 or not same)


def calibrates(job: "Job", number: int) -> bool:
    """There is a look if the batches so far hold all that the pair needs, items are left, and somebody answered: about
    training items, where a model is trained."""
    at = stage(job, number)
    if at is None or any(part.size for part in missing(job, number, at)):
        return False
    people = job.human_labels(until=number)["role"]
    if job.spec.predictions is not None:
        answered = len(people) > 0
    else:
        answered = people.eq("train").any() or job.items(["labeled"])["labeled"].any()
    return bool(answered and untouched(job, number).any())


def model_number(job: "Job", number: int) -> int:
    return (stage(job, number) or (0, 0))[0]


def for_model(job: "Job", number: int) -> np.ndarray:
    """The pool, without the pictures that were found after the job began: they have no coin, so people label them."""
    pool = job.pool(number)
    return pool[job.mask(job.askable(0))[pool]]


def to_consolidate(job: "Job", number: int) -> tuple[pd.DataFrame, np.ndarray | None]:
    """The batch and all checked items get labels. Workers' skills are learned from training items alone, so that no
    checked item's label depends on another's. Where predictions are given there are no training items: then each label
    follows from the answers to its item alone. After the final look nothing depends on the skills, and they are learned
    from all items."""
    batch = job.batch(number)
    if batch["role"].eq("rest").any():
        return batch, None
    roles = job.roles(number)
    about = roles["item"].isin(batch["item"]) | roles["role"].eq("validation")
    return roles[about], roles["item"][roles["role"] == "train"].to_numpy()


def promised(job: "Job") -> bool:
    auto = job.auto_labels()["item"]
    if auto.empty:
        return False
    items = schedule_of(job).items
    return items is None or len(settled(job, auto)) >= items


def settled(job: "Job", auto: pd.Series) -> np.ndarray:
    """The items that have the model's label, and those that people have answered. What people say counts as right, also
    where it is that they cannot tell."""
    closed = job.rounds_with("closed.json")
    said = [job.answers(number, counted=True, columns=["item", "worker"])["item"] for number in closed]
    return np.unique(np.concatenate([auto, *said]))


def no_auto_label(job: "Job", look: Look) -> str:
    if not look.final:
        return (
            "The model labeled nothing: people were asked about everything before its labels could be shown good "
            "enough."
        )
    if not ledger.auto_pays(job.spec):
        return "The model labeled nothing: an auto label costs more than people's."
    if job.spec.target.of == "dataset":
        return "The model labeled nothing: too many of its labels have the same confidence, so none could be chosen."
    if look.needed and np.isfinite(look.needed):
        more = counted(round(look.needed), "more item[|s]")
        return f"The model labeled nothing: about {more} would have had to be checked."
    return "The model labeled nothing: it is not good enough for the target, however many items were checked."


# -- what people are asked


def next_batch(job: "Job", number: int) -> pd.DataFrame:
    """The items that the next pair still needs. After the final look, or if there can be no look, all remaining items;
    the hardest ones first if the budget does not pay for all of them."""
    pool, afford = job.pool(), ledger.affordable(job.spec, spent_so_far(job), human=True)
    at = stage(job, number + 1) or later(job, number, afford)
    train, check = missing(job, number, at) if at else (pool[:0], pool[:0])
    if len(train) + len(check):
        batch = pd.DataFrame(
            {"item": np.append(train, check), "role": ["train"] * len(train) + ["validation"] * len(check)}
        )
    else:
        models = job.rounds_with("predictions/done.json")
        if models and afford is not None and afford < len(pool):
            score = job.kind.confidence(job.predictions(models[-1])).reindex(pool, fill_value=0.0)
            pool = select.least_confident(score, afford)
        batch = pd.DataFrame({"item": pool, "role": "rest"})
    new = ~job.mask(job.roles(number)["item"])[batch["item"]]
    if afford is not None:
        batch = batch[~new | (new.cumsum() <= afford)] if afford or not new.any() else batch[:0]
    return batch.sort_values("item", ignore_index=True)


def missing(job: "Job", number: int, at: Pair) -> tuple[np.ndarray, np.ndarray]:
    """(train, check): the items that a pair still needs after the batches up to a round."""
    schedule, roles, items = schedule_of(job), job.roles(number), job.askable(0)
    trained = roles["item"][roles["role"] == "train"].to_numpy()
    want, train = min(schedule.trained(at), len(items)), items[:0]
    if len(trained) < want:
        if at[0] == 1:
            train = select.random(items, want, job.spec.seed)
        else:
            train = hardest(job, job.model_round(number), want - schedule.trained((at[0] - 1, at[1])))
        train = train[~job.mask(trained)[train]]
    coins = job.read_table("coins.parquet")
    check = coins["item"].to_numpy()[coins["coin"].to_numpy() < schedule.probability(at)]
    # Items that were asked about with the last of the money ("rest") count in a look like any other item.
    known = job.mask(train) | job.mask(roles["item"][roles["role"] != "rest"])
    return train, check[~known[check]]


def hardest(job: "Job", model: int, size: int) -> np.ndarray:
    """The items that a model is least confident about, among all that it was not trained on, whatever their coin.

    model: the round of the model.
    """
    return select.least_confident(job.kind.confidence(job.predictions(model)), size)


def spent_so_far(job: "Job") -> float:
    """Money spent, if the job has a budget; else 0, because then nothing depends on it."""
    return ledger.spent(job) if job.spec.budget is not None else 0.0


# -- looking


def look(job: "Job", number: int) -> Look:
    """What the model of the round's pair may label, by the evidence of the checked items, and what comes next."""
    at, schedule, settings = stage(job, number), schedule_of(job), settings_for(job.spec)
    assert at is not None
    spent, sample = spent_so_far(job), sample_at(job, number, at)
    afford = ledger.affordable(job.spec, spent, human=False)
    most = may_pass(job, sample)
    found, count = looks.passing(schedule, settings, sample, at, most if afford is None else min(most, afford))
    paid, decision = decide(job, number, sample, at, count, spent)
    final = decision.next is None
    nothing = final and not decision.later and found.threshold is None and 0 < found.checked < sample.total
    nothing = nothing and schedule.items is None
    return Look(
        threshold=found.threshold,
        rule=found.rule,
        checked=found.checked,
        above=found.above,
        quality=None if found.estimate is None else 1 - found.estimate,
        final=final,
        provisional=True,
        stage=at,
        next=decision.next,
        model=job.model_round(number),
        max_loss=schedule.max_loss,
        binary=settings.binary,
        drawn=schedule.probability(at),
        delta=schedule.delta_of(at),
        items=schedule.items,
        coverage=found.coverage,
        log_e=found.log_e,
        auto=count,
        expected={f"{t},{k}": int(auto) for (t, k), auto in paid.items()},
        budget=job.spec.budget,
        without_budget=decision.without_budget,
        later=decision.later,
        needed=looks.needed(schedule, sample, at) if nothing else None,
    )


def compare(job: "Job", number: int) -> list[dict[str, float]]:
    """How each of the given models does at a round's look: {"passing", "expected", "quality"}. passing: how many items
    it may label. expected: the most that it may be expected to label at a further pair. quality: the mean quality of
    its labels of the checked items."""
    at, schedule, settings, found = stage(job, number), schedule_of(job), settings_for(job.spec), []
    assert at is not None
    coined = job.mask(job.askable(0))
    afford = ledger.affordable(job.spec, spent_so_far(job), human=False)
    for model in range(1, schedule.models + 1):
        predictions = job.given_predictions(model)
        sample = sample_at(job, number, at, predictions.loc[coined[predictions["item"].to_numpy()]])
        most = may_pass(job, sample)
        count = looks.passing(schedule, settings, sample, at, most if afford is None else min(most, afford))[1]
        ahead = max(looks.expected(schedule, settings, sample, at).values(), default=0.0)
        found.append({"passing": count, "expected": ahead, "quality": 1 - float(sample.losses.mean())})
    return found


def may_pass(job: "Job", sample: Sample) -> int:
    """How many of the rest may pass, with any budget: none if an auto label costs more than people's label."""
    return sample.most if ledger.auto_pays(job.spec) else 0


def decide(
    job: "Job", number: int, sample: Sample, at: Pair, count: int, spent: float
) -> tuple[dict[Pair, float], Decision]:
    """How many items each further pair is expected to leave to the model within the budget, and what follows the look.

    at: the pair of the look. count: how many items the model may label now. spent: the money so far.
    """
    spec, schedule, settings = job.spec, schedule_of(job), settings_for(job.spec)
    if not ledger.auto_pays(spec):
        return {}, Decision(None)

    def affordable(asked: float) -> int | None:
        return ledger.affordable(spec, spent, human=False, asked=asked)

    ahead = looks.expected(schedule, settings, sample, at)
    paid = looks.within_budget(schedule, ahead, sample.total, at, affordable)
    following = looks.going_on(schedule, settings, sample, at, paid, count)
    if spec.budget is None:
        return paid, Decision(following)
    asking, passing, afford = ledger.affordable(spec, spent, human=True), count, affordable(0)
    if afford is not None and afford < sample.most:
        passing = looks.passing(schedule, settings, sample, at, sample.most)[1]
    # The budget ends the job if it does not pay for all that passes. It also ends the job if going on would give up
    # what passes for a look that the budget does not pay for.
    ends = count < passing or (count and following and asking is not None and asks(job, number, following) > asking)
    if following and not ends:
        return paid, Decision(following)
    return paid, looks.without_money(schedule, settings, sample, at, ahead, count, passing)


def sample_at(job: "Job", number: int, at: Pair, predictions: pd.DataFrame | None = None) -> Sample:
    """How the model of the pair `at` does on the items that it did not learn from, in round `number`. predictions: of
    the same items, where they are not yet the round's."""
    if predictions is None:
        predictions = job.predictions(job.model_round(number))
    roles, people = job.roles(number), job.human_labels(number)
    score = job.kind.confidence(predictions)
    validation = job.mask(roles["item"][roles["role"] == "validation"])
    drawn = validation[score.index]
    found = predictions[validation[predictions["item"]]]
    quality = job.kind.quality(found, people).reindex(score.index[drawn])
    rest = score[~drawn].to_numpy()
    # A set that passes is one threshold and all items above it. So the threshold must lie above all items that people
    # were asked about since.
    asked = rest[job.mask(roles["item"])[score.index[~drawn]]]
    most = int((rest > asked.max()).sum()) if len(asked) else len(rest)
    losses = (1 - quality).fillna(1.0).to_numpy()  # an item that nobody answered counts as completely lost
    exponent = exponent_at(job, number, at, people[validation[people["item"]]])
    return Sample(score[drawn].to_numpy(), losses, rest, most, exponent)


def exponent_at(job: "Job", number: int, at: Pair, people: pd.DataFrame) -> float:
    """The exponent with which the model's losses fall: the mean of the kind's usual exponent and of the one that this
    job's first and newest models show on the items that were checked for both. people: the labels of the checked
    items."""
    usual, train = job.kind.CURVE.exponent, schedule_of(job).train
    if at[0] == 1:
        return usual
    checked = job.mask(people["item"])
    models = [r for r in job.rounds_with("predictions/done.json") if r <= number]
    predictions = (job.predictions(r) for r in (models[0], models[-1]))
    first, last = (job.kind.quality(some[checked[some["item"]]], people) for some in predictions)
    both = first.index.intersection(last.index)
    before, now = (1 - some.reindex(both).mean() for some in (first, last))
    if not len(both) or not before or not now:
        return usual
    return float(np.clip((usual + np.log(before / now) / np.log(train[at[0] - 1] / train[0])) / 2, 0, 1))


# -- the forecast


def simulate(
    spec: "JobSpec", items: int, job: "Job | None" = None, number: int = 0, pilot: "Pilot | None" = None
) -> tuple[np.ndarray, np.ndarray]:
    """(auto labels, people's rounds) at the end of each simulated job; each job follows one learning curve."""
    if not ledger.auto_pays(spec):
        return np.array([0]), np.array([2])
    settings, (looked, found) = settings_for(spec), last_look(job, number) if job else (0, None)
    if job is None or found is None:
        curves = kinds.get(spec.kind).CURVE.prior_curves(len(spec.classes), items, max_loss_of(spec), pilot=pilot)
        return from_the_start(spec, items, curves)
    if found.final:
        left = items - len(job.roles(looked)) - found.auto
        return np.array([found.auto]), np.array([looked + (left > 0)])
    schedule, sample = schedule_of(job), sample_at(job, looked, found.stage)
    curves = bootstrap_curves(sample.falling, sample.exponent)
    coins = job.read_table("coins.parquet", ["coin"])["coin"].to_numpy()
    levels = np.array([np.mean(coins < level) for level in schedule.levels])
    levels = np.broadcast_to(levels, (len(curves.losses), len(levels)))
    return looks.ends(schedule, settings, curves, sample.total, found.stage, levels)


def over_dataset(
    spec: "JobSpec", items: int, job: "Job | None" = None, number: int = 0, pilot: "Pilot | None" = None
) -> tuple[int, np.ndarray] | None:
    """(items, auto labels of each simulated job) of a new job over the whole dataset. Its model learns from the labels
    that this job has, too. So after a look its losses are taken to be those that the look saw."""
    looked, found = last_look(job, number) if job else (0, None)
    left = items - (len(job.human_labels(number)["item"].unique()) if job else 0)
    if spec.target.of == "dataset" or not ledger.auto_pays(spec) or left < 2:
        return None
    if job and found:
        sample = sample_at(job, looked, found.stage)
        curves = bootstrap_curves(sample.falling, sample.exponent)
    else:
        curves = kinds.get(spec.kind).CURVE.prior_curves(len(spec.classes), items, max_loss_of(spec), pilot=pilot)
    target = spec.target.model_copy(update={"of": "dataset"})
    return left, from_the_start(spec.model_copy(update={"target": target, "budget": None}), left, curves)[0]


def from_the_start(spec: "JobSpec", items: int, curves: Curves) -> tuple[np.ndarray, np.ndarray]:
    """(auto labels, people's rounds) at the end of a job that begins, for each curve of its first model."""
    schedule = schedule_for(spec, items)
    levels = looks.shares_below(schedule, items, len(curves.losses))
    return looks.ends(schedule, settings_for(spec), curves, items - schedule.train[0], (1, 1), levels)
