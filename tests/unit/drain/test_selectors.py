"""Selectors, node affinity and tolerations mean what they mean to the API server and the scheduler."""

import pytest

from tasks.drain.policy.selectors import suits, tolerates, untolerated
from tasks.nodes.models.nodes import KubeNode
from tasks.nodes.models.pods import LabelSelector, NodeTerm, Operator, Requirement, Toleration
from tasks.nodes.policy.selectors import holds, selects

LABELS = {"app": "web", "tier": "front", "weight": "7", "name": "seven", "ten": "1_0", "large": "9" * 20}


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
        ("ten", Operator.GT, ("1",), False),  # 1_0 is no number
        ("large", Operator.GT, ("1",), False),
        ("app", Operator("Near"), ("web",), False),  # of a newer API
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


NUMBERS = [
    ("Gt", "100", "200", True),
    ("Gt", "200", "100", False),
    ("Gt", "950", "950", False),
    ("Gt", "-100", "-50", True),
    ("Gt", "9223372036854775806", "9223372036854775807", True),
    ("Gt", "1", "9223372036854775808", False),
    ("Lt", "200", "100", True),
    ("Lt", "100", "100", False),
    ("Lt", "0", "-9223372036854775808", True),
    ("Gt", "0100", "200", False),
    ("Gt", "+100", "200", False),
    ("Gt", "100.5", "200", False),
    ("Gt", "-0", "200", False),
    ("Gt", "", "200", False),
    ("Gt", "100", "0200", False),
    ("Gt", "100", "high", False),
    ("Lt", "200", "", False),
    ("Near", "200", "200", False),  # of a newer API: not read as Equal
]
"""Operator, value of the toleration, value of the taint: as kubernetes' own table of pkg/apis/core has it."""


@pytest.mark.parametrize(
    ("toleration", "taint", "expected"),
    [
        (Toleration(), "gpu=yes:PreferNoSchedule", True),
        (Toleration(), "gpu=yes:NoSchedule", False),
        (Toleration(operator="Exists"), "gpu=yes:NoExecute", True),
        (Toleration(operator="Exists", effect="NoSchedule"), "gpu=yes:NoExecute", False),
        (Toleration(key="gpu", operator="Exists"), "gpu=no:NoSchedule", True),
        (Toleration(key="gpu", value="yes"), "gpu=yes:NoSchedule", True),
        (Toleration(key="gpu", value="yes"), "gpu=no:NoSchedule", False),
        (Toleration(key="other", operator="Exists"), "gpu=yes:NoSchedule", False),
        (Toleration(key="a.example/role", operator="Exists"), "a.example/role=:NoSchedule", True),
        (Toleration(key="gpu", operator="Exists", value="x"), "gpu=yes:NoSchedule", True),
        *(
            (Toleration(key="sla", operator=operator, value=value), f"sla={taint}:NoSchedule", expected)
            for operator, value, taint, expected in NUMBERS
        ),
        (Toleration(key="sla", operator="Gt", value="1", effect="NoExecute"), "sla=2:NoSchedule", False),
        (Toleration(key="other", operator="Gt", value="1"), "sla=2:NoSchedule", False),
    ],
)
def test_a_toleration_is_of_some_taints(toleration: Toleration, taint: str, *, expected: bool) -> None:
    """By key, value and effect."""
    assert tolerates([toleration], taint) is expected
    node = KubeNode(name="w1", ready=True, kubelet="1.36.3", taints=("soft=:PreferNoSchedule", taint))
    assert untolerated(node, [toleration]) == ("" if expected else taint)
