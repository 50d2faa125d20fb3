"""How far each node is: what was begun, what is left, and where etcd goes."""

import pytest

from tasks.upgrade.policy.scope import newest_installable
from tests.facts.upgrade import (
    CONTROL_PLANES,
    NEW,
    OLD,
    cluster,
    kube_proxy,
    machine,
    members,
    packages,
    static_pods,
    upgraded,
)
from tests.facts.upgrade_plan import APPLY, DONE, MOVE_LEADER, NODE, Facts, acts, changed, half, plan


def test_an_upgrade_that_was_stopped_between_nodes_is_gone_on_with() -> None:
    """Nodes that are done are skips, and nobody applies again."""
    planned = plan(
        cluster(
            machines=upgraded("cp1"), nodes=upgraded("cp1"), api={"kubeadm_version": NEW, "workloads": (kube_proxy(),)}
        )
    )
    assert acts(planned)[:2] == [("cp3", NODE), ("cp2", MOVE_LEADER)]
    assert [skip.subject for skip in planned.skips] == ["cp1"]
    assert planned.refusals == ()


@pytest.mark.parametrize(
    ("facts", "first"),
    [
        ({"machines": {"cp3": half()}}, ("cp3", APPLY)),
        ({"machines": {"cp3": half()}, "api": {"kubeadm_version": NEW}}, ("cp3", APPLY)),
        (
            {"machines": {"cp3": {"static_pods": static_pods(OLD), "kubelet": NEW}}},
            ("cp3", f"kubeadm upgrade apply v{NEW}, drain, restart kubelet (v{NEW} is installed)"),
        ),
        ({"machines": {"cp3": {"jobs": ("kubeadm-1-37-2-0a1b",)}}}, ("cp3", APPLY)),
        ({"nodes": {"cp3": {"cordoned": True, "annotations": {"kube-runbooks.io/cordoned-by": "r"}}}}, ("cp3", APPLY)),
        ({"machines": {"cp2": half()}}, ("cp2", f"move etcd's leadership away, {APPLY}")),
    ],
)
def test_a_node_that_was_begun_comes_first(facts: Facts, first: tuple[str, str]) -> None:
    """Also the leader; while no control plane node is through, the first one applies."""
    planned = plan(cluster(**facts))
    assert acts(planned)[0] == first
    assert "its upgrade is under way" in planned.steps[0].reason
    assert planned.nodes[0].begun
    assert [node.begun for node in planned.nodes[1:]] == [False] * 4
    assert planned.refusals == ()


@pytest.mark.parametrize("runs", [OLD, ""])
def test_a_kubelet_that_was_installed_and_not_restarted_is_planned_as_a_restart(runs: str) -> None:
    """Its process is what counts: as that says its version, else as the API has it."""
    planned = plan(cluster(machines={"w1": {"kubelet": NEW, "kubelet_runs": runs}}))
    step = next(step for step in planned.steps if step.subject == "w1")
    assert step.act == "wave 1: kubeadm upgrade node to v1.37.2, drain, restart kubelet (v1.37.2 is installed)"
    assert "kubelet v1.37.2 is installed, v1.36.3 still runs" in step.reason
    done = {"version": NEW} | {"kubelet_runs": NEW}
    skipped = plan(cluster(machines={"w1": done}, nodes=upgraded("w1")))
    assert [skip.subject for skip in skipped.skips] == ["w1"]
    stale = plan(cluster(machines={"w1": done | {"kubelet_runs": OLD}}, nodes=upgraded("w1")))
    assert "w1" in [step.subject for step in stale.steps]


@pytest.mark.parametrize(
    ("api", "act", "reason"),
    [
        ({"kubeadm_version": OLD}, f"kubeadm upgrade apply v{NEW}", "kubeadm-config is at v1.36.3"),
        ({"workloads": (kube_proxy(OLD),)}, f"kubeadm upgrade node to v{NEW}", "kube-proxy is at v1.36.3"),
    ],
)
def test_what_the_cluster_lacks_when_all_nodes_are_done(api: Facts, act: str, reason: str) -> None:
    """The last act of kubeadm was cut off: one control plane node does it again, without a drain."""
    planned = plan(changed(DONE, api=api))
    assert acts(planned) == [("cp1", act)]
    assert reason in planned.steps[0].reason
    assert planned.refusals == ()
    assert plan(changed(DONE, api=api), nodes=("w1",)).steps == ()


def test_the_newest_version_that_every_node_can_install() -> None:
    """Of kubeadm and kubelet; what one node does not have is not there."""
    all_of_them = [machine("w1"), machine("w2")]
    assert newest_installable(all_of_them) == {"1.37": "1.37.2"}
    fewer = packages(candidates={"kubeadm": ("1.37.2-1.1", "1.37.1-1.1"), "kubelet": ("1.37.1-1.1",)})
    assert newest_installable([*all_of_them, machine("w3", packages=fewer)]) == {"1.37": "1.37.1"}
    assert newest_installable([machine("w1", packages=packages(candidates={}))]) == {}
    assert newest_installable([]) == {}


def test_etcd_is_moved_first_by_a_run_with_the_current_version() -> None:
    """Without a drain: kubeadm moves it to the tag of its configuration. The next run has nothing to do."""
    old_pods = {name: {"static_pods": static_pods(etcd="3.6.8")} for name in CONTROL_PLANES}
    facts = cluster(machines=old_pods, etcd=members(version="3.6.8"), target=OLD)
    assert plan(facts, OLD).steps == ()
    planned = plan(facts, OLD, etcd_image_tag="3.6.16-0")
    assert acts(planned) == [
        ("kubeadm-config", "pin etcd.local.imageTag to 3.6.16-0"),
        ("cp1", "kubeadm upgrade apply v1.36.3"),
        ("cp3", "kubeadm upgrade node to v1.36.3"),
        ("cp2", "move etcd's leadership away, kubeadm upgrade node to v1.36.3"),
    ]
    assert (planned.refusals, planned.cautions) == ((), ())
    assert planned.steps[0].reason == "--etcd-image-tag; it was not pinned"
    assert "etcd 3.6.8 to 3.6.16" in planned.steps[1].reason
    pinned = {"etcd_image_tag": "3.6.16-0"}
    again = cluster(machines=old_pods, api=pinned, etcd=members(version="3.6.8"), target=OLD)
    assert acts(plan(again, OLD)) == acts(planned)[1:]
    assert plan(cluster(api=pinned), OLD, etcd_image_tag="3.6.16-0").steps == ()


def test_a_pin_is_taken_out_for_kubeadms_own_etcd() -> None:
    """Before the first node, or for a cluster that has its version already: then only etcd moves."""
    planned = plan(cluster(api={"etcd_image_tag": "3.6.16-0"}), etcd_image_tag="default")
    assert acts(planned)[:2] == [("kubeadm-config", "take etcd.local.imageTag out"), ("cp1", APPLY)]
    assert (planned.refusals, planned.cautions) == ((), ())
    assert planned.steps[0].reason == "--etcd-image-tag; it was 3.6.16-0"
    assert "etcd 3.6.16 to 3.7" in planned.steps[1].reason
    left = {name: {"static_pods": static_pods(NEW, "3.6.16")} for name in CONTROL_PLANES}
    facts = changed(DONE, machines=left, api={"etcd_image_tag": "3.6.16-0"})
    assert plan(facts).steps == ()
    assert acts(plan(facts, etcd_image_tag="default"))[1] == ("cp1", f"kubeadm upgrade apply v{NEW}")
