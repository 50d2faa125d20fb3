"""What is wrong with a node after an act, what of the cluster is worse, and who is out."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks.node_work.models.health import Expected, NodeLook, Symptom
from tasks.node_work.policy.health import (
    ELSEWHERE,
    ETCD_ELSEWHERE,
    GATES,
    what_fails_already,
    what_is_new,
    what_is_old,
    what_is_wrong,
    what_others_lack,
)
from tasks.nodes.models.nodes import KubeNode, NodeFacts, StaticPod
from tasks.nodes.models.pods import Controller, Pod
from tasks.nodes.policy.standing import nodes_that_may_be_away

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONTAINERD = "containerd://2.1.4"
EXPECTED = Expected(kubelet="1.37.2", since=NOON, control_plane="1.37.2")
MACHINE = NodeFacts(
    name="cp1",
    boot_id="b1",
    active={"kubelet": True, "containerd": True},
    static_pods=tuple(
        StaticPod(name=name, image=f"registry.k8s.io/{name}:v1.37.2")
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    ),
    api_ready="200",
    api_version="1.37.2",
)
NODE = KubeNode(
    name="cp1", ready=True, heartbeat=NOON + timedelta(seconds=5), kubelet="1.37.2", boot_id="b1", runtime=CONTAINERD
)
DAEMON = Controller(kind="DaemonSet", api_version="apps/v1", name="net")
LOOK = NodeLook(
    machine=MACHINE,
    node=NODE,
    pods=(
        Pod(namespace="n", name="net", uid="1", controller=DAEMON),
        Pod(namespace="n", name="etcd-cp1", uid="2", mirror=True),
        Pod(namespace="n", name="web", uid="3", ready=False),
        Pod(namespace="n", name="old", uid="4", ready=False, phase="Failed", controller=DAEMON),
        *(
            Pod(namespace="kube-system", name=f"{one.name}-cp1", uid=one.name, mirror=True, running=(one.image,))
            for one in MACHINE.static_pods
        ),
    ),
    service_path={},
)


def machine(**changes: object) -> dict[str, object]:
    """Another machine."""
    return {"machine": MACHINE.model_copy(update=changes)}


def node(**changes: object) -> dict[str, object]:
    """Another node."""
    return {"node": NODE.model_copy(update=changes)}


def pod(**changes: object) -> dict[str, object]:
    """Another pod of a DaemonSet."""
    return {"pods": (LOOK.pods[0].model_copy(update=changes), *LOOK.pods[1:])}


def running(*images: str) -> dict[str, object]:
    """Other containers of the API server."""
    *others, api, manager, scheduler = LOOK.pods
    return {"pods": (*others, api.model_copy(update={"running": images}), manager, scheduler)}


def problems(look: NodeLook, expected: Expected) -> tuple[str, ...]:
    """Of what is wrong, in words."""
    return tuple(one.problem for one in what_is_wrong(look, expected))


def test_a_healthy_node_lacks_nothing() -> None:
    """A pod that is not ready and not the node's own is no fault of the node."""
    assert problems(LOOK, EXPECTED) == ()
    assert problems(LOOK, Expected(kubelet="1.37.2", since=NOON)) == ()
    by_digest = LOOK.model_copy(update=running("registry.k8s.io/kube-apiserver@sha256:0123"))
    assert problems(by_digest, EXPECTED) == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (machine(unreached="no route"), "not reached: no route"),
        (machine(active={"kubelet": False}), "kubelet does not run"),
        (machine(active={}), "whether kubelet runs is not known"),
        ({"runtime": "no container runtime listens"}, "no container runtime listens"),
        (machine(static_pods=MACHINE.static_pods[1:]), "there is no manifest of kube-apiserver"),
        (
            machine(static_pods=(StaticPod(name="kube-apiserver", image="x:v1.36.3"), *MACHINE.static_pods[1:])),
            "kube-apiserver is v1.36.3, not v1.37.2",
        ),
        (running(), "of kube-apiserver there runs nothing, not registry.k8s.io/kube-apiserver:v1.37.2"),
        (
            running("registry.k8s.io/kube-apiserver:v1.36.3"),
            "of kube-apiserver there runs v1.36.3, not registry.k8s.io/kube-apiserver:v1.37.2",
        ),
        (machine(api_ready="500"), "its API server's /readyz answers 500"),
        (machine(api_ready=""), "its API server's /readyz answers nothing"),
        (machine(api_version="1.36.3"), "its API server says v1.36.3, not v1.37.2"),
        ({"node": None}, "no Node object with this name"),
        (node(ready=False, ready_message="no CNI"), "not Ready: no CNI"),
        (node(kubelet="1.36.3"), "the API says kubelet v1.36.3, not v1.37.2"),
        (node(heartbeat=NOON), "no heartbeat since 12:00:00 UTC"),
        (node(heartbeat=None), "no heartbeat"),
        (node(pressures=("DiskPressure",)), "it has DiskPressure"),
        (pod(ready=False), "pod n/net is not ready"),
        (pod(ready=False, controller=None, mirror=True), "pod n/net is not ready"),
        (pod(ready=False, controller=None, mirror=True, phase="Failed"), "pod n/net is not ready"),
        ({"service_path": {"kube-dns": "no DNS"}}, "no DNS"),
        ({"etcd": "etcd member cp1: no answer"}, "etcd member cp1: no answer"),
        ({"etcd_elsewhere": "etcd member cp2: no answer"}, "etcd member cp2: no answer"),
        ({"gates": ("latency: 3 s",)}, "latency: 3 s"),
    ],
)
def test_each_thing_that_is_wrong_is_told(changes: dict[str, object], told: str) -> None:
    """And nothing else."""
    assert problems(LOOK.model_copy(update=changes), EXPECTED) == (told,)


def test_a_reboot_is_another_boot_for_node_and_api() -> None:
    """Both have to say so."""
    rebooted = EXPECTED.model_copy(update={"boot_id": "b1"})
    assert problems(LOOK, rebooted) == ("it has not booted since", "the API knows no newer boot")
    after = LOOK.model_copy(update=machine(boot_id="b2") | node(boot_id="b2"))
    assert problems(after, rebooted) == ()
    silent = LOOK.model_copy(update=machine(boot_id="") | node(boot_id=""))
    assert problems(silent, rebooted) == ("whether it has booted since is not known", "the API knows no newer boot")
    other = LOOK.model_copy(update=machine(boot_id="b3") | node(boot_id="b2"))
    assert problems(other, rebooted) == ("the API reports another boot than the node itself",)
    away = LOOK.model_copy(update=machine(unreached="no route", boot_id="") | node(boot_id="b2"))
    assert problems(away, rebooted) == ("not reached: no route",)


def test_nodes_that_may_be_away_any_moment() -> None:
    """Not Ready, or cordoned by others; a cordon of our own does not count."""
    nodes = [
        NODE,
        NODE.model_copy(update={"name": "cp2", "ready": False, "ready_message": "gone"}),
        NODE.model_copy(update={"name": "cp3", "cordoned": True}),
        NODE.model_copy(update={"name": "cp4", "cordoned": True}),
    ]
    assert nodes_that_may_be_away(nodes, ours=["cp4"]) == {"cp2": "not Ready: gone", "cp3": "cordoned"}


def test_the_other_api_servers_have_to_go_on() -> None:
    """Those that are out anyway do not count; without any there is downtime, which has to be wanted."""
    other = MACHINE.model_copy(update={"name": "cp2", "api_ready": "500"})
    assert what_others_lack([MACHINE, other], (), allow_downtime=False) == ["the API server of cp2 answers 500"]
    assert what_others_lack([MACHINE, other], ("cp2",), allow_downtime=False) == []
    assert "--allow-downtime" in what_others_lack([other], ("cp2",), allow_downtime=False)[0]
    assert what_others_lack([], (), allow_downtime=True) == []


# --- what failed before the act


def test_a_runtime_of_another_name_is_no_fault() -> None:
    """Its unit is whatever it is called: the one that the kubelet asks has to be there."""
    active = {"kubelet": True, "containerd": False, "crio": False, "docker": False}
    for runtime in ("containerd://2.1.4-k3s1", "cri-o://1.36.0", "docker://28.0.1", ""):
        assert problems(LOOK.model_copy(update=machine(active=active) | node(runtime=runtime)), EXPECTED) == ()


def test_what_is_elsewhere_keeps_no_node_cordoned() -> None:
    """Another member of etcd, a site's gate: for a node that is only given back they are told; its own member is its own."""
    look = LOOK.model_copy(update={"etcd_elsewhere": "cp2: no answer", "gates": ("gate storage: 3",)})
    found = what_fails_already(look, of_node_alone=True)
    assert [(one.of, one.grave) for one in found] == [(ETCD_ELSEWHERE, False), (GATES, False)]
    assert what_is_new(found, ELSEWHERE) == ()
    assert all(one.grave for one in what_fails_already(look))
    (own,) = what_fails_already(LOOK.model_copy(update={"etcd": "cp1: no answer"}), of_node_alone=True)
    assert (own.of, own.grave) == ("etcd", True)


SICK = LOOK.model_copy(
    update=machine(kubelet="1.37.3")
    | node(pressures=("DiskPressure",))
    | pod(ready=False)
    | {"service_path": {"kube-dns": "no DNS"}, "runtime": "no runtime listens"}
)


def test_what_fails_before_the_act_is_no_news_after_it() -> None:
    """Whatever new name a DaemonSet's pod has; what is new is told, also where a part of it failed before."""
    before = [one.of for one in what_fails_already(SICK)]
    assert before == ["container runtime", "kubelet v1.37.3", "DiskPressure", "DaemonSet n/net", "Service kube-dns"]
    expected = Expected(kubelet="1.37.3", since=NOON, control_plane="1.37.2", promised=False)
    after = SICK.model_copy(update=pod(ready=False, name="another", uid="9"))
    assert what_is_new(what_is_wrong(after, expected), before) == ()
    assert what_is_old(what_is_wrong(after, expected), before) == (
        "no runtime listens",
        "the API says kubelet v1.37.2, not v1.37.3",
        "it has DiskPressure",
        "pod n/another is not ready",
        "no DNS",
    )
    worse = after.model_copy(update={"service_path": {"kube-dns": "no DNS", "kubernetes": "no API"}})
    assert what_is_new(what_is_wrong(worse, expected), before) == ("no API",)
    assert what_is_new(what_is_wrong(after, expected), ()) == what_is_old(what_is_wrong(after, expected), before)


@pytest.mark.parametrize(
    "changes",
    [
        machine(unreached="no route"),
        machine(active={"kubelet": False, "containerd": True}),
        machine(api_ready="500"),
        {"node": None},
        node(ready=False),
        node(heartbeat=None),
        {"etcd": "no answer"},
        {"gates": ("latency",)},
    ],
)
def test_what_is_grave_is_never_left_so(changes: dict[str, object]) -> None:
    """Also where it was so before: the plan refuses it."""
    ill = LOOK.model_copy(update=changes)
    (found,) = what_fails_already(ill)
    assert found.grave
    assert what_is_new([found], [found.of]) == (found.problem,)


@pytest.mark.parametrize(
    ("changes", "of"),
    [
        (machine(static_pods=MACHINE.static_pods[:2]), "kube-scheduler v1.37.2"),
        (machine(api_version="1.37.1"), "API server v1.37.2"),
        (node(kubelet="1.37.1"), "kubelet v1.37.2"),
    ],
)
def test_versions_that_an_act_promises_have_to_be_there(changes: dict[str, object], of: str) -> None:
    """For an act that promises none it is enough that they are no worse."""
    look = LOOK.model_copy(update=changes)
    as_it_was = EXPECTED.model_copy(update={"promised": False})
    assert [(one.of, one.grave) for one in what_is_wrong(look, EXPECTED)] == [(of, True)]
    assert what_is_wrong(look, as_it_was) == (
        Symptom(of=of, problem=what_is_wrong(look, EXPECTED)[0].problem, grave=False),
    )
    assert what_is_new(what_is_wrong(look, as_it_was), [of]) == ()


@pytest.mark.parametrize("name", ["kube-scheduler", "kube-controller-manager"])
def test_a_static_pod_that_the_act_replaces_has_to_be_ready(name: str) -> None:
    """The old one was not: that excuses no new one that is not. After a reboot, which replaces none, it does."""
    own = Pod(namespace="kube-system", name=f"{name}-cp1", uid="9", mirror=True, ready=False)
    vip = Pod(namespace="kube-system", name="kube-vip-cp1", uid="8", mirror=True, ready=False)
    others = tuple(one for one in LOOK.pods if one.id != own.id)
    image = next(one.image for one in MACHINE.static_pods if one.name == name)
    look = LOOK.model_copy(update={"pods": (*others, own.model_copy(update={"running": (image,)}), vip)})
    before = {one.of for one in what_fails_already(look) if not one.grave}
    assert before == {f"static pod {own.id}", f"static pod {vip.id}"}
    assert what_is_new(what_is_wrong(look, EXPECTED), before) == (f"pod {own.id} is not ready",)
    as_it_was = EXPECTED.model_copy(update={"promised": False})
    assert what_is_new(what_is_wrong(look, as_it_was), before) == ()
