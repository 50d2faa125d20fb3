"""Models what kubeadm rewrites, as it is now: static pods, the kubelet's configuration and the addons.

Beside it stands what kubeadm would write.
"""

from pydantic import Field

from tasks.core.models.base import Model


class PodShape(Model):
    """This is what a manifest or an object sets, as far as two of them are compared.

    It holds no value of a variable.
    """

    flags: dict[str, tuple[str, ...]] = Field(default={}, description="name without dashes to its values")
    mounts: dict[str, str] = Field(default={}, description="path in the container to what is mounted there")
    settings: dict[str, str] = Field(
        default={}, description="of a configuration: the path of each field (`a.b`) to its value"
    )
    rest: dict[str, str] = Field(
        default={}, description="any other field, variables among them, to a digest of its value"
    )


class StaticManifest(Model):
    """This is a component of a node, the kubelet's configuration, or an object of an addon."""

    component: str
    found: PodShape | None = Field(default=None, description="none: there is no manifest, or it is not understood")
    problem: str = Field(default="", description="why it is not understood")
    rendered: PodShape | None = Field(
        default=None, description="what kubeadm writes; none: it does not, or it is not known"
    )


class Patches(Model):
    """This is the folder of `upgrade.patches` on a node."""

    files: dict[str, str] = Field(default={}, description="name to the sha256 of its content")
    problem: str = Field(default="", description="why it cannot be used: it is not there, for example")


class NodeManifests(Model):
    """This holds all manifests of a node. For a worker it holds only the kubelet's configuration and the patches."""

    node: str
    unread: str = Field(default="", description="why nothing of it could be read")
    problem: str = Field(default="", description="why it is not known what kubeadm would write")
    manifests: tuple[StaticManifest, ...] = ()
    kubelet: StaticManifest | None = Field(default=None, description="its configuration; none if it was not read")
    patches: Patches | None = Field(default=None, description="none: the profile names no folder")
    written_to: str = Field(default="", description="the folder of kubeadm's manifests, links followed")
    read_from: str = Field(default="", description="the folder of its kubelet's static pods, links followed")
    configured_by: str = Field(default="", description="the file that its kubelet reads its configuration from")


class Addons(Model):
    """This holds the objects that kubeadm writes with the last control plane node."""

    problem: str = Field(default="", description="why it is not known what kubeadm would write")
    objects: tuple[StaticManifest, ...] = Field(
        default=(),
        description="with `found` and without `rendered`: kubeadm leaves it alone; the other way round: it creates it",
    )


class Loss(Model):
    """This is something that a manifest has and that kubeadm would not write."""

    component: str
    words: str = Field(description="as a person knows it: a flag with its value, a mount, a field")
    harm: str = Field(default="", description="why nothing may be upgraded without it; empty: a person should check it")


class SecretRead(Model):
    """This says if a node's own API server reads a Secret. It holds nothing of the Secret's content."""

    node: str
    secret: str = Field(default="", description="namespace/name of the one that it reads; empty: none")
    problem: str = Field(default="", description="why it reads none")
