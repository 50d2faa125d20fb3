"""Claims, volumes, classes, pods and workloads as the API has them."""

from typing import Any

import pytest

from tasks.core.errors import Refused
from tasks.nodes.probes.pods import parse_pod
from tasks.volumes_restore.models.facts import REPLICAS, RESTORE
from tasks.volumes_restore.models.options import ClaimsToRestore, VolumeRestoreOptions
from tasks.volumes_restore.policy.plan import plan_volume_restore
from tasks.volumes_restore.probes.objects import (
    SELECTED_NODE,
    claim_body,
    new_claim,
    parse_disk,
    parse_disk_class,
    parse_journal,
    parse_live,
    parse_template,
    whole_of,
)
from tasks.volumes_restore.probes.users import controller_of, parse_scaled, users_of
from tests.facts.volumes_restore import JOURNAL, TEMPLATE, facts

CLAIM: dict[str, Any] = {
    "metadata": {
        "name": "data-db-0",
        "namespace": "shop",
        "uid": "u1",
        "labels": {"app": "db", RESTORE: "m"},
        "annotations": {SELECTED_NODE: "w1", "pv.kubernetes.io/bind-completed": "yes", "team": "shop"},
        "ownerReferences": [{"kind": "StatefulSet", "name": "db", "uid": "o1"}],
    },
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "volumeName": "pv-1",
        "storageClassName": "disk",
        "volumeMode": "Block",
        "volumeAttributesClassName": "gold",
        "resources": {"requests": {"storage": "10Gi"}},
    },
    "status": {"phase": "Bound"},
}
VOLUME: dict[str, Any] = {
    "metadata": {"name": "pv-1", "annotations": {}},
    "spec": {"csi": {"driver": "disk.example", "volumeHandle": "vol-1"}, "capacity": {"storage": "10Gi"}},
}


def test_a_claim_is_read_without_what_belongs_to_its_old_volume() -> None:
    """Its node is kept apart; our own mark is none of its labels."""
    live = parse_live(CLAIM, VOLUME)
    assert (live.uid, live.phase, live.mark, live.volume, live.volume_handle) == ("u1", "Bound", "m", "pv-1", "vol-1")
    template = parse_template(CLAIM)
    assert (template.labels, template.annotations, template.node) == ({"app": "db"}, {"team": "shop"}, "w1")
    assert (template.block, template.attributes_class, template.request) == (True, "gold", "10Gi")
    assert parse_live(CLAIM, None).volume_handle == ""
    assert parse_disk({"metadata": {"name": "pv-2"}, "spec": {"nfs": {}}}).handle == ""


def test_only_a_claim_in_the_old_place_has_its_labels_and_owners() -> None:
    """Beside it, a chart would take the new claim for its own."""
    template = parse_template(CLAIM)
    body = claim_body(("shop", "data-db-0"), template, {"volumeName": "pv-2"}, whole_of(template))
    assert body["metadata"]["labels"] == {"app": "db"}
    assert body["metadata"]["ownerReferences"][0]["uid"] == "o1"
    assert body["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "volumeMode": "Block",
        "volumeAttributesClassName": "gold",
        "volumeName": "pv-2",
    }
    other = claim_body(("shop", "copy"), TEMPLATE, {}, {"labels": {RESTORE: "m"}})
    assert other["metadata"] == {"namespace": "shop", "name": "copy", "labels": {RESTORE: "m"}}
    assert other["spec"]["volumeMode"] == "Filesystem"
    assert "ownerReferences" not in whole_of(TEMPLATE)


def test_a_new_claim_names_its_snapshot_and_its_node() -> None:
    """The node only if its class waits for pods."""
    (target,) = plan_volume_restore(facts(), VolumeRestoreOptions()).snapshots
    body = new_claim(target, "b")
    assert body["spec"]["dataSource"]["name"] == target.source.snapshot
    assert body["metadata"]["annotations"] == {RESTORE: "b"}
    waits = new_claim(target.model_copy(update={"node": "w1"}), "b")
    assert waits["metadata"]["annotations"] == {RESTORE: "b", SELECTED_NODE: "w1"}


def test_a_journal_is_read_back_and_a_broken_one_stops_the_run() -> None:
    """A volume without one has none. What cannot be read may be a switch that was interrupted."""
    noted = VOLUME | {"metadata": {"name": "pv-2", "annotations": {RESTORE: JOURNAL.model_dump_json()}}}
    assert parse_journal(noted) == JOURNAL
    assert parse_journal(VOLUME | {"metadata": {"name": "pv-2"}}) is None
    for text in ("", "{", "{}"):
        with pytest.raises(Refused, match="of the volume pv-2 cannot be read"):
            parse_journal(VOLUME | {"metadata": {"name": "pv-2", "annotations": {RESTORE: text}}})


def test_a_class_says_whether_its_volumes_wait_for_pods() -> None:
    """And whether it is the default."""
    note = {"storageclass.kubernetes.io/is-default-class": "true"}
    raw = {"metadata": {"name": "disk", "annotations": note}, "provisioner": "disk.example"}
    found = parse_disk_class(raw | {"volumeBindingMode": "WaitForFirstConsumer"})
    assert (found.name, found.provisioner, found.waits, found.is_default) == ("disk", "disk.example", True, True)
    assert not parse_disk_class(raw).waits


def test_a_pod_uses_the_claims_of_its_volumes_until_it_has_ended() -> None:
    """A generic ephemeral volume has a claim of its own."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "controller": True}
    volumes = [
        {"name": "a", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "b", "ephemeral": {}},
        {"name": "c", "emptyDir": {}},
    ]
    raw = {
        "metadata": {
            "namespace": "shop",
            "name": "web-1-x",
            "uid": "p1",
            "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x"}, owner],
        },
        "spec": {"nodeName": "w1", "volumes": volumes},
        "status": {"phase": "Running"},
    }
    pod = parse_pod(raw)
    assert (pod.every_claim, pod.node, pod.is_finished) == (("data", "web-1-x-b"), "w1", False)
    assert pod.controller is not None
    assert (pod.controller.kind, pod.controller.name) == ("ReplicaSet", "web-1")
    over = parse_pod(raw | {"status": {"phase": "Succeeded"}})
    assert users_of([pod, over], ["data"]) == (pod,)
    assert users_of([pod], ["other"]) == ()
    assert controller_of({"metadata": {"name": "web-1"}}) is None


def test_a_stopped_workload_says_how_many_replicas_it_had() -> None:
    """A note that is no number stops the run: nobody would start the workload again."""
    raw: dict[str, Any] = {
        "metadata": {"name": "db", "uid": "w1", "resourceVersion": "7", "annotations": {REPLICAS: "3"}},
        "spec": {"replicas": 0, "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}},
    }
    found = parse_scaled(raw)
    assert (found.uid, found.version, found.replicas, found.recorded, found.when_scaled) == (
        "w1",
        "7",
        0,
        3,
        "Delete",
    )
    assert found.wanted == 3
    raw["spec"]["replicas"] = 5  # somebody has started it, and the note is of a restore that nobody finished
    assert parse_scaled(raw).wanted == 5
    raw["metadata"]["annotations"][REPLICAS] = "many"
    with pytest.raises(Refused, match="'many', which is no number"):
        parse_scaled(raw)
    del raw["metadata"]["annotations"]
    assert parse_scaled(raw).recorded is None
    assert parse_scaled(raw | {"spec": {"replicas": 0}}).wanted == 0


def test_a_selection_is_all_claims_or_some() -> None:
    """In words for people."""
    everything = ClaimsToRestore()
    assert (everything.has("shop", "data"), everything.in_words) == (True, "all claims")
    some = ClaimsToRestore(claims=("shop/data",), namespaces=("ops",))
    assert (some.has("shop", "data"), some.has("ops", "x"), some.has("shop", "x")) == (True, True, False)
    assert some.in_words == "claims shop/data and all claims in ops"
