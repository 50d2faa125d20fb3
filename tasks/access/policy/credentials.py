"""Finds credentials that never expire or that nobody can take back."""

import re
from collections.abc import Iterable, Iterator

from tasks.access.models.audit import Finding, Severity
from tasks.access.models.rights import MASTERS
from tasks.certificates.models.inventory import NodeCertificates
from tasks.core.models.outside import Named

LAST_USED, INVALID_SINCE = "kubernetes.io/legacy-token-last-used", "kubernetes.io/legacy-token-invalid-since"

_IN_MASTERS = re.compile(rf"(^|[,+])O={MASTERS}($|[,+])")

EMERGENCY = "super-admin.conf"


def find_tokens(secrets: Iterable[Named]) -> Iterator[Finding]:
    """Yields each Secret with a token of a ServiceAccount: such a token does not expire."""
    for one in secrets:
        name, labels = f"{one.metadata.namespace}/{one.metadata.name}", one.metadata.labels
        used = f"last used {labels[LAST_USED]}" if labels.get(LAST_USED) else "never used since Kubernetes records it"
        invalid = f", invalid since {labels[INVALID_SINCE]}" if labels.get(INVALID_SINCE) else ""
        yield Finding(
            id=f"legacy-token:{name}",
            check="legacy-token",
            severity=Severity.LOW if invalid else Severity.MEDIUM,
            subject=f"Secret {name}",
            problem="its token of a ServiceAccount never expires",
            evidence=f"{used}{invalid}",
            fix="use a token of `kubectl create token` or of a projected volume, then "
            f"`kubectl -n {one.metadata.namespace} delete secret {one.metadata.name}`",
        )


def find_masters(nodes: Iterable[NodeCertificates]) -> Iterator[Finding]:
    """Yields each certificate on a node that makes its owner a member of system:masters."""
    for one in (found for node in nodes for found in node.certificates if _IN_MASTERS.search(found.subject)):
        emergency = one.name == EMERGENCY
        until = f", valid until {one.not_after:%Y-%m-%d %H:%M} UTC" if one.not_after else ""
        yield Finding(
            id=f"masters:{one.node}:{one.path}",
            check="masters",
            severity=Severity.LOW if emergency else Severity.MEDIUM,
            subject=f"{one.node}:{one.path}",
            problem=f"who has this certificate is in {MASTERS}: no rule limits it, and nobody can take it back",
            evidence=f"{one.subject}, serial {one.serial}{until}",
            fix="move it off the node, to a place that is locked"
            if emergency
            else "replace it with a certificate of the group kubeadm:cluster-admins, as kubeadm makes since 1.29",
        )


def unreached(nodes: Iterable[NodeCertificates]) -> tuple[str, ...]:
    """Returns which nodes did not say which certificates they have, and why."""
    return tuple(f"certificates of {MASTERS} on {node.name}: {node.unreached}" for node in nodes if node.unreached)
