"""docs/recompute_certificate.py: it agrees with every whole job, with nobody else, and with certify on any pool."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roundtruth import certify as library
from roundtruth import steps
from roundtruth.certify import certify
from roundtruth.job import Job
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import COLOURS, boxes, digits, run_job, write_job

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "docs" / "recompute_certificate.py"
found = importlib.util.spec_from_file_location("recompute_certificate", SCRIPT)
script = importlib.util.module_from_spec(found)
found.loader.exec_module(script)


def whole_job(folder: Path, quality: float, noise: float = 1, of: str = "auto-labels", **changed) -> Job:
    people = {"backend": "simulated", "truth": "truth.manifest", "noise": noise}
    path = write_job(folder, plan="certified", target={"quality": quality, "of": of}, workforce=people, **changed)
    return run_job(JobSpec.from_file(path))


def ended(job: Job) -> Job:
    steps.deliver(job)
    job.store.replace("report/summary.json", json.dumps(summarize(job)).encode())  # the rest of a report takes long
    return job


PROMISES = {  # the quality, the noise of people's answers, and of what it is promised
    "walk": (0.93, 0, "auto-labels"),
    "coin": (0.7, 0.2, "auto-labels"),
    "walk over all": (0.95, 1, "dataset"),
    "coin over all": (0.85, 0.2, "dataset"),
}


RULES = ["walk", "coin over all", *(pytest.param(rule, marks=pytest.mark.slow) for rule in ("coin", "walk over all"))]


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Callable[[str], Job]:
    """By rule: a job that was certified by it, with either promise."""
    drawn = {"kind": "object-detection", "classes": COLOURS, "learner": "fast_learner:Boxes"}

    @cache
    def job_of(rule: str) -> Job:
        quality, noise, of = PROMISES[rule]
        folder = tmp_path_factory.mktemp("job")
        if rule.startswith("walk"):
            digits(folder, 500)
            job = whole_job(folder, quality, noise, of)
        else:
            boxes(folder, 400)
            job = whole_job(folder, quality, noise, of, **drawn)
        look = job.look(max(job.rounds_with("threshold.json")))
        assert look.rule == rule.split()[0]
        assert 0 < look.coverage < 1
        assert look.quality < 1  # something was wrong above the threshold, so that the rule is asked more than a count
        return ended(job)

    return job_of


def verdict(folder, capsys) -> tuple[int, list[str]]:
    """The script's exit status and what it called wrong."""
    status = 0
    try:
        script.main(Path(folder))
    except SystemExit as end:
        status = end.code
    return status, [line for line in capsys.readouterr().out.splitlines() if line.startswith("WRONG")]


@pytest.mark.parametrize("rule", RULES)
def test_the_certificate_is_recomputed_from_the_files_alone(rule, done):
    assert not re.search(r"^\s*(import|from) roundtruth", SCRIPT.read_text(), re.MULTILINE)
    ran = subprocess.run([sys.executable, "-I", SCRIPT, done(rule).address], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"the rule is {rule.split()[0]}" in ran.stdout
    assert f"the promise is of: {PROMISES[rule][-1]}" in ran.stdout
    assert ("so the promise holds" in ran.stdout) == (PROMISES[rule][-1] == "dataset")
    assert f"the {summarize(done(rule))['auto']} auto labels are" in ran.stdout


# -- a folder in which something was changed


class Folder:
    """A copy of a job folder, to change."""

    def __init__(self, job: Job, to: Path):
        shutil.copytree(job.address, to)
        self.path, self.round = to, max(job.rounds_with("threshold.json"))
        self.look = self.json(f"rounds/{self.round:03d}/threshold.json")
        self.score = job.kind.confidence(job.predictions(self.look["model"]))
        roles = job.roles(self.round).set_index("item")["role"]
        self.checked = self.score[roles.index[roles == "validation"]]
        self.rest = self.score.drop(self.checked.index)
        self.quality = job.kind.quality(job.predictions(self.look["model"]), job.human_labels(self.round))
        self.predictions = job.predictions(self.look["model"])

    def json(self, name: str, **changed) -> dict:
        path = self.path / name
        if changed:
            path.write_text(json.dumps(json.loads(path.read_text()) | changed))
        return json.loads(path.read_text())

    def table(self, name: str, change) -> None:
        for path in self.path.glob(name):
            change(pd.read_parquet(path)).to_parquet(path)

    def threshold(self, theta: float) -> None:
        """Move the threshold, and make all that follows from it fit."""
        above = self.quality[self.checked.index[self.checked >= theta]]
        self.json(
            f"rounds/{self.round:03d}/threshold.json",
            threshold=theta, above=len(above), quality=above.mean() if len(above) else None,
        )  # fmt: skip
        passed = self.predictions[self.predictions["item"].isin(self.rest.index[self.rest >= theta])]
        labels = passed.rename(columns={"score": "confidence"}).assign(source="auto", role="auto", round=self.round)
        self.table(f"rounds/{self.round:03d}/auto.parquet", lambda auto: labels[auto.columns])


def surest(folder: Folder) -> int:
    """A checked item above the threshold that is right."""
    above = folder.checked[folder.checked >= folder.look["threshold"]].index
    return folder.quality[above].idxmax()


def a_loss_changed(folder: Folder) -> None:
    item = surest(folder)

    def change(labels):
        labels.loc[labels["item"] == item, "class_id"] += 1
        return labels

    folder.table("rounds/*/labels.parquet", change)


def the_answers_to_a_checked_item_dropped(folder: Folder) -> None:
    item = surest(folder)
    folder.table("rounds/*/labels.parquet", lambda labels: labels[labels["item"] != item])


def a_checked_item_dropped(folder: Folder) -> None:
    item = folder.checked.index[0]
    folder.table("rounds/*/asked.parquet", lambda batch: batch[batch["item"] != item])


def every_trace_of_a_checked_item_dropped(folder: Folder) -> None:
    item = folder.checked.index[0]
    for name in ("rounds/*/asked.parquet", "rounds/*/labels.parquet", "rounds/*/predictions/*.parquet"):
        folder.table(name, lambda table: table[table["item"] != item])
    folder.table("coins.parquet", lambda table: table[table["item"] != item])


def a_coin(item_of, value: float):
    def change(folder: Folder) -> None:
        item = item_of(folder).index[0]
        folder.table(
            "coins.parquet", lambda coins: coins.assign(coin=coins["coin"].where(coins["item"] != item, value))
        )

    return change


def an_auto_label(change):
    return lambda folder: folder.table(f"rounds/{folder.round:03d}/auto.parquet", lambda auto: change(folder, auto))


def added(folder: Folder, auto: pd.DataFrame) -> pd.DataFrame:
    failed = folder.rest.index[folder.rest < folder.look["threshold"]][0]
    return pd.concat([auto, auto[:1].assign(item=failed)])


def other_class(folder: Folder, auto: pd.DataFrame) -> pd.DataFrame:
    return auto.assign(class_id=(auto["class_id"] + (auto["item"] == auto["item"].iloc[0])) % 10)


def other_promise(folder: Folder) -> dict:
    spec = folder.json("job.json")["spec"]
    other = {"dataset": "auto-labels", "auto-labels": "dataset"}[spec["target"]["of"]]
    return spec | {"target": spec["target"] | {"of": other}}


def next_lower(folder: Folder) -> None:
    folder.threshold(float(folder.rest[folder.rest < folder.look["threshold"]].max()))


def next_higher(folder: Folder) -> None:
    folder.threshold(float(folder.rest[folder.rest > folder.look["threshold"]].min()))


def first_look(folder: Folder, share: float) -> None:
    looks = folder.json("certificate.json")["looks"]
    t, k = folder.look["stage"]
    looks[t - 1][k - 1] = share
    folder.json("certificate.json", looks=looks)


def a_look_made_twice(folder: Folder) -> None:
    looked = {k: v for k, v in folder.look.items() if k not in ("final", "threshold")} | {"final": False}
    path = folder.path / f"rounds/{folder.round + 1:03d}/threshold.json"
    path.write_text(json.dumps(looked | {"threshold": None}))


def a_record_changed(human: str, change):
    """Of the manifest: the first line with labels of the model ("no"), or of people ("yes")."""

    def changed(folder: Folder) -> None:
        path = folder.path / "output" / "output.manifest"
        records = [json.loads(line) for line in path.read_text().splitlines()]
        change(next(r for r in records if r["label-metadata"]["human-annotated"] == human and drawn(r["label"])))
        path.write_text("".join(json.dumps(record) + "\n" for record in records))

    return changed


def another_label(record: dict) -> None:
    if isinstance(record["label"], int):
        record["label"] = (record["label"] + 1) % 10
        record["label-metadata"]["class-name"] = str(record["label"])
    else:
        record["label"]["annotations"][0]["width"] += 0.5


def another_class_name(record: dict) -> None:
    if isinstance(record["label"], int):
        record["label-metadata"]["class-name"] = str((record["label"] + 1) % 10)
    else:
        record["label-metadata"]["class-map"] = dict.fromkeys(record["label-metadata"]["class-map"], "other")


def another_picture(record: dict) -> None:
    record["source-ref"] = "other.png"


def nobody_said(record: dict) -> None:
    del record["label-metadata"]["human-annotated"]


def a_broken_line(folder: Folder) -> None:
    path = folder.path / "output" / "output.manifest"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[1][: len(lines[1]) // 2] + "\n", *lines[2:]]))


def drawn(label) -> bool:
    return isinstance(label, int) or bool(label["annotations"])


def no_manifest(folder: Folder) -> None:
    (folder.path / "output" / "output.manifest").unlink()


def a_line_dropped(folder: Folder) -> None:
    path = folder.path / "output" / "output.manifest"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))


TAMPERED = {
    "a loss changed": (a_loss_changed, "mean quality is"),
    "answers dropped": (the_answers_to_a_checked_item_dropped, "mean quality is"),
    "a checked item dropped": (a_checked_item_dropped, "were checked"),
    "every trace of it dropped": (every_trace_of_a_checked_item_dropped, "has a coin"),
    "a coin of a checked item changed": (a_coin(lambda f: f.checked, 0.999), "hashes"),
    "a coin of another changed": (a_coin(lambda f: f.rest, 0.998), "hashes"),
    "an auto label added": (an_auto_label(added), "auto labels"),
    "an auto label dropped": (an_auto_label(lambda folder, auto: auto[1:]), "auto labels"),
    "an auto label's class changed": (an_auto_label(other_class), "auto labels"),
    "a threshold lowered": (next_lower, "the lowest is"),
    "a threshold raised": (next_higher, "the lowest is"),
    "a larger delta": (lambda f: f.json("certificate.json", delta=0.1), "confidence"),
    "a smaller delta": (lambda f: f.json("certificate.json", delta=0.0501), "confidence"),
    "a larger loss": (lambda f: f.json("certificate.json", max_loss=0.45), "mean quality at least"),
    "a look with more than its share": (lambda f: first_look(f, 0.0499), "together may spend"),
    "a look with less": (lambda f: first_look(f, 1e-9), "the lowest is"),
    "a look made twice": (a_look_made_twice, "made twice"),
    "another promise": (lambda f: f.json("job.json", spec=other_promise(f)), "the promise is of"),
    "another seed": (lambda f: f.json("job.json", spec=f.json("job.json")["spec"] | {"seed": 1}), "hashes"),
    "labels of nothing promised": (
        lambda f: f.json(f"rounds/{f.round:03d}/threshold.json", threshold=None), "nothing is promised"
    ),
    "another label of the model in the manifest": (a_record_changed("no", another_label), "labels by the model"),
    "another label of people in the manifest": (a_record_changed("yes", another_label), "labels by people"),
    "another name of a class in the manifest": (a_record_changed("no", another_class_name), "names its classes"),
    "another picture in the manifest": (a_record_changed("no", another_picture), "is about its item"),
    "nobody said who labeled it": (a_record_changed("yes", nobody_said), "each line can be read"),
    "a broken line of the manifest": (a_broken_line, "the first that is not: line 2"),
    "no manifest": (no_manifest, "there is a manifest"),
    "a line of the manifest dropped": (a_line_dropped, "lines, one for each item"),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_changed_is_wrong(what, rule, done, tmp_path, capsys):
    change, named = TAMPERED[what]
    folder = Folder(done(rule), tmp_path / "job")
    change(folder)
    status, wrong = verdict(folder.path, capsys)
    assert status == 1
    assert len(wrong) == 1
    assert named in wrong[0]


@pytest.mark.parametrize("rule", RULES)
def test_with_a_budget_a_higher_threshold_that_passes_is_right(rule, done, tmp_path, capsys):
    folder = Folder(done(rule), tmp_path / "job")
    folder.threshold(folder.look["threshold"])
    assert verdict(folder.path, capsys) == (0, [])  # nothing moved
    folder.json("job.json", spec=folder.json("job.json")["spec"] | {"budget": 1000.0})
    assert verdict(folder.path, capsys) == (0, [])
    next_lower(folder)
    assert verdict(folder.path, capsys)[0] == 1


def test_the_manifest_of_a_job_that_goes_on_is_not_compared(done, tmp_path, capsys):
    folder = Folder(done("walk"), tmp_path / "job")
    folder.json("report/summary.json", state="waiting")
    no_manifest(folder)
    assert verdict(folder.path, capsys) == (0, [])


def test_labels_that_a_further_look_took_back_are_in_no_manifest(done, tmp_path, capsys):
    """The budget was raised, people were asked for a further look, and the job was stopped before it."""
    folder = Folder(done("walk"), tmp_path / "job")
    folder.json("job.json", spec=folder.json("job.json")["spec"] | {"budget": 1000.0})

    def further(asked: pd.DataFrame) -> pd.DataFrame:
        return pd.concat(
            [asked, asked[-1:].assign(item=folder.rest.index[0], role="train", round=asked["round"].max() + 1)]
        )

    last = max(folder.path.glob("rounds/*/asked.parquet"))
    further(pd.read_parquet(last)).to_parquet(last)
    assert verdict(folder.path, capsys)[1] == [
        "WRONG: the manifest's labels by the model are those in the folder; if a run went on since the report, run "
        "`roundtruth report` and try again"
    ]
    path = folder.path / "output" / "output.manifest"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for record in records:
        if record["label-metadata"]["human-annotated"] == "no":
            del record["label"]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert verdict(folder.path, capsys) == (0, [])


def test_without_pandas_it_says_what_to_do(tmp_path):
    (tmp_path / "pandas.py").write_text("raise ImportError('No module', name='pandas')")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    ran = subprocess.run([sys.executable, SCRIPT, "job"], capture_output=True, text=True, env=environment)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("pandas is not installed")
    assert ".venv/bin/python" in ran.stderr
    assert "Traceback" not in ran.stderr


def with_lines(folder: Path, change) -> None:
    """Change the lines of a dataset: change(place, line, its line in the truth)."""
    true = [json.loads(line) for line in (folder / "truth.manifest").read_text().splitlines()]
    lines = [json.loads(line) for line in (folder / "input.manifest").read_text().splitlines()]
    (folder / "input.manifest").write_text(
        "".join(json.dumps(change(place, *pair)) + "\n" for place, pair in enumerate(zip(lines, true)))
    )


def test_items_that_came_labeled_change_the_coins_and_are_not_compared(tmp_path, capsys):
    digits(tmp_path, 300)
    about = {"human-annotated": "no", "type": "groundtruth/image-classification", "confidence": 1}
    named = {"creation-date": "2026-01-01T00:00:00", "job-name": "before"}

    def labeled(place: int, line: dict, true: dict) -> dict:
        number = true["truth"]
        return line | (
            {"label": number, "label-metadata": about | named | {"class-name": str(number)}} if place < 40 else {}
        )

    with_lines(tmp_path, labeled)
    job = ended(whole_job(tmp_path, 0.8, noise=0))
    assert summarize(job)["input"] == 40
    assert summarize(job)["auto"] > 0
    assert verdict(job.address, capsys) == (0, [])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["boxes", "digits"])
def test_a_label_that_is_null_in_the_input_is_none(kind, tmp_path, capsys):
    drawn = {"kind": "object-detection", "classes": COLOURS, "learner": "fast_learner:Boxes"}
    (boxes if kind == "boxes" else digits)(tmp_path, 100)
    with_lines(tmp_path, lambda place, line, true: line | ({"label": None} if place % 4 == 0 else {}))
    job = ended(whole_job(tmp_path, 0.8, budget=6.0, **(drawn if kind == "boxes" else {})))
    assert summarize(job)["state"] == "stopped"
    assert verdict(job.address, capsys) == (0, [])


@pytest.mark.slow
def test_a_job_that_promises_nothing_is_right(tmp_path, capsys):
    digits(tmp_path, 100)
    job = whole_job(tmp_path, 0.99)
    assert summarize(job)["auto"] == 0
    assert verdict(job.address, capsys) == (0, [])


# -- the rules by themselves


pools = st.tuples(st.integers(0, 2**32 - 1), st.integers(20, 300), st.floats(0.05, 0.6), st.integers(1, 3))


@settings(max_examples=60)
@given(pools, st.sampled_from([0.05, 0.1, 0.2, 0.33]), st.sampled_from([0.005, 0.03, 0.05, 0.2]))
def test_the_walk_is_certifys_on_any_pool(pool, max_loss, delta):
    seed, total, p, digits = pool
    chance = np.random.default_rng(seed)
    scores = np.round(chance.random(total) ** chance.uniform(0.2, 2), digits)  # with ties
    losses = (chance.random(total) < chance.uniform(0, 0.5) * (1 - scores)).astype(float)
    coins = chance.random(total) < p
    drawn = scores[coins], losses[coins], scores[~coins]
    theirs = certify(*drawn, max_loss=max_loss, delta=delta, binary=True)
    mine = script.walk(*drawn, max_loss, delta)
    assert theirs.rule == "walk"
    assert (mine[0] if len(mine) else None) == theirs.threshold


@pytest.mark.slow
def test_the_walk_is_certifys_where_its_bounds_are_kept_for_every_few_errors(monkeypatch):
    """As in pools of some ten thousand items."""
    for module in (library, script):
        monkeypatch.setattr(module, "STEPS", 7)
    library._walk_plan.cache_clear()
    promised = 0
    for seed in range(20):
        chance = np.random.default_rng(seed)
        total, max_loss, delta = 200, chance.choice([0.2, 0.33]), chance.choice([0.05, 0.2])
        assert 0.6 * total * max_loss > 2 * library.STEPS
        scores = np.round(chance.random(total), 2)
        losses = (chance.random(total) < chance.uniform(0.2, 0.5) * (1 - scores)).astype(float)
        coins = chance.permutation(total) < total * chance.uniform(0.1, 0.4)
        drawn = scores[coins], losses[coins], scores[~coins]
        theirs = certify(*drawn, max_loss=max_loss, delta=delta, binary=True)
        mine = script.walk(*drawn, max_loss, delta)
        assert (mine[0] if len(mine) else None) == theirs.threshold
        promised += theirs.threshold is not None
    library._walk_plan.cache_clear()
    assert 5 <= promised <= 19


@settings(max_examples=60)
@given(pools, st.sampled_from([0.02, 0.05, 0.1, 0.33]), st.sampled_from([0.005, 0.05, 0.2]), st.integers(0, 200))
@example((2, 20, 0.5625, 1), 0.02, 0.2, 0)  # the chance that no wrong item is drawn is delta itself
def test_the_rules_over_a_whole_dataset_are_certifys_on_any_pool(pool, max_loss, delta, more):
    seed, total, p, digits = pool
    chance = np.random.default_rng(seed)
    scores = np.round(chance.random(total), digits)
    losses = chance.random(total) * chance.uniform(0, 1.2) * (1 - scores)
    for binary in (False, True):
        lost = (chance.random(total) < losses).astype(float) if binary else losses.clip(0, 1)
        coins = chance.random(total) < p
        drawn, items = (scores[coins], lost[coins], scores[~coins]), total + more
        theirs = certify(*drawn, max_loss=max_loss, delta=delta, drawn=p, binary=binary, of="dataset", items=items)
        if not 0 < coins.sum() < total:
            continue
        if binary:
            mine = script.walk_over_all(*drawn, items, max_loss, delta)
        else:
            mine = script.coin_over_all(*drawn, items, max_loss, delta, p)
        assert (mine[0] if len(mine) else None) == theirs.threshold


@settings(max_examples=60)
@given(pools, st.sampled_from([0.1, 0.2, 0.4]), st.booleans())
def test_the_coin_is_certifys_on_any_pool(pool, max_loss, binary):
    seed, total, p, digits = pool
    chance = np.random.default_rng(seed)
    scores = np.round(chance.random(total), digits)
    losses = chance.random(total) * chance.uniform(0, 0.6) * (1.2 - scores)
    if binary:
        losses = (chance.random(total) < losses / 2).astype(float)
    coins = chance.random(total) < p
    drawn = scores[coins], losses[coins], scores[~coins]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "ERRORS", 0)  # from so many on, right-or-wrong losses are for the coin rule too
        theirs = certify(*drawn, max_loss=max_loss, delta=0.05, drawn=p, binary=binary)
    assert theirs.rule == "coin"
    mine = script.coin(*drawn, max_loss, 0.05, p, binary)
    assert (mine[0] if len(mine) else None) == theirs.threshold


def test_a_folder_of_no_job_is_named(tmp_path):
    ran = subprocess.run([sys.executable, "-I", SCRIPT, tmp_path], capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr == f"{tmp_path / 'job.json'} is not there; name the folder of a job whose plan is `certified`\n"
