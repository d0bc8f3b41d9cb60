"""What users get wrong: one clear line on standard error, exit code 2, and nothing broken by it."""

import html
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from roundtruth.cli import main
from roundtruth.summary import summarize
from tests.jobs import classified, digits, output, run_job, write_job, write_lines

BOX = {"class_id": 0, "left": 1, "top": 1, "width": 3, "height": 3}


def boxed(box: dict | None = None, name: str = "bird") -> dict:
    metadata = {
        "objects": [{"confidence": 1.0}], "class-map": {"0": name}, "type": "groundtruth/object-detection",
        "human-annotated": "yes", "creation-date": "2026-01-01T00:00:00", "job-name": "x",
    }  # fmt: skip
    size = [{"width": 8, "height": 8, "depth": 3}]
    return {"label": {"image_size": size, "annotations": [BOX | (box or {})]}, "label-metadata": metadata}


@pytest.fixture
def folder(tmp_path):
    digits(tmp_path, 4)
    return tmp_path


@pytest.fixture
def told(folder, capfd):
    """told(verb, ...) runs the command line, which must fail as the user's mistake; the one line it says."""

    def said(*argv: str) -> str:
        assert main([*argv, str(folder / "job.yaml")]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.endswith("\n")
        assert err.count("\n") == 1, err
        return err.rstrip("\n")

    return said


def lines(folder, *records: dict | str) -> None:
    text = [record if isinstance(record, str) else json.dumps(record) for record in records]
    (folder / "input.manifest").write_text("".join(line + "\n" for line in text))


A, B = {"source-ref": "images/0001.png"}, {"source-ref": "images/0002.png"}


@pytest.mark.parametrize(
    ("third", "expected"),
    [
        ("{not json", "line 3: not JSON"),
        ("[1]", "line 3: not a JSON object"),
        ({"label": 1}, "line 3: no source-ref"),
        ({"source-ref": ""}, "line 3: no source-ref"),
        (A, "line 3: source-ref: images/0001.png is on line 1 already"),
        (
            {"source-ref": "./images/0001.png"},
            "line 3: source-ref: ./images/0001.png is on line 1 already as images/0001.png; take one out",
        ),
        ({"source-ref": "../secret.png"}, "line 3: source-ref: ../secret.png: leads out of"),
        ({"source-ref": "images/../../secret.png"}, "line 3: source-ref: images/../../secret.png: leads out of"),
        ({"source-ref": "http://x/y.png"}, "line 3: source-ref: http://x/y.png: only local paths and s3:// are read"),
        ({"source-ref": "C:\\cats\\1.png"}, "line 3: source-ref: C:\\cats\\1.png: a path that only Windows"),
        ({"source-ref": "~root/1.png"}, "line 3: source-ref: ~root/1.png: a path that only Windows or a shell knows"),
        ({"source-ref": "x" * 10_000_000}, f"line 3: source-ref: {'x' * 60}...: 10000000 characters, and no"),
        ({"source-ref": "c.png", **boxed({"width": 0})}, "line 3: field label: box 1 has no area"),
        ({"source-ref": "c.png", **boxed({"height": -2})}, "line 3: field label: box 1 has no area"),
        ({"source-ref": "c.png", **boxed({"left": 8})}, "line 3: field label: box 1: left: the box reaches from 8 to"),
        ({"source-ref": "c.png", **boxed({"top": -4})}, "line 3: field label: box 1: top: the box reaches from -4 to"),
        ({"source-ref": "c.png", **boxed({"left": "1"})}, "line 3: field label: box 1 has no number for left"),
        ({"source-ref": "c.png", **boxed(name="wolf")}, "line 3: field label: box 1 has class 'wolf' is not one of"),
        ({"source-ref": "c.png", "label": 3}, "line 3: field label-metadata: missing"),
    ],
)  # fmt: skip
def test_a_line_of_a_manifest_with_boxes(third, expected, folder, told):
    write_job(folder, kind="object-detection", classes=["bird"], learner="default")
    lines(folder, A, B, third)
    assert told("run").startswith(f"{folder}/input.manifest: {expected}")
    assert not (folder / "job/job.json").exists()


def test_every_source_that_can_be_none_is_counted(folder, told):
    write_job(folder)
    lines(folder, A, {"source-ref": "http://x/y.png"}, B, {"source-ref": "../z.png"})
    said = told("run")
    assert said.startswith(f"{folder}/input.manifest: 2 mistakes: line 2: source-ref: http://x/y.png: only local paths")
    assert "; line 4: source-ref: ../z.png: leads out of" in said


def named(name) -> dict:
    label = classified("label", 1)
    return label | {"label-metadata": label["label-metadata"] | {"class-name": name}}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (classified("label", 11), "line 3: field label-metadata: class-name: '11' is not one of the job's classes"),
        (named(["a"]), "line 3: field label-metadata: class-name: ['a'] is not one of the job's classes"),
        (named({"a": 1}), "line 3: field label-metadata: class-name: {'a': 1} is not one of the job's classes"),
        (named("\ud800"), "line 3: field label-metadata: class-name: '\\ud800' is not one of the job's classes"),
        (classified("label", 1) | {"label": "one"}, "line 3: field label: 'one' is not the number of a class"),
    ],
)
def test_a_line_of_a_manifest_with_classes(label, expected, folder, told):
    write_job(folder)
    lines(folder, A, B, {"source-ref": "c.png"} | label)
    assert told("run").startswith(f"{folder}/input.manifest: {expected}")


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_manifest(text, folder, told):
    write_job(folder)
    (folder / "input.manifest").write_text(text)
    assert f"{folder}/input.manifest: empty" in told("run")


def test_an_empty_folder_and_one_that_is_not_there(folder, told):
    (folder / "empty").mkdir()
    for data, expected in (("empty", "no pictures in this folder"), ("nowhere", "no such file or folder")):
        write_job(folder, data=data)
        assert told("run").startswith(f"{folder}/job.yaml: line 3: data: {folder}/{data}: {expected}")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"clases": 1}, "line 10: clases: there is no such key; do you mean classes?"),
        ({"workforce": {"backend": "files", "answers": 3}}, "workforce.answers: there is no such key for this"),
        ({"seed": "one"}, "line 10: seed: Input should be a valid integer"),
        ({"target": {"quality": 2}}, "target.quality: Input should be less than or equal to 1"),
        ({"budget": -1}, "budget: Input should be greater than 0"),
        ({"kind": None}, "line 1: kind: this key is missing"),
    ],
)
def test_a_job_file(changed, expected, folder, told):
    path = write_job(folder, **changed)
    for verb in ("run", "status", "stop", "report"):
        said = told(verb)
        assert said.startswith(f"{path}: line ")
        assert expected in said


def test_no_job_file_and_no_job(folder, told):
    assert told("run").endswith("job.yaml: no such file; correct the path of the job file")
    write_job(folder)
    for verb in ("status", "stop", "report"):
        assert "there is no job in this folder yet" in told(verb)
    assert not (folder / "job").exists()


def test_a_folder_that_cannot_be_written(folder, told):
    """A file stands where a folder must; of a folder's rights root would know nothing."""
    (folder / "taken").write_text("a file")
    write_job(folder, output="taken/job")
    assert told("run").startswith(f"{folder}/job.yaml: line 5: output: {folder}/taken/job")
    write_job(folder, output="taken")
    assert told("run").startswith(f"{folder}/job.yaml: line 5: output: {folder}/taken")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write(folder, told):
    (folder / "locked").mkdir(mode=0o500)
    write_job(folder, output="locked/job")
    assert "Permission denied" in told("run")


def test_another_jobs_folder(make, folder, told):
    run_job(make(4))
    write_job(folder, name="another")
    assert told("run").startswith(
        f"{folder}/job.yaml: line 1: name: the job in {folder}/job has 'digits', the job file"
    )
    write_job(folder, classes=["a", "b"])
    assert f"{folder}/job.yaml: line 4: classes: the job in {folder}/job has" in told("run")


def test_a_dataset_that_changed(make, folder, told):
    run_job(make(4))
    with (folder / "input.manifest").open("a") as manifest:
        manifest.write('{"source-ref": "images/0005.png"}\n')
    assert told("run").startswith(
        f"{folder}/job.yaml: line 3: data: {folder}/input.manifest changed since the job began"
    )


def test_bad_rows_of_answers_are_told_and_the_job_goes_on_waiting(make, folder, capsys, without_prefect):
    """By `run`, `status`, their JSON and the page, until they are mended."""
    spec = make(4, workforce={"backend": "files", "answers_per_item": 1})
    (item,) = run_job(spec).batch(1)["item"]
    answers = folder / "job/people/answers/a.csv"
    answers.write_text(f"item,worker,label\n99,ann,1\n{item},ann,wolf\n{item},,1\n")
    said = "a.csv: line 2: item: there is no item '99'"
    for verb in ("run", "status"):
        for form in ((), ("--json",)):
            assert main([verb, str(folder / "job.yaml"), *form]) == (3 if verb == "run" else 0)
            shown = capsys.readouterr().out
            if form:
                assert json.loads(shown)["rejected"] == 3
            else:
                assert "3 rows of people's answers are rejected." in shown
                assert said in shown
    assert main(["report", str(folder / "job.yaml")]) == 0
    capsys.readouterr()
    page = html.unescape((folder / "job/report/index.html").read_text())
    assert "3 rows of people's answers are rejected." in page
    assert said in page
    answers.write_text(f"item,worker,label\n{item},ann,1\n")
    main(["run", str(folder / "job.yaml"), "--json"])
    assert json.loads(capsys.readouterr().out)["rejected"] == 0
    assert main(["report", str(folder / "job.yaml")]) == 0
    assert "rejected" not in (folder / "job/report/index.html").read_text()


def test_a_job_with_bad_answers_can_be_stopped(make, folder, capsys):
    spec = make(4, workforce={"backend": "files", "answers_per_item": 1})
    run_job(spec)
    (folder / "job/people/answers/a.csv").write_text("item,worker,label\n1,ann,wolf\n")
    assert main(["stop", str(folder / "job.yaml")]) == 0
    assert "1 row of people's answers is rejected" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"workforce": {"backend": "simulated", "truth": "none.manifest"}}, "none.manifest: "),
        ({"workforce": {"backend": "simulated", "answers": "images"}}, "images: Is a directory"),
        ({"workforce": {"backend": "simulated", "answers": "none.csv"}}, "none.csv: there is no such file"),
        ({"workforce": {"backend": "simulated", "truth": "input.manifest"}}, "line 1: there must be one label"),
    ],
)
def test_a_workforce_without_its_file(changed, expected, make, folder, told, without_prefect):
    make(4, **changed)
    assert expected in told("run")


@pytest.mark.parametrize(
    ("learner", "expected"),
    [
        ("nothing", "is neither `default` nor of the form package.module:Name"),
        ("no.such.module:Learner", "cannot be imported"),
        ("fast_learner:Nobody", "has no Nobody"),
        ("fast_learner:pixels", "lacks train"),
    ],
)
def test_a_learner(learner, expected, make, folder, told):
    """It is reported before anybody is asked, and paid."""
    make(20, learner=learner)
    said = told("run")
    assert said.startswith(f"{folder}/job.yaml: line 7: learner: ")
    assert expected in said
    assert not (folder / "job/job.json").exists()


def test_a_learner_that_is_changed_on_the_way(make, folder, told):
    run_job(make(4))
    make(4, learner="nothing")
    assert told("run").startswith(f"{folder}/job.yaml: line 7: learner: ")
    assert not (folder / "job/amendments").exists()


def test_weights_that_are_not_there(make, folder, told):
    make(20, weights="none.pth")
    assert told("run").startswith(f"{folder}/job.yaml: line 8: weights: there is no file {folder}/none.pth")


def test_weights_that_would_run_code(make, folder, told):
    import torch

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(folder / "ran"),)

    torch.save({"conv1.weight": Evil()}, folder / "evil.pth")
    make(20, weights="evil.pth")
    said = told("run")
    assert ": weights: " in said
    assert "weights_only=True" in said
    assert not (folder / "ran").exists()


@pytest.fixture
def patience():
    """A test that waits for a pipe fails; it does not wait for ever."""

    def lost(signum, frame):
        raise AssertionError("it waits for the pipe")

    before = signal.signal(signal.SIGALRM, lost)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


def device(path: Path) -> None:
    """/dev/zero has no end."""
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(("put", "what"), [(pipe, "is a pipe, not a file"), (device, "is a device, not a file")])
@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("job.yaml", {}),
        ("input.manifest", {}),
        ("input.json", {"data": "input.json"}),
        ("input.csv", {"data": "input.csv"}),
        ("truth.manifest", {}),
        ("answers.csv", {"workforce": {"backend": "simulated", "answers": "answers.csv"}}),
        ("weights.pth", {"weights": "weights.pth"}),
        ("job/job.json", {}),
        ("job/lease.json", {}),
    ],
)
def test_a_pipe_or_a_device_in_place_of_a_file(name, changed, put, what, make, folder, told, without_prefect, patience):
    make(4, **changed)
    put(folder / name)
    said = told("run")
    assert f"{folder}/{name}: " in said
    assert what in said


def test_a_pipe_in_place_of_a_picture_fails_alone(make, folder, patience):
    make(4)
    pipe(folder / "images/0002.png")
    summary = summarize(run_job(make(4)))
    assert (summary["failed"], summary["human"]) == (1, 3)


def test_an_export_leaves_a_device_as_it_is(make, folder, capsys):
    run_job(make(4))
    device(folder / "zero")
    assert main(["export", str(folder / "job.yaml"), "--to", "csv", str(folder / "zero")]) == 2
    assert capsys.readouterr().err == f"{folder}/zero: is a device, not a file\n"
    assert (folder / "zero").is_symlink()


def test_one_missing_and_one_broken_picture_fail_alone(make, folder):
    make(50)
    digits(folder, 50)
    (folder / "images/0007.png").unlink()
    whole = (folder / "images/0011.png").read_bytes()
    (folder / "images/0011.png").write_bytes(whole[: len(whole) // 2])
    summary = summarize(run_job(make(50)))
    assert (summary["state"], summary["failed"], summary["human"] + summary["auto"]) == ("complete", 2, 48)
    assert summary["cost"]["total"] == pytest.approx(0.26 * summary["human"] + 0.08 * summary["auto"])
    assert summary["cost"]["all_human"] == pytest.approx(0.26 * 48)
    records = output(folder / "job")
    reasons = {i: r["label-metadata"]["failure-reason"] for i, r in enumerate(records, 1) if "label" not in r}
    assert reasons.keys() == {7, 11}
    assert reasons[7] == "no file"
    assert reasons[11].startswith("cannot be decoded")
    assert len(records) == 50


@pytest.mark.slow
def test_a_picture_that_is_a_bomb_fails_alone(make, folder):
    make(4)
    Image.new("1", (30_000, 30_000)).save(folder / "images/0002.png")
    summary = summarize(run_job(make(4)))
    assert (summary["failed"], summary["human"]) == (1, 3)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["fly"],
        ["run"],
        ["run", "a", "b"],
        ["export", "job.yaml", "x"],
        ["demo", "--kind", "x"],
        ["run", "--x", "a"],
    ],
)
def test_a_command_that_there_is_not(argv, capsys):
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("roundtruth")
    assert "--help" in err


def test_an_export_in_an_unknown_format(make, folder, capsys):
    run_job(make(4))
    assert main(["export", str(folder / "job.yaml"), "--to", "word", str(folder / "x")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("roundtruth export: argument --to: invalid choice: 'word'")
    assert "coco" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "export: '' is no file; name another file"),
        ("http://x/a.csv", "export: http://x/a.csv is neither a path nor s3://"),
        ("{folder}/input.manifest", "is the data of the job; name another file"),
        pytest.param("x" * 300, "export: xxx", marks=pytest.mark.slow),
        pytest.param("{folder}/job.yaml", "is the job file; name another file", marks=pytest.mark.slow),
        ("{folder}", "Is a directory"),
    ],
)
def test_an_export_to_where_none_can_be(path, expected, make, folder, capsys):
    run_job(make(4))
    before = {name: (folder / name).read_bytes() for name in ("input.manifest", "job.yaml")}
    assert main(["export", str(folder / "job.yaml"), "--to", "csv", path.format(folder=folder)]) == 2
    err = capsys.readouterr().err
    assert expected in err
    assert err.count("\n") == 1
    assert before == {name: (folder / name).read_bytes() for name in before}


def test_a_class_with_markup_in_it_does_not_run_in_the_report(make, folder):
    from roundtruth import steps

    evil = "<script>alert(1)</script>"
    records = [{**A, **classified("truth", 0)}]
    records[0]["truth-metadata"]["class-name"] = evil
    lines(folder, A)
    write_lines(folder / "truth.manifest", records)
    job = run_job(make(1, classes=[evil], name=evil))
    steps.write_report(job)
    page = (folder / "job/report/index.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_from_another_process(folder):
    """As users see it: the exit code, and nothing but the line."""
    write_job(folder, clases=["x"])
    command = [sys.executable, "-m", "roundtruth.cli", "run", "job.yaml", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "job.yaml: line 10: clases: there is no such key; do you mean classes?\n"
