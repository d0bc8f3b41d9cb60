"""Names as people write them: of workers, and of pictures in place of their items."""

import unicodedata
from collections.abc import Iterable

import pandas as pd

SHOWN = 10  # persons whose names are told


def one_each(spelled: Iterable[set[str]], known: set[str]) -> tuple[dict[str, str], list[str]]:
    """The one name of each person, by the name without blanks around it; and what is to be told, a line each.

    spelled: the names as they stand in each file. known: the names that the job has. Names that differ by case or
    blanks alone are one person. A name that is known stays as it is, so that nobody is counted twice.
    """
    people: dict[str, set[str]] = {}
    for name in set().union(*spelled):
        people.setdefault(folded(name), set()).add(name)
    before: dict[str, str] = {}
    for name in known:
        before[folded(name)] = max(name, before.get(folded(name), ""))
    one, told = {}, []
    for key, written in people.items():
        name = before.get(key, max(spelling.strip() for spelling in written))
        one |= {each.strip(): each.strip() if each.strip() in known else name for each in written}
        if len(written) > 1 and key:
            told.append(f"{several(written)} are taken for one person: {name}")
    more = [f"So are the names of {len(told) - SHOWN} more"] if len(told) > SHOWN else []
    return one, sorted(told)[:SHOWN] + more


def folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def several(written: set[str]) -> str:
    """`Anna, anna and ' ANNA'`"""
    shown = [name if name.split() == name.split(" ") else repr(name) for name in sorted(written, key=by_blanks)]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def by_blanks(name: str) -> tuple:
    return name != name.strip(), name


class Pictures:
    """The pictures of a job by name: the source, or its last part where only one picture that was asked about has it.

    A name may have \\ in place of /, and accents in either form.
    """

    def __init__(self, items: pd.DataFrame, asked: pd.Series):
        self.sources = items.set_index("item")["source"]
        self.tidy = tidy(self.sources)
        by_name = pd.Series(self.tidy.index, index=self.tidy)
        self.by_source = by_name[~by_name.index.duplicated()]
        some = self.tidy[self.tidy.index.isin(asked)]
        self.by_last = pd.Series(some.index, index=last(some))
        self.shared = self.by_last[self.by_last.index.duplicated(keep=False)]
        self.several = set(self.shared.index)

    def items(self, named: pd.Series) -> pd.Series:
        """The item of each name, NaN where there is none or it may be several."""
        found = tidy(named)
        unique = self.by_last[~self.by_last.index.isin(self.shared.index)]
        return found.map(self.by_source).astype(float).fillna(found.map(unique).astype(float))

    def are(self, items: pd.Series, named: pd.Series) -> pd.Series:
        """Whether each name is that of the picture of the item."""
        right, found = items.map(self.tidy), tidy(named)
        return (found == right) | (found == last(right))

    def other(self, item: float, named: str) -> str:
        return f"item {item:.0f} is {self.sources[int(item)]}, not {named[:200]}; correct one of them"

    def unknown(self, text: str) -> str:
        if text == "":
            return "empty; give the item's number, or the name of its picture"
        name = unicodedata.normalize("NFC", text).replace("\\", "/")
        if name in self.several:
            several = ", ".join(str(item) for item in self.shared[[name]].iloc[:5])
            return f"{text[:200]!r} is the name of more than one picture: items {several}; give the number"
        return f"there is no item {text[:200]!r}; give its number, a line of the input, or the name of its picture"


def tidy(sources: pd.Series) -> pd.Series:
    return sources.astype("str").str.normalize("NFC").str.replace("\\", "/", regex=False)


def last(sources: pd.Series) -> pd.Series:
    return sources.str.extract("([^/]*)$", expand=False)
