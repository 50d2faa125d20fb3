"""etcd's own programs on a node: found by a shell here, in folders and in an image that are made for the test."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tasks.backup.scripts.etcd_tools import NO_TOOLS, find_tools, no_tools, socket_of_containerd
from tasks.core.errors import Refused
from tasks.core.models.folders import PROGRAMS

CTR = """#!/bin/sh
echo "$*" >> ROOT/ctr.log
case "$*" in
  *" images mount image "*) cp -r ROOT/image/. "${*##* }" ;;
  *" images unmount "*) rm -rf "${*##* }"/usr ;;
  *) exit 1 ;;
esac
"""


def programs(folder: Path, version: str, names: Sequence[str] = ("etcdctl", "etcdutl")) -> None:
    """etcdctl and etcdutl of that version."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\necho '{name} version: {version}'\n")
        (folder / name).chmod(0o755)


UID = "5f1b0ac3d2e94b7a8c6d7e8f90a1b2c3"
MOUNTED = (
    f"3712 3695 8:1 /var/lib/kubelet/pods/{UID}/containers/etcd/0a1b2c3d /dev/termination-log rw - ext4 /dev/sda1 rw\n"
)


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

    def runs(self, version: str) -> None:
        """The member, in a container of a static pod, whatever runtime has made it."""
        programs(self.root / "proc/4711/root/usr/local/bin", version)
        for pid, mounts in (("1", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"), ("4711", MOUNTED)):
            (self.root / "proc" / pid).mkdir(exist_ok=True)
            (self.root / "proc" / pid / "mountinfo").write_text(mounts)
            (self.root / "proc" / pid / "cgroup").write_text(f"0::/kubepods.slice/pod{UID}/crio-1\n")
            (self.root / "proc" / pid / "stat").write_text(f"{pid} (etcd) S {'0 ' * 18}100 0\n")

    def find(self, minor: str, image: str, runtime: str = "") -> tuple[int, str]:
        """Status and output of the search."""
        script = find_tools(minor, image, runtime).replace(PROGRAMS, str(self.copies))
        script = script.replace("/proc/", f"{self.root}/proc/").replace("/var/log/pods", str(self.root))
        script = script.replace("/run/kube-runbooks-image", str(self.root / "run/image"))
        env = {"PATH": f"{self.root}/host:{self.root}/bin:{os.defpath}"}
        done = subprocess.run(["/bin/sh", "-c", script], env=env, capture_output=True, text=True, check=False)
        self.told = done.stderr
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


def test_a_folder_on_path_may_have_a_space(node: Node) -> None:
    """Or a pattern in its name: it is one folder."""
    programs(node.root / "ho st*/bin", "3.6.8")
    script = find_tools("3.6", "", "").replace(PROGRAMS, str(node.copies))
    env = {"PATH": f"{node.root}/ho st*/bin:{os.defpath}"}
    done = subprocess.run(["/bin/sh", "-c", script], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{node.root}/ho st*/bin\n"), done.stderr


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
    assert refused.hint == "install both programs of etcd 3.6 on cp1, for example into /usr/local/bin"
    assert list((node.root / "run").iterdir()) == []


def test_a_folder_without_etcdctl_is_none(node: Node) -> None:
    """A snapshot needs both; what was looked at, and what was wrong with it, is told."""
    (node.root / "host").rmdir()
    programs(node.root / "host", "3.6.8", ["etcdutl"])
    assert node.find("3.6", "") == (NO_TOOLS, "")
    assert f"{node.root}/host has no etcdctl" in node.told
    programs(node.root / "host", "3.5.1", ["etcdctl"])
    status, _ = node.find("3.6", "")
    refused = no_tools("cp1", "3.6", "", status, node.told.encode())
    assert f"({node.root}/host/etcdctl says: etcdctl version: 3.5.1; " in refused.problem


def test_they_are_copied_out_of_the_members_container_under_any_runtime(node: Node) -> None:
    """CRI-O's images are not containerd's, and `ctr` may not be there at all."""
    node.runs("3.6.8")
    assert node.find("3.6", "image") == (0, f"{node.copies}/etcd-3.6\n")
    assert node.asked == []
    assert [each.name for each in node.copies.iterdir()] == ["etcd-3.6"]


def test_an_image_of_cri_o_is_shown_by_podman(node: Node) -> None:
    """Where the member is down, as it is when a cluster has to be restored."""
    programs(node.root / "image/usr/local/bin", "3.6.8")
    podman = node.root / "bin/podman"
    podman.write_text(f'#!/bin/sh\n[ "$2" = unmount ] || echo {node.root}/image\necho "$*" >> {node.root}/ctr.log\n')
    podman.chmod(0o755)
    assert node.find("3.6", "image") == (0, f"{node.copies}/etcd-3.6\n")
    assert node.asked == ["image mount image", "image unmount image"]


def test_the_socket_is_containerds_or_none() -> None:
    """Another runtime's is not for `ctr`."""
    assert socket_of_containerd("unix:///run/k3s/containerd/containerd.sock") == "/run/k3s/containerd/containerd.sock"
    assert socket_of_containerd("unix:///var/run/crio/crio.sock") == socket_of_containerd("") == ""


def test_containerd_is_asked_at_the_socket_that_the_kubelet_has(node: Node) -> None:
    """Not everybody's is /run/containerd/containerd.sock."""
    node.has_image("3.6.8")
    assert node.find("3.6", "image", "/run/other.sock")[0] == 0
    assert all(line.startswith("--address /run/other.sock --namespace k8s.io images ") for line in node.asked)
