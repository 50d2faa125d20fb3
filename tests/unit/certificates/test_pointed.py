"""A kubelet's kubeconfig with its certificate inside (kubeadm init's of old): pointed at the file that kubelet renews."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tasks.certificates.probes.kubeconfigs import credentials_in, pointed_at
from tasks.certificates.scripts import point_kubelet
from tests.servers.binaries import kubernetes_binaries
from tests.servers.kubeadm_pki import KubeadmPki

HALVES = ("QUFB",)
FILE = "/var/lib/kubelet/pki/kubelet-client-current.pem"
TOLD = """apiVersion: v1
clusters:
- cluster: {certificate-authority-data: QUFB, server: "https://[fd00::1]:6443"}
  name: "1e3"
contexts:
- context: {cluster: "1e3", user: "y"}
  name: x
current-context: x
kind: Config
users:
- name: "y"
  user: {client-certificate-data: QUFB, client-key-data: xxxx}
"""


def test_it_names_the_file_and_keeps_all_else(tmp_path: Path) -> None:
    """kubectl reads it as it was: names that look like a number or like true stay names."""
    text = pointed_at(TOLD.encode(), HALVES, FILE)
    wanted, made = yaml.safe_load(TOLD), yaml.safe_load(text)
    assert made["users"] == [{"name": "y", "user": {"client-certificate": FILE, "client-key": FILE}}]
    assert {**made, "users": None} == {**wanted, "users": None}
    (tmp_path / "kubelet.conf").write_text(text)
    words: list[str | Path] = [
        kubernetes_binaries() / "kubectl",
        "config",
        "view",
        "--raw",
        "--kubeconfig",
        tmp_path / "kubelet.conf",
        "-o",
    ]
    found = subprocess.run(
        [*words, "jsonpath={.contexts[0].context.user} {.clusters[0].name}"], capture_output=True, check=True
    )
    assert found.stdout == b"y 1e3"


@pytest.mark.parametrize(
    "text",
    [
        TOLD.replace("key-data: xxxx", "key-data: xxxx, xxxxx: xxxxxx"),
        TOLD.replace("https://[", "https://xxx@["),
        TOLD.replace("cluster: {certificate", "cluster: {xxxxxxxxx: xxxx, certificate"),
        TOLD + "- name: z\n  user: {}\n",
        "[",
        "",
    ],
)
def test_one_with_more_in_it_is_left(text: str) -> None:
    """Other credentials were not told; another user is somebody else's."""
    assert pointed_at(text.encode(), HALVES, FILE) == ""
    assert (credentials_in(text.encode(), HALVES) is None) == (not text.startswith("api"))


def test_it_is_put_in_place_only_where_the_file_has_a_good_certificate(tmp_path: Path) -> None:
    """With owner and mode; a link stays one. Nothing changes where kubelet would be left without a certificate."""
    made = KubeadmPki(tmp_path / "made")
    made.make_all()
    pki = tmp_path / "pki"
    pki.mkdir()
    real = tmp_path / "real.conf"
    real.write_text("before")
    real.chmod(0o640)
    (tmp_path / "kubelet.conf").symlink_to(real)
    script = f"systemctl() {{ echo $* >> {tmp_path}/calls; }}\n" + point_kubelet(f"{tmp_path}/kubelet.conf", str(pki))

    def point() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["sh", "-c", script], input=b"after", capture_output=True, check=False)

    assert point().returncode == 1
    assert real.read_text() == "before"
    text = (made.folder / "pki/apiserver-kubelet-client.crt").read_bytes()
    (pki / "kubelet-client-current.pem").write_bytes(text + (made.folder / "pki/ca.key").read_bytes())
    assert b"no certificate and key that are good" in point().stderr
    key = (made.folder / "pki/apiserver-kubelet-client.key").read_bytes()
    (pki / "kubelet-client-current.pem").write_bytes(text + key)
    done = point()
    assert done.returncode == 0, done.stderr
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("after", 0o640)
    assert (tmp_path / "kubelet.conf").is_symlink()
    assert "restart kubelet" in (tmp_path / "calls").read_text()
