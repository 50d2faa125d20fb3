"""Plans the rotation of a registry's credentials. What is not ours is named, and never changed."""

from collections.abc import Iterator

from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.plan import Caution, Plan, Refusal, Skip, Step, figure
from tasks.core.words import counted
from tasks.registries.models.secrets import FoundSecret
from tasks.registries.policy.contents import is_of
from tasks.registry_credentials.models import CredentialFacts, CredentialOptions, Wanted
from tasks.registry_credentials.policy.answers import FILE, UNASKED, findings_of_answers
from tasks.registry_credentials.policy.names import find, has_credential, old_secrets, switched

PODS = frozenset({"pod", "replicaset", "job"})
"""Names the kinds that come and go, or that another object makes."""


def plan_credentials(facts: CredentialFacts, options: CredentialOptions) -> Plan:
    """Plans each namespace of the policy, with all refusals at once."""
    findings = [finding for wanted in facts.wanted for finding in _findings(facts, wanted, options)]
    findings += _unasked(facts, options)
    lines = [line for wanted in facts.wanted for line in _lines(facts, wanted)]
    return Plan(
        steps=tuple(one for one in lines if isinstance(one, Step)),
        skips=tuple(one for one in lines if isinstance(one, Skip)),
        refusals=tuple(one for one in findings if isinstance(one, Refusal)),
        cautions=tuple(one for one in findings if isinstance(one, Caution)),
    )


def to_do(facts: CredentialFacts) -> tuple[Step, ...]:
    """Returns what is still to be done, apart from old Secrets."""
    return tuple(
        line
        for wanted in facts.wanted
        for line in (*_secrets(facts, wanted), *_accounts(facts, wanted))
        if isinstance(line, Step)
    )


def _lines(facts: CredentialFacts, wanted: Wanted) -> Iterator[Step | Skip]:
    yield from _secrets(facts, wanted)
    yield from _accounts(facts, wanted)
    for old in old_secrets(facts.found, wanted):
        names = facts.found.names(old)
        now = f": named by {listed(names)}" if names else ""
        yield Step(
            subject=old.id,
            act="remove this old Secret as soon as nothing names it",
            reason=f"{wanted.secret} takes its place{figure(now)}",
        )


def _secrets(facts: CredentialFacts, wanted: Wanted) -> Iterator[Step | Skip]:
    for namespace in wanted.namespaces:
        there = find(facts.found, namespace, wanted.secret)
        if there:
            yield Skip(subject=there.id, reason="it has the credential of the policy")
            continue
        old = [one.name for one in old_secrets(facts.found, wanted) if one.namespace == namespace]
        reason = f"{listed(old)} has another credential" if old else "there is no Secret of ours for this credential"
        yield Step(
            subject=f"{namespace}/{wanted.secret}",
            act=f"create this Secret for {wanted.registry}, and prove a pull from each node",
            reason=reason,
        )


def _accounts(facts: CredentialFacts, wanted: Wanted) -> Iterator[Step]:
    for one in facts.found.accounts:
        new = switched(one.secrets, wanted)
        if one.namespace in wanted.namespaces and one.name in wanted.accounts and new != one.secrets:
            yield Step(
                subject=f"serviceaccount {one.id}",
                act=f"imagePullSecrets: [{', '.join(one.secrets)}] -> [{', '.join(new)}]",
                reason="its new pods pull with the Secret of the policy",
            )


def _findings(facts: CredentialFacts, wanted: Wanted, options: CredentialOptions) -> Iterator[Finding]:
    for one in wanted.absent:
        if "*" in one:
            yield cautioned(wanted.entry, f"no namespace has a name like {one}", f"correct namespaces in {FILE}")
        else:
            hint = f"`kubectl create namespace {one}`, or correct namespaces in {FILE}"
            yield refused(wanted.entry, f"the namespace {one} does not exist, or is about to be deleted", hint)
    accounts = {one.id for one in facts.found.accounts}
    for namespace in wanted.namespaces:
        for name in wanted.accounts:
            if f"{namespace}/{name}" not in accounts:
                hint = f"`kubectl -n {namespace} create serviceaccount {name}`, or correct service_accounts in {FILE}"
                yield refused(wanted.entry, f"the ServiceAccount {namespace}/{name} does not exist", hint)
        there = find(facts.found, namespace, wanted.secret)
        if (there and not has_credential(there, wanted)) or f"{namespace}/{wanted.secret}" in facts.found.others:
            hint = f"see its annotations (`kubectl -n {namespace} describe secret {wanted.secret}`), then delete it"
            yield refused(f"{namespace}/{wanted.secret}", "it has our name, and another content", hint)
    yield from findings_of_answers([one for one in facts.asked if one.entry == wanted.entry], options)
    yield from _old_names(facts, wanted)
    yield from _foreign(facts, wanted)


def _old_names(facts: CredentialFacts, wanted: Wanted) -> Iterator[Finding]:
    switches = {
        f"{one.namespace}/serviceaccount/{one.name}"
        for one in facts.found.accounts
        if one.namespace in wanted.namespaces and one.name in wanted.accounts
    }
    for old in old_secrets(facts.found, wanted):
        names = [one for one in facts.found.names(old) if one not in switches]
        if lasting := [one for one in names if one.split("/")[1] not in PODS]:
            problem = f"it stays, because others name it: {listed(lasting)}"
            yield cautioned(old.id, problem, f"name {wanted.secret} there, or nothing; then run this again")
        if pods := [one for one in names if one.split("/")[1] in PODS]:
            problem = figure(f"pods keep the Secrets that they began with: {listed(pods)}")
            yield cautioned(old.id, problem, "restart their workload after this run, then run this again")


def _foreign(facts: CredentialFacts, wanted: Wanted) -> Iterator[Finding]:
    for one in facts.found.secrets:
        if one.ours == wanted.entry:
            continue
        entries = [entry for entry in one.entries if is_of(entry.place, wanted.registry)]
        if entries and any(entry.fingerprint != wanted.fingerprint or entry.problem for entry in entries):
            yield _foreign_words(facts, one, wanted)


def _foreign_words(facts: CredentialFacts, one: FoundSecret, wanted: Wanted) -> Finding:
    names = facts.found.names(one)
    lasting = [name for name in names if name.split("/")[1] not in PODS]
    who = f"it is of {one.owner}" if one.owner else "it is not ours"
    also = f", and has {len(one.entries)} registries" if len(one.entries) > 1 else ""
    used = f"; named by {listed(lasting)}" if lasting else ""
    passing = counted(len(names) - len(lasting), "pod or Job", "pods and Jobs")
    pods = figure("" if len(names) == len(lasting) else f"; {passing} of now")
    problem = f"it has another credential of {wanted.registry}{also}, and stays as it is: {who}{used}{pods}"
    return cautioned(
        one.id, problem, one.owner_way or "change it, or name it nowhere, before the old credential is revoked"
    )


def _unasked(facts: CredentialFacts, options: CredentialOptions) -> Iterator[Finding]:
    for one in facts.unasked:
        problem = f"a pull cannot be proven there: {one}"
        if options.allow_unasked:
            yield cautioned("nodes", problem)
        else:
            yield refused("nodes", problem, f"add the node to nodes of the profile, with ssh, {UNASKED}")
