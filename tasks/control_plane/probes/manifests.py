"""Static pods of a kubeadm control plane: what their manifests say, and which processes are theirs."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Self

from tasks.core.errors import NotYet
from tasks.core.models import outside
from tasks.core.models.base import Model
from tasks.core.models.outside import from_yaml

MANIFESTS = "/etc/kubernetes/manifests"
ETCD_MANIFEST = f"{MANIFESTS}/etcd.yaml"
API_SERVER_MANIFEST = f"{MANIFESTS}/kube-apiserver.yaml"

PROCESSES = r"""
sees_processes() { # without root, nothing would look as if nothing ran
  head -n 1 /proc/1/mountinfo > /dev/null 2>&1 || { echo "the processes of this node cannot be read: /proc/1/mountinfo" >&2; return 1; }
}
main_pid() { # UNIT
  systemctl show --property=MainPID --value "$1" 2> /dev/null | grep -x '[1-9][0-9]*' || true
}
pids_of() { # PROGRAM: processes of kubelet's static pod of that name, the oldest first; of etcd also its unit's; of kubelet its unit's
  case "$1" in kubelet) main_pid kubelet.service; return 0 ;; etcd) main_pid etcd.service ;; esac
  static_files=$(grep -lsE 'pod[0-9a-f]{32}([./]|$)' /proc/[0-9]*/cgroup) || static_files=${static_files:-$(echo /proc/[0-9]*/cgroup)}
  grep -sHoE '^[0-9]+ [0-9]+ [0-9:]+ [^ ]*/pods/[0-9a-f]{32}/containers/[^/ ]+/' \
    $(echo "$static_files" | tr ' ' '\n' | sed 's|cgroup$|mountinfo|') \
    | sed -n "s|^/proc/\([0-9]*\)/mountinfo:.*/pods/\([0-9a-f]*\)/containers/$1/\$|\1 \2|p" | sort -u \
    | while read -r static_pid static_uid; do
        set -- "$1" /var/log/pods/*_"$static_uid"
        case "$2" in *\** | */kube-system_"$1"-*) ;; *) continue ;; esac
        echo "$(sed 's/.*) //' "/proc/$static_pid/stat" 2> /dev/null | cut -d ' ' -f 20) $static_pid"
      done | sort -n | cut -d ' ' -f 2
}
container_of() { # PID: the id of its container; empty for a process of the host
  sed -n 's/.*\([0-9a-f]\{64\}\).*/\1/p' "/proc/$1/cgroup" 2> /dev/null | head -n 1
}
others_with() { # DATABASE: who has it open, apart from etcd's own static pod or unit; nobody when nothing is printed
  [ -e "$1" ] && ! flock -n "$1" true || return 0
  file_device=$(stat -c %d "$1")
  file_id=$(printf '%02x:%02x:%s' $(((file_device >> 8) & 4095)) $(((file_device & 255) | ((file_device >> 12) & 1048320))) "$(stat -c %i "$1")")
  file_holders=$(awk -v id="$file_id" '$6 == id { print $5 }' /proc/locks | sort -u) file_own=$(pids_of etcd)
  [ -n "$file_holders$file_own" ] || echo "a process that the kernel does not name"
  for file_holder in $file_holders; do
    echo "$file_own" | grep -qx "$file_holder" || echo "process $file_holder ($(cat "/proc/$file_holder/comm" 2> /dev/null))"
  done
}
"""
"""Functions of shell that know a program by its container, and never by its name, which a workload's may have, too (and of
which the kernel keeps 15 letters).

kubelet gives a pod of a manifest file a uid of 32 digits without dashes; the API's have dashes. The cgroup of a process
names the uid (containerd, CRI-O and Docker, systemd and cgroupfs, v1 and v2 alike), and what kubelet mounts into every
container (`/dev/termination-log`) names the uid and the container. With `--cgroups-per-qos=false` the mounts alone tell.
Neither the API nor the runtime nor crictl is asked: none of them has to answer for a process to be seen.
"""


class EtcdPod(Model):
    """A member as its flags have it, mostly those of a static pod."""

    name: str
    image: str
    data_dir: PurePosixPath
    client_urls: tuple[str, ...]
    peer_urls: tuple[str, ...]
    ca: PurePosixPath
    certificate: PurePosixPath
    key: PurePosixPath
    peers: tuple[str, ...] = ()
    """Names of the members that there were when it joined, its own among them."""

    @classmethod
    def of_flags(cls, flags: Mapping[str, str], *, image: str) -> Self | None:
        """None when one is missing that kubeadm gives."""
        try:
            return cls(
                name=flags["name"],
                image=image,
                data_dir=PurePosixPath(flags["data-dir"]),
                client_urls=tuple(flags["advertise-client-urls"].split(",")),
                peer_urls=tuple(flags["initial-advertise-peer-urls"].split(",")),
                ca=PurePosixPath(flags["trusted-ca-file"]),
                certificate=PurePosixPath(flags["cert-file"]),
                key=PurePosixPath(flags["key-file"]),
                peers=tuple(peer.partition("=")[0] for peer in flags.get("initial-cluster", "").split(",") if peer),
            )
        except KeyError:
            return None


class EtcdOfApiServer(Model):
    """What an API server is told of etcd."""

    servers: tuple[str, ...]
    ca: PurePosixPath
    certificate: PurePosixPath
    key: PurePosixPath


def image_of(manifest: str) -> str:
    """Of its first container; empty when there is no manifest."""
    return _pod(manifest).container.image


def parse_api_server(manifest: str) -> EtcdOfApiServer | None:
    """None when this is no API server that talks to etcd by TLS."""
    flags = flags_of(manifest)
    try:
        return EtcdOfApiServer(
            servers=tuple(flags["etcd-servers"].split(",")),
            ca=PurePosixPath(flags["etcd-cafile"]),
            certificate=PurePosixPath(flags["etcd-certfile"]),
            key=PurePosixPath(flags["etcd-keyfile"]),
        )
    except KeyError:
        return None


def flags_of(manifest: str) -> dict[str, str]:
    """`--name=value` of its first container's command and arguments."""
    container = _pod(manifest).container
    return parse_flags([*container.command, *container.args])


def host_path_of(manifest: str, path: PurePosixPath) -> PurePosixPath | None:
    """What of the host is mounted at a path of its first container."""
    pod = _pod(manifest)
    names = {mount.mount_path: mount.name for mount in pod.container.volume_mounts}
    for volume in pod.spec.volumes:
        if volume.host_path and volume.name == names.get(str(path)):
            return PurePosixPath(volume.host_path.path)
    return None


def place_on_host(manifest: str, path: str) -> str:
    """A path of its first container as the node knows it: manifests name the former, and a hostPath may be another."""
    pod = _pod(manifest)
    folders = {volume.name: volume.host_path.path for volume in pod.spec.volumes if volume.host_path}
    mounts = [
        (PurePosixPath(mount.mount_path), PurePosixPath(folders[mount.name], mount.sub_path))
        for mount in pod.container.volume_mounts
        if mount.name in folders and PurePosixPath(path).is_relative_to(mount.mount_path)
    ]
    if not mounts:
        return path
    inside, outside_it = max(mounts, key=lambda mount: len(mount[0].parts))
    return str(outside_it / PurePosixPath(path).relative_to(inside))


def parse_flags(words: Sequence[str]) -> dict[str, str]:
    """`--name=value`, `--name value`, and `--name` alone, which is `true`."""
    flags = {}
    for word, following in pairwise([*words, "--"]):
        if word.startswith("--"):
            name, given, value = word.removeprefix("--").partition("=")
            flags[name] = value if given else "true" if following.startswith("--") else following
    return flags


def _pod(manifest: str) -> outside.Manifest:
    """One that says nothing where there is none, or none that is understood."""
    try:
        return outside.Manifest.read(from_yaml(manifest, "a manifest") or {}, "a manifest")
    except NotYet:
        return outside.Manifest()
