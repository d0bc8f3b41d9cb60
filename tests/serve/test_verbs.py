"""`roundtruth link`, `serve` and `label`, as far as no browser is needed."""

import re
import shutil
import threading

import httpx
import pytest
import yaml

from roundtruth import cli, steps
from roundtruth.serve import alone, links, team
from roundtruth.serve.desk import Desk
from roundtruth.serve.owner import Owner


@pytest.fixture
def job(open_job, tmp_path):
    """A job that waits for people, and its job file."""
    return open_job(), str(tmp_path / "job.yaml")


def lines(capsys, *argv: str) -> list[str]:
    assert cli.main(list(argv)) == cli.DONE
    return capsys.readouterr().out.splitlines()


def test_links_are_made_once_listed_and_revoked(job, capsys):
    _, path = job
    assert lines(capsys, "link", path) == ["Nobody has a link yet; `roundtruth link JOB.yaml NAME` makes one."]
    (anna,) = lines(capsys, "link", path, "Anna B", "--url", "https://label.example.org/")
    assert re.fullmatch(r"https://label\.example\.org/w/[0-9a-f]{12}-[0-9a-f]{16}-[0-9]+-[\w-]{43}/", anna)
    assert lines(capsys, "link", path, " anna  b ", "--url", "https://label.example.org") == [anna]
    (ben,) = lines(capsys, "link", path, "ben")
    assert ben.startswith("http://127.0.0.1:8484/w/")
    assert lines(capsys, "link", path)[1] == f"ben: {ben}"
    assert lines(capsys, "link", path, "ANNA B", "--revoke") == ["1 link of ANNA B revoked."]
    assert [line.partition(":")[0] for line in lines(capsys, "link", path)] == ["ben"]
    assert lines(capsys, "link", path, "Anna B", "--url", "https://label.example.org") != [anna]


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\0b", "\x1b[31m"])
def test_a_name_that_nobody_can_have_is_refused(job, capsys, name):
    assert cli.main(["link", job[1], name]) == cli.MISTAKE
    assert "cannot be a person's name" in capsys.readouterr().err


def test_what_people_do_not_label_on_the_page_is_refused(make, tmp_path, capsys):
    from roundtruth.begin import begin

    begin(make(12))
    path = str(tmp_path / "job.yaml")
    for argv in (["link", path, "ann"], ["serve", path], ["label", path]):
        assert cli.main(argv) == cli.MISTAKE
        told = "line 6: workforce: nobody labels on a page in this job; say `backend: page`, not simulated"
        assert told in capsys.readouterr().err


def test_one_person_cannot_label_what_two_are_to_answer(make, tmp_path, capsys):
    make(12, workforce={"backend": "page"})
    assert cli.main(["label", str(tmp_path / "job.yaml")]) == cli.MISTAKE
    err = capsys.readouterr().err
    assert "line 6: workforce: this command is for one person, and the job asks 2 about each item" in err
    assert not (tmp_path / "job").exists()


def test_a_key_that_is_too_short_is_refused(job, capsys, monkeypatch):
    monkeypatch.setenv("ROUNDTRUTH_LINK_KEY", "short")
    assert cli.main(["link", job[1], "ann"]) == cli.MISTAKE
    assert "ROUNDTRUTH_LINK_KEY: too short: 5 characters" in capsys.readouterr().err


def test_the_key_is_made_once_for_its_owner_alone(job, capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("ROUNDTRUTH_LINK_KEY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    first = lines(capsys, "link", job[1], "ann")
    key = tmp_path / "config/roundtruth/link-key"
    assert key.stat().st_mode & 0o077 == 0
    links._kept.cache_clear()
    assert lines(capsys, "link", job[1], "ann") == first


def test_every_job_below_a_folder_is_served_also_one_that_begins_later(open_job, tmp_path, monkeypatch):
    monkeypatch.setattr(team, "SEARCH", 0.0)
    told = []
    with team.served(str(tmp_path), "127.0.0.1", 0, "http://x", told.append) as said:
        assert said[0].startswith("Serving 0 jobs at http://127.0.0.1:")
        address = said[0].split()[4].rstrip(";")
        for name in ("one", "two"):
            job = open_job(folder=tmp_path / name)
            token = links.token(links.job_id(job.store), links.of(job.store, "ann"))
            found = httpx.get(f"{address}/w/{token}/api/job", timeout=30)
            assert (found.status_code, found.json()["worker"]) == (200, "ann")


def test_a_copy_of_a_job_is_told(open_job, tmp_path):
    open_job(folder=tmp_path / "one")
    with team.served(str(tmp_path), "127.0.0.1", 0, "http://x", print):
        pass
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with team.served(str(tmp_path), "127.0.0.1", 0, "http://x", print) as said:
        assert said[2:3] == [f"Left out: {tmp_path}/two/job: a copy of {tmp_path}/one/job, with the same links"]


def test_a_port_that_is_taken_is_a_mistake(job, capsys):
    with team.served(job[0].address, "127.0.0.1", 0, "http://x", print) as said:
        port = re.search(r":(\d+);", said[0])[1]
        assert cli.main(["serve", job[1], "--port", port]) == cli.MISTAKE
    assert "give another --port" in capsys.readouterr().err


@pytest.mark.slow
def test_the_page_of_one_person_ends_when_the_job_is_stopped(job):
    desk = Desk(job[0].address)
    waiting = threading.Thread(target=alone.Page(desk, "").wait, daemon=True)
    waiting.start()
    with job[0].store.hold("roundtruth stop"):
        steps.stop(job[0])
        waiting.join(2 * alone.LOOK)
        assert waiting.is_alive()
    waiting.join(60)
    assert not waiting.is_alive()


def test_the_figures_of_one_person_leave_out_the_open_batch(job):
    desk = Desk(job[0].address)
    figures = Owner(job[0].address, lambda: [desk]).overview_of(desk).figures
    assert figures().startswith("Before this batch: 0 of 60 labeled by you, 0 by the model.")
    steps.stop(job[0])
    desk.look(anew=True)
    assert figures() == "0 of 60 labeled by you, 0 by the model."


def test_who_asks_how_the_job_stands_learns_when_it_goes_on(job, capsys):
    assert any("`roundtruth label` goes on by itself" in line for line in lines(capsys, "status", job[1]))


def test_without_an_address_links_lead_to_the_port_that_is_served(job, capsys):
    lines(capsys, "link", job[1], "ann")
    with team.served(job[0].address, "127.0.0.1", 0, None, print) as said:
        port = said[0].split(":")[2].split(";")[0]
        assert any(line.startswith(f"  ann: http://127.0.0.1:{port}/w/") for line in said)


def test_a_job_with_a_crowd_tells_the_address_for_the_study(open_job):
    job = open_job(crowd={"code": "C1A2B3C4"})
    with team.served(job.address, "127.0.0.1", 0, "https://x.org/", print) as said:
        ids = "PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
        assert said[-1] == f"  Study URL for Prolific: https://x.org/join/prolific?{ids}"


def test_who_serves_to_others_without_https_is_warned(job):
    with team.served(job[0].address, "0.0.0.0", 0, "http://x", print) as said:
        assert any("HTTPS" in line for line in said)
    with team.served(job[0].address, "0.0.0.0", 0, "https://x", print) as said:
        assert not any("HTTPS" in line for line in said)


def test_a_job_whose_people_are_named_later_goes_on(open_job, tmp_path):
    """More answers per item can be asked for while the page is open."""
    from roundtruth import loop
    from roundtruth.begin import begin
    from roundtruth.spec import JobSpec

    job = open_job()
    desk = Desk(job.address)
    path = tmp_path / "job.yaml"
    given = yaml.safe_load(path.read_text())
    given["workforce"]["answers_per_item"] = 2
    path.write_text(yaml.safe_dump(given))
    begin(JobSpec.from_file(path))
    loop.rounds(job.address)
    desk.look(anew=True)
    assert set(desk.asked.values()) == {2}
