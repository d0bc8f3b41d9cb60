"""The pages are true: what is generated is current, what is shown runs, what is linked is there."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from roundtruth.cli import parser
from roundtruth.pictures import Pictures, check
from roundtruth.spec import JobSpec

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_job_file_page_is_what_the_spec_says():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    assert (ROOT / "docs" / "job-file.md").read_text() == reference.page()
    assert all(field.description for field in JobSpec.model_fields.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target
    for target, heading in re.findall(r"\]\(([^):#]*)#([^)]+)\)", page.read_text()):
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
