"""Which rights a rollout needs, and what the plan says of those that are missing."""

import pytest

from tasks.check.models import Right
from tasks.check.policy.rights import RIGHTS
from tasks.nodes.policy.references import References
from tasks.workloads.models.changes import RolloutOptions
from tasks.workloads.models.names import Kind
from tasks.workloads.models.rollback import ConfigChange, RollbackOptions
from tasks.workloads.policy.denials import Denial, denial_of
from tasks.workloads.policy.plan import plan_rollout
from tasks.workloads.policy.rights import (
    judge_rights,
    right_to_try,
    rights_on_config,
    rights_to_act,
    rights_to_forecast,
    rights_to_read,
)
from tasks.workloads.policy.rollback import plan_rollback
from tests.facts.workloads import (
    back_target,
    ref,
    request,
    rollback_facts,
    rollback_request,
    rollout_facts,
    target,
)

PATCH = Right(verb="patch", resource="deployments", group="apps", namespace="shop", name="web")
LISTS = Right(verb="list", resource="pods", namespace="shop")
MAY_NOT = "the user of the run may not patch deployments.apps in namespace shop"


def words(*rights: Right) -> list[str]:
    """As kubectl would."""
    return [one.in_words for one in rights]


def test_a_snapshot_and_a_stuck_pod_need_more() -> None:
    """Only what this workload has."""
    plain = rights_to_act(ref(), "lease", References((), ()), in_order=False)
    assert words(*plain) == [
        "patch deployments.apps web in shop",
        "update deployments.apps web in shop",
        "get leases.coordination.k8s.io lease in shop",
        "update leases.coordination.k8s.io lease in shop",
        "create leases.coordination.k8s.io in shop",
    ]
    more = rights_to_act(ref(kind=Kind.STATEFUL_SET), "lease", References(("c",), ("s",)), in_order=True)
    assert words(*more[5:]) == ["get configmaps c in shop", "get secrets s in shop", "delete pods in shop"]


@pytest.mark.parametrize(
    ("kind", "revisions"), [(Kind.DEPLOYMENT, "replicasets"), (Kind.DAEMON_SET, "controllerrevisions")]
)
def test_a_plan_reads_the_revisions_of_the_kind(kind: Kind, revisions: str) -> None:
    """And what is around them."""
    assert f"list {revisions}.apps in shop" in words(*rights_to_read(ref(kind=kind)))


CONFIG = tuple(
    ConfigChange(kind=kind, name=name, fields=(), exists=name == "c")
    for kind in ("ConfigMap", "Secret")
    for name in ("a", "b", "c")
)


def test_config_maps_and_secrets_are_created_or_updated() -> None:
    """One right to create is enough; others are by name."""
    assert words(*rights_on_config(ref(), CONFIG)) == [
        "create configmaps in shop",
        "update configmaps c in shop",
        "create secrets in shop",
        "update secrets c in shop",
    ]
    assert rights_on_config(ref(), []) == ()


def test_the_forecast_reads_quotas_and_all_nodes_but_not_for_a_daemon_set() -> None:
    """Its pods go to nodes of their own."""
    assert words(*rights_to_forecast(ref())) == ["list resourcequotas in shop", "list nodes", "list pods"]
    assert words(*rights_to_forecast(ref(kind=Kind.DAEMON_SET))) == ["list resourcequotas in shop"]


def test_the_check_of_a_profile_asks_for_all_of_them() -> None:
    """`kube-runbooks check` names them before any run."""
    asked = {(one.verb, one.group, one.resource) for one in RIGHTS["workload_rollback"]}
    for kind in Kind:
        one = ref(kind=kind)
        needed = (
            *rights_to_read(one),
            *rights_to_act(one, "lease", References(("c",), ("s",)), in_order=True),
            *rights_on_config(one, CONFIG),
            right_to_try(one),
            *rights_to_forecast(one),
        )
        assert {(right.verb, right.group, right.resource) for right in needed} <= asked


def test_what_is_missing_is_refused_with_the_rule_that_grants_it() -> None:
    """A refusal for each kind of object."""
    found = list(judge_rights(ref(), [PATCH, LISTS, PATCH.model_copy(update={"verb": "update"})]))
    assert [one.problem for one in found] == [
        "the user of the run may not patch, update deployments.apps in namespace shop",
        "the user of the run may not list pods in namespace shop",
    ]
    rule = '{apiGroups: ["apps"], resources: [deployments], verbs: [patch, update]}'
    assert found[0].next_step == f"bind a Role with this rule to it: {rule}"


@pytest.mark.parametrize("uid", ["", "u"])
def test_a_workload_that_could_not_be_read_is_not_judged(uid: str) -> None:
    """Neither as missing nor as paused; one that was read is, so that all is said at once."""
    seen = target(lacks=(PATCH,), uid=uid, exists=bool(uid), paused=True)
    paused = ["it is paused"] if uid else []
    for plan in (
        plan_rollout(rollout_facts(seen), request(), RolloutOptions()),
        plan_rollback(rollback_facts(back_target(found=seen)), rollback_request(), RollbackOptions()),
    ):
        assert [one.problem.partition(":")[0] for one in plan.refusals] == [MAY_NOT, *paused]


def test_rights_on_config_maps_and_secrets_count_only_if_those_go_back() -> None:
    """An option leaves them as they are."""
    lacks = tuple(Right(verb="update", resource=one, namespace="shop", name="c") for one in ("configmaps", "secrets"))
    facts = rollback_facts(back_target(config_lacks=lacks))

    def problems(**options: bool) -> list[str]:
        made = plan_rollback(facts, rollback_request(), RollbackOptions.model_validate(options))
        return [one.problem for one in made.refusals]

    may_not = "the user of the run may not update {} in namespace shop"
    assert problems(secrets=False) == [may_not.format("configmaps")]
    assert problems(config_maps=False) == [may_not.format("secrets")]
    assert problems(config_maps=False, secrets=False) == []


@pytest.mark.parametrize(
    ("message", "denial"),
    [
        ('pods "web-2-a" is forbidden: exceeded quota: q, requested: pods=1', Denial.QUOTA),
        ('failed calling webhook "x": no endpoints available', Denial.WEBHOOK),
        ('violates PodSecurity "restricted"', Denial.POLICY),
    ],
)
def test_words_tell_a_quota_from_a_webhook(message: str, denial: Denial) -> None:
    """A controller keeps nothing else."""
    assert denial_of(message) is denial
