"""Finds etcd's members and how their nodes reach them.

The profile comes first, then the nodes' own manifests and units.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from tasks.cluster import Cluster
from tasks.control_plane.observe import look_for_members
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.profile import EtcdEndpoint, EtcdMemberGiven
from tasks.etcd.policy.members import at_its_node, choose_endpoints, is_near

LOOK_LIMIT = timedelta(seconds=30)
"""Limits how long a node may take to report its members, because the other nodes wait for it."""


class Found(NamedTuple):
    """Holds the members, and the nodes that could not be queried for members, with the reason."""

    endpoints: tuple[EtcdEndpoint, ...]
    not_asked: Mapping[str, RunbookError]


class _OnNode(NamedTuple):
    """Holds the members that a node leads to: its own member, or those of an external etcd."""

    own: tuple[EtcdEndpoint, ...] = ()
    afar: tuple[EtcdEndpoint, ...] = ()
    problem: RunbookError | None = None


def find_members(handle: Cluster, *, over_ssh: bool) -> Found:
    """Returns the members that the profile names, or else those that nodes lead to.

    With `over_ssh` it also finds out how their nodes reach them.
    """
    given = handle.profile.etcd.endpoints
    return _given(handle, given, over_ssh=over_ssh) if given else _discover(handle)


def _given(handle: Cluster, members: tuple[EtcdMemberGiven, ...], *, over_ssh: bool) -> Found:
    """Returns the members of the profile, and queries a node if the profile leaves something out."""
    not_asked: dict[str, RunbookError] = {}

    def place(member: EtcdMemberGiven) -> EtcdEndpoint:
        said = (member.on_node or handle.profile.etcd.on_node).over(handle.profile.etcd.on_node)
        bare = EtcdEndpoint(url=member.url, node=member.node, on_node=said.with_found(None))
        if bare.on_node or not member.node or not over_ssh:
            return bare
        seen = _look_at(handle, member.node)
        found = at_its_node(member.url, seen.own, seen.afar)
        on_node = said.with_found(found.on_node if found else None)
        if on_node is None:
            not_asked[member.node] = seen.problem or _not_there(member)
        return bare.model_copy(update={"on_node": on_node})

    return Found(tuple(on_all(place, members)), not_asked)


def _not_there(member: EtcdMemberGiven) -> Refused:
    return Refused(
        f"{member.node} has no member of etcd: no manifest, no etcd.service, and no API server with {member.url}",
        hint="correct its node in etcd.endpoints, or give etcd.on_node: address, port, ca, certificate and key",
    )


def _discover(handle: Cluster) -> Found:
    """Finds stacked members and units, or else the members that API servers are configured with."""
    names = [node.name for node in handle.profile.nodes]
    seen = dict(zip(names, on_all(partial(_look_at, handle), names), strict=True))
    not_asked = {name: one.problem for name, one in seen.items() if one.problem}
    said = handle.profile.etcd.on_node
    by_url = {
        (one.url, one.node if is_near(one.url) else ""): one.model_copy(
            update={"on_node": said.with_found(one.on_node)}
        )
        for one in reversed(choose_endpoints([(one.own, one.afar) for one in seen.values()]))
    }
    if not by_url:
        raise _nothing(not_asked)
    return Found(tuple(sorted(by_url.values(), key=lambda one: (one.url, one.node or ""))), not_asked)


def _nothing(not_asked: Mapping[str, RunbookError]) -> RunbookError:
    told = "; ".join(str(error) for error in not_asked.values())
    what = "no node leads to a member of etcd: none has its manifest, its unit, or an API server that names it"
    kind = Refused if not_asked and all(isinstance(error, Refused) for error in not_asked.values()) else NotYet
    return kind(
        f"{what}; {told}" if told else what, hint="check nodes: of the profile, or name the members in etcd.endpoints"
    )


def _look_at(handle: Cluster, name: str) -> _OnNode:
    try:
        node, leads = look_for_members(handle, name, limit=LOOK_LIMIT)
    except RunbookError as error:
        log_about(name).warning("not asked for members of etcd: %s", error)
        return _OnNode(problem=error)
    if node.member:
        own = EtcdEndpoint(url=node.member.client_url, node=name, on_node=node.member.on_node)
        return _OnNode(own=(own,), afar=leads.endpoints)
    problem = "; ".join(text for text in (node.not_understood, leads.problem) if text)
    return _OnNode(
        afar=leads.endpoints,
        problem=Refused(f"{name}: {problem}", hint="name the members in etcd.endpoints, with on_node")
        if problem
        else None,
    )
