"""How archives become claims beside the old ones: what is done already, and what is in the way."""

import pytest

from tasks.core.models.findings import Problem
from tasks.volumes_restore.models.done import FromArchives, KeptVolumes, NewVolumes, Started, VolumeProof
from tasks.volumes_restore.models.facts import ArchiveFound, VolumeRestoreFacts
from tasks.volumes_restore.models.options import VolumeRestoreOptions
from tasks.volumes_restore.policy.plan import plan_volume_restore
from tasks.volumes_restore.summary import summarize_volume_restore
from tests.facts.volumes import NOW, archive

FOUND = ArchiveFound(archive=archive(), name="logs-restored", suffix="restored")
BACKUP = "20261123T120000Z-04136b7f-4e5f7061-8293-a4b5-c6d7-e8f90a1b2c3d"


def facts(**changes: object) -> VolumeRestoreFacts:
    """Of one archive, in a cluster without snapshots."""
    found = FOUND.model_copy(update=changes)
    return VolumeRestoreFacts(observed_at=NOW, backup=BACKUP, from_cluster="prod", archives=(found,))


def test_an_archive_becomes_a_new_folder_with_a_new_claim() -> None:
    """Old claim, old volume and old folder stay; the claim is locked."""
    plan = plan_volume_restore(facts(), VolumeRestoreOptions())
    assert [(one.subject, one.act, one.reason) for one in plan.steps] == [
        (
            "shop/logs",
            "let w1 restore its archive into /mnt/disks/a-restored, with the new claim logs-restored",
            f"backup {BACKUP} has it, copied at 2026-11-23T12:00:00Z",
        )
    ]
    assert (plan.refusals, plan.cautions, plan.skips) == ((), (), ())
    assert plan.locks == (("shop", "claim/logs"),)


@pytest.mark.parametrize("is_bound", [True, False])
def test_a_claim_that_has_its_data_is_left_alone(is_bound: bool) -> None:  # noqa: FBT001 - a parameter
    """One that is not bound yet is finished by this run."""
    plan = plan_volume_restore(
        facts(exists=True, made_of=archive().data_key, is_bound=is_bound), VolumeRestoreOptions()
    )
    assert [one.reason for one in plan.skips] == ["the claim logs-restored has its data already"] * is_bound
    assert (len(plan.steps), plan.refusals) == (1 - is_bound, ())


@pytest.mark.parametrize(
    ("changes", "options", "problem"),
    [
        ({}, {"switch": True}, "which becomes a new claim beside the old one, and is not switched"),
        (
            {"exists": True, "made_of": archive().data_key, "is_bound": True},
            {"switch": True},
            "which becomes a new claim beside the old one, and is not switched",
        ),
        ({"has_namespace": False}, {}, "there is no namespace shop"),
        ({"exists": True}, {}, "there is another claim logs-restored, which this restore did not make"),
        ({"problem": Problem(text="w1: away", next_step="ssh to w1")}, {}, "w1: away"),
    ],
    ids=["switch", "switch of what is there", "namespace", "claim", "node"],
)
def test_what_is_in_the_way_refuses_the_run(
    changes: dict[str, object], options: dict[str, object], problem: str
) -> None:
    """With a next step; nothing is done."""
    plan = plan_volume_restore(facts(**changes), VolumeRestoreOptions.model_validate(options))
    (refusal,) = plan.refusals
    assert problem in refusal.problem
    assert refusal.next_step
    assert plan.steps == ()


def test_a_fuzzy_archive_is_told_before_and_after() -> None:
    """A person decides."""
    plan = plan_volume_restore(facts(archive=archive(fuzzy="used by shop/db-0")), VolumeRestoreOptions())
    assert [one.problem for one in plan.cautions] == [
        "its archive is fuzzy (used by shop/db-0): its files may not fit together"
    ]
    done = FromArchives(
        restored=("shop/logs-restored with /mnt/disks/a-restored on w1",), different=("shop/logs: 2 lines of its list",)
    )
    text = summarize_volume_restore(plan, NewVolumes(), KeptVolumes(), Started(), VolumeProof(), done)
    assert text[0] == f"1 claim restored from backup {BACKUP}"
    assert "from its archive, as its list says: shop/logs-restored with /mnt/disks/a-restored on w1" in text
    assert "NOT as its list says, because the archive is fuzzy: shop/logs: 2 lines of its list" in text
