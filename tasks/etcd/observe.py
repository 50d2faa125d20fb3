"""etcd's members: observed all at once, by the routes that the profile allows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from prefect import task

from tasks.cluster import Cluster, open_cluster
from tasks.control_plane.probes.look import endpoints_at, look
from tasks.core.at_once import on_all
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.etcd import EtcdFacts, Member, MemberStatus
from tasks.core.models.profile import EtcdEndpoint, EtcdOnNode, Route, RouteChoice
from tasks.core.retries import OBSERVE
from tasks.etcd.models import ControlPlaneSeen
from tasks.etcd.policy.members import Answer, assemble, in_words
from tasks.etcd.policy.routes import choose_routes, is_possible, why_this_route
from tasks.etcd.tables import show_members
from tasks.nodes.observe import look_at_nodes
from tasks.nodes.policy.standing import nodes_that_may_be_away

LOOK_LIMIT = timedelta(seconds=30)
"""For a node to say which members it leads to: the others are waiting."""


@task(**OBSERVE, task_run_name="look-at-control-plane-{cluster}")
def look_at_control_plane(cluster: str) -> ControlPlaneSeen:
    """Which of its nodes are cordoned or not Ready; where the API cannot be asked, that is the answer."""
    return control_plane_of(open_cluster(cluster))


@task(**OBSERVE, task_run_name="observe-etcd-{cluster}")
def observe_etcd(cluster: str, route: RouteChoice = "auto") -> EtcdFacts:
    """Status of every member at once; a member that does not answer is a fact of it, with the reasons.

    Raises `Refused` where no member lets us in and one says why it never will (certificate, host key, login), and
    `NotYet` where none answers at all.
    """
    facts = look_at_members(open_cluster(cluster), route)
    for member in facts.members:
        log_about(member.label).info(_in_words(member))
    show_members(cluster, facts)
    return facts


def look_at_members(handle: Cluster, route: RouteChoice) -> EtcdFacts:
    """The same without telling anybody: a gate's look right before an act."""
    routes = choose_routes(handle.profile, route)
    endpoints = handle.profile.etcd.endpoints or _discover(handle)
    answers = on_all(lambda endpoint: _ask(handle, endpoint, routes, route), endpoints)
    if not any(answer.status for answer in answers):
        raise _nobody(answers)
    cluster_id, members = assemble(answers)
    return EtcdFacts(cluster_id=cluster_id, observed_at=datetime.now(UTC), members=members)


def control_plane_of(handle: Cluster) -> ControlPlaneSeen:
    """The same without telling anybody."""
    profile = handle.profile
    if not profile.kubernetes.kubeconfig and not (profile.ssh and any(handle.who_is_control_plane().values())):
        return ControlPlaneSeen(no_way=True)
    try:
        nodes = [node for node in look_at_nodes(handle.kube) if node.control_plane]
    except RunbookError as error:
        return ControlPlaneSeen(unseen=error.problem)
    return ControlPlaneSeen(names=tuple(node.name for node in nodes), out=nodes_that_may_be_away(nodes, ours=()))


def found_in(facts: EtcdFacts, member: Member) -> Member:
    """The same member in facts of another moment."""
    for one in facts.members:
        if one.id == member.id:
            return one
    raise Refused(f"{member.label}: the cluster does not list it any more", hint="run it again")


def status_of(facts: EtcdFacts, member: Member) -> MemberStatus:
    """What it said of itself; `NotYet` when it did not answer."""
    found = found_in(facts, member)
    if found.status is None:
        raise NotYet(f"{member.label}: {found.unreached}", hint="look at this member")
    return found.status


def route_to(facts: EtcdFacts, member: Member) -> Route:
    """The route by which it answered."""
    return found_in(facts, member).route or Route.DIRECT


def _discover(handle: Cluster) -> tuple[EtcdEndpoint, ...]:
    """What the nodes' own manifests and units say: stacked members, or else those that API servers are told of."""

    def look_at(name: str) -> tuple[EtcdEndpoint, ...]:
        try:
            return endpoints_at(name, handle.node(name).run(look(), timeout=LOOK_LIMIT, sudo=True).stdout)
        except NotYet as error:
            log_about(name).warning("not asked for members of etcd: %s", error)
            return ()

    found = [one for each in on_all(look_at, [node.name for node in handle.profile.nodes]) for one in each]
    own = [one for one in found if one.on_node and one.on_node.address == EtcdOnNode().address]
    by_url = {one.url: one for one in reversed(own or found)}
    if not by_url:
        raise NotYet(
            "no node leads to a member of etcd: none has its manifest, its unit, or an API server that names it",
            hint="check nodes: of the profile, or name the members in etcd.endpoints",
        )
    return tuple(sorted(by_url.values(), key=lambda one: one.url))


def _ask(handle: Cluster, endpoint: EtcdEndpoint, routes: Sequence[Route], asked: RouteChoice) -> Answer:
    """The first route that works, or why none does."""
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


def _nobody(answers: Sequence[Answer]) -> RunbookError:
    """No member answered: wrong for ever if one of them refuses us, else perhaps better in a moment."""
    errors = [error for answer in answers for _, error in answer.failed]
    told = "; ".join(answer.unreached for answer in answers)
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
