"""Reads the access rules of a cluster, and asks the API server what it would allow. It changes nothing."""

from collections.abc import Sequence

from tasks.access.models.audit import Asked, Judged, Sample
from tasks.access.models.resources import Resources, Served
from tasks.access.models.rights import Identity, Question, Rbac
from tasks.access.policy.apis import Deprecated, api_version_of, newer_path
from tasks.access.policy.rbac import is_allowed
from tasks.access.policy.sample import Request
from tasks.access.probes.discovery import parse_resources, parse_served, writers_in
from tasks.access.probes.rbac import (
    BINDINGS,
    CLUSTER_BINDINGS,
    CLUSTER_ROLES,
    REVIEWS,
    ROLES,
    judgement_in,
    parse_rbac,
    review_of,
)
from tasks.clients.kube import AT_ONCE, KubeClient
from tasks.core.at_once import on_all
from tasks.core.models import outside
from tasks.nodes.probes.api_facts import parse_deprecated

NAMESPACES, SECRETS, ACCOUNTS = "/api/v1/namespaces", "/api/v1/secrets", "/api/v1/serviceaccounts"
TOKENS = "type=kubernetes.io/service-account-token"


def read_rbac(kube: KubeClient) -> Rbac:
    """Reads all roles and bindings."""
    roles, cluster_roles, bindings, cluster_bindings = on_all(
        kube.items, (ROLES, CLUSTER_ROLES, BINDINGS, CLUSTER_BINDINGS)
    )
    return parse_rbac(roles, cluster_roles, [*bindings, *cluster_bindings])


def read_resources(kube: KubeClient) -> Resources:
    """Reads which resources the API knows."""
    return parse_resources([*kube.groups("/api"), *kube.groups("/apis")])


def read_apis(kube: KubeClient) -> tuple[Served, ...]:
    """Reads which resources the API serves, in which versions."""
    return parse_served([*kube.groups("/api"), *kube.groups("/apis")])


def read_deprecated(kube: KubeClient, served: Sequence[Served]) -> tuple[Deprecated, ...]:
    """Reads which versions that a release removes were requested from this API server since it started, and who wrote by them."""

    def look(name: str, release: str) -> Deprecated:
        path = newer_path(name, served)
        writers = writers_in(kube.heads(path), api_version_of(name)) if path else ()
        return Deprecated(name, release, writers)

    return tuple(look(*one) for one in sorted(parse_deprecated(kube.text("/metrics")).items()))


def read_accounts(kube: KubeClient) -> frozenset[tuple[str, str]]:
    """Reads the namespaces and names of all ServiceAccounts."""
    found = (outside.Placed.read(one, outside.name_of("ServiceAccount", one)).metadata for one in kube.heads(ACCOUNTS))
    return frozenset((one.namespace, one.name) for one in found)


def read_namespaces(kube: KubeClient) -> frozenset[str]:
    """Reads the names of all namespaces."""
    return frozenset(
        outside.Named.read(one, outside.name_of("namespace", one)).metadata.name for one in kube.heads(NAMESPACES)
    )


def read_tokens(kube: KubeClient) -> tuple[outside.Named, ...]:
    """Reads the names and labels of the Secrets that hold a token of a ServiceAccount, and never their data."""
    found = kube.heads(SECRETS, fieldSelector=TOKENS)
    return tuple(outside.Named.read(one, outside.name_of("secret", one)) for one in found)


def review(kube: KubeClient, who: Identity, asked: Question) -> outside.Judgement:
    """Asks the API server whether it allows this request of this user."""
    return judgement_in(kube.create(REVIEWS, review_of(who, asked)))


def judge_cells(kube: KubeClient, asked: Sequence[Asked]) -> tuple[Judged, ...]:
    """Asks the API server about each cell. A cell with a problem stays without an answer."""

    def judge(one: Asked) -> Judged:
        fields = one.cell.model_dump()
        if one.question is None:
            return Judged(**fields)
        answer = review(kube, one.identity, one.question)
        return Judged(**fields, allowed=answer.allowed, reason=answer.reason or answer.evaluation_error)

    return tuple(on_all(judge, asked, most=AT_ONCE))


def check_sample(kube: KubeClient, rbac: Rbac, requests: Sequence[Request]) -> tuple[Sample, ...]:
    """Compares what the rules answer with what the API server answers."""

    def check(request: Request) -> Sample:
        subject, question = request
        answer = review(kube, subject.identity, question)
        return Sample(
            subject=subject.label,
            question=question,
            by_rules=is_allowed(rbac, subject.identity, question),
            by_server=answer.allowed,
            reason=answer.reason or answer.evaluation_error,
        )

    return tuple(on_all(check, requests, most=AT_ONCE))
