"""`volumes_backup` of folders of nodes: a real API server, a real store, and a real sshd whose node has no systemd."""

import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zstandard

from flows.volumes_backup import volumes_backup
from flows.volumes_restore import volumes_restore
from tasks.cluster import open_cluster
from tasks.core.errors import CommandFailed, Refused, RunbookError
from tasks.core.models.plan import Mode, PlanOrApply
from tasks.core.models.report import Report
from tasks.core.models.retention import Retention
from tasks.volumes import archives, expire
from tasks.volumes.archive_restore import look_for_room, restore_archive
from tasks.volumes.models import places
from tasks.volumes.models.archives import Archive
from tasks.volumes.models.selection import Selection, VolumeOptions
from tasks.volumes.policy import sizes
from tasks.volumes.scripts import archives as scripts
from tasks.volumes_restore.models.facts import RECLAIM, RESTORE
from tasks.volumes_restore.models.options import LATEST, ClaimsToRestore, VolumeRestoreOptions
from tests.servers import strict_stores
from tests.servers.apart import run_apart
from tests.servers.dying import die_after_each_write
from tests.servers.etcd import EtcdCluster
from tests.servers.job_node import JobNode, may_be_full
from tests.servers.kubernetes import Api, ControlPlane
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until
from tests.servers.proxies import S3Proxy
from tests.servers.restricted import kubeconfig_for
from tests.servers.shop import LIMIT, Shop
from tests.servers.site import Site
from tests.servers.way_back import take_back

pytestmark = pytest.mark.usefixtures("prefect")

ROOT = Path(__file__).parents[2]
VOLUMES = "/api/v1/persistentvolumes"
ACL = "system.posix_acl_access"
WRITES_OF_SWITCH = 11
"""A volume, a claim, a workload stopped, two volumes kept, two claims deleted, one bound, the workload started, and the journal closed."""

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="mounts a file system, which only root may")


@pytest.fixture(scope="module")
def node(two_workers: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobNode]:
    """The worker node w1."""
    with JobNode(tmp_path_factory.mktemp("w1"), boot_id_of(two_workers.api)) as made:
        yield made


def boot_id_of(api: Api) -> str:
    """Of the node w1, as soon as its kubelet has told it."""
    read: Callable[[], str] = lambda: api.get("/api/v1/nodes/w1")["status"]["nodeInfo"]["bootID"]  # noqa: E731
    wait_until(lambda: bool(read()), LIMIT, "w1 has a boot id")
    return read()


@pytest.fixture(scope="module")
def user(two_workers: ControlPlane) -> str:
    """A kubeconfig with the rights that `kube-runbooks check` asks for, and no others."""
    return kubeconfig_for(two_workers, "volumes_backup")


@pytest.fixture(scope="module")
def user_of_restore(two_workers: ControlPlane) -> str:
    """The same for a restore."""
    return kubeconfig_for(two_workers, "volumes_restore")


class Volumes:
    """The runbook, and the namespace in which a test looks."""

    def __init__(self, site: Site, shop: Shop, node: JobNode, folder: Path, user: str) -> None:
        self.users = [user]
        self.site, self.shop, self.node, self.api, self.folder = site, shop, node, shop.api, folder
        self.made: list[str] = []
        folder.mkdir()

    def claim(
        self, name: str = "data", *, path: Path | None = None, node: str = "w1", kind: str = "local", **spec: object
    ) -> Path:
        """A claim that is bound to a folder of the node, which is made; returns the folder."""
        path = path or self.folder / name
        if path == self.folder / name:
            path.mkdir()
        volume = f"{self.shop.name}-{name}"
        hostname = [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]
        affinity = {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": hostname}]}}}
        size = {"accessModes": ["ReadWriteOnce"], "storageClassName": volume}
        body = size | {"capacity": {"storage": "1Gi"}, kind: {"path": str(path)}} | (affinity if node else {}) | spec
        self.api.create(VOLUMES, {"metadata": {"name": volume}, "spec": body})
        self.made.append(volume)
        wanted = (
            size
            | {"resources": {"requests": {"storage": "1Gi"}}}
            | {key: spec[key] for key in ("volumeMode",) if key in spec}
        )
        claims = f"/api/v1/namespaces/{self.shop.name}/persistentvolumeclaims"
        self.api.create(claims, {"metadata": {"name": name}, "spec": wanted})
        is_bound = lambda: self.api.get(f"{claims}/{name}")["status"].get("phase") == "Bound"  # noqa: E731
        wait_until(is_bound, LIMIT, f"{name} is bound")
        return path

    def run(self, mode: PlanOrApply = Mode.APPLY, *, last: int = 3, **options: object) -> Report:
        """The runbook, on all claims of the namespace."""
        return volumes_backup(
            self.site.name,
            Selection(namespaces=(self.shop.name,)),
            mode,
            VolumeOptions.model_validate(options),
            Retention(last=last),
        )

    @property
    def claims(self) -> str:
        """The path of the claims of the namespace."""
        return f"/api/v1/namespaces/{self.shop.name}/persistentvolumeclaims"

    def names(self) -> list[str]:
        """Of all claims."""
        return sorted(one["metadata"]["name"] for one in self.api.get(self.claims)["items"])

    def restored(self, volume: str) -> Path:
        """The file in the folder of a volume that a restore made, which goes with the test."""
        if volume not in self.made:
            self.made.append(volume)
        return Path(self.api.get(f"{VOLUMES}/{volume}")["spec"]["local"]["path"]) / "file"

    def archived_before(self) -> tuple[Path, Archive]:
        """The folder of a claim whose file says `later`, used by a pod, and its archive, in which it says `before`."""
        folder = self.claim()
        (folder / "file").write_text("before")
        self.run()
        (archive,) = self.archives()
        (folder / "file").write_text("later")
        self.pod()
        return folder, archive

    def restore(self, mode: Mode = Mode.APPLY, **options: object) -> Report:
        """Of the newest backup, with the suffix `restored`."""
        chosen = VolumeRestoreOptions.model_validate({"suffix": "restored"} | options)
        return volumes_restore(self.site.name, LATEST, ClaimsToRestore(), mode, chosen)

    def keys(self, suffix: str = "") -> list[str]:
        """Of the bucket's objects of volumes."""
        return [one for one in self.site.keys(f"{self.site.name}/volumes/") if one.endswith(suffix)]

    def manifests(self) -> list[dict[str, Any]]:
        """In the bucket, oldest first."""
        return [json.loads(self.site.read(key)) for key in sorted(self.keys("/manifest.json"))]

    def archives(self) -> list[Archive]:
        """Of all manifests."""
        return [Archive.model_validate(one) for made in self.manifests() for one in made["archives"]]

    def pod(self, claim: str = "data", name: str = "db") -> None:
        """A StatefulSet whose pod uses a claim."""
        source = [{"name": "x", "persistentVolumeClaim": {"claimName": claim}}]
        self.shop.run(f"statefulset/{name}", 1, pod={"volumes": source})

    def become(self, kubeconfig: str) -> None:
        """Another user, from the next run on: a file of its own, because clients stay open."""
        config = self.site.folder / f"kubeconfig-{len(self.users)}"
        self.users.append(kubeconfig)
        config.touch(mode=0o600)
        config.write_text(kubeconfig)
        self.site.write(kubernetes={"kubeconfig": f"file:{config}"})

    def through(self, proxy: S3Proxy) -> None:
        """The store is reached by a proxy, also from nodes."""
        self.site.write(store={"endpoint": proxy.endpoint})


@pytest.fixture
def site(request: pytest.FixtureRequest, new_site: Callable[..., Site], etcd3: EtcdCluster) -> Site:
    """A site whose bucket is as the test's parameter says."""
    return new_site(etcd3, **getattr(request, "param", {}))


@pytest.fixture
def volumes(  # noqa: PLR0913, PLR0917 - fixtures
    site: Site, shop: Shop, node: JobNode, user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Volumes]:
    """Whatever a test leaves in its namespace goes with it."""
    site.use_api(user)
    (site.folder / "id_ed25519").touch(mode=0o600)
    (site.folder / "id_ed25519").write_text(node.key_text)
    site.profile["nodes"] = [{"name": "w1", "address": "127.0.0.1", "port": node.port}]
    key = f"file:{site.folder / 'id_ed25519'}"
    site.write(ssh={"user": node.user, "key": key, "known_hosts": str(node.known_hosts), "sudo": False})
    monkeypatch.setattr(sizes, "SMALLEST_PART", 5 * sizes.MEGABYTE)
    may_be_full(monkeypatch, node.root)
    (node.root / "boot_id").write_text(boot_id_of(shop.api) + "\n")
    made = Volumes(site, shop, node, tmp_path / "disks", user)
    yield made
    claims = f"/api/v1/namespaces/{shop.name}/persistentvolumeclaims"
    shop.api.delete(f"/apis/apps/v1/namespaces/{shop.name}/statefulsets")
    shop.api.delete(claims)
    wait_until(lambda: shop.api.get(claims)["items"] == [], LIMIT, "no claim holds the namespace")
    for name in made.made:
        shop.api.delete(f"{VOLUMES}/{name}")


def fill(folder: Path) -> None:
    """With all that is hard to copy."""
    (folder / "with space").write_text("1")
    (folder / "new\nline").write_text("2")
    (folder / " -rf *'\"$(id)\\").write_text("3")
    Path(os.fsdecode(os.fsencode(folder) + b"/not utf-8 \xff\xfe")).write_bytes(b"4")
    deep = folder / "a" / ("b" * 200) / ("c" * 200)
    deep.mkdir(parents=True)
    (deep / "deep").write_text("5")
    (folder / "random").write_bytes(os.urandom(6 * 2**20))
    with (folder / "sparse").open("wb") as file:
        file.seek(20 * 2**20)
        file.write(b"end")
    (folder / "linked").write_text("6")
    os.link(folder / "linked", folder / "a" / "hard")
    (folder / "soft").symlink_to("/etc/passwd")
    (folder / "dangling").symlink_to("nowhere\nat all")
    os.mkfifo(folder / "pipe")
    (folder / "mode").write_text("7")
    (folder / "mode").chmod(0o4751)
    os.setxattr(folder / "mode", "user.colour", b"\x00blue")
    entries = [(1, 7, -1), (2, 5, 4242), (4, 5, -1), (16, 7, -1), (32, 0, -1)]
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, mode, who & 0xFFFFFFFF) for tag, mode, who in entries
    )
    os.setxattr(folder / "with space", ACL, acl)
    (folder / "empty").mkdir(mode=0o700)
    if AS_ROOT:
        os.chown(folder / "linked", 70001, 70002)
        os.chown(folder / "soft", 70003, 70004, follow_symlinks=False)
        os.chown(folder, 70005, 70006)
        os.mknod(folder / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.utime(folder / "random", ns=(1, 1_234_567_890_123_456_789))
    os.utime(folder / "empty", ns=(1, 987_654_321_000_000_001))


def described(folder: Path) -> dict[bytes, tuple[object, ...]]:
    """All that an archive has to keep, by name."""
    found: dict[bytes, tuple[object, ...]] = {}
    for top, folders, files in os.walk(os.fsencode(folder)):
        for name in (b"", *folders, *files):
            path = os.path.join(top, name)  # noqa: PTH118 - bytes
            info = os.lstat(path)
            content: bytes | str = b""
            if stat.S_ISREG(info.st_mode):
                content = Path(os.fsdecode(path)).read_bytes()
            elif stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)  # noqa: PTH115 - bytes
            notes = {
                one: os.getxattr(path, one, follow_symlinks=False) for one in os.listxattr(path, follow_symlinks=False)
            }
            links = info.st_nlink if stat.S_ISREG(info.st_mode) else 0
            about = (oct(info.st_mode), info.st_uid, info.st_gid, info.st_mtime_ns, links, info.st_rdev)
            found[os.path.relpath(path, os.fsencode(folder))] = (*about, content, str(sorted(notes.items())))
    return found


def test_a_folder_of_a_node_is_archived_and_comes_back_as_it_was(
    volumes: Volumes, caplog: pytest.LogCaptureFixture
) -> None:
    """Names, owners by number, attributes, links and holes. A socket is named as left out. Nothing secret is anywhere."""
    folder = volumes.claim()
    fill(folder)
    expected, changed = described(folder), folder.stat().st_mtime_ns
    with socket.socket(socket.AF_UNIX) as one:
        os.chdir(folder)
        one.bind("so\tcket")
        os.chdir(ROOT)
    os.utime(folder, ns=(1, changed))
    plan = volumes.run(Mode.PLAN)
    assert plan.summary[0] == f"nothing was done: the plan has 1 archive of all claims in {volumes.shop.name}"
    assert volumes.keys() == []

    report = volumes.run()
    assert report.summary[0] == f"1 archive of all claims in {volumes.shop.name}"
    assert [one for one in report.summary if one.startswith("NOT in the archive")] == [
        f"NOT in the archive of {volumes.shop.name}/data: so\\tcket: a socket, which no archive contains"
    ]
    (archive,) = volumes.archives()
    assert (archive.node, archive.path, archive.fuzzy, archive.files) == ("w1", str(folder), "", 10)
    assert archive.entries == len(expected)
    assert {one["kind"] for one in volumes.manifests()[0]["objects"]} == {"PersistentVolumeClaim", "PersistentVolume"}
    assert archive.stored.size == len(volumes.site.read(archive.data_key)) > 5 * sizes.MEGABYTE
    names = zstandard.ZstdDecompressor().decompressobj().decompress(volumes.site.read(archive.list_key))
    assert b" ./new\nline\0" in names

    before = volumes.folder / "restored"
    told = restore_archive(open_cluster(volumes.site.name), archive, "w1", str(before))
    assert told.different == 0
    assert described(before) == expected
    assert (before / "sparse").stat().st_blocks < 1000
    assert (before / "linked").stat().st_ino == (before / "a" / "hard").stat().st_ino

    assert list(volumes.node.backups.iterdir()) == []
    assert sorted(one.name for one in volumes.folder.iterdir()) == ["data", "restored"]
    everywhere = [volumes.node.texts(), caplog.text, report.model_dump_json(), *volumes.site.texts()]
    for secret in ("X-Amz-Signature", *volumes.site.secrets):
        assert not [one for one in everywhere if secret in one], secret


def test_an_archive_takes_the_place_of_the_old_folder_and_the_way_back_works(
    volumes: Volumes, user_of_restore: str
) -> None:
    """The workload is stopped, switched and started again. Old volume and old folder stay, with what was written since."""
    folder, archive = volumes.archived_before()
    before = volumes.api.get(f"{volumes.claims}/data")
    volumes.become(user_of_restore)

    report = volumes.restore(switch=True)
    claim = volumes.api.get(f"{volumes.claims}/data")
    new, old = (volumes.api.get(f"{VOLUMES}/{name}") for name in (claim["spec"]["volumeName"], archive.volume))
    volumes.made.append(new["metadata"]["name"])
    place = Path(new["spec"]["local"]["path"])
    assert volumes.names() == ["data"]
    assert (place.parent, claim["status"]["phase"]) == (folder.parent, "Bound")
    assert ((place / "file").read_text(), (folder / "file").read_text()) == ("before", "later")
    assert [one["spec"]["persistentVolumeReclaimPolicy"] for one in (new, old)] == ["Retain", "Retain"]
    assert json.loads(new["metadata"]["annotations"][RESTORE])["done"]
    assert (old["status"]["phase"], old["metadata"]["annotations"][RECLAIM]) == ("Released", "Retain")
    assert before["metadata"]["uid"] != claim["metadata"]["uid"]
    volumes.shop.wait_available("statefulset/db", 1)
    assert volumes.shop.get("statefulset/db")["metadata"].get("annotations", {}) == {}
    assert f"from its archive, as its list says: {volumes.shop.name}/data with {place} on w1" in report.summary
    bound = f"bound: {volumes.shop.name}/data: {new['metadata']['name']} ({place})"
    assert bound in report.summary
    remove = f"to remove it for good: kubectl delete pv {archive.volume}, then delete its folder {folder} on w1"
    assert remove in report.summary

    volumes.shop.change("statefulset/db", replicas=0)
    wait_until(lambda: volumes.api.get(volumes.shop.pods_path)["items"] == [], LIMIT, "its pod is gone")
    take_back(report, volumes.shop.cluster, volumes.site.folder / "admin.conf")
    wait_until(
        lambda: volumes.api.get(f"{volumes.claims}/data")["status"].get("phase") == "Bound", LIMIT, "it is bound"
    )
    assert volumes.api.get(f"{volumes.claims}/data")["spec"]["volumeName"] == archive.volume


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_switch_to_an_archive_that_dies_after_each_of_its_writes_is_run_again(
    volumes: Volumes, user_of_restore: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run makes one write, whose answer it never sees. A second switch to the same archive gets another folder."""
    folder, archive = volumes.archived_before()
    volumes.become(user_of_restore)
    written = die_after_each_write(lambda: volumes.restore(switch=True), monkeypatch, writes=WRITES_OF_SWITCH)
    new = volumes.api.get(f"{volumes.claims}/data")["spec"]["volumeName"]
    assert written[-1] == f"PATCH {new}", written  # the journal is closed
    assert (volumes.names(), volumes.restored(new).read_text()) == (["data"], "before")
    volumes.shop.wait_available("statefulset/db", 1)
    assert volumes.shop.get("statefulset/db")["metadata"].get("annotations", {}) == {}
    assert sorted(one.name for one in volumes.folder.iterdir()) == ["data", volumes.restored(new).parent.name]
    assert (folder / "file").read_text() == "later"

    volumes.restored(new).write_text("much later")
    report = volumes.restore(switch=True)
    assert report.plan is not None
    assert any("has given the claim the data of this backup already" in one.problem for one in report.plan.cautions)
    second = volumes.api.get(f"{volumes.claims}/data")["spec"]["volumeName"]
    assert second not in {new, archive.volume}
    assert (volumes.restored(second).read_text(), volumes.restored(new).read_text()) == ("before", "much later")


@pytest.mark.full
def test_what_keeps_pods_off_the_node_is_refused_before_anything_is_stopped(
    volumes: Volumes, user_of_restore: str
) -> None:
    """In the plan, and again right before the workload is stopped. What was restored meanwhile is used by the next run."""
    folder = volumes.claim()
    (folder / "file").write_text("before")
    volumes.run()
    volumes.pod()
    uid = volumes.api.get(f"{volumes.claims}/data")["metadata"]["uid"]
    volumes.become(user_of_restore)
    node = "/api/v1/nodes/w1"

    def is_untouched() -> bool:
        claim, workload = volumes.api.get(f"{volumes.claims}/data"), volumes.shop.get("statefulset/db")
        return bool(claim["metadata"]["uid"] == uid and workload["spec"]["replicas"] == 1)

    try:
        cordon(volumes.api, is_cordoned=True)
        with pytest.raises(Refused, match="no pod could start there: w1 is cordoned") as error:
            volumes.restore(switch=True)
        assert error.value.hint.startswith("kubectl uncordon w1")
        assert volumes.names() == ["data"]
        cordon(volumes.api, is_cordoned=False)
        with S3Proxy(volumes.site.s3.endpoint) as proxy:
            volumes.through(proxy)
            fetched = proxy.on(method="GET", path=r"\.tar\.zst$", times=1)
            fetched.then(lambda _: cordon(volumes.api, is_cordoned=True))
            with pytest.raises(Refused, match="no pod could start there: w1 is cordoned"):
                volumes.restore(switch=True)
        assert is_untouched()
        assert len(volumes.names()) == 2
    finally:
        cordon(volumes.api, is_cordoned=False)
    volumes.site.write(store={"endpoint": volumes.site.s3.endpoint})
    assert volumes.api.get(node)["spec"].get("unschedulable") is None
    report = volumes.restore(switch=True)
    assert f"taken up from an earlier attempt: {volumes.shop.name}/data" in report.summary
    assert volumes.names() == ["data"]
    volumes.shop.wait_available("statefulset/db", 1)


def cordon(api: Api, *, is_cordoned: bool) -> None:
    """The node w1, by somebody else."""
    api.patch("/api/v1/nodes/w1", {"spec": {"unschedulable": is_cordoned or None}})


@pytest.mark.full
def test_a_volume_that_is_there_already_and_another_cluster_are_refused(volumes: Volumes, user_of_restore: str) -> None:
    """A volume whose claim was deleted has no use for another claim. Nodes of another cluster are not here."""
    folder = volumes.claim()
    (folder / "file").write_text("before")
    volumes.run()
    (archive,) = volumes.archives()
    volumes.become(user_of_restore)
    volumes.restore()
    volumes.made.append(f"{archive.volume}-restored")
    volumes.api.delete(f"{volumes.claims}/data-restored")
    wait_until(lambda: volumes.names() == ["data"], LIMIT, "the claim is gone")
    with pytest.raises(Refused, match=rf"there is a volume {archive.volume}-restored already, and it is not free"):
        volumes.restore()
    manifest = volumes.manifests()[0] | {"cluster": "elsewhere"}
    key = volumes.keys("/manifest.json")[0].replace(f"{volumes.site.name}/", "elsewhere/", 1)
    volumes.site.s3.client().put_object(Bucket=volumes.site.bucket, Key=key, Body=json.dumps(manifest).encode())
    for is_switched in (False, True):
        with pytest.raises(Refused, match="of the cluster elsewhere, which is no node of this one"):
            volumes.restore(from_cluster="elsewhere", switch=is_switched)


@pytest.mark.full
def test_an_archive_becomes_a_claim_beside_the_old_one(volumes: Volumes, user_of_restore: str) -> None:
    """Bound to a new folder; a second run has nothing to do. What is not ours stays as it is, and nothing is switched."""
    folder = volumes.claim()
    (folder / "file").write_text("text")
    volumes.run()
    volumes.become(user_of_restore)
    (archive,) = volumes.archives()
    assert volumes.restore(Mode.PLAN).summary[0].startswith("nothing was done: the plan has 1 step for backup")
    report = volumes.restore()
    volumes.made.append(f"{archive.volume}-restored")
    new = Path(f"{folder}-restored")
    assert f"from its archive, as its list says: {volumes.shop.name}/data-restored with {new} on w1" in report.summary
    assert (new / "file").read_text() == "text"
    claim = volumes.api.get(f"/api/v1/namespaces/{volumes.shop.name}/persistentvolumeclaims/data-restored")
    assert (claim["status"]["phase"], claim["spec"]["volumeName"]) == ("Bound", f"{archive.volume}-restored")
    volume = volumes.api.get(f"{VOLUMES}/{archive.volume}-restored")
    assert volume["spec"]["local"]["path"] == str(new)
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert volumes.restore().summary[0].endswith("has nothing left to restore here")
    volumes.claim("data-other")
    with pytest.raises(Refused, match="there is another claim data-other, which this restore did not make"):
        volumes.restore(suffix="other")
    full = Path(f"{folder}-full")
    full.mkdir()
    (full / "mine").write_text("mine")
    with pytest.raises(CommandFailed, match="data-full is not empty"):
        volumes.restore(suffix="full")
    assert [one.name for one in full.iterdir()] == ["mine"]


@pytest.mark.full
def test_a_restore_of_an_archive_that_is_killed_goes_on(
    volumes: Volumes, user_of_restore: str, prefect_server: PrefectServer
) -> None:
    """After the folder is in place, before its volume is: the folder is as the list says, and is taken."""
    folder = volumes.claim()
    (folder / "file").write_text("text")
    volumes.run()
    volumes.become(user_of_restore)
    (archive,) = volumes.archives()
    handle = open_cluster(volumes.site.name)
    restore_archive(handle, archive, "w1", f"{folder}-restored")  # as if it were killed right after
    parameters = {"cluster": volumes.site.name, "mode": "apply", "options": {"suffix": "restored"}}
    words = [sys.executable, "-m", "tests.servers.runner", "volumes_restore", json.dumps(parameters)]
    environment = os.environ | volumes.site.environment | {"PREFECT_API_URL": prefect_server.api_url}
    died = subprocess.run(
        [*words, "after restore archives"], env=environment, cwd=ROOT, capture_output=True, check=False
    )
    volumes.made.append(f"{archive.volume}-restored")
    assert died.returncode == -signal.SIGKILL, died
    assert volumes.restore().summary[0].endswith("has nothing left to restore here")
    assert Path(f"{folder}-restored/file").read_text() == "text"


def test_an_archive_that_has_no_room_is_refused_before_anything_is_written(
    volumes: Volumes, user_of_restore: str
) -> None:
    """By the plan with the sizes, also in place, and by the node right before it writes."""
    folder = volumes.claim()
    (folder / "file").write_text("text")
    volumes.run()
    manifest = volumes.manifests()[0]
    manifest["archives"][0]["plain"]["size"] = 2**60
    del manifest["archives"][0]["entries"]  # as of an older version
    key = volumes.keys("/manifest.json")[0]
    volumes.site.s3.client().put_object(Bucket=volumes.site.bucket, Key=key, Body=json.dumps(manifest).encode())
    volumes.become(user_of_restore)
    (archive,) = volumes.archives()
    for is_switched in (False, True):
        with pytest.raises(Refused, match=f"has room for [0-9]+ bytes, and the archive needs {2**60 + 3584}"):
            volumes.restore(switch=is_switched)
    with pytest.raises(CommandFailed, match=f"has room for [0-9]+ bytes .* needs {2**60 + 3584} bytes and 1 files"):
        restore_archive(open_cluster(volumes.site.name), archive, "w1", f"{folder}-restored")
    assert [one.name for one in volumes.folder.iterdir()] == ["data"]
    assert volumes.names() == ["data"]


@contextmanager
def kubelet_at(node: JobNode, root: Path, images: Path, **thresholds: str) -> Iterator[None]:
    """A process with the flags of a kubelet, its configuration, and a runtime that says where its images are."""
    config, pid, crictl = node.root / "kubelet.yaml", node.root / "pids/kubelet.service", node.root / "bin/crictl"
    signals = {name.replace("_", "."): value for name, value in thresholds.items()}
    config.write_text(json.dumps({"kind": "KubeletConfiguration", "evictionHard": signals}))
    usage = {"status": {"imageFilesystems": [{"fsId": {"mountpoint": str(images)}}]}}
    crictl.write_text(f"#!/bin/sh\n[ \"$1\" = imagefsinfo ] && echo '{json.dumps(usage)}'\n")
    crictl.chmod(0o755)
    words = ["kubelet", "-c", "input()", f"--root-dir={root}", f"--config={config}"]
    with subprocess.Popen(words, executable=sys.executable, stdin=subprocess.PIPE) as process:
        pid.write_text(str(process.pid))
        try:
            yield
        finally:
            pid.unlink()
            crictl.unlink()
            process.communicate(b"\n")


def test_file_systems_of_the_node_keep_free_what_its_own_kubelet_is_set_to(
    volumes: Volumes, user_of_restore: str
) -> None:
    """Also those of another --root-dir, by a link, and of the runtime. The plan says it, and the node right before it writes."""
    folder = volumes.claim()
    (folder / "file").write_text("text")
    volumes.run()
    volumes.become(user_of_restore)
    (archive,) = volumes.archives()
    handle, place, away = open_cluster(volumes.site.name), volumes.folder / "a b", volumes.folder / "away"
    place.symlink_to(volumes.folder)
    little, most, rest = "1Ki", "4Ei", {"nodefs_inodesFree": "1", "imagefs_inodesFree": "1"}
    for root, images, thresholds in (
        (place, away, {"nodefs_available": most, "imagefs_available": little}),
        (away, place, {"nodefs_available": little, "imagefs_available": most}),
    ):
        with kubelet_at(volumes.node, root, images, **thresholds, **rest):
            with pytest.raises(
                Refused, match=f"has room for 0 bytes .*{4 * 2**60} have to stay free: with less, kubelet"
            ):
                volumes.restore()
            with pytest.raises(CommandFailed, match=r"has room for -[0-9]+ bytes"):
                restore_archive(handle, archive, "w1", f"{folder}-restored")
    with kubelet_at(volumes.node, place, place, nodefs_available="1Gig", nodefs_inodesFree="1"):
        handle.forget_shapes()
        found = look_for_room(handle, archive, "restored")
        assert [one.text for one in found.doubts] == [
            "evictionHard of the kubelet has no threshold for imagefs.available, imagefs.inodesFree: its defaults stay free (15% for "
            "imagefs.available, 5% for imagefs.inodesFree)",
            "nodefs.available of evictionHard is '1Gig', which no kubelet takes: its default of 10% stays free",
        ]
    handle.forget_shapes()
    told = volumes.restore(Mode.PLAN).plan
    assert told
    assert [one.problem for one in told.cautions if one.subject == "w1"] == [
        "--root-dir of the kubelet is not known, because its flags are not: its default is assumed",
        "where the container runtime keeps images is not known (there is no running containerd.service): its default folders are assumed",
    ]
    assert [one.name for one in volumes.folder.iterdir() if "restored" in one.name] == []
    with kubelet_at(volumes.node, place, place, nodefs_available=little, imagefs_available=little, **rest):
        report = volumes.restore()
    assert report.plan
    assert report.plan.cautions == ()
    volumes.made.append(f"{archive.volume}-restored")
    assert Path(f"{folder}-restored/file").read_text() == "text"


@pytest.mark.full
def test_a_named_folder_takes_the_place_of_the_old_one_after_kills(
    volumes: Volumes, user_of_restore: str, prefect_server: PrefectServer
) -> None:
    """Before the switch a run has to name the same folder; a switch that has begun knows it."""
    folder, archive = volumes.archived_before()
    volumes.become(user_of_restore)
    new = volumes.folder / "new"
    new.mkdir()
    options = {"suffix": "restored", "switch": True, "path": str(new)}
    environment = os.environ | volumes.site.environment | {"PREFECT_API_URL": prefect_server.api_url}
    start = (
        "import runpy, sys; from tasks.volumes.models import places; "
        f"places.OF_KUBELET, places.OF_IMAGES = {places.OF_KUBELET!r}, {places.OF_IMAGES!r}; "  # as in this process
        "sys.argv = sys.argv[1:]; runpy.run_module('tests.servers.runner', run_name='__main__')"
    )

    def die(step: str, options: dict[str, object]) -> None:
        parameters = {"cluster": volumes.site.name, "mode": "apply", "options": options}
        words = [sys.executable, "-c", start, "tests.servers.runner", "volumes_restore", json.dumps(parameters), step]
        died = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, check=False)
        assert died.returncode == -signal.SIGKILL, died

    die("after restore archives", options)
    with pytest.raises(Refused, match=f"an earlier run has restored it into {new} on w1, and this one names"):
        volumes.restore(switch=True)
    die("after keep old volumes", options)
    report = volumes.restore(switch=True)
    volume = volumes.api.get(f"{volumes.claims}/data")["spec"]["volumeName"]
    assert volumes.restored(volume) == new / "file"
    assert ((new / "file").read_text(), (folder / "file").read_text()) == ("before", "later")
    assert f"bound: {volumes.shop.name}/data: {volume} ({new})" in report.summary
    assert volume != archive.volume
    volumes.shop.wait_available("statefulset/db", 1)


@pytest.mark.full
@pytest.mark.parametrize("is_named", [False, True], ids=["beside", "named"])
def test_a_folder_of_a_fuzzy_archive_is_taken_by_the_note_of_its_restore(
    volumes: Volumes,
    user_of_restore: str,
    is_named: bool,  # noqa: FBT001 - a parameter
) -> None:
    """It differs from its list, so only the note says that a run has restored it, and that very folder."""
    folder = volumes.claim()
    (folder / "file").write_text("text")
    volumes.run()
    (folder / "file").write_text("other")
    volumes.run()
    first, second = volumes.archives()
    volumes.become(user_of_restore)
    listed = {"fuzzy": "used by shop/db-0", "list_key": first.list_key, "listed": first.listed}
    archive, handle, new = second.model_copy(update=listed), open_cluster(volumes.site.name), volumes.folder / "new"
    if is_named:
        new.mkdir()
    counts = [restore_archive(handle, archive, "w1", str(new), is_named=is_named).different for _ in range(2)]
    assert counts[0] == counts[1] > 0
    if is_named:
        named = str(new)
        assert look_for_room(handle, archive, "restored", named).is_whole
        (new / "file").rename(volumes.folder / "file")
        assert not look_for_room(handle, archive, "restored", named).is_whole, "emptied, it has to have room again"
        (volumes.folder / "file").rename(new / "file")
    new.rename(volumes.folder / "moved")
    shutil.copytree(volumes.folder / "moved", new)
    with pytest.raises(CommandFailed, match="new is not empty"):
        restore_archive(handle, archive, "w1", str(new), is_named=is_named)
    assert (new / "file").read_text() == "other"


@contextmanager
def disk_at(path: Path, *, megabytes: int, kind: str = "ext4") -> Iterator[Path]:
    """A new file system that is mounted there, as a disk of a node is."""
    path.mkdir()
    image = path.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(megabytes * 2**20)
    subprocess.run([f"mkfs.{kind}", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


@needs_root
@pytest.mark.full
def test_a_disk_without_room_refuses_and_an_empty_disk_with_room_gets_the_archive(
    volumes: Volumes, user_of_restore: str
) -> None:
    """The plan says what is needed, before a byte is written. The new disk is the volume itself, also with its lost+found."""
    with disk_at(volumes.folder / "small", megabytes=16) as small, disk_at(volumes.folder / "new", megabytes=64) as new:
        data = small / "data"
        data.mkdir()
        folder = volumes.claim(path=data)
        (folder / "random").write_bytes(os.urandom(7 * 2**20))
        os.setxattr(folder, "user.colour", b"blue")
        os.chown(folder, 70005, 70006)
        folder.chmod(0o2750)
        (folder / "old").mkdir()
        expected = described(folder)
        volumes.run()
        volumes.become(user_of_restore)
        (archive,) = volumes.archives()
        with pytest.raises(Refused, match=f"the file system {small} of w1 has room for [0-9]+ bytes") as error:
            volumes.restore()
        assert "--path" in error.value.hint
        with pytest.raises(CommandFailed, match=f"the file system of {small} has room for [0-9]+ bytes"):
            restore_archive(open_cluster(volumes.site.name), archive, "w1", f"{folder}-restored")
        assert sorted(one.name for one in small.iterdir()) == ["data", "lost+found"]

        report = volumes.restore(path=str(new))
        volumes.made.append(f"{archive.volume}-restored")
        assert (
            f"from its archive, as its list says: {volumes.shop.name}/data-restored with {new} on w1" in report.summary
        )
        volume = volumes.api.get(f"{VOLUMES}/{archive.volume}-restored")
        assert volume["spec"]["local"]["path"] == str(new)
        (new / "lost+found").rmdir()
        os.utime(new, ns=(1, folder.stat().st_mtime_ns))
        assert described(new) == expected
        assert volumes.restore(path=str(new)).summary[0].endswith("has nothing left to restore here")


@needs_root
@pytest.mark.full
def test_an_archive_of_a_whole_disk_comes_back_on_another_disk(volumes: Volumes) -> None:
    """Both have a lost+found. The old one is not unmounted meanwhile."""
    with disk_at(volumes.folder / "old", megabytes=32) as old, disk_at(volumes.folder / "new", megabytes=32) as new:
        fill(old)
        (old / "lost+found" / "inode").write_text("found")
        volumes.claim(path=old)
        volumes.run()
        (archive,) = volumes.archives()
        for _ in range(2):  # the second one finds that it is done
            restore_archive(open_cluster(volumes.site.name), archive, "w1", str(new), is_named=True)
            assert described(new) == described(old)


def killed_at(node: JobNode, program: str, call: int) -> None:
    """The next job is killed, as by a power cut, when it calls that program the n-th time in its folder."""
    script = node.root / "bin" / program
    real, count = shutil.which(program), node.root / f"calls-{program}"
    count.unlink(missing_ok=True)
    script.write_text(
        f"""#!/bin/sh
case "$PWD" in
  {node.backups}/*)
    echo >> {count}
    [ "$(wc -l < {count})" -lt {call} ] || kill -KILL 0
    ;;
esac
exec {real} "$@"
"""
    )
    script.chmod(0o755)


@pytest.mark.full
def test_a_restore_into_a_folder_that_is_killed_anywhere_goes_on(volumes: Volumes) -> None:
    """While it unpacks, before and within the move, before its note, before its end, and after it."""
    folder = volumes.claim()
    fill(folder)
    expected = described(folder)
    volumes.run()
    (archive,) = volumes.archives()
    handle = open_cluster(volumes.site.name)
    points = [
        ("tar", 1),
        ("touch", 1),
        ("mv", 1),
        ("tar", 2),
        ("rmdir", 1),
        ("rm", 2),
        ("rm", 3),
        ("rmdir", 2),
        ("chown", 1),
        ("touch", 2),
    ]
    for program, call in points:
        new = volumes.folder / f"{program}-{call}"
        new.mkdir()
        killed_at(volumes.node, program, call)
        try:
            with pytest.raises(RunbookError):
                restore_archive(handle, archive, "w1", str(new), is_named=True)
        finally:
            (volumes.node.root / "bin" / program).unlink()
        told = restore_archive(handle, archive, "w1", str(new), is_named=True)
        assert told.different == 0
        assert described(new) == expected, (program, call)
    assert described(folder) == expected


@pytest.mark.full
def test_a_folder_that_is_not_empty_or_of_another_volume_is_refused(volumes: Volumes, user_of_restore: str) -> None:
    """In the plan, and by the node. What is there stays as it is."""
    folder = volumes.claim()
    (folder / "file").write_text("text")
    volumes.run()
    volumes.become(user_of_restore)
    (archive,) = volumes.archives()
    full, empty, linked = (volumes.folder / name for name in ("full", "empty", "linked"))
    (full / "lost+found").mkdir(parents=True)
    (full / "lost+found" / "mine").write_text("mine")
    empty.mkdir()
    linked.symlink_to(empty)
    for path, words in (
        (full, "full on w1 is not empty: it has lost.found/mine"),
        (linked, f"linked on w1 leads to {empty}"),
        (volumes.folder / "nowhere", "nowhere on w1 does not exist"),
        (folder, f"belongs to another volume: {archive.volume}"),
        (volumes.folder, f"belongs to another volume: {archive.volume}"),
    ):
        with pytest.raises(Refused, match=words):
            volumes.restore(path=str(path))
    handle = open_cluster(volumes.site.name)
    for path in (full, linked):
        with pytest.raises(CommandFailed, match=r"not empty: it has lost|no folder, or a symbolic link"):
            restore_archive(handle, archive, "w1", str(path), is_named=True)
    assert [one.name for one in (full / "lost+found").iterdir()] == ["mine"]
    volumes.claim("second")
    volumes.become(volumes.users[0])
    volumes.run()
    volumes.become(user_of_restore)
    with pytest.raises(Refused, match="--path is the folder of one archive, and 2 archives are selected"):
        volumes.restore(path=str(empty))
    assert list(empty.iterdir()) == []


@pytest.mark.full
def test_a_restore_never_touches_what_is_there_and_finds_what_changed_in_the_bucket(volumes: Volumes) -> None:
    """A folder that is not empty, a parent that is missing or a link, and an archive with another bit."""
    folder = volumes.claim()
    (folder / "file").write_text("text")
    volumes.run()
    (archive,) = volumes.archives()
    handle = open_cluster(volumes.site.name)
    full, empty, linked = (volumes.folder / name for name in ("full", "empty", "linked"))
    full.mkdir()
    (full / "mine").write_text("mine")
    empty.mkdir()
    linked.symlink_to(empty)
    for path, words in (
        (full, "full is not empty"),
        (volumes.folder / "nowhere" / "x", "nowhere does not exist"),
        (linked / "x", "a symbolic link is on the way"),
        (linked, "exists, and is no folder"),
        (full / "mine", "exists, and is no folder"),
    ):
        with pytest.raises(CommandFailed, match=words):
            restore_archive(handle, archive, "w1", str(path))
    assert [one.name for one in full.iterdir()] == ["mine"]
    stored = bytearray(volumes.site.read(archive.data_key))
    stored[len(stored) // 2] ^= 1
    client = volumes.site.s3.client()
    client.put_object(Bucket=volumes.site.bucket, Key=archive.data_key, Body=bytes(stored))
    with pytest.raises(CommandFailed, match="the archive is corrupt: its sha256 is"):
        restore_archive(handle, archive, "w1", str(empty))
    assert list(empty.iterdir()) == []
    stored[len(stored) // 2] ^= 1
    client.put_object(Bucket=volumes.site.bucket, Key=archive.data_key, Body=bytes(stored))
    restore_archive(handle, archive, "w1", str(empty))
    assert (empty / "file").read_text() == "text"
    assert sorted(one.name for one in volumes.folder.iterdir()) == ["data", "empty", "full", "linked"]


def test_what_a_pod_uses_is_refused_with_its_command_or_is_fuzzy_by_an_option(volumes: Volumes) -> None:
    """A pod that has finished does not use it."""
    folder = volumes.claim()
    (folder / "file").write_text("text")
    volumes.pod()
    with pytest.raises(Refused) as error:
        volumes.run()
    assert f"these pods use it and may write: {volumes.shop.name}/db-0" in error.value.problem
    assert f"`kubectl -n {volumes.shop.name} scale statefulset/db --replicas=0`" in error.value.hint
    assert "--while-used" in error.value.hint
    report = volumes.run(while_used=True)
    fuzzy = f"NOT consistent: {volumes.shop.name}/data is fuzzy (used by {volumes.shop.name}/db-0): its files may not fit together"
    assert fuzzy in report.summary
    assert volumes.archives()[0].fuzzy
    volumes.shop.change("statefulset/db", replicas=0)
    pods = volumes.shop.pods_path
    wait_until(lambda: volumes.api.get(pods)["items"] == [], LIMIT, "the pod is gone")
    volumes.run()
    assert [one.fuzzy for one in volumes.archives()][1:] == [""]


def test_what_cannot_be_archived_is_refused_with_all_reasons_and_the_rest_is_backed_up(volumes: Volumes) -> None:
    """With --leave-out. Nothing has touched the store before."""
    good = volumes.claim("good")
    (good / "file").write_text("text")
    other = volumes.folder / "other"
    other.mkdir()
    (volumes.folder / "link").symlink_to(other)
    (volumes.folder / "regular").write_text("")
    wrong: dict[str, tuple[dict[str, Any], str]] = {
        "linked": ({"path": volumes.folder / "link"}, f"leads to {other}: a symbolic link is on the way"),
        "gone": ({"path": volumes.folder / "nowhere"}, "nowhere on w1 does not exist"),
        "file": ({"path": volumes.folder / "regular"}, "is no folder, but a regular empty file"),
        "block": ({"volumeMode": "Block"}, "is a block device of w1"),
        "lost": ({"node": "w9"}, "its node is gone"),
        "unknown": ({"node": "", "kind": "hostPath"}, "it has no nodeAffinity to one, and no pod says which one it is"),
        "away": ({"node": "w2"}, "w2: the profile has no way to log in to it"),
        "self": ({"path": Path("/var/lib/kube-runbooks"), "kind": "hostPath"}, "contains the node itself"),
    }
    for name, (given, _) in wrong.items():
        volumes.claim(name, **given)
    with pytest.raises(Refused) as error:
        volumes.run()
    for name, (_, words) in wrong.items():
        assert [one for one in error.value.problem.splitlines() if f"/{name}" in one and words in one], (
            name,
            error.value.problem,
        )
    assert volumes.keys() == []
    report = volumes.run(leave_out=True)
    assert report.summary[0].startswith("1 archive of ")
    assert len([one for one in report.summary if one.startswith("NOT backed up: ")]) == len(wrong)


@pytest.mark.full
def test_another_machine_that_answers_for_the_node_is_refused(volumes: Volumes) -> None:
    """By its boot id: nothing is copied from the wrong node."""
    volumes.claim()
    boot_id = volumes.node.root / "boot_id"
    known = boot_id.read_text()
    boot_id.write_text("another\n")
    try:
        with pytest.raises(Refused, match="what answers by SSH as w1 is another machine than the node w1"):
            volumes.run()
    finally:
        boot_id.write_text(known)
    assert volumes.keys() == []


@pytest.mark.full
def test_what_changes_or_is_used_while_it_is_copied_is_no_backup(volumes: Volumes) -> None:
    """No manifest, no object, no upload: a file that changes, and a pod that comes."""
    folder = volumes.claim()
    (folder / "file").write_bytes(os.urandom(2**20))
    with S3Proxy(volumes.site.s3.endpoint) as proxy:
        volumes.through(proxy)
        part = partial(proxy.on, method="PUT", path=r"\.tar\.zst$", query="partNumber=1", times=1)
        part().then(lambda _: (folder / "file").write_text("other"))
        with pytest.raises(Refused, match=r"changed while they were copied.*: it is no backup"):
            volumes.run()
        proxy.clear()
        part().then(lambda _: volumes.pod())
        with pytest.raises(Refused, match="these pods use it now and may write"):
            volumes.run()
    assert volumes.keys() == []
    assert volumes.site.uploads() == []


@pytest.mark.full
def test_a_store_that_fails_in_the_middle_is_tried_again_and_leaves_nothing(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt's upload is aborted; the second sends that archive, and not the one that was whole."""
    monkeypatch.setattr(scripts, "PART_TRIES", 1)
    monkeypatch.setattr(archives.archive_volumes, "retry_delay_seconds", [0.2])
    (volumes.claim("a-small") / "file").write_text("small")
    (volumes.claim() / "file").write_bytes(os.urandom(6 * 2**20))
    with S3Proxy(volumes.site.s3.endpoint) as proxy:
        volumes.through(proxy)
        proxy.on(method="PUT", path=r"\.tar\.zst$", query="partNumber=2", times=1).answer(503, "SlowDown")
        report = volumes.run()
        assert len(proxy.seen(method="DELETE", query="uploadId")) == 2
        sent = proxy.seen(method="PUT", path=r"a-small-.*\.tar\.zst$", query="partNumber=1")
        assert len(sent) == 1
    (evidence,) = [one.evidence for one in report.done if one.step == "archive volumes"]
    assert evidence["kept"] == [f"{volumes.shop.name}/a-small"]
    assert [one.claim for one in volumes.archives()] == ["a-small", "data"]
    assert len(volumes.keys(".zst")) == 4
    assert volumes.site.uploads() == []


@pytest.mark.full
def test_a_bit_that_the_store_flips_is_found_before_there_is_a_manifest(volumes: Volumes) -> None:
    """By the node, which reads all of it back."""
    folder = volumes.claim()
    (folder / "file").write_bytes(os.urandom(2**20))
    with S3Proxy(volumes.site.s3.endpoint) as proxy:
        volumes.through(proxy)
        proxy.on(method="GET", path=r"\.tar\.zst$").flip_bit_in_response(5000)
        with pytest.raises(Refused, match=r"tar\.zst is corrupt: sent were"):
            volumes.run()
    assert volumes.manifests() == []


@pytest.mark.full
def test_retention_removes_the_objects_of_a_backup_and_no_others(volumes: Volumes) -> None:
    """A manifest that names another run's object does not remove that."""
    folder = volumes.claim()
    (folder / "file").write_text("text")
    volumes.run()
    (first,) = volumes.archives()
    volumes.run()
    (_, second) = volumes.archives()
    manifest = volumes.manifests()[0]
    manifest["archives"][0]["list_key"] = second.list_key
    key = min(volumes.keys("/manifest.json"))
    volumes.site.s3.client().put_object(Bucket=volumes.site.bucket, Key=key, Body=json.dumps(manifest).encode())
    report = volumes.run(last=1)
    assert "retention: 1 kept, 2 removed" in report.summary
    (third,) = volumes.archives()
    left = set(volumes.keys(".zst"))
    assert {third.data_key, third.list_key} <= left
    assert left - {third.data_key, third.list_key} == {first.list_key}  # its manifest named another one
    assert third.data_key != second.data_key


@pytest.mark.full
@pytest.mark.parametrize("site", [{"object_lock": True}], indirect=True, ids=["object-lock"])
@pytest.mark.parametrize("sums", ["when_supported", "when_required"])
def test_under_object_lock_an_archive_stays_and_is_reported(volumes: Volumes, sums: str) -> None:
    """The node gives each part a sum, which the store wants then; retention hides nothing behind delete markers."""
    folder = volumes.claim()
    (folder / "file").write_bytes(os.urandom(6 * sizes.MEGABYTE))
    with S3Proxy(volumes.site.s3.endpoint) as proxy:
        strict_stores.wants_sums(proxy)
        lock = {"object_lock": {"mode": "COMPLIANCE", "days": 1}, "checksums": sums}
        volumes.site.write(store=lock | {"endpoint": proxy.endpoint})
        volumes.run(last=1)
        report = volumes.run(last=1)
    assert "retention: 2 kept, 0 removed" in report.summary
    (first, second) = volumes.archives()
    locked = [
        *(key for one in (first, second) for key in (one.data_key, one.list_key)),
        *volumes.keys("/manifest.json"),
    ]
    assert len(locked) == 6
    for key in locked:
        until = volumes.site.s3.client().head_object(Bucket=volumes.site.bucket, Key=key)["ObjectLockRetainUntilDate"]
        assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(days=1)


@pytest.mark.full
def test_a_run_that_is_killed_while_a_node_copies_can_be_run_again(
    volumes: Volumes, prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it left belongs to no backup. It is removed when it is old enough."""
    folder = volumes.claim()
    (folder / "file").write_bytes(os.urandom(2**20))
    select = {"namespaces": [volumes.shop.name]}
    with S3Proxy(volumes.site.s3.endpoint) as proxy:
        volumes.through(proxy)
        proxy.on(method="PUT", path=r"\.tar\.zst$").hang()
        with run_apart(volumes.site, prefect_server, "volumes_backup", select=select, mode="apply") as run:
            wait_until(lambda: bool(proxy.seen(method="PUT", path=r"\.tar\.zst$")), LIMIT, "the node sends")
            run.kill()
        assert len(volumes.node.units()) == 1
        proxy.clear()
        report = volumes.run()
        assert report.summary[0].startswith("1 archive of ")
        (archive,) = volumes.archives()
        assert len(volumes.site.uploads()) == 2
        monkeypatch.setattr(expire, "_sweep_archives", _at_once(expire._sweep_archives))  # noqa: SLF001 - as if it were a day later
        report = volumes.run()
        assert any(one.endswith("2 objects of archives of interrupted runs removed") for one in report.summary)
        assert volumes.site.uploads() == []
        assert archive in volumes.archives()
        volumes.node.stop_jobs()


def _at_once(sweep: Callable[..., Any]) -> Callable[..., Any]:
    return lambda store, finished, _: sweep(store, finished, datetime.now(UTC))


@pytest.mark.full
def test_an_empty_folder_takes_not_the_place_of_an_archive_with_files(volumes: Volumes) -> None:
    """As that of a disk that is not mounted. Whatever the other claims have, the archive with files stays."""
    folder = volumes.claim()
    (folder / "file").write_text("before")
    volumes.run(last=1)
    (whole,) = volumes.archives()
    (folder / "file").unlink()
    with pytest.raises(Refused, match=r"is empty, and backup \S+ has files of it: its disk may not be mounted"):
        volumes.run(last=1)
    assert volumes.archives() == [whole]
    volumes.claim("logs")  # never had a file
    for _ in range(2):
        volumes.run(last=1, leave_out=True)
        assert whole in volumes.archives()
    assert {whole.data_key, whole.list_key} <= set(volumes.keys())
    (folder / "file").write_text("later")
    volumes.run(last=1)
    assert whole not in volumes.archives()
