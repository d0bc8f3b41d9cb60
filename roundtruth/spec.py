"""JobSpec: one model is the YAML file, the form in the Prefect UI and the Python API."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from roundtruth import kinds
from roundtruth.errors import UserError


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Number = Annotated[float, Field(strict=True)]  # neither `yes` nor "1" is a number
Whole = Annotated[int, Field(strict=True)]


def check_address(value: str) -> str:
    if "://" in value and not value.startswith("s3://"):
        raise ValueError(f"{value} is neither a path nor s3://...; nothing else is read")
    if not (value.startswith("s3://") or Path(value).is_absolute()):
        raise ValueError(f"{value} is relative, and there is no job file it could be relative to; give the whole path")
    return value


Address = Annotated[str, Field(min_length=1), AfterValidator(check_address)]


class Target(Strict):
    """What the auto labels must be worth."""

    quality: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        None,
        description="The mean quality auto labels must have against people's labels: accuracy for classes, mean IoU a "
        "picture for boxes. Without it 0.95 for classes and 0.6 for boxes.",
    )
    confidence: Annotated[Number, Field(gt=0.5, lt=1)] = Field(
        0.95, description="How sure the promise about quality is to be."
    )
    certificate: Literal["holdout", "none"] | None = Field(
        None,
        description="How the promise is proved: `holdout` by items drawn by chance that no model learns from, `none` "
        "promises nothing. Without it `holdout` with the plan certified, `none` with ground-truth.",
    )


class Simulated(Strict):
    """People who are simulated from a truth that is known, or whose answers were recorded."""

    backend: Literal["simulated"] = Field("simulated", description="People who are simulated.")
    truth: Address | None = Field(None, description="A manifest with the true label of every item.")
    answers: Address | None = Field(
        None, description="Recorded answers to replay, a CSV: item, worker, label; or the box columns."
    )
    answers_per_item: Annotated[Whole, Field(ge=1)] = Field(5, description="How many people answer each item.")
    noise: Annotated[Number, Field(ge=0, le=3)] = Field(
        1.0, description="0 answers with the truth, 1 errs as a real crowd does."
    )
    delay: Annotated[Number, Field(ge=0)] = Field(0.0, description="Seconds until a batch is answered in full.")

    @model_validator(mode="after")
    def one_source(self):
        if (self.truth is None) == (self.answers is None):
            raise ValueError("give either truth (a manifest) or answers (a CSV)")
        return self


class Files(Strict):
    """People who answer by CSV files in the job folder."""

    backend: Literal["files"] = Field("files", description="People who answer by CSV.")
    answers_per_item: Annotated[Whole, Field(ge=1)] = Field(3, description="How many people answer each item.")


class Prices(Strict):
    """Money, in any one currency."""

    per_item: Annotated[Number, Field(ge=0)] = Field(0.08, description="For each item people label, besides answers.")
    per_answer: Annotated[Number, Field(ge=0)] = Field(0.036, description="For each answer of one person.")
    per_auto_label: Annotated[Number, Field(ge=0)] = Field(0.08, description="For each item the model labels.")


def choice(schema: dict[str, Any]) -> None:
    """Prefect's form offers the alternatives of `anyOf` as buttons; for `oneOf` it asks for JSON."""
    schema.pop("discriminator")
    schema["anyOf"] = schema.pop("oneOf")


PATHS = ("data", "output", "weights", "workforce.truth", "workforce.answers")


class JobSpec(Strict):
    """A labeling job."""

    name: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="The job's name.", coerce_numbers_to_str=True
    )
    kind: str = Field(
        description="What a label is.", json_schema_extra=lambda schema: schema.update(enum=list(kinds.KINDS))
    )
    data: Address = Field(description="What to label: a manifest, a folder of pictures, a COCO file or a CSV.")
    classes: Annotated[list[Annotated[str, Field(coerce_numbers_to_str=True)]], Field(min_length=1)] = Field(
        description="The classes, in the order of their ids."
    )
    output: Address = Field(description="The job folder, on disk or s3://bucket/prefix.")
    attribute: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = Field(
        "label", description="The label attribute's name in the manifest."
    )
    plan: Literal["certified", "ground-truth"] = Field(
        "certified",
        description="How the rounds are planned: `certified` promises the auto labels' quality, `ground-truth` is "
        "Amazon's procedure and promises nothing.",
    )
    target: Target = Field(default_factory=Target, description="What the auto labels must be worth.")
    workforce: Annotated[Simulated | Files, Field(discriminator="backend")] = Field(
        description="Who answers.", json_schema_extra=choice
    )
    prices: Prices = Field(default_factory=Prices, description="What an item, an answer and an auto label cost.")
    budget: Annotated[Number, Field(gt=0)] | None = Field(None, description="The most the job may cost; a hard cap.")
    learner: str = Field("default", description="`default`, or package.module:Name of your own.")
    pool: str | None = Field(None, description="The work pool that trains and infers; without it, in process.")
    weights: Address | Literal["none"] | None = Field(
        None,
        description="A pretrained backbone's state dict, or `none`; without the key torchvision's own where to be had.",
    )
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] = Field(0, description="What is random follows from it.")

    @field_validator("kind")
    @classmethod
    def known(cls, kind: str) -> str:
        if kind not in kinds.KINDS:
            raise ValueError(f"there is no kind {kind!r}; choose {' or '.join(kinds.KINDS)}")
        return kind

    @field_validator("classes")
    @classmethod
    def distinct(cls, classes: list[str]) -> list[str]:
        if any(not name.strip() for name in classes):
            raise ValueError("a class has no name")
        twice = [name for i, name in enumerate(classes) if name in classes[:i]]
        if twice:
            raise ValueError(f"class {twice[0]} is there twice")
        return classes

    @field_validator("attribute")
    @classmethod
    def not_taken(cls, attribute: str) -> str:
        if attribute in ("source", "source-ref") or attribute.endswith("-metadata"):
            raise ValueError("this name has a meaning of its own in a manifest; choose another")
        return attribute

    @model_validator(mode="after")
    def complete(self):
        fitting = "holdout" if self.plan == "certified" else "none"
        target = self.target.model_copy(
            update={
                "quality": kinds.get(self.kind).QUALITY if self.target.quality is None else self.target.quality,
                "certificate": self.target.certificate or fitting,
            }
        )
        if target.certificate != fitting:
            raise ValueError(
                f"the plan {self.plan} has the certificate {fitting}, not {target.certificate}; "
                "take target.certificate out, or choose the other plan"
            )
        if self.plan == "certified" and target.quality == 1:
            raise ValueError(
                "no check of a part can prove a quality of 1; lower target.quality a little, or say plan: ground-truth"
            )
        object.__setattr__(self, "target", target)
        return self

    @classmethod
    def from_file(cls, path: str | Path) -> "JobSpec":
        """The spec in a YAML file; relative paths in it are relative to the file."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: the job file cannot be read: {reason(error)}") from None
        given, lines = parse(text, path)
        for dotted in PATHS:
            absolute(given, dotted.split("."), path.resolve().parent)
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise UserError(explain(error, lines, path)) from None


def reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).splitlines()[0]


def absolute(given: Any, keys: list[str], folder: Path) -> None:
    for key in keys[:-1]:
        given = given.get(key) if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(given.get(keys[-1]), str):
        return
    value = given[keys[-1]]
    if value and "://" not in value and not (keys[-1] == "weights" and value == "none"):
        given[keys[-1]] = str(folder / Path(value).expanduser())


def parse(text: str, path: Path) -> tuple[Any, dict[tuple, int]]:
    """The YAML text as plain values, and the line of every key."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        given = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}: line {line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: the 13th month of a date
        raise UserError(f"{path}: line 1: not YAML: {reason(error)}") from None
    if not isinstance(given, dict):
        raise UserError(f"{path}: line 1: a job file is a mapping of keys such as name, kind, data")
    lines: dict[tuple, int] = {(): 1}
    been = set()

    def walk(node, at: tuple) -> None:
        if id(node) in been:  # an alias may stand for what it is in
            return
        been.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                here = (*at, key.value)
                if key.value in seen:
                    raise UserError(f"{path}: line {key.start_mark.line + 1}: {key.value} is there twice; keep one")
                seen.add(key.value)
                lines[here] = key.start_mark.line + 1
                walk(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                lines[(*at, i)] = value.start_mark.line + 1
                walk(value, (*at, i))

    walk(node, ())
    return given, lines


def explain(error: ValidationError, lines: dict[tuple, int], path: Path) -> str:
    """The first mistake as one line: file, line, field, what to do."""
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")  # a misspelt key is also a missing one
    at: tuple = ()
    for part in first["loc"]:  # a union puts its tag into the location (workforce, simulated, noise): left out
        if (*at, part) in lines:
            at = (*at, part)
    field = (*at, first["loc"][-1]) if first["type"] == "missing" else at
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = f"there is no such key{hint(at)}"
    elif first["type"] == "missing":
        message = "this key is missing; add it"
    elif first["type"] in ("union_tag_not_found", "union_tag_invalid"):
        message = "name a backend that is there: simulated or files"
    elif first["type"] != "value_error":
        message = f"{message}, not {str(first['input'])[:60]!r}"
    return f"{path}: line {lines[at]}: {'.'.join(str(part) for part in field) or 'job'}: {message}"


def hint(at: tuple) -> str:
    """What the misspelt key at `at` was to be."""
    keys = {path: [key for model in models for key in model.model_fields] for path, models in MODELS.items()}
    near = difflib.get_close_matches(str(at[-1]), keys.get(at[:-1], []), n=1)
    if near:
        return f"; do you mean {near[0]}?"
    elsewhere = [path for path in keys if at[-1] in keys[path]]
    if elsewhere:
        return f" here; it belongs {f'under {elsewhere[0][0]}' if elsewhere[0] else 'at the top'}"
    return "; take it out"


MODELS = {(): (JobSpec,), ("target",): (Target,), ("workforce",): (Simulated, Files), ("prices",): (Prices,)}


def located(mistake: UserError, path: str | Path) -> UserError:
    """A mistake that names a key of the job file first (`data: ...`) with the file and the key's line before it."""
    key = str(mistake).partition(": ")[0]
    if key not in JobSpec.model_fields:
        return mistake
    lines = parse(Path(path).read_text(encoding="utf-8"), Path(path))[1]
    return UserError(f"{path}: line {lines.get((key,), 1)}: {mistake}")
