"""Boxes: what several people drew on a picture becomes one set of boxes.

Inside, a box is an array row (left, top, right, bottom), and rows are sorted, so that results do not depend on the
order of the table.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from roundtruth.boxes import SIDES, corners, iou
from roundtruth.consolidation.tables import Consolidated, codes, distinct, teaching, together

TWICE = 0.8  # IoU from which one worker's two boxes of a class are one thing drawn twice
LINK = 0.3  # mean affinity down to which clusters are joined
EITHER = 0.25  # pseudo-votes for, and against, each box
AGREE, AGREE_N = 0.9, 5  # the agreement assumed before any answer, and how many clusters that counts for
VOTE = 0.01  # the least a worker's vote counts
FREEDOM = 6.0  # degrees of freedom of the errors of sides: now and then somebody is far off
SPREAD_N, OFFSET_N = 8, 10  # pseudo-sides behind a worker's spread, and behind their offset
FOUND = 0.5  # IoU from which a drawn box found its object
DROPPED = 0.6  # how much doubt a dropped box leaves about an empty picture
SKILL_N = 5  # pseudo-objects behind a worker's skill
VOTING, MOVING = (10, 1e-3), (20, 1e-4)  # the most turns of 3. and 4. below, and the change that ends them


def boxes(answers: pd.DataFrame, *, learn: Sequence | None = None) -> Consolidated:
    """One set of boxes a picture from several people's boxes.

    `answers`: item, worker, class_id, left, top, width, height (pixels), one row a box; who saw an item and drew
    nothing has one row with class_id -1. Other columns are ignored. Gives (labels, workers): labels(item, class_id,
    left, top, width, height, confidence), the surest box of an item first, and one row with class_id -1 for an item on
    which nothing is to be drawn; workers(worker, answers, skill), skill an F1 between 0 and 1. Both are sorted by their
    first column, and the same bytes for any order of the rows. Raises ValueError naming the row of a missing value, of
    a side that is no finite number, of a box without area.

    `learn`: a truth value a row, the same for all rows of an item. Only items for which it is True teach: weights,
    habits and skills are those of the table of these items alone. Each of the other items is then labeled from its own
    answers by what was learned, so that it depends on no other such item, nor does anything on it.

    1. Of one worker's two boxes of a class at IoU >= .8 the first stays.
    2. Boxes of a picture are clustered: average link (Sokal and Michener, 1958) of IoU, halved where the classes
       differ, best pair first, down to .3; never one worker twice in a cluster.
    3. Does it exist? All who answered the picture vote, those who drew nothing too, with weights v_w, 1 to begin with:
       confidence = P(Beta(alpha, beta) > 1/2), alpha = .25 + the votes of who drew it, beta = .25 + those of who did
       not. A worker's agreement is the mean, over the clusters of pictures that two or more answered, of the confidence
       without this vote where they drew, and of 1 - that where they did not, with 5 pseudo-clusters at .9;
       v_w = max(.01, logit agreement), scaled to mean 1.
    4. Where is it? A side's distance from the cluster's median, in widths (heights), is
       centre + worker's offset b_w + error, the error Student-t with 6 degrees and scale^2 q_w tau_side, estimated
       by EM (Lange, Little, Taylor, 1989, "Robust statistical modeling using the t distribution"). Who draws loosely
       counts less, and a worker's habit, such as leaving a margin, is taken off. Clusters count by their confidence.
    5. The class has the most votes, weighted by v. It exists from a confidence of .5; the confidence that is reported
       is multiplied by the class's share of the votes.
    6. Skill, against what the others agree on: a drawn box is right with the confidence without this worker's vote
       where its IoU with the box fused without it is >= .5; recall is that over the sum of those confidences, precision
       that over the boxes drawn, each with 5 pseudo-objects at the job's mean; skill is their F1.

    A picture left empty has the confidence 1 - the highest confidence of a box that was dropped, or of one that one
    more worker would have drawn there alone. Where a worker did draw, it is cut by 60 %: what most miss and somebody
    sees is there more often than not.
    """
    taught = teaching(answers, learn)
    for column in ("item", "worker"):
        codes(answers, column)  # names the row of a mistake
    _checked(answers)
    first, learned = _labeled(answers[taught], None)
    return first if taught.all() else together(first, _labeled(answers[~taught], learned)[0])


class _Habits(NamedTuple):
    offset: np.ndarray  # b, (workers, 4)
    spread: np.ndarray  # q, (workers, 1)
    scale: np.ndarray  # tau, (4,)

    def of(self, workers: np.ndarray) -> "_Habits":
        return _Habits(self.offset[workers], self.spread[workers], self.scale)


class _Learned(NamedTuple):
    """What is known of workers. Arrays have one more worker at their end, of whom nothing is known."""

    workers: pd.Index
    weight: np.ndarray  # v
    habits: _Habits | None  # None where no two drew the same thing
    skill: np.ndarray


def _labeled(answers: pd.DataFrame, learned: _Learned | None) -> tuple[Consolidated, _Learned]:
    """The answers' labels and workers by what was `learned`; by what they teach themselves, where that is None."""
    item, items = codes(answers, "item")
    worker, names = codes(answers, "worker")
    workers = len(names) + 1
    known = None if learned is None else np.append(learned.workers.get_indexer(names), -1)
    class_id, sides = _checked(answers)
    turn = np.lexsort([*sides.T[::-1], class_id, worker, item])
    item, worker, class_id, sides = item[turn], worker[turn], class_id[turn], sides[turn]
    seen = distinct(item * workers + worker)  # who answered what, drawing or not
    seen_item, seen_worker = np.divmod(seen, workers)

    drawn = np.flatnonzero(class_id >= 0)
    box = corners(sides[drawn])
    once, cluster = _clustered(item[drawn], worker[drawn], class_id[drawn], box)
    item, worker, class_id, box = item[drawn][once], worker[drawn][once], class_id[drawn][once], box[once]
    cluster_item = item[np.unique(cluster, return_index=True)[1]]

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
            **dict(zip(SIDES, place.round(6).T)),  # what all drew alike comes out as they drew it
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


def _checked(answers: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """class_id and sides as arrays; the sides are 0 where nothing was drawn."""
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
    """1. and 2.: the boxes that stay, and each one's cluster, numbered in the order of their first boxes."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # pairs at a distance of 1, 2, ... rows of the same picture, so that memory grows with boxes, not with pairs
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

    # boxes that no chain of such pairs joins are never linked, and where every two are a pair, all are one cluster
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
    """Average link among a few boxes of one picture: each one's cluster, named by one of its boxes."""
    affinity = iou(box[:, None], box[None])
    affinity[class_id[:, None] != class_id] /= 2
    affinity[worker[:, None] == worker] = -np.inf  # and so stays the mean with it
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
    """What 3. comes to. The votes: every cluster (one sort) with every worker who answered its picture (sorted)."""

    confidence: np.ndarray  # a cluster
    weight: np.ndarray  # a worker
    cluster: np.ndarray  # a vote, as all that follow
    worker: np.ndarray
    compared: np.ndarray  # whether somebody else answered the picture
    others: np.ndarray  # the cluster's confidence without this vote


def _voted(cluster, worker, cluster_item, seen_item, seen_worker, workers: int, weight: np.ndarray | None) -> _Votes:
    """3. Does it exist? By the workers' weights, or by those that these votes give them."""
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
    """4., what it says of workers."""
    middle, _, z = _spread(cluster, box)
    c = sure[cluster][:, None]
    if not c.any():  # no two people drew the same thing anywhere
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
    """4. Where is it? Each cluster's box, and for each drawn box the one fused without it, NaN where it is alone."""
    middle, unit, z = _spread(cluster, box)
    if habits is None:
        return middle, np.full(box.shape, np.nan)
    b, q, tau = habits
    centre, om, mass, u = np.zeros(middle.shape), z, middle, np.ones(z.shape)
    for _ in range(MOVING[0]):  # always as often, so that no cluster's box depends on another's
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
    """5. Each cluster's class, and its share of the votes; of equals, the first class."""
    classes = int(class_id.max(initial=0)) + 1
    key = cluster * classes + class_id
    keys = distinct(key)
    tally = np.bincount(np.searchsorted(keys, key), weight, minlength=len(keys))
    of, number = np.divmod(keys, classes)
    first = np.lexsort([number, -tally, of])
    first = first[np.diff(of[first], prepend=-1) > 0]
    return number[first], tally[first] / np.bincount(cluster, weight)


def _skill(vote: _Votes, cluster, worker, found) -> np.ndarray:
    """6. Each worker's F1 against what the others agree on."""
    workers = len(vote.weight)
    mine = np.searchsorted(vote.cluster * workers + vote.worker, cluster * workers + worker)
    compared = vote.compared[mine]
    right = np.bincount(worker, vote.others[mine] * (found & compared), minlength=workers)
    objects = np.bincount(vote.worker, vote.others * vote.compared, minlength=workers)
    drawn = np.bincount(worker[compared], minlength=workers)
    if not right.any():  # nothing was drawn twice: no worker is known to differ
        return np.full(workers, AGREE)
    recall = (right + SKILL_N * right.sum() / objects.sum()) / (objects + SKILL_N)
    precision = (right + SKILL_N * right.sum() / drawn.sum()) / (drawn + SKILL_N)
    return 2 * recall * precision / (recall + precision)
