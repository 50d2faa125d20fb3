"""A route of etcd that does not work: a failure or a warning."""

import pytest

from tasks.check.models import State, Tried
from tasks.check.policy.fixes import failed, failed_by
from tasks.check.policy.routes import judge_routes
from tasks.core.errors import NotYet, Refused
from tasks.core.models.profile import Route, RouteChoice

WORKS, NOT = "etcd 3.6.11, 20480 bytes", "no connection"


def tried(route: Route, *, works: bool, member: str = "m1") -> Tried:
    """One answer, or none."""
    if works:
        return Tried(member=member, route=route, told=WORKS)
    return Tried(member=member, route=route, problem=NOT, fix="start it")


@pytest.mark.parametrize(
    ("wanted", "works", "states"),
    [
        ("auto", (True, True, True), ("ok", "ok", "ok")),
        ("auto", (False, True, False), ("warn", "ok", "warn")),
        ("auto", (False, False, True), ("fail", "fail", "ok")),
        ("direct", (False, True, True), ("fail", "ok", "ok")),
        ("node", (False, True, False), ("warn", "ok", "fail")),
        ("tunnel", (True, False, False), ("ok", "fail", "warn")),
    ],
)
def test_a_route_fails_where_it_is_wanted_or_the_only_one(
    wanted: RouteChoice, works: tuple[bool, ...], states: tuple[str, ...]
) -> None:
    """With auto a member needs one of direct and tunnel; node is for snapshots alone."""
    routes = (Route.DIRECT, Route.TUNNEL, Route.NODE)
    found = judge_routes([tried(route, works=one) for route, one in zip(routes, works, strict=True)], wanted)
    assert tuple(one.state.value for one in found) == states
    assert [one.fix for one in found] == ["" if one.state is State.OK else "start it" for one in found]
    assert found[0].subject == "m1 by route direct"


def test_another_members_answer_is_none() -> None:
    """Each is judged by its own routes."""
    found = judge_routes([tried(Route.DIRECT, works=True), tried(Route.DIRECT, works=False, member="m2")], "auto")
    assert [one.state for one in found] == [State.OK, State.FAIL]


def test_an_error_without_a_next_step_gets_the_one_of_its_area() -> None:
    """At 3 a.m. no line is without one."""
    assert failed("ssh", "cp1", "no connection").fix.startswith("check address and port of the node in nodes:")
    assert failed("ssh", "cp1", "no connection", "start it").fix == "start it"
    assert "docs/profile.md" in failed("keys", "x", "no").fix
    assert failed("ssh", "cp1", "cp1: no connection").told == "no connection"
    away = NotYet("away", hint="check the store; the step is tried again")
    assert failed_by("bucket", "write", away).fix.startswith("check store.endpoint of the profile")
    assert failed_by("bucket", "write", Refused("no", hint="set store.ca")).fix == "set store.ca"
