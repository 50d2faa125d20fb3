"""`make bench-nodes`: a file on a node to S3, and commands on many nodes, beside what people do today. Needs root.

The node is a machine of a lab of one control plane and one worker; the many are loopback addresses, 15 of each sshd.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import fabric
from botocore.config import Config
from pydantic import SecretStr

from tasks.backup.scripts.node_snapshot import PART_BYTES, input_of, parse_etags, send_file
from tasks.clients.ssh import Job, SshNode, SshTarget, run_job
from tasks.cluster import open_cluster
from tasks.core.at_once import MOST, on_all
from tests.lab.lab import Lab
from tests.lab.shape import BUCKET, Shape
from tests.servers.binaries import KUBERNETES_VERSION, ROOT, binaries
from tests.servers.sshd import Sshd

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FILE = "/var/lib/kube-runbooks-bench"
LIMIT = timedelta(minutes=30)
ANSIBLE = ("ansible-core==2.19.*",)
CALL = timedelta(seconds=60)
LISTENERS = 15
"""Addresses of one sshd: it has room for 16 sockets that listen, of which one is for its own start."""

_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "bench"},
    "spec": {
        "nodeName": "w1",
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "bench",
                "image": "registry.k8s.io/lab/busybox:1",
                "command": ["/bin/busybox", "sleep", "100000"],
                "volumeMounts": [{"name": "file", "mountPath": "/file"}],
            }
        ],
        "volumes": [{"name": "file", "hostPath": {"path": FILE}}],
    },
}


@dataclass(frozen=True)
class Taken:
    """Seconds on the clock, and of the worker's CPU, with its children's."""

    seconds: float
    cpu: float


def main() -> None:
    """Prints figures, judges nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mib", type=int, default=1024, help="of the file (default 1024)")
    parser.add_argument("--targets", type=int, default=200, help="of the commands (default 200)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line)
    print(f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores of{model.partition(':')[2]}")
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"- load before: {load}; node, store and worker share these cores; no round-trip time")
    names = " ".join(f"{name} {version(name)}," for name in ("fabric", "paramiko", "boto3"))
    print(f"- Python {platform.python_version()}, {names} {ANSIBLE[0]}, Kubernetes {KUBERNETES_VERSION}", flush=True)
    _commands(options.targets, options.rounds)
    _file(options.size_mib, options.rounds)


def _file(size_mib: int, rounds: int) -> None:
    with Lab(Shape(name="bench", network=110, control_planes=1, workers=1)) as lab:
        os.environ["KUBE_RUNBOOKS_CLUSTERS"] = str(lab.write_profile())
        lab["w1"].run(f"head -c {size_mib * 2**20} /dev/urandom > {FILE}")
        store = lab.services.store
        s3 = boto3.client(
            "s3",
            endpoint_url=store["endpoint"],
            aws_access_key_id=store["access_key"],
            aws_secret_access_key=store["secret_key"],
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )
        lab.kubectl("apply", "-f", "-", text=json.dumps(_POD))
        lab.kubectl("wait", "--for=condition=Ready", "pod/bench", "--timeout=60s")
        ways: dict[str, Callable[[], object]] = {
            "node route": partial(_by_node, lab, size_mib),
            "fabric get, then upload": partial(_by_fabric, lab, s3),
            "exec stream, then upload": partial(_by_exec, lab, s3),
        }
        taken = _in_turn(ways, rounds)
    megabytes = size_mib * 2**20 / 1e6
    print(
        f"\n| {size_mib} MiB on a node to S3, {rounds} rounds in turn, median (min-max) | s | MB/s | worker's CPU s |"
    )
    print("|---|---|---|---|")
    for way, found in taken.items():
        speeds = [megabytes / one.seconds for one in found]
        cells = [([one.seconds for one in found], 1), (speeds, 0), ([one.cpu for one in found], 2)]
        print(f"| {way} | {' | '.join(_with_range(values, digits) for values, digits in cells)} |", flush=True)


def _by_node(lab: Lab, size_mib: int) -> None:
    """As `snapshot_by_node` sends its snapshot."""
    handle = open_cluster(lab.shape.name)
    upload = handle.store.start_upload(f"bench-{time.monotonic_ns()}")
    urls = handle.store.part_urls(upload, size_mib * 2**20 // PART_BYTES + 1, LIMIT)
    name = f"bench-{time.monotonic_ns()}"
    done = run_job(handle.node("w1"), Job(name, send_file(name, FILE), LIMIT), stdin=input_of(urls, b""))
    handle.store.complete(upload, parse_etags(done.output))


def _by_fabric(lab: Lab, s3: "S3Client") -> None:
    key = {"key_filename": str(lab.folder / "id_ed25519")}
    with (
        tempfile.TemporaryDirectory() as folder,
        fabric.Connection(lab["w1"].address, user="ops", connect_kwargs=key) as node,
    ):
        node.sudo(f"chmod a+r {FILE}", hide=True)
        node.get(FILE, f"{folder}/file")
        s3.upload_file(f"{folder}/file", BUCKET, "fabric")


def _by_exec(lab: Lab, s3: "S3Client") -> None:
    kubectl = [str(binaries("kube", lab.shape.kubernetes) / "kubectl"), f"--kubeconfig={lab.folder / 'admin.conf'}"]
    command = [*kubectl, "exec", "bench", "--", "/bin/busybox", "cat", "/file"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as stream:
        assert stream.stdout
        s3.upload_fileobj(stream.stdout, BUCKET, "exec")
    assert stream.returncode == 0


def _commands(targets: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="krb-") as folder, ExitStack() as started:
        known_hosts = Path(folder) / "known_hosts"
        nodes = [
            node
            for first in range(0, targets, LISTENERS)
            for node in _targets(started, known_hosts, range(first, min(first + LISTENERS, targets)))
        ]
        ours: list[dict[str, Taken]] = []
        theirs: list[dict[str, Taken]] = []
        for number in range(rounds):
            ours.append(_ours(nodes))
            theirs.append(_ansible(nodes, Path(folder) / f"ansible-{number}"))
    print(
        f"\n| `true` on {targets} SSH targets, {MOST} at once, {rounds} rounds in turn, median (min-max) | first s | next s |"
    )
    print("|---|---|---|")
    for way, found in (("ours", ours), ("ansible -m raw", theirs)):
        cells = [_with_range([one[which].seconds for one in found], 2) for which in ("first", "next")]
        print(f"| {way} | {cells[0]} | {cells[1]} |", flush=True)


def _targets(started: ExitStack, known_hosts: Path, numbers: range) -> list[SshTarget]:
    """Loopback addresses, each a host of its own for who logs in, all of one sshd."""
    addresses = [f"127.0.{1 + number // 250}.{1 + number % 250}" for number in numbers]
    sshd = Sshd(known_hosts.with_name(f"sshd-{numbers.start}"), "MaxStartups 1000")
    sshd.options = (*sshd.options, *(f"ListenAddress {address}:{sshd.port}" for address in addresses))
    with known_hosts.open("a") as file:
        file.writelines(f"[{address}]:{sshd.port} {sshd.host_key}\n" for address in addresses)
    started.enter_context(sshd)
    usual = partial(SshTarget, port=sshd.port, user=sshd.user, key=SecretStr(sshd.key_text), known_hosts=known_hosts)
    return [usual(name=address, address=address, sudo=False) for address in addresses]


def _ours(targets: Sequence[SshTarget]) -> dict[str, Taken]:
    nodes = [SshNode(target) for target in targets]

    def all_of_them() -> None:
        on_all(lambda node: node.run("true", timeout=CALL), nodes)

    try:
        return {which: _measured(all_of_them) for which in ("first", "next")}
    finally:
        for node in nodes:
            node.close()


def _ansible(targets: Sequence[SshTarget], folder: Path) -> dict[str, Taken]:
    """With connections that stay open, as ours do, and as many processes as we have threads."""
    folder.mkdir()
    lines = []
    for target in targets:
        key = folder / f"key-{target.port}"
        key.touch(mode=0o600)
        key.write_text(target.key.get_secret_value())
        lines.append(
            f"{target.address} ansible_port={target.port} ansible_user={target.user} ansible_ssh_private_key_file={key}\n"
        )
    (folder / "inventory").write_text("".join(lines))
    known_hosts = targets[0].known_hosts
    arguments = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60s", "-o", f"UserKnownHostsFile={known_hosts}"]
    environment = os.environ | {
        "ANSIBLE_SSH_ARGS": " ".join(arguments),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(folder / "control"),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_HOME": str(folder / "home"),
    }
    command = [_program(), "-i", str(folder / "inventory"), "all", "-m", "raw", "-a", "true", "-f", str(MOST)]

    def all_of_them() -> None:
        subprocess.run(command, env=environment, check=True, capture_output=True)

    return {which: _measured(all_of_them) for which in ("first", "next")}


def _program() -> str:
    """Ansible, in an environment of its own that uv makes and keeps."""
    uv = [sys.executable, str(ROOT / "tests/bootstrap/uv.py"), "tool", "run", "--from", *ANSIBLE]
    told = subprocess.run(
        [*uv, "python", "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    )
    return f"{told.stdout.strip()}/bin/ansible"


def _in_turn(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[Taken]]:
    taken: dict[str, list[Taken]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, act in ways.items():
            taken[way].append(_measured(act))
    return taken


def _with_range(values: Sequence[float], digits: int) -> str:
    """Median, and the least and the most."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def _measured(act: Callable[[], object]) -> Taken:
    began, cpu = time.monotonic(), _cpu()
    act()
    return Taken(time.monotonic() - began, _cpu() - cpu)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
