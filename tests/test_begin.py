import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from roundtruth import formats, learning, steps
from roundtruth.begin import begin, hold
from roundtruth.errors import Held, UserError
from roundtruth.job import ITEM, Job, anchored, portable, read_spec
from roundtruth.report import gallery
from roundtruth.settings import Boxes
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from roundtruth.terminal import print_summary
from tests.jobs import COLOURS, boxes, files, go, output, run_job, write_job, write_lines


def test_begin_writes_the_spec_the_items_and_what_they_are(make, tmp_path):
    spec = make(5)
    (tmp_path / "images/0002.png").write_bytes(b"no picture")
    (tmp_path / "images/0003.png").unlink()
    job = begin(spec)
    assert job.spec == spec
    assert job.begun["items"] == 5
    items = job.items([*ITEM, "record"])
    assert items["item"].tolist() == [1, 2, 3, 4, 5]
    assert items["source"].tolist() == [f"images/{i:04d}.png" for i in range(1, 6)]
    assert job.urls(items) == [f"{tmp_path}/images/{i:04d}.png" for i in range(1, 6)]
    assert items[["width", "height", "depth"]].to_numpy().tolist() == [
        [8, 8, 1],
        [0, 0, 0],
        [0, 0, 0],
        *[[8, 8, 1]] * 2,
    ]
    assert items["failure"].notna().tolist() == [False, True, True, False, False]
    assert [json.loads(record) for record in items["record"]] == [{"source-ref": s} for s in items["source"]]
    assert job.pool().tolist() == [1, 4, 5]


def test_no_job_begins_while_most_pictures_are_away(make, tmp_path):
    spec = make(8)
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"input.manifest: 8 of 8 pictures are not there, the first: images/0001.png"):
        begin(spec)
    assert not (tmp_path / "job/job.json").exists()
    (tmp_path / "elsewhere").rename(tmp_path / "images")  # the disk is mounted
    assert begin(spec).pool().tolist() == list(range(1, 9))


def test_pictures_that_were_missing_or_broken_are_looked_for_in_every_later_run(make, tmp_path):
    spec = make(8)
    images, away = tmp_path / "images", tmp_path / "away"
    away.mkdir()
    for number in (2, 3, 5):
        (images / f"{number:04d}.png").rename(away / f"{number:04d}.png")
    (images / "0007.png").write_bytes(b"not yet a picture")
    before = begin(spec)
    assert before.pool().tolist() == [1, 4, 6, 8]
    assert summarize(before)["notes"] == ["4 pictures are missing or broken; each run looks for them again"]
    written = files(tmp_path / "job")
    begin(spec)  # nothing is there yet
    assert files(tmp_path / "job") == written
    Image.new("RGB", (30, 20)).save(images / "0002.png")
    Image.new("RGB", (40, 30)).save(images / "0007.png")
    job = begin(spec)
    assert files(tmp_path / "job").items() >= written.items()
    assert job.pool().tolist() == [1, 2, 4, 6, 7, 8]
    assert job.items(["width", "height", "depth"]).iloc[[1, 2, 6]].to_numpy().tolist() == [
        [30, 20, 3],
        [0, 0, 0],
        [40, 30, 3],
    ]
    assert summarize(job)["notes"] == [
        "2 pictures could not be read when the job began, and can be now",
        "2 pictures are missing or broken; each run looks for them again",
    ]
    (away / "0003.png").rename(images / "0003.png")
    begin(spec)
    again = begin(spec)  # what was found is found once
    assert again.returned()["item"].tolist() == [2, 7, 3]
    assert again.pool().tolist() == [1, 2, 3, 4, 6, 7, 8]
    assert summarize(again)["failed"] == 1
    assert go(spec.output)
    labeled = [record for record in output(tmp_path / "job") if "label" in record]
    assert [record["source-ref"][-5] for record in labeled] == ["1", "2", "3", "4", "6", "7", "8"]


def test_a_stopped_job_looks_for_no_picture(make, tmp_path):
    spec = make(4)
    (tmp_path / "images/0002.png").rename(tmp_path / "0002.png")
    steps.stop(begin(spec))
    (tmp_path / "0002.png").rename(tmp_path / "images/0002.png")
    job = begin(spec)
    assert job.items(["failure"])["failure"].tolist()[1] == "no file"
    assert summarize(job)["notes"] == []


def test_a_box_on_a_picture_that_returned_has_the_size_of_the_picture(tmp_path):
    boxes(tmp_path, 6)
    spec = JobSpec.from_file(
        write_job(tmp_path, kind="object-detection", classes=COLOURS, learner="fast_learner:Boxes")
    )
    (path,) = (tmp_path / "images").glob("0003*")
    path.rename(tmp_path / path.name)
    begin(spec)
    (tmp_path / path.name).rename(path)
    run_job(spec)
    size = output(tmp_path / "job")[2]["label"]["image_size"][0]
    with Image.open(path) as picture:
        assert (size["width"], size["height"]) == picture.size


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("images\\{}.png", "name their folder in the job file: `pictures: FOLDER`"),
        ("The parcel came {} days late.", "seem to be texts"),
        ("https-less/{}.png", "put the pictures there, or name their folder"),
    ],
)
def test_what_names_no_picture_is_refused_with_a_hint(source, hint, make, tmp_path):
    spec = make(3)
    write_lines(tmp_path / "input.manifest", [{"source": source.format(i)} for i in range(9)])
    places = f"looked for in {tmp_path} and in the usual folders around it[)]; "
    with pytest.raises(UserError, match=f"9 of 9 pictures are not there.*{places}.*{hint}"):
        begin(spec)


def test_two_names_of_one_file_are_refused(make, tmp_path):
    spec = make(6, workforce={"backend": "files"})
    names = [json.loads(line)["source-ref"] for line in (tmp_path / "input.manifest").read_text().splitlines()]
    (tmp_path / "link").symlink_to(tmp_path / "images")
    (tmp_path / "soft.png").symlink_to("images/0002.png")
    (tmp_path / "copy.png").hardlink_to(tmp_path / "images/0003.png")
    more = ["link/0001.png", "soft.png", "copy.png", f"{tmp_path}/images//0004.png"]
    write_lines(tmp_path / "input.manifest", [{"source-ref": name} for name in [*names, *more]])
    with pytest.raises(UserError) as error:
        begin(spec)
    assert str(error.value) == (
        f"{tmp_path}/input.manifest: 3 mistakes: line 7: source-ref: link/0001.png is the same file as "
        "images/0001.png; take one out; line 8: source-ref: soft.png is the same file as images/0002.png; take one "
        f"out; line 10: source-ref: {tmp_path}/images//0004.png is the same file as images/0004.png; take one out"
    )
    assert not (tmp_path / "job/job.json").exists()
    write_lines(tmp_path / "input.manifest", [{"source-ref": name} for name in [*names, "copy.png"]])
    assert len(begin(spec).pool()) == 7


@pytest.mark.parametrize(
    ("stated", "what"),
    [
        ((80, 60), "the file says 80 x 60 pixels, the picture seen upright has 40 x 30: 0.5 times as large"),
        ((30, 40), "the file says 30 x 40 pixels, the picture seen upright has 40 x 30: it is turned by its EXIF"),
        ((44, 30), "it is another picture, or was cropped"),
    ],
)
def test_boxes_drawn_on_a_picture_of_another_size_are_refused(stated, what, tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    with pytest.raises(UserError) as error:
        begin(one_labeled_picture(tmp_path, *stated))
    assert f"{tmp_path}/coco.json: images[0]: " in str(error.value)
    assert what in str(error.value)
    assert begin(one_labeled_picture(tmp_path, 40, 30)).items()["labeled"].tolist() == [True]


def test_labels_with_other_class_numbers_are_renumbered_and_keep_their_history(make, tmp_path):
    spec = make(3, classes=["3", "7"], data="old.manifest", workforce={"backend": "files"})
    about = {"type": "groundtruth/image-classification", "confidence": 0.9, "human-annotated": "no"}
    about |= {"job-name": "labeling-job/old", "creation-date": "2024-03-01T10:00:00.000000"}
    named = [("3", 5), ("7", 1), ("3", 0)]
    lines = [
        {"source-ref": f"images/{i:04d}.png", "label": number, "label-metadata": about | {"class-name": name}, "x": i}
        for i, (name, number) in enumerate(named, 1)
    ]
    write_lines(tmp_path / "old.manifest", lines)
    job = begin(spec)
    records = [json.loads(text) for text in job.items(["record"])["record"]]
    assert [record["label"] for record in records] == [0, 1, 0]
    for line, record in zip(lines, records, strict=True):
        assert record == line | {"label": record["label"]}
    assert job.begun["notes"] == ["1 label had other class numbers than the job; the output has the job's"]


def test_boxes_of_another_size_are_scaled_by_the_key_and_in_the_output(tmp_path):
    spec = one_labeled_picture(tmp_path, 80, 60)
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    job = begin(spec.model_copy(update={"boxes": Boxes(size="as-stated")}))
    record = json.loads(job.items(["record"])["record"][0])
    assert record["label"] == {
        "image_size": [{"width": 40, "height": 30, "depth": 3}],
        "annotations": [{"class_id": 0, "top": 1.5, "left": 1, "height": 6, "width": 5}],
    }


def test_boxes_of_the_sensor_are_turned_by_the_key(tmp_path):
    spec = one_labeled_picture(tmp_path, 80, 60)
    picture = Image.new("RGB", (80, 60))
    exif = picture.getexif()
    exif[0x0112] = 6  # is shown after a quarter turn to the right
    picture.save(tmp_path / "a.png", exif=exif)
    job = begin(spec.model_copy(update={"boxes": Boxes(size="as-stated")}))
    label = json.loads(job.items(["record"])["record"][0])["label"]
    assert label["image_size"] == [{"width": 60, "height": 80, "depth": 3}]
    assert label["annotations"] == [{"class_id": 0, "top": 2, "left": 45, "height": 10, "width": 12}]


def test_a_picture_that_was_mended_after_a_refusal_is_read_again(tmp_path):
    """What was found out about the pictures is in the folder by then, and is no file of somebody else."""
    spec = one_labeled_picture(tmp_path, 80, 60)
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    with hold(spec, "run"), pytest.raises(UserError, match=r"0\.5 times as large"):
        begin(spec)
    assert list((tmp_path / "job").glob("**/0001.parquet"))
    Image.new("RGB", (80, 60)).save(tmp_path / "a.png")
    with hold(spec, "run"):
        assert begin(spec).items(["width", "height", "failure"]).isna().to_numpy().tolist() == [[False, False, True]]
    assert begin(spec).items(["width", "height"]).to_numpy().tolist() == [[80, 60]]


def test_a_labeled_picture_that_is_away_keeps_the_size_that_its_file_states(tmp_path):
    job = begin(one_labeled_picture(tmp_path, 160, 120))
    formats.export(job, "coco", f"{tmp_path}/out.json")
    image = json.loads((tmp_path / "out.json").read_text())["images"][0]
    assert (image["width"], image["height"]) == (160, 120)


def one_labeled_picture(folder, width: int, height: int) -> JobSpec:
    """A job about a.png, which has a box, and whose size is stated as `width` x `height`."""
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": width, "height": height}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [2, 3, 10, 12]}],
    }
    (folder / "coco.json").write_text(json.dumps(coco))
    job = {
        "name": "a",
        "kind": "object-detection",
        "data": f"{folder}/coco.json",
        "classes": ["cat"],
        "output": f"{folder}/job",
        "workforce": {"backend": "files"},
    }
    return JobSpec.model_validate(job)


def test_what_is_passed_over_is_counted_in_the_summary_the_terminal_and_the_page(make, tmp_path, capsys):
    spec = make(5, data="images")
    for name in ("a.xml", "b.xml", "c.TXT", "Thumbs.db", ".hidden"):
        (tmp_path / "images" / name).write_text("no picture")
    job = run_job(spec)
    steps.write_report(job)
    line = "3 files that are no pictures (.xml, .txt)"
    summary = summarize(job)
    assert summary["passed"] == [line]
    print_summary(job, summary)
    assert f"Passed over: {line}." in " ".join(capsys.readouterr().out.split())
    assert line in (tmp_path / "job/report/index.html").read_text()


def test_classes_that_people_may_take_for_one_are_a_note(make, tmp_path, capsys):
    spec = make(5, classes=[*"0123456789", "Cat", "dog", "cat", "été", "Ete", "ete"])
    job = run_job(spec)
    steps.write_report(job)
    line = (
        "5 classes differ from another one only by case or accents (Cat/cat, été/Ete/ete); where they mean the same, "
        "begin the job anew with one of them"
    )
    summary = summarize(job)
    assert summary["notes"] == [line]
    print_summary(job, summary)
    assert f"{line}." in " ".join(capsys.readouterr().out.split())
    assert line in (tmp_path / "job/report/index.html").read_text()


def test_the_model_and_the_page_see_12_bits_by_the_range_of_the_dataset(make, tmp_path, capsys):
    spec = make(6)
    for number, brightest in enumerate((4095, 3000, 2000, 1500, 975, 500), 1):
        values = np.full((8, 8), brightest, "uint16")
        values[:4] = 0
        Image.fromarray(values).save(tmp_path / f"images/{number:04d}.png")
    job = run_job(spec)
    steps.write_report(job)
    pictures, items = learning.pictures(job, np.array([1, 5])), job.items()
    assert [pictures.read(i).max() for i in (0, 1)] == [255, 61]  # 975 / 4095 * 255 is 60.7
    of_5 = pd.DataFrame({"item": [5], "class_id": [0], "confidence": [1.0]})
    chosen = pd.Series([1.0], index=[5])
    (tile,) = gallery.tiles(chosen, of_5, items, job.kind, spec.classes, job.ranges)
    pixels = np.asarray(Image.open(io.BytesIO(tile.jpeg)))
    left, *_, right = pixels[int(0.7 * len(pixels))]  # in the lower half of the picture, above the caption
    assert [abs(int(value) - 61) < 4 for value in (*left, *right)] == [True] * 6
    line = "6 pictures have 16 bits per value; their values 0 to 4095 are shown as 0 to 255"
    summary = summarize(job)
    assert summary["notes"] == [line]
    print_summary(job, summary)
    assert f"{line}." in " ".join(capsys.readouterr().out.split())
    assert line in (tmp_path / "job/report/index.html").read_text()


def test_labels_under_another_attribute_are_told(make, tmp_path):
    spec = make(6)
    lines = [json.loads(line) for line in (tmp_path / "truth.manifest").read_text().splitlines()]
    lines[5] = {"source-ref": lines[5]["source-ref"]}
    write_lines(tmp_path / "input.manifest", lines)
    told = "labels in the field truth; `attribute: truth` in the job file uses them"
    assert summarize(begin(spec))["passed"] == [f"5 {told}"]


def test_items_in_shards_are_the_items(make, monkeypatch):
    monkeypatch.setattr("roundtruth.manifest.SHARD", 7)
    job = begin(make(20))
    assert [f"items/{i:04d}.parquet" for i in (1, 2, 3)] == job.listed("items/")
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


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("budget", 3.0),
        ("target", {"quality": 0.5}),
        ("prices", {"per_item": 1.0}),
        ("workforce", {"backend": "simulated", "truth": "truth.manifest", "noise": 1.0, "answers_per_item": 5}),
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
    assert read_spec(job.begun["spec"], job.address) == first
    begin(changed)
    assert job.listed("amendments/") == ["amendments/0001.json"]
    assert begin(first).spec == first  # and back
    assert len(Job(changed.output).listed("amendments/")) == 2


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


def test_other_jobs_among_the_pictures_are_no_part_of_the_dataset(make, tmp_path):
    first = make(3, data=".", output="jobs/one")
    steps.write_report(begin(first))
    (tmp_path / "jobs/one/report/a.png").write_bytes((tmp_path / "images/0001.png").read_bytes())
    assert begin(make(3, data="images/..", output="jobs/two")).begun["items"] == 3
    (tmp_path / "jobs/two/report").mkdir()
    (tmp_path / "jobs/two/report/a.png").write_bytes((tmp_path / "images/0001.png").read_bytes())
    begin(first)
    begin(make(3, data="images/..", output="jobs/two"))


def test_a_dataset_with_no_pictures_but_the_jobs_own_is_refused(make, tmp_path):
    spec = make(3, data="pictures", output="pictures/job")
    (tmp_path / "pictures/job/report").mkdir(parents=True)
    (tmp_path / "images/0001.png").rename(tmp_path / "pictures/job/report/a.png")
    with pytest.raises(UserError, match=r"^data: .*/pictures: no pictures in this folder"):
        begin(spec)


def test_a_job_folder_that_is_the_folder_of_pictures_is_refused(make, tmp_path):
    spec = make(3, data="images", output="jobs/../images")
    with pytest.raises(UserError, match=r"^output: .*/images holds the data itself"):
        begin(spec)
    assert not (tmp_path / "images/job.json").exists()


def test_a_mistake_in_the_dataset_leaves_no_job_behind(make, tmp_path):
    """It can be mended and begun: the mended dataset is not one that changed."""
    spec = make(3)
    lines = (tmp_path / "input.manifest").read_text()
    wrong = {"source-ref": "a.png", "label": 1, "label-metadata": {"type": "groundtruth/object-detection"}}
    for bad in (lines + lines, lines + '{"source-ref": "../a.png"}\n', lines + json.dumps(wrong) + "\n"):
        (tmp_path / "input.manifest").write_text(bad)
        with pytest.raises(UserError, match=r"input.manifest: (3 mistakes: )?line 4: "):
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


@pytest.mark.parametrize("other", ["./job", "job/", "images/../job", "link", "folder/link", "{absolute}/link/"])
def test_a_job_folder_has_one_name_however_it_is_written(other, make, tmp_path):
    (tmp_path / "link").symlink_to("job")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/link").symlink_to(tmp_path / "job")
    job = begin(make(3))
    spec = make(3, output=other.format(absolute=tmp_path))
    assert spec.output == job.address == Job(f"{tmp_path}/{other.format(absolute='.')}").address == f"{tmp_path}/job"
    with hold(make(3), "the first"), pytest.raises(Held, match=f"^{tmp_path}/job is held by"), hold(spec, "another"):
        pytest.fail("two hold the job")
    assert begin(spec).listed("amendments/") == []


def test_a_job_folder_that_is_a_link_to_another_disk(make, tmp_path):
    """The data is beside the link, not beside the folder that it leads to."""
    disk = tmp_path / "large/disk/jobs"
    disk.mkdir(parents=True)
    (tmp_path / "job").symlink_to(disk)
    job = run_job(make(12))
    assert (job.address, job.spec.data) == (str(disk), f"{tmp_path}/input.manifest")
    assert len(output(disk)) == 12
    assert run_job(make(12)).listed("amendments/") == []


def test_a_project_that_is_reached_by_a_link_can_be_moved(make, tmp_path):
    make(3)
    (tmp_path / "project").mkdir()
    for name in ("images", "input.manifest", "truth.manifest"):
        (tmp_path / name).rename(tmp_path / "project" / name)
    (tmp_path / "link").symlink_to("project")
    given = make(3).model_dump(mode="json") | {"data": f"{tmp_path}/link/input.manifest"}
    given |= {"output": f"{tmp_path}/link/job", "workforce": {"backend": "files"}}
    job = begin(JobSpec.model_validate(given))
    assert job.begun["spec"]["data"] == "../input.manifest"


@pytest.mark.parametrize("name", ["notes.txt", "checked/1.png", "rounds/001/asked.parquet"])
def test_a_folder_of_other_things_becomes_no_job_folder(name, make, tmp_path):
    (tmp_path / "job" / name).parent.mkdir(parents=True)
    (tmp_path / "job" / name).write_text("mine")
    first = name.partition("/")[0]
    said = f"^output: {tmp_path}/job holds other files \\({first}\\) and no job; give the job a folder of its own$"
    with pytest.raises(UserError, match=said), hold(make(3), "a run"):
        pytest.fail("it is held")
    assert [path.name for path in (tmp_path / "job").iterdir()] == [first]


def test_a_folder_in_which_an_earlier_try_failed_becomes_a_job_folder(make, tmp_path, monkeypatch):
    def full(*_):
        raise UserError("the disk is full")

    with monkeypatch.context() as no_room:
        no_room.setattr("roundtruth.begin.start", full)
        with pytest.raises(UserError, match="the disk is full"), hold(make(3), "a run"):
            begin(make(3))
    assert [path.name for path in (tmp_path / "job").iterdir()] == ["checked"]
    with hold(make(3), "a run"):
        assert begin(make(3)).begun["items"] == 3


def test_an_empty_folder_may_become_a_job_folder(make, tmp_path):
    (tmp_path / "job").mkdir()
    (tmp_path / "job/.DS_Store").write_text("")
    (tmp_path / "job/Thumbs.db").write_text("")
    with hold(make(3), "a run"):
        assert begin(make(3)).address == f"{tmp_path}/job"


def test_a_project_that_was_copied_goes_on_in_its_new_place(make, tmp_path):
    """And nothing in it leads back to the old one."""
    spec = make(30, target={"quality": 0.8}, workforce={"backend": "files", "answers_per_item": 1}, output="jobs/one")
    run_job(spec)
    moved = tmp_path.with_name(f"{tmp_path.name} moved")
    shutil.copytree(tmp_path, moved)
    shutil.rmtree(tmp_path)
    job = Job(str(moved / "jobs/one"))
    assert job.spec.data == str(moved / "input.manifest")
    asked = job.asks(1)
    rows = "".join(f"{item},ann,7\n" for item in asked["item"])
    (moved / "jobs/one/people/answers/a.csv").write_text(f"item,worker,label\n{rows}")
    job = run_job(JobSpec.from_file(moved / "job.yaml"))
    assert job.last_round() == 2
    assert job.listed("amendments/") == []
    assert not tmp_path.exists()


def test_people_whose_file_cannot_be_read_are_no_amendment(make, tmp_path):
    job = begin(make(4))
    with pytest.raises(UserError, match=r"none\.manifest: no such file"):
        begin(make(4, workforce={"backend": "simulated", "truth": "none.manifest"}))
    assert job.listed("amendments/") == []


def test_data_in_another_place_is_an_amendment_where_it_is_the_same(make, tmp_path):
    begin(make(5))
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "images", tmp_path / "elsewhere/images")
    shutil.move(tmp_path / "input.manifest", tmp_path / "elsewhere/input.manifest")
    spec = make(5, data="elsewhere/input.manifest")
    job = begin(spec)
    assert Job(job.address).spec.data == str(tmp_path / "elsewhere/input.manifest")
    assert job.urls(job.items())[0] == f"{tmp_path}/elsewhere/images/0001.png"


@pytest.mark.parametrize(
    ("path", "address", "kept"),
    [
        ("/home/me/cats/input.manifest", "/home/me/cats/jobs/one", "../../input.manifest"),
        ("/home/me/cats/input.manifest", "/home/me/cats/job", "../input.manifest"),
        ("/data/cats/input.manifest", "/home/me/cats/jobs/one", "/data/cats/input.manifest"),
        ("s3://bucket/cats/input.manifest", "s3://bucket/cats/jobs/one", "../../input.manifest"),
        ("s3://other/cats/input.manifest", "s3://bucket/cats/jobs/one", "s3://other/cats/input.manifest"),
        ("/data/input.manifest", "s3://bucket/cats/jobs/one", "/data/input.manifest"),
        ("/input.manifest", "/jobs/one", "/input.manifest"),
    ],
)
def test_paths_beside_the_job_folder_are_kept_relative_to_it(path, address, kept):
    given = {"data": path, "output": address, "weights": "none", "workforce": {"backend": "simulated", "truth": path}}
    stored = portable(given, address)
    assert stored == {
        "data": kept,
        "output": ".",
        "weights": "none",
        "workforce": {"backend": "simulated", "truth": kept},
    }
    assert anchored(stored, address) == given


@pytest.mark.parametrize(
    ("format", "message"),
    [
        (None, "an older roundtruth made this job folder.* go on with the version that began the job"),
        (0, "an older roundtruth made this job folder"),
        (2, "has the format 2, and this version of roundtruth knows 1; install a newer one"),
        ("x", "has the format 'x'"),
    ],
)
def test_a_folder_of_another_format_is_refused_in_one_line(format, message, make, tmp_path):
    spec = make(5)
    begin(spec)
    begun = json.loads((tmp_path / "job/job.json").read_text())
    if format is None:
        del begun["format"]
    else:
        begun["format"] = format
    (tmp_path / "job/job.json").write_text(json.dumps(begun))
    for opened in (lambda: Job(spec.output), lambda: begin(spec)):
        with pytest.raises(UserError, match=message) as refused:
            opened()
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", '{"format": 1, "sp', "[1]", "3", '{"format": 1}'])
def test_a_damaged_job_is_refused_in_one_line(content, make, tmp_path):
    spec = make(5)
    begin(spec)
    (tmp_path / "job/job.json").write_text(content)
    with pytest.raises(UserError, match=r"job\.json is damaged: (not a JSON object|a part of it is missing)"):
        begin(spec)


def refused(spec) -> str | None:
    """What is said where a job cannot go on."""
    try:
        begin(spec)
        go(spec.output)
        summarize(Job(spec.output))
    except UserError as mistake:
        return str(mistake)
    return None


def test_every_damaged_file_of_a_job_is_named_in_one_line(make, tmp_path):
    """A disk or a copy that broke off; the job itself never leaves half a file."""
    spec = make(60, plan="certified", target={"quality": 0.6}, workforce={"backend": "files"})
    run_job(spec)
    folder, damaged = tmp_path / "job", []
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".json", ".parquet")):
        whole, name = path.read_bytes(), str(path.relative_to(folder))
        for half in (b"", whole[: len(whole) // 2], b"[1, 2]"):
            path.write_bytes(half)
            said = refused(spec)
            assert said is None or said.startswith(f"{spec.output}: {name} is damaged: ")
            damaged += [name] if said else []
        path.write_bytes(whole)
    assert set(damaged) == {"job.json", "items/0001.parquet", "rounds/001/asked.parquet", "rounds/001/posted.json"}


def test_a_job_that_has_not_begun_in_full_says_so(make, tmp_path):
    spec = make(5)
    begin(spec)
    (tmp_path / "job/items/0001.parquet").unlink()
    with pytest.raises(UserError, match=r"the job has not begun in full: .*`roundtruth run` goes on with it"):
        summarize(Job(spec.output))
    begin(spec)
    summarize(Job(spec.output))


def test_a_key_that_this_version_does_not_know_is_refused_in_one_line(make, tmp_path):
    spec = make(5)
    begin(spec)
    begun = json.loads((tmp_path / "job/job.json").read_text())
    begun["spec"]["review"] = True
    (tmp_path / "job/job.json").write_text(json.dumps(begun))
    with pytest.raises(UserError, match=r"job\.json: review: .*go on with the version that began it"):
        Job(spec.output)
