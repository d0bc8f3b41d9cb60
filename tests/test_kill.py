"""kill -9 at ten moments of a job as users run it, each with a Prefect server of its own."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from roundtruth.job import Job
from roundtruth.summary import summarize
from tests.jobs import cost_of, digits, output, run_job, write_job

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
MOMENTS = 10


def start(job: Path, folder: Path) -> subprocess.Popen:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    env = kept | {
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)]),
        "OMP_NUM_THREADS": "1",
        "HOME": f"{folder}/home",
        "TMPDIR": f"{folder}/tmp",
    }
    command = [sys.executable, "-m", "roundtruth.cli", "run", str(job), "--json"]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen, seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def written(job: Path) -> int:
    """Files of the job that stay as they are."""
    return sum(len(names) for place, _, names in os.walk(job) if not place.endswith(("report", "output")))


def living(mark: str) -> list[str]:
    """The processes that were started with `mark` in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and mark.encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_killed_at_ten_moments_the_job_comes_to_the_same(tmp_path):
    chance = random.Random(4)
    digits(tmp_path, 200)
    from roundtruth.spec import JobSpec

    shape = {"target": {"quality": 0.9}, "workforce": {"backend": "simulated", "truth": "truth.manifest", "noise": 1}}
    undisturbed = run_job(JobSpec.from_file(write_job(tmp_path, **shape, output="undisturbed")))
    total = written(tmp_path / "undisturbed")
    path = write_job(tmp_path, **shape)

    # half of the moments are told by the clock, half by how far the job has come, and a little later
    marks = sorted(chance.sample(range(1, total), MOMENTS))
    for mark in marks:
        process = start(path, tmp_path)
        while written(tmp_path / "job") < mark and not ended(process, 0.002):
            pass
        ended(process, chance.random() * 0.3)
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        no_process_is_left(tmp_path)

    process = start(path, tmp_path)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    no_process_is_left(tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert output(tmp_path / "job") == output(tmp_path / "undisturbed")
    assert cost_of(json.loads(out)) == cost_of(summarize(undisturbed))
    # no answer was lost, and nobody was asked twice
    job = Job(str(tmp_path / "job"))
    assert not job.asked()["item"].duplicated().any()
    for round in range(1, job.last_round() + 1):
        columns = ["item", "worker", "class_id"]
        assert job.answers(round)[columns].equals(undisturbed.answers(round)[columns])


def no_process_is_left(folder: Path) -> None:
    """The private server ends when the kernel closes its pipe, a moment after its parent."""
    for _ in range(200):
        if not living(f"HOME={folder}/home"):
            return
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    raise AssertionError(living(f"HOME={folder}/home"))
