"""Damaged input files, for benchmarks/fuzz.py and tests/test_fuzz.py.

A case is a good file that was changed: in its structure, in its text or in its bytes. Whatever it holds, it is read,
and everything in it is accounted for; or it is refused, in a message of one line. Everything about a case follows from
the seed, the format and the case's number.
"""

import csv
import io
import json
import random
import re
import shutil
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import yaml
from PIL import Image

from roundtruth import answers, loop, workforce
from roundtruth.begin import begin
from roundtruth.errors import UserError
from roundtruth.job import Job
from roundtruth.spec import JobSpec
from tests.jobs import boxed, classified

CLASSES = ["cat", "dog"]
SIDES = ["left", "top", "width", "height"]
SIZE = (64, 48)
LINES = 10  # of a fuzzed manifest, and pictures of any other case


class Fault(Exception):
    """roundtruth did the wrong thing. The message says what; the case's files are still there."""


class Format(NamedTuple):
    cases: int  # of a whole run
    run: Callable[[random.Random, Path], Counter]  # one case, in a folder that has `pictures`: what came of it
    prepare: Callable[[Path], None] | None = None


def run(name: str, seed: int, numbers: range, folder: Path) -> Iterator[Counter | Fault]:
    """The cases of a format with these numbers: what came of each, or what was wrong."""
    one = FORMATS[name]
    pictures(folder)
    if one.prepare:
        one.prepare(folder)
    for number in numbers:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = one.run(random.Random(f"{seed} {name} {number}"), folder)
        except Exception as error:
            said = str(error) if isinstance(error, Fault) else f"{type(error).__name__}: {error}"
            found = Fault(f"{name} {number}: {said[:500]}")
            found.__cause__ = error
        yield found


def pictures(folder: Path) -> None:
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for number in range(LINES):
        Image.new("RGB", SIZE, (20 * number, 90, 60)).save(folder / f"pictures/{number}.png")


# -- changes


ODD = [
    *(None, True, False, 0, -1, 1, 7, 0.5, 1.0, -0.0, 1e-320, 1e15, 1e308, 2**31, 2**63, 10**30, -(10**30), 10**400),
    *(float("nan"), float("inf"), -float("inf"), [], {}, [[]], [None], [1, 2], {"a": 1}, [[[[[[1]]]]]]),
    *("", " ", "\t", "0", "1", "-1", "1.0", "nan", "1e999", "yes", "null", "x" * 3000, "x" * 70_000, "\ud800", "a\0b"),
    *(
        "é",
        "e\u0301",
        "\u202e",
        "\ufeff",
        "Ω" * 200,
        "a\nb",
        "a,b;c\td",
        '"',
        "'",
        "<b>",
        "&amp;",
        "{}",
        "%s",
        "../../x",
    ),
    *("/dev/zero", "/", ".", "..", "~root/x", "C:\\x", "\\\\server\\x", "http://x/y.png", "s3://", "file:///x", "%00"),
]


def changed(value, chance: random.Random):
    """A copy of a JSON value with one to three changes somewhere in it."""
    value = json.loads(json.dumps(value))
    for _ in range(chance.randint(1, 3)):
        places = list(inside(value))
        if not places:
            break
        holder, key = chance.choice(places)
        change(holder, key, chance)
    return value


def inside(value) -> Iterator[tuple]:
    """(holder, key) of every value in a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in list(items):
        yield value, key
        yield from inside(part)


def change(holder, key, chance: random.Random) -> None:
    how = chance.choice(("odd", "odd", "odd", "delete", "wrap", "twice", "rename", "scale", "text", "deep"))
    part = holder[key]
    if how == "delete":
        del holder[key]
    elif how == "wrap":
        holder[key] = [part]
    elif how == "twice" and isinstance(holder, list):
        holder.insert(key, deepcopy(part))
    elif how == "rename" and isinstance(holder, dict):
        holder[chance.choice((f"{key} ", key.upper(), f"{key}s", "\ud800", "", "x" * 500))] = holder.pop(key)
    elif how == "scale" and isinstance(part, int | float):
        holder[key] = part * chance.choice((-1, 0.01, 1.5, 1e6, 10**40))
    elif how == "text":
        holder[key] = str(part)
    elif how == "deep":
        holder[key] = nested(part, chance.choice((3, 20, 90)))
    else:
        holder[key] = deepcopy(chance.choice(ODD))


def nested(value, depth: int):
    for _ in range(depth):
        value = [value]
    return value


def as_json(value, chance: random.Random, **layout) -> bytes:
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5, **layout)
    return text.encode("utf-8", "surrogatepass")


TEXTS = [
    *(
        b"\0",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
        b"\x85",
        b"\x1a",
        b"\x0c",
        b"\\u0000",
    ),
    *(b",", b";", b":", b'"', b"'", b"[", b"{", b"}", b"]", b"\r", b"\n", b"\t", b" ", b"\\", b"\\ud800", b"NaN", b"-"),
    *(b"1e999", b"9" * 5000, b"[" * 3000, b'{"a":' * 3000, b"<", b">", b"&", b"&lt;", b"#", b"//", b"null"),
]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one to three changes."""
    for _ in range(chance.randint(1, 3)):
        at, to = sorted(chance.randint(0, len(data)) for _ in range(2))
        how = chance.choice(("put", "put", "take", "end", "twice", "flip", "swap", "encode"))
        if how == "put":
            data = data[:at] + chance.choice(TEXTS) + data[at:]
        elif how == "take":
            data = data[:at] + data[min(to, at + 20) :]
        elif how == "end":
            data = data[:at]
        elif how == "twice":
            data = data[:to] + data[at:]
        elif how == "flip" and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ (1 << chance.randint(0, 7))]) + data[at + 1 :]
        elif how == "swap":
            one, other = chance.choice(((b",", b";"), (b'"', b"'"), (b":", b"="), (b"\n", b"\r\n"), (b".", b",")))
            data = data.replace(one, other)
        elif how == "encode":
            text = data.decode("utf-8", "replace")
            data = text.encode(chance.choice(("utf-16", "utf-16-be", "utf-32", "utf-8-sig", "cp1252")), "replace")
    return data


# -- what came of it


@contextmanager
def refusal(folder: Path) -> Iterator[list[str]]:
    """The message of a refusal, where there is one. Raises Fault for one that is too long or does not say where."""
    said: list[str] = []
    try:
        yield said
    except UserError as mistake:
        said.append(str(mistake))
        if len(said[0]) > 1000:
            raise Fault(f"a message of {len(said[0])} characters: {said[0]}") from mistake
        if not re.match(rf"(?:\w+: )?{re.escape(str(folder))}|\w+: ", said[0]):
            raise Fault(f"a message that names no file: {said[0]}") from mistake


def begun(folder: Path, job: dict) -> Job:
    shutil.rmtree(folder / "job", ignore_errors=True)
    people = {"workforce": {"backend": "files", "answers_per_item": 1}}
    given = {"name": "fuzz", "classes": CLASSES, "output": f"{folder}/job", "weights": "none"} | people | job
    return begin(JobSpec.model_validate(given))


def accounted(what: str, there: int, *found: int) -> None:
    if sum(found) != there:
        raise Fault(f"{there} {what}, but {' + '.join(map(str, found))} were accounted for")


def told(job: Job, words: str) -> int:
    """How many the lines about what was put right or passed over count that have these words."""
    lines = [*job.begun["passed"], *job.begun["notes"]]
    return sum(int(line.split()[0]) for line in lines if words in line)


def drawn(job: Job) -> int:
    """The labels that came with the input, those that are there twice and those that were passed over."""
    labels = job.input_labels()
    there = len(labels) if job.kind.ONE_PER_ITEM else int((labels["class_id"] >= 0).sum())
    return there + told(job, "there twice")


# -- manifests


def manifest_case(chance: random.Random, folder: Path) -> Counter:
    """Each line is tried with two good ones. Then all lines are refused together, naming bad ones, and those that were
    taken alone are taken together."""
    kind = chance.choice(("image-classification", "object-detection"))
    good = [as_json(record(kind, number, chance), chance) for number in range(LINES)]
    lines = [changed_line(kind, number, chance) for number in range(LINES)]
    two = [[good[(number + more) % LINES] for more in (1, 2)] for number in range(LINES)]
    bad = {at + 1 for at, line in enumerate(lines) if read_lines(kind, [line, *two[at]], folder)[1]}
    said = read_lines(kind, lines, folder)[1]
    if not said and bad:
        raise Fault(f"lines {bad} are refused alone, and taken together with others")
    if said and not of_several(said):
        named = {int(number) for number in re.findall(r"(?<!on )line (\d+)", said)}
        count = int(found[1]) if (found := re.search(r": (\d+) mistakes: ", said)) else 1
        if not named or not named <= bad or count < len(named):
            raise Fault(f"lines {bad} are bad, and the message is: {said}")
    rest = [line for at, line in enumerate(lines, 1) if at not in bad]
    if rest:
        job, said = read_lines(kind, rest, folder)
        if said and not of_several(said):
            raise Fault(f"lines that are read alone are refused together: {said}")
        if job:
            accounted("lines", len(rest), len(job.items(["item"])))
            labeled = sum(json.loads(line.decode("utf-8-sig")).get("label") is not None for line in rest)
            accounted("labeled lines", labeled, int(job.items(["labeled"])["labeled"].sum()))
    return Counter(lines=LINES, read=LINES - len(bad), refused=len(bad))


def of_several(said: str) -> bool:
    """Whether a refusal is about several lines, each of which may be good alone."""
    return any(words in said for words in ("is on line", "not there, the first", "only Windows"))


def record(kind: str, number: int, chance: random.Random) -> dict:
    source = {"source-ref": f"pictures/{number}.png"}
    if chance.random() < 0.3:
        return source
    if kind == "image-classification":
        return source | classified("label", chance.randint(0, 1), CLASSES)
    some = [dict(zip(SIDES, box(chance)), class_id=chance.randint(0, 1)) for _ in range(chance.randint(0, 3))]
    return source | boxed("label", some, (SIZE[1], SIZE[0], 3), CLASSES)


def box(chance: random.Random) -> list[int]:
    return [chance.randint(0, 20), chance.randint(0, 20), chance.randint(3, 40), chance.randint(3, 25)]


def changed_line(kind: str, number: int, chance: random.Random) -> bytes:
    value = record(kind, number, chance)
    data = as_json(changed(value, chance) if chance.random() < 0.7 else value, chance)
    data = damaged(data, chance) if chance.random() < 0.3 else data
    return data.replace(b"\n", b" ").strip() or b"{"


def read_lines(kind: str, lines: list[bytes], folder: Path) -> tuple[Job | None, str]:
    (folder / "input.manifest").write_bytes(b"\n".join(lines))
    job = None
    with refusal(folder) as said:
        given = {"kind": kind, "data": f"{folder}/input.manifest"}
        if kind == "object-detection":
            given["boxes"] = {"unit": "pixel", "form": "size"}  # else what one line means may depend on the others
        job = begun(folder, given)
    return job, said[0] if said else ""


# -- COCO


def coco_case(chance: random.Random, folder: Path) -> Counter:
    kind = chance.choice(("image-classification", "object-detection", "object-detection"))
    one = kind == "image-classification"  # then the classes of an image agree
    value = {
        "images": [
            {"id": number, "file_name": f"pictures/{number}.png", "width": SIZE[0], "height": SIZE[1]}
            for number in range(LINES)
        ],
        "annotations": [
            {"id": at, "image_id": number, "category_id": 1 + (number if one else at) % 2, "bbox": box(chance)}
            | {"area": chance.randint(1, 99), "iscrowd": int(at % 7 == 6)}
            for at, number in enumerate(number for number in range(LINES) for _ in range(chance.randint(0, 3)))
        ],
        "categories": [{"id": at, "name": name} for at, name in enumerate(CLASSES, 1)],
    }
    data = as_json(changed(value, chance) if chance.random() < 0.75 else value, chance, indent=chance.choice((None, 1)))
    data = damaged(data, chance) if chance.random() < 0.35 else data
    (folder / "input.json").write_bytes(data)
    with refusal(folder) as said:
        job = begun(folder, {"kind": kind, "data": f"{folder}/input.json"})
        read = json.loads(data)
        accounted("images", len(read["images"]), len(job.items(["item"])))
        marks, crowds = len(read.get("annotations") or []), told(job, "of a crowd") + told(job, "of crowds")
        if one:  # several annotations of one image are one label
            labeled = {
                mark["image_id"] for mark in read.get("annotations") or [] if mark.get("iscrowd") not in (1, "1")
            }
            accounted("labeled images", len(labeled), drawn(job))
        else:
            accounted("annotations", marks, drawn(job), crowds)
    return Counter(files=1, refused=len(said), read=1 - len(said))


# -- VOC and YOLO


def in_folder(kind: str, files: dict[str, bytes], folder: Path) -> Job:
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(folder / "pictures", data)
    for name, content in files.items():
        (data / name).write_bytes(content)
    return begun(folder, {"kind": kind, "data": str(data)})


def voc_case(chance: random.Random, folder: Path) -> Counter:
    """A changed XML file beside a good one and pictures without."""
    good, value = (annotation(number, chance) for number in (0, 1))
    data = as_xml(changed(value, chance) if chance.random() < 0.75 else value).encode("utf-8", "surrogatepass")
    data = damaged(data, chance) if chance.random() < 0.4 else data
    with refusal(folder) as said:
        job = in_folder("object-detection", {"0.xml": as_xml(good).encode(), "1.xml": data}, folder)
        accounted("pictures", LINES, len(job.items(["item"])))
        there = 0 if told(job, "not VOC's") else len(ElementTree.fromstring(data).findall("object"))
        accounted("objects", len(good["annotation"]["object"]) + there, drawn(job))
    return Counter(files=1, refused=len(said), read=1 - len(said))


def annotation(number: int, chance: random.Random) -> dict:
    some = []
    for left, top, width, height in (box(chance) for _ in range(chance.randint(0, 3))):
        corners = {"xmin": left, "ymin": top, "xmax": left + width, "ymax": top + height}
        some.append({"name": chance.choice(CLASSES), "difficult": 0, "bndbox": corners})
    size = {"width": SIZE[0], "height": SIZE[1], "depth": 3}
    return {"annotation": {"filename": f"{number}.png", "size": size, "object": some}}


def as_xml(value, tag: str = "") -> str:
    """A dict as elements; a list as several of one tag."""
    if isinstance(value, dict):
        inner = "".join(as_xml(part, key) for key, part in value.items())
        return f"<{tag}>{inner}</{tag}>" if tag else inner
    if isinstance(value, list):
        return "".join(as_xml(part, tag) for part in value)
    text = str(value).replace("&", "&amp;").replace("<", "&lt;") if value is not None else ""
    return f"<{tag}>{text}</{tag}>"


def yolo_case(chance: random.Random, folder: Path) -> Counter:
    """A changed label file beside a good one, with the names of the classes."""
    files = [[[chance.randint(0, 1), *shares(chance)] for _ in range(chance.randint(1, 3))] for _ in range(2)]
    first, second = (("\n".join(" ".join(map(str, row)) for row in rows) + "\n") for rows in files)
    data = second.encode()
    if chance.random() < 0.7:
        rows = changed(files[1], chance)
        text = "\n".join(" ".join(map(str, row)) if isinstance(row, list) else str(row) for row in rows)
        data = text.encode("utf-8", "surrogatepass")
    data = damaged(data, chance) if chance.random() < 0.5 else data
    with refusal(folder) as said:
        named = {"0.txt": first.encode(), "1.txt": data, "classes.txt": b"cat\ndog\n"}
        job = in_folder("object-detection", named, folder)
        accounted("pictures", LINES, len(job.items(["item"])))
        lines = [line for line in data.decode("utf-8-sig").splitlines() if line.strip()]
        accounted("lines", len(files[0]) + len(lines), drawn(job))
    return Counter(files=1, refused=len(said), read=1 - len(said))


def shares(chance: random.Random) -> list[float]:
    left, top, width, height = box(chance)
    return [(left + width / 2) / SIZE[0], (top + height / 2) / SIZE[1], width / SIZE[0], height / SIZE[1]]


# -- job files

JOB = {
    "name": "fuzz", "kind": "image-classification", "data": "pictures", "classes": ["cat", "dog"], "output": "job",
    "attribute": "label", "plan": "certified", "target": {"quality": 0.9, "confidence": 0.9},
    "workforce": {"backend": "files", "answers_per_item": 2}, "prices": {"per_item": 0.1, "per_answer": 0.02},
    "budget": 20, "learner": "default", "weights": "none", "seed": 3,
}  # fmt: skip
SNIPPETS = [
    *(
        "classes: [cat, dog]",
        "  x: 1",
        "\tx: 1",
        "- a",
        "a: &a [*a]",
        "b: *b",
        "<<: {seed: 4}",
        "? [a, b]\n: c",
        "---",
        "...",
    ),
    *(
        "name: !!python/object:os.system x",
        "name: !!binary x",
        "seed: 0x10",
        "seed: 1_0",
        "budget: .inf",
        "budget: 1e999",
    ),
    *(
        "classes: &c [[x], *c]",
        "name: |\n  two\n  lines",
        "name: 'a",
        "name: [a",
        "seed: 2024-02-30",
        "%YAML 9.9",
        "\ufeff",
    ),
    *(
        "a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nname: [*b, *b, *b, *b, *b, *b, *b, *b]",
        "{",
        "}",
        "#",
        "@",
    ),
    "workforce: {backend: simulated}",
]


def job_case(chance: random.Random, folder: Path) -> Counter:
    value = changed(JOB, chance) if chance.random() < 0.8 else JOB
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=chance.random() < 0.5)
    if chance.random() < 0.3:
        lines = text.splitlines()
        lines.insert(chance.randint(0, len(lines)), chance.choice(SNIPPETS))
        text = "\n".join(lines)
    data = text.encode("utf-8", "surrogatepass")
    data = damaged(data, chance) if chance.random() < 0.3 else data
    (folder / "job.yaml").write_bytes(data)
    shutil.rmtree(folder / "job", ignore_errors=True)
    with refusal(folder) as said:
        spec = JobSpec.from_file(folder / "job.yaml")
        if not (spec.data == f"{folder}/pictures" and spec.output == f"{folder}/job" and spec.pictures is None):
            return Counter(files=1, elsewhere=1)  # such a job would read or write what is no part of the case
        accounted("pictures", LINES, len(begin(spec).items(["item"])))
        json.dumps(spec.model_dump(mode="json"), ensure_ascii=False).encode()
    return Counter(files=1, refused=len(said), read=1 - len(said))


# -- people's answers

ASKED = {"image-classification": "job-of-classes", "object-detection": "job-of-boxes"}


def prepare_answers(folder: Path) -> None:
    """A job of each kind that waits for answers."""
    for kind, name in ASKED.items():
        shutil.rmtree(folder / name, ignore_errors=True)
        given = {"kind": kind, "data": f"{folder}/pictures", "output": f"{folder}/{name}", "plan": "ground-truth"}
        loop.rounds(begun(folder, given).address)


def answers_case(chance: random.Random, folder: Path) -> Counter:
    """A changed sheet beside a good one of somebody else, which loses nothing by it."""
    kind = chance.choice([*ASKED])
    job = Job(f"{folder}/{ASKED[kind]}")
    place = folder / ASKED[kind] / "people/answers"
    rows, other = (people_rows(kind, worker, chance) for worker in ("ann", "bob"))
    cells = changed_cells(rows, chance) if chance.random() < 0.8 else rows
    data = as_csv(cells, chance).encode("utf-8", "surrogatepass")
    whole = chance.random() < 0.6
    (place / "ann.csv").write_bytes(data if whole else damaged(data, chance))
    (place / "bob.csv").write_text(as_csv(other, None))
    with refusal(folder) as said:
        brought = workforce.get(job).collect({1: answers.posted(job, 1)})
        told, table = answers.finding(brought, 0, 0)
    if said:
        raise Fault(f"a sheet keeps everybody's answers out: {said[0]}")
    if long := [line for line in (*told["first"], *told["notes"]) if len(line) > 1000]:
        raise Fault(f"a line of {len(long[0])} characters: {long[0]}")
    rejected = list(csv.DictReader(io.StringIO(table.decode(), newline="")))
    accounted("rejected rows", told["rejected"], len(rejected))
    if any(row["file"] == "bob.csv" for row in rejected):
        raise Fault("Bob's rows are rejected")
    given = brought.answers
    accounted("rows of Bob", len(other) - 1, int((given["worker"] == "bob").sum()))
    plain = not any("\n" in str(cell) for row in cells for cell in row)
    if whole and plain and cells and cells[0] == rows[0]:
        account_rows(kind, cells, given[given["worker"] != "bob"], rejected, told["notes"])
    return Counter(files=1, rejected_rows=len(rejected), answers=len(given))


def account_rows(kind: str, cells: list[list], given, rejected: list[dict], notes: list[str]) -> None:
    """Every row of a sheet with a good header is an answer, rejected, or there twice."""
    written = csv.reader(io.StringIO(as_csv(cells, None), newline=""))
    rows = {line: row for line, (row, told) in enumerate(zip(cells, written), 1) if line > 1 and "".join(told).strip()}
    bad = {int(row["line"]) for row in rejected}
    if given.empty and len(bad) == 1:
        return  # a NUL, for example, says that the file is no text
    pairs = set(zip(given["item"], given["worker"]))
    for line, row in rows.items():
        if line not in bad and str(row[0]).isdigit() and row[1:2] == ["ann"] and (int(row[0]), "ann") not in pairs:
            raise Fault(f"line {line} is neither taken nor rejected: {row}")
    if kind == "object-detection":
        twice = sum(int(note.split()[0]) for note in notes if "twice in a file" in note)
        accounted("rows", len(rows), len(given), len(rejected), twice)


def people_rows(kind: str, worker: str, chance: random.Random) -> list[list]:
    if kind == "image-classification":
        head = ["item", "worker", "label"]
        return [head, *([item, worker, chance.choice(CLASSES)] for item in range(1, LINES + 1))]
    head = ["item", "worker", "class", *SIDES]
    rows = [
        [item, worker, chance.choice(CLASSES), *box(chance)]
        for item in range(1, LINES + 1)
        for _ in range(chance.randint(1, 2))
    ]
    return [head, *rows]


def changed_cells(rows: list[list], chance: random.Random) -> list[list]:
    rows = changed(rows, chance)
    return [row if isinstance(row, list) else [row] for row in rows]


def as_csv(rows: list[list], chance: random.Random | None) -> str:
    text = io.StringIO()
    mark = chance.choice(",,,;\t") if chance else ","
    csv.writer(text, delimiter=mark, lineterminator="\n").writerows(rows)
    return text.getvalue()


FORMATS = {
    "manifest": Format(1000, manifest_case),  # 10,000 lines
    "job": Format(2000, job_case),
    "answers": Format(2000, answers_case, prepare_answers),
    "coco": Format(500, coco_case),
    "voc": Format(500, voc_case),
    "yolo": Format(500, yolo_case),
}
