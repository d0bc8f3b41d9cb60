"""Several people's answers become one label with a confidence, and each worker gets a skill."""

from roundtruth.consolidation.boxes import boxes
from roundtruth.consolidation.votes import votes

__all__ = ["boxes", "votes"]
