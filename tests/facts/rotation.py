"""What a rotation of leaf certificates is planned by."""

import base64
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tasks.cert_rotation.models.rotation import (
    Phase,
    RotationFacts,
    RotationOptions,
    RotationPlan,
    RotationRecord,
    ServingRequest,
)
from tasks.cert_rotation.models.serving import Identities, NodeIdentity
from tasks.cert_rotation.policy.plan import plan_rotation
from tasks.cert_rotation.policy.records import taken_from
from tasks.certificates.models.inventory import Inventory, Kubeconfig, NodeCertificates
from tasks.core.models.etcd import EtcdFacts, Member
from tasks.core.models.profile import CertificateRules
from tasks.nodes.models.nodes import KubeNode
from tests.facts.certificates import FOLDER, NOW, control_plane
from tests.facts.etcd import member

RUN = "0a1b2c3d-0000-0000-0000-000000000000"

CONFIGURATION = {"controlPlaneEndpoint": "10.0.0.100:6443", "kubernetesVersion": "v1.37.2"}

NODES = (
    NodeCertificates(name="w1", hostname="w1", addresses=("10.0.1.1", "fd00::1")),
    NodeCertificates(name="w2", unreached="no route"),
    NodeCertificates(name="w3", hostname="w3.lan", addresses=("10.0.1.3", "172.17.0.1")),
)

KNOWN = Identities(
    nodes=(
        NodeIdentity(name="w1", address="10.0.1.1", known=True, reported=("DNS:w1", "IP:10.0.1.1", "IP:fd00::1")),
        NodeIdentity(name="w2", address="w2.example.org", known=True, reported=("DNS:w2", "IP:10.0.1.2")),
        NodeIdentity(name="w3", known=True),
        NodeIdentity(name="cp1", known=True, control_plane=True, reported=("IP:10.0.0.1",)),
    ),
    reserved={"DNS:kubernetes": "the API's own name", "IP:10.0.9.9": "of the Service web/shop"},
    api_names={"IP:10.0.0.100": "a name of the API's certificate"},
    services=("10.96.0.0/12", "fd00:96::/112"),
    pods={"10.244.1.0/24": "w1", "10.244.2.0/24": "w2"},
)

GOOD = ServingRequest(
    name="csr-abc",
    signer="kubernetes.io/kubelet-serving",
    username="system:node:w1",
    groups=("system:nodes", "system:authenticated"),
    usages=("digital signature", "server auth"),
    common_name="system:node:w1",
    organizations=("system:nodes",),
    names=("DNS:w1", "IP:10.0.1.1"),
    key="EC secp256r1",
)


def facts(*nodes: NodeCertificates, **changes: Any) -> RotationFacts:  # noqa: ANN401
    """With an API and an etcd that are well, and names that are in order."""
    values: dict[str, Any] = {
        "observed_at": NOW,
        "run_id": RUN,
        "inventory": Inventory(observed_at=NOW, nodes=nodes),
        "etcd": EtcdFacts(cluster_id="c", observed_at=NOW, members=tuple(map(member_of, nodes))),
        "nodes": tuple(kube(node) for node in nodes),
    }
    return RotationFacts(**values | changes)


def member_of(node: NodeCertificates) -> Member:
    """The first one leads."""
    return member(node.name, is_leader=node.name == "cp1").model_copy(update={"node": node.name})


def kube(node: NodeCertificates) -> KubeNode:
    """Ready, by its own address."""
    return KubeNode(name=node.name, ready=True, kubelet="1.37.2", addresses=node.addresses)


def planned(found: RotationFacts, **options: Any) -> RotationPlan:  # noqa: ANN401
    """By the rules of a profile that says nothing of certificates."""
    return plan_rotation(found, RotationOptions(**options), CertificateRules(), now=NOW)


def three(days: float = 10, **changes: Any) -> RotationFacts:  # noqa: ANN401
    """Control planes whose leaves end in so many days."""
    return facts(*(control_plane(f"cp{n}", days=days) for n in (1, 2, 3)), **changes)


def refusals(plan: RotationPlan) -> str:
    """As lines."""
    return "\n".join(f"{one.subject}: {one.problem} -> {one.next_step}" for one in plan.refusals)


def cautions(plan: RotationPlan) -> str:
    """As lines."""
    return "\n".join(f"{one.subject}: {one.problem}" for one in plan.cautions)


def acts(plan: RotationPlan, node: str) -> list[str]:
    """Of one node."""
    return [step.act for step in plan.steps if step.subject == node]


def asked(
    common: str,
    organizations: list[str],
    names: list[x509.GeneralName],
    *,
    subject: list[tuple[Any, str]] | None = None,
) -> dict[str, Any]:
    """A CertificateSigningRequest as the API has it."""
    parts = subject or [
        *((x509.NameOID.ORGANIZATION_NAME, one) for one in organizations),
        (x509.NameOID.COMMON_NAME, common),
    ]
    name = x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])
    builder = x509.CertificateSigningRequestBuilder(name).add_extension(
        x509.SubjectAlternativeName(names), critical=False
    )
    request = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return {
        "metadata": {"name": "csr-abc", "creationTimestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"},
        "spec": {
            "signerName": "kubernetes.io/kubelet-serving",
            "username": "system:node:w1",
            "groups": ["system:nodes", "system:authenticated"],
            "usages": ["digital signature", "server auth"],
            "request": base64.b64encode(request.public_bytes(Encoding.PEM)).decode(),
        },
    }


BOTH = ["restart etcd", "restart kube-apiserver"]
"""An API server is useless without the member beside it."""


def record(phase: Phase = Phase.RENEWING, name: str = "cp3", **changes: Any) -> RotationRecord:  # noqa: ANN401
    """Of a run that died."""
    return RotationRecord(
        run_id="dead",
        phase=phase,
        begun_at=NOW,
        leaves=("apiserver",),
        restarts=("kube-apiserver",),
        reason="it was not well",
        taken_from=taken_from(control_plane(name)),
    ).model_copy(update=changes)


def with_kubelet(node: NodeCertificates) -> NodeCertificates:
    """Its kubelet.conf names the file with its certificate."""
    config = Kubeconfig(path=f"{FOLDER}/kubelet.conf", names_file="/var/lib/kubelet/pki/kubelet-client-current.pem")
    return node.model_copy(update={"kubeconfigs": (config,)})
