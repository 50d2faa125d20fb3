"""What of an object a backup has."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
import yaml

from tasks.resources.models import Kind
from tasks.resources.policy.contents import (
    APPLIED,
    KEYS,
    apart,
    file_of,
    new_writers,
    rules_digest,
    to_clean,
    to_file,
    together,
    why_left_out,
    writers_of,
)
from tests.facts.resources import NOON, kind

OWNED = {
    "name": "x",
    "namespace": "shop",
    "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": True}],
}
RBAC, FLOW = "rbac.authorization.k8s.io", "flowcontrol.apiserver.k8s.io"


def item(name: str = "x", namespace: str = "shop", **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of any object
    """An object of a list."""
    head = {"name": name} | ({"namespace": namespace} if namespace else {}) | fields.pop("metadata", {})
    return {"metadata": head, **fields}


LEFT: list[tuple[Kind, dict[str, Any], str]] = [
    (kind("Pod", "pods"), {"metadata": OWNED}, "its controller makes it"),
    (kind("Secret", "secrets"), {"metadata": OWNED}, ""),
    (kind("Pod", "pods"), item(), ""),
    (kind("Endpoints", "endpoints"), item(), ""),
    (kind("Endpoints", "endpoints"), item(metadata={"labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}}), "the cluster makes it from a Service"),
    (kind("EndpointSlice", "endpointslices", "discovery.k8s.io"), item(metadata={"labels": {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}}), "the cluster makes it from a Service"),
    (kind("EndpointSlice", "endpointslices", "discovery.k8s.io"), item(metadata={"labels": {"endpointslice.kubernetes.io/managed-by": "staff"}}), ""),
    (kind("EndpointSlice", "endpointslices", "discovery.k8s.io"), item("kubernetes", "default"), "the API server makes it"),
    (kind("Pod", "pods"), item(status={"phase": "Succeeded"}), "the pod has finished"),
    (kind("Pod", "pods"), item(status={"phase": "Running"}), ""),
    (kind("Job", "jobs", "batch"), item(status={"conditions": [{"type": "Complete", "status": "True"}]}), "the job has finished"),
    (kind("Job", "jobs", "batch"), item(status={"conditions": [{"type": "Suspended", "status": "True"}]}), ""),
    (kind(), item("kube-root-ca.crt"), "every namespace gets it"),
    (kind(), item("kubeadm-config", "kube-system"), "kubeadm writes it"),
    (kind(), item("kubeadm-config"), ""),
    (kind("ServiceAccount", "serviceaccounts"), item("default"), "every namespace gets it"),
    (kind("ServiceAccount", "serviceaccounts"), item("default", imagePullSecrets=[{"name": "a"}]), ""),
    (kind("ServiceAccount", "serviceaccounts"), item("default", automountServiceAccountToken=False), ""),
    (kind("ServiceAccount", "serviceaccounts"), item("default", metadata={"labels": {"a": "b"}}), ""),
    (kind("ServiceAccount", "serviceaccounts"), item("job-controller", "kube-system"), "the controller manager makes it"),
    (kind("ServiceAccount", "serviceaccounts"), item("job-controller"), ""),
    (kind("Secret", "secrets"), item(type="kubernetes.io/service-account-token"), "it is a token of a ServiceAccount, which only this cluster accepts"),
    (kind("Secret", "secrets"), item(type="bootstrap.kubernetes.io/token"), "it is a token that expires"),
    (kind("Secret", "secrets"), item(type="Opaque"), ""),
    (kind("ClusterRole", "clusterroles", RBAC), item(metadata={"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}), "the API server makes it"),
    (kind("FlowSchema", "flowschemas", FLOW), item(metadata={"annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}}), "the API server makes it"),
    (kind("APIService", "apiservices", "apiregistration.k8s.io"), item(metadata={"labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"}}), "the API server makes it"),
    (kind("ClusterTrustBundle", "clustertrustbundles", "certificates.k8s.io"), item(spec={"signerName": "kubernetes.io/kube-apiserver-serving"}), "its signer publishes it"),
    (kind("ClusterTrustBundle", "clustertrustbundles", "certificates.k8s.io"), item(spec={"signerName": "example.com/own"}), ""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "found", "reason"), LEFT, ids=range(len(LEFT)))
def test_what_the_cluster_makes_is_left_out(kind: Kind, found: dict[str, Any], reason: str) -> None:
    """With its reason; an operator's Secret stays, although a controller owns it."""
    assert why_left_out(kind, found) == reason


def test_fields_of_servers_are_removed() -> None:
    """And all others stay."""
    head = {
        "name": "x",
        "uid": "1",
        "resourceVersion": "2",
        "managedFields": [],
        "creationTimestamp": "t",
        "labels": {"a": "b"},
        "annotations": {"deployment.kubernetes.io/revision": "3", "mine": "yes"},
    }
    kind_ = kind("Deployment", "deployments", "apps")
    found = to_clean(kind_, {"metadata": head, "spec": {"replicas": 3}, "status": {"replicas": 3}})
    assert found == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "x", "labels": {"a": "b"}, "annotations": {"mine": "yes"}},
        "spec": {"replicas": 3},
    }
    head["annotations"] = {"deployment.kubernetes.io/revision": "3"}
    assert "annotations" not in to_clean(kind_, {"metadata": head})["metadata"]


def test_the_handle_of_a_snapshot_stays() -> None:
    """It is in the status, and nowhere else."""
    group = "snapshot.storage.k8s.io"
    snapshot = kind("VolumeSnapshotContent", "volumesnapshotcontents", group)
    status = {"snapshotHandle": "snap-1"}
    assert to_clean(snapshot, {"metadata": {"name": "x"}, "status": status})["status"] == status


def test_a_volume_forgets_the_uid_of_its_claim() -> None:
    """With it the volume would be released, and its data deleted."""
    claim = {"name": "data", "namespace": "shop", "uid": "1", "resourceVersion": "2"}
    found = to_clean(kind("PersistentVolume", "persistentvolumes"), item(spec={"claimRef": claim, "a": 1}))
    assert found["spec"] == {"claimRef": {"name": "data", "namespace": "shop"}, "a": 1}
    assert to_clean(kind("PersistentVolume", "persistentvolumes"), item(spec={"a": 1}))["spec"] == {"a": 1}


def test_an_account_forgets_its_tokens_and_a_namespace_its_finalizers() -> None:
    """The cluster makes them again."""
    account = to_clean(kind("ServiceAccount", "serviceaccounts"), item(secrets=[{"name": "t"}]))
    assert "secrets" not in account
    namespace = kind("Namespace", "namespaces")
    assert "spec" not in to_clean(namespace, item(spec={"finalizers": ["kubernetes"]}))
    assert to_clean(namespace, item(spec={"finalizers": ["kubernetes"], "own": 1}))["spec"] == {"own": 1}


def test_a_role_that_collects_others_forgets_what_it_collected() -> None:
    """A controller writes its rules."""
    role = kind("ClusterRole", "clusterroles", "rbac.authorization.k8s.io")
    found = {
        "metadata": {"name": "all"},
        "aggregationRule": {"clusterRoleSelectors": []},
        "rules": [{"verbs": ["get"]}],
    }
    assert "rules" not in to_clean(role, found)
    del found["aggregationRule"]
    assert to_clean(role, found)["rules"] == [{"verbs": ["get"]}]


def test_a_job_forgets_what_the_api_server_generated() -> None:
    """A selector of one's own stays."""
    labels = {"batch.kubernetes.io/controller-uid": "1", "controller-uid": "1", "app": "web"}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {}}}
    job = kind("Job", "jobs", "batch")
    found = to_clean(job, item(metadata={"labels": {"controller-uid": "1"}}, spec=spec))
    assert found["spec"] == {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {}}}
    assert "labels" not in found["metadata"]
    own = item(spec=spec | {"manualSelector": True})
    assert to_clean(job, own)["spec"] == own["spec"]


def test_a_secret_is_taken_apart_and_put_together() -> None:
    """The readable part has the names of the keys, and no value, not even in the annotation of kubectl."""
    notes = {APPLIED: '{"data":{"a":"c2VjcmV0"}}', "mine": "yes"}
    secret = {"metadata": {"name": "x", "annotations": notes}, "data": {"b": "c2VjcmV0", "a": "eA=="}, "type": "Opaque"}
    readable, hidden = apart(secret)
    assert "c2VjcmV0" not in json.dumps(readable)
    assert readable == {"metadata": {"name": "x", "annotations": {"mine": "yes"}}, "type": "Opaque", KEYS: ["a", "b"]}
    assert together(readable, hidden) == secret
    only = secret | {"metadata": {"name": "x", "annotations": {APPLIED: "y"}}}
    readable, hidden = apart(only)
    assert "annotations" not in readable["metadata"]
    assert together(readable, hidden) == only
    empty = {"metadata": {"name": "x"}, "type": "Opaque"}
    assert apart(empty) == (empty | {KEYS: []}, {})
    assert together(*apart(empty)) == empty


def test_a_file_is_canonical() -> None:
    """Its digest is of the text, and equal objects have equal files; a Secret has a part to encrypt."""
    one = to_file(kind(), {"metadata": {"name": "x", "uid": "1"}, "data": {"b": "1", "a": "2"}})
    two = to_file(kind(), {"data": {"a": "2", "b": "1"}, "metadata": {"uid": "2", "name": "x"}})
    assert one == two
    assert one.sha256 == hashlib.sha256(one.text).hexdigest()
    assert one.sealed == b""
    assert one.text.startswith(b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n")
    secret = to_file(kind("Secret", "secrets"), {"metadata": {"name": "x"}, "data": {"a": "eA=="}})
    assert json.loads(secret.sealed) == {"data": {"a": "eA=="}}
    assert yaml.safe_load(secret.text)[KEYS] == ["a"]
    assert to_file(kind("Secret", "secrets"), {"metadata": {"name": "x"}}).sealed == b""


def test_paths_and_writers() -> None:
    """A path says all of it; the newest writers come first, and those of the status do not count."""
    assert file_of(kind(), "shop", "app") == "namespaces/shop/core/ConfigMap/app.yaml"
    assert file_of(kind("Node", "nodes", "x.io"), "", "n1") == "cluster/x.io/Node/n1.yaml"
    fields = [
        {"manager": "helm", "time": "2026-11-01T00:00:00Z"},
        {"manager": "kube-controller-manager", "time": "2026-12-02T00:00:00Z", "subresource": "status"},
        {"manager": "kubectl-edit", "time": "2026-12-01T12:30:00Z"},
        {"manager": "before"},
    ]
    writers = writers_of({"metadata": {"managedFields": fields}})
    assert writers == "kubectl-edit 2026-12-01T12:30:00Z; helm 2026-11-01T00:00:00Z; before"
    assert writers_of({}) == ""
    assert new_writers(writers, NOON) == "kubectl-edit 2026-12-01T12:30:00Z"
    assert new_writers(writers, NOON + timedelta(days=1)) == "kubectl-edit 2026-12-01T12:30:00Z"
    assert rules_digest(["a"]) != rules_digest(["b"])
