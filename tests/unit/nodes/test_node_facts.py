"""What a machine says of itself, read: recorded on real nodes, made odd, and asked of a node that is a folder."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.core.models.folders import CA_ROTATIONS
from tasks.nodes.models.nodes import NodeFacts, PackageManager
from tasks.nodes.probes.node_facts import ask_what_runs, look, parse, version_in, version_that_runs
from tasks.nodes.probes.node_facts import glance as glance_at
from tests.facts.node_folder import NodeFolder
from tests.servers.binaries import kubernetes_binaries
from tests.servers.processes import wait_until

DATA = Path(__file__).parents[1] / "data" / "nodes"
CP2, W2 = ((DATA / f"{name}.stdout").read_bytes() for name in ("cp2", "w2"))
NOW = datetime.fromtimestamp(1795548139.546762726, UTC)


def read(stdout: bytes, *, asked: datetime = NOW, answered: datetime = NOW) -> NodeFacts:
    """As if it had just been asked."""
    return parse("cp2", stdout, asked=asked, answered=answered)


def test_a_control_plane_node_says_all_that_an_upgrade_asks() -> None:
    """Recorded on the lab: Kubernetes v1.36.3 with a repository of 1.37 beside it."""
    node = read(CP2)
    assert (node.os, node.os_version, node.cgroup_version, node.swap) == ("debian", "12", 1, False)
    assert (node.kubeadm, node.kubelet, node.kubectl, node.containerd) == ("1.36.3", "1.36.3", "1.36.3", "1.6.20")
    assert node.active == {"kubelet": True, "containerd": True}
    assert (node.fail_cgroup_v1, node.fail_swap_on) == (False, False)
    assert {pod.name: pod.version for pod in node.static_pods} == {
        "etcd": "3.6.16",
        "kube-apiserver": "1.36.3",
        "kube-controller-manager": "1.36.3",
        "kube-scheduler": "1.36.3",
    }
    assert (node.is_control_plane, node.api_ready, node.api_version) == (True, "200", "1.36.3")
    assert node.free_bytes["/var/lib"] > node.etcd_bytes > 10**8
    assert "config" in node.kubelet_flags
    assert len(node.certificates) > 10
    assert all(expiry > NOW for expiry in node.certificates.values())
    assert len(node.cluster_ca) == 64


def test_a_process_says_its_version_although_its_program_was_replaced(tmp_path: Path) -> None:
    """A real kubelet that waits for its configuration, after its file is gone; one that is only called so says nothing."""
    kubelet = Path(shutil.copy(kubernetes_binaries() / "kubelet", tmp_path / "kubelet"))
    os.mkfifo(tmp_path / "config")
    with subprocess.Popen([kubelet, "--config", tmp_path / "config"], stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: Path(f"/proc/{process.pid}/exe").readlink() == kubelet, 10, "it is executed")
            kubelet.unlink()
            asked = f"systemctl() {{ [ $4 = kubelet ] && echo {process.pid} || echo $$; }}\n{ask_what_runs()}"
            told = subprocess.run(["bash", "-c", asked], capture_output=True, check=True).stdout
        finally:
            process.kill()
    assert version_that_runs(told, "kubelet") == "1.36.3"
    assert version_that_runs(told, "containerd") == ""
    assert b"runs containerd GNU bash" in told
    none = subprocess.run(
        ["bash", "-c", f"systemctl() {{ echo 0; }}\n{ask_what_runs()}"], capture_output=True, check=True
    )
    assert (none.stdout, version_that_runs(none.stdout, "kubelet")) == (b"", "")
    node = read(b"kubelet Kubernetes v1.37.2\n" + told + b"runs containerd containerd containerd.io 1.7.24 0a1b\n")
    assert (node.kubelet, node.kubelet_runs, node.kubelet_in_use, node.containerd_runs) == (
        "1.37.2",
        "1.36.3",
        "1.36.3",
        "1.7.24",
    )


def test_its_packages_are_those_of_now_and_of_the_target() -> None:
    """What is held is told, and which file names the repository."""
    packages = read(CP2).packages
    assert packages.manager is PackageManager.APT
    assert packages.installed["kubelet"] == "1.36.3-1.1"
    assert packages.held == ("kubeadm", "kubectl", "kubelet")
    assert packages.repositories == {"/etc/apt/sources.list.d/kubernetes.list": "1.36"}
    assert packages.candidates["kubeadm"] == ("1.37.2-1.1",)
    assert (packages.problem, packages.broken) == ("", ())


def test_a_worker_is_no_control_plane() -> None:
    """And has no API server of its own."""
    node = read(W2)
    assert (node.is_control_plane, node.static_pods, node.api_ready, node.etcd_bytes) == (False, (), "", 0)
    assert node.static_pod("etcd") is None


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("swap yes", "swap", True),
        ("cgroup cgroup2fs", "cgroup_version", 2),
        ("os_ID_LIKE rhel fedora", "os_like", ("rhel", "fedora")),
        ("flag_file /etc/default/kubelet pod-infra-container-image", "flag_files", None),
        ("job kubeadm-1-37-2-0a1b2c3d", "jobs", ("kubeadm-1-37-2-0a1b2c3d",)),
        ("ca_rotation etcd-ca", "ca_rotations", ("etcd-ca",)),
        ("certificate /etc/kubernetes/pki/broken.crt bm8=", "certificates", None),
        ("manifest odd !", "static_pods", None),
        ("certificate /etc/kubernetes/pki/broken.crt abcde", "certificates", None),
    ],
)
def test_a_line_more_is_a_fact_more(line: str, field: str, value: object) -> None:
    """The last of a kind counts."""
    node = read(CP2 + f"{line}\n".encode())
    if value is not None:
        assert getattr(node, field) == value
    if field == "flag_files":
        assert node.flag_files["/etc/default/kubelet"] == ("pod-infra-container-image",)
    if field == "certificates":
        assert "/etc/kubernetes/pki/broken.crt" not in node.certificates


def test_rotations_of_authorities_are_told_until_they_have_ended(tmp_path: Path) -> None:
    """By the new half, which is laid down first, and kept under another name at the end."""
    for name in ("ca", "front-proxy-ca-ended-0a1b2c3d", "sa"):
        (tmp_path / name).mkdir()
    for name in ("ca", "front-proxy-ca-ended-0a1b2c3d"):
        (tmp_path / name / "new.pem").touch()
    script = look().replace(CA_ROTATIONS, str(tmp_path))
    assert read(subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout).ca_rotations == ("ca",)


def test_a_repository_that_does_not_answer_and_half_configured_packages_are_told() -> None:
    """In the package manager's own words."""
    node = read(b"manager apt\nrepository_problem E: no route\nbroken kubelet\n")
    assert (node.packages.problem, node.packages.broken) == ("E: no route", ("kubelet",))


@pytest.mark.parametrize(
    ("asked", "answered", "offset"),
    [(-1, 1, 0), (-3, -1, 1), (2, 4, -2)],
)
def test_a_clock_is_off_by_what_cannot_be_the_way(asked: int, answered: int, offset: int) -> None:
    """As long as its time lies between question and answer nothing is known to be wrong."""
    moments = {"asked": NOW + timedelta(seconds=asked), "answered": NOW + timedelta(seconds=answered)}
    assert read(CP2, **moments).clock_offset == timedelta(seconds=offset)
    assert read(b"", **moments).clock_offset == timedelta()


def test_versions_in_the_words_of_programs() -> None:
    """Whatever stands around them."""
    assert version_in("Kubernetes v1.36.3") == "1.36.3"
    assert version_in("v1.38.0-rc.1") == "1.38.0-rc.1"
    assert version_in("containerd github.com/containerd/containerd v2.0.1 abc") == "2.0.1"
    assert version_in("nothing") == ""


def test_only_with_a_target_is_a_repository_asked() -> None:
    """The question is otherwise the same."""
    assert "TARGET=1.37\n" in look("1.37")
    assert "TARGET=''\n" in look()


class Machine(NodeFolder):
    """A control plane node whose programs say little, without a package manager."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file("/etc/os-release", 'ID=debian\nVERSION_ID="12"\n')
        self.file("/etc/kubernetes/manifests/kube-apiserver.yaml", "    - --secure-port=7443\n")
        self.file("/etc/kubernetes/admin.conf", "    client-certificate-data: QUJD\n")
        self.file("/var/lib/kubelet/kubeadm-flags.env", "#--no=1\nARGS=--v=2 --feature\n")
        self.file("/var/lib/kubelet/config.yaml", "failSwapOn: false\n")
        asked = """case "$*" in
  *is-active*containerd) ;; *is-active*) exit 3 ;; *MainPID*) echo 0 ;;
  *list-units*) echo kube-runbooks-kubeadm-1-37-2-0a1b.service loaded active ;;
esac"""
        self.program("systemctl", asked)
        self.program("curl", """case "$*" in *readyz*) printf 200 ;; *) echo '  "gitVersion": "v1.36.3",' ;; esac""")
        for name in ("kubeadm", "kubelet", "kubectl", "containerd"):
            self.program(name, f"echo {name} v1.36.3")
        self.program("timeout", 'shift; exec "$@"')

    def told(self, script: str) -> NodeFacts:
        """What a script says of it."""
        done = self.run(script)
        assert (done.returncode, done.stderr) == (0, "")
        return read(done.stdout.encode())


def test_a_glance_tells_what_may_change_in_a_moment(tmp_path: Path) -> None:
    """And a look tells that, too. Both with the port that the API server has."""
    machine = Machine(tmp_path)
    glance, seen = machine.told(glance_at()), machine.told(look())
    for one in (glance, seen):
        assert one.active == {"kubelet": False, "containerd": True, "crio": False, "docker": False}
        assert [pod.name for pod in one.static_pods] == ["kube-apiserver"]
        assert (one.api_ready, one.api_version, one.jobs) == ("200", "1.36.3", ("kubeadm-1-37-2-0a1b",))
        assert one.boot_id
    assert any("::127.0.0.1:7443" in call and "https://kubernetes:7443/readyz" in call for call in machine.calls)
    assert (glance.kubelet, glance.packages.manager) == ("", PackageManager.NONE)
    assert (seen.kubelet, seen.packages.manager, seen.os, seen.fail_swap_on) == (
        "1.36.3",
        PackageManager.NONE,
        "debian",
        False,
    )
    assert seen.flag_files == {f"{machine.root}/var/lib/kubelet/kubeadm-flags.env": ("v", "feature")}
    assert set(seen.free_bytes) == {f"{machine.root}/var/lib", f"{machine.root}/etc/kubernetes"}


APT_GET = 'for word; do case "$word" in Dir::Etc::SourceParts=*) cat "${word#*=}"/* > $ROOT/asked ;; esac; done; cat $ROOT/said'
DPKG = """case "$*" in
  *kubeadm*) printf 'kubeadm 1.36.3-1.1 ii \\nkubelet 1.36.3-1.1 hi \\nkubectl 1 un \\n' ;;
  *) printf 'ii |fine\\niU |libc6\\niF |kubelet\\n' ;;
esac"""


def test_apt_is_asked_for_the_target_with_copies_of_the_nodes_files(tmp_path: Path) -> None:
    """Its comments are left out; a warning of apt is a problem, and then nothing is a candidate."""
    machine = Machine(tmp_path)
    deb = "deb https://mirror.example/core:/stable:/v1.36/deb/ /"
    file = machine.file("/etc/apt/sources.list.d/kubernetes.list", f"# {deb.replace('36', '30')}\n{deb}\n")
    machine.file("said")
    machine.program("dpkg-query", DPKG)
    machine.program("apt-mark", "echo kubeadm")
    machine.program("apt-get", APT_GET)
    machine.program("apt-cache", "echo ' kubeadm | 1.37.2-1.1 | https://mirror.example x'")
    packages = machine.told(look("1.37")).packages
    assert packages.manager is PackageManager.APT
    assert packages.installed == {"kubeadm": "1.36.3-1.1", "kubelet": "1.36.3-1.1"}
    assert (packages.held, packages.broken) == (("kubeadm",), ("libc6", "kubelet"))
    assert packages.repositories == {str(file): "1.36"}
    assert packages.candidates == {"kubeadm": ("1.37.2-1.1",)}
    assert "core:/stable:/v1.37/deb/" in (machine.root / "asked").read_text()
    machine.file("said", "W: no route\n")
    silent = machine.told(look("1.37")).packages
    assert (silent.problem, silent.candidates) == ("W: no route", {})
    assert machine.told(look()).packages.candidates == {}
    assert not any(call.startswith(("apt-get", "apt-cache")) for call in machine.calls)


def test_dnf_is_asked_for_the_target_with_a_copy_of_the_nodes_file(tmp_path: Path) -> None:
    """Without what its file excludes; what dnf says of a failure is told."""
    machine = Machine(tmp_path)
    text = (
        "[kubernetes]\n#core:/stable:/v1.30\nbaseurl=https://mirror.example/core:/stable:/v1.36/rpm/\nexclude=kubelet\n"
    )
    file = machine.file("/etc/yum.repos.d/kubernetes.repo", text)
    machine.program("rpm", "echo installed kubeadm 1.36.3-1; echo package kubectl is not installed")
    listed = """case "$*" in
  *versionlock*) echo 'kubelet-1:1.36.3-1.*' ;;
  *) cat "${2##*=}"/* > $ROOT/asked; cat $ROOT/said; [ ! -s $ROOT/failed ] ;;
esac"""
    machine.program("dnf", listed)
    machine.file("said", "Available Packages\nkubeadm.x86_64   1.37.2-150   kubernetes\n")
    packages = machine.told(look("1.37")).packages
    assert (packages.manager, packages.installed, packages.held) == (
        PackageManager.DNF,
        {"kubeadm": "1.36.3-1"},
        ("kubelet",),
    )
    assert (packages.repositories, packages.candidates) == ({str(file): "1.36"}, {"kubeadm": ("1.37.2-150",)})
    asked = (machine.root / "asked").read_text()
    assert "core:/stable:/v1.37/rpm/" in asked
    assert "exclude" not in asked
    machine.file("said", "Errors during downloading metadata\n404\n")
    machine.file("failed", "x")
    silent = machine.told(look("1.37")).packages
    assert (silent.problem, silent.candidates) == ("Errors during downloading metadata 404", {})
