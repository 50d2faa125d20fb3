"""One node drained, uncordoned or rebooted: what is done for whom, and what is in the way."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tasks.core.models.plan import Plan
from tasks.core.models.profile import MaintenanceRules
from tasks.core.models.request import Reason, Ticket
from tasks.drain.models import Treatment, Verdict
from tasks.node_service.models import RebootOptions
from tasks.node_service.policy.plan import NOT_ITS_OWN, options_of, plan_drain, plan_reboot, plan_uncordon, reason_of
from tasks.node_work.models.health import Symptom
from tasks.nodes.models.nodes import NodeName
from tasks.os_patch.models.facts import ClusterPatchFacts
from tasks.os_patch.models.options import RebootRule
from tasks.os_patch.models.packages import Scope, Updates
from tests.facts import etcd as etcd_facts
from tests.facts.node_service import HANDED_OVER, MINE, WANTED, facts
from tests.facts.patch import OURS, cluster, intent, rules
from tests.facts.upgrade import NOW, forecast, kube_node, machine, members


def refusals(plan: Plan) -> list[str]:
    """What is in the way."""
    return [one.problem for one in plan.refusals]


def cautions(plan: Plan) -> list[str]:
    """What is worth a look."""
    return [one.problem for one in plan.cautions]


# --- what people may type


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (NodeName, ["w1", "node-1.example.org"], ["W1", "a/b", "", "-a", "a" * 254]),
        (Reason, ["its disk is failing"], ["no", "two\nlines", "x" * 201]),
        (Ticket, ["", "INC-7", "CHG#12", "ops/4711"], ["-x", "a b", "x" * 64, "a\n"]),
    ],
)
def test_what_ends_in_annotations_and_reports_is_short_and_one_line(kind: Any, good: list[str], bad: list[str]) -> None:  # noqa: ANN401 - a type
    """And a name is a name."""
    adapter = TypeAdapter(kind)
    assert [adapter.validate_python(text) for text in good] == good
    for text in bad:
        with pytest.raises(ValidationError):
            adapter.validate_python(text)


# --- drain


def test_a_node_is_drained_for_a_ticket() -> None:
    """The reason is in the step; a run that died goes on with its own cordon."""
    for notes in ({}, MINE):
        plan = plan_drain(facts({"annotations": notes, "cordoned": bool(notes)}), WANTED)
        assert [(step.subject, step.act, step.reason) for step in plan.steps] == [
            ("w1", "cordon, drain", "INC-7: its disk is failing; evicts 1 pod")
        ]
        assert (plan.refusals, plan.cautions) == ((), ())


def test_a_node_that_is_out_of_service_and_empty_is_a_skip() -> None:
    """By an earlier node_drain; with a pod on it, it is drained again."""
    away = {"cordoned": True, "annotations": HANDED_OVER}
    assert [skip.reason for skip in plan_drain(facts(away, forecast=forecast("w1")), WANTED).skips] == [
        "it is out of service, and empty, already: INC-6: a fan"
    ]
    assert len(plan_drain(facts(away), WANTED).steps) == 1


BLOCKED = forecast("w1").model_copy(
    update={"verdicts": (Verdict(pod="n/p", uid="1", treatment=Treatment.BLOCKED, reason="no budget", next_step="x"),)}
)


ASKS = forecast("w1").model_copy(update={"asks": ("PodDisruptionBudget shop/pg: 1 of 1",)})


@pytest.mark.parametrize(
    ("changes", "refused", "cautioned"),
    [
        ({"kube": None, "forecast": None}, ["no Node object with this name"], []),
        ({"node": {"cordoned": True, "annotations": OURS}}, ["run run-0 has it out of service: node_os_patch"], []),
        ({"node": {"cordoned": True}}, [], ["somebody has cordoned it already: that cordon stays as it is"]),
        (
            {"node": {"ready": False, "ready_message": "gone"}},
            [],
            ["it is not Ready: gone; its pods do not say that they have stopped"],
        ),
        ({"forecast": BLOCKED}, ["n/p cannot be evicted: no budget"], []),
        ({"forecast": ASKS}, [], ["PodDisruptionBudget shop/pg: 1 of 1"]),
    ],
)
def test_what_is_in_the_way_of_a_drain(changes: dict[str, Any], refused: list[str], cautioned: list[str]) -> None:
    """Before anything is touched."""
    plan = plan_drain(facts(**changes), WANTED)
    assert (refusals(plan), cautions(plan)) == (refused, cautioned)


# --- uncordon


LAME = Symptom(of="DaemonSet n/net", problem="pod n/net-x is not ready")
GRAVE = [
    Symptom(of="gates", problem="gate site: closed", grave=True),
    Symptom(of="Ready", problem="not Ready: asked by another rule", grave=True),
]


def test_what_the_proof_would_wait_for_is_named_before_it_is_waited_for() -> None:
    """With the word that gives the node back as it is; what is grave stops it, whatever the word."""
    away = {"cordoned": True, "annotations": HANDED_OVER}
    plan = plan_uncordon(facts(away, symptoms=(LAME,)), WANTED, any_cordon=False)
    assert (refusals(plan), cautions(plan)) == ([], ["pod n/net-x is not ready"])
    assert "--allow-unhealthy gives the node back as it is" in plan.cautions[0].next_step
    anyway = plan_uncordon(facts(away, symptoms=(LAME, *GRAVE)), WANTED, any_cordon=False, allow_unhealthy=True)
    assert (refusals(anyway), cautions(anyway)) == (["gate site: closed"], ["pod n/net-x is not ready"])
    assert anyway.cautions[0].next_step == "--allow-unhealthy allows it"


def test_what_is_elsewhere_keeps_no_node_cordoned() -> None:
    """A site's gate, or a DNS that fails on every node: named, and no reason to say allow_unhealthy."""
    dns = Symptom(of="Service kube-dns", problem="no DNS")
    away = {"cordoned": True, "annotations": HANDED_OVER}
    gate = Symptom(of="gates", problem="gate site: closed")
    seen = facts(away, symptoms=(dns, gate, LAME), elsewhere=("gates", "Service kube-dns"))
    plan = plan_uncordon(seen, WANTED, any_cordon=False)
    assert (refusals(plan), cautions(plan)) == ([], ["no DNS", "gate site: closed", "pod n/net-x is not ready"])
    assert [one.next_step == NOT_ITS_OWN for one in plan.cautions] == [True, True, False]


def test_a_node_that_was_drained_is_given_back() -> None:
    """With the reason that it was drained for."""
    plan = plan_uncordon(facts({"cordoned": True, "annotations": HANDED_OVER}), WANTED, any_cordon=False)
    assert [(step.act, step.reason) for step in plan.steps] == [
        ("prove that it is healthy, uncordon", "INC-7: its disk is failing; it was cordoned: INC-6: a fan")
    ]
    assert (plan.refusals, plan.cautions) == ((), ())
    assert [skip.reason for skip in plan_uncordon(facts(), WANTED, any_cordon=False).skips] == ["it is in service"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"node": {"cordoned": True}}, "somebody has cordoned it, and no runbook of ours"),
        ({"node": {"cordoned": True, "annotations": OURS}}, "run run-0 has it out of service: node_os_patch"),
    ],
)
def test_a_cordon_that_is_not_of_node_drain_needs_a_word(changes: dict[str, Any], told: str) -> None:
    """Then it is a caution."""
    assert refusals(plan_uncordon(facts(**changes), WANTED, any_cordon=False)) == [told]
    anyway = plan_uncordon(facts(**changes), WANTED, any_cordon=True)
    assert (refusals(anyway), cautions(anyway)) == ([], [told])


def test_only_a_node_that_is_well_is_given_back() -> None:
    """Whatever the word."""
    ill = facts(
        {"cordoned": True, "annotations": HANDED_OVER, "ready": False, "ready_message": "gone"},
        machine=machine("w1", unreached="no route"),
    )
    assert refusals(plan_uncordon(ill, WANTED, any_cordon=True)) == ["no route", "it is not Ready: gone"]
    nobody = facts(kube=None, forecast=None)
    assert refusals(plan_uncordon(nobody, WANTED, any_cordon=True)) == ["no Node object with this name"]


def test_why_a_node_is_cordoned_is_in_its_annotations() -> None:
    """As far as they say."""
    assert reason_of(kube_node("w1")) == ""
    failed = OURS | {"kube-runbooks.io/failed": "no kernel"}
    assert reason_of(kube_node("w1", annotations=failed)) == "node_os_patch; failed: no kernel"


# --- reboot


def reboots(found: ClusterPatchFacts, maintenance: MaintenanceRules | None = None, **options: object) -> Plan:
    """Of w1."""
    asked = RebootOptions.model_validate(options)
    return plan_reboot(found, asked, WANTED, maintenance or rules(), now=NOW)


BARE = {name: {"updates": Updates()} for name in ("cp1", "cp2", "cp3", "w1", "w2")}


def test_a_reboot_is_a_patch_without_packages() -> None:
    """At any time: a window that is closed, an alert and another worker that is away are worth a look and no more."""
    plan = reboots(
        cluster(
            patches=BARE,
            alerts=("DiskFull",),
            nodes={"w1": {"ready": False, "ready_message": "gone"}, "w2": {"ready": False, "ready_message": "gone"}},
        ),
        rules(("22:00", "23:00")),
    )
    assert [(step.subject, step.act) for step in plan.steps] == [("w1", "drain, reboot")]
    assert plan.steps[0].reason.startswith("INC-7: its disk is failing; worker; a reboot was asked for; evicts 1 pod")
    assert plan.refusals == ()
    assert cautions(plan) == ["node w1 is not Ready: gone", "node w2 is not Ready: gone", "an alert fires: DiskFull"]
    asked = options_of(RebootOptions(), WANTED)
    assert (asked.scope, asked.reboot, asked.nodes) == (Scope.NONE, RebootRule.ALWAYS, ("w1",))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"machines": {"w1": {"unreached": "no route"}}}, "no route"),
        (
            {"patches": BARE | {"w1": {"updates": Updates(broken=("curl",))}}},
            "not wholly installed, for example by a power cut: curl",
        ),
        (
            {"etcd": tuple(etcd_facts.unreached(one.name) if one.name == "cp2" else one for one in members())},
            "connection refused",
        ),
        (
            {
                "patches": BARE | {"w1": {"updates": Updates(), "intent": intent()}},
                "nodes": {"w1": {"cordoned": True, "annotations": OURS}},
            },
            "run run-0 of node_os_patch has begun with it, and has not ended",
        ),
    ],
)
def test_what_is_in_the_way_of_a_reboot(changes: dict[str, Any], told: str) -> None:
    """Quorum, a machine that lets nobody in, half-installed packages, another run that has begun."""
    assert refusals(reboots(cluster(**({"patches": BARE} | changes)))) == [told]


def test_a_reboot_that_did_not_end_is_gone_on_with() -> None:
    """By another run: the machine has come back late, and has only to be proven well."""
    back = BARE | {"w1": {"updates": Updates(), "intent": intent(changes=()), "boot_id": "b2"}}
    plan = reboots(cluster(patches=back, nodes={"w1": {"cordoned": True, "annotations": OURS}}))
    assert [(step.subject, step.act) for step in plan.steps] == [("w1", "prove that it is healthy, uncordon")]
    assert plan.refusals == ()


def test_a_word_of_a_run_that_has_ended_is_in_nobodys_way() -> None:
    """Nor is one on a node that the API does not know, which is another matter."""
    old = BARE | {"w1": {"updates": Updates(), "intent": intent()}}
    assert reboots(cluster(patches=old)).refusals == ()
    facts = cluster(patches=old)
    gone = facts.model_copy(update={"nodes": tuple(node for node in facts.nodes if node.name != "w1")})
    assert refusals(reboots(gone)) == ["no Node object with this name"]
