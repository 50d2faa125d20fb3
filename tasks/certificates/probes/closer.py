"""Selects the files, kubeconfigs and ports for the second query, by the programs' configuration."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from tasks.certificates.models.kubeadm import AUTHORITIES, LEAVES
from tasks.certificates.probes.answer import Answer
from tasks.core.models.kubeadm import API_SERVER, CONTROLLER_MANAGER, ETCD, KUBELET, SCHEDULER
from tasks.core.models.shape import Address
from tasks.core.probes.addresses import LOOPBACK, address_of_url, reached_at

KEY_FLAGS = {
    "tls-cert-file": "tls-private-key-file",
    "etcd-certfile": "etcd-keyfile",
    "kubelet-client-certificate": "kubelet-client-key",
    "proxy-client-cert-file": "proxy-client-key-file",
    "cluster-signing-cert-file": "cluster-signing-key-file",
    "cert-file": "key-file",
    "peer-cert-file": "peer-key-file",
}
"""Maps the flag for a certificate file to the flag for its key. It covers static pods and etcd's systemd unit."""

TRUST_FLAGS = (
    *("client-ca-file", "etcd-cafile", "kubelet-certificate-authority", "requestheader-client-ca-file", "root-ca-file"),
    *("trusted-ca-file", "peer-trusted-ca-file"),
)
"""Lists the flags that name CA files."""

FILE_FLAGS = (*KEY_FLAGS, *TRUST_FLAGS)

SIGNER_FLAGS = {
    "service-account-key-file": "public",
    "service-account-signing-key-file": "private",
    "service-account-private-key-file": "private",
}

PORTS = {API_SERVER: 6443, CONTROLLER_MANAGER: 10257, SCHEDULER: 10259}
"""Maps each program to its default for --secure-port."""

URLS = {"listen-client-urls": "cert-file", "listen-peer-urls": "peer-cert-file"}
"""Maps the flags for etcd's listen URLs to the flags for the certificates that etcd serves there."""

DEFAULT_PORTS = {"listen-client-urls": 2379, "listen-peer-urls": 2380}
"""These are etcd's ports if no flag sets them. A systemd unit may set them in its environment."""

MOST_OWN_ADDRESSES = 3


def files_named(answer: Answer) -> list[tuple[str, str]]:
    """Returns each certificate file with the file of its key.

    These are the files that flags name, then kubeadm's, then the kubelet's.
    """
    found: dict[str, str] = {}
    for program, flag in ((program, flag) for program in answer.flags for flag in FILE_FLAGS):
        if path := answer.file_of(program, flag):
            key = answer.file_of(program, KEY_FLAGS[flag]) if flag in KEY_FLAGS else ""
            found.setdefault(path, key or key_beside(path))
    for _, pair in answer.serving_pairs:
        found.setdefault(str(pair.certificate), str(pair.key))
    for path in map(answer.kubeadms, expected_files(answer)):
        found.setdefault(path, key_beside(path))
    return [*found.items(), *_of_kubelet(answer)]


def expected_files(answer: Answer) -> list[str]:
    """Returns the certificates that kubeadm makes for the static pods of this node, without kubeconfigs.

    The names are relative to `/etc/kubernetes`.
    """
    leaves = [LEAVES[leaf].file for leaf in expected_leaves(answer)]
    authorities = [AUTHORITIES[LEAVES[leaf].authority] for leaf in expected_leaves(answer)]
    return [file for file in dict.fromkeys((*leaves, *authorities)) if file.endswith(".crt")]


def expected_leaves(answer: Answer) -> tuple[str, ...]:
    """Returns the leaf certificates that a node with these static pods must have.

    It omits super-admin.conf, which is only on the first control plane node, or on none.
    """
    pods = {pod for pod, _, _ in answer.manifests}
    found: list[str] = []
    if API_SERVER in pods:
        found += ["apiserver", "apiserver-kubelet-client", "front-proxy-client", "admin.conf"]
    if ETCD in pods:
        found += ["etcd-server", "etcd-peer", "etcd-healthcheck-client"]
    if {ETCD, API_SERVER} <= pods:
        found.append("apiserver-etcd-client")
    found += [f"{pod.removeprefix('kube-')}.conf" for pod in (CONTROLLER_MANAGER, SCHEDULER) if pod in pods]
    return tuple(leaf for leaf in LEAVES if leaf in found)


LEAF_FLAGS = {
    "apiserver": (API_SERVER, "tls-cert-file"),
    "apiserver-kubelet-client": (API_SERVER, "kubelet-client-certificate"),
    "front-proxy-client": (API_SERVER, "proxy-client-cert-file"),
    "apiserver-etcd-client": (API_SERVER, "etcd-certfile"),
    "etcd-server": (ETCD, "cert-file"),
    "etcd-peer": (ETCD, "peer-cert-file"),
}
"""Maps each leaf certificate to the static pod and the flag that name its file."""

KUBECONFIG_OF = {"controller-manager.conf": CONTROLLER_MANAGER, "scheduler.conf": SCHEDULER}
"""Maps each of kubeadm's kubeconfigs to the static pod that uses it."""


def signers_named(answer: Answer) -> dict[str, str]:
    """Maps each file with service-account keys to `private` or `public`.

    It covers kubeadm's files and those that flags name.
    """
    own = {answer.kubeadms("pki/sa.pub"): "public", answer.kubeadms("pki/sa.key"): "private"}
    named = {
        path: which
        for program in (API_SERVER, CONTROLLER_MANAGER)
        for flag, which in SIGNER_FLAGS.items()
        for path in answer.files_of(program, flag)
    }
    return own | named


def kubeconfigs_of(answer: Answer, copies: Sequence[str]) -> list[str]:
    """Returns the paths of all kubeconfigs: kubeadm's, the kubelet's, those that flags name, and copies."""
    own = [answer.kubeadms(leaf) for leaf in LEAVES if leaf.endswith(".conf")]
    return list(dict.fromkeys((*own, str(answer.places.shape.kubelet.kubeconfig), *kubeconfigs_named(answer), *copies)))


def kubeconfigs_named(answer: Answer) -> dict[str, str]:
    """Maps each kubeconfig with which a controller is configured to what names it."""
    found: dict[str, str] = {}
    for pod in (CONTROLLER_MANAGER, SCHEDULER):
        if path := answer.kubeconfig_of(pod):
            by_flag = path == answer.file_of(pod, "kubeconfig")
            found.setdefault(path, f"--kubeconfig of {pod}" if by_flag else f"the configuration of {pod}")
        for flag in ("authentication-kubeconfig", "authorization-kubeconfig"):
            if path := answer.file_of(pod, flag):
                found.setdefault(path, f"--{flag} of {pod}")
    return found


def ports_of(answer: Answer, api_port: int) -> Iterator[tuple[str, int, tuple[Address, ...]]]:
    """Yields each running program with its port and the addresses at which it can be reached."""
    running = {process.name for process in answer.processes}
    for program, port, hosts in (*_bound(answer, api_port), *_of_etcd(answer)):
        if program in running:
            places = (Address(host=host, port=port) for host in (*hosts, *_own(answer)))
            yield program, port, tuple(dict.fromkeys(places))


def etcd_flag_at(answer: Answer, port: int) -> str:
    """Returns the flag that names the certificate file that etcd serves at a port."""
    return next(flag for urls, flag in URLS.items() if port in _ports(answer, urls))


def problems_of(answer: Answer) -> Iterator[str]:
    """Yields the listen addresses and ports of programs that could not be parsed."""
    for flag in URLS:
        for url in _listens(answer, flag):
            try:
                address_of_url(url)
            except ValueError as error:
                yield f"etcd's --{flag}: {error}"
    for program in PORTS:
        text = answer.flags.get(program, {}).get("secure-port", "")
        if text and not text.isdigit():
            yield f"--secure-port={text} of {program} is no port"


def _bound(answer: Answer, api_port: int) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    for program, default in (PORTS | {API_SERVER: api_port}).items():
        flags = answer.flags.get(program, {})
        if port := _port(flags.get("secure-port", ""), default):
            yield program, port, (reached_at(flags.get("bind-address", "")),)
    kubelet = answer.places.shape.kubelet.address
    yield KUBELET, kubelet.port, (kubelet.host,)


def _of_etcd(answer: Answer) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    for flag in URLS:
        for port, hosts in _ports(answer, flag).items():
            yield ETCD, port, hosts


def _ports(answer: Answer, flag: str) -> dict[int, tuple[str, ...]]:
    """Maps each port at which etcd listens with TLS to its hosts. It uses etcd's default if no flag sets one."""
    found: dict[int, tuple[str, ...]] = {}
    for url in _listens(answer, flag):
        with suppress(ValueError):  # it is among the problems
            one = address_of_url(url)
            found[one.port] = (*found.get(one.port, ()), reached_at(one.host))
    return found or {DEFAULT_PORTS[flag]: (LOOPBACK,)}


def _listens(answer: Answer, flag: str) -> list[str]:
    urls = map(str.strip, answer.flags.get(ETCD, {}).get(flag, "").split(","))
    return [url for url in urls if url.startswith("https://")]


def _port(text: str, default: int) -> int:
    return int(text) if text.isdigit() else default


def _own(answer: Answer) -> list[str]:
    return answer.told.one("addresses").split()[:MOST_OWN_ADDRESSES]


def _of_kubelet(answer: Answer) -> Iterator[tuple[str, str]]:
    pki, told = answer.places.shape.kubelet.pki, answer.kubelet.serving_file
    for name in ("kubelet-client-current.pem", "kubelet-server-current.pem"):
        yield str(pki / name), str(pki / name)
    yield str(pki / "kubelet.crt"), str(pki / "kubelet.key")
    if told:
        yield told, str(answer.places.shape.kubelet.serving_key or "") or key_beside(told)


def key_beside(path: str) -> str:
    """Returns the file in which kubeadm keeps the key of a certificate file."""
    return f"{path.removesuffix('.crt')}.key" if path.endswith(".crt") else path
