"""The key material of a control plane as a node has it: what kubeadm made, and what its API server was told to use."""

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
"""Below kubeadm's folder, the same on every control plane node: all the rest can be made anew from these."""

API_SERVER = "manifests/kube-apiserver.yaml"
"""Who has it is a control plane node."""

ETCD = "manifests/etcd.yaml"
"""Who has it runs a member; in a cluster with an external etcd nobody does."""

ENCRYPTION = "encryption-provider-config"
"""The API server's flag that names the keys of the Secrets in etcd."""

CLUSTER_CONFIGURATION = "kubeadm-config.yaml"
"""In the archive: what `kubeadm init --config` takes."""


class NodeFile(Model):
    """A file on a node."""

    path: str
    sha256: str
    mode: str = Field(description="octal, for example 600")
    owner: str = Field(description="user:group")


class NamedFile(Model):
    """A file that the API server's manifest names, where the node has it."""

    flag: str = Field(description="for example encryption-provider-config")
    path: str


class PkiSource(Model):
    """Which node the key material is read from, what is not there to be read, and what a person should look at."""

    node: str
    absent: tuple[Skip, ...] = ()
    cautions: tuple[Caution, ...] = ()


class PkiIndex(Model):
    """`index.json`, first in the archive: what was where, and how a rebuilt node has to have it."""

    cluster: str
    node: str
    read_at: UtcTime
    files: tuple[NodeFile, ...]
    absent: tuple[Skip, ...]
    cautions: tuple[Caution, ...]
