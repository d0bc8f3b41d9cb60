"""Write docs/messages.md from the code: `python docs/messages.py > docs/messages.md`.

The source is parsed, not run. A message is a text that is given to one of CALLS, is kept under one of NAMES, is
returned by one of FUNCTIONS, or has a choice of singular and plural (`roundtruth.plural`). What the program fills in is
shown as `…`. What follows a semicolon in a message says what to do.
"""

import ast
import itertools
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from roundtruth.plural import CHOICE, chosen

ROOT = Path(__file__).resolve().parents[1]

HEAD = """# Every message and what to do

The page is made from the code, so it lists every message that this version can give. Search the page for a few words of
your message. `…` stands for what the program fills in: a name, a number, a part of your file.

A message about a mistake has one line: **the file, the line, the field, what is wrong, and what to do**. The tables
leave out the file and the line, so that you find the words.

    job.yaml: line 4: clases: there is no such key; do you mean classes?
    input.manifest: 214 mistakes: line 6, line 9: field label: box 1 has no area; ...; and 204 more

All mistakes of a file are counted. The first ten are shown, or as many of them as fit. Where several lines have the
same mistake, it is written once, after the lines.

| exit code | meaning | where to look below |
|---|---|---|
| 2 | A mistake in what you gave. Nobody was asked, and nothing was paid for it. | the first groups |
| 5 | Another run holds the job. | [The job folder](#the-job-folder) |
| 1 | A fault of the program, the network or the disk. The message names a log. | \
[The command line](#the-command-line-and-exports) |
| 0, 3, 4 | The job is done, waits for people, or stopped at its budget. | \
[Notes](#notes-and-what-was-passed-over), [How a job ended](#how-a-job-ended) |

Notes and lines that begin with "Passed over" are no mistakes: the job goes on. They are shown by `roundtruth run` and
`roundtruth status`, on the page, and in `report/summary.json`, with the same counts everywhere.
"""

NOTES, REST = "Notes, and what was passed over", "The command line and exports"


class Group(NamedTuple):
    """A heading of the page."""

    about: str  # how to read its messages
    usual: str  # what to do where the message does not say it
    parts: tuple[str, ...]  # the modules, or module:function, that its messages come from


GROUPS = {
    "The job file": Group(
        "Exit code 2. The line is one of the job file, and the field is a key (`target.quality`). Other sentences that "
        'begin with "Input should be" say which values a key may have; [the job file](job-file.md) lists them.',
        "Correct the key.",
        ("spec", "settings", "plans", "learners", "begin:read_shards", "workforce.simulated:one_source"),
    ),
    "Data files": Group(
        "Exit code 2, before anybody is asked. Correct the file, and run the command again. In a COCO file, "
        "`images[6]` and `annotations[6]` are the seventh of their list. "
        "[Formats](formats.md) describes what each file must hold.",
        "Correct it in the file.",
        ("formats", "manifest", "kinds", "begin"),
    ),
    "Pictures": Group(
        "Exit code 2. If more than half of the pictures are missing, the job does not begin. If fewer are missing, it "
        "begins without them: see the notes.",
        "Put the picture back.",
        ("pictures", "pixels", "finding", "begin:refuse_missing", "begin:refuse_other_sizes"),
    ),
    "CSV files": Group(
        "The same reader reads datasets, answers and recorded answers. In a dataset such a mistake ends the command "
        "with exit code 2. In a file of answers the row goes into `people/rejected.csv`, and the job goes on.",
        "Correct the row, or the header.",
        (
            "csv_table",
            "checked_table",
            "predicted",
            "kinds.object_detection:read_answers",
            "kinds.image_classification:read_answers",
        ),
    ),
    "People's answers": Group(
        "The job goes on (exit code 3 while it waits): good rows are taken, and bad rows are listed in "
        "`people/rejected.csv` in the job folder, with file, line and reason. `roundtruth status` counts them until "
        "they are corrected.",
        "Correct the row.",
        ("workforce", "kinds.object_detection:check"),
    ),
    "Simulated people": Group(
        "Exit code 2. The file is the one that `workforce.truth` or `workforce.answers` names "
        "([simulated people](simulated-workforce.md)).",
        "Correct it in the file.",
        ("workforce.simulated",),
    ),
    "S3, disks and addresses": Group(
        "Exit code 2. The message begins with the address. Keys and endpoint of S3 come from the environment "
        "([formats](formats.md#s3)).",
        "Correct the address, or the rights.",
        ("storage",),
    ),
    "The job folder": Group(
        "Exit code 2; for a job that is held, 5. The message begins with the folder. "
        "[Moving a job](moving-a-job.md) says what belongs to a job folder.",
        "Wait until the other run ends, or end it.",
        (
            "job",
            "begin:amend",
            "begin:refuse_other_folder",
            "storage:_lock",
            "storage:acquire",
            "storage:check",
            "storage:_table",
        ),
    ),
    "The command line and exports": Group(
        "Exit code 2; for a fault or an interrupted command, 1 or 130. A log has what happened in full. Send it with a "
        "report of the fault.",
        "Look into the log.",
        ("cli", "formats:export", "formats.coco:write", "serve.links", "serve.team", "serve.running"),
    ),
    "The labeling page": Group(
        "The page shows the line to the person, and keeps what was not taken in the browser. `roundtruth serve` writes "
        "faults of its own to its log.",
        "Do as the message says.",
        ("serve",),
    ),
    "Prefect and servers": Group(
        "A mistake ends the flow run as Failed, with the name Mistake and the same line as in the terminal. A job that "
        "another run holds ends as Cancelled. [Servers](servers.md) describes pools, workers and the schedule.",
        "Look into the log of the server or worker.",
        ("tasks", "flows"),
    ),
    NOTES: Group(
        "The job goes on. Each line begins with a count. In `report/summary.json` they are in `passed`, `notes` and, "
        "about people's answers, `about_answers`.",
        "Nothing, if you meant it.",
        (
            "summary",
            "answers",
            "pictures:notes_on",
            "workforce.sheets:told",
            "workforce.names:one_each",
            "job:_amended",
        ),
    ),
    "Notes of certify": Group(
        "`roundtruth certify` prints these lines after the result. The exit code stays 0.",
        "Compare how the two tables name the classes.",
        ("checked_table:notes",),
    ),
    "Pictures that cannot be read": Group(
        "The job goes on without them. The reason is in the item's line of the output manifest (`failure-reason`) and "
        "on the page. Such an item costs nothing, and each run looks for the picture again.",
        "Put the picture there, and run the job again.",
        ("pictures:_check",),
    ),
    "How a job ended": Group(
        "`roundtruth status`, the page and `why` in `report/summary.json` say why a job ended as it did, where the "
        "model did not label all that was left. Items without a label have a reason in the output manifest, too.",
        "Nothing.",
        ("ending", "job:failures", "plans.certified:no_auto_label", "plans.ground_truth:no_auto_label"),
    ),
}

PACKAGES = ("roundtruth", "tasks", "flows")
SILENT = {"certify", "consolidation", "report", "terminal", "errors", "demo", "plural", "tables", "curves", "crowds"}

CALLS = {  # and which of their arguments is the text
    **dict.fromkeys(("UserError", "S3Fault", "Held", "say", "warning", "RuntimeError", "ValueError"), 0),
    "failed": 0,
    "refused": 1,
    **dict.fromkeys(("add", "refuse", "refuse_all", "Unreadable"), -1),
    **dict.fromkeys(("PermissionError", "Refused", "HTTPException", "plain"), 1),
}
NAMES = {"wrong", "problems", "broken", "odd", "stopped", "reason", "READ", "WRITE", "LIST"}
FUNCTIONS = {"why", "no_auto_label"}


def page() -> str:
    found: dict[str, set[str]] = {}
    for module, function, text, is_note in messages():
        said, title = readable(text), NOTES if is_note else group(module, function)
        if title == NOTES:
            said = re.sub(r"^… (?!and)", "", said)  # the count
        if is_text(said) and (not is_note or is_note_of(text)):
            found.setdefault(title, set()).add(said)
    parts = []
    for title, one in GROUPS.items():
        rows = "".join(row(text, one.usual) for text in sorted(found.get(title, ()), key=sorting))
        about = textwrap.fill(one.about, 120, break_on_hyphens=False)
        parts.append(f"\n## {title}\n\n{about}\n\n| message | what to do, or what it means |\n|---|---|\n{rows}")
    return HEAD + "".join(parts)


def group(module: str, function: str) -> str:
    """The title of the group that a function's messages are in: the one that names it most exactly."""
    names = [f"{module}:{function}", *(module.rsplit(".", n)[0] for n in range(module.count(".") + 1))]
    return next((title for name in names for title, one in GROUPS.items() if name in one.parts), REST)


def readable(text: str) -> str:
    """In the plural, without the place that it begins with."""
    text = re.sub(r"…+", "…", chosen(2, text))
    text = re.sub(r"^((…|line …|line 1|\w+\[…\]|data): )+", "", text)
    return " ".join(text.replace("%s", "…").replace("%d", "…").split())


def is_text(text: str) -> bool:
    """Whether it says something, and is no part of a message."""
    return len(re.findall(r"[a-zA-Z]{2,}", text)) >= 2 and text[0] not in "`;("


def is_note_of(text: str) -> bool:
    """Whether a text with a choice begins with what is counted, and does not only name it."""
    return bool(re.match(r"(… )?[a-z -]+\[", text)) and len(text.split()) > 2


def sorting(text: str) -> tuple[str, str]:
    return re.sub(r"[^a-z ]", "", text.lower()).strip(), text


def row(text: str, usual: str) -> str:
    """One line of a table: what is wrong, and what to do, which follows a semicolon; or what one does usually."""
    what, _, remedy = text.partition("; ")
    if remedy:
        usual = escaped(f"{remedy[0].upper()}{remedy[1:]}" + ("" if remedy.endswith((".", "?")) else "."))
    return f"| {escaped(what)} | {usual} |\n"


def escaped(text: str) -> str:
    return re.sub(r"([|\[*_<])", r"\\\1", text)


# -- the source


def messages() -> Iterator[tuple[str, str, str, bool]]:
    """(module, outermost function, text, whether it is a note) of every message."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    trees = {".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text()) for path in paths}
    shared = [one for tree in trees.values() for one in shared_in(tree).items()]
    names = Counter(name for name, _ in shared)
    common = {name: values for name, values in shared if names[name] == 1}
    for module, tree in trees.items():
        if SILENT & set(module.split(".")):
            continue
        own = common | known_in(tree.body)
        for node in tree.body:
            functions = [one for one in ast.walk(node) if isinstance(one, ast.FunctionDef)]
            nested = {inner for one in functions for inner in ast.walk(one) if inner is not one}
            for function in [one for one in functions if one not in nested] or [None]:
                name = function.name if function else ""
                known = own
                if function:
                    hidden = bound(function)
                    known = {key: values for key, values in own.items() if key not in hidden}
                    known |= known_in(ast.walk(function))
                for value, is_note in told(function or node, name):
                    short = module.removesuffix(".__init__").removeprefix("roundtruth.")
                    yield from ((short, name, text, is_note) for text in texts(value, known))


def bound(function: ast.FunctionDef) -> set[str]:
    """The names that stand for something else in a function than in the whole source."""
    nodes = list(ast.walk(function))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return names | {node.arg for node in nodes if isinstance(node, ast.arg)}


def shared_in(tree: ast.Module) -> dict[str, list[ast.AST]]:
    """`known_in` of a module, with the methods of its classes as `.name`."""
    methods = [known_in(node.body) for node in tree.body if isinstance(node, ast.ClassDef)]
    return known_in(tree.body) | {f".{name}": values for one in methods for name, values in one.items()}


def told(node: ast.AST, function: str) -> Iterator[tuple[ast.AST, bool]]:
    """The expressions in a node that are the text of a message, and whether it is a note."""
    found: list[ast.AST] = []
    if isinstance(node, ast.Call) and called(node) in CALLS and node.args:
        found = node.args[CALLS[called(node)] :][:1]
    elif isinstance(node, ast.Call) and called(node) == "append" and isinstance(node.args[0], ast.JoinedStr | ast.Call):
        found = [one for one in node.args if isinstance(one, ast.JoinedStr) or called(one) == "counted"]
    elif isinstance(node, ast.Assign | ast.AugAssign):
        found = [node.value] if target(node) in NAMES else []
    elif isinstance(node, ast.Return) and function in FUNCTIONS:
        found = [node.value] if node.value else []
    elif isinstance(node, ast.Constant | ast.JoinedStr) and CHOICE.search(ast.unparse(node)):
        yield node, True
        return
    yield from ((one, False) for one in found)
    for child in ast.iter_child_nodes(node):
        if child not in found:
            yield from told(child, function)


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def target(node: ast.Assign | ast.AugAssign) -> str:
    one = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return getattr(one.value if isinstance(one, ast.Subscript) else one, "id", "")


def known_in(nodes: Iterable[ast.AST]) -> dict[str, list[ast.AST]]:
    """What each name is set to, in assignments, in loops over tuples, and as what a function returns."""
    known: dict[str, list[ast.AST]] = {}
    for node in nodes:
        pairs: list[tuple] = []
        if isinstance(node, ast.Assign):
            pairs = pairs_of(node.targets[0], node.value)
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple):
            pairs = [pair for value in node.iter.elts for pair in pairs_of(node.target, value)]
        elif isinstance(node, ast.FunctionDef):
            pairs = [(node, one.value) for one in ast.walk(node) if isinstance(one, ast.Return) and one.value]
        for name, value in pairs:
            if called_so := getattr(name, "id", None) or getattr(name, "name", None):
                known.setdefault(called_so, []).append(value)
    return known


def pairs_of(name: ast.AST, value: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """`a, b = 1, 2` are two."""
    if isinstance(name, ast.Tuple):
        return list(zip(name.elts, value.elts)) if isinstance(value, ast.Tuple) else []
    return [(name, value)]


def texts(node: ast.AST, known: dict[str, list[ast.AST]], depth: int = 0) -> list[str]:
    """What an expression may come to; `…` for what is filled in."""

    def of(part: ast.AST) -> list[str]:
        return texts(part, known, depth + 1)

    found: list[str] = []
    if isinstance(node, ast.Constant) and isinstance(node.value, str | None):
        return [node.value or ""]
    if isinstance(node, ast.JoinedStr):
        found = joined(map(of, node.values))
    elif isinstance(node, ast.FormattedValue | ast.Starred):
        found = of(node.value)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        found = joined([of(node.left), of(node.right)])
    elif isinstance(node, ast.IfExp):
        found = [text for part in (node.body, node.orelse) for text in of(part) if text != ""]
    elif isinstance(node, ast.Lambda | ast.ListComp):
        found = of(node.body if isinstance(node, ast.Lambda) else node.elt)
    elif isinstance(node, ast.List | ast.Set):
        found = [text for part in node.elts for text in of(part)]
    elif isinstance(node, ast.Dict):
        found = [text for part in node.values for text in of(part)]
    elif isinstance(node, ast.Subscript):
        found = of(node.value) if getattr(node.value, "id", "").isupper() else []
    elif isinstance(node, ast.Call) and called(node) in ("counted", "chosen"):
        found = joined([["… " if called(node) == "counted" else ""], of(node.args[-1])])
    elif isinstance(node, ast.Name | ast.Call):
        name = node.id if isinstance(node, ast.Name) else called(node)
        method = f".{name}" if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
        name = method if method and method in known else name
        inside = {key: value for key, value in known.items() if key != name}  # a name may be set to more of itself
        found = [text for value in known.get(name, []) for text in texts(value, inside, depth + 1)] if depth < 8 else []
        found = [text if " " in text else "…" for text in found if text]  # one word is a value, not a part of a text
    found = list(dict.fromkeys(found))
    return found if 0 < len(found) <= 12 else ["…"]


def joined(parts: Iterable[list[str]]) -> list[str]:
    return ["".join(some) for some in itertools.islice(itertools.product(*parts), 13)]


if __name__ == "__main__":
    print(page(), end="")
