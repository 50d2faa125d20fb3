"""What the API hands out of CAs, as the cluster itself has written it."""

import base64
from typing import Any

import yaml


def cluster_info(bundle: str) -> dict[str, Any]:
    """As kubeadm makes it, with a signature of a bootstrap token."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "",
                "cluster": {
                    "certificate-authority-data": base64.b64encode(bundle.encode()).decode(),
                    "server": "https://api.example.org:6443",
                },
            }
        ],
    }
    return {
        "metadata": {"name": "cluster-info", "resourceVersion": "7"},
        "data": {"kubeconfig": yaml.safe_dump(config), "jws-kubeconfig-abcdef": "x..y"},
    }


def root(namespace: str, text: str, written: str) -> dict[str, Any]:
    """kube-root-ca.crt, as the controller manager has written it."""
    fields = [{"manager": "kube-controller-manager", "time": written}, {"manager": "nobody"}]
    metadata = {
        "name": "kube-root-ca.crt",
        "namespace": namespace,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": fields,
    }
    return {"metadata": metadata, "data": {"ca.crt": text}}
