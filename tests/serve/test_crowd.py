"""People from Prolific: entry, bundles, exit. A stand-in for Prolific makes the addresses and checks where they end."""

import secrets
import time
from contextlib import contextmanager
from urllib.parse import parse_qs, urlparse

import pytest
from starlette.testclient import TestClient

from roundtruth import cli, loop
from roundtruth.job import Job
from roundtruth.serve import crowd
from roundtruth.serve.desk import Desk
from roundtruth.serve.site import Site
from roundtruth.serve.team import Desks
from tests.jobs import write_job
from tests.serve.jobs import Page

CODE, STUDY = "C1A2B3", "5f1e00000000000000000001"


class Prolific:
    """Sends people, and pays those who come back with the right code."""

    def __init__(self, client: TestClient, study: str = STUDY):
        self.client, self.study = client, study

    def enter(self, participant: str, session: str | None = None):
        ids = {"PROLIFIC_PID": participant, "STUDY_ID": self.study, "SESSION_ID": session or secrets.token_hex(12)}
        return self.client.get("/join/prolific", params=ids, follow_redirects=False)

    def page(self, participant: str, session: str | None = None) -> Page:
        sent = self.enter(participant, session)
        assert sent.status_code == 303, sent.text
        return Page(self.client, sent.headers["location"].split("/")[-2])

    @staticmethod
    def pays(address: str) -> bool:
        found = urlparse(address)
        where = found.scheme, found.netloc, found.path
        return where == ("https", "app.prolific.com", "/submissions/complete") and parse_qs(found.query) == {
            "cc": [CODE]
        }


@contextmanager
def prolific(*desks: Desk):
    studies = {STUDY: desks[0]}
    with TestClient(Site({desk.id: desk for desk in desks}.get, studies.get).app()) as client:
        yield Prolific(client)


@pytest.fixture
def crowd_job(open_job):
    def made(**changed):
        return open_job(n=200, answers_per_item=2, crowd={"code": CODE, "study": STUDY, "bundle": 3} | changed)

    return made


def label(page: Page, most: int = 1000) -> list[int]:
    done = []
    while len(done) < most and (items := page.next()):
        assert page.say(items[0], [{"label": "1"}]).status_code == 200
        done.append(items[0])
    return done


def test_a_submission_is_one_bundle_and_ends_on_the_completion_code(crowd_job):
    desk = Desk(crowd_job().address)
    with prolific(desk) as study:
        page = study.page("p1")
        assert page.get("api/job").json()["worker"] == "prolific-p1"
        assert page.get("api/job").json()["exit"] == ""
        assert len(label(page)) == 3
        about = page.get("api/job").json()
        assert about["state"] == "done"
        assert study.pays(about["exit"])
        again = study.page("p1")  # a new submission of the same person
        more = label(again)
        assert len(more) == 3
        table = crowd.table(desk.log, list(desk._visits.values()))
    assert table["answers"].tolist() == table["items"].tolist() == [3, 3]
    assert set(table["participant"]) == {"p1"}


def test_a_person_from_the_crowd_sees_how_much_of_their_own_bundle_is_done(crowd_job):
    with prolific(Desk(crowd_job().address)) as study:
        label(study.page("p1"), 2)
        label(study.page("p2"), 3)
        again = study.page("p2")
        label(again, 1)
        said = again.get("api/job").json()
    assert (said["answered"], said["asked"], said["mine"]) == (1, 3, 4)


def test_who_comes_back_goes_on_with_the_same_bundle(crowd_job):
    with prolific(Desk(crowd_job().address)) as study:
        first = study.page("p1", "s1")
        done = label(first, 2)
        again = study.page("p1", "s1")
        assert again.at == first.at
        assert len(label(again)) == 1
        assert len(set(done)) == 2


def test_everybody_together_give_exactly_the_answers_that_were_wanted(crowd_job):
    job = crowd_job()
    with prolific(Desk(job.address)) as study:
        for number in range(100):
            sent = study.enter(f"p{number}")
            if sent.status_code == 410:
                break
            label(Page(study.client, sent.headers["location"].split("/")[-2]))
        assert sent.status_code == 410
        assert "nothing left to label" in sent.text
    loop.rounds(job.address)
    answers = Job(job.address).answers(1)
    assert answers.groupby("item").size().tolist() == [2] * len(job.asks(1))
    assert not answers.duplicated(["item", "worker"]).any()


def test_a_bundle_frees_itself_when_its_time_is_over(crowd_job):
    job = crowd_job(minutes=0.02, bundle=1000)
    with prolific(Desk(job.address)) as study:
        page = study.page("p1")
        held = page.next()
        end = time.monotonic() + 60
        while page.get("api/job").json().get("state") != "done":  # too many requests have none
            assert time.monotonic() < end
            time.sleep(0.1)
        assert page.next() == []
        assert page.get("api/job").json()["exit"] == ""  # without an answer nobody is done
        other = study.page("p2")
        assert set(other.next()) & set(held) or other.next()


def test_two_servers_take_one_submission_for_one(crowd_job):
    job = crowd_job()
    with prolific(Desk(job.address)) as here, prolific(Desk(job.address)) as there:
        assert here.page("p1", "s1").at == there.page("p1", "s1").at
        assert there.enter("p2", "s1").status_code == 410  # the submission is another's


@pytest.mark.parametrize(
    "ids",
    [
        {}, {"PROLIFIC_PID": "p1"}, {"PROLIFIC_PID": "", "STUDY_ID": STUDY, "SESSION_ID": "s"},
        {"PROLIFIC_PID": "../x", "STUDY_ID": STUDY, "SESSION_ID": "s"},
        {"PROLIFIC_PID": "p", "STUDY_ID": STUDY, "SESSION_ID": "<script>"},
        {"PROLIFIC_PID": "p" * 65, "STUDY_ID": STUDY, "SESSION_ID": "s"},
        {"PROLIFIC_PID": "p\n", "STUDY_ID": STUDY, "SESSION_ID": "s"},
    ],
)  # fmt: skip
def test_a_visit_without_good_ids_is_refused_and_nothing_is_kept(crowd_job, ids):
    job = crowd_job()
    with prolific(Desk(job.address)) as study:
        said = study.client.get("/join/prolific", params=ids)
        assert (said.status_code, said.headers["content-type"]) == (400, "text/plain; charset=utf-8")
        assert "<" not in said.text
    assert job.store.list("people/crowd/") == []


def test_the_study_says_which_job(open_job, tmp_path, monkeypatch):
    open_job(n=60, folder=tmp_path / "one", crowd={"code": CODE, "study": "a1"})
    open_job(n=60, folder=tmp_path / "two", crowd={"code": CODE})
    open_job(n=60, folder=tmp_path / "three")
    desks = Desks(str(tmp_path), print)
    assert desks.of_study("a1").store.address.endswith("one/job")
    assert desks.of_study("b2").store.address.endswith("two/job")
    open_job(n=60, folder=tmp_path / "four", crowd={"code": CODE})
    desks.searched = -1e9
    assert desks.of_study("b2") is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"code": "no blanks"}, "workforce.crowd.code"),
        ({"code": CODE, "bundel": 3}, "workforce.crowd.bundel: there is no such key; do you mean bundle?"),
        ({}, "workforce.crowd.code: this key is missing; add it"),
        (7, "workforce.crowd: it holds other keys: code, study, bundle, minutes"),
    ],
)
def test_mistakes_name_the_key(tmp_path, capsys, given, said):
    path = write_job(tmp_path, workforce={"backend": "page", "crowd": given})
    assert cli.main(["run", str(path)]) == cli.MISTAKE
    assert said in capsys.readouterr().err
