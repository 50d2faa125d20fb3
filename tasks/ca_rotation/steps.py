"""Rotations of authorities, a stage at a time: each task looks at what is there, so that a run that died is run again.

A stage brings each node to one state, whatever it finds there; what restarts, and the proof of it, is `cert_rotation`'s own part.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from prefect import task

from tasks.ca_rotation.models import (
    ApiTrust,
    CaRotationFacts,
    CaRotationOptions,
    CaRotationPlan,
    Half,
    NodeStage,
    NodeStaged,
    Prepared,
    Published,
    Stage,
    StageOrders,
    TrustOnNode,
    WorkersStaged,
)
from tasks.ca_rotation.policy.plan import plan_ca_rotation
from tasks.ca_rotation.policy.trust import AFTER, halves_of, state_of
from tasks.ca_rotation.probes import api as ca_api
from tasks.ca_rotation.probes import scripts as ca_rotation
from tasks.cert_rotation.models.rotation import NodeRotated, RotationOptions
from tasks.cert_rotation.observe import look_at_rotation
from tasks.cert_rotation.steps import rotate_leaves
from tasks.certificates.authority import SigningAuthority, new_key_pair
from tasks.certificates.models.authorities import FILES, TRUST, State
from tasks.certificates.models.kubeadm import COMMON_NAMES, KUBEADM_HOURS
from tasks.certificates.observe import look_at_bundles, look_at_node, read_certificate_rules
from tasks.certificates.probes import kubelet
from tasks.cluster import Cluster, open_cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import CommandFailed, NotYet, Refused, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.kubeadm import KUBELET, Authority
from tasks.core.probes.kubeconfig import parse_kubeconfig
from tasks.core.redaction import remember_secret
from tasks.core.retries import ACT, OBSERVE, PATIENT
from tasks.core.secrets import resolve_secret
from tasks.nodes.observe import look_at_nodes
from tasks.run.locks import Check
from tasks.run.parts import NodeParts
from tasks.upgrade.observe import SYSTEM

CALL = timedelta(seconds=60)
READY_LIMIT = timedelta(minutes=3)
"""For a node to be Ready again once its kubelet was started anew."""

PUBLISH_LIMIT = timedelta(minutes=5)
"""For the cluster's own controllers to hand out what they have read."""

SETTLE = timedelta(seconds=10)
"""After which what was taken out has to be out still: an API server that has it in memory would put it back."""

CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
EXTENSION = f"{SYSTEM}/configmaps/extension-apiserver-authentication"


@task(**OBSERVE, task_run_name="observe-ca-rotation-{authority}")
def observe_ca_rotation(cluster: str, authority: Authority, run_id: str) -> CaRotationFacts:
    """As for a renewal, and what each node and the API believe and hand out."""
    return _look(open_cluster(cluster), authority, run_id)


@task(**ACT, task_run_name="lay-down-{plan.authority}")
def lay_down_halves(cluster: str, plan: CaRotationPlan, options: CaRotationOptions, check: Check) -> Prepared:
    """The new one, made once, beside the old one on every node; its key on control planes. Nobody believes it for that.

    It is on one node before it is on any other: whoever goes on after a crash finds one and the same.
    """
    handle = open_cluster(cluster)
    laying = _Laying(handle, plan, options)
    check()
    first, *rest = plan.machines
    laying.lay_down(first, key=True)
    check()
    on_all(partial(laying.lay_down, key=True), rest)
    on_all(partial(laying.lay_down, key=False), [node.name for node in plan.workers])
    return laying.proven()


@task(**PATIENT, task_run_name="{plan.stage}-{node.name}")
def bring_control_plane(
    cluster: str, node: NodeStage, plan: CaRotationPlan, orders: StageOrders, check: Check
) -> NodeStaged:
    """Files of the stage, what has to be signed anew, restarts with proofs, kubelet. A proof that fails puts the files of before back."""
    work = _Staging(open_cluster(cluster), node, plan, check)
    work.make(AFTER[plan.stage])
    try:
        rotated = work.rotate(orders)
    except CommandFailed as error:
        raise work.put_back(error, orders) from error
    work.bring_kubelet(signer=node.name)
    return work.result(rotated)


@task(**PATIENT, task_run_name="{plan.stage}-workers")
def bring_workers(cluster: str, plan: CaRotationPlan, check: Check) -> WorkersStaged:
    """Files and kubelets; one alone at first, then all others at once. Pods go on."""
    handle = open_cluster(cluster)

    def bring(node: NodeStage) -> NodeStaged:
        work = _Staging(handle, node, plan, check)
        work.make(AFTER[plan.stage])
        work.bring_kubelet(signer=plan.machines[0])
        return work.result(None)

    first, rest = plan.workers[:1], plan.workers[1:]
    return WorkersStaged(nodes=(*(bring(node) for node in first), *on_all(bring, rest)))


@task(**PATIENT, task_run_name="publish-{plan.authority}")
def publish(cluster: str, plan: CaRotationPlan, check: Check) -> Published:
    """What the API hands out: changed where nobody else does it, and waited for where the cluster does."""
    handle = open_cluster(cluster)
    handle.kube.close()
    found = look_at_trust(handle, plan.machines[0], plan.authority)
    wanted = tuple(half.id for half in found.trusted)
    changed: list[str] = []
    if plan.authority is Authority.CLUSTER:
        changed += _hand_out_cluster_info(handle, plan, wanted, check)
    if plan.stage is Stage.DROP_OLD and found.old:
        changed += _drop_from_extension(handle, plan.authority, found.old, check)
    waited = wait_for(lambda: _handed_out(handle, plan.authority, wanted), PUBLISH_LIMIT)
    return Published(changed=tuple(changed), waited_for=waited)


@task(**PATIENT, task_run_name="prove-{plan.stage}")
def prove_stage(cluster: str, plan: CaRotationPlan, orders: StageOrders) -> tuple[str, ...]:
    """Looked at again from all sides, nothing is left to do on any node."""
    handle = open_cluster(cluster)

    def look() -> tuple[str, ...]:
        facts = _look(handle, plan.authority, orders.run_id)
        rules, now = read_certificate_rules(cluster), datetime.now(UTC)
        again = plan_ca_rotation(facts, plan.stage, orders.options, rules, now=now)
        if again.nodes:
            told = "; ".join(f"{one.subject}: {one.reason}" for one in again.steps[: len(again.nodes)])
            raise NotYet(f"the stage has not come to its end: {told}", hint="run it again: it goes on where it was")
        return tuple(f"{skip.subject}: {skip.reason}" for skip in again.skips)

    return wait_for(look, READY_LIMIT)


@task(**ACT, task_run_name="put-away-{plan.authority}")
def put_halves_away(cluster: str, plan: CaRotationPlan, run_id: str, check: Check) -> dict[str, str]:
    """At the end of the last stage. Control planes last: what they have says what a rotation is about."""
    handle = open_cluster(cluster)
    folder = handle.profile.kubeadm.folder
    check()

    def away(name: str) -> None:
        handle.node(name).run(ca_rotation.end(folder, plan.authority, run_id), timeout=CALL, sudo=True)

    on_all(away, [name for name in plan.puts_away if name not in plan.machines])
    on_all(away, [name for name in plan.puts_away if name in plan.machines])
    return {name: ca_rotation.ended_folder(plan.authority, run_id) for name in plan.puts_away}


def look_at_trust(handle: Cluster, name: str, authority: Authority) -> TrustOnNode:
    """One node; one that does not let us in is a fact."""
    script = ca_rotation.look(handle.profile.kubeadm.folder, authority)
    try:
        return ca_rotation.parse(name, handle.node(name).run(script, timeout=CALL, sudo=True).stdout)
    except RunbookError as error:
        return TrustOnNode(node=name, unreached=error.problem)


class _Laying:
    """The halves of a rotation, on their way to nodes. The new key is in memory, and goes by standard input."""

    def __init__(self, handle: Cluster, plan: CaRotationPlan, options: CaRotationOptions) -> None:
        self._handle, self._plan = handle, plan
        self._found = {name: look_at_trust(handle, name, plan.authority) for name in plan.machines}
        self._source = next((name for name, one in self._found.items() if one.old and one.new), "")
        if not self._source and plan.stage is not Stage.TRUST_BOTH:
            raise Refused("no control plane node has the halves of this rotation any more", hint="look at them")
        self._key, self._new = self._there() if self._source else self._made(options)
        self._old = self._old_one()
        remember_secret(self._key.decode())

    def lay_down(self, name: str, *, key: bool) -> None:
        """On one node; what is there already stays."""
        files = [("new.key", self._key)] if key else []
        files += [("new.pem", self._new), ("old.pem", self._old)]
        script = ca_rotation.lay_down(self._handle.profile.kubeadm.folder, self._plan.authority)
        self._handle.node(name).run(script, stdin=ca_rotation.halves(files), timeout=CALL, sudo=True)

    def proven(self) -> Prepared:
        """Looked at again: every control plane node has both, each with its key."""
        [old], [new] = ca_rotation.halves_in(self._old), ca_rotation.halves_in(self._new)
        for name in self._plan.machines:
            found = look_at_trust(self._handle, name, self._plan.authority)
            if (found.old, found.new) != (old, new):
                raise Refused(
                    f"{name}: {ca_rotation.folder_of(self._plan.authority)} has other halves than {self._plan.machines[0]}",
                    hint="look at it: a control plane node that joined meanwhile has not the old key",
                )
        return Prepared(old=old, new=new, made=not self._source)

    def _there(self) -> tuple[bytes, bytes]:
        return self._read("new.key"), self._read("new.pem")

    def _read(self, name: str) -> bytes:
        path = f"{ca_rotation.folder_of(self._plan.authority)}/{name}"
        return self._handle.node(self._source).read_file(path, sudo=True)

    def _made(self, options: CaRotationOptions) -> tuple[bytes, bytes]:
        authority = self._plan.authority
        if authority is Authority.SERVICE_ACCOUNTS:
            return new_key_pair()
        made = SigningAuthority.made(COMMON_NAMES.get(authority, authority), datetime.now(UTC), options.validity)
        return made.key, made.certificate

    def _old_one(self) -> bytes:
        if self._source:
            return self._read("old.pem")
        name = self._plan.machines[0]
        text = self._handle.node(name).read_file(
            self._handle.profile.kubeadm.folder / TRUST[self._plan.authority], sudo=True
        )
        if len(ca_rotation.halves_in(text)) != 1:
            raise Refused(
                f"{name}: {TRUST[self._plan.authority]} has several, and which is the old one is not laid down",
                hint="end the rotation that was begun by hand first",
            )
        return text


class _Staging(NodeParts):
    """One node on its way to the state of a stage."""

    def __init__(self, handle: Cluster, node: NodeStage, plan: CaRotationPlan, check: Check) -> None:
        super().__init__(node.name)
        self._handle, self._node, self._plan, self._check = handle, node, plan, check
        self._folder = handle.profile.kubeadm.folder
        self._restarted = False

    def make(self, state: State) -> None:
        """Its files, in one move each."""
        self._check()
        paths = [one.path for one in look_at_node(self._handle, self.name).kubeconfigs if not one.missing]
        script = ca_rotation.make(
            self._folder, self._plan.authority, state, control_plane=self._node.control_plane, kubeconfigs=paths
        )
        with self.part(f"files of {state}"):
            for line in self._run(script).splitlines():
                log_about(self.name).info("%s", line)

    def rotate(self, orders: StageOrders, *, leaves: bool = True) -> NodeRotated:
        """What is signed anew, and restarts with gates and proofs."""
        wanted = self._node.rotation
        if not leaves:
            wanted = wanted.model_copy(update={"leaves": (), "copies": ()})
        allowed = RotationOptions(allow_downtime=orders.options.allow_downtime)
        return rotate_leaves(self._handle, wanted, allowed, orders.run_id, self._check, runbook="ca_rotation")

    def put_back(self, error: CommandFailed, orders: StageOrders) -> CommandFailed:
        """The files of before, and what has read the others anew; says what came of it."""
        before = self._node.state
        if before not in FILES:
            return CommandFailed(f"{error.problem}; it was {before} before, and stays as it is", hint=error.hint)
        log_about(self.name).error("%s; it goes back to %s", error, before)
        try:
            self.make(before)
            self.rotate(orders, leaves=False)
        except RunbookError as second:
            return CommandFailed(
                f"{error.problem}; and it could not be brought back to {before}: {second.problem}",
                hint=f"{error.hint}; docs/ca-rotation.md has the way back by hand",
            )
        return CommandFailed(f"{error.problem}; it is {before} again, and that is proven", hint=error.hint)

    def bring_kubelet(self, *, signer: str) -> None:
        """Its client certificate where that is to be another one, and a new start: it reads what it believes then."""
        if self._plan.authority is not Authority.CLUSTER:
            return
        self._check()
        since = self._now()
        with self.part("kubelet"):
            if self._node.kubelet:
                self._sign_for_kubelet(signer)
            else:
                self._run(ca_rotation.restart_kubelet())
            wait_for(lambda: self._is_ready(since), READY_LIMIT)
        self._restarted = True

    def _sign_for_kubelet(self, signer: str) -> None:
        """Its key stays there, and so does the authority's on its own node: a request goes there, a certificate comes back."""
        request = self._run(kubelet.ask_for_kubelet(self.name)).encode()
        script = kubelet.sign_for_kubelet(self._folder, self.name, KUBEADM_HOURS)
        signed = self._handle.node(signer).run(script, stdin=request, timeout=CALL, sudo=True).stdout
        self._run(kubelet.install_for_kubelet(), stdin=signed)

    def _is_ready(self, since: datetime) -> None:
        self._check()
        kube = next((one for one in look_at_nodes(self._handle.kube) if one.name == self.name), None)
        process = look_at_node(self._handle, self.name).process(KUBELET)
        if process is None or process.started_at < since:
            raise NotYet(f"{self.name}: its kubelet does not run anew", hint="look at `journalctl -u kubelet` there")
        if kube is None or not kube.ready or kube.heartbeat is None or kube.heartbeat <= since:
            raise NotYet(
                f"{self.name}: no heartbeat since its kubelet was started", hint="look at `journalctl -u kubelet` there"
            )

    def result(self, rotated: NodeRotated | None) -> NodeStaged:
        """With where it stands now."""
        found = look_at_trust(self._handle, self.name, self._plan.authority)
        control_planes = [look_at_trust(self._handle, name, self._plan.authority) for name in self._plan.machines]
        old, new = halves_of(control_planes)
        after = state_of(found, old, new) if old else State.FOREIGN
        if after is not AFTER[self._plan.stage]:
            raise NotYet(f"{self.name}: it is {after}, not {AFTER[self._plan.stage]}", hint="run it again")
        return NodeStaged(
            node=self.name,
            before=self._node.state,
            after=after,
            rotated=rotated,
            kubelet_restarted=self._restarted,
            took=self.took,
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._run("date +%s")), UTC)

    def _run(self, script: str, stdin: bytes = b"") -> str:
        output = self._handle.node(self.name).run(script, stdin=stdin, timeout=CALL, sudo=True)
        return output.stdout.decode(errors="replace")


def _look(handle: Cluster, authority: Authority, run_id: str) -> CaRotationFacts:
    found = look_at_rotation(handle, run_id)
    names = [node.name for node in handle.profile.nodes]
    nodes = tuple(on_all(lambda name: look_at_trust(handle, name, authority), names))
    if found.api_problem:
        return CaRotationFacts(authority=authority, rotation=found, nodes=nodes)
    objects, _ = look_at_bundles(handle)
    inventory = found.inventory.model_copy(update={"objects": objects})
    control_planes = {node.name for node in inventory.control_planes}
    _, new = halves_of(node for node in nodes if node.node in control_planes)
    return CaRotationFacts(
        authority=authority,
        rotation=found.model_copy(update={"inventory": inventory}),
        nodes=nodes,
        api=_look_at_api(handle, new),
    )


def _look_at_api(handle: Cluster, new: Half | None) -> ApiTrust:
    kube = handle.kube
    looks: list[Callable[[], Any]] = [
        lambda: kube.find(CLUSTER_INFO),
        lambda: kube.items("/api/v1/configmaps", fieldSelector=f"metadata.name={ca_api.ROOT}"),
        lambda: ca_api.data_of(kube.get(EXTENSION)),
        lambda: kube.items("/api/v1/pods"),
        lambda: kube.items("/api/v1/secrets", fieldSelector="type=kubernetes.io/service-account-token") if new else [],
    ]
    cluster_info, roots, extension, pods, secrets = on_all(lambda look: look(), looks)
    return ApiTrust(
        cluster_info=ca_api.cluster_info_of(cluster_info),
        joinable=cluster_info is not None,
        root_cas=ca_api.root_cas_of(roots),
        clients=ca_api.ids_in(extension.get(ca_api.CLIENTS, "")),
        front_proxies=ca_api.ids_in(extension.get(ca_api.FRONT_PROXIES, "")),
        old_pods=tuple(ca_api.pods_before(pods, ca_api.changed_at(roots))),
        old_tokens=tuple(ca_api.tokens_of_others(secrets, new)) if new else (),
        worker=_believed_by_worker(handle),
    )


def _believed_by_worker(handle: Cluster) -> tuple[str, ...]:
    reference = handle.profile.kubernetes.kubeconfig
    if reference is None:
        return ()
    return ca_api.ids_in(
        parse_kubeconfig(resolve_secret(reference, "kubernetes.kubeconfig"), "kubernetes.kubeconfig").ca
    )


def _hand_out_cluster_info(handle: Cluster, plan: CaRotationPlan, wanted: Sequence[str], check: Check) -> list[str]:
    found = handle.kube.find(CLUSTER_INFO)
    if found is None or set(ca_api.cluster_info_of(found)) == set(wanted):
        return []
    path = handle.profile.kubeadm.folder / TRUST[plan.authority]
    bundle = handle.node(plan.machines[0]).read_file(path, sudo=True)
    check()
    handle.kube.replace(CLUSTER_INFO, ca_api.with_authorities(found, bundle))
    return ["cluster-info"]


def _drop_from_extension(handle: Cluster, authority: Authority, old: Half, check: Check) -> list[str]:
    """Once no API server has it in memory any more, which is proven by now."""
    key = {Authority.CLUSTER: ca_api.CLIENTS, Authority.FRONT_PROXY: ca_api.FRONT_PROXIES}.get(authority)
    found = handle.kube.get(EXTENSION)
    if key is None or old.id not in ca_api.ids_in(ca_api.data_of(found).get(key, "")):
        return []
    check()
    handle.kube.replace(EXTENSION, ca_api.without_authority(found, key, old.id))
    time.sleep(SETTLE.total_seconds())
    if old.id in ca_api.ids_in(ca_api.data_of(handle.kube.get(EXTENSION)).get(key, "")):
        raise NotYet(
            "an API server has put the old one back into extension-apiserver-authentication", hint="look which"
        )
    return ["extension-apiserver-authentication"]


def _handed_out(handle: Cluster, authority: Authority, wanted: Sequence[str]) -> tuple[str, ...]:
    """What the controller manager and API servers hand out by themselves."""
    kube = handle.kube
    if authority is Authority.CLUSTER:
        roots = ca_api.root_cas_of(kube.items("/api/v1/configmaps", fieldSelector=f"metadata.name={ca_api.ROOT}"))
        if behind := [name for name, ids in roots.items() if set(ids) != set(wanted)]:
            raise NotYet(
                f"{ca_api.ROOT} is not what it is to be in {', '.join(behind[:10])}",
                hint="look at the controller manager",
            )
    key = {Authority.CLUSTER: ca_api.CLIENTS, Authority.FRONT_PROXY: ca_api.FRONT_PROXIES}.get(authority)
    if key is None:
        return ()
    if not set(wanted) <= set(ca_api.ids_in(ca_api.data_of(kube.get(EXTENSION)).get(key, ""))):
        raise NotYet(f"extension-apiserver-authentication has not all of it in {key}", hint="look at the API servers")
    return ("kube-root-ca.crt", key) if authority is Authority.CLUSTER else (key,)
