"""Finds the conditions that block disruption of a node now.

They are other nodes, rollouts and firing alerts. They are checked again before each act.
"""

from collections.abc import Collection

from tasks.clients.prometheus import ask_prometheus
from tasks.cluster import Cluster
from tasks.core.errors import RunbookError
from tasks.node_work.policy.blockers import alert_in_words, what_blocks
from tasks.nodes.observe import look_at_nodes, look_at_workloads


def what_blocks_now(handle: Cluster, ours: Collection[str], *, allow_cordoned: bool) -> tuple[str, ...]:
    """Returns every condition that blocks disruption now.

    `ours` names the nodes that this run has out of service or has given up.
    """
    nodes, workloads = look_at_nodes(handle.kube), look_at_workloads(handle.kube)
    return what_blocks(nodes, workloads, alerts_that_fire(handle), ours, allow_cordoned=allow_cordoned)


def alerts_that_fire(handle: Cluster) -> tuple[str, ...]:
    """Returns the alerts that fire, by the query of the profile.

    A Prometheus that cannot be queried counts as an alert.
    """
    rules = handle.profile.maintenance.alerts
    if rules is None:
        return ()
    try:
        return tuple(alert_in_words(labels) for labels in ask_prometheus(rules.url, rules.query))
    except RunbookError as error:
        return (f"whether one does is not known: {error.problem}",)
