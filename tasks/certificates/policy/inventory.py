"""Finds what is wrong with a cluster's certificates, or will be soon.

What does not hold is a refusal. Everything else that needs attention is a caution.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from tasks.certificates.models.inventory import Certificate, Inventory, Kind, NodeCertificates, Served
from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES, READERS
from tasks.core.models.findings import Finding, cautioned, listed, refused
from tasks.core.models.kubeadm import KUBELET, KUBELET_CLIENT, KUBELET_SERVING
from tasks.core.models.plan import Caution, Plan, Refusal, figure
from tasks.core.models.profile import CertificateRules

RENEW = "run `kube-runbooks run cert-rotation CLUSTER`"
ROTATE = "rotate this CA (docs/ca-rotation.md): everything that it signed expires with it"
RESTART = "cert_rotation restarts what has not read its files yet"


def judge_inventory(inventory: Inventory, rules: CertificateRules, *, now: datetime) -> Plan:
    """Returns all findings at once. The plan has neither refusals nor cautions if all certificates are in order."""
    found = [
        *(
            finding
            for node in inventory.nodes
            for one in node.certificates
            for finding in _certificate(one, node, rules, now)
        ),
        *(finding for one in inventory.objects for finding in _certificate(one, None, rules, now)),
        *(finding for node in inventory.nodes for finding in _node(node, rules, now)),
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
    """Returns the remaining time as text, for example `expires in 12 days` or `expired 3 days ago`.

    It uses hours for less than two days.
    """
    size = abs(left)
    told = f"{size.days} days" if size >= timedelta(days=2) else f"{size // timedelta(hours=1)} h"
    return f"expired {told} ago" if left <= timedelta() else f"expires in {told}"


def _certificate(
    one: Certificate, node: NodeCertificates | None, rules: CertificateRules, now: datetime
) -> Iterator[Finding]:
    if one.problem:
        tell = cautioned if is_spare(one) else refused
        yield tell(one.label, one.problem, how_to_make(one))
        return
    step = how_to_renew(one, node)
    yield from _end(one, rules, now, step)
    if one.pair is False:
        yield refused(one.label, "the key beside it is another one's", step)
    if one.key_problem:
        yield refused(one.label, one.key_problem, how_to_give_key(one, node))
    if one.signed is False:
        yield refused(one.label, f"it is not signed by {one.authority}, as it is on this node", step)


def is_spare(one: Certificate) -> bool:
    """Checks whether a missing certificate is one that no program needs.

    Some operators remove admin.conf from their nodes.
    """
    return one.absent and one.name == "admin.conf"


def how_to_make(one: Certificate) -> str:
    """Returns the next step for a certificate that is missing or cannot be read."""
    if one.name.endswith(".conf") and one.name in LEAVES:
        phase = f"kubeconfig {one.name.removesuffix('.conf')}"
    elif one.name in LEAVES:
        phase = f"certs {one.name}"
    elif one.name == KUBELET_CLIENT:
        return RENEW
    elif one.name in AUTHORITIES:
        return "put it back from another control plane node or from a backup"
    else:
        return "put it back, or correct what names it"
    return (
        "on that node, with what is left of it moved away: `kubectl -n kube-system get cm kubeadm-config -o "
        "jsonpath='{.data.ClusterConfiguration}' > kubeadm.yaml`, then `kubeadm init phase "
        f"{phase} --config kubeadm.yaml`"
    )


def how_to_renew(one: Certificate, node: NodeCertificates | None = None) -> str:
    """Returns the next step to renew a leaf certificate."""
    if node and one.name in LEAVES and one.authority in node.external:
        return f"renew it where the key of {one.authority} is: it is not on this node"
    if one.name in {*LEAVES, KUBELET_CLIENT} or _is_rewritten(one, node):
        return RENEW
    if one.kind is Kind.KUBECONFIG and not one.is_others:
        return "run `kube-runbooks run cert-rotation CLUSTER`, then copy the kubeconfig that it is a copy of from a control plane node"
    if one.name == KUBELET_SERVING and one.self_signed:
        return f"remove {one.path} and its key, then restart kubelet: it makes another one"
    if one.name == KUBELET_SERVING:
        return "its kubelet asks for another one: `kubectl get csr`; cert_rotation approves what is its own"
    named = f", and {one.named_by} names it" if one.named_by else ""
    return f"renew it where it comes from: it is none of kubeadm's{named}"


def how_to_give_key(one: Certificate, node: NodeCertificates | None) -> str:
    """Returns the next step for a certificate whose key is not known."""
    if one.kind is Kind.AUTHORITY:
        return "put its key back from another control plane node or from a backup"
    return f"put the key back from a backup; without one, {how_to_renew(one, node)}"


def _is_rewritten(one: Certificate, node: NodeCertificates | None) -> bool:
    """Checks whether cert_rotation rewrites this kubeconfig.

    It rewrites the kubelet's own kubeconfig, and on a control plane node the copies that the profile names.
    """
    if node is None or one.kind is not Kind.KUBECONFIG:
        return False
    copied = any(copy.path == one.path and copy.copy_of for copy in node.kubeconfigs)
    return one.path == node.kubelet.kubeconfig or (copied and node.is_control_plane)


def _end(one: Certificate, rules: CertificateRules, now: datetime, step: str) -> Iterator[Finding]:
    left = one.left(now)
    if left is None:
        return
    told = f"{one.subject or 'no subject'} {in_words(left)} ({one.not_after:%Y-%m-%d %H:%M} UTC)"
    authority = one.kind in {Kind.AUTHORITY, Kind.TRUST}
    if left <= rules.warn_before and one.kind is not Kind.TRUST:
        yield refused(one.label, told, ROTATE if authority else step)
    elif left <= (rules.warn_before_ca if one.kind is Kind.AUTHORITY else rules.warn_before):
        yield cautioned(one.label, told, ROTATE)


def _node(node: NodeCertificates, rules: CertificateRules, now: datetime) -> Iterator[Finding]:
    if node.unreached:
        yield refused(node.name, f"nothing is known of its certificates: {node.unreached}", "check its sshd")
        return
    if not node.openssl:
        yield cautioned(
            node.name, "it has no openssl: whether keys match, and what is served, is not known", "install openssl"
        )
    for problem in node.problems:
        yield refused(node.name, problem, "correct it: which certificates are used there is not known without it")
    for path in node.external:
        yield cautioned(
            f"{node.name}: {path}",
            "its key is not there: it is an external CA, and kubeadm renews nothing of it",
            "renew what it has signed where its key is",
        )
    for served in node.served:
        yield from _served(node, served)
        yield from of_served(node, served, now, rules.warn_before)
    yield from _not_read_yet(node)
    yield from _copies(node)


def _served(node: NodeCertificates, served: Served) -> Iterator[Finding]:
    """Yields a finding if a port presents no certificate, or another one than its file has.

    A certificate that the program makes in memory is accepted as it is.
    """
    subject = f"{node.name}: {served.name} at {served.port}"
    if served.certificate is None:
        if node.openssl:
            yield refused(subject, served.problem, f"check the log of {served.name} there")
        return
    on_disk = _at(node, served.path)
    if on_disk and on_disk.fingerprint and served.certificate.fingerprint != on_disk.fingerprint:
        age = f"; it runs since {served.process.started_at:%Y-%m-%d %H:%M:%S} UTC" if served.process else ""
        written = f", written {on_disk.written_at:%Y-%m-%d %H:%M:%S} UTC" if on_disk.written_at else ""
        yield refused(
            subject,
            f"it presents serial {served.certificate.serial}, {served.path} has {on_disk.serial}{written}{age}",
            RESTART if served.name != KUBELET else "`systemctl restart kubelet` there: it has not read its file yet",
        )


_OF_MEMORY = re.compile(r"(CN=.+)@\d+ \1-ca@\d+")
"""Matches the subject and the issuer of a certificate made in memory. Each contains the second at which it was made."""


def of_served(node: NodeCertificates, served: Served, now: datetime, before: timedelta) -> Iterator[Finding]:
    """Yields a finding for a served certificate that expires soon and is in no known file: nothing would renew it."""
    one = served.certificate
    left = one.left(now) if one else None
    known = {found.fingerprint for found in node.certificates}
    if one is None or left is None or left > before or one.fingerprint in known:
        return
    subject = f"{node.name}: {served.name} at {served.port}"
    told = f"what it serves {figure(in_words(left))} ({one.subject or 'no subject'}, serial {one.serial})"
    if served.path:
        yield cautioned(subject, f"{told}, and {served.path} has another one", f"restart {served.name}")
    elif one.self_signed or _is_of_memory(one):
        yield cautioned(subject, f"{told}; it was made in memory", f"restart {served.name}: it makes another one")
    else:
        yield refused(
            subject,
            f"{told}, and is in no file that is known",
            f"check the flags and the configuration of {served.name}",
        )


def _is_of_memory(one: Certificate) -> bool:
    """Checks whether a Kubernetes program made this certificate in memory.

    At its start it makes a CA, signs one certificate with it, and discards the CA key.
    """
    return bool(_OF_MEMORY.fullmatch(f"{one.subject} {one.issuer}"))


def who_has_not_read(node: NodeCertificates) -> dict[str, tuple[str, ...]]:
    """Maps each program to its certificates that were written after it started, by the node's clock."""
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
    """Returns when a certificate, or the newest service-account key, was written on the node.

    The result is None if that is unknown.
    """
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
        if not copy.copy_of and not copy.problem:
            continue
        subject = f"{node.name}: {copy.path}"
        if copy.missing and not node.is_control_plane:
            continue
        if copy.problem and not copy.missing:
            yield cautioned(subject, copy.problem, "write it as kubeadm does: each key with its value on one line")
            continue
        if copy.missing:
            yield cautioned(
                subject,
                f"the profile names it, and {copy.problem or 'it is not there'}",
                "correct certificates.kubeconfigs",
            )
            continue
        source, own = node.named(copy.copy_of), _at(node, copy.path)
        if source and own and source.fingerprint != own.fingerprint:
            yield cautioned(
                subject, f"it has another certificate than {copy.copy_of}, whose copy it is", "cert_rotation renews it"
            )


def _same_everywhere(inventory: Inventory) -> Iterator[Finding]:
    """Yields a refusal where control plane nodes differ in their CAs or service-account keys.

    It also refuses if sa.pub on a node does not match sa.key.
    """
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
    """Returns the fingerprints of all certificates in the file of a CA, in the order of the file."""
    return tuple(one.fingerprint for one in node.certificates if one.name == authority)


def _told(held: dict[str, tuple[str, ...]]) -> str:
    return ", ".join(f"{name} has {'+'.join(one[:8] for one in found) or 'none'}" for name, found in held.items())


def _at(node: NodeCertificates, path: str) -> Certificate | None:
    """Returns the first certificate in a file, without CAs that a kubeconfig trusts. The result is None if there is none."""
    return next(
        (one for one in node.certificates if one.path == path and not one.place and one.kind is not Kind.TRUST), None
    )
