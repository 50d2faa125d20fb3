"""Finds pull Secrets that do not work: Kubernetes is silent about them until a pod does not start."""

from collections.abc import Iterator
from typing import NamedTuple

from tasks.access.models.audit import Finding, Severity
from tasks.access.models.pulls import PullAudit
from tasks.core.models.findings import listed
from tasks.core.models.images import Reference
from tasks.registries.models.secrets import PullFacts
from tasks.registries.policy.pull_secrets import fits

CHECK = "pull-secret"

SHOWN = 3
"""Limits how many objects a finding names."""


class Question(NamedTuple):
    """Is what a registry is asked: whether it gives an image with the credential of a Secret."""

    secret: str
    fingerprint: str
    place: str
    image: str


def find_pull_secrets(audit: PullAudit) -> Iterator[Finding]:
    """Yields a finding for each pull Secret that is missing, that the kubelet cannot use, or that a registry refuses."""
    facts = audit.facts
    for one in facts.missing:
        why = "it is named to pull with, and does not exist: the kubelet pulls without it, and says nothing"
        yield _finding(facts, one, why, f"create it, or remove it from imagePullSecrets: `{_named(facts, one)}`")
    for one in facts.others:
        yield _finding(facts, one, "it is named to pull with, and is no Secret of registries", _anew(one))
    denied = {one.secret: one for one in audit.denied}
    for secret in facts.secrets:
        problems = [secret.problem] if secret.problem else []
        problems += [f"{entry.place}: {entry.problem}" for entry in secret.entries if entry.problem]
        if secret.id in denied:
            told = denied[secret.id]
            problems.append(f"{told.place} refuses it for {told.image}, asked from node {told.node}: {told.said}")
        if problems:
            yield _finding(facts, secret.id, "; ".join(problems), secret.owner_way or _anew(secret.id))


def questions_for(facts: PullFacts) -> tuple[tuple[Question, ...], tuple[str, ...]]:
    """Returns what to ask registries, each credential once, and which Secrets no pod shows an image for."""
    asked: dict[tuple[str, str], Question] = {}
    unused = []
    for secret in facts.secrets:
        images = [
            image
            for one in facts.namers
            if one.namespace == secret.namespace and secret.name in one.pulls
            for image in one.images
        ]
        for entry in secret.entries:
            image = next((one for one in images if fits(entry.place, Reference.of(one))), "")
            if image and entry.fingerprint:
                asked.setdefault((secret.id, entry.place), Question(secret.id, entry.fingerprint, entry.place, image))
        if not any(secret.id == one for one, _ in asked) and facts.names(secret):
            unused.append(secret.id)
    return tuple(asked.values()), tuple(unused)


def _finding(facts: PullFacts, secret: str, problem: str, fix: str) -> Finding:
    names = _names(facts, secret)
    return Finding(
        id=f"{CHECK}:{secret}",
        check=CHECK,
        severity=Severity.MEDIUM if names else Severity.LOW,
        subject=f"Secret {secret}",
        problem=problem,
        evidence=f"named by {listed(names, SHOWN)}" if names else "nothing names it",
        fix=fix,
    )


def _names(facts: PullFacts, secret: str) -> tuple[str, ...]:
    namespace, _, name = secret.partition("/")
    accounts = [one for one in facts.accounts if one.namespace == namespace and name in one.secrets]
    namers = [one for one in facts.namers if one.namespace == namespace and name in one.uses]
    return (*(f"{namespace}/serviceaccount/{one.name}" for one in accounts), *(one.label for one in namers))


def _named(facts: PullFacts, secret: str) -> str:
    namespace, kind, name = _names(facts, secret)[0].split("/")
    return f"kubectl -n {namespace} edit {kind} {name}"


def _anew(secret: str) -> str:
    namespace, _, name = secret.partition("/")
    return (
        f"delete it, and make it with `kubectl -n {namespace} create secret docker-registry {name}`, "
        "or declare it in pull_secrets of the cluster's access.yaml (docs/registry-credentials.md)"
    )
