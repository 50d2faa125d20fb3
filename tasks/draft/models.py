"""Holds what a cluster reports about itself and its profile must contain too."""

from pathlib import PurePosixPath

from pydantic import Field

from tasks.core.models.base import Model


class SeenNode(Model):
    """This is a node, as the API reports it."""

    name: str
    address: str = Field(default="", description="internal, else external; empty where the API has none")
    control_plane: bool = False


class Seen(Model):
    """This is a cluster, as its API reports it."""

    nodes: tuple[SeenNode, ...]
    server: str = Field(description="address of the API in the kubeconfig")
    endpoint: str = Field(default="", description="controlPlaneEndpoint")
    folder: PurePosixPath | None = Field(default=None, description="kubeadm's, where the scheduler's kubeconfig is")
    certificates_dir: str = ""
    external_etcd: tuple[str, ...] = Field(default=(), description="URLs of members that are no static pods")
    problems: tuple[str, ...] = Field(
        default=(), description="what was not found, with what that means for the profile"
    )


class Given(Model):
    """Holds what only a person knows. A field is empty if it is left to fill in."""

    ssh_user: str = ""
    ssh_key: str = ""
    known_hosts: str = ""
    bucket: str = ""
    endpoint: str = ""
    region: str = ""


class Draft(Model):
    """This is the text of a profile, with what is left to fill in and how."""

    text: str
    left: tuple[str, ...]
