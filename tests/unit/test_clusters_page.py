"""The page of supported clusters is what the tests run."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from tests.lab.clusters import FIRST, OF_SHAPES, SHAPES, page
from tests.lab.shape import ODDITIES, Shape

PAGE = Path(__file__).parents[2] / "docs/clusters.md"


def test_the_page_is_made_of_the_tests_own_list() -> None:
    """`python -m tests.lab.clusters > docs/clusters.md` makes it."""
    assert PAGE.read_text() == page()


def test_each_oddity_of_a_lab_has_a_row_and_a_cluster_that_the_tests_run() -> None:
    """Nothing is called tried that no test has."""
    assert [row.field for row in OF_SHAPES] == list(ODDITIES)
    assert all(row.shapes for row in OF_SHAPES)
    plain = {
        "name",
        "network",
        "control_planes",
        "workers",
        "kubernetes",
        "etcd",
        "external_etcd",
        "leaf_hours",
        "bastion",
    }
    assert {field.name for field in fields(Shape)} == plain | set(ODDITIES)


def test_the_clusters_of_the_tests_can_be_and_do_not_meet() -> None:
    """Each has its own name and network."""
    assert len({shape.name for shape in SHAPES}) == len({shape.network for shape in SHAPES}) == len(SHAPES)
    assert set(FIRST) < set(SHAPES)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kubelet_healthz": "here"}, "kubelet_healthz: here is not possible: give PORT, node:PORT or 0"),
        ({"control_planes": 3, "etcd_port": 12379}, "bind_address, etcd_port: one control plane"),
        ({"ipv6": True, "bastion": True}, "ipv6, dual_stack: without bastion and external_etcd"),
    ],
)
def test_what_does_not_fit_together_is_said(given: dict[str, Any], told: str) -> None:
    """Before anything is made."""
    with pytest.raises(ValueError, match=told):
        Shape(**given)
