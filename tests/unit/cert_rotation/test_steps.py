"""The tasks, with a profile on disk: a plan without work on nodes asks none of them."""

from pathlib import Path

import pytest

from tasks.cert_rotation.models.rotation import AllRotated, RotationPlan
from tasks.cert_rotation.steps import renew_kubelets, rotate_all

PROFILE = """\
store: {bucket: bucket}
nodes: [{name: cp1, address: 192.0.2.1}]
ssh: {user: ops, key: "file:/key", known_hosts: /known}
kubernetes: {kubeconfig: "file:%s"}
"""
KUBECONFIG = """\
clusters: [{name: c, cluster: {server: "https://192.0.2.1:6443", certificate-authority-data: "YQ=="}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Its name; nobody answers at its addresses."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    kubeconfig.chmod(0o600)
    (tmp_path / "prod.yaml").write_text(PROFILE % kubeconfig)
    monkeypatch.setenv("KUBE_RUNBOOKS_CLUSTERS", str(tmp_path))
    return "prod"


def test_where_no_node_is_touched_none_is_asked(cluster: str) -> None:
    """Also where there is no API."""
    plan = RotationPlan(by_ssh_alone=True)
    assert renew_kubelets.fn(cluster, plan, "run-1", lambda: None) == AllRotated(nodes=())
    assert rotate_all.fn(cluster, plan, "run-1", lambda: None) == AllRotated(nodes=())
