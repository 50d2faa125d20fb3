"""Asks a node about its certificates with two SSH queries, and parses the answers.

The queries change nothing and print no private key.
The first query reads how the programs are configured. The second one reads the files and ports that they name.
Keys are compared by their public halves, which openssl computes on the node.
No key is ever in an argument, in a file of this project, or in the output.
The same is true of everything in a kubeconfig except its certificates.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from tasks.certificates.models.authorities import SIGNING_FLAG
from tasks.certificates.models.inventory import Kubeconfig, NodeCertificates, PublicKey
from tasks.certificates.models.places import Places
from tasks.certificates.probes.answer import Answer, decoded, told_in
from tasks.certificates.probes.closer import files_named, kubeconfigs_of, ports_of, problems_of, signers_named
from tasks.certificates.probes.files import Files
from tasks.certificates.probes.kubeconfigs import Credentials, pointed_at
from tasks.certificates.probes.pairs import keys_named, split_pairs
from tasks.certificates.probes.served import served_by
from tasks.certificates.probes.x509 import sum_of
from tasks.core.models.kubeadm import API_SERVER, ORDER
from tasks.core.models.profile import KubeconfigCopy
from tasks.core.probes.printed import Printed
from tasks.core.shell import script

HANDSHAKE_SECONDS = 5


def look(places: Places) -> str:
    """Returns the script of the first query: how the programs of a node are configured, and which of them run."""
    return script(
        __file__,
        "look",
        manifests=places.shape.kubelet.manifests,
        parked=places.shape.parked,
        pods=ORDER,
        handshake_seconds=HANDSHAKE_SECONDS,
    )


def look_closer(
    node: str, stdout: bytes, places: Places, copies: Sequence[KubeconfigCopy] = (), port: int = 6443
) -> str:
    """Returns the script of the second query, based on the answer to the first.

    `copies` lists the kubeconfig copies on this node. `port` is the API server's port if its manifest does not set one.
    """
    answer = Answer(node, Printed.of(stdout), places, datetime.min.replace(tzinfo=UTC))
    paths = [str(copy.path) for copy in copies]
    ports = (f"{name} {at} {' '.join(one.text for one in hosts)}" for name, at, hosts in ports_of(answer, port))
    return script(
        __file__,
        "look_closer",
        pki=answer.pki,
        files="\n".join(f"{path}\t{key}" for path, key in files_named(answer)),
        signers="\n".join(f"{which} {path}" for path, which in signers_named(answer).items()),
        keys="\n".join(keys_named(answer)),
        kubeconfigs="\n".join(kubeconfigs_of(answer, paths)),
        ports="\n".join(ports),
        handshake_seconds=HANDSHAKE_SECONDS,
    )


def parse(
    node: str, stdout: bytes, places: Places, copies: Sequence[KubeconfigCopy] = (), *, now: datetime
) -> NodeCertificates:
    """Parses the joined output of both queries. Remaining days are counted from `now`."""
    answer = Answer(node, Printed.of(stdout), places, now)
    files = Files(answer)
    copy_of = {str(copy.path): copy.of for copy in copies}
    return NodeCertificates(
        name=node,
        observed_at=answer.clock,
        hostname=answer.told.one("hostname"),
        addresses=tuple(answer.told.one("addresses").split()),
        advertises=answer.flags.get(API_SERVER, {}).get("advertise-address", ""),
        pki=str(answer.pki),
        problems=(*answer.problems, *problems_of(answer)),
        openssl="openssl" in answer.told.all("has"),
        certificates=tuple(files.certificates()),
        public_keys=tuple(_public_keys(answer)),
        kubeconfigs=tuple(_kubeconfigs(answer, files, copy_of)),
        served=tuple(served_by(answer)),
        processes=answer.processes,
        manifests={pod: place for pod, place, _ in answer.manifests},
        manifest_sums={pod: sum_of(_without_signer(text).encode()) for pod, _, text in answer.manifests},
        kubeadm=answer.told.one("kubeadm"),
        kubelet=answer.kubelet,
        split_pairs=split_pairs(answer),
        external=tuple(files.external_authorities()),
    )


def _public_keys(answer: Answer) -> Iterator[PublicKey]:
    """Yields the keys for service-account tokens, which are in no certificate."""
    for line in answer.told.all("signer"):
        path, which, *encoded = line.split(" ")
        yield PublicKey(
            path=told_in(path),
            public_key=sum_of(decoded(encoded[0])) if encoded else "",
            private=which == "private",
            written_at=answer.written.get(told_in(path)),
        )


def _kubeconfigs(answer: Answer, files: Files, copy_of: Mapping[str, str]) -> Iterator[Kubeconfig]:
    for path, one in answer.kubeconfigs.items():
        found = files.kubeconfigs.get(path)
        yield Kubeconfig(
            path=path,
            server=found.server if found else "",
            names_file=found.names_file if found else "",
            copy_of=copy_of.get(path, ""),
            mode=one.mode,
            owner=one.owner,
            problem=_problem(answer, path, found, is_copy=path in copy_of),
            pointed=_pointed(answer, path, found),
        )
    for path, of in copy_of.items():
        if path not in answer.kubeconfigs:
            yield Kubeconfig(path=path, copy_of=of, missing=True, problem=answer.absent.get(path, ""))


def _problem(answer: Answer, path: str, found: Credentials | None, *, is_copy: bool) -> str:
    """Returns what is wrong with a kubeconfig; empty if nothing is.

    Scripts write a copy on the node itself. For YAML other than kubeadm's they need kubectl.
    """
    if found is None:
        return answer.absent.get(path, "it could not be parsed")
    return answer.unwritable.get(path, "") if is_copy else ""


def _pointed(answer: Answer, path: str, found: Credentials | None) -> str:
    """Returns the kubelet's kubeconfig with a file name in place of its certificate.

    The result is empty for any other kubeconfig, or if this one contains no certificate.
    """
    if path != str(answer.places.shape.kubelet.kubeconfig) or not found or found.names_file or not found.certificates:
        return ""
    halves = answer.public_halves.get(path, ())
    return pointed_at(
        answer.kubeconfigs[path].text, halves, str(answer.places.shape.kubelet.pki / "kubelet-client-current.pem")
    )


def _without_signer(manifest: str) -> str:
    """Returns a manifest without the one flag that a rotation of the cluster CA changes."""
    return "\n".join(line for line in manifest.splitlines() if f"--{SIGNING_FLAG}=" not in line)
