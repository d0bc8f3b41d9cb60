"""`roundtruth label`: one person labels a job to its end in a browser, by real mouse and key events."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from roundtruth import manifest
from roundtruth.kinds.object_detection import SIDES
from tests.jobs import boxes, write_job
from tests.serve.conftest import PATIENCE

pytestmark = pytest.mark.slow
MARGIN = 12  # of a picture that fits, on every side
LONGEST = 900.0  # seconds


class Person:
    """Draws the true boxes of each picture that the page shows."""

    def __init__(self, page, truth: pd.DataFrame, classes: list[str]):
        self.page, self.classes = page, classes
        self.truth = dict(list(truth.groupby("item")))
        self.sizes: dict[int, tuple[int, int]] = {}
        self.drawn: dict[int, list[dict]] = {}
        page.on("response", self.hear)

    def hear(self, response) -> None:
        if response.url.endswith("/api/next") and response.ok:
            for given in response.json()["items"]:
                self.sizes[given["item"]] = given["width"], given["height"]

    def label(self) -> bool:
        """Label the picture on the screen; False where the page shows none now."""
        if self.page.locator("body").get_attribute("data-screen") != "picture":
            return False
        item = int(self.page.locator("#editor").get_attribute("data-item"))
        if item in self.drawn:
            return False
        rows = self.truth.get(item, pd.DataFrame(columns=["class_id", *SIDES]))
        rows = rows[rows["class_id"] >= 0]
        for row in rows.itertuples():
            self.page.keyboard.press("Escape")  # a number would change the class of the box that is selected
            if len(self.classes) > 1:
                self.page.keyboard.press(str(row.class_id + 1))
            self.draw(self.sizes[item], row)
        self.drawn[item] = rows.to_dict("records")
        self.page.keyboard.press("Enter" if len(rows) else "e")
        return True

    def draw(self, size: tuple[int, int], row) -> None:
        stage = self.page.locator(".boxes-canvas").bounding_box()
        scale = min((stage["width"] - 2 * MARGIN) / size[0], (stage["height"] - 2 * MARGIN) / size[1])
        left = stage["x"] + (stage["width"] - scale * size[0]) / 2
        top = stage["y"] + (stage["height"] - scale * size[1]) / 2
        self.page.mouse.move(left + scale * row.left, top + scale * row.top)
        self.page.mouse.down()
        self.page.mouse.move(left + scale * (row.left + row.width), top + scale * (row.top + row.height), steps=2)
        self.page.mouse.up()


def label_job(browser, path: Path, truth: pd.DataFrame, classes: list[str]) -> Person:
    """Run `roundtruth label` and label whatever its page shows, until the command has ended."""
    command = [sys.executable, "-m", "roundtruth.cli", "label", str(path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=None) as process:
        assert process.stdout
        context = browser.new_context(viewport={"width": 1200, "height": 900})
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        person = Person(page, truth, classes)
        url = next(line for line in process.stdout if line.startswith("Label at ")).split()[-1]
        page.goto(url)
        end = time.monotonic() + LONGEST
        while process.poll() is None and time.monotonic() < end:
            if not person.label():
                page.wait_for_timeout(50)
        page.wait_for_function("document.body.dataset.screen === 'done'")
        context.close()
        assert process.wait(60) == 0
    return person


def check(job: Path, person: Person) -> None:
    """The finished manifest has what was drawn to half a pixel."""
    summary = json.loads((job / "report/summary.json").read_text())
    assert summary["state"] == "complete"
    assert summary["human"] == len(person.drawn)
    records = list(manifest.read(str(job / "output/output.manifest")))
    assert len(records) == summary["items"]
    for item, drawn in person.drawn.items():
        assert records[item - 1]["label-metadata"]["human-annotated"] == "yes"
        found = sorted(records[item - 1]["label"]["annotations"], key=lambda box: (box["class_id"], box["left"]))
        wanted = sorted(drawn, key=lambda box: (box["class_id"], box["left"]))
        assert len(found) == len(wanted)
        for box, true in zip(found, wanted):
            assert box["class_id"] == true["class_id"]
            assert all(abs(box[side] - true[side]) <= 0.5 for side in SIDES), (item, box, true)


def test_one_person_goes_from_a_folder_of_pictures_to_a_labeled_data_set(browser, tmp_path, monkeypatch):
    monkeypatch.setenv("ROUNDTRUTH_LINK_KEY", "k" * 40)
    monkeypatch.setenv("BROWSER", "true")
    truth = boxes(tmp_path, 40)
    names = ["red", "green", "blue"]
    path = write_job(
        tmp_path, kind="object-detection", data="images", classes=names, learner="default",
        workforce={"backend": "page", "answers_per_item": 1},
    )  # fmt: skip
    person = label_job(browser, path, truth, names)
    check(tmp_path / "job", person)
    command = [sys.executable, "-m", "roundtruth.cli", "label", str(path), "--port", "0"]
    again = subprocess.run(command, capture_output=True, text=True, check=True)  # there is nothing to wait for
    assert "complete" in again.stdout
    assert "Label at" not in again.stdout


def test_one_person_labels_pictures_of_raccoons(browser, tmp_path, monkeypatch, data):
    monkeypatch.setenv("ROUNDTRUTH_LINK_KEY", "k" * 40)
    monkeypatch.setenv("BROWSER", "true")
    records = list(manifest.read(str(data / "raccoon/truth.manifest")))[:60]
    (tmp_path / "pictures").mkdir()
    rows = []
    for record in records:
        name = Path(record["source-ref"]).name
        (tmp_path / "pictures" / name).symlink_to(data / "raccoon" / record["source-ref"])
        label = next(value for value in record.values() if isinstance(value, dict) and "annotations" in value)
        rows += [{"source": name, **box} for box in label["annotations"]]
    place = {name: item for item, name in enumerate(sorted({row["source"] for row in rows}), 1)}
    truth = pd.DataFrame(rows).assign(item=lambda rows: rows["source"].map(place))
    path = write_job(
        tmp_path, name="raccoons", kind="object-detection", data="pictures", classes=["raccoon"], learner="default",
        workforce={"backend": "page", "answers_per_item": 1}, plan="certified",
    )  # fmt: skip
    person = label_job(browser, path, truth, ["raccoon"])
    check(tmp_path / "job", person)
