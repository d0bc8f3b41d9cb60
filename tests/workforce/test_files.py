import os
from itertools import count

import pandas as pd
import pytest

from roundtruth import answers as people
from roundtruth import steps, workforce
from roundtruth.begin import begin
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.storage import LocalStore
from roundtruth.summary import summarize
from tests.jobs import Counted, digits, run_job, write_lines

BOXES = {"kind": "object-detection", "classes": ["cat", "dog"], "learner": "default"}
HEADER = "item,worker,class,left,top,width,height\n"


@pytest.fixture
def open_job(make, tmp_path):
    """A job whose first batch is out; its items, and put(name, text or bytes), which is a minute later each time."""

    def opened(n=30, **changed):
        spec = make(n, workforce={"backend": "files", "answers_per_item": 1}, **changed)
        run_job(spec)
        folder = tmp_path / "job/people/answers"  # the job has made it
        clock = count(1_700_000_000, 60)

        def put(name: str, content: str | bytes) -> None:
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
            os.utime(folder / name, (next(clock),) * 2)

        return spec, Job(spec.output).batch(1)["item"].tolist(), put

    return opened


def collected(spec):
    job = Job(spec.output)
    found = workforce.get(job).collect({1: job.read_json("rounds/001/posted.json")})
    assert found.exhausted is False
    return found


def collect(spec) -> pd.DataFrame:
    return collected(spec).answers.reset_index(drop=True)


def rejected(spec) -> list[str]:
    """`a.csv 3: why` for each row that people must mend."""
    table = collected(spec).rejected
    return [f"{row.file} {row.line}: {row.reason}" for row in table.itertuples()]


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
        "in_file": items,
        "backend": "files",
        "answers": [1] * len(items),
    }
    again = workforce.get(job).ask(1, job.batch(1).assign(answers=1))
    assert again["items"] == items  # asking twice is asking once
    assert tmp_path.joinpath("job/people/batch-001.csv").read_text().count("\n") == len(items) + 1


def test_nobody_has_answered(open_job, tmp_path):
    spec, _, _ = open_job()
    assert (tmp_path / "job/people/answers").is_dir()
    assert len(collect(spec)) == 0


def test_a_file_in_the_place_of_the_folder_for_answers_is_named(open_job, tmp_path):
    spec, _, _ = open_job()
    folder = tmp_path / "job/people/answers"
    folder.rmdir()
    folder.write_text(HEADER)
    with pytest.raises(UserError, match=f"^{folder}: Not a directory$"):
        collect(spec)


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


def test_hidden_files_and_locks_of_office_programs_are_passed_over(open_job, tmp_path):
    spec, items, put = open_job()
    for name in ("._a.csv", ".~lock.a.csv#", "~$a.csv", ".DS_Store", "Thumbs.db", "desktop.ini"):
        put(name, b"\0\5\x16\7")
    (tmp_path / "job/people/answers/__MACOSX").mkdir()
    put("__MACOSX/._b.csv", b"\0\5\x16\7")
    put("a.csv", f"item,worker,label\n{items[0]},ann,1\n")
    found = collected(spec)
    assert len(found.answers) == 1
    assert (rejected(spec), found.notes) == ([], [])


def test_what_is_no_csv_is_told_until_it_is_saved_as_one(open_job):
    spec, items, put = open_job()
    put("ann.xlsx", b"PK\3\4")
    put("a.csv.part", "item,wor")
    assert collected(spec).notes == ["2 files not read, as not CSV: ann.xlsx, a.csv.part; save as CSV"]
    put("Ann.csv", f"item,worker,label\n{items[0]},ann,1\n")
    assert collected(spec).notes == ["1 file not read, as not CSV: a.csv.part; save as CSV"]


@pytest.mark.parametrize("name", ["a.tsv", "a.txt", "a.TXT"])
def test_tsv_and_txt_are_read_too(name, open_job):
    spec, items, put = open_job()
    put(name, f"item\tworker\tlabel\n{items[0]}\tann\t1\n")
    assert collect(spec)[["item", "worker", "class_id"]].to_numpy().tolist() == [[items[0], "ann", 1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("99,ann,1\n", "2: item: there is no item '99'"),
        ("x,ann,1\n", "2: item: there is no item 'x'"),
        ("0,ann,1\n", "2: item: there is no item '0'"),
        ("{0}.5,ann,1\n", "2: item: there is no item"),
        (",ann,1\n", "2: item: empty; give the item's number"),
        (
            "{0},ann,wolf\n",
            "2: label: 'wolf' is not one of the job's classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9); correct it, or add it to "
            "classes in the job file if the job has not begun; a job that has begun keeps its classes",
        ),
        ("{0},ann,\n", "2: label: empty; name one of the job's classes"),
        ("\n\n{0},ann,wolf\n", "4: label: 'wolf'"),
        ("{0},,1\n", "2: worker: empty; say who answered"),
        ("{0},ann\n", "2: 2 cells, where the header has 3"),
        ("{0},ann,1,2\n", "2: 4 cells, where the header has 3"),
        ('{0},"ann,1\n', "2: not CSV (unexpected end of data)"),
        ('{0},"ann"x,1\n', "2: not CSV"),
        ('{0},"ann,1\n{1},"bob",1\n', "2: not CSV"),
        (
            ",,wolf\n",
            "2: item: empty; give the item's number, or the name of its picture; worker: empty; say",
        ),  # all that is wrong with the row
    ],
)
def test_a_bad_row_is_told_by_file_line_and_reason_and_the_others_are_taken(text, expected, open_job):
    spec, items, put = open_job()
    put("0.csv", f"item,worker,label\n{items[2]},ann,1\n")
    put("a.csv", ("item,worker,label\n" + text + "{3},ann,1\n").format(*items))
    (told,) = rejected(spec)
    assert told.startswith(f"a.csv {expected}")
    answered = collect(spec)["item"].tolist()
    assert {items[2], items[3]} <= set(answered)
    assert answered.count(items[0]) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("item,worker,lable\n{0},ann,1\n", "field lable: do you mean label?; the columns are item or source, worker"),
        ("item,worker,class\n{0},ann,1\n", "field class: do you mean label?"),
        ("item,worker,label,reasno\n{0},ann,1,\n", "field reasno: do you mean reason?"),
        ("itm,wroker,labels\n{0},ann,1\n", "field itm: do you mean item?; field wroker: do you mean worker?; "),
        ("item,worker\n{0},ann\n", "field label: the column is missing"),
        ("{0},ann,1\n", "field item: the column is missing, and so are worker, label"),
        ("item,worker,label,Label\n{0},ann,1,1\n", "field label: the column is there twice"),
        ("", "empty"),
        ("\n\n", "empty"),
        (b"\xff\xfei\x00t\x00e\x00m\x00", "field worker: the column is missing"),
        (b"item,worker,label\n1,a\0b,1\n", "no text, but another kind of file"),
        (b"PK\3\4\0\0\x81\x8d", "not UTF-8 text"),
    ],
)
def test_a_file_whose_header_cannot_be_understood_is_one_rejection(text, expected, open_job):
    spec, items, put = open_job()
    text = text if isinstance(text, bytes) else text.format(items[0]).encode()
    put("0.csv", f"item,worker,label\n{items[1]},ann,1\n")
    put("a.csv", text)
    (told,) = rejected(spec)
    assert expected in told
    assert told.startswith("a.csv 2: " if b"a\0b" in text else "a.csv 1: ")
    assert len(collect(spec)) == 1


def test_a_link_to_nothing_is_told_by_its_name(open_job, tmp_path):
    spec, _, _ = open_job()
    (tmp_path / "job/people/answers/a.csv").symlink_to(tmp_path / "nothing.csv")
    assert rejected(spec) == [
        "a.csv 1: cannot be read: it was removed just now, or is a link to nothing; put it there again"
    ]


def test_a_pipe_or_a_device_keeps_nobody_out_and_is_not_waited_for(open_job, tmp_path):
    spec, items, put = open_job()
    put("0.csv", f"item,worker,label\n{items[1]},ann,1\n")
    os.mkfifo(tmp_path / "job/people/answers/a.csv")
    (tmp_path / "job/people/answers/b.csv").symlink_to("/dev/zero")  # it has no end
    assert sorted(rejected(spec)) == [
        "a.csv 1: cannot be read: is a pipe, not a file",
        "b.csv 1: cannot be read: is a device, not a file",
    ]
    assert len(collect(spec)) == 1


@pytest.mark.parametrize("encoding", ["utf-8", pytest.param("utf-16", marks=pytest.mark.slow)])
def test_a_half_copied_file_does_no_harm(encoding, open_job):
    """Wherever it was cut, the whole file comes to the same as if it had been there at once."""
    spec, items, put = open_job()
    whole = "item,worker,label\n" + "".join(f"{item},J\xfcrgen,{item % 10}\n" for item in items[:-1])
    whole = whole.encode(encoding)
    inside = [place + 1 for place, byte in enumerate(whole) if byte == 0xC3]  # in the middle of a letter
    for cut in sorted({*range(0, len(whole), 7), *inside}):
        put("a.csv", whole[:cut])
        steps.wait(Job(spec.output), 1)
        assert "UTF-8" not in "".join(people.found(Job(spec.output))["first"])
    put("a.csv", whole)
    assert steps.wait(Job(spec.output), 1)["answered"] == len(items) - 1
    answers = Job(spec.output).answers(1)
    assert answers.set_index("item")["class_id"].to_dict() == {item: item % 10 for item in items[:-1]}
    assert answers["worker"].tolist() == ["J\xfcrgen"] * (len(items) - 1)
    assert summarize(Job(spec.output))["rejected"] == 0


def test_of_a_workers_answers_to_one_item_the_last_row_of_the_file_that_was_written_last_counts(open_job):
    spec, items, put = open_job()
    for label, name in enumerate(["b.csv", "a.csv", "c.csv", "a.csv"], 1):
        put(name, f"item,worker,label\n{items[0]},ann,9\n{items[0]},ann,{label}\n")
        assert collect(spec)["class_id"].tolist() == [label]


def test_of_files_written_at_the_same_time_the_last_by_name_counts_as_people_count(open_job, tmp_path):
    spec, items, put = open_job()
    for label, name in enumerate(["ann.csv", "ann (1).csv", "ann-2.csv", "ann-10.csv"], 1):
        put(name, f"item,worker,label\n{items[0]},ann,{label}\n")
        os.utime(tmp_path / "job/people/answers" / name, (1_700_000_000,) * 2)
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
    assert rejected(spec) == ["a.csv 2: reason: there is a label, too; give one of them"]


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
    assert rejected(spec) == [
        "a.csv 2: another row of this answer is wrong: line 3",
        "a.csv 3: reason: the worker has more rows about this item; take some out",
    ]


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
        ("{0},ann,wolf,1,2,3,4", "class: 'wolf' is not one of the job's classes"),
        ("{0},ann,cat,1,2,0,4", "width: the box has no area"),
        ("{0},ann,cat,1,2,-3,4", "width: the box has no area"),
        ("{0},ann,cat,one,2,3,4", "left: 'one' is not a number"),
        ("{0},ann,cat,nan,,3,4", "left: 'nan' is not a number; top: '' is not a number"),
        ("{0},ann,,1,2,3,4", "class: empty, though the row has a box"),
        ("{0},ann,cat,1,2,30,4", "left: the box reaches from 1 to 31, outside the picture"),
        ("{0},ann,cat,1,-5,3,4", "top: the box reaches from -5 to -1, outside the picture"),
        ("{0},ann,cat,-1,2,0.5,4", "left: the box reaches from -1 to -0.5, outside the picture"),
        ("{0},ann,cat,1,8,3,1", "top: the box reaches from 8 to 9, outside the picture"),
        ("{0},ann,cat,1,2,1e-300,1e-300", "width: the box has no area"),
    ],
)
def test_a_mistake_in_a_box(row, expected, open_job):
    spec, items, put = open_job(**BOXES)
    put("a.csv", HEADER + f"{row}\n{{1}},ann,cat,1,2,3,4\n".format(*items))
    (told,) = rejected(spec)
    assert told.startswith(f"a.csv 2: {expected}")
    assert collect(spec)["item"].tolist() == [items[1]]


def test_a_part_of_an_answer_is_not_taken(open_job):
    """Two good boxes of three would be a wrong label; ben's answer to the item is another one."""
    spec, items, put = open_job(**BOXES)
    a, b, _ = items[:3]
    rows = f"{a},ann,cat,1,2,3,4\n{b},ann,cat,0,0,2,2\n{a},ann,dog,x,2,3,4\n{a},ben,cat,1,2,3,4\n{a},ann,cat,4,4,2,2\n"
    put("a.csv", HEADER + rows)
    assert rejected(spec) == [
        "a.csv 2: another row of this answer is wrong: line 4",
        "a.csv 4: left: 'x' is not a number",
        "a.csv 6: another row of this answer is wrong: line 4",
    ]
    assert collect(spec)[["item", "worker"]].to_numpy().tolist() == [[b, "ann"], [a, "ben"]]


def test_a_box_without_a_worker_belongs_to_the_one_worker_of_the_file(open_job):
    spec, items, put = open_job(**BOXES)
    put("a.csv", HEADER + f"{items[0]},ann,cat,1,2,3,4\n{items[0]},,dog,4,4,2,2\n{items[1]},ann,,,,,\n")
    assert rejected(spec)[0] == "a.csv 2: another row of this answer is wrong: line 3"
    assert collect(spec)["item"].tolist() == [items[1]]


def test_who_says_that_there_is_nothing_and_draws_a_box(open_job):
    spec, items, put = open_job(**BOXES)
    put("a.csv", HEADER + f"{items[0]},ann,cat,1,2,3,4\n{items[0]},ann,,,,,\n")
    assert rejected(spec) == [
        "a.csv 2: another row of this answer is wrong: line 3",
        "a.csv 3: class: ann says that there is nothing to draw, and more about the same item; take one out",
    ]


def test_a_box_that_sticks_out_by_two_pixels_is_cut_and_counted(open_job):
    """The pictures are 8 x 8."""
    spec, items, put = open_job(**BOXES)
    a, b, c, d = items[:4]
    put("a.csv", HEADER + f"{a},ann,cat,-2,1,4,4\n{b},ann,cat,3,3,7,2.5\n{c},ann,cat,0,0,8,8\n{d},ann,cat,0,0,8,10.5\n")
    assert collect(spec)[["item", "left", "top", "width", "height"]].to_numpy().tolist() == [
        [a, 0, 1, 2, 4],
        [b, 3, 3, 5, 2.5],
        [c, 0, 0, 8, 8],
    ]
    found = collected(spec)
    assert found.notes == ["2 boxes out of the picture by at most 2 pixels, cut at its edge"]
    assert found.rejected["line"].tolist() == [5]


def test_the_same_box_twice_counts_once(open_job):
    spec, items, put = open_job(**BOXES)
    put("a.csv", HEADER + 2 * f"{items[0]},ann,cat,1,2,3,4\n" + 2 * f"{items[1]},ann,,,,,\n")
    assert collect(spec)["item"].tolist() == items[:2]
    assert collected(spec).notes == ["2 rows twice in a file, counted once"]


def test_boxes_that_are_shares_of_the_picture_are_rejected_and_other_files_are_taken(open_job):
    spec, items, put = open_job(**BOXES)
    a, b, c = items[:3]
    put("a.csv", HEADER + f"{a},ann,cat,0.1,0.2,0.3,0.4\n{b},ann,,,,,\n{c},ann,dog,0.5,0.5,0.5,0.5\n")
    put("b.csv", HEADER + f"{a},ben,cat,1,2,3,4\n")
    told = rejected(spec)
    assert [line.partition(", so")[0] for line in told] == [
        "a.csv 2: width: all 2 boxes lie between 0 and 1",
        "a.csv 4: width: all 2 boxes lie between 0 and 1",
    ]
    assert collect(spec)[["item", "worker"]].to_numpy().tolist() == [[b, "ann"], [a, "ben"]]


def test_one_box_of_shares_among_boxes_in_pixels_is_rejected(open_job):
    spec, items, put = open_job(**BOXES)
    put("a.csv", HEADER + f"{items[0]},ann,cat,0.1,0.2,0.3,0.4\n{items[1]},ann,dog,1,2,3,4\n")
    (told,) = rejected(spec)
    assert told.startswith("a.csv 2: width: the box lies between 0 and 1")
    assert collect(spec)["item"].tolist() == [items[1]]


def test_answers_survive_where_the_people_folder_is_not_there(make):
    spec = make(3, workforce={"backend": "files"})
    begin(spec)
    steps.select(Job(spec.output), 0)
    steps.dispatch(Job(spec.output), 1)
    assert steps.wait(Job(spec.output), 1) == {"asked": 1, "answered": 0, "done": False}


def test_rows_whose_source_is_another_items_picture_are_rejected(open_job):
    spec, items, put = open_job()
    a, b, c = items[:3]
    sheet = "item,source,worker,label\n{0},images/{1:04d}.png,ann,1\n{1},{0:04d}.png,ann,1\n{2},{2:04d}.png,ann,1\n"
    put("a.csv", sheet.format(a, b, c))
    assert rejected(spec) == [
        f"a.csv 2: source: item {a} is images/{a:04d}.png, not images/{b:04d}.png; correct one of them",
        f"a.csv 3: source: item {b} is images/{b:04d}.png, not {a:04d}.png; correct one of them",
    ]
    assert collect(spec)["item"].tolist() == [c]


@pytest.mark.parametrize("header", ["item", "source", "Picture,item", "item,source"])
@pytest.mark.parametrize("name", ["images/{:04d}.png", "images\\{:04d}.png", "{:04d}.png"])
def test_names_of_pictures_in_place_of_items(name, header, open_job):
    spec, items, put = open_job()
    rows = [",".join(["", name.format(item)][-len(header.split(",")) :]) for item in items[:2]]
    put("a.csv", f"{header},worker,label\n" + "".join(f"{row},ann,1\n" for row in rows))
    assert rejected(spec) == []
    assert collect(spec)["item"].tolist() == items[:2]


def test_a_name_that_two_pictures_have_is_no_item(make, tmp_path):
    """The last part of a source must be unique among what was asked."""
    digits(tmp_path, 4)
    lines = [{"source-ref": source} for source in ("a/1.png", "b/1.png", "b/2.png", "b/caf\xe9.png")]
    for number, line in enumerate(lines, 1):
        (tmp_path / line["source-ref"]).parent.mkdir(exist_ok=True)
        (tmp_path / f"images/{number:04d}.png").rename(tmp_path / line["source-ref"])
    write_lines(tmp_path / "input.manifest", lines)
    spec = make(4, workforce={"backend": "files", "answers_per_item": 1})
    begin(spec)
    job = Job(spec.output)
    asked = pd.DataFrame({"item": [1, 2, 3, 4], "role": "train", "round": 1})
    job.write_table("rounds/001/asked.parquet", asked)
    job.write_json("rounds/001/posted.json", {"items": [1, 2, 3, 4], "backend": "files", "answers": 1})
    folder = tmp_path / "job/people/answers"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("item,worker,label\n1.png,ann,1\na/1.png,ann,1\n2.png,ann,1\ncafe\u0301.png,ann,1\n")
    assert rejected(spec) == [
        "a.csv 2: item: '1.png' is the name of more than one picture: items 1, 2; give the number"
    ]
    assert collect(spec)["item"].tolist() == [1, 3, 4]


def test_names_that_differ_by_case_or_blanks_are_one_person_and_told(open_job):
    spec, items, put = open_job()
    put("a.csv", f"item,worker,label\n{items[0]},Anna,1\n{items[1]},anna,2\n")
    put("b.csv", f"item,worker,label\n{items[0]}, ANNA,3\n{items[2]},ben,3\n")
    found = collected(spec)
    assert found.notes == ["Anna, anna and ' ANNA' are taken for one person: anna"]
    assert found.answers.sort_values("item")[["item", "worker", "class_id"]].to_numpy().tolist() == sorted(
        [[items[0], "anna", 3], [items[1], "anna", 2], [items[2], "ben", 3]]
    )


def test_a_person_keeps_the_name_that_the_job_knows(open_job):
    """Or the answers of one person would be counted, and paid, twice."""
    spec, items, put = open_job()
    put("a.csv", f"item,worker,label\n{items[0]},Anna,1\n")
    steps.wait(Job(spec.output), 1)
    put("b.csv", f"item,worker,label\n{items[0]},anna,2\n")
    steps.wait(Job(spec.output), 1)
    job = Job(spec.output)
    assert job.answers(1)[["worker", "class_id"]].to_numpy().tolist() == [["Anna", 2]]
    assert summarize(job)["answers"] == 1


# -- what people must mend


def mended(spec) -> tuple[int, list[int]]:
    """What a sweep leaves in summary.json and in people/rejected.csv."""
    steps.wait(Job(spec.output), 1)
    job = Job(spec.output)
    lines = pd.read_csv(f"{spec.output}/people/rejected.csv")["line"].tolist()
    assert not people.came(Job(spec.output))  # it is told once
    return summarize(job)["rejected"], lines


def test_rejected_rows_stand_in_a_csv_with_their_own_cells(open_job):
    spec, items, put = open_job()
    put("a.csv", f'item,worker,label,note,reason\n{items[0]},ann,wolf,"a, b",\n99,ben,1,,too dark\n')
    put("b.csv", "ann;1\n")
    steps.wait(Job(spec.output), 1)
    table = pd.read_csv(f"{spec.output}/people/rejected.csv", dtype=str, keep_default_na=False)
    columns = ["file", "line", "item", "worker", "label", "note", "their reason", "cell 1", "cell 2"]
    assert table.columns.tolist() == [*columns[:2], "reason", *columns[2:]]
    assert table[columns].to_numpy().tolist() == [
        ["a.csv", "2", str(items[0]), "ann", "wolf", "a, b", "", "", ""],
        ["a.csv", "3", "99", "ben", "1", "", "too dark", "", ""],
        ["b.csv", "1", "", "", "", "", "", "ann", "1"],
    ]
    assert summarize(Job(spec.output))["rejected"] == 3
    assert summarize(Job(spec.output))["about_answers"] == ["1 column not read: note"]


@pytest.mark.parametrize("name", ["a.csv", "a (1).csv", "zoe.csv"])
@pytest.mark.parametrize("bad", ["{0},ann,wolf", "x,ann,1", "{0},,1", "{0},ann", '{0},"ann,1'])
def test_a_row_is_told_until_it_is_mended_in_the_same_file_or_in_a_new_one(bad, name, open_job):
    spec, items, put = open_job()
    good = "".join(f"{item},ann,1\n" for item in items[1:4])
    put("a.csv", f"item,worker,label\n{bad.format(items[0])}\n{good}")
    assert mended(spec) == (1, [2])
    put("b.csv", f"item,worker,label\n{items[4]},ben,1\n")  # somebody else's answers mend nothing
    assert mended(spec) == (1, [2])
    put(name, f"item,worker,label\n{items[0]},ann,1\n{good}")
    assert mended(spec) == (0, [])
    assert set(Job(spec.output).answers(1)["item"]) == set(items[:5])


def test_a_row_is_mended_by_the_same_workers_answer_in_a_newer_file_of_any_form(open_job):
    spec, items, put = open_job()
    put("a.csv", f"item,worker,label\n{items[0]},ann,wolf\n")
    assert mended(spec) == (1, [2])
    put("b.csv", f"worker;item;label\nben;{items[0]};1\n")
    assert mended(spec) == (1, [2])
    put("c.csv", f"worker;item;label\nANN;{items[0]};1\n")
    assert mended(spec) == (0, [])


def test_a_header_is_told_until_it_is_mended(open_job):
    spec, items, put = open_job()
    put("a.csv", f"item,wer,label\n{items[0]},ann,1\n{items[1]},ann,1\n")
    assert mended(spec) == (1, [1])
    put("b.csv", f"item,worker,label\n{items[0]},ann,1\n{items[1]},ann,1\n")
    assert mended(spec) == (0, [])


def test_a_later_row_mends_an_earlier_one_and_a_bad_last_word_hides_no_earlier_one(open_job):
    spec, items, put = open_job()
    a, b = items[:2]
    put("a.csv", f"item,worker,label\n{a},ann,wolf\n{b},ann,1\n{a},ann,2\n{b},ann,wolf\n")
    assert [line[:50] for line in rejected(spec)] == [
        "a.csv 3: a later row of this answer is wrong: line 5"[:50],
        "a.csv 5: label: 'wolf' is not one of the job's classes"[:50],
    ]
    assert collect(spec)[["item", "class_id"]].to_numpy().tolist() == [[a, 2]]


def test_a_job_with_bad_rows_waits_goes_on_and_can_be_stopped(open_job):
    spec, items, put = open_job()
    rows = "".join(f"{item},ann,{item % 10}\n" for item in items[1:])
    put("a.csv", f"item,worker,label\n{items[0]},ann,wolf\n{rows}")
    put("b.csv", b"\xff\xfe\0\0")
    assert steps.wait(Job(spec.output), 1)["done"] is False
    job = Job(spec.output)
    steps.stop(job)
    assert summarize(job)["rejected"] == summarize(Job(spec.output))["rejected"] == 2
    assert len(Job(spec.output).labels(1)) == len(items) - 1


def test_nothing_is_written_where_there_is_nothing_to_tell(open_job, tmp_path):
    spec, items, put = open_job()
    put("a.csv", f"item,worker,label\n{items[0]},ann,1\n")
    steps.wait(Job(spec.output), 1)
    assert sorted(path.name for path in (tmp_path / "job/people").iterdir()) == ["answers", "batch-001.csv"]


def test_a_sweep_that_finds_nothing_new_writes_nothing(open_job):
    spec, _, put = open_job()
    put("a.csv", "item,worker,label\n99,ann,1\n")
    steps.wait(Job(spec.output), 1)
    with Counted() as counted:
        steps.wait(Job(spec.output), 1)
    assert counted.found["replace"] == counted.found["write_once"] == 0
    assert counted.found.total() <= 10


def test_an_answer_need_not_be_tidy(open_job):
    spec, items, put = open_job(classes=["cafe\u0301", "b", *map(str, range(8))])
    put("a.csv", f"item,worker,label\n{items[0]},ann, caf\xe9 \n".encode())
    assert collect(spec)["class_id"].tolist() == [0]
