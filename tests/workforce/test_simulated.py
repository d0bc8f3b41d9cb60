import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from roundtruth import kinds
from roundtruth.errors import UserError
from roundtruth.spec import JobSpec
from roundtruth.tables import no_answers
from roundtruth.workforce.simulated import POOL, Backend, assign, match, truth

CREATED = "2026-01-01T00:00:00.000000"
BOXES = ["left", "top", "width", "height"]


def boxes_line(source: str, boxes: list) -> dict:
    return {
        "source-ref": source,
        "truth": {
            "image_size": [{"width": 640, "height": 480, "depth": 3}],
            "annotations": [{"class_id": number, **dict(zip(BOXES, box))} for number, *box in boxes],
        },
        "truth-metadata": {
            "objects": [{"confidence": 1.0} for _ in boxes],
            "class-map": {"0": "cat", "1": "dog"},
            "type": "groundtruth/object-detection",
        },
    }


def class_line(source: str, name: str) -> dict:
    metadata = {"class-name": name, "confidence": 1.0, "type": "groundtruth/image-classification"}
    return {"source-ref": source, "truth": ["cat", "dog", "owl"].index(name), "truth-metadata": metadata}


def job(tmp_path, kind: str, sources: list[str], seed: int = 0, **workforce):
    spec = JobSpec(
        name="test", kind=kind, data=str(tmp_path / "in"), output=str(tmp_path / "job"), seed=seed,
        classes=["cat", "dog"] if kind == "object-detection" else ["cat", "dog", "owl"],
        workforce={"backend": "simulated", **workforce},
    )  # fmt: skip
    items = pd.DataFrame({"item": range(1, len(sources) + 1), "source": sources, "width": 640, "height": 480})
    items["failure"], items["labeled"] = pd.Series([None] * len(sources), dtype=object), False
    return SimpleNamespace(
        spec=spec,
        kind=kinds.get(kind),
        items=lambda columns=None: items,
        has=lambda round, name: False,
        answers=lambda round, columns: no_answers(kinds.get(kind))[columns],
    )


def truth_of(one) -> pd.DataFrame:
    return truth(one.spec, one.items())


def detection(tmp_path, count: int = 30, **workforce):
    """A job about pictures with 0, 1 or 2 boxes."""
    chance = np.random.default_rng(0)
    lines = [
        boxes_line(
            f"{k}.jpg", [(int(chance.integers(2)), *map(int, chance.integers(20, 200, 4))) for _ in range(k % 3)]
        )
        for k in range(count)
    ]
    path = tmp_path / "truth.manifest"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return job(tmp_path, "object-detection", [f"{k}.jpg" for k in range(count)], truth=str(path), **workforce)


def classification(tmp_path, count: int = 30, **workforce):
    names = ["cat", "dog", "owl"]
    path = tmp_path / "truth.manifest"
    lines = [class_line(f"{k}.jpg", names[k % 3]) for k in range(count)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return job(tmp_path, "image-classification", [f"{k}.jpg" for k in range(count)], truth=str(path), **workforce)


def ask(job, items=None):
    workforce = Backend(job)
    items = job.items()["item"].tolist() if items is None else items
    posted = json.loads(json.dumps(workforce.ask(1, pd.DataFrame({"item": items, "answers": 5}))))
    return workforce.collect({1: posted | {"answers": [job.spec.asking.most] * len(items)}})[:2]


@pytest.mark.parametrize("make", [detection, classification])
def test_without_noise_every_answer_is_the_truth(tmp_path, make):
    one = make(tmp_path, noise=0, answers_per_item=3)
    answers, done = ask(one)
    assert done
    assert answers.groupby("item")["worker"].nunique().eq(3).all()
    columns = ["item", *kinds.get(one.spec.kind).COLUMNS]
    true = truth_of(one)[columns]
    expected = pd.concat([true] * 3).sort_values(columns, ignore_index=True)
    pd.testing.assert_frame_equal(answers[columns].sort_values(columns, ignore_index=True), expected, check_exact=True)


@pytest.mark.parametrize("make", [detection, classification])
def test_answers_are_a_table_of_answers(tmp_path, make):
    one = make(tmp_path)
    answers, _ = ask(one)
    columns = kinds.get(one.spec.kind).COLUMNS
    assert list(answers.columns) == ["item", "worker", *columns, "submitted_at", "seconds", "reason", "batch"]
    assert str(answers["submitted_at"].dtype) == "datetime64[us, UTC]"
    assert answers[["item", "class_id", "batch"]].dtypes.eq(np.int64).all()
    assert answers["seconds"].gt(0).all()
    assert answers.groupby("item")["worker"].nunique().tolist() == [5] * 30


@pytest.mark.parametrize("make", [detection, classification])
def test_answers_do_not_depend_on_the_batch(tmp_path, make):
    one = make(tmp_path, noise=1.0)
    order = ["item", "worker", *kinds.get(one.spec.kind).COLUMNS]
    whole = ask(one)[0][order].sort_values(order, ignore_index=True)
    parts = [ask(one, items)[0][order] for items in ([30, 2, 7], [1, *range(3, 7)], list(range(29, 7, -1)))]
    parts = pd.concat(parts).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(whole, parts, check_exact=True)


@pytest.mark.parametrize("make", [detection, classification])
def test_another_seed_gives_another_crowd(tmp_path, make):
    one, other = (ask(make(tmp_path))[0] for _ in range(2))
    pd.testing.assert_frame_equal(one.drop(columns="submitted_at"), other.drop(columns="submitted_at"))
    changed = make(tmp_path)
    changed.spec = changed.spec.model_copy(update={"seed": 1})
    assert ask(changed)[0]["worker"].tolist() != one["worker"].tolist()


def test_more_noise_is_more_errors(tmp_path):
    quality = []
    for noise in (0.25, 1.0, 2.0):
        one = detection(tmp_path, count=200, noise=noise, answers_per_item=1)
        quality.append(kinds.get("object-detection").quality(ask(one)[0], truth_of(one)).mean())
    assert 1 > quality[0] > quality[1] > quality[2] > 0.3
    right = []
    for noise in (0.25, 1.0, 2.0):
        one = classification(tmp_path, count=300, noise=noise, answers_per_item=1)
        right.append(kinds.get("image-classification").quality(ask(one)[0], truth_of(one)).mean())
    assert 1 > right[0] > right[1] > right[2] > 0.4


def test_boxes_stay_in_the_picture(tmp_path):
    answers, _ = ask(detection(tmp_path, count=300, noise=3.0))
    drawn = answers[answers["class_id"] >= 0]
    assert (drawn[["left", "top"]] >= 0).all(axis=None)
    assert (drawn[["width", "height"]] > 0).all(axis=None)
    assert (drawn["left"] + drawn["width"] <= 640 + 1e-9).all()
    assert (drawn["top"] + drawn["height"] <= 480 + 1e-9).all()
    empty = answers[answers["class_id"] < 0]
    assert not empty.duplicated(["item", "worker"]).any()
    assert not empty.set_index(["item", "worker"]).index.isin(drawn.set_index(["item", "worker"]).index).any()


def test_workers_are_different_and_share_the_work_evenly():
    sources = pd.Series([f"{k}.jpg" for k in range(2000)])
    assigned = assign(sources, 5, 0)
    assert not assigned.duplicated().any()
    assert assigned["worker"].nunique() == POOL
    load = assigned["worker"].value_counts()
    assert load.min() > 0.6 * load.max()
    few = assign(sources[::-1].reset_index(drop=True), 5, 0)
    assert set(few.loc[few["place"] == 1999, "worker"]) == set(assigned.loc[assigned["place"] == 0, "worker"])
    assert assign(sources[:1], 50, 0, people=50)["worker"].nunique() == 50


def test_with_a_delay_answers_trickle_in(tmp_path):
    one = classification(tmp_path, delay=1000)
    workforce = Backend(one)
    posted = workforce.ask(1, pd.DataFrame({"item": range(1, 31), "answers": 5})) | {"answers": 5}
    now = datetime.now(UTC)
    seen = []
    for ago in (0, 500, 1001):
        answers, done, *_ = workforce.collect({1: posted | {"posted_at": (now - timedelta(seconds=ago)).isoformat()}})
        seen.append(len(answers))
        assert done == (ago == 1001)
        assert answers["submitted_at"].le(pd.Timestamp(datetime.now(UTC))).all()
    assert seen[0] < 10 < seen[1] < 140 < seen[2] == 150


def test_truth_is_matched_by_source_else_by_a_file_name_of_its_own():
    known = pd.Series(["a/1.jpg", "b/2.jpg", "c/3.jpg", "d/3.jpg", "e/4.jpg"])
    sources = pd.Series(["b/2.jpg", "x/1.jpg", "c/3.jpg", "x/3.jpg", "x/4.jpg", "y/4.jpg", "s3://bucket/5.jpg"])
    #                    the source   the name    the source  two names   two of the job's own       nothing
    assert match(sources, known).tolist() == [1, 0, 2, -1, -1, -1, -1]


def test_an_item_without_truth_is_named(tmp_path):
    one = classification(tmp_path, count=3)
    items = one.items().assign(source=["0.jpg", "lost.jpg", "2.jpg"])
    one.items = lambda columns=None: items
    with pytest.raises(UserError, match=r"truth\.manifest.*lost\.jpg") as error:
        ask(one)
    assert "\n" not in str(error.value)
    items["failure"] = [None, "missing", None]  # nobody is asked about a picture that is not there
    assert truth_of(one)["item"].tolist() == [1, 3]


def test_the_truths_mistakes_are_named_by_its_own_lines(tmp_path):
    one = classification(tmp_path, count=3)
    path = tmp_path / "truth.manifest"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[2], lines[0], lines[1].replace("dog", "cow")]) + "\n")
    with pytest.raises(UserError, match=r"truth\.manifest: line 3: .*'cow'"):
        ask(one)


def test_the_truth_has_one_label_attribute(tmp_path):
    one = classification(tmp_path, count=1)
    path = tmp_path / "truth.manifest"
    line = json.loads(path.read_text())
    line["other-metadata"] = line["truth-metadata"]
    path.write_text(json.dumps(line) + "\n")
    with pytest.raises(UserError, match="one label attribute"):
        ask(one)
    path.write_text(json.dumps({"source-ref": "0.jpg"}) + "\n")
    with pytest.raises(UserError, match="one label attribute"):
        ask(one)
    path.unlink()
    with pytest.raises(UserError, match=r"truth\.manifest"):
        ask(one)


def relabeled(tmp_path, **metadata):
    """A truth with the label `truth`, cat, and the label `again`, dog. metadata: more of the metadata of `again`."""
    line = class_line("0.jpg", "cat")
    line |= {"again": 1, "again-metadata": line["truth-metadata"] | {"class-name": "dog"} | metadata}
    broken = {"source-ref": "other.jpg", "truth-metadata": 5, "again-metadata": None}
    (tmp_path / "truth.manifest").write_text(f"{json.dumps(line)}\n{json.dumps(broken)}\n")
    return str(tmp_path / "truth.manifest")


def test_the_label_of_an_adjustment_job_counts_or_the_one_that_the_job_file_names(tmp_path):
    def label(path: str, **workforce) -> int:
        return truth_of(job(tmp_path, "image-classification", ["0.jpg"], truth=path, **workforce))["class_id"].item()

    assert label(relabeled(tmp_path, **{"adjustment-status": "adjusted"})) == 1
    assert label(relabeled(tmp_path, **{"adjustment-status": "adjusted"}), attribute="truth") == 0
    with pytest.raises(UserError, match=r"there is: again, truth; name the one that counts: `workforce: {attribute"):
        label(relabeled(tmp_path))


def test_an_attribute_that_the_truth_lacks_is_refused_and_no_other_takes_its_place(tmp_path):
    one = classification(tmp_path, count=1, attribute="thruth")
    one.spec = one.spec.model_copy(update={"attribute": "truth"})
    with pytest.raises(UserError, match="there is: truth; name the one that counts"):
        ask(one)


def replay(tmp_path, kind: str, text: str, sources=("a.jpg", "b.jpg", "c.jpg"), **workforce):
    path = tmp_path / "answers.csv"
    path.write_text(text)
    return job(tmp_path, kind, list(sources), answers=str(path), **workforce)


def test_recorded_answers_are_replayed(tmp_path):
    text = "item,worker,label\na.jpg,w1,cat\n2,w1,dog\nb.jpg,w2,owl\nother.jpg,w1,cat\na.jpg,w1,dog\n"
    answers, done = ask(replay(tmp_path, "image-classification", text))
    assert done  # nobody answered the third: there is nothing to wait for
    assert answers[["item", "worker", "class_id"]].values.tolist() == [[1, "w1", 1], [2, "w1", 1], [2, "w2", 2]]


def test_recorded_boxes_are_replayed(tmp_path):
    text = (
        "item,worker,class,left,top,width,height\n"
        "a.jpg,w1,dog,1,2,3,4\na.jpg,w1,cat,5,6,7,8.5\na.jpg,w2,,,,,\nb.jpg,w1,cat,1,1,9,9\n"
    )
    answers, _ = ask(replay(tmp_path, "object-detection", text))
    assert answers[["item", "worker", "class_id", *BOXES]].values.tolist() == [
        [1, "w1", 1, 1, 2, 3, 4],
        [1, "w1", 0, 5, 6, 7, 8.5],
        [1, "w2", -1, 0, 0, 0, 0],
        [2, "w1", 0, 1, 1, 9, 9],
    ]


def test_of_many_recorded_answers_some_are_drawn(tmp_path):
    rows = "".join(f"{source},w{k},cat\n" for source in ("a.jpg", "b.jpg") for k in range(9))
    text = "item,worker,label\n" + rows
    answers, _ = ask(replay(tmp_path, "image-classification", text, answers_per_item=3))
    assert answers.groupby("item")["worker"].nunique().tolist() == [3, 3]
    shuffled = "item,worker,label\n" + "".join(sorted(rows.splitlines(keepends=True), reverse=True))
    again, _ = ask(replay(tmp_path, "image-classification", shuffled, answers_per_item=3))
    pd.testing.assert_frame_equal(answers.drop(columns="submitted_at"), again.drop(columns="submitted_at"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("item,worker,label\na.jpg,w1,cat\nb.jpg,w1,cow\n", "line 3: field label: 'cow'"),
        ("item,worker,label\na.jpg,,cat\n", "line 2: field worker: empty"),
        ("item,label\na.jpg,cat\n", "line 1: field worker: the column is missing"),
        ("item,worker\na.jpg,w1\n", "field label: the column is missing"),
        ("item,worker,label\nz.jpg,w1,cat\n", "field item: no row is about an item"),
        ("", "line 1: empty"),
        ('item,worker,label\n"a', "line 2: not CSV"),
        ('item,worker,label\n"a.jpg","w\n1",cat\nb.jpg,w1,cow\n', "line 4: field label: 'cow'"),
    ],
)
def test_a_recording_that_cannot_be_used_is_named(tmp_path, text, what):
    with pytest.raises(UserError) as error:
        ask(replay(tmp_path, "image-classification", text))
    assert what in str(error.value)
    assert "answers.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_real_answers_can_be_replayed(data, tmp_path):
    sources = [
        json.loads(line)["source-ref"] for line in (data / "cifar10" / "input.manifest").read_text().splitlines()
    ]
    one = job(tmp_path, "image-classification", sources, answers=str(data / "cifar10" / "answers.csv"))
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    one.spec = one.spec.model_copy(update={"classes": names})
    answers, done = ask(one)
    assert done
    assert len(answers) == 15000


def test_a_batch_nobody_answered_in_the_recording(tmp_path):
    one = replay(tmp_path, "image-classification", "item,worker,label\na.jpg,w1,cat\n")
    answers, done = ask(one, [2, 3])
    assert done
    assert answers.empty


@pytest.mark.parametrize("make", [detection, classification])
def test_a_batch_of_which_nobody_needs_to_be_asked(tmp_path, make):
    answers, done = ask(make(tmp_path), [])
    assert done
    assert answers.empty
