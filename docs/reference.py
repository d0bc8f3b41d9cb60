"""Write docs/job-file.md from JobSpec: `python docs/reference.py > docs/job-file.md`."""

import typing

from pydantic_core import PydanticUndefined

from roundtruth import formats, kinds, plans, workforce
from roundtruth.settings import Boxes
from roundtruth.spec import Answers, JobSpec, Prices, Target, parts_of

HEAD = """# The job file

A job is one YAML file. The form in the Prefect UI and the Python class `JobSpec` have the same fields. Relative paths
are relative to the file. A misspelt key, a wrong type or a value out of range is reported with its line before anything
is done.

    name: birds
    kind: object-detection
    data: input.manifest
    classes: [bird]
    output: jobs/birds
    target: {quality: 0.6}
    workforce: {backend: simulated, truth: truth.manifest, noise: 1.0}
    answers: {least: 2, most: 5, sure: 0.98}
    prices: {per_item: 0.08, per_answer: 0.036, per_auto_label: 0.08}
    budget: 200.00

You may change `budget`, `prices`, `workforce`, `answers` and `instructions` after the job has begun; with
`plan: ground-truth` also `target` and `learner`, which a promise fixes before anybody is asked. You may also move the
project, so that `data` and `pictures` are in another place. `roundtruth run` finds the change and keeps it in the job
folder (`amendments/`). It refuses any other change, since the job would no longer be the one that was begun.
"""


def page() -> str:
    parts = [("The keys", JobSpec), ("`target`", Target), ("`boxes`", Boxes)]
    parts += [
        (f"`workforce: {{backend: {name}, ...}}`", workforce.module(name).Settings) for name in workforce.BACKENDS
    ]
    inside = [parts_of(model) for _, model in parts[3:]]
    parts += [(f"`{key}` of `workforce`", model) for some in inside for key, model in some.items()]
    parts += [("`answers`", Answers), ("`prices`", Prices)]
    return HEAD + "".join(f"\n## {title}\n\n{table(model)}" for title, model in parts) + names()


def names() -> str:
    """What `kind`, `plan` and `data` may be, as registered."""
    of_kind = [(name, kinds.get(name)) for name in kinds.KINDS]
    kind = "".join(f"| `{name}` | {one.THING} | {one.QUALITY_NAME} | {one.QUALITY:g} |\n" for name, one in of_kind)
    of_plan = [(name, plans.get(name)) for name in plans.PLANS]
    plan = "".join(f"| `{name}` | {one.DESCRIPTION} | `{one.CERTIFICATE}` |\n" for name, one in of_plan)
    read = [one for one in formats.modules() if hasattr(one, "read") or hasattr(one, "read_folder")]
    data = "".join(f"| {one.HELP} | {', '.join(f'`{e}`' for e in one.ENDINGS) or 'a folder'} |\n" for one in read)
    return (
        f"\n## `kind`\n\n| kind | a label is a | quality | usual target |\n|---|---|---|---|\n{kind}"
        f"\n## `plan`\n\n| plan | what it does | certificate |\n|---|---|---|\n{plan}"
        f"\n## `data`\n\n| data | ends in |\n|---|---|\n{data}"
    )


def table(model) -> str:
    rows = "".join(row(name, field) for name, field in model.model_fields.items())
    return f"| key | values | default | what it is |\n|---|---|---|---|\n{rows}"


def row(name: str, field) -> str:
    allowed = registered(field) if field.json_schema_extra else values(field.annotation, field.metadata)
    return f"| `{name}` | {allowed} | {default(field)} | {field.description or ''} |\n"


def registered(field) -> str:
    """The registered names that a field may hold."""
    schema: dict = {}
    field.json_schema_extra(schema)
    return " or ".join(f"`{name}`" for name in schema["enum"])


def default(field) -> str:
    if field.default is not PydanticUndefined:
        return "not given" if field.default is None else f"`{field.default}`"
    return "see below" if field.default_factory else "must be given"


def values(kind, limits=()) -> str:
    """A type and its limits in words."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin is typing.Annotated:
        return values(parts[0], parts[1:])
    if origin is list:
        return f"a list of {values(parts[0])}"
    if parts:
        words = dict.fromkeys(values(part) for part in parts if part is not type(None))  # each once, in their order
        return " or ".join(words)
    words = {str: "text", int: "a whole number", float: "a number"}.get(kind, "see below")
    signs = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    found = [m for limit in limits for m in getattr(limit, "metadata", [limit])]
    bounds = [f"{word} {getattr(m, sign):g}" for m in found for sign, word in signs.items() if hasattr(m, sign)]
    address = any(getattr(getattr(m, "func", None), "__name__", "") == "check_address" for m in found)
    return "a path or s3://..." if address else ", ".join([words, *bounds])


if __name__ == "__main__":
    print(page(), end="")
