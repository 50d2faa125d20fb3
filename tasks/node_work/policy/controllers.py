"""Decides if another scheduler and controller manager keep working while a control plane node is disturbed."""

from collections.abc import Collection

from tasks.core.models.findings import Problem
from tasks.node_work.models.controllers import COMPONENTS, Controllers, Leader


def what_controllers_lack(
    seen: Controllers, others: Collection[str], *, out: Collection[str] = (), allow_downtime: bool = False
) -> list[str]:
    """Returns why nothing would schedule pods or reconcile objects without this node.

    The list is empty if this node is the only control plane node. With `allow_downtime`, the node also counts
    as the only one if all others are `out`.
    """
    if not others or (allow_downtime and is_alone(others, out)):
        return []
    return [*who_would_not_go_on(seen, others, out=out), *who_does_not_lead(seen)]


def is_alone(others: Collection[str], out: Collection[str]) -> bool:
    """Returns True if no other control plane node counts."""
    return all(name in out for name in others)


def who_would_not_go_on(seen: Controllers, others: Collection[str], *, out: Collection[str] = ()) -> list[str]:
    """Returns a problem for each component without an instance that counts on any `other` node.

    One instance is enough. Instances on nodes that are `out` (cordoned by others, or not Ready) may stop at any
    moment and do not count.
    """
    return [problem.text for name in COMPONENTS if (problem := _missing(seen, name, others, out))]


def who_does_not_lead(seen: Controllers) -> list[str]:
    """Returns a problem for each component that does no work now, even if its pods are Ready.

    Its leader did not renew its Lease.
    """
    return [f"no {one.component} leads: {_silence_of(one)}" for one in seen.leaders if not one.is_alive]


def _missing(seen: Controllers, component: str, others: Collection[str], out: Collection[str]) -> Problem | None:
    found = {one.node: one.problem for one in seen.instances if one.component == component}
    unfit = {
        name: "its node is cordoned or not Ready" if name in out else found.get(name, "it has none")
        for name in sorted(others)
    }
    if not all(unfit.values()):
        return None
    told = ", ".join(f"{name} ({why})" for name, why in unfit.items())
    return Problem(text=f"no other {component} is ready: {told}")


def _silence_of(leader: Leader) -> str:
    if not leader.holder:
        return f"the Lease {leader.lease} has no holder"
    return f"{leader.holder} has not renewed the Lease {leader.lease} for {leader.seconds} s"
