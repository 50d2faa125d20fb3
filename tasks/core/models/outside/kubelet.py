"""Models the kubelet's own configuration."""

from pydantic import Field

from tasks.core.models.outside.answers import InYaml, Outside


class KubeletX509(InYaml):
    """This is how the kubelet authenticates its clients by certificate."""

    client_ca_file: str = Field(default="", alias="clientCAFile")


class KubeletAuthentication(InYaml):
    """This is how the kubelet authenticates its clients."""

    x509: KubeletX509 = KubeletX509()


class ClientConnection(InYaml):
    """This names the kubeconfig with which a component connects to the API."""

    kubeconfig: str = ""


class LeaderElection(InYaml):
    """This is how a component elects its leader; None is a value that is not given."""

    leader_elect: bool | None = None
    resource_name: str = ""
    resource_namespace: str = ""


class ComponentConfig(InYaml):
    """This is a KubeSchedulerConfiguration: its connection to the API, and how it elects a leader."""

    client_connection: ClientConnection = ClientConnection()
    leader_election: LeaderElection = LeaderElection()


class KubeletTrust(InYaml):
    """This is a KubeletConfiguration of which only the authentication of clients is read."""

    authentication: KubeletAuthentication = KubeletAuthentication()


class Anonymous(Outside):
    """This is whether a kubelet answers requests without a credential."""

    enabled: bool


class RunningAuthentication(Outside):
    """This is how a running kubelet authenticates its clients."""

    anonymous: Anonymous


class RunningAuthorization(Outside):
    """This is how a running kubelet authorizes its clients."""

    mode: str


class RunningConfiguration(Outside):
    """This is the configuration of a running kubelet, with its defaults. It leaves a port out that it does not open."""

    authentication: RunningAuthentication
    authorization: RunningAuthorization
    read_only_port: int = 0


class RunningKubelet(Outside):
    """This is the answer of a kubelet at /configz."""

    kubeletconfig: RunningConfiguration
