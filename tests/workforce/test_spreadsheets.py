"""A person's sheet of boxes, with mistakes in it, as spreadsheet programs save it; and CSV as public reports tell."""

import csv
import io
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from roundtruth import steps
from roundtruth.begin import begin
from roundtruth.job import Job
from roundtruth.summary import summarize
from tests.jobs import digits

HEADER = ["item", "source", "worker", "class", "left", "top", "width", "height"]
CLASSES = ["M\xf6we", "Spatz"]
ROWS = 200


class Form(NamedTuple):
    separator: str
    encoding: str
    before: str = ""  # what the text begins with
    decimal: str = "."


FORMS = {
    "comma": Form(",", "utf-8"),
    "semicolon with a BOM": Form(";", "utf-8", "\ufeff"),
    "tab": Form("\t", "utf-8"),
    "UTF-16": Form("\t", "utf-16"),
    "Windows-1252 with decimal commas": Form(";", "cp1252", "", ","),
    "sep=": Form(";", "utf-8", "sep=;\r\n", ","),
}
LIBREOFFICE = {"utf-8": 76, "utf-16": 65535, "cp1252": 1}  # its numbers of these encodings


@pytest.fixture
def batch(make, tmp_path):
    """batch(number of items, ...): the folder for the answers of a job about boxes that asked about all its items."""

    def asked(number: int, **changed) -> Path:
        digits(tmp_path, number)
        settings = {"kind": "object-detection", "classes": CLASSES, "learner": "default"} | changed
        begin(make(number, workforce={"backend": "files", "answers_per_item": 1}, **settings))
        job = Job(str(tmp_path / "job"))
        table = pd.DataFrame({"item": range(1, number + 1), "role": "train", "round": 1})
        job.write_table("rounds/001/asked.parquet", table)
        steps.dispatch(job, 1)
        return tmp_path / "job/people/answers"

    return asked


def sweep(answers: Path) -> dict:
    """Collect the answers, and say what came of it."""
    folder = str(answers.parent.parent)
    found = steps.wait(Job(folder), 1)
    rejected = answers.parent / "rejected.csv"
    lines = pd.read_csv(rejected)["line"].tolist() if rejected.exists() else []
    summary = summarize(Job(folder))
    assert summary["rejected"] == len(lines)
    return found | {"lines": lines, "answers": summary["answers"], "notes": summary["about_answers"]}


def sheet(mistakes: bool) -> list[list]:
    """The rows of Jürgen's sheet about pictures of 8 x 8 pixels; seven are wrong, each in another way."""
    rows = [
        [item, f"images/{item:04d}.png", "J\xfcrgen", CLASSES[item % 2], 0.5, 1.25, 3 + item % 4, 4.5]
        for item in range(1, ROWS + 1)
    ]
    if mistakes:
        wrong = {
            "class": "M\xf6ve",
            "width": 0,
            "left": 30.5,
            "top": "",
            "worker": "",
            "item": 999,
            "source": "images/0001.png",
        }
        for place, (field, value) in enumerate(wrong.items()):
            rows[20 + 25 * place][HEADER.index(field)] = value
    return rows


WRONG = [2 + 20 + 25 * place for place in range(7)]  # the lines of the mistakes


def by_hand(rows: list[list], form: Form, _) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=form.separator)
    writer.writerow(HEADER)
    writer.writerows(
        [[str(cell).replace(".", form.decimal) if type(cell) is float else cell for cell in row] for row in rows]
    )
    return (form.before + out.getvalue()).encode(form.encoding)


def by_libreoffice(rows: list[list], form: Form, folder: Path) -> bytes:
    """LibreOffice of a country reads the sheet and saves it. It writes neither a BOM for UTF-8 nor `sep=`: other
    programs do."""
    (folder / "saved").mkdir(exist_ok=True)
    (folder / "sheet.csv").write_bytes(by_hand(rows, FORMS["comma"], folder))
    locale = "de-DE" if form.decimal == "," else "en-US"
    profile = folder / f"profile-{locale}"
    (profile / "user").mkdir(parents=True, exist_ok=True)
    (profile / "user/registrymodifications.xcu").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<oor:items xmlns:oor="http://openoffice.org/2001/registry"><item oor:path="/org.openoffice.Setup/L10N">'
        f'<prop oor:name="ooSetupSystemLocale" oor:op="fuse"><value>{locale}</value></prop></item></oor:items>'
    )
    options = f"{ord(form.separator)},34,{LIBREOFFICE[form.encoding]},1,,0,false,true"
    command = ["soffice", "--headless", f"-env:UserInstallation={profile.as_uri()}", "--infilter=CSV:44,34,76,1,,1033"]
    command += ["--convert-to", f"csv:Text - txt - csv (StarCalc):{options}", "--outdir", folder / "saved"]
    subprocess.run([*command, folder / "sheet.csv"], check=True, capture_output=True, timeout=300)
    data = (folder / "saved/sheet.csv").read_bytes()
    return form.before.encode() + data


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "save",
    [
        by_hand,
        pytest.param(
            by_libreoffice,
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not here"),
            ],
        ),
    ],
)
def test_of_a_sheet_of_200_rows_with_7_mistakes_193_are_taken_and_mending_finishes_the_batch(
    save, form, batch, tmp_path
):
    answers, form = batch(ROWS), FORMS[form]
    (answers / "j\xfcrgen.csv").write_bytes(save(sheet(True), form, tmp_path))
    found = sweep(answers)
    assert (found["answered"], found["answers"], found["done"]) == (193, 193, False)
    assert found["lines"] == [line + form.before.startswith("sep=") for line in WRONG]
    (answers / "j\xfcrgen.csv").write_bytes(save(sheet(False), form, tmp_path))
    found = sweep(answers)
    assert (found["answered"], found["answers"], found["done"], found["lines"]) == (ROWS, ROWS, True, [])
    table = Job(str(tmp_path / "job")).answers(1).sort_values("item")
    assert set(table["worker"]) == {"J\xfcrgen"}
    assert table["class_id"].tolist() == [item % 2 for item in range(1, ROWS + 1)]
    assert table[["left", "top", "height"]].drop_duplicates().to_numpy().tolist() == [[0.5, 1.25, 4.5]]
    assert table["width"].tolist() == [3 + item % 4 for item in range(1, ROWS + 1)]


# Each is a form that a public report (issue or article) complains of; what it says is the same: ann says cat of picture
# 1 and dog of picture 2
PLAIN = "item,worker,label\n1,ann,cat\n2,ann,dog\n"
REPORTED = {
    "PowerShell 7776: sep=": b"sep=,\r\nitem,worker,label\r\n1,ann,cat\r\n2,ann,dog\r\n",
    "close2/csv 68: sep= in quotes": b'"sep=;"\nitem;worker;label;\n1;ann;cat;\n2;ann;dog;\n',
    "export-to-csv 43: sep=~": b'sep=~\n"item"~"worker"~"label"\n"1"~"ann"~"cat"\n"2"~"ann"~"dog"\n',
    "rainbow_csv 108: sep=|": b"sep=|\nitem|worker|label\n1|ann|cat\n2|ann|dog\n",
    "a file with sep= saved again with commas": b"sep=;,,\r\nitem,worker,label\r\n1,ann,cat\r\n2,ann,dog\r\n",
    "neat-csv 10: a BOM": PLAIN.encode("utf-8-sig"),
    "sgn 5700: a BOM and quotes": b'\xef\xbb\xbf"item","worker","label"\n1,ann,cat\n2,ann,dog\n',
    "dbeaver 14089: two BOMs": ("\ufeff" + PLAIN).encode("utf-16"),
    "UTF-16, big end first": ("\ufeff" + PLAIN).encode("utf-16-be"),
    "TablePress 31: UTF-16 with tabs": PLAIN.replace(",", "\t").encode("utf-16"),
    "DataBasic 176: commas at the ends of lines": b"item,worker,label,,\n1,ann,cat,,\n2,ann,dog,,\n",
    "xlsx2csv 228: trailing cells left out": b"item,worker,label,reason\n1,ann,cat\n2,ann,dog,\n",
    "deephaven 1800: an empty column in the middle": b"item,,worker,label\n1,,ann,cat\n2,,ann,dog\n",
    "firefly 691: empty rows at the top": b",,\n\nitem,worker,label\n,,\n1,ann,cat\n2,ann,dog\n",
    "xibo 3456: an empty line": b"item,worker,label\n1,ann,cat\n\n2,ann,dog\n\n",
    "AzureStorageExplorer 3136: 1247 empty rows": PLAIN.encode() + b",,\n" * 1247,
    "manage-vaccinations 3410: no-break spaces": "item\xa0,\xa0worker,label\n1\xa0,ann,cat\xa0\n2,ann,dog\n".encode(),
    "netbox 11929: blanks in the header": b" item , worker ,label \n1,ann,cat\n2,ann,dog\n",
    "PayPal: a blank behind the comma": b'item, worker, label\n1, "ann", cat\n2, ann, "dog"\n',
    "molgenis 125: semicolons": b"item;worker;label\n1;ann;cat\n2;ann;dog\n",
    "capitals": b"ITEM,Worker,Label\n1,ann,cat\n2,ann,dog\n",
    "pandas 28335: numbers become floats": b"item,worker,label\n1.0,ann,cat\n2.0,ann,dog\n",
    "floats with decimal commas": b"item;worker;label\n1,0;ann;cat\n2,0;ann;dog\n",
    "Excel for the Mac: CR alone": PLAIN.replace("\n", "\r").encode(),
    "mixed ends of lines": b"item,worker,label\r\n1,ann,cat\n2,ann,dog\r\n",
    "no end of the last line": PLAIN.rstrip().encode(),
    "an index, as pandas writes it": b",item,worker,label\n0,1,ann,cat\n1,2,ann,dog\n",
    "names of pictures": b"item,worker,label\n0001.png,ann,cat\nimages/0002.png,ann,dog\n",
    "Windows paths": b"source,worker,label\nimages\\0001.png,ann,cat\nimages\\0002.png,ann,dog\n",
    "kolibri 11890: capitals in a name": b"item,worker,label\n1,ann,cat\n2,ANN,dog\n",
}


@pytest.mark.slow
def test_files_as_public_reports_describe_them(batch):
    answers = batch(3, kind="image-classification", classes=["cat", "dog"])
    for what, data in REPORTED.items():
        for old in answers.iterdir():
            old.unlink()
        (answers / "a.csv").write_bytes(data)
        assert sweep(answers)["lines"] == [], what
        job = Job(str(answers.parent.parent))
        assert job.answers(1)[["item", "worker", "class_id"]].to_numpy().tolist() == [[1, "ann", 0], [2, "ann", 1]], (
            what
        )
        for path in (answers.parent.parent / "rounds/001/answers").iterdir():
            path.unlink()


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        ('1,ann,cat,5" deep\n2,ann,dog,\n', []),  # csv-parser 90: an inch mark in a cell without quotes
        ('1,ann,cat,"5" deep"\n2,ann,dog,\n', [2]),
        ('1,ann,cat,"never closed\n2,ann,dog,\n3,ann,cat,\n', [2]),
        ('1,ann,"cat,\n2,ann,dog,x"\n3,ann,cat,\n', [2]),  # a quotation mark takes no other row with it
        ("1,ann\n2,ann,dog,\n", [2]),  # molgenis 7183: a row too short was left out in silence
        ("1,ann,cat,a,b\n2,ann,dog,\n", [2]),
        ("1,ann,#REF!,\n2,ann,dog,\n", [2]),
        ("1,ann,CAT,\n2,ann,dog,\n", [2]),
        ("#1,ann,cat,\n2,ann,dog,\n", [2]),
        ("1 234,ann,cat,\n2,ann,dog,\n", [2]),
        ("=A1,ann,cat,\n2,ann,dog,\n", [2]),
    ],
)
def test_one_bad_row_keeps_no_other_out(rows, lines, batch):
    answers = batch(3, kind="image-classification", classes=["cat", "dog"])
    (answers / "a.csv").write_text(f"item,worker,label,note\n{rows}")
    found = sweep(answers)
    assert found["lines"] == lines
    assert found["answers"] == rows.count("ann") - len(lines) - rows.count('b"\n')


@pytest.mark.parametrize(
    ("separator", "cells", "left"),
    [
        (";", ["1,5", "2"], [1.5, 2]),
        ("\t", ["1,5", "2.25"], [1.5, 2.25]),
        (",", ['"1,5"', '"2,25"'], [1.5, 2.25]),
        (",", ['"1,5"', '"1,125"'], [1.5, 1.125]),  # the first tells what the second is
        (";", ["1,125", "2"], [1.125, 2]),  # where lists have semicolons, decimals have commas
        (",", ["1.125", "2"], [1.125, 2]),
        (",", ['"1,125"', "2"], [2]),  # a number over a thousand, or a decimal: nothing tells
        ("\t", ["1,125", "2"], [2]),
        (";", ["1,125", "2.5"], [2.5]),
        (";", ["1.125", "2,5"], [2.5]),  # pandas 59299: 1.234,56
        (";", ["1.234,56", "2,5"], [2.5]),
        (",", ['"1,234.5"', "2"], [2]),
        (";", ["1 125,5", "2,5"], [2.5]),
    ],
)
def test_decimal_commas_are_read_only_where_they_are_sure(separator, cells, left, batch):
    answers = batch(3)
    rows = [[str(item), "ann", "Spatz", cell, "1", "2", "2"] for item, cell in enumerate(cells, 1)]
    header = ["item", "worker", "class", "left", "top", "width", "height"]
    (answers / "a.csv").write_text("\n".join(separator.join(row) for row in [header, *rows]) + "\n")
    found = sweep(answers)
    assert found["lines"] == [line for line, cell in enumerate(cells, 2) if len(left) == 1 and line == 2]
    assert Job(str(answers.parent.parent)).answers(1)["left"].tolist() == left


def test_what_is_not_read_is_said(batch):
    answers = batch(3, kind="image-classification", classes=["cat", "dog"])
    (answers / "a.csv").write_bytes("item,worker,label,date,,note\n1,J\xf6rg,cat,today,x,\n".encode("cp1252"))
    (answers / "b.csv").write_text("item,worker,label,Note\n2,ben,cat,x\n")
    (answers / "c.ods").write_bytes(b"PK")
    assert sweep(answers)["notes"] == [
        "4 columns not read: date, column 5, which has no name, note, Note",
        "1 file read as Windows-1252, as not UTF-8: a.csv",
        "1 file not read, as not CSV: c.ods; save as CSV",
    ]
    assert set(Job(str(answers.parent.parent)).answers(1)["worker"]) == {"J\xf6rg", "ben"}


def test_text_that_is_utf8_in_part_is_not_guessed(batch):
    """As Windows-1252 it would give a worker another name, and the answers would be paid twice."""
    answers = batch(3, kind="image-classification", classes=["cat", "dog"])
    (answers / "a.csv").write_bytes("item,worker,label\n1,J\xfcrgen,cat\n".encode() + b"2,J\xfcrgen,dog\n")
    found = sweep(answers)
    assert (found["answers"], found["lines"]) == (0, [3])
    assert "a.csv,3,not UTF-8 text" in (answers.parent / "rejected.csv").read_text()


def test_the_list_that_the_page_shows_is_what_such_answers_give(batch):
    """docs/answers.md: anna's sheet about 24 pictures, in which lines 3 and 9 are wrong."""
    answers = batch(24, kind="image-classification", classes=["cat", "dog"])
    rows = ["17,anna,cat", "18,anna,dgo", *(f"{item},anna,cat" for item in range(19, 24)), "24,,cat"]
    (answers / "anna.csv").write_text("\n".join(["item,worker,label", *rows]) + "\n")
    sweep(answers)
    page = (Path(__file__).parents[2] / "docs/answers.md").read_text()
    shown = page.split("    file,line,reason,")[1].split("\n\n")[0]
    listed = (answers.parent / "rejected.csv").read_text()
    assert listed == "file,line,reason," + shown.replace("\n    ", "\n") + "\n"
