"""The driver on a node, for its kubelet: it registers itself, and mounts volumes by bind mounts.

Its process runs where the tests run. It needs the kubelet's folder, for sockets, and a way to run a command on the node.
"""

import shlex
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc

from tests.servers.csi.driver import ATTACHED, Controller, Driver, Identity, messages, needs, services

KUBELET = "/var/lib/kubelet"
DATA = "csi-data"
"""The driver's folder, in that of the kubelet."""

registration, registrars = grpc.protos_and_services("tests/servers/csi/registration.proto")


class NodePlugin:
    """A context manager: the kubelet mounts volumes of the driver while the block lasts; `status` is what the kubelet said."""

    def __init__(
        self, driver: Driver, node: str, kubelet: Path, run: Callable[[str], object], inside: str = KUBELET
    ) -> None:
        """`kubelet` is the kubelet's folder as this process has it, `inside` as the node has it.

        `run` runs a line of shell on the node, or raises an error.
        """
        self.driver, self.node, self.run, self.inside = driver, node, run, inside
        self.status: list[str] = []
        driver.nodes.add(node)
        place = kubelet / "plugins" / driver.name
        for folder in (place, kubelet / "plugins_registry"):
            folder.mkdir(parents=True, exist_ok=True)
        self.endpoint = f"{inside}/plugins/{driver.name}/csi.sock"
        self._sockets = (place / "csi.sock", kubelet / "plugins_registry" / f"{driver.name}-reg.sock")
        self._short = tempfile.TemporaryDirectory(prefix="csi-")
        link = Path(self._short.name) / "k"
        link.symlink_to(kubelet)  # the path of a socket has at most 107 characters
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8, thread_name_prefix="csi-node"))
        services.add_IdentityServicer_to_server(Identity(driver), self._server)
        services.add_ControllerServicer_to_server(Controller(driver), self._server)
        services.add_NodeServicer_to_server(_Node(self), self._server)
        self._registrar = grpc.server(ThreadPoolExecutor(max_workers=2, thread_name_prefix="csi-registrar"))
        registrars.add_RegistrationServicer_to_server(_Registration(self), self._registrar)
        self._addresses = [f"unix://{link / socket.relative_to(kubelet)}" for socket in self._sockets]

    @property
    def address(self) -> str:
        """Of the driver, for a program of this machine."""
        return self._addresses[0]

    def __enter__(self) -> Self:
        for socket in self._sockets:
            socket.unlink(missing_ok=True)
        for server, address in zip((self._server, self._registrar), self._addresses, strict=True):
            server.add_insecure_port(address)
            server.start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._registrar, self._server):
            server.stop(grace=None).wait()
        for socket in self._sockets:
            socket.unlink(missing_ok=True)
        self._short.cleanup()


class _Registration(registrars.RegistrationServicer):  # type: ignore[misc, name-defined]
    def __init__(self, plugin: NodePlugin) -> None:
        self._plugin = plugin

    def GetInfo(self, *_: object) -> object:  # noqa: N802 - the specification's name
        driver = self._plugin.driver
        return registration.PluginInfo(
            type="CSIPlugin", name=driver.name, endpoint=self._plugin.endpoint, supported_versions=["1.0.0"]
        )

    def NotifyRegistrationStatus(self, request: Any, _: object) -> object:  # noqa: N802, ANN401 - built at run time
        self._plugin.status.append(request.error or "registered")
        return registration.RegistrationStatusResponse()


class _Node(services.NodeServicer):  # type: ignore[misc, name-defined]
    def __init__(self, plugin: NodePlugin) -> None:
        self._plugin = plugin

    def NodeGetInfo(self, *_: object) -> object:  # noqa: N802
        return messages.NodeGetInfoResponse(node_id=self._plugin.node)

    def NodeGetCapabilities(self, *_: object) -> object:  # noqa: N802
        return messages.Nothing()

    def NodePublishVolume(self, request: Any, context: grpc.ServicerContext) -> object:  # noqa: N802, ANN401
        needs(
            context,
            volume_id=request.volume_id,
            target_path=request.target_path,
            volume_capability=request.HasField("volume_capability"),
        )
        if not (self._plugin.driver.volumes / request.volume_id).is_dir():
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no volume {request.volume_id}")
        if self._plugin.driver.why_not_mount:
            context.abort(grpc.StatusCode.INTERNAL, self._plugin.driver.why_not_mount)
        if self._plugin.driver.attaches:
            self._needs_attached(request, context)
        source, target = f"{self._plugin.inside}/{DATA}/volumes/{request.volume_id}/data", request.target_path
        words = f"{shlex.quote(source)} {shlex.quote(target)}"
        self._run(
            context, f"mkdir -p {shlex.quote(target)}; mountpoint -q {shlex.quote(target)} || mount --bind {words}"
        )
        return messages.Nothing()

    def _needs_attached(self, request: Any, context: grpc.ServicerContext) -> None:  # noqa: ANN401
        told = request.publish_context.get(ATTACHED), self._plugin.driver.attached.get(request.volume_id)
        if told != (self._plugin.node, self._plugin.node):
            problem = f"{request.volume_id} is attached to {told[1]}, and told to be at {told[0]}"
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, problem)

    def NodeUnpublishVolume(self, request: Any, context: grpc.ServicerContext) -> object:  # noqa: N802, ANN401
        needs(context, volume_id=request.volume_id, target_path=request.target_path)
        target = shlex.quote(request.target_path)
        self._run(context, f"! mountpoint -q {target} || umount {target}; [ ! -d {target} ] || rmdir {target}")
        return messages.Nothing()

    def _run(self, context: grpc.ServicerContext, line: str) -> None:
        try:
            self._plugin.run(line)
        except Exception as error:  # noqa: BLE001 - whatever the node says, the kubelet tries again
            context.abort(grpc.StatusCode.INTERNAL, str(error))
