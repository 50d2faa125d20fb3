"""Lists what Kubernetes and kubeadm themselves give to their subjects, with the reasons.

A default is known by its binding, its role and its subject, and for some rights only. So a default role to which
somebody added a right is a finding, and so is a default binding with another subject. The table was read from
Kubernetes 1.37 and its kubeadm.
"""

from typing import NamedTuple

from tasks.access.models.rights import Grant

CONTROLLER = "system:controller:"

ALL = "*"


class Default(NamedTuple):
    """Holds one default: who has it, by which binding of which role, the dangerous things that it allows, and why."""

    subject: str
    binding: str
    role: str
    allows: tuple[str, ...]
    reason: str


def _controller(name: str, reason: str, *allows: str) -> Default:
    role = f"{CONTROLLER}{name}"
    return Default(
        f"ServiceAccount:kube-system/{name}", f"ClusterRoleBinding {role}", f"ClusterRole {role}", allows, reason
    )


def _signer(name: str, reason: str) -> Default:
    role = f"{CONTROLLER}{name}"
    subject, binding = f"ServiceAccount:kube-system/{name}", f"RoleBinding kube-system/{role}"
    return Default(subject, binding, f"Role {role}", ("read-secrets",), reason)


_ADMIN = "ClusterRole cluster-admin"
_MANAGER = "system:kube-controller-manager"
_WORKLOADS = "it creates the pods or the objects below its workloads"

DEFAULTS = (
    Default(
        "Group:system:masters",
        "ClusterRoleBinding cluster-admin",
        _ADMIN,
        (ALL,),
        "the API server allows everything to this group anyway; who is in it, certificates say",
    ),
    Default(
        "Group:kubeadm:cluster-admins",
        "ClusterRoleBinding kubeadm:cluster-admins",
        _ADMIN,
        (ALL,),
        "the group of kubeadm's admin.conf",
    ),
    Default(
        "User:kube-apiserver-kubelet-client",
        "ClusterRoleBinding kubeadm:apiserver-kubelet-client",
        "ClusterRole system:kubelet-api-admin",
        ("use-nodes",),
        "the certificate with which kubeadm's API servers fetch logs and run commands for kubectl",
    ),
    Default(
        f"User:{_MANAGER}",
        f"ClusterRoleBinding {_MANAGER}",
        f"ClusterRole {_MANAGER}",
        ("create-tokens", "read-secrets"),
        "it makes tokens for its controllers, and reads the Secrets of ServiceAccounts",
    ),
    _controller("certificate-controller", "it approves and signs the certificates of kubelets", "approve-certificates"),
    _controller("clusterrole-aggregation-controller", "it writes aggregated ClusterRoles", "escalate"),
    *(
        _controller(f"{name}-controller", _WORKLOADS, "create-pods")
        for name in ("cronjob", "daemon-set", "deployment", "job", "replicaset", "replication", "statefulset")
    ),
    _controller(
        "generic-garbage-collector",
        "it reads and changes the owners of every object",
        *("approve-certificates", "exec", "label-namespaces", "read-secrets", "use-nodes"),
        *("write-bindings", "write-webhooks"),
    ),
    _controller("namespace-controller", "it reads what a deleted namespace has", "exec", "read-secrets", "use-nodes"),
    _controller(
        "persistent-volume-binder", "it makes volumes, and pods that recycle them", "create-pods", "create-volumes"
    ),
    _controller("resourcequota-controller", "it counts the Secrets of a namespace", "read-secrets"),
    _signer("bootstrap-signer", "it signs cluster-info with bootstrap tokens, which are Secrets of kube-system"),
    _signer("token-cleaner", "it deletes expired bootstrap tokens, which are Secrets of kube-system"),
)

_BY_GRANT = {(one.subject, one.binding, one.role): one for one in DEFAULTS}

FOR_EVERYONE = {
    ("Group:system:authenticated", "ClusterRoleBinding system:basic-user"): "a user may ask what it may do",
    ("Group:system:authenticated", "ClusterRoleBinding system:discovery"): "a user may ask which kinds the API has",
    ("Group:system:authenticated", "ClusterRoleBinding system:public-info-viewer"): "the version and the health",
    ("Group:system:unauthenticated", "ClusterRoleBinding system:public-info-viewer"): "the version and the health",
    (
        "Group:system:serviceaccounts",
        "ClusterRoleBinding system:service-account-issuer-discovery",
    ): "the public keys of tokens",
    (
        "Group:system:serviceaccounts",
        "ClusterRoleBinding system:cluster-trust-bundle-discovery",
    ): "CAs that pods may trust",
    (
        "User:system:anonymous",
        "RoleBinding kube-public/kubeadm:bootstrap-signer-clusterinfo",
    ): "a new node reads the ConfigMap cluster-info before it has a credential",
}
"""Maps subjects that are not one person or machine, and their default bindings, to the reason.

Each of these bindings has the name of its role.
"""


def is_default(grant: Grant, danger: str) -> bool:
    """Checks whether Kubernetes or kubeadm itself gives this dangerous right to this subject."""
    known = _BY_GRANT.get((grant.subject.label, grant.binding, grant.role))
    return known is not None and bool({ALL, danger} & set(known.allows))
