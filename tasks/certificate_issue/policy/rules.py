"""Checks what blocks certificates from nothing.

Machines may disagree, keys may be elsewhere, and existing files may still be needed.
"""

from collections.abc import Iterator

from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificate_issue.policy.situation import SERVICE_ACCOUNTS, IssueSituation
from tasks.certificates.models.inventory import Certificate
from tasks.certificates.policy.inventory import in_words
from tasks.certificates.policy.pairs import of_split_pairs
from tasks.core.models.findings import Finding, cautioned, refused
from tasks.core.models.plan import Refusal, figure


def findings_of(situation: IssueSituation) -> Iterator[Finding]:
    """Yields all findings at once. Files are left out if they were read from the wrong folder."""
    for machine in situation.facts.machines:
        if machine.unreached:
            yield refused(machine.name, machine.unreached, "check its sshd and its network")
        elif not machine.openssl:
            yield refused(machine.name, "it has no openssl, which makes its keys there", "install openssl")
    yield from _of_cluster(situation)
    elsewhere = list(of_folders(situation))
    yield from elsewhere
    if elsewhere:
        return
    for authority in situation.wanted_authorities:
        yield from _of_authority(situation, authority)
    yield from _of_pairs(situation)
    if situation.request.replace:
        return
    for name in situation.request.machines:
        for leaf in leaves_of(situation.request, name):
            why = situation.reasons_to_make(name, leaf)
            if why and not situation.is_free(name, leaf):
                yield refused(
                    f"{name}: {leaf.path}",
                    "; ".join(why),
                    "--request-replace makes a new one, and keeps a copy of this",
                )


def _of_pairs(situation: IssueSituation) -> Iterator[Finding]:
    for name in situation.request.machines:
        yield from of_split_pairs(situation.machines[name], [leaf.name for leaf in situation.work_on(name).leaves])


def _of_cluster(situation: IssueSituation) -> Iterator[Finding]:
    """Yields findings from the cluster's own configuration, if a cluster exists."""
    facts, request = situation.facts, situation.request
    asked = {"service_subnet": request.service_subnet, "dns_domain": request.dns_domain}
    if facts.shape is None:
        told = ", ".join(f"{field} {value}" for field, value in asked.items() if value)
        if request.control_planes and facts.shape_problem:
            yield cautioned(
                "API",
                f"kubeadm-config is not known, so these stand: {told}; {figure(facts.shape_problem)}",
                "compare them with the configuration that kubeadm is to be run with",
            )
        return
    own = {"service_subnet": ",".join(facts.shape.service_subnets), "dns_domain": facts.shape.dns_domain}
    for field, value in asked.items() if request.control_planes else ():
        if own[field] and value and value != own[field]:
            yield cautioned(f"request.{field}", f"it is {value}, kubeadm-config has {own[field]}", "leave it empty")


def of_folders(situation: IssueSituation) -> Iterator[Refusal]:
    """Yields refusals for machines where the cluster has its certificates in another folder than the one to be written."""
    facts = situation.facts
    if facts.shape is None:
        return
    wanted, usual = str(facts.shape.certificates_dir), str(facts.folder / "pki")
    for name, place in facts.places.items():
        if wanted not in {usual, place}:
            yield refused(
                name,
                f"kubeadm-config has certificatesDir {wanted}, and certificates are written to {usual}",
                f"make that a link there: mkdir -p {wanted} && ln -s {wanted} {usual}",
            )


def _of_authority(situation: IssueSituation, authority: str) -> Iterator[Finding]:
    if authority == SERVICE_ACCOUNTS:
        yield from _of_service_accounts(situation)
        return
    held = {name: found for name in situation.request.machines if (found := situation.authority_on(name, authority))}
    if len({found.fingerprint for found in held.values()}) > 1:
        told = ", ".join(f"{name} has {found.fingerprint[:8]}" for name, found in held.items())
        yield refused(authority, f"the machines have different ones: {told}", "find out which one is right")
    for name, found in held.items():
        if found.pair is False:
            yield refused(f"{name}: {found.path}", "the key beside it is another one's", "put the right one back")
    if held and not situation.source_of(authority) and _is_needed(situation, authority):
        yield refused(
            authority,
            f"its certificate is on {', '.join(held)}, and its key is on none of the machines",
            "issue there where its key is; or bring the key to one of them",
        )
    for found in list(held.values())[:1]:
        yield from _of_end(situation, authority, found)


def _of_end(situation: IssueSituation, authority: str, found: Certificate) -> Iterator[Finding]:
    left = found.left(situation.now)
    if left is None or left > situation.request.validity:
        return
    told = f"{authority} {figure(in_words(left))}: nothing that it signs lasts longer"
    rotate = "plan its rotation: docs/ca-rotation.md"
    yield (
        refused(authority, told, rotate)
        if found.not_after and left.total_seconds() <= 0
        else cautioned(authority, told, rotate)
    )


def _is_needed(situation: IssueSituation, authority: str) -> bool:
    """Checks whether a CA must sign something, or whether a machine must get its key."""
    works = [situation.work_on(name) for name in situation.request.machines]
    return any(
        authority in work.signs_with or any(leaf.authority == authority for leaf in work.leaves) for work in works
    )


def _of_service_accounts(situation: IssueSituation) -> Iterator[Finding]:
    held = {
        name: {key.public_key for key in situation.machines[name].public_keys if key.public_key}
        for name in situation.control_planes
    }
    found = {name: sums for name, sums in held.items() if sums}
    if len(set().union(*found.values())) > 1:
        told = ", ".join(f"{name} has {' and '.join(sorted(one[:8] for one in sums))}" for name, sums in found.items())
        yield refused(
            SERVICE_ACCOUNTS,
            f"the machines have different service-account keys: {told}",
            "find out which is right; a rotation is ended first",
        )
    elif found and not situation.source_of(SERVICE_ACCOUNTS):
        yield refused(SERVICE_ACCOUNTS, "sa.pub is there, and no sa.key", "bring sa.key to one of the machines")
