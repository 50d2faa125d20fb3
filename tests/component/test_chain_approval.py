"""One approval for all steps of a chain: a later step is asked about when it is worse than what was approved."""

import pytest
from prefect import flow

from tasks.core.errors import Refused
from tasks.core.models.plan import Caution, Mode, Step, figure
from tasks.core.models.report import Outcome, Report
from tasks.run.runbook import runbook
from tasks.upgrade.models.upgrade import UpgradePlan
from tests.servers.prefect_server import PrefectServer
from tests.servers.site import Site


def step_of_chain(seconds: int, *hops: str, cautions: tuple[str, ...], evicts: tuple[str, ...] = ()) -> UpgradePlan:
    """To the first of these versions."""
    return UpgradePlan(
        version=hops[0],
        hops=hops if len(hops) > 1 else (),
        steps=(Step(subject="cp1", act=f"kubeadm upgrade apply v{hops[0]}", reason="control plane"),),
        cautions=tuple(Caution(subject="w1", problem=f"{one} for {figure(seconds)} s") for one in cautions),
        evicts=evicts,
    )


@flow(name="chain")
def chain(cluster: str, then: str, cautions: tuple[str, ...], evicts: tuple[str, ...]) -> Report:
    """Its first step is approved; the second one is looked at anew. The run has no deployment: where it is to ask, it is refused."""
    with runbook(cluster) as run:
        hops = ("1.36.3", "1.37.2")
        first = run.settle(step_of_chain(5, *hops, cautions=("slow", "late"), evicts=("shop/web-*",)))
        second = step_of_chain(7, then, cautions=cautions, evicts=evicts)
        run.settle(second, Mode.APPROVE, after=first)
        return run.finish("both steps")


def test_what_stood_in_the_approved_plan_goes_on(site: Site, prefect: PrefectServer) -> None:
    """Other figures, and less of what was feared."""
    del prefect
    for cautions, evicts in ((("slow", "late"), ("shop/web-*",)), (("late",), ())):
        assert chain(site.name, "1.37.2", cautions, evicts).outcome is Outcome.COMPLETED


@pytest.mark.parametrize(
    ("then", "cautions", "evicts"),
    [
        ("1.37.3", ("slow",), ()),
        ("1.37.2", ("slow", "lost"), ()),
        ("1.37.2", ("slow",), ("db/postgres-*",)),
    ],
    ids=["another version", "another caution", "another eviction"],
)
def test_what_nobody_has_seen_is_asked(
    then: str, cautions: tuple[str, ...], evicts: tuple[str, ...], site: Site, prefect: PrefectServer
) -> None:
    """Before the lock is taken and anything of that step is touched."""
    del prefect
    with pytest.raises(Refused, match="mode=approve suspends the run, and it was not started from a deployment"):
        chain(site.name, then, cautions, evicts)
    assert site.reports()[-1]["outcome"] == "refused"
