"""The files of an authority in each state of its rotation, and which flags name them."""

from enum import StrEnum
from typing import NamedTuple

from tasks.certificates.models.kubeadm import AUTHORITIES
from tasks.core.models.kubeadm import API_SERVER, CONTROLLER_MANAGER, ETCD, Authority


class State(StrEnum):
    """Where a node stands."""

    ONLY_OLD = "only-old"
    BOTH = "both"
    NEW_SIGNS = "new-signs"
    ONLY_NEW = "only-new"
    BETWEEN = "between"
    """It believes both, and a run was cut off while it changed who signs."""
    BROKEN = "broken"
    """It signs with what it does not believe."""
    FOREIGN = "foreign"
    """It believes one that is neither the old nor the new one."""


OLD, NEW = "old", "new"


class Files(NamedTuple):
    """Of which halves an authority's files are made in a state: what is believed, the first of which signs."""

    trusted: tuple[str, ...]
    signs: str


FILES = {
    State.ONLY_OLD: Files((OLD,), OLD),
    State.BOTH: Files((OLD, NEW), OLD),
    State.NEW_SIGNS: Files((NEW, OLD), NEW),
    State.ONLY_NEW: Files((NEW,), NEW),
}
"""kubeadm signs with the first certificate of a file, so the first one has to be that of the key beside it."""

TRUST = {**AUTHORITIES, Authority.SERVICE_ACCOUNTS: "pki/sa.pub"}
"""The file with what is believed, below kubeadm's folder."""

SIGNING_FILE = "pki/ca-signing.crt"
"""The cluster's authority alone, while `ca.crt` has two: the controller manager signs with a file of exactly one certificate."""

SIGNING_FLAG = "cluster-signing-cert-file"

FLAGS = {
    Authority.CLUSTER: {
        f"{API_SERVER} --client-ca-file": "pki/ca.crt",
        f"{CONTROLLER_MANAGER} --client-ca-file": "pki/ca.crt",
        f"{CONTROLLER_MANAGER} --root-ca-file": "pki/ca.crt",
        f"{CONTROLLER_MANAGER} --cluster-signing-key-file": "pki/ca.key",
    },
    Authority.ETCD: {
        f"{API_SERVER} --etcd-cafile": "pki/etcd/ca.crt",
        f"{ETCD} --trusted-ca-file": "pki/etcd/ca.crt",
        f"{ETCD} --peer-trusted-ca-file": "pki/etcd/ca.crt",
    },
    Authority.FRONT_PROXY: {
        f"{API_SERVER} --requestheader-client-ca-file": "pki/front-proxy-ca.crt",
        f"{CONTROLLER_MANAGER} --requestheader-client-ca-file": "pki/front-proxy-ca.crt",
    },
    Authority.SERVICE_ACCOUNTS: {
        f"{API_SERVER} --service-account-key-file": "pki/sa.pub",
        f"{API_SERVER} --service-account-signing-key-file": "pki/sa.key",
        f"{CONTROLLER_MANAGER} --service-account-private-key-file": "pki/sa.key",
    },
}
"""By which flags it is read. All of these files may hold several, but the last ones, which sign."""


def key_file(authority: Authority) -> str:
    """Below kubeadm's folder."""
    return f"{TRUST[authority].rpartition('.')[0]}.key"


def is_single(authority: Authority, state: State) -> bool:
    """The file of the cluster's authority has one certificate, so that the controller manager signs with it itself."""
    return authority is not Authority.CLUSTER or len(FILES[state].trusted) == 1


def signing_file(authority: Authority, state: State) -> str:
    """That the controller manager is told to sign with, below kubeadm's folder."""
    return TRUST[Authority.CLUSTER] if is_single(authority, state) else SIGNING_FILE
