"""Merges several people's answers into one label with a confidence, and gives each worker a skill."""

from roundtruth.consolidation.boxes import boxes
from roundtruth.consolidation.votes import votes

__all__ = ["boxes", "votes"]
