"""Which nodes are control planes: by their manifests, over SSH."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.cluster import Cluster
from tasks.core.errors import NotYet, Refused
from tasks.core.models.kubeadm import PARKED

control_planes: Any = vars(Cluster)["control_planes"].func


@pytest.fixture
def cluster(tmp_path: Path) -> SimpleNamespace:
    """Machines that are folders, with kubeadm's folder below each; one that is named `off` does not answer."""

    def node(name: str) -> SimpleNamespace:
        def run(script: str, **_: object) -> SimpleNamespace:
            if name == "off":
                raise NotYet("off: no connection")
            if name == "strange":
                raise Refused("strange: the host key changed")
            here = script.replace(PARKED, f"{tmp_path}/{name}/parked").replace("/etc/kubernetes", f"{tmp_path}/{name}")
            return SimpleNamespace(status=subprocess.run(["sh", "-c", here], check=False).returncode)

        return SimpleNamespace(run=run)

    nodes = [SimpleNamespace(name=name) for name in ("cp1", "cp2", "w1", "off")]
    profile = SimpleNamespace(kubeadm=SimpleNamespace(folder="/etc/kubernetes"), nodes=nodes)
    made = SimpleNamespace(profile=profile, node=node)
    made.who_is_control_plane = lambda: Cluster.who_is_control_plane(made)  # type: ignore[arg-type]
    return made


def test_a_manifest_counts_also_where_a_run_that_died_has_put_it(cluster: SimpleNamespace, tmp_path: Path) -> None:
    """The only control plane node of a cluster would be none, and nobody could go on there."""
    for place in ("cp1/manifests", "cp2/parked", "w1/manifests"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "cp1/manifests/kube-apiserver.yaml").touch()
    (tmp_path / "cp2/parked/kube-apiserver.yaml").touch()
    assert control_planes(cluster) == ("cp1", "cp2")


def test_without_any_the_field_and_the_fix_are_told(cluster: SimpleNamespace) -> None:
    """None that answers has one."""
    with pytest.raises(NotYet, match="none of cp1, cp2, w1, off is a control plane node that can be reached") as told:
        control_planes(cluster)
    assert "check nodes: and ssh: of the profile" in told.value.hint


def test_a_node_that_is_not_what_was_configured_is_told(cluster: SimpleNamespace, tmp_path: Path) -> None:
    """For the way to the API; who only wants to know who is what hears of each node by itself."""
    (tmp_path / "cp1/manifests").mkdir(parents=True)
    (tmp_path / "cp1/manifests/kube-apiserver.yaml").touch()
    cluster.profile.nodes.append(SimpleNamespace(name="strange"))
    with pytest.raises(Refused, match="strange: the host key changed"):
        control_planes(cluster)
    told = cluster.who_is_control_plane()
    assert [told[name] for name in ("cp1", "cp2", "w1")] == [True, False, False]
    assert [str(told[name]) for name in ("off", "strange")] == ["off: no connection", "strange: the host key changed"]
