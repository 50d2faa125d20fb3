"""Parses the configuration with which a kubelet runs."""

from typing import Any

from tasks.access.models.logins import Kubelet
from tasks.core.models import outside


def configuration_of(node: str) -> str:
    """Returns the path at which the API fetches the configuration of a kubelet."""
    return f"/api/v1/nodes/{node}/proxy/configz"


def parse_kubelet(node: str, raw: dict[str, Any]) -> Kubelet:
    """Parses the answer at `configuration_of` a node."""
    told = outside.RunningKubelet.read(raw, f"the configuration of the kubelet on {node}").kubeletconfig
    return Kubelet(
        node=node,
        anonymous=told.authentication.anonymous.enabled,
        mode=told.authorization.mode,
        read_only_port=told.read_only_port,
    )
