"""Which nodes the lock is held on: control plane nodes by manifest, by label, or because nobody can say that they are none."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tasks.cluster import Cluster
from tasks.core.errors import NotYet, Refused, RunbookError
from tasks.core.models.kubeadm import CONTROL_PLANE
from tasks.run.voters import find_voters

kube = SimpleNamespace()
SILENT = NotYet("no connection")
STRANGE = Refused("its host key changed")


def voters(told: dict[str, bool | RunbookError], *, kubeconfig: str = "", ssh: bool = True, **asked: Any) -> Any:  # noqa: ANN401 - of `find_voters`
    """For nodes that say so of themselves."""
    kubernetes = SimpleNamespace(kubeconfig=kubeconfig)
    profile = SimpleNamespace(name="prod", ssh=ssh or None, nodes=list(told), kubernetes=kubernetes)
    handle = cast("Cluster", SimpleNamespace(profile=profile, who_is_control_plane=lambda: told, kube=kube))
    words: dict[str, Any] = {"nodes": (), "lost": (), "without_api": False, "patience": timedelta()} | asked
    return find_voters(handle, **words)


@pytest.fixture
def api() -> Callable[..., None]:
    """What it answers: names of control plane nodes, or that it is away."""

    def answers(*names: str, away: bool = False, mirrors: tuple[str, ...] = ()) -> None:
        def items(path: str, **_: str) -> list[object]:
            if away:
                raise NotYet("no API server answers")
            if path.endswith("/pods"):
                metadata = {"name": "kube-apiserver", "namespace": "kube-system", "uid": "1"}
                return [{"metadata": metadata, "spec": {"nodeName": one}} for one in mirrors]
            labels: dict[str, dict[str, str]] = {one: {CONTROL_PLANE: ""} for one in names} | {"w1": {}, "w2": {}}
            return [{"metadata": {"name": name, "labels": found}} for name, found in labels.items()]

        kube.items = items

    return answers


def test_the_api_tells_which_silent_nodes_are_workers(api: Callable[..., None]) -> None:
    """Hundreds of them may be away; control plane nodes that are, count."""
    api("cp1", "cp2")
    assert voters({"cp1": True, "cp2": SILENT, "w1": SILENT, "w2": STRANGE}) == ("cp1", "cp2")
    assert voters({"cp2": SILENT, "w1": False}) == ("cp2",)
    assert voters({"w1": False}, kubeconfig="file:/x") == ()
    api("cp1", mirrors=("cp1", "cp2"))  # somebody has taken the label of cp2 away
    assert voters({"cp1": True, "cp2": SILENT, "w1": SILENT}) == ("cp1", "cp2")


def test_without_the_api_a_silent_node_counts_unless_it_is_lost(api: Callable[..., None]) -> None:
    """It may be a control plane node that another run has locked."""
    api(away=True)
    told: dict[str, bool | RunbookError] = {"cp1": True, "cp2": SILENT, "w1": False}
    assert voters(told, without_api=True) == ("cp1", "cp2")
    assert voters(told, without_api=True, lost=("cp2",)) == ("cp1",)
    assert voters({"cp1": SILENT, "w1": SILENT}, kubeconfig="file:/x", without_api=True) == ("cp1", "w1")
    with pytest.raises(NotYet, match="no API server answers"):
        voters(told)


def test_machines_that_are_to_become_a_cluster_are_its_nodes(api: Callable[..., None]) -> None:
    """There is no control plane yet; and a profile without SSH has no nodes to lock."""
    api(away=True)
    told: dict[str, bool | RunbookError] = {"m1": False, "m2": False, "m3": SILENT}
    assert voters(told, nodes=("m2", "m1"), without_api=True) == ("m1", "m2")
    assert voters(told, ssh=False) == ()
    assert voters({"etcd1": False}) == ()
