"""One machine of a lab: a Debian with systemd, sshd and containerd of its own, and every way to lose it."""

import json
import os
import shlex
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.lab import odd
from tests.lab.base import base
from tests.lab.cache import HERE, remove_tree
from tests.lab.control_groups import ControlGroups
from tests.lab.host import LabError
from tests.lab.namespaces import Namespaces, environment_of, finish
from tests.lab.shape import ALL_PODS, Family, Place, Shape
from tests.servers.processes import wait_until

BRIDGE = "lab0"
MARK = "KUBE_RUNBOOKS_MACHINE"
"""In the environment of a machine's first process and of what keeps it, with its folder."""

ROOT, STATE = ("upper", "work", "root"), ("containerd", "kubelet", "etcd")
"""Of a machine's disk: what its root is mounted from, and plain folders (an overlay cannot lie on an overlay)."""

SHARED = "io.containerd.snapshotter.v1.overlayfs/snapshots"
"""Of containerd's folder: layers of images, never written again. Copies of a disk share their files."""

START_LIMIT, STOP_LIMIT, CUT_LIMIT = 180.0, 180.0, 60.0
POWER_OFF = signal.SIGRTMIN + 4
"""What systemd takes for an orderly power-off."""


class Machine:
    """Its disk is a folder: it can be started, stopped, cut off, copied and put back."""

    def __init__(self, shape: Shape, place: Place, lab: Path, namespaces: Namespaces) -> None:
        self.shape = shape
        self.place = place
        self.name = place.name
        self.address = place.address
        self.folder = lab / "machines" / place.name
        self.console = lab / "consoles" / place.name
        self._lab = lab
        self._namespaces = namespaces
        self._groups = ControlGroups(shape.name, place.name)

    def __repr__(self) -> str:
        return f"<Machine {self.name} {self.address}>"

    # --- its life

    def create(self) -> None:
        """An empty disk: the base, and what is this machine's own."""
        remove_tree(self.folder)
        for part in (*ROOT, *STATE):
            (self.folder / part).mkdir(parents=True)
        for path, text in self._own_files().items():
            file = self.folder / "upper" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (self.folder / "upper/etc/ssh/ssh_host_ed25519_key").chmod(0o600)
        owner = (base() / "home/ops").stat()
        odd.put(self.shape, self.folder / "upper", base())
        home = self.folder / "upper/home/ops"
        for own in (home, *home.rglob("*")):
            os.chown(own, owner.st_uid, owner.st_gid)

    def start(self) -> None:
        """Power on; does not wait."""
        if self.processes:
            raise LabError(f"{self.name} runs already")
        self._groups.make()
        self._namespaces.leave_behind(*self._groups.folders, *self._groups.parents)
        self.console.parent.mkdir(exist_ok=True)
        script: list[str | Path] = [
            "sh",
            HERE / "machine.sh",
            self._layers(),
            self.folder,
            self.name,
            BRIDGE,
            *self._groups.folders,
        ]
        command = ["unshare", "--mount", "--propagation", "private", *script]
        self._namespaces.start(command, self.console, env={MARK: str(self.folder)})

    def wait_until_up(self) -> None:
        """Until its network, sshd and containerd run: all of them, and so all that systemd does before (it empties /tmp)."""
        self._wait(self._is_up, START_LIMIT, "is up")

    def stop(self) -> None:
        """An orderly power-off, to the end."""
        self._groups.thaw()
        if leader := self.leader:
            os.kill(leader, POWER_OFF)
        self._wait(lambda: not self.processes, STOP_LIMIT, "is off")
        self._groups.remove()

    def power_cut(self) -> None:
        """Everything on it ends in one moment, and no packet says so: its cable is pulled first.

        What was written and not synced is kept, for the disk is the host's.
        """
        with suppress(LabError):
            self._groups.freeze()
        with suppress(LabError):
            self._namespaces.run("ip", "link", "delete", f"vb-{self.name}")
        self._groups.kill()
        for pid in self.processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._wait(lambda: not self.processes, CUT_LIMIT, "is gone")
        self._groups.remove()

    def restart(self) -> None:
        """Power on after `stop` or `power_cut`, and wait until it is up."""
        self.start()
        self.wait_until_up()

    def freeze_disk(self, into: Path) -> None:
        """Keeps the disk of a machine that is off, and leaves it without one: `thaw_disk` gives it a new one."""
        into.mkdir(parents=True)
        (self.folder / "upper").rename(into / "upper")
        for part in STATE:
            (self.folder / part).rename(into / part)

    def thaw_disk(self, frozen: Path) -> None:
        """Power cut, and a disk that is as a frozen one was, which becomes a layer of it and is not written."""
        self.power_cut()
        remove_tree(self.folder)
        for part in ROOT:
            (self.folder / part).mkdir(parents=True)
        (self.folder / "below").symlink_to(frozen / "upper")
        copy(frozen / "kubelet", self.folder / "kubelet")
        copy(frozen / "etcd", self.folder / "etcd")
        copy(frozen / "containerd", self.folder / "containerd", shared=SHARED)

    @property
    def processes(self) -> list[int]:
        """What keeps it, and its first process; none when it is off."""
        marked = f"{MARK}={self.folder}"
        pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())  # noqa: PTH208 - names are enough
        return [pid for pid in pids if marked in environment_of(pid) and not _is_zombie(pid)]

    @property
    def leader(self) -> int | None:
        """Its first process (systemd), as the host sees it; None when it is off."""
        return next((pid for pid in self.processes if _command(pid) == "systemd"), None)

    @property
    def boot_id(self) -> str:
        """Of the node itself: systemd-nspawn makes one for each generation."""
        return self.run("cat /proc/sys/kernel/random/boot_id").strip()

    # --- on it

    def run(self, command: str, *, text: str = "", limit: float = 120.0) -> str:
        """What a line of shell prints, as root, without SSH; LabError when it fails."""
        if (leader := self.leader) is None:
            raise LabError(f"{self.name} is off")
        inside = ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        return finish([*inside, "--", "sh", "-ec", command], text=text, limit=limit, env=environment)

    def write(self, path: str, text: str, mode: str = "600") -> None:
        """A file on it, with its folders."""
        place = shlex.quote(path)
        self.run(f"mkdir -p $(dirname {place}); umask 077; cat > {place}; chmod {mode} {place}", text=text)

    def read(self, path: str) -> str:
        """A file on it."""
        return self.run(f"cat {shlex.quote(path)}")

    def journal(self, lines: int = 50) -> str:
        """The end of its journal, for the message of a failed test."""
        return self.run(f"journalctl --no-pager --lines={lines}")

    # --- faults

    def freeze(self) -> None:
        """Nothing on it runs, nothing is closed: a hanging machine."""
        self._groups.freeze()

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._groups.thaw()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """`freeze` for a block."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    @contextmanager
    def without_sshd(self) -> Iterator[None]:
        """No login, no session; all else goes on."""
        self.run("systemctl stop ssh; pkill -KILL -x sshd || true")
        try:
            yield
        finally:
            self.run("systemctl start ssh")

    @contextmanager
    def full_disk(self, path: str, free_bytes: int = 2**20) -> Iterator[None]:
        """A folder on a disk of its own that has only so much left; what was in it is hidden meanwhile."""
        place = shlex.quote(path)
        self.run(f"mkdir -p {place}; mount -t tmpfs -o size={free_bytes} lab-full-disk {place}")
        try:
            yield
        finally:
            self.run(f"umount -l {place}")

    @contextmanager
    def slow_disk(self, bytes_per_second: int) -> Iterator[None]:
        """Reads and writes of the whole machine that reach the disk, throttled by the kernel."""
        self._groups.throttle(_device_of(self.folder), bytes_per_second)
        try:
            yield
        finally:
            self._groups.throttle(_device_of(self.folder), None)

    # --- inside

    def _layers(self) -> str:
        below = self.folder / "below"
        return f"{below.resolve()}:{base()}" if below.exists() else str(base())

    def _own_files(self) -> dict[str, str]:
        private, public = _host_key()
        place, shape = self.place, self.shape
        return {
            "etc/hostname": f"{odd.hostname(shape, place.name)}\n",
            "etc/machine-id": f"{os.urandom(16).hex()}\n",
            "etc/ssh/ssh_host_ed25519_key": private,
            "etc/ssh/ssh_host_ed25519_key.pub": public,
            "etc/hosts": "".join(
                f"{address} {name}\n"
                for address, name in (
                    ("127.0.0.1", "localhost"),
                    (shape.gateway, "lab-gateway"),
                    *((each.address, f"{each.name} {odd.hostname(shape, each.name)}") for each in shape.machines),
                )
            ),
            "etc/resolv.conf": f"nameserver {shape.gateway}\n",
            "etc/lab/network": _network(place, shape),
            "etc/cni/net.d/10-lab.conflist": _cni(place),
            "etc/containerd/certs.d/registry.k8s.io/hosts.toml": _MIRROR.replace("GATEWAY", shape.gateway),
            "home/ops/.ssh/authorized_keys": (self._lab / "id_ed25519.pub").read_text(),
            **odd.files(shape, place),
        }

    def _is_up(self) -> bool:
        with suppress(LabError):
            # With several names systemctl's status says whether any of them is active.
            self.run("for unit in lab-network ssh containerd; do systemctl is-active --quiet $unit; done", limit=10.0)
            return True
        return False

    def _wait(self, question: Callable[[], object], limit: float, what: str) -> None:
        try:
            wait_until(question, limit, f"{self.name} {what}", log=self.console, every=0.1)
        except TimeoutError as error:
            raise LabError(str(error)) from error


def copy(source: Path, target: Path, *, shared: str = "") -> None:
    """A folder with owners, modes, links and special files. Files below `shared` are the same files in both."""
    remove_tree(target)
    if source.is_file():
        shutil.copy2(source, target)
        return
    target.mkdir(parents=True)
    script = 'tar --directory="$1" --exclude="./$3" --xattrs --sparse -cf - . | tar --directory="$2" --xattrs -xpf -'
    finish(["bash", "-eo", "pipefail", "-c", script, "bash", source, target, shared or "no such file"])
    if shared:
        finish(["cp", "--archive", "--link", source / shared, target / shared])


def _network(place: Place, shape: Shape) -> str:
    """Addresses, and a route to the pods of every other machine."""
    routes = [
        f"ip route replace {each.pods[family]} via {each.addresses[family]}"
        for each in shape.machines
        for family in shape.families
        if each != place
    ]
    on_link = {Family.V4: "/24 dev host0", Family.V6: "/64 dev host0 nodad"}
    lines = [
        "ip link set lo up",
        *(f"ip addr replace {address}{on_link[family]}" for family, address in place.addresses.items()),
        "ip link set host0 up",
        *(f"ip route replace default via {gateway}" for gateway in shape.gateways.values()),
        *routes,
        *(f"ip route replace unreachable {ALL_PODS[family]} metric 999" for family in shape.families),
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "for each in all default; do echo 1 > /proc/sys/net/ipv6/conf/$each/forwarding; done",
        "for each in iptables ip6tables; do echo 1 > /proc/sys/net/bridge/bridge-nf-call-$each || true; done",
    ]
    return "\n".join([*lines, ""])


def _cni(place: Place) -> str:
    nowhere = {Family.V4: "0.0.0.0/0", Family.V6: "::/0"}
    ranges = [[{"subnet": pods}] for pods in place.pods.values()]
    routes = [{"dst": nowhere[family]} for family in place.pods]
    return _CNI.replace("RANGES", json.dumps(ranges)).replace("ROUTES", json.dumps(routes))


def _host_key() -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()}\n"


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _is_zombie(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    return True


def _device_of(folder: Path) -> str:
    number = folder.stat().st_dev
    return f"{os.major(number)}:{os.minor(number)}"


_MIRROR = 'server = "http://GATEWAY:5000"\n[host."http://GATEWAY:5000"]\n  capabilities = ["pull", "resolve"]\n'
"""The machines pull from the lab's registry, as those of a site with a mirror do."""

_CNI = """\
{"cniVersion": "1.0.0", "name": "lab", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": RANGES, "routes": ROUTES}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
"""
