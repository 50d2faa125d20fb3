"""A CSI driver on a directory: a volume is a folder, a snapshot a copy of it. It answers real sidecars; `node.py` answers kubelets.

A test may make it slow or broken: `why_not` is the error that CreateSnapshot answers with, `is_ready` whether a snapshot is usable.
If it `attaches`, a volume is for one node at a time, and no other mounts it; `why_not_attach` and `why_not_detach` are errors of that,
`why_not_mount` is one of the node.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc

PROTO = "tests/servers/csi/csi.proto"
NAME = "directory.csi.kube-runbooks.test"
GIB = 2**30
ATTACHED = "attached-to"
"""What an attachment hands on to the node."""

messages, services = grpc.protos_and_services(PROTO)


class Driver:
    """A context manager: it answers at `address` while the block lasts. What is stored outlives it."""

    def __init__(self, folder: Path, name: str = NAME, *, attaches: bool = False) -> None:
        self.name, self.attaches = name, attaches
        self.volumes, self.snapshots = folder / "volumes", folder / "snapshots"
        for made in (self.volumes, self.snapshots):
            made.mkdir(parents=True, exist_ok=True)
        self.why_not = ""
        self.why_not_attach = self.why_not_detach = self.why_not_mount = ""
        self.is_ready = True
        self.clock: Callable[[], int] = time.time_ns
        self.nodes: set[str] = set()
        self.attached: dict[str, str] = {}
        self.asked: list[str] = []
        self._lock = threading.Lock()
        self._socket = tempfile.TemporaryDirectory(prefix="csi-")
        self.address = f"unix://{self._socket.name}/csi.sock"
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8, thread_name_prefix="csi"))
        services.add_IdentityServicer_to_server(Identity(self), self._server)
        services.add_ControllerServicer_to_server(Controller(self), self._server)

    def __enter__(self) -> Self:
        self._server.add_insecure_port(self.address)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=None).wait()
        self._socket.cleanup()

    def handles(self) -> set[str]:
        """Of all snapshots that the storage has."""
        return {found.name for found in self.snapshots.iterdir() if not found.name.startswith(".")}

    def make_volume(self, name: str, size: int, origin: Path | None) -> dict[str, Any]:
        """Once for each name, however often it is asked for."""
        with self._lock:
            made = self.volumes / f"vol-{_short(name)}"
            if not made.exists():
                _copied(origin, made)
                (made / "about.json").write_text(json.dumps({"size": size or GIB}))
            return {"id": made.name, **json.loads((made / "about.json").read_text())}

    def attach(self, volume: str, node: str) -> str:
        """Returns the node that has the volume now: another one if it had it before."""
        with self._lock:
            return self.attached.setdefault(volume, node)

    def detach(self, volume: str, node: str) -> None:
        """From that node, or from any if it is not said."""
        with self._lock:
            if node in {"", self.attached.get(volume)}:
                self.attached.pop(volume, None)

    def cut(self, name: str, volume: str) -> dict[str, Any]:
        """Once for each name. The first answer decides the time."""
        with self._lock:
            made = self.snapshots / f"snap-{_short(name)}"
            if not made.exists():
                size = json.loads((self.volumes / volume / "about.json").read_text())["size"]
                about = {"volume": volume, "size": size, "time": self.clock()}
                _copied(self.volumes / volume, made)
                (made / "about.json").write_text(json.dumps(about))
            return self.look(made.name)

    def look(self, handle: str) -> dict[str, Any]:
        """A snapshot."""
        about: dict[str, Any] = json.loads((self.snapshots / handle / "about.json").read_text())
        return {"id": handle, "ready": self.is_ready, **about}


def _copied(origin: Path | None, made: Path) -> None:
    unfinished = made.with_name(f".{made.name}")
    if origin:
        unfinished.mkdir(parents=True)
        subprocess.run(["cp", "--archive", origin / "data", unfinished / "data"], check=True)  # with its owners
    else:
        (unfinished / "data").mkdir(parents=True)
    unfinished.rename(made)


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:12]


class Identity(services.IdentityServicer):  # type: ignore[misc, name-defined]
    """Says which driver it is."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def GetPluginInfo(self, *_: object) -> object:  # noqa: N802 - the specification's name
        """Its name."""
        return messages.GetPluginInfoResponse(name=self._driver.name, vendor_version="1")

    def GetPluginCapabilities(self, *_: object) -> object:  # noqa: N802
        """It has a controller."""
        kind = messages.PluginCapability.Service.CONTROLLER_SERVICE
        service = messages.PluginCapability.Service(type=kind)
        return messages.GetPluginCapabilitiesResponse(capabilities=[messages.PluginCapability(service=service)])

    def Probe(self, *_: object) -> object:  # noqa: N802
        """It is ready."""
        answer = messages.ProbeResponse()
        answer.ready.value = True
        return answer


class Controller(services.ControllerServicer):  # type: ignore[misc, name-defined]
    """Makes and deletes volumes and snapshots, as the specification wants it."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def ControllerGetCapabilities(self, *_: object) -> object:  # noqa: N802
        """Volumes, snapshots, and their list; attachments, if it has them."""
        one = messages.ControllerServiceCapability
        kinds = (
            *([one.RPC.PUBLISH_UNPUBLISH_VOLUME] if self._driver.attaches else []),
            one.RPC.CREATE_DELETE_VOLUME,
            one.RPC.CREATE_DELETE_SNAPSHOT,
            one.RPC.LIST_SNAPSHOTS,
            one.RPC.CLONE_VOLUME,
        )
        return messages.ControllerGetCapabilitiesResponse(capabilities=[one(rpc=one.RPC(type=kind)) for kind in kinds])

    def ValidateVolumeCapabilities(self, request: Any, context: grpc.ServicerContext) -> object:  # noqa: N802, ANN401
        """It has all that is asked for."""
        needs(context, volume_id=request.volume_id, volume_capabilities=request.volume_capabilities)
        self._volume(request.volume_id, context)
        confirmed = messages.ValidateVolumeCapabilitiesResponse.Confirmed(
            volume_capabilities=request.volume_capabilities, volume_context=request.volume_context
        )
        return messages.ValidateVolumeCapabilitiesResponse(confirmed=confirmed)

    def CreateVolume(self, request: Any, context: grpc.ServicerContext) -> object:  # noqa: N802, ANN401 - built at run time
        """Empty, or from a snapshot or another volume."""
        needs(context, name=request.name, volume_capabilities=request.volume_capabilities)
        source, size = request.volume_content_source, request.capacity_range.required_bytes
        origin = None
        if handle := source.snapshot.snapshot_id:
            origin = self._driver.snapshots / handle
        elif volume := source.volume.volume_id:
            origin = self._driver.volumes / volume
        if origin and not origin.exists():
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no {origin.name}")
        made = self._driver.make_volume(request.name, size, origin)
        if made["size"] != (size or GIB):
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f"{made['id']} has {made['size']} bytes")
        volume = messages.Volume(volume_id=made["id"], capacity_bytes=made["size"])
        if origin:
            volume.content_source.CopyFrom(source)
        return messages.CreateVolumeResponse(volume=volume)

    def DeleteVolume(self, request: Any, context: grpc.ServicerContext) -> object:  # noqa: N802, ANN401
        """One that is gone counts as deleted."""
        needs(context, volume_id=request.volume_id)
        if node := self._driver.attached.get(request.volume_id):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{request.volume_id} is attached to {node}")
        shutil.rmtree(self._driver.volumes / request.volume_id, ignore_errors=True)
        return messages.Nothing()

    def ControllerPublishVolume(self, request: Any, context: grpc.ServicerContext) -> object:  # noqa: N802, ANN401
        """Attaches it, to one node at a time."""
        volume, node = request.volume_id, request.node_id
        has_capability = request.HasField("volume_capability")
        needs(context, volume_id=volume, node_id=node, volume_capability=has_capability)
        self._volume(volume, context)
        if node not in self._driver.nodes:
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no node {node}")
        if self._driver.why_not_attach:
            context.abort(grpc.StatusCode.INTERNAL, self._driver.why_not_attach)
        if (has := self._driver.attach(volume, node)) != node:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{volume} is attached to {has}")
        return messages.ControllerPublishVolumeResponse(publish_context={ATTACHED: node})

    def ControllerUnpublishVolume(self, request: Any, context: grpc.ServicerContext) -> object:  # noqa: N802, ANN401
        """One that is not attached counts as detached."""
        needs(context, volume_id=request.volume_id)
        if self._driver.why_not_detach:
            context.abort(grpc.StatusCode.INTERNAL, self._driver.why_not_detach)
        self._driver.detach(request.volume_id, request.node_id)
        return messages.Nothing()

    def CreateSnapshot(self, request: Any, context: grpc.ServicerContext) -> object:  # noqa: N802, ANN401
        """A copy."""
        needs(context, name=request.name, source_volume_id=request.source_volume_id)
        self._driver.asked.append(request.name)
        if self._driver.why_not:
            context.abort(grpc.StatusCode.INTERNAL, self._driver.why_not)
        self._volume(request.source_volume_id, context)
        made = self._driver.cut(request.name, request.source_volume_id)
        if made["volume"] != request.source_volume_id:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f"{made['id']} is of {made['volume']}")
        return messages.CreateSnapshotResponse(snapshot=_snapshot(made))

    def DeleteSnapshot(self, request: Any, context: grpc.ServicerContext) -> object:  # noqa: N802, ANN401
        """One that is gone counts as deleted."""
        needs(context, snapshot_id=request.snapshot_id)
        shutil.rmtree(self._driver.snapshots / request.snapshot_id, ignore_errors=True)
        return messages.Nothing()

    def ListSnapshots(self, request: Any, context: grpc.ServicerContext) -> object:  # noqa: N802, ANN401
        """In pages; the token is the place of the next one."""
        found = list(self._matching(request))
        token = request.starting_token or "0"
        if not token.isdigit() or int(token) > len(found):
            context.abort(grpc.StatusCode.ABORTED, f"{token!r} is no token of ours")
        begin = int(token)
        end = begin + (request.max_entries or len(found))
        return messages.ListSnapshotsResponse(
            entries=[messages.ListSnapshotsResponse.Entry(snapshot=_snapshot(one)) for one in found[begin:end]],
            next_token=str(end) if end < len(found) else "",
        )

    def _volume(self, handle: str, context: grpc.ServicerContext) -> None:
        if not (self._driver.volumes / handle).exists():
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no volume {handle}")

    def _matching(self, request: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
        for handle in sorted(self._driver.handles()):
            found = self._driver.look(handle)
            if request.snapshot_id in {"", handle} and request.source_volume_id in {"", found["volume"]}:
                yield found


def needs(context: grpc.ServicerContext, **fields: object) -> None:
    """Refuses a request without one of these fields."""
    for name, value in fields.items():
        if not value:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{name} is missing")


def _snapshot(made: dict[str, Any]) -> object:
    snapshot = messages.Snapshot(
        snapshot_id=made["id"], source_volume_id=made["volume"], size_bytes=made["size"], ready_to_use=made["ready"]
    )
    snapshot.creation_time.FromNanoseconds(made["time"])
    return snapshot
