"""A machine whose folder is one of a test, for the scripts that make keys and put certificates in place."""

import subprocess
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tasks.certificate_issue import scripts
from tasks.certificate_issue.probes.verify import certificates_inside, judged, look_at_kubeconfigs, verify
from tasks.certificates.authority import SigningAuthority, public_half
from tasks.certificates.models.kubeadm import Leaf
from tests.servers.kubeadm_pki import certificate_text, user_of

NOW = datetime.now(UTC)
AUTHORITIES = {
    name: SigningAuthority.made(name, NOW, timedelta(days=30)) for name in ("ca", "etcd-ca", "front-proxy-ca")
}
FILES = {"ca": "pki/ca", "etcd-ca": "pki/etcd/ca", "front-proxy-ca": "pki/front-proxy-ca"}
RUN = "0a1b2c3d-4711"


class Machine:
    """A folder that is kubeadm's, and a shell as on a node."""

    def __init__(self, folder: Path) -> None:
        self.folder = PurePosixPath(folder)
        self.root = folder

    def sh(self, script: str, stdin: bytes = b"", *, commands: int | None = None) -> subprocess.CompletedProcess[bytes]:
        """With `commands` it dies right before its n-th command that changes anything."""
        count = self.root.parent / "count"
        count.write_text("0")
        guard = (
            f"n() {{ c=$(($(cat {count}) + 1)); echo $c > {count}; [ $c -lt {commands or 10000} ] || kill -9 $$; }}\n"
            'for p in mv mkdir rm sync cp chmod rmdir; do eval "$p() { n; command $p \\"\\$@\\"; }"; done\n'
            # An elliptic key is made in a moment.
            'openssl() { [ "$1" = genrsa ] || { command openssl "$@"; return; }\n'
            'command openssl ecparam -name prime256v1 -genkey -noout -out "$3"; }\n'
        )
        return subprocess.run(["bash", "-c", guard + script], input=stdin, capture_output=True, check=False)

    def ask(self, leaves: tuple[Leaf, ...], *, commands: int | None = None) -> dict[str, bytes]:
        """Requests by name; none when it died."""
        done = self.sh(scripts.make_requests(self.folder, leaves), commands=commands)
        return {} if commands else scripts.parse_requests("cp1", done.stdout, leaves)

    def orders(self, leaves: tuple[Leaf, ...], requests: dict[str, bytes]) -> bytes:
        """All that `put_in_place` reads: authorities with their keys first."""
        told = [
            scripts.whole_file(f"{FILES[name]}.{end}", text, mode)
            for name, authority in AUTHORITIES.items()
            for end, text, mode in (("crt", authority.certificate, "644"), ("key", authority.key, "600"))
        ]
        for leaf in leaves:
            authority = AUTHORITIES[leaf.authority]
            certificate = authority.sign(leaf, requests[leaf.name], NOW, timedelta(days=10))
            told.append(
                scripts.kubeconfig_of(leaf, certificate, authority.certificate)
                if leaf.asks
                else scripts.certificate_of(leaf, certificate)
            )
        return b"".join(told)

    def verify(self, leaves: tuple[Leaf, ...]) -> str:
        """What openssl complains of."""
        told = self.sh(look_at_kubeconfigs(self.folder, leaves))
        assert told.returncode == 0, told.stderr
        return self.sh(verify(self.folder), judged(leaves, certificates_inside(told.stdout))).stdout.decode()

    def strangers(self, leaves: tuple[Leaf, ...]) -> list[str]:
        """Certificates whose key is another one's."""
        return [leaf.path for leaf in leaves if self._certified(leaf) != self._own(leaf)]

    def _certified(self, leaf: Leaf) -> bytes:
        found = x509.load_pem_x509_certificate(certificate_text(self.root / leaf.path))
        return found.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def _own(self, leaf: Leaf) -> bytes:
        file = self.root / leaf.path
        inside = b64decode(user_of(file)["client-key-data"]) if leaf.asks else b""
        return public_half(inside or file.with_suffix(".key").read_bytes())

    def modes(self) -> dict[str, str]:
        """Of all files."""
        return {
            str(one.relative_to(self.root)): f"{one.stat().st_mode & 0o777:o}"
            for one in self.root.rglob("*")
            if one.is_file()
        }
