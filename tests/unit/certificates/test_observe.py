"""How nodes and the API are asked for their certificates, and what is published."""

from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.certificates import observe as certificates
from tasks.certificates.models.inventory import Inventory
from tasks.core.errors import NotYet
from tasks.core.models.profile import CertificateRules, Kubeadm, KubeconfigCopy, Kubernetes
from tests.facts.buckets import Bucket
from tests.unit.certificates.test_certificates import DATA

COPIES = (
    KubeconfigCopy(path=PurePosixPath("/root/.kube/config")),
    KubeconfigCopy(path=PurePosixPath("/home/ops/config"), nodes=("w1",)),
)


class Handle:
    """A control plane node that answers, a worker that does not, and an API that has nothing but one service."""

    def __init__(self) -> None:
        self.profile = SimpleNamespace(
            name="prod",
            kubeadm=Kubeadm(),
            kubernetes=Kubernetes(),
            certificates=CertificateRules(kubeconfigs=COPIES),
            nodes=[SimpleNamespace(name="cp1"), SimpleNamespace(name="w1")],
        )
        self.store = Bucket()
        self.asked: dict[str, str] = {}
        self.kube = SimpleNamespace(items=self.items)
        self.api_is_away = False

    def node(self, name: str) -> SimpleNamespace:
        """A connection."""

        def run(script: str, **given: Any) -> SimpleNamespace:  # noqa: ANN401 - of SshNode.run
            self.asked[name] = script
            assert given["sudo"]
            if name == "w1":
                raise NotYet("w1: no connection")
            return SimpleNamespace(stdout=(DATA / "look.txt").read_bytes())

        return SimpleNamespace(run=run)

    def items(self, path: str) -> list[dict[str, Any]]:
        """Of a list."""
        if self.api_is_away:
            raise NotYet("no API server answers")
        return [{"metadata": {"name": "x"}, "spec": {"caBundle": "bm9uc2Vuc2U="}}] if "apiservices" in path else []


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> Handle:
    """Of the cluster prod."""
    one = Handle()
    monkeypatch.setattr(certificates, "open_cluster", lambda _: one)
    return one


def test_all_that_answers_is_in_the_inventory_and_what_does_not_is_a_fact(handle: Handle) -> None:
    """Each node is asked for the copies that are its own."""
    found = certificates.observe_certificates.fn("prod")
    assert isinstance(found, Inventory)
    assert [node.unreached for node in found.nodes] == ["", "w1: no connection"]
    assert found.nodes[0].named("apiserver")
    assert [one.path for one in found.objects] == ["apiservices/x"]
    assert "/home/ops/config" not in handle.asked["cp1"]
    assert "/home/ops/config" in handle.asked["w1"]
    handle.api_is_away = True
    away = certificates.observe_certificates.fn("prod")
    assert isinstance(away, Inventory)
    assert (away.objects, away.api_problem) == ((), "no API server answers")
    assert len(certificates.read_certificate_rules("prod").kubeconfigs) == 2


def test_the_table_is_shown_and_prometheus_has_its_file(handle: Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the reports of the cluster."""
    shown: list[str] = []
    monkeypatch.setattr(certificates, "show_certificates", lambda cluster, _: shown.append(cluster))
    inventory = certificates.observe_certificates.fn("prod")
    assert isinstance(inventory, Inventory)
    certificates.publish_certificates.fn("prod", inventory)
    assert shown == ["prod"]
    assert b'node="cp1"' in handle.store.kept["prod/metrics/certificates.prom"]
