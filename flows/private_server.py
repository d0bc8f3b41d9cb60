"""A Prefect server for one command alone: in memory, without a UI, gone when the command is, however that ends.

Prefect's own temporary server outlives a `kill -9` of its parent and keeps its runs in the user's home. This one reads
a pipe that only its parent holds. The kernel closes the pipe when the parent ends; the server then removes its folder
and exits. It makes its tables in one go rather than by Prefect's hundred migrations, which take seconds, and runs none
of the services that look after schedules, late runs and old events: there are none.
"""

import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from roundtruth.errors import UserError

SERVER = """
import os, shutil, socket, sys, threading
def end():
    sys.stdin.buffer.read()
    shutil.rmtree(os.environ["PREFECT_HOME"], ignore_errors=True)
    os._exit(0)
threading.Thread(target=end, daemon=True).start()
import uvicorn
from prefect.server.api.server import create_app
from prefect.server.database import provide_database_interface
class Server(uvicorn.Server):
    async def startup(self, sockets):
        database = provide_database_interface()
        for table in database.Base.metadata.tables.values():  # Prefect declares an index of artifacts twice
            table.indexes.intersection_update({index.name: index for index in table.indexes}.values())
        async with (await database.engine()).begin() as connection:
            await connection.run_sync(database.Base.metadata.create_all)
        await super().startup(sockets)
        if self.started:
            print(sockets[0].getsockname()[1], flush=True)
app = create_app(ephemeral=True, webserver_only=True)
Server(uvicorn.Config(app, log_level="critical", lifespan="on")).run([socket.create_server(("127.0.0.1", 0))])
"""
ENVIRONMENT = {
    "PREFECT_API_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:///file::memory:?cache=shared&uri=true&check_same_thread=false",
    "PREFECT_API_DATABASE_MIGRATE_ON_START": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
}
PATIENCE = 60.0  # seconds that a server which does not answer yet may do nothing
LOG = "server.log"
LINES = 3  # of the log of a server that does not start


def settings() -> None:
    """What holds for every use of Prefect from the command line; set before Prefect is imported."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    # the command itself says what a person must know; the run's own log goes to the server
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")


class PrefectServer:
    """The server that the environment or the profile names; else a private one, from `start` until `close`."""

    def __init__(self):
        self._process: subprocess.Popen | None = None
        self._home = ""
        self._url: str | None = None

    def start(self) -> None:
        """Start a private server, where one is needed, and do not wait for it: what comes next may take as long."""
        settings()
        from prefect.settings import PREFECT_API_URL

        if self._process or PREFECT_API_URL.value():
            return
        self._home = tempfile.mkdtemp(prefix="roundtruth-prefect-")
        with Path(self._home, LOG).open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for the command, which still has to tell the server
                env=os.environ | ENVIRONMENT | {"PREFECT_HOME": self._home},
            )

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Flows that run in this context use the server."""
        self.start()
        if not self._process:
            reach()
            yield
            return
        from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

        self._url = self._url or address(self._process, Path(self._home, LOG))
        # nobody can read this server's logs, and what is still to be sent when it ends would be an error
        with temporary_settings({PREFECT_API_URL: self._url, PREFECT_LOGGING_TO_API_ENABLED: False}):
            yield

    def close(self) -> None:
        if self._process:
            self._process.communicate()  # closes the pipe, and waits
            shutil.rmtree(self._home, ignore_errors=True)  # a server that did not start has left it

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def reach() -> None:
    """Raise UserError where the server that the environment or the profile names does not answer."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    try:
        with get_client(sync_client=True) as server:
            fault = server.api_healthcheck()
    except RuntimeError as error:
        fault = error
    if fault:
        url = PREFECT_API_URL.value()
        hint = "start it, or unset PREFECT_API_URL, and the run starts a server of its own"
        raise UserError(f"the Prefect server at {url} does not answer: {fault}; {hint}")


def address(process: subprocess.Popen, log: Path) -> str:
    """Where the server answers, once it does. Raises UserError with the end of its log where it ended, or hangs."""
    assert process.stdout
    worked, since = 0.0, time.monotonic()
    while not select.select([process.stdout], [], [], 1)[0]:
        now = seconds_worked(process.pid)
        if now > worked:
            worked, since = now, time.monotonic()
        if time.monotonic() - since > PATIENCE:
            process.kill()
            raise UserError(f"Prefect's server did nothing for {PATIENCE:.0f} seconds and was ended{last(log)}")
    port = process.stdout.readline()
    if not port:
        raise UserError(f"Prefect's server could not start{last(log)}")
    return f"http://127.0.0.1:{int(port)}/api"


def seconds_worked(pid: int) -> float:
    """The processor time that a process has used; 0 once it has ended."""
    with suppress(psutil.Error):
        used = psutil.Process(pid).cpu_times()
        return used.user + used.system
    return 0.0


def last(log: Path) -> str:
    """The last lines of a log, to be put behind a sentence."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return f": {' | '.join(lines[-LINES:])}" if lines else ", and said nothing"
