import json
import shutil
from pathlib import Path

import pytest

from roundtruth import ledger
from roundtruth.job import Job
from roundtruth.report import outlook, words
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import classified, digits, run_job, write_job, write_lines

FILES = {"backend": "files", "answers_per_item": 2}


def ahead(job) -> dict[str, str]:
    return dict(outlook.ahead(job, summarize(job)))


def read(job) -> list[tuple[str, str]]:
    return list(outlook.read(job, summarize(job)))


def test_before_anybody_is_asked(begun):
    said = ahead(begun("image-classification", 20, plan="certified"))
    # 20 items at $0.08 and 5 answers at $0.036
    assert said["Forecast"].startswith("About $5.20 in all. People label 20 items and the model none")
    assert said["Forecast"].endswith(
        "This forecast was made before anybody was asked, for the promise about the auto labels alone."
    )
    assert said["Hard target"].startswith("It is likely that no auto label can be promised at the target of 0.95")
    assert said["At most"].startswith("$5.20, if people label all 20 items. ")
    assert said["The model starts from"].startswith("Nothing. ")
    assert "Waits for" not in said


def test_the_forecast_is_the_newest_that_the_job_wrote(begun, tmp_path):
    job = run_job(begun("image-classification", 300, plan="certified", workforce=FILES).spec)
    path = Path(job.address, "forecast.json")
    found = json.loads(path.read_text())
    found["forecasts"][-1] |= {"cost": 77.5, "low": 60.25, "high": 91.0, "human": 201, "auto": 99}
    path.write_text(json.dumps(found))
    assert ahead(Job(job.address))["Forecast"] == (
        "About $77.50 in all; in 8 of 10 such jobs between $60.25 and $91.00. People label about 201 items, the model "
        "about 99. This forecast was made before anybody was asked, for the promise about the auto labels alone."
    )


def test_a_budget_that_does_not_reach(begun):
    said = ahead(begun("image-classification", 20, budget=2.0))
    assert "The budget of $2.00 does not reach that far." in said["Forecast"]
    assert said["At most"].startswith("$2.00, the budget: then the job stops, and keeps the labels it has.")
    said = ahead(begun("image-classification", 20, budget=1000.0, output="other"))
    assert "budget" not in said["Forecast"] + said["At most"]


def test_a_model_that_costs_more_than_people(begun):
    said = ahead(begun("image-classification", 20, prices={"per_item": 0, "per_answer": 0.01, "per_auto_label": 1}))
    assert said["At most"].startswith("$20.00, if the model labels all 20 items.")


def test_what_the_model_has_labeled_for_good_costs_no_more_than_an_auto_label(tmp_path):
    digits(tmp_path, 500)
    people = {"backend": "simulated", "truth": "truth.manifest", "noise": 0}
    job = run_job(JobSpec.from_file(write_job(tmp_path, plan="certified", target={"quality": 0.93}, workforce=people)))
    summary = summarize(job)
    assert summary["auto"] > 0
    for path in Path(job.address).glob("rounds/*"):  # as before people answered the last batch
        if int(path.name) == job.last_round():
            shutil.rmtree(path)
    job = Job(job.address)
    left = 500 - summary["auto"] - ledger.by_people(job)[0]
    assert left > 0
    price = ledger.highest_price(job.spec)
    most = ledger.by_people(job)[1] + left * price + summary["auto"] * job.spec.prices.per_auto_label
    assert ahead(job)["At most"].startswith(f"${most:.2f}, if people label the other {500 - summary['auto']} items.")


def test_the_most_counts_answers_that_nobody_asked_for(begun, tmp_path):
    """50 items; 20 people answer nine of the ten that two people were asked about."""
    job = run_job(begun("image-classification", 50, workforce=FILES).spec)
    asked = job.batch(1)["item"].tolist()
    rows = [f"{item},worker-{who},1" for item in asked[:9] for who in range(20)]
    Path(job.address, "people/answers/a.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
    job = run_job(job.spec)
    assert summarize(job)["cost"]["total"] == round(180 * 0.036, 2)
    # the ten items, the two answers to the tenth, and 40 items at $0.08 and two answers each
    most = 180 * 0.036 + 10 * 0.08 + 2 * 0.036 + 40 * 0.152
    assert ahead(job)["At most"].startswith(f"${most:.2f}, if people label all 50 items.")


def test_the_most_is_not_below_what_answers_that_nobody_asked_for_have_cost(begun):
    job = run_job(begun("image-classification", 50, workforce=FILES, budget=2.0).spec)
    asked = job.batch(1)["item"].tolist()
    rows = [f"{item},worker-{who},1" for item in asked[1:] for who in range(20)]
    Path(job.address, "people/answers/a.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
    job = run_job(job.spec)
    most = (len(rows) + 2) * 0.036 + len(asked) * 0.08
    assert ahead(job)["At most"].startswith(
        f"${most:.2f}: people gave more answers than the budget of $2.00 was to pay for."
    )


def test_a_waiting_job_says_for_what(begun, tmp_path):
    job = run_job(begun("image-classification", 50, workforce=FILES).spec)
    first = job.batch(1)["item"].iloc[0]
    assert len(job.batch(1)) == 10
    folder = Path(job.address, "people/answers")
    (folder / "a.csv").write_text(f"item,worker,label\n{first},ann,1\n{first},bob,1\n")
    assert ahead(run_job(job.spec))["Waits for"] == (
        "People's answers to round 1: 1 of 10 items answered. "
        f"The questions are in {job.address}/people/batch-001.csv; answers go to {job.address}/people/answers/."
    )


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        (
            {"origin": "resnet18 from birds.pth", "pretrained": True},
            "resnet18 from birds.pth. "
            "It was trained on other pictures, so the model usually needs fewer labels from people.",
        ),
        (
            {"origin": "from scratch: torchvision's weights could not be downloaded (URLError)", "pretrained": False},
            "Nothing: torchvision's weights could not be downloaded (URLError). "
            "The model learns from this job's labels alone, so it usually needs more of them.",
        ),
    ],
)
def test_once_weights_were_chosen_the_page_says_which(begun, origin, said):
    job = begun("image-classification", 20)
    Path(job.address, "weights").mkdir()
    Path(job.address, "weights/origin.json").write_text(json.dumps(origin))
    assert ahead(Job(job.address))["The model starts from"] == said


def test_weights_that_are_not_chosen_yet(begun):
    assert ahead(begun("image-classification", 20, weights=None))["The model starts from"] == words.WEIGHTS_OPEN


def test_what_was_read_and_not_used(begun, tmp_path):
    digits(tmp_path, 9)
    lines = [{"source-ref": f"images/{i:04d}.png"} for i in range(1, 11)]  # the last is not there
    lines[0] |= classified("label", 5)
    write_lines(tmp_path / "input.manifest", lines)
    job = begun("image-classification", 10)
    said = read(job)
    assert said[:3] == [
        ("Items", f"10 items in {tmp_path}/input.manifest"),
        ("Labeled already", "1 item came with a label. Nobody is asked about it, and the model learns from it."),
        ("Pictures that cannot be read", "1 picture. Nobody is asked about it, and it costs nothing."),
    ]
    assert "Rejected answers" not in dict(said)
    summary = summarize(job) | {"passed": ["3 crowds", "2 masks"], "notes": ["4 boxes were cut"]}
    summary |= {"note": "YOLO", "rejected": 7, "first_rejected": ["a.csv: line 2: no worker"]}
    summary["about_answers"] = ["1 column not read: note"]
    assert list(outlook.read(job, summary))[3] == ("Read as", "YOLO")
    more = list(outlook.read(job, summary))[4:]
    assert more[:3] == [("Passed over", "3 crowds"), ("Passed over", "2 masks"), ("Note", "4 boxes were cut")]
    assert more[3] == ("Rejected answers", "7 rows; people/rejected.csv in the job folder says why.")
    assert more[4] == ("Answers", "1 column not read: note")
