"""The revisions of a workload: who made each, and what it changed."""

from datetime import timedelta
from typing import Any

import pytest

from tasks.workloads.models.history import Written
from tasks.workloads.models.names import Kind
from tasks.workloads.policy.history import RUN, history_of
from tasks.workloads.policy.templates import differences, digest_of_template, same_template
from tasks.workloads.probes.parsing import parse_history, parse_writers
from tasks.workloads.summary import summarize_history
from tests.facts.workloads import NOW, histories, revision, template


def test_each_revision_says_what_it_changed_the_newest_first() -> None:
    """A secret is masked on both sides."""
    newest, middle, first = histories().histories[0].revisions
    assert [one.number for one in (newest, middle, first)] == [3, 2, 1]
    assert (newest.runs, newest.pods, newest.who, newest.cause) == (True, 2, "Ada", "CHG-7: new prices")
    assert newest.changes == (
        "containers[main].image: web:1 -> web:2",
        "containers[main].env[LEVEL].value: info -> debug",
        "containers[main].env[DB_PASSWORD].value: *** -> ***",
    )
    assert middle.changes == (
        "containers[main].env[LEVEL].name: (absent) -> LEVEL",
        "containers[main].env[LEVEL].value: (absent) -> info",
        "containers[main].env[DB_PASSWORD].name: (absent) -> DB_PASSWORD",
        "containers[main].env[DB_PASSWORD].value: (absent) -> ***",
    )
    assert (middle.who, first.who, first.changes, middle.runs) == ("", "", (), False)


def test_who_is_the_run_if_no_person_is_known_and_nobody_without_a_time() -> None:
    """The last program that wrote the template wrote the newest one; nobody says who wrote an older one."""
    writers = (Written("kubectl", NOW + timedelta(minutes=1)), Written("helm", NOW + timedelta(minutes=1)))
    first = revision(1, template())
    (one,) = history_of((revision(1, template(), **{RUN: "0f1e"}),), "", writers, {})
    assert one.who == "0f1e"
    assert [history_of((first,), current, writers, {})[0].who for current in ("web-1", "")] == ["helm", ""]
    assert history_of((first,), "web-1", (), {})[0].who == ""


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({"spec": {"a": 1}}, {"spec": {"a": 1}}, ()),
        ({"spec": {"a": None}}, {"spec": {}}, ()),
        ({"spec": {"a": [1, 2]}}, {"spec": {"a": [1, 3]}}, ("a[1]: 2 -> 3",)),
        ({"spec": {"a": {}}}, {"spec": {"a": {"b": True}}}, ("a: {} -> (absent)", "a.b: (absent) -> True")),
        ({"metadata": {"labels": {"pod-template-hash": "1"}}}, {"metadata": {"labels": {}}}, ()),
        (
            {"metadata": {"annotations": {"x": "1"}}},
            {"metadata": {"creationTimestamp": None}},
            ("metadata.annotations.x: 1 -> (absent)",),
        ),
    ],
)
def test_templates_are_compared_value_by_value(
    before: dict[str, Any], after: dict[str, Any], lines: tuple[str, ...]
) -> None:
    """Labels of the controllers do not count."""
    assert differences(before, after) == lines


def test_a_hash_of_the_controller_makes_no_other_template() -> None:
    """As kubectl compares them."""
    assert same_template(template(), {**template(), "metadata": {"labels": {"app": "web"}, "creationTimestamp": None}})
    assert not same_template(template(), template("web:2"))
    plain = {**template(), "metadata": {"labels": {"app": "web"}}}
    assert digest_of_template(template()) == digest_of_template(plain) != digest_of_template(template("web:2"))


def test_revisions_of_all_kinds_are_parsed() -> None:
    """A ReplicaSet without a number is none that kubectl shows."""
    owner: list[dict[str, Any]] = [{"apiVersion": "apps/v1", "kind": "X", "name": "x", "uid": "d", "controller": True}]
    meta = {
        "name": "web-1",
        "namespace": "shop",
        "uid": "r",
        "ownerReferences": owner,
        "creationTimestamp": "2026-12-01T12:00:00Z",
    }
    numbered = meta | {"annotations": {"deployment.kubernetes.io/revision": "4"}, "labels": {"pod-template-hash": "h"}}
    raw = {"metadata": {"name": "web", "namespace": "shop", "uid": "d"}}
    sets: list[dict[str, Any]] = [
        {"metadata": numbered, "spec": {"template": template()}},
        {"metadata": meta, "spec": {}},
    ]
    (one,) = parse_history(Kind.DEPLOYMENT, raw, sets)
    assert (one.number, one.name, one.label, one.template) == (4, "web-1", "h", template())
    (one,) = parse_history(
        Kind.STATEFUL_SET, raw, [{"metadata": meta, "revision": 2, "data": {"spec": {"template": template()}}}]
    )
    assert (one.number, one.label) == (2, "web-1")
    fields = [
        {"manager": "kubectl", "time": "2026-12-01T12:00:00Z", "fieldsV1": {"f:spec": {"f:template": {}}}},
        {"manager": "kcm", "subresource": "status", "time": "2026-12-01T12:00:00Z", "fieldsV1": {"f:status": {}}},
        {"manager": "old", "fieldsV1": {"f:spec": {"f:template": {}}}},
        {"manager": "scale", "time": "2026-12-01T12:00:00Z", "fieldsV1": {"f:spec": "x"}},
    ]
    written = {"metadata": {"name": "web", "namespace": "shop", "uid": "d", "managedFields": fields}}
    assert parse_writers(written) == (Written("kubectl", NOW),)


def test_the_summary_names_what_has_no_revision_yet() -> None:
    """And the images of those that have."""
    lines = summarize_history(histories())
    assert lines[0] == "3 revisions of 2 workloads of shop"
    assert lines[1] == (
        "deployment/web revision 3 (web-3, runs now, 2 pods): 2026-12-01 12:03:00 UTC, by Ada; main=web:2; CHG-7: new prices"
    )
    assert lines[-1] == "daemonset/agent: its controller has created no revision yet"
