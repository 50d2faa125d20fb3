"""Finds rights that nobody should have without a reason, and credentials that never expire."""

from collections.abc import Iterable, Iterator

from tasks.access.models.audit import Finding, Sample, Severity
from tasks.access.models.rights import ACCOUNTS, ANONYMOUS, AUTHENTICATED, EVERYWHERE, UNAUTHENTICATED, Grant, Rbac
from tasks.access.policy.dangers import DANGERS, EVERYTHING, Danger
from tasks.access.policy.defaults import FOR_EVERYONE, is_default
from tasks.access.policy.rbac import binding_name, holders, subjects_of
from tasks.core.models.findings import listed

NOT_LOGGED_IN = {f"User:{ANONYMOUS}", f"Group:{UNAUTHENTICATED}"}
EVERYONE = NOT_LOGGED_IN | {f"Group:{AUTHENTICATED}", f"Group:{ACCOUNTS}"}

EVIDENCE = 3
"""Limits how many bindings a finding names."""

Held = dict[tuple[str, str], list[Grant]]
"""This type maps the label of a subject and a namespace, or `*`, to the grants there."""


def find_rights(rbac: Rbac) -> Iterator[Finding]:
    """Yields a finding for each subject, dangerous thing and namespace that is no default of Kubernetes or kubeadm.

    A subject that can do a thing everywhere has no finding for the same thing in one namespace. Who can do everything
    in a place has no other finding there.
    """
    all_powerful: set[tuple[str, str]] = set()
    for danger in DANGERS:
        held = _held(rbac, danger)
        for (subject, place), grants in sorted(held.items()):
            wider = {(subject, EVERYWHERE)} - {(subject, place)}
            if not (wider & held.keys() or all_powerful & {(subject, place), *wider}):
                yield _right(danger, subject, place, grants)
        if danger.id == EVERYTHING:
            all_powerful = set(held)


def find_everyone(rbac: Rbac) -> Iterator[Finding]:
    """Yields each binding that gives a role to all users, or to those who have not logged in, and is no default."""
    for binding in rbac.bindings:
        name = binding_name(binding)
        for subject in {one.label for one in subjects_of(binding)} & EVERYONE:
            if (subject, name) in FOR_EVERYONE and binding.role_ref.name == binding.metadata.name:
                continue
            stranger = subject in NOT_LOGGED_IN
            who = "whoever reaches the API, without logging in," if stranger else f"every member of {subject}"
            yield Finding(
                id=f"everyone:{subject}:{name.replace(' ', ':')}",
                check="everyone",
                severity=Severity.HIGH if stranger else Severity.MEDIUM,
                subject=subject,
                problem=f"{who} has {binding.role_ref.kind} {binding.role_ref.name}",
                evidence=name,
                fix=f"bind the users who need it, then {remove(name)}",
            )


def find_disagreements(samples: Iterable[Sample]) -> Iterator[Finding]:
    """Yields each answer of the API server that the rules do not give."""
    words = {True: "allows it", False: "refuses it"}
    for one in samples:
        if one.by_rules is one.by_server:
            continue
        where = one.question.namespace or EVERYWHERE
        yield Finding(
            id=f"disagrees:{one.subject}:{one.question.words.replace(' ', ':')}:{where}",
            check="disagrees",
            severity=Severity.HIGH,
            subject=one.subject,
            problem=f"the API server {words[one.by_server]} ({one.question.words}), and RBAC {words[one.by_rules]}",
            evidence=one.reason,
            fix="check --authorization-mode and --authorization-config of the API server: another authorizer decides too",
        )


def remove(binding: str) -> str:
    """Returns the command that deletes a binding."""
    kind, _, name = binding.partition(" ")
    namespace, _, short = name.rpartition("/")
    return f"`kubectl {f'-n {namespace} ' if namespace else ''}delete {kind.lower()} {short}`"


def _held(rbac: Rbac, danger: Danger) -> Held:
    held: Held = {}
    for asked, in_namespaces in ((danger.asked, True), (danger.everywhere, False)):
        for grant in holders(rbac, asked, in_namespaces=in_namespaces) if asked else ():
            if (danger.named or not grant.names) and not is_default(grant, danger.id):
                held.setdefault((grant.subject.label, grant.namespace), []).append(grant)
    return held


def _right(danger: Danger, subject: str, place: str, grants: list[Grant]) -> Finding:
    everywhere = place == EVERYWHERE
    evidence = tuple(dict.fromkeys(grant.evidence for grant in grants))
    return Finding(
        id=f"{danger.id}:{subject}:{place}",
        check=danger.id,
        severity=danger.severity if everywhere else danger.in_namespace,
        subject=subject,
        problem=f"it can {danger.does} {'everywhere' if everywhere else f'in {place}'}: {danger.because}",
        evidence=listed(evidence, EVIDENCE),
        fix=f"give it a smaller role, or {remove(grants[0].binding)}",
    )
