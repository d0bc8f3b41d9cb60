import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
import yaml

from flows.private_server import PrefectServer
from roundtruth import cli, demo, loop
from roundtruth.begin import begin, hold
from roundtruth.cli import interruptible, main
from roundtruth.job import Job
from roundtruth.spec import JobSpec
from roundtruth.storage import open_store
from roundtruth.summary import summarize
from tests.jobs import COLOURS, boxes, cost_of, digits, output, run_job, write_job

HERE = Path(__file__).parent


def command(*argv: str, server: str | None = None) -> list:
    return [sys.executable, "-m", "roundtruth.cli", *argv]


def environment(server: str | None = None) -> dict:
    """Without `server` the command starts its own."""
    path = os.pathsep.join([str(HERE.parent), str(HERE)])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | ({"PREFECT_API_URL": server} if server else {})


@pytest.fixture
def job(tmp_path):
    """job(n, **changed): the path of a job file about n digits."""

    def made(n: int, **changed) -> str:
        digits(tmp_path, n)
        return str(write_job(tmp_path, **changed))

    return made


FILES = {"backend": "files", "answers_per_item": 1}


def answer(folder: Path, items) -> None:
    """Ann answers, as the truth has it."""
    truth = [json.loads(line)["truth"] for line in (folder / "truth.manifest").read_text().splitlines()]
    people = folder / "job/people/answers"
    people.mkdir(exist_ok=True)
    number = len(list(people.iterdir())) + 1
    rows = "".join(f"{item},ann,{truth[item - 1]}\n" for item in items)
    (people / f"{number}.csv").write_text("item,worker,label\n" + rows)


@pytest.mark.slow
def test_a_job_that_is_done(job, tmp_path, capfd, prefect_server):
    path = job(30, target={"quality": 0.8})
    assert main(["run", path, "--json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    summary = json.loads(out)
    assert summary == json.loads((tmp_path / "job/report/summary.json").read_text())
    assert set(summary) >= {
        "name", "kind", "state", "items", "human", "auto", "input", "failed", "answers", "cost", "target", "measured",
        "rounds",
    }  # fmt: skip
    assert (summary["name"], summary["kind"], summary["state"], summary["items"]) == (
        "digits", "image-classification", "complete", 30,
    )  # fmt: skip
    assert summary["target"] == {
        "quality": 0.8, "confidence": 0.95, "certificate": "none", "of": "auto-labels", "holds": None,
    }  # fmt: skip
    assert set(summary["rounds"][0]) == {"round", "human", "auto", "objects", "cost", "threshold", "seconds"}
    assert set(summary["rounds"][0]["seconds"]) == {"train", "infer", "other"}
    assert (tmp_path / "job/report/index.html").exists()
    assert len(output(tmp_path / "job")) == 30
    # run again there is nothing to do, and the same is said
    assert main(["run", path, "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == summary
    assert main(["status", path, "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == summary


def test_what_a_person_reads(job, tmp_path, capfd):
    path = job(10, name="digits [/b] :smile:")
    run_job_of(path)
    assert main(["status", path]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "digits [/b] :smile:: complete" in out
    words = " ".join(out.split())
    assert "10 items: 10 labeled by people, 0 by the model, 0 came labeled, 0 failed." in words
    assert "Cost 2.60 instead of 2.60: 0.0 % saved." in words
    assert "Nothing to promise: The model labeled no item: every label is a person's or came with the data." in words
    assert f"Manifest: {tmp_path}/job/output/output.manifest\n" in out
    assert "Page:" not in out  # there is none yet
    assert "\x1b" not in out  # no colours in a pipe
    assert main(["report", path]) == 0
    assert capfd.readouterr().out == f"{tmp_path}/job/report/index.html\n"
    assert main(["status", path]) == 0
    assert f"Page:     {tmp_path}/job/report/index.html\n" in capfd.readouterr().out
    assert "digits" in (tmp_path / "job/report/index.html").read_text()


def test_a_job_that_is_under_way_names_no_file_that_is_not_there(job, tmp_path, capfd):
    path = job(10)
    begin(JobSpec.from_file(path))
    assert main(["status", path]) == 0
    out = capfd.readouterr().out
    assert "Manifest:" not in out
    assert "Page:" not in out
    assert "0 failed. Cost so far: 0.00.\nNo run is at work on the job. Run it again, and it goes on.\n" in out
    with hold(JobSpec.from_file(path), "another run"):
        assert main(["status", path]) == 0
    assert f"{tmp_path}/job is held by " in capfd.readouterr().out


def test_a_job_that_waits_says_for_whom_since_when_and_what_comes_next(job, tmp_path, capfd):
    path = job(20, workforce=FILES | {"answers_per_item": 2})
    spec = JobSpec.from_file(path)
    run_job(spec)
    items = Job(spec.output).batch(1)["item"].tolist()
    answer(tmp_path, items[:3])
    run_job(spec)
    assert main(["status", path]) == 0
    out = flat(capfd.readouterr().out)
    since = Job(spec.output).read_json("rounds/001/posted.json")["posted_at"]
    assert pd.Timestamp.now("UTC") - pd.Timestamp(since) < pd.Timedelta(hours=1)
    assert "Waiting for people: 0 of 4 items of round 1 answered. The questions are in" in out
    assert f"Asked {since[:10]} {since[11:16]} UTC: 3 answers in, 5 missing." in out
    assert "Next: run the job again when there are new answers. It goes on when none is missing." in out
    (forecast,) = json.loads((tmp_path / "job/forecast.json").read_text())["forecasts"]
    cost, low = f"${forecast['cost']:.2f}", f"${forecast['low']:.2f}"
    assert f"Forecast: About {cost} in all; in 8 of 10 such jobs between {low} and $" in out
    assert "At most: $" in out
    assert "The model starts from: Nothing. The model learns from this job's labels alone, so" in out
    assert "saved" not in out
    assert main(["status", path, "--json"]) == 0
    waits = json.loads(capfd.readouterr().out)["waiting"]
    assert waits == {"round": 1, "asked": 4, "answered": 0, "answers": 3, "missing": 5, "since": since}


def test_what_was_not_reached_has_not_failed(job, tmp_path, capfd):
    path = job(20, workforce=FILES)
    run_job_of(path)
    answer(tmp_path, Job(f"{tmp_path}/job").batch(1)["item"][:1])
    assert main(["stop", path]) == 0
    out = capfd.readouterr().out
    assert "1 labeled by people, 0 by the model, 0 came labeled, 19 without a label." in flat(out)
    assert "failed" not in out


def test_a_job_is_watched_until_it_has_ended(job, tmp_path, capfd, monkeypatch):
    """In a pipe: a line for each change."""
    path = job(20, workforce=FILES)
    spec = JobSpec.from_file(path)
    run_job(spec)
    monkeypatch.setattr(cli, "WATCH", 0.01)

    def people() -> None:
        answer(tmp_path, range(1, 21))
        run_job(spec)

    once = threading.Thread(target=people)
    seen = cli.put
    monkeypatch.setattr(cli, "put", lambda text: (once.is_alive() or once.ident or once.start(), seen(text))[1])
    assert main(["status", path, "--watch"]) == 0
    once.join()
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert err == ""
    first = (
        "digits: waiting, round 1, 0 of 4 items answered, 4 answers missing, 0 labeled by people, 0 by the model, of 20"
    )
    assert lines[0] == f"{first}, cost 0.00"
    assert lines[-1].startswith("digits: complete, round ")
    assert len(set(lines)) == len(lines)


def run_job_of(path: str) -> Job:
    return run_job(JobSpec.from_file(path))


def test_a_job_whose_people_answer_by_files(job, tmp_path, capfd, without_prefect):
    """Waiting; half of the answers; waiting; the rest, batch after batch; complete."""
    path = job(20, workforce=FILES)
    address = f"{tmp_path}/job"
    assert main(["run", path]) == 3
    out, err = capfd.readouterr()
    assert err == ""
    said = "Waiting for people: 0 of 4 items of round 1 answered."
    where = f"The questions are in {address}/people/batch-001.csv; answers go to {address}/people/answers/"
    assert f"{said} {where}" in " ".join(out.split())
    items = Job(address).batch(1)["item"].tolist()
    answer(tmp_path, items[:2])
    assert main(["run", path, "--json"]) == 3
    assert json.loads(capfd.readouterr().out)["state"] == "waiting"
    assert main(["status", path]) == 0
    assert "Waiting for people: 2 of 4 items of round 1 answered." in " ".join(capfd.readouterr().out.split())
    answer(tmp_path, items[2:])
    assert main(["run", path]) == 3
    assert "Waiting for people: 0 of 4 items of round 2 answered." in " ".join(capfd.readouterr().out.split())
    answer(tmp_path, range(1, 21))
    assert main(["run", path, "--json"]) == 0
    summary = json.loads(capfd.readouterr().out)
    assert (summary["state"], summary["human"] + summary["auto"]) == ("complete", 20)
    assert summary["cost"]["human"] == pytest.approx(summary["human"] * 0.116, abs=0.01)
    assert summary["measured"] == {"human": None, "auto": None}


@pytest.mark.slow
def test_a_pipe_gets_a_line_a_step(job, capfd, prefect_server):
    assert main(["run", job(20, target={"quality": 0.3})]) == 0
    out, err = capfd.readouterr()
    lines = out[: out.index("digits: complete")].splitlines()
    steps = [re.sub(r", [\d.]+ s$", "", line) for line in lines]
    assert err == ""
    assert steps[0].startswith("the model starts from: Nothing. ")  # the job file says `weights: none`
    forecasts = [line for line in steps if line.startswith("forecast: About $")]
    assert steps[1] == forecasts[0]  # before anybody was asked
    assert len(forecasts) > 1
    steps = [line for line in steps if line not in forecasts]
    assert steps[1:6] == [
        "round 1: dispatch", "round 1: wait, 4 of 4 items answered", "round 1: consolidate",
        "round 1: select", "report",
    ]  # fmt: skip
    assert steps[-2:] == ["deliver", "report"]
    assert {"round 2: train", "round 2: infer", "round 2: calibrate", "round 2: autolabel"} <= set(steps)


def test_a_job_whose_money_is_spent(job, tmp_path, capfd, without_prefect):
    path = job(6, budget=0.3)
    assert main(["run", path, "--json"]) == 4
    summary = json.loads(capfd.readouterr().out)
    assert (summary["state"], summary["human"], summary["cost"]["total"]) == ("stopped", 1, 0.26)
    assert summary["to_finish"] == {"items": 5, "most": 1.3, "about": None}
    said = "The budget of 0.30 does not reach further: 5 items have no label. Labeling them costs 1.30 more at most;"
    for verb, code in (("run", 4), ("status", 0)):
        assert main([verb, path]) == code
        assert said in " ".join(capfd.readouterr().out.split())
    assert main(["report", path]) == 0
    assert said in (tmp_path / "job/report/index.html").read_text()
    job(6, budget=100, target={"quality": 0.01})
    capfd.readouterr()
    assert main(["run", path, "--json"]) == 0
    summary = json.loads(capfd.readouterr().out)
    assert (summary["state"], summary["human"] + summary["auto"]) == ("complete", 6)
    assert json.loads((tmp_path / "job/amendments/0001.json").read_text())["budget"] == 100.0


def test_a_job_that_is_stopped(job, tmp_path, capfd, without_prefect):
    path = job(20, workforce=FILES)
    assert main(["run", path]) == 3
    answer(tmp_path, Job(f"{tmp_path}/job").batch(1)["item"][:1])
    capfd.readouterr()
    assert main(["stop", path]) == 0
    out, err = capfd.readouterr()
    assert (err, "digits: stopped" in out) == ("", True)
    assert sum("label" in record for record in output(tmp_path / "job")) == 1
    assert main(["run", path, "--json"]) == 0  # stopped by a person, not by the budget
    assert json.loads(capfd.readouterr().out)["state"] == "stopped"
    assert main(["stop", path]) == 0


def test_a_stop_that_is_refused_is_none(job, tmp_path, capfd, without_prefect):
    path = job(20, workforce=FILES)
    assert main(["run", path, "--json"]) == 3
    answer(tmp_path, Job(f"{tmp_path}/job").batch(1)["item"][:1])
    (tmp_path / "job/people/answers/2.csv").write_text("item,worker,label\n1,,3\n")
    (tmp_path / "job/people/rejected.csv").mkdir()
    capfd.readouterr()
    assert main(["stop", path]) == 2
    assert capfd.readouterr().err == f"{tmp_path}/job/people/rejected.csv: Is a directory\n"
    assert not Job(f"{tmp_path}/job").stopped
    (tmp_path / "job/people/rejected.csv").rmdir()
    assert main(["stop", path]) == 0
    assert "digits: stopped" in capfd.readouterr().out


def test_a_job_that_another_holds(job, tmp_path, capfd):
    path = job(5)
    with hold(JobSpec.from_file(path), "another run"):
        for verb in ("run", "stop"):
            if verb == "stop":
                run_job_of(path)
            assert main([verb, path]) == 5
            out, err = capfd.readouterr()
            assert out == ""
            assert err.startswith(f"{tmp_path}/job is held by ")
            assert f"pid {os.getpid()} (another run) since" in err
            assert err.count("\n") == 1


@pytest.mark.slow
def test_two_runs_at_once(job, tmp_path, prefect_server):
    """The second says who holds the job; the first goes on as if nothing had been."""
    path = job(40, target={"quality": 0.8})
    how = {"env": environment(prefect_server), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = subprocess.Popen(command("run", path, "--json"), **how)
    while not (tmp_path / "job/rounds/001/asked.parquet").exists():
        wait_a_moment(first)
    second = subprocess.run(
        command("run", path, "--json"), env=environment(prefect_server), capture_output=True, text=True
    )
    assert (second.returncode, second.stdout) == (5, "")
    assert f"{tmp_path}/job is held by" in second.stderr
    assert f"pid {first.pid}" in second.stderr
    out, err = first.communicate()
    assert (first.returncode, err) == (0, "")
    assert json.loads(out)["state"] == "complete"


def wait_a_moment(process: subprocess.Popen) -> None:
    try:
        process.wait(0.01)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError(process.communicate())


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_kill_leave_a_job_that_goes_on(end, job, tmp_path, prefect_server, make):
    path = job(60, target={"quality": 0.8})
    process = subprocess.Popen(
        command("run", path, "--json"),
        env=environment(prefect_server),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "job/rounds/002/posted.json").exists():
        wait_a_moment(process)
    os.killpg(process.pid, end)
    out, err = process.communicate()
    # Python itself ends by SIGINT where the exception passed through exec(), as in a dataclass; a shell shows 130, too
    assert process.returncode in (130, -signal.SIGINT), err
    assert out == ""
    assert err == f"interrupted; `roundtruth run {path} --json` goes on with it\n"
    with open_store(f"{tmp_path}/job").hold("nobody holds it"):
        pass
    assert main(["run", path]) == 0
    undisturbed = run_job(make(60, target={"quality": 0.8}, output="undisturbed"))
    assert output(tmp_path / "job") == output(tmp_path / "undisturbed")
    assert cost_of(summarize(Job(f"{tmp_path}/job"))) == cost_of(summarize(undisturbed))


def test_an_interrupted_command_says_how_to_do_it_again(job, monkeypatch, capfd):
    def interrupt(*_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("roundtruth.job.open_store", interrupt)
    path = job(5)
    assert main(["status", path]) == 130
    assert capfd.readouterr() == ("", f"interrupted; `roundtruth status {path}` does it again\n")


def test_an_interrupt_that_gets_lost_on_its_way_is_still_one():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interruptible(["run"]), suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_that_becomes_another_exception_is_still_one():
    """Prefect raises ValueError where one comes before a task's run has its first state."""

    def masked():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("Task run is not set") from None

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interruptible(["run"]):
        masked()
    assert signal.getsignal(signal.SIGINT) is before


def test_sigterm_that_another_handler_takes_is_still_an_interrupt():
    """Prefect has a handler of its own while a flow runs, and what it raises may become any other exception."""

    def masked():
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.raise_signal(signal.SIGTERM)
        raise ValueError("Task run is not set")

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), interruptible(["run"]):
        masked()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_an_interrupt_does_not_end_is_ended(number, monkeypatch, capfd):
    codes, left = [], threading.Event()
    monkeypatch.setattr("roundtruth.cli.PATIENCE", 0.01)
    monkeypatch.setattr(os, "_exit", lambda code: (codes.append(code), left.set()))

    def hang():
        signal.signal(number, lambda *_: None)
        signal.raise_signal(number)
        assert left.wait(60)

    with pytest.raises(KeyboardInterrupt), interruptible(["run", "job.yaml"]):
        hang()
    assert codes == [130]
    assert capfd.readouterr() == ("", "interrupted; `roundtruth run job.yaml` goes on with it\n")


def test_a_fault_is_raised_as_what_it_is(job, capfd, prefect_server, monkeypatch, tmp_path):
    """Python shows its traceback and ends with exit code 1; a line above it says where the log is."""
    from tests.jobs import scripted

    def broken(trained, items):
        raise ZeroDivisionError("a fault of the learner")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = job(20, learner=scripted(monkeypatch, broken))
    with pytest.raises(ZeroDivisionError, match="a fault of the learner"):
        main(["run", path, "--json"])
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    said, log = err.rstrip("\n").split(" The log is ")
    assert said == "This is a fault in roundtruth. Nothing is lost."
    assert Path(log).parent == tmp_path
    assert "ZeroDivisionError: a fault of the learner" in Path(log).read_text()


def test_a_network_that_fails_is_told_in_a_line(job, capfd, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def away(path):
        raise OSError("s3://bucket/job: S3 at AWS: no answer")

    monkeypatch.setattr("roundtruth.job.open_store", away)
    assert main(["status", job(5)]) == 1
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("s3://bucket/job: S3 at AWS: no answer; run the command again when this works. The log is /")


@pytest.mark.slow
def test_a_full_disk_is_told_in_a_line_and_the_job_goes_on_when_there_is_room(job, tmp_path, capfd, make):
    if os.geteuid():
        pytest.skip("only root may mount a disk")
    path = job(60, target={"quality": 0.8}, output="disk/job")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "none", disk], check=True)
    try:
        sizes, said = iter(["100k", "200k", "400k", "20m"]), []
        while (code := main(["run", path, "--json"])) == 2:
            out, err = capfd.readouterr()
            assert (out, err.count("\n")) == ("", 1)
            said.append(err)
            assert "No space left on device; make room and run the command again: nothing is lost" in err
            assert not any(name.startswith(".writing-") for _, _, names in os.walk(disk) for name in names)
            subprocess.run(["mount", "-o", f"remount,size={next(sizes)}", disk], check=True)
        assert code == 0
        assert len(said) > 1
        undisturbed = run_job(make(60, target={"quality": 0.8}, output="undisturbed"))
        assert output(disk / "job") == output(tmp_path / "undisturbed")
        assert cost_of(json.loads(capfd.readouterr().out)) == cost_of(summarize(undisturbed))
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_with_a_server_of_its_own(job, tmp_path):
    """Nothing on standard error, nothing but the summary on standard output, and no process and no folder left."""
    path = job(20, workforce=FILES)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "home").mkdir()
    env = environment() | {"TMPDIR": f"{tmp_path}/tmp", "HOME": f"{tmp_path}/home"}
    env["TORCHINDUCTOR_CACHE_DIR"] = f"{tmp_path}/torch"  # torch leaves this one
    for expected in (3, 2, 0):
        if expected == 2:
            job(20, workforce={"backend": "simulated", "answers": "none.csv", "answers_per_item": 1})
        if expected == 0:
            job(20, workforce=FILES)
            answer(tmp_path, range(1, 21))
        process = subprocess.Popen(
            command("run", path, "--json"),
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        out, err = process.communicate()
        assert process.returncode == expected
        assert err.count("\n") == (expected == 2), err
        assert (expected == 2) == (out == "")
        assert out == "" or json.loads(out)["state"] == {3: "waiting", 0: "complete"}[expected]
        assert living(str(tmp_path)) == []
        assert list((tmp_path / "tmp").iterdir()) == []
        assert not any(path.is_file() for path in (tmp_path / "home").rglob("*.db*"))


def living(mark: str) -> list[int]:
    """The processes whose environment has `mark` in it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdecimal()
                and mark.encode() in (entry / "environ").read_bytes()
                and int(entry.name) != os.getpid()
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.fixture
def small_demo(monkeypatch, prefect_server):
    """small_demo(kind): 300 items, people who never err, an easy target, a learner that needs no time, no Prefect."""

    def made(kind: str) -> None:
        drawn = kind == "object-detection"
        name, write = ("scenes", boxes) if drawn else ("digits", digits)
        monkeypatch.setattr(demo, name, lambda folder: write(folder, 300))
        job = yaml.safe_load(demo.JOBS[kind])
        job |= {"learner": f"fast_learner:{'Boxes' if drawn else 'Logistic'}"}
        job |= {"target": {"quality": 0.5 if drawn else 0.8}, "workforce": job["workforce"] | {"noise": 0}}
        job |= {"classes": COLOURS} if drawn else {}
        monkeypatch.setitem(demo.JOBS, kind, yaml.safe_dump(job, sort_keys=False, default_flow_style=None))
        monkeypatch.setattr(cli, "run_flow", straight)
        monkeypatch.setattr(PrefectServer, "start", lambda server: None)

    return made


def straight(spec, server) -> None:
    """The job without the flow."""
    loop.run(spec)


def flat(out: str) -> str:
    """Printed lines as one, whatever was wrapped."""
    return " ".join(out.split())


def cells(out: str) -> list[list[str]]:
    """The rows of all tables in `out`."""
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]


def summary_of(job: Path) -> dict:
    return json.loads((job / "report/summary.json").read_text())


def stand_beside_amazons(summary: dict, table: list[list[str]]) -> None:
    *rows, total = table
    assert len(rows) == max(5, len(summary["rounds"]))
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    mine = [[str(row["human"]), str(row["auto"]), f"{row['cost']:.2f}"] for row in summary["rounds"]]
    assert [[row[1], row[2], row[4]] for row in rows] == mine + [["", "", ""]] * (len(rows) - len(mine))
    assert list(zip(*(row[5:] for row in rows[:5]))) == [
        ("10", "190", "200", "200", "8"),
        ("0", "0", "0", "27", "365"),
        ("2.60", "49.40", "52.00", "54.16", "31.28"),
    ]
    cost = f"{summary['cost']['total']:.2f}"
    assert total == ["all", str(summary["human"]), str(summary["auto"]), "", cost, "608", "392", "189.44"]


GOALS = {
    "object-detection": "a mean IoU of at least 0.5",
    "image-classification": "an accuracy of at least 0.8",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", GOALS)
def test_the_demo_promises_and_is_compared_with_the_plan_that_does_not(kind, small_demo, tmp_path, capfd):
    small_demo(kind)
    folder, goal = tmp_path / "demo", GOALS[kind]
    command = ["demo", "--kind", kind, "--dir", str(folder)]
    assert main(command) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert sorted(path.name for path in folder.iterdir() if path.name != "images") == [
        "input.manifest", "job", "job.yaml", "truth.manifest",
    ]  # fmt: skip
    certified = summary_of(folder / "job")
    assert certified["auto"] > 0
    assert certified["target"]["holds"] is True
    words = " ".join(out.split())
    said = f"{certified['auto']} labels by the model match people's labels with {goal}"
    assert f"Promised: {said}; the chance that this is wrong is at most 5 %." in words
    assert f"{100 * certified['cost']['saving']:.1f} % saved." in words
    assert f"{folder}/job/report/index.html\n" in out
    if kind == "object-detection":
        stand_beside_amazons(certified, cells(out))
        assert "189.44 instead of 260.00, 27.1 % saved, nothing promised." in words
    else:
        assert "Amazon" not in out

    assert main([*command, "--compare"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert summary_of(folder / "job") == certified  # it was done, and stays
    assert f"Nothing is promised: The threshold was read off the validation items, aiming at {goal};" in flat(out)
    naive = summary_of(folder / "ground-truth")
    assert naive["auto"] > 0
    assert naive["items"] == certified["items"] == 300
    assert (folder / "ground-truth/report/index.html").exists()
    whole = summary_of(folder / "whole-dataset")
    promises = [f"{labels}: {goal.rpartition(' ')[2]}" for labels in ("auto labels", "all labels")]
    assert whole_cells(out)[-5:-2] == [
        [
            plan, f"{one['answers'] / one['human']:.2f}", str(one["human"]), str(one["auto"]),
            f"{one['measured']['auto']:.3f}", f"{one['cost']['total']:.2f}",
            f"{100 * (1 - one['cost']['total'] / 78):.1f} %", promised,
        ]
        for plan, one, promised in zip(
            ("certified", "certified", "ground-truth"), (certified, whole, naive), (*promises, "nothing")
        )
    ]  # fmt: skip
    (few, five) = whole_cells(out)[-2:]
    assert five == ["people alone", "5.00", "300", "0", "-", "78.00", "0.0 %", ""]
    assert few[0] == "people alone"
    assert 2 <= float(few[1]) < 5
    assert float(few[5]) == pytest.approx(300 * (0.08 + 0.036 * float(few[1])), abs=0.06)
    # both are jobs like any other
    assert main(["status", str(folder / "ground-truth.yaml"), "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == naive


def whole_cells(out: str) -> list[list[str]]:
    """`cells`, where a cell that is broken into lines is one again."""
    found: list[list[str]] = []
    for row in cells(out):
        if found and row and row[0] == "" and len(row) == len(found[-1]):
            found[-1] = [f"{before} {more}".strip() for before, more in zip(found[-1], row)]
        else:
            found.append(row)
    return found


@pytest.mark.slow
def test_the_other_plan_gets_what_was_changed_in_the_demos_job_file(small_demo, tmp_path, capfd):
    small_demo("image-classification")
    job = tmp_path / "demo/job.yaml"
    demo.write(job.parent, "image-classification")
    given = yaml.safe_load(job.read_text())
    job.write_text(job.read_text().replace("quality: 0.8", "quality: 0.7") + "budget: 10\n")
    changed = [
        {key: value for key, value in yaml.safe_load(other.read_text()).items() if given.get(key) != value}
        for other in demo.others(job)
    ]
    assert changed == [
        {
            "name": "handwritten digits, whole dataset", "output": "whole-dataset",
            "target": {"quality": 0.7, "of": "dataset"}, "budget": 10,
        },
        {
            "name": "handwritten digits, ground truth", "output": "ground-truth", "plan": "ground-truth",
            "target": {"quality": 0.7}, "budget": 10, "workforce": given["workforce"] | {"answers_per_item": 5},
        },
    ]  # fmt: skip
    assert "answers" not in yaml.safe_load(job.with_name("ground-truth.yaml").read_text())
    assert main(["demo", "--kind", "image-classification", "--dir", str(job.parent), "--compare"]) == 4
    assert cells(capfd.readouterr().out)[-1][0] == "people alone"
    assert summary_of(tmp_path / "demo/ground-truth")["state"] == "stopped"
    job.write_text("seed: 1\n" + job.read_text())
    assert main(["demo", "--kind", "image-classification", "--dir", str(job.parent)]) == 2
    assert capfd.readouterr().err.startswith(f"{job}: line 1: seed: the job in {job.parent}/job has 0")
    assert main(["demo", "--dir", str(job.parent)]) == 2
    assert "holds the demo of image-classification" in capfd.readouterr().err


SLOW = ("torch", "torchvision", "prefect", "matplotlib", "sklearn", "scipy", "s3fs", "jinja2", "rich")


def imported(argv: list[str]) -> tuple[int, list[str]]:
    """The exit code of a command in a process of its own, and the slow packages that it imported.

    The process would fail if it started another one, such as a server.
    """
    code = f"""
import subprocess, sys
def no(*args, **kwargs):
    raise AssertionError("a process was started")
subprocess.Popen = no
from roundtruth.cli import main
try:
    code = main({argv})
except SystemExit as ended:
    code = ended.code
print()
print(code, *[name for name in {SLOW} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert done.stdout, done.stderr
    ended, *found = done.stdout.splitlines()[-1].split()
    return int(ended), found


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("finished")
    digits(folder, 10)
    path = str(write_job(folder))
    loop.run(JobSpec.from_file(path))
    return path


@pytest.mark.parametrize(
    ("verb", "options", "code"),
    [
        ("--help", [], 0),
        ("status", ["--json"], 0),
        ("run", ["--json"], 0),
        ("export", ["--to", "csv", "labels.csv"], 0),
    ],
)
def test_what_needs_no_model_and_no_server_starts_quickly(verb, options, code, finished, tmp_path):
    where = [] if verb == "--help" else [finished]
    options = [str(tmp_path / option) if option == "labels.csv" else option for option in options]
    ended, found = imported([verb, *where, *options])
    assert (ended, found) == (code, [])


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("--help", []),
        ("--version", []),
        ("run", ["--json"]),
        ("status", []),
        *(pytest.param(verb, [], marks=pytest.mark.slow) for verb in ("run", "forecast", "report")),
        ("export", ["--to", "csv", "labels.csv"]),
    ],
)
def test_a_reader_that_leaves_early_is_no_fault(verb, options, finished, tmp_path):
    """`roundtruth status job.yaml | head -1`"""
    reads, writes = os.pipe()
    os.close(reads)
    where = [] if verb.startswith("--") else [finished]
    options = [str(tmp_path / option) if option == "labels.csv" else option for option in options]
    with os.fdopen(writes, "wb") as pipe:
        done = subprocess.run(
            command(verb, *where, *options), env=environment(), stdout=pipe, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (0, "")


def test_python_runs_the_package_as_the_command():
    ran = subprocess.run([sys.executable, "-m", "roundtruth", "--version"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.split()[0], ran.stderr) == (0, "roundtruth", "")


def test_the_version(capsys):
    from importlib.metadata import version

    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"roundtruth {version('roundtruth')}\n")


def test_a_forecast_starts_quickly(job):
    assert imported(["forecast", job(10, plan="certified"), "--json"]) == (0, ["scipy"])


def test_a_promise_about_a_table_starts_quickly(tmp_path):
    for name, text in (("predictions", "item,label,score\na,cat,1\nb,cat,1\n"), ("checked", "item,label\na,cat\n")):
        (tmp_path / f"{name}.csv").write_text(text)
    tables = [str(tmp_path / "predictions.csv"), "--labels", str(tmp_path / "checked.csv")]
    assert imported(["certify", *tables, "--quality", "0.9", "--json"]) == (0, ["scipy"])


def test_a_mistake_is_reported_quickly(finished):
    assert imported(["run", finished + "x"]) == (2, [])


def test_a_job_that_waits_starts_quickly_until_somebody_answers(job, tmp_path, capfd, without_prefect):
    path = job(20, workforce=FILES)
    assert main(["run", path, "--json"]) == 3
    waiting = capfd.readouterr().out
    assert main(["report", path]) == 0
    capfd.readouterr()
    assert imported(["run", path, "--json"]) == (3, [])
    assert main(["run", path, "--json"]) == 3
    assert capfd.readouterr().out == waiting
    answer(tmp_path, Job(f"{tmp_path}/job").batch(1)["item"][:1])
    assert main(["run", path, "--json"]) == 3
    assert json.loads(capfd.readouterr().out)["answers"] == 1


def test_a_demo_in_a_folder_that_cannot_be(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(PrefectServer, "start", lambda server: None)
    (tmp_path / "file").write_text("")
    assert main(["demo", "--dir", f"{tmp_path}/file"]) == 2
    said = "no pictures can be written there (Not a directory); give another folder"
    assert capfd.readouterr().err == f"{tmp_path}/file: --dir: {said}\n"


@pytest.mark.parametrize(
    ("argv", "offered"),
    [(["export", "job.yaml", "x", "--to", "xls"], "coco"), (["demo", "--kind", "cats"], "image-classification")],
)
def test_what_a_verb_offers_is_said_where_something_else_is_asked_for(argv, offered, capsys):
    assert main(argv) == 2
    assert "invalid choice" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([argv[0], "--help"])
    assert offered in capsys.readouterr().out


def test_help_names_every_verb(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for verb in ("demo", "run", "status", "stop", "report", "export"):
        assert f"    {verb}" in out
