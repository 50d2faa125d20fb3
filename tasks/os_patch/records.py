"""What was done to each node, kept in the store: the next run compares with it."""

import json
from collections.abc import Sequence

from tasks.clients.objectstore import ObjectStore
from tasks.core.at_once import on_all
from tasks.core.redaction import redact_json
from tasks.os_patch.models import Earlier, NodePatched
from tasks.run.history import REPORTS
from tasks.run.reports import read_kept


def keep_record(store: ObjectStore, cluster: str, record: NodePatched) -> str:
    """What became of a node, with the proof of it, among the records of that node; returns where it is."""
    key = f"{_records(store, cluster, record.node)}{record.at:%Y%m%dT%H%M%SZ}-{record.run_id}.json"
    body = redact_json(record.model_copy(update={"record": store.uri(key)}).model_dump(mode="json"))
    store.put(key, json.dumps(body, indent=2, ensure_ascii=False).encode(), "application/json")
    return store.uri(key)


def read_records(store: ObjectStore, cluster: str, nodes: Sequence[str]) -> dict[str, Earlier]:
    """Of each node that has one, how long its last patch took that was done in one attempt."""
    found = dict(zip(nodes, on_all(lambda node: _last_record(store, cluster, node), nodes), strict=True))
    return {node: Earlier(took=one.took, rebooted=one.rebooted) for node, one in found.items() if one}


def _last_record(store: ObjectStore, cluster: str, node: str) -> NodePatched | None:
    keys = sorted(found.key for found in store.objects(_records(store, cluster, node)))
    found = (read_kept(store, key, NodePatched) for key in reversed(keys[-REPORTS:]))
    return next((record for record in found if record and record.whole), None)


def _records(store: ObjectStore, cluster: str, node: str) -> str:
    return store.key(cluster, "nodes", node, "os-patch") + "/"
