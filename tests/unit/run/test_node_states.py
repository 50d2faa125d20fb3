"""The state of each node, from the plan and the journal alone."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.core.models.plan import Plan, Skip, Step
from tasks.core.models.report import Done, Outcome, Report
from tasks.run.policy.node_states import ACTS, is_left, node_states

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
PLAN = Plan(
    steps=(
        Step(subject="kubeadm-config", act="pin etcd", reason="asked for"),
        Step(subject="cp1", act="kubeadm upgrade apply", reason="v1.36.3"),
        Step(subject="cp1", act="kubelet", reason="v1.36.3"),
        Step(subject="cp2", act="kubeadm upgrade node", reason="v1.36.3"),
        Step(subject="w1", act="wave 1: drain", reason="v1.36.3"),
        Step(subject="w2", act="wave 2: drain", reason="v1.36.3"),
        Step(subject="w3", act="wave 2: drain", reason="v1.36.3"),
        Step(subject="w1, w2", act="prove", reason="last"),
    ),
    skips=(Skip(subject="w4", reason="it is at v1.37.2"), Skip(subject="w1", reason="one of its parts")),
)


def report(*done: tuple[str, dict[str, Any]], doing: str = "", **changes: Any) -> Report:  # noqa: ANN401 - fields of Report
    """A run that failed after these steps."""
    steps = (Done(step=name, started_at=NOON, took=timedelta(seconds=1), evidence=found) for name, found in done)
    values: dict[str, Any] = {"outcome": Outcome.FAILED, "plan": PLAN, "done": tuple(steps), "doing": doing} | changes
    return Report(runbook="x", cluster="prod", run_id="r", run_name="n", attempt=1, started_at=NOON, **values)


CONTROL_PLANE = "upgrade control plane node"
WAVE = "upgrade wave"
STOPPED = "in progress when the run stopped; this run may have cordoned it"


def test_a_failed_upgrade_says_what_is_done_what_was_in_progress_and_what_is_untouched() -> None:
    """Also what a wave gave up, and what somebody else had cordoned."""
    found = node_states(
        report(
            (CONTROL_PLANE, {"node": "cp1"}),
            (CONTROL_PLANE, {"node": "cp2", "stays_cordoned": True}),
            (WAVE, {"nodes": [], "failed": {"w1": "no disk"}}),
            doing=WAVE,
        )
    )
    assert found == {
        "cp1": "upgraded",
        "cp2": "upgraded, and cordoned as before the run",
        "w1": "failed, and stays cordoned by this run: no disk",
        "w2": STOPPED,
        "w3": STOPPED,
        "w4": "left alone: it is at v1.37.2",
    }
    assert [node for node, state in found.items() if is_left(state)] == ["w1", "w2", "w3"]


def test_one_node_after_the_other_only_the_next_one_is_in_progress() -> None:
    """The journal names the step, the plan has the order."""
    found = node_states(report((CONTROL_PLANE, {"node": "cp1"}), doing=CONTROL_PLANE))
    assert [found[name] for name in ("cp1", "cp2", "w1")] == ["upgraded", STOPPED, "untouched"]
    running = node_states(report(doing=CONTROL_PLANE, outcome=Outcome.RUNNING))
    assert running["cp1"] == "in progress; this run may have cordoned it"


def test_a_chain_counts_only_what_was_done_since_its_last_plan() -> None:
    """Every node was upgraded once already."""
    found = node_states(report((CONTROL_PLANE, {"node": "cp1"}), ("observe records", {}), doing="stage upgrade"))
    assert set(found.values()) == {"untouched", "left alone: it is at v1.37.2"}


@pytest.mark.parametrize(
    ("doing", "states"),
    [
        ("renew kubelets", "in progress or untouched when the run stopped"),
        ("rotate all", "in progress when the run stopped"),
    ],
)
def test_several_at_once(doing: str, states: str) -> None:
    """Where the plan does not say which, the report does not guess."""
    assert {state for node, state in node_states(report(doing=doing)).items() if node != "w4"} == {states}


def test_steps_that_finish_for_all_nodes_together() -> None:
    """A restore goes in phases."""
    found = node_states(report(("swap data", {}), doing="start etcd"))
    assert found["cp1"] == "restored data in place, control plane stopped; in progress when the run stopped"
    assert is_left(found["cp1"])
    found = node_states(report(("stop control plane", {}), ("swap data", {}), doing="x"))
    assert found["cp2"] == "restored data in place, control plane stopped"


def test_a_wave_after_the_last_node_has_nobody_in_progress() -> None:
    """A step that began with nothing left."""
    names = [{"node": name} for name in ("cp1", "cp2", "w1", "w2", "w3")]
    assert "in progress" not in str(node_states(report((WAVE, {"nodes": names}), doing=WAVE)))


def test_a_drain_says_whose_cordon_it_is_and_a_window_that_closed_who_waits() -> None:
    """Two results of other runbooks."""
    assert node_states(report(("drain node", {"node": "cp1", "cordoned_before": False})))["cp1"] == (
        "drained, and cordoned by this run"
    )
    found = node_states(
        report(("patch wave", {"nodes": "?", "waiting": [{"node": "w1", "reason": "12 min are left"}, 3]}))
    )
    assert found["w1"] == "waits for the next window: 12 min are left"


def test_a_reboot_is_no_patch() -> None:
    """Although it is made in the same way."""
    done = Done(step="patch node", started_at=NOON, took=timedelta(), evidence={"nodes": [{"node": "cp1"}]})
    assert node_states(report().model_copy(update={"runbook": "node_reboot", "done": (done,)}))["cp1"] == "rebooted"


def test_no_work_on_nodes_no_states() -> None:
    """Plans alone, questions, and runbooks without nodes."""
    assert node_states(report(outcome=Outcome.COMPLETED)) == {}
    assert node_states(report(outcome=Outcome.WAITING)) == {}
    assert node_states(report(plan=None)) == {}
    assert node_states(report(("wait", {}), plan=PLAN))["cp1"] == "untouched"


def test_every_name_is_a_step_of_a_flow() -> None:
    """A step that is renamed is renamed here."""
    flows = "".join(file.read_text() for file in (Path(__file__).parents[3] / "flows").glob("*.py"))
    steps = {name.replace("_", " ") for name in re.findall(r"run\.step\((\w+)", flows)}
    assert set(ACTS) <= steps
