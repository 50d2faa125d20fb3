"""Derives the state of each node from a report: from its plan, its finished steps and the step in progress."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue

from tasks.core.models.plan import Step
from tasks.core.models.report import Done, Outcome, Report

UNTOUCHED = "untouched"
IN_PROGRESS = "in progress"
NOT_NODES = frozenset({"kubeadm-config", "all nodes", "API", "kubelets"})
"""Lists the subjects of planned steps that are no nodes.

A subject with a comma is no node either, nor is one with a slash: it is an object in a namespace.
"""


class Reach(StrEnum):
    """Says which nodes a step works on."""

    NEXT = "next"
    """The first planned node that is left."""
    WAVE = "wave"
    """The planned nodes that are left of one wave."""
    SOME = "some"
    """The plan does not tell which of the nodes that are left."""
    ALL = "all"
    """Every planned node that is left."""


class Act(NamedTuple):
    """Describes a step that works on nodes, and the state in which it leaves them."""

    done: str
    reach: Reach
    cordons: bool = False
    together: bool = False
    """Is True if the result names no node, because the step finishes for all planned nodes or for none."""


ACTS: Mapping[str, Act] = {
    "upgrade control plane node": Act("upgraded", Reach.NEXT, cordons=True),
    "upgrade wave": Act("upgraded", Reach.WAVE, cordons=True),
    "patch node": Act("patched", Reach.NEXT, cordons=True),
    "patch wave": Act("patched", Reach.WAVE, cordons=True),
    "rotate node": Act("renewed", Reach.NEXT),
    "rotate all": Act("renewed", Reach.ALL),
    "renew kubelets": Act("renewed", Reach.SOME),
    "bring control plane": Act("at the requested stage", Reach.NEXT),
    "bring workers": Act("at the requested stage", Reach.ALL),
    "defragment member": Act("defragmented", Reach.NEXT),
    "take snapshot": Act("snapshot taken", Reach.NEXT),
    "drain node": Act("drained", Reach.NEXT, cordons=True),
    "uncordon node": Act("in service", Reach.NEXT),
    "issue certificates": Act("issued", Reach.ALL, together=True),
    "prepare data": Act("new data prepared, nothing stopped", Reach.ALL, together=True),
    "stop control plane": Act("control plane stopped", Reach.ALL, together=True),
    "swap data": Act("restored data in place, control plane stopped", Reach.ALL, together=True),
    "start etcd": Act("etcd runs on the restored data, API server stopped", Reach.ALL, together=True),
    "start api servers": Act("API server runs on the restored data", Reach.ALL, together=True),
    "end restore": Act("restored", Reach.ALL, together=True),
    "roll back": Act("previous data in place", Reach.ALL, together=True),
}
"""Maps the steps that work on nodes, as the journal names them, to what they do. A test compares it with the flows."""

_ENDED_WELL = {Outcome.COMPLETED, Outcome.SKIPPED}


def node_states(report: Report) -> dict[str, str]:
    """Returns the state of each planned node, and of each node that the plan leaves alone.

    It is empty if the run planned no work on a node, or ended as it should without such work: in mode plan, for example.
    """
    planned = _planned(report)
    done = _since_plan(report.done)
    states = {node: state for step in done for node, state in _states_after(step, _act(report, step.step), planned)}
    doing = ACTS.get(report.doing)
    if not planned or not (states or doing or report.outcome not in {*_ENDED_WELL, Outcome.WAITING}):
        return {}
    if doing:
        reached = [node for node in planned if doing.together or node not in states]
        now = _in_progress(doing, report.outcome)
        states |= {node: "; ".join(filter(None, (states.get(node), now))) for node in _reached(doing, reached, planned)}
    skipped = {skip.subject: f"left alone: {skip.reason}" for skip in (report.plan.skips if report.plan else ())}
    found = dict.fromkeys(planned, UNTOUCHED) | {node: state for node, state in states.items() if node in planned}
    return found | {node: why for node, why in skipped.items() if node not in found}


def is_left(state: str) -> bool:
    """Checks whether work remains on a node in this state."""
    return state == UNTOUCHED or state.startswith(("failed", "waits")) or IN_PROGRESS in state


def results_of(evidence: Mapping[str, JsonValue]) -> list[dict[str, JsonValue]]:
    """Returns the results for each node that the result of a step has."""
    nested = evidence.get("nodes")
    found = [dict(evidence), *(one for one in (nested if isinstance(nested, list) else []) if isinstance(one, dict))]
    return [one for one in found if isinstance(name_of(one), str)]


def name_of(result: Mapping[str, JsonValue]) -> JsonValue:
    """Returns the node, or the member of etcd, that a result is about."""
    return result.get("node", result.get("member"))


def reasons_of(evidence: Mapping[str, JsonValue], field: str) -> dict[str, str]:
    """Returns nodes with a reason, from a mapping (`failed`) or from a list (`waiting`)."""
    found = evidence.get(field)
    if isinstance(found, dict):
        return {node: str(why) for node, why in found.items()}
    listed = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return {str(one.get("node")): str(one.get("reason")) for one in listed}


def _planned(report: Report) -> dict[str, Step]:
    """Returns the planned nodes in order, each with its first step."""
    planned: dict[str, Step] = {}
    for step in report.plan.steps if report.plan else ():
        if step.subject not in NOT_NODES and ", " not in step.subject and "/" not in step.subject:
            planned.setdefault(step.subject, step)
    return planned


def _since_plan(done: Sequence[Done]) -> Sequence[Done]:
    """Returns the steps that followed the last observation, which are those of the plan in the report."""
    observed = [number for number, step in enumerate(done) if step.step.startswith("observe ")]
    return done[max(observed, default=-1) + 1 :]


def _act(report: Report, step: str) -> Act | None:
    """Returns what a step does. A reboot is a patch without packages."""
    act = ACTS.get(step)
    return act._replace(done="rebooted") if act and report.runbook == "node_reboot" else act


def _states_after(step: Done, act: Act | None, planned: Mapping[str, Step]) -> Iterator[tuple[str, str]]:
    if act is None:
        return
    if act.together:
        yield from ((node, act.done) for node in planned)
    for result in results_of(step.evidence):
        yield str(name_of(result)), f"{act.done}{_cordon_after(act, result)}"
    for node, why in reasons_of(step.evidence, "failed").items():
        yield node, f"failed, and stays cordoned by this run: {why}"
    for node, why in reasons_of(step.evidence, "waiting").items():
        yield node, f"waits for the next window: {why}"


def _cordon_after(act: Act, result: Mapping[str, JsonValue]) -> str:
    if result.get("stays_cordoned") or result.get("cordoned_before"):
        return ", and cordoned as before the run"
    return ", and cordoned by this run" if act.cordons and "cordoned_before" in result else ""


def _reached(act: Act, left: Sequence[str], planned: Mapping[str, Step]) -> Sequence[str]:
    if act.reach is Reach.NEXT:
        return left[:1]
    if act.reach is Reach.WAVE and left:
        return [node for node in left if _wave(planned[node]) == _wave(planned[left[0]])]
    return left


def _wave(step: Step) -> str:
    return step.act.removesuffix(step.deed)


def _in_progress(act: Act, outcome: Outcome) -> str:
    when = "" if outcome is Outcome.RUNNING else " when the run stopped"
    state = f"{IN_PROGRESS} or untouched{when}" if act.reach is Reach.SOME else f"{IN_PROGRESS}{when}"
    return f"{state}; this run may have cordoned it" if act.cordons else state
