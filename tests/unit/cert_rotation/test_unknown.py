"""What is not known of certificates stops a run, also where nothing is due: no absence is taken for health."""

from datetime import timedelta
from typing import Any

import pytest

from tasks.cert_rotation.models.rotation import OnNode, ProofsNow
from tasks.certificates.models.inventory import Kubeconfig, NodeCertificates, Served
from tests.facts.certificates import NOW, certificate, changed, control_plane, worker
from tests.facts.rotation import acts, cautions, facts, planned, refusals, with_kubelet


def refused_for(node: NodeCertificates) -> str:
    """Of a cluster of one node."""
    return refusals(planned(facts(node), allow_downtime=True))


def absent(leaf: str) -> NodeCertificates:
    """All lasts, and one leaf is not there."""
    return changed(control_plane(), leaf, problem="it is not there", absent=True, not_after=None, fingerprint="")


@pytest.mark.parametrize("leaf", ["apiserver", "etcd-server", "etcd-healthcheck-client", "scheduler.conf"])
def test_a_leaf_that_is_not_found_is_refused_though_nothing_is_due(leaf: str) -> None:
    """The run would end completed, and that certificate expire; the next step makes it."""
    told = refused_for(absent(leaf))
    assert "it is not there" in told
    phase = f"kubeconfig {leaf.removesuffix('.conf')}" if leaf.endswith(".conf") else f"certs {leaf}"
    plan = planned(facts(absent(leaf)), allow_downtime=True)
    assert f"kubeadm init phase {phase} --config" in plan.refusals[0].next_step


def keyless(node: NodeCertificates, name: str) -> NodeCertificates:
    """All lasts, and the key of one is not there."""
    return changed(node, name, pair=None, key_problem="its key /x: it is not there")


def test_a_leaf_whose_key_is_not_there_gets_another_pair_and_is_named() -> None:
    """What still runs has the key in memory, and would not start again."""
    plan = planned(facts(keyless(control_plane(), "apiserver")), allow_downtime=True)
    assert acts(plan, "cp1") == ["renew apiserver", "restart kube-apiserver"]
    assert plan.steps[0].reason == "its key /x: it is not there"
    assert "cp1: /etc/kubernetes/pki/apiserver.crt: its key /x: it is not there" in cautions(plan)
    assert not plan.refusals


def test_a_key_that_this_run_does_not_make_is_refused() -> None:
    """Of an authority, of a leaf of an external one, and of one that was not asked for. A kubelet's serving one is its own."""
    ca = "/etc/kubernetes/pki/ca.crt"
    assert "put its key back" in refused_for(keyless(control_plane(), "ca"))
    assert f"renew it where the key of {ca} is" in refused_for(keyless(control_plane(external=(ca,)), "apiserver"))
    other = planned(facts(keyless(control_plane(), "apiserver")), only=("etcd-peer",), allow_downtime=True)
    assert "its key /x: it is not there" in refusals(other)
    own = certificate("kubelet-serving", "w1", pair=None, key_problem="its key /x: it is not there")
    machine = worker().model_copy(update={"certificates": (*worker().certificates, own)})
    assert "kubelet-serving-current.pem: its key /x" in cautions(planned(facts(control_plane(), machine)))


@pytest.mark.parametrize("changes", [{"pair": False}, {"pair": None, "key_problem": "no key is in it"}])
def test_a_kubelet_without_its_key_is_signed_again(changes: dict[str, Any]) -> None:
    """It cannot ask by a certificate without one."""
    machine = with_kubelet(changed(worker(), "kubelet-client", **changes))
    plan = planned(facts(control_plane(), machine))
    assert acts(plan, "w1") == ["sign the kubelet's client certificate, restart kubelet"]
    assert not plan.refusals
    assert ("no key is in it" in cautions(plan)) == ("key_problem" in changes)


def test_an_api_server_that_a_lost_key_keeps_from_starting_may_be_repaired() -> None:
    """Its health is explained by what this run makes."""
    ill = {"kube-apiserver": "no answer"}
    proofs = (ProofsNow(node="cp1", ails=ill),)
    assert "is unhealthy" in refusals(planned(facts(control_plane(days=5), proofs=proofs), allow_downtime=True))
    plan = planned(facts(keyless(control_plane(), "apiserver"), proofs=proofs), allow_downtime=True)
    assert not plan.refusals


def test_admins_kubeconfig_may_be_kept_elsewhere() -> None:
    """No program needs it."""
    plan = planned(facts(absent("admin.conf")), allow_downtime=True)
    assert not plan.refusals
    assert "admin.conf: it is not there" in cautions(plan)


def test_a_node_that_is_not_reached_and_one_that_is_not_understood_are_refused() -> None:
    """Nothing is known of theirs."""
    node = control_plane(problems=("the manifest of etcd has no flags that could be parsed",))
    assert "cp1: the manifest of etcd has no flags that could be parsed" in refused_for(node)
    lost = planned(facts(control_plane(), NodeCertificates(name="cp2", unreached="no route")), allow_downtime=True)
    assert "not reached: cp2: no route" in refusals(lost)


def test_a_node_that_does_not_say_what_an_earlier_run_has_left_is_refused() -> None:
    """No record is not the same as no answer: a rotation that was interrupted would be begun beside its own copy."""
    node = control_plane()
    found = facts(node, left=(OnNode(node=node.name, unasked="cp1: ended with status 1: disk"),))
    told = refusals(planned(found, allow_downtime=True))
    assert "what an earlier run has left there is not known: cp1: ended with status 1: disk" in told


def test_a_kubeconfig_that_could_not_be_parsed_is_told() -> None:
    """It may be a copy that nobody refreshes."""
    node = control_plane(kubeconfigs=(Kubeconfig(path="/x", copy_of="admin.conf", problem="it could not be parsed"),))
    assert "cp1: /x: it could not be parsed" in cautions(planned(facts(node)))


def serving(**given: Any) -> NodeCertificates:  # noqa: ANN401 - fields of a certificate
    """An API server with something else than what any file has."""
    one = certificate("apiserver", fingerprint="other", **given)
    own = control_plane()
    others = tuple(served for served in own.served if served.port != 6443)
    return own.model_copy(
        update={
            "served": (*others, Served(port=6443, name="kube-apiserver", path=given.get("path", ""), certificate=one))
        }
    )


def test_what_is_served_has_an_expiry_too() -> None:
    """From no file that is known: nobody would renew it. From memory, or from a file with another one: a restart helps."""
    told = refused_for(serving(path="", days=5))
    assert "kube-apiserver at 6443: what it serves expires in 5 days" in told
    assert "is in no file that is known" in told
    assert "in no file" not in refused_for(serving(path="", days=60))
    own = {"subject": "CN=localhost@1796058325", "issuer": "CN=localhost-ca@1796058324"}
    for made in ({"self_signed": True}, own):
        memory = planned(facts(serving(path="", days=5, **made)))
        assert "it was made in memory" in cautions(memory)
        assert "in no file" not in refusals(memory)
    assert "is in no file that is known" in refused_for(serving(path="", days=5, **own | {"issuer": "CN=kubernetes"}))
    old = serving(path="/etc/kubernetes/pki/apiserver.crt", not_after=NOW + timedelta(days=5))
    assert "/etc/kubernetes/pki/apiserver.crt has another one" in cautions(planned(facts(old), allow_downtime=True))
