"""JobSpec: one model is the YAML file, the form in the Prefect UI and the Python API."""

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError, core_schema

from roundtruth import kinds, plans, workforce
from roundtruth.consolidation.asking import Asking
from roundtruth.errors import SHOWN, Mistakes, UserError
from roundtruth.kinds.common import tidy
from roundtruth.manifest import is_text
from roundtruth.settings import LARGEST_YAML, Address, Boxes, Number, Strict, Whole, named_kinds, yaml_mistakes
from roundtruth.storage import one_name, opened


class Target(Strict):
    """What the labels must be worth."""

    quality: Annotated[Number, Field(gt=0, le=1)] | None = Field(
        None,
        description="The mean quality that labels must have against people's labels; `of` says which labels. Without "
        "it, the usual target of the kind.",
    )
    confidence: Annotated[Number, Field(gt=0.5, lt=1)] = Field(
        0.95, description="How sure the promise about quality must be: 0.95 is wrong in at most 1 of 20 jobs."
    )
    certificate: Literal["holdout", "none"] | None = Field(
        None,
        description="How the promise is proved: `holdout` by items drawn at random that no model learns from; `none` "
        "promises nothing. Without it the plan's own: `holdout` for certified, `none` for ground-truth.",
    )

    of: Literal["auto-labels", "dataset"] = Field(
        "auto-labels",
        description="Which labels the promise is about: `auto-labels` are those of the model alone; `dataset` is all "
        "labels, with people's counted as right. `dataset` promises less, and leaves more to the model, whose own "
        "labels may then be worse than `quality`.",
    )

    @field_validator("confidence")
    @classmethod
    def some_doubt(cls, confidence: float) -> float:
        if confidence > 1 - 1e-6:
            raise ValueError(f"{confidence} is too close to 1: to check a part leaves more doubt; lower it")
        return confidence


class Answers(Strict):
    """How many people answer an item."""

    least: Annotated[Whole, Field(ge=1, le=1000)] = Field(
        Asking().least, description="How many people answer at first."
    )
    most: Annotated[Whole, Field(ge=1, le=1000)] = Field(
        Asking().most,
        validate_default=True,
        description="How many people answer at the most. After the first `least`, one more is asked at a time.",
    )
    sure: Annotated[Number, Field(gt=0, lt=1)] = Field(
        Asking().sure,
        description="Nobody else is asked once the merged label is this sure. Where people agree too little, `most` "
        "are asked about every item.",
    )

    @field_validator("most")
    @classmethod
    def fits_least(cls, most: int, info: ValidationInfo) -> int:
        least = info.data.get("least", most)  # it is not there where it is a mistake itself
        if most < least:
            raise ValueError(f"`most` is {most}, which is below `least`, {least}; raise `most`, or lower `least`")
        if least == 1 and most > 1:
            raise ValueError(
                "`least` is 1, and single answers do not show how well people agree; raise `least` to 2, or say "
                "`workforce: {answers_per_item: 1}`"
            )
        return most


MOST = 1e9  # of any currency; sums over millions of items then stay exact to the cent


class Prices(Strict):
    """Money, in any one currency."""

    per_item: Annotated[Number, Field(ge=0, le=MOST)] = Field(
        0.08, description="For each item that people label, besides its answers."
    )
    per_answer: Annotated[Number, Field(ge=0, le=MOST)] = Field(0.036, description="For each answer of one person.")
    per_auto_label: Annotated[Number, Field(ge=0, le=MOST)] = Field(
        0.08, description="For each item that the model labels."
    )


def part_of(found: list) -> PydanticCustomError:
    """Mistakes, each with its own place (`loc`) in the part that is checked."""
    return PydanticCustomError("part", "{message}", {"message": found[0]["msg"], "errors": found})


def mistaken(places: dict[str | int, str]) -> PydanticCustomError:
    """What is wrong at each place in a part."""
    return part_of([{"type": "value_error", "loc": (at,), "msg": said, "input": None} for at, said in places.items()])


class AnyWorkforce:
    """The settings of any registered backend: `backend` names it, and the backend's module says the rest."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        return core_schema.no_info_plain_validator_function(
            cls.check,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.model_dump(mode="json")),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema, handler):
        """Prefect's form offers the alternatives of `anyOf` as buttons; for `oneOf` it asks for JSON."""
        schemas = []
        for name in workforce.BACKENDS:
            settings = handler(workforce.module(name).Settings.__pydantic_core_schema__)
            part = named_kinds(handler.resolve_ref_schema(settings))
            schemas.append(part | {"title": name.replace("-", " ").capitalize()})
        return {"anyOf": schemas}

    @classmethod
    def check(cls, value: Any) -> Strict:
        if isinstance(value, Strict):
            value = value.model_dump()
        name = value.get("backend") if isinstance(value, dict) else None
        if not isinstance(name, str) or name not in workforce.BACKENDS:
            raise ValueError(f"name a backend that is there: {' or '.join(workforce.BACKENDS)}")
        try:
            return workforce.module(name).Settings.model_validate(value)
        except ValidationError as error:  # pydantic would forget where in this part each mistake is
            raise part_of(error.errors(include_url=False, include_context=False)) from None


def known(names: Iterable[str], what: str) -> Callable[[str], str]:
    """A check that a value is one of the registered names, which may grow."""

    def check(value: str) -> str:
        if value not in names:
            near = difflib.get_close_matches(value, list(names), n=1)
            hint = f"; do you mean {near[0]}?" if near else ""
            raise ValueError(f"there is no {what} {value!r}; there are {', '.join(names)}{hint}")
        return value

    return check


def listed(names: Iterable[str]) -> Callable[[dict], None]:
    """The registered names as a list in the form."""
    return lambda schema: schema.update(enum=list(names))


def paths_in(given: dict) -> list[str]:
    """The dotted keys of a job file that hold paths."""
    part = given.get("workforce")
    name = part.get("backend") if isinstance(part, dict) else None
    more = workforce.module(name).PATHS if isinstance(name, str) and name in workforce.BACKENDS else ()
    own = ["data", "pictures", "output", "weights", "predictions", "instructions"]
    return [*own, *(f"workforce.{key}" for key in more)]


class JobSpec(Strict):
    """A labeling job."""

    name: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="What the job is called, in lists and on its page.", coerce_numbers_to_str=True
    )
    kind: Annotated[str, AfterValidator(known(kinds.KINDS, "kind"))] = Field(
        description="What a label is: one class for the whole picture, or boxes around things.",
        json_schema_extra=listed(kinds.KINDS),
    )
    data: Address = Field(
        description="What to label: a folder of pictures, with labels of VOC or YOLO or without, or a manifest, COCO "
        "file, CSV or data.yaml that lists them; on disk or s3://..."
    )
    classes: Annotated[list[Annotated[str, Field(coerce_numbers_to_str=True)]], Field(min_length=1)] = Field(
        description="The names of the classes. The first has the number 0."
    )
    output: Address = Field(
        description="The folder in which everything about the job is kept, on disk or s3://bucket/prefix."
    )
    attribute: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = Field(
        "label",
        description="The name under which labels stand in the manifest, those that are read and those written. It is "
        "made of letters, digits and `.`, `_`, `-`, and begins with a letter or a digit.",
    )
    pictures: Address | None = Field(
        None,
        description="The folder that the names of pictures in the data file are relative to, on disk or s3://...; "
        "without it the file's own folder, and then the usual ones around it.",
    )
    labels: Literal["voc", "yolo", "folders", "none"] | None = Field(
        None,
        description="Which labels in a folder count, where `data` is one: `voc` or `yolo` files, the names of the "
        "`folders` as classes, or `none`. Without it VOC's or YOLO's count in a job about boxes.",
    )
    boxes: Boxes | None = Field(None, description="How the data's boxes are written, where it is not the usual way.")
    instructions: Address | None = Field(
        None,
        description="A Markdown file that tells people what to do; the labeling page shows it, with its pictures.",
    )
    plan: Annotated[str, AfterValidator(known(plans.PLANS, "plan"))] = Field(
        "certified",
        description="How the rounds are planned: `certified` promises the labels' quality, `ground-truth` is "
        "Amazon's procedure and promises nothing.",
        json_schema_extra=listed(plans.PLANS),
    )
    target: Target = Field(default_factory=Target, validate_default=True, description="What the labels must be worth.")
    workforce: Annotated[Any, AnyWorkforce] = Field(description="Who answers.")
    answers: Answers | None = Field(
        None,
        validate_default=True,
        description="How many people answer an item: `least` at first, then one more at a time until the merged label "
        "is `sure` or `most` have answered. With `predictions` it is always `most`, because no training items show how "
        "well people agree. Without it `{least: 2, most: 5, sure: 0.98}`, or exactly `workforce.answers_per_item` "
        "where that is given.",
    )
    prices: Prices = Field(default_factory=Prices, description="What an item, an answer and an auto label cost.")
    budget: Annotated[Number, Field(gt=0, le=1e15)] | None = Field(
        None, description="The most that the job may cost. Without it there is no limit."
    )
    learner: str = Field("default", description="The model that learns: `default`, or package.module:Name of your own.")
    pool: str | None = Field(
        None,
        description="The work pool whose workers train and predict, for example `gpu`; without it the run does.",
    )
    weights: Address | Literal["none"] | None = Field(
        None,
        description="A file with a pretrained network to start from (a state dict), or `none`; without it the one that "
        "comes with roundtruth.",
    )
    predictions: Address | None = Field(
        None,
        description="A file with any model's labels of the items and their scores: CSV, Parquet or COCO. Then nothing "
        "is trained: people check some of these labels, and label what is not good enough. "
        "`docs/predictions.md` has the columns.",
    )
    seed: Annotated[Whole, Field(ge=0, lt=2**31)] = Field(
        0, description="Everything that is random follows from this number: the same seed gives the same job."
    )

    @field_validator("classes")
    @classmethod
    def distinct(cls, classes: list[str]) -> list[str]:
        wrong: dict[str | int, str] = {}
        names: set[str] = set()
        for place, name in enumerate(classes):
            if not name.strip():
                wrong[place] = "the class has no name; give it one, or take it out"
            elif not is_text(name):
                wrong[place] = "the class is no text: it has half of a character (a lone surrogate); write it anew"
            elif tidy(name) in names:
                wrong[place] = f"class {tidy(name)} is there twice; take one out"
            else:
                names.add(tidy(name))
        if wrong:
            raise mistaken(wrong)
        return [tidy(name) for name in classes]

    @field_validator("output")
    @classmethod
    def one_name(cls, output: str) -> str:
        """The same folder has one name: without links, `..`, and a last slash."""
        place = one_name(output)
        if place in ("/", one_name(str(Path.home()))):
            raise ValueError(f"{place} holds much else; give the job a folder of its own")
        return place

    @field_validator("attribute")
    @classmethod
    def not_taken(cls, attribute: str) -> str:
        if attribute in ("source", "source-ref") or attribute.endswith("-metadata"):
            raise ValueError("this name has a meaning of its own in a manifest; choose another")
        return attribute

    @field_validator("labels")
    @classmethod
    def of_the_kind(cls, labels: str | None, info: ValidationInfo) -> str | None:
        if labels in (None, "none") or "kind" not in info.data:
            return labels
        kind = kinds.get(info.data["kind"])
        if not (kinds.is_class(kind) if labels == "folders" else kinds.has_boxes(kind)):
            what = "a class for each picture" if labels == "folders" else "boxes"
            raise ValueError(f"{labels} gives {what}, no labels of {info.data['kind']}; take it out")
        return labels

    @field_validator("boxes")
    @classmethod
    def of_boxes(cls, boxes: Boxes | None, info: ValidationInfo) -> Boxes | None:
        kind = info.data.get("kind")  # it is not there where it is a mistake itself
        if boxes and kind and not kinds.has_boxes(kinds.get(kind)):
            raise ValueError(f"labels of the kind {kind} are no boxes; take the key out")
        return boxes

    @field_validator("answers")
    @classmethod
    def one_rule(cls, answers: Answers | None, info: ValidationInfo) -> Answers | None:
        """The usual answers where the job names none and the workforce no exact number."""
        exactly = getattr(info.data.get("workforce"), "answers_per_item", None)
        if exactly is None:
            return answers or Answers()
        if answers:
            raise ValueError(f"workforce.answers_per_item asks for exactly {exactly}; take one of the two out")
        return None

    @property
    def asking(self) -> Asking:
        """How many people are asked about an item: the most where predictions are given, because there are no training
        items that show how well people agree."""
        exactly = getattr(self.workforce, "answers_per_item", None)
        if exactly is not None:
            return Asking(exactly, exactly)
        assert self.answers is not None  # `one_rule` fills it in
        if self.predictions is not None:
            return Asking(self.answers.most, self.answers.most, self.answers.sure)
        return Asking(self.answers.least, self.answers.most, self.answers.sure)

    @field_validator("predictions")
    @classmethod
    def instead_of_a_model(cls, predictions: str | None, info: ValidationInfo) -> str | None:
        """Nothing is trained with them, so nothing may be said about training."""
        if predictions is None:
            return None
        given = info.data  # what is a mistake itself is not there
        if "plan" in given and not hasattr(plans.get(given["plan"]), "compare"):
            raise ValueError(
                f"the plan {given['plan']} trains a model of its own; say plan: certified, or take predictions out"
            )
        usual = {"learner": "default", "weights": None, "pool": None}
        more = [key for key, value in usual.items() if given.get(key, value) != value]
        if more:
            raise ValueError(f"nothing is trained where predictions are given; take {' and '.join(more)} out")
        return predictions

    @field_validator("target")
    @classmethod
    def complete(cls, target: Target, info: ValidationInfo) -> Target:
        """With the kind's quality and the plan's certificate where the job names none."""
        if not {"kind", "plan"} <= set(info.data):
            return target
        plan, kind = plans.get(info.data["plan"]), kinds.get(info.data["kind"])
        target = target.model_copy(
            update={
                "quality": kind.QUALITY if target.quality is None else target.quality,
                "certificate": target.certificate or plan.CERTIFICATE,
            }
        )
        wrong: dict[str | int, str] = {}
        if target.certificate != plan.CERTIFICATE:
            wrong["certificate"] = (
                f"the plan {info.data['plan']} has the certificate {plan.CERTIFICATE}, not {target.certificate}; "
                "take target.certificate out, or choose the other plan"
            )
        try:
            plan.check_target(target)
        except ValueError as error:
            wrong["quality"] = str(error)
        if wrong:
            raise mistaken(wrong)
        return target

    @classmethod
    def from_values(cls, given: Any) -> "JobSpec":
        """The spec of the form's values. Raises UserError, which names the fields."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            places = [(one, one["loc"][:-1] if one["type"] == "missing" else one["loc"]) for one in mistakes(error)]
            raise UserError("; ".join(in_words(one, place) for one, place in places[:SHOWN])) from None

    @classmethod
    def from_file(cls, path: str | Path) -> "JobSpec":
        """The spec in a YAML file; relative paths in it are relative to the file."""
        path = Path(path)
        text = job_text(path)
        given, lines = parse(text, path)
        for dotted in paths_in(given):
            absolute(given, dotted.split("."), path.resolve().parent)
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise explained(error, lines, path) from None


def job_text(path: Path) -> str:
    try:
        with opened(path) as file:
            data = file.read(LARGEST_YAML + 1)
        if len(data) > LARGEST_YAML:
            raise UserError(
                f"{path}: over {LARGEST_YAML // 10**6} MB, so this is no job file; the items belong in the data"
            )
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; correct the path of the job file") from None
    except OSError as error:
        raise UserError(f"{path}: the job file cannot be read: {reason(error)}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}: line {line}: the job file cannot be read: not UTF-8 ({error.reason}); save it as UTF-8"
        ) from None


def reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).splitlines()[0]


def absolute(given: Any, keys: list[str], folder: Path) -> None:
    for key in keys[:-1]:
        given = given.get(key) if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(given.get(keys[-1]), str):
        return
    value = given[keys[-1]]
    if value and "://" not in value and not (keys[-1] == "weights" and value == "none"):
        try:
            given[keys[-1]] = str(folder / Path(value).expanduser())
        except RuntimeError:  # the home of nobody
            given[keys[-1]] = str(folder / value)


def parse(text: str, path: Path) -> tuple[Any, dict[tuple, int]]:
    """The YAML text as plain values, and the line of every key."""
    with yaml_mistakes(path):
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise UserError(f"{path}: line 1: a job file is a mapping of keys such as name, kind, data")
        lines = lines_of(node, path)
        loader.flatten_mapping(node)  # puts what `<<` merges into the node
        for key, value in node.value:  # to YAML 010 is 8, and 1.50 is 1.5
            if key.value in ("name", "classes"):
                take_as_written(value)
        given = loader.construct_document(node)
    if not isinstance(given, dict):  # !!set and the like
        raise UserError(f"{path}: line 1: a job file is a mapping of keys such as name, kind, data")
    return given, lines


def lines_of(node: yaml.Node, path: Path) -> dict[tuple, int]:
    """The line of every key and of every member of a list. Raises UserError for keys that are there twice."""
    lines: dict[tuple, int] = {(): 1}
    been, twice = set(), Mistakes(str(path))

    def walk(node, at: tuple) -> None:
        if id(node) in been:  # an alias may stand for what it is in
            return
        been.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):  # it is refused later
                    continue
                here = (*at, key.value)
                if key.value in seen:
                    twice.add(f"line {key.start_mark.line + 1}", f"{key.value} is there twice; keep one")
                seen.add(key.value)
                lines[here] = key.start_mark.line + 1
                walk(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                lines[(*at, i)] = value.start_mark.line + 1
                walk(value, (*at, i))

    walk(node, ())
    twice.refuse()
    return lines


TAKEN_FOR = ("bool", "int", "float", "null", "timestamp", "merge", "value")  # by YAML, without being told to


def take_as_written(node: yaml.Node) -> None:
    """Make text of what YAML takes for numbers, truth values, dates or nothing: a scalar, or the scalars in a list."""
    for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
        if isinstance(part, yaml.ScalarNode) and part.tag.rpartition(":")[2] in TAKEN_FOR:
            part.tag = "tag:yaml.org,2002:str"


def explained(error: ValidationError, lines: dict[tuple, int], path: Path) -> UserError:
    """All mistakes as one: file, lines, fields, what to do."""
    found, told = Mistakes(str(path)), {}
    for one in mistakes(error):
        at: tuple = ()
        for part in one["loc"]:
            if (*at, part) in lines:
                at = (*at, part)
        field = (*at, one["loc"][-1]) if one["type"] == "missing" else at
        told.setdefault(field, (one, at))  # of a value that may be of several types, pydantic tells for each type
    for one, at in list(told.values()):
        meant = (*at[:-1], nearest(at)) if one["type"] == "extra_forbidden" else ()
        if meant in told and told[meant][0]["type"] == "missing":
            del told[meant]  # it is misspelt
    for one, at in sorted(told.values(), key=lambda mistake: lines[mistake[1]]):
        found.add(f"line {lines[at]}", in_words(one, at))
    return found.as_error()


def in_words(mistake: dict, at: tuple) -> str:
    """The field of a mistake, and what to do. at: the field, as far as it is there."""
    field = (*at, mistake["loc"][-1]) if mistake["type"] == "missing" else at
    return f"{'.'.join(str(part) for part in field) or 'job'}: {advice(mistake, at)}"


def advice(mistake: dict, at: tuple) -> str:
    if mistake["type"] == "extra_forbidden":
        return f"there is no such key{hint(at)}"
    if mistake["type"] == "missing":
        return "this key is missing; add it"
    if mistake["type"] == "model_type":
        return f"it holds other keys: {', '.join(keys_in()[at])}; write them below it, each with its value"
    if mistake["type"] == "value_error":
        return mistake["msg"].removeprefix("Value error, ")
    return f"{mistake['msg']}, not {str(mistake['input'])[:60]!r}"


def mistakes(error: ValidationError) -> list[dict]:
    """All mistakes, those inside of `workforce` each with its own place."""
    found = []
    for one in error.errors():
        inside = one.get("ctx", {}).get("errors") or [one | {"loc": ()}]
        found += [mistake | {"loc": (*one["loc"], *mistake["loc"])} for mistake in inside]
    return found


def hint(at: tuple) -> str:
    """What to do about the misspelt key at `at`."""
    keys, near = keys_in(), nearest(at)
    if near == at[-1]:
        return f" for this {at[0]}; take it out"
    if near:
        return f"; do you mean {near}?"
    elsewhere = [path for path in keys if at[-1] in keys[path]]
    if elsewhere:
        return f" here; it belongs {f'under {elsewhere[0][0]}' if elsewhere[0] else 'at the top'}"
    return "; take it out"


def nearest(at: tuple) -> str | None:
    """What the misspelt key at `at` was to be."""
    near = difflib.get_close_matches(str(at[-1]), keys_in().get(at[:-1], []), n=1)
    return near[0] if near else None


def keys_in() -> dict[tuple, list[str]]:
    """The keys of each part of a job file."""
    return {path: [key for model in some for key in model.model_fields] for path, some in models().items()}


def models() -> dict[tuple, list[type[Strict]]]:
    """What may stand in each part of a job file."""
    people = [workforce.module(name).Settings for name in workforce.BACKENDS]
    inside = {("workforce", key): [part] for some in people for key, part in parts_of(some).items()}
    return inside | {
        (): [JobSpec],
        ("target",): [Target],
        ("workforce",): people,
        ("answers",): [Answers],
        ("prices",): [Prices],
        ("boxes",): [Boxes],
    }


def parts_of(model: type[Strict]) -> dict[str, type[Strict]]:
    """The keys of a model that hold other keys, and what may stand in each."""
    found = {}
    for key, field in model.model_fields.items():
        for one in (field.annotation, *get_args(field.annotation)):
            if isinstance(one, type) and issubclass(one, Strict):
                found[key] = one
    return found


def located(mistake: UserError, path: str | Path) -> UserError:
    """A mistake that names a key of the job file first (`data: ...`) with the file and the key's line before it."""
    key = str(mistake).partition(": ")[0]
    if key not in JobSpec.model_fields:
        return mistake
    lines = parse(job_text(Path(path)), Path(path))[1]
    return UserError(f"{path}: line {lines.get((key,), 1)}: {mistake}")
