"""Chooses connections between pods that run now which show whether policies are enforced, and says what they show."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from tasks.network_policy.models import Cover, Direction, Enforcement, Networks, Pair, Pod, Seen, Try, Verdict
from tasks.network_policy.policy.evaluate import Evaluator

PAIRS = 10
"""Limits how many denied connections are tried."""

TARGETS = 20
"""Limits how many pods are asked on which ports they listen."""

SOURCES = 200
"""Limits among how many pods a denied source is looked for."""


def can_try(pod: Pod, nodes: Collection[str]) -> bool:
    """Checks whether a pod runs in a network namespace that one of these nodes shows."""
    return pod.node in nodes and bool(pod.addresses) and not pod.is_sandboxed


def choose_targets(networks: Networks, evaluator: Evaluator, nodes: Collection[str]) -> tuple[Pod, ...]:
    """Returns pods that others must not reach: first those whose ingress is isolated, one of each group.

    The other pods count if the egress of some pod is isolated.
    """
    there = _one_of_each(_spread(one for one in networks.pods if can_try(one, nodes)))
    isolated: list[Pod] = []
    others: list[Pod] = []
    for one in there:
        is_isolated = evaluator.cover(one.group, Direction.INGRESS) is Cover.ISOLATED
        (isolated if is_isolated else others).append(one)
    if any(evaluator.cover(one.group, Direction.EGRESS) is Cover.ISOLATED for one in there):
        isolated += others
    return tuple(isolated[:TARGETS])


def choose_pairs(
    networks: Networks, evaluator: Evaluator, nodes: Collection[str], listeners: Mapping[str, Sequence[int]]
) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Returns connections that a policy must deny, and for each of their listeners those that must be open.

    `listeners` maps the uid of a target to its ports. A denied source is on the target's node, and another one is on another
    node: both ways of a packet count.
    """
    sources = _spread(one for one in networks.pods if can_try(one, nodes))[:SOURCES]
    denied: list[Pair] = []
    open_ones: list[Pair] = []
    for target in (one for one in networks.pods if listeners.get(one.uid)):
        for port in listeners[target.uid]:
            others = [one for one in sources if one.uid != target.uid]
            kept_off = [one for one in others if not evaluator.allowed(one, target, port)]
            here = [one for one in kept_off if one.node == target.node][:1]
            there = [one for one in kept_off if one.node != target.node][:1]
            if chosen := [*here, *there][: PAIRS - len(denied)]:
                denied += [Pair(one, target, port) for one in chosen]
                let_in = [one for one in others if evaluator.allowed(one, target, port)][:1]
                open_ones += [Pair(one, target, port) for one in (None, *let_in)]
                break
    return tuple(denied), tuple(open_ones)


def must_deny(pair: Pair, networks: Networks, evaluator: Evaluator) -> bool:
    """Checks whether both pods still exist, and a policy still denies the connection."""
    now = {one.uid: one for one in networks.pods}
    source, target = now.get(pair.source.uid) if pair.source else None, now.get(pair.target.uid)
    return source is not None and target is not None and not evaluator.allowed(source, target, pair.port)


def judge_tries(tries: Sequence[Try], *, others: bool = False) -> Enforcement:
    """Says what the connections show. A closed one shows something only if another to the same listener is open.

    With `others`, policies of another kind exist. One of these may allow what a NetworkPolicy denies.
    """
    open_ones = {(one.target, one.port) for one in tries if not one.is_denied and one.seen is Seen.OPEN}
    denied = [one for one in tries if one.is_denied]
    if others and any(one.seen is Seen.OPEN for one in denied):
        return Enforcement(
            reason="a denied connection was open, and policies of another kind may allow it", tries=tuple(tries)
        )
    if any(one.seen is Seen.OPEN for one in denied):
        return Enforcement(verdict=Verdict.NOT_ENFORCED, tries=tuple(tries))
    if any(one.is_closed and (one.target, one.port) in open_ones for one in denied):
        return Enforcement(verdict=Verdict.ENFORCED, tries=tuple(tries))
    return Enforcement(
        reason="no connection that must be open was open, so a closed one shows nothing", tries=tuple(tries)
    )


def _one_of_each(pods: Iterable[Pod]) -> list[Pod]:
    found: dict[object, Pod] = {}
    for one in pods:
        found.setdefault(one.group, one)
    return list(found.values())


def _spread(pods: Iterable[Pod]) -> list[Pod]:
    """Returns one pod of each group and node, those of different namespaces first."""
    found: dict[tuple[object, str], Pod] = {}
    for one in pods:
        found.setdefault((one.group, one.node), one)
    places: dict[tuple[str, str], list[Pod]] = {}
    for one in found.values():
        places.setdefault((one.group.namespace, one.node), []).append(one)
    return list(_in_turn(list(places.values())))


def _in_turn(lists: list[list[Pod]]) -> Iterator[Pod]:
    longest = max(map(len, lists), default=0)
    for index in range(longest):
        yield from (one[index] for one in lists if index < len(one))
