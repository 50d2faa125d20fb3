"""`etcd_backup_to_s3` on a real cluster by each route, and with the control plane's key material."""

import io
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
import yaml

from tasks.backup.node_snapshots import etcd_tools
from tasks.backup.scripts.node_snapshot import input_of, prepare_node, take_snapshot
from tasks.clients.ssh import Job, run_job
from tasks.cluster import open_cluster
from tasks.core.errors import NotYet
from tasks.core.models.folders import BACKUPS
from tests.e2e.site import LabSite
from tests.facts.control_plane import ON_NODE

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(
    "route", ["node", *(pytest.param(one, marks=pytest.mark.full) for one in ("direct", "tunnel"))]
)
def test_a_backup_by_each_route_is_proven_by_a_drill(small: LabSite, route: str) -> None:
    """Restored with etcd's own programs, its key space is the live member's."""
    report = small.run("etcd_backup_to_s3", route=route, drill=True)
    assert report["outcome"] == "completed"
    snapshot = taken(report)
    assert snapshot["route"] == route
    drill = next(step["evidence"] for step in report["done"] if step["step"] == "restore drill")
    assert drill["restored_hash"] == drill["live_hash"] == snapshot["live_hash"]


@pytest.mark.full
def test_members_are_found_where_the_profile_does_not_name_them(small: LabSite) -> None:
    """On the nodes, in the manifests."""
    small.write_profile(etcd=None)
    report = small.run("etcd_backup_to_s3")
    assert report["outcome"] == "completed"
    assert taken(report)["member"] == "cp1"
    assert taken(report)["route"] == "tunnel"


def test_the_node_route_leaves_no_byte_and_no_key_on_the_node(small: LabSite) -> None:
    """The worker sees none of the bytes; neither key nor address of the store is in a file, an argument or a log there."""
    report = small.run("etcd_backup_to_s3", route="node")
    assert report["outcome"] == "completed"
    assert taken(report)["node"] == "cp1"
    machine = small.lab["cp1"]
    assert (
        machine.run("find /var/lib/kube-runbooks -name '*.db*' -o -name 'plain*' -o -name 'stored*' || true").split()
        == []
    )
    store = small.lab.services.store
    for secret in (store["secret_key"], store["access_key"], "X-Amz-Signature"):
        found = machine.run(
            f"grep -rlF -- '{secret}' /var/lib/kube-runbooks /run/kube-runbooks /var/log 2> /dev/null || true"
        )
        assert found.split() == []


def test_a_node_without_space_is_refused(small: LabSite) -> None:
    """Before anything is taken."""
    machine = small.lab["cp1"]
    with machine.full_disk("/var/lib/kube-runbooks"):
        refused = small.run("etcd_backup_to_s3", route="node")
    assert refused["outcome"] == "refused"
    assert "bytes free, a snapshot of" in refused["problem"]
    assert small.keys(f"{small.name}/etcd/") == small.uploads() == []


def test_a_snapshot_that_no_store_takes_leaves_nothing_on_the_node(small: LabSite) -> None:
    """The job says which part failed, and that it may be tried again; its files are gone."""
    handle = open_cluster(small.name)
    node = handle.node("cp1")
    script = take_snapshot("no-store", etcd_tools(handle, "cp1", "3.6"), ON_NODE, revision=0)
    node.run(prepare_node(), timeout=timedelta(minutes=1), sudo=True)
    nobody = input_of(["http://127.0.0.1:1/refuses"], b"")
    with pytest.raises(NotYet, match="part 1 was not taken in 5 tries"):
        run_job(node, Job("no-store", script, timedelta(minutes=5)), stdin=nobody)
    assert small.lab["cp1"].run(f"ls {BACKUPS}").split() == []


@pytest.mark.full
def test_key_material_is_for_its_recipients_only(small: LabSite, tmp_path: Path) -> None:
    """The archive has what kubeadm's own control plane cannot be rebuilt without; a cluster is known by its CA."""
    refused = small.run("etcd_backup_to_s3", pki=True)
    assert refused["outcome"] == "refused"
    assert "backup.recipients" in refused["problem"]
    identity = pyrage.x25519.Identity.generate()
    small.write_profile(backup={"recipients": [str(identity.to_public())]})
    report = small.run("etcd_backup_to_s3", pki=True)
    assert report["outcome"] == "completed"
    [sealed] = [key for key in small.keys(f"{small.name}/etcd/") if key.endswith("/pki.tar.age")]
    with tarfile.open(fileobj=io.BytesIO(pyrage.decrypt(small.read(sealed), [identity]))) as tar:
        tar.extractall(tmp_path, filter="data")
    for name in ("ca.crt", "ca.key", "sa.key", "sa.pub", "front-proxy-ca.key", "etcd/ca.key"):
        there = small.lab["cp1"].read(f"/etc/kubernetes/pki/{name}")
        assert (tmp_path / "etc/kubernetes/pki" / name).read_text() == there
    configuration = yaml.safe_load((tmp_path / "kubeadm-config.yaml").read_text())
    assert configuration["kind"] == "ClusterConfiguration"
    secret = small.lab["cp1"].read("/etc/kubernetes/pki/sa.key").splitlines()[1]
    assert all(secret.encode() not in small.read(key) for key in small.keys())  # noqa: SIM118 - a site is no dictionary


def taken(report: dict[str, Any]) -> dict[str, Any]:
    """What the snapshot's step says of it."""
    evidence: dict[str, Any] = next(step["evidence"] for step in report["done"] if step["step"] == "take snapshot")
    return evidence
