"""Which images a node has, and where it pulls from: asked by a real shell, with programs that answer as those of a node do."""

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from tasks.core.models.images import Reference
from tasks.registries.probes.image_facts import (
    ImageFacts,
    Mirrors,
    in_lines,
    look_at_images,
    look_at_mirrors,
    parse_images,
    parse_mirrors,
)
from tasks.registries.probes.mirrors import Place, folders_of

WEB = Reference.of("shop/web:2")
REGISTRIES = ["docker.io", "ghcr.io", "registry:5000"]
CONFIG = """
[plugins."io.containerd.other"]
  config_path = "/wrong"
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "FOLDER/a b:FOLDER/docker"
[plugins."io.containerd.grpc.v1.cri".registry.mirrors]
"""


class Node:
    """A folder with the files of a node, and programs before all others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for pid in ("7", "8"):
            (folder / "proc" / pid).mkdir(parents=True)
        self.say("systemctl", 'case "$*" in *containerd*) echo 7 ;; *) echo 8 ;; esac')
        self.flags("8", "kubelet", "--config=/x")
        self.flags("7", "containerd", "--config", f"{folder}/config.toml")
        self.configure(CONFIG)
        exe = folder / "proc" / "7" / "exe"
        exe.write_text('#!/bin/sh\n[ "$1" = --config ] || exit 1\ncat "$2"\n')
        exe.chmod(0o755)

    def configure(self, text: str) -> None:
        """containerd's configuration."""
        (self.folder / "config.toml").write_text(text.replace("FOLDER", str(self.folder)))

    def say(self, program: str, script: str) -> None:
        """A program that answers so."""
        path = self.folder / "bin" / program
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def flags(self, pid: str, *words: str) -> None:
        """The command line of a process."""
        (self.folder / "proc" / pid / "cmdline").write_text("".join(f"{one}\0" for one in words))

    def write(self, path: str, text: str) -> None:
        """A file, with its folder."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def look(self, *, is_containerd: bool = True) -> ImageFacts:
        """What it says."""
        text = look_at_images("unix:///run/c.sock").replace("/proc/", f"{self.folder}/proc/")
        text = text.replace("/var/lib/kubelet/config.json", f"{self.folder}/kubelet/config.json")
        text = text.replace(" /root/", f" {self.folder}/root/").replace(" /.docker", f" {self.folder}/.docker")
        return parse_images(self._run(text), is_containerd=is_containerd)

    def mirrors(self) -> Mirrors:
        """Where it pulls from."""
        roots = self.look().roots
        folders = [folder for one in REGISTRIES for folder in folders_of(one, roots)]
        return parse_mirrors(self._run(look_at_mirrors(), in_lines(folders)), roots, REGISTRIES)

    def _run(self, text: str, stdin: bytes = b"") -> bytes:
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        words = ["sh", "-c", text]
        return subprocess.run(words, input=stdin, stdout=subprocess.PIPE, check=True, env={"PATH": path}).stdout


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Without images, and with containerd's folders."""
    made = Node(tmp_path)
    made.say("crictl", f"""[ "$1" = --runtime-endpoint=unix:///run/c.sock ] && echo '{json.dumps({"images": []})}'""")
    return made


def test_images_are_those_of_the_runtime(node: Node) -> None:
    """By crictl, or by ctr if that is all there is; without an answer it is not known."""
    assert node.look().has(WEB) is False
    listed = {"images": [{"repoTags": ["docker.io/shop/web:2"], "repoDigests": None}]}
    node.say("crictl", f"echo '{json.dumps(listed)}'")
    assert node.look().has(WEB) is True
    for broken in ("exit 1", "echo no JSON", "echo '[]'"):
        node.say("crictl", broken)
        assert node.look().has(WEB) is None
    (node.folder / "bin" / "crictl").unlink()
    node.say("ctr", '[ "$1" = --address=/run/c.sock ] && echo docker.io/shop/web:2')
    assert node.look().has(WEB) is True
    node.say("ctr", "exit 1")
    assert node.look().has(WEB) is None


def test_mirrors_are_those_of_the_configuration(node: Node) -> None:
    """The first folder counts; a port has a spelling of its own."""
    assert node.mirrors().places["ghcr.io"] == (Place("https://ghcr.io/v2"),)
    node.write("docker/ghcr.io/hosts.toml", 'server = "https://second"')
    node.write("a b/registry_5000_/hosts.toml", 'server = "http://registry:5000"')
    found = node.mirrors()
    assert (node.look().uncertain, found.problems) == ((), ())
    assert found.places == {
        "docker.io": (Place("https://registry-1.docker.io/v2"),),
        "ghcr.io": (Place("https://second/v2", "ghcr.io"),),
        "registry:5000": (Place("http://registry:5000/v2"),),
    }
    node.write("a b/_default/hosts.toml", '[host."https://all"]')
    assert node.mirrors().places["ghcr.io"][0] == Place("https://all/v2", "ghcr.io")


def test_a_kubelet_that_has_more_credentials_makes_a_refusal_uncertain(node: Node) -> None:
    """A provider, or a file of its node."""
    node.flags("8", "kubelet", "--image-credential-provider-config=/x", "--image-credential-provider-bin-dir=/y")
    node.write("kubelet/config.json", "{}")
    file = node.folder / "kubelet/config.json"
    assert node.look().uncertain == (
        "its kubelet has a credential provider",
        f"its kubelet has credentials in {file}",
    )


def test_a_runtime_whose_mirrors_are_not_known_is_named(node: Node) -> None:
    """The registry itself is asked then, and a refusal is uncertain."""
    node.configure(CONFIG + '[plugins."io.containerd.grpc.v1.cri".registry.configs."ghcr.io".auth]\n')
    assert node.look().uncertain == ("containerd's configuration has tables of registries",)
    for broken in ("plugins = [", 'plugins = "x"', '[plugins]\n"io.containerd.grpc.v1.cri" = 7'):
        node.configure(broken)
        assert node.look().uncertain == ("the configuration of containerd could not be parsed",)
    node.say("systemctl", "echo 0")
    assert node.look().uncertain == (
        "containerd does not say its configuration: there is no running containerd.service",
    )
    found = node.look(is_containerd=False)
    assert (found.roots, found.uncertain) == ((), ("it is known of containerd only from where it pulls",))


def test_a_newer_containerd_has_another_plugin_for_it(node: Node) -> None:
    """As its version 2 prints it."""
    node.configure("version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = '/a:/b'\n")
    assert (node.look().roots, node.look().uncertain) == (("/a", "/b"), ())


def test_a_folder_that_is_not_understood_is_named(node: Node) -> None:
    """Docker's way with a CA, and a file that is broken."""
    node.write("a b/ghcr.io/ca.crt", "")
    node.write("a b/docker.io/hosts.toml", "host = [")
    found = node.mirrors()
    broken, other = found.problems
    assert broken.startswith(f"{node.folder}/a b/docker.io/hosts.toml could not be parsed: ")
    assert other == f"{node.folder}/a b/ghcr.io has no hosts.toml"
    assert found.places["docker.io"] == (Place("https://registry-1.docker.io/v2"),)


def test_words_that_are_no_base64_are_no_words() -> None:
    """A line that was cut off."""
    found = parse_images(b"no_config !\nnames " + base64.b64encode(b"a b"), is_containerd=True)
    assert found.uncertain == ("containerd does not say its configuration: ",)
    assert found.images == frozenset({"a", "b"})
