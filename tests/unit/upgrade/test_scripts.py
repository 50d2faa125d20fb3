"""The acts of an upgrade on a node, run by a shell in a folder: what they do, and what is left where they are cut off."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest

from tasks.core.models.shape import Address
from tasks.nodes.models.nodes import PackageManager
from tasks.nodes.probes.repositories import copies_for, rewritten_for
from tasks.nodes.probes.sources import Sources, ask_sources, in_lines, rewritten_in_lines, sources_in
from tasks.upgrade import scripts
from tasks.upgrade.models.folders import folder_of
from tasks.upgrade.probes.node import evidence, is_upgraded
from tests.facts.node_folder import NodeFolder
from tests.facts.shapes import shape_of
from tests.facts.upgrade import NEW

NOW = datetime.fromtimestamp(1795548139.546762726, UTC)
KUBELET = shape_of("cp1").kubelet
HEALTHZ = Address(host="fd00::11", port=10299)
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
  *update*) [ ! -e $ROOT/broken ] || {{ echo "E: no route"; exit 100; }} ;;
  *indextargets*) [ -e $ROOT/broken ] || echo https://mirror.example ;;
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
  *makecache*) [ ! -e $ROOT/broken ] || {{ echo "no route"; exit 1; }} ;;
  *"versionlock list"*) [ ! -e $ROOT/unlisted ] || exit 1; [ ! -e $ROOT/held ] || sed 's/$/-1:1.36.3-1.*/' $ROOT/held; echo "other-1:1-1.*" ;;
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
        if manager is APT:
            self.program("apt-config")
            self.program("apt-get", APT_GET)
        self.program("apt-mark", APT_MARK)
        self.program("dnf", DNF_PROGRAM)
        self.program("kubeadm", KUBEADM)
        unpacked = f"mkdir -p $3/usr/bin; cp {folder}/bin/kubeadm $3/usr/bin/kubeadm"
        self.program("dpkg-deb", unpacked)
        self.program("rpm2cpio")
        self.program("cpio", f"mkdir -p usr/bin; cp {folder}/bin/kubeadm usr/bin/kubeadm")
        self.program("kubelet", "cat $ROOT/kubelet-version")
        self.program("curl", "cat $ROOT/health; [ ! -e $ROOT/health-then ] || cp $ROOT/health-then $ROOT/health")
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


def sources_of(machine: Machine) -> Sources:
    """As it prints them."""
    return sources_in(machine.run(ask_sources()).stdout.encode())


def stage(
    machine: Machine, *, fail: int = 0, control_plane: bool = False, endpoint: str = ""
) -> subprocess.CompletedProcess[str]:
    """Packages and images of the target."""
    copies = in_lines(copies_for(sources_of(machine).files, "1.37"))
    assert machine.run(scripts.place_sources(NEW), stdin=copies).returncode == 0
    text = "kind: ClusterConfiguration\nname: it's"
    script = scripts.stage(machine.manager, NEW, text, control_plane=control_plane, endpoint=endpoint)
    return machine.run(script, fail=fail)


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
    crio = "unix:///run/crio/crio.sock"
    assert stage(machine, endpoint=crio).returncode == 0
    assert f"crictl --runtime-endpoint={crio} pull r/pause:3" in machine.calls
    assert stage(machine, control_plane=True).returncode == 0
    assert "kubeadm config images pull --config cluster.yaml" in machine.calls
    assert not any(call.startswith(("apt-get", "dnf")) for call in machine.calls)


def test_a_download_that_fails_is_tried_again_and_another_kubeadm_is_refused(machine: Machine) -> None:
    """75 is a failure that may mend itself."""
    stage(machine)
    (number,) = (n for n, call in enumerate(machine.calls, 1) if "--download-only" in call or " download " in call)
    shutil.rmtree(machine.staged)
    assert stage(machine, fail=number).returncode == 75
    machine.file("kubeadm-version", "v1.36.3\n")
    done = stage(machine)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "the package's kubeadm says v1.36.3")
    machine.file("kubeadm-version", f"v{NEW}\n")
    assert stage(machine).returncode == 0


def test_without_an_index_nothing_is_staged(machine: Machine) -> None:
    """Another attempt may get one: whatever it said, the last line says why."""
    machine.file("broken")
    done = stage(machine)
    assert done.returncode == 75
    assert "no route" in done.stdout
    assert done.stdout.splitlines()[-1] == "no repository of v1.37 has answered with an index of its packages"
    assert not (machine.staged / "fetched").exists()


def acts(machine: Machine) -> tuple[str, str]:
    """Both installations."""
    return scripts.install_kubeadm(machine.manager, NEW), scripts.install_kubelet(machine.manager, NEW, HEALTHZ)


def test_packages_are_installed_and_the_holds_are_as_they_were_found(machine: Machine) -> None:
    """kubeadm first; then kubelet and kubectl, with what they need, and the kubelet's restart."""
    stage(machine)
    kubeadm, kubelet = acts(machine)
    assert machine.run(kubeadm).returncode == 0
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
        "curl --globoff --noproxy * --silent --max-time 2 http://[fd00::11]:10299/healthz",
    ]
    assert scripts.parse_restarted(done.stdout, NOW) != NOW
    assert not list(machine.staged.glob("holds*"))


def test_the_nodes_own_files_name_the_target_wherever_that_is_cut_off(machine: Machine) -> None:
    """Once they do, there is nothing to write."""
    repository = machine.root / FILES[machine.manager].removeprefix("/")
    before = repository.stat().st_mode
    files = rewritten_in_lines(rewritten_for(sources_of(machine).files, "1.37"))
    machine.program("mv", f'{shutil.which("mv")} "$@"')
    assert machine.run(scripts.rewrite_sources(), stdin=files, cut=1).returncode == -9
    for _ in range(2):
        assert machine.run(scripts.rewrite_sources(), stdin=files).returncode == 0
        assert repository.read_text() == REPOSITORY[machine.manager].replace("v1.36", "v1.37")
        assert repository.stat().st_mode == before
        assert list(repository.parent.iterdir()) == [repository]
    assert rewritten_for(sources_of(machine).files, "1.37") == ()


def test_nothing_is_installed_where_it_is_not_known_what_is_held_back(tmp_path: Path) -> None:
    """dnf has a list, and does not say what is in it: the hold would be gone afterwards."""
    machine = Machine(tmp_path, DNF)
    stage(machine)
    machine.file("unlisted")
    assert machine.run(acts(machine)[0]).returncode == 0
    machine.file("/etc/dnf/plugins/versionlock.list", "kubelet-1:1.36.3-1.*\n")
    installed = machine.installed
    done = machine.run(acts(machine)[1])
    assert (done.returncode, machine.installed) == (1, installed)
    assert "dnf does not say which packages are held back" in done.stderr


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
    machine.file("health-then", "no")
    done = machine.run(kubelet)
    assert done.returncode == 1
    assert "kubelet does not report that it is healthy" in done.stdout
    assert sum(call.startswith("curl") for call in machine.calls) == scripts.HEALTHY_SECONDS + 1
    assert machine.calls[-1].startswith("journalctl -u kubelet")
    machine.file("kubelet-version", "Kubernetes v1.36.3\n")
    done = machine.run(kubelet)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "kubelet is Kubernetes v1.36.3")
    assert not any(call.startswith("systemctl") for call in machine.calls)


@pytest.mark.parametrize(("healthz", "asked"), [(None, 0), (HEALTHZ, 1)])
def test_a_kubelet_that_does_not_say_whether_it_is_well_is_proven_by_its_heartbeat(
    tmp_path: Path, healthz: Address | None, asked: int
) -> None:
    """Its healthzPort is 0; or it did not say so before, at another address, for example."""
    machine = Machine(tmp_path)
    stage(machine)
    machine.file("health", "no")
    done = machine.run(scripts.install_kubelet(machine.manager, NEW, healthz))
    assert done.returncode == 0, done.stdout
    assert sum(call.startswith("curl") for call in machine.calls) == asked
    assert scripts.parse_restarted(done.stdout, NOW) != NOW


@pytest.mark.parametrize(
    ("apply", "ignored", "words"),
    [
        (
            True,
            ("SystemVerification", "Swap"),
            f"apply v{NEW} --yes --patches /etc/kubernetes/patches --ignore-preflight-errors=SystemVerification,Swap",
        ),
        (False, (), "node"),
    ],
)
def test_kubeadm_applies_once_and_ignores_what_the_profile_says(
    tmp_path: Path, words: str, ignored: tuple[str, ...], *, apply: bool
) -> None:
    """Never by force; that it came to its end is known afterwards, and not before."""
    machine = Machine(tmp_path)
    patches = PurePosixPath("/etc/kubernetes/patches") if apply else None
    act = scripts.upgrade_by_kubeadm(NEW, apply=apply, ignored=ignored, patches=patches)
    assert machine.run(act, fail=2).returncode == 9
    assert machine.run(is_upgraded(NEW)).returncode != 0
    assert machine.run(act).returncode == 0
    calls = [call.replace(str(machine.root), "") for call in machine.calls]
    assert calls == ["kubeadm version -o short", f"kubeadm upgrade {words}"]
    assert machine.run(is_upgraded(NEW)).returncode == 0
    machine.file("kubeadm-version", "v1.36.3\n")
    done = machine.run(act)
    assert (done.returncode, done.stdout) == (1, "the installed kubeadm is v1.36.3, not v1.37.2\n")


def test_a_failed_node_says_what_it_can(tmp_path: Path) -> None:
    """Whatever of it is missing."""
    machine = Machine(tmp_path)
    machine.program("journalctl", "echo its journal; exit 1")
    assert machine.run(evidence(KUBELET)).returncode == 0
    machine.file("/etc/kubernetes/tmp/kubeadm-backup-manifests-1/etcd.yaml", "old\n")
    machine.file("/etc/kubernetes/manifests/etcd.yaml", "new\n")
    machine.file("/var/log/pods/kube-system_etcd-cp1_0a1b/etcd/0.log", "the end of etcd\n")
    machine.file("/etc/default/kubelet", "ARGS=--v=4\n")
    done = machine.run(evidence(KUBELET))
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
