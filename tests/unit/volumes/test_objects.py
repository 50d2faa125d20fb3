"""Objects as the API has them."""

from typing import Any

import pytest

from tasks.core.errors import NotYet
from tasks.volumes.models.facts import SnapshotClass, Volume
from tasks.volumes.probes.objects import (
    BEING_CREATED,
    bare,
    bare_claim,
    parse_claim,
    parse_class,
    parse_content,
    parse_snapshot,
    parse_volume,
)
from tasks.volumes.probes.workload import claims_of
from tests.facts.volumes import CLAIM, CONTENT, DRIVER, NOW, RUN, SNAPSHOT

LABELS = {"kube-runbooks.io/volumes-run": RUN}
AT = "2026-11-23T12:00:00Z"


def test_a_claim_is_read_with_its_volume() -> None:
    """A claim without a status has no phase."""
    raw: dict[str, Any] = {
        "metadata": {"namespace": "shop", "name": "data-db-0", "uid": "u1"},
        "spec": {"volumeName": "pv-1", "storageClassName": "disk", "volumeMode": "Filesystem"},
        "status": {"phase": "Bound", "capacity": {"storage": "10Gi"}},
    }
    assert parse_claim(raw) == CLAIM
    new = parse_claim({"metadata": raw["metadata"] | {"deletionTimestamp": AT}, "spec": {"volumeMode": "Block"}})
    assert (new.phase, new.volume, new.block, new.deleting) == ("", "", True, True)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"csi": {"driver": DRIVER, "volumeHandle": "vol-1"}, "accessModes": []}, (DRIVER, "vol-1", "csi", "")),
        ({"capacity": {}, "hostPath": {"path": "/data/"}}, ("", "", "hostPath", "/data")),
        ({"local": {"path": "//mnt/./a"}}, ("", "", "local", "/mnt/a")),
        ({}, ("", "", "unknown", "")),
    ],
)
def test_a_volume_says_what_kind_it_is(spec: dict[str, Any], expected: tuple[str, str, str, str]) -> None:
    """Only that of a CSI driver has a handle, and only a folder of a node a path."""
    name, handle, source, path = expected
    assert parse_volume({"metadata": {"name": "pv-1"}, "spec": spec}) == Volume(
        name="pv-1", driver=name, handle=handle, source=source, path=path
    )


def test_a_class_says_which_secrets_its_driver_gets() -> None:
    """Their names, never more."""
    raw: dict[str, Any] = {
        "metadata": {"name": "fast", "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"}},
        "driver": DRIVER,
        "deletionPolicy": "Retain",
        "parameters": {"csi.storage.k8s.io/snapshotter-secret-name": "login", "tier": "x"},
    }
    expected = SnapshotClass(name="fast", driver=DRIVER, policy="Retain", is_default=True, secrets=("login",))
    assert parse_class(raw) == expected
    raw["metadata"].pop("annotations")
    assert not parse_class(raw).is_default


def test_a_snapshot_is_seen_as_soon_as_a_controller_has_written_anything() -> None:
    """A finalizer is enough."""
    raw: dict[str, Any] = {
        "metadata": {
            "namespace": "shop",
            "name": SNAPSHOT.name,
            "uid": "s1",
            "labels": LABELS,
            "creationTimestamp": AT,
        },
        "spec": {"source": {"persistentVolumeClaimName": "data-db-0"}},
    }
    new = parse_snapshot(raw)
    assert (new.is_seen, new.is_ready, new.content, new.error) == (False, False, "", "")
    raw["metadata"]["finalizers"] = ["x"]
    assert parse_snapshot(raw).is_seen
    raw["status"] = {"boundVolumeSnapshotContentName": "snapcontent-s1", "readyToUse": True}
    assert parse_snapshot(raw) == SNAPSHOT
    raw["status"]["error"] = {"message": "busy"}
    assert parse_snapshot(raw).error == "busy"


def test_a_content_has_its_time_in_nanoseconds() -> None:
    """It is seen before its driver has answered: an annotation says that the driver was asked."""
    raw: dict[str, Any] = {
        "metadata": {
            "name": "snapcontent-s1",
            "labels": LABELS,
            "annotations": {"kube-runbooks.io/deletion-policy": "Delete"},
            "creationTimestamp": AT,
        },
        "spec": {
            "driver": DRIVER,
            "deletionPolicy": "Retain",
            "source": {"volumeHandle": "vol-1"},
            "volumeSnapshotRef": {"namespace": "shop", "name": SNAPSHOT.name, "uid": "s1"},
        },
    }
    new = parse_content(raw)
    assert (new.is_seen, new.cut_at, new.handle) == (False, None, "")
    asked = raw["metadata"] | {"annotations": {BEING_CREATED: "yes"}}
    assert parse_content(raw | {"metadata": asked}).is_seen
    nanoseconds = int(NOW.timestamp()) * 10**9
    status = {"snapshotHandle": "snap-1", "creationTime": nanoseconds, "restoreSize": 10 * 2**30, "readyToUse": True}
    assert parse_content(raw | {"status": status}) == CONTENT
    with pytest.raises(NotYet, match="VolumeSnapshotContent x could not be parsed"):
        parse_content({"metadata": {"name": "x"}})


def test_the_manifest_has_objects_as_people_write_them() -> None:
    """Without a status, a uid, and what kubectl remembers."""
    notes = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "shop"}
    raw: dict[str, Any] = {
        "metadata": {"name": "a", "namespace": "shop", "uid": "1", "annotations": notes, "labels": {}},
        "spec": {"x": 1},
        "status": {"phase": "Bound"},
    }
    assert bare(raw, "PersistentVolumeClaim") == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "a", "namespace": "shop", "annotations": {"team": "shop"}},
        "spec": {"x": 1},
    }
    assert bare({"metadata": {"name": "a"}}, "PersistentVolume")["metadata"] == {"name": "a"}


def test_a_workload_has_the_claims_that_it_names_and_those_of_its_templates() -> None:
    """A StatefulSet's claims stay when it gets smaller; those of another one with a longer name are not its own."""
    volumes = [{"name": "x", "persistentVolumeClaim": {"claimName": "shared"}}, {"name": "y", "emptyDir": {}}]
    raw: dict[str, Any] = {
        "metadata": {"name": "db"},
        "spec": {
            "template": {"spec": {"volumes": volumes}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        },
    }
    there = {"data-db-1", "data-db-0", "data-db-x", "data-dbs-0", "shared"}
    assert claims_of(raw, there) == ("shared", "data-db-0", "data-db-1")
    assert claims_of({"metadata": {"name": "db"}}, there) == ()


def test_a_claim_that_is_gone_is_recorded_as_the_plan_has_it() -> None:
    """A restore needs its access modes and its size. Another claim of its name is not taken for it."""
    planned = CLAIM.model_copy(update={"access_modes": ("ReadWriteOnce",)})
    raw: dict[str, Any] = {"metadata": {"namespace": "shop", "name": "data-db-0", "uid": "u1"}, "spec": {"x": 1}}
    assert bare_claim(planned, raw)["spec"] == {"x": 1}
    raw["metadata"]["uid"] = "u2"
    gone = bare_claim(planned, None)
    assert bare_claim(planned, raw) == gone
    assert gone["metadata"] == {"namespace": "shop", "name": "data-db-0"}
    assert gone["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "10Gi"}},
        "storageClassName": "disk",
        "volumeMode": "Filesystem",
        "volumeName": "pv-1",
    }
    assert bare_claim(planned.model_copy(update={"block": True}), None)["spec"]["volumeMode"] == "Block"
