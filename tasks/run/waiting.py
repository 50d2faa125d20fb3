"""Shows what a run waits for in the Prefect UI: each waiting run has one progress artifact, updated in place."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.core.redaction import redact
from tasks.core.waits import Waiting, listener
from tasks.run.reports import shown_if_possible

WRITE_EVERY = timedelta(seconds=10)
"""Sets the minimum time between two updates; each is a request to the Prefect server and a write to its database."""

END_LIMIT = timedelta(seconds=5)
"""Limits the last update, so that an unreachable Prefect server does not delay the end of a run."""

NOTHING = (100.0, "- no wait is under way")
ENDED = "- the run has finished"


class Waits:
    """Holds the waits of a run that are in progress."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits: dict[object, Waiting] = {}

    def hears(self, wait: object, now: Waiting | None) -> None:
        """Takes the state of a wait after each check; `None` if it is over."""
        with self._lock:
            if now is None:
                self._waits.pop(wait, None)
            else:
                self._waits[wait] = now

    def shown(self) -> tuple[float, str]:
        """Returns the bar and the text of the artifact.

        The bar shows how much of its time limit a wait has used. The wait with the largest part counts.
        """
        with self._lock:
            waits = sorted(self._waits.values())
        lines = [f"- {one.about}: {one.sentence}" for one in waits]
        return (max(map(_used, waits)), redact("\n".join(lines))) if waits else NOTHING


def _used(one: Waiting) -> float:
    return round(100 * (1 - one.left / one.limit), 1) if one.limit else 100.0


@contextmanager
def shown_waits(name: str, doing: Callable[[], str], *, every: timedelta = WRITE_EVERY) -> Iterator[None]:
    """Shows the waits of the block, with the step that the run is `doing`.

    No wait depends on the Prefect server, because a separate thread writes. A run has no such artifact if all its waits
    are shorter than `every`.
    """
    waits, ended = Waits(), threading.Event()
    writer = _Writer(f"{name}-waits".replace("_", "-"))

    def write_news() -> None:
        written = NOTHING
        while not ended.wait(every.total_seconds()):
            step = f"step: {doing()}\n\n" if doing() else ""
            if (news := waits.shown()) != written and writer.write(news[0], step + news[1]):
                written = news
        writer.end()

    # In a copy of this context, which is the flow's: the artifact belongs to the run, not to the task that waits.
    thread = threading.Thread(target=copy_context().run, args=(write_news,), name="waits", daemon=True)
    thread.start()
    token = listener.set(waits.hears)
    try:
        yield
    finally:
        listener.reset(token)
        ended.set()
        thread.join(END_LIMIT.total_seconds())


class _Writer:
    """Writes the artifact of a run, and creates it when there is something to show."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._artifact: object = None

    def write(self, progress: float, description: str) -> bool:
        """Writes the state of the waits; returns whether Prefect accepted it."""
        shown: dict[str, object] = {"progress": progress, "description": description}
        if self._artifact:
            return bool(shown_if_possible(update_progress_artifact, artifact_id=self._artifact, **shown))
        self._artifact = shown_if_possible(create_progress_artifact, key=self._key, **shown)
        return bool(self._artifact)

    def end(self) -> None:
        """Shows that the run has finished, after which no wait follows."""
        if self._artifact:
            self.write(100.0, ENDED)
