"""What people read first."""

from tasks.volumes_restore.models.done import KeptVolume, KeptVolumes, NewVolume, NewVolumes, Started, VolumeProof
from tasks.volumes_restore.models.options import VolumeRestoreOptions
from tasks.volumes_restore.policy.plan import plan_volume_restore
from tasks.volumes_restore.summary import summarize_volume_restore, summarize_volume_restore_plan, way_back_of
from tests.facts.volumes_restore import BACKUP, USER, facts, found

NEW = NewVolume(id="shop/data-db-0", claim="data-db-0-switch-m", volume="pv-2", handle="vol-2", size="10Gi")


def test_a_switch_says_where_the_old_data_is_and_how_to_take_it_back() -> None:
    """And how to remove it, which depends on the policy that the old volume had."""
    plan = plan_volume_restore(facts(users=(USER,)), VolumeRestoreOptions(switch=True))
    proof = VolumeProof(bound=("shop/data-db-0: pv-2 (vol-2)",), ready=("shop/statefulset/db: 3 of 3 pods",))
    kept = KeptVolumes(volumes=(KeptVolume(name="pv-1", policy="Delete"),))
    text = summarize_volume_restore(plan, NewVolumes(volumes=(NEW,)), kept, Started(other=("x",)), proof)
    assert text[0] == f"1 claim restored from backup {BACKUP}"
    assert "taken up from an earlier attempt: shop/data-db-0" in text
    assert "kept: shop/data-db-0: the old volume pv-1 is there, with Retain" in text
    assert not any("detached" in one for one in text)
    attached = proof.model_copy(update={"attached": ("shop/data-db-0: the old volume pv-1 is still attached to w1",)})
    text = summarize_volume_restore(plan, NewVolumes(volumes=(NEW,)), kept, Started(other=("x",)), attached)
    assert "NOT detached: shop/data-db-0: the old volume pv-1 is still attached to w1" in text
    assert any(one.startswith("to go back to it") and "kubectl get pv pv-1 -o jsonpath=" in one for one in text)
    assert any(one.startswith("to remove it for good: kubectl patch pv pv-1 ") for one in text)
    assert "NOT scaled back: x: somebody else had scaled it meanwhile" in text
    for was, how in (
        (KeptVolume(name="pv-1", policy="Retain"), "then delete it at the storage"),
        (KeptVolume(name="pv-1", policy="Delete", folder="/mnt/a"), "then delete its folder /mnt/a"),
    ):
        text = summarize_volume_restore(plan, NewVolumes(), KeptVolumes(volumes=(was,)), Started(), proof)
        assert f"to remove it for good: kubectl delete pv pv-1, {how}" in text


def test_a_run_that_did_nothing_says_so() -> None:
    """A plan alone, and a plan without a step."""
    plan = plan_volume_restore(facts(), VolumeRestoreOptions())
    told = summarize_volume_restore_plan(facts(), plan)
    assert told[0] == f"nothing was done: the plan has 1 step for backup {BACKUP}"
    nothing = plan_volume_restore(facts(found(finished=True)), VolumeRestoreOptions(switch=True))
    told = summarize_volume_restore_plan(facts(), nothing)
    assert told[0] == f"nothing was done: backup {BACKUP} has nothing left to restore here"
    assert told[1].startswith("shop/data-db-0: this run has put its new volume in place already")


def test_a_run_that_fails_says_how_what_it_stopped_is_started() -> None:
    """Also to who does not want to run it again. Beside the old claims nothing is stopped."""
    plan = plan_volume_restore(facts(users=(USER,)), VolumeRestoreOptions(switch=True))
    assert way_back_of(plan).endswith(
        "What is stopped then starts by `kubectl -n shop scale statefulset/db --replicas=3`"
    )
    assert "scale" not in way_back_of(plan_volume_restore(facts(), VolumeRestoreOptions()))
