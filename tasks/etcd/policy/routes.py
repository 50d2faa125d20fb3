"""Decides by which routes a member may be queried, in which order, and why."""

from tasks.core.errors import Refused
from tasks.core.models.profile import ClusterProfile, EtcdEndpoint, EtcdMemberGiven, Route, RouteChoice


def choose_routes(profile: ClusterProfile, asked: RouteChoice) -> tuple[Route, ...]:
    """Returns the routes to try, the best first.

    A run's own choice takes precedence over the profile's. `auto` tries direct, then tunnel.

    `Refused` when the run or the profile names a route that the profile cannot offer.
    """
    wanted = asked if asked != "auto" else profile.backup.route
    missing = _what_is_missing(profile)
    if wanted != "auto":
        if missing[Route(wanted)]:
            raise Refused(
                f"route {wanted!r} needs {missing[Route(wanted)]}", hint="add it to the profile, or use route auto"
            )
        return (Route(wanted),)
    return tuple(route for route in (Route.DIRECT, Route.TUNNEL) if not missing[route])


def is_possible(endpoint: EtcdEndpoint | EtcdMemberGiven, route: Route) -> bool:
    """Checks whether a member can be queried by this route at all; a tunnel needs to know the member's node."""
    return route is Route.DIRECT or endpoint.node is not None


def why_this_route(route: Route, asked: RouteChoice, failed: str) -> str:
    """Returns why a member was reached by this route, for the report."""
    if asked != "auto":
        return f"route {route} was asked for"
    if failed:
        return f"by route {route}: {failed}"
    return (
        f"route {route} works"
        if route is Route.DIRECT
        else "the profile has no client certificate for the direct route"
    )


def _what_is_missing(profile: ClusterProfile) -> dict[Route, str]:
    nodes = not profile.etcd.endpoints or any(endpoint.node for endpoint in profile.etcd.endpoints)
    over_ssh = "" if profile.ssh and nodes else "ssh, nodes, and the node of each of etcd.endpoints"
    return {
        Route.DIRECT: "" if profile.etcd.client else "etcd.client (a client certificate)",
        Route.TUNNEL: over_ssh,
        Route.NODE: over_ssh,
    }
