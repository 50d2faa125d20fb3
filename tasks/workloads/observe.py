"""Observes workloads: the controllers, their revisions, their pods, and the warnings about them."""

from collections import Counter
from collections.abc import Container, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from tasks.clients.kube import KubeClient
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import RunbookError
from tasks.core.models import outside
from tasks.core.models.outside import name_of
from tasks.core.redaction import redact
from tasks.workloads.models.history import History
from tasks.workloads.models.names import Kind, Ref, collection
from tasks.workloads.models.state import Cause, Trouble, Workload, WorkloadStatus
from tasks.workloads.policy.causes import AUTOSCALED, troubles_of
from tasks.workloads.policy.history import history_of
from tasks.workloads.policy.masking import masked
from tasks.workloads.policy.rollout import standing_of
from tasks.workloads.probes.parsing import (
    newest_revision,
    parse_events,
    parse_history,
    parse_pods,
    parse_workload,
    parse_writers,
    selector_text,
)

JSON = dict[str, Any]

REVISIONS = {
    Kind.DEPLOYMENT: "replicasets",
    Kind.STATEFUL_SET: "controllerrevisions",
    Kind.DAEMON_SET: "controllerrevisions",
}
LINES = 8
"""Limits how many of the last lines of a log are shown."""

LOG_LIMIT = timedelta(seconds=5)
"""Limits how long a log is waited for. A kubelet asks the API first whether it may show it, and a busy API may not answer at once."""


def read_workload(kube: KubeClient, ref: Ref) -> Workload | None:
    """Reads one workload with its pods; None if it does not exist."""
    raw = kube.find(ref.path)
    return None if raw is None else with_pods(kube, ref, raw)


def with_pods(kube: KubeClient, ref: Ref, raw: JSON, known: Container[str] = ()) -> Workload:
    """Reads the revisions, pods and warnings of a workload that was just read, without warnings that are `known`."""
    selector = selector_text(outside.Rolled.read(raw, name_of(ref.kind.title, raw)).spec.selector)
    queries = (
        (collection(ref.namespace, REVISIONS[ref.kind]), {"labelSelector": selector}),
        (f"/api/v1/namespaces/{ref.namespace}/pods", {"labelSelector": selector}),
        (f"/api/v1/namespaces/{ref.namespace}/events", {"fieldSelector": "type=Warning"}),
        (f"/api/v1/namespaces/{ref.namespace}/events", {"fieldSelector": f"reason={AUTOSCALED}"}),
    )
    revisions, pods, warnings, scaled = on_all(lambda one: kube.items(one[0], **one[1]), queries)
    return parse_workload(ref, raw, revisions, pods, [*warnings, *scaled], known)


def known_events(kube: KubeClient, namespace: str) -> frozenset[str]:
    """Returns the warnings that are there before a change, so that they are not taken for its result."""
    found = kube.items(f"/api/v1/namespaces/{namespace}/events", fieldSelector="type=Warning")
    return frozenset(one.uid for one in parse_events(found))


def find_refs(kube: KubeClient, namespace: str) -> tuple[Ref, ...]:
    """Lists all workloads of a namespace."""
    found = on_all(lambda kind: [(kind, raw) for raw in kube.items(collection(namespace, kind.plural))], list(Kind))
    pairs = [pair for kind in found for pair in kind]
    return tuple(
        Ref(namespace=namespace, kind=kind, name=outside.Named.read(raw, name_of(kind.title, raw)).metadata.name)
        for kind, raw in pairs
    )


def status_of(kube: KubeClient, workload: Workload, *, logs: bool) -> WorkloadStatus:
    """Returns how far a workload is, and why it is not finished."""
    standing = standing_of(workload)
    troubles: Sequence[Trouble] = () if standing.done else troubles_of(workload)
    if logs:
        troubles = on_all(lambda one: with_log(kube, workload.ref.namespace, one), troubles)
    return WorkloadStatus(
        workload=workload.ref.workload,
        standing=standing,
        replicas=workload.replicas,
        updated=workload.updated,
        available=workload.available,
        revision=workload.revision,
        troubles=tuple(troubles),
    )


def with_log(kube: KubeClient, namespace: str, trouble: Trouble) -> Trouble:
    """Adds the last lines of the log of a container that ended, masked; or why they cannot be read."""
    if trouble.cause not in {Cause.CRASH, Cause.CRASHED_ONCE}:
        return trouble
    previous = {"previous": "true"} if trouble.runs_again else {}  # the kubelet keeps only the newest one that ended
    query = urlencode({"container": trouble.container, "tailLines": LINES} | previous)
    path = f"/api/v1/namespaces/{namespace}/pods/{trouble.pod}/log?{query}"
    try:
        text = wait_for(lambda: kube.text(path), LOG_LIMIT, what="its log", about=f"{namespace}/{trouble.pod}")
    except RunbookError as error:
        return trouble.model_copy(update={"log": (f"its log could not be read: {error.problem}",)})
    return trouble.model_copy(update={"log": tuple(masked(redact(line)) for line in text.splitlines()[-LINES:])})


def read_history(kube: KubeClient, ref: Ref) -> History | None:
    """Reads the revisions of a workload; None if it does not exist."""
    raw = kube.find(ref.path)
    if raw is None:
        return None
    selector = {"labelSelector": selector_text(outside.Rolled.read(raw, name_of(ref.kind.title, raw)).spec.selector)}
    paths = (collection(ref.namespace, REVISIONS[ref.kind]), f"/api/v1/namespaces/{ref.namespace}/pods")
    revisions, pods = on_all(lambda path: kube.items(path, **selector), paths)
    current, _ = newest_revision(ref.kind, raw, revisions)
    uid = outside.Rolled.read(raw, name_of(ref.kind.title, raw)).metadata.uid
    counts = Counter(one.revision for one in parse_pods(ref.kind, uid, revisions, pods, ()))
    found = history_of(parse_history(ref.kind, raw, revisions), current, parse_writers(raw), counts)
    return History(workload=ref.workload, revisions=found)
