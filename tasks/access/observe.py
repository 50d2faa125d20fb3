"""Reads the access rules of a cluster, and asks the API server what it would allow. It changes nothing."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

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
from tasks.clients.kube import AT_ONCE, JSON, KubeClient
from tasks.core.at_once import on_all
from tasks.core.models import outside
from tasks.network_policy.models import Pod
from tasks.network_policy.observe import pod_parser
from tasks.nodes.probes.api_facts import parse_deprecated
from tasks.pod_security.models import Workload
from tasks.pod_security.observe import judge_object
from tasks.pod_security.probes.pods import KINDS
from tasks.registries.models.secrets import Namer
from tasks.registries.probes.pulls import parse_namer

NAMESPACES, SECRETS, ACCOUNTS = "/api/v1/namespaces", "/api/v1/secrets", "/api/v1/serviceaccounts"
TOKENS = "type=kubernetes.io/service-account-token"


def read_rbac(kube: KubeClient) -> Rbac:
    """Reads all roles and bindings."""
    roles, cluster_roles, bindings, cluster_bindings = on_all(
        kube.items, (ROLES, CLUSTER_ROLES, BINDINGS, CLUSTER_BINDINGS)
    )
    return parse_rbac(roles, cluster_roles, [*bindings, *cluster_bindings])


class Workloads(NamedTuple):
    """Holds what each part of the audit wants of pods and of the objects that make them."""

    judged: list[Workload]
    namers: list[Namer]
    pods: list[Pod]


def read_workloads(kube: KubeClient, minor: int) -> Workloads:
    """Reads all pods, and all objects that make pods, once for all parts of the audit."""
    parse_pod = pod_parser()

    def parse(kind: str, raw: JSON) -> tuple[Workload | None, Namer | None, Pod | None]:
        return judge_object(kind, minor, raw), parse_namer(kind, raw), parse_pod(raw) if kind == "Pod" else None

    found = Workloads([], [], [])
    for name, kind in KINDS.items():
        for judged, namer, pod in kube.read_all(f"{kind.group}/{kind.plural}", partial(parse, name)):
            found.judged.extend([judged] if judged else [])
            found.namers.extend([namer] if namer else [])
            found.pods.extend([pod] if pod else [])
    return found


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
