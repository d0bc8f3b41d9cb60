"""What docs/correcting-labels.md tells people to do works."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from roundtruth import steps
from roundtruth.begin import begin
from roundtruth.cli import main
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import COLOURS, boxes, output, run_job, write_job, write_lines


@pytest.fixture
def done(make, tmp_path):
    """A finished job in the folder `job`, with the labels that people gave to 12 digits."""
    spec = make(12)
    job = run_job(spec)
    steps.deliver(job)
    return Job(job.address)


def new_job(tmp_path, **changed) -> Job:
    job = run_job(JobSpec.from_file(write_job(tmp_path, **({"output": "corrected"} | changed))))
    steps.deliver(job)
    return Job(job.address)


def labels(job: Job) -> dict[str, str]:
    """The class of each picture, as the output manifest says."""
    return {line["source-ref"]: line["label-metadata"].get("class-name") for line in output(Path(job.address))}


def exported(tmp_path) -> pd.DataFrame:
    """`roundtruth export job.yaml --to csv labels.csv`, beside the data."""
    assert main(["export", f"{tmp_path}/job.yaml", "--to", "csv", f"{tmp_path}/labels.csv"]) == 0
    return pd.read_csv(tmp_path / "labels.csv", dtype="str", keep_default_na=False)


def test_a_label_that_is_corrected_in_the_csv_is_the_label_of_a_new_job_that_asks_nobody(done, tmp_path):
    table = exported(tmp_path)
    assert list(table) == ["item", "source", "label", "confidence", "label_source"]
    table.loc[3, ["label", "confidence", "label_source"]] = ["7", "1", "human"]
    table.to_csv(tmp_path / "labels.csv", index=False)
    job = new_job(tmp_path, data="labels.csv", workforce={"backend": "files"})
    assert (summarize(job)["state"], job.last_round()) == ("complete", 0)
    assert labels(job) == labels(done) | {table["source"][3]: "7"}


def test_people_are_asked_anew_about_the_labels_that_are_taken_out(done, tmp_path):
    table = exported(tmp_path)
    table.loc[[2, 5], ["label", "confidence", "label_source"]] = ""
    table.to_csv(tmp_path / "labels.csv", index=False)
    job = new_job(tmp_path, data="labels.csv", workforce={"backend": "files"})
    assert set(pd.read_csv(f"{job.address}/people/batch-001.csv")["source"]) <= set(table["source"][[2, 5]])
    assert (summarize(job)["input"], job.askable().tolist()) == (10, [3, 6])


def test_classes_are_renamed_joined_and_added_in_the_csv(done, tmp_path):
    table = exported(tmp_path)
    table["label"] = table["label"].replace({"0": "zero", "1": "one", "7": "one"})
    table.to_csv(tmp_path / "labels.csv", index=False)
    classes = ["zero", "one", *"2345689", "none of them"]
    job = new_job(tmp_path, data="labels.csv", classes=classes, workforce={"backend": "files"})
    assert labels(job) == dict(zip(table["source"], table["label"]))
    with pytest.raises(UserError, match="'zero' is not one of the job's classes"):
        new_job(tmp_path, data="labels.csv", output="other")


def test_the_output_manifest_with_new_lines_is_the_data_of_a_new_job(done, tmp_path):
    lines = output(Path(done.address))
    shutil.copy(tmp_path / "images/0001.png", tmp_path / "images/new.png")
    write_lines(tmp_path / "more.manifest", [*lines, {"source-ref": "images/new.png"}])
    job = new_job(tmp_path, data="more.manifest", workforce={"backend": "files"})
    assert summarize(job)["input"] == 12
    assert pd.read_csv(f"{job.address}/people/batch-001.csv")["source"].tolist() == ["images/new.png"]


def test_the_output_manifest_itself_is_data_where_the_job_file_names_the_pictures(done, tmp_path):
    job = new_job(tmp_path, data="job/output/output.manifest", pictures=".", workforce={"backend": "files"})
    assert (summarize(job)["state"], summarize(job)["input"]) == ("complete", 12)
    assert labels(job) == labels(done)


@pytest.mark.parametrize(
    "changed",
    [
        {"classes": ["cat", "dog"]},
        pytest.param({"attribute": "other"}, marks=pytest.mark.slow),
        pytest.param({"kind": "object-detection"}, marks=pytest.mark.slow),
    ],
)
def test_a_job_that_was_begun_keeps_its_classes_attribute_and_kind(done, tmp_path, changed):
    with pytest.raises(UserError, match="give the new job a folder of its own"):
        begin(JobSpec.from_file(write_job(tmp_path, **changed)))


def test_new_lines_in_the_data_of_a_job_that_was_begun_are_refused(done, tmp_path):
    with (tmp_path / "input.manifest").open("a") as file:
        file.write('{"source-ref": "images/new.png"}\n')
    with pytest.raises(
        UserError, match="changed since the job began; put it back, or give the new dataset a job folder"
    ):
        begin(JobSpec.from_file(tmp_path / "job.yaml"))


def test_boxes_are_moved_added_and_taken_out_in_the_csv(tmp_path):
    boxes(tmp_path, 3)
    given = {"kind": "object-detection", "classes": list(COLOURS), "learner": "fast_learner:Boxes"}
    job = run_job(JobSpec.from_file(write_job(tmp_path, **given)))
    assert job.human_labels()["item"].nunique() == 3
    table = exported(tmp_path)
    box = {"class": COLOURS[1], "left": "1", "top": "2", "width": "3", "height": "4"}
    first = table.drop_duplicates("source").assign(confidence="1", label_source="human")
    first.loc[first.index[0], [*box]] = [*box.values()]  # one box in place of all
    first.loc[first.index[1], [*box]] = ""  # there is nothing
    first.loc[first.index[2], [*box, "confidence", "label_source"]] = ""  # people shall label it anew
    first.to_csv(tmp_path / "labels.csv", index=False)
    job = new_job(tmp_path, **given, data="labels.csv", workforce={"backend": "files"})
    records = [json.loads(record) for record in job.items(["record"])["record"]]
    assert [record.get("label", {}).get("annotations") for record in records] == [
        [{"class_id": 1, "top": 2, "left": 1, "height": 4, "width": 3}],
        [],
        None,
    ]
    assert job.askable().tolist() == [3]
