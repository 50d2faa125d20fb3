"""Each next step that names cert_rotation is walked: the rotation that it leads to has a step for that very certificate."""

from datetime import timedelta

import pytest

from tasks.certificates.models.inventory import Kind, Kubeconfig, NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES
from tasks.certificates.policy.inventory import RENEW, judge_inventory
from tasks.core.models.plan import Refusal
from tasks.core.models.profile import CertificateRules
from tests.facts.certificates import FOLDER, NOW, certificate, changed, control_plane, inventory, worker
from tests.facts.rotation import facts, planned, with_kubelet

ENDED = NOW - timedelta(days=5)
CONFIG, COPY = f"{FOLDER}/kubelet.conf", "/root/.kube/config"


def inside(node: NodeCertificates, path: str, *, copy_of: str = "", pointed: str = "") -> NodeCertificates:
    """With an expired certificate inside of a kubeconfig."""
    own = certificate("", node.name, path=path, kind=Kind.KUBECONFIG, not_after=ENDED, fingerprint="old")
    config = Kubeconfig(path=path, copy_of=copy_of, pointed=pointed)
    return node.model_copy(update={"kubeconfigs": (config,), "certificates": (*node.certificates, own)})


def expired(*nodes: NodeCertificates) -> Refusal:
    """The only one that an inventory finds to have ended."""
    found = judge_inventory(inventory(*nodes), CertificateRules(), now=NOW)
    [one] = [one for one in found.refusals if "expired 5 days ago" in one.problem]
    return one


@pytest.mark.parametrize(
    ("nodes", "act"),
    [
        *(((changed(control_plane(), leaf, not_after=ENDED),), f"renew {leaf}") for leaf in LEAVES),
        (
            (control_plane(), changed(with_kubelet(worker()), "kubelet-client", not_after=ENDED)),
            "sign the kubelet's client certificate",
        ),
        ((control_plane(), inside(worker(), CONFIG, pointed="x")), f"point {CONFIG} at"),
        ((inside(control_plane(), CONFIG, pointed="x"),), f"point {CONFIG} at"),
        ((inside(control_plane(), COPY, copy_of="admin.conf"),), f"refresh {COPY}"),
    ],
)
def test_what_an_inventory_sends_to_cert_rotation_is_a_step_of_it(
    nodes: tuple[NodeCertificates, ...], act: str
) -> None:
    """A kubelet.conf with its certificate inside had none: people were sent in a circle (F12)."""
    finding = expired(*nodes)
    assert finding.next_step == RENEW
    acts = [step.act for step in planned(facts(*nodes), allow_downtime=True).steps]
    assert any(one.startswith(act) for one in acts), acts


def test_a_copy_on_a_worker_is_not_sent_there_alone() -> None:
    """Nobody writes it there but a person."""
    finding = expired(control_plane(), inside(worker(), COPY, copy_of="admin.conf"))
    assert finding.next_step == f"{RENEW}, then copy the kubeconfig that it is a copy of from a control plane node"
