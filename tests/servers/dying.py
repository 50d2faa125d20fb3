"""Runs that die after each of their writes: its answer is lost, as with a worker whose machine fails right then."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.clients.kube import KubeClient
from tasks.clients.kube.answer import Answer
from tasks.core.errors import FailedForGood

DIES = "it dies here"


def die_after_each_write(run: Callable[[], object], monkeypatch: pytest.MonkeyPatch, *, writes: int) -> list[str]:
    """Runs as often as there are writes. Each run makes one, whose answer it never sees. Returns the writes.

    Leases and dry runs do not count.
    """
    ordinary, written = KubeClient.send, list[str]()

    def dying(kube: KubeClient, method: str, path: str, *more: Any, **named: Any) -> Answer:  # noqa: ANN401 - as it is
        answer = ordinary(kube, method, path, *more, **named)
        if method != "GET" and "/leases" not in path and "dryRun" not in (named.get("query") or {}):
            written.append(f"{method} {path.rpartition('/')[2]}")
            raise FailedForGood(DIES)
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(KubeClient, "send", dying)
        for _ in range(writes):
            with pytest.raises(FailedForGood, match=DIES):
                run()
    return written
