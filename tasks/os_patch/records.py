"""Keeps a record of what was done to each node in the store. The next run compares with it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.clients.objectstore import ObjectStore
from tasks.cluster import Cluster
from tasks.core.at_once import on_all
from tasks.core.errors import RunbookError
from tasks.core.logs import log_about
from tasks.core.redaction import redact_json
from tasks.node_work.work import NodeWork
from tasks.os_patch.models.facts import Earlier, PatchFacts, PatchIntent
from tasks.os_patch.models.outcome import NodePatched, Rebooted
from tasks.os_patch.policy.reboots import is_rebooted, why_pending, why_pinned
from tasks.run.history import REPORTS
from tasks.run.reports import read_kept


@dataclass
class Deeds:
    """This holds what a run has done on a node so far and what cannot be seen there afterwards."""

    at: datetime
    held: tuple[str, ...]
    """It lists the packages that were on hold before the run."""
    whole: bool = False
    """True if the run did everything from the gate on, and no earlier attempt had begun."""
    leader_moved_to: str = ""
    reboot_reason: str = ""
    reboot: Rebooted | None = None
    drained_again: bool = False


def record_of(work: NodeWork, run_id: str, facts: PatchFacts, intent: PatchIntent | None, deeds: Deeds) -> NodePatched:
    """Returns the record of a node, with the facts that the proof saw last."""
    drained = work.drained
    return NodePatched(
        node=work.name,
        run_id=run_id,
        at=deeds.at,
        changes=facts.delta,
        rebooted=is_rebooted(facts),
        reboot_reason=deeds.reboot_reason,
        reboot_pending=why_pending(facts),
        boot_before=intent.boot_id if intent else facts.boot_id,
        boot_after=facts.boot_id,
        away=deeds.reboot.away if deeds.reboot else None,
        kernel_before=intent.kernel if intent else facts.kernel,
        kernel_after=facts.kernel,
        system_state=facts.system_state,
        failed_units=facts.failed_units,
        protected=facts.updates.protected,
        clock_synced=facts.clock_synced,
        held=deeds.held,
        evicted=drained.evicted if drained else (),
        waited_for=drained.waited_for if drained else (),
        leader_moved_to=deeds.leader_moved_to,
        drained_again=deeds.drained_again,
        stays_cordoned=bool(drained and drained.cordoned_before),
        noticed=tuple(filter(None, (*work.noticed, why_pinned(facts)))),
        parts=tuple(work.parts),
        took=work.took,
        whole=deeds.whole,
    )


def keep(handle: Cluster, record: NodePatched) -> NodePatched:
    """Keeps the record, and returns it with its place.

    A failure to keep it does not fail the node, because the report has it too.
    """
    try:
        return record.model_copy(update={"record": keep_record(handle.store, handle.profile.name, record)})
    except RunbookError as error:
        log_about(record.node).warning("its record could not be kept: %s", error)
        return record


def keep_record(store: ObjectStore, cluster: str, record: NodePatched) -> str:
    """Keeps the result of a node, with its proof, among the records of that node. It returns the place."""
    key = f"{_records(store, cluster, record.node)}{record.at:%Y%m%dT%H%M%SZ}-{record.run_id}.json"
    body = redact_json(record.model_copy(update={"record": store.uri(key)}).model_dump(mode="json"))
    store.put(key, json.dumps(body, indent=2, ensure_ascii=False).encode(), "application/json")
    return store.uri(key)


def read_records(store: ObjectStore, cluster: str, nodes: Sequence[str]) -> dict[str, Earlier]:
    """Returns how long the last patch of each node took.

    Nodes without a patch that was done in one attempt are left out.
    """
    found = dict(zip(nodes, on_all(lambda node: _last_record(store, cluster, node), nodes), strict=True))
    return {node: Earlier(took=one.took, rebooted=one.rebooted) for node, one in found.items() if one}


def _last_record(store: ObjectStore, cluster: str, node: str) -> NodePatched | None:
    keys = sorted(found.key for found in store.objects(_records(store, cluster, node)))
    found = (read_kept(store, key, NodePatched) for key in reversed(keys[-REPORTS:]))
    return next((record for record in found if record and record.whole), None)


def _records(store: ObjectStore, cluster: str, node: str) -> str:
    return store.key(cluster, "nodes", node, "os-patch") + "/"
