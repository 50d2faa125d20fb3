"""Which routes to etcd are tried, and why."""

import pytest

from tasks.core.errors import Refused
from tasks.core.models.profile import ClusterProfile, Route, RouteChoice
from tasks.etcd.policy.routes import choose_routes, is_possible, why_this_route

CLIENT = {"ca": "file:/ca", "certificate": "file:/crt", "key": "file:/key"}
SSH = {"user": "ops", "key": "file:/id", "known_hosts": "/known_hosts"}


def profile(*, client: bool = True, ssh: bool = True, node: bool = True, route: str = "auto") -> ClusterProfile:
    """A profile that has or lacks what a route needs."""
    return ClusterProfile.model_validate(
        {
            "name": "prod",
            "nodes": [{"name": "cp1", "address": "192.0.2.1"}],
            "ssh": SSH if ssh else None,
            "etcd": {
                "endpoints": [{"url": "https://192.0.2.1:2379", "node": "cp1" if node else None}],
                "client": CLIENT if client else None,
            },
            "store": {"bucket": "backups"},
            "backup": {"route": route},
        }
    )


@pytest.mark.parametrize(
    ("made", "asked", "routes"),
    [
        (profile(), "auto", [Route.DIRECT, Route.TUNNEL]),
        (profile(client=False), "auto", [Route.TUNNEL]),
        (profile(ssh=False), "auto", [Route.DIRECT]),
        (profile(node=False), "auto", [Route.DIRECT]),
        (profile(route="tunnel"), "auto", [Route.TUNNEL]),
        (profile(route="tunnel"), "direct", [Route.DIRECT]),
        (profile(), "tunnel", [Route.TUNNEL]),
    ],
)
def test_direct_comes_first_and_a_word_of_the_run_wins(
    made: ClusterProfile, asked: RouteChoice, routes: list[Route]
) -> None:
    """The run's word over the profile's, and only what the profile can offer."""
    assert list(choose_routes(made, asked)) == routes


@pytest.mark.parametrize(
    ("made", "asked", "told"),
    [
        (profile(client=False), "direct", r"route 'direct' needs etcd.client \(a client certificate\)"),
        (profile(ssh=False), "tunnel", "route 'tunnel' needs ssh, nodes, and the node of each of etcd.endpoints"),
        (profile(node=False, route="tunnel"), "auto", "route 'tunnel' needs ssh"),
    ],
)
def test_a_route_that_is_asked_for_and_cannot_be_is_refused(
    made: ClusterProfile, asked: RouteChoice, told: str
) -> None:
    """With what is missing."""
    with pytest.raises(Refused, match=told):
        choose_routes(made, asked)


def test_a_tunnel_needs_to_know_the_members_node() -> None:
    """The direct way needs its URL only."""
    without = profile(node=False).etcd.endpoints[0]
    assert is_possible(without, Route.DIRECT)
    assert not is_possible(without, Route.TUNNEL)
    assert is_possible(profile().etcd.endpoints[0], Route.TUNNEL)


@pytest.mark.parametrize(
    ("route", "asked", "failed", "told"),
    [
        (Route.DIRECT, "auto", "", "route direct works"),
        (Route.TUNNEL, "auto", "direct did not work: refused", "by route tunnel: direct did not work: refused"),
        (Route.TUNNEL, "auto", "", "no client certificate for the direct route"),
        (Route.TUNNEL, "tunnel", "", "route tunnel was asked for"),
    ],
)
def test_the_report_says_why_this_route(route: Route, asked: RouteChoice, failed: str, told: str) -> None:
    """Never in silence."""
    assert told in why_this_route(route, asked, failed)
