"""Whether a static pod has what is on disk: before it is started anew, and as the proof that it was."""

from datetime import datetime

from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.policy.inventory import who_has_not_read
from tasks.core.models.findings import Problem


def what_pod_lacks(node: NodeCertificates, pod: str) -> Problem | None:
    """Why it does not run with the files that are there."""
    if node.manifests.get(pod) != "active":
        return Problem(text=f"the manifest of {pod} is not in its place")
    process = node.process(pod)
    if process is None:
        return Problem(text=f"{pod} does not run")
    if newer := who_has_not_read(node).get(pod):
        since = f"{process.started_at:%H:%M:%S} UTC"
        return Problem(text=f"{pod} runs since {since}, before {', '.join(newer)} was written")
    on_disk = {one.path: one for one in node.certificates if not one.place}
    for served in node.served:
        own = on_disk.get(served.path)
        if served.name == pod and own and served.certificate and served.certificate.fingerprint != own.fingerprint:
            told = f"{pod} at {served.port} presents serial {served.certificate.serial}, {served.path} has {own.serial}"
            return Problem(text=told)
    return None


def why_silent(node: NodeCertificates, pod: str) -> Problem | None:
    """Why it may be starting, or not start at all: it does not run, or presents no certificate where it has to."""
    if node.process(pod) is None:
        return Problem(text=f"{pod} does not run")
    silent = [f"{one.port}" for one in node.served if one.name == pod and one.certificate is None]
    return Problem(text=f"{pod} presents no certificate at {', '.join(silent)}") if silent else None


def runs_as_before(node: NodeCertificates, pod: str, begun: datetime) -> bool:
    """A rotation has not touched it yet."""
    process = node.process(pod)
    return process is not None and node.manifests.get(pod) == "active" and process.started_at < begun


def has_to_start_again(node: NodeCertificates, pod: str, put_back: datetime) -> bool:
    """It was started before the previous files were back, and may have read the discarded ones; or it does not run."""
    process = node.process(pod)
    return process is None or node.manifests.get(pod) != "active" or process.started_at <= put_back
