"""A server that does not start or answer. tests/test_cli.py has one that does."""

import os

import pytest

from flows import private_server
from flows.private_server import PrefectServer
from roundtruth.errors import UserError

FAILS = """
import sys
print("a warning", "Traceback:", "  in line 1", "OSError: no port is free", sep="\\n", file=sys.stderr)
sys.exit(1)
"""
HANGS = "import threading; threading.Event().wait()"
WORKS = """
import sys, time
while time.process_time() < 6:
    pass
print(4321, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def server(monkeypatch, tmp_path):
    """server(code): a private server that runs this code."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    from prefect.settings import PREFECT_API_URL, temporary_settings

    def made(code: str) -> PrefectServer:
        monkeypatch.setattr(private_server, "SERVER", code)
        return PrefectServer()

    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield made
    assert list(tmp_path.iterdir()) == []


def started(server: PrefectServer) -> str | None:
    from prefect.settings import PREFECT_API_URL

    with server, server.in_use():
        return PREFECT_API_URL.value()


def test_a_server_that_cannot_start_says_why(server):
    with pytest.raises(UserError) as refused:
        started(server(FAILS))
    assert str(refused.value) == "Prefect's server could not start: Traceback: | in line 1 | OSError: no port is free"


def test_a_server_that_hangs_is_ended(server, monkeypatch):
    monkeypatch.setattr(private_server, "PATIENCE", 2.0)
    with pytest.raises(
        UserError, match=r"^Prefect's server did nothing for 2 seconds and was ended, and said nothing$"
    ):
        started(server(HANGS))


@pytest.mark.slow
def test_a_server_that_works_is_waited_for(server, monkeypatch):
    """On a slow machine it takes longer than any fixed time."""
    monkeypatch.setattr(private_server, "PATIENCE", 3.0)
    assert started(server(WORKS)) == "http://127.0.0.1:4321/api"


def test_a_server_that_is_away_is_named(server, monkeypatch):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    url = "http://127.0.0.1:1/api"
    with (
        temporary_settings({PREFECT_API_URL: url}),
        pytest.raises(UserError, match=f"^the Prefect server at {url} does not answer: .*unset PREFECT_API_URL"),
    ):
        started(server(WORKS))
