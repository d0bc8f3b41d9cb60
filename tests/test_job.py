import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from roundtruth import steps
from roundtruth.begin import begin
from roundtruth.boxes import SIDES
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import COLOURS, boxes, digits, facts, output, run_job, scripted, write_job, write_lines


def test_there_is_no_job_in_an_empty_folder(tmp_path):
    with pytest.raises(UserError, match="no job in this folder"):
        Job(str(tmp_path))


LITTER = [".DS_Store", "Thumbs.db", "._{}", "{}~", ".{}.swp", "{}.swp", "{}.bak", "copy of {}", "old/{}", "notes.txt"]


def litter(folder: Path) -> None:
    """What file managers, editors and copy programs leave beside files, in every folder of a job."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    for path in paths:
        for name in LITTER:
            stray = path.parent / name.format(path.name)
            stray.parent.mkdir(exist_ok=True)
            stray.write_bytes(b"nonsense")


@pytest.mark.slow
@pytest.mark.parametrize("plan", ["certified", "ground-truth"])
def test_strays_in_the_job_folder_change_nothing(plan, make, tmp_path):
    """They are there before each step that goes on with the job: a first run, and one with another budget."""
    budgets = {"budget": 25.0}, {"budget": 40.0}, {}
    spec = [make(200, plan=plan, target={"quality": 0.6}, **budget) for budget in budgets]
    for changed in spec:
        job = run_job(changed)
        litter(tmp_path / "job")
    clean = [make(200, plan=plan, target={"quality": 0.6}, output="clean", **budget) for budget in budgets]
    for changed in clean:
        other = run_job(changed)
    assert summarize(other)["auto"] > 0
    assert facts(Job(job.address)) == facts(other)
    assert Job(job.address).listed("amendments/") == ["amendments/0001.json", "amendments/0002.json"]


@pytest.mark.parametrize("text", ["nonsense", "[1]", "3", '{"colour": "red"}', '{"budget": "much"}', '"stop"', "null"])
def test_an_amendment_that_is_nonsense_is_passed_over_and_told(text, make, tmp_path):
    run_job(make(20, budget=1.0))
    (tmp_path / "job/amendments").mkdir()
    (tmp_path / "job/amendments/0001.json").write_text(text)
    job = Job(f"{tmp_path}/job")
    assert (job.spec.budget, job.stopped) == (1.0, False)
    assert summarize(job)["passed"] == ["amendments/0001.json: it is no amendment; take it away"]
    assert run_job(make(20, budget=2.0)).spec.budget == 2.0
    assert (tmp_path / "job/amendments/0001.json").read_text() == text


@pytest.mark.parametrize("text", ["", '{"stop"', '{"budget": 3.0'])
def test_an_amendment_that_was_cut_off_is_refused(text, make, tmp_path):
    """It may be what ended the job: to go on would cost money."""
    run_job(make(20, budget=1.0))
    (tmp_path / "job/amendments").mkdir()
    (tmp_path / "job/amendments/0001.json").write_text(text)
    with pytest.raises(UserError, match=r"amendments/0001.json is damaged: not a JSON object; restore it from a copy"):
        Job(f"{tmp_path}/job")


def test_stopped_half_way_the_manifest_says_what_is_missing(make, tmp_path):
    make(30)
    (tmp_path / "images/0001.png").unlink()
    spec = make(30, workforce={"backend": "files", "answers_per_item": 1})
    run_job(spec)
    asked = Job(spec.output).batch(1)["item"].tolist()
    (tmp_path / "job/people/answers/a.csv").write_text(f"item,worker,label\n{asked[0]},ann,7\n")
    job = Job(spec.output)
    steps.stop(job)
    steps.deliver(job)
    records = output(tmp_path / "job")
    assert [i for i, record in enumerate(records, 1) if "label" in record] == [asked[0]]
    reasons = [record["label-metadata"].get("failure-reason") for record in records]
    assert reasons[0] == "no file"
    assert {reasons[item - 1] for item in asked[1:]} == {"nobody answered"}
    never = [i for i in range(2, 31) if i not in asked]
    assert {reasons[item - 1] for item in never} == {"the job was stopped before this item was labeled"}
    summary = summarize(job)
    assert (summary["state"], summary["human"], summary["failed"]) == ("stopped", 1, 29)
    assert all(record["label-metadata"]["human-annotated"] == "no" for record in records if "label" not in record)


def test_the_output_manifest_has_every_field_of_the_input_in_its_order(make, tmp_path):
    make(12)
    lines = [json.loads(line) for line in (tmp_path / "input.manifest").read_text().splitlines()]
    for i, line in enumerate(lines):
        line |= {"id": i, "nested": {"a": [1, 2.5, None, "ü"]}, "other-metadata": {"type": "x"}}
    write_lines(tmp_path / "input.manifest", lines)
    run_job(make(12))
    records = output(tmp_path / "job")
    assert [{k: v for k, v in record.items() if not k.startswith("label")} for record in records] == lines
    assert all(list(record)[:4] == ["source-ref", "id", "nested", "other-metadata"] for record in records)
    text = (tmp_path / "job/output/output.manifest").read_text()
    created = {json.loads(line)["label-metadata"]["creation-date"] for line in text.splitlines()}
    assert len(created) == 1
    assert pd.Timestamp(created.pop()) > pd.Timestamp.now("UTC").tz_localize(None) - pd.Timedelta(hours=1)


def test_an_output_manifest_goes_in_again_and_only_what_failed_is_asked_for(make, tmp_path):
    make(12)
    (tmp_path / "images/0005.png").unlink()
    run_job(make(12))
    (tmp_path / "again.manifest").write_text((tmp_path / "job/output/output.manifest").read_text())
    digits(tmp_path, 12)  # the missing picture is there again
    job = run_job(make(12, data="again.manifest", output="again"))
    assert job.asked()["item"].tolist() == [5]
    records = output(tmp_path / "again")
    assert all("failure-reason" not in record["label-metadata"] for record in records)
    assert [r["label"] for i, r in enumerate(records) if i != 4] == [
        r["label"] for i, r in enumerate(output(tmp_path / "job")) if i != 4
    ]


def test_what_a_model_draws_beside_the_pictures_can_be_read_again(tmp_path, monkeypatch):
    truth = boxes(tmp_path, 60)

    def predict(trained, items):
        found = truth[truth["item"].isin(items)].assign(score=0.9)
        found.loc[found["class_id"] == 0, ["left", "width"]] = [-30.0, 300.0]
        found.loc[found["class_id"] == 1, "top"] = 200.0
        return found

    given = {"kind": "object-detection", "classes": COLOURS, "learner": scripted(monkeypatch, predict)}
    job = run_job(JobSpec.from_file(write_job(tmp_path, target={"quality": 0.01}, **given)))
    assert len(job.auto_labels()) > 0
    shutil.copy(tmp_path / "job/output/output.manifest", tmp_path / "again.manifest")
    again = begin(JobSpec.from_file(write_job(tmp_path, data="again.manifest", output="again", **given)))
    columns = ["item", "class_id", *SIDES]
    order = [labels[columns].sort_values(columns, ignore_index=True) for labels in (job.outcome(), again.outcome())]
    pd.testing.assert_frame_equal(*order)


def test_outcome_has_a_row_an_item_and_where_it_is_from(make):
    job = run_job(make(60, target={"quality": 0.8}))
    outcome = job.outcome()
    assert sorted(outcome["item"]) == list(range(1, 61))
    assert outcome.groupby("source").size().to_dict() == {"human": len(job.asked()), "auto": 60 - len(job.asked())}
    assert outcome["confidence"].between(0, 1).all()
    assert outcome.dtypes[["item", "class_id", "round"]].tolist() == [np.dtype("int64")] * 3
    validation = job.validation(max(job.rounds_with("predictions/done.json")))
    checked = job.asked()[job.asked().role.isin(["probe", "validation"])]
    assert sorted(validation["item"]) == sorted(checked["item"])


def test_a_file_that_was_read_in_part_is_read_as_a_whole_when_all_of_it_is_wanted(make):
    job = run_job(make(4))
    whole = Job(job.address).answers(1)
    again = Job(job.address)
    some = again.answers(1, columns=["item", "worker"])
    assert some.columns.tolist() == ["item", "worker"]
    pd.testing.assert_frame_equal(again.answers(1), whole)
    pd.testing.assert_frame_equal(again.answers(1, columns=["item", "worker"]), some)
