"""The labeling page for a team: every job below a folder, and a link for each person."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, Thread

from roundtruth.errors import UserError
from roundtruth.plural import counted
from roundtruth.serve import crowd, links
from roundtruth.serve.desk import Desk
from roundtruth.serve.owner import Owner
from roundtruth.serve.running import LOOPBACK, running
from roundtruth.serve.site import Site
from roundtruth.storage import Store, list_url, one_name

SEARCH = 10.0  # seconds between two searches for new jobs


class Desks:
    """The desks of all jobs below an address, by the id that their links have. New jobs are found when a link names
    one that is not known."""

    def __init__(self, root: str, complete: Callable[[str, str, int], None]):
        """complete(name, address, round) is called for each batch that has all its answers, see Desk."""
        self.root, self.lock, self._complete = one_name(root), Lock(), complete
        self.found: dict[str, Desk] = {}
        self.copies: dict[str, str] = {}  # the addresses of jobs with the links of another one, and of that one
        self.broken: dict[str, str] = {}  # the addresses of jobs that cannot be served, and why
        self.searched = 0.0
        self.search()

    def get(self, job: str) -> Desk | None:
        with self.lock:
            if job not in self.found and time.monotonic() - self.searched > SEARCH:
                self.search()
            if job not in self.found and self.broken:
                raise UserError(f"{min(self.broken)}: {self.broken[min(self.broken)]}")  # it may be the job asked for
            return self.found.get(job)

    def of_study(self, study: str) -> Desk | None:
        """The desk of the job whose crowd comes from a study, else of the only one with a crowd that names none."""
        crowds = [(desk.crowd, desk) for desk in self.all()]
        named = [desk for crowd, desk in crowds if crowd and crowd.study == study]
        any_study = [desk for crowd, desk in crowds if crowd and crowd.study is None]
        if named:
            return named[0]
        return any_study[0] if len(any_study) == 1 else None

    def all(self) -> list[Desk]:
        with self.lock:
            if time.monotonic() - self.searched > SEARCH:
                self.search()
            return list(self.found.values())

    def left_out(self) -> dict[str, str]:
        """The addresses of jobs that are not served, and why."""
        with self.lock:
            copies = {copy: f"a copy of {first}, with the same links" for copy, first in self.copies.items()}
            return self.broken | copies

    def search(self) -> None:
        self.broken = {}
        known = {desk.store.address for desk in self.found.values()}
        try:
            paths = list_url(self.root)
        except FileNotFoundError:
            paths = []
        for address in (one_name(path.removesuffix("/job.json")) for path in paths if path.endswith("/job.json")):
            if address in known:
                continue
            try:
                desk = Desk(address, self.tell)
            except UserError as mistake:
                self.broken[address] = str(mistake)
                continue
            if desk.id in self.found:
                self.copies[address] = self.found[desk.id].store.address
            elif desk.id:
                self.found[desk.id] = desk
                desk.tell()  # the server that took the last answer may have been killed then
        self.searched = time.monotonic()

    def tell(self, desk: Desk, round: int) -> None:
        """In a thread of its own: whoever sent the last answer does not wait for it."""
        Thread(target=self._complete, args=(desk.spec.name, desk.store.address, round), daemon=True).start()


@contextmanager
def served(
    root: str, host: str, port: int, url: str | None, complete: Callable[[str, str, int], None]
) -> Iterator[list[str]]:
    """The page answers in this context; what its owner should know, a line each. url: where people reach it, None for
    this machine. complete: as in Desks."""
    desks = Desks(root, complete)
    owner = Owner(desks.root, desks.all, desks.left_out)
    with running(Site(desks.get, desks.of_study, owner.routes()).app(), host, port) as port:
        url = url or f"http://127.0.0.1:{port}"
        lines = [f"Serving {counted(len(desks.found), 'job[|s]')} at http://{host}:{port}; Ctrl-C ends it."]
        lines += [f"Overview, for you alone: {links.owner_url(url, links.owner(desks.root))}"]
        lines += [f"Left out: {told(address, why)}" for address, why in desks.left_out().items()]
        for desk in desks.found.values():
            lines += [f"{desk.spec.name}:", *(f"  {line}" for line in listed(desk.store, url))]
            if desk.crowd:
                lines += [f"  Study URL for Prolific: {url.rstrip('/')}{crowd.ENTRY}"]
        if host not in LOOPBACK and not url.startswith("https://"):
            lines.append("Others in the network can read the links and the pictures: put HTTPS before the page.")
        yield lines


def told(address: str, why: str) -> str:
    return why if why.startswith(address) else f"{address}: {why}"


def listed(store: Store, url: str) -> list[str]:
    """The links that are good, a line each."""
    job = links.job_id(store)
    good = [link for link in links.links(store) if link.good()]
    lines = [f"{link.worker}: {links.url(url, links.token(job, link))}" for link in good]
    return lines or ["Nobody has a link yet; `roundtruth link JOB.yaml NAME` makes one."]


def link_of(store: Store, name: str, url: str) -> str:
    return links.url(url, links.token(links.job_id(store), links.of(store, name)))


def revoked(store: Store, name: str) -> str:
    if count := links.revoke(store, name):
        return f"{counted(count, 'link[|s]')} of {name} revoked."
    raise UserError(f"link: {name} has no link; `roundtruth link JOB.yaml` lists those there are")
