"""Objects of more than forty kinds, as people create them, and entries of a backup."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.resources.models import Entry, Figures, Index, Kind, Manifest

NS = "table"
CORE, APPS, NET = (
    f"/api/v1/namespaces/{NS}",
    f"/apis/apps/v1/namespaces/{NS}",
    f"/apis/networking.k8s.io/v1/namespaces/{NS}",
)
RBAC, STORAGE = "/apis/rbac.authorization.k8s.io/v1", "/apis/storage.k8s.io/v1"
ADMISSION, POLICY = "/apis/admissionregistration.k8s.io/v1", f"/apis/policy/v1/namespaces/{NS}"
EXTENSIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = f"/apis/example.com/v1/namespaces/{NS}/widgets"
LABELS = {"app": "web"}

Example = tuple[str, dict[str, Any]]


def one(path: str, kind: str, name: str = "web", **fields: Any) -> Example:  # noqa: ANN401 - fields of any object
    """An object, and the path to create it at."""
    return path, {"kind": kind, "metadata": {"name": name}, **fields}


def definition(plural: str, kind: str, scope: str) -> Example:
    """A kind of custom resources."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind}
    spec = {"group": "example.com", "scope": scope, "names": names, "versions": [version]}
    return one(EXTENSIONS, "CustomResourceDefinition", f"{plural}.example.com", spec=spec)


def examples() -> list[Example]:
    """In an order in which they can be created."""
    pod = {"containers": [{"name": "web", "image": "registry.example/web:1"}], "schedulerName": "nobody"}
    template = {"metadata": {"labels": LABELS}, "spec": pod}
    workload = {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": template}
    batch = {"metadata": {"labels": LABELS}, "spec": pod | {"restartPolicy": "Never"}}
    hook = {
        "name": "hook.example.com",
        "clientConfig": {"url": "https://hook.invalid/"},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "rules": [
            {"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["x"]}
        ],
    }
    match = {"resourceRules": hook["rules"]}
    subject = {"kind": "User", "name": "ada", "apiGroup": "rbac.authorization.k8s.io"}
    read = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "slow",
    }
    volume = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/srv/table"},
        "storageClassName": "other",
    }
    device = {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]}}
    return [
        one("/api/v1/namespaces", "Namespace", NS),
        definition("widgets", "Widget", "Namespaced"),
        definition("factories", "Factory", "Cluster"),
        one(f"{CORE}/configmaps", "ConfigMap", data={"app.conf": "a = 1\n\n  b: yes\n", "flag": "on", "number": "0x10"}),
        one(f"{CORE}/secrets", "Secret", stringData={"password": "s3cr3t-of-the-table"}),
        one(f"{CORE}/serviceaccounts", "ServiceAccount"),
        one(f"{CORE}/services", "Service", spec={"ports": [{"port": 80, "nodePort": 30080}], "type": "NodePort"}),
        one(f"{CORE}/persistentvolumeclaims", "PersistentVolumeClaim", spec=claim),
        one("/api/v1/persistentvolumes", "PersistentVolume", "table", spec=volume),
        one(f"{CORE}/pods", "Pod", "bare", spec=pod),
        one(f"{CORE}/podtemplates", "PodTemplate", template=template),
        one(f"{CORE}/limitranges", "LimitRange", spec={"limits": [{"type": "Container", "default": {"cpu": "1"}}]}),
        one(f"{CORE}/resourcequotas", "ResourceQuota", spec={"hard": {"pods": "100"}}),
        one(f"{CORE}/replicationcontrollers", "ReplicationController", spec={"replicas": 0, "selector": {"a": "b"}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod}}),
        one(f"{APPS}/deployments", "Deployment", spec=workload),
        one(f"{APPS}/statefulsets", "StatefulSet", spec=workload | {"serviceName": "web"}),
        one(f"{APPS}/daemonsets", "DaemonSet", spec={"selector": {"matchLabels": LABELS}, "template": template}),
        one(f"{APPS}/replicasets", "ReplicaSet", "own", spec={"replicas": 0, "selector": {"matchLabels": {"own": "yes"}}, "template": {"metadata": {"labels": {"own": "yes"}}, "spec": pod}}),
        one(f"/apis/batch/v1/namespaces/{NS}/jobs", "Job", spec={"template": batch}),
        one(f"/apis/batch/v1/namespaces/{NS}/cronjobs", "CronJob", spec={"schedule": "7 3 * * 1", "jobTemplate": {"spec": {"template": batch}}}),
        one(f"{NET}/ingresses", "Ingress", spec={"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}),
        one(f"{NET}/networkpolicies", "NetworkPolicy", spec={"podSelector": {"matchLabels": LABELS}}),
        one("/apis/networking.k8s.io/v1/ingressclasses", "IngressClass", "table", spec={"controller": "example.com/table"}),
        one("/apis/networking.k8s.io/v1/servicecidrs", "ServiceCIDR", "table", spec={"cidrs": ["198.18.240.0/24"]}),
        one(f"{RBAC}/namespaces/{NS}/roles", "Role", rules=read),
        one(f"{RBAC}/namespaces/{NS}/rolebindings", "RoleBinding", subjects=[subject], roleRef={"kind": "Role", "name": "web", "apiGroup": "rbac.authorization.k8s.io"}),
        one(f"{RBAC}/clusterroles", "ClusterRole", "example:table", rules=read),
        one(f"{RBAC}/clusterrolebindings", "ClusterRoleBinding", "example:table", subjects=[subject], roleRef={"kind": "ClusterRole", "name": "example:table", "apiGroup": "rbac.authorization.k8s.io"}),
        one(f"{STORAGE}/storageclasses", "StorageClass", "slow", provisioner="example.com/slow"),
        one(f"{STORAGE}/csidrivers", "CSIDriver", "slow.example.com", spec={"attachRequired": False}),
        one(f"{STORAGE}/volumeattributesclasses", "VolumeAttributesClass", "table", driverName="slow.example.com", parameters={"iops": "1"}),
        one("/apis/scheduling.k8s.io/v1/priorityclasses", "PriorityClass", "table", value=10),
        one("/apis/node.k8s.io/v1/runtimeclasses", "RuntimeClass", "table", handler="table"),
        one(f"{POLICY}/poddisruptionbudgets", "PodDisruptionBudget", spec={"maxUnavailable": 1, "selector": {"matchLabels": LABELS}}),
        one(f"/apis/autoscaling/v2/namespaces/{NS}/horizontalpodautoscalers", "HorizontalPodAutoscaler", spec={"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}}),
        one(f"{ADMISSION}/validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "table", webhooks=[hook]),
        one(f"{ADMISSION}/mutatingwebhookconfigurations", "MutatingWebhookConfiguration", "table", webhooks=[hook]),
        one(f"{ADMISSION}/validatingadmissionpolicies", "ValidatingAdmissionPolicy", "table", spec={"matchConstraints": match, "validations": [{"expression": "true"}]}),
        one(f"{ADMISSION}/validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", "table", spec={"policyName": "table", "validationActions": ["Warn"]}),
        one(f"{ADMISSION}/mutatingadmissionpolicies", "MutatingAdmissionPolicy", "table", spec={"matchConstraints": match, "reinvocationPolicy": "Never", "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": '[JSONPatch{op: "remove", path: "/spec/x"}]'}}]}),
        one(f"{ADMISSION}/mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", "table", spec={"policyName": "table"}),
        one("/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations", "PriorityLevelConfiguration", "table", spec={"type": "Limited", "limited": {"nominalConcurrencyShares": 1, "limitResponse": {"type": "Reject"}}}),
        one("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", "FlowSchema", "table", spec={"priorityLevelConfiguration": {"name": "table"}, "matchingPrecedence": 9000}),
        one("/apis/resource.k8s.io/v1/deviceclasses", "DeviceClass", "gpu", spec={}),
        one(f"/apis/resource.k8s.io/v1/namespaces/{NS}/resourceclaims", "ResourceClaim", "gpu", spec=device),
        one(f"/apis/resource.k8s.io/v1/namespaces/{NS}/resourceclaimtemplates", "ResourceClaimTemplate", "gpu", spec={"spec": device}),
        (WIDGETS, {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "web"}, "spec": {"size": 1.5, "on": True, "none": [], "deep": [[1, [2]], {"a": [{"b": ""}]}]}}),
        ("/apis/example.com/v1/factories", {"apiVersion": "example.com/v1", "kind": "Factory", "metadata": {"name": "web"}, "spec": {"text": "a\tb\r\n", "emoji": "\U0001f600"}}),
    ]  # fmt: skip


NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
RUN = "0a1b2c3d-4e5f-7061-8293-a4b5c6d7e8f9"


def kind(name: str = "ConfigMap", resource: str = "configmaps", group: str = "", **more: Any) -> Kind:  # noqa: ANN401 - fields of the model
    """A kind in namespaces."""
    return Kind(group, "v1", name, resource, namespaced=True, **more)


def entry(name: str = "app", kind: str = "ConfigMap", sha256: str = "1", **more: Any) -> Entry:  # noqa: ANN401 - fields of the model
    """An object of the namespace shop."""
    fields: dict[str, Any] = {
        "group": "",
        "version": "v1",
        "kind": kind,
        "resource": f"{kind.lower()}s",
        "namespaced": True,
        "namespace": "shop",
        "name": name,
        "uid": f"uid-{name}",
        "resource_version": "7",
        "sha256": sha256,
        "pack": "p1",
        "file": f"namespaces/shop/core/{kind}/{name}.yaml",
        "sealed": "",
        "writers": "kubectl-edit 2026-12-01T12:30:00Z",
    }
    return Entry(**fields | more)


def manifest(*entries: Entry, **more: Any) -> Manifest:  # noqa: ANN401 - fields of the model
    """A backup at noon."""
    fields: dict[str, Any] = {
        "id": f"20261201T120000Z-4711-{RUN}",
        "cluster": "prod",
        "run_id": RUN,
        "taken_at": NOON,
        "instant": "4711",
        "kubernetes_version": "v1.37.2",
        "rules": "r",
        "counts": {"configmaps": len(entries)},
        "packs": (),
        "index": Index(sha256="0", size=10, entries=len(entries)),
        "figures": Figures(took=timedelta(seconds=9), requests=70, dumped=1, new_packs=1, new_bytes=1234),
        "entries": entries,
    }
    return Manifest(**fields | more)
