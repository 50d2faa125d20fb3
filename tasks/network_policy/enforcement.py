"""Tries connections between pods that run now, from their own network namespaces: whether the network enforces policies.

Nothing is created. A connection is opened and closed again, and no byte is sent.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta

from tasks.cluster import Cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import NotYet, RunbookError
from tasks.core.words import counted
from tasks.network_policy.models import Enforcement, Networks, Pair, Pod, Seen, Try
from tasks.network_policy.policy.evaluate import Evaluator
from tasks.network_policy.policy.pairs import choose_pairs, choose_targets, judge_tries, must_deny
from tasks.network_policy.probes.reach import (
    in_lines,
    listeners_command,
    parse_listeners,
    parse_reach,
    reach_command,
)

GRACE = timedelta(seconds=10)
"""Is how long a connection may stay open that a policy denies: a network may still be working on a new pod."""


def look_at_enforcement(handle: Cluster, networks: Networks, read: Callable[[], Networks]) -> Enforcement:
    """Returns whether policies are enforced, or why nobody knows. `read` reads them again before a leak is said."""
    if not networks.policies:
        return Enforcement(reason="there is no NetworkPolicy")
    if not (handle.profile.ssh and handle.profile.nodes):
        return Enforcement(reason="the profile has no ssh and nodes, so no connection was tried")
    evaluator = Evaluator(networks)
    nodes = frozenset(one.name for one in handle.profile.nodes)
    targets = choose_targets(networks, evaluator, nodes)
    if not targets:
        return Enforcement(reason="no policy isolates a pod that runs on a node of the profile")
    return _tried(handle, networks, evaluator, targets, read)


def _tried(
    handle: Cluster, networks: Networks, evaluator: Evaluator, targets: Sequence[Pod], read: Callable[[], Networks]
) -> Enforcement:
    nodes = frozenset(one.name for one in handle.profile.nodes)
    listeners, silent = _listeners(handle, targets)
    if not listeners:
        reasons = [f"of {counted(len(targets), 'isolated pod')}, none listens on a TCP port that others reach", *silent]
        return Enforcement(reason="; ".join(reasons))
    denied, others = choose_pairs(networks, evaluator, nodes, listeners)
    if not denied:
        return Enforcement(reason="no policy denies a connection between two pods that run on nodes of the profile")
    controls = connect(handle, others)
    tries = until_closed(handle, denied)
    if any(one.seen is Seen.OPEN for one in tries):
        again = read()
        now = Evaluator(again)
        kept = [(pair, one) for pair, one in zip(denied, tries, strict=True) if must_deny(pair, again, now)]
        tries = [one for _, one in kept]
    found = [*controls, *(one.model_copy(update={"is_denied": True}) for one in tries)]
    return judge_tries(found, others=bool(networks.others))


def until_closed(handle: Cluster, pairs: Sequence[Pair], grace: timedelta = GRACE) -> list[Try]:
    """Tries connections until all are closed, or until the network had its time."""
    return _until(handle, pairs, lambda one: one.seen is not Seen.OPEN, grace)


def until_open(handle: Cluster, pairs: Sequence[Pair], grace: timedelta) -> list[Try]:
    """Tries connections until all are open, or until the network had its time."""
    return _until(handle, pairs, lambda one: one.seen is Seen.OPEN, grace)


def _until(handle: Cluster, pairs: Sequence[Pair], is_so: Callable[[Try], bool], grace: timedelta) -> list[Try]:
    found = connect(handle, pairs)

    def look() -> None:
        found[:] = connect(handle, pairs)
        if others := [one.words for one in found if not is_so(one)]:
            raise NotYet(others[0])

    if not all(map(is_so, found)):
        with suppress(NotYet):
            wait_for(look, grace, what="the network to follow the policies", about=handle.profile.name)
    return found


def _listeners(handle: Cluster, targets: Sequence[Pod]) -> tuple[Mapping[str, tuple[int, ...]], list[str]]:
    """Returns on which ports the targets listen, and why nodes did not say it."""
    by_node: dict[str, list[Pod]] = {}
    for one in targets:
        by_node.setdefault(one.node, []).append(one)

    def ask(node: str) -> Mapping[str, tuple[int, ...]] | str:
        uids = {one.uid: one.addresses[0] for one in by_node[node]}
        try:
            told = handle.shell(node).ask(listeners_command(), stdin="".join(f"{uid}\n" for uid in uids).encode())
        except RunbookError as error:
            return error.problem
        return parse_listeners(told, uids)

    answers = on_all(ask, list(by_node))
    found = {uid: ports for one in answers if not isinstance(one, str) for uid, ports in one.items()}
    return found, [one for one in answers if isinstance(one, str)]


def connect(handle: Cluster, pairs: Sequence[Pair]) -> list[Try]:
    """Tries all connections at once, each from the node of its source. What a silent node did not try is told as that."""
    by_node: dict[str, list[Pair]] = {}
    for one in pairs:
        by_node.setdefault(one.source.node if one.source else one.target.node, []).append(one)

    def ask(node: str) -> dict[Pair, Try]:
        inside = by_node[node]
        try:
            told = parse_reach(handle.shell(node).ask(reach_command(), stdin=in_lines(inside)), len(inside))
        except RunbookError as error:
            told = [(Seen.UNKNOWN, error.problem)] * len(inside)
        return {pair: _try(pair, node, *answer) for pair, answer in zip(inside, told, strict=True)}

    found = {pair: one for answers in on_all(ask, list(by_node)) for pair, one in answers.items()}
    return [found[pair] for pair in pairs]


def _try(pair: Pair, node: str, seen: Seen, said: str) -> Try:
    source = pair.source.label if pair.source else f"node {node}"
    return Try(source=source, target=pair.target.label, port=pair.port, seen=seen, said=said)
