"""Shows the certificates as a table in the Prefect UI."""

from prefect.artifacts import create_table_artifact

from tasks.certificates.models.inventory import Certificate, Inventory, Served
from tasks.run.reports import shown_if_possible

_WORD_FOR = {None: "", True: "yes", False: "NO"}


def show_certificates(cluster: str, inventory: Inventory) -> None:
    """Publishes the table of all certificates in the Prefect UI, sorted by expiry with the earliest first."""
    shown_if_possible(
        create_table_artifact,
        key=f"{cluster}-certificates",
        table=to_certificate_rows(inventory),
        description=f"certificates of {cluster} at {inventory.observed_at:%Y-%m-%dT%H:%M:%SZ}",
    )


def to_certificate_rows(inventory: Inventory) -> list[dict[str, object]]:
    """Returns a row for each certificate, with the ports that serve it.

    Then follow certificates that programs made in memory, and what could not be queried.
    """
    soonest = sorted(inventory.certificates, key=lambda one: (one.not_after is not None, one.not_after))
    rows = [_certificate_row(one, inventory) for one in soonest]
    for node in inventory.nodes:
        apart = [one for one in node.served if not (one.path and one.certificate)]
        rows += [{"node": node.name, "path": f"{one.name} at {one.port}", "state": _state_of(one)} for one in apart]
    rows += [{"node": one.name, "state": f"not reached: {one.unreached}"} for one in inventory.nodes if one.unreached]
    return rows


def _certificate_row(one: Certificate, inventory: Inventory) -> dict[str, object]:
    row: dict[str, object] = {"node": one.node or "API", "path": one.label.removeprefix(f"{one.node}: ")}
    if one.problem:
        return row | {"state": one.problem}
    return row | {
        "name": one.name,
        "kind": str(one.kind),
        "owner": one.owner or "",
        "ends": f"{one.not_after:%Y-%m-%d %H:%M} UTC",
        "days left": one.days_left,
        "subject": one.subject,
        "names": ", ".join(one.names),
        "issuer": one.issuer,
        "serial": one.serial,
        "key": one.key_type,
        "key matches": _WORD_FOR[one.pair],
        "signed by the CA on disk": "itself" if one.self_signed else _WORD_FOR[one.signed],
        "on the wire": _on_the_wire(one, inventory),
    }


def _on_the_wire(one: Certificate, inventory: Inventory) -> str:
    """Returns the ports that serve the file of a certificate, and marks those that present another certificate."""
    ports = [
        (served.port, served.certificate.fingerprint == one.fingerprint)
        for node in inventory.nodes
        for served in node.served
        if served.certificate and (node.name, served.path) == (one.node, one.path) and not one.place
    ]
    return ", ".join(f"{port}" if same else f"{port}: ANOTHER ONE" for port, same in ports)


def _state_of(served: Served) -> str:
    one = served.certificate
    if one is None:
        return served.problem
    by = "signed by itself" if one.self_signed else f"signed by {one.issuer}"
    return f"made in memory at its start, {by}; {one.subject}, serial {one.serial}, expires {one.not_after:%Y-%m-%d %H:%M} UTC"
