"""Pictures are found where other programs put them, and under the names that other programs gave them."""

import unicodedata

import pandas as pd
import pytest
from PIL import Image

from roundtruth import finding
from roundtruth.begin import begin
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import write_lines


def job_about(folder, sources, data="input.manifest", **changed) -> JobSpec:
    (folder / data).parent.mkdir(parents=True, exist_ok=True)
    write_lines(folder / data, [{"source-ref": source} for source in sources])
    given = {
        "name": "a",
        "kind": "image-classification",
        "data": f"{folder}/{data}",
        "classes": ["cat", "dog"],
        "output": f"{folder}/job",
        "workforce": {"backend": "files"},
    }
    return JobSpec.model_validate(given | changed)


def picture(path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6)).save(path)


def urls(job: Job) -> list[str]:
    items = Job(job.address).items()  # as a later run opens it
    assert items["failure"].isna().all()
    return items["url"].tolist()


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ("annotations/instances_train2017.manifest", "train2017"),  # COCO
        ("annotations/instances_val2017.manifest", "images/val2017"),
        ("annotations/instances_default.manifest", "images"),  # CVAT
        ("annotations/instances_default.manifest", "images/default"),
        ("annotations/instances_Train.manifest", "images/Train"),
        ("labels.manifest", "data"),  # FiftyOne
        ("Annotations/all.manifest", "JPEGImages"),  # VOC
        ("labels/train.manifest", "images/train"),  # YOLO
        ("sub/labels.manifest", "."),
    ],
)
def test_usual_layouts(data, place, tmp_path):
    for name in "ab":
        picture(tmp_path / place / f"{name}.png")
    job = begin(job_about(tmp_path, ["a.png", "b.png"], data))
    assert urls(job) == [str(tmp_path / place / "a.png"), str(tmp_path / place / "b.png")]


def test_the_folder_of_the_data_file_comes_first(tmp_path):
    for place in (tmp_path, tmp_path / "images"):
        picture(place / "a.png")
    assert urls(begin(job_about(tmp_path, ["a.png"]))) == [f"{tmp_path}/a.png"]


def test_two_folders_that_have_the_pictures_are_told_apart_by_the_key(tmp_path):
    for place in ("data", "images"):
        picture(tmp_path / place / "a.png")
    with pytest.raises(UserError, match=r"are in .*/images and in .*/data; .*`pictures: FOLDER`"):
        begin(job_about(tmp_path, ["a.png"]))
    job = begin(job_about(tmp_path, ["a.png"], pictures=f"{tmp_path}/data"))
    assert urls(job) == [f"{tmp_path}/data/a.png"]


def test_a_job_that_was_killed_while_it_began_keeps_its_folder(tmp_path):
    picture(tmp_path / "images/a.png")
    spec = job_about(tmp_path, ["a.png"])
    job = begin(spec)
    (tmp_path / "job/items/0001.parquet").unlink()
    Image.new("RGB", (99, 99)).save(tmp_path / "a.png")  # of the same name, where the job did not find it
    again = begin(spec)
    assert urls(again) == urls(job) == [f"{tmp_path}/images/a.png"]


def test_the_key_names_a_folder_anywhere(tmp_path):
    picture(tmp_path / "far/away/x/a.png")
    spec = job_about(tmp_path, ["x/a.png"], "list/input.manifest", pictures=f"{tmp_path}/far/away")
    assert urls(begin(spec)) == [f"{tmp_path}/far/away/x/a.png"]


@pytest.mark.parametrize(
    ("source", "path", "how"),
    [
        ("images\\a.png", "images/a.png", "with / instead of \\"),
        ("images/a%20b%C3%A9.png", "images/a bé.png", "without URL encoding"),
        (unicodedata.normalize("NFD", "é.png"), unicodedata.normalize("NFC", "é.png"), "with composed accents"),
        (unicodedata.normalize("NFC", "é.png"), unicodedata.normalize("NFD", "é.png"), "with decomposed accents"),
        ("images\\a%20b.png", "images/a b.png", "with / instead of \\, without URL encoding"),
    ],
)
def test_names_that_other_programs_changed(source, path, how, tmp_path):
    picture(tmp_path / path)
    picture(tmp_path / "plain.png")
    job = begin(job_about(tmp_path, ["plain.png", source]))
    assert urls(job) == [f"{tmp_path}/plain.png", f"{tmp_path}/{path}"]
    assert job.items(["source"])["source"].tolist() == ["plain.png", source]
    assert summarize(job)["notes"] == [f"1 picture was found under another name, {how}"]


def test_a_file_with_the_very_name_is_taken(tmp_path):
    for name in ("a%20b.png", "a b.png"):
        picture(tmp_path / name)
    job = begin(job_about(tmp_path, ["a%20b.png"]))
    assert urls(job) == [f"{tmp_path}/a%20b.png"]
    assert summarize(job)["notes"] == []


def test_two_names_of_one_picture_are_one_item(tmp_path):
    picture(tmp_path / "images/a.png")
    with pytest.raises(UserError, match=r"line 2: source-ref: images\\a\.png is on line 1 already as images/a\.png"):
        begin(job_about(tmp_path, ["images/a.png", "images\\a.png"]))


def test_no_changed_name_leads_out_of_the_folder(tmp_path):
    picture(tmp_path / "secret.png")
    sources = pd.Series(["%2e%2e/secret.png", "..\\secret.png"])
    paths, notes = finding.renamed(sources, str(tmp_path / "data"))
    assert paths.empty
    assert notes == []
