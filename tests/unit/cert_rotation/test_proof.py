"""The end of a rotation: the worker gets in, nodes and leaders are alive, and it is no worse than before."""

from datetime import timedelta
from typing import cast

import pytest

from tasks.cert_rotation.models.rotation import NodeRotation, RotationPlan, RotationProof
from tasks.cert_rotation.proof import prove_cluster
from tasks.clients.kube import KubeClient
from tasks.core.errors import CommandFailed
from tests.facts.kube_api import Api

PLAN = RotationPlan(control_plane=(NodeRotation(name="cp1"),))


def proven(api: Api, plan: RotationPlan = PLAN) -> RotationProof:
    """By one look, and another one."""
    return prove_cluster(cast("KubeClient", api), plan, timedelta())


def test_the_end_is_proven_by_a_new_connection_and_renewed_leases() -> None:
    """A node that was touched and is not alive is a failure; another one is told."""
    api = Api()
    api.nodes = {"cp1": True, "w1": True, "w2": False}
    proof = proven(api)
    assert proof.worker_is == "kubernetes-admin"
    assert proof.leases_renewed == ("cp1", "w1", "kube-controller-manager", "kube-scheduler")
    assert [line.partition(" ")[0] for line in proof.not_ready] == ["w2"]
    assert api.closed == 1
    api.nodes["cp1"] = False
    with pytest.raises(CommandFailed, match="renewed, but not alive after .*: cp1 is not Ready: gone"):
        proven(api)


def test_the_proof_of_the_whole_is_no_worse_than_before() -> None:
    """A node that was not Ready, and a leader that there was none of: told, and no failure."""
    api = Api()
    api.nodes, api.has_leaders = {"cp1": False}, False
    with pytest.raises(CommandFailed, match="kube-scheduler has not renewed its lease"):
        proven(api)
    before = {"not_ready": ("cp1",), "unled": ("kube-controller-manager", "kube-scheduler")}
    proof = proven(api, PLAN.model_copy(update=before))
    assert proof.not_ready[0].startswith("cp1 ")


def test_what_was_not_alive_in_the_plan_is_not_waited_for() -> None:
    """No Lease of a leader that nobody elects, and no node that was away: with any limit the proof ends with the first look."""
    api = Api()
    api.nodes, api.has_leaders = {"cp1": True, "w1": False}, False
    plan = PLAN.model_copy(update={"unled": ("kube-controller-manager", "kube-scheduler")})
    proof = prove_cluster(cast("KubeClient", api), plan, timedelta(days=1))
    assert proof.leases_renewed == ("cp1",)
    assert [line.partition(" ")[0] for line in proof.not_ready] == ["w1", "kube-controller-manager", "kube-scheduler"]
