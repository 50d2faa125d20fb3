"""What earlier runs left in the bucket: how long each node took, and what failed nodes had to say."""

from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

from tasks.clients.objectstore import ObjectStore
from tasks.core.models.report import Outcome, Report
from tasks.core.redaction import redact
from tasks.run.reports import read_kept, report_prefix

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


def _nested(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _duration(value: object) -> timedelta | None:
    try:
        return _DURATION.validate_python(value)
    except ValidationError:
        return None
