"""What is in the way of certificates from nothing: machines that do not agree, keys that are elsewhere, files that somebody may need."""

from collections.abc import Iterator

from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificate_issue.policy.situation import SERVICE_ACCOUNTS, IssueSituation
from tasks.certificates.models.inventory import Certificate
from tasks.certificates.policy.inventory import in_words
from tasks.core.models.findings import Finding, cautioned, refused
from tasks.core.models.plan import figure


def findings_of(situation: IssueSituation) -> Iterator[Finding]:
    """What is in the way, all of it at once."""
    for machine in situation.facts.machines:
        if machine.unreached:
            yield refused(machine.name, machine.unreached, "look at its sshd and its network")
        elif not machine.openssl:
            yield refused(machine.name, "it has no openssl, which makes its keys there", "install openssl")
    for authority in situation.wanted_authorities:
        yield from _of_authority(situation, authority)
    if situation.request.replace:
        return
    for name in situation.request.machines:
        for leaf in leaves_of(situation.request, name):
            why = situation.reasons_to_make(name, leaf)
            if why and not situation.is_free(name, leaf):
                yield refused(
                    f"{name}: {leaf.path}", "; ".join(why), "replace=true makes a new one, and keeps a copy of this"
                )


def _of_authority(situation: IssueSituation, authority: str) -> Iterator[Finding]:
    if authority == SERVICE_ACCOUNTS:
        yield from _of_service_accounts(situation)
        return
    held = {name: found for name in situation.request.machines if (found := situation.authority_on(name, authority))}
    if len({found.fingerprint for found in held.values()}) > 1:
        told = ", ".join(f"{name} has {found.fingerprint[:8]}" for name, found in held.items())
        yield refused(authority, f"the machines do not agree on it: {told}", "find out which one is right")
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
    """Something is to be signed by it, or somebody is to have its key."""
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
            f"the machines do not agree on the keys of service accounts: {told}",
            "find out which is right; a rotation is ended first",
        )
    elif found and not situation.source_of(SERVICE_ACCOUNTS):
        yield refused(SERVICE_ACCOUNTS, "sa.pub is there, and no sa.key", "bring sa.key to one of the machines")
