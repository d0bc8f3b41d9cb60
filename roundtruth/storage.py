"""Where jobs and data live: a folder on local disk, or a prefix on S3. Both offer the same few methods.

A job folder is written by several processes, any of which may be killed at any moment. So a file is either there in
full or not there, a file that was written once stays, and nothing is cached that another process may change. S3's
endpoint and keys come from the environment (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, ...) as botocore reads them.

Errors: `FileNotFoundError` for what is not there; `UserError` for what the user can put right (no such bucket, no
credentials, a folder that cannot be written, a full disk); `S3Fault`, an OSError, if S3 is out of reach. `read_url` and
`open_url` raise `PermissionError` for a file that may not be read; `read_given` and `open_given` raise `UserError`.
"""

import errno
import fcntl
import getpass
import hashlib
import io
import json
import os
import posixpath
import re
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from roundtruth.errors import Held, S3Fault, UserError, refuse_all

LEASE = "lease.json"
LEASE_TTL = 40.0  # seconds without renewal after which an S3 lease has expired
LEASE_RENEW = 10.0  # seconds between renewals: three may fail before the lease expires
LEASE_POLL = 1.0  # seconds between reads of the lease of another run
CLOCK = 2.0  # seconds by which a clock that was adjusted may shift the start time of a process

THREADS = 8  # that read or write many small files: nearly all of their time is waiting
CHUNK = 1024  # files handed to the threads at a time, so that a million files do not need a million futures

S3_ATTEMPTS = 8  # of one request, with growing pauses: enough for an outage of half a minute

# A writer that is killed leaves a file whose name begins like this. No listing shows such files.
TEMPORARY = ".writing-"

SPECIAL = (  # what may stand where a file should, besides a folder
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)

Names = list[str]  # inside the stores, `list` is a method


def open_store(address: str) -> "Store":
    """The folder at `address`, a local path (links are followed) or s3://bucket/prefix. It need not exist yet."""
    if address.startswith("s3://"):
        return S3Store(address)
    _no_other_scheme(address)
    return LocalStore(address)


def one_name(address: str) -> str:
    """The address of a folder, the same however it was written: without links, `..`, and a last slash."""
    scheme, _, place = address.rpartition("://")
    return f"{scheme}://{place.rstrip('/')}" if scheme else os.path.realpath(address)


class Lease(Protocol):
    """What the holder of a job gets."""

    def check(self) -> None:
        """Raises Held if another run has taken the lease."""


class Store:
    """A folder. Paths are relative to it, with `/`; a path below it names one file."""

    address: str

    def read(self, path: str) -> bytes:
        """Raises FileNotFoundError."""
        raise NotImplementedError

    def exists(self, path: str) -> bool:
        raise NotImplementedError

    def list(self, prefix: str = "") -> Names:
        """All files below the folder `prefix`, sorted, without the lease."""
        raise NotImplementedError

    def times(self, folder: str) -> dict[str, float]:
        """The files below `folder`, which ends in a slash, and when each was written, in seconds since 1970."""
        raise NotImplementedError

    def make_folder(self, path: str) -> None:
        """A folder into which people put files. On S3 there are no folders."""
        raise NotImplementedError

    def write_once(self, path: str, data: bytes) -> bool:
        """True: the file was written, or has exactly these bytes already. False: it has other bytes and keeps them."""
        raise NotImplementedError

    def replace(self, path: str, data: bytes) -> None:
        """Readers see the old bytes or the new ones, never a mixture."""
        raise NotImplementedError

    def hold(self, what: str) -> AbstractContextManager[Lease]:
        """The job's lease, as a context manager. Only one process on any machine can hold it. `what` says what for.

        Raises Held, which names the holder. Yields a lease whose `check()` raises Held if another run has taken it.
        """
        raise NotImplementedError

    def holder(self) -> str:
        """Who holds the job, in the words of `Held`; empty if nobody does. This only reads: anyone may hold it next."""
        raise NotImplementedError

    def read_json(self, path: str):
        return json.loads(self.read(path))

    def write_json(self, path: str, value) -> bool:
        """`write_once` of `value`; equal values have equal bytes."""
        return self.write_once(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())

    def read_table(self, path: str, columns: Names | None = None) -> pd.DataFrame:
        return _frame(self._table(path, columns))

    def read_tables(self, prefix: str, columns: Names | None = None) -> pd.DataFrame:
        """The rows of every .parquet file below `prefix`, in the order of the files' names.

        Raises FileNotFoundError if there is none.
        """
        paths = [path for path in self.list(prefix) if path.endswith(".parquet")]
        if not paths:
            raise FileNotFoundError(f"{self.address}/{prefix}: no tables")
        with ThreadPoolExecutor(8) as threads:
            tables = list(threads.map(lambda path: self._table(path, columns), paths))
        return _frame(pa.concat_tables(tables, promote_options="permissive"))

    def write_table(self, path: str, frame: pd.DataFrame) -> bool:
        """`write_once` of the columns of `frame` (its index is not kept); equal tables have equal bytes."""
        return self.write_once(path, _parquet(frame))

    def _table(self, path: str, columns: Names | None) -> pa.Table:
        # ParquetFile, not read_table: the latter would look for partitions and start the dataset machinery
        data = self.read(path)
        try:
            return pq.ParquetFile(pa.BufferReader(data)).read(columns)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{self.address}: {path} is damaged: no parquet file; restore it from a copy") from error


def _frame(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas()


def _parquet(frame: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    # One type for strings, however pandas held them, and for a column that has none in this file
    text = {pa.large_string(), pa.null()}
    schema = pa.schema([field.with_type(pa.string()) if field.type in text else field for field in table.schema])
    # combine_chunks: the bytes must not depend on how the table was put together
    sink = io.BytesIO()
    pq.write_table(table.cast(schema).combine_chunks(), sink, compression="zstd")
    return sink.getvalue()


# --- Local disk ---


class LocalStore(Store):
    def __init__(self, address: str):
        self.address = one_name(address)

    def _path(self, path: str) -> Path:
        return Path(self.address, path)

    def read(self, path: str) -> bytes:
        with _mistakes(self._path(path)), opened(self._path(path)) as file:
            return file.read()

    def exists(self, path: str) -> bool:
        with _mistakes(self._path(path)):
            return self._path(path).is_file()

    def list(self, prefix: str = "") -> Names:
        with _mistakes(self._path(prefix)):
            paths = [path.removeprefix(self.address + "/") for path in _files(self._path(prefix))]
        return sorted(path for path in paths if path != LEASE)

    def times(self, folder: str) -> dict[str, float]:
        found = {}
        for path in self.list(folder):
            with suppress(FileNotFoundError):  # it was removed just now
                found[path] = _written(self._path(path))
        return found

    def make_folder(self, path: str) -> None:
        target = self._path(path)
        with _unwritable(target):
            target.mkdir(parents=True, exist_ok=True)

    def write_once(self, path: str, data: bytes) -> bool:
        target = self._path(path)
        with _unwritable(target), _temporary(target) as file:
            file.write(data)
            _sync(file)
            try:
                os.link(file.name, target)  # unlike a rename, this fails if the name is taken
            except FileExistsError:
                return self.read(path) == data
            _sync_folder(target)
            return True

    def replace(self, path: str, data: bytes) -> None:
        with write_url(str(self._path(path))) as file:
            file.write(data)

    @contextmanager
    def hold(self, what: str) -> Iterator[Lease]:
        """A lock of the operating system on `lease.json`. It ends with its process, however the process ends."""
        path = self._path(LEASE)
        with _unwritable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = self._lock(path)
        with file:
            lease = LocalLease(self.address, path, file)
            with _unwritable(path):
                file.truncate(0)
                file.write(json.dumps(_me(what)).encode())
            try:
                yield lease
            finally:
                if lease.held():
                    path.unlink()

    def holder(self) -> str:
        try:
            with _mistakes(self._path(LEASE)), opened(self._path(LEASE)) as file:
                body = file.read()
                lives = _lives(_json_object(body))
                if lives is None:  # a process of another machine, on a shared disk: the lock shows whether it lives
                    try:
                        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    except BlockingIOError:
                        lives = True
        except FileNotFoundError:
            return ""
        return _held(self.address, body) if lives else ""

    def _lock(self, path: Path) -> IO[bytes]:
        while True:
            with suppress(FileNotFoundError):
                _refuse_special(path)
            file = path.open("a+b", buffering=0)  # nothing is left to write when it is closed, the disk may be full
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with file:
                    file.seek(0)
                    raise Held(_held(self.address, file.read())) from None
            if LocalLease(self.address, path, file).held():
                return file
            file.close()  # between our opening and our locking, the holder removed the file and released the lock


class LocalLease:
    def __init__(self, address: str, path: Path, file: IO[bytes]):
        self.address, self.path, self.file = address, path, file

    def held(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self.file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    def check(self) -> None:
        if not self.held():
            raise Held(f"{self.address}: {LEASE} was removed, so another run may hold the job; run it again")


class NotAFile(IsADirectoryError):
    """There is a pipe, a socket or a device, which reading would wait for without end, or change."""


def opened(path: Path) -> IO[bytes]:
    """A file of the local disk, to be read. Raises OSError; NotAFile at once for what is none."""
    _refuse_special(path)
    return path.open("rb")


def _refuse_special(path: Path) -> None:
    mode = path.stat().st_mode
    for is_one, what in SPECIAL:
        if is_one(mode):
            raise NotAFile(errno.EISDIR, f"is {what}, not a file", str(path))


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return path.lstat().st_mtime  # a link to nothing


def _files(folder: Path) -> Iterator[str]:
    for where, _, names in os.walk(folder, onerror=_unlisted):
        yield from (f"{where}/{name}" for name in names if not name.startswith(TEMPORARY))


def _unlisted(error: OSError) -> None:
    """What is in a folder that cannot be listed would be passed over in silence."""
    if not isinstance(error, FileNotFoundError) and Path(error.filename).name != "lost+found":
        raise error


@contextmanager
def _temporary(target: Path) -> Iterator[IO[bytes]]:
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f"{TEMPORARY}{uuid4().hex}")
    try:
        with path.open("xb") as file:
            yield file
    finally:
        path.unlink(missing_ok=True)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(target: Path) -> None:
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _room(where: Path | str) -> Iterator[None]:
    """Says where there is no room to write."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        again = "make room and run the command again: nothing is lost"
        raise UserError(f"{where}: {error.strerror or error}; {again}") from error


@contextmanager
def _mistakes(where: Path | str) -> Iterator[None]:
    try:
        with _room(where):
            yield
    except (PermissionError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(f"{where}: {error.strerror or error}") from error


@contextmanager
def _unwritable(where: Path | str) -> Iterator[None]:
    """As `_mistakes`, for writing a file: here a missing folder is one that could not be made."""
    try:
        with _mistakes(where):
            yield
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EEXIST, errno.EROFS):
            raise
        raise UserError(f"{where}: cannot be written: {error.strerror or error}") from error


# --- S3 ---


class S3Store(Store):
    def __init__(self, address: str):
        self.bucket, prefix = _split(address)
        self.prefix = prefix.rstrip("/")
        self.address = f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def _key(self, path: str) -> str:
        return posixpath.join(self.prefix, path)

    def _url(self, path: str) -> str:
        return f"{self.address}/{path}"

    def read(self, path: str) -> bytes:
        with _mistakes(self._url(path)):
            return read_url(self._url(path))

    def exists(self, path: str) -> bool:
        try:
            with _mistakes(self._url(path)), _s3_errors(self._url(path)):
                _s3().call_s3("head_object", Bucket=self.bucket, Key=self._key(path))
        except FileNotFoundError:
            return False
        return True

    def list(self, prefix: str = "") -> Names:
        folder = self._key(prefix).rstrip("/")
        keys = _keys(self.bucket, folder + "/" if folder else "")
        skip = len(self.prefix) + 1 if self.prefix else 0
        return [key[skip:] for key in keys if key[skip:] != LEASE]

    def times(self, folder: str) -> dict[str, float]:
        found = _objects(self.bucket, self._key(folder))
        return {one["Key"].removeprefix(self._key("")): one["LastModified"].timestamp() for one in found}

    def make_folder(self, path: str) -> None:
        pass

    def write_once(self, path: str, data: bytes) -> bool:
        while True:
            try:
                with _mistakes(self._url(path)), _s3_errors(self._url(path), WRITE):
                    _s3().pipe_file(f"{self.bucket}/{self._key(path)}", data, mode="create")
                return True
            except OSError as error:
                # If the response to a create was lost, the retry finds its own object there (and a multipart upload
                # finds its parts gone)
                if _code(error) in (*TAKEN, "NoSuchUpload"):
                    return self.read(path) == data
                if _code(error) != BUSY:
                    raise
            time.sleep(0.2)

    def replace(self, path: str, data: bytes) -> None:
        with _mistakes(self._url(path)), _s3_errors(self._url(path), WRITE):
            _s3().pipe_file(f"{self.bucket}/{self._key(path)}", data)

    @contextmanager
    def hold(self, what: str) -> Iterator[Lease]:
        """An object that only one process can create. A thread renews it; after LEASE_TTL without renewal it expires.

        If the holder is on this machine, it is known whether it lives. Then there is no wait: the lease of a live
        holder is refused, and that of a dead one is taken over.
        """
        lease = S3Lease(self, what)
        lease.acquire()
        renewal = threading.Thread(target=lease.keep, name="lease", daemon=True)
        renewal.start()
        try:
            yield lease
        finally:
            lease.release()
            renewal.join()

    def holder(self) -> str:
        try:
            with _mistakes(self._url(LEASE)), _s3_errors(self._url(LEASE)):
                head = _s3().call_s3("head_object", Bucket=self.bucket, Key=self._key(LEASE))
            body = self.read(LEASE)
        except FileNotFoundError:
            return ""
        # A process may still live although its lease is no longer renewed
        over = _age(head) > LEASE_TTL or _lives(_json_object(body)) is False
        return "" if over else _held(self.address, body)


class S3Lease:
    """Clocks of two machines are never compared. Time is measured here, from when this lease state was first seen."""

    def __init__(self, store: S3Store, what: str):
        self.store = store
        self.me = _me(what) | {"token": uuid4().hex, "renewals": 0}
        self.etag = ""
        self.renewed = 0.0
        self.lost = ""
        self.done = threading.Event()
        self.lock = threading.Lock()

    def acquire(self) -> None:
        seen, since = "", 0.0
        while not self._put(IfNoneMatch="*"):
            found = self._get()
            if found is None:
                continue  # it was released just now
            etag, age, body, who = found
            if who.get("token") == self.me["token"]:
                self.etag = etag  # the lease is ours: the response to our request was lost
                break
            lives = _lives(who)
            if (lives and age <= LEASE_TTL) or (seen and etag != seen):
                raise Held(_held(self.store.address, body))
            if not seen:
                seen, since = etag, time.monotonic()
            if lives is False or time.monotonic() - since > LEASE_TTL:
                if self._put(IfMatch=etag):
                    break
            else:
                time.sleep(LEASE_POLL)

    def check(self) -> None:
        """Raises Held if another run has the lease, and OSError if it expired while S3 could not be reached."""
        if self.lost:
            raise Held(self.lost)
        if time.monotonic() - self.renewed > LEASE_TTL:
            self.renew()

    def renew(self) -> None:
        with self.lock:
            if self.done.is_set():
                return
            self.me["renewals"] += 1  # this changes the bytes and so the etag, by which a waiting run sees the renewal
            if self._put(IfMatch=self.etag):
                return
            found = self._get()
            if found is None or found[3].get("token") != self.me["token"]:
                self.lost = _held(self.store.address, found[2] if found else b"")
                raise Held(self.lost)
            self.etag = found[0]  # the response to our own renewal was lost

    def keep(self) -> None:
        while not self.done.wait(LEASE_RENEW):
            try:
                self.renew()
            except Held:
                return  # check() tells the holder
            except (OSError, UserError):
                continue  # S3 cannot be reached. The next renewal may succeed; check() sees if the lease has expired

    def release(self) -> None:
        with self.lock:
            self.done.set()
            if self.lost:
                return
            # A lease that cannot be deleted now belongs to another run already, or expires after LEASE_TTL
            with suppress(OSError, UserError), _s3_errors(self.store._url(LEASE)):
                _s3().call_s3("delete_object", **self._where(), IfMatch=self.etag)

    def _where(self) -> dict:
        return {"Bucket": self.store.bucket, "Key": self.store._key(LEASE)}

    def _put(self, **condition) -> bool:
        """False if the condition does not hold."""
        asked = time.monotonic()
        url = self.store._url(LEASE)
        try:
            with _mistakes(url), _s3_errors(url, WRITE):
                answer = _s3().call_s3("put_object", **self._where(), Body=json.dumps(self.me).encode(), **condition)
        except OSError as error:
            if _code(error) in (*TAKEN, "NoSuchKey", BUSY):
                return False
            raise
        self.etag, self.renewed = answer["ETag"], asked
        return True

    def _get(self) -> tuple[str, float, bytes, dict] | None:
        """The lease's etag, the seconds since its renewal by S3's own clock, its bytes, and the JSON object in them."""
        url = self.store._url(LEASE)
        try:
            with _mistakes(url), _s3_errors(url):
                head = _s3().call_s3("head_object", **self._where())
            body = self.store.read(LEASE)
        except FileNotFoundError:
            return None
        return head["ETag"], _age(head), body, _json_object(body)


def _age(head: dict) -> float:
    """How many seconds ago an object was written, by S3's clock alone."""
    from email.utils import parsedate_to_datetime

    now = parsedate_to_datetime(head["ResponseMetadata"]["HTTPHeaders"]["date"])
    return (now - head["LastModified"]).total_seconds()


TAKEN = ("PreconditionFailed", "412")
BUSY = "ConditionalRequestConflict"  # two conditional requests at once: S3 asks to try again
CREDENTIALS = (
    *("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "TokenRefreshRequired", "InvalidSecurity"),
    *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "NotSignedUp", "AccountProblem", "AllAccessDisabled"),
)
REGION = ("AuthorizationHeaderMalformed", "PermanentRedirect", "301", "IllegalLocationConstraintException")

# What to say where S3 denies something. Without s3:ListBucket it also denies to read what is not there.
READ = "S3 denies it; the credentials in the environment need the permissions s3:GetObject and s3:ListBucket"
WRITE = "S3 denies it; the credentials in the environment need the permission s3:PutObject"
LIST = (
    "the listing of this folder is denied; the credentials in the environment need the permission s3:ListBucket for it"
)


def _s3() -> Any:
    """One client per process and environment. It has its own thread, so any thread may use it."""
    environment = tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
    with _one_at_a_time:
        return _s3_client(os.getpid(), environment)


_one_at_a_time = threading.Lock()


@lru_cache
def _s3_client(pid: int, environment: tuple):
    import s3fs

    if (endpoint := _endpoint()) and not re.match(r"https?://[^/:]+(:\d+)?(/|$)", endpoint):
        raise UserError(f"AWS_ENDPOINT_URL: {endpoint} is no address of S3; write http://host:port or https://host")
    client = s3fs.S3FileSystem(
        skip_instance_cache=True,  # fsspec would make one per thread
        use_listings_cache=False,
        config_kwargs={
            "retries": {"mode": "standard", "total_max_attempts": S3_ATTEMPTS},
            "connect_timeout": 5,
            "read_timeout": 30,
            "max_pool_connections": 32,
        },
    )
    client.retries = 3  # botocore retries requests; these retries are for bodies that break off while they are read
    return client


def _split(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not bucket:
        raise UserError(f"{url}: names no bucket; write s3://bucket/prefix")
    return bucket, key


def _keys(bucket: str, prefix: str) -> list[str]:
    return sorted(entry["Key"] for entry in _objects(bucket, prefix))


def _objects(bucket: str, prefix: str) -> list[dict]:
    """What S3 lists below a prefix, a dict for each object."""
    objects, more, url = [], {}, f"s3://{bucket}/{prefix}"
    with _mistakes(url), _s3_errors(url, LIST):
        while True:
            page = _s3().call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
            objects += [entry for entry in page.get("Contents", ()) if not entry["Key"].endswith("/")]
            if not page.get("IsTruncated"):
                return objects
            more = {"ContinuationToken": page["NextContinuationToken"]}


@contextmanager
def _s3_errors(url: str, denied: str = READ) -> Iterator[None]:
    """Errors of S3 as those that the docstring of this module names. denied: what to say where permission is missing,
    which is a PermissionError."""
    from aiohttp import ClientError
    from botocore.exceptions import BotoCoreError

    try:
        yield
    except S3Fault:
        raise
    except (BotoCoreError, ClientError, OSError) as error:
        raise _translated(_with_reason(error, url), url, denied) from error


def _with_reason(error: Exception, url: str) -> Exception:
    """S3's answer to HEAD has no body, which would say why it refuses. Its answer to GET has."""
    if _code(error) in ("400", "403"):
        bucket, key = _split(url)
        try:
            _s3().call_s3("get_object", Bucket=bucket, Key=key)
        except Exception as reason:
            return reason
    return error


def _translated(error: Exception, url: str, denied: str) -> Exception:
    from botocore import exceptions as boto

    network = (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError)
    code, said = _code(error), " ".join(str(error).split())
    if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError)):
        return UserError(f"{url}: no credentials for S3 in the environment: {said}; set AWS_ACCESS_KEY_ID, ...")
    if isinstance(error, boto.BotoCoreError) and not isinstance(error, network):  # what is set up cannot be right
        return UserError(f"{url}: {said}")
    if code == "NoSuchBucket":
        return UserError(f"{url}: there is no such bucket; correct the name, or create the bucket")
    if code in CREDENTIALS:
        return UserError(f"{url}: S3 refuses the credentials in the environment: {said}; renew or correct them")
    if code in REGION:
        return UserError(f"{url}: the bucket is in another region; set AWS_DEFAULT_REGION to its region: {said}")
    if code == "RequestTimeTooSkewed":
        return UserError(f"{url}: the clock of this machine and S3's differ too much; set the clock")
    if code == "KeyTooLongError" or (isinstance(error, FileNotFoundError) and code != "NoSuchUpload"):
        return FileNotFoundError(f"{url}: not there")
    if code == "InvalidObjectState":
        return PermissionError(errno.EACCES, "S3 has archived the object; restore it first", url)
    if isinstance(error, PermissionError):
        return PermissionError(errno.EACCES, denied, url)
    endpoint = _endpoint() or "AWS"
    if code:
        return S3Fault(f"{url}: S3 at {endpoint}: {said}")
    return S3Fault(f"{url}: S3 at {endpoint} cannot be reached: {said}; check the network and AWS_ENDPOINT_URL")


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def _code(error: BaseException | None) -> str:
    """S3's code for an error, which s3fs keeps in the error's cause."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return response.get("Error", {}).get("Code", "")
        error = error.__cause__
    return ""


# --- Who holds a job ---


def _me(what: str) -> dict:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # the user of a container may have no name
        user = str(os.getuid())
    return {
        "user": user,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "what": what,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "started": _started(os.getpid()),
    }


def _machine() -> list | None:
    """What two processes have in common if they can see each other's ids: the host's name, the time at which the host
    booted, and the time at which the first process began, which differs between containers. Times are in seconds. None
    if the system does not say."""
    import psutil

    try:
        return [socket.gethostname(), psutil.boot_time(), psutil.Process(1).create_time()]
    except (psutil.Error, OSError):
        return None


def _started(pid: int) -> float | None:
    """The start time of a live process, in seconds. It tells the process from a later one with the same id. None if the
    process is dead."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def _lives(who: dict) -> bool | None:
    """Whether the process lives; None if this machine cannot know."""
    machine, theirs = _machine(), who.get("machine")
    if machine is None or not isinstance(theirs, list) or not isinstance(who.get("pid"), int):
        return None
    if theirs[:1] != machine[:1] or not all(map(_same_time, theirs[1:], machine[1:])):
        return None
    return _same_time(_started(who["pid"]), who.get("started"))


def _same_time(one, other) -> bool:
    """Whether two times agree, give or take an adjustment of the clock."""
    return isinstance(one, float) and isinstance(other, float) and abs(one - other) < CLOCK


def _held(address: str, body: bytes) -> str:
    who = _json_object(body)
    if not {"user", "host", "pid", "what", "since"} <= set(who):
        return f"{address} is held by another run"
    return f"{address} is held by {who['user']}@{who['host']} pid {who['pid']} ({who['what']}) since {who['since']}"


def _json_object(body: bytes) -> dict:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


# --- Single files and folders anywhere ---


def read_url(url: str) -> bytes:
    """One file at an absolute path or s3:// url. Raises OSError (FileNotFoundError, PermissionError, ...)."""
    if not url.startswith("s3://"):
        try:
            with opened(Path(url)) as file:
                return file.read()
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):  # no file can be there
                raise FileNotFoundError(error.errno, error.strerror, url) from error
            raise
    bucket, key = _split(url)
    with _s3_errors(url):
        return _s3().cat_file(f"{bucket}/{key}", max_concurrency=1)  # with more, s3fs would ask for the size first


def is_file_url(url: str) -> bool:
    """Whether there is a file that may be read, at a local path or s3:// url."""
    if not url.startswith("s3://"):
        return os.path.isfile(url)  # noqa: PTH113 - Path.is_file raises for a name that is too long
    try:
        with _s3_errors(url):
            return _s3().info(url)["type"] == "file"
    except (FileNotFoundError, PermissionError, UserError):
        return False


def read_given(url: str) -> bytes:
    """`read_url` of a file that the user named. Raises FileNotFoundError, or UserError if it cannot be read."""
    with _mistakes(url):
        return read_url(url)


def read_needed(url: str) -> bytes:
    """`read_given` of a file that must be there. Raises UserError where it is not."""
    try:
        return read_given(url)
    except FileNotFoundError:
        raise UserError(f"{url}: no such file; correct the path") from None


def read_all(urls: Sequence[str]) -> Iterator[bytes]:
    """`read_given` of many files, in their order and several at a time. Raises UserError for one that is missing."""
    with ThreadPoolExecutor(THREADS) as threads:
        for start in range(0, len(urls), CHUNK):
            yield from threads.map(_read_listed, urls[start : start + CHUNK])


def _read_listed(url: str) -> bytes:
    try:
        return read_given(url)
    except FileNotFoundError:
        raise UserError(f"{url}: no such file; if it is a link, it leads nowhere") from None


def checksums(folder: str, names: Sequence[str]) -> list[str]:
    """The MD5 of files below a folder, as hexadecimal text. S3 knows it already, so that no file is read there: it is
    the ETag of an object that was written in one piece and is not encrypted with a key of its own."""
    if not folder.startswith("s3://"):
        contents = read_all([f"{folder.rstrip('/')}/{name}" for name in names])
        return [hashlib.md5(data, usedforsecurity=False).hexdigest() for data in contents]
    bucket, key = _split(folder.rstrip("/"))
    start = key + "/" if key else ""
    known = {entry["Key"]: entry["ETag"].strip('"') for entry in _objects(bucket, start)} if names else {}
    return [known.get(start + name, "") for name in names]


def write_all(folder: str, files: Iterable[tuple[str, bytes]]) -> None:
    """`write_url` of many files (name, content) below a folder, several at a time. Raises UserError where the folder
    has any files."""
    with suppress(FileNotFoundError):
        if list_url(folder):
            raise UserError(f"{folder}: has files already; name a new folder")

    def write(named: tuple[str, bytes]) -> None:
        with write_url(f"{folder.rstrip('/')}/{named[0]}") as file:
            file.write(named[1])

    files = iter(files)
    with ThreadPoolExecutor(THREADS) as threads:
        while some := list(islice(files, CHUNK)):
            for _ in threads.map(write, some):
                pass


def list_url(url: str) -> list[str]:
    """All files below a folder, as absolute paths or s3:// urls, sorted. Raises FileNotFoundError if it is missing."""
    if url.startswith("s3://"):
        bucket, key = _split(url.rstrip("/"))
        urls = [f"s3://{bucket}/{key}" for key in _keys(bucket, key + "/" if key else "")]
        if not urls:
            raise FileNotFoundError(f"{url}: nothing is there")
        return urls
    folder = Path(url)
    if not folder.is_dir():
        raise FileNotFoundError(f"{url}: no such folder")
    try:
        return sorted(_files(folder))
    except PermissionError as error:
        raise UserError(f"{error.filename}: {error.strerror}; give the right to read it, or move it out") from error


def names_in(folder: str) -> list[str]:
    """What is directly in a folder of the local disk; nothing where there is none, or on S3, which has no folders."""
    with suppress(FileNotFoundError), _mistakes(folder):
        return [] if "://" in folder else [path.name for path in Path(folder).iterdir()]
    return []


@contextmanager
def open_url(url: str) -> Iterator[IO[bytes]]:
    """One file, to be read in a stream. Raises as `read_url` does."""
    if not url.startswith("s3://"):
        with opened(Path(url)) as file:
            yield file
        return
    bucket, key = _split(url)
    with _s3_errors(url), _s3().open(f"{bucket}/{key}", "rb", block_size=8 << 20) as file:
        yield io.BufferedReader(file, 1 << 20)  # its lines are found in C


@contextmanager
def open_given(url: str) -> Iterator[IO[bytes]]:
    """`open_url` of a file that the user named. Raises as `read_given` does."""
    with _mistakes(url), open_url(url) as file:
        yield file


@contextmanager
def write_url(url: str) -> Iterator[IO[bytes]]:
    """One file, written in a stream. The whole file appears at the end of the context, and nothing after an error."""
    if url.startswith("s3://"):
        bucket, key = _split(url)
        with _mistakes(url), _s3_errors(url, WRITE):
            file = _s3().open(f"{bucket}/{key}", "wb", block_size=16 << 20)
        try:
            with _mistakes(url), _s3_errors(url, WRITE):
                yield file  # a large file is sent in parts while it is written
                file.close()
        finally:
            if not file.closed:
                file.discard()
                file.closed = True  # else the garbage collector would write it
        return
    target = Path(url)
    with _room(target), ExitStack() as stack:
        with _unwritable(target):
            with suppress(FileNotFoundError):
                _refuse_special(target)  # the file would take the place of /dev/null
            file = stack.enter_context(_temporary(target))
        yield file
        with _unwritable(target):
            _sync(file)
            Path(file.name).replace(target)
            _sync_folder(target)


def resolve(source: str, base: str) -> str:
    """The address of `source`: unchanged if it is absolute or begins with s3://, else below the folder `base`.

    Raises UserError if `..` leads out of `base`, and for a source that cannot be the name of a file.
    """
    if "\0" in source:
        raise UserError(f"{source!r}: no file has such a name")
    if len(source) > LONGEST_SOURCE:
        raise UserError(f"{source[:60]}...: {len(source)} characters, and no file's name has over {LONGEST_SOURCE}")
    if source.startswith("s3://"):
        if not _split(source)[1]:
            raise UserError(f"{source}: names a bucket, but no file in it")
        return source
    if source.startswith("/"):
        return source
    _no_other_scheme(source)
    on_s3, parts = base.startswith("s3://"), []
    for part in source.split("/"):
        if part == ".." and not parts:
            raise UserError(f"{source}: leads out of {base}; give the whole path, or move the file below it")
        if part == "..":
            parts.pop()
        elif part not in ("", ".") or (on_s3 and not part):  # in S3's keys // is not /
            parts.append(part)
    return f"{base.rstrip('/')}/{'/'.join(parts) or '.'}"


LONGEST_SOURCE = 4096  # characters; no path of Linux and no key of S3 has more

# Parts of relative sources that `resolve` would change or refuse, instead of only putting the source below the folder.
UNUSUAL = r"://|\x00|//|(?:^|/)\.\.?(?:/|$)|/$"


def resolve_all(sources: pd.Series, base: str, where: Callable[[int], str] = lambda index: "") -> list[str]:
    """`resolve` of many sources at once. `where(index)` begins the message about a source that is refused."""
    relative = ~sources.str.startswith(("/", "s3://"))
    usual = relative & ~sources.str.contains(UNUSUAL, regex=True)
    usual |= sources.str.contains(r"^(?:s3://[^/\x00]+)?/[^\x00]+$", regex=True)
    usual &= sources.str.len() <= LONGEST_SOURCE
    urls = sources.where(~(usual & relative), f"{base.rstrip('/')}/" + sources)
    mistakes: list[str] = []
    for index in sources.index[~usual]:
        try:
            urls[index] = resolve(sources[index], base)
        except UserError as mistake:
            mistakes.append(f"{where(index)}{mistake}")
    if len(mistakes) == 1:
        raise UserError(mistakes[0])
    refuse_all(range(len(mistakes)), mistakes.__getitem__)
    return urls.tolist()


def _no_other_scheme(address: str) -> None:
    if "://" in address:
        raise UserError(f"{address}: only local paths and s3:// are read")
