"""What is wrong with a cluster's certificates, or will be soon: what does not hold is an alarm, the rest is worth a look."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tasks.certificates.models.inventory import Certificate, Inventory, Kind, NodeCertificates, Served
from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES, READERS
from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.kubeadm import KUBELET_CLIENT, KUBELET_SERVING
from tasks.core.models.plan import Caution, Plan, Refusal
from tasks.core.models.profile import CertificateRules

RENEW = "run cert_rotation"
ROTATE = "plan the rotation of this authority (docs/ca-rotation.md): everything that it has signed ends with it"
RESTART = "cert_rotation starts anew what has not read its files yet"


def judge_inventory(inventory: Inventory, rules: CertificateRules, *, now: datetime) -> Plan:
    """Everything at once; neither a refusal nor a caution where all is well."""
    found = [
        *(finding for one in inventory.certificates for finding in _certificate(one, rules, now)),
        *(finding for node in inventory.nodes for finding in _node(node)),
        *_same_everywhere(inventory),
    ]
    if inventory.api_problem:
        found.append(
            cautioned("API", f"its caBundles are not known: {inventory.api_problem}", "run it again when it answers")
        )
    return Plan(
        refusals=tuple(one for one in found if isinstance(one, Refusal)),
        cautions=tuple(one for one in found if isinstance(one, Caution)),
    )


def in_words(left: timedelta) -> str:
    """`ends in 12 days`, `ended 3 days ago`; hours where it is less than two days."""
    size = abs(left)
    told = f"{size.days} days" if size >= timedelta(days=2) else f"{size // timedelta(hours=1)} h"
    return f"ended {told} ago" if left <= timedelta() else f"ends in {told}"


def _certificate(one: Certificate, rules: CertificateRules, now: datetime) -> Iterator[Finding]:
    if one.problem:
        yield refused(one.label, one.problem, "put it back from another control plane or from a backup, or renew it")
        return
    yield from _end(one, rules, now)
    if one.pair is False:
        yield refused(one.label, "the key beside it is another one's", how_to_renew(one))
    if one.signed is False:
        yield refused(one.label, f"it is not signed by {one.authority}, as it is on this node", how_to_renew(one))


def how_to_renew(one: Certificate) -> str:
    """The next step for a leaf."""
    if one.name in {*LEAVES, KUBELET_CLIENT} or one.kind is Kind.KUBECONFIG:
        return RENEW
    if one.name == KUBELET_SERVING and one.self_signed:
        return f"remove {one.path} and its key, then restart kubelet: it makes another one"
    if one.name == KUBELET_SERVING:
        return "its kubelet asks for another one: `kubectl get csr`; cert_rotation approves what is its own"
    return "renew it where it comes from: it is none of kubeadm's"


def _end(one: Certificate, rules: CertificateRules, now: datetime) -> Iterator[Finding]:
    left = one.left(now)
    if left is None:
        return
    told = f"{one.subject or 'no subject'} {in_words(left)} ({one.not_after:%Y-%m-%d %H:%M} UTC)"
    authority = one.kind in {Kind.AUTHORITY, Kind.TRUST}
    if left <= rules.warn_before and one.kind is not Kind.TRUST:
        yield refused(one.label, told, ROTATE if authority else how_to_renew(one))
    elif left <= (rules.warn_before_ca if one.kind is Kind.AUTHORITY else rules.warn_before):
        yield cautioned(one.label, told, ROTATE)


def _node(node: NodeCertificates) -> Iterator[Finding]:
    if node.unreached:
        yield refused(node.name, f"nothing is known of its certificates: {node.unreached}", "look at its sshd")
        return
    if not node.openssl:
        yield cautioned(
            node.name, "it has no openssl: whether keys match, and what is served, is not known", "install openssl"
        )
    for path in node.external:
        yield cautioned(
            f"{node.name}: {path}",
            "its key is not there: it is an external authority, and kubeadm renews nothing of it",
            "renew what it has signed where its key is",
        )
    for served in node.served:
        yield from _served(node, served)
    yield from _not_read_yet(node)
    yield from _copies(node)


def _served(node: NodeCertificates, served: Served) -> Iterator[Finding]:
    """What is made in memory is what it is; what was to come from a file has to be that file's."""
    subject = f"{node.name}: {served.name} at {served.port}"
    if served.certificate is None:
        if node.openssl:
            yield refused(subject, served.problem, f"look at {served.name} there")
        return
    on_disk = _at(node, served.path)
    if on_disk and on_disk.fingerprint and served.certificate.fingerprint != on_disk.fingerprint:
        age = f"; it runs since {served.process.started_at:%Y-%m-%d %H:%M:%S} UTC" if served.process else ""
        written = f", written {on_disk.written_at:%Y-%m-%d %H:%M:%S} UTC" if on_disk.written_at else ""
        yield refused(
            subject,
            f"it presents serial {served.certificate.serial}, {served.path} has {on_disk.serial}{written}{age}",
            RESTART,
        )


def who_has_not_read(node: NodeCertificates) -> dict[str, tuple[str, ...]]:
    """Program to those of its certificates that were written after it was started, by the node's clock."""
    found: dict[str, tuple[str, ...]] = {}
    readers = {made.name: made.pods for made in LEAVES.values()} | READERS
    for process in node.processes:
        newer = tuple(
            name
            for name, pods in readers.items()
            if process.name in pods and (written := _written(node, name)) and written > process.started_at
        )
        if newer:
            found[process.name] = newer
    return found


def _written(node: NodeCertificates, name: str) -> datetime | None:
    """When a certificate, or the keys of service accounts, were written there."""
    if name == "sa":
        return max((key.written_at for key in node.public_keys if key.written_at), default=None)
    one = node.named(name)
    return one.written_at if one else None


def _not_read_yet(node: NodeCertificates) -> Iterator[Finding]:
    for name, newer in who_has_not_read(node).items():
        process = node.process(name)
        since = f"{process.started_at:%Y-%m-%d %H:%M:%S} UTC" if process else "before"
        yield cautioned(
            f"{node.name}: {name}", f"it runs since {since}, and has not read {listed(newer)} since then", RESTART
        )


def _copies(node: NodeCertificates) -> Iterator[Finding]:
    for copy in node.kubeconfigs:
        if not copy.copy_of:
            continue
        subject = f"{node.name}: {copy.path}"
        if copy.missing and not node.is_control_plane:
            continue
        if copy.missing:
            yield cautioned(subject, "the profile names it, and it is not there", "correct certificates.kubeconfigs")
            continue
        source, own = node.named(copy.copy_of), _at(node, copy.path)
        if source and own and source.fingerprint != own.fingerprint:
            yield cautioned(
                subject, f"it has another certificate than {copy.copy_of}, whose copy it is", "cert_rotation renews it"
            )


def _same_everywhere(inventory: Inventory) -> Iterator[Finding]:
    """What all control planes share: authorities, and the keys of service accounts."""
    nodes = [node for node in inventory.control_planes if not node.unreached]
    for name in AUTHORITIES:
        held = {node.name: fingerprints_of(node, name) for node in nodes}
        if len(set(filter(None, held.values()))) > 1:
            yield refused(name, f"not the same on all control planes: {_told(held)}", "end the rotation of it")
    for which in (True, False):
        keys = {node.name: tuple(k.public_key for k in node.public_keys if k.private is which) for node in nodes}
        if len(set(filter(None, keys.values()))) > 1:
            yield refused(
                "sa.key" if which else "sa.pub",
                f"not the same on all control planes: {_told(keys)}",
                "tokens of one are not good at another: put the right one everywhere",
            )
    for node in nodes:
        public = {key.public_key for key in node.public_keys if not key.private}
        if any(key.private and public and key.public_key not in public for key in node.public_keys):
            yield refused(f"{node.name}: sa.key", "sa.pub is not its public half", "make it from the key by openssl")


def fingerprints_of(node: NodeCertificates, authority: str) -> tuple[str, ...]:
    """Of all certificates in an authority's file, in their order."""
    return tuple(one.fingerprint for one in node.certificates if one.name == authority)


def _told(held: dict[str, tuple[str, ...]]) -> str:
    return ", ".join(f"{name} has {'+'.join(one[:8] for one in found) or 'none'}" for name, found in held.items())


def _at(node: NodeCertificates, path: str) -> Certificate | None:
    """The first certificate of its own in a file."""
    return next(
        (one for one in node.certificates if one.path == path and not one.place and one.kind is not Kind.TRUST), None
    )
