"""A job whose manifest, pictures and folder are on S3."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from roundtruth.begin import begin
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.spec import JobSpec
from roundtruth.storage import list_url, open_store, read_url
from roundtruth.summary import summarize
from tests.jobs import cost_of, digits, output, run_job, write_job

pytest_plugins = ["tests.s3"]

HERE = Path(__file__).parent


@pytest.fixture
def dataset(s3, tmp_path):
    """dataset(n): n digits on S3 and beside, and the shape of a job about them."""

    def made(n: int) -> dict:
        digits(tmp_path / "local", n)
        store = open_store(f"{s3.url}/digits")
        for path in (tmp_path / "local").rglob("*.*"):
            store.write_once(str(path.relative_to(tmp_path / "local")), path.read_bytes())
        workforce = {"backend": "simulated", "truth": f"{s3.url}/digits/truth.manifest", "noise": 1}
        return {
            "data": f"{s3.url}/digits/input.manifest",
            "output": f"{s3.url}/jobs/digits",
            "workforce": workforce,
            "target": {"quality": 0.8},
        }

    return made


def locally(folder: Path, shape: dict) -> Job:
    workforce = shape["workforce"] | {"truth": "truth.manifest"}
    return run_job(JobSpec.from_file(write_job(folder, target=shape["target"], workforce=workforce)))


def records(address: str) -> list[dict]:
    found = [json.loads(line) for line in read_url(f"{address}/output/output.manifest").decode().splitlines()]
    for record in found:
        for value in record.values():
            if isinstance(value, dict):
                value.pop("creation-date", None)
    return found


@pytest.mark.slow
def test_it_comes_to_what_it_comes_to_on_disk(dataset, tmp_path):
    shape = dataset(40)
    (tmp_path / "job").mkdir()
    job = run_job(JobSpec.from_file(write_job(tmp_path / "job", **shape)))
    other = locally(tmp_path / "local", shape)
    assert job.urls(job.items()) == [f"{shape['data'].rpartition('/')[0]}/{s}" for s in job.items()["source"]]
    assert records(shape["output"]) == output(tmp_path / "local/job")
    assert cost_of(summarize(job)) == cost_of(summarize(other))
    steps_of = [{path for path in one.store.list("rounds/") if "/seconds/" not in path} for one in (job, other)]
    assert steps_of[0] == steps_of[1]
    assert sorted(path.name for path in (tmp_path / "job").iterdir()) == ["job.yaml"]


def test_a_folder_of_pictures_and_a_dataset_that_changed(dataset, s3, tmp_path):
    shape = dataset(4) | {"data": f"{s3.url}/digits/images/"}
    spec = JobSpec.from_file(write_job(tmp_path, **shape))
    job = begin(spec)
    assert job.items()["source"].tolist() == [f"000{i}.png" for i in (1, 2, 3, 4)]
    assert job.items()["failure"].isna().all()
    begin(spec)
    open_store(f"{s3.url}/digits").write_once("images/new.png", b"x")
    with pytest.raises(UserError, match=r"^data: .* changed since the job began"):
        begin(spec)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predictions_are_on_s3_too(dataset, s3, tmp_path, ending):
    shape = dataset(20)
    folder = shape["data"].rpartition("/")[0]
    items = [f"{folder}/images/{item:04d}.png" for item in range(1, 21)]
    table = pd.DataFrame({"item": items, "label": "1", "score": np.linspace(0, 1, 20).round(2)})
    file = table.to_csv(index=False).encode() if ending == "csv" else table.to_parquet()
    open_store(f"{s3.url}/models").write_once(f"zero shot.{ending}", file)
    shape |= {"plan": "certified", "learner": None, "weights": None}
    given = {"predictions": f"{s3.url}/models/zero shot.{ending}"}
    job = begin(JobSpec.from_file(write_job(tmp_path, **shape | given)))
    assert job.given_predictions(1)["score"].tolist() == table["score"].tolist()
    assert str(s3.url) in job.spec.predictions
    given = {"predictions": f"{s3.url}/models/no.{ending}"}
    missing = JobSpec.from_file(write_job(tmp_path, **shape | given))
    with pytest.raises(UserError, match=r"^predictions: s3://.*no\.(csv|parquet): no such file"):
        begin(missing.model_copy(update={"output": f"{s3.url}/jobs/other"}))


def test_no_such_bucket(dataset, tmp_path):
    shape = dataset(1)
    for key, path in (("output", "jobs"), ("data", "in.manifest")):
        spec = JobSpec.from_file(write_job(tmp_path, **shape | {key: f"s3://no-such-bucket-here/{path}"}))
        with pytest.raises(UserError, match=f"^{key}: .*no such bucket"):
            begin(spec)


def start(folder: Path, job: Path) -> subprocess.Popen:
    """The command, on a disk of its own: where it works, its home and its temporary files."""
    for name in ("home", "tmp", "cwd"):
        (folder / name).mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    env = kept | {
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)]),
        "OMP_NUM_THREADS": "1",
        "HOME": f"{folder}/home",
        "TMPDIR": f"{folder}/tmp",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "roundtruth.cli", "run", str(job), "--json"]
    return subprocess.Popen(
        command, cwd=folder / "cwd", env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_begun_killed_and_finished_by_another_process_with_an_empty_disk(dataset, tmp_path):
    shape = dataset(60)
    other = locally(tmp_path / "local", shape)
    (tmp_path / "job").mkdir()
    path = write_job(tmp_path / "job", **shape)
    first = start(tmp_path / "first", path)
    while not any(url.endswith("rounds/003/posted.json") for url in found(shape["output"])):
        assert first.poll() is None, first.communicate()
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not any(url.endswith("output.manifest") for url in found(shape["output"]))
    second = start(tmp_path / "second", path)
    out, err = second.communicate()
    assert (second.returncode, err) == (0, "")
    assert cost_of(json.loads(out)) == cost_of(summarize(other))
    assert records(shape["output"]) == output(tmp_path / "local/job")
    # of both nothing is left: only what Prefect and matplotlib keep for themselves in the home, which knows no job
    for disk in ("first", "second"):
        assert [path for path in left(tmp_path / disk) if not path.startswith("home/.")] == []
        for name in left(tmp_path / disk):
            assert b"digits" not in (tmp_path / disk / name).read_bytes(), name
    assert left(tmp_path / "job") == ["job.yaml"]


def found(address: str) -> list[str]:
    try:
        return list_url(address)
    except FileNotFoundError:
        return []
