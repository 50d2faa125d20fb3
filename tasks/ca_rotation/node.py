"""One node on its way to the state of a stage: its files, what is signed again, restarts with proofs, its kubelet; and the way back."""

from datetime import datetime, timedelta
from typing import Protocol

from tasks.ca_rotation import scripts
from tasks.ca_rotation.models import CaRotationPlan, NodeStage, NodeStaged, StageOrders
from tasks.ca_rotation.observe import look_at_trust
from tasks.ca_rotation.policy.trust import AFTER, halves_of, state_of
from tasks.cert_rotation.models.rotation import NodeRotated, NodeRotation, RotationOptions
from tasks.cert_rotation.steps import rotate_leaves
from tasks.certificates.kubelet import renew_kubelet
from tasks.certificates.models.authorities import FILES, State
from tasks.certificates.models.kubeadm import KUBEADM_HOURS
from tasks.certificates.observe import look_at_node
from tasks.cluster import Cluster
from tasks.core.at_once import on_all, wait_for
from tasks.core.errors import CommandFailed, NotYet, RunbookError
from tasks.core.logs import log_about
from tasks.core.models.kubeadm import KUBELET, Authority
from tasks.nodes.observe import look_at_nodes
from tasks.run.locks import Check
from tasks.run.parts import NodeParts

READY_LIMIT = timedelta(minutes=3)
"""For a node to be Ready again once its kubelet was restarted."""


class RenewsLeaves(Protocol):
    """Signs leaves of a node again, and restarts what has not read its files, each with a gate and a proof."""

    def __call__(  # noqa: PLR0913 - by position, as its one maker has them
        self,
        handle: Cluster,
        node: NodeRotation,
        options: RotationOptions,
        run_id: str,
        check: Check,
        /,
        *,
        runbook: str,
    ) -> NodeRotated:
        """A proof that fails is `CommandFailed`, after the leaves of before are back."""


def bring_control_plane_node(work: "StageOnNode", orders: StageOrders) -> NodeStaged:
    """Files of the stage, what has to be signed again, restarts with proofs, kubelet. A proof that fails puts the previous files back."""
    work.make_files(work.target)
    try:
        rotated = work.renew_leaves(orders)
    except CommandFailed as error:
        raise _put_back(work, error, orders) from error
    work.restart_kubelet(signer=work.name)
    return work.result(rotated)


def bring_all_workers(handle: Cluster, plan: CaRotationPlan, check: Check) -> tuple[NodeStaged, ...]:
    """Files and kubelets; one alone at first, then all others at once. Pods go on."""

    def bring(node: NodeStage) -> NodeStaged:
        work = StageOnNode(handle, node, plan, check)
        work.make_files(work.target)
        work.restart_kubelet(signer=plan.machines[0])
        return work.result(None)

    first, rest = plan.workers[:1], plan.workers[1:]
    return (*(bring(node) for node in first), *on_all(bring, rest))


def _put_back(work: "StageOnNode", error: CommandFailed, orders: StageOrders) -> CommandFailed:
    """The previous files, and a restart of what has read the others; the error that says what came of it."""
    before = work.stage.state
    if before not in FILES:
        return CommandFailed(f"{error.problem}; it was {before} before, and stays as it is", hint=error.hint)
    log_about(work.name).error("%s; it goes back to %s", error, before)
    try:
        work.make_files(before)
        work.renew_leaves(orders, restarts_alone=True)
    except RunbookError as second:
        return CommandFailed(
            f"{error.problem}; and it could not be brought back to {before}: {second.problem}",
            hint=f"{error.hint}; docs/ca-rotation.md has the way back by hand",
        )
    return CommandFailed(f"{error.problem}; it is {before} again, and that is proven", hint=error.hint)


class StageOnNode(NodeParts):
    """What a stage does on one node, a part at a time."""

    def __init__(
        self,
        handle: Cluster,
        stage: NodeStage,
        plan: CaRotationPlan,
        check: Check,
        *,
        renew: RenewsLeaves = rotate_leaves,
    ) -> None:
        super().__init__(stage.name)
        self._handle, self.stage, self._plan, self._check, self._renew = handle, stage, plan, check, renew
        self._kubelet_restarted = False

    @property
    def target(self) -> State:
        """Where the node stands at the end of the stage."""
        return AFTER[self._plan.stage]

    def make_files(self, state: State) -> None:
        """Those of a state, in one move each."""
        self._check()
        paths = [one.path for one in look_at_node(self._handle, self.name).kubeconfigs if not one.missing]
        script = scripts.make(
            self._handle.profile.kubeadm.folder,
            self._plan.authority,
            state,
            control_plane=self.stage.control_plane,
            kubeconfigs=paths,
        )
        with self.part(f"files of {state}"):
            for line in self._handle.shell(self.name).run(script).splitlines():
                log_about(self.name).info("%s", line)

    def renew_leaves(self, orders: StageOrders, *, restarts_alone: bool = False) -> NodeRotated:
        """What is signed again, and restarts with gates and proofs; or only these."""
        wanted = self.stage.rotation
        if restarts_alone:
            wanted = wanted.model_copy(update={"leaves": (), "copies": ()})
        options = RotationOptions(allow_downtime=orders.options.allow_downtime)
        return self._renew(self._handle, wanted, options, orders.run_id, self._check, runbook="ca_rotation")

    def restart_kubelet(self, *, signer: str, limit: timedelta = READY_LIMIT) -> None:
        """For a rotation of the cluster's CA: it reads what it trusts when it starts. Its client certificate is signed again where that is planned."""
        if self._plan.authority is not Authority.CLUSTER:
            return
        self._check()
        node = self._handle.shell(self.name)
        since = node.now().replace(microsecond=0)  # as starts of processes are told
        with self.part("kubelet"):
            if self.stage.kubelet:
                renew_kubelet(node, self._handle.shell(signer), self._handle.profile.kubeadm.folder, KUBEADM_HOURS)
            else:
                node.run(scripts.RESTART_KUBELET)
            wait_for(lambda: self._refuse_not_ready(since), limit)
        self._kubelet_restarted = True

    def _refuse_not_ready(self, since: datetime) -> None:
        """`NotYet` until another kubelet runs, and the API has heard from it."""
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
        """With where it stands now; `NotYet` where that is not the stage's end."""
        found = look_at_trust(self._handle, self.name, self._plan.authority)
        control_planes = [look_at_trust(self._handle, name, self._plan.authority) for name in self._plan.machines]
        old, new = halves_of(control_planes)
        after = state_of(found, old, new) if old else State.FOREIGN
        if after is not self.target:
            raise NotYet(f"{self.name}: it is {after}, not {self.target}", hint="run it again")
        return NodeStaged(
            node=self.name,
            before=self.stage.state,
            after=after,
            rotated=rotated,
            kubelet_restarted=self._kubelet_restarted,
            took=self.took,
        )
