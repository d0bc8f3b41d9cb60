import html

import pytest

from roundtruth import steps
from roundtruth.job import Job
from roundtruth.summary import summarize
from tests.jobs import cost_of, output, run_job


@pytest.fixture
def flow(prefect_server):
    from flows.labeling_job import labeling_job

    return lambda spec: labeling_job(spec, return_state=True)


def runs():
    """Every flow run by name: (name of the flow, state's name, message, whether it is a subflow)."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        flows = {flow.id: flow.name for flow in client.read_flows()}
        found = client.read_flow_runs(limit=200)
        tasks = client.read_task_runs(limit=200)
    parents = {task.id: task.flow_run_id for task in tasks}
    return flows, found, parents, tasks


@pytest.mark.slow
def test_each_round_is_a_subflow_and_each_step_a_task(whole_server, flow, make, tmp_path):
    spec = make(40, name="rounds of one", target={"quality": 0.8})
    state = flow(spec)
    assert (state.name, state.type.value) == ("Complete", "COMPLETED")
    flows, found, parents, tasks = runs()
    (job,) = [run for run in found if run.name == "rounds of one"]
    assert flows[job.flow_id] == "labeling-job"
    rounds = {run.name: run for run in found if parents.get(run.parent_task_run_id) == job.id}
    last = Job(spec.output).last_round()
    assert set(rounds) == {f"rounds of one round {r}" for r in range(1, last + 1)}
    assert {flows[run.flow_id] for run in rounds.values()} == {"labeling-round"}
    model = max(Job(spec.output).rounds_with("auto.parquet"))
    names = {
        task.name.rsplit("-", 1)[0] for task in tasks if task.flow_run_id == rounds[f"rounds of one round {model}"].id
    }
    assert names == {
        "dispatch", "wait", "consolidate", "train", "infer", "calibrate", "autolabel", "select", "report",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("plan", ["certified", "ground-truth"])
def test_a_flow_that_the_budget_ends_says_what_finishing_would_cost(plan, flow, make):
    state = flow(make(20, plan=plan, budget=1.0))
    assert (state.name, state.type.value) == ("Stopped", "COMPLETED")
    assert "17 items have no label. Labeling them costs 4.42 more at most;" in state.message


@pytest.mark.slow
@pytest.mark.parametrize(("plan", "n"), [("certified", 200), ("ground-truth", 40)])
def test_the_flow_comes_to_what_the_steps_come_to(plan, n, flow, make, tmp_path):
    flow(make(n, plan=plan, target={"quality": 0.8}))
    other = run_job(make(n, plan=plan, target={"quality": 0.8}, output="steps"))
    assert summarize(other)["auto"] > 0
    assert output(tmp_path / "job") == output(tmp_path / "steps")
    assert cost_of(summarize(Job(str(tmp_path / "job")))) == cost_of(summarize(other))


def test_unanswered_the_job_and_its_round_end_as_waiting_for_people(flow, make, tmp_path):
    spec = make(40, name="waits", workforce={"backend": "files", "answers_per_item": 1})
    state = flow(spec)
    assert (state.name, state.message, state.type.value) == ("WaitingForPeople", "0 of 8 answered", "COMPLETED")
    _, found, parents, _ = runs()
    (job,) = [run for run in found if run.name == "waits"]
    assert (job.state.name, job.state.message) == ("WaitingForPeople", "0 of 8 answered")
    (round,) = [run for run in found if parents.get(run.parent_task_run_id) == job.id]
    assert (round.name, round.state.name) == ("waits round 1", "WaitingForPeople")
    assert round.state.message == "0 of 8 answered"
    first = Job(spec.output).batch(1)["item"].iloc[0]
    (tmp_path / "job/people/answers/a.csv").write_text(f"item,worker,label\n{first},ann,1\n")
    assert flow(spec).message == "1 of 8 answered"
    assert (tmp_path / "job/report/index.html").exists()


@pytest.mark.parametrize(
    ("error", "tries"), [(OSError("the network"), 4), (ValueError("a fault"), 1), (ZeroDivisionError("a fault"), 1)]
)
def test_only_what_the_world_outside_may_mend_is_tried_again(error, tries, flow, make, monkeypatch):
    tried = []

    def select(job, round):
        tried.append(round)
        raise error

    from tasks.select import select as task

    monkeypatch.setattr(steps, "select", select)
    monkeypatch.setattr(task, "retry_delay_seconds", 0)
    state = flow(make(5))
    assert state.is_failed()
    assert str(error) in state.message
    assert len(tried) == tries


def test_a_mistake_is_a_state_that_says_it(flow, make, tmp_path):
    make(5)
    (tmp_path / "input.manifest").write_text("no json\n")
    state = flow(make(5))
    assert (state.name, state.type.value) == ("Mistake", "FAILED")
    assert state.message.startswith(f"{tmp_path}/input.manifest: line 1: not JSON")


def test_the_ui_says_what_was_read_and_what_lies_ahead(flow, make):
    from prefect.client.orchestration import get_client

    spec = make(40, name="shown", workforce={"backend": "files", "answers_per_item": 1})
    flow(spec)
    with get_client(sync_client=True) as client:
        (text,) = [found.data for found in client.read_artifacts(limit=200) if found.key == "shown-report"]
    assert f"- Items: 40 items in {spec.data.replace('_', chr(92) + '_')}\n" in text
    assert "- Forecast: About $" in text
    assert "- At most: $" in text
    assert "- The model starts from: Nothing. The model learns from this job's labels alone, so" in text


@pytest.mark.parametrize(
    "said", ["a_b", "*x*", "<script>alert(1)</script>", "[a link](http://example.org)", "`code`", "![](x)"]
)
def test_in_the_ui_names_are_text(said):
    from markdown_it import MarkdownIt

    from tasks.report import as_text

    shown = MarkdownIt().enable("strikethrough").render(f"- Items: {as_text(said)}")
    assert html.unescape(shown) == f"<ul>\n<li>Items: {said}</li>\n</ul>\n"


def test_a_mistake_in_the_forms_values_is_a_state_that_says_it(prefect_server, make, caplog):
    """As the worker runs it: with plain values, which Prefect would check with a traceback."""
    from prefect.client.orchestration import get_client

    from flows.labeling_job import labeling_job

    given = make(5).model_dump(mode="json") | {"name": "mistaken", "classes": ["a", "a"], "output": "job", "budget": -3}
    del given["kind"]
    state = labeling_job(given, return_state=True)
    assert (state.name, state.type.value) == ("Mistake", "FAILED")
    assert state.message == (
        "kind: this key is missing; add it; classes.1: class a is there twice; take one out; output: job is relative, "
        "and there is no job file it could be relative to; give the whole path; "
        "budget: Input should be greater than 0, not '-3'"
    )
    with get_client(sync_client=True) as client:
        assert "mistaken" in [run.name for run in client.read_flow_runs(limit=200)]
    assert labeling_job("nonsense", return_state=True).message.startswith("job: it holds other keys: name,")
    assert "Traceback" not in caplog.text


def test_a_mistake_that_a_step_finds_leaves_no_traceback_in_the_log(flow, make, tmp_path, caplog):
    spec = make(20, workforce={"backend": "files", "answers_per_item": 1})
    flow(spec)
    (tmp_path / "job/people/answers/a.csv").write_text("item,worker,label\n1,,3\n")
    (tmp_path / "job/people/rejected.csv").mkdir()
    caplog.clear()
    state = flow(spec)
    assert (state.name, state.message) == ("Mistake", f"{tmp_path}/job/people/rejected.csv: Is a directory")
    assert "rejected.csv: Is a directory" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_fault_keeps_its_traceback_in_the_log(flow, make, monkeypatch, caplog):
    def broken(job, round):
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(steps, "select", broken)
    assert flow(make(5)).is_failed()
    assert "Traceback" in caplog.text


def test_a_job_that_another_holds_is_left_alone(flow, make):
    from roundtruth.begin import hold

    spec = make(5)
    with hold(spec, "another"):
        state = flow(spec)
    assert (state.name, state.type.value) == ("HeldElsewhere", "CANCELLED")
    assert "(another) since" in state.message
