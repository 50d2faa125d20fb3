"""`access_audit` with a real agent that enforces NetworkPolicies: kube-router. Without it, the lab's network ignores them."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.site import LabSite
from tests.e2e.walled import WALLED, enforcement_of
from tests.lab.base import MIRROR, SUITE
from tests.lab.lab import Lab
from tests.lab.machine import Machine
from tests.lab.namespaces import finish
from tests.servers.binaries import binaries

VERSION = "2.1.0"
PACKAGES = ("ipset", "libipset13", "libmnl0")
PROGRAM, CONFIG = "usr/local/bin/kube-router", "/etc/kube-router.conf"
FLAGS = "--run-firewall=true --run-router=false --run-service-proxy=false --run-loadbalancer=false"
WRITTEN = "iptables-save | grep -c KUBE-NWPLCY || true"
CANARY = {"canary": True}
SPACES = ("namespaces", "-l", "kube-runbooks.io/canary=network")


def packages(folder: Path) -> list[Path]:
    """Of the machines' Debian, whatever the host is."""
    sources = folder / "sources.list"
    sources.write_text(f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {MIRROR} {SUITE} main\n")
    (folder / "status").touch()
    for part in ("lists", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    options = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
    }
    flags = " ".join(f"-o {name}={value}" for name, value in options.items())
    finish(
        ["sh", "-ec", f"cd {folder}; apt-get -q {flags} update; apt-get -q {flags} download {' '.join(PACKAGES)}"],
        limit=300,
    )
    return list(folder.glob("*.deb"))


def install_agent(lab: Lab, machine: Machine, debs: list[Path], program: Path) -> None:
    """Its program, what that needs, and a unit that runs it as an administrator of the cluster."""
    root = Path(f"/proc/{machine.leader}/root")
    shutil.copy2(program, root / PROGRAM)
    for one in debs:
        shutil.copy2(one, root / "tmp" / one.name)
    machine.run(f"cd /tmp; dpkg -i {' '.join(one.name for one in debs)}", limit=300)
    machine.write(CONFIG, (lab.folder / "admin.conf").read_text())
    unit = "--unit=kube-router --property=Restart=always --property=RestartSec=1"
    machine.run(f"systemd-run {unit} /{PROGRAM} {FLAGS} --kubeconfig={CONFIG} --hostname-override={machine.name}")


def canary_of(report: dict[str, Any]) -> dict[str, Any]:
    """What it showed."""
    found: dict[str, Any] = next(one["evidence"] for one in report["done"] if one["step"] == "try network")
    return found


@pytest.mark.full
@pytest.mark.timeout(1500)
def test_an_agent_is_seen_by_the_pods_that_run_and_by_the_canary(two_workers: LabSite, tmp_path: Path) -> None:
    """Without it both say that nothing is enforced; with it both say the contrary. Nothing of the canary is left."""
    site, lab = two_workers, two_workers.lab
    program = binaries("kube-router", VERSION) / "kube-router"
    lab.kubectl("apply", "-f", "-", text=WALLED)
    lab.kubectl("-n", "walled", "wait", "--for=condition=Ready", "pod", "--all", "--timeout=90s", limit=100)
    report = site.run("access_audit", options=CANARY)
    assert (report["outcome"], "network-not-enforced" in report["problem"]) == ("refused", True)
    found = canary_of(report)
    print(found)
    assert (enforcement_of(report)["verdict"], found["enforcement"]["verdict"]) == ("not enforced", "not enforced")
    assert (sorted(found["nodes"]), found["left"], lab.get(*SPACES)) == (["w1", "w2"], "", [])
    assert "coredns" in found["image"]

    debs = packages(tmp_path)
    for machine in lab.nodes:
        install_agent(lab, machine, debs, program)
    site.wait(
        lambda: all(int(one.run(WRITTEN)) for one in lab.nodes), 180, "the agent has written its rules on each node"
    )
    report = site.run("access_audit", options=CANARY)
    found = canary_of(report)
    print(found)
    assert (report["outcome"], report["problem"]) == ("completed", "")
    assert (enforcement_of(report)["verdict"], found["enforcement"]["verdict"]) == ("enforced", "enforced")
    assert (sorted(found["nodes"]), found["left"], lab.get(*SPACES)) == (["w1", "w2"], "", [])
    pods = {(one["source"], one["is_denied"]): one["seen"] for one in enforcement_of(report)["tries"]}
    assert pods["walled/friend", False] == "open"
    assert pods["walled/other", True] in {"dropped", "refused"}

    site.kill_when(lambda: lab.get(*SPACES), "access_audit", options=CANARY)
    assert len(lab.get(*SPACES)) == 1
    report = site.run("access_audit", options=CANARY)
    assert (report["outcome"], len(canary_of(report)["removed"]), lab.get(*SPACES)) == ("completed", 1, [])
