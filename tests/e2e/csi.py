"""Storage for a lab: the real sidecars, the driver of our own, and a kubelet that mounts its volumes."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import yaml

from tests.lab.lab import Lab
from tests.servers.csi.node import DATA, NodePlugin
from tests.servers.csi.storage import LIMIT, STORAGE, Storage
from tests.servers.kubernetes import Api
from tests.servers.pki import KeyPair
from tests.servers.processes import wait_until


class LabCluster:
    """The API of a lab, as its administrator, through the load balancer."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._config = (lab.folder / "admin.conf").read_text()
        parsed = yaml.safe_load(self._config)
        cluster, user = parsed["clusters"][0]["cluster"], parsed["users"][0]["user"]
        folder.mkdir(parents=True, exist_ok=True)
        parts = {
            "ca.crt": cluster["certificate-authority-data"],
            "admin.crt": user["client-certificate-data"],
            "admin.key": user["client-key-data"],
        }
        for name, data in parts.items():
            (folder / name).touch(mode=0o600)
            (folder / name).write_bytes(base64.b64decode(data))
        self.api = Api(cluster["server"], folder / "ca.crt", KeyPair(folder / "admin.crt", folder / "admin.key"))

    def kubeconfig(self) -> str:
        """Of the administrator."""
        return self._config


LabStorage: TypeAlias = Storage[LabCluster]


@contextmanager
def storage_on(lab: Lab, node: str, folder: Path) -> Iterator[LabStorage]:
    """Claims of its class get volumes, which the kubelet of this one node mounts. The storage is the node's own disk."""
    machine = lab[node]
    kubelet = machine.folder / "kubelet"
    with (
        Storage(LabCluster(lab, folder / "user"), folder, data=kubelet / DATA, attaches=True) as storage,
        storage.provisioning(),
        NodePlugin(storage.driver, node, kubelet, machine.run) as plugin,
    ):
        path = f"{STORAGE}/csinodes/{node}"
        wait_until(lambda: storage.api.get(path)["spec"].get("drivers"), LIMIT, f"the driver is registered on {node}")
        wait_until(lambda: plugin.status[-1:] == ["registered"], LIMIT, "the kubelet says so")
        yield storage
