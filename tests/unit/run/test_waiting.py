"""What a run waits for, in the progress artifact of the Prefect UI."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tasks.core.redaction import remember_secret
from tasks.core.waits import Wait, Waiting
from tasks.run import waiting
from tasks.run.waiting import Waits, shown_waits

MINUTE = timedelta(minutes=1)


def of(about: str, why: str, left: timedelta, limit: timedelta = 10 * MINUTE) -> Waiting:
    """For the API server."""
    return Waiting(about, "the API server to answer", why, left, limit)


def test_all_waits_are_shown_and_the_bar_is_that_of_the_one_that_ends_first() -> None:
    """One that is over is gone."""
    waits = Waits()
    assert waits.shown() == (100.0, "- no wait is under way")
    waits.hears("b", of("cp2", "connection refused", 9 * MINUTE))
    waits.hears("a", of("cp1", "503", 4 * MINUTE))
    assert waits.shown() == (
        60.0,
        "- cp1: waiting for the API server to answer; 4 min left: 503\n"
        "- cp2: waiting for the API server to answer; 9 min left: connection refused",
    )
    waits.hears("a", None)
    waits.hears("a", None)
    assert waits.shown()[0] == 10.0
    waits.hears("b", of("cp2", "lost", timedelta(), timedelta()))
    assert waits.shown()[0] == 100.0


def test_no_secret_is_shown() -> None:
    """Whatever a program says."""
    remember_secret("hunter2-hunter2")
    waits = Waits()
    waits.hears("a", of("cp1", "login hunter2-hunter2 failed", MINUTE))
    assert "hunter2" not in waits.shown()[1]


class Shown:
    """In the place of Prefect: what was written, in order."""

    def __init__(self, fails: int = 0) -> None:
        self.written: list[tuple[str, float, str]] = []
        self.news = threading.Condition()
        self._fails = fails

    def __call__(self, publish: Callable[..., object], **arguments: Any) -> object:  # noqa: ANN401 - as Prefect's
        """As `shown_if_possible`; a server that is away makes nothing."""
        with self.news:
            if self._fails:
                self._fails -= 1
                return None
            shown = (publish.__name__.partition("_")[0], arguments["progress"], arguments["description"])
            self.written.append(shown)
            self.news.notify_all()
            return "id"

    def wait_for(self, text: str) -> None:
        """Until this was written."""
        with self.news:
            assert self.news.wait_for(lambda: any(text in one for *_, one in self.written), 60)


@pytest.mark.parametrize("fails", [0, 2])
def test_a_run_that_waits_has_one_artifact_that_is_updated(monkeypatch: pytest.MonkeyPatch, fails: int) -> None:
    """Made when there is something to show and Prefect is there, at its end at the end of the run."""
    shown = Shown(fails)
    monkeypatch.setattr(waiting, "shown_if_possible", shown)
    with shown_waits("prod-rolling_upgrade", lambda: "prove control plane", every=timedelta(milliseconds=1)):
        with Wait("the API server to answer", MINUTE, about="cp2") as wait:
            for reason in ("connection refused", "503"):
                wait.says(reason)
                shown.wait_for(reason)
        shown.wait_for("no wait is under way")
    kinds = [kind for kind, *_ in shown.written]
    assert kinds[0] == "create"
    assert set(kinds[1:]) <= {"update"}
    assert shown.written[-1] == ("update", 100.0, "- the run has finished")
    assert all(text.startswith("step: prove control plane\n\n- ") for _, _, text in shown.written[:-1])


def test_a_run_that_never_waits_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one whose waits were over before it was time to write."""
    shown = Shown()
    monkeypatch.setattr(waiting, "shown_if_possible", shown)
    with (
        shown_waits("prod-etcd_health", lambda: "", every=timedelta(minutes=10)),
        Wait("it", MINUTE, about="m1") as wait,
    ):
        wait.says("not yet")
    assert shown.written == []
