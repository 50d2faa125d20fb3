"""What people read first of a rotation."""

from datetime import timedelta

from tasks.cert_rotation.models.rotation import Approved, NodeRotated, RotationPlan, RotationProof
from tasks.cert_rotation.summary import summarize_rotation, summarize_rotation_plan
from tasks.core.models.plan import Step
from tasks.core.models.report import Took
from tests.facts.certificates import NOW


def test_the_summary_says_what_is_new_what_was_proven_and_what_is_left() -> None:
    """For people, and where the copy with its keys is."""
    one = NodeRotated(
        node="cp1",
        renewed={"apiserver": NOW},
        restarted=("kube-apiserver",),
        copies=("/root/.kube/config",),
        copies_left={"/x": "it is not there"},
        users={"/etc/kubernetes/admin.conf": "kubernetes-admin"},
        copy_file="/var/lib/kube-runbooks/certificates/0a1b2c3d.tar",
        parts=(Took(what="restart of etcd", took=timedelta(seconds=9)),),
        took=timedelta(seconds=61),
    )
    requests = Approved(approved=("csr-a",), left={"csr-b": "it names no host"})
    proof = RotationProof(leases_renewed=("cp1",), not_ready=("w2 is not Ready",), worker_is="kubernetes-admin")
    lines = summarize_rotation(RotationPlan(), [one], requests, proof)
    assert lines[0] == "certificates renewed on 1 node: cp1"
    assert lines[1] == (
        "cp1: 1 min 1 s (restart of etcd 9 s): apiserver until 2026-11-25 12:00; restarted, and the file's serial is served: kube-apiserver"
    )
    assert "proven: the API knows kubernetes-admin" in lines
    assert "NOT alive: w2 is not Ready" in lines
    assert "NOT refreshed: cp1: /x: it is not there" in lines
    assert "NOT approved: csr-b: it names no host" in lines
    assert any("it has keys in it" in line for line in lines)
    assert "nothing to do" in summarize_rotation_plan(RotationPlan(), "")[0]


def test_a_plan_that_is_not_done_says_how_to_do_it() -> None:
    """With the nodes that it would touch."""
    plan = RotationPlan(steps=(Step(subject="cp1", act="renew apiserver", reason="soon"),))
    assert summarize_rotation_plan(plan, "1 certificate expires")[:2] == (
        "nothing was done: 1 step on no node",
        "1 certificate expires",
    )
