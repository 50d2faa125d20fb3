"""`make bench-nodes`: a file on a node to S3, and commands on many nodes, beside what people do today. Needs root.

The node is a machine of a lab of one control plane and one worker; the many are one sshd on many loopback addresses.
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
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import fabric
from botocore.config import Config
from pydantic import SecretStr

from tasks.at_once import MOST, on_all
from tasks.clients.ssh import Job, SshNode, SshTarget, run_job
from tasks.cluster import open_cluster
from tasks.probes.node_snapshot import PART_BYTES, input_of, parse_etags, upload_script
from tests.lab.lab import Lab
from tests.lab.shape import BUCKET, Shape
from tests.servers.binaries import ROOT, binaries
from tests.servers.sshd import Sshd

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FILE = "/var/lib/kube-runbooks-bench"
LIMIT = timedelta(minutes=30)
ANSIBLE = ("ansible-core==2.19.*",)
CALL = timedelta(seconds=60)

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
    print(f"- Python {platform.python_version()}; node, store and worker share these cores; no round-trip time")
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
        s3.create_bucket(Bucket=BUCKET)
        lab.kubectl("apply", "-f", "-", text=json.dumps(_POD))
        lab.kubectl("wait", "--for=condition=Ready", "pod/bench", "--timeout=60s")
        ways: dict[str, Callable[[], object]] = {
            "node route": partial(_by_node, lab, size_mib),
            "fabric get, then upload": partial(_by_fabric, lab, s3),
            "exec stream, then upload": partial(_by_exec, lab, s3),
        }
        taken = _in_turn(ways, rounds)
    print(f"\n| {size_mib} MiB on a node to S3, {rounds} rounds in turn | MB/s | worker's CPU s | throughput | CPU |")
    print("|---|---|---|---|---|")
    for way, found in taken.items():
        seconds, cpu = (
            statistics.median(one) for one in zip(*((each.seconds, each.cpu) for each in found), strict=True)
        )
        faster = statistics.median(peer.seconds for peer in found) / statistics.median(
            o.seconds for o in taken["node route"]
        )
        less = cpu / statistics.median(one.cpu for one in taken["node route"])
        print(f"| {way} | {size_mib * 2**20 / 1e6 / seconds:.0f} | {cpu:.2f} | 1/{faster:.1f} | {less:.1f} x |")


def _by_node(lab: Lab, size_mib: int) -> None:
    """As `snapshot_by_node` sends its snapshot."""
    handle = open_cluster(lab.shape.name)
    upload = handle.store.start_upload(f"bench-{time.monotonic_ns()}")
    urls = handle.store.part_urls(upload, size_mib * 2**20 // PART_BYTES + 1, LIMIT)
    name = f"bench-{time.monotonic_ns()}"
    done = run_job(handle.node("w1"), Job(name, upload_script(name, FILE), LIMIT), stdin=input_of(urls, b""))
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
    addresses = [f"127.0.{1 + number // 250}.{1 + number % 250}" for number in range(targets)]
    with tempfile.TemporaryDirectory(prefix="krb-") as folder:
        sshd = Sshd(Path(folder) / "sshd", "MaxStartups 1000")
        sshd.options = (*sshd.options, *(f"ListenAddress {address}:{sshd.port}" for address in addresses))
        sshd.known_hosts.write_text("".join(f"[{address}]:{sshd.port} {sshd.host_key}\n" for address in addresses))
        ours: list[dict[str, Taken]] = []
        theirs: list[dict[str, Taken]] = []
        with sshd:
            for _ in range(rounds):
                ours.append(_ours(sshd, addresses))
                theirs.append(_ansible(sshd, addresses, Path(folder)))
    print(f"\n| `true` on {targets} SSH targets, {MOST} at once, {rounds} rounds in turn, median | first s | next s |")
    print("|---|---|---|")
    for way, found in (("ours", ours), ("ansible -m raw", theirs)):
        cells = [statistics.median(one[which].seconds for one in found) for which in ("first", "next")]
        print(f"| {way} | {cells[0]:.1f} | {cells[1]:.2f} |")


def _ours(sshd: Sshd, addresses: Sequence[str]) -> dict[str, Taken]:
    key = SecretStr(sshd.key_text)
    nodes = [
        SshNode(
            SshTarget(
                name=address,
                address=address,
                port=sshd.port,
                user=sshd.user,
                key=key,
                known_hosts=sshd.known_hosts,
                sudo=False,
            )
        )
        for address in addresses
    ]

    def all_of_them() -> None:
        on_all(lambda node: node.run("true", timeout=CALL), nodes)

    try:
        return {which: _measured(all_of_them) for which in ("first", "next")}
    finally:
        for node in nodes:
            node.close()


def _ansible(sshd: Sshd, addresses: Sequence[str], folder: Path) -> dict[str, Taken]:
    key = folder / "id"
    key.touch(mode=0o600)
    key.write_text(sshd.key_text)
    inventory = folder / "inventory"
    place = (
        f"ansible_host=127.0.0.1 ansible_port={sshd.port} ansible_user={sshd.user} ansible_ssh_private_key_file={key}"
    )
    inventory.write_text("\n".join(f"{address} {place}" for address in addresses) + "\n")
    control = folder / "control"
    arguments = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60s", "-o", f"UserKnownHostsFile={sshd.known_hosts}"]
    environment = os.environ | {
        "ANSIBLE_SSH_ARGS": " ".join(arguments),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(control),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_HOME": str(folder / "home"),
    }
    command = [_program(), "-i", str(inventory), "all", "-m", "raw", "-a", "true", "-f", str(MOST)]

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


def _measured(act: Callable[[], object]) -> Taken:
    began, cpu = time.monotonic(), _cpu()
    act()
    return Taken(time.monotonic() - began, _cpu() - cpu)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
