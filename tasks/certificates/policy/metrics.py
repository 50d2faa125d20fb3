"""An inventory as a Prometheus text file."""

from collections.abc import Iterator, Mapping

from tasks.certificates.models.inventory import Inventory

_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

ENDS = "kube_runbooks_certificate_not_after_seconds"
ON_WIRE = "kube_runbooks_certificate_served_is_on_disk"
OBSERVED = "kube_runbooks_certificates_observed_seconds"
UNREACHED = "kube_runbooks_certificates_node_unreached"


def to_prometheus(inventory: Inventory, cluster: str) -> str:
    """For node_exporter's textfile collector or a Pushgateway: when each ends, and whether it is what is served."""
    lines = [*_head(OBSERVED, "when the certificates were looked at, Unix time")]
    lines.append(_line(OBSERVED, {"cluster": cluster}, inventory.observed_at.timestamp()))
    lines += _head(ENDS, "when a certificate ends, Unix time")
    for one in inventory.certificates:
        if one.not_after:
            labels = {"node": one.node, "path": one.path, "place": str(one.place), "name": one.name, "kind": one.kind}
            lines.append(_line(ENDS, {"cluster": cluster} | labels, one.not_after.timestamp()))
    lines += _head(ON_WIRE, "1 where a port presents the certificate of its file")
    lines += _on_wire(inventory, cluster)
    lines += _head(UNREACHED, "1 for a node that did not answer")
    lines += [
        _line(UNREACHED, {"cluster": cluster, "node": node.name}, bool(node.unreached)) for node in inventory.nodes
    ]
    return "\n".join([*lines, ""])


def _on_wire(inventory: Inventory, cluster: str) -> Iterator[str]:
    for node in inventory.nodes:
        on_disk = {one.path: one.fingerprint for one in node.certificates if not one.place}
        for served in node.served:
            if served.certificate and served.path in on_disk:
                labels = {"cluster": cluster, "node": node.name, "port": str(served.port), "program": served.name}
                yield _line(ON_WIRE, labels, served.certificate.fingerprint == on_disk[served.path])


def _head(name: str, help_text: str) -> list[str]:
    return [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    told = ",".join(f'{label}="{text.translate(_ESCAPED)}"' for label, text in labels.items())
    return f"{name}{{{told}}} {int(value)}"
