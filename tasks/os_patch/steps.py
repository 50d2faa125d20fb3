"""Patches nodes.

Each task checks the current state, so a run that died can be started again and no node reboots twice.
"""

from prefect import task

from tasks.cluster import open_cluster
from tasks.core.retries import PATIENT
from tasks.node_work.waves import on_wave
from tasks.os_patch.models.outcome import WavePatched
from tasks.os_patch.models.plan import NodePatch, PatchOrders
from tasks.os_patch.node import patch_in_time
from tasks.run.locks import Check


@task(**PATIENT, task_run_name="patch-{node.name}")
def patch_node(cluster: str, node: NodePatch, orders: PatchOrders, check: Check) -> WavePatched:
    """Patches one node alone, as it is always done for control plane nodes.

    Quorum is counted before each act, and a failure ends the run.
    """
    return patch_in_time(open_cluster(cluster), node, orders, check)


@task(**PATIENT, task_run_name="patch-wave")
def patch_wave(
    cluster: str, wave: tuple[NodePatch, ...], orders: PatchOrders, check: Check, failed_before: int
) -> WavePatched:
    """Patches several workers at once.

    Workers that fail stay cordoned. More failures than max_failed stop the run.
    """
    handle = open_cluster(cluster)
    mine = orders.model_copy(update={"ours": (*orders.ours, *(node.name for node in wave))})

    good, failed = on_wave(
        wave,
        lambda node: patch_in_time(handle, node, mine, check),
        lambda node: node.name,
        failed_before=failed_before,
        budget=orders.options.waves.max_failed,
    )
    return WavePatched(
        nodes=tuple(node for end in good for node in end.nodes),
        waiting=tuple(wait for end in good for wait in end.waiting),
        failed=failed,
    )
