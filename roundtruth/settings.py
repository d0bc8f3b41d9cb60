"""What every part of a job file is made of: models that refuse what they do not know, numbers, and addresses."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from roundtruth.errors import UserError

KINDS = {"string": "Text", "number": "Number", "integer": "Number", "null": "Not given"}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema, handler):
        found = handler(schema)
        named_kinds(handler.resolve_ref_schema(found))
        return found


def named_kinds(schema: dict) -> dict:
    """Prefect's form names the kinds of a field's value on buttons: here in words, not as `float` and `None`."""
    for field in schema.get("properties", {}).values():
        for kind in field.get("anyOf", []):
            if kind.get("type") in KINDS:
                kind.setdefault("title", kind.get("const", KINDS[kind["type"]]))
    return schema


Number = Annotated[float, Field(strict=True)]  # neither `yes` nor "1" is a number
Whole = Annotated[int, Field(strict=True)]


LARGEST_YAML = 1_000_000  # bytes of a YAML file, a job file or YOLO's data.yaml: a megabyte takes ten seconds to read
LONGEST = 255  # bytes of the name of a file, on every common file system


@contextmanager
def yaml_mistakes(name: str | Path) -> Iterator[None]:
    """Raises UserError, which names the file and the line, for what is not YAML."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{name}: line {line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: the 13th month of a date
        raise UserError(f"{name}: line 1: not YAML: {str(error).partition(chr(10))[0]}") from None


def check_address(value: str) -> str:
    if "://" in value and not value.startswith("s3://"):
        raise ValueError(f"{value} is neither a path nor s3://...; nothing else is read")
    if value.startswith("s3://") and value.removeprefix("s3://")[:1] in ("", "/"):
        raise ValueError(f"{value} names no bucket; write s3://bucket/prefix")
    if not (value.startswith("s3://") or Path(value).is_absolute()):
        raise ValueError(f"{value} is relative, and there is no job file it could be relative to; give the whole path")
    if "\0" in value:
        raise ValueError(f"{value!r}: no file has such a name")
    longest = max(value.split("/"), key=len)
    if len(longest.encode(errors="replace")) > LONGEST:
        raise ValueError(f"{longest[:60]}... is too long; the name of a file or folder has at most {LONGEST} bytes")
    return value


Address = Annotated[str, Field(min_length=1), AfterValidator(check_address)]


class Boxes(Strict):
    """How the boxes of a dataset are written, where it is not as left, top, width and height in pixels."""

    unit: Literal["pixel", "relative", "percent"] | None = Field(
        None,
        description="What the numbers count: pixels, shares of the picture's width and height from 0 to 1, or per cent "
        "of them. Without it pixels, and boxes that seem to be something else are refused.",
    )
    form: Literal["size", "corners"] | None = Field(
        None,
        description="What the last two numbers are: width and height, or the right and bottom side. Without it width "
        "and height, and boxes that seem to be corners are refused.",
    )
    size: Literal["as-stated"] | None = Field(
        None,
        description="`as-stated`: boxes are scaled and turned from the size that the dataset states to the picture's "
        "own. Without it, a picture that has another size is refused.",
    )
