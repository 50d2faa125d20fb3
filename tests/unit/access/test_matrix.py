"""The matrix of a policy: each cell is a request, or says why it shows nothing."""

from typing import Any

import pytest

from tasks.access.models.policy import AccessPolicy
from tasks.access.models.rights import Question, Rbac
from tasks.access.policy.matrix import cells_of
from tasks.access.policy.resources import can_be_in_namespace, question_about
from tasks.access.probes.discovery import parse_resources
from tasks.access.probes.rbac import parse_rbac
from tasks.core.errors import NotYet
from tasks.core.models.findings import Problem
from tests.facts.access import binding, group, user


def resource(name: str, scope: str = "Namespaced", *below: str) -> dict[str, Any]:
    """As discovery has it."""
    return {"resource": name, "scope": scope, "subresources": [{"subresource": one} for one in below]}


KNOWN = parse_resources(
    [
        {
            "metadata": {},
            "versions": [{"resources": [resource("pods", "Namespaced", "log", "exec"), resource("secrets")]}],
        },
        {
            "metadata": {},
            "versions": [{"resources": [resource("nodes", "Cluster", "proxy"), resource("namespaces", "Cluster")]}],
        },
        {"metadata": {"name": "apps"}, "versions": [{"resources": [resource("deployments", "Namespaced", "scale")]}]},
        {
            "metadata": {"name": "x.org"},
            "versions": [
                {"resources": [resource("things")]},
                {"resources": [resource("things", "Namespaced", "status")]},
            ],
        },
        {"metadata": {"name": "y.org"}, "versions": [{"resources": [resource("things")]}, {}]},
        {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"resources": [resource("pods")]}]},
    ]
)


@pytest.mark.parametrize(
    ("written", "namespace", "expected"),
    [
        ("pods", "shop", Question(verb="get", resource="pods", namespace="shop")),
        ("pods/exec", "", Question(verb="get", resource="pods", subresource="exec")),
        ("pods.metrics.k8s.io", "", Question(verb="get", resource="pods", group="metrics.k8s.io")),
        ("deployments", "", Question(verb="get", resource="deployments", group="apps")),
        ("deployments.apps/scale", "", Question(verb="get", resource="deployments", group="apps", subresource="scale")),
        ("things.x.org/status", "", Question(verb="get", resource="things", group="x.org", subresource="status")),
        ("*", "", Question(verb="get", resource="*", group="*")),
        ("*.apps", "shop", Question(verb="get", resource="*", group="apps", namespace="shop")),
        ("users", "", Question(verb="get", resource="users")),
        ("signers", "", Question(verb="get", resource="signers", group="certificates.k8s.io")),
        ("nodes/proxy", "", Question(verb="get", resource="nodes", subresource="proxy")),
        ("nodes/metrics", "", Question(verb="get", resource="nodes", subresource="metrics")),
        ("namespaces", "shop", Question(verb="get", resource="namespaces", namespace="shop")),
        ("/healthz", "", Question(verb="get", url="/healthz")),
        ("/healthz", "shop", "/healthz is in no namespace"),
        ("nodes", "shop", "nodes is in no namespace"),
        ("podz", "", "the API has no resource podz"),
        ("deployments.extensions", "", "the API has no resource deployments.extensions"),
        ("things", "", "things is in 2 groups"),
        ("pods/scale", "", "pods has no subresource scale"),
        ("secrets/x", "", "secrets has no subresource x"),
    ],
)
def test_a_resource_has_the_group_that_the_api_has_for_it(
    written: str, namespace: str, expected: Question | str
) -> None:
    """What the API does not have is a problem: a denied right on it would show nothing."""
    found = question_about("get", written, namespace, KNOWN)
    assert (found.text if isinstance(found, Problem) else found) == expected


@pytest.mark.parametrize(
    ("written", "inside"),
    [("pods", True), ("nodes", False), ("namespaces", True), ("*", True), ("users", False), ("/healthz", False)],
)
def test_a_binding_in_a_namespace_gives_rights_on_what_can_be_there(written: str, inside: bool) -> None:  # noqa: FBT001
    """A request for a namespace has its name as its namespace."""
    asked = question_about("get", written, "", KNOWN)
    assert isinstance(asked, Question)
    assert can_be_in_namespace(asked, KNOWN) is inside


def test_discovery_that_could_not_be_parsed_says_so() -> None:
    """With the field."""
    with pytest.raises(NotYet, match="an API group could not be parsed: versions.0.resources.0.scope: Field required"):
        parse_resources([{"versions": [{"resources": [{"resource": "pods"}]}]}])


POLICY = AccessPolicy.model_validate(
    {
        "users": [
            {
                "name": "ada",
                "groups": ["dev"],
                "can": [{"verbs": ["get"], "resources": ["pods"], "namespaces": ["shop", "gone"]}],
                "cannot": [{"verbs": ["get"], "resources": ["secrets", "nodes", "podz"]}],
            }
        ]
    }
)
RBAC: Rbac = parse_rbac(
    [],
    [],
    [
        binding("shop", "a", ("Role", "r"), user("ada")),
        binding("ops", "b", ("Role", "r"), group("dev")),
        binding("build", "c", ("Role", "r"), user("eve")),
    ],
)


def test_what_a_subject_cannot_do_anywhere_is_asked_where_it_has_a_binding() -> None:
    """And for all namespaces at once. A namespace or a resource that does not exist is a cell that shows nothing."""
    asked = cells_of(POLICY, KNOWN, frozenset({"shop", "ops", "build"}), RBAC)
    assert [(one.cell.label, one.cell.wanted, one.question is not None) for one in asked] == [
        ("User:ada get pods in shop", "allow", True),
        ("User:ada get pods in gone", "allow", False),
        ("User:ada get secrets", "deny", True),
        ("User:ada get secrets in ops", "deny", True),
        ("User:ada get secrets in shop", "deny", True),
        ("User:ada get nodes", "deny", True),
        ("User:ada get podz", "deny", False),
    ]
    assert asked[1].cell.problem == "no namespace gone; `kubectl get namespaces` lists them"
    assert all(one.identity.groups == ("dev", "system:authenticated") for one in asked)
