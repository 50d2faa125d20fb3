"""Lists what the API must allow for each runbook.

A runbook that is not listed makes no request to the API, or can work without it.
"""

from collections.abc import Iterable, Mapping
from itertools import product

from tasks.check.models import Finding, Right, State

CORE, APPS, POLICY, LEASES = "", "apps", "policy", "coordination.k8s.io"
ADMISSION, DISCOVERY, STORAGE = "admissionregistration.k8s.io", "discovery.k8s.io", "storage.k8s.io"
REGISTRATION, EXTENSIONS, CERTIFICATES = "apiregistration.k8s.io", "apiextensions.k8s.io", "certificates.k8s.io"
RBAC = "rbac.authorization.k8s.io"
SNAPSHOTS = "snapshot.storage.k8s.io"
SYSTEM, NODE_LEASES, PUBLIC = "kube-system", "kube-node-lease", "kube-public"
USERS = "kube-runbooks-access"

WORKLOADS = ("deployments", "statefulsets", "daemonsets")
HOOKS = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")


def _each(
    verbs: str, resources: Iterable[str] | str, group: str = CORE, namespace: str = "", name: str = ""
) -> tuple[Right, ...]:
    """Returns a right for every verb on every kind."""
    kinds = (resources,) if isinstance(resources, str) else tuple(resources)
    return tuple(
        Right(verb=verb, resource=kind, group=group, namespace=namespace, name=name)
        for kind, verb in product(kinds, verbs.split())
    )


_NODES = (*_each("get list", "nodes"), *_each("get list", "leases", LEASES, NODE_LEASES))
_SHAPE = (
    *_each("get", "configmaps", namespace=SYSTEM, name="kubeadm-config"),
    *_each("get", "services", namespace=SYSTEM, name="kube-dns"),
)
_LOCK = (
    *_each("get update", "leases", LEASES, SYSTEM, name="kube-runbooks"),
    *_each("create", "leases", LEASES, SYSTEM),
    *_each("list", "pods", namespace=SYSTEM),
    *_each("get list", "nodes"),
)
_DRAIN = (
    *_each("get list patch", "nodes"),
    *_each("get list", "pods"),
    *_each("create", "pods/eviction"),
    *_each("list", "poddisruptionbudgets", POLICY),
    *_each("list", WORKLOADS, APPS),
    *_each("get", (*WORKLOADS, "replicasets"), APPS),
    *_each("get", ("jobs", "cronjobs"), "batch"),
    *_each("get", "replicationcontrollers"),
    *_each("list", "persistentvolumes"),
    *_each("list", "volumeattachments", STORAGE),
    *_each("list", "endpointslices", DISCOVERY),
    *_each("list", HOOKS, ADMISSION),
)
_PROOF = (
    *_NODES,
    *_SHAPE,
    *_each("get", "services", namespace="default", name="kubernetes"),
    *_each("list", "pods"),
    *_each("list", WORKLOADS, APPS),
    *_each("get", "leases", LEASES, SYSTEM),
)
_WORKLOADS = (
    *_each("get", "namespaces"),
    *_each("get list", WORKLOADS, APPS),
    *_each("list", ("replicasets", "controllerrevisions"), APPS),
    *_each("list", ("pods", "events")),
)
_ROLLOUT = (
    *_WORKLOADS,
    *_each("get", ("pods/log", "configmaps", "secrets")),
    *_each("patch update", WORKLOADS, APPS),
    *_each("create delete", "pods"),
    *_each("list", "horizontalpodautoscalers", "autoscaling"),
    *_each("list", "poddisruptionbudgets", POLICY),
    *_each("list", ("resourcequotas", "nodes")),
    *_each("get create update", "leases", LEASES),
)
_USERS = (
    *_each("list", ("roles", "clusterroles", "rolebindings", "clusterrolebindings"), RBAC),
    *_each("list", "namespaces"),
    *_each("list create delete", "secrets", namespace=USERS),
    *_each("list", "serviceaccounts"),
    *_each("create", "serviceaccounts/token", namespace=USERS),
    *_each("get list delete", "certificatesigningrequests", CERTIFICATES),
    *_each("update", "certificatesigningrequests/approval", CERTIFICATES),
    *_each("approve", "signers", CERTIFICATES, name="kubernetes.io/kube-apiserver-client"),
    *_each("get", "configmaps", namespace=SYSTEM),
    *_each("get create update", "leases", LEASES, SYSTEM),
)
_WORK_ON_NODES = (*_DRAIN, *_PROOF, *_LOCK)

_RULES = ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
_ACCESS = (
    *_each("get list create patch", _RULES, RBAC),
    *_each("get list create patch", ("serviceaccounts", "namespaces")),
    *_each("create", "subjectaccessreviews", "authorization.k8s.io"),
)

RIGHTS: Mapping[str, tuple[Right, ...]] = {
    "access_audit": (
        *_each("list", ("roles", "clusterroles", "rolebindings", "clusterrolebindings"), RBAC),
        *_each("create", "subjectaccessreviews", "authorization.k8s.io"),
        *_each("list", ("namespaces", "secrets", "pods", "replicationcontrollers")),
        *_each("list patch", ("deployments", "statefulsets", "daemonsets", "replicasets"), APPS),
        *_each("list", "jobs", "batch"),
        *_each("list patch", "cronjobs", "batch"),
        *_each("patch", "namespaces"),
        *_each("list", ("nodes", "serviceaccounts")),
        *_each("get", "nodes/proxy"),
        *_each("list", "networkpolicies", "networking.k8s.io"),
        Right(verb="get", path="/metrics"),
    ),
    "access_apply": (
        *_ACCESS,
        *_each("delete", _RULES, RBAC),
        *_each("delete", "serviceaccounts"),
        *_each("get create update", "leases", LEASES, SYSTEM),
    ),
    "access_drift": _ACCESS,
    "etcd_maintenance": (*_NODES, *_LOCK),
    "etcd_restore_from_s3": (
        *_NODES,
        *_LOCK,
        *_each("get list watch patch create", "configmaps", namespace=SYSTEM),
        *_each("watch", "namespaces"),
    ),
    "certificate_inventory": (
        *_each("list", HOOKS, ADMISSION),
        *_each("list", "apiservices", REGISTRATION),
        *_each("list", "customresourcedefinitions", EXTENSIONS),
    ),
    "cert_rotation": (
        *_PROOF,
        *_LOCK,
        *_each("list", "services"),
        *_each("get list", "certificatesigningrequests", CERTIFICATES),
        *_each("update", "certificatesigningrequests/approval", CERTIFICATES),
        *_each("approve", "signers", CERTIFICATES, name="kubernetes.io/kubelet-serving"),
    ),
    "certificate_issue": _LOCK,
    "ca_rotation": (
        *_PROOF,
        *_LOCK,
        *_each("list", ("configmaps", "namespaces", "pods", "secrets")),
        *_each("get update", "configmaps", namespace=SYSTEM, name="extension-apiserver-authentication"),
        *_each("get update", "configmaps", namespace=PUBLIC, name="cluster-info"),
    ),
    "node_drain": (*_NODES, *_DRAIN, *_LOCK),
    "node_uncordon": _WORK_ON_NODES,
    "node_reboot": _WORK_ON_NODES,
    "node_os_patch": _WORK_ON_NODES,
    "user_access": (
        *_USERS,
        *_each("create", "subjectaccessreviews", "authorization.k8s.io"),
        *_each("create", "certificatesigningrequests", CERTIFICATES),
        *_each("get patch create", ("roles", "clusterroles", "rolebindings", "clusterrolebindings"), RBAC),
        *_each("escalate bind", ("roles", "clusterroles"), RBAC),
        *_each("get patch create", ("namespaces", "serviceaccounts")),
        *_each("get", "secrets", namespace=USERS),
    ),
    "user_revoke": (
        *_USERS,
        *_each("delete", ("roles", "clusterroles", "rolebindings", "clusterrolebindings"), RBAC),
        *_each("delete", "serviceaccounts", namespace=USERS),
    ),
    "registry_credentials": (
        *_each("list", ("namespaces", "nodes", "pods", "replicationcontrollers")),
        *_each("get", "namespaces", name=SYSTEM),
        *_each("list", (*WORKLOADS, "replicasets"), APPS),
        *_each("list", ("jobs", "cronjobs"), "batch"),
        *_each("get list create delete", "secrets"),
        *_each("get list patch", "serviceaccounts"),
        *_each("get create update", "leases", LEASES, SYSTEM),
    ),
    "resources_backup_to_s3": (
        *_each("list", "*", "*"),
        *_each("list", "apiservices", REGISTRATION),
        Right(verb="get", path="/version"),
        Right(verb="get", path="/readyz"),
    ),
    "resources_restore": (
        *_each("get list create patch delete", "*", "*"),
        *_each("get", "persistentvolumeclaims"),
        *_each("escalate bind", ("roles", "clusterroles"), RBAC),
        *_each("get create update", "leases", LEASES, SYSTEM),
    ),
    "resources_restore_drill": (
        *_each("get list create patch", "*", "*"),
        *_each("delete", "namespaces"),
        *_each("escalate bind", ("roles", "clusterroles"), RBAC),
        *_each("get create update", "leases", LEASES, SYSTEM),
    ),
    "volumes_backup": (
        *_each("get list", ("persistentvolumeclaims", "persistentvolumes", "pods")),
        *_each("list", "nodes"),
        *_each("get", "namespaces"),
        *_each("get", WORKLOADS, APPS),
        *_each("get list create patch delete", "volumesnapshots", SNAPSHOTS),
        *_each("get list patch delete", "volumesnapshotcontents", SNAPSHOTS),
        *_each("list", "volumesnapshotclasses", SNAPSHOTS),
    ),
    "volumes_restore": (
        *_each("get create delete", "persistentvolumeclaims"),
        *_each("get list create patch", "persistentvolumes"),
        *_each("get", ("namespaces", "nodes")),
        *_each("list", ("nodes", "pods", "events")),
        *_each("list", ("storageclasses", "volumeattachments"), STORAGE),
        *_each("get create", ("volumesnapshots", "volumesnapshotcontents"), SNAPSHOTS),
        *_each("list", "volumesnapshotclasses", SNAPSHOTS),
        *_each("list", WORKLOADS, APPS),
        *_each("get patch", ("deployments", "statefulsets"), APPS),
        *_each("get list", "replicasets", APPS),
        *_each("list", "controllerrevisions", APPS),
        *_each("list", "horizontalpodautoscalers", "autoscaling"),
        *_each("get create update", "leases", LEASES),
    ),
    "workload_history": _WORKLOADS,
    "workload_rollback": (*_ROLLOUT, *_each("create update", ("configmaps", "secrets"))),
    "workload_rollout": _ROLLOUT,
    "workload_status": (*_WORKLOADS, *_each("get", "pods/log")),
    "rolling_upgrade": (
        *_WORK_ON_NODES,
        *_each("list", "apiservices", REGISTRATION),
        *_each("get update", "configmaps", namespace=SYSTEM),
        *_each("get update", ("deployments", "daemonsets"), APPS, SYSTEM),
        *_each("get list", "secrets"),
        Right(verb="get", path="/metrics"),
    ),
}
"""Maps each flow to the rights that it needs.

If a runbook uses a site's gate on an object, it also needs `get` on that object. The site grants it.
"""

OF_OPTIONS: Mapping[str, tuple[Right, ...]] = {
    "access_audit --canary": (
        *_each("get list create delete", "namespaces"),
        *_each("get", "serviceaccounts"),
        *_each("get list create", "pods"),
        *_each("list", "nodes"),
        *_each("create delete", "networkpolicies", "networking.k8s.io"),
        *_each("get create update", "leases", LEASES, SYSTEM),
    ),
    "volumes_restore with volumes.checks": _each("get create delete", "pods"),
}
"""Maps a flow with an option, or with a part of the profile, to the rights that it needs besides its own."""

EVERYTHING = (Right(verb="*", resource="*", group="*"), Right(verb="*", path="*"))
"""Lists what an administrator of the cluster may do."""

SHOWN = 12
"""Limits how many rights a finding names."""


def all_rights() -> tuple[Right, ...]:
    """Returns each right once, in the order of the runbooks."""
    return tuple(dict.fromkeys(right for rights in (*RIGHTS.values(), *OF_OPTIONS.values()) for right in rights))


def judge_rights(denied: Iterable[Right], user: str) -> tuple[Finding, ...]:
    """Returns a finding for each runbook, with the rights that it lacks. Those of an option are only a warning."""
    missing = set(denied)
    return tuple(
        _judged(runbook, [right for right in dict.fromkeys(rights) if right in missing], user, worst)
        for among, worst in ((RIGHTS, State.FAIL), (OF_OPTIONS, State.WARN))
        for runbook, rights in among.items()
    )


def _judged(runbook: str, missing: list[Right], user: str, worst: State) -> Finding:
    subject = runbook.replace("_", "-")
    if not missing:
        return Finding(area="rights", subject=subject, state=State.OK, told=f"{user} may do all that it needs")
    named = "; ".join(right.in_words for right in missing[:SHOWN])
    more = f"; and {len(missing) - SHOWN} more" if missing[SHOWN:] else ""
    return Finding(
        area="rights",
        subject=subject,
        state=worst,
        told=f"{user} may not: {named}{more}",
        fix=f"bind a ClusterRole with these rules to {user}, or use a kubeconfig of an administrator",
    )
