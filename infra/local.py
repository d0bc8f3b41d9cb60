"""Prefect's server, a worker a pool and the deployments as processes of this machine: `make up` and `make down`.

    python infra/local.py up      start what is not running, and say where it is
    python infra/local.py down    end all of it, the runs that are under way too

Everything lives in one folder, `.run/`: the server's database (unless PREFECT_API_DATABASE_CONNECTION_URL names a
PostgreSQL), the logs, the port. Every process has the folder's path in its environment, and its children inherit it, so
that they are found whoever of their parents was killed. Jobs are not in the folder: they go on after the next `up`.

Settings, from the environment: ROUNDTRUTH_PORT, the UI's port (else 4200, or the next that is free); ROUNDTRUTH_JOBS,
the folder of jobs that `advance` sweeps (else jobs/ of the checkout).
"""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[1]
FOLDER, PART = "ROUNDTRUTH_RUN", "ROUNDTRUTH_PART"  # in every process's environment: .run, and which part it is of
POOLS = {"cpu": None, "gpu": 1}  # and how many runs a worker takes at once: a GPU is one run's
PATIENCE = 300.0  # seconds for a part to come up

begun: list[subprocess.Popen] = []  # by this process, which must reap them if it outlives them


def up(folder: Path, jobs: str, port: int | None = None) -> str:
    """Start what is not running; the API's address once all parts answer. RuntimeError says which part does not."""
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        known = folder / "port"
        if not known.exists():
            known.write_text(str(free_port(port)))
        port = int(known.read_text())
        api = f"http://127.0.0.1:{port}/api"
        environment = {
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_PROFILES_PATH": str(folder / "prefect" / "profiles.toml"),
            "PREFECT_API_URL": api,
            "PREFECT_UI_API_URL": "/api",  # whatever host and port the browser came by
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "ROUNDTRUTH_JOBS": jobs,
        }
        server = start("server", folder, environment, "server", "start", "--host", "127.0.0.1", "--port", str(port))
        until(lambda: answers(f"{api}/health"), server, folder, "server")
        workers, ran, now = {}, running(folder), datetime.now(UTC)
        for pool, limit in POOLS.items():
            most = ["--limit", str(limit)] if limit else []
            name = f"{pool}-worker"
            arguments = ["worker", "start", "--type", "process", "--pool", pool, "--name", name, *most]
            workers[pool] = start(name, folder, environment, *arguments)
        deployed = folder / "deployed"
        if not deployed.exists():
            deploy(folder, environment)
            deployed.touch()
        for pool, worker in workers.items():
            # the server takes a worker that was killed for alive for a minute and a half
            since = now if f"{pool}-worker" not in ran else datetime.min.replace(tzinfo=UTC)
            until(lambda pool=pool, since=since: polled(api, pool, since), worker, folder, f"{pool}-worker")
    return api


def down(folder: Path) -> None:
    """End every process that `up` began, and theirs, and remove the folder. Nothing running is fine, too."""
    # the server last: runs that are under way tell it how they ended
    end(lambda: [pid for pid, part in processes(folder).items() if part != "server"])
    end(lambda: list(processes(folder)))
    begun[:] = [process for process in begun if process.poll() is None]
    shutil.rmtree(folder, ignore_errors=True)


def start(part: str, folder: Path, environment: dict[str, str], *arguments: str) -> int:
    """The id of the part's process, which is started unless it runs."""
    if pid := running(folder).get(part):
        return pid
    (folder / "logs").mkdir(exist_ok=True)
    with (folder / "logs" / f"{part}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments],
            env=os.environ | environment | {FOLDER: str(folder), PART: part},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C in this terminal is not for them
        )
    begun.append(process)
    (folder / f"{part}.pid").write_text(str(process.pid))
    return process.pid


def deploy(folder: Path, environment: dict[str, str]) -> None:
    log = folder / "logs" / "deploy.log"
    with log.open("ab") as file:
        done = subprocess.run(
            [sys.executable, str(ROOT / "infra" / "deploy.py")],
            env=os.environ | environment | {FOLDER: str(folder), PART: "deploy"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    if done.returncode:
        raise RuntimeError(f"the deployments could not be made:\n{tail(log)}")


def free_port(wanted: int | None) -> int:
    for port in range(4200, 4300) if wanted is None else [wanted]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise RuntimeError(f"port {wanted} is taken" if wanted else "no port from 4200 to 4299 is free")


def until(ready: Callable[[], bool], pid: int, folder: Path, part: str) -> None:
    end_of_patience = time.monotonic() + PATIENCE
    while not ready():
        if pid not in processes(folder) or time.monotonic() > end_of_patience:
            raise RuntimeError(f"the {part} did not come up:\n{tail(folder / 'logs' / f'{part}.log')}")
        time.sleep(0.3)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def polled(api: str, pool: str, since: datetime) -> bool:
    """Whether a worker of the pool gave a sign of life after `since`."""
    try:
        workers = httpx.post(f"{api}/work_pools/{pool}/workers/filter", json={})
    except httpx.TransportError:  # a busy machine; `until` asks again
        return False
    if workers.status_code != 200:
        return False
    seen = [worker["last_heartbeat_time"] for worker in workers.json() if worker["status"] == "ONLINE"]
    return any(datetime.fromisoformat(time) > since for time in seen)


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def running(folder: Path) -> dict[str, int]:
    """The parts that live, and their ids. A run that a killed worker left behind is no part."""
    known = {path.stem: int(path.read_text()) for path in folder.glob("*.pid")}
    living = processes(folder)
    return {part: pid for part, pid in known.items() if living.get(pid) == part}


def processes(folder: Path) -> dict[int, str]:
    """The living processes of `folder`, and which part each is of: the parts' own, and those that these began."""
    found = {}
    for process in psutil.process_iter(["environ"]):
        environment = process.info["environ"] or {}  # None: another user's
        if environment.get(FOLDER) == str(folder) and process.pid != os.getpid() and process.is_running():
            found[process.pid] = environment.get(PART, "")
    return found


def end(which: Callable[[], list[int]], patience: float = 15.0) -> None:
    """Ask the processes to end, and kill those that do not within `patience` seconds."""
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        while pids := which():
            asked = []
            for pid in pids:
                with suppress(psutil.NoSuchProcess):
                    asked.append(psutil.Process(pid))
                    ask(asked[-1])
            psutil.wait_procs(asked, patience)
            if ask is psutil.Process.terminate:
                break


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One `up` at a time."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(verb: str) -> int:
    folder = ROOT / ".run"
    if verb == "down":
        down(folder)
        return 0
    wanted = os.environ.get("ROUNDTRUTH_PORT")
    try:
        api = up(folder, os.environ.get("ROUNDTRUTH_JOBS") or str(ROOT / "jobs"), int(wanted) if wanted else None)
    except (RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"""\
The UI: {api.removesuffix("/api")}
Start a job there (Deployments, labeling-job, Run), or from this terminal, so that the UI shows it:

    PREFECT_API_URL={api} .venv/bin/roundtruth run JOB.yaml

`make down` ends it all; the logs are in {folder / "logs"}.""")
    return 0


if __name__ == "__main__":
    if sys.argv[1:] not in (["up"], ["down"]):
        sys.exit("usage: python infra/local.py up|down")
    sys.exit(main(sys.argv[1]))
