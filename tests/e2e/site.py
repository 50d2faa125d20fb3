"""A lab as its operators have it: a worker's environment, runs that can be killed, and a look into the cluster."""

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import boto3
import yaml
from botocore.config import Config

from tests.lab.host import LabError
from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.lab.shape import BUCKET
from tests.servers.binaries import ROOT, etcd_binaries
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until

KILLED = -9
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-runbooks"

KEY_LINE = 64
PRIVATE_KEYS = """\
cd /etc/kubernetes
{ find pki -name '*.key' | xargs -r cat
  cat /var/lib/kubelet/pki/kubelet-client-current.pem
  sed -n 's/.*client-key-data: //p' *.conf | while read -r one; do echo $one | base64 -d; done
} | awk '/BEGIN/ {key = /PRIVATE/; skip = /EC/ ? 0 : 7; next} /END/ {key = 0} key && skip-- <= 0'
sed -n 's/.*client-key-data: //p' *.conf | cut -c 701-764
"""
"""Lines of all keys of a node, as PEM has them (without the modulus, which is no secret), and as kubeconfigs have them."""


class LabSite:
    """A cluster and its bucket. Runs are processes of their own, as a Prefect worker starts them."""

    def __init__(self, lab: Lab, prefect: PrefectServer) -> None:
        self.lab = lab
        self._prefect = prefect
        self.name = lab.shape.name
        self._clusters = lab.write_profile()
        store = lab.services.store
        self.s3 = boto3.client(
            "s3",
            endpoint_url=store["endpoint"],
            aws_access_key_id=store["access_key"],
            aws_secret_access_key=store["secret_key"],
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    @property
    def environment(self) -> dict[str, str]:
        """For the worker."""
        return {"KUBE_RUNBOOKS_CLUSTERS": str(self._clusters), "KUBE_RUNBOOKS_BIN": str(etcd_binaries())}

    @property
    def _process_environment(self) -> dict[str, str]:
        return os.environ | self._prefect.env | self.environment

    def write_profile(self, **changes: object) -> None:
        """The lab's profile, with parts of it replaced; None removes one."""
        profile = {name: part for name, part in (self.lab.profile | changes).items() if part is not None}
        (self._clusters / f"{self.name}.yaml").write_text(yaml.safe_dump(profile))

    def write_policy(self, policy: Mapping[str, object] | None) -> None:
        """The access policy of the cluster; None removes it."""
        path = self._clusters / self.name / "access.yaml"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        if policy is not None:
            path.write_text(yaml.safe_dump(policy))

    def empty_bucket(self) -> None:
        """As a new site has it."""
        for key in self.keys():
            self.s3.delete_object(Bucket=BUCKET, Key=key)

    def keys(self, prefix: str = "") -> list[str]:
        """Object keys in the bucket."""
        answer = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [found["Key"] for found in answer.get("Contents", [])]

    def read(self, key: str) -> bytes:
        """An object, whole."""
        body: bytes = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def uploads(self) -> list[str]:
        """Keys of unfinished multipart uploads."""
        answer = self.s3.list_multipart_uploads(Bucket=BUCKET)
        return [found["Key"] for found in answer.get("Uploads", [])]

    def run(self, runbook: str, *, die: str = "", limit: float = 900, **parameters: object) -> dict[str, Any]:
        """The report of a run of this cluster in a process of its own; the time of each step is printed.

        `die="before swap data"`, or `after`, has it killed with SIGKILL at that boundary of a step.
        """
        before = set(self.keys(f"{self.name}/reports/"))
        words = self._words(runbook, parameters, die)
        done = subprocess.run(
            words, cwd=ROOT, env=self._process_environment, capture_output=True, text=True, timeout=limit, check=False
        )
        if die:
            assert done.returncode == KILLED, done.stdout + done.stderr
        new = sorted(key for key in self.keys(f"{self.name}/reports/") if key.endswith(".json") and key not in before)
        assert new, done.stdout + done.stderr
        report: dict[str, Any] = json.loads(self.read(new[-1]))
        _print(report)
        if report["outcome"] not in {"completed", "refused", "running"}:
            print(done.stdout[-6000:], done.stderr[-6000:])
        return report

    def start(self, runbook: str, **parameters: object) -> subprocess.Popen[bytes]:
        """A run that goes on beside the test, which ends it."""
        words = self._words(runbook, parameters, "")
        return subprocess.Popen(words, cwd=ROOT, env=self._process_environment, stdout=subprocess.DEVNULL)

    def kill_when(self, question: Callable[[], object], runbook: str, **parameters: object) -> None:
        """Starts a run, and kills it with SIGKILL as soon as it is so."""
        process = self.start(runbook, **parameters)
        try:
            wait_until(question, 400.0, "the moment has come", every=0.3)
        finally:
            process.kill()
            process.wait()

    def _words(self, runbook: str, parameters: Mapping[str, object], die: str) -> list[str]:
        given = json.dumps({"cluster": self.name, **parameters})
        return [sys.executable, "-m", "tests.servers.runner", runbook, given, die]

    def is_cordoned(self, name: str) -> bool:
        """By kubectl; not known is no."""
        with suppress(LabError):
            return self.lab.kubectl("get", "node", name, "--output=jsonpath={.spec.unschedulable}") == "true"
        return False

    @property
    def lock_holder(self) -> str:
        """The run that has the lock, also for some seconds after it was killed; empty when none has it."""
        with suppress(LabError):
            return str(json.loads(self.lab.kubectl("get", "--raw", LEASE))["spec"].get("holderIdentity", ""))
        return ""

    def exists(self, *what: str) -> bool:
        """Whether kubectl finds the object."""
        return bool(self.lab.kubectl("get", *what, "--ignore-not-found", "--output=name").strip())

    def node_folders(self, machine: Machine) -> list[str]:
        """What of ours is on a machine, apart from programs, ended jobs and records."""
        return machine.run("ls /var/lib/kube-runbooks /etc/kubernetes/kube-runbooks-parked 2>/dev/null || true").split()

    def leaked_keys(self) -> list[str]:
        """Where a private key of a node is that it should not be: Prefect's database, files and logs, and the bucket."""
        told = "".join(machine.run(PRIVATE_KEYS) for machine in self.lab.nodes)
        lines = {line.encode() for line in told.splitlines() if len(line) == KEY_LINE}
        assert lines
        files = [path for path in self._prefect.folder.rglob("*") if path.is_file()]
        stores = [
            *((str(path), path.read_bytes()) for path in files),
            *((f"bucket: {key}", self.read(key)) for key in self.keys()),
        ]
        return [place for place, stored in stores if any(line in stored for line in lines)]

    def wait(self, question: Callable[[], object], limit: float, what: str) -> None:
        """Until it is so."""
        wait_until(question, limit, what, every=0.5)


def follow(lab: Lab) -> None:
    """The administrator's kubeconfig that the lab keeps is the control plane's own once more."""
    (lab.folder / "admin.conf").write_text(lab["cp1"].read("/etc/kubernetes/admin.conf"))


@contextmanager
def meanwhile(*acts: Callable[[], object]) -> Iterator[None]:
    """Does one after the other while the block waits for the effect."""
    thread = threading.Thread(target=lambda: [act() for act in acts])
    thread.start()
    yield
    thread.join()


TOLD: deque[str] = deque(maxlen=2)
"""The last reports, as text: a test that fails shows them."""


def _print(report: dict[str, Any]) -> None:
    lines = [f"\n{report['runbook']}: {report['outcome']} {report['problem']} {report['next_step']}"]
    lines += [f"  {step['took']:>14}  {step['step']}" for step in report["done"]]
    lines += [f"  {line}" for line in report["summary"]]
    TOLD.append("\n".join(lines))
    print(TOLD[-1])
