"""What `import roundtruth` offers, and docs/python.md, which shows it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import roundtruth

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "python.md").read_text()
NAMES = [
    "Held", "Job", "JobSpec", "UserError", "certify", "consolidation", "forecast", "formats", "manifest", "run",
]  # fmt: skip


def test_the_public_names_are_these():
    assert sorted(roundtruth.__all__) == NAMES
    assert sorted(re.findall(r"^\| `roundtruth\.(\w+)` \|", PAGE, re.MULTILINE)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_there_and_documented(name):
    found = getattr(roundtruth, name)
    assert found.__doc__
    assert isinstance(found, ModuleType) == (name in ("certify", "consolidation", "forecast", "formats", "manifest"))


def test_another_name_is_not():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        getattr(roundtruth, "nothing")  # noqa: B009


def test_importing_the_package_imports_nothing_else():
    code = """
import sys
before = set(sys.modules)
import roundtruth
print({name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)
"""
    env = os.environ | {"PYTHONPATH": str(Path(roundtruth.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout == "{'roundtruth'}\n"


@pytest.mark.slow
def test_the_page_runs_a_whole_job(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/python.md", "exec"), names)
    out = capsys.readouterr().out
    assert names["summary"]["state"] == "complete"
    assert names["summary"]["human"] + names["summary"]["auto"] == 150
    assert (tmp_path / "digits/labels.csv").read_text().count("\n") == 151
    assert "seed: the job in " in out
    assert names["found"].threshold is not None
