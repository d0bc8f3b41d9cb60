"""The server of the labeling page, in a thread of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from roundtruth.errors import UserError

LOOPBACK = ("127.0.0.1", "::1", "localhost")
KEPT = 75  # seconds that an idle connection is kept: longer than browsers think, and than proxies keep theirs
GRACE = 3  # seconds that requests have to end


@contextmanager
def running(app: ASGIApp, host: str, port: int) -> Iterator[int]:
    """The server answers in this context; its port. Port 0 takes a free one. Raises UserError where the address cannot
    be had."""
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UserError(f"serve: {host}:{port}: {error.strerror}; give another --port or --host") from None
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=KEPT,
        timeout_graceful_shutdown=GRACE,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), name="labeling page", daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(GRACE + 2)
        listening.close()
