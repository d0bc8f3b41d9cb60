"""Damaged input files: whatever they hold, nothing ends in a traceback, no message is longer than 1000 characters, and
no item is lost: what was read, what was passed over and what was refused account for everything. One JSON line.

    python benchmarks/fuzz.py [--seed 0] [--formats manifest job answers coco voc yolo] [--share 1.0]
    python benchmarks/fuzz.py --seed 0 --formats coco --only 123      one case again, with its traceback

Of each format: how many cases there were, what came of them, and the first faults. The exit code is 1 where there are
faults. A case follows from the seed, the format and its number (tests/fuzzing.py).
"""

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from printed import one_line  # noqa: E402

from tests import fuzzing  # noqa: E402

MEMORY = Path("/dev/shm")  # a disk in memory, on Linux: every case writes a job folder


def measure(name: str, seed: int, numbers: range, folder: Path) -> dict:
    start, counts, faults = time.perf_counter(), Counter(), []
    for found in fuzzing.run(name, seed, numbers, folder):
        if isinstance(found, fuzzing.Fault):
            faults.append(found)
        else:
            counts += found
    if len(numbers) == 1:
        for fault in faults:
            traceback.print_exception(fault)
    said = {"faults": len(faults), "first_faults": [str(fault) for fault in faults[:5]]}
    return {"cases": len(numbers), **counts, **said, "seconds": round(time.perf_counter() - start, 1)}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--formats", nargs="+", choices=fuzzing.FORMATS, default=[*fuzzing.FORMATS])
    options.add_argument("--share", type=float, default=1.0, help="of the cases")
    options.add_argument("--only", type=int, help="the number of one case")
    given, found = options.parse_args(), {}
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as made:
        for name in given.formats:
            numbers = range(round(fuzzing.FORMATS[name].cases * given.share))
            numbers = numbers if given.only is None else range(given.only, given.only + 1)
            found[name] = measure(name, given.seed, numbers, Path(made) / name)
    print(one_line({"seed": given.seed, **found}))
    return int(any(one["faults"] for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
