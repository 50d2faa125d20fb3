"""What the ports of a node present, and which file each was told to serve."""

from collections.abc import Iterator

from tasks.certificates.models.inventory import Kind, Served
from tasks.certificates.probes.answer import Answer, decoded
from tasks.certificates.probes.x509 import described
from tasks.core.models.kubeadm import KUBELET, KUBELET_PKI

CLIENT_PORT, PEER_PORT, KUBELET_PORT, CONTROLLERS_PORT, SCHEDULER_PORT = 2379, 2380, 10250, 10257, 10259


def served_by(answer: Answer) -> Iterator[Served]:
    """Each port that was asked."""
    for line in answer.told.all("served"):
        name, port, *encoded = line.split(" ")
        path = _file_at(answer, name, int(port))
        text = decoded(encoded[0]) if encoded else b""
        one, raw = next(described(text, path=path, kind=Kind.SERVING, now=answer.now))
        yield Served(
            port=int(port),
            name=name,
            path=path,
            certificate=one.model_copy(update={"node": answer.node}) if raw else None,
            process=next((process for process in answer.processes if process.name == name), None),
            problem="" if raw else "it presents no certificate",
        )


def _file_at(answer: Answer, name: str, port: int) -> str:
    """That the program was told to serve there; empty for none."""
    if name == KUBELET:
        own = (f"{KUBELET_PKI}/kubelet-server-current.pem", f"{KUBELET_PKI}/kubelet.crt")
        return answer.kubelet.serving_file or next((path for path in own if path in answer.files), "")
    flag = {CLIENT_PORT: "cert-file", PEER_PORT: "peer-cert-file"}.get(port, "tls-cert-file")
    return answer.flags.get(name, {}).get(flag, "")
