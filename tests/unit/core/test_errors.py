"""Errors as people read them, and as processes hand them on."""

import pickle

import pytest

from tasks.clients.etcd import Compacted
from tasks.clients.objectstore import AlreadyThere
from tasks.core.errors import CommandFailed, NotYet, Refused, RunbookError, TimedOut


@pytest.mark.parametrize("kind", [RunbookError, Refused, NotYet, TimedOut, CommandFailed, Compacted, AlreadyThere])
def test_an_error_survives_the_trip_between_processes(kind: type[RunbookError]) -> None:
    """Prefect pickles what a task raises."""
    there = pickle.loads(pickle.dumps(kind("2 of 3 members are down", hint="start one")))  # noqa: S301 - our own bytes
    assert type(there) is kind
    assert (there.problem, there.hint) == ("2 of 3 members are down", "start one")
    assert str(there) == "2 of 3 members are down -> start one"


def test_an_error_without_a_hint_is_its_problem() -> None:
    """No dangling arrow."""
    assert str(Refused("no")) == "no"
