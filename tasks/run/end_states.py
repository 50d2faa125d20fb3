"""Sets the final state of a flow run: *Refused*, *Failed* or *Skipped* with a sentence, and no traceback."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from prefect import Flow
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.states import Completed, exception_to_failed_state
from prefect.utilities.asyncutils import run_coro_as_sync

import tasks.core.logs  # noqa: F401 - its filters: without them Prefect logs the exception that the state has in it
from tasks.core.errors import Refused, RunbookError
from tasks.core.models.report import Outcome, Report
from tasks.core.redaction import redact
from tasks.run.policy.end_message import end_message

P = ParamSpec("P")

REFUSED, SKIPPED = "Refused", "Skipped"
"""Name the states.

Prefect's types stay FAILED and COMPLETED, because retries, hooks and exit statuses depend on them.
"""


def ends_in_words(runbook: Flow[P, Report]) -> Flow[P, Report]:
    """Decorates `@flow` from above: the flow run ends in a named state with a sentence as its message.

    A caller from Python still gets the original exception or the report. An unexpected exception is not changed: it
    fails the run with its traceback. Such a flow has no retries of its own, because Prefect does not repeat a run that
    returned a failed state.
    """
    runbook.fn = _in_words(runbook.fn)
    return runbook


def _in_words(body: Callable[P, Report]) -> Callable[P, Any]:
    @wraps(body)
    def ended(*args: P.args, **kwargs: P.kwargs) -> Report | State[Any]:
        try:
            report = body(*args, **kwargs)
        except RunbookError as error:
            return _failed(error)
        if report.outcome is not Outcome.SKIPPED:
            return report
        return Completed(name=SKIPPED, message=end_message(redact("; ".join(report.summary))), data=report)

    return ended


def _failed(error: RunbookError) -> State[Any]:
    """Returns the failed state as Prefect makes it from a raised exception.

    Callers in other processes read the same state.
    """
    context = FlowRunContext.get()
    made = exception_to_failed_state(
        error,
        result_store=context.result_store if context else None,
        write_result=True,
        name=REFUSED if isinstance(error, Refused) else None,
    )
    state: State[Any] = run_coro_as_sync(made)
    state.message = end_message(redact(error.problem), redact(error.hint))
    return state
