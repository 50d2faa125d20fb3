"""Models ConfigMaps, Secrets, and what they contain."""

from http import HTTPStatus

from pydantic import Field

from tasks.core.models.outside.answers import InYaml, Outside
from tasks.core.models.outside.objects import Placed, PlacedMetadata, ReadMetadata, WrittenMetadata


class Secret(Placed):
    """This is a v1 Secret."""

    type: str = ""
    data: dict[str, str] = Field(default={})


class TokenHeader(Outside):
    """This is the header of a service account's token."""

    kid: str = ""


class ConfigMap(Outside):
    """This is a v1 ConfigMap."""

    data: dict[str, str] = Field(default={})


class PlacedConfigMap(ConfigMap):
    """This is a v1 ConfigMap that every namespace has."""

    metadata: PlacedMetadata


class WatchedConfigMap(ConfigMap):
    """This is a v1 ConfigMap with its resource version."""

    metadata: ReadMetadata


class WatchedObject(Outside):
    """This is the object in a watch event: a ConfigMap, or a Status."""

    data: dict[str, str] = Field(default={})
    code: int = 0


class WatchEvent(Outside):
    """This is one line of a watch."""

    type: str
    object: WatchedObject = WatchedObject()

    @property
    def id(self) -> str:
        """Returns the id in the event's ConfigMap; empty if it has none."""
        return self.object.data.get("id", "")

    @property
    def is_gone(self) -> bool:
        """Checks whether the requested resource version is gone: 410."""
        return self.type == "ERROR" and self.object.code == HTTPStatus.GONE


class WrittenConfigMap(Outside):
    """This is a v1 ConfigMap of which only the time of writing is read."""

    metadata: WrittenMetadata


class InfoCluster(Outside):
    """This is the cluster entry in cluster-info: where a joining node finds the API, and what it trusts."""

    certificate_authority_data: str = Field(alias="certificate-authority-data")


class InfoEntry(Outside):
    """This is the one entry of cluster-info."""

    cluster: InfoCluster


class InfoConfig(Outside):
    """This is the kubeconfig in cluster-info."""

    clusters: tuple[InfoEntry, ...] = Field(min_length=1)


class TrustingCluster(InYaml):
    """This is the cluster of a kubeconfig: what its users trust."""

    certificate_authority_data: str = Field(default="", alias="certificate-authority-data")
    certificate_authority: str = Field(default="", alias="certificate-authority", description="a file that has it")


class TrustingEntry(InYaml):
    """This is one entry of a kubeconfig's list of clusters."""

    cluster: TrustingCluster = TrustingCluster()


class TrustingConfig(InYaml):
    """This is a kubeconfig of which only the trusted CA is read."""

    clusters: tuple[TrustingEntry, ...] = ()


class KubeconfigUser(InYaml):
    """This is the user of a kubeconfig: the certificate that identifies it."""

    client_certificate_data: str = Field(default="", alias="client-certificate-data")
    client_certificate: str = Field(default="", alias="client-certificate", description="a file that has it")


class KubeconfigUserEntry(InYaml):
    """This is one entry of a kubeconfig's list of users."""

    name: str = ""
    user: KubeconfigUser = KubeconfigUser()


class KubeconfigContext(InYaml):
    """This is the context of a kubeconfig: the name of its user."""

    user: str = ""


class KubeconfigContextEntry(InYaml):
    """This is one entry of a kubeconfig's list of contexts."""

    name: str = ""
    context: KubeconfigContext = KubeconfigContext()


class KnownKubeconfig(InYaml):
    """This is a kubeconfig of which only the user is read."""

    current_context: str = Field(default="", alias="current-context")
    contexts: tuple[KubeconfigContextEntry, ...] = ()
    users: tuple[KubeconfigUserEntry, ...] = ()

    @property
    def user(self) -> KubeconfigUser:
        """Returns the user of the current context. If there is none, it returns a user without a certificate."""
        name = next((one.context.user for one in self.contexts if one.name == self.current_context), "")
        return next((one.user for one in self.users if one.name == name), KubeconfigUser())
