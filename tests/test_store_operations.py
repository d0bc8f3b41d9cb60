"""How often the steps of a job read, list or write in its folder: on S3 each such operation is a request."""

import pytest

from roundtruth import plans, steps
from roundtruth.begin import begin
from roundtruth.job import Job
from roundtruth.summary import summarize
from tests.jobs import Counted


@pytest.mark.slow
@pytest.mark.parametrize("budget", [None, 40.0], ids=["no budget", "a budget"])
@pytest.mark.parametrize("plan", ["certified", "ground-truth"])
def test_no_step_reads_a_file_twice_or_asks_the_folder_often(plan, budget, make):
    steps_ask_at_most(40, make(120, plan=plan, target={"quality": 0.8}, budget=budget))


@pytest.mark.slow
def test_asking_on_costs_a_few_files_a_round(make):
    people = {"backend": "simulated", "truth": "truth.manifest", "noise": 1}
    spec = make(120, target={"quality": 0.8}, workforce=people)
    steps_ask_at_most(60, spec)
    job = Job(spec.output)
    assert len(job.listed(job.path(1, "answers/"))) == 4  # two people, a third, a fourth, a fifth


def steps_ask_at_most(at_most: int, spec) -> None:
    most: dict[str, int] = {}

    def step(what: str, call, *arguments):
        with Counted() as counted:
            result = call(Job(spec.output), *arguments)
        most[what] = max(most.get(what, 0), counted.found.total())
        assert counted.found["list"] <= 2
        assert counted.found["exists"] == 0
        return result

    begin(spec)
    step("select", steps.select, 0)
    while number := step("next round", plans.next_round):
        for verb in ("dispatch", "wait", "consolidate"):
            step(verb, getattr(steps, verb), number)
        if step("predicts", plans.predicts, number):
            step("train", steps.train, number)
            step("infer", steps.infer, number)
        if step("calibrates", plans.calibrates, number):
            step("calibrate", steps.calibrate, number)
            step("autolabel", steps.autolabel, number)
        step("select", steps.select, number)
        step("report", steps.write_report)
    step("deliver", steps.deliver)
    step("status", summarize)
    assert Job(spec.output).last_round() >= 3
    assert max(most.values()) <= at_most, most
