"""Measures the parts of the work on a node, with the time that each took."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from tasks.core.logs import log_about
from tasks.core.models.report import Took
from tasks.core.words import duration_in_words


class Noticing(Protocol):
    """Describes what was done to a node, with what was noticed on it."""

    @property
    def node(self) -> str:
        """Returns the name of the node."""

    @property
    def noticed(self) -> tuple[str, ...]:
        """Lists what is unhealthy but was no reason to fail."""


class Timed(Protocol):
    """Describes what was done to a node, with how long it took."""

    @property
    def node(self) -> str:
        """Returns the name of the node."""

    @property
    def took(self) -> timedelta:
        """Returns the time of the whole work on the node."""

    @property
    def parts(self) -> tuple[Took, ...]:
        """Lists the parts of the work, one after the other."""


class NodeParts:
    """Measures the parts of the work on a node; the clock starts when the object is created."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: list[Took] = []
        self._began = time.monotonic()

    @property
    def took(self) -> timedelta:
        """Returns the time since the work began."""
        return timedelta(seconds=round(time.monotonic() - self._began, 1))

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """Measures one part of the work, and adds it to the parts when it finishes."""
        began = time.monotonic()
        yield
        took = timedelta(seconds=round(time.monotonic() - began, 1))
        self.parts.append(Took(what=what, took=took))
        log_about(self.name).info("%s: done in %s", what, duration_in_words(took))


def what_was_noticed(done: Sequence[Noticing]) -> tuple[str, ...]:
    """Returns a line for each thing that is unhealthy but was no reason to fail."""
    return tuple(f"{one.node}: noticed, not a failure: {said}" for one in done for said in one.noticed)


def times_of_parts(one: Timed) -> str:
    """Formats the times of a node, for example `cp1: 2 min 6 s (gate 1 s, drain 3 s)`."""
    parts = ", ".join(f"{part.what} {duration_in_words(part.took)}" for part in one.parts)
    return f"{one.node}: {duration_in_words(one.took)} ({parts})"
