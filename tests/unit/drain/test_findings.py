"""What a plan says of a drain, and what an approval of it holds for."""

from tasks.core.models.plan import Caution, Refusal
from tasks.drain.models import DrainForecast, DrainOptions, Treatment, Verdict
from tasks.drain.policy.findings import evicted_by, findings_of_drain
from tasks.nodes.models.pods import Controller
from tests.facts.drain import NOW, facts, forecast, pod


def test_what_an_approval_holds_for_of_what_is_lost() -> None:
    """Controllers, and pods that nothing makes again; a Job's pod is another one every minute."""
    disk = ("cache",)
    web, job = (
        pod("web-1", empty_dirs=disk),
        pod(
            "backup-28374920-x",
            empty_dirs=disk,
            controller=Controller(kind="Job", api_version="batch/v1", name="backup-28374920"),
        ),
    )
    bare, ends = pod("bare", controller=None), pod("ends", controller=None, stops_by=NOW)
    options = DrainOptions(force=True, delete_emptydir_data=True)
    lost = "the content of its emptyDir cache is lost"
    assert evicted_by([forecast(facts(web, job, bare, ends), options)]) == (
        "shop/bare for good (no controller brings it back)",
        f"{web.kin} for good ({lost})",
    )


def test_what_a_drain_means_is_refused_or_cautioned() -> None:
    """What never goes stops a run; what is waited for, hurts, or is lost is said, each loss once with its owners."""
    stays = Verdict(pod="n/a", uid="a", treatment=Treatment.BLOCKED, reason="no room", next_step="make some")
    lost = [
        Verdict(pod=f"n/{name}", uid=name, treatment=Treatment.EVICT_FOR_GOOD, reason="r", owner=owner, loss=loss)
        for name, owner, loss in (
            ("b", "n/b-*", "its data"),
            ("c", "n/b-*", "its data"),
            ("d", "", "its data"),
            ("e", "", ""),
        )
    ]
    seen = DrainForecast(node="w1", verdicts=(stays, *lost), waits=("budget n/x",), cautions=("slow",))
    refusal, *cautions = findings_of_drain("w1", seen)
    assert isinstance(refusal, Refusal)
    assert (refusal.problem, refusal.next_step) == ("n/a cannot be evicted: no room", "make some")
    assert all(isinstance(one, Caution) and one.subject == "w1" for one in cautions)
    assert [one.problem for one in cautions] == [
        "budget n/x",
        "slow",
        "evicted for good (its data): n/b-*, n/d",
        "evicted for good (r): n/e",
    ]
    assert [one.next_step for one in cautions][::3] == [
        "the drain waits for it, up to --timeout",
        "an option of the drain allows it",
    ]


def test_a_drain_that_was_not_forecast_is_a_caution() -> None:
    """It is looked at right before it; an approval holds for nobody's pods."""
    (caution,) = findings_of_drain("w1", None)
    assert isinstance(caution, Caution)
    assert caution.problem == "which pods its drain must evict is not known"
    assert evicted_by([None]) == ()
