"""What a machine says of itself, read: recorded on real nodes, made odd, and asked of a node that is a folder."""

import base64
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest

from tasks.core.models.folders import CA_ROTATIONS
from tasks.nodes.models.nodes import NodeFacts, PackageManager
from tasks.nodes.probes.node_facts import ask_what_runs, look, parse, version_in, version_that_runs
from tasks.nodes.probes.node_facts import glance as glance_at
from tests.facts.node_folder import NodeFolder
from tests.facts.shapes import API_SERVER, CONFIG, ETCD, WORDS, shape_of
from tests.servers.binaries import kubernetes_binaries
from tests.servers.processes import wait_until

DATA = Path(__file__).parents[1] / "data" / "nodes"
CP2, W2 = ((DATA / f"{name}.stdout").read_bytes() for name in ("cp2", "w2"))
SHAPE = shape_of("cp2")
KUBEADM = PurePosixPath("/etc/kubernetes")
NOW = datetime.fromtimestamp(1795548139.546762726, UTC)


def read(stdout: bytes, *, asked: datetime = NOW, answered: datetime = NOW) -> NodeFacts:
    """As if it had just been asked."""
    return parse("cp2", stdout, SHAPE, asked=asked, answered=answered)


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


def test_its_packages_are_those_of_now() -> None:
    """What is held is told, and which file names the repository."""
    text = base64.b64encode(b"deb https://mirror.example/core:/stable:/v1.36/deb/ /\n").decode()
    packages = read(CP2 + f"source_file {text} /etc/apt/sources.list.d/kubernetes.list\n".encode()).packages
    assert packages.manager is PackageManager.APT
    assert packages.installed["kubelet"] == "1.36.3-1.1"
    assert packages.held == ("kubeadm", "kubectl", "kubelet")
    assert packages.repositories == {"/etc/apt/sources.list.d/kubernetes.list": "1.36"}
    assert (packages.problem, packages.broken, packages.unknown) == ("", (), ())


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
        ("certificate /etc/x.crt bm8=", "unread", ("/etc/x.crt: it is no certificate in PEM",)),
        ("unread /etc/kubernetes/admin.conf yaml: line 3", "unread", ("/etc/kubernetes/admin.conf: yaml: line 3",)),
        ("kubelet_config W10=", "unread", ("/var/lib/kubelet/config.yaml: it is no KubeletConfiguration",)),
        ("api_version W10=", "api_version", ""),
        ("manifest odd !", "static_pods", None),
        ("certificate /etc/x.crt abcde", "unread", ("/etc/x.crt: it is no certificate in PEM",)),
    ],
)
def test_a_line_more_is_a_fact_more(line: str, field: str, value: object) -> None:
    """The last of a kind counts."""
    node = read(CP2 + f"{line}\n".encode())
    if value is not None:
        assert getattr(node, field) == value
    if field == "flag_files":
        assert node.flag_files["/etc/default/kubelet"] == ("pod-infra-container-image",)


def test_a_drop_in_of_the_kubelet_wins_over_its_configuration() -> None:
    """As a flag does; `failSwapOn` was read of the file alone."""
    config = base64.b64encode(b"failSwapOn: false\nfailCgroupV1: false\n").decode()
    file = f"kubelet_config {config}\n".encode()
    drop_in = base64.b64encode(b"failSwapOn: true\n").decode()
    shape = shape_of("w1", pods={}, words=f"{WORDS}--fail-cgroupv1\n", more=f"dropin /srv/kubelet.d/9.conf {drop_in}")
    seen = parse("w1", file, shape, asked=NOW, answered=NOW)
    assert (seen.fail_swap_on, seen.fail_cgroup_v1, seen.fail_cgroup_v1_stays) == (True, True, True)
    plain = parse("w1", file, shape_of("w1", pods={}), asked=NOW, answered=NOW)
    assert (plain.fail_swap_on, plain.fail_cgroup_v1, plain.fail_cgroup_v1_stays) == (False, False, None)


def test_a_configuration_of_the_kubelet_that_is_no_yaml_is_told() -> None:
    """Its switches are not known then, which is not their default."""
    node = read(f"kubelet_config {base64.b64encode(b'a: [').decode()}\n".encode())
    assert (node.fail_swap_on, len(node.unread)) == (None, 1)
    assert node.unread[0].startswith("/var/lib/kubelet/config.yaml")


def test_rotations_of_authorities_are_told_until_they_have_ended(tmp_path: Path) -> None:
    """By the new half, which is laid down first, and kept under another name at the end."""
    for name in ("ca", "front-proxy-ca-ended-0a1b2c3d", "sa"):
        (tmp_path / name).mkdir()
    for name in ("ca", "front-proxy-ca-ended-0a1b2c3d"):
        (tmp_path / name / "new.pem").touch()
    script = "systemctl() { :; }\n" + look(SHAPE, KUBEADM).replace(CA_ROTATIONS, str(tmp_path))
    assert read(subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout).ca_rotations == ("ca",)


def test_half_configured_packages_are_told() -> None:
    """By their names."""
    assert read(b"manager apt\nbroken kubelet\n").packages.broken == ("kubelet",)


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


ELSEWHERE = shape_of(
    pods={
        "kube-apiserver": API_SERVER.replace("/etc/kubernetes/pki/", "/etc/ssl-k8s/").replace("6443", "7443")
        + "    - --bind-address=fd00::11\n    - --kubelet-client-certificate=/etc/own/client.crt\n    - --kubelet-client-key=/etc/own/client.key\n",
        "etcd": ETCD.replace("--data-dir=/var/lib/etcd", '"--data-dir=/var/lib/etcd-data"'),
    },
    config=CONFIG.replace("/etc/kubernetes/manifests", "/etc/static"),
    words=WORDS + "--config=/etc/kubelet.yaml\n--cert-dir=/etc/kubelet-pki\n",
    real="/etc/static",
)
"""A node whose folders are its own, and which is reached by IPv6."""


class Machine(NodeFolder):
    """A control plane node whose programs say little, without a package manager."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        pem = next(
            self.pem_of(line) for line in CP2.splitlines() if line.startswith(b"certificate /etc/kubernetes/pki/ca.crt")
        )
        self.certificate = base64.b64encode(pem.encode()).decode()
        self.file("/etc/os-release", 'ID=debian\nVERSION_ID="12"\n')
        self.file("/etc/static/kube-apiserver.yaml", API_SERVER)
        self.file("/etc/static/own.yml", "{}")
        self.file("/etc/ssl-k8s/ca.crt", pem)
        self.file("/etc/kubelet-pki/kubelet-client-current.pem", f"{pem}-----BEGIN EC PRIVATE KEY-----\nsecret\n")
        self.file("/etc/kubernetes/admin.conf", self.kubeconfig(self.certificate))
        self.file("/etc/kubernetes/kubelet.conf", "users: [{name: u, user: {client-certificate: /x.pem}}]")
        self.file("/var/lib/etcd-data/db", "x" * 5000)
        self.file("/var/lib/kubelet/kubeadm-flags.env", "#--no=1\nARGS=--v=2 --feature\n")
        self.file("/etc/kubelet.yaml", "failSwapOn: false\n")
        asked = """case "$*" in
  *is-active*containerd) ;; *is-active*) exit 3 ;; *MainPID*) echo 0 ;;
  *list-units*) echo kube-runbooks-kubeadm-1-37-2-0a1b.service loaded active ;;
esac"""
        self.program("systemctl", asked)
        self.program(
            "curl", """case "$*" in *readyz*) printf 200 ;; *) echo '{"major": "1", "gitVersion": "v1.36.3"}' ;; esac"""
        )
        for name in ("kubeadm", "kubelet", "containerd"):
            self.program(name, f"echo {name} v1.36.3")
        self.program("kubectl", "echo kubectl v1.36.3")
        self.program("timeout", 'shift; exec "$@"')

    @staticmethod
    def pem_of(line: bytes) -> str:
        """Of a recorded line."""
        return base64.b64decode(line.split()[-1]).decode()

    @staticmethod
    def kubeconfig(certificate: str) -> str:
        """Of one user, in one line."""
        user = f"{{client-certificate-data: {certificate}, client-key-data: secret, token: secret}}"
        return f"users: [{{name: u, user: {user}}}]\n"

    def told(self, script: str) -> NodeFacts:
        """What a script says of it."""
        done = self.run(script)
        assert (done.returncode, done.stderr) == (0, "")
        assert "secret" not in done.stdout
        return parse("cp1", done.stdout.replace(str(self.root), "").encode(), ELSEWHERE, asked=NOW, answered=NOW)


def test_a_glance_tells_what_may_change_in_a_moment(tmp_path: Path) -> None:
    """And a look tells that, too. Both with the port that the API server has."""
    machine = Machine(tmp_path)
    glance, seen = machine.told(glance_at(ELSEWHERE)), machine.told(look(ELSEWHERE, KUBEADM))
    for one in (glance, seen):
        assert one.active == {"kubelet": False, "containerd": True, "crio": False, "docker": False}
        assert [pod.name for pod in one.static_pods] == ["kube-apiserver", "own"]
        assert (one.api_ready, one.api_version, one.jobs) == ("200", "1.36.3", ("kubeadm-1-37-2-0a1b",))
        assert one.boot_id
    asked = [call for call in machine.calls if call.startswith("curl")]
    assert [call.split()[-1] for call in asked if "/readyz" in call] == ["https://kubernetes/readyz"]
    assert all("::[fd00::11]:7443" in call and "/etc/own/client.key" in call for call in asked)
    assert (glance.kubelet, glance.packages.manager) == ("", PackageManager.NONE)
    assert (seen.kubelet, seen.packages.manager, seen.os, seen.fail_swap_on) == (
        "1.36.3",
        PackageManager.NONE,
        "debian",
        False,
    )
    assert seen.flag_files == {"/var/lib/kubelet/kubeadm-flags.env": ("v", "feature")}
    assert set(seen.free_bytes) == {"/var/lib", "/etc/kubernetes"}


def test_certificates_and_etcds_data_are_where_the_node_says(tmp_path: Path) -> None:
    """No constant: the folder of the API server's CA, the kubelet's own, etcd's flag in quotes. No key leaves the node."""
    machine = Machine(tmp_path)
    seen = machine.told(look(ELSEWHERE, KUBEADM))
    assert set(seen.certificates) == {
        "/etc/ssl-k8s/ca.crt",
        "/etc/kubernetes/admin.conf",
        "/etc/kubelet-pki/kubelet-client-current.pem",
    }
    assert seen.unread == ()
    assert seen.etcd_bytes > 5000
    machine.file("/etc/kubernetes/admin.conf", "users: [")
    machine.file("/etc/kubernetes/scheduler.conf", machine.kubeconfig("AAAA"))
    shutil.rmtree(machine.root / "var/lib/etcd-data")
    seen = machine.told(look(ELSEWHERE, KUBEADM))
    [not_pem, not_yaml, _] = seen.unread
    assert not_pem == "/etc/kubernetes/scheduler.conf: it is no certificate in PEM"
    assert not_yaml.startswith("/etc/kubernetes/admin.conf is not YAML: ")
    assert "/var/lib/etcd-data: its size is not known" in seen.unread
    worker = machine.run(look(shape_of("w1", pods={}), KUBEADM)).stdout
    assert "api_ready" not in worker
    assert "etcd_bytes" not in worker


def test_a_copy_beside_a_manifest_is_another_pod_for_the_kubelet(tmp_path: Path) -> None:
    """By its content, in YAML or JSON; not by the end of its name."""
    machine = Machine(tmp_path)
    machine.file(
        "/etc/static/kube-apiserver.yaml.old", API_SERVER.replace("- image", "- name: kube-apiserver\n    image")
    )
    machine.file("/etc/static/vip.bak", '{"spec": {"containers": [{"name": "kube-vip"}]}}')
    machine.file("/etc/static/e.json", '{"spec": {"containers": [{"name": "etcd"}]}}')
    machine.file("/etc/static/notes", "a: [")
    machine.file("/etc/static/list", "- 1")
    assert machine.told(look(ELSEWHERE, KUBEADM)).doubles == {
        "kube-apiserver.yaml.old": "kube-apiserver",
        "e.json": "etcd",
    }


@pytest.mark.parametrize("name", ["my pki", "100%20", "p\\nki", "[a]*"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    """One with a space was two words: its certificates were "no certificate in PEM", and its free space was not known."""
    machine = Machine(tmp_path)
    pem = Machine.pem_of(machine.certificate.encode())
    machine.file(f"/etc/{name}/ca.crt", pem)
    user = f"client-certificate-data: {machine.certificate}\n    client-key-data: c2VjcmV0\n"
    machine.file(f"/etc/{name}/admin.conf", f"users:\n- name: admin\n  user:\n    {user}")
    flag = "--client-ca-file=/etc/kubernetes/pki/ca.crt"
    api = API_SERVER.replace(flag, f"'--client-ca-file=/etc/{name}/ca.crt'")
    seen_as = shape_of("cp1", pods={"kube-apiserver": api})
    assert seen_as.pki == PurePosixPath(f"/etc/{name}")
    done = machine.run(look(seen_as, PurePosixPath(f"/etc/{name}")))
    seen = parse("cp1", done.stdout.replace(str(machine.root), "").encode(), seen_as, asked=NOW, answered=NOW)
    assert (seen.unread, set(seen.free_bytes)) == ((), {"/var/lib", f"/etc/{name}"})
    assert {f"/etc/{name}/ca.crt", f"/etc/{name}/admin.conf"} <= set(seen.certificates)
    assert seen.cluster_ca


DPKG = """case "$*" in
  *kubeadm*) printf 'package kubeadm 1.36.3-1.1 ii \\npackage kubelet 1.36.3-1.1 hi \\npackage kubectl  un \\n'; echo no kubectl >&2; exit 1 ;;
  *) printf 'ii |fine\\niU |libc6\\niF |kubelet\\n' ;;
esac"""


def test_apt_tells_what_is_installed_and_held_and_its_sources(tmp_path: Path) -> None:
    """Wherever it is told to read those; no repository is asked."""
    machine = Machine(tmp_path)
    file = machine.file("/etc/elsewhere/k.list", "deb https://mirror.example/core:/stable:/v1.36/deb/ /\n")
    machine.file("/etc/elsewhere/empty.list")
    machine.program("dpkg-query", DPKG)
    machine.program("apt-mark", "echo kubeadm")
    machine.program("apt-get")
    machine.program("apt-config", "echo parts=$ROOT/etc/elsewhere/")
    packages = machine.told(look(ELSEWHERE, KUBEADM)).packages
    assert packages.manager is PackageManager.APT
    assert packages.installed == {"kubeadm": "1.36.3-1.1", "kubelet": "1.36.3-1.1"}
    assert (packages.held, packages.broken, packages.unknown) == (("kubeadm",), ("libc6", "kubelet"), ())
    assert packages.repositories == {str(file).removeprefix(str(machine.root)): "1.36"}
    assert not any(call.startswith(("apt-get", "apt-cache")) for call in machine.calls)


def test_what_a_package_manager_does_not_say_is_a_fact(tmp_path: Path) -> None:
    """No answer is neither "nothing is installed" nor "nothing is held back"."""
    machine = Machine(tmp_path)
    machine.program("dpkg-query", "echo its database is broken >&2; exit 2")
    machine.program("apt-mark", "echo E: no lists; exit 100")
    machine.program("apt-get")
    machine.program("apt-config")
    assert machine.told(look(ELSEWHERE, KUBEADM)).packages.unknown == (
        "which packages are installed: its database is broken",
        "which packages are held back: E: no lists",
        "which packages are half-configured: its database is broken",
    )


def test_an_rpm_that_cannot_read_its_database_has_not_nothing_installed(tmp_path: Path) -> None:
    """It says of each package that it is not installed, with a status as if so."""
    machine = Machine(tmp_path)
    said = "error: cannot open Packages database in /var/lib/rpm"
    machine.program(
        "rpm", f'echo "{said}" >&2; case "$*" in *-qa*) ;; *) echo package x is not installed ;; esac; exit 1'
    )
    machine.program("dnf")
    assert machine.told(look(ELSEWHERE, KUBEADM)).packages.unknown == (f"which packages are installed: {said}",)


def test_a_systemd_that_does_not_answer_has_not_no_jobs(tmp_path: Path) -> None:
    """Whether a job of ours is at work there is not known, so nothing is decided of the machine."""
    machine = Machine(tmp_path)
    machine.program("systemctl", 'case "$*" in list-*) echo "Failed to connect to bus: timed out" >&2 ;; esac; exit 1')
    for script in (glance_at(ELSEWHERE), look(ELSEWHERE, KUBEADM)):
        assert machine.told(script).unreached == (
            "cp1: systemd does not say what runs there: Failed to connect to bus: timed out"
        )


@pytest.mark.parametrize("there", [True, False])
def test_dnf_tells_what_is_installed_and_held_and_its_sources(tmp_path: Path, *, there: bool) -> None:
    """Where it does not know the command, it has no list of what is held back; where there is one, that is a fault."""
    machine = Machine(tmp_path)
    text = "[kubernetes]\n#core:/stable:/v1.37\nbaseurl=https://mirror.example/core:/stable:/v1.36/rpm/\n"
    file = machine.file("/etc/yum.repos.d/kubernetes.repo", text)
    asked = "echo installed kubeadm 1.36.3-1; echo package kubectl is not installed; exit 1"
    machine.program("rpm", f'case "$*" in *-qa*) ;; *) {asked} ;; esac')
    machine.program("dnf", "echo No such command: versionlock >&2; exit 1")
    if there:
        machine.file("/etc/dnf/plugins/versionlock.list", "kubelet-0:1.36.3-1.*\n")
    packages = machine.told(look(ELSEWHERE, KUBEADM)).packages
    assert (packages.manager, packages.installed) == (PackageManager.DNF, {"kubeadm": "1.36.3-1"})
    assert packages.repositories == {str(file).removeprefix(str(machine.root)): "1.36"}
    said = "dnf does not say which packages are held back: No such command: versionlock"
    assert packages.unknown == ((f"which packages are held back: {said}",) if there else ())
    machine.program("dnf", "echo 'kubelet-1:1.36.3-1.*'; echo 'Package name: kubeadm'")
    assert machine.told(look(ELSEWHERE, KUBEADM)).packages.held == ("kubelet", "kubeadm")
