"""Holds what both ways of issuing a credential work with."""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.access.models.audit import Asked
from tasks.cluster import Cluster
from tasks.run.locks import Check
from tasks.user_access.models.credentials import People
from tasks.user_access.models.grant import Login
from tasks.user_access.trust import Trust


class Work(NamedTuple):
    """Holds the cluster, the credential that the policy wants, the cells that prove it, and the people."""

    handle: Cluster
    login: Login
    cells: Sequence[Asked]
    trust: Trust
    people: People
    check: Check
    """It raises if the lock is not certainly this run's."""
