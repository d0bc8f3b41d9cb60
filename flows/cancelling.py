"""Ends a run that a person cancels in Prefect's page.

A worker does so with the runs that it starts. This does so with a run in a process of a person's own, of
`roundtruth run` or from Python, which Prefect would leave running.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import wraps
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import CancelledRun, TerminationSignal
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled

POLL = 3.0  # seconds between two looks at the run's state
CANCEL = signal.SIGUSR1  # SIGTERM is for whoever wants the process to end, such as the machine that shuts down
AGAIN = 10.0  # seconds until a run that has not ended is told again: an exception may get lost in a library's callback

cancelled = threading.Event()  # the run of this process was


def cancellable(function: Callable) -> Callable:
    """For a flow and its subflows: the function ends with the state Cancelled where a person cancels the flow's run."""

    @wraps(function)
    def run(*args, **kwargs):
        try:
            with watched():
                return function(*args, **kwargs)
        except (TerminationSignal, CancelledRun):  # CancelledRun: a subflow ended so
            if not cancelled.is_set():
                raise
            return Cancelled(message="cancelled in Prefect's page; run the job again to go on with it")

    return run


@contextmanager
def watched() -> Iterator[None]:
    """Raises TerminationSignal once the run of this flow is cancelled. Signals reach only a process's main thread."""
    if deployment.id or flow_run.parent_flow_run_id or threading.current_thread() is not threading.main_thread():
        yield
        return
    cancelled.clear()
    lock, ended = threading.Lock(), threading.Event()
    before = signal.signal(CANCEL, terminate)
    watcher = threading.Thread(
        target=copy_context().run, args=(watch, UUID(flow_run.id), lock, ended), name="cancelling", daemon=True
    )
    watcher.start()
    try:
        yield
    finally:
        with lock:  # no signal comes when nobody would catch it
            ended.set()
        signal.signal(CANCEL, before or signal.SIG_DFL)  # None: C code had installed one


def terminate(signum, frame) -> None:
    raise TerminationSignal(signum)


def watch(run: UUID, lock: threading.Lock, ended: threading.Event) -> None:
    if ended.wait(POLL):
        return
    with get_client(sync_client=True) as server:
        while not cancelled.is_set():
            with suppress(httpx.HTTPError):  # the server may be away for a while
                state = server.read_flow_run(run).state
                if state and (state.is_cancelling() or state.is_cancelled()):
                    cancelled.set()
                    break
            if ended.wait(POLL):
                return
    while not ended.is_set():
        with lock:
            if not ended.is_set():
                signal.pthread_kill(threading.main_thread().ident, CANCEL)
        ended.wait(AGAIN)
