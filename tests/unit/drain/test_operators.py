"""Budgets that allow no disruption, and whose operator lets go once it is asked: a caution, where anybody else's is a refusal."""

from typing import Any

import pytest

from tasks.core.models.plan import Caution
from tasks.drain.models import DrainOptions, Treatment
from tasks.drain.policy.budgets import shut_pods
from tasks.drain.policy.findings import ASKED, findings_of_drain
from tasks.drain.policy.lookup import Lookup
from tasks.drain.policy.operators import held_by_operators, in_vain
from tasks.nodes.models.pods import Behind, Controller, DrainFacts, LabelSelector, Operator, Requirement
from tests.facts.drain import AGO, OPTIONS, REPLICAS, budget, facts, forecast, pod, verdict

CLUSTER = Controller(kind="Cluster", api_version="postgresql.cnpg.io/v1", name="pg")
SETS = Controller(kind="StatefulSet", api_version="apps/v1", name="pg")
SHUT: dict[str, Any] = {"min_available": "1", "needed": 1, "healthy": 1, "expected": 1}
PRIMARY = LabelSelector(labels={"app": "web", "role": "primary"})
LED = {"app": "web", "role": "primary", "statefulset.kubernetes.io/pod-name": "web-1-a"}


def behind(controller: Controller = SETS, **more: Any) -> Behind:  # noqa: ANN401 - the model's fields
    """A controller of the shop, whose template gives one label."""
    return Behind(
        **({"namespace": "shop", "controller": controller, "operator": None, "labels": {"app": "web"}} | more)
    )


def given(**labels: str) -> dict[str, Any]:
    """A pod of a StatefulSet that nobody else manages, with labels."""
    return {"controller": SETS, "labels": {"app": "web"} | labels}


@pytest.mark.parametrize(
    ("seen", "who"),
    [
        (
            facts(pod(controller=CLUSTER), budgets=(budget(**SHUT),)),
            "the operator of Cluster pg (postgresql.cnpg.io/v1)",
        ),
        (
            facts(pod(controller=SETS), budgets=(budget(**SHUT),), behind=(behind(operator=CLUSTER),)),
            "the operator of Cluster pg (postgresql.cnpg.io/v1)",
        ),
        (
            facts(pod(), budgets=(budget(operator=CLUSTER, **SHUT),)),
            "the operator of Cluster pg (postgresql.cnpg.io/v1)",
        ),
        (
            facts(pod(), budgets=(budget(operator=CLUSTER, problem="found no controllers for pod"),)),
            "the operator of Cluster pg (postgresql.cnpg.io/v1)",
        ),
        (
            facts(pod(controller=SETS, labels=LED), budgets=(budget(selector=PRIMARY, **SHUT),), behind=(behind(),)),
            "whoever gives its pods the label role",
        ),
    ],
)
def test_a_budget_that_an_operator_may_open_is_a_caution(seen: DrainFacts, who: str) -> None:
    """Also through a StatefulSet of the operator, by the budget's own owner, or where a label is moved from pod to pod."""
    found = forecast(seen)
    assert found.blocked == ()
    assert (found.evicted, found.waits) == (("shop/web-1-a",), ())
    (ask,) = found.asks
    assert ask.startswith(f"{seen.budgets[0].figures}: web-1-a goes only if {who} lets it go")
    (caution,) = findings_of_drain("w1", found)
    assert isinstance(caution, Caution)
    assert (caution.problem, caution.next_step) == (ask, ASKED)


@pytest.mark.parametrize(
    "seen",
    [
        facts(pod(), budgets=(budget(**SHUT),)),
        facts(pod(), budgets=(budget(**SHUT),), behind=(behind(REPLICAS),)),
        facts(pod(controller=SETS), budgets=(budget(**SHUT),), behind=(behind(namespace="other", operator=CLUSTER),)),
        facts(pod(controller=CLUSTER), budgets=(budget(problem="found no controllers for pod"),)),
        facts(pod(controller=None), budgets=(budget(**SHUT),)),
        facts(
            pod(controller=SETS, labels=LED),
            budgets=(budget(selector=LabelSelector(labels={"statefulset.kubernetes.io/pod-name": "web-1-a"}), **SHUT),),
            behind=(behind(),),
        ),
        facts(pod(**given()), budgets=(budget(selector=LabelSelector(), **SHUT),), behind=(behind(),)),
        facts(
            pod(**given()),
            budgets=(
                budget(selector=LabelSelector(expressions=(Requirement(key="x", operator=Operator.NOT_IN),)), **SHUT),
            ),
            behind=(behind(),),
        ),
    ],
)
def test_a_budget_that_nobody_opens_is_a_refusal(seen: DrainFacts) -> None:
    """Kubernetes' own controllers open none, and a budget that cannot be counted is an error of whoever wrote it."""
    found = verdict(seen, DrainOptions(force=True))
    assert found.treatment is Treatment.BLOCKED
    assert "PodDisruptionBudget shop/web" in found.reason


def test_a_budget_by_an_expression_whose_label_is_given_later() -> None:
    """As by one that is written out."""
    primary = LabelSelector(expressions=(Requirement(key="role", operator=Operator.IN, operands=("primary",)),))
    seen = facts(pod(**given(role="primary")), budgets=(budget(selector=primary, **SHUT),), behind=(behind(),))
    assert "whoever gives its pods the label role" in forecast(seen).asks[0]


def test_whom_to_ask_for_is_known_of_few_pods() -> None:
    """Those that no budget lets go by its own figures; not those that wait, are finished, or go already."""
    pods = (pod("a"), pod("b", phase="Failed"), pod("c", stops_by=AGO), pod("d", labels={}), pod("e", node="w2"))
    found = shut_pods(["w1"], Lookup(facts(*pods, budgets=(budget(needed=3, healthy=3, expected=3),)), OPTIONS))
    assert [one.name for one in found] == ["a"]
    later = facts(pod("a"), budgets=(budget(needed=3, healthy=2, expected=4),))
    assert list(shut_pods(["w1"], Lookup(later, OPTIONS))) == []


def test_who_did_not_let_go_is_named_with_where_to_look() -> None:
    """By the budget, by the pod alone where a webhook forbids it, or by the label; a pod of nobody's operator is not."""
    pods = (
        pod("a", controller=CLUSTER),
        pod("b", controller=CLUSTER, labels={}),
        pod("c", controller=SETS, labels={"role": "primary"}),
        pod("d", labels={}),
        pod("e", labels={"other": "yes"}),
    )
    leader = budget("leader", selector=LabelSelector(labels={"role": "primary"}), **SHUT)
    mine = budget("mine", selector=LabelSelector(labels={"other": "yes"}), **SHUT)
    lookup = Lookup(facts(*pods, budgets=(budget(**SHUT), leader, mine), behind=(behind(),)), OPTIONS)
    held = held_by_operators(pods, lookup)
    operator = "the operator of Cluster pg (postgresql.cnpg.io/v1)"
    assert [one.text for one in held] == [
        f"{operator} has not let shop/a go",
        f"{operator} has not let shop/b go",
        "whoever gives its pods the label role has not let shop/c go",
    ]
    assert in_vain(held) == (
        "find out why it does not: `kubectl -n shop describe cluster.postgresql.cnpg.io pg`, "
        "`kubectl -n shop describe poddisruptionbudget leader`, and the operator's log; "
        "then run it again, with a longer limit if it needs more time"
    )
