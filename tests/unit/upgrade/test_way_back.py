"""A restore of etcd is offered only where it undoes something."""

import pytest

from tasks.upgrade.models.upgrade import NodeUpgrade
from tasks.upgrade.summary import way_back
from tests.facts.restore import backup


@pytest.mark.parametrize(
    ("control_plane", "needs_kubeadm", "offered"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_only_kubeadm_on_a_control_plane_node_can_damage_etcd(
    *, control_plane: bool, needs_kubeadm: bool, offered: bool
) -> None:
    """After a failed proof of one node's Service path, a restore of all of etcd would only lose what was written since."""
    node = NodeUpgrade(
        name="n1", control_plane=control_plane, kubelet="1.36.3", target="1.37.2", needs_kubeadm=needs_kubeadm
    )
    assert way_back(node, backup()) == (
        "only if etcd has lost its data: kube-runbooks run etcd-restore prod --backup=20261123T100000Z-4711-0a1b2c3d "
        "--mode=apply --confirm=prod; it loses everything that was written since 2026-11-23 10:00:00 UTC"
        if offered
        else ""
    )
