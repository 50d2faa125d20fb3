"""On which node a volume lives, whether that node can archive it, and who may write into it."""

import base64
from typing import Any

import pytest

from tasks.core.errors import NotYet
from tasks.core.models.findings import Problem
from tasks.nodes.models.nodes import KubeNode
from tasks.volumes.models.archives import Home, PodOfClaim
from tasks.volumes.models.facts import Volume, VolumeFacts
from tasks.volumes.models.selection import VolumeOptions
from tasks.volumes.policy.places import filled_in, how_to_stop, is_empty, node_of, what_is_wrong_with_path, who_uses
from tasks.volumes.policy.plan import plan_volumes
from tasks.volumes.policy.sizes import MOST_PARTS, SMALLEST_PART, list_parts_for, part_bytes, parts_for, space_needed
from tasks.volumes.probes.folder import look_at_folder, parse_folder
from tasks.volumes.probes.pods import parse_pod_of_claim
from tests.facts.volumes import (
    CLAIM,
    DISK,
    DISK_CLAIM,
    FOLDER,
    HOME,
    SHOP,
    USER,
    VOLUME,
    archive,
    backup,
    disk_facts,
    folder,
)

W1, W2 = (
    KubeNode(name=name, ready=True, kubelet="1.37.2", boot_id="b", labels={"kubernetes.io/hostname": name})
    for name in ("w1", "w2")
)
HOST = DISK.model_copy(update={"source": "hostPath", "node_terms": None})


@pytest.mark.parametrize(
    ("volume", "nodes", "pods", "expected"),
    [
        (DISK, (W1, W2), (), "w1"),
        (DISK, (W2,), (USER,), "no node matches the nodeAffinity of its volume pv-disk: its node is gone"),
        (HOST, (W1,), (), "w1"),
        (HOST, (W1, W2), (USER,), "w1"),
        (HOST, (W1, W2), (USER.model_copy(update={"is_finished": True}),), "w1"),
        (HOST, (W1, W2), (USER.model_copy(update={"claims": ("shop/x",)}),), "and no pod says which one it is"),
        (HOST, (W1, W2), (USER, USER.model_copy(update={"node": "w2"})), "and pods used it on w1, w2"),
        (HOST, (W1, W2), (USER.model_copy(update={"node": "w9"}),), "and no pod says which one it is"),
    ],
    ids=lambda value: value.name if isinstance(value, Volume) else None,
)
def test_the_node_is_that_of_the_volume_or_that_of_its_pods(
    volume: Volume, nodes: tuple[KubeNode, ...], pods: tuple[PodOfClaim, ...], expected: str
) -> None:
    """Nothing is guessed."""
    found = node_of(DISK_CLAIM, volume, nodes, pods)
    if isinstance(found, Problem):
        assert found.text.endswith(expected)
    else:
        assert found == expected


@pytest.mark.parametrize("path", ["/", "/var", "/var/lib/kube-runbooks", "/var/lib/kube-runbooks/jobs"])
def test_a_path_with_the_files_of_runs_is_refused(path: str) -> None:
    """An archive would contain itself."""
    volume = DISK.model_copy(update={"path": path})
    assert "contains the node itself" in str(what_is_wrong_with_path(volume))
    (refusal,) = plan_volumes(disk_facts(volumes=(volume,)), SHOP, VolumeOptions()).refusals
    assert "contains the node itself" in refusal.problem


def test_an_archive_needs_no_csi_and_says_from_where_it_is() -> None:
    """Its size is a figure: it changes, and the plan is the same."""
    plan = plan_volumes(disk_facts(), SHOP, VolumeOptions())
    (step,) = plan.steps
    assert (step.subject, step.act) == ("shop/logs", "let w1 archive /mnt/disks/a into the bucket, and read it back")
    assert step.reason == "it is bound to pv-disk, a folder of the node: 5000 bytes, 7 entries"
    assert "5000" not in step.lasting
    assert (plan.refusals, plan.cautions, plan.targets) == ((), (), ())
    (target,) = plan.archives
    assert (target.node, target.boot_id, target.size, target.entries) == ("w1", "b1", 5000, 7)


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (disk_facts(Home(volume="pv-disk", node="w1", problem="w1: away", next_step="ssh to w1")), "w1: away"),
        (disk_facts(folder(boot_id="b2")), "what answers by SSH as w1 is another machine than the node w1"),
        (disk_facts(folder(kind="nothing", real="")), "/mnt/disks/a on w1 does not exist"),
        (disk_facts(folder(real="/etc")), "/mnt/disks/a on w1 leads to /etc: a symbolic link is on the way"),
        (disk_facts(folder(kind="regular file")), "/mnt/disks/a on w1 is no folder, but a regular file"),
        (disk_facts(folder(missing=("zstd", "GNU tar"))), "w1 has no zstd, GNU tar"),
        (disk_facts(folder(free=5)), f"has 5 bytes free, and the parts of this archive need {space_needed(5000, 7)}"),
        (disk_facts(users=(USER,)), "these pods use it and may write: shop/db-0"),
    ],
    ids=["away", "other machine", "gone", "link", "file", "programs", "room", "used"],
)
def test_what_the_node_or_a_pod_forbids_refuses_the_run(found: VolumeFacts, problem: str) -> None:
    """With the others; --leave-out skips it."""
    (refusal,) = plan_volumes(found, SHOP, VolumeOptions()).refusals
    assert problem in refusal.problem
    assert refusal.next_step.endswith("or add --leave-out to back up the others")
    (skip,) = plan_volumes(found, SHOP, VolumeOptions(leave_out=True)).skips
    assert problem in skip.reason


@pytest.mark.parametrize(("node", "words"), [("w1", "w1"), ("", "a node")])
def test_a_block_device_is_no_folder(node: str, words: str) -> None:
    """Whatever its path is."""
    raw = DISK_CLAIM.model_copy(update={"block": True})
    home = HOME.model_copy(update={"node": node, "folder": None})
    (refusal,) = plan_volumes(disk_facts(home).model_copy(update={"claims": (raw,)}), SHOP, VolumeOptions()).refusals
    assert f"is a block device of {words}: an archive has the files of a folder" in refusal.problem


def test_an_archive_while_pods_use_it_is_an_option_and_a_caution() -> None:
    """With what would make it whole."""
    plan = plan_volumes(disk_facts(users=(USER,)), SHOP, VolumeOptions(while_used=True))
    (caution,) = plan.cautions
    assert caution.problem == "its archive is fuzzy: pods may write while it is copied (shop/db-0)"
    assert caution.next_step == "`kubectl -n shop scale statefulset/db --replicas=0` before the backup"
    assert len(plan.archives) == 1


def test_without_snapshots_only_what_needs_them_is_refused() -> None:
    """A claim of a driver beside one of a node."""
    both = disk_facts(volumes=(DISK, VOLUME)).model_copy(update={"claims": (CLAIM, DISK_CLAIM)})
    assert [one.subject for one in plan_volumes(both, SHOP, VolumeOptions()).refusals] == ["cluster"]
    lost = disk_facts(volumes=())
    assert [one.subject for one in plan_volumes(lost, SHOP, VolumeOptions()).refusals] == ["cluster"]


def test_a_pod_that_has_finished_does_not_use_a_claim() -> None:
    """Nor does one of another claim."""
    other = USER.model_copy(update={"claims": ("shop/x",)})
    assert who_uses(DISK_CLAIM, (USER, USER.model_copy(update={"is_finished": True}), other)) == (USER,)


@pytest.mark.parametrize(
    ("kind", "name", "command"),
    [
        ("StatefulSet", "db", "`kubectl -n shop scale statefulset/db --replicas=0`"),
        ("Deployment", "web", "`kubectl -n shop scale deployment/web --replicas=0`"),
        ("Job", "once", "`kubectl -n shop wait --for=condition=complete job/once`"),
        ("", "", "`kubectl -n shop delete pod db-0`"),
        ("Cluster", "pg", "stop Cluster pg in shop"),
    ],
)
def test_each_pod_has_a_way_to_stop_it(kind: str, name: str, command: str) -> None:
    """One command for all pods of a workload."""
    pod = USER.model_copy(update={"controller_kind": kind, "controller": name})
    assert how_to_stop((pod, pod)) == command


def raw_pod(**metadata: object) -> dict[str, Any]:
    """As the API has it."""
    volumes = [{"name": "x", "persistentVolumeClaim": {"claimName": "logs"}}, {"name": "y", "ephemeral": {}}]
    return {
        "metadata": {"namespace": "shop", "name": "db-0", "uid": "p1", **metadata},
        "spec": {"nodeName": "w1", "volumes": volumes},
        "status": {"phase": "Running"},
    }


def owner(kind: str, name: str) -> list[dict[str, object]]:
    """The controller of a pod."""
    return [{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "o", "controller": True}]


def test_a_pod_has_its_claims_and_what_controls_it() -> None:
    """The ReplicaSet of a Deployment has a hash in its name, which is a label of the pod."""
    found = parse_pod_of_claim(raw_pod(ownerReferences=owner("StatefulSet", "db")))
    assert found == USER.model_copy(update={"claims": ("shop/logs", "shop/db-0-y")})
    labels = {"pod-template-hash": "5d4f8"}
    web = parse_pod_of_claim(raw_pod(labels=labels, ownerReferences=owner("ReplicaSet", "web-5d4f8")))
    assert (web.controller_kind, web.controller) == ("Deployment", "web")
    alone = parse_pod_of_claim(raw_pod(labels=labels, ownerReferences=owner("ReplicaSet", "web")))
    assert (alone.controller_kind, alone.controller) == ("ReplicaSet", "web")
    assert parse_pod_of_claim(raw_pod()).controller_kind == ""
    done = parse_pod_of_claim(raw_pod() | {"status": {"phase": "Succeeded"}})
    assert done.is_finished


def test_a_folder_is_what_its_node_says() -> None:
    """Of a path that is no folder, the node says less; of one without an answer, nothing is assumed."""
    real = base64.b64encode(b"/mnt/disks/a\n").decode()
    said = f"boot b1\nfree 1000000000000\nkind directory\nreal {real}\nfilesystem ext2/ext3\nbytes 5000\nentries 7\n"
    assert parse_folder("w1", said) == FOLDER
    short = parse_folder("w1", "boot b1\nfree 5\nmissing zstd\nmissing GNU tar\nkind nothing\n")
    assert (short.kind, short.real, short.size, short.missing) == ("nothing", "", 0, ("zstd", "GNU tar"))
    with pytest.raises(NotYet, match="w1: it did not say about the folder: kind, free"):
        parse_folder("w1", "boot b1\n")
    with pytest.raises(NotYet, match="it did not say about the folder: size, entries"):
        parse_folder("w1", "\n".join(line for line in said.splitlines() if line.split()[0] not in {"bytes", "entries"}))
    assert "FOLDER='/a b'" in look_at_folder("/a b")


@pytest.mark.parametrize("size", [0, 1, SMALLEST_PART, 10**12, 10**14])
@pytest.mark.parametrize("entries", [1, 10**7])
def test_no_archive_has_more_parts_than_a_store_takes(size: int, entries: int) -> None:
    """And all of it has a part."""
    part = part_bytes(size, entries)
    assert part % 2**20 == 0
    assert part >= SMALLEST_PART
    assert parts_for(size, entries) <= MOST_PARTS + 2
    assert parts_for(size, entries) * part > size
    assert list_parts_for(size, entries) >= 1
    assert space_needed(size, entries) >= 2 * part


def test_an_empty_folder_that_a_backup_has_files_of_is_not_archived() -> None:
    """Its disk may not be mounted, and the archive of nothing would take the place of a good one."""
    older = backup(id="older", archives=(archive(),))
    assert filled_in(DISK, [backup(id="newer"), older, backup(id="x", archives=(archive(files=0),))]) == "older"
    assert filled_in(DISK, [backup(archives=(archive(files=0),)), older]) == ""
    assert filled_in(DISK, [backup(archives=(archive(path="/other"),))]) == ""
    assert not is_empty(HOME)
    assert not is_empty(HOME.model_copy(update={"folder": None}))
    empty = folder(entries=1)
    assert is_empty(empty)
    assert plan_volumes(disk_facts(empty), SHOP, VolumeOptions()).archives
    lost = empty.model_copy(update={"filled_in": "older"})
    (refusal,) = plan_volumes(disk_facts(lost), SHOP, VolumeOptions()).refusals
    assert (
        refusal.problem == "/mnt/disks/a on w1 is empty, and backup older has files of it: its disk may not be mounted"
    )
