"""Static pods and an etcd that is none, taken away from kubelet and systemd, and given back: run for real on folders."""

import subprocess
from pathlib import Path

import pytest

from tasks.control_plane import scripts
from tasks.control_plane.models import UNIT
from tasks.core.models.kubeadm import ETCD, PARKED
from tests.facts.shapes import shape_of


class Units:
    """A machine with an `etcd.service` in this state, and the files of a control plane."""

    def __init__(self, folder: Path, state: str) -> None:
        self.folder, self.state = folder, folder / "state"
        self.state.write_text(state)
        self.manifests, self.parked = folder / "manifests", folder / "parked"
        self.manifests.mkdir()
        (folder / "proc" / "1").mkdir(parents=True)
        (folder / "proc" / "1" / "mountinfo").touch()

    def run(self, text: str, systemctl: str = "") -> None:
        """With a systemd that has this one unit, or another one."""
        systemctl = systemctl or (
            f'systemctl() {{ echo "$*" >> {self.folder}/told; case "$1 $*" in\n'
            f"'is-active '*{UNIT}) [ $(cat {self.state}) = active ] ;;\n"
            f"'show '*LoadState*) echo loaded ;; 'show '*) echo 0 ;;\n"
            f"'stop '*) echo inactive > {self.state} ;; 'start '*{UNIT}) echo active > {self.state} ;;\n"
            "is-enabled*) false ;; esac; }\n"
        )
        paths = {
            scripts.DROP_IN: f"{self.folder}/drop-in/file",
            "/proc/": f"{self.folder}/proc/",
            "/etc/kubernetes/manifests": str(self.manifests),
            PARKED: str(self.parked),
        }
        for old, new in paths.items():
            text = text.replace(old, new)
        subprocess.run(["sh", "-c", systemctl + text], check=True)

    def stop_and_start(self) -> tuple[str, str]:
        """Its states after both."""
        self.run(scripts.park(shape_of(), (ETCD,)))
        stopped = self.state.read_text().strip()
        for _ in range(2):
            self.run(scripts.unpark(shape_of(), (ETCD,)))
        assert not (self.parked / UNIT).exists()
        return stopped, self.state.read_text().strip()


@pytest.mark.parametrize(
    ("pod", "state", "after"),
    [
        (True, "inactive", "inactive"),
        (True, "active", "active"),
        (False, "inactive", "active"),
        (False, "active", "active"),
    ],
    ids=str,
)
def test_a_unit_that_is_nobodys_member_is_not_started_beside_a_static_pod(
    tmp_path: Path, *, pod: bool, state: str, after: str
) -> None:
    """A distribution's etcd, installed for its programs and switched off, would take the port of the member."""
    units = Units(tmp_path, state)
    if pod:
        (units.manifests / "etcd.yaml").touch()
    assert units.stop_and_start() == ("inactive", after)
    assert (units.manifests / "etcd.yaml").exists() == pod


@pytest.mark.parametrize(
    ("state", "enabled", "told"),
    [
        ("active", "true", "restart kubelet\n"),
        ("active", "false", "restart kubelet\n"),
        ("failed", "false", "restart kubelet\n"),
        ("inactive", "true", "restart kubelet\n"),
        ("inactive", "false", ""),
    ],
)
def test_a_kubelet_is_restarted_where_there_is_one(tmp_path: Path, state: str, enabled: str, told: str) -> None:
    """A machine with etcd alone has none. One that runs without being enabled has the same files to read anew."""
    log = tmp_path / "told"
    systemctl = f'systemctl() {{ case "$1" in show) echo {state} ;; is-enabled) {enabled} ;; *) echo "$*" >> {log} ;; esac; }}\n'
    subprocess.run(["sh", "-c", systemctl + scripts.restart_kubelet()], check=True)
    assert (log.read_text() if log.exists() else "") == told


def test_a_kubelet_of_which_systemd_says_nothing_is_not_one_that_is_not_there() -> None:
    """The step fails, and is tried again."""
    done = subprocess.run(["sh", "-c", "systemctl() { return 1; }\n" + scripts.restart_kubelet()], check=False)
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ({"is-enabled": 0, "is-active": 3}, ["is-enabled", "is-active", "start"]),
        ({"is-enabled": 0, "is-active": 0}, ["is-enabled", "is-active"]),
        ({"is-enabled": 1, "is-active": 3}, ["is-enabled"]),
    ],
    ids=str,
)
def test_a_kubelet_that_does_not_run_is_started_so_that_it_ends_the_pods(
    tmp_path: Path, states: dict[str, int], told: list[str]
) -> None:
    """One that is switched off stays off."""
    units = Units(tmp_path, "inactive")
    cases = " ".join(f"{verb}) return {status} ;;" for verb, status in states.items())
    units.run(
        scripts.park(shape_of(), ("kube-scheduler",)),
        systemctl=f'systemctl() {{ echo $1 >> {tmp_path}/asked; case "$1" in {cases} esac; }}\n',
    )
    assert [line for line in (tmp_path / "asked").read_text().splitlines() if line != "show"] == told
