"""The lab itself: its faults are what they say, two may exist at once, and nothing is left of one that was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import SMALL
from tests.e2e.site import LabSite
from tests.lab.control_groups import PREFIX
from tests.lab.host import CGROUPS, LabError
from tests.lab.init import LEFTOVERS
from tests.lab.lab import Lab
from tests.lab.namespaces import MARK
from tests.lab.services import LOAD_BALANCER, PACKAGES, Fault, Mirror
from tests.lab.shape import Shape
from tests.servers.binaries import ROOT
from tests.servers.processes import speaks_ssh, wait_until

pytestmark = pytest.mark.timeout(600)

BARE = Shape(name="e2e-bare", network=105, control_planes=1, workers=0)

_BARE_LAB = """\
import signal, sys, time
from tests.lab.lab import Lab
from tests.lab.shape import Shape
signal.signal(signal.SIGINT, signal.default_int_handler)  # where it was ignored by who has started us: in the background
lab = Lab(Shape.from_json(sys.argv[1]))
lab.up_bare()
print("up", flush=True)
time.sleep(1000)
"""


@pytest.mark.full
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_lab_whose_process_was_killed_beside_another_one(
    small: LabSite, how: signal.Signals, tmp_path: Path
) -> None:
    """No process, mount, link, control group or socket; the other lab goes on, and `lab-down` removes the files."""
    lab = Lab(BARE)
    before = traces(lab)
    errors = tmp_path / "errors"
    with errors.open("wb") as stderr:
        command = [sys.executable, "-c", _BARE_LAB, BARE.to_json()]
        owner = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr)
    try:
        assert owner.stdout
        assert owner.stdout.readline() == b"up\n", f"{owner.wait(60)}: {errors.read_text()[-3000:]}"
        wait_until(lambda: speaks_ssh(lab["cp1"].address), 120.0, "the other lab can be reached")
        assert speaks_ssh(small.lab["cp1"].address)
        assert traces(lab) != before
    finally:
        owner.send_signal(how)
        owner.communicate()
    wait_until(lambda: not speaks_ssh(lab["cp1"].address), 180.0, "the lab has ended")
    noted = [Path(line) for line in (lab.folder / LEFTOVERS).read_text().splitlines()]
    assert any(path.suffix == ".sock" for path in noted)
    command = [sys.executable, "-m", "tests.lab", "down", "--name", BARE.name]
    subprocess.run(command, cwd=ROOT, check=True)
    assert not lab.folder.exists()
    assert traces(lab) == before
    assert [path for path in noted if path.exists()] == []
    small.lab.wait_until_ready()


@pytest.mark.full
def test_a_cut_is_between_two_machines_only_and_heals(small: LabSite) -> None:
    """Also towards the load balancer."""
    lab = small.lab
    one, other = lab["cp1"], lab["w1"]
    reach = f"timeout 3 bash -c '</dev/tcp/{one.address}/22'"
    balancer = f"timeout 3 bash -c '</dev/tcp/{lab.shape.gateway}/{LOAD_BALANCER}'"
    with lab.cut("cp1", "w1"):
        with pytest.raises(LabError):
            other.run(reach)
        other.run(balancer)
    with lab.cut("w1", "gateway"):
        with pytest.raises(LabError):
            other.run(balancer)
        other.run(reach)
    other.run(f"{reach} && {balancer}")


@pytest.mark.full
def test_mirrors_answer_500_or_hang_and_are_mended(small: LabSite) -> None:
    """As a registry or a package repository does on a bad day."""
    lab, machine = small.lab, small.lab["w1"]
    places = {Mirror.REGISTRY: f"{lab.services.registry}/v2/", Mirror.PACKAGES: f"{lab.shape.gateway}:{PACKAGES}/"}
    ask = "curl -s -o /dev/null -m 3 -w '%{http_code}' "
    for mirror, place in places.items():
        lab.services.fail(mirror, Fault.ERROR)
        assert machine.run(ask + place) == "500"
        lab.services.fail(mirror, Fault.HANG)
        assert machine.run(f"{ask}{place} || true") == "000"
        lab.heal()
        assert machine.run(ask + place) == "200"


@pytest.mark.full
def test_a_machine_hangs_loses_its_sshd_and_has_a_full_and_a_slow_disk(small: LabSite) -> None:
    """And each of it ends."""
    lab, machine = small.lab, small.lab["w1"]
    with machine.frozen():
        assert not logs_in(lab)
    assert logs_in(lab)
    with machine.without_sshd():
        assert machine.leader
        assert not logs_in(lab)
    assert logs_in(lab)
    with machine.full_disk("/var/lib/lab-test"), pytest.raises(LabError, match="No space left on device"):
        machine.run("head -c 3000000 /dev/zero > /var/lib/lab-test/file")
    dd = "dd if=/dev/zero of=/var/lib/lab-slow bs=1M count=4 oflag=direct status=none"
    write = f"systemd-run --quiet --wait {dd}; rm /var/lib/lab-slow"  # in the machine's control group, as all that it starts
    machine.run(write)
    with machine.slow_disk(2**20):
        began = time.monotonic()
        machine.run(write)
        assert time.monotonic() - began > 2
    machine.run(write)


@pytest.mark.full
def test_a_power_cut_is_another_boot_and_a_thaw_another_cluster_state(small: LabSite) -> None:
    """A machine that returns is Ready again; what was written to a frozen state's copy is gone."""
    machine, before = small.lab["w1"], small.lab["w1"].boot_id
    machine.power_cut()
    machine.restart()
    assert machine.boot_id != before
    small.lab.wait_until_ready()
    small.lab.kubectl("create", "namespace", "gone-by-thaw")
    small.lab.thaw()
    assert not small.exists("namespace", "gone-by-thaw")


def test_a_person_logs_in_and_asks_the_cluster(small: LabSite) -> None:
    """What `make lab-ssh` and its like call."""
    for words, told in (
        (["ssh", "--name", SMALL.name, "w1", "hostname; sudo id -un"], "w1\nroot\n"),
        (["kubectl", "--name", SMALL.name, "get", "nodes", "--output=name"], "node/cp1\nnode/w1\n"),
        (["list"], f"{SMALL.name}: runs, {small.lab.shape}\n"),
    ):
        assert (
            told
            in subprocess.run(
                [sys.executable, "-m", "tests.lab", *words], cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout
        )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["up", "--range", "10.0.0.0/24"], "range: 10.0.0.0/24 is not possible: give 198.18.N.0/24, N from 0 to 127"),
        (["up", "--control-planes", "9"], "control_planes: 9 is not possible: give 1 to 7"),
        (["up", "--external-etcd", "2"], "external_etcd: 2 is not possible: give 0, 1, 3 or 5"),
        (["ssh", "--name", "nobody", "cp1"], "there is no lab 'nobody'"),
        (["up", "--name", SMALL.name, "--range", f"198.18.{SMALL.network}.0/24"], "runs already"),
    ],
)
def test_bad_input_is_named(small: LabSite, words: list[str], told: str) -> None:
    """Before anything is started."""
    del small
    done = subprocess.run(
        [sys.executable, "-m", "tests.lab", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert told in done.stderr


def traces(lab: Lab) -> dict[str, set[str]]:
    """Of a lab on this machine, where others may run: processes by their mark, mounts, network links, control groups."""
    mark = f"{MARK}={lab.folder}".encode()
    marked = set()
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names are enough
        environment = Path("/proc", entry, "environ")
        try:
            if entry.isdigit() and mark in environment.read_bytes().split(b"\0"):
                marked.add(Path("/proc", entry, "comm").read_text())
        except OSError:
            continue
    name = f"{PREFIX}{lab.shape.name}"
    groups = {str(path) for depth in ("", "*/") for path in CGROUPS.glob(f"{depth}{name}/*") if path.is_dir()}
    return {
        "processes": {name for name in marked if name},
        "mounts": {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()},
        "links": {path.name for path in Path("/sys/class/net").iterdir() if path.name == lab.shape.cable},
        "groups": groups,
    }


def logs_in(lab: Lab) -> bool:
    """Whether a worker gets in within some seconds."""
    command = lab.ssh_command("w1", "true")
    command[1:1] = ["-oConnectTimeout=3", "-oServerAliveInterval=2"]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=8).returncode == 0
    except subprocess.TimeoutExpired:
        return False
