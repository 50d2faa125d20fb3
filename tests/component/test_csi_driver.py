"""The CSI driver of the tests, judged by the sanity suite of the specification."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from tests.servers.binaries import binaries, is_here
from tests.servers.csi.driver import ATTACHED, GIB, Driver, messages, services
from tests.servers.csi.node import DATA, NodePlugin

VERSION = "5.4.0"


@pytest.mark.full
@pytest.mark.skipif(
    not is_here("csi-sanity", VERSION), reason=f"it is built once: `make binaries ARGS=csi-sanity={VERSION}`"
)
@pytest.mark.parametrize("attaches", [False, True], ids=["mounts", "attaches"])
def test_the_driver_is_as_the_specification_wants_it(tmp_path: Path, *, attaches: bool) -> None:
    """Its controller and its node, which mounts for real, with and without attachments."""

    def run(line: str) -> object:
        return subprocess.run(["sh", "-ec", line], check=True, capture_output=True)

    kubelet = tmp_path / "kubelet"
    kubelet.mkdir()
    program = binaries("csi-sanity", VERSION) / "csi-sanity"
    folders = [f"--csi.mountdir={tmp_path / 'mounted'}", f"--csi.stagingdir={tmp_path / 'staged'}"]
    with NodePlugin(Driver(kubelet / DATA, attaches=attaches), "node", kubelet, run, inside=str(kubelet)) as plugin:
        words = [str(program), f"--csi.endpoint={plugin.address}", "--ginkgo.no-color", *folders]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
    assert "0 Failed" in done.stdout


def test_a_volume_is_attached_to_one_node_and_mounted_there_only(tmp_path: Path) -> None:
    """What the suite does not ask: a second node, and a node that mounts what it has not got."""
    driver, ran = Driver(tmp_path / "kubelet" / DATA, attaches=True), list[str]()
    kubelet = tmp_path / "kubelet"
    volume = driver.make_volume("data", GIB, None)["id"]
    mode = messages.VolumeCapability(mount=messages.VolumeCapability.MountVolume())
    about = {"volume_id": volume, "volume_capability": mode}
    driver.nodes.add("w2")
    with (
        NodePlugin(driver, "w1", kubelet, ran.append) as plugin,
        grpc.insecure_channel(plugin.address) as channel,
    ):
        controller, node = services.ControllerStub(channel), services.NodeStub(channel)
        mount = {"target_path": "/mnt/data", **about}
        attach = messages.ControllerPublishVolumeRequest
        assert why_not(lambda: node.NodePublishVolume(messages.NodePublishVolumeRequest(**mount))) == NOT_NOW
        context = dict(controller.ControllerPublishVolume(attach(node_id="w2", **about)).publish_context)
        assert context == {ATTACHED: "w2"}
        assert why_not(lambda: controller.ControllerPublishVolume(attach(node_id="w1", **about))) == NOT_NOW
        there = messages.NodePublishVolumeRequest(publish_context=context, **mount)
        assert why_not(lambda: node.NodePublishVolume(there)) == NOT_NOW
        assert why_not(lambda: controller.DeleteVolume(messages.DeleteVolumeRequest(volume_id=volume))) == NOT_NOW
        controller.ControllerUnpublishVolume(messages.ControllerUnpublishVolumeRequest(volume_id=volume, node_id="w2"))
        context = dict(controller.ControllerPublishVolume(attach(node_id="w1", **about)).publish_context)
        assert ran == []
        node.NodePublishVolume(messages.NodePublishVolumeRequest(publish_context=context, **mount))
    assert [one for one in ran if "mount --bind" in one]


NOT_NOW = grpc.StatusCode.FAILED_PRECONDITION


def why_not(act: Callable[[], object]) -> grpc.StatusCode:
    """The code of the error."""
    with pytest.raises(grpc.RpcError) as error:
        act()
    code: grpc.StatusCode = error.value.code()
    return code
