"""The pages are true: what is generated is current, what is shown runs, what is linked is there."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from roundtruth.begin import begin, hold
from roundtruth.cli import WAITING, main, parser
from roundtruth.errors import UserError
from roundtruth.learners import weights
from roundtruth.pictures import Pictures, check
from roundtruth.spec import JobSpec
from tests.jobs import write_job

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def script(name: str):
    """A program of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_job_file_page_is_what_the_spec_says():
    assert (ROOT / "docs" / "job-file.md").read_text() == script("reference").page()
    assert all(field.description for field in JobSpec.model_fields.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"^ {4}.*$", "", page.read_text(), flags=re.MULTILINE)  # without what is shown as it is written
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert target.startswith("https://") or (page.parent / target).exists(), target
    for target, heading in re.findall(r"\]\(([^):#]*)#([^)]+)\)", text):
        assert heading in headings(page.parent / target if target else page), f"{target}#{heading}"


def headings(page: Path) -> set[str]:
    """The headings of a page as a link names them."""
    found = re.findall(r"^#+ (.+)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_the_index_lists_every_page():
    text = (ROOT / "docs/index.md").read_text()
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"} <= set(
        re.findall(r"\]\(([^)]+)\)", text)
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_verb_that_a_page_uses_is_there(page):
    verbs = next(action.choices for action in parser()._actions if action.choices)
    used = set(re.findall(r"^ {4}(?:\S*/)?roundtruth ([a-z]+)", page.read_text(), re.MULTILINE))
    assert used <= set(verbs)


def test_the_table_of_how_many_pictures_is_what_its_code_gives(capsys):
    page = (ROOT / "docs/how-many-pictures.md").read_text()
    names: dict = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1), names)
    assert capsys.readouterr().out == "(225, 88)\n"
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if re.match(r"\| \d+ \| \d+ \+", line)]
    assert len(rows) == 6
    for pictures, *cells in rows:
        wanted = [(0.8, True), (0.95, True), (0.99, True), (0.6, False), (0.7, False), (0.8, False)]
        for cell, (target, classes) in zip(cells, wanted, strict=True):
            learned, checked = names["asked"](int(pictures), target, classes)
            assert cell == f"{learned} + {checked} ({100 * (learned + checked) / int(pictures):.0f} %)"


def test_the_weights_that_are_described_are_those_that_are_used(tmp_path, monkeypatch):
    page = (ROOT / "docs/weights.md").read_text()
    assert weights.torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1.url.rpartition("/")[2] in page
    assert all(f"    {architecture}\n" in page for architecture in weights.ARCHITECTURES)
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1), {})
    assert weights.read(str(tmp_path / "backbone.pth"))[1] == f"resnet18 from {tmp_path}/backbone.pth"


def other_tools() -> tuple[list[str], list[dict]]:
    """(commands, datasets) of docs/from-other-tools.md: of each dataset `tree` (names of files), `files` (content by
    name) and `said`, what a run says."""
    page = (ROOT / "docs/from-other-tools.md").read_text()
    datasets: list[dict] = []
    blocks = re.findall(r"(?:`(\S+)`:\n\n)?```\w*\n(.*?)```|^> ([^\n]*)", page, re.DOTALL | re.MULTILINE)
    for name, text, said in blocks:
        if said:
            datasets[-1]["said"].append(said)
        elif name:
            datasets[-1]["files"][name] = text
        else:
            datasets.append({"tree": text.split(), "files": {}, "said": []})
    return re.findall(r"^ {4,}(roundtruth .+)", page, re.MULTILINE), datasets


@pytest.mark.parametrize("number", range(4))
def test_data_of_other_tools_is_read_as_the_page_says(number, tmp_path, monkeypatch, capsys, without_prefect):
    commands, datasets = other_tools()
    assert len(datasets) == 4
    dataset = datasets[number]
    for name in (*dataset["tree"], *dataset["files"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".jpg"):
            Image.new("RGB", (310, 163), int(path.stem[-1])).save(path)
        else:
            path.write_text(dataset["files"].get(name, ""))
    monkeypatch.chdir(tmp_path)
    said = ""
    for command in commands:
        assert main(command.split()[1:]) == (WAITING if " run " in command else 0), command
        said += capsys.readouterr().out
    assert all(line in " ".join(said.split()) for line in dataset["said"])
    labels = json.loads((tmp_path / "birds-labeled.json").read_text())["annotations"]
    assert [[round(side, 1) for side in label["bbox"]] for label in labels] == [[112.5, 24.7, 107.8, 123.3]]
    assert (tmp_path / "birds-voc/ImageSets/Main/trainval.txt").exists()
    assert (tmp_path / "birds-yolo/data.yaml").exists()


@pytest.mark.parametrize("name", ["for-managers", "target-answers-prices", "how-many-pictures", "weights"])
def test_measured_figures_are_those_of_the_pages_with_their_commands(name):
    page = (ROOT / f"docs/{name}.md").read_text()
    measured = "".join(
        (ROOT / f"docs/{other}.md").read_text() for other in ("savings", "consolidation", "certificates")
    )
    quoted = set(re.findall(r"\d+\.\d(?= (?:%|and ))", page))  # per cent with a decimal: the others are not measured
    assert quoted
    assert {figure for figure in quoted if figure not in measured} == set()


def test_the_learner_that_is_shown_learns(tmp_path):
    """Dark pictures and bright ones, by the code on docs/learner.md."""
    shown = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "learner.md").read_text(), re.DOTALL).group(1)
    names: dict = {}
    exec(shown, names)
    chance = np.random.default_rng(0)
    for i in range(40):
        noise = chance.integers(0, 60, (20, 20, 3), dtype="uint8")
        Image.fromarray(noise + np.uint8(120 * (i % 2))).save(tmp_path / f"{i}.png")
    items = pd.DataFrame({"item": range(1, 41), "url": [str(tmp_path / f"{i}.png") for i in range(40)]})
    pictures = Pictures(pd.concat([items, check(items)], axis=1))
    labels = pd.DataFrame({"item": pictures.items, "class_id": (pictures.items + 1) % 2})
    taught, loaded = (names["Nearest"](["dark", "bright"], 0, None) for _ in range(2))
    taught.train(pictures.take(pictures.items <= 20), labels)
    torch.save(taught.state(), tmp_path / "state.pt")
    loaded.load(torch.load(tmp_path / "state.pt", weights_only=True))
    found = loaded.predict(pictures.take(pictures.items > 20))
    assert found["class_id"].tolist() == labels["class_id"][20:].tolist()


def test_the_page_of_messages_is_what_the_code_says():
    assert (ROOT / "docs" / "messages.md").read_text() == script("messages").page(), (
        "run: python docs/messages.py > docs/messages.md"
    )


def test_messages_that_the_program_gives_are_on_the_page(tmp_path):
    """Messages of every sort, from the program itself: the page has each, under the right heading."""
    files = {
        "empty.manifest": "",
        "half.manifest": '{"source-ref": ',
        "class.csv": "source,label\na.png,bird\n",
        "columns.csv": "source,source\na,b\n",
        "twice.json": '{"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]}',
        "away.manifest": '{"source-ref": "a.png"}\n{"source-ref": "b.png"}\n',  # the page has the plural
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for heading, changed in (
        ("The job file", {"kind": "segmentation"}),
        ("The job file", {"classes": ["cat", "cat"]}),
        ("The job file", {"workforce": {"backend": "files", "nobody": 1}}),
        ("The job file", {"weights": "none.pth", "data": "away.manifest"}),
        ("Data files", {"data": "nowhere"}),
        ("Data files", {"data": "empty.manifest"}),
        ("Data files", {"data": "half.manifest"}),
        ("CSV files", {"data": "class.csv"}),
        ("CSV files", {"data": "columns.csv"}),
        ("Data files", {"kind": "object-detection", "data": "twice.json"}),
        ("Pictures", {"data": "away.manifest"}),
        ("The job folder", {"data": "away.manifest", "output": "."}),
    ):
        given = {"classes": ["cat"], "workforce": {"backend": "files"}, "learner": "default"} | changed
        with pytest.raises(UserError) as told:
            begin_held(write_job(tmp_path, **given))
        assert on_the_page(str(told.value), heading), f"{heading}: {told.value}"


def begin_held(path: Path) -> None:
    spec = JobSpec.from_file(path)
    with hold(spec, "a test"):
        begin(spec)


def on_the_page(message: str, heading: str) -> bool:
    """Whether a table below a heading has the message; `…` stands for anything, and the place is left out."""
    part = (ROOT / "docs" / "messages.md").read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").replace("\\", "").split(" | ") for line in part.splitlines() if line.startswith("| ")]
    what, _, remedy = message.partition("; ")
    for said, then in rows[1:]:
        words = ".*".join(map(re.escape, said.split("…")))
        known = "…" not in said or len(re.findall("[a-z]+", said)) >= 3  # else it would fit everything
        if known and re.search(rf"(^|: ){words}$", what) and (not remedy or then[0].lower() == remedy[0].lower()):
            return True
    return False
