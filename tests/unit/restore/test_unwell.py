"""What is not well before a restore does not keep its last proof waiting."""

from types import SimpleNamespace
from typing import Any

import pytest

from tasks.control_plane.models import ControlPlaneNode, Phase, Place
from tasks.core.errors import CommandFailed, NotYet
from tasks.restore import observe, proof, steps
from tasks.restore.models import RestorePlan
from tasks.restore.probes.recovery import Pulse, what_is_not_alive
from tests.facts.restore import LEADERS, WORKER, backup, facts, member, node, plan, record

DOWN = ControlPlaneNode(name="w2", kubelet_problem="its kubelet is failed")
WORKS: dict[str, Any] = {"in_quorum": ("cp1",), "api_answers": ("cp1",)}


def told_of(found: RestorePlan) -> dict[str, str]:
    """Cautions of nodes and programs."""
    return {
        one.subject: one.problem for one in found.cautions if "wait for it" in one.problem or "manifest" in one.problem
    }


def test_a_kubelet_that_is_down_is_named_and_not_waited_for() -> None:
    """It kept the last proof waiting until its limit, with the cluster restored and the run failed."""
    found = plan(facts(node("cp1"), WORKER, DOWN))
    assert (found.nodes, found.unwell, found.refusals) == (("cp1", "w1", "w2"), ("w2",), ())
    assert told_of(found) == {"w2": "its kubelet is failed: the restore does not wait for it in the end"}


def test_a_control_plane_whose_kubelet_nobody_starts_is_refused() -> None:
    """Its static pods would run on; one that systemd starts is started, and a machine with a unit of etcd needs none."""
    off = {"kubelet_problem": "its kubelet is inactive and disabled", "kubelet_is_off": True}
    (refusal,) = plan(facts(node("cp1", **off))).refusals
    assert refusal.problem == "its kubelet is inactive and disabled: nothing would stop and start its static pods"
    assert plan(facts(node("cp1", kubelet_problem="its kubelet is inactive"))).refusals == ()
    alone = node("e1", manifests={}, running=("etcd",), member=member("e1", unit="etcd.service"), **off)
    assert plan(facts(node("cp1"), alone)).refusals == ()


def test_a_copy_of_a_manifest_beside_it_is_refused() -> None:
    """The kubelet would start it again as soon as the other one is away, in the middle of the restore."""
    (refusal,) = plan(facts(node("cp1", doubles={"etcd.yaml.bak": "etcd"}))).refusals
    assert refusal.problem.startswith("its kubelet reads etcd.yaml.bak as another manifest of etcd")
    assert refusal.next_step == "move etcd.yaml.bak out of the kubelet's folder of manifests on cp1"


def test_what_the_api_says_counts_while_the_cluster_works() -> None:
    """A cluster that does not work calls nodes NotReady that are well; in the middle of a restore, its words are the backup's."""
    silent = {"w1": "Unknown, Kubelet stopped posting", "w9": "Unknown, it is not in the profile"}
    found = plan(facts(node("cp1"), WORKER, not_ready=silent, **WORKS), replace_healthy=True)
    assert found.unwell == ("w1",)
    assert told_of(found)["w1"].startswith("it is not Ready: Unknown, Kubelet stopped posting: the restore")
    assert plan(facts(node("cp1"), WORKER, not_ready=silent)).unwell == ()
    begun = facts(node("cp1", record=record(Phase.SERVING)), WORKER, not_ready=silent, **WORKS)
    assert plan(begun).unwell == ()


def test_a_leader_that_nobody_elects_is_not_waited_for() -> None:
    """`--leader-elect=false` on a single control plane; a scheduler whose manifest was taken away."""
    assert plan(facts(node("cp1"))).leaders == LEADERS
    alone = plan(facts(node("cp1", electing=("kube-scheduler",))))
    assert alone.leaders == ("kube-scheduler",)
    assert told_of(alone)["kube-controller-manager"].startswith(
        "no control plane node runs it with a leader election by the Lease"
    )
    less = plan(facts(node("cp1"), node("cp2", manifests={"kube-apiserver": Place.ACTIVE}, electing=())))
    assert less.leaders == LEADERS
    assert told_of(less) == {
        "cp2": "it has no manifest of kube-controller-manager and kube-scheduler: nothing of it is started"
    }
    pulse = Pulse(leases={"kube-scheduler": "1"}, ready={})
    now = Pulse(leases={"kube-scheduler": "2"}, ready={})
    assert what_is_not_alive(pulse, now, (), ("kube-scheduler",)) == {}
    assert set(what_is_not_alive(pulse, now, ())) == {"kube-controller-manager"}


def test_the_proof_waits_for_what_was_well_and_tells_of_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that comes back all the same is Ready."""
    before = Pulse(leases={"cp1": "1", "w2": "1", "kube-scheduler": "1"}, ready={"cp1": "True", "w2": "Unknown, off"})
    now = Pulse(leases={"cp1": "2", "w2": "1", "kube-scheduler": "2"}, ready=before.ready)
    pulses = [before, now]
    handle: Any = SimpleNamespace(
        own_kube=lambda *_: SimpleNamespace(close=lambda: None), profile=SimpleNamespace(name="prod")
    )
    written = SimpleNamespace(revision="9", old="410")
    monkeypatch.setattr(proof, "take_pulse", lambda _: pulses.pop(0))
    monkeypatch.setattr(proof, "wait_for", lambda ask, *_, **__: ask())
    monkeypatch.setattr(proof, "_write", lambda *_: written)
    found = plan(facts(node("cp1", electing=("kube-scheduler",)), DOWN))
    recovered = proof.prove_cluster(handle, found, backup())
    assert (recovered.nodes_ready, recovered.leases_renewed) == (("cp1",), ("cp1", "kube-scheduler"))
    assert recovered.nodes_not_ready == {"w2": "is not Ready: Unknown, off"}
    pulses[:] = [before, now]
    with pytest.raises(NotYet, match="w2 is not Ready"):
        proof.prove_cluster(handle, found.model_copy(update={"unwell": ()}), backup())


def test_a_kubelet_that_was_down_stops_nothing_where_it_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ran before does."""

    class Broken:
        def shell(self, _: str) -> "Broken":
            return self

        def run(self, _: str) -> None:
            raise CommandFailed("Unit kubelet.service has a bad unit file setting")

    monkeypatch.setattr(steps, "open_cluster", lambda _: Broken())
    alone = plan(facts(node("cp1"), DOWN)).model_copy(update={"nodes": ("w2",)})
    steps.restart_kubelets.fn("prod", alone, lambda: None)
    with pytest.raises(CommandFailed):
        steps.restart_kubelets.fn("prod", alone.model_copy(update={"unwell": ()}), lambda: None)


def test_nodes_that_are_not_ready_are_asked_for_where_the_api_lets_us_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing is said of them."""
    handle: Any = SimpleNamespace(
        own_kube=lambda *_: SimpleNamespace(close=lambda: None), profile=SimpleNamespace(name="prod")
    )
    monkeypatch.setattr(observe, "take_pulse", lambda _: Pulse(leases={}, ready={"w1": "True", "w2": "False, no CNI"}))
    assert observe.not_ready(handle, ()) == {}
    assert observe.not_ready(handle, ("cp1",)) == {"w2": "False, no CNI"}

    def refuse(_: object) -> Pulse:
        raise NotYet("401")

    monkeypatch.setattr(observe, "take_pulse", refuse)
    assert observe.not_ready(handle, ("cp1",)) == {}
