"""The parts of the work on a node, with the time that each took."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from tasks.core.logs import log_about
from tasks.core.models.report import Took


class Noticing(Protocol):
    """What was done to a node, with what was seen of it."""

    @property
    def node(self) -> str:
        """Its name."""

    @property
    def noticed(self) -> tuple[str, ...]:
        """What is not well, and was no reason to fail."""


class Timed(Protocol):
    """What was done to a node, with how long it took."""

    @property
    def node(self) -> str:
        """Its name."""

    @property
    def took(self) -> timedelta:
        """All of it."""

    @property
    def parts(self) -> tuple[Took, ...]:
        """One after the other."""


class NodeParts:
    """From when the work begins."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parts: list[Took] = []
        self._began = time.monotonic()

    @property
    def took(self) -> timedelta:
        """Since the work began."""
        return timedelta(seconds=round(time.monotonic() - self._began, 1))

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """A part of the work, with its time."""
        began = time.monotonic()
        yield
        took = timedelta(seconds=round(time.monotonic() - began, 1))
        self.parts.append(Took(what=what, took=took))
        log_about(self.name).info("%s: done in %.1f s", what, took.total_seconds())


def what_was_noticed(done: Sequence[Noticing]) -> tuple[str, ...]:
    """What is not well, and was no reason to fail."""
    return tuple(f"{one.node}: noticed, not a failure: {said}" for one in done for said in one.noticed)


def times_of_parts(one: Timed) -> str:
    """`cp1: 126 s (gate 1 s, drain 3 s)`."""
    parts = ", ".join(f"{part.what} {part.took.total_seconds():.0f} s" for part in one.parts)
    return f"{one.node}: {one.took.total_seconds():.0f} s ({parts})"
