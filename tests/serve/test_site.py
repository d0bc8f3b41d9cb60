"""The labeling page's server, asked as a page asks it."""

import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roundtruth import answers, loop
from roundtruth.job import Job
from roundtruth.serve import links
from roundtruth.serve.desk import Desk
from roundtruth.serve.site import HEADERS, LARGEST_BODY
from roundtruth.workforce import page_log
from tests.serve.jobs import BOX, answer, pages, waiting


def label_all(page, truth, wanted: int | None = None) -> list[int]:
    """One person labels items until there are no more, or until so many are labeled; which they were."""
    done: list[int] = []
    while wanted is None or len(done) < wanted:
        items = page.next()
        if not items:
            break
        assert page.say(items[0], truth(items[0])).status_code == 200
        done.append(items[0])
    return done


def test_one_person_labels_a_job_to_the_end(open_job):
    job = open_job(n=30)
    desk = Desk(job.address)
    with pages(desk) as page:
        ann = page("ann")
        while not loop.rounds(job.address):
            desk.look(anew=True)
            assert label_all(ann, lambda item: [{"label": str(item % 10)}])
        desk.look(anew=True)
        about = ann.get("api/job").json()
    labels = Job(job.address).outcome()
    human = labels[labels["source"] == "human"]
    assert len(labels) == 30
    assert (human["class_id"] == human["item"] % 10).all()
    assert (about["state"], about["mine"], about["worker"]) == ("done", len(human), "ann")


def test_boxes_arrive_as_they_were_drawn(open_job):
    job = open_job("object-detection")
    with pages(Desk(job.address)) as page:
        ann = page("ann")
        first, second = ann.next()
        assert ann.say(first, [BOX, BOX | {"class": "blue", "left": 0.1 + 0.2}]).status_code == 200
        assert ann.say(second, []).status_code == 200
        assert [(given["item"], given["label"]) for given in ann.get("api/answers").json()["answers"]] == [
            (second, []),
            (first, [BOX, BOX | {"class": "blue", "left": 0.1 + 0.2}]),
        ]
    loop.rounds(job.address)
    answers = Job(job.address).answers(1).set_index("item")
    assert answers.loc[first, ["class_id", "left", "width"]].to_numpy().tolist() == [[0, 1.5, 10], [2, 0.1 + 0.2, 10]]
    assert answers.loc[second, "class_id"] == -1


def test_an_item_gets_the_number_of_answers_asked_for_and_never_two_by_one(open_job):
    job = open_job(answers_per_item=2)
    with pages(Desk(job.address)) as page:
        people = [page(name) for name in ("ann", "bob", "cem")]
        busy = list(people)
        while busy:
            busy = [who for who in busy if label_all(who, lambda item: [{"label": "1"}], wanted=1)]
    loop.rounds(job.address)
    answers = Job(job.address).answers(1)
    assert answers.groupby("item").size().tolist() == [2] * len(job.asks(1))
    assert not answers.duplicated(["item", "worker"]).any()


def test_somebody_else_is_asked_about_the_items_on_which_two_disagree(open_job):
    job, told = open_job(n=300, answers_per_item=None), []
    desk = Desk(job.address, complete=lambda desk, round: told.append(round))
    first, second, *_ = job.asks(1)["item"]
    with pages(desk) as page:
        ann, bob, cem = (page(name) for name in ("ann", "bob", "cem"))
        for who, odd in ((ann, 1), (bob, 2)):
            label_all(who, lambda item, odd=odd: [{"label": str(odd if item in (first, second) else item % 10)}])
        assert (told, cem.next()) == ([1], [])
        assert not loop.rounds(job.address)
        desk.look(anew=True)
        about = cem.get("api/job").json()
        assert (about["state"], about["asked"] - about["answered"]) == ("open", 2)
        assert (ann.next(), bob.next()) == ([], [])
        assert label_all(cem, lambda item: [{"label": "2"}]) == [first, second]
        assert told == [1, 1]
    loop.rounds(job.address)
    answers = Job(job.address).answers(1).groupby("item").size()
    assert answers[answers != 2].to_dict() == {first: 3, second: 3}


def test_answers_that_came_by_files_before_are_not_asked_for_again(open_job, tmp_path):
    job = open_job(backend="files", answers_per_item=3)
    items = job.asks(1)["item"].tolist()
    rows = [f"{item},{who},{item % 10}" for item in items for who in ("fay", "gus")]
    (tmp_path / "job/people/answers/two.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
    loop.rounds(job.address)
    job = open_job(answers_per_item=3)
    with pages(Desk(job.address)) as page:
        ann, bob = page("ann"), page("bob")
        label_all(ann, lambda item: [{"label": str(item % 10)}], wanted=len(items) - 1)
        last = ann.next()[0]
        assert ann.say(last, None, reason="too dark").status_code == 200
        assert bob.next() == []
    loop.rounds(job.address)
    said = Job(job.address).answers(1)
    said = said[said["reason"].isna()].groupby("item").size()
    assert said.to_dict() == dict.fromkeys(items, 3) | {last: 2}
    assert Job(job.address).has(1, "closed.json")


def test_a_lower_number_of_answers_holds_for_pictures_that_nobody_can_tell(open_job):
    """Nobody else is given such a picture, so the job does not wait for anybody either."""
    job = open_job(answers_per_item=3)
    job = open_job(answers_per_item=1)
    with pages(Desk(job.address)) as page:
        ann = page("ann")
        dark = ann.next()[0]
        assert ann.say(dark, None, reason="too dark").status_code == 200
        label_all(ann, lambda item: [{"label": "1"}])
    assert answers.came(Job(job.address))
    loop.rounds(job.address)
    assert Job(job.address).has(1, "closed.json")


def test_two_servers_on_one_folder_agree(open_job):
    """Neither knows what the other did; only the folder does."""
    job = open_job(answers_per_item=1)
    here, there = Desk(job.address), Desk(job.address)
    for desk in (here, there):
        desk._every = 1e9
    with pages(here) as page, pages(there) as other:
        ann, bob = page("ann"), other("bob")
        here.look(anew=True)
        mine, theirs = ann.next(), bob.next()
        assert len({*mine, *theirs}) == 4
        assert ann.say(mine[0], [{"label": "3"}]).status_code == 200
        assert bob.say(mine[0], [{"label": "4"}]).status_code == 404
        ann.client = bob.client
        assert ann.get(f"pictures/{mine[1]}").status_code == 200
        assert ann.say(mine[1], [{"label": "3"}]).status_code == 200
    assert here.log.items[mine[0]].labels() == 1


def test_the_same_answer_again_is_one_answer(open_job):
    job = open_job()
    with pages(Desk(job.address)) as page:
        ann = page("ann")
        given = answer(ann.next()[0], [{"label": "1"}])
        for _ in range(3):
            found = ann.post("api/answers", given)
            assert (found.status_code, found.json()["mine"]) == (200, 1)
    assert len([path for path in Job(job.address).store.list("people/page/") if "answer" in read(job, path)]) == 1


def read(job, path: str) -> str:
    return Path(job.address, path).read_text()


def test_an_answer_can_be_changed_while_its_batch_is_open(open_job):
    job = open_job()
    with pages(Desk(job.address)) as page:
        ann = page("ann")
        item = ann.next()[0]
        for label in "123":
            assert ann.say(item, [{"label": label}]).json()["mine"] == 1
    loop.rounds(job.address)
    assert Job(job.address).answers(1)["class_id"].tolist() == [3]


def test_who_cannot_tell_says_why_and_somebody_else_is_asked(open_job):
    job = open_job(answers_per_item=2)
    with pages(Desk(job.address)) as page:
        ann = page("ann")
        item = ann.next()[0]
        assert ann.say(item, None, reason="too dark").status_code == 200
        assert item not in ann.next()
        for name in ("bob", "cem"):
            who = page(name)
            assert item in who.next()
            assert who.say(item, [{"label": "1"}]).status_code == 200
        assert item not in page("dee").next()
    loop.rounds(job.address)
    said = Job(job.address).answers(1)
    assert said.loc[said["worker"] == "ann", "reason"].tolist() == ["too dark"]


def test_an_item_that_nobody_can_tell_does_not_hold_the_job_up(open_job):
    job = open_job(answers_per_item=1)
    desk = Desk(job.address)
    with pages(desk) as page:
        ann, rounds = page("ann"), 0
        while not loop.rounds(job.address):
            desk.look(anew=True)
            rounds += 1
            while items := ann.next():
                assert ann.say(items[0], None, reason="black").status_code == 200
    assert rounds > 1
    assert set(Job(job.address).failures()) == {"people could not tell"}


def test_an_item_goes_to_somebody_else_when_it_waited_too_long(open_job):
    job = open_job(answers_per_item=1, lease_minutes=0.001)
    with pages(Desk(job.address)) as page:
        ann, bob = page("ann"), page("bob")
        item = ann.next()[0]
        wait_until(lambda: item in label_all(bob, lambda item: [{"label": "2"}], wanted=1))
        late = ann.say(item, [{"label": "1"}])
        assert (late.status_code, "somebody else" in late.json()["error"]) == (409, True)
    loop.rounds(job.address)
    said = Job(job.address).answers(1)
    assert said.loc[said["item"] == item, ["worker", "class_id"]].to_numpy().tolist() == [["bob", 2]]


def wait_until(true, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_page_that_is_opened_anew_gets_the_same_items(open_job):
    with pages(Desk(open_job().address)) as page:
        ann = page("ann")
        assert ann.next() == ann.next()
        first, second = ann.next()
        assert ann.next(first, second) == []
        assert len(ann.next(second)) == 1


@pytest.mark.parametrize(
    "label",
    [
        [BOX | {"class": "pink"}], [BOX | {"class": ""}], [BOX | {"left": 900}], [BOX | {"width": 0}],
        [BOX | {"width": -3}], [BOX | {"left": "abc"}], [BOX | {"left": True}], [BOX | {"left": None}],
        [BOX | {"left": [1]}], [BOX | {"extra": 1}], [{"class": "red"}], ["red"], {"class": "red"}, "red", 7,
        [BOX | {"left": 1e300}], [BOX | {"left": 10**400}], [BOX | {"class": "red\ud800"}], [BOX | {"class": 7}],
        [BOX] * 5_001, [{"class": "", "left": "", "top": "", "width": "", "height": ""}, BOX],
    ],
)  # fmt: skip
def test_an_answer_is_checked_as_strictly_as_a_row_of_a_csv(open_job, label):
    job = open_job("object-detection")
    with pages(Desk(job.address)) as page:
        ann = page("ann")
        said = ann.say(ann.next()[0], label)
        assert said.status_code == 422, said.text
        assert len(said.json()["error"]) < 1000


def test_numbers_that_json_does_not_have_are_refused(open_job):
    with pages(Desk(open_job("object-detection").address)) as page:
        ann = page("ann")
        given = json.dumps(answer(ann.next()[0], [BOX | {"left": float("nan")}]))
        assert ann.client.post(f"{ann.at}/api/answers", content=given).status_code == 422
        assert ann.client.post(f"{ann.at}/api/answers", content="[" * 100_000).status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "x"}, {"nonce": 3}, {"item": "1"}, {"item": True}, {"item": 0}, {"item": 2**60}, {"seconds": -1},
        {"seconds": "1"}, {"seconds": None}, {"reason": 3}, {"reason": "x" * 1001}, {"reason": "no idea"},
        {"label": None}, {"label": []}, {"nothing": True},
    ],
)  # fmt: skip
def test_every_field_of_an_answer_is_checked(open_job, wrong):
    with pages(Desk(open_job().address)) as page:
        ann = page("ann")
        said = ann.post("api/answers", answer(ann.next()[0], [{"label": "1"}]) | {"nothing": False} | wrong)
        assert said.status_code in (404, 422)
        assert ann.get("api/job").json()["mine"] == 0


def test_nothing_that_was_not_given_can_be_had(open_job):
    with pages(Desk(open_job().address)) as page:
        ann, bob = page("ann"), page("bob")
        (mine, _), (theirs, _) = ann.next(), bob.next()
        assert mine != theirs
        assert ann.get(f"pictures/{mine}").status_code == 200
        for item in (theirs, 0, 99, 10**30):
            assert ann.get(f"pictures/{item}").status_code == 404
            assert ann.say(item, [{"label": "1"}]).status_code in (404, 422)


def test_links_that_open_nothing(open_job, monkeypatch):
    job = open_job()
    desk = Desk(job.address)
    with pages(desk) as page:
        ann = page("ann")
        token = ann.at.rpartition("/")[2]
        id, link, end, signature = token.split("-", 3)
        other = links.make(desk.store, "bob")
        forged = [
            f"{id}-{other.id}-{end}-{signature}", f"{id}-{link}-{int(end) + 1}-{signature}", token[:-1], token + "x",
            f"{id}-{'0' * 16}-{end}-{signature}", f"{'0' * 12}-{link}-{end}-{signature}", "owner", "..", "%2e%2e", "",
            f"{id}-{link}-{end}-{'A' * 43}",
        ]  # fmt: skip
        for bad in forged:
            for path in ("", "api/job", "api/answers", "pictures/1"):
                assert ann.client.get(f"/w/{bad}/{path}").status_code == 404 or (path, bad) == ("", ""), bad
        monkeypatch.setattr(time, "time", lambda: int(end) + 1.0)
        assert ann.get("api/job").status_code == 404


def test_a_link_opens_the_page_at_once(open_job):
    desk = Desk(open_job().address)
    desk._every = 1e9
    with pages(desk) as page:
        client = page("ann").client
        token = links.token(desk.id, links.make(desk.store, "bob"))
        assert client.get(f"/w/{token}/api/job").json()["worker"] == "bob"


def test_a_revoked_link_opens_nothing(open_job):
    desk = Desk(open_job().address)
    with pages(desk) as page:
        ann = page("ann")
        assert ann.get("api/job").status_code == 200
        assert links.revoke(desk.store, " ANN ") == 1
        desk.look(anew=True)
        assert ann.get("api/job").status_code == 404
        assert page("ann").get("api/job").json()["worker"] == "ann"


def test_links_need_the_key(open_job, monkeypatch):
    desk = Desk(open_job().address)
    with pages(desk) as page:
        ann = page("ann")
        monkeypatch.setenv("ROUNDTRUTH_LINK_KEY", "another" * 10)
        assert ann.get("api/job").status_code == 404
    for path in Path(desk.store.address).rglob("*"):
        assert not path.is_file() or b"k" * 40 not in path.read_bytes()


@pytest.mark.parametrize(
    "path",
    ["../../../etc/passwd", "..%2f..%2fsite.py", "site.py", "../site.py", "%2e%2e/site.py", ".", "a%00b"],
)
def test_only_the_files_of_the_page_are_served(open_job, path):
    with pages(Desk(open_job().address)) as page:
        client = page("ann").client
        assert client.get(f"/static/{path}").status_code == 404
        assert client.get(f"/w/x/instructions/{path}").status_code == 404


def test_every_response_has_the_headers(open_job):
    with pages(Desk(open_job().address)) as page:
        ann = page("ann")
        item = ann.next()[0]
        for found in (ann.get("api/job"), ann.get(f"pictures/{item}"), ann.get("nothing"), ann.say(item, "x")):
            assert {**found.headers, **{name.lower(): found.headers.get(name) for name in HEADERS}} == dict(
                found.headers
            )
            assert found.headers["referrer-policy"] == "no-referrer"
            assert "set-cookie" not in found.headers


def test_large_bodies_and_too_many_requests_are_refused(open_job, monkeypatch):
    monkeypatch.setattr("roundtruth.serve.site.BURST", 100.0)
    with pages(Desk(open_job().address)) as page:
        ann, bob = page("ann"), page("bob")
        assert ann.client.post(f"{ann.at}/api/answers", content=b" " * (LARGEST_BODY + 1)).status_code == 413
        codes = {ann.get("nothing").status_code for _ in range(400)}
        assert codes == {404, 429}
        assert bob.get("api/job").status_code == 200


def test_a_picture_is_shown_upright_and_without_what_its_file_tells(open_job, tmp_path):
    from roundtruth.spec import JobSpec
    from tests.jobs import write_job, write_lines

    (tmp_path / "images").mkdir()
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "secret place"  # lies on its side; a description
    names = "abcdefghijklmnopqrstuvwxyz"
    for name in names:
        pixels = np.zeros((300, 400, 3), "uint8")
        pixels[:150, :, ord(name) % 3] = 255
        Image.fromarray(pixels).save(tmp_path / f"images/{name}.jpg", exif=exif)
    write_lines(tmp_path / "input.manifest", [{"source-ref": f"images/{name}.jpg"} for name in names])
    job = waiting(JobSpec.from_file(write_job(tmp_path, workforce={"backend": "page"})))
    with pages(Desk(job.address)) as page:
        ann = page("ann")
        given = ann.post("api/next", {"have": []}).json()["items"][0]
        found = ann.get(given["picture"])
    assert b"secret" not in found.content
    assert Image.open(io.BytesIO(found.content)).size == (given["width"], given["height"]) == (300, 400)


def test_the_page_shows_the_instructions(open_job, tmp_path):
    from roundtruth.spec import JobSpec
    from tests.jobs import digits, write_job

    digits(tmp_path, 12)
    Image.new("RGB", (9, 9)).save(tmp_path / "good.png")
    Image.new("RGB", (9, 9)).save(tmp_path / "other.png")
    text = (
        "# Name the *digit*\n\n<script>alert(1)</script> ![good](good.png) ![bad](../job.yaml) [x](javascript:alert(1))"
    )
    (tmp_path / "how.md").write_text(text)
    spec = JobSpec.from_file(write_job(tmp_path, workforce={"backend": "page"}, instructions="how.md"))
    with pages(Desk(waiting(spec).address)) as page:
        ann = page("ann")
        found = ann.get("api/job").json()["instructions"]
        assert found["line"] == "Name the digit"
        assert "<script" not in found["html"]
        assert "<em>digit</em>" in found["html"]
        assert 'src="instructions/good.png"' in found["html"]
        assert "job.yaml" not in found["html"].replace("![bad](../job.yaml)", "")
        assert 'href="javascript' not in found["html"]
        assert ann.get("instructions/good.png").status_code == 200
        for name in ("other.png", "../job.yaml", "job.yaml", "how.md"):
            assert ann.get(f"instructions/{name}").status_code == 404


def test_a_sweep_reads_the_entries_of_open_batches_alone(open_job, monkeypatch):
    """And those of the newest closed one. On S3 each entry is a request."""
    job = open_job()
    with pages(Desk(job.address)) as page:
        for _ in range(4):
            label_all(page("ann"), lambda item: [{"label": str(item % 3)}])
            loop.rounds(job.address)
    job, read = Job(job.address), []
    real = page_log.Log._entry
    monkeypatch.setattr(page_log.Log, "_entry", lambda log, path: read.append(path) or real(log, path))
    answers.collect(job)
    newest = job.last_round()
    items = {int(path.removeprefix(page_log.FOLDER).split("-")[0]) for path in read}
    assert newest > 2
    assert items
    assert items <= set(job.asks(newest)["item"]) | set(job.asks(newest - 1)["item"])
