"""What docs/moving-a-job.md tells people to do works."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import s3fs

from roundtruth import loop, steps
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import digits, run_job, write_job

pytest_plugins = ["tests.s3"]
PEOPLE = {"backend": "files", "answers_per_item": 1}


@pytest.fixture
def project(tmp_path):
    """The folder of a project whose job waits for people."""
    folder = tmp_path / "project"
    folder.mkdir()
    digits(folder, 12)
    go_on(write_job(folder, output="jobs/digits", workforce=PEOPLE))
    return folder


def go_on(path: Path) -> Job:
    """`roundtruth run`, without its report."""
    return run_job(JobSpec.from_file(path))


def answer(job: Job) -> None:
    """Everybody says 7 of the newest batch."""
    batch = job.last_round()
    items = pd.read_csv(job.store.address + f"/people/batch-{batch:03d}.csv")["item"]
    table = pd.DataFrame({"item": items, "worker": "ann", "label": "7"}).to_csv(index=False)
    job.store.replace(f"people/answers/{batch}.csv", table.encode())


def test_a_project_is_moved_and_goes_on(project, tmp_path):
    moved = project.rename(tmp_path / "moved")
    job = go_on(moved / "job.yaml")
    assert (job.last_round(), job.listed("amendments/")) == (1, [])
    answer(job)
    assert go_on(moved / "job.yaml").last_round() == 2


def test_the_job_folder_alone_is_moved_and_goes_on(project, tmp_path):
    shutil.move(project / "jobs/digits", tmp_path / "quite/another/place")
    path = write_job(project, output=f"{tmp_path}/quite/another/place", workforce=PEOPLE)
    answer(go_on(path))
    assert go_on(path).last_round() == 2


def test_pictures_are_moved_and_named_in_the_job_file(project):
    answer(go_on(project / "job.yaml"))
    answer(go_on(project / "job.yaml"))
    (project / "data").mkdir()
    (project / "images").rename(project / "data/images")
    with pytest.raises(UserError, match=r"name the folder that the pictures are in now: `pictures: FOLDER`"):
        go_on(project / "job.yaml")  # the model has to see them
    path = write_job(project, output="jobs/digits", workforce=PEOPLE, pictures="data")
    assert go_on(path).has(2, "model/model.pt")


def test_what_may_be_deleted_may_be_deleted(project):
    answer(go_on(project / "job.yaml"))
    for name in ("checked", "report", "output"):
        shutil.rmtree(project / "jobs/digits" / name, ignore_errors=True)
    job = go_on(project / "job.yaml")
    assert job.last_round() == 2
    shutil.rmtree(project / "jobs/digits/people/answers")  # of a closed batch
    known = job.answers(1)
    answer(job)
    job = go_on(project / "job.yaml")
    assert job.has(2, "closed.json")
    pd.testing.assert_frame_equal(job.answers(1), known)


def test_an_output_that_was_deleted_is_written_again(make, tmp_path):
    job = run_job(make(3))
    steps.deliver(job)
    summary, _ = steps.write_report(Job(job.address))
    assert loop.nothing_to_do(Job(job.address), summary)
    shutil.rmtree(tmp_path / "job/output")
    assert not loop.nothing_to_do(Job(job.address), summary)  # so `roundtruth run` writes it


def test_a_copy_that_lost_the_times_of_its_files_takes_the_wrong_answer_for_the_newest(project, tmp_path):
    """As the page warns: keep the times."""
    answers = project / "jobs/digits/people/answers"
    item = Job(str(project / "jobs/digits")).asks(1)["item"][0]
    for name, label, time in (("b", 1, 1000), ("a", 2, 2000)):
        (answers / f"{name}.csv").write_text(f"item,worker,label\n{item},ann,{label}\n")
        set_time(answers / f"{name}.csv", time)
    shutil.copytree(project, tmp_path / "kept")
    shutil.copytree(project, tmp_path / "lost")
    set_time(tmp_path / "lost/jobs/digits/people/answers/b.csv", 3000)
    said = [go_on(tmp_path / copy / "job.yaml").answers(1)["class_id"].tolist() for copy in ("kept", "lost")]
    assert said == [[2], [1]]


def set_time(path: Path, seconds: float) -> None:
    os.utime(path, (seconds, seconds))


@pytest.mark.slow
def test_a_job_goes_to_s3_and_back(project, tmp_path, s3):
    """The job folder alone, and the whole project."""
    store = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    store.put(f"{project}/", f"{s3.url}/project", recursive=True)
    store.put(f"{project}/jobs/digits/", f"{s3.url}/alone", recursive=True)
    places = [
        {"output": f"{s3.url}/alone"},
        {"output": f"{s3.url}/project/jobs/digits", "data": f"{s3.url}/project/input.manifest"},
    ]
    for changed in places:
        path = write_job(project, workforce=PEOPLE, **changed)
        assert go_on(path).last_round() == 1
        items = Job(changed["output"]).asks(1)["item"]
        table = pd.DataFrame({"item": items, "worker": "ann", "label": "7"}).to_csv(index=False)
        store.pipe(f"{changed['output']}/people/answers/1.csv", table.encode())
        assert go_on(path).last_round() == 2
    store.get(f"{s3.url}/project/", f"{tmp_path}/back", recursive=True)
    job = go_on(write_job(tmp_path / "back", output="jobs/digits", workforce=PEOPLE))
    assert (job.last_round(), summarize(job)["human"]) == (2, len(job.asks(1)))
