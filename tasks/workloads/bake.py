"""Watches a group that is rolled out through its bake time, with the gates of the profile."""

from collections.abc import Sequence
from datetime import timedelta

from tasks.cluster import Cluster
from tasks.core.at_once import wait_for
from tasks.core.models.profile import SiteGate
from tasks.gates.observe import what_gates_say
from tasks.workloads.models.state import Workload
from tasks.workloads.watch import RolloutFailed, Watch

ASK_EVERY = timedelta(seconds=2)
"""Is the time between two questions to a gate."""


def bake(  # noqa: PLR0913 - each has a name at the call
    handle: Cluster, watch: Watch, gates: Sequence[SiteGate], *, length: timedelta, limit: timedelta, about: str
) -> list[Workload]:
    """Returns the workloads after they stayed available, without a restart and with open gates, for the bake time.

    A pod that is missing meanwhile begins the bake time again, until the limit.

    Raises:
        RolloutFailed: a gate is closed or does not answer; or a cause is final.
        TimedOut: something was missing when the limit was reached.
    """

    def look() -> list[Workload]:
        found = watch.look()
        if closed := what_gates_say(handle, gates):
            raise RolloutFailed(f"{about}: closed after the change: {'; '.join(closed)}")
        return found

    return wait_for(look, length + limit, what="the bake time to pass", about=about, stable_for=length, every=ASK_EVERY)
