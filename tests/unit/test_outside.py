"""Answers of other programs that have another form: a value or a sentence, and never an exception of Python."""

import base64
import copy
import json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.ca_rotation.models import Half
from tasks.ca_rotation.probes import api as ca_api
from tasks.cert_rotation.probes import serving_requests
from tasks.clients.kube import Answer, KubeClient, KubeServer, KubeUser
from tasks.clients.prometheus import values_of
from tasks.control_plane.probes import look as control_plane
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.outside import name_of
from tasks.core.probes import static_pods
from tasks.core.probes.kubeconfig import parse_kubeconfig
from tasks.drain.policy.evictions import judge_eviction
from tasks.gates.policy import what_condition_says
from tasks.node_work.probes import controllers
from tasks.node_work.proof import find_services
from tasks.nodes.policy.references import references_of
from tasks.nodes.probes import api_facts
from tasks.nodes.probes.owners import notes_of
from tasks.nodes.probes.pods import parse_attachment, parse_budget, parse_pod, parse_volume
from tasks.restore.probes.recovery import pulse_of
from tasks.run.leases import parse_lease
from tasks.run.reports import find_report
from tasks.upgrade.probes.manifests import shape_of
from tasks.workloads.models.names import Kind, Ref
from tasks.workloads.policy.templates import differences as template_differences
from tasks.workloads.policy.templates import images_of
from tasks.workloads.probes import parsing as rollouts
from tasks.workloads.probes import targets as rollout_targets

REMOVED = object()
OTHERS: tuple[object, ...] = (REMOVED, None, 0, -1, 1.5, True, "", "x", [], [None], ["x"], {}, {"a": None}, {"name": 7})

META = {"name": "cp1", "namespace": "n", "labels": {"a": "b"}, "annotations": {"c": "d"}, "generation": 2}
NODE = {
    "metadata": META,
    "spec": {"unschedulable": True, "taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "198.18.0.11"}],
        "nodeInfo": {"kubeletVersion": "v1.36.3", "bootID": "b0"},
        "conditions": [
            {"type": "Ready", "status": "False", "message": "m", "lastHeartbeatTime": "2026-11-24T12:00:00Z"}
        ],
    },
}
LEASE = {"metadata": {"name": "cp1"}, "spec": {"renewTime": "2026-11-24T12:00:30.123456Z"}}
CONTROLLER = {
    "metadata": META,
    "spec": {
        "replicas": 3,
        "paused": False,
        "template": {"spec": {"containers": [{"image": "i"}]}},
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
    },
    "status": {
        "observedGeneration": 2,
        "availableReplicas": 2,
        "readyReplicas": 2,
        "updatedReplicas": 2,
        "desiredNumberScheduled": 3,
        "numberReady": 2,
        "updatedNumberScheduled": 1,
        "conditions": [{"type": "Progressing", "reason": "r"}],
    },
}
SERVICE = {"metadata": META, "status": {"conditions": [{"type": "Available", "status": "False", "reason": "r"}]}}
HOOKS = {"webhooks": [{"name": "h", "failurePolicy": "Fail", "clientConfig": {"service": META}}]}
SLICE = {
    "metadata": {"namespace": "n", "labels": {"kubernetes.io/service-name": "s"}},
    "endpoints": [{"nodeName": "w1", "conditions": {"ready": True}}],
}
POD = {
    "metadata": META,
    "status": {
        "phase": "Pending",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}],
        "initContainerStatuses": [{"state": {"running": {"startedAt": "x"}}}],
    },
}
CONFIG_MAP = {"metadata": META, "data": {"ClusterConfiguration": "etcd: {local: {imageTag: t}}", "kubelet": "a: true"}}
PAGE = {"metadata": {"continue": "", "resourceVersion": "1"}, "items": [{"a": 1}]}
VECTOR = {
    "status": "success",
    "data": {"resultType": "vector", "result": [{"metric": {"job": "a"}, "value": [1764000000.5, "1"]}]},
}
SCALAR = {"status": "success", "data": {"resultType": "scalar", "result": [1764000000.5, "3"]}}
KUBECONFIG = {
    "current-context": "a@k",
    "contexts": [{"name": "a@k", "context": {"cluster": "k", "user": "a"}}],
    "clusters": [{"name": "k", "cluster": {"server": "https://h:6443", "certificate-authority-data": "YQ=="}}],
    "users": [{"name": "a", "user": {"token": "t"}}],
}

TERM = {"matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}], "matchFields": None}
WHOLE_POD = {
    "metadata": {
        **META,
        "uid": "u",
        "deletionTimestamp": "2026-11-24T12:00:00Z",
        "ownerReferences": [{"kind": "ReplicaSet", "apiVersion": "apps/v1", "name": "r", "controller": True}],
        "finalizers": ["f"],
    },
    "spec": {
        "nodeName": "w1",
        "containers": [{"image": "i", "command": ["x", "--config=y"], "args": ["z"]}],
        "volumes": [
            {"name": "a", "emptyDir": {}, "ephemeral": {}},
            {"name": "b", "persistentVolumeClaim": {"claimName": "c"}},
            {"name": "p", "projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}]}},
        ],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [TERM]}}},
        "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute"}],
        "terminationGracePeriodSeconds": 2**63 - 1,
    },
    "status": {
        "phase": "Running",
        "startTime": "2026-11-24T12:00:00Z",
        "containerStatuses": [{"image": "i", "state": {"running": {}}}],
    },
}
BUDGET = {
    "metadata": META,
    "spec": {"selector": {"matchLabels": {"a": "b"}, **TERM}, "minAvailable": "50%", "maxUnavailable": 1},
    "status": {
        "disruptionsAllowed": 1,
        "observedGeneration": 2,
        "conditions": [{"type": "DisruptionAllowed", "reason": "SyncFailed", "message": "m"}],
    },
}
VOLUME = {
    "metadata": META,
    "spec": {
        "claimRef": {"namespace": "n", "name": "c"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [TERM]}},
    },
}
ATTACHMENT = {
    "metadata": META,
    "spec": {"nodeName": "w1", "attacher": "csi", "source": {"persistentVolumeName": "pv"}},
}
EVICTED = {
    "status": "Failure",
    "message": "m",
    "code": 429,
    "details": {"retryAfterSeconds": 5, "causes": [{"reason": "DisruptionBudget", "message": "m"}]},
}
HELD = {
    "kind": "Lease",
    "metadata": META,
    "spec": {
        "holderIdentity": "run",
        "acquireTime": "a",
        "renewTime": "r",
        "leaseTransitions": 1,
        "leaseDurationSeconds": 30,
    },
}
REQUEST = {
    "metadata": META,
    "spec": {
        "signerName": "kubernetes.io/kubelet-serving",
        "username": "u",
        "groups": ["g"],
        "usages": ["server auth"],
        "request": "YQ==",
    },
    "status": {"conditions": [], "certificate": ""},
}
KUBE_SERVICE = {
    "metadata": META,
    "spec": {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "externalIPs": ["1.2.3.4"], "externalName": "e"},
    "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4", "hostname": "h"}]}},
}
KUBEADM = {
    "controlPlaneEndpoint": "api.example.org:6443",
    "networking": {"dnsDomain": "cluster.local", "serviceSubnet": "10.96.0.0/12"},
    "apiServer": {"certSANs": ["a.example.org"]},
}
INFO = {"clusters": [{"name": "", "cluster": {"server": "s", "certificate-authority-data": "YQ=="}}]}
ROOT = {
    "metadata": {
        "namespace": "n",
        "name": "r",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{"time": "2026-01-02T00:00:00Z"}],
    },
    "data": {"ca.crt": ""},
}
TOKEN = {"metadata": META, "data": {"token": "YS5iLmM="}}
MANIFEST = {
    "kind": "Pod",
    "metadata": {"annotations": {"a": "b"}, "labels": {"c": "d"}},
    "spec": {
        "containers": [
            {
                "name": "etcd",
                "image": "i",
                "command": ["etcd", "--data-dir=/d"],
                "args": ["--name=x"],
                "env": [{"name": "e", "value": "v"}],
                "volumeMounts": [{"name": "d", "mountPath": "/d", "subPath": "s"}],
            }
        ],
        "volumes": [{"name": "d", "hostPath": {"path": "/h"}}],
    },
}
HALF = Half(id="a", public_key="ab" * 32)


def kubernetes(told: Any) -> object:  # noqa: ANN401
    """What an upgrade takes of the Service of the API."""
    return find_services(client(lambda: Answer(200, told if isinstance(told, dict) else {"text": str(told)})))


def manifest(told: Any) -> object:  # noqa: ANN401
    """All that is read from a static pod's manifest; what does not fit is a `ValueError` for whoever compares manifests."""
    text = json.dumps(told)
    with suppress(ValueError):
        shape_of("etcd", text)
    return (static_pods.flags_of(text), static_pods.host_path_of(text, PurePosixPath("/d"))), (
        static_pods.image_of(text),
        static_pods.place_on_host(text, "/d/x"),
    )


def client(answer: Callable[[], Answer]) -> KubeClient:
    """Of an API that gives one answer."""
    found = KubeClient([KubeServer("api", lambda: pytest.fail("nobody connects"))], lambda: KubeUser(b""))
    found.send = lambda *_, **__: answer()  # type: ignore[method-assign]
    return found


def listed(told: Any) -> object:  # noqa: ANN401 - anything, that is the point
    """What a list gives for a page."""
    return client(lambda: Answer(200, told if isinstance(told, dict) else {"text": str(told)})).items("/api/v1/pods")


OWNED: dict[str, Any] = {
    **META,
    "uid": "u",
    "labels": {"pod-template-hash": "h", "controller-revision-hash": "h"},
    "annotations": {"deployment.kubernetes.io/revision": "2"},
    "creationTimestamp": "2026-12-01T12:00:00Z",
    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "X", "name": "x", "uid": "u", "controller": True}],
    "managedFields": [{"manager": "m", "time": "2026-12-01T12:00:00Z", "fieldsV1": {"f:spec": {"f:template": {}}}}],
}
ROLLED: dict[str, Any] = {
    "metadata": OWNED,
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "containers": [
                    {
                        "name": "c",
                        "image": "i",
                        "env": [{"name": "n", "valueFrom": {"configMapKeyRef": {"name": "m"}}}],
                        "envFrom": [{"secretRef": {"name": "s"}}],
                    }
                ],
                "volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "m"}}]}}],
                "imagePullSecrets": [{"name": "p"}],
            },
        },
    },
    "status": {"observedGeneration": 2, "conditions": [{"type": "ReplicaFailure", "status": "True", "message": "m"}]},
}
CONTROLLER_REVISION = {"metadata": OWNED, "revision": 3, "data": {"spec": {"template": ROLLED["spec"]["template"]}}}
ROLLED_POD = {
    "metadata": OWNED,
    "spec": {"containers": [{"name": "c", "image": "i"}]},
    "status": {
        "phase": "Running",
        "conditions": [{"type": "PodScheduled", "status": "False", "message": "m"}],
        "containerStatuses": [
            {
                "name": "c",
                "restartCount": 2,
                "state": {"waiting": {"reason": "r", "message": "m"}},
                "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}},
            }
        ],
    },
}
EVENT = {
    "metadata": {"name": "e", "namespace": "n"},
    "involvedObject": {"uid": "u", "fieldPath": "spec.containers{c}"},
    "reason": "r",
    "lastTimestamp": "2026-12-01T12:00:00Z",
    "series": {"count": 2, "lastObservedTime": "2026-12-01T12:00:00Z"},
}
SCALER = {"metadata": {"name": "h"}, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "cp1"}}}
WEB = Ref(namespace="n", kind=Kind.DEPLOYMENT, name="cp1")
AGENT = Ref(namespace="n", kind=Kind.DAEMON_SET, name="cp1")


def template(told: Any) -> object:  # noqa: ANN401 - anything, that is the point
    """All that is read from the template of a workload."""
    found = rollout_targets.template_of(told)
    return (
        rollout_targets.containers_of(found),
        rollout_targets.labels_of(found),
        rollout_targets.trial_pod(told),
        references_of(found),
        images_of(found),
        template_differences(found, {}),
    )


PARSERS: dict[str, tuple[object, Callable[[Any], object]]] = {
    "node": (NODE, lambda told: api_facts.parse_nodes([told], [LEASE])),
    "lease": (LEASE, lambda told: api_facts.parse_nodes([NODE], [told])),
    "lease of one node": (LEASE, lambda told: api_facts.parse_node(NODE, told)),
    "deployment": (CONTROLLER, lambda told: api_facts.parse_workload("Deployment", told)),
    "stateful set": (CONTROLLER, lambda told: api_facts.parse_workload("StatefulSet", told)),
    "daemon set": (CONTROLLER, lambda told: api_facts.parse_workload("DaemonSet", told)),
    "API service": (SERVICE, lambda told: api_facts.unavailable_apis([told])),
    "gate": (SERVICE, lambda told: what_condition_says(told, "/apis/x", "Available")),
    "webhooks": (HOOKS, lambda told: api_facts.parse_webhooks([told], {"n/cp1": ["w1"]})),
    "slice": (SLICE, lambda told: api_facts.nodes_of_services([told])),
    "pod": (POD, lambda told: api_facts.not_ready([told])),
    "kubeadm": (CONFIG_MAP, lambda told: api_facts.with_etcd_tag(api_facts.cluster_configuration(told), "x")),
    "kubelet": (CONFIG_MAP, lambda told: api_facts.kubelet_setting(told, "a")),
    "page": (PAGE, listed),
    "vector": (VECTOR, lambda told: values_of(told, "http://p")),
    "scalar": (SCALAR, lambda told: values_of(told, "http://p")),
    "whole pod": (WHOLE_POD, parse_pod),
    "budget": (BUDGET, parse_budget),
    "volume": (VOLUME, parse_volume),
    "attachment": (ATTACHMENT, parse_attachment),
    "eviction": (EVICTED, lambda told: judge_eviction(201, told, None, 0)),
    "lock": (HELD, parse_lease),
    "leader": (HELD, lambda told: (controllers.holder_of(told), controllers.seconds_of(told))),
    "pulse": (NODE, lambda told: pulse_of([told], [])),
    "pulse of a lease": (HELD, lambda told: pulse_of([], [told])),
    "instance": (WHOLE_POD, lambda told: controllers.parse_instances("w1", [told])),
    "request": (REQUEST, lambda told: serving_requests.parse_requests([told])),
    "service": (KUBE_SERVICE, lambda told: serving_requests.parse_identities({}, [NODE], [told], KUBEADM, {})),
    "kubeadm's names": (KUBEADM, lambda told: serving_requests.parse_identities({}, [], [], told, {})),
    "API": ({"spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]}}, kubernetes),
    "cluster-info": (INFO, lambda told: ca_api.with_authorities({"data": {"kubeconfig": json.dumps(told)}}, b"")),
    "trust of who joins": (INFO, lambda told: ca_api.cluster_info_of({"data": {"kubeconfig": json.dumps(told)}})),
    "root": (ROOT, lambda told: (ca_api.root_cas_of([told]), ca_api.changed_at([told]))),
    "given pod": (WHOLE_POD, lambda told: list(ca_api.pods_before([told], {"n": datetime.now(UTC)}))),
    "token": (TOKEN, lambda told: list(ca_api.tokens_of_others([told], HALF))),
    "manifest": (MANIFEST, manifest),
    "rolled deployment": (ROLLED, lambda told: rollouts.parse_workload(WEB, told, [ROLLED], [ROLLED_POD], [EVENT])),
    "rolled daemon set": (ROLLED, lambda told: rollouts.parse_workload(AGENT, told, [CONTROLLER_REVISION], [], [])),
    "replica set": (ROLLED, lambda told: rollouts.parse_workload(WEB, ROLLED, [told], [ROLLED_POD], [])),
    "revision": (CONTROLLER_REVISION, lambda told: rollouts.parse_history(Kind.DAEMON_SET, ROLLED, [told])),
    "revision of a deployment": (ROLLED, lambda told: rollouts.parse_history(Kind.DEPLOYMENT, ROLLED, [told])),
    "pod of a rollout": (ROLLED_POD, lambda told: rollouts.parse_workload(WEB, ROLLED, [ROLLED], [told], [EVENT])),
    "event": (EVENT, lambda told: rollouts.parse_events([told])),
    "template": (ROLLED, template),
    "owner": (ROLLED, lambda told: (notes_of(told), rollouts.parse_writers(told))),
    "mark": (ROLLED, rollout_targets.parse_mark),
    "scaler": (SCALER, lambda told: rollout_targets.scaler_of(WEB, [told])),
    "kubeconfig": (KUBECONFIG, lambda told: parse_kubeconfig(json.dumps(told), "kubernetes.kubeconfig")),
}


def places(told: object, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Paths to all parts of an answer, the whole among them."""
    yield place
    parts = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for name, part in parts:
        yield from places(part, (*place, name))


def changed(told: object, place: tuple[str | int, ...], other: object) -> object:
    """The answer with something else in that place."""
    if not place:
        return None if other is REMOVED else other
    made = copy.deepcopy(told)
    inner: Any = made
    for name in place[:-1]:
        inner = inner[name]
    if other is REMOVED:
        del inner[place[-1]]
    else:
        inner[place[-1]] = other
    return made


def is_a_value_or_a_sentence(parse: Callable[[Any], object], told: object) -> None:
    """Anything else than an error of ours fails the test by itself."""
    with suppress(RunbookError):
        parse(copy.deepcopy(told))


@pytest.mark.parametrize("name", PARSERS)
def test_an_answer_with_anything_else_in_any_place_is_a_value_or_a_sentence(name: str) -> None:
    """Each part of a recorded answer removed, null, or of another type."""
    told, parse = PARSERS[name]
    parse(copy.deepcopy(told))
    for place in places(told):
        for other in OTHERS:
            is_a_value_or_a_sentence(parse, changed(told, place, other))


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_an_answer_with_two_wrong_parts_is_a_value_or_a_sentence(data: st.DataObject) -> None:
    """The second one in what the first one left."""
    told, parse = PARSERS[data.draw(st.sampled_from(sorted(PARSERS)))]
    for _ in range(2):
        place = data.draw(st.sampled_from(list(places(told))))
        told = changed(told, place, data.draw(st.sampled_from(OTHERS)))
    is_a_value_or_a_sentence(parse, told)


@pytest.mark.parametrize("null", ["spec", "status"])
def test_null_is_as_good_as_nothing(null: str) -> None:
    """Go writes what is empty so: a node that has just registered, a controller that nobody has looked at yet."""
    node = {"metadata": {"name": "new", "labels": None, "annotations": None}, null: None}
    assert api_facts.parse_node(node, {"metadata": {"name": "new"}, "spec": None}).ready is False
    controller = {"metadata": {"namespace": "n", "name": "x"}, null: None}
    assert api_facts.parse_workload("Deployment", controller).ready == 0
    assert api_facts.not_ready([{"metadata": {"namespace": "n", "name": "p"}, null: None}]) == ("n/p (unknown)",)
    assert listed({"metadata": None, "items": None}) == []
    assert api_facts.nodes_of_services([{"metadata": {"namespace": "n"}, "endpoints": None}]) == {"n/None": []}
    assert api_facts.parse_webhooks([{"webhooks": None}], {}) == ()
    assert api_facts.cluster_configuration({"data": None}) == {}


def test_a_sentence_names_the_object_and_the_fields() -> None:
    """The first few of them, and what to look at."""
    wrong = {"metadata": {"name": "w1"}, "status": {"addresses": [{}] * 5}}
    with pytest.raises(
        NotYet, match="node w1 could not be parsed: status.addresses.0.address: Field required; "
    ) as caught:
        api_facts.parse_node(wrong, None)
    assert caught.value.problem.endswith("; and 2 more")
    assert "check what answers there" in caught.value.hint
    with pytest.raises(NotYet, match="pod n/p could not be parsed: status: "):
        api_facts.not_ready([{"metadata": {"namespace": "n", "name": "p"}, "status": "Running"}])
    with pytest.raises(NotYet, match="ConfigMap kube-system/kubeadm-config: ClusterConfiguration is not YAML: "):
        api_facts.cluster_configuration(
            {
                "metadata": {"namespace": "kube-system", "name": "kubeadm-config"},
                "data": {"ClusterConfiguration": "a: ["},
            }
        )
    with pytest.raises(NotYet, match="the answer to GET /api/v1/pods could not be parsed: items: "):
        listed({"items": "many"})
    assert name_of("pod", 7) == name_of("pod", {"metadata": []}) == "pod (without a name)"


def test_what_is_no_list_is_not_an_empty_one() -> None:
    """A proxy's page with status 200, say; nor does a list that always names the same next page go on for ever."""
    with pytest.raises(NotYet, match="GET /api/v1/pods: the answer is no list"):
        listed({"text": "<html>please log in</html>"})
    with pytest.raises(NotYet, match="GET /api/v1/pods: the answer does not go on"):
        listed({"metadata": {"continue": "x"}, "items": []})


def test_a_condition_without_a_message_says_its_status() -> None:
    """Rather than that there is no condition."""
    node = {"metadata": {"name": "w1"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    assert api_facts.parse_node(node, None).ready_message == "its condition Ready is Unknown"


@pytest.mark.parametrize("kind", ["matrix", "string"])
def test_a_query_that_gives_no_values_is_refused_with_what_to_write(kind: str) -> None:
    """A range, for example."""
    with pytest.raises(Refused, match=f"the query gives a {kind}, and a gate needs a vector or a scalar") as caught:
        values_of({"status": "success", "data": {"resultType": kind, "result": []}}, "http://p")
    assert "without a range" in caught.value.hint


def test_values_of_prometheus_are_numbers_whatever_they_are() -> None:
    """It writes them as text; a histogram is none."""
    samples = [{"metric": {"a": text}, "value": [1, text]} for text in ("+Inf", "NaN", "1e3")]
    found = values_of({"status": "success", "data": {"resultType": "vector", "result": samples}}, "http://p")
    assert found["a=+Inf"] == math.inf
    assert math.isnan(found["a=NaN"])
    assert found["a=1e3"] == 1000
    with pytest.raises(NotYet, match="the answer of Prometheus at http://p could not be parsed: result.0.value: Field"):
        values_of(
            {"status": "success", "data": {"resultType": "vector", "result": [{"histogram": [1, {}]}]}}, "http://p"
        )
    with pytest.raises(Refused, match="Prometheus at http://p: out of memory -> correct the query"):
        values_of({"status": "error", "error": "out of memory", "data": None}, "http://p")


def test_garbage_in_a_record_of_a_restore_is_a_sentence() -> None:
    """With the path and what to do: as good as no record is no answer, for a restore may be unfinished."""
    for garbage in (b"", b"{", b"[]", b'{"id": 7}', b"\xff"):
        told = f"record {base64.b64encode(garbage).decode()}\n".encode()
        with pytest.raises(Refused, match=r"cp1: .*/record.json cannot be read as the record of a restore") as caught:
            control_plane.parse("cp1", told)
        assert "copy theirs" in caught.value.hint


class Kept:
    """A store with one report that this version does not understand."""

    def key(self, *parts: str) -> str:
        """Of a place."""
        return "/".join(parts)

    def uri(self, key: str) -> str:
        """For people."""
        return f"s3://b/{key}"

    def objects(self, prefix: str) -> list[SimpleNamespace]:
        """The one."""
        return [SimpleNamespace(key=f"{prefix}20261124T120000Z-run.json")]

    def get(self, key: str) -> bytes:
        """Of another version."""
        del key
        return b'{"runbook": "x", "a_field_of_later": 1}'


def test_a_report_of_another_version_is_passed_over_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """It neither ends a run nor a hook."""
    store: Any = Kept()
    assert find_report(store, "k", "x", "run") is None
    assert "s3://b/k/reports/x/20261124T120000Z-run.json is passed over: it could not be parsed" in caplog.text
