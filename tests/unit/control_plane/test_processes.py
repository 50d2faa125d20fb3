"""Which processes are the control plane's: those of kubelet's static pods and of etcd's unit, whatever others are called."""

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

import pytest

from tasks.control_plane import scripts
from tasks.control_plane.probes import look as control_plane
from tasks.control_plane.probes.etcd_member import read_member
from tasks.core.shell import script
from tasks.restore import scripts as restore
from tests.facts.control_plane import MANIFEST, encoded
from tests.facts.restore import member
from tests.facts.shapes import shape_of
from tests.servers.processes import wait_until

PROCESSES = script(str(scripts.__file__), "processes.lib")
NO_ETCD = script(str(restore.__file__), "no_etcd.lib")
STATIC = "5f1b0ac3d2e94b7a8c6d7e8f90a1b2c3"
OF_API = "5f1b0ac3-d2e9-4b7a-8c6d-7e8f90a1b2c3"
CONTAINER = "ab" * 32
ROOT = f"3712 3695 8:1 {{kubelet}}/pods/{STATIC}/containers/{{name}}/0a1b2c3d /dev/termination-log rw - ext4 /dev/sda1 rw\n"


CASES = 'case "$*" in *LoadState*) echo not-found ;; *MainPID*) echo 0 ;; *ActiveState*) echo inactive ;;'
SILENT = 'systemctl() { echo "Failed to connect to bus" >&2; return 1; }\n'


class Proc:
    """A /proc of our own, and the folder where kubelet keeps logs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.logs = folder / "proc", folder / "log" / "pods"
        self.logs.mkdir(parents=True)
        (self.folder / "1").mkdir(parents=True)
        self.add(1, "0::/init.scope\n", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")

    def add(self, pid: int, cgroup: str, mounts: str, began: int = 100) -> None:
        """A process."""
        (self.folder / str(pid)).mkdir(exist_ok=True)
        (self.folder / str(pid) / "cgroup").write_text(cgroup)
        (self.folder / str(pid) / "mountinfo").write_text(mounts)
        fields = " ".join(["S", *["0"] * 18, str(began)])
        (self.folder / str(pid) / "stat").write_text(f"{pid} (a name) with) {fields} 0\n")

    def run(self, script: str, main: str = "0", systemctl: str = "") -> str:
        """What it prints."""
        systemctl = systemctl or f"systemctl() {{ echo {main}; }}\n"
        text = (systemctl + script).replace("/proc/", f"{self.folder}/")
        text = text.replace("/var/log/pods", str(self.logs)).replace("/etc/kubernetes", f"{self.folder}/etc")
        return subprocess.run(["sh", "-euc", text], capture_output=True, text=True, check=True).stdout

    def pids_of(self, name: str, main: str = "0") -> list[str]:
        """As a script of ours asks."""
        return self.run(f"{PROCESSES}\npids_of {name}", main).split()


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    """Of a node on which nothing runs."""
    return Proc(tmp_path)


CGROUPS = {
    "containerd, systemd, v2": f"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{{uid}}.slice/cri-containerd-{CONTAINER}.scope\n",
    "containerd, systemd, v1": f"12:pids:/kubepods.slice/kubepods-pod{{uid}}.slice/cri-containerd-{CONTAINER}.scope\n1:name=systemd:/kubepods.slice/kubepods-pod{{uid}}.slice/cri-containerd-{CONTAINER}.scope\n0::/\n",
    "containerd, cgroupfs, v1": f"4:memory:/kubepods/burstable/pod{{uid}}/{CONTAINER}\n",
    "containerd, cgroupfs, v2, guaranteed": f"0::/kubepods/pod{{uid}}/{CONTAINER}\n",
    "CRI-O, systemd, v2, crun": f"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{{uid}}.slice/crio-{CONTAINER}.scope/container\n",
    "CRI-O, cgroupfs, v1": f"4:memory:/kubepods/burstable/pod{{uid}}/crio-{CONTAINER}\n",
    "Docker, inside a container": f"0::/docker/{'cd' * 32}/kubepods/burstable/pod{{uid}}/{CONTAINER}\n",
    "another root of cgroups": f"0::/site.slice/site-kubepods.slice/site-kubepods-pod{{uid}}.slice/docker-{CONTAINER}.scope\n",
}


@pytest.mark.parametrize("cgroup", CGROUPS.values(), ids=CGROUPS)
@pytest.mark.parametrize("kubelet", ["/var/lib/kubelet", "", "/@rootfs/srv/kubelet"])
@pytest.mark.parametrize("name", ["etcd", "kube-controller-manager"])
def test_a_static_pod_is_seen_with_every_runtime_driver_and_version(
    proc: Proc, cgroup: str, kubelet: str, name: str
) -> None:
    """By its whole name; a pod of the API with the same container, and the pod's pause, are something else."""
    proc.add(711, cgroup.format(uid=STATIC), ROOT.format(kubelet=kubelet, name=name))
    proc.add(712, cgroup.format(uid=STATIC), "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
    for pid, uid in ((713, OF_API), (714, OF_API.replace("-", "_"))):
        mounts = ROOT.format(kubelet=kubelet, name=name).replace(STATIC, OF_API)
        proc.add(pid, cgroup.format(uid=uid), mounts)
    assert proc.pids_of(name) == ["711"]
    assert proc.pids_of("kube-scheduler") == proc.pids_of("kube-controller") == []
    assert proc.run(f"{PROCESSES}\ncontainer_of 711; container_of 1").split() == [CONTAINER]


def test_without_a_cgroup_for_each_pod_the_mounts_tell(proc: Proc) -> None:
    """As with kubelet's `--cgroups-per-qos=false`."""
    proc.add(711, "0::/system.slice/containerd.service\n", ROOT.format(kubelet="/var/lib/kubelet", name="etcd"))
    assert proc.pids_of("etcd") == ["711"]


def test_a_static_pod_of_another_namespace_or_name_is_not_the_control_planes(proc: Proc) -> None:
    """kubelet's folder of logs names both; where it is somewhere else, the container has to do."""
    proc.add(711, f"0::/kubepods/pod{STATIC}/{CONTAINER}\n", ROOT.format(kubelet="", name="etcd"))
    for folder, found in (("kube-system_etcd-cp1", ["711"]), ("milvus_etcd-cp1", []), ("kube-system_events-cp1", [])):
        (proc.logs / f"{folder}_{STATIC}").mkdir()
        assert proc.pids_of("etcd") == found
        (proc.logs / f"{folder}_{STATIC}").rmdir()


def test_the_oldest_comes_first_and_a_unit_is_known_by_its_main_process(proc: Proc) -> None:
    """A probe that is executed in the container is younger; kubelet is a unit, and etcd may be one."""
    for pid, began in ((300, 900), (711, 200)):
        proc.add(pid, f"0::/kubepods/pod{STATIC}/{CONTAINER}\n", ROOT.format(kubelet="", name="etcd"), began)
    assert proc.pids_of("etcd") == ["711", "300"]
    assert proc.pids_of("etcd", main="47")[0] == "47"
    assert proc.pids_of("kubelet", main="48") == ["48"]
    assert proc.pids_of("kube-apiserver", main="49") == []


def test_processes_that_cannot_be_read_are_not_taken_for_stopped(proc: Proc) -> None:
    """The plan says so, and what waits for their end fails instead."""
    (proc.folder / "1" / "mountinfo").unlink()
    with pytest.raises(subprocess.CalledProcessError) as failed:
        proc.run(scripts.park(shape_of(), ("etcd",)))
    assert "the processes of this node cannot be read" in failed.value.stderr
    text = proc.run(control_plane.look(shape_of().kubelet.manifests, shape_of().parked))
    assert "cannot be read" in control_plane.parse("cp1", text.encode()).node.unseen


NO_UNITS = f"systemctl() {{ {CASES} stop*) ;; *) false ;; esac; }}\n"
"""A systemd that answers, and has neither kubelet nor etcd."""


def test_a_systemd_that_does_not_answer_is_not_taken_for_units_that_have_stopped(proc: Proc) -> None:
    """An etcd that is a unit would run on, under data that is moved."""
    said = "systemd does not say which process is that of etcd.service: Failed to connect to bus"
    for text in (scripts.park(shape_of(), ("etcd",)), f"{NO_ETCD}\nrequire_no_etcd /nowhere"):
        with pytest.raises(subprocess.CalledProcessError) as failed:
            proc.run(text, systemctl=SILENT)
        assert said in failed.value.stderr
    text = proc.run(control_plane.look(shape_of().kubelet.manifests, shape_of().parked), systemctl=SILENT)
    assert "systemd does not say" in control_plane.parse("cp1", text.encode()).node.unseen


def test_a_systemd_that_falls_silent_while_it_is_waited_for_does_not_end_the_wait(proc: Proc) -> None:
    """Nor does it look as if a process of nobody's known had the database open."""
    silent_later = f"systemctl() {{ [ ! -e {proc.folder}/asked ] || return 1; touch {proc.folder}/asked; echo 0; }}\n"
    with pytest.raises(subprocess.CalledProcessError):
        proc.run(scripts.park(shape_of(), ("etcd",)), systemctl=silent_later)
    database = proc.logs.parent / "db"
    with database.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (proc.folder / "locks").write_text("")
        assert "somebody unknown (systemd does not say" in proc.run(
            f"{PROCESSES}\nothers_with {database}", systemctl=SILENT
        )


class Host:
    """Real processes, and a /proc that has only them: another cluster's on this machine are none of ours."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        (folder / "proc").mkdir()
        (folder / "proc" / "1").symlink_to("/proc/self")
        (folder / "proc" / "locks").symlink_to("/proc/locks")

    def start(self, name: str, container: str = "", uid: str = STATIC) -> subprocess.Popen[bytes]:
        """A copy of `sleep` under any name, in a pod's container or outside; it ends with the test."""
        folder = self.folder / (container or "host") / uid
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/sleep", folder / name[:15])
        words = [str(folder / name[:15]), "600"]
        if container:
            log = self.folder / "kubelet" / "pods" / uid / "containers" / container / "0a1b2c3d"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.touch()
            rights = [] if os.geteuid() == 0 else ["--map-root-user"]
            within = f"mount --bind {log} /dev/null && exec {' '.join(words)}"
            words = ["unshare", "--mount", *rights, "sh", "-c", within]
        process = subprocess.Popen(words)
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        (self.folder / "proc" / str(process.pid)).symlink_to(f"/proc/{process.pid}")
        wait_until(lambda: comm_of(process) == name[:15], 10, f"{name} runs")
        return process

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """As root of this machine."""
        text = script.replace("/proc/", f"{self.folder}/proc/").replace("/etc/kubernetes", str(self.folder / "etc"))
        words = ["sh", "-c", NO_UNITS + text]
        return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """On which nothing runs."""
    with ExitStack() as stack:
        yield Host(tmp_path, stack)


def comm_of(process: subprocess.Popen[bytes]) -> str:
    """What the kernel keeps of its name."""
    return Path(f"/proc/{process.pid}/comm").read_text().strip()


def test_a_workloads_etcd_and_calicos_kube_controllers_stop_nobody(tmp_path: Path, host: Host) -> None:
    """Real processes in mount namespaces of their own: only the static pods' are waited for, told to end, and in the way of a swap."""
    others = [
        host.start("kube-controllers", "calico-kube-controllers", OF_API),
        host.start("etcd", "etcd", OF_API),
        host.start("etcd"),
    ]
    pods = ("etcd", "kube-controller-manager")
    own = [host.start(name, name) for name in pods]
    swap_back = restore.swap_back(["1"], member("cp1", data_dir=PurePosixPath(tmp_path / "data")))
    assert host.run(scripts.park(shape_of(), pods, seconds=1)).stdout.strip() == " ".join(pods)
    assert f"etcd runs on this node: process {own[0].pid}" in host.run(swap_back).stderr
    host.run(scripts.park(shape_of(), pods, end=True, seconds=1))
    assert [process.wait(10) for process in own] == [-signal.SIGTERM] * 2
    gone = host.run(scripts.park(shape_of(), pods, seconds=1))
    assert (gone.returncode, gone.stdout.strip()) == (0, "")
    assert [process.poll() for process in others] == [None] * 3
    assert host.run(swap_back).returncode == 0


def test_whoever_has_the_database_open_is_in_the_way_and_is_named(tmp_path: Path, host: Host) -> None:
    """An etcd that somebody started by hand, under any name and with any cgroup; not one that has a database of its own."""
    database = tmp_path / "data" / "member" / "snap" / "db"
    database.parent.mkdir(parents=True)
    database.touch()
    script = restore.swap_back(["1"], member("cp1", data_dir=PurePosixPath(tmp_path / "data")))
    with database.open() as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        done = host.run(script)
        assert done.returncode == 1
        assert f"process {os.getpid()} (" in done.stderr
        assert f"has {database} open" in done.stderr
    assert host.run(script).returncode == 0


def test_the_static_pods_own_etcd_does_not_stand_in_the_way_of_its_restore(tmp_path: Path, host: Host) -> None:
    """A look at the member's disk knows it among all processes, and names another one that has the database open."""
    database = tmp_path / "data" / "member" / "snap" / "db"
    database.parent.mkdir(parents=True)
    database.touch()
    own = host.start("etcd", "etcd")
    manifest = MANIFEST.replace("path: /var/lib/etcd", f"path: {tmp_path / 'data'}")
    seen = control_plane.parse("cp1", f"manifest etcd active {encoded(manifest)}\n".encode())
    assert seen.source
    configured = read_member(seen.source, {})
    source = seen.source
    assert source is not None
    script = control_plane.look_at_member(configured, source, seen.of_api)

    def held_by(pid: int) -> str:
        """flock belongs to an open file, and the kernel names who took it; the test takes it in the pod's name."""
        locks = tmp_path / "proc" / "locks"
        real = [line for line in Path("/proc/locks").read_text().splitlines() if f" {os.getpid()} " in line]
        locks.unlink()
        locks.write_text("".join(line.replace(f" {os.getpid()} ", f" {pid} ") + "\n" for line in real))
        done = host.run(script)
        return control_plane.parse_member(configured, source, seen.of_api, done.stdout.encode()).held_by

    with database.open() as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        assert held_by(own.pid) == ""
        assert held_by(os.getpid()).startswith(f"process {os.getpid()} (")
