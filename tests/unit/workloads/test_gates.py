"""Which gates of the profile hold for a rollout, how long, and what a closed one means before it."""

from datetime import timedelta
from typing import Any

import pytest

from tasks.core.models.plan import Caution, Plan, Refusal
from tasks.core.models.profile import WorkloadGate
from tasks.workloads.models.changes import RolloutOptions
from tasks.workloads.models.rollout import RolloutFacts
from tasks.workloads.policy.gates import BAKE, bake_in_words, bake_of, gates_for, gates_in_words
from tasks.workloads.policy.plan import plan_rollout
from tests.facts.workloads import change, ref, request, rollout_facts, rollout_mark, target

SAID = "gate orders: 0.04: it has to be at most 0.01"


def gate(name: str, *namespaces: str) -> WorkloadGate:
    """For workloads of these namespaces."""
    return WorkloadGate(name=name, query="x", url="http://prometheus", at_most=1, namespaces=namespaces)


def plan(facts: RolloutFacts, **options: Any) -> Plan:  # noqa: ANN401 - fields of the options
    """Of one workload."""
    return plan_rollout(facts, request(), RolloutOptions.model_validate(options))


def test_a_gate_holds_for_the_namespaces_that_it_names() -> None:
    """Without a name, for all."""
    gates = (gate("all"), gate("here", "blog", "shop"), gate("elsewhere", "blog"))
    assert [one.name for one in gates_for(gates, [ref()])] == ["all", "here"]
    assert gates_for(gates, []) == (gates[0],)


@pytest.mark.parametrize(
    ("given", "names", "bake", "words"),
    [
        (None, (), timedelta(), ""),
        (None, ("a", "b"), BAKE, "then all gates (a, b) have to stay open for 2 min"),
        (timedelta(), ("a",), timedelta(), "then all gates (a) have to stay open for 0 s"),
        (timedelta(minutes=5), (), timedelta(minutes=5), "then it has to stay available for 5 min"),
    ],
)
def test_the_bake_time_is_given_or_two_minutes_where_there_is_a_gate(
    given: timedelta | None, names: tuple[str, ...], bake: timedelta, words: str
) -> None:
    """And is a part of each step of the plan."""
    assert bake_of(given, names) == bake
    assert bake_in_words(bake, names) == words
    (step,) = plan(rollout_facts(gates=names), bake=given).steps
    assert step.reason.endswith(words or "up to 25% fewer")


def test_a_gate_that_is_closed_before_the_change_refuses_the_run() -> None:
    """What has nothing to do is not refused for it."""
    facts = rollout_facts(gates=("orders",), closed=(SAID,))
    step = "wait until it is open, or change workloads.gates of the profile"
    assert plan(facts).refusals == (Refusal(subject="workloads.gates", problem=SAID, next_step=step),)
    nothing = plan(rollout_facts(target(diff=()), gates=("orders",), closed=(SAID,)))
    assert (nothing.steps, nothing.refusals) == ((), ())


def test_a_gate_that_closed_after_an_interrupted_change_does_not_keep_the_release_there() -> None:
    """The run goes on, and its proof fails; whether the figure of the gate is another one, is no other question."""
    made = plan(rollout_facts(target(mark=rollout_mark(), diff=()), gates=("orders",), closed=(SAID,)))
    assert made.refusals == ()
    (caution,) = made.cautions
    assert isinstance(caution, Caution)
    assert (caution.problem, caution.basis) == (f"closed after the change: {SAID}", "closed after the change: …")
    assert change().digest == rollout_mark().change


@pytest.mark.parametrize(
    ("names", "closed", "words"),
    [
        ((), (), ""),
        (("orders", "latency"), (), "all gates (orders, latency) are open now"),
        (("orders", "latency"), (SAID,), f"1 of 2 gates are closed now: {SAID}"),
    ],
)
def test_what_gates_say_after_a_rollback_is_said(names: tuple[str, ...], closed: tuple[str, ...], words: str) -> None:
    """A rate may be high for some minutes more."""
    assert gates_in_words(names, closed) == words
