"""What of an object is not restored, because it would do harm in the cluster of now."""

from typing import Any

import pytest

from tasks.resources_restore.models import Key
from tasks.resources_restore.policy.prepare import (
    NO_DATA,
    RECLAIM,
    Around,
    Prepared,
    awaited,
    claim_of,
    handle_of,
    is_released,
    owners_of,
    prepare,
    without,
)
from tasks.resources_restore.policy.services import (
    allocate,
    claims_of,
    held_by,
    is_service,
    keep,
    without_claims,
)
from tests.facts.resources_restore import body, target

RBAC, ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
EXTENSIONS = "apiextensions.k8s.io"


def ready(kind: str, around: Around = Around(), *, group: str = "", source: str = "shop", **fields: Any) -> Prepared:  # noqa: ANN401, B008 - fields of an object; frozen
    """The object, prepared."""
    one = target(kind, group=group)
    if one.namespaced:
        one = one.model_copy(update={"source": source})
    return prepare(one, body(one, **fields), around)


def test_what_a_server_sets_is_dropped_and_the_rest_stays() -> None:
    """Also the status, and annotations of the cluster of then."""
    metadata = {
        "uid": "old",
        "resourceVersion": "7",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{}],
        "generateName": "x-",
        "labels": {"app": "web"},
        "annotations": {"deployment.kubernetes.io/revision": "4", "mine": "yes"},
        "finalizers": ["kubernetes.io/pvc-protection"],
    }
    found = ready("ConfigMap", metadata=metadata, data={"a": "b"}, status={"x": 1})
    assert found.body == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "settings",
            "namespace": "shop",
            "labels": {"app": "web"},
            "annotations": {"mine": "yes"},
        },
        "data": {"a": "b"},
    }
    assert found.notes == ()


def test_the_body_of_kubectl_apply_stays_unless_the_namespace_is_another() -> None:
    """It has the namespace in it."""
    notes = {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}
    assert "annotations" in ready("ConfigMap", metadata=notes).body["metadata"]
    assert "annotations" not in ready("ConfigMap", source="old", metadata=notes).body["metadata"]


def test_a_finalizer_of_a_controller_that_may_not_be_there_is_dropped_and_told() -> None:
    """Or else nobody could ever delete the object."""
    found = ready("ConfigMap", metadata={"finalizers": ["example.com/clean", "kubernetes.io/x"]})
    assert "finalizers" not in found.body["metadata"]
    assert found.notes == ("without the finalizers example.com/clean: their controller adds them again",)


def test_an_owner_gets_its_new_uid_or_is_told() -> None:
    """An owner of the same run comes later, so nothing is said of it. An owner may have no namespace."""
    owner = {"apiVersion": "shop.example/v1", "kind": "Widget", "name": "one", "uid": "old"}
    key = Key("shop.example", "Widget", "shop", "one")
    metadata = {"ownerReferences": [owner]}
    one = target()
    assert owners_of(body(one, metadata=metadata), one) == (key,)
    assert owners_of(body(one), one) == ()
    for live in (key, key._replace(namespace="")):
        found = ready("ConfigMap", Around(owners={live: "new"}), metadata=metadata)
        assert found.body["metadata"]["ownerReferences"] == [owner | {"uid": "new"}]
        assert awaited(body(one, metadata=metadata), found.body, one) == ()
        coming = ready("ConfigMap", Around(coming={live}), metadata=metadata)
        assert "ownerReferences" not in coming.body["metadata"]
        assert coming.notes == ()
        assert awaited(body(one, metadata=metadata), coming.body, one) == (key,)
    assert ready("ConfigMap", metadata=metadata).notes == (
        "without its owner Widget one, which is neither in the cluster nor in this run",
    )


def test_namespaces_and_accounts_lose_what_controllers_make() -> None:
    """Finalizers of a Namespace are in its spec."""
    assert ready("Namespace", spec={"finalizers": ["kubernetes"]}).body.get("spec") == {}
    assert "secrets" not in ready("ServiceAccount", secrets=[{"name": "token"}]).body


def test_a_pod_loses_its_node_and_its_token() -> None:
    """The mount goes with the volume."""
    token = {"name": "kube-api-access-x", "mountPath": "/token"}
    spec = {
        "nodeName": "w1",
        "priority": 0,
        "volumes": [{"name": "kube-api-access-x"}, {"name": "data"}],
        "containers": [{"name": "main", "volumeMounts": [token, {"name": "data"}]}, {"name": "side"}],
        "ephemeralContainers": [{"name": "debug"}],
    }
    assert ready("Pod", spec=spec).body["spec"] == {
        "volumes": [{"name": "data"}],
        "containers": [{"name": "main", "volumeMounts": [{"name": "data"}]}, {"name": "side", "volumeMounts": []}],
    }


def test_a_claim_keeps_its_volume_only_in_its_namespace() -> None:
    """A claim without its volume would be Pending, or get an empty one: both are told."""
    spec = {"volumeName": "pv-1"}
    notes = {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}
    kept = ready("PersistentVolumeClaim", Around(volumes={"pv-1"}), spec=spec, metadata=notes)
    assert (kept.body["spec"], kept.notes) == (spec, ())
    assert "annotations" not in kept.body["metadata"]
    (note,) = ready("PersistentVolumeClaim", spec=spec).notes
    assert note.endswith("the claim stays Pending")
    moved = ready("PersistentVolumeClaim", source="old", spec=spec)
    assert moved.body["spec"] == {}
    assert moved.notes[0].endswith("the claim gets a NEW, EMPTY volume")
    assert ready("PersistentVolumeClaim", spec={}).notes == ()


CSI = {"driver": "none.example", "volumeHandle": "v-1"}


def test_a_volume_is_retained_until_it_is_bound() -> None:
    """With Delete and an old claim it would be deleted with its data."""
    spec = {
        "csi": CSI,
        "persistentVolumeReclaimPolicy": "Delete",
        "claimRef": {"name": "data", "namespace": "shop", "uid": "old", "resourceVersion": "1"},
    }
    first = ready("PersistentVolume", spec=spec, metadata={"annotations": {"mine": "yes"}})
    assert first.body["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert first.body["spec"]["claimRef"] == {"name": "data", "namespace": "shop"}
    assert first.body["metadata"]["annotations"] == {"mine": "yes", RECLAIM: "Delete"}
    assert first.notes == ("with the reclaim policy Retain until it is bound, then Delete again", NO_DATA)
    second = ready("PersistentVolume", Around(bound={"settings"}), spec=spec)
    assert second.body["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    assert "annotations" not in second.body["metadata"]
    assert second.notes == ()
    free = {"csi": CSI, "persistentVolumeReclaimPolicy": "Delete"}
    assert ready("PersistentVolume", spec=free).body["spec"] == free


def test_a_volume_of_another_cluster_stays_retain() -> None:
    """Deleted here, it would be deleted there."""
    spec = {"persistentVolumeReclaimPolicy": "Delete", "claimRef": {"name": "data", "namespace": "shop"}}
    found = ready("PersistentVolume", Around(other="prod"), spec=spec)
    assert found.body["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert RECLAIM not in found.body["metadata"].get("annotations", {})
    assert found.notes[0].startswith("it names the volume of cluster prod, so it stays Retain")


@pytest.mark.parametrize(
    ("phase", "policy", "released"),
    [("Released", "Retain", True), ("Released", "Delete", False), ("Bound", "Retain", False)],
)
def test_a_volume_that_names_a_claim_that_is_gone_is_known(phase: str, policy: str, *, released: bool) -> None:
    """With Delete, the volume is going as well."""
    claim = {"namespace": "shop", "name": "data", "uid": "old"}
    volume = {"spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": claim}, "status": {"phase": phase}}
    assert is_released(volume) is released
    assert not is_released(None)
    assert claim_of(volume) == Key("", "PersistentVolumeClaim", "shop", "data")


def test_a_snapshot_is_imported_and_never_taken_again() -> None:
    """By its claim, the storage would take a new one under the old name."""
    group = "snapshot.storage.k8s.io"
    owner = {"name": "s", "namespace": "shop", "uid": "old"}
    spec = {"source": {"volumeHandle": "v"}, "deletionPolicy": "Delete", "volumeSnapshotRef": owner}
    content = target("VolumeSnapshotContent", group=group, namespaced=False, namespace="", source="")
    found = prepare(content, body(content, spec=spec, status={"snapshotHandle": "h"}), Around())
    assert found.body["spec"] == {
        "source": {"snapshotHandle": "h"},
        "deletionPolicy": "Retain",
        "volumeSnapshotRef": {"name": "s", "namespace": "shop"},
    }
    assert found.notes[0].startswith("with deletionPolicy Retain, and by its handle h")
    snapshot = target("VolumeSnapshot", group=group)
    asked = {"spec": {"source": {"persistentVolumeClaimName": "data"}}, "metadata": {"labels": {}}}
    bound = body(snapshot, **asked, status={"boundVolumeSnapshotContentName": "c"})
    imported = {"source": {"volumeSnapshotContentName": "c"}}
    assert prepare(snapshot, bound, Around()).body["spec"] == imported
    assert prepare(snapshot, bound, Around(), {"spec": imported}).body["spec"] == imported
    assert prepare(snapshot, bound, Around(), asked).body["spec"] == asked["spec"]
    assert prepare(snapshot, body(snapshot, **asked), Around()).problem.startswith("the storage had not taken it yet")
    moved = snapshot.model_copy(update={"source": "other"})
    assert prepare(moved, bound, Around()).problem == "it is a snapshot of a claim of other, and cannot move"


def test_a_volume_whose_handle_another_one_has_is_refused() -> None:
    """Its own name may have it. A volume without CSI has no handle."""
    spec = {"csi": CSI}
    assert handle_of({"spec": spec}) == "none.example/v-1"
    assert handle_of({"spec": {"hostPath": {}}}) == ""
    other = ready("PersistentVolume", Around(handles={"none.example/v-1": "pv-other"}), spec=spec)
    assert other.problem.startswith("the PersistentVolume pv-other has the same volume none.example/v-1")
    assert not ready("PersistentVolume", Around(handles={"none.example/v-1": "settings"}), spec=spec).problem
    assert not ready("PersistentVolume", spec=spec).problem


def test_a_job_gets_a_selector_of_its_own() -> None:
    """Unless a person made it."""
    labels = {"batch.kubernetes.io/controller-uid": "old", "app": "web"}
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}
    found = ready("Job", group="batch", spec=spec, metadata={"labels": labels}).body
    assert found["spec"] == {"template": {"metadata": {"labels": {"app": "web"}}}}
    assert found["metadata"]["labels"] == {"app": "web"}
    own = {"manualSelector": True, "selector": {"matchLabels": {"app": "web"}}, "template": {}}
    assert ready("Job", group="batch", spec=own).body["spec"] == own


def test_a_definition_keeps_the_live_versions_in_which_objects_are_stored() -> None:
    """And says nothing of those that it has itself."""
    spec = {"versions": [{"name": "v1", "storage": True}]}
    live = ({"name": "v1", "storage": False}, {"name": "v2", "storage": True})
    found = ready("CustomResourceDefinition", Around(stored={"settings": live}), group=EXTENSIONS, spec=spec)
    assert found.body["spec"]["versions"] == [{"name": "v1", "storage": True}, {"name": "v2", "storage": False}]
    assert found.notes == ("with the live version v2 as well, in which objects are stored",)
    assert ready("CustomResourceDefinition", group=EXTENSIONS, spec=spec).notes == ()


def test_a_definition_that_keeps_unknown_fields_says_so_in_its_schema() -> None:
    """v1 does not take the field."""
    found = ready(
        "CustomResourceDefinition", group=EXTENSIONS, spec={"preserveUnknownFields": True, "versions": [{"name": "v1"}]}
    )
    (version,) = found.body["spec"]["versions"]
    assert version["schema"]["openAPIV3Schema"] == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert found.notes


def test_a_webhook_of_the_old_api_gets_the_side_effects_that_the_new_one_takes() -> None:
    """Others stay as they are."""
    hooks = [{"name": "a", "sideEffects": "Some"}, {"name": "b", "sideEffects": "NoneOnDryRun"}]
    found = ready("ValidatingWebhookConfiguration", group=ADMISSION, webhooks=hooks)
    assert [one["sideEffects"] for one in found.body["webhooks"]] == ["None", "NoneOnDryRun"]
    assert found.notes == ("the webhook a with sideEffects None: the API takes nothing else",)


def test_a_role_that_collects_others_loses_what_it_collected() -> None:
    """All other roles keep their rules."""
    found = ready("ClusterRole", group=RBAC, aggregationRule={"clusterRoleSelectors": []}, rules=[{"verbs": ["get"]}])
    assert "rules" not in found.body
    assert ready("ClusterRole", group=RBAC, rules=[{"verbs": ["get"]}]).body["rules"] == [{"verbs": ["get"]}]


def test_a_binding_names_the_accounts_of_the_new_namespace() -> None:
    """Users have no namespace."""
    subjects = [{"kind": "ServiceAccount", "name": "ci", "namespace": "old"}, {"kind": "User", "name": "ada"}]
    found = ready("RoleBinding", Around(moved={"old": "new"}), group=RBAC, subjects=subjects)
    assert [one.get("namespace") for one in found.body["subjects"]] == ["new", None]
    assert found.notes == ("for the ServiceAccount new/ci instead of that in old",)


SERVICE = target("Service", "web")


def service(**spec: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of its spec
    """A Service."""
    return body(SERVICE, spec=spec)


def test_free_addresses_and_ports_are_kept_and_the_next_service_does_not_get_them() -> None:
    """The API server's dry run does not see two of one run."""
    port = {"port": 80, "nodePort": 30080}
    made = service(clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"], ports=[port], healthCheckNodePort=30081)
    assert is_service(SERVICE)
    assert not is_service(target())
    assert claims_of(made) == ("10.96.0.9", "nodePort 30080/TCP", "nodePort 30081/TCP")
    held: dict[str, str] = {}
    assert allocate(SERVICE, made, held) == (made, ())
    assert set(held.values()) == {"shop/web"}
    other = target("Service", "other")
    found, notes = allocate(other, made, held)
    assert found["spec"] == {"ports": [{"port": 80}]}
    assert notes == (
        "10.96.0.9 is of shop/web: shop/other gets another address",
        "nodePort 30080/TCP is of shop/web, nodePort 30081/TCP is of shop/web: shop/other gets other node ports",
    )
    assert held_by([made]) == held


def test_a_headless_service_stays_headless() -> None:
    """Its address is None."""
    headless = service(clusterIP="None", ports=[{"port": 80, "nodePort": 1}])
    assert claims_of(headless) == ("nodePort 1/TCP",)
    assert without_claims(headless)["spec"] == {"clusterIP": "None", "ports": [{"port": 80}]}
    assert without_claims(service(clusterIP="10.96.0.9"))["spec"] == {"ports": []}
    assert without(headless, ["ports"])["spec"] == {"clusterIP": "None"}


def test_a_live_service_keeps_its_address_and_its_ports_where_those_of_then_are_taken() -> None:
    """Nobody can change an address."""
    port = {"port": 80, "nodePort": 30080}
    made, live = service(clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"], ports=[port]), service(clusterIP="10.96.0.7")
    assert keep(SERVICE, made, made, {}) == (made, ())
    assert keep(SERVICE, service(), live, {}) == (service(), ())
    found, notes = keep(SERVICE, made, live, {"nodePort 30080/TCP": "shop/other", "10.96.0.7": "shop/web"})
    assert found["spec"] == {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.9"], "ports": [{"port": 80}]}
    assert notes == (
        "it keeps its address 10.96.0.7: the backup has 10.96.0.9",
        "nodePort 30080/TCP is of shop/other: shop/web keeps the node ports that it has",
    )


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_the_backup_itself_is_never_changed(kind: str) -> None:
    """A preparation makes a copy."""
    one = target(kind)
    was = body(one, metadata={"labels": {"a": "b"}}, data={"a": "b"})
    prepare(one, was, Around()).body["metadata"]["labels"]["a"] = "changed"
    assert was["metadata"]["labels"] == {"a": "b"}
