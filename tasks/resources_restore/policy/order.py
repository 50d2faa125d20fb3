"""Orders objects as their dependencies want it: what others need comes first, and what stops others comes last."""

from tasks.resources_restore.models import Target

CLASSES = (
    "StorageClass",
    "VolumeAttributesClass",
    "VolumeSnapshotClass",
    "PriorityClass",
    "RuntimeClass",
    "IngressClass",
    "CSIDriver",
    "ServiceCIDR",
    "DeviceClass",
)

ORDER: tuple[tuple[str, ...], ...] = (
    ("CustomResourceDefinition",),
    ("Namespace",),
    CLASSES,
    ("VolumeSnapshotContent",),
    ("VolumeSnapshot",),
    ("PersistentVolume",),
    ("PersistentVolumeClaim",),
    ("ClusterRole",),
    ("Role",),
    ("ServiceAccount",),
    ("ClusterRoleBinding", "RoleBinding"),
    ("Secret",),
    ("ConfigMap",),
    ("LimitRange", "ResourceQuota"),
    ("Service", "NetworkPolicy", "PodDisruptionBudget"),
    ("Pod", "ReplicaSet", "ReplicationController", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"),
    ("HorizontalPodAutoscaler", "Ingress"),
)
"""Lists the kinds of Kubernetes that come at a place of their own."""

LAST: tuple[tuple[str, ...], ...] = (
    ("APIService",),
    (
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        "MutatingAdmissionPolicy",
        "ValidatingAdmissionPolicy",
    ),
    ("MutatingAdmissionPolicyBinding", "ValidatingAdmissionPolicyBinding"),
)

_RANKS = {kind: rank for rank, kinds in enumerate(ORDER) for kind in kinds}
OTHERS = len(ORDER)
"""Is the place of all other kinds, among them the objects of CustomResourceDefinitions."""

_RANKS |= {kind: OTHERS + 1 + rank for rank, kinds in enumerate(LAST) for kind in kinds}

OF_KUBERNETES = frozenset(
    ["", "apps", "batch", "autoscaling", "policy", "snapshot.storage.k8s.io", "apiextensions.k8s.io"]
)


def rank_of(target: Target) -> int:
    """Returns the place of a kind in the order; a kind of somebody else's group has none of its own."""
    if target.group in OF_KUBERNETES or target.group.endswith(".k8s.io"):
        return _RANKS.get(target.kind, OTHERS)
    return OTHERS


def in_order(target: Target) -> tuple[int, str, str, str, str]:
    """Returns the key by which objects are sorted."""
    return (rank_of(target), target.group, target.kind, target.namespace, target.name)
