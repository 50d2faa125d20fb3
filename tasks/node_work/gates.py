"""What must hold right before a disruptive act: looked at again each time, whatever the plan saw."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

from tasks.cluster import Cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet, Refused
from tasks.core.models.etcd import EtcdFacts, Member
from tasks.etcd.leadership import move_leadership_away
from tasks.etcd.observe import look_at_members
from tasks.etcd.policy.quorum import why_quorum_needs
from tasks.node_work.controllers import look_at_controllers
from tasks.node_work.policy.controllers import what_controllers_lack
from tasks.node_work.policy.health import what_others_lack
from tasks.node_work.site_gates import what_gates_say
from tasks.nodes.observe import glance_at_machine, look_at_nodes
from tasks.nodes.policy.standing import nodes_that_may_be_away
from tasks.run.locks import Check

T = TypeVar("T")
GATE_LIMIT = timedelta(minutes=3)
"""For what may mend itself: another control plane that is on its way back, a cordon of somebody who is done soon."""

HINT = "bring the other control planes back, or uncordon them; then run it again, it goes on where it was"

Also = Callable[[], Sequence[str]]
"""What else speaks against disturbing a node, looked at each time."""


def gate_control_plane(
    handle: Cluster, name: str, check: Check, *, allow_downtime: bool, also: Also = tuple
) -> EtcdFacts:
    """A control plane node may be disturbed: the lock is ours, quorum stays without it, the other API servers serve.

    Waits for some minutes for what is wrong, then `Refused`: another one tries again by hand. Whether another scheduler and
    controller manager go on is not asked here (`missing_controllers`): a rotation gives these their certificates back.
    """

    def look() -> EtcdFacts:
        check()
        problems, facts = what_forbids(handle, name, allow_downtime=allow_downtime)
        problems += also()
        if problems:
            raise NotYet(f"{name}: not to be disturbed now: {'; '.join(problems)}", hint=HINT)
        return facts

    return _within_limit(look)


def _within_limit(look: Callable[[], T]) -> T:
    try:
        return wait_for(look, GATE_LIMIT)
    except NotYet as error:
        raise Refused(error.problem, hint=error.hint) from error


def gate_worker(handle: Cluster, name: str, check: Check, *, also: Also = tuple) -> None:
    """A worker may be disturbed: the lock is ours, and the site's own gates let it go on. Waits as the other one does."""

    def look() -> None:
        check()
        if problems := (*what_gates_say(handle), *also()):
            hint = "look at what is named; then run it again, it goes on where it was"
            raise NotYet(f"{name}: not to be disturbed now: {'; '.join(problems)}", hint=hint)

    _within_limit(look)


def what_forbids(handle: Cluster, name: str, *, allow_downtime: bool) -> tuple[list[str], EtcdFacts]:
    """Everything that speaks against disturbing a control plane node now, and what etcd said."""
    out = nodes_that_may_be_away([node for node in look_at_nodes(handle.kube) if node.control_plane], ours=(name,))
    machines = on_all(
        lambda other: glance_at_machine(handle, other), [one for one in handle.control_planes if one != name]
    )
    problems = [*what_others_lack(machines, out, allow_downtime=allow_downtime), *what_gates_say(handle)]
    facts = look_at_members(handle, "auto")
    member = member_on(facts, name)
    alone = len([one for one in facts.members if not one.learner]) == 1
    if member and not (alone and allow_downtime) and (kept := why_quorum_needs(member, facts.members, out=out)):
        problems.append(kept.text)
    return problems, facts


def missing_controllers(handle: Cluster, name: str, *, allow_downtime: bool) -> list[str]:
    """Which scheduler or controller manager no other control plane node has, while this node is disturbed."""
    others = [one for one in handle.control_planes if one != name]
    if not others:
        return []
    out = nodes_that_may_be_away([node for node in look_at_nodes(handle.kube) if node.control_plane], ours=(name,))
    seen = look_at_controllers(handle.kube, others)
    return what_controllers_lack(seen, others, out=out, allow_downtime=allow_downtime)


def member_on(facts: EtcdFacts, name: str) -> Member | None:
    """The member of etcd on that node."""
    return next((one for one in facts.members if one.node == name), None)


def lead_elsewhere(handle: Cluster, facts: EtcdFacts, name: str) -> str:
    """Moves the leadership of etcd away from the node before it is disturbed; who leads now, if it was moved."""
    member = member_on(facts, name)
    if member is None or member.status is None:
        return ""
    return move_leadership_away(handle, facts, member, "auto")
