"""Models the resources that the API knows."""

from collections.abc import Mapping
from typing import NamedTuple


class Resource(NamedTuple):
    """Holds whether a resource is in namespaces, and the names of its subresources."""

    in_namespaces: bool
    subresources: frozenset[str] = frozenset()


Resources = Mapping[tuple[str, str], Resource]
"""This type maps the group and the name of a resource to what the API says about it."""


class Served(NamedTuple):
    """Holds a resource in one version of its group."""

    group: str
    version: str
    resource: str
    kind: str
    verbs: tuple[str, ...]
