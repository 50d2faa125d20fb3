"""The plan of a restore: a step for each object, and a reason for every other one."""

import pytest

from tasks.core.errors import NotYet, Refused
from tasks.core.models.plan import Plan
from tasks.resources_restore.models import (
    Compared,
    Drilled,
    Failure,
    LeftOut,
    ResourceRestoreOptions,
    Restored,
    RestoreProof,
    Verdict,
)
from tasks.resources_restore.policy.drill import (
    LABEL,
    NEVER,
    calm,
    compared,
    guard,
    is_created,
    is_ours,
    sample,
    throwaway,
    throwaway_name,
    why_not_tried,
)
from tasks.resources_restore.policy.plan import SHOWN, plan_restore_of_objects, to_write
from tasks.resources_restore.summary import summarize_objects, summarize_resource_drill, summarize_restore_plan
from tests.facts.resources_restore import NOW, body, facts, judged, shop, target

OPTIONS = ResourceRestoreOptions()
SKIP = ResourceRestoreOptions(skip_failing=True)


def test_each_object_that_is_written_is_a_step_in_its_order() -> None:
    """What is left out has its reason, and notes are cautions."""
    plan = plan_restore_of_objects(shop(), OPTIONS)
    assert [(one.subject, one.act) for one in plan.steps] == [
        ("Namespace shop", "create"),
        ("ConfigMap shop/settings", "create"),
        ("Service shop/web", "create"),
        ("Deployment shop/web", "create"),
    ]
    assert [one.problem for one in plan.cautions] == ["10.96.0.20 is of shop/old: shop/web gets another address"]
    assert [(one.subject, one.reason) for one in plan.skips] == [
        ("ConfigMap", "unchanged: 1 object"),
        ("ConfigMap ops/settings", 'it exists, and differs: data.color: "red" -> "blue"'),
        ("12 pods", "left to who makes it: its controller makes it"),
    ]
    assert plan.skips[0].basis == "unchanged…"
    assert plan.refusals == ()
    assert len(to_write(shop())) == 4


def test_an_update_says_what_it_changes_and_a_deletion_why() -> None:
    """An approval covers both."""
    update = judged(Verdict.UPDATE, difference=("data.a: 1 -> 2", "data.b: 1 -> 2"))
    plan = plan_restore_of_objects(facts(update, extra=(judged(Verdict.UNKNOWN, target(name="new")),)), OPTIONS)
    assert [(one.subject, one.act) for one in plan.steps] == [
        ("ConfigMap shop/settings", "update: data.a: 1 -> 2; data.b: 1 -> 2"),
        ("ConfigMap shop/new", "delete"),
    ]


def test_fields_that_only_the_live_object_has_are_named_before_and_after() -> None:
    """An update keeps them: they may be somebody else's. A long list is cut."""
    update = judged(
        Verdict.UPDATE, difference=("data.a: 1 -> 2",), kept=("data.new", *(f"data.k{n}" for n in range(20)))
    )
    plan = plan_restore_of_objects(facts(update), OPTIONS)
    (caution,) = plan.cautions
    assert (caution.subject, caution.problem[:67]) == (
        "ConfigMap shop/settings",
        "the backup does not have these fields, and they stay: data.new, dat",
    )
    assert caution.problem.endswith("and 9 more")
    text = summarize_objects(facts(update), Restored(), Restored(), RestoreProof(same=1))
    assert f"NOT removed: ConfigMap shop/settings: {caution.problem}" in text


def test_what_cannot_be_restored_refuses_the_run_or_is_left_out_by_choice() -> None:
    """A long list is cut, and its length told."""
    found = [
        judged(Verdict.QUOTA, target(name=f"c{number}"), reason="full", next_step="raise it")
        for number in range(SHOWN + 2)
    ]
    plan = plan_restore_of_objects(facts(*found), OPTIONS)
    assert len(plan.refusals) == SHOWN + 1
    assert plan.refusals[0].problem == "quota: full"
    assert plan.refusals[0].next_step == "raise it; or leave it out with --skip-failing"
    assert plan.refusals[-1].problem == "2 more objects cannot be restored"
    soft = plan_restore_of_objects(facts(*found[:1]), SKIP)
    assert soft.refusals == ()
    assert soft.cautions[0].problem == "it is NOT restored: quota: full"
    assert soft.skips[0].reason == "cannot be restored: quota"


def test_an_object_whose_owner_is_left_out_names_it() -> None:
    """In the plan and in the report; an owner without a namespace too. One that comes, and an object that is not written, are no case."""
    service, node = target("Service", "one"), target("Namespace", "big")
    owners = (service.key, node.key._replace(namespace="shop"), target("Service", "fine").key)
    found = facts(
        judged(Verdict.QUOTA, service, reason="full"),
        judged(Verdict.WEBHOOK, node, reason="no"),
        judged(Verdict.CREATE, target("Service", "fine")),
        judged(Verdict.CREATE, target(name="a"), awaited=owners),
        judged(Verdict.LEAVE, target(name="b"), awaited=owners),
    )
    words = [
        f"without its owner {one}, which cannot be restored and is left out"
        for one in ("Service shop/one", "Namespace big")
    ]
    cautions = plan_restore_of_objects(found, SKIP).cautions
    assert [(one.problem, bool(one.next_step)) for one in cautions if one.subject == "ConfigMap shop/a"] == [
        (text, True) for text in words
    ]
    assert not [one for one in cautions if one.subject == "ConfigMap shop/b"]
    assert plan_restore_of_objects(found, OPTIONS).cautions == ()
    done = summarize_objects(found, Restored(created=("ConfigMap shop/a",)), Restored(), RestoreProof(same=1))
    assert list(done[-2:]) == [f"NOT as the backup has it: ConfigMap shop/a: {text}" for text in words]


FAILURE = Failure(label="ConfigMap shop/a", problem="it has changed", next_step="look")


def test_a_run_says_completed_only_if_nothing_failed() -> None:
    """Each failure is told, and a step that has none gets one."""
    done = Restored(created=("Namespace shop", "ConfigMap shop/settings"), already=("Service shop/web",))
    proof = RestoreProof(same=3)
    assert summarize_objects(shop(), done, Restored(deleted=("ConfigMap shop/new",)), proof) == (
        f"backup {shop().backup}: 2 created, 1 deleted, 1 as planned before",
        "read back: 3 objects as the backup has them",
        "verdicts of the plan: create 1, create after 3, leave 1, unchanged 1",
    )
    waits = summarize_objects(shop(), Restored(waiting=("PersistentVolume data",)), Restored(), proof)
    assert waits[-1].startswith("NOT done yet: PersistentVolume data stays Retain until its claim is bound")
    left = facts(judged(Verdict.QUOTA, reason="full"))
    assert summarize_objects(left, Restored(), Restored(), RestoreProof(same=1))[1:] == (
        "read back: 1 object as the backup has it",
        "verdicts of the plan: quota 1",
        "NOT restored: ConfigMap shop/settings: quota: full",
    )
    failed = Restored(failed=(FAILURE, FAILURE.model_copy(update={"label": "ConfigMap shop/b", "next_step": ""})))
    with pytest.raises(NotYet) as error:
        summarize_objects(shop(), failed, Restored(), RestoreProof())
    assert error.value.problem.splitlines() == [
        "2 objects of the plan failed (nothing was changed)",
        "ConfigMap shop/a: it has changed",
        "ConfigMap shop/b: it has changed",
    ]
    assert error.value.hint.splitlines()[1:] == ["look", "run this again: it plans what is left"]
    many = RestoreProof(failed=tuple(FAILURE.model_copy(update={"label": str(number)}) for number in range(60)))
    with pytest.raises(NotYet, match="10 more objects failed: the report has them"):
        summarize_objects(shop(), done, Restored(), many)


def test_a_proof_that_a_webhook_hinders_says_so() -> None:
    """The objects were read and compared, and nobody asked the API server."""
    proof = RestoreProof(same=2, unasked=(FAILURE, FAILURE))
    text = summarize_objects(facts(), Restored(created=("ConfigMap shop/a",)), Restored(), proof)
    assert text[2].startswith(
        "2 objects of them only compared with the backup, because a webhook refuses all writes now; the first: "
    )


def test_a_plan_that_was_only_asked_for_says_so() -> None:
    """And one with nothing to do."""
    plan = plan_restore_of_objects(shop(), OPTIONS)
    assert summarize_restore_plan(shop(), plan)[0] == "nothing was done: the plan has 4 steps"
    assert summarize_restore_plan(facts(), Plan())[:1] == (
        f"nothing to do: no selected object of the backup {facts().backup} is written",
    )


def test_a_drill_is_refused_if_an_object_does_not_come_back() -> None:
    """What was not tried is told with its reason."""
    fine = Compared(
        namespace="shop",
        throwaway="x",
        restored=5,
        tried=2,
        left=(LeftOut(label="Pod shop/a", reason="a pod would run"),),
    )
    drilled = Drilled(backup="B", taken_at=NOW, namespaces=(fine,), cluster_scoped=7)
    assert summarize_resource_drill(drilled) == (
        "backup B, taken at 2026-12-01 12:00 UTC, can be restored",
        "5 objects of shop created, read back and equal; all of them are removed again",
        "9 objects accepted in a dry run, without being created",
        "not tried: 1 object: a pod would run",
    )
    bad = drilled.model_copy(
        update={"failed": (FAILURE,), "namespaces": (fine.model_copy(update={"failed": (FAILURE,)}),)}
    )
    with pytest.raises(Refused, match="2 objects of backup B cannot be restored as they are"):
        summarize_resource_drill(bad)


def test_a_throw_away_namespace_is_known_by_its_name_and_its_label() -> None:
    """A namespace of somebody else with one of them is not touched."""
    name = throwaway_name("5f0c1a2b-0000-0000-0000-000000000000", 49)
    made = throwaway(name, "shop", "run")
    assert name == "kube-runbooks-drill-5f0c1a2b-0000-0000-0000-000000000000-49"
    assert len(name) <= 63
    assert is_ours(made)
    assert not is_ours({"metadata": {"name": "shop", "labels": {LABEL: "true"}}})
    assert not is_ours({"metadata": {"name": name}})
    assert guard()["spec"]["hard"]["pods"] == "0"


def test_the_sample_reaches_each_namespace_within_days() -> None:
    """Those of the system are left out."""
    names = ["a", "b", "c", "d", "kube-system"]
    assert sample(names, 3, 0) == ("a", "b", "c")
    assert sample(names, 3, 1) == ("d", "a", "b")
    assert sample(["a"], 3, 5) == ("a",)
    assert sample(["kube-system"], 3, 5) == ()


def test_nothing_of_a_drill_runs_or_is_reachable() -> None:
    """Only kinds of Kubernetes are created: nobody knows what a custom resource makes its controller do."""
    deployment = target("Deployment", group="apps")
    assert calm(deployment, body(deployment, spec={"replicas": 3}))["spec"] == {"replicas": 0}
    daemons = target("DaemonSet", group="apps")
    made = calm(daemons, body(daemons, spec={"template": {"spec": {"nodeSelector": {"a": "b"}}}}))
    assert made["spec"]["template"]["spec"]["nodeSelector"] == NEVER
    cron = target("CronJob", group="batch")
    assert calm(cron, body(cron, spec={}))["spec"] == {"suspend": True}
    service = target("Service")
    ports = [{"port": 80, "nodePort": 30080}]
    outside = {"type": "LoadBalancer", "ports": ports, "externalIPs": ["192.0.2.1"], "clusterIP": "10.96.0.9"}
    assert calm(service, body(service, spec=outside))["spec"] == {"type": "ClusterIP", "ports": [{"port": 80}]}
    inside = {"type": "ExternalName", "externalName": "x", "ports": []}
    assert calm(service, body(service, spec=inside))["spec"] == inside
    assert calm(target(), body(target(), data={"a": "b"}))["data"] == {"a": "b"}
    assert is_created(deployment)
    assert not is_created(target("Gadget", group="shop.example"))
    assert not is_created(target("Ingress", group="networking.k8s.io"))
    assert why_not_tried(target("Pod")) == "a pod would run"
    assert why_not_tried(target()) == ""


def test_what_comes_back_is_compared_as_it_was_sent() -> None:
    """What a server adds is no difference."""
    service = target("Service")
    sent = calm(service, body(service, spec={"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}))
    got = body(
        service, metadata={"uid": "1"}, spec={"type": "ClusterIP", "clusterIP": "10.96.0.4", "ports": [{"port": 80}]}
    )
    assert compared(service, sent, got) == ()
    other = body(service, spec={"type": "ClusterIP", "ports": [{"port": 81}]})
    assert compared(service, sent, other) == ("spec.ports[0].port: 80 -> 81",)
