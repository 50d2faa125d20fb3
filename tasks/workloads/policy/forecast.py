"""Forecasts whether a rollout finds room for its pods. It never refuses: what has no room now may have it in a minute."""

from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal

from tasks.core.models.findings import cautioned
from tasks.core.models.plan import Caution, figure
from tasks.workloads.models.changes import Change
from tasks.workloads.models.names import Kind
from tasks.workloads.models.rollout import Target
from tasks.workloads.models.room import Amounts, QuotaLeft, Room

MEBIBYTE = 2**20


def added_by(change: Change, target: Target) -> int:
    """Counts the pods that the change adds for good."""
    return max((change.replicas or 0) - target.replicas, 0)


def surge_of(change: Change, target: Target) -> int:
    """Counts the pods that a rolling update has beside the wanted ones for a while."""
    if target.ref.kind is not Kind.DEPLOYMENT or target.strategy != "RollingUpdate" or not change.changes_template:
        return 0
    replicas = target.replicas if change.replicas is None else change.replicas
    number = target.max_surge.removesuffix("%")
    if not number.isdigit():
        return 0
    if number == target.max_surge:
        return int(number)
    return int((Decimal(number) * replicas / 100).to_integral_value(ROUND_CEILING))


def judge_room(change: Change, target: Target) -> Iterator[Caution]:
    """Yields a caution for each quota that has too little left, and one if no node has room for one more pod."""
    room, added, surge = target.room, added_by(change, target), surge_of(change, target)
    subject, more = target.ref.id, added + surge
    if room is None or not (more or any(value > 0 for value in room.growth.values())):
        return
    if room.unknown:
        problem = f"whether there is room for its pods is not known: the user of the run may not {room.unknown}"
        yield cautioned(subject, problem, "grant these rights, or check ResourceQuotas and nodes by hand")
        return
    for quota in room.quotas:
        if lacks := list(_lacks(quota, needed(room, target.replicas, added, surge))):
            problem = f"ResourceQuota {quota.name} has too little left for its pods: {figure(', '.join(lacks))}"
            yield cautioned(subject, problem, "raise the ResourceQuota, or ask for less; pods that stop free it, too")
    if more and target.ref.kind is not Kind.DAEMON_SET and not room.fits:
        yield cautioned(subject, *_no_node(room))


def needed(room: Room, replicas: int, added: int, surge: int) -> Amounts:
    """Returns what a rollout needs more than now: at its largest, or at its end if its pods grow."""
    nothing = Decimal()
    return {
        name: max((added + surge) * value, added * value + replicas * room.growth.get(name, nothing))
        for name, value in room.pod.items()
    }


def _lacks(quota: QuotaLeft, needs: Amounts) -> Iterator[str]:
    for name, left in quota.left.items():
        if (value := needs.get(name, Decimal())) > max(left, Decimal()):
            yield f"{name}: {amount_in_words(name, value)} needed, {amount_in_words(name, left)} left"


def _no_node(room: Room) -> tuple[str, str]:
    if not room.nodes:
        return "no node takes a pod of it", "check its nodeSelector, affinity and tolerations, and cordoned nodes"
    asked = ", ".join(
        f"{name.removeprefix('requests.')}: {amount_in_words(name, room.pod[name])} needed, {amount_in_words(name, most)} free"
        for name, most in room.most.items()
    )
    problem = f"no node has room for one more pod of it now: {figure(f'of {room.nodes} nodes, the most is {asked}')}"
    return problem, "add a node, or ask for less; an autoscaler may add one"


def amount_in_words(name: str, value: Decimal) -> str:
    """Returns an amount for people: memory and storage in MiB."""
    if name.endswith(("memory", "storage")):
        return f"{value / MEBIBYTE:.0f}Mi"
    return f"{value.normalize():f}"
