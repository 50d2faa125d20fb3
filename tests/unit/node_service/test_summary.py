"""The first lines of the reports of single nodes."""

from datetime import timedelta

import pytest

from tasks.core.models.plan import Plan, Skip, Step
from tasks.core.models.request import ticketed
from tasks.drain.models import Drained
from tasks.node_service.models import Uncordoned
from tasks.node_service.summary import summarize_drain, summarize_reboot, summarize_service, summarize_uncordon
from tests.facts.node_service import WANTED
from tests.facts.patch import PATCHED

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("ticket", "reason", "words"),
    [
        ("INC-7", "its disk is failing", "INC-7: its disk is failing"),
        ("INC-7", "INC-7: its disk is failing", "INC-7: its disk is failing"),
        ("INC-7", "INC-70 again", "INC-7: INC-70 again"),
        ("", "a fan", "a fan"),
        ("INC-7", "", "INC-7"),
    ],
)
def test_a_ticket_is_told_once(ticket: str, reason: str, words: str) -> None:
    """Also where the reason begins with it."""
    assert ticketed(ticket, reason) == words


def test_a_single_node_is_told_with_its_ticket() -> None:
    """And how it comes back."""
    step = Plan(steps=(Step(subject="w1", act="cordon, drain", reason="x"),))
    assert summarize_service(WANTED, step)[0] == (
        "Nothing was done. The plan is: cordon and drain w1, for INC-7: its disk is failing"
    )
    assert summarize_service(WANTED, Plan(skips=(Skip(subject="w1", reason="it is in service"),))) == (
        "w1: it is in service",
    )
    drained = Drained(node="w1", cordoned_before=False, evicted=("n/a",), waited_for=("budget",), took=9 * SECOND)
    assert summarize_drain(WANTED, drained, "prod") == (
        "w1 is out of service for INC-7: its disk is failing; to put it back: kube-runbooks run node-uncordon prod w1 "
        "'its disk is failing' --ticket=INC-7 --mode=apply",
        "1 pod evicted in 9 s",
        "budget",
    )
    stays = drained.model_copy(update={"left": ("kube-system/proxy-x: its DaemonSet runs it on every node",)})
    assert summarize_drain(WANTED, stays, "prod")[2] == (
        "1 pod stays: kube-system/proxy-x: its DaemonSet runs it on every node"
    )
    stuck = drained.model_copy(update={"still_attached": ("volume pv is still attached",)})
    assert summarize_drain(WANTED, stuck, "prod")[-1] == "volume pv is still attached"
    before = drained.model_copy(update={"cordoned_before": True})
    assert summarize_drain(WANTED, before, "prod")[0] == "w1 was cordoned before, by somebody else, and stays so"
    back = Uncordoned(node="w1", was_cordoned=True, reason="INC-6: a fan", took=11 * SECOND)
    assert summarize_uncordon(WANTED, back)[0] == (
        "w1 is in service, for INC-7: its disk is failing; it was cordoned: INC-6: a fan"
    )
    assert summarize_reboot(WANTED, [PATCHED])[0] == "w1 was rebooted for INC-7: its disk is failing"
    ill = {"noticed": ("pod n/net is not ready, as before",)}
    told = f"{PATCHED.node}: noticed, not a failure: pod n/net is not ready, as before"
    assert summarize_reboot(WANTED, [PATCHED.model_copy(update=ill)])[-1] == told
    assert summarize_uncordon(WANTED, back.model_copy(update=ill))[-1] == told.replace(PATCHED.node, "w1")
