"""All leaves of three control planes renewed, beside the same typed by hand.

`make bench-certificates`, as root. By hand is what the official page says, one node after the other, without a pause to think or to
look; the load of clients is the same in both.
"""

import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.e2e.observers import observed, start_service
from tests.e2e.site import LabSite
from tests.lab.lab import Lab
from tests.lab.shape import Shape
from tests.servers.prefect_server import PrefectServer
from tests.servers.processes import wait_until

SHAPE = Shape(name="bench-certs", network=113, etcd="3.6.16")


def main() -> None:
    """Prints a line for each way."""
    with tempfile.TemporaryDirectory() as folder, PrefectServer(Path(folder)) as prefect, Lab(SHAPE) as lab:
        address = start_service(lab)
        _measure("by hand", lab, address, partial(_by_hand, lab))
        _measure("cert_rotation", lab, address, partial(_by_runbook, LabSite(lab, prefect)))


def _measure(way: str, lab: Lab, address: str, renew: Callable[[], None]) -> None:
    began = time.monotonic()
    with observed(lab, address) as seen:
        renew()
        took = time.monotonic() - began
    print(f"\n## {way}: {took:.0f} s; {seen}", flush=True)


def _by_runbook(site: LabSite) -> None:
    report = site.run("cert_rotation", mode="apply", options={"renew_before": "400d"}, limit=3600)
    if report["outcome"] != "completed":
        raise SystemExit(json.dumps(report)[-3000:])


def _by_hand(lab: Lab) -> None:
    """https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/: all pods away, 20 seconds or more, and back."""
    for machine in lab.control_planes:
        machine.run("kubeadm certs renew all; mkdir -p /root/away; mv /etc/kubernetes/manifests/*.yaml /root/away/")
        gone = "pgrep 'etcd|kube-apiserver|kube-controller|kube-scheduler' > /dev/null || echo yes"
        wait_until(partial(machine.run, gone), 180.0, "they are gone", every=0.5)
        machine.run("mv /root/away/*.yaml /etc/kubernetes/manifests/")
        wait_until(
            partial(machine.run, "curl --silent --fail --insecure https://localhost:6443/readyz || true"),
            300.0,
            "its API server is ready",
            every=0.5,
        )
        lab.wait_until_ready(datetime.now(UTC))


if __name__ == "__main__":
    main()
