"""How much of a node's own file systems stays free: as its kubelet is set, and what is a default."""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tasks.core.models.findings import Problem
from tasks.core.models.shape import KubeletShape
from tasks.volumes.models.places import Threshold
from tasks.volumes.policy.kept import LARGEST, watch_of
from tasks.volumes.probes.runtime import look_at_runtime, parse_image_folders
from tests.facts.shapes import CONFIG, WORDS, shape_of

IMAGES = "/data/containerd/io.containerd.snapshotter.v1.overlayfs"
PART = {"nodefs.available": "5%", "nodefs.inodesFree": "5%", "imagefs.available": "5%", "imagefs.inodesFree": "5%"}


def kubelet(**changes: object) -> KubeletShape:
    """As kubeadm sets it up, and changed."""
    return shape_of().kubelet.model_copy(update=changes)


def with_thresholds(**given: object) -> KubeletShape:
    """With 5 % of each signal, and changed: `_` is a dot."""
    return kubelet(eviction_hard=PART | {name.replace("_", "."): value for name, value in given.items()})


def test_a_kubelet_without_thresholds_of_its_own_has_the_defaults() -> None:
    """Those of nodefs where it has its data, those of imagefs where images are."""
    watch = watch_of("w1", kubelet(), [IMAGES])
    assert watch.lines.splitlines() == [
        "10 0 5 0 /",
        "10 0 5 0 /var/lib/kubelet",
        "10 0 5 0 /var/lib/kubelet",
        "15 0 5 0 /var/lib/containerd",
        "15 0 5 0 /var/lib/containers",
        "15 0 5 0 /var/lib/docker",
        f"15 0 5 0 {IMAGES}",
    ]
    assert (watch.about_folders, watch.about_values) == ((), ())


def test_another_root_and_other_thresholds_are_those_of_the_node() -> None:
    """By its flags and its configuration. A part of a percent counts as a whole one."""
    config = f"{CONFIG}evictionHard: {json.dumps(PART | {'nodefs.available': '1.5Gi', 'imagefs.available': '7.5%'})}\n"
    shape = shape_of(config=config, words=f"{WORDS}--root-dir=/data/my kubelet\n")
    lines = watch_of("w1", shape.kubelet, [IMAGES]).lines.splitlines()
    assert lines[2] == f"0 {3 * 2**29} 5 0 /data/my kubelet"
    assert lines[-1] == f"8 0 5 0 {IMAGES}"


@pytest.mark.parametrize(
    ("value", "threshold"),
    [
        ("10%", Threshold(percent=10)),
        (".5%", Threshold(percent=1)),
        ("1e1%", Threshold(percent=10)),
        ("100.0%", Threshold(percent=100)),
        ("1Gi", Threshold(amount=2**30)),
        ("+2k", Threshold(amount=2000)),
        ("1e3", Threshold(amount=1000)),
        ("1E", Threshold(amount=10**18)),
        ("1500m", Threshold(amount=2)),
        ("99Ei", Threshold(amount=LARGEST)),
    ],
)
def test_a_value_is_read_as_a_kubelet_reads_it(value: str, threshold: Threshold) -> None:
    """A part, or a quantity; bytes or inodes."""
    watch = watch_of("w1", with_thresholds(nodefs_available=value, nodefs_inodesFree=value), [IMAGES])
    assert (watch.folders[0].size, watch.folders[0].entries) == (threshold, threshold)
    assert watch.about_values == ()


@pytest.mark.parametrize(
    "value", ["10 %", "1Gig", "101%", "-5%", "0", "-1Gi", "", "nan", "1_0", "1e3k", "1K", 10, ["10%"]], ids=repr
)
def test_a_value_that_no_kubelet_takes_is_told(value: object) -> None:
    """Its default stays free."""
    watch = watch_of("w1", with_thresholds(imagefs_available=value), [IMAGES])
    assert watch.folders[-1].size == Threshold(percent=15)
    (told,) = watch.about_values
    assert (
        told.text
        == f"imagefs.available of evictionHard is {value!r}, which no kubelet takes: its default of 15% stays free"
    )
    assert "configz" in told.next_step


@pytest.mark.parametrize("value", [None, "0%", "100%"])
def test_a_signal_without_a_threshold_keeps_its_default_and_is_told(value: object) -> None:
    """A kubelet has none there: it takes 0 % and 100 % for none."""
    watch = watch_of("w1", with_thresholds(nodefs_available=value, imagefs_inodesFree=value), [IMAGES])
    assert (watch.folders[0].size, watch.folders[-1].entries) == (Threshold(percent=10), Threshold(percent=5))
    assert watch.folders[0].entries == Threshold(percent=5)
    (told,) = watch.about_values
    assert told.text == (
        "evictionHard of the kubelet has no threshold for nodefs.available, imagefs.inodesFree: its defaults stay free "
        "(10% for nodefs.available, 5% for imagefs.inodesFree)"
    )


@pytest.mark.parametrize(
    ("found", "folders", "values"),
    [
        (Problem(text="w1: away"), "how the kubelet is set is not known (w1: away): its defaults are assumed", ""),
        (
            shape_of(words="").kubelet,
            "--root-dir of the kubelet is not known, because its flags are not: its default is assumed",
            "evictionHard of the kubelet is not known (no flags of the kubelet: it does not run, and its unit names none): "
            "its defaults stay free",
        ),
        (
            shape_of(words=f"{WORDS}--root-dir=data\n").kubelet,
            "--root-dir of the kubelet is 'data', which is no absolute path: its default is assumed",
            "",
        ),
        (
            shape_of(config="- a", words=f"{WORDS}--root-dir=/data/a\tb\n").kubelet,
            "--root-dir of the kubelet is '/data/a\\tb', which is no absolute path: its default is assumed",
            "evictionHard of the kubelet is not known (/var/lib/kubelet/config.yaml is no KubeletConfiguration): its defaults stay free",
        ),
    ],
    ids=["no answer", "no flags", "not absolute", "not understood"],
)
def test_what_is_not_known_is_a_default_and_is_told(found: Any, folders: str, values: str) -> None:  # noqa: ANN401
    """With a next step."""
    watch = watch_of("w1", found, [IMAGES])
    assert [one.text for one in watch.about_folders] == [folders]
    assert [one.text for one in watch.about_values] == [values] * bool(values)
    assert all("configz" in one.next_step for one in (*watch.about_folders, *watch.about_values))
    assert watch.lines.splitlines() == [
        *("10 0 5 0 /", "10 0 5 0 /var/lib/kubelet"),
        *(f"15 0 5 0 /var/lib/{one}" for one in ("containerd", "containers", "docker")),
        f"15 0 5 0 {IMAGES}",
    ]


def test_images_whose_place_is_not_known_may_be_where_the_kubelet_has_its_data() -> None:
    """Then those file systems keep free what imagefs says, too."""
    watch = watch_of("w1", kubelet(), Problem(text="crictl: away"))
    (told,) = watch.about_folders
    assert (
        told.text
        == "where the container runtime keeps images is not known (crictl: away): its default folders are assumed"
    )
    assert told.next_step == "`crictl imagefsinfo` on w1 shows it"
    assert "15 0 5 0 /" in watch.lines.splitlines()


class Runtime:
    """A node whose programs are scripts of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "proc" / "7").mkdir(parents=True)
        self.say("systemctl", "echo 0")

    def say(self, program: str, text: str) -> None:
        """What a program does."""
        self._write(self.folder / "bin" / program, text)

    def run_containerd(self, config: str, *flags: str) -> None:
        """A process of containerd."""
        self.say("systemctl", "echo 7")
        (self.folder / "proc/7/cmdline").write_text("\0".join(("containerd", *flags, "")))
        self._write(self.folder / "proc/7/exe", f'[ "$*" = "config dump" ] && cat {self.folder}/config')
        (self.folder / "config").write_text(config)

    def ask(self) -> tuple[str, tuple[str, ...] | Problem]:
        """What it prints, and what that means."""
        text = look_at_runtime("unix:///run/c.sock").replace("/proc/", f"{self.folder}/proc/")
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        done = subprocess.run(["sh", "-c", text], env={"PATH": path}, capture_output=True, text=True, check=True)
        return done.stdout, parse_image_folders(done.stdout)

    @staticmethod
    def _write(path: Path, text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    """Without crictl and containerd."""
    return Runtime(tmp_path)


def usage(*folders: str) -> list[dict[str, Any]]:
    """As crictl prints it."""
    return [{"timestamp": "1", "fsId": {"mountpoint": one}, "usedBytes": {"value": "7"}} for one in folders]


@pytest.mark.parametrize(
    ("told", "folders"),
    [
        ({"status": {"imageFilesystems": usage("/a b"), "containerFilesystems": usage("/c")}}, ("/a b", "/c")),
        ({"status": usage("/a")[0]}, ("/a",)),
    ],
    ids=["list", "before 1.29"],
)
def test_crictl_says_where_images_are(runtime: Runtime, told: object, folders: tuple[str, ...]) -> None:
    """Of images and of containers, by the socket of the node's runtime."""
    runtime.say("crictl", f"""[ "$1" = --runtime-endpoint=unix:///run/c.sock ] && echo '{json.dumps(told)}'""")
    assert runtime.ask()[1] == folders


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("""echo 'time="2026-12-02T08:46:02Z" level=fatal msg="away"' >&2; exit 1""", 'level=fatal msg="away"'),
        ("exit 1", "it did not answer"),
        ("echo '{}'", "it names no folder: {}"),
        ("""echo '{"mountpoint": "a"}'""", 'it names no folder: {"mountpoint": "a"}'),
        (r"""echo '{"mountpoint": "/a\u000ab"}'""", r'it names no folder: {"mountpoint": "/a\u000ab"}'),
        ("echo no JSON", "it names no folder: no JSON"),
    ],
    ids=["away", "silent", "nothing", "not absolute", "line end", "no JSON"],
)
def test_a_runtime_that_names_no_folder_is_told(runtime: Runtime, does: str, words: str) -> None:
    """Without the time, with which each plan would be another one."""
    runtime.say("crictl", does)
    assert runtime.ask()[1] == Problem(text=words)


def test_without_crictl_containerd_says_it(runtime: Runtime) -> None:
    """Nothing but its root leaves the node: other lines may have secrets."""
    secret = 'version = 3\nroot = "/data/containerd"\nstate = "/run"\n[plugins]\n  password = "geheim"\n'
    runtime.run_containerd(secret)
    printed, folders = runtime.ask()
    assert folders == ("/data/containerd",)
    assert base64.b64decode(printed.split()[1]).decode().splitlines() == ['root = "/data/containerd"']
    runtime.run_containerd("version = 3\n")
    assert runtime.ask()[1] == Problem(text="it names no folder: ")
    runtime.run_containerd(secret, "--root", "/other")
    (told,) = [runtime.ask()[1]]
    assert isinstance(told, Problem)
    assert "containerd has the flag --root" in told.text
    runtime.say("systemctl", "echo 0")
    assert runtime.ask()[1] == Problem(text="there is no running containerd.service")
