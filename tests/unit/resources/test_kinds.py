"""Which kinds a backup has."""

from typing import Any

from tasks.core.models.plan import Skip
from tasks.core.models.profile.resources import ResourceFilter, ResourceRules
from tasks.resources.models import Kind, ResourceFacts
from tasks.resources.policy.kinds import choose_kinds, place_of, why_filtered
from tasks.resources.policy.pages import LARGEST_PAGE, SMALLEST, next_limit
from tasks.resources.policy.plan import plan_backup
from tasks.resources.probes.kinds import parse_kinds
from tests.facts.resources import kind

ALL = ["create", "delete", "get", "list", "update", "watch"]
WIDGET = kind("Widget", "widgets", "example.com")


def resource(name: str, kind: str, verbs: list[str] = ALL, scope: str = "Namespaced") -> dict[str, Any]:
    """Of a version, as discovery has it."""
    return {"resource": name, "responseKind": {"kind": kind}, "scope": scope, "verbs": verbs}


def group(name: str, *versions: tuple[str, list[dict[str, Any]]], freshness: str = "Current") -> dict[str, Any]:
    """As discovery has it."""
    told = [{"version": version, "resources": found, "freshness": freshness} for version, found in versions]
    return {"metadata": {"name": name}, "versions": told}


def service(group: str, version: str, *, elsewhere: bool = True) -> dict[str, Any]:
    """An APIService."""
    place = {"service": {"name": "x"}} if elsewhere else {}
    return {"spec": {"group": group, "version": version, **place}}


def test_a_kind_is_read_in_the_version_that_the_api_prefers() -> None:
    """Or in the first that has it; what cannot be listed and created is no configuration."""
    core = group("", ("v1", [resource("configmaps", "ConfigMap"), resource("bindings", "Binding", ["create"])]))
    old = [resource("widgets", "Widget"), resource("gears", "Gear", scope="Cluster"), resource("odd", "")]
    found, silent = parse_kinds(
        [core, group("example.com", ("v1", [resource("widgets", "Widget")]), ("v1beta1", old))], []
    )
    assert silent == ()
    assert found == (kind(), WIDGET, Kind("example.com", "v1beta1", "Gear", "gears", namespaced=False))
    assert [one.api_version for one in found] == ["v1", "example.com/v1", "example.com/v1beta1"]
    assert [one.path for one in found][:2] == ["/api/v1/configmaps", "/apis/example.com/v1/widgets"]


def test_a_group_that_does_not_answer_is_named() -> None:
    """Whether discovery has it as stale, or not at all; measurements are no part of a backup."""
    services = [
        service("gone.io", "v1"),
        service("stale.io", "v1"),
        service("example.com", "v1"),
        service("metrics.k8s.io", "v1"),
        service("", "v1", elsewhere=False),
    ]
    groups = [
        group("stale.io", ("v1", [resource("things", "Thing")]), freshness="Stale"),
        group("example.com", ("v1", [resource("widgets", "Widget")])),
    ]
    found, silent = parse_kinds(groups, services)
    assert found == (WIDGET._replace(aggregated=True),)
    assert [one.subject for one in silent] == ["*.gone.io", "*.stale.io"]
    assert silent[0].reason == "the API server of gone.io/v1 does not answer"


def test_generated_kinds_are_left_out() -> None:
    """With the reason."""
    chosen, left = choose_kinds([WIDGET, kind("Lease", "leases", "coordination.k8s.io"), kind()], ResourceRules())
    assert chosen == (kind(), WIDGET)
    assert [(one.what, one.count) for one in left] == [("leases.coordination.k8s.io", 0)]


def test_the_profile_chooses_by_kind_and_namespace() -> None:
    """A rule with namespaces leaves the kind to be read."""
    rules = ResourceRules(
        include=(ResourceFilter(kinds=("configmaps", "*.example.com")), ResourceFilter(namespaces=("shop",))),
        exclude=(ResourceFilter(kinds=("widgets.*",)), ResourceFilter(kinds=("configmaps",), namespaces=("test-*",))),
    )
    chosen, left = choose_kinds([kind(), WIDGET, kind("Secret", "secrets")], rules)
    assert [one.kind for one in chosen] == ["ConfigMap", "Secret"]
    assert left[0].reason == "resources.exclude of the profile names it"
    assert why_filtered(kind(), "test-1", rules) == "resources.exclude of the profile names it"
    assert why_filtered(kind(), "shop", rules) == ""
    assert (
        why_filtered(kind("Secret", "secrets"), "other", rules) == "resources.include of the profile does not name it"
    )
    assert place_of(kind(), "shop", "app") == "shop"
    assert place_of(Kind("", "v1", "Namespace", "namespaces", namespaced=False), "", "shop") == "shop"
    only = ResourceRules(include=(ResourceFilter(kinds=("configmaps",)),))
    assert choose_kinds([WIDGET], only)[1][0].reason == "resources.include of the profile does not name it"


def test_pages_of_large_objects_are_small() -> None:
    """So that a page is some MiB at most, after the first one."""
    assert next_limit([]) == LARGEST_PAGE
    assert next_limit([{"a": "b"}] * 50) == LARGEST_PAGE
    assert next_limit([{"a": "b" * 2**17}] * 50) == 63
    assert next_limit([{"a": "b" * 2**21}]) == SMALLEST


def test_the_plan_says_what_is_missing() -> None:
    """A silent group, and Secrets without a recipient; without a kind it refuses."""
    assert plan_backup(ResourceFacts(kinds=())).refusals[0].subject == "resources"
    silent = (Skip(subject="*.gone.io", reason="the API server of gone.io/v1 does not answer"),)
    plan = plan_backup(ResourceFacts(kinds=(kind("Secret", "secrets"),), silent=silent))
    assert [one.subject for one in plan.cautions] == ["*.gone.io", "secrets"]
    assert plan_backup(ResourceFacts(kinds=(kind("Secret", "secrets"),), recipients=("age1",))).cautions == ()
    assert plan_backup(ResourceFacts(kinds=(kind(),))).cautions == ()
