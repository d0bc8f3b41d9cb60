"""Jobs on real servers: started as the UI does it, trained in the GPU pool, gone on with by the sweep."""

import json
import os
import signal
from pathlib import Path

import pandas as pd
import pytest

from infra import local
from roundtruth import plans
from roundtruth.job import Job
from tests.flows.conftest import answer, until
from tests.serve.teams import Server, Worker

pytestmark = pytest.mark.slow
DATABASE = "postgres"

GATHERED = ["dispatch", "wait", "consolidate", "select", "report"]
MACHINE = ["dispatch", "wait", "consolidate", "train", "infer", "calibrate", "autolabel", "select", "report"]


def test_a_job_from_the_form_trains_in_the_gpu_pool(servers, job):
    spec = job("gpu job", 60, pool="gpu", target={"quality": 0.3})
    run = servers.ended(servers.start("labeling-job", {"job": spec}))
    assert run["state_name"] == "Complete", run["state"]["message"]
    assert run["work_pool_name"] == "cpu"

    summary = json.loads((servers.jobs / "gpu job/report/summary.json").read_text())
    rounds = servers.children(run, "labeling-round")
    assert [each["name"] for each in rounds] == [f"gpu job round {number}" for number in range(1, len(rounds) + 1)]
    assert {each["state_name"] for each in rounds} == {"Completed"}
    assert summary["state"] == "complete"
    assert summary["human"] + summary["auto"] == 60

    assert [task for task in servers.tasks(run) if not task.startswith("labeling-round")] == [
        "select",
        "deliver",
        "report",
    ]
    for each in rounds:
        mine = [task for task in servers.tasks(each) if " on pool " not in task]
        assert mine in (GATHERED, MACHINE)
    trained = [each for each in rounds if "train" in servers.tasks(each)]
    assert trained

    work = servers.runs("model-work")
    assert [each["name"] for each in work] == [
        f"{each['name']} {step}" for each in trained for step in ("train", "infer")
    ]
    assert {each["work_pool_name"] for each in work} == {"gpu"}
    assert {each["state_type"] for each in work} == {"COMPLETED"}
    assert run["infrastructure_pid"] not in {each["infrastructure_pid"] for each in work}

    artifacts = servers.post("artifacts/latest/filter", {})
    of_job = {each["key"]: each for each in artifacts if each["key"].startswith("gpu-job-")}
    assert {"gpu-job-rounds", "gpu-job-report", "gpu-job-manifest"} <= set(of_job)
    assert "data:image/png;base64," in of_job["gpu-job-report"]["data"]
    assert len(json.loads(of_job["gpu-job-rounds"]["data"])) == len(summary["rounds"])


def test_a_job_by_csv_goes_on_when_answers_came(servers, job):
    spec = job("by csv", 40, workforce={"backend": "files", "answers_per_item": 1})
    (servers.jobs / "broken").mkdir(parents=True)
    (servers.jobs / "broken/job.json").write_text("{nonsense")
    run = servers.ended(servers.start("labeling-job", {"job": spec}))
    assert (run["state_name"], run["state_type"]) == ("WaitingForPeople", "COMPLETED")

    def sweep() -> str:
        """What the deployed sweep says; ended when the job that it started has ended, too."""
        log = servers.messages(servers.ended(servers.start("advance")))
        assert "broken: left out of this sweep" in log
        until(lambda: all(each["end_time"] for each in servers.runs("labeling-job")), 900)
        return log

    folder = Path(spec["output"])
    begun = len(servers.runs("labeling-job"))
    assert "started: none" in sweep()
    assert len(servers.runs("labeling-job")) == begun
    batch = pd.read_csv(folder / "people/batch-001.csv")["item"]
    answer(folder, "half", batch[::2])
    assert f"started: {folder}" in sweep()
    assert servers.runs("labeling-job")[-1]["state"]["message"] == f"{len(batch) // 2} of {len(batch)} answered"
    assert "started: none" in sweep()
    answer(folder, "rest", pd.Series(range(1, 41)))
    assert f"started: {folder}" in sweep()
    assert servers.runs("labeling-job")[-1]["state_name"] == "Complete"
    assert plans.state(Job(str(folder))) == "complete"
    assert len((folder / "output/output.manifest").read_text().splitlines()) == 40
    assert "started: none" in sweep()


def test_a_job_on_the_labeling_page_goes_on_at_once(servers, job, monkeypatch):
    """The page's server says that the batch is complete, and a trigger of the deployment starts the run; no sweep."""
    monkeypatch.setenv("PREFECT_API_URL", servers.api)
    monkeypatch.setenv("ROUNDTRUTH_LINK_KEY", "k" * 40)
    spec = job("by page", 40, workforce={"backend": "page", "answers_per_item": 1})
    run = servers.ended(servers.start("labeling-job", {"job": spec}))
    assert run["state_name"] == "WaitingForPeople"
    page = Server(spec["output"])
    try:
        ann = Worker(Job(spec["output"]), "ann", [page])
        ann.run()  # until the job is done
        assert ann.fault == ""
    finally:
        page.kill()
    assert plans.state(Job(spec["output"])) == "complete"
    runs = servers.runs("batch-complete")
    assert len(runs) == len(Job(spec["output"]).rounds_with("closed.json"))


def test_what_was_killed_is_started_again_and_nothing_is_left_at_the_end(servers):
    before = local.running(servers.run)
    assert set(before) == {"server", "cpu-worker", "gpu-worker"}
    assert local.up(servers.run, str(servers.jobs)) == servers.api
    assert local.running(servers.run) == before, "up twice is up once"

    os.kill(before["gpu-worker"], signal.SIGKILL)
    assert local.up(servers.run, str(servers.jobs)) == servers.api
    after = local.running(servers.run)
    assert {part for part in after if after[part] != before[part]} == {"gpu-worker"}

    os.kill(after["server"], signal.SIGKILL)
    local.down(servers.run)
    assert local.processes(servers.run) == {}
    assert not servers.run.exists()
    local.down(servers.run)  # of what is down
