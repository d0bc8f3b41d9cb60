"""Mistakes of a user in Prefect's page: the state says them in a line, and the run's log has no traceback of them."""

import logging

from prefect.exceptions import CancelledRun, FailedRun

from roundtruth.errors import Held, UserError

LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")


class OneLine(logging.Filter):
    """Takes the traceback from what is no fault of the program."""

    def filter(self, record: logging.LogRecord) -> bool:
        raised = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(raised, (FailedRun, CancelledRun)):  # the state's message, which stands in the line above
            return False
        if isinstance(raised, (UserError, Held)):
            record.exc_info = record.exc_text = None
        return True


ONE_LINE = OneLine()


def told_in_a_line() -> None:
    """For every run of this process."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(ONE_LINE)  # a second time changes nothing
