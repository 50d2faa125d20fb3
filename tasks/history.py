"""What earlier runs left in the bucket: how long each node took, and what failed nodes had to say."""

import json
from collections.abc import Sequence
from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

from tasks.at_once import on_all
from tasks.clients.objectstore import ObjectStore
from tasks.models.patch import Earlier, NodePatched
from tasks.models.report import Outcome, Report
from tasks.redaction import redact, redact_json
from tasks.reports import read_kept, report_prefix

_DURATION = TypeAdapter(timedelta)
REPORTS = 5
"""The newest ones that are asked for how long a node takes."""


def read_history(store: ObjectStore, cluster: str, runbook: str) -> dict[str, timedelta]:
    """Node to how long it took in the newest run that has it done."""
    keys = sorted(found.key for found in store.objects(report_prefix(store, cluster, runbook)))
    found: dict[str, timedelta] = {}
    for key in [key for key in keys if key.endswith(".json")][-REPORTS:]:
        report = read_kept(store, key, Report)
        if report and report.outcome is not Outcome.RUNNING:
            found |= times_of(report)
    return found


def times_of(report: Report) -> dict[str, timedelta]:
    """Of the nodes that a report has done."""
    done = [node for step in report.done for node in (step.evidence, *_nested(step.evidence.get("nodes")))]
    told = {
        str(one["node"]): _duration(one["took"])
        for one in done
        if isinstance(one, dict) and "node" in one and "took" in one and "parts" in one
    }
    return {node: took for node, took in told.items() if took is not None}


def keep_evidence(store: ObjectStore, cluster: str, runbook: str, name: str, text: str) -> str:
    """What a failed node has to say, as a text beside the reports; returns where it is."""
    key = f"{report_prefix(store, cluster, runbook)}evidence/{name}.txt"
    store.put(key, redact(text).encode(), "text/plain; charset=utf-8")
    return store.uri(key)


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


def _nested(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _duration(value: object) -> timedelta | None:
    try:
        return _DURATION.validate_python(value)
    except ValidationError:
        return None
