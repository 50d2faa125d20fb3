"""A control plane whose controllers sign certificates of clients, and which knows its own address as kubeadm's does."""

from pathlib import Path
from typing import Self

import yaml

from tests.servers.kubernetes import ControlPlane


class SigningControlPlane(ControlPlane):
    """It has a namespace `shop` and kubeadm's configuration."""

    def __init__(self, folder: Path, *more: str) -> None:
        """`more` are flags of the controller manager."""
        ca = folder / "pki/kubernetes-ca"
        flags = (f"--cluster-signing-cert-file={ca}.crt", f"--cluster-signing-key-file={ca}.key", *more)
        super().__init__(folder, controllers_flags=flags)
        self.authority.write_key()

    def __enter__(self) -> Self:
        super().__enter__()
        configuration = {"kind": "ClusterConfiguration", "controlPlaneEndpoint": f"127.0.0.1:{self.port}"}
        data = {"ClusterConfiguration": yaml.safe_dump({"apiVersion": "kubeadm.k8s.io/v1beta4", **configuration})}
        self.api.create(
            "/api/v1/namespaces/kube-system/configmaps", {"metadata": {"name": "kubeadm-config"}, "data": data}
        )
        self.api.create("/api/v1/namespaces", {"metadata": {"name": "shop"}})
        return self
