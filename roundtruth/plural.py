"""Counts in words: the one place that knows the singular from the plural."""

import re

CHOICE = re.compile(r"\[([a-z ]*)\|([a-z ]*)\]")


def counted(number: int, what: str) -> str:
    """`1 box was cut`, `2,000 boxes were cut`: where `what` has [one|many], as in `box[|es] [was|were] cut`, the number
    chooses."""
    return f"{number:,} {chosen(number, what)}"


def chosen(number: int, what: str) -> str:
    """`what` in the singular or the plural, without the number."""
    return CHOICE.sub(r"\1" if number == 1 else r"\2", what)
