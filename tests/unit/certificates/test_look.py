"""The questions to a node, asked of a real shell on files of our own."""

import base64
import os
import shutil
import subprocess
import time
from pathlib import Path, PurePosixPath

import pytest
import yaml
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.models.places import Places
from tasks.certificates.probes.answer import decoded
from tasks.certificates.probes.certificates import look, look_closer, parse
from tasks.core.models.profile import KubeconfigCopy
from tasks.core.shell import ROOT
from tests.facts.shapes import shape_of
from tests.facts.signed import NOW, signed
from tests.servers.binaries import kubernetes_binaries
from tests.servers.kubeadm_pki import KubeadmPki

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

RECORDED = Path(__file__).parents[1] / "data" / "kubeadm"


def places_below(folder: Path, kubelet: str = "authentication: {}") -> Places:
    """Of a node whose folders are below one."""
    words = f"kubelet\n--kubeconfig={folder}/kubelet.conf\n--cert-dir={folder}/kubelet-pki"
    shape = shape_of(pods={}, config=kubelet, words=words, real=str(folder / "manifests"))
    return Places(folder=PurePosixPath(folder), shape=shape)


def asked(
    folder: Path, *copies: Path, kubectl: bool = True, kubelet: str = "authentication: {}"
) -> tuple[NodeCertificates, bytes]:
    """A node whose folders are below one, and all that it said."""
    places = places_below(folder, kubelet)
    programs = (
        f"{kubernetes_binaries()}:/usr/sbin:/usr/bin:/sbin:/bin" if kubectl else without_kubectl(folder.parent / "bin")
    )
    named = [KubeconfigCopy(path=PurePosixPath(copy)) for copy in copies]
    said = run(look(places), programs)
    second = run(look_closer("cp1", said, places, named), programs)
    return parse("cp1", said + second, places, named, now=NOW), said + second


NO_UNITS = 'systemctl() { case "$*" in *MainPID*) echo 0 ;; esac; }\n'
"""A systemd that answers, and has neither kubelet nor etcd."""

SILENT = 'systemctl() { echo "Failed to connect to bus" >&2; return 1; }\n'


def run(script: str, programs: str, systemctl: str = NO_UNITS) -> bytes:
    """By a shell; nothing is said beside the answer."""
    done = subprocess.run(
        ["/bin/sh", "-c", systemctl + script],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C", "PATH": programs},
    )
    return done.stdout + done.stderr


def without_kubectl(folder: Path) -> str:
    """A folder with all programs of this machine but that one."""
    folder.mkdir()
    for program in {file.name: file for place in ("/usr/bin", "/bin") for file in Path(place).iterdir()}.values():
        if program.name != "kubectl":
            (folder / program.name).symlink_to(program)
    return str(folder)


def secrets_in(folder: Path) -> list[bytes]:
    """Every private key below a folder, by its lines and in base64."""
    found: list[bytes] = []
    for path in folder.rglob("*.key"):
        found += [*private_lines(path.read_bytes()), base64.b64encode(path.read_bytes())]
    for path in folder.rglob("*.conf"):
        for line in path.read_text().splitlines():
            found += [line.split()[-1].encode()] if "key-data" in line else []
    return [secret for secret in found if len(secret) > 40]


def private_lines(pem: bytes) -> list[bytes]:
    """Of RSA without the modulus, which is in the certificate, too."""
    lines = pem.splitlines()[1:-1]
    return lines[8:] or lines[:1]


def assert_kept(secrets: list[bytes], said: bytes) -> None:
    """Neither as it is nor within what is encoded, to the third layer."""
    assert secrets
    layers = [said]
    for _ in range(3):
        assert not [secret for secret in secrets if any(secret in layer for layer in layers)]
        words = [
            word.strip(b'"').decode(errors="ignore") for layer in layers for word in layer.split() if len(word) > 60
        ]
        layers = [decoded(word) for word in words]


def manifest_of(folder: Path, pki: str) -> None:
    """kubeadm's own of an API server, with another folder of certificates."""
    (folder / "manifests").mkdir()
    text = (RECORDED / "kube-apiserver.yaml").read_text().replace("/etc/kubernetes/pki", pki)
    (folder / "manifests" / "kube-apiserver.yaml").write_text(text)
    (folder / "manifests" / "etcd.yaml").write_text(
        (RECORDED / "etcd.yaml").read_text().replace("/etc/kubernetes/pki", pki)
    )


LEAVES = {
    "apiserver",
    "apiserver-etcd-client",
    "apiserver-kubelet-client",
    "front-proxy-client",
    "etcd-server",
    "etcd-peer",
}


def test_the_script_runs_in_a_shell_and_hands_out_no_key(tmp_path: Path) -> None:
    """On files of our own: keys of several kinds, in files and in a kubeconfig; none of it comes back."""
    folder = tmp_path / "kubernetes"
    (folder / "pki" / "etcd").mkdir(parents=True)
    for name, key in (
        ("pki/ca", ec.generate_private_key(ec.SECP256R1())),
        ("pki/etcd/ca", ed25519.Ed25519PrivateKey.generate()),
    ):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.key").write_bytes(pem)
        certificate = signed(key, None if "etcd" in name else hashes.SHA256())
        (folder / f"{name}.crt").write_bytes(certificate)
        user = {
            "client-certificate-data": base64.b64encode(certificate).decode(),
            "client-key-data": base64.b64encode(pem).decode(),
            "token": "dG9rZW4=" * 10,
        }
        (folder / "admin.conf").write_text(yaml.safe_dump({"users": [{"name": "u", "user": user}]}, width=1000))
    node, said = asked(folder, folder / "admin.conf")
    assert_kept([*secrets_in(folder), b"dG9rZW4="], said)
    mine = [one for one in node.certificates if one.path.startswith(str(folder))]
    assert {(one.path.removeprefix(f"{folder}/"), one.pair) for one in mine} == {
        ("pki/ca.crt", True),
        ("pki/etcd/ca.crt", True),
        ("admin.conf", True),
    }
    assert {one.key_type for one in mine} == {"EC secp256r1", "Ed25519"}


@pytest.mark.parametrize("shape", ["link", "elsewhere", "each a link"])
def test_kubeadms_leaves_are_found_wherever_they_are(tmp_path: Path, shape: str) -> None:
    """`pki` is a link (kubespray), certificatesDir is another folder, or each file is a link: each leaf is there once, by its name."""
    folder, real = tmp_path / "kubernetes", tmp_path / "srv" / "pki"
    made = KubeadmPki(tmp_path / "made")
    made.make_all()
    shutil.copytree(made.folder / "pki", real)
    folder.mkdir()
    named = real if shape == "elsewhere" else folder / "pki"
    if shape == "link":
        named.symlink_to(real)
    elif shape == "each a link":
        (named / "etcd").mkdir(parents=True)
        for file in real.rglob("*.*"):
            (named / file.relative_to(real)).symlink_to(file)
    for conf in made.folder.glob("*.conf"):
        shutil.copy(conf, folder)
    manifest_of(folder, str(named))
    node, said = asked(folder)
    found = {leaf: node.named(leaf) for leaf in LEAVES}
    assert {leaf for leaf, one in found.items() if one and one.signed and one.pair and not one.problem} == LEAVES
    assert node.pki == str(named)
    paths = [one.path for one in node.certificates if one.kind != "trust"]
    assert len(set(paths)) == len(paths) == 10 + 5, paths
    assert {one.path for one in node.certificates if one.name == "apiserver"} == {f"{named}/apiserver.crt"}
    assert_kept(secrets_in(tmp_path), said)


def test_a_leaf_that_a_static_pod_needs_and_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With what says so, also where a link leads nowhere; super-admin.conf is on one node alone."""
    folder = tmp_path / "kubernetes"
    made = KubeadmPki(folder)
    made.make_all()
    manifest_of(folder, str(folder / "pki"))
    (folder / "pki" / "apiserver.crt").unlink()
    (folder / "pki" / "etcd" / "healthcheck-client.crt").unlink()
    (folder / "pki" / "front-proxy-client.crt").unlink()
    (folder / "pki" / "front-proxy-client.crt").symlink_to("/nowhere")
    (folder / "super-admin.conf").unlink()
    node, _ = asked(folder)
    missing = {one.name: one.problem for one in node.certificates if one.absent}
    assert missing == {
        "apiserver": "it is not there",
        "etcd-healthcheck-client": "it is not there",
        "front-proxy-client": "it is a link to /nowhere, which is not there",
    }


def test_a_key_that_is_not_there_or_not_read_is_told_with_its_path(tmp_path: Path) -> None:
    """Of kubeadm's leaves, of the kubelet's own, of kubeconfigs, and of authorities: there it may be kept elsewhere."""
    folder = tmp_path / "kubernetes"
    made = KubeadmPki(folder)
    made.make_all()
    manifest_of(folder, str(folder / "pki"))
    (folder / "pki" / "apiserver.key").unlink()
    (folder / "pki" / "etcd" / "peer.key").unlink()
    (folder / "pki" / "etcd" / "peer.key").symlink_to("/nowhere")
    (folder / "pki" / "front-proxy-client.key").write_text("-----BEGIN PRIVATE KEY-----")
    (folder / "pki" / "ca.key").write_text("")
    (folder / "pki" / "front-proxy-ca.key").unlink()
    config = yaml.safe_load((folder / "scheduler.conf").read_text())
    del config["users"][0]["user"]["client-key-data"]
    (folder / "scheduler.conf").write_text(yaml.safe_dump(config, width=10**6))
    (folder / "kubelet-pki").mkdir()
    certificate = (folder / "pki" / "apiserver-kubelet-client.crt").read_text()
    (folder / "kubelet-pki" / "kubelet-client-current.pem").write_text(certificate)
    node, _ = asked(folder)
    pki = folder / "pki"
    assert {one.name: (one.pair, one.key_problem) for one in node.certificates if one.key_problem} == {
        "apiserver": (None, f"its key {pki}/apiserver.key: it is not there"),
        "etcd-peer": (None, f"its key {pki}/etcd/peer.key: it is a link to /nowhere, which is not there"),
        "front-proxy-client": (None, "openssl does not read its key"),
        "ca": (None, "openssl does not read its key"),
        "scheduler.conf": (None, "no client-key-data is beside it"),
        "kubelet-client": (None, f"its key {folder}/kubelet-pki/kubelet-client-current.pem: no key is in it"),
    }
    assert node.external == (f"{pki}/front-proxy-ca.crt",)


SEVERAL_LINES = """apiVersion: v1
kind: Config
current-context: b
contexts:
- {name: b, context: {cluster: c, user: two}}
clusters:
- name: c
  cluster: {server: "https://[fd00::1]:6443"}
users:
- name: one
  user: {token: c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0}
- name: two
  user:
    client-certificate-data: |
      CERTIFICATE
    client-key-data: |-
      KEY
"""


def in_lines(data: str) -> str:
    """As base64(1) prints it: 76 letters a line."""
    return "\n      ".join(data[start : start + 76] for start in range(0, len(data), 76))


@pytest.mark.parametrize("kubectl", [True, False])
def test_a_kubeconfig_in_any_yaml_is_read_or_it_is_told_that_it_is_not(tmp_path: Path, kubectl: bool) -> None:  # noqa: FBT001
    """base64 over several lines, flow style, several users. Without kubectl on the node it could not be written there, and that is told."""
    made = KubeadmPki(tmp_path / "made")
    made.make_all()
    user = yaml.safe_load((made.folder / "admin.conf").read_text())["users"][0]["user"]
    copy = tmp_path / "a-copy.conf"
    text = SEVERAL_LINES.replace("CERTIFICATE", in_lines(user["client-certificate-data"]))
    copy.write_text(text.replace("KEY", in_lines(user["client-key-data"])))
    node, said = asked(made.folder, copy, kubectl=kubectl)
    [told] = [one for one in node.kubeconfigs if one.copy_of]
    found = [one for one in node.certificates if one.path == str(copy)]
    assert (told.path, told.server) == (str(copy), "https://[fd00::1]:6443")
    assert [(one.subject, one.pair) for one in found] == [("CN=kubernetes-admin,O=kubeadm:cluster-admins", True)]
    why = "it has other YAML than kubeadm writes, and there is no kubectl to read it"
    assert told.problem == ("" if kubectl else why)
    key = user["client-key-data"]
    pem = private_lines(base64.b64decode(key))
    assert_kept(
        [
            *pem,
            *(key[start : start + 76].encode() for start in range(len(key) // 152 * 76, len(key) - 76, 76)),
            b"c2VjcmV0c2VjcmV0",
        ],
        said,
    )


def test_what_is_not_understood_of_programs_is_told(tmp_path: Path) -> None:
    """A manifest that is none, a kubelet's configuration that is not there, an address that is none."""
    folder = tmp_path / "kubernetes"
    (folder / "manifests").mkdir(parents=True)
    (folder / "pki").mkdir()
    (folder / "manifests" / "kube-apiserver.yaml").write_text("a: [")
    (folder / "manifests" / "kube-scheduler.yaml").symlink_to("/nowhere")
    node, _ = asked(folder, kubelet="[")
    *of_pods, of_kubelet = node.problems
    assert of_pods == [
        f"the manifest of kube-scheduler: {folder}/manifests/kube-scheduler.yaml: it is a link to /nowhere, which is not there",
        "the manifest of kube-apiserver has no flags that could be parsed",
    ]
    assert of_kubelet.startswith("the kubelet's configuration: /var/lib/kubelet/config.yaml is not YAML: ")


def test_another_manifest_of_the_same_pod_is_told(tmp_path: Path) -> None:
    """A rotation takes one of them away, and the kubelet runs the other one with the files of before."""
    folder = tmp_path / "kubernetes"
    (folder / "pki").mkdir(parents=True)
    manifest_of(folder, f"{folder}/pki")
    shutil.copy(folder / "manifests" / "etcd.yaml", folder / "manifests" / "etcd of before.yaml")
    alone = "kind: Pod\nspec:\n  containers:\n  - name: kube-scheduler\n"
    (folder / "manifests" / "scheduler.yaml").write_text(alone)  # kubeadm's is not there
    node, _ = asked(folder)
    [problem] = [one for one in node.problems if "another manifest" in one]
    assert problem.startswith(
        "its kubelet reads etcd of before.yaml as another manifest of etcd, whatever the name ends with"
    )


def test_a_systemd_that_does_not_answer_is_told_and_not_taken_for_programs_that_do_not_run(tmp_path: Path) -> None:
    """Their ports would not be looked at, and nothing would be said of what they serve."""
    folder = tmp_path / "kubernetes"
    (folder / "manifests").mkdir(parents=True)
    places = places_below(folder)
    said = run(look(places), "/usr/sbin:/usr/bin:/sbin:/bin", SILENT)
    problems = parse("cp1", said, places, now=NOW).problems
    for unit in ("kubelet", "etcd"):
        why = f"systemd does not say which process is that of {unit}.service: Failed to connect to bus"
        assert f"whether {unit} runs is not known: {why}" in problems


def test_a_program_that_was_started_right_after_its_file_was_written_has_read_it(tmp_path: Path) -> None:
    """To the hundredth of a second: it is started anew in the second in which its file is written."""
    lib = (ROOT / "tasks/control_plane/scripts/processes.lib.sh").read_text()
    lib += (ROOT / "tasks/certificates/probes/look.lib.sh").read_text().replace(". tasks/", "# ")
    program = tmp_path / f"sleep-{os.getpid()}"
    shutil.copy("/bin/sleep", program)
    written = tmp_path / "written"
    written.touch()
    with subprocess.Popen([program, "60"]) as process:
        try:
            time.sleep(1.3)
            done = subprocess.run(
                ["sh", "-c", f"{lib}\npids_of() {{ echo {process.pid}; }}\nprocess {program.name}"],
                capture_output=True,
                check=True,
                text=True,
            )
        finally:
            process.kill()
    started = float(done.stdout.split()[2])
    assert -0.02 < started - written.stat().st_mtime < 1.0
