"""Implements `kube-runbooks run RUNBOOK CLUSTER ...`, which executes the run in this process.

The run uses a Prefect server if one answers.
"""

import http.client
import importlib
import logging
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from types import FrameType
from typing import TYPE_CHECKING, Any

from kube_runbooks.catalog import Entry
from kube_runbooks.outcome import Exit, Output, complain, document, exit_of, give_up, show_json

if TYPE_CHECKING:
    from prefect import Flow

    from tasks.core.errors import Refused
    from tasks.core.models.plan import Plan
    from tasks.core.models.report import Report
    from tasks.run.runbook import Ended

SERVER = "PREFECT_API_URL"
ANSWER_SECONDS = 20
"""Limits how long one answer of a Prefect server about its health may take, in seconds."""

BUSY_SECONDS = 60
"""Limits how long a run asks a Prefect server that is too slow or that fails, in seconds."""

OWN_SERVER_SECONDS = "300"
"""Limits how long the run's own server may take to start, in seconds. A disk under load is slow."""


class Terminated(BaseException):
    """Signals that SIGTERM stopped the process."""


def run_runbook(entry: Entry, arguments: dict[str, Any], output: Output, names: Mapping[str, str]) -> Exit:
    """Runs a flow until it finishes, and reports its outcome.

    Args:
        entry: the runbook to run
        arguments: the arguments of the flow
        output: the format of the result
        names: maps each option to the field that it sets, as in `--retention-last` to `retention.last`
    """
    # Prefect reads its settings when it is imported: nothing of it is imported before the server is chosen.
    from tasks.core.errors import Refused, RunbookError  # noqa: PLC0415
    from tasks.run.runbook import last_ended  # noqa: PLC0415

    function = getattr(importlib.import_module(f"flows.{entry.flow}"), entry.flow)
    if wrong := _what_is_wrong_with(function, arguments, names, f"kube-runbooks run {entry.command} --help"):
        return give_up(Exit.USAGE, wrong.problem, wrong.hint, output)
    ended = None
    try:
        with _terminable():
            report = function(**arguments)
        ended = last_ended()
        problem, next_step = report.problem, report.next_step
        outcome = str(report.outcome)
    except RunbookError as error:
        ended = last_ended()
        report = ended.report if ended else None
        outcome = "refused" if isinstance(error, Refused) else "failed"
        problem, next_step = error.problem, report.next_step if report else error.hint
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Terminated:
        return Exit.TERMINATED
    if output == "json":
        told = report.model_dump(mode="json") if report else None
        show_json(document(outcome, problem=problem, next_step=next_step, report=told))
    else:
        if report and report.plan and (arguments.get("mode") == "plan" or outcome == "refused"):
            _show_plan(report.plan)
        _show_text(outcome, problem, next_step, ended)
    return exit_of(outcome)


@cache
def choose_server() -> str:
    """Chooses the Prefect server of the run, and returns a sentence that names it.

    It is the server of PREFECT_API_URL if that answers. Otherwise the run starts its own. Prefect reads its settings
    when it is imported, so this must run before that import.
    """
    url = os.environ.get(SERVER, "")
    why = _why_not(url) if url else f"{SERVER} is not set"
    if not why:
        return f"Prefect server: {url}"
    os.environ.pop(SERVER, None)
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", OWN_SERVER_SECONDS)
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    return f"Prefect server: none ({why}). This run starts its own, which ends with it."


def _why_not(url: str) -> str:
    """Returns why the server cannot be used, or an empty text.

    A server that is busy is not one that is missing: nobody would see the run in its UI. It gets `BUSY_SECONDS`.
    """
    if not url.startswith(("http://", "https://")):
        return f"{url} is not an HTTP address"
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=ANSWER_SECONDS):  # noqa: S310 - checked above
                return ""
        except urllib.error.HTTPError as error:
            why, is_final = f"{url} answers with status {error.code}", error.code < HTTPStatus.INTERNAL_SERVER_ERROR
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            why, is_final = f"{url} does not answer: {reason}", not isinstance(reason, TimeoutError)
        if is_final or time.monotonic() > end:
            return why
        time.sleep(1)


@contextmanager
def _terminable() -> Iterator[None]:
    """Makes SIGTERM stop a run as Ctrl-C does.

    The work in progress stops, and the report records it.
    """

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show_plan(plan: "Plan") -> None:
    from tasks.run.markdown import to_lists  # noqa: PLC0415 - as above

    print(f"## Plan {plan.digest}", *to_lists(plan), "", sep="\n")


def _show_text(outcome: str, problem: str, next_step: str, ended: "Ended | None") -> None:
    for line in ended.report.summary if ended else ():
        print(f"- {line}")
    print(f"run {ended.report.run_name}: {outcome}" if ended else outcome)
    if problem:
        complain(problem, next_step)
    if ended:
        print(ended.place, file=sys.stderr)


def as_json(
    flow: str, arguments: Mapping[str, Any], names: Mapping[str, str], usage: str
) -> "dict[str, Any] | Refused":
    """Returns the given arguments in the form that the API of a Prefect server expects, or what is wrong with them.

    A number, for example, is returned as a number.
    """
    from pydantic import TypeAdapter  # noqa: PLC0415 - seconds that --help does not need

    from tasks.core.errors import Refused  # noqa: PLC0415 - as above

    read = _read(getattr(importlib.import_module(f"flows.{flow}"), flow), arguments, names, usage)
    if isinstance(read, Refused):
        return read
    given = {name: value for name, value in read.items() if name in arguments}
    return dict(TypeAdapter(dict[str, Any]).dump_python(given, mode="json", exclude_unset=True))


def name_of_run(flow: str, arguments: Mapping[str, Any]) -> str:
    """Returns the name that a run of the flow gives itself, as in `upgrade-prod-1.37.2`."""
    named = getattr(importlib.import_module(f"flows.{flow}"), flow).flow_run_name
    return str(named).format(**arguments) if isinstance(named, str) else ""


def _read(
    function: "Flow[..., Report]", arguments: Mapping[str, Any], names: Mapping[str, str], usage: str
) -> "dict[str, Any] | Refused":
    """Parses the arguments with the flow's own types. A problem names the option that caused it."""
    from prefect.exceptions import ParameterTypeError  # noqa: PLC0415 - after the server was chosen
    from pydantic import ValidationError  # noqa: PLC0415 - as above

    from tasks.core.errors import Refused  # noqa: PLC0415 - as above
    from tasks.core.wrong_fields import wrong_fields  # noqa: PLC0415 - as above

    options = {field: option for option, field in names.items()}
    logging.getLogger("prefect.flows").setLevel(logging.CRITICAL)  # it says the same, with all parameters
    try:
        return dict(function.validate_parameters(dict(arguments)))
    except ParameterTypeError as error:
        cause = error.__context__  # Prefect's own text has pydantic's sentences, and no value
        if not isinstance(cause, ValidationError):
            return Refused(str(error), hint=usage)
        told = [one._replace(field=options.get(one.field, one.field)).in_words for one in wrong_fields(cause)]
        return Refused("\n".join(told), hint=usage)


def _what_is_wrong_with(
    function: "Flow[..., Report]", arguments: Mapping[str, Any], names: Mapping[str, str], usage: str
) -> "Refused | None":
    """Checks the command line and the profile before a run exists. Returns None if both are valid."""
    from tasks.core.errors import Refused  # noqa: PLC0415 - as above
    from tasks.core.profiles import read_profile  # noqa: PLC0415 - as above
    from tasks.core.settings import Settings  # noqa: PLC0415 - as above

    read = _read(function, arguments, names, usage)
    if isinstance(read, Refused):
        return read
    try:
        read_profile(Settings().clusters, arguments["cluster"])
    except Refused as error:
        return error
    return None
