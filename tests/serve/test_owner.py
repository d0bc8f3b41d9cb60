"""The owner's overview, asked as its page asks it."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pandas as pd
import pytest
from starlette.testclient import TestClient

from roundtruth import loop, steps
from roundtruth.job import Job
from roundtruth.serve import links
from roundtruth.serve.desk import Desk
from roundtruth.serve.owner import Owner
from roundtruth.serve.people import People
from roundtruth.serve.site import Site
from roundtruth.storage import open_store
from tests.serve.jobs import BOX, Page


class Office:
    """The owner's page, and the pages of people, on one server."""

    def __init__(self, client: TestClient, desk: Desk, root: str):
        self.client, self.desk, self.at = client, desk, f"/o/{links.owner(root)}"
        self.job = f"{self.at}/jobs/{desk.id}"

    def get(self, path: str):
        return self.client.get(f"{self.job}/{path}")

    def post(self, path: str, **body):
        return self.client.post(f"{self.job}/api/{path}", content=json.dumps(body))

    def people(self) -> dict[str, dict]:
        return {row["worker"]: row for row in self.get("api/overview").json()["people"]}

    def page(self, name: str) -> Page:
        token = links.token(self.desk.id, links.of(self.desk.store, name))
        self.desk.look(anew=True)
        return Page(self.client, token)


@contextmanager
def office(address: str):
    desk = Desk(address)
    owner = Owner(address, lambda: [desk])
    with TestClient(Site({desk.id: desk}.get, owner=owner.routes()).app()) as client:
        yield Office(client, desk, address)


def label_all(page: Page) -> list[int]:
    done = []
    while items := page.next():
        assert page.say(items[0], [{"label": "1"}]).status_code == 200
        done.append(items[0])
    return done


def test_the_owner_sees_how_jobs_stand(open_job):
    job = open_job(n=60, answers_per_item=2)
    with office(job.address) as owner:
        ann = owner.page("ann")
        first, second = ann.next()
        ann.say(first, [{"label": "1"}], seconds=2)
        ann.say(second, None, reason="too dark", seconds=4)
        found = owner.client.get(f"{owner.at}/api/jobs").json()
        assert found["left_out"] == []
        (shown,) = found["jobs"]
        assert (shown["name"], shown["state"], shown["round"], shown["answered"]) == ("digits", "waiting", 1, 0)
        assert (shown["asked"], shown["items"], shown["wanted"]) == (len(job.asks(1)), 60, [2, 2])
        assert (shown["spent"], shown["people"], shown["unclear"], shown["report"]) == (0, 1, 1, False)
        assert shown["forecast"]["low"] <= shown["forecast"]["total"] <= shown["forecast"]["high"]
        whole = owner.get("api/overview").json()
        (unclear,) = whole["unclear"]
        assert (unclear["item"], unclear["reasons"][0]["reason"]) == (second, "too dark")
        assert owner.client.get(f"{owner.at}/{unclear['picture']}").headers["content-type"] == "image/png"
        (row,) = whole["people"]
        assert (row["worker"], row["answers"], row["cannot_tell"], row["state"]) == ("ann", 1, 1, "active")
        assert row["url"] == f"../../w/{ann.at[3:]}/"


def test_a_team_smaller_than_the_people_a_picture_may_need_is_told(open_job):
    job = open_job(answers_per_item=3)
    with office(job.address) as owner:

        def few() -> str:
            return owner.get("api/overview").json()["few"]

        assert few() == ""  # nobody is asked yet
        owner.page("ann")
        assert few().startswith("A picture may need answers from 3 people, and 1 person has a link. ")
        owner.page("bob")
        assert few().startswith("A picture may need answers from 3 people, and 2 people have a link. ")
        owner.page("cem")
        assert few() == ""
        owner.post("people", worker="cem", what="pause")
        assert "2 people have a link" in few()


def test_agreement_with_others_is_that_of_a_hand_worked_case(open_job):
    """Three people label three pictures: ann agrees with one of two others in each, cem with nobody in the second."""
    said = [
        {"ann": "1", "bob": "1", "cem": "2"},
        {"ann": "3", "bob": "3", "cem": "4"},
        {"ann": "5", "bob": "6", "cem": "5"},
    ]
    job = open_job(answers_per_item=3)
    with office(job.address) as owner:
        pages = {name: owner.page(name) for name in said[0]}
        items = list(owner.desk.asked)[:3]
        for item, labels in zip(items, said):
            for name, label in labels.items():
                assert owner.desk._lend(name, item)
                assert pages[name].say(item, [{"label": label}]).status_code == 200
        agreement = {name: (row["agreement"], row["compared"]) for name, row in owner.people().items()}
        gallery = owner.get("api/gallery").json()
    assert agreement == {"ann": (0.5, 3), "bob": (round(1 / 3, 4), 3), "cem": (round((0 + 0 + 0.5) / 3, 4), 3)}
    assert (gallery["page"], gallery["pages"], gallery["total"]) == (1, 1, 3)
    assert [row["agreement"] for row in gallery["items"]] == [0.3333] * 3
    assert {one["worker"]: one["label"] for one in gallery["items"][0]["answers"]} == {
        name: [{"label": label}] for name, label in said[items.index(gallery["items"][0]["item"])].items()
    }


def test_a_paused_person_gets_nothing_and_what_they_have_is_free_at_once(open_job):
    job = open_job(answers_per_item=1)
    with office(job.address) as owner:
        ann, bob = owner.page("ann"), owner.page("bob")
        held = ann.next()
        assert owner.people()["ann"]["holds"] == 2
        paused = owner.post("people", worker="ann", what="pause").json()["person"]
        assert (paused["state"], paused["holds"]) == ("paused", 0)
        assert ann.next() == []
        assert ann.get("api/job").json()["state"] == "paused"
        assert set(label_all(bob)) == set(job.asks(1)["item"])
        owner.post("people", worker="ann", what="resume")
        assert ann.get("api/job").json()["state"] == "waiting"
        late = ann.say(held[0], [{"label": "1"}])
    assert (late.status_code, "went to somebody else" in late.json()["error"]) == (409, True)


def test_another_server_knows_who_is_paused(open_job, monkeypatch):
    monkeypatch.setattr("roundtruth.serve.desk.LOOK", {"disk": 0.0, "s3": 0.0})
    job = open_job()
    with office(job.address) as one, office(job.address) as other:
        one.page("ann")
        one.post("people", worker="ann", what="pause")
        assert other.page("ann").next() == []
        other.post("people", worker="ann", what="resume")
        one.post("people", worker="ann", what="pause")
        assert other.people()["ann"]["state"] == "paused"


def test_changes_of_several_owners_at_once_are_all_kept(tmp_path):
    """Two servers, each with several threads that change people, and read what the others wrote."""
    servers = [People(open_store(str(tmp_path))) for _ in range(2)]

    def change(number: int) -> None:
        server = servers[number % 2]
        server.read(server.store.list())
        server.change(f"worker {number % 5}", ("pause", "resume")[number % 3 % 2])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(change, range(60)))
    afterwards = People(open_store(str(tmp_path)))
    afterwards.read(afterwards.store.list())
    assert afterwards.read_to == 60
    for server in servers:
        server.read(server.store.list())
        assert (server.read_to, server.states) == (60, afterwards.states)


def test_a_removed_person_has_no_link_and_what_they_did_stays(open_job):
    job = open_job(answers_per_item=1)
    with office(job.address) as owner:
        ann = owner.page("ann")
        item = ann.next()[0]
        assert ann.say(item, [{"label": "1"}]).status_code == 200
        removed = owner.post("people", worker="ann", what="remove").json()["person"]
        assert (removed["state"], removed["url"], removed["answers"]) == ("removed", None, 1)
        assert ann.get("api/job").status_code == 404
        made = owner.post("links", worker=" ANN ", what="make").json()
        assert made["worker"] == "ann"
        assert owner.people()["ann"]["state"] == "active"
        again = Page(owner.client, made["url"].removeprefix("../../w/").rstrip("/"))
        assert again.get("api/job").json()["mine"] == 1
        assert owner.post("links", worker="ann", what="revoke").json() == {"worker": "ann", "url": None}
        assert again.get("api/job").status_code == 404
        refused = owner.post("links", worker="\n", what="make")
        assert (refused.status_code, "cannot be a person's name" in refused.json()["error"]) == (422, True)


def test_an_answer_that_is_sent_back_comes_first_and_the_newest_word_counts(open_job):
    job = open_job("object-detection", answers_per_item=1)
    with office(job.address) as owner:
        ann, bob = owner.page("ann"), owner.page("bob")
        item = ann.next()[0]
        assert ann.say(item, [BOX]).status_code == 200
        loop.rounds(job.address)  # collects the answer that does not count
        assert Job(job.address).answered(1) == 1
        assert owner.post("again", item=item, worker="ann", comment="Tighter, please.").status_code == 200
        twice = owner.post("again", item=item, worker="ann", comment="Tighter, please.")
        assert (twice.status_code, twice.json()["error"]) == (
            409,
            "This answer was sent back already, or there is none.",
        )
        (waits,) = owner.get("api/gallery").json()["items"]
        assert (waits["item"], waits["answers"][0]["sent_back"]) == (item, "Tighter, please.")
        assert waits["answers"][0]["label"] == [BOX]
        assert item not in bob.next()
        assert loop.rounds(job.address) is None or not Job(job.address).has(1, "closed.json")
        given = ann.post("api/next", {"have": []}).json()["items"][0]
        assert (given["item"], given["label"], given["comment"]) == (item, [BOX], "Tighter, please.")
        assert ann.get("api/job").json()["mine"] == 0
        assert ann.say(item, [BOX | {"left": 3}]).status_code == 200
        assert ann.get("api/job").json()["mine"] == 1
        loop.rounds(job.address)
        answers = Job(job.address).answers(1)
        assert answers.loc[answers["item"] == item, ["worker", "left", "reason"]].values.tolist()[0][:2] == ["ann", 3]
        assert owner.get("api/gallery").json()["total"] == 0


def test_an_answer_that_was_sent_back_and_never_given_anew_counts_no_more(open_job):
    """Somebody else answers in its place, once the lease has run out."""
    job = open_job(answers_per_item=1, lease_minutes=0.001)
    with office(job.address) as owner:
        ann, bob = owner.page("ann"), owner.page("bob")
        item = ann.next()[0]
        ann.say(item, [{"label": "1"}])
        loop.rounds(job.address)
        owner.post("again", item=item, worker="ann", comment="No.")
        time.sleep(0.1)
        while not owner.desk._lend("bob", item):
            pass
        assert bob.say(item, [{"label": "2"}]).status_code == 200
        assert owner.people()["ann"]["cannot_tell"] == 0
    loop.rounds(job.address)
    answers = Job(job.address).answers(1)
    answers = answers[answers["item"] == item].set_index("worker")
    assert answers.loc["bob", "class_id"] == 2
    assert answers.loc["ann", "reason"] == "sent back: No."


def test_a_batch_that_was_complete_is_told_again_after_an_answer_was_sent_back(open_job):
    job = open_job(n=20)
    told = []
    desk = Desk(job.address, lambda desk, round: told.append(round))
    owner = Owner(job.address, lambda: [desk])
    with TestClient(Site({desk.id: desk}.get, owner=owner.routes()).app()) as client:
        front = Office(client, desk, job.address)
        ann = front.page("ann")
        done = label_all(ann)
        assert told == [1]
        assert front.post("again", item=done[0], worker="ann", comment="Look again.").status_code == 200
        assert ann.next() == [done[0]]
        ann.say(done[0], [{"label": "2"}])
        assert told == [1, 1]


def test_an_answer_of_a_closed_batch_cannot_be_sent_back(open_job):
    job = open_job(n=60)
    with office(job.address) as owner:
        ann = owner.page("ann")
        label_all(ann)
        item = next(iter(owner.desk.asked))
        loop.rounds(job.address)
        refused = owner.post("again", item=item, worker="ann", comment="No.")
    assert refused.status_code == 409
    assert "is closed" in refused.json()["error"]


def test_the_report_runs_nothing_of_others_and_knows_no_address(open_job):
    job = open_job(n=20)
    with office(job.address) as owner:
        assert owner.get("report/").status_code == 404
        loop.rounds(job.address)
        steps.write_report(Job(job.address))
        owner.desk.look(anew=True)
        assert owner.client.get(f"{owner.at}/api/jobs").json()["jobs"][0]["report"]
        page = owner.get("report/")
    policy = page.headers["content-security-policy"]
    assert page.status_code == 200
    assert "connect-src" not in policy
    assert "default-src 'none'" in policy
    assert "sandbox" in policy


@pytest.mark.parametrize(
    "body",
    [{}, {"worker": 1, "what": "pause"}, {"worker": "ann", "what": "fly"}, {"worker": "x" * 5000, "what": "make"}],
)
def test_what_is_not_understood_is_refused(open_job, body):
    with office(open_job().address) as owner:
        owner.page("ann")
        for path in ("people", "links", "again"):
            assert owner.post(path, **body).status_code == 422
        assert owner.post("people", worker="nobody", what="pause").status_code == 404
        assert owner.get("api/gallery?page=-1").status_code == 422
        assert owner.get("api/gallery?page=\u0665").status_code == 422


def test_an_owners_link_opens_what_it_was_made_for_until_it_expires(open_job):
    job = open_job()
    with office(job.address) as owner:
        good = links.owner(job.address)
        end, _, signature = good.partition("-")
        bad = [
            "x",
            links.owner("/elsewhere"),
            f"{int(end) + 1}-{signature}",
            links.owner(job.address, int(time.time()) - 1),
        ]
        assert owner.client.get(f"/o/{good}/api/jobs").status_code == 200
        assert {owner.client.get(f"/o/{token}/api/jobs").status_code for token in bad} == {404}
        person = links.token(owner.desk.id, links.of(owner.desk.store, "ann"))
        assert owner.client.get(f"/o/{person}/api/jobs").status_code == 404
        assert owner.client.get(f"/w/{good}/api/job").status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_whatever_owners_and_people_do_each_item_gets_the_answers_asked_for(open_job, monkeypatch, seed):
    """Two servers on one folder, whose owners pause, resume, remove, invite and send back at random."""
    monkeypatch.setattr("roundtruth.serve.desk.LOOK", {"disk": 0.0, "s3": 0.0})
    chance, names, said, removed = random.Random(seed), ("ann", "bob", "cem"), {}, set()
    job = open_job(n=40, answers_per_item=2)
    with office(job.address) as one, office(job.address) as other:
        for _ in range(150):
            server, name = chance.choice([one, other]), chance.choice(names)
            act = chance.choice(["say"] * 6 + ["back"] * 2 + ["pause", "resume", "remove"])
            if act in ("pause", "resume", "remove"):
                done = server.post("people", worker=name, what=act).status_code == 200
                removed = removed | {name} if done and act == "remove" else removed
            elif act == "back" and said:
                item, worker = chance.choice(sorted(said))
                if server.post("again", item=item, worker=worker, comment="Again.").status_code == 200:
                    del said[item, worker]
            elif act == "say":
                if name in removed:
                    server.post("links", worker=name, what="make")
                    removed = removed - {name}
                page = server.page(name)
                for item in page.next()[:1]:
                    label = str(chance.randrange(10))
                    if page.say(item, [{"label": label}]).status_code == 200:
                        said[item, name] = label
            if chance.random() < 0.05:
                loop.rounds(job.address)
        for name in names:
            one.post("links", worker=name, what="make")
            one.post("people", worker=name, what="resume")
        left = [one.page(name) for name in names]
        while any(items := [(page, page.next()) for page in left]) and any(given for _, given in items):
            for name, (page, given) in zip(names, items):
                for item in given[:1]:
                    if page.say(item, [{"label": "7"}]).status_code == 200:
                        said[item, name] = "7"
    loop.rounds(job.address)
    job = Job(job.address)
    assert job.has(1, "closed.json")
    answers = pd.concat([job.answers(round) for round in job.rounds_with("closed.json")])
    answers = answers[answers["reason"].isna()]
    assert set(answers.groupby("item")["worker"].nunique()) == {2}
    found = {(row.item, row.worker): str(row.class_id) for row in answers.itertuples()}
    open_items = set(job.asks(job.last_round())["item"]) - set(answers["item"])
    assert found == {(item, name): label for (item, name), label in said.items() if item not in open_items}
    assert len(found) >= 2 * len(job.asks(1))
