"""Selectors, node affinity and tolerations mean what they mean to the API server and the scheduler."""

import pytest

from tasks.models.nodes import KubeNode
from tasks.models.pods import LabelSelector, NodeTerm, Operator, Requirement, Toleration
from tasks.policy.selectors import holds, selects, suits, tolerates, untolerated

LABELS = {"app": "web", "tier": "front", "weight": "7", "name": "seven"}


def requirement(key: str, operator: Operator, *values: str) -> Requirement:
    """Short for the tables."""
    return Requirement(key=key, operator=operator, operands=values)


@pytest.mark.parametrize(
    ("key", "operator", "values", "expected"),
    [
        ("app", Operator.IN, ("web", "db"), True),
        ("app", Operator.IN, ("db",), False),
        ("gone", Operator.IN, ("",), False),
        ("app", Operator.NOT_IN, ("db",), True),
        ("app", Operator.NOT_IN, ("web",), False),
        ("gone", Operator.NOT_IN, ("web",), True),
        ("app", Operator.EXISTS, (), True),
        ("gone", Operator.EXISTS, (), False),
        ("gone", Operator.DOES_NOT_EXIST, (), True),
        ("app", Operator.DOES_NOT_EXIST, (), False),
        ("weight", Operator.GT, ("6",), True),
        ("weight", Operator.GT, ("7",), False),
        ("weight", Operator.LT, ("8",), True),
        ("weight", Operator.LT, ("7",), False),
        ("name", Operator.GT, ("1",), False),
        ("gone", Operator.LT, ("1",), False),
        ("weight", Operator.LT, (), False),
    ],
)
def test_a_requirement(key: str, operator: Operator, values: tuple[str, ...], *, expected: bool) -> None:
    """Absent labels included."""
    assert holds(requirement(key, operator, *values), LABELS) is expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, False),
        (LabelSelector(), True),
        (LabelSelector(labels={"app": "web", "tier": "front"}), True),
        (LabelSelector(labels={"app": "web", "tier": "back"}), False),
        (LabelSelector(labels={"app": "web"}, expressions=(requirement("tier", Operator.IN, "back"),)), False),
        (LabelSelector(expressions=(requirement("app", Operator.EXISTS), requirement("tier", Operator.EXISTS))), True),
    ],
)
def test_all_of_a_selector_has_to_hold(selector: LabelSelector | None, *, expected: bool) -> None:
    """None selects nothing, an empty one everything: tests/component/test_drain.py asks a real server."""
    assert selects(selector, LABELS) is expected


HERE = NodeTerm(fields=(requirement("metadata.name", Operator.IN, "w1"),))
FRONT = NodeTerm(labels=(requirement("tier", Operator.IN, "front"),))
NEITHER = NodeTerm(labels=FRONT.labels, fields=(requirement("metadata.name", Operator.NOT_IN, "w1"),))


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (None, True),
        ((), False),
        ((NodeTerm(),), False),
        ((HERE,), True),
        ((NEITHER,), False),
        ((NEITHER, FRONT), True),
    ],
)
def test_one_term_of_node_affinity_has_to_hold(terms: tuple[NodeTerm, ...] | None, *, expected: bool) -> None:
    """An empty term holds for no node."""
    node = KubeNode(name="w1", ready=True, kubelet="1.36.3", labels=LABELS)
    assert suits(terms, node) is expected


@pytest.mark.parametrize(
    ("toleration", "taint", "expected"),
    [
        (Toleration(), "gpu=yes:PreferNoSchedule", True),
        (Toleration(), "gpu=yes:NoSchedule", False),
        (Toleration(exists=True), "gpu=yes:NoExecute", True),
        (Toleration(exists=True, effect="NoSchedule"), "gpu=yes:NoExecute", False),
        (Toleration(key="gpu", exists=True), "gpu=no:NoSchedule", True),
        (Toleration(key="gpu", value="yes"), "gpu=yes:NoSchedule", True),
        (Toleration(key="gpu", value="yes"), "gpu=no:NoSchedule", False),
        (Toleration(key="other", exists=True), "gpu=yes:NoSchedule", False),
        (Toleration(key="a.example/role", exists=True), "a.example/role=:NoSchedule", True),
    ],
)
def test_a_toleration_is_of_some_taints(toleration: Toleration, taint: str, *, expected: bool) -> None:
    """By key, value and effect."""
    assert tolerates([toleration], taint) is expected
    node = KubeNode(name="w1", ready=True, kubelet="1.36.3", taints=("soft=:PreferNoSchedule", taint))
    assert untolerated(node, [toleration]) == ("" if expected else taint)
