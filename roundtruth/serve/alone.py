"""The labeling page for one person, who labels a job from its beginning to its end."""

import getpass
import os
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager

from roundtruth.serve import links
from roundtruth.serve.desk import Desk
from roundtruth.serve.owner import Owner
from roundtruth.serve.running import running
from roundtruth.serve.site import Alone, Site

LOOK = 1.0  # seconds between two looks whether the batch is complete
GOODBYE = 20.0  # seconds in which the page may learn that the job is done


class Page:
    """The page as the command sees it."""

    def __init__(self, desk: Desk, url: str):
        self.desk, self.url = desk, url

    def open(self) -> None:
        """Open the browser, where this machine has a screen. A browser of the terminal would take the terminal."""
        if sys.platform != "linux" or any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")):
            threading.Thread(target=webbrowser.open, args=(self.url,), daemon=True).start()

    def wait(self) -> None:
        """Wait until the open batch has all its answers, or the job was stopped."""
        pause = threading.Event()
        self.desk.look(anew=True)
        while not self.desk.is_complete() and not self._has_ended():
            pause.wait(LOOK)
            self.desk.look()

    def _has_ended(self) -> bool:
        """Whether another command ended the job, and is done with it."""
        return self.desk.state in ("complete", "stopped") and not self.desk.store.holder()

    def say_goodbye(self) -> None:
        """Wait until the page knows that the job has ended, unless nobody looks at it any more."""
        self.desk.look(anew=True)
        self.desk.told.wait(GOODBYE)


@contextmanager
def labeling(spec, host: str, port: int) -> Iterator[Page]:
    """The page of a job that has begun, for who runs the command."""
    desk = Desk(spec.output)
    mine = links.of(desk.store, user())
    root = desk.store.address
    owner = Owner(root, lambda: [desk])
    alone = Alone(links.owner(root), owner.overview_of(desk).figures)
    site = Site({desk.id: desk}.get, owner=owner.routes(), alone=alone)
    with running(site.app(), host, port) as port:
        yield Page(desk, links.url(f"http://{host}:{port}", links.token(desk.id, mine)))


def user() -> str:
    """The name of who runs the command, as the answers have it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user of a container may have no name
        return "me"
