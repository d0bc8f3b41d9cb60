"""The ways a job ends early that are not faults of roundtruth."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, takewhile
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
        super().__init__(shortened(message, LONGEST))


def shortened(text: str, room: int) -> str:
    """At most so many characters. The end says what to do, so a text that is too long loses its middle."""
    half = room // 2 - 5
    return text if len(text) <= room else f"{text[:half]} ... {text[-half:]}"


class Mistakes:
    """Collects the mistakes in a file, or in the files of a folder, so that one message counts them all and shows the
    first ten, or as many of them as fit."""

    def __init__(self, file: str):
        self.file, self.count = file, 0
        self.shown: list[tuple[str, str, str]] = []  # place, what is wrong there, and the file

    def add(self, place: str, what: str, file: str | None = None) -> None:
        """file: where it is another than that of `Mistakes`."""
        self.count += 1
        if self.count <= SHOWN:
            self.shown.append((place, what, self.file if file is None else file))

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """A UserError about one or several places in the file is added instead of raised."""
        try:
            yield
        except UserError as mistake:
            if mistake.mistakes:
                self.join(mistake.mistakes)
            else:
                self.add(*parted(str(mistake), self.file))

    def join(self, other: "Mistakes") -> None:
        self.shown += other.shown[: SHOWN - len(self.shown)]
        self.count += other.count

    def refuse(self) -> None:
        """Raise UserError where there are mistakes. If they are in several files, it begins with their folder."""
        if self.count:
            raise self.as_error()

    def as_error(self) -> UserError:
        """All mistakes, at least one, as one UserError."""
        files = {file for _, _, file in self.shown}
        folder = files.pop() if len(files) == 1 else common_folder(files)
        start = f"{folder}: " if folder else ""
        places: dict[str, list[str]] = {}  # what is wrong, and where
        for place, what, file in self.shown:
            inside = file.removeprefix(f"{folder}/") if folder else file
            places.setdefault(what, []).append(place if file == folder else f"{inside}: {place}")
        if self.count == 1:
            what, (place,) = next(iter(places.items()))
            return UserError(f"{start}{place}: {what}", self)
        shown = [shortened(f"{', '.join(some)}: {what}", LONGEST // 2) for what, some in places.items()]
        ends = list(accumulate(len(text) + 2 for text in shown))
        fit = max(1, sum(end <= LONGEST - len(folder) - 100 for end in ends))
        more = self.count - sum(map(len, list(places.values())[:fit]))
        told = f"; and {more} more" if more else ""
        return UserError(f"{start}{self.count} mistakes: {'; '.join(shown[:fit])}{told}", self)


def common_folder(files: Iterable[str]) -> str:
    levels = zip(*(file.split("/")[:-1] for file in files))
    return "/".join(names[0] for names in takewhile(lambda names: len(set(names)) == 1, levels))


def refuse_all(bad: "Sequence[int] | np.ndarray", say: Callable[[int], str]) -> None:
    """Raise UserError where there are any `bad` positions. `say(position)` is the message about one, which begins with
    the file and the place in it."""
    found = Mistakes("")
    for position in bad[:SHOWN]:
        found.add(*parted(say(int(position))))
    found.count = len(bad)
    found.refuse()


def parted(text: str, file: str = "") -> tuple[str, str, str]:
    """(place, what, file) of a message about a place in a file. file: which it is, where the message names none."""
    if file and text.startswith(f"{file}: "):
        place, _, what = text.removeprefix(f"{file}: ").partition(": ")
    elif found := PLACE.fullmatch(text):
        file, place, what = found.groups()
    else:
        place, _, what = text.partition(": ")
    return place, what, file


PLACE = re.compile(r"(.*?): ((?:line |row |annotations\[|results\[|images\[|item )[^:]*): (.*)", re.DOTALL)


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
