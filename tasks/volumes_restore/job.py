"""Holds what every act of a restore needs."""

from dataclasses import dataclass

from tasks.clients.kube import KubeClient
from tasks.run.locks import Check


@dataclass(frozen=True)
class Job:
    """Holds what every act of a run needs."""

    kube: KubeClient
    backup: str
    run_id: str
    check: Check
    """It belongs right before each write."""
