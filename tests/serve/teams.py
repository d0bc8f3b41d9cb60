"""A team at the labeling page: its server as a process, and people who label without a browser."""

import random
import secrets
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import httpx

from roundtruth.job import Job
from roundtruth.serve import links

PATIENCE = 600.0


def until(true) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


class Server:
    """`roundtruth serve`, which can be killed and started again at the same port."""

    def __init__(self, folder: str):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        command = ["-m", "roundtruth.cli", "serve", folder, "--port", str(self.port)]
        self.command = [sys.executable, *command]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Worker(threading.Thread):
    """A person's page: it labels whatever it is given, and sends each answer until the server took it."""

    def __init__(self, job: Job, name: str, servers: list[Server], leaves_after: int | None = None):
        super().__init__(name=f"{name} {job.spec.name}", daemon=True)
        self.at = f"/w/{links.token(links.job_id(job.store), links.of(job.store, name))}"
        self.servers, self.leaves_after = servers, leaves_after
        self.said: dict[int, str] = {}
        self.fault = ""

    def run(self) -> None:
        try:
            self.label()
        except AssertionError as fault:
            self.fault = str(fault)

    def label(self) -> None:
        have: list[dict] = []
        while self.leaves_after is None or len(self.said) < self.leaves_after:
            found = self.ask("next", {"have": [item["item"] for item in have]})
            have += found["items"]
            if found["state"] == "done":
                return
            if not have:
                time.sleep(0.05)
                continue
            item = have.pop(0)["item"]
            label = str(item % 10)
            answer = {"nonce": secrets.token_hex(16), "item": item, "label": [{"label": label}], "nothing": False}
            if "error" not in self.ask("answers", answer | {"reason": "", "seconds": 0.0}):
                self.said[item] = label

    def ask(self, what: str, body: dict) -> dict:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            port = random.choice(self.servers).port
            with suppress(httpx.TransportError):
                found = httpx.post(f"http://127.0.0.1:{port}{self.at}/api/{what}", json=body, timeout=20)
                if found.status_code in (200, 409):
                    return found.json()
                if found.status_code not in (429, 503):
                    raise AssertionError(f"{found.status_code}: {found.text}")
            time.sleep(0.02)
        raise AssertionError("the server never answered")
