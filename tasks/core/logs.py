"""Creates loggers whose lines start with the name of their subject, within the Prefect run if there is one."""

import logging
from collections.abc import MutableMapping
from typing import Any

from prefect.exceptions import MissingContextError, ParameterTypeError
from prefect.logging import get_logger, get_run_logger

from tasks.core.errors import RunbookError

# The clients' own loggers: PREFECT_LOGGING_EXTRA_LOGGERS attaches Prefect's handlers to them, but sets no level.
logging.getLogger("kube_runbooks").setLevel(logging.INFO)


class _Told(logging.Filter):
    """This filter hides tracebacks of errors that are already reported.

    Prefect logs each exception again with its traceback: when a task has failed, and when the engine ends.

    An error of this project is already reported in a sentence, and so is a wrong parameter. Their tracebacks stay at
    DEBUG. An unexpected error keeps its whole traceback.
    """

    def __init__(self, *, again: bool) -> None:
        """Creates the filter. Set `again` for loggers that only repeat what was already reported: it drops their lines."""
        super().__init__()
        self._again = again

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if record.levelno <= logging.DEBUG or not isinstance(error, (RunbookError, ParameterTypeError)):
            return True
        record.exc_info = record.exc_text = None  # a formatter shows the text that redaction has put there, too
        return not self._again


# Filters of loggers outlive Prefect's own set-up of logging. `prefect.engine` is what a worker's terminal shows.
for _name, _again in (("prefect.flow_runs", True), ("prefect.engine", True), ("prefect.task_runs", False)):
    logging.getLogger(_name).addFilter(_Told(again=_again))


class _About(logging.LoggerAdapter[Any]):
    """This adapter puts `subject:` in front of each line.

    It wraps Prefect's adapter, which ties the line to its run.
    """

    def process(self, msg: str, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        return f"{(self.extra or {})['subject']}: {msg}", kwargs


def log_about(subject: str) -> logging.LoggerAdapter[Any]:
    """Returns a logger whose lines start with the name of a node, a member or a cluster."""
    try:
        logger: Any = get_run_logger()
    except MissingContextError:
        logger = get_logger("runbooks")
    return _About(logger, {"subject": subject})
