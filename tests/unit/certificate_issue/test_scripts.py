"""The scripts that make keys and put certificates in place, run for real on folders: cut off at any command, they come to the same end."""

import subprocess
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tasks.certificate_issue.models import WORK
from tasks.certificate_issue.policy.leaves import leaves_of
from tasks.certificate_issue.probes import scripts as issue
from tasks.certificates.authority import SigningAuthority, public_half
from tasks.certificates.models.kubeadm import Leaf
from tasks.core.errors import CommandFailed
from tests.servers.kubeadm_pki import KubeadmPki, certificate_text, user_of
from tests.unit.certificate_issue.test_leaves import STACKED

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
        done = self.sh(issue.make_requests(self.folder, leaves), commands=commands)
        return {} if commands else issue.parse_requests("cp1", done.stdout, leaves)

    def orders(self, leaves: tuple[Leaf, ...], requests: dict[str, bytes]) -> bytes:
        """All that `put_in_place` reads: authorities with their keys first."""
        told = [
            issue.whole_file(f"{FILES[name]}.{end}", text, mode)
            for name, authority in AUTHORITIES.items()
            for end, text, mode in (("crt", authority.certificate, "644"), ("key", authority.key, "600"))
        ]
        for leaf in leaves:
            authority = AUTHORITIES[leaf.authority]
            certificate = authority.sign(leaf, requests[leaf.name], NOW, timedelta(days=10))
            told.append(
                issue.kubeconfig_of(leaf, certificate, authority.certificate)
                if leaf.asks
                else issue.certificate_of(leaf, certificate)
            )
        return b"".join(told)

    def verify(self, leaves: tuple[Leaf, ...]) -> str:
        """What openssl complains of."""
        return self.sh(issue.verify(self.folder, leaves)).stdout.decode()

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


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Without anything."""
    return Machine(tmp_path / "kubernetes")


ALL = leaves_of(STACKED, "cp1")
SOME = tuple(leaf for leaf in ALL if leaf.name in {"apiserver", "admin.conf"})


def test_a_machine_has_what_kubeadm_would_have_made_there(machine: Machine, tmp_path: Path) -> None:
    """The same files with the same modes; keys belong to their certificates, and openssl finds each good for what it is for."""
    orders = machine.orders(ALL, machine.ask(ALL))
    done = machine.sh(issue.put_in_place(machine.folder, RUN), orders)
    assert (done.returncode, done.stderr) == (0, b"")
    told = issue.parse_written(done.stdout)
    assert set(told["written"]) == set(machine.modes())
    assert told["kept"] == ()
    theirs = KubeadmPki(tmp_path / "theirs", controlPlaneEndpoint="api.example.org:6443")
    theirs.make_all()
    wanted = Machine(theirs.folder).modes()
    assert machine.modes() == {
        path: mode for path, mode in wanted.items() if path not in {"kubeadm.yaml", "pki/sa.key", "pki/sa.pub"}
    }
    assert machine.verify(ALL) == ""
    assert machine.strangers(ALL) == []


def test_a_kubeconfig_is_kubeadms_but_for_keys_and_certificates(machine: Machine, tmp_path: Path) -> None:
    """Names, context and server."""
    machine.sh(issue.put_in_place(machine.folder, RUN), machine.orders(ALL, machine.ask(ALL)))
    theirs = KubeadmPki(tmp_path / "theirs", controlPlaneEndpoint="api.example.org:6443")
    theirs.make_all()

    def bare(text: str) -> object:
        found = yaml.safe_load(text)
        found["clusters"][0]["cluster"].pop("certificate-authority-data")
        for name in ("client-certificate-data", "client-key-data"):
            assert found["users"][0]["user"].pop(name)
        return found

    for leaf in ALL:
        if leaf.asks:
            assert bare((machine.root / leaf.path).read_text()) == bare((theirs.folder / leaf.path).read_text())


@pytest.mark.parametrize("commands", [2, 3, 5, 8, 10, 12, 14, 16, 18, 21, 25])
def test_cut_off_at_any_command_the_next_run_comes_to_the_same_end(machine: Machine, commands: int) -> None:
    """Whole pairs in place, nothing waiting, and the copies of what was there before all of it."""
    script = issue.put_in_place(machine.folder, RUN)
    machine.sh(script, machine.orders(SOME, machine.ask(SOME)))
    first = {path: (machine.root / path).read_bytes() for path in machine.modes()}
    machine.ask(SOME, commands=commands)
    machine.sh(script, machine.orders(SOME, machine.ask(SOME)), commands=commands)
    done = machine.sh(script, machine.orders(SOME, machine.ask(SOME)))
    assert done.returncode == 0, done.stderr
    assert machine.verify(SOME) == ""
    assert not (machine.root / WORK).exists()
    assert machine.strangers(SOME) == []
    kept = Path(issue.kept_folder(machine.folder, RUN))
    for path in ("pki/apiserver.crt", "pki/apiserver.key", "admin.conf"):
        assert (kept / path).read_bytes() == first[path]
        assert (machine.root / path).read_bytes() != first[path]
    assert not (kept / "pki/ca.key").exists()  # it was the same, and stayed


def test_a_key_is_never_replaced_without_a_copy(machine: Machine) -> None:
    """Nor is the copy: a second try of the run keeps what was there before the first one."""
    script = issue.put_in_place(machine.folder, RUN)
    for content in (b"first", b"second", b"third"):
        machine.root.mkdir(exist_ok=True)
        done = machine.sh(script, issue.whole_file("pki/sa.key", content, "600"))
        assert done.returncode == 0, done.stderr
    kept = Path(issue.kept_folder(machine.folder, RUN))
    assert (kept / "pki/sa.key").read_bytes() == b"first"
    assert f"{kept.stat().st_mode & 0o777:o}" == "700"
    assert issue.parse_written(done.stdout) == {"written": ("pki/sa.key",), "kept": (str(kept),)}


def test_keys_of_leaves_are_made_once_and_printed_never(machine: Machine) -> None:
    """Asked again before it is signed, a machine asks with the same key."""
    first, second = machine.ask(SOME), machine.ask(SOME)
    keys = {leaf.name: (machine.root / WORK / f"{leaf.name}.key").read_text() for leaf in SOME}
    assert set(first) == set(second) == set(keys)
    for name, key in keys.items():
        assert "PRIVATE KEY" in key
        assert b"PRIVATE KEY" not in first[name]


def test_openssl_tells_what_is_not_good(machine: Machine) -> None:
    """A certificate of another authority, or for another purpose."""
    leaves = leaves_of(STACKED, "cp1")
    machine.sh(issue.put_in_place(machine.folder, RUN), machine.orders(leaves, machine.ask(leaves)))
    other = tuple(leaf.model_copy(update={"authority": "etcd-ca"}) for leaf in leaves if leaf.name == "apiserver")
    assert "pki/apiserver.crt (sslserver): " in machine.verify(other)
    client = tuple(leaf.model_copy(update={"client": True}) for leaf in leaves if leaf.name == "apiserver")
    assert "pki/apiserver.crt (sslclient): " in machine.verify(client)


def test_a_kubelet_that_has_joined_names_the_file_of_its_certificate(machine: Machine) -> None:
    """kubeadm takes it out of its kubeconfig once the kubelet has one of its own."""
    leaves = tuple(leaf for leaf in ALL if leaf.name in {"apiserver", "kubelet.conf"})
    machine.sh(issue.put_in_place(machine.folder, RUN), machine.orders(leaves, machine.ask(leaves)))
    own, kubeconfig = machine.root.parent / "kubelet-client-current.pem", machine.root / "kubelet.conf"
    own.write_bytes(certificate_text(kubeconfig))
    _, name, rest = kubeconfig.read_text().partition("    client-certificate-data: ")
    assert name
    kubeconfig.write_text(kubeconfig.read_text().replace(name + rest, f"    client-certificate: {own}\n"))
    assert machine.verify(leaves) == ""
    own.write_bytes((machine.root / "pki/apiserver.crt").read_bytes())
    assert "kubelet.conf (sslclient): " in machine.verify(leaves)


def test_a_request_that_is_missing_is_told() -> None:
    """By name."""
    with pytest.raises(CommandFailed, match="cp1: openssl made no request for apiserver, admin.conf"):
        issue.parse_requests("cp1", b"request\nrequest apiserver \n", SOME)
