"""The ways a job ends early that are not faults of roundtruth."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


LONGEST = 1000  # characters of a message, whatever the input holds
SHOWN = 10  # mistakes that one message names; all are counted


class UserError(Exception):
    """A mistake in what the user gave. The message is one line that names the file, the line, the field and what to do.

    A mistake in a key of the job file starts with the key (`data: ...`). The command line adds the file and the line.
    """

    def __init__(self, message: str, mistakes: "Mistakes | None" = None):
        """mistakes: those that the message counts, so that they can be counted together with others."""
        self.mistakes = mistakes
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
        """A UserError about one or several places in the file is added instead of raised."""
        try:
            yield
        except UserError as mistake:
            if mistake.mistakes:
                self.join(mistake.mistakes)
                return
            place, _, what = str(mistake).removeprefix(f"{self.file}: ").partition(": ")
            self.add(place, what)

    def join(self, other: "Mistakes") -> None:
        for what, places in other.places.items():
            room = max(0, SHOWN - sum(map(len, self.places.values())))
            if room:
                self.places.setdefault(what, []).extend(places[:room])
        self.count += other.count

    def refuse(self) -> None:
        """Raise UserError where there are mistakes."""
        if not self.count:
            return
        file = f"{self.file}: " if self.file else ""
        if self.count == 1:
            what, (place,) = next(iter(self.places.items()))
            raise UserError(f"{file}{place}: {what}", self)
        room = (LONGEST - len(self.file) - 100) // len(self.places)
        shown = [f"{', '.join(places)}: {what}"[:room] for what, places in self.places.items()]
        more = f"; and {self.count - SHOWN} more" if self.count > SHOWN else ""
        raise UserError(f"{file}{self.count} mistakes: {'; '.join(shown)}{more}", self)


def refuse_all(bad: "Sequence[int] | np.ndarray", say: Callable[[int], str]) -> None:
    """Raise UserError where there are any `bad` positions. `say(position)` is the message about one, which begins with
    the file and the place in it."""
    if len(bad) == 0:
        return
    texts = [say(int(position)) for position in bad[:SHOWN]]
    file = next((text.partition(mark)[0] for text in texts for mark in MARKS if mark in text), "")
    found = Mistakes(file)
    for text in texts:
        place, _, what = text.removeprefix(f"{file}: " if file else "").partition(": ")
        found.add(place, what)
    found.count = len(bad)
    found.refuse()


MARKS = (": line ", ": annotations[", ": images[", ": item ")  # what follows the file's name in a message


class Held(Exception):
    """Another run holds the job. The message says who, and since when."""


class S3Fault(OSError):
    """S3 cannot be reached, or fails; a retry may succeed. The message is one line that names the file."""


@contextmanager
def naming(key: str) -> Iterator[None]:
    """A mistake that names no line of a file gets this key of the job file in front."""
    try:
        yield
    except UserError as mistake:
        named = ": line " in str(mistake)
        raise mistake if named else UserError(f"{key}: {mistake}", mistake.mistakes) from None
