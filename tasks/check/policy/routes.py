"""Decides what it means if an etcd member answers by one route and not by another."""

from collections.abc import Sequence

from tasks.check.models import Finding, State, Tried
from tasks.check.policy.fixes import failed
from tasks.core.models.profile import Route, RouteChoice


def judge_routes(tried: Sequence[Tried], wanted: RouteChoice) -> tuple[Finding, ...]:
    """Returns a finding for each route of each member.

    A route that does not work is a failure if the profile selects it. With `auto`, it is a failure if neither `direct`
    nor `tunnel` reaches the member. A failed route `node` is then only a warning.
    """
    reached = {one.member for one in tried if not one.problem and one.route is not Route.NODE}
    return tuple(_judged(one, wanted, is_reached=one.member in reached) for one in tried)


def _judged(one: Tried, wanted: RouteChoice, *, is_reached: bool) -> Finding:
    subject = f"{one.member} by route {one.route}"
    if not one.problem:
        return Finding(area="etcd", subject=subject, state=State.OK, told=one.told, needs=one.needs)
    needed = one.route == wanted if wanted != "auto" else one.route is not Route.NODE and not is_reached
    state = State.FAIL if needed else State.WARN
    return failed("etcd", subject, one.problem, one.fix, state).model_copy(update={"needs": one.needs})
