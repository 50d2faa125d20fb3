"""What a restored archive becomes."""

from typing import Any

import pytest

from tasks.core.errors import Refused
from tasks.volumes.policy.beside import ARCHIVE, beside, target_of
from tests.facts.volumes import archive

SIZE = {"accessModes": ["ReadWriteOnce"], "storageClassName": "local"}
VOLUME: dict[str, Any] = {
    "kind": "PersistentVolume",
    "metadata": {"name": "pv-disk"},
    "spec": SIZE | {"capacity": {"storage": "1Gi"}, "local": {"path": "/mnt/disks/a"}, "claimRef": {"name": "logs"}},
}
CLAIM: dict[str, Any] = {
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "logs", "namespace": "shop"},
    "spec": SIZE | {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": "pv-disk"},
}


def test_the_new_ones_have_the_old_names_and_a_suffix() -> None:
    """The volume is kept when its claim is deleted, and waits for that very claim."""
    volume, claim = beside(archive(), [CLAIM, VOLUME], "logs-restored", "restored")
    assert target_of(archive(), "restored").path == volume["spec"]["local"]["path"] == "/mnt/disks/a-restored"
    assert volume["metadata"] == {"name": "pv-disk-restored", "annotations": {ARCHIVE: archive().data_key}}
    assert (volume["spec"]["capacity"], volume["spec"]["storageClassName"]) == ({"storage": "1Gi"}, "local")
    assert (volume["spec"]["claimRef"]["name"], claim["metadata"]["name"]) == ("logs-restored", "logs-restored")
    assert claim["spec"] == SIZE | {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": "pv-disk-restored"}
    (term,) = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == ["w1"]
    named, _ = beside(archive(), [CLAIM, VOLUME], "x", "restored", "/mnt/new")
    assert named["spec"]["local"] == {"path": "/mnt/new"}
    own: dict[str, Any] = {"required": {"nodeSelectorTerms": []}}
    placed = VOLUME | {"spec": VOLUME["spec"] | {"nodeAffinity": own}}
    assert beside(archive(), [placed, CLAIM], "x", "x")[0]["spec"]["nodeAffinity"] == own


@pytest.mark.parametrize("objects", [[], [VOLUME], [CLAIM]], ids=["neither", "volume", "claim"])
def test_a_manifest_without_the_objects_is_told(objects: list[dict[str, Any]]) -> None:
    """Nothing is made up."""
    with pytest.raises(Refused, match="the manifest does not have the PersistentVolume"):
        beside(archive(), objects, "x", "restored")
