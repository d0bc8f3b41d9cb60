"""Real servers for tests of flows: Prefect's, its workers and the deployments, as `make up` starts them."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from infra import local
from roundtruth.spec import JobSpec
from tests.jobs import digits, write_job

TESTS = Path(__file__).resolve().parents[1]
ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@pytest.fixture
def whole_server() -> Iterator[None]:
    """Prefect's own test server. Unlike `prefect_server` it also records the runs of tasks."""
    from prefect.events.worker import EventsWorker
    from prefect.testing.utilities import prefect_test_harness

    EventsWorker.drain_all()  # it would go on sending to the server that its first event went to
    with prefect_test_harness(server_startup_timeout=120):
        yield


@dataclass
class Servers:
    """Prefect's API, as far as the tests need it, and the folder of jobs that `advance` sweeps."""

    api: str
    jobs: Path
    run: Path

    def get(self, path: str) -> dict:
        return httpx.get(f"{self.api}/{path}", timeout=60).raise_for_status().json()

    def post(self, path: str, body: dict):
        for _ in range(10):
            answer = httpx.post(f"{self.api}/{path}", json=body, timeout=60)
            if answer.status_code != 503:  # SQLite was busy; Prefect's own clients try again, too
                break
            time.sleep(1)
        return answer.raise_for_status().json()

    def start(self, deployment: str, parameters: dict | None = None) -> dict:
        """A run of a deployment, made as the UI's form makes it."""
        found = self.get(f"deployments/name/{deployment}/{deployment}")
        body = {"parameters": parameters or {}, "state": {"type": "SCHEDULED"}, "enforce_parameter_schema": True}
        return self.post(f"deployments/{found['id']}/create_flow_run", body)

    def ended(self, run: dict, patience: float = 900) -> dict:
        until(lambda: self.get(f"flow_runs/{run['id']}")["state_type"] in ENDS, patience)
        return self.get(f"flow_runs/{run['id']}")

    def runs(self, flow: str, **filters) -> list[dict]:
        """The runs of a flow, the oldest first."""
        body = {"flows": {"name": {"any_": [flow]}}, "flow_runs": filters, "sort": "START_TIME_ASC"}
        return self.post("flow_runs/filter", body)

    def children(self, run: dict, flow: str) -> list[dict]:
        return self.runs(flow, parent_flow_run_id={"any_": [run["id"]]})

    def tasks(self, run: dict) -> list[str]:
        """The names of the task runs of a flow run, in the order of their start."""
        runs = self.post("task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
        return [task["name"] for task in sorted(runs, key=lambda task: task["start_time"] or "")]

    def messages(self, run: dict) -> str:
        """What a run logged; it gets to the server in batches."""
        body = {"logs": {"flow_run_id": {"any_": [run["id"]]}}}
        until(lambda: any("Finished" in log["message"] for log in self.post("logs/filter", body)), 60)
        return "\n".join(log["message"] for log in self.post("logs/filter", body))


def until(true: Callable[[], bool], patience: float) -> None:
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.5)


def answer(folder: Path, name: str, items: pd.Series) -> None:
    """Drop the right answers to some items into a job folder."""
    rows = pd.DataFrame({"item": items, "worker": "ada", "label": load_digits().target[items - 1]})
    (folder / "people/answers").mkdir(parents=True, exist_ok=True)
    rows.to_csv(folder / f"people/answers/{name}.csv", index=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The url of a PostgreSQL of our own, from Debian's package. As root it runs as the user postgres."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("there is no PostgreSQL")
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    folder = tempfile.mkdtemp(prefix="roundtruth-postgres-")  # not below pytest's, which only its user may enter
    data, port = f"{folder}/data", local.free_port(0)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [*user, programs[-1] / program, "-D", data, *arguments], check=True, capture_output=True, cwd="/"
        )

    try:
        if user:
            shutil.chown(folder, "postgres")
        run("initdb", "-U", "prefect", "--auth", "trust", "--no-sync")
        log, options = f"{folder}/log", f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-l", log, "-o", options, "-w", "start")
        try:
            yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def servers(request, tmp_path_factory) -> Iterator[Servers]:
    """On PostgreSQL in the modules that say DATABASE = "postgres", else on SQLite; with their ENVIRONMENT."""
    folder = tmp_path_factory.mktemp("servers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{TESTS}:{os.environ.get('PYTHONPATH', '')}")  # the workers' learner
        patch.setenv("OMP_NUM_THREADS", "1")
        for name, value in getattr(request.module, "ENVIRONMENT", {}).items():
            patch.setenv(name, value)
        if getattr(request.module, "DATABASE", None) == "postgres":
            patch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", request.getfixturevalue("postgres"))
        try:
            yield Servers(local.up(folder / "run", str(folder / "jobs"), port=0), folder / "jobs", folder / "run")
        finally:
            local.down(folder / "run")


@pytest.fixture
def job(servers, tmp_path) -> Callable[..., dict]:
    """job(name, n, **changed): the parameters of a run of labeling-job about n digits, in the swept folder."""

    def made(name: str, n: int, **changed) -> dict:
        digits(tmp_path, n)
        path = write_job(tmp_path, name=name, output=str(servers.jobs / name), **changed)
        return JobSpec.from_file(path).model_dump(mode="json")

    return made
