"""What the owner of a job sees of it: how it stands, who answered what, and where people disagree.

`Overview` gives plain values that become JSON, as the owner's page gets them.
"""

import math
import time
from collections import defaultdict
from statistics import median
from threading import Lock
from typing import Any, NamedTuple

import pandas as pd

from roundtruth import forecast
from roundtruth.plural import counted
from roundtruth.report import outlook, words
from roundtruth.report.disagreement import pairwise, worst
from roundtruth.serve import crowd, links
from roundtruth.serve.desk import Desk
from roundtruth.summary import summarize
from roundtruth.workforce import page
from roundtruth.workforce.page_log import Entry

COMPARED = 2_000  # items that were answered last, whose answers are compared
SHOWN = 100  # unclear items
PAGE = 24  # items of the gallery at once


class Overview:
    """One job. Several threads may use it. What was worked out is kept until the job folder says something new."""

    def __init__(self, desk: Desk):
        self.desk, self.lock = desk, Lock()
        self._figures: tuple[Any, dict] = (None, {})
        self._told: Said | None = None

    # -- the job

    def job(self) -> dict:
        """How the job stands, in a few figures."""
        desk = self.desk
        found, said = self._summary(), self._said()
        return {
            "id": desk.id,
            "name": desk.spec.name,
            "kind": desk.spec.kind,
            "state": desk.state,
            "round": desk.round or desk.job.last_round(),
            "asked": len(desk.asked),
            "answered": len(desk.asked) - len(desk.left),
            "wanted": [desk.spec.asking.least, desk.spec.asking.most],
            **{name: found["summary"][name] for name in ("items", "human", "auto", "failed")},
            "spent": found["summary"]["cost"]["total"],
            "currency": "$",
            "saved_percent": self._saved(found["summary"]),
            "forecast": found["forecast"],
            "people": len(said.mine),
            "unclear": len(said.unclear),
            "report": desk.has_report,
        }

    def figures(self) -> str:
        """How the job stands, in a line: labels, what the model would label now, and money."""
        found = self._summary()
        summary, total = found["summary"], found["forecast"]
        said = "Before this batch: " if self.desk.round else ""  # the figures have closed batches alone
        said += f"{summary['human']} of {summary['items']} labeled by you, {summary['auto']} by the model."
        if total:
            spent = words.money(summary["cost"]["total"])
            said += f" {self._model()} {spent} so far, about {words.money(total['total'])} in all."
        return said

    def _model(self) -> str:
        """What the newest model would label now."""
        job = self.desk.job
        looks = [look for round in range(job.last_round(), 0, -1) if (look := job.look(round))]
        if not looks:
            return "The model has not learned yet."
        if looks[0].final:
            return "It learns on."
        return f"It would label {words.count(looks[0].auto) if looks[0].auto else 'none'} of the rest now."

    def whole(self) -> dict:
        """The job, its rounds, its people, and the items that they found unclear."""
        rounds = self._summary()["summary"]["rounds"]
        names = ("round", "human", "auto", "objects", "cost", "threshold")
        people = self.people()
        return {
            "job": self.job(),
            "classes": self.desk.spec.classes,
            "rounds": [{name: row[name] for name in names} for row in rounds],
            "people": people,
            "few": self._few(people),
            "unclear": self._unclear(),
        }

    def _summary(self) -> dict:
        """What only the job's steps change."""
        desk = self.desk
        with self.lock:
            if self._figures[0] is not desk.files:
                files, summary = desk.files, summarize(desk.job)
                self._figures = files, {"summary": summary, "forecast": self._forecast()}
            return self._figures[1]

    def _forecast(self) -> dict | None:
        if self.desk.state in ("complete", "stopped"):
            return None
        found = forecast.newest(self.desk.job)
        text = " ".join(sentence for _, sentence in outlook.foreseen(self.desk.job, found))
        return {"total": found["cost"], "low": found["low"], "high": found["high"], "text": text}

    @staticmethod
    def _saved(summary: dict) -> float | None:
        done = summary["human"] + summary["auto"]
        return round(100 * summary["cost"]["saving"], 1) if done else None

    # -- its people

    def people(self) -> list[dict]:
        """Everybody who has a link or gave an answer, by name."""
        said = self._said()
        holds = self._holds()
        agreement = said.agreed.groupby("worker")["quality"].agg(["mean", "size"])
        rows = [
            self._person(worker, said.mine.get(worker, []), holds.get(worker, 0), agreement)
            for worker in self.workers()
        ]
        return sorted(rows, key=lambda row: (row["crowd"], row["worker"].casefold(), row["worker"]))

    def workers(self) -> set[str]:
        """Everybody who has a link or gave an answer."""
        return set(self._said().mine).union((link.worker for link in self.desk.links.values()), self.desk.people.states)

    def _few(self, people: list[dict]) -> str:
        """What to do where a picture may need more people than there are; empty where it may not."""
        desk, most = self.desk, self.desk.spec.asking.most
        here = sum(row["state"] == "active" and row["url"] is not None for row in people)
        if desk.crowd or not 0 < here < most or desk.state in ("complete", "stopped"):
            return ""
        have = counted(here, "[person has|people have] a link")
        return (
            f"A picture may need answers from {most} people, and {have}. If the batch waits for another person, add "
            "somebody here, or set a lower `answers: {most: ...}` in the job file."
        )

    def person(self, worker: str) -> dict:
        return next(row for row in self.people() if row["worker"] == worker)

    def _person(self, worker: str, mine: list[Entry], holds: int, agreement: pd.DataFrame) -> dict:
        desk = self.desk
        labels = [entry for entry in mine if entry["label"] is not None]
        judged = desk.judged(worker)
        state, below = desk.people.state(worker), desk.is_out(worker)
        has = worker in agreement.index
        return {
            "worker": worker,
            "state": "below" if below and state == "active" else state,
            "url": self.url(worker),
            "answers": len(labels),
            "cannot_tell": sum(map(doubts, mine)),
            "seconds": round(median(entry["seconds"] for entry in labels), 1) if labels else None,
            "last": max((entry["at"] for entry in mine), default=None),
            "holds": holds,
            "agreement": round(float(agreement.loc[worker, "mean"]), 4) if has else None,
            "compared": int(agreement.loc[worker, "size"]) if has else 0,
            "golds": int(judged["golds"].sum()),
            "gold_quality": round(float(judged["quality"].iloc[0]), 4) if len(judged) else None,
            "crowd": worker.startswith(crowd.PREFIX),
            "flag": f"Answers to pictures with known labels are below {self._least():g}." if below else "",
        }

    def _least(self) -> float:
        """The least quality of answers to pictures with known labels."""
        return self.desk.spec.workforce.gold_least

    def url(self, worker: str) -> str | None:
        """The address of a worker's page, relative to the owner's; None where no link is good."""
        good = [link for link in self.desk.links.values() if link.worker == worker and link.good()]
        return f"../../w/{links.token(self.desk.id, good[-1])}/" if good else None

    def _holds(self) -> dict[str, int]:
        """How many items each worker has now."""
        now, away, desk = time.time(), self.desk.people.away(), self.desk
        with desk.log.lock:
            held = [worker for item in desk.asked for worker in desk.log.items[item].holders(now, away)]
        return pd.Series(held, dtype="object").value_counts().to_dict()

    # -- what they said

    def _said(self) -> "Said":
        """What the log of the page says, worked out anew where it has new entries."""
        with self.lock:
            if self._told is None or self._told.entries != self.desk.log.entries:
                self._told = self._read()
            return self._told

    def _read(self) -> "Said":
        desk = self.desk
        with desk.log.lock:
            entries = desk.log.entries
            words = {item: known.words() for item, known in desk.log.items.items()}
        words = {item: said for item, said in words.items() if said}
        last = {item: max(entry["at"] for entry in said.values()) for item, said in words.items()}
        newest = sorted((item for item in words if item <= desk.job.begun["items"]), key=last.__getitem__)[-COMPARED:]
        compared = {item: words[item] for item in newest}
        answers = page.table(compared, desk.job.kind, desk.spec.classes, desk.items)
        mine: defaultdict[str, list[Entry]] = defaultdict(list)
        for said in words.values():
            for worker, entry in said.items():
                mine[worker].append(entry)
        unclear = {item: [entry for entry in said.values() if doubts(entry)] for item, said in words.items()}
        unclear = {item: reasons for item, reasons in unclear.items() if reasons}
        turn = sorted(unclear, key=lambda item: max(entry["at"] for entry in unclear[item]), reverse=True)
        unclear = {item: unclear[item] for item in turn}
        return Said(entries, words, dict(mine), unclear, answers, pairwise(desk.job.kind, answers))

    def _unclear(self) -> list[dict]:
        """The items that somebody could not tell, the newest first, with the reasons; at most SHOWN."""
        said = self._said()
        return [
            self._shown(item)
            | {"reasons": [{name: entry[name] for name in ("worker", "reason", "at")} for entry in said.unclear[item]]}
            for item in list(said.unclear)[:SHOWN]
        ]

    def gallery(self, number: int) -> dict:
        """A page of the items on which people disagree, with everybody's answer: those that wait for an answer that was
        sent back, then the most disputed first."""
        said = self._said()
        back = [item for item, words in said.words.items() if any("again" in entry for entry in words.values())]
        disputed = worst(said.agreed, len(said.agreed)).drop(back, errors="ignore")
        items = [*back, *disputed.index]
        shown = items[(number - 1) * PAGE : number * PAGE]
        pages = max(1, math.ceil(len(items) / PAGE))
        rows = [self._disputed(int(item), disputed.get(item)) for item in shown]
        return {"page": number, "pages": pages, "total": len(items), "items": rows}

    def _disputed(self, item: int, agreement: float | None) -> dict:
        said = self._said()
        labels = said.answers[(said.answers["item"] == item) & said.answers["reason"].isna()]
        kind, classes = self.desk.job.kind, self.desk.spec.classes
        in_words = {worker: kind.words(mine, classes) for worker, mine in labels.groupby("worker")}
        answers = [
            {name: entry[name] for name in ("worker", "reason", "at", "seconds")}
            | {"label": self.desk.numbers(entry.get("before", entry["label"])), "words": in_words.get(worker, "")}
            | {"sent_back": entry["again"]["comment"] if "again" in entry else ""}
            for worker, entry in said.words[item].items()
        ]
        row, is_open = self._shown(item), item in self.desk.asked
        agreement = None if agreement is None else round(agreement, 4)
        return row | {"agreement": agreement, "open": is_open, "answers": answers}

    def _shown(self, item: int) -> dict:
        """An item as the owner's page gets it."""
        shown, row = self.desk.shown(item), self.desk.row(item).iloc[0]
        return shown | {"source": row.get("source", row.get("url")), "picture": f"jobs/{self.desk.id}/pictures/{item}"}


class Said(NamedTuple):
    """What people said on the page."""

    entries: int  # of the log
    words: dict[int, dict[str, Entry]]  # everybody's newest word, by item and worker
    mine: dict[str, list[Entry]]  # the same by worker
    unclear: dict[int, list[Entry]]  # by item, the newest first: what people said who could not tell
    answers: pd.DataFrame  # those that are compared, see COMPARED
    agreed: pd.DataFrame  # (item, worker, quality): how well they agree


def doubts(entry: Entry) -> bool:
    """Whether somebody could not tell; an answer that was sent back has no label either."""
    return entry["label"] is None and "again" not in entry
