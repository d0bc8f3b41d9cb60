import json
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest

from roundtruth import formats, kinds, manifest
from roundtruth.errors import UserError
from roundtruth.storage import list_url, open_store, resolve, write_url
from tests.jobs import read_records

pytest_plugins = ["tests.s3"]


@pytest.fixture(params=["local", "s3"])
def place(request, tmp_path) -> str:
    """A folder for data."""
    return str(tmp_path / "data") if request.param == "local" else request.getfixturevalue("s3").url + "/data"


def put(url: str, data: bytes = b"x") -> None:
    with write_url(url) as file:
        file.write(data)


def read(data: str) -> list[dict]:
    return read_records(data, "object-detection", ["cat"])


def test_a_folder_of_pictures(place):
    for name in ("b.JPG", "a.png", "sub/c.jpeg", "notes.txt", ".hidden.jpg", ".git/d.jpg", "sub/.e/f.jpg", "g..h.webp"):
        put(f"{place}/{name}")
    for folder in (place, place + "/"):
        records = read(folder)
        assert records == [{"source-ref": name} for name in ("a.png", "b.JPG", "g..h.webp", "sub/c.jpeg")]
        assert set(list_url(folder)) >= {resolve(record["source-ref"], formats.base(folder)) for record in records}


def test_a_picture_whose_name_is_no_text(tmp_path):
    (tmp_path / "a\udcff.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match=r"a\?\.jpg: not UTF-8"):
        read(str(tmp_path))


def test_a_folder_without_pictures(place):
    put(f"{place}/notes.txt")
    with pytest.raises(UserError, match="no pictures"):
        read(place)


@pytest.mark.parametrize("name", ["in.manifest", "in.jsonl", "in.json"])
def test_a_manifest_by_any_name(place, name):
    records = [{"source-ref": "a.jpg", "other": [1, {}]}, {"source-ref": "b.jpg"}]
    manifest.write(f"{place}/{name}", records)
    assert read(f"{place}/{name}") == records
    assert formats.base(f"{place}/{name}") == place


def test_coco_and_csv(place):
    put(f"{place}/a.json", json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}]}, indent=1).encode())
    put(f"{place}/a.csv", b"source\na.jpg\n")
    for name in ("a.json", "a.csv"):
        assert read(f"{place}/{name}") == [{"source-ref": "a.jpg"}]
        assert formats.base(f"{place}/{name}") == place


@pytest.mark.parametrize("name", ["nothing.manifest", "nothing.json", "nothing.csv", "nothing"])
def test_data_that_is_not_there(place, name):
    put(f"{place}/a.jpg")
    with pytest.raises(UserError, match=f"{place}/{name}: no "):
        read(f"{place}/{name}")


def test_a_file_of_no_known_form(tmp_path):
    put(f"{tmp_path}/a.xlsx")
    with pytest.raises(UserError, match=r"a\.xlsx: neither a folder"):
        read(f"{tmp_path}/a.xlsx")


def test_a_folder_may_be_named_like_a_file(tmp_path):
    put(f"{tmp_path}/data.csv/a.jpg")
    assert read(f"{tmp_path}/data.csv") == [{"source-ref": "a.jpg"}]
    assert formats.base(f"{tmp_path}/data.csv") == f"{tmp_path}/data.csv"


@pytest.fixture
def job():
    items = pd.DataFrame({"item": [1, 2], "source": ["a.jpg", "b.jpg"], "width": [10, 0], "height": [20, 0]})
    labels = pd.DataFrame({"item": [1], "class_id": [0], "confidence": [0.5], "source": ["auto"]})
    sides = {"left": 1.0, "top": 2.0, "width": 3.0, "height": 4.0}
    return SimpleNamespace(
        items=lambda: items,
        outcome=lambda: labels.assign(**sides),
        kind=kinds.get("object-detection"),
        spec=SimpleNamespace(data="/in.csv", classes=["cat"]),
    )


def test_a_job_is_exported_anywhere(place, job):
    formats.export(job, "csv", f"{place}/out.csv")
    formats.export(job, "coco", f"{place}/out.json")
    store = open_store(place)
    assert store.read("out.csv").splitlines()[1:] == [b"1,a.jpg,cat,1,2,3,4,0.5,auto"]
    assert [image["file_name"] for image in store.read_json("out.json")["images"]] == ["a.jpg"]
    assert read(f"{place}/out.csv")[0]["label"]["annotations"] == read(f"{place}/out.json")[0]["label"]["annotations"]


def test_a_format_of_the_same_ending_is_found_by_how_its_file_begins(tmp_path, monkeypatch):
    """Although COCO, which comes first, takes any .json file."""
    other = ModuleType("other")
    other.NAME, other.HELP, other.ENDINGS = "other", "lists", (".json",)
    other.holds = lambda path: Path(path).read_bytes().startswith(b"[")
    other.read = lambda path, kind, classes, attribute: "other's"
    monkeypatch.setitem(sys.modules, "other", other)
    monkeypatch.setitem(formats.FORMATS, "other", "other")
    put(f"{tmp_path}/a.json", b"[]")
    put(f"{tmp_path}/b.json", json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}]}).encode())
    assert formats.read(f"{tmp_path}/a.json", kinds.get("object-detection"), [], "label") == "other's"
    assert read(f"{tmp_path}/b.json") == [{"source-ref": "a.jpg"}]
    assert "other" not in formats.exports()


@pytest.mark.parametrize("name", list(formats.FORMATS))
def test_the_page_of_formats_has_every_format_and_ending(name):
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    assert f"\n## {name}\n" in page.lower()
    for ending in formats.module(name).ENDINGS:
        assert re.search(rf"^\| {name} \|.*`{re.escape(ending)}`", page, re.IGNORECASE | re.MULTILINE), ending


@pytest.mark.parametrize("name", formats.exports())
def test_the_page_of_formats_shows_every_export(name):
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    assert f"--to {name} " in page


def test_a_format_that_is_not_there(job, tmp_path):
    with pytest.raises(UserError, match="--to via: no such format; there are coco, csv, voc, yolo"):
        formats.export(job, "via", str(tmp_path / "a"))


def test_an_export_does_not_change_the_dataset(place, job):
    put(f"{place}/a.jpg")
    job.spec.data = place
    with pytest.raises(UserError, match="lies in the data of the job, which would change; name a place elsewhere"):
        formats.export(job, "voc", f"{place}/out")
    formats.export(job, "csv", f"{place}-out.csv")


def test_a_place_that_cannot_be_written(job, tmp_path):
    with pytest.raises(UserError, match=str(tmp_path)):
        formats.export(job, "csv", str(tmp_path))
