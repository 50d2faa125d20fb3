"""Decides which addresses and ports of Services are kept: those that are free."""

from collections.abc import Iterable, Mapping

from tasks.resources_restore.models import JSON, Target
from tasks.resources_restore.policy.prepare import without

ADDRESSES = ("clusterIP", "clusterIPs")
PORTS = ("nodePort", "healthCheckNodePort")


def is_service(target: Target) -> bool:
    """Checks whether it is a Service of Kubernetes."""
    return (target.group, target.kind) == ("", "Service")


def claims_of(body: JSON) -> tuple[str, ...]:
    """Returns the addresses and node ports that a Service asks for."""
    return (*_addresses(body), *_ports(body))


def _addresses(body: JSON) -> tuple[str, ...]:
    spec = body.get("spec", {})
    found = [spec.get("clusterIP"), *(spec.get("clusterIPs") or ())]
    return tuple(dict.fromkeys(one for one in found if one and one != "None"))


def _ports(body: JSON) -> tuple[str, ...]:
    spec = body.get("spec", {})
    found = [
        f"nodePort {port['nodePort']}/{port.get('protocol', 'TCP')}"
        for port in spec.get("ports") or ()
        if port.get("nodePort")
    ]
    if spec.get("healthCheckNodePort"):
        found.append(f"nodePort {spec['healthCheckNodePort']}/TCP")
    return tuple(dict.fromkeys(found))


def held_by(services: Iterable[JSON]) -> dict[str, str]:
    """Returns who has each address and each node port in the cluster."""
    found: dict[str, str] = {}
    for one in services:
        name = f"{one['metadata']['namespace']}/{one['metadata']['name']}"
        found |= dict.fromkeys(claims_of(one), name)
    return found


def allocate(target: Target, body: JSON, held: dict[str, str]) -> tuple[JSON, tuple[str, ...]]:
    """Returns a Service with the addresses and node ports that are free, and what it gets otherwise.

    It enters what the Service keeps into `held`, so that the next Service of the same run does not get it as well: the
    API server's dry run does not see that.
    """
    name = f"{target.namespace}/{target.name}"
    notes = []
    for claims, fields, what in ((_addresses, ADDRESSES, "another address"), (_ports, PORTS, "other node ports")):
        taken = [f"{claim} is of {who}" for claim in claims(body) if (who := held.get(claim, name)) != name]
        if taken:
            body = without(body, fields)
            notes.append(f"{', '.join(taken)}: {name} gets {what}")
    for claim in claims_of(body):
        held[claim] = name
    return body, tuple(notes)


def keep(target: Target, body: JSON, live: JSON, held: Mapping[str, str]) -> tuple[JSON, tuple[str, ...]]:
    """Returns a Service with the address that it has now, which nobody can change, and what it gets otherwise.

    It keeps its node ports of now where those of the backup are somebody else's.
    """
    name, notes = f"{target.namespace}/{target.name}", []
    now, then = _addresses(live), _addresses(body)
    if then and now != then:
        spec = {field: live["spec"][field] for field in ADDRESSES if field in live["spec"]}
        body = body | {"spec": body["spec"] | spec}
        notes.append(f"it keeps its address {', '.join(now) or 'None'}: the backup has {', '.join(then)}")
    if taken := [f"{claim} is of {who}" for claim in _ports(body) if (who := held.get(claim, name)) != name]:
        body = without(body, PORTS)
        notes.append(f"{', '.join(taken)}: {name} keeps the node ports that it has")
    return body, tuple(notes)


def without_claims(body: JSON) -> JSON:
    """Returns a Service that gets new addresses and node ports; a headless one stays headless."""
    is_headless = body.get("spec", {}).get("clusterIP") == "None"
    return without(body, PORTS if is_headless else (*ADDRESSES, *PORTS))
