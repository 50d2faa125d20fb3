"""Collects diagnostics of a node after a failed patch."""

from tasks.core.models.folders import PATCHES
from tasks.core.shell import script


def evidence() -> str:
    """Returns the script that prints diagnostics for people: systemd, failed units, packages, kubelet and boots."""
    return script(__file__, "evidence", patches=PATCHES)
