"""Boxes: merges what several people drew on a picture into one set of boxes.

Internally, a box is an array row (left, top, right, bottom). Rows are sorted, so that results do not depend on the
order of the table.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from roundtruth.boxes import SIDES, corners, iou
from roundtruth.consolidation.tables import Consolidated, codes, distinct, teaching, together

TWICE = 0.8  # from this IoU on, one worker's two boxes of a class are one object drawn twice
LINK = 0.3  # clusters are joined if their mean affinity is at least this
EITHER = 0.25  # pseudo-votes for, and against, each box
AGREE, AGREE_N = 0.9, 5  # the agreement that is assumed before any answer, and how many clusters it counts for
VOTE = 0.01  # the least a worker's vote counts
FREEDOM = 6.0  # degrees of freedom of the errors of sides: some errors are large
SPREAD_N, OFFSET_N = 8, 10  # pseudo-sides in the estimates of a worker's spread and of a worker's offset
FOUND = 0.5  # a drawn box found its object if their IoU is at least this
DROPPED = 0.6  # by this share, a dropped box lowers the confidence that a picture is empty
SKILL_N = 5  # pseudo-objects in the estimate of a worker's skill
VOTING, MOVING = (10, 1e-3), (20, 1e-4)  # for steps 3 and 4 below: the most iterations, and the change that ends them


def boxes(answers: pd.DataFrame, *, learn: Sequence | None = None) -> Consolidated:
    """Merges several people's boxes into one set of boxes per picture.

    `answers`: item, worker, class_id, left, top, width, height (pixels), one row per box. A person who saw an item and
    drew nothing has one row with class_id -1. Other columns are ignored. Returns (labels, workers). labels has the
    columns item, class_id, left, top, width, height, confidence; the box of an item with the highest confidence comes
    first, and an item on which nothing is to be drawn has one row with class_id -1. workers has the columns worker,
    answers, skill; the skill is an F1 between 0 and 1. Both tables are sorted by their first column, and have the same
    bytes for any order of the rows of `answers`. Raises ValueError, which names the row, for a missing value, a side
    that is not a finite number, and a box without area.

    `learn`: a truth value per row, the same for all rows of an item. Weights, habits and skills are learned only from
    the items for which it is True. Each of the other items is then labeled from its own answers, by what was learned.
    So its label does not depend on any other such item, and nothing else depends on its answers.

    1. If one worker drew two boxes of a class with an IoU >= .8, only the first stays.
    2. The boxes of a picture are clustered by average linkage (Sokal and Michener, 1958). The affinity is the IoU,
       halved if the classes differ. The best pair is joined first, down to .3. A worker is never twice in a cluster.
    3. Does the object of a cluster exist? All who answered the picture vote, including those who drew nothing. Their
       weights v_w are 1 at first. The confidence is P(Beta(alpha, beta) > 1/2), where alpha = .25 + the votes of those
       who drew the object, and beta = .25 + the votes of those who did not. A worker's agreement is a mean over the
       clusters of pictures that two or more people answered, with 5 pseudo-clusters at .9. Where the worker drew the
       object, the mean takes the confidence without this worker's vote; where not, 1 - that confidence.
       v_w = max(.01, logit agreement), scaled to mean 1.
    4. Where is the object? A side's distance from the cluster's median, in widths (heights), is
       centre + worker's offset b_w + error. The error is Student-t with 6 degrees of freedom and scale^2 q_w tau_side,
       estimated by EM (Lange, Little, Taylor, 1989, "Robust statistical modeling using the t distribution"). So an
       imprecise worker counts less, and a worker's habit, such as leaving a margin, is subtracted. Clusters count by
       their confidence.
    5. The class is the one with the most votes, weighted by v. The object exists if its confidence is at least .5. The
       reported confidence is multiplied by the class's share of the votes.
    6. The skill compares a worker with what the others agree on. If the IoU of a drawn box with the box that is fused
       without it is >= .5, the drawn box counts as right with the confidence without this worker's vote. Recall is the
       sum over the right boxes / the sum of these confidences over all clusters that the worker voted on; precision is
       the same sum / the number of boxes drawn. Both have 5 pseudo-objects at the job's mean. The skill is their F1.

    An empty picture has the confidence 1 - c. Here c is the highest confidence of a box that was dropped, or that of a
    box that only one further worker would have drawn there. If a worker did draw something, the confidence is cut by
    60 %, because an object that most people miss and somebody sees is there more often than not.
    """
    taught = teaching(answers, learn)
    for column in ("item", "worker"):
        codes(answers, column)  # names the row of a mistake
    _checked(answers)
    first, learned = _labeled(answers[taught], None)
    return first if taught.all() else together(first, _labeled(answers[~taught], learned)[0])


def open_questions(answers: pd.DataFrame, learn: np.ndarray, most: int) -> pd.DataFrame:
    """What more answers might change: item, change, fit; sorted by item. Arguments as of `boxes`; skills are learned
    from the items for which `learn` is True, and `most` is how many people are asked about an item at the most.

    change: the largest chance, over the item's clusters, that the people who may still be asked turn the vote on
    whether the object is there, or on its class. Their votes are drawn from Beta(alpha, beta) of step 3, each with the
    mean weight 1. fit: the least over the item's boxes of the second-best IoU of a worker's box with the merged box; 1
    where the item has no boxes. It is high if two people drew the object alike.
    """
    _checked(answers)
    _, learned = _labeled(answers[learn], None)
    found = _grouped(answers)
    known = np.append(learned.workers.get_indexer(found.names), -1)
    weight, clusters, items = learned.weight[known], len(found.cluster_item), len(found.items)
    every = _voted(
        found.cluster, found.worker, found.cluster_item, found.seen_item, found.seen_worker, len(known), weight
    )
    drew = np.bincount(found.cluster, weight[found.worker], minlength=clusters)
    did_not = np.maximum(np.bincount(every.cluster, weight[every.worker], minlength=clusters) - drew, 0)
    left = np.maximum(most - np.bincount(found.seen_item, minlength=items)[found.cluster_item], 0)
    _, share = _won(found.cluster, found.class_id, weight[found.worker])
    there = drew >= did_not
    turned = np.maximum(
        _turned(drew, did_not, left), np.where(there, _turned(drew * share, drew * (1 - share), left), 0.0)
    )
    fused, _ = _fused(found.cluster, found.worker, found.box, learned.habits and learned.habits.of(known))
    overlap = iou(found.box, fused[found.cluster])
    turn = np.lexsort([-overlap, found.cluster])
    second = np.zeros(clusters)
    at = np.flatnonzero(np.diff(found.cluster[turn], prepend=-1) > 0) + 1  # one after each cluster's first
    several = np.bincount(found.cluster, minlength=clusters) > 1
    second[several] = overlap[turn][at[several]]

    change, fit = np.zeros(items), np.ones(items)
    np.maximum.at(change, found.cluster_item, turned)
    np.minimum.at(fit, found.cluster_item, np.where(there, second, 1.0))
    return pd.DataFrame({"item": found.items, "change": change, "fit": fit})


def agreement(answers: pd.DataFrame, pairs: int) -> float:
    """How often another person who answered the item drew a person's box, too. `pairs` comparisons without agreement
    are added, so that it is less if few answers show it."""
    found = _grouped(answers)
    size, seen = np.bincount(found.cluster), np.bincount(found.seen_item, minlength=len(found.items))
    compared = (size * (seen[found.cluster_item] - 1)).sum()
    return float((size * (size - 1)).sum() / (compared + pairs))


def _turned(yes: np.ndarray, no: np.ndarray, left: np.ndarray) -> np.ndarray:
    """The chance that `left` more votes turn the result; a tie is a yes."""
    from scipy.special import betaln, gammaln

    alpha, beta = EITHER + yes, EITHER + no
    chance = np.zeros(len(yes))
    for more in range(int(left.max(initial=0)) + 1):
        rest = left - more
        some = np.maximum(rest, 0)
        ways = gammaln(left + 1) - gammaln(more + 1) - gammaln(some + 1)
        drawn = np.exp(ways + betaln(alpha + more, beta + some) - betaln(alpha, beta))
        chance += np.where((rest >= 0) & ((yes + more >= no + some) != (yes >= no)), drawn, 0.0)
    return np.minimum(chance, 1.0)


class _Habits(NamedTuple):
    offset: np.ndarray  # b, (workers, 4)
    spread: np.ndarray  # q, (workers, 1)
    scale: np.ndarray  # tau, (4,)

    def of(self, workers: np.ndarray) -> "_Habits":
        return _Habits(self.offset[workers], self.spread[workers], self.scale)


class _Learned(NamedTuple):
    """What is known about workers. Arrays have one more entry at their end, for a worker about whom nothing is
    known."""

    workers: pd.Index
    weight: np.ndarray  # v
    habits: _Habits | None  # None if no two workers drew the same object
    skill: np.ndarray


def _labeled(answers: pd.DataFrame, learned: _Learned | None) -> tuple[Consolidated, _Learned]:
    """The labels and workers of the answers, by what was `learned`; if that is None, it is learned from these
    answers."""
    items, names, seen_item, seen_worker, worker, class_id, box, cluster, cluster_item = _grouped(answers)
    workers = len(names) + 1
    known = None if learned is None else np.append(learned.workers.get_indexer(names), -1)

    weight = None if learned is None else learned.weight[known]
    vote = _voted(cluster, worker, cluster_item, seen_item, seen_worker, workers, weight)
    if learned is None:
        sure = np.where(np.bincount(cluster, minlength=len(cluster_item)) > 1, vote.confidence, 0.0)
        habits = _habits(cluster, worker, box, sure, workers)
    else:
        habits = learned.habits and learned.habits.of(known)
    fused, without = _fused(cluster, worker, box, habits)
    if learned is None:
        found = iou(box, without) >= FOUND  # False where nobody else drew it
        learned = _Learned(names, vote.weight, habits, _skill(vote, cluster, worker, found))
        known = np.arange(workers)
    winner, share = _won(cluster, class_id, vote.weight[worker])

    exists = vote.confidence >= 0.5
    empty = np.setdiff1d(np.arange(len(items)), cluster_item[exists])
    doubt = _over_half(EITHER + 1, EITHER + np.bincount(seen_item, vote.weight[seen_worker], minlength=len(items)))
    np.maximum.at(doubt, cluster_item, vote.confidence)
    drawn_by = np.zeros(len(items))
    np.maximum.at(drawn_by, cluster_item, np.minimum(np.bincount(cluster, vote.weight[worker]), 1))
    quiet = (1 - doubt) * (1 - DROPPED * drawn_by)
    nothing = np.zeros((len(empty), 4))
    place = np.concatenate([np.column_stack([fused[:, :2], fused[:, 2:] - fused[:, :2]])[exists], nothing])
    labels = pd.DataFrame(
        {
            "item": np.concatenate([cluster_item[exists], empty]),
            "class_id": np.concatenate([winner[exists], np.full(len(empty), -1)]),
            **dict(zip(SIDES, place.round(6).T)),  # rounded, so that a box that all drew alike stays exactly so
            "confidence": np.concatenate([(vote.confidence * share)[exists], quiet[empty]]),
        }
    )
    turn = np.lexsort([-labels["confidence"], labels["item"]])
    labels = labels.iloc[turn].reset_index(drop=True)
    return Consolidated(
        labels.assign(item=items.take(labels["item"])),
        pd.DataFrame(
            {
                "worker": names,
                "answers": np.bincount(seen_worker, minlength=workers)[:-1],
                "skill": learned.skill[known][:-1],
            }
        ),
    ), learned


class _Grouped(NamedTuple):
    """The result of steps 1 and 2. Items and workers are positions in `items` and `names`."""

    items: pd.Index
    names: pd.Index
    seen_item: np.ndarray  # who answered which item, with or without boxes: one per item and worker, sorted
    seen_worker: np.ndarray
    worker: np.ndarray  # one per box that stays, as the next three
    class_id: np.ndarray
    box: np.ndarray
    cluster: np.ndarray
    cluster_item: np.ndarray  # one per cluster


def _grouped(answers: pd.DataFrame) -> _Grouped:
    """Steps 1 and 2."""
    item, items = codes(answers, "item")
    worker, names = codes(answers, "worker")
    class_id, sides = _checked(answers)
    turn = np.lexsort([*sides.T[::-1], class_id, worker, item])
    item, worker, class_id, sides = item[turn], worker[turn], class_id[turn], sides[turn]
    seen_item, seen_worker = np.divmod(distinct(item * (len(names) + 1) + worker), len(names) + 1)
    drawn = np.flatnonzero(class_id >= 0)
    box = corners(sides[drawn])
    once, cluster = _clustered(item[drawn], worker[drawn], class_id[drawn], box)
    item, worker, class_id, box = item[drawn][once], worker[drawn][once], class_id[drawn][once], box[once]
    cluster_item = item[np.unique(cluster, return_index=True)[1]]
    return _Grouped(items, names, seen_item, seen_worker, worker, class_id, box, cluster, cluster_item)


def _checked(answers: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """class_id and sides as arrays; sides are 0 where nothing was drawn."""
    table = answers[["class_id", *SIDES]].apply(pd.to_numeric, errors="coerce")
    number, sides = table["class_id"].to_numpy(float, na_value=np.nan), table[SIDES].to_numpy(float, na_value=np.nan)
    drawn = number >= 0
    for bad, what in (
        (~((number >= -1) & (number % 1 == 0)), "class_id is neither the number of a class nor -1"),
        (drawn & ~np.isfinite(sides).all(axis=1), "a side of the box is not a finite number"),
        (drawn & ~(sides[:, 2:] > 0).all(axis=1), "the box has no area; width and height are above 0"),
    ):
        if bad.any():
            row = int(bad.argmax())
            raise ValueError(f"row {row}: {what}: {answers[['class_id', *SIDES]].iloc[row].to_dict()}")
    return number.astype(np.int64), np.where(drawn[:, None], sides, 0.0)


def _over_half(alpha, beta) -> np.ndarray:
    """P(Beta(alpha, beta) > 1/2)."""
    from scipy.special import betainc

    return betainc(beta, alpha, 0.5)


def _clustered(item, worker, class_id, box) -> tuple[np.ndarray, np.ndarray]:
    """Steps 1 and 2: the boxes that stay, and the cluster of each; clusters are numbered in the order of first
    boxes."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # compare boxes of a picture that are 1, 2, ... rows apart, so that memory grows with the boxes, not with the pairs
    twice = np.zeros(len(item), bool)
    edges = [np.zeros((0, 2), np.int64)]
    ends = np.searchsorted(item, item, side="right")
    one, step = np.arange(len(item)), 0
    while len(one):
        step += 1
        one = one[one + step < ends[one]]
        other = one + step
        near = iou(box[one], box[other])
        same_class, same_worker = class_id[one] == class_id[other], worker[one] == worker[other]
        twice[other[(near >= TWICE) & same_class & same_worker]] = True
        linked = (np.where(same_class, near, near / 2) >= LINK) & ~same_worker
        edges.append(np.column_stack([one[linked], other[linked]]))
    edge = np.concatenate(edges)
    edge = edge[~twice[edge].any(axis=1)]
    once = np.flatnonzero(~twice)
    edge = np.searchsorted(once, edge)
    worker, class_id, box = worker[once], class_id[once], box[once]

    # boxes that no chain of such pairs connects are never linked; if every two boxes are a pair, all are one cluster
    graph = coo_array((np.ones(len(edge)), (edge[:, 0], edge[:, 1])), shape=(len(once), len(once)))
    groups, group = connected_components(graph, directed=False) if len(once) else (0, np.zeros(0, np.int32))
    size = np.bincount(group, minlength=groups)
    pairs = np.bincount(group[edge[:, 0]], minlength=groups)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(size)[:-1])
    name = np.zeros(len(once), np.int64)
    for number in np.flatnonzero(pairs < size * (size - 1) // 2):
        rows = members[number]
        name[rows] = _linked(box[rows], worker[rows], class_id[rows])
    key = group.astype(np.int64) * max(1, len(once)) + name
    return once, pd.factorize(key)[0]


def _linked(box: np.ndarray, worker: np.ndarray, class_id: np.ndarray) -> np.ndarray:
    """Average linkage of a few boxes of one picture: the cluster of each box, named by one of the cluster's boxes."""
    affinity = iou(box[:, None], box[None])
    affinity[class_id[:, None] != class_id] /= 2
    affinity[worker[:, None] == worker] = -np.inf  # every mean with it stays -inf, too
    size, name = np.ones(len(box)), np.arange(len(box))
    while True:
        one, other = divmod(int(affinity.argmax()), len(box))
        if affinity[one, other] < LINK:
            return name
        mean = (size[one] * affinity[one] + size[other] * affinity[other]) / (size[one] + size[other])
        affinity[one] = affinity[:, one] = mean
        affinity[one, one] = affinity[other] = affinity[:, other] = -np.inf
        size[one] += size[other]
        name[name == other] = one


class _Votes(NamedTuple):
    """The result of step 3. There is a vote for every cluster (sorted) by every worker who answered its picture
    (sorted)."""

    confidence: np.ndarray  # one per cluster
    weight: np.ndarray  # one per worker
    cluster: np.ndarray  # one per vote, as the next arrays
    worker: np.ndarray
    compared: np.ndarray  # whether somebody else answered the picture
    others: np.ndarray  # the cluster's confidence without this vote


def _voted(cluster, worker, cluster_item, seen_item, seen_worker, workers: int, weight: np.ndarray | None) -> _Votes:
    """Step 3: does it exist? With the given weights of the workers, or else with the weights that these votes yield."""
    starts = np.searchsorted(seen_item, cluster_item)
    count = np.searchsorted(seen_item, cluster_item, side="right") - starts
    v_cluster = np.repeat(np.arange(len(cluster_item)), count)
    v_worker = seen_worker[np.arange(len(v_cluster)) + np.repeat(starts - np.cumsum(count) + count, count)]
    drew = np.zeros(len(v_cluster), bool)
    drew[np.searchsorted(v_cluster * workers + v_worker, cluster * workers + worker)] = True
    compared = count[v_cluster] >= 2
    n = np.bincount(v_worker[compared], minlength=workers)

    def confidence(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        yes, no = v[v_worker] * drew, v[v_worker] * ~drew
        alpha = EITHER + np.bincount(v_cluster, yes, minlength=len(cluster_item))
        beta = EITHER + np.bincount(v_cluster, no, minlength=len(cluster_item))
        return _over_half(alpha, beta), _over_half(alpha[v_cluster] - yes, beta[v_cluster] - no)

    v = np.ones(workers) if weight is None else weight
    for _ in range(VOTING[0] if weight is None and len(v_worker) else 0):
        _, others = confidence(v)
        agreed = np.where(drew, others, 1 - others) * compared
        agreement = (np.bincount(v_worker, agreed, minlength=workers) + AGREE_N * AGREE) / (n + AGREE_N)
        new = np.maximum(VOTE, np.log(agreement / (1 - agreement)))
        new /= new[v_worker].mean()
        moved, v = np.abs(new - v).max(), new
        if moved < VOTING[1]:
            break
    sure, others = confidence(v)
    return _Votes(sure, v, v_cluster, v_worker, compared, others)


def _total(values: np.ndarray, by: np.ndarray, count: int) -> np.ndarray:
    return np.column_stack([np.bincount(by, column, minlength=count) for column in values.T])


def _spread(cluster, box) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each cluster's median box, the unit of its sides, and each box's distances from it in those units."""
    middle = pd.DataFrame(box).groupby(cluster).median().to_numpy()
    unit = np.tile(np.maximum(middle[:, 2:] - middle[:, :2], 1.0), 2)
    return middle, unit, (box - middle[cluster]) / unit[cluster]


def _habits(cluster, worker, box, sure, workers: int) -> _Habits | None:
    """The part of step 4 that is about workers."""
    middle, _, z = _spread(cluster, box)
    c = sure[cluster][:, None]
    if not c.any():  # no two people drew the same object anywhere
        return None
    n_w = np.bincount(worker, minlength=workers)[:, None]
    c_w = _total(c, worker, workers)
    b, q, u = np.zeros((workers, 4)), np.ones((workers, 1)), np.ones(z.shape)
    tau = np.maximum((c * z**2).sum(axis=0) / c.sum(), 1e-9)  # where all agree, nothing is left to estimate
    centre = np.zeros(middle.shape)
    for _ in range(MOVING[0]):
        om = u / (q[worker] * tau)
        mass = _total(om, cluster, len(middle))
        new = _total(om * (z - b[worker]), cluster, len(middle)) / mass
        e = z - b[worker] - new[cluster]
        moved, centre = np.abs(new - centre).max(), new
        d = u * (e**2 + (1 / mass)[cluster])
        q = (_total(c * d / tau, worker, workers).sum(axis=1, keepdims=True) + SPREAD_N) / (4 * c_w + SPREAD_N)
        q /= np.exp((n_w * np.log(q)).sum() / n_w.sum())
        tau = np.maximum((c * d / q[worker]).sum(axis=0) / c.sum(), 1e-9)
        pull = u * c / q[worker]
        habit = _total(pull * (z - centre[cluster]), worker, workers) / (_total(pull, worker, workers) + OFFSET_N)
        habit -= (n_w * habit / q).sum(axis=0) / (n_w / q).sum()
        if moved < MOVING[1] and np.abs(habit - b).max() < MOVING[1]:
            break
        b, u = habit, (FREEDOM + 1) / (FREEDOM + e**2 / (q[worker] * tau))
    return _Habits(b, q, tau)


def _fused(cluster, worker, box, habits: _Habits | None) -> tuple[np.ndarray, np.ndarray]:
    """Step 4: where is it? The box of each cluster, and for each drawn box the one fused without it, NaN if it is
    alone."""
    middle, unit, z = _spread(cluster, box)
    if habits is None:
        return middle, np.full(box.shape, np.nan)
    b, q, tau = habits
    centre, om, mass, u = np.zeros(middle.shape), z, middle, np.ones(z.shape)
    for _ in range(MOVING[0]):  # always this often, so that no cluster's box depends on another cluster
        om = u / (q[worker] * tau)
        mass = _total(om, cluster, len(middle))
        centre = _total(om * (z - b[worker]), cluster, len(middle)) / mass
        u = (FREEDOM + 1) / (FREEDOM + (z - b[worker] - centre[cluster]) ** 2 / (q[worker] * tau))

    fused = middle + centre * unit
    thin = ~(fused[:, 2:] > fused[:, :2]).all(axis=1)
    fused[thin] = middle[thin]
    rest = mass[cluster] - om
    alone = (np.bincount(cluster)[cluster] == 1)[:, None]
    others = np.divide(
        (mass * centre)[cluster] - om * (z - b[worker]), rest, out=np.full(z.shape, np.nan), where=~alone & (rest > 0)
    )
    return fused, middle[cluster] + others * unit[cluster]


def _won(cluster, class_id, weight) -> tuple[np.ndarray, np.ndarray]:
    """Step 5: the class of each cluster, and its share of the votes. In a tie, the first class wins."""
    classes = int(class_id.max(initial=0)) + 1
    key = cluster * classes + class_id
    keys = distinct(key)
    tally = np.bincount(np.searchsorted(keys, key), weight, minlength=len(keys))
    of, number = np.divmod(keys, classes)
    first = np.lexsort([number, -tally, of])
    first = first[np.diff(of[first], prepend=-1) > 0]
    return number[first], tally[first] / np.bincount(cluster, weight)


def _skill(vote: _Votes, cluster, worker, found) -> np.ndarray:
    """Step 6: each worker's F1 against what the others agree on."""
    workers = len(vote.weight)
    mine = np.searchsorted(vote.cluster * workers + vote.worker, cluster * workers + worker)
    compared = vote.compared[mine]
    right = np.bincount(worker, vote.others[mine] * (found & compared), minlength=workers)
    objects = np.bincount(vote.worker, vote.others * vote.compared, minlength=workers)
    drawn = np.bincount(worker[compared], minlength=workers)
    if not right.any():  # no object was drawn by two workers, so no worker is known to differ from others
        return np.full(workers, AGREE)
    recall = (right + SKILL_N * right.sum() / objects.sum()) / (objects + SKILL_N)
    precision = (right + SKILL_N * right.sum() / drawn.sum()) / (drawn + SKILL_N)
    return 2 * recall * precision / (recall + precision)
