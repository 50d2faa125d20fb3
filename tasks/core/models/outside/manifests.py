"""Models static pods as their manifests on a node define them."""

from typing import Any

from pydantic import Field

from tasks.core.models.outside.answers import InYaml


class ManifestMetadata(InYaml):
    """This is the metadata of a static pod."""

    annotations: dict[str, str] = Field(default={})
    labels: dict[str, str] = Field(default={})


class Mount(InYaml):
    """This is the mount of a volume in a container."""

    name: str = ""
    mount_path: str = ""
    sub_path: str = ""


class HostPath(InYaml):
    """This is a path on the node."""

    path: str


class ManifestVolume(InYaml):
    """This is a volume of a static pod."""

    name: str = ""
    host_path: HostPath | None = None


class ManifestContainer(InYaml):
    """This is a container of a static pod."""

    name: str = ""
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[dict[str, Any], ...] = ()
    volume_mounts: tuple[Mount, ...] = ()


class ManifestSpec(InYaml):
    """This is the spec of a static pod."""

    containers: tuple[ManifestContainer, ...] = ()
    volumes: tuple[ManifestVolume, ...] = ()


class Manifest(InYaml):
    """This is a static pod as its manifest on a node defines it."""

    metadata: ManifestMetadata = ManifestMetadata()
    spec: ManifestSpec = ManifestSpec()

    @property
    def container(self) -> ManifestContainer:
        """Returns the first container; an empty container if there is none."""
        return next(iter(self.spec.containers), ManifestContainer())
