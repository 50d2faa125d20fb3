"""Decides what of an object a backup has: nothing if the cluster makes it, else its file without the server's fields."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tasks.resources.models import Kind
from tasks.resources.policy.text import to_yaml

JSON = dict[str, Any]

RULES = 2
"""Counts the changes of the rules of this module: a backup by other rules writes every file again."""

FIRST = ("apiVersion", "kind", "metadata")

SERVER_FIELDS = frozenset(
    {
        "managedFields",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    }
)
"""The fields of metadata that only the API server writes."""

SERVER_NOTES = frozenset(
    {
        "deployment.kubernetes.io/revision",
        "deprecated.daemonset.template.generation",
        "pv.kubernetes.io/bind-completed",
        "pv.kubernetes.io/bound-by-controller",
        "volume.beta.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/storage-provisioner",
        "volume.kubernetes.io/selected-node",
    }
)
"""Annotations that controllers write."""

APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

KEPT_STATUS = frozenset(
    {("snapshot.storage.k8s.io", "VolumeSnapshotContent"), ("snapshot.storage.k8s.io", "VolumeSnapshot")}
)
"""Kinds whose status names something outside of the cluster, the handle of a snapshot."""

JOB_LABELS = frozenset({"controller-uid", "batch.kubernetes.io/controller-uid"})
TOKEN, BOOTSTRAP = "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"
KEYS = "sealedKeys"
"""In the file of a Secret, it lists the names of the keys whose values are in the encrypted part.

The API knows no such field, so nobody can apply the file by mistake and empty the Secret.
"""

MANAGERS = 3
"""Limits how many writers an entry names."""

NAMES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("", "ConfigMap"): {
        "kube-root-ca.crt": "every namespace gets it",
        "kube-system/extension-apiserver-authentication": "the API server writes it",
        "kube-system/kube-apiserver-legacy-service-account-token-tracking": "the API server writes it",
        "kube-system/kubeadm-config": "kubeadm writes it",
        "kube-system/kubelet-config": "kubeadm writes it",
        "kube-public/cluster-info": "kubeadm writes it",
    },
    ("", "Service"): {"default/kubernetes": "the API server makes it"},
    ("", "Endpoints"): {"default/kubernetes": "the API server makes it"},
    ("discovery.k8s.io", "EndpointSlice"): {"default/kubernetes": "the API server makes it"},
    ("networking.k8s.io", "ServiceCIDR"): {"kubernetes": "the API server makes it"},
    ("scheduling.k8s.io", "PriorityClass"): {
        "system-cluster-critical": "the API server makes it",
        "system-node-critical": "the API server makes it",
    },
}
"""Names of objects that every cluster makes, with the namespace or without."""

MADE_AGAIN = frozenset(
    {
        ("", "Pod"),
        ("apps", "ReplicaSet"),
        ("apps", "ControllerRevision"),
        ("batch", "Job"),
        ("", "ReplicationController"),
        ("discovery.k8s.io", "EndpointSlice"),
    }
)
"""Kinds that a controller of Kubernetes makes again, with nothing lost.

Objects of other kinds stay in the backup although a controller owns them: a Secret of an operator may have a password
that nobody else knows.
"""

ACCOUNT_FIELDS = ("imagePullSecrets", "automountServiceAccountToken")
"""Fields that people set in the ServiceAccount `default`, which then is a part of the backup."""

CONTROLLER_ACCOUNTS = frozenset(
    {
        "attachdetach-controller", "bootstrap-signer", "certificate-controller", "cronjob-controller", "daemon-set-controller",
        "deployment-controller", "device-taint-eviction-controller", "disruption-controller", "endpoint-controller",
        "endpointslice-controller", "endpointslicemirroring-controller", "ephemeral-volume-controller", "expand-controller",
        "generic-garbage-collector", "horizontal-pod-autoscaler", "job-controller", "kube-apiserver-serving-clustertrustbundle-publisher",
        "legacy-service-account-token-cleaner", "namespace-controller", "node-controller", "persistent-volume-binder", "pod-garbage-collector",
        "pv-protection-controller", "pvc-protection-controller", "replicaset-controller", "replication-controller", "resource-claim-controller",
        "resourcequota-controller", "root-ca-cert-publisher", "route-controller", "selinux-warning-controller", "service-account-controller",
        "service-cidrs-controller", "service-controller", "statefulset-controller", "storage-version-migrator-controller",
        "storageversion-garbage-collector", "token-cleaner", "ttl-after-finished-controller", "ttl-controller",
        "validatingadmissionpolicy-status-controller", "volumeattributesclass-protection-controller", "podcertificaterequestcleaner",
        "taint-eviction-controller", "cloud-provider", "service-account-token-controller", "clusterrole-aggregation-controller",
        "resource-pool-status-controller", "podgroup-protection-controller",
    }
)  # fmt: skip
"""ServiceAccounts of kube-system that the controller manager makes, one for each controller."""

ENDPOINTS = frozenset({("", "Endpoints"), ("discovery.k8s.io", "EndpointSlice")})

FROM_SERVICES = frozenset(
    {
        ("endpoints.kubernetes.io/managed-by", "endpoint-controller"),
        ("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"),
        ("endpointslice.kubernetes.io/managed-by", "endpointslicemirroring-controller.k8s.io"),
    }
)
"""Labels of Endpoints and EndpointSlices that the controller manager makes. Those of a Service without a selector have none:
people write them, for example for a database outside of the cluster."""

_RBAC, _FLOW = "rbac.authorization.k8s.io", "flowcontrol.apiserver.k8s.io"


def why_left_out(kind: Kind, item: JSON) -> str:
    """Returns why an object is no part of a backup, because the cluster makes it by itself; empty if it is one."""
    head = item.get("metadata") or {}
    labels, notes = head.get("labels") or {}, head.get("annotations") or {}
    if (kind.group, kind.kind) in MADE_AGAIN and any(
        one.get("controller") for one in head.get("ownerReferences") or []
    ):
        return "its controller makes it"
    if reason := _by_name(kind, item, head):
        return reason
    if (
        (kind.group == _RBAC and labels.get("kubernetes.io/bootstrapping") == "rbac-defaults")
        or (kind.group == _FLOW and notes.get("apf.kubernetes.io/autoupdate-spec") == "true")
        or (kind.kind == "APIService" and "kube-aggregator.kubernetes.io/automanaged" in labels)
    ):
        return "the API server makes it"
    if (kind.group, kind.kind) in ENDPOINTS and not FROM_SERVICES.isdisjoint(labels.items()):
        return "the cluster makes it from a Service"
    if kind.kind == "ClusterTrustBundle" and (item.get("spec") or {}).get("signerName", "").startswith(
        "kubernetes.io/"
    ):
        return "its signer publishes it"
    return _by_content(kind, item)


def _by_name(kind: Kind, item: JSON, head: JSON) -> str:
    names = NAMES.get((kind.group, kind.kind), {})
    is_changed = any(name in item for name in ACCOUNT_FIELDS) or head.get("labels") or head.get("annotations")
    name, namespace = head.get("name", ""), head.get("namespace", "")
    if (kind.group, kind.kind) == ("", "ServiceAccount") and namespace == "kube-system" and name in CONTROLLER_ACCOUNTS:
        return "the controller manager makes it"
    if (kind.group, kind.kind, name) == ("", "ServiceAccount", "default") and not is_changed:
        return "every namespace gets it"
    return names.get(name, "") or names.get(f"{namespace}/{name}", "")


def _by_content(kind: Kind, item: JSON) -> str:
    if (kind.group, kind.kind) == ("", "Secret"):
        return {
            TOKEN: "it is a token of a ServiceAccount, which only this cluster accepts",
            BOOTSTRAP: "it is a token that expires",
        }.get(item.get("type", ""), "")
    if (kind.group, kind.kind) == ("", "Pod") and (item.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
        return "the pod has finished"
    if (kind.group, kind.kind) == ("batch", "Job") and _is_finished(item):
        return "the job has finished"
    return ""


def _is_finished(item: JSON) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(one.get("type") in {"Complete", "Failed"} and one.get("status") == "True" for one in conditions)


class File(NamedTuple):
    """This is what a backup has of an object."""

    text: bytes
    sha256: str
    sealed: bytes = b""
    """The part of a Secret that nobody may read without a key."""


def to_file(kind: Kind, item: JSON) -> File:
    """Returns the canonical YAML of an object; of a Secret, also the part to encrypt."""
    clean = to_clean(kind, item)
    sealed = b""
    if (kind.group, kind.kind) == ("", "Secret"):
        clean, hidden = apart(clean)
        sealed = json.dumps(hidden, sort_keys=True).encode() if hidden else b""
    text = to_yaml(clean, FIRST).encode()
    return File(text, hashlib.sha256(text).hexdigest(), sealed)


def apart(secret: JSON) -> tuple[JSON, JSON]:
    """Returns the readable part of a Secret, and the part to encrypt.

    An annotation of `kubectl apply` has the values, too.
    """
    head = secret["metadata"]
    notes = head.get("annotations") or {}
    hidden = {name: secret[name] for name in ("data", "stringData") if secret.get(name)}
    if APPLIED in notes:
        hidden[APPLIED] = notes[APPLIED]
        left = {name: value for name, value in notes.items() if name != APPLIED}
        head = {name: value for name, value in head.items() if name != "annotations"} | (
            {"annotations": left} if left else {}
        )
    keys = sorted(name for part in ("data", "stringData") for name in hidden.get(part, {}))
    readable = {name: value for name, value in secret.items() if name not in {"data", "stringData"}}
    return readable | {"metadata": head, KEYS: keys}, hidden


def together(readable: JSON, hidden: JSON) -> JSON:
    """Returns the whole Secret of its two parts."""
    whole = {name: value for name, value in readable.items() if name != KEYS}
    whole |= {name: hidden[name] for name in ("data", "stringData") if name in hidden}
    if APPLIED in hidden:
        head = whole["metadata"]
        whole["metadata"] = head | {"annotations": (head.get("annotations") or {}) | {APPLIED: hidden[APPLIED]}}
    return whole


def to_clean(kind: Kind, item: JSON) -> JSON:
    """Returns an object without what servers and controllers write; a list of a built-in kind names no kind in its items."""
    head = {name: value for name, value in (item.get("metadata") or {}).items() if name not in SERVER_FIELDS}
    if "annotations" in head:
        notes = {name: value for name, value in head["annotations"].items() if name not in SERVER_NOTES}
        head = {name: value for name, value in head.items() if name != "annotations"}
        head |= {"annotations": notes} if notes else {}
    clean = {name: value for name, value in item.items() if name != "status" or (kind.group, kind.kind) in KEPT_STATUS}
    clean |= {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": head}
    change = _CHANGES.get((kind.group, kind.kind))
    return change(clean) if change else clean


def _volume(item: JSON) -> JSON:
    spec = item.get("spec") or {}
    if not (claim := spec.get("claimRef")):
        return item
    kept = {name: value for name, value in claim.items() if name not in {"uid", "resourceVersion"}}
    return item | {"spec": spec | {"claimRef": kept}}


def _account(item: JSON) -> JSON:
    return {name: value for name, value in item.items() if name != "secrets"}


def _namespace(item: JSON) -> JSON:
    spec = {name: value for name, value in (item.get("spec") or {}).items() if name != "finalizers"}
    rest = {name: value for name, value in item.items() if name != "spec"}
    return rest | ({"spec": spec} if spec else {})


def _job(item: JSON) -> JSON:
    """Removes the labels and the selector that the API server generates; a selector of one's own stays."""
    spec = dict(item.get("spec") or {})
    if spec.get("manualSelector"):
        return item
    spec.pop("selector", None)
    template = dict(spec.get("template") or {})
    template["metadata"] = _without_job_labels(template.get("metadata") or {})
    return item | {"metadata": _without_job_labels(item["metadata"]), "spec": spec | {"template": template}}


def _without_job_labels(head: JSON) -> JSON:
    labels = {name: value for name, value in (head.get("labels") or {}).items() if name not in JOB_LABELS}
    rest = {name: value for name, value in head.items() if name != "labels"}
    return rest | ({"labels": labels} if labels else {})


def _aggregated(item: JSON) -> JSON:
    """Removes the rules that a controller collects from other roles."""
    return {name: value for name, value in item.items() if name != "rules"} if item.get("aggregationRule") else item


_CHANGES = {
    ("", "PersistentVolume"): _volume,
    ("", "ServiceAccount"): _account,
    ("", "Namespace"): _namespace,
    ("batch", "Job"): _job,
    (_RBAC, "ClusterRole"): _aggregated,
}


def file_of(kind: Kind, namespace: str, name: str) -> str:
    """Returns the path of an object's file in its pack."""
    place = f"namespaces/{namespace}" if namespace else "cluster"
    return f"{place}/{kind.group or 'core'}/{kind.kind}/{name}.yaml"


def writers_of(item: JSON) -> str:
    """Returns who wrote an object, the newest first; writers of the status do not count."""
    fields = (item.get("metadata") or {}).get("managedFields") or []
    found = sorted(
        ((one.get("time") or "", one.get("manager") or "") for one in fields if one.get("subresource") != "status"),
        reverse=True,
    )
    return "; ".join(f"{manager} {at}".strip() for at, manager in found[:MANAGERS])


def rules_digest(filters: Sequence[str]) -> str:
    """Returns a digest of the rules of this module and of the profile's filters."""
    return hashlib.sha256(json.dumps([RULES, *filters]).encode()).hexdigest()[:16]


def new_writers(writers: str, since: datetime) -> str:
    """Returns those writers that wrote after a time; all of them if none did, which is so if a field was removed."""
    all_of_them = writers.split("; ")
    newer = [one for one in all_of_them if " " in one and one.rpartition(" ")[2] >= f"{since:%Y-%m-%dT%H:%M:%SZ}"]
    return "; ".join(newer or all_of_them[:1])
