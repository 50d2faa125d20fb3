"""What proofs on a node ask: whether programs are well, and whom the API sees with kubeconfigs."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from tasks.cert_rotation.models.rotation import ProofsNow
from tasks.core.models.kubeadm import API_SERVER, CONTROLLER_MANAGER, ORDER, SCHEDULER
from tasks.core.probes.printed import Printed
from tasks.core.shell import script

HEALTH = {CONTROLLER_MANAGER: 10257, SCHEDULER: 10259}
"""Where programs say on loopback that they are well, to anybody."""

READY = "200"
"""What an API server that is ready answers."""


def is_well(pod: str) -> str:
    """Prints `ok` when the program says so at its own port."""
    return script(__file__, "is_well", port=HEALTH[pod])


def who_with(kubeconfigs: Sequence[str]) -> str:
    """Asks the API who it is that has each of these kubeconfigs; its output is for `parse_who`."""
    return script(__file__, "who_with", kubeconfigs="\n".join(kubeconfigs))


def parse_who(stdout: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Kubeconfig to the user that the API sees, and to why it sees none."""
    told = Printed.of(stdout)
    return dict(told.pairs("who")), dict(told.pairs("nobody"))


def prove_now(kubeconfigs: Sequence[str]) -> str:
    """Asks what the proofs of a node ask, before anything is changed; its output is for `parse_proofs`."""
    ports = "\n".join(f"{pod} {port}" for pod, port in HEALTH.items())
    return script(__file__, "prove_now", ports=ports, kubeconfigs="\n".join(kubeconfigs))


def parse_proofs(node: str, stdout: bytes, api_server: str) -> ProofsNow:
    """What `prove_now` printed, and what the node's API server answers to the question whether it is ready."""
    told = Printed.of(stdout)
    said = dict(told.pairs("health")) | {API_SERVER: api_server.strip()}
    well = dict.fromkeys(HEALTH, "ok") | {API_SERVER: READY}
    return ProofsNow(
        node=node,
        curl="curl" in told.all("has"),
        kubectl="kubectl" in told.all("has"),
        ails={pod: said.get(pod, "")[:100] or "nothing" for pod in well if said.get(pod) != well[pod]},
        nobody=dict(told.pairs("nobody")),
    )


def diagnostics() -> str:
    """Prints what a node has to say for itself when a proof has failed there."""
    return script(__file__, "diagnostics", pods=ORDER)


def has_ca_key(folder: PurePosixPath) -> str:
    """Ends with status 0 where the key of the cluster's CA is."""
    return script(__file__, "has_ca_key", folder=folder)
