"""Finds bindings of roles and ServiceAccounts that do not exist: whoever makes one gets, or gives, what the binding says."""

from collections.abc import Collection, Iterator

from tasks.access.models.audit import Finding, Severity
from tasks.access.models.rights import Rbac
from tasks.access.policy.findings import EVIDENCE, remove
from tasks.access.policy.rbac import binding_name, role_key, subjects_of
from tasks.core.models.findings import listed
from tasks.core.models.outside import Binding

DEFAULTS = ("kubernetes.io/bootstrapping", "rbac-defaults")
"""Is the label of the bindings that the API server makes itself, also for controllers that do not run here."""

OWN = "kube-system"


def find_absent(rbac: Rbac, accounts: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """Yields each role and each ServiceAccount that a binding names and nobody made. `accounts` are namespaces and names."""
    roles: dict[str, list[str]] = {}
    subjects: dict[str, list[str]] = {}
    for binding in rbac.bindings:
        kind, namespace, name = role = role_key(binding)
        if role not in rbac.roles:
            roles.setdefault(f"{kind}:{namespace}/{name}" if namespace else f"{kind}:{name}", []).append(
                binding_name(binding)
            )
        for one in subjects_of(binding):
            is_account = one.kind == "ServiceAccount" and not _is_default(binding, one.namespace)
            if is_account and (one.namespace, one.name) not in accounts:
                subjects.setdefault(one.label, []).append(binding_name(binding))
    for label, bindings in sorted(roles.items()):
        yield _finding(
            "absent-role", Severity.LOW, label, "a role with this name would give its rights at once", bindings
        )
    for label, bindings in sorted(subjects.items()):
        problem = "whoever can make this ServiceAccount and its token gets these rights"
        yield _finding("absent-subject", Severity.MEDIUM, label, problem, bindings)


def _is_default(binding: Binding, namespace: str) -> bool:
    return DEFAULTS in binding.metadata.labels.items() and namespace == OWN


def _finding(check: str, severity: Severity, label: str, problem: str, bindings: list[str]) -> Finding:
    return Finding(
        id=f"{check}:{label}",
        check=check,
        severity=severity,
        subject=label,
        problem=f"it does not exist: {problem}",
        evidence=listed(list(dict.fromkeys(bindings)), EVIDENCE),
        fix=remove(bindings[0]),
    )
