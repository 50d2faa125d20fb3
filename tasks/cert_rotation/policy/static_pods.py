"""Whether a static pod has what is on disk: before it is started anew, and as the proof that it was."""

from datetime import datetime

from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.policy.inventory import who_has_not_read


def what_pod_lacks(node: NodeCertificates, pod: str) -> str:
    """Why it does not run with the files that are there; empty when it does."""
    if node.manifests.get(pod) != "active":
        return f"the manifest of {pod} is not in its place"
    process = node.process(pod)
    if process is None:
        return f"{pod} does not run"
    if newer := who_has_not_read(node).get(pod):
        return f"{pod} runs since {process.started_at:%H:%M:%S} UTC, before {', '.join(newer)} was written"
    on_disk = {one.path: one for one in node.certificates if not one.place}
    for served in node.served:
        own = on_disk.get(served.path)
        if served.name == pod and own and served.certificate and served.certificate.fingerprint != own.fingerprint:
            return f"{pod} at {served.port} presents serial {served.certificate.serial}, {served.path} has {own.serial}"
    return ""


def is_silent(node: NodeCertificates, pod: str) -> str:
    """Why it may be starting, or not start at all; empty when it runs and presents a certificate wherever it has to."""
    if node.process(pod) is None:
        return f"{pod} does not run"
    silent = [f"{one.port}" for one in node.served if one.name == pod and one.certificate is None]
    return f"{pod} presents no certificate at {', '.join(silent)}" if silent else ""


def runs_as_before(node: NodeCertificates, pod: str, begun: datetime) -> bool:
    """A rotation has not touched it yet."""
    process = node.process(pod)
    return process is not None and node.manifests.get(pod) == "active" and process.started_at < begun


def has_read_what_went(node: NodeCertificates, pod: str, put_back: datetime) -> bool:
    """It was started before the files of before were back: it has to be started once more. So has what does not run."""
    process = node.process(pod)
    return process is None or node.manifests.get(pod) != "active" or process.started_at <= put_back
