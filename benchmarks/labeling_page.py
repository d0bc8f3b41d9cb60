"""The labeling page's server with 50 simulated browsers, beside a bare Starlette endpoint. One JSON line.

    python benchmarks/labeling_page.py [--seconds 120] [--browsers 50] [--s3 s3://bucket/prefix]

Each browser shows its picture, thinks for about two seconds, sends a label and asks for the next item; and it asks the
bare endpoint, which returns an empty JSON object, as often. Times are those of the servers' own logs, from the first
byte of a request to the last of its response. Memory is that of the server's process, after a quarter of the time and
at the end.
"""

import argparse
import asyncio
import os
import random
import re
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import psutil

sys.path.insert(0, str(Path(__file__).parent))

import whole_jobs
from printed import one_line

from roundtruth import answers
from roundtruth.begin import begin
from roundtruth.job import Job
from roundtruth.serve import links
from roundtruth.spec import JobSpec

ITEMS, WANTED = 4000, 3
THINKS = 2.0  # seconds a picture, on average
BARE = """
import logging, sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from roundtruth.serve.site import Headers
logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
logging.getLogger("roundtruth.serve").setLevel(logging.INFO)
async def bare(request):
    return JSONResponse({})
app = Headers(Starlette(routes=[Route("/bare", bare)]))
uvicorn.run(app, port=int(sys.argv[1]), log_config=None, access_log=False)
"""


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--seconds", type=float, default=120)
    asked.add_argument("--browsers", type=int, default=50)
    asked.add_argument("--s3", default="")
    args = asked.parse_args()
    os.environ["ROUNDTRUTH_LINK_KEY"] = secrets.token_hex(32)
    with tempfile.TemporaryDirectory() as folder:
        job = open_job(Path(folder), args.s3 or f"{folder}/job")
        print(one_line(measured(job, Path(folder), args.seconds, args.browsers)))


def open_job(folder: Path, output: str) -> Job:
    """A job with one open batch of all its items."""
    whole_jobs.write(folder, "image-classification", ITEMS)
    given = {
        "name": "page", "kind": "image-classification", "data": str(folder / "input.manifest"), "output": output,
        "classes": [str(number) for number in range(10)], "workforce": {"backend": "page", "answers_per_item": WANTED},
    }  # fmt: skip
    job = begin(JobSpec.model_validate(given))
    items = np.arange(1, ITEMS + 1)
    job.write_table("rounds/001/asked.parquet", pd.DataFrame({"item": items, "role": "train", "round": 1}))
    answers.ask(job, 1)
    return Job(job.address)


def measured(job: Job, folder: Path, seconds: float, browsers: int) -> dict:
    page, bare = free_port(), free_port()
    log, bare_log = folder / "page.log", folder / "bare.log"
    commands = (
        (["-m", "roundtruth.cli", "serve", job.address, "--port", str(page)], log),
        (["-c", BARE, str(bare)], bare_log),
    )
    servers = [
        subprocess.Popen([sys.executable, *command], stderr=to.open("wb"), stdout=-3) for command, to in commands
    ]
    try:
        memory = asyncio.run(drive(job, page, bare, seconds, browsers, servers[0].pid))
    finally:
        for server in servers:
            server.kill()
            server.wait()
    times, bare_times = read(log), read(bare_log)
    found = {"browsers": browsers, "seconds": seconds, "bare p95 ms": p95(bare_times["GET /bare"])}
    for name, route in (("next", "POST /w/.../api/next"), ("submit", "POST /w/.../api/answers")):
        found |= {f"{name} requests": len(times[route]), f"{name} p95 ms": p95(times[route])}
        found[f"{name} / bare"] = p95(times[route]) / p95(bare_times["GET /bare"])
    return found | {"MB after a quarter": memory[0] / 1e6, "MB at the end": memory[1] / 1e6}


def started(log: Path, *command: str) -> subprocess.Popen:
    with log.open("wb") as to:
        return subprocess.Popen([sys.executable, *command], stderr=to, stdout=subprocess.DEVNULL)


async def drive(job: Job, page: int, bare: int, seconds: float, browsers: int, server: int) -> list[int]:
    """Let the browsers label; the memory of the server after a quarter of the time and at the end, in bytes."""
    names = [f"person {number}" for number in range(browsers)]
    tokens = [links.token(links.job_id(job.store), links.of(job.store, name)) for name in names]
    memory = []

    async def watch() -> None:
        for wait in (seconds / 4, seconds * 3 / 4):
            await asyncio.sleep(wait)
            memory.append(psutil.Process(server).memory_info().rss)

    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=2 * browsers)) as client:
        await reached(client, f"http://127.0.0.1:{page}/static/label.js")
        await reached(client, f"http://127.0.0.1:{bare}/bare")
        end = time.monotonic() + seconds
        people = [browser(client, f"http://127.0.0.1:{page}/w/{token}", bare, end) for token in tokens]
        await asyncio.gather(watch(), *people)
    return memory


async def browser(client: httpx.AsyncClient, url: str, bare: int, end: float) -> None:
    have: list[dict] = []
    while time.monotonic() < end:
        found = await reached(client, f"{url}/api/next", {"have": [item["item"] for item in have]})
        have += found.json()["items"]
        item = have.pop(0)
        await reached(client, f"{url}/{item['picture']}")
        await reached(client, f"http://127.0.0.1:{bare}/bare")
        await asyncio.sleep(random.expovariate(1 / THINKS))
        answer = {"nonce": secrets.token_hex(16), "item": item["item"], "label": [{"label": "1"}], "seconds": 1.0}
        await reached(client, f"{url}/api/answers", answer)


async def reached(client: httpx.AsyncClient, url: str, body: dict | None = None) -> httpx.Response:
    """The response to a request, which is sent again while the server cannot be reached, as the page does it."""
    while True:
        try:
            found = await (client.get(url) if body is None else client.post(url, json=body))
            return found.raise_for_status()
        except httpx.TransportError:
            await asyncio.sleep(0.1)


def read(log: Path) -> dict[str, list[float]]:
    """Milliseconds, by method and route."""
    times: dict[str, list[float]] = {}
    for line in log.read_text().splitlines():
        if found := re.fullmatch(r"(?:.* )?((?:GET|POST) \S+) (200) ([0-9.]+) ms", line):
            times.setdefault(found[1], []).append(float(found[3]))
    return times


def p95(times: list[float]) -> float:
    return float(np.percentile(times, 95))


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


if __name__ == "__main__":
    main()
