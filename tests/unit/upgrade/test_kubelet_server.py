"""The API server that a kubelet asks while kubeadm is at work beside it, in a folder that is a node."""

import subprocess
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tasks.core.errors import Refused
from tasks.core.models.shape import NodeShape
from tasks.upgrade.kubelet_server import ask_as_before, ask_endpoint
from tasks.upgrade.models.folders import KEPT_IN
from tasks.upgrade.probes.kubelet_server import with_server
from tests.facts.shapes import shape_of
from tests.servers.pki import Authority

OWN, ENDPOINT = "https://10.0.0.11:6443", "https://10.0.0.1:6443"
OWN_6, ENDPOINT_6 = "https://[fd00:1::11]:6443", "https://[fd00:1::1]:6443"


class Node:
    """A kubelet with a kubeconfig of its own place; the test says whether the endpoint answers."""

    name = "cp1"

    def __init__(self, folder: Path, server: str = OWN, ca: str = "certificate-authority: ../pki/ca.crt") -> None:
        self.folder, self.conf, self.kept = folder, folder / "my-kubelet.conf", folder / "kept/kubelet-server"
        self.restarts, self.asked = folder / "restarts", folder / "asked"
        self.conf.write_text(conf(server, ca))
        self.conf.chmod(0o640)
        self.answers = True
        words = f"/usr/bin/kubelet\n--kubeconfig={self.conf}\n"
        self.handle = SimpleNamespace(shape=lambda _: self.shape(words))

    def shape(self, words: str) -> NodeShape:
        return shape_of(self.name, words=words)

    def run(self, script: str, *, stdin: bytes = b"") -> str:
        answer = f'echo "$@" >> {self.asked}; {"true" if self.answers else "false"}'
        tools = f"curl() {{ {answer}; }}; systemctl() {{ echo $2 >> {self.restarts}; }}\n"
        script = script.replace(KEPT_IN, str(self.kept))
        told = subprocess.run(["sh", "-c", tools + script], input=stdin, capture_output=True, check=True)
        return told.stdout.decode()

    @property
    def server(self) -> str:
        return str(yaml.safe_load(self.conf.read_text())["clusters"][0]["cluster"]["server"])

    @property
    def restarted(self) -> int:
        return len(self.restarts.read_text().split()) if self.restarts.exists() else 0


def conf(server: str, ca: str = "certificate-authority: ../pki/ca.crt") -> str:
    """As kubeadm writes it."""
    return f"""\
apiVersion: v1
clusters:
- cluster:
    {ca}
    server: {server}
  name: kubernetes
- cluster:
    server: https://another
  name: another
contexts:
- context: {{cluster: kubernetes, user: u}}
  name: c
current-context: c
"""


def work(node: Node) -> Any:  # noqa: ANN401 - a `NodeWork` as far as these acts go
    """For who wants the work on a node."""
    return node


@pytest.mark.parametrize(("own", "endpoint"), [(OWN, ENDPOINT), (OWN_6, ENDPOINT_6)], ids=["IPv4", "IPv6"])
def test_a_kubelet_asks_the_endpoint_and_then_its_own_again(tmp_path: Path, own: str, endpoint: str) -> None:
    """Once; the rest of its kubeconfig and its mode stay, wherever it is."""
    node = Node(tmp_path, own)
    assert ask_endpoint(work(node), endpoint.removeprefix("https://"))
    assert (node.server, node.kept.read_text()) == (endpoint, f"{own} {endpoint}\n")
    assert node.conf.read_text() == conf(endpoint)
    assert node.conf.stat().st_mode & 0o777 == 0o640
    assert not ask_endpoint(work(node), endpoint.removeprefix("https://"))
    assert ask_as_before(work(node))
    assert (node.conf.read_text(), node.kept.exists(), node.restarted) == (conf(own), False, 2)
    assert {one.name for one in tmp_path.iterdir()} == {"my-kubelet.conf", "kept", "restarts", "asked"}
    assert f"--cacert {tmp_path}/../pki/ca.crt {endpoint}/readyz" in node.asked.read_text()


def test_an_endpoint_that_does_not_answer_changes_nothing(tmp_path: Path) -> None:
    """Nor does one without a port, which is the API server's then; the CA may be in the kubeconfig."""
    authority = Authority(tmp_path / "pki", "ca").ca
    data = subprocess.run(["base64", "-w0", authority], capture_output=True, text=True, check=True).stdout
    node = Node(tmp_path, ca=f"certificate-authority-data: {data}")
    node.answers = False
    assert not ask_endpoint(work(node), "fd00:1::1")
    assert (node.server, node.kept.exists(), node.restarted) == (OWN, False, 0)
    assert "/ca.crt https://[fd00:1::1]:6443/readyz" in node.asked.read_text()


def test_what_kubeadm_has_put_back_stays_so(tmp_path: Path) -> None:
    """And what is kept is forgotten."""
    node = Node(tmp_path)
    ask_endpoint(work(node), "10.0.0.1:6443")
    node.conf.write_text(conf(OWN))
    assert not ask_as_before(work(node))
    assert (node.server, node.kept.exists(), node.restarted) == (OWN, False, 1)
    assert not ask_as_before(work(node))


@pytest.mark.parametrize("left", ["https://10.9.9.9:6443 https://10.9.9.1:6443\n", "https://10.9.9.9:6443\n"])
def test_what_an_upgrade_of_last_year_left_counts_no_more(tmp_path: Path, left: str) -> None:
    """The cluster has another load balancer and other addresses since."""
    node = Node(tmp_path)
    node.kept.parent.mkdir()
    node.kept.write_text(left)
    assert not ask_as_before(work(node))
    assert (node.server, node.kept.exists()) == (OWN, False)
    node.kept.write_text(left)
    assert ask_endpoint(work(node), "10.0.0.1:6443")
    assert ask_as_before(work(node))
    assert (node.server, node.kept.exists()) == (OWN, False)


def test_one_that_died_meanwhile_goes_back_to_its_first_server(tmp_path: Path) -> None:
    """Not to the endpoint of before."""
    node = Node(tmp_path)
    ask_endpoint(work(node), "10.0.0.2:6443")
    assert ask_endpoint(work(node), "10.0.0.1:6443")
    assert ask_as_before(work(node))
    assert node.server == OWN


@pytest.mark.parametrize("text", ["a: b: c", "[]", "{}", "clusters: {}\ncontexts: []\ncurrent-context: c\n"])
def test_a_kubeconfig_that_is_not_understood_is_refused_without_a_word_of_it(tmp_path: Path, text: str) -> None:
    """It may have a key in it."""
    node = Node(tmp_path)
    node.conf.write_text(text)
    with pytest.raises(Refused, match=r"^cp1: \S+my-kubelet.conf is not understood \(\w+\)") as refused:
        ask_endpoint(work(node), "10.0.0.1:6443")
    assert text not in refused.value.problem


def test_a_kubeconfig_in_another_style_is_written_all_the_same() -> None:
    """As YAML that means the same, where the text does not have the server as kubeadm writes it."""
    text = conf(f'"{OWN}"').replace("name: c\n", "name: '1e3'\n").replace("context: c\n", "context: '1e3'\n")
    written = with_server(text, OWN, ENDPOINT)
    wanted = yaml.safe_load(text)
    wanted["clusters"][0]["cluster"]["server"] = ENDPOINT
    assert yaml.safe_load(written) == wanted
    assert '"1e3"' in written
    assert PurePosixPath(KEPT_IN).name == "kubelet-server"
