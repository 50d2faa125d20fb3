"""The acts of an upgrade on a node, run by a shell in a folder: what they do, and what is left where they are cut off."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.core.models.folders import UPGRADES
from tasks.nodes.models.nodes import PackageManager
from tasks.upgrade import scripts
from tasks.upgrade.models.folders import folder_of
from tasks.upgrade.probes.node import evidence, is_upgraded
from tests.facts.node_folder import NodeFolder
from tests.facts.upgrade import NEW

NOW = datetime.fromtimestamp(1795548139.546762726, UTC)
APT, DNF = PackageManager.APT, PackageManager.DNF
FILES = {
    APT: "/etc/apt/sources.list.d/kubernetes.list",
    DNF: "/etc/yum.repos.d/kubernetes.repo",
}
REPOSITORY = {
    APT: "deb [signed-by=/k] https://mirror.example/core:/stable:/v1.36/deb/ /\n",
    DNF: "[kubernetes]\nbaseurl=https://mirror.example/core:/stable:/v1.36/rpm/\nexclude=kubelet kubeadm\n",
}
HELD = {APT: ["kubeadm", "kubelet"], DNF: ["kubeadm", "kubelet"]}

APT_GET = f"""\
case "$*" in
  *update*) [ ! -e $ROOT/broken ] || echo "W: no route" ;;
  *download-only*)
    for name in kubeadm_{NEW}-1.1 kubelet_{NEW}-1.1 kubectl_{NEW}-1.1 cri-tools_1; do
      touch $ROOT{folder_of(NEW)}/cache/archives/${{name}}_amd64.deb
    done ;;
  *install*) rm -f $ROOT/held; for file; do case "$file" in *.deb) echo "${{file##*/}}" >> $ROOT/installed ;; esac; done ;;
esac"""
APT_MARK = """\
case "$1" in
  showhold) shift; for name; do grep -xs "$name" $ROOT/held; done; true ;;
  hold) shift; for name; do echo "$name" >> $ROOT/held; done ;;
esac"""
DNF_PROGRAM = f"""\
case "$*" in
  *"versionlock list"*) [ ! -e $ROOT/held ] || sed 's/$/-1:1.36.3-1.*/' $ROOT/held; echo "other-1:1-1.*" ;;
  *"versionlock add"*) shift 3; for name; do echo "$name" >> $ROOT/held; done ;;
  *download*) touch packages/kubeadm-{NEW}-1.rpm packages/kubelet-{NEW}-1.rpm packages/kubectl-{NEW}-1.rpm packages/cri-tools-1.rpm ;;
  *install*) rm -f $ROOT/held; for file; do case "$file" in *.rpm) echo "${{file##*/}}" >> $ROOT/installed ;; esac; done ;;
esac"""
KUBEADM = """\
case "$*" in
  version*) cat $ROOT/kubeadm-version ;;
  *"images list"*) printf 'r/kube-proxy:v1\\nr/coredns:v1\\nr/pause:3\\nr/etcd:3\\n' ;;
esac"""


class Machine(NodeFolder):
    """With a package manager, Kubernetes' repository, two packages that are held back, and a kubelet that is well."""

    def __init__(self, folder: Path, manager: PackageManager = APT) -> None:
        super().__init__(folder)
        self.manager = manager
        self.file(FILES[manager], REPOSITORY[manager])
        self.file("held", "".join(f"{name}\n" for name in HELD[manager]))
        self.file("kubeadm-version", f"v{NEW}\n")
        self.file("kubelet-version", f"Kubernetes v{NEW}\n")
        self.file("health", "ok")
        self.file("/var/lib/kubelet/config.yaml", "healthzPort: 10299\n")
        self.program("apt-get", APT_GET)
        self.program("apt-mark", APT_MARK)
        self.program("dnf", DNF_PROGRAM)
        self.program("kubeadm", KUBEADM)
        unpacked = f"mkdir -p $3/usr/bin; cp {folder}/bin/kubeadm $3/usr/bin/kubeadm"
        self.program("dpkg-deb", unpacked)
        self.program("rpm2cpio")
        self.program("cpio", f"mkdir -p usr/bin; cp {folder}/bin/kubeadm usr/bin/kubeadm")
        self.program("kubelet", "cat $ROOT/kubelet-version")
        self.program("curl", "cat $ROOT/health")
        for name in ("systemctl", "journalctl", "crictl", "sleep", "ps"):
            self.program(name)

    @property
    def held(self) -> list[str]:
        """Packages that are held back now."""
        file = self.root / "held"
        return file.read_text().split() if file.exists() else []

    @property
    def installed(self) -> list[str]:
        """Files that the package manager was given."""
        file = self.root / "installed"
        return file.read_text().split() if file.exists() else []

    @property
    def staged(self) -> Path:
        """The folder of the version."""
        return self.root / folder_of(NEW).removeprefix("/")


@pytest.fixture(params=[APT, DNF])
def machine(tmp_path: Path, request: pytest.FixtureRequest) -> Machine:
    """With apt and with dnf."""
    return Machine(tmp_path, request.param)


def stage(machine: Machine, *, fail: int = 0) -> subprocess.CompletedProcess[str]:
    """Packages and images of the target."""
    return machine.run(scripts.stage(machine.manager, NEW, "kind: ClusterConfiguration\nname: it's"), fail=fail)


def test_what_is_staged_is_fetched_once_and_touches_nothing_else(machine: Machine) -> None:
    """Packages of a repository of its own, images of kubeadm of the target, of a worker only those that it runs."""
    done = stage(machine)
    assert done.returncode == 0, done.stderr
    assert scripts.parse_images(done.stdout) == ("r/kube-proxy:v1", "r/coredns:v1", "r/pause:3", "r/etcd:3")
    pulled = [call for call in machine.calls if call.startswith("crictl")]
    assert pulled == [f"crictl pull r/{image}" for image in ("kube-proxy:v1", "coredns:v1", "pause:3")]
    assert (machine.staged / "cluster.yaml").read_text() == "kind: ClusterConfiguration\nname: it's\n"
    (copy,) = (machine.staged / "parts").iterdir()
    assert "core:/stable:/v1.37/" in copy.read_text()
    assert "exclude" not in copy.read_text()
    assert (machine.held, machine.installed) == (HELD[machine.manager], [])
    machine.file("/etc/kubernetes/manifests/kube-apiserver.yaml")
    assert stage(machine).returncode == 0
    assert "kubeadm config images pull --config cluster.yaml" in machine.calls
    assert not any(call.startswith(("apt-get", "dnf")) for call in machine.calls)


def test_a_download_that_fails_is_tried_again_and_another_kubeadm_is_refused(machine: Machine) -> None:
    """75 is a failure that may mend itself."""
    stage(machine)
    (number,) = (n for n, call in enumerate(machine.calls, 1) if "download" in call)
    shutil.rmtree(machine.staged)
    assert stage(machine, fail=number).returncode == 75
    machine.file("kubeadm-version", "v1.36.3\n")
    done = stage(machine)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "the package's kubeadm says v1.36.3")
    machine.file("kubeadm-version", f"v{NEW}\n")
    assert stage(machine).returncode == 0


def test_lists_that_apt_could_not_get_are_no_lists(tmp_path: Path) -> None:
    """It warns, and says that all is well."""
    machine = Machine(tmp_path)
    machine.file("broken")
    assert stage(machine).returncode == 75
    assert not (machine.staged / "fetched").exists()


def acts(machine: Machine) -> tuple[str, str]:
    """Both installations."""
    return scripts.install_kubeadm(machine.manager, NEW), scripts.install_kubelet(machine.manager, NEW)


def test_packages_are_installed_and_the_holds_are_as_they_were_found(machine: Machine) -> None:
    """kubeadm first, after its repository; then kubelet and kubectl, with what they need, and the kubelet's restart."""
    stage(machine)
    kubeadm, kubelet = acts(machine)
    before = (machine.root / FILES[machine.manager].removeprefix("/")).stat().st_mode
    assert machine.run(kubeadm).returncode == 0
    repository = machine.root / FILES[machine.manager].removeprefix("/")
    assert repository.read_text() == REPOSITORY[machine.manager].replace("v1.36", "v1.37")
    assert repository.stat().st_mode == before
    assert list(repository.parent.iterdir()) == [repository]
    assert [name.partition("1")[0].rstrip("-_") for name in machine.installed] == ["kubeadm", "cri-tools"]
    assert machine.held == ["kubeadm"]
    machine.file("held", "kubeadm\nkubelet\n")
    done = machine.run(kubelet)
    assert done.returncode == 0, done.stderr
    assert [name.partition("1")[0].rstrip("-_") for name in machine.installed[2:]] == [
        "kubelet",
        "kubectl",
        "cri-tools",
    ]
    assert machine.held == ["kubelet"]
    assert machine.calls[-3:] == [
        "systemctl daemon-reload",
        "systemctl restart kubelet",
        "curl --silent --max-time 2 http://127.0.0.1:10299/healthz",
    ]
    assert scripts.parse_restarted(done.stdout, NOW) != NOW
    assert not list(machine.staged.glob("holds*"))


def test_wherever_an_installation_is_cut_off_the_next_one_ends_it_with_the_same_holds(machine: Machine) -> None:
    """Killed at each of its programs; also where the package manager has taken the holds away already."""
    stage(machine)
    for act in acts(machine):
        machine.file("held", "kubeadm\nkubelet\n")
        assert machine.run(act).returncode == 0
        wanted, calls = machine.held, len(machine.calls)
        assert wanted
        for cut in range(1, calls + 1):
            machine.file("held", "kubeadm\nkubelet\n")
            assert machine.run(act, cut=cut).returncode == -9
            assert machine.run(act).returncode == 0
            assert set(machine.held) == set(wanted), f"cut off at {cut} of {calls}"
            assert not list(machine.staged.glob("holds*"))


def test_a_kubelet_that_is_another_one_or_not_well_fails(tmp_path: Path) -> None:
    """With what it has to say."""
    machine = Machine(tmp_path)
    stage(machine)
    _, kubelet = acts(machine)
    machine.file("health", "no")
    done = machine.run(kubelet)
    assert done.returncode == 1
    assert "kubelet does not say that it is healthy" in done.stdout
    assert sum(call.startswith("curl") for call in machine.calls) == scripts.HEALTHY_SECONDS
    assert machine.calls[-1].startswith("journalctl -u kubelet")
    machine.file("kubelet-version", "Kubernetes v1.36.3\n")
    done = machine.run(kubelet)
    assert (done.returncode, done.stdout) == (1, "kubelet is Kubernetes v1.36.3\n")
    assert not any(call.startswith("systemctl") for call in machine.calls)


@pytest.mark.parametrize(
    ("apply", "ignored", "words"),
    [
        (True, ("SystemVerification", "Swap"), f"apply v{NEW} --yes --ignore-preflight-errors=SystemVerification,Swap"),
        (False, (), "node"),
    ],
)
def test_kubeadm_applies_once_and_ignores_what_the_profile_says(
    tmp_path: Path, words: str, ignored: tuple[str, ...], *, apply: bool
) -> None:
    """Never by force; that it came to its end is known afterwards, and not before."""
    machine = Machine(tmp_path)
    act = scripts.upgrade_by_kubeadm(NEW, apply=apply, ignored=ignored)
    assert machine.run(act, fail=2).returncode == 9
    assert machine.run(is_upgraded(NEW)).returncode != 0
    assert machine.run(act).returncode == 0
    assert machine.calls == ["kubeadm version -o short", f"kubeadm upgrade {words}"]
    assert machine.run(is_upgraded(NEW)).returncode == 0
    machine.file("kubeadm-version", "v1.36.3\n")
    done = machine.run(act)
    assert (done.returncode, done.stdout) == (1, "kubeadm is v1.36.3\n")


def test_a_failed_node_says_what_it_can(tmp_path: Path) -> None:
    """Whatever of it is missing."""
    machine = Machine(tmp_path)
    machine.program("journalctl", "echo its journal; exit 1")
    assert machine.run(evidence()).returncode == 0
    machine.file("/etc/kubernetes/tmp/kubeadm-backup-manifests-1/etcd.yaml", "old\n")
    machine.file("/etc/kubernetes/manifests/etcd.yaml", "new\n")
    machine.file("/var/log/pods/kube-system_etcd-cp1_0a1b/etcd/0.log", "the end of etcd\n")
    machine.file("/etc/default/kubelet", "ARGS=--v=4\n")
    done = machine.run(evidence())
    assert done.returncode == 0
    for word in ("its journal", "-old", "+new", "the end of etcd", "ARGS=--v=4"):
        assert word in done.stdout


def test_what_scripts_print_is_read() -> None:
    """Images, and the node's clock at the restart."""
    assert scripts.parse_images("x\nimage a:1\nimage b:2\n") == ("a:1", "b:2")
    assert scripts.parse_restarted("x\nrestarted 1795548139.546762726\n", NOW - timedelta(days=1)) == NOW
    assert scripts.parse_restarted("nothing", NOW) == NOW


def test_of_kubeadms_copies_the_newest_stay(tmp_path: Path) -> None:
    """By their age, each kind for itself; what is not kubeadm's stays."""
    for kind in ("kubeadm-backup-etcd-2026-11-2", "kubeadm-backup-manifests-2026-11-2"):
        for age in range(4):
            folder = tmp_path / f"{kind}{9 - age}"
            (folder / "etcd").mkdir(parents=True)
            os.utime(folder, (10**9 - age, 10**9 - age))
    (tmp_path / "my own notes").mkdir()
    script = scripts.trim_backups(3).replace("/etc/kubernetes/tmp", str(tmp_path))
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert told == ["kubeadm-backup-etcd-2026-11-26", "kubeadm-backup-manifests-2026-11-26"]
    assert len(list(tmp_path.iterdir())) == 7
    elsewhere = scripts.trim_backups(3).replace("/etc/kubernetes/tmp", f"{tmp_path}/none")
    assert subprocess.run(["sh", "-c", elsewhere], capture_output=True, text=True, check=True).stdout == ""


def test_a_kubelet_is_pointed_at_the_endpoint_and_back(tmp_path: Path) -> None:
    """Once, with its mode kept; not where the endpoint does not answer. What kubeadm has put back already stays so."""
    conf, kept, restarts = tmp_path / "kubelet.conf", tmp_path / "work/kubelet-server", tmp_path / "restarts"
    own = "- cluster:\n    server: https://10.0.0.11:6443\n  name: default\n"
    conf.write_text(own)
    conf.chmod(0o600)

    def run(script: str, answers: str = "true") -> str:
        for path, place in ((UPGRADES, tmp_path / "work"), (scripts.KUBELET_CONF, conf)):
            script = script.replace(path, str(place))
        tools = f"curl() {{ {answers}; }}; systemctl() {{ echo $2 >> {restarts}; }}\n"
        return subprocess.run(["sh", "-c", tools + script], capture_output=True, text=True, check=True).stdout

    there, back = scripts.point_kubelet_at("10.0.0.1:6443"), scripts.point_kubelet_back()
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
    run(scripts.point_kubelet_at("10.0.0.2:6443"))
    assert run(there) == "changed\n"
    run(back)
    assert conf.read_text() == own
