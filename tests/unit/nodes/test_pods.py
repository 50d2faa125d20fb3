"""What a real API server (v1.36.3) answered about pods and what surrounds them, read; and made odd."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tasks.core.models import outside
from tasks.nodes.models.pods import Attachment, Controller, LabelSelector, NodeTerm, Operator, Requirement, Toleration
from tasks.nodes.probes.pods import (
    controller_of,
    parse_attachment,
    parse_behind,
    parse_budget,
    parse_node_terms,
    parse_pod,
    parse_selector,
    parse_volume,
)

DATA = Path(__file__).parents[1] / "data" / "drain"


def recorded(name: str) -> list[dict[str, Any]]:
    """The objects of a list."""
    found: list[dict[str, Any]] = json.loads((DATA / f"{name}.json").read_text())["items"]
    return found


PODS = {pod.name.rpartition("-")[0] or pod.name: pod for pod in map(parse_pod, recorded("pods"))}


def test_a_pod_of_a_deployment() -> None:
    """With all that places it."""
    pod = PODS["web-6fd45dfd67"]
    assert (pod.namespace, pod.node, pod.phase, pod.ready, pod.stops_by) == ("shop", "w1", "Running", True, None)
    assert pod.labels["app"] == "web"
    assert pod.controller == Controller(kind="ReplicaSet", api_version="apps/v1", name="web-6fd45dfd67")
    assert pod.empty_dirs == ("cache",)
    assert pod.node_labels == {"kubernetes.io/os": "linux"}
    here = Requirement(key="metadata.name", operator=Operator.IN, operands=("w1",))
    hosts = Requirement(key="kubernetes.io/hostname", operator=Operator.IN, operands=("w1", "w2"))
    assert pod.node_terms == (NodeTerm(labels=(hosts,)), NodeTerm(fields=(here,)))
    assert Toleration(key="node.kubernetes.io/not-ready", operator="Exists", effect="NoExecute") in pod.tolerations
    assert (pod.grace_period, pod.mirror, pod.is_finished) == (timedelta(seconds=30), False, False)


def test_pods_of_other_kinds() -> None:
    """Without a controller and held by a finalizer; the kubelet's; one with a claim; one that is not ready."""
    bare = PODS["bare"]
    assert (bare.controller, bare.finalizers) == (None, ("example.com/hold",))
    assert bare.stops_by == datetime(2026, 11, 24, 18, 39, 58, tzinfo=UTC)
    assert bare.grace_period == timedelta(hours=1)
    assert PODS["mirror"].mirror
    assert PODS["db"].claims == ("data-db-0",)
    assert not PODS["sick-7d9dc8779c"].ready
    assert PODS["agent"].controller == Controller(kind="DaemonSet", api_version="apps/v1", name="agent")
    assert PODS["agent"].tolerations[0] == Toleration(operator="Exists")


def test_a_pod_that_nobody_has_started() -> None:
    """Not bound; an owner that is no controller; an ephemeral volume, whose claim is made anew."""
    owner = {"kind": "Node", "apiVersion": "v1", "name": "w1"}
    pod = parse_pod(
        {
            "metadata": {"namespace": "a", "name": "b", "uid": "c", "ownerReferences": [owner]},
            "spec": {"volumes": [{"name": "scratch", "ephemeral": {}}]},
        }
    )
    assert (pod.node, pod.phase, pod.ready, pod.controller, pod.claims) == ("", "Unknown", False, None, ())
    assert (pod.node_terms, pod.own_claims) == (None, ("b-scratch",))


def test_budgets() -> None:
    """Rules, figures, and whether they are of these rules."""
    budgets = {budget.name: budget for budget in map(parse_budget, recorded("budgets"))}
    web, sick, db = budgets["web"], budgets["sick"], budgets["db"]
    assert web.selector == LabelSelector(
        expressions=(Requirement(key="app", operator=Operator.IN, operands=("web", "shop")),)
    )
    told = "PodDisruptionBudget shop/web (minAvailable 100%) needs 3 healthy pods, has 3 of 3, and allows 0 disruptions"
    assert (web.figures, web.is_counted, web.problem) == (told, True, "")
    assert (sick.rule, sick.always_allows_unready, sick.healthy, sick.needed) == ("minAvailable 1", True, 0, 1)
    assert (db.rule, db.selector) == ("maxUnavailable 0", LabelSelector(labels={"app": "db"}))


def test_a_budget_that_is_new_or_cannot_be_counted() -> None:
    """Figures of older rules are none; the controllers say why they fail."""
    raw: dict[str, Any] = {"metadata": {"namespace": "a", "name": "b", "generation": 2}, "spec": {}}
    new = parse_budget(raw)
    assert (new.is_counted, new.rule, new.selector) == (False, "no rule", None)
    failed = {"type": "DisruptionAllowed", "reason": "SyncFailed", "message": "found no controllers"}
    assert parse_budget(raw | {"status": {"conditions": [{"type": "Other"}, failed]}}).problem == "found no controllers"
    assert parse_budget(raw | {"status": {"conditions": [failed | {"message": ""}]}}).problem == "SyncFailed"


def test_no_selector_is_not_an_empty_one() -> None:
    """Of labels and of nodes."""
    assert parse_selector(None) is None
    assert parse_selector(outside.Selector()) == LabelSelector()
    assert parse_node_terms(None) is None
    assert parse_node_terms(outside.NodeSelector()) == ()


def test_volumes() -> None:
    """Of a claim, with the nodes that have them; a free one is nobody's."""
    (raw,) = recorded("volumes")
    volume = parse_volume(raw)
    assert volume
    assert (volume.name, volume.claim) == ("pv-db", "shop/data-db-0")
    here = Requirement(key="kubernetes.io/hostname", operator=Operator.IN, operands=("w1",))
    assert volume.node_terms == (NodeTerm(labels=(here,)),)
    assert parse_volume({"metadata": {"name": "free"}, "spec": {}}) is None


def test_attachments() -> None:
    """Of a persistent volume, or of one that a pod describes itself."""
    raw: dict[str, Any] = {"metadata": {"name": "csi-1"}, "spec": {"nodeName": "w1", "attacher": "csi"}}
    assert parse_attachment(raw) == Attachment(name="csi-1", node="w1", attacher="csi")
    raw["spec"]["source"] = {"persistentVolumeName": "pv-1"}
    assert parse_attachment(raw).volume == "pv-1"
    raw["status"] = {"attached": True, "detachError": {"message": "it is busy", "time": "2026-12-02T04:00:00Z"}}
    assert parse_attachment(raw).problem == "it is busy"


def test_what_stands_behind_a_controller() -> None:
    """The custom resource that it belongs to, also where that does not call itself its controller; the labels of its template."""
    named = {"name": "pg", "namespace": "db"}
    spec = {"template": {"metadata": {"labels": {"app": "pg"}}}}
    made = {"metadata": named, "spec": spec}
    owner = {"kind": "postgresql", "apiVersion": "acid.zalan.do/v1", "name": "pg", "uid": "1"}
    mine = Controller(kind="StatefulSet", api_version="apps/v1", name="pg")
    plain = parse_behind(mine, made)
    assert (plain.namespace, plain.controller, plain.operator, plain.labels) == ("db", mine, None, {"app": "pg"})
    assert controller_of(made) is None
    owned = {"metadata": {**named, "ownerReferences": [owner]}, "spec": spec}
    assert str(parse_behind(mine, owned).operator) == "postgresql pg (acid.zalan.do/v1)"
    assert controller_of(owned) is None
    deployment = {"kind": "Deployment", "apiVersion": "apps/v1", "name": "web", "uid": "2", "controller": True}
    above = {"metadata": {**named, "ownerReferences": [deployment]}}
    assert parse_behind(mine, above).operator is None
    assert controller_of(above) == Controller(kind="Deployment", api_version="apps/v1", name="web")


def test_a_budget_that_an_operator_has_made() -> None:
    """Its owner is a custom resource."""
    owner = {"kind": "Cluster", "apiVersion": "postgresql.cnpg.io/v1", "name": "pg", "uid": "1", "controller": True}
    raw = {"metadata": {"name": "pg", "namespace": "db", "ownerReferences": [owner]}}
    assert str(parse_budget(raw).operator) == "Cluster pg (postgresql.cnpg.io/v1)"
    assert parse_budget({"metadata": {"name": "pg", "namespace": "db"}}).operator is None
