"""Models who pulls images with which Secrets."""

from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.objects import Metadata
from tasks.core.models.outside.pods import Reference
from tasks.core.models.outside.rollouts import RolledMetadata


class IdentifiedMetadata(Metadata):
    """This is the metadata of an object that is known by its uid."""

    uid: str


class Identified(Outside):
    """This is any object that is known by its uid, also one without a namespace."""

    metadata: IdentifiedMetadata


class PullingAccount(Outside):
    """This is a v1 ServiceAccount, with the Secrets that its new pods pull with."""

    metadata: RolledMetadata
    image_pull_secrets: tuple[Reference, ...] = ()
    """Only pods that name no Secret themselves get them, when they are created."""
