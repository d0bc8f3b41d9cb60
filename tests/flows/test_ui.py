"""A person starts a job from the UI's own form, in a real browser, and sees how it went."""

import re

import pytest

from roundtruth.spec import JobSpec
from tests.browser import chromium

pytestmark = pytest.mark.slow


@pytest.fixture
def page():
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1300, "height": 3300})
        page.set_default_timeout(600_000)  # on a busy machine; a person would wait, too
        yield page


class Form:
    """The fields of Prefect's form for a run with parameters, by their titles."""

    def __init__(self, page, within=None):
        self.page, self.within = page, within or page

    def field(self, title: str):
        label = ":scope > .p-label__header .schema-form-property__label"
        own = self.page.locator(label, has_text=re.compile(rf"^\s*{title}(\s*\(Optional\))?\s*$"))
        return self.within.locator("div.p-label.schema-form-property").filter(has=own)

    def write(self, title: str, value: str) -> None:
        self.field(title).locator("textarea, input").first.fill(value)

    def choose(self, title: str, option: str) -> None:
        """From a list."""
        self.field(title).locator("button.p-select-button__control").focus()
        self.page.keyboard.press("Space")
        self.page.locator(".p-select-option", has_text=option).click()

    def switch(self, title: str, option: str) -> "Form":
        """One of the buttons that say what kind of value follows."""
        field = self.field(title)
        field.locator(".p-label__body").first.get_by_text(option, exact=True).first.click()
        return Form(self.page, field)

    def add(self, title: str, values: list[str]) -> None:
        field = self.field(title)
        for place, value in enumerate(values):
            field.get_by_text("Add item").click()
            field.locator("textarea").nth(place).fill(value)


def test_a_job_is_started_from_the_form_and_its_report_is_seen(servers, job, page):
    spec = job("from the form", 40, target={"quality": 0.3}, plan=None)
    del spec["workforce"]["answers_per_item"]
    page.goto(f"{servers.api.removesuffix('/api')}/deployments")
    page.get_by_role("link", name="labeling-job", exact=True).first.click()
    page.get_by_role("button", name="Run", exact=True).first.click()
    page.get_by_text("Custom run").click()
    form = Form(page)
    form.write("Name", spec["name"])
    form.choose("Kind", spec["kind"])
    form.write("Data", spec["data"])
    form.add("Classes", spec["classes"])
    form.write("Output", spec["output"])
    form.switch("Quality", "Number")
    form.write("Quality", "0.3")
    people = form.switch("Workforce", "Simulated")
    people.switch("Truth", "Text")
    people.write("Truth", spec["workforce"]["truth"])
    people.write("Noise", "0")
    form.write("Learner", spec["learner"])
    form.switch("Weights", "Text")
    form.write("Weights", "none")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile("tab=Runs"))

    (run,) = servers.runs("labeling-job")
    assert JobSpec.model_validate(run["parameters"]["job"]) == JobSpec.model_validate(spec)
    run = servers.ended(run)
    assert run["state_name"] == "Complete", run["state"]["message"]
    assert run["name"] == "from the form"

    page.goto(f"{servers.api.removesuffix('/api')}/runs/flow-run/{run['id']}")
    page.get_by_text("Complete", exact=True).first.wait_for()
    page.get_by_text("Subflow Runs", exact=True).click()
    page.get_by_role("link", name="from the form round 1", exact=True).wait_for()
    page.get_by_text("Artifacts", exact=True).click()
    page.get_by_text("from-the-form-report").first.click()
    picture = page.locator("img[src^='data:image/png']").first
    picture.wait_for()
    assert picture.evaluate("picture => picture.naturalWidth") > 300
