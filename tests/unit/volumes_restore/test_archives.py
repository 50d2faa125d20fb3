"""How archives become volumes beside the old ones or in their place: what is done already, and what is in the way."""

import pytest
from pydantic import ValidationError

from tasks.core.models.findings import Problem
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import NodeTerm, Operator, Pod, Requirement
from tasks.volumes.models.places import Place
from tasks.volumes.policy.beside import ARCHIVE
from tasks.volumes_restore.models.done import (
    FromArchives,
    KeptVolume,
    KeptVolumes,
    NewVolumes,
    Started,
    VolumeProof,
)
from tasks.volumes_restore.models.facts import Existing, VolumeRestoreFacts, VolumeRestorePlan
from tasks.volumes_restore.models.options import VolumeRestoreOptions
from tasks.volumes_restore.policy.archives import (
    what_is_elsewhere,
    what_is_gone,
    why_no_pod_starts,
    why_not_free,
)
from tasks.volumes_restore.policy.names import mark_of
from tasks.volumes_restore.policy.plan import plan_volume_restore
from tasks.volumes_restore.probes.objects import parse_disk, parse_existing, parse_live, parse_template
from tasks.volumes_restore.summary import summarize_volume_restore
from tests.facts.volumes import archive
from tests.facts.volumes_restore import (
    BACKUP,
    FOUND,
    JOURNAL,
    ON_NODE,
    RECORD,
    USER,
    archived,
)
from tests.facts.volumes_restore import facts as facts_of
from tests.facts.volumes_restore import live as live_of

BESIDE = VolumeRestoreOptions(suffix="restored")
SWITCH = VolumeRestoreOptions(switch=True)
LOGGER = USER.model_copy(update={"claims": ("shop/logs", "shop/data-db-0")})
NAMED = VolumeRestoreOptions(suffix="restored", path="/mnt/new")
MINE = live_of(uid="n1", mark=archive().data_key)
PLACE = Place(path="/mnt/disks/a-restored", kind="nothing", real="/mnt/disks", filesystem="/", free=10**9, spare=10**9)
EMPTY = PLACE.model_copy(update={"path": "/mnt/new", "kind": "directory", "real": "/mnt/new"})
NODE = KubeNode(name="w1", ready=True, kubelet="1.37.2", labels={"kubernetes.io/hostname": "w1", "disk": "ssd"})
TERMS = (NodeTerm(labels=(Requirement(key="kubernetes.io/hostname", operator=Operator.IN, operands=("w1",)),)),)


def facts(**changes: object) -> VolumeRestoreFacts:
    """Of one archive, in a cluster without snapshots."""
    return facts_of(found=(), archives=(archived(**changes),), has_snapshots=True)


def test_an_archive_becomes_a_new_folder_with_a_new_claim() -> None:
    """Old claim, old volume and old folder stay; the claim is locked."""
    plan = plan_volume_restore(facts(), BESIDE)
    assert [(one.subject, one.act, one.reason) for one in plan.steps] == [
        (
            "shop/logs",
            "let w1 restore its archive into /mnt/disks/a-restored, with the new claim logs-restored",
            f"backup {BACKUP} has it, copied at 2026-11-23T12:00:00Z",
        )
    ]
    assert (plan.refusals, plan.cautions, plan.skips) == ((), (), ())
    assert plan.locks == (("shop", "claim/logs"),)
    (target,) = plan.archives
    assert (target.name, target.made, target.suffix, target.old) == ("logs-restored",) * 2 + ("restored", None)
    (target,) = plan_volume_restore(facts(), VolumeRestoreOptions()).archives
    mark = mark_of(BACKUP, "shop", "logs")
    assert (target.name, target.path) == (f"logs-restored-{mark}", f"/mnt/disks/a-restored-{mark}")


def test_an_archive_and_a_snapshot_are_switched_together() -> None:
    """The workload that uses both is stopped once. Each old volume is kept, and all three are locked."""
    both = facts_of(FOUND, archives=(archived(),), users=(LOGGER,))
    plan = plan_volume_restore(both, VolumeRestoreOptions(switch=True, suffix="ignored"))
    (target,) = plan.archives
    mark = mark_of(BACKUP, "shop", "logs", "u2")
    assert [(one.subject, one.act) for one in plan.steps] == [
        ("shop/statefulset/db", "scale to 0 while the volume is switched, then to 3 replicas again"),
        (
            "shop/data-db-0",
            "make a volume of 10Gi from the snapshot snap-1, and bind the claim to it, and keep the old volume pv-1",
        ),
        (
            "shop/logs",
            f"let w1 restore its archive into /mnt/disks/a-restored-{mark}, and bind the claim to it, and keep the old volume pv-disk",
        ),
    ]
    assert (target.name, target.made, target.mark, target.sign) == (
        "logs",
        f"logs-switch-{mark}",
        mark,
        archive().data_key,
    )
    assert (target.old_volume, target.suffix, target.request) == ("pv-disk", f"restored-{mark}", "5Gi")
    assert (plan.to_free, plan.to_stop) == (plan.targets, (LOGGER,))
    assert plan.locks == (("shop", "claim/data-db-0"), ("shop", "claim/logs"), ("shop", "statefulset/db"))


def test_a_claim_in_place_asks_for_what_its_new_volume_has() -> None:
    """Its size and modes are those of the backup; its labels are those of now."""
    now = ON_NODE.model_copy(update={"request": "50Gi", "access_modes": ("ReadWriteMany",), "labels": {"a": "b"}})
    (target,) = plan_volume_restore(facts(live=live_of(uid="u2", template=now)), SWITCH).archives
    assert (target.request, target.template.request) == ("5Gi", "5Gi")
    assert (target.template.access_modes, target.template.labels) == (("ReadWriteOnce",), {"a": "b"})
    (target,) = plan_volume_restore(facts(live=live_of(uid="u2", template=now), template=None), SWITCH).archives
    assert target.request == "50Gi"


def test_a_switch_that_has_begun_goes_on_whatever_the_node_says() -> None:
    """Its names are those of its journal. Beside the old one, that switch is none of the run's business."""
    problem = Problem(text="w1 is cordoned", next_step="kubectl uncordon w1")
    before = plan_volume_restore(facts(), SWITCH).archives[0]
    journal = JOURNAL.model_copy(update={"claim": "logs", "claim_uid": "u2", "old_volume": "pv-disk"})
    begun = facts(live=None, journal=journal, new_volume="pv-new", problems=(problem,))
    (target,) = plan_volume_restore(begun, SWITCH).archives
    assert (target.mark, target.new_volume, target.in_place) == (before.mark, "pv-new", False)
    bound = facts(live=live_of(uid="u3", volume="pv-new"), journal=journal, new_volume="pv-new")
    assert plan_volume_restore(bound, SWITCH).archives[0].in_place
    assert [one.problem for one in plan_volume_restore(begun, BESIDE).refusals] == ["w1 is cordoned"]
    (target,) = plan_volume_restore(bound, BESIDE).archives
    assert (target.new_volume, target.in_place) == ("", False)


@pytest.mark.parametrize("phase", ["Bound", "Pending"])
def test_a_claim_that_has_its_data_is_left_alone(phase: str) -> None:
    """One that is not bound yet is finished by this run."""
    is_bound = phase == "Bound"
    plan = plan_volume_restore(facts(made=MINE.model_copy(update={"phase": phase})), BESIDE)
    told = f"the claim logs-restored has its data from backup {BACKUP} already"
    assert [one.reason for one in plan.skips] == [told] * is_bound
    assert (len(plan.steps), plan.refusals) == (1 - is_bound, ())


@pytest.mark.parametrize(
    ("changes", "options", "problem"),
    [
        ({"has_namespace": False}, BESIDE, "there is no namespace shop"),
        (
            {"made": live_of(mark="x")},
            BESIDE,
            "there is another claim logs-restored, which this restore did not make",
        ),
        ({"problems": (Problem(text="w1: away", next_step="ssh to w1"),)}, BESIDE, "w1: away"),
        ({"place": PLACE.model_copy(update={"real": ""})}, BESIDE, "/mnt/disks on w1 does not exist"),
        ({"place": PLACE.model_copy(update={"spare": 1})}, BESIDE, "has room for 1 bytes"),
        ({"place": PLACE.model_copy(update={"spare": 1})}, SWITCH, "has room for 1 bytes"),
        ({"place": EMPTY.model_copy(update={"content": "x"})}, NAMED, "/mnt/new on w1 is not empty: it has x"),
        (
            {"place": PLACE, "folder": "/mnt/new"},
            BESIDE,
            "an earlier run has restored it into /mnt/new on w1, and this one names /mnt/disks/a-restored",
        ),
        (
            {"template": None, "live": None},
            SWITCH,
            "it is not here, and the manifest does not record its access modes",
        ),
        (
            {"live": live_of(uid="u2", template=ON_NODE.model_copy(update={"block": True}))},
            SWITCH,
            "the archive is of a file system, and the claim is not",
        ),
        ({"denied": "exceeded quota"}, BESIDE, "the API server does not take its new claim: exceeded quota"),
    ],
    ids=[
        "namespace",
        "claim",
        "node",
        "place",
        "room",
        "room in place",
        "path",
        "other folder",
        "unknown",
        "block",
        "quota",
    ],
)
def test_what_is_in_the_way_refuses_the_run(
    changes: dict[str, object], options: VolumeRestoreOptions, problem: str
) -> None:
    """With a next step; nothing is done."""
    plan = plan_volume_restore(facts(**changes), options)
    (refusal,) = plan.refusals
    assert problem in refusal.problem
    assert refusal.next_step
    assert plan.steps == ()


def test_a_new_folder_on_another_file_system_is_told() -> None:
    """A disk of its own is mounted at the old path: beside it is the node's own file system."""
    (caution,) = plan_volume_restore(facts(place=PLACE.model_copy(update={"is_apart": True})), BESIDE).cautions
    assert caution.problem == "/mnt/disks/a is a file system of its own, and the new folder is on / of w1"
    assert "--path" in caution.next_step


@pytest.mark.parametrize("options", [NAMED, NAMED.model_copy(update={"switch": True})], ids=["beside", "in place"])
def test_a_named_folder_gets_the_archive(options: VolumeRestoreOptions) -> None:
    """That it is another file system is meant. An earlier attempt may have made its volume."""
    found = facts(place=EMPTY.model_copy(update={"is_apart": True}), folder="/mnt/new")
    plan = plan_volume_restore(found, options)
    assert (plan.cautions, plan.refusals) == ((), ())
    assert "restore its archive into /mnt/new, " in plan.steps[0].act
    (target,) = plan.archives
    assert (target.path, target.is_named) == ("/mnt/new", True)


def test_a_switch_that_has_begun_keeps_the_folder_that_it_has() -> None:
    """Also if the next run does not name it."""
    journal = JOURNAL.model_copy(update={"claim": "logs", "claim_uid": "u2", "old_volume": "pv-disk"})
    begun = facts(live=None, journal=journal, new_volume="pv-new", folder="/mnt/new")
    (target,) = plan_volume_restore(begun, SWITCH).archives
    assert target.path == "/mnt/new"


@pytest.mark.parametrize("count", [0, 2])
def test_a_path_is_for_one_archive(count: int) -> None:
    """Not for several, and not for snapshots."""
    found = facts_of(archives=(archived(),) * count)
    (refusal,) = plan_volume_restore(found, NAMED).refusals
    assert refusal.problem == f"--path is the folder of one archive, and {count} archives are selected"


def test_room_is_asked_of_each_file_system() -> None:
    """Two archives that fit alone do not fit together; on two nodes they do. One that is there already needs none."""
    one = archived(place=PLACE.model_copy(update={"spare": 30000}))
    other = one.model_copy(update={"record": archive(claim="other")})
    plan = plan_volume_restore(facts_of(archives=(one, other)), BESIDE)
    assert ["the 2 archives need" in refusal.problem for refusal in plan.refusals] == [True]
    away = one.model_copy(update={"record": archive(claim="other", node="w2")})
    assert plan_volume_restore(facts_of(archives=(one, away)), BESIDE).refusals == ()
    there = other.model_copy(update={"place": PLACE.model_copy(update={"kind": "directory", "content": "x"})})
    assert plan_volume_restore(facts_of(archives=(one, there)), BESIDE).refusals == ()
    done = one.model_copy(update={"made": MINE.model_copy(update={"phase": "Bound"})})
    assert plan_volume_restore(facts_of(archives=(done, other)), BESIDE).refusals == ()


def test_what_is_not_certain_about_room_is_told_once_for_a_node() -> None:
    """Only where something is still to be written."""
    doubts = (Problem(text="its kubelet is away", next_step="look"),)
    one = archived(place=PLACE.model_copy(update={"doubts": doubts}))
    other = one.model_copy(update={"record": archive(claim="other")})
    cautions = plan_volume_restore(facts_of(archives=(one, other)), BESIDE).cautions
    assert [(one.subject, one.problem, one.next_step) for one in cautions] == [("w1", "its kubelet is away", "look")]
    there = PLACE.model_copy(update={"doubts": doubts, "kind": "directory", "content": "x"})
    assert plan_volume_restore(facts_of(archives=(archived(place=there),)), BESIDE).cautions == ()


@pytest.mark.parametrize("path", ["mnt/new", "/mnt/../etc", "/mnt/new/", "//mnt", "/", "/mnt/./new", "/a\nb"])
def test_a_path_is_written_from_the_root(path: str) -> None:
    """Without anything that leads elsewhere."""
    with pytest.raises(ValidationError, match="is no path"):
        VolumeRestoreOptions(path=path)


def test_an_archive_needs_its_node_and_a_place_for_pods_there() -> None:
    """A folder binds its pods to its node. Each reason has a next step."""
    pod = Pod(namespace="shop", name="db-0", uid="p1", node="w1", node_labels={"disk": "ssd"})
    assert why_no_pod_starts(NODE, TERMS, (pod,)) is None
    away = NODE.model_copy(update={"labels": {"kubernetes.io/hostname": "other"}})
    tainted = NODE.model_copy(update={"taints": ("gpu=yes:NoSchedule",)})
    found = [
        what_is_elsewhere(archive(), "other"),
        what_is_gone(archive()),
        why_no_pod_starts(NODE.model_copy(update={"cordoned": True}), TERMS, ()),
        why_no_pod_starts(NODE.model_copy(update={"ready": False, "ready_message": "away"}), TERMS, ()),
        why_no_pod_starts(away, TERMS, ()),
        why_no_pod_starts(tainted, TERMS, (pod,)),
    ]
    assert [str(one) for one in found] == [
        "its archive is of the node w1 of the cluster other, which is no node of this one",
        "there is no node w1 any more, of which its archive is",
        "its new volume is on w1, and no pod could start there: w1 is cordoned",
        "its new volume is on w1, and no pod could start there: w1 is not Ready (away)",
        "w1 does not match the nodeAffinity of its new volume: no pod could use it",
        "its new volume is on w1, and no pod could start there: w1 has the taint gpu=yes:NoSchedule, as the pod db-0 would see it",
    ]
    assert all(one and one.next_step for one in found)


@pytest.mark.parametrize(
    ("changes", "claim", "is_free"),
    [
        ({}, None, True),
        ({"claim_uid": "n1"}, MINE, True),
        ({"claim_uid": "n1"}, None, False),
        ({"claim_uid": "n0"}, MINE, False),
        ({"claim": "shop/other"}, MINE, False),
        ({"made_of": ""}, None, False),
    ],
    ids=["not bound yet", "bound", "its claim is gone", "another claim", "another name", "not ours"],
)
def test_a_volume_that_has_the_name_of_the_new_one_is_used_only_if_it_is_ours(
    changes: dict[str, object],
    claim: object,
    is_free: bool,  # noqa: FBT001 - a parameter
) -> None:
    """One whose claim is gone never gets another claim."""
    there = Existing(name="pv-disk-restored", made_of=archive().data_key, claim="shop/logs-restored")
    found = why_not_free(archive(), there.model_copy(update=changes), "logs-restored", claim)  # type: ignore[arg-type]
    assert (found is None) == is_free
    assert found is None or ("pv-disk-restored already, and it is not free" in found.text and found.next_step)


def test_volumes_of_nodes_and_their_claims_are_read() -> None:
    """By their path, and by the archive of which they were made. That note stays with the claim that it is about."""
    key = {"annotations": {ARCHIVE: archive().data_key}}
    reference = {"namespace": "shop", "name": "logs-restored", "uid": "n1"}
    raw = {"metadata": {"name": "pv-new", **key}, "spec": {"local": {"path": "/mnt/disks/b"}, "claimRef": reference}}
    assert parse_existing(raw) == Existing(
        name="pv-new",
        made_of=archive().data_key,
        claim="shop/logs-restored",
        claim_uid="n1",
        folder="/mnt/disks/b",
    )
    disk = parse_disk(raw)
    assert (disk.folder, disk.handle) == ("/mnt/disks/b", "/mnt/disks/b")
    assert parse_disk({"metadata": {"name": "a"}, "spec": {"hostPath": {"path": "/a"}}}).folder == "/a"
    claim = {"metadata": {"name": "logs-restored", "uid": "n1", **key}, "spec": {"volumeName": "pv-new"}}
    assert parse_live(claim, raw).mark == archive().data_key
    assert parse_template(claim).annotations == {}


def told(plan: VolumeRestorePlan, archives: FromArchives = FromArchives()) -> tuple[str, ...]:  # noqa: B008 - frozen
    """The report of a plan that was carried out."""
    kept = KeptVolumes(volumes=(KeptVolume(name="pv-disk", policy="Retain", folder="/mnt/disks/a"),))
    return summarize_volume_restore(plan, NewVolumes(), kept, Started(), VolumeProof(), archives)


@pytest.mark.parametrize("options", [BESIDE, SWITCH], ids=["beside", "in place"])
def test_a_fuzzy_archive_is_told_before_and_after(options: VolumeRestoreOptions) -> None:
    """A person decides."""
    plan = plan_volume_restore(facts(record=archive(fuzzy="used by shop/db-0")), options)
    assert [(one.problem, bool(one.next_step)) for one in plan.cautions] == [
        ("its archive is fuzzy (used by shop/db-0): its files may not fit together", options.switch)
    ]
    done = FromArchives(
        restored=("shop/logs-restored with /mnt/disks/a-restored on w1",), different=("shop/logs: 2 lines of its list",)
    )
    text = told(plan, done)
    assert text[0] == f"1 claim restored from backup {BACKUP}"
    assert "from its archive, as its list says: shop/logs-restored with /mnt/disks/a-restored on w1" in text
    assert "NOT as its list says, because the archive is fuzzy: shop/logs: 2 lines of its list" in text
    fuzzy = "NOT consistent: shop/logs: its archive is fuzzy (used by shop/db-0): its files may not fit together"
    assert fuzzy in text


def test_the_old_folder_is_kept_and_named() -> None:
    """Nothing deletes a folder of a node, so the new volume keeps Retain: a person is told if the old one had Delete."""
    plan = plan_volume_restore(facts(policy="Delete"), SWITCH)
    assert ["the new volume has Retain, also in the end" in one.problem for one in plan.cautions] == [True]
    assert plan_volume_restore(facts(policy="Delete"), BESIDE).cautions == ()
    remove = "to remove it for good: kubectl delete pv pv-disk, then delete its folder /mnt/disks/a on w1"
    assert remove in told(plan)


def test_what_was_made_has_a_name_that_its_record_gives() -> None:
    """The two kinds of records are told apart."""
    plan = plan_volume_restore(facts_of(), SWITCH)
    assert (plan.snapshots[0].sign, plan.snapshots[0].record) == (plan.snapshots[0].mark, RECORD)
