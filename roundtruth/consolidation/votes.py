"""Votes: merges what several people said about an item into one class."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from roundtruth.consolidation.tables import Consolidated, codes, distinct, teaching, together

ALL = 30.0  # G: pseudo-answers in the estimates for the whole job
WORKER = 4.0  # S: pseudo-answers in the estimates for one worker
WRONG, MOST_WRONG = 1.0, 9.0  # U: a worker's pseudo-answers of each wrong class, and the most in all
BEFORE = 0.7  # a0: the accuracy that is assumed before any answer
STILL, TURNS = 1e-3, 20  # the estimate has converged if it changes by less; the most iterations
FEW = 50  # with fewer comparable answers per class, times their agreement above chance, no majority is overruled
TOGETHER = 0.2  # the correlation of the answers to one item
FLOOR = 0.05  # the share of pure chance in a confidence, however many answers there are: some items are hopeless


def votes(answers: pd.DataFrame, classes: Sequence | None = None, *, learn: Sequence | None = None) -> Consolidated:
    """Merges several people's answers into one label per item.

    `answers`: item, worker, label, one row per answer (an answer that a worker repeats counts once). Other columns are
    ignored. `classes`: all classes, including those that nobody voted for; ties are broken in this order. The default
    is the labels that occur, sorted. Returns (labels, workers). labels has the columns item, label, confidence; the
    label has the type of the answers' labels. workers has the columns worker, answers, skill; the skill is the
    estimated accuracy. Both tables are sorted by their first column, and have the same bytes for any order of the rows
    of `answers`. Raises ValueError, which names the row, for a missing value or a label that is not in `classes`.

    The model is that of Dawid and Skene ("Maximum likelihood estimation of observer error-rates using the EM
    algorithm", 1979), with the workers' confusion matrices pooled at two levels. Q[i, k] is the probability that item i
    is of class k.

    `learn`: a truth value per row, the same for all rows of an item; `classes` must be given with it. Shares,
    confusions and skills are learned only from the items for which it is True. Each of the other items is then labeled
    from its own answers, by what was learned. So its label does not depend on any other such item, and nothing else
    depends on its answers.

    0. Q starts as the shares of the votes.
    1. Only items with two answers or more count here; they have m answers, n_w of them by worker w. N[w, k, l] is the
       sum of Q[i, k] over w's answers l. f_w = (n_w - 1) / n_w corrects for what a worker adds to the consensus that
       the worker is compared with. From these follow
       the mean accuracy a = (sum N[w, k, k] + G a0) / (m + G);
       all workers' confusion P[k] ~ sum_w N[w, k] + G M(a)[k], where M(a) has a on its diagonal and is even elsewhere;
       a worker's skill a_w = (f_w sum_k N[w, k, k] + S a) / (f_w n_w + S); a worker's confusion T[w, k] ~ f_w N[w, k] +
       S (P[k] + M(a_w)[k]) / 2 + U / K, where U is 1 for each wrong class, but at most 9; the classes' shares p[k] ~
       sum_i Q[i, k] + G (share of the votes for k). U makes those count less about whom little is known.
    2. From all answers, L[i, k] = log p[k] + sum log T[w, k, l]. Q = softmax(L) over the classes that somebody gave the
       item.
    3. Steps 1 and 2 are repeated until Q has converged.
    4. The label is the class with the largest Q; exact ties go to the first class. Two answers to an item agree more
       often than by chance by a share of kappa (Fleiss, 1971): 0 is chance, 1 is always. If kappa m is below 50 per
       class, the answers do not show who is good, and the model could learn to ignore most people. Then only the
       classes with the most votes can win.
    5. The confidence is softmax(L / (1 + .2 (r - 1))) over all classes, mixed with 5 % of pure chance. r is the number
       of the item's answers. The divisor is there because these answers are correlated. Here U is 0: with it, the
       confidence of a good crowd's labels would be far too low.
    """
    found = with_posteriors(answers, classes, learn)
    return Consolidated(found.labels.drop(columns="posterior"), found.workers)


def with_posteriors(answers: pd.DataFrame, classes: Sequence | None, learn: Sequence | None) -> Consolidated:
    """As `votes`; labels has one more column, posterior: softmax(L) over all classes, as if the answers to an item were
    independent."""
    if learn is not None and classes is None:
        raise ValueError("classes must be given with learn: else they would depend on items with learn False")
    taught = teaching(answers, learn)
    for column, known in (("item", None), ("worker", None), ("label", classes)):
        codes(answers, column, known)  # names the row of a mistake
    first, learned = _labeled(answers[taught], classes, None)
    return first if taught.all() else together(first, _labeled(answers[~taught], classes, learned)[0])


class _Learned(NamedTuple):
    """The result of step 1. Arrays over workers have one more entry at their end, for a worker about whom nothing is
    known."""

    workers: pd.Index
    worker: np.ndarray  # one per cell (w, k, l) of N that is in use, as the next three arrays
    class_id: np.ndarray
    label: np.ndarray
    N: np.ndarray
    f: np.ndarray  # one per worker
    skill: np.ndarray  # one per worker
    P: np.ndarray
    log_p: np.ndarray  # one per class
    few: bool  # whether the answers show too little of who is good for the model to overrule a majority


def _labeled(answers: pd.DataFrame, classes, learned: _Learned | None) -> tuple[Consolidated, _Learned]:
    """The labels and workers of the answers, by what was `learned`; if that is None, it is learned from these
    answers."""
    item, items = codes(answers, "item")
    worker, workers = codes(answers, "worker")
    label, names = codes(answers, "label", classes)
    # one order for any order of the table, so that sums come out the same; an answer that a worker repeats counts once
    key = distinct((item * len(workers) + worker) * len(names) + label)
    rest, label = np.divmod(key, max(1, len(names)))
    item, worker = np.divmod(rest, max(1, len(workers)))
    if learned is None:
        learned = _learned(item, worker, label, len(items), workers, len(names))
    place = learned.workers.get_indexer(workers)  # -1, the last, where nothing is known
    place = np.where(place < 0, len(learned.workers), place)
    best, confidence, posterior = _merged(item, place[worker], label, len(items), len(names), learned)
    count = np.bincount(worker, minlength=len(workers))
    return Consolidated(
        pd.DataFrame({"item": items, "label": names.take(best), "confidence": confidence, "posterior": posterior}),
        pd.DataFrame({"worker": workers, "answers": count, "skill": learned.skill[place]}),
    ), learned


def _learned(item, worker, label, items: int, names: pd.Index, K: int) -> _Learned:
    """Steps 0 to 3. The arrays are codes, one row per answer, sorted."""
    workers = len(names) + 1
    # g: the classes that somebody gave an item, sorted; e: every pair of an answer and a g of its item; c: the cells of
    # N that are in use, which are a small part of all cells if there are many classes
    given = distinct(item * K + label)
    g_item, g_class = np.divmod(given, K)
    g_first = np.searchsorted(g_item, np.arange(items + 1))
    e_count = np.diff(g_first)[item]
    e_answer = np.repeat(np.arange(len(item)), e_count)
    e_g = np.arange(len(e_answer)) + np.repeat(g_first[item] - np.cumsum(e_count) + e_count, e_count)
    e_c, cells = pd.factorize((worker[e_answer] * K + g_class[e_g]) * K + label[e_answer])
    c_worker_class, c_label = np.divmod(cells, K)
    c_worker, c_class = np.divmod(c_worker_class, K)
    c_row, rows = pd.factorize(c_worker_class)
    c_right = c_label == c_class

    r = np.bincount(item, minlength=items)
    compared = r[item] >= 2
    e_compared = compared[e_answer].astype(float)
    n = np.bincount(worker[compared], minlength=workers)
    f = np.maximum(n - 1, 0) / np.maximum(n, 1)
    share = (np.bincount(label, minlength=K) + 1) / (len(label) + K)
    said = np.bincount(np.searchsorted(given, item * K + label), minlength=len(given))
    few = above_chance(said, r, label) * n.sum() < FEW * K

    Q, learned = said / r[g_item], None
    for _ in range(TURNS):
        N = np.bincount(e_c, Q[e_g] * e_compared, minlength=len(cells))
        right = np.bincount(c_worker[c_right], N[c_right], minlength=workers)
        a = (right.sum() + ALL * BEFORE) / (n.sum() + ALL)
        a_w = (f * right + WORKER * a) / (f * n + WORKER)
        P = np.bincount(c_class * K + c_label, N, minlength=K * K).reshape(K, K)
        P = P + ALL * np.where(np.eye(K, dtype=bool), a, (1 - a) / max(1, K - 1))
        P /= P.sum(axis=1, keepdims=True)
        p = np.bincount(g_class, Q, minlength=K) + ALL * share
        log_p = np.log(p / p.sum())
        learned = _Learned(names, c_worker, c_class, c_label, N, f, a_w, P, log_p, bool(few))
        if not items:
            break
        row = np.bincount(c_row, N, minlength=len(rows))[c_row]
        log_T = _log_confusion(N, row, f[c_worker], P[c_class, c_label], c_right, a_w[c_worker], K, _even(K))

        L = log_p[g_class] + np.bincount(e_g, log_T[e_c], minlength=len(given))
        new = _share(L, g_first, g_item)
        moved, Q = np.abs(new - Q).sum() / 2 / items, new
        if moved < STILL:
            break
    assert learned is not None
    return learned


def above_chance(said: np.ndarray, r: np.ndarray, label: np.ndarray) -> float:
    """Kappa: how much more often than by chance two answers to an item agree. `said` counts the answers of each class
    that somebody gave an item, `r` the answers of each item; `label` has all answers."""
    pairs, same, chance = (r * (r - 1.0)).sum(), (said * (said - 1.0)).sum(), by_chance(label)
    if not pairs:
        return 0.0
    return float((same / pairs - chance) / (1 - chance)) if chance < 1 else 1.0


def by_chance(label: np.ndarray) -> float:
    """How often two of some answers are alike, whatever items they are about."""
    return float(((np.bincount(label) / max(1, len(label))) ** 2).sum())


def _share(L: np.ndarray, g_first: np.ndarray, g_item: np.ndarray) -> np.ndarray:
    """softmax(L) over the classes that somebody gave an item."""
    Q = np.exp(L - np.maximum.reduceat(L, g_first[:-1])[g_item])
    return Q / np.add.reduceat(Q, g_first[:-1])[g_item]


def _merged(item, worker, label, items: int, K: int, learned: _Learned) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps 4 and 5: classes, confidences and posteriors. The arrays are codes, one row per answer, sorted."""
    if not len(item):
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    given = distinct(item * K + label)
    g_item, g_class = np.divmod(given, K)
    g_first = np.searchsorted(g_item, np.arange(items + 1))
    said = np.bincount(np.searchsorted(given, item * K + label), minlength=len(given))
    heat = 1 + TOGETHER * (np.bincount(item, minlength=items) - 1)

    # one class at a time, so that memory does not grow with the number of classes; u: the answers (w, l) that occur
    workers, (j_u, used) = len(learned.skill), pd.factorize(worker * K + label)
    u_worker, u_label = np.divmod(used, K)
    c_u = pd.Index(used).get_indexer(learned.worker * K + learned.label)
    by_class, g_by_class = (np.argsort(column, kind="stable") for column in (learned.class_id, g_class))
    bounds = np.searchsorted(learned.class_id[by_class], np.arange(K + 1))
    g_bounds = np.searchsorted(g_class[g_by_class], np.arange(K + 1))
    L, sharp = np.zeros(len(given)), np.zeros(len(given))
    total, mild = np.full(items, -np.inf), np.full(items, -np.inf)
    for k in range(K):
        mine = by_class[bounds[k] : bounds[k + 1]]
        row = np.bincount(learned.worker[mine], learned.N[mine], minlength=workers)[u_worker]
        mine = mine[c_u[mine] >= 0]
        N_k = np.zeros(len(used))
        N_k[c_u[mine]] = learned.N[mine]
        f, skill = learned.f[u_worker], learned.skill[u_worker]
        g = g_by_class[g_bounds[k] : g_bounds[k + 1]]
        for into, even in ((L, _even(K)), (sharp, 0.0)):
            log_T = _log_confusion(N_k, row, f, learned.P[k, u_label], u_label == k, skill, K, even)
            L_k = learned.log_p[k] + np.bincount(item, log_T[j_u], minlength=items)
            into[g] = L_k[g_item[g]]
        total, mild = np.logaddexp(total, L_k), np.logaddexp(mild, L_k / heat)  # of the sharp one, the last

    Q = _share(L, g_first, g_item)
    if learned.few:
        Q = np.where(said == np.maximum.reduceat(said, g_first[:-1])[g_item], Q, 0.0)
    top = np.flatnonzero(np.maximum.reduceat(Q, g_first[:-1])[g_item] - Q <= 1e-9)
    best = top[np.diff(g_item[top], prepend=-1) > 0]  # in a tie, the first
    confidence = (1 - FLOOR) * np.exp(sharp[best] / heat - mild) + FLOOR / K
    return g_class[best], np.minimum(confidence, 1.0), np.minimum(np.exp(sharp[best] - total), 1.0)


def _even(K: int) -> float:
    return min(WRONG * (K - 1), MOST_WRONG)


def _log_confusion(N, row, f, P, right, skill, K: int, even: float) -> np.ndarray:
    """log T of cells (w, k, l): `row` is the sum of N over l, `right` where k = l; `even` is U."""
    M = np.where(right, skill, (1 - skill) / max(1, K - 1))
    return np.log((f * N + WORKER * (P + M) / 2 + even / K) / (f * row + WORKER + even))
