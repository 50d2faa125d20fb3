"""The members of a cluster, put together from what each endpoint answered and what the cluster lists."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.core.errors import Refused, RunbookError
from tasks.core.models.etcd import ListedMember, Member, MemberStatus
from tasks.core.models.profile import EtcdEndpoint, Route


@dataclass(frozen=True)
class Answer:
    """What asking one endpoint led to: a status by a route, or a reason for each route that was tried."""

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
        """Why there is no status; empty when there is one."""
        return "" if self.status else in_words(self.failed)


def in_words(failed: Sequence[tuple[Route, RunbookError]]) -> str:
    """The routes that were tried, and what came of each."""
    return "; ".join(f"{route} did not work: {error.problem}" for route, error in failed)


def assemble(answers: Sequence[Answer]) -> tuple[str, tuple[Member, ...]]:
    """The cluster's id and its members: those it lists, in that order, then endpoints that nobody could place.

    `Refused` when the endpoints answer for different clusters.
    """
    answered = [answer for answer in answers if answer.status]
    if len({answer.cluster_id for answer in answered}) > 1:
        places = ", ".join(f"{answer.endpoint.url} is of {answer.cluster_id}" for answer in answered)
        raise Refused(f"etcd.endpoints are of different clusters: {places}", hint="correct the profile's endpoints")
    # A member with quorum knows the membership best; without one, any voter's own view is what there is.
    best = sorted(answered, key=lambda answer: (not (answer.status and answer.status.healthy), not answer.listed))
    listed = best[0].listed if best else ()
    members = [_of(member, answers) for member in listed]
    placed = {member.url for member in members}
    strangers = [_unplaced(answer) for answer in answers if answer.endpoint.url not in placed]
    return (answered[0].cluster_id if answered else ""), (*members, *strangers)


def _of(listed: ListedMember, answers: Sequence[Answer]) -> Member:
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
        unreached="neither etcd.endpoints of the profile nor its nodes lead to it",
    )


def _unplaced(answer: Answer) -> Member:
    """An endpoint that is of no listed member: it did not answer, and its URL is not one that a member advertises."""
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
