"""etcd's own programs on a node: found by a shell here, in folders and in an image that are made for the test."""

import os
import subprocess
from pathlib import Path

import pytest

from tasks.backup.scripts.etcd_tools import NO_TOOLS, find_tools, no_tools
from tasks.core.errors import Refused
from tasks.core.models.folders import PROGRAMS

CTR = """#!/bin/sh
echo "$*" >> ROOT/ctr.log
case "$*" in
  *" images mount image "*) cp -r ROOT/image/. "$6" ;;
  *" images unmount "*) rm -rf "$6"/usr ;;
  *) exit 1 ;;
esac
"""


def programs(folder: Path, version: str) -> None:
    """etcdctl and etcdutl of that version."""
    folder.mkdir(parents=True)
    for name in ("etcdctl", "etcdutl"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} version: {version}'\n")
        (folder / name).chmod(0o755)


class Node:
    """A folder with programs; its containerd has one image."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.copies = root / "copies"
        for folder in ("host", "bin", "run"):
            (root / folder).mkdir()

    def has_image(self, version: str) -> None:
        """The member's, with etcd of that version."""
        programs(self.root / "image/usr/local/bin", version)
        (self.root / "bin/ctr").write_text(CTR.replace("ROOT", str(self.root)))
        (self.root / "bin/ctr").chmod(0o755)

    def find(self, minor: str, image: str) -> tuple[int, str]:
        """Status and output of the search."""
        script = find_tools(minor, image).replace(PROGRAMS, str(self.copies))
        script = script.replace("/run/kube-runbooks-image", str(self.root / "run/image"))
        env = {"PATH": f"{self.root}/host:{self.root}/bin:{os.defpath}"}
        done = subprocess.run(["/bin/sh", "-c", script], env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    @property
    def asked(self) -> list[str]:
        """Of containerd."""
        log = self.root / "ctr.log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """One without etcd's programs."""
    return Node(tmp_path)


def test_the_hosts_own_programs_are_taken_where_they_are_of_the_minor_version(node: Node) -> None:
    """3.60 is not 3.6; nobody asks containerd then."""
    (node.root / "host").rmdir()
    programs(node.root / "host", "3.6.8")
    node.has_image("3.60.1")
    assert node.find("3.6", "image") == (0, f"{node.root}/host\n")
    assert node.asked == []
    assert node.find("3.60", "image") == (0, f"{node.copies}/etcd-3.60\n")


def test_they_are_copied_out_of_the_members_image_once(node: Node) -> None:
    """Nothing is left mounted, and half a copy of a run that died is replaced."""
    node.has_image("3.6.8")
    (node.copies / "etcd-3.6.new").mkdir(parents=True)
    (node.copies / "etcd-3.6.new/half").touch()
    for _ in range(2):
        assert node.find("3.6", "image") == (0, f"{node.copies}/etcd-3.6\n")
    assert len(node.asked) == len(["mount", "unmount"])
    assert sorted(each.name for each in (node.copies / "etcd-3.6").iterdir()) == ["etcdctl", "etcdutl"]
    assert [each.name for each in node.copies.iterdir()] == ["etcd-3.6"]
    assert list((node.root / "run").iterdir()) == []


@pytest.mark.parametrize("image", ["", "another", "image"])
def test_where_there_are_none_it_is_refused_with_what_to_install(node: Node, image: str) -> None:
    """No image, one that containerd does not have, or one with another version."""
    node.has_image("3.5.1")
    status, output = node.find("3.6", image)
    assert (status, output) == (NO_TOOLS, "")
    refused = no_tools("cp1", "3.6", image, status, b"")
    assert isinstance(refused, Refused)
    assert refused.hint == "install etcd 3.6's programs on cp1, or leave its image in containerd"
    assert list((node.root / "run").iterdir()) == []
