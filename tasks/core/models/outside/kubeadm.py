"""Models kubeadm's ClusterConfiguration."""

from typing import Any

from pydantic import Field

from tasks.core.models.outside.answers import InYaml


class KubeadmNetworking(InYaml):
    """This is the networking section of a ClusterConfiguration."""

    dns_domain: str = ""
    service_subnet: str = ""
    pod_subnet: str = ""


class KubeadmApiServer(InYaml):
    """This is the API server section of a ClusterConfiguration."""

    cert_sans: tuple[str, ...] = Field(default=(), alias="certSANs")


class KubeadmLocalEtcd(InYaml):
    """This is the local etcd section of a ClusterConfiguration."""

    image_tag: str = ""
    server_cert_sans: tuple[str, ...] = Field(default=(), alias="serverCertSANs")
    peer_cert_sans: tuple[str, ...] = Field(default=(), alias="peerCertSANs")


class KubeadmEtcd(InYaml):
    """This is the etcd section of a ClusterConfiguration."""

    local: KubeadmLocalEtcd = KubeadmLocalEtcd()
    external: dict[str, Any] = Field(default={})


class ClusterConfiguration(InYaml):
    """This is kubeadm's ClusterConfiguration, with the fields that are needed here."""

    kubernetes_version: str = ""
    control_plane_endpoint: str = ""
    certificates_dir: str = ""
    networking: KubeadmNetworking = KubeadmNetworking()
    api_server: KubeadmApiServer = KubeadmApiServer()
    etcd: KubeadmEtcd = KubeadmEtcd()
