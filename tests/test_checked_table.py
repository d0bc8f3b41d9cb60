"""roundtruth certify, as a person runs it."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from roundtruth.certify import certify
from roundtruth.cli import MISTAKE, main


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """tables(predictions, checked): writes them, and returns what the command is given."""
    monkeypatch.chdir(tmp_path)

    def write(predictions, checked) -> list[str]:
        for name, table in (("predictions.csv", predictions), ("checked.csv", checked)):
            text = table if isinstance(table, str) else table.to_csv(index=False)
            (tmp_path / name).write_text(text)
        return ["certify", "predictions.csv", "--labels", "checked.csv"]

    return write


def cats_and_dogs(items: int = 2000, drawn: int = 500) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """(predictions, checked, truth): the lower the score, the more are wrong."""
    rng = np.random.default_rng(0)
    score = rng.random(items).round(4)
    truth = pd.Series(rng.choice(["cat", "dog"], items), index=[f"img {i:04d}.png" for i in range(items)])
    wrong = rng.random(items) < 0.5 * (1 - score) ** 2
    label = truth.where(~wrong, truth.map({"cat": "dog", "dog": "cat"}))
    predictions = pd.DataFrame({"item": truth.index, "label": label.to_numpy(), "score": score})
    checked = truth.sample(drawn, random_state=1)
    return predictions, pd.DataFrame({"item": checked.index, "label": checked.to_numpy()}), truth


@pytest.mark.parametrize("of", ["auto-labels", "dataset"])
def test_the_json_is_what_certify_finds(of, tables, capfd):
    predictions, checked, _ = cats_and_dogs()
    assert main([*tables(predictions, checked), "--quality", "0.95", "--of", of, "--json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    found = json.loads(out)
    assert list(found) == ["items", "checked", "auto", "people", "threshold", "promised", "of"]

    both = predictions.merge(checked, on="item", how="left", suffixes=("", "_checked"))
    drawn = both["label_checked"].notna().to_numpy()
    scores, losses = both["score"].to_numpy(), (both["label"] != both["label_checked"]).to_numpy(float)
    wanted = certify(
        scores[drawn], losses[drawn], scores[~drawn], max_loss=0.05, delta=0.05, binary=True, of=of
    ).threshold
    auto = int((scores[~drawn] >= wanted).sum())
    assert found == {
        "items": 2000, "checked": 500, "auto": auto, "people": 1500 - auto, "threshold": wanted, "promised": 0.95,
        "of": of,
    }  # fmt: skip
    assert 0 < auto < 1500


def test_a_promise_over_the_dataset_keeps_more_and_holds(tables, capfd):
    predictions, checked, truth = cats_and_dogs()
    command = [*tables(predictions, checked), "--quality", "0.95", "--json"]
    kept = {}
    for of in ("auto-labels", "dataset"):
        assert main([*command, "--of", of]) == 0
        found = json.loads(capfd.readouterr().out)
        rest = predictions[~predictions["item"].isin(checked["item"])]
        auto = rest[rest["score"] >= found["threshold"]]
        wrong = (auto["label"].to_numpy() != truth[auto["item"]].to_numpy()).sum()
        assert wrong <= 0.05 * (len(auto) if of == "auto-labels" else 2000)
        kept[of] = found["auto"]
    assert kept["dataset"] > kept["auto-labels"] + 200
    assert main(command) == 0
    assert json.loads(capfd.readouterr().out)["of"] == "auto-labels"  # what is promised unless it is said


def test_a_higher_confidence_keeps_less(tables, capfd):
    command = [*tables(*cats_and_dogs()[:2]), "--quality", "0.95", "--of", "dataset", "--json"]
    kept = []
    for confidence in ("0.5", "0.95", "0.999"):
        assert main([*command, "--confidence", confidence]) == 0
        kept.append(json.loads(capfd.readouterr().out)["auto"])
    assert kept[0] > kept[1] > kept[2]


def test_a_person_reads_which_of_the_two_is_promised_and_what_it_does_not_mean(tables, capfd):
    command = [*tables(*cats_and_dogs()[:2]), "--quality", "0.95"]
    assert main(command) == 0
    said = capfd.readouterr().out
    assert "2,000 items, 500 of them checked by people." in said
    assert "Promised with 95 % confidence: at least 95 % of the model's labels of the " in said
    assert main([*command, "--of", "dataset"]) == 0
    said = capfd.readouterr().out
    assert "Promised with 95 % confidence: at least 95 % of all 2,000 labels are right, if " in said
    assert "It does not mean that 95 % of the model's labels are right" in said


def test_nothing_can_be_promised(tables, capfd):
    predictions, checked, _ = cats_and_dogs()
    command = [*tables(predictions, checked.head(10)), "--quality", "0.99"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found == {
        "items": 2000, "checked": 10, "auto": 0, "people": 1990, "threshold": None, "promised": None,
        "of": "auto-labels",
    }  # fmt: skip
    assert main(command) == 0
    assert "Nothing can be promised. Check more items, lower --quality" in capfd.readouterr().out


@pytest.mark.parametrize("of", ["auto-labels", "dataset"])
def test_where_people_checked_all_nothing_is_left_to_promise(of, tables, capfd):
    """To check more items is no advice."""
    predictions, checked, _ = cats_and_dogs(40, 40)
    assert main([*tables(predictions, checked), "--quality", "0.9", "--of", of]) == 0
    assert capfd.readouterr().out == (
        "40 items, 40 of them checked by people.\n"
        "They all keep people's label: nothing is left to the model, and there is nothing to promise.\n"
    )


def test_a_label_that_the_model_never_gave_is_told(tables, capfd):
    predictions = "item,label,score\n" + "".join(f"{i},cat,0.{90 - i % 40}\n" for i in range(400))
    checked = "item,label\n" + "".join(f"{i},{'horse' if i in (3, 7) else 'cat'}\n" for i in range(100))
    assert main([*tables(predictions, checked), "--quality", "0.9"]) == 0
    said = "People gave 2 items a label that the model never gave, such as 'horse'. The model's labels of these items"
    assert f"{said} count as wrong.\n" in capfd.readouterr().out


def test_labels_that_are_written_otherwise_are_told(tables, capfd):
    predictions = "item,label,score\n" + "".join(f"{i},cat,0.{90 - i % 40}\n" for i in range(400))
    checked = "item,label\n" + "".join(f"{i},{'Cat' if i % 2 else 'CAT'}\n" for i in range(100))
    command = [*tables(predictions, checked), "--quality", "0.9"]
    assert main(command) == 0
    said = capfd.readouterr().out
    assert "Nothing can be promised." in said
    assert "Labels that differ only by case or accents count as different: CAT/Cat/cat. Where they mean" in said
    assert "The model never gave a label that people gave, such as 'CAT': its labels are such as 'cat'.\n" in said
    assert main([*command, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["auto"] == 0


def test_accents_are_the_same_in_either_form(tables, capfd):
    """macOS writes names of files with the accent behind the letter."""
    predictions = "item,label,score\n" + "".join(f"\u00e9{i},caf\u00e9,0.{90 - i % 40}\n" for i in range(400))
    checked = "item,label\n" + "".join(f"e\u0301{i},cafe\u0301\n" for i in range(100))
    assert main([*tables(predictions, checked), "--quality", "0.9"]) == 0
    said = capfd.readouterr().out
    assert "300 unchecked items with a score of at least 0.51 are right" in said
    assert "differ only by" not in said


def test_tables_as_spreadsheets_write_them(tables, capfd):
    predictions = "\ufeffItem;Label;Score;note\r\n" + "".join(f"{i};cat;0,{90 - i % 40};x\r\n" for i in range(400))
    checked = "label\titem\n" + "".join(f" cat\t{i}\n" for i in range(100))
    assert main([*tables(predictions, checked), "--quality", "0.9", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["items"], found["checked"], found["auto"], found["people"]) == (400, 100, 300, 0)
    assert found["threshold"] == 0.51


GOOD = "item,label,score\na,cat,.9\nb,dog,.8\n"


@pytest.mark.parametrize(
    ("predictions", "checked", "said"),
    [
        ("item,label\na,cat\n", "item,label\na,cat\n", "predictions.csv: line 1: field score: the column is missing"),
        (GOOD, "item,class\na,cat\n", "checked.csv: line 1: field class: do you mean label?"),
        (
            "item,label,score\n",
            "item,label\na,cat\n",
            "predictions.csv: empty; write a row for each item below the header",
        ),
        (GOOD, "item,label\n", "checked.csv: empty; write a row for each item below the header"),
        (GOOD + "c,dog,high\n", "item,label\na,cat\n", "predictions.csv: line 4: field score: 'high' is no number"),
        (GOOD + "c,dog,inf\n", "item,label\na,cat\n", "predictions.csv: line 4: field score: 'inf' is no number"),
        (GOOD + "c,dog,\n", "item,label\na,cat\n", "field score: empty; every prediction needs a score, higher if"),
        (GOOD + "c,dog,\n", "item,label\na,cat\n", "predictions.csv: line 4: field score: empty; "),
        (GOOD + "c,,1\n", "item,label\na,cat\n", "predictions.csv: line 4: field label: empty; "),
        (GOOD + ",cat,1\n", "item,label\na,cat\n", "predictions.csv: line 4: field item: empty; every row names"),
        (GOOD + "a,cat,1\n", "item,label\na,cat\n", "predictions.csv: line 4: field item: 'a' is on line 2 already"),
        (GOOD, "item,label\na,cat\na,cat\n", "checked.csv: line 3: field item: 'a' is on line 2 already; keep one"),
        (GOOD, "item,label\nz,cat\n", "checked.csv: line 2: field item: 'z' is not in predictions.csv"),
        (GOOD, "item,label\na,\n", "checked.csv: line 2: field label: empty; if people could not give a label"),
        (
            GOOD + "c,dog,x\nd,dog,y\na,cat,1\n",
            "item,label\na,cat\n",
            "predictions.csv: 3 mistakes: line 4: field score: 'x' is no number; write one; line 5: "
            "field score: 'y' is no number; write one; line 6",
        ),
    ],
)
def test_a_mistake_in_a_table_is_one_line(predictions, checked, said, tables, capfd):
    assert main([*tables(predictions, checked), "--quality", "0.9", "--json"]) == MISTAKE
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--quality", "95"], "--quality: 95 is not between 0 and 1; say 0.95 for 95 %"),
        (["--quality", "1"], "--quality: 1 is not between 0 and 1"),
        (["--quality", "0.9999999999999"], "--quality: 1 is not between 0 and 1"),
        (["--quality", "1e-14"], "--quality: 1e-14 is not between 0 and 1"),
        (["--quality", "0.9", "--confidence", "0.9999999999999"], "--confidence: 1 is not between 0 and 1"),
        (["--quality", "nan"], "--quality: nan is not between 0 and 1"),
        (["--quality", "0.9", "--confidence", "0"], "--confidence: 0 is not between 0 and 1"),
        (["--quality", "0.9", "--of", "all"], "argument --of: invalid choice: 'all'"),
        ([], "the following arguments are required: --quality"),
    ],
)
def test_a_mistake_in_an_option_is_one_line(options, said, tables, capfd):
    assert main([*tables(GOOD, "item,label\na,cat\n"), *options]) == MISTAKE
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_a_file_that_is_not_there_is_named(tables, capfd):
    assert main([*tables(GOOD, GOOD)[:2], "--labels", "gone.csv", "--quality", "0.9"]) == MISTAKE
    assert "gone.csv: no such file; correct the path" in capfd.readouterr().err


def test_the_help_says_how_the_checked_items_are_drawn(capfd):
    with pytest.raises(SystemExit):
        main(["certify", "--help"])
    assert "drawn at random from all items of PREDICTIONS.csv" in " ".join(capfd.readouterr().out.split())


def test_the_threshold_that_is_printed_keeps_the_items_that_are_counted(tables, capfd):
    """Scores may be close to each other, and far from 0: logarithms of probabilities, for example."""
    score = pd.Series(-1234.56 - np.arange(400) * 1e-4).round(6)
    predictions = pd.DataFrame({"item": [f"a{k}" for k in range(400)], "label": "x", "score": score})
    checked = predictions.sample(200, random_state=2)[["item"]]
    checked["label"] = np.where(checked["item"].str[1:].astype(int) < 250, "x", "y")
    assert main([*tables(predictions, checked), "--quality", "0.9"]) == 0
    found = re.search(r"the ([0-9]+) unchecked items with a score of at least (\S+) are right", capfd.readouterr().out)
    rest = predictions[~predictions["item"].isin(checked["item"])]
    assert (rest["score"] >= float(found[2])).sum() == int(found[1]) > 0


@pytest.mark.parametrize("which", ["lower", "higher"])
def test_items_that_were_not_drawn_at_random_are_told_of(tables, capfd, which):
    predictions, _, truth = cats_and_dogs()
    predictions = predictions.sort_values("score", ascending=which == "lower")
    checked = predictions.head(500)[["item"]].assign(label=lambda table: truth[table["item"]].to_numpy())
    command = [*tables(predictions, checked), "--quality", "0.6"]
    told = f"The checked items are no random draw: their scores are {which} than those of the others"
    assert main(command) == 0
    assert capfd.readouterr().out.splitlines()[-1].startswith(told)
    assert main([*command, "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["checked"] == 500
    assert err.startswith(told)


def test_a_draw_of_equal_scores_is_no_fault(tables, capfd):
    predictions, checked, _ = cats_and_dogs()
    assert main([*tables(predictions.assign(score=1), checked), "--quality", "0.6"]) == 0
    assert "no random draw" not in capfd.readouterr().out


def test_what_a_person_should_know_comes_beside_the_json(tables, capfd):
    predictions, checked, _ = cats_and_dogs()
    checked["label"] = checked["label"].str.upper()
    assert main([*tables(predictions, checked), "--quality", "0.9", "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["promised"] is None
    assert err.startswith("Labels that differ only by case or accents count as different: ")


def test_a_confidence_close_to_one_is_not_rounded_up(tables, capfd):
    predictions, checked, _ = cats_and_dogs()
    assert main([*tables(predictions, checked), "--quality", "0.575", "--confidence", "0.9999999"]) == 0
    assert "Promised with 99.99999 % confidence: at least 57.5 % of" in capfd.readouterr().out


@pytest.mark.parametrize("option", ["--quality", "--confidence"])
@pytest.mark.parametrize("text", ["95%", "0,95"])
def test_a_share_that_is_no_number_is_named_with_what_to_write(tables, capfd, option, text):
    predictions, checked, _ = cats_and_dogs()
    assert main([*tables(predictions, checked), "--quality", "0.9", option, text]) == MISTAKE
    assert f"argument {option}: '{text}' is no number between 0 and 1; say 0.95 for 95 %" in capfd.readouterr().err


def test_an_accent_at_the_very_end_of_a_file_of_windows_is_read(tables, capfd):
    command = tables("item,label,score\na,caf\xe9,0.9\nb,dog,0.8\n", "item,label\nb,dog\na,caf\xe9")
    for name in ("predictions.csv", "checked.csv"):
        Path(name).write_bytes(Path(name).read_text().encode("cp1252"))
    assert main([*command, "--quality", "0.5"]) == 0
    assert "never gave" not in capfd.readouterr().out


def test_a_file_that_ends_in_the_middle_of_a_letter_is_refused(tables, capfd):
    command = tables("item,label,score\nb\u00e4r,caf\u00e9,0.9\n", "x")
    Path("checked.csv").write_bytes("item,label\nb\u00e4r,caf\u00e9".encode()[:-1])
    assert main([*command, "--quality", "0.5"]) == MISTAKE
    assert "checked.csv: line 2: not UTF-8 text (unexpected end of data); save the file as" in capfd.readouterr().err


def test_long_texts_in_a_column_that_is_not_read(tables, capfd):
    predictions, checked, _ = cats_and_dogs(20, 10)
    assert main([*tables(predictions.assign(text="word " * 30_000), checked), "--quality", "0.5"]) == 0
    assert capfd.readouterr().out.startswith("20 items, 10 of them checked")


def test_decimal_commas_with_an_exponent(tables, capfd):
    text = "item;label;score\na;x;0,97\nb;x;1,2E-05\nc;x;0,5\n"
    assert main([*tables(text, "item;label\na;x\n"), "--quality", "0.5"]) == 0
    assert capfd.readouterr().out.startswith("3 items, 1 of them checked")
