"""A Prefect server for one command alone: in memory, without a UI, gone when the command is, however that ends.

Prefect's own temporary server outlives a `kill -9` of its parent and keeps its runs in the user's home. This one reads
a pipe that only its parent holds. The kernel closes the pipe when the parent ends; the server then removes its folder
and exits. It makes its tables in one go rather than by Prefect's hundred migrations, which take seconds, and runs none
of the services that look after schedules, late runs and old events: there are none.
"""

import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

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
PATIENCE = 120.0  # seconds until the server answers


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
        self._url: str | None = None

    def start(self) -> None:
        """Start a private server, where one is needed, and do not wait for it: what comes next may take as long."""
        settings()
        from prefect.settings import PREFECT_API_URL

        if self._process or PREFECT_API_URL.value():
            return
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the command, which still has to tell the server
            env=os.environ | ENVIRONMENT | {"PREFECT_HOME": tempfile.mkdtemp(prefix="roundtruth-prefect-")},
        )

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Flows that run in this context use the server."""
        self.start()
        if not self._process:
            yield
            return
        from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

        self._url = self._url or address(self._process)
        # nobody can read this server's logs, and what is still to be sent when it ends would be an error
        with temporary_settings({PREFECT_API_URL: self._url, PREFECT_LOGGING_TO_API_ENABLED: False}):
            yield

    def close(self) -> None:
        if self._process:
            self._process.communicate()  # closes the pipe, and waits

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def address(process: subprocess.Popen) -> str:
    """Where the server answers, once it does; RuntimeError where it ends before, or is silent for too long."""
    assert process.stdout
    port = process.stdout.readline() if select.select([process.stdout], [], [], PATIENCE)[0] else b""
    if not port:
        raise RuntimeError("Prefect's server did not start")
    return f"http://127.0.0.1:{int(port)}/api"
