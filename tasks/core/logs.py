"""Log lines that start with the name of what they are about, in the Prefect run where there is one."""

import logging
from collections.abc import MutableMapping
from typing import Any

from prefect.exceptions import MissingContextError
from prefect.logging import get_logger, get_run_logger

# The clients' own loggers: PREFECT_LOGGING_EXTRA_LOGGERS attaches Prefect's handlers to them, but sets no level.
logging.getLogger("kube_runbooks").setLevel(logging.INFO)


class _About(logging.LoggerAdapter[Any]):
    """Puts `subject:` in front; stacked on Prefect's adapter, which ties the line to its run."""

    def process(self, msg: str, kwargs: MutableMapping[str, Any]) -> tuple[str, MutableMapping[str, Any]]:
        return f"{(self.extra or {})['subject']}: {msg}", kwargs


def log_about(subject: str) -> logging.LoggerAdapter[Any]:
    """A logger whose lines start with the name of a node, a member or a cluster."""
    try:
        logger: Any = get_run_logger()
    except MissingContextError:
        logger = get_logger("runbooks")
    return _About(logger, {"subject": subject})
