import base64
import io
import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from roundtruth import report, steps
from roundtruth.report import evidence
from tests.jobs import run_job, scripted

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><b>"
BROWSER_LOADS = ("src", "href", "srcset", "data", "action", "poster", "background", "formaction", "ping", "cite")


class Page(HTMLParser):
    """What a browser would make of the page: its elements, attributes and text, and whether tags are balanced."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, html: bytes):
        super().__init__()
        self.elements, self.text, self.open, self.styles = [], "", [], ""
        self.feed(html.decode("utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] == ["style"]:
            self.styles += data
        else:
            self.text += " " + " ".join(data.split())

    def having(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]

    def images(self) -> list[dict]:
        return self.having("img")


def written(job) -> tuple[Page, dict[str, bytes]]:
    report.write(job, job.summary())
    return Page(job.store.files["report/index.html"]), job.store.files


def some_of(job, charts: bool = False, galleries: bool = False) -> Page:
    """The page without the pictures that a test does not look at, which take most of the time."""
    summary, labels, look = job.summary(), job.outcome(), evidence.last_look(job)
    shown = report.charts_of(job, summary, labels, look) if charts else []
    return Page(report.page(job, summary, shown, report.galleries_of(job, labels) if galleries else [], look).encode())


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
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def check_inert(page: Page):
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "iframe", "object", "embed", "form", "svg", "base", "b"}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


FIGURES = {"items-per-round", "cost-per-round", "money", "quality", "coverage", "calibration"}
GALLERIES = {"most-confident-human", "most-confident-auto", "least-confident-auto"}


@pytest.mark.parametrize(
    ("kind", "figures"), [("object-detection", {"boxes-per-round"}), ("image-classification", set())]
)
def test_finished_job(make_job, kind, figures):
    job = make_job(kind=kind, human=(4, 16, 20, 20), auto=(0, 0, 0, 20), n=80, state="complete")
    page, files = written(job)
    pngs = {f"report/{name}.png" for name in FIGURES | GALLERIES | figures}
    assert set(files) == pngs | {"report/index.html"}
    for name in pngs:
        with Image.open(io.BytesIO(files[name])) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert picture.getextrema() not in [(255, 255), ((255, 255),) * 3]
    assert [decode(image["src"]).format for image in page.images()] == ["PNG"] * len(FIGURES | figures) + ["JPEG"] * 64
    assert all(image["alt"] for image in page.images())
    assert "80 items labeled for $17.20. People labeled 60, the model 20." in page.text
    assert "People alone would have cost $20.80: 17.3 % saved." in page.text
    assert "Nothing is promised" in page.text
    check_self_contained(page)
    check_inert(page)
    assert report.write(job, job.summary()) == {name[7:-4]: files[name] for name in pngs}


def test_alt_texts_hold_the_numbers_of_the_bars(make_job):
    job = make_job(human=(10, 190, 200, 200, 8), auto=(0, 0, 0, 27, 365), n=1000, side=8, state="complete")
    page = some_of(job, charts=True)
    alts = [image["alt"] for image in page.images()]
    assert "round 4: people 200, model 27; round 5: people 8, model 365." in alts[0]
    assert "round 4: people $52.00, model $2.16; round 5: people $2.08, model $29.20." in alts[2]
    assert "$189.44" in page.text
    assert "27.1 % saved" in page.text


@pytest.mark.parametrize("kind", ["object-detection", "image-classification"])
def test_begun_job_has_a_page(make_job, kind):
    job = make_job(kind=kind, human=(), auto=(), n=20)
    page, files = written(job)
    assert set(files) == {"report/index.html"}
    assert "20 items to label; nothing is labeled yet. The job is under way." in page.text
    assert "Nothing to promise yet" in page.text
    assert page.images() == []
    check_self_contained(page)


def test_no_auto_labels(make_job):
    page, files = written(make_job(human=(10,), auto=(0,), n=20, state="waiting", side=16))
    assert {name for name in files if "confident" in name} == {"report/most-confident-human.png"}
    assert not {"report/coverage.png", "report/calibration.png"} & set(files)
    assert "10 of 20 items labeled so far, for $2.60. People labeled 10. 10 items left" in page.text


def test_unknown_truth(make_job):
    job = make_job()
    job.tables["truth"] = job.tables["workers"] = None
    job.facts["measured"] = {"human": None, "auto": None}
    page, files = written(job)
    assert "report/quality.png" not in files
    assert {"report/coverage.png", "report/calibration.png"} <= set(files)
    assert "measured against the truth" not in page.text
    assert "Skill" not in page.text


@pytest.mark.parametrize("kind", ["object-detection", "image-classification"])
def test_markup_in_names_is_text(make_job, kind):
    job = make_job(kind=kind, classes=(EVIL, "dog"), broken=2, state="complete")
    job.spec.name = job.facts["name"] = job.spec.data = job.spec.learner = EVIL
    job.facts["weights"] = job.tables["workers"]["worker"] = EVIL
    job.tables["items"]["source"] = EVIL + job.tables["items"]["source"]
    job.tables["items"].loc[79, "failure"] = EVIL
    page, _ = written(job)
    check_inert(page)
    check_self_contained(page)
    assert page.text.count("<script>alert(1)</script>") > 20
    assert any("<script>alert(1)</script>" in image["alt"] for image in page.images())


def test_a_name_that_is_not_utf8(make_job):
    job = make_job(human=(4,), auto=(0,), n=8, broken=4, state="stopped")
    job.spec.name = b"caf\xe9".decode("utf-8", "surrogateescape")
    page, _ = written(job)
    assert "caf?" in page.text


def test_galleries_hold_the_extremes(make_job):
    job = make_job(kind="image-classification", human=(30, 30), auto=(0, 40), n=100, side=8, state="complete")
    labels = job.tables["outcome"]
    labels["confidence"] = np.random.default_rng(1).permutation(100) / 100
    page = some_of(job, galleries=True)
    sure = labels.set_index("item")["confidence"]
    people, model = sure[labels["source"].to_numpy() == "human"], sure[labels["source"].to_numpy() == "auto"]
    expected = [*people.nlargest(24).index, *model.nlargest(24).index, *model.nsmallest(24).index]
    shown = [image["alt"] for image in page.images() if image["alt"].startswith("Item ")]
    assert [int(alt.split(",")[0][5:]) for alt in shown] == expected
    names = job.spec.classes
    of_first = labels.loc[labels["item"] == expected[0]].iloc[0]
    assert shown[0] == (
        f"Item {expected[0]}, picture-{expected[0]:04d}.png: {names[of_first['class_id']]}, "
        f"confidence {100 * of_first['confidence']:.1f}\N{NO-BREAK SPACE}%"
    )


def test_unreadable_pictures_are_skipped(make_job, tmp_path):
    job = make_job(human=(6,), auto=(0,), n=6, side=16, state="complete")
    (tmp_path / "picture-0002.png").write_bytes(b"no picture")
    (tmp_path / "picture-0005.png").unlink()
    page = some_of(job, galleries=True)
    shown = {int(image["alt"].split(",")[0][5:]) for image in page.images() if image["alt"].startswith("Item ")}
    assert shown == {1, 3, 4, 6}
    for i in (1, 3, 4, 6):
        (tmp_path / f"picture-{i:04d}.png").unlink()
    page = some_of(job, galleries=True)
    assert "The pictures could not be read." in page.text
    assert not [image for image in page.images() if image["alt"].startswith("Item ")]


def test_workers_at_both_ends(make_job):
    job = make_job(workers=300, human=(4,), auto=(0,), n=8, side=8)
    skill = np.linspace(0.5, 1, 300)
    job.tables["workers"] = pd.DataFrame({"worker": [f"w{i}" for i in range(300)], "answers": 1234, "skill": skill})
    page = some_of(job)
    assert "300 workers" in page.text
    assert (
        page.text.index("w299 1,234 1.000")
        < page.text.index("w290 ")
        < page.text.index("w9 ")
        < page.text.index("w0 1,234 0.500")
    )
    assert "w150 " not in page.text


def test_failed_items_are_counted_and_the_first_listed(make_job):
    page = some_of(make_job(human=(4,), auto=(0,), n=80, side=8, broken=70))
    assert "70 items cost nothing; the first 50 are listed." in page.text
    assert "11 picture-0011.png no file" in page.text
    assert "60 picture-0060.png no file" in page.text
    assert "picture-0061.png" not in page.text


def test_boxes_are_split_by_who_drew_them(make_job):
    job = make_job(human=(4, 16, 20, 20), auto=(0, 0, 0, 20), n=80)
    rows, labels = pd.DataFrame(job.facts["rounds"]), job.outcome()
    human, auto = report.split_objects(job.spec.kind, rows, labels)
    boxes = labels[labels["class_id"] >= 0]
    people = boxes[boxes["source"] == "human"].groupby("round").size().reindex([1, 2, 3, 4], fill_value=0)
    assert human.tolist() == people.tolist()
    assert auto.tolist() == [0, 0, 0, (boxes["source"] == "auto").sum()]


def test_threshold_that_nothing_reached(make_job):
    job = make_job()
    job.spec.target.quality = job.facts["target"]["quality"] = 1.1
    page = some_of(job, charts=True)
    assert "there is no naive cut: no threshold reaches the target" in page.text


def test_a_million_items_are_sampled(make_job, monkeypatch):
    job = make_job(kind="image-classification", human=(100,), auto=(0, 200), n=400, side=8)
    monkeypatch.setattr(report, "SAMPLE", 50)
    page = some_of(job, charts=True)
    quality = next(image["alt"] for image in page.images() if "right" in image["alt"])
    assert quality.count("50 labels right") == 2
    assert "A sample is shown." in page.text


def test_many_rounds_and_classes(make_job):
    classes = tuple(f"species {i}" for i in range(1000))
    job = make_job(human=(2,) * 60, auto=(0, 0) + (1,) * 58, n=200, classes=classes, side=8, state="stopped")
    page = some_of(job, charts=True)
    assert "species 19 and 980 more" in page.text
    assert all(len(image["alt"]) < 1000 for image in page.images())


EASY = {"plan": "certified", "target": {"quality": 0.8}}


def certified_page(job) -> tuple[Page, dict, dict]:
    """The page, the summary and the last look's threshold.json of a job that was run."""
    summary, pictures = steps.tell(job)
    assert json.loads(job.store.read("report/summary.json")) == summary
    assert FIGURES - {"quality"} <= set(pictures)
    page = Page(job.store.read("report/index.html"))
    check_self_contained(page)
    check_inert(page)
    assert all(image["alt"] for image in page.images())
    return page, summary, job.threshold(max(job.rounds_with("threshold.json")))


def test_a_certified_job_says_what_is_promised_and_what_it_rests_on(make):
    job = run_job(make(300, **EASY))
    page, summary, look = certified_page(job)
    auto = summary["auto"]
    assert auto > 0
    assert (
        f"{auto} labels by the model match people's labels with an accuracy of at least 0.8; "
        "the chance that this is wrong is at most 5 %."
    ) in page.text
    assert f"{look['checked']} items were drawn and labeled by people blind to the model" in page.text
    assert f"{look['above']} of them at or above the threshold {look['threshold']:.6g}" in page.text
    assert f"of the items not drawn {auto}, {100 * look['coverage']:.1f} %," in page.text
    assert "docs/recompute_certificate.py" in page.text
    # 120 of 300 by people at $0.26, 180 by the model at $0.08
    assert "The ground-truth plan, at best" in page.text
    assert "120 180 $45.60" in page.text
    assert f"{summary['human']} {auto} ${summary['cost']['total']:.2f}" in page.text
    assert "breaks its target in about half of all jobs" in page.text
    alts = " ".join(image["alt"] for image in page.images())
    assert f"the certified cut, θ\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{look['threshold']:.3g}" in alts


def test_a_job_that_can_promise_nothing_says_why(make, monkeypatch):
    from sklearn.datasets import load_digits

    truth = load_digits().target
    never = scripted(
        monkeypatch, lambda trained, items: ((truth[items - 1] + 1) % 10, np.linspace(0.3, 0.9, len(items)))
    )
    page, summary, look = certified_page(run_job(make(200, learner=never, **EASY)))
    assert summary["auto"] == 0
    assert (
        f"Nothing can be promised. After {look['checked']} checked items an accuracy of at least 0.8 could not be shown"
    ) in page.text
    assert "No number of checked items would have done" in page.text
    assert "Why there is no certificate" in page.text
    assert "there is no certified cut: nothing can be promised" in page.text
    assert "match people's labels" not in page.text


def test_the_page_of_the_ground_truth_plan_has_no_certificate(make_job):
    page = some_of(make_job(state="complete"), charts=True)
    assert "Other ways" not in page.text
    assert not [attributes for _, attributes in page.elements if attributes.get("id") == "certificate"]
    assert "The naive cut promises nothing" in page.text
