"""Checks whether a static pod uses the files on disk, before its restart and as the proof of it."""

from datetime import datetime

from tasks.certificates.models.inventory import NodeCertificates
from tasks.certificates.policy.inventory import who_has_not_read
from tasks.core.models.findings import Problem


def what_pod_lacks(node: NodeCertificates, pod: str) -> Problem | None:
    """Returns why a static pod does not run with the current files, or None if it does."""
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
    """Returns why a static pod may still be starting or may not start. The result is None if it answers.

    Such a pod does not run, or presents no certificate at a port where it must.
    """
    if node.process(pod) is None:
        return Problem(text=f"{pod} does not run")
    silent = [f"{one.port}" for one in node.served if one.name == pod and one.certificate is None]
    return Problem(text=f"{pod} presents no certificate at {', '.join(silent)}") if silent else None


def runs_as_before(node: NodeCertificates, pod: str, begun: datetime) -> bool:
    """Checks whether the rotation has not restarted this static pod yet."""
    process = node.process(pod)
    return process is not None and node.manifests.get(pod) == "active" and process.started_at < begun


def has_to_start_again(node: NodeCertificates, pod: str, put_back: datetime) -> bool:
    """Checks whether a static pod must restart after the previous files were restored.

    It started before that and may have read the discarded files, or it does not run.
    """
    process = node.process(pod)
    return process is None or node.manifests.get(pod) != "active" or process.started_at <= put_back
