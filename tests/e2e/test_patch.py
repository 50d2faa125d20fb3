"""`node_os_patch` and its small siblings on real clusters: what is installed, what is rebooted, and once only."""

import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import Labs
from tests.e2e.observers import observed, start_service
from tests.e2e.site import LabSite, meanwhile
from tests.lab import updates
from tests.lab.host import LabError
from tests.lab.machine import Machine
from tests.lab.updates import CONFIGURATION, NEW, OLD, SLOW, Archive
from tests.servers.processes import wait_until

pytestmark = pytest.mark.timeout(1800)

ALL = ("lab-tool", "lab-slow", "lab-conf", "lab-lib", "lab-core")
QUICK: dict[str, Any] = {"scope": "all", "stable_for": "3s", "allow_downtime": True}
"""Options for a small cluster."""

WORKER: dict[str, Any] = QUICK | {"nodes": ["w1"]}
COUNTS_BOOTS = """\
[Unit]
Description=counts boots
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'cat /proc/sys/kernel/random/boot_id >> /root/boots'
[Install]
WantedBy=multi-user.target
"""
FAILS = """\
[Unit]
Description=fails at every boot
[Service]
Type=oneshot
ExecStart=/bin/false
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture
def small_site(used_small: LabSite) -> LabSite:
    """One control plane, one worker, with old packages that nobody offers newer ones of yet, and a counter of boots."""
    lab = used_small.lab
    lab.wait_until_ready()
    updates.install_old(lab.nodes, ALL)
    for machine in lab.nodes:
        machine.run(
            "rm -rf /var/lib/kube-runbooks/patch /var/lib/kube-runbooks/jobs/patch-* /root/boots /root/maintenance"
        )
        add_unit(machine, "lab-boots", COUNTS_BOOTS)
    return used_small


@pytest.mark.full
def test_every_node_is_patched_and_rebooted_and_no_request_is_lost(whole_ha: LabSite, labs: Labs) -> None:
    """3 + 2, one control plane at a time, while a service under a budget is asked without pause."""
    lab = whole_ha.lab
    updates.install_old(lab.nodes, ALL)
    for machine in lab.nodes:
        machine.run(f"echo by an administrator > {CONFIGURATION}")
    updates.offer(lab.nodes, [Archive.MAIN, Archive.SECURITY])
    boots = {machine.name: machine.boot_id for machine in lab.nodes}
    kept = {machine.name: protected(machine) for machine in lab.nodes}
    address = start_service(lab)
    began = time.monotonic()
    with observed(lab, address, clients=("w1", "w2")) as seen:
        report = patch(whole_ha, {"scope": "all"}, limit=1500)
    print(f"\n{report['outcome']} after {time.monotonic() - began:.0f} s; {seen}\ncordons: {seen.cordons}")
    assert report["outcome"] == "completed"
    assert seen.service.total > 100
    assert seen.service.lost == []
    assert seen.reads.lost == seen.writes.lost == []
    assert seen.fewest_members >= 2, "\n".join(seen.ailing)
    assert seen.violations == []
    assert seen.most_cordoned == 1
    order = [name for _, name, cordoned in seen.cordons if cordoned]
    assert set(order[:3]) == {"cp1", "cp2", "cp3"}
    assert set(order[3:]) == {"w1", "w2"}
    for machine in lab.nodes:
        assert installed(machine) == dict.fromkeys((*ALL, "lab-image"), NEW)
        assert machine.boot_id != boots[machine.name]
        assert protected(machine) == kept[machine.name]
        assert machine.read(CONFIGURATION) == "by an administrator\n"
        [record] = records(whole_ha, machine.name)
        assert (record["boot_before"], record["boot_after"]) == (boots[machine.name], machine.boot_id)
        assert {one["package"] for one in record["changes"]} == {*ALL, "lab-image"}
    again = patch(whole_ha, {"scope": "all"})
    assert "nothing to do" in again["summary"][0]
    labs.brought_back()


@pytest.mark.full
def test_nothing_to_do_a_reboot_only_and_security_only(small_site: LabSite, labs: Labs) -> None:
    """A node that has nothing to do is a skip with that reason; its boot stays."""
    lab = small_site.lab
    worker, control_plane = lab["w1"], lab["cp1"]
    boots = {machine.name: machine.boot_id for machine in lab.nodes}
    idle = patch(small_site, QUICK)
    assert idle["outcome"] == "completed"
    assert "nothing to do" in idle["summary"][0]
    worker.run("touch /run/reboot-required")
    rebooted = patch(small_site, QUICK)
    assert rebooted["outcome"] == "completed"
    assert worker.boot_id != boots["w1"]
    assert control_plane.boot_id == boots["cp1"]
    assert installed(worker) == dict.fromkeys(ALL, OLD)
    updates.offer(lab.nodes, [Archive.MAIN, Archive.SECURITY])
    secured = patch(small_site, WORKER | {"scope": "security", "reboot": "never"})
    assert secured["outcome"] == "completed"
    assert installed(worker) == dict.fromkeys(ALL, OLD) | dict.fromkeys(("lab-lib", "lab-core", "lab-image"), NEW)
    assert "a reboot is pending" in " ".join(secured["summary"])
    assert not small_site.is_cordoned("w1")
    labs.brought_back()


@pytest.mark.full
def test_a_window_decides_when_and_for_how_many(small_site: LabSite, labs: Labs) -> None:
    """Outside of it the run is a skip that says when it opens; in a short one it does what fits, and says who waits."""
    lab = small_site.lab
    boots = {machine.name: machine.boot_id for machine in lab.nodes}
    for machine in lab.nodes:
        machine.run("touch /run/reboot-required")
    small_site.write_profile(maintenance={"windows": [window(180, 240)]})
    closed = patch(small_site, QUICK)
    assert closed["outcome"] == "skipped"
    assert "next" in closed["summary"][0]
    small_site.write_profile(maintenance={"windows": [window(-60, 12)], "expected_duration": "7m", "margin_percent": 0})
    some = patch(small_site, QUICK)
    assert some["outcome"] == "completed"
    assert lab["cp1"].boot_id != boots["cp1"]
    assert lab["w1"].boot_id == boots["w1"]
    assert any("w1" in line for line in some["summary"])
    labs.brought_back()


def test_killed_within_between_and_during_it_goes_on_and_reboots_once(small_site: LabSite, labs: Labs) -> None:
    """While a package is configured, when all are there, while the machine is away, and when it is back."""
    lab = small_site.lab
    worker = lab["w1"]
    before = worker.boot_id
    worker.run(f"echo 15 > {SLOW}")
    updates.offer(lab.nodes, [Archive.MAIN, Archive.SECURITY])
    kill_when(small_site, lambda: worker.run("pgrep -f 'lab-slow[.]postinst' || true"))
    assert worker.boot_id == before
    kill_when(small_site, lambda: worker.run("ls /var/lib/kube-runbooks/patch/patched 2> /dev/null || true"))
    kill_when(small_site, lambda: boot_of(worker) != before)
    wait_until(lambda: boot_of(worker) not in {"", before}, 120.0, "it is back")
    holder = small_site.lock_holder
    kill_when(small_site, lambda: small_site.lock_holder not in {"", holder})
    report = patch(small_site, WORKER)
    assert report["outcome"] == "completed"
    assert installed(worker) == dict.fromkeys((*ALL, "lab-image"), NEW)
    assert worker.read("/root/boots").split() == [worker.boot_id]
    assert not small_site.is_cordoned("w1")
    [record] = records(small_site, "w1")
    assert record["boot_before"] == before
    assert len(worker.run("ls -d /var/lib/kube-runbooks/jobs/patch-*").split()) == 1
    labs.brought_back()


@pytest.mark.full
def test_a_power_cut_in_the_middle_of_dpkg_is_found_and_repaired_when_asked(small_site: LabSite, labs: Labs) -> None:
    """The package is named; nothing is done to it without `repair`."""
    lab = small_site.lab
    worker = lab["w1"]
    worker.run(f"echo 300 > {SLOW}")
    updates.offer(lab.nodes, [Archive.MAIN, Archive.SECURITY])
    kill_when(small_site, lambda: worker.run("pgrep -f 'lab-slow[.]postinst' || true"))
    worker.power_cut()
    worker.restart()
    small_site.lab.wait_until_ready()
    broken = patch(small_site, WORKER)
    assert broken["outcome"] == "refused"
    assert "lab-slow" in broken["problem"]
    assert "--repair" in broken["next_step"]
    repaired = patch(small_site, WORKER | {"repair": True})
    assert repaired["outcome"] == "completed"
    assert installed(worker) == dict.fromkeys((*ALL, "lab-image"), NEW)
    assert not small_site.is_cordoned("w1")
    labs.brought_back()


@pytest.mark.full
def test_a_package_that_cannot_be_installed_leaves_its_node_cordoned(small_site: LabSite, labs: Labs) -> None:
    """With the reason; the others are untouched. Once the package is gone the next run gives the node back."""
    lab = small_site.lab
    updates.install_old(lab.nodes, (*ALL, "lab-broken"))
    updates.offer(lab.nodes, [Archive.BROKEN])
    report = patch(small_site, WORKER)
    assert report["outcome"] == "failed"
    assert "lab-broken" in report["problem"]
    assert small_site.is_cordoned("w1")
    assert "lab-broken" in annotations(small_site)["kube-runbooks.io/failed"]
    assert not small_site.is_cordoned("cp1")
    lab["w1"].run("dpkg --purge --force-all lab-broken")
    updates.offer(lab.nodes, [Archive.OLD])
    mended = patch(small_site, WORKER)
    assert mended["outcome"] == "completed"
    assert not small_site.is_cordoned("w1")
    labs.brought_back()


@pytest.mark.full
def test_a_node_that_does_not_come_back_is_told_and_recognised_when_it_does(small_site: LabSite, labs: Labs) -> None:
    """It hangs as soon as it boots: when it was last seen is in the report; the next run proves it, without another boot."""
    worker = small_site.lab["w1"]
    before = worker.boot_id
    worker.run("touch /run/reboot-required")
    with meanwhile(lambda: wait_until(lambda: boot_of(worker) != before, 300.0, "it goes down"), worker.freeze):
        report = patch(small_site, WORKER | {"reboot_timeout": "40s"})
    assert report["outcome"] == "failed"
    assert "it is not back" in report["problem"]
    assert "last seen at" in report["problem"]
    assert small_site.is_cordoned("w1")
    assert "it is not back" in annotations(small_site)["kube-runbooks.io/failed"]
    worker.thaw()
    wait_until(lambda: boot_of(worker) not in {"", before}, 120.0, "it is back")
    small_site.lab.wait_until_ready()
    late = patch(small_site, WORKER)
    assert late["outcome"] == "completed"
    assert worker.read("/root/boots").split() == [worker.boot_id]
    assert not small_site.is_cordoned("w1")
    labs.brought_back()


@pytest.mark.full
def test_a_unit_that_fails_after_the_reboot_and_a_cordon_that_is_taken_away(small_site: LabSite, labs: Labs) -> None:
    """Somebody uncordons the node while it is patched: it is drained again. The unit is named, and the node stays cordoned."""
    lab = small_site.lab
    worker = lab["w1"]
    worker.run(f"echo 10 > {SLOW}")
    add_unit(worker, "lab-fails", FAILS)
    updates.offer(lab.nodes, [Archive.MAIN, Archive.SECURITY])
    with meanwhile(
        lambda: wait_until(lambda: worker.run("pgrep -f 'lab-slow[.]postinst' || true"), 300.0, "it is patched"),
        lambda: lab.kubectl("uncordon", "w1"),
    ):
        report = patch(small_site, WORKER)
    assert report["outcome"] == "failed"
    assert "lab-fails.service" in report["problem"]
    assert small_site.is_cordoned("w1")
    worker.run("systemctl disable -q lab-fails; systemctl reset-failed lab-fails")
    mended = patch(small_site, WORKER)
    assert mended["outcome"] == "completed"
    assert worker.read("/root/boots").split() == [worker.boot_id]
    labs.brought_back()


@pytest.mark.full
def test_a_gate_that_closes_in_the_middle_stops_the_reboot_and_a_lock_is_told(small_site: LabSite, labs: Labs) -> None:
    """After the packages, right before the reboot: the site says no. A second run meanwhile is told who is at work."""
    lab = small_site.lab
    worker = lab["w1"]
    before = worker.boot_id
    gates = [{"name": "maintenance", "command": "test ! -e /root/maintenance || { echo closed; exit 1; }", "on": "cp1"}]
    small_site.write_profile(gates=gates)
    worker.run(f"echo 10 > {SLOW}")
    updates.offer(lab.nodes, [Archive.MAIN, Archive.SECURITY])
    with meanwhile(
        lambda: wait_until(lambda: worker.run("pgrep -f 'lab-slow[.]postinst' || true"), 300.0, "it is patched"),
        lambda: lab["cp1"].run("touch /root/maintenance"),
    ):
        report = patch(small_site, WORKER)
    assert report["outcome"] == "refused"
    assert "closed" in report["problem"]
    assert worker.boot_id == before
    assert small_site.is_cordoned("w1")
    lab["cp1"].run("rm /root/maintenance")
    process = small_site.start("node_os_patch", mode="apply", options=WORKER | {"stable_for": "45s"})
    small_site.wait(lambda: small_site.lock_holder, 300, "it has the lock")
    second = patch(small_site, WORKER)
    process.wait(300)
    assert second["outcome"] == "refused"
    assert "node_os_patch" in second["problem"]
    assert worker.read("/root/boots").split() == [worker.boot_id]
    assert not small_site.is_cordoned("w1")
    labs.brought_back()


@pytest.mark.full
def test_one_node_for_a_reason_drained_uncordoned_and_rebooted(small_site: LabSite, labs: Labs) -> None:
    """As incident tooling asks for it: reason and ticket are on the node, and in the report."""
    worker = small_site.lab["w1"]
    before = worker.boot_id
    asked: dict[str, Any] = {"node": "w1", "reason": "its disk hangs", "ticket": "INC-4711", "mode": "apply"}
    drained = small_site.run("node_drain", **asked)
    assert drained["outcome"] == "completed"
    assert small_site.is_cordoned("w1")
    assert "INC-4711" in json.dumps(annotations(small_site))
    assert "INC-4711" in json.dumps(drained["summary"])
    kept = patch(small_site, WORKER)
    assert kept["outcome"] in {"completed", "refused"}
    assert small_site.is_cordoned("w1")
    back = small_site.run("node_uncordon", **asked)
    assert back["outcome"] == "completed"
    assert not small_site.is_cordoned("w1")
    rebooted = small_site.run("node_reboot", **asked)
    assert rebooted["outcome"] == "completed"
    assert worker.boot_id != before
    assert "INC-4711" in annotations(small_site)["kube-runbooks.io/rebooted"]
    assert not small_site.is_cordoned("w1")
    labs.brought_back()


def patch(site: LabSite, options: dict[str, Any], limit: float = 900) -> dict[str, Any]:
    """A run that asks nobody."""
    return site.run("node_os_patch", limit=limit, mode="apply", options=options)


def kill_when(site: LabSite, question: Any) -> None:  # noqa: ANN401 - a callable
    """A run of the worker alone, killed as soon as it is so."""
    site.kill_when(question, "node_os_patch", mode="apply", options=WORKER)


def window(begins: int, ends: int) -> dict[str, str]:
    """From and to so many minutes from now."""
    now = datetime.now(UTC)
    return {name: f"{now + timedelta(minutes=minutes):%H:%M}" for name, minutes in (("from", begins), ("to", ends))}


def installed(machine: Machine) -> dict[str, str]:
    """The lab's small packages that are wholly installed, with their versions."""
    told = machine.run("dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\\n' 'lab-*'").splitlines()
    return {line.split()[1]: line.split()[2] for line in told if line.startswith("ii ")}


def protected(machine: Machine) -> str:
    """What a patch never touches: its packages, and since when their processes run."""
    return machine.run("dpkg-query -W kubelet kubeadm kubectl containerd runc")


def boot_of(machine: Machine) -> str:
    """Empty while it is away."""
    with suppress(LabError):
        return machine.boot_id
    return ""


def records(site: LabSite, node: str) -> list[dict[str, Any]]:
    """Of a node, in the bucket."""
    return [json.loads(site.read(key)) for key in site.keys(f"{site.name}/nodes/{node}/os-patch/")]


def annotations(site: LabSite, node: str = "w1") -> dict[str, str]:
    """Of ours, by kubectl."""
    [found] = [one for one in site.lab.get("nodes") if one["metadata"]["name"] == node]
    notes: dict[str, str] = found["metadata"]["annotations"]
    return {name: text for name, text in notes.items() if name.startswith("kube-runbooks.io/")}


def add_unit(machine: Machine, name: str, text: str) -> None:
    """For the next boot."""
    machine.write(f"/etc/systemd/system/{name}.service", text, mode="644")
    machine.run(f"systemctl daemon-reload; systemctl enable -q {name}")
