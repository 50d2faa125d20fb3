"""Static pods, as they are written on a node."""

from typing import Any

from pydantic import Field

from tasks.core.models.outside.answers import InYaml


class ManifestMetadata(InYaml):
    """Of a static pod."""

    annotations: dict[str, str] = Field(default={})
    labels: dict[str, str] = Field(default={})


class Mount(InYaml):
    """Of a volume in a container."""

    name: str = ""
    mount_path: str = ""
    sub_path: str = ""


class HostPath(InYaml):
    """A path of the node."""

    path: str


class ManifestVolume(InYaml):
    """Of a static pod."""

    name: str = ""
    host_path: HostPath | None = None


class ManifestContainer(InYaml):
    """Of a static pod."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[dict[str, Any], ...] = ()
    volume_mounts: tuple[Mount, ...] = ()


class ManifestSpec(InYaml):
    """Of a static pod."""

    containers: tuple[ManifestContainer, ...] = ()
    volumes: tuple[ManifestVolume, ...] = ()


class Manifest(InYaml):
    """A static pod, as it is written on a node."""

    metadata: ManifestMetadata = ManifestMetadata()
    spec: ManifestSpec = ManifestSpec()

    @property
    def container(self) -> ManifestContainer:
        """The first one; one that says nothing where there is none."""
        return next(iter(self.spec.containers), ManifestContainer())
