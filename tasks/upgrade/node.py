"""Upgrades one node.

kubeadm runs between its gate and its proof; then the kubelet is upgraded while the node is out of service.
Finished parts are left out.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Protocol

from tasks.core.errors import CommandFailed, NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.etcd import EtcdFacts
from tasks.node_work.models.health import Expected
from tasks.node_work.work import NodeWork
from tasks.nodes.observe import glance_at_machine
from tasks.nodes.probes.api_facts import parse_node
from tasks.nodes.probes.node_facts import ask_what_runs, version_that_runs
from tasks.upgrade import scripts
from tasks.upgrade.kubelet_server import ask_as_before, ask_endpoint
from tasks.upgrade.models.manifests import NodeManifests, SecretRead
from tasks.upgrade.models.upgrade import NodeUpgrade, NodeUpgraded, Orders, Staged, UpgradeOptions
from tasks.upgrade.observe import KUBEADM_LIMIT, configuration_of, configured_version
from tasks.upgrade.policy.kubeadm import has_other_parts, moves_etcd, what_kubeadm_must_not_take
from tasks.upgrade.policy.manifests import what_did_not_stay
from tasks.upgrade.policy.patches import what_changed_since
from tasks.upgrade.policy.scope import RUNBOOK
from tasks.upgrade.probes.node import evidence, is_upgraded
from tasks.upgrade.sources import switch_sources

INSTALL_LIMIT = timedelta(minutes=15)
ASKS_OTHERS_FOR = timedelta(seconds=2)
"""Sets how long a node must stay healthy while its kubelet uses another API server."""


class Looks(Protocol):
    """This is the interface that observes a node before and after its kubeadm runs."""

    def before(self) -> NodeManifests:
        """Returns what kubeadm would write, beside what is there."""

    def after(self) -> NodeManifests:
        """Returns what is there after kubeadm."""

    def secret(self, read_before: SecretRead | None = None) -> SecretRead:
        """Reads a Secret through the node's own API server. It is the same Secret as before, if one was read then."""


MoveLeader = Callable[[EtcdFacts], str]
"""This is the type of a function that moves etcd's leadership away from the node.

It returns the current leader, if the leadership was moved.
"""


def upgrade_control_plane(
    work: NodeWork, node: NodeUpgrade, orders: Orders, *, looks: Looks, move_leader: MoveLeader
) -> NodeUpgraded:
    """Upgrades a control plane node: gate, kubeadm, proof; gate, cordon, drain, kubelet, proof, uncordon.

    The gate is checked before any change, and once more right before kubeadm. In between, packages and a
    kubelet that uses another API server take some minutes.
    """
    before, moved = kubelet_in_use(work), ""
    with work.left_as_it_should_be(evidence(work.handle.shape(work.name).kubelet)):
        if needs_kubeadm(work, node, orders.staged):
            work.gate(allow_downtime=orders.options.allow_downtime)
            work.note_before()
            since = work.now()
            with kubelet_asks_others(work, orders):
                install_kubeadm(work, node)
                seen, secret = looks.before(), looks.secret()
                refuse_losses(node, seen, orders)
                facts = work.gate(allow_downtime=orders.options.allow_downtime)
                moved = move_leader(facts)
                upgrade_by_kubeadm(work, node, seen)
            # kubeadm may have restarted the kubelet, whose program may be newer than what ran before
            kubelet = version_that_runs(work.run(ask_what_runs()).encode(), "kubelet") or before
            work.prove(Expected(kubelet=kubelet, since=since, control_plane=node.target, stable_for=timedelta()))
            prove_kept(work, seen, looks)
            prove_secret(work, secret, looks)
        if needs_kubelet(work, node):
            work.gate(allow_downtime=orders.options.allow_downtime)
            upgrade_kubelet(work, node, orders.options)
        else:
            work.forget_before()
    return _result(work, node, before, moved)


def upgrade_worker(work: NodeWork, node: NodeUpgrade, orders: Orders, *, looks: Looks) -> NodeUpgraded:
    """Upgrades a worker: kubeadm writes the kubelet's configuration; gate, cordon, drain, kubelet, proof, uncordon."""
    before = kubelet_in_use(work)
    with work.left_as_it_should_be(evidence(work.handle.shape(work.name).kubelet)):
        if not work.is_true(is_upgraded(node.target)) and before != node.target:
            install_kubeadm(work, node)
            seen = looks.before()
            refuse_losses(node, seen, orders)
            upgrade_by_kubeadm(work, node, seen)
            prove_kept(work, seen, looks)  # kubeadm changes nothing that runs on a worker
        if needs_kubelet(work, node):
            work.gate_of_worker()
            upgrade_kubelet(work, node, orders.options)
    return _result(work, node, before, "")


# --- what it needs


def needs_kubeadm(work: NodeWork, node: NodeUpgrade, staged: Staged) -> bool:
    """Returns True if kubeadm must run on the node.

    Its static pods are not those of the target, kubeadm was interrupted, or the plan found unfinished parts.
    """
    if node.unfinished or has_other_parts(work.machine, staged.images) or moves_etcd(work.machine, staged.images):
        return True
    return kubelet_in_use(work) != staged.version and not work.is_true(is_upgraded(staged.version))


def needs_kubelet(work: NodeWork, node: NodeUpgrade) -> bool:
    """Returns True if the kubelet is old.

    It is also True if an earlier run has cordoned the node and did not finish.
    """
    return _is_old(work, node) or work.is_ours


def kubelet_in_use(work: NodeWork) -> str:
    """Returns the version of the kubelet's process.

    It is what the process reports itself, else what it reported to the API.
    """
    return work.machine.kubelet_runs or parse_node(work.handle.kube.get(f"/api/v1/nodes/{work.name}"), None).kubelet


def _is_old(work: NodeWork, node: NodeUpgrade) -> bool:
    """Returns True if the kubelet's process or its program is old.

    A package may be new while nobody has restarted the process.
    """
    return {work.machine.kubelet, kubelet_in_use(work)} != {node.target}


# --- kubeadm


@contextmanager
def kubelet_asks_others(work: NodeWork, orders: Orders) -> Iterator[None]:
    """Makes the kubelet use another API server while kubeadm replaces etcd, if there is one.

    Otherwise the member is away for a minute.
    """
    endpoint = _endpoint_to_ask(work, orders.staged)
    if not endpoint:
        yield
        return
    before = work.now()
    with work.part("kubelet asks others"):
        changed = ask_endpoint(work, endpoint)
    if changed:
        work.unproven = True
        work.prove(_as_before(work, before))
    try:
        yield
    except RunbookError:
        with suppress(RunbookError):  # the next attempt does it
            ask_as_before(work)
        raise
    ask_as_before(work)


def _endpoint_to_ask(work: NodeWork, staged: Staged) -> str:
    """Returns the control plane's endpoint. It is empty if the kubelet keeps its API server."""
    endpoint = str(configuration_of(work.handle).get("controlPlaneEndpoint", ""))
    if len(work.handle.control_planes) == 1 or not moves_etcd(work.machine, staged.images):
        return ""
    # its restart would make a kubelet that was installed newer than its API server
    return endpoint if work.machine.kubelet == kubelet_in_use(work) else ""


def _as_before(work: NodeWork, since: datetime) -> Expected:
    """Returns the expected state of a node on which only the API server of the kubelet has changed."""
    pod = work.machine.static_pod("kube-apiserver")
    version = pod.version if pod else ""
    kubelet = work.machine.kubelet
    return Expected(kubelet=kubelet, since=since, control_plane=version, stable_for=ASKS_OTHERS_FOR, promised=False)


def install_kubeadm(work: NodeWork, node: NodeUpgrade) -> None:
    """Installs only the program kubeadm. It changes nothing that is running."""
    with work.part("package kubeadm"):
        if work.machine.kubeadm != node.target:
            switch_sources(work, node.target)
            script = scripts.install_kubeadm(work.machine.packages.manager, node.target)
            work.job(job_name("install-kubeadm", node.target), script, INSTALL_LIMIT, touches=False)


def refuse_losses(node: NodeUpgrade, seen: NodeManifests, orders: Orders) -> None:
    """Refuses the node before kubeadm writes, if something that must stay would be removed.

    Manifests that cannot be read do not pass either.
    """
    if seen.unread or (node.control_plane and not seen.manifests):
        raise NotYet(f"{node.name}: its manifests could not be read: {seen.unread or 'there are none'}")
    changed = what_changed_since(seen, orders.patches, control_plane=node.control_plane)
    if problem := changed or what_kubeadm_must_not_take(seen):
        raise Refused(f"{node.name}: {problem}", hint=problem.next_step)


def prove_kept(work: NodeWork, before: NodeManifests, looks: Looks) -> None:
    """Proves that everything that kubeadm had to keep is still there. Otherwise the run stops here."""
    work.unproven = True
    with work.part("what kubeadm kept"):
        if problem := what_did_not_stay(before, looks.after()):
            raise Refused(f"{work.name}: {problem}", hint=problem.next_step)
    work.unproven = False


def prove_secret(work: NodeWork, before: SecretRead, looks: Looks) -> None:
    """Proves that the new API server reads the Secret that the old one read.

    A ready API server may have another key, or none.
    """
    if not before.secret:
        log_about(work.name).warning("not proven that its new API server reads Secrets: %s", before.problem)
        return
    work.unproven = True
    with work.part("a Secret"):
        now = looks.secret(before)
        if not now.secret:
            raise Refused(
                f"{work.name}: its new API server does not read the Secret {before.secret}, which the old one read: {now.problem}",
                hint="compare --encryption-provider-config and its file with the manifest in kubeadm's newest "
                "/etc/kubernetes/tmp/kubeadm-backup-manifests-*",
            )
    work.unproven = False


def upgrade_by_kubeadm(work: NodeWork, node: NodeUpgrade, seen: NodeManifests) -> None:
    """Runs kubeadm with `apply` if kubeadm-config must move, else with `node`.

    Meanwhile other API servers are used.
    """
    handle, version = work.handle, node.target
    rules = handle.profile.upgrade
    has_patches = bool(seen.patches and not seen.patches.problem)
    script = scripts.upgrade_by_kubeadm(
        version,
        apply=node.applies or (node.control_plane and configured_version(handle) != f"v{version}"),
        ignored=rules.ignore_preflight_errors,
        patches=rules.patches if node.control_plane or has_patches else None,
    )
    handle.kube.prefer(*(name for name in handle.control_planes if name != node.name))
    with work.part("kubeadm upgrade"):
        try:
            work.job(job_name("kubeadm", version), script, KUBEADM_LIMIT)
        except CommandFailed as error:
            if node.control_plane and _has_old_pods(work):
                reason, _, lines = error.problem.partition("\n")
                raise CommandFailed(
                    f"{reason}; the static pods on {node.name} are still the previous ones\n{lines}".rstrip(),
                    hint=f"correct the cause, then run the upgrade again; {error.hint}",
                ) from error
            raise


def _has_old_pods(work: NodeWork) -> bool:
    """Returns True if the node still has the old static pods.

    kubeadm restores the old manifests if a new static pod does not start.
    """
    now = glance_at_machine(work.handle, work.name)
    return not now.unreached and now.static_pods == work.machine.static_pods


# --- the kubelet


def upgrade_kubelet(work: NodeWork, node: NodeUpgrade, options: UpgradeOptions) -> None:
    """Takes the node out of service and installs the packages and the new kubelet.

    It returns the node to service once it is proven.
    """
    healthz = work.handle.shape(work.name, again=True).kubelet.healthz  # kubeadm has just written its configuration
    work.cordon_and_drain(f"{RUNBOOK} to v{node.target}", options.drain)
    since = work.now()
    if _is_old(work, node):
        with work.part("package kubelet"):
            script = scripts.install_kubelet(work.machine.packages.manager, node.target, healthz)
            done = work.job(job_name("install-kubelet", node.target), script, INSTALL_LIMIT)
        since = scripts.parse_restarted(done.output, since)
    control_plane = node.target if node.control_plane else ""
    work.prove(Expected(kubelet=node.target, since=since, control_plane=control_plane, stable_for=options.stable_for))
    work.give_back()


def job_name(what: str, version: str) -> str:
    """Returns the name of a remote job. The same act to the same version is the same job."""
    return f"{what}-{version.replace('.', '-')}"


def _result(work: NodeWork, node: NodeUpgrade, before: str, moved: str) -> NodeUpgraded:
    drained = work.drained
    return NodeUpgraded(
        node=node.name,
        before=before,
        after=node.target,
        evicted=drained.evicted if drained else (),
        waited_for=drained.waited_for if drained else (),
        leader_moved_to=moved,
        stays_cordoned=bool(drained and drained.cordoned_before),
        noticed=work.noticed,
        parts=tuple(work.parts),
        took=work.took,
    )
