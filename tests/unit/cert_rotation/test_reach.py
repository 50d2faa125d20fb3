"""A node of a cluster as a rotation reaches it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.cert_rotation.reach import ClusterReach
from tasks.clients.ssh import NodeShell
from tasks.core.errors import NotYet, Refused
from tasks.core.models.profile import ClusterProfile
from tasks.core.models.shape import NodeShape
from tests.facts.buckets import Bucket
from tests.facts.kube_api import Api
from tests.facts.shapes import shape_of

PROFILE = ClusterProfile.model_validate(
    {
        "name": "prod",
        "store": {"bucket": "bucket"},
        "nodes": [{"name": "cp1", "address": "cp1"}],
        "ssh": {"user": "ops", "key": "file:/key", "known_hosts": "/known"},
        "etcd": {"endpoints": [{"url": "https://10.0.0.1:2379", "node": "cp1"}]},
    }
)


class OneNode:
    """A cluster of one node, which answers each script in the same way."""

    def __init__(self, answer: Callable[[str], bytes]) -> None:
        self.kube, self.store, self.profile = Api(), Bucket(), PROFILE
        self._answer = answer

    def node(self, name: str) -> Any:  # noqa: ANN401 - as much of an SshNode as is asked
        """The one."""
        return SimpleNamespace(name=name, run=self._run, connect=lambda: None)

    def shell(self, name: str) -> NodeShell:
        """On it."""
        return NodeShell(self.node(name))

    def shape(self, name: str) -> NodeShape:
        """As kubeadm lays it down."""
        return shape_of(name)

    @contextmanager
    def etcd(self, *_: object, **__: object) -> Iterator[None]:
        """Lets nobody in."""
        raise Refused("no member of etcd lets us in")
        yield

    def _run(self, script: str, **_: object) -> SimpleNamespace:
        return SimpleNamespace(stdout=self._answer(script), status=0, complaint="")


def reach(answer: Callable[[str], bytes], limit: timedelta = timedelta()) -> tuple[ClusterReach, OneNode]:
    """Of the node that is called cp1."""
    handle: Any = OneNode(answer)
    return ClusterReach(handle, "cp1", limit), handle


def lost(_: str) -> bytes:
    """Its connection."""
    raise NotYet("cp1: no route")


def test_its_clock_is_read_in_whole_seconds() -> None:
    """Times of files have no more: one that is written in the same second is not older than the record."""
    node, _ = reach(lambda _: b"1764072000.987654321\n")
    assert node.now() == datetime.fromtimestamp(1764072000, UTC)


def test_a_connection_that_is_lost_for_a_moment_is_tried_again() -> None:
    """Each script is safe to run again."""
    answers: Iterator[NotYet | bytes] = iter([NotYet("cp1: no route"), b"said"])

    def answer(_: str) -> bytes:
        said = next(answers)
        if isinstance(said, NotYet):
            raise said
        return said

    node, _ = reach(answer, timedelta(seconds=30))
    assert node.run("x") == "said"


def test_a_node_that_does_not_answer_is_not_one_without_certificates() -> None:
    """Neither is it one without a record."""
    node, _ = reach(lost)
    with pytest.raises(NotYet, match="no route"):
        node.look()
    with pytest.raises(NotYet, match="no route"):
        node.left()
    assert node.api_ready() == ""


def test_an_etcd_that_lets_nobody_in_is_not_well() -> None:
    """With its own words."""
    node, _ = reach(lambda _: b"")
    assert "no member of etcd lets us in" in str(node.what_ails_member())


def test_leases_and_diagnostics_are_the_clusters() -> None:
    """A lease is asked of the API; what a node has to say goes into the bucket."""
    node, handle = reach(lambda _: b"")
    first = node.renewal_of("kube-scheduler")
    assert first < node.renewal_of("kube-scheduler")
    handle.kube.has_leaders = False
    assert node.renewal_of("kube-scheduler") == ""
    where = node.keep_diagnostics("run-1-cp1", "its log")
    assert where == "s3://b/prod/reports/cert_rotation/evidence/run-1-cp1.txt"
    assert list(handle.store.kept.values()) == [b"its log"]


def test_a_static_pod_is_taken_away_and_given_back_on_that_node() -> None:
    """Until it is gone."""
    sent: list[str] = []

    def answer(script: str) -> bytes:
        sent.append(script)
        return b""

    node, _ = reach(answer)
    node.park("etcd")
    node.unpark("etcd")
    assert len(sent) == 2
    assert all("etcd" in script for script in sent)
