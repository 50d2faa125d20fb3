"""Asks what the proofs on a node need: whether programs are healthy, and which user the API sees for a kubeconfig."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote

from tasks.cert_rotation.models.rotation import ProofsNow
from tasks.core.models.kubeadm import API_SERVER, CONTROLLER_MANAGER, ORDER, SCHEDULER
from tasks.core.models.shape import Address, NodeShape
from tasks.core.probes.printed import Printed
from tasks.core.shell import script

Health = Mapping[str, Address]
"""Maps each static pod to the address on its node at which it reports its health to anyone."""

HEALTH: Health = {
    CONTROLLER_MANAGER: Address(host="127.0.0.1", port=10257),
    SCHEDULER: Address(host="127.0.0.1", port=10259),
}
"""Lists kubeadm's default health addresses."""


def health_of(shape: NodeShape) -> Health:
    """Returns the health addresses from a node's manifests.

    A controller that serves nothing (--secure-port=0) has none.
    """
    found = {CONTROLLER_MANAGER: shape.controller_manager, SCHEDULER: shape.scheduler}
    return {pod: address for pod, address in found.items() if address}


def unelected_of(shape: NodeShape) -> dict[str, str]:
    """Maps each controller to why it elects no leader by the Lease kube-system/NAME on this node.

    The proof looks at that Lease alone.
    """
    found = {}
    for name in HEALTH:
        pod = shape.pods.get(name)
        if pod is None:
            found[name] = "no manifest of it was found or could be parsed"
        elif pod.lease is None:
            found[name] = pod.config_problem
        elif pod.lease != f"kube-system/{name}":
            found[name] = f"it elects by the Lease {pod.lease}" if pod.lease else "it elects no leader"
    return found


READY = "200"
"""This is the status that a ready API server answers."""


def is_well(address: Address) -> str:
    """Returns the script that prints `ok` if the program at this address reports that it is healthy."""
    return script(__file__, "is_well", address=address.text)


def who_with(kubeconfigs: Sequence[str]) -> str:
    """Returns the script that asks the API which user each kubeconfig belongs to. `parse_who` reads its output."""
    return script(__file__, "who_with", kubeconfigs="\n".join(kubeconfigs))


def parse_who(stdout: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Maps each kubeconfig to the user that the API sees, or to the reason why it sees none."""
    told = Printed.of(stdout)
    return _by_file(told, "who"), _by_file(told, "nobody")


def prove_now(kubeconfigs: Sequence[str], health: Health = HEALTH) -> str:
    """Returns the script with a node's proofs for the time before any change. `parse_proofs` reads its output."""
    addresses = "\n".join(f"{pod} {address.text}" for pod, address in health.items())
    return script(__file__, "prove_now", addresses=addresses, kubeconfigs="\n".join(kubeconfigs))


def parse_proofs(node: str, stdout: bytes, api_server: str, health: Health = HEALTH) -> ProofsNow:
    """Parses the output of `prove_now`, together with the readiness status of the node's API server."""
    told = Printed.of(stdout)
    said = dict(told.pairs("health")) | {API_SERVER: api_server.strip()}
    well = dict.fromkeys(health, "ok") | {API_SERVER: READY}
    return ProofsNow(
        node=node,
        curl="curl" in told.all("has"),
        kubectl="kubectl" in told.all("has"),
        ails={pod: said.get(pod, "")[:100] or "nothing" for pod in well if said.get(pod) != well[pod]},
        nobody=_by_file(told, "nobody"),
    )


def _by_file(told: Printed, kind: str) -> dict[str, str]:
    return {unquote(file): said for file, said in told.pairs(kind)}


def diagnostics() -> str:
    """Returns the script that prints the diagnostics of a node where a proof has failed."""
    return script(__file__, "diagnostics", pods=ORDER)


def has_ca_key(pki: PurePosixPath) -> str:
    """Returns the script that exits with status 0 if the key of the cluster CA is on the node."""
    return script(__file__, "has_ca_key", pki=pki)
