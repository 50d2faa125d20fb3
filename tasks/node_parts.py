"""The parts of the work on a node, with the time that each took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from tasks.logs import log_about
from tasks.models.waves import Took


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
