"""What a drain does to each pod, and whether it will ever end: what holds whatever the pods and budgets."""

from hypothesis import given
from hypothesis import strategies as st

from tasks.drain.models import DrainOptions, Treatment
from tasks.drain.policy.forecast import EVICTED
from tasks.drain.policy.lookup import matching
from tasks.nodes.models.pods import Budget, Pod
from tests.facts.drain import AGO, DAEMONS, REPLICAS, budget, facts, forecast, pod

PODS = st.builds(
    pod,
    name=st.sampled_from(["a", "b", "c", "d"]),
    phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
    ready=st.booleans(),
    controller=st.sampled_from([None, REPLICAS, DAEMONS]),
    mirror=st.booleans(),
    empty_dirs=st.sampled_from([(), ("a",)]),
    stops_by=st.sampled_from([None, AGO]),
)
COUNTS = st.integers(min_value=0, max_value=4)
RULES = st.lists(
    st.builds(budget, healthy=COUNTS, needed=COUNTS, allowed=COUNTS, expected=COUNTS, is_counted=st.booleans()),
    max_size=2,
).map(tuple)


@given(st.lists(PODS, max_size=4, unique_by=lambda one: one.name), RULES, st.booleans(), st.booleans())
def test_what_holds_for_every_pod(pods: list[Pod], budgets: tuple[Budget, ...], daemons: bool, force: bool) -> None:  # noqa: FBT001 - hypothesis
    """One verdict for each; nothing goes that has two budgets, and nothing of the kubelet or of a DaemonSet that is there."""
    sets = ("shop/agent",) if daemons else ()
    seen = facts(*pods, budgets=budgets, daemon_sets=sets)
    found = forecast(seen, DrainOptions(force=force))
    assert [one.uid for one in found.verdicts] == [one.uid for one in pods]
    for one, told in zip(pods, found.verdicts, strict=True):
        goes = told.treatment in EVICTED
        assert goes == (told.pod in found.evicted)
        assert (told.treatment is Treatment.BLOCKED) == (told in found.blocked)
        if one.mirror:
            assert not goes
        if daemons and one.controller == DAEMONS and not one.is_finished:
            assert not goes
        if len(matching(one, budgets)) > 1 and one.phase in {"Running", "Unknown"} and one.stops_by is None:
            assert not goes
        if not force and one.controller is None and not one.is_finished and one.stops_by is None:
            assert not goes
