"""The upgrade of a cluster of three control planes and two workers, beside the same steps typed by hand.

`make bench-upgrade`, as root. By hand is what the official page says, one node after the other, without a pause to think; the
load of clients is the same in both.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.observers import observed, start_service
from tests.e2e.site import LabSite
from tests.lab.kubeadm import IGNORED
from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.lab.packages import place_of
from tests.lab.shape import Role, Shape
from tests.servers.prefect_server import PrefectServer

SHAPE = Shape(name="bench-upgrade", network=112, etcd="3.6.16")
TARGET = "1.37.2"
APT = "DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -y -qq"
LIMIT = 900.0


def main(rounds: int) -> None:
    """Prints a table of each round."""
    with tempfile.TemporaryDirectory() as folder, PrefectServer(Path(folder)) as prefect, Lab(SHAPE) as lab:
        lab.offer(TARGET)
        for number in range(rounds):
            for way, upgrade in (("by hand", _by_hand), ("rolling_upgrade", lambda lab: _by_runbook(lab, prefect))):
                if number or way != "by hand":
                    lab.thaw()
                _measure(way, lab, upgrade)


def _measure(way: str, lab: Lab, upgrade: Callable[[Lab], dict[str, float]]) -> None:
    address = start_service(lab)
    began = time.monotonic()
    with observed(lab, address) as seen:
        took = upgrade(lab)
    total = time.monotonic() - began
    print(f"\n## {way}: {total:.0f} s; {seen}\n", flush=True)
    for name, seconds in took.items():
        print(f"| {name} | {seconds:.0f} s |", flush=True)


def _by_runbook(lab: Lab, prefect: PrefectServer) -> dict[str, float]:
    """Everything, also plan, backup and downloads."""
    site = LabSite(lab, prefect)
    options = {"etcd_image_tag": "default"}
    report = site.run("rolling_upgrade", version=TARGET, mode="apply", options=options, limit=3600)
    if report["outcome"] != "completed":
        raise SystemExit(json.dumps(report)[-3000:])
    return {}


def _by_hand(lab: Lab) -> dict[str, float]:
    """https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-upgrade/, as it is written there."""
    first, *others = lab.control_planes
    first.run(
        "export KUBECONFIG=/etc/kubernetes/admin.conf; kubectl -n kube-system get configmap kubeadm-config -o yaml "
        "| sed '/imageTag:/d' | kubectl replace -f -"
    )
    took = {}
    for machine in (first, *others, *lab.of_role(Role.WORKER)):
        began = time.monotonic()
        command = f"upgrade apply v{TARGET} --yes" if machine is first else "upgrade node"
        _node_by_hand(lab, machine, command)
        took[machine.name] = time.monotonic() - began
    return took


def _node_by_hand(lab: Lab, machine: Machine, command: str) -> None:
    machine.run(
        f"sed -i 's|core:/stable:/v[0-9.]*/deb|{place_of(TARGET)}|' /etc/apt/sources.list.d/kubernetes.list\n"
        f"{_install('kubeadm')}\nkubeadm {command} --ignore-preflight-errors={IGNORED} > /var/log/upgrade.log 2>&1",
        limit=LIMIT,
    )
    lab.kubectl("drain", machine.name, "--ignore-daemonsets", "--delete-emptydir-data", limit=LIMIT)
    machine.run(f"{_install('kubelet kubectl')}\nsystemctl daemon-reload; systemctl restart kubelet", limit=LIMIT)
    lab.kubectl("uncordon", machine.name)
    lab.kubectl("wait", "--for=condition=Ready", f"node/{machine.name}", "--timeout=120s", limit=130.0)


def _install(names: str) -> str:
    versions = " ".join(f"{name}={TARGET}-*" for name in names.split())
    return f"apt-mark -qq unhold {names}; {APT} update; {APT} install {versions} > /dev/null; apt-mark -qq hold {names}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 1)
