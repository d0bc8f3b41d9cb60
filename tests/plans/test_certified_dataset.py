"""Whole jobs whose target is about all labels together."""

import json
from pathlib import Path

import numpy as np
import pytest

from roundtruth import forecast, steps
from roundtruth.begin import begin
from roundtruth.certify import certify
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.plans import certified, looks
from roundtruth.report import words
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import facts, go, killed_at_every_write, run_job
from tests.plans.test_certified_edges import BOXES, CLASSES, Told, agrees, dataset, ended, through  # noqa: F401

FILES = {"backend": "files", "answers_per_item": 1}


@pytest.fixture
def hard(dataset, monkeypatch):  # noqa: F811
    """hard(kind, n, **changed): a job whose model is wrong about every second item of the lower half."""

    def made(kind: str, n: int = 300, quality: float = 0.9, of: str = "dataset", **changed) -> JobSpec:
        spec = dataset(kind, n, **({"target": {"quality": quality, "of": of}} | changed))
        item = np.arange(1, n + 1)
        monkeypatch.setattr(Told, "right", item[(item <= n // 2) | (item % 2 == 0)], raising=False)
        return spec

    return made


def lost(job: Job) -> float:
    """The sum of the auto labels' losses against the truth, which these people say."""
    auto = job.auto_labels()
    truth = job.truth()
    assert truth is not None
    return float((1 - job.kind.quality(auto, truth[truth["item"].isin(auto["item"])])).sum())


@pytest.mark.slow
@pytest.mark.parametrize("kind", [CLASSES, BOXES])
def test_a_whole_job_leaves_more_to_the_model_than_a_promise_of_the_auto_labels(kind, hard, tmp_path):
    job = run_job(hard(kind))
    summary = ended(job)
    assert summary["state"] == "complete"
    assert summary["target"] | {"of": "dataset", "holds": True} == summary["target"]
    assert job.read_json("certificate.json")["items"] == 300
    assert lost(job) <= 0.1 * 300
    alone = ended(run_job(hard(kind, of="auto-labels", output=str(tmp_path / "alone" / "job"))))
    assert alone["target"] | {"of": "auto-labels"} == alone["target"]
    assert summary["auto"] > alone["auto"]


@pytest.mark.slow
def test_a_person_reads_which_promise_it_is_and_what_it_does_not_mean(hard):
    job = run_job(hard(CLASSES))
    summary = ended(job)
    title, sentence = words.promise(summary, "accuracy", 0.95)
    assert title == "Promised"
    assert sentence.startswith(
        "People's labels and the model's together match people's labels with an accuracy of at least 0.9, where "
        "people's own count as right"
    )
    assert f"It does not mean that the {summary['auto']} labels by the model alone are this good." in sentence
    steps.write_report(job)
    page = Path(job.address, "report/index.html").read_text().replace(words.SPACE, " ")
    for said in (
        "all labels together agree with people&#39;s labels with an accuracy of at least 0.9: at least 90 in 100",
        f"{summary['human']} labels of people and {summary['auto']} of the model, taken together.",
        "It does not mean that the model&#39;s labels are this good",
        "the promise is about 300 items together, whose losses may add up to 30",
        "with people&#39;s own counted as right, and not about the auto labels alone",
        "accuracy of all labels together of at least 0.9, certificate holdout",
        "promises an accuracy of at least 0.9 of all labels together, with 95 % confidence",
        "The target is for all labels together",
    ):
        assert said in page, said


def test_it_is_promised_once_people_have_labeled_the_rest(hard):
    spec = hard(CLASSES, workforce=FILES, quality=0.95)
    through_until_auto(spec)
    job = Job(spec.output)
    summary = summarize(job)
    assert summary["state"] == "waiting"
    assert summary["auto"] > 0
    assert summary["target"]["holds"] is None
    assert words.promise(summary, "accuracy", 0.95)[0] == "Promised once people have labeled the rest"
    assert words.promised(summary, "accuracy") == "nothing yet"
    steps.stop(job)
    job = Job(spec.output)
    stopped = summarize(job)
    assert (stopped["state"], stopped["target"]["holds"]) == ("stopped", None)
    title, sentence = words.promise(stopped, "accuracy", 0.95)
    assert title == "Nothing is promised"
    assert "some were not answered" in sentence
    agrees(job)


def through_until_auto(spec: JobSpec) -> None:
    """Answer, as `through`, until the model has labeled and people are asked about the rest."""
    begin(spec)
    while not go(spec.output):
        job = Job(spec.output)
        if len(job.auto_labels()):
            return
        assert summarize(job)["rejected"] == 0, summarize(job)["first_rejected"]
        write_answers(job)


def write_answers(job: Job, reasons: int = 0) -> None:
    """Ann answers the open batch as the truth has it, but for the first `reasons` items, of which she cannot tell."""
    said = Told.truth[Told.truth["item"].isin(job.asks(job.last_round())["item"])]
    rows = [
        f"{row.item},ann,," + "blurred" if number < reasons else f"{row.item},ann,{row.class_id},"
        for number, row in enumerate(said.itertuples())
    ]
    answers = Path(job.address, "people", "answers")
    answers.mkdir(exist_ok=True)
    (answers / f"{job.last_round()}.csv").write_text("\n".join(["item,worker,label,reason", *rows]) + "\n")


@pytest.mark.slow
def test_an_item_that_people_could_not_label_counts_as_theirs(hard):
    spec = hard(CLASSES, workforce=FILES, quality=0.95)
    through_until_auto(spec)
    write_answers(Job(spec.output), reasons=3)
    assert not go(spec.output)  # somebody else might be able to tell
    steps.stop(Job(spec.output))
    summary = summarize(Job(spec.output))
    assert (summary["state"], summary["failed"], summary["target"]["holds"]) == ("stopped", 3, True)
    agrees(Job(spec.output))


@pytest.mark.slow
def test_with_a_budget_the_promise_is_about_what_gets_a_label_in_any_case(hard):
    """The number is fixed before anybody is asked; a higher budget afterwards does not change it."""
    for budget in (52.0, 60.0, None):
        job = run_job(hard(CLASSES, budget=budget))
        summary = ended(job)
        assert job.read_json("certificate.json")["items"] == 200  # 52 / 0.26
        if budget:
            assert summary["cost"]["total"] <= budget + 1e-9
            assert summary["human"] + summary["auto"] >= 200
        assert summary["target"]["holds"] is (True if summary["auto"] else None)
        assert lost(job) <= 0.1 * 200
    assert summary["state"] == "complete"
    assert summary["auto"] > 0


@pytest.mark.parametrize("kind", [CLASSES, BOXES])
@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_few_items(kind, n, hard):
    ended(run_job(hard(kind, n)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [CLASSES, BOXES])
def test_a_model_that_is_always_wrong_keeps_the_promise_too(kind, hard, monkeypatch):
    spec = hard(kind)
    monkeypatch.setattr(Told, "right", np.array([], dtype=int))
    job = run_job(spec)
    summary = ended(job)
    assert lost(job) <= 0.1 * 300
    assert summary["target"]["holds"] is (True if summary["auto"] else None)


def test_the_plan_that_promises_nothing_refuses_it(hard):
    with pytest.raises(ValueError, match=r"this plan promises nothing.*take target\.of out, or say plan: certified"):
        hard(CLASSES, plan="ground-truth")


@pytest.mark.slow
def test_which_promise_it_is_cannot_be_changed_once_the_job_has_begun(hard):
    run_job(hard(CLASSES))
    with pytest.raises(UserError, match=r"target: the job in .* has"):
        run_job(hard(CLASSES, of="auto-labels"))


@pytest.mark.parametrize("kind", [CLASSES, BOXES])
def test_the_forecast_knows_that_it_costs_less(kind, hard):
    costs = {of: forecast.of(hard(kind, 1000, 0.8, of=of))["cost"] for of in ("dataset", "auto-labels")}
    assert costs["dataset"] < costs["auto-labels"]


@pytest.mark.parametrize("binary", [True, False])
def test_what_is_expected_to_pass_is_about_what_passes(binary):
    rng = np.random.default_rng(0)
    total, p, max_loss, delta = 2000, 0.15, 0.1, 0.02
    rank = (np.arange(total) + 0.5) / total
    chance = 0.6 * rank**2
    losses = (rng.random(total) < chance).astype(float) if binary else rng.beta(4 * chance, 4 * (1 - chance))
    passed = []
    for _ in range(30):
        coins = rng.random(total) < p
        found = certify(
            1 - rank[coins], losses[coins], 1 - rank[~coins],
            max_loss=max_loss, delta=delta, drawn=p, binary=binary, of="dataset",
        )  # fmt: skip
        passed.append(found.coverage * np.mean(~coins))
    share = looks.passing_share(losses[None], 1.0, np.array([p]), total, max_loss, total, delta, binary, 0.0)
    assert (1 - p) * share[0] == pytest.approx(np.mean(passed), abs=0.03)


def test_the_sizes_are_those_of_an_easier_target():
    of_all = looks.schedule(1000, 0.2, 0.05, looks.SETTINGS[False], 1000)
    alone = looks.schedule(1000, 0.2, 0.05, looks.SETTINGS[False])
    assert (of_all.items, alone.items, of_all.max_loss, alone.max_loss) == (1000, None, 0.2, 0.2)
    assert of_all.levels[0] < alone.levels[0]
    assert sum(map(sum, of_all.looks)) == pytest.approx(0.05)


@pytest.mark.slow
def test_a_job_of_an_earlier_version_is_about_its_auto_labels(hard):
    job = run_job(hard(CLASSES, of="auto-labels"))
    path = Path(job.address, "certificate.json")
    fixed = json.loads(path.read_text())
    del fixed["items"]
    path.write_text(json.dumps(fixed))
    assert certified.schedule_of(Job(job.address)).items is None
    agrees(Job(job.address))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [CLASSES, BOXES])
def test_killed_at_any_write_a_job_comes_to_the_same(kind, hard, tmp_path, monkeypatch):
    undisturbed = run_job(hard(kind, output=str(tmp_path / "undisturbed")))
    spec = hard(kind)
    written = killed_at_every_write(spec, monkeypatch, run_job)
    assert len(written) == len(set(written)) > 20
    ended(Job(spec.output))
    assert facts(Job(spec.output)) == facts(undisturbed)


@pytest.mark.slow
def test_people_answer_by_files_to_the_end(hard):
    spec = hard(CLASSES, workforce=FILES)
    through(spec)
    assert ended(Job(spec.output))["target"]["holds"] is True
