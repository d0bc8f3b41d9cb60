import json

import numpy as np
import pandas as pd
import pytest

from roundtruth import steps
from roundtruth.errors import Held, UserError
from roundtruth.job import Job, begin, hold
from tests.jobs import digits, go, output, run_job, write_lines


def test_begin_writes_the_spec_the_items_and_what_they_are(make, tmp_path):
    spec = make(5)
    (tmp_path / "images/0002.png").write_bytes(b"no picture")
    (tmp_path / "images/0003.png").unlink()
    job = begin(spec)
    assert job.spec == spec
    assert job.begun["items"] == 5
    items = job.items()
    assert items["item"].tolist() == [1, 2, 3, 4, 5]
    assert items["source"].tolist() == [f"images/{i:04d}.png" for i in range(1, 6)]
    assert items["url"].tolist() == [f"{tmp_path}/images/{i:04d}.png" for i in range(1, 6)]
    assert items[["width", "height", "depth"]].to_numpy().tolist() == [
        [8, 8, 1],
        [0, 0, 0],
        [0, 0, 0],
        *[[8, 8, 1]] * 2,
    ]
    assert items["failure"].notna().tolist() == [False, True, True, False, False]
    assert [json.loads(record) for record in items["record"]] == [{"source-ref": s} for s in items["source"]]
    assert job.pool().tolist() == [1, 4, 5]


def test_items_in_shards_are_the_items(make, monkeypatch):
    monkeypatch.setattr("roundtruth.job.SHARD", 7)
    job = begin(make(20))
    assert [f"items/{i:04d}.parquet" for i in (1, 2, 3)] == job.store.list("items/")
    assert job.items()["item"].tolist() == list(range(1, 21))
    job.store._path("items/0002.parquet").unlink()  # as if it had been killed between the shards
    assert begin(job.spec).items().equals(job.items())
    assert go(job.address)
    assert [record["source-ref"] for record in output(job.store._path(""))] == job.items()["source"].tolist()


def test_beginning_twice_changes_nothing(make, tmp_path):
    spec = make(5)
    begin(spec)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    begin(spec)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_there_is_no_job_in_an_empty_folder(tmp_path):
    with pytest.raises(UserError, match="no job in this folder"):
        Job(str(tmp_path))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("budget", 3.0),
        ("target", {"quality": 0.5}),
        ("prices", {"per_item": 1.0}),
        ("workforce", {"backend": "simulated", "truth": "truth.manifest", "noise": 1.0}),
        ("learner", "default"),
    ],
)
def test_what_a_person_may_change_on_the_way_is_amended(key, value, make):
    first = make(5)
    begin(first)
    changed = make(5, **{key: value})
    job = begin(changed)
    assert job.spec == changed
    assert Job(changed.output).spec == changed
    assert set(job.store.read_json("amendments/0001.json")) == {key}
    assert job.begun["spec"] == first.model_dump(mode="json")
    begin(changed)
    assert job.store.list("amendments/") == ["amendments/0001.json"]
    assert begin(first).spec == first  # and back
    assert len(job.store.list("amendments/")) == 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "other"),
        ("classes", ["a", "b"]),
        ("attribute", "thing"),
        ("seed", 1),
        ("weights", "x.pth"),
        ("data", "truth.manifest"),
        ("pool", "gpu"),
    ],
)
def test_what_cannot_change_is_the_users_mistake(key, value, make):
    spec = make(5)
    begin(spec)
    with pytest.raises(UserError, match=rf"^{key}: the job in {spec.output} has .* the job file says .*put it back"):
        begin(make(5, **{key: value}))
    assert Job(spec.output).spec == spec


@pytest.mark.parametrize("change", ["another line", "another order", "a field"])
def test_a_dataset_that_changed_is_an_error(change, make, tmp_path):
    spec = make(5)
    begin(spec)
    manifest = tmp_path / "input.manifest"
    lines = manifest.read_text().splitlines(keepends=True)
    changed = {
        "another line": [*lines, '{"source-ref": "more.png"}\n'],
        "another order": lines[::-1],
        "a field": ['{"source-ref": "images/0001.png", "a": 1}\n', *lines[1:]],
    }
    manifest.write_text("".join(changed[change]))
    with pytest.raises(UserError, match=rf"^data: {manifest} changed since the job began"):
        begin(spec)
    manifest.write_text("".join(lines))
    begin(spec)


def test_a_folder_with_another_picture_is_a_dataset_that_changed(make, tmp_path):
    spec = make(5, data="images")
    begin(spec)
    (tmp_path / "images/notes.txt").write_text("no picture")
    begin(spec)
    (tmp_path / "images/new.png").write_bytes((tmp_path / "images/0001.png").read_bytes())
    with pytest.raises(UserError, match=r"^data: .* changed since the job began"):
        begin(spec)


def test_a_job_folder_among_the_pictures_is_no_part_of_the_dataset(make, tmp_path):
    spec = make(3, data=".", output="jobs/one", workforce={"backend": "files"})
    (tmp_path / "jobs/one/report").mkdir(parents=True)
    (tmp_path / "jobs/one/report/old.png").write_bytes((tmp_path / "images/0001.png").read_bytes())
    job = begin(spec)
    assert job.items()["source"].tolist() == [f"images/{i:04d}.png" for i in (1, 2, 3)]
    (tmp_path / "jobs/one/report/new.png").write_bytes((tmp_path / "images/0001.png").read_bytes())
    begin(spec)


def test_a_mistake_in_the_dataset_leaves_no_job_behind(make, tmp_path):
    """It can be mended and begun: the mended dataset is not one that changed."""
    spec = make(3)
    lines = (tmp_path / "input.manifest").read_text()
    wrong = {"source-ref": "a.png", "label": 1, "label-metadata": {"type": "groundtruth/object-detection"}}
    for bad in (lines + lines, lines + '{"source-ref": "../a.png"}\n', lines + json.dumps(wrong) + "\n"):
        (tmp_path / "input.manifest").write_text(bad)
        with pytest.raises(UserError, match=r"input.manifest: line 4: "):
            begin(spec)
        assert not (tmp_path / "job/job.json").exists()
    (tmp_path / "input.manifest").write_text(lines)
    begin(spec)


def test_one_holds_the_job(make):
    spec = make(2)
    with hold(spec, "the first"):
        begin(spec)
        with pytest.raises(Held, match=r"is held by .*@.* pid \d+ \(the first\) since"), hold(spec, "the second"):
            pytest.fail("two hold the job")
    with hold(spec, "the second"):
        pass


def test_stopped_half_way_the_manifest_says_what_is_missing(make, tmp_path):
    make(30)
    (tmp_path / "images/0001.png").unlink()
    spec = make(30, workforce={"backend": "files", "answers_per_item": 1})
    run_job(spec)
    asked = Job(spec.output).batch(1)["item"].tolist()
    (tmp_path / "job/people/answers").mkdir()
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
    summary = job.summary()
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
