"""What forbids to disturb a node: others that are not well, rollouts, and alerts."""

from tasks.node_work.policy.blockers import alert_in_words, cordon_of_others, what_blocks
from tests.facts.patch import OURS
from tests.facts.upgrade import kube_node, workload


def test_nodes_of_the_run_itself_block_nothing() -> None:
    """Others do: not Ready, cordoned by somebody, or left by another run."""
    nodes = [
        kube_node("w1", cordoned=True, annotations=OURS),
        kube_node("w2", ready=False, ready_message="gone"),
        kube_node("w3", cordoned=True),
        kube_node("w4", cordoned=True, annotations=OURS | {"kube-runbooks.io/failed": "no kernel"}),
        kube_node("w5"),
    ]
    rolled = workload("n/a").model_copy(update={"rollout": "0 of 2"})
    assert what_blocks(nodes, [rolled, workload("n/b")], ["a"], ["w1"], allow_cordoned=False) == (
        "node w2 is not Ready: gone",
        "somebody has cordoned w3",
        "another run of ours has w4 out of service: no kernel",
        "Deployment n/a is being rolled out: 0 of 2",
        "an alert fires: a",
    )
    assert what_blocks(nodes, [], [], ["w1", "w2", "w4"], allow_cordoned=True) == ()
    bare = kube_node("w6", cordoned=True, annotations={"kube-runbooks.io/cordoned-by": "r"})
    assert what_blocks([bare], [], [], [], allow_cordoned=True) == (
        "another run of ours has w6 out of service: no reason is known",
    )


def test_a_cordon_of_others_is_told_with_its_reason() -> None:
    """Ours is none."""
    assert cordon_of_others(kube_node("w1")) is None
    assert cordon_of_others(kube_node("w1", cordoned=True, annotations=OURS)) is None
    reason = {"kube-runbooks.io/cordon-reason": "INC-7: disk"}
    found = cordon_of_others(kube_node("w1", cordoned=True, annotations=reason))
    assert str(found) == "somebody has cordoned w1: INC-7: disk"


def test_an_alert_is_told_by_its_labels() -> None:
    """Without those that say nothing."""
    labels = "__name__=ALERTS, alertname=DiskFull, alertstate=firing, instance=w1:9100"
    assert alert_in_words(labels) == "alertname=DiskFull, instance=w1:9100"
    assert alert_in_words("") == "one without a name"
