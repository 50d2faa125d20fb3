"""Certificates of a node: one question over SSH, which changes nothing and prints no private key, and its parser.

Keys are compared by their public halves, which openssl computes on the node. No key, and nothing of a kubeconfig but its
certificates, is ever in an argument, in a file of ours, or in what is printed.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import PurePosixPath

from tasks.certificates.models.authorities import SIGNING_FLAG
from tasks.certificates.models.inventory import Kubeconfig, NodeCertificates, PublicKey
from tasks.certificates.probes import served
from tasks.certificates.probes.answer import Answer, decoded
from tasks.certificates.probes.files import FILE_FLAGS, Files
from tasks.certificates.probes.served import served_by
from tasks.certificates.probes.x509 import sum_of
from tasks.core.models.kubeadm import API_SERVER, KUBELET_PKI, ORDER, PARKED
from tasks.core.models.profile import KubeconfigCopy
from tasks.core.probes.printed import Printed
from tasks.core.shell import script

HANDSHAKE_SECONDS = 5
KUBECONFIGS = ("admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf", "kubelet.conf")


def look(folder: PurePosixPath, copies: Sequence[KubeconfigCopy] = (), port: int = 6443) -> str:
    """The command; `copies` are those on this node, `port` is the API server's where its manifest does not say."""
    return script(
        __file__,
        "look",
        folder=folder,
        copies="\n".join(f"{copy.of} {copy.path}" for copy in copies),
        kubeconfigs=KUBECONFIGS,
        file_flags=FILE_FLAGS,
        pods=ORDER,
        parked=PARKED,
        kubelet_pki=KUBELET_PKI,
        handshake_seconds=HANDSHAKE_SECONDS,
        api_port=port,
        client_port=served.CLIENT_PORT,
        peer_port=served.PEER_PORT,
        kubelet_port=served.KUBELET_PORT,
        controllers_port=served.CONTROLLERS_PORT,
        scheduler_port=served.SCHEDULER_PORT,
    )


def parse(node: str, stdout: bytes, folder: PurePosixPath, *, now: datetime) -> NodeCertificates:
    """What `look` printed; days are counted from `now`."""
    answer = Answer(node, Printed.of(stdout), folder, now)
    files = Files(answer)
    return NodeCertificates(
        name=node,
        observed_at=answer.clock,
        hostname=answer.told.one("hostname"),
        addresses=tuple(answer.told.one("addresses").split()),
        advertises=answer.flags.get(API_SERVER, {}).get("advertise-address", ""),
        openssl=answer.told.one("openssl") == "yes",
        certificates=tuple(files.certificates()),
        public_keys=tuple(_public_keys(answer)),
        kubeconfigs=tuple(_kubeconfigs(answer)),
        served=tuple(served_by(answer)),
        processes=answer.processes,
        manifests={pod: place for pod, place, _ in answer.manifests},
        manifest_sums={pod: sum_of(_without_signer(text).encode()) for pod, _, text in answer.manifests},
        kubeadm=answer.told.one("kubeadm"),
        kubelet=answer.kubelet,
        external=tuple(files.external_authorities()),
    )


def _public_keys(answer: Answer) -> Iterator[PublicKey]:
    """Of service accounts: they are in no certificate."""
    for line in answer.told.all("signer"):
        path, which, *encoded = line.split(" ")
        yield PublicKey(
            path=path,
            public_key=sum_of(decoded(encoded[0])) if encoded else "",
            private=which == "private",
            written_at=answer.written.get(path),
        )


def _kubeconfigs(answer: Answer) -> Iterator[Kubeconfig]:
    for line in answer.told.all("kubeconfig"):
        path, _, mode, owner, copy_of, *rest = line.split(" ")
        server, file = (*rest, "", "")[:2]
        yield Kubeconfig(path=path, server=server, names_file=file, copy_of=copy_of.strip("-"), mode=mode, owner=owner)
    for path, copy_of in answer.told.pairs("no_kubeconfig"):
        yield Kubeconfig(path=path, copy_of=copy_of, missing=True)


def _without_signer(manifest: str) -> str:
    """A rotation of the cluster's CA changes this flag, and nothing else."""
    return "\n".join(line for line in manifest.splitlines() if f"--{SIGNING_FLAG}=" not in line)
