"""Finds workloads whose pods may do more than they need, and namespaces that could forbid it."""

from collections.abc import Iterator

from tasks.access.models.audit import Finding, Severity
from tasks.core.models.findings import listed
from tasks.core.words import counted
from tasks.pod_security.models import Level, Namespace, PodSecurity, Violation, Workload
from tasks.pod_security.policy.fixes import left_over

SHOWN = 3
"""Limits how many settings or warnings a finding names."""

LABEL = "pod-security.kubernetes.io/enforce"
SEVERITIES = {Level.BASELINE: Severity.MEDIUM, Level.RESTRICTED: Severity.LOW}
WHY = {
    Level.BASELINE: "they can get at their node",
    Level.RESTRICTED: "they keep rights that most programs do not need",
}


def find_pods(facts: PodSecurity) -> Iterator[Finding]:
    """Yields a finding for each workload that violates a level, and for each namespace that could enforce more."""
    for workload in facts.workloads:
        if not workload.violations:
            continue
        level = Level.RESTRICTED if workload.fits is Level.BASELINE else Level.BASELINE
        yield _workload(workload, level, workload.against(level))
    for namespace in facts.namespaces:
        refused = [one.label for one in facts.workloads if _is_refused(one, namespace)]
        if refused:
            yield _refused(namespace, refused)
        elif namespace.could_enforce.rank > namespace.enforces.rank:
            yield _label(namespace)


def not_checked(facts: PodSecurity) -> tuple[str, ...]:
    """Returns what nobody tried."""
    if not facts.untried:
        return ()
    return (f"the patches of {counted(facts.untried, 'workload')}: the API server is asked about 500 in one audit",)


def _workload(one: Workload, level: Level, violations: tuple[Violation, ...]) -> Finding:
    return Finding(
        id=f"pods-{level}:{one.label}",
        check=f"pods-{level}",
        severity=SEVERITIES[level],
        subject=one.label,
        problem=f"its pods do not fit {level}: {WHY[level]}",
        evidence=listed([each.sentence for each in violations], SHOWN),
        fix=_fix(one),
    )


def _fix(one: Workload) -> str:
    if one.fix:
        patch = f"`kubectl -n {one.namespace} patch {one.kind.lower()} {one.name} --patch '{one.fix}'`"
        rest = _needs(left_over(one.violations))
        return f"{patch}, if its image can run so{f'; and by hand: {rest}' if rest else ''}"
    needs = _needs(one.violations)
    if one.owner:
        return f"{one.owner} owns it: {one.owner_way}; {needs}"
    if not one.can_change:
        return f"create it again, because a {one.kind} cannot be changed: {needs}"
    refused = f"; the API refuses a patch: {one.fix_refused}" if one.fix_refused else ""
    return f"by hand: {needs}{refused}"


def _needs(violations: tuple[Violation, ...]) -> str:
    return listed([f"{each.path}: {each.need}" for each in violations], SHOWN)


def _is_refused(one: Workload, namespace: Namespace) -> bool:
    """Checks whether the namespace refuses the pods of a workload. An older version of its rules may not."""
    is_latest = namespace.version in {"", "latest"}
    return one.namespace == namespace.name and is_latest and bool(one.against(namespace.enforces))


def _refused(namespace: Namespace, workloads: list[str]) -> Finding:
    return Finding(
        id=f"pods-refused:{namespace.name}",
        check="pods-refused",
        severity=Severity.MEDIUM,
        subject=namespace.name,
        problem=f"it enforces {namespace.enforces}, and would refuse new pods of {counted(len(workloads), 'workload')}",
        evidence=listed(workloads, SHOWN),
        fix="correct these workloads: pods that run now stay until their node is drained",
    )


def _of_label(namespace: Namespace) -> str:
    """Says what the API server answers to a dry run of the label. It is silent about a namespace that it exempts."""
    if namespace.label_refused:
        return f"whether it has pods that it would refuse is not known: {namespace.label_refused}"
    if namespace.warnings:
        return f"the API server warns: {listed(namespace.warnings, SHOWN)}"
    return "the API server has no warning about it (dry run)"


def _label(namespace: Namespace) -> Finding:
    level = namespace.could_enforce
    return Finding(
        id=f"pods-not-enforced:{namespace.name}",
        check="pods-not-enforced",
        severity=Severity.LOW,
        subject=namespace.name,
        problem=f"it enforces {namespace.enforces}, and all its workloads fit {level}",
        evidence=_of_label(namespace),
        fix=f"`kubectl label --overwrite namespace {namespace.name} {LABEL}={level}`"
        + (", after these pods are gone" if namespace.warnings else ""),
    )
