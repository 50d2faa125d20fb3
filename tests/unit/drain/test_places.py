"""Pods that could run nowhere else, with what is in the way on each node."""

import pytest

from tasks.drain.models import DrainOptions, Treatment
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import NodeTerm, Operator, Pod, Requirement, Toleration, Volume
from tests.facts.drain import AGO, facts, forecast, node, pod, verdict


def on(*names: str) -> tuple[NodeTerm, ...]:
    """These nodes only."""
    here = Requirement(key="kubernetes.io/hostname", operator=Operator.IN, operands=names)
    return (NodeTerm(labels=(here,)),)


DB = pod("db-0", claims=("data", "unbound"))
TAINTED = node("w2", taints=("gpu=yes:NoSchedule",))


@pytest.mark.parametrize(
    ("one", "others", "reason"),
    [
        (pod(), (), "there is no other node"),
        (pod(), (node("w2", ready=False),), "no other node can take it: w2 is not Ready"),
        (pod(), (node("w2", cordoned=True), node("w3", ready=False)), "w2 is cordoned; w3 is not Ready"),
        (pod(node_labels={"disk": "fast"}), (node("w2"),), "w2 does not match its node selector or affinity"),
        (pod(node_terms=on("w1")), (node("w2"),), "w2 does not match its node selector or affinity"),
        (pod(), (TAINTED,), "w2 has the taint gpu=yes:NoSchedule"),
        (
            pod(tolerations=(Toleration(key="other", operator="Near", value="yes"),)),
            (TAINTED,),
            "w2 has the taint gpu=yes:NoSchedule",
        ),
        (DB, (node("w2"),), "its volume pv-db is on no other node"),
        (
            DB,
            (node("w2"), node("w3", cordoned=True)),
            "no other node can take it: w2 cannot mount its volume; w3 is cordoned",
        ),
        (
            pod(),
            tuple(node(f"n{number}", cordoned=True) for number in range(7)),
            "n0 is cordoned; n1 is cordoned; n2 is cordoned; n3 is cordoned; n4 is cordoned; and 2 more",
        ),
    ],
)
def test_a_pod_that_could_run_nowhere_else(one: Pod, others: tuple[KubeNode, ...], reason: str) -> None:
    """Each node with what is in the way; an option allows it."""
    where = on("w1", "w3") if len(others) > 1 else on("w1")
    volumes = (Volume(name="pv-db", claim="shop/data", node_terms=where),)
    seen = facts(one, nodes=(node("w1"), *others), volumes=volumes)
    found = verdict(seen)
    assert found.treatment is Treatment.BLOCKED
    assert reason in found.reason
    assert "--allow-pending" in found.next_step
    allowed = verdict(seen, DrainOptions(allow_pending=True))
    assert allowed.treatment is Treatment.EVICT_FOR_GOOD
    assert allowed.reason == f"{found.reason}: it does not run until this node is back"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pod(), node("w2")),
        (pod(node_labels={"kubernetes.io/hostname": "w2"}, node_terms=on("w2", "w1")), node("w2")),
        (pod(tolerations=(Toleration(key="gpu", operator="Exists"),)), TAINTED),
        (DB, node("w2")),
        (pod(phase="Succeeded"), TAINTED),
        (pod(stops_by=AGO), TAINTED),
    ],
)
def test_a_pod_that_fits_elsewhere_or_needs_no_place(one: Pod, other: KubeNode) -> None:
    """The volume is on both."""
    seen = facts(one, nodes=(node("w1"), other), volumes=(Volume(name="pv", claim="shop/data", node_terms=None),))
    assert verdict(seen).treatment is Treatment.EVICT


NEAR = Requirement(key="zone", operator=Operator.OTHER, operands=("a",))
BY_ADDRESS = Requirement(key="status.address", operator=Operator.IN, operands=("a",))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pod(tolerations=(Toleration(key="gpu", operator="Near", value="yes"),)), TAINTED),
        (pod(node_terms=(NodeTerm(labels=(NEAR,)),)), node("w2")),
        (pod(node_terms=(NodeTerm(fields=(NEAR.model_copy(update={"key": "metadata.name"}),)),)), node("w2")),
        (pod(node_terms=(NodeTerm(fields=(BY_ADDRESS,)),)), node("w2")),
        (pod("db-0", claims=("strange",)), node("w2")),
    ],
)
def test_an_operator_of_a_newer_api_is_no_proof_that_there_is_no_other_node(one: Pod, other: KubeNode) -> None:
    """It was told as `no other node`: it is a caution, that it is not known. Where the rest does not fit, it is none."""
    volumes = (Volume(name="pv", claim="shop/strange", node_terms=(NodeTerm(labels=(NEAR,)),)),)
    seen = facts(one, nodes=(node("w1"), other), volumes=volumes)
    assert verdict(seen).treatment is Treatment.EVICT
    (told,) = forecast(seen).cautions
    assert told.startswith(f"whether another node takes {one.kin} is not known")
    away = facts(one, nodes=(node("w1"), other.model_copy(update={"cordoned": True})), volumes=volumes)
    assert verdict(away).treatment is Treatment.BLOCKED
