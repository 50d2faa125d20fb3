"""Reads what earlier runs left in the bucket: how long each node took, and the diagnostics of failed nodes."""

from datetime import timedelta

from tasks.clients.objectstore import ObjectStore
from tasks.core.models.report import Outcome, Report
from tasks.core.redaction import redact
from tasks.run.policy.evidence import duration_of
from tasks.run.reports import read_kept, report_prefix

REPORTS = 5
"""Limits how many of the newest reports are read to find out how long a node takes."""


def read_history(store: ObjectStore, cluster: str, runbook: str) -> dict[str, timedelta]:
    """Returns by node how long it took in the newest run that finished it."""
    keys = sorted(found.key for found in store.objects(report_prefix(store, cluster, runbook)))
    found: dict[str, timedelta] = {}
    for key in [key for key in keys if key.endswith(".json")][-REPORTS:]:
        report = read_kept(store, key, Report)
        if report and report.outcome is not Outcome.RUNNING:
            found |= times_of(report)
    return found


def times_of(report: Report) -> dict[str, timedelta]:
    """Returns how long each node took that a report lists as done."""
    done = [node for step in report.done for node in (step.evidence, *_nested(step.evidence.get("nodes")))]
    told = {
        str(one["node"]): duration_of(one["took"])
        for one in done
        if isinstance(one, dict) and "node" in one and "took" in one and "parts" in one
    }
    return {node: took for node, took in told.items() if took is not None}


def keep_evidence(store: ObjectStore, cluster: str, runbook: str, name: str, text: str) -> str:
    """Saves the diagnostics of a failed node as a text beside the reports, and returns its address."""
    key = f"{report_prefix(store, cluster, runbook)}evidence/{name}.txt"
    store.put(key, redact(text).encode(), "text/plain; charset=utf-8")
    return store.uri(key)


def _nested(value: object) -> list[dict[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
