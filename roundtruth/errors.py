"""The two ways a job ends early that are not faults of roundtruth."""

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """A mistake in what the user gave. The message is one line that names the file, the line, the field and what to do.

    A mistake in a key of the job file starts with the key (`data: ...`). The command line adds the file and the line.
    """


class Held(Exception):
    """Another run holds the job. The message says who, and since when."""


@contextmanager
def naming(key: str) -> Iterator[None]:
    """A mistake that names no line of a file gets this key of the job file in front."""
    try:
        yield
    except UserError as mistake:
        raise mistake if ": line " in str(mistake) else UserError(f"{key}: {mistake}") from None
