import errno
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roundtruth import storage
from roundtruth.errors import Held, UserError
from roundtruth.storage import list_url, open_store, open_url, read_url, resolve, resolve_all, write_url

pytest_plugins = ["tests.s3"]


@pytest.fixture(params=["local", "s3"])
def store(request, tmp_path):
    if request.param == "local":
        return open_store(str(tmp_path / "job"))
    return open_store(request.getfixturevalue("s3").url + "/some/job")


@pytest.fixture
def process(request):
    """Runs Python code in a process of its own, with `store` open; what it prints can be read line by line."""
    running = []

    def start(store, code: str) -> subprocess.Popen:
        lines = ["import sys", "from roundtruth import storage", f"store = storage.open_store({store.address!r})", code]
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", "\n".join(lines)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[1],
            )
        )
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.communicate()


def until(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for in vain"
        threading.Event().wait(0.01)


# --- Files ---


def test_what_is_written_once_stays(store):
    assert store.write_once("a/b.txt", b"one")
    assert store.write_once("a/b.txt", b"one"), "the same bytes again are no conflict"
    assert not store.write_once("a/b.txt", b"two")
    assert store.read("a/b.txt") == b"one"
    assert store.write_once("empty", b"")
    assert store.read("empty") == b""


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_no_half_of_a_file(code, tmp_path, monkeypatch):
    store = open_store(str(tmp_path))
    store.replace("page.html", b"old")

    def full(file):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as no_room:
        no_room.setattr(storage, "_sync", full)
        for path, write in (
            ("a.txt", lambda: store.write_once("a.txt", b"new")),
            ("page.html", lambda: store.replace("page.html", b"new")),
            ("b.txt", lambda: write_in_parts(f"{tmp_path}/b.txt")),
        ):
            with pytest.raises(UserError, match=f"^{tmp_path}/{path}: {os.strerror(code)}; make room and run"):
                write()
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert store.read("page.html") == b"old"
    assert store.write_once("a.txt", b"new")


def write_in_parts(path: str) -> None:
    with write_url(path) as file:
        file.write(b"one")
        file.write(b"two")


def test_a_disk_that_is_full_while_a_stream_is_written(tmp_path):
    with (
        pytest.raises(UserError, match=r"a\.txt: No space left on device; make room"),
        write_url(f"{tmp_path}/a.txt"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_read_only(tmp_path, monkeypatch):
    def read_only(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", read_only)
    said = "cannot be written: Read-only file system"
    store = open_store(str(tmp_path))
    with pytest.raises(UserError, match=f"^{tmp_path}/a.txt: {said}"):
        store.write_once("a.txt", b"new")
    with pytest.raises(UserError, match=said), store.hold("me"):
        pass


def test_a_replaced_file_has_the_new_bytes(store):
    store.replace("report/index.html", b"old and longer")
    store.replace("report/index.html", b"new")
    assert store.read("report/index.html") == b"new"
    assert store.list() == ["report/index.html"]


def test_what_is_not_there(store):
    assert store.list() == []
    assert not store.exists("a")
    with pytest.raises(FileNotFoundError):
        store.read("a")
    with pytest.raises(FileNotFoundError):
        store.read_tables("rounds")


def test_listing_names_files_below_a_folder_and_nothing_else(store):
    for path in ("rounds/001/b", "rounds/001/a/c", "rounds/0010/x", "rounds/001.json", "z", "ä/ö ü+%?#"):
        store.write_once(path, path.encode())
    assert store.list("rounds/001") == ["rounds/001/a/c", "rounds/001/b"]
    assert store.list("rounds/001/") == ["rounds/001/a/c", "rounds/001/b"]
    assert store.list() == sorted(
        ["rounds/001/b", "rounds/001/a/c", "rounds/0010/x", "rounds/001.json", "z", "ä/ö ü+%?#"]
    )
    assert store.read("ä/ö ü+%?#") == "ä/ö ü+%?#".encode()
    assert not store.exists("rounds/001"), "a folder is no file"


def test_when_files_were_written(store, tmp_path):
    before = int(time.time())  # S3 gives whole seconds
    for path in ("a/one", "a/b/two", "c"):
        store.replace(path, b"")
    found = store.times("a/")
    assert set(found) == {"a/one", "a/b/two"}
    assert all(before - 1 <= written <= time.time() + 1 for written in found.values())
    assert store.times("none/") == {}
    if isinstance(store, storage.LocalStore):
        os.utime(tmp_path / "job/a/one", (5, 7.5))
        (tmp_path / "job/a/link").symlink_to(tmp_path / "nothing")
        assert store.times("a/")["a/one"] == 7.5
        assert "a/link" in store.times("a/")


def test_a_listing_of_many_pages_is_whole(s3, monkeypatch):
    store = open_store(s3.url)
    for i in range(8):
        store.write_once(f"{i}", b"")
    ask = storage._s3().call_s3
    monkeypatch.setattr(storage._s3(), "call_s3", lambda *args, **how: ask(*args, **how, MaxKeys=3))
    assert store.list() == [f"{i}" for i in range(8)]


def test_nothing_is_remembered_that_another_may_change(s3):
    store = open_store(s3.url)
    store.write_once("a", b"1")
    store.replace("r", b"1")
    assert (store.list(), store.exists("b"), store.read("r")) == (["a", "r"], False, b"1")
    other = boto3.client("s3")
    for path in ("b", "r"):
        other.put_object(Bucket=s3.name, Key=path, Body=b"2")
    other.close()
    assert (store.list(), store.exists("b"), store.read("r")) == (["a", "b", "r"], True, b"2")
    assert not store.write_once("b", b"1")


def test_of_two_processes_that_write_one_file_one_wins(store, process):
    def write(name: bytes) -> str:
        return "".join("01"[store.write_once(f"{i}", name)] for i in range(20))

    other = process(
        store,
        """
store.exists("0")
print("ready", flush=True)
sys.stdin.readline()
print("".join("01"[store.write_once(f"{i}", b"other")] for i in range(20)), flush=True)
""",
    )
    assert other.stdout.readline() == "ready\n"
    other.stdin.write("\n")
    other.stdin.flush()
    mine, others = write(b"mine"), other.stdout.readline().strip()
    assert len(others) == 20
    for i, outcome in enumerate(zip(mine, others)):
        assert store.read(f"{i}") == {("1", "0"): b"mine", ("0", "1"): b"other"}[outcome]


def test_threads_that_write_the_same_bytes_all_succeed(store):
    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(lambda _: store.write_once("a", b"x" * 1000), range(16)))


def test_a_writer_killed_on_the_way_leaves_nothing_to_be_seen(tmp_path, process):
    store = open_store(str(tmp_path))
    store.replace("b", b"old")
    code = """
import os, threading
storage._sync = lambda file: (file.flush(), os.write(1, b"written\\n"), threading.Event().wait())
threading.Thread(target=store.replace, args=("b", b"1" * 100_000)).start()
store.write_once("a/b", b"1" * 100_000)
"""
    writer = process(store, code)
    assert [writer.stdout.readline() for _ in range(2)] == ["written\n"] * 2
    writer.kill()
    writer.wait()
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size == 100_000]
    assert len(left) == 2, "their bytes are there ..."
    assert (store.list(), store.exists("a/b"), list_url(str(tmp_path))) == (["b"], False, [str(tmp_path / "b")])
    assert store.read("b") == b"old"
    assert store.write_once("a/b", b"2")
    assert store.list() == ["a/b", "b"]


def test_a_relative_address_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = open_store("jobs/birds")
    monkeypatch.chdir("/")
    store.write_once("a", b"1")
    assert (tmp_path / "jobs/birds/a").read_bytes() == b"1"


# --- Tables and JSON ---


def test_json_comes_back_and_equal_values_have_equal_bytes(store):
    value = {"name": "Möwe", "b": [1, 2.5, None, True], "a": {}}
    assert store.write_json("a.json", value)
    assert store.write_json("a.json", json.loads(json.dumps(value)))
    assert store.read_json("a.json") == value
    with pytest.raises(ValueError, match="JSON"):
        store.write_json("b.json", float("nan"))


def test_tables_come_back_in_the_order_of_their_names(store):
    times = pd.to_datetime(["2026-01-01T00:00:00.123456Z"] * 2, utc=True).as_unit("us")
    one = pd.DataFrame({"item": [1, 2], "worker": ["a", "ß"], "at": times, "failure": [None, None]}, index=[7, 9])
    two = one.assign(item=[3, 4], failure=["broken", None])
    store.write_table("t/0002.parquet", two)
    store.write_table("t/0001.parquet", one)
    store.write_once("t/done.json", b"{}")
    both = store.read_tables("t")
    assert both["item"].tolist() == [1, 2, 3, 4]
    assert list(both.columns) == ["item", "worker", "at", "failure"], "an index is not kept"
    assert both["at"].dtype == times.dtype
    assert both["failure"].isna().tolist() == [True, True, False, True]
    assert store.read_tables("t", ["worker"])["worker"].tolist() == ["a", "ß", "a", "ß"]
    assert store.read_table("t/0001.parquet", ["item"])["item"].tolist() == [1, 2]


columns = {
    "item": st.integers(-(2**63), 2**63 - 1),
    "worker": st.text(st.characters(exclude_categories=["Cs"])),
    "left": st.floats(allow_nan=False),
    "failure": st.none() | st.text("ab"),
}
rows = st.lists(st.fixed_dictionaries(columns), max_size=20)


@given(rows, st.integers(0, 20))
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
def test_equal_tables_have_equal_bytes_however_they_were_made(rows, cut):
    types = {"item": "int64", "worker": "str", "left": "float64", "failure": "str"}
    frame = pd.DataFrame(rows, columns=list(types)).astype(types)
    pieces = pd.concat([frame.iloc[:cut], frame.iloc[cut:]])
    objects = frame.astype({"worker": object, "failure": object})
    objects.index = objects.index + 5
    data = storage._parquet(frame)
    assert storage._parquet(pieces) == data
    assert storage._parquet(objects) == data


@given(rows)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_table_reads_as_it_was_written(tmp_path, rows):
    store = open_store(str(tmp_path))
    frame = pd.DataFrame(rows, columns=list(columns)).astype({"item": "int64", "left": "float64"})
    store.replace("t.parquet", storage._parquet(frame))
    back = store.read_table("t.parquet")
    for name in ("item", "worker", "left"):
        assert back[name].tolist() == frame[name].tolist()
    assert back["failure"].isna().tolist() == frame["failure"].isna().tolist()


# --- Mistakes of the user ---


def refused(action, *words) -> None:
    with pytest.raises(UserError) as error:
        action()
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    store = open_store(str(tmp_path / "file"))
    refused(lambda: store.write_once("a", b""), str(tmp_path / "file"))
    refused(lambda: store.replace("a", b""), str(tmp_path / "file"))
    refused(lambda: store.read("a"), str(tmp_path / "file"))
    refused(lambda: store.hold("run").__enter__(), str(tmp_path / "file"))
    refused(lambda: open_store("/proc/nowhere").write_once("a", b""), "/proc/nowhere")


def test_a_folder_without_the_right_to_write(tmp_path, monkeypatch):
    def denied(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", denied)
    refused(lambda: open_store(str(tmp_path)).write_once("a", b""), str(tmp_path), "Permission denied")


def test_a_bucket_that_is_not_there(s3):
    store = open_store("s3://no-such-bucket/job")
    for action in (
        lambda: store.read("a"),
        lambda: store.list(),
        lambda: store.write_once("a", b""),
        lambda: store.replace("a", b""),
        lambda: store.hold("run").__enter__(),
    ):
        refused(action, "s3://no-such-bucket/job", "no such bucket")
    refused(lambda: open_store("s3://"), "s3://bucket/prefix")
    refused(lambda: open_store("s3://A B/c").read("a"), "s3://A B/c")
    refused(lambda: open_store("gs://bucket/job"), "gs://bucket/job", "s3://")


def test_no_credentials(s3, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    refused(lambda: open_store(s3.url).read("a"), s3.url, "AWS_ACCESS_KEY_ID")


def test_wrong_credentials(proxy):
    proxy.fault("deny", times=9)
    refused(lambda: open_store(proxy.url).read("a"), proxy.url, "credentials")
    refused(lambda: open_store(proxy.url).exists("a"), proxy.url)
    refused(lambda: open_store(proxy.url).write_once("a", b""), proxy.url)


# --- S3's faults ---


@pytest.mark.parametrize("fault", ["cut", "drop", pytest.param("busy", marks=pytest.mark.slow)])
def test_a_lost_request_or_answer_loses_nothing(proxy, fault):
    store = open_store(proxy.url)
    store.replace("there", b"1")
    proxy.fault(fault, "PUT", "/once")
    assert store.write_once("once", b"1"), "a create whose answer was lost meets its own object"
    proxy.fault(fault, "PUT", "/there")
    store.replace("there", b"2")
    proxy.fault(fault, "GET", "/there")
    assert store.read("there") == b"2"
    proxy.fault(fault, "GET", "list-type")
    assert store.list() == ["once", "there"]
    proxy.fault(fault, "HEAD")
    assert store.exists("once")
    assert not proxy.faults, "each of them happened"


def test_a_body_that_breaks_off_is_read_again(proxy):
    store = open_store(proxy.url)
    store.write_once("a", b"x" * 100_000)
    proxy.fault("half", "GET", "/a")
    assert store.read("a") == b"x" * 100_000
    assert not proxy.faults


def test_a_create_that_comes_late_does_not_overwrite(proxy):
    store = open_store(proxy.url)
    proxy.fault("hold", "PUT", "/a")
    with ThreadPoolExecutor(1) as thread:
        late = thread.submit(store.write_once, "a", b"late")
        assert proxy.held.wait(60)
        assert store.write_once("a", b"first")
        proxy.go_on.set()
        assert late.result() is False
    assert store.read("a") == b"first"


def test_a_short_outage_loses_nothing(proxy):
    store = open_store(proxy.url)
    store.write_once("a", b"1")
    proxy.down()
    threading.Timer(0.3, proxy.up).start()
    assert store.write_once("b", b"2")
    assert store.list() == ["a", "b"]


def test_a_long_outage_is_a_fault_that_names_the_place(proxy, monkeypatch):
    monkeypatch.setattr(storage, "S3_ATTEMPTS", 2)
    store = open_store(proxy.url + "/job")
    proxy.down()
    with pytest.raises(OSError) as error:
        store.write_once("a/b", b"")
    assert f"{proxy.url}/job/a/b" in str(error.value)
    assert proxy.endpoint in str(error.value)


# --- The lease ---

HOLD = """
with store.hold("label birds"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def free(store) -> bool:
    try:
        with store.hold("run") as lease:
            lease.check()
            return True
    except Held:
        return False


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(storage, "LEASE_TTL", 0.6)
    monkeypatch.setattr(storage, "LEASE_RENEW", 0.05)
    monkeypatch.setattr(storage, "LEASE_POLL", 0.02)


def test_a_second_holder_is_told_who_holds_and_a_killed_one_frees_it_at_once(store, process):
    holder = process(store, HOLD)
    assert holder.stdout.readline() == "held\n"
    start = time.monotonic()
    with pytest.raises(
        Held, match=rf"{store.address} is held by \w+@\S+ pid {holder.pid} \(label birds\) since 20\d\d-"
    ):
        store.hold("run").__enter__()
    assert f"pid {holder.pid} (label birds)" in store.holder()
    assert store.list() == [], "the lease is no file of the job"
    holder.kill()
    until(lambda: not store.holder())
    until(lambda: free(store))  # though nobody has waited for the process, which is a zombie now
    assert time.monotonic() - start < storage.LEASE_TTL


def test_a_lease_ends_with_its_context(store):
    for _ in range(3):
        with store.hold("run") as lease:
            lease.check()
            with pytest.raises(Held):
                store.hold("run").__enter__()
    with pytest.raises(ZeroDivisionError), store.hold("run"):
        1 / 0  # noqa: B018
    assert not store.exists("lease.json")


def test_many_who_want_it_at_once(store):
    holding, won = threading.Lock(), []

    def run(_):
        try:
            with store.hold("run") as lease:
                assert holding.acquire(blocking=False), "two hold it"
                lease.check()
                won.append(1)
                holding.release()
        except Held:
            pass

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(run, range(24)))
    assert won


def test_a_removed_lease_stops_its_holder(tmp_path):
    store = open_store(str(tmp_path))
    with store.hold("run") as lease:
        (tmp_path / "lease.json").unlink()
        with pytest.raises(Held, match="removed"):
            lease.check()


def test_who_holds_a_job_is_seen_without_holding_it(store, monkeypatch):
    assert store.holder() == ""
    with store.hold("run") as lease:
        for lives in (True, None):  # here, and where that cannot be known
            monkeypatch.setattr(storage, "_lives", lambda who, lives=lives: lives)
            assert f"pid {os.getpid()} (run)" in store.holder()
        lease.check()
    assert store.holder() == ""
    store.replace("lease.json", b"{}")  # left behind
    monkeypatch.setattr(storage, "_lives", lambda who: None)
    monkeypatch.setattr(storage, "LEASE_TTL", 0)
    until(lambda: store.holder() == "")


@pytest.fixture
def elsewhere(monkeypatch):
    """Whether a holder lives cannot be known."""
    monkeypatch.setattr(storage, "_lives", lambda who: None)


def test_a_holder_elsewhere_is_known_to_live_by_its_renewals(s3, quick, elsewhere, monkeypatch):
    monkeypatch.setattr(storage, "LEASE_TTL", 40)
    store = open_store(s3.url)
    with store.hold("run") as lease:
        for _ in range(3):
            with pytest.raises(Held, match=f"pid {os.getpid()}"):
                store.hold("run").__enter__()
        lease.check()


def test_a_holder_elsewhere_that_is_gone_is_followed_after_its_time(s3, quick, elsewhere):
    store = open_store(s3.url)
    gone = storage.S3Lease(store, "run")
    gone.acquire()  # and never renewed
    start = time.monotonic()
    with store.hold("run") as lease:
        assert time.monotonic() - start >= storage.LEASE_TTL
        lease.check()
        with pytest.raises(Held, match="is held by"):
            gone.renew()
        with pytest.raises(Held):
            gone.check()
        gone.release()
        assert store.exists("lease.json"), "who lost it does not let go of another's"
        lease.check()


def test_of_many_who_wait_for_a_lease_to_end_one_gets_it(s3, quick, elsewhere, monkeypatch):
    monkeypatch.setattr(storage, "LEASE_TTL", 2)
    store = open_store(s3.url)
    storage.S3Lease(store, "gone").acquire()
    outcomes = []

    def run(_):
        try:
            with store.hold("run") as lease:
                lease.check()
                outcomes.append("held")
                until(lambda: len(outcomes) == 4)
        except Held:
            outcomes.append("refused")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(run, range(4)))
    assert sorted(outcomes) == ["held", "refused", "refused", "refused"]


def test_lost_answers_lose_no_lease(proxy, quick, elsewhere):
    store = open_store(proxy.url)
    storage.S3Lease(store, "gone").acquire()
    proxy.fault("drop", "PUT", "lease.json", times=3)
    with store.hold("run") as lease:
        until(lambda: not proxy.faults)
        lease.renew()
        proxy.fault("drop", "PUT", "lease.json")
        lease.renew()
        lease.check()
        proxy.fault("drop", "DELETE", "lease.json")
    assert not store.exists("lease.json")


def test_a_lease_outlives_a_short_outage_and_says_so_in_a_long_one(proxy, monkeypatch):
    monkeypatch.setattr(storage, "S3_ATTEMPTS", 1)
    store = open_store(proxy.url)
    with store.hold("run") as lease:
        proxy.down()
        lease.check()
        monkeypatch.setattr(storage, "LEASE_TTL", 0)
        with pytest.raises(OSError, match=r"lease\.json"):
            lease.check()
        proxy.up()
        before = lease.renewed
        lease.check()
        assert lease.renewed > before


def test_a_lease_left_by_a_process_that_lives_on_is_over_in_its_time(s3, monkeypatch):
    store = open_store(s3.url)
    storage.S3Lease(store, "run").acquire()  # its renewal stopped, and it could not be deleted

    assert not free(store)
    monkeypatch.setattr(storage, "LEASE_TTL", 0)
    until(lambda: free(store))


def test_a_lease_nobody_can_read_is_over_in_its_time(s3, quick):
    store = open_store(s3.url)
    store.replace("lease.json", b"[]")
    with store.hold("run") as lease:
        lease.check()


# --- Single files and folders ---


@pytest.fixture(params=["local", "s3"])
def folder(request, tmp_path):
    return str(tmp_path) if request.param == "local" else request.getfixturevalue("s3").url + "/data"


def test_files_and_folders_anywhere(folder):
    for name in ("b.jpg", "sub/a.jpg", "B.jpg"):
        with write_url(f"{folder}/{name}") as file:
            file.write(name.encode())
    assert list_url(folder) == [f"{folder}/B.jpg", f"{folder}/b.jpg", f"{folder}/sub/a.jpg"]
    assert list_url(f"{folder}/sub/") == [f"{folder}/sub/a.jpg"]
    assert read_url(f"{folder}/sub/a.jpg") == b"sub/a.jpg"
    with open_url(f"{folder}/b.jpg") as file:
        assert list(file) == [b"b.jpg"]
    for action in (read_url, list_url, lambda url: open_url(url).__enter__()):
        with pytest.raises(FileNotFoundError):
            action(f"{folder}/nothing")
    with pytest.raises(FileNotFoundError):
        read_url(f"{folder}/{'long' * 1000}")


def stream(url: str, chunks, fails: bool = False) -> None:
    with write_url(url) as file:
        for chunk in chunks:
            file.write(chunk)
        if fails:
            raise ZeroDivisionError


def test_a_file_written_in_a_stream_is_there_whole_or_not_at_all(folder):
    url = f"{folder}/a/b"
    with pytest.raises(ZeroDivisionError):
        stream(url, [b"1"], fails=True)
    with pytest.raises(FileNotFoundError):
        read_url(url)
    stream(url, [b"1"])
    with pytest.raises(ZeroDivisionError):
        stream(url, [b"2"], fails=True)
    assert read_url(url) == b"1"


def test_a_large_stream_goes_to_s3_in_parts(s3):
    url = f"{s3.url}/large"
    chunk = np.random.default_rng(0).bytes(7 << 20)
    with pytest.raises(ZeroDivisionError):
        stream(url, [chunk] * 3, fails=True)
    with pytest.raises(FileNotFoundError):
        read_url(url)
    stream(url, [chunk] * 3)
    with open_url(url) as file:
        assert file.read() == chunk * 3


@pytest.mark.parametrize(
    ("source", "base", "url"),
    [
        ("a.jpg", "/data", "/data/a.jpg"),
        ("./sub//a.jpg", "/data/", "/data/sub/a.jpg"),
        ("sub/../a.jpg", "s3://b/data", "s3://b/data/a.jpg"),
        ("./sub//a.jpg", "s3://b/data/", "s3://b/data/sub//a.jpg"),  # another object than sub/a.jpg
        ("/x/a.jpg", "s3://b", "/x/a.jpg"),
        ("s3://c/a.jpg", "/data", "s3://c/a.jpg"),
        ("..a/b..", "/data", "/data/..a/b.."),
    ],
)
def test_where_a_source_is(source, base, url):
    assert resolve(source, base) == url


@pytest.mark.parametrize("source", ["..", "../a", "a/../../b", "./../data/a", "https://host/a.jpg", "s3://b", "s3://"])
def test_a_source_cannot_lead_out_of_its_folder(source):
    refused(lambda: resolve(source, "/data"), source)
    refused(lambda: resolve(source, "s3://b/data"), source)


def test_no_file_has_a_nul_in_its_name():
    refused(lambda: resolve("a\0b", "/data"), "a\\x00b")


@given(st.lists(st.sampled_from(["a", "..", ".", "", "b.jpg"]), min_size=1).map("/".join))
def test_no_relative_source_leads_out_of_its_folder(source):
    try:
        url = resolve(source, "/data/birds")
    except UserError:
        return
    if not source.startswith("/"):
        assert os.path.commonpath([os.path.normpath(url), "/data/birds"]) == "/data/birds"


SOURCES = st.one_of(
    st.text("ab./:s3\0", min_size=1, max_size=12),
    st.lists(st.sampled_from(["a", "b.jpg", "..", ".", "", "s3:", "x y"]), min_size=1, max_size=5).map("/".join),
)


@given(st.lists(SOURCES.filter(bool), min_size=1, max_size=8))
def test_many_sources_are_resolved_as_one_is(sources):
    table, wrong = pd.Series(sources, dtype="str"), [place for place, source in enumerate(sources) if fails(source)]
    if wrong:
        counted = f"{len(wrong)} mistakes: " if len(wrong) > 1 else ""
        with pytest.raises(UserError, match=f"^{counted}{wrong[0]}(?:, |: )"):
            resolve_all(table, "/data/", lambda index: f"{index}: ")
    else:
        assert resolve_all(table, "/data/") == [resolve(source, "/data/") for source in sources]


def fails(source: str) -> bool:
    try:
        resolve(source, "/data/")
    except UserError:
        return True
    return False


# --- Many small files ---


def test_many_files_are_written_once_and_read_in_their_order(store, monkeypatch):
    monkeypatch.setattr(storage, "CHUNK", 4)
    folder, names = store.address, [f"{'ab'[n % 2]}/{n}.txt" for n in range(11)]
    storage.write_all(folder, ((name, name.encode()) for name in names))
    assert store.list() == sorted(names)
    assert list(storage.read_all([f"{folder}/{name}" for name in names])) == [name.encode() for name in names]
    with pytest.raises(UserError, match=f"^{folder}: has files already; name a new folder$"):
        storage.write_all(folder, [("c", b"")])
    with pytest.raises(UserError, match=f"^{folder}/nothing: no such file"):
        list(storage.read_all([f"{folder}/{names[0]}", f"{folder}/nothing"]))


def test_checksums_are_the_same_everywhere(store):
    """The MD5 of the empty text and of abc, as RFC 1321 gives them."""
    store.replace("a/abc", b"abc")
    store.replace("empty", b"")
    known = {"empty": "d41d8cd98f00b204e9800998ecf8427e", "a/abc": "900150983cd24fb0d6963f7d28e17f72"}
    assert storage.checksums(store.address, list(known)) == list(known.values())
    assert storage.checksums(store.address, []) == []
