"""Leaves a node whose work failed in a safe state.

A whole node is left as it was found. Another one is cordoned, with the reason and diagnostics.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.cluster import Cluster
from tasks.core.errors import RunbookError
from tasks.core.models.findings import Problem
from tasks.drain.cordon import cordon, keep_cordoned, uncordon
from tasks.run.history import keep_evidence


@dataclass(frozen=True)
class PutBack:
    """This puts one node back for one run.

    If a step fails, the next step of the error says so, and the original error stays visible.
    """

    handle: Cluster
    name: str
    runbook: str
    run_id: str
    ticket: str

    def as_found(self, failure: Problem | None) -> str:
        """Leaves a whole node as it was found, also its cordon. `failure` is why an earlier run has left it cordoned."""
        try:
            if failure:
                self._cordon(f"left by an earlier run of {self.runbook}")
                keep_cordoned(self.handle.kube, self.name, failure.text)
                return f"{self.name} stays cordoned as it was found: {failure}"
            ours = uncordon(self.handle.kube, self.name)
        except RunbookError as second:
            return f"{self.name} could not be left as it was found: {second.problem}"
        return f"{self.name} is uncordoned again: nothing is half done there" if ours else ""

    def cordoned(self, error: RunbookError, unhealthy: Sequence[str], diagnostics: Callable[[], str]) -> str:
        """Leaves a node with unfinished work cordoned, and saves its diagnostics to the bucket."""
        return f"{self._stays_cordoned(error, unhealthy)}; {self._kept(diagnostics)}"

    def _stays_cordoned(self, error: RunbookError, unhealthy: Sequence[str]) -> str:
        try:
            self._cordon(f"{self.runbook} failed here", unhealthy)
            keep_cordoned(self.handle.kube, self.name, error.problem)
        except RunbookError as second:
            return f"{self.name} could not be cordoned: {second.problem}"
        return f"{self.name} stays cordoned"

    def _cordon(self, reason: str, unhealthy: Sequence[str] | None = None) -> None:
        cordon(self.handle.kube, self.name, self.run_id, reason, ticket=self.ticket, unhealthy=unhealthy)

    def _kept(self, diagnostics: Callable[[], str]) -> str:
        try:
            store, cluster = self.handle.store, self.handle.profile.name
            place = keep_evidence(store, cluster, self.runbook, f"{self.run_id}-{self.name}", diagnostics())
        except RunbookError as second:
            return f"its diagnostics could not be saved: {second.problem}"
        return f"diagnostics saved to {place}"
