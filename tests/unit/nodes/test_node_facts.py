"""What a machine says of itself, read: recorded on real nodes, and made odd; and what an upgrade's scripts print."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.core.models.folders import CA_ROTATIONS, UPGRADES
from tasks.nodes.models.nodes import NodeFacts, PackageManager
from tasks.nodes.probes.node_facts import look, parse, version_in, version_that_runs, what_runs
from tasks.upgrade.probes import scripts as upgrade
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
            asked = f"systemctl() {{ [ $4 = kubelet ] && echo {process.pid} || echo $$; }}\n{what_runs()}"
            told = subprocess.run(["bash", "-c", asked], capture_output=True, check=True).stdout
        finally:
            process.kill()
    assert version_that_runs(told, "kubelet") == "1.36.3"
    assert version_that_runs(told, "containerd") == ""
    assert b"runs containerd GNU bash" in told
    none = subprocess.run(["bash", "-c", f"systemctl() {{ echo 0; }}\n{what_runs()}"], capture_output=True, check=True)
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
    assert "target=1.37\n" in look("1.37")
    assert "target=\n" in look()


def test_what_scripts_print_is_read() -> None:
    """Images, and the node's clock at the restart."""
    assert upgrade.parse_images("x\nimage a:1\nimage b:2\n") == ("a:1", "b:2")
    assert upgrade.parse_restarted("x\nrestarted 1795548139.546762726\n", NOW - timedelta(days=1)) == NOW
    assert upgrade.parse_restarted("nothing", NOW) == NOW


@pytest.mark.parametrize("manager", [PackageManager.APT, PackageManager.DNF])
def test_scripts_name_one_version_and_leave_no_word_unfilled(manager: PackageManager) -> None:
    """Whatever the package manager."""
    scripts = [
        upgrade.stage(manager, "1.37.2", "kind: ClusterConfiguration"),
        upgrade.switch_repository(manager, "1.37.2"),
        upgrade.install(manager, "1.37.2", ["kubelet", "kubectl"]),
    ]
    for script in scripts:
        assert not any(word in script for word in ("NAMES", "VERSION", "MINOR", "APT_GET", "{{"))
    assert "1.37.2" in scripts[0]
    assert "core:/stable:/v1.37|g" in scripts[1]


def test_kubeadm_applies_once_and_ignores_what_the_profile_says() -> None:
    """Never by force."""
    first = upgrade.upgrade_by_kubeadm("1.37.2", apply=True, ignored=["SystemVerification", "Swap"])
    assert "kubeadm upgrade apply v1.37.2 --yes --ignore-preflight-errors=SystemVerification,Swap" in first
    other = upgrade.upgrade_by_kubeadm("1.37.2", apply=False, ignored=[])
    assert "kubeadm upgrade node 2>&1" in other
    assert "--force" not in first + other
    assert "test -e /var/lib/kube-runbooks/upgrade/v1.37.2/upgraded" in upgrade.is_upgraded("1.37.2")
    assert '"Kubernetes v1.37.2"' in upgrade.restart_kubelet("1.37.2")
    assert "kubeadm-backup-manifests" in upgrade.evidence()


def test_of_kubeadms_copies_the_newest_stay(tmp_path: Path) -> None:
    """By their age, each kind for itself; what is not kubeadm's stays."""
    for kind in ("kubeadm-backup-etcd-2026-11-2", "kubeadm-backup-manifests-2026-11-2"):
        for age in range(4):
            folder = tmp_path / f"{kind}{9 - age}"
            (folder / "etcd").mkdir(parents=True)
            os.utime(folder, (10**9 - age, 10**9 - age))
    (tmp_path / "my own notes").mkdir()
    script = upgrade.trim_backups(3).replace("/etc/kubernetes/tmp", str(tmp_path))
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert told == ["kubeadm-backup-etcd-2026-11-26", "kubeadm-backup-manifests-2026-11-26"]
    assert len(list(tmp_path.iterdir())) == 7
    elsewhere = upgrade.trim_backups(3).replace("/etc/kubernetes/tmp", f"{tmp_path}/none")
    assert subprocess.run(["sh", "-c", elsewhere], capture_output=True, text=True, check=True).stdout == ""


def test_a_kubelet_is_pointed_at_the_endpoint_and_back(tmp_path: Path) -> None:
    """Once, with its mode kept; not where the endpoint does not answer. What kubeadm has put back already stays so."""
    conf, kept, restarts = tmp_path / "kubelet.conf", tmp_path / "work/kubelet-server", tmp_path / "restarts"
    own = "- cluster:\n    server: https://10.0.0.11:6443\n  name: default\n"
    conf.write_text(own)
    conf.chmod(0o600)

    def run(script: str, answers: str = "true") -> str:
        for path, place in ((UPGRADES, tmp_path / "work"), (upgrade.KUBELET_CONF, conf)):
            script = script.replace(path, str(place))
        tools = f"curl() {{ {answers}; }}; systemctl() {{ echo $2 >> {restarts}; }}\n"
        return subprocess.run(["sh", "-c", tools + script], capture_output=True, text=True, check=True).stdout

    there, back = upgrade.point_kubelet_at("10.0.0.1:6443"), upgrade.point_kubelet_back()
    assert run(there, answers="false") == ""
    assert conf.read_text() == own
    assert run(there) == "changed\n"
    assert "server: https://10.0.0.1:6443\n" in conf.read_text()
    assert run(there) == ""
    assert conf.stat().st_mode & 0o777 == 0o600
    run(back)
    assert (conf.read_text(), kept.exists()) == (own, False)
    assert restarts.read_text().split() == ["kubelet", "kubelet"]
    run(there)
    conf.write_text(own)
    run(back)
    assert restarts.read_text().split() == ["kubelet"] * 3
    assert not kept.exists()
    # What an upgrade of last year left when it died: the cluster has another load balancer and other addresses since.
    for left in ("https://10.9.9.9:6443 https://10.9.9.1:6443\n", "https://10.9.9.9:6443\n"):
        kept.write_text(left)
        run(back)
        assert (conf.read_text(), kept.exists()) == (own, False)
        kept.write_text(left)
        run(there)
        run(back)
        assert (conf.read_text(), kept.exists()) == (own, False)
    asks_endpoint = own.replace("10.0.0.11", "10.0.0.1")
    conf.write_text(asks_endpoint)
    kept.write_text("https://10.9.9.9:6443 https://10.9.9.1:6443\n")
    assert run(there) == ""
    run(back)
    assert (conf.read_text(), kept.exists()) == (asks_endpoint, False)
    # One that died while the kubelet asked an endpoint of before: the first server is the one to go back to.
    conf.write_text(own)
    run(upgrade.point_kubelet_at("10.0.0.2:6443"))
    assert run(there) == "changed\n"
    run(back)
    assert conf.read_text() == own
