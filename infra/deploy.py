"""Tell a Prefect server what it can start: the work pools, deployments/prefect.yaml, and what ends runs that died.

    PREFECT_API_URL=http://HOST:4200/api ROUNDTRUTH_JOBS=s3://bucket/jobs .venv/bin/python infra/deploy.py

Running it again brings a server up to date.
"""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import yaml
from prefect.automations import AutomationCore
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

ROOT = Path(__file__).resolve().parents[1]
DEPLOYMENTS = ROOT / "deployments" / "prefect.yaml"

# Seconds without a sign of life after which a run is dead. One that a worker runs gives a sign every 30, by
# prefect.yaml; one in a process of a person's own every 180.
SILENCE = {"deployed": 90, "any": 400}


def pools() -> list[str]:
    """The work pools that the deployments name."""
    return sorted({entry["work_pool"]["name"] for entry in yaml.safe_load(DEPLOYMENTS.read_text())["deployments"]})


def make_pools(client: SyncPrefectClient) -> None:
    template = ProcessWorker.get_default_base_job_template()
    for name in pools():
        try:
            client.create_work_pool(WorkPoolCreate(name=name, type=ProcessWorker.type, base_job_template=template))
        except ObjectAlreadyExists:
            continue  # and what was set on it stays


def end_dead_runs(client: SyncPrefectClient, which: str) -> None:
    """A run whose process was killed stays "running" by itself; its job and the sweep would wait for it for ever."""
    automation = AutomationCore(
        name=f"roundtruth: end {which} runs that died",
        description=f"A run that gave no sign of life for {SILENCE[which]} seconds is Crashed.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},  # another, or any end: ours have names of their own
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            match_related=ResourceSpecification(
                {"prefect.resource.role": ["deployment"]} if which == "deployed" else {}
            ),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=SILENCE[which]),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="Its process gave no sign of life any more.")],
    )
    there = client.read_automations_by_name(automation.name)
    if there:
        client.update_automation(there[0].id, automation)
    else:
        client.create_automation(automation)


def main() -> int:
    if not os.environ.get("PREFECT_API_URL") or not os.environ.get("ROUNDTRUTH_JOBS"):
        print("set PREFECT_API_URL to the server's API and ROUNDTRUTH_JOBS to the folder of jobs", file=sys.stderr)
        return 2
    with get_client(sync_client=True) as client:
        make_pools(client)
        for which in SILENCE:
            end_dead_runs(client, which)
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(DEPLOYMENTS)]
    return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
