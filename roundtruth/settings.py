"""What every part of a job file is made of: models that refuse what they do not know, numbers, and addresses."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


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
