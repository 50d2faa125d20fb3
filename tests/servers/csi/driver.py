"""A CSI driver on a directory: a volume is a folder, a snapshot a copy of it. It answers real sidecars; nobody mounts.

A test may make it slow or broken: `why_not` is the error that CreateSnapshot answers with, `is_ready` whether a snapshot is usable.
"""

import hashlib
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc

PROTO = "tests/servers/csi/csi.proto"
NAME = "directory.csi.kube-runbooks.test"
GIB = 2**30

messages, services = grpc.protos_and_services(PROTO)


class Driver:
    """A context manager: it answers at `address` while the block lasts. What is stored outlives it."""

    def __init__(self, folder: Path, name: str = NAME) -> None:
        self.name = name
        self.volumes, self.snapshots = folder / "volumes", folder / "snapshots"
        for made in (self.volumes, self.snapshots):
            made.mkdir(parents=True, exist_ok=True)
        self.why_not = ""
        self.is_ready = True
        self.asked: list[str] = []
        self._lock = threading.Lock()
        self._socket = tempfile.TemporaryDirectory(prefix="csi-")
        self.address = f"unix://{self._socket.name}/csi.sock"
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8, thread_name_prefix="csi"))
        services.add_IdentityServicer_to_server(_Identity(self), self._server)
        services.add_ControllerServicer_to_server(_Controller(self), self._server)

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

    def cut(self, name: str, volume: str) -> dict[str, Any]:
        """Once for each name. The first answer decides the time."""
        with self._lock:
            made = self.snapshots / f"snap-{_short(name)}"
            if not made.exists():
                size = json.loads((self.volumes / volume / "about.json").read_text())["size"]
                about = {"volume": volume, "size": size, "time": time.time_ns()}
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
        shutil.copytree(origin / "data", unfinished / "data")
    else:
        (unfinished / "data").mkdir(parents=True)
    unfinished.rename(made)


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:12]


class _Identity(services.IdentityServicer):  # type: ignore[misc, name-defined]
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def GetPluginInfo(self, *_: object) -> object:  # noqa: N802 - the specification's name
        return messages.GetPluginInfoResponse(name=self._driver.name, vendor_version="1")

    def GetPluginCapabilities(self, *_: object) -> object:  # noqa: N802
        kind = messages.PluginCapability.Service.CONTROLLER_SERVICE
        service = messages.PluginCapability.Service(type=kind)
        return messages.GetPluginCapabilitiesResponse(capabilities=[messages.PluginCapability(service=service)])

    def Probe(self, *_: object) -> object:  # noqa: N802
        answer = messages.ProbeResponse()
        answer.ready.value = True
        return answer


class _Controller(services.ControllerServicer):  # type: ignore[misc, name-defined]
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def ControllerGetCapabilities(self, *_: object) -> object:  # noqa: N802
        one = messages.ControllerServiceCapability
        kinds = (one.RPC.CREATE_DELETE_VOLUME, one.RPC.CREATE_DELETE_SNAPSHOT, one.RPC.LIST_SNAPSHOTS)
        return messages.ControllerGetCapabilitiesResponse(capabilities=[one(rpc=one.RPC(type=kind)) for kind in kinds])

    def CreateVolume(self, request: Any, context: grpc.ServicerContext) -> object:  # noqa: N802, ANN401 - built at run time
        handle = request.volume_content_source.snapshot.snapshot_id
        origin = self._driver.snapshots / handle if handle else None
        if origin and not origin.exists():
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no snapshot {handle}")
        made = self._driver.make_volume(request.name, request.capacity_range.required_bytes, origin)
        volume = messages.Volume(volume_id=made["id"], capacity_bytes=made["size"])
        if handle:
            volume.content_source.CopyFrom(request.volume_content_source)
        return messages.CreateVolumeResponse(volume=volume)

    def DeleteVolume(self, request: Any, _: object) -> object:  # noqa: N802, ANN401
        shutil.rmtree(self._driver.volumes / request.volume_id, ignore_errors=True)
        return messages.Nothing()

    def CreateSnapshot(self, request: Any, context: grpc.ServicerContext) -> object:  # noqa: N802, ANN401
        self._driver.asked.append(request.name)
        if self._driver.why_not:
            context.abort(grpc.StatusCode.INTERNAL, self._driver.why_not)
        if not (self._driver.volumes / request.source_volume_id).exists():
            context.abort(grpc.StatusCode.NOT_FOUND, f"there is no volume {request.source_volume_id}")
        made = self._driver.cut(request.name, request.source_volume_id)
        return messages.CreateSnapshotResponse(snapshot=_snapshot(made))

    def DeleteSnapshot(self, request: Any, _: object) -> object:  # noqa: N802, ANN401
        shutil.rmtree(self._driver.snapshots / request.snapshot_id, ignore_errors=True)
        return messages.Nothing()

    def ListSnapshots(self, request: Any, _: object) -> object:  # noqa: N802, ANN401
        return messages.ListSnapshotsResponse(
            entries=[messages.ListSnapshotsResponse.Entry(snapshot=_snapshot(one)) for one in self._matching(request)]
        )

    def _matching(self, request: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
        for handle in sorted(self._driver.handles()):
            found = self._driver.look(handle)
            if request.snapshot_id in {"", handle} and request.source_volume_id in {"", found["volume"]}:
                yield found


def _snapshot(made: dict[str, Any]) -> object:
    snapshot = messages.Snapshot(
        snapshot_id=made["id"], source_volume_id=made["volume"], size_bytes=made["size"], ready_to_use=made["ready"]
    )
    snapshot.creation_time.FromNanoseconds(made["time"])
    return snapshot
