import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # jobs name their learner fast_learner:Logistic

# How long an example takes depends on what else the machine does. Under CI Hypothesis loads a profile of its own, which
# stays the parent: every run has the same examples.
settings.register_profile("roundtruth", settings(deadline=None))
settings.load_profile("roundtruth")


@pytest.fixture
def data() -> Path:
    """The development data beside the checkout; it is no part of the project: tests that use it skip without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the development data is not beside this checkout")
    return folder


@pytest.fixture
def make(tmp_path):
    """make(n, **changed): a job file about n digits, and its spec."""
    from roundtruth.spec import JobSpec
    from tests.jobs import digits, write_job

    def made(n: int, **changed):
        if not (tmp_path / "input.manifest").exists():
            digits(tmp_path, n)
        return JobSpec.from_file(write_job(tmp_path, **changed))

    return made


@pytest.fixture
def without_prefect(monkeypatch):
    """`roundtruth run` runs the rounds in this process: no server, no report."""
    from contextlib import nullcontext

    from flows import private_server
    from roundtruth import cli, loop

    class NoServer(nullcontext):
        def __enter__(self):
            return self

        def start(self) -> None: ...

    monkeypatch.setattr(private_server, "PrefectServer", NoServer)
    monkeypatch.setattr(cli, "run_flow", lambda spec, server: loop.rounds(spec.output))


@pytest.fixture(scope="session")
def prefect_server():
    """The address of a Prefect server, which the flows that run in this process use."""
    os.environ["DO_NOT_TRACK"] = "1"
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.private_server import PrefectServer

    # a run that sends heartbeats waits up to a second for them to stop, and here nobody looks at them
    with (
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}, restore_defaults={PREFECT_API_URL}),
        PrefectServer() as server,
        server.in_use(),
    ):
        yield PREFECT_API_URL.value()
