"""Which containers are frozen, and what forbids it."""

from typing import Any

import pytest
from pydantic import ValidationError

from tasks.core.models.profile import VolumeHook, VolumeRules
from tasks.volumes.models.backups import Expired
from tasks.volumes.models.freezes import HookPod
from tasks.volumes.models.selection import VolumeOptions
from tasks.volumes.policy.hooks import by_hand, is_same, window_of
from tasks.volumes.policy.plan import plan_volumes
from tasks.volumes.probes.hooks import Ended, parse_end, parse_pod
from tasks.volumes.summary import CRASH_CONSISTENT, summarize_volume_backup, summarize_volume_plan
from tests.facts.volumes import CHECK, CLAIM, FREEZE, HOOK, POD, QUIESCED, SHOP, backup, facts, record

EXPIRED = Expired()
LEFT = "or add --no-use-hooks to take the snapshots without freezing anything"


def hooked(**changes: object) -> HookPod:
    """Another pod."""
    return POD.model_copy(update=changes)


def raw_pod(**status: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a container's status
    """As the API has it, with a claim, an ephemeral volume and another volume."""
    container = {"name": "main", "containerID": "containerd://0a1b", "ready": True, "state": {"running": {}}} | status
    return {
        "metadata": {"name": "db-0", "namespace": "shop", "uid": "p1"},
        "spec": {
            "nodeName": "w1",
            "containers": [{"name": "main"}, {"name": "metrics"}],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}},
                {"name": "scratch", "ephemeral": {}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
        "status": {"phase": "Running", "containerStatuses": [container]},
    }


def test_the_container_of_a_hook_is_frozen_in_each_pod_that_mounts_a_claim_of_the_backup() -> None:
    """The plan says by which command, and how it is thawed; the run's own option leaves it out."""
    found = facts(CLAIM, hooks=(HOOK,), pods=(POD, hooked(pod="db-1", claims=("shop/data-db-1",))))
    plan = plan_volumes(found, SHOP, VolumeOptions())
    assert (plan.freezes, plan.refusals, plan.cautions) == ((FREEZE,), (), ())
    assert plan.steps[0].subject == "shop/db-0"
    assert "freeze the container main: `mysql -e 'FLUSH TABLES; LOCK'`; thaw it after 30 s at the latest: " in (
        plan.steps[0].act
    )
    assert summarize_volume_plan(plan, SHOP)[0].endswith("all claims in shop, while 1 container would be frozen")
    without = plan_volumes(found, SHOP, VolumeOptions(use_hooks=False))
    assert (without.freezes, len(without.steps)) == ((), 1)


@pytest.mark.parametrize(
    ("pod", "problem"),
    [
        (hooked(deleting=True), "the pod is about to be deleted"),
        (hooked(containers=("db",)), "the pod has no container main, it has db"),
        (hooked(phase="Pending"), "its container main does not run (phase Pending)"),
        (hooked(phase=""), "its container main does not run (phase unknown)"),
        (hooked(container_id=""), "its container main does not run (phase Running)"),
        (hooked(is_ready=False), "its container main is not ready"),
        (hooked(problem="w1: no connection"), "w1: no connection"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_container_that_cannot_be_frozen_refuses_the_run(pod: HookPod, problem: str) -> None:
    """Before anything is frozen, also when another one could be."""
    other = hooked(pod="db-1")
    plan = plan_volumes(facts(CLAIM, hooks=(HOOK,), pods=(pod, other)), SHOP, VolumeOptions())
    (refusal,) = plan.refusals
    assert (refusal.subject, refusal.problem) == ("shop/db-0", f"the hook mysql cannot freeze it: {problem}")
    assert refusal.next_step.endswith(LEFT)


def test_a_hook_that_fits_nothing_is_told_where_its_namespace_is_backed_up() -> None:
    """A pod that has ended writes nothing more, and a hook of another namespace says nothing."""
    elsewhere = HOOK.model_copy(update={"name": "other", "namespace": "bank"})
    pods = (hooked(phase="Succeeded"), hooked(claims=("shop/other",)))
    plan = plan_volumes(facts(CLAIM, hooks=(HOOK, elsewhere), pods=pods), SHOP, VolumeOptions())
    (caution,) = plan.cautions
    assert (plan.freezes, plan.refusals, caution.subject) == ((), (), "hook mysql")
    assert "no pod in shop with app=db mounts a claim of this backup: it freezes nothing" in caution.problem


def test_a_pod_is_read_with_the_claims_that_it_mounts() -> None:
    """A container that does not run has no id to freeze."""
    pod = parse_pod(raw_pod(), HOOK)
    assert pod == hooked(container_id="0a1b", claims=("shop/data-db-0", "shop/db-0-scratch"))
    waits = parse_pod(raw_pod(state={"waiting": {"reason": "CrashLoopBackOff"}}, ready=False), HOOK)
    assert (waits.container_id, waits.is_ready) == ("", False)
    none = parse_pod(raw_pod(name="other"), HOOK)
    assert (none.container_id, none.is_ready) == ("", False)


def test_a_container_is_still_that_of_the_plan_or_not() -> None:
    """A restarted container has another id."""
    same = hooked(claims=())
    assert is_same(FREEZE, same)
    assert not is_same(FREEZE, None)
    for change in ({"container_id": "x"}, {"pod_uid": "x"}, {"node": "w2"}, {"deleting": True}, {"is_ready": False}):
        assert not is_same(FREEZE, same.model_copy(update=change))


def test_the_shortest_limit_counts_and_a_person_gets_a_command() -> None:
    """All are frozen together."""
    assert window_of([FREEZE, FREEZE.model_copy(update={"limit": FREEZE.limit / 2})]) == FREEZE.limit / 2
    assert by_hand(FREEZE, FREEZE.thaw) == """kubectl -n shop exec db-0 -c main -- sh -c 'it'"'"'s a '"'"'word'"'"''"""


def test_what_a_script_says_in_the_end() -> None:
    """Its last line, whatever was before it."""
    assert parse_end("noise\nfrozen\n") is Ended.FROZEN
    assert parse_end("status 3\n") == "status 3"
    assert parse_end("") == ""


def test_a_quiesced_backup_says_by_which_hook_and_for_how_long() -> None:
    """It is crash-consistent only where a claim was not covered."""
    made = backup(records=(record(),), quiesced=(QUIESCED,))
    text = summarize_volume_backup(made, "s3://b/x/", None, EXPIRED)
    assert "shop/db-0: the container main was frozen by the hook mysql meanwhile, for 1.2 s at most" in text
    assert CRASH_CONSISTENT not in text
    assert CRASH_CONSISTENT in summarize_volume_backup(backup(quiesced=(QUIESCED,)), "s3://b/x/", None, EXPIRED)


@pytest.mark.parametrize(
    "wrong", [{"limit": "61s"}, {"freeze": ()}, {"thaw": ("a\nb",)}, {"labels": ""}, {"container": "a b"}], ids=str
)
def test_a_hook_that_could_freeze_too_much_is_no_hook(wrong: dict[str, object]) -> None:
    """Not longer than a minute, not in all pods, and no command of several lines."""
    with pytest.raises(ValidationError):
        VolumeHook.model_validate(HOOK.model_dump() | wrong)


def test_hooks_have_names_of_their_own() -> None:
    """A report names them."""
    with pytest.raises(ValidationError, match="hooks: two have the name mysql"):
        VolumeRules(hooks=(HOOK, HOOK))
    with pytest.raises(ValidationError, match="checks: two have the name sums"):
        VolumeRules(checks=(CHECK, CHECK))
