"""Observes all members of etcd in parallel, by the routes that the profile allows."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all
from tasks.core.commands import LOG_OF_ETCD
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.etcd import EtcdFacts, Member, MemberStatus
from tasks.core.models.profile import EtcdEndpoint, Route, RouteChoice
from tasks.core.retries import OBSERVE
from tasks.core.waits import Wait
from tasks.etcd.find import find_members
from tasks.etcd.models import ControlPlaneSeen
from tasks.etcd.policy.members import Answer, assemble, has_no_leader, in_words
from tasks.etcd.policy.routes import choose_routes, is_possible, why_this_route
from tasks.etcd.tables import show_members
from tasks.nodes.observe import look_at_nodes
from tasks.nodes.policy.standing import nodes_that_may_be_away

ELECTION_LIMIT = timedelta(seconds=5)
"""Limits how long the members are asked again while none of them leads: an election takes one to two seconds."""


@task(**OBSERVE, task_run_name="look-at-control-plane-{cluster}")
def check_control_plane(cluster: str) -> ControlPlaneSeen:
    """Returns which control plane nodes are cordoned or not Ready.

    If the API cannot be queried, the result is the reason.
    """
    return control_plane_of(open_cluster(cluster))


@task(**OBSERVE, task_run_name="observe-etcd-{cluster}")
def observe_etcd(cluster: str, route: RouteChoice = "auto") -> EtcdFacts:
    """Returns the status of every member, queried in parallel.

    A member that does not answer becomes a fact with the reasons.

    Raises `Refused` where no member accepts the connection and one refuses for good (certificate, host key, login), and
    `NotYet` where no member answers at all.
    """
    facts = look_at_members(open_cluster(cluster), route)
    for member in facts.members:
        log_about(member.label).info(_in_words(member))
    show_members(cluster, facts)
    return facts


def look_at_members(handle: Cluster, route: RouteChoice) -> EtcdFacts:
    """Observes the members as `observe_etcd` does, without log or artifact; a gate calls it right before an action."""
    routes = choose_routes(handle.profile, route)
    found = find_members(handle, over_ssh=set(routes) != {Route.DIRECT})

    def ask() -> list[Answer]:
        return on_all(lambda endpoint: _ask(handle, endpoint, routes, route), found.endpoints)

    answers = ask()
    with Wait("a leader of etcd", ELECTION_LIMIT, about=handle.profile.name) as wait:
        while has_no_leader(answers) and not wait.is_over:
            wait.says("no member that answers leads")
            wait.pause()
            answers = ask()
    if not any(answer.status for answer in answers):
        raise _nobody(answers, found.not_asked)
    cluster_id, members = assemble(answers, found.not_asked)
    return EtcdFacts(cluster_id=cluster_id, observed_at=datetime.now(UTC), members=members)


def control_plane_of(handle: Cluster) -> ControlPlaneSeen:
    """Returns the control plane nodes as `check_control_plane` does, without a task of its own."""
    profile = handle.profile
    if not profile.kubernetes.kubeconfig and not (profile.ssh and any(handle.who_is_control_plane().values())):
        return ControlPlaneSeen(no_way=True)
    try:
        nodes = [node for node in look_at_nodes(handle.kube) if node.control_plane]
    except RunbookError as error:
        return ControlPlaneSeen(unseen=error.problem)
    return ControlPlaneSeen(names=tuple(node.name for node in nodes), out=nodes_that_may_be_away(nodes, ours=()))


def found_in(facts: EtcdFacts, member: Member) -> Member:
    """Finds the same member in facts of another moment; `Refused` if the cluster no longer lists it."""
    for one in facts.members:
        if one.id == member.id:
            return one
    raise Refused(f"{member.label}: the cluster does not list it any more", hint="run it again")


def status_of(facts: EtcdFacts, member: Member) -> MemberStatus:
    """Returns the status that the member reported; `NotYet` if it did not answer."""
    found = found_in(facts, member)
    if found.status is None:
        raise NotYet(f"{member.label}: {found.unreached}", hint=LOG_OF_ETCD)
    return found.status


def route_to(facts: EtcdFacts, member: Member) -> Route:
    """Returns the route by which the member answered."""
    return found_in(facts, member).route or Route.DIRECT


def _ask(handle: Cluster, endpoint: EtcdEndpoint, routes: Sequence[Route], asked: RouteChoice) -> Answer:
    """Queries the endpoint by the first route that works, or returns why no route works."""
    failed: list[tuple[Route, RunbookError]] = []
    for route in routes:
        if not is_possible(endpoint, route):
            continue
        try:
            with handle.etcd(endpoint, route) as client:
                cluster_id, member_id, status = client.status()
                return Answer(
                    endpoint,
                    route=route,
                    route_reason=why_this_route(route, asked, in_words(failed)),
                    cluster_id=cluster_id,
                    member_id=member_id,
                    status=status,
                    listed=client.members(),
                )
        except (NotYet, Refused) as error:
            failed.append((route, error))
            log_about(endpoint.node or endpoint.url).warning("route %s did not work: %s", route, error)
    return Answer(endpoint, failed=tuple(failed))


def _nobody(answers: Sequence[Answer], not_asked: Mapping[str, RunbookError]) -> RunbookError:
    """Returns the error for the case that no member answered.

    It is `Refused` if any of them refuses the connection, and otherwise `NotYet`, because it may work later.
    """
    errors = [*(error for answer in answers for _, error in answer.failed), *not_asked.values()]
    told = "; ".join([answer.unreached for answer in answers] + [error.problem for error in not_asked.values()])
    hint = "; ".join(dict.fromkeys(error.hint for error in errors if error.hint))
    if any(isinstance(error, Refused) for error in errors):
        return Refused(f"no member of etcd lets us in: {told}", hint=hint)
    return NotYet(f"no member of etcd answers: {told}", hint=hint)


def _in_words(member: Member) -> str:
    status = member.status
    if status is None:
        return f"no status: {member.unreached}"
    role = "learner" if member.learner else "leader" if status.is_leader else "follower"
    health = "healthy" if status.healthy else "NOT healthy"
    return f"{role}, {health}, etcd {status.version}, revision {status.revision}, {status.db_size} bytes, by route {member.route}"
