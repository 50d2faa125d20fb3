"""Whether the state from before a restore may be put back, and where."""

from typing import Any

import pytest

from tasks.control_plane.models import ControlPlaneNode, Phase
from tasks.restore.models import ControlPlaneFacts, RestoreRequest
from tasks.restore.policy.rollback import plan_rollback
from tests.facts.restore import WORKER, facts, member, node, record

PROD = RestoreRequest(cluster="prod", confirm="prod")


@pytest.mark.parametrize(
    ("found", "confirm", "told"),
    [
        (facts(node("cp1")), "prod", "no restore is under way"),
        (facts(node("cp1", record=record(Phase.SERVING))), "prod", "API servers have run on the restored data"),
        (facts(node("cp1", record=record(Phase.SWAPPED))), "", "does not repeat"),
        (
            facts(node("cp1", record=record(Phase.SWAPPED)), ControlPlaneNode(name="cp2", unreached="off")),
            "prod",
            "off",
        ),
    ],
)
def test_what_forbids_a_rollback(found: ControlPlaneFacts, confirm: str, told: str) -> None:
    """With the next step."""
    made = plan_rollback(found, RestoreRequest(cluster="prod", confirm=confirm))
    assert any(told in refusal.problem and refusal.next_step for refusal in made.refusals)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"unseen": "not readable"}, "what runs on it is not known"),
        ({"member": member("cp1", held_by="process 47 (etcd)")}, "process 47 (etcd) has the database"),
        ({"member": None, "not_understood": "odd"}, "odd"),
        (
            {"kubelet_problem": "its kubelet is masked", "kubelet_is_off": True},
            "nothing would stop and start its static pods",
        ),
        ({"doubles": {"etcd.yaml~": "etcd"}}, "its kubelet reads etcd.yaml~ as another manifest of etcd"),
    ],
)
def test_what_would_stop_a_rollback_half_way_forbids_it(changes: dict[str, Any], told: str) -> None:
    """Before the control plane is stopped."""
    made = plan_rollback(facts(node("cp1", record=record(Phase.SWAPPED), **changes)), PROD)
    assert told in made.refusals[0].problem


def test_a_rollback_leaves_a_node_out_that_is_named_as_lost() -> None:
    """It has its old data, if it has anything; without a word it is waited for."""
    found = facts(node("cp1", record=record(Phase.SWAPPED)), ControlPlaneNode(name="cp2", unreached="off"))
    refused = plan_rollback(found, PROD).refusals[0]
    assert "add --lost=cp2" in refused.next_step
    made = plan_rollback(found, PROD.model_copy(update={"lost": ("cp2",)}))
    assert (made.refusals, made.machines, [skip.subject for skip in made.skips]) == ((), ("cp1",), ["cp2"])


def test_a_rollback_is_of_all_control_planes_under_the_restores_own_id() -> None:
    """The node that came furthest says which."""
    found = facts(node("cp1", record=record(Phase.SWAPPED)), node("cp2"), WORKER)
    made = plan_rollback(found, PROD)
    assert (made.id, made.refusals) == ("22222222", ())
    assert [step.subject for step in made.steps] == ["cp1", "cp2"]
