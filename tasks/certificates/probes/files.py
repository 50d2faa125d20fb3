"""Certificates in the files of a node: what each is called, who was to have signed it, and whether it has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from cryptography import x509

from tasks.certificates.models.inventory import Certificate, Kind
from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES
from tasks.certificates.probes.answer import Answer, decoded
from tasks.certificates.probes.x509 import described, signer_of
from tasks.core.models.kubeadm import API_SERVER, KUBELET_CLIENT, KUBELET_PKI, KUBELET_SERVING

FILE_FLAGS = (
    *("tls-cert-file", "client-ca-file", "etcd-cafile", "etcd-certfile", "kubelet-client-certificate"),
    *("kubelet-certificate-authority", "proxy-client-cert-file", "requestheader-client-ca-file", "root-ca-file"),
    *("cluster-signing-cert-file", "cert-file", "peer-cert-file", "trusted-ca-file", "peer-trusted-ca-file"),
)
"""Of static pods and of etcd's unit, that name a file with certificates; beside kubeadm's own there may be others."""

TRUST_FLAGS = (
    "cluster-signing-cert-file",
    *(flag for flag in FILE_FLAGS if flag.endswith(("ca-file", "cafile", "authority"))),
)
"""Of those, the ones that name authorities."""


@dataclass(frozen=True)
class Files:
    """Of one node."""

    answer: Answer

    def certificates(self) -> Iterator[Certificate]:
        """In files, inside kubeconfigs, and those that kubeconfigs trust."""
        for path, text in self.answer.files.items():
            yield from self._in_file(path, text)
        for path, encoded in self.answer.told.pairs("embedded"):
            if encoded:
                for one, raw in self._described(path, decoded(encoded), Kind.KUBECONFIG):
                    yield self._judged(one, raw, self._name_of(path), self._path_of("ca"))
        for path, encoded in self.answer.told.pairs("trusted"):
            if encoded:
                for one, raw in self._described(path, decoded(encoded), Kind.TRUST):
                    yield self._judged(one, raw, "", "")

    def external_authorities(self) -> Iterator[str]:
        """Whose key is elsewhere. Of a control plane node: a worker has the cluster's CA to check its clients by, and signs nothing."""
        if any(pod == API_SERVER for pod, _, _ in self.answer.manifests):
            yield from (
                path
                for path in map(self._path_of, AUTHORITIES)
                if path in self.answer.files and path not in self.answer.keys
            )

    def _in_file(self, path: str, text: bytes) -> Iterator[Certificate]:
        found = list(self._described(path, text, self._kind_of(path)))
        behind = [raw for one, raw in found if raw and one.place and one.self_signed]
        for one, raw in found:
            yield self._judged(one, raw, self._name_of(path), self._authority_of(path), behind)

    def _described(self, path: str, text: bytes, kind: Kind) -> Iterator[tuple[Certificate, x509.Certificate | None]]:
        return described(text, path=path, kind=kind, now=self.answer.now)

    def _judged(
        self,
        one: Certificate,
        raw: x509.Certificate | None,
        name: str,
        authority: str,
        behind: Sequence[x509.Certificate] = (),
    ) -> Certificate:
        """`behind`: authorities that are in the same file after it, as a kubelet makes one for its own certificate."""
        key = self.answer.keys.get(one.path) if not one.place and one.kind is not Kind.TRUST else None
        signers = self._authorities.get(authority, ())
        signer = signer_of(raw, signers) if raw and not one.self_signed else ""
        is_own = one.self_signed or bool(raw and not signer and signer_of(raw, behind))
        return one.model_copy(
            update={
                "node": self.answer.node,
                "name": name,
                "pair": one.public_key == key if key else None,
                "authority": authority if signers else "",
                "signed": bool(signer) if raw and signers and not is_own else None,
                "signer": signer,
                "self_signed": is_own,
                "written_at": self.answer.written.get(one.path),
            }
        )

    @cached_property
    def _authorities(self) -> dict[str, tuple[x509.Certificate, ...]]:
        """CA files that can be read."""
        found: dict[str, tuple[x509.Certificate, ...]] = {}
        for path in map(self._path_of, AUTHORITIES):
            pairs = self._described(path, self.answer.files.get(path, b""), Kind.AUTHORITY)
            found[path] = tuple(raw for _, raw in pairs if raw)
        return found

    # --- what a path says

    def _path_of(self, authority: str) -> str:
        return str(self.answer.folder / AUTHORITIES[authority])

    def _leaf_at(self, path: str) -> str:
        """kubeadm's name for it; empty when it is none of kubeadm's leaves."""
        return next((made.name for made in LEAVES.values() if str(self.answer.folder / made.file) == path), "")

    def _kind_of(self, path: str) -> Kind:
        if leaf := self._leaf_at(path):
            return LEAVES[leaf].kind
        if path in map(self._path_of, AUTHORITIES) or path in self._named_by(TRUST_FLAGS):
            return Kind.AUTHORITY
        return Kind.CLIENT if "client" in PurePosixPath(path).name else Kind.SERVING

    def _named_by(self, flags: Sequence[str]) -> set[str]:
        return {values[flag] for values in self.answer.flags.values() for flag in flags if flag in values}

    def _name_of(self, path: str) -> str:
        if leaf := self._leaf_at(path):
            return leaf
        if path.startswith(KUBELET_PKI):
            return KUBELET_CLIENT if "client" in path else KUBELET_SERVING
        return next((name for name in AUTHORITIES if self._path_of(name) == path), "")

    def _authority_of(self, path: str) -> str:
        if leaf := self._leaf_at(path):
            return self._path_of(LEAVES[leaf].authority)
        return self._path_of("ca") if path.startswith(KUBELET_PKI) else ""
