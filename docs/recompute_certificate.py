"""Recompute a job's certificate from the files in its folder: `python docs/recompute_certificate.py JOB_FOLDER`.

It imports nothing of roundtruth, so that it can be checked by itself; it needs numpy, pandas and pyarrow. The rules
and their proofs are in docs/certificates.md. Prints what it found and ends with 0 where it agrees with the job, else 1.

What it goes through: the promise, and whether it is about the auto labels alone or about all labels together; the coins
and what each look may spend; that every item below the look's probability that no model learned from was checked; the
losses, by people's consolidated labels in the folder; the lowest threshold that the rule lets pass; that the rest at or
above it, and nothing else, has the model's labels; and, if the job has ended, that the output manifest has these labels
and people's. It does not consolidate people's answers again (docs/consolidation.md says how that is done), and does not
compare labels that came with the data. The walk rule, by its plain recursion, takes seconds for some thousand items and
minutes for some ten thousand (but not for a promise about all labels together).
"""

import bisect
import hashlib
import json
import sys
from pathlib import Path

try:
    import numpy as np
    import pandas as pd
    import pyarrow  # noqa: F401  pandas reads Parquet with it
except ImportError as error:
    sys.exit(
        f"{error.name} is not installed for this Python; roundtruth's own has it: .venv/bin/python {sys.argv[0]} ..."
    )

BET, ALL_IN, REACH, REACH_OF_ALL, CENTER = 2.25, 0.95, 0.6, 0.8, 0.9  # the coin rule's: docs/certificates.md
SHARES, STEPS, LEVELS, ERRORS = 200, 1000, 32, 1000  # the walk rule's: docs/certificates.md, "The numbers"


def main(folder: Path) -> None:
    for name in ("job.json", "certificate.json"):
        if not (folder / name).is_file():
            sys.exit(f"{folder / name} is not there; name the folder of a job whose plan is `certified`")
    job, fixed = (json.loads((folder / name).read_text()) for name in ("job.json", "certificate.json"))
    spec, most, max_loss = job["spec"], sum(map(sum, fixed["looks"])), fixed["max_loss"]
    if spec["kind"] not in KINDS:
        sys.exit(f"the kind {spec['kind']} is not one of {', '.join(KINDS)}; add the rule of its quality to KINDS")
    quality_of, binary, _ = KINDS[spec["kind"]]
    quality, confidence = (spec["target"][name] for name in ("quality", "confidence"))
    of, together = spec["target"].get("of", "auto-labels"), fixed.get("items")
    check((of == "dataset") == (together is not None), f"the promise is of: {of}")
    check(abs(1 - max_loss - quality) < 1e-9, f"mean quality at least {quality}")
    check(abs(1 - fixed["delta"] - confidence) < 1e-9, f"confidence {confidence}")
    models = fixed.get("models", 1)  # so many are compared at each look, and each spends the look's share
    most *= models
    check(most <= fixed["delta"] * (1 + 1e-9), f"all looks together may spend {most:.4f} of {fixed['delta']:.4f}")
    given = [pd.read_parquet(path) for path in sorted(folder.glob("predictions/[0-9]*.parquet"))]
    check(
        len(given) == (models if spec.get("predictions") else 0), f"models whose predictions were given: {len(given)}"
    )
    coins = tables(folder.glob("coins.parquet")).set_index("item")["coin"]
    every = tables(folder.glob("items/[0-9]*.parquet")).set_index("item")
    items = every.query("failure.isna() and not labeled")
    check(coins.index.equals(items.index), "each item to label has a coin")
    right = coins == hashed(spec["seed"], every["labeled"], items["source"])
    check(right.all(), "they are the hashes of the seed and the items")
    if together is not None:
        check(together == in_any_case(spec, len(items)), f"it is about {together} items, which get a label in any case")
    found = {int(path.parent.name): json.loads(path.read_text()) for path in folder.glob("rounds/*/threshold.json")}
    looks = [tuple(look["stage"]) for look in found.values() if look["stage"][1]]
    check(len(set(looks)) == len(looks), "no look was made twice")
    spent = sum(models * fixed["looks"][t - 1][k - 1] for t, k in looks)
    print(f"note: looks made: {len(looks)}, which spent {spent:.4f}")
    number, look = max(found.items(), default=(0, {"final": False}))  # only the last look counts
    asked = max(folder.glob("rounds/*/asked.parquet"), default=None)  # each holds all rounds before it
    asked = pd.read_parquet(asked) if asked else pd.DataFrame(columns=["item", "role", "round"])
    open_ = ((asked["round"] > number) & (asked["role"] != "rest")).any()
    auto = {int(path.parent.name): pd.read_parquet(path) for path in folder.glob("rounds/*/auto.parquet")}
    withdrawn = [r for r, table in auto.items() if r < number and len(table)]
    check(
        all(found[r].get("later") for r in withdrawn), "only the last look gave auto labels, or a budget ended before"
    )
    auto = auto.get(number, pd.DataFrame())
    money = spec["budget"] is not None or any(folder.glob("amendments/[0-9]*.json"))  # where it may end first
    if not look["final"] or look["threshold"] is None or open_ or (money and not len(auto)):
        check(open_ or not len(auto), "nothing was auto-labeled, and nothing is promised")
        compare_manifest(folder, spec, every, auto[:0])  # a further look takes them back
        return

    t, k = look["stage"]
    p, delta = fixed["levels"][k - 1], fixed["looks"][t - 1][k - 1]
    role = asked[asked["round"] <= number].groupby("item")["role"].last()
    learned = role.index[role == "train"]
    predictions = tables(folder.glob(f"rounds/{look['model']:03d}/predictions/[0-9]*.parquet"))
    if given:
        theirs = [table.loc[table["item"].isin(coins.index)].reset_index(drop=True) for table in given]
        same = any(predictions.reset_index(drop=True).equals(table) for table in theirs)
        check(same, "the predictions are those that were given")
    score = predictions.groupby("item")["score"].mean()
    check(not score.index.isin(learned).any(), "the model learned from none of the items it is judged by")
    check(set(score.index) == set(coins.index) - set(learned), "it is judged by all others")
    below = coins.reindex(score.index) < p
    check(set(score.index[below]) == set(role.index[role == "validation"]), "those below the probability were checked")
    labels = peoples(folder, number)
    loss = losses(quality_of, predictions, labels, score.index[below])
    above = loss[score[below] >= look["threshold"]]
    check([len(loss), len(above)] == [look["checked"], look["above"]], f"{len(loss)} checked, {len(above)} above")
    if len(above):
        check(abs(1 - above.mean() - look["quality"]) < 1e-9, f"their mean quality is {1 - above.mean():.4f}")

    pool = score.to_numpy()[below], loss.to_numpy(), score.to_numpy()[~below]
    if together is None:
        rule = "walk" if binary and p * len(score) * max_loss <= ERRORS else "coin"
        pass_ = walk(*pool, max_loss, delta) if rule == "walk" else coin(*pool, max_loss, delta, p, binary)
    else:
        rule = "walk" if binary else "coin"
        allowed = (together, max_loss, delta) if binary else (together, max_loss, delta, p)
        pass_ = walk_over_all(*pool, *allowed) if rule == "walk" else coin_over_all(*pool, *allowed)
    check(rule == look["rule"], f"the rule is {rule}")
    may = pass_ if money else pass_[:1]
    lowest = pass_[0] if len(pass_) else "none"
    check(look["threshold"] in may, f"the threshold {look['threshold']} passes; the lowest is {lowest}")
    passed = predictions[predictions["item"].isin(score.index[~below & (score >= look["threshold"])])]
    columns = [name for name in passed if name != "score"]
    mine, theirs = (table[columns].sort_values(columns).to_numpy() for table in (passed, auto))
    check(np.array_equal(mine, theirs), f"the {passed['item'].nunique()} auto labels are the model's of what passed")
    if together is not None:
        said = tables(folder.glob("rounds/*/answers/*.parquet"))["item"]
        settled = len(set(said) | set(auto["item"]))
        holds = "so the promise holds" if settled >= together else "so it holds once people have labeled the others"
        print(f"note: {settled} items have people's answers or the model's label, {holds}")
    compare_manifest(folder, spec, every, auto)


def compare_manifest(folder: Path, spec: dict, every: pd.DataFrame, auto: pd.DataFrame) -> None:
    """Whether the manifest of a job that has ended has the labels in the folder. every: the items, a line each. Labels
    that came with the data are not compared."""
    summary, path = folder / "report/summary.json", folder / "output/output.manifest"
    if not summary.is_file() or json.loads(summary.read_text())["state"] not in ("complete", "stopped"):
        print("note: the job goes on, so its manifest was not compared")
        return
    check(path.is_file(), "there is a manifest")
    lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    check(len(lines) == len(every), f"the manifest has {len(lines)} lines, one for each item")
    mine, odd, asked = {"no": [], "yes": []}, [], every.index[~every["labeled"]]
    for number, (line, (item, record, labeled)) in enumerate(zip(lines, every[["record", "labeled"]].itertuples()), 1):
        try:
            human, rows = label_in(json.loads(line), json.loads(record), spec)
            mine[human] += [] if labeled else [(item, *row) for row in rows]
        except (ValueError, LookupError, TypeError, AttributeError):
            odd.append(number)
    first = f"; the first that is not: line {odd[0]}" if odd else ""
    check(not odd, f"each line can be read, is about its item, and names its classes rightly{first}")
    labels = peoples(folder)
    for whose, human, theirs in (("the model", "no", auto), ("people", "yes", labels)):
        columns = [column for column in ("item", "class_id", *SIDES) if column in theirs]
        theirs = theirs.loc[theirs["item"].isin(asked), columns] if len(theirs) else pd.DataFrame(columns=columns)
        if "left" in theirs and len(theirs):
            theirs.loc[theirs["class_id"] < 0, list(SIDES)] = 0  # nothing is there, whatever a learner writes
        same = sorted(mine[human]) == sorted(tuple(row) for row in theirs.to_numpy(object))
        hint = "" if same else "; if a run went on since the report, run `roundtruth report` and try again"
        check(same, f"the manifest's labels by {whose} are those in the folder{hint}")


def label_in(record: dict, given: dict, spec: dict) -> tuple[str, list[tuple]]:
    """Of a line: whether people gave its label ("yes" or "no"), and the label's rows. given: the item's line in the
    input. Raises ValueError, LookupError, TypeError or AttributeError for a line that is not right."""
    for key in ("source-ref", "source"):
        if record.get(key) != given.get(key):
            raise ValueError(key)
    label, about = record.get(spec["attribute"]), record.get(f"{spec['attribute']}-metadata")
    if label is None:
        return "no", []
    return about["human-annotated"], KINDS[spec["kind"]][2](label, about, spec["classes"])


def tables(paths, until: float = np.inf) -> pd.DataFrame:
    """The tables of the rounds up to one, in order."""
    chosen = [path for path in sorted(paths) if until == np.inf or int(path.parent.name) <= until]
    return pd.concat([pd.read_parquet(path) for path in chosen]) if chosen else pd.DataFrame()


def peoples(folder: Path, until: float = np.inf) -> pd.DataFrame:
    """People's labels of the rounds up to one, the newest of each item."""
    labels = tables(folder.glob("rounds/*/labels.parquet"), until)
    return labels[labels["round"] == labels.groupby("item")["round"].transform("max")] if len(labels) else labels


def in_any_case(spec: dict, items: int) -> int:
    """How many items the budget at the start pays for if people label all of them."""
    answers = spec["workforce"]["answers_per_item"] or spec["answers"]["most"]
    price = spec["prices"]["per_item"] + answers * spec["prices"]["per_answer"]
    if spec["budget"] is None or not price:
        return items
    return max(1, min(items, int(spec["budget"] / price + 1e-9)))


def hashed(seed: int, labeled: pd.Series, names: pd.Series) -> np.ndarray:
    """Numbers in [0, 1): pandas' hashes of the seed and of each name, mixed as splitmix64 does. With the seed goes
    which items came with a label, if any did."""
    came = np.flatnonzero(labeled)
    coin = f"{seed}/coin/{hashlib.sha256(came.tobytes()).hexdigest()}" if len(came) else f"{seed}/coin"

    def mix(x: np.ndarray) -> np.ndarray:
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))

    first, each = (pd.util.hash_array(np.array(list(x), dtype=object)) for x in ([coin], names))
    return (mix(mix(each ^ first)) >> np.uint64(11)) * 2.0**-53


def losses(quality_of, predictions: pd.DataFrame, labels: pd.DataFrame, items: pd.Index) -> pd.Series:
    """1 - quality of each item; 1 where nobody answered."""
    said = dict(tuple(labels.groupby("item")))
    seen = dict(tuple(predictions.groupby("item")))
    return pd.Series([1 - quality_of(seen[item], said[item]) if item in said else 1.0 for item in items], index=items)


def class_quality(mine: pd.DataFrame, theirs: pd.DataFrame) -> float:
    return float(mine["class_id"].iloc[0] == theirs["class_id"].iloc[0])


def box_quality(mine: pd.DataFrame, theirs: pd.DataFrame) -> float:
    """In falling score each box takes the free box of its class with the highest IoU above 0; all others count 0."""
    mine, theirs = (
        mine[mine["class_id"] >= 0].sort_values("score", ascending=False, kind="stable"),
        theirs[theirs["class_id"] >= 0],
    )
    free, matched = list(theirs.itertuples()), []
    for box in mine.itertuples():
        ious = [iou(box, other) if other.class_id == box.class_id else 0.0 for other in free]
        if ious and max(ious) > 0:
            matched.append(max(ious))
            free.pop(int(np.argmax(ious)))
    things = len(mine) + len(theirs) - len(matched)
    return sum(matched) / things if things else 1.0


def iou(a, b) -> float:
    wide = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    high = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    both = max(0.0, wide) * max(0.0, high)
    return both / (a.width * a.height + b.width * b.height - both)


def class_of(label: int, about: dict, classes: list[str]) -> list[tuple]:
    if about["class-name"] != classes[label]:
        raise ValueError(label)
    return [(label,)]


def boxes_of(label: dict, about: dict, classes: list[str]) -> list[tuple]:
    """A row for each box; class -1 if there is none."""
    rows = [(box["class_id"], *(float(box[side]) for side in SIDES)) for box in label["annotations"]]
    if any(about["class-map"][str(class_id)] != classes[class_id] for class_id, *_ in rows):
        raise ValueError(label)
    return rows or [(-1, 0, 0, 0, 0)]


SIDES = ("left", "top", "width", "height")
# a kind of label: the quality of a predicted label, whether it is 0 or 1 only, and the rows of a label in the manifest
KINDS = {
    "image-classification": (class_quality, True, class_of),
    "object-detection": (box_quality, False, boxes_of),
}


def cuts(scores, loss, pool):
    """Of every cut, falling: the threshold, the checked and the other items at or above it, and the checked's loss."""
    theta = np.unique(np.concatenate([scores, pool]))[::-1]
    checked, rest = (len(x) - np.searchsorted(np.sort(x), theta) for x in (scores, pool))
    return theta, checked, rest, np.append(0, np.cumsum(loss[np.argsort(-scores)]))[checked]


def coin(scores, loss, pool, max_loss, delta, p, binary) -> np.ndarray:
    """The thresholds that pass by the coin rule, the lowest first."""
    theta, checked, rest, _ = cuts(scores, loss, pool)
    reach = np.argmax(checked + rest >= REACH * (len(scores) + len(pool)))
    best = np.sqrt(2 * np.log(1 / delta) / (max_loss * (1 - max_loss) * (checked + rest)[reach] * (1 / p - 1)))
    bet = min(best * (1 if binary else BET), ALL_IN * -np.log1p(-p) / (1 - max_loss))
    factor = 1 - (1 / p - 1) * np.expm1(bet * (loss[np.argsort(-scores)] - max_loss))
    evidence = np.append(0, np.cumsum(np.log(factor)))[checked]
    enough = evidence >= np.log(1 / delta) - 1e-9
    return theta[enough & (rest > 0)][::-1]


def coin_over_all(scores, loss, pool, items, max_loss, delta, p) -> np.ndarray:
    """As `coin`, for a promise over the whole dataset."""
    theta, checked, rest, _ = cuts(scores, loss, pool)
    likely = (checked + rest)[np.argmax(checked + rest >= REACH_OF_ALL * (len(scores) + len(pool)))]
    center = min(max_loss * items / (likely * (1 - p)), CENTER)
    best = BET * np.sqrt(2 * np.log(1 / delta) / (center * (1 - center) * likely * (1 / p - 1)))
    bet = min(best, ALL_IN * -np.log1p(-p) / (1 - center))
    factor = (1 - (1 - p) * np.exp(bet * (loss[np.argsort(-scores)] - center))) / p
    evidence = bet * (max_loss * items - center * rest) + np.append(0, np.cumsum(np.log(factor)))[checked]
    enough = (evidence >= np.log(1 / delta) - 1e-9) | (rest <= max_loss * items)
    enough = np.maximum.accumulate(enough[::-1])[::-1]  # a higher cut never has a larger total loss
    return theta[enough & np.isin(theta, pool)][::-1]


def walk_over_all(scores, loss, pool, items, max_loss, delta) -> np.ndarray:
    """As `walk`, for a promise over the whole dataset: at most b wrong checked items, where P(S <= b) <= delta. S is
    how many of the wrong items are drawn before w are not; each next one is drawn with (n - drawn) / (all - passed)."""
    theta, _, rest, errors = cuts(scores, loss, pool)
    n, total, w = len(scores), len(scores) + len(pool), int(np.floor(max_loss * items)) + 1
    b = n
    if w <= len(pool):
        each = np.exp(np.sum(np.log1p(-n / (total - np.arange(w)))))  # P(S = 0)
        b, at_most = -1, each
        while at_most <= delta * (1 - 1e-9):  # at delta itself, rounding must not decide
            b += 1
            each *= (b + w) / (b + 1) * (n - b) / (total - b - w)
            at_most += each
    return theta[((errors <= b) | (rest < w)) & np.isin(theta, pool)][::-1]


def walk(scores, loss, pool, max_loss, delta) -> np.ndarray:
    """The thresholds that pass by the walk rule, the lowest first. The names are those of docs/certificates.md."""
    theta, checked, rest, errors = cuts(scores, loss, pool)
    n, items, size = len(scores), len(scores) + len(pool), checked + rest
    q, breaks = n / items, np.floor(max_loss * np.arange(len(pool) + 1)).astype(int) + 1  # w(k)
    last, aside = breaks[-1], delta * max(0.05, min(0.4, 1.6 * (n / items) ** 2))
    step = -(-last // STEPS)
    w, e = np.arange(0, last + 1, step), np.arange(min(n, int(n * max_loss) + 2) + 1)

    def paths(bound) -> np.ndarray:
        """(w, e): P(S(w) = e and no earlier w has S within the bound), wrong item by wrong item, drawn or not."""
        found, now = np.zeros((len(w), len(e))), np.where(e == 0, 1.0, 0.0)
        for passed in range(min(items, last + len(e))):
            drawn = now * (n - e) / (items - passed)
            now = now - drawn
            at = passed + 1 - e  # of which so many are undrawn, where e are drawn
            here = (at > 0) & (at <= w[-1]) & (at % step == 0)
            found[at[here] // step, e[here]] = now[here]
            now[here] *= e[here] > bound[at[here] // step]
            now[1:] += drawn[:-1]
        return found

    def chance(bound) -> float:
        """P(S is within the bound at some w)."""
        return paths(bound)[e <= bound[:, None]].sum()

    def bound(level) -> np.ndarray:
        level = np.minimum(level * (last / np.maximum(w, 1)) ** 2, delta - aside)
        return np.maximum.accumulate((at_most <= level[:, None]).sum(axis=1) - 1)

    never = np.full(len(w), -1)
    at_most = paths(never).cumsum(axis=1)  # P(S(w) <= e)
    at_most[0] = 1
    levels = np.geomspace(1e-5 * delta, delta - aside, LEVELS)
    fit = bisect.bisect_right(levels, aside, key=lambda level: chance(bound(level)))
    far = bound(levels[fit - 1]) if fit else never
    higher = [np.maximum(far, bound(c)) for c in np.geomspace(levels[max(0, fit - 1)], delta - aside, LEVELS)[1:]]

    in_order = {}  # cut: least, r and t
    for share in np.ceil(np.linspace(0, items, SHARES + 1)[1:]):
        cut = max(0, np.searchsorted(size, share, side="right") - 1)
        mean = size[cut] * (1 - q)
        least = max(0, int(mean - 2 * np.sqrt(mean * q * (1 - size[cut] / items))))
        t = (breaks[least] + far[breaks[least] // step] + 1 - e) // step  # for r = e
        likely = at_most[np.clip(t, 0, len(w) - 1), e]
        r = int(np.cumprod((t > 0) & (likely <= delta - aside)).sum()) - 1
        in_order[cut] = least, r, (breaks[least] + far[breaks[least] // step] + 1 - r) // step
    first = [min([size[cut] for cut in in_order if in_order[cut][1] >= j], default=np.inf) for j in range(5)]
    start = max([1.1 * x for x in first if 1.1 * x <= 0.4 * items], default=first[0])

    at = breaks[rest] // step
    passes, failed = errors <= far[at], []
    for cut, (least, r, t) in in_order.items():
        if size[cut] < start:
            continue
        if errors[cut] > r:
            raised = [np.where(np.arange(len(w)) > t, later, far) for later in [far, *higher]]
            for event in raised:
                event[t : t + 1] = np.maximum(event[t : t + 1], r)  # R_g is that S is within this
            level = bisect.bisect_right(raised[1:], delta * (1 - 1e-6), key=chance)
            failed.append((t, raised[level]))
        passes[cut] |= rest[cut] >= least and all(at[cut] > t and errors[cut] <= asks[at[cut]] for t, asks in failed)
    return theta[passes & (rest > 0)][::-1]


def check(right: bool, what: str) -> None:
    print(f"{'right' if right else 'WRONG'}: {what}")
    if not right:
        sys.exit(1)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} JOB_FOLDER")
    main(Path(sys.argv[1]))
