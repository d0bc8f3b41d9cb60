"""S3 for tests: moto's server as a process of its own, and a proxy before it that loses, delays and refuses.

A test module that wants them has `pytest_plugins = ["tests.s3"]`, and asks for `s3` (a bucket of its own, and the
environment that leads there) or `proxy` (the same bucket, through the proxy).
"""

import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import pytest

from roundtruth import storage


@dataclass
class Bucket:
    endpoint: str
    name: str = field(default_factory=lambda: f"test-{uuid4().hex}")

    @property
    def url(self) -> str:
        return f"s3://{self.name}"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The server's address. It forgets everything when it ends."""
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "moto.server", "-p", "0"], stderr=subprocess.PIPE, text=True
    )
    assert server.stderr
    # It logs every request: unread, the pipe would fill and stop it
    reader = threading.Thread(target=shutil.copyfileobj, args=(server.stderr, Nowhere()))
    try:
        for line in server.stderr:
            if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            raise RuntimeError("moto's server did not start")
        reader.start()
        yield found[1]
    finally:
        server.kill()
        server.wait()
        reader.join()
        server.stderr.close()


class Nowhere:
    def write(self, text: str) -> None: ...


@pytest.fixture
def s3(s3_server, monkeypatch) -> Iterator[Bucket]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    bucket = Bucket(s3_server)
    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)
    urllib.request.urlopen(urllib.request.Request(f"{s3_server}/{bucket.name}", method="PUT")).close()
    yield bucket
    storage._s3_client.cache_clear()


@pytest.fixture
def proxy(s3, monkeypatch) -> Iterator["Proxy"]:
    proxy = Proxy(s3)
    proxy.up()
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    yield proxy
    proxy.go_on.set()
    proxy.down()


class Proxy:
    """Passes requests on, but for the faults it was told of, each of which happens to the next request it fits.

    cut: the connection ends before the request is passed on     half: it ends in the middle of the answer's body
    drop: the request is passed on, its answer lost              busy: 503 is answered
    hold: the request is passed on once `go_on` is set           deny: 403 is answered

    `refuse` answers every request that it fits in the same way.
    """

    def __init__(self, bucket: Bucket):
        self.bucket = bucket
        self.upstream = bucket.endpoint.removeprefix("http://")
        self.port = 0
        self.faults: list[tuple[str, str, str]] = []
        self.refusals: list[tuple[int, str, str, str]] = []
        self.go_on = threading.Event()
        self.held = threading.Event()
        self.seen: list[str] = []  # requests, as "PUT /bucket/key"
        self.server: ThreadingHTTPServer | None = None
        self.connections: set[socket.socket] = set()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return self.bucket.url

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fault(self, kind: str, method: str = "", path: str = "", times: int = 1) -> None:
        self.faults += [(kind, method, path)] * times

    def refuse(self, status: int, code: str, method: str = "", path: str = "") -> None:
        self.refusals.append((status, code, method, path))

    def refusal(self, method: str, path: str) -> tuple[int, str] | None:
        for status, code, of, part in self.refusals:
            if of in ("", method) and part in path:
                return status, code
        return None

    def up(self) -> None:
        proxy = self

        class Handler(_Handler):
            through = proxy

        self.server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def down(self) -> None:
        """From now on connections are refused, and open ones end."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def next_fault(self, method: str, path: str) -> str:
        with self.lock:
            self.seen.append(f"{method} {path}")
            for fault in self.faults:
                if fault[1] in ("", method) and fault[2] in path:
                    self.faults.remove(fault)
                    return fault[0]
        return ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address) -> None:
        pass  # clients that were killed, and connections that `down` ended


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    through: Proxy

    def setup(self) -> None:
        super().setup()
        self.through.connections.add(self.connection)

    def finish(self) -> None:
        self.through.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args) -> None:
        pass

    def handle_request(self) -> None:
        fault = self.through.next_fault(self.command, self.path)
        body = self.read_body()
        if fault == "cut":
            self.close_connection = True
            return
        if fault == "hold":
            self.through.held.set()
            self.through.go_on.wait(60)
        if fault in ("busy", "deny"):
            status, code = (503, "SlowDown") if fault == "busy" else (403, "SignatureDoesNotMatch")
            self.answer(status, {}, f"<Error><Code>{code}</Code><Message>by the proxy</Message></Error>".encode())
            return
        if refused := self.through.refusal(self.command, self.path):
            said = {"AuthorizationHeaderMalformed": "expecting 'eu-west-1'", "ExpiredToken": "it has expired"}
            message = said.get(refused[1], "by the proxy")
            self.answer(
                refused[0], {}, f"<Error><Code>{refused[1]}</Code><Message>{message}</Message></Error>".encode()
            )
            return
        upstream = http.client.HTTPConnection(self.through.upstream)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOPS}
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            data = answer.read()
        finally:
            upstream.close()
        if fault == "drop":
            self.close_connection = True
            return
        self.answer(answer.status, dict(answer.getheaders()), data, half=fault == "half")

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_request

    def answer(self, status: int, headers: dict, data: bytes, half: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in (*HOPS, "content-length"):
                self.send_header(name, value)
        length = headers.get("Content-Length", len(data)) if self.command == "HEAD" else len(data)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if half else data)
        self.close_connection |= half

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return body


HOPS = ("connection", "transfer-encoding", "expect", "keep-alive")
