"""Observes what patches are planned from: packages and boots of all nodes, and what allows or blocks disruption."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import task

from tasks.clients.ssh import CALL
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import RunbookError
from tasks.core.models.profile import MaintenanceRules
from tasks.core.retries import OBSERVE
from tasks.drain.observe import observe_forecasts
from tasks.etcd.observe import look_at_members
from tasks.gates.observe import what_gates_say
from tasks.node_work.blockers import alerts_that_fire
from tasks.node_work.controllers import look_at_controllers
from tasks.node_work.proof import look_at_symptoms
from tasks.nodes.observe import look_at_machines, look_at_nodes, look_at_workloads
from tasks.os_patch.models.facts import ClusterPatchFacts, PatchFacts
from tasks.os_patch.models.options import PatchOptions
from tasks.os_patch.probes import facts
from tasks.os_patch.records import read_records

LOOK = timedelta(minutes=4)
"""Limits the query of a node's package manager, including its repositories."""

API_LIMIT = timedelta(minutes=3)
"""Limits the wait for the only API server of a cluster, whose node reboots."""


@task(**OBSERVE, task_run_name="observe-patch-{cluster}")
def observe_patch(cluster: str, options: PatchOptions, run_id: str) -> ClusterPatchFacts:
    """Observes everything in parallel.

    That is packages and boots of all nodes, the API with a forecast of each drain, etcd, and earlier runs.
    """
    handle = open_cluster(cluster)
    _await_the_only_control_plane(handle)
    names = [node.name for node in handle.profile.nodes]
    looks: list[Callable[[], Any]] = [
        lambda: look_at_machines(handle),
        lambda: tuple(on_all(lambda name: look_at_patch(handle, name, options, refresh=True), names)),
        lambda: look_at_nodes(handle.kube),
        lambda: look_at_workloads(handle.kube),
        lambda: observe_forecasts(handle.kube, names, options.drain),
        lambda: look_at_members(handle, "auto"),
        lambda: what_gates_say(handle, handle.profile.gates),
        lambda: alerts_that_fire(handle),
        lambda: read_records(handle.store, cluster, names),
        lambda: look_at_controllers(handle.kube, handle.control_planes),
    ]
    machines, patches, nodes, workloads, forecasts, etcd, gates, alerts, earlier, controllers = on_all(
        lambda look: look(), looks
    )
    return ClusterPatchFacts(
        observed_at=datetime.now(UTC),
        run_id=run_id,
        machines=machines,
        patches=patches,
        nodes=nodes,
        workloads=workloads,
        forecasts=forecasts,
        etcd=etcd,
        gates=gates,
        alerts=alerts,
        symptoms=look_at_symptoms(handle, machines),
        controllers=controllers,
        earlier=earlier,
    )


def _await_the_only_control_plane(handle: Cluster) -> None:
    """Waits for the API of the only control plane node.

    An earlier run may have died while that node rebooted. Without the API there is neither a plan nor a lock.
    """
    name = handle.profile.name
    if len(wait_for(lambda: handle.control_planes, API_LIMIT, what="a control plane node to answer", about=name)) == 1:
        wait_for(lambda: handle.kube.get("/version"), API_LIMIT, what="the only API server to answer", about=name)


def read_maintenance(cluster: str) -> MaintenanceRules:
    """Returns the rules of the profile for windows, blockers and protected packages."""
    return open_cluster(cluster).profile.maintenance


def look_at_patch(handle: Cluster, name: str, options: PatchOptions, *, refresh: bool) -> PatchFacts:
    """Returns what a node's package manager would do, and the node's boot.

    A node that does not let us log in becomes a fact.
    """
    protect = handle.profile.maintenance.protect
    return _asked(handle, name, facts.look(options.scope, protect, refresh=refresh), options, LOOK)


def glance_at_patch(handle: Cluster, name: str, options: PatchOptions) -> PatchFacts:
    """Returns the facts for which the package manager is not asked what it would do."""
    return _asked(handle, name, facts.glance(handle.profile.maintenance.protect), options, CALL)


def _asked(handle: Cluster, name: str, script: str, options: PatchOptions, limit: timedelta) -> PatchFacts:
    try:
        told = handle.shell(name).ask(script, limit=limit)
    except RunbookError as error:
        return PatchFacts(name=name, unreached=error.problem)
    return facts.parse(name, told, options.scope, handle.profile.maintenance.protect)
