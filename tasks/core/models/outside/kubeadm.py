"""kubeadm's ClusterConfiguration."""

from typing import Any

from pydantic import Field

from tasks.core.models.outside.answers import InYaml


class KubeadmNetworking(InYaml):
    """Of a ClusterConfiguration."""

    dns_domain: str = ""
    service_subnet: str = ""


class KubeadmApiServer(InYaml):
    """Of a ClusterConfiguration."""

    cert_sans: tuple[str, ...] = Field(default=(), alias="certSANs")


class KubeadmLocalEtcd(InYaml):
    """Of a ClusterConfiguration."""

    image_tag: str = ""
    server_cert_sans: tuple[str, ...] = Field(default=(), alias="serverCertSANs")
    peer_cert_sans: tuple[str, ...] = Field(default=(), alias="peerCertSANs")


class KubeadmEtcd(InYaml):
    """Of a ClusterConfiguration."""

    local: KubeadmLocalEtcd = KubeadmLocalEtcd()
    external: dict[str, Any] = Field(default={})


class ClusterConfiguration(InYaml):
    """kubeadm's own, as far as anybody here asks."""

    kubernetes_version: str = ""
    control_plane_endpoint: str = ""
    networking: KubeadmNetworking = KubeadmNetworking()
    api_server: KubeadmApiServer = KubeadmApiServer()
    etcd: KubeadmEtcd = KubeadmEtcd()
