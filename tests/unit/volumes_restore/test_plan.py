"""The plan of a restore of volumes: names, sources, what stops, and all that is in the way."""

import pytest

from tasks.core.models.findings import Problem
from tasks.volumes_restore.models.facts import User, VolumeRestoreFacts
from tasks.volumes_restore.models.options import VolumeRestoreOptions
from tasks.volumes_restore.policy.names import beside, content_name, import_name, mark_of, temporary
from tasks.volumes_restore.policy.plan import names_of, plan_volume_restore
from tests.facts import volumes
from tests.facts.volumes_restore import (
    BACKUP,
    DISK,
    FOUND,
    IMPORTED,
    JOURNAL,
    RECORD,
    TEMPLATE,
    USER,
    WAITS,
    facts,
    found,
    live,
)

BESIDE = VolumeRestoreOptions()
SWITCH = VolumeRestoreOptions(switch=True)


def test_a_new_claim_is_made_beside_the_old_one() -> None:
    """Its name has a mark of the backup, and no workload stops."""
    plan = plan_volume_restore(facts(users=()), BESIDE)
    (target,) = plan.targets
    mark = mark_of(BACKUP, "shop", "data-db-0")
    assert (target.name, target.made, target.mark) == (f"data-db-0-restored-{mark}",) * 2 + (mark,)
    assert (target.old, target.old_volume, target.is_switched, target.request) == (None, "", False, "10Gi")
    (step,) = plan.steps
    assert (step.subject, step.act) == (
        "shop/data-db-0",
        f"make a volume of 10Gi from the snapshot snap-1, with the new claim data-db-0-restored-{mark}",
    )
    assert step.reason == (
        f"backup {BACKUP} has it, cut at 2026-11-23T12:00:00Z; its VolumeSnapshot is here, and agrees with the manifest"
    )
    assert (plan.locks, plan.to_free, plan.to_stop) == ((("shop", "claim/data-db-0"),), (), ())


def test_a_switch_stops_the_workload_and_keeps_the_old_volume() -> None:
    """The workload starts again with the replicas that it has now, and both are locked."""
    plan = plan_volume_restore(facts(users=(USER,)), SWITCH)
    (target,) = plan.targets
    assert [(one.subject, one.act) for one in plan.steps] == [
        ("shop/statefulset/db", "scale to 0 while the volume is switched, then to 3 replicas again"),
        (
            "shop/data-db-0",
            "make a volume of 10Gi from the snapshot snap-1, and bind the claim to it, and keep the old volume pv-1",
        ),
    ]
    assert (target.name, target.made) == ("data-db-0", f"data-db-0-switch-{target.mark}")
    assert (target.old_volume, plan.to_free, plan.to_stop) == ("pv-1", (target,), (USER,))
    assert plan.locks == (("shop", "claim/data-db-0"), ("shop", "statefulset/db"))


def test_a_switch_that_was_interrupted_keeps_its_names_and_steps() -> None:
    """The old claim is gone, the journal has all of it; the approved plan still holds. In place, nothing is stopped."""
    before = plan_volume_restore(facts(users=(USER,)), SWITCH)
    begun = found(live=None, journal=JOURNAL, new_volume="pv-2")
    plan = plan_volume_restore(facts(begun, users=(USER,)), SWITCH)
    assert plan.steps == before.steps
    (target,) = plan.targets
    assert (target.mark, target.new_volume, target.in_place) == (before.targets[0].mark, "pv-2", False)
    bound = begun.model_copy(update={"live": live(uid="u2", volume="pv-2")})
    plan = plan_volume_restore(facts(bound, users=(USER,)), SWITCH)
    assert (plan.steps, plan.to_stop, plan.to_free) == (before.steps, (), ())
    assert plan.targets[0].in_place
    nothing = JOURNAL.model_copy(update={"claim_uid": "", "old_volume": ""})
    plan = plan_volume_restore(facts(begun.model_copy(update={"journal": nothing})), SWITCH)
    assert (plan.targets[0].old, plan.targets[0].mark) == (None, mark_of(BACKUP, "shop", "data-db-0", "none"))


def test_a_claim_that_is_gone_is_made_as_the_backup_has_it() -> None:
    """There is no old volume. If the backup does not record it either, nobody knows how to make it."""
    plan = plan_volume_restore(facts(found(live=None)), SWITCH)
    assert plan.targets[0].template.labels == {"app": "db"}
    assert plan.steps[0].act == "make a volume of 10Gi from the snapshot snap-1, and bind the claim to it"
    plan = plan_volume_restore(facts(found(live=None, template=None)), SWITCH)
    assert [one.problem for one in plan.refusals] == [
        "it is not here, and the manifest does not record its access modes"
    ]


def test_what_is_done_already_is_skipped() -> None:
    """A claim that has its data from this backup; and a switch that this very run has finished."""
    names = names_of(BACKUP, FOUND, BESIDE)
    made = live(mark=names.mark, volume="pv-9")
    plan = plan_volume_restore(facts(found(made=made)), BESIDE)
    assert (plan.steps, [one.reason for one in plan.skips]) == (
        (),
        [f"the claim {names.name} has its data from backup {BACKUP} already"],
    )
    pending = plan_volume_restore(facts(found(made=made.model_copy(update={"phase": "Pending"}))), BESIDE)
    assert (len(pending.steps), pending.skips) == (1, ())
    plan = plan_volume_restore(facts(found(finished=True), users=(USER,)), SWITCH)
    assert (plan.steps, plan.users, len(plan.skips)) == ((), (), 1)


LOST = live(volume="", phase="")


@pytest.mark.parametrize(
    ("given", "options", "problem"),
    [
        (facts(has_snapshots=False), BESIDE, "the API does not serve snapshot.storage.k8s.io/v1"),
        (facts(found(has_namespace=False)), BESIDE, "there is no namespace shop"),
        (
            facts(found(journal=JOURNAL.model_copy(update={"backup": "other"}))),
            SWITCH,
            f"run {volumes.RUN} was interrupted while it switched this claim to backup other",
        ),
        (facts(found(made=live(mark="x"))), BESIDE, "which this restore did not make"),
        (
            facts(found(made=live(mark=names_of(BACKUP, FOUND, BESIDE).mark, deleting=True))),
            BESIDE,
            "is about to be deleted",
        ),
        (facts(found(live=live(deleting=True))), SWITCH, "the claim is about to be deleted"),
        (facts(found(denied="exceeded quota")), BESIDE, "the API server does not take its new claim: exceeded quota"),
        (facts(disk_classes=()), BESIDE, "there is no StorageClass disk"),
        (facts(found(live=live(template=TEMPLATE.model_copy(update={"storage_class": ""})))), BESIDE, "has no Storage"),
        (
            facts(disk_classes=(DISK.model_copy(update={"provisioner": "other"}),)),
            BESIDE,
            "the StorageClass disk is of other, and the snapshot is of disk.example",
        ),
        (
            facts(found(live=live(template=TEMPLATE.model_copy(update={"node": ""}))), disk_classes=(WAITS,)),
            BESIDE,
            "the StorageClass disk is used without a node",
        ),
        (facts(disk_classes=(WAITS,), nodes=("w2",)), BESIDE, "there is no node w1, for which its volume"),
        (facts(), VolumeRestoreOptions(size="1Gi"), "--size 1Gi is less than the 10737418240 bytes"),
        (
            facts(found(live=live(template=TEMPLATE.model_copy(update={"block": True})))),
            SWITCH,
            "the snapshot is of a file system, and the claim is not",
        ),
        (
            facts(found(record=volumes.record(mode="Block"))),
            SWITCH,
            "the snapshot is of a block device, and the claim is not",
        ),
        (
            facts(
                found(
                    source=IMPORTED,
                    record=volumes.record(snapshot_class=volumes.CLASS.model_copy(update={"secrets": ("s",)})),
                ),
                snapshot_classes=(),
            ),
            BESIDE,
            "has no VolumeSnapshotClass, and the driver needs the Secrets s of one",
        ),
        (
            facts(users=(USER.model_copy(update={"problem": Problem(text="Helm owns it", next_step="pause it")}),)),
            SWITCH,
            "Helm owns it",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_in_the_way_refuses_the_run(
    given: VolumeRestoreFacts, options: VolumeRestoreOptions, problem: str
) -> None:
    """Each refusal has a next step, and there is no step."""
    plan = plan_volume_restore(given, options)
    (refusal,) = plan.refusals
    assert problem in refusal.problem
    assert refusal.next_step
    assert plan.steps == ()


@pytest.mark.parametrize(
    ("given", "options", "problem"),
    [
        (facts(disk_classes=(WAITS,)), BESIDE, "its volume is made for node w1"),
        (
            facts(found(live=live(template=TEMPLATE.model_copy(update={"request": "1Gi"})))),
            BESIDE,
            "the claim asks for 1Gi, and the snapshot needs 10737418240 bytes: it gets those",
        ),
        (facts(found(live=live(uid="u2"))), SWITCH, "the claim was created again since the backup"),
        (facts(found(restored_by="r1")), SWITCH, "run r1 has given the claim the data of this backup already"),
        (facts(found(live=LOST)), SWITCH, "the claim has no volume (phase unknown): there is no old one to keep"),
        (facts(found(source=IMPORTED)), BESIDE, "nothing proves an imported snapshot before a volume is made of it"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_a_person_should_know_is_a_caution(
    given: VolumeRestoreFacts, options: VolumeRestoreOptions, problem: str
) -> None:
    """The run goes on."""
    plan = plan_volume_restore(given, options)
    (caution,) = plan.cautions
    assert problem in caution.problem
    assert plan.steps


def test_size_class_and_node_are_those_of_the_options_else_those_of_the_claim() -> None:
    """A node is given only to a class that waits for pods; an import has the class of the backup, or one of the driver."""
    options = VolumeRestoreOptions(size="20Gi", storage_class="fast", node="w2", suffix="copy")
    given = facts(found(source=IMPORTED), disk_classes=(WAITS.model_copy(update={"name": "fast"}),))
    (target,) = plan_volume_restore(given, options).snapshots
    assert (target.request, target.storage_class, target.node, target.name) == ("20Gi", "fast", "w2", "data-db-0-copy")
    assert target.snapshot_class == "fast"
    other = volumes.CLASS.model_copy(update={"name": "other"})
    (target,) = plan_volume_restore(facts(found(source=IMPORTED), snapshot_classes=(other,)), BESIDE).snapshots
    assert (target.snapshot_class, target.node) == ("other", "")
    (target,) = plan_volume_restore(facts(found(source=IMPORTED), snapshot_classes=()), BESIDE).snapshots
    assert target.snapshot_class == ""
    asks = TEMPLATE.model_copy(update={"request": "", "node": ""})
    given = facts(found(live=live(template=asks), node="w2"), disk_classes=(WAITS,))
    (target,) = plan_volume_restore(given, BESIDE).snapshots
    assert (target.request, target.node) == ("10737418240", "w2")


def test_a_user_that_is_no_workload_is_not_locked() -> None:
    """It refuses the plan anyway."""
    pod = User(name="shop/pod/alone", claims=("shop/data-db-0",), problem=Problem(text="a pod", next_step="delete it"))
    plan = plan_volume_restore(facts(users=(pod,)), SWITCH)
    assert plan.locks == (("shop", "claim/data-db-0"),)
    assert [one.problem for one in plan.refusals] == ["a pod"]


def test_names_fit_and_say_what_they_are_of() -> None:
    """A long claim is cut; a dot or dash is no end of a name."""
    long = "a" * 39 + "-" + "b" * 40
    assert beside(long, "", "m") == "a" * 39 + "-restored-m"
    assert temporary("data", "m") == "data-switch-m"
    assert import_name("data", "m") == "data-import-m"
    assert content_name("m") == "kube-runbooks-m"
    assert mark_of(BACKUP, "shop", "data") != mark_of(BACKUP, "shop", "data", "u1")
    assert RECORD.claim == "data-db-0"


def test_a_claim_that_goes_with_its_pod_is_only_restored_beside() -> None:
    """It goes as soon as its workload is stopped, and another pod makes a claim of its own."""
    owned = TEMPLATE.model_copy(
        update={"owners": ({"kind": "StatefulSet", "name": "db"}, {"kind": "Pod", "name": "db-0"})}
    )
    one = found(live=live(template=owned))
    (refusal,) = plan_volume_restore(facts(one), SWITCH).refusals
    assert refusal.problem == "the claim belongs to the pod db-0 and goes with it, as a generic ephemeral volume does"
    assert not plan_volume_restore(facts(one), BESIDE).refusals


def test_a_snapshot_of_unknown_size_gets_what_its_claim_had() -> None:
    """Some drivers say no size, and the claim of now may be smaller than the one of the backup."""
    small = live(template=TEMPLATE.model_copy(update={"request": "1Gi"}))
    one = found(record=volumes.record(restore_size=0), live=small)
    plan = plan_volume_restore(facts(one), SWITCH)
    assert plan.targets[0].request == str(10 * 2**30)
    assert any("asks for 1Gi, and the snapshot needs 10737418240 bytes" in each.problem for each in plan.cautions)
    (refusal,) = plan_volume_restore(facts(one), VolumeRestoreOptions(size="2Gi")).refusals
    assert "--size 2Gi is less than the 10737418240 bytes" in refusal.problem
    unknown = one.model_copy(update={"template": None})
    assert plan_volume_restore(facts(unknown), SWITCH).targets[0].request == "1Gi"
