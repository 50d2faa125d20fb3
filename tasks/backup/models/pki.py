"""Models the key material of the control plane as a node has it.

It covers what kubeadm made, and what the node's API server is configured with.
"""

from pydantic import Field

from tasks.core.models.base import Model, UtcTime
from tasks.core.models.plan import Caution, Skip

SHARED = (
    "pki/ca.crt",
    "pki/ca.key",
    "pki/sa.key",
    "pki/sa.pub",
    "pki/front-proxy-ca.crt",
    "pki/front-proxy-ca.key",
    "pki/etcd/ca.crt",
    "pki/etcd/ca.key",
)
"""Lists the files that are the same on every control plane node, by kubeadm's names.

All other files can be made again from these.
"""

ENCRYPTION = "encryption-provider-config"
"""Names the API server's flag for the file with the keys of the Secrets in etcd."""

CLUSTER_CONFIGURATION = "kubeadm-config.yaml"
"""Names the file in the archive that `kubeadm init --config` takes."""


class NodeFile(Model):
    """Describes a file on a node."""

    path: str
    sha256: str
    mode: str = Field(description="octal, for example 600")
    owner: str = Field(description="user:group")


class NamedFile(Model):
    """Describes a file that the API server's manifest names, with its path on the node."""

    flag: str = Field(description="for example encryption-provider-config")
    path: str


class PkiSource(Model):
    """Names the node that the key material is read from, the files that are absent, and what a person should check."""

    node: str
    absent: tuple[Skip, ...] = ()
    cautions: tuple[Caution, ...] = ()


class PkiIndex(Model):
    """Represents `index.json`, the first file in the archive: what was where, and how a rebuilt node must have it."""

    cluster: str
    node: str
    read_at: UtcTime
    files: tuple[NodeFile, ...]
    absent: tuple[Skip, ...]
    cautions: tuple[Caution, ...]
