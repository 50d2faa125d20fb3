"""Reads the facts that a rotation is planned from. It changes nothing.

These are all certificates, and everything that decides whether control plane nodes may be disturbed.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from prefect import task

from tasks.cert_rotation.models.rotation import OnNode, ProofsNow, RotationFacts
from tasks.cert_rotation.policy.configuration import of_certificates
from tasks.cert_rotation.probes.proofs import READY, health_of, parse_proofs, prove_now, unelected_of
from tasks.cert_rotation.proof import take_pulse, who_is_worker
from tasks.cert_rotation.reach import ask_what_is_left
from tasks.cert_rotation.requests import CONFIGURATION, pending, who_is_who
from tasks.certificates.models.inventory import Inventory, NodeCertificates
from tasks.certificates.models.kubeadm import LEAVES
from tasks.certificates.observe import look_at_certificates
from tasks.certificates.probes.x509 import certificates_in
from tasks.clients.ssh import CALL
from tasks.cluster import Cluster, open_cluster
from tasks.control_plane.probes.readyz import ask_readyz
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import RunbookError
from tasks.core.probes.kubeconfig import parse_kubeconfig
from tasks.core.retries import OBSERVE
from tasks.core.secrets import resolve_public, resolve_secret
from tasks.etcd.observe import look_at_members
from tasks.gates.observe import what_gates_say
from tasks.nodes.observe import look_at_nodes
from tasks.nodes.probes.api_facts import cluster_configuration

PROOFS = timedelta(seconds=120)
"""Limits all proofs of a node together. Each kubeconfig has 15 s, each port 5 s."""

API_LIMIT = timedelta(seconds=30)
"""Limits the wait for an API that is briefly unavailable.

Without an API, all control plane nodes would be rotated at once.
"""


@task(**OBSERVE, task_run_name="observe-rotation-{cluster}")
def observe_rotation(cluster: str, run_id: str) -> RotationFacts:
    """Reads all certificates, and what decides whether control plane nodes may be disturbed.

    This works even if the API and etcd are down.
    """
    return look_at_rotation(open_cluster(cluster), run_id)


def look_at_rotation(handle: Cluster, run_id: str) -> RotationFacts:
    """Reads the same facts as `observe_rotation`, for a runbook that plans more than a renewal."""
    names = [node.name for node in handle.profile.nodes]
    now = datetime.now(UTC)
    facts = RotationFacts(
        observed_at=now,
        run_id=run_id,
        inventory=Inventory(observed_at=now, nodes=look_at_certificates(handle)),
        left=tuple(on_all(partial(_what_is_left, handle), names)),
        own_ends=own_ends(handle),
    )
    found = on_all(partial(look_at_proofs, handle), facts.inventory.control_planes)
    facts = facts.model_copy(update={"proofs": tuple(found)})
    try:
        wait_for(
            lambda: who_is_worker(handle.kube),
            API_LIMIT,
            what="the API to accept this worker",
            about=handle.profile.name,
        )
    except RunbookError as error:
        ready = on_all(partial(_says_ready, handle), [node.name for node in facts.inventory.control_planes])
        return facts.model_copy(update={"api_problem": error.problem, "serving": tuple(filter(None, ready))})
    return facts.model_copy(update=_by_api(handle))


def look_at_proofs(handle: Cluster, node: NodeCertificates) -> ProofsNow:
    """Runs the proofs of a control plane node before any change. If they cannot run, the result has the reason."""
    paths = [
        f"{handle.profile.kubeadm.folder}/{leaf}" for leaf in LEAVES if leaf.endswith(".conf") and _is_there(node, leaf)
    ]
    try:
        shape = handle.shape(node.name)
        health = health_of(shape)
        output = handle.node(node.name).run(prove_now(paths, health), timeout=PROOFS, sudo=True, check=False)
        seen = parse_proofs(node.name, output.stdout, _api_ready(handle, node.name), health)
        return seen.model_copy(update={"unelected": unelected_of(shape)})
    except RunbookError as error:
        return ProofsNow(node=node.name, unasked=error.problem)


def _is_there(node: NodeCertificates, leaf: str) -> bool:
    one = node.named(leaf)
    return one is not None and not one.problem


def own_ends(handle: Cluster) -> dict[str, datetime]:
    """Returns the expiry of the Prefect worker's own certificates, by field of the profile.

    Any other problem with them is reported when they are used.
    """
    profile, texts = handle.profile, {}
    if reference := profile.kubernetes.kubeconfig:
        config = parse_kubeconfig(resolve_secret(reference, "kubernetes.kubeconfig"), "kubernetes.kubeconfig")
        texts["kubernetes.kubeconfig"] = config.certificate
    if files := profile.etcd.client:
        texts["etcd.client.certificate"] = resolve_public(files.certificate, "etcd.client.certificate")
    found = {field: certificates_in(text.encode()) for field, text in texts.items()}
    return {field: certificates[0].not_valid_after_utc for field, certificates in found.items() if certificates}


def _what_is_left(handle: Cluster, name: str) -> OnNode:
    try:
        return ask_what_is_left(handle, name)
    except RunbookError as error:
        return OnNode(node=name, unasked=error.problem)


def _api_ready(handle: Cluster, name: str) -> str:
    """Returns the readiness status that the node's own API server answers.

    The API server answers this to anyone, whatever the state of the certificates.
    """
    output = handle.node(name).run(ask_readyz(handle.shape(name)), timeout=CALL, sudo=True, check=False)
    return output.stdout.decode(errors="replace").strip()


def _says_ready(handle: Cluster, name: str) -> str:
    """Returns the name of the node if its own API server reports ready, else an empty string."""
    return name if _api_ready(handle, name) == READY else ""


def _by_api(handle: Cluster) -> dict[str, Any]:
    looks: list[Callable[[], Any]] = [
        lambda: of_certificates(cluster_configuration(handle.kube.find(CONFIGURATION))),
        lambda: _members(handle),
        lambda: look_at_nodes(handle.kube),
        lambda: what_gates_say(handle, handle.profile.gates),
        lambda: _requests(handle),
        lambda: take_pulse(handle.kube).leases,
    ]
    configuration, members, nodes, gates, requests, leases = on_all(lambda look: look(), looks)
    known = {"configuration": configuration, "nodes": nodes, "gates": gates, "leases": leases}
    return {**known, **members, **requests}


def _requests(handle: Cluster) -> dict[str, Any]:
    requests = pending(handle.kube)
    return {"requests": requests, "identities": who_is_who(handle)} if requests else {}


def _members(handle: Cluster) -> dict[str, Any]:
    try:
        return {"etcd": look_at_members(handle, "auto")}
    except RunbookError as error:
        return {"etcd_problem": error.problem}
