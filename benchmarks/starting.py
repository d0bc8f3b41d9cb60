"""How quickly commands that have nothing to do answer, beside the imports that none can do without. One JSON line.

    python benchmarks/starting.py    (a minute)

A job of 1000 digits is finished with a fast learner. Then the imports of pandas, pyarrow and pydantic, `status` and
`run` take turns in processes of their own. The line has the medians in milliseconds, and what the commands take beside
the imports.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent))

import whole_jobs
from printed import one_line

from roundtruth import demo, loop
from roundtruth.spec import JobSpec

TURNS = 15


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        job = finished(Path(folder))
        commands = {
            "imports": ["-c", "import pandas, pyarrow, pydantic"],
            "status": ["-m", "roundtruth.cli", "status", job],
            "run": ["-m", "roundtruth.cli", "run", job],
        }
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(TURNS):
            for name, command in commands.items():
                took[name].append(seconds(command))
    medians = {name: statistics.median(of[1:]) for name, of in took.items()}  # the first may have compiled modules
    compared = {f"{name} / imports": round(medians[name] / medians["imports"], 2) for name in ("status", "run")}
    print(one_line({f"{name} ms": round(1000 * median) for name, median in medians.items()} | compared))


def finished(folder: Path) -> str:
    """The job file of a finished job about 1000 digits."""
    whole_jobs.write(folder, "image-classification", 1000)
    job = yaml.safe_load(demo.JOBS["image-classification"]) | {"learner": "whole_jobs:Digits"}
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(job))
    assert loop.run(JobSpec.from_file(path)).store.exists("output/output.manifest")
    return str(path)


def seconds(command: list[str]) -> float:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path[:1], str(Path(__file__).parents[1])])}
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
