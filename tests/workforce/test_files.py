import pandas as pd
import pytest

from roundtruth import steps, workforce
from roundtruth.begin import begin
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.storage import LocalStore
from roundtruth.summary import summarize
from tests.jobs import run_job

BOXES = {"kind": "object-detection", "classes": ["cat", "dog"], "learner": "default"}
HEADER = "item,worker,class,left,top,width,height\n"


@pytest.fixture
def open_job(make, tmp_path):
    """A job whose first batch is out; its items, and put(name, text or bytes)."""

    def opened(n=30, **changed):
        spec = make(n, workforce={"backend": "files", "answers_per_item": 1}, **changed)
        run_job(spec)
        folder = tmp_path / "job/people/answers"
        folder.mkdir(exist_ok=True)

        def put(name: str, content: str | bytes) -> None:
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

        return spec, Job(spec.output).batch(1)["item"].tolist(), put

    return opened


def collect(spec) -> pd.DataFrame:
    job = Job(spec.output)
    answers, exhausted = workforce.get(job).collect({1: job.read_json("rounds/001/posted.json")})
    assert exhausted is False
    return answers.reset_index(drop=True)


def told(spec) -> str:
    with pytest.raises(UserError) as caught:
        collect(spec)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{spec.output}/people/answers/")


def test_a_batch_is_a_csv_of_items_and_sources(open_job, tmp_path):
    spec, items, _ = open_job()
    asked = pd.read_csv(tmp_path / "job/people/batch-001.csv")
    assert asked.columns.tolist() == ["item", "source"]
    assert asked["item"].tolist() == items
    assert asked["source"].tolist() == [f"images/{item:04d}.png" for item in items]
    job = Job(spec.output)
    posted = job.store.read_json("rounds/001/posted.json")
    assert pd.Timestamp(posted.pop("posted_at")) <= pd.Timestamp.now("UTC")
    assert posted == {
        "file": "people/batch-001.csv",
        "items": items,
        "backend": "files",
        "answers": 1,
    }
    again = workforce.get(job).ask(1, job.batch(1).assign(answers=1))
    assert again["items"] == items  # asking twice is asking once
    assert tmp_path.joinpath("job/people/batch-001.csv").read_text().count("\n") == len(items) + 1


def test_nobody_has_answered(open_job):
    spec, _, _ = open_job()
    assert len(collect(spec)) == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain.csv", "item,worker,label\n{0},ann,3\n{1},ann,4\n"),
        ("bom.csv", b"\xef\xbb\xbfitem,worker,label\n{0},ann,3\n{1},ann,4\n"),
        ("crlf.csv", "item,worker,label\r\n{0},ann,3\r\n{1},ann,4\r\n"),
        ("cr.csv", "item,worker,label\r{0},ann,3\r{1},ann,4"),
        ("quoted.csv", '"item","worker","label"\n"{0}","ann","3"\n"{1}","ann","4"\n'),
        ("spaces.csv", " item , worker , label \n {0} , ann , 3 \n\n {1} ,ann,4\n\n"),
        ("order.csv", "label,item,worker\n3,{0},ann\n4,{1},ann"),
        ("source.csv", "item,source,worker,label\n{0},images/{0:04d}.png,ann,3\n{1},,ann,4\n"),
        ("sheet.csv", "item,worker,label\n,,\n{0},ann,3\n{1},ann,4\n,,\n , ,\n"),
        ("UPPER.CSV", "item,worker,label\n{0},ann,3\n{1},ann,4\n"),
    ],
)
def test_csvs_as_people_and_their_programs_write_them(name, text, open_job):
    spec, items, put = open_job()
    fill = items[0], items[1]
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    put(name, text.format(*fill).encode("latin-1"))
    answers = collect(spec)
    assert answers[["item", "worker", "class_id"]].to_numpy().tolist() == [[fill[0], "ann", 3], [fill[1], "ann", 4]]


def test_workers_with_names_of_all_kinds(open_job):
    spec, items, put = open_job()
    names = ["Jürgen, der Zweite", 'the "boss"', "two\nlines", "王"]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    put("a.csv", "item,worker,label\n" + "".join(f"{items[0]},{name},1\n" for name in quoted))
    assert collect(spec)["worker"].tolist() == names


def test_other_files_are_left_alone(open_job):
    spec, items, put = open_job()
    put("notes.txt", "no answers")
    put("a.csv.part", "item,wor")
    put("._a.csv", b"\0\5\x16\7")
    put("a.csv", f"item,worker,label\n{items[0]},ann,1\n")
    assert len(collect(spec)) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("item,worker,label\n{0},ann,1\n99,ann,1\n", "a.csv: line 3: item: there is no item '99'"),
        ("item,worker,label\nx,ann,1\n", "a.csv: line 2: item: there is no item 'x'"),
        ("item,worker,label\n0,ann,1\n", "a.csv: line 2: item: there is no item '0'"),
        ("item,worker,label\n{0}.5,ann,1\n", "a.csv: line 2: item: there is no item"),
        ("item,worker,label\n{0},ann,wolf\n", "a.csv: line 2: field label: 'wolf' is not one of the job's classes"),
        ("item,worker,label\n\n\n{0},ann,wolf\n", "a.csv: line 4: field label: 'wolf'"),
        ('item,worker,label\n{0},"a\nb",1\n{0},ann,\n', "a.csv: line 4: field label: ''"),
        ("item,worker,label\n{0},,1\n", "a.csv: line 2: worker: is empty"),
        (
            "item,worker,lable\n{0},ann,1\n",
            "a.csv: line 1: field lable: an unknown column; the columns are item, worker, label",
        ),
        ("item,worker\n{0},ann\n", "a.csv: line 1: field label: the column is missing"),
        ("item,worker,label,note\n{0},ann,1,x\n", "a.csv: line 1: field note: an unknown column"),
        ("item,worker,label,label\n{0},ann,1,1\n", "a.csv: line 1: field label: the column is there twice"),
        ("item;worker;label\n{0};ann;1\n", "a.csv: line 1: field item;worker;label: an unknown column"),
        ("item,worker,label,\n{0},ann,1,\n", "a.csv: line 1: column 4 has no name; take it out"),
        ("", "a.csv: line 1: field item: the column is missing"),
        ("item,worker,label\n{0},ann\n", "a.csv: line 2: 2 cells, where the header has 3"),
        ("item,worker,label\n{0},ann,1\n{0}", "a.csv: line 3: 1 cells, where the header has 3"),  # half copied
        ('item,worker,label\n{0},"ann,1\n', "a.csv: line 2: not CSV (unexpected end of data)"),
        (b"item,worker,label\n{0},J\xfcrgen,1\n", "a.csv: line 2: not UTF-8 text"),
        (b"\xff\xfei\x00t\x00e\x00m\x00", "a.csv: line 1: not UTF-8 text"),
    ],
)
def test_a_mistake_is_told_by_file_line_and_field_and_nothing_is_taken(text, expected, open_job):
    spec, items, put = open_job()
    text = text.decode("latin-1") if isinstance(text, bytes) else text
    put("0.csv", f"item,worker,label\n{items[1]},ann,1\n")
    put("a.csv", text.format(items[0]).encode("latin-1"))
    assert told(spec).startswith(expected)
    with pytest.raises(UserError):
        steps.wait(Job(spec.output), 1)
    assert len(Job(spec.output).answers(1)) == 0


def test_a_link_to_nothing_is_told_by_its_name(open_job, tmp_path):
    spec, _, _ = open_job()
    (tmp_path / "job/people/answers/a.csv").symlink_to(tmp_path / "nothing.csv")
    assert told(spec).startswith("a.csv: cannot be read")


def test_a_half_copied_file_does_no_harm(open_job):
    """Wherever it was cut, the whole file comes to the same as if it had been there at once."""
    spec, items, put = open_job()
    whole = "item,worker,label\n" + "".join(f"{item},ann,{item % 10}\n" for item in items[:-1])
    for cut in range(0, len(whole), 3):
        put("a.csv", whole[:cut])
        try:
            steps.wait(Job(spec.output), 1)
        except UserError as mistake:
            assert "a.csv: line " in str(mistake)  # noqa: PT017
    put("a.csv", whole)
    assert steps.wait(Job(spec.output), 1)["answered"] == len(items) - 1
    answers = Job(spec.output).answers(1)
    assert answers.set_index("item")["class_id"].to_dict() == {item: item % 10 for item in items[:-1]}
    assert len(answers) == len(items) - 1


def test_of_a_workers_answers_to_one_item_the_last_row_of_the_last_file_counts(open_job):
    spec, items, put = open_job()
    for label, name in enumerate(["ann.csv", "ann (1).csv", "ann-2.csv", "ann-10.csv"], 1):
        put(name, f"item,worker,label\n{items[0]},ann,9\n{items[0]},ann,{label}\n")
        assert collect(spec)["class_id"].tolist() == [label]


def test_answers_to_items_that_nobody_was_asked_about_wait_for_their_batch(open_job):
    spec, items, put = open_job()
    others = [item for item in range(1, 31) if item not in items]
    put("a.csv", "item,worker,label\n" + "".join(f"{item},ann,0\n" for item in range(1, 31)))
    steps.wait(Job(spec.output), 1)
    assert Job(spec.output).answers(1)["item"].tolist() == items
    job = run_job(spec)
    assert summarize(job)["state"] == "complete"
    asked = job.asked()["item"]
    assert set(asked) > set(items)
    assert summarize(job)["answers"] == len(asked) == 30 - len(job.auto_labels())
    assert set(job.auto_labels()["item"]) <= set(others)


def test_a_reason_is_kept_and_paid_but_it_is_no_answer(open_job):
    spec, items, put = open_job()
    put("a.csv", f"item,worker,label,reason\n{items[0]},ann,,too dark\n{items[1]},ann,3,\n")
    assert steps.wait(Job(spec.output), 1)["answered"] == 1
    answers = Job(spec.output).answers(1)
    assert answers["reason"].fillna("").tolist() == ["too dark", ""]
    assert summarize(Job(spec.output))["answers"] == 2
    steps.stop(Job(spec.output))
    assert Job(spec.output).labels(1)["item"].tolist() == [items[1]]


def test_a_reason_beside_a_label_is_a_mistake(open_job):
    spec, items, put = open_job()
    put("a.csv", f"item,worker,label,reason\n{items[0]},ann,3,too dark\n")
    assert told(spec).startswith("a.csv: line 2: reason: there is a label, too")


def test_each_file_is_read_once_a_sweep_however_many_rounds_there_are(open_job, monkeypatch):
    spec, items, put = open_job(plan="ground-truth")
    put("a.csv", "item,worker,label\n" + "".join(f"{item},ann,0\n" for item in range(1, 31)))
    put("b.csv", f"item,worker,label\n{items[0]},bob,1\n")
    job = run_job(spec)
    assert len(job.rounds_with("closed.json")) > 1
    read, reads = LocalStore.read, []
    monkeypatch.setattr(LocalStore, "read", lambda store, path: reads.append(path) or read(store, path))
    steps.collect_late(Job(spec.output))
    assert sorted(path for path in reads if path.endswith(".csv")) == ["people/answers/a.csv", "people/answers/b.csv"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("{0},ann,,,,,,too dark\n", ["too dark"]),
        ("{0},ann,cat,1,2,3,4,\n{0},ann,cat,1,2,3,5,\n{0},bob,,,,,,too dark\n", ["", "", "too dark"]),
    ],
)
def test_a_reason_in_place_of_boxes(rows, expected, open_job):
    spec, items, put = open_job(**BOXES)
    put("a.csv", HEADER.replace("height", "height,reason") + rows.format(items[0]))
    answers = collect(spec)
    assert answers["reason"].fillna("").tolist() == expected
    assert answers["class_id"].tolist() == [-1 if reason else 0 for reason in expected]


def test_a_reason_among_boxes_is_a_mistake(open_job):
    spec, items, put = open_job(**BOXES)
    rows = f"{items[0]},ann,cat,1,2,3,4,\n{items[0]},ann,,,,,,too dark\n"
    put("a.csv", HEADER.replace("height", "height,reason") + rows)
    assert told(spec).startswith("a.csv: line 3: reason: the worker has more rows about this item")


def test_labels_to_be_reviewed_stand_beside_the_items(open_job, tmp_path):
    spec, items, _ = open_job()
    job = Job(spec.output)
    labels = pd.DataFrame({"item": items[:2], "class_id": [3, 4]})
    posted = workforce.get(job).ask(9, pd.DataFrame({"item": items[:3], "answers": 1}), labels)
    shown = pd.read_csv(tmp_path / "job" / posted["file"], dtype=str)
    assert shown.columns.tolist() == ["item", "source", "label"]
    assert shown["label"].fillna("").tolist() == ["3", "4", ""]


# -- boxes


def test_boxes_are_rows_and_an_empty_class_is_nothing_to_draw(open_job):
    spec, items, put = open_job(**BOXES)
    a, b, c = items[:3]
    put(
        "a.csv",
        HEADER + f"{a},ann,dog,1,2,3.5,4\n{b},ann,,,,,\n{a},ann,cat,0,0,8,8\n{a},bob,cat,0,0,8,8\n{c},bob,,,,,\n",
    )
    answers = collect(spec)
    assert answers[["item", "worker", "class_id", "left", "top", "width", "height"]].to_numpy().tolist() == [
        [a, "ann", 1, 1, 2, 3.5, 4],
        [b, "ann", -1, 0, 0, 0, 0],
        [a, "ann", 0, 0, 0, 8, 8],
        [a, "bob", 0, 0, 0, 8, 8],
        [c, "bob", -1, 0, 0, 0, 0],
    ]
    assert steps.wait(Job(spec.output), 1)["answered"] == 3


def test_a_corrected_box_replaces_all_boxes_of_the_answer(open_job):
    spec, items, put = open_job(**BOXES)
    put("a.csv", HEADER + f"{items[0]},ann,dog,1,2,3,4\n{items[0]},ann,cat,0,0,8,8\n")
    steps.wait(Job(spec.output), 1)
    put("b.csv", HEADER + f"{items[0]},ann,,,,,\n")
    steps.wait(Job(spec.output), 1)
    answers = Job(spec.output).answers(1)
    assert answers["class_id"].tolist() == [-1]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("{0},ann,wolf,1,2,3,4", "a.csv: line 2: field class: 'wolf' is not one of the job's classes"),
        ("{0},ann,cat,1,2,0,4", "a.csv: line 2: field width: the box has no area"),
        ("{0},ann,cat,1,2,-3,4", "a.csv: line 2: field width: the box has no area"),
        ("{0},ann,cat,one,2,3,4", "a.csv: line 2: field left: 'one' is not a number"),
        ("{0},ann,cat,nan,2,3,4", "a.csv: line 2: field left: 'nan' is not a number"),
        ("{0},ann,,1,2,3,4", "a.csv: line 2: field class: empty, though the row has a box"),
        ("{0},ann,cat,1,2,30,4", "a.csv: line 2: field left: the box reaches from 1 to 31, outside the picture"),
        ("{0},ann,cat,1,-5,3,4", "a.csv: line 2: field top: the box reaches from -5 to -1, outside the picture"),
        ("{0},ann,cat,-1,2,0.5,4", "a.csv: line 2: field left: the box reaches from -1 to -0.5, outside the picture"),
        ("{0},ann,cat,1,8,3,1", "a.csv: line 2: field top: the box reaches from 8 to 9, outside the picture"),
        ("{0},ann,cat,1,2,1e-300,1e-300", "a.csv: line 2: field width: the box has no area"),
        ("{0},ann,cat,1,2,3,4\n{0},ann,,,,,", "a.csv: line 3: class: ann says that there is nothing to draw, and more"),
        ("{0},ann,,,,,\n{0},ann,,,,,", "a.csv: line 3: class: ann says that there is nothing to draw, and more"),
    ],
)
def test_a_mistake_in_a_box(row, expected, open_job):
    spec, items, put = open_job(**BOXES)
    put("a.csv", HEADER + row.format(items[0]) + "\n")
    assert told(spec).startswith(expected)


def test_answers_survive_where_the_people_folder_is_not_there(make):
    spec = make(3, workforce={"backend": "files"})
    begin(spec)
    steps.select(Job(spec.output), 0)
    steps.dispatch(Job(spec.output), 1)
    assert steps.wait(Job(spec.output), 1) == {"asked": 1, "answered": 0, "done": False}


def test_rows_whose_source_is_another_items_picture_are_refused(open_job):
    spec, items, put = open_job()
    one, other = items[:2]
    put("a.csv", f"item,source,worker,label\n{one},images/{other:04d}.png,ann,1\n{other},images/{one:04d}.png,ann,1\n")
    with pytest.raises(UserError) as error:
        collect(spec)
    assert "a.csv: 2 mistakes: " in str(error.value)
    assert f"line 2: source: item {one} is images/{one:04d}.png, not images/{other:04d}.png" in str(error.value)


def test_an_answer_need_not_be_tidy(open_job):
    spec, items, put = open_job(classes=["cafe\u0301", "b", *map(str, range(8))])
    put("a.csv", f"item,worker,label\n{items[0]},ann, caf\xe9 \n".encode())
    assert collect(spec)["class_id"].tolist() == [0]
