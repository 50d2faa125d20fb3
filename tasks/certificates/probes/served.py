"""Describes the certificates that a node's ports present, and the file that each port is configured to serve."""

from collections.abc import Iterator

from tasks.certificates.models.inventory import Kind, Process, Served
from tasks.certificates.probes.answer import Answer, decoded, told_in
from tasks.certificates.probes.closer import etcd_flag_at
from tasks.certificates.probes.x509 import described
from tasks.core.models.kubeadm import ETCD, KUBELET


def served_by(answer: Answer) -> Iterator[Served]:
    """Yields the result for each port that was queried."""
    for line in answer.told.all("served"):
        name, port, *encoded = line.split(" ")
        path = _file_at(answer, name, int(port))
        one, raw = next(described(decoded("".join(encoded)), path=path, kind=Kind.SERVING, now=answer.now))
        yield Served(
            port=int(port),
            name=name,
            path=path,
            certificate=one.model_copy(update={"node": answer.node}) if raw else None,
            process=_process(answer, name),
            problem="" if raw else "what it presents is no certificate",
        )
    for line in answer.told.all("silent"):
        name, port, why = line.split(" ")
        problem = f"it presents no certificate: {told_in(why).removesuffix(';')}"
        path = _file_at(answer, name, int(port))
        yield Served(port=int(port), name=name, path=path, process=_process(answer, name), problem=problem)


def _process(answer: Answer, name: str) -> Process | None:
    return next((process for process in answer.processes if process.name == name), None)


def _file_at(answer: Answer, name: str, port: int) -> str:
    """Returns the certificate file that the program is configured to serve at a port, or an empty string for none."""
    if name == KUBELET:
        own = (str(answer.places.shape.kubelet.pki / file) for file in ("kubelet-server-current.pem", "kubelet.crt"))
        return answer.shown(answer.kubelet.serving_file) or next((path for path in own if path in answer.files), "")
    flag = etcd_flag_at(answer, port) if name == ETCD else "tls-cert-file"
    return answer.shown(answer.file_of(name, flag))
