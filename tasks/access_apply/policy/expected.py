"""Says what the policy's objects will mean: what they give, what others give, and which cells of the matrix will hold."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from tasks.access.models.audit import Asked, Finding, Judged
from tasks.access.models.declared import Kind, Place, Wanted
from tasks.access.models.login import RESERVED
from tasks.access.models.policy import AccessPolicy
from tasks.access.models.rights import MASTERS, Question, Rbac
from tasks.access.policy.declared import FILE, receivers
from tasks.access.policy.findings import find_rights
from tasks.access.policy.rbac import binding_name, is_allowed, role_key, subjects_of
from tasks.access_apply.policy.differences import rule_words
from tasks.core.models.findings import cautioned, listed, refused
from tasks.core.models.outside import Binding, PolicyRule, Role
from tasks.core.models.plan import Caution, Refusal

SHOWN = 5
"""Limits how many rights or cells a line names. The report has all cells."""


class Expected(NamedTuple):
    """Holds the access rules of the cluster after the run, and those that the policy alone gives."""

    after: Rbac
    ours: Rbac

    @property
    def foreign(self) -> tuple[Binding, ...]:
        """Returns the bindings that the policy does not have."""
        own = {place_of(one) for one in self.ours.bindings}
        return tuple(one for one in self.after.bindings if place_of(one) not in own)


def place_of(binding: Binding) -> Place:
    """Returns where a binding is."""
    metadata = binding.metadata
    return Place(Kind.BINDING if metadata.namespace else Kind.CLUSTER_BINDING, metadata.namespace, metadata.name)


def expect(now: Rbac, wanted: Sequence[Wanted], removed: Collection[Place]) -> Expected:
    """Returns the access rules as they will be."""
    roles = {key: rules for key, rules in now.roles.items() if Place(Kind(key[0]), *key[1:]) not in removed}
    bindings = []
    for one in wanted:
        if one.kind in {Kind.ROLE, Kind.CLUSTER_ROLE}:
            roles[one.kind, one.namespace, one.name] = Role.read(one.body, one.place.label).rules
        elif one.kind in {Kind.BINDING, Kind.CLUSTER_BINDING}:
            bindings.append(Binding.read(one.body, one.place.label))
    gone = {one.place for one in wanted} | set(removed)
    others = tuple(one for one in now.bindings if place_of(one) not in gone)
    return Expected(Rbac(roles, (*others, *bindings)), Rbac(roles, tuple(bindings)))


def find_missing(
    wanted: Sequence[Wanted], expected: Expected, namespaces: Collection[str], accounts: Iterable[str]
) -> Iterator[Refusal]:
    """Yields a refusal for each namespace, role and ServiceAccount that does not exist.

    A binding of what does not exist would give its rights to whoever creates that later. `accounts` are those that do not exist.
    """
    made = {one.name for one in wanted if one.kind is Kind.NAMESPACE}
    where = {one.namespace: one.subject for one in wanted if one.namespace and one.namespace not in made}
    for namespace, subject in where.items():
        if namespace not in namespaces:
            step = f"`kubectl create namespace {namespace}`, or correct {FILE}"
            yield refused(f"Namespace {namespace}", f"it does not exist, and {subject} has rights there", step)
    absent = {role_key(one): one for one in expected.ours.bindings if role_key(one) not in expected.ours.roles}
    for (kind, namespace, name), binding in absent.items():
        label = f"{kind} {f'{namespace}/' if namespace else ''}{name}"
        subjects = listed([one.label for one in subjects_of(binding)])
        yield refused(label, f"it does not exist, and {subjects} has it by the policy", f"create it, or correct {FILE}")
    for account in accounts:
        namespace, _, name = account.partition("/")
        step = f"`kubectl -n {namespace} create serviceaccount {name}`, or correct {FILE}"
        yield refused(f"ServiceAccount {account}", "it does not exist, and the policy gives it rights", step)


def find_contradictions(asked: Iterable[Asked], expected: Expected) -> Iterator[Refusal]:
    """Yields a refusal for each subject to which the policy gives what the subject must not have."""
    found: dict[str, list[str]] = {}
    for one in asked:
        given = one.question and is_allowed(expected.ours, one.identity, one.question)
        if one.cell.wanted == "deny" and given and MASTERS not in one.identity.groups:
            found.setdefault(one.cell.subject, []).append(_in_words(one.cell.right, one.cell.namespace))
    for subject, cells in found.items():
        problem = f"the policy itself gives what it forbids: {listed(cells, SHOWN)}"
        yield refused(subject, problem, f"give smaller roles, or remove cannot: both are in {FILE}")


def find_staying(asked: Iterable[Asked], judged: Iterable[Judged], now: Rbac, after: Rbac) -> tuple[str, ...]:
    """Returns the cells that fail now and that will fail after the run, too.

    Others give the right, another authorizer decides, or the API does not have what is asked for.
    """
    return tuple(
        cell.label for one, cell in zip(asked, judged, strict=True) if not cell.holds and _stays(one, cell, now, after)
    )


def _stays(one: Asked, cell: Judged, now: Rbac, after: Rbac) -> bool:
    if one.question is None:
        return True
    by_rules_now, by_rules_after = (is_allowed(rbac, one.identity, one.question) for rbac in (now, after))
    return by_rules_now is not cell.allowed or by_rules_after is not (cell.wanted == "allow")


def tell_cells(judged: Iterable[Judged], stay: Collection[str]) -> Iterator[Caution]:
    """Yields which cells of the matrix fail before the run: those that it corrects, and those that it does not."""
    failing = [one for one in judged if not one.holds]
    for corrected in (True, False):
        found: dict[str, list[str]] = {}
        for one in failing:
            if (one.label not in stay) is corrected:
                found.setdefault(one.subject, []).append(f"{one.wanted} {_in_words(one.right, one.namespace)}")
        for subject, cells in found.items():
            problem = f"cells of the matrix that fail: {listed(cells, SHOWN)}"
            if corrected:
                lasting = "cells of the matrix fail, and the objects of the policy correct them"
                yield cautioned(subject, f"{problem}; the objects of the policy correct them", lasting=lasting)
            else:
                step = "`kube-runbooks access matrix CLUSTER` names the reason of each"
                yield cautioned(subject, f"{problem}; they will still fail: this policy does not correct them", step)


def find_extras(policy: AccessPolicy, expected: Expected) -> Iterator[Caution]:
    """Yields each foreign binding that gives a subject of the policy more than the policy does."""
    rows = {row.subject: row.identity for row in policy.rows}
    for receiver in receivers(policy):
        if receiver.subject.name.startswith(RESERVED):
            continue  # Kubernetes itself gives rights to its groups
        for binding in expected.foreign:
            if receiver.subject not in subjects_of(binding):
                continue
            rules = expected.after.roles.get(role_key(binding), ())
            namespace = binding.metadata.namespace
            identity = rows[receiver.label]
            more = [
                one for one in rules if not all(is_allowed(expected.ours, identity, q) for q in atoms(one, namespace))
            ]
            if more:
                yield _extra(receiver.label, binding, [rule_words(one) for one in more])


def atoms(rule: PolicyRule, namespace: str) -> Iterator[Question]:
    """Yields each single right of a rule. The policy has the rule if it has all of them."""
    for verb in rule.verbs:
        yield from (Question(verb=verb, url=url) for url in rule.non_resource_urls)
        for group in rule.api_groups:
            for written in rule.resources:
                resource, _, below = written.partition("/")
                for name in rule.resource_names or ("",):
                    fields = {"verb": verb, "group": group, "resource": resource, "subresource": below}
                    yield Question(**fields, name=name, namespace=namespace)


def find_dangers(expected: Expected) -> Iterator[Finding]:
    """Yields the dangerous things that the policy's objects give, as the audit finds them."""
    return find_rights(expected.ours)


def tell_danger(finding: Finding) -> Caution:
    """Returns a loud warning, with the reason if the policy accepts the finding."""
    accepted = f"; accepted: {finding.accepted}" if finding.accepted else ""
    step = "" if finding.accepted else f"give it a smaller right, or accept {finding.id} in {FILE}"
    problem = f"DANGER ({finding.severity}): {finding.problem}; by {finding.evidence}{accepted}"
    return cautioned(finding.subject, problem, step)


def _extra(subject: str, binding: Binding, rights: list[str]) -> Caution:
    name = binding_name(binding)
    kind, _, whole = name.partition(" ")
    namespace, _, short = whole.rpartition("/")
    command = f"`kubectl {f'-n {namespace} ' if namespace else ''}edit {kind.lower()} {short}`"
    problem = (
        f"{name} of {binding.role_ref.kind} {binding.role_ref.name}, which is not ours, gives it more than the policy: "
        f"{listed(rights, SHOWN)}"
    )
    return cautioned(subject, problem, f"take it out of the binding ({command}), or declare the right in {FILE}")


def _in_words(right: str, namespace: str) -> str:
    return f"{right}{f' in {namespace}' if namespace else ''}"
