"""People are asked on only where they disagree: whole jobs, their files and their money."""

import json
import os
from itertools import count

import numpy as np
import pandas as pd
import pytest

from roundtruth import answers, forecast, ledger, terminal
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.report import words
from roundtruth.summary import summarize
from roundtruth.workforce.simulated import assign
from tests.jobs import COLOURS, boxes, facts, files, killed_at_every_write, output, run_job, to_the_end
from tests.plans.test_certified_edges import Told

CLOCK = count(1_700_000_000, 60)
PEOPLE = {"backend": "simulated", "truth": "truth.manifest", "noise": 1}
CERTIFIED = {"plan": "certified", "target": {"quality": 0.7}}


@pytest.fixture
def by_files(make, tmp_path):
    """A job whose first batch of 12 items waits for two answers each; say(worker, {item: class}) gives some."""
    spec = make(60, workforce={"backend": "files"})
    run_job(spec)
    folder = tmp_path / "job/people/answers"

    def say(worker: str, labels: dict[int, int]) -> Job:
        rows = [f"{item},{worker},{label}" for item, label in labels.items()]
        path = folder / f"{worker}-{next(CLOCK)}.csv"
        path.write_text("\n".join(["item,worker,label", *rows]) + "\n")
        os.utime(path, (next(CLOCK),) * 2)
        return run_job(spec)

    return Job(spec.output).batch(1)["item"].tolist(), say, tmp_path / "job/people"


def test_one_more_is_asked_about_the_items_on_which_two_disagree(by_files):
    items, say, folder = by_files
    first, second, *rest = items
    labels = {item: item % 10 for item in items}
    say("ann", labels)
    job = say("bob", labels | {first: 8, second: 9})
    assert summarize(job)["waiting"] == {
        "round": 1, "asked": len(items), "answered": len(rest), "answers": 2 * len(items), "missing": 2,
        "since": answers.posted(job, 1)["posted_at"],
    }  # fmt: skip
    assert answers.wanted(job, 1).to_dict() == dict.fromkeys(rest, 2) | {first: 3, second: 3}
    asked = pd.read_csv(folder / "batch-001-2.csv")
    assert asked["item"].tolist() == sorted([first, second])
    assert asked["source"].tolist() == [f"images/{item:04d}.png" for item in sorted([first, second])]
    assert asked["answered_by"].tolist() == ["ann, bob"] * 2
    assert "people/batch-001-2.csv" in terminal.following(job, summarize(job))[-1] + str(answers.posted(job, 1))

    job = say("ann", {first: 8})  # who changes an answer is no third person
    assert summarize(job)["waiting"]["missing"] == 2
    job = say("cem", {first: 8, second: 9})
    assert job.last_round() == 2
    label = job.labels(1).set_index("item")["class_id"]
    assert (label[first], label[second]) == (8, 9)
    assert job.answered(1) == 2 * len(items) + 2
    money = 0.08 * len(items) + 0.036 * (2 * len(items) + 2)
    assert ledger.spent(job) == pytest.approx(money)


def test_the_file_of_those_who_need_one_more_may_be_filled_in_and_only_somebody_else_counts(by_files):
    items, say, folder = by_files
    labels = {item: item % 10 for item in items}
    say("ann", labels)
    say("bob", labels | {items[0]: 9 - items[0] % 10})
    asked = pd.read_csv(folder / "batch-001-2.csv")
    asked.assign(worker="ann", label=items[0] % 10).to_csv(folder / "answers/batch-001-2.csv", index=False)
    job = say("ann", {})
    assert answers.found(job)["notes"] == []
    assert summarize(job)["waiting"]["missing"] == 1
    told = "only somebody who is not in its column answered_by, and has not answered since, can give an item one more"
    assert told in terminal.waiting(job)
    asked.assign(worker="cem", label=items[0] % 10).to_csv(folder / "answers/batch-001-2.csv", index=False)
    assert say("ann", {}).last_round() == 2


def test_an_answer_that_is_taken_back_while_others_are_asked_about_is_told(by_files):
    """The item is not in the newest file of questions."""
    items, say, folder = by_files
    first, second, *_ = items
    labels = {item: item % 10 for item in items}
    say("ann", labels)
    job = say("bob", labels | {first: (first + 1) % 10})
    assert "took one back" not in terminal.waiting(job)
    (folder / "answers/sorry.csv").write_text(f"item,worker,label,reason\n{second},ann,,too dark\n")
    job = say("cem", {first: first % 10})
    assert "can give an item one more answer; also, 1 item needs another answer" in terminal.waiting(job)
    assert terminal.waiting(job).endswith(f"1 item needs another answer, because somebody took one back ({second})")
    assert say("dan", {second: second % 10}).last_round() == 2


def test_people_who_agree_on_nothing_are_asked_the_full_number(by_files):
    items, say, _ = by_files
    for turn, worker in enumerate(["ann", "bob", "cem", "dan"]):
        job = say(worker, {item: (item + turn) % 10 for item in items})
        assert job.last_round() == 1
        assert set(answers.wanted(job, 1)) == {max(2, turn + 2 if turn else 2)}
    assert say("eve", {item: item % 10 for item in items}).last_round() == 2


def test_people_who_agree_too_little_are_told_of(by_files):
    items, say, _ = by_files
    say("ann", {item: item % 10 for item in items})
    job = say("bob", {item: (item + 1) % 10 for item in items})
    told = (
        "People's first answers agree too little, so 5 people are asked about every item; clearer instructions may help"
    )
    assert [line.startswith(told) for line in summarize(job)["about_answers"]] == [True]
    assert told in "\n".join(words.about_answers(summarize(job)))


def test_nothing_is_said_about_people_who_agree(by_files):
    items, say, _ = by_files
    labels = {item: item % 10 for item in items}
    say("ann", labels)
    job = say("bob", labels | {items[0]: (items[0] + 1) % 10})
    assert answers.wanted(job, 1).max() == 3
    assert summarize(job)["about_answers"] == []


def test_where_more_people_answered_than_were_asked_the_next_is_asked_beyond_them(by_files, tmp_path):
    items, say, folder = by_files
    first, *rest = items
    rows = [f"{item},{who},{item % 10}" for item in rest for who in ("ann", "bob")]
    rows += [f"{first},{who},{turn}" for turn, who in enumerate(["ann", "bob", "cem"])]
    (folder / "answers").mkdir(exist_ok=True)
    (folder / "answers/all.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
    job = say("ann", {})
    assert answers.wanted(job, 1).to_dict() == dict.fromkeys(rest, 2) | {first: 4}
    asked = pd.read_csv(folder / "batch-001-2.csv")
    assert asked[["item", "answered_by"]].values.tolist() == [[first, "ann, bob, cem"]]


@pytest.mark.parametrize("recorded", [False, True])
def test_simulated_people_who_take_over_a_batch_answer_only_what_is_missing(make, tmp_path, recorded):
    spec = make(60, workforce={"backend": "files"}, budget=4.0)
    run_job(spec)
    items = Job(spec.output).batch(1)["item"].tolist()
    rows = [f"{item},{who},{(item + turn) % 10}" for item in items for turn, who in enumerate(["ann", "worker-07"])]
    (tmp_path / "job/people/answers/two.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
    run_job(spec)
    people = PEOPLE
    if recorded:
        said = [f"{item},{who},{(item + turn) % 10}" for item in range(1, 61) for turn, who in enumerate("abcdefg")]
        (tmp_path / "recorded.csv").write_text("\n".join(["item,worker,label", *said]) + "\n")
        people = {"backend": "simulated", "answers": "recorded.csv"}
    job = run_job(make(60, workforce=people, budget=4.0))
    got = job.answers(1).groupby("item")["worker"].nunique()
    assert got.max() <= 5
    assert ledger.spent(job) <= 4.0
    kept = job.answers(1).set_index(["item", "worker"])["class_id"]
    assert [kept[item, "worker-07"] for item in items] == [(item + 1) % 10 for item in items]


def test_the_number_of_answers_follows_from_an_items_own_answers_and_the_first_training_items(make):
    """Whenever an item is drawn: this is what the certificate needs."""
    job = run_job(make(300, workforce=PEOPLE, answers={"least": 2, "most": 4, "sure": 0.97}, **CERTIFIED))
    spec, asked = job.spec, job.asked().drop_duplicates("item")
    said = pd.concat([job.answers(r) for r in range(1, job.last_round() + 1)])
    got = said.groupby("item")["worker"].nunique()
    assert set(got) == {2, 3, 4}
    first = asked["item"][(asked["round"] == 1) & (asked["role"] == "train")]
    sources = job.items(["item", "source"]).set_index("item")["source"]

    def words(items: pd.Index, number: int) -> pd.DataFrame:
        """The first so many people's answers."""
        who = assign(sources[items].reset_index(drop=True), number, spec.seed)
        pairs = pd.DataFrame({"item": items.to_numpy()[who["place"]], "worker": who["worker"]})
        return said.merge(pairs, on=["item", "worker"])

    teach = words(pd.Index(first), 2)
    teach["item"] += 10_000
    assert asked["round"].nunique() > 1
    for number in (2, 3, 4):
        there = got.index[got >= number]
        table = pd.concat([words(there, number), teach], ignore_index=True)
        more = job.kind.unsure(table, spec.classes, spec.asking, (table["item"] > 10_000).to_numpy())
        assert set(there[there.isin(more)]) == set(got.index[got > number])


@pytest.mark.parametrize("plan", ["certified", pytest.param("ground-truth", marks=pytest.mark.slow)])
@pytest.mark.parametrize("budget", [11.0, *(pytest.param(budget, marks=pytest.mark.slow) for budget in (3.0, 23.0))])
def test_a_budget_is_never_exceeded_and_is_used_up(make, plan, budget):
    """A batch is as large as the budget pays for if every item gets the most answers; what is left pays for more."""
    spec = make(200, workforce=PEOPLE, budget=budget, plan=plan, target={"quality": 0.7})
    job = run_job(spec)
    summary = summarize(job)
    assert summary["cost"]["total"] <= budget + 1e-9
    if summary["state"] == "stopped":
        assert budget - ledger.spent(job) < ledger.highest_price(spec)
        assert summary["to_finish"]["most"] == pytest.approx(summary["to_finish"]["items"] * 0.26)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"answers": {"least": 2, "most": 6}},
            "answers: people are being asked, and with this change the job may cost 2.96 ",
        ),
        (
            {"workforce": {"backend": "files", "answers_per_item": 9}},
            "workforce: people are being asked, and with this change",
        ),
        (
            {"prices": {"per_answer": 0.1}},
            "prices: people are being asked, and with this change the job may cost 5.80 by the",
        ),
        ({"budget": 2.5}, "more than the budget of 2.50; put it back, give a budget of 2.60, or stop the job"),
    ],
)
def test_a_job_file_may_not_change_so_that_those_who_are_asked_cost_more_than_the_budget(make, tmp_path, changed, told):
    """The money was kept for them when they were asked, and nobody would stop asking on."""
    spec = make(60, workforce={"backend": "files"}, budget=2.7)
    items = run_job(spec).batch(1)["item"].tolist()
    with pytest.raises(UserError) as refused:
        run_job(make(60, **{"workforce": {"backend": "files"}, "budget": 2.7} | changed))
    assert told in str(refused.value)
    assert Job(spec.output).spec.asking.most == 5
    run_job(make(60, **{"workforce": {"backend": "files"}} | changed | {"budget": 9.0}))
    rows = [f"{item},{worker},," for item in items for worker in "abcdefghijklmnopqrstuvwxyz"]
    unclear = "\n".join(["item,worker,label,reason", *(f"{row}dark" for row in rows)])
    (tmp_path / "job/people/answers/unclear.csv").write_text(unclear)
    spec = make(60, **{"workforce": {"backend": "files"}} | changed | {"budget": 9.0})
    assert ledger.spent(run_job(spec)) > 9
    spec = make(60, **{"workforce": {"backend": "files"}} | changed | {"budget": 9.1})
    assert run_job(spec).spec.budget == 9.1  # what people gave unasked is no reason to refuse a higher budget


def test_people_alone_are_compared_by_the_same_rule_and_with_all_answers(make):
    summary = summarize(run_job(make(300, workforce=PEOPLE, **CERTIFIED)))
    cost, items = summary["cost"], summary["human"] + summary["auto"]
    assert summary["auto"] > 0
    assert cost["human"] == pytest.approx(0.08 * summary["human"] + 0.036 * summary["answers"], abs=0.01)
    assert 0.152 * items < cost["all_human"] < 0.2 * items < cost["all_human_most"] == pytest.approx(0.26 * items)
    assert cost["saving"] == pytest.approx(1 - cost["total"] / cost["all_human"], abs=1e-4)


def test_the_forecast_counts_the_answers_that_are_expected(make):
    usual = forecast.of(make(300, workforce=PEOPLE))["all_human"]
    few, five = (forecast.of(make(300, workforce=PEOPLE | {"answers_per_item": n}))["all_human"] for n in (2, 5))
    assert few < usual < five
    spec = make(300, workforce=PEOPLE | {"noise": 0}, plan="ground-truth")
    job = run_job(spec)
    assert ledger.answers_an_item(spec) == 2.75
    checked = int(job.asked()["role"].isin(("probe", "validation")).sum())
    assert ledger.answers_an_item(spec, job) == pytest.approx((2 * checked + 27.5) / (checked + 10))


def test_a_job_file_may_change_how_many_answer(make):
    people = {"backend": "files"}
    spec = make(60, workforce=people)
    run_job(spec)
    job = run_job(make(60, workforce=people, answers={"least": 3}))
    assert set(answers.wanted(job, 1)) == {3}
    job = run_job(make(60, workforce=people | {"answers_per_item": 4}))
    assert set(answers.wanted(job, 1)) == {4}
    assert job.listed("rounds/001/posted") == [f"rounds/001/posted{n}.json" for n in ("-0002", "-0003", "")]
    assert set(answers.wanted(run_job(make(60, workforce=people, answers={"least": 2, "most": 2})), 1)) == {2}


@pytest.mark.parametrize("backend", ["files", "page", "simulated"])
def test_a_job_of_the_version_before_goes_on(make, tmp_path, backend):
    """It has one number of answers for the whole batch, and no `answers` in job.json."""
    more = {"truth": "truth.manifest", "delay": 1e6} if backend == "simulated" else {}
    spec = make(60, workforce={"backend": backend, "answers_per_item": 3, **more})
    run_job(spec)
    folder = tmp_path / "job"
    for path, change in (("job.json", lambda told: told["spec"].pop("answers")),
                         ("rounds/001/posted.json", lambda told: told.update(answers=3))):  # fmt: skip
        told = json.loads((folder / path).read_text())
        change(told)
        (folder / path).write_text(json.dumps(told))
    job = run_job(spec)
    waits = summarize(job)["waiting"]
    assert (waits["missing"], job.listed("rounds/001/posted")) == (3 * waits["asked"], ["rounds/001/posted.json"])
    assert not answers.came(job)
    job = run_job(make(60, workforce={"backend": backend, **more}, answers={"least": 4}))
    assert summarize(job)["waiting"]["missing"] == 4 * waits["asked"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"answers": {"least": 3, "most": 2}}, "answers.most: `most` is 2, which is below `least`, 3; raise `most`"),
        ({"answers": {"least": 6}}, "answers: `most` is 5, which is below `least`, 6"),
        ({"answers": {"least": 0}}, "answers.least: "),
        ({"answers": {"least": 1}}, "answers: `least` is 1, and single answers do not show how well people agree"),
        ({"answers": {"sure": 1}}, "answers.sure: "),
        ({"answers": {"lest": 1}}, "answers.lest: there is no such key; do you mean least?"),
        ({"answers": 3}, "answers: it holds other keys: least, most, sure; write them below it"),
        (
            {"workforce": PEOPLE | {"answers_per_item": 3}, "answers": {"most": 3}},
            "answers: workforce.answers_per_item asks",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(make, changed, told):
    with pytest.raises(UserError, match="line") as refused:
        make(4, **{"workforce": PEOPLE} | changed)
    assert told in str(refused.value)


@pytest.mark.slow
def test_recorded_answers_that_end_too_early_hold_nothing_up(make, tmp_path):
    rows = [
        f"{item},{worker},{(item + who) % 10}" for item in range(1, 31) for who, worker in enumerate(("ann", "bob"))
    ]
    rows += [f"{item},cem,{item % 10}" for item in range(1, 16)]
    (tmp_path / "answers.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
    job = run_job(make(30, workforce={"backend": "simulated", "answers": "answers.csv"}))
    assert summarize(job)["state"] == "complete"
    asked = job.human_labels()["item"]
    assert summarize(job)["answers"] == 2 * len(asked) + int((asked <= 15).sum())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["image-classification", "object-detection"])
def test_killed_after_each_single_write_no_answer_is_asked_for_twice_and_none_is_lost(
    make, tmp_path, monkeypatch, kind
):
    changed = {"workforce": PEOPLE | {"noise": 1.5}, "plan": "certified", "target": {"quality": 0.6}}
    if kind == "object-detection":
        monkeypatch.setattr(Told, "truth", boxes(tmp_path, 120), raising=False)
        monkeypatch.setattr(Told, "right", np.arange(1, 110), raising=False)
        changed |= {"kind": kind, "classes": COLOURS, "learner": "tests.plans.test_certified_edges:Told"}
    spec = make(120, **changed, output="undisturbed")
    undisturbed = run_job(spec)
    posted = [name for name in files(tmp_path / "undisturbed") if "posted-" in name]
    assert posted
    spec = make(120, **changed)
    killed_at_every_write(spec, monkeypatch, to_the_end)
    job = Job(spec.output)
    assert facts(job) == facts(undisturbed)
    assert output(tmp_path / "job") == output(tmp_path / "undisturbed")
    for round in range(1, job.last_round() + 1):
        mine, theirs = (one.answers(round).drop(columns="submitted_at") for one in (job, undisturbed))
        assert not mine.duplicated(["item", "worker", *job.kind.COLUMNS]).any()
        pd.testing.assert_frame_equal(mine, theirs)
