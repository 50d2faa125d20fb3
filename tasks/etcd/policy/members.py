"""Assembles the members of a cluster from each endpoint's answer and from the cluster's own list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.core.errors import Refused, RunbookError
from tasks.core.models.etcd import ListedMember, Member, MemberStatus
from tasks.core.models.profile import EtcdEndpoint, Route
from tasks.core.probes.addresses import address_of_url, is_loopback


@dataclass(frozen=True)
class Answer:
    """Holds the result of one query to an endpoint: a status by a route, or a reason for each route that was tried."""

    endpoint: EtcdEndpoint
    route: Route | None = None
    route_reason: str = ""
    cluster_id: str = ""
    member_id: str = ""
    status: MemberStatus | None = None
    listed: tuple[ListedMember, ...] = ()
    failed: tuple[tuple[Route, RunbookError], ...] = ()

    @property
    def unreached(self) -> str:
        """Returns why there is no status; empty if there is one."""
        return "" if self.status else in_words(self.failed)


def has_no_leader(answers: Sequence[Answer]) -> bool:
    """True if every endpoint answered, and none of them leads: an election is under way, or was while they were asked."""
    statuses = [answer.status for answer in answers]
    return bool(statuses) and all(status is not None and not status.is_leader for status in statuses)


def in_words(failed: Sequence[tuple[Route, RunbookError]]) -> str:
    """Describes the routes that were tried and the result of each."""
    return "; ".join(f"{route} did not work: {error.problem}" for route, error in failed)


def at_its_node(url: str, own: Sequence[EtcdEndpoint], afar: Sequence[EtcdEndpoint]) -> EtcdEndpoint | None:
    """Returns the member with this URL among those that a node leads to.

    If no URL matches, it returns the node's own member if there is one, because the URL may use another of its
    addresses.
    """
    return next((one for one in (*own, *afar) if one.url == url), own[0] if own else None)


def is_near(url: str) -> bool:
    """True if the URL leads to another member on each node."""
    return is_loopback(address_of_url(url).host)


def choose_endpoints(
    nodes: Sequence[tuple[Sequence[EtcdEndpoint], Sequence[EtcdEndpoint]]],
) -> tuple[EtcdEndpoint, ...]:
    """Chooses which members to query: each node's own, and those that its API server is configured with.

    If members run on the nodes, a node's own configuration may fail to parse. Then its API server still tells the
    address, by loopback.
    """
    members = [one for own, _ in nodes for one in own]
    afar = [one for own, others in nodes for one in others if not own and (is_near(one.url) or not members)]
    return (*members, *afar)


def assemble(answers: Sequence[Answer], not_asked: Mapping[str, RunbookError] = {}) -> tuple[str, tuple[Member, ...]]:
    """Returns the cluster's id and its members.

    The listed members come first, in the cluster's order, then the endpoints that match no listed member.

    `not_asked` has the nodes that could not be queried for members. A member that no node leads to may be on one of
    them.

    `Refused` when the endpoints answer for different clusters.
    """
    answered = [answer for answer in answers if answer.status]
    if len({answer.cluster_id for answer in answered}) > 1:
        places = ", ".join(f"{answer.endpoint.url} is of {answer.cluster_id}" for answer in answered)
        raise Refused(f"etcd.endpoints are of different clusters: {places}", hint="correct the profile's endpoints")
    # A member with quorum knows the membership best; without one, any voter's own view is what there is.
    best = sorted(answered, key=lambda answer: (not (answer.status and answer.status.healthy), not answer.listed))
    listed = best[0].listed if best else ()
    members = [_of(member, answers, not_asked) for member in listed]
    placed = {member.url for member in members}
    strangers = [_unplaced(answer) for answer in answers if answer.endpoint.url not in placed]
    return (answered[0].cluster_id if answered else ""), (*members, *strangers)


def _of(listed: ListedMember, answers: Sequence[Answer], not_asked: Mapping[str, RunbookError]) -> Member:
    for answer in answers:
        if answer.member_id == listed.id or (answer.status is None and answer.endpoint.url in listed.urls):
            return Member(
                id=listed.id,
                name=listed.name,
                learner=listed.learner,
                url=answer.endpoint.url,
                node=answer.endpoint.node,
                on_node=answer.endpoint.on_node,
                route=answer.route,
                route_reason=answer.route_reason,
                status=answer.status,
                unreached=answer.unreached,
            )
    return Member(
        id=listed.id,
        name=listed.name,
        learner=listed.learner,
        unreached="; ".join(
            ["neither etcd.endpoints of the profile nor its nodes lead to it"]
            + [f"not asked: {error.problem}" for error in not_asked.values()]
        ),
    )


def _unplaced(answer: Answer) -> Member:
    """Returns a member for an endpoint that matches no listed member.

    It did not answer, and no member advertises its URL.
    """
    return Member(
        id=answer.member_id,
        name=answer.endpoint.node or answer.endpoint.url,
        url=answer.endpoint.url,
        node=answer.endpoint.node,
        on_node=answer.endpoint.on_node,
        route=answer.route,
        route_reason=answer.route_reason,
        status=answer.status,
        unreached=answer.unreached,
    )
