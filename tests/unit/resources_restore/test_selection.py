"""Which objects of a backup are meant: by kind, namespace, name and label."""

import pytest

from tasks.core.models.findings import Problem
from tasks.nodes.models.pods import LabelSelector
from tasks.nodes.policy.selectors import selects
from tasks.resources_restore.models import ResourceRestoreOptions, Select
from tasks.resources_restore.policy.plan import check_request
from tasks.resources_restore.policy.selection import is_meant, parse_labels, parse_map, unmatched
from tests.facts.resources_restore import target

LABELS = {"app": "web", "tier": "front", "example.com/team": "shop"}
DEPLOYMENT = target("Deployment", "web", group="apps", resource="deployments")


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier!=back", True),
        ("app = web , tier in (front, back)", True),
        ("tier notin (front,back)", False),
        ("missing!=x", True),
        ("missing notin (x)", True),
        ("app,!missing", True),
        ("! app", False),
        ("example.com/team=shop", True),
        ("app=", False),
    ],
)
def test_a_label_selector_means_what_kubectl_means(text: str, *, matches: bool) -> None:
    """Commas between parentheses divide values, not requirements."""
    found = parse_labels(text)
    assert isinstance(found, LabelSelector)
    assert selects(found, LABELS) is matches


@pytest.mark.parametrize("text", ["app=web,", "app in front", "=web", "app=web=x", "a b"])
def test_a_text_that_is_no_selector_is_told(text: str) -> None:
    """With an example."""
    found = parse_labels(text)
    assert isinstance(found, Problem)
    assert found.text == f"{text!r} is no label selector"
    assert "--select-labels='app=web" in found.next_step
    assert check_request(Select(labels=text), ResourceRestoreOptions())[0].problem == found.text


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ({}, True),
        ({"kinds": ["deployment"]}, True),
        ({"kinds": ["Deployments"]}, True),
        ({"kinds": ["deployments.apps"]}, True),
        ({"kinds": ["Deployment.apps", "Service"]}, True),
        ({"kinds": ["deployments.extensions"]}, False),
        ({"namespaces": ["shop"]}, True),
        ({"namespaces": ["ops"]}, False),
        ({"names": ["w*"]}, True),
        ({"names": ["x*", "we?"]}, True),
        ({"names": ["W*"]}, False),
        ({"kinds": ["deployments"], "namespaces": ["ops"]}, False),
    ],
)
def test_an_object_has_to_match_every_list(select: dict[str, list[str]], *, expected: bool) -> None:
    """An empty list matches everything."""
    assert is_meant(Select.model_validate(select), DEPLOYMENT) is expected


def test_a_namespace_is_in_itself_and_other_objects_without_one_are_in_none() -> None:
    """A selection by namespace brings the Namespace, not a ClusterRole."""
    select = Select(namespaces=("shop",))
    assert is_meant(select, target("Namespace", "shop"))
    assert not is_meant(select, target("Namespace", "ops"))
    assert not is_meant(select, target("ClusterRole", "shop", group="rbac.authorization.k8s.io"))
    assert Select().is_empty
    assert not select.is_empty


def test_a_map_of_namespaces_is_read_and_checked() -> None:
    """Each namespace once on each side, and only selected ones."""
    assert parse_map(("a=b", "c=d")) == {"a": "b", "c": "d"}

    def problems(*pairs: str, **select: tuple[str, ...]) -> list[str]:
        options = ResourceRestoreOptions(into_namespace=pairs)
        return [one.problem for one in check_request(Select.model_validate(select), options)]

    assert problems("a=b", "c=d") == []
    assert problems("a=b", "a=c") == ["--into-namespace names a namespace twice"]
    assert problems("a=c", "b=c") == ["--into-namespace names a namespace twice"]
    assert problems("a=b", namespaces=("a",)) == []
    assert problems("a=b", namespaces=("x",)) == ["--into-namespace has namespaces that are not selected: a"]


def test_deletions_need_a_narrow_selection_of_the_same_cluster() -> None:
    """Or else a restore of one backup would delete what others have made."""
    extra = ResourceRestoreOptions(delete_extra=True)
    assert [one.next_step for one in check_request(Select(names=("a",)), extra)] == [
        "add --select-kinds or --select-namespaces"
    ]
    narrow = Select(namespaces=("shop",))
    assert check_request(narrow, extra) == ()
    assert check_request(Select(kinds=("ConfigMap",)), extra) == ()
    for change in ({"from_cluster": "other"}, {"into_namespace": ("shop=copy",)}):
        (found,) = check_request(narrow, extra.model_copy(update=change))
        assert found.next_step == "leave out --delete-extra"


def test_a_word_that_fits_nothing_is_told() -> None:
    """The others would hide it."""
    shop = [target(), target("Namespace", "shop")]
    select = Select(kinds=("configmap", "secrt"), namespaces=("shop", "shpo"), names=("set*", "st*"))
    assert unmatched(select, shop) == ("kind secrt", "namespace shpo", "name st*")
    assert unmatched(Select(), shop) == ()
