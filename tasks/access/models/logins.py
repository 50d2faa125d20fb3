"""Models how API servers and kubelets find out who asks, and whether they ask what it may do."""

from pydantic import Field

from tasks.core.models.base import Model


class ApiServer(Model):
    """This is an API server by the flags of its manifest."""

    node: str
    flags: dict[str, str] = Field(description="name without dashes to value")


class Kubelet(Model):
    """This is a kubelet by the configuration with which it runs."""

    node: str
    anonymous: bool = Field(description="it answers requests without a credential")
    mode: str = Field(description="Webhook asks the API; AlwaysAllow asks nobody")
    read_only_port: int = Field(description="a port that needs no credential; 0: there is none")


class Logins(Model):
    """This is what was read of all nodes."""

    servers: tuple[ApiServer, ...] = ()
    kubelets: tuple[Kubelet, ...] = ()
    unread: tuple[str, ...] = Field(default=(), description="what was not read, with the reason")
