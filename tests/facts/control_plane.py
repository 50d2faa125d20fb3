"""What nodes of a kubeadm cluster have printed."""

import base64
from pathlib import Path

DATA = Path(__file__).parents[1] / "unit" / "data" / "control_plane"
CP1 = (DATA / "cp1.stdout").read_text()
MANIFEST = (DATA / "etcd.yaml").read_text()


def encoded(text: str) -> str:
    """As the node prints it."""
    return base64.b64encode(text.encode()).decode()
