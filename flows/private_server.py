"""A Prefect server of one command's own: in memory, without a UI, gone when the command is, however it ends.

Prefect's own temporary server outlives a `kill -9` of its parent and keeps its runs in the user's home. This one reads
a pipe that only its parent holds: at its end, which the kernel brings about, it removes its folder and exits.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

SERVER = """
import os, shutil, sys, threading
def end():
    sys.stdin.buffer.read()
    shutil.rmtree(os.environ["PREFECT_HOME"], ignore_errors=True)
    os._exit(0)
threading.Thread(target=end, daemon=True).start()
import uvicorn
from prefect.server.api.server import create_app
uvicorn.run(create_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", lifespan="on")
"""


def settings() -> None:
    """What holds for every use of Prefect from the command line; set before Prefect is imported."""
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    # what a person must know is said by the command itself; the run's own log goes to the server
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")


@contextmanager
def prefect_server() -> Iterator[None]:
    """The server that the environment or the profile names; else a private one."""
    from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

    if PREFECT_API_URL.value():
        yield
        return
    home = tempfile.mkdtemp(prefix="roundtruth-prefect-")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C is for the command, which still has to tell the server
        env=os.environ
        | {
            "PREFECT_HOME": home,
            "PREFECT_API_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:///file::memory:?cache=shared&uri=true&check_same_thread=false",
            "PREFECT_UI_ENABLED": "false",
            "PREFECT_SERVER_UI_ENABLED": "false",
        },
    )
    try:
        answering(url, server)
        # nobody can read this server's logs, and what is still to be sent when it ends would be an error
        with temporary_settings({PREFECT_API_URL: url, PREFECT_LOGGING_TO_API_ENABLED: False}):
            yield
    finally:
        if server.stdin:
            server.stdin.close()
        server.wait()


def answering(url: str, server: subprocess.Popen, patience: float = 120.0) -> None:
    """Wait until the server answers; RuntimeError where it ends or `patience` (seconds) runs out."""
    import httpx

    until = time.monotonic() + patience
    while server.poll() is None and time.monotonic() < until:
        try:
            if httpx.get(f"{url}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError("Prefect's server did not start")
