"""What an earlier run has left on a node: what it found wrong before its first act, and why the node is cordoned."""

import pytest

from tasks.drain.models import CORDONED_BY, FAILED, UNHEALTHY
from tasks.node_work.models.health import Before, Services
from tasks.node_work.policy.earlier import before_that_run, known_before, noted_unhealthy, why_left_cordoned
from tests.facts.upgrade import kube_node

OURS = {CORDONED_BY: "run-1"}
NOW = Before(workloads=(), services=Services(kubernetes=("10.96.0.1",)), unhealthy=("unit containerd", "DiskPressure"))


@pytest.mark.parametrize(
    ("annotations", "noted"),
    [
        ({}, None),
        ({UNHEALTHY: "not JSON"}, None),
        ({UNHEALTHY: '{"a": 1}'}, None),
        ({UNHEALTHY: "[]"}, ()),
        ({UNHEALTHY: '["unit containerd", 7]'}, ("unit containerd", "7")),
    ],
)
def test_what_cordon_wrote_is_read(annotations: dict[str, str], noted: tuple[str, ...] | None) -> None:
    """What nobody can read is as good as nothing: somebody may have edited it."""
    assert noted_unhealthy(annotations) == noted


@pytest.mark.parametrize(
    ("annotations", "cordoned", "known"),
    [
        ({}, False, None),
        ({}, True, None),
        (OURS, True, ()),
        (OURS | {UNHEALTHY: '["DiskPressure"]'}, True, ("DiskPressure",)),
        (OURS | {UNHEALTHY: '["DiskPressure"]'}, False, None),
        ({UNHEALTHY: '["DiskPressure"]'}, False, ("DiskPressure",)),
    ],
)
def test_a_note_counts_while_the_run_that_wrote_it_has_the_node(
    annotations: dict[str, str], known: tuple[str, ...] | None, *, cordoned: bool
) -> None:
    """A cordon of ours without a note found nothing wrong; one that somebody took away says nothing any more."""
    node = kube_node("w1", cordoned=cordoned, annotations=annotations)
    assert known_before(node) == known
    forgiven = before_that_run(NOW, node).unhealthy
    assert forgiven == (NOW.unhealthy if known is None else known)


def test_what_has_been_well_again_is_not_forgiven() -> None:
    """The run that noted it may have been of another day."""
    node = kube_node("w1", annotations={UNHEALTHY: '["Ready", "DiskPressure"]'})
    assert before_that_run(NOW, node).unhealthy == ("DiskPressure",)


@pytest.mark.parametrize(
    ("annotations", "told"),
    [({}, ""), (OURS, "an earlier run ended in the middle"), (OURS | {FAILED: "no kernel"}, "no kernel")],
)
def test_why_an_earlier_run_has_left_a_node_cordoned(annotations: dict[str, str], told: str) -> None:
    """The reason that it wrote down, if it could."""
    assert str(why_left_cordoned(kube_node("w1", cordoned=True, annotations=annotations)) or "") == told
