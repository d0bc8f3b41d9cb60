"""Who may use which route, and texts that try to be more than text."""

from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.routing import Route

from roundtruth.serve import links
from roundtruth.serve.desk import Desk
from roundtruth.serve.owner import Owner
from roundtruth.serve.site import Site
from roundtruth.spec import JobSpec
from tests.jobs import digits, write_job
from tests.serve.jobs import answer, pages, waiting
from tests.serve.test_owner import office

# Every route: its path and methods, and who may use it
ANYBODY = {("/static/{name}", "GET"), ("/join/prolific", "GET")}
WORKER = {
    ("/w/{token}", "GET"),  # leads to the next
    ("/w/{token}/", "GET"),
    ("/w/{token}/api/job", "GET"),
    ("/w/{token}/api/next", "POST"),
    ("/w/{token}/api/answers", "GET"),
    ("/w/{token}/api/answers", "POST"),
    ("/w/{token}/pictures/{item:int}", "GET"),
    ("/w/{token}/instructions/{name:path}", "GET"),
}
OWNER = {
    ("/o/{token}", "GET"),  # leads to the next
    ("/o/{token}/", "GET"),
    ("/o/{token}/api/jobs", "GET"),
    ("/o/{token}/jobs/{job}/api/overview", "GET"),
    ("/o/{token}/jobs/{job}/api/gallery", "GET"),
    ("/o/{token}/jobs/{job}/api/again", "POST"),
    ("/o/{token}/jobs/{job}/api/people", "POST"),
    ("/o/{token}/jobs/{job}/api/links", "POST"),
    ("/o/{token}/jobs/{job}/pictures/{item:int}", "GET"),
    ("/o/{token}/jobs/{job}/report/", "GET"),
    ("/o/{token}/jobs/{job}/submissions.csv", "GET"),
}

HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "'; DROP TABLE jobs; --",
    "javascript:alert(1)", "{{7*7}}", "{% include '/etc/passwd' %}", "${jndi:ldap://x/a}", "../../etc/passwd",
    "..\\..\\windows\\win.ini", "%2e%2e%2f", "%00", "\x00", "\x1b[31mred", "\u202edrawkcab", "\u2066\u2069", "\ufeff",
    "\u200b", "a\u0301" * 50, "\U0001f9a0" * 100, "=cmd|' /C calc'!A0", "+1+1", "@SUM(1)", "-1", "NULL", "NaN", "1e999",
    "\r\nSet-Cookie: a=b", "x" * 5000, "\ud800",
]  # fmt: skip


@pytest.fixture
def ann(open_job):
    with pages(Desk(open_job().address)) as page:
        yield page("ann")


def routes() -> list[Route]:
    app = Site({}.get, owner=Owner("", list).routes()).app()
    return [route for route in app.routes if isinstance(route, Route)]


def test_every_route_is_in_the_table():
    found = {(route.path, method) for route in routes() for method in route.methods if method != "HEAD"}
    assert found == ANYBODY | WORKER | OWNER


@pytest.mark.parametrize(("path", "method"), sorted(WORKER - {("/w/{token}", "GET")}))
def test_a_route_of_a_link_needs_a_good_link(ann, path, method):
    """With a good one it answers; with any other it says 404 and nothing of the job."""
    item = ann.next()[0]
    places = {"{item:int}": str(item), "{name:path}": "a.png"}
    for place, value in places.items():
        path = path.replace(place, value)
    good = ann.client.request(method, path.replace("/w/{token}", ann.at), content="{}")
    assert "This link is not valid" not in good.text
    for token in ("x", ann.at[3:-1] + "!", f"{'0' * 12}-{'0' * 16}-1-{'A' * 43}", f"owner-{'A' * 43}"):
        bad = ann.client.request(method, path.replace("{token}", token), content="{}")
        assert bad.status_code == 404
        assert "digits" not in bad.text


def test_routes_of_the_owner_need_the_owners_link(open_job):
    """No other one opens them, a person's least of all; and there is no other job than those that are served."""
    with office(open_job().address) as owner:
        person, item = owner.page("ann").at[3:], next(iter(owner.desk.asked))

        def ask(method: str, path: str, token: str, job: str = owner.desk.id):
            path = path.replace("{item:int}", str(item)).replace("{token}", token).replace("{job}", job)
            return owner.client.request(method, path, content="{}")

        for path, method in sorted(OWNER - {("/o/{token}", "GET")}):
            assert "This link is not valid" not in ask(method, path, owner.at[3:]).text
            for token in (person, "x", owner.at[3:-1], links.owner("elsewhere"), f"1-{'A' * 43}"):
                bad = ask(method, path, token)
                assert bad.status_code == 404
                assert "digits" not in bad.text
            if "{job}" in path:
                assert ask(method, path, owner.at[3:], "0" * 12).status_code == 404


def test_hostile_texts_of_the_owner_are_refused_or_kept_as_text(open_job):
    with office(open_job().address) as owner:
        for text in HOSTILE:
            page = quote(text, errors="surrogatepass")
            said = [
                owner.post("links", worker=text, what="make"), owner.post("links", worker=text, what=text),
                owner.post("people", worker=text, what="pause"), owner.post("again", worker=text, item=1, comment=text),
                owner.post("again", worker="ann", item=text, comment="x"), owner.get(f"api/gallery?page={page}"),
            ]  # fmt: skip
            assert [one.status_code for one in said if one.status_code not in (200, 404, 409, 422)] == []
            assert all(one.headers["content-type"] == "application/json" for one in said)
            if said[0].status_code == 200:
                assert said[0].json()["worker"] in owner.people()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(ann, method):
    for path in ("api/job", "api/answers", "api/next", "pictures/1", ""):
        assert ann.client.request(method, f"{ann.at}/{path}").status_code == 405


def test_hostile_texts_are_refused_or_kept_as_text(open_job):
    with pages(Desk(open_job(answers_per_item=99).address)) as page:
        for number, text in enumerate(HOSTILE):
            who = page(f"ann {number}")
            item = who.next()[0]
            said = [
                who.say(item, [{"label": text}]), who.say(item, [{text: "1"}]), who.say(item, None, reason=text),
                who.post("api/answers", answer(item, [{"label": "1"}], nonce=text)), who.post("api/answers", text),
                who.post("api/next", {"have": [text]}), who.post("api/answers", answer(item, text)),
            ]  # fmt: skip
            assert [one.status_code for one in said if one.status_code not in (200, 422)] == []
            assert all(one.headers["content-type"] == "application/json" for one in said)
            if said[2].status_code == 200:
                assert who.get("api/answers").json()["answers"][0]["reason"] == text.strip()
            assert who.get("api/job").status_code == 200


def test_hostile_names_of_jobs_classes_and_people_arrive_as_text(tmp_path):
    digits(tmp_path, 60)
    names = [text for text in HOSTILE[:12] if text.isprintable()]
    spec = JobSpec.from_file(
        write_job(tmp_path, name=HOSTILE[0], classes=names, workforce={"backend": "page", "answers_per_item": 1})
    )
    job = waiting(spec)
    with pages(Desk(job.address)) as page:
        who = page(HOSTILE[1])
        about = who.get("api/job")
        assert about.headers["content-type"] == "application/json"
        assert (about.json()["job"], about.json()["classes"]) == (HOSTILE[0], names)
        assert about.json()["worker"] == HOSTILE[1]
        assert HOSTILE[0] not in who.get("").text
        assert who.say(who.next()[0], [{"label": names[0]}]).status_code == 200


def test_no_secret_is_in_the_job_folder(open_job):
    job = open_job()
    with pages(Desk(job.address)) as page:
        ann = page("ann")
        assert ann.say(ann.next()[0], [{"label": "1"}]).status_code == 200
        signature = ann.at[-43:]  # it may hold a hyphen itself
        assert links.parse(ann.at[3:]) is not None
        assert ann.at[-44] == "-"
    kept = b"".join(path.read_bytes() for path in Path(job.address).rglob("*") if path.is_file())
    assert signature.encode() not in kept
    assert b"k" * 40 not in kept
