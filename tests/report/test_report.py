import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from roundtruth import plans, report, steps
from roundtruth.job import Job
from roundtruth.look import Look
from roundtruth.report import evidence
from roundtruth.summary import summarize
from tests.jobs import digits, files, run_job, scripted, write_lines
from tests.report.conftest import CLASSES, KINDS, finished_job

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><b>"
BROWSER_LOADS = ("src", "href", "srcset", "data", "action", "poster", "background", "formaction", "ping", "cite")


class Page(HTMLParser):
    """What a browser would make of the page: its elements, attributes and text, and whether tags are balanced."""

    VOID = ("meta", "link", "img", "br")
    CELLS = ("td", "th")

    def __init__(self, html: bytes):
        super().__init__()
        self.elements, self.text, self.open, self.styles, self.scripts = [], "", [], "", []
        self.tables: list[list[list[str]]] = []  # their rows, as text
        self.feed(html.decode("utf-8"))
        self.close()
        assert self.open == []
        ids = [attributes["id"] for _, attributes in self.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert all(len(rows) == len({tuple(row) for row in rows}) for rows in self.tables)
        assert not re.search(r"(?<![\d.,])1 (items|rounds|pictures|answers|workers|labels|boxes)\b", self.text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in self.CELLS:
            self.tables[-1][-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] == ["style"]:
            self.styles += data
        elif self.open[-1:] == ["script"]:
            self.scripts.append(data)
        else:
            self.text += " " + " ".join(data.split())
            if {*self.CELLS} & {*self.open}:
                self.tables[-1][-1][-1] += data.strip()

    def having(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]

    def images(self) -> list[dict]:
        return self.having("img")


def written(job) -> tuple[Page, dict[str, bytes]]:
    """The page, and all files of the report."""
    report.write(job, summarize(job))
    found = files(Path(job.address, "report"))
    return Page(found["index.html"]), found


def some_of(job, charts: bool = False, galleries: bool = False) -> Page:
    """The page without the pictures that a test does not look at, which take most of the time."""
    summary, labels, seen = summarize(job), job.outcome(), evidence.gather(job)
    shown = report.charts_of(job, summary, labels, seen) if charts else []
    return Page(report.page(job, summary, shown, report.galleries_of(job, labels) if galleries else [], seen).encode())


def decode(uri: str) -> Image.Image:
    head, data = uri.split(",", 1)
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        picture.load()
        return picture


def check_self_contained(page: Page):
    loads = [value for _, attributes in page.elements for name, value in attributes.items() if name in BROWSER_LOADS]
    assert all(value.startswith(("data:", "#")) for value in loads)
    anchors = {attributes.get("id") for _, attributes in page.elements}
    assert {value[1:] for value in loads if value.startswith("#")} <= anchors
    assert "url(" not in page.styles
    assert "@import" not in page.styles
    policy = [meta["content"] for meta in page.having("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    own = Path(report.__file__).with_name("viewer.js").read_text()
    assert page.scripts in ([own], [])  # none where there is no picture to enlarge
    allowed = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    assert policy == [f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"]


def check_inert(page: Page):
    tags = {tag for tag, _ in page.elements}
    assert len(page.having("script")) == len(page.scripts)
    assert all(not attributes for attributes in page.having("script"))
    assert not tags & {"iframe", "object", "embed", "form", "svg", "base", "b"}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


FIGURES = {"items-per-round", "cost-per-round", "money", "quality", "coverage", "calibration"}
GALLERIES = {"most-disagreed", "most-confident-human", "most-confident-auto", "least-confident-auto"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "figures", "pictures"),
    [
        ("object-detection", {"boxes-per-round"}, 8 + 8 * 5 + 24 + 12 + 12),
        ("image-classification", set(), 8 + 24 + 12 + 12),
    ],
)
def test_finished_job(copied, kind, figures, pictures):
    job = copied(kind)
    page, found = written(job)
    pngs = {f"{name}.png" for name in FIGURES | GALLERIES | figures}
    assert set(found) == pngs | {"index.html"}
    for name in pngs:
        with Image.open(io.BytesIO(found[name])) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert picture.getextrema() not in [(255, 255), ((255, 255),) * 3]
    assert [decode(image["src"]).format for image in page.images()] == ["PNG"] * len(FIGURES | figures) + [
        "JPEG"
    ] * pictures
    assert all(image["alt"] for image in page.images())
    # 80 at $0.26 and 40 at $0.08, against 120 at $0.26
    assert "120 items labeled for $24.00. People labeled 80, the model 40." in page.text
    assert "People alone would have cost $31.20: 23.1 % saved." in page.text
    assert "Nothing is promised" in page.text
    check_self_contained(page)
    check_inert(page)
    assert report.write(job, summarize(job)) == {name.removesuffix(".png"): found[name] for name in pngs}


def test_alt_texts_hold_the_numbers_of_the_bars(finished):
    page = some_of(finished["image-classification"], charts=True)
    alts = [image["alt"] for image in page.images()]
    assert alts[0] == (
        "Round 1: people 10, model 0; round 2: people 14, model 0; round 3: people 24, model 0; "
        "round 4: people 24, model 40; round 5: people 8, model 0."
    )
    assert "round 4: people $6.24, model $3.20; round 5: people $2.08, model $0.00." in alts[1]


def test_of_many_rounds_the_last_are_in_words():
    rounds = pd.DataFrame({"round": range(1, 61)})
    said = report.in_rounds(rounds, rounds["round"] * 2, rounds["round"], str)
    assert said.startswith("Bars for 60 rounds, of which the last:; round 49: people 98, model 49; ")
    assert said.endswith("; round 60: people 120, model 60.")


@pytest.mark.parametrize("kind", KINDS)
def test_begun_job_has_a_page(begun, kind):
    page, found = written(begun(kind, 20))
    assert set(found) == {"index.html"}
    assert "20 items to label; nothing is labeled yet. The job is under way." in page.text
    assert "Nothing to promise yet" in page.text
    assert "Skill" not in page.text
    assert page.images() == []
    check_self_contained(page)


def test_people_answered_and_no_model_was_trained(begun, tmp_path):
    spec = begun("image-classification", 50, workforce={"backend": "files", "answers_per_item": 5}).spec
    asked = run_job(spec).batch(1)["item"]
    rows = [f"{item},{who},{item % 10}" for item in asked for who in "abcde"]
    (tmp_path / "job/people/answers/a.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
    page, found = written(run_job(spec))
    assert {name for name in found if "confident" in name} == {"most-confident-human.png"}
    assert not {"coverage.png", "calibration.png", "quality.png"} & set(found)
    assert "10 of 50 items labeled so far, for $2.60. People labeled 10. 40 items left" in page.text


def test_unknown_truth(begun, tmp_path):
    """A job whose answers were recorded: nobody knows the truth."""
    truth = digits(tmp_path, 30)
    rows = [f"{row.item},{who},{row.class_id}" for row in truth.itertuples() for who in "abcde"]
    (tmp_path / "answers.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
    recorded = {"backend": "simulated", "answers": "answers.csv", "answers_per_item": 5}
    page, found = written(run_job(begun("image-classification", 30, workforce=recorded).spec))
    assert "quality.png" not in found
    assert {"coverage.png", "calibration.png"} <= set(found)
    assert "measured against the truth" not in page.text


@pytest.mark.parametrize("kind", ["object-detection", pytest.param("image-classification", marks=pytest.mark.slow)])
def test_markup_in_names_is_text(kind, tmp_path, monkeypatch):
    """Whatever a user may name: job, dataset, classes, pictures, learner, weights and workers."""
    named = {"name": EVIL, "classes": [EVIL, *CLASSES[kind][1:]], "learner": EVIL, "picture": EVIL + "{:04d}.png"}
    job = finished_job(tmp_path / EVIL, monkeypatch, kind, 30, 6, **named)
    for path in Path(job.address).glob("rounds/*/workers.parquet"):
        workers = pd.read_parquet(path)
        workers.loc[workers["skill"].idxmax(), "worker"] = EVIL
        workers.to_parquet(path)
    Path(job.address, "weights/origin.json").write_text(json.dumps({"origin": EVIL}))
    page, _ = written(Job(job.address))
    check_inert(page)
    check_self_contained(page)
    for place in (
        f"Dataset {tmp_path}/{EVIL}/",
        f"Classes {EVIL[:19]}…{EVIL[-20:]}",
        f"Learner scripted:{EVIL}",
        f"Skill   {EVIL} ",
    ):
        assert place in page.text
    assert f"Backbone weights {EVIL}" in page.text
    assert any(f"images/{EVIL}" in image["alt"] for image in page.images())


def test_galleries_hold_the_extremes(finished):
    job = finished["image-classification"]
    labels, answers = job.outcome(), pd.concat([job.answers(number) for number in range(1, 6)])
    page = some_of(job, galleries=True)
    sure = labels.set_index("item")["confidence"]
    people, model = sure[labels["source"].to_numpy() == "human"], sure[labels["source"].to_numpy() == "auto"]
    merged = labels.set_index("item")["class_id"]
    same = (answers["class_id"] == answers["item"].map(merged)).groupby(answers["item"]).mean().sort_index()
    disagreed = same.sort_values(kind="stable").index[:8]
    least = model.nsmallest(24).index
    expected = [*disagreed, *least, *people.drop(disagreed).nlargest(12).index, *model.drop(least).nlargest(12).index]
    shown = [image["alt"] for image in page.images() if image["alt"].startswith("Item ")]
    assert [int(alt.split(",")[0][5:]) for alt in shown] == expected
    of_first = labels.loc[labels["item"] == expected[8]].iloc[0]
    assert shown[8] == (
        f"Item {expected[8]}, images/{expected[8]:04d}.png: {of_first['class_id']}, "
        f"confidence {100 * of_first['confidence']:.1f}\N{NO-BREAK SPACE}%"
    )


def test_unreadable_pictures_are_skipped(begun, tmp_path):
    job = run_job(begun("image-classification", 6).spec)
    pictures = tmp_path / "images"
    (pictures / "0002.png").write_bytes(b"no picture")
    (pictures / "0005.png").unlink()
    page = some_of(job, galleries=True)
    shown = {int(image["alt"].split(",")[0][5:]) for image in page.images() if image["alt"].startswith("Item ")}
    assert shown == {1, 3, 4, 6}
    for i in (1, 3, 4, 6):
        (pictures / f"{i:04d}.png").unlink()
    page = some_of(job, galleries=True)
    assert "The pictures could not be read." in page.text
    assert not [image for image in page.images() if image["alt"].startswith("Item ")]


def test_workers_at_both_ends(copied):
    job = copied("image-classification")
    path = Path(job.address, job.path(max(job.rounds_with("workers.parquet")), "workers.parquet"))
    skill = np.linspace(0.5, 1, 300)
    pd.DataFrame({"worker": [f"w{i}" for i in range(300)], "answers": 1234, "skill": skill}).to_parquet(path)
    page = some_of(job)
    assert "300 workers" in page.text
    assert (
        page.text.index("w299 1,234 1.000")
        < page.text.index("w290 ")
        < page.text.index("w9 ")
        < page.text.index("w0 1,234 0.500")
    )
    assert "w150 " not in page.text


def test_items_without_a_label_are_listed_by_reason(begun, tmp_path):
    digits(tmp_path, 80)
    there = [{"source-ref": f"images/{i:04d}.png"} for i in range(1, 81)]
    gone = [{"source-ref": f"gone/{EVIL}.png"}, *({"source-ref": f"gone/{i}.png"} for i in range(2, 71))]
    write_lines(tmp_path / "input.manifest", there + gone)
    page = some_of(begun("image-classification", 150))
    check_inert(page)
    assert "70 items have no label and cost nothing." in page.text
    named = " ".join(f"no. {80 + i} gone/{name}.png" for i, name in enumerate([EVIL, 2, 3, 4, 5], 1))
    assert f"no file 70 {named} and 65 more items" in " ".join(page.text.split())
    assert "gone/6.png" not in page.text


def test_boxes_are_split_by_who_drew_them(finished):
    job = finished["object-detection"]
    rows, labels = pd.DataFrame(summarize(job)["rounds"]), job.outcome()
    human, auto = report.split_objects(job.spec.kind, rows, labels)
    boxes = labels[labels["class_id"] >= 0]
    people = boxes[boxes["source"] == "human"].groupby("round").size().reindex([1, 2, 3, 4, 5], fill_value=0)
    assert human.tolist() == people.tolist()
    assert auto.tolist() == [0, 0, 0, (boxes["source"] == "auto").sum(), 0]
    assert rows["objects"].sum() == len(boxes) > 120


@pytest.mark.slow
def test_threshold_that_nothing_reached(begun, monkeypatch):
    wrong = scripted(monkeypatch, lambda trained, items: (np.full(len(items), 10), items / 100))
    classes = [*"0123456789", "none"]
    page = some_of(run_job(begun("image-classification", 20, learner=wrong, classes=classes).spec), charts=True)
    assert "there is no naive cut: no threshold reaches the target" in page.text


def test_a_million_items_are_sampled(finished, monkeypatch):
    monkeypatch.setattr(report, "SAMPLE", 30)
    page = some_of(finished["image-classification"], charts=True)
    quality = next(image["alt"] for image in page.images() if "right" in image["alt"])
    assert quality.count("30 labels right") == 2
    assert "A sample is shown." in page.text


def test_of_many_classes_the_first_are_listed(begun):
    classes = [f"species {i}" for i in range(1000)]
    page = some_of(begun("image-classification", 2, classes=classes, workforce={"backend": "files"}))
    assert "species 19 and 980 more" in page.text


def test_before_anything_is_labeled_the_page_says_what_was_read_and_what_lies_ahead(begun):
    page = some_of(begun("image-classification", 20, plan="certified", weights=None))
    for said in (
        "What lies ahead",
        "Forecast About $5.20 in all",
        "At most $5.20, if people label all 20 items.",
        "The model starts from torchvision's ShuffleNetV2 x0.5",
        "Labeled already None: no item came with a label.",
        "What will appear here",
        "Labels, round by round. Appears once people have answered a batch.",
        "Where people disagreed. Appears once two people disagree about an item.",
    ):
        assert said in " ".join(page.text.split())


def test_a_job_that_has_ended_looks_at_nothing_ahead(finished):
    page = some_of(finished["object-detection"], charts=True, galleries=True)
    assert "What lies ahead" not in page.text
    assert "Not here" not in page.text
    assert "Appears" not in page.text
    assert "What was read" in page.text


def test_charts_of_nothing_are_left_out_and_it_is_said_why(begun):
    free = {"per_item": 0, "per_answer": 0, "per_auto_label": 0}
    same = {"backend": "simulated", "truth": "truth.manifest", "noise": 0, "answers_per_item": 5}
    spec = begun("image-classification", 1, plan="certified", prices=free, workforce=same).spec
    page, found = written(run_job(spec))
    assert set(found) == {"index.html", "items-per-round.png", "quality.png", "most-confident-human.png"}
    said = " ".join(page.text.split())
    assert "Costs. Not here: nothing was paid." in said
    assert "How good the model is. Not here: no model was checked on enough items." in said
    assert "The model's labels. Not here: the model labeled no item." in said
    assert "Where people disagreed. Not here: no two people disagreed about an item." in said


def test_one_answer_an_item_cannot_disagree(make):
    alone = {"backend": "simulated", "truth": "truth.manifest", "noise": 1, "answers_per_item": 1}
    page = some_of(run_job(make(20, workforce=alone)), galleries=True)
    assert "Where people disagreed. Not here: this job asked one person about each item." in " ".join(page.text.split())
    assert not [attributes for _, attributes in page.elements if attributes.get("id") == "most-disagreed"]


def test_workers_of_equal_skill_are_one_table(make):
    alone = {"backend": "simulated", "truth": "truth.manifest", "noise": 0, "answers_per_item": 1}
    page = some_of(run_job(make(60, workforce=alone)))
    assert "All have the same skill so far; those with the most answers are listed." in page.text
    assert "Highest skill" not in page.text


def test_each_answer_stands_beside_the_merged_label(begun, tmp_path):
    """Five people about each of ten items; on one of them two say something else, and one cannot tell."""
    spec = begun("image-classification", 50, workforce={"backend": "files", "answers_per_item": 5}).spec
    asked = run_job(spec).batch(1)["item"].tolist()
    said = {(asked[3], "d"): ("4", ""), (asked[3], "e"): ("4", ""), (asked[6], "b"): ("9", "")}
    rows = [[item, who, *said.get((item, who), ("7", ""))] for item in asked for who in "abcde"]
    rows.append([asked[3], EVIL, "", EVIL])
    lines = [",".join('"' + str(value).replace('"', '""') + '"' for value in row) for row in rows]
    (tmp_path / "job/people/answers/a.csv").write_text("\n".join(["item,worker,label,reason", *lines]) + "\n")
    page = some_of(run_job(spec), galleries=True)
    check_inert(page)
    shown = " ".join(page.text.split())
    start = shown.index("Where people disagreed most")
    first = f"60.0 % agreement · no. {asked[3]} merged: 7 a 7 b 7 c 7 d 4 e 4 {EVIL[:19]}…{EVIL[-20:]} no label: {EVIL}"
    second = f"80.0 % agreement · no. {asked[6]} merged: 7 a 7 b 9 c 7 d 7 e 7 "
    assert start < shown.index(first) < shown.index(second)
    assert shown.count("% agreement ·") == 2


def test_what_was_passed_over_and_rejected_is_on_the_page(begun):
    job = begun("image-classification", 20)
    summary = summarize(job)
    assert "Rejected" not in Page(report.page(job, summary, [], []).encode()).text
    summary |= {"passed": ["3 boxes of crowds", f"2 files {EVIL}"], "rejected": 7}
    summary["first_rejected"] = [f"{EVIL}.csv: line 2: no worker"]
    page = Page(report.page(job, summary, [], []).encode())
    check_inert(page)
    assert "Passed over 3 boxes of crowds" in " ".join(page.text.split())
    assert f"Passed over 2 files {EVIL}" in " ".join(page.text.split())
    shown = " ".join(page.text.split())
    assert (
        "Correct them in your file, and put the file there again. The first 1: " + f"{EVIL}.csv: line 2: no worker"
        in shown
    )
    assert "Rejected answers 7 rows; people/rejected.csv in the job folder says why." in shown


def test_ways_that_come_to_the_same_are_one_row(make):
    job = run_job(make(300, **EASY))
    summary, seen = summarize(job), evidence.gather(job)
    people = len(job.askable())
    summary |= {"human": people, "auto": 0, "cost": summary["cost"] | {"total": round(people * 0.26, 2)}}
    rows = {row["way"]: row for row in report.compared(job, summary, seen)}
    assert "people" not in rows
    assert rows["job"]["same"] == "the same: People alone"


@pytest.mark.slow
def test_the_page_stays_small_whatever_the_pictures(copied):
    """Pictures of noise, which cannot be compressed."""
    chance = np.random.default_rng(0)
    job = copied("object-detection")
    for path in Path(job.address).parent.glob("images/*"):
        Image.fromarray(chance.integers(0, 256, (600, 600, 3), dtype="uint8")).save(path, compress_level=0)
    _, found = written(job)
    pictures = 8 * (40_000 + 5 * 12_000) + (24 + 12 + 12) * 40_000
    assert len(found["index.html"]) < 4 / 3 * pictures + 700_000 < 5_000_000


EASY = {"plan": "certified", "target": {"quality": 0.8}}


def certified_page(job) -> tuple[Page, dict, Look]:
    """The page, the summary and the last look of a job that was run."""
    summary, pictures = steps.write_report(job)
    assert json.loads(job.store.read("report/summary.json")) == summary
    assert FIGURES - {"quality"} <= set(pictures)
    page = Page(job.store.read("report/index.html"))
    check_self_contained(page)
    check_inert(page)
    assert all(image["alt"] for image in page.images())
    return page, summary, plans.last_look(job)


def test_a_certified_job_says_what_is_promised_and_what_it_rests_on(make):
    job = run_job(make(300, **EASY))
    page, summary, look = certified_page(job)
    auto = summary["auto"]
    assert auto > 0
    assert (
        f"{auto} labels by the model match people's labels with an accuracy of at least 0.8; "
        "the chance that this is wrong is at most 5 %."
    ) in page.text
    assert f"{look.checked} items were drawn and labeled by people blind to the model" in page.text
    assert f"{look.above} of them at or above the threshold {look.threshold:.6g}" in page.text
    assert f"of the items not drawn {auto}, {100 * look.coverage:.1f} %," in page.text
    assert "docs/recompute_certificate.py" in page.text
    # 120 of 300 by people at $0.26, 180 by the model at $0.08
    assert "The ground-truth plan, at best" in page.text
    assert "120 180 $45.60" in page.text
    assert f"{summary['human']} {auto} ${summary['cost']['total']:.2f}" in page.text
    assert "breaks its target in up to half of all jobs" in page.text
    alts = " ".join(image["alt"] for image in page.images())
    assert f"the certified cut, θ\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{look.threshold:.3g}" in alts


def test_a_job_that_can_promise_nothing_says_why(make, monkeypatch):
    from sklearn.datasets import load_digits

    truth = load_digits().target
    never = scripted(
        monkeypatch, lambda trained, items: ((truth[items - 1] + 1) % 10, np.linspace(0.3, 0.9, len(items)))
    )
    page, summary, look = certified_page(run_job(make(200, learner=never, **EASY)))
    assert summary["auto"] == 0
    assert (
        f"Nothing can be promised. After {look.checked} checked items an accuracy of at least 0.8 could not be shown"
    ) in page.text
    assert "No number of checked items would have been enough" in page.text
    assert "Why there is no certificate" in page.text
    assert "there is no certified cut: nothing can be promised" in page.text
    assert "match people's labels" not in page.text


def test_the_page_of_the_ground_truth_plan_has_no_certificate(finished):
    page = some_of(finished["image-classification"], charts=True)
    assert "Other ways" not in page.text
    assert not [attributes for _, attributes in page.elements if attributes.get("id") == "certificate"]
    assert "The naive cut promises nothing" in page.text
