"""Converts an inventory to a Prometheus text file."""

from collections.abc import Iterator, Mapping

from tasks.certificates.models.inventory import Inventory

_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

ENDS = "kube_runbooks_certificate_not_after_seconds"
ON_WIRE = "kube_runbooks_certificate_served_is_on_disk"
OBSERVED = "kube_runbooks_certificates_observed_seconds"
UNREACHED = "kube_runbooks_certificates_node_unreached"


def to_prometheus(inventory: Inventory, cluster: str) -> str:
    """Returns the inventory as text for node_exporter's textfile collector or a Pushgateway.

    It has when each certificate expires, and whether a port serves the certificate of its file.
    """
    lines = [*head(OBSERVED, "when the certificates were checked, Unix time")]
    lines.append(line(OBSERVED, {"cluster": cluster}, inventory.observed_at.timestamp()))
    lines += head(ENDS, "when a certificate expires, Unix time")
    for one in inventory.certificates:
        if one.not_after:
            labels = {"node": one.node, "path": one.path, "place": str(one.place), "name": one.name, "kind": one.kind}
            lines.append(line(ENDS, {"cluster": cluster} | labels, one.not_after.timestamp()))
    lines += head(ON_WIRE, "1 where a port presents the certificate of its file")
    lines += _on_wire(inventory, cluster)
    lines += head(UNREACHED, "1 for a node that did not answer")
    lines += [
        line(UNREACHED, {"cluster": cluster, "node": node.name}, bool(node.unreached)) for node in inventory.nodes
    ]
    return "\n".join([*lines, ""])


def _on_wire(inventory: Inventory, cluster: str) -> Iterator[str]:
    for node in inventory.nodes:
        on_disk = {one.path: one.fingerprint for one in node.certificates if not one.place}
        for served in node.served:
            if served.certificate and served.path in on_disk:
                labels = {"cluster": cluster, "node": node.name, "port": str(served.port), "program": served.name}
                yield line(ON_WIRE, labels, served.certificate.fingerprint == on_disk[served.path])


def head(name: str, help_text: str) -> list[str]:
    """Returns the lines that begin a gauge."""
    return [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]


def line(name: str, labels: Mapping[str, str], value: float) -> str:
    """Returns one sample of a gauge."""
    told = ",".join(f'{label}="{text.translate(_ESCAPED)}"' for label, text in labels.items())
    return f"{name}{{{told}}} {int(value)}"
