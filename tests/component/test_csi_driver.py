"""The CSI driver of the tests, judged by the sanity suite of the specification."""

import subprocess
from pathlib import Path

import pytest

from tests.servers.binaries import binaries, is_here
from tests.servers.csi.driver import Driver
from tests.servers.csi.node import DATA, NodePlugin

VERSION = "5.4.0"


@pytest.mark.full
@pytest.mark.skipif(
    not is_here("csi-sanity", VERSION), reason=f"it is built once: `make binaries ARGS=csi-sanity={VERSION}`"
)
def test_the_driver_is_as_the_specification_wants_it(tmp_path: Path) -> None:
    """Its controller and its node, which mounts for real."""

    def run(line: str) -> object:
        return subprocess.run(["sh", "-ec", line], check=True, capture_output=True)

    kubelet = tmp_path / "kubelet"
    kubelet.mkdir()
    program = binaries("csi-sanity", VERSION) / "csi-sanity"
    folders = [f"--csi.mountdir={tmp_path / 'mounted'}", f"--csi.stagingdir={tmp_path / 'staged'}"]
    with NodePlugin(Driver(kubelet / DATA), "node", kubelet, run, inside=str(kubelet)) as plugin:
        words = [str(program), f"--csi.endpoint={plugin.address}", "--ginkgo.no-color", *folders]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    assert "0 Failed" in done.stdout
