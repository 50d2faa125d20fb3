"""What the API answers, read: nodes with their leases, workloads, webhooks, deprecated APIs, kubeadm's configuration."""

from typing import Any

import pytest

from tasks.nodes.probes import api_facts

NODE: dict[str, Any] = {
    "metadata": {"name": "cp1", "labels": {"node-role.kubernetes.io/control-plane": ""}, "annotations": {"a": "b"}},
    "spec": {"unschedulable": True, "taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "198.18.0.11"}],
        "nodeInfo": {"kubeletVersion": "v1.36.3", "bootID": "b0"},
        "conditions": [
            {"type": "DiskPressure", "status": "True"},
            {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-11-24T12:00:00Z"},
        ],
    },
}
LEASE = {"metadata": {"name": "cp1"}, "spec": {"renewTime": "2026-11-24T12:00:30.123456Z"}}


def test_a_node_is_as_fresh_as_its_lease() -> None:
    """The later of lease and condition is its heartbeat."""
    [node] = api_facts.parse_nodes([NODE], [LEASE])
    assert (node.name, node.ready, node.cordoned, node.control_plane) == ("cp1", True, True, True)
    assert (node.kubelet, node.boot_id, node.pressures) == ("1.36.3", "b0", ("DiskPressure",))
    assert node.heartbeat
    assert f"{node.heartbeat:%H:%M:%S}" == "12:00:30"
    assert node.taints == ("k=v:NoSchedule",)


def test_a_node_without_anything_is_not_ready() -> None:
    """It has just registered."""
    node = api_facts.parse_node({"metadata": {"name": "new"}}, None)
    assert (node.ready, node.ready_message, node.heartbeat) == (False, "it has no condition Ready", None)


@pytest.mark.parametrize(
    ("kind", "item", "figures"),
    [
        ("Deployment", {"spec": {"replicas": 3}, "status": {"availableReplicas": 2}}, (3, 2)),
        ("Deployment", {"spec": {}, "status": {}}, (1, 0)),
        ("StatefulSet", {"spec": {"replicas": 0}, "status": {"readyReplicas": None}}, (0, 0)),
        ("DaemonSet", {"spec": {}, "status": {"desiredNumberScheduled": 5, "numberReady": 4}}, (5, 4)),
    ],
)
def test_a_workload_has_pods_wanted_and_ready(kind: str, item: dict[str, Any], figures: tuple[int, int]) -> None:
    """Each kind has its own names for them."""
    workload = api_facts.parse_workload(kind, {"metadata": {"namespace": "n", "name": "x"}, **item})
    assert (workload.desired, workload.ready) == figures
    assert workload.name == "n/x"


@pytest.mark.parametrize(
    ("status", "rolled_out"),
    [
        ({"observedGeneration": 2, "updatedNumberScheduled": 5}, True),
        ({"observedGeneration": 2, "updatedNumberScheduled": 4}, False),
        ({"observedGeneration": 1, "updatedNumberScheduled": 5}, False),
        ({"observedGeneration": 2}, False),
    ],
)
def test_pods_that_are_ready_may_be_of_an_older_template(status: dict[str, int], *, rolled_out: bool) -> None:
    """All five are ready each time; the controller may not even have seen the newest one."""
    item = {
        "metadata": {"namespace": "n", "name": "x", "generation": 2},
        "status": {"desiredNumberScheduled": 5, "numberReady": 5, **status},
    }
    assert api_facts.parse_workload("DaemonSet", item).rolled_out is rolled_out


def test_an_api_that_is_not_available_is_named_with_the_reason() -> None:
    """Also one that nobody has judged. Others are not."""
    services = [
        {"metadata": {"name": name}, "status": {"conditions": [{"type": "Available", "status": status} | more]}}
        for name, status, more in (
            ("v1.apps", "True", {}),
            ("v1beta1.metrics.k8s.io", "False", {"reason": "MissingEndpoints", "message": "none"}),
        )
    ]
    services.append({"metadata": {"name": "v1.new"}, "status": {"conditions": []}})
    assert api_facts.unavailable_apis(services) == {
        "v1beta1.metrics.k8s.io": "MissingEndpoints: none",
        "v1.new": "it has no condition Available",
    }


def test_a_webhook_that_stops_requests_has_the_nodes_of_its_pods() -> None:
    """Those that ignore failures do not matter; one by URL has no pods."""
    slices = [
        {
            "metadata": {"namespace": "n", "labels": {"kubernetes.io/service-name": "hook"}},
            "endpoints": [
                {"nodeName": "w2", "conditions": {"ready": True}},
                {"nodeName": "w1"},
                {"nodeName": "w3", "conditions": {"ready": False}},
            ],
        }
    ]
    hooks = [
        {"name": "a", "clientConfig": {"service": {"namespace": "n", "name": "hook"}}},
        {"name": "b", "failurePolicy": "Ignore", "clientConfig": {"url": "https://x"}},
        {"name": "c", "failurePolicy": "Fail", "clientConfig": {"url": "https://y"}},
    ]
    found = api_facts.parse_webhooks([{"webhooks": hooks}, {}], api_facts.nodes_of_services(slices))
    assert [(one.name, one.service, one.backends) for one in found] == [
        ("a", "n/hook", ("w1", "w2")),
        ("c", "https://y", ()),
    ]


def test_deprecated_apis_that_a_release_removes() -> None:
    """Asked for at least once; without a release in sight they are no reason to stop."""
    metrics = """\
# TYPE apiserver_requested_deprecated_apis gauge
apiserver_requested_deprecated_apis{group="g",removed_release="1.38",resource="r",version="v1beta1"} 1
apiserver_requested_deprecated_apis{group="",removed_release="1.37",resource="e",version="v1"} 1
apiserver_requested_deprecated_apis{group="g",removed_release="",resource="s",version="v1"} 1
apiserver_requested_deprecated_apis{group="g",removed_release="1.38",resource="t",version="v1"} 0
"""
    assert api_facts.parse_deprecated(metrics) == {"g/v1beta1/r": "1.38", "core/v1/e": "1.37"}


def test_configurations_of_kubeadm_and_kubelet() -> None:
    """From their ConfigMaps; where there is none nothing is known."""
    kubeadm = {"data": {"ClusterConfiguration": "kubernetesVersion: v1.36.3\n"}}
    assert api_facts.cluster_configuration(kubeadm) == {"kubernetesVersion": "v1.36.3"}
    assert api_facts.cluster_configuration(None) == {}
    assert api_facts.cluster_configuration({"data": {"ClusterConfiguration": "- odd"}}) == {}
    kubelet = {"data": {"kubelet": "failCgroupV1: false\nfailSwapOn: 1\n"}}
    assert api_facts.kubelet_setting(kubelet, "failCgroupV1") is False
    assert api_facts.kubelet_setting(kubelet, "failSwapOn") is None
    assert api_facts.kubelet_setting(None, "failCgroupV1") is None
    assert api_facts.kubelet_setting({"data": {"kubelet": "[]"}}, "failCgroupV1") is None


def test_the_image_of_etcd_is_pinned_and_the_pin_taken_away() -> None:
    """Nothing else is changed; an external etcd has no image."""
    pinned = {"etcd": {"local": {"dataDir": "/d", "imageTag": "3.6.16-0"}}, "dns": {}}
    free = {"etcd": {"local": {"dataDir": "/d"}}, "dns": {}}
    assert api_facts.with_etcd_tag(pinned, "default") == free
    assert api_facts.with_etcd_tag(free, "3.6.16-0") == pinned
    assert api_facts.with_etcd_tag(pinned, "") == pinned
    assert api_facts.with_etcd_tag({"etcd": {"external": {}}}, "default") == {"etcd": {"external": {}}}
    assert api_facts.name_and_version("registry.k8s.io/etcd:3.7.0-0") == ("etcd", "3.7.0")
    assert api_facts.name_and_version("h:5000/kube-proxy:v1.37.2") == ("kube-proxy", "1.37.2")


def test_pods_that_are_not_ready_say_what_they_wait_for() -> None:
    """Those that have done their work, and those on their way out, are not meant."""

    def pod(name: str, **status: object) -> dict[str, Any]:
        return {"metadata": {"namespace": "n", "name": name}, "status": status}

    ready = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
    leaving = pod("leaving", phase="Running")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-24T12:00:00Z"
    waiting = [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}, {"state": {"running": {}}}]
    pods = [
        pod("fine", **ready),
        pod("done", phase="Succeeded"),
        pod("evicted", phase="Failed", reason="Evicted"),
        pod(
            "shutdown",
            phase="Failed",
            reason="Terminated",
            message="Pod was terminated in response to imminent node shutdown.",
        ),
        leaving,
        pod("new", phase="Pending"),
        pod("stuck", phase="Pending", containerStatuses=waiting),
        pod("odd"),
    ]
    assert api_facts.not_ready(pods) == ("n/new (Pending)", "n/odd (unknown)", "n/stuck (ImagePullBackOff)")


def words(spec: dict[str, Any]) -> set[str]:
    """Names and values of a specification."""
    inner = spec.get("updateStrategy", {})
    return {*spec, *map(str, inner.values())}


def controller(kind: str, spec: dict[str, Any], status: dict[str, Any]) -> str:
    """How far one with three pods is rolled out."""
    item = {"metadata": {"namespace": "n", "name": "a", "generation": 4}, "spec": {"replicas": 3} | spec}
    return api_facts.parse_workload(kind, item | {"status": {"observedGeneration": 4} | status}).rollout


@pytest.mark.parametrize(
    ("kind", "spec", "status", "told"),
    [
        ("Deployment", {}, {"updatedReplicas": 3}, ""),
        ("Deployment", {}, {"updatedReplicas": 1}, "1 of 3 pods are of its newest specification"),
        (
            "Deployment",
            {},
            {"updatedReplicas": 3, "observedGeneration": 3},
            "its newest specification is not taken up yet",
        ),
        ("Deployment", {"paused": True}, {"updatedReplicas": 1}, ""),
        ("Deployment", {}, {"updatedReplicas": 1, "conditions": [{"reason": "ProgressDeadlineExceeded"}]}, ""),
        ("StatefulSet", {}, {"updatedReplicas": 2}, "2 of 3 pods are of its newest specification"),
        ("StatefulSet", {"updateStrategy": {"rollingUpdate": {"partition": 1}}}, {"updatedReplicas": 2}, ""),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, {"updatedReplicas": 1}, ""),
        ("DaemonSet", {}, {"desiredNumberScheduled": 5, "updatedNumberScheduled": 4}, "4 of 5 pods are of its newest"),
        ("DaemonSet", {}, {"desiredNumberScheduled": 5, "updatedNumberScheduled": 5}, ""),
    ],
)
def test_a_workload_that_is_being_rolled_out_says_how_far(
    kind: str, spec: dict[str, Any], status: dict[str, Any], told: str
) -> None:
    """Not one that waits for a person, or that has given up."""
    said = controller(kind, spec, status)
    item = {"metadata": {"namespace": "n", "name": "a"}, "spec": spec}
    assert api_facts.parse_workload(kind, item).by_hand is bool({"paused": True, "OnDelete": 1}.keys() & words(spec))
    assert said.startswith(told)
    assert bool(said) == bool(told)
