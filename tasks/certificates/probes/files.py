"""Describes the certificates in a node's files: their names, which CA should have signed them, and whether it did."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from cryptography import x509

from tasks.certificates.models.inventory import Certificate, Kind, Owner
from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES
from tasks.certificates.probes.answer import Answer
from tasks.certificates.probes.closer import (
    KEY_FLAGS,
    KUBECONFIG_OF,
    LEAF_FLAGS,
    TRUST_FLAGS,
    expected_leaves,
    kubeconfigs_named,
)
from tasks.certificates.probes.kubeconfigs import Credentials, credentials_in
from tasks.certificates.probes.x509 import described, signer_of
from tasks.core.models.kubeadm import API_SERVER, KUBELET_CLIENT, KUBELET_SERVING
from tasks.core.probes.pod_shape import SNI_FLAG


@dataclass(frozen=True)
class Files:
    """Reads the certificates in the files of one node."""

    answer: Answer

    def certificates(self) -> Iterator[Certificate]:
        """Yields all certificates of the node.

        They are in files, inside kubeconfigs, or trusted by kubeconfigs.
        Certificates that something needs and that are missing are included.
        """
        for path, file in self.answer.files.items():
            yield from self._in_file(path, file.text)
        for path, found in self.kubeconfigs.items():
            for place, text in enumerate(found.certificates):
                for one, raw in self._described(path, text, Kind.KUBECONFIG):
                    told = one.model_copy(update={"place": place + one.place})
                    key = found.public_keys[place] if not one.place else None
                    problem = self._why_no_key_inside(key) if raw and not one.place else ""
                    told = told.model_copy(update={"key_problem": problem})
                    yield self._judged(told, raw, self._name_of(path), self._path_of("ca"), key=key)
            for text in found.authorities:
                for one, raw in self._described(path, text, Kind.TRUST):
                    yield self._judged(one, raw, "", "")
        yield from self._missing()

    def external_authorities(self) -> Iterator[str]:
        """Yields the CA files whose key is not on this control plane node.

        A worker node yields none: it has the cluster CA only to verify its clients, and signs nothing.
        """
        if any(pod == API_SERVER for pod, _, _ in self.answer.manifests):
            yield from (
                path
                for path in map(self._path_of, AUTHORITIES)
                if path in self.answer.files and path not in self.answer.keys
            )

    @cached_property
    def kubeconfigs(self) -> dict[str, Credentials]:
        """Returns the kubeconfigs that could be parsed, by path."""
        halves = self.answer.public_halves
        found = {path: credentials_in(one.text, halves.get(path, ())) for path, one in self.answer.kubeconfigs.items()}
        return {path: one for path, one in found.items() if one}

    # --- what is not there

    def _missing(self) -> Iterator[Certificate]:
        """Yields the missing certificates.

        Flags or the kubelet's kubeconfig name them, or kubeadm makes them for the node's static pods.
        """
        told: dict[str, str] = {}
        for leaf in expected_leaves(self.answer):
            path = self._file_of(leaf)
            if why := self._why_missing(leaf, path):
                told[path] = leaf
                yield self._absent(path, LEAVES[leaf].kind, leaf, why)
        for path, why in self.answer.absent.items():
            if path not in told and path in self._flagged:
                yield self._absent(path, self._kind_of(path), self._name_of(path), f"{why}, and {self._flagged[path]}")
        kubelets = str(self.answer.places.shape.kubelet.kubeconfig)
        named = self.kubeconfigs[kubelets].names_file if kubelets in self.kubeconfigs else ""
        if named in self.answer.absent:
            why = f"{self.answer.absent[named]}, and {kubelets} names it"
            yield self._absent(named, Kind.CLIENT, KUBELET_CLIENT, why)

    def _why_missing(self, leaf: str, path: str) -> str:
        """Returns why a leaf certificate is missing.

        The result is empty if the leaf is there, or if the static pod is configured with another file instead.
        """
        if path in self.kubeconfigs:
            return self._why_not_inside(self.kubeconfigs[path])
        if self.answer.shown(path) in self.answer.files:
            return ""
        flag = LEAF_FLAGS.get(leaf)
        told = self.answer.file_of(*flag) if flag else ""
        if leaf in KUBECONFIG_OF:
            told = self.answer.kubeconfig_of(KUBECONFIG_OF[leaf])
        if told and told != path:
            return ""
        if path.endswith(".conf") and path in self.answer.kubeconfigs:
            return self.answer.absent.get(path, "it could not be parsed")
        return self.answer.absent.get(path, "it is not there")

    @staticmethod
    def _why_not_inside(found: Credentials) -> str:
        if found.certificates:
            return ""
        named = f": it names {found.names_file}" if found.names_file else ""
        return f"no client certificate is in it{named}, so when it expires is not known"

    def _absent(self, path: str, kind: Kind, name: str, why: str) -> Certificate:
        return Certificate(node=self.answer.node, path=path, kind=kind, name=name, problem=why, absent=True)

    @cached_property
    def _flagged(self) -> dict[str, str]:
        """Maps each file to a text that says which flag names it."""
        pairs = {
            str(pair.certificate): f"--{SNI_FLAG} of {program} names it" for program, pair in self.answer.serving_pairs
        }
        configs = {path: f"{by} names it" for path, by in self._kubeconfigs_named.items()}
        return (
            pairs
            | configs
            | {
                self.answer.file_of(program, flag): f"--{flag} of {program} names it"
                for program, flags in self.answer.flags.items()
                for flag in flags
                if flag.endswith(("file", "certificate", "authority", "kubeconfig"))
            }
        )

    @cached_property
    def _kubeconfigs_named(self) -> dict[str, str]:
        return kubeconfigs_named(self.answer)

    # --- what is there

    def _in_file(self, path: str, text: bytes) -> Iterator[Certificate]:
        found = list(self._described(path, text, self._kind_of(path)))
        behind = [raw for one, raw in found if raw and one.place and one.self_signed]
        for one, raw in found:
            key = self.answer.keys.get(path) if not one.place else None
            told = one.model_copy(update={"key_problem": self._why_no_key(path) if raw and not one.place else ""})
            yield self._judged(told, raw, self._name_of(path), self._authority_of(path), behind, key)

    def _why_no_key(self, path: str) -> str:
        """Returns why the key of a certificate file is not known, or an empty string.

        It concerns only certificates that are used together with a key. The key of a CA may be kept elsewhere.
        """
        key = self.answer.keys.get(path)
        if key == "" and self._has_openssl:
            return "openssl does not read its key"
        if key is not None or self._kind_of(path) is Kind.AUTHORITY or path not in self._used_with_key:
            return ""
        return self.answer.keyless.get(path, "its key is not there")

    def _why_no_key_inside(self, key: str | None) -> str:
        """Returns why the key inside a kubeconfig is not known, or an empty string if it is known."""
        if key is None:
            return "no client-key-data is beside it"
        return "openssl does not read its client-key-data" if not key and self._has_openssl else ""

    @property
    def _has_openssl(self) -> bool:
        return "openssl" in self.answer.told.all("has")

    @cached_property
    def _used_with_key(self) -> set[str]:
        """Returns the certificate files that are used with a key.

        These are kubeadm's leaves, the kubelet's own, and the files that flags name together with a key.
        """
        kubelets = (path for path in self.answer.files if self._is_kubelets(path))
        return {*map(self._file_of, LEAVES), *self._named_by, *kubelets}

    @cached_property
    def _named_by(self) -> dict[str, str]:
        """Maps each certificate file to the first flag that names it together with a key."""
        flags = [
            (self.answer.file_of(program, flag), f"--{flag} of {program}")
            for program in self.answer.flags
            for flag in KEY_FLAGS
        ]
        flags += [(str(pair.certificate), f"--{SNI_FLAG} of {program}") for program, pair in self.answer.serving_pairs]
        return {self.answer.shown(path): flag for path, flag in reversed(flags) if path}

    def _described(self, path: str, text: bytes, kind: Kind) -> Iterator[tuple[Certificate, x509.Certificate | None]]:
        return described(text, path=path, kind=kind, now=self.answer.now)

    def _judged(  # noqa: PLR0913, PLR0917 - what is known of one
        self,
        one: Certificate,
        raw: x509.Certificate | None,
        name: str,
        authority: str,
        behind: Sequence[x509.Certificate] = (),
        key: str | None = None,
    ) -> Certificate:
        """Returns the certificate with its name, its CA and the result of the checks.

        `behind` lists CAs that follow it in the same file. A kubelet makes such a CA for its own certificate.
        """
        owner = self._owner_of(one, name)
        if owner is Owner.OTHER and raw and not one.place and not one.self_signed:
            authority = self._who_signed(raw)
        signers = self._authorities.get(authority, ())
        signer = signer_of(raw, signers) if raw and not one.self_signed else ""
        is_own = one.self_signed or bool(raw and not signer and signer_of(raw, behind))
        return one.model_copy(
            update={
                "node": self.answer.node,
                "name": name,
                "owner": owner,
                "named_by": (self._named_by | self._kubeconfigs_named).get(one.path, "") if owner else "",
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
        """Maps each CA file to the certificates in it that can be read."""
        found: dict[str, tuple[x509.Certificate, ...]] = {}
        for path in map(self._path_of, AUTHORITIES):
            text = self.answer.files[path].text if path in self.answer.files else b""
            found[path] = tuple(raw for _, raw in self._described(path, text, Kind.AUTHORITY) if raw)
        return found

    def _who_signed(self, raw: x509.Certificate) -> str:
        """Returns the path of the cluster's CA that signed a certificate which kubeadm did not make.

        It returns an empty string if none of them did.
        """
        return next((path for path, found in self._authorities.items() if signer_of(raw, found)), "")

    # --- what a path says

    def _path_of(self, authority: str) -> str:
        return self.answer.shown(self.answer.kubeadms(AUTHORITIES[authority]))

    def _file_of(self, leaf: str) -> str:
        return self.answer.shown(self.answer.kubeadms(LEAVES[leaf].file))

    def _leaf_at(self, path: str) -> str:
        """Returns kubeadm's name for the leaf certificate at a path, or an empty string if it is none of kubeadm's leaves."""
        return next((leaf for leaf in LEAVES if self._file_of(leaf) == path), "")

    def _kind_of(self, path: str) -> Kind:
        if leaf := self._leaf_at(path):
            return LEAVES[leaf].kind
        if path in map(self._path_of, AUTHORITIES) or path in self._trusted:
            return Kind.AUTHORITY
        return Kind.CLIENT if "client" in PurePosixPath(path).name else Kind.SERVING

    @cached_property
    def _trusted(self) -> set[str]:
        flags = (*TRUST_FLAGS, "cluster-signing-cert-file")
        return {
            self.answer.shown(self.answer.file_of(program, flag)) for program in self.answer.flags for flag in flags
        }

    def _name_of(self, path: str) -> str:
        if leaf := self._leaf_at(path):
            return leaf
        if self._is_kubelets(path):
            return KUBELET_CLIENT if "client" in path else KUBELET_SERVING
        return next((name for name in AUTHORITIES if self._path_of(name) == path), "")

    def _is_kubelets(self, path: str) -> bool:
        pki, told = self.answer.places.shape.kubelet.pki, self.answer.kubelet.serving_file
        return PurePosixPath(path).is_relative_to(pki) or bool(told and path == self.answer.shown(told))

    def _authority_of(self, path: str) -> str:
        if leaf := self._leaf_at(path):
            return self._path_of(LEAVES[leaf].authority)
        return self._path_of("ca") if PurePosixPath(path).is_relative_to(self.answer.places.shape.kubelet.pki) else ""

    def _owner_of(self, one: Certificate, name: str) -> Owner | None:
        """Returns who makes and renews a certificate.

        A kubeconfig belongs to a person (None), unless kubeadm makes it or a static pod is configured with it.
        """
        if one.kind is Kind.TRUST or (
            one.kind is Kind.KUBECONFIG and not name and one.path not in self._kubeconfigs_named
        ):
            return None
        if name in {KUBELET_CLIENT, KUBELET_SERVING}:
            return Owner.KUBELET
        return Owner.KUBEADM if name else Owner.OTHER
