"""How a lock ends where a place hangs: the run's own end, its report, has to come before somebody kills the process."""

import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from tasks.cluster import Cluster
from tasks.core.errors import NotYet
from tasks.run.locks import Limits, held
from tasks.run.models.lock import Holder, Owner, Terms

HOLDER = Holder(runbook="node_drain", run_name="drain", started_at=datetime(2026, 11, 24, 12, tzinfo=UTC))


class Hanging:
    """An API whose connections are opened one at a time, and the first never ends: it leads through SSH to a dead node."""

    def __init__(self) -> None:
        self.opening = threading.Lock()
        self.over = threading.Event()

    def find(self, _: str) -> None:
        """Opens it."""
        with self.opening:
            self.over.wait(20)
        raise NotYet("no connection")

    def close(self) -> None:
        """As `KubeClient` does it: not while one is opened."""
        with self.opening:
            pass


def test_an_api_that_hangs_does_not_hold_up_the_end() -> None:
    """It is left to its time."""
    api = Hanging()
    kubernetes = SimpleNamespace(kubeconfig="file:/x")
    profile = SimpleNamespace(name="prod", ssh=None, nodes=(), kubernetes=kubernetes)
    handle = cast("Cluster", SimpleNamespace(profile=profile, own_kube=lambda *_: api))
    limits = Limits(take=timedelta(seconds=0.2), give_back=timedelta(seconds=0.2))
    terms = Terms(owner=Owner(run_id="run-1", process="p"), seconds=0.1)
    try:
        with (
            pytest.raises(NotYet, match="has not answered yet"),
            held(handle, terms, HOLDER, (), limits),
        ):
            pass
    finally:
        api.over.set()
