"""An upgrade on one node: kubeadm between its gate and its proof, then the kubelet, out of service. What is done is left out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from tasks.core.errors import CommandFailed, NotYet, Refused, RunbookError
from tasks.core.models.etcd import EtcdFacts
from tasks.node_work.models.health import Expected
from tasks.node_work.work import NodeWork
from tasks.nodes.probes.api_facts import parse_node
from tasks.nodes.probes.node_facts import ask_what_runs, version_that_runs
from tasks.upgrade import scripts
from tasks.upgrade.models.manifests import NodeManifests
from tasks.upgrade.models.upgrade import NodeUpgrade, NodeUpgraded, Orders, Staged, UpgradeOptions
from tasks.upgrade.observe import KUBEADM_LIMIT, configuration_of, configured_version
from tasks.upgrade.policy.kubeadm import has_other_parts, moves_etcd, what_kubeadm_must_not_take
from tasks.upgrade.policy.scope import RUNBOOK
from tasks.upgrade.probes.node import evidence, is_upgraded

INSTALL_LIMIT = timedelta(minutes=15)
ASKS_OTHERS_FOR = timedelta(seconds=2)
"""That a node has to look well whose kubelet asks another API server."""

Manifests = Callable[[], NodeManifests]
"""Looks at the node's static pods, and at what kubeadm would write in their place."""

MoveLeader = Callable[[EtcdFacts], str]
"""Moves etcd's leadership away from the node; who leads now, if it was moved."""


def upgrade_control_plane(
    work: NodeWork, node: NodeUpgrade, orders: Orders, *, manifests: Manifests, move_leader: MoveLeader
) -> NodeUpgraded:
    """Gate, kubeadm, proof; gate, cordon, drain, kubelet, proof, uncordon.

    The gate is asked before anything is touched, and once more right before kubeadm: packages, and a kubelet that asks another
    API server, take their minutes.
    """
    before, moved = kubelet_in_use(work), ""
    with work.left_as_it_should_be(evidence()):
        if needs_kubeadm(work, node, orders.staged):
            work.gate(allow_downtime=orders.options.allow_downtime)
            work.note_before()
            since = work.now()
            with kubelet_asks_others(work, orders):
                install_kubeadm(work, node)
                refuse_losses(node.name, manifests())
                facts = work.gate(allow_downtime=orders.options.allow_downtime)
                moved = move_leader(facts)
                upgrade_by_kubeadm(work, node)
            # kubeadm may have restarted the kubelet, whose program may be newer than what ran before
            kubelet = version_that_runs(work.run(ask_what_runs()).encode(), "kubelet") or before
            work.prove(Expected(kubelet=kubelet, since=since, control_plane=node.target, stable_for=timedelta()))
        if needs_kubelet(work, node):
            work.gate(allow_downtime=orders.options.allow_downtime)
            upgrade_kubelet(work, node, orders.options)
        else:
            work.forget_before()
    return _result(work, node, before, moved)


def upgrade_worker(work: NodeWork, node: NodeUpgrade, orders: Orders) -> NodeUpgraded:
    """Its kubeadm writes the kubelet's configuration; gate, cordon, drain, kubelet, proof, uncordon."""
    before = kubelet_in_use(work)
    with work.left_as_it_should_be(evidence()):
        if not work.is_true(is_upgraded(node.target)) and before != node.target:
            install_kubeadm(work, node)
            upgrade_by_kubeadm(work, node)
            work.unproven = False  # kubeadm changes nothing that runs on a worker
        if needs_kubelet(work, node):
            work.gate_of_worker()
            upgrade_kubelet(work, node, orders.options)
    return _result(work, node, before, "")


# --- what it needs


def needs_kubeadm(work: NodeWork, node: NodeUpgrade, staged: Staged) -> bool:
    """Its static pods are not those of the target, kubeadm was cut off before its end, or the plan saw that something is left."""
    if node.unfinished or has_other_parts(work.machine, staged.images) or moves_etcd(work.machine, staged.images):
        return True
    return kubelet_in_use(work) != staged.version and not work.is_true(is_upgraded(staged.version))


def needs_kubelet(work: NodeWork, node: NodeUpgrade) -> bool:
    """It is old; or an earlier run has taken the node out of service and did not come to its end."""
    return _is_old(work, node) or work.is_ours


def kubelet_in_use(work: NodeWork) -> str:
    """The version of its process: as that says itself, else as it told the API."""
    return work.machine.kubelet_runs or parse_node(work.handle.kube.get(f"/api/v1/nodes/{work.name}"), None).kubelet


def _is_old(work: NodeWork, node: NodeUpgrade) -> bool:
    """Its process, or its program: a package may be new while nobody has restarted what runs."""
    return {work.machine.kubelet, kubelet_in_use(work)} != {node.target}


# --- kubeadm


@contextmanager
def kubelet_asks_others(work: NodeWork, orders: Orders) -> Iterator[None]:
    """While kubeadm replaces etcd, where there is another API server to ask: else the member is away for a minute."""
    endpoint = _endpoint_to_ask(work, orders.staged)
    if not endpoint:
        yield
        return
    before = work.now()
    with work.part("kubelet asks others"):
        changed = "changed" in work.run(scripts.point_kubelet_at(endpoint))
    if changed:
        work.unproven = True
        work.prove(_as_before(work, before))
    try:
        yield
    except RunbookError:
        with suppress(RunbookError):  # the next attempt does it
            work.run(scripts.point_kubelet_back())
        raise
    work.run(scripts.point_kubelet_back())


def _endpoint_to_ask(work: NodeWork, staged: Staged) -> str:
    """The control plane's endpoint; empty where its kubelet goes on as it is."""
    endpoint = str(configuration_of(work.handle).get("controlPlaneEndpoint", ""))
    if len(work.handle.control_planes) == 1 or not moves_etcd(work.machine, staged.images):
        return ""
    # its restart would make a kubelet that was installed newer than its API server
    return endpoint if work.machine.kubelet == kubelet_in_use(work) else ""


def _as_before(work: NodeWork, since: datetime) -> Expected:
    """Of a node of which nothing but the kubelet's server has changed."""
    pod = work.machine.static_pod("kube-apiserver")
    version = pod.version if pod else ""
    kubelet = work.machine.kubelet
    return Expected(kubelet=kubelet, since=since, control_plane=version, stable_for=ASKS_OTHERS_FOR, promised=False)


def install_kubeadm(work: NodeWork, node: NodeUpgrade) -> None:
    """The program alone: it touches nothing of what runs."""
    with work.part("package kubeadm"):
        if work.machine.kubeadm != node.target:
            script = scripts.install_kubeadm(work.machine.packages.manager, node.target)
            work.job(job_name("install-kubeadm", node.target), script, INSTALL_LIMIT, touches=False)


def refuse_losses(name: str, seen: NodeManifests) -> None:
    """Before kubeadm writes manifests: nothing that must stay goes away, and what nobody can read is not fine."""
    if not seen.manifests:
        raise NotYet(f"{name}: its manifests could not be read: {seen.problem or 'there are none'}")
    if problem := what_kubeadm_must_not_take(seen):
        raise Refused(f"{name}: {problem}", hint=problem.next_step)


def upgrade_by_kubeadm(work: NodeWork, node: NodeUpgrade) -> None:
    """By `apply` where kubeadm-config is to be moved, else by `node`; meanwhile other API servers are asked."""
    handle, version = work.handle, node.target
    script = scripts.upgrade_by_kubeadm(
        version,
        apply=node.applies or (node.control_plane and configured_version(handle) != f"v{version}"),
        ignored=handle.profile.upgrade.ignore_preflight_errors,
    )
    handle.kube.prefer(*(name for name in handle.control_planes if name != node.name))
    with work.part("kubeadm upgrade"):
        try:
            work.job(job_name("kubeadm", version), script, KUBEADM_LIMIT)
        except CommandFailed as error:
            if scripts.ROLLED_BACK.search(error.problem):
                raise CommandFailed(
                    f"{node.name}: kubeadm put the old control plane back: {error.problem}",
                    hint=f"look at why, then run it again; {error.hint}",
                ) from error
            raise


# --- the kubelet


def upgrade_kubelet(work: NodeWork, node: NodeUpgrade, options: UpgradeOptions) -> None:
    """Out of service, the packages, the new kubelet, and in service again once it is proven."""
    work.cordon_and_drain(f"{RUNBOOK} to v{node.target}", options.drain)
    since = work.now()
    if _is_old(work, node):
        with work.part("package kubelet"):
            script = scripts.install_kubelet(work.machine.packages.manager, node.target)
            done = work.job(job_name("install-kubelet", node.target), script, INSTALL_LIMIT)
        since = scripts.parse_restarted(done.output, since)
    control_plane = node.target if node.control_plane else ""
    work.prove(Expected(kubelet=node.target, since=since, control_plane=control_plane, stable_for=options.settle))
    work.give_back()


def job_name(what: str, version: str) -> str:
    """Of a remote job: the same act to the same version is the same job."""
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
