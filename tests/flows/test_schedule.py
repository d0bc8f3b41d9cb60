"""The deployed sweep starts by its schedule alone."""

from pathlib import Path

import httpx
import pandas as pd
import pytest

from roundtruth import plans
from roundtruth.job import Job
from tests.flows.conftest import answer, until

pytestmark = pytest.mark.slow
ENVIRONMENT = {"PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5"}  # a minute, where nobody waits for a test
INTERVAL = 15.0  # seconds; five minutes in deployments/prefect.yaml


def test_a_scheduled_sweep_goes_on_with_a_waiting_job(servers, job):
    deployment = servers.get("deployments/name/advance/advance")
    (schedule,) = deployment["schedules"]
    assert schedule["active"]
    changed = {"schedule": {"interval": INTERVAL}}
    httpx.patch(f"{servers.api}/deployments/{deployment['id']}/schedules/{schedule['id']}", json=changed)
    spec = job("waits", 20, workforce={"backend": "files", "answers_per_item": 1})
    run = servers.ended(servers.start("labeling-job", {"job": spec}))
    assert run["state_name"] == "WaitingForPeople"
    folder = Path(spec["output"])
    answer(folder, "all", pd.Series(range(1, 21)))
    until(lambda: plans.state(Job(str(folder))) == "complete", 900)
    until(lambda: (folder / "output/output.manifest").exists(), 900)
    assert all(sweep["auto_scheduled"] for sweep in servers.runs("advance"))
    assert len((folder / "output/output.manifest").read_text().splitlines()) == 20
