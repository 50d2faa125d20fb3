"""The plan of a backup of volumes: which class, which refusals, and what is left out only if somebody says so."""

import pytest

from tasks.core.models.findings import Problem
from tasks.volumes.models.facts import SnapshotClass, VolumeFacts
from tasks.volumes.models.selection import VolumeOptions
from tasks.volumes.policy.plan import choose_class, plan_volumes
from tests.facts.volumes import CLAIM, CLASS, DRIVER, SHOP, TARGET, VOLUME, claim, facts

LEAVE = VolumeOptions(leave_out=True)


def test_a_bound_claim_of_a_driver_with_one_class_gets_a_snapshot() -> None:
    """The plan says by which class, and of what."""
    plan = plan_volumes(facts(CLAIM), SHOP, VolumeOptions())
    assert [(one.subject, one.act, one.reason) for one in plan.steps] == [
        (
            "shop/data-db-0",
            f"take a snapshot by the class fast of {DRIVER}, and set it to Retain",
            "it is bound to pv-1, a file system of 10Gi",
        )
    ]
    assert (plan.targets, plan.refusals, plan.skips, plan.cautions) == ((TARGET,), (), (), ())
    block = plan_volumes(facts(claim(block=True, size="")), SHOP, VolumeOptions())
    assert block.steps[0].reason == "it is bound to pv-1, a block device of unknown size"


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (facts(claim(deleting=True)), "it is about to be deleted"),
        (facts(claim(phase="Pending", volume="")), "it is not bound to a volume (phase Pending)"),
        (facts(claim(phase="", volume="")), "it is not bound to a volume (phase unknown)"),
        (facts(claim(phase="Lost")), "it is not bound to a volume (phase Lost)"),
        (facts(CLAIM, volumes=()), "its volume pv-1 does not exist"),
        (
            facts(CLAIM, volumes=(VOLUME.model_copy(update={"driver": "", "source": "nfs"}),)),
            "its volume pv-1 is of the kind nfs: only CSI volumes have snapshots, and only folders of nodes archives",
        ),
        (facts(CLAIM, classes=()), f"the driver {DRIVER} has no VolumeSnapshotClass"),
    ],
)
def test_a_claim_that_cannot_have_a_snapshot_refuses_the_run(found: VolumeFacts, problem: str) -> None:
    """With the others; --leave-out skips it, and refuses if nothing is left."""
    plan = plan_volumes(found, SHOP, VolumeOptions())
    assert [one.problem for one in plan.refusals] == [problem]
    assert plan.refusals[0].next_step.endswith("or add --leave-out to back up the others")
    left = plan_volumes(found, SHOP, LEAVE)
    assert [one.reason for one in left.skips] == [problem]
    assert [one.problem for one in left.refusals] == ["none of its claims can be backed up"]


def test_the_others_are_backed_up_without_the_one_that_cannot() -> None:
    """It is a skip of the plan."""
    plan = plan_volumes(facts(CLAIM, claim(name="tmp", phase="Pending", volume="")), SHOP, LEAVE)
    assert ([one.subject for one in plan.steps], plan.refusals) == (["shop/data-db-0"], ())
    assert [one.subject for one in plan.skips] == ["shop/tmp"]


def test_a_cluster_without_snapshots_and_a_selection_without_claims_refuse() -> None:
    """Each says what to do."""
    plan = plan_volumes(facts(CLAIM, has_snapshots=False, classes=()), SHOP, VolumeOptions())
    assert [one.subject for one in plan.refusals] == ["cluster"]
    assert "does not serve snapshot.storage.k8s.io/v1" in plan.refusals[0].problem
    empty = plan_volumes(facts(), SHOP, VolumeOptions())
    assert [one.problem for one in empty.refusals] == ["nothing is selected by: all claims in shop"]
    gone = plan_volumes(facts(missing=("claim shop/x",)), SHOP, VolumeOptions())
    assert [(one.subject, one.problem) for one in gone.refusals] == [("claim shop/x", "it does not exist")]


def test_a_class_that_keeps_snapshots_is_told() -> None:
    """Retention removes their objects, and not what the storage has."""
    keeping = CLASS.model_copy(update={"policy": "Retain"})
    (caution,) = plan_volumes(facts(CLAIM, classes=(keeping,)), SHOP, VolumeOptions()).cautions
    assert caution.problem.startswith("its deletionPolicy is Retain")


def one_class(name: str, *, default: bool = False, driver: str = DRIVER) -> SnapshotClass:
    """Of a driver."""
    return SnapshotClass(name=name, driver=driver, policy="Delete", is_default=default)


@pytest.mark.parametrize(
    ("classes", "asked", "expected"),
    [
        ([one_class("a")], "", "a"),
        ([one_class("a"), one_class("b", default=True)], "", "b"),
        ([one_class("a"), one_class("b", default=True)], "a", "a"),
        ([one_class("a"), one_class("b", default=True, driver="other")], "", "a"),
        ([one_class("a"), one_class("b")], "", "none of them is the default: a, b"),
        ([one_class("a", default=True), one_class("b", default=True)], "", "2 of them are a default: a, b"),
        ([one_class("a")], "c", "has no VolumeSnapshotClass c: it has a"),
        ([one_class("a", driver="other")], "a", "has no VolumeSnapshotClass a: it has none"),
    ],
)
def test_the_class_is_of_the_driver_and_the_only_one_or_its_default(
    classes: list[SnapshotClass], asked: str, expected: str
) -> None:
    """Nothing is guessed."""
    found = choose_class(DRIVER, classes, asked)
    if isinstance(found, Problem):
        assert expected in found.text
    else:
        assert found.name == expected
