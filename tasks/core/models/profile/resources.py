"""Defines which objects of the API a backup of resources has, and how long it is kept."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from tasks.core.models.approval import Reasons
from tasks.core.models.base import Model
from tasks.core.models.retention import Retention

KindPattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9*?.-]{1,253}$")]
NamespacePattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9*?-]{1,63}$")]


class ResourceFilter(Model):
    """This fits objects by kind and namespace; an empty list fits all. `*` and `?` stand for any text."""

    COVERED: ClassVar[Reasons] = {"kinds namespaces": "which objects a backup has"}

    kinds: tuple[KindPattern, ...] = Field(
        default=(), description="kinds as kubectl names them, for example deployments.apps, secrets or *.example.com"
    )
    namespaces: tuple[NamespacePattern, ...] = Field(
        default=(),
        description="namespaces; a Namespace is in itself, and other objects without a namespace fit only an empty list",
    )


class ResourceRules(Model):
    """These rules define the backups of the API's objects."""

    COVERED: ClassVar[Reasons] = {
        "include exclude": "which objects a backup has",
        "retention": "which backups are deleted",
    }

    include: tuple[ResourceFilter, ...] = Field(default=(), description="back up only these; default: everything")
    exclude: tuple[ResourceFilter, ...] = Field(default=(), description="do not back up these")
    retention: Retention = Retention(last=24, daily=14, weekly=8, monthly=12)
