"""The state that a flow returns, and what Prefect's own loggers make of an error that was told; on a server: tests/component/test_end_states.py."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from prefect import Flow, flow
from prefect.client.schemas.objects import State
from prefect.exceptions import ParameterTypeError

from tasks.core import redaction
from tasks.core.errors import NotYet, Refused
from tasks.core.models.report import Outcome, Report
from tasks.run.end_states import ends_in_words

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REPORT = Report(
    runbook="x", cluster="prod", run_id="0", run_name="x", attempt=1, outcome=Outcome.COMPLETED, started_at=NOON
)


def ending(act: Callable[[], Report]) -> Flow[[], Report]:
    """A runbook that does so."""

    @ends_in_words
    @flow(name="ending")
    def ending() -> Report:
        return act()

    return ending


def raising(error: Exception) -> Flow[[], Report]:
    """A runbook that fails so."""

    def act() -> Report:
        raise error

    return ending(act)


@pytest.mark.parametrize(
    ("error", "name"), [(Refused("no", hint="go"), "Refused"), (NotYet("no", hint="go"), "Failed")]
)
def test_an_error_of_ours_is_a_state_with_a_sentence(error: Exception, name: str) -> None:
    """It has the exception in it, for who calls the flow."""
    state = raising(error).fn()
    assert isinstance(state, State)
    assert (state.name, state.type.value, state.message) == (name, "FAILED", "no. Next: go")
    assert state.data is error


def test_what_nobody_expected_is_raised() -> None:
    """Prefect makes of it what it makes of any."""
    with pytest.raises(ZeroDivisionError):
        raising(ZeroDivisionError()).fn()


def test_a_skip_has_a_state_of_its_own_and_any_other_end_none() -> None:
    """Who calls the flow gets the report of both."""
    skipped = REPORT.model_copy(update={"outcome": Outcome.SKIPPED, "summary": ("no window is open", "until 22:00")})
    state = ending(lambda: skipped).fn()
    assert isinstance(state, State)
    assert (state.name, state.type.value, state.message) == ("Skipped", "COMPLETED", "no window is open; until 22:00")
    assert state.data is skipped
    assert ending(lambda: REPORT).fn() is REPORT


def test_a_secret_is_in_no_state() -> None:
    """A state is in Prefect's database."""
    redaction.remember_secret("hunter2-hunter2")
    state = raising(Refused("the key is hunter2-hunter2", hint="change hunter2-hunter2")).fn()
    assert isinstance(state, State)
    assert state.message == "the key is ***. Next: change ***"


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[[str], list[str]]:
    """The lines of a logger from now on, as they would be shown, without the handler that sends them to a server."""
    redaction.install()

    def lines_of(logger: str) -> list[str]:
        lines: list[str] = []

        class Kept(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                lines.append(self.format(record))

        caplog.set_level(logging.DEBUG, logger)
        monkeypatch.setattr(logging.getLogger(logger), "handlers", [Kept()])
        return lines

    return lines_of


@pytest.mark.parametrize(
    ("logger", "error", "level", "kept"),
    [
        ("prefect.flow_runs", Refused("no"), logging.ERROR, []),
        ("prefect.engine", NotYet("no"), logging.ERROR, []),
        ("prefect.engine", ParameterTypeError("no"), logging.ERROR, []),
        ("prefect.task_runs", NotYet("no"), logging.ERROR, [False]),
        ("prefect.flow_runs", Refused("no"), logging.DEBUG, [True]),
        ("prefect.flow_runs", ZeroDivisionError("no"), logging.ERROR, [True]),
        ("prefect.task_runs", ZeroDivisionError("no"), logging.ERROR, [True]),
    ],
)
def test_prefect_does_not_repeat_what_was_told(
    logger: str, error: Exception, level: int, kept: list[bool], listen: Callable[[str], list[str]]
) -> None:
    """One entry a line that is left, whether it has a traceback; redaction may have written one into the record."""
    lines = listen(logger)
    try:
        raise error
    except type(error):
        logging.getLogger(logger).log(level, "it failed", exc_info=True)
    assert ["Traceback" in line for line in lines] == kept
