"""A few of the damaged files of benchmarks/fuzz.py: each is read with all that is in it, or refused in a line."""

import pytest

from tests import fuzzing

CASES = {"manifest": 4, "job": 60, "answers": 20, "coco": 40, "voc": 20, "yolo": 20}


@pytest.mark.parametrize("name", fuzzing.FORMATS)
def test_whatever_a_file_holds(name, tmp_path):
    faults = [found for found in fuzzing.run(name, 1, range(CASES[name]), tmp_path) if isinstance(found, Exception)]
    assert faults == []
