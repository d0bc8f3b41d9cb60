"""Who answers: one module a backend, two verbs, post(round, batch) and collect(round, batch, posted)."""

from typing import Protocol

import pandas as pd


class Workforce(Protocol):
    LATE: bool  # whether answers may come after a batch was closed

    def post(self, round: int, batch: pd.DataFrame) -> dict:
        """Ask people about a batch (item, role); posting twice is posting once. What is returned is kept as JSON."""
        ...

    def collect(self, round: int, batch: pd.DataFrame, posted: dict) -> tuple[pd.DataFrame, bool]:
        """All answers to the batch so far, and whether no more will ever come."""
        ...


def get(job) -> Workforce:
    if job.spec.workforce.backend == "files":
        from roundtruth.workforce.files import Files

        return Files(job)
    from roundtruth.workforce.simulated import Simulated

    return Simulated(job)
