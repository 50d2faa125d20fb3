"""ConfigMaps, Secrets, and what is written in them."""

from pydantic import Field

from tasks.core.models.outside.answers import Outside
from tasks.core.models.outside.objects import Placed, PlacedMetadata, WrittenMetadata


class Secret(Placed):
    """v1 Secret."""

    data: dict[str, str] = Field(default={})


class TokenHeader(Outside):
    """Of a service account's token."""

    kid: str = ""


class ConfigMap(Outside):
    """v1 ConfigMap."""

    data: dict[str, str] = Field(default={})


class PlacedConfigMap(ConfigMap):
    """v1 ConfigMap that each namespace has."""

    metadata: PlacedMetadata


class WrittenConfigMap(Outside):
    """v1 ConfigMap, of which only matters when it was written."""

    metadata: WrittenMetadata


class InfoCluster(Outside):
    """Where a node that joins finds the API, and what it trusts."""

    certificate_authority_data: str = Field(alias="certificate-authority-data")


class InfoEntry(Outside):
    """The one of cluster-info."""

    cluster: InfoCluster


class InfoConfig(Outside):
    """The kubeconfig in cluster-info."""

    clusters: tuple[InfoEntry, ...] = Field(min_length=1)
