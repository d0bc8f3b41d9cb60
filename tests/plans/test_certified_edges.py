"""Whole jobs by the certified plan at the edges, both kinds: that each ends well, and says why."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from roundtruth import plans
from roundtruth.begin import begin
from roundtruth.job import Job
from roundtruth.look import Look
from roundtruth.report import words
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import COLOURS, boxes, digits, facts, files, go, killed_at_every_write, output, run_job

ROOT = Path(__file__).resolve().parents[2]
script = importlib.util.spec_from_file_location("recompute", ROOT / "docs" / "recompute_certificate.py")
recompute = importlib.util.module_from_spec(script)
script.loader.exec_module(recompute)
CLASSES, BOXES = "image-classification", "object-detection"
FIXED = ("certificate.json", "coins.parquet", "asked.parquet", "threshold.json", "predictions/done.json")
EASY = {CLASSES: 0.8, BOXES: 0.6}


class Told:
    """A learner that knows the truth of the items in `right`, is wrong about all others, and sees nothing in `empty`;
    its score falls with the item."""

    truth: pd.DataFrame
    right: np.ndarray
    empty = np.array([], dtype=int)
    scores = staticmethod(lambda item: 1 - item / 1000)

    def __init__(self, classes, seed, weights):
        pass

    def train(self, pictures, labels, progress=None):
        self.learned = np.sort(pictures.items)

    def predict(self, pictures, progress=None):
        found = self.truth[self.truth["item"].isin(pictures.items)].reset_index(drop=True)
        wrong = ~found["item"].isin(self.right)
        if "left" in found:
            found.loc[wrong, ["class_id", "left", "top", "width", "height"]] = [0, 0.0, 0.0, 1.0, 1.0]
            nothing = found["item"].isin(self.empty)
            found.loc[nothing, ["class_id", "left", "top", "width", "height"]] = [-1, 0.0, 0.0, 0.0, 0.0]
        else:
            found.loc[wrong, "class_id"] = (found.loc[wrong, "class_id"] + 1) % 10
        return found.assign(class_id=found["class_id"].astype("int64"), score=self.scores(found["item"]))

    def state(self):
        return {}

    def load(self, state):
        pass


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """dataset(kind, n, **changed): a job about n items, with the learner Told."""

    def made(kind: str, n: int, **changed) -> JobSpec:
        if not (tmp_path / "input.manifest").exists():
            monkeypatch.setattr(Told, "truth", (boxes if kind == BOXES else digits)(tmp_path, n), raising=False)
            monkeypatch.setattr(Told, "right", np.arange(1, n + 1), raising=False)
        given = {
            "name": "job", "kind": kind, "data": str(tmp_path / "input.manifest"),
            "classes": COLOURS if kind == BOXES else [*"0123456789"], "output": str(tmp_path / "job"),
            "plan": "certified", "target": {"quality": EASY[kind]}, "weights": "none",
            "workforce": {
                "backend": "simulated", "truth": str(tmp_path / "truth.manifest"), "noise": 0, "answers_per_item": 5,
            },
            "learner": "tests.plans.test_certified_edges:Told",
        }  # fmt: skip
        return JobSpec.model_validate(given | changed)

    return made


def ended(job: Job) -> dict:
    """The summary; what must be true of any job that ended is checked on the way."""
    summary = summarize(job)
    assert summary["human"] + summary["auto"] + summary["input"] + summary["failed"] == summary["items"]
    assert len(output(Path(job.address).parent / "job")) == summary["items"]
    assert (summary["to_finish"] is None) == (summary["state"] != "stopped")
    assert bool(summary["why"]) == (summary["state"] == "stopped" or summary["auto"] == 0)
    assert summary["why"] in words.explanation(summary)
    agrees(job)
    return summary


def agrees(job: Job) -> None:
    """What the folder holds is what the plan promises, by docs/recompute_certificate.py and by its own terms."""
    if job.store.exists("certificate.json"):
        recompute.main(Path(job.address))  # ends the program where something is wrong
    looks = [job.look(r) for r in job.rounds_with("threshold.json")]
    stages = [look.stage for look in looks]
    assert len(set(stages)) == len(stages)
    auto = job.auto_labels()
    if len(auto):
        last = max(job.rounds_with("threshold.json"))
        score = job.kind.confidence(job.predictions(looks[-1].model))
        roles = job.roles(last)
        drawn = roles["item"][roles["role"] == "validation"]
        assert set(auto["item"]) == set(score.index[(score >= looks[-1].threshold) & ~score.index.isin(drawn)])
        assert not auto["item"].isin(job.asked()["item"]).any()
    asks = pd.concat([job.asks(r) for r in range(1, job.last_round() + 1)]) if job.last_round() else auto
    assert not asks["item"].duplicated().any()


# -- a budget


@pytest.mark.parametrize("kind", [CLASSES, pytest.param(BOXES, marks=pytest.mark.slow)])
def test_a_budget_that_is_raised_again_and_again(kind, dataset, tmp_path):
    """No cap is exceeded, what is delivered keeps its promise each time, and what is fixed or was found stays."""
    fixed = {}
    for budget in (0.2, 9.0, 25.0, 31.0, None):
        job = run_job(dataset(kind, 300, budget=budget))
        summary = ended(job)
        kept = {path: data for path, data in files(tmp_path / "job").items() if path.endswith(FIXED)}
        assert fixed.items() <= kept.items()
        fixed = kept
        if budget is None:
            break
        assert summary["cost"]["total"] <= budget + 1e-9
        assert summary["state"] == "stopped"
        left = summary["to_finish"]
        assert left["items"] == summary["failed"]
        assert left["most"] == round(0.26 * left["items"], 2)
        assert left["about"] is None or left["about"] <= left["most"]
        assert f"{left['items']} items have no label" in summary["why"]
        assert f"{left['most']:.2f} more at most" in summary["why"]
        assert budget - summary["cost"]["total"] < 0.26
    assert summary["state"] == "complete"
    assert summary["auto"] > 100
    assert summary["target"]["holds"] is True


def test_what_finishing_costs_at_most_does_finish(dataset):
    stopped = ended(run_job(dataset(CLASSES, 200, budget=11.0)))
    enough = 11.0 + stopped["to_finish"]["most"]
    assert ended(run_job(dataset(CLASSES, 200, budget=enough)))["state"] == "complete"


def test_a_look_that_the_budget_cut_short_is_followed_by_the_next_one(dataset, tmp_path):
    """Its auto labels are withdrawn when people are asked again; those of the last look alone count."""
    free = run_job(dataset(CLASSES, 300, target={"quality": 0.6}, output=str(tmp_path / "free")))
    asked, auto = summarize(free)["human"], summarize(free)["auto"]
    short = round(0.26 * asked + 0.08 * 0.7 * auto, 2)
    job = run_job(dataset(CLASSES, 300, target={"quality": 0.6}, budget=short))
    before, round_ = ended(job), max(job.rounds_with("threshold.json"))
    look = job.look(round_)
    assert before["state"] == "stopped"
    assert look.final
    assert 0 < look.auto == before["auto"] <= 0.7 * auto
    assert look.without_budget >= auto
    assert before["target"]["holds"] is True
    extra = job.batch(job.last_round())
    if job.last_round() > round_:  # what was left went to the items that the model is least sure of
        score = job.kind.confidence(job.predictions(look.model))
        open_ = score.index[~score.index.isin(job.roles(round_)["item"])]
        assert set(extra["item"]) == set(score[open_].nsmallest(len(extra)).index)
    # a little more money does not pay for the next look: what there is stays
    more = ended(run_job(dataset(CLASSES, 300, target={"quality": 0.6}, budget=short + 0.3)))
    assert (more["auto"], more["human"]) == (before["auto"], before["human"] + 1)

    job = run_job(dataset(CLASSES, 300, target={"quality": 0.6}))
    after, last = ended(job), max(job.rounds_with("threshold.json"))
    assert job.look(last).stage == look.later
    fixed = job.store.read_json("certificate.json")
    t, k = look.later
    assert job.look(last).delta == fixed["looks"][t - 1][k - 1]
    assert after["state"] == "complete"
    assert after["auto"] > before["auto"]
    assert after["target"]["holds"] is True
    assert after["cost"]["total"] == pytest.approx(0.26 * after["human"] + 0.08 * after["auto"])
    assert len(job.auto(round_)) == before["auto"]  # the file stays
    # who was asked with the last of the money counts in the look as any other
    coins = job.store.read_table("coins.parquet").set_index("item")["coin"]
    roles = job.roles(last).set_index("item")["role"]
    learned = roles.index[roles == "train"]
    below = coins.index[coins < fixed["levels"][k - 1]].difference(learned)
    assert set(roles.index[roles == "validation"]) == set(below)


def through(spec: JobSpec) -> None:
    """Begin the job, or go on with it; whenever it waits for people, one answers the open batch as the truth has it."""
    begin(spec)
    while not go(spec.output):
        job = Job(spec.output)
        said = Told.truth[Told.truth["item"].isin(job.asks(job.last_round())["item"])]
        answers = Path(job.address, "people", "answers")
        answers.mkdir(exist_ok=True)
        rows = [f"{row.item},ann,{row.class_id}" for row in said.itertuples()]
        (answers / f"{job.last_round()}.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")


@pytest.mark.slow
def test_killed_at_any_write_while_it_waits_and_while_its_budget_is_raised_a_job_comes_to_the_same(
    dataset, tmp_path, monkeypatch
):
    """Its coins, its looks and what they spend, too, which stay as they were."""
    given, budgets = (
        {"workforce": {"backend": "files", "answers_per_item": 1}, "target": {"quality": 0.6}},
        (22.5, None),
    )
    for budget in budgets:
        other = dataset(CLASSES, 300, budget=budget, output=str(tmp_path / "undisturbed"), **given)
        through(other)
    undisturbed = Job(other.output)
    looks = [undisturbed.look(r) for r in undisturbed.rounds_with("threshold.json")]
    assert len(looks) > 1
    assert looks[0].final  # by the budget
    assert looks[0].auto > 0
    written, fixed = [], {}
    for budget in budgets:
        spec = dataset(CLASSES, 300, budget=budget, **given)
        written += killed_at_every_write(spec, monkeypatch, through)
        agrees(Job(spec.output))
        kept = {path: data for path, data in files(tmp_path / "job").items() if path.endswith(FIXED)}
        assert fixed.items() <= kept.items()
        fixed = kept
    assert len(written) == len(set(written)) > 20
    assert facts(Job(spec.output)) == facts(undisturbed)
    for path in ("certificate.json", "coins.parquet"):
        assert Job(spec.output).store.read(path) == undisturbed.store.read(path)


# -- other edges


@pytest.mark.parametrize("kind", [CLASSES, BOXES])
def test_a_target_that_nothing_reaches(kind, dataset, monkeypatch):
    spec = dataset(kind, 150)
    monkeypatch.setattr(Told, "right", np.array([], dtype=int))
    job = run_job(spec)
    summary = ended(job)
    assert (summary["state"], summary["human"], summary["auto"]) == ("complete", 150, 0)
    assert summary["target"]["holds"] is None
    assert plans.last_look(job).final
    assert plans.last_look(job).needed == np.inf  # no number of checked items would do
    assert "not good enough for the target" in summary["why"]


@pytest.mark.parametrize("kind", [CLASSES, BOXES])
def test_a_target_that_everything_reaches(kind, dataset):
    job = run_job(dataset(kind, 300))
    summary = ended(job)
    assert (summary["state"], summary["why"]) == ("complete", "")
    assert summary["auto"] > 200
    assert len(job.rounds_with("threshold.json")) == 1
    assert summary["target"]["holds"] is True


@pytest.mark.parametrize("kind", [CLASSES, BOXES])
@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_few_items(kind, n, dataset):
    job = run_job(dataset(kind, n))
    summary = ended(job)
    assert (summary["state"], summary["human"] + summary["auto"], summary["failed"]) == ("complete", n, 0)
    if n <= 2:
        assert "too few items" in summary["why"] or "labeled nothing" in summary["why"]


@pytest.mark.parametrize("kind", [CLASSES, BOXES])
def test_a_learner_that_finds_nothing_and_is_sure_of_nothing(kind, dataset, monkeypatch):
    spec = dataset(kind, 120)
    monkeypatch.setattr(Told, "right", np.array([], dtype=int))
    monkeypatch.setattr(Told, "empty", np.arange(1, 121))
    monkeypatch.setattr(Told, "scores", staticmethod(lambda item: 0.0 * item))
    summary = ended(run_job(spec))
    assert (summary["state"], summary["human"], summary["auto"]) == ("complete", 120, 0)
    assert "not good enough for the target" in summary["why"]


@pytest.mark.parametrize(("needed", "said"), [(0.8, "about 1 more item would"), (40.2, "about 40 more items would")])
def test_how_many_more_items_would_have_to_be_checked(needed, said, dataset):
    job = begin(dataset(CLASSES, 20))
    look = Look(None, "walk", 9, 0, None, final=True, needed=needed)
    assert said in plans.of(job).no_auto_label(job, look)


@pytest.mark.parametrize("kind", [CLASSES, BOXES])
def test_people_who_err_as_much_as_they_can(kind, dataset, tmp_path):
    given = {"backend": "simulated", "truth": str(tmp_path / "truth.manifest"), "noise": 3, "answers_per_item": 3}
    summary = ended(run_job(dataset(kind, 150, workforce=given)))
    assert (summary["state"], summary["human"] + summary["auto"]) == ("complete", 150)


def replay(tmp_path, rows: list[str]) -> dict:
    (tmp_path / "answers.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
    return {"backend": "simulated", "answers": str(tmp_path / "answers.csv"), "answers_per_item": 3}


def test_people_who_answer_by_chance(dataset, tmp_path):
    chance = np.random.default_rng(0)
    rows = [f"{item},{who},{chance.integers(10)}" for item in range(1, 151) for who in "abc"]
    summary = ended(run_job(dataset(CLASSES, 150, workforce=replay(tmp_path, rows))))
    assert (summary["state"], summary["human"], summary["auto"]) == ("complete", 150, 0)
    assert "labeled nothing" in summary["why"]


def test_items_that_nobody_answers(dataset, tmp_path):
    """Every third gets no answer: checked ones count as lost, asked ones fail, and the job ends."""
    dataset(CLASSES, 150)
    said = Told.truth
    rows = [f"{row.item},{who},{row.class_id}" for row in said.itertuples() if row.item % 3 for who in "abc"]
    job = run_job(dataset(CLASSES, 150, workforce=replay(tmp_path, rows)))
    summary = ended(job)
    assert summary["state"] == "complete"
    assert summary["failed"] > 0
    assert set(job.failures()) == {"nobody answered"}
    assert set(job.failures().index % 3) == {0}


def test_nobody_answers_anything(dataset, tmp_path):
    dataset(CLASSES, 60)
    (tmp_path / "images/0060.png").unlink()  # so that nobody is asked about the only item that anybody answers
    summary = ended(run_job(dataset(CLASSES, 60, workforce=replay(tmp_path, ["60,ann,0"]))))
    assert (summary["state"], summary["human"], summary["failed"]) == ("complete", 0, 60)
    assert "Nobody answered" in summary["why"]


def test_nobody_answers_what_the_model_would_learn_from(dataset, tmp_path):
    first = run_job(dataset(CLASSES, 60, workforce={"backend": "files"})).batch(1)
    checked = first["item"][first["role"] != "train"].tolist()
    shutil.rmtree(tmp_path / "job")
    rows = [f"{item},{who},0" for item in checked for who in "abc"]
    summary = ended(run_job(dataset(CLASSES, 60, workforce=replay(tmp_path, rows))))
    assert (summary["state"], summary["human"], summary["failed"]) == ("complete", len(checked), 60 - len(checked))
    assert summary["why"] == "Nobody gave a label to any item for training, so there was no model."


def test_every_picture_is_broken(dataset, tmp_path):
    spec = dataset(CLASSES, 30)
    for picture in (tmp_path / "images").iterdir():
        picture.write_bytes(b"no picture")
    summary = ended(run_job(spec))
    assert (summary["state"], summary["failed"], summary["cost"]["total"]) == ("complete", 30, 0)
    assert "No picture could be read" in summary["why"]


def test_every_item_came_with_a_label(dataset, tmp_path):
    spec = dataset(CLASSES, 30, attribute="truth")
    (tmp_path / "input.manifest").write_text((tmp_path / "truth.manifest").read_text())
    summary = ended(run_job(spec))
    assert (summary["state"], summary["input"], summary["cost"]["total"]) == ("complete", 30, 0)
    assert "came with a label" in summary["why"]


def test_auto_labels_that_cost_more_than_people(dataset):
    prices = {"per_item": 0.01, "per_answer": 0.0, "per_auto_label": 0.5}
    summary = ended(run_job(dataset(CLASSES, 100, prices=prices)))
    assert (summary["state"], summary["human"]) == ("complete", 100)
    assert "costs more than people's" in summary["why"]
