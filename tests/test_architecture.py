"""The examples of docs/architecture.md, as they stand there, run whole jobs."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from roundtruth import cli, formats, kinds, plans, workforce
from roundtruth.summary import summarize
from tests.jobs import run_job

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "architecture.md").read_text()


@pytest.fixture
def shown(monkeypatch):
    """shown(heading): run the code below a heading of the page; what it registers is gone after the test."""
    for registry in (kinds.KINDS, workforce.BACKENDS, formats.FORMATS, plans.PLANS):
        for name in registry:
            monkeypatch.setitem(registry, name, registry[name])  # the whole registry is put back after the test

    def run(heading: str, registry: dict) -> None:
        section = PAGE.split(f"## How to add a {heading}\n")[1].split("\n## ")[0]
        example, registration = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        name = re.match(r"# (\w+)\.py", example).group(1)
        module = ModuleType(name)
        exec(compile(example, f"{name}.py", "exec"), module.__dict__)
        monkeypatch.setitem(sys.modules, name, module)
        before = set(registry)
        exec(registration, {})
        for added in set(registry) - before:
            monkeypatch.setitem(registry, added, registry.pop(added))

    return run


def test_a_kind(shown, make, tmp_path):
    shown("kind of label", kinds.KINDS)
    job = run_job(make(200, kind="grade", plan="certified", target={"quality": 0.7}, classes=CLASSES))
    found = summarize(job)
    assert (found["state"], found["kind"]) == ("complete", "grade")
    assert found["human"] + found["auto"] == 200


def test_a_workforce(shown, make):
    shown("workforce", workforce.BACKENDS)
    job = run_job(make(60, workforce={"backend": "oracle"}))
    assert set(job.human_labels()["class_id"]) == {0}
    assert summarize(job)["state"] == "complete"


def test_a_format(shown, make, tmp_path):
    shown("format", formats.FORMATS)
    make(20)
    (tmp_path / "input.txt").write_text("".join(f"images/{i:04d}.png\n" for i in range(1, 21)))
    run_job(make(20, data="input.txt"))
    assert cli.main(["export", str(tmp_path / "job.yaml"), "--to", "paths", str(tmp_path / "out.txt")]) == 0
    assert (tmp_path / "out.txt").read_text().split() == [f"images/{i:04d}.png" for i in range(1, 21)]


def test_a_plan(shown, make):
    shown("plan", plans.PLANS)
    job = run_job(make(100, plan="at-random", target={"quality": 0.9}))
    assert summarize(job)["state"] == "complete"
    assert summarize(job)["target"]["holds"] is None


CLASSES = [str(number) for number in range(10)]
