"""Pictures with known labels among the others: training, silent checks, and who gets no more items."""

import pytest

from roundtruth import answers, loop
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.serve.desk import Desk
from roundtruth.spec import JobSpec
from roundtruth.workforce.gold import TRAINING
from tests.jobs import boxes, digits, write_job
from tests.serve.jobs import pages, waiting

GOLDS = 12


@pytest.fixture
def gold_job(tmp_path):
    """gold_job(kind, **workforce): a job with known answers, and what is right by item."""

    def made(kind: str = "image-classification", **workforce):
        is_boxes = kind == "object-detection"
        make = boxes if is_boxes else digits
        for name in ("known", "."):
            (tmp_path / name).mkdir(exist_ok=True)
        make(tmp_path, 60)
        truth = make(tmp_path / "known", GOLDS)
        known = tmp_path / "known/truth.manifest"
        known.write_text(known.read_text().replace('"truth', '"label'))
        changed = {"classes": ["red", "green", "blue"], "learner": "default"} if is_boxes else {}
        people = {"backend": "page", "answers_per_item": 2, "gold": "known/truth.manifest", **workforce}
        job = waiting(JobSpec.from_file(write_job(tmp_path, kind=kind, workforce=people, **changed)))
        return job, truth.assign(item=truth["item"] + 60)

    return made


def right(truth, item: int) -> list[dict]:
    """The right label of a digit; of another item any."""
    known = truth.loc[truth["item"] == item, "class_id"].tolist()
    return [{"label": str(known[0]) if known else "1"}]


def test_the_first_five_show_what_is_right(gold_job):
    job, truth = gold_job(gold_share=0, gold_least=0.1)
    with pages(Desk(job.address)) as page:
        ann, seen = page("ann"), []
        for _ in range(8):
            assert ann.get("api/job").json()["training"] == (len(seen) < TRAINING)
            item = ann.next()[0]
            label = (
                right(truth, item)
                if len(seen) % 2
                else [{"label": "0" if right(truth, item) != [{"label": "0"}] else "9"}]
            )
            seen.append((item, ann.say(item, label).json()["feedback"]))
    assert [item > 60 for item, _ in seen] == [True] * TRAINING + [False] * 3
    assert [feedback and feedback["right"] for _, feedback in seen] == [False, True, False, True, False] + [None] * 3
    for item, feedback in seen[:TRAINING]:
        assert feedback["label"] == right(truth, item)
        assert feedback["text"] == right(truth, item)[0]["label"]


def test_later_ones_come_silently_and_at_the_share_asked_for(gold_job):
    job, truth = gold_job(gold_share=0.5)
    with pages(Desk(job.address)) as page:
        ann, later = page("ann"), []
        while (items := ann.next()) and len(later) < 10:
            feedback = ann.say(items[0], right(truth, items[0])).json()["feedback"]
            if feedback is None:
                later.append(items[0])
    assert 2 <= sum(item > 60 for item in later) <= GOLDS - TRAINING


def test_who_answers_known_pictures_wrong_gets_no_more_and_is_flagged(gold_job):
    job, truth = gold_job(gold_least=0.6)
    desk = Desk(job.address)
    with pages(desk) as page:
        ann, bob = page("ann"), page("bob")
        for _ in range(TRAINING):
            item = ann.next()[0]
            wrong = [{"label": str((int(right(truth, item)[0]["label"]) + 1) % 10)}]
            assert ann.say(item, wrong).status_code == 200
        assert ann.next() == []
        assert ann.get("api/job").json()["state"] == "done"
        for _ in range(TRAINING):
            item = bob.next()[0]
            bob.say(item, right(truth, item))
        assert bob.next() != []
    loop.rounds(job.address)
    assert answers.found(Job(job.address))["notes"] == [
        "1 person gets no more items: their answers to pictures with known labels are below 0.6 (ann)"
    ]


def test_known_pictures_are_no_part_of_the_job(gold_job):
    job, truth = gold_job()
    desk = Desk(job.address)
    with pages(desk) as page:
        for name in ("ann", "bob"):
            who = page(name)
            while items := who.next():
                assert who.say(items[0], right(truth, items[0])).status_code == 200
    loop.rounds(job.address)
    said = Job(job.address).answers(1)
    assert said["item"].max() <= 60
    assert said.groupby("item").size().tolist() == [2] * len(job.asks(1))
    assert answers.found(Job(job.address))["notes"] == []


def test_the_picture_of_a_known_item_is_shown_and_boxes_are_compared_by_iou(gold_job):
    job, truth = gold_job("object-detection")
    with pages(Desk(job.address)) as page:
        ann = page("ann")
        item = ann.next()[0]
        assert ann.get(f"pictures/{item}").status_code == 200
        mine = truth[(truth["item"] == item) & (truth["class_id"] >= 0)]
        names = ["red", "green", "blue"]
        rows = [
            {"class": names[row.class_id], "left": row.left, "top": row.top, "width": row.width, "height": row.height}
            for row in mine.itertuples()
        ]
        feedback = ann.say(item, rows).json()["feedback"]
        assert (feedback["right"], feedback["label"]) == (True, rows)
        item = ann.next()[0]
        box = {"class": "red", "left": 0, "top": 0, "width": 2, "height": 2}
        assert ann.say(item, [box]).json()["feedback"]["right"] is False


def test_other_known_pictures_can_be_named_later(gold_job, tmp_path):
    job, _ = gold_job()
    (tmp_path / "more.manifest").write_text(
        (tmp_path / "known/truth.manifest").read_text().replace("images/", "known/images/")
    )
    people = {"backend": "page", "answers_per_item": 2, "gold": "more.manifest"}
    waiting(JobSpec.from_file(write_job(tmp_path, workforce=people)))
    with pages(Desk(job.address)) as page:
        assert page("ann").next()[0] > 60 + GOLDS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "known.manifest: empty"),
        ('{"source-ref": "images/0001.png"}\n', "give their labels, in a manifest as 'label'"),
        ("{nonsense\n", "known.manifest: line 1"),
    ],
)
def test_known_labels_that_cannot_be_used_are_refused_before_anybody_is_asked(tmp_path, text, said):
    digits(tmp_path, 60)
    (tmp_path / "known.manifest").write_text(text)
    people = {"backend": "page", "gold": "known.manifest"}
    with pytest.raises(UserError, match=f"workforce: gold: .*{said}"):
        waiting(JobSpec.from_file(write_job(tmp_path, workforce=people)))
    assert not (tmp_path / "job/job.json").exists()
