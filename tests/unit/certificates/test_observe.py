"""How nodes and the API are asked for their certificates, and what is published."""

from datetime import timedelta
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.certificates.observe import look_at_inventory
from tasks.certificates.steps import publish_inventory
from tasks.clients.ssh import Output, SshNode
from tasks.cluster import Cluster
from tasks.core.errors import NotYet
from tasks.core.models.profile import CertificateRules, KubeconfigCopy
from tests.facts.buckets import Bucket
from tests.facts.certificates import RECORDED
from tests.facts.profiles import profile_of

COPIES = (
    KubeconfigCopy(path=PurePosixPath("/root/.kube/config")),
    KubeconfigCopy(path=PurePosixPath("/home/ops/config"), nodes=("w1",)),
)


class Machine(SshNode):
    """A node that answers as one was recorded; or one that does not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = ""

    def run(self, command: str, **given: Any) -> Output:  # noqa: ANN401 - of SshNode.run
        """What it is asked is kept."""
        self.asked += command
        assert given["sudo"]
        if self.name == "w1":
            raise NotYet("w1: no connection")
        return Output(stdout=(RECORDED / "look.txt").read_bytes(), stderr=b"", status=0, took=timedelta())


class Prod(Cluster):
    """A control plane node that answers, a worker that does not, and an API that has nothing but one service."""

    def __init__(self) -> None:
        super().__init__(profile_of("cp1", "w1", certificates=CertificateRules(kubeconfigs=COPIES)))
        self.machines = {name: Machine(name) for name in ("cp1", "w1")}
        self.bucket = Bucket()
        self.api_is_away = False
        self.__dict__ |= {"store": self.bucket, "kube": SimpleNamespace(items=self.items)}

    def node(self, name: str) -> Machine:
        """A connection."""
        return self.machines[name]

    def items(self, path: str) -> list[dict[str, Any]]:
        """Of a list."""
        if self.api_is_away:
            raise NotYet("no API server answers")
        return [{"metadata": {"name": "x"}, "spec": {"caBundle": "bm9uc2Vuc2U="}}] if "apiservices" in path else []


@pytest.fixture
def prod() -> Prod:
    """The cluster."""
    return Prod()


def test_all_that_answers_is_in_the_inventory_and_what_does_not_is_a_fact(prod: Prod) -> None:
    """Each node is asked for the copies that are its own."""
    found = look_at_inventory(prod)
    assert [node.unreached for node in found.nodes] == ["", "w1: no connection"]
    assert found.nodes[0].named("apiserver")
    assert [one.path for one in found.objects] == ["apiservices/x"]
    assert "/root/.kube/config" in prod.node("cp1").asked
    assert "/home/ops/config" not in prod.node("cp1").asked
    prod.api_is_away = True
    away = look_at_inventory(prod)
    assert (away.objects, away.api_problem) == ((), "no API server answers")


def test_the_table_is_shown_and_prometheus_has_its_file(prod: Prod) -> None:
    """Beside the reports of the cluster."""
    shown: list[str] = []
    publish_inventory(prod, look_at_inventory(prod), show=lambda cluster, _: shown.append(cluster))
    assert shown == ["prod"]
    assert b'node="cp1"' in prod.bucket.kept["prod/metrics/certificates.prom"]
