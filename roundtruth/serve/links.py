"""Links: who may label. A link is a token in the path of an address, signed with a key that no job folder has.

A token is JOB-LINK-END-SIGNATURE. JOB is what people/links/all.json says, LINK names the file people/links/LINK.json,
which says whose it is, and END is when it expires, in seconds since 1970. The file people/links/LINK.revoked revokes a
link.

The owner's token is END-SIGNATURE. It opens the overview of all jobs that a server serves.
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
import tempfile
import time
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from roundtruth.errors import UserError
from roundtruth.storage import Store
from roundtruth.workforce.names import folded

FOLDER = "people/links/"
KEY = "ROUNDTRUTH_LINK_KEY"
SHORTEST_KEY = 32  # characters
DAYS = 90  # that a link is good for
LONGEST_NAME = 100  # characters
TOKEN = re.compile(r"([0-9a-f]{12})-([0-9a-f]{16})-[0-9]{1,12}-[A-Za-z0-9_-]{43}")
OWNER = re.compile(r"([0-9]{1,12})-[A-Za-z0-9_-]{43}")


class Link(NamedTuple):
    """A link as the job folder has it."""

    id: str
    worker: str
    made: str  # ISO 8601
    end: int  # when it expires, in seconds since 1970
    revoked: bool

    def good(self) -> bool:
        return not self.revoked and self.end > time.time()


class Token(NamedTuple):
    """What a token names. It is not checked yet."""

    job: str
    link: str


def key() -> bytes:
    """What links are signed with: from the environment, else from a file of the user's, which is made once."""
    given = os.environ.get(KEY, "")
    if given and len(given) < SHORTEST_KEY:
        raise UserError(f"{KEY}: too short: {len(given)} characters; give it at least {SHORTEST_KEY} random ones")
    return given.encode() or _kept(Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "roundtruth"))


@cache
def _kept(folder: Path) -> bytes:
    path = folder / "link-key"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:  # only its owner may read it
            file.write(secrets.token_urlsafe(32).encode())
            file.flush()
            with suppress(FileExistsError):
                os.link(file.name, path)
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: the key of the links cannot be kept ({error.strerror}); set {KEY} instead") from None


def parse(text: str) -> Token | None:
    found = TOKEN.fullmatch(text)
    return Token(*found.groups()) if found else None


def token(job: str, link: "Link") -> str:
    """The token of a link of the job with this id."""
    signature = _digest("\0".join(["link", job, link.id, str(link.end), link.worker]))
    return f"{job}-{link.id}-{link.end}-{signature}"


def opens(text: str, job: str, link: "Link") -> bool:
    """Whether a token is that of a link, and the link is still good."""
    return hmac.compare_digest(text.encode(), token(job, link).encode()) and link.good()


def owner(root: str, end: int | None = None) -> str:
    """The token of the owner's page of all jobs at an address: END-SIGNATURE. A new key revokes it."""
    end = end or int(time.time()) + DAYS * 24 * 3600
    return f"{end}-{_digest(chr(0).join(['owner', root, str(end)]))}"


def is_owner(text: str, root: str) -> bool:
    """Whether a token is that of the owner of the jobs at an address, and still good."""
    found = OWNER.fullmatch(text)
    return bool(found) and hmac.compare_digest(text, owner(root, int(found[1]))) and int(found[1]) > time.time()


def owner_url(base: str, token: str) -> str:
    """The address of the owner's page."""
    return f"{base.rstrip('/')}/o/{token}/"


def url(base: str, token: str) -> str:
    """The address of the page that a token opens."""
    return f"{base.rstrip('/')}/w/{token}/"


def _digest(text: str) -> str:
    mac = hmac.new(key(), text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def job_id(store: Store) -> str:
    """What names a job in its links. It is made once, and stays when the folder is moved."""
    path = f"{FOLDER}all.json"
    store.write_json(path, {"job": secrets.token_hex(6)})  # unless it is there
    return store.read_json(path)["job"]


# -- the links of a job


def links(store: Store, known: dict[str, Link] | None = None) -> list[Link]:
    """The links of a job, in the order in which they were made. known: those that were read before, by id."""
    paths, known = store.list(FOLDER), known or {}
    revoked = {path.removesuffix(".revoked") for path in paths if path.endswith(".revoked")}
    ids = [path[len(FOLDER) : -len(".json")] for path in paths if re.fullmatch(rf"{FOLDER}[0-9a-f]{{16}}\.json", path)]
    found = [known.get(id) or Link(id, **store.read_json(f"{FOLDER}{id}.json"), revoked=False) for id in ids]
    found = [link._replace(revoked=f"{FOLDER}{link.id}" in revoked) for link in found]
    return sorted(found, key=lambda link: (link.made, link.id))


def one(store: Store, id: str) -> Link | None:
    """The link with this id, read now; None where there is none."""
    try:
        return Link(id, **store.read_json(f"{FOLDER}{id}.json"), revoked=store.exists(f"{FOLDER}{id}.revoked"))
    except FileNotFoundError:
        return None


def of(store: Store, worker: str) -> Link:
    """The newest good link of a worker; a new one where there is none."""
    worker = spelled(store, worker)
    good = [link for link in links(store) if link.worker == worker and link.good()]
    return good[-1] if good else make(store, worker)


def make(store: Store, worker: str) -> Link:
    made = datetime.now(UTC).isoformat(timespec="microseconds")
    end = int(time.time()) + DAYS * 24 * 3600
    link = Link(secrets.token_hex(8), worker, made, end, False)
    store.write_json(f"{FOLDER}{link.id}.json", {"worker": link.worker, "made": made, "end": end})
    return link


def revoke(store: Store, worker: str) -> int:
    """Revoke all links of a worker; how many were still good."""
    mine = [link for link in links(store) if folded(link.worker) == folded(worker) and link.good()]
    for link in mine:
        store.write_once(f"{FOLDER}{link.id}.revoked", b"")
    return len(mine)


def spelled(store: Store, worker: str) -> str:
    """The worker's name as an earlier link spells it. Names that differ by case or blanks alone are one person."""
    name = " ".join(unicodedata.normalize("NFC", worker).split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise UserError(
            f"link: {worker[:60]!r} cannot be a person's name; give one of at most {LONGEST_NAME} printable characters"
        )
    known = {folded(link.worker): link.worker for link in links(store)}
    return known.get(folded(name), name)
