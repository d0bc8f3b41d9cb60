"""Jobs that are given predictions: nothing is trained, people check some of them, and the promise is the usual one."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from roundtruth import forecast, ledger, loop
from roundtruth.begin import begin
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.spec import JobSpec
from roundtruth.summary import summarize
from tests.jobs import (
    COLOURS,
    boxes,
    digits,
    facts,
    files,
    killed_at_every_write,
    output,
    run_job,
    to_the_end,
    write_job,
    write_lines,
)
from tests.test_recompute_certificate import verdict

N = 400
PEOPLE = {"backend": "simulated", "truth": "truth.manifest", "noise": 0, "answers_per_item": 3}
DRAWN = ["class", "left", "top", "width", "height"]


def shape(**changed) -> dict:
    """What a job file with predictions has."""
    usual = {"plan": "certified", "target": {"quality": 0.9}, "learner": None, "weights": None, "workforce": PEOPLE}
    return usual | {"predictions": "predictions.csv"} | changed


def came_to(job: Job) -> dict:
    """What a job came to, without the name of its file of predictions."""
    found = facts(job)
    return found | {"summary": found["summary"] | {"predictions": None}}


def guesses(truth: pd.DataFrame, error: float = 0.3, seed: int = 0) -> pd.DataFrame:
    """(item, label, score) of a model that errs less the higher its score, `error` / 2 of the items in all."""
    chance = np.random.default_rng(seed)
    score = chance.random(len(truth)).round(4)
    wrong = chance.random(len(truth)) < error * (1 - score)
    label = (truth["class_id"].to_numpy() + wrong) % 10
    return pd.DataFrame({"item": [f"images/{item:04d}.png" for item in truth["item"]], "label": label, "score": score})


def given(folder: Path, n: int = N, **changed) -> pd.DataFrame:
    """n digits, and predictions.csv about them."""
    table = guesses(digits(folder, n), **changed)
    table.to_csv(folder / "predictions.csv", index=False)
    return table


def spec_in(folder: Path, **changed) -> JobSpec:
    return JobSpec.from_file(write_job(folder, **shape(**changed)))


def drawn(folder: Path, n: int = 300) -> pd.DataFrame:
    """n pictures with boxes, and predictions.csv about them: a box's sides are off by a part of its size, and its score
    says so. Pictures without boxes have no row."""
    truth = boxes(folder, n)
    chance = np.random.default_rng(0)
    found = truth[truth["class_id"] >= 0].reset_index(drop=True)
    sure = found["item"].map(pd.Series(chance.random(n + 1)))
    found["width"] *= 1 + 0.5 * (1 - sure) * chance.uniform(-1, 0, len(found))
    found["left"] += found["width"] * 0.2 * (1 - sure)
    table = found.assign(item=[f"{item:04d}.png" for item in found["item"]], score=sure.round(4))
    table["class"] = np.array(COLOURS)[table["class_id"]]
    table = table[["item", *DRAWN, "score"]].round(2)
    table.to_csv(folder / "predictions.csv", index=False)
    return table


BOXES = {"kind": "object-detection", "classes": COLOURS, "target": {"quality": 0.8}}


# -- whole jobs


def test_what_passes_keeps_the_files_label_and_nothing_is_trained(tmp_path, capsys):
    table = given(tmp_path).set_index("item")
    job = run_job(spec_in(tmp_path))
    auto = job.auto_labels()
    assert len(auto) > 100
    named = table.loc[[f"images/{item:04d}.png" for item in auto["item"]]]
    assert auto["class_id"].tolist() == named["label"].tolist()
    assert auto["confidence"].tolist() == named["score"].tolist()
    summary = summarize(job)
    assert (summary["state"], summary["human"] + summary["auto"]) == ("complete", N)
    assert summary["target"]["holds"] is True
    assert summary["answers"] == 3 * summary["human"]
    assert ledger.spent(job) == pytest.approx((0.08 + 3 * 0.036) * summary["human"] + 0.08 * summary["auto"])
    assert not [path for path in files(tmp_path / "job") if "model" in path or "weights" in path or "features" in path]
    assert set(job.asked()["role"]) == {"validation", "rest"}
    records = output(tmp_path / "job")
    said = {record["source-ref"]: record["label-metadata"]["class-name"] for record in records}
    assert {name: said[name] for name in named.index} == named["label"].astype(str).to_dict()
    assert verdict(job.address, capsys) == (0, [])


def test_every_item_gets_the_most_answers_at_once_because_nothing_shows_how_well_people_agree(tmp_path):
    given(tmp_path)
    people = {"backend": "simulated", "truth": "truth.manifest", "noise": 1}
    spec = spec_in(tmp_path, workforce=people, answers={"most": 4})
    assert ledger.expected_price(spec) == pytest.approx(0.08 + 4 * 0.036)
    job = run_job(spec)
    assert set(job.answers(1).groupby("item").size()) == {4}
    assert job.listed("rounds/001/posted") == ["rounds/001/posted.json"]


@pytest.mark.slow
def test_torch_is_not_even_imported(tmp_path):
    given(tmp_path, 100)
    path = write_job(tmp_path, **shape())
    code = (
        "import sys; from roundtruth import loop; from roundtruth.spec import JobSpec; "
        f"loop.run(JobSpec.from_file({str(path)!r})); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_promise_may_be_about_the_whole_dataset(tmp_path, capsys):
    given(tmp_path)
    alone = run_job(spec_in(tmp_path, target={"quality": 0.95}))
    of_all = run_job(spec_in(tmp_path, target={"quality": 0.95, "of": "dataset"}, output="all"))
    assert summarize(of_all)["auto"] > summarize(alone)["auto"]
    assert summarize(of_all)["target"]["holds"] is True
    assert verdict(of_all.address, capsys) == (0, [])


def test_items_may_be_named_in_any_way_and_the_file_may_be_parquet(tmp_path):
    table, number = given(tmp_path, 30), np.arange(1, 31)
    told = begin(spec_in(tmp_path)).given_predictions(1)
    assert told["item"].tolist() == number.tolist()
    assert told["class_id"].tolist() == table["label"].tolist()
    assert told["score"].tolist() == table["score"].tolist()
    ways = {
        "names": [f"{item:04d}.png" for item in number],
        "elsewhere": [f"C:\\zero shot\\{item:04d}.png" for item in number],
        "numbers": number,
    }
    for name, items in ways.items():
        shuffled = table.assign(item=items).sample(frac=1, random_state=0)
        shuffled.to_csv(tmp_path / f"{name}.csv", index=False)
        found = begin(spec_in(tmp_path, predictions=f"{name}.csv", output=name)).given_predictions(1)
        pd.testing.assert_frame_equal(found, told)
        shuffled.assign(label=shuffled["label"].astype(str).astype("category")).to_parquet(tmp_path / f"{name}.parquet")
        found = begin(spec_in(tmp_path, predictions=f"{name}.parquet", output=f"{name}-2")).given_predictions(1)
        pd.testing.assert_frame_equal(found, told)


@pytest.mark.slow
def test_killed_at_every_write_the_job_comes_to_the_same(tmp_path, monkeypatch):
    given(tmp_path)
    undisturbed = facts(run_job(spec_in(tmp_path, output="undisturbed")))
    spec = spec_in(tmp_path)
    written = killed_at_every_write(spec, monkeypatch, to_the_end)
    assert {"predictions/0001.parquet", "predictions/about.json"} <= set(written)
    assert facts(Job(spec.output)) == undisturbed


@pytest.mark.parametrize("budget", [16.0, *(pytest.param(money, marks=pytest.mark.slow) for money in (0.2, 5, 40, 60))])
def test_a_budget_is_a_hard_cap_and_a_higher_one_goes_on(budget, tmp_path, capsys):
    given(tmp_path)
    job = run_job(spec_in(tmp_path, budget=budget))
    summary = summarize(job)
    assert summary["cost"]["total"] <= budget + 1e-9
    assert summary["state"] in ("stopped", "complete")
    assert summary["human"] + summary["auto"] + summary["failed"] == N
    assert verdict(job.address, capsys) == (0, [])
    job = run_job(spec_in(tmp_path, budget=1000.0))
    assert summarize(job)["state"] == "complete"
    assert summarize(job)["auto"] > 100
    assert verdict(job.address, capsys) == (0, [])


def test_a_checked_items_label_follows_from_its_own_answers_alone(tmp_path):
    """The same people about other items make no difference, so a loss depends on no coin."""
    truth = digits(tmp_path, N)
    guesses(truth).to_csv(tmp_path / "predictions.csv", index=False)
    poor = {**PEOPLE, "noise": 2}
    job = run_job(spec_in(tmp_path, target={"quality": 0.5}, workforce=poor))
    answers = pd.concat([job.answers(number) for number in range(1, job.last_round() + 1)])
    labels = job.human_labels()
    checked = labels[labels["role"] == "validation"]
    assert len(checked) > 30
    for row in checked.itertuples():
        own = answers[answers["item"] == row.item]
        alone = job.kind.consolidate(own, job.spec.classes, np.zeros(len(own), bool))[0]
        assert (alone["class_id"][0], alone["confidence"][0]) == (row.class_id, row.confidence)


def test_without_a_number_every_item_gets_all_answers_as_nothing_shows_how_good_people_are(tmp_path):
    given(tmp_path, 100)
    summary = summarize(
        run_job(spec_in(tmp_path, workforce={"backend": "simulated", "truth": "truth.manifest", "noise": 0}))
    )
    checked = summary["rounds"][0]
    assert checked["human"] > 0
    assert checked["cost"] == pytest.approx(0.26 * checked["human"])


@pytest.mark.slow
def test_a_model_that_is_never_right_labels_nothing(tmp_path, capsys):
    truth = digits(tmp_path, 200)
    guesses(truth).assign(label=(truth["class_id"] + 1) % 10).to_csv(tmp_path / "predictions.csv", index=False)
    job = run_job(spec_in(tmp_path))
    assert summarize(job)["auto"] == 0
    assert summarize(job)["human"] == 200
    assert verdict(job.address, capsys) == (0, [])


def test_items_that_came_labeled_or_cannot_be_read_need_no_prediction(tmp_path):
    table = given(tmp_path, 200)
    lines = [json.loads(line) for line in (tmp_path / "truth.manifest").read_text().splitlines()]
    records = [{key.replace("truth", "label"): value for key, value in line.items()} for line in lines[:20]]
    records += [{"source-ref": line["source-ref"]} for line in lines[20:]]
    (tmp_path / "input.manifest").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "images/0200.png").write_bytes(b"no picture")
    table[20:199].to_csv(tmp_path / "predictions.csv", index=False)
    summary = summarize(run_job(spec_in(tmp_path)))
    assert (summary["input"], summary["failed"], summary["human"] + summary["auto"]) == (20, 1, 179)


def test_nobody_answers(tmp_path):
    given(tmp_path, 100)
    (tmp_path / "answers.csv").write_text("item,worker,label\nimages/9999.png,a,1\n1,a,1\n")
    job = run_job(spec_in(tmp_path, workforce={"backend": "simulated", "answers": "answers.csv"}))
    assert summarize(job)["auto"] == 0


@pytest.mark.slow
def test_the_page_can_be_followed_with_2000_rows(tmp_path, without_prefect, monkeypatch, capsys):
    """The job file is the page's. Three people, of whom each is right nine times in ten, answer every batch by CSV."""
    from roundtruth import cli

    text = (Path(__file__).parents[1] / "docs/predictions.md").read_text()
    block = text[text.index("    name: animals") :].partition("\n\n")[0]
    (tmp_path / "animals.yaml").write_text("\n".join(line[4:] for line in block.splitlines()))
    (tmp_path / "pictures").mkdir()
    chance = np.random.default_rng(0)
    true, score = chance.integers(0, 2, 2000), chance.random(2000)
    for number in range(2000):
        picture = Image.fromarray(np.full((4, 4, 3), number % 251, "uint8"))
        picture.save(tmp_path / f"pictures/{number:04d}.png")
    names = np.array(["cat", "dog"])
    said = names[(true + (chance.random(2000) < 0.2 * (1 - score))) % 2]
    table = pd.DataFrame(
        {"item": [f"{number:04d}.png" for number in range(2000)], "label": said, "score": score.round(4)}
    )
    table.to_csv(tmp_path / "predictions.csv", index=False)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["forecast", "animals.yaml"]) == 0
    for batch in range(1, 9):
        status = cli.main(["run", "animals.yaml"])
        if status == 0:
            break
        assert status == 3
        asked = pd.read_csv(f"jobs/animals/people/batch-{batch:03d}.csv")
        label = true[asked["source"].str[-8:-4].astype(int)]
        rows = [
            pd.DataFrame(
                {"item": asked["item"], "worker": who, "label": names[(label + (chance.random(len(asked)) < 0.1)) % 2]}
            )
            for who in ("anna", "ben", "carl")
        ]
        pd.concat(rows).to_csv(f"jobs/animals/people/answers/{batch}.csv", index=False)
    capsys.readouterr()
    job = Job(str(tmp_path / "jobs/animals"))
    summary = summarize(job)
    assert (summary["state"], summary["target"]["holds"]) == ("complete", True)
    assert summary["answers"] == 3 * summary["human"]
    labels = [json.loads(line) for line in (tmp_path / "jobs/animals/output/output.manifest").read_text().splitlines()]
    assert len(labels) == 2000
    assert sum(line["label-metadata"]["human-annotated"] == "no" for line in labels) == summary["auto"] > 300
    assert verdict(job.address, capsys) == (0, [])


# -- several models


def compared(folder: Path, n: int = N) -> dict[str, pd.DataFrame]:
    """predictions.csv of three models: a poor one, a good one, and one that is nearly as good."""
    truth = digits(folder, n)
    found = {
        name: guesses(truth, error, seed) for name, error, seed in (("Old", 1, 1), ("clip", 0.1, 2), ("llm", 0.4, 3))
    }
    table = found["Old"][["item"]]
    for name, one in found.items():
        table = table.assign(**{f"{name}.label": one["label"], f"{name}.score": one["score"]})
    table.to_csv(folder / "predictions.csv", index=False)
    return found


SEVERAL = {"target": {"quality": 0.8}}


def test_several_models_are_compared_on_the_same_items_and_the_best_is_chosen(tmp_path, capsys):
    found = compared(tmp_path)
    job = run_job(spec_in(tmp_path, **SEVERAL))
    summary = summarize(job)
    assert list(summary["models"]) == ["old", "clip", "llm"]
    assert [name for name, about in summary["models"].items() if about["chosen"]] == ["clip"]
    assert summary["models"]["clip"]["passing"] == summary["auto"] > 100
    assert summary["models"]["old"]["passing"] == 0
    auto = job.auto_labels()
    named = found["clip"].set_index("item").loc[[f"images/{item:04d}.png" for item in auto["item"]]]
    assert auto["class_id"].tolist() == named["label"].tolist()
    fixed = job.store.read_json("certificate.json")
    assert fixed["models"] == 3
    assert 3 * sum(map(sum, fixed["looks"])) == pytest.approx(0.05)
    look = job.look(max(job.rounds_with("threshold.json")))
    assert look
    assert look.stage
    assert look.delta == fixed["looks"][0][look.stage[1] - 1]
    labels = job.human_labels().set_index("item")["class_id"]
    checked = job.asked().query("role == 'validation'")["item"]
    for name, one in found.items():
        right = (one.set_axis(range(1, N + 1))["label"][checked] == labels[checked]).mean()
        assert summary["models"][name.casefold()]["quality"] == pytest.approx(right)
    assert verdict(job.address, capsys) == (0, [])
    other = job.given_predictions(3)
    for path in Path(job.address).glob(f"rounds/{look.model:03d}/predictions/*.parquet"):
        other.assign(score=other["score"] / 2).to_parquet(path)
    assert verdict(job.address, capsys) == (1, ["WRONG: the predictions are those that were given"])


def test_a_model_alone_leaves_more_than_one_that_was_compared(tmp_path):
    """Its price: a third of delta in each look."""
    found = compared(tmp_path)
    job = run_job(spec_in(tmp_path, **SEVERAL))
    found["clip"].to_csv(tmp_path / "alone.csv", index=False)
    alone = run_job(spec_in(tmp_path, **SEVERAL, predictions="alone.csv", output="alone"))
    assert len(alone.auto_labels()) >= len(job.auto_labels())
    fixed, shared = (one.store.read_json("certificate.json")["looks"][0] for one in (alone, job))
    assert fixed == pytest.approx([3 * share for share in shared])


@pytest.mark.slow
def test_several_models_killed_at_every_write_and_from_parquet_come_to_the_same(tmp_path, monkeypatch):
    compared(tmp_path)
    undisturbed = came_to(run_job(spec_in(tmp_path, **SEVERAL, output="undisturbed")))
    spec = spec_in(tmp_path, **SEVERAL)
    killed_at_every_write(spec, monkeypatch, to_the_end)
    assert came_to(Job(spec.output)) == undisturbed
    pd.read_csv(tmp_path / "predictions.csv").to_parquet(tmp_path / "p.parquet")
    assert came_to(run_job(spec_in(tmp_path, **SEVERAL, predictions="p.parquet", output="parquet"))) == undisturbed


def test_a_mistake_names_the_column_of_the_model(tmp_path):
    compared(tmp_path, 20)
    table = pd.read_csv(tmp_path / "predictions.csv", dtype=str)
    table.loc[4, "clip.label"] = "ten"
    table.loc[4, "llm.score"] = "7"
    table.to_csv(tmp_path / "predictions.csv", index=False)
    said = mistake(tmp_path)
    assert "2 mistakes: line 6: field clip.label: 'ten' is not one of" in said
    assert "line 6: field llm.score: 7 is no number from 0 to 1" in said
    table.drop(columns="llm.score").to_csv(tmp_path / "predictions.csv", index=False)
    assert "line 1: field llm.score: the column is missing; the columns are item, old.label, old.score" in mistake(
        tmp_path
    )


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("renamed", "said"),
    [
        ({"llm.label": "CLIP.label"}, "field clip.label: the column is there twice; keep one; field llm.label: the"),
        ({"llm.label": "llm.lable"}, "field llm.label: the column is missing; the columns are item, old.label"),
        ({"llm.score": "Score"}, "field llm.score: the column is missing; the columns are item, old.label"),
    ],
)
def test_no_column_of_a_model_is_passed_over(renamed, said, ending, tmp_path):
    """Else the model would not be compared, or by another's labels."""
    compared(tmp_path, 20)
    table = pd.read_csv(tmp_path / "predictions.csv", dtype=str).rename(columns=renamed)
    path = tmp_path / f"p.{ending}"
    table.to_parquet(path) if ending == "parquet" else table.to_csv(path, index=False)
    assert said in mistake(tmp_path, predictions=path.name)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"Label": "1"}, "p.parquet: field label: the column is there twice; keep one; the columns are item, label"),
        ({"label": [[1]]}, "p.parquet: field label: the column holds list<element: int64>, which is not text; write"),
        ({"score": [{"a": 1}]}, "p.parquet: field score: the column holds struct<a: int64>, which is not text; write"),
        ({"label": [b"\xff"]}, "p.parquet: field label: the column holds binary, which is not text; write text or"),
    ],
)
def test_a_parquet_file_with_other_columns_is_told(changed, said, tmp_path):
    table = given(tmp_path, 5)
    changed = {name: value * 5 if isinstance(value, list) else value for name, value in changed.items()}
    table.assign(**changed).to_parquet(tmp_path / "p.parquet")
    assert said in mistake(tmp_path, predictions="p.parquet")


def test_the_rows_of_one_file_are_told_together(tmp_path):
    table = given(tmp_path, 5)
    table.assign(score=table["score"].mask(table.index < 3)).to_parquet(tmp_path / "p.parquet")
    said = mistake(tmp_path, predictions="p.parquet")
    assert said.startswith("predictions: p.parquet: 3 mistakes: row 1, row 2, row 3: field score: empty; every ")


def test_a_damaged_parquet_file_is_told(tmp_path):
    given(tmp_path, 200).to_parquet(tmp_path / "p.parquet")
    data = (tmp_path / "p.parquet").read_bytes()
    for damaged in (data[:60] + b"\xff" * 200 + data[260:], data.replace(b"score", b"sc\xafre"), data[:-50]):
        (tmp_path / "p.parquet").write_bytes(damaged)
        assert "p.parquet: not Parquet (" in mistake(tmp_path, predictions="p.parquet")


# -- boxes


@pytest.mark.slow
def test_boxes_by_csv_and_by_both_sorts_of_coco_come_to_the_same(tmp_path, capsys):
    table = drawn(tmp_path)
    first = run_job(spec_in(tmp_path, **BOXES))
    told = came_to(first)
    assert summarize(first)["auto"] > 30
    assert verdict(first.address, capsys) == (0, [])
    images = [{"id": 1000 + i, "file_name": f"images/{i:04d}.png", "width": 0, "height": 0} for i in range(1, 301)]
    categories = [{"id": 7 + number, "name": name} for number, name in enumerate(COLOURS)]
    results = [
        {
            "image_id": 1000 + int(row["item"][:4]),
            "category_id": 7 + COLOURS.index(row["class"]),
            "bbox": [row[side] for side in DRAWN[1:]],
            "score": row["score"],
        }
        for row in table.to_dict("records")
    ]
    whole = {"images": images, "categories": categories}
    (tmp_path / "found.json").write_text(json.dumps({**whole, "annotations": results}))
    assert came_to(run_job(spec_in(tmp_path, **BOXES, predictions="found.json", output="coco"))) == told
    (tmp_path / "data.json").write_text(json.dumps(whole))
    (tmp_path / "results.json").write_text(json.dumps(results))
    listed = run_job(spec_in(tmp_path, **BOXES, data="data.json", predictions="results.json", output="list"))
    assert came_to(listed)["auto"] == told["auto"]
    (tmp_path / "other.json").write_text(json.dumps(results))
    with pytest.raises(UserError, match=r"other\.json: its results name images .* by the ids of a COCO file, and .*in"):
        run_job(spec_in(tmp_path, **BOXES, predictions="other.json", output="other"))


def test_classes_may_come_as_coco(tmp_path):
    table = given(tmp_path, 30)
    told = begin(spec_in(tmp_path)).given_predictions(1)
    rows = enumerate(zip(table["label"].tolist(), table["score"].tolist()))
    annotations = [{"id": i, "image_id": i, "category_id": label, "score": score} for i, (label, score) in rows]
    found = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(table["item"])],
        "categories": [{"id": number, "name": str(number)} for number in range(10)],
        "annotations": annotations,
    }
    (tmp_path / "found.json").write_text(json.dumps(found))
    job = begin(spec_in(tmp_path, predictions="found.json", output="coco"))
    pd.testing.assert_frame_equal(job.given_predictions(1), told)
    annotations[3] |= {"score": None}
    annotations[4] |= {"category_id": 77}
    annotations[5] |= {"image_id": None}
    (tmp_path / "found.json").write_text(json.dumps(found))
    said = mistake(tmp_path, predictions="found.json", output="wrong")
    assert "3 mistakes: annotations[3]: field score: empty" in said
    assert "annotations[4]: field label: category_id 77 is the id of no category; correct it" in said
    assert "item 6: there is no prediction of images/0006.png" in said


def test_an_item_without_a_box_has_nothing_on_it_unless_a_row_is_surer(tmp_path):
    table = drawn(tmp_path)
    bare = sorted({f"{item:04d}.png" for item in range(1, 301)} - set(table["item"]))
    spec = spec_in(tmp_path, **BOXES)
    job = begin(spec)
    found = job.given_predictions(1)
    nothing = found[found["class_id"] < 0]
    assert [f"{item:04d}.png" for item in nothing["item"]] == bare
    assert set(nothing["score"]) == {0.0}
    assert f"Predictions: {len(bare)} items have no prediction" in "\n".join(summarize(job)["notes"])
    more = pd.DataFrame({"item": bare, "score": 0.9})
    pd.concat([table, more]).to_csv(tmp_path / "predictions.csv", index=False)
    job = begin(spec_in(tmp_path, **BOXES, output="surer"))
    found = job.given_predictions(1)
    assert set(found["score"][found["class_id"] < 0]) == {0.9}
    assert summarize(job)["notes"] == []


def test_boxes_are_cut_at_the_edge_of_their_picture(tmp_path):
    table = drawn(tmp_path)
    table.loc[0, ["left", "width"]] = [-5.0, 20.0]
    table.to_csv(tmp_path / "predictions.csv", index=False)
    job = begin(spec_in(tmp_path, **BOXES))
    item = int(table["item"][0][:4])
    found = job.given_predictions(1)
    assert [0.0, 15.0] in found.loc[found["item"] == item, ["left", "width"]].values.tolist()
    assert summarize(job)["notes"][0] == "Predictions: 1 box reached out of its picture, and was cut at its edge"


# -- mistakes


def mistake(folder: Path, **changed) -> str:
    with pytest.raises(UserError) as caught:
        begin(spec_in(folder, **changed))
    assert not (folder / changed.get("output", "job") / "job.json").exists()
    return str(caught.value).replace(f"{folder}/", "")


def test_a_name_without_its_ending_is_not_taken_for_the_number_of_another_picture(tmp_path):
    """As text, 10.png comes before 2.png."""
    digits(tmp_path, 12)
    truth = [json.loads(line) for line in (tmp_path / "truth.manifest").read_text().splitlines()]
    order = sorted(range(12), key=lambda at: f"{at + 1}.png")
    for at in range(12):
        (tmp_path / truth[at]["source-ref"]).rename(tmp_path / f"images/{at + 1}.png")
    lines = [truth[at] | {"source-ref": f"images/{at + 1}.png"} for at in order]
    write_lines(tmp_path / "truth.manifest", lines)
    write_lines(tmp_path / "input.manifest", [{"source-ref": line["source-ref"]} for line in lines])
    table = pd.DataFrame({"item": range(1, 13), "label": 3, "score": 0.5})
    table.to_csv(tmp_path / "predictions.csv", index=False)
    said = mistake(tmp_path)
    told = "'2' may be item 2, 10.png, or 2.png; write the name of the picture, with its ending"
    assert f"predictions.csv: 11 mistakes: line 3: field item: {told}; line 4" in said
    table.assign(item=[f"{item}.png" for item in table["item"]]).to_csv(tmp_path / "predictions.csv", index=False)
    assert begin(spec_in(tmp_path)).given_predictions(1)["item"].tolist() == list(range(1, 13))


WRONG = {
    "an empty score": ({"score": ""}, "line 4: field score: empty; every prediction needs a score from 0 to 1, hi"),
    "a score that is no number": ({"score": "nan"}, "line 4: field score: 'nan' is no number"),
    "a score on another scale": ({"score": "97.5"}, "line 4: field score: 97.5 is no number from 0 to 1; write (score"),
    "a label that is no class": ({"label": "ten"}, "line 4: field label: 'ten' is not one of the job's classes"),
    "no label": ({"label": ""}, "line 4: field label: empty; name one of the job's classes"),
    "no item": ({"item": ""}, "2 mistakes: line 4: field item: empty; give the item's number, or the name of its"),
    "an item twice": (
        {"item": "images/0001.png"}, "2 mistakes: line 4: field item: line 2 is about this item already; keep one"
    ),
    "another item": (
        {"item": "b.png"}, "item 3: there is no prediction of images/0003.png; every item to label needs one"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_mistake_in_a_row_is_told_with_its_place(what, tmp_path):
    changed, said = WRONG[what]
    table = given(tmp_path, 20).astype(str)
    table.loc[2, list(changed)] = list(changed.values())
    table.to_csv(tmp_path / "predictions.csv", index=False)
    assert said in mistake(tmp_path)
    assert mistake(tmp_path).startswith("predictions")
    if what != "another item":  # its picture may be one that cannot be read, which a forecast does not look at
        with pytest.raises(UserError) as caught:
            forecast.of(spec_in(tmp_path))
        assert said.removeprefix("2 mistakes: ") in str(caught.value)


def test_a_file_name_that_two_pictures_share_is_told(tmp_path):
    table = given(tmp_path, 4)
    (tmp_path / "more").mkdir()
    (tmp_path / "images/0004.png").rename(tmp_path / "more/0001.png")
    names = [f"images/{item:04d}.png" for item in (1, 2, 3)] + ["more/0001.png"]
    (tmp_path / "input.manifest").write_text("".join(json.dumps({"source-ref": name}) + "\n" for name in names))
    table["item"] = ["0001.png", *names[1:]]
    table.to_csv(tmp_path / "predictions.csv", index=False)
    said = mistake(tmp_path, workforce={"backend": "files"})
    assert "line 2: field item: '0001.png' is the name of more than one picture: items 1, 4; give the number" in said
    table["item"] = names
    table.to_csv(tmp_path / "predictions.csv", index=False)
    assert begin(spec_in(tmp_path, workforce={"backend": "files"})).given_predictions(1)["item"].tolist() == [
        1,
        2,
        3,
        4,
    ]


def test_all_mistakes_are_counted(tmp_path):
    table = given(tmp_path, 40)
    table["score"] = table["score"] * 1000 + 2
    table[:30].to_csv(tmp_path / "predictions.csv", index=False)
    assert "predictions.csv: 40 mistakes: line 2: field score: " in mistake(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", b"", "a.csv: line 1: empty"),
        ("a.csv", b"item,label,score\n", "a.csv: empty; there are no predictions in it"),
        (
            "a.csv",
            b"item,label\n1,2\n",
            "a.csv: line 1: field score: the column is missing; the columns are item, label",
        ),
        ("a.csv", b"item,label,score\nb.png,2,1\n", "a.csv: line 2: field item: no row is about an item of the data"),
        ("a.parquet", b"item", "a.parquet: not Parquet"),
        ("a.txt", b"item", "a.txt: its name ends in none of .csv, .parquet, .json (COCO)"),
        ("a.json", b"{}", "a.json: its results name images and categories by the ids of a COCO file, and"),
        ("a.json", b"[", "a.json: line 1: not JSON"),
        ("gone.csv", None, "predictions: gone.csv: no such file; correct the path"),
    ],
)
def test_a_file_that_is_none_is_told(name, text, said, tmp_path):
    given(tmp_path, 5)
    if text is not None:
        (tmp_path / name).write_bytes(text)
    assert said in mistake(tmp_path, predictions=name)
    with pytest.raises(UserError, match=re.escape(said.removeprefix("predictions: "))):
        forecast.of(spec_in(tmp_path, predictions=name))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"left": "x"}, "line 2: field left: 'x' is not a number"),
        ({"width": "0"}, "line 2: field width: the box has no area"),
        ({"class": ""}, "line 2: field class: empty, though the row has a box; name its class"),
        (dict.fromkeys(DRAWN, ""), "the file says that there is nothing to draw, and more about the same item"),
    ],
)
def test_a_mistake_in_a_box_is_told(changed, said, tmp_path):
    table = drawn(tmp_path, 30).astype(str)
    table = pd.concat([table[:1], table])  # so that the item has more
    table.iloc[0, [table.columns.get_loc(name) for name in changed]] = list(changed.values())
    table.to_csv(tmp_path / "predictions.csv", index=False)
    assert said in mistake(tmp_path, **BOXES)


def test_the_forecast_reads_boxes_but_no_pictures(tmp_path):
    table = drawn(tmp_path, 30).astype(str)
    assert forecast.of(spec_in(tmp_path, **BOXES))["items"] == 30
    table.loc[1, "left"] = "x"
    table.to_csv(tmp_path / "predictions.csv", index=False)
    with pytest.raises(UserError, match="line 3: field left: 'x' is not a number"):
        forecast.of(spec_in(tmp_path, **BOXES))


def test_corners_and_shares_in_place_of_sizes_are_told(tmp_path):
    table = drawn(tmp_path, 30)
    corners = table.assign(width=table["left"] + table["width"] + 30, height=table["top"] + table["height"] + 30)
    corners.to_csv(tmp_path / "predictions.csv", index=False)
    assert "reach out of their pictures; give left, top, width and height" in mistake(tmp_path, **BOXES)
    shares = table.assign(**(table[DRAWN[1:]] / 70))
    shares.to_csv(tmp_path / "predictions.csv", index=False)
    assert "shares of the picture's width and height; multiply them" in mistake(tmp_path, **BOXES)


def test_what_is_about_no_item_is_left_out_and_told(tmp_path):
    table = given(tmp_path, 100)
    more = table[:3].assign(item=["x.png", "y.png", "99999"])
    pd.concat([table, more]).assign(note="a").to_csv(tmp_path / "predictions.csv", index=False)
    assert summarize(begin(spec_in(tmp_path)))["notes"] == [
        "Predictions: 1 column not read: note",
        "Predictions: 3 rows of the predictions are about no item of the data, and left out",
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [("learner", "fast_learner:Logistic"), ("weights", "none"), ("plan", "ground-truth"), ("pool", "gpu")],
)
def test_what_is_about_training_does_not_go_with_predictions(key, value, tmp_path):
    given(tmp_path, 5)
    target = {} if key == "plan" else {"target": {"quality": 0.9}}
    with pytest.raises(UserError, match=r"line \d+: predictions: .*(take|say)") as caught:
        spec_in(tmp_path, **{"target": None, **target, key: value})
    assert key in str(caught.value)


def test_the_predictions_are_fixed_once_the_job_has_begun(tmp_path):
    table = given(tmp_path, 60)
    begin(spec_in(tmp_path))
    (tmp_path / "other").mkdir()
    table.to_csv(tmp_path / "other/moved.csv", index=False)
    begin(spec_in(tmp_path, predictions="other/moved.csv"))  # the same file in another place
    with pytest.raises(UserError, match=r"^predictions: .*put it back"):
        begin(spec_in(tmp_path, predictions=None))
    table.assign(score=0.5).to_csv(tmp_path / "predictions.csv", index=False)
    with pytest.raises(UserError, match=r"^predictions: .*predictions.csv is not what the job began with"):
        begin(spec_in(tmp_path))


def test_a_job_with_a_learner_takes_no_predictions_later(tmp_path):
    given(tmp_path, 60)
    begin(JobSpec.from_file(write_job(tmp_path, plan="certified", learner=None, weights=None)))
    with pytest.raises(UserError, match=r"^predictions: the job in .* has None"):
        begin(JobSpec.from_file(write_job(tmp_path, plan="certified", learner=None, weights=None, predictions="a.csv")))


# -- what a person reads


def test_the_forecast_before_the_start_and_at_the_end(tmp_path):
    given(tmp_path)
    spec = spec_in(tmp_path, target={"quality": 0.8})
    before = forecast.of(spec)
    assert before["human"] + before["auto"] == N
    assert 0 < before["auto"] < N
    assert before["low"] <= before["cost"] <= before["high"] <= before["all_human"]
    summary = summarize(run_job(spec))
    after = forecast.of(spec)
    assert (after["human"], after["auto"]) == (summary["human"], summary["auto"])


def test_status_and_page_say_that_nothing_is_trained(tmp_path, capsys):
    from roundtruth import cli

    given(tmp_path, 200)
    path = write_job(tmp_path, **shape(workforce={"backend": "files", "answers_per_item": 3}))
    loop.run(JobSpec.from_file(path))
    assert cli.main(["status", str(path)]) == 0
    said = capsys.readouterr().out
    assert f"The predictions are: those of {tmp_path}/predictions.csv. Nothing is trained" in said
    assert "model starts from" not in said
    page = (tmp_path / "job/report/index.html").read_text()
    assert "Nothing is trained" in page
    assert "Backbone" not in page
    loop.run(spec_in(tmp_path, output="done"))
    assert cli.main(["status", str(write_job(tmp_path, **shape(output="done")))]) == 0
    said = capsys.readouterr().out
    assert f"The predictions are those of {tmp_path}/predictions.csv. Nothing was trained." in said
    page = (tmp_path / "done/report/index.html").read_text()
    assert "nothing is trained" in page
    assert "ground-truth plan" not in page
    assert summarize(Job(str(tmp_path / "done")))["predictions"] == f"{tmp_path}/predictions.csv"


def test_a_project_can_be_moved(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    given(project, 200)
    told = came_to(run_job(spec_in(project, output="jobs/a")))
    project.rename(tmp_path / "elsewhere")
    assert came_to(run_job(spec_in(tmp_path / "elsewhere", output="jobs/a"))) == told


# -- the promise


@pytest.mark.slow
@pytest.mark.parametrize("of", ["auto-labels", "dataset"])
def test_the_promise_is_broken_in_few_of_many_jobs(of, tmp_path):
    """Models that are about as good as the target, where a promise is broken most often. Of three such models, of which
    one is chosen by the checked items, it is broken no more often."""
    truth = digits(tmp_path, 300)
    broken = promised = 0
    for seed in range(40):
        chance = np.random.default_rng(seed)
        score = chance.random((3, 300)).round(4)
        wrong = chance.random((3, 300)) < (0.4 if of == "auto-labels" else 0.6) * (1 - score)
        label = (truth["class_id"].to_numpy() + wrong) % 10
        columns = {f"{m}.{name}": table[m] for m in range(3) for name, table in (("label", label), ("score", score))}
        pd.DataFrame({"item": truth["item"], **columns}).to_csv(tmp_path / "predictions.csv", index=False)
        target = {"quality": 0.8, "of": of, "confidence": 0.8}
        job = run_job(spec_in(tmp_path, target=target, output=f"job-{seed}", seed=seed))
        auto = job.auto_labels().merge(truth, on="item")
        if len(auto):
            lost = (auto["class_id_x"] != auto["class_id_y"]).sum()
            promised += 1
            broken += lost > 0.2 * (len(auto) if of == "auto-labels" else 300)
    assert promised > 10
    assert broken <= 40 * 0.2 + 3 * np.sqrt(40 * 0.2 * 0.8)
