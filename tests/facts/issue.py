"""Requests for certificates from nothing, and machines that have some of them."""

from pathlib import PurePosixPath
from typing import Any

from tasks.certificate_issue.models import IssueFacts, IssuePlan, IssueRequest
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificate_issue.policy.plan import plan_issue
from tasks.certificates.models.inventory import Certificate, Kind, Kubeconfig, NodeCertificates, PublicKey
from tasks.certificates.models.kubeadm import AUTHORITIES, Leaf
from tests.facts.certificates import FOLDER, NOW, certificate

STACKED = IssueRequest.model_validate(
    {
        "control_planes": [{"name": "cp1", "address": "192.0.2.11"}, {"name": "cp2", "address": "192.0.2.12"}],
        "endpoint": "api.example.org:6443",
        "version": "1.36.3",
        "names": ["lb.example.org", "192.0.2.9"],
    }
)
EXTERNAL = IssueRequest.model_validate(
    {
        "control_planes": [{"name": "cp1", "address": "2001:db8::11"}],
        "etcd": [{"name": "etcd1", "address": "192.0.2.21"}],
        "endpoint": "192.0.2.10",
        "version": "v1.37.2",
        "service_subnet": "fd00:10:96::/112,10.96.0.0/16",
        "dns_domain": "k8s.example",
    }
)
EMPTY = NodeCertificates(name="cp1")
SA = (
    PublicKey(path=f"{FOLDER}/pki/sa.pub", public_key="s"),
    PublicKey(path=f"{FOLDER}/pki/sa.key", public_key="s", private=True),
)


def as_asked(leaf: Leaf, node: str, **changes: Any) -> Certificate:  # noqa: ANN401 - fields of Certificate
    """A certificate that is what the leaf says."""
    good = {
        "path": f"{FOLDER}/{leaf.path}",
        "kind": Kind.KUBECONFIG if leaf.asks else Kind.CLIENT,
        "subject": leaf.subject,
        "names": leaf.names,
    }
    return certificate(leaf.name, node, **good | changes)


def whole(name: str, request: IssueRequest = STACKED, *, without: str = "", **changes: object) -> NodeCertificates:
    """A machine that has all that the request wants of it, but what has a path like `without`."""
    leaves = leaves_of(request, name)
    authorities = {leaf.authority for leaf in leaves}
    found = [certificate(one, name, days=3000) for one in AUTHORITIES if one in authorities]
    if request.etcd and name in {machine.name for machine in request.control_planes}:
        found = [one.model_copy(update={"pair": None}) if one.name == "etcd-ca" else one for one in found]
    found += [as_asked(leaf, name) for leaf in leaves]
    good: dict[str, Any] = {
        "name": name,
        "certificates": tuple(one for one in found if not without or without not in one.path),
        "kubeconfigs": tuple(
            Kubeconfig(path=f"{FOLDER}/{leaf.path}", server=leaf.asks) for leaf in leaves if leaf.asks
        ),
        "public_keys": SA if name.startswith("cp") else (),
    }
    return NodeCertificates.model_validate(good | changes)


def planned(*machines: NodeCertificates, request: IssueRequest = STACKED) -> IssuePlan:
    """For a request whose other machines have nothing."""
    names = {machine.name for machine in machines}
    rest = tuple(NodeCertificates(name=name) for name in request.machines if name not in names)
    facts = IssueFacts(observed_at=NOW, folder=PurePosixPath(FOLDER), machines=(*machines, *rest))
    return plan_issue(facts, request, now=NOW)


def changed(node: NodeCertificates, path: str, **changes: object) -> NodeCertificates:
    """One certificate of it is another one."""
    return node.model_copy(
        update={
            "certificates": tuple(
                one.model_copy(update=changes) if one.path == f"{FOLDER}/{path}" else one for one in node.certificates
            )
        }
    )
