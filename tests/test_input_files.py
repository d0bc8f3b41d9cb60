"""Every file that a job may name, in every bad state: exit code 2 and one line, and nothing has begun; or it is read.

`test_s3_refusals.py` does the same for S3.
"""

import errno
import json
import os
import random
import shutil
from pathlib import Path

import pytest

from roundtruth import cli
from roundtruth.job import Job
from tests.jobs import digits, write_job

NAMES = [f"images/{number:04d}.png" for number in range(1, 5)]
REPLAYED = {"workforce": {"backend": "simulated", "answers": "answers.csv"}}

# What the job file names: the file, and what a job file says that names it
FILES = {
    "job": ("job.yaml", {}),
    "manifest": ("input.manifest", {}),
    "json lines": ("input.json", {"data": "input.json"}),
    "COCO": ("coco.json", {"data": "coco.json"}),
    "CSV": ("input.csv", {"data": "input.csv"}),
    "YOLO": ("data.yaml", {"data": "data.yaml"}),
    "truth": ("truth.manifest", {}),
    "answers": ("answers.csv", REPLAYED),
    "weights": ("net.pth", {"weights": "net.pth"}),
    "instructions": ("how.md", {"instructions": "how.md"}),
    "known answers": ("known.manifest", {"workforce": {"backend": "page", "gold": "known.manifest"}}),
}
FOLDERS = {
    "data": ("images", {"data": "images"}),
    "pictures": ("images", {"data": "lists/input.csv", "pictures": "."}),
}


# -- states


def absent(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def a_folder(path: Path) -> None:
    absent(path)
    path.mkdir()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def binary(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + random.Random(0).randbytes(5000))


def truncated(path: Path) -> None:
    """The last line ends in the middle of a name."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.9)])


def a_pipe(path: Path) -> None:
    absent(path)
    os.mkfifo(path)


def a_device(path: Path) -> None:
    """/dev/zero has no end."""
    absent(path)
    path.symlink_to("/dev/zero")


def a_file(path: Path) -> None:
    absent(path)
    path.write_bytes(b"a file")


NOT_FILES = {absent: "no such file", a_folder: "directory", a_pipe: "a pipe, not a file", a_device: "a device, not a"}
STATES = {
    "job": NOT_FILES
    | {
        empty: "line 1: a job file is a mapping of keys such as name, kind, data",
        binary: "line 1: the job file cannot be read: not UTF-8 (invalid start byte); save it as UTF-8",
        truncated: "line 8: not YAML: could not find expected ':'",
    },
    "manifest": NOT_FILES
    | {
        a_folder: "no pictures in this folder",
        empty: "empty; a manifest has one line for each item",
        binary: "28 mistakes: line 1, line 6, line 7: not UTF-8 (invalid start byte at byte 1); save the file as",
        truncated: "line 4: not JSON (Unterminated string",
    },
    "json lines": NOT_FILES
    | {
        a_folder: "no pictures in this folder",
        empty: "empty; there is nothing to label",
        binary: "line 1: not UTF-8 (invalid start byte); save the file as UTF-8",
        truncated: "line 4: not JSON (Unterminated string",
    },
    "COCO": NOT_FILES
    | {
        a_folder: "no pictures in this folder",
        empty: "empty; there is nothing to label",
        binary: "line 1: not UTF-8 (invalid start byte); save the file as UTF-8",
        truncated: "line 1: not JSON (Expecting value at column 183)",
    },
    "CSV": NOT_FILES | {a_folder: "no pictures in this folder", empty: "line 1: ", binary: "line 1: not UTF-8 text"},
    "YOLO": NOT_FILES
    | {
        a_folder: "no pictures in this folder",
        empty: "line 1: no YOLO dataset: it has keys such as names and train",
        binary: "line 1: not YAML: unacceptable character",
        truncated: "line 3: not YAML: found unexpected end of stream",
    },
    "truth": NOT_FILES
    | {
        empty: "empty; a manifest has one line for each item",
        binary: "28 mistakes: line 1, line 6, line 7: not UTF-8",
        truncated: "line 4: not JSON (Expecting ',' delimiter",
    },
    "answers": NOT_FILES | {empty: "line 1: ", binary: "line 1: not UTF-8 text", truncated: "line 5: "},
    "weights": NOT_FILES
    | {absent: "there is no file"}
    | dict.fromkeys((empty, binary, truncated), "not a file of tens"),
    "instructions": NOT_FILES | {binary: "line 1: not UTF-8; save it as UTF-8"},
    "known answers": NOT_FILES
    | {
        a_folder: "no pictures in this folder",
        empty: "empty; a manifest has one line for each item",
        binary: "28 mistakes: line 1, line 6, line 7: not UTF-8 (invalid start byte at byte 1); save the file as",
        truncated: "line 4: not JSON (",
    },
}


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """A folder with all of these files, as they should be."""
    import torch
    import torchvision

    folder = tmp_path_factory.mktemp("good")
    digits(folder, 4)
    shutil.copy(folder / "input.manifest", folder / "input.json")
    images = [{"id": number, "file_name": name} for number, name in enumerate(NAMES, 1)]
    (folder / "coco.json").write_text(json.dumps({"annotations": [], "images": images}))
    (folder / "input.csv").write_text("\n".join(["source", *NAMES]))
    (folder / "data.yaml").write_text("train: images\nval: images\nnames: [one, 'two']\n")
    (folder / "lists").mkdir()
    (folder / "lists/input.csv").write_text("\n".join(["source", *NAMES]))
    (folder / "answers.csv").write_text(
        "\n".join(["item,worker,label", *(f"{item},ann,{item % 3}" for item in range(1, 5))])
    )
    (folder / "how.md").write_text("# Name the digit\n\nLike this.\n" * 20)
    (folder / "known.manifest").write_text((folder / "truth.manifest").read_text().replace('"truth', '"label'))
    torch.save(torchvision.models.shufflenet_v2_x0_5(weights=None).state_dict(), folder / "net.pth")
    return folder


@pytest.fixture
def folder(good, tmp_path) -> Path:
    shutil.copytree(good, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def run(without_prefect, capfd):
    """run(folder): the exit code of `roundtruth run --json`, and the one line about the user's mistake, or the JSON."""

    def run(folder: Path) -> tuple[int, str]:
        code = cli.main(["run", str(folder / "job.yaml"), "--json"])
        out, err = capfd.readouterr()
        if code != cli.MISTAKE:
            assert err == ""
            return code, out
        assert out == ""
        assert err.count("\n") == 1
        assert len(err) <= 1001
        return code, err.rstrip("\n")

    return run


def begun(folder: Path) -> list[str]:
    """What is in the job folder but what was found out about the pictures."""
    written = [str(path.relative_to(folder / "job")) for path in (folder / "job").rglob("*") if path.is_file()]
    return [path for path in written if not path.startswith("checked/")]


# -- the tables


ASKED = {"workforce": {"backend": "files", "answers_per_item": 1}}  # such a job waits as soon as it has begun


@pytest.mark.parametrize("name", FILES)
def test_a_good_file_is_read(name, folder, run):
    """So that each refusal below is about the state of the file."""
    simulated = name in ("truth", "answers")
    write_job(folder, **({} if simulated else ASKED) | FILES[name][1])
    code, said = run(folder)
    assert code == (0 if simulated else 3)
    summary = json.loads(said)
    assert (summary["items"], summary["failed"]) == (4, 0)
    assert summary["human"] + summary["auto"] == (4 if simulated else 0)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read_is_refused_and_nothing_begins(name, folder, run):
    file, changed = FILES[name]
    for state, words in STATES[name].items():
        write_job(folder, **changed)
        kept = (folder / file).read_bytes()
        state(folder / file)
        code, said = run(folder)
        assert (code, state.__name__) == (2, state.__name__), said
        assert words.lower() in said.lower(), (state.__name__, said)
        assert f"{folder / file}" in said
        assert begun(folder) == []
        absent(folder / file)
        (folder / file).write_bytes(kept)


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_the_right_to_read_it(name, folder, run, monkeypatch):
    file, changed = FILES[name]
    write_job(folder, **changed)
    locked(folder / file, monkeypatch)
    code, said = run(folder)
    assert code == 2
    assert f"{folder / file}: " in said
    assert "Permission denied" in said
    assert begun(folder) == []


def locked(path: Path, monkeypatch) -> None:
    """Root may read everything, so the refusal is made here."""
    open_file, scan = Path.open, os.scandir

    def refuse(tried) -> None:
        if Path(tried) == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def opened(tried, *more, **options):
        refuse(tried)
        return open_file(tried, *more, **options)

    def scanned(tried="."):
        if isinstance(tried, str):
            refuse(tried)
        return scan(tried)

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(os, "scandir", scanned)


def test_instructions_that_are_too_large_are_refused(folder, run):
    write_job(folder, instructions="how.md", **ASKED)
    (folder / "how.md").write_text("Look.\n" * 1_000_000)
    code, said = run(folder)
    assert (code, "over 1 MB; keep the pictures in files of their own" in said) == (2, True)
    assert begun(folder) == []


def test_a_list_whose_last_line_is_cut_off_has_an_item_that_is_not_there(folder, run):
    """Nobody can know that images/000 is no name."""
    write_job(folder, **FILES["CSV"][1] | ASKED)
    truncated(folder / "input.csv")
    code, said = run(folder)
    assert code == 3
    assert (json.loads(said)["items"], json.loads(said)["failed"]) == (4, 1)


@pytest.mark.parametrize(
    ("name", "state", "words"),
    [
        ("data", absent, "no such file or folder"),
        ("data", a_folder, "no pictures in this folder"),
        ("data", a_file, "neither a folder of pictures nor a file that ends in"),
        ("data", a_pipe, "neither a folder of pictures nor a file that ends in"),
        ("data", a_device, "neither a folder of pictures nor a file that ends in"),
        ("pictures", absent, "4 of 4 pictures are not there"),
        ("pictures", a_folder, "4 of 4 pictures are not there"),
        ("pictures", a_file, "4 of 4 pictures are not there"),
        ("pictures", a_pipe, "4 of 4 pictures are not there"),
        ("pictures", a_device, "4 of 4 pictures are not there"),
    ],
)
def test_a_folder(name, state, words, folder, run):
    file, changed = FOLDERS[name]
    write_job(folder, **changed)
    state(folder / file)
    code, said = run(folder)
    assert code == 2
    line = {"data": 3, "pictures": 10}[name]
    assert said.startswith(f"{folder}/job.yaml: line {line}: {name}: {folder}")
    assert words in said
    assert begun(folder) == []


def test_a_folder_without_the_right_to_list_it(folder, run, monkeypatch):
    """Also one inside the folder: what is in it would be missing without a word."""
    (folder / "images/more").mkdir()
    (folder / "images/lost+found").mkdir()  # the system's own, which only root may list
    write_job(folder, data="images", **ASKED)
    locked(folder / "images/lost+found", monkeypatch)
    assert run(folder)[0] == 3
    shutil.rmtree(folder / "job")
    locked(folder / "images/more", monkeypatch)
    code, said = run(folder)
    assert code == 2
    assert f"{folder}/images/more: Permission denied" in said
    assert begun(folder) == []


# -- people's answers

SAID = "item,worker,label\n" + "".join(f"{item},{{0}},{item}\n" for item in range(1, 5))
REJECTED = {
    empty: "line 1: empty",
    binary: "line 1: not UTF-8 text",
    truncated: "line 5: 2 cells, where the header has 3",
    a_pipe: "cannot be read: is a pipe, not a file",
    a_device: "cannot be read: is a device, not a file",
}


@pytest.fixture
def asked(folder, run) -> Path:
    """A job that waits for two people; Bob has answered. The file of the other's answers, which is not there."""
    write_job(folder, workforce={"backend": "files", "answers_per_item": 2})
    assert run(folder)[0] == 3
    answers = folder / "job/people/answers"
    (answers / "bob.csv").write_text(SAID.format("bob"))
    return answers / "ann.csv"


def collected(folder: Path, run) -> tuple[int, list[str]]:
    """How many answers came, and what is rejected."""
    code, said = run(folder)
    assert code == 3
    summary = json.loads(said)
    assert len(summary["first_rejected"]) == summary["rejected"]
    return summary["answers"], summary["first_rejected"]


def test_a_file_of_answers_that_cannot_be_read_is_told_and_keeps_nobody_out(asked, folder, run, monkeypatch):
    first = Job(str(folder / "job")).batch(1)["item"].tolist()
    for state, words in REJECTED.items():
        asked.write_text(SAID.format("ann"))
        state(asked)
        came, rejected = collected(folder, run)
        assert came >= len(first)
        assert len(rejected) == 1
        assert rejected[0].startswith("ann.csv: line ")
        assert words in rejected[0]
        absent(asked)
    asked.write_text(SAID.format("ann"))
    with monkeypatch.context() as patch:
        locked(asked, patch)
        assert collected(folder, run)[1] == ["ann.csv: line 1: cannot be read: Permission denied"]
    a_folder(asked)
    assert collected(folder, run)[1] == []


# -- a million lines

MILLION = range(1, 1_000_001)
LINES = {
    "job": "# line {}\n",
    "manifest": '{{"source-ref": "images/0001.png"}}\n',
    "COCO": '{{"id": {0}, "file_name": "images/0001.png"}},\n',
    "CSV": "images/x{}.png\n",
    "weights": "line {}\n",
    "YOLO": "- name {}\n",
}


def a_million_lines(name: str) -> str:
    text = "".join(map(LINES[name].format, MILLION))
    if name == "COCO":
        return f'{{"annotations": [], "images": [\n{text[:-2]}]}}'
    return f"source\n{text}" if name == "CSV" else text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("job", "over 1 MB, so this is no job file"),
        ("weights", "is not a file of tensors"),
        ("YOLO", "over 1 MB, so this is no data.yaml"),
        pytest.param("manifest", "999999 mistakes: line 2, line 3, line 4", marks=pytest.mark.slow),
        pytest.param("COCO", "999999 mistakes: images[1], images[2], images[3]", marks=pytest.mark.slow),
        pytest.param("CSV", "1,000,000 of 1,000,000 pictures are not there, the first:", marks=pytest.mark.slow),
    ],
)
def test_a_million_lines_are_refused(name, words, folder, run):
    file, changed = FILES[name]
    write_job(folder, **changed)
    (folder / file).write_text(a_million_lines(name))
    code, said = run(folder)
    assert code == 2
    assert words in said
    assert begun(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("truth", '{{"source-ref": "images/x{}.png"}}\n'),
        ("answers", "images/x{}.png,ann,1\n"),
    ],
)
def test_a_million_lines_about_other_pictures_are_no_matter(name, line, folder, run):
    file, changed = FILES[name]
    write_job(folder, **changed, plan="certified")  # it asks about all four at once
    head, _, rest = (folder / file).read_text().partition("\n")
    (folder / file).write_text(f"{head}\n{rest.rstrip()}\n" + "".join(map(line.format, MILLION)))
    code, said = run(folder)
    assert code == 0
    assert json.loads(said)["human"] + json.loads(said)["auto"] == 4


@pytest.mark.slow
def test_a_hundred_thousand_rows_about_other_items_are_rejected(asked, folder, run):
    """Each is counted, and none keeps the good ones out."""
    asked.write_text(SAID.format("ann") + "".join(f"{item},ann,1\n" for item in range(5, 100_005)))
    code, said = run(folder)
    summary = json.loads(said)
    assert (summary["rejected"], len(summary["first_rejected"])) == (100_000, 10)
    assert code == 0
    assert summary["human"] + summary["auto"] == 4
