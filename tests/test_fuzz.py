"""A few of the damaged files of benchmarks/fuzz.py: each is read with all that is in it, or refused in a line."""

import os

import pytest

from tests import fuzzing

CASES = {"manifest": 2, "job": 40, "answers": 12, "coco": 20, "voc": 10, "yolo": 10}


@pytest.mark.parametrize("name", fuzzing.FORMATS)
def test_whatever_a_file_holds(name, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)  # each case writes a job folder
    faults = [found for found in fuzzing.run(name, 1, range(CASES[name]), tmp_path) if isinstance(found, Exception)]
    assert faults == []
