"""What kubeadm would take away of kube-proxy and CoreDNS, as a plan tells it; against the real kubeadm in tests/component."""

import base64
from typing import Any

import pytest
import yaml

from tasks.upgrade.models.manifests import Addons, PodShape, StaticManifest
from tasks.upgrade.policy.addons import what_addons_lack
from tasks.upgrade.probes.addons import OBJECTS, compared, instead_of, written_by
from tests.facts.upgrade import NEW, cluster, kube_proxy, upgraded, workload
from tests.facts.upgrade_plan import plan
from tests.unit.upgrade.test_addons import COREDNS, STAGED

CONFIG, PROXY, DNS, SERVICE = OBJECTS
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"k8s-app": "kube-proxy"}, "annotations": {"kubectl.kubernetes.io/restartedAt": "now"}},
    "spec": {"containers": [{"name": "kube-proxy", "command": ["/usr/local/bin/kube-proxy", "--config=/c"]}]},
}


def cautions(*objects: StaticManifest, problem: str = "") -> list[tuple[str, str]]:
    """Of a plan."""
    found = plan(cluster(addons=Addons(objects=objects, problem=problem))).cautions
    return [(one.subject, str(one.problem)) for one in found]


def test_each_object_is_a_row() -> None:
    """What would be made is one as well, and what is not known."""
    mine, bare = PodShape(flags={"v": ("4",)}, rest={"resources": "1"}), PodShape(rest={"resources": "2"})
    assert cautions(
        StaticManifest(component="DaemonSet kube-proxy", found=mine, rendered=bare),
        StaticManifest(component="Deployment coredns", problem="403 forbidden"),
        StaticManifest(component="Service kube-dns", rendered=bare),
        StaticManifest(component="ConfigMap kube-proxy", found=mine),
        StaticManifest(component="ConfigMap kube-proxy"),
        StaticManifest(component="ConfigMap kube-proxy", found=mine, rendered=mine),
    ) == [
        ("DaemonSet kube-proxy", "kubeadm removes --v=4, its own resources"),
        ("Deployment coredns", "what kubeadm removes of it is not known: 403 forbidden"),
        ("Service kube-dns", "it is not there, and kubeadm makes it: its ConfigMap is there"),
    ]
    (caution,) = plan(
        cluster(addons=Addons(objects=(StaticManifest(component="DaemonSet kube-proxy", rendered=bare),)))
    ).cautions
    assert "delete ConfigMap kube-proxy of kube-system" in caution.next_step


def test_what_could_not_be_rendered_is_a_caution_of_the_last_control_plane_node_alone() -> None:
    """kubeadm writes them with that one."""
    told = "kubeadm could not render the objects of kube-proxy and CoreDNS: cp1: no kubeadm"
    assert cautions(problem="cp1: no kubeadm") == [("addons", told)]
    facts = cluster(addons=Addons(problem="x"))
    assert "addons" not in [one.subject for one in plan(facts, nodes=("cp1",)).cautions]
    done = ("cp1", "cp2", "cp3")
    workers = cluster(
        machines=upgraded(*done),
        nodes=upgraded(*done),
        addons=Addons(problem="x"),
        api={"kubeadm_version": NEW, "workloads": (kube_proxy(NEW),)},
    )
    assert "addons" not in [one.subject for one in plan(workers).cautions]


def test_what_kubeadm_prints_between_its_objects_is_none_of_them() -> None:
    """It tells of its patches, and leaves a line end out."""
    printed = (
        "[patches] Reading patches\n---apiVersion: v1\nkind: Service\nmetadata: {name: kube-dns}\n---\n\n---\n- 1\n"
    )
    lines = f"addon coredns {base64.b64encode(printed.encode()).decode()}\n"
    assert list(written_by(lines.encode())) == [("Service", "kube-dns")]
    broken = base64.b64encode(b"a: b: c").decode()
    with pytest.raises(ValueError, match="what kubeadm prints of coredns is no YAML"):
        written_by(f"addon coredns {broken}\n".encode())


def test_kubeadm_keeps_the_number_of_replicas() -> None:
    """And nothing of another object."""
    found = {"kind": "Deployment", "metadata": {"resourceVersion": "7"}, "spec": {"replicas": 5}}
    body = instead_of(found, {"metadata": {"name": "coredns"}, "spec": {"replicas": 2, "paused": False}})
    assert (body["spec"], body["metadata"]) == (
        {"replicas": 5, "paused": False},
        {"name": "coredns", "resourceVersion": "7"},
    )
    assert instead_of({"kind": "Service"}, {"spec": {"a": 1}})["spec"] == {"a": 1}


def test_objects_are_compared_by_what_people_write() -> None:
    """Not by what kubectl and controllers note down; of a configuration field by field."""
    noted = {"deprecated.daemonset.template.generation": "3"}
    found = {
        "metadata": {"labels": {"a": "1"}, "annotations": noted},
        "spec": {"template": TEMPLATE, "updateStrategy": {"type": "OnDelete"}},
    }
    seen = compared(PROXY, found, None)
    assert seen.found
    assert seen.found.flags == {"config": ("/c",)}
    assert set(seen.found.rest) == {"label k8s-app", "metadata.labels.a", "spec.updateStrategy"}
    data = {
        "config.conf": yaml.safe_dump({"mode": "ipvs", "ipvs": {"strictARP": True}}),
        "kubeconfig.conf": "a: 1",
        "note": "a: b: c",
    }
    config = compared(CONFIG, {"data": data}, {"data": {}})
    assert config.found
    assert config.rendered
    assert (config.found.settings, set(config.found.rest)) == (
        {"mode": "ipvs", "ipvs.strictARP": "true"},
        {"data.kubeconfig.conf", "data.note"},
    )
    assert config.rendered.settings == {}
    service = compared(SERVICE, {"spec": {"sessionAffinity": "ClientIP", "selector": {}}}, None)
    assert service.found
    assert set(service.found.rest) == {"spec.sessionAffinity"}


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (CONFIG, {"data": {"config.conf": "a: b: c"}}),
        (CONFIG, {"data": {"config.conf": "[]"}}),
        (DNS, {"spec": {"template": {"spec": {"containers": []}, "metadata": {}}}}),
    ],
)
def test_an_object_that_is_not_understood_is_a_problem(one: Any, found: dict[str, Any]) -> None:  # noqa: ANN401
    """It is not one that loses nothing."""
    assert compared(one, found, None).problem


def test_an_addon_that_kubeadm_leaves_alone_is_nobodys_unfinished_work() -> None:
    """Somebody else installs kube-proxy: its ConfigMap is another one. Its version keeps no upgrade from its end."""
    alone = Addons(objects=(StaticManifest(component="DaemonSet kube-proxy", found=PodShape()),))
    done = upgraded("cp1", "cp2", "cp3", "w1", "w2")
    workloads = (workload("kube-system/coredns"), kube_proxy("1.30.0"))
    facts = cluster(
        machines=done, nodes=done, addons=alone, api={"kubeadm_version": NEW, "workloads": workloads, "version": NEW}
    )
    planned = plan(facts)
    assert (planned.nodes, planned.addons, planned.addons_left_alone) == (
        (),
        ("kube-system/coredns",),
        ("kube-system/kube-proxy",),
    )
    assert plan(facts.model_copy(update={"addons": Addons()})).nodes
    assert what_addons_lack(planned, STAGED, f"v{NEW}", (COREDNS, kube_proxy("1.30.0"))) is None


def test_an_addon_that_is_gone_afterwards_is_missed() -> None:
    """It was there before."""
    planned = plan(cluster())
    assert planned.addons == ("kube-system/coredns", "kube-system/kube-proxy")
    dns = workload("kube-system/coredns", "registry.k8s.io/coredns/coredns:v1.14.6")
    assert str(what_addons_lack(planned, STAGED, f"v{NEW}", (dns,))) == "kube-system/kube-proxy is not there any more"
    assert what_addons_lack(planned, STAGED, f"v{NEW}", (dns, kube_proxy(NEW))) is None
