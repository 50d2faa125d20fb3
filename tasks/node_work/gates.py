"""Checks what must hold right before a disruptive act. Each gate checks again, whatever the plan saw."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from tasks.cluster import Cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet, Refused
from tasks.core.models.etcd import EtcdFacts
from tasks.etcd.leadership import move_leadership_away
from tasks.etcd.observe import look_at_members
from tasks.etcd.policy.quorum import why_quorum_needs
from tasks.gates.observe import what_gates_say
from tasks.node_work.controllers import look_at_controllers
from tasks.node_work.policy.controllers import what_controllers_lack
from tasks.node_work.policy.gates import member_on, what_member_lacks
from tasks.node_work.policy.health import what_others_lack
from tasks.nodes.observe import glance_at_machine, look_at_nodes
from tasks.nodes.policy.standing import nodes_that_may_be_away
from tasks.run.locks import Check

T = TypeVar("T")
GATE_LIMIT = timedelta(minutes=3)
"""Limits the wait for problems that may solve themselves.

For example, another control plane node becomes ready again, or someone removes a cordon soon.
"""

HINT = "bring the other control planes back, or uncordon them; then run it again: it resumes"

Also = Callable[[], Sequence[str]]
"""This is the type of a function that returns further reasons not to disturb a node.

It is called at each check.
"""


def gate_control_plane(
    handle: Cluster, name: str, check: Check, *, allow_downtime: bool, also: Also = tuple
) -> EtcdFacts:
    """Waits until a control plane node may be disturbed.

    Our run must hold the lock, etcd must keep quorum without the node, and the other API servers must serve. A
    problem may last some minutes; then the gate raises `Refused`, and an operator starts the run again. This
    gate does not check for another scheduler and controller manager (`missing_controllers` does), because a
    rotation renews their certificates.
    """

    def look() -> EtcdFacts:
        check()
        problems, facts = what_forbids(handle, name, allow_downtime=allow_downtime)
        problems += also()
        if problems:
            raise NotYet(f"{name}: not to be disturbed now: {'; '.join(problems)}", hint=HINT)
        return facts

    return _within_limit(look, name)


def _within_limit(look: Callable[[], T], name: str) -> T:
    try:
        return wait_for(look, GATE_LIMIT, what="a moment when it may be disturbed", about=name)
    except NotYet as error:
        raise Refused(error.problem, hint=error.hint) from error


def gate_worker(handle: Cluster, name: str, check: Check, *, also: Also = tuple) -> None:
    """Waits until a worker may be disturbed: our run holds the lock, and the site's own gates agree.

    It waits as long as `gate_control_plane` does, then raises `Refused`.
    """

    def look() -> None:
        check()
        if problems := (*what_gates_say(handle, handle.profile.gates), *also()):
            hint = "repair what is named; then run it again: it resumes"
            raise NotYet(f"{name}: not to be disturbed now: {'; '.join(problems)}", hint=hint)

    _within_limit(look, name)


def what_forbids(handle: Cluster, name: str, *, allow_downtime: bool) -> tuple[list[str], EtcdFacts]:
    """Returns every reason not to disturb a control plane node now, and the facts about etcd."""
    out = nodes_that_may_be_away([node for node in look_at_nodes(handle.kube) if node.control_plane], ours=(name,))
    machines = on_all(
        lambda other: glance_at_machine(handle, other), [one for one in handle.control_planes if one != name]
    )
    problems = [
        *what_others_lack(machines, out, allow_downtime=allow_downtime),
        *what_gates_say(handle, handle.profile.gates),
    ]
    facts = look_at_members(handle, "auto")
    member = member_on(facts, name)
    if unknown := what_member_lacks(member, handle.shape(name)):
        problems.append(unknown.text)
    alone = len([one for one in facts.members if not one.learner]) == 1
    if member and not (alone and allow_downtime) and (kept := why_quorum_needs(member, facts.members, out=out)):
        problems.append(kept.text)
    return problems, facts


def missing_controllers(handle: Cluster, name: str, *, allow_downtime: bool) -> list[str]:
    """Returns why no other control plane node has a scheduler or controller manager while this node is disturbed."""
    others = [one for one in handle.control_planes if one != name]
    if not others:
        return []
    out = nodes_that_may_be_away([node for node in look_at_nodes(handle.kube) if node.control_plane], ours=(name,))
    seen = look_at_controllers(handle.kube, others)
    return what_controllers_lack(seen, others, out=out, allow_downtime=allow_downtime)


def lead_elsewhere(handle: Cluster, facts: EtcdFacts, name: str) -> str:
    """Moves the leadership of etcd away from the node before it is disturbed.

    It returns the current leader if the leadership was moved, else an empty string.
    """
    member = member_on(facts, name)
    if member is None or member.status is None:
        return ""
    return move_leadership_away(handle, facts, member, "auto")
