"""kubeadm's last act: what it leaves is of the target, rolled out, and Services answer as before."""

from tasks.core.models.findings import Problem
from tasks.nodes.models.workloads import Workload
from tasks.upgrade.models.upgrade import Staged, UpgradePlan
from tasks.upgrade.policy.addons import what_addons_lack, what_services_lost
from tests.facts.upgrade import NEW, OLD, kube_proxy, workload

STAGED = Staged(
    version=NEW,
    nodes=("cp1", "w1"),
    images=(f"registry.k8s.io/kube-proxy:v{NEW}", "registry.k8s.io/coredns/coredns:v1.14.6"),
)
COREDNS = workload("kube-system/coredns", "registry.k8s.io/coredns/coredns:v1.14.6")
PLAN = UpgradePlan(version=NEW)


def left(addon: Workload, *, configured: str = f"v{NEW}", plan: UpgradePlan = PLAN) -> str:
    """What is wrong with a kube-proxy, or a configuration."""
    return words_of(what_addons_lack(plan, STAGED, configured, (COREDNS, addon)))


def words_of(problem: Problem | None) -> str:
    """With its next step."""
    return f"{problem} -> {problem.next_step}" if problem else ""


def test_services_have_to_be_no_worse_than_before() -> None:
    """One that did not answer a node before is no reason to stop; another one is, and the same one of another node."""
    before = {"w1": ("Service kube-dns",)}
    dns = {"kube-dns": "it does not resolve"}
    assert words_of(what_services_lost({"cp1": {}, "w1": dns}, before)) == ""
    assert "pods say: cp1: it does not resolve -> check the log of kube-proxy" in words_of(
        what_services_lost({"cp1": dns, "w1": dns}, before)
    )
    worse = {"cp1": {}, "w1": dns | {"kubernetes": "it answers 503"}}
    assert "pods say: w1: it answers 503 -> check the log of kube-proxy" in words_of(what_services_lost(worse, before))


def test_addons_are_of_the_target_and_rolled_out() -> None:
    """From any registry; pods that only a person replaces are not waited for."""
    new = kube_proxy(NEW)
    mirrored = new.model_copy(update={"images": (f"mirror.example/k8s/kube-proxy:v{NEW}@sha256:0a1b",)})
    assert left(mirrored) == ""
    assert "has the image registry.k8s.io/kube-proxy:v1.36.3 -> check kubeadm's output" in left(kube_proxy(OLD))
    waiting = new.model_copy(update={"rolled_out": False})
    assert (
        f"not all pods are of registry.k8s.io/kube-proxy:v{NEW} yet -> `kubectl -n kube-system describe daemonset kube-proxy`"
        in left(waiting)
    )
    assert left(waiting.model_copy(update={"by_hand": True})) == ""
    assert "4 of 5 pods are ready -> `kubectl -n kube-system describe daemonset kube-proxy`" in left(
        new.model_copy(update={"ready": 4})
    )


def test_a_configuration_that_was_not_moved_is_told() -> None:
    """kubeadm moves it with the first control plane node."""
    assert left(kube_proxy(NEW), configured="v1.36.3") == (
        "kubeadm-config has v1.36.3, not v1.37.2 -> check kubeadm's output"
    )


def test_addons_stay_old_while_control_planes_are_left_behind() -> None:
    """kubeadm moves them with the last one."""
    assert left(kube_proxy(OLD), plan=UpgradePlan(version=NEW, left_behind=("cp3",))) == ""
