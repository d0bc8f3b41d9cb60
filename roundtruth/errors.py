"""The two ways a job ends early that are not faults of roundtruth."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


LONGEST = 1000  # characters of a message, whatever the input holds
SHOWN = 10  # mistakes that one message names; all are counted


class UserError(Exception):
    """A mistake in what the user gave. The message is one line that names the file, the line, the field and what to do.

    A mistake in a key of the job file starts with the key (`data: ...`). The command line adds the file and the line.
    """

    def __init__(self, message: str):
        half = LONGEST // 2 - 5  # the end says what to do, so a message that is too long loses its middle
        short = message if len(message) <= LONGEST else f"{message[:half]} ... {message[-half:]}"
        super().__init__(short)


class Mistakes:
    """Collects the mistakes in a file, so that one message counts them all and shows the first ten."""

    def __init__(self, file: str):
        self.file, self.count = file, 0
        self.places: dict[str, list[str]] = {}  # what is wrong, and where

    def add(self, place: str, what: str) -> None:
        self.count += 1
        if self.count <= SHOWN:
            self.places.setdefault(what, []).append(place)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """A UserError about a place in the file is added instead of raised."""
        try:
            yield
        except UserError as mistake:
            place, _, what = str(mistake).removeprefix(f"{self.file}: ").partition(": ")
            self.add(place, what)

    def refuse(self) -> None:
        """Raise UserError where there are mistakes."""
        if not self.count:
            return
        file = f"{self.file}: " if self.file else ""
        if self.count == 1:
            what, (place,) = next(iter(self.places.items()))
            raise UserError(f"{file}{place}: {what}")
        room = (LONGEST - len(self.file) - 100) // len(self.places)
        shown = [f"{', '.join(places)}: {what}"[:room] for what, places in self.places.items()]
        more = f"; and {self.count - SHOWN} more" if self.count > SHOWN else ""
        raise UserError(f"{file}{self.count} mistakes: {'; '.join(shown)}{more}")


def refuse_all(bad: "Sequence[int] | np.ndarray", say: Callable[[int], str]) -> None:
    """Raise UserError where there are any `bad` positions. `say(position)` is the message about one, which begins with
    the file and the place in it. Of several files, the message begins with the folder that they are in."""
    if len(bad) == 0:
        return
    texts = [say(int(position)) for position in bad[:SHOWN]]
    if len(bad) == 1:
        raise UserError(texts[0])
    parts = [parted(text) for text in texts]
    files = {file for file, _, _ in parts}
    levels = zip(*(file.split("/")[:-1] for file in files))
    folder = "/".join(names[0] for names in takewhile(lambda names: len(set(names)) == 1, levels))
    found = Mistakes(folder if len(files) > 1 else files.pop())
    for file, place, what in parts:
        found.add(place if found.file == file else f"{file.removeprefix(f'{folder}/')}: {place}", what)
    found.count = len(bad)
    found.refuse()


def parted(text: str) -> tuple[str, str, str]:
    """A message in three: the file (empty: it names none), the place in it, and what is wrong."""
    found = PLACE.fullmatch(text)
    if found:
        return found["file"], found["place"], found["what"]
    place, _, what = text.partition(": ")
    return "", place, what


PLACE = re.compile(r"(?P<file>.*?): (?P<place>(?:line |annotations\[|images\[|item )[^:]*): (?P<what>.*)", re.DOTALL)


class Held(Exception):
    """Another run holds the job. The message says who, and since when."""


@contextmanager
def naming(key: str) -> Iterator[None]:
    """A mistake that names no line of a file gets this key of the job file in front."""
    try:
        yield
    except UserError as mistake:
        raise mistake if ": line " in str(mistake) else UserError(f"{key}: {mistake}") from None
