"""Whatever file a job names, and however S3 refuses it: one line, which says what to do."""

import os
from pathlib import Path

import pytest

from roundtruth import cli, formats, loop, steps, storage
from roundtruth.begin import begin
from roundtruth.errors import S3Fault, UserError
from roundtruth.spec import JobSpec
from roundtruth.storage import open_store
from tests.jobs import digits, write_job

pytest_plugins = ["tests.s3"]

# The file on S3 that each key names; everything else is on the disk. `report` is a part of the output.
FILES = {
    "data": "input.manifest",
    "data, a manifest in .json": "input.json",
    "data, a folder": "images",
    "data, CSV": "input.csv",
    "data, COCO": "coco.json",
    "truth": "truth.manifest",
    "answers": "answers.csv",
    "weights": "net.pth",
    "pictures": "images",
    "output": "job",
    "report": "job",
    "export": "out.csv",
}
WRITTEN = ("output", "report", "export")

REFUSALS = {
    "denied": (403, "AccessDenied"),
    "no such bucket": (404, "NoSuchBucket"),
    "another region": (301, "PermanentRedirect"),
    "signed for another region": (400, "AuthorizationHeaderMalformed"),
    "expired": (400, "ExpiredToken"),
    "unknown key": (403, "InvalidAccessKeyId"),
    "wrong clock": (403, "RequestTimeTooSkewed"),
}
OFTEN = ("denied", "no such bucket", "expired")
SAYS = {
    "no such bucket": "no such bucket",
    "another region": "AWS_DEFAULT_REGION",
    "signed for another region": "AWS_DEFAULT_REGION",
    "expired": "expired",
    "unknown key": "credentials in the environment",
    "wrong clock": "clock",
}


@pytest.fixture
def job(proxy, tmp_path):
    """job(key): a job file whose `key` is a file on S3."""

    def made(key: str, **changed) -> Path:
        digits(tmp_path, 4)
        names = [f"images/{number:04d}.png" for number in range(1, 5)]
        (tmp_path / "input.json").write_bytes((tmp_path / "input.manifest").read_bytes())
        (tmp_path / "input.csv").write_text("\n".join(["source", *names]))
        (tmp_path / "coco.json").write_text(
            '{"images": [{"id": 1, "file_name": "images/0001.png"}], "annotations": []}'
        )
        (tmp_path / "answers.csv").write_text("\n".join(["item,worker,label", *(f"{i},a,1" for i in range(1, 5))]))
        (tmp_path / "net.pth").write_bytes(b"")
        store, needed = open_store(proxy.url), tmp_path / FILES[key]
        for path in [needed] if needed.is_file() else sorted(needed.glob("*.*")):
            store.write_once(str(path.relative_to(tmp_path)), path.read_bytes())
        url, of = f"{proxy.url}/{FILES[key]}", key.partition(",")[0]
        if of == "pictures":
            lines = [f'{{"source-ref": "{proxy.url}/{name}"}}\n' for name in names]
            (tmp_path / "input.manifest").write_text("".join(lines))
        people = {"backend": "simulated", "truth": "truth.manifest", "noise": 0}
        if of in ("truth", "answers"):
            people = {"backend": "simulated", of: url}
        given = {of: url} if of in ("data", "weights", "output") else {}
        if of == "report":
            given = {"output": url}
        return write_job(tmp_path, workforce=people, **given | changed)

    return made


def line(key: str, path: Path, proxy) -> str:
    """What a run ends with, or an export or a report of a job that has begun."""
    spec = JobSpec.from_file(path)
    action = {
        "report": lambda: steps.write_report(begin(spec)),
        "export": lambda: formats.export(begin(spec), "csv", f"{proxy.url}/{FILES[key]}"),
    }.get(key, lambda: loop.run(spec))
    with pytest.raises((UserError, S3Fault)) as mistake:
        action()
    return str(mistake.value)


def unreachable(proxy, monkeypatch) -> None:
    """From now on nothing answers, and a client that is made from now on asks once."""
    proxy.down()
    monkeypatch.setattr(storage, "S3_ATTEMPTS", 1)
    storage._s3_client.cache_clear()


@pytest.mark.parametrize(
    "refusal", [refusal if refusal in OFTEN else pytest.param(refusal, marks=pytest.mark.slow) for refusal in REFUSALS]
)
@pytest.mark.parametrize("key", FILES)
def test_s3_refuses(key, refusal, job, proxy, tmp_path):
    path = job(key)
    proxy.refuse(*REFUSALS[refusal], path=f"{FILES[key]}/report" if key == "report" else FILES[key])
    if key == "data, a folder":
        proxy.refuse(*REFUSALS[refusal], method="GET", path="list-type=2")
    said = line(key, path, proxy)
    assert "\n" not in said
    assert len(said) <= 1000
    permission = "s3:PutObject" if key in WRITTEN else "s3:ListBucket" if "folder" in key else "s3:GetObject"
    assert SAYS.get(refusal, permission) in said
    assert proxy.url in said
    assert said.count(proxy.url) <= 3  # pictures: the first three
    if key not in WRITTEN:
        assert not (tmp_path / "job/job.json").exists()


@pytest.mark.parametrize("key", FILES)
def test_no_credentials_and_no_endpoint(key, job, proxy, monkeypatch):
    path, before = job(key), dict(os.environ)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no credentials for S3 in the environment" in line(key, path, proxy)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, before[name])
    unreachable(proxy, monkeypatch)
    said = line(key, path, proxy)
    assert f"S3 at {proxy.endpoint} cannot be reached" in said
    assert "check the network and AWS_ENDPOINT_URL" in said
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost:9000")
    assert "AWS_ENDPOINT_URL: localhost:9000 is no address of S3" in line(key, path, proxy)


@pytest.mark.parametrize("verb", ["run", "forecast", "status", "stop", "report", "export --to csv out.csv"])
def test_the_command_ends_with_2_and_one_line(verb, job, proxy, monkeypatch, capsys, tmp_path):
    path = job("output")
    monkeypatch.chdir(tmp_path)
    unreachable(proxy, monkeypatch)
    verb, *more = verb.split()
    assert cli.main([verb, str(path), *more]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert f"S3 at {proxy.endpoint} cannot be reached" in told.err


def test_without_listbucket_what_is_not_there_is_denied(job, proxy):
    """S3 then answers 403 for a file that is not there, as if it might not be read."""
    path = job("data")
    proxy.refuse(403, "AccessDenied", path="nowhere.manifest")
    proxy.refuse(403, "AccessDenied", path="list-type=2")
    path.write_text(path.read_text().replace("/input.manifest", "/nowhere.manifest"))
    assert "s3:GetObject and s3:ListBucket" in line("data", path, proxy)
