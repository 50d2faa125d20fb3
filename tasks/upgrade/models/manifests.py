"""Static pods of a control plane as they are, beside what kubeadm would write in their place."""

from pydantic import Field

from tasks.core.models.base import Model


class PodShape(Model):
    """What a manifest sets, as far as one is compared with another one. It holds no value of a variable."""

    flags: dict[str, tuple[str, ...]] = Field(default={}, description="name without dashes to its values")
    mounts: dict[str, str] = Field(default={}, description="path in the container to what is mounted there")
    rest: dict[str, str] = Field(
        default={}, description="any other field, variables among them, to a digest of its value"
    )


class StaticManifest(Model):
    """A component of a node."""

    component: str
    found: PodShape | None = Field(default=None, description="none: there is no manifest, or it is not understood")
    problem: str = Field(default="", description="why it is not understood")
    rendered: PodShape | None = Field(
        default=None, description="what kubeadm writes; none: it does not, or it is not known"
    )


class NodeManifests(Model):
    """All of a control plane node."""

    node: str
    problem: str = Field(default="", description="why it is not known what kubeadm would write")
    manifests: tuple[StaticManifest, ...] = ()


class Loss(Model):
    """Something that a manifest has, and that kubeadm would not write."""

    component: str
    words: str = Field(description="as a person knows it: a flag with its value, a mount, a field")
    harm: str = Field(
        default="", description="why nothing may be upgraded without it; empty: a person should look at it"
    )
