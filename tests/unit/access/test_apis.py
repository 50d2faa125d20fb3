"""Resources of the API, and versions that a release removes."""

from typing import Any

from tasks.access.models.resources import Served
from tasks.access.policy.apis import Deprecated, api_table, api_version_of, find_deprecated, newer_path
from tasks.access.probes.discovery import parse_served, writers_in

GROUPS: list[dict[str, Any]] = [
    {
        "versions": [
            {
                "version": "v1",
                "resources": [
                    {
                        "resource": "pods",
                        "scope": "Namespaced",
                        "responseKind": {"kind": "Pod"},
                        "verbs": ["get", "list"],
                    }
                ],
            }
        ]
    },
    {
        "metadata": {"name": "apps"},
        "versions": [
            {
                "version": name,
                "resources": [
                    {
                        "resource": "deployments",
                        "scope": "Namespaced",
                        "responseKind": {"kind": "Deployment"},
                        "verbs": ["get"],
                    }
                ],
            }
            for name in ("v1", "v1beta1")
        ],
    },
]
SERVED = (
    Served("", "v1", "pods", "Pod", ("get", "list")),
    Served("apps", "v1", "deployments", "Deployment", ("get",)),
    Served("apps", "v1beta1", "deployments", "Deployment", ("get",)),
)


def test_each_resource_is_in_the_table_once_with_its_versions() -> None:
    """The preferred one first."""
    assert parse_served(GROUPS) == SERVED
    assert api_table(SERVED) == {"deployments.apps": "v1, v1beta1 Deployment: get", "pods": "v1 Pod: get list"}


def test_objects_are_read_in_another_version_so_that_the_audit_does_not_use_the_old_one() -> None:
    """If there is one."""
    assert newer_path("apps/v1beta1/deployments", SERVED) == "/apis/apps/v1/deployments"
    assert newer_path("apps/v1beta1/daemonsets", SERVED) == ""
    assert newer_path("core/v0/pods", SERVED) == "/api/v1/pods"
    assert newer_path("core/v1/pods", SERVED) == ""
    assert (api_version_of("apps/v1beta1/deployments"), api_version_of("core/v1/pods")) == ("apps/v1beta1", "v1")


def test_who_wrote_an_object_by_a_version_is_in_its_managed_fields() -> None:
    """Once each, with one object."""
    fields = [{"manager": "helm", "apiVersion": "apps/v1beta1"}, {"manager": "kubectl", "apiVersion": "apps/v1"}]
    items: list[dict[str, Any]] = [
        {"metadata": {"name": "web", "namespace": "shop", "managedFields": fields}},
        {"metadata": {"name": "db", "namespace": "shop", "managedFields": fields}},
        {"metadata": {"name": "all", "managedFields": [{"manager": "old", "apiVersion": "apps/v1beta1"}]}},
        {"metadata": {"name": "none"}},
    ]
    assert writers_in(items, "apps/v1beta1") == ("helm (for example shop/web)", "old (for example all)")


def test_a_version_that_the_next_minor_version_does_not_have_is_worse() -> None:
    """Its writers are the evidence."""
    old = [Deprecated("g/v1beta1/a", "1.37", ("helm (for example x)",)), Deprecated("g/v1beta1/b", "1.39")]
    soon, later = find_deprecated(old, 36)
    assert (soon.id, str(soon.severity), str(later.severity)) == ("deprecated-api:g/v1beta1/a", "medium", "low")
    assert soon.evidence.endswith("objects were written with it by helm (for example x)")
    assert later.evidence == "apiserver_requested_deprecated_apis"
